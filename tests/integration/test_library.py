#!/usr/bin/env python3
"""Every typed function of libcfipc, waiting and not, against the real daemon and the development server: libdriver.c
does it and prints a line for each operation, which this file counts."""
import hashlib
import os
import re
import subprocess
import sys

from cf.process import build_dir, program, source_dir
from cf.tap import assert_equal, diagnose, main, test

DRIVER_SECONDS = 50
# What the daemon of this day answers with MethodNotImplemented.
NOT_YET = {'remote.Subscribe'}


def operations():
    found = set()
    for name in ('daemon', 'remote', 'sync'):
        with open(os.path.join(source_dir(), f'conf/org.carbonfiles.{name}.varlink'), encoding='utf-8') as f:
            found |= {f'{name}.{m}' for m in re.findall(r'^method (\w+)', f.read(), re.M)}
    return found


@test('every function of the library, in both forms', pair=False)
def every_function(w):
    env = {**os.environ, 'CARBONFILESD_SOCKET': w.daemon.socket_path, 'CF_URL': w.server.url,
           'CF_KEY': w.server.admin_key}
    try:
        done = subprocess.run([program('tests/integration/libdriver'), w.root], env=env, capture_output=True,
                              timeout=DRIVER_SECONDS, text=True, check=False)
    except subprocess.TimeoutExpired as hanging:
        diagnose((hanging.stdout or b'').decode())
        raise
    worked, wrong = {'lib-blocking': set(), 'lib-async': set()}, []
    for line in done.stdout.splitlines():
        form, operation, how = line.split(' ', 2)
        diagnose(line)
        if how == 'ok' or (how == 'missing' and operation in NOT_YET):
            worked[form].add(operation)
        else:
            wrong.append(line)
    assert_equal((wrong, done.stderr), ([], ''))
    for form, some in worked.items():
        assert_equal(operations() - some, set(), f'{form} leaves out')
    assert_equal(done.returncode, 0)


@test('the example programs upload to a real server', pair=False)
def examples(w):
    env = {**os.environ, 'CARBONFILESD_SOCKET': w.daemon.socket_path,
           'LD_LIBRARY_PATH': os.path.join(build_dir(), 'libcfipc/.libs')}
    script = os.path.join(source_dir(), 'examples/upload.py')
    data = os.urandom(3 << 20)
    local = w.write('big', data)

    def run(*argv):
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=DRIVER_SECONDS, check=False)
        assert_equal(done.returncode, 0, done.stderr)
        return done.stdout
    assert w.bucket in run(sys.executable, '-I', script)
    run(sys.executable, '-I', script, w.bucket, local, 'deep/er/ü ß')
    run(program('tests/integration/upload'), w.bucket, local, 'from c')
    digest = hashlib.sha256(data).hexdigest()
    assert_equal(w.remote(), {'deep/er/ü ß': digest, 'from c': digest})


if __name__ == '__main__':
    sys.exit(main())

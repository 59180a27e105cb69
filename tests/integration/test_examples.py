#!/usr/bin/env python3
"""The programs of examples/ and the one in cfipc(3): built as a reader would build them, and run. The daemon is one
that says what it is told; test_library.py has the real one."""
import os
import re
import shlex
import subprocess
import sys
import tempfile

from cf.process import build_dir, source_dir
from cf.tap import Skip, assert_equal, main, test
from fakeipc import FakeDaemon, Error

RUN_SECONDS = 30
BUCKET = {'id': 'B1', 'name': 'holiday', 'owner': 'me', 'created_at': '2026-01-01T00:00:00Z', 'file_count': 3,
          'total_size': 9}
FILE = {'path': 'a/x', 'name': 'x', 'size': 5, 'mime_type': 'text/plain', 'created_at': '2026-01-01T00:00:00Z',
        'updated_at': '2026-01-01T00:00:00Z', 'short_url': 'http://h/s/abc'}
STATUS = {'name': 'docs', 'state': 'idle', 'in_sync': True, **{k: 0 for k in (
    'files_total', 'files_pending', 'files_skipped', 'bytes_total', 'bytes_pending', 'bytes_per_second',
    'deletes_held', 'foreign_held', 'conflicts', 'errors', 'watched_directories', 'polled_directories')}}


def page(buckets, offset):
    return {'buckets': buckets, 'page': {'total': 2, 'limit': 1, 'offset': offset}}


def stored(call):
    """What an upload brought is told back as its size."""
    with os.fdopen(call.fds.pop(), 'rb') as f:
        size = len(f.read())
    return [{'progress': {'transfer': '1', 'phase': 'body', 'bytes_done': size, 'bytes_total': size}},
            {'file': {**FILE, 'path': call.parameters['path'], 'size': size}}]


class Place:
    """A directory with a fake daemon in it."""
    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix='carbonfilesd-ex-')
        self.path = self.temporary.__enter__()
        self.daemon = FakeDaemon(self.path, {
            'remote.ListBuckets': [page([BUCKET], 0), page([{**BUCKET, 'id': 'B2'}], 1)],
            'remote.Upload': stored,
            'sync.Watch': [{'status': STATUS}, {'status': {**STATUS, 'state': 'syncing'}}],
        })
        self.daemon.__enter__()
        return self

    def __exit__(self, *exc):
        self.daemon.__exit__(*exc)
        assert_equal(self.daemon.problems, [])
        self.temporary.__exit__(*exc)

    def file(self, data):
        path = os.path.join(self.path, 'local file')
        with open(path, 'wb') as f:
            f.write(data)
        return path

    def run(self, *argv):
        env = {**os.environ, 'CARBONFILESD_SOCKET': self.daemon.path,
               'LD_LIBRARY_PATH': os.path.join(build_dir(), 'libcfipc/.libs')}
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)

    def build(self, source, *flags):
        library = os.path.join(build_dir(), 'libcfipc/.libs')
        out = os.path.join(self.path, 'program')
        symbols = subprocess.run(['nm', '-D', library + '/libcfipc.so'], capture_output=True, text=True, check=True)
        if '__asan_init' in symbols.stdout:
            flags += ('-fsanitize=address,undefined',)
        subprocess.run([*shlex.split(os.environ.get('CC', 'cc')), '-std=gnu99', '-Wall', '-Wextra', '-Werror', source,
                        '-I' + os.path.join(source_dir(), 'libcfipc'), '-L' + library, '-o', out, '-lcfipc', *flags],
                       check=True)
        return out


@test('upload.c sends a file and shows how far it is', world=False)
def upload_c():
    with Place() as p:
        program = p.build(os.path.join(source_dir(), 'examples/upload.c'))
        done = p.run(program, 'B1', p.file(b'12345'), 'a/x')
        assert_equal((done.returncode, done.stdout), (0, '\na/x, 5 bytes, http://h/s/abc\n'), done.stderr)
        assert '100 % of 5 bytes' in done.stderr, done.stderr
        assert_equal(p.daemon.calls[-1].parameters, {'bucket': 'B1', 'path': 'a/x', 'fd': 0})
        done = p.run(program, 'B1', p.path + '/none')
        assert_equal(done.returncode, 8, done.stderr)
        p.daemon.script['remote.Upload'] = Error('org.carbonfiles.remote.AccessDenied', status_code=403,
                                                 message='not yours', hint='ask')
        done = p.run(program, 'B1', p.file(b''))
        assert_equal(done.returncode, 4)
        assert 'not yours' in done.stderr and 'ask' in done.stderr, done.stderr
        assert_equal(p.run(program).returncode, 2)


@test('glib-status.c lists and watches in the main loop of GLib', world=False)
def glib():
    flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'glib-2.0'], capture_output=True, text=True,
                           check=False)
    if flags.returncode:
        raise Skip('libglib2.0-dev is not installed')
    with Place() as p:
        program = p.build(os.path.join(source_dir(), 'examples/glib-status.c'), *shlex.split(flags.stdout))
        done = p.run(program, '1')
        assert_equal(done.returncode, 0, done.stderr)
        for line in ('bucket B1  holiday', 'bucket B2  holiday', 'that is all', 'pair docs is idle',
                     'pair docs is syncing'):
            assert line in done.stdout.splitlines(), done.stdout
        del p.daemon.script['sync.Watch']
        done = p.run(program)
        assert_equal(done.returncode, 1, done.stdout)
        assert 'not implemented' in done.stderr, done.stderr


@test('upload.py lists buckets and uploads with the standard library only', world=False)
def upload_py():
    script = os.path.join(source_dir(), 'examples/upload.py')
    with Place() as p:
        done = p.run(sys.executable, '-I', script)
        assert_equal(done.returncode, 0, done.stderr)
        assert_equal([line.split() for line in done.stdout.splitlines()],
                     [['B1', '3', 'holiday'], ['B2', '3', 'holiday']])
        done = p.run(sys.executable, '-I', script, 'B1', p.file(b'abc'))
        assert_equal((done.returncode, done.stdout), (0, '\nlocal file  3 bytes  http://h/s/abc\n'), done.stderr)
        p.daemon.script['remote.ListBuckets'] = Error('org.carbonfiles.remote.NotLoggedIn', profile='p')
        assert_equal(p.run(sys.executable, '-I', script).returncode, 1)


@test('the example of cfipc(3) builds and runs', world=False)
def manual():
    with open(os.path.join(source_dir(), 'doc/cfipc.3'), encoding='utf-8') as f:
        text = re.search(r'^\.SH EXAMPLE\n.*?^\.EX\n(.*?)^\.EE\n', f.read(), re.S | re.M).group(1)
    text = text.replace(r'\e', '\\').replace(r'\-', '-').replace(r'\&', '')
    with Place() as p:
        source = os.path.join(p.path, 'example.c')
        with open(source, 'w', encoding='utf-8') as f:
            f.write(text)
        done = p.run(p.build(source))
        assert_equal(done.returncode, 0, done.stderr)
        assert_equal(done.stdout.splitlines(), ['B1  holiday  9 bytes', 'B2  holiday  9 bytes', '2 buckets'])


if __name__ == '__main__':
    sys.exit(main())

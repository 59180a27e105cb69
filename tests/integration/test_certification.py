#!/usr/bin/env python3
"""Clients and texts that nobody here wrote: the certification client of the Go implementation of Varlink against the
daemon's service, and the daemon's own words about its interfaces against the installed ones."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

from cf import varlink
from cf.process import build_dir, program, source_dir
from cf.tap import Skip, assert_equal, main, test

GO_PATH = '/usr/share/gocode'
CLIENT = 'github.com/varlink/go/cmd/varlink-go-certification'
BUILD_SECONDS = 300     # a few seconds where the machine is idle
RUN_SECONDS = 30


@test('the Go certification client passes all eleven steps', world=False, seconds=BUILD_SECONDS + RUN_SECONDS)
def certification():
    text = os.path.join(GO_PATH, 'src', CLIENT, 'orgvarlinkcertification/org.varlink.certification.varlink')
    if not shutil.which('go') or not os.path.exists(text):
        raise Skip('golang-go or golang-github-varlink-go-dev is not installed')
    with tempfile.TemporaryDirectory(prefix='carbonfilesd-go-') as where:
        client, path = os.path.join(where, 'client'), os.path.join(where, 'socket')
        env = {'PATH': os.environ['PATH'], 'HOME': where, 'GO111MODULE': 'off', 'GOPATH': GO_PATH,
               'GOCACHE': os.path.join(where, 'cache'), 'GOFLAGS': '-p=2', 'GOTOOLCHAIN': 'local'}
        subprocess.run(['go', 'build', '-o', client, CLIENT], env=env, cwd=where, check=True, timeout=BUILD_SECONDS)
        with subprocess.Popen([program('tests/unit/ipc-certification'), path, text], text=True, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as service:
            assert_equal(service.stdout.readline(), 'ready\n')
            done = subprocess.run([client, '-client', '-varlink', 'unix:' + path], capture_output=True, text=True,
                                  timeout=RUN_SECONDS, check=False)
            said = service.communicate(timeout=RUN_SECONDS)[0]
            assert_equal(service.returncode, 0)
        assert 'failed' not in done.stdout.lower() and done.returncode == 0, done.stdout + done.stderr + said
        assert said.endswith('certified after 11 steps\n') and 'not certified' not in said, said


@test('the installed interface texts are what GetInterfaceDescription returns', server=False)
def texts(w):
    root = os.path.join(w.base, 'installed')
    subprocess.run(['make', '-s', 'install-dist_varlinkDATA', 'DESTDIR=' + root], cwd=build_dir(), check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, 'MAKEFLAGS': ''})
    installed = {os.path.basename(p)[:-len('.varlink')]: p
                 for p in glob.glob(root + '/**/*.varlink', recursive=True)}
    with varlink.Connection(w.daemon.socket_path) as daemon:
        served = set(daemon.call('org.varlink.service.GetInfo')['interfaces']) - {'org.varlink.service'}
        assert_equal(served, set(installed))
        for name, path in installed.items():
            with open(path, encoding='utf-8') as f:
                text = f.read()
            assert_equal(daemon.call('org.varlink.service.GetInterfaceDescription',
                                     {'interface': name})['description'], text, name)
            with open(os.path.join(source_dir(), 'conf', name + '.varlink'), encoding='utf-8') as f:
                assert_equal(f.read(), text, name)


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""Wrong tokens, unknown hosts, bad certificates, malformed files, full disks: a clear word that says what to do, a
documented exit status, nothing lost, nothing half-written."""
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading

from cf import Skip, VarlinkError, assert_equal, digest, main, test, wait_until
from cf.daemon import Daemon

NOT_REACHABLE, REFUSED, NOT_FOUND, SERVER_AWAY, NOT_IN_SYNC = 3, 4, 5, 6, 7     # cfctl(1), EXIT STATUS


def says(done, code, *words):
    """cfctl ended with this status and these words on stderr, on few lines, with nothing on stdout."""
    assert_equal(done.returncode, code, done.stdout + done.stderr)
    for word in words:
        assert word.lower() in done.stderr.lower(), f'{word!r} is not in {done.stderr!r}'
    assert 1 <= done.stderr.count('\n') <= 3, done.stderr


@test('no daemon: cfctl says so', daemon=False, server=False)
def _(w):
    says(w.daemon.cfctl('status'), NOT_REACHABLE, 'carbonfilesd')


@test('a wrong token is refused and not stored', pair=False)
def _(w):
    done = w.daemon.cfctl('login', w.server.url, '--name', 'bad', '--token-file', '-', input='cf4_00000000_wrong\n')
    says(done, REFUSED)
    assert 'cf4_00000000_wrong' not in done.stderr + w.daemon.log()
    assert_equal([p['name'] for p in w.daemon.call('remote.ListProfiles')['profiles']], ['default'])


@test('a credential that is revoked: login_required, once; a new one resumes, at once', pair=False, files={'a': b'1'},
      settings={'doubt_seconds': 3600})
def _(w):
    key = w.server.ask('POST', '/api/keys', {'name': 'laptop'})
    w.daemon.login(w.server.url, key['key'])
    bucket = w.daemon.call('remote.CreateBucket', {'name': 'mine', 'expires_in': 'never'})['bucket']['id']
    w.bucket = bucket
    w.daemon.add(w.root, bucket)
    w.sync()
    w.server.ask('DELETE', '/api/keys/' + key['prefix'])
    w.server.ask('DELETE', '/_dev/caches')
    w.write('b', b'2')
    status = w.wait_status(lambda s: s['state'] == 'login_required', what='state login_required')
    assert not status['in_sync'] and status.get('last_error'), status
    says(w.daemon.cfctl('sync', 'wait', 'docs', '--timeout', '5'), NOT_IN_SYNC)
    w.daemon.login(w.server.url, w.server.admin_key)
    w.sync(60)
    w.assert_equal_sides()


@test('an unknown host, a closed port, a server that is no CarbonFiles', server=False)
def _(w):
    def login(url):
        return w.daemon.cfctl('login', url, '--name', 'x', '--token-file', '-', input='secret\n')
    says(login('http://no-such-host.invalid'), SERVER_AWAY, 'no-such-host.invalid')
    closed = socket.socket()
    closed.bind(('127.0.0.1', 0))
    says(login(f'http://127.0.0.1:{closed.getsockname()[1]}'), SERVER_AWAY)
    closed.close()
    for bad in ('ftp://127.0.0.1', 'not a url', 'http://', 'http://user:pw@127.0.0.1/'):
        says(login(bad), 2, 'invalid parameter: url', 'https://')
    assert_equal(w.daemon.call('remote.ListProfiles')['profiles'], [])


@test('a certificate nobody vouches for is refused; with ca_file it is taken', server=False, daemon=False)
def _(w):
    certificate, key = os.path.join(w.base, 'cert.pem'), os.path.join(w.base, 'key.pem')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
                    '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate], check=True,
                   capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(('127.0.0.1', 0))

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(peer, server_side=True) as tls:
                    tls.recv(65536)
                    tls.sendall(b'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
            except OSError:
                pass    # the client refused the certificate: what this test is about
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        url = f'https://localhost:{listener.getsockname()[1]}'
        w.daemon.start()
        done = w.daemon.cfctl('login', url, '--name', 'x', '--token-file', '-', input='secret\n')
        says(done, SERVER_AWAY, 'certificate')
        assert_equal(w.daemon.call('remote.ListProfiles')['profiles'], [])
        w.daemon.settings(ca_file=certificate)
        w.daemon.call('daemon.Reload')
        done = w.daemon.cfctl('login', url, '--name', 'x', '--token-file', '-', input='secret\n')
        says(done, REFUSED)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@test('a malformed configuration: file, line, key and what is allowed, and no start', server=False, daemon=False)
def _(w):
    for text, line, words in (
            ('settle_ms = 50\nno_such_key = 1\n', 2, ('no_such_key',)),
            ('settle_ms = fast\n', 1, ('settle_ms',)),
            ('\n\nsettle_ms = -1\n', 3, ('settle_ms',)),
            ('settle_ms = 99999999999999999999\n', 1, ('settle_ms',)),
            ("log_level = 'loud'\n", 1, ('log_level', 'error', 'debug')),
            ("ca_file = 'unterminated\n", None, ())):
        w.daemon.write_config('carbonfilesd.conf', text)
        open(w.daemon.log_path, 'w').close()
        w.daemon.start(ready=False)
        status = w.daemon.wait()
        assert status > 0, (text, status)
        said = w.daemon.log()
        assert 'carbonfilesd.conf' in said, said
        if line:
            assert f'carbonfilesd.conf:{line}' in said, (text, said)
        for word in words:
            assert word in said, (word, said)


@test('what is not in this version, or not allowed, is refused with what is', files={'a': b'1'})
def _(w):
    for words, code, *said in (
            (('sync', 'set', 'docs', 'mode=pull'), 2, 'mode', 'mirror and backup'),
            (('sync', 'set', 'docs', 'name=a b'), 2, 'name', 'letters, digits'),
            (('sync', 'set', 'docs', 'remote_prefix=../x'), 2, 'remote_prefix', "'..'"),
            (('sync', 'set', 'docs', 'max_delete_percent=101'), 2, 'max_delete_percent', '0 to 100'),
            (('sync', 'add', w.base, 'new', '--create', '--exclude', 'x'), 2, 'exclude', '.carbonfilesignore'),
            (('sync', 'add', w.base, 'new', '--create', '--name', 'docs'), 1, 'docs', '--name'),
            (('sync', 'add', w.base, b'n\xff', '--create'), 2, 'not UTF-8'),
            (('daemon', 'log-level', 'loud'), 2, 'level', 'debug')):
        says(w.daemon.cfctl(*words), code, *said)
    assert_equal(len(w.daemon.call('remote.ListBuckets')['buckets']), 1)
    w.daemon.call('sync.Remove', {'name': 'docs'})
    w.daemon.call('remote.RemoveProfile', {'name': 'default'})
    says(w.daemon.cfctl('health'), NOT_FOUND, 'no server is known yet', 'cfctl login')


@test('a configuration that is named but not there: no start', server=False, daemon=False)
def _(w):
    w.daemon.start('--config', os.path.join(w.base, 'none.conf'), ready=False)
    assert_equal(w.daemon.wait(), 78)
    assert 'none.conf: No such file or directory' in w.daemon.log(), w.daemon.log()


@test('of several troubles status tells the one that names the state, and what to do', files={'a': b'1'})
def _(w):
    def told(state, *words):
        status = w.wait_status(lambda s: s['state'] == state, what='state ' + state)
        for word in words:
            assert word in status.get('last_error', ''), (word, status)
    os.rename(w.root, w.root + '.away')
    told('root_missing', 'is missing', 'cfctl sync adopt')
    w.daemon.call('remote.Logout', {'profile': 'default'})
    told('login_required', 'credential', 'cfctl login')
    w.daemon.login(w.server.url, w.server.admin_key)
    told('root_missing', 'is missing', 'cfctl sync adopt')
    os.rename(w.root + '.away', w.root)
    status = w.wait_status(lambda s: s['state'] == 'idle', what='state idle')
    assert 'last_error' not in status, status
    w.server.ask('DELETE', '/api/buckets/' + w.bucket)
    w.write('a', b'2')
    told('remote_gone', w.bucket, 'cfctl sync set', 'cfctl sync remove')
    findings = w.daemon.call('daemon.Diagnose')['findings']
    assert [f for f in findings if (f['check'], f['severity'], f['subject']) == ('pair', 'problem', 'docs')
            and w.bucket in f['message']], findings


@test('a reload with a malformed file changes nothing and says why', files={'a': b'1'})
def _(w):
    w.daemon.write_config('carbonfilesd.conf', 'settle_ms = 77\nnonsense = 1\n')
    try:
        w.daemon.call('daemon.Reload')
        raise AssertionError('not refused')
    except VarlinkError as error:
        assert_equal(error.name, 'org.carbonfiles.daemon.InvalidSetting')
        assert_equal((error.parameters['key'], error.parameters['line']), ('nonsense', 2))
    values = {s['key']: s['value'] for s in w.daemon.call('daemon.GetConfig')['settings']}
    assert_equal(values['settle_ms'], '50')
    w.daemon.settings(settle_ms=77)
    assert 'settle_ms' in w.daemon.call('daemon.Reload')['changed']
    values = {s['key']: s['value'] for s in w.daemon.call('daemon.GetConfig')['settings']}
    assert_equal(values['settle_ms'], '77')
    w.write('a', b'2')
    w.sync()
    w.assert_equal_sides()


@test('a malformed pair file or a profile that others can read: named, the rest works', files={'a': b'1'})
def _(w):
    w.daemon.terminate()
    w.daemon.write_config('pairs/broken.conf', 'mode = sideways\n')
    path = os.path.join(w.daemon.config, 'profiles/default.conf')
    shutil.copy(path, os.path.join(w.daemon.config, 'profiles/open.conf'))
    os.chmod(os.path.join(w.daemon.config, 'profiles/open.conf'), 0o644)
    w.daemon.start()
    w.write('a', b'2')
    w.sync()
    w.assert_equal_sides()
    said = w.daemon.log()
    assert 'broken.conf:1' in said and 'open.conf' in said, said
    assert '\\x0a' not in said.lower(), said      # a line for each
    with open(os.path.join(w.daemon.config, 'pairs/broken.conf')) as f:
        assert_equal(f.read(), 'mode = sideways\n')


@test('a second daemon refuses and says which one runs', server=False)
def _(w):
    second = Daemon(w.base)
    second.log_path = os.path.join(w.base, 'second.log')
    second.start(ready=False)
    assert second.wait() > 0
    assert str(w.daemon.pid) in second.log(), second.log()
    w.daemon.call('daemon.GetVersion')


@test('directories that others may enter are refused', server=False, daemon=False)
def _(w):
    os.makedirs(w.daemon.config, 0o700)
    os.chmod(w.daemon.directories['XDG_RUNTIME_DIR'], 0o777)
    w.daemon.start(ready=False)
    assert w.daemon.wait() > 0
    assert w.daemon.directories['XDG_RUNTIME_DIR'] in w.daemon.log(), w.daemon.log()


@test('a full disk below the state directory: the pair pauses with that reason and resumes by itself', daemon=False,
      pair=False)
def _(w):
    if os.geteuid() != 0:
        raise Skip('needs root to mount a small tmpfs')
    state = w.daemon.directories['XDG_STATE_HOME']
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=16m,mode=0700', 'tmpfs', state]).returncode:
        raise Skip('no mounts here')
    try:
        w.daemon.settings(settle_open_ms=200, delete_settle_ms=150)
        w.daemon.start()
        w.daemon.login(w.server.url, w.server.admin_key)
        w.daemon.add(w.root, w.bucket)
        w.write('a', b'1')
        w.sync()
        filler = os.path.join(state, 'filler')
        with open(filler, 'wb', buffering=0) as f:
            try:
                while f.write(b'x' * 4096):
                    pass
            except OSError:
                pass    # full, as wanted
        for i in range(3000):
            w.write(f'd{i % 10}/a-long-name-that-fills-the-index-{i}', b'%d' % i)
        status = w.wait_status(lambda s: s['state'] == 'error', 30, 'the pair to say that the disk is full')
        assert 'space' in (status.get('last_error') or ''), status
        # Nothing is sent that could not be recorded: what is there now is known after a restart.
        os.unlink(filler)
        w.wait_equal_sides(60)
        w.sync(60)
        assert_equal(w.daemon.held(), [])
    finally:
        w.daemon.expected_dead = True
        w.daemon.terminate()
        subprocess.run(['umount', '-l', state])


@test('a file larger than the server takes is parked with the reason; it holds nothing up',
      server_arguments=('--max-upload-size', '100000'))
def _(w):
    w.write('big', os.urandom(200000))
    w.write('small', b'1')
    wait_until(lambda: 'small' in w.remote(), 20, 'the small file')
    wait_until(lambda: [s['path'] for s in w.daemon.skipped()] == ['big'], 20, 'the large one in the list')
    status = w.sync()
    assert_equal((status['in_sync'], status['errors']), (True, 1))
    w.write('big', b'now it fits')
    w.sync()
    w.assert_equal_sides()


@test('a poisoned content is tried alone and parked, the others of its batch arrive', seconds=200)
def _(w):
    if not os.environ.get('TESTS_LONG'):
        raise Skip('three tries 30 s apart: with TESTS_LONG=1')
    w.server.ask('POST', '/_dev/poison/' + digest(b'poisoned'))
    for i in range(20):
        w.write(f'f{i}', b'%d' % i)
    w.write('f7x', b'poisoned')
    wait_until(lambda: len(w.remote()) == 20, 60, 'the others')
    wait_until(lambda: [s['path'] for s in w.daemon.skipped()] == ['f7x'], 150, 'the poisoned one parked')
    assert w.sync()['in_sync']


if __name__ == '__main__':
    sys.exit(main())

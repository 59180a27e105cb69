#!/usr/bin/env python3
"""The table of the remote interface: each operation done with a real daemon and server by a raw call, by both forms of the
library's function, and by cfctl as text and as JSON, where it is also made to fail. A line "# table: ..." tells of each."""
import atexit
import functools
import json
import os
import signal
import subprocess
import sys

from cf import assert_equal, main, test
from cf.process import program
from cf.rest import Rest
from cf.tap import Skip
from cf.wait import wait_until
from cf.world import World
from cfctlrun import CFCTL, LIBRARY
from fakeipc import Interface

REMOTE = Interface('org.carbonfiles.remote')
NO = 'ZZZZZZZZZZ'       # the form of an id, and no bucket
NASTY = ['a b', 'ü/é', 'Ωmega/日本/🎉.txt', 'p%2Fq', 'x%41', 'hash#?&+=', 'd/content', 'd/Verify', 'content', "quote'\"", '_under_/a',
         '%/b', 'new\nline', '-dash', 'deep/' * 40 + 'end']


@functools.lru_cache(maxsize=None)
def world():
    url = os.environ.get('TESTS_SERVER')
    w = World(daemon=False, server=not url)
    atexit.register(w.close)
    if url:
        w.server.url, w.server.admin_key = url, os.environ['TESTS_SERVER_KEY']
        w.server.rest = Rest(url, w.server.admin_key)
        w.bucket = w.server.create_bucket('test')
    w.daemon.environment['CARBONFILESD_CHECK_REPLIES'] = '1'
    w.daemon.start()
    w.daemon.login(w.server.url, w.server.admin_key, profile='admin')
    w.daemon.login(w.server.url, None, profile='guest')
    token = w.server.rest.ask('POST', '/api/tokens/dashboard')['token']
    w.daemon.login(w.server.url, token, profile='dashboard')
    w.key = w.server.rest.ask('POST', '/api/keys', {'name': 'alice'})
    w.work = os.path.join(w.base, 'work')
    os.mkdir(w.work)
    w.server.put(w.bucket, 'a/b.txt', b'hello')
    w.server.put(w.bucket, 'c', b'other')
    return w


def env():
    return {**world().daemon.env(), **LIBRARY, 'PAGER': 'cat'}


def cf(*words, input='', **options):
    return subprocess.run([CFCTL, *words], input=input, capture_output=True, text=True, env=env(), cwd=world().work, timeout=60, **options)


def code(path='a/b.txt'):
    return world().server.listing(world().bucket)[path]['short_code']


def fresh(name, data=b'x'):
    world().server.put(world().bucket, name, data)
    return name


def bucket():
    return world().server.create_bucket('gone')


def key():
    return world().server.rest.ask('POST', '/api/keys', {'name': 'bob'})['prefix']


def local(name, data=b'local'):
    with open(os.path.join(world().work, name), 'wb') as f:
        f.write(data)
    return name


class Running:
    """An upload that waits for its stdin."""
    def __enter__(self):
        self.child = subprocess.Popen([CFCTL, 'file', 'upload', world().bucket, '-', '--as', 'running'], stdin=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env())
        self.child.stdin.write(b'x')
        self.child.stdin.flush()
        self.id = wait_until(lambda: [t['id'] for t in world().daemon.call('remote.ListTransfers')['transfers']], 10, 'a transfer')[0]
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        self.child.communicate(timeout=20)


# Operation; the command (n is 0 for text and 1 for JSON: what one has made the other must not find); words of its text;
# a command that fails, its exit status and words.
B = 'BUCKET'
TABLE = [
    ('Login', lambda n: ['login', world().server.url, '--name', f'new{n}', '--anonymous'], ['Logged in'],
     ['login', 'http://127.0.0.1:1', '--name', 'x', '--token-file', '-'], 6, []),
    ('ListProfiles', lambda n: ['profile', 'list'], ['admin', 'guest'], None, 0, []),
    ('GetProfile', lambda n: ['profile', 'show', 'guest'], ['guest'], ['profile', 'show', 'none'], 5, ['none']),
    ('SetProfile', lambda n: ['profile', 'rename', f'new{n}', f'newer{n}'], ['newer0'], ['profile', 'use', 'none'], 5, ['none']),
    ('Logout', lambda n: ['logout', f'newer{n}'], ['Forgot'], ['logout', 'none'], 5, ['none']),
    ('RemoveProfile', lambda n: ['profile', 'remove', f'newer{n}'], ['Removed'], ['profile', 'remove', 'none'], 5, ['none']),
    ('GetHealth', lambda n: ['health'], ['healthy'], ['health', '--profile', 'none'], 5, ['none']),
    ('GetStats', lambda n: ['stats'], ['Buckets', 'admin'], ['stats', '--profile', 'guest'], 4, ['HTTP 403']),
    ('CreateBucket', lambda n: ['bucket', 'create', 'made', '--description', 'd', '--expires', '1d'], ['made', 'Expires'],
     ['bucket', 'create', 'x', '--expires', 'soon'], 1, ['HTTP 400']),
    ('ListBuckets', lambda n: ['bucket', 'list', '--all'], ['test'], ['bucket', 'list', '--profile', 'guest'], 4, []),
    ('GetBucket', lambda n: ['bucket', 'info', B, '--files'], ['test', 'a/b.txt'], ['bucket', 'info', NO], 5, [NO]),
    ('UpdateBucket', lambda n: ['bucket', 'update', B, '--description', 'papers'], ['papers'], ['bucket', 'update', B, '--name', 'x', '--profile', 'guest'], 4, []),
    ('GetBucketSummary', lambda n: ['bucket', 'summary', 'test'], ['a/b.txt (5 B)'], ['bucket', 'summary', NO], 5, [NO]),
    ('DeleteBucket', lambda n: ['bucket', 'delete', bucket(), '--yes'], ['Deleted'], ['bucket', 'delete', NO, '--yes'], 5, [NO]),
    ('DownloadZip', lambda n: ['bucket', 'download', B, '-o', f'z{n}.zip'], ['z0.zip: '], ['bucket', 'download', NO], 5, [NO]),
    ('ListFiles', lambda n: ['file', 'list', B, '--all'], ['a/b.txt', '5 B'], ['file', 'list', NO], 5, [NO]),
    ('ListDirectory', lambda n: ['file', 'ls', B], ['a/', '5 B'], ['file', 'ls', B, '../x'], 2, ['path']),
    ('ListTree', lambda n: ['file', 'tree', B], ['1 file', 'a/'], ['file', 'tree', NO], 5, [NO]),
    ('GetFile', lambda n: ['file', 'info', B, 'a/b.txt'], ['5 bytes', 'text/plain'], ['file', 'info', B, 'none'], 5, ['File not found']),
    ('GetFileUrl', lambda n: ['file', 'url', B, 'a/b.txt'], ['http://127.0.0.1', '/s/'], ['file', 'url', B, 'none'], 5, []),
    ('VerifyFile', lambda n: ['file', 'verify', B, 'a/b.txt'], ['is what was stored'], ['file', 'verify', B, 'none'], 5, []),
    ('DeleteFile', lambda n: ['file', 'delete', B, fresh('gone'), '--yes'], ['Deleted gone'], ['file', 'delete', B, 'none', '--yes'], 5, []),
    ('Upload', lambda n: ['file', 'upload', B, local('up'), '--as', 'u/p'], ['u/p: 5 B'], ['file', 'upload', B, 'none'], 8, ['No such file']),
    ('Download', lambda n: ['file', 'download', B, 'a/b.txt', '-o', f'd{n}'], ['d0: 5 B'], ['file', 'download', B, 'none'], 5, []),
    ('AppendFile', lambda n: ['file', 'append', B, fresh('app'), local('up')], ['app: 6 B'], ['file', 'append', B, 'none', 'up'], 5, []),
    ('PatchFile', lambda n: ['file', 'patch', B, fresh('pat', b'0123456789'), local('up'), '--offset', '8'], ['pat: 13 B'],
     ['file', 'patch', B, 'pat', 'up', '--offset', '99'], 1, []),
    ('CreateUploadToken', lambda n: ['token', 'upload', B, '--max-uploads', '3'], ['cfu_', 'Uploads'], ['token', 'upload', B, '--profile', 'guest'], 4, []),
    ('CreateApiKey', lambda n: ['key', 'create', 'carol'], ['cf4_', 'not shown again'], ['key', 'create', ' '], 1, ['HTTP 400']),
    ('ListApiKeys', lambda n: ['key', 'list', '--all'], ['alice'], ['key', 'list', '--profile', 'guest'], 4, []),
    ('GetApiKeyUsage', lambda n: ['key', 'usage', world().key['prefix']], ['alice'], ['key', 'usage', 'cf4_ffffffff'], 5, []),
    ('DeleteApiKey', lambda n: ['key', 'delete', key(), '--yes'], ['Deleted key'], ['key', 'delete', 'cf4_ffffffff', '--yes'], 5, []),
    ('CreateDashboardToken', lambda n: ['token', 'dashboard', '--expires', '2h'], ['Token', 'Expires'], ['token', 'dashboard', '--expires', '3d'], 1, ['24 hours']),
    ('GetDashboardToken', lambda n: ['token', 'info', '--profile', 'dashboard'], ['admin'], ['token', 'info', '--token-file', '-'], 4, []),
    ('ResolveShortUrl', lambda n: ['short', 'resolve', code()], ['a/b.txt'], ['short', 'resolve', 'zzzzzz'], 5, []),
    ('DeleteShortUrl', lambda n: ['short', 'delete', code(fresh(f'short{n}')), '--yes'], ['the file stays'], ['short', 'delete', 'zzzzzz', '--yes'], 5, []),
    ('ListTransfers', lambda n: ['transfer', 'list'], ['running'], None, 0, []),
    ('CancelTransfer', lambda n: ['transfer', 'cancel', 'TRANSFER'], ['Cancelled'], ['transfer', 'cancel', 'none'], 5, ['none']),
]


def text(name, data='more'):
    return {'bucket': world().bucket, 'path': fresh(name), 'data': data}


def there():
    return {'bucket': world().bucket, 'path': 'a/b.txt'}


def of_bucket():
    return {'bucket': world().bucket}


# What a raw call of each has for parameters.
RAW = {
    'Login': lambda: {'profile': 'raw', 'url': world().server.url}, 'ListProfiles': dict, 'GetProfile': lambda: {'name': 'raw'},
    'SetProfile': lambda: {'name': 'raw', 'new_name': 'rawer'}, 'Logout': lambda: {'profile': 'rawer'},
    'RemoveProfile': lambda: {'name': 'rawer'}, 'GetHealth': dict, 'GetStats': dict,
    'CreateBucket': lambda: {'name': 'raw', 'expires_in': '1d'}, 'ListBuckets': lambda: {'page': {'limit': 5}},
    'GetBucket': lambda: {**of_bucket(), 'include_files': True}, 'UpdateBucket': lambda: {**of_bucket(), 'description': 'raw'},
    'GetBucketSummary': of_bucket, 'DeleteBucket': lambda: {'bucket': bucket()},
    'DownloadZip': lambda: {**of_bucket(), 'local_path': world().work + '/raw.zip'}, 'ListFiles': of_bucket,
    'ListDirectory': lambda: {**of_bucket(), 'path': 'a'}, 'ListTree': lambda: {**of_bucket(), 'delimiter': '/'}, 'GetFile': there,
    'GetFileUrl': there, 'VerifyFile': there, 'DeleteFile': lambda: {**of_bucket(), 'path': fresh('raw-gone')},
    'Upload': lambda: {**of_bucket(), 'path': 'raw', 'local_path': os.path.join(world().work, local('raw'))},
    'Download': lambda: {**there(), 'local_path': world().work + '/raw-down'}, 'AppendFile': lambda: text('raw-append'),
    'PatchFile': lambda: {**text('raw-patch'), 'offset': 1}, 'CreateUploadToken': of_bucket,
    'CreateApiKey': lambda: {'name': 'raw'}, 'ListApiKeys': dict, 'GetApiKeyUsage': lambda: {'prefix': world().key['prefix']},
    'DeleteApiKey': lambda: {'prefix': key()}, 'CreateDashboardToken': dict, 'GetDashboardToken': lambda: {'profile': 'dashboard'},
    'ResolveShortUrl': lambda: {'code': code()}, 'DeleteShortUrl': lambda: {'code': code(fresh('raw-short'))},
}


def raw_outcome(operation, parameters):
    REMOTE.check(REMOTE.methods[operation][1], world().daemon.call('remote.' + operation, parameters), operation)


@functools.lru_cache(maxsize=None)
def library():
    """What libdriver, which does every function in both forms, says of each operation."""
    w = World(daemon=False, server=False)    # a daemon of its own: libdriver counts profiles and pairs
    atexit.register(w.close)
    w.daemon.start()
    w.daemon.login(world().server.url, world().server.admin_key)
    environment = {**env(), 'CARBONFILESD_SOCKET': w.daemon.socket_path, 'CF_URL': world().server.url, 'CF_KEY': world().server.admin_key}
    done = subprocess.run([program('tests/integration/libdriver'), w.root], env=environment, capture_output=True, text=True, timeout=60,
                          check=False)
    said = {}
    for form, operation, how in (line.split(' ', 2) for line in done.stdout.splitlines()):
        said.setdefault((form, operation), set()).add(how)
    return said


def library_outcome(operation):
    for form in ('lib-blocking', 'lib-async'):
        assert_equal(library().get((form, 'remote.' + operation)), {'ok'}, form)


def line_of(command, n=0, **more):
    names = {B: world().bucket, **more}
    return [names.get(word, word) for word in (command(n) if callable(command) else command)]


def outcome(operation, command, words, **more):
    done = cf(*line_of(command, 0, **more))
    assert_equal(done.returncode, 0, f'{operation}: {done.stdout}{done.stderr}')
    for word in words:
        assert word in done.stdout + done.stderr, f'{operation}: {word!r} is not in {done.stdout}{done.stderr}'


def json_outcome(operation, command, **more):
    done = cf('--json', *line_of(command, 1, **more))
    assert_equal((done.returncode, done.stderr), (0, ''), operation)
    replies = [json.loads(text) for text in done.stdout.splitlines()]
    assert replies, operation
    for reply in replies:
        REMOTE.check(REMOTE.methods[operation][1], reply, operation)


def failure(operation, command, status, words):
    done = cf(*line_of(command), input='a.b.c\n')
    assert_equal((done.returncode, done.stdout), (status, ''), f'{operation}: {done.stderr}')
    assert done.stderr.startswith('cfctl: ') and done.stderr.count('\n') <= 2, f'{operation}: {done.stderr}'
    for word in words:
        assert word in done.stderr, f'{operation}: {word!r} is not in {done.stderr}'
    done = cf('--json', *line_of(command), input='a.b.c\n')
    assert_equal((done.returncode, done.stdout), (status, ''), f'{operation}: {done.stderr}')
    assert_equal(sorted(json.loads(done.stderr))[:2], ['error', 'parameters'], operation)


def row(operation, command, words, fails, status, fail_words):
    def check():
        if operation in ('ListTransfers', 'CancelTransfer'):
            with Running() as running:
                outcome(operation, command, words, TRANSFER=running.id)
            with Running() as running:
                json_outcome(operation, command, TRANSFER=running.id)
            with Running() as running:
                raw_outcome(operation, {'transfer': running.id} if operation == 'CancelTransfer' else {})
        else:
            outcome(operation, command, words)
            json_outcome(operation, command)
            raw_outcome(operation, RAW[operation]())
        library_outcome(operation)
        if fails:
            failure(operation, fails, status, fail_words)
        print(f'# table: {operation:20} | daemon ok | lib blocking ok | lib async ok | cfctl text ok | cfctl json ok', flush=True)
    test(f'each way: {operation}', world=False)(check)


for one in TABLE:
    row(*one)


@test('the table has every method that the interface has, but Subscribe, which says that it is not there', world=False)
def _():
    assert_equal(sorted({r[0] for r in TABLE} | {'Subscribe'}), sorted(REMOTE.methods))
    done = cf('events', '--bucket', world().bucket)
    assert_equal(done.returncode, 1)
    assert 'not implemented' in done.stderr and 'Subscribe' in done.stderr, done.stderr


@test('names that other clients fail at: up, looked at, down, changed and away', world=False)
def _():
    w = world()
    home = w.server.create_bucket('names')
    for i, name in enumerate(NASTY):
        local('nasty', name.encode())
        for words in (['file', 'upload', home, 'nasty', '--as', name], ['file', 'info', home, '--', name], ['file', 'verify', home, '--', name],
                      ['file', 'url', home, '--', name], ['file', 'append', home, '--', name, 'nasty'], ['file', 'download', home, '-o', f'n{i}', '--', name]):
            done = cf(*words)
            assert_equal(done.returncode, 0, f'{words}: {done.stderr}')
        with open(os.path.join(w.work, f'n{i}'), 'rb') as f:
            assert_equal(f.read(), 2 * name.encode())
        assert_equal(cf('file', 'cat', home, '--', name).stdout, 2 * name)
    assert_equal(sorted(w.server.listing(home)), sorted(NASTY))
    done = cf('file', 'download', home, '/', '-r', '-o', 'all')
    assert_equal(done.returncode, 0, done.stderr)
    for name in NASTY:
        with open(os.path.join(w.work, 'all', name), 'rb') as f:
            assert_equal(f.read(), 2 * name.encode())
        done = cf('file', 'delete', home, '--yes', '--', name)
        assert_equal(done.returncode, 0, f'{name!r}: {done.stderr}')
    assert_equal(w.server.listing(home), {})


@test('an upload token is used instead of the credential of the profile, and used up', world=False)
def _():
    w = world()
    token = cf('token', 'upload', w.bucket, '--max-uploads', '2', '-q').stdout
    for i in range(3):
        done = cf('file', 'upload', w.bucket, local('up'), '--as', f'by-token/{i}', '--upload-token-file', '-', input=token)
        assert_equal(done.returncode, 0 if i < 2 else 4, done.stderr)
    assert 'another token' in done.stderr and 'credential' not in done.stderr, f'the cure is not a login: {done.stderr}'
    done = cf('file', 'upload', w.bucket, 'up', '--as', 'guest', '--profile', 'guest', '--upload-token-file', '-',
              input=cf('token', 'upload', w.bucket, '-q').stdout)
    assert_equal(done.returncode, 0, done.stderr)


@test('a tree of small files and large ones, up and down, byte for byte', world=False)
def _():
    w = world()
    root = os.path.join(w.work, 'tree')
    for i in range(60):
        os.makedirs(f'{root}/d{i % 7}', exist_ok=True)
        local(f'tree/d{i % 7}/f{i}', os.urandom(i * 100))
    local('tree/big', os.urandom(9 << 20))
    done = cf('file', 'upload', 'test', 'tree', '-r')
    assert_equal((done.returncode, done.stderr), (0, ''), done.stderr)
    assert '61 files uploaded' in done.stdout, done.stdout
    done = cf('file', 'download', 'test', 'tree', '-r', '-o', 'tree2')
    assert_equal((done.returncode, done.stderr), (0, ''), done.stderr)
    subprocess.run(['diff', '-r', root, os.path.join(w.work, 'tree2')], check=True)
    done = cf('file', 'download', 'test', 'tree', '-r', '-o', 'tree2')
    assert '0 files downloaded' in done.stdout and '61 were there already' in done.stdout, done.stdout
    # A reader that has seen enough, and one that sees all of it.
    done = subprocess.run(['sh', '-c', '"$@" | head -c 3 | wc -c', 'sh', CFCTL, 'file', 'cat', 'test', 'tree/big'], capture_output=True, env=env())
    assert_equal((done.stdout.strip(), done.stderr), (b'3', b''))
    done = subprocess.run([CFCTL, 'file', 'cat', 'test', 'tree/big', '--range', '1000000-8999999'], capture_output=True, env=env())
    with open(root + '/big', 'rb') as f:
        assert done.stdout == f.read()[1000000:9000000], 'the range'
    wait_until(lambda: not w.daemon.call('remote.ListTransfers')['transfers'], 10, 'no transfer left')


@test('a download that is cut goes on; a corrupted one is discarded and reported; what an earlier run left is used', world=False)
def _():
    w = world()
    if os.environ.get('TESTS_SERVER'):
        raise Skip('only the development server fails on order')
    data = os.urandom(6 << 20)
    w.server.put(w.bucket, 'big', data)
    try:
        w.server.fault('drip', 'content', bytes=4096, ms=1)
        child = subprocess.Popen([CFCTL, 'file', 'download', w.bucket, 'big', '-o', 'cut'], cwd=w.work, env=env(),
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_until(lambda: any(t['progress']['bytes_done'] >= 1 << 20 for t in w.daemon.call('remote.ListTransfers')['transfers']), 20,
                   'some of it')
        w.server.kill()
        w.server.start()
        _, words = child.communicate(timeout=60)
        # The daemon went on by itself, or said that the server is away.
        assert child.returncode in (0, 6), words
        if child.returncode == 6:
            assert b'are kept' in words, words
            assert_equal(cf('file', 'download', w.bucket, 'big', '-o', 'cut').returncode, 0)
        with open(os.path.join(w.work, 'cut'), 'rb') as f:
            assert f.read() == data, 'the bytes of a download that was cut'
        w.server.fault('corrupt', 'content', offset=5000, times=-1)
        done = cf('file', 'download', 'test', 'big', '-o', 'corrupt')
        assert_equal(done.returncode, 1, done.stderr)
        assert 'hash' in done.stderr.lower() or 'sha' in done.stderr.lower(), done.stderr
        assert_equal([n for n in os.listdir(w.work) if 'corrupt' in n], [])
    finally:
        w.server.clear_faults()
    # What an earlier run has left is gone on with.
    sha = w.server.listing(w.bucket)['big']['sha256']
    local(f'.resumed.{sha[:16]}.cfpart', data[:4 << 20])
    w.server.forget()
    assert_equal(cf('file', 'download', 'test', 'big', '-o', 'resumed').returncode, 0)
    with open(os.path.join(w.work, 'resumed'), 'rb') as f:
        assert f.read() == data, 'the bytes of a download that was resumed'
    assert_equal([n for n in os.listdir(w.work) if n.endswith('.cfpart')], [])


if __name__ == '__main__':
    sys.exit(main())

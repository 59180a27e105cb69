#!/usr/bin/env python3
"""Bytes over the socket: Upload, Download, AppendFile, PatchFile, DownloadZip, ListTransfers, CancelTransfer, with
every kind of local data, the server's faults, and clients that pass what they should not."""
import contextlib
import hashlib
import io
import os
import random
import socket
import threading
import time
import zipfile

from cf.tap import assert_equal, main, test
from cf.varlink import Closed, Connection, VarlinkError
from cf.wait import wait_until

INVALID = 'org.varlink.service.InvalidParameter'
REMOTE = 'org.carbonfiles.remote.'
MIB = 1 << 20


def sha(data):
    return hashlib.sha256(data).hexdigest()


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def refused(function, name, /, **parameters):
    """The call must fail with this error and these parameters; gives all of them."""
    try:
        result = function()
    except VarlinkError as error:
        assert error.name == name, f'{error.name} {error.parameters}, {name} was expected'
        for key, value in parameters.items():
            assert error.parameters.get(key) == value, f'{error.parameters}, {key}={value} was expected'
        return error.parameters
    raise AssertionError(f'succeeded with {result}, {name} was expected')


def begin(w):
    w.daemon.environment['CARBONFILESD_CHECK_REPLIES'] = '1'
    w.daemon.start()
    w.daemon.login(w.server.url, w.server.admin_key)
    return w.daemon


def call(w, method, *, fd=None, **parameters):
    """A transfer of the world's bucket on a connection of its own; fd is passed with it and stays open."""
    parameters = {'bucket': w.bucket, **parameters}
    if fd is not None:
        parameters['fd'] = 0
    return w.daemon.call('remote.' + method, parameters, fds=() if fd is None else (fd,))


@contextlib.contextmanager
def started(w, method, *, fd=None, **parameters):
    """The same as a stream that has begun: its connection and its id."""
    parameters = {'bucket': w.bucket, **parameters}
    if fd is not None:
        parameters['fd'] = 0
    with w.daemon.connect() as c:
        c.send('org.carbonfiles.remote.' + method, parameters, () if fd is None else (fd,), more=True)
        progress, continues = c.reply()
        assert continues
        yield c, progress['progress']['transfer']


def last(c):
    continues = True
    while continues:
        result, continues = c.reply()
    return result


@contextlib.contextmanager
def memfd(data=b''):
    fd = os.memfd_create('test')
    try:
        os.write(fd, data)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def piped(data):
    """The reading end of a pipe that a thread fills."""
    reader, writer = os.pipe()

    def fill():
        with contextlib.suppress(BrokenPipeError), os.fdopen(writer, 'wb') as f:
            f.write(data)
    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield reader
    finally:
        os.close(reader)
        thread.join()


@contextlib.contextmanager
def drained():
    """The writing end of a pipe whose bytes are collected: take() closes it and gives them."""
    reader, writer = os.pipe()
    got = io.BytesIO()

    def drain():
        with os.fdopen(reader, 'rb') as f:
            got.write(f.read())
    thread = threading.Thread(target=drain)
    thread.start()
    ends = [writer]

    def take():
        while ends:
            os.close(ends.pop())
        thread.join()
        return got.getvalue()
    try:
        yield writer, take
    finally:
        take()


def descriptors(w):
    return len(os.listdir(f'/proc/{w.daemon.pid}/fd'))


def wait_listing(w, *names):
    """A temporary file goes with the thread that wrote it, a moment after the reply."""
    wait_until(lambda: sorted(os.listdir(w.root)) == sorted(names), 5, f'only {names}, not {os.listdir(w.root)}')


def threads(w):
    return len(os.listdir(f'/proc/{w.daemon.pid}/task'))


@contextlib.contextmanager
def nothing_left(w):
    """Descriptors and threads are back to where they were, connections to the server aside."""
    w.daemon.call('remote.GetHealth')
    before = descriptors(w), threads(w)
    yield
    wait_until(lambda: threads(w) <= before[1], 10, 'no thread left')
    wait_until(lambda: descriptors(w) <= before[0] + 6, 10, 'no descriptor left')
    assert_equal(w.daemon.call('remote.ListTransfers')['transfers'], [])


NAMES = ['a.txt', 'd/e/f.bin', 'd/content', 'd/verify', 'content', 'a b+c&d=e.txt', 'grüße/Ω "x" ;.md',
         'tab\there', '\U0001F600/emoji', '100%/%41', 'x' * 300]


@test('every name goes up, comes down, is appended to and patched', daemon=False)
def names(w):
    begin(w)
    for i, name in enumerate(NAMES):
        data = noise(1000 + i, i)
        with memfd(data) as fd:
            file = call(w, 'Upload', path=name, fd=fd)['file']
            assert (file['path'], file['size'], file['sha256']) == (name, len(data), sha(data)), file
        file = call(w, 'AppendFile', path=name, data='more')['file']
        assert file['size'] == len(data) + 4 and file['sha256'] == sha(data + b'more')
        file = call(w, 'PatchFile', path=name, offset=0, data='Ab')['file']
        data = b'Ab' + data[2:] + b'more'
        assert file['sha256'] == sha(data), file
        with memfd() as fd:
            reply = call(w, 'Download', path=name, fd=fd)
            assert reply['bytes'] == len(data) and reply['unchanged'] is False and reply['file']['path'] == name
            assert os.pread(fd, 10000, 0) == data
    assert_equal(set(w.server.listing(w.bucket)), set(NAMES))
    for bad in ('', '/a', 'a//b', '../x', 'a/..', '.', 'a\\b'):
        refused(lambda: call(w, 'Upload', path=bad, data='x') if False else call(w, 'AppendFile', path=bad, data='x'),
                INVALID, parameter='path')


@test('upload from each kind of source, of every size', daemon=False)
def sources(w):
    begin(w)
    for size in (0, 1, 65536, 256 << 10, (256 << 10) + 1, MIB, 3 * MIB + 17):
        data = noise(size)
        path = w.write('src', data)
        assert call(w, 'Upload', path='path', local_path=path)['file']['sha256'] == sha(data), size
        with piped(data) as fd:
            assert call(w, 'Upload', path='pipe', fd=fd)['file']['sha256'] == sha(data), size
        with piped(data) as fd:
            assert call(w, 'Upload', path='pipe-ä', fd=fd, size=size)['file']['sha256'] == sha(data), size
        with piped(data) as fd:
            assert call(w, 'Upload', path='pipe-ö', fd=fd)['file']['sha256'] == sha(data), size
        with open(path, 'rb') as f:
            f.seek(size // 2)
            assert call(w, 'Upload', path='rest', fd=f.fileno())['file']['sha256'] == sha(data[size // 2:]), size
            assert f.tell() == size // 2, 'its place is its owner\'s'
    listing = w.server.listing(w.bucket)
    assert {listing[n]['sha256'] for n in ('path', 'pipe', 'pipe-ä', 'pipe-ö')} == {sha(data)}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b'through a socket')
        ours.shutdown(socket.SHUT_WR)
        assert call(w, 'Upload', path='socket', fd=theirs.fileno())['file']['sha256'] == sha(b'through a socket')
    assert call(w, 'Upload', path='proc', local_path='/proc/version')['file']['size'] > 10
    # ~xHH names a byte that JSON cannot carry.
    w.write(b'\xff', b'odd')
    assert call(w, 'Upload', path='odd', local_path=w.path('~xFF'))['file']['sha256'] == sha(b'odd')


@test('what is passed and is not fit for it is refused by name, and nothing is left behind', daemon=False)
def unfit(w):
    d = begin(w)
    w.server.put(w.bucket, 'f', b'content')
    os.mkdir(w.path('dir'))
    os.mkfifo(w.path('fifo'))
    os.symlink('/etc/passwd', w.path('link'))
    path = w.write('file', b'abc')
    with nothing_left(w):
        with open(path, 'rb') as readable, open(path, 'ab') as writable:
            refused(lambda: call(w, 'Download', path='f', fd=readable.fileno()), REMOTE + 'LocalError', name='EBADF')
            refused(lambda: call(w, 'DownloadZip', fd=readable.fileno()), REMOTE + 'LocalError', name='EBADF')
            for method, more in (('Upload', {}), ('AppendFile', {}), ('PatchFile', {'offset': 0})):
                refused(lambda: call(w, method, path='f', fd=writable.fileno(), **more), REMOTE + 'LocalError',
                        name='EBADF')
        for flags in (os.O_RDONLY | os.O_DIRECTORY, os.O_PATH):
            fd = os.open(w.root, flags)
            said = refused(lambda: call(w, 'Upload', path='x', fd=fd), REMOTE + 'LocalError')
            assert said['name'] in ('EISDIR', 'EBADF') and said['message'], said
            os.close(fd)
        fd = os.open('/dev/zero', os.O_RDWR)
        refused(lambda: call(w, 'Upload', path='x', fd=fd), REMOTE + 'LocalError', name='EINVAL')
        refused(lambda: call(w, 'Download', path='f', fd=fd), REMOTE + 'LocalError', name='EINVAL')
        os.close(fd)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:    # listens to nobody, talks to nobody
            refused(lambda: call(w, 'Upload', path='x', fd=s.fileno()), REMOTE + 'LocalError')
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            refused(lambda: call(w, 'Upload', path='x', fd=s.fileno()), REMOTE + 'LocalError', name='ESOCKTNOSUPPORT')
        with memfd(b'x') as fd:
            refused(lambda: d.call('remote.Upload', {'bucket': w.bucket, 'path': 'x', 'fd': 1}, fds=(fd,)), INVALID,
                    parameter='fd')
            refused(lambda: d.call('remote.Upload', {'bucket': w.bucket, 'path': 'x', 'fd': 0}), INVALID,
                    parameter='fd')
            refused(lambda: d.call('remote.Upload', {'bucket': w.bucket, 'path': 'x', 'fd': 0}, fds=(fd,) * 16),
                    INVALID, parameter='fd')
            refused(lambda: d.call('remote.GetHealth', fds=(fd,)), INVALID, parameter='fd')
            refused(lambda: call(w, 'Upload', path='x', fd=fd, local_path=path), INVALID, parameter='local_path')
            refused(lambda: call(w, 'AppendFile', path='f', fd=fd, data='x'), INVALID, parameter='data')
            refused(lambda: call(w, 'Upload', path='x', fd=fd, size=-1), INVALID, parameter='size')
            refused(lambda: call(w, 'Upload', path='x', fd=fd, size=7), REMOTE + 'LocalError', name='ESTALE')
            refused(lambda: call(w, 'Upload', path='x', fd=fd, upload_token='a b'), INVALID, parameter='upload_token')
            refused(lambda: call(w, 'Upload', bucket='../x', path='x', fd=fd), INVALID, parameter='bucket')
        refused(lambda: call(w, 'Upload', path='x'), INVALID, parameter='fd')
        for bad, name in (('dir', 'EISDIR'), ('fifo', 'EINVAL'), ('link', 'ELOOP'), ('none', 'ENOENT'),
                          ('file/x', 'ENOTDIR')):
            said = refused(lambda: call(w, 'Upload', path='x', local_path=w.path(bad)), REMOTE + 'LocalError',
                           name=name)
            assert said['path'] == w.path(bad), said
        refused(lambda: call(w, 'Upload', path='x', local_path='relative'), INVALID, parameter='local_path')
        with open(path, 'rb') as f:
            magic = f'/proc/{os.getpid()}/fd/{f.fileno()}'
            refused(lambda: call(w, 'Upload', path='x', local_path=magic), REMOTE + 'LocalError', name='ELOOP')
        for bad, name in (('dir', 'EISDIR'), ('fifo', 'EEXIST'), ('link', 'EEXIST'), ('file', 'EEXIST'),
                          ('none/x', 'ENOENT'), ('dir/', 'EISDIR')):
            refused(lambda: call(w, 'Download', path='f', local_path=w.path(bad)), REMOTE + 'LocalError', name=name)
        for bad, name in (('dir', 'EISDIR'), ('fifo', 'EINVAL'), ('link', 'ELOOP')):
            refused(lambda: call(w, 'Download', path='f', local_path=w.path(bad), overwrite=True),
                    REMOTE + 'LocalError', name=name)
        for key, value in (('offset', -1), ('length', 0), ('if_sha256', 'abc')):
            refused(lambda: call(w, 'Download', path='f', local_path=w.path('new'), **{key: value}), INVALID,
                    parameter=key)
        refused(lambda: call(w, 'PatchFile', path='f', offset=-1, data='x'), INVALID, parameter='offset')
        wait_listing(w, 'dir', 'fifo', 'file', 'link')
        assert_equal(set(w.server.listing(w.bucket)), {'f'})


@test('a file that shrinks, grows or changes under way is not stored by half', daemon=False)
def moving(w):
    begin(w)
    w.server.fault('delay', 'put', ms=400, times=-1)
    for name, change, words in (
            ('shrinks', lambda p: os.truncate(p, 5 * MIB), 'shrank'),
            ('grows', lambda p: open(p, 'ab').close() or os.truncate(p, 41 * MIB), 'changed'),
            ('changes', lambda p: os.utime(p, (1, 1)), 'changed')):
        path = w.write(name, b'z' * (40 * MIB))
        with started(w, 'Upload', path=name, local_path=path) as (c, _):
            wait_until(lambda: w.server.seen()['routes'].get('put', {}).get('in_flight'), 10, 'the upload begun')
            change(path)
            said = refused(lambda: last(c), REMOTE + 'LocalError', name='ESTALE', path=path)
            assert words in said['message'], said
    with piped(b'short') as fd:
        refused(lambda: call(w, 'Upload', path='short', fd=fd, size=10), REMOTE + 'LocalError', name='ESTALE')
    w.server.clear_faults()
    assert_equal(w.server.listing(w.bucket), {})


@test('upload tokens are used instead of the credential', daemon=False)
def tokens(w):
    d = begin(w)
    token = w.server.ask('POST', f'/api/buckets/{w.bucket}/tokens', {'max_uploads': 1})['token']
    # A bad one must not fall back on the profile's credential, nor make the profile look bad.
    bad = 'cfu_' + '0' * 48
    refused(lambda: call(w, 'AppendFile', path='t', data='x', upload_token=token), REMOTE + 'NotFound')
    with memfd(b'one') as fd:
        refused(lambda: call(w, 'Upload', path='t', fd=fd, upload_token=bad), REMOTE + 'AccessDenied', status_code=403)
        assert call(w, 'Upload', path='t', fd=fd, upload_token=token)['file']['size'] == 3
        refused(lambda: call(w, 'Upload', path='t2', fd=fd, upload_token=token), REMOTE + 'AccessDenied')
    refused(lambda: call(w, 'PatchFile', path='t', offset=0, data='x', upload_token=bad), REMOTE + 'AccessDenied')
    assert d.call('remote.GetProfile')['profile']['state'] == 'ready'
    assert token not in d.log()


@test('answers that get lost: looked up, never sent twice', daemon=False)
def lost(w):
    begin(w)
    data = noise(100000)
    # Uploads: stored at once, stored later, not stored at all.
    w.server.fault('reset', 'put', when='after_commit', times=1)
    with memfd(data) as fd:
        assert call(w, 'Upload', path='a', fd=fd)['file']['sha256'] == sha(data)
        w.server.fault('late_commit', 'put', ms=900, times=1)
        assert call(w, 'Upload', path='b', fd=fd)['file']['sha256'] == sha(data)
        w.server.fault('reset', 'put', when='after_body', times=1)
        said = refused(lambda: call(w, 'Upload', path='c', fd=fd), REMOTE + 'Unreachable')
        assert 'before this is sent again' in said['message'], said
        # Cut within, or refused for no lasting reason: the server cannot have it, so it goes again.
        w.server.forget()
        large = w.write('large', noise(20 * MIB))
        w.server.fault('reset', 'put', when='within', bytes=50000, times=1)
        assert call(w, 'Upload', path='d', local_path=large)['file']['sha256'] == sha(noise(20 * MIB))
        assert w.server.count('put') == 2
        w.server.fault('status', 'put', status=500, when='after_body', times=1)
        assert call(w, 'Upload', path='e', fd=fd)['file']['sha256'] == sha(data)
        w.server.fault('status', 'put', status=503, times=-1)
        refused(lambda: call(w, 'Upload', path='f', fd=fd), REMOTE + 'RemoteError', status_code=503)
        w.server.clear_faults()
        w.server.fault('wrong_hash', 'put', times=1)
        refused(lambda: call(w, 'Upload', path='g', fd=fd), REMOTE + 'HashMismatch', expected=sha(data))
    # A pipe cannot be read again.
    w.server.fault('reset', 'put', when='within', bytes=50000, times=1)
    with piped(noise(20 * MIB)) as fd:
        refused(lambda: call(w, 'Upload', path='h', fd=fd), REMOTE + 'Unreachable')
    # Appends.
    w.server.put(w.bucket, 'log', b'one\n')
    text = b'one\n'
    for kind, members in (('reset', {'when': 'after_commit'}), ('late_commit', {'ms': 900})):
        w.server.forget()
        w.server.fault(kind, 'patch', **members, times=1)
        text += b'more\n'
        assert call(w, 'AppendFile', path='log', data='more\n')['file']['sha256'] == sha(text), kind
        assert w.server.count('patch') == 1
    w.server.fault('reset', 'patch', when='after_body', times=1)
    refused(lambda: call(w, 'AppendFile', path='log', data='more\n'), REMOTE + 'Unreachable')
    w.server.fault('status', 'patch', status=500, when='after_body', times=1)
    refused(lambda: call(w, 'AppendFile', path='log', data='more\n'), REMOTE + 'RemoteError', status_code=500)
    w.server.fault('reset', 'patch', when='after_commit', times=1)
    text = b'ONE\n' + text[4:]
    assert call(w, 'PatchFile', path='log', offset=0, data='ONE\n')['file']['sha256'] == sha(text)
    assert_equal(w.server.content(w.bucket, 'log'), text)


@test('append and patch: corners', daemon=False)
def patches(w):
    begin(w)
    refused(lambda: call(w, 'AppendFile', path='none', data='x'), REMOTE + 'NotFound', status_code=404)
    refused(lambda: call(w, 'AppendFile', bucket='nobucket00', path='none', data='x'), REMOTE + 'NotFound')
    w.server.put(w.bucket, 'f', b'0123456789')
    text = b'0123456789'
    refused(lambda: call(w, 'PatchFile', path='f', offset=11, data='x'), REMOTE + 'RangeNotSatisfiable',
            status_code=416)
    for offset, data in ((10, b'ab'), (3, b'XYZ'), (11, b'over the end'), (0, b''), (5, noise(3 * MIB))):
        text = text[:offset] + data + text[offset + len(data):]
        with piped(data) as fd:
            assert call(w, 'PatchFile', path='f', offset=offset, fd=fd)['file']['sha256'] == sha(text), offset
    local = w.write('more', noise(2 * MIB, 2))
    text += noise(2 * MIB, 2)
    assert call(w, 'AppendFile', path='f', local_path=local)['file']['sha256'] == sha(text)
    assert call(w, 'AppendFile', path='f', data='')['file']['size'] == len(text)
    # The server loses one of two at once; here they come one after another.
    with contextlib.ExitStack() as stack:
        w.server.put(w.bucket, 'log', b'')
        w.server.fault('delay', 'patch', ms=60, times=-1)
        calls = [stack.enter_context(started(w, 'AppendFile', path='log', data=f'{i}\n')) for i in range(6)]
        for c, _ in calls:
            last(c)
    assert_equal(sorted(w.server.content(w.bucket, 'log').split()), [b'0', b'1', b'2', b'3', b'4', b'5'])


@test('downloads: paths, pipes, ranges, conditions', daemon=False)
def downloads(w):
    begin(w)
    data = noise(3 * MIB + 5)
    w.server.put(w.bucket, 'f', data)
    w.server.put(w.bucket, 'empty', b'')
    path = w.path('new')
    reply = call(w, 'Download', path='f', local_path=path)
    assert reply['bytes'] == len(data) and reply['file']['sha256'] == sha(data)
    assert open(path, 'rb').read() == data and os.stat(path).st_mode & 0o777 == 0o666 & ~os.umask(os.umask(0o22))
    refused(lambda: call(w, 'Download', path='f', local_path=path), REMOTE + 'LocalError', name='EEXIST', path=path)
    os.chmod(path, 0o640)
    w.server.put(w.bucket, 'f', data[1:])
    call(w, 'Download', path='f', local_path=path, overwrite=True)
    assert open(path, 'rb').read() == data[1:] and os.stat(path).st_mode & 0o777 == 0o640, 'the mode is kept'
    assert call(w, 'Download', path='empty', local_path=w.path('nothing'))['bytes'] == 0
    assert os.stat(w.path('nothing')).st_size == 0
    with drained() as (fd, take):
        assert call(w, 'Download', path='f', fd=fd)['bytes'] == len(data) - 1
        assert take() == data[1:]
    data = data[1:]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        call(w, 'Download', path='f', fd=theirs.fileno(), length=100)
        assert ours.recv(1000) == data[:100]
    for offset, length in ((0, 10), (5, None), (len(data) - 1, 100), (0, len(data)), (MIB, MIB)):
        with memfd() as fd:
            asked = {'offset': offset, **({} if length is None else {'length': length})}
            wanted = data[offset:] if length is None else data[offset:offset + length]
            assert call(w, 'Download', path='f', fd=fd, **asked)['bytes'] == len(wanted)
            assert os.pread(fd, len(data), 0) == wanted, asked
    for path, offset in (('f', len(data)), ('empty', 1)):
        refused(lambda: call(w, 'Download', path=path, local_path=w.path('no'), offset=offset),
                REMOTE + 'RangeNotSatisfiable', status_code=416)
    w.server.forget()
    reply = call(w, 'Download', path='f', local_path=w.path('no'), if_sha256=sha(data).upper())
    assert reply['unchanged'] is True and reply['file']['sha256'] == sha(data) and 'bytes' not in reply
    assert w.server.count('content') == 0
    refused(lambda: call(w, 'Download', path='none', local_path=w.path('no')), REMOTE + 'NotFound')
    # A descriptor is written where it stands, and stands behind it then.
    with open(w.path('both'), 'wb') as f:
        for _ in range(2):
            call(w, 'Download', path='f', fd=f.fileno(), length=3)
    assert open(w.path('both'), 'rb').read() == data[:3] * 2
    wait_listing(w, 'both', 'new', 'nothing')


@test('a download that is cut goes on, one that is corrupt is discarded', daemon=False)
def cut(w):
    begin(w)
    data = noise(5 * MIB + 3)
    w.server.put(w.bucket, 'f', data)
    # The server cuts answers only before and after: a proxy of ours does it within.
    for fd_kind in ('path', 'pipe'):
        with Cutter(w.server.url, after=2 * MIB, times=2) as cutter:
            w.daemon.call('remote.Login', {'profile': 'cut', 'url': cutter.url, 'secret': w.server.admin_key,
                                           'verify': False})
            if fd_kind == 'path':
                got = call(w, 'Download', profile='cut', path='f', local_path=w.path('g'))
                assert open(w.path('g'), 'rb').read() == data
                os.unlink(w.path('g'))
            else:
                with drained() as (fd, take):
                    got = call(w, 'Download', profile='cut', path='f', fd=fd)
                    assert take() == data
            assert got['bytes'] == len(data) and cutter.cuts == 2
    # Another version meanwhile: never a mix.
    for kind in ('path', 'pipe'):
        w.server.put(w.bucket, 'f', data)
        new = data[::-1]
        with Cutter(w.server.url, after=MIB, times=1, between=lambda: w.server.put(w.bucket, 'f', new)) as cutter:
            w.daemon.call('remote.Login', {'profile': 'cut', 'url': cutter.url, 'secret': w.server.admin_key,
                                           'verify': False})
            if kind == 'path':
                call(w, 'Download', profile='cut', path='f', local_path=w.path('g'))
                assert open(w.path('g'), 'rb').read() == new
                os.unlink(w.path('g'))
            else:
                with drained() as (fd, take):
                    refused(lambda: call(w, 'Download', profile='cut', path='f', fd=fd), REMOTE + 'RemoteError',
                            status_code=412)
                    assert data.startswith(take())
    w.server.put(w.bucket, 'f', data)
    w.server.fault('corrupt', 'content', offset=MIB, times=1)
    call(w, 'Download', path='f', local_path=w.path('g'))
    assert open(w.path('g'), 'rb').read() == data, 'the second time it came whole'
    w.server.fault('corrupt', 'content', offset=MIB, times=-1)
    said = refused(lambda: call(w, 'Download', path='f', local_path=w.path('g'), overwrite=True),
                   REMOTE + 'HashMismatch', expected=sha(data))
    assert said['actual'] != sha(data) and open(w.path('g'), 'rb').read() == data
    with drained() as (fd, take):
        refused(lambda: call(w, 'Download', path='f', fd=fd), REMOTE + 'HashMismatch', expected=sha(data))
    w.server.clear_faults()
    with Cutter(w.server.url, after=MIB, times=-1) as cutter:
        w.daemon.call('remote.Login', {'profile': 'cut', 'url': cutter.url, 'secret': w.server.admin_key,
                                       'verify': False})
        refused(lambda: call(w, 'DownloadZip', profile='cut', local_path=w.path('z')), REMOTE + 'Unreachable')
    wait_listing(w, 'g')


class Cutter:
    """A proxy that ends the connection after so many bytes of an answer with a body that long."""
    def __init__(self, url, after, times, between=None):
        self.host, port = url.split('//')[1].split(':')
        self.port, self.after, self.times, self.between = int(port), after, times, between
        self.cuts = 0
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self.listener.getsockname()[1]}'
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        server = socket.create_connection((self.host, self.port))

        def forward():
            with contextlib.suppress(OSError):
                while data := client.recv(65536):
                    server.sendall(data)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
        threading.Thread(target=forward, daemon=True).start()
        left = self.after
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data[:left])
                left -= len(data)
                if left <= 0 and self.cuts != self.times:
                    self.cuts += 1
                    if self.between:
                        self.between()
                    break
                left = max(left, 1) if self.cuts != self.times else 1 << 60
        for s in (client, server):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


@test('a zip', daemon=False)
def zips(w):
    begin(w)
    files = {'a.txt': b'a', 'd/ü.bin': noise(2 * MIB)}
    for name, data in files.items():
        call(w, 'Upload', path=name, local_path=w.write('x', data))
    reply = call(w, 'DownloadZip', local_path=w.path('z.zip'))
    assert reply['bytes'] == os.stat(w.path('z.zip')).st_size
    with zipfile.ZipFile(w.path('z.zip')) as z:
        assert {n: z.read(n) for n in z.namelist() if not n.endswith('/')} == files
    with drained() as (fd, take):
        with started(w, 'DownloadZip', fd=fd) as (c, _):
            assert last(c)['bytes'] == reply['bytes']
        with zipfile.ZipFile(io.BytesIO(take())) as z:
            assert z.testzip() is None
    refused(lambda: call(w, 'DownloadZip', bucket='nobucket00', local_path=w.path('n.zip')), REMOTE + 'NotFound')
    wait_listing(w, 'x', 'z.zip')


@test('progress, the list, cancelling, clients that go or do not read', daemon=False)
def company(w):
    d = begin(w)
    data = noise(20 * MIB)
    local = w.write('big', data)
    w.server.put(w.bucket, 'big', data)
    with nothing_left(w):
        # Progress of an upload whose source is slow, seen by another; then cancelled by it.
        reader, writer = os.pipe()
        with started(w, 'Upload', path='slow', fd=reader, size=10 * MIB) as (c, id_):
            os.close(reader)
            os.write(writer, b'x' * 40000)
            listed = d.call('remote.ListTransfers')['transfers']
            assert [(t['id'], t['kind'], t['bucket'], t['path'], t['peer_pid'], t['profile']) for t in listed] == \
                [(id_, 'upload', w.bucket, 'slow', os.getpid(), 'default')], listed
            refused(lambda: d.call('remote.CancelTransfer', {'transfer': 'x'}), REMOTE + 'NoSuchTransfer', transfer='x')
            assert d.call('remote.CancelTransfer', {'transfer': id_}) == {}
            refused(lambda: last(c), REMOTE + 'LocalError', name='ECANCELED')
        with contextlib.suppress(BrokenPipeError):
            os.write(writer, b'x')
        os.close(writer)
        # A client goes away in the middle of each.
        w.server.fault('drip', 'content', bytes=1000, ms=20, times=-1)
        w.server.fault('delay', 'put', ms=2000, times=-1)
        with started(w, 'Download', path='big', local_path=w.path('half')) as (c, _):
            wait_until(lambda: d.call('remote.ListTransfers')['transfers'][0]['progress']['bytes_done'] > 0, 10, 'bytes')
            assert d.call('remote.ListTransfers')['transfers'][0]['progress']['bytes_total'] == len(data)
        with started(w, 'Upload', path='half', local_path=local):
            pass
        reader, writer = os.pipe()
        with started(w, 'Upload', path='never', fd=reader):
            pass
        os.close(reader)
        wait_until(lambda: d.call('remote.ListTransfers')['transfers'] == [], 10, 'no transfer left')
        os.close(writer)
        w.server.clear_faults()
        # A full pipe that nobody reads: the server waits, others do not, and it can be cancelled.
        reader, writer = os.pipe()
        with started(w, 'Download', path='big', fd=writer) as (c, id_):
            wait_until(lambda: d.call('remote.ListTransfers')['transfers'][0]['progress']['bytes_done'] > 0, 10, 'bytes')
            call(w, 'Download', path='big', local_path=w.path('other'))
            assert d.call('remote.ListTransfers')['transfers'][0]['progress']['bytes_done'] < 5 * MIB
            d.call('remote.CancelTransfer', {'transfer': id_})
            refused(lambda: last(c), REMOTE + 'LocalError', name='ECANCELED')
        os.close(writer)
        os.close(reader)
        # Its writer and the client are killed, the writer first: the end of the pipe is no end of a file.
        reader, writer = os.pipe()
        with started(w, 'Upload', path='torn', fd=reader) as (c, _):
            os.write(writer, b'half')
            with d.stopped():
                os.close(writer)
                os.close(reader)
                c.close()
        wait_until(lambda: d.call('remote.ListTransfers')['transfers'] == [], 10, 'no transfer left')
        # At most ten a second, and the last without progress.
        w.server.put(w.bucket, 'mid', data[:2 * MIB])
        w.server.fault('drip', 'content', bytes=MIB, ms=2, times=1)
        begun = time.monotonic()
        with started(w, 'Download', path='mid', local_path=w.path('told')) as (c, id_):
            replies, more = [], True
            while more:
                reply, more = c.reply()
                replies.append(reply)
            seconds = time.monotonic() - begun
        assert 3 <= len(replies) <= seconds * 10 + 3, (len(replies), seconds)
        done = [r['progress']['bytes_done'] for r in replies[:-1]]
        assert done == sorted(done) and all(r['progress']['transfer'] == id_ for r in replies[:-1])
        assert 'progress' not in replies[-1] and replies[-1]['bytes'] == 2 * MIB
        # The ninth of a user.
        pipes = [os.pipe() for _ in range(8)]
        with contextlib.ExitStack() as stack:
            for i, (reader, _) in enumerate(pipes):
                stack.enter_context(started(w, 'Upload', path=f'n{i}', fd=reader))
            refused(lambda: call(w, 'Upload', path='ninth', local_path=local), REMOTE + 'Busy', what='transfers', limit=8)
            d.call('remote.GetHealth')
        for pair in pipes:
            for fd in pair:
                os.close(fd)
        wait_until(lambda: d.call('remote.ListTransfers')['transfers'] == [], 10, 'no transfer left')
        call(w, 'Upload', path='ninth', local_path=local)
    assert_equal(set(w.server.listing(w.bucket)), {'big', 'mid', 'ninth'})
    wait_listing(w, 'big', 'other', 'told')


@test('a mirror that is stuck in the server leaves transfers and calls alone', daemon=False)
def beside_sync(w):
    d = begin(w)
    local = w.write('../up', noise(MIB))
    w.server.fault('stall', 'put', target='*large*', times=-1)
    w.server.fault('stall', 'multipart', times=-1)
    for i in range(3):
        name, bucket = f'p{i}', w.server.create_bucket(f'p{i}')
        w.write(f'{name}/large', noise(9 * MIB, i))
        for k in range(20):
            w.write(f'{name}/small{k}', noise(100, i * 100 + k))
        d.add(w.path(name), bucket, name=name)
    wait_until(lambda: sum(r['in_flight'] for r in w.server.seen()['routes'].values()) >= 1, 20, 'sync stuck')
    begun = time.monotonic()
    for i in range(3):
        d.call('remote.GetHealth')
        call(w, 'Upload', path=f'up{i}', local_path=local)
        call(w, 'Download', path=f'up{i}', local_path=w.path(f'../down{i}'))
    assert time.monotonic() - begun < 5
    w.server.clear_faults()


if __name__ == '__main__':
    main()

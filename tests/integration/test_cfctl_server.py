#!/usr/bin/env python3
"""cfctl carrying bytes: uploads, downloads, append, patch, cat; trees with nasty names, stdin and stdout, what is in the
way, what breaks off, and what it looks like on a terminal."""
import contextlib
import json
import os
import signal
import stat
import subprocess
import sys

from cf import assert_equal, main, test
from cfctlrun import BUCKET, HOSTILE, SECONDS, Terminal, argv, environment, run, says
from fakebucket import FakeBucket, write_all
from fakeipc import CLOSE, HANG, Error

B = BUCKET['id']
NASTY = {b'plain.txt': b'p', b'with space/a b': b'1', b'\xff\xfe/\xff': b'2', b'tilde~x41': b'3', b'new\nline': b'4', b'-dash': b'5',
         'ünï/漢字 🎉'.encode(): b'6', b'empty': b'', b'deep/a/b/c/d/e': b'7', b'#?%&+': b'8', b'.hidden': b'9', b'a$(x)`y`': b'10'}
REFUSED = Error('org.carbonfiles.remote.TooLarge', status_code=413, message='no tea')


def write(directory, name, data):
    path = os.path.join(os.fsencode(directory), name if isinstance(name, bytes) else os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(data)
    return path


def tree(directory):
    """{name as bytes: contents} of every file below it."""
    found, root = {}, os.fsencode(directory)
    for where, _, names in os.walk(root):
        for name in names:
            with open(os.path.join(where, name), 'rb') as f:
                found[os.path.relpath(os.path.join(where, name), root)] = f.read()
    return found


@contextlib.contextmanager
def place(bucket, **more):
    """The daemon, and an empty directory to be in."""
    with bucket.daemon(**more) as fake:
        fake.work = os.path.join(fake.directory, 'work')
        os.mkdir(fake.work)
        yield fake


def cf(fake, *words, **options):
    return run(fake, *words, cwd=fake.work, **options)


# ---- Upload ----

@test('a file gets its own name, --as another, --as with a slash a directory', world=False)
def _():
    bucket = FakeBucket()
    with place(bucket) as fake:
        write(fake.work, 'd/a.txt', b'hello')
        write(fake.work, 'b', b'!')
        done = cf(fake, 'file', 'upload', B, 'd/a.txt')
        assert_equal((done.returncode, done.stdout, done.stderr), (0, 'a.txt: 5 B\n', ''))
        for words, wanted in ((['d/a.txt', '--as', 'x/y'], 'x/y'), (['d/a.txt', '--as', '/x/'], 'x/a.txt'),
                              (['docs/../d/a.txt', '--as=z'], None)):
            done = cf(fake, 'file', 'upload', 'docs', *words)     # by the name of the bucket
            assert_equal(done.returncode, 0 if wanted else 8, done.stderr)
        done = cf(fake, 'file', 'upload', B, 'd/a.txt', 'b', '--as', 'two/', '--json')
        assert_equal(sorted(json.loads(line)['file']['path'] for line in done.stdout.splitlines()), ['two/a.txt', 'two/b'])
        assert_equal(sorted(bucket.files), ['a.txt', 'two/a.txt', 'two/b', 'x/a.txt', 'x/y'])
        assert_equal(bucket.files['x/y'], b'hello')
        upload = next(c for c in fake.calls if c.method == 'remote.Upload')
        assert_equal(upload.parameters, {'bucket': B, 'path': 'a.txt', 'fd': 0})
        assert upload.more


@test('a directory with nasty names goes up and comes down byte for byte', world=False)
def _():
    bucket = FakeBucket()
    with place(bucket) as fake:
        for name, data in NASTY.items():
            write(fake.work, b'photos/' + name, data)
        done = cf(fake, 'file', 'upload', B, 'photos', '-r')
        says(done, 0, '12 files uploaded')
        assert_equal(set(bucket.files), {'photos/' + n for n in (
            'plain.txt', 'with space/a b', '~xFF~xFE/~xFF', 'tilde~x7Ex41', 'new\nline', '-dash', 'ünï/漢字 🎉', 'empty',
            'deep/a/b/c/d/e', '#?%&+', '.hidden', 'a$(x)`y`')})
        says(cf(fake, 'file', 'download', B, 'photos', '-r', '-o', 'back'), 0, '12 files downloaded')
        assert_equal(tree(fake.work + '/back'), NASTY)
        says(cf(fake, 'file', 'download', B, '/', '-r', '-o', 'all'), 0)
        assert_equal(tree(fake.work + '/all/photos'), NASTY)
        # Once more: all of it is there, nothing is fetched.
        before = len(fake.calls)
        says(cf(fake, 'file', 'download', B, 'photos', '-r'), 0, '0 files downloaded', '12 were there already')
        assert all('if_sha256' in c.parameters for c in fake.calls[before:] if c.method == 'remote.Download')
        assert_equal(tree(fake.work + '/photos'), NASTY)
        # A directory keeps its own name; --as replaces it; an empty --as is the top of the bucket.
        bucket.files.clear()
        says(cf(fake, 'file', 'upload', B, 'photos/deep/a', '-r', '--as', 'x/y'), 0)
        says(cf(fake, 'file', 'upload', B, 'photos/deep/', '-r', '--as', ''), 0)
        says(cf(fake, 'file', 'upload', B, '.', '-r', '--as', 'k/'), 0)
        for path in ('x/y/b/c/d/e', 'a/b/c/d/e', 'k/work/photos/deep/a/b/c/d/e'):
            assert path in bucket.files, (path, sorted(bucket.files))


@test('what is no file is named and skipped; what cannot be read or stored is reported, the rest goes on', world=False)
def _():
    bucket = FakeBucket()
    bucket.broken['d/refused'] = REFUSED
    with place(bucket) as fake:
        for name in ('a', 'b', 'refused', 'secret'):
            write(fake.work, 'd/' + name, name.encode())
        os.symlink('a', fake.work + '/d/link')
        os.mkfifo(fake.work + '/d/pipe')
        os.mkdir(fake.work + '/d/nothing')
        done = cf(fake, 'file', 'upload', B, '-r', 'd', 'missing')
        says(done, 1, 'skipped: d/link: a symbolic link', 'skipped: d/pipe: a pipe',
             'skipped: d/nothing: an empty directory', 'cannot upload d/refused (HTTP 413): no tea', 'cannot upload missing: No such', '3 files uploaded')
        done = cf(fake, 'file', 'upload', B, '-r', 'd', '--json')
        assert_equal(done.returncode, 1)
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        assert_equal(sorted((x['subject'], x['error'].rpartition('.')[2]) for x in lines), [
            ('d/link', 'Skipped'), ('d/nothing', 'Skipped'), ('d/pipe', 'Skipped'), ('d/refused', 'TooLarge')])
        assert_equal(sorted(bucket.files), ['d/a', 'd/b', 'd/secret'])
        done = cf(fake, '-q', 'file', 'upload', B, '-r', 'd')
        assert_equal((done.returncode, done.stdout, done.stderr), (1, '', 'cfctl: cannot upload d/refused (HTTP 413): no tea\n'))


@test('what would stop every file stops them all, and is said once', world=False)
def _():
    for error, code in ((Error('org.carbonfiles.remote.Unreachable', reason='dns', message='away', url='u'), 6),
                        (Error('org.carbonfiles.remote.AccessDenied', status_code=403, message='away'), 4), (CLOSE, 3)):
        with place(FakeBucket(), **{'remote.Upload': error}) as fake:
            for i in range(50):
                write(fake.work, f'd/{i}', b'x')
            done = cf(fake, 'file', 'upload', B, '-r', 'd')
            assert_equal(done.returncode, code, done.stderr)
            assert_equal(done.stderr.count('cfctl: '), 1, done.stderr)
            assert 'The rest was not tried' in done.stderr, done.stderr
            assert len(fake.calls) < 12, len(fake.calls)


@test('stdin: a pipe, a file from where it stands, a device; and each needs a name', world=False)
def _():
    bucket = FakeBucket()
    with place(bucket) as fake:
        says(cf(fake, 'file', 'upload', B, '-', '--as', 'p', input='from a pipe'), 0)
        path = write(fake.work, 'f', b'0123456789')
        with open(path, 'rb') as f:
            f.seek(4)
            done = subprocess.run(argv(fake, 'file', 'upload', B, '-', '--as', 'rest'), stdin=f, stdout=subprocess.PIPE, env=environment())
            assert_equal(done.returncode, 0)
        done = subprocess.run(argv(fake, 'file', 'upload', B, '-', '--as', 'null'), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              env=environment())
        assert_equal(done.returncode, 0)
        says(cf(fake, 'file', 'append', B, 'p', '-', input=', and more'), 0, 'p: 21 B')
        says(cf(fake, 'file', 'patch', B, 'rest', '-', '--offset', '2', input='XY'), 0)
        assert_equal(bucket.files, {'p': b'from a pipe, and more', 'rest': b'45XY89', 'null': b''})
        terminal = Terminal(fake, 'file', 'upload', B, '-', '--as', 'typed')
        terminal.type('a line\n\x04')
        assert_equal(terminal.end(), 0, terminal.output())
        assert_equal(bucket.files['typed'], b'a line\n')


@test('mistakes are refused before anything is sent', world=False)
def _():
    with place(FakeBucket()) as fake:
        for name in ('a/x', 'b/x', 'd/f'):
            write(fake.work, name, b'')
        for words, what in ((['d'], '-r'), (['a/x', 'b/x'], 'a/x and b/x would both become x'), (['-'], '--as'),
                            (['a/x', 'd/f', '--as', 'one'], 'one name for several'), (['a/x', '--as', ''], 'needs a name'),
                            (['-', '-', '--as', 'x/'], 'no name'), (['/', '-r'], 'has no name'),
                            (['-', '--as', 'x', '--upload-token-file', '-'], 'only once')):
            says(cf(fake, 'file', 'upload', B, *words), 2, what)
        says(cf(fake, 'file', 'patch', B, 'x', 'a/x'), 2, '--offset')
        says(cf(fake, 'file', 'append', B, 'x', 'd'), 8, 'Is a directory')
        says(cf(fake, 'file', 'cat', B, 'x', '--range', '9-3'), 2, '9-3')
        says(cf(fake, 'file', 'download', B, '/', '-r'), 2, '-o')
        says(cf(fake, 'file', 'download', B, 'x', '-r', '-o', '-'), 2, 'stdout')
        assert all(c.method in ('remote.GetBucket', 'remote.ListBuckets') for c in fake.calls), fake.calls


@test('an upload token goes with every call, and nowhere else', world=False)
def _():
    bucket = FakeBucket()
    with place(bucket) as fake:
        for name in 'abc':
            write(fake.work, 'd/' + name, b'x')
        write(fake.work, 'token', b'cfu_secret\n')
        says(cf(fake, 'file', 'upload', B, 'd', '-r', '--upload-token-file', 'token'), 0)
        says(cf(fake, 'file', 'append', B, 'd/a', '-', '--upload-token-file', 'token', input='y'), 0)
        tokens = {c.method: c.parameters.get('upload_token') for c in fake.calls}
        assert_equal(tokens, {'remote.GetBucket': None, 'remote.Upload': 'cfu_secret', 'remote.AppendFile': 'cfu_secret'})


@test('several files are on the way at once', world=False)
def _():
    import threading
    together = threading.Barrier(4)
    bucket = FakeBucket()

    def upload(call):
        together.wait(SECONDS)
        return bucket.Upload(call)
    with place(bucket, **{'remote.Upload': upload}) as fake:
        for i in range(8):
            write(fake.work, f'd/{i}', b'x')
        says(cf(fake, 'file', 'upload', B, '-r', 'd'), 0, '8 files uploaded')


@test('a daemon that is busy is asked again', world=False)
def _():
    bucket, refused = FakeBucket(), []

    def upload(call):
        if len(refused) < 3:
            refused.append(1)
            return Error('org.carbonfiles.remote.Busy', what='transfers', limit=8)
        return bucket.Upload(call)
    with place(bucket, **{'remote.Upload': upload}) as fake:
        for i in range(6):
            write(fake.work, f'd/{i}', b'x%d' % i)
        says(cf(fake, 'file', 'upload', B, '-r', 'd'), 0, '6 files uploaded')
        assert_equal(bucket.files, {f'd/{i}': b'x%d' % i for i in range(6)})


# ---- Download ----

@test('a download is put into its place whole, and replaces nothing unasked', world=False)
def _():
    bucket = FakeBucket({'a/b.txt': b'hello', 'c': b'new'})
    with place(bucket) as fake:
        done = cf(fake, 'file', 'download', B, 'a/b.txt')
        assert_equal((done.returncode, done.stdout), (0, 'b.txt: 5 B\n'))
        assert_equal(stat.S_IMODE(os.stat(fake.work + '/b.txt').st_mode), 0o666 & ~current_umask())
        says(cf(fake, 'file', 'download', B, 'a/b.txt'), 0, 'was there already')
        write(fake.work, 'c', b'old')
        says(cf(fake, 'file', 'download', B, 'c'), 8, 'c exists already', '--force')
        assert_equal(tree(fake.work), {b'b.txt': b'hello', b'c': b'old'})
        says(cf(fake, 'file', 'download', B, 'c', '--force'), 0)
        os.mkdir(fake.work + '/d')
        says(cf(fake, 'file', 'download', B, 'c', '-o', 'd'), 0, 'd/c: 3 B')
        says(cf(fake, 'file', 'download', B, 'c', '-o', 'd/other', '--json'), 0, '"sha256"')
        says(cf(fake, 'file', 'download', B, 'c', '-o', 'none/other'), 8, 'No such file')
        says(cf(fake, 'file', 'download', B, 'c', '-o', '/dev/null'), 0)
        says(cf(fake, 'file', 'download', B, 'nothing'), 5, 'File not found')
        says(cf(fake, 'file', 'download', B, 'nothing', '-r'), 5, 'no file lies')
        says(cf(fake, 'bucket', 'download', B), 0, f'{B}.zip: 10 B')
        says(cf(fake, 'bucket', 'download', B), 8, 'exists already')
        says(cf(fake, 'bucket', 'download', 'docs', '-o', 'd/z'), 0)
        assert_equal(tree(fake.work), {b'b.txt': b'hello', b'c': b'new', b'd/c': b'new', b'd/other': b'new',
                                       B.encode() + b'.zip': b'PKhellonew', b'd/z': b'PKhellonew'})


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@test('cat and -o - write bytes to stdout and nothing else', world=False)
def _():
    data = bytes(range(256)) * 5000
    bucket = FakeBucket({'f': data})
    with place(bucket) as fake:
        for words, wanted in ((['cat', B, 'f'], data), (['download', B, 'f', '-o', '-'], data), (['cat', B, 'f', '--range', '3-5'], data[3:6]),
                              (['cat', B, 'f', '--range', '1279999-'], data[1279999:]), (['cat', B, 'f', '--json'], data)):
            done = subprocess.run(argv(fake, 'file', *words), capture_output=True, env=environment())
            assert_equal((done.returncode, done.stderr), (0, b''), repr(words))
            assert done.stdout == wanted, words
        # Into a file that already holds something, and behind a reader who has seen enough.
        with open(os.path.join(fake.work, 'out'), 'ab') as out:
            out.write(b'head:')
            out.flush()
            subprocess.run(argv(fake, 'file', 'cat', B, 'f', '--range', '0-2'), stdout=out, env=environment(), check=True)
        assert_equal(tree(fake.work), {b'out': b'head:\0\1\2'})
        done = subprocess.run(['sh', '-c', '"$@" | head -c 3', 'sh', *argv(fake, 'file', 'cat', B, 'f')], capture_output=True, env=environment())
        assert_equal((done.stdout, done.stderr), (data[:3], b''))
        with open('/dev/full', 'wb') as full:
            done = subprocess.run(argv(fake, 'file', 'cat', B, 'f'), stdout=full, stderr=subprocess.PIPE, env=environment())
        assert_equal((done.returncode, b'No space left' in done.stderr), (8, True), repr(done.stderr))
        says(cf(fake, 'file', 'cat', B, 'nothing'), 5, 'File not found')


@test('descriptors that are closed or shared: nothing goes where it does not belong', world=False)
def _():
    bucket = FakeBucket({'f': b'contents'})
    with place(bucket) as fake:
        def shell(script):
            return subprocess.run(['sh', '-c', script, 'sh', *argv(fake, 'file')], cwd=fake.work, env=environment(),
                                  capture_output=True, text=True, timeout=SECONDS)
        says(shell(f'exec "$@" upload {B} - --as new <&-'), 8, 'stdin')
        says(shell(f'exec "$@" cat {B} f >&-'), 8, 'cannot write the output')
        assert_equal(sorted(bucket.files), ['f'])
        # The error and what a script says behind it, in one file.
        shell(f'exec >log 2>&1; "$@" cat {B} none; echo behind')
        with open(fake.work + '/log') as f:
            lines = f.read().splitlines()
        assert len(lines) == 2 and 'cannot read none' in lines[0] and lines[1] == 'behind', lines


@test('names from the server cannot lead out of the directory, and clashes are reported', world=False)
def _():
    files = {'p/ok': b'1', 'p/../../evil': b'2', 'p//x': b'3', 'p/./y': b'4', 'p/file': b'5', 'p/file/below': b'6', 'p/link/z': b'7',
             'p/~x2E~x2E/~x2Fq': b'8', 'p/' + 'n' * 300: b'9'}
    bucket = FakeBucket(files)
    with place(bucket) as fake:
        os.makedirs(fake.work + '/p')
        os.mkdir(fake.directory + '/outside')
        os.symlink(fake.directory + '/outside', fake.work + '/p/link')
        done = cf(fake, 'file', 'download', B, 'p', '-r')
        assert_equal(done.returncode, 8, done.stderr)
        for words in ('p/../../evil cannot lie here', 'p//x cannot lie here', 'p/./y cannot lie here', 'p/file/below cannot lie here',
                      'cannot write p/link/z: Not a directory', 'File name too long', '6 could not be downloaded'):
            assert words in done.stderr, f'{words!r} is not in {done.stderr}'
        os.unlink(fake.work + '/p/link')
        assert_equal(tree(fake.work), {b'p/ok': b'1', b'p/file': b'5', b'p/~x2E~x2E/~x2Fq': b'8'})
        assert_equal(os.listdir(fake.directory + '/outside'), [])
        write(fake.work, 'p/ok', b'mine')
        says(cf(fake, 'file', 'download', B, 'p/ok', '-r', '-o', 'p'), 8, 'p/ok exists already')
        assert_equal(tree(fake.work)[b'p/ok'], b'mine')


@test('what broke off is gone on with, and believed only by its hash', world=False)
def _():
    data = os.urandom(3 << 20)
    bucket = FakeBucket({'big': data})

    def half(call):
        write_all(call.fds[0], bucket.files['big'][:2 << 20])
        return Error('org.carbonfiles.remote.Unreachable', reason='connect', message='away', url='u')
    with place(bucket) as fake:
        fake.script['remote.Download'] = half
        says(cf(fake, 'file', 'download', B, 'big'), 6, 'away', '2.0 MiB of it are kept')
        left = os.listdir(fake.work)
        assert_equal(len(left), 1)
        fake.script['remote.Download'] = bucket.Download
        says(cf(fake, 'file', 'download', B, 'big'), 0)
        assert_equal(fake.calls[-1].parameters['offset'], 2 << 20)
        assert_equal(tree(fake.work), {b'big': data})
        # Something wrong in what was kept.
        write(fake.work, left[0], b'X' + data[1:2 << 20])
        os.unlink(fake.work + '/big')
        done = cf(fake, 'file', 'download', B, 'big')
        says(done, 1, 'was discarded')
        assert_equal(os.listdir(fake.work), [])
        # Another version on the server: from the beginning.
        write(fake.work, left[0], data[:2 << 20])

        def changes(call):
            bucket.files['big'] = b'another'
            return Error('org.carbonfiles.remote.RangeNotSatisfiable', status_code=416, message='no') \
                if 'offset' in call.parameters else bucket.Download(call)
        fake.script['remote.Download'] = changes
        says(cf(fake, 'file', 'download', B, 'big'), 0)
        assert_equal(tree(fake.work), {b'big': b'another'})
        # What the daemon itself finds wrong leaves nothing.
        fake.script['remote.Download'] = Error('org.carbonfiles.remote.HashMismatch', expected='a', actual='b')
        says(cf(fake, 'file', 'download', B, 'big', '--force', '-o', 'x'), 1)
        assert_equal(tree(fake.work), {b'big': b'another'})


@test('an interrupt cancels what runs, leaves no temporary file and is 130', world=False)
def _():
    bucket = FakeBucket({f'd/{i}': b'x' * 100 for i in range(9)})
    for number in (signal.SIGINT, signal.SIGTERM):
        for words, method in ((['file', 'download', B, 'd', '-r'], 'Download'), (['file', 'download', B, 'd/1'], 'Download'),
                              (['file', 'cat', B, 'd/1'], 'Download'), (['file', 'upload', B, 'f'], 'Upload')):
            with place(bucket, **{'remote.Download': [HANG], 'remote.Upload': [HANG]}) as fake:
                write(fake.work, 'f', b'x')
                child = subprocess.Popen(argv(fake, *words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                         env=environment(), cwd=fake.work)
                fake.wait_call('remote.' + method)
                child.send_signal(number)
                assert_equal(child.communicate(timeout=SECONDS)[1], '')
                assert_equal(child.returncode, 130)
                assert fake.closed.wait(SECONDS), 'the call goes on in the daemon'
                assert_equal(tree(fake.work), {b'f': b'x'})


# ---- On a terminal ----

def progress(done, total):
    return {'progress': {'transfer': 't', 'phase': 'sending', 'bytes_done': done, 'bytes_total': total}}


@test('a terminal shows a line per running file and one for all of them', world=False)
def _():
    bucket = FakeBucket()
    with place(bucket, **{'remote.Upload': [progress(30 << 10, 40 << 10), HANG]}) as fake:
        for i in range(6):
            write(fake.work, f'd/file{i}{HOSTILE if i == 0 else ""}', b'x' * (40 << 10))
        terminal = Terminal(fake, 'file', 'upload', B, '-r', fake.work + '/d', columns=120, NO_COLOR='1')
        terminal.expect('0 of 6 files')
        terminal.expect('120.0 KiB of 240.0 KiB')
        picture = terminal.output()
        for words in ('file3', '[==============>     ]  75 %  30.0 KiB of 40.0 KiB', '[=========>          ]  50 %', 'KiB/s, '):
            assert words in picture, f'{words!r} is not in {picture!r}'
        assert '\x1b[31mred' not in picture
        terminal.type('\x03')
        assert_equal(terminal.end(), 130)
        for columns in (20, 30, 50, 80):
            terminal = Terminal(fake, 'file', 'upload', B, '-r', fake.work + '/d', columns=columns, NO_COLOR='1')
            terminal.expect('of 6 files' if columns > 30 else 'of')
            terminal.type('\x03')
            terminal.end()
            for line in terminal.output().replace('\x1b[A', '').replace('\x1b[J', '').replace('\x1b[K', '').replace('\r', '\n').split('\n'):
                assert len(line) <= columns, (columns, line)


@test('errors stand above the picture; at the end only the words are left', world=False)
def _():
    bucket = FakeBucket()

    def upload(call):
        if call.parameters['path'] == 'd/5':
            return [progress(1, 2), REFUSED]
        return [progress(1, 2), *bucket.Upload(call)]
    with place(bucket, **{'remote.Upload': upload}) as fake:
        for i in range(6):
            write(fake.work, f'd/{i}', b'xx')
        terminal = Terminal(fake, 'file', 'upload', B, '-r', fake.work + '/d', NO_COLOR='1')
        assert_equal(terminal.end(), 1)
        tail = terminal.output().rpartition('\x1b[J')[2]
        assert '5 files uploaded, 10 B' in tail and '1 could not be uploaded' in tail, terminal.output()
        assert 'HTTP 413' in terminal.output()


@test('without a terminal there is no progress, unless it is asked for', world=False)
def _():
    bucket = FakeBucket()
    with place(bucket) as fake:
        write(fake.work, 'f', b'xx')
        done = cf(fake, 'file', 'upload', B, 'f')
        assert_equal((done.returncode, done.stderr), (0, ''))
        done = cf(fake, 'file', 'upload', B, 'f', '--json')
        assert_equal([list(json.loads(line)) for line in done.stdout.splitlines()], [['file']])
        done = cf(fake, 'file', 'upload', B, 'f', '--json', '--progress')
        assert_equal([list(json.loads(line)) for line in done.stdout.splitlines()], [['progress'], ['file']])
        fake.script['remote.Upload'] = [progress(1 << 20, 4 << 20), HANG]
        child = subprocess.Popen(argv(fake, 'file', 'upload', B, 'f', '--progress'), stderr=subprocess.PIPE, text=True, env=environment(),
                                 cwd=fake.work)
        assert child.stderr.readline().startswith('f: 1.0 MiB'), 'a line of progress'
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=SECONDS)


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""A saved file appears in the bucket, however it was saved, and in as few requests as the way of saving allows."""
import ctypes
import os
import sqlite3
import sys
import time

from cf import assert_equal, digest, main, test, wait_until

UPLOADS = ('put', 'multipart', 'patch')


def settled(w):
    """Everything on disk is on the server and the request counters start here."""
    w.sync()
    w.server.forget()


@test('a new file, an edit and an empty file arrive', quick=True)
def _(w):
    w.write('a.txt', b'one')
    w.write('dir/sub/b.txt', b'two')
    w.write('empty', b'')
    w.sync()
    w.assert_equal_sides()
    w.write('a.txt', b'one, edited')
    w.sync()
    w.assert_equal_sides()


@test('a file of 40 MiB arrives whole')
def _(w):
    w.write('large.bin', os.urandom(1 << 20) * 40)
    w.sync(60)
    w.assert_equal_sides()


@test('saving over a file in place is one upload and no delete', files={'doc.txt': b'old'})
def _(w):
    settled(w)
    w.write('doc.txt', b'new content')
    w.sync()
    w.assert_equal_sides()
    assert_equal((w.server.count(*UPLOADS), w.server.count('delete')), (1, 0))


@test('an atomic save, temporary file and rename, is one upload and no delete', files={'doc.txt': b'old'})
def _(w):
    settled(w)
    for name in ('doc.txt.tmp123', '.goutputstream-ABC123'):
        data = b'saved by ' + name.encode()
        w.write(name, data)
        os.rename(w.path(name), w.path('doc.txt'))
        w.sync()
        assert_equal(w.remote(), {'doc.txt': digest(data)})
    assert_equal((w.server.writes(), w.server.count('delete')), (2, 0))


@test('a save with a backup, old file moved away and written anew, is one upload and no delete',
      files={'doc.txt': b'old'})
def _(w):
    settled(w)
    w.write('.doc.txt.swp', b'swap')                    # as vim does
    os.rename(w.path('doc.txt'), w.path('doc.txt~'))
    w.write('doc.txt', b'new by an editor')
    os.unlink(w.path('doc.txt~'))
    os.unlink(w.path('.doc.txt.swp'))
    w.sync()
    assert_equal(w.remote(), {'doc.txt': digest(b'new by an editor')})
    assert_equal((w.server.writes(), w.server.count('delete')), (1, 0))


@test('unlink and create again is no delete', files={'doc.txt': b'old'})
def _(w):
    settled(w)
    os.unlink(w.path('doc.txt'))
    w.write('doc.txt', b'again')
    w.sync()
    w.assert_equal_sides()
    assert_equal((w.server.writes(), w.server.count('delete')), (1, 0))


@test('truncate -s without opening for writing arrives', files={'doc.txt': b'0123456789'})
def _(w):
    os.truncate(w.path('doc.txt'), 4)
    w.wait_equal_sides()
    assert_equal(w.remote()['doc.txt'], digest(b'0123'))
    os.truncate(w.path('doc.txt'), 100000)
    w.wait_equal_sides()
    os.truncate(w.path('doc.txt'), 0)
    w.wait_equal_sides()


@test('ln and linkat give a file that arrives')
def _(w):
    outside = os.path.join(w.base, 'outside')
    with open(outside, 'wb') as f:
        f.write(b'linked')
    os.link(outside, w.path('hard'))
    w.wait_equal_sides()
    # A file without a name that gets one: nothing but CREATE tells of it.
    fd = os.open(w.root, os.O_TMPFILE | os.O_RDWR, 0o644)
    os.write(fd, b'from nowhere')
    libc = ctypes.CDLL(None, use_errno=True)
    at_fdcwd, at_symlink_follow = -100, 0x400
    assert_equal(libc.linkat(at_fdcwd, b'/proc/self/fd/%d' % fd, at_fdcwd, os.fsencode(w.path('named')),
                             at_symlink_follow), 0)
    os.close(fd)
    w.wait_equal_sides()
    assert_equal(sorted(w.remote()), ['hard', 'named'])


@test('a write through one name of a hard-linked file changes all of them', files={'a': b'first'})
def _(w):
    os.link(w.path('a'), w.path('b'))
    w.wait_equal_sides()
    with open(w.path('b'), 'r+b') as f:
        f.write(b'FIRST')
    w.wait_equal_sides()
    assert_equal(set(w.remote().values()), {digest(b'FIRST')})


@test('wait knows that a write through one name changes the others', files={'first/a%d' % i: b'%d' % i for i in range(20)})
def _(w):
    os.mkdir(w.path('then'))
    for i in range(20):
        os.link(w.path(f'first/a{i}'), w.path(f'then/b{i}'))
    w.sync()
    w.assert_equal_sides()
    for way in ('first/a', 'then/b'):
        for i in range(20):
            with open(w.path(f'{way}{i}'), 'r+b') as f:
                f.write(b'through ' + way.encode())
        w.sync()
        w.assert_equal_sides()
    for i in range(20):     # new, linked and written to before anybody looks
        w.write(f'first/new{i}', b'new')
        os.link(w.path(f'first/new{i}'), w.path(f'then/other{i}'))
    w.sync()
    w.assert_equal_sides()
    for i in range(20):
        with open(w.path(f'then/other{i}'), 'r+b') as f:
            f.write(b'written')
    w.sync()
    w.assert_equal_sides()


@test('other bytes of the same size and mtime arrive', files={'doc': b'aaaa'})
def _(w):
    before = os.stat(w.path('doc'))
    w.write('doc', b'bbbb')
    os.utime(w.path('doc'), ns=(before.st_atime_ns, before.st_mtime_ns))
    w.wait_equal_sides()


@test('touch, chmod and reading send nothing', files={'doc': b'same'})
def _(w):
    settled(w)
    os.utime(w.path('doc'))
    os.chmod(w.path('doc'), 0o600)
    with open(w.path('doc'), 'r+b') as f:
        f.read()
    w.sync()
    assert_equal(w.server.count(*UPLOADS), 0)
    w.assert_equal_sides()


@test('a log appended 20 times a second arrives in a bounded number of uploads')
def _(w):
    seconds, rate = 6, 20
    settled(w)
    began = time.monotonic()
    for i in range(seconds * rate):
        with open(w.path('app.log'), 'ab') as f:
            f.write(b'line %06d of a log that is never quiet\n' % i)
        # The pace is what is tested here: 20 appends a second for 6 seconds.
        time.sleep(max(0, began + (i + 1) / rate - time.monotonic()))
    w.wait_equal_sides()
    # Taken at the cap of 2 s and with a settle time that doubles: far fewer than the 120 appends.
    assert w.server.writes() <= 25, w.server.seen()


@test('a log that is kept open arrives while it is written')
def _(w):
    with open(w.path('open.log'), 'ab', buffering=0) as f:
        f.write(b'first line\n')
        w.wait_equal_sides()
        f.write(b'second line\n')
        w.wait_equal_sides()
    assert_equal(w.remote()['open.log'], digest(b'first line\nsecond line\n'))


@test('a database that is never closed arrives in a bounded number of uploads')
def _(w):
    settled(w)
    database = sqlite3.connect(w.path('app.db'), isolation_level=None)
    try:
        database.execute('create table t(n integer, text)')
        began = time.monotonic()
        for i in range(60):
            database.execute('insert into t values(?, ?)', (i, 'x' * 500))
            time.sleep(max(0, began + (i + 1) * 0.05 - time.monotonic()))   # the pace of a busy program
        w.wait_equal_sides()
    finally:
        database.close()
    assert w.server.writes() <= 40, w.server.seen()
    w.wait_equal_sides()


@test('a file written slowly is sent once it is quiet, not torn for ever')
def _(w):
    with open(w.path('slow'), 'wb', buffering=0) as f:
        for _ in range(30):
            f.write(os.urandom(10000))
            time.sleep(0.02)    # the pace of a slow writer
    w.wait_equal_sides()


@test('a thousand small files in new directories all arrive')
def _(w):
    for i in range(1000):
        w.write(f'd{i % 50}/e{i % 7}/f{i}', b'content %d' % i)
    w.sync(60)
    w.assert_equal_sides()
    # Many to a request, not one each.
    assert w.server.count(*UPLOADS) < 200, w.server.seen()


@test('what is saved while the server is away arrives when it is back', files={'a': b'1'})
def _(w):
    w.server.expected_dead = True
    w.server.terminate()
    w.write('a', b'2')
    w.write('b', b'3')
    status = w.wait_status(lambda s: s['state'] == 'offline' and not s['in_sync'], what='state offline')
    assert status.get('last_error'), status
    w.server.start()
    w.server.expected_dead = False
    w.wait_equal_sides(60)


@test('the server answers 503 with Retry-After: tried again, not lost')
def _(w):
    number = w.server.fault('status', 'put', status=503, headers={'Retry-After': '1'}, times=2)
    also = w.server.fault('status', 'multipart', status=503, headers={'Retry-After': '1'}, times=2)
    w.write('a', b'content')
    w.wait_equal_sides(60)
    assert w.server.fault_hits(number) + w.server.fault_hits(also) >= 2


@test('a reply lost after the commit is looked up, not sent again', files={'warm': b'up'})
def _(w):
    settled(w)
    w.server.fault('reset', 'put', when='after_commit', times=1)
    w.server.fault('reset', 'multipart', when='after_commit', times=1)
    w.write('a', b'content')
    w.sync(60)
    w.assert_equal_sides()
    assert_equal(w.server.writes(), 1)


@test('another hash than ours in the answer is not taken for success')
def _(w):
    w.server.fault('wrong_hash', 'put', times=1)
    w.server.fault('wrong_hash', 'multipart', times=1)
    w.write('a', b'content')
    w.wait_equal_sides(60)
    w.sync(60)


@test('the rate of what is sent falls to 0, and whoever watches is told')
def _(w):
    with w.daemon.connect() as c:
        c.send('org.carbonfiles.sync.Watch', {'names': ['docs']}, more=True)
        c.reply()
        w.write('large', os.urandom(8 << 20))

        def told(condition):
            status = c.reply()[0].get('status')
            return status and condition(status['bytes_per_second'])
        wait_until(lambda: told(lambda rate: rate > 0), 20, 'a rate')
        wait_until(lambda: told(lambda rate: rate == 0), 20, 'no rate any more')


@test('a pair that is paused sends nothing a second')
def _(w):
    w.write('large', os.urandom(8 << 20))
    w.sync()
    assert w.daemon.status()['bytes_per_second'] > 0
    w.daemon.call('Pause', {'name': 'docs'})
    assert_equal(w.daemon.status()['bytes_per_second'], 0)
    w.daemon.call('Resume', {'name': 'docs'})
    w.sync()
    assert_equal(w.daemon.status()['bytes_per_second'], 0)


@test('every saved file is told to whoever watches')
def _(w):
    with w.daemon.connect() as c:
        c.send('org.carbonfiles.sync.Watch', {'names': ['docs'], 'files': True}, more=True)
        c.reply()
        w.write('seen.txt', b'seen')

        def told():
            reply, _ = c.reply()
            progress = reply.get('file') or {}
            return progress.get('path') == 'seen.txt' and progress.get('done')
        wait_until(told, 20, 'the progress of seen.txt')
    assert 'seen.txt' in w.remote()


if __name__ == '__main__':
    sys.exit(main())

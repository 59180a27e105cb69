#!/usr/bin/env python3
"""The first sync of a pair, and what a restart or a lost index costs: hashing at most, never data, never traffic."""
import os
import sys

from cf import Skip, assert_equal, digest, main, test, wait_until

UPLOADS = ('put', 'multipart', 'patch')
SAME = {f'd{i % 4}/f{i}': b'content %d' % i for i in range(60)}


def process_reads(pid):
    """Bytes a process has read by system calls, of files and of sockets."""
    try:
        with open(f'/proc/{pid}/io') as f:
            return next(int(line.split()[1]) for line in f if line.startswith('rchar'))
    except PermissionError:
        raise Skip('the daemon is not dumpable: only root may read its /proc/PID/io') from None


@test('what is there already is recognised by its hash and never sent', pair=False, files=SAME)
def _(w):
    w.server.put_many(w.bucket, list(SAME.items()))
    w.server.forget()
    w.daemon.add(w.root, w.bucket)
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.server.count(*UPLOADS), 0)
    assert_equal(w.daemon.status()['files_total'], 60)


@test('only what differs is sent, and what it replaces is in the Trash', pair=False, files=SAME)
def _(w):
    theirs = {**SAME, 'd0/f0': b'someone else wrote this', 'd1/f1': b'content X'}     # another and the same size
    w.server.put_many(w.bucket, list(theirs.items()))
    w.server.forget()
    w.daemon.add(w.root, w.bucket)
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.server.writes(), 2)
    assert {digest(b'someone else wrote this'), digest(b'content X')} <= w.trashed(), w.trashed()


@test('a foreign file is held, counted and left alone; confirm rescues and removes it', pair=False, files=SAME)
def _(w):
    w.server.put(w.bucket, 'theirs/x', b'foreign')
    w.daemon.add(w.root, w.bucket)
    status = w.sync()
    assert_equal((status['foreign_held'], status['in_sync']), (1, True))
    assert_equal([(h['path'], h['reason']) for h in w.daemon.held()], [('theirs/x', 'foreign')])
    w.daemon.restart()
    w.sync()
    assert 'theirs/x' in w.remote()
    w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'apply', 'paths': ['theirs/x']})
    wait_until(lambda: 'theirs/x' not in w.remote(), 20, 'the confirmed deletion')
    assert digest(b'foreign') in w.trashed()
    w.assert_equal_sides()


@test('restore of a foreign file brings it here and makes it ours', pair=False, files=SAME)
def _(w):
    w.server.put(w.bucket, 'theirs/x', b'foreign')
    w.daemon.add(w.root, w.bucket)
    w.sync()
    w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'restore'})
    wait_until(lambda: os.path.exists(w.path('theirs/x')), 20, 'theirs/x here')
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.daemon.status()['foreign_held'], 0)


@test('a restart hashes nothing and sends nothing', pair=False)
def _(w):
    for i in range(64):
        w.write(f'big{i}', os.urandom(1 << 20))
    w.daemon.add(w.root, w.bucket)
    w.sync(60)
    # Racily clean files may be hashed once more; a change later makes the clock move on.
    w.daemon.restart()
    w.sync(60)
    w.server.forget()
    w.daemon.restart()
    w.sync(60)
    read = process_reads(w.daemon.pid)
    assert read < 16 << 20, f'{read} bytes read after a restart over 64 MiB of unchanged files'
    assert_equal(w.server.count(*UPLOADS, 'delete'), 0)
    w.assert_equal_sides()


@test('a lost index costs hashing, nothing else', files=SAME)
def _(w):
    w.daemon.terminate()
    for name in os.listdir(w.daemon.state):
        if name.startswith('index'):
            os.unlink(os.path.join(w.daemon.state, name))
    w.server.forget()
    w.daemon.start()
    status = w.sync()
    assert_equal(w.server.count(*UPLOADS, 'delete'), 0)
    assert_equal((status['files_total'], status['deletes_held'], status['foreign_held']), (60, 0, 0))
    w.assert_equal_sides()


@test('a file deleted while the index was lost is held, not deleted', files=SAME)
def _(w):
    w.daemon.terminate()
    for name in os.listdir(w.daemon.state):
        if name.startswith('index'):
            os.unlink(os.path.join(w.daemon.state, name))
    os.unlink(w.path('d0/f0'))
    w.daemon.start()
    w.sync()
    assert 'd0/f0' in w.remote()
    assert_equal([h['path'] for h in w.daemon.held()], ['d0/f0'])


@test('a damaged index is set aside and built again', files=SAME)
def _(w):
    w.daemon.terminate()
    with open(os.path.join(w.daemon.state, 'index.db'), 'r+b') as f:
        f.write(b'\0' * 100)
    w.daemon.start()
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.server.count('delete'), 0)


@test('changes made while the daemon was off arrive', files=SAME)
def _(w):
    w.daemon.terminate()
    w.write('d0/f0', b'edited')
    w.write('new/deep/file', b'new')
    os.unlink(w.path('d1/f1'))
    os.rename(w.path('d2/f2'), w.path('d2/renamed'))
    w.server.forget()
    w.daemon.start()
    w.sync()
    w.assert_equal_sides()
    assert_equal((w.server.writes(), w.server.count('delete')), (3, 2))


@test('a dry run says what a run does and changes nothing', pair=False, files=SAME)
def _(w):
    w.server.put(w.bucket, 'd0/f0', b'other')
    w.server.put(w.bucket, 'theirs', b'foreign')
    spec = {'name': 'docs', 'bucket': w.bucket, 'local_path': w.root, 'mode': 'mirror'}
    replies = list(w.daemon.stream('Plan', {'spec': spec}))
    uploads = {r['action']['path'] for r in replies if (r.get('action') or {}).get('action') == 'upload'}
    assert_equal(uploads, set(SAME))
    assert_equal(replies[-1]['uploads'], 60)
    assert_equal(w.daemon.call('List')['pairs'], [])
    assert_equal(len(w.remote()), 2)


@test('rescan with verify_hashes finds bytes that changed behind the back of every clock', files={'doc': b'aaaa'})
def _(w):
    # Nothing tells of this change but the content; the daemon is off, so that no event does either.
    w.daemon.terminate()
    w.daemon.start()
    w.sync()
    w.daemon.call('Rescan', {'name': 'docs', 'verify_hashes': True})
    w.sync()
    w.assert_equal_sides()


if __name__ == '__main__':
    sys.exit(main())

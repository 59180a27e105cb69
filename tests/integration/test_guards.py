#!/usr/bin/env python3
"""Nothing is deleted that nobody deleted: mass deletions, vanished roots, unreadable directories, lost buckets."""
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

from cf import Skip, VarlinkError, assert_equal, digest, encode_path, main, test, wait_until

TREE = {f'all/d{i % 5}/f{i:03}': b'%d' % i for i in range(120)}
# uid 0 reads everything; without these two it meets permissions as everybody does.
MORTAL = ('setpriv', '--bounding-set=-dac_override,-dac_read_search') if os.geteuid() == 0 else ()


def delete_all(w):
    """At one moment: what is removed little by little on a slow machine may be many small deletions, and those go."""
    if not w.daemon.running():
        shutil.rmtree(w.path('all'))
        return
    with w.daemon.stopped():
        shutil.rmtree(w.path('all'))


def wait_held(w, count):
    return w.wait_status(lambda s: s['deletes_held'] == count and not s['files_pending'], what=f'{count} held')


@test('a mass deletion is held, uploads go on, and the hold outlives a restart', files=TREE)
def _(w):
    delete_all(w)
    status = wait_held(w, 120)
    assert not status['in_sync'] and status['state'] == 'held', status
    assert_equal(len(w.remote()), 120)
    w.write('new', b'goes up meanwhile')
    w.wait_status(lambda s: 'new' in w.remote(), what='an upload beside the hold')
    assert_equal(w.daemon.call('Wait', {'name': 'docs', 'timeout_seconds': 5})['statuses'][0]['in_sync'], False)
    held = w.daemon.held()
    assert_equal(sorted(h['path'] for h in held), sorted(TREE))
    assert_equal({(h['side'], h['reason']) for h in held}, {('remote', 'mass')})
    w.daemon.restart()
    wait_held(w, 120)
    assert_equal(len(w.remote()), 121)


@test('a mass deletion that takes longer than deletions settle is held as a whole', files=TREE,
      settings={'delete_settle_ms': 500})
def _(w):
    for name in TREE:
        os.unlink(w.path(name))
        time.sleep(0.002)   # as slow as a disk
    wait_held(w, 120)
    assert_equal(len(w.remote()), 120)


@test('files deleted and made again without end hold up no other deletion for ever', files=TREE,
      settings={'delete_settle_ms': 600})
def _(w):
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            for name in list(TREE)[:40]:
                os.unlink(w.path(name))
            for name in list(TREE)[:40]:
                w.write(name, TREE[name])
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        gone = list(TREE)[-1]
        os.unlink(w.path(gone))
        w.wait_status(lambda s: gone not in w.remote(), what='the one that stays away to go')
    finally:
        stop.set()
        thread.join()
    w.sync()
    w.assert_equal_sides()


@test('confirm carries a held deletion out', files=TREE)
def _(w):
    delete_all(w)
    wait_held(w, 120)
    done = w.daemon.cfctl('sync', 'confirm', 'docs')
    assert done.returncode != 0, 'without a terminal and without --yes nothing is destroyed'
    assert_equal(len(w.remote()), 120)
    done = w.daemon.cfctl('sync', 'confirm', 'docs', '--yes')
    assert_equal(done.returncode, 0, done.stderr)
    w.sync()
    assert_equal(w.remote(), {})


@test('what is confirmed while it is looked at goes', files=TREE, seconds=120)
def _(w):
    delete_all(w)
    wait_held(w, 120)
    left = sorted(TREE)
    slow = w.server.fault('delay', 'list', target='*limit=1000*', ms=1000)  # a scan's pages, not the look-ups
    for moment in range(5):
        # Each hold is looked at again when a scan ends; deletions wait while another runs.
        before = w.server.fault_hits(slow)
        w.daemon.call('Rescan', {'name': 'docs'})
        wait_until(lambda: w.server.fault_hits(slow) == before + 1, 20, 'a scan')
        w.daemon.call('Rescan', {'name': 'docs'})
        wait_until(lambda: w.server.fault_hits(slow) == before + 2, 20, 'another one')
        time.sleep(moment * 0.15)
        chosen, left = left[:10], left[10:]
        w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'apply', 'paths': chosen})
        # The scan after the next would find what was missed.
        wait_until(lambda: not set(chosen) & set(w.remote()), 3, f'gone, confirmed {moment * 150} ms later')
        w.wait_status(lambda s: not s['files_pending'] and s['state'] == 'held', what='all else held')
    assert_equal(sorted(h['path'] for h in w.daemon.held()), left)
    assert_equal(sorted(w.remote()), left)


@test('restore brings the files back, byte for byte', files=TREE)
def _(w):
    before = w.local()
    delete_all(w)
    wait_held(w, 120)
    w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'restore'}, seconds=60)
    w.sync(60)
    assert_equal(w.local(), before)
    w.assert_equal_sides()
    assert_equal(w.daemon.status()['deletes_held'], 0)


@test('a file written to while it is restored: the edit is kept beside it', rescue_bytes=10)
def _(w):
    w.server.put(w.bucket, 'a.dat', b'theirs, and longer than ten bytes')
    path = w.write('a.dat')
    os.truncate(path, 256 << 20)    # long enough to be met while it goes to the Trash
    wait_until(lambda: [h['reason'] for h in w.daemon.held()] == ['too_large'], 20, 'the held upload')
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'restore'}, seconds=60)))
    thread.start()
    wait_until(lambda: w.into_trash() > 0, 20, 'the copy begun')
    with open(path, 'r+b') as f:
        f.write(b'edited at this moment')
    thread.join(60)
    assert answers, 'no answer'
    assert_equal(w.local()['a.dat'], digest(b'theirs, and longer than ten bytes'))
    kept = [n for n in os.listdir(w.root) if n.startswith('a (conflict ') and n.endswith('.dat')]
    assert_equal(len(kept), 1, str(os.listdir(w.root)))
    with open(w.path(kept[0]), 'rb') as f:
        assert_equal(f.read(21), b'edited at this moment')
    messages = [e.get('message') for e in w.daemon.history() if e['action'] == 'restore']
    assert messages and kept[0] in (messages[0] or ''), messages
    os.unlink(w.path(kept[0]))


@test('restore waits for a held path that is being looked at', files=TREE)
def _(w):
    delete_all(w)
    w.wait_status(lambda s: s['deletes_held'] > 90 and not s['files_pending'], what='most of them held')
    w.server.fault('delay', 'list', ms=100)
    w.daemon.call('Rescan', {'name': 'docs'})     # each hold is looked at again
    few = [h['path'] for h in w.daemon.held()[:2]]
    w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'restore', 'paths': few}, seconds=60)
    w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'restore'}, seconds=60)
    w.sync(60)
    w.assert_equal_sides()
    assert_equal(w.daemon.held(), [])


@test('a held deletion stays held, however few are left', files=TREE)
def _(w):
    delete_all(w)
    wait_held(w, 120)
    w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'restore', 'paths': sorted(TREE)[1:]}, seconds=60)
    w.wait_status(lambda s: not s['files_pending'], what='119 of them here again')
    for again in (False, True):
        if again:
            w.daemon.restart()
        list(w.daemon.stream('Rescan', {'name': 'docs'}))
        w.write('new', b'%d' % again)
        w.wait_status(lambda s: not s['files_pending'], what='what the scan found looked at')
        assert_equal([h['path'] for h in w.daemon.held()], sorted(TREE)[:1])
        assert sorted(TREE)[0] in w.remote()
    actions = [r['action'] for r in w.daemon.stream('Plan', {'name': 'docs'}) if r.get('action')]
    assert_equal([(a['action'], a['path']) for a in actions], [('hold', sorted(TREE)[0])])
    assert_equal(w.server.count('delete'), 0)


@test('a restore that fails says which path, and what to do about it', files=TREE)
def _(w):
    delete_all(w)
    wait_held(w, 120)
    os.makedirs(w.path('all/d3/f003/in the way'))
    try:
        w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'restore'}, seconds=60)
        raise AssertionError('not refused')
    except VarlinkError as error:
        assert_equal(error.name.rpartition('.')[2], 'PathUnusable')
        assert_equal((error.parameters['path'], error.parameters['name']), (w.path('all/d3/f003'), 'EISDIR'))
        assert 'restore again' in error.parameters['message'], error.parameters
    assert_equal([h['path'] for h in w.daemon.held()], ['all/d3/f003'])
    done = w.daemon.cfctl('sync', 'restore', 'docs')
    assert_equal(done.returncode, 8, done.stderr)
    assert w.path('all/d3/f003') in done.stderr and 'move that away' in done.stderr, done.stderr
    shutil.rmtree(w.path('all/d3/f003'))
    w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'restore'}, seconds=60)
    w.sync(60)
    w.assert_equal_sides()


@test('confirm of one path leaves the others held; files that come back end their hold', files=TREE)
def _(w):
    delete_all(w)
    wait_held(w, 120)
    w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'apply', 'paths': ['all/d0/f000']})
    wait_held(w, 119)
    assert 'all/d0/f000' not in w.remote()
    for name, data in TREE.items():
        if name != 'all/d0/f000':
            w.write(name, data)
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.daemon.held(), [])


@test('a deletion while the daemon was off is guarded too', files=TREE)
def _(w):
    w.daemon.terminate()
    delete_all(w)
    w.daemon.start()
    wait_held(w, 120)
    assert_equal(len(w.remote()), 120)


@test('a few deletions are carried out', files=TREE)
def _(w):
    for i in range(0, 20):
        os.unlink(w.path(f'all/d{i % 5}/f{i:03}'))
    w.sync()
    w.assert_equal_sides()
    assert_equal(len(w.remote()), 100)


@test('backup never deletes', files=TREE, mode='backup')
def _(w):
    os.unlink(w.path('all/d0/f000'))
    shutil.rmtree(w.path('all/d1'))
    w.write('all/d0/f005', b'edited')
    w.sync()
    assert_equal(len(w.remote()), 120)
    assert_equal(w.remote()['all/d0/f005'], digest(b'edited'))
    w.daemon.call('Rescan', {'name': 'docs'})
    w.sync()
    assert_equal(w.server.count('delete'), 0)


@test('a root that is moved away: root_missing, no deletion, resumes when it is back', files=TREE)
def _(w):
    away = w.root + '.away'
    os.rename(w.root, away)
    w.wait_status(lambda s: s['state'] == 'root_missing', what='state root_missing')
    assert_equal(len(w.remote()), 120)
    with open(os.path.join(away, 'later'), 'wb') as f:
        f.write(b'changed while away')
    os.rename(away, w.root)
    w.wait_equal_sides()
    w.wait_status(lambda s: s['in_sync'], what='in sync again')
    assert_equal(w.server.count('delete'), 0)


@test('another directory in the place of the root is not the root; adopt makes it so', files=TREE)
def _(w):
    os.rename(w.root, w.root + '.away')
    os.mkdir(w.root)
    w.wait_status(lambda s: s['state'] == 'root_missing', what='state root_missing')
    w.write('only', b'in the new directory')
    w.daemon.restart()
    w.wait_status(lambda s: s['state'] == 'root_missing', what='state root_missing after a restart')
    assert_equal(len(w.remote()), 120)
    done = w.daemon.cfctl('sync', 'adopt', 'docs')
    assert_equal(done.returncode, 0, done.stderr)
    # A first sync: what it would delete is held, what is new goes up.
    w.wait_status(lambda s: 'only' in w.remote(), what='the upload after adopt')
    assert_equal(len(w.remote()), 121)
    assert_equal(w.server.count('delete'), 0)


MARK = 'user.carbonfiles.pair'


def begin(w, prefix):
    w.daemon.settings(settle_open_ms=200, delete_settle_ms=150)
    w.daemon.start(prefix=prefix)
    w.daemon.login(w.server.url, w.server.admin_key)
    w.daemon.add(w.root, w.bucket)
    w.sync()
    w.assert_equal_sides()


def again(w, prefix=()):
    """Another start; nothing is sent that is there, nothing is held, nothing is a first sync."""
    w.daemon.terminate()
    w.server.forget()
    w.daemon.start(prefix=prefix)
    w.sync()
    assert_equal((w.server.writes(), w.server.count('delete'), w.daemon.held()), (0, 0, []))


def follows(w, where, name):
    with open(os.path.join(where, name), 'wb') as f:
        f.write(name.encode())
    w.wait_equal_sides()
    os.unlink(os.path.join(where, name))
    w.wait_equal_sides()
    w.wait_status(lambda s: s['in_sync'], what='in sync')


@test('a root without the right to write is mirrored, known by its inode', files=TREE, daemon=False)
def _(w):
    os.chmod(w.root, 0o555)
    begin(w, MORTAL)
    assert MARK not in os.listxattr(w.root)
    follows(w, w.root, 'new')
    again(w, MORTAL)
    # Another one in its place is not it.
    os.rename(w.root, w.root + '.away')
    os.mkdir(w.root, 0o555)
    w.wait_status(lambda s: s['state'] == 'root_missing', what='state root_missing')
    w.daemon.restart()
    w.wait_status(lambda s: s['state'] == 'root_missing', what='state root_missing after a restart')
    assert_equal((len(w.remote()), w.server.count('delete')), (120, 0))
    os.rmdir(w.root)
    os.rename(w.root + '.away', w.root)
    w.wait_status(lambda s: s['in_sync'], what='in sync again')
    # From here on root itself runs it: now it can be marked, and the mark holds.
    again(w)
    assert MARK in os.listxattr(w.root)
    again(w, MORTAL)
    follows(w, w.root, 'newer')


def empty(w):
    with w.daemon.stopped():
        os.chmod(w.root, 0o755)
        for name in os.listdir(w.root):
            os.unlink(w.path(name))
        os.chmod(w.root, 0o555)


@test('where there is no marker, a root that is empty after it was not is missing; adopt takes it empty',
      files={'a': b'1', 'b': b'2', 'c': b'3'}, daemon=False)
def _(w):
    os.chmod(w.root, 0o555)
    begin(w, MORTAL)
    if MARK in os.listxattr(w.root):
        raise Skip('this user marks any directory')
    empty(w)
    w.wait_status(lambda s: s['state'] == 'root_missing', what='state root_missing')
    w.daemon.terminate()
    w.daemon.start(prefix=MORTAL)
    w.wait_status(lambda s: s['state'] == 'root_missing', what='state root_missing after a restart')
    assert_equal((len(w.remote()), w.server.count('delete')), (3, 0))
    # Back with other content, it goes on: what is missing now was deleted by its user.
    os.chmod(w.root, 0o755)
    w.write('a', b'1')
    w.write('d', b'4')
    os.chmod(w.root, 0o555)
    w.wait_status(lambda s: s['in_sync'], what='in sync again')
    w.assert_equal_sides()
    empty(w)
    w.wait_status(lambda s: s['state'] == 'root_missing', what='state root_missing')
    assert_equal(w.daemon.cfctl('sync', 'adopt', 'docs').returncode, 0)
    w.wait_status(lambda s: s['deletes_held'] == 2, what='a first sync that deletes nothing')
    w.daemon.terminate()
    w.daemon.start(prefix=MORTAL)
    w.wait_status(lambda s: s['state'] == 'held', what='adopted also after a restart')
    assert_equal(w.daemon.cfctl('sync', 'confirm', 'docs', '--yes').returncode, 0)
    w.sync()
    assert_equal(w.remote(), {})


def mounts(script):
    try:
        subprocess.run(['unshare', '-m', 'true'], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise Skip('no mount namespace of its own')
    return 'unshare', '-m', 'sh', '-c', f'{script} && exec "$@"', 'sh'


@test('a read-only bind mount is mirrored; unmounted it is root_missing', daemon=False)
def _(w):
    source = os.path.join(w.base, 'source')
    for name, data in TREE.items():
        w.write(os.path.join(source, name), data)
    prefix = mounts(f'mount --bind "{source}" "{w.root}" && mount -o remount,ro,bind "{w.root}"')
    there, w.root = w.root, source  # what the daemon sees as its root
    w.daemon.settings(settle_open_ms=200, delete_settle_ms=150)
    w.daemon.start(prefix=prefix)
    w.daemon.login(w.server.url, w.server.admin_key)
    w.daemon.add(there, w.bucket)
    w.sync()
    w.assert_equal_sides()
    assert MARK not in os.listxattr(source)
    follows(w, source, 'new')
    again(w, prefix)
    w.daemon.restart()      # without the mount: the empty directory below it
    w.wait_status(lambda s: s['state'] == 'root_missing', what='state root_missing')
    assert_equal((len(w.remote()), w.server.count('delete')), (120, 0))
    again(w, prefix)


@test('a root that was marked and is read-only now goes on', files=TREE, daemon=False)
def _(w):
    prefix = mounts(f'mount --bind "{w.root}" "{w.root}" && mount -o remount,ro,bind "{w.root}"')
    begin(w, ())
    mark = os.getxattr(w.root, MARK)
    again(w, prefix)
    follows(w, w.root, 'new')
    again(w, prefix)
    assert_equal(os.getxattr(w.root, MARK), mark)
    again(w)
    assert os.getxattr(w.root, MARK) != mark


@test('an unreadable directory proves nothing about what is in it', files=TREE, daemon=False)
def _(w):
    w.daemon.settings(settle_open_ms=200, delete_settle_ms=150, rescan_seconds=3600)
    w.daemon.start(prefix=MORTAL)
    w.daemon.login(w.server.url, w.server.admin_key)
    w.daemon.add(w.root, w.bucket)
    w.sync()
    os.chmod(w.path('all/d1'), 0)
    try:
        w.daemon.call('Rescan', {'name': 'docs'})
        wait_until(lambda: any(s['path'].rstrip('/') == 'all/d1' or s['path'].startswith('all/d1/')
                               for s in w.daemon.skipped()), 20, 'd1 listed as unreadable')
        assert_equal(len(w.remote()), 120)
        w.write('all/d2/new', b'1')
        w.wait_status(lambda s: 'all/d2/new' in w.remote(), what='the others go on')
        assert_equal(w.server.count('delete'), 0)
    finally:
        os.chmod(w.path('all/d1'), 0o755)
    w.daemon.call('Rescan', {'name': 'docs'})
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.daemon.skipped(), [])


@test('an unreadable file is listed and holds nothing up', files={'a': b'1'}, daemon=False)
def _(w):
    w.daemon.start(prefix=MORTAL)
    w.daemon.login(w.server.url, w.server.admin_key)
    os.chmod(w.path('a'), 0)
    w.write('b', b'2')
    w.daemon.add(w.root, w.bucket)
    w.sync()
    assert_equal(sorted(w.remote()), ['b'])
    assert_equal([s['path'] for s in w.daemon.skipped()], ['a'])
    os.chmod(w.path('a'), 0o644)
    w.daemon.call('Rescan', {'name': 'docs'})
    wait_until(lambda: 'a' in w.remote(), 20, 'a after chmod')


@test('a bucket that is gone: remote_gone, nothing deleted here, nothing made there', files=TREE)
def _(w):
    before = w.local()
    w.server.delete_bucket(w.bucket)
    w.write('all/d0/f000', b'a change that meets the missing bucket')
    w.wait_status(lambda s: s['state'] == 'remote_gone', what='state remote_gone')
    before[encode_path('all/d0/f000')] = digest(b'a change that meets the missing bucket')
    assert_equal(w.local(), before)
    assert_equal(w.server.ask('GET', '/api/buckets')['total'], 0)
    assert w.daemon.status().get('last_error'), w.daemon.status()


@test('a bucket that expired and is given more time is seen by a rescan', files=TREE)
def _(w):
    w.server.ask('PATCH', f'/api/buckets/{w.bucket}', {'expires_in': '2020-01-01T00:00:00Z'})
    w.write('new', b'new')
    w.wait_status(lambda s: s['state'] == 'remote_gone', what='state remote_gone')
    w.server.ask('PATCH', f'/api/buckets/{w.bucket}', {'expires_in': 'never'})
    w.daemon.call('Rescan', {'name': 'docs'})
    w.wait_status(lambda s: s['in_sync'], what='in sync again')
    w.assert_equal_sides()


@test('a bucket that is suddenly empty: remote_gone', files=TREE)
def _(w):
    for path in list(w.remote()):
        w.server.delete(w.bucket, path)
    w.daemon.call('Rescan', {'name': 'docs'})
    w.wait_status(lambda s: s['state'] == 'remote_gone', what='state remote_gone')
    assert_equal(len(w.local()), 120)


@test('many files gone from the bucket: remote_gone, and sent again only when its user says so', files=TREE, seconds=90)
def _(w):
    gone = 20
    for path in sorted(TREE)[::6][:gone]:   # here and there
        w.server.delete(w.bucket, path)
    writes = w.server.writes()

    def stopped(what):
        status = w.wait_status(lambda s: s['state'] == 'remote_gone', what=what)
        assert 'cfctl sync resume docs' in status['last_error'] and not status['in_sync'], status
        assert_equal((len(w.remote()), len(w.local()), w.server.writes()), (len(TREE) - gone, len(TREE), writes))
    w.daemon.call('Rescan', {'name': 'docs'})
    stopped('state remote_gone')
    assert_equal(w.daemon.call('Wait', {'name': 'docs', 'timeout_seconds': 5})['statuses'][0]['in_sync'], False)
    w.daemon.restart()
    stopped('remote_gone after a restart')
    w.daemon.call('Pause', {'name': 'docs', 'seconds': 1})
    w.wait_status(lambda s: s['state'] == 'paused', what='state paused')
    stopped('remote_gone after a pause that ended by itself')
    done = w.daemon.cfctl('sync', 'status', 'docs')
    assert 'cfctl sync resume docs' in done.stdout + done.stderr, done.stdout + done.stderr
    assert_equal(w.daemon.cfctl('sync', 'resume', 'docs').returncode, 0)
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.server.count('delete'), gone)


@test('a bucket that was made anew: its user says so once, and everything goes up', files=TREE)
def _(w):
    w.daemon.terminate()
    with sqlite3.connect(os.path.join(w.daemon.state, 'index.db')) as index:    # what the server cannot be made to do
        index.execute("UPDATE pair SET bucket_created_at = '2020-01-01T00:00:00Z'")
    index.close()
    for path in w.remote():
        w.server.delete(w.bucket, path)
    w.daemon.start()
    status = w.wait_status(lambda s: s['state'] == 'remote_gone', what='state remote_gone')
    assert f'cfctl sync set docs bucket={w.bucket}' in status['last_error'], status
    assert_equal(w.remote(), {})
    done = w.daemon.cfctl('sync', 'set', 'docs', f'bucket={w.bucket}')
    assert_equal(done.returncode, 0, done.stderr)
    w.sync()
    w.assert_equal_sides()


@test('nineteen files deleted by someone else are put back', files=TREE)
def _(w):
    for path in sorted(w.remote())[:19]:
        w.server.delete(w.bucket, path)
    w.daemon.call('Rescan', {'name': 'docs'})
    w.wait_equal_sides()
    assert_equal(len(w.local()), 120)


@test('files deleted here and there, many of them, are no loss', files=TREE)
def _(w):
    w.daemon.call('Pause', {'name': 'docs'})
    for path in sorted(w.remote())[:30]:
        w.server.delete(w.bucket, path)
        os.unlink(w.path(path))
    w.daemon.call('Resume', {'name': 'docs'})
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.daemon.held(), [])


@test('one file deleted by someone else is put back', files=TREE)
def _(w):
    w.server.delete(w.bucket, 'all/d0/f000')
    w.daemon.call('Rescan', {'name': 'docs'})
    w.wait_equal_sides()
    assert_equal(len(w.local()), 120)


@test('a listing that fails half-way proves nothing', files=TREE)
def _(w):
    w.server.fault('status', 'list', status=500, times=5)
    w.daemon.call('Rescan', {'name': 'docs'})
    w.write('new', b'1')
    w.wait_status(lambda s: s['state'] == 'offline', what='state offline')
    w.server.clear_faults()
    w.wait_status(lambda s: s['in_sync'], 60, 'in sync')
    w.assert_equal_sides()
    assert_equal(w.server.count('delete'), 0)


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""Another client writes into the mirrored bucket at any moment: its versions are on the server, in the tree or in the
Trash afterwards. (The server has no conditional write: a version stored between our look-up and our commit is lost to
it, by sync.md's own exception; such moments are known from the server's log and left out.)"""
import os
import random
import subprocess
import sys
import time

from cf import Skip, assert_equal, diagnose, digest, main, test, wait_until

THEIRS = os.urandom(2 << 20)
SEED = int(os.environ.get('TESTS_SEED', random.randrange(1 << 30)))
ROUNDS = int(os.environ.get('TESTS_ROUNDS', '40'))


@test('a version put over a synced file is rescued before it is put back', files={'a': b'ours'})
def _(w):
    w.server.put(w.bucket, 'a', b'theirs')
    w.daemon.call('Rescan', {'name': 'docs'})
    w.wait_equal_sides()
    assert digest(b'theirs') in w.trashed()


@test('a version put just before a local save is rescued', files={'a': b'ours'})
def _(w):
    w.server.put(w.bucket, 'a', b'theirs')
    w.write('a', b'ours, edited')
    w.sync()
    w.assert_equal_sides()
    assert digest(b'theirs') in w.trashed()


@test('a version put just before a local deletion is held, not deleted', files={'a': b'ours', 'b': b'2'})
def _(w):
    w.server.put(w.bucket, 'a', b'theirs')
    os.unlink(w.path('a'))
    w.wait_status(lambda s: s['foreign_held'] == 1, what='the foreign version held')
    assert_equal(w.remote()['a'], digest(b'theirs'))


@test('a foreign file beside ours is left alone', files={'a': b'ours'})
def _(w):
    w.server.put(w.bucket, 'theirs', b'theirs')
    w.write('a', b'edited')
    w.daemon.call('Rescan', {'name': 'docs'})
    w.sync()
    assert_equal(w.remote(), {'a': digest(b'edited'), 'theirs': digest(b'theirs')})


@test('the same bytes by someone else need no rescue and no write', files={'a': b'same'})
def _(w):
    w.server.put(w.bucket, 'a', b'same')
    w.server.forget()
    w.daemon.call('Rescan', {'name': 'docs'})
    w.sync()
    assert_equal(w.server.count('put', 'multipart'), 0)
    assert_equal(w.trashed(), set())


@test('no room for a rescue: the write is held, nothing of theirs is lost', files={'a': b'ours'}, rescue_bytes=10)
def _(w):
    w.server.put(w.bucket, 'a', b'theirs, and longer than ten bytes')
    w.write('a', b'ours, edited')
    wait_until(lambda: [h['reason'] for h in w.daemon.held()] == ['too_large'], 20, 'the held upload')
    assert_equal(w.remote()['a'], digest(b'theirs, and longer than ten bytes'))
    assert not w.daemon.status()['in_sync']
    w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'apply'})
    w.sync()
    w.assert_equal_sides()


@test('a rescue does not wait for a large upload', files={'a': b'ours'})
def _(w):
    stalled = w.server.fault('stall', 'put', target='*large*')
    w.write('large', os.urandom(3 << 20))
    wait_until(lambda: w.server.fault_hits(stalled), 20, 'the large upload under way')
    w.server.put(w.bucket, 'a', b'theirs')
    w.daemon.call('Rescan', {'name': 'docs'})
    wait_until(lambda: w.remote().get('a') == digest(b'ours'), 20, 'a put back')
    assert_equal((w.trashed(), 'large' in w.remote()), ({digest(b'theirs')}, False))
    w.server.clear_faults()
    w.sync()
    w.assert_equal_sides()


@test('a large upload does not wait for a rescue', files={'a': b'ours'})
def _(w):
    stalled = w.server.fault('stall', 'content')
    w.server.put(w.bucket, 'a', b'theirs')
    w.daemon.call('Rescan', {'name': 'docs'})
    wait_until(lambda: w.server.fault_hits(stalled), 20, 'a rescue under way')
    w.write('large', os.urandom(3 << 20))
    wait_until(lambda: 'large' in w.remote(), 20, 'the large file there')
    assert_equal((w.trashed(), w.remote()['a']), (set(), digest(b'theirs')))
    w.server.clear_faults()
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.trashed(), {digest(b'theirs')})


@test('a large file is rescued before it is put back, and so is a small one over a large', files={'a': THEIRS, 'b': b'1'})
def _(w):
    for name in ('a', 'b'):
        w.server.put(w.bucket, name, name.encode() + THEIRS)
    w.write('b', b'small, and edited')
    w.daemon.call('Rescan', {'name': 'docs'})
    w.wait_equal_sides()
    w.sync()
    assert_equal(w.trashed(), {digest(b'a' + THEIRS), digest(b'b' + THEIRS)})


@test('many versions put over ours are rescued, each once, and put back', files={f'f{i:03}': b'ours %d' % i for i in range(120)})
def _(w):
    theirs = [(f'f{i:03}', b'theirs %d' % i) for i in range(120)]
    w.server.put_many(w.bucket, theirs)
    w.server.forget()
    w.daemon.call('Rescan', {'name': 'docs'})
    w.wait_equal_sides()
    w.sync()
    assert_equal(w.trashed(), {digest(data) for _, data in theirs})
    assert_equal(w.server.count('content'), 120)


def no_content_twice_at_once(w):
    writes = w.server.seen()['writes']
    assert_equal(writes['max_same_content'], 1, str(writes.get('same_content')))


@test('a small file with the content of one that is put back after its rescue waits for it', files={'a': b'same'})
def _(w):
    w.server.put(w.bucket, 'a', b'theirs')
    w.server.forget()
    slow = w.server.fault('delay', 'put', target='*filename=a', ms=1500)
    w.daemon.call('Rescan', {'name': 'docs'})
    wait_until(lambda: w.server.fault_hits(slow), 20, 'a under way')
    w.write('b', b'same')
    w.wait_equal_sides()
    no_content_twice_at_once(w)


for what, size in (('small', 100), ('large', 3 << 20)):
    @test(f'a {what} file waits for a write in doubt that may have its content', files={'a': b'1'})
    def _(w, size=size):
        data = os.urandom(size)
        late = w.server.fault('late_commit', 'put', ms=2000, times=1)   # below doubt_seconds
        w.write('first', data)
        wait_until(lambda: w.server.fault_hits(late), 20, 'the first on its way')
        w.write('second', data)
        w.write('other', b'another content does not wait')
        wait_until(lambda: 'other' in w.remote(), 20, 'the other')
        assert 'first' not in w.remote()
        w.wait_equal_sides()
        w.sync()
        no_content_twice_at_once(w)


for what, size in (('small', 100), ('large', 3 << 20)):
    @test(f'a {what} file does not wait for ever for a doubt of a pair that is paused', files={'a': b'1'})
    def _(w, size=size):
        data, other = os.urandom(size), os.path.join(w.base, 'other')
        os.mkdir(other)
        w.daemon.add(other, w.server.create_bucket('other'), name='other')
        w.daemon.wait_in_sync('other')
        lost = w.server.fault('reset', 'put', when='after_body', times=1)
        w.write('first', data)
        wait_until(lambda: w.server.fault_hits(lost) and not w.server.seen()['in_flight'], 20, 'the reply lost')
        w.daemon.call('Pause', {'name': 'docs'})
        w.write(os.path.join(other, 'second'), data)
        w.daemon.wait_in_sync('other')
        w.daemon.call('Resume', {'name': 'docs'})
        w.sync()
        w.assert_equal_sides()
        no_content_twice_at_once(w)


@test('large files of one size go one after another', files={'a': b'1'})
def _(w):
    data = os.urandom(3 << 20)
    w.server.fault('delay', 'put', ms=300)
    for i in range(4):
        w.write(f'twin{i}', data)
    w.sync()
    w.assert_equal_sides()
    no_content_twice_at_once(w)


# Where root could do it all the same, it runs without those rights.
MORTAL = ('setpriv', '--bounding-set=-dac_override,-dac_read_search') if os.geteuid() == 0 else ()


def start(w, prefix=MORTAL):
    w.daemon.settings(settle_open_ms=200, delete_settle_ms=150, poll_seconds=1)
    w.daemon.start(prefix=prefix)
    w.daemon.login(w.server.url, w.server.admin_key)
    w.daemon.add(w.root, w.bucket)
    w.sync()


def held_until(w, possible):
    """Both an overwrite and a put-back are held, without fetching what could not be kept; possible() ends it."""
    for name in ('a', 'b'):
        w.server.put(w.bucket, name, THEIRS + name.encode())
    w.server.forget()
    w.write('a', b'ours, edited')
    w.daemon.call('Rescan', {'name': 'docs'})
    wait_until(lambda: [(h['path'], h['reason']) for h in w.daemon.held()] == [('a', 'too_large'), ('b', 'too_large')],
               20, 'both held', w.check_alive)
    status = w.daemon.status()
    assert not status['in_sync'] and 'Trash' in status['last_error'], status
    assert_equal((w.server.count('content'), w.server.writes()), (0, 0))
    w.write('c', b'goes up beside it')
    wait_until(lambda: 'c' in w.remote(), 20, 'another upload')
    possible()
    wait_until(lambda: not w.daemon.held(), 20, 'the holds over', w.check_alive)
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.trashed(), {digest(THEIRS + b'a'), digest(THEIRS + b'b')})


@test('a Trash that may not be written to holds the write until it may', files={'a': b'1', 'b': b'2'}, daemon=False)
def _(w):
    start(w)
    os.chmod(w.daemon.trash, 0o500)
    held_until(w, lambda: os.chmod(w.daemon.trash, 0o700))


@test('no names can be made in the Trash: held until they can', files={'a': b'1', 'b': b'2'}, daemon=False)
def _(w):
    start(w)
    info = os.path.join(w.daemon.trash, 'info')
    os.mkdir(info)
    os.chmod(info, 0o500)
    held_until(w, lambda: os.chmod(info, 0o700))


@test('a file where the Trash should be: held until it is away', files={'a': b'1', 'b': b'2'}, daemon=False)
def _(w):
    start(w)
    files = os.path.join(w.daemon.trash, 'files')
    with open(files, 'w'):
        pass
    held_until(w, lambda: os.unlink(files))


def in_own_mounts(w, mount):
    """The Trash of this daemon alone is a mount; returns a way to mount it again with other options."""
    os.makedirs(w.daemon.trash)
    try:
        subprocess.run(['unshare', '-m', 'true'], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise Skip('no mount namespace of its own')
    start(w, ('unshare', '-m', 'sh', '-c', f'{mount} "{w.daemon.trash}" && exec "$@"', 'sh'))

    trash = w.daemon.trash
    w.daemon.trash = f'/proc/{w.daemon.pid}/root{trash}'    # as the daemon sees it

    def again(options):
        subprocess.run(['nsenter', '-t', str(w.daemon.pid), '-m', 'mount', '-o', f'remount,{options}', trash], check=True)
    return again


@test('a full Trash: held until there is room', files={'a': b'1', 'b': b'2'}, daemon=False)
def _(w):
    again = in_own_mounts(w, 'mount -t tmpfs -o size=17m tmpfs')
    held_until(w, lambda: again('size=64m'))


@test('a Trash on a read-only filesystem: held until it is not', files={'a': b'1', 'b': b'2'}, daemon=False)
def _(w):
    again = in_own_mounts(w, 'mount -t tmpfs -o size=64m tmpfs')
    again('ro')
    held_until(w, lambda: again('rw'))


@test('random writers on both sides', seconds=120, files={f'f{i}': b'start %d' % i for i in range(8)})
def _(w):
    diagnose(f'TESTS_SEED={SEED}')
    rng = random.Random(SEED)
    theirs = {}
    for i in range(ROUNDS):
        name = f'f{rng.randrange(8)}'
        first, second = rng.sample(('ours', 'theirs'), 2)
        for who in (first, second):
            data = b'%s %d' % (who.encode(), i)
            if who == 'ours':
                w.write(name, data)
            else:
                w.server.put(w.bucket, name, data)
                theirs[digest(data)] = name
            time.sleep(rng.uniform(0, 0.12))    # any moment, a save in progress included
    w.daemon.call('Rescan', {'name': 'docs'})
    w.sync(60)
    w.assert_equal_sides()
    kept = w.trashed() | set(w.remote().values()) | set(w.local().values())
    lost = {sha: name for sha, name in theirs.items() if sha not in kept}
    unexplained = [name for sha, name in lost.items() if not overtaken(w, name, sha, theirs)]
    diagnose(f'{len(theirs)} of theirs, {len(lost)} between a look-up and its commit')
    assert_equal(unexplained, [])


def overtaken(w, name, sha, all_theirs):
    """Whether the version that followed theirs was put there by themselves, or was under way (looked up) before
    theirs was stored."""
    log = w.server.seen(log=True)
    writes = [e for e in log['written'] if e['path'] == f'{w.bucket}/{name}']
    writes.sort(key=lambda e: e['end_us'])
    for theirs, following in zip(writes, writes[1:]):
        if theirs['sha256'] == sha:
            if following['sha256'] in all_theirs:
                return True
            looked = [e['begin_us'] for e in log['log'] if e['route'] == 'list' and e['end_us'] <= following['begin_us']]
            return bool(looked) and max(looked) < theirs['end_us']
    return False


for size in (10, 3 << 20):
    @test(f'{size} bytes whose answer names another hash are ours, whatever happens to the file before it is looked up',
          files={'s': b'1'})
    def _(w, size=size):
        looked = w.server.fault('status', 'list', status=503, skip=1)   # the look-up before the write passes
        answer = w.server.fault('wrong_hash', 'put', times=1)
        w.write('new', os.urandom(size))
        wait_until(lambda: w.server.fault_hits(answer) and w.server.fault_hits(looked), 20, 'the answer', w.check_alive)
        os.unlink(w.path('new'))
        w.server.clear_faults()
        w.wait_status(lambda s: s['state'] in ('idle', 'held') and not s['files_pending'], what='nothing pending')
        assert_equal((w.daemon.held(), sorted(w.remote()), w.trashed()), ([], ['s'], set()))


for size in (10, 3 << 20):
    @test(f'{size} bytes deleted by another writer are put back, but not for ever', files={'it': os.urandom(size), 's': b'1'})
    def _(w, size=size):
        uploads = 0
        while not w.daemon.skipped():
            w.server.delete(w.bucket, 'it')
            w.daemon.call('Rescan', {'name': 'docs'})
            wait_until(lambda: 'it' in w.remote() or w.daemon.skipped(), 20, 'put back, or parked', w.check_alive)
            uploads += 'it' in w.remote()
            assert uploads < 10, 'put back again and again'
        assert_equal([(s['path'], s['reason']) for s in w.daemon.skipped()], [('it', 'quarrel')])
        assert_equal(uploads, 5)


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""kill -9 at random moments. After every restart both sides become equal, nothing is sent that was already proven,
nothing wrongly deleted, nothing of ours held as foreign, and never are there two writes on one path at once."""
import os
import random
import sys
import time

from cf import assert_equal, churn, diagnose, digest, main, test, wait_until

KILLS = int(os.environ.get('TESTS_KILLS', '8'))
SEED = int(os.environ.get('TESTS_SEED', random.randrange(1 << 30)))
FREE = {'max_deletes': 1000000, 'max_delete_percent': 100}   # churn deletes more than people do


def kill_after(w, rng, low, high):
    """The random moment is the point: nothing is waited for."""
    time.sleep(rng.uniform(low, high))
    w.daemon.kill()


def nothing_sent_twice(w):
    """No version of a path was stored twice in a row: what is there is looked up and recognised."""
    last, twice = {}, []
    for path, sha, begin, end in w.server.written():
        if last.get(path) == sha:
            twice.append(path)
        last[path] = sha
    if twice:
        raise AssertionError(f'{len(twice)} stored twice, {twice[:5]} among them')


def everything_is_well(w):
    w.sync(60)
    w.assert_equal_sides()
    assert_equal(w.daemon.held(), [])
    w.server.assert_no_two_writes_at_once()


@test(f'{KILLS} kills during a first sync', seconds=60 + 10 * KILLS, pair=False)
def _(w):
    diagnose(f'TESTS_SEED={SEED}')
    rng = random.Random(SEED)
    for i in range(2000):
        w.write(f'd{i % 20}/f{i}', b'content %d' % i * rng.randrange(1, 40))
    for i in range(3):
        w.write(f'large{i}', os.urandom(1 << 20) * 6)
    # Slow enough that the kills meet every part of it.
    w.server.fault('delay', 'multipart', ms=40)
    w.server.fault('delay', 'list', ms=5)
    w.daemon.add(w.root, w.bucket)
    for _ in range(KILLS):
        kill_after(w, rng, 0.01, 0.35)
        w.daemon.start()
    everything_is_well(w)
    nothing_sent_twice(w)
    assert_equal(w.server.count('delete'), 0)


@test(f'{KILLS} kills during churn', seconds=60 + 10 * KILLS, settings=FREE)
def _(w):
    rng = random.Random(SEED + 1)
    for kill in range(KILLS):
        churn(rng, w, 40)
        kill_after(w, rng, 0.0, 0.3)
        churn(rng, w, 10)       # also while it is down
        w.daemon.start()
        if kill % 4 == 3:
            everything_is_well(w)
    everything_is_well(w)


@test(f'{max(3, KILLS // 3)} kills with the server committing late what was in flight', seconds=60 + 20 * KILLS,
      settings={**FREE, 'doubt_seconds': 4})
def _(w):
    rng = random.Random(SEED + 2)
    for kill in range(max(3, KILLS // 3)):
        # Below doubt_seconds: what comes later than that cannot be told from another writer's.
        for route in ('put', 'multipart'):
            w.server.fault('late_commit', route, ms=rng.randrange(100, 2500), times=1)
        for i in range(10):
            w.write(f'k{kill}/f{i}', b'late %d %d' % (kill, i))
        churn(rng, w, 10)
        kill_after(w, rng, 0.02, 0.4)
        w.daemon.start()
        w.sync(60)
        w.server.clear_faults()
    everything_is_well(w)


@test('a kill between the commit and its reply leaves nothing of ours foreign', files={'a': b'1'})
def _(w):
    w.server.fault('stall', 'put', when='after_commit', times=1)
    w.server.fault('stall', 'multipart', when='after_commit', times=1)
    w.write('new', b'ours')
    while w.remote().get('new') != digest(b'ours'):
        w.check_alive()
    w.daemon.kill()
    w.write('new', b'ours, edited while down')
    w.server.clear_faults()
    w.daemon.start()
    everything_is_well(w)
    assert digest(b'ours') not in w.trashed(), 'our own bytes need no rescue'


@test('what a pair left in doubt is awaited by the others of its server, its root there or not', settings=FREE)
def _(w):
    other = os.path.join(w.base, 'other')
    os.mkdir(other)
    w.daemon.add(other, w.server.create_bucket('other'), name='other')
    w.daemon.wait_in_sync('other')
    late = w.server.fault('late_commit', 'put', ms=2500, times=1)
    w.write('first', b'equal bytes')
    wait_until(lambda: w.server.fault_hits(late), 10, 'the write under way', w.check_alive)
    w.daemon.kill()
    os.rename(w.root, w.root + '.away')
    with open(os.path.join(other, 'second'), 'wb') as f:
        f.write(b'equal bytes')
    w.daemon.start()
    w.daemon.wait_in_sync('other')
    os.rename(w.root + '.away', w.root)
    w.wait_status(lambda s: s['in_sync'], what='the first pair in sync')
    assert_equal(w.server.seen()['writes']['max_same_content'], 1)


@test('a write in doubt outlives its pair: removed and added again, the path waits for it', settings=FREE)
def _(w):
    late = w.server.fault('late_commit', 'put', ms=2000, times=1)
    w.write('doc', b'first version')
    wait_until(lambda: w.server.fault_hits(late), 10, 'the write under way', w.check_alive)
    w.daemon.call('Remove', {'name': 'docs'})
    w.write('doc', b'second version')
    w.daemon.add(w.root, w.bucket)
    w.daemon.wait_in_sync()
    wait_until(lambda: w.server.seen()['writes']['count'] == 2, 10, 'the first to be committed', w.check_alive)
    assert_equal(w.server.seen()['writes']['max_same_path'], 1)
    w.assert_equal_sides()
    assert digest(b'first version') not in w.trashed(), 'our own bytes need no rescue'


@test('the server killed again and again: nothing lost', seconds=120, settings=FREE)
def _(w):
    rng = random.Random(SEED + 3)
    w.server.expected_dead = True
    for _ in range(4):
        churn(rng, w, 40)
        time.sleep(rng.uniform(0, 0.2))     # a random moment
        w.server.kill()
        churn(rng, w, 10)
        w.server.start()
    w.wait_equal_sides(90)
    everything_is_well(w)


if __name__ == '__main__':
    sys.exit(main())

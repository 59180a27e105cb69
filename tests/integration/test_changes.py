#!/usr/bin/env python3
"""Renames, deletions, moves of whole directories and long random churn: the bucket follows."""
import os
import random
import shutil
import signal
import sys

from cf import assert_equal, churn, digest, main, test, wait_until

MANY = {f'keep{i}': b'%d' % i for i in range(12)}   # so that a few deletions are no mass deletion


@test('a renamed file: the new name is there before the old one goes', files={'old.txt': b'content', **MANY})
def _(w):
    w.server.forget()
    os.rename(w.path('old.txt'), w.path('new.txt'))
    w.sync()
    w.assert_equal_sides()
    log = w.server.seen(log=True)['log']
    uploads = [e['end_us'] for e in log if e['route'] in ('put', 'multipart')]
    deletes = [e['begin_us'] for e in log if e['route'] == 'delete']
    assert_equal((len(uploads), len(deletes)), (1, 1))
    assert uploads[0] <= deletes[0], log


@test('a deleted file goes', files={'a': b'1', **MANY})
def _(w):
    os.unlink(w.path('a'))
    w.sync()
    w.assert_equal_sides()
    assert 'a' not in w.remote()


@test('a renamed directory with 200 files is no mass deletion', files={f'src/f{i}': b'%d' % i for i in range(200)})
def _(w):
    os.rename(w.path('src'), w.path('dst'))
    w.sync(60)
    w.assert_equal_sides()
    assert_equal(w.daemon.status()['deletes_held'], 0)


@test('two directories exchanged and a new one under an old name are both seen',
      files={**{f'a/f{i}': b'a%d' % i for i in range(10)}, **{f'b/f{i}': b'b%d' % i for i in range(10)}})
def _(w):
    os.rename(w.path('a'), w.path('t'))
    os.rename(w.path('b'), w.path('a'))
    os.rename(w.path('t'), w.path('b'))
    w.sync()
    w.assert_equal_sides()
    os.rename(w.path('a'), w.path('c'))
    w.write('a/new', b'in the new a')
    w.sync()
    w.assert_equal_sides()
    w.write('c/f1', b'edited after the move')
    w.write('a/new2', b'another')
    w.sync()
    w.assert_equal_sides()


@test('a directory removed and made again is watched again', files={'d/e/f': b'1', **MANY})
def _(w):
    for i in range(3):
        shutil.rmtree(w.path('d'))
        w.write('d/e/f', b'again %d' % i)
        w.sync()
        w.assert_equal_sides()


@test('mkdir -p and a file at once: nothing is missed')
def _(w):
    for i in range(300):
        w.write(f'p{i}/q/r/s/file', b'%d' % i)
    w.sync(60)
    w.assert_equal_sides()


@test('a tree moved in and one moved out', files={'out/a': b'1', 'out/b/c': b'2', **MANY})
def _(w):
    elsewhere = os.path.join(w.base, 'elsewhere')
    os.makedirs(os.path.join(elsewhere, 'in/deep'))
    for name in ('in/x', 'in/deep/y'):
        with open(os.path.join(elsewhere, name), 'wb') as f:
            f.write(name.encode())
    os.rename(os.path.join(elsewhere, 'in'), w.path('in'))
    os.rename(w.path('out'), os.path.join(elsewhere, 'out'))
    w.sync()
    w.assert_equal_sides()
    # What happens to the moved-out tree is no longer our business, although the kernel still tells of it.
    with open(os.path.join(elsewhere, 'out/a'), 'wb') as f:
        f.write(b'changed outside')
    w.write('in/x', b'changed inside')
    w.sync()
    w.assert_equal_sides()


@test('a directory replaced by a symlink is not followed', files={'d/f': b'inside', **MANY})
def _(w):
    outside = os.path.join(w.base, 'outside')
    os.mkdir(outside)
    for name in ('f', 'secret'):
        with open(os.path.join(outside, name), 'wb') as f:
            f.write(b'outside the root')
    shutil.rmtree(w.path('d'))
    os.symlink(outside, w.path('d'))
    w.write('after', b'1')
    w.sync()
    assert digest(b'outside the root') not in w.remote().values(), w.remote()
    assert 'd/f' not in w.remote()


@test('a file replaced by a directory and a directory by a file', files={'x': b'file', 'y/z': b'dir', **MANY})
def _(w):
    os.unlink(w.path('x'))
    w.write('x/inside', b'1')
    shutil.rmtree(w.path('y'))
    w.write('y', b'2')
    w.sync()
    w.assert_equal_sides()


@test('names that differ in case or only sort between: renamed in circles', files={'a': b'1', 'A': b'2', 'a-b': b'3',
                                                                                  'a0': b'4', 'b/c': b'5'})
def _(w):
    os.rename(w.path('a'), w.path('t'))
    os.rename(w.path('A'), w.path('a'))
    os.rename(w.path('t'), w.path('A'))
    w.sync()
    w.assert_equal_sides()


def overflow(w):
    """More changes than the kernel queues, while the daemon cannot read them; what comes then is lost."""
    with open('/proc/sys/fs/inotify/max_queued_events') as f:
        events = int(f.read())
    w.daemon.signal(signal.SIGSTOP)
    for i in range(events // 2 + 100):  # a MODIFY or CLOSE_WRITE of one and then of the other: none is merged
        w.write(f'flood{i % 2}', b'%d' % i)
    w.write('last', b'nobody was told')
    w.daemon.signal(signal.SIGCONT)


@test('wait after an overflow: what the kernel could not tell is there', files={'sub/a': b'1'})
def _(w):
    overflow(w)
    w.sync()
    assert_equal(w.remote().get('last'), digest(b'nobody was told'))
    w.assert_equal_sides()


@test('wait waits for the walk after an overflow, not for another that ends before it', files={'sub/a': b'1'})
def _(w):
    # A walk that overflowed is not begun more often than ten times its own length allows.
    delay = w.server.fault('delay', 'list', ms=400)
    list(w.daemon.stream('Rescan', {'name': 'docs'}))
    overflow(w)
    w.daemon.call('Rescan', {'name': 'docs', 'path': 'sub'})
    w.sync()
    assert w.server.fault_hits(delay) > 0
    assert_equal(w.remote().get('last'), digest(b'nobody was told'))
    w.assert_equal_sides()


@test('a directory moved away while a file in it is on its way: the file goes too', files={'d/a': b'1'})
def _(w):
    look_up = w.server.fault('delay', 'list', ms=700, times=1)
    w.write('d/b', b'read before the directory went')
    wait_until(lambda: w.server.fault_hits(look_up), 10, 'the look-up', w.check_alive)
    os.rename(w.path('d'), w.path('e'))
    w.sync()
    w.assert_equal_sides()


@test('after random churn both sides are equal', seconds=120, settings={'max_deletes': 100000,
                                                                       'max_delete_percent': 100})
def _(w):
    seed = int(os.environ.get('TESTS_SEED', random.randrange(1 << 30)))
    print(f'# TESTS_SEED={seed}')
    rng = random.Random(seed)
    for _ in range(6):
        churn(rng, w, 150)
        w.sync(60)
        w.assert_equal_sides()
    w.server.assert_no_two_writes_at_once()


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""A dry run says what a run would do at this moment, and then the run does it."""
import os
import sys

from cf import VarlinkError, assert_equal, digest, main, test, wait_until

TREE = {f'd{i % 5}/f{i:03}': b'%d' % i for i in range(120)}


def plan(w):
    """{path: action} of the files, and the totals."""
    replies = list(w.daemon.stream('Plan', {'name': 'docs'}))
    actions = [r['action'] for r in replies[:-1]]
    return {a['path']: a['action'] for a in actions if a['reason'] != 'empty_directory'}, replies[-1]


def pause(w):
    w.daemon.call('Pause', {'name': 'docs'})


def resume(w):
    w.daemon.call('Resume', {'name': 'docs'})


@test('the deletions of the last minute count', files=TREE)
def _(w):
    names = sorted(TREE)
    for name in names[:25]:
        os.unlink(w.path(name))
    w.sync()
    assert_equal(len(w.remote()), 95)
    pause(w)
    for name in names[25:35]:   # 35 within a minute are more than a quarter of 120; 10 of 95 alone are not
        os.unlink(w.path(name))
    actions, totals = plan(w)
    assert_equal(actions, {name: 'hold' for name in names[25:35]})
    assert_equal(totals['deletes'], 0)
    resume(w)
    w.wait_status(lambda s: s['deletes_held'] == 10 and not s['files_pending'], what='ten held')
    assert_equal(len(w.remote()), 95)


@test('a move is no deletion, whichever name comes first', files=TREE)
def _(w):
    pause(w)
    os.rename(w.path('d0'), w.path('z'))    # the old names come before the new ones
    os.rename(w.path('d4'), w.path('a'))    # and behind them
    os.rename(w.path('d1'), w.path('d11'))
    actions, totals = plan(w)
    assert_equal((totals['uploads'], totals['deletes']), (72, 72))
    assert_equal({a for a in actions.values()}, {'upload', 'delete_remote'})
    resume(w)
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.daemon.held(), [])


@test('a mass deletion is held', files=TREE)
def _(w):
    pause(w)
    for name in sorted(TREE)[:40]:
        os.unlink(w.path(name))
    actions, totals = plan(w)
    assert_equal((totals['deletes'], len(actions), set(actions.values())), (0, 40, {'hold'}))


@test('a write of ours whose answer is not known is ours', files={'a': b'1'}, settings={'doubt_seconds': 30})
def _(w):
    for route in ('put', 'multipart'):
        w.server.fault('stall', route, when='after_commit')
    w.write('new', b'ours')
    wait_until(lambda: w.remote().get('new') == digest(b'ours'), 20, 'the upload stored')
    pause(w)
    w.server.clear_faults()
    os.unlink(w.path('new'))
    assert_equal(plan(w)[0], {'new': 'delete_remote'})
    w.write('new', b'ours')
    assert_equal(plan(w)[0], {})
    resume(w)
    os.unlink(w.path('new'))
    w.sync()
    assert_equal((w.remote(), w.daemon.held()), ({'a': digest(b'1')}, []))


@test('what cannot be rescued is held', files={'a': b'ours', 'b': b'ours'}, rescue_bytes=20)
def _(w):
    w.server.put(w.bucket, 'a', b'theirs, 16 bytes')
    w.server.put(w.bucket, 'b', b'theirs, 16 bytes')
    pause(w)
    w.write('a', b'ours, edited')
    w.write('b', b'ours, edited')
    actions, totals = plan(w)
    assert_equal((actions, totals['uploads']), ({'a': 'upload', 'b': 'hold'}, 1))
    resume(w)
    wait_until(lambda: [h['reason'] for h in w.daemon.held()] == ['too_large'], 20, 'one of them held')


@test('many files gone from the bucket: all of them wait', files=TREE)
def _(w):
    pause(w)
    for i, name in enumerate(sorted(TREE)[:25]):
        w.server.delete(w.bucket, name)
        if i in (18, 24):
            actions, totals = plan(w)
            assert_equal((len(actions), set(actions.values())), (i + 1, {'upload' if i == 18 else 'hold'}))
            assert_equal(totals['uploads'], 19 if i == 18 else 0)
    resume(w)
    w.daemon.call('Rescan', {'name': 'docs'})
    w.wait_status(lambda s: s['state'] == 'remote_gone', what='state remote_gone')


@test('what the server refuses waits for its time', files={'a': b'1'})
def _(w):
    w.server.fault('status', 'put', status=413)
    w.server.fault('status', 'multipart', status=413)
    w.write('refused', b'too large for it')
    w.wait_status(lambda s: s['errors'] == 1 and not s['files_pending'], what='the refusal')
    w.server.clear_faults()
    actions, totals = plan(w)
    assert_equal((actions, totals['uploads']), ({'refused': 'skip'}, 0))


@test('a directory in the place of the root is not planned for', files=TREE)
def _(w):
    os.rename(w.root, w.root + '.away')
    os.mkdir(w.root)
    try:
        plan(w)
        raise AssertionError('a plan of another directory')
    except VarlinkError as error:
        assert_equal(error.name.rpartition('.')[2], 'PathUnusable')
        assert_equal(error.parameters['path'], w.root)
        assert 'cfctl sync adopt' in error.parameters['message'], error.parameters


if __name__ == '__main__':
    sys.exit(main())

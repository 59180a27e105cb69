#!/usr/bin/env python3
"""What ends while something is under way: pairs that are changed, removed or stopped, barriers and rescans that
wait for them, holds whose reason is gone."""
import os
import threading
import time

from cf import assert_equal, digest, main, test, wait_until

SMALL = {f'f{i:02}': b'%d' % i for i in range(30)}


@test('a hold of a file that its owner took away ends by itself', files={'a': b'1'})
def _(w):
    w.server.put(w.bucket, 'foreign', b'of another writer')
    w.daemon.call('Rescan', {'name': 'docs'})
    w.wait_status(lambda s: s['foreign_held'] == 1, what='the foreign file held')
    w.server.delete(w.bucket, 'foreign')
    w.daemon.call('Rescan', {'name': 'docs'})
    w.wait_status(lambda s: s['foreign_held'] == 0, what='the hold over')
    assert_equal(w.daemon.held(), [])


@test('a first sync whose only work left is held is over', files=SMALL, foreign='remove')
def _(w):
    w.daemon.terminate()
    os.unlink(w.path('f00'))
    os.rename(w.root, w.root + '.old')
    for name in list(SMALL)[1:]:
        w.write(name, SMALL[name])
    w.daemon.start()
    w.wait_status(lambda s: s['state'] == 'root_missing', what='another directory')
    w.daemon.call('Update', {'name': 'docs', 'changes': {}, 'adopt_root': True})
    w.wait_status(lambda s: s['deletes_held'] == 1 and not s['files_pending'], what='the deletion held')
    assert_equal([h['reason'] for h in w.daemon.held()], ['first_sync'])
    w.server.put(w.bucket, 'after', b'came later')
    w.daemon.call('Rescan', {'name': 'docs'})
    wait_until(lambda: 'after' not in w.remote(), 20, 'what came after the first sync deleted')
    told = wait_until(lambda: [e for e in w.daemon.history() if (e['path'], e['action']) == ('after', 'delete_remote')],
                      20, 'history says so')
    assert_equal([(e['size'], e.get('sha256')) for e in told], [(10, digest(b'came later'))])
    # What the first sync held is held still, though it is over.
    list(w.daemon.stream('Rescan', {'name': 'docs'}))
    w.wait_status(lambda s: not s['files_pending'], what='what the scan found looked at')
    assert_equal([h['path'] for h in w.daemon.held()], ['f00'])
    assert 'f00' in w.remote()


@test('the old name of a rename stays until the new one, written on without pause, is there', files={'old': b'x' * 1000})
def _(w):
    w.server.forget()
    os.rename(w.path('old'), w.path('new'))
    seen = []
    with open(w.path('new'), 'ab', buffering=0) as f:
        def both_gone():
            f.write(b'more')
            remote = w.remote()
            if not remote:
                seen.append('gone')
            return 'new' in remote
        wait_until(both_gone, 20, 'the new name')
    assert_equal(seen, [])
    w.sync()
    w.assert_equal_sides()


@test('a file whose new name the server refuses stays under its old one, until it is taken', files={'old': b'x' * 1000},
      seconds=90)
def _(w):
    for route in ('put', 'multipart'):
        w.server.fault('status', route, status=413)
    os.rename(w.path('old'), w.path('new'))
    for again in ('', 'a scan', 'another one'):
        if again:
            list(w.daemon.stream('Rescan', {'name': 'docs'}))
        w.wait_status(lambda s: s['deletes_held'] == 1 and not s['files_pending'], what=f'old held {again}')
        assert_equal([(h['path'], h['reason']) for h in w.daemon.held()], [('old', 'renamed')])
        assert_equal(list(w.remote()), ['old'])
    w.server.clear_faults()
    w.write('new', b'edited since')
    wait_until(lambda: 'new' in w.remote(), 20, 'the new name')
    w.daemon.call('Rescan', {'name': 'docs'})   # one an hour comes by itself
    wait_until(lambda: list(w.remote()) == ['new'], 20, 'the old name gone')
    w.sync()
    assert_equal(w.daemon.held(), [])


@test('a rescan of all pairs is answered once', files={'a': b'1'})
def _(w):
    other = os.path.join(w.base, 'other')
    os.mkdir(other)
    w.daemon.add(other, w.server.create_bucket('other'), name='other')
    w.daemon.wait_in_sync('other')
    assert len(list(w.daemon.stream('Rescan', {}))) >= 2
    w.daemon.wait_in_sync()


@test('who waits for the rescan of a pair that is removed is told', files={'a': b'1'})
def _(w):
    w.daemon.call('Pause', {'name': 'docs'})
    ended = []

    def follow():
        try:
            ended.append(list(w.daemon.stream('Rescan', {'name': 'docs'}, seconds=30)))
        except Exception as error:  # whatever it is: it was told
            ended.append(error)
    thread = threading.Thread(target=follow)
    thread.start()
    w.wait_status(lambda s: s['state'] == 'paused', what='state paused')
    wait_until(lambda: thread.is_alive(), 5, 'the follower')
    w.daemon.call('Remove', {'name': 'docs'})
    thread.join(20)
    assert ended and 'NoSuchPair' in str(ended[0]), ended


@test('a pair is removed while its server does not answer the probe', files={'a': b'1'})
def _(w):
    w.server.fault('reset', 'put', when='before')
    w.server.fault('reset', 'multipart', when='before')
    stalled = w.server.fault('stall', 'list', skip=1)
    w.write('b', b'2')
    wait_until(lambda: w.server.fault_hits(stalled) > 0, 20, 'a probe that hangs')
    w.daemon.call('Remove', {'name': 'docs'}, seconds=10)
    assert_equal(w.daemon.call('List')['pairs'], [])


@test('SIGTERM ends the daemon while a probe hangs', files={'a': b'1'})
def _(w):
    w.server.fault('reset', 'put', when='before')
    w.server.fault('reset', 'multipart', when='before')
    stalled = w.server.fault('stall', 'list', skip=1)
    w.write('b', b'2')
    wait_until(lambda: w.server.fault_hits(stalled) > 0, 20, 'a probe that hangs')
    w.daemon.terminate()
    w.server.clear_faults()
    w.daemon.start()
    w.sync()


@test('SIGTERM while pairs are added, changed and removed: an orderly end, and each pair is as before or as asked',
      files={'a': b'1'}, seconds=120)
def _(w):
    other = os.path.join(w.base, 'other')
    os.mkdir(other)
    bucket = w.server.create_bucket('other')
    calls = (('Update', {'name': 'docs', 'changes': {'mode': 'backup'}}),
             ('Update', {'name': 'docs', 'changes': {'mode': 'mirror', 'settle_ms': 40}}),
             ('Add', {'spec': {'name': 'other', 'bucket': bucket, 'local_path': other, 'mode': 'mirror'}}),
             ('Remove', {'name': 'other'}))
    for delay in (0, 0.001, 0.003, 0.01):
        for method, parameters in calls:
            with w.daemon.connect() as connection:
                connection.send('org.carbonfiles.sync.' + method, parameters)
                time.sleep(delay)   # another moment of the change each time
                w.daemon.expected_dead = True
                assert_equal(w.daemon.terminate(), 0)
            assert not w.daemon.problems(), w.daemon.problems()
            w.daemon.start()
            names = [p['name'] for p in w.daemon.call('List')['pairs']]
            assert names in (['docs'], ['docs', 'other']), names
    w.sync()
    w.assert_equal_sides()


@test('a barrier on a pair that gets another credential meanwhile', files={'a': b'1'})
def _(w):
    w.server.fault('delay', 'put', ms=3000)
    w.server.fault('delay', 'multipart', ms=3000)
    w.write('b', b'2')
    answers = []
    thread = threading.Thread(target=lambda: answers.append(w.daemon.wait_in_sync()))
    thread.start()
    wait_until(lambda: w.server.seen()['in_flight'] > 0, 10, 'an upload under way')
    w.daemon.login(w.server.url, w.server.admin_key)
    w.server.clear_faults()
    thread.join(40)
    assert answers and answers[0]['in_sync'], answers
    assert 'b' in w.remote()


@test('settings that change while files travel', files={'a': b'1'})
def _(w):
    for i in range(3):
        w.write(f'large{i}', os.urandom(6 << 20))
    for i in range(300):
        w.write(f'small{i}', b'%d' % i)
    for i in range(40):
        w.daemon.call('Update', {'name': 'docs', 'changes': {'settle_ms': 50 + i}})
    w.sync(60)
    w.assert_equal_sides()


@test('a large file that is refused while it is read does not outlive its item', files={'a': b'1'})
def _(w):
    for status in (413, 401):
        w.server.fault('status', 'put', status=status, times=3)
        for i in range(4):
            w.write(f'large{i}', os.urandom((8 << 20) + i))
        w.wait_status(lambda s: s['errors'] or s['state'] == 'login_required', what='the refusal')
        w.server.clear_faults()
    w.daemon.login(w.server.url, w.server.admin_key)
    w.wait_status(lambda s: s['state'] == 'idle' or s['errors'], seconds=40, what='the rest')


main()

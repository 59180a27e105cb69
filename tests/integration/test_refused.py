#!/usr/bin/env python3
"""A path or a content that the server refuses: tried a few times alone, then parked and listed, and nothing else waits
for it."""
import os
import sys

from cf import assert_equal, digest, main, test, wait_until

MANY = {f'keep{i:02}': b'%d' % i for i in range(12)}   # so that a few deletions are no mass deletion
TRIES = 3
PER_CENT = {'max_delete_percent': 100}


def refuse(w, name, status, route='put'):
    """This one name, for ever; small names that travel alone go by PUT."""
    return w.server.fault('status', route, status=status, target=f'*{name}*')


def wait_parked(w, *names):
    wait_until(lambda: sorted(s['path'] for s in w.daemon.skipped() if s['reason'] == 'refused') == sorted(names), 30,
               f'{names} parked', w.check_alive)


def others_go_on(w, *names):
    """A deletion waits for everything older than it: it goes once the refused one is parked."""
    os.unlink(w.path('keep00'))
    wait_parked(w, *names)
    status = w.sync()
    assert_equal((status['errors'], 'keep00' in w.remote()), (len(names), False))
    w.assert_equal_sides(skipped=names)


def accepted_once_changed(w, name):
    w.server.clear_faults()
    w.write(name, os.urandom(3 << 20))
    w.sync()
    w.assert_equal_sides()
    assert_equal(w.daemon.skipped(), [])


for code in (400, 409, 500):
    @test(f'a large file that is answered {code} before its body is parked', files=MANY)
    def _(w, code=code):
        fault = refuse(w, 'bad', code)
        w.write('bad', os.urandom(3 << 20))
        w.wait_status(lambda s: s['files_pending'], what='the large file under way')
        others_go_on(w, 'bad')
        assert_equal(w.server.fault_hits(fault), TRIES)
        assert str(code) in next(s['message'] for s in w.daemon.skipped() if s['path'] == 'bad')
        accepted_once_changed(w, 'bad')


for code in (400, 500):
    @test(f'a large file that is answered {code} after its body is parked', files=MANY)
    def _(w, code=code):
        fault = w.server.fault('status', 'put', status=code, target='*bad*', when='after_body')
        w.write('bad', os.urandom(3 << 20))
        w.wait_status(lambda s: s['files_pending'], what='the large file under way')
        others_go_on(w, 'bad')
        assert_equal(w.server.fault_hits(fault), TRIES)
        accepted_once_changed(w, 'bad')


for code in (400, 409, 500):
    @test(f'of a batch that is answered {code} the one that is refused alone is parked, the others go up', files=MANY)
    def _(w, code=code):
        batch = w.server.fault('status', 'multipart', status=code, when='after_body', times=1)
        alone = refuse(w, 'f00', code)
        w.daemon.call('Pause', {'name': 'docs'})
        for i in range(20):
            w.write(f'new/f{i:02}', b'new %d' % i)
        w.daemon.call('Resume', {'name': 'docs'})
        wait_until(lambda: w.server.fault_hits(batch), 20, 'the batch refused')
        others_go_on(w, 'new/f00')
        assert_equal(w.server.fault_hits(alone), TRIES)


@test('a content that the server refuses for ever is found in its batch and parked', files=MANY)
def _(w):
    w.server.ask('POST', f'/_dev/poison/{digest(b"poisoned")}')
    w.daemon.call('Pause', {'name': 'docs'})
    for i in range(20):
        w.write(f'new/f{i:02}', b'poisoned' if i == 7 else b'new %d' % i)
    w.daemon.call('Resume', {'name': 'docs'})
    others_go_on(w, 'new/f07')
    w.write('new/f07', b'an antidote')
    w.sync()
    w.assert_equal_sides()


def kept_and_others_go_on(w, name):
    """Another writer's version that cannot be rescued stays on the server."""
    os.unlink(w.path('keep00'))
    wait_parked(w, name)
    assert_equal(w.sync()['errors'], 1)
    remote = w.remote()
    assert_equal((remote[name], 'keep00' in remote), (digest(b"another writer's"), False))


for fault in ({'kind': 'status', 'status': 500}, {'kind': 'status', 'status': 503}, {'kind': 'corrupt'}):
    @test(f'a version that cannot be fetched for the Trash ({fault.get("status", "other bytes")}) is parked and kept',
          files=MANY)
    def _(w, fault=fault):
        number = w.server.fault(route='content', target='*keep05*', **fault)
        w.server.put(w.bucket, 'keep05', b"another writer's")
        w.daemon.call('Rescan', {'name': 'docs'})
        kept_and_others_go_on(w, 'keep05')
        assert_equal(w.server.fault_hits(number), TRIES)
        w.server.clear_faults()
        w.write('keep05', b'a new try')
        w.sync()
        w.assert_equal_sides()
        assert digest(b"another writer's") in w.trashed()
        assert_equal(w.daemon.skipped(), [])


@test('a fetch for the Trash that breaks off again and again is parked after a few requests', files=MANY)
def _(w):
    fault = w.server.fault('reset', 'content', when='before', target='*keep05*')
    w.server.put(w.bucket, 'keep05', b"another writer's")
    w.daemon.call('Rescan', {'name': 'docs'})
    kept_and_others_go_on(w, 'keep05')
    # The first one again at once, and each on a new connection once more.
    assert w.server.fault_hits(fault) <= 2 * (TRIES + 1), w.server.fault_hits(fault)


@test('a first sync ends although a large and a small file are refused', pair=False, settings=PER_CENT)
def _(w):
    for name in ('large-bad', 'small-bad'):
        w.write(name, os.urandom(3 << 20 if name[0] == 'l' else 100))
    for i in range(30):
        w.write(f'f{i}', b'%d' % i)
    w.server.ask('POST', f'/_dev/poison/{digest(open(w.path("small-bad"), "rb").read())}')
    refuse(w, 'large-bad', 400)
    w.daemon.add(w.root, w.bucket)
    wait_parked(w, 'large-bad', 'small-bad')
    w.sync()
    # In a first sync what was there before it is not deleted; after it, it is.
    os.unlink(w.path('f1'))
    w.sync()
    w.assert_equal_sides(skipped=('large-bad', 'small-bad'))
    assert_equal(w.daemon.held(), [])


@test('a deletion that is refused is parked after a few tries, the others are carried out', files=MANY)
def _(w):
    fault = refuse(w, 'keep05', 400, 'delete')
    os.unlink(w.path('keep05'))
    os.unlink(w.path('keep06'))
    wait_parked(w, 'keep05')
    w.sync()
    assert_equal(w.server.fault_hits(fault), TRIES)
    assert 'keep05' in w.remote() and 'keep06' not in w.remote()


@test('deletions of who does not own the bucket are parked; with the owner\'s key they are carried out and forgotten',
      pair=False, files={'a': b'1', **MANY})
def _(w):
    keys = [w.server.ask('POST', '/api/keys', {'name': name})['key'] for name in ('owner', 'guest')]
    w.daemon.login(w.server.url, keys[0])
    w.bucket = w.daemon.call('remote.CreateBucket', {'name': 'owned', 'expires_in': 'never'})['bucket']['id']
    w.daemon.login(w.server.url, keys[1])
    w.daemon.add(w.root, w.bucket)
    w.sync()
    os.unlink(w.path('a'))
    os.unlink(w.path('keep00'))
    wait_until(lambda: [s['path'] for s in w.daemon.skipped() if s['reason'] == 'not_owner'] == ['a', 'keep00'], 30,
               'both parked', w.check_alive)
    assert_equal(w.daemon.status()['in_sync'], False)
    w.server.put(w.bucket, 'keep00', b'of another client')     # foreign from now on, no longer a deletion of ours
    w.daemon.login(w.server.url, keys[0])
    wait_until(lambda: 'a' not in w.remote() and w.daemon.held(), 30, 'the owner deletes', w.check_alive)
    assert_equal([(h['path'], h['reason']) for h in w.daemon.held()], [('keep00', 'foreign')])
    w.sync()
    assert_equal(w.daemon.skipped(), [])


@test('429 with Retry-After is the server asking for peace, not a refusal', files=MANY)
def _(w):
    fault = w.server.fault('status', 'put', status=429, headers={'Retry-After': '1'}, times=4)
    w.write('new', os.urandom(3 << 20))
    w.wait_status(lambda s: s['state'] == 'offline', what='state offline')
    w.wait_equal_sides(60)
    assert_equal((w.server.fault_hits(fault), w.daemon.skipped()), (4, []))


@test('a batch that is larger than the server takes goes in parts and is no error; a file that is, is named', pair=False,
      server_arguments=('--max-upload-size', '50000'), files={f'f{i}': os.urandom(3000) for i in range(100)})
def _(w):
    w.daemon.add(w.root, w.bucket)
    status = w.sync()
    w.assert_equal_sides()
    assert_equal((status.get('last_error'), status['errors']), (None, 0))
    assert w.server.count('multipart') > 6, w.server.count('multipart')
    w.write('large', os.urandom(3 << 20))
    status = w.sync()
    w.assert_equal_sides(skipped=['large'])
    assert_equal((status['last_error'], status['errors']), ('large is larger than the server takes (413)', 1))


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""Every fault that can be ordered of the development server, seen from a client's socket."""
import hashlib
import json
import os
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'integration'))

from cf.rest import multipart                           # noqa: E402
from cf.tap import assert_equal, main, test             # noqa: E402
from cf.wait import wait_until                          # noqa: E402

from raw import Client, Lost                            # noqa: E402

# What must happen before a delay of this length is over has time enough on a busy machine.
LONG_MS = 4000
# Two requests that start together overlap for certain if each takes this long.
OVERLAP_MS = 1000


def client(world):
    return Client(world.server.url, world.server.admin_key)


def put(world, path, data, **options):
    """(status, headers, body) of one PUT on a connection of its own; Lost if the connection was cut."""
    with client(world) as c:
        return c.request('PUT', f'/api/buckets/{world.bucket}/upload/stream?filename={path}', data, **options)


def stored(world):
    return {path: entry['sha256'] for path, entry in world.server.listing(world.bucket).items()}


def sha(data):
    return hashlib.sha256(data).hexdigest()


def assert_lost(function):
    try:
        answer = function()
    except Lost:
        return
    raise AssertionError(f'there was an answer: {answer}')


@test('status: the answer as ordered, so many times, and nothing stored', daemon=False)
def _(world):
    number = world.server.fault('status', 'put', status=503, headers={'Retry-After': '7'}, body='{"error":"later"}', times=2)
    for _ in range(2):
        status, headers, body = put(world, 'a', b'x')
        assert_equal((status, headers['retry-after'], body), (503, '7', b'{"error":"later"}'))
    assert_equal(world.server.fault_hits(number), 2)
    assert_equal(stored(world), {})
    assert_equal(put(world, 'a', b'x')[0], 201)


@test('status after the body: the connection stays', daemon=False)
def _(world):
    world.server.fault('status', 'put', status=500, when='after_body', times=1)
    with client(world) as c:
        target = f'/api/buckets/{world.bucket}/upload/stream?filename=a'
        assert_equal(c.request('PUT', target, b'x' * 1000000)[0], 500)
        assert_equal(c.request('PUT', target, b'x')[0], 201)


@test('a fault meets only its route, method and target, and lets pass what it shall skip', daemon=False)
def _(world):
    world.server.fault('status', 'put', status=503, target='*filename=b*', skip=1)
    assert_equal([put(world, name, b'x')[0] for name in ('a', 'b', 'b', 'c')], [201, 201, 503, 201])
    world.server.clear_faults()
    world.server.fault('status', '*', method='DELETE', status=503)
    with client(world) as c:
        assert_equal(c.request('DELETE', f'/api/buckets/{world.bucket}/files/a')[0], 503)
        assert_equal(c.request('GET', f'/api/buckets/{world.bucket}/files/a')[0], 200)


@test('an order that makes no sense is refused and named', daemon=False)
def _(world):
    for order in ({'kind': 'nonsense'}, {'kind': 'reset', 'when': 'never'}, {'kind': 'status', 'status': 42},
                  {'kind': 'stall', 'route': 'nowhere'}, {'kind': 'drip', 'bytes': 0}):
        with client(world) as c:
            status, _, body = c.request('POST', '/_dev/faults', json.dumps(order).encode(),
                                        headers={'Content-Type': 'application/json'})
        assert_equal(status, 400, order)
        assert json.loads(body)['error']
    assert_equal(world.server.rest.ask('GET', '/_dev/faults'), [])


@test('faults are listed and removed one by one', daemon=False)
def _(world):
    first, second = world.server.fault('stall', 'put'), world.server.fault('delay', 'list', ms=1, times=3)
    listed = world.server.rest.ask('GET', '/_dev/faults')
    assert_equal([(f['id'], f['left'], f['order']['kind']) for f in listed], [(first, -1, 'stall'), (second, 3, 'delay')])
    world.server.rest.ask('DELETE', f'/_dev/faults/{first}')
    assert_equal([f['id'] for f in world.server.rest.ask('GET', '/_dev/faults')], [second])


@test('delay: fixed, and for each file of the bucket', daemon=False)
def _(world):
    world.server.put_many(world.bucket, [(f'f{i}', b'x') for i in range(100)])
    world.server.fault('delay', 'put', ms=200, times=1)
    world.server.fault('delay_per_file', 'multipart', us=3000, times=1)
    begin = time.monotonic()
    assert_equal(put(world, 'a', b'x')[0], 201)
    assert time.monotonic() - begin >= 0.2
    begin = time.monotonic()
    world.server.put(world.bucket, 'b', b'x')
    assert time.monotonic() - begin >= 0.3


@test('reset before, within and after the body: nothing is stored', daemon=False)
def _(world):
    for order in ({'when': 'before'}, {'when': 'within', 'bytes': 70000}, {'when': 'after_body'}):
        world.server.fault('reset', 'put', times=1, **order)
        assert_lost(lambda: put(world, 'a', b'y' * 200000))
        world.server.fault('reset', 'multipart', times=1, **order)
        body, kind = multipart([('b', b'z' * 100000), ('c', b'w' * 100000)])
        with client(world) as c:
            assert_lost(lambda: c.request('POST', f'/api/buckets/{world.bucket}/upload', body, {'Content-Type': kind}))
    assert_equal(stored(world), {})


@test('reset within a multipart body: the parts before it stay', daemon=False)
def _(world):
    body, kind = multipart([('b', b'z' * 100000), ('c', b'w' * 100000)])
    world.server.fault('reset', 'multipart', when='within', bytes=150000, times=1)
    with client(world) as c:
        assert_lost(lambda: c.request('POST', f'/api/buckets/{world.bucket}/upload', body, {'Content-Type': kind}))
    wait_until(lambda: stored(world) == {'b': sha(b'z' * 100000)}, 5, 'the first part')


@test('reply lost after the commit', daemon=False)
def _(world):
    world.server.fault('reset', 'put', when='after_commit', times=1)
    assert_lost(lambda: put(world, 'a', b'once'))
    assert_equal(stored(world), {'a': sha(b'once')})
    world.server.fault('reset', 'delete', when='after_commit', times=1)
    with client(world) as c:
        assert_lost(lambda: c.request('DELETE', f'/api/buckets/{world.bucket}/files/a'))
    assert_equal(stored(world), {})


@test('commit long after the reply was lost, for PUT, multipart and PATCH', daemon=False)
def _(world):
    world.server.put(world.bucket, 'p', b'0')
    world.server.fault('late_commit', '*', ms=LONG_MS, times=3)
    body, kind = multipart([('b', b'1'), ('c', b'w' * 100000)])
    with client(world) as c:
        assert_lost(lambda: c.request('POST', f'/api/buckets/{world.bucket}/upload', body, {'Content-Type': kind}))
    assert_lost(lambda: put(world, 'a', b'late'))
    with client(world) as c:
        assert_lost(lambda: c.request('PATCH', f'/api/buckets/{world.bucket}/files/p/content', b'1', {'X-Append': 'true'}))
    assert_equal(set(stored(world)), {'p'}, 'at once')
    wanted = {'a': sha(b'late'), 'b': sha(b'1'), 'c': sha(b'w' * 100000), 'p': sha(b'01')}
    wait_until(lambda: stored(world) == wanted, 10, 'the late commits')


@test('a late commit and a retry are two writes of one path at once', daemon=False)
def _(world):
    world.server.fault('late_commit', 'put', ms=LONG_MS, times=1)
    assert_lost(lambda: put(world, 'a', b'old'))
    assert_equal(put(world, 'a', b'new')[0], 201)
    wait_until(lambda: world.server.seen()['writes']['count'] == 2, 10, 'both writes')
    writes = world.server.seen()['writes']
    assert_equal((writes['max_same_path'], writes['same_path']), (2, f'{world.bucket}/a'))
    assert_equal(writes['max_same_content'], 1)


@test('drip: the answer comes in small pieces', daemon=False)
def _(world):
    world.server.put(world.bucket, 'a', bytes(range(256)) * 4)
    world.server.fault('drip', 'content', bytes=100, ms=5, times=1)
    with client(world) as c:
        begin = time.monotonic()
        status, _, body = c.request('GET', f'/api/buckets/{world.bucket}/files/a/content')
        assert_equal((status, body), (200, bytes(range(256)) * 4))
        assert time.monotonic() - begin >= 0.05
        assert c.pieces > 5, c.pieces
        assert_equal(c.request('GET', f'/api/buckets/{world.bucket}/files/a')[0], 200)


@test('corrupt: one bit of the body is wrong, in contents and in JSON', daemon=False)
def _(world):
    data = b'x' * 10000
    world.server.put(world.bucket, 'a', data)
    world.server.fault('corrupt', 'content', offset=12345, times=1)
    with client(world) as c:
        body = c.request('GET', f'/api/buckets/{world.bucket}/files/a/content')[2]
        assert_equal([(i, b) for i, b in enumerate(body) if b != ord('x')], [(2345, ord('x') ^ 1)])
        assert_equal(c.request('GET', f'/api/buckets/{world.bucket}/files/a/content')[2], data)
        world.server.fault('corrupt', 'file', offset=0, times=1)
        assert_equal(c.request('GET', f'/api/buckets/{world.bucket}/files/a')[2][:1], b'z')


@test('wrong_hash: in the answer of an upload, in a listing, in the ETag; what is stored is right', daemon=False)
def _(world):
    world.server.fault('wrong_hash', '*', times=3)
    claimed = json.loads(put(world, 'a', b'x')[2])['uploaded'][0]['sha256']
    assert claimed != sha(b'x') and len(claimed) == 64
    assert stored(world)['a'] != sha(b'x')
    with client(world) as c:
        headers = c.request('HEAD', f'/api/buckets/{world.bucket}/files/a/content')[1]
        assert headers['etag'] != f'"{sha(b"x")}"'
    assert_equal(stored(world), {'a': sha(b'x')})


@test('stall: no answer until the faults are cleared, before or after the commit', daemon=False)
def _(world):
    for when, wanted in (('before', {}), ('after_commit', {'a': sha(b'x')})):
        world.server.fault('stall', 'put', when=when)
        ended = []

        def run():
            try:
                put(world, 'a', b'x')
            except Lost as error:
                ended.append(str(error))
        thread = threading.Thread(target=run)
        thread.start()
        wait_until(lambda: world.server.seen()['routes'].get('put', {}).get('in_flight') == 1, 10, 'the PUT')
        wait_until(lambda: stored(world) == wanted, 10, when)
        assert thread.is_alive() and not ended
        world.server.clear_faults()
        thread.join(10)
        assert ended, when


@test('SIGTERM ends a server with a stalled request, with status 0', daemon=False)
def _(world):
    world.server.fault('stall', 'health')
    c = client(world)
    c.send('GET', '/healthz')
    wait_until(lambda: world.server.seen()['in_flight'] == 1, 10, 'the stalled request')
    world.server.expected_dead = True
    assert_equal(world.server.terminate(), 0)
    c.close()


@test('race_window: two first uploads of one content, one of them 500; a retry succeeds', daemon=False)
def _(world):
    number = world.server.fault('race_window', 'put', ms=OVERLAP_MS, times=2)
    answers = []
    threads = [threading.Thread(target=lambda n=n: answers.append(put(world, n, b'same')[0])) for n in 'ab']
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert_equal(sorted(answers), [201, 500])
    assert_equal(world.server.fault_hits(number), 2)
    assert_equal(len(stored(world)), 1)
    assert_equal([put(world, n, b'same')[0] for n in 'ab'], [201, 201])
    assert_equal(world.server.seen()['writes']['max_same_content'], 2)


@test('race_window: two contents on one new path poison the loser for ever', daemon=False)
def _(world):
    world.server.fault('race_window', 'put', ms=OVERLAP_MS, times=2)
    answers = {}
    threads = [threading.Thread(target=lambda d=d: answers.update({d: put(world, 'p', d)[0]})) for d in (b'1', b'2')]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert_equal(sorted(answers.values()), [201, 500])
    loser = next(d for d, status in answers.items() if status == 500)
    assert_equal(put(world, 'elsewhere', loser)[0], 500)
    world.server.kill()
    world.server.start()
    assert_equal(put(world, 'elsewhere', loser)[0], 500)
    assert_equal(put(world, 'elsewhere', b'3')[0], 201)


@test('poison, a lost content, an expired and a dropped bucket', daemon=False)
def _(world):
    ask = world.server.rest.ask
    ask('POST', f'/_dev/poison/{sha(b"bad")}')
    assert_equal(put(world, 'a', b'bad')[0], 500)
    for data in (b'gone', b'G' * 100000):
        world.server.put(world.bucket, 'a', data)
        ask('DELETE', f'/_dev/contents/{sha(data)}')
        with client(world) as c:
            assert_equal(c.request('GET', f'/api/buckets/{world.bucket}/files/a/content')[0], 404)
            assert_equal(json.loads(c.request('GET', f'/api/buckets/{world.bucket}/files/a/verify')[2])['valid'], False)
        assert_equal(stored(world), {'a': sha(data)})
    ask('POST', f'/_dev/expire/{world.bucket}')
    with client(world) as c:
        assert_equal(c.request('GET', f'/api/buckets/{world.bucket}')[0], 404)
        assert_equal(c.request('GET', f'/api/buckets/{world.bucket}/files')[0], 404)
    other = world.server.create_bucket('other')
    world.server.put(other, 'x', b'x')
    ask('DELETE', f'/_dev/buckets/{other}')
    ask('POST', '/_dev/cleanup')
    assert_equal(ask('GET', '/api/buckets?include_expired=true')['total'], 0)


@test('the log of requests and its reset', daemon=False)
def _(world):
    world.server.forget()
    put(world, 'a', b'12345')
    put(world, 'b', b'6')
    seen = world.server.seen(log=True)
    assert_equal((seen['total'], seen['in_flight']), (2, 0))
    assert_equal({k: seen['routes']['put'][k] for k in ('requests', 'failures', 'bytes')},
                 {'requests': 2, 'failures': 0, 'bytes': 6})
    assert_equal([(e['route'], e['status'], e['bytes']) for e in seen['log']], [('put', 201, 5), ('put', 201, 1)])
    assert_equal((seen['writes']['count'], seen['writes']['max_same_path']), (2, 1))
    world.server.forget()
    seen = world.server.seen(log=True)
    assert_equal((seen['total'], seen['log'], seen['writes']['count']), (0, [], 0))


@test('without --control there is no /_dev/', world=False)
def _():
    from cf.process import Process, program
    from cf.world import temp_dir
    import shutil
    import subprocess
    base = temp_dir()
    server = Process(os.path.join(base, 'log'))
    try:
        server.spawn([program('tests/devserver/carbonfiles-devserver'), '--listen', '127.0.0.1:0'], stdout=subprocess.PIPE)
        url = server.child.stdout.readline().decode().split()[2]
        with Client(url, 'dev-admin-key-change-me') as c:
            assert_equal(c.request('GET', '/_dev/requests')[0], 404)
            assert_equal(c.request('GET', '/api/buckets')[0], 200)
        assert_equal(server.terminate(), 0)
    finally:
        server.kill()
        shutil.rmtree(base)


if __name__ == '__main__':
    sys.exit(main())

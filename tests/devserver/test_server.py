#!/usr/bin/env python3
"""What the recordings cannot show: connections, limits, time, memory, kills and races."""
import hashlib
import io
import json
import os
import sys
import threading
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'integration'))

from cf.rest import multipart                           # noqa: E402
from cf.tap import assert_equal, main, test             # noqa: E402
from cf.wait import wait_until                          # noqa: E402

from raw import Client, Lost                            # noqa: E402

MIB = 1024 * 1024


def client(world, key=True):
    return Client(world.server.url, world.server.admin_key if key else None)


def upload_target(world, path):
    return f'/api/buckets/{world.bucket}/upload/stream?filename={path}'


def sha(data):
    return hashlib.sha256(data).hexdigest()


# Connections

@test('one connection serves one request after another, answers to HEAD and 304 included', daemon=False)
def _(world):
    world.server.put(world.bucket, 'a', b'x')
    target = f'/api/buckets/{world.bucket}/files/a'
    with client(world) as c:
        for _ in range(3):
            assert_equal(c.request('HEAD', target)[0], 200)
            assert_equal(c.request('HEAD', '/healthz')[0], 405)
            assert_equal(c.request('GET', target + '/content', headers={'If-None-Match': f'"{sha(b"x")}"'})[0], 304)
            assert_equal(c.request('GET', '/nowhere')[0], 404)
            assert_equal(c.request('GET', target + '/content')[2], b'x')


@test('pipelined requests are answered in order', daemon=False)
def _(world):
    with client(world) as c:
        one = f'GET /healthz HTTP/1.1\r\nHost: {c.host}\r\n\r\n'
        put = (f'PUT {upload_target(world, "a")} HTTP/1.1\r\nHost: {c.host}\r\nAuthorization: Bearer '
               f'{c.admin_key}\r\nContent-Length: 3\r\n\r\nabc')
        c.send_raw((one + put + one.replace('healthz', 'nowhere') + one).encode())
        assert_equal([c.read()[0] for _ in range(4)], [200, 201, 404, 200])


@test('a head that comes byte by byte, and a body cut in chunks of every size', daemon=False)
def _(world):
    data = bytes(range(256)) * 8
    with client(world) as c:
        head = (f'PUT {upload_target(world, "a")} HTTP/1.1\r\nHost: {c.host}\r\nAuthorization: Bearer {c.admin_key}\r\n'
                'Transfer-Encoding: chunked\r\n\r\n')
        for byte in head.encode():
            c.send_raw(bytes([byte]))
        at, size = 0, 1
        while at < len(data):
            piece = data[at:at + size]
            c.send_raw(b'%x;extension\r\n' % len(piece))
            c.send_raw(piece + b'\r\n')
            at, size = at + size, size + 7
        c.send_raw(b'0\r\nTrailer: x\r\n\r\n')
        status, _, body = c.read()
        assert_equal((status, json.loads(body)['uploaded'][0]['sha256']), (201, sha(data)))
        assert_equal(c.request('GET', '/healthz')[0], 200)


@test('HTTP/1.0 and Connection: close end the connection', daemon=False)
def _(world):
    with client(world) as c:
        c.send_raw(b'GET /healthz HTTP/1.0\r\n\r\n')
        status, headers, body = c.read()
        assert_equal((status, headers['connection'], json.loads(body)['db']), (200, 'close', 'ok'))
        assert 'transfer-encoding' not in headers
    with client(world) as c:
        c.send_raw(b'GET /nowhere HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
        assert_equal(c.read()[1]['connection'], 'keep-alive')
        assert_equal(c.request('GET', '/healthz', headers={'Connection': 'close'})[1]['connection'], 'close')
        assert c.at_end()


@test('malformed heads are refused with an empty answer and a cut', daemon=False)
def _(world):
    host = 'Host: x\r\n'
    heads = {
        'no Host': ('GET / HTTP/1.1\r\n\r\n', 400),
        'two Hosts': (f'GET / HTTP/1.1\r\n{host}{host}\r\n', 400),
        'two lengths': (f'PUT / HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 1\r\n\r\n', 400),
        'a bad length': (f'PUT / HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n', 400),
        'another coding': (f'PUT / HTTP/1.1\r\n{host}Transfer-Encoding: gzip\r\n\r\n', 400),
        'no colon': (f'GET / HTTP/1.1\r\n{host}x\r\n\r\n', 400),
        'a folded line': (f'GET / HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n', 400),
        'a blank before the colon': (f'GET / HTTP/1.1\r\n{host}X : a\r\n\r\n', 400),
        'bare line feeds': ('GET / HTTP/1.1\nHost: x\n\r\n', 400),
        'no version': (f'GET /\r\n{host}\r\n', 400),
        'a future version': (f'GET / HTTP/2.0\r\n{host}\r\n', 505),
        'another host in the target': (f'GET http://y/ HTTP/1.1\r\n{host}\r\n', 400),
        'no such chunk': (f'PUT {upload_target(world, "a")} HTTP/1.1\r\n{host}Authorization: Bearer '
                          f'{world.server.admin_key}\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 400),
    }
    for what, (head, wanted) in heads.items():
        with client(world) as c:
            c.send_raw(head.encode())
            status, headers, body = c.read()
            assert_equal((status, headers.get('connection'), headers.get('content-length'), body),
                         (wanted, 'close', '0', b''), what)
            assert c.at_end(), what
    with client(world) as c:
        c.send_raw(b'GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n')
        assert_equal(c.read()[0], 200)


@test('the limits of request lines and headers, to the byte', daemon=False)
def _(world):
    def status_of(head):
        with client(world) as c:
            c.send_raw(head.encode())
            return c.read()[0]
    start, end = 'GET /', ' HTTP/1.1\r\n'
    fits = start + 'a' * (8192 - len(start + end)) + end
    assert_equal([status_of(line + 'Host: x\r\n\r\n') for line in (fits, 'GET /a' + fits[5:])], [404, 414])
    headers = ''.join(f'X-{i}: y\r\n' for i in range(99))
    assert_equal(status_of(f'GET /a HTTP/1.1\r\nHost: x\r\n{headers}\r\n'), 404)
    assert_equal(status_of(f'GET /a HTTP/1.1\r\nHost: x\r\n{headers}More: y\r\n\r\n'), 431)
    assert_equal(status_of(f'GET /a HTTP/1.1\r\nHost: x\r\nX: {"y" * 32000}\r\n\r\n'), 404)
    assert_equal(status_of(f'GET /a HTTP/1.1\r\nHost: x\r\nX: {"y" * 32765}\r\n\r\n'), 431)


@test('100 Continue only when the body is wanted', daemon=False)
def _(world):
    with client(world) as c:
        c.send('PUT', upload_target(world, 'a'), headers={'Expect': '100-continue', 'Content-Length': '3'})
        assert_equal(c.read_head()[0], 100)
        c.send_raw(b'abc')
        assert_equal(c.read()[0], 201)
    with client(world, key=False) as c:
        c.send('PUT', upload_target(world, 'a'), headers={'Expect': '100-continue', 'Content-Length': '3'})
        assert_equal(c.read_head()[0], 403)


@test('an early refusal leaves the connection usable when the rest of the body comes', daemon=False)
def _(world):
    with client(world, key=False) as c:
        c.send('PUT', upload_target(world, 'a'), headers={'Content-Length': str(4 * MIB)})
        c.send_raw(b'x' * MIB)
        assert_equal(c.read()[0], 403)
        c.send_raw(b'x' * 3 * MIB)
        assert_equal(c.request('GET', '/healthz')[0], 200)


@test('a body over the limit: 413, empty, and a cut; the framing of multipart counts', daemon=False,
      server_arguments=('--max-upload-size', '1000'))
def _(world):
    for headers in ({'Content-Length': '1001'}, {'Transfer-Encoding': 'chunked'}):
        with client(world) as c:
            c.send('PUT', upload_target(world, 'a'), headers=headers)
            c.send_raw(b'x' * 1001 if 'Content-Length' in headers else b'400\r\n' + b'x' * 1024 + b'\r\n0\r\n\r\n')
            status, answer, body = c.read()
            assert_equal((status, answer['content-length'], answer['connection'], body), (413, '0', 'close', b''))
            assert c.at_end()
    body, kind = multipart([('a', b'x' * 1000)])
    with client(world) as c:
        assert_equal(c.request('POST', f'/api/buckets/{world.bucket}/upload', body, {'Content-Type': kind})[0], 413)
    with client(world) as c:
        assert_equal(c.request('PUT', upload_target(world, 'a'), b'x' * 1000)[0], 201)


@test('a body that trickles is given up with 408', daemon=False, seconds=40)
def _(world):
    with client(world) as c:
        c.send('PUT', upload_target(world, 'a'), headers={'Content-Length': '100000'})
        answered = threading.Event()

        def trickle():
            while not answered.wait(0.1):
                c.send_raw(b'x')
        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            status, headers, _ = c.read()
        finally:
            answered.set()
            thread.join()
        assert_equal((status, headers['connection']), (408, 'close'))
    assert_equal(world.server.listing(world.bucket), {})


@test('a client that goes in the middle of a body leaves nothing', daemon=False)
def _(world):
    for _ in range(3):
        c = client(world)
        c.send('PUT', upload_target(world, 'a'), headers={'Content-Length': str(8 * MIB)})
        c.send_raw(b'x' * MIB)
        c.close()
    wait_until(lambda: world.server.seen()['in_flight'] == 0, 10, 'the server to notice')
    assert_equal(world.server.listing(world.bucket), {})
    assert_equal(os.listdir(os.path.join(world.server.data, 'tmp')), [])


# Keeping

@test('kill -9 and restart: everything answered is there, in both kinds of storage', daemon=False)
def _(world):
    files = {f'd/{i}': os.urandom(i * 7 % 3000) for i in range(300)}
    files['large'] = os.urandom(3 * MIB)
    world.server.put_many(world.bucket, files.items())
    for i in range(50):
        files[f'one/{i}'] = b'%d' % i
        world.server.put(world.bucket, f'one/{i}', files[f'one/{i}'])
    world.server.delete(world.bucket, 'd/7')
    del files['d/7']
    for _ in range(2):
        world.server.kill()
        world.server.start()
        listing = world.server.listing(world.bucket)
        assert_equal({p: e['sha256'] for p, e in listing.items()}, {p: sha(d) for p, d in files.items()})
        for path in files:
            assert_equal(world.server.content(world.bucket, path), files[path], path)
        world.server.put(world.bucket, 'after', b'after')
        files['after'] = b'after'
    detail = world.server.rest.ask('GET', f'/api/buckets/{world.bucket}')
    assert_equal((detail['file_count'], detail['total_size']), (len(files), sum(map(len, files.values()))))


@test('kill -9 in the middle of uploads: what was answered is there, nothing is refused afterwards', daemon=False)
def _(world):
    for attempt in range(5):
        body, kind = multipart([(f'{attempt}/{i}', b'%d %d' % (attempt, i)) for i in range(3000)])
        c = client(world)
        c.send('POST', f'/api/buckets/{world.bucket}/upload', body[:len(body) * 2 // 3],
               {'Content-Type': kind, 'Content-Length': str(len(body))})
        wait_until(lambda: world.server.seen()['writes']['count'] > 100, 10, 'some commits')
        world.server.kill()
        c.close()
        world.server.start()
        assert_equal(len(world.server.put_many(world.bucket, [(f'{attempt}/{i}', b'%d %d' % (attempt, i))
                                                              for i in range(3000)])), 3000)
        for path, entry in world.server.listing(world.bucket).items():
            assert_equal(entry['sha256'], sha(path.replace('/', ' ').encode()))


@test('a second server on the same directory refuses to start', daemon=False)
def _(world):
    from cf.process import Process, program
    second = Process(os.path.join(world.base, 'second.log'))
    second.spawn([program('tests/devserver/carbonfiles-devserver'), '--listen', '127.0.0.1:0', '--data', world.server.data])
    assert_equal(second.wait(), 1)
    assert 'another server' in second.log(), second.log()
    world.server.put(world.bucket, 'a', b'x')


@test('wrong options: a clear text and status 2', daemon=False, server=False)
def _(world):
    from cf.process import Process, program
    for arguments in (['--nonsense'], ['extra'], ['--max-upload-size', 'x'], ['--admin-key', ' ']):
        process = Process(os.path.join(world.base, 'log'))
        process.spawn([program('tests/devserver/carbonfiles-devserver'), *arguments])
        assert_equal(process.wait(), 2, arguments)
        assert process.log(), arguments
    process.spawn([program('tests/devserver/carbonfiles-devserver'), '--listen', 'nowhere', '--data', world.base])
    assert_equal(process.wait(), 1)


@test('SIGTERM: status 0, and a request under way is still answered', daemon=False)
def _(world):
    with client(world) as c:
        c.send('PUT', upload_target(world, 'a'), headers={'Content-Length': '6'})
        c.send_raw(b'abc')
        wait_until(lambda: world.server.seen()['in_flight'] == 1, 10, 'the request')
        world.server.expected_dead = True
        world.server.rest.close()
        world.server.signal(15)
        c.send_raw(b'def')
        assert_equal(c.read()[0], 201)
    assert_equal(world.server.wait(), 0)


# Size

@test('a file of 512 MiB goes up and down in constant memory', daemon=False, seconds=180)
def _(world):
    size, piece = 512 * MIB, os.urandom(MIB)
    with client(world) as c:
        c.send('PUT', upload_target(world, 'big'), headers={'Content-Length': str(size)})
        digest = hashlib.sha256()
        for _ in range(size // MIB):
            c.send_raw(piece)
            digest.update(piece)
        entry = json.loads(c.read()[2])['uploaded'][0]
        assert_equal((entry['size'], entry['sha256']), (size, digest.hexdigest()))
        c.send('GET', f'/api/buckets/{world.bucket}/files/big/content')
        status, headers = c.read_head()
        assert_equal((status, headers['content-length']), (200, str(size)))
        digest = hashlib.sha256(c.pending)
        left = size - len(c.pending)
        while left:
            data = c.socket.recv(min(left, MIB))
            digest.update(data)
            left -= len(data)
        assert_equal(digest.hexdigest(), entry['sha256'])
    limit_kib = 64 * 1024 if 'Sanitizer' not in os.environ.get('CC', '') else 512 * 1024
    with open(f'/proc/{world.server.pid}/maps') as f:
        if 'libasan' in f.read():
            return      # a sanitizer keeps freed memory
    assert world.server.memory_kib('VmHWM') < limit_kib, world.server.memory_kib('VmHWM')


@test('multipart with 5,000 parts, then a scan page by page', daemon=False)
def _(world):
    files = [(f'{i % 10}/{i:04}', b'%d' % i) for i in range(5000)]
    uploaded = world.server.put_many(world.bucket, files)
    assert_equal([u['path'] for u in uploaded], [p for p, _ in files])
    assert_equal(sorted(world.server.listing(world.bucket)), sorted(p for p, _ in files))


# Races and caches

@test('parallel writers: every answered file is there and counted', daemon=False)
def _(world):
    def write(n):
        with client(world) as c:
            for i in range(100):
                assert_equal(c.request('PUT', upload_target(world, f'{n}/{i}'), b'%d %d' % (n, i))[0], 201)
                if i % 10 == 9:
                    assert_equal(c.request('DELETE', f'/api/buckets/{world.bucket}/files/{n}/{i - 1}')[0], 204)
    failures = []

    def run(n):
        try:
            write(n)
        except Exception as error:      # shown by the test's own thread
            failures.append(error)
    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert_equal(failures, [])
    assert_equal(len(world.server.listing(world.bucket)), 8 * 90)
    assert_equal(world.server.rest.ask('GET', f'/api/buckets/{world.bucket}')['file_count'], 8 * 90)
    assert_equal(world.server.seen()['writes']['max_same_path'], 1)


@test('a bucket deleted while a body streams: still 201, and the file is nowhere', daemon=False)
def _(world):
    with client(world) as c:
        c.send('PUT', upload_target(world, 'a'), headers={'Content-Length': '6'})
        c.send_raw(b'abc')
        wait_until(lambda: world.server.seen()['in_flight'] == 1, 10, 'the request')
        world.server.delete_bucket(world.bucket)
        c.send_raw(b'def')
        assert_equal(c.read()[0], 201)
        assert_equal(c.request('GET', f'/api/buckets/{world.bucket}/files/a')[0], 404)
        assert_equal(json.loads(c.request('GET', '/api/stats')[2])['total_files'], 1)


@test('writes that overlap are counted exactly, parts of one request once', daemon=False)
def _(world):
    under_way = []
    for n in range(3):
        body, kind = multipart([('same', b'%d' % n), ('same', b'x'), (f'{n}', b'x')])
        c = client(world)
        c.send('POST', f'/api/buckets/{world.bucket}/upload',
               headers={'Content-Type': kind, 'Content-Length': str(len(body))})
        under_way.append((c, body))
    wait_until(lambda: world.server.seen()['in_flight'] == 3, 10, 'all three')
    for c, body in under_way:
        c.send_raw(body)
        assert_equal(c.read()[0], 201)
        c.close()
    world.server.put(world.bucket, 'same', b'later')
    writes = world.server.seen()['writes']
    assert_equal((writes['max_same_path'], writes['same_path']), (3, f'{world.bucket}/same'))
    assert_equal((writes['max_same_content'], writes['same_content']), (3, sha(b'x')))


@test('an expired bucket lives on in the cache of details until a file changes', daemon=False)
def _(world):
    ask = world.server.rest.ask
    bucket = ask('POST', '/api/buckets', {'name': 'short', 'expires_in': '2s'})['id']
    target = f'/api/buckets/{bucket}'
    ask('GET', target)
    # Expiry by the clock: nobody announces it, so the listing, which is not cached, is asked until it says so.
    wait_until(lambda: world.server.rest.request('GET', target + '/files')[0] == 404, 10, 'the expiry')
    assert_equal(world.server.rest.request('GET', target)[0], 200)
    assert_equal(world.server.rest.request('PUT', target + '/upload/stream?filename=a', b'x')[0], 201)
    assert_equal(world.server.rest.request('GET', target)[0], 404)
    assert_equal(world.server.rest.request('PUT', target + '/upload/stream?filename=a', b'x')[0], 404)


@test('an upload fills the cache of details without files, a plain GET too', daemon=False)
def _(world):
    ask = world.server.rest.ask
    target = f'/api/buckets/{world.bucket}'
    world.server.put(world.bucket, 'a', b'x')
    assert 'files' in ask('GET', target + '?include=files')
    assert 'files' in ask('GET', target)
    world.server.put(world.bucket, 'a', b'y')
    assert_equal(world.server.rest.request('PUT', target + '/upload/stream', b'x')[0], 400)
    assert 'files' not in ask('GET', target + '?include=files')


@test('the zip holds directories first, then every file', daemon=False)
def _(world):
    files = {'a.txt': b'text' * 1000, 'd/e/f': os.urandom(200000), 'd/g': b'', '\u00fc/x': b'y'}
    world.server.put_many(world.bucket, files.items())
    lost = b'lost content'
    world.server.put(world.bucket, 'lost', lost)
    world.server.rest.ask('DELETE', f'/_dev/contents/{sha(lost)}')
    _, headers, data = world.server.rest.request('GET', f'/api/buckets/{world.bucket}/zip')
    assert_equal(headers['Content-Disposition'], 'attachment; filename="test.zip"')
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        assert_equal(z.testzip(), None)
        assert_equal(z.namelist(), ['d/', 'd/e/', '\u00fc/', *sorted([*files, 'lost'], key=lambda p: p.encode())])
        for path in files:
            assert_equal(z.read(path), files[path], path)
        assert_equal(z.read('lost'), b'')


@test('a PUT with a name outside ASCII is stored, counted, and answered with 500', daemon=False)
def _(world):
    with client(world) as c:
        assert_equal(c.request('PUT', upload_target(world, 'caf%C3%A9'), b'x')[0], 500)
        assert_equal(c.request('GET', f'/api/buckets/{world.bucket}/files/caf%C3%A9/content')[2], b'x')
    assert_equal(list(world.server.listing(world.bucket)), ['caf\u00e9'])


@test('ranges of a file that lies in the middle of the pack', daemon=False)
def _(world):
    world.server.put_many(world.bucket, [('before', b'b' * 100), ('a', b'0123456789'), ('after', b'c' * 100)])
    target = f'/api/buckets/{world.bucket}/files/a/content'
    with client(world) as c:
        for header, wanted in (('bytes=2-4', b'234'), ('bytes=-3', b'789'), ('bytes=8-100', b'89')):
            assert_equal(c.request('GET', target, headers={'Range': header})[::2], (206, wanted))
        assert_equal(c.request('PATCH', target, b'AB', {'Content-Range': 'bytes 4-5/*'})[0], 200)
        assert_equal(c.request('GET', target)[2], b'0123AB6789')


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""Answers of the real server that no recording shows: found by sending the same odd requests to both, side by side."""
import email.utils
import hashlib
import json
import os
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'integration'))

from cf.tap import assert_equal, main, test             # noqa: E402

from raw import Client                                  # noqa: E402

DATA = b'hello world'
SHA = hashlib.sha256(DATA).hexdigest()
TAG = f'"{SHA}"'
DAY_S = 86400


def client(world):
    return Client(world.server.url, world.server.admin_key)


def http_date(from_now_s):
    return email.utils.formatdate(time.time() + from_now_s, usegmt=True)


def put(world, *paths):
    for path in paths:
        world.server.rest.request('PUT', f'/api/buckets/{world.bucket}/upload/stream?filename='
                                  + urllib.parse.quote(path, safe=''), DATA)


def answer_to(world, head, method='GET'):
    """The answer to bytes as they are, on a connection of their own."""
    with client(world) as c:
        c.send_raw(head if isinstance(head, bytes) else head.encode())
        return c.read(method)


# Listings and queries

@test('a prefix with a NUL in it finds shorter rows, and the listing fails with 500', daemon=False)
def _(world):
    put(world, 'a')
    with client(world) as c:
        for prefix, wanted in (('a%00b', 500), ('x%00y', 200)):
            assert_equal(c.request('GET', f'/api/buckets/{world.bucket}/files?delimiter=/&prefix={prefix}')[0], wanted)


@test('a bracket in a prefix is no wildcard; directories come in the order of UTF-16', daemon=False)
def _(world):
    put(world, '[br]/f', '\uffff/f', '\U00010000/f', '\ud7a3/f', 'a/f')
    with client(world) as c:
        def directories(query):
            body = c.request('GET', f'/api/buckets/{world.bucket}/files?delimiter=/{query}')[2]
            return [d['path'] for d in json.loads(body)['directories']]
        assert_equal(directories('&prefix=%5Bbr%5D'), ['[br]/'])
        assert_equal(directories(''), ['[br]/', 'a/', '\ud7a3/', '\U00010000/', '\uffff/'])


@test('sort and include are read in any case', daemon=False)
def _(world):
    put(world, 'b', 'c', 'a')
    ask = world.server.rest.ask
    target = f'/api/buckets/{world.bucket}'
    assert_equal([f['path'] for f in ask('GET', target + '/files?sort=PATH&order=asc')['items']], ['a', 'b', 'c'])
    assert_equal([f['path'] for f in ask('GET', target + '/ls?sort=Path&order=desc')['files']], ['c', 'b', 'a'])
    assert 'files' in ask('GET', target + '?include=FILES')
    ask('POST', '/api/buckets', {'name': 'A'})
    assert_equal(ask('GET', '/api/buckets?sort=NAME&order=asc')['items'][0]['name'], 'A')


@test('values of a repeated parameter are joined, but the first filename and token count', daemon=False)
def _(world):
    put(world, 'a.txt')
    target = f'/api/buckets/{world.bucket}'
    with client(world) as c:
        assert_equal(c.request('GET', target + '/files?limit=1&limit=2')[0], 400)
        assert_equal(json.loads(c.request('GET', target + '/files?delimiter=/&delimiter=x')[2])['delimiter'], '/,x')
        headers = c.request('GET', target + '/files/a.txt/content?download=true&download=false')[1]
        assert 'content-disposition' not in headers
        body = c.request('PUT', target + '/upload/stream?filename=first&filename=second', b'x')[2]
        assert_equal(json.loads(body)['uploaded'][0]['path'], 'first')
        assert_equal(c.request('GET', '/api/buckets?include_expired=%20true')[0], 200)


# Contents

@test('conditions: the strongest verdict wins, what cannot be read does not count', daemon=False)
def _(world):
    put(world, 'a')
    old, future = http_date(-DAY_S), http_date(DAY_S)
    cases = [
        (200, ('If-Match', SHA)), (200, ('If-Match', '')), (200, ('If-Match', f'{TAG} x')), (412, ('If-Match', '"x"')),
        (412, ('If-Match', f'W/{TAG}')), (200, ('If-Match', f'"x" {TAG}')), (200, ('If-Match', '"x"'), ('If-Match', TAG)),
        (304, ('If-None-Match', f'"x" {TAG}')), (304, ('If-None-Match', '"x"'), ('If-None-Match', TAG)),
        (304, ('If-None-Match', f'w/{TAG}')), (200, ('If-None-Match', f'{TAG} x')), (304, ('If-None-Match', '*')),
        (200, ('If-Match', '*'), ('If-None-Match', '*')), (412, ('If-Match', '"x"'), ('If-None-Match', '*')),
        (200, ('If-Match', SHA), ('If-None-Match', '"x"')),
        (200, ('If-Modified-Since', old), ('If-None-Match', '*')),
        (412, ('If-Unmodified-Since', old), ('If-Match', TAG)), (200, ('If-Unmodified-Since', future)),
        (412, ('If-Unmodified-Since', 'Sun Nov  6 08:49:37 1994')), (412, ('If-Unmodified-Since', '06 Nov 1994 08:49:37 GMT')),
        (412, ('If-Unmodified-Since', 'Sunday, 06-Nov-94 08:49:37 GMT')),
        (412, ('If-Unmodified-Since', 'Sun, 06 Nov 1994 08:49:37 +0100')),
        (200, ('If-Unmodified-Since', 'Mon, 06 Nov 1994 08:49:37 GMT')),    # it was a Sunday
        (304, ('If-Modified-Since', 'Sunday, 31-Dec-34 23:59:59 GMT')), (200, ('If-Modified-Since', 'Mon, 31 Dec 2034 23:59:59 GMT')),
    ]
    for wanted, *lines in cases:
        head = ''.join(f'{name}: {value}\r\n' for name, value in lines)
        got = answer_to(world, f'GET /api/buckets/{world.bucket}/files/a/content HTTP/1.1\r\nHost: x\r\n{head}\r\n')
        assert_equal(got[0], wanted, lines)


@test('If-Range and Range: what cannot be read does not count', daemon=False)
def _(world):
    put(world, 'a')
    target = f'/api/buckets/{world.bucket}/files/a/content'
    with client(world) as c:
        for value, wanted in ((TAG, 206), (f'W/{TAG}', 200), ('"x"', 200), (SHA, 206), ('*', 206), ('', 206), ('x', 206),
                              (f'"x", {TAG}', 206), (http_date(DAY_S), 206), (http_date(-DAY_S), 200),
                              ('1994-11-06T08:49:37Z', 206), ('06 Nov 1994 08:49:37 GMT', 200)):
            assert_equal(c.request('GET', target, headers={'If-Range': value, 'Range': 'bytes=1-2'})[0], wanted, value)
        for value, wanted in (('=0-1', 200), ('by tes=0-1', 200), ('@=0-1', 200), ('items=0-1', 206),
                              ('bytes=' + '0' * 24 + '-1', 200)):
            assert_equal(c.request('GET', target, headers={'Range': value})[0], wanted, value)
    assert_equal(answer_to(world, f'GET {target} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n')[0], 200)


@test('a download name keeps the characters that RFC 5987 lets through', daemon=False)
def _(world):
    put(world, 'a+$&!^|`')
    with client(world) as c:
        headers = c.request('GET', f'/api/buckets/{world.bucket}/files/a%2B%24%26%21%5E%7C%60/content?download=true')[1]
        assert_equal(headers['content-disposition'], "attachment; filename=a+$&!^|`; filename*=UTF-8''a+$&!^|`")


# JSON bodies

@test('JSON is read as strictly, and as leniently, as by the original', daemon=False)
def _(world):
    target = f'/api/buckets/{world.bucket}/tokens'
    nested = ['{"a":' * n + '1' + '}' * n for n in (64, 65)]
    cases = {'null': 201, '\ufeff{}': 201, '{"max_uploads":" 3"}': 400, '{"max_uploads":"-3"}': 201, '{"x":NaN}': 400,
             '{"x":Infinity}': 400, '{"x":"NaN Infinity ./\'"}': 201, '{"a":"\t"}': 400, '{"a":1.}': 400, '{"a":1.5}': 201,
             '{}\0': 400, '{"a":"\\ud83c\\udf89"}': 201,
             '{"a":"\\\\ud800"}': 201, nested[0]: 201, nested[1]: 400}
    with client(world) as c:
        for body, wanted in cases.items():
            got = c.request('POST', target, body.encode(), {'Content-Type': 'application/json'})
            assert_equal(got[0], wanted, body[:40])
        for name, wanted in (('\\ud800x', 400), ('\\udc00', 400), ('\\ud83c\\udf89', 201), ('\\\\ud800', 201)):
            got = c.request('POST', '/api/buckets', b'{"name":"%s"}' % name.encode(), {'Content-Type': 'application/json'})
            assert_equal(got[0], wanted, name)
        for kind, body, wanted in (('text/plain', None, 415), ('text/foo+json', b'{}', 415), ('application/x+json', b'{}', 201),
                                   ('application/json', None, 201)):
            assert_equal(c.request('POST', target, body, {'Content-Type': kind})[0], wanted, kind)


@test('expiry: dates that exist, numbers in full, zones without a colon, blanks around', daemon=False)
def _(world):
    with client(world) as c:
        for text, wanted in (('2030-02-30T00:00:00Z', 400), ('2030-02-29T00:00:00Z', 400), ('2028-02-29T00:00:00Z', 201),
                             ('2030-1-1T0:0:0', 400), ('2030-01-01T00:00:00-0200', 201), (' 2030-01-01T00:00:00Z ', 201)):
            body = json.dumps({'name': 'x', 'expires_in': text}).encode()
            assert_equal(c.request('POST', '/api/buckets', body, {'Content-Type': 'application/json'})[0], wanted, text)


@test('JSON answers escape blanks other than the space, and no format characters', daemon=False)
def _(world):
    put(world, 'a\u00a0\u2003\u3000\ufff9 b')
    body = world.server.rest.request('GET', f'/api/buckets/{world.bucket}/files')[2]
    assert r'"path":"a\u00A0\u2003\u3000%s b"' % '\ufff9' in body.decode(), body


# HTTP

@test('heads: methods in any case, hosts that are none, bytes that are no UTF-8', daemon=False)
def _(world):
    assert_equal(answer_to(world, 'get /healthz HTTP/1.1\r\nHost: x\r\n\r\n')[0], 200)
    for host, wanted in (('a b', 400), ('x:abc', 400), ('x/y', 400), ('user@x', 400), ('[::1', 400), ('', 200), ('x:80', 200),
                         ('[::1]:80', 200), ('x_y', 200)):
        assert_equal(answer_to(world, f'GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n')[0], wanted, host)
    for value, wanted in ((b'\xe9', 400), (b'\xc3\xa9', 200)):
        assert_equal(answer_to(world, b'GET /healthz HTTP/1.1\r\nHost: x\r\nX: ' + value + b'\r\n\r\n')[0], wanted)
    status, headers, _ = answer_to(world, 'HEAD /healthz%00 HTTP/1.1\r\nHost: x\r\n\r\n', 'HEAD')
    assert_equal((status, headers.get('content-length'), headers['connection']), (400, '0', 'close'))


@test('bodies: a length beside chunks closes, a blank behind a chunk size and HTTP/1.0 without a length are refused',
      daemon=False)
def _(world):
    start = (f'PUT /api/buckets/{world.bucket}/upload/stream?filename=a HTTP/1.1\r\nHost: x\r\n'
             f'Authorization: Bearer {world.server.admin_key}\r\n')
    status, headers, _ = answer_to(world, start + 'Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n')
    assert_equal((status, headers.get('connection')), (201, 'close'))
    assert_equal(answer_to(world, start + 'Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n')[0], 400)
    assert_equal(answer_to(world, start.replace('HTTP/1.1', 'HTTP/1.0') + '\r\n')[0], 400)


@test('another origin is told what it may read, a preflight which method it asked for', daemon=False)
def _(world):
    with client(world) as c:
        headers = c.request('GET', '/healthz', headers={'Origin': 'http://a'})[1]
        assert_equal(headers['access-control-expose-headers'], 'Content-Range,Accept-Ranges,Content-Length,ETag,Last-Modified')
        headers = c.request('OPTIONS', '/api/buckets', headers={'Origin': 'http://a', 'Access-Control-Request-Method': 'PUT'})[1]
        assert_equal((headers['access-control-allow-methods'], 'access-control-expose-headers' in headers), ('PUT', False))


# Multipart

@test('multipart: its type to the letter, one disposition a part, headers with names, parameters with values', daemon=False)
def _(world):
    def post(part_head, kind='multipart/form-data; boundary=b'):
        body = b'--b\r\n' + part_head + b'\r\n\r\nx\r\n--b--\r\n'
        with client(world) as c:
            status, _, answer = c.request('POST', f'/api/buckets/{world.bucket}/upload', body, {'Content-Type': kind})
            return status, answer and json.loads(answer)
    good = b'Content-Disposition: form-data; name="file"; filename="a"'
    assert_equal(post(good, 'multipart/form-datax; boundary=b'), (400, {'error': 'Expected multipart/form-data'}))
    assert_equal(post(good, 'multipart/form-data; boundary = b')[0], 201)
    assert_equal(post(good + b'\r\n' + good), (201, {'uploaded': []}))
    assert_equal(post(b': x\r\n' + good)[0], 500)
    assert_equal(post(b'Content-Disposition: form-data; name="file"; filename'), (201, {'uploaded': []}))
    assert_equal(post(b'Content-Disposition: form-data; name="file"; filename=')[0], 400)


if __name__ == '__main__':
    sys.exit(main())

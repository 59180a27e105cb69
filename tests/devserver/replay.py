#!/usr/bin/env python3
"""Plays recorded exchanges against a server and says where its answers differ.

    replay.py URL ADMIN_KEY FILE.jsonl...      every file wants an empty server of its own

One exchange a line: `send` (method, target, headers, body), `expect` (the answer of a real server 0.5.0 with its times
and random names replaced), `capture` (names for values of the answer, used as {NAME} from then on; {ADMIN} is the key).
A body is text, {"json": value}, {"base64": text} or {"repeat": [text, count]}.
"""
import base64
import hashlib
import json
import re
import socket
import sys
import urllib.parse

SECONDS = 60
NAME = re.compile(r'\{([A-Z][A-Z0-9_]*)\}')

# The headers that are part of an answer's meaning; Date, Server and the like are not.
COMPARED = {'content-type', 'content-length', 'location', 'etag', 'accept-ranges', 'content-range', 'content-disposition',
            'cache-control', 'last-modified', 'allow', 'transfer-encoding', 'connection', 'www-authenticate',
            'access-control-allow-origin'}

# Text longer than this is compared by size and hash.
TEXT_BYTES = 2048


class Raw:
    """One request on a connection of its own, byte for byte as recorded, and the answer taken apart by hand."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, SECONDS)
        self.pending = b''

    def close(self):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass    # refused in the middle: the answer may be there all the same

    def more(self):
        data = self.socket.recv(65536)
        self.pending += data
        return bool(data)

    def line(self):
        while b'\r\n' not in self.pending:
            if not self.more():
                raise EOFError('the connection ended within the head of the answer')
        line, _, self.pending = self.pending.partition(b'\r\n')
        return line

    def exactly(self, count):
        while len(self.pending) < count:
            if not self.more():
                raise EOFError('the connection ended within the body of the answer')
        data, self.pending = self.pending[:count], self.pending[count:]
        return data

    def chunks(self):
        body = b''
        while True:
            size = int(self.line().partition(b';')[0], 16)
            if size == 0:
                while self.line():
                    pass
                return body
            body += self.exactly(size)
            self.line()

    def answer(self, method):
        status = int(self.line().split()[1])
        headers = {}
        for line in iter(self.line, b''):
            name, _, value = line.decode('latin-1').partition(':')
            name, value = name.lower(), value.lstrip(' ')
            headers[name] = f'{headers[name]}, {value}' if name in headers else value
        if status < 200:
            return self.answer(method)
        if method == 'HEAD' or status in (204, 304):
            body = b''
        elif headers.get('transfer-encoding') == 'chunked':
            body = self.chunks()
        elif 'content-length' in headers:
            body = self.exactly(int(headers['content-length']))
        else:
            while self.more():
                pass
            body = self.pending
        return status, headers, body


class Player:
    def __init__(self, url, admin_key):
        parts = urllib.parse.urlsplit(url)
        self.address = (parts.hostname, parts.port)
        self.values = {'ADMIN': admin_key}

    def filled(self, text):
        return NAME.sub(lambda m: self.values.get(m[1], m[0]), text)

    def body(self, spec):
        if isinstance(spec, str):
            return self.filled(spec).encode()
        if isinstance(spec, list):
            return b''.join(self.body(part) for part in spec)
        if 'json' in spec:
            return self.filled(json.dumps(spec['json'], ensure_ascii=False)).encode()
        if 'base64' in spec:
            return base64.b64decode(spec['base64'])
        text, count = spec['repeat']
        return text.encode() * count

    def request(self, send):
        headers = [(name, self.filled(value)) for name, value in send.get('headers', [])]
        given = {name.lower() for name, _ in headers}
        body = self.body(send['body']) if send.get('body') is not None else None
        if 'host' not in given:
            headers.insert(0, ('Host', '%s:%d' % self.address))
        if body is not None and not given & {'content-length', 'transfer-encoding'}:
            headers.append(('Content-Length', str(len(body))))
        head = f"{send['method']} {self.filled(send['target'])} HTTP/1.1\r\n"
        head += ''.join(f'{name}: {value}\r\n' for name, value in headers) + '\r\n'
        return head.encode('latin-1') + (body or b'')

    def play(self, step):
        """The answer to one recorded request, in the recorded form."""
        raw = Raw(self.address)
        try:
            raw.send(self.request(step['send']))
            status, headers, body = raw.answer(step['send']['method'])
        finally:
            raw.close()
        for name, where in step.get('capture', {}).items():
            self.values[name] = captured(where, headers, body)
        return Shape(self.values).of(status, headers, body)


def captured(where, headers, body):
    if where.startswith('header:'):
        return headers[where[len('header:'):]]
    value = json.loads(body)
    for key in where.split('.'):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return str(value)


class Shape:
    """An answer with everything replaced that no two servers have in common."""
    TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?(Z|[+-]\d\d:\d\d)?')
    HTTP_DATE = re.compile(r'[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT')
    DAY = re.compile(r'(Created|Expires): \d{4}-\d\d-\d\d')

    def __init__(self, values):
        # Longest first, so that no value is cut by a shorter one within it; very short ones prove nothing.
        self.values = sorted(((v, k) for k, v in values.items() if len(v) >= 6), key=lambda p: -len(p[0]))

    def text(self, text):
        text = self.TIME.sub(lambda m: '{TIME_Z}' if m[1] else '{TIME}', text)
        text = self.HTTP_DATE.sub('{HTTPDATE}', text)
        text = self.DAY.sub(r'\1: {DATE}', text)
        for value, name in self.values:
            text = text.replace(value, '{%s}' % name)
        return text

    def string(self, key, value):
        if key == 'short_code':
            return '{CODE}'
        if key == 'short_url':
            return re.sub(r'^/s/[A-Za-z0-9]{6}$', '/s/{CODE}', value)
        if key in ('token', 'key'):
            return '{SECRET}'
        text = self.text(value)
        if key == 'prefix' and value.startswith('cf4_'):
            return re.sub(r'cf4_[0-9a-f]{8}', '{PREFIX}', value)
        if key == 'id' and text == value and re.fullmatch(r'[A-Za-z0-9]{10}', value):
            return '{ID}'
        return text

    def json(self, value, key=None):
        if isinstance(value, dict):
            return {k: self.json(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.json(v, key) for v in value]
        if isinstance(value, str):
            return self.string(key, value)
        return '{INT}' if key == 'uptime_seconds' else value

    def headers(self, headers):
        shape = {name: self.text(value) for name, value in headers.items() if name in COMPARED}
        if 'location' in shape:
            shape['location'] = re.sub(r'^(/api/keys/)cf4_[0-9a-f]{8}$', r'\1{PREFIX}', shape['location'])
            shape['location'] = re.sub(r'^(/api/buckets/)[A-Za-z0-9]{10}', r'\1{ID}', shape['location'])
        if 'allow' in shape:
            shape['allow'] = ', '.join(sorted(method.strip() for method in shape['allow'].split(',')))
        return shape

    def of(self, status, headers, body):
        kind = headers.get('content-type', '')
        shape = {'status': status, 'headers': self.headers(headers)}
        if not body:
            shape['body'] = ''
        elif 'json' in kind:
            shape['headers'].pop('content-length', None)
            try:
                shape['json'] = self.json(json.loads(body))
            except ValueError:
                shape['body'] = body.decode('utf-8', 'replace')
        elif 'zip' in kind:
            shape['zip'] = True
        elif len(body) > TEXT_BYTES:
            shape['size'], shape['sha256'] = len(body), hashlib.sha256(body).hexdigest()
        else:
            try:
                shape['body'] = self.text(body.decode())
            except UnicodeDecodeError:
                shape['base64'] = base64.b64encode(body).decode()
        return shape


def steps_of(path):
    with open(path, encoding='utf-8') as f:
        return [json.loads(line) for line in f]


def differences(url, admin_key, path):
    """Yields (step, answer) for every exchange; answer is None where it is as recorded."""
    player = Player(url, admin_key)
    for step in steps_of(path):
        try:
            answer = player.play(step)
        except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
            answer = {'failed': f'{type(error).__name__}: {error}'}
        yield step, None if answer == step['expect'] else answer


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__.split('\n\n')[1].strip())
    wrong = 0
    for path in sys.argv[3:]:
        for step, answer in differences(sys.argv[1], sys.argv[2], path):
            if answer is not None:
                wrong += 1
                print(f"{step['name']}: {step['send']['method']} {step['send']['target']}")
                print('  recorded', json.dumps(step['expect'], ensure_ascii=False))
                print('  answered', json.dumps(answer, ensure_ascii=False))
    print('no difference' if wrong == 0 else f'{wrong} differences')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())

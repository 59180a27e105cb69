"""HTTP by hand for the tests of the development server: bytes as given, one connection, no second try."""
import socket
import urllib.parse

SECONDS = 30


class Lost(Exception):
    """The connection ended without a whole answer."""


class Client:
    def __init__(self, url, admin_key=None):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.netloc
        self.admin_key = admin_key
        self.socket = socket.create_connection((parts.hostname, parts.port), SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b''
        self.pieces = 0     # how often something came

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass    # cut while sending: reading says what came of it

    def send(self, method, target, body=None, headers=None):
        lines = {'Host': self.host}
        if self.admin_key:
            lines['Authorization'] = f'Bearer {self.admin_key}'
        if body is not None:
            lines['Content-Length'] = str(len(body))
        lines.update(headers or {})
        head = f'{method} {target} HTTP/1.1\r\n' + ''.join(f'{k}: {v}\r\n' for k, v in lines.items()) + '\r\n'
        self.send_raw(head.encode('latin-1') + (body or b''))

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except OSError as error:
            raise Lost(str(error)) from None
        if not data:
            raise Lost('end of stream')
        self.pieces += 1
        self.pending += data

    def _line(self):
        while b'\r\n' not in self.pending:
            self._more()
        line, _, self.pending = self.pending.partition(b'\r\n')
        return line

    def _exactly(self, count):
        while len(self.pending) < count:
            self._more()
        data, self.pending = self.pending[:count], self.pending[count:]
        return data

    def read_head(self):
        """(status, headers); 100 Continue is an answer like any other."""
        status = int(self._line().split()[1])
        headers = {}
        for line in iter(self._line, b''):
            name, _, value = line.decode('latin-1').partition(':')
            headers[name.lower()] = value.strip()
        return status, headers

    def read(self, method='GET'):
        status, headers = self.read_head()
        if method == 'HEAD' or status in (100, 204, 304):
            return status, headers, b''
        if headers.get('transfer-encoding') == 'chunked':
            body = b''
            while size := int(self._line(), 16):
                body += self._exactly(size)
                self._line()
            self._line()
            return status, headers, body
        if 'content-length' in headers:
            return status, headers, self._exactly(int(headers['content-length']))
        while True:     # up to the end of the connection
            try:
                self._more()
            except Lost:
                return status, headers, self.pending

    def request(self, method, target, body=None, headers=None):
        self.send(method, target, body, headers)
        return self.read(method)

    def at_end(self):
        """True if the server closed and nothing is left to read."""
        try:
            return self.pending == b'' and self.socket.recv(1) == b''
        except ConnectionError:
            return True

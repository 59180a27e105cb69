"""The server's REST calls, for a test that plays "another client" or looks what is really there."""
import http.client
import json
import urllib.parse

PAGE = 1000
REST_SECONDS = 60


class RestError(Exception):
    def __init__(self, status, body):
        super().__init__(f'HTTP {status}: {body[:200]!r}')
        self.status, self.body = status, body


def encode(path):
    """A server path in a URL: every segment by itself, the slashes raw."""
    return '/'.join(urllib.parse.quote(c, safe='') for c in path.split('/'))


def multipart(files, boundary='cf-test-boundary'):
    """The body of one upload of many files; filename* carries any name."""
    out = []
    for path, data in files:
        name = urllib.parse.quote(path, safe='')
        out.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
                   f"filename*=UTF-8''{name}\r\n\r\n".encode() + data + b'\r\n')
    out.append(f'--{boundary}--\r\n'.encode())
    return b''.join(out), f'multipart/form-data; boundary={boundary}'


class Rest:
    def __init__(self, url, secret):
        self.url = url
        self.host, self.port = urllib.parse.urlsplit(url).netloc.rsplit(':', 1)
        self.headers = {'Authorization': f'Bearer {secret}'} if secret else {}
        self.connection = None

    def request(self, method, target, body=None, headers=None):
        """(status, headers, body) on one connection that is kept; a lost one is made again once."""
        for attempt in (0, 1):
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, int(self.port), timeout=REST_SECONDS)
            try:
                self.connection.request(method, target, body, {**self.headers, **(headers or {})})
                response = self.connection.getresponse()
                data = response.read()
                if response.will_close:
                    self.close()
                return response.status, response.headers, data
            except (ConnectionError, http.client.HTTPException):
                self.close()
                if attempt:
                    raise

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def ask(self, method, target, value=None, **options):
        """A JSON answer; anything but 2xx is raised."""
        body, headers = None, {}
        if value is not None:
            body, headers = json.dumps(value).encode(), {'Content-Type': 'application/json'}
        status, _, data = self.request(method, target, body, headers, **options)
        if not 200 <= status < 300:
            raise RestError(status, data)
        return json.loads(data) if data else None

    def create_bucket(self, name='test', expires_in='never'):
        return self.ask('POST', '/api/buckets', {'name': name, 'expires_in': expires_in})['id']

    def delete_bucket(self, bucket):
        self.ask('DELETE', f'/api/buckets/{bucket}')

    def put_many(self, bucket, files):
        """Stores (path, bytes) pairs in one request; the server's word for each."""
        body, kind = multipart(files)
        status, _, data = self.request('POST', f'/api/buckets/{bucket}/upload', body, {'Content-Type': kind})
        if status != 201:
            raise RestError(status, data)
        return json.loads(data)['uploaded']

    def put(self, bucket, path, data):
        return self.put_many(bucket, [(path, data)])[0]

    def delete(self, bucket, path):
        self.ask('DELETE', f'/api/buckets/{bucket}/files/{encode(path)}')

    def content(self, bucket, path):
        status, _, data = self.request('GET', f'/api/buckets/{bucket}/files/{encode(path)}/content')
        if status != 200:
            raise RestError(status, data)
        return data

    def listing(self, bucket):
        """{path: entry} of the whole bucket: the keyset scan that no concurrent change can break."""
        found, cursor = {}, ''
        while True:
            query = urllib.parse.urlencode({'delimiter': '//', 'limit': PAGE, 'cursor': cursor}) if cursor \
                else f'delimiter=//&limit={PAGE}'
            page = self.ask('GET', f'/api/buckets/{bucket}/files?{query}')
            for entry in page['files']:
                found[entry['path']] = entry
            cursor = page.get('cursor')
            if not cursor:
                return found

"""carbonfiles-devserver on a directory of its own: the other side of every test, with its faults and counters."""
import os
import subprocess

from .process import Process, program
from .rest import Rest
from .wait import Deadline, wait_until

ADMIN_KEY = 'test-admin-key'
START_SECONDS = 10


class Server(Process):
    name = 'carbonfiles-devserver'

    def __init__(self, base):
        super().__init__(os.path.join(base, 'server.log'))
        self.data = os.path.join(base, 'server')
        self.admin_key = ADMIN_KEY
        self.listen = '127.0.0.1:0'
        self.url = None
        self.rest = None

    def start(self, *arguments):
        """Starts it; after the first time on the same port, so that a restart looks like one to clients."""
        os.makedirs(self.data, exist_ok=True)
        # Its connection threads are detached: one that is cut off by the end of the process may still hold a digest.
        env = {**os.environ, 'ASAN_OPTIONS': ':'.join(filter(None, (os.environ.get('ASAN_OPTIONS'), 'detect_leaks=0')))}
        self.spawn([program('tests/devserver/carbonfiles-devserver'), '--listen', self.listen, '--data', self.data,
                    '--admin-key', self.admin_key, '--control', *arguments], env, stdout=subprocess.PIPE)
        self.url = self._read_url()
        self.listen = self.url.split('//')[1]
        self.rest = Rest(self.url, self.admin_key)
        return self

    def _read_url(self):
        deadline = Deadline(START_SECONDS, 'the server\'s "listening on"')
        os.set_blocking(self.child.stdout.fileno(), False)
        text = b''

        def look():
            nonlocal text
            text += self.child.stdout.read() or b''
            return text.endswith(b'\n')
        wait_until(look, deadline.left(), deadline.what, self.check_running)
        prefix, _, url = text.decode().strip().partition('listening on ')
        assert not prefix and url, text
        return url

    def terminate(self, *arguments):
        if self.rest:
            self.rest.close()
        return super().terminate(*arguments)

    def __getattr__(self, name):
        """create_bucket, put, delete, listing ... as the administrator."""
        if name.startswith('_') or self.__dict__.get('rest') is None:
            raise AttributeError(name)
        return getattr(self.rest, name)

    # What it has seen and what it shall do wrong: tests/devserver/README.md.
    def fault(self, kind, route='*', **members):
        """Orders a fault; its number."""
        return self.rest.ask('POST', '/_dev/faults', {'kind': kind, 'route': route, **members})['id']

    def fault_hits(self, number):
        return next(f['hits'] for f in self.rest.ask('GET', '/_dev/faults') if f['id'] == number)

    def clear_faults(self):
        self.rest.ask('DELETE', '/_dev/faults')

    def seen(self, log=False):
        return self.rest.ask('GET', '/_dev/requests' + ('?log' if log else ''))

    def forget(self):
        """Counting begins anew."""
        self.rest.ask('DELETE', '/_dev/requests')

    def count(self, *routes):
        """Requests so far of these routes (put, multipart, delete, list ...), or of all."""
        seen = self.seen()
        return sum(seen['routes'].get(r, {}).get('requests', 0) for r in routes) if routes else seen['total']

    def writes(self):
        """Files stored so far."""
        return self.seen()['writes']['count']

    def written(self):
        """Every file stored, [(path, sha256, begin, end)] by path and begin, without the bucket's name."""
        return [(w['path'].partition('/')[2], w['sha256'], w['begin_us'], w['end_us'])
                for w in self.seen(log=True)['written']]

    def assert_no_two_writes_at_once(self):
        writes = self.seen()['writes']
        if writes['max_same_path'] > 1:
            raise AssertionError(f'two writes at once on {writes.get("same_path")}')

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
        self.spawn([program('tests/devserver/carbonfiles-devserver'), '--listen', self.listen, '--data', self.data,
                    '--admin-key', self.admin_key, '--control', *arguments], stdout=subprocess.PIPE)
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

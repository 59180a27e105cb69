"""What a test stands in: a directory on tmpfs with a server, a daemon and one pair, all its own."""
import os
import shutil
import stat
import tempfile

from .daemon import Daemon
from .server import Server
from .tree import difference, encode_path, tree_of
from .wait import TimedOut, wait_until

# Times that make a test quick and change no rule: what waits a second for people waits a tenth here.
QUICK_SETTINGS = {
    'settle_open_ms': 200,
    'settle_cap_ms': 2000,
    'delete_settle_ms': 150,
    'doubt_seconds': 3,
}


def temp_dir():
    """Below /dev/shm: nothing here should wait for a disk."""
    where = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    return tempfile.mkdtemp(prefix='carbonfilesd-test-', dir=where)


class World:
    def __init__(self, server=True, daemon=True, pair=True, mode='mirror', settings=None, files=None,
                 server_arguments=(), **pair_options):
        """files: {name: bytes} that exist before the pair is added."""
        self.base = temp_dir()
        self.root = os.path.join(self.base, 'root')
        os.mkdir(self.root)
        self.bucket = None
        self.server = Server(self.base)
        self.daemon = Daemon(self.base)
        try:
            for name, data in (files or {}).items():
                self.write(name, data)
            if server:
                self.server.start(*server_arguments)
                self.bucket = self.server.create_bucket('test')
            if daemon:
                self.daemon.settings(**{**QUICK_SETTINGS, **(settings or {})})
                self.daemon.start()
                if server:
                    self.daemon.login(self.server.url, self.server.admin_key)
                    if pair:
                        self.daemon.add(self.root, self.bucket, mode=mode, **pair_options)
                        self.daemon.wait_in_sync()
        except BaseException:
            from .tap import diagnose
            diagnose(self.logs())
            self.close()
            raise

    # The local side. Names are text, or bytes where they are not UTF-8.
    def path(self, name=''):
        if isinstance(name, bytes):
            return os.path.join(os.fsencode(self.root), name)
        return os.path.join(self.root, name)

    def write(self, name, data=b''):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(data)
        return path

    # Both sides.
    def local(self):
        return tree_of(self.root)

    def remote(self, prefix=''):
        return {p[len(prefix):]: f['sha256'] for p, f in self.server.listing(self.bucket).items()
                if p.startswith(prefix)}

    def sync(self, seconds=30):
        return self.daemon.wait_in_sync(seconds=seconds)

    def assert_equal_sides(self, prefix='', skipped=()):
        """Tree and bucket are equal by name and hash, but for the names that are skipped."""
        local = self.local()
        for name in skipped:
            local.pop(encode_path(name), None)
        text = difference(local, self.remote(prefix))
        if text:
            raise AssertionError('the sides differ:\n' + text)

    def wait_equal_sides(self, seconds=30, prefix='', skipped=()):
        """Waits until the sides are equal without asking the daemon."""
        def equal():
            try:
                self.assert_equal_sides(prefix, skipped)
                return True
            except AssertionError:
                return False
        try:
            wait_until(equal, seconds, 'both sides equal', self.check_alive)
        except TimedOut:
            self.assert_equal_sides(prefix, skipped)
            raise

    def wait_status(self, condition, seconds=20, what='the status', name='docs'):
        """The first status for which condition(status) holds."""
        last = {}

        def look():
            last['status'] = self.daemon.status(name)
            return condition(last['status']) and last['status']
        try:
            return wait_until(look, seconds, what, self.check_alive)
        except TimedOut as error:
            raise AssertionError(f'{error}; the last status was {last.get("status")}') from None

    def trashed(self):
        """The hashes of what is in the Trash."""
        return set(tree_of(os.path.join(self.daemon.trash, 'files')).values())

    def into_trash(self):
        """Bytes of what is on its way into the Trash at this moment."""
        try:
            return sum(e.stat().st_size for e in os.scandir(os.path.join(self.daemon.trash, 'carbonfilesd')))
        except FileNotFoundError:
            return 0

    def check_alive(self):
        for process in (self.server, self.daemon):
            if process.child is not None and not process.expected_dead:
                process.check_running()

    def logs(self):
        return '\n'.join(f'--- {p.name}:\n{p.log_tail()}' for p in (self.server, self.daemon))

    def close(self):
        """Ends everything; what a sanitizer found is returned."""
        problem = ''
        for process in (self.daemon, self.server):
            if process.running():
                try:
                    process.terminate()
                except TimedOut as error:
                    problem += f'{error}\n'
                    process.kill()
            found = process.problems()
            if found:
                problem += f'{process.name}: {found}\n{process.log()}\n'
        if not os.environ.get('TESTS_KEEP'):
            _remove(self.base)
        return problem


def _remove(base):
    """Also what a test made unreadable."""
    for where, directories, _ in os.walk(base):
        for name in directories:
            path = os.path.join(where, name)
            if not os.path.islink(path) and not os.stat(path).st_mode & stat.S_IRWXU == stat.S_IRWXU:
                os.chmod(path, 0o700)
    shutil.rmtree(base, ignore_errors=True)

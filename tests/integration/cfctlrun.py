"""cfctl run against a fake daemon, without a terminal and on one; and the replies that its tests use."""
import contextlib
import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import tempfile
import termios

from cf import assert_equal
from cf.process import build_dir, program
from cf.wait import STRETCH, Deadline
from fakeipc import FakeDaemon

SECONDS = 20
# In the build tree cfctl/cfctl is libtool's script around the program: hundreds of runs can do without it.
CFCTL = program('cfctl/cfctl')
LIBRARY = {}
if os.path.exists(os.path.join(build_dir(), 'cfctl/.libs/cfctl')):
    CFCTL = program('cfctl/.libs/cfctl')
    LIBRARY = {'LD_LIBRARY_PATH': os.path.join(build_dir(), 'libcfipc/.libs')}
SECRET = 'cf4_00112233_00112233445566778899aabbccddeeff'
HOSTILE = 'a\x1b[31mred\nb'     # a name that would colour the terminal and begin a line of its own

PROFILE = {'name': 'default', 'url': 'https://files.example.org', 'auth': 'api_key', 'key_prefix': 'cf4_00112233',
           'role': 'owner', 'active': True, 'state': 'ready'}
STATUS = {'name': 'docs', 'state': 'idle', 'in_sync': True, 'files_total': 1234, 'files_pending': 0, 'files_skipped': 0,
          'bytes_total': 3 << 20, 'bytes_pending': 0, 'bytes_per_second': 0, 'deletes_held': 0, 'foreign_held': 0,
          'conflicts': 0, 'errors': 0, 'watched_directories': 7, 'polled_directories': 0}
SYNCING = {**STATUS, 'state': 'syncing', 'in_sync': False, 'files_pending': 12, 'bytes_pending': 5 << 20,
           'bytes_per_second': 1 << 20}
PAIR = {'name': 'docs', 'paused': False, 'created_at': '2026-11-24T09:00:00Z',
        'spec': {'name': 'docs', 'profile': 'default', 'bucket': 'Abcdefgh12', 'local_path': '/home/me/docs',
                 'mode': 'mirror', 'secrets': False, 'exclude': ['*.o', 'build/']}}
BUCKET = {'id': 'Abcdefgh12', 'name': 'docs', 'owner': 'me', 'created_at': '2026-11-24T09:00:00Z', 'file_count': 3,
          'total_size': 4096}
FILE = {'path': 'a/b.txt', 'name': 'b.txt', 'size': 1536, 'mime_type': 'text/plain', 'sha256': 'ab' * 32,
        'created_at': '2026-11-24T09:00:00Z', 'updated_at': '2026-11-24T09:00:00Z'}
DAEMON = {'mode': 'user', 'uid': 0, 'pid': 42, 'started_at': '2026-11-24T09:00:00Z', 'state': 'running',
          'connections': 1, 'transfers': 0, 'subscribers': 0, 'max_message': 1048576, 'max_connections': 256}
HELD = {'pair': 'docs', 'path': 'old/x', 'side': 'remote', 'size': 2048, 'reason': 'mass'}
PAGE = {'total': 1, 'limit': 50, 'offset': 0}


def environment(**more):
    keep = {k: v for k, v in os.environ.items() if k in ('PATH', 'TMPDIR') or k.endswith('SAN_OPTIONS')}
    return {**keep, **LIBRARY, 'HOME': '/nonexistent', 'XDG_RUNTIME_DIR': '/nonexistent', 'TERM': 'xterm', 'PAGER': 'cat', **more}


@contextlib.contextmanager
def daemon(script=None):
    directory = tempfile.mkdtemp(prefix='cfctl-test-', dir='/dev/shm' if os.path.isdir('/dev/shm') else None)
    try:
        with FakeDaemon(directory, script) as fake:
            fake.directory = directory
            yield fake
            assert_equal(fake.problems, [], 'calls that no daemon would take')
    finally:
        shutil.rmtree(directory)


def argv(fake, *words):
    return [CFCTL, *(['--socket', fake.path] if fake else []), *map(os.fspath, words)]


def run(fake, *words, input='', **options):
    """cfctl without a terminal, to its end."""
    return subprocess.run(argv(fake, *words), input=input, capture_output=True, text=True, env=environment(),
                          timeout=SECONDS * STRETCH, **options)


class Terminal:
    """cfctl on a terminal of its own."""
    def __init__(self, fake, *words, rows=24, columns=80, **env):
        self.text = b''
        pid, self.fd = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
            command = argv(fake, *words)
            os.execve(command[0], command, environment(**env))
        self.pid, self.status = pid, None

    def read(self, seconds):
        """What comes next; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:     # EIO: nobody has it open any more
            data = b''
        self.text += data
        return bool(data)

    def expect(self, words):
        deadline = Deadline(SECONDS, f'{words!r} on the terminal')
        while words.encode() not in self.text:
            try:
                more = self.read(deadline.left())
            except Exception:
                raise AssertionError(f'{words!r} is not in {self.text!r}')
            assert more or words.encode() in self.text, f'ended without {words!r}: {self.text!r}'

    def type(self, text):
        os.write(self.fd, text.encode())

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self):
        """The exit status, once everything was read."""
        deadline = Deadline(SECONDS, 'the end of cfctl')
        while self.read(deadline.left()):
            pass
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return self.status

    def output(self):
        return self.text.decode().replace('\r\n', '\n')


def says(done, code, *words):
    assert_equal(done.returncode, code, done.stdout + done.stderr)
    for word in words:
        assert word in done.stdout + done.stderr, f'{word!r} is not in {done.stdout + done.stderr!r}'


def only_call(fake):
    assert_equal(len(fake.calls), 1, repr(fake.calls))
    return fake.calls[0]

"""A child process with its output in a file and its end certain."""
import contextlib
import os
import re
import signal
import subprocess

from .wait import Deadline, wait_until

END_SECONDS = 15
STOP_SECONDS = 15   # a thread on its way through the kernel stops when it comes out
LOG_TAIL_BYTES = 8000


def build_dir():
    return os.environ.get('top_builddir') or os.getcwd()


def source_dir():
    here = os.path.dirname(os.path.abspath(__file__))
    return os.environ.get('top_srcdir') or os.path.dirname(os.path.dirname(os.path.dirname(here)))


def program(path):
    """A program of the build tree."""
    full = os.path.join(build_dir(), path)
    if not os.access(full, os.X_OK):
        raise AssertionError(f'{full} is not built: run from the build directory, or set top_builddir')
    return full


class Process:
    name = 'process'
    expected_dead = False   # a test that ends it on purpose says so

    def __init__(self, log_path):
        self.log_path = log_path
        self.child = None

    def spawn(self, argv, env=None, stdout=None, **options):
        with open(self.log_path, 'ab') as log:
            self.child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL,
                                          stdout=stdout or log, stderr=log, **options)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child is not None and self.child.poll() is None

    def check_running(self):
        if not self.running():
            raise AssertionError(f'{self.name} ended with {self.child.returncode}: {self.log_tail()}')

    def signal(self, number):
        if self.running():
            self.child.send_signal(number)

    @contextlib.contextmanager
    def stopped(self):
        """What happens inside comes about at one moment for it: it stands still, and then finds all of it waiting."""
        self.check_running()
        self.signal(signal.SIGSTOP)
        try:
            wait_until(self._stands_still, STOP_SECONDS, f'{self.name} standing still', self.check_running)
            yield
        finally:
            self.signal(signal.SIGCONT)

    def _stands_still(self):
        """SIGSTOP takes one thread after another out of what it is doing."""
        for task in os.listdir(f'/proc/{self.pid}/task'):
            with open(f'/proc/{self.pid}/task/{task}/stat') as f:
                if f.read().rpartition(')')[2].split()[0] != 'T':
                    return False
        return True

    def wait(self, seconds=END_SECONDS):
        """The exit status; negative is a signal's number."""
        deadline = Deadline(seconds, f'the end of {self.name}')
        try:
            return self.child.wait(deadline.left())
        except subprocess.TimeoutExpired:
            deadline.end = 0
            deadline.left()

    def kill(self):
        """SIGKILL, and gone when this returns."""
        if self.running():
            self.child.kill()
        if self.child:
            self.child.wait(END_SECONDS)

    def terminate(self, seconds=END_SECONDS):
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def log(self):
        try:
            with open(self.log_path, 'rb') as f:
                return f.read().decode('utf-8', 'replace')
        except FileNotFoundError:
            return ''

    def log_tail(self):
        return self.log()[-LOG_TAIL_BYTES:]

    def wait_log(self, text, seconds=10):
        wait_until(lambda: text in self.log(), seconds, f'{text!r} in the log of {self.name}', self.check_running)

    def memory_kib(self, field='VmRSS'):
        """A line of /proc/PID/status in KiB: VmRSS, VmHWM, RssAnon."""
        with open(f'/proc/{self.pid}/status') as f:
            for line in f:
                if line.startswith(field + ':'):
                    return int(line.split()[1])
        raise AssertionError(f'no {field} in /proc/{self.pid}/status')

    def wakeups(self):
        """Times any thread of it went to sleep of its own will, up to now."""
        total = 0
        for task in os.listdir(f'/proc/{self.pid}/task'):
            with open(f'/proc/{self.pid}/task/{task}/status') as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith('voluntary_ctxt_switches'))
        return total

    def cpu_seconds(self):
        with open(f'/proc/{self.pid}/stat') as f:
            fields = f.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def problems(self):
        """What a sanitizer wrote: a test passes only without it."""
        found = re.search(r'(ERROR: \w*Sanitizer|runtime error:).*', self.log())
        return found.group(0) if found else ''

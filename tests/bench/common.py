"""What the benchmarks share: trees, contestants that take turns, and the table."""
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))

from cf.daemon import Daemon    # noqa: E402 -- the harness is found by the line above
from cf.rest import Rest, encode, multipart     # noqa: E402,F401
from cf.server import Server    # noqa: E402

ROUNDS = int(os.environ.get('BENCH_ROUNDS', '3'))
# Another server than the development server: its URL and an admin key.
URL, KEY = os.environ.get('BENCH_URL'), os.environ.get('BENCH_KEY', '')
SYNC_SECONDS = 3600     # a bound against a hang, not an expectation


class Place:
    """A directory on tmpfs with a server (unless BENCH_URL names one), for one run of one contestant."""
    def __init__(self, control=True):
        self.base = tempfile.mkdtemp(prefix='carbonfilesd-bench-', dir='/dev/shm')
        self.root = os.path.join(self.base, 'root')
        os.mkdir(self.root)
        self.server = self.daemon = None
        if URL:
            self.url, self.key = URL, KEY
        else:
            self.server = Server(self.base).start()
            self.url, self.key = self.server.url, self.server.admin_key
        self.rest = Rest(self.url, self.key)
        self.bucket = self.rest.create_bucket('bench')

    def start_daemon(self, **settings):
        self.daemon = Daemon(self.base)
        self.daemon.settings(**settings)
        self.daemon.start()
        self.daemon.login(self.url, self.key)
        return self.daemon

    def add(self, **options):
        self.daemon.add(self.root, self.bucket, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.daemon, self.server):
            if process:
                process.kill()
        if URL:
            self.rest.delete_bucket(self.bucket)
        self.rest.close()
        shutil.rmtree(self.base, ignore_errors=True)


def make_tree(root, files, size, per_directory=100):
    """Fresh contents every time: a server that knows them already would do less work."""
    for i in range(files):
        directory = os.path.join(root, f'd{i // per_directory:05}')
        if i % per_directory == 0:
            os.mkdir(directory)
        with open(os.path.join(directory, f'f{i:07}'), 'wb') as f:
            f.write(random.randbytes(size))


def names_below(root):
    found = []
    for where, directories, files in os.walk(root):
        directories.sort()
        found += [os.path.relpath(os.path.join(where, f), root) for f in sorted(files)]
    return found


def by_turns(contestants, rounds=ROUNDS):
    """{name: best seconds}. Each contestant is a function that returns seconds; a first round warms up and does not
    count, then they take turns, so that what the machine does meanwhile meets all of them."""
    best = {}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            seconds = run()
            print(f'#   round {turn}{" (warm-up)" if turn == 0 else ""}: {name} {seconds:.3f} s', file=sys.stderr,
                  flush=True)
            if turn:
                best[name] = min(best.get(name, seconds), seconds)
    return best


class Table:
    def __init__(self, title):
        print(f'\n{title}')
        print(f'{"":46} {"ours":>14} {"peer":>14} {"ratio":>8}  {"wanted":<12} peer is')

    def row(self, what, ours, peer=None, ratio=None, wanted='', whom=''):
        peer = '' if peer is None else peer
        ratio = '' if ratio is None else f'{ratio:.2f}'
        print(f'{what:46} {ours:>14} {peer:>14} {ratio:>8}  {wanted:<12} {whom}', flush=True)


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def seconds_of(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


def curl(arguments):
    """Runs curl to its end; its seconds. (Its meter of parallel transfers is not silenced by -s.)"""
    began = time.monotonic()
    done = subprocess.run(['curl', '-sS', '--fail', *arguments], capture_output=True)
    seconds = time.monotonic() - began
    if done.returncode:
        raise AssertionError(f'curl ended with {done.returncode}: {done.stderr[-500:]!r}')
    return seconds


__all__ = ['KEY', 'Place', 'ROUNDS', 'SYNC_SECONDS', 'Table', 'URL', 'by_turns', 'curl', 'encode', 'make_tree',
           'multipart', 'names_below', 'os', 'percentile', 'seconds_of', 'statistics', 'subprocess', 'sys', 'time']

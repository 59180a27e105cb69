"""A scan of an unchanged tree against `find -size`; the start of all watches against the bare system calls."""
import os
import subprocess

from common import Table

FILES = int(os.environ.get('BENCH_FILES', '100000'))
DIRECTORIES = int(os.environ.get('BENCH_DIRECTORIES', '20000'))
PER_DIRECTORY = 50


def measure(*arguments):
    """Seconds of ours and of the peer."""
    program = os.path.join(os.environ['top_builddir'], 'tests/bench/walks')
    done = subprocess.run([program, *map(str, arguments)], stdout=subprocess.PIPE, check=True, text=True)
    _, ours, peer = done.stdout.split()
    return float(ours), float(peer)


def main():
    table = Table(f'walks: {FILES} files in directories of {PER_DIRECTORY}; {DIRECTORIES} directories to watch')
    ours, peer = measure(FILES, PER_DIRECTORY)
    table.row('rescan, nothing changed', f'{ours:.3f} s', f'{peer:.3f} s', peer / ours, '>= 1.25', 'find -size')
    ours, peer = measure(DIRECTORIES, 1, 'watch')
    table.row('until all is watched', f'{ours:.3f} s', f'{peer:.3f} s', peer / ours, '>= 0.77',
              'open, add_watch, readdir')

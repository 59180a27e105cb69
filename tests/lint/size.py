#!/usr/bin/env python3
"""Files that have grown past what a person reads at a sitting."""
import lint

LINES_MAX = 800


def check(root):
    return [f'{path}: {lines} lines, split it at {LINES_MAX}'
            for path in lint.sources(root, ('.c', '.h', '.py', '.sh'))
            if (lines := lint.read(root, path).count('\n')) > LINES_MAX]


GOOD = {'daemon/a.c': '\n' * LINES_MAX}
BAD = {'one line too many': {'daemon/a.c': '\n' * (LINES_MAX + 1)},
       'a long test': {'tests/integration/a.py': '\n' * 2000}}

if __name__ == '__main__':
    lint.run('size', check, GOOD, BAD)

#!/usr/bin/env python3
"""What no source file may hold: banned functions, unfinished work, another format than clang-format's."""
import os
import re
import shutil
import subprocess
import sys

ROOMS = ('daemon', 'libcfipc', 'cfctl', 'tests/devserver', 'tests/unit', 'tests/fuzz')
# Unbounded writes, hidden state, silent errors, a shell, a race.
BANNED = ('strcpy', 'strcat', 'sprintf', 'vsprintf', 'gets', 'strtok', 'atoi', 'atol', 'atoll', 'atof', 'system', 'popen',
          'tmpnam', 'mktemp', 'alloca')
CALL = re.compile(r'(?<![\w.>])(%s)\s*\(' % '|'.join(BANNED))
UNFINISHED = re.compile(r'\b(TODO|FIXME|XXX|HACK)\b')
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
FORMATTER_MAJOR = 14    # others format differently; .ci/deps installs this one


def blank(match):
    """Comments and strings become nothing, their line ends stay."""
    return '\n' * match.group(0).count('\n') + ' '


def sources(root):
    for room in ROOMS:
        for where, _, names in os.walk(os.path.join(root, room)):
            for name in sorted(names):
                if name.endswith(('.c', '.h')):
                    yield os.path.join(where, name)


def matches(paths, root, pattern, strip):
    for path in paths:
        with open(path, encoding='utf-8') as f:
            text = f.read()
        if strip:
            text = COMMENT_OR_STRING.sub(blank, text)
        for found in pattern.finditer(text):
            line = text.count('\n', 0, found.start()) + 1
            yield f'{os.path.relpath(path, root)}:{line}: {found.group(0)}'


def unformatted(paths):
    done = subprocess.run(['clang-format', '--dry-run', '-Werror', *paths], capture_output=True, text=True)
    return [line for line in done.stderr.splitlines() if 'error:' in line] if done.returncode else []


def formatter():
    if not shutil.which('clang-format'):
        return None
    said = subprocess.run(['clang-format', '--version'], capture_output=True, text=True).stdout
    found = re.search(r'version (\d+)', said)
    return int(found.group(1)) if found else None


def main():
    root = os.environ.get('top_srcdir') or os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
    paths = list(sources(root))
    checks = [
        ('no banned function', lambda: list(matches(paths, root, CALL, True))),
        ('nothing unfinished', lambda: list(matches(paths, root, UNFINISHED, False))),
        ('formatted as .clang-format says', lambda: unformatted(paths)),
    ]
    print(f'1..{len(checks)}')
    failed = 0
    for number, (what, look) in enumerate(checks, 1):
        if look is checks[-1][1] and formatter() != FORMATTER_MAJOR:
            print(f'ok {number} - {what} # SKIP no clang-format {FORMATTER_MAJOR}')
            continue
        wrong = look()
        for line in wrong[:40]:
            print('# ' + line)
        failed += bool(wrong)
        print(f'{"not " if wrong else ""}ok {number} - {what}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""The include arrows of ARCHITECTURE.md: a room includes from the rooms it may use and from nowhere else."""
import os
import re
import sys

# room: what it may include besides itself. A name with a dot is one header, anything else a room.
ARROWS = {
    'daemon/base': [],
    'daemon/store': ['daemon/base'],
    'daemon/http': ['daemon/base'],
    'daemon/api': ['daemon/http', 'daemon/base', 'daemon/sync/remote.h', 'libcfipc/varlink'],
    'daemon/sync': ['daemon/store', 'daemon/base'],
    'daemon/ipc': ['daemon/sync', 'daemon/api', 'daemon/store', 'daemon/base', 'libcfipc/varlink'],
    'libcfipc/varlink': [],
    'libcfipc': ['libcfipc/varlink'],
    'cfctl': ['libcfipc/cfipc.h'],
    'daemon': ['daemon/ipc', 'daemon/sync', 'daemon/api', 'daemon/http', 'daemon/store', 'daemon/base',
               'libcfipc/varlink'],
}
GENERATED = ('config.h', 'build-id.h')
ONLY_HERE = {'curl/': 'daemon/http', 'sqlite3.h': 'daemon/store', 'confuse.h': 'daemon/store'}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def room_of(path):
    """The most particular room a file lies in."""
    rooms = [room for room in ARROWS if path.startswith(room + '/')]
    return max(rooms, key=len) if rooms else None


def find(root, source, name):
    """A quoted include as a path of the tree: beside the file, below daemon/ (the -I of the build) or at the top."""
    for base in (os.path.dirname(source), 'daemon', ''):
        path = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(root, path)):
            return path
    return None


def check(root, source):
    room = room_of(source)
    allowed = [room, *ARROWS[room]]
    with open(os.path.join(root, source), encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            kind, name = found.groups()
            for prefix, only in ONLY_HERE.items():
                if name.startswith(prefix) and room != only:
                    yield f'{source}:{number}: {name} is included by {only} alone'
            if kind == '<' or name in GENERATED:
                continue
            target = find(root, source, name)
            if target is None:
                yield f'{source}:{number}: {name} is nowhere'
            elif target not in allowed and room_of(target) not in allowed:
                yield f'{source}:{number}: {room} may not include {target}'


def main():
    root = os.environ.get('top_srcdir') or os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
    wrong = []
    for top in ('daemon', 'libcfipc', 'cfctl'):
        for where, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                path = os.path.relpath(os.path.join(where, name), root)
                if name.endswith(('.c', '.h')) and room_of(path):
                    wrong += check(root, path)
    print('1..1')
    for line in wrong:
        print('# ' + line)
    print(('not ' if wrong else '') + 'ok 1 - include arrows')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())

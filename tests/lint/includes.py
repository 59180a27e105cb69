#!/usr/bin/env python3
"""The arrows between rooms: who may include whom (ARCHITECTURE.md says why)."""
import os
import re

import lint

# Room: what it may include besides itself. A whole room, or one header of another.
# The one gate for JSON from outside: as a tree, or walked through.
VARLINK_JSON = ['libcfipc/varlink/json.h', 'libcfipc/varlink/json_walk.h']
DAEMON_ROOMS = ['daemon/base', 'daemon/store', 'daemon/http', 'daemon/api', 'daemon/hub', 'daemon/sync', 'daemon/ipc']
ARROWS = {
    'daemon': DAEMON_ROOMS,                 # daemon.c knows every part; main.c only daemon.h, see below
    'daemon/base': [],
    'daemon/store': ['daemon/base'],
    'daemon/http': ['daemon/base', *VARLINK_JSON],
    'daemon/api': ['daemon/http', 'daemon/base', 'daemon/sync/remote.h', *VARLINK_JSON],
    'daemon/hub': ['daemon/http', 'daemon/base'],
    'daemon/sync': ['daemon/store', 'daemon/base'],
    'daemon/ipc': ['daemon/sync', 'daemon/hub', 'daemon/api', 'daemon/store', 'daemon/base', 'libcfipc/varlink'],
    'libcfipc': ['libcfipc/varlink'],
    'libcfipc/varlink': [],
    'cfctl': ['libcfipc/cfipc.h'],          # as any program would
    'tests/integration': ['libcfipc/cfipc.h'],
    'tests/devserver': ['tests/devserver/http'],
    'tests/devserver/http': ['tests/devserver'],
    'tests/unit': ['daemon', 'libcfipc', 'libcfipc/varlink', 'tests/devserver', 'tests/devserver/http'] + DAEMON_ROOMS,
    'tests/fuzz': ['libcfipc', 'libcfipc/varlink'] + DAEMON_ROOMS,
    'tests/bench': DAEMON_ROOMS,
}
# The program's own entry does nothing but read options and call daemon_run().
MAIN = 'daemon/main.c'
MAIN_MAY = ('daemon/daemon.h', 'daemon/base/')
# Libraries that one room hides from all others.
ONLY_IN = {
    'curl/': ('daemon/http',),
    'confuse.h': ('daemon/store',),
    'sqlite3.h': ('daemon/store', 'tests/devserver', 'tests/unit'),
}
# Made by configure and make.
BUILT = ('config.h', 'build-id.h')

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)


def find(root, path, name):
    for base in (os.path.dirname(path), '', 'daemon'):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    return None


def check_own(root, path, name):
    room = os.path.dirname(path)
    target = find(root, path, name)
    if name in BUILT:
        return None
    if not target:
        return f'includes "{name}", which is nowhere'
    if room not in ARROWS:
        return f'is in a room without arrows: {room}'
    if path == MAIN and not target.startswith(MAIN_MAY):
        return f'includes {target}: main.c knows daemon.h and base only'
    other = os.path.dirname(target)
    if other == room or other in ARROWS[room] or target in ARROWS[room]:
        return None
    return f'includes {target}: no arrow from {room} to {other}'


def check_system(path, name):
    for library, rooms in ONLY_IN.items():
        if (name == library or library.endswith('/') and name.startswith(library)) \
                and not os.path.dirname(path).startswith(rooms):
            return f'includes <{name}>, which belongs to {", ".join(rooms)}'
    return None


def check(root):
    complaints = []
    for path in lint.sources(root):
        text = lint.read(root, path)
        for match in INCLUDE.finditer(text):
            own = match.group(1) == '"'
            said = check_own(root, path, match.group(2)) if own else check_system(path, match.group(2))
            if said:
                complaints.append(f'{path}:{lint.line_of(text, match.start())}: {said}')
    return complaints


GOOD = {
    'daemon/base/log.h': '',
    'daemon/base/log.c': '#include "base/log.h"\n#include <errno.h>\n',
    'daemon/sync/remote.h': '#include "base/log.h"\n',
    'daemon/sync/plan.h': '',
    'daemon/api/remote.c': '#include "sync/remote.h"\n#include "libcfipc/varlink/json.h"\n',
    'daemon/http/http.c': '#include <curl/curl.h>\n#include "base/log.h"\n#include "config.h"\n',
    'daemon/daemon.h': '',
    'daemon/daemon.c': '#include "sync/plan.h"\n',
    'daemon/main.c': '#include "daemon.h"\n',
    'libcfipc/varlink/json.h': '',
    'libcfipc/varlink/frame.h': '',
    'libcfipc/cfipc.h': '',
    'libcfipc/internal.h': '',
    'cfctl/main.c': '#include "libcfipc/cfipc.h"\n',
}
BAD = {
    'the floor looking up': {'daemon/base/log.c': '#include "sync/plan.h"\n'},
    'sync knowing the server': {'daemon/sync/engine.c': '#include "api/url.h"\n', 'daemon/api/url.h': ''},
    'api knowing more of sync than remote.h': {'daemon/api/remote.c': '# include "sync/plan.h"\n'},
    'http knowing more of Varlink than JSON': {'daemon/http/x.c': '#include "libcfipc/varlink/frame.h"\n'},
    'the library knowing the daemon': {'libcfipc/x.c': '#include "base/log.h"\n'},
    'cfctl knowing the library from inside': {'cfctl/x.c': '#include "libcfipc/internal.h"\n'},
    'a path that goes round': {'cfctl/x.c': '#include "../daemon/base/log.h"\n'},
    'main.c knowing a part': {'daemon/main.c': '#include "sync/plan.h"\n'},
    'curl outside http': {'daemon/api/x.c': '#include <curl/curl.h>\n'},
    'a header that does not exist': {'daemon/sync/x.c': '#include "sync/nowhere.h"\n'},
    'a room nobody drew': {'daemon/attic/x.c': '#include "base/log.h"\n'},
}

if __name__ == '__main__':
    lint.run('includes', check, GOOD, BAD)

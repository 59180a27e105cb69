#!/usr/bin/env python3
"""clang-format and nothing else decides how C looks. Versions differ in details, so only the one that .ci/deps
installs on Debian 12 is asked; elsewhere this is skipped, and says so."""
import re
import shutil
import subprocess

import lint

VERSION = '14'


def find_tool():
    for name in ('clang-format-' + VERSION, 'clang-format'):
        path = shutil.which(name)
        if path:
            said = subprocess.run([path, '--version'], capture_output=True, text=True, check=True).stdout
            if re.search(r'\bversion ' + VERSION + r'\.', said):
                return path
    return None


TOOL = find_tool()


def check(root):
    paths = list(lint.sources(root))
    done = subprocess.run([TOOL, '--dry-run', '--style=file', '--ferror-limit=1'] + paths, cwd=root,
                          capture_output=True, text=True, check=False)
    places = re.findall(r'^(\S+?):(\d+):\d+: (?:warning|error): ', done.stderr, re.M)
    if done.returncode and not places:
        return [f'{TOOL} ended with {done.returncode}: {done.stderr}']
    return [f'{path}:{line}: not as clang-format -i would write it' for path, line in dict(reversed(places)).items()]


GOOD = {'.clang-format': lint.read(lint.ROOT, '.clang-format'),
        'cfctl/a.c': 'int f(void)\n{\n\treturn 0;\n}\n'}
BAD = {'spaces': {'cfctl/b.c': 'int f(void)\n{\n    return 0;\n}\n'},
       'a header with a wide line': {'daemon/base/b.h': 'int ' + 'a' * 60 + '(void), ' + 'b' * 60 + '(void);\n'}}

if __name__ == '__main__':
    if TOOL:
        lint.run('format', check, GOOD, BAD)
    else:
        print(f'1..0 # SKIP no clang-format {VERSION}: .ci/deps installs it on Debian 12')

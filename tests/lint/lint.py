"""What the lint tests share: the files they read, C without its comments and strings, and TAP.

A lint is a function from the root of a tree to a list of complaints. Each is first shown a tree with one fault
(it must find it) and one without (it must say nothing), then the real one.
"""
import os
import re
import sys
import tempfile

ROOT = os.path.abspath(os.environ.get('top_srcdir') or os.path.join(os.path.dirname(__file__), '..', '..'))
BUILD = os.path.abspath(os.environ.get('top_builddir') or '.')
SOURCE_DIRS = ('daemon', 'libcfipc', 'cfctl', 'tests')
# Made by the build; lies beside the sources where somebody builds in them.
GENERATED = ('libcfipc/varlink/interfaces.c',)


def sources(root, endings=('.c', '.h')):
    """The paths of all sources, relative to root. Walks: a tarball has no git to ask."""
    for top in SOURCE_DIRS:
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders[:] = sorted(f for f in folders if not f.startswith('.'))
            for name in sorted(files):
                path = os.path.relpath(os.path.join(folder, name), root)
                if name.endswith(endings) and path not in GENERATED:
                    yield path


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8', errors='surrogateescape') as file:
        return file.read()


_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """C with comments and the insides of literals blanked, line by line where it was."""
    def blank(match):
        token = match.group()
        if token[0] == '/':
            return re.sub(r'[^\n]', ' ', token)
        return token[0] + ' ' * (len(token) - 2) + token[0]
    return _TOKEN.sub(blank, text)


def comments_only(text):
    """The other way round."""
    def keep(match):
        token = match.group()
        return token if token[0] == '/' else ''
    out, end = [], 0
    for match in _TOKEN.finditer(text):
        out.append(re.sub(r'[^\n]', ' ', text[end:match.start()]))
        out.append(keep(match))
        end = match.end()
    return ''.join(out)


def line_of(text, offset):
    return text.count('\n', 0, offset) + 1


def _tree(files, check):
    with tempfile.TemporaryDirectory(prefix='cf-lint-') as root:
        for path, text in files.items():
            if text is None:
                continue
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, 'w', encoding='utf-8') as file:
                file.write(text)
        return check(root)


def run(what, check, good, bad, real=None):
    """good: files of a tree without a fault; bad: {name of the fault: files}. real: check of the real tree."""
    print(f'1..{len(bad) + 2}')
    number, failed = 0, False

    def result(ok, description, complaints):
        nonlocal number, failed
        number += 1
        failed |= not ok
        print(f'{"ok" if ok else "not ok"} {number} - {description}', flush=True)
        if not ok:
            for complaint in complaints:
                print('# ' + complaint)

    complaints = _tree(good, check)
    result(not complaints, f'{what}: quiet on a good sample', complaints)
    for name, files in bad.items():
        complaints = _tree({**good, **files}, check)
        result(len(complaints) == 1, f'{what}: finds {name}',
               [f'{len(complaints)} complaints, not 1'] + complaints)
    complaints = (real or check)(ROOT)
    result(not complaints, f'{what}: the tree', complaints)
    sys.exit(failed)

"""The two sides of a pair as sets of (path, hash), and the name rule between them, written down a second time
and independently of the daemon: bytes the server cannot hold are ~xHH, and so is a ~ that would look like one."""
import hashlib
import os
import re
import stat

_LOOKS_ENCODED = re.compile(rb'~(?=x[0-9A-Fa-f]{2})')
# What the server takes for white space in "a component of white space only": char.IsWhiteSpace of .NET.
_WHITE = set(' \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a'
             '\u2028\u2029\u202f\u205f\u3000')


def _hex(data):
    return ''.join(f'~x{b:02X}' for b in data)


def encode_component(name):
    """One local name (bytes) as it is called on the server."""
    name = _LOOKS_ENCODED.sub(b'~x7E', name)
    out = ''
    for piece in name.decode('utf-8', 'surrogateescape'):
        if piece == '\\' or '\udc80' <= piece <= '\udcff':
            out += _hex(piece.encode('utf-8', 'surrogateescape'))
        else:
            out += piece
    if out and all(c in _WHITE for c in out):
        out = _hex(out[0].encode()) + out[1:]
    return out


def encode_path(path):
    return '/'.join(encode_component(c) for c in os.fsencode(path).split(b'/'))


def digest(data):
    return hashlib.sha256(data).hexdigest()


def file_digest(path):
    with open(path, 'rb') as f:
        h = hashlib.sha256()
        while block := f.read(1 << 20):
            h.update(block)
        return h.hexdigest()


def tree_of(root):
    """{server path: sha256} of the regular files below root."""
    root = os.fsencode(root)
    found = {}
    for where, directories, names in os.walk(root):
        directories.sort()
        for name in names:
            path = os.path.join(where, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                found[encode_path(os.path.relpath(path, root))] = file_digest(path)
    return found


def difference(local, remote):
    """What differs between two {path: hash}, as text; '' when nothing does."""
    lines = []
    for path in sorted(local.keys() | remote.keys()):
        if local.get(path) != remote.get(path):
            lines.append(f'{path!r}: here {str(local.get(path))[:12]}, on the server {str(remote.get(path))[:12]}')
    if len(lines) > 20:
        lines = lines[:20] + [f'... and {len(lines) - 20} more']
    return '\n'.join(lines)

#!/usr/bin/env python3
"""Every field that the daemon may send has a getter in libcfipc: of each type, and of each reply that is an object of
its own (a reply with one member is that member)."""
import os
import re

import lint
from released import Text

MAP = 'libcfipc/libcfipc.map'
# Interface type or method: the object it is called in the library, where that is not its own name in small letters.
OBJECTS = {
    'remote.Progress': 'progress', 'sync.Status': 'pair_status', 'sync.Held': 'held', 'sync.Spec': 'spec',
    'remote.GetHealth': 'health_info', 'remote.GetStats': 'server_stats', 'remote.GetBucket': 'bucket_view',
    'remote.ListTree': 'tree', 'remote.ListDirectory': 'folder', 'remote.GetFileUrl': 'file_link',
    'remote.VerifyFile': 'verification', 'remote.Download': 'downloaded', 'remote.DownloadZip': 'downloaded',
    'remote.CreateUploadToken': 'upload_token', 'remote.CreateApiKey': 'new_api_key',
    'remote.GetApiKeyUsage': 'key_usage', 'remote.CreateDashboardToken': 'dashboard_token',
    'remote.GetDashboardToken': 'dashboard_token', 'remote.ResolveShortUrl': 'short_target',
    'sync.Add': 'changed_pair', 'sync.Update': 'changed_pair', 'sync.Plan': 'plan', 'sync.Watch': 'sync_event',
    'daemon.GetVersion': 'daemon_info', 'daemon.GetStatus': 'daemon_state', 'daemon.Reload': 'reloaded',
    'daemon.Watch': 'daemon_event',
}
# Sent only to the daemon, or read in another way: the page of a list, the progress of a transfer.
NOT_OBJECTS = {'remote.FileRef', 'remote.Page', 'remote.PageInfo', 'sync.SpecChanges'}
OTHERWISE = {'downloaded': {'progress'}, 'file': {'progress'}}


def small(name):
    return re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()


def replies(text, method, fields):
    """The object that a reply is, or None where a list or one member is all of it."""
    names = [n for n, _ in fields if n not in ('page', 'progress')]
    return len(names) > 1 or (method in OBJECTS and bool(names))


def check(root):
    complaints = []
    symbols = set(re.findall(r'^\t(cfipc_\w+);', lint.read(root, MAP), re.M))
    for interface in ('daemon', 'remote', 'sync'):
        path = f'conf/org.carbonfiles.{interface}.varlink'
        if not os.path.exists(os.path.join(root, path)):
            continue
        text = Text(lint.read(root, path))
        for member, fields in text.members.items():
            kind, name = member.split()[:2]
            full = f'{interface}.{name}'
            if kind == 'error' or full in NOT_OBJECTS or (kind == 'method' and not member.endswith('reply')):
                continue
            if kind == 'method' and not replies(text, full, fields):
                continue
            if kind == 'method' and full not in OBJECTS:
                complaints.append(f'{path}: {name} answers with several fields and no object is named for it')
                continue
            thing = OBJECTS.get(full, small(name))
            for field, _ in fields:
                if f'cfipc_{thing}_{field}' not in symbols and field not in OTHERWISE.get(thing, ()):
                    complaints.append(f'{path}: {name}.{field} has no getter cfipc_{thing}_{field}')
    if not symbols:
        complaints.append(f'{MAP}: no symbols found: this lint reads the wrong place')
    return complaints


GOOD = {
    MAP: 'X {\nglobal:\n\tcfipc_file_path;\n\tcfipc_file_mime_type;\n\tcfipc_tree_prefix;\n\tcfipc_tree_files;\n};\n',
    'conf/org.carbonfiles.remote.varlink':
        'interface org.carbonfiles.remote\ntype File (path: string, mime_type: ?string)\n'
        'method GetFile(path: string) -> (file: File)\n'
        'method ListTree() -> (prefix: ?string, files: []File)\n',
}
TEXT = GOOD['conf/org.carbonfiles.remote.varlink']
BAD = {
    'a field of a type': {'conf/org.carbonfiles.remote.varlink': TEXT.replace('mime_type', 'media_type')},
    'a field of a reply': {'conf/org.carbonfiles.remote.varlink': TEXT.replace('prefix: ?', 'infix: ?')},
    'a method with an answer of its own': {
        'conf/org.carbonfiles.remote.varlink': TEXT + 'method Weigh() -> (a: int, b: int)\n'},
}

if __name__ == '__main__':
    lint.run('getters', check, GOOD, BAD)

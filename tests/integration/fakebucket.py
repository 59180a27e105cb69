"""A daemon with one bucket in memory, for what cfctl does with files: transfers through the descriptors it passes."""
import hashlib
import os

from cfctlrun import BUCKET, PAGE, daemon
from fakeipc import Error

NOW = '2026-11-24T09:00:00Z'


def missing(what):
    return Error('org.carbonfiles.remote.NotFound', status_code=404, message=f'{what} not found')


def read_all(fd):
    """To the end, as the daemon does: from where the descriptor stands."""
    parts = []
    while part := os.read(fd, 1 << 20):
        parts.append(part)
    return b''.join(parts)


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


class FakeBucket:
    """files: path -> bytes. What is uploaded, appended, patched and deleted is so afterwards."""
    def __init__(self, files=None):
        self.files = dict(files or {})
        self.broken = {}        # path -> an Error instead of every answer about it
        self.script = {'remote.' + name: getattr(self, name) for name in (
            'GetBucket', 'ListBuckets', 'ListFiles', 'GetFile', 'Upload', 'AppendFile', 'PatchFile', 'Download', 'DownloadZip')}

    def daemon(self, **more):
        return daemon({**self.script, **more})

    def describe(self, path):
        data = self.files[path]
        return {'path': path, 'name': path.rpartition('/')[2], 'size': len(data), 'mime_type': 'text/plain',
                'sha256': hashlib.sha256(data).hexdigest(), 'created_at': NOW, 'updated_at': NOW}

    def GetBucket(self, call):
        return {'bucket': BUCKET} if call.parameters['bucket'] == BUCKET['id'] else missing('Bucket')

    def ListBuckets(self, call):
        return [{'buckets': [BUCKET], 'page': PAGE}]

    def ListFiles(self, call):
        paths, limit = sorted(self.files, key=os.fsencode), 2
        pages = [paths[i:i + limit] for i in range(0, len(paths), limit)] or [[]]
        return [{'files': [self.describe(p) for p in page], 'page': {**PAGE, 'total': len(paths)}} for page in pages]

    def GetFile(self, call):
        path = call.parameters['path']
        return self.broken.get(path) or ({'file': self.describe(path)} if path in self.files else missing('File'))

    def data_of(self, call):
        return read_all(call.fds[call.parameters['fd']])

    def stored(self, call, data):
        path = call.parameters['path']
        if path in self.broken:
            return self.broken[path]
        self.files[path] = data
        progress = {'transfer': 't1', 'phase': 'sending', 'bytes_done': len(data)}
        return [{'progress': progress}, {'file': self.describe(path)}]

    def Upload(self, call):
        return self.stored(call, self.data_of(call))

    def AppendFile(self, call):
        return self.stored(call, self.files[call.parameters['path']] + self.data_of(call))

    def PatchFile(self, call):
        old, data, at = self.files[call.parameters['path']], self.data_of(call), call.parameters['offset']
        return self.stored(call, old[:at] + data + old[at + len(data):])

    def Download(self, call):
        path, begin = call.parameters['path'], call.parameters.get('offset', 0)
        if path in self.broken:
            return self.broken[path]
        if path not in self.files:
            return missing('File')
        file = self.describe(path)
        if call.parameters.get('if_sha256') == file['sha256']:
            return [{'file': file, 'unchanged': True}]
        data = self.files[path][begin:]
        data = data[:call.parameters.get('length', len(data))]
        try:
            write_all(call.fds[call.parameters['fd']], data)
        except BrokenPipeError:
            return Error('org.carbonfiles.remote.LocalError', errno=32, name='EPIPE', message='Broken pipe')
        self.close(call)
        progress = {'transfer': 't1', 'phase': 'receiving', 'bytes_done': len(data), 'bytes_total': len(data)}
        return [{'progress': progress}, {'file': file, 'bytes': len(data)}]

    def DownloadZip(self, call):
        data = b'PK' + b''.join(self.files.values())
        write_all(call.fds[call.parameters['fd']], data)
        self.close(call)
        return [{'progress': {'transfer': 't1', 'phase': 'receiving', 'bytes_done': 2}}, {'bytes': len(data)}]

    @staticmethod
    def close(call):
        """A pipe ends for its reader when its last writer lets go."""
        while call.fds:
            os.close(call.fds.pop())

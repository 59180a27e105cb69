#!/usr/bin/env python3
"""upload.py [BUCKET FILE [PATH]]: lists the buckets; with arguments stores a file in one.

Nothing but the standard library: the socket speaks Varlink, which is JSON with a NUL behind it, and a file is passed
as a descriptor. Works with any server that carbonfilesd is logged in to; the credential stays in the daemon."""
import array
import json
import os
import socket
import sys


class Daemon:
    def __init__(self):
        runtime = os.environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.getuid()}'
        path = os.environ.get('CARBONFILESD_SOCKET') or runtime + '/carbonfilesd/org.carbonfiles'
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path.removeprefix('unix:'))
        self.buffer = b''

    def call(self, method, parameters, fds=()):
        """Every reply to one call; with 'more' the daemon may send several."""
        message = json.dumps({'method': 'org.carbonfiles.remote.' + method, 'parameters': parameters, 'more': True})
        data = message.encode() + b'\0'
        if fds:     # the descriptors travel with the first byte of the message that names them
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))]
            data = data[self.socket.sendmsg([data], rights):]
        self.socket.sendall(data)
        while True:
            reply = self.receive()
            if 'error' in reply:
                name, details = reply['error'], reply.get('parameters', {})
                raise SystemExit(f'{name.rpartition(".")[2]}: {details.get("message", details)}')
            yield reply.get('parameters', {})
            if not reply.get('continues'):
                return

    def receive(self):
        while b'\0' not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise SystemExit('the daemon closed the connection')
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b'\0')
        return json.loads(message)


def list_buckets(daemon):
    for page in daemon.call('ListBuckets', {}):
        for bucket in page['buckets']:
            print(f'{bucket["id"]}  {bucket["file_count"]:7}  {bucket["name"]}')


def upload(daemon, bucket, local, path):
    with open(local, 'rb') as file:
        for reply in daemon.call('Upload', {'bucket': bucket, 'path': path, 'fd': 0}, [file.fileno()]):
            progress, stored = reply.get('progress'), reply.get('file')
            if progress:
                print(f'\r{progress["bytes_done"]} bytes', end='', file=sys.stderr)
            if stored:
                print(f'\n{stored["path"]}  {stored["size"]} bytes  {stored.get("short_url") or ""}')


if __name__ == '__main__':
    if len(sys.argv) == 1:
        list_buckets(Daemon())
    elif len(sys.argv) in (3, 4):
        upload(Daemon(), sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else os.path.basename(sys.argv[2]))
    else:
        raise SystemExit('usage: upload.py [BUCKET FILE [PATH]]')

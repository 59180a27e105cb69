"""A raw Varlink client: what any program with a socket and a JSON parser can do, and no more."""
import array
import json
import os
import socket

from .wait import Deadline

CALL_SECONDS = 20


class VarlinkError(Exception):
    """An error reply: name with its interface, parameters."""
    def __init__(self, name, parameters):
        super().__init__(f'{name} {json.dumps(parameters, ensure_ascii=False)}')
        self.name, self.parameters = name, parameters


class Closed(Exception):
    """The peer closed the connection."""


class Connection:
    def __init__(self, path, seconds=CALL_SECONDS):
        self.seconds = seconds
        self.buffer = b''
        self.fds = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, method, parameters=None, fds=(), **flags):
        call = {'method': method, **flags}
        if parameters is not None:
            call['parameters'] = parameters
        self.send_bytes(json.dumps(call, ensure_ascii=False).encode() + b'\0', fds)

    def send_bytes(self, data, fds=()):
        if fds:
            sent = self.socket.sendmsg(
                [data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))])
            data = data[sent:]
        self.socket.sendall(data)

    def receive(self, seconds=None):
        """The next message as an object. Descriptors that come are kept in self.fds."""
        deadline = Deadline(seconds or self.seconds, 'a reply')
        while b'\0' not in self.buffer:
            self.socket.settimeout(deadline.left())
            try:
                data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
            except socket.timeout:
                deadline.left()
                continue
            for level, kind, value in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers = array.array('i')
                    numbers.frombytes(value[:len(value) - len(value) % numbers.itemsize])
                    self.fds += numbers
            if not data:
                raise Closed('the daemon closed the connection')
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b'\0')
        return json.loads(message)

    def reply(self, seconds=None):
        """The next reply as (parameters, continues); an error is raised."""
        message = self.receive(seconds)
        if message.get('error'):
            raise VarlinkError(message['error'], message.get('parameters') or {})
        return message.get('parameters') or {}, bool(message.get('continues'))

    def call(self, method, parameters=None, fds=(), seconds=None):
        self.send(method, parameters, fds)
        result, continues = self.reply(seconds)
        if continues:
            raise AssertionError(f'{method} continues without having been asked for more')
        return result

    def stream(self, method, parameters=None, fds=(), seconds=None):
        """Every reply of a call with `more`, the last included."""
        self.send(method, parameters, fds, more=True)
        continues = True
        while continues:
            result, continues = self.reply(seconds)
            yield result


def secret_fd(text):
    """A pipe with text in it, to be read to its end by whoever gets it."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.write(writer, text.encode())
    os.close(writer)
    return reader

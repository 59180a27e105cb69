"""A daemon that says what a test tells it to: a Varlink server with a script, and a judge of the calls it gets.

Each call is checked against the interface text of conf/*.varlink, and so is each scripted reply: a test that
passes here speaks the language that the real daemon speaks.
"""
import array
import json
import os
import re
import socket
import threading

from cf.process import source_dir

INTERFACES = ('org.carbonfiles.daemon', 'org.carbonfiles.remote', 'org.carbonfiles.sync')
# The texts say these in a sentence about another method.
ALSO_MORE = {'ListFiles', 'ListTree', 'ListDirectory', 'ListApiKeys', 'PatchFile', 'ListSkipped', 'ListHistory'}
TOKEN = re.compile(r'\s+|#[^\n]*|([A-Za-z][A-Za-z0-9_.]*|\[string\]|\[\]|->|[?():,])')


class Error(Exception):
    """An error reply."""
    def __init__(self, name, /, **parameters):
        super().__init__(name)
        self.name, self.parameters = name, parameters


class Interface:
    """The types, methods and errors of one interface text."""
    def __init__(self, name):
        with open(os.path.join(source_dir(), 'conf', name + '.varlink')) as f:
            text = f.read()
        self.more = {m for m in re.findall(r"\[Requires 'more' flag\][^\n]*(?:\n#[^\n]*)*\nmethod (\w+)", text)}
        self.supports_more = self.more | ALSO_MORE | {
            m for m in re.findall(r"\[Supports 'more' flag\][^\n]*(?:\n#[^\n]*)*\nmethod (\w+)", text)}
        self.tokens = [m.group(1) for m in TOKEN.finditer(text) if m.group(1)]
        self.types, self.methods, self.errors = {}, {}, {}
        assert self.tokens[:2] == ['interface', name], self.tokens[:2]
        del self.tokens[:2]
        while self.tokens:
            kind, word = self.take(), self.take()
            if kind == 'type':
                self.types[word] = self.struct_or_enum()
            elif kind == 'method':
                arguments = self.struct_or_enum()
                assert self.take() == '->'
                self.methods[word] = (arguments, self.struct_or_enum())
            else:
                assert kind == 'error', kind
                self.errors[word] = self.struct_or_enum()

    def take(self):
        return self.tokens.pop(0)

    def struct_or_enum(self):
        assert self.take() == '('
        fields, words = {}, []
        while self.tokens[0] != ')':
            word = self.take()
            if self.tokens[0] == ':':
                self.take()
                fields[word] = self.a_type()
            else:
                words.append(word)
            if self.tokens[0] == ',':
                self.take()
        self.take()
        return ('enum', words) if words else ('struct', fields)

    def a_type(self):
        if self.tokens[0] == '?':
            self.take()
            return ('maybe', self.a_type())
        if self.tokens[0] in ('[]', '[string]'):
            return ('array' if self.take() == '[]' else 'map', self.a_type())
        if self.tokens[0] == '(':
            return self.struct_or_enum()
        return ('name', self.take())

    def check(self, kind, value, where):
        """Raises AssertionError where value is not of that type."""
        what, of = kind
        if what == 'name' and of in self.types:
            self.check(self.types[of], value, where)
        elif what == 'name':
            python = {'bool': bool, 'int': int, 'float': float, 'string': str, 'object': dict}[of]
            assert isinstance(value, python) and not (of == 'int' and isinstance(value, bool)), (where, of, value)
        elif what == 'maybe':
            if value is not None:
                self.check(of, value, where)
        elif what == 'array':
            assert isinstance(value, list), (where, value)
            for item in value:
                self.check(of, item, where + '[]')
        elif what == 'map':
            assert isinstance(value, dict), (where, value)
            for key, item in value.items():
                self.check(of, item, f'{where}[{key}]')
        elif what == 'enum':
            assert value in of, (where, value, of)
        else:
            assert isinstance(value, dict), (where, value)
            unknown = set(value) - set(of)
            assert not unknown, (where, 'unknown fields', unknown)
            for field, field_kind in of.items():
                if field in value or field_kind[0] != 'maybe':
                    assert field in value, (where, 'missing field', field)
                    self.check(field_kind, value[field], f'{where}.{field}')


class Call:
    def __init__(self, method, parameters, more, fds):
        self.method, self.parameters, self.more, self.fds = method, parameters, more, fds

    def __repr__(self):
        return f'{self.method}({json.dumps(self.parameters)})'


HANG = object()     # a reply that never comes
CLOSE = object()    # the connection ends instead
GARBAGE = object()  # something that is not Varlink


class FakeDaemon:
    """script: method without 'org.carbonfiles.' -> a reply, a list of replies (a stream), an Error, HANG, CLOSE,
    GARBAGE, or a function of the Call that returns one of these."""
    interfaces = {}

    def __init__(self, directory, script=None):
        self.path = os.path.join(directory, 'socket')
        self.script = dict(script or {})
        self.calls, self.problems = [], []
        self.closed = threading.Event()     # a connection with a hanging call was closed by its client
        self.called = threading.Condition()
        self.ending = threading.Event()
        for name in INTERFACES:
            if name not in self.interfaces:
                self.interfaces[name] = Interface(name)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for call in self.calls:
            for fd in call.fds:
                os.close(fd)

    def wait_call(self, method, seconds=10):
        with self.called:
            assert self.called.wait_for(lambda: any(c.method == method for c in self.calls), seconds), \
                f'{method} was not called: {self.calls}'

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        try:
            with peer:
                self.talk(peer)
        except (ConnectionError, BrokenPipeError):
            pass
        except Exception as error:     # the test must fail, not this thread in silence
            self.problems.append(repr(error))

    def talk(self, peer):
        buffer, fds = b'', []
        while True:
            while b'\0' not in buffer:
                data, ancillary, _, _ = peer.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
                for level, kind, value in ancillary:
                    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                        numbers = array.array('i')
                        numbers.frombytes(value[:len(value) - len(value) % numbers.itemsize])
                        fds += numbers
                if not data:
                    return
                buffer += data
            message, _, buffer = buffer.partition(b'\0')
            if not self.answer(peer, json.loads(message), fds):
                return
            fds = []

    def answer(self, peer, message, fds):
        interface, _, name = message['method'].rpartition('.')
        call = Call(interface.rpartition('.')[2] + '.' + name, message.get('parameters', {}), message.get('more', False), fds)
        idl = self.interfaces[interface]
        try:
            idl.check(idl.methods[name][0], call.parameters, name)
            assert not call.more or name in idl.supports_more, f'{name} called with more'
            assert call.more or name not in idl.more, f'{name} called without more'
        except AssertionError as error:
            self.problems.append(f'{call}: {error}')
        reply = self.script.get(call.method, Error('org.varlink.service.MethodNotImplemented', method=message['method']))
        if callable(reply):
            reply = reply(call)
        with self.called:
            self.calls.append(call)
            self.called.notify_all()
        if isinstance(reply, Error):
            self.send(peer, {'error': reply.name, 'parameters': reply.parameters})
            return True
        if reply is CLOSE:
            return False
        if reply is GARBAGE:
            peer.sendall(b'{"parameters":[}\0')
            return False
        replies = reply if isinstance(reply, list) else [reply]
        for i, one in enumerate(replies):
            if one is HANG:
                peer.settimeout(30)
                if peer.recv(1) == b'':
                    self.closed.set()
                return False
            if isinstance(one, Error):
                self.send(peer, {'error': one.name, 'parameters': one.parameters})
                return True
            try:
                idl.check(idl.methods[name][1], one, name + '()')
            except AssertionError as error:
                self.problems.append(f'scripted reply of {call}: {error}')
            last = i + 1 == len(replies)
            self.send(peer, {'parameters': one, **({} if last else {'continues': True})})
        return True

    @staticmethod
    def send(peer, message):
        peer.sendall(json.dumps(message, separators=(',', ':'), ensure_ascii=False).encode() + b'\0')

#!/usr/bin/env python3
"""The Varlink service against raw sockets: every rule of the protocol, every limit, every way to misbehave.

Runs tests/unit/ipc-testserver, which is the daemon's ipc room with methods made for this."""
import array
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

SERVER = os.path.join(os.environ.get("top_builddir", "."), "tests/unit/ipc-testserver")
DEADLINE = 20
INVALID = "org.varlink.service.InvalidParameter"


class Server:
    def __init__(self, *args, path=None, env=None, pass_fds=(), preexec=None):
        self.dir = tempfile.mkdtemp(prefix="cf-ipc-")
        self.path = path or os.path.join(self.dir, "socket")
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([SERVER, self.path, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, env=env, pass_fds=pass_fds, preexec_fn=preexec, text=True)
        self.ready = self.process.stdout.readline()

    def __enter__(self):
        return self

    def stop(self):
        """Ends the server: its last line as a dict."""
        if self.process.stdin:
            self.process.stdin.close()
            self.process.stdin = None
        line = self.process.stdout.read()
        assert self.process.wait(DEADLINE) == 0, f"server ended with {self.process.returncode}: {self.errors()}"
        words = line.split()
        return dict(zip(words[0::2], map(int, words[1::2])))

    def errors(self):
        self.log.seek(0)
        return self.log.read().decode()

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.stdin and self.process.stdin.close()
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.stdout.close()
        shutil.rmtree(self.dir)

    def connect(self):
        return Peer(self.path)

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Peer:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(path)
        self.buffer = b""

    def send(self, method=None, parameters=None, raw=None, fds=(), **flags):
        if raw is None:
            message = {"method": "org.example.test." + method if "." not in method else method, **flags}
            if parameters is not None:
                message["parameters"] = parameters
            raw = json.dumps(message).encode() + b"\0"
        if fds:
            socket.send_fds(self.socket, [raw], fds)
        else:
            self.socket.sendall(raw)

    def read(self):
        """The next message, None at the end of the stream."""
        while b"\0" not in self.buffer:
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                assert not self.buffer, f"cut message: {self.buffer[:100]}"
                return None
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, *args, **kwargs):
        self.send(*args, **kwargs)
        return self.read()

    def closed(self):
        return self.read() is None

    def alive(self):
        return self.call("Echo", {"text": "x"}) == {"parameters": {"text": "x"}}

    def close(self):
        self.socket.close()


def wait_for(condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def count(server):
    peer = server.connect()
    reply = peer.call("Count")["parameters"]
    peer.close()
    return reply


# ---- the protocol ----

def test_service_interface():
    with Server() as s:
        p = s.connect()
        info = p.call("org.varlink.service.GetInfo")["parameters"]
        assert info["interfaces"] == sorted(info["interfaces"]), info
        assert "org.varlink.service" in info["interfaces"] and "org.carbonfiles.daemon" in info["interfaces"]
        assert set(info) == {"vendor", "product", "version", "url", "interfaces"}
        ask = "org.varlink.service.GetInterfaceDescription"
        text = p.call(ask, {"interface": "org.carbonfiles.daemon"})["parameters"]["description"]
        source = os.path.join(os.environ.get("top_srcdir", "."), "conf/org.carbonfiles.daemon.varlink")
        assert text == open(source, encoding="utf-8").read()
        assert p.call(ask, {"interface": "a.b"}) == {
            "error": "org.varlink.service.InterfaceNotFound", "parameters": {"interface": "a.b"}}
        assert p.call(ask) == {"error": INVALID, "parameters": {"parameter": "interface"}}
        assert p.call("a.b.C") == {"error": "org.varlink.service.InterfaceNotFound", "parameters": {"interface": "a.b"}}
        assert p.call("org.example.test.None") == {
            "error": "org.varlink.service.MethodNotFound", "parameters": {"method": "org.example.test.None"}}
        assert p.call("Absent") == {
            "error": "org.varlink.service.MethodNotImplemented", "parameters": {"method": "org.example.test.Absent"}}
        p.send(raw=b'{"method":"nodot"}\0')
        assert p.read()["error"] == "org.varlink.service.InterfaceNotFound"
        assert p.alive()


def test_replies_have_only_their_keys_and_no_white_space():
    with Server() as s:
        p = s.connect()
        p.send(raw=b' { "method" : "org.example.test.Later" , "parameters" : { "ms" : 0 } }\n\0')
        p.send("Fail")
        p.send("Echo", {"text": "a b"})
        p.send("Stream", {"count": 2, "bytes": 1}, more=True)
        wait = b""
        while wait.count(b"\0") < 5:
            wait += p.socket.recv(4096)
        assert wait.split(b"\0")[:5] == [
            b"{}", b'{"error":"org.example.test.Failed","parameters":{"why":"because","message":"it had to fail"}}',
            b'{"parameters":{"text":"a b"}}', b'{"parameters":{"n":1,"fill":"x"},"continues":true}',
            b'{"parameters":{"n":2,"fill":"x"}}'], wait


def test_closes_without_reply():
    bad = [b"\0", b"nonsense\0", b"[]\0", b"null\0", b"{}\0", b'{"method":1}\0', b'{"method":"a.b.C","x":1}\0',
           b'{"method":"a.b.C","more":1}\0', b'{"method":"a.b.C","more":true,"oneway":true}\0',
           b'{"method":"a.b.C","parameters":[]}\0', b'{"method":"a.b.C"}{}\0',
           b'{"method":"a.b.C","parameters":{"a":NaN}}\0', b'{"method":"a.b.C","parameters":{"a":1e999}}\0',
           b'{"method":"a.b.C","parameters":{"a":99999999999999999999}}\0',
           b'{"method":"a.b.C","parameters":{"a":"\\ud834"}}\0', b'{"method":"a.b.C","parameters":{"a":"\xff"}}\0',
           b'{"method":"a.b.C","parameters":{"a":"\x01"}}\0', b'{"method":"a.b.C","parameters":{"a":"\\u0000"}}\0',
           b'{"method":"a.b.C","parameters":{"a":' + b"[" * 40 + b"]" * 40 + b"}}\0",
           b'{"method":"a.b.C","parameters":{"a":[' + b"{}," * 17000 + b"{}]}}\0",
           b'{"method":"a.b.C","parameters":{"a":[' + b"1," * 132000 + b"1]}}\0"]
    with Server() as s:
        before = s.fds()
        for message in bad:
            p = s.connect()
            # What came before it is answered, what comes behind it is not.
            p.send("Echo", {"text": "x"})
            p.send(raw=message + b'{"method":"org.example.test.Echo","parameters":{"text":"y"}}\0')
            assert p.read() == {"parameters": {"text": "x"}}, message
            assert p.closed(), message[:80]
            p.close()
        wait_for(lambda: s.fds() == before)
        s.stop()
        assert s.errors().count("closed:") == 1, "one complaint a minute: " + s.errors()


def test_accepts_what_it_may():
    with Server() as s:
        p = s.connect()
        p.send(raw=b'{"method":"org.example.test.Echo","parameters":{"text":"x","inner":null},'
                   b'"more":false,"com.example.trace":[1],"oneway":false,"upgrade":false}\0')
        assert p.read() == {"parameters": {"text": "x"}}
        p.send(raw=b'{"method":"org.example.test.Count","parameters":null}\0')
        assert "parameters" in p.read()
        text = "\u00e9\U0001f600\"\\/\n\t"
        assert p.call("Echo", {"text": text}) == {"parameters": {"text": text}}
        assert p.call("Echo", {"text": "x"}, more=True) == {"parameters": {"text": "x"}}, "more is only a wish"
        # A last key wins; nothing may break.
        p.send(raw=b'{"method":"org.example.test.Echo","parameters":{"text":"a","text":"b"}}\0')
        assert p.read() in ({"parameters": {"text": "b"}}, None)


def test_parameters_are_checked():
    with Server() as s:
        p = s.connect()
        for parameters, field in [(None, "text"), ({}, "text"), ({"text": 1}, "text"), ({"text": None}, "text"),
                                  ({"text": "x", "other": None}, "other"), ({"text": "x", "list": ["a", 1]}, "list"),
                                  ({"text": "x", "map": {"a": "b"}}, "map"), ({"text": "x", "real": "1"}, "real"),
                                  ({"text": "x", "inner": {"number": 1.5}}, "number"),
                                  ({"text": "x", "inner": {"kind": "three"}}, "kind"),
                                  ({"text": "x", "inner": {"number": "1"}}, "number"),
                                  ({"text": "x", "inner": {"deep": 1}}, "deep")]:
            assert p.call("Echo", parameters) == {"error": INVALID, "parameters": {"parameter": field}}, parameters
        good = {"text": "x", "inner": {"number": -2**63, "kind": "one"}, "list": [], "map": {"a": 2**63 - 1}, "real": 1}
        assert p.call("Echo", good) == {"parameters": {"text": "x"}}


def test_every_split():
    with Server() as s:
        p = s.connect()
        message = b'{"method":"org.example.test.Echo","parameters":{"text":"12"}}\0'
        for cut in range(len(message) + 1):
            p.send(raw=message[:cut])
            p.send(raw=message[cut:])
            assert p.read() == {"parameters": {"text": "12"}}
        for byte in message * 3:
            p.send(raw=bytes([byte]))
        for _ in range(3):
            assert p.read() == {"parameters": {"text": "12"}}


def test_oneway():
    with Server() as s:
        p = s.connect()
        for _ in range(10):
            p.send("Echo", {"text": "x"}, oneway=True)
        p.send("Echo", {"no": 1}, oneway=True)
        p.send("Fail", oneway=True)
        p.send("a.b.C", oneway=True)
        p.send("Stream", {"count": 5, "bytes": 1}, oneway=True)
        p.send("Later", {"ms": 5}, oneway=True)
        assert p.call("Count")["parameters"]["oneway"] == 10


def test_more():
    with Server() as s:
        p = s.connect()
        assert p.call("Stream", {"count": 3, "bytes": 1}) == {"error": "org.varlink.service.ExpectedMore"}
        p.send("Stream", {"count": 3, "bytes": 1}, more=True)
        replies = [p.read() for _ in range(3)]
        assert [r.get("continues") for r in replies] == [True, True, None]
        assert [r["parameters"]["n"] for r in replies] == [1, 2, 3]
        assert p.alive()


def test_upgrade_is_refused_and_the_connection_goes_on():
    with Server() as s:
        p = s.connect()
        assert p.call("Echo", {"text": "x"}, upgrade=True)["error"] == "org.varlink.service.MethodNotImplemented"
        assert p.alive()


def test_pipelined_calls_answer_in_order():
    with Server() as s:
        p = s.connect()
        p.send("Later", {"ms": 50})
        for i in range(500):
            p.send("Echo", {"text": str(i)})
        p.send("Stream", {"count": 3, "bytes": 1}, more=True)
        p.send("Echo", {"text": "last"})
        assert p.read() == {}
        assert [p.read()["parameters"]["text"] for _ in range(500)] == [str(i) for i in range(500)]
        assert [p.read()["parameters"]["n"] for _ in range(3)] == [1, 2, 3]
        assert p.read() == {"parameters": {"text": "last"}}


def test_half_close_still_gets_its_answers():
    with Server() as s:
        p = s.connect()
        p.send("Later", {"ms": 100})
        p.send("Stream", {"count": 2000, "bytes": 2000}, more=True)
        p.send("Echo", {"text": "end"})
        p.socket.shutdown(socket.SHUT_WR)
        assert p.read() == {}
        for i in range(2000):
            assert p.read()["parameters"]["n"] == i + 1
        assert p.read() == {"parameters": {"text": "end"}}
        assert p.closed()
        p.close()
        wait_for(lambda: count(s)["connections"] == 1)


def test_close_cancels_the_running_call():
    with Server() as s:
        before = s.fds()
        for shut in (False, True):
            p = s.connect()
            p.send("Hang")
            p.send("Echo", {"text": "never"})
            if shut:
                p.socket.shutdown(socket.SHUT_WR)
                time.sleep(0.02)
            p.close()
        p = s.connect()
        p.send("Later", {"ms": 20})
        p.close()
        p = s.connect()
        p.send("Stream", {"count": 1000000, "bytes": 1000}, more=True)
        p.read()
        p.close()
        wait_for(lambda: count(s)["gone"] == 4)
        wait_for(lambda: s.fds() == before)
        wait_for(lambda: count(s)["running"] == 0)


def test_reply_that_was_not_declared():
    with Server() as s:
        p = s.connect()
        p.send("Lie")
        assert p.closed()


# ---- descriptors ----

def pipe_with(data):
    r, w = os.pipe()
    os.write(w, data)
    os.close(w)
    return r


def test_fd():
    with Server() as s:
        before = s.fds()
        p = s.connect()
        fd = pipe_with(b"hello")
        assert p.call("ReadFd", {"fd": 0}, fds=[fd]) == {"parameters": {"data": "hello"}}
        assert p.call("ReadFd", {"fd": 1}, fds=[fd]) == {"error": INVALID, "parameters": {"parameter": "fd"}}
        assert p.call("ReadFd", {"fd": -1}, fds=[fd])["error"] == INVALID
        assert p.call("ReadFd", {"fd": 2**40}, fds=[fd])["error"] == INVALID
        assert p.call("ReadFd", {"fd": 0})["error"] == INVALID
        assert p.call("ReadFd", {}, fds=[fd])["error"] == INVALID
        assert p.call("ReadFd", {"fd": 0}, fds=[fd, fd])["error"] == INVALID
        assert p.call("ReadFd", {"fd": 0}, fds=[fd] * 16)["error"] == INVALID
        assert p.call("Echo", {"text": "x"}, fds=[fd])["error"] == INVALID
        reply = p.call("ReadFd", {"fd": 0}, fds=[fd] * 100)
        assert reply["error"] == "org.carbonfiles.remote.LocalError", reply
        assert p.alive()
        os.close(fd)
        p.close()
        wait_for(lambda: s.fds() == before)


def test_fd_belongs_to_the_message_it_came_with():
    with Server() as s:
        p = s.connect()
        fd = pipe_with(b"B's")
        a = b'{"method":"org.example.test.ReadFd","parameters":{"fd":0}}\0'
        # The first is begun, so that the server cannot read in between; the kernel joins A's end and B.
        p.send("Later", {"ms": 50})
        p.send(raw=a)
        p.send(raw=a, fds=[fd])
        assert p.read() == {}
        assert p.read()["error"] == INVALID
        assert p.read() == {"parameters": {"data": "B's"}}
        os.close(fd)


def test_fd_and_messages_in_one_sendmsg():
    with Server() as s:
        p = s.connect()
        fd = pipe_with(b"x")
        a = b'{"method":"org.example.test.Count"}\0'
        b = b'{"method":"org.example.test.ReadFd","parameters":{"fd":0}}\0'
        p.send(raw=a + b, fds=[fd])
        assert "parameters" in p.read()
        assert p.read() == {"parameters": {"data": "x"}}
        os.close(fd)


def test_fds_out_of_descriptors():
    import resource
    with Server(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))) as s:
        p = s.connect()
        fd = pipe_with(b"x")
        reply = p.call("ReadFd", {"fd": 0}, fds=[fd] * 200)
        assert reply["error"] == "org.carbonfiles.remote.LocalError", reply
        assert p.alive()
        os.close(fd)


# ---- limits ----

def test_request_size():
    with Server() as s:
        p = s.connect()
        empty = len(b'{"method":"org.example.test.Echo","parameters":{"text":""}}')
        room = 1024 * 1024 - empty
        message = b'{"method":"org.example.test.Echo","parameters":{"text":"%s"}}\0'
        p.send(raw=message % (b"x" * room))
        assert len(p.read()["parameters"]["text"]) == room
        try:
            p.send(raw=message % (b"x" * (room + 1)))
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert p.closed()
        q = s.connect()
        try:
            for _ in range(64):
                q.send(raw=b"x" * 65536)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert q.closed()


def test_reply_size():
    with Server() as s:
        p = s.connect()
        assert len(p.call("Big", {"bytes": 4 * 1024 * 1024 - 100})["parameters"]["fill"]) == 4 * 1024 * 1024 - 100
        p.send("Big", {"bytes": 4 * 1024 * 1024})
        assert p.closed()


def test_half_sent_request():
    with Server("200") as s:
        p, q, idle = s.connect(), s.connect(), s.connect()
        assert idle.alive()
        q.send("Later", {"ms": 600})
        q.send(raw=b'{"method":')  # not read while a call runs: the clock stands still
        start = time.monotonic()
        p.send(raw=b'{"method":')
        assert p.closed()
        assert 0.15 < time.monotonic() - start < 5
        assert q.read() == {}
        assert q.closed()
        assert idle.alive(), "an idle connection costs nothing"


def test_trickle_is_not_enough():
    with Server("300") as s:
        p = s.connect()
        start = time.monotonic()
        try:
            while time.monotonic() - start < 5:
                p.send(raw=b" ")
                time.sleep(0.01)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert time.monotonic() - start < 4
        p.close()


def test_connections():
    with Server() as s:
        before = s.fds()
        peers = [s.connect() for _ in range(64)]
        for p in peers:
            assert p.alive()
        for _ in range(300):
            extra = s.connect()
            assert extra.closed()
            extra.close()
        assert peers[0].alive()
        peers.pop().close()
        wait_for(lambda: (lambda p: (p.call("Count") or {}).get("parameters"))(s.connect()))
        for p in peers:
            p.close()
        wait_for(lambda: s.fds() == before)


def test_subscriptions():
    with Server() as s:
        peers = [s.connect() for _ in range(17)]
        for p in peers[:16]:
            p.send("Only", more=True)
        wait_for(lambda: count(s)["subscriptions"] == 16)   # connections are served in any order
        peers[16].send("Only", more=True)
        busy = peers[16].read()
        assert busy == {"error": "org.carbonfiles.remote.Busy", "parameters": {"what": "subscriptions", "limit": 16}}, busy
        assert count(s)["subscriptions"] == 16
        peers[0].close()
        wait_for(lambda: count(s)["subscriptions"] == 15)
        peers[16].send("Only", more=True)
        wait_for(lambda: count(s)["subscriptions"] == 16)
        for p in peers[1:]:
            p.close()
        wait_for(lambda: count(s)["subscriptions"] == 0)


def rss(server):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{server.process.pid}/status").read()).group(1))


def test_reader_that_never_reads():
    with Server() as s:
        other = s.connect()
        assert other.alive()
        start = rss(s)
        p, q, e = s.connect(), s.connect(), s.connect()
        p.send("Stream", {"count": 1000000, "bytes": 10000}, more=True)
        e.send("Events", {"count": 100000, "bytes": 10000}, more=True)
        q.socket.setblocking(False)
        sent = 0
        try:  # asks without end and never reads
            while sent < 50000:
                q.send("Echo", {"text": "x" * 1000})
                sent += 1
        except BlockingIOError:
            pass
        assert sent < 50000, "the server must stop reading"
        for _ in range(50):
            assert other.alive()
        assert rss(s) - start < 40000, f"{rss(s) - start} KiB"
        # The pausing stream loses nothing once it is read.
        for i in range(3000):
            assert p.read()["parameters"]["n"] == i + 1
        numbers = []
        while True:
            reply = e.read()
            numbers.append(reply["parameters"]["n"])
            if not reply.get("continues"):
                break
        assert reply["parameters"]["lost"] > 0 and numbers[-1] == 100000
        assert len(numbers) + reply["parameters"]["lost"] == 100000
        for peer in (p, q, e):
            peer.close()
        wait_for(lambda: count(s)["connections"] == 2)
        assert s.stop()["running"] == 0


def test_out_of_descriptors():
    import resource
    with Server(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))) as s:
        first = s.connect()
        assert first.alive()
        peers = [s.connect() for _ in range(40)]
        time.sleep(0.1)
        stat = lambda: sum(map(int, open(f"/proc/{s.process.pid}/stat").read().split()[13:15]))
        ticks = stat()
        time.sleep(0.5)
        assert stat() - ticks < 10, "accept spins"
        assert first.alive()
        for p in peers:
            p.close()

        # Those that left are still in the queue: who comes among them may be the one who is turned away.
        def served():
            late = s.connect()
            try:
                return late.alive()
            except (BrokenPipeError, ConnectionResetError):
                return False
            finally:
                late.close()
        wait_for(served)
        assert first.alive()


# ---- the socket ----

def test_socket_mode_and_removal():
    with Server() as s:
        assert oct(os.stat(s.path).st_mode & 0o777) == "0o600"
        p = s.connect()
        assert p.alive()
        s.stop()
        assert not os.path.exists(s.path)


def test_stale_socket_and_second_server():
    with Server() as s:
        with Server(path=s.path) as second:
            assert second.ready == ""
            assert second.process.wait(DEADLINE) == 1
            assert "another carbonfilesd listens" in second.errors()
        assert s.connect().alive()
        s.process.kill()
        s.process.wait()
        assert os.path.exists(s.path)
        with Server(path=s.path) as third:
            assert third.connect().alive()


def test_bad_paths():
    with tempfile.TemporaryDirectory() as d:
        file = os.path.join(d, "file")
        open(file, "w").close()
        os.mkdir(os.path.join(d, "open"))
        os.chmod(os.path.join(d, "open"), 0o777)
        for path, words in [("/" + "x" * 107, "107 bytes"), ("relative", "absolute"), (file, "not a socket"),
                            (os.path.join(d, "none", "s"), "No such file"), (os.path.join(d, "open", "s"), "chmod 700")]:
            with Server(path=path) as s:
                assert s.process.wait(DEADLINE) == 1
                assert words in s.errors(), s.errors()
        assert os.path.exists(file)
        long = os.path.join(d, "y" * (106 - len(d)))
        assert len(long) == 107
        with Server(path=long) as s:
            assert s.connect().alive()


def activated(listening):
    d = tempfile.mkdtemp(prefix="cf-ipc-")
    path = os.path.join(d, "s")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    client = None
    if listening:
        passed = listener
    else:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(path)
        passed = listener.accept()[0]
    os.set_inheritable(passed.fileno(), True)
    script = f'exec 3<&{passed.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@"'
    process = subprocess.Popen(["bash", "-c", script, SERVER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env={**os.environ, "LISTEN_FDNAMES": "varlink"}, pass_fds=[passed.fileno()])
    assert process.stdout.readline().startswith(b"ready")
    passed.close()
    if client:
        p = Peer.__new__(Peer)
        p.socket, p.buffer = client, b""
        client.settimeout(DEADLINE)
    else:
        p = Peer(path)
    assert p.alive()
    process.stdin.close()
    assert process.wait(DEADLINE) == 0
    process.stdout.close()
    assert os.path.exists(path), "the socket is systemd's"
    shutil.rmtree(d)


def test_socket_activation():
    activated(True)


def test_socket_activation_connected():
    activated(False)


def test_foreign_uid_is_refused():
    if os.geteuid() != 0:
        return "needs root"
    nobody = pwd.getpwnam("nobody").pw_uid
    other = 12345
    with Server() as s:
        os.chmod(s.dir, 0o755)
        os.chmod(s.path, 0o666)
        for uid in (other, nobody):
            child = os.fork()
            if child == 0:
                try:
                    os.setgroups([])
                    os.setgid(uid)
                    os.setuid(uid)
                    p = s.connect()
                    p.send("org.varlink.service.GetInfo")
                    os._exit(0 if p.read() is None else 1)
                except (BrokenPipeError, ConnectionResetError):
                    os._exit(0)
                except BaseException:  # pylint: disable=broad-except
                    os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, f"uid {uid} was served"
        assert s.connect().alive()


# ---- speed: printed, never judged ----

def test_speed():
    with Server() as s:
        p = s.connect()
        message = b'{"method":"org.carbonfiles.daemon.GetVersion"}\0'
        n, replies = 20000, 0
        start = time.monotonic()
        p.socket.setblocking(False)
        left = memoryview(message * n)
        while replies < n:
            try:
                if left:
                    left = left[p.socket.send(left[:65536]):]
            except BlockingIOError:
                pass
            try:
                replies += p.socket.recv(1 << 20).count(b"\0")
            except BlockingIOError:
                pass
        took = time.monotonic() - start
        p.socket.setblocking(True)
        times = []
        for _ in range(2000):
            t = time.perf_counter()
            p.socket.sendall(message)
            p.socket.recv(4096)
            times.append(time.perf_counter() - t)
        times.sort()
        print(f"# {n / took:.0f} pipelined calls a second, round trip {times[1000] * 1e6:.0f} us median")


def main():
    only = sys.argv[1:]
    tests = [(n, f) for n, f in sorted(globals().items()) if n.startswith("test_") and (not only or n in only)]
    print(f"1..{len(tests)}")
    failed = 0
    for i, (name, function) in enumerate(tests, 1):
        try:
            skip = function()
            print(f"ok {i} - {name}" + (f" # SKIP {skip}" if skip else ""), flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {i} - {name}", flush=True)
            print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()), end="", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

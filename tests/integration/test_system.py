#!/usr/bin/env python3
"""carbonfilesd --system as a service manager runs it: its directories and credentials, who may do what, how many, one
instance, sockets handed over, and what it tells the manager."""
import contextlib
import json
import os
import re
import signal
import socket
import sys

from cf import Closed, Connection, Skip, VarlinkError, assert_equal, main, test, wait_until
from cf.process import source_dir

STRANGERS, NEWCOMER = (65530, 65531, 65532), 65528     # user ids of nobody
OVERFLOW = 65534                      # what the kernel calls somebody that it cannot name here
WATCHDOG_USEC = 900000
PER_USER, IN_ALL = 64, 256            # carbonfilesd-ipc(7), LIMITS
INTERFACES = ('org.carbonfiles.daemon', 'org.carbonfiles.sync', 'org.carbonfiles.remote')
# What those may ask who are neither root nor the service's own user nor members of its group.
FREE = {'GetVersion', 'GetStatus', 'GetConfig', 'GetLogLevel', 'Watch'}


def system(w, mode=0o660):
    """The daemon of a world made with daemon=False, with the directories of a service; others can reach its socket
    where its mode allows it."""
    d = w.daemon
    for variable, name in (('CONFIGURATION_DIRECTORY', 'etc'), ('STATE_DIRECTORY', 'lib'), ('RUNTIME_DIRECTORY', 'rundir'),
                           ('CREDENTIALS_DIRECTORY', 'credentials')):
        path = os.path.join(w.base, name)
        os.makedirs(path, mode=0o700, exist_ok=True)
        d.environment[variable] = path
    d.config, d.state = os.path.join(w.base, 'etc'), os.path.join(w.base, 'lib')
    d.socket_path = os.path.join(w.base, 'rundir/org.carbonfiles')
    os.chmod(w.base, 0o755)
    os.chmod(os.path.join(w.base, 'rundir'), 0o755)
    d.settings(settle_open_ms=200, delete_settle_ms=150)
    return d


def start_open(w):
    """Started, and its socket open to everybody, as a socket unit can make it."""
    if os.geteuid() != 0:
        raise Skip('only root can become another user')
    d = system(w).start('--system')
    os.chmod(d.socket_path, 0o666)
    return d


@contextlib.contextmanager
def somebody(uid, function, groups=()):
    """function(say, wait) in a process of that user: say(value) gives a value to this side, wait() waits until this
    side asks for the next with the function that it gets here, or is done."""
    mine, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            mine.close()
            os.setgroups(list(groups))
            os.setgid(uid)
            os.setuid(uid)
            function(lambda value: theirs.sendall(json.dumps(value).encode() + b'\n'), lambda: theirs.recv(1))
            code = 0
        except BaseException as error:
            with contextlib.suppress(OSError):
                theirs.sendall(json.dumps({'raised': repr(error)}).encode() + b'\n')
        finally:
            os._exit(code)
    theirs.close()
    mine.settimeout(30)
    lines = mine.makefile('r')
    first = True

    def ask():
        nonlocal first
        if not first:
            mine.sendall(b'.')
        first = False
        return json.loads(lines.readline())
    try:
        yield ask
    finally:
        lines.close()
        mine.close()
        os.waitpid(child, 0)


def outcome(path, method, parameters=None, **flags):
    """What comes of one call: 'ok', the error's name, or 'closed'."""
    try:
        with Connection(path, seconds=10) as c:
            c.send(method, parameters, **flags)
            c.reply()
            return 'ok'
    except VarlinkError as error:
        return error.name.rpartition('.')[2]
    except (Closed, ConnectionResetError, BrokenPipeError):
        return 'closed'
    except PermissionError:
        return 'no permission'


def methods():
    """Every method of the installed interfaces: (full name, needs more)."""
    for interface in INTERFACES:
        with open(os.path.join(source_dir(), f'conf/{interface}.varlink'), encoding='utf-8') as f:
            text = f.read()
        for comment, name in re.findall(r'((?:^#.*\n)*)^method (\w+)', text, re.M):
            yield f'{interface}.{name}', "Requires 'more'" in comment


def descriptors(d):
    return len(os.listdir(f'/proc/{d.pid}/fd'))


def descriptors_at_rest(d):
    """Once what the start left to be done is done: their number stays the same for a while."""
    seen = [0]

    def steady():
        seen.append(descriptors(d))
        return len(set(seen[-20:])) == 1 and len(seen) > 20
    wait_until(steady, 10, 'a daemon at rest')
    return seen[-1]


@test('the directories and credentials of the service', daemon=False, files={'a': b'1'})
def _(w):
    d = system(w)
    other = w.server.create_bucket('other')
    for name, secret in (('token', w.server.admin_key), ('work', w.server.admin_key), ('nobody', 'unused')):
        with open(os.path.join(w.base, 'credentials', name), 'w') as f:
            f.write(secret + '\n')
        os.chmod(f.name, 0o400)
    for name in ('default', 'work', 'bare'):
        d.write_config(f'profiles/{name}.conf', f"url = '{w.server.url}'\n")
    d.start('--system')
    status = d.call('daemon.GetStatus')
    assert_equal((status['mode'], status['uid']), ('system', os.geteuid()))
    assert_equal(os.stat(d.socket_path).st_mode & 0o777, 0o660)
    profiles = {p['name']: (p['auth'], p['state']) for p in d.call('remote.ListProfiles')['profiles']}
    assert_equal(profiles['bare'][0], 'none')
    assert_equal((profiles['default'][0], profiles['work'][0]), ('admin_key', 'admin_key'))
    # Both work, and nobody can put another in their place from here.
    d.add(w.root, w.bucket, profile='default')
    d.wait_in_sync()
    w.assert_equal_sides()
    elsewhere = os.path.join(w.base, 'elsewhere')
    os.mkdir(elsewhere)
    d.add(elsewhere, other, name='other', profile='work')
    d.wait_in_sync('other')
    try:
        d.login(w.server.url, w.server.admin_key, profile='work')
        raise AssertionError('a credential of the service was replaced')
    except VarlinkError as error:
        assert error.name.endswith('LocalError') and error.parameters['name'] == 'EROFS', error
    # Everything is where the service says, nothing where a user's daemon would put it, no secret anywhere.
    assert os.path.exists(os.path.join(d.state, 'index.db')) and os.path.exists(os.path.join(d.config, 'pairs/docs.conf'))
    for variable in ('XDG_CONFIG_HOME', 'XDG_STATE_HOME', 'XDG_RUNTIME_DIR', 'HOME'):
        assert_equal(os.listdir(d.directories[variable]), [], variable)
    for top in (d.config, d.state):
        for where, _, names in os.walk(top):
            for name in names:
                with open(os.path.join(where, name), 'rb') as f:
                    assert w.server.admin_key.encode() not in f.read(), os.path.join(where, name)
    assert w.server.admin_key not in d.log()
    # A credential that changed counts after a restart.
    os.chmod(os.path.join(w.base, 'credentials/token'), 0o600)
    with open(os.path.join(w.base, 'credentials/token'), 'w') as f:
        f.write('another\n')
    d.terminate()
    d.start('--system')
    w.write('b', b'2')
    w.wait_status(lambda s: s['state'] == 'login_required', what='the new credential refused')
    assert 'b' not in w.remote()


@test('a directory that somebody else could write is refused, and says which', server=False, daemon=False)
def _(w):
    d = system(w)
    for variable, name in (('CONFIGURATION_DIRECTORY', 'etc'), ('STATE_DIRECTORY', 'lib'), ('RUNTIME_DIRECTORY', 'rundir')):
        path = os.path.join(w.base, name)
        os.chmod(path, 0o777)
        d.start('--system', ready=False)
        assert_equal(d.wait(), 1)
        assert path in d.log_tail().splitlines()[-1] and 'chmod' in d.log_tail(), d.log_tail()
        os.chmod(path, 0o755)
        d.environment[variable] = 'relative/path'
        d.start('--system', ready=False)
        assert_equal(d.wait(), 1)
        assert f'{variable}=relative/path' in d.log_tail().splitlines()[-1], d.log_tail()
        d.environment[variable] = path + ':/nonexistent/second'     # several: the first counts
    d.start('--system')
    d.call('daemon.GetStatus')


@test('another user asks for versions, state and settings, and for nothing else', server=False, daemon=False)
def _(w):
    d = start_open(w)
    everything = list(methods())
    assert len(everything) > 60, everything

    def stranger(say, wait):
        say({name: outcome(d.socket_path, name, more=more) for name, more in everything})
    with somebody(STRANGERS[0], stranger) as ask:
        got = ask()
    for name, _ in everything:
        wanted = ('ok',) if name in {'org.carbonfiles.daemon.' + m for m in FREE} else \
            ('PermissionDenied', 'MethodNotImplemented')
        assert got[name] in wanted, (name, got[name])
    for name in ('sync.List', 'sync.Add', 'remote.ListProfiles', 'remote.Login', 'daemon.SetConfig', 'daemon.Reload',
                 'daemon.Diagnose'):
        assert_equal(got['org.carbonfiles.' + name], 'PermissionDenied', name)
    # root may, and nothing of this has changed anything.
    assert_equal(d.call('sync.List'), {'pairs': []})


@test('who cannot be named is not let in; nor is anybody else while the socket is closed to others', server=False,
      daemon=False)
def _(w):
    d = start_open(w)

    def ask_version(say, wait):
        say(outcome(d.socket_path, 'org.carbonfiles.daemon.GetVersion'))
    with somebody(OVERFLOW, ask_version) as ask:
        assert_equal(ask(), 'closed')
    assert f'uid {OVERFLOW}' in d.log() and 'not allowed to connect' in d.log(), d.log()
    with somebody(STRANGERS[0], ask_version) as ask:
        assert_equal(ask(), 'ok')
    os.chmod(d.socket_path, 0o660)
    with somebody(STRANGERS[0], ask_version) as ask:
        assert_equal(ask(), 'no permission')


@test('members of the group carbonfilesd may do everything, and the socket is theirs', server=False, daemon=False)
def _(w):
    if os.geteuid() != 0:
        raise Skip('only root can become another user')
    gid, groups = 65529, os.path.join(w.base, 'group')
    with open('/etc/group') as f, open(groups, 'w') as out:
        out.write(''.join(line for line in f if not line.startswith('carbonfilesd:')) + f'carbonfilesd:x:{gid}:\n')
    inside = ('unshare', '--mount', 'sh', '-c', f'mount --bind {groups} /etc/group && exec "$@"', 'sh')
    if os.system(' '.join(inside[:2]) + f' sh -c "mount --bind {groups} /etc/group" 2>/dev/null') != 0:
        raise Skip('no mount namespaces here')
    d = system(w).start('--system', prefix=inside)
    st = os.stat(d.socket_path)
    assert_equal((st.st_mode & 0o777, st.st_gid), (0o660, gid))

    def member(say, wait):
        say(outcome(d.socket_path, 'org.carbonfiles.sync.List'))
    with somebody(STRANGERS[0], member, groups=[gid]) as ask:
        assert_equal(ask(), 'ok')
    with somebody(STRANGERS[0], member) as ask:
        assert_equal(ask(), 'no permission')


@test('a second instance is refused, and the first goes on', server=False, daemon=False)
def _(w):
    d = system(w).start('--system')
    second = type(d)(os.path.join(w.base, 'second'))
    second.environment = dict(d.environment)
    try:
        for _ in range(2):
            second.start('--system', ready=False)
            assert_equal(second.wait(), 1)
            assert f'carbonfilesd runs already, as process {d.pid}' in second.log_tail(), second.log_tail()
        # With a state directory of its own it stops at the socket.
        second.environment['STATE_DIRECTORY'] = os.path.join(w.base, 'second/lib')
        second.start('--system', ready=False)
        assert_equal(second.wait(), 1)
        assert f'another carbonfilesd listens at {d.socket_path}' in second.log_tail(), second.log_tail()
    finally:
        second.kill()
        second.notify.close()
    assert os.path.exists(d.socket_path)
    assert_equal(d.call('daemon.GetStatus')['pid'], d.pid)
    # Killed, it leaves its lock and socket lying about, and both are taken up again.
    d.kill()
    d.start('--system')
    d.call('daemon.GetStatus')


def hand_over(w, sockets, names):
    """Starts the daemon with these sockets as descriptors 3, 4, ... under those names."""
    d = w.daemon
    numbers = [s.fileno() for s in sockets]
    # Out of the way first: a number may be another's target.
    script = ''.join(f'exec {50 + i}<&{n} {n}<&-; ' for i, n in enumerate(numbers))
    script += ''.join(f'exec {3 + i}<&{50 + i} {50 + i}<&-; ' for i in range(len(numbers)))
    d.pass_fds = tuple(numbers)
    return d.start('--system', prefix=('bash', '-c', f'{script}export LISTEN_PID=$$ LISTEN_FDS={len(numbers)} '
                                       f'LISTEN_FDNAMES={":".join(names)}; exec "$@"', 'bash'))


@test('sockets handed over: those named varlink are served, listening or connected, and another is closed', server=False,
      daemon=False)
def _(w):
    system(w)
    path = os.path.join(w.base, 'handed')
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(16)
    ours, connected = socket.socketpair()
    other, theirs = socket.socketpair()
    early = Connection(path)
    early.send('org.carbonfiles.daemon.GetStatus')
    d = hand_over(w, (listener, connected, theirs), ('varlink', 'varlink', 'http'))
    connected.close()
    theirs.close()
    assert_equal(early.reply()[0]['mode'], 'system')
    ours.settimeout(10)
    ours.sendall(b'{"method":"org.carbonfiles.daemon.GetStatus"}\0')
    assert b'"mode":"system"' in ours.recv(65536)
    other.settimeout(10)
    assert_equal(other.recv(1), b'')
    assert 'FileDescriptorName=varlink' in d.log(), d.log()
    assert not os.path.exists(d.socket_path), 'with a socket handed over it makes none of its own'
    early.close()
    ours.close()
    other.close()
    d.expected_dead = True
    d.terminate()
    assert os.path.exists(path), 'the socket is the manager\'s'
    listener.close()


@test('READY when it answers, RELOADING and READY with SIGHUP, STOPPING at the end', server=False, daemon=False)
def _(w):
    d = system(w).start('--system')
    with d.connect() as c:     # at once: READY means that it listens
        assert_equal(c.call('org.carbonfiles.daemon.GetStatus')['state'], 'running')
    d.settings(settle_ms=123)
    d.signal(signal.SIGHUP)
    lines = d.wait_notify('RELOADING=1')
    stamp = [line for line in lines if line.startswith('MONOTONIC_USEC=')]
    assert len(stamp) == 1 and int(stamp[0].partition('=')[2]) > 0, lines     # Type=notify-reload wants it
    d.wait_notify('READY=1')
    values = {s['key']: s['value'] for s in d.call('daemon.GetConfig')['settings']}
    assert_equal(values['settle_ms'], '123')
    # A file that is refused changes nothing, and the reload ends all the same.
    d.write_config('carbonfilesd.conf', 'settle_ms = soon\n')
    d.signal(signal.SIGHUP)
    d.wait_notify('RELOADING=1')
    d.wait_notify('READY=1')
    values = {s['key']: s['value'] for s in d.call('daemon.GetConfig')['settings']}
    assert_equal(values['settle_ms'], '123')
    assert 'settle_ms' in d.log() and 'carbonfilesd.conf:1' in d.log(), d.log()
    d.expected_dead = True
    d.signal(signal.SIGTERM)
    d.wait_notify('STOPPING=1')
    assert_equal(d.wait(), 0)


@test('no READY from one that cannot start; a configuration that cannot be used is status 78', server=False,
      daemon=False)
def _(w):
    d = system(w)
    d.write_config('carbonfilesd.conf', 'no_such_key = 1\n')
    d.start('--system', ready=False)
    assert_equal(d.wait(), 78)
    d.notify.setblocking(False)
    try:
        raise AssertionError(d.notify.recv(65536))
    except BlockingIOError:
        pass
    assert not os.path.exists(d.socket_path)


def fed(d, seconds):
    """Is the watchdog fed within so many seconds?"""
    try:
        d.wait_notify('WATCHDOG=1', seconds)
        return True
    except AssertionError:
        d.check_running()
        return False


def drop_messages(d):
    d.notify.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            d.notify.recv(65536)


@test('the watchdog is fed only while the workers live, too', server=False, daemon=False)
def _(w):
    d = system(w)
    d.environment['WATCHDOG_USEC'] = str(WATCHDOG_USEC)
    d.start('--system')
    assert fed(d, 5)
    # A worker that reads a pipe nobody writes is as stuck as one on a dead disk.
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with d.connect() as c:
        c.send('org.carbonfiles.remote.Login', {'profile': 'p', 'url': 'http://127.0.0.1:1', 'secret_fd': 0}, fds=[reader])
        os.close(reader)
        d.wait_log('the watchdog is not fed')
        drop_messages(d)
        # The loop comes round meanwhile, but that is not enough.
        for _ in range(3):
            assert_equal(d.call('daemon.GetStatus')['state'], 'running')
            assert not fed(d, WATCHDOG_USEC / 1e6 / 2)
    # Given up with its connection, and all is well.
    assert fed(d, 5)
    assert_equal(d.log().count('the watchdog is not fed'), 1)
    os.close(writer)


@test('the watchdog of another process is not ours', server=False, daemon=False)
def _(w):
    d = system(w)
    d.environment.update(WATCHDOG_USEC=str(WATCHDOG_USEC), WATCHDOG_PID='1')
    d.start('--system')
    assert not fed(d, 2 * WATCHDOG_USEC / 1e6)


class Closer:
    """Connections that were made, and which of them are still open."""
    def __init__(self, path):
        self.path, self.open = path, []

    def add(self, n):
        """How many of n more are let in."""
        before = len(self.open)
        for _ in range(n):     # one after another: the queue of the socket is shorter than this
            c = Connection(self.path, seconds=20)
            try:
                c.call('org.carbonfiles.daemon.GetVersion')
                self.open.append(c)
            except (Closed, ConnectionResetError, BrokenPipeError):
                c.close()
        return len(self.open) - before

    def answered(self):
        for c in self.open:
            c.call('org.carbonfiles.daemon.GetVersion')
        return len(self.open)

    def close(self):
        for c in self.open:
            c.close()
        self.open = []


@test('64 connections a user: the next is refused by name, others are let in, and all is given back', server=False,
      daemon=False)
def _(w):
    d = start_open(w)
    before = descriptors_at_rest(d)
    root = Closer(d.socket_path)
    assert_equal(root.add(PER_USER + 3), PER_USER)
    assert 'too many connections of this user' in d.log() and 'uid 0' in d.log(), d.log()

    def stranger(say, wait):
        say(Closer(d.socket_path).add(2))
    with somebody(STRANGERS[0], stranger) as ask:
        assert_equal(ask(), 2)
    assert_equal(root.answered(), PER_USER)
    root.open.pop().close()
    wait_until(lambda: root.add(1) == 1, 10, 'a place that is free again')
    root.close()
    wait_until(lambda: descriptors(d) == before, 10, 'the descriptors given back')
    assert_equal(d.call('daemon.GetStatus')['connections'], 1)


@test('256 connections in all: the next is refused by name, those there go on, and all is given back', server=False,
      daemon=False)
def _(w):
    d = start_open(w)
    before = descriptors_at_rest(d)
    root = Closer(d.socket_path)

    def stranger(say, wait):
        mine = Closer(d.socket_path)
        say(mine.add(PER_USER))
        wait()
        say(mine.answered())
        wait()
        mine.close()
        say(0)

    def newcomer(say, wait):
        say(outcome(d.socket_path, 'org.carbonfiles.daemon.GetVersion'))
    with contextlib.ExitStack() as stack:
        asks = [stack.enter_context(somebody(uid, stranger)) for uid in STRANGERS]
        for ask in asks:
            assert_equal(ask(), PER_USER)
        assert_equal(root.add(IN_ALL - PER_USER * len(STRANGERS)), IN_ALL - PER_USER * len(STRANGERS))
        with somebody(NEWCOMER, newcomer) as ask:
            assert_equal(ask(), 'closed')
        assert re.search(rf'uid {NEWCOMER}, pid \d+ closed: too many connections \(', d.log()), d.log()
        assert_equal(root.open[0].call('org.carbonfiles.daemon.GetStatus')['connections'], IN_ALL)
        assert_equal(descriptors(d), before + IN_ALL)
        for ask in asks:
            assert_equal(ask(), PER_USER)
        assert_equal(root.answered(), IN_ALL - PER_USER * len(STRANGERS))
        for ask in asks:
            assert_equal(ask(), 0)
        # Their places are free for others.
        wait_until(lambda: root.open[0].call('org.carbonfiles.daemon.GetStatus')['connections'] == len(root.open), 10,
                   'the others gone')
        with somebody(NEWCOMER, newcomer) as ask:
            assert_equal(ask(), 'ok')
    root.close()
    wait_until(lambda: descriptors(d) == before, 10, 'the descriptors given back')


@test('data of transfers comes by a descriptor, never by a path that the daemon would open for others', daemon=False,
      files={'up': b'data'})
def _(w):
    d = system(w).start('--system')
    d.login(w.server.url, w.server.admin_key)
    with d.connect() as c:
        for method in ('Upload', 'Download', 'AppendFile'):
            try:
                c.call('org.carbonfiles.remote.' + method, {'bucket': w.bucket, 'path': 'up', 'local_path': w.path('up')})
                raise AssertionError(f'{method} took a path')
            except VarlinkError as error:
                assert_equal((error.name.rpartition('.')[2], error.parameters), ('InvalidParameter', {'parameter': 'local_path'}))
        with open(w.path('up'), 'rb') as f:
            c.call('org.carbonfiles.remote.Upload', {'bucket': w.bucket, 'path': 'up', 'fd': 0}, fds=[f.fileno()])
    assert_equal(list(w.remote()), ['up'])


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""The daemon's own life: ready, watchdog, socket activation, reload, an orderly end, and nothing at all when idle."""
import os
import signal
import socket
import sys
import time

from cf import Connection, Skip, assert_equal, main, test, wait_until

STOP_SECONDS = 5    # promised in carbonfilesd(8)
IDLE_SECONDS = float(os.environ.get('TESTS_IDLE_SECONDS', '15'))


@test('ready, version, interfaces', server=False, quick=True)
def _(w):
    version = w.daemon.call('daemon.GetVersion')
    assert version['version'], version
    info = w.daemon.call('org.varlink.service.GetInfo')
    for interface in ('org.varlink.service', 'org.carbonfiles.daemon', 'org.carbonfiles.sync', 'org.carbonfiles.remote'):
        assert interface in info['interfaces'], info
        text = w.daemon.call('org.varlink.service.GetInterfaceDescription', {'interface': interface})['description']
        assert f'interface {interface}' in text
    status = w.daemon.call('daemon.GetStatus')
    assert_equal((status['mode'], status['uid'], status['pid']), ('user', os.geteuid(), w.daemon.pid))
    mode = os.stat(w.daemon.socket_path).st_mode
    assert_equal(mode & 0o777, 0o600)


@test('SIGTERM: STOPPING=1 and status 0, the socket gone', files={'a': b'1'})
def _(w):
    w.daemon.expected_dead = True
    w.daemon.signal(signal.SIGTERM)
    w.daemon.wait_notify('STOPPING=1')
    assert_equal(w.daemon.wait(STOP_SECONDS + 2), 0)
    assert not os.path.exists(w.daemon.socket_path)


@test('SIGTERM in the middle of a large upload: within 5 s, and the next start finishes it')
def _(w):
    w.server.fault('delay', 'put', ms=60000, times=1)
    w.write('large', os.urandom(1 << 20) * 20)
    wait_until(lambda: w.server.seen()['in_flight'] > 0, 20, 'the upload under way')
    w.daemon.expected_dead = True
    began = time.monotonic()
    w.daemon.terminate(STOP_SECONDS + 5)
    assert time.monotonic() - began < STOP_SECONDS + 1
    w.server.clear_faults()
    w.daemon.expected_dead = False
    w.daemon.start()
    w.sync(60)
    w.assert_equal_sides()
    assert_equal(w.daemon.held(), [])


@test('SIGHUP: RELOADING=1, then READY=1, with the new settings', server=False)
def _(w):
    w.daemon.settings(settle_ms=123)
    w.daemon.signal(signal.SIGHUP)
    w.daemon.wait_notify('RELOADING=1')
    w.daemon.wait_notify('READY=1')
    values = {s['key']: s['value'] for s in w.daemon.call('daemon.GetConfig')['settings']}
    assert_equal(values['settle_ms'], '123')


@test('the watchdog is fed, and no longer once the loop stands still', server=False, daemon=False)
def _(w):
    w.daemon.environment['WATCHDOG_USEC'] = '600000'
    w.daemon.start()
    for _ in range(3):
        w.daemon.wait_notify('WATCHDOG=1', 5)
    w.daemon.signal(signal.SIGSTOP)
    w.daemon.notify.setblocking(False)
    try:
        while True:
            w.daemon.notify.recv(65536)
    except BlockingIOError:
        pass    # what was on the way is read
    w.daemon.signal(signal.SIGCONT)
    w.daemon.wait_notify('WATCHDOG=1', 5)


@test('socket activation: the descriptor named varlink is used', server=False, daemon=False)
def _(w):
    path = os.path.join(w.base, 'activated')
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(16)
    # A call made before the daemon runs waits in the socket's queue.
    early = Connection(path)
    early.send('org.varlink.service.GetInfo')
    passed = listener.fileno()
    shell = f'exec 3<&{passed}; ' if passed != 3 else ''
    prefix = ('sh', '-c', shell + 'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=varlink; exec "$@"', 'sh')
    os.set_inheritable(passed, True)
    w.daemon.pass_fds = (passed,)
    w.daemon.start(prefix=prefix)
    assert 'org.carbonfiles.sync' in early.reply()[0]['interfaces']
    early.close()
    w.daemon.expected_dead = True
    w.daemon.terminate()
    listener.close()
    assert os.path.exists(path), 'the socket belongs to systemd and stays'


@test('idle is idle: no request, no wake-up', seconds=IDLE_SECONDS + 60,
      files={f'd{i % 9}/f{i}': b'%d' % i for i in range(500)})
def _(w):
    w.sync()
    wait_until(lambda: w.daemon.status()['state'] == 'idle', 20, 'state idle')

    # What the last work left to be done (a timer, a connection to close) may still happen: wait for stillness, then
    # measure it.
    def still():
        before = w.daemon.wakeups()
        time.sleep(2)
        return w.daemon.wakeups() == before
    wait_until(still, 40, 'the daemon at rest')
    requests, wakeups = w.server.count(), w.daemon.wakeups()
    time.sleep(IDLE_SECONDS)
    assert_equal((w.server.count() - requests, w.daemon.wakeups() - wakeups), (0, 0))
    w.write('after', b'1')
    w.wait_equal_sides()


@test('an IPC call is answered while a hundred calls are pipelined and a peer sends half a message', server=False)
def _(w):
    half = w.daemon.connect()
    half.send_bytes(b'{"method":"org.varlink.serv')
    with w.daemon.connect() as many:
        for _ in range(100):
            many.send('org.carbonfiles.daemon.GetVersion')
        with w.daemon.connect() as other:
            other.call('org.carbonfiles.daemon.GetStatus', seconds=5)
        for _ in range(100):
            many.reply()
    half.close()
    w.daemon.call('daemon.GetStatus')


@test('another user is refused at the socket', server=False)
def _(w):
    if os.geteuid() != 0:
        raise Skip('only root can become another user')
    for path in (w.base, w.daemon.directories['XDG_RUNTIME_DIR'], os.path.dirname(w.daemon.socket_path)):
        os.chmod(path, 0o755)
    os.chmod(w.daemon.socket_path, 0o666)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65533)
            os.setuid(65533)
            with Connection(w.daemon.socket_path, seconds=5) as c:
                c.send('org.varlink.service.GetInfo')
                try:
                    c.reply()
                except Exception as refused:     # closed without a word, or reset
                    code = 0 if type(refused).__name__ in ('Closed', 'ConnectionResetError', 'BrokenPipeError') else 2
        except (ConnectionResetError, BrokenPipeError):
            code = 0
        finally:
            os._exit(code)
    assert_equal(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)


if __name__ == '__main__':
    sys.exit(main())

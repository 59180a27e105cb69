"""carbonfilesd on directories of its own, and cfctl talking to it."""
import os
import socket
import subprocess

from . import varlink
from .process import Process, program
from .wait import Deadline

READY_SECONDS = 15
CFCTL_SECONDS = 30


class Daemon(Process):
    name = 'carbonfilesd'

    def __init__(self, base):
        super().__init__(os.path.join(base, 'daemon.log'))
        self.base = base
        self.directories = {
            'XDG_CONFIG_HOME': os.path.join(base, 'config'),
            'XDG_STATE_HOME': os.path.join(base, 'state'),
            'XDG_RUNTIME_DIR': os.path.join(base, 'run'),
            'XDG_DATA_HOME': os.path.join(base, 'data'),
            'HOME': os.path.join(base, 'home'),
        }
        for path in self.directories.values():
            os.makedirs(path, mode=0o700, exist_ok=True)
        self.config = os.path.join(base, 'config/carbonfilesd')
        self.state = os.path.join(base, 'state/carbonfilesd')
        self.socket_path = os.path.join(base, 'run/carbonfilesd/org.carbonfiles')
        self.trash = os.path.join(base, 'data/Trash')
        self.notify = None
        self.environment = {}   # a test may add to it before start()
        self.pass_fds = ()

    def env(self):
        keep = {k: v for k, v in os.environ.items()
                if k in ('PATH', 'LC_ALL', 'LANG', 'TMPDIR') or k.endswith('SAN_OPTIONS')}
        if os.geteuid() != 0:
            # The daemon is not dumpable, so LeakSanitizer may look into it only as root.
            keep['ASAN_OPTIONS'] = ':'.join(filter(None, (keep.get('ASAN_OPTIONS'), 'detect_leaks=0')))
        return {**keep, **self.directories, 'NO_PROXY': '*', **self.environment}

    def settings(self, **values):
        """Writes carbonfilesd.conf; text is quoted, numbers are not."""
        self.write_config('carbonfilesd.conf', ''.join(
            f'{key} = {value}\n' if isinstance(value, int) else f"{key} = '{value}'\n"
            for key, value in values.items()))

    def write_config(self, name, text):
        path = os.path.join(self.config, name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, 'w', opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
            f.write(text)

    def start(self, *arguments, ready=True, prefix=()):
        """Starts it and, unless told otherwise, waits for READY=1 on the notify socket."""
        path = os.path.join(self.base, 'notify')
        if self.notify:
            self.notify.close()
        if os.path.exists(path):
            os.unlink(path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(path)
        self.spawn([*prefix, program('daemon/carbonfilesd'), *arguments], {**self.env(), 'NOTIFY_SOCKET': path},
                   pass_fds=self.pass_fds)
        self.expected_dead = not ready
        if ready:
            self.wait_notify('READY=1')
        return self

    def wait_notify(self, wanted, seconds=READY_SECONDS):
        """Waits for a line of the notify protocol and returns the datagram that holds it."""
        deadline = Deadline(seconds, f'{wanted} from carbonfilesd')
        while True:
            self.notify.settimeout(min(0.2, deadline.left()))
            try:
                lines = self.notify.recv(65536).decode().split('\n')
            except socket.timeout:
                self.check_running()
                continue
            if wanted in lines:
                return lines

    def restart(self):
        self.terminate()
        return self.start()

    def connect(self, **options):
        return varlink.Connection(self.socket_path, **options)

    def call(self, method, parameters=None, **options):
        """One call on a connection of its own; methods without an interface are org.carbonfiles.sync's."""
        with self.connect() as connection:
            return connection.call(self._full(method), parameters, **options)

    def stream(self, method, parameters=None, **options):
        with self.connect() as connection:
            yield from connection.stream(self._full(method), parameters, **options)

    @staticmethod
    def _full(method):
        if method[0].islower():     # daemon.Reload, remote.Login, or a full name
            interface, _, name = method.rpartition('.')
            return method if '.' in interface else f'org.carbonfiles.{method}'
        return 'org.carbonfiles.sync.' + method

    def login(self, url, secret, profile='default', **options):
        parameters = {'profile': profile, 'url': url, **options}
        if secret is not None:
            parameters['secret'] = secret
        return self.call('remote.Login', parameters)['profile']

    def add(self, local_path, bucket, name='docs', mode='mirror', **options):
        """Adds a pair; options that are no field of Spec go beside it."""
        outside = {k: options.pop(k) for k in ('create_bucket', 'paused', 'upload_token') if k in options}
        spec = {'name': name, 'bucket': bucket, 'local_path': os.fsdecode(local_path), 'mode': mode, **options}
        return self.call('Add', {'spec': spec, **outside})

    def status(self, name='docs'):
        statuses = self.call('GetStatus', {'name': name})['statuses']
        assert len(statuses) == 1, statuses
        return statuses[0]

    def wait_in_sync(self, name='docs', seconds=30):
        """The barrier: what is on disk now is on the server when this returns."""
        deadline = Deadline(seconds, f'pair {name} in sync')
        timeout = max(1, int(deadline.seconds))
        status = self.call('Wait', {'name': name, 'timeout_seconds': timeout}, seconds=timeout + 10)['statuses'][0]
        if not status['in_sync']:
            raise AssertionError(f'not in sync: {status}')
        return status

    def held(self, name='docs'):
        return [h for reply in self.stream('ListHeld', {'name': name}) for h in reply['held']]

    def skipped(self, name='docs'):
        return [s for reply in self.stream('ListSkipped', {'name': name}) for s in reply['skipped']]

    def history(self, name='docs'):
        return [e for reply in self.stream('ListHistory', {'name': name}) for e in reply['entries']]

    def cfctl(self, *arguments, input=None, seconds=CFCTL_SECONDS, env=None):
        """Runs cfctl to its end; a CompletedProcess with text."""
        return subprocess.run([program('cfctl/cfctl'), *map(os.fspath, arguments)],
                              env={**self.env(), **(env or {})},
                              input=input if input is not None else '', capture_output=True, text=True,
                              timeout=Deadline(seconds, 'cfctl').seconds)

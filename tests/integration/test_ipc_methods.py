#!/usr/bin/env python3
"""Every method of the three interfaces through the real daemon: a success and a failure each, replies held against
the interface texts by the daemon itself (CARBONFILESD_CHECK_REPLIES)."""
import email.utils
import http.server
import os
import stat
import threading
import time

from cf.tap import main, test
from cf.varlink import VarlinkError, secret_fd
from cf.wait import wait_until

INVALID = 'org.varlink.service.InvalidParameter'
REMOTE = 'org.carbonfiles.remote.'
SYNC = 'org.carbonfiles.sync.'
DAEMON = 'org.carbonfiles.daemon.'


def refused(function, name, /, **parameters):
    """The call must fail with this error and these parameters; gives all of them."""
    try:
        result = function()
    except VarlinkError as error:
        assert error.name == name, f'{error.name} {error.parameters}, {name} was expected'
        for key, value in parameters.items():
            assert error.parameters.get(key) == value, f'{error.parameters}, {key}={value} was expected'
        return error.parameters
    raise AssertionError(f'succeeded with {result}, {name} was expected')


def unless_busy(function):
    """A pair that is being started anew takes no change until it is: done as soon as it can be."""
    def attempt():
        try:
            function()
            return True
        except VarlinkError as error:
            assert error.name == SYNC + 'Busy', error
            return False
    wait_until(attempt, 20, 'the pair free for a change')


def begin(w, login=True):
    """The daemon of a world made with daemon=False, its replies checked."""
    w.daemon.environment['CARBONFILESD_CHECK_REPLIES'] = '1'
    w.daemon.settings(settle_open_ms=200, delete_settle_ms=150)
    w.daemon.start()
    if login:
        w.daemon.login(w.server.url, w.server.admin_key)
    return w.daemon


@test('GetVersion, GetStatus, GetMetrics', daemon=False, quick=True)
def versions(w):
    d = begin(w)
    version = d.call('daemon.GetVersion')
    assert version['version'] and 'sync' in version['features']
    d.add(w.root, w.bucket)
    status = d.call('daemon.GetStatus')
    assert status['pid'] == d.child.pid and status['uid'] == os.geteuid() and status['state'] == 'running'
    assert status['mode'] == 'user' and status['connections'] == 1 and status['max_message'] == 1 << 20
    text = d.call('daemon.GetMetrics')['text']
    assert text.endswith('# EOF\n') and 'carbonfilesd_pair_files{pair="docs"} ' in text
    refused(lambda: d.call('daemon.GetVersion', {'x': 1}), INVALID, parameter='x')


@test('the texts that are served are those that are installed', server=False, daemon=False)
def texts(w):
    d = begin(w, login=False)
    source = os.path.join(os.environ.get('top_srcdir', '.'), 'conf')
    interfaces = d.call('org.varlink.service.GetInfo')['interfaces']
    assert interfaces == ['org.carbonfiles.daemon', 'org.carbonfiles.remote', 'org.carbonfiles.sync',
                          'org.varlink.service'], interfaces
    for name in interfaces[:3]:
        served = d.call('org.varlink.service.GetInterfaceDescription', {'interface': name})['description']
        with open(os.path.join(source, name + '.varlink'), encoding='utf-8') as f:
            assert served == f.read(), name
    refused(lambda: list(d.stream('remote.Subscribe')), 'org.varlink.service.MethodNotImplemented',
            method='org.carbonfiles.remote.Subscribe')


@test('settings: read, set, kept, refused', daemon=False)
def settings(w):
    d = begin(w)
    all_of_them = {s['key']: s for s in d.call('daemon.GetConfig')['settings']}
    assert all_of_them['settle_open_ms']['source'] == 'file' and all_of_them['settle_open_ms']['value'] == '200'
    assert all_of_them['poll_seconds']['source'] == 'default'
    assert d.call('daemon.SetConfig', {'values': {'poll_seconds': '90'}}) == {'restart_needed': []}
    one = d.call('daemon.GetConfig', {'keys': ['poll_seconds']})['settings']
    assert [(s['value'], s['source']) for s in one] == [('90', 'runtime')]
    d.call('daemon.SetConfig', {'values': {'max_deletes': '7'}, 'persist': True})
    assert d.call('daemon.GetConfig', {'keys': ['max_deletes']})['settings'][0]['source'] == 'file'
    # The file is the truth again after a reload; what was only set is forgotten.
    assert d.call('daemon.Reload') == {'changed': ['poll_seconds'], 'restart_needed': []}
    refused(lambda: d.call('daemon.GetConfig', {'keys': ['nonsense']}), DAEMON + 'InvalidSetting', key='nonsense')
    refused(lambda: d.call('daemon.SetConfig', {'values': {'nonsense': '1'}}), DAEMON + 'InvalidSetting', key='nonsense')
    refused(lambda: d.call('daemon.SetConfig', {'values': {'max_deletes': '9', 'poll_seconds': 'soon'}}),
            DAEMON + 'InvalidSetting', key='poll_seconds')
    assert d.call('daemon.GetConfig', {'keys': ['max_deletes']})['settings'][0]['value'] == '7', 'all or nothing'
    refused(lambda: d.call('daemon.SetConfig', {'values': {'listen': '/x'}}), DAEMON + 'ReadOnlySetting', key='listen')
    d.write_config('carbonfilesd.conf', 'poll_seconds = soon\n')
    bad = refused(lambda: d.call('daemon.Reload'), DAEMON + 'InvalidSetting', key='poll_seconds', line=1)
    assert bad['file'].endswith('carbonfilesd.conf') and bad['reason']
    assert d.call('daemon.GetConfig', {'keys': ['max_deletes']})['settings'][0]['value'] == '7'


@test('the log level, for a time', server=False, daemon=False)
def log_level(w):
    d = begin(w, login=False)
    assert d.call('daemon.GetLogLevel') == {'level': 'info'}
    d.call('daemon.SetLogLevel', {'level': 'debug', 'seconds': 1})
    assert d.call('daemon.GetLogLevel') == {'level': 'debug'}
    wait_until(lambda: d.call('daemon.GetLogLevel') == {'level': 'info'}, 10, 'the old level')
    d.call('daemon.SetLogLevel', {'level': 'error'})
    assert d.call('daemon.GetLogLevel') == {'level': 'error'}
    refused(lambda: d.call('daemon.SetLogLevel', {'level': 'loud'}), INVALID, parameter='level')
    refused(lambda: d.call('daemon.SetLogLevel', {'level': 'info', 'seconds': 0}), INVALID, parameter='seconds')


@test('Watch of the daemon: state first, then what changes', daemon=False)
def daemon_watch(w):
    d = begin(w, login=False)
    stream = d.stream('daemon.Watch')
    assert next(stream) == {'kind': 'state', 'state': 'running'}
    d.login(w.server.url, w.server.admin_key)
    assert next(stream) == {'kind': 'profile', 'profile': 'default'}
    d.call('daemon.SetConfig', {'values': {'poll_seconds': '90'}})
    assert next(stream)['kind'] == 'config'
    refused(lambda: d.call('daemon.Watch'), 'org.varlink.service.ExpectedMore')


@test('Diagnose finds what there is', daemon=False, files={'.env': b'PASSWORD=x', 'app.sqlite': b'x', 'a.txt': b'x'})
def diagnose(w):
    d = begin(w)
    d.add(w.root, w.bucket)
    d.call('remote.Login', {'profile': 'nowhere', 'url': 'http://127.0.0.1:1', 'secret': 'x', 'verify': False})
    d.call('remote.Login', {'profile': 'stranger', 'url': w.server.url, 'secret': 'wrong', 'verify': False})
    findings = d.call('daemon.Diagnose')['findings']
    by_check = {(f['check'], f['subject']): f for f in findings}
    assert by_check['socket', d.socket_path]['severity'] == 'note'
    assert by_check['server', 'default']['severity'] == 'note'
    assert by_check['clock', 'default']['severity'] == 'note' and ('clock', 'nowhere') not in by_check
    assert by_check['credential', 'default']['severity'] == 'note'
    assert by_check['server', 'nowhere']['severity'] == 'problem' and by_check['server', 'nowhere']['advice']
    assert by_check['credential', 'stranger']['severity'] == 'problem', by_check
    assert by_check['secrets', 'docs']['severity'] == 'note' and '.env' in by_check['secrets', 'docs']['message']
    assert by_check['torn_files', 'docs']['severity'] == 'warning'
    assert ('watches', 'inotify') in by_check and ('limits', 'descriptors') in by_check
    streamed = list(d.stream('daemon.Diagnose'))
    assert all(len(r['findings']) == 1 for r in streamed)
    assert {(r['findings'][0]['check'], r['findings'][0]['subject']) for r in streamed} == set(by_check)


class Clock(http.server.BaseHTTPRequestHandler):
    """A server that says it is well, at a time of its own."""
    date = ''

    def do_GET(self):
        body = b'{"status":"healthy","uptime_seconds":1,"db":"ok"}' if self.path == '/healthz' else b'{}'
        self.send_response(200 if self.path == '/healthz' else 403)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp=None):
        return self.date

    def log_message(self, *_):
        pass


@test('Diagnose compares the clock with the server\'s', server=False, daemon=False)
def clocks(w):
    d = begin(w, login=False)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Clock)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        d.call('remote.Login', {'profile': 'p', 'url': f'http://127.0.0.1:{server.server_port}', 'secret': 'x',
                                'verify': False})
        for off, severity, words in ((-3600, 'warning', 's ahead of'), (-45, 'note', 'agrees'), (0, 'note', 'agrees'),
                                     (45, 'note', 'agrees'), (75, 'warning', 's behind'), (1 << 30, 'warning', 's behind')):
            Clock.date = email.utils.formatdate(time.time() + off, usegmt=True)
            found = [f for f in d.call('daemon.Diagnose')['findings'] if (f['check'], f['subject']) == ('clock', 'p')]
            assert [f['severity'] for f in found] == [severity] and words in found[0]['message'], (off, found)
            assert severity == 'note' or 'timedatectl' in found[0]['advice'], found
        for nonsense in ('yesterday', 'Sun Nov  6 08:49:37 1994', ''):
            Clock.date = nonsense
            assert [f for f in d.call('daemon.Diagnose')['findings'] if f['check'] == 'clock'] == [], nonsense
    finally:
        server.shutdown()
        server.server_close()


@test('Login: stored only when the server accepts; secrets by text and by descriptor', daemon=False)
def login(w):
    d = begin(w, login=False)
    assert d.call('remote.ListProfiles') == {'profiles': []}
    refused(lambda: d.call('remote.GetProfile'), REMOTE + 'NoSuchProfile')
    refused(lambda: d.login(w.server.url, 'wrong'), REMOTE + 'AccessDenied')
    assert d.call('remote.ListProfiles') == {'profiles': []}
    refused(lambda: d.login('http://127.0.0.1:1', 'x'), REMOTE + 'Unreachable')
    refused(lambda: d.login('ftp://x', 'x'), INVALID, parameter='url')
    refused(lambda: d.login(None, 'x'), INVALID, parameter='url')
    refused(lambda: d.login(w.server.url, 'x', profile='../x'), INVALID, parameter='profile')
    refused(lambda: d.login(w.server.url, ''), INVALID, parameter='secret')
    refused(lambda: d.login(w.server.url, 'a\nb'), INVALID, parameter='secret')
    profile = d.login(w.server.url, w.server.admin_key)
    assert profile['auth'] == 'admin_key' and profile['role'] == 'admin' and profile['active'], profile
    assert profile['state'] == 'ready' and w.server.admin_key not in str(profile)
    path = os.path.join(d.config, 'profiles/default.conf')
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with d.connect() as c:
        fd = secret_fd(w.server.admin_key + '\n')
        p = {'profile': 'second', 'url': w.server.url, 'secret_fd': 0}
        assert c.call('org.carbonfiles.remote.Login', p, fds=[fd])['profile']['active'] is False
        os.close(fd)
        call = lambda fds, **more: c.call('org.carbonfiles.remote.Login', {**p, **more}, fds=fds)
        refused(lambda: call([]), INVALID, parameter='secret_fd')
        directory = os.open(w.base, os.O_RDONLY)
        refused(lambda: call([directory]), INVALID, parameter='secret_fd')
        os.close(directory)
        write_only = os.open(w.path('x'), os.O_WRONLY | os.O_CREAT)
        refused(lambda: call([write_only]), INVALID, parameter='secret_fd')
        os.close(write_only)
        big = os.memfd_create('big')
        os.write(big, b'x' * 100000)
        os.lseek(big, 0, 0)
        refused(lambda: call([big]), REMOTE + 'LocalError')
        os.close(big)
        fd = secret_fd('x')
        refused(lambda: call([fd], secret='y'), INVALID, parameter='secret_fd')
        os.close(fd)
    assert w.server.admin_key not in d.log()
    anonymous = d.login(w.server.url, None, profile='guest')
    assert anonymous['auth'] == 'none' and anonymous['role'] == 'anonymous'


@test('Login from a pipe that nobody writes is given up with its connection', daemon=False)
def login_pipe(w):
    d = begin(w, login=False)
    reader, writer = os.pipe()
    with d.connect() as c:
        c.send('org.carbonfiles.remote.Login', {'profile': 'x', 'url': w.server.url, 'secret_fd': 0}, fds=[reader])
        wait_until(lambda: d.call('daemon.GetStatus')['connections'] == 2, 10, 'the call')
    os.close(reader)
    # Its only reader was the daemon.
    wait_until(lambda: not writable(writer), 10, 'the descriptor closed')
    os.close(writer)
    assert d.call('daemon.GetStatus')['connections'] == 1


def writable(fd):
    try:
        os.write(fd, b'x')
        return True
    except BrokenPipeError:
        return False


@test('profiles: several, renamed, moved, removed', daemon=False)
def profiles(w):
    d = begin(w)
    d.login(w.server.url, w.server.admin_key, profile='work')
    names = lambda: [(p['name'], p['active']) for p in d.call('remote.ListProfiles')['profiles']]
    assert names() == [('default', True), ('work', False)]
    d.call('remote.SetProfile', {'name': 'work', 'active': True})
    assert names() == [('default', False), ('work', True)]
    renamed = d.call('remote.SetProfile', {'name': 'work', 'new_name': 'job', 'url': w.server.url + '/'})['profile']
    assert renamed['name'] == 'job' and renamed['url'] == w.server.url and renamed['active'], renamed
    assert d.call('remote.GetHealth', {'profile': 'job'})['status'] == 'healthy'
    refused(lambda: d.call('remote.SetProfile', {'name': 'job', 'new_name': 'default'}), INVALID, parameter='new_name')
    refused(lambda: d.call('remote.SetProfile', {'name': 'job', 'url': 'nonsense'}), INVALID, parameter='url')
    refused(lambda: d.call('remote.SetProfile', {'name': 'none'}), REMOTE + 'NoSuchProfile', profile='none')
    d.add(w.root, w.bucket, profile='job')
    refused(lambda: d.call('remote.RemoveProfile', {'name': 'job'}), REMOTE + 'Busy', what='docs')
    d.call('remote.SetProfile', {'name': 'job', 'new_name': 'work'})
    assert d.call('Get', {'name': 'docs'})['pair']['spec']['profile'] == 'work'
    unless_busy(lambda: d.call('Remove', {'name': 'docs'}))
    d.call('remote.RemoveProfile', {'name': 'work'})
    assert names() == [('default', False)]
    refused(lambda: d.call('remote.RemoveProfile', {'name': 'work'}), REMOTE + 'NoSuchProfile')
    d.call('remote.Logout', {'profile': 'default'})
    assert d.call('remote.GetProfile', {'name': 'default'})['profile']['auth'] == 'none'
    refused(lambda: d.add(w.root, w.bucket, profile='default'), SYNC + 'NotLoggedIn', profile='default')
    d.restart()
    assert names() == [('default', False)]


@test('a profile file that is refused is listed, and the others work', daemon=False)
def bad_profile(w):
    d = begin(w)
    d.write_config('profiles/broken.conf', 'nonsense = 1\n')
    d.restart()
    assert d.call('remote.GetHealth', {'profile': 'default'})['status'] == 'healthy'
    d.call('remote.ListProfiles')


@test('buckets: made, listed by pages, seen with files', daemon=False)
def buckets(w):
    d = begin(w)
    made = d.call('remote.CreateBucket', {'name': 'a b', 'description': 'é', 'expires_in': '1d'})['bucket']
    assert made['name'] == 'a b' and made['description'] == 'é' and made['expires_at']
    refused(lambda: d.call('remote.CreateBucket', {'name': 'x', 'expires_in': 'soon'}), REMOTE + 'BadRequest',
            status_code=400)
    for i in range(5):
        d.call('remote.CreateBucket', {'name': f'bucket {i}'})
    all_of_them = d.call('remote.ListBuckets')
    assert all_of_them['page']['total'] == 7 and len(all_of_them['buckets']) == 7
    page = d.call('remote.ListBuckets', {'page': {'limit': 2, 'offset': 4, 'sort': 'name', 'order': 'asc'}})
    assert [b['name'] for b in page['buckets']] == ['bucket 3', 'bucket 4'], page
    assert page['page'] == {'total': 7, 'limit': 2, 'offset': 4}
    pages = list(d.stream('remote.ListBuckets', {'page': {'limit': 2}}))
    assert [len(p['buckets']) for p in pages] == [2, 2, 2, 1]
    assert len({b['id'] for p in pages for b in p['buckets']}) == 7
    for limit in (0, 1001, -1):
        refused(lambda limit=limit: d.call('remote.ListBuckets', {'page': {'limit': limit}}), INVALID, parameter='limit')
    refused(lambda: d.call('remote.ListBuckets', {'page': {'offset': -1}}), INVALID, parameter='offset')
    refused(lambda: d.call('remote.ListBuckets', {'profile': 'none'}), REMOTE + 'NoSuchProfile', profile='none')
    bucket = d.call('remote.GetBucket', {'bucket': made['id']})
    assert bucket['bucket']['id'] == made['id'] and 'files' not in bucket
    refused(lambda: d.call('remote.GetBucket', {'bucket': 'doesnotexist'}), REMOTE + 'NotFound', status_code=404)
    for bad in ('', '..', 'a/b', 'a?b'):
        refused(lambda bad=bad: d.call('remote.GetBucket', {'bucket': bad}), INVALID, parameter='bucket')


@test('files: a page, or all of them by a scan', daemon=False, seconds=120)
def files(w):
    for i in range(250):
        w.write(f'd/{i:04}', b'%d' % i)
    d = begin(w)
    d.add(w.root, w.bucket)
    d.wait_in_sync(seconds=60)
    page = d.call('remote.ListFiles', {'bucket': w.bucket, 'page': {'limit': 10, 'offset': 5, 'sort': 'path', 'order': 'asc'}})
    assert [f['path'] for f in page['files']] == [f'd/{i:04}' for i in range(5, 15)]
    assert page['page'] == {'total': 250, 'limit': 10, 'offset': 5}
    replies = list(d.stream('remote.ListFiles', {'bucket': w.bucket, 'page': {'limit': 100}}))
    assert [len(r['files']) for r in replies] == [100, 100, 50]
    assert [r['page']['offset'] for r in replies] == [0, 100, 200] and replies[0]['page']['total'] == 250
    assert [f['path'] for r in replies for f in r['files']] == [f'd/{i:04}' for i in range(250)]
    assert all(f['sha256'] for r in replies for f in r['files'])
    descending = list(d.stream('remote.ListFiles', {'bucket': w.bucket, 'page': {
        'limit': 100, 'sort': 'path', 'order': 'desc'}}))
    assert [f['path'] for r in descending for f in r['files']] == [f'd/{i:04}' for i in reversed(range(250))]
    seen = d.call('remote.GetBucket', {'bucket': w.bucket, 'include_files': True})
    assert len(seen['files']) == 100 and seen['has_more_files'] and seen['files'][0]['path'] == 'd/0000'
    refused(lambda: d.call('remote.ListFiles', {'bucket': 'doesnotexist'}), REMOTE + 'NotFound')
    refused(lambda: list(d.stream('remote.ListFiles', {'bucket': 'doesnotexist'})), REMOTE + 'NotFound')
    empty = d.call('remote.CreateBucket', {'name': 'empty'})['bucket']['id']
    assert [r['files'] for r in d.stream('remote.ListFiles', {'bucket': empty})] == [[]]


@test('the server is gone: Unreachable, and the profile says so', daemon=False)
def unreachable(w):
    d = begin(w)
    w.server.expected_dead = True
    w.server.kill()
    error = refused(lambda: d.call('remote.GetHealth'), REMOTE + 'Unreachable')
    assert error['reason'] == 'connect' and error['url'] == w.server.url and error['message']
    profile = d.call('remote.GetProfile')['profile']
    assert profile['state'] == 'offline' and profile['last_error'], profile


@test('pairs: added, listed, changed, removed', daemon=False, files={'a': b'1'})
def pairs(w):
    d = begin(w)
    added = d.add(w.root, w.bucket, max_deletes=5, foreign='remove')
    spec = added['pair']['spec']
    assert spec['name'] == 'docs' and spec['profile'] == 'default' and spec['mode'] == 'mirror'
    assert spec['local_path'] == w.root and spec['max_deletes'] == 5 and spec['foreign'] == 'remove'
    assert any('id' in warning for warning in added['warnings']), added['warnings']
    assert d.call('List')['pairs'] == [added['pair']] == [d.call('Get', {'name': 'docs'})['pair']]
    assert d.call('List', {'profile': 'none'}) == {'pairs': []}
    changed = d.call('Update', {'name': 'docs', 'changes': {'max_deletes': -1, 'foreign': 'hold', 'settle_ms': 70}})
    assert 'max_deletes' not in changed['pair']['spec'] and changed['pair']['spec']['settle_ms'] == 70
    assert changed['pair']['spec']['foreign'] == 'hold'
    d.call('Update', {'name': 'docs', 'changes': {'name': 'papers'}})
    assert [p['name'] for p in d.call('List')['pairs']] == ['papers']
    d.call('Remove', {'name': 'papers'})
    assert d.call('List') == {'pairs': []} and d.call('GetStatus') == {'statuses': []}
    assert os.path.exists(w.path('a'))


@test('pairs: what is refused, by name', daemon=False)
def refused_pairs(w):
    d = begin(w)
    d.add(w.root, w.bucket)
    other = os.path.join(w.base, 'other')
    os.mkdir(other)
    bad = lambda name, path=other, bucket=w.bucket, pair='second', error=INVALID, mode='mirror', **more: refused(
        lambda: d.add(path, bucket, name=pair, mode=mode, **more), error, **({'parameter': name} if name else {}))
    for field, value in (('include', ['x']), ('exclude', []), ('upload_limit', '1K'), ('download_limit', 'off'),
                         ('upload_token', 'cfu_x')):
        bad(field, **{field: value})
        changes = {'changes': {}, field: value} if field == 'upload_token' else {'changes': {field: value}}
        refused(lambda changes=changes: d.call('Update', {'name': 'docs', **changes}), INVALID, parameter=field)
    bad('mode', mode='pull')
    bad('mode', mode='two_way')
    bad('mode', mode='nonsense')
    bad('nonsense', nonsense=1)
    bad('settle_ms', settle_ms=-5)
    for field in ('settle_ms', 'rescan_seconds', 'max_deletes', 'max_delete_percent', 'rescue_bytes'):
        for value in (-2, 2**63 - 1):
            bad(field, **{field: value})
            refused(lambda f=field, v=value: d.call('Update', {'name': 'docs', 'changes': {f: v}}), INVALID,
                    parameter=field)
    bad('settle_ms', settle_ms=600001)
    bad('name', pair='../x')
    bad(None, pair='docs', error=SYNC + 'PairExists')
    bad(None, path=os.path.join(w.base, 'missing'), error=SYNC + 'PathUnusable')
    bad(None, path=w.root, error=SYNC + 'Overlap')
    bad(None, bucket='doesnotexist', error=SYNC + 'NotFound')
    bad(None, profile='none', error=SYNC + 'NoSuchProfile')
    for method, parameters in (('Get', {}), ('GetStatus', {}), ('Remove', {}), ('Pause', {}), ('Resume', {}),
                               ('Rescan', {}), ('Wait', {}), ('Plan', {}), ('Update', {'changes': {}}),
                               ('ListHeld', {}), ('ListSkipped', {}), ('ListHistory', {}), ('ListConflicts', {}),
                               ('TestIgnore', {'paths': []}), ('ConfirmDeletes', {'choice': 'apply'})):
        refused(lambda m=method, p=parameters: d.call(m, {'name': 'none', **p}), SYNC + 'NoSuchPair', name='none')
    refused(lambda: list(d.stream('Watch', {'names': ['none']})), SYNC + 'NoSuchPair', name='none')
    refused(lambda: d.call('ConfirmDeletes', {'name': 'docs', 'choice': 'apply'}), SYNC + 'NothingHeld', name='docs')
    refused(lambda: d.call('ResolveConflict', {'id': 'x', 'choice': 'keep_both'}), SYNC + 'NoSuchConflict', id='x')
    refused(lambda: d.call('Plan'), INVALID)
    refused(lambda: d.call('Pause', {'seconds': 0}), INVALID, parameter='seconds')
    refused(lambda: d.call('Wait', {'timeout_seconds': -1}), INVALID, parameter='timeout_seconds')
    assert d.call('ListConflicts') == {'conflicts': []}


@test('status, pause and resume, rescan, wait, watch', daemon=False, files={'a': b'1'})
def statuses(w):
    d = begin(w)
    d.add(w.root, w.bucket)
    stream = d.stream('Watch', {'files': True})
    first = next(stream)
    assert first['status']['name'] == 'docs'
    d.wait_in_sync()
    d.call('Pause', {'name': 'docs', 'seconds': 1000})
    status = d.status()
    assert status['state'] == 'paused' and status['paused_until'] and d.call('List')['pairs'][0]['paused']
    while next(stream).get('status', {}).get('state') != 'paused':
        pass
    d.call('Resume')
    assert d.status()['state'] != 'paused'
    w.write('b', b'22')
    d.wait_in_sync()
    for reply in stream:
        if reply.get('file', {}).get('path') == 'b' and reply['file']['done']:
            break
    d.call('Rescan', {'name': 'docs'})
    replies = list(d.stream('Rescan', {'name': 'docs', 'verify_hashes': True}))
    assert len(replies) > 1 and {r['status']['name'] for r in replies} == {'docs'}, replies
    refused(lambda: d.call('Rescan', {'path': 'x'}), INVALID, parameter='path')
    d.call('Remove', {'name': 'docs'})
    for reply in stream:
        if reply.get('removed') == 'docs':
            break


@test('a wait is given up with its connection', daemon=False)
def waits(w):
    d = begin(w)
    d.add(w.root, w.bucket, paused=True)
    statuses = d.call('Wait', {'name': 'docs'})['statuses']
    assert statuses[0]['in_sync'] is False, 'a paused pair does not get there by itself'
    with d.connect() as c:
        c.send('org.carbonfiles.sync.Wait', {})
    wait_until(lambda: d.call('daemon.GetStatus')['connections'] == 1, 10, 'the connection gone')


@test('plan: every action and the totals', daemon=False, files={'a': b'1', 'b': b'22'})
def plan(w):
    d = begin(w)
    spec = {'bucket': w.bucket, 'local_path': w.root, 'mode': 'mirror'}
    replies = list(d.stream('Plan', {'spec': spec}))
    assert [r['action']['path'] for r in replies[:-1]] == ['a', 'b'], replies
    assert replies[0]['action']['action'] == 'upload'
    assert replies[-1] == {'uploads': 2, 'downloads': 0, 'deletes': 0, 'conflicts': 0, 'bytes': 3}
    assert d.call('Plan', {'spec': spec}) == replies[-1]
    assert w.remote() == {}
    d.add(w.root, w.bucket)
    d.wait_in_sync()
    assert d.call('Plan', {'name': 'docs'})['uploads'] == 0
    refused(lambda: d.call('Plan', {'spec': {**spec, 'exclude': ['x']}}), INVALID, parameter='exclude')
    refused(lambda: d.call('Plan', {'name': 'docs', 'spec': spec}), INVALID)


@test('plan: a spec is held to what Add holds it to', daemon=False, files={'a': b'1', 'b': b'22'})
def plan_of_spec(w):
    d = begin(w)
    spec = {'bucket': w.bucket, 'local_path': w.root, 'mode': 'mirror'}
    w.server.put(w.bucket, 'sub/a', b'1')
    w.server.put(w.bucket, 'sub', b'beside it')
    w.server.put(w.bucket, 'subway', b'too')
    for prefix in ('sub', 'sub/', '/sub//'):
        replies = list(d.stream('Plan', {'spec': {**spec, 'remote_prefix': prefix}}))
        assert [r['action']['path'] for r in replies[:-1]] == ['b'], (prefix, replies)
    for field, value in (('name', '../x'), ('bucket', ''), ('bucket', '..'), ('local_path', 'relative'),
                         ('remote_prefix', '../x'), ('max_delete_percent', 101), ('settle_ms', 2**63 - 1)):
        refused(lambda f=field, v=value: d.call('Plan', {'spec': {**spec, f: v}}), INVALID, parameter=field)
    refused(lambda: d.call('Plan', {'spec': {**spec, 'profile': 'none'}}), SYNC + 'NoSuchProfile', profile='none')
    refused(lambda: d.call('Plan', {'spec': {**spec, 'bucket': 'doesnotexist'}}), SYNC + 'NotFound')
    d.add(w.root, w.bucket, paused=True)
    d.call('remote.Logout')
    refused(lambda: d.call('Plan', {'name': 'docs'}), SYNC + 'NotLoggedIn', profile='default')
    refused(lambda: d.call('Plan', {'spec': spec}), SYNC + 'NotLoggedIn')


@test('lists: held, skipped, history, by pages', daemon=False, seconds=120)
def lists(w):
    for i in range(30):
        w.write(f'f{i:02}', b'%d' % i)
    os.symlink('/nowhere', w.path('link'))
    os.mkfifo(w.path('fifo'))
    d = begin(w)
    d.add(w.root, w.bucket)
    d.wait_in_sync()
    skipped = d.skipped()
    assert {(s['path'], s['reason']) for s in skipped} == {('link', 'symlink'), ('fifo', 'fifo')}, skipped
    assert d.call('ListSkipped')['skipped'] == skipped
    with d.stopped():
        for i in range(30):
            os.unlink(w.path(f'f{i:02}'))
    w.wait_status(lambda s: s['deletes_held'] == 30, what='30 held deletions')
    held = d.held()
    assert [h['path'] for h in held] == [f'f{i:02}' for i in range(30)] and held[0]['reason'] == 'mass'
    assert {h['side'] for h in held} == {'remote'} and held[0]['pair'] == 'docs'
    assert d.call('ListHeld')['held'] == held
    assert d.call('ConfirmDeletes', {'name': 'docs', 'choice': 'apply', 'paths': ['f00', 'f01']}) == {'deletes': 2}
    wait_until(lambda: len(w.remote()) == 28 and len(d.held()) == 28, 20, 'two of them carried out')
    restored = d.call('ConfirmDeletes', {'name': 'docs', 'choice': 'restore'})
    assert restored == {'deletes': 28}, restored
    w.wait_status(lambda s: s['deletes_held'] == 0, what='nothing held')
    entries = d.call('ListHistory', {'name': 'docs', 'limit': 5})['entries']
    assert len(entries) == 5
    ats = [e['at'] for r in d.stream('ListHistory') for e in r['entries']]
    assert len(ats) >= 60 and ats == sorted(ats, reverse=True)
    of_one = [e for r in d.stream('ListHistory', {'path': 'f00'}) for e in r['entries']]
    assert of_one and {e['path'] for e in of_one} == {'f00'} and of_one[-1]['action'] == 'upload'
    refused(lambda: d.call('ListHistory', {'limit': 0}), INVALID, parameter='limit')


@test('path states and ignore rules', daemon=False, files={'a': b'1', 'x~': b'backup'})
def path_states(w):
    d = begin(w)
    d.add(w.root, w.bucket)
    d.wait_in_sync()
    states = d.call('GetPathStates', {'paths': [w.path('a'), w.path('x~'), '/etc/passwd', 'relative']})['states']
    assert [s['state'] for s in states] == ['synced', 'ignored', 'none', 'none'], states
    assert states[0]['pair'] == 'docs' and 'pair' not in states[2] and states[0]['path'] == w.path('a')
    ignored = d.call('TestIgnore', {'name': 'docs', 'paths': ['a', 'x~']})['states']
    assert [s['ignored'] for s in ignored] == [False, True] and ignored[1]['source'] == 'built-in'


@test('a directory whose name is not UTF-8', daemon=False)
def not_utf8(w):
    path = os.path.join(os.fsencode(w.base), b'caf\xe9')
    os.mkdir(path)
    with open(os.path.join(path, b'\xff'), 'wb') as f:
        f.write(b'x')
    d = begin(w)
    text = os.path.join(w.base, 'caf~xE9')
    added = d.add(text, w.bucket)
    assert added['pair']['spec']['local_path'] == text, added
    d.wait_in_sync()
    assert list(w.remote()) == ['~xFF'], w.remote()
    assert d.call('GetPathStates', {'paths': [text + '/~xFF']})['states'][0]['state'] == 'synced'


@test('a secret in a message is not in the log at any level', daemon=False)
def secrets(w):
    d = begin(w, login=False)
    d.call('daemon.SetLogLevel', {'level': 'debug'})
    d.login(w.server.url, w.server.admin_key)
    for secret in ('cf4_' + 'z' * 20, 'cfu_hunter2hunter2'):
        try:
            d.login(w.server.url, secret, profile='p')
        except VarlinkError:
            pass
        assert secret not in d.log()
    assert w.server.admin_key not in d.log()


if __name__ == '__main__':
    raise SystemExit(main())

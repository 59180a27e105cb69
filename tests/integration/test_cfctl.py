#!/usr/bin/env python3
"""cfctl against a daemon that says what the test wants: every command, as text and as JSON, every error and exit status,
names, paths and secrets."""
import json
import os
import re
import subprocess
import sys

from cf import assert_equal, main, test
from cf.process import source_dir
from cfctlrows import RESOLVED, ROWS
from cfctlrun import (BUCKET, CFCTL, DAEMON, FILE, HELD, HOSTILE, PAGE, PAIR, PROFILE, SECRET, STATUS, SYNCING,
                      Terminal, argv, daemon, environment, only_call, run, says)
from fakeipc import CLOSE, GARBAGE, Error


# ---- Every command ----

# command line, script, exit status, words of the text, (method, parameters) that it must call
COMMANDS = [
    ('login https://x.example --anonymous --name n --use --no-verify', {'remote.Login': {'profile': PROFILE}}, 0,
     ['Logged in to https://files.example.org', 'role owner'],
     ('remote.Login', {'profile': 'n', 'url': 'https://x.example', 'active': True, 'verify': False})),
    ('logout', {'remote.Logout': {}}, 0, ['Forgot'], ('remote.Logout', {})),
    ('logout work', {'remote.Logout': {}}, 0, ['profile work'], ('remote.Logout', {'profile': 'work'})),
    ('profile list', {'remote.ListProfiles': {'profiles': [PROFILE]}}, 0, ['*', 'default', 'owner', 'ready'],
     ('remote.ListProfiles', {})),
    ('profile show', {'remote.GetProfile': {'profile': PROFILE}}, 0, ['api_key cf4_00112233', '(active)'],
     ('remote.GetProfile', {})),
    ('profile show p', {'remote.GetProfile': {'profile': PROFILE}}, 0, [], ('remote.GetProfile', {'name': 'p'})),
    ('profile use p', {'remote.SetProfile': {'profile': PROFILE}}, 0, ['p is the active'],
     ('remote.SetProfile', {'name': 'p', 'active': True})),
    ('profile rename p q', {'remote.SetProfile': {'profile': PROFILE}}, 0, ['now named q'],
     ('remote.SetProfile', {'name': 'p', 'new_name': 'q'})),
    ('profile remove p', {'remote.RemoveProfile': {}}, 0, ['Removed'], ('remote.RemoveProfile', {'name': 'p'})),
    ('health', {'remote.GetHealth': {'status': 'healthy', 'uptime_seconds': 90061, 'db': 'ok', 'latency_ms': 3}}, 0,
     ['healthy', '1 d 1 h', '3 ms'], ('remote.GetHealth', {})),
    ('--profile p health', {'remote.GetHealth': {'status': 'unhealthy', 'uptime_seconds': 0, 'db': 'error'}}, 1,
     ['unhealthy'], ('remote.GetHealth', {'profile': 'p'})),
    ('sync add /srv/docs Abcdefgh12', {'sync.Add': {'pair': PAIR, 'warnings': ['readable by anyone']}}, 0,
     ['Pair docs: mirror of /home/me/docs', 'warning: readable by anyone'],
     ('sync.Add', {'spec': {'local_path': '/srv/docs', 'mode': 'mirror', 'bucket': 'Abcdefgh12'}})),
    ('sync add /srv/docs new --create --mode two-way --prefix a/b --name n --max-deletes 5 --max-delete-percent 50 '
     '--foreign remove --settle-ms 10 --secrets --paused --profile p --exclude *.o --exclude build/ --include k',
     {'sync.Add': {'pair': {**PAIR, 'paused': True}, 'warnings': []}}, 0, ['It is paused'],
     ('sync.Add', {'spec': {'local_path': '/srv/docs', 'mode': 'two_way', 'name': 'n', 'profile': 'p',
                            'remote_prefix': 'a/b', 'foreign': 'remove', 'secrets': True, 'max_deletes': 5,
                            'max_delete_percent': 50, 'settle_ms': 10, 'exclude': ['*.o', 'build/'], 'include': ['k'],
                            'bucket': 'new'}, 'create_bucket': True, 'paused': True})),
    ('sync list', {'sync.List': {'pairs': [PAIR]}}, 0, ['docs', 'mirror', '/home/me/docs'], ('sync.List', {})),
    ('sync list --profile p', {'sync.List': {'pairs': []}}, 0, ['No pair uses the profile p'], ('sync.List', {'profile': 'p'})),
    ('sync show docs', {'sync.Get': {'pair': PAIR}}, 0, ['local_path', '/home/me/docs', '*.o', 'build/'],
     ('sync.Get', {'name': 'docs'})),
    ('sync status docs', {'sync.GetStatus': {'statuses': [STATUS]}, 'sync.List': {'pairs': [PAIR]}}, 0,
     ['idle', '1,234', '3.0 MiB', '/home/me/docs'], ('sync.GetStatus', {'name': 'docs'})),
    ('sync status', {'sync.GetStatus': {'statuses': [SYNCING]}, 'sync.List': {'pairs': [PAIR]}}, 7,
     ['syncing', '12 (5.0 MiB)', '1.0 MiB/s'], ('sync.GetStatus', {})),
    ('sync wait', {'sync.Wait': {'statuses': [STATUS]}}, 0, ['In sync.'], ('sync.Wait', {})),
    ('sync wait docs --timeout 2m', {'sync.Wait': {'statuses': [{**SYNCING, 'last_error': 'server away'}]}}, 7,
     ['docs is not in sync: syncing, 12 pending: server away'],
     ('sync.Wait', {'name': 'docs', 'timeout_seconds': 120})),
    ('sync diff docs',
     {'sync.Plan': [{'action': {'action': 'upload', 'path': 'a', 'size': 1024, 'reason': 'new'}},
                    {'action': {'action': 'delete_remote', 'path': 'b', 'reason': 'gone'}},
                    {'uploads': 1, 'downloads': 0, 'deletes': 1, 'conflicts': 0, 'bytes': 1024}]}, 0,
     ['upload', '1.0 KiB', 'delete_remote', '1 to upload (1.0 KiB), 0 to download, 1 to delete'],
     ('sync.Plan', {'name': 'docs'})),
    ('sync add /srv/docs Abcdefgh12 --dry-run',
     {'sync.Plan': [{'uploads': 0, 'downloads': 0, 'deletes': 0, 'conflicts': 0, 'bytes': 0}]}, 0, ['Nothing to do'],
     ('sync.Plan', {'spec': {'local_path': '/srv/docs', 'mode': 'mirror', 'bucket': 'Abcdefgh12'}})),
    ('sync rescan docs', {'sync.Rescan': {'status': STATUS}}, 0, ['queued'], ('sync.Rescan', {'name': 'docs'})),
    ('sync rescan docs ./a/b/ --verify', {'sync.Rescan': {'status': STATUS}}, 0, ['a/b in docs'],
     ('sync.Rescan', {'name': 'docs', 'path': 'a/b', 'verify_hashes': True})),
    ('sync pause', {'sync.Pause': {}}, 0, ['every pair'], ('sync.Pause', {})),
    ('sync pause docs --for 2h', {'sync.Pause': {}}, 0, ['2 h 0 min'],
     ('sync.Pause', {'name': 'docs', 'seconds': 7200})),
    ('sync resume docs', {'sync.Resume': {}}, 0, ['Resumed docs'], ('sync.Resume', {'name': 'docs'})),
    ('sync set docs name=n mode=two-way max_deletes=-1 max-delete-percent= rescue_bytes=2G secrets=yes exclude=a '
     'exclude=b include= remote_prefix= local_path=/srv/x settle_ms=7 conflicts=keep-local foreign=hold '
     'upload_limit=512K', {'sync.Update': {'pair': PAIR, 'warnings': ['a first sync begins']}}, 0,
     ['Changed pair docs', 'warning: a first sync begins'],
     ('sync.Update', {'name': 'docs', 'changes': {
         'name': 'n', 'mode': 'two_way', 'max_deletes': -1, 'max_delete_percent': -1, 'rescue_bytes': 2 << 30,
         'secrets': True, 'exclude': ['a', 'b'], 'include': [], 'remote_prefix': '', 'local_path': '/srv/x',
         'settle_ms': 7, 'conflicts': 'keep_local', 'foreign': 'hold', 'upload_limit': '512K'}})),
    ('sync adopt docs', {'sync.Update': {'pair': PAIR, 'warnings': []}}, 0, ['/home/me/docs'],
     ('sync.Update', {'name': 'docs', 'changes': {}, 'adopt_root': True})),
    ('sync remove docs', {'sync.Remove': {}}, 0, ['Removed pair docs'], ('sync.Remove', {'name': 'docs'})),
    ('sync held', {'sync.ListHeld': [{'held': [HELD]}, {'held': [{**HELD, 'reason': 'foreign'}]}]}, 0,
     ['mass', 'foreign', '2.0 KiB', 'old/x', '2 (4.0 KiB) wait',
      'mass: `cfctl sync confirm docs` deletes them on the server too; `cfctl sync restore docs` fetches them back here',
      'foreign: `cfctl sync confirm docs` deletes them on the server; `cfctl sync restore docs` fetches them here'],
     ('sync.ListHeld', {})),
    ('sync held', {'sync.ListHeld': [{'held': [HELD, {**HELD, 'pair': 'b', 'side': 'local'}]}]}, 0,
     ['`cfctl sync confirm NAME` deletes them here too; `cfctl sync restore NAME` sends them to the server again'],
     ('sync.ListHeld', {})),
    ('sync held docs', {'sync.ListHeld': {'held': []}}, 0, ['Nothing is held'], ('sync.ListHeld', {'name': 'docs'})),
    ('sync confirm docs --yes', {'sync.ConfirmDeletes': {'deletes': 3}}, 0, ['3 confirmed'],
     ('sync.ConfirmDeletes', {'name': 'docs', 'choice': 'apply'})),
    ('sync restore docs', {'sync.ConfirmDeletes': {'deletes': 3}}, 0, ['3 will be brought back'],
     ('sync.ConfirmDeletes', {'name': 'docs', 'choice': 'restore'})),
    ('sync restore docs old', {'sync.ListHeld': {'held': [HELD, {**HELD, 'path': 'older'}]},
                               'sync.ConfirmDeletes': {'deletes': 1}}, 0, ['1 will'],
     ('sync.ConfirmDeletes', {'name': 'docs', 'choice': 'restore', 'paths': ['old/x']})),
    ('sync state /srv/docs/a', {'sync.GetPathStates': {'states': [{'path': '/srv/docs/a', 'state': 'synced', 'pair': 'docs'}]}},
     0, ['synced', 'docs', '/srv/docs/a'], ('sync.GetPathStates', {'paths': ['/srv/docs/a']})),
    ('sync skipped', {'sync.ListSkipped': {'skipped': [{'path': 'k', 'reason': 'secret', 'message': 'a key'}]}}, 0,
     ['secret', 'k', 'a key'], ('sync.ListSkipped', {})),
    ('sync ignored docs a/x ./b/', {'sync.TestIgnore': {'states': [
        {'path': 'a/x', 'ignored': True, 'rule': '*.x', 'source': '.carbonfilesignore', 'line': 3},
        {'path': 'b', 'ignored': False}]}}, 0, ['a/x: ignored by .carbonfilesignore:3: *.x', 'b: carried'],
     ('sync.TestIgnore', {'name': 'docs', 'paths': ['a/x', 'b']})),
    ('sync ignored docs /home/me/docs/a', {'sync.Get': {'pair': PAIR},
                                           'sync.TestIgnore': {'states': [{'path': 'a', 'ignored': False}]}}, 0,
     ['a: carried'], ('sync.TestIgnore', {'name': 'docs', 'paths': ['a']})),
    ('sync history docs a --limit 5', {'sync.ListHistory': [{'entries': [
        {'at': '2026-11-24T09:00:00Z', 'pair': 'docs', 'action': 'upload', 'path': 'a', 'size': 12, 'result': 'done',
         'message': 'new'}]}]},
     0, ['upload', '12 B', 'new'], ('sync.ListHistory', {'name': 'docs', 'path': 'a', 'limit': 5})),
    ('bucket list --include-expired --limit 10 --offset 20 --sort name --order desc',
     {'remote.ListBuckets': {'buckets': [BUCKET], 'page': {**PAGE, 'total': 31}}}, 0,
     ['Abcdefgh12', '4.0 KiB', 'never', '1 of 31'],
     ('remote.ListBuckets', {'include_expired': True, 'page': {'limit': 10, 'offset': 20, 'sort': 'name', 'order': 'desc'}})),
    ('bucket list --all', {'remote.ListBuckets': [{'buckets': [BUCKET], 'page': PAGE}, {'buckets': [], 'page': PAGE}]}, 0,
     ['docs'], ('remote.ListBuckets', {'page': {'limit': 1000}})),
    ('bucket create b --description -x --expires never', {'remote.CreateBucket': {'bucket': BUCKET}}, 0,
     ['Abcdefgh12', 'never'],
     ('remote.CreateBucket', {'name': 'b', 'description': '-x', 'expires_in': 'never'})),
    ('bucket info Abcdefgh12 --files', {'remote.GetBucket': {'bucket': BUCKET, 'files': [FILE], 'has_more_files': True}},
     0, ['docs', 'a/b.txt', 'There are more'], ('remote.GetBucket', {'bucket': 'Abcdefgh12', 'include_files': True})),
    ('file list Abcdefgh12', {'remote.ListFiles': {'files': [FILE], 'page': PAGE}}, 0, ['1.5 KiB', 'ababababab', 'a/b.txt'],
     ('remote.ListFiles', {'bucket': 'Abcdefgh12', 'page': {'sort': 'path', 'order': 'asc'}})),
    ('file list Abcdefgh12 --sort size', {'remote.ListFiles': {'files': [FILE], 'page': PAGE}}, 0, ['a/b.txt'],
     ('remote.ListFiles', {'bucket': 'Abcdefgh12', 'page': {'sort': 'size'}})),
    ('file list Abcdefgh12 --all --limit 2', {'remote.ListFiles': [{'files': [FILE], 'page': PAGE}, {'files': [FILE], 'page': PAGE}]},
     0, ['a/b.txt'], ('remote.ListFiles', {'bucket': 'Abcdefgh12', 'page': {'limit': 2}})),
    ('daemon version', {'daemon.GetVersion': {'version': '0.1.0', 'features': ['fd', 'sync']}}, 0, ['0.1.0', 'fd, sync'],
     ('daemon.GetVersion', {})),
    ('daemon reload', {'daemon.Reload': {'changed': ['settle_ms'], 'restart_needed': ['listen']}}, 0,
     ['Changed: settle_ms.', 'Only after a restart: listen.'], ('daemon.Reload', {})),
    ('daemon metrics', {'daemon.GetMetrics': {'text': '# TYPE a counter\na_total 1\n# EOF\n'}}, 0,
     ['# TYPE a counter\na_total 1\n# EOF\n'], ('daemon.GetMetrics', {})),
    ('daemon log-level', {'daemon.GetLogLevel': {'level': 'info'}}, 0, ['info'], ('daemon.GetLogLevel', {})),
    ('daemon log-level debug --for 15m', {'daemon.SetLogLevel': {}}, 0, ['level debug for 15m'],
     ('daemon.SetLogLevel', {'level': 'debug', 'seconds': 900})),
    ('daemon config', {'daemon.GetConfig': {'settings': [
        {'key': 'settle_ms', 'value': '50', 'source': 'default', 'writable': True, 'restart': False}]}}, 0,
     ['settle_ms', '50', 'default'], ('daemon.GetConfig', {})),
    ('daemon config settle_ms', {'daemon.GetConfig': {'settings': []}}, 0, [], ('daemon.GetConfig', {'keys': ['settle_ms']})),
    ('daemon config settle_ms=70 proxy=a=b --persist', {'daemon.SetConfig': {'restart_needed': ['proxy']}}, 0,
     ['Only after a restart: proxy'], ('daemon.SetConfig', {'values': {'settle_ms': '70', 'proxy': 'a=b'}, 'persist': True})),
    ('doctor', {'daemon.Diagnose': [
        {'findings': [{'check': 'clock', 'severity': 'problem', 'subject': '', 'message': 'it is 1970', 'advice': 'Set it.'}]},
        {'findings': [{'check': 'watches', 'severity': 'warning', 'subject': 'docs', 'message': 'few'}]}, {'findings': []}]}, 1,
     ['problem: clock: it is 1970', '    Set it.', 'warning: watches docs: few', '1 problem, 1 warning'],
     ('daemon.Diagnose', {})),
    ('doctor', {'daemon.Diagnose': [{'findings': []}]}, 0, ['Nothing wrong'], ('daemon.Diagnose', {})),
] + ROWS


@test('every command: its call, its text, its exit status', world=False)
def _():
    for line, script, code, words, (method, parameters) in COMMANDS:
        with daemon(script) as fake:
            done = run(fake, *line.split())
            assert_equal(done.returncode, code, f'{line}: {done.stdout}{done.stderr}')
            for word in words:
                assert word in done.stdout + done.stderr, f'{line}: {word!r} is not in {done.stdout}{done.stderr}'
            assert '\x1b' not in done.stdout + done.stderr, f'{line}: an escape sequence, without a terminal'
            calls = [c.parameters for c in fake.calls if c.method == method]
            assert_equal(calls, [parameters], line)


@test('every command with --json: the reply as the daemon sent it, one object a line, and nothing else', world=False)
def _():
    for line, script, code, _, (method, parameters) in COMMANDS:
        with daemon(script) as fake:
            done = run(fake, '--json', *line.split())
            assert_equal(done.returncode, code, f'{line}: {done.stdout}{done.stderr}')
            assert_equal(done.stderr, '', line)
            replies = script[method] if isinstance(script[method], list) else [script[method]]
            assert_equal(done.stdout.splitlines(), [json.dumps(r, separators=(',', ':')) for r in replies], line)


@test('every command with --quiet says nothing on stderr when it is done', world=False)
def _():
    for line, script, code, _, _ in COMMANDS:
        if code == 0:
            with daemon(script) as fake:
                done = run(fake, '-q', *line.split())
                assert_equal((done.returncode, done.stderr), (0, ''), line)


@test('status joins three replies, and is 7 only when a pair is not in sync', world=False)
def _():
    script = {'daemon.GetStatus': DAEMON, 'remote.ListProfiles': {'profiles': [PROFILE]},
              'sync.GetStatus': {'statuses': [STATUS, {**SYNCING, 'name': 'b', 'deletes_held': 120, 'foreign_held': 2,
                                                       'files_skipped': 3, 'errors': 1, 'polled_directories': 9,
                                                       'bucket_expires_at': '2099-01-01T00:00:00Z',
                                                       'paused_until': '2099-01-01T00:00:00Z',
                                                       'last_error': 'disk full'}]},
              'sync.List': {'pairs': [PAIR]}}
    with daemon(script) as fake:
        says(run(fake, 'status'), 7, 'pid 42', 'https://files.example.org', 'idle', 'b: 120 held deletions wait',
             'b: disk full', 'cfctl sync held b', 'max_user_watches', 'b: the bucket expires')
        done = run(fake, 'status', '--json')
        assert_equal(json.loads(done.stdout), {'daemon': DAEMON, 'profiles': [PROFILE],
                                               'statuses': script['sync.GetStatus']['statuses']})
        assert_equal((done.returncode, done.stdout.count('\n')), (7, 1))
        fake.script['sync.GetStatus'] = {'statuses': [STATUS]}
        assert_equal(run(fake, 'status').returncode, 0)
        fake.script['sync.GetStatus'] = {'statuses': []}
        fake.script['remote.ListProfiles'] = {'profiles': []}
        says(run(fake, 'status'), 0, 'No profile yet', 'No pair yet')


@test('the end of a bucket is said in the right tense, and once', world=False)
def _():
    def lines(fake, **fields):
        fake.script['sync.GetStatus'] = {'statuses': [{**STATUS, **fields}]}
        return [line for line in run(fake, 'sync', 'status').stdout.splitlines() if 'expire' in line]
    near, past = '2099-01-01T00:00:00Z', '2020-01-01T00:00:00Z'
    with daemon({'sync.List': {'pairs': [PAIR]}}) as fake:
        assert_equal(lines(fake), [])
        assert lines(fake, bucket_expires_at=near)[0].startswith('docs: the bucket expires in ')
        assert lines(fake, bucket_expires_at=past)[0].startswith('docs: the bucket expired ')
        for date, words in ((near, 'bucket x expires on ' + near), (past, 'bucket x does not exist: it expired on ' + past)):
            assert_equal(lines(fake, bucket_expires_at=date, last_error=words), ['docs: ' + words])


# ---- Errors ----

SERVER = {'status_code': 418, 'message': 'no tea', 'hint': 'use coffee'}
ERRORS = [
    ('org.carbonfiles.remote.RemoteError', SERVER, 1), ('org.carbonfiles.remote.BadRequest', SERVER, 1),
    ('org.carbonfiles.remote.AccessDenied', SERVER, 4), ('org.carbonfiles.remote.NotFound', SERVER, 5),
    ('org.carbonfiles.remote.TooLarge', SERVER, 1), ('org.carbonfiles.remote.RangeNotSatisfiable', SERVER, 1),
    ('org.carbonfiles.remote.Unreachable', {'reason': 'dns', 'message': 'no tea', 'url': 'https://x'}, 6),
    ('org.carbonfiles.remote.NoSuchProfile', {'profile': 'no tea'}, 5),
    ('org.carbonfiles.remote.NotLoggedIn', {'profile': 'no tea'}, 4),
    ('org.carbonfiles.remote.LocalError', {'errno': 28, 'name': 'ENOSPC', 'message': 'no tea'}, 8),
    ('org.carbonfiles.remote.HashMismatch', {'expected': 'no tea', 'actual': 'b'}, 1),
    ('org.carbonfiles.remote.NoSuchTransfer', {'transfer': 'no tea'}, 5),
    ('org.carbonfiles.remote.Busy', {'what': 'no tea', 'limit': 1}, 1),
    ('org.carbonfiles.sync.NoSuchPair', {'name': 'no tea'}, 5),
    ('org.carbonfiles.sync.PairExists', {'name': 'no tea'}, 1),
    ('org.carbonfiles.sync.NoSuchConflict', {'id': 'no tea'}, 5),
    ('org.carbonfiles.sync.NothingHeld', {'name': 'no tea'}, 7),
    ('org.carbonfiles.sync.Overlap', {'path': 'no tea', 'other': 'b', 'other_path': '/x'}, 1),
    ('org.carbonfiles.sync.PathUnusable', {'path': '/x', 'errno': 2, 'name': 'ENOENT', 'message': 'no tea'}, 8),
    ('org.carbonfiles.sync.NotFound', SERVER, 5), ('org.carbonfiles.sync.AccessDenied', SERVER, 4),
    ('org.carbonfiles.daemon.InvalidSetting', {'key': 'k', 'reason': 'no tea'}, 1),
    ('org.carbonfiles.daemon.ReadOnlySetting', {'key': 'no tea'}, 1),
    ('org.varlink.service.InvalidParameter', {'parameter': 'no tea'}, 2),
    ('org.varlink.service.PermissionDenied', {}, 4),
    ('org.varlink.service.MethodNotImplemented', {'method': 'no tea'}, 1),
    ('org.varlink.service.MethodNotFound', {'method': 'no tea'}, 1),
    ('com.example.Unheard', {'message': 'no tea'}, 1),
]


@test('every error of the daemon: words on stderr, its exit status, the same as JSON', world=False)
def _():
    for name, parameters, code in ERRORS:
        with daemon({'sync.Pause': Error(name, **parameters)}) as fake:
            done = run(fake, 'sync', 'pause')
            assert_equal((done.returncode, done.stdout), (code, ''), name)
            lines = done.stderr.splitlines()
            assert lines[0].startswith('cfctl: cannot pause'), done.stderr
            assert len(lines) <= 2, done.stderr
            if 'no tea' in parameters.values():
                assert 'no tea' in lines[0], done.stderr
            if parameters is SERVER:
                assert_equal(lines, ['cfctl: cannot pause (HTTP 418): no tea', 'use coffee'], name)
            done = run(fake, 'sync', 'pause', '--json')
            assert_equal((done.returncode, done.stdout, json.loads(done.stderr)),
                         (code, '', {'error': name, 'parameters': parameters}), name)
            assert_equal(done.stderr.count('\n'), 1)


@test('an error in the middle of a stream: what came before stays, the status is that of the error', world=False)
def _():
    with daemon({'remote.ListFiles': [{'files': [FILE], 'page': PAGE}, Error('org.carbonfiles.remote.AccessDenied', **SERVER)]}) as fake:
        says(run(fake, 'file', 'list', 'Abcdefgh12', '--all'), 4, 'a/b.txt', 'no tea')


@test('no daemon, one that hangs up, one that talks nonsense', world=False)
def _():
    with daemon({'sync.Pause': CLOSE, 'sync.Resume': GARBAGE}) as fake:
        done = run(None, '--socket', fake.directory + '/nothing', 'sync', 'pause')
        says(done, 3, 'cannot pause', fake.directory + '/nothing', 'carbonfilesd')
        done = run(None, 'sync', 'pause', '--json', f'--socket=unix:{fake.directory}/nothing')
        assert_equal((done.returncode, json.loads(done.stderr)['error']), (3, 'org.carbonfiles.cfctl.NotRunning'))
        for words in (['sync', 'pause'], ['sync', 'resume']):
            done = run(fake, *words)
            assert done.returncode in (1, 3), done
            assert_equal(done.stderr.count('\n'), 2, done.stderr) if 'hint' in done.stderr else None
            done = run(fake, '--json', *words)
            assert json.loads(done.stderr)['error'].startswith('org.carbonfiles.cfctl.'), done.stderr
    done = run(None, '--socket', '/' + 'x' * 200, 'sync', 'pause')
    says(done, 2, '--socket')


@test('usage: each mistake is named, with what was meant, and nothing is asked of the daemon', world=False)
def _():
    wrong = [
        ([], 'shall'), (['sync'], 'needs a command'), (['snyc', 'list'], 'Did you mean `cfctl sync`'),
        (['sync', 'lst'], 'Did you mean `cfctl sync list`'), (['sync', 'sta'], 'Did you mean `cfctl sync stat'),
        (['wait'], 'Did you mean `cfctl sync wait`'), (['frobnicate'], 'no command frobnicate'),
        (['sync', 'list', 'x'], 'x is one word too many'), (['sync', 'show'], 'Usage: cfctl sync show NAME'),
        (['sync', 'list', '--wacth'], 'no option --wacth'), (['sync', 'status', '--wacth'], 'Did you mean --watch'),
        (['sync', 'status', '--watch=1'], 'takes no value'), (['sync', 'wait', '--timeout'], 'needs a value'),
        (['sync', 'wait', '--timeout', 'soon'], 'soon'), (['--watch', 'sync', 'status'], 'unknown option --watch'),
        (['sync', 'add', 'd', 'b', '--mode', 'mirage'], 'mirror backup pull two_way'),
        (['sync', 'add', 'd', 'b', '--mode', 'pull', '--mode', 'pull'], 'twice'),
        (['sync', 'add', 'd', 'b', '--max-deletes', '-1'], 'from 0'),
        (['sync', 'add', 'd', 'b', '--max-delete-percent', '101'], 'from 0 to 100'),
        (['sync', 'add', 'd', 'b', '--create', '--dry-run'], 'every file goes up'),
        (['bucket', 'list', '--limit', '0'], 'from 1 to 1000'), (['bucket', 'list', '--limit', '9' * 30], '1000'),
        (['bucket', 'list', '--order', 'up'], 'asc desc'),
        (['sync', 'set', 'docs', 'max_deletes'], 'max_deletes has no value'),
        (['sync', 'set', 'docs', 'max_delets=1'], 'Did you mean max_deletes'),
        (['sync', 'set', 'docs', 'max_deletes=many'], 'many'), (['sync', 'set', 'docs', 'secrets=perhaps'], 'yes or no'),
        (['sync', 'set', 'docs', 'max_deletes=1K'], '1K'),
        (['sync', 'confirm', 'docs'], '--yes'), (['sync', 'status', '--files'], '--watch'),
        (['daemon', 'config', 'a', 'b=1'], 'read'), (['daemon', 'config', '--persist'], 'KEY=VALUE'),
        (['daemon', 'log-level', '--for', '1h'], 'LEVEL'), (['login'], 'Usage: cfctl login URL'),
        (['login', 'https://x', '--anonymous', '--token-file', '-'], 'excludes'),
        (['login', 'https://x', '--auth', 'password'], 'api_key'),
        (['login', 'https://x', '--name', 'a', '--profile', 'b'], 'two profiles'),
        (['bucket', 'update', 'b'], 'what shall be changed'), (['bucket', 'delete', 'b'], '--yes'),
        (['file', 'delete', 'b', 'p'], '--yes'), (['key', 'delete', 'cf4_00112233'], '--yes'), (['short', 'delete', 'c'], '--yes'),
        (['file', 'tree', 'b', 'p', '--prefix', 'q'], 'give one of them'), (['token', 'upload', 'b', '--max-uploads', '0'], 'from 1'),
        (['events'], '--all'), (['file', 'info', 'b'], 'Usage: cfctl file info BUCKET PATH'),
        (['-quiet', 'status'], '-quiet'), (['--q', 'status'], '--q'), (['profile', 'use', b'\xff'], 'UTF-8'),
    ]
    with daemon() as fake:
        for words, what in wrong:
            done = run(fake, *words)
            says(done, 2, what)
            assert_equal(done.stdout, '', repr(words))
            assert done.stderr.startswith('cfctl: ') and done.stderr.count('\n') <= 2, done.stderr
            done = run(fake, *words, '--json') if '--' not in words else done
            assert_equal(done.returncode, 2, repr(words))
            if not words or words[-1] != '--timeout':
                assert_equal(json.loads(done.stderr)['error'], 'org.carbonfiles.cfctl.Usage', repr(words))
        says(run(fake, 'events', '--file', 'b'), 2, '--file needs a value: --file B PATH')
        assert_equal(fake.calls, [])


@test('global options stand anywhere; values may begin with a dash; -- ends options', world=False)
def _():
    for words in (['--profile', '-p', 'bucket', 'create', '--', '-name'], ['bucket', '--profile', '-p', 'create', '--', '-name'],
                  ['bucket', 'create', '--profile=-p', '--', '-name']):
        with daemon({'remote.CreateBucket': {'bucket': BUCKET}}) as fake:
            says(run(fake, *words), 0)
            assert_equal(only_call(fake).parameters, {'profile': '-p', 'name': '-name'})
    with daemon({'remote.CreateBucket': {'bucket': BUCKET}}) as fake:
        assert_equal(run(fake, 'bucket', 'create', 'x', '--quiet').stdout, 'Abcdefgh12\n')


@test('help and version of everything, with status 0 and without a daemon', world=False)
def _():
    done = run(None, '--help')
    says(done, 0, 'Usage: cfctl', 'sync add DIR BUCKET', 'Exit status: 0 done')
    commands = re.findall(r'^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)(?= |$)', done.stdout, re.M)
    assert len(commands) > 35, commands
    for later in ('conflicts', 'resolve ID'):
        assert later not in done.stdout, later
    for command in commands:
        says(run(None, *command.split(), '--help'), 0, f'Usage: cfctl {command}')
    for words in (['help', 'sync', 'add'], ['-h', 'sync', 'add'], ['sync', '-h', 'add'], ['sync', 'add', 'x', '--help']):
        says(run(None, *words), 0, 'Usage: cfctl sync add DIR BUCKET')
    for noun in ('sync', 'bucket', 'profile', 'file', 'daemon'):
        says(run(None, noun, '--help'), 0, f'Usage: cfctl {noun} COMMAND', f'  {noun} ')
    says(run(None, '--version'), 0, 'cfctl 0.', 'libcfipc 0.')


@test('the manual names every command, every option and every error of cfctl', world=False)
def _():
    with open(os.path.join(source_dir(), 'doc/cfctl.1')) as f:
        manual = re.sub(r'\\f[BRIP]', '', f.read()).replace('\\-', '-').replace('"', '')
    listing = run(None, '--help').stdout
    commands = re.findall(r'^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)(?= |$)', listing, re.M)
    for command in commands:
        assert f'cfctl {command}' in manual, command
        for option in re.findall(r'--[a-z-]+', run(None, *command.split(), '--help').stdout):
            assert option in manual, f'{command} {option}'
        assert re.search(rf'^(?:.*[ (])?cfctl (?:--json )?{command}(?:[ )]|$)', manual.partition('.SH EXAMPLES')[2], re.M), f'no example: {command}'
    for source in sorted(os.listdir(os.path.join(source_dir(), 'cfctl'))):
        with open(os.path.join(source_dir(), 'cfctl', source)) as f:
            for name in re.findall(r'ctl_error\([^"]*?, EXIT_\w+, "(\w+)"', f.read()):
                assert name in manual, f'{source}: {name}'


# ---- Buckets by name ----

@test('a bucket is found by its name, if only one has it', world=False)
def _():
    pages = [{'buckets': [BUCKET, {**BUCKET, 'id': 'Bbcdefgh12', 'name': 'photos'}], 'page': {**PAGE, 'limit': 1000}},
             {'buckets': [{**BUCKET, 'id': 'Cbcdefgh12', 'name': 'photos'},
                          {**BUCKET, 'id': 'Dbcdefgh12', 'name': 'tenletters'}], 'page': {**PAGE, 'limit': 1000}}]

    def files(call):
        if call.parameters['bucket'] == 'tenletters':
            return Error('org.carbonfiles.remote.NotFound', status_code=404, message='Bucket not found')
        return {'files': [FILE], 'page': PAGE}
    missing = Error('org.carbonfiles.remote.NotFound', status_code=404, message='Bucket not found')
    with daemon({'remote.ListBuckets': pages, 'remote.ListFiles': files, 'remote.GetBucket': missing}) as fake:
        says(run(fake, 'file', 'list', 'docs'), 0, 'a/b.txt')
        assert_equal(fake.calls[-1].parameters['bucket'], 'Abcdefgh12')
        says(run(fake, 'file', 'list', 'tenletters'), 0, 'a/b.txt')
        assert_equal(fake.calls[-1].parameters['bucket'], 'Dbcdefgh12')
        says(run(fake, 'file', 'list', 'photos'), 2, '2 buckets are named photos', 'Bbcdefgh12, Cbcdefgh12')
        says(run(fake, 'file', 'list', 'nothing'), 5, 'no bucket has the id or the name nothing')
        done = run(fake, 'file', 'list', 'nothing', '--json')
        assert_equal((done.returncode, json.loads(done.stderr)['error']), (5, 'org.carbonfiles.cfctl.NoSuchBucket'))


@test('a file that is not there is not taken for a bucket that is not there', world=False)
def _():
    missing = Error('org.carbonfiles.remote.NotFound', status_code=404, message='File not found')
    with daemon({'remote.GetFile': missing, 'remote.GetBucket': {'bucket': BUCKET}}) as fake:
        says(run(fake, 'file', 'info', 'Abcdefgh12', 'x'), 5, 'cannot show the file (HTTP 404): File not found')
        fake.script['remote.GetBucket'] = missing
        fake.script['remote.ListBuckets'] = {'buckets': [], 'page': PAGE}
        says(run(fake, 'file', 'info', 'Abcdefgh12', 'x'), 5, 'no bucket has the id or the name Abcdefgh12')


@test('what is shown once stands alone with --quiet', world=False)
def _():
    for line, out in (('key create alice', 'cf4_00112233_44'), ('token upload Abcdefgh12', 'cfu_0011'), ('token dashboard', 'a.b.c'),
                      ('file url Abcdefgh12 a/b.txt', 'https://x.example/u'), ('short resolve Ab12Cd', RESOLVED['url'])):
        script = next(row[1] for row in ROWS if row[0].startswith(line.rpartition(' ')[0]) and row[0].split()[1] == line.split()[1])
        with daemon(script) as fake:
            done = run(fake, '-q', *line.split())
            assert_equal((done.returncode, done.stdout, done.stderr), (0, out + '\n', ''), line)


# ---- Paths and names ----

@test('DIR is made absolute; bytes that are not UTF-8 travel encoded', world=False)
def _():
    with daemon({'sync.Add': {'pair': PAIR, 'warnings': []}, 'sync.GetPathStates': {'states': []}}) as fake:
        for name in (b'plain', b'\xff\xfe', b'tilde~x41', b'link'):
            path = os.path.join(os.fsencode(fake.directory), name)
            if name == b'link':
                os.symlink(b'plain', path)
            else:
                os.mkdir(path)
        for word, wanted in (('plain', '/plain'), ('./plain/', '/plain'), ('link', '/plain'), (b'\xff\xfe', '/~xFF~xFE'),
                             ('tilde~x41', '/tilde~x7Ex41'), ('missing', '/missing')):
            says(run(fake, 'sync', 'add', word, 'Abcdefgh12', cwd=fake.directory), 0)
            assert_equal(fake.calls[-1].parameters['spec']['local_path'], os.path.realpath(fake.directory) + wanted)
        says(run(fake, 'sync', 'state', 'link', 'plain/x', '.', cwd=fake.directory), 0)
        real = os.path.realpath(fake.directory)
        assert_equal(fake.calls[-1].parameters['paths'], [real + '/link', real + '/plain/x', real])


@test('names from outside never reach a terminal as they are', world=False)
def _():
    evil = {**FILE, 'path': HOSTILE}
    script = {'remote.ListFiles': {'files': [evil, {**FILE, 'path': 'bidi\u202ex'}, {**FILE, 'path': 'ünïcödé 漢字 🎉'},
                                             {**FILE, 'path': 'c1\u009bx'}], 'page': PAGE},
              'sync.Pause': Error('org.carbonfiles.remote.RemoteError', status_code=500, message=HOSTILE, hint=HOSTILE)}
    with daemon(script) as fake:
        done = run(fake, 'file', 'list', 'Abcdefgh12')
        assert '\x1b' not in done.stdout and '\u202e' not in done.stdout and '\u009b' not in done.stdout, done.stdout
        assert r"$'a\x1b[31mred\nb'" in done.stdout, done.stdout
        assert 'ünïcödé 漢字 🎉' in done.stdout, done.stdout
        assert_equal(done.stdout.count('\n'), 5)
        done = run(fake, 'sync', 'pause')
        assert '\x1b' not in done.stderr and done.stderr.count('\n') == 2, done.stderr
        done = run(fake, '--json', 'file', 'list', 'Abcdefgh12')
        assert_equal(json.loads(done.stdout), script['remote.ListFiles'])
        assert '\x1b' not in done.stdout and '\u009b' not in done.stdout, done.stdout


# ---- Secrets ----

def secret_of(call):
    """What was passed, and what is left of it now that cfctl has ended."""
    return os.pread(call.fds[call.parameters['secret_fd']], 4096, 0)


@test('a credential comes from a file or stdin, goes as a descriptor, and is overwritten afterwards', world=False)
def _():
    seen = []

    def login(call):
        seen.append(secret_of(call))
        return {'profile': PROFILE}
    with daemon({'remote.Login': login}) as fake:
        path = os.path.join(fake.directory, 'token')
        with open(path, 'w') as f:
            f.write(SECRET + '\r\nsecond line\n')
        says(run(fake, 'login', 'https://x', '--token-file', path, '--auth', 'api-key'), 0)
        says(run(fake, 'login', 'https://x', '--token-file', '-', input=SECRET), 0)
        assert_equal(seen, [SECRET.encode()] * 2)
        for call in fake.calls:
            assert_equal(secret_of(call).strip(b'\0'), b'')
            assert SECRET not in json.dumps(call.parameters)
        assert_equal(fake.calls[0].parameters, {'profile': 'default', 'url': 'https://x', 'auth': 'api_key', 'secret_fd': 0})
        for content, code, what in ((b'', 2, 'empty'), (b'two words\n', 2, 'space'), (b'x' * 5000, 8, 'longer'),
                                    (b'\xffx\n', 2, 'ASCII')):
            with open(path, 'wb') as f:
                f.write(content)
            says(run(fake, 'login', 'https://x', '--token-file', path), code, what)
        says(run(fake, 'login', 'https://x', '--token-file', path + '-missing'), 8, 'No such file')
        says(run(fake, 'login', 'http://x.example', '--token-file', '-', input=SECRET), 0, 'not encrypted')
        assert 'not encrypted' not in run(fake, 'login', 'http://127.0.0.1:1', '--token-file', '-', input=SECRET).stderr
        assert_equal(len(fake.calls), 4)


@test('a dashboard token to be looked at comes from a file', world=False)
def _():
    with daemon({'remote.GetDashboardToken': {'scope': 'admin', 'expires_at': '2099-01-01T00:00:00Z'}}) as fake:
        says(run(fake, 'token', 'info', '--token-file', '-', input='a.b.c\n'), 0, 'admin')
        assert_equal(only_call(fake).parameters, {'token': 'a.b.c'})


@test('without a terminal there is no prompt', world=False)
def _():
    with daemon({'remote.Login': {'profile': PROFILE}}) as fake:
        done = run(fake, 'login', 'https://x', input=SECRET, start_new_session=True)
        says(done, 2, '--token-file')
        assert_equal(fake.calls, [])


@test('the prompt does not echo, and gives the terminal back as it was', world=False)
def _():
    with daemon({'remote.Login': {'profile': PROFILE}}) as fake:
        terminal = Terminal(fake, 'login', 'https://x')
        terminal.expect('Key or token for https://x: ')
        assert not terminal.echoes()
        terminal.type(SECRET + '\n')
        terminal.expect('Logged in')
        assert terminal.echoes()
        assert_equal(terminal.end(), 0)
        assert SECRET not in terminal.output()
        assert_equal(os.fstat(only_call(fake).fds[0]).st_size, len(SECRET))
        terminal = Terminal(fake, 'login', 'https://x')
        terminal.expect('https://x: ')
        terminal.type('\x03')
        assert_equal(terminal.end(), 130)
        assert_equal(len(fake.calls), 1)


@test('an upload token is read from its file and goes in the call alone', world=False)
def _():
    refusal = Error('org.varlink.service.InvalidParameter', parameter='upload_token')
    with daemon({'sync.Add': refusal}) as fake:
        done = run(fake, 'sync', 'add', '/srv/x', 'Abcdefgh12', '--mode', 'backup', '--upload-token-file', '-', input='cfu_1\n')
        says(done, 2, 'upload_token')
        assert 'cfu_1' not in done.stderr
        assert_equal(only_call(fake).parameters['upload_token'], 'cfu_1')


@test('an output that cannot be written is an error of this side', world=False)
def _():
    with daemon({'remote.ListFiles': {'files': [FILE], 'page': PAGE}}) as fake, open('/dev/full', 'w') as full:
        for json_option in ([], ['--json']):
            done = subprocess.run(argv(fake, 'file', 'list', 'Abcdefgh12', *json_option), stdout=full, text=True,
                                  stderr=subprocess.PIPE, env=environment())
            assert_equal(done.returncode, 8, done.stderr)
            assert 'No space left' in done.stderr, done.stderr


@test('--socket and $CARBONFILESD_SOCKET take a path or unix:PATH', world=False)
def _():
    with daemon({'sync.Pause': {}}) as fake:
        for words, env in ((['--socket', fake.path], {}), (['--socket', 'unix:' + fake.path], {}),
                           ([], {'CARBONFILESD_SOCKET': fake.path}), ([], {'CARBONFILESD_SOCKET': 'unix:' + fake.path})):
            done = subprocess.run([CFCTL, *words, 'sync', 'pause'], env=environment(**env), capture_output=True)
            assert_equal(done.returncode, 0, repr(done))


if __name__ == '__main__':
    sys.exit(main())

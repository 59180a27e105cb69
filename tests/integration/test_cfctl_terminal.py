#!/usr/bin/env python3
"""cfctl on a terminal: questions, colour, widths, live views, the pager; and interrupts, anywhere."""
import json
import signal
import subprocess
import sys
import unicodedata

from cf import assert_equal, main, test
from cf.wait import Deadline
from cfctlrows import KEY, RESOLVED
from cfctlrun import (BUCKET, FILE, HELD, HOSTILE, PAGE, PAIR, SECONDS, STATUS, SYNCING, Terminal, argv, daemon, environment, run,
                      says)
from fakeipc import HANG


@test('confirm asks about what it will confirm, and only y or yes is a yes', world=False)
def _():
    script = {'sync.ListHeld': [{'held': [HELD, {**HELD, 'path': HOSTILE}]}, {'held': [{**HELD, 'path': 'other'}]}],
              'sync.ConfirmDeletes': {'deletes': 3}}
    for answer, code in (('y\n', 0), ('yes\n', 0), ('n\n', 1), ('\n', 1), ('yess\n', 1), ('\x04', 1), ('\x03', 130)):
        with daemon(script) as fake:
            terminal = Terminal(fake, 'sync', 'confirm', 'docs')
            terminal.expect('Carry out 3 held deletions (6.0 KiB)? [y/N] ')
            terminal.type(answer)
            assert_equal(terminal.end(), code, repr(answer))
            assert '\x1b[31mred' not in terminal.output()
            confirms = [c.parameters for c in fake.calls if c.method == 'sync.ConfirmDeletes']
            assert_equal(confirms, [{'name': 'docs', 'choice': 'apply', 'paths': ['old/x', HOSTILE, 'other']}]
                         if code == 0 else [], repr(answer))
    with daemon({'sync.ListHeld': {'held': []}}) as fake:
        terminal = Terminal(fake, 'sync', 'confirm', 'docs')
        assert_equal(terminal.end(), 7)
        assert 'nothing is held for docs' in terminal.output(), terminal.output()


@test('what destroys on the server shows what it is, and asks', world=False)
def _():
    commands = [('bucket delete Abcdefgh12', 'Delete the bucket docs (Abcdefgh12) with 3 files, 4.0 KiB, for good?', 'DeleteBucket'),
                ('file delete Abcdefgh12 a/b', 'Delete a/b from the bucket Abcdefgh12 for good?', 'DeleteFile'),
                ('key delete cf4_00112233', 'Delete the key cf4_00112233 (alice, last used: never) for good?', 'DeleteApiKey'),
                ('short delete Ab12Cd', 'Delete the short URL Ab12Cd of a/b.txt in bucket Abcdefgh12 for good?', 'DeleteShortUrl')]
    script = {'remote.GetBucket': {'bucket': BUCKET}, 'remote.GetApiKeyUsage': {'key': KEY, 'total_downloads': 0, 'buckets': []},
              'remote.ResolveShortUrl': RESOLVED, **{'remote.' + method: {} for _, _, method in commands}}
    for line, question, method in commands:
        for answer, code in (('y\n', 0), ('\n', 1), ('\x03', 130)):
            with daemon(script) as fake:
                terminal = Terminal(fake, *line.split(), columns=200)
                terminal.expect(question + ' [y/N] ')
                terminal.type(answer)
                assert_equal(terminal.end(), code, repr(answer))
                assert_equal(any(c.method == 'remote.' + method for c in fake.calls), code == 0, repr(answer))


@test('confirm of very many paths goes in requests that the daemon takes', world=False)
def _():
    held = [{**HELD, 'path': f'old/{"x" * 1000}{i}'} for i in range(2000)]
    with daemon({'sync.ListHeld': [{'held': held[:1000]}, {'held': held[1000:]}],
                 'sync.ConfirmDeletes': lambda call: {'deletes': len(call.parameters['paths'])}}) as fake:
        says(run(fake, 'sync', 'restore', 'docs', 'old'), 0, '2,000 will be brought back')
        named = [c.parameters['paths'] for c in fake.calls if c.method == 'sync.ConfirmDeletes']
        assert_equal(sum(named, []), [h['path'] for h in held])
        assert len(named) > 1 and all(len(json.dumps(n)) < 1 << 20 for n in named)


@test('colour on a terminal, but not with NO_COLOR, --no-color, TERM=dumb or without a terminal', world=False)
def _():
    script = {'sync.GetStatus': {'statuses': [STATUS]}, 'sync.List': {'pairs': [PAIR]}}
    with daemon(script) as fake:
        for words, env, colour in ((['sync', 'status'], {}, True), (['sync', 'status'], {'NO_COLOR': '1'}, False),
                                   (['sync', 'status', '--no-color'], {}, False),
                                   (['sync', 'status'], {'TERM': 'dumb'}, False),
                                   (['sync', 'status', '--json'], {}, False)):
            terminal = Terminal(fake, *words, **env)
            assert_equal(terminal.end(), 0)
            assert_equal('\x1b[32m' in terminal.output(), colour, f'{words} {env}')


@test('tables fit the terminal: wide characters count as two columns, long names give way', world=False)
def _():
    long = {**PAIR, 'spec': {**PAIR['spec'], 'local_path': '/home/漢字漢字/' + 'directory/' * 20}}
    with daemon({'sync.GetStatus': {'statuses': [STATUS]}, 'sync.List': {'pairs': [long]}}) as fake:
        for columns in (40, 60, 80, 120, 400):
            terminal = Terminal(fake, 'sync', 'status', columns=columns, NO_COLOR='1')
            assert_equal(terminal.end(), 0)
            for line in terminal.output().splitlines():
                wide = sum(1 + (unicodedata.east_asian_width(c) in 'WF') for c in line)
                assert wide <= columns, (columns, wide, line)
            assert ('…' in terminal.output()) == (60 <= columns < 400), terminal.output()


def screen(text):
    """The last whole picture of a live view."""
    return text.rpartition('\x1b[H')[2].partition('\x1b[J')[0].replace('\x1b[K', '').replace('\r\n', '\n')


@test('sync status --watch is a live view on a terminal, and leaves the last picture', world=False)
def _():
    progress = {'pair': 'docs', 'path': 'big.iso', 'action': 'upload', 'done': False, 'bytes_done': 1 << 20,
                'bytes_total': 4 << 20}
    stream = [{'status': SYNCING}, {'file': progress}, {'file': {**progress, 'bytes_done': 2 << 20}},
              {'file': {**progress, 'path': 'small', 'done': True, 'bytes_done': 5, 'bytes_total': 5}},
              {'file': {**progress, 'path': HOSTILE, 'failure': 'refused'}}, HANG]
    with daemon({'sync.Watch': stream, 'sync.List': {'pairs': [PAIR]}}) as fake:
        terminal = Terminal(fake, 'sync', 'status', 'docs', '--watch', NO_COLOR='1')
        terminal.expect('refused')
        terminal.expect('\x1b[J')
        picture = screen(terminal.text.decode())
        for words in ('syncing', '12 (5.0 MiB)', '1.0 MiB/s', '/home/me/docs', '↑ big.iso', '[=========>          ]  50 %',
                      '↑ small', "✗ $'a\\x1b[31mred\\nb: refused'"):
            assert words in picture, f'{words!r} is not in {picture}'
        assert '\x1b[?1049h' in terminal.output()
        terminal.resize(10, 50)
        before = len(terminal.text)
        deadline = Deadline(SECONDS, 'a new picture')
        while b'\x1b[J' not in terminal.text[before:]:
            terminal.read(deadline.left())
        assert all(len(line) <= 50 for line in screen(terminal.text.decode()).split('\n'))
        terminal.type('\x03')
        assert_equal(terminal.end(), 130)
        tail = terminal.output().rpartition('\x1b[?1049l')[2]
        assert '\x1b[?25h' in terminal.output() and 'big.iso' in tail, tail
        assert fake.closed.wait(SECONDS), 'the stream goes on in the daemon'
        assert_equal([c.parameters for c in fake.calls if c.method == 'sync.Watch'], [{'names': ['docs'], 'files': True}])


@test('sync status --watch elsewhere: a line per change, or the replies', world=False)
def _():
    progress = {'pair': 'docs', 'path': 'a', 'action': 'upload', 'done': True, 'bytes_done': 5, 'bytes_total': 5}
    stream = [{'status': SYNCING}, {'file': progress}, {'removed': 'old'}, {'lost': 3}]
    with daemon({'sync.Watch': stream}) as fake:
        done = run(fake, 'sync', 'status', '--watch', '--files')
        assert_equal(done.stdout.splitlines(), [
            'docs: syncing, 1,234 files, 12 pending (5.0 MiB), 1.0 MiB/s', 'docs: upload a, 5 B of 5 B, done', 'old: removed',
            '3 changes were too many to tell'])
        done = run(fake, 'sync', 'status', '--watch', '--json')
        assert_equal([json.loads(line) for line in done.stdout.splitlines()], stream)
        assert_equal([c.parameters for c in fake.calls], [{'files': True}, {}])


@test('a stream is flushed line by line', world=False)
def _():
    with daemon({'sync.Watch': [{'status': STATUS}, HANG]}) as fake:
        with subprocess.Popen(argv(fake, 'sync', 'status', '--watch', '--json'), stdout=subprocess.PIPE, text=True,
                              env=environment()) as child:
            assert_equal(json.loads(child.stdout.readline()), {'status': STATUS})
            child.send_signal(signal.SIGINT)
            assert_equal(child.wait(SECONDS), 130)


@test('an interrupt ends a wait with 130, and the call in the daemon', world=False)
def _():
    for number in (signal.SIGINT, signal.SIGTERM):
        with daemon({'sync.Wait': [HANG]}) as fake:
            child = subprocess.Popen(argv(fake, 'sync', 'wait'), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                     text=True, env=environment())
            fake.wait_call('sync.Wait')
            child.send_signal(number)
            assert_equal(child.communicate(timeout=SECONDS)[1], '')
            assert_equal(child.returncode, 130)
            assert fake.closed.wait(SECONDS), 'the call goes on in the daemon'


@test('sync wait shows on a terminal what is still to do', world=False)
def _():
    with daemon({'sync.Wait': [HANG], 'sync.GetStatus': {'statuses': [SYNCING]}}) as fake:
        terminal = Terminal(fake, 'sync', 'wait')
        terminal.expect('12 files to go, 5.0 MiB, 1.0 MiB/s, 6 s left')
        terminal.type('\x03')
        assert_equal(terminal.end(), 130)


@test('long listings go through the pager, on a terminal only', world=False)
def _():
    script = {'remote.ListFiles': [{'files': [{**FILE, 'path': f'f{i}'} for i in range(200)], 'page': PAGE}]}
    with daemon(script) as fake:
        terminal = Terminal(fake, 'file', 'list', 'Abcdefgh12', '--all', PAGER='tr f Q; echo $LESS paged')
        assert_equal(terminal.end(), 0)
        assert 'Q199' in terminal.output() and 'FRX paged' in terminal.output(), terminal.output()[-200:]
        terminal = Terminal(fake, 'file', 'list', 'Abcdefgh12', '--all', PAGER='head -2')
        assert terminal.end() in (0, -signal.SIGPIPE)
        done = subprocess.run(argv(fake, 'file', 'list', 'Abcdefgh12', '--all'), capture_output=True, text=True,
                              env=environment(PAGER='false'))
        assert 'f199' in done.stdout


if __name__ == '__main__':
    sys.exit(main())

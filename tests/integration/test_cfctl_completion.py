#!/usr/bin/env python3
"""What cfctl's words may become: asked as the scripts ask, and in bash, zsh and fish where they are installed."""
import contextlib
import os
import pty
import select
import shutil
import subprocess
import sys

from cf import assert_equal, main, test
from cf.process import source_dir
from cf.tap import Skip
from cf.wait import Deadline
from cfctlrows import KEY, LS, TRANSFER
from cfctlrun import BUCKET, CFCTL, HOSTILE, PAGE, PAIR, PROFILE, SECONDS, daemon, environment, run
from fakeipc import HANG

BUCKETS = [BUCKET, {**BUCKET, 'id': 'Bbcdefgh12', 'name': 'my photos'}, {**BUCKET, 'id': 'Cbcdefgh12', 'name': HOSTILE}]
SCRIPT = {'sync.List': {'pairs': [PAIR, {**PAIR, 'name': 'music'}]}, 'remote.ListProfiles': {'profiles': [PROFILE, {**PROFILE, 'name': 'work'}]},
          'remote.ListBuckets': {'buckets': BUCKETS, 'page': PAGE}, 'remote.ListDirectory': LS,
          'remote.ListApiKeys': {'keys': [KEY], 'page': PAGE}, 'remote.ListTransfers': {'transfers': [TRANSFER]},
          'daemon.GetConfig': {'settings': [{'key': 'settle_ms', 'value': '50', 'source': 'default', 'writable': True, 'restart': False}]}}
SCRIPTS = {'bash': 'bash/cfctl', 'zsh': 'zsh/_cfctl', 'fish': 'fish/cfctl.fish'}


@contextlib.contextmanager
def shell(name):
    """The program, the environment in which cfctl is found and finds the daemon, and the script."""
    program = shutil.which(name)
    if not program:
        raise Skip(f'{name} is not installed')
    with daemon(SCRIPT) as fake:
        os.symlink(CFCTL, os.path.join(fake.directory, 'cfctl'))
        env = environment(CARBONFILESD_SOCKET=fake.path, HOME=fake.directory, XDG_CONFIG_HOME=fake.directory, LC_ALL='C.UTF-8')
        env['PATH'] = fake.directory + ':' + env['PATH']
        yield program, env, os.path.join(source_dir(), 'conf/completions', SCRIPTS[name]), fake


@test('the scripts that are printed are those that are installed', world=False)
def _():
    for name, path in SCRIPTS.items():
        with open(os.path.join(source_dir(), 'conf/completions', path)) as f:
            assert_equal(run(None, 'completion', name).stdout, f.read(), name)


@test('nouns, verbs, options, values, and names that the daemon knows', world=False)
def _():
    cases = [
        ('hea', ['health']), ('sync st', ['status', 'state']), ('help sync sta', ['status', 'state']), ('sync status ', ['docs', 'music']),
        ('sync status m', ['music']), ('sync status docs ', []), ('profile use ', ['default', 'work']), ('--profile ', ['default', 'work']),
        ('--profile work file list m', ['my photos']), ('file list A', ['Abcdefgh12']), ('bucket info ', ['docs', 'my photos']),
        ('file info docs ', ['sub/', 'b.txt']), ('file info docs x/', ['x/sub/', 'x/b.txt']), ('file info docs x/s', ['x/sub/']),
        ('file upload docs ', [':files']), ('file upload docs a b ', [':files']), ('sync add ', [':dirs']), ('sync add d d', ['docs']),
        ('sync add --mode p', ['pull']), ('file list --order ', ['asc', 'desc']), ('events --file d', ['docs']), ('events --file docs s', ['sub/']),
        ('login --token-file ', [':files']), ('key delete ', ['cf4_00112233']), ('transfer cancel ', ['t7']), ('daemon config ', ['settle_ms']),
        ('daemon log-level d', ['debug']), ('sync wait --tim', ['--timeout']), ('sync wait --q', ['--quiet']), ('bucket create ', []),
        ('sync status -- ', ['docs', 'music']), ('sync history docs ', [':files']), ('no such ', []), ('sync state a b ', [':files']),
    ]
    with daemon(SCRIPT) as fake:
        for line, wanted in cases:
            done = run(fake, 'completion', 'words', '--', *line.split(' '))
            assert_equal((done.stdout.splitlines(), done.stderr, done.returncode), (wanted, '', 0), line)
        assert_equal([c.parameters.get('profile') for c in fake.calls if c.method == 'remote.ListBuckets'][0], 'work')


@test('every noun and every verb of every noun is offered', world=False)
def _():
    nouns = run(None, 'completion', 'words', '--', '').stdout.split()
    assert len(nouns) == len(set(nouns)) and {'sync', 'file', 'completion', 'help'} <= set(nouns), nouns
    for noun in nouns:
        listing = run(None, noun, '--help').stdout
        verbs = run(None, 'completion', 'words', '--', noun, '').stdout.split()
        for verb in verbs if f'Usage: cfctl {noun} COMMAND' in listing else []:
            assert f'  {noun} {verb}' in listing, (noun, verb)


@test('without a daemon, or with one that hangs, there are just no names', world=False)
def _():
    done = run(None, 'completion', 'words', '--', 'sync', 'status', '')
    assert_equal((done.returncode, done.stdout, done.stderr), (0, '', ''))
    with daemon({'sync.List': [HANG]}) as fake:
        done = run(fake, 'completion', 'words', '--', 'sync', 'status', '')
        assert_equal((done.returncode, done.stdout, done.stderr), (0, '', ''))


@test('bash completes', world=False)
def _():
    with shell('bash') as (program, env, script, fake):
        def complete(*words):
            code = f'source {script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cfctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
            done = subprocess.run([program, '--norc', '--noprofile', '-c', code, 'bash', *words], env=env, capture_output=True, text=True,
                                  timeout=SECONDS, cwd=fake.directory)
            assert_equal(done.stderr, '')
            return done.stdout.split('\n')[:-1]
        assert_equal(complete('cfctl', 'sync', 'sta'), ['status', 'state'])
        assert_equal(complete('cfctl', 'sync', 'status', ''), ['docs', 'music'])
        assert_equal(complete('cfctl', 'file', 'list', 'my\\ p'), ['my\\ photos'])
        assert_equal(complete('cfctl', 'file', 'list', '"my p'), ['my photos'])
        assert_equal(complete('cfctl', 'file', 'ls', 'my\\ photos', 's'), ['sub/'])
        assert_equal(complete('cfctl', 'file', 'upload', 'docs', 'soc'), ['socket'])
        assert_equal(complete('~/cfctl', 'heal'), ['health'])


def typed(program, arguments, env, before, line, wanted):
    """An interactive shell: what it shows once line was typed to it."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(program, [program, *arguments], env)
    text = b''

    def until(words):
        nonlocal text
        deadline = Deadline(SECONDS, f'{words!r} from the shell')
        while words not in text:
            try:
                if select.select([fd], [], [], deadline.left())[0]:
                    text += os.read(fd, 65536)
            except (OSError, Exception) as error:
                raise AssertionError(f'{words!r} is not in {text!r}: {error}')
    try:
        os.write(fd, before.encode() + b'; echo RE""ADY\n')
        until(b'READY')
        text = b''
        os.write(fd, line.encode())
        until(wanted.encode())
    finally:
        os.close(fd)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@test('zsh completes', world=False)
def _():
    with shell('zsh') as (program, env, script, _):
        before = f'PS1="> "; autoload -Uz compinit; compinit -u -D; source {script}'
        typed(program, ['-f', '-i'], env, before, 'cfctl sync status mu\t', 'music')
        typed(program, ['-f', '-i'], env, before, 'cfctl file list my\t', 'my\\ photos')
        typed(program, ['-f', '-i'], env, before, 'cfctl file ls docs s\t', 'sub/')


@test('fish completes', world=False)
def _():
    with shell('fish') as (program, env, script, fake):
        def complete(line):
            done = subprocess.run([program, '--no-config', '-c', f'source {script}; complete -C "{line}"'], env=env, capture_output=True,
                                  text=True, timeout=SECONDS, cwd=fake.directory)
            return [x.split('\t')[0] for x in done.stdout.splitlines()]
        assert_equal(sorted(complete('cfctl sync sta')), ['state', 'status'])
        assert_equal(complete('cfctl sync status m'), ['music'])
        assert_equal(complete('cfctl file list my'), ['my photos'])
        assert_equal(complete('cfctl file upload docs soc'), ['socket'])


if __name__ == '__main__':
    sys.exit(main())

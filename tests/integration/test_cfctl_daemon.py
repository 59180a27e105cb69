#!/usr/bin/env python3
"""cfctl with the real daemon and a server: a session of a user, from the login to the last pair removed."""
import json
import sys

from cf import assert_equal, main, test


def says(w, code, words, *line, **options):
    """cfctl ends with this status, and says these words somewhere."""
    done = w.daemon.cfctl(*line, **options)
    assert_equal(done.returncode, code, f'{line}: {done.stdout}{done.stderr}')
    for word in words:
        assert word in done.stdout + done.stderr, f'{line}: {word!r} is not in {done.stdout}{done.stderr}'
    return done.stdout


@test('a first session: login, bucket, pair, files, and all of it taken away again', pair=False,
      files={'a.txt': b'hello', 'dir/b.txt': b'world', 'id_rsa': b'-----BEGIN PRIVATE KEY-----\n'})
def _(w):
    key = w.server.admin_key + '\n'
    says(w, 0, ['profile tmp', 'role admin'], 'login', w.server.url, '--name', 'tmp', '--use', '--token-file', '-', input=key)
    says(w, 4, ['(HTTP 403)'], 'login', w.server.url, '--name', 'bad', '--token-file', '-', input='wrong\n')
    says(w, 0, ['tmp', 'ready'], 'profile', 'list')
    says(w, 0, ['healthy'], 'health')
    bucket = says(w, 0, [], 'bucket', 'create', 'papers', '--expires', 'never', '--quiet').strip()
    says(w, 0, [bucket, 'papers'], 'bucket', 'list')
    says(w, 0, [bucket, 'never'], 'bucket', 'info', 'papers')
    says(w, 5, ['nonesuch'], 'sync', 'add', w.root, 'nonesuch')
    says(w, 2, ['exclude'], 'sync', 'add', w.root, 'papers', '--exclude', '*.o')
    says(w, 2, ['mode'], 'sync', 'add', w.root, 'papers', '--mode', 'pull')
    says(w, 0, ['upload', 'a.txt', '2 to upload'], 'sync', 'add', w.root, 'papers', '--dry-run')
    says(w, 0, [], 'sync', 'list')
    says(w, 0, ['Pair docs', 'warning: '], 'sync', 'add', w.root, 'papers', '--name', 'docs')
    says(w, 0, ['In sync'], 'sync', 'wait', 'docs', '--timeout', '30')
    says(w, 0, ['idle', w.root], 'sync', 'status')
    says(w, 0, ['docs', 'tmp'], 'status')
    files = json.loads(says(w, 0, [], '--json', 'file', 'list', bucket, '--sort', 'path', '--order', 'asc'))['files']
    assert_equal([f['path'] for f in files], ['a.txt', 'dir/b.txt'])
    says(w, 0, ['secret', 'id_rsa'], 'sync', 'skipped')
    says(w, 0, ['Nothing to do'], 'sync', 'diff', 'docs')
    says(w, 0, ['upload', 'dir/b.txt'], 'sync', 'history', 'docs')
    says(w, 0, ['synced', 'skipped', 'none'], 'sync', 'state', w.path('a.txt'), w.path('id_rsa'), '/etc/passwd')
    says(w, 0, ['a.txt: carried', 'x~: ignored'], 'sync', 'ignored', 'docs', w.path('a.txt'), 'x~')
    says(w, 0, ['queued'], 'sync', 'rescan', 'docs', 'dir', '--verify')
    says(w, 0, [], 'sync', 'wait', '--timeout', '30')
    says(w, 0, [], 'sync', 'pause', 'docs', '--for', '1h')
    says(w, 7, ['paused until'], 'sync', 'status', 'docs')
    says(w, 7, ['docs is not in sync: paused'], 'sync', 'wait', '--timeout', '5')
    says(w, 0, [], 'sync', 'resume', 'docs')
    says(w, 0, [], 'sync', 'set', 'docs', 'max_deletes=7')
    says(w, 0, ['max_deletes', '7'], 'sync', 'show', 'docs')
    says(w, 2, ['mode'], 'sync', 'set', 'docs', 'mode=pull')
    says(w, 7, ['nothing is held'], 'sync', 'confirm', 'docs', '--yes')
    says(w, 7, ['nothing is held'], 'sync', 'restore', 'docs')
    says(w, 0, ['Nothing is held'], 'sync', 'held')
    says(w, 5, ['nil'], 'sync', 'show', 'nil')
    says(w, 1, ['docs'], 'profile', 'remove', 'tmp')
    says(w, 0, [], 'sync', 'remove', 'docs')
    says(w, 0, [], 'logout', 'tmp')
    says(w, 0, [], 'profile', 'remove', 'tmp')


@test('the daemon: version, settings, log level, metrics, doctor', server=False)
def _(w):
    says(w, 0, ['sync'], 'daemon', 'version')
    says(w, 0, ['settle_ms', '50'], 'daemon', 'config')
    says(w, 0, [], 'daemon', 'config', 'settle_ms=70')
    says(w, 0, ['70'], 'daemon', 'config', 'settle_ms')
    says(w, 1, ['settle_ms'], 'daemon', 'config', 'settle_ms=soon')
    says(w, 0, ['Changed: settle_ms'], 'daemon', 'reload')
    says(w, 0, ['info'], 'daemon', 'log-level')
    says(w, 2, ['level'], 'daemon', 'log-level', 'loud')
    says(w, 0, ['# EOF'], 'daemon', 'metrics')
    says(w, 0, ['socket'], 'doctor')
    says(w, 0, ['No profile yet', 'No pair yet'], 'status')
    says(w, 5, [], 'health')


if __name__ == '__main__':
    sys.exit(main())

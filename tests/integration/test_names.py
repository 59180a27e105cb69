#!/usr/bin/env python3
"""Every name Linux allows is carried; what cannot be carried is listed with its reason and holds nothing up."""
import os
import signal
import socket
import stat
import subprocess
import sys

from cf import Skip, assert_equal, encode_path, main, test

NASTY = [
    b' leading', b'trailing ', b'two  blanks', b'tab\there', b'new\nline', b'cr\rhere', b'\x01\x7f', b'"quotes"',
    b"it's", b'back\\slash', b'\\', b'a\\b\\c', b'%', b'%41', b'a%2Fb', b'%2F', b'%FF', b'+', b'a+b', b'#', b'?', b'&=;',
    b'a;b', b'semi;filename*=x', b'=?utf-8?B?YQ==?=', b'~a', b'~x41', b'~xzz', b'~x7E', b'~x7', b'a~x5Cb', b'~~x41',
    b'\xff', b'\xc3', b'ok\xc3\x28', b'\xed\xa0\x80', b'\xf0\x9f\x98\x80', b'\xc3\xa9', b'e\xcc\x81', b'\xe2\x80\xae',
    b'Case', b'case', b'CASE', b'file', b'files', b'upload', b'blob', b'content', b'verify', b'Content', b'name',
    b'd/content', b'd/verify', b'd/Content', b'd/VERIFY', b'd/content2', b'd/x', b'e/content/content', b'zip', b'summary',
    b'...', b'..a', b'a..b', b'.hidden', b'-dash', b'--', b'*', b'a-b', b'a0', b'con', b'nul.txt', b'x' * 255, b'   /x', b'a / b',
    b' ', b'  ', b'\xe3\x80\x80', b'\xc2\xa0', b'\xe2\x80\x83/x', b'\xe3\x80\x80\xe3\x80\x80',
    b'deep/' + b'/'.join([b'n'] * 60), b'\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82', b'a' + b'\xf0\x9f\x8e\x89' * 60,
]


@test('every nasty name makes the round trip: created, edited, renamed, deleted', seconds=180,
      settings={'max_delete_percent': 100})
def _(w):
    for i, name in enumerate(NASTY):
        w.write(name, b'content %d' % i)
    w.sync(90)
    assert_equal(w.daemon.skipped(), [])
    w.assert_equal_sides()
    for i, name in enumerate(NASTY):
        w.write(name, b'edited %d' % i)
    w.sync(90)
    w.assert_equal_sides()
    for name in NASTY[::3]:
        os.unlink(w.path(name))
    w.sync(90)
    w.assert_equal_sides()
    w.daemon.restart()
    w.server.forget()
    w.daemon.call('Rescan', {'name': 'docs'})
    w.sync(90)
    assert_equal(w.server.count('put', 'multipart', 'delete'), 0)
    w.assert_equal_sides()


@test('every nasty name, saved one by one')
def _(w):
    for i, name in enumerate(NASTY[:48:2]):
        w.write(name, b'single %d' % i)
        w.sync()
    w.assert_equal_sides()


@test('nasty names that someone else put there are held under the same names', pair=False)
def _(w):
    theirs = [encode_path(n) for n in NASTY if n != b'd/content2']
    w.server.put_many(w.bucket, [(name, b'%d' % i) for i, name in enumerate(theirs)])
    w.daemon.add(w.root, w.bucket)
    status = w.sync()
    assert_equal(status['foreign_held'], len(theirs))
    assert_equal(sorted(h['path'] for h in w.daemon.held()), sorted(theirs))
    w.daemon.call('ConfirmDeletes', {'name': 'docs', 'choice': 'restore'}, seconds=60)
    w.sync(60)
    w.assert_equal_sides()


@test('a path no URL can reach is skipped with its reason, and nothing waits for it')
def _(w):
    long = b'/'.join([b'\xf0\x9f\x98\x80' * 60] * 12)      # 2,900 bytes here, 8,600 in a request line
    w.write(long, b'unreachable')
    w.write('fine', b'1')
    status = w.sync()
    assert_equal(sorted(w.remote()), ['fine'])
    skipped = w.daemon.skipped()
    assert_equal([s['path'] for s in skipped], [encode_path(long)])
    assert_equal((status['in_sync'], status['files_skipped']), (True, 1))
    assert skipped[0]['reason'] and skipped[0]['message'], skipped


@test('symlinks, FIFOs, sockets and devices are never opened, and listed')
def _(w):
    outside = os.path.join(w.base, 'outside')
    with open(outside, 'wb') as f:
        f.write(b'outside')
    os.symlink(outside, w.path('link'))
    os.symlink('nowhere', w.path('dangling'))
    os.symlink('.', w.path('loop'))
    os.mkfifo(w.path('fifo'))
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(w.root)
    listener.bind('socket')
    os.chdir(here)
    special = ['link', 'dangling', 'loop', 'fifo', 'socket']
    if os.geteuid() == 0:
        try:
            os.mknod(w.path('null'), stat.S_IFCHR | 0o600, os.makedev(1, 3))
            special.append('null')
        except PermissionError:
            pass    # a container without mknod: the other five say as much
    w.write('fine', b'1')
    status = w.sync()
    listener.close()
    assert_equal(sorted(w.remote()), ['fine'])
    assert_equal(sorted(s['path'] for s in w.daemon.skipped()), sorted(special))
    assert_equal(status['in_sync'], True)


@test('a file that becomes a symlink keeps its row and its server side', files={'a': b'1', 'b': b'2'})
def _(w):
    os.unlink(w.path('a'))
    os.symlink('b', w.path('a'))
    w.write('b', b'3')
    w.sync()
    assert_equal(sorted(w.remote()), ['a', 'b'])
    assert_equal([s['path'] for s in w.daemon.skipped()], ['a'])


@test('secrets stay here, listed as such; the pair that wants them carries them')
def _(w):
    key = b'-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n'
    secrets = {'.ssh/config': b'x', '.gnupg/ring': b'x', '.env': b'A=1', '.netrc': b'x', '.pgpass': b'x',
               'sub/id_rsa': key, 'sub/id_ed25519': key, 'other-name.pem': key}
    for name, data in secrets.items():
        w.write(name, data)
    w.write('id_rsa.pub', b'public')
    w.write('env', b'fine')
    w.sync()
    assert_equal(sorted(w.remote()), ['env', 'id_rsa.pub'])
    skipped = w.daemon.skipped()
    assert_equal({s['reason'] for s in skipped}, {'secret'})
    assert all(any(s['path'] == n or n.startswith(s['path'].rstrip('/') + '/') for s in skipped) for n in secrets), skipped
    w.daemon.call('Update', {'name': 'docs', 'changes': {'secrets': True}})
    w.sync()
    w.assert_equal_sides()


@test('a key pasted into a file that was carried before does not go up', files={'notes.txt': b'notes'})
def _(w):
    w.write('notes.txt', b'-----BEGIN RSA PRIVATE KEY-----\nAAAA\n')
    w.sync()
    assert_equal(len(w.remote()), 1)
    assert w.remote() != w.local()


@test('temporaries of editors and desktops are ignored without a word')
def _(w):
    for name in ('a~', '.a.swp', '.a.swx', '.#a', '.~lock.a.odt#', '.goutputstream-XYZ', 'a.part', 'a.crdownload'):
        w.write(name, b'temporary')
    w.write('a', b'1')
    w.sync()
    assert_equal(sorted(w.remote()), ['a'])


@test('an empty directory is no file, and nothing is pending because of it')
def _(w):
    os.makedirs(w.path('empty/deeper'))
    w.write('a', b'1')
    status = w.sync()
    assert_equal(sorted(w.remote()), ['a'])
    assert_equal(status['in_sync'], True)


@test('more watches than the kernel gives: degraded, polled, nothing lost', pair=False, daemon=False)
def _(w):
    # A user namespace has a watch limit of its own that it may lower.
    limit = 8
    prefix = ('unshare', '--user', '--map-root-user', 'sh', '-c',
              f'echo {limit} > /proc/sys/user/max_inotify_watches && exec "$@"', 'sh')
    if subprocess.run([*prefix, 'true'], capture_output=True).returncode:
        raise Skip('no user namespaces here')
    w.daemon.settings(poll_seconds=1, settle_open_ms=200)
    w.daemon.start(prefix=prefix)
    w.daemon.login(w.server.url, w.server.admin_key)
    for i in range(30):
        w.write(f'd{i:02}/f', b'%d' % i)
    w.daemon.add(w.root, w.bucket)
    w.sync()
    w.assert_equal_sides()
    status = w.wait_status(lambda s: s['state'] == 'degraded', what='state degraded')
    assert status['polled_directories'] >= 20 and status['watched_directories'] <= limit, status
    assert 'max_user_watches' in (status.get('last_error') or '') + w.daemon.log(), status
    w.write('d29/f', b'edited in a polled directory')
    w.write('d28/new', b'new in a polled directory')
    w.wait_equal_sides()
    # wait reads polled directories itself: once, and however rarely they are looked at otherwise.
    w.daemon.settings(poll_seconds=3600, settle_open_ms=200)
    w.daemon.signal(signal.SIGHUP)
    w.daemon.wait_notify('RELOADING=1')
    w.daemon.wait_notify('READY=1')
    w.sync()
    for count in (0, 200):  # few enough to be read one by one, and many
        for i in range(count):
            w.write(f'more{i:03}/f', b'%d' % i)
        w.sync()
        w.write('d29/f', b'edited again %d' % count)
        w.write(f'd27/new{count}', b'another')
        w.sync()
        w.assert_equal_sides()


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""Adding, refusing, changing and removing pairs."""
import os
import sys
import time

from cf import VarlinkError, assert_equal, digest, main, test, wait_until

PROBES_SECONDS = 5      # within this a server that is away is asked again, twice at first


def refused(w, wanted, call, **parameters):
    """The call must be refused with this error; its parameters."""
    try:
        call()
    except VarlinkError as error:
        assert_equal(error.name.rpartition('.')[2], wanted, str(error))
        for key, value in parameters.items():
            assert_equal(error.parameters.get(key), value, str(error))
        return error.parameters
    raise AssertionError(f'not refused, {wanted} wanted')


def directory(w, name):
    path = os.path.join(w.base, name)
    os.makedirs(path)
    return path


@test('two pairs in one bucket below different prefixes', pair=False)
def _(w):
    one, two = directory(w, 'one'), directory(w, 'two')
    for path, text in ((one, b'first'), (two, b'second')):
        with open(os.path.join(path, 'same-name'), 'wb') as f:
            f.write(text)
    w.daemon.add(one, w.bucket, name='one', remote_prefix='photos')
    w.daemon.add(two, w.bucket, name='two', remote_prefix='photos2/x')
    w.daemon.wait_in_sync('one')
    w.daemon.wait_in_sync('two')
    assert_equal(w.remote(), {'photos/same-name': digest(b'first'), 'photos2/x/same-name': digest(b'second')})
    os.unlink(os.path.join(one, 'same-name'))
    w.daemon.wait_in_sync('one')
    assert_equal(list(w.remote()), ['photos2/x/same-name'])
    assert_equal([w.daemon.status(n)['foreign_held'] for n in ('one', 'two')], [0, 0])


@test('overlapping pairs are refused, on both sides of the wire', pair=False)
def _(w):
    other = w.server.create_bucket('other')
    inside = directory(w, 'root/inside')
    aside = directory(w, 'aside')
    w.daemon.add(w.root, w.bucket, remote_prefix='a')
    here, there = {'other': 'docs', 'other_path': w.root}, {'other': 'docs', 'other_path': w.bucket + '/a'}
    refused(w, 'Overlap', lambda: w.daemon.add(inside, other, name='inside'), path=inside, **here)
    refused(w, 'Overlap', lambda: w.daemon.add(w.base, other, name='above'), path=w.base, **here)
    refused(w, 'Overlap', lambda: w.daemon.add(w.root, other, name='again'), path=w.root, **here)
    for name, prefix, place in (('same', 'a', '/a'), ('below', 'a/b', '/a/b'), ('whole', '', '')):
        refused(w, 'Overlap', lambda: w.daemon.add(aside, w.bucket, name=name, remote_prefix=prefix),
                path=w.bucket + place, **there)
    for arguments, words in (((inside, other), f'{inside} overlaps with {w.root} of pair docs'),
                             ((aside, w.bucket), f'{w.bucket} overlaps with {w.bucket}/a of pair docs')):
        done = w.daemon.cfctl('sync', 'add', *arguments)
        assert_equal((done.returncode, done.stderr.splitlines()[0]), (1, 'cfctl: cannot add the pair: ' + words))
        assert 'cfctl sync list' in done.stderr, done.stderr
    link = os.path.join(w.base, 'link')
    os.symlink(w.root, link)
    refused(w, 'Overlap', lambda: w.daemon.add(link, other, name='by-link'))
    w.daemon.add(aside, w.bucket, name='beside', remote_prefix='ab')
    assert_equal([p['name'] for p in w.daemon.call('List')['pairs']], ['beside', 'docs'])


@test('a name that is taken, a directory that is none', pair=False)
def _(w):
    w.daemon.add(w.root, w.bucket)
    other = directory(w, 'other')
    refused(w, 'PairExists', lambda: w.daemon.add(other, w.bucket, remote_prefix='x'), name='docs')
    refused(w, 'PathUnusable', lambda: w.daemon.add(w.base + '/missing', w.bucket, name='m', remote_prefix='x'),
            path=w.base + '/missing')
    plain = os.path.join(w.base, 'plain')
    open(plain, 'w').close()
    refused(w, 'PathUnusable', lambda: w.daemon.add(plain, w.bucket, name='p', remote_prefix='x'))
    refused(w, 'InvalidParameter', lambda: w.daemon.add('relative/path', w.bucket, name='r', remote_prefix='x'))
    refused(w, 'InvalidParameter', lambda: w.daemon.add(other, w.bucket, name='../evil', remote_prefix='x'))
    refused(w, 'InvalidParameter', lambda: w.daemon.add(other, w.bucket, name='q', remote_prefix='a/../b'))
    refused(w, 'InvalidParameter', lambda: w.daemon.add(other, '../..', name='q'))
    refused(w, 'NoSuchProfile', lambda: w.daemon.add(other, w.bucket, name='q', remote_prefix='y', profile='none'))
    refused(w, 'NoSuchPair', lambda: w.daemon.status('nobody'))


@test('what belongs to later versions is refused by name, never taken and ignored', pair=False)
def _(w):
    for field, value in (('include', ['*.txt']), ('exclude', ['*.log']), ('upload_limit', '512K'),
                         ('download_limit', '1M'), ('mode', 'pull'), ('mode', 'two_way')):
        parameters = refused(w, 'InvalidParameter', lambda: w.daemon.add(w.root, w.bucket, **{field: value}))
        assert field in parameters['parameter'], parameters
    parameters = refused(w, 'InvalidParameter', lambda: w.daemon.add(w.root, w.bucket, upload_token='cfu_' + '0' * 48,
                                                                     mode='backup'))
    assert 'upload_token' in parameters['parameter'], parameters
    assert_equal(w.daemon.call('List')['pairs'], [])
    refused(w, 'MethodNotImplemented', lambda: w.daemon.call('remote.Subscribe'))
    refused(w, 'MethodNotFound', lambda: w.daemon.call('NoSuchMethod'))


@test('a bucket that does not exist is said at once', pair=False)
def _(w):
    refused(w, 'NotFound', lambda: w.daemon.add(w.root, 'AAAAAAAAAA'), status_code=404)
    done = w.daemon.cfctl('sync', 'add', w.root, 'AAAAAAAAAA')
    assert_equal(done.returncode, 5, done.stderr)
    assert 'AAAAAAAAAA' in done.stderr or 'ucket' in done.stderr, done.stderr
    assert_equal(w.daemon.call('List')['pairs'], [])


@test('add warns of readers and of an expiry; create_bucket makes one that never expires', pair=False)
def _(w):
    soon = w.server.create_bucket('soon', '2d')
    warnings = ' '.join(w.daemon.add(w.root, soon, name='soon')['warnings'])
    assert 'read' in warnings and 'expire' in warnings, warnings
    w.wait_status(lambda s: s.get('bucket_expires_at'), what='the date in the status', name='soon')
    other = directory(w, 'other')
    pair = w.daemon.add(other, 'made here', name='made', create_bucket=True)['pair']
    w.daemon.wait_in_sync('made')
    bucket = w.server.ask('GET', '/api/buckets/' + pair['spec']['bucket'])
    assert_equal((bucket['name'], bucket.get('expires_at')), ('made here', None))


@test('a bucket that expires while it is synced: remote_gone, nothing deleted', files={'a': b'1'})
def _(w):
    w.server.ask('POST', f'/_dev/expire/{w.bucket}')
    w.write('b', b'2')
    w.wait_status(lambda s: s['state'] == 'remote_gone', what='state remote_gone')
    assert_equal(sorted(w.local()), ['a', 'b'])


@test('when a bucket has expired, status says since when, once', pair=False, files={'a': b'1'})
def _(w):
    w.daemon.add(w.root, w.server.create_bucket('short', str(int(time.time()) + 4)))
    w.sync()
    date = w.daemon.status()['bucket_expires_at']
    done = w.daemon.cfctl('sync', 'status')
    assert_equal([line for line in done.stdout.splitlines() if 'expires' in line],
                 [f'docs: {w.daemon.status()["last_error"]}'])
    assert date in done.stdout, done.stdout
    w.wait_status(lambda s: s['state'] == 'remote_gone' or w.write('b', os.urandom(9)) is None,
                  what='state remote_gone')
    done = w.daemon.cfctl('sync', 'status')
    said = [line for line in done.stdout.splitlines() if 'expire' in line]
    assert len(said) == 1 and f'it expired on {date}' in said[0], done.stdout


@test('pause keeps still over a restart, resume catches up', files={'a': b'1'})
def _(w):
    w.daemon.call('Pause', {'name': 'docs'})
    assert_equal(w.daemon.status()['state'], 'paused')
    w.write('b', b'2')
    w.daemon.restart()
    assert_equal(w.daemon.status()['state'], 'paused')
    assert_equal(w.daemon.call('Wait', {'name': 'docs', 'timeout_seconds': 20})['statuses'][0]['in_sync'], False)
    assert_equal(sorted(w.remote()), ['a'])
    w.daemon.call('Resume', {'name': 'docs'})
    w.sync()
    w.assert_equal_sides()


@test('a paused pair leaves a server in peace that is away, and asks at once when it is resumed', files={'a': b'1'})
def _(w):
    w.server.fault('status', status=503)
    w.write('b', b'2')
    w.wait_status(lambda s: s['state'] == 'offline', what='state offline')
    w.daemon.call('Pause', {'name': 'docs'})
    wait_until(lambda: w.server.seen()['in_flight'] == 0, 10, 'the last probe answered')
    requests = w.server.count()
    time.sleep(PROBES_SECONDS)  # nothing to wait for: nothing happens
    assert_equal(w.server.count() - requests, 0)
    w.server.clear_faults()
    w.daemon.call('Resume', {'name': 'docs'})
    w.wait_equal_sides(10)


@test('remove deletes nothing on either side; the directory can be added again and sends nothing', files={'a': b'1'})
def _(w):
    w.daemon.call('Remove', {'name': 'docs'})
    assert_equal((sorted(w.local()), sorted(w.remote())), (['a'], ['a']))
    w.server.forget()
    w.daemon.add(w.root, w.bucket, name='again')
    w.daemon.wait_in_sync('again')
    assert_equal(w.server.count('put', 'multipart', 'delete'), 0)


@test('a pair renamed and given another prefix keeps its data and begins a first sync', files={'a': b'1'})
def _(w):
    w.daemon.call('Update', {'name': 'docs', 'changes': {'name': 'papers'}})
    assert_equal([p['name'] for p in w.daemon.call('List')['pairs']], ['papers'])
    w.daemon.call('Update', {'name': 'papers', 'changes': {'remote_prefix': 'sub'}})
    w.daemon.wait_in_sync('papers')
    assert_equal(w.remote(), {'a': digest(b'1'), 'sub/a': digest(b'1')})


@test('a profile that gets another URL and another name in one call takes its pairs along', files={'a': b'1'})
def _(w):
    # The new URL starts the pair anew; the name changes while that is under way.
    w.daemon.call('remote.SetProfile', {'name': 'default', 'new_name': 'home',
                                        'url': w.server.url.replace('127.0.0.1', 'localhost')})
    w.write('b', b'2')
    w.sync()
    assert_equal(w.daemon.call('List')['pairs'][0]['spec']['profile'], 'home')
    w.daemon.restart()
    w.sync()
    w.assert_equal_sides()
    refused(w, 'Busy', lambda: w.daemon.call('remote.RemoveProfile', {'name': 'home'}))


@test('foreign = remove deletes what others put there later, never at the first sync', pair=False)
def _(w):
    w.server.put(w.bucket, 'before', b'was there first')
    w.write('a', b'1')
    w.daemon.add(w.root, w.bucket, foreign='remove')
    w.sync()
    assert_equal(sorted(w.remote()), ['a', 'before'])
    w.server.put(w.bucket, 'after', b'came later')
    w.daemon.call('Rescan', {'name': 'docs'})
    wait_until(lambda: sorted(w.remote()) == ['a', 'before'], 20, 'the foreign file gone')
    assert digest(b'came later') in w.trashed()


@test('pair files are small, readable and private', files={'a': b'1'})
def _(w):
    path = os.path.join(w.daemon.config, 'pairs/docs.conf')
    assert_equal(os.stat(path).st_mode & 0o777, 0o600)
    with open(path) as f:
        text = f.read()
    assert w.root in text and w.bucket in text and 'mirror' in text, text


if __name__ == '__main__':
    sys.exit(main())

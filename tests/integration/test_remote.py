#!/usr/bin/env python3
"""Every method of org.carbonfiles.remote that moves no bytes: daemon and server as real processes, raw Varlink. All
cases share one daemon, whose replies are held against the interface text, and one server; each has buckets of its own."""
import atexit
import functools
import hashlib
import os
import re
import threading

from cf.tap import diagnose, main, test
from cf.varlink import VarlinkError
from cf.wait import wait_until
from cf.world import World

INVALID = 'org.varlink.service.InvalidParameter'
REMOTE = 'org.carbonfiles.remote.'
UTC = re.compile(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$')
ODD_NAMES = ['a b', 'ü/é', 'Ωmega/日本/🎉.txt', 'p%2Fq', 'x%41', 'hash#?&+=', 'd/content', 'd/Verify', 'content', 'verify',
             'deep/' * 40 + 'end', "quote'\"", 'tab\there', 'new\nline', '_under_/a', '%/b', 'Case/x', 'case/x']


@functools.lru_cache(maxsize=None)
def shared():
    w = World(daemon=False)
    atexit.register(w.close)
    w.daemon.environment['CARBONFILESD_CHECK_REPLIES'] = '1'
    w.daemon.start()
    w.daemon.login(w.server.url, w.server.admin_key, profile='admin')
    for name in ('owner', 'other'):
        key = w.server.rest.ask('POST', '/api/keys', {'name': name})['key']
        w.daemon.login(w.server.url, key, profile=name)
    token = w.server.rest.ask('POST', '/api/tokens/dashboard')['token']
    w.daemon.login(w.server.url, token, profile='dashboard')
    token = w.server.rest.ask('POST', f'/api/buckets/{w.bucket}/tokens')['token']
    w.daemon.login(w.server.url, token, profile='upload')
    w.daemon.login(w.server.url, None, profile='guest')
    return w


def case(what, **options):
    def register(function):
        def run():
            w = shared()
            try:
                function(w)
                w.check_alive()
            except BaseException:
                diagnose(w.logs())
                raise
            finally:
                w.server.clear_faults()
        test(what, world=False, **options)(run)
    return register


def call(method, **parameters):
    return shared().daemon.call('remote.' + method, parameters)


def stream(method, **parameters):
    return list(shared().daemon.stream('remote.' + method, parameters))


def refused(error, method, **parameters):
    """The call must fail with this error; gives its parameters."""
    try:
        result = call(method, **parameters)
    except VarlinkError as e:
        assert e.name in (error, REMOTE + error), f'{method}: {e}, {error} was expected'
        return e.parameters
    raise AssertionError(f'{method} succeeded with {result}, {error} was expected')


def bucket(*names, **options):
    made = call('CreateBucket', name=options.pop('name', 'b'), expires_in='never', **options)['bucket']['id']
    if names:
        shared().server.put_many(made, [(n, n.encode()) for n in names])
    return made


def state(profile):
    return call('GetProfile', name=profile)['profile']['state']


@case('the four kinds of credential, and none', quick=True)
def _(w):
    roles = {p['name']: (p['auth'], p['role'], p['state']) for p in call('ListProfiles')['profiles']}
    assert roles == {'admin': ('admin_key', 'admin', 'ready'), 'owner': ('api_key', 'owner', 'ready'),
                     'other': ('api_key', 'owner', 'ready'), 'dashboard': ('dashboard_token', 'admin', 'ready'),
                     'upload': ('upload_token', 'upload', 'unverified'), 'guest': ('none', 'anonymous', 'ready')}, roles
    for profile in roles:
        assert call('GetHealth', profile=profile)['status'] == 'healthy'
    for profile in ('admin', 'owner', 'dashboard'):
        call('ListBuckets', profile=profile)
    for profile, word in (('guest', 'no credential'), ('upload', 'upload token')):
        error = refused('AccessDenied', 'ListBuckets', profile=profile)
        assert error['status_code'] == 403 and word in error['hint'], error
        assert state(profile) == 'ready', 'there is nothing to log in again with'


@case('GetStats: for admins; a good key that may not is not a dead one')
def _(w):
    b = bucket('s', profile='owner')
    stats = call('GetStats')
    assert stats['total_buckets'] >= 1 and stats['total_keys'] >= 2 and stats['total_downloads'] == 0
    mine = [o for o in stats['storage_by_owner'] if o['owner'] == 'owner']
    assert mine and mine[0]['file_count'] >= 1, stats
    assert call('GetStats', profile='dashboard')['total_keys'] == stats['total_keys']
    error = refused('AccessDenied', 'GetStats', profile='owner')
    assert error['status_code'] == 403 and error['message'] == 'Admin access required' and error['hint'], error
    assert state('owner') == 'ready'
    call('DeleteBucket', bucket=b)


@case('a credential that the server no longer takes: login_required, and said so')
def _(w):
    key = call('CreateApiKey', name='short-lived')
    w.daemon.login(w.server.url, key['key'], profile='doomed')
    b = bucket(profile='doomed')
    call('DeleteApiKey', prefix=key['prefix'])
    w.server.rest.request('DELETE', '/_dev/caches')
    call('GetBucket', profile='doomed', bucket=b)      # reading needs no key
    for method, more in (('ListBuckets', {}), ('DeleteBucket', {'bucket': b}), ('GetStats', {})):
        error = refused('AccessDenied', method, profile='doomed', **more)
        assert 'not accept' in error['message'] and 'log in again' in error['hint'], error
        assert state('doomed') == 'login_required'
    call('DeleteBucket', bucket=b)
    call('RemoveProfile', name='doomed')


@case('UpdateBucket, DeleteBucket: changed, refused, gone')
def _(w):
    b = bucket(profile='owner', description='x')
    changed = call('UpdateBucket', profile='owner', bucket=b, name='nämé', expires_in='2w')['bucket']
    assert changed['name'] == 'nämé' and changed['description'] == 'x' and UTC.match(changed['expires_at'])
    changed = call('UpdateBucket', bucket=b, description='', expires_in='never')['bucket']
    assert changed.get('description', '') == '' and 'expires_at' not in changed, changed
    assert refused('BadRequest', 'UpdateBucket', bucket=b)['message'] == 'At least one field is required'
    error = refused('BadRequest', 'UpdateBucket', bucket=b, expires_in='soon')
    assert 'soon' in error['message'] and 'never' in error['hint'], error
    for method in ('UpdateBucket', 'DeleteBucket'):
        more = {'name': 'y'} if method == 'UpdateBucket' else {}
        error = refused('AccessDenied', method, profile='other', bucket=b, **more)
        assert error['status_code'] == 403 and error['hint'] and state('other') == 'ready', error
        refused('AccessDenied', method, profile='guest', bucket=b, **more)
        refused('NotFound', method, bucket='NoSuchId00', **more)
        for bad in ('', '..', 'a/b', 'a?b', 'é'):
            assert refused(INVALID, method, bucket=bad, **more)['parameter'] == 'bucket'
    call('DeleteBucket', profile='owner', bucket=b)
    refused('NotFound', 'GetBucket', bucket=b)


@case('GetBucketSummary: whole, and cut where it would not end')
def _(w):
    b = bucket(*ODD_NAMES[:4], name='Sommaire é')
    text = call('GetBucketSummary', bucket=b)['summary']
    assert text.startswith('Bucket: Sommaire é\n') and '  Ωmega/日本/🎉.txt (' in text, text
    refused('NotFound', 'GetBucketSummary', bucket='NoSuchId00')
    names = [f'{i:04}é' + 'x' * 1500 for i in range(600)]
    b = bucket(*names, name='big')
    text = call('GetBucketSummary', bucket=b)['summary']
    assert 500_000 < len(text.encode()) < 530_000 and text.endswith('\n') and 'ListFiles' in text.splitlines()[-1]
    listed = [line.split(' (')[0].strip() for line in text.splitlines()[7:-1]]
    assert 300 < len(listed) < 600 and listed == names[:len(listed)], listed[:3]


@case('files of every name: GetFile, GetFileUrl, VerifyFile, DeleteFile')
def _(w):
    b = bucket(*ODD_NAMES)
    for name in ODD_NAMES:
        f = call('GetFile', bucket=b, path=name)['file']
        digest = hashlib.sha256(name.encode()).hexdigest()
        assert f['path'] == name and f['size'] == len(name.encode()) and f['sha256'] == digest, f
        assert f['name'] and UTC.match(f['created_at']) and UTC.match(f['updated_at'])
        assert f['short_url'] == f"{w.server.url}/s/{f['short_code']}"
        urls = call('GetFileUrl', profile='guest', bucket=b, path=name)
        assert urls['short_url'] == f['short_url']
        target = urls['url'].removeprefix(w.server.url)
        assert target != urls['url']
        assert w.server.rest.request('GET', target)[2] == name.encode(), target
        verdict = call('VerifyFile', bucket=b, path=name)
        assert verdict == {'path': name, 'stored_hash': digest, 'computed_hash': digest, 'valid': True}, verdict
        place = call('ResolveShortUrl', code=f['short_code'])
        assert place == {'bucket': b, 'path': name, 'url': urls['url']}, place
    for name in ODD_NAMES:
        assert call('DeleteFile', bucket=b, path=name) == {}
        for method in ('GetFile', 'GetFileUrl', 'VerifyFile', 'DeleteFile'):
            error = refused('NotFound', method, bucket=b, path=name)
            assert error['status_code'] == 404 and error['message'], error
    assert call('GetBucket', bucket=b)['bucket']['id'] == b


@case('paths that mean something else never reach the server')
def _(w):
    b = bucket('k', 'x/y')
    w.server.forget()
    for method in ('GetFile', 'GetFileUrl', 'VerifyFile', 'DeleteFile'):
        for bad in ('', '.', '..', 'a//b', '/a', 'a/', 'x/../k', 'x/.', 'a\\b', ' ', 'x/\u00a0', 'é' * 4000):
            assert refused(INVALID, method, bucket=b, path=bad)['parameter'] == 'path', bad
        assert refused(INVALID, method, bucket='../x', path='k')['parameter'] == 'bucket'
        refused('NoSuchProfile', method, bucket=b, path='k', profile='none')
    for bad in ('..', 'x/', '/x', 'x//y'):
        assert refused(INVALID, 'ListDirectory', bucket=b, path=bad)['parameter'] == 'path'
    assert refused(INVALID, 'GetApiKeyUsage', prefix='../x')['parameter'] == 'prefix'
    assert refused(INVALID, 'DeleteApiKey', prefix='cf4_00000000_' + '0' * 32)['parameter'] == 'prefix'
    for method in ('ResolveShortUrl', 'DeleteShortUrl'):
        assert refused(INVALID, method, code='../healthz')['parameter'] == 'code'
    assert w.server.count() == 0, w.server.seen(log=True)['log']
    for method in ('GetFile', 'VerifyFile', 'DeleteFile'):
        refused('NotFound', method, bucket='NoSuchId00', path='k')


@case('"not found" that means "not yours" becomes AccessDenied')
def _(w):
    b = bucket('f', 'd/content', profile='owner')
    code = call('GetFile', bucket=b, path='f')['file']['short_code']
    for method, more in (('DeleteFile', {'bucket': b, 'path': 'f'}), ('DeleteFile', {'bucket': b, 'path': 'd/content'}),
                         ('CreateUploadToken', {'bucket': b}), ('DeleteShortUrl', {'code': code})):
        error = refused('AccessDenied', method, profile='other', **more)
        assert error['status_code'] == 404 and 'somebody else' in error['message'] and 'owner' in error['hint'], error
    assert state('other') == 'ready'
    refused('NotFound', 'DeleteFile', profile='other', bucket=b, path='no')
    refused('NotFound', 'CreateUploadToken', profile='other', bucket='NoSuchId00')
    refused('NotFound', 'DeleteShortUrl', profile='other', code='zzzzzz')
    assert len(call('ListFiles', bucket=b)['files']) == 2


@case('VerifyFile of bytes that are gone')
def _(w):
    b = bucket('only here')
    w.server.rest.request('DELETE', '/_dev/contents/' + hashlib.sha256(b'only here').hexdigest())
    verdict = call('VerifyFile', bucket=b, path='only here')
    assert verdict['valid'] is False and verdict['computed_hash'] == '', verdict


@case('upload tokens: made, limited, refused')
def _(w):
    b = bucket(profile='owner')
    token = call('CreateUploadToken', profile='owner', bucket=b, expires_in='2h', max_uploads=3)
    assert token['token'].startswith('cfu_') and token['bucket'] == b and UTC.match(token['expires_at'])
    assert token['max_uploads'] == 3 and token['uploads_used'] == 0
    assert 'max_uploads' not in call('CreateUploadToken', bucket=b)
    for bad in (0, -1, 1 << 31):
        assert refused(INVALID, 'CreateUploadToken', bucket=b, max_uploads=bad)['parameter'] == 'max_uploads'
    assert refused('BadRequest', 'CreateUploadToken', bucket=b, expires_in='x')['hint']
    refused('AccessDenied', 'CreateUploadToken', profile='upload', bucket=b)


@case('API keys: made, listed, used, deleted')
def _(w):
    made = [call('CreateApiKey', name=f'k{i:02}') for i in range(7)]
    assert all(k['key'].startswith(k['prefix'] + '_') and UTC.match(k['created_at']) for k in made)
    page = call('ListApiKeys', page={'sort': 'name', 'order': 'asc', 'limit': 3})
    assert [k['name'] for k in page['keys']] == ['k00', 'k01', 'k02'] and page['page']['limit'] == 3, page
    total = page['page']['total']
    pages = stream('ListApiKeys', page={'limit': 2, 'sort': 'name', 'order': 'desc'})
    assert len(pages) == (total + 1) // 2 and [p['page']['offset'] for p in pages] == list(range(0, total, 2))
    names = [k['name'] for p in pages for k in p['keys']]
    assert names == sorted(names, reverse=True) and len(names) == total
    for bad in ({'limit': 0}, {'limit': 1001}, {'offset': -1}, {'sort': 'size'}):
        assert refused(INVALID, 'ListApiKeys', page=bad)['parameter'] == next(iter(bad))
    w.daemon.login(w.server.url, made[0]['key'], profile='k')
    b = bucket('one', 'two', profile='k')
    usage = call('GetApiKeyUsage', prefix=made[0]['prefix'])
    assert usage['key']['name'] == 'k00' and usage['key']['file_count'] == 2 and usage['total_downloads'] == 0
    assert [x['id'] for x in usage['buckets']] == [b], usage
    for method in ('GetApiKeyUsage', 'DeleteApiKey'):
        refused('NotFound', method, prefix='cf4_00000000')
        refused('AccessDenied', method, profile='owner', prefix=made[1]['prefix'])
    refused('AccessDenied', 'CreateApiKey', profile='owner', name='x')
    refused('AccessDenied', 'ListApiKeys', profile='owner')
    assert refused('BadRequest', 'CreateApiKey', name=' ')['message'] == 'Name is required'
    for k in made:
        assert call('DeleteApiKey', prefix=k['prefix']) == {}
    call('RemoveProfile', name='k')
    for k in made:
        assert k['key'] not in w.daemon.log(), 'a key is in the log'


@case('dashboard tokens: made, asked about, of whose credential')
def _(w):
    token = call('CreateDashboardToken', expires_in='30m')
    assert UTC.match(token['expires_at'])
    about = call('GetDashboardToken', token=token['token'])
    assert about['scope'] == 'admin' and UTC.match(about['expires_at'])
    assert call('GetDashboardToken', token=token['token'], profile='guest') == about
    assert call('GetDashboardToken', profile='dashboard')['scope'] == 'admin'
    error = refused('AccessDenied', 'GetDashboardToken', profile='owner')
    assert error['status_code'] == 401 and 'dashboard token' in error['hint'] and state('owner') == 'ready', error
    error = refused('AccessDenied', 'GetDashboardToken', token='not.a.token', profile='owner')
    assert error['status_code'] == 401 and error['hint'] and state('owner') == 'ready', error
    for bad in ('', 'a b', 'a\r\nX: y', 'é'):
        assert refused(INVALID, 'GetDashboardToken', token=bad)['parameter'] == 'token'
    for bad, word in (('25h', '24 hours'), ('never', 'never'), ('x', 'x')):
        error = refused('BadRequest', 'CreateDashboardToken', expires_in=bad)
        assert word in error['message'] and error['hint'], error
    refused('AccessDenied', 'CreateDashboardToken', profile='owner')
    assert token['token'] not in w.daemon.log()


@case('short URLs: resolved without following, whatever host the server names; deleted')
def _(w):
    b = bucket('dir/ü %2F+.txt')
    f = call('GetFile', bucket=b, path='dir/ü %2F+.txt')['file']
    w.server.forget()
    place = call('ResolveShortUrl', profile='guest', code=f['short_code'])
    assert place['path'] == f['path'] and place['bucket'] == b and w.server.count('content') == 0
    encoded = place['url'].removeprefix(w.server.url)
    for location in (f'http://inside.example:8080/base{encoded}', f'//h{encoded}?x=1#y', re.sub('%..', lambda m: m[0].lower(), encoded)):
        w.server.fault('status', 'short', status=301, headers={'Location': location})
        assert call('ResolveShortUrl', code=f['short_code']) == place, location
        w.server.clear_faults()
    for location in ('/elsewhere', f'/api/buckets/{b}/files/%FF/content', f'/api/buckets/../files/x/content',
                     f'/api/buckets/{b}/files//content', f'/api/buckets/{b}/files/../content', f'/api/buckets/{b}/files/%00/content'):
        w.server.fault('status', 'short', status=302, headers={'Location': location})
        refused('RemoteError', 'ResolveShortUrl', code=f['short_code'])
        w.server.clear_faults()
    assert refused('NotFound', 'ResolveShortUrl', code='zzzzzz')['message']
    refused('AccessDenied', 'DeleteShortUrl', profile='guest', code=f['short_code'])
    assert call('DeleteShortUrl', code=f['short_code']) == {}
    refused('NotFound', 'DeleteShortUrl', code=f['short_code'])
    refused('NotFound', 'ResolveShortUrl', code=f['short_code'])


TREE = ['a', 'my_dir/1', 'my_dir/sub/x', 'my_dir/sub/y', 'my_dir/🎉/deep/z', 'My_dir/2', 'myxdir/3', 'my_dir2/4', 'my_dir/%/p',
        'z/1', 'z!', '🎉/x', '🎉/dir/y', 'my_dir/end']


def tree_of(names, prefix='', delimiter='/'):
    files, dirs = [], {}
    for name in sorted(names, key=str.encode):
        if name.startswith(prefix):
            head, found, _ = name[len(prefix):].partition(delimiter)
            if found:
                count, size = dirs.get(prefix + head + delimiter, (0, 0))
                dirs[prefix + head + delimiter] = (count + 1, size + len(name.encode()))
            else:
                files.append(name)
    return files, dirs


@case('ListTree: levels of any prefix, wildcards and case taken for what they are')
def _(w):
    b = bucket(*TREE)
    for prefix in ('', 'my_dir/', 'my_dir', 'M', '🎉/', 'z', 'nothing/', 'my_dir/%/'):
        for delimiter in ('/', '_', 'dir/'):
            expected = tree_of(TREE, prefix, delimiter)
            whole = call('ListTree', bucket=b, prefix=prefix, delimiter=delimiter)
            got = [f['path'] for f in whole['files']], {d['path']: (d['file_count'], d['total_size'])
                                                       for d in whole['directories']}
            assert got == expected, (prefix, delimiter, got, expected)
            assert whole.get('prefix', '') == prefix and whole['delimiter'] == delimiter and 'cursor' not in whole
            assert (whole['total_files'], whole['total_directories']) == (len(got[0]), len(got[1]))
            for limit in (1, 2):
                replies = stream('ListTree', bucket=b, prefix=prefix, delimiter=delimiter, limit=limit)
                assert all(len(r['files']) <= limit for r in replies)
                files = [f['path'] for r in replies for f in r['files']]
                dirs = [d for r in replies for d in r['directories']]
                assert files == expected[0], (prefix, files)
                assert [(d['path'], (d['file_count'], d['total_size'])) for d in dirs] == sorted(
                    expected[1].items(), key=lambda x: x[0].encode()), (prefix, dirs)
                # Page by page by hand: what a directory's entries say adds up.
                files, sums, cursor = [], {}, None
                while True:
                    page = call('ListTree', bucket=b, prefix=prefix, delimiter=delimiter, limit=limit,
                                **({'cursor': cursor} if cursor else {}))
                    files += [f['path'] for f in page['files']]
                    for d in page['directories']:
                        count, size = sums.get(d['path'], (0, 0))
                        sums[d['path']] = (count + d['file_count'], size + d['total_size'])
                    cursor = page.get('cursor')
                    if not cursor:
                        break
                assert (files, sums) == expected, (prefix, files, sums)
    assert call('ListTree', bucket=b)['delimiter'] == '/'
    assert refused(INVALID, 'ListTree', bucket=b, delimiter='')['parameter'] == 'delimiter'
    for bad in (0, 1001, -1):
        assert refused(INVALID, 'ListTree', bucket=b, limit=bad)['parameter'] == 'limit'
    refused('NotFound', 'ListTree', bucket='NoSuchId00')
    assert refused(INVALID, 'ListTree', bucket='../x')['parameter'] == 'bucket'


def folders_of(names, path):
    prefix = path + '/' if path else ''
    files, dirs = tree_of(names, prefix)
    return files, [d[len(prefix):-1] for d in dirs]


@case('ListDirectory: exactly the directory, in every order')
def _(w):
    b = bucket(*TREE)
    for path in ('', 'my_dir', 'My_dir', 'myxdir', '🎉', 'my_dir/🎉', 'z', 'nothing'):
        files, folders = folders_of(TREE, path)
        listed = call('ListDirectory', bucket=b, path=path)
        assert [f['path'] for f in listed['files']] == files and listed['folders'] == folders, (path, listed)
        assert (listed['total_files'], listed['total_folders'], listed['limit'], listed['offset']) == \
            (len(files), len(folders), 200, 0)
        for sort in ('name', 'path', 'size', 'created_at', 'updated_at', 'mime_type'):
            for order in ('asc', 'desc'):
                page = {'sort': sort, 'order': order}
                one = call('ListDirectory', bucket=b, path=path, page=page)
                entries = one['files']
                assert sorted(f['path'] for f in entries) == sorted(files) and one['folders'] == folders
                keys = [f['name' if sort == 'name' else sort] for f in entries]
                if not sort.endswith('_at'):
                    assert keys == sorted(keys, reverse=order == 'desc',
                                          key=lambda k: k.encode() if isinstance(k, str) else k), (sort, keys)
                replies = stream('ListDirectory', bucket=b, path=path, page={**page, 'limit': 1})
                assert [f for r in replies for f in r['files']] == entries, (path, page)
                assert [x for r in replies for x in r['folders']] == folders
                offsets = [r['offset'] for r in replies if r['files']]
                assert offsets == list(range(len(files))), offsets
                if len(files) > 1:
                    second = call('ListDirectory', bucket=b, path=path, page={**page, 'limit': 1, 'offset': 1})
                    assert second['files'] == entries[1:2] and second['offset'] == 1 and \
                        second['total_files'] == len(files)
    assert call('ListDirectory', bucket=b)['folders'] == folders_of(TREE, '')[1]
    for bad in ({'limit': 0}, {'offset': -1}, {'sort': 'colour'}):
        assert refused(INVALID, 'ListDirectory', bucket=b, page=bad)['parameter'] == next(iter(bad))
    refused('NotFound', 'ListDirectory', bucket='NoSuchId00')


@case('big levels: pages of many rows, whole directories jumped over')
def _(w):
    names = [f'd{i}/{j:04}' for i in range(3) for j in range(1500)] + [f'e/f{j:04}' for j in range(1200)] + ['e/a/b', 'top']
    b = call('CreateBucket', name='big', expires_in='never')['bucket']['id']
    w.server.put_many(b, [(n, b'') for n in names])
    w.server.forget()
    top = call('ListDirectory', bucket=b)
    assert top['folders'] == ['d0', 'd1', 'd2', 'e'] and [f['path'] for f in top['files']] == ['top']
    assert w.server.count('list') <= 6, w.server.count('list')
    replies = stream('ListDirectory', bucket=b, path='e')
    assert [len(r['files']) for r in replies] == [1000, 200] and replies[0]['folders'] == ['a']
    assert [r['total_files'] for r in replies] == [1200, 1200] and [r['offset'] for r in replies] == [0, 1000]
    tree = stream('ListTree', bucket=b)
    assert {d['path']: d['file_count'] for r in tree for d in r['directories']} == \
        {'d0/': 1500, 'd1/': 1500, 'd2/': 1500, 'e/': 1201}
    page = call('ListTree', bucket=b, limit=10)     # a bounded page, however big the directory
    assert [(d['path'], d['file_count']) for d in page['directories']] == [('d0/', 200)] and page['cursor'] == 'd0/0199'


@case('every list as a stream while others write: what stays is there once')
def _(w):
    stay = [f's/{i:03}' for i in range(120)]
    b = bucket(*stay)
    stop = threading.Event()

    def churn():
        from cf.rest import Rest
        rest, n = Rest(w.server.url, w.server.admin_key), 0
        while not stop.is_set():
            rest.put(b, f's/{n % 120:03}-x', b'%d' % n)
            rest.delete(b, f's/{n % 120:03}-x')
            n += 7
        rest.close()
    writer = threading.Thread(target=churn)
    writer.start()
    try:
        for _ in range(5):
            for replies in (stream('ListFiles', bucket=b, page={'limit': 7}), stream('ListTree', bucket=b, prefix='s/', limit=7),
                            stream('ListDirectory', bucket=b, path='s', page={'limit': 7})):
                paths = [f['path'] for r in replies for f in r['files']]
                assert len(set(paths)) == len(paths) and [p for p in paths if p in stay] == stay, paths
    finally:
        stop.set()
        writer.join()


@case('a reply is cut at a megabyte; a client that does not read pauses the reading, one that goes ends it')
def _(w):
    b = call('CreateBucket', name='long', expires_in='never')['bucket']['id']
    names = ['l/' + f'{i:04}' + 'x' * 2000 for i in range(3000)]
    w.server.put_many(b, [(n, b'') for n in names])
    one = call('ListFiles', bucket=b, page={'limit': 1000, 'sort': 'path', 'order': 'asc'})
    assert one['page']['limit'] == len(one['files']) < 1000 and one['page']['total'] == 3000
    for method, more in (('ListFiles', {}), ('ListTree', {'prefix': 'l/'}), ('ListDirectory', {'path': 'l'})):
        replies = stream(method, bucket=b, **more)
        assert [f['path'] for r in replies for f in r['files']] == names, method
        assert len(replies) > 6
        tree = call(method, bucket=b, **more, **({'limit': 1000} if method == 'ListTree' else {'page': {'limit': 1000}}))
        assert 0 < len(tree['files']) < 1000
        if method == 'ListTree':
            assert tree['cursor'] == tree['files'][-1]['path']
        w.server.forget()
        c = w.daemon.connect()
        c.send(REMOTE + method, {'bucket': b, **more}, more=True)
        wait_until(lambda: w.server.seen()['in_flight'] == 0 and w.server.count('list') >= 1, 10, 'the first page')
        call('GetHealth')
        c.reply()
        c.close()
        wait_until(lambda: w.daemon.call('daemon.GetStatus')['connections'] == 1, 10, 'the connection closed')
        assert w.server.count('list') <= 4, (method, w.server.count('list'))


@case('a client that goes while the server is silent')
def _(w):
    b = bucket('f')
    for method, more in (('GetFile', {'bucket': b, 'path': 'f'}), ('ListDirectory', {'bucket': b}), ('ListTree', {'bucket': b}),
                         ('GetStats', {}), ('VerifyFile', {'bucket': b, 'path': 'f'})):
        w.server.fault('stall')
        c = w.daemon.connect()
        c.send(REMOTE + method, more)
        wait_until(lambda: w.server.seen()['in_flight'] == 1, 10, 'the request')
        c.close()
        wait_until(lambda: w.server.seen()['in_flight'] == 0, 10, 'its end')
        w.server.clear_faults()
    assert w.daemon.call('daemon.GetStatus')['connections'] == 1


EVERY = [('GetStats', 'stats', {}), ('UpdateBucket', 'bucket_patch', {'name': 'n'}), ('DeleteBucket', 'bucket_delete', {}),
         ('GetBucketSummary', 'summary', {}), ('ListTree', 'list', {}), ('ListDirectory', 'list', {}), ('GetFile', 'list', {'path': 'f'}),
         ('GetFileUrl', 'list', {'path': 'f'}), ('VerifyFile', 'verify', {'path': 'f'}), ('DeleteFile', 'delete', {'path': 'f'}),
         ('CreateUploadToken', 'tokens', {}), ('CreateApiKey', 'keys', {'name': 'n'}), ('ListApiKeys', 'keys', {}),
         ('GetApiKeyUsage', 'keys', {'prefix': 'cf4_00000000'}), ('DeleteApiKey', 'keys', {'prefix': 'cf4_00000000'}),
         ('CreateDashboardToken', 'dashboard', {}), ('GetDashboardToken', 'dashboard', {'profile': 'dashboard'}),
         ('ResolveShortUrl', 'short', {'code': 'abc'}), ('DeleteShortUrl', 'short', {'code': 'abc'}), ('GetHealth', 'health', {}),
         ('ListBuckets', 'bucket_list', {}), ('CreateBucket', 'bucket_create', {'name': 'n'}), ('GetBucket', 'bucket', {}),
         ('ListFiles', 'list', {})]
NO_BUCKET = ('GetStats', 'GetHealth', 'ListBuckets', 'CreateBucket')


@case('a server that lies: wrong JSON, missing fields, errors without a body')
def _(w):
    b = bucket('f')
    for method, route, more in EVERY:
        with_bucket = {'bucket': b} if route in ('bucket_patch', 'bucket_delete', 'summary', 'list', 'verify', 'delete', 'tokens',
                                                 'bucket') else {}
        parameters = {**with_bucket, **more}
        for status, body in ((500, ''), (500, '<html>'), (503, '{"error":1}'), (418, '[]')):
            w.server.fault('status', route, status=status, body=body)
            error = refused('RemoteError', method, **parameters)
            assert error['status_code'] == status and error['message'], (method, error)
            w.server.clear_faults()
        if method in ('DeleteBucket', 'DeleteFile', 'DeleteApiKey', 'DeleteShortUrl', 'GetBucketSummary'):
            continue
        for body in ('', '{}', '[]', '{"id":', '{"items":{},"total":"x"}', 'null', '{"files":[{}],"items":[{}],"total":1}'):
            w.server.fault('status', route, status=200, body=body)
            refused('RemoteError', method, **parameters)
            w.server.clear_faults()
    w.server.fault('reset', 'delete', when='before')
    assert refused('Unreachable', 'DeleteFile', bucket=b, path='f')['reason']


@case('what the interface has and a later version brings')
def _(w):
    for name in ('Subscribe',):
        error = refused('org.varlink.service.MethodNotImplemented', name)
        assert error['method'] == REMOTE + name


if __name__ == '__main__':
    os.umask(0o077)
    raise SystemExit(main())

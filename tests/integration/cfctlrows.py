"""The commands that speak to the server, as rows of test_cfctl.py: command line, script of the fake daemon, exit status,
words of the text, (method, parameters) that it must call."""
from cfctlrun import BUCKET, FILE, HOSTILE, PAGE

INFO = {'bucket': BUCKET}
KEY = {'prefix': 'cf4_00112233', 'name': 'alice', 'created_at': '2026-11-24T09:00:00Z', 'bucket_count': 2, 'file_count': 1234,
       'total_size': 3 << 20}
TREE = {'delimiter': '/', 'directories': [{'path': 'a/', 'file_count': 12, 'total_size': 2048}], 'files': [FILE],
        'total_directories': 1, 'total_files': 1}
LS = {'folders': ['sub'], 'files': [FILE], 'total_folders': 1, 'total_files': 1, 'limit': 200, 'offset': 0}
TOKEN = {'token': 'cfu_0011', 'bucket': 'Abcdefgh12', 'expires_at': '2099-01-01T00:00:00Z', 'max_uploads': 5, 'uploads_used': 0}
TRANSFER = {'id': 't7', 'kind': 'upload', 'profile': 'default', 'bucket': 'Abcdefgh12', 'path': 'big.iso', 'peer_pid': 99,
            'started_at': '2026-11-24T09:00:00Z',
            'progress': {'transfer': 't7', 'phase': 'sending', 'bytes_done': 1 << 20, 'bytes_total': 4 << 20}}
RESOLVED = {'bucket': 'Abcdefgh12', 'path': 'a/b.txt', 'url': 'https://x.example/api/buckets/Abcdefgh12/files/a/b.txt/content'}
AT = {'seq': 1, 'at': '2026-11-24T09:00:00Z', 'profile': 'default'}
EVENTS = [{'event': {**AT, 'kind': 'ready'}},
          {'event': {**AT, 'kind': 'file_created', 'bucket': 'Abcdefgh12', 'path': 'a/b.txt', 'file': FILE}},
          {'event': {**AT, 'kind': 'file_deleted', 'bucket': 'Abcdefgh12', 'path': HOSTILE}},
          {'event': {**AT, 'kind': 'bucket_created', 'bucket': 'Abcdefgh12', 'bucket_info': BUCKET}},
          {'event': {**AT, 'kind': 'lost', 'lost': 1234}}, {'event': {**AT, 'kind': 'something_new'}}]
B = 'Abcdefgh12'

ROWS = [
    ('stats', {'remote.GetStats': {
        'total_buckets': 3, 'total_files': 4567, 'total_size': 5 << 30, 'total_keys': 2, 'total_downloads': 0,
        'storage_by_owner': [{'owner': 'alice', 'bucket_count': 1, 'file_count': 8, 'total_size': 1 << 20}]}}, 0,
     ['4,567, 5.0 GiB', 'alice', '1.0 MiB'], ('remote.GetStats', {})),
    (f'bucket update {B} --name n --description d --expires 7d', {'remote.UpdateBucket': INFO}, 0, ['docs', 'never'],
     ('remote.UpdateBucket', {'bucket': B, 'name': 'n', 'description': 'd', 'expires_in': '7d'})),
    (f'bucket delete {B} --yes', {'remote.GetBucket': INFO, 'remote.DeleteBucket': {}}, 0, ['Deleted bucket'],
     ('remote.DeleteBucket', {'bucket': B})),
    ('bucket delete docs --yes', {'remote.ListBuckets': [{'buckets': [BUCKET], 'page': PAGE}], 'remote.DeleteBucket': {}}, 0,
     ['Deleted bucket docs'], ('remote.DeleteBucket', {'bucket': B})),
    (f'bucket summary {B}', {'remote.GetBucketSummary': {'summary': 'Bucket: docs\n\nFiles:\n  a (1 B)\n'}}, 0,
     ['Bucket: docs\n\nFiles:\n  a (1 B)\n'], ('remote.GetBucketSummary', {'bucket': B})),
    (f'bucket watch {B}', {'remote.GetBucket': INFO, 'remote.Subscribe': EVENTS}, 0, ['ready', 'file_created', 'a/b.txt  1.5 KiB'],
     ('remote.Subscribe', {'buckets': [B]})),
    (f'file ls {B}', {'remote.ListDirectory': LS}, 0, ['sub/', 'b.txt', '1.5 KiB'], ('remote.ListDirectory', {'bucket': B})),
    (f'file ls {B} a --limit 1 --offset 2 --sort size --order desc', {'remote.ListDirectory': {**LS, 'total_files': 9}}, 0,
     ['sub/', '1 of 9 files'], ('remote.ListDirectory', {'bucket': B, 'path': 'a', 'page': {
         'limit': 1, 'offset': 2, 'sort': 'size', 'order': 'desc'}})),
    (f'file ls {B} a --all', {'remote.ListDirectory': [LS, LS]}, 0, ['b.txt'],
     ('remote.ListDirectory', {'bucket': B, 'path': 'a', 'page': {'limit': 1000}})),
    (f'file tree {B}', {'remote.ListTree': TREE}, 0, ['12 files', 'a/', 'a/b.txt'], ('remote.ListTree', {'bucket': B})),
    (f'file tree {B} a --limit 3', {'remote.ListTree': {**TREE, 'cursor': 'a/x'}}, 0, ["--cursor 'a/x'"],
     ('remote.ListTree', {'bucket': B, 'prefix': 'a/', 'limit': 3})),
    (f'file tree {B} --prefix a- --delimiter - --cursor c --all', {'remote.ListTree': [TREE, TREE]}, 0, ['a/b.txt'],
     ('remote.ListTree', {'bucket': B, 'prefix': 'a-', 'delimiter': '-', 'cursor': 'c', 'limit': 1000})),
    (f'file info {B} a/b.txt', {'remote.GetFile': {'file': {**FILE, 'short_url': 'https://x.example/s/Ab12Cd'}}}, 0,
     ['1,536 bytes', 'text/plain', 'ab' * 32, '/s/Ab12Cd'], ('remote.GetFile', {'bucket': B, 'path': 'a/b.txt'})),
    (f'file verify {B} a/b.txt', {'remote.VerifyFile': {'path': 'a/b.txt', 'stored_hash': 'ab', 'computed_hash': 'ab',
                                                        'valid': True}}, 0, ['a/b.txt is what was stored'],
     ('remote.VerifyFile', {'bucket': B, 'path': 'a/b.txt'})),
    (f'file verify {B} a/b.txt', {'remote.VerifyFile': {'path': 'a/b.txt', 'stored_hash': 'ab', 'computed_hash': '',
                                                        'valid': False}}, 1, ['a/b.txt is damaged', 'missing'],
     ('remote.VerifyFile', {'bucket': B, 'path': 'a/b.txt'})),
    (f'file delete {B} a/b.txt --yes', {'remote.DeleteFile': {}}, 0, ['Deleted a/b.txt'],
     ('remote.DeleteFile', {'bucket': B, 'path': 'a/b.txt'})),
    (f'file url {B} a/b.txt', {'remote.GetFileUrl': {'url': 'https://x.example/u', 'short_url': 'https://x.example/s/Ab12Cd'}}, 0,
     ['https://x.example/u', '/s/Ab12Cd'], ('remote.GetFileUrl', {'bucket': B, 'path': 'a/b.txt'})),
    ('key list --all', {'remote.ListApiKeys': [{'keys': [KEY], 'page': PAGE}]}, 0, ['cf4_00112233', 'alice', '1,234', 'never'],
     ('remote.ListApiKeys', {'page': {'limit': 1000}})),
    ('key list --limit 2 --sort name', {'remote.ListApiKeys': {'keys': [KEY], 'page': {**PAGE, 'total': 5}}}, 0, ['1 of 5 keys'],
     ('remote.ListApiKeys', {'page': {'limit': 2, 'sort': 'name'}})),
    ('key create alice', {'remote.CreateApiKey': {'key': 'cf4_00112233_44', 'prefix': 'cf4_00112233', 'name': 'alice',
                                                  'created_at': '2026-11-24T09:00:00Z'}}, 0,
     ['cf4_00112233_44', 'not shown again'], ('remote.CreateApiKey', {'name': 'alice'})),
    ('key usage cf4_00112233', {'remote.GetApiKeyUsage': {'key': KEY, 'total_downloads': 0, 'buckets': [BUCKET]}}, 0,
     ['alice', 'Abcdefgh12', '4.0 KiB'], ('remote.GetApiKeyUsage', {'prefix': 'cf4_00112233'})),
    ('key delete cf4_00112233 --yes', {'remote.DeleteApiKey': {}}, 0, ['Deleted key cf4_00112233'],
     ('remote.DeleteApiKey', {'prefix': 'cf4_00112233'})),
    (f'token upload {B} --expires 1h --max-uploads 5', {'remote.CreateUploadToken': TOKEN}, 0, ['cfu_0011', 'not shown again'],
     ('remote.CreateUploadToken', {'bucket': B, 'expires_in': '1h', 'max_uploads': 5})),
    ('token dashboard --expires 2h', {'remote.CreateDashboardToken': {'token': 'a.b.c', 'expires_at': '2099-01-01T00:00:00Z'}}, 0,
     ['a.b.c', '2099'], ('remote.CreateDashboardToken', {'expires_in': '2h'})),
    ('token info', {'remote.GetDashboardToken': {'scope': 'admin', 'expires_at': '2099-01-01T00:00:00Z'}}, 0, ['admin', '2099'],
     ('remote.GetDashboardToken', {})),
    ('short resolve https://x.example/s/Ab12Cd', {'remote.ResolveShortUrl': RESOLVED}, 0, ['Abcdefgh12', 'a/b.txt', '/content'],
     ('remote.ResolveShortUrl', {'code': 'Ab12Cd'})),
    ('short delete Ab12Cd --yes', {'remote.DeleteShortUrl': {}}, 0, ['the file stays'], ('remote.DeleteShortUrl', {'code': 'Ab12Cd'})),
    ('transfer list', {'remote.ListTransfers': {'transfers': [TRANSFER]}}, 0, ['t7', 'upload', '1.0 MiB', '4.0 MiB', 'big.iso', '99'],
     ('remote.ListTransfers', {})),
    ('transfer cancel t7', {'remote.CancelTransfer': {}}, 0, ['Cancelled t7'], ('remote.CancelTransfer', {'transfer': 't7'})),
    (f'events --bucket {B} --file {B} a/b --file {B} -x', {'remote.GetBucket': INFO, 'remote.Subscribe': EVENTS}, 0,
     ['ready', 'bucket_created  Abcdefgh12  docs', '1,234 events were too many', 'something_new'],
     ('remote.Subscribe', {'buckets': [B], 'files': [{'bucket': B, 'path': 'a/b'}, {'bucket': B, 'path': '-x'}]})),
    ('events --all', {'remote.Subscribe': EVENTS}, 0, ['file_deleted'], ('remote.Subscribe', {'all': True})),
]

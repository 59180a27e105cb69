"""10,000 files of 1 KiB into an empty bucket: the first sync of a pair against what curl does with the same files."""
import http.client
import urllib.parse

from common import KEY, Place, SYNC_SECONDS, Table, URL, by_turns, curl, make_tree, multipart, names_below, os, \
    seconds_of

FILES = int(os.environ.get('BENCH_FILES', '10000'))
SIZE = 1024
PARTS = 500     # files to a request of the raw limit
PARALLEL = 16


cpu_seconds = []    # of the daemon, a first sync each


def ours(place):
    place.start_daemon()
    before = place.daemon.cpu_seconds()

    def first_sync():
        place.add()
        place.daemon.wait_in_sync(seconds=SYNC_SECONDS)
    seconds = seconds_of(first_sync)
    cpu_seconds.append(place.daemon.cpu_seconds() - before)
    return seconds


def curl_config(place):
    """One PUT a file, as a file of curl's options. Expect: would cost a round trip (in old versions a second) each."""
    path = os.path.join(place.base, 'curl.conf')
    with open(path, 'w') as f:
        for name in names_below(place.root):
            query = urllib.parse.urlencode({'filename': name})
            f.write(f'upload-file = "{place.root}/{name}"\n'
                    f'url = "{place.url}/api/buckets/{place.bucket}/upload/stream?{query}"\n'
                    'output = "/dev/null"\n')
    return ['-K', path, '-H', f'Authorization: Bearer {place.key}', '-H', 'Expect:']


def one_by_one(place):
    return curl(curl_config(place))


def in_parallel(place):
    return curl(['--parallel', '--parallel-max', str(PARALLEL), *curl_config(place)])


def raw_multipart(place):
    """The limit: bodies ready in memory, one connection, nothing looked up, hashed or recorded here."""
    files = []
    for name in names_below(place.root):
        with open(os.path.join(place.root, name), 'rb') as f:
            files.append((name, f.read()))
    bodies = [multipart(files[i:i + PARTS]) for i in range(0, len(files), PARTS)]
    host = urllib.parse.urlsplit(place.url).netloc
    connection = http.client.HTTPConnection(host)

    def send():
        for body, kind in bodies:
            connection.request('POST', f'/api/buckets/{place.bucket}/upload', body,
                               {'Content-Type': kind, 'Authorization': f'Bearer {place.key}'})
            response = connection.getresponse()
            response.read()
            assert response.status == 201, response.status
    seconds = seconds_of(send)
    connection.close()
    return seconds


def contestant(function, files=FILES):
    def run():
        with Place() as place:
            make_tree(place.root, files, SIZE)
            seconds = function(place)
            found = place.rest.ask('GET', f'/api/buckets/{place.bucket}')['file_count']
            assert found == files, f'{found} of {files} arrived'
            return seconds
    return run


def main():
    best = by_turns({'carbonfilesd': contestant(ours), 'PUT one after another': contestant(one_by_one),
                     f'curl --parallel {PARALLEL}': contestant(in_parallel),
                     f'raw multipart of {PARTS}': contestant(raw_multipart)})
    server = f'server at {URL}' if URL else 'development server'
    table = Table(f'small-files: {FILES} files of {SIZE} bytes, first sync, {server}; files a second')
    wanted = ('>= 30', '', '') if URL else ('>= 3', '>= 1', '>= 0.6')
    ours_rate = FILES / best.pop('carbonfilesd')
    for (name, seconds), want in zip(best.items(), wanted):
        rate = FILES / seconds
        table.row(f'{FILES} x {SIZE} B', f'{ours_rate:,.0f}/s', f'{rate:,.0f}/s', ours_rate / rate, want, name)
    table.row('CPU of the daemon', f'{min(cpu_seconds):.2f} s')

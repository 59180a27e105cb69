"""A file of 1 KiB saved in a watched directory until the server's answer with its hash is in: with the default settle
time of 50 ms, against the same bytes sent by a bare PUT."""
import http.client
import urllib.parse

from common import Place, Table, os, percentile, statistics, time

SAVES = int(os.environ.get('BENCH_SAVES', '200'))
SETTLE_MS = 50


def saves(place):
    found = []
    with place.daemon.connect() as watch:
        watch.send('org.carbonfiles.sync.Watch', {'names': ['docs'], 'files': True}, more=True)
        watch.reply()
        for i in range(SAVES):
            data, name = os.urandom(1024), f's{i}'
            began = time.monotonic()
            with open(os.path.join(place.root, name), 'wb') as f:
                f.write(data)
            while True:
                reply, _ = watch.reply()
                progress = reply.get('file') or {}
                if progress.get('path') == name and progress.get('done'):
                    break
            found.append((time.monotonic() - began) * 1000)
    assert len(place.rest.listing(place.bucket)) == SAVES
    return found


def bare_puts(place):
    found = []
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(place.url).netloc)
    for i in range(SAVES):
        data = os.urandom(1024)
        began = time.monotonic()
        connection.request('PUT', f'/api/buckets/{place.bucket}/upload/stream?filename=p{i}', data,
                           {'Authorization': f'Bearer {place.key}'})
        response = connection.getresponse()
        response.read()
        assert response.status == 201
        found.append((time.monotonic() - began) * 1000)
    connection.close()
    return found


def main():
    with Place() as place:
        place.start_daemon()
        place.add()
        place.daemon.wait_in_sync()
        ours = saves(place)
    with Place() as place:
        bare = bare_puts(place)
    table = Table(f'save-latency: {SAVES} saves of 1 KiB, one after another, settle time {SETTLE_MS} ms; milliseconds')
    for what, f, want in (('median', statistics.median, '<= 100'), ('99th of 100', lambda v: percentile(v, 99), '')):
        limit = SETTLE_MS + f(bare)
        table.row(what, f'{f(ours):.1f} ms', f'{limit:.1f} ms', limit / f(ours), want, 'settle time + a bare PUT')

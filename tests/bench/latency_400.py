"""The same 10,000 files to a server that takes 400 ms for every request: what counts is how few there are."""
from common import Place, SYNC_SECONDS, Table, URL, by_turns, make_tree, os, seconds_of
from small_files import FILES, PARALLEL, PARTS, SIZE, in_parallel, raw_multipart

LATENCY_MS = 400
PEER_FILES = 640    # curl needs 25 s for every thousand: measured with fewer, counted up


def delayed(place):
    place.server.fault('delay', ms=LATENCY_MS)


def ours():
    with Place() as place:
        make_tree(place.root, FILES, SIZE)
        place.start_daemon()
        delayed(place)

        def first_sync():
            place.add()
            place.daemon.wait_in_sync(seconds=SYNC_SECONDS)
        seconds = seconds_of(first_sync)
        place.server.clear_faults()
        assert len(place.rest.listing(place.bucket)) == FILES
        return seconds


def peer(function, files):
    def run():
        with Place() as place:
            make_tree(place.root, files, SIZE)
            delayed(place)
            return function(place) * FILES / files
    return run


def main():
    if URL:
        print('# latency-400 needs the faults of the development server: skipped')
        return
    best = by_turns({'ours': ours, 'curl': peer(in_parallel, PEER_FILES), 'raw': peer(raw_multipart, FILES)},
                    rounds=min(2, int(os.environ.get('BENCH_ROUNDS', '2'))))
    table = Table(f'latency-400: {FILES} files of {SIZE} bytes, {LATENCY_MS} ms a request; seconds')
    table.row('first sync', f'{best["ours"]:.1f} s', f'{best["curl"]:.1f} s', best['curl'] / best['ours'], '<= 25 s',
              f'curl --parallel {PARALLEL} (counted up from {PEER_FILES} files)')
    table.row('', f'{best["ours"]:.1f} s', f'{best["raw"]:.1f} s', best['raw'] / best['ours'], '',
              f'raw multipart of {PARTS}')

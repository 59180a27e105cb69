"""One file of 1 GiB that appears in a watched directory, against `curl -T`; and the daemon's peak memory."""
from common import Place, SYNC_SECONDS, Table, by_turns, curl, os, seconds_of, subprocess

MIB = int(os.environ.get('BENCH_MIB', '1024'))
peak_kib = []


def make_file(path):
    with open(path, 'wb') as f:
        for _ in range(MIB // 16):
            f.write(os.urandom(16 << 20))


def ours():
    with Place() as place:
        place.start_daemon()
        place.add()
        place.daemon.wait_in_sync()
        aside = os.path.join(place.base, 'large')
        make_file(aside)

        def arrive():
            os.rename(aside, os.path.join(place.root, 'large'))
            place.daemon.wait_in_sync(seconds=SYNC_SECONDS)
        seconds = seconds_of(arrive)
        peak_kib.append(place.daemon.memory_kib('VmHWM'))
        assert place.rest.listing(place.bucket)['large']['size'] == MIB << 20
        return seconds


def peer():
    with Place() as place:
        path = os.path.join(place.base, 'large')
        make_file(path)
        return curl(['-T', path, '-H', f'Authorization: Bearer {place.key}', '-o', '/dev/null',
                     f'{place.url}/api/buckets/{place.bucket}/upload/stream?filename=large'])


def hash_only():
    with Place() as place:
        path = os.path.join(place.base, 'large')
        make_file(path)
        return seconds_of(lambda: subprocess.run(['openssl', 'dgst', '-sha256', path], check=True,
                                                 stdout=subprocess.DEVNULL))


def main():
    best = by_turns({'carbonfilesd': ours, 'curl -T': peer, 'openssl dgst': hash_only})
    table = Table(f'large-file: one file of {MIB} MiB; MiB a second, settle time and hash check included in ours')
    for name, want in (('curl -T', '>= 0.9'), ('openssl dgst', '')):
        table.row(f'{MIB} MiB', f'{MIB / best["carbonfilesd"]:,.0f}/s', f'{MIB / best[name]:,.0f}/s',
                  best[name] / best['carbonfilesd'], want, name)
    table.row('peak memory of the daemon (VmHWM)', f'{max(peak_kib) / 1024:.1f} MiB', wanted='< 64 MiB')



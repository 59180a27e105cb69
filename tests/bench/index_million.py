"""A million index rows: what a restart costs, how fast status answers meanwhile, what is resident once idle."""
import random

from common import Place, SYNC_SECONDS, Table, os, percentile, statistics, time
from cf import wait_until

ROWS = int(os.environ.get('BENCH_ROWS', '1000000'))
PER_DIRECTORY = 50
IDLE_SECONDS = 120


def make_tree(root):
    """Small and all different: equal contents would be sent one after another."""
    for i in range(ROWS):
        directory = f'{root}/d{i // PER_DIRECTORY:06}'
        if i % PER_DIRECTORY == 0:
            os.mkdir(directory)
        with open(f'{directory}/f{i:07}', 'wb', buffering=0) as f:
            f.write(b'%d' % i)


def bytes_read(pid):
    with open(f'/proc/{pid}/io') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('rchar'))


def main():
    with Place() as place:
        make_tree(place.root)
        daemon = place.start_daemon()
        began = time.monotonic()
        place.add()
        daemon.wait_in_sync(seconds=SYNC_SECONDS)
        first = time.monotonic() - began
        daemon.restart()            # files hashed within the clock's granularity may be looked at once more
        daemon.wait_in_sync(seconds=SYNC_SECONDS)
        place.server.forget()
        daemon.terminate()
        began = time.monotonic()
        daemon.start()
        ready = time.monotonic() - began
        latencies = []
        with daemon.connect() as connection:
            while True:
                asked = time.monotonic()
                status = connection.call('org.carbonfiles.sync.GetStatus', {'name': 'docs'})['statuses'][0]
                latencies.append((time.monotonic() - asked) * 1000)
                if status['state'] == 'idle' and status['in_sync']:
                    break
                time.sleep(random.uniform(0, 0.01))     # calls at moments that have nothing to do with the scan
        rescan = time.monotonic() - began
        read = bytes_read(daemon.pid)
        uploads = place.server.count('put', 'multipart', 'patch')
        wait_until(lambda: daemon.status()['state'] == 'idle', IDLE_SECONDS, 'idle')
        table = Table(f'index-million: {ROWS} rows in {ROWS // PER_DIRECTORY} directories')
        table.row('first sync', f'{first:.1f} s', wanted='')
        table.row('restart until ready', f'{ready * 1000:.0f} ms')
        table.row('restart until idle again (tree and bucket)', f'{rescan:.1f} s')
        table.row('files sent after the restart', str(uploads), wanted='0')
        table.row('bytes read by the daemon meanwhile', f'{read >> 20} MiB')
        table.row('status meanwhile, median', f'{statistics.median(latencies):.2f} ms')
        table.row('status meanwhile, 99th of 100', f'{percentile(latencies, 99):.2f} ms', wanted='<= 10 ms')
        late = sum(ms > 10 for ms in latencies)
        table.row('status meanwhile, later than 10 ms', f'{late} of {len(latencies)}', wanted='0')
        table.row(f'status meanwhile, worst of {len(latencies)}', f'{max(latencies):.2f} ms', wanted='<= 10 ms')
        table.row('resident once idle (VmRSS)', f'{daemon.memory_kib("VmRSS") / 1024:.1f} MiB', wanted='< 40 MiB')
        table.row('of it anonymous (RssAnon)', f'{daemon.memory_kib("RssAnon") / 1024:.1f} MiB')
        table.row('index on disk, a row', f'{os.path.getsize(daemon.state + "/index.db") / ROWS:.0f} B', wanted='<= 150 B')

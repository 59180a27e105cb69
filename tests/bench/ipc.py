"""Calls a second over one connection: pipelined, and one after another."""
from common import Place, Table, os, seconds_of
import json

CALLS = int(os.environ.get('BENCH_CALLS', '20000'))
AT_ONCE = 500   # in the pipe at a time: less than a socket buffer


def main():
    with Place() as place:
        daemon = place.start_daemon()
        call = json.dumps({'method': 'org.carbonfiles.daemon.GetStatus'}).encode() + b'\0'
        with daemon.connect() as connection:
            connection.call('org.carbonfiles.daemon.GetStatus')

            def pipelined():
                for _ in range(0, CALLS, AT_ONCE):
                    connection.send_bytes(call * AT_ONCE)
                    seen = 0
                    while seen < AT_ONCE:
                        seen += connection.socket.recv(1 << 20).count(b'\0')

            def in_turn():
                for _ in range(CALLS // 4):
                    connection.send_bytes(call)
                    while not connection.socket.recv(65536).endswith(b'\0'):
                        pass
            best = min(seconds_of(pipelined) for _ in range(3))
            turn = min(seconds_of(in_turn) for _ in range(3))
        table = Table(f'ipc: GetStatus of the daemon, {CALLS} calls on one connection')
        table.row('pipelined', f'{CALLS / best:,.0f}/s', wanted='>= 20,000/s')
        table.row('one after another', f'{CALLS / 4 / turn:,.0f}/s')

#!/usr/bin/env python3
"""Every recorded exchange with the real server, played against a fresh development server for each file."""
import glob
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'integration'))

from cf.tap import diagnose, main, test    # noqa: E402
from cf.world import World                 # noqa: E402

import replay                              # noqa: E402

FILES = sorted(glob.glob(os.path.join(HERE, 'recorded', '*.jsonl')))


def play(path):
    world = World(server=False, daemon=False)
    try:
        server = world.server.start()
        wrong = 0
        for step, answer in replay.differences(server.url, server.admin_key, path):
            if answer is None:
                continue
            wrong += 1
            diagnose(f"{step['name']}: {step['send']['method']} {step['send']['target']}")
            diagnose('  recorded ' + json.dumps(step['expect'], ensure_ascii=False))
            diagnose('  answered ' + json.dumps(answer, ensure_ascii=False))
        if wrong:
            raise AssertionError(f'{wrong} answers differ')
        if server.terminate() != 0:
            raise AssertionError('it did not end with status 0')
    finally:
        world.close()


def register(path):
    count = len(replay.steps_of(path))

    @test(f'{os.path.basename(path)}: {count} answers as recorded', world=False, quick=True)
    def _():
        play(path)


for path in FILES:
    register(path)


@test('the recordings are all there', world=False, quick=True)
def _():
    if sum(len(replay.steps_of(path)) for path in FILES) != 838:
        raise AssertionError('838 exchanges were recorded')


if __name__ == '__main__':
    sys.exit(main())

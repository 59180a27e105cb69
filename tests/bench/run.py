#!/usr/bin/env python3
"""make bench [BENCH=name]: runs the benchmarks and prints their tables. tests/bench/README.md says what they mean."""
import importlib
import sys

BENCHES = ('small-files', 'latency-400', 'large-file', 'save-latency', 'ipc', 'index-million', 'walks')


def main():
    chosen = sys.argv[1:] or BENCHES
    for name in chosen:
        if name not in BENCHES:
            print(f'no benchmark {name}; there are: {", ".join(BENCHES)}', file=sys.stderr)
            return 2
    sys.dont_write_bytecode = True
    for name in chosen:
        importlib.import_module(name.replace('-', '_')).main()
    return 0


if __name__ == '__main__':
    sys.exit(main())

"""Runs the tests of one file and prints TAP for the driver of `make check`.

A test is a function decorated with @test('what must hold'). It gets a fresh World (see world.py), or nothing
with @test(..., world=False). A failure prints the traceback and the logs of the processes of its world.
"""
import os
import signal
import sys
import traceback

from .wait import STRETCH

_tests = []
TEST_SECONDS = 60   # a test that says nothing else is hanging after this


class Skip(Exception):
    """Raised by a test that cannot run here, with the reason."""


class _Hanging(BaseException):
    """Not an Exception: a test's own `except Exception` must not swallow it."""


def test(what, seconds=TEST_SECONDS, world=True, quick=False, **options):
    """quick: also run where TESTS_QUICK is set (make distcheck). options go to World."""
    def register(function):
        _tests.append((what, function, seconds, world, quick, options))
        return function
    return register


def _on_alarm(signum, frame):
    raise _Hanging()


def diagnose(text):
    for line in text.splitlines():
        print('# ' + line)


def main():
    from .world import World
    only = sys.argv[1:]
    chosen = [t for t in _tests if not only or any(o in t[0] for o in only)]
    if os.environ.get('TESTS_QUICK'):
        chosen = [t for t in chosen if t[4]]
        if not chosen:
            print('1..0 # SKIP needs real processes; TESTS_QUICK is set')
            return 0
    print(f'1..{len(chosen)}', flush=True)
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed = 0
    for number, (what, function, seconds, wants_world, _, options) in enumerate(chosen, 1):
        world = None
        signal.setitimer(signal.ITIMER_REAL, seconds * STRETCH)
        try:
            if wants_world:
                world = World(**options)
                function(world)
                signal.setitimer(signal.ITIMER_REAL, 0)
                world.check_alive()
            else:
                function()
            line = f'ok {number} - {what}'
        except Skip as reason:
            line = f'ok {number} - {what} # SKIP {reason}'
        except (Exception, _Hanging) as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            failed += 1
            line = f'not ok {number} - {what}'
            if isinstance(error, _Hanging):
                diagnose(f'stopped after {seconds * STRETCH:g} s, here:')
            diagnose(traceback.format_exc())
            if world:
                diagnose(world.logs())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if world:
                problem = world.close()
                if problem and line.startswith('ok'):
                    failed += 1
                    line = 'not ' + line
                    diagnose(problem)
        print(line, flush=True)
    return 1 if failed else 0


def assert_equal(got, wanted, what=''):
    if got != wanted:
        raise AssertionError(f'{what + ": " if what else ""}got {got!r}, wanted {wanted!r}')

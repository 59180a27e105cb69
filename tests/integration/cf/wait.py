"""Deadlines. A test waits for an event and says for how long; it never sleeps and hopes."""
import os
import time

# Machines that run tests are slow and busy at times: every deadline is stretched by this.
STRETCH = float(os.environ.get('TESTS_STRETCH', '1'))

# How often a condition that announces itself to nobody (a listing, a file in /proc) is looked at again.
POLL_SECONDS = 0.01


class TimedOut(AssertionError):
    pass


class Deadline:
    def __init__(self, seconds, what):
        self.what = what
        self.seconds = seconds * STRETCH
        self.end = time.monotonic() + self.seconds

    def left(self):
        """Seconds left; raises TimedOut when there are none."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimedOut(f'{self.what}: not within {self.seconds:g} s')
        return left


def wait_until(condition, seconds, what, alive=None):
    """Returns the first true value of condition(). alive() may raise when waiting has become pointless."""
    deadline = Deadline(seconds, what)
    pause = POLL_SECONDS / 4
    while True:
        value = condition()
        if value:
            return value
        if alive:
            alive()
        deadline.left()
        time.sleep(pause)
        pause = min(pause * 1.3, POLL_SECONDS * 5)

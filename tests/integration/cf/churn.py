"""What people and programs do to a directory, at random and without waiting for anybody."""
import os


def churn(rng, w, steps):
    """Random file operations a person's programs could do; no operation waits for the daemon."""
    for _ in range(steps):
        names = []
        for where, _, files in os.walk(w.root):
            names += [os.path.relpath(os.path.join(where, f), w.root) for f in files]
        what = rng.random()
        fresh = '/'.join(rng.choice('abcde') + str(rng.randrange(6)) for _ in range(rng.randrange(1, 4)))
        try:
            if what < 0.45 or len(names) < 15:
                w.write(fresh, os.urandom(rng.randrange(0, 3000)))
            elif what < 0.6:
                with open(w.path(rng.choice(names)), 'ab') as f:
                    f.write(b'more')
            elif what < 0.72:
                os.unlink(w.path(rng.choice(names)))
            elif what < 0.9:
                os.makedirs(os.path.dirname(w.path(fresh)), exist_ok=True)
                os.rename(w.path(rng.choice(names)), w.path(fresh))
            else:
                top = rng.choice(names).split('/')[0]
                os.rename(w.path(top), w.path(f'moved{rng.randrange(10)}'))
        except OSError:
            pass    # the random name is in the way of another: no operation then

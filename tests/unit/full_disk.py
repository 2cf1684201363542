"""A disk that is full, for tests of what is written."""

import contextlib
import resource
import signal


@contextlib.contextmanager
def full_after(n_bytes):
    """A disk on which files cannot grow beyond `n_bytes`: the kernel writes what fits."""
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)

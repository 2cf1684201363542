"""Work side by side: processes of this machine, or the workers of a Dask cluster.

With the address of a Dask scheduler in ``$EMPDIS_DASK``, the work goes to its workers.
"""

import hashlib
import os
import platform
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

from joblib import Parallel, delayed, parallel_config

from empdis_utils.data.hashes import SOURCES
from empdis_utils.places import PACKAGES, SINGLE_THREAD

__all__ = ["ClusterError", "cluster", "parallel", "require_seen", "scheduler"]

CODE = hashlib.sha256(b"".join(SOURCES.values())).hexdigest()


CONNECT_S = 10.0  # seconds to wait for a scheduler, and for its first worker


class ClusterError(Exception):
    """A Dask cluster that cannot do the work; the message is for the reader."""


def scheduler():
    """Address of the Dask scheduler that does the work; empty for this machine."""
    return os.environ.get("EMPDIS_DASK", "")


def parallel(tasks, n_jobs=1, *, shared=None, **options):
    """Run tasks side by side: the one place where work is shared out.

    Parameters
    ----------
    tasks : iterable
        Of `joblib.delayed` calls.
    n_jobs : int
        Processes on this machine, as in joblib. With ``$EMPDIS_DASK``, all workers of that
        cluster are used instead; work of a worker that dies is done again by another.
    shared : object, optional
        First argument of every call. A cluster gets it once per worker, not once per call.
    **options
        Of `joblib.Parallel`.

    Returns
    -------
    list or generator
        Results in the order of the tasks, as `joblib.Parallel` gives them.

    Raises
    ------
    ClusterError
        See `cluster`.
    """
    if not scheduler():
        given = () if shared is None else (shared,)
        calls = ((function, (*given, *args), kwargs) for function, args, kwargs in tasks)
        return Parallel(n_jobs=n_jobs, **options)(calls)
    # Arguments go inside the call: joblib would leave large ones with one worker, which may die.
    given = {} if shared is None else {"scatter": [shared]}
    calls = (delayed(partial(_call, *task))(*given.get("scatter", [])) for task in tasks)
    with parallel_config("dask", client=cluster(scheduler()), **given):
        return Parallel(**options)(calls)


def _call(function, args, kwargs, *shared):
    return function(*shared, *args, **kwargs)


def require_seen(statuses, paths):
    """Refuse "missing" for files that are there: a worker of a cluster has other folders.

    Raises
    ------
    ClusterError
    """
    for status, path in zip(statuses, paths, strict=True):
        if scheduler() and status == "missing" and path is not None and Path(path).is_file():
            raise ClusterError(
                f"A Dask worker does not see {path}: workers need the same folders as this machine."
            )


@cache
def cluster(address):
    """Connect to a Dask scheduler; each of its workers then computes in one thread.

    Parameters
    ----------
    address : str
        Such as ``tcp://192.168.1.10:8786``.

    Returns
    -------
    distributed.Client

    Raises
    ------
    ClusterError
        No scheduler answers, no worker is there, or workers run several threads, other code or
        other packages than this machine.
    """
    import distributed

    try:
        client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"No Dask scheduler answers at {address} ({type(error).__name__}): start one with "
            "'dask scheduler', correct the address, or leave DASK out."
        ) from None
    try:
        _check_workers(client, f"dask worker {address} --nthreads 1")
    except Exception:
        client.close()
        raise
    return client


def _check_workers(client, start):
    import distributed

    try:
        client.wait_for_workers(1, timeout=CONNECT_S)
        client.register_plugin(_single_thread_plugin(distributed), "single-thread")
        states = client.run(_state)
    except TimeoutError:
        raise ClusterError(f"No worker has joined the scheduler; start some: {start}") from None
    except ImportError as error:
        raise ClusterError(f"The workers lack this project's code: {error}") from None
    other = [name for name, state in states.items() if state != _state()]
    if other:
        raise ClusterError(
            f"Worker {other[0]} has other code or packages than this machine: start it from this "
            f"project's folder and environment, with {start}"
        )
    threads = client.nthreads()
    several = [name for name in threads if threads[name] > 1]
    if several:  # a fit seeds the random generators of its whole process
        raise ClusterError(f"Worker {several[0]} runs tasks in several threads; use {start}")


def _state():
    """What results depend on: the code as it was loaded, and the versions it runs with."""
    versions = [f"{name} {version(name)}" for name in (*PACKAGES, "av", "soxr")]
    return [CODE, platform.python_version(), *versions]


def _single_thread_plugin(distributed):
    class SingleThread(distributed.WorkerPlugin):
        """Arithmetic libraries use one thread, as they do in a chapter that runs here."""

        def setup(self, worker):
            import threadpoolctl

            os.environ.update(dict.fromkeys(SINGLE_THREAD, "1"))
            threadpoolctl.threadpool_limits(1)

    return SingleThread()

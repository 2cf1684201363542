"""Run one measurement over the files of all clips: a row each, side by side, cached.

With the address of a Dask scheduler in ``$EMPDIS_DASK``, the work goes to its workers.
"""

import hashlib
import json
import os
import platform
import sys
from collections import Counter
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

from empdis_utils import disk_cache, media, places
from empdis_utils.media import BadMediaError, one_clip, require_bytes
from empdis_utils.places import PACKAGES, SINGLE_THREAD
from empdis_utils.source import SOURCES, code_of

CODE = hashlib.sha256(b"".join(SOURCES.values())).hexdigest()
CONNECT_S = 10.0  # seconds to wait for a scheduler, and for its first worker


def default_cache():
    """Folder for measured rows (a kilobyte each): `features` in `places.cache_dir`."""
    return places.cache_dir("features")


def listed(manifest, column, root=None):
    """Clips of a manifest, or of a list of files.

    Parameters
    ----------
    manifest : pd.DataFrame or sequence of path
        With clip_id and `column`; or paths, whose stems become the clip ids.
    column : str
        Column of paths.
    root : path, optional
        Folder that relative paths start from.

    Returns
    -------
    pd.DataFrame
        The manifest, clip_id as text, `column` as Path or None.

    Raises
    ------
    ValueError
        If a column is missing, or clip ids repeat.
    """
    if isinstance(manifest, (str, Path)):
        raise ValueError(f"Give a manifest or a list of paths, not the one path {manifest}.")
    if not isinstance(manifest, pd.DataFrame):
        paths = [str(path) for path in manifest]
        manifest = pd.DataFrame({"clip_id": [Path(path).stem for path in paths], column: paths})
    lacking = {"clip_id", column} - set(manifest.columns)
    if lacking:
        raise ValueError(f"The manifest has no column {', '.join(sorted(lacking))}.")
    repeated = [name for name, n in Counter(manifest["clip_id"]).items() if n > 1]
    if repeated:
        raise ValueError(f"Each clip_id must occur once; repeated: {repeated[:5]}.")
    root = Path(root) if root is not None else Path()
    paths = [None if pd.isna(path) or path == "" else root / path for path in manifest[column]]
    return manifest.assign(
        clip_id=manifest["clip_id"].astype("str"),
        **{column: pd.Series(paths, manifest.index, object)},
    )


def measure(clips, function, columns, *, title, n_jobs=1, progress=True, cache_dir=None, key=None):
    """Table of what `function` finds in each clip's file. No clip is lost.

    Parameters
    ----------
    clips : sequence of tuple
        (clip_id, path or None, further arguments).
    function : callable
        `function(path, *arguments)` gives a dict of columns, status among them. It may raise
        `BadMediaError(status, reason)`; any other error is that clip's, too: status "failed".
    columns : dict
        Column names and dtypes of the result, between clip_id and status.
    title : str
        Of the progress bar.
    n_jobs : int
        Processes; see `parallel`.
    progress : bool
        Show a progress bar.
    cache_dir : path, optional
        Folder of rows already measured, such as `default_cache()`; None measures anew. One JSON
        file each, named by the SHA-256 of the file's bytes, the arguments, `key`, and the source
        code that measures.
    key : dict, optional
        Settings and versions that the rows depend on.

    Returns
    -------
    pd.DataFrame
        clip_id, `columns`, status ("missing" where there is no file), reason; in input order.

    Raises
    ------
    OSError
        `cache_dir` cannot be made or written.
    MemoryError, ImportError
        They are not one clip's; see `media.one_clip`.
    ClusterError
        See `cluster`; or workers do not see the files that are here.
    """
    clips = list(clips)
    if cache_dir is not None:
        _make_folder(cache_dir)
        key = [key, code_of(function, media, sys.modules[__name__], packages=media.READERS)]
    rows = parallel(
        (
            delayed(_row)(function, clip_id, path, arguments, cache_dir, key)
            for clip_id, path, *arguments in tqdm(clips, title, unit="clip", disable=not progress)
        ),
        n_jobs,
    )
    require_seen([row["status"] for row in rows], [path for _, path, *_ in clips])
    types = {"clip_id": "str", **columns, "status": "str", "reason": "str"}
    return pd.DataFrame(rows, columns=list(types)).astype(types)


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


def _row(function, clip_id, path, arguments, cache_dir, key):
    row = {"clip_id": clip_id, "reason": ""}
    if path is None:
        return row | {"status": "missing", "reason": "No file is named for this clip."}
    try:
        path = require_bytes(path)
        if cache_dir is None:
            with one_clip(path):
                return row | function(path, *arguments)
        with one_clip(path):
            stored = Path(cache_dir) / f"{_digest(path, arguments, key)}.json"
        found = disk_cache.read_json(stored)
        if found is None:
            with one_clip(path):
                found = function(path, *arguments)
            disk_cache.write_json(stored, found)
        return row | found
    except BadMediaError as bad:
        return row | {"status": bad.status, "reason": bad.reason}


def _make_folder(cache_dir):
    try:
        Path(cache_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"The cache folder {cache_dir} cannot be made ({error.strerror}); name another with "
            "EMPDIS_CACHE, or pass cache_dir=None."
        ) from None


def _digest(path, arguments, key):
    with open(path, "rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    settings = json.dumps([content, path.suffix, arguments, key], sort_keys=True, default=str)
    return hashlib.sha256(settings.encode()).hexdigest()

"""Run one measurement over the files of all clips: a row each, side by side, cached."""

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
from joblib import delayed
from tqdm import tqdm

from empdis_utils import places
from empdis_utils.data import disk_cache, media
from empdis_utils.data.hashes import code_of
from empdis_utils.data.media import BadMediaError, one_clip, require_bytes
from empdis_utils.data.workers import parallel, require_seen

__all__ = ["default_cache", "listed", "measure"]


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
        Processes; see `workers.parallel`.
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
        See `workers.cluster`; or workers do not see the files that are here.
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

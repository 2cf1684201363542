"""Run one measurement over the files of all clips: a row each, side by side, cached."""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from empdis_utils.media import BadMediaError, require_bytes


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
        (clip_id, path or None, *arguments).
    function : callable
        `function(path, *arguments)` gives a dict of columns, status among them. It may raise
        `BadMediaError(status, reason)`.
    columns : dict
        Column names and dtypes of the result, between clip_id and status.
    title : str
        Of the progress bar.
    n_jobs : int
        Processes, as in joblib; an active `joblib.parallel_config` (Dask) is respected.
    progress : bool
        Show a progress bar.
    cache_dir : path, optional
        Folder of rows already measured, one JSON file each, named by the SHA-256 of the file's
        bytes, the arguments and `key`.
    key : dict, optional
        Settings and versions that the rows depend on.

    Returns
    -------
    pd.DataFrame
        clip_id, `columns`, status ("missing" where there is no file), reason; in input order.
    """
    clips = list(clips)
    rows = Parallel(n_jobs=n_jobs)(
        delayed(_row)(function, clip_id, path, arguments, cache_dir, key)
        for clip_id, path, *arguments in tqdm(clips, title, unit="clip", disable=not progress)
    )
    types = {"clip_id": "str", **columns, "status": "str", "reason": "str"}
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def _row(function, clip_id, path, arguments, cache_dir, key):
    row = {"clip_id": clip_id, "reason": ""}
    if path is None:
        return row | {"status": "missing", "reason": "No file is named for this clip."}
    try:
        require_bytes(path)
        if cache_dir is None:
            return row | function(path, *arguments)
        stored = Path(cache_dir) / f"{_digest(path, arguments, key)}.json"
        if not stored.is_file():
            _write(function(path, *arguments), stored)
        return row | json.loads(stored.read_text())
    except BadMediaError as bad:
        return row | {"status": bad.status, "reason": bad.reason}


def _digest(path, arguments, key):
    with open(path, "rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    settings = json.dumps([content, path.suffix, arguments, key], sort_keys=True, default=str)
    return hashlib.sha256(settings.encode()).hexdigest()


def _write(row, stored):
    stored.parent.mkdir(parents=True, exist_ok=True)
    aside = stored.with_suffix(f".{os.getpid()}.tmp")
    aside.write_text(json.dumps(row))
    aside.replace(stored)

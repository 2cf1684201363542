"""Published corpora: which files, at which commit, under which licence, and how to get them.

`CATALOGUE` is the file ``catalogue.yaml`` beside this one. A corpus is looked up under
``$EMPDIS_DATA/<name>/`` (and in the other `places.media_dirs`), then in the pooch cache, then
downloaded from its publisher at a pinned commit with SHA-256. Nothing is redistributed.
"""

import hashlib
import warnings
from pathlib import Path
from urllib.parse import quote

import pooch
import requests
import yaml

from empdis_utils.data import checks
from empdis_utils.data.downloads import limited
from empdis_utils.data.hashes import sha256
from empdis_utils.places import PACKAGE, ROOT, cache_dir, data_dirs, media_dirs

__all__ = [
    "CATALOGUE", "FIXTURE", "at_hand", "fetch", "local_files", "paths", "url",
]  # fmt: skip

RAW = "https://raw.githubusercontent.com"
FIXTURE = ROOT / "tests" / "fixture" / "corpus"
CATALOGUE = yaml.safe_load((PACKAGE / "data" / "catalogue.yaml").read_text(encoding="utf-8"))


def _entry(name):
    if name not in CATALOGUE:
        raise checks.CorpusError(
            f"no corpus '{name}' to download: known are {', '.join(CATALOGUE)}"
        )
    return CATALOGUE[name]


def url(name, file):
    """Address of one published file at the pinned commit."""
    entry = _entry(name)
    return f"{RAW}/{entry['repository']}/{entry['commit']}/{quote(entry['files'][file][0])}"


def local_files(name):
    """Files at hand without a download: dict file name -> Path."""
    found = {}
    for file, (_, pinned) in _entry(name)["files"].items():
        own = [path for path in (folder / name / file for folder in media_dirs()) if path.is_file()]
        cached = cache_dir(name, file)
        if own:
            found[file] = own[0]
        elif cached.is_file() and sha256(cached) == pinned:
            found[file] = cached
    return found


def at_hand(name):
    """Whether every file of a corpus is there without a download."""
    if name == "fixture":
        return (FIXTURE / "manifest.csv").is_file()
    return set(local_files(name)) == set(_entry(name)["files"])


def fetch(name, files=None):
    """Download published files into the pooch cache; files that are already there are kept.

    Parameters
    ----------
    name : str
        A corpus of `CATALOGUE`.
    files : iterable of str, optional
        File names; all files of the corpus by default.

    Returns
    -------
    dict of str to Path

    Raises
    ------
    CorpusError
        One message for all files that could not be had: address, SHA-256, reason, and the folder
        to put them into by hand. A file with another SHA-256 than the pinned one is never kept.
    """
    entry, folder, found, failed = _entry(name), cache_dir(name), {}, {}
    files = list(entry["files"] if files is None else files)
    store = pooch.create(
        path=folder,
        base_url="",
        registry={file: f"sha256:{entry['files'][file][1]}" for file in files},
        urls={file: url(name, file) for file in files},
    )
    for file in files:
        try:
            found[file] = Path(store.fetch(file, downloader=limited))
        except (requests.ConnectionError, requests.Timeout) as error:
            rest = [f for f in files if f not in found and f not in failed]
            failed |= dict.fromkeys(rest, f"no connection ({type(error).__name__})")
            break
        except (OSError, ValueError) as error:
            failed[file] = " ".join(str(error).split())
    if failed:
        lines = [f"{name}: {len(failed)} of {len(entry['files'])} files are missing."]
        for file, reason in failed.items():
            lines += [f"  {file}: {reason}", f"    {url(name, file)}"]
            lines += [f"    sha256 {entry['files'][file][1]}"]
        own = [data / name for data in data_dirs()]
        own = own[0] if own else f"{name}/ in a folder that EMPDIS_DATA names"
        lines += [f"Download them by hand into {folder}", f"or into {own}, then run again."]
        raise checks.CorpusError("\n".join(lines))
    return found


def paths(name):
    """Find every file of a corpus: ``$EMPDIS_DATA/<name>/``, the pooch cache, then a download.

    Returns
    -------
    dict of str to Path
        File name -> path. A file under ``$EMPDIS_DATA`` is used as it is; when its SHA-256 is not
        the published one, a warning names it.

    Raises
    ------
    CorpusError
        Unknown corpus, or files that cannot be had (see `fetch`).
    """
    entry, found = _entry(name), local_files(name)
    for data in data_dirs():
        if not data.is_dir():
            warnings.warn(f"EMPDIS_DATA is {data}, which is not a folder", stacklevel=2)
    for file, path in found.items():
        if hashlib.sha256(checks.content(path)).hexdigest() != entry["files"][file][1]:
            warnings.warn(f"{path} differs from the published file; used as it is", stacklevel=2)
    missing = [file for file in entry["files"] if file not in found]
    found |= fetch(name, missing) if missing else {}
    return {file: found[file] for file in entry["files"]}

"""Tensors kept on disk between runs: one safetensors file per entry, with a limit on their size.

A file is written aside and renamed, so that an interrupted write is never taken for a finished one.
When the limit is reached, files that were not used for the longest time go first; files that this
`DiskCache` has used stay.
"""

import errno
import hashlib
import json
import os
import time
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from . import places

PARTIAL_S = 3600.0  # seconds after which a half-written file is taken for abandoned


def default_directory():
    """`encoders` in `places.cache_dir`, which `make clean-cache` empties."""
    return places.cache_dir("encoders")


def default_limit_gb():
    """`$EMPDIS_CACHE_GB`, or 50."""
    return float(os.environ.get("EMPDIS_CACHE_GB") or 50)


class DiskCache:
    """Named sets of tensors in one folder.

    Parameters
    ----------
    directory : str or Path
        Made if it is not there. Several folders below it share the limit.
    limit_gb : float, optional
        Size of all files together, in 10^9 bytes. Default: `default_limit_gb`.

    Raises
    ------
    OSError
        The folder cannot be made.
    """

    def __init__(self, directory, limit_gb=None):
        self.directory = Path(directory)
        self.limit = 1e9 * (default_limit_gb() if limit_gb is None else limit_gb)
        self._mine, self._size = set(), None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                f"The cache folder {directory} cannot be made ({error.strerror}); "
                "name another with EMPDIS_CACHE."
            ) from None

    def path(self, folder, key):
        """File of an entry: its key is hashed, whatever characters it has."""
        name = hashlib.sha256(str(key).encode()).hexdigest()[:32]
        return self.directory / folder / f"{name}.safetensors"

    def facts(self, folder, key):
        """Facts of an entry that is there, as a dict; None without one. It counts as used now.

        A file that is not whole (a disk that failed) is removed.
        """
        path = self.path(folder, key)
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads(file.metadata()["facts"])
            os.utime(path)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError):
            path.unlink(missing_ok=True)
            return None
        self._mine.add(path)
        return facts

    def read(self, folder, key):
        """Tensors of an entry by name, and its facts.

        Raises
        ------
        FileNotFoundError
            It was removed since, for example by another run that needed room.
        """
        path = self.path(folder, key)
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads(file.metadata()["facts"])
                return {name: file.get_tensor(name) for name in file.keys()}, facts
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{path.name} has left the cache {self.directory} while it was needed; raise "
                f"EMPDIS_CACHE_GB (now {self.limit / 1e9:g}) and run again."
            ) from None

    def length(self, folder, key):
        """Size of the first axis of the entry's first tensor, from the file's header."""
        with safe_open(self.path(folder, key), framework="pt") as file:
            return file.get_slice(next(iter(file.keys()))).get_shape()[0]

    def write(self, folder, key, tensors, facts=None):
        """Keep tensors, and facts that JSON can hold, under a key.

        Raises
        ------
        OSError
            The disk is full, or this run alone needs more than the limit.
        """
        path = self.path(folder, key)
        aside = path.with_name(f"{path.stem}.{os.getpid()}.partial")
        size = sum(value.nbytes for value in tensors.values())
        self._make_room(size, path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(
                {name: value.contiguous() for name, value in tensors.items()},
                aside,
                metadata={"facts": json.dumps(facts or {})},
            )
            os.replace(aside, path)
        except (OSError, SafetensorError) as error:
            aside.unlink(missing_ok=True)
            if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
                raise OSError(
                    errno.ENOSPC,
                    f"The disk of the cache {self.directory} is full; free some space (make "
                    "clean-cache), or name another folder with EMPDIS_CACHE.",
                ) from None
            raise
        self._mine.add(path)
        self._size += path.stat().st_size

    def _make_room(self, size, path):
        if self._size is None:
            self._size = sum(entry.stat().st_size for entry in self._files())
        if self._size + size <= self.limit:
            return
        mine = self._mine | {path}
        others = [(e.stat().st_mtime, e.stat().st_size, e) for e in self._files() if e not in mine]
        for _, bytes_, entry in sorted(others):
            if self._size + size <= 0.9 * self.limit:
                return
            entry.unlink(missing_ok=True)
            self._size -= bytes_
        if self._size + size > self.limit:
            raise OSError(
                f"This run needs more than the {self.limit / 1e9:g} GB that the cache "
                f"{self.directory} may hold; raise EMPDIS_CACHE_GB."
            )

    def _files(self):
        for entry in list(self.directory.rglob("*.partial")):
            if time.time() - entry.stat().st_mtime > PARTIAL_S:
                entry.unlink(missing_ok=True)
        return list(self.directory.rglob("*.safetensors"))

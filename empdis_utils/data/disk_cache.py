"""What is kept on disk between runs: one file per entry, with a checksum in it.

A file is written aside and renamed, so that an interrupted write is never taken for a finished one.
Every read compares the checksum: an entry that was cut or changed is not used, it is made anew, and
one line says so. Tensors (`DiskCache`) have a limit on their size: when it is reached, files that
were not used for the longest time go first; files that a running process has used stay. Several
processes may share a folder.
"""

import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import os
import sys
import time
import uuid
from pathlib import Path

from safetensors import SafetensorError, safe_open

from empdis_utils import places

__all__ = [
    "DiskCache", "default_directory", "default_limit_gb", "read_json", "save_file", "write_json",
]  # fmt: skip

PARTIAL_S = 3600.0  # seconds after which a half-written file is taken for abandoned
RECOUNT = 0.02  # share of the limit that is written before the folder is measured again


def default_directory():
    """`encoders` in `places.cache_dir`, which `make clean-cache` empties."""
    return places.cache_dir("encoders")


def default_limit_gb():
    """`$EMPDIS_CACHE_GB`, or 50."""
    return float(os.environ.get("EMPDIS_CACHE_GB") or 50)


def read_json(path):
    """What `write_json` kept in a file; None if it is not there, or not whole.

    A file whose checksum differs is reported in one line on standard error.
    """
    try:
        stored = json.loads(Path(path).read_bytes())
        if stored["sha256"] != _checksum(path, json.dumps(stored["value"])):
            raise ValueError("its checksum differs")
        return stored["value"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _report(path, error)
        return None


def write_json(path, value):
    """Keep what JSON can hold in a file, with its checksum.

    Raises
    ------
    OSError
        The disk is full; or whatever else forbids writing.
    """
    stored = json.dumps({"sha256": _checksum(path, json.dumps(value)), "value": value})
    with _written_aside(Path(path)) as aside:
        aside.write_text(stored)


def _checksum(path, text, tensors=()):
    """SHA-256 of an entry: its file's name, a text, and named tensors."""
    digest = hashlib.sha256(f"{Path(path).name} {text}".encode())
    for name, tensor in sorted(dict(tensors).items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor):
    import torch  # a second to import, which processes that keep rows only need not spend

    return tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def save_file(tensors, path, metadata):
    from safetensors.torch import save_file

    save_file(tensors, path, metadata=metadata)


def _report(path, error):
    reason = " ".join(str(error).split())
    print(f"{path} is damaged ({reason}); it is made anew.", file=sys.stderr)


@contextlib.contextmanager
def _written_aside(path):
    """A path to write to, which takes the place of `path` at the end."""
    aside = path.with_name(f"{path.stem}.{uuid.uuid4().hex}.partial")  # workers may share pids
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        os.replace(aside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
            raise OSError(
                errno.ENOSPC,
                f"The disk of the cache {path.parent.parent} is full; free some space (make "
                "clean-cache), or name another folder with EMPDIS_CACHE.",
            ) from None
        raise


@functools.cache
def _claim(directory, pid):
    """Make a locked file that tells other processes since when this one uses the folder.

    The lock ends with the process, however it ends. Returns the file's name; None where nothing
    can be written.
    """
    try:
        folder = Path(directory) / ".running"
        folder.mkdir(exist_ok=True)
        with _alone(directory):  # nobody takes the new file for one that was left behind
            name = uuid.uuid4().hex
            file = os.open(folder / name, os.O_CREAT | os.O_WRONLY)  # open as long as the process
            fcntl.flock(file, fcntl.LOCK_EX)
        return name
    except OSError:
        return None


@contextlib.contextmanager
def _alone(directory):
    """One process at a time: a lock that ends with its process."""
    with open(Path(directory) / ".lock", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
        self._mine, self._size, self._counted = set(), None, 0
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                f"The cache folder {directory} cannot be made ({error.strerror}); "
                "name another with EMPDIS_CACHE."
            ) from None
        _claim(str(self.directory), os.getpid())

    def path(self, folder, key):
        """File of an entry: its key is hashed, whatever characters it has."""
        name = hashlib.sha256(str(key).encode()).hexdigest()[:32]
        return self.directory / folder / f"{name}.safetensors"

    def facts(self, folder, key):
        """Facts of an entry that is there, as a dict; None without one. It counts as used now.

        An entry that is not whole, or whose checksum differs, counts as not there, and is reported
        in one line on standard error; `write` then replaces it.
        """
        path = self.path(folder, key)
        try:
            facts = self._open(path)[1]
            os.utime(path)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            _report(path, error)
            return None
        self._mine.add(path)
        return facts

    def read(self, folder, key):
        """Tensors of an entry by name, and its facts.

        Raises
        ------
        FileNotFoundError
            It was removed since, for example by `make clean-cache`.
        OSError
            It was damaged since.
        """
        path = self.path(folder, key)
        try:
            return self._open(path)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{path.name} has left the cache {self.directory} while it was needed; raise "
                f"EMPDIS_CACHE_GB (now {self.limit / 1e9:g}) and run again."
            ) from None
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise OSError(
                f"{path} was damaged while it was needed ({error}); run again, and it is made anew."
            ) from None

    @staticmethod
    def _open(path):
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if about.get("sha256") != _checksum(path, about["facts"], tensors):
            raise ValueError("its checksum differs")
        return tensors, json.loads(about["facts"])

    def length(self, folder, key):
        """Size of the first axis of the entry's first tensor, from the file's header."""
        with safe_open(self.path(folder, key), framework="pt") as file:
            return file.get_slice(next(iter(file.keys()))).get_shape()[0]

    def write(self, folder, key, tensors, facts=None):
        """Keep tensors, and facts that JSON can hold, under a key.

        Raises
        ------
        OSError
            The disk is full, or the runs under way need more than the limit.
        """
        path = self.path(folder, key)
        tensors = {name: value.contiguous() for name, value in tensors.items()}
        self._make_room(sum(value.nbytes for value in tensors.values()), path)
        facts = json.dumps(facts or {})
        with _written_aside(path) as aside:
            about = {"facts": facts, "sha256": _checksum(path, facts, tensors)}
            save_file(tensors, aside, metadata=about)
            size = aside.stat().st_size
        self._mine.add(path)
        self._size += size

    def _make_room(self, size, path):
        if self._size is None or self._size - self._counted > RECOUNT * self.limit:
            self._size = self._counted = sum(bytes_ for _, bytes_, _ in self._entries())
        if self._size + size <= self.limit:
            return
        with _alone(self.directory):
            entries, since = self._entries(), self._others_since()
            self._size = self._counted = sum(bytes_ for _, bytes_, _ in entries)
            mine = {str(entry) for entry in (*self._mine, path)}
            for used, bytes_, entry in sorted(entries):
                if self._size + size <= 0.9 * self.limit or used >= since:
                    break
                if entry not in mine:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(entry)
                    self._size -= bytes_
            self._counted = self._size
        if self._size + size > self.limit:
            raise OSError(
                f"This run (with those beside it) needs more than the {self.limit / 1e9:g} GB that "
                f"the cache {self.directory} may hold; raise EMPDIS_CACHE_GB."
            )

    def _others_since(self):
        """When the longest-running other process began to use the folder; infinity without one."""
        since, own = float("inf"), _claim(str(self.directory), os.getpid())
        for path in (self.directory / ".running").glob("*"):
            if path.name == own:
                continue
            with contextlib.suppress(FileNotFoundError), open(path) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)  # its process has ended
                except BlockingIOError:
                    since = min(since, os.fstat(file.fileno()).st_mtime)
        return since

    def _entries(self):
        """(time of last use, bytes, path) of each entry; other processes may add and remove."""
        found, now = [], time.time()
        for folder, _, names in os.walk(self.directory):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(FileNotFoundError):
                    about = os.stat(path)
                    if name.endswith(".safetensors"):
                        found.append((about.st_mtime, about.st_size, path))
                    elif name.endswith(".partial") and now - about.st_mtime > PARTIAL_S:
                        os.unlink(path)
        return found

"""Oracles: the tensors that went in, file sizes, and a disk that says it is full."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from empdis_utils import disk_cache
from empdis_utils.disk_cache import DiskCache


def entry(i, n=1000):
    return {"hidden": torch.full((n // 4,), float(i))}  # n bytes


def there(cache, folder, key):
    return cache.facts(folder, key) is not None


def age(cache, folder, key, seconds):
    path = cache.path(folder, key)
    os.utime(path, (time.time() - seconds,) * 2)


def test_what_is_read_is_what_was_written(tmp_path):
    cache = DiskCache(tmp_path)
    tensors = {"a": torch.randn(3, 4).T, "b": torch.arange(5, dtype=torch.uint8)}
    assert not there(cache, "x", "key/with:odd characters")
    cache.write("x", "key/with:odd characters", tensors, {"epoch": 3, "loss": [0.5]})
    assert there(cache, "x", "key/with:odd characters")
    read, facts = DiskCache(tmp_path).read("x", "key/with:odd characters")
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)
    assert facts == cache.facts("x", "key/with:odd characters") == {"epoch": 3, "loss": [0.5]}
    cache.write("x", "one", {"hidden": torch.zeros(7, 2)})
    assert cache.length("x", "one") == 7


def test_the_entries_unused_for_longest_go_first(tmp_path):
    old = DiskCache(tmp_path, limit_gb=1)
    for i in range(8):
        old.write(f"folder{i % 2}", i, entry(i))
        age(old, f"folder{i % 2}", i, 100 - i)
    size = old.path("folder0", 0).stat().st_size
    cache = DiskCache(tmp_path, limit_gb=8.5 * size / 1e9)
    assert there(cache, "folder0", 0)  # used again: now the newest, and ours
    cache.write("folder0", "new", entry(9))
    left = [i for i in range(8) if old.path(f"folder{i % 2}", i).exists()]
    assert left == [0, 3, 4, 5, 6, 7]  # down to nine tenths of the limit
    assert there(cache, "folder0", "new")


def test_a_run_that_needs_more_than_the_limit_says_so(tmp_path):
    cache = DiskCache(tmp_path, limit_gb=2.5e-6)
    cache.write("x", 1, entry(1))
    cache.write("x", 2, entry(2))
    with pytest.raises(OSError, match="needs more than the 2.5e-06 GB.*raise EMPDIS_CACHE_GB"):
        cache.write("x", 3, entry(3))
    assert there(cache, "x", 1) and there(cache, "x", 2)


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(tensors, filename, metadata):
        filename.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk_cache, "save_file", full)
    cache = DiskCache(tmp_path)
    with pytest.raises(OSError, match="is full; free some space"):
        cache.write("x", 1, entry(1))
    assert not list(tmp_path.rglob("*.partial")) and not there(cache, "x", 1)


def test_a_file_cut_short_is_not_taken_for_whole(tmp_path):
    cache = DiskCache(tmp_path)
    cache.write("x", 1, entry(1))
    path = cache.path("x", 1)
    path.write_bytes(path.read_bytes()[:-10])
    assert not there(cache, "x", 1)
    assert not path.exists()


def test_an_entry_that_another_run_removed_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="has left the cache .* raise EMPDIS_CACHE_GB"):
        DiskCache(tmp_path).read("x", 1)


def test_a_killed_write_leaves_no_entry(tmp_path):
    """SIGKILL in the middle of writing, in a process of its own."""
    code = (
        "import os, signal, sys, torch; from empdis_utils import disk_cache\n"
        "real = disk_cache.save_file\n"
        "def half(tensors, path, metadata):\n"
        "    real(tensors, path, metadata); os.truncate(path, 50)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "disk_cache.save_file = half\n"
        "disk_cache.DiskCache(sys.argv[1]).write('x', 1, {'a': torch.zeros(100)})"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert done.returncode == -signal.SIGKILL
    cache = DiskCache(tmp_path)
    assert not there(cache, "x", 1)
    partial = list(tmp_path.rglob("*.partial"))
    assert len(partial) == 1
    os.utime(partial[0], (0, 0))
    cache.write("x", 1, entry(1))  # looks at the folder, and clears what was abandoned
    assert there(cache, "x", 1) and not list(tmp_path.rglob("*.partial"))


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path))
    monkeypatch.setenv("EMPDIS_CACHE_GB", "2.5")
    assert disk_cache.default_directory() == tmp_path / "encoders"
    assert DiskCache(disk_cache.default_directory()).limit == 2.5e9
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be made .*; name another with EMPDIS_CACHE"):
        DiskCache(tmp_path / "file" / "encoders")


def test_make_clean_cache_empties_it_and_leaves_corpora(tmp_path):
    DiskCache(tmp_path / "encoders").write("x", 1, entry(1))
    (tmp_path / "empspeech").mkdir()
    subprocess.run(
        ["make", "clean-cache"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "EMPDIS_CACHE": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["empspeech"]

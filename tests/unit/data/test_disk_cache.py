"""Oracles: the tensors that went in, file sizes, and a disk that says it is full."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from empdis_utils.data import disk_cache
from empdis_utils.data.disk_cache import DiskCache


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


def cut(data):
    return data[:-10]


def one_bit(data):
    return data[:-10] + bytes([data[-10] ^ 1]) + data[-9:]


def other_facts(data):
    return data.replace(b'\\"loss\\": 1', b'\\"loss\\": 3')


def without_checksum(data):
    return data.replace(b"sha256", b"sha999")


def nothing(data):
    return b""


DAMAGES = (cut, one_bit, other_facts, without_checksum, nothing)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_remade_and_one_line_says_so(tmp_path, capsys, damage):
    cache = DiskCache(tmp_path)
    cache.write("x", 1, entry(1), {"loss": 1})
    path = cache.path("x", 1)
    changed = damage(path.read_bytes())
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    with pytest.raises(OSError, match="was damaged while it was needed .*run again"):
        cache.read("x", 1)
    assert cache.facts("x", 1) is None
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and path.name in said and "it is made anew" in said
    cache.write("x", 1, entry(1), {"loss": 1})
    assert cache.facts("x", 1) == {"loss": 1} and not capsys.readouterr().err


def test_an_entry_under_the_name_of_another_is_damaged(tmp_path):
    cache = DiskCache(tmp_path)
    for i in (1, 2):
        cache.write("x", i, entry(i))
    cache.path("x", 1).replace(cache.path("x", 2))
    assert not there(cache, "x", 2)


@pytest.mark.parametrize("damage", (cut, nothing, lambda data: data.replace(b"220.5", b"661.5")))
def test_json_is_checked_too(tmp_path, capsys, damage):
    """Item: a tripled pitch in the cached rows changed five tables without a word."""
    path = tmp_path / "row.json"
    row = {"mean_pitch": 220.5, "jitter": float("nan"), "reason": "ä"}
    assert disk_cache.read_json(path) is None and not capsys.readouterr().err
    disk_cache.write_json(path, row)
    assert repr(disk_cache.read_json(path)) == repr(row)
    path.write_bytes(damage(path.read_bytes()))
    assert disk_cache.read_json(path) is None
    assert capsys.readouterr().err.count("it is made anew") == 1
    disk_cache.write_json(path, row)
    assert repr(disk_cache.read_json(path)) == repr(row)
    assert [p.name for p in tmp_path.iterdir()] == ["row.json"]


def test_an_entry_that_another_run_removed_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="has left the cache .* raise EMPDIS_CACHE_GB"):
        DiskCache(tmp_path).read("x", 1)


def test_a_killed_write_leaves_no_entry(tmp_path):
    """SIGKILL in the middle of writing, in a process of its own."""
    code = (
        "import os, signal, sys, torch; from empdis_utils.data import disk_cache\n"
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


# Two processes and one folder

SHARING = """
import sys, time, torch
from empdis_utils.data.disk_cache import DiskCache
cache = DiskCache(sys.argv[1], limit_gb=float(sys.argv[2]))
for i in range(int(sys.argv[3])):
    cache.write(f"folder{i % 3}", f"{sys.argv[4]}-{i}", {"a": torch.full((2500,), float(i))})
    assert cache.facts(f"folder{i % 3}", f"{sys.argv[4]}-{i}") is not None
"""


def run_sharing(*arguments):
    command = [sys.executable, "-c", SHARING, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_a_file_that_vanishes_while_the_folder_is_measured_is_no_error(tmp_path, monkeypatch):
    """Another process renames its partial file, or removes an entry, between listing and `stat`."""
    DiskCache(tmp_path).write("x", 1, entry(1))
    (tmp_path / "x" / "gone.partial").symlink_to(tmp_path / "nowhere")
    (tmp_path / "x" / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    cache = DiskCache(tmp_path)
    cache.write("x", 2, entry(2))
    assert there(cache, "x", 1) and there(cache, "x", 2)


def test_two_processes_share_a_folder_and_its_limit(tmp_path):
    """Each writes 3 MB in 10 kB entries where 8 MB are allowed, 4 MB of them left by an older run:
    only the older run's entries go, and no process fails."""
    old = DiskCache(tmp_path)
    for i in range(400):
        old.write("old", i, {"a": torch.full((2500,), float(i))})
        age(old, "old", i, 1000 - i)
    both = [run_sharing(tmp_path, 8e-3, 300, name) for name in "ab"]
    for process in both:
        assert process.wait(120) == 0, process.stderr.read()
        process.stderr.close()
    cache = DiskCache(tmp_path)
    lost = [
        (n, i) for n in "ab" for i in range(300) if not there(cache, f"folder{i % 3}", f"{n}-{i}")
    ]
    left = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
    assert not lost and left <= 8e6
    assert not list(tmp_path.rglob("*.partial"))


def test_what_a_running_process_uses_is_not_removed_by_another(tmp_path):
    """The other is told that both together need more; once its neighbour ends, there is room."""
    code = SHARING + "print('ready', flush=True); sys.stdin.read()\n"
    running = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), "1", "10", "a"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with running:
        assert running.stdout.readline() == "ready\n"
        cache = DiskCache(tmp_path, limit_gb=1.05e-4)
        with pytest.raises(OSError, match="with those beside it.*raise EMPDIS_CACHE_GB"):
            cache.write("x", 1, {"a": torch.zeros(2500)})
        assert len(list(tmp_path.rglob("*.safetensors"))) == 10
        running.communicate("")
    cache.write("x", 1, {"a": torch.zeros(2500)})
    assert there(cache, "x", 1)

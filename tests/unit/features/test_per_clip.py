"""Oracle: the function measured with, called directly and counted."""

import functools
import os
import sys
import types
from pathlib import Path

import av
import pandas as pd
import pytest

from empdis_utils.data import disk_cache
from empdis_utils.features import per_clip

COLUMNS = {"size": "Int64"}


def size(path, factor=1):
    with open(path.with_suffix(".calls"), "a") as calls:
        calls.write("x")
    data = path.read_bytes()
    if data == b"bad":
        raise per_clip.BadMediaError("unreadable", f"{path.name} is bad.")
    return {"size": len(data) * factor, "status": "ok"}


def calls(path):
    log = path.with_suffix(".calls")
    return len(log.read_text()) if log.exists() else 0


@pytest.fixture
def clips(tmp_path):
    for name, content in {"a": b"1", "b": b"bad", "c": b"", "d": b"1234"}.items():
        (tmp_path / f"{name}.bin").write_bytes(content)
    return [(n, tmp_path / f"{n}.bin") for n in "dabcx"] + [("none", None)]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_every_clip_is_one_row_in_order(clips, n_jobs):
    table = per_clip.measure(clips, size, COLUMNS, title="size", n_jobs=n_jobs, progress=False)
    assert table.columns.tolist() == ["clip_id", "size", "status", "reason"]
    assert table["clip_id"].tolist() == ["d", "a", "b", "c", "x", "none"]
    assert table["size"].tolist() == [4, 1, pd.NA, pd.NA, pd.NA, pd.NA]
    statuses = ["ok", "ok", "unreadable", "empty", "missing", "missing"]
    assert table["status"].tolist() == statuses
    assert (table["reason"] == "").tolist() == [True, True, False, False, False, False]


def test_cache_is_used_until_the_file_the_arguments_or_the_key_change(clips, tmp_path):
    path = dict(clips)["d"]

    def run(factor=1, key=None):
        found = per_clip.measure(
            [("d", path, factor)],
            size,
            COLUMNS,
            title="size",
            progress=False,
            cache_dir=tmp_path / "cache",
            key=key,
        )
        return found["size"][0]

    assert [run(), run()] == [4, 4] and calls(path) == 1
    assert run(factor=2) == 8 and calls(path) == 2
    assert run(key={"version": 2}) == 4 and calls(path) == 3
    path.write_bytes(b"12345")
    assert run() == 5 and calls(path) == 4
    stored = list((tmp_path / "cache").iterdir())
    rows = [disk_cache.read_json(file) for file in stored]
    assert len(rows) == 4 and all(row["status"] == "ok" for row in rows)


@pytest.mark.parametrize("change", [lambda text: text[:-5], lambda text: text.replace("4", "12")])
def test_a_damaged_cache_entry_is_measured_again_and_one_line_says_so(
    clips, tmp_path, capsys, change
):
    """A number changed by hand went unnoticed; a cut entry was a bare JSONDecodeError."""
    path = dict(clips)["d"]

    def run():
        cached = {"progress": False, "cache_dir": tmp_path / "cache"}
        return per_clip.measure([("d", path)], size, COLUMNS, title="size", **cached)["size"][0]

    assert run() == 4
    (stored,) = (tmp_path / "cache").iterdir()
    stored.write_text(change(stored.read_text()))
    assert run() == 4 and calls(path) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and stored.name in said and "it is made anew" in said
    assert run() == 4 and calls(path) == 2 and not capsys.readouterr().err


def test_cache_is_left_aside_when_the_code_changes(clips, tmp_path, monkeypatch):
    path = dict(clips)["d"]
    module = types.ModuleType("measuring")
    module.__file__ = str(tmp_path / "measuring.py")
    monkeypatch.setitem(sys.modules, "measuring", module)

    def run(source):
        (tmp_path / "measuring.py").write_text(source)
        exec(source, module.__dict__)
        found = per_clip.measure(
            [("d", path)],
            functools.partial(module.count),
            COLUMNS,
            title="size",
            progress=False,
            cache_dir=tmp_path / "cache",
        )
        return found["size"][0]

    source = "def count(path): return {'size': 1, 'status': 'ok'}"
    assert run(source) == 1 and run(source.replace("1", "2")) == 2
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_bad_files_are_looked_at_again(clips, tmp_path):
    """A row that is not "ok" is not kept: the disk may have been at fault."""
    path = dict(clips)["b"]
    for _ in range(2):
        table = per_clip.measure(
            [("b", path)], size, COLUMNS, title="size", progress=False, cache_dir=tmp_path / "cache"
        )
        assert table["status"].tolist() == ["unreadable"]
    assert calls(path) == 2 and not list((tmp_path / "cache").iterdir())


def touchy(path):
    """Fails in another way for each clip."""
    if path.stem == "a":
        raise KeyError("no such\0column")
    if path.stem == "b":
        raise av.error.MemoryError(12, "Cannot allocate memory")
    return size(path)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_unexpected_error_is_the_row_of_its_clip(clips, tmp_path, n_jobs, cached):
    """Only `BadMediaError` was caught: one bad clip stopped the chapter."""
    table = per_clip.measure(
        clips,
        touchy,
        COLUMNS,
        title="size",
        n_jobs=n_jobs,
        progress=False,
        cache_dir=tmp_path / "cache" if cached else None,
    ).set_index("clip_id")
    assert table["status"].to_dict() | {"c": "empty"} == {
        **{"d": "ok", "a": "failed", "b": "unreadable", "c": "empty"},
        **{"x": "missing", "none": "missing"},
    }
    said = "a.bin made the measurement fail: KeyError: 'no such"
    assert table["reason"]["a"].startswith(said) and "\0" not in table["reason"]["a"]


@pytest.mark.parametrize("error", [MemoryError, ImportError, KeyboardInterrupt])
def test_what_is_not_the_clip_s_fault_ends_the_chapter(clips, error):
    def fail(path):
        raise error("short of it")

    with pytest.raises(error) as stopped:
        per_clip.measure(clips, fail, COLUMNS, title="size", progress=False)
    if error is MemoryError:
        assert "ran out at the clip d.bin; use fewer processes" in str(stopped.value)


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
def test_a_name_that_is_no_text_fits_into_a_table(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.bin"))
    path.write_bytes(b"bad")
    table = per_clip.measure([("a", path)], size, COLUMNS, title="size", progress=False)
    table.to_parquet(tmp_path / "table.parquet")
    assert table["reason"][0] == "?.bin is bad."


def test_a_cache_that_cannot_be_made_is_named(clips, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file/cache cannot be made .*EMPDIS_CACHE"):
        per_clip.measure(clips, size, COLUMNS, title="size", cache_dir=tmp_path / "file/cache")


def test_default_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path))
    assert per_clip.default_cache() == tmp_path / "features"


def test_progress_is_shown_per_clip(clips, capsys):
    per_clip.measure(clips, size, COLUMNS, title="size")
    assert "size: 100%" in capsys.readouterr().err


def test_listed_takes_manifests_and_paths(tmp_path):
    manifest = pd.DataFrame({"clip_id": [1, 2], "audio_path": ["x/1.wav", None], "y": [0, 1]})
    table = per_clip.listed(manifest, "audio_path", tmp_path)
    assert table["clip_id"].tolist() == ["1", "2"] and table["y"].tolist() == [0, 1]
    assert table["audio_path"].tolist() == [tmp_path / "x/1.wav", None]
    table = per_clip.listed(["x/1.wav", tmp_path / "2.wav"], "audio_path", "root")
    assert [str(p) for p in table["audio_path"]] == ["root/x/1.wav", str(tmp_path / "2.wav")]


def test_listed_names_what_is_wrong():
    with pytest.raises(ValueError, match="no column audio_path"):
        per_clip.listed(pd.DataFrame({"clip_id": ["a"]}), "audio_path")
    with pytest.raises(ValueError, match=r"repeated: \['1'\]"):
        per_clip.listed(["a/1.wav", "b/1.wav"], "audio_path")
    with pytest.raises(ValueError, match="not the one path"):
        per_clip.listed("a.wav", "audio_path")

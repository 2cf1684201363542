"""Oracle: the function measured with, called directly and counted."""

import json

import pandas as pd
import pytest

from empdis_utils import per_clip

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
    assert len(stored) == 4 and all(json.loads(f.read_text())["status"] == "ok" for f in stored)


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

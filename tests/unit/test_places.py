"""Oracle: the rules as the book states them, on empty folders; Make's own idea of the cache."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from empdis_utils import places

VARIABLES = ("EMPDIS_DATA", "EMPDIS_MEDIA", "EMPDIS_CACHE", "EMPDIS_CLIPS", "XDG_CACHE_HOME")


@pytest.fixture(autouse=True)
def nothing_is_named(monkeypatch, tmp_path):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_project_is_found():
    assert (places.ROOT / "Makefile").is_file() and places.ROOT == Path(__file__).parents[2]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_cache_is_at_the_same_place_on_all_systems(monkeypatch, tmp_path, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert places.cache_dir() == tmp_path / ".cache" / "empdis"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert places.cache_dir("a", "b") == tmp_path / "x" / "empdis" / "a" / "b"
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path / "c"))
    assert places.cache_dir("a") == tmp_path / "c" / "a"


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "EMPDIS_CACHE"])
def test_make_empties_the_same_cache_and_keeps_corpora(monkeypatch, tmp_path, variable):
    monkeypatch.setenv(variable, str(tmp_path / "a b"))
    kept, gone = places.cache_dir("mosi"), [places.cache_dir(n) for n in ("encoders", "features")]
    for folder in (kept, *gone):
        folder.mkdir(parents=True)
    call = ["make", "clean-cache", f"PY={sys.executable}"]
    subprocess.run(call, cwd=places.ROOT, check=True, capture_output=True)
    assert kept.is_dir() and not any(folder.exists() for folder in gone)


def test_empty_variables_count_as_not_set(monkeypatch, tmp_path):
    """Make exports EMPDIS_DATA= ; Path("") would be the current folder."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert places.data_dirs() == places.media_dirs() == places.model_dirs() == []
    assert places.cache_dir() == tmp_path / ".cache" / "empdis"
    assert places.clips_dir() == tmp_path / ".cache" / "empdis" / "empspeech" / "clips"


def test_a_folder_with_a_space_is_one_folder(monkeypatch, tmp_path):
    data = tmp_path / "my corpora"
    monkeypatch.setenv("EMPDIS_DATA", str(data))
    assert places.data_dirs() == [data]
    assert places.media_dirs() == [data, data / ".." / "media"]
    assert places.model_dirs() == [data, data / "models", data / "../models"]


def test_media_has_a_variable_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("EMPDIS_MEDIA", str(tmp_path))
    assert places.media_dirs() == [tmp_path]


def test_clips_go_beside_the_corpus_if_they_can(monkeypatch, tmp_path):
    cached = tmp_path / ".cache" / "empdis" / "empspeech" / "clips"
    monkeypatch.setenv("EMPDIS_DATA", str(tmp_path / "nowhere"))
    assert places.clips_dir() == cached
    own = tmp_path / "data" / "empspeech"
    own.mkdir(parents=True)
    monkeypatch.setenv("EMPDIS_DATA", str(own.parent))
    assert places.clips_dir() == own / "clips"
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert places.clips_dir() == cached
    (own / "clips").mkdir()
    (own / "clips" / "clips.csv").touch()
    assert places.clips_dir() == own / "clips"
    monkeypatch.setenv("EMPDIS_CLIPS", str(tmp_path / "mine"))
    assert places.clips_dir() == tmp_path / "mine"


def test_no_other_module_or_notebook_looks_up_a_place():
    lookup = re.compile(rf"environ[^\n]*({'|'.join(VARIABLES)})\b|os_cache|user_cache")
    code = [*places.ROOT.glob("empdis_utils/**/*.py"), *places.ROOT.glob("notebooks/*.ipynb")]
    assert len(code) > 40
    found = {p.name for p in code if lookup.search(p.read_text(encoding="utf-8"))}
    assert found - {"places.py"} == set()

"""Oracle: files changed one at a time, and what of it a reader would say must run again."""

import os
import shutil
import subprocess
import sys

import pytest

from empdis_utils.press import inputs, parameters
from tests.unit.toy_house import GIVEN, WRITE, notebook

CHAPTERS = sorted(path.stem for path in parameters.NOTEBOOKS.glob("*.ipynb"))


def test_a_hash_follows_the_content_and_not_the_date(tmp_path):
    """Also when size and date of modification are put back, as `touch -r` can."""
    hashes, path = inputs.Hashes(tmp_path / "kept.json"), tmp_path / "a"
    path.write_text("one")
    first, there = hashes(path), path.stat()
    os.utime(path, (1, 1))
    assert hashes(path) == first
    path.write_text("two")
    os.utime(path, ns=(there.st_atime_ns, there.st_mtime_ns))
    assert hashes(path) != first
    assert hashes(tmp_path / "none") == ""
    hashes.save()
    assert inputs.Hashes(tmp_path / "kept.json").known == hashes.known
    (tmp_path / "kept.json").write_text("{")
    assert inputs.Hashes(tmp_path / "kept.json").known == {}


def test_imports_in_all_their_spellings():
    source = """
import numpy, empdis_utils.measures.stats
from empdis_utils.data import tables, media as m
from empdis_utils.data.splits import audit
def late():
    from . import corpora
    from .clips import sha256
"""
    found = {name[-1] for name in inputs.imported(source) if name}
    assert {"stats", "tables", "media", "splits", "corpora", "clips"} <= found
    assert "numpy" not in found


def test_the_closure_is_what_python_imports():
    """Oracle: the modules of the package that a fresh Python has after importing one."""
    said = "import sys, empdis_utils.measures.scores as s; print(*sys.modules)"
    there = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    wanted = {name for name in there.stdout.split() if name.startswith("empdis_utils.")}
    found = set(inputs.closure({("measures", "scores")}))
    assert wanted <= found | {"empdis_utils"} and len(found) >= len(wanted)


def test_a_template_counts_for_those_who_name_it(copy):
    folder = copy / "show" / "templates"
    (folder / "outer.html").write_text('{% include "details.html" %}')
    assert set(inputs.data_named("render('outer.html')")) == {"outer.html", "details.html"}
    assert inputs.data_named('open("outer.html", "none.html")').keys() >= {"outer.html"}
    assert inputs.data_named("outer.html") == {}
    (copy / "show" / "user.py").write_text('NAME = "outer.html"')
    before = inputs.closure({("show", "user")})
    (folder / "details.html").write_text("other")
    assert inputs.changed(before, inputs.closure({("show", "user")})) == ["details.html"]


def test_the_catalogue_counts_as_code_of_those_who_read_it(copy):
    corpora, scores = {("data", "corpora")}, {("measures", "scores")}
    before, apart = inputs.closure(corpora), inputs.closure(scores)
    with open(copy / "data" / "catalogue.yaml", "a") as file:
        file.write("# another commit\n")
    assert inputs.changed(before, inputs.closure(corpora)) == ["catalogue.yaml"]
    assert inputs.closure(scores) == apart


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the package that a test may edit."""
    folder = tmp_path / "empdis_utils"
    shutil.copytree(inputs.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(inputs, "PACKAGE", folder)
    return folder


def rerun_after_edit(folder, name):
    before = {chapter: inputs.code_of(chapter) for chapter in CHAPTERS}
    path = folder / f"{name}.py"
    path.write_text(path.read_text() + "\nONE_LINE_MORE = 1\n")
    after = {chapter: inputs.code_of(chapter) for chapter in CHAPTERS}
    return {chapter for chapter in CHAPTERS if before[chapter] != after[chapter]}


@pytest.mark.parametrize(
    "name",
    [
        "press/pages",
        "press/flow",
        "press/course",
        "press/reference",
        "people/session",
        "people/page",
        "data/youtube",
        "press/launch",
    ],
)
def test_an_edit_of_what_makes_the_book_reruns_no_chapter(copy, name):
    assert rerun_after_edit(copy, name) == set()


@pytest.mark.parametrize(
    ("name", "some", "others"),
    [
        ("data/tables", {"01_data", "09_recovery"}, set()),
        (
            "measures/agreement",
            {"07_human_study", "07_votes"},
            {"01_data", "03_fusion", "11_ravdess"},
        ),
        ("models/fusion", {"03_fusion", "08_choices"}, {"01_data", "11_ravdess"}),
        (
            "features/acoustics",
            {"05_features", "11_ravdess"},
            {"01_data", "03_fusion", "04_quadrants"},
        ),
        ("data/media", {"02_unimodal", "05_features"}, {"01_data", "08_ledger", "10_null"}),
        ("paper/printed", {"08_replication"}, {"01_data", "03_fusion", "09_recovery"}),
        ("measures/uncertainty", {"06_entropy"}, {"01_data", "11_ravdess"}),
        ("measures/disagreement", {"04_quadrants"}, {"01_data", "11_ravdess"}),
        (
            "models/encoders",
            {"02_unimodal"},
            {"01_data", "03_fusion", "06_entropy", "07_human_study"},
        ),
        ("paper/claims", {"08_ledger"}, {"01_data", "02_unimodal", "03_fusion", "04_quadrants"}),
    ],
)
def test_an_edit_of_a_helper_reruns_the_chapters_that_import_it(copy, name, some, others):
    late = rerun_after_edit(copy, name)
    assert some <= late and not late & others


def test_what_decides_a_chapter_by_name(house, tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.bin").write_bytes(b"1")
    (tmp_path / "answers.csv").write_text("a")
    notebook(
        parameters.NOTEBOOKS / "01_one.ipynb",
        GIVEN + "number = 1\nencoder = ''\nplace = ''",
        WRITE,
        files=["{place}/*.csv"],
    )
    given = [f"encoder={weights}", f"place={tmp_path}"]

    def now():
        return inputs.of_chapter("demo", "01_one", given)

    first = now()
    assert inputs.changed(first, now()) == []
    (weights / "model.bin").write_bytes(b"2")  # in place
    (late,) = inputs.changed(first, now())
    assert late.startswith("file ") and late.endswith("model.bin")
    (tmp_path / "answers.csv").write_text("b")
    assert len(inputs.changed(first, now())) == 2
    other = inputs.of_chapter("demo", "01_one", [*given, "number=2"])
    assert "parameters" in inputs.changed(now(), other)


def test_a_manifest_counts_with_the_media_it_names(house, tmp_path):
    """And with none outside its folder, or that are not there."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (tmp_path / "secret.wav").write_bytes(b"s")
    (corpus / "a.wav").write_bytes(b"1")
    manifest = corpus / "mine.csv"
    manifest.write_text("clip_id,audio_path\nc1,a.wav\nc2,../secret.wav\nc3,gone.wav\nc4,\n")
    assert set(inputs.corpus_files(str(manifest))) == {"mine.csv", "a.wav"}
    notebook(parameters.NOTEBOOKS / "01_one.ipynb", GIVEN + "number = 1\ncorpus = ''", WRITE)
    given = [f"corpus={manifest}"]
    first = inputs.of_chapter("demo", "01_one", given)
    (corpus / "a.wav").write_bytes(b"2")
    assert inputs.changed(first, inputs.of_chapter("demo", "01_one", given)) == ["corpus a.wav"]
    manifest.write_text(manifest.read_text() + "c5,a.wav\n")
    late = inputs.changed(first, inputs.of_chapter("demo", "01_one", given))
    assert late == ["corpus a.wav", "corpus mine.csv"]


def test_a_published_corpus_that_is_not_at_hand_counts_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path / "none"))
    monkeypatch.delenv("EMPDIS_DATA", raising=False)
    assert inputs.corpus_files("mosi") is None
    recorded = {"corpus a.csv": "1", "notebook": "1"}
    assert inputs.changed(recorded, {"corpus": "absent", "notebook": "1"}) == []
    assert inputs.changed(recorded, {"corpus": "absent", "notebook": "2"}) == ["notebook"]
    assert inputs.changed(recorded, {"notebook": "1"}) == ["corpus a.csv"]

"""Opening a study, and the page for it: what is missing, full or refused is one sentence."""

import json
import os
import re

import numpy as np
import pandas as pd
import pytest
from full_disk import full_after

from empdis_utils.data import corpora, tables
from empdis_utils.people.session import AnnotationError
from empdis_utils.press import annotating


@pytest.fixture(scope="module")
def sample():
    clips = corpora.load_fixture().manifest["clip_id"][:12]
    return pd.DataFrame({"clip_id": clips, "modality": 4 * list(tables.MODALITIES)})


def test_open_study_says_what_is_missing(tmp_path, sample):
    with pytest.raises(AnnotationError, match="make study PROFILE=fixture NB=07_human_study"):
        annotating.open_study("fixture", tmp_path, tmp_path)
    with pytest.raises(AnnotationError, match="no profile 'nothing'"):
        annotating.open_study("nothing", tmp_path, tmp_path)
    folder = tmp_path / "fixture" / "artifacts"
    tables.write(sample.assign(quadrant="red"), folder, annotating.SAMPLE)
    study = annotating.open_study("fixture", tmp_path, tmp_path / "to")
    assert list(study.sample.columns) == ["clip_id", "modality"]
    assert study.folder == tmp_path / "to" / "fixture"
    strange = sample.assign(clip_id=np.arange(12).astype(str))
    tables.write(strange, folder, annotating.SAMPLE)
    again = annotating.open_study("fixture", tmp_path, tmp_path / "to")
    pd.testing.assert_frame_equal(again.sample, study.sample)  # a study keeps its sample
    with pytest.raises(AnnotationError, match="12 clips of the sample are not in the corpus"):
        annotating.open_study("fixture", tmp_path, tmp_path / "elsewhere")


@pytest.fixture
def drawn(tmp_path, sample):
    """A run whose chapter 07 has drawn a sample."""
    frame = sample.assign(quadrant="blue")
    tables.write(frame, tmp_path / "runs" / "fixture" / "artifacts", annotating.SAMPLE)
    return tmp_path / "runs"


def test_a_folder_that_cannot_be_used_is_a_sentence(drawn, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    command = ["fixture", "--runs", str(drawn), "--to", str(tmp_path / "file" / "answers")]
    with pytest.raises(SystemExit, match=r"\[fail\] The folder .*answers.* cannot be used \(Not a"):
        annotating.main(command)


def test_a_full_disk_leaves_no_half_of_a_sample(drawn, tmp_path):
    with full_after(100), pytest.raises(AnnotationError, match="cannot be used .*Free some space"):
        annotating.open_study("fixture", drawn, tmp_path / "answers")
    assert not list((tmp_path / "answers" / "fixture").iterdir())
    assert len(annotating.open_study("fixture", drawn, tmp_path / "answers").sample) == 12


def test_no_study_begins_where_its_answers_have_no_room(drawn, tmp_path, monkeypatch):
    """The sample is there from an earlier day; since then the disk has become full."""
    monkeypatch.setattr(annotating.os, "execv", lambda *_: pytest.fail("the page was opened"))
    annotating.open_study("fixture", drawn, tmp_path / "answers")
    with full_after(annotating.ROOM - 1), pytest.raises(AnnotationError, match="cannot be used"):
        annotating.serve("fixture", drawn, tmp_path / "answers")


def test_the_address_holds_a_token_that_nobody_can_list(drawn, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(annotating.os, "environ", dict(os.environ))
    started = []
    monkeypatch.setattr(annotating.os, "execv", lambda program, command: started.append(command))
    told = set()
    for _ in range(2):
        annotating.serve("fixture", drawn, tmp_path / "answers", 8877)
        token = re.search(r"Open http://127.0.0.1:8877/\?token=([0-9a-f]{48})\n",
                          capsys.readouterr().out)[1]  # fmt: skip
        assert annotating.os.environ["JUPYTER_TOKEN"] == token
        told.add(token)
    assert len(told) == 2
    for command in started:
        assert "--Voila.auto_token=True" in command
        assert not told & set(re.findall("[0-9a-f]{48}", " ".join(command)))


def test_the_page_is_no_chapter_and_holds_no_outputs():
    assert not re.match(r"\d", annotating.NOTEBOOK.name)
    for cell in json.loads(annotating.NOTEBOOK.read_text())["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_start_says_what_is_missing(tmp_path, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(annotating, "display", lambda *things: shown.extend(things))
    annotating.start("fixture", tmp_path, tmp_path)
    assert "make study PROFILE=fixture NB=07_human_study" in shown[0].value

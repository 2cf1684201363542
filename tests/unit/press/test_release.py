"""Oracle: a small run with planted transcripts, cards, players and paths; none may leave."""

import base64
import io
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from empdis_utils.data import tables
from empdis_utils.data.hashes import sha256
from empdis_utils.press import inputs, parameters, release, run
from tests.unit.toy_house import GIVEN, notebook

SAID = ["I really did not want to go there", "you never told me about the boat", "oh my god"]


def output(**data):
    data = {kind.replace("_", "/", 1): content for kind, content in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": data}


def code(source, *outputs, tags=()):
    return {
        "cell_type": "code", "id": "c", "metadata": {"tags": list(tags), "papermill": {"x": 1}},
        "source": source, "outputs": list(outputs), "execution_count": 1,
    }  # fmt: skip


def plot():
    fig, _ = plt.subplots()
    stream = io.BytesIO()
    fig.savefig(stream, format="png")
    plt.close(fig)
    return base64.b64encode(stream.getvalue()).decode()


@pytest.fixture
def manifest():
    return pd.DataFrame(
        {
            **{"clip_id": ["c1", "c2", "c3"], "dialog_id": "r1", "start_s": 0.0, "end_s": 1.0},
            **{"transcript": SAID, "n_tokens": [8, 7, 3], "label": "neutral", "y": 0},
            **{"split": "test", "audio_path": "a.wav", "video_path": None},
        }
    )


@pytest.fixture
def house(tmp_path, monkeypatch, manifest):
    """A project with one finished run of a profile of the book; returns its folder of runs."""
    notebooks, folder = tmp_path / "notebooks", tmp_path / "runs/demo"
    monkeypatch.setattr(parameters, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(release, "RESULTS", tmp_path / "results")
    notebook(notebooks / "01_one.ipynb", GIVEN + "number = 1", "x", "y")
    (notebooks / "profiles").mkdir()
    (notebooks / "profiles/demo.yaml").write_text("title: Demo\nbook: 1\n01_one:\n")
    (folder / "artifacts").mkdir(parents=True)
    tables.write(manifest, folder / "artifacts", "manifest")
    found = pd.DataFrame({"modality": ["text", "audio"], "estimate": [0.25, np.nan]})
    tables.write(found, folder / "artifacts", "found")
    source = parameters.read_notebook("01_one")
    cells = [
        *source["cells"][:2],
        code('inputs_dir = "/home/someone/x"', tags=["injected-parameters"]),
        code("x", output(text_plain="3 clips"), output(image_png=plot())),
        code("y", output(text_html=f'<div class="clip-card"><p>{SAID[0]}</p></div>')),
    ]
    about = {**source["metadata"], "papermill": {"input_path": "/home/someone/x"}}
    (folder / "01_one.ipynb").write_text(json.dumps({**source, "cells": cells, "metadata": about}))
    keep(folder)
    return tmp_path / "runs"


def keep(folder, name="demo", chapter="01_one", **more):
    """Record the run as it is."""
    entry = {
        **{"profile": name, "run": name, "overrides": [], "git": "abc", "seconds": 2.5, **more},
        **{"started": "2026-11-28 10:00 UTC", "hardware": "a machine", "versions": {}},
        **{"parameters": parameters.all_parameters(name, chapter), "inputs": {}, "read": {}},
        "given": {**inputs.of_chapter(name, chapter)},
        "page": sha256(folder / f"{chapter}.ipynb"),
        "outputs": {p.name: sha256(p) for p in (folder / "artifacts").iterdir()},
    }
    run.record(folder, chapter, entry)


@pytest.mark.parametrize("column", ["transcript", "label", "y", "audio_path", "start_s", "text"])
def test_a_column_of_the_publishers_never_leaves_a_table_of_clips(column):
    frame = pd.DataFrame({"clip_id": ["a"], "p": [0.5], column: ["x"]})
    assert release.allowed(frame) == ["clip_id", "p"]
    assert column in release.table(frame).attrs["left_out"]


def test_a_label_leaves_only_under_an_open_licence():
    frame = pd.DataFrame({"clip_id": ["a"], "y": [1], "label": ["x"], "transcript": ["z"]})
    assert release.allowed(frame, labels=True) == ["clip_id", "y", "label"]
    free = {name for name in release.profiles() if release.rules(name)["labels"]}
    assert free == {"mosi", "cremad"}
    assert [name for name in release.profiles() if release.rules(name)["ours"]] == ["fixture"]


def test_a_column_that_nobody_listed_stays_when_rows_are_clips():
    frame = pd.DataFrame({"clip_id": ["a"], "entropy_unimodal": [0.1], "membership_red": [0.0],
                          "loudness": [3.0], "note of mine": ["b"]})  # fmt: skip
    assert release.allowed(frame) == ["clip_id", "entropy_unimodal", "membership_red"]
    only_keys = frame[["clip_id", "loudness"]].assign(modality="text")
    assert release.table(only_keys) is None


def test_a_transcript_column_leaves_no_table_whatever_it_holds():
    for value in ("some words", 3, None):
        frame = pd.DataFrame({"group": ["a"], "transcript": [value]})
        assert release.allowed(frame) == release.allowed(frame, ours=True) == ["group"]


def test_of_the_synthetic_corpus_labels_go_out_and_texts_do_not(manifest):
    assert release.allowed(manifest, ours=True) == [
        *("clip_id", "dialog_id", "start_s", "end_s", "n_tokens", "label", "y", "split")
    ]


def test_a_summary_keeps_its_numbers_by_modality():
    frame = pd.DataFrame({"seed": [1], "text": [0.5], "audio": [0.4], "label": ["sarcastic"]})
    assert release.allowed(frame) == [*frame.columns]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("he said: I REALLY did not want to!", True),
        ("<td>you never told</td><td>me about the boat</td>", True),
        ("<td>you <b>never</b> told me about the boat</td>", True),
        ("&quot;you never told me abou&#116;", True),
        ("a boat that you did not want", False),
        ("<td>Oh my God.</td>", True),
        ('the answer was "oh my god" again', True),
        ("this oh my god thing", False),
    ],
)
def test_five_words_in_a_row_are_a_quotation(text, found):
    assert release.Texts(SAID).quoted(text) == found


def test_no_transcript_no_player_and_no_picture_of_a_clip_leaves_a_page(house):
    pixel = base64.b64encode(b"\x89PNG a face").decode()
    held = [
        output(text_html='<video src="a.mp4"></video>'),
        output(text_html='<img src="data:image/jpeg;base64,xx">'),
        output(text_html="<table><th>transcript</th></table>"),
        output(image_png=pixel),
        output(image_jpeg=pixel),
        output(text_plain=f"0  {SAID[1]}"),
        {"output_type": "stream", "name": "stdout", "text": SAID[0]},
    ]
    page = {"cells": [code("x", *held, output(text_plain="fine"))], "metadata": {}}
    made, dropped = release.scrubbed(page, release.Texts(SAID))
    assert dropped == len(held)
    (fine, instead) = made["cells"][0]["outputs"]
    assert fine["data"]["text/plain"] == "fine"
    assert instead["data"]["text/markdown"] == release.INSTEAD


def test_a_sentence_that_is_glued_keeps_its_key_and_loses_its_quotation():
    kind = "application/papermill.record/text/plain"
    about = {"scrapbook": {"name": "example"}}
    said = [{"output_type": "display_data", "metadata": about, "data": {kind: repr(text)}}
            for text in (SAID[0], "3 clips")]  # fmt: skip
    page = {"cells": [code("x", *said, tags=["remove-cell"])], "metadata": {}}
    made, dropped = release.scrubbed(page, release.Texts(SAID))
    (first, second) = made["cells"][0]["outputs"]
    assert dropped == 0 and second == said[1]
    assert first["metadata"] == about and first["data"] == {kind: "'…'"}
    assert release.scrubbed(made, release.Texts(SAID)) == (made, 0)


def test_texts_of_files_that_are_no_corpus_of_clips_are_found(tmp_path):
    (tmp_path / "a.csv").write_text("id,said\n1,you never told me about the boat\n")
    (tmp_path / "b.json").write_text(json.dumps([[{"utterance": SAID[0]}], 3]))
    texts = release.Texts(release._cells([tmp_path / "a.csv", tmp_path / "b.json"]))
    assert texts.quoted("told me about the boat") and texts.quoted(SAID[0])


def test_the_explorer_goes_out_without_words_labels_and_media():
    clips = {
        "id": ["c1", "c2"],
        "transcript": SAID[:2],
        "label": ["a", "b"],
        "recording": ["r", "r"],
    }
    data = {"clips": clips, "conf": {"text": [0.123456789]}, "media": "clips/{id}.mp4"}
    page = f'<div><script type="application/json">{json.dumps(data)}</script></div>'
    made, dropped = release.scrubbed(
        {"cells": [code("x", output(text_html=page))], "metadata": {}}, release.Texts(SAID)
    )
    text = made["cells"][0]["outputs"][0]["data"]["text/html"]
    kept = json.loads(release.PAYLOAD.search(text)[2])
    assert not dropped and kept["conf"] == data["conf"] and kept["media"] == ""
    assert kept["clips"] == {**clips, "transcript": ["", ""], "label": ["", ""]}


def test_a_release_holds_tables_pages_and_their_record_and_nothing_else(house):
    out = release.RESULTS
    said = release.release(house)["demo"]
    assert any("transcript" in line for line in said) and any("clips" in line for line in said)
    names = sorted(str(p.relative_to(out)) for p in inputs.files_in(out))
    assert names == [
        *("demo/01_one.ipynb", "demo/artifacts/found.parquet", "demo/artifacts/manifest.parquet"),
        *("demo/provenance.json", "seconds.json"),
    ]
    text = "".join((out / n).read_bytes().decode("latin-1") for n in names)
    assert not any(words in text for words in [*SAID, "/home/someone", "clip-card", "papermill"])
    assert "image/png" in text, "the plot stays"
    kept = tables.read(out / "demo/artifacts", "manifest")
    assert [*kept.columns] == ["clip_id", "dialog_id", "n_tokens", "split"]
    assert release.provenance("demo")["01_one"]["outputs"].keys() == {
        "found.parquet", "manifest.parquet"
    }  # fmt: skip
    assert release.likely(house.parent / "nowhere", "demo", "01_one") == 2.5
    assert release.problems() == []


def test_a_second_release_changes_no_byte_and_no_date(house):
    release.release(house)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in inputs.files_in(release.RESULTS)}
    release.release(house)
    after = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in inputs.files_in(release.RESULTS)}
    assert before == after


def test_pages_about_all_corpora_go_out_with_their_pictures_and_no_quotation(house):
    """Then the release is whole, and `folders` shows it where nothing ran."""
    release.release(house)
    assert not release.whole(), "the pages about all corpora are missing"
    notebook(parameters.NOTEBOOKS / "00_all.ipynb", GIVEN, "x")
    (parameters.NOTEBOOKS / "profiles/book.yaml").write_text("title: ''\n00_all:\n")
    folder = house / "book"
    (folder / "artifacts").mkdir(parents=True)
    picture = base64.b64decode(plot())
    (folder / "artifacts/found-wide.png").write_bytes(picture)
    source = parameters.read_notebook("00_all")
    said = code("x", output(text_plain=f"one clip says: {SAID[0]}"), output(image_png=plot()))
    cells = [*source["cells"][:2], said]
    (folder / "00_all.ipynb").write_text(json.dumps({**source, "cells": cells}))
    keep(folder, "book", "00_all", view=".view")
    assert release.release(house)["book"] == ["00_all: 1 outputs that show clips"]
    kept = release.RESULTS / "book"
    page = (kept / "00_all.ipynb").read_text()
    assert SAID[0] not in page and release.INSTEAD in page
    assert (kept / "artifacts/found-wide.png").stat().st_size < len(picture)
    assert release.problems() == [] and release.whole()
    (release.RESULTS / "demo/artifacts/found-wide.png").write_bytes(picture)
    assert "demo/artifacts/found-wide.png: a picture" in release.problems()
    runs = house.parent / "a clone"
    (runs / ".view").mkdir(parents=True)
    (runs / ".view/book").symlink_to(kept)
    assert release.folders(runs, ["demo"]) == {}
    assert release.folders(runs, ["book"]) == {"book": kept}


def test_a_run_that_is_stale_or_unfinished_is_not_released(house):
    profile = parameters.NOTEBOOKS / "profiles/demo.yaml"
    kept = profile.read_text()
    profile.write_text(kept.replace("01_one:", "01_one: {number: 2}"))
    with pytest.raises(parameters.RunError, match="demo 01_one: parameters changed"):
        release.release(house)
    profile.write_text(kept + "02_two:\n")
    notebook(parameters.NOTEBOOKS / "02_two.ipynb", GIVEN + "number = 1", "x")
    with pytest.raises(parameters.RunError, match="demo 02_two: not run yet"):
        release.release(house)
    assert not release.RESULTS.exists(), "nothing was written"
    profile.write_text(kept)
    release.release(house)
    (house / "demo/artifacts/found.parquet").unlink()
    with pytest.raises(SystemExit, match="found.parquet is gone"):
        release.main(["--runs", str(house)])


def test_what_lies_in_results_is_looked_at(house):
    release.release(house)
    folder = release.RESULTS / "demo"
    texts = {"demo": release.Texts(SAID)}
    assert release.problems(texts=texts) == []
    planted = pd.DataFrame({"modality": ["text"], "transcript": [SAID[0]], "said": [SAID[1]]})
    planted.to_parquet(folder / "artifacts/planted.parquet")
    told = "\n".join(release.problems(texts=texts))
    assert "planted.parquet: its record does not list it" in told
    assert "planted.parquet: column transcript" in told
    assert "planted.parquet: quotes a transcript" in told
    (folder / "artifacts/planted.parquet").unlink()
    page = folder / "01_one.ipynb"
    page.write_text(page.read_text().replace("3 clips", "/home/someone/x"))
    told = "\n".join(release.problems(texts=texts))
    assert "01_one.ipynb: changed since it was released" in told
    assert "a path of a machine, /home/someone/x" in told


def test_a_release_that_is_too_large_is_refused(house, monkeypatch):
    monkeypatch.setattr(release, "MOST_BYTES", 1000)
    with pytest.raises(parameters.RunError, match="MB in all"):
        release.release(house)


def test_a_released_table_says_what_it_goes_without_and_others_must_be_whole(house, manifest):
    release.release(house)
    artifacts = house / "demo/artifacts"
    manifest.drop(columns="transcript").to_parquet(artifacts / "manifest.parquet")
    with pytest.raises(ValueError, match="transcript"):
        tables.read(artifacts, "manifest")
    assert tables.read(release.RESULTS / "demo/artifacts", "manifest").attrs == {}

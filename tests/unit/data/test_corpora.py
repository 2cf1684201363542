"""Oracles: the files themselves (built here in the publishers' formats), hashlib, csv, and, where
EMPDIS_DATA has the published files, the counts that the publishers state."""

import csv
import hashlib
import io
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from empdis_utils.data import (
    catalogue,
    checks,
    corpora,
    dialogues,
    downloads,
    manifests,
    tables,
)
from empdis_utils.data.corpora import CorpusError

DATA = os.environ.get("EMPDIS_DATA")
PUBLISHED = [
    name
    for name, entry in corpora.CATALOGUE.items()
    if name not in dialogues.ENTRIES
    and DATA
    and all(Path(DATA, name, file).is_file() for file in entry["files"])
]


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No corpus at hand, an empty cache, and nobody listening where downloads come from."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(catalogue, "RAW", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("EMPDIS_DATA", "EMPDIS_MEDIA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path / "cache"))


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def load(name, folder, monkeypatch):
    """Load a corpus from files built here; each of them is told to differ from the published."""
    monkeypatch.setenv("EMPDIS_DATA", str(folder))
    with pytest.warns(UserWarning, match="differs from the published file"):
        return corpora.load(name)


def problems(error):
    return {(Path(p.file).name, p.line, p.column) for p in error.value.problems}


# EMPSPEECH

EMPSPEECH = ["dialog_id", "start_time", "end_time", "filename", "transcript", "label"]


def empspeech(folder, **splits):
    rows = {
        "train": [
            ["r1", "1.5", "2.25", "r1_1", "NA", "neutral"],
            ["r2", "0", "3", "r2_0", '=HYPERLINK("x")\nsecond line', "empathetic"],
            ["r2", "3", "3", "r2_3", "", "neutral"],
        ],
        "val": [["r1", "5", "6", "r1_5", " <script>alert(1)</script> ", "neutral"]],
        "test": [["r3", "7", "8", "r3_7", "don't you’re", "empathetic"]],
    }
    for split, body in {**rows, **splits}.items():
        write(folder / "empspeech" / f"{split}.csv", [EMPSPEECH, *body])


def test_empspeech_is_read_as_it_is(tmp_path, monkeypatch):
    empspeech(tmp_path)
    corpus = load("empspeech", tmp_path, monkeypatch)
    manifest = corpus.manifest
    assert list(manifest.columns) == list(manifests.MANIFEST_COLUMNS)
    assert manifest["clip_id"].tolist() == ["r1_1", "r2_0", "r2_3", "r1_5", "r3_7"]
    assert manifest["split"].tolist() == ["train"] * 3 + ["val", "test"]
    assert manifest["transcript"].tolist() == [
        *("NA", '=HYPERLINK("x")\nsecond line', "", " <script>alert(1)</script> "),
        "don't you’re",
    ]
    assert manifest["n_tokens"].tolist() == [1, 3, 0, 1, 2]
    assert manifest["y"].tolist() == [0, 1, 0, 0, 1]
    assert manifest["start_s"].tolist() == [1.5, 0, 3, 5, 7]
    assert manifest["end_s"].tolist() == [2.25, 3, 3, 6, 8]
    assert manifest[["audio_path", "video_path"]].isna().all(axis=None)
    assert manifest.dtypes[["y", "n_tokens", "start_s"]].tolist() == ["int64", "int64", "float64"]
    tables.check(manifest, "manifest")
    assert not corpus.synthetic and corpus.features == {} and corpus.votes is None
    assert corpus.files == {
        f"{split}.csv": hashlib.sha256(
            (tmp_path / "empspeech" / f"{split}.csv").read_bytes()
        ).hexdigest()
        for split in ("train", "val", "test")
    }


def test_every_bad_row_of_every_file_is_listed(tmp_path, monkeypatch):
    empspeech(
        tmp_path,
        train=[
            ["r1", "1", "2", "a", "two\nlines", "neutral"],
            ["", "nan", "2", "b", "x", "sad"],
            ["r1", "-1", "inf", "c", "x", "neutral"],
        ],
        test=[["r3", "9", "8", "a", "x", "Empathetic"], ["r3", " -4", "x", " ", "x", "neutral"]],
    )
    with pytest.raises(CorpusError) as error:
        load("empspeech", tmp_path, monkeypatch)
    assert problems(error) == {
        *(("train.csv", 4, column) for column in ("dialog_id", "start_time", "label")),
        *(("train.csv", 5, column) for column in ("start_time", "end_time")),
        *(("test.csv", 2, column) for column in ("filename", "end_time", "label")),
        *(("test.csv", 3, column) for column in ("start_time", "end_time", "filename")),
    }
    text = str(error.value)
    assert "line 4, column label: expected neutral or empathetic, found 'sad'" in text
    assert "found '8 with start_time 9'" in text
    assert "a value once in the release (first: train.csv line 2), found 'a'" in text


def test_every_missing_and_repeated_column_is_listed(tmp_path, monkeypatch):
    empspeech(tmp_path)
    write(tmp_path / "empspeech" / "train.csv", [["dialog_id", "x", "label", "x"], ["1"] * 4])
    write(tmp_path / "empspeech" / "val.csv", [EMPSPEECH, ["r", "1"]])
    (tmp_path / "empspeech" / "test.csv").write_text("")
    with pytest.raises(CorpusError, match="found 'dialog_id,x,label,x'") as error:
        load("empspeech", tmp_path, monkeypatch)
    missing = ("start_time", "end_time", "filename", "transcript", "x")
    assert problems(error) == {
        *(("train.csv", 1, column) for column in missing),
        *(("val.csv", 2, "(any)"), ("test.csv", 1, "(any)")),
    }


def test_bytes_that_are_not_utf8_are_named_by_line_and_offset(tmp_path, monkeypatch):
    empspeech(tmp_path)
    path = tmp_path / "empspeech" / "train.csv"
    header = ",".join(EMPSPEECH).encode()
    rows = [b"r1,1,2,a,caf\xe9,neutral", "r1,1,2,b,café,neutral".encode(), b"r1,1,2,c,\xff,neutral"]
    data = b"\n".join([header, *rows])
    path.write_bytes(data)
    with pytest.raises(CorpusError) as error:
        load("empspeech", tmp_path, monkeypatch)
    assert problems(error) == {("train.csv", 2, "(any)"), ("train.csv", 4, "(any)")}
    assert f"byte 0xe9 at offset {data.index(bytes([0xE9]))}" in str(error.value)
    assert f"byte 0xff at offset {data.index(bytes([0xFF]))}" in str(error.value)


def test_broken_quotes_are_an_error_not_a_swallowed_file(tmp_path, monkeypatch):
    empspeech(tmp_path)
    path = tmp_path / "empspeech" / "val.csv"
    path.write_text(",".join(EMPSPEECH) + '\nr,1,2,a,"never closed,neutral\nr,1,2,b,x,neutral\n')
    with pytest.raises(CorpusError, match="line 2, .*well-formed CSV"):
        load("empspeech", tmp_path, monkeypatch)


# MOSI: six utterances of three videos, two features in each modality

SCRIPTS = [["v_1_1", "GOOD", "7", "1"], ["v_1_2", "BAD", "7", "0"], ["w_1", "", "8", "1"]]
SCRIPTS += [["w_2", "SO SO", "8", "0"], ["x_1", "NULL", "9", "1"], ["x_2", "NO", "9", "0"]]
ROWS = {"train": [4, 0, 1, 5], "test": [3, 2]}


def mosi(folder, edit=None):
    """`edit` is called with {file name: rows} before the files are written."""
    files = {"transcripts.csv": [list(row) for row in SCRIPTS]}
    for split, rows in ROWS.items():
        files[f"text_{split}.csv"] = [[i, i + 0.25, -i] for i in rows]
        for k, modality in enumerate(("text", "audio", "video")):
            name = f"{modality}_{split}0.csv"
            files[name] = [[i + 100 * k + 0.25, -i - 100 * k, SCRIPTS[i][3]] for i in rows]
    if edit:
        edit(files)
    for name, rows in files.items():
        write(folder / "mosi" / name, rows)


def test_mosi_rows_line_up_with_transcripts(tmp_path, monkeypatch):
    mosi(tmp_path)
    corpus = load("mosi", tmp_path, monkeypatch)
    order = ROWS["train"] + ROWS["test"]
    manifest = corpus.manifest
    assert manifest["clip_id"].tolist() == [SCRIPTS[i][0] for i in order]
    assert manifest["dialog_id"].tolist() == [["v_1", "v_1", "w", "w", "x", "x"][i] for i in order]
    assert manifest["transcript"].tolist() == [SCRIPTS[i][1] for i in order]
    assert manifest["y"].tolist() == [int(SCRIPTS[i][3]) for i in order]
    assert manifest["label"].tolist() == [
        "positive" if SCRIPTS[i][3] == "1" else "negative" for i in order
    ]
    assert manifest["split"].tolist() == ["train"] * 4 + ["test"] * 2
    assert manifest["start_s"].isna().all()
    tables.check(manifest, "manifest")
    for k, modality in enumerate(("text", "audio", "video")):
        frame = corpus.features[modality]
        expected = np.array([[i + 100 * k + 0.25, -i - 100 * k] for i in order], dtype="float32")
        assert frame.columns.tolist() == [f"{modality}_000", f"{modality}_001"]
        assert frame.index.tolist() == manifest["clip_id"].tolist()
        assert frame.to_numpy().dtype == np.float32
        np.testing.assert_array_equal(frame, expected)


def _swap_labels(files):
    files["audio_test0.csv"][0][-1], files["audio_test0.csv"][1][-1] = "1", "0"


def _text_features(files):
    files["text_train0.csv"][2][1] = 9.0


def _repeated_row(files):
    files["text_test.csv"][0][0] = 4


def _outside_row(files):
    files["text_test.csv"][1][0] = 6


def _not_numbers(files):
    files["video_train0.csv"][1][0] = "inf"
    files["video_train0.csv"][3][1] = "abc"


def _short(files):
    del files["video_test0.csv"][1]


def _wide(files):
    for row in files["audio_test0.csv"]:
        row.insert(0, "0")


def _bad_ids(files):
    files["transcripts.csv"][0][0] = "novideo"
    files["transcripts.csv"][3][3] = "2"
    files["transcripts.csv"][5][0] = "x_1"


@pytest.mark.parametrize(
    "edit, where",
    [
        (_swap_labels, {("audio_test0.csv", 1, "3"), ("audio_test0.csv", 2, "3")}),
        (_text_features, {("text_train0.csv", 3, "1")}),
        (_repeated_row, {("text_test.csv", 1, "1"), ("transcripts.csv", 4, "clip_id")}),
        (_outside_row, {("text_test.csv", 2, "1"), ("transcripts.csv", 3, "clip_id")}),
        (_not_numbers, {("video_train0.csv", 2, "1"), ("video_train0.csv", 4, "2")}),
        (_short, {("video_test0.csv", 1, "(any)")}),
        (_wide, {("audio_test0.csv", 1, "(any)")}),
        (
            _bad_ids,
            {("transcripts.csv", line, c) for line, c in ((1, "clip_id"), (4, "label"))}
            | {("transcripts.csv", 6, "clip_id")},
        ),
    ],
)
def test_mosi_that_does_not_line_up_is_refused(tmp_path, monkeypatch, edit, where):
    mosi(tmp_path, edit)
    with pytest.raises(CorpusError) as error:
        load("mosi", tmp_path, monkeypatch)
    assert problems(error) == where


# CREMA-D

VOTES = ["", *"ADFHNS", "fileName", "numResponses", "agreement"]


def vote(row, name, counts, n=None):
    return [row, *counts, name, sum(counts) if n is None else n, 0.5]


def cremad(folder, rows):
    write(folder / "cremad" / "tabulatedVotes.csv", [VOTES, *rows])


def clip(i, name, counts):
    return [vote(f"{m}0000{i}", name, c) for m, c in zip((1, 2, 3), counts, strict=True)]


def test_cremad_votes_by_what_was_heard_or_seen(tmp_path, monkeypatch):
    first = [[1, 2, 3, 4, 5, 6], [9, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 8]]
    rows = clip(1, "1001_IEO_ANG_HI", first)
    rows += clip(2, "1064_TIE_SAD_XX", first) + clip(3, "1005_IWW_DIS_XX", first)
    rows += clip(4, "1002_DFA_NEU_XX", first)
    cremad(tmp_path, [rows[i] for i in (2, 5, 8, 11, 0, 3, 6, 9, 1, 4, 7, 10)])
    corpus = load("cremad", tmp_path, monkeypatch)
    manifest, votes = corpus.manifest, corpus.votes
    assert manifest["clip_id"].tolist() == [
        *("1001_IEO_ANG_HI", "1064_TIE_SAD_XX", "1005_IWW_DIS_XX", "1002_DFA_NEU_XX")
    ]
    assert manifest["dialog_id"].tolist() == ["1001", "1064", "1005", "1002"]
    assert manifest["label"].tolist() == ["anger", "sad", "disgust", "neutral"]
    assert manifest["y"].tolist() == [1, 1, 1, 0]
    assert manifest["transcript"].iloc[3] == "Don't forget a jacket"
    assert set(manifest["split"]) == {"all"}
    tables.check(manifest, "manifest")
    assert votes.columns.tolist() == ["clip_id", "modality", *"ADFHNS", "n", "status", "reason"]
    assert votes["modality"].tolist() == ["audio", "video", "audio+video"] * 4
    np.testing.assert_array_equal(votes[list("ADFHNS")], first * 4)
    assert votes["n"].tolist() == [21, 9, 8] * 4
    assert votes["status"].tolist() == [
        *["ok"] * 3,
        *["faulty_media"] * 3,
        *("ok", "ok", "audio_in_doubt"),
        *["ok"] * 3,
    ]
    assert (votes["reason"] == "").equals(votes["status"] == "ok")


def test_cremad_bad_rows_are_listed(tmp_path, monkeypatch):
    ok = [0, 0, 0, 0, 9, 0]
    cremad(
        tmp_path,
        [
            vote("100001", "1001_IEO_ANG_HI", ok),
            vote("400001", "1001_IEO_ANG_HI", ok),
            vote("300001", "1001_IEO_JOY_HI", ok),
            vote("100002", "1001_IEO_SAD_HI", [0, 0, 0, 0, -1, 0]),
        ],
    )
    with pytest.raises(CorpusError) as error:
        load("cremad", tmp_path, monkeypatch)
    file = "tabulatedVotes.csv"
    assert problems(error) == {
        *((file, 3, "row id"), (file, 4, "fileName"), (file, 5, "N"), (file, 5, "numResponses"))
    }


def test_cremad_votes_that_do_not_add_up(tmp_path, monkeypatch):
    ok = [0, 0, 0, 0, 9, 0]
    rows = clip(1, "1001_IEO_ANG_HI", [ok] * 3)
    rows += [vote("100002", "1001_IEO_SAD_HI", ok, n=8), vote("100003", "1001_IEO_SAD_HI", ok)]
    cremad(tmp_path, rows)
    with pytest.raises(CorpusError) as error:
        load("cremad", tmp_path, monkeypatch)
    assert problems(error) == {
        ("tabulatedVotes.csv", 5, "numResponses"),
        *(("tabulatedVotes.csv", line, "fileName") for line in (5, 6)),
    }


# A corpus of one's own

OWN = ["clip_id", "dialog_id", "transcript", "label", "split"]


def own(path, rows, columns=OWN):
    return write(path / "manifest.csv", [columns, *rows])


def test_own_manifest_derives_what_is_absent(tmp_path):
    columns = ["more", *OWN, "audio_path", "start_s", "end_s"]
    rows = [
        ["?", "a", "007", "one  two\tthree", "empathetic", "train", "audio/ä b.wav", "1", "2"],
        ["?", "b", "007", "", "neutral", "test", "", "", "2"],
    ]
    manifest = corpora.read_manifest(own(tmp_path, rows, columns))
    assert list(manifest.columns) == list(manifests.MANIFEST_COLUMNS)
    assert manifest["dialog_id"].tolist() == ["007", "007"]
    assert manifest["n_tokens"].tolist() == [3, 0]
    assert manifest["y"].tolist() == [1, 0]
    assert manifest["audio_path"].iloc[0] == "audio/ä b.wav"
    assert manifest["audio_path"].isna().tolist() == [False, True]
    assert manifest["start_s"].isna().tolist() == [False, True]
    tables.check(manifest, "manifest")
    corpus = corpora.load(tmp_path / "manifest.csv")
    assert corpus.name == tmp_path.name and not corpus.synthetic
    assert corpus.media("audio_path").tolist() == [tmp_path / "audio" / "ä b.wav", None]
    assert corpus.media("video_path").tolist() == [None, None]
    pd.testing.assert_frame_equal(corpus.manifest, manifest)


def test_own_manifest_with_a_byte_order_mark_and_windows_lines(tmp_path):
    path = tmp_path / "mine.csv"
    text = ",".join(OWN) + "\r\n\r\na,r,x,neutral,train\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    corpus = corpora.load(str(path))
    assert corpus.name == "mine"
    assert corpus.manifest["clip_id"].tolist() == ["a"]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_any_text_survives(tmp_path, texts):
    rows = [[f"c{i}", "r", text, "neutral", "train"] for i, text in enumerate(texts)]
    target = io.StringIO()
    csv.writer(target, quoting=csv.QUOTE_ALL).writerows([OWN, *rows])
    (tmp_path / "any.csv").write_bytes(target.getvalue().encode("utf-8"))
    manifest = corpora.read_manifest(tmp_path / "any.csv")
    assert manifest["transcript"].tolist() == texts
    assert manifest["n_tokens"].tolist() == [len(text.split()) for text in texts]


@pytest.mark.parametrize(
    "rows, where",
    [
        ([("yes", "1"), ("no", "0")], set()),
        ([("anger", "0"), ("joy", "1"), ("fear", "2")], set()),
        ([("empathetic", "1")], set()),
        ([("yes", "2"), ("no", "0")], {(2, "y")}),
        ([("yes", "1.5"), ("no", "")], {(2, "y"), (3, "y")}),
        ([("neutral", "1"), ("empathetic", "0")], {(2, "y"), (3, "y")}),
        ([("yes", "1"), ("yes", "0"), ("no", "0")], {(3, "y"), (4, "label")}),
    ],
)
def test_classes_are_numbered_and_match_their_labels(tmp_path, rows, where):
    body = [[f"c{i}", "r", "x", label, "train", y] for i, (label, y) in enumerate(rows)]
    path = own(tmp_path, body, [*OWN, "y"])
    if where:
        with pytest.raises(CorpusError) as error:
            corpora.read_manifest(path)
        assert {(line, column) for _, line, column in problems(error)} == where
    else:
        assert corpora.read_manifest(path)["y"].tolist() == [int(y) for _, y in rows]


def test_other_labels_need_y(tmp_path):
    path = own(tmp_path, [["a", "r", "x", "rapport", "train"], ["b", "r", "x", "none", "train"]])
    with pytest.raises(CorpusError, match="column y: expected this column .*none, rapport"):
        corpora.read_manifest(path)
    path = own(tmp_path, [["a", "r", "x", "neutral", "train"], ["b", "r", "x", "Neutral", "train"]])
    with pytest.raises(CorpusError, match="line 3, column label: .*found 'Neutral'"):
        corpora.read_manifest(path)


def test_own_manifest_lists_every_bad_value(tmp_path):
    columns = [*OWN, "start_s", "end_s", "n_tokens"]
    rows = [
        ["a", "r", "x", "neutral", "train", "5", "4", "1"],
        ["a", "", "x", "", "", "-1", "x", "many"],
    ]
    with pytest.raises(CorpusError) as error:
        corpora.read_manifest(own(tmp_path, rows, columns))
    assert {(line, column) for _, line, column in problems(error)} == {
        (2, "end_s"),
        *((3, c) for c in ("clip_id", "dialog_id", "label", "split", "start_s", "end_s")),
        (3, "n_tokens"),
    }
    with pytest.raises(CorpusError) as error:
        corpora.read_manifest(own(tmp_path, [["a"]], ["clip_id"]))
    assert {column for _, _, column in problems(error)} == set(OWN[1:])
    with pytest.raises(CorpusError, match="at least one row"):
        corpora.read_manifest(own(tmp_path, []))


INVISIBLE = pytest.mark.parametrize(
    "other", ["r0 ", " r0", "r0\xa0", "r0\u200b", "\u2060r0", "r\u200b0", "r0\ufeff"]
)


@INVISIBLE
@pytest.mark.parametrize("column", ["clip_id", "dialog_id", "label", "split"])
def test_two_names_that_look_the_same_are_refused(tmp_path, column, other):
    """`r0` and `r0 ` would be two recordings: one of them on both sides of a fold."""
    rows = [["a", "x", "hello", "yes", "train", "1"], ["b", "y", "hello", "no", "train", "0"]]
    rows = [dict(zip([*OWN, "y"], row, strict=True)) for row in [*rows, rows[0]]]
    rows[2]["clip_id"] = "c"
    rows[0][column], rows[2][column] = "r0", other
    path = own(tmp_path, [list(row.values()) for row in rows], [*OWN, "y"])
    with pytest.raises(CorpusError) as error:
        corpora.read_manifest(path)
    assert (4, column) in {(line, name) for _, line, name in problems(error)}
    assert f"{ascii(other)} beside 'r0'" in [p.found for p in error.value.problems]


def test_blanks_around_names_are_removed_and_counted(tmp_path):
    rows = [
        ["a ", "r0", " one ", "empathetic", "Train", "1 "],
        ["b", "caf\N{LATIN SMALL LETTER E}\N{COMBINING ACUTE ACCENT}", "", " neutral", "test", "0"],
    ]
    columns = ["clip_id", " dialog_id", "transcript", "label", "split\u200b", "start_s"]
    corpus = corpora.load(own(tmp_path, rows, columns))
    frame = corpus.manifest
    assert frame["clip_id"].tolist() == ["a", "b"] and frame["dialog_id"].tolist()[1] == "café"
    assert frame["split"].tolist() == ["train", "test"] and frame["y"].tolist() == [1, 0]
    assert frame["transcript"].tolist() == [" one ", ""], "text stays as it is"
    (note,) = corpus.notes
    assert "clip_id 1, dialog_id 1, label 1, split 1, start_s 1" in note
    assert corpora.load(own(tmp_path, [["a", "r", "x", "neutral", "train"]])).notes == ()


def test_a_long_transcript_is_no_malformed_csv(tmp_path):
    text = "word " * 200_000  # 1 MB; Python's own limit for a field is 128 KB
    manifest = corpora.read_manifest(own(tmp_path, [["a", "r", text, "neutral", "train"]]))
    assert manifest["n_tokens"].tolist() == [200_000]


def test_too_little_memory_is_a_sentence(tmp_path, monkeypatch):
    def none_left(data, path):
        raise MemoryError

    path = own(tmp_path, [["a", "r", "x", "neutral", "train"]])
    monkeypatch.setattr(checks, "_decode", none_left)
    with pytest.raises(CorpusError, match=r"manifest.csv: not enough memory to read 0 MB"):
        corpora.read_manifest(path)


def test_paths_that_leave_the_folder_are_all_refused(tmp_path):
    root = tmp_path / "corpus"
    (root / "audio").mkdir(parents=True)
    (tmp_path / "secret.wav").write_bytes(b"")
    (root / "audio" / "out.wav").symlink_to(tmp_path / "secret.wav")
    (root / "away").symlink_to(tmp_path)
    (root / "audio" / "in.wav").symlink_to(root / "audio" / "real.wav")
    (root / "loop").symlink_to(root / "loop")
    good = ["audio/real.wav", "audio/in.wav", "audio/..name.wav", "not there yet.wav"]
    bad = ["/etc/passwd", "../secret.wav", "audio/../../secret.wav", "audio/../audio/real.wav"]
    bad += ["audio/out.wav", "away/secret.wav", "C:\\x.wav", "\\\\host\\x.wav", "..\\secret.wav"]
    bad += ["nul\0byte.wav", "//host/x"]
    rows = [
        [f"c{i}", "r", "x", "neutral", "train", value, ""] for i, value in enumerate(good + bad)
    ]
    rows += [["v", "r", "x", "neutral", "train", "", "../v.mp4"]]
    path = own(root, rows, [*OWN, "audio_path", "video_path"])
    with pytest.raises(CorpusError) as error:
        corpora.read_manifest(path)
    assert sorted(p.found for p in error.value.problems) == sorted([*bad, "../v.mp4"])
    path = own(root, rows[: len(good)], [*OWN, "audio_path", "video_path"])
    assert corpora.read_manifest(path)["audio_path"].tolist() == good
    elsewhere = own(tmp_path / "lists", rows[: len(good)], [*OWN, "audio_path", "video_path"])
    assert corpora.read_manifest(elsewhere, root=root)["audio_path"].tolist() == good


def test_load_names_what_it_knows(tmp_path):
    with pytest.raises(
        CorpusError, match="known are empspeech, mosi, cremad, mustardpp, grid, fixture"
    ):
        corpora.load("mosy")
    with pytest.raises(CorpusError, match="nowhere.csv: cannot be read"):
        corpora.load(tmp_path / "nowhere.csv")
    with pytest.raises(CorpusError, match="no corpus 'x' to download"):
        catalogue.paths("x")


def test_a_path_stays_inside_its_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    assert checks.inside(tmp_path / "in", "a/b.wav") == (tmp_path / "in/a/b.wav").resolve()
    for value in ("../x", "/etc/passwd", "link/x"):
        assert checks.inside(tmp_path / "in", value) is None


# The synthetic corpus


def test_fixture_has_its_truth_in_manifest_order(tmp_path):
    rows = [[c, "r", "x", "neutral", "train", f"audio/{c}.flac"] for c in ("b", "a")]
    own(tmp_path, rows, [*OWN, "audio_path"])
    write(tmp_path / "truth.csv", [["clip_id", "pitch_hz"], ["a", "100"], ["b", "200.5"]])
    corpus = corpora.load_fixture(tmp_path)
    assert corpus.synthetic and corpus.name == "fixture"
    assert corpus.truth["clip_id"].tolist() == ["b", "a"]
    assert corpus.truth["pitch_hz"].tolist() == [200.5, 100]
    assert corpus.media("audio_path")["a"] == tmp_path / "audio" / "a.flac"
    assert set(corpus.files) == {"manifest.csv", "truth.csv"}
    write(tmp_path / "truth.csv", [["clip_id"], ["a"], ["z"], ["a"]])
    with pytest.raises(CorpusError, match="found 'no b'") as error:
        corpora.load_fixture(tmp_path)
    assert {line for _, line, _ in problems(error)} == {1, 3, 4}


# Where files come from


@pytest.fixture
def server(monkeypatch):
    """A publisher on the loopback: a dict path -> bytes, and the list of paths asked for."""
    pages, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            page = pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Length", str(len(page or b"")))
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *args):
            """Keep the test output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setattr(catalogue, "RAW", f"http://127.0.0.1:{http.server_port}")
        yield pages, asked
        http.shutdown()


@pytest.fixture
def tiny(monkeypatch):
    """A corpus of two published files in the catalogue."""
    bytes_of = {"a.csv": b"first", "b.csv": b"second"}
    entry = {"repository": "some/one", "commit": "c0ffee", "files": {}}
    for name, data in bytes_of.items():
        entry["files"][name] = (f"a folder/{name}", hashlib.sha256(data).hexdigest())
    monkeypatch.setitem(corpora.CATALOGUE, "tiny", entry)
    return bytes_of


def address(name):
    return f"/some/one/c0ffee/a%20folder/{name}"


def test_files_are_downloaded_once(tmp_path, server, tiny):
    pages, asked = server
    pages |= {address(name): data for name, data in tiny.items()}
    assert not corpora.at_hand("tiny")
    found = catalogue.paths("tiny")
    assert {name: path.read_bytes() for name, path in found.items()} == tiny
    assert all(path.parent == tmp_path / "cache" / "tiny" for path in found.values())
    assert corpora.at_hand("tiny")
    assert catalogue.paths("tiny") == found == catalogue.fetch("tiny")
    assert sorted(asked) == sorted(pages)


def test_own_files_come_first_and_are_used_as_they_are(tmp_path, monkeypatch, server, tiny):
    pages, asked = server
    pages[address("b.csv")] = tiny["b.csv"]
    own_file = tmp_path / "data" / "tiny" / "a.csv"
    own_file.parent.mkdir(parents=True)
    own_file.write_bytes(b"edited")
    monkeypatch.setenv("EMPDIS_DATA", str(tmp_path / "data"))
    with pytest.warns(UserWarning, match="a.csv differs from the published file"):
        found = catalogue.paths("tiny")
    assert found["a.csv"] == own_file and own_file.read_bytes() == b"edited"
    assert found["b.csv"].read_bytes() == b"second"
    assert asked == [address("b.csv")]


def test_a_spoiled_cache_is_replaced(tmp_path, server, tiny):
    pages, asked = server
    pages |= {address(name): data for name, data in tiny.items()}
    catalogue.paths("tiny")
    (tmp_path / "cache" / "tiny" / "a.csv").write_bytes(b"fir")
    assert not corpora.at_hand("tiny")
    assert catalogue.paths("tiny")["a.csv"].read_bytes() == b"first"
    assert asked.count(address("a.csv")) == 2


def test_wrong_hash_and_404_are_told_together_and_nothing_is_kept(tmp_path, server, tiny):
    pages, _ = server
    pages[address("a.csv")] = b"not the file"
    with pytest.raises(CorpusError) as error:
        catalogue.paths("tiny")
    text = str(error.value)
    assert text.startswith("tiny: 2 of 2 files are missing.")
    assert "SHA256 hash of downloaded file" in text and "404" in text
    for name, data in tiny.items():
        assert catalogue.RAW + address(name) in text
        assert hashlib.sha256(data).hexdigest() in text
    assert not list((tmp_path / "cache").rglob("*.csv"))
    assert not corpora.at_hand("tiny")


def test_without_network_one_message_says_what_to_put_where(tmp_path, monkeypatch, tiny):
    folder = tmp_path / "cache" / "tiny"
    folder.mkdir(parents=True)
    (folder / "b.csv").write_bytes(tiny["b.csv"])
    with pytest.raises(CorpusError) as error:
        catalogue.paths("tiny")
    text = str(error.value)
    assert "1 of 2 files are missing" in text and "b.csv" not in text
    assert "a.csv: no connection" in text and catalogue.url("tiny", "a.csv") in text
    assert str(folder) in text and "EMPDIS_DATA" in text
    monkeypatch.setenv("EMPDIS_DATA", str(tmp_path))
    with pytest.raises(CorpusError, match=str(tmp_path / "tiny")):
        catalogue.paths("tiny")
    (folder / "a.csv").write_bytes(tiny["a.csv"])
    assert catalogue.paths("tiny")["a.csv"] == folder / "a.csv"


def test_a_file_too_large_to_be_the_corpus_is_not_downloaded(tmp_path, monkeypatch, server, tiny):
    pages, _ = server
    pages |= {address("a.csv"): bytes(10**6), address("b.csv"): tiny["b.csv"]}
    monkeypatch.setattr(downloads, "MOST_BYTES", 1000)
    with pytest.raises(CorpusError, match="(?s)1 of 2 files.*a.csv: larger than 1,000 bytes"):
        catalogue.paths("tiny")
    assert [path.name for path in (tmp_path / "cache" / "tiny").iterdir()] == ["b.csv"]


@pytest.mark.parametrize("name", ["my corpora", "größe & more"])
def test_the_data_folder_may_have_a_space(tmp_path, monkeypatch, tiny, name):
    folder = tmp_path / name / "tiny"
    folder.mkdir(parents=True)
    for file, data in tiny.items():
        (folder / file).write_bytes(data)
    monkeypatch.setenv("EMPDIS_DATA", str(folder.parent))
    assert corpora.at_hand("tiny")
    assert catalogue.paths("tiny") == {file: folder / file for file in tiny}


def test_a_mistyped_data_folder_is_told(tmp_path, monkeypatch, server, tiny):
    pages, _ = server
    pages |= {address(name): data for name, data in tiny.items()}
    monkeypatch.setenv("EMPDIS_DATA", str(tmp_path / "dtaa"))
    with pytest.warns(UserWarning, match="dtaa, which is not a folder"):
        catalogue.paths("tiny")


def test_command_line(capsys, server, tiny):
    pages, _ = server
    assert corpora.main(["--at-hand"]) == 0
    assert capsys.readouterr().out == "\n"
    assert corpora.main(["tiny"]) == 1
    assert "2 of 2 files are missing" in capsys.readouterr().err
    pages |= {address(name): data for name, data in tiny.items()}
    assert corpora.main(["tiny"]) == 0
    assert "tiny/a.csv: " in capsys.readouterr().out
    assert corpora.main(["--at-hand"]) == 0
    assert capsys.readouterr().out == "tiny\n"
    with pytest.raises(SystemExit, match="2"):
        corpora.main([])


def test_addresses_are_pinned():
    assert catalogue.url("mosi", "audio_train0.csv").endswith(
        "/declare-lab/multimodal-deep-learning/111b401d867c14a1dcd930fd2b2ab58a5eca3f70/"
        "contextual-multimodal-fusion/data/audio/audio_train0.csv"
    )
    for entry in corpora.CATALOGUE.values():
        assert len(entry["commit"]) == 40
        assert all(len(sha256) == 64 for _, sha256 in entry["files"].values())


# GRID


def test_grid_sentences_are_spelled_by_the_names_of_the_files(tmp_path, monkeypatch):
    """A stand-in: the published names, other bytes. The sentences are GRID's own grammar."""
    for file in corpora.CATALOGUE["grid"]["files"]:
        (tmp_path / "media/grid").mkdir(parents=True, exist_ok=True)
        (tmp_path / "media/grid" / file).write_bytes(file.encode())
    (tmp_path / "data").mkdir()
    corpus = load("grid", tmp_path / "data", monkeypatch)  # beside EMPDIS_DATA, in media/
    tables.check(corpus.manifest, "manifest")
    rows = corpus.manifest.set_index("clip_id")
    assert len(rows) == 11 and rows.loc["bbaf2n", "transcript"] == "bin blue at f two now"
    assert rows.loc["lwbsza", "transcript"] == "lay white by s zero again"
    assert rows.loc["id2_vcd_swwp2s", ["label", "y"]].tolist() == ["set", 3]
    assert rows["n_tokens"].eq(6).all() and rows["dialog_id"].nunique() == 10
    assert rows.loc["pwij3p", "dialog_id"] == rows.loc["id2_vcd_swwp2s", "dialog_id"]
    path = corpus.media("video_path")["swiz3n"]
    assert path.read_text() == path.name == "grid_swiz3n.mpg"


# The published files, where EMPDIS_DATA has them (the same facts are tested above on small ones)


def same_video(frame, videos):
    """Share of clips whose nearest neighbour is from the same video."""
    values = ((frame - frame.mean()) / (frame.std() + 1e-9)).to_numpy()
    nearest = NearestNeighbors(n_neighbors=2).fit(values).kneighbors(values)[1][:, 1]
    return (videos[nearest] == videos).mean()


def test_published_files(monkeypatch, recwarn):
    if DATA:
        monkeypatch.setenv("EMPDIS_DATA", DATA)
    read = {name: corpora.load(name) for name in PUBLISHED}
    assert not [w for w in recwarn if "differs" in str(w.message)]
    for name, corpus in read.items():
        tables.check(corpus.manifest, "manifest")
        pinned = {file: sha for file, (_, sha) in corpora.CATALOGUE[name]["files"].items()}
        assert corpus.files == pinned
    if "empspeech" in read:
        manifest = read["empspeech"].manifest
        assert manifest["split"].value_counts().to_dict() == {
            "train": 1228,
            "val": 153,
            "test": 154,
        }
        assert manifest["n_tokens"].median() == 6
        assert manifest["dialog_id"].nunique() == 42
    if "mosi" in read:
        corpus = read["mosi"]
        test = corpus.manifest["split"] == "test"
        assert (len(test), test.sum()) == (2199, 752)
        widths = {name: frame.shape for name, frame in corpus.features.items()}
        assert widths == {"text": (2199, 100), "audio": (2199, 73), "video": (2199, 100)}
        # Labels alone would not show rows that slipped among clips of one class: voices do.
        videos = corpus.manifest["dialog_id"][test].to_numpy()
        audio = corpus.features["audio"][test.to_numpy()]
        assert same_video(audio, videos) > same_video(audio, np.roll(videos, 1)) + 0.1
    if "cremad" in read:
        corpus = read["cremad"]
        assert (len(corpus.manifest), len(corpus.votes)) == (7442, 22326)
        assert corpus.manifest["dialog_id"].nunique() == 91
        intended = corpus.votes["clip_id"].str.split("_").str[2].str[0]
        right = corpus.votes[list("ADFHNS")].idxmax(axis=1) == intended
        rate = right.groupby(corpus.votes["modality"]).mean()
        assert rate["audio"] < rate["video"] < rate["audio+video"]
        assert corpus.votes["status"].value_counts().to_dict() == {
            **{"ok": 22286, "audio_in_doubt": 28, "faulty_media": 12},
        }


def test_published_mustardpp_has_the_counts_of_its_authors(monkeypatch):
    if "mustardpp" in PUBLISHED:
        monkeypatch.setenv("EMPDIS_DATA", DATA)
        corpus = corpora.load("mustardpp")
        assert corpus.manifest["label"].value_counts().to_dict() == {
            "sarcastic": 601,
            "sincere": 601,
        }
        assert corpus.about["show"].nunique() == 5


def test_committed_fixture():
    """The corpus of the repository, when it is there, is whole: every path it names exists."""
    if corpora.at_hand("fixture"):
        corpus = corpora.load("fixture")
        tables.check(corpus.manifest, "manifest")
        for column in ("audio_path", "video_path"):
            assert all(path is None or path.is_file() for path in corpus.media(column))


# MUStARD++

LINES = "SCENE,KEY,SENTENCE,END_TIME,SPEAKER,SHOW,Sarcasm,Sarcasm_Type,Implicit_Emotion"
LINES += ",Explicit_Emotion,Valence,Arousal\n"


def test_mustardpp_keeps_the_judged_lines(tmp_path, monkeypatch):
    (tmp_path / "mustardpp").mkdir()
    (tmp_path / "mustardpp" / "mustard++_text.csv").write_text(
        LINES
        + '1,1_c_00,"Before,\nit.",0:01,PERSON,BBT,,,,,,\n'
        + "1,1_u,Oh great.,0:02,SHELDON,BBT,1,PRO,Anger,Happiness,3,6\n"
        + "2,2_u,Hello.,0:02,ROSS,FRIENDS,0,NONE,Neutral,Neutral,5,4\n"
    )
    corpus = load("mustardpp", tmp_path, monkeypatch)
    tables.check(corpus.manifest, "manifest")
    assert corpus.manifest["clip_id"].tolist() == ["1_u", "2_u"]
    assert corpus.manifest["dialog_id"].tolist() == ["BBT SHELDON", "FRIENDS ROSS"]
    assert corpus.manifest["label"].tolist() == ["sarcastic", "sincere"]
    assert corpus.about.loc[0, ["explicit", "implicit", "valence"]].tolist() == [
        "Happiness", "Anger", 3,
    ]  # fmt: skip


def test_mustardpp_bad_rows_are_listed(tmp_path, monkeypatch):
    (tmp_path / "mustardpp").mkdir()
    (tmp_path / "mustardpp" / "mustard++_text.csv").write_text(
        LINES
        + "1,1_u,Oh great.,0:02,SHELDON,BBT,1,PRO,Anger,,3,66\n"
        + "1,1_u,Oh great.,0:02,,BBT,2,PRO,Anger,Anger,3,6\n"
    )
    with pytest.raises(CorpusError) as error:
        load("mustardpp", tmp_path, monkeypatch)
    file = "mustard++_text.csv"
    assert problems(error) == {
        *((file, 2, "Explicit_Emotion"), (file, 2, "Arousal"), (file, 3, "KEY")),
        *((file, 3, "Sarcasm"), (file, 3, "SPEAKER")),
    }


# Judgments per channel from elsewhere


def test_votes_of_your_own(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(
        "clip_id,dialog_id,channel,label,sad,glad\n"
        "a,r1,audio,sad,3,1\na,r1,video,sad,0,0\na,r1,audio+video,sad,2,2\n"
    )
    corpus = corpora.load(f"votes:{path}")
    tables.check(corpus.manifest, "manifest")
    assert corpus.name == "votes" and corpus.manifest["label"].tolist() == ["sad"]
    assert corpus.votes["modality"].tolist() == ["audio", "video", "audio+video"]
    assert corpus.votes["n"].tolist() == [4, 0, 4]
    assert corpus.votes["status"].tolist() == ["ok", "no_votes", "ok"]
    path.write_text(
        "clip_id,dialog_id,channel,sad,glad\na,r1,audio,3,-1\na,r1,audio,x,1\na,r2,video,1,1\n"
    )
    with pytest.raises(CorpusError) as error:
        corpora.load(f"votes:{path}")
    assert problems(error) == {
        *(("votes.csv", 2, "glad"), ("votes.csv", 3, "sad"), ("votes.csv", 3, "channel")),
        ("votes.csv", 4, "dialog_id"),
    }
    path.write_text("clip_id,dialog_id,channel,n\na,r1,audio,3\n")
    with pytest.raises(CorpusError, match="counts for each of two answers"):
        corpora.load(f"votes:{path}")


SIMS = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"


def test_ratings_in_the_columns_of_ch_sims(tmp_path):
    path = tmp_path / "label.csv"
    path.write_text(
        SIMS
        + "video_0001,0001,好,0.4,-0.2,0.0,1.0,Positive,train\n"
        + "video_0001,0002,不,-1.0,-0.6,-1,-0.2,Negative,test\n"
    )
    corpus = corpora.load(f"ratings:{path}")
    tables.check(corpus.manifest, "manifest")
    assert corpus.manifest["clip_id"].tolist() == ["video_0001/0001", "video_0001/0002"]
    assert corpus.manifest["label"].tolist() == ["positive", "negative"]
    said = corpus.votes.set_index(["clip_id", "modality"])[["negative", "neutral", "positive"]]
    first = said.loc["video_0001/0001"].idxmax(axis=1)
    assert first.to_dict() == {
        **{"text": "negative", "audio": "neutral", "video": "positive"},
        "text+audio+video": "positive",
    }
    assert corpus.votes["n"].eq(1).all() and corpus.about["text"].tolist() == [-0.2, -0.6]


def test_ratings_outside_their_scale_are_refused_with_their_rows(tmp_path):
    path = tmp_path / "label.csv"
    path.write_text(
        SIMS
        + "v,1,好,0.4,-0.2,1.4,1.0,Positive,train\n"
        + "v,2,好,,-0.2,0,one,Positive,train\n"
        + "v,2,好,3,-0.2,0,0,Positive,train\n"
    )
    with pytest.raises(CorpusError, match="a rating, -1 to 1") as error:
        corpora.load(f"ratings:{path}")
    assert problems(error) == {
        *(("label.csv", 2, "label_A"), ("label.csv", 3, "label"), ("label.csv", 3, "label_V")),
        *(("label.csv", 4, "label"), ("label.csv", 4, "clip_id")),
    }


# Predictions of models from elsewhere


def given(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_given_predictions_of_two_classes(tmp_path):
    path = given(tmp_path, "clip_id,y,text,fusion\na,0,0.2,0.1\nb,1.0,0.75,1\n")
    corpus = corpora.load(f"predictions:{path}")
    table = corpus.predictions.set_index(["inputs", "clip_id"])
    assert table["p"].to_dict() == {
        ("text", "a"): 0.2, ("text", "b"): 0.75, ("fusion", "a"): 0.1, ("fusion", "b"): 1.0,
    }  # fmt: skip
    assert set(corpus.predictions["source"]) == {"given"} and "p_0" not in corpus.predictions
    assert corpus.manifest["dialog_id"].tolist() == ["a", "b"]
    assert corpus.manifest[["y", "label"]].to_numpy().tolist() == [[0, "0"], [1, "1"]]
    assert corpus.files == {"mine.csv": hashlib.sha256(path.read_bytes()).hexdigest()}
    tables.check(corpus.manifest, "manifest")
    tables.check(corpus.predictions, "predictions")


def test_given_predictions_of_more_classes_are_rescaled_and_numbered_by_column(tmp_path):
    head = "clip_id,dialog_id,y,v:sad,v:glad,v:odd,f:odd,f:sad,f:glad\n"
    rows = "a,r1,glad,0.33,0.33,0.33,0,0.5,0.5\nb,r1,sad,1,0,0,0.2,0.2,0.6\n"
    corpus = corpora.load(f"predictions:{given(tmp_path, head + rows)}")
    assert corpus.manifest["y"].tolist() == [1, 0]
    assert corpus.manifest["label"].tolist() == ["glad", "sad"]
    p = corpus.predictions.set_index(["inputs", "clip_id"])[["p_0", "p_1", "p_2"]]
    assert np.allclose(p.loc[("v", "a")], 1 / 3) and np.allclose(p.sum(axis=1), 1)
    assert p.loc[("f", "b")].tolist() == [0.2, 0.6, 0.2]
    assert (corpus.predictions["p"] == corpus.predictions["p_1"]).all()


def test_given_predictions_may_come_once_per_seed_and_split(tmp_path):
    head = "clip_id,seed,y,split,label,a,b\n"
    rows = "x,1,0,test,no,.1,.2\nx,2,0,test,no,.3,.4\ny,1,1,train,yes,.5,.6\ny,2,1,train,yes,1,1\n"
    corpus = corpora.load(f"predictions:{given(tmp_path, head + rows)}")
    assert corpus.manifest["split"].tolist() == ["test", "train"]
    assert corpus.manifest["label"].tolist() == ["no", "yes"]
    assert corpus.predictions.groupby("seed").size().to_dict() == {1: 4, 2: 4}


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("clip_id,y,a,b\nx,0,.1,\ny,1,1,1\n", 2, "b", "a probability, 0 to 1, found ''"),
        ("clip_id,y,a,b\nx,0,.1,nan\ny,1,1,1\n", 2, "b", "a probability, 0 to 1, found 'nan'"),
        ("clip_id,y,a,b\nx,0,.1,1\ny,1,inf,1\n", 3, "a", "a probability, 0 to 1, found 'inf'"),
        ("clip_id,y,a,b\nx,0,.1,1\ny,1,1.2,1\n", 3, "a", "a probability, 0 to 1, found '1.2'"),
        ("clip_id,y,a,b\nx,0,1,1\nx,1,1,1\n", 3, "clip_id", "a clip once"),
        ("clip_id,seed,y,a,b\nx,1,0,1,1\nx,1,0,1,1\ny,1,1,1,1\n", 3, "clip_id", "and seed once"),
        ("clip_id,seed,y,a,b\nx,1,0,1,1\nx,2,1,1,1\n", 3, "y", "the same for every seed"),
        ("clip_id,y,a,b\nx,0,1,1\ny,2,1,1\n", 3, "y", "0 or 1 .more classes: one column"),
        ("clip_id,y,a,b\nx,1,1,1\ny,1,1,1\n", 1, "y", "two classes, found 'only 1'"),
        ("clip_id,y,a,b,who\nx,0,1,1,Al\ny,1,1,1,Bo\n", 1, "who", "2 of 2 rows hold none"),
        ("clip_id,y,a,b,secs\nx,0,1,1,3\ny,1,1,1,9\n", 1, "secs", "a column about the clip"),
        ("clip_id,y,a\nx,0,1\ny,1,1\n", 1, "(any)", "a model of one modality, and fusion"),
        ("clip_id,y\nx,0\ny,1\n", 1, "(any)", "two columns of probabilities"),
        ("clip,y,a,b\nx,0,1,1\ny,1,1,1\n", 1, "clip_id", "this column, once"),
        ("clip_id,y,a,b,split\nx,0,1,1,dev\ny,1,1,1,test\n", 2, "split", "train or val or test"),
        ("clip_id,y,a,b,split\nx,0,1,1,val\ny,1,1,1,val\n", 1, "split", "test clips, found 'none'"),
        ("clip_id,y,a,b,label\nx,0,1,1,u\ny,1,1,1,v\nz,1,1,1,w\n", 4, "label", "one label for"),
        ("clip_id,y,a,b,dialog_id\nx,0,1,1,\ny,1,1,1,r\n", 2, "dialog_id", "not empty"),
        ("clip_id,y,a:u,a:v,b\nx,u,1,0,1\ny,v,1,0,1\n", 1, "b", "MODEL:CLASS like other columns"),
        ("clip_id,y,a:u,a:v,b:u\nx,u,1,0,1\ny,v,1,0,1\n", 1, "b", "for each class: b:u, b:v"),
        ("clip_id,y,a:u,b:u\nx,u,1,1\ny,u,1,1\n", 1, "(any)", "a column for every class"),
        ("clip_id,y,a:u,a:v,b:u,b:v\nx,w,1,0,1,0\ny,v,1,0,1,0\n", 2, "y", "u, v, found 'w'"),
        ("clip_id,y,a:u,a:v,b:u,b:v\nx,u,1,.1,1,0\ny,v,1,0,1,0\n", 2, "a:u", "a sum of 1.1"),
    ],
)  # fmt: skip
def test_bad_given_predictions_are_listed(tmp_path, text, line, column, message):
    with pytest.raises(CorpusError, match=message) as error:
        corpora.load(f"predictions:{given(tmp_path, text)}")
    assert problems(error) == {("mine.csv", line, column)}


def test_every_bad_row_of_given_predictions_is_listed(tmp_path):
    rows = [f"c{i},{i % 2},0.5,0.5" for i in range(10)]
    rows[2], rows[5], rows[7] = "c2,0,-0.1,0.5", "c5,1,0.5,high", "c6,yes,0.5,0.5"
    with pytest.raises(CorpusError, match="4 bad value") as error:
        corpora.load(f"predictions:{given(tmp_path, chr(10).join(['clip_id,y,a,b', *rows]))}")
    assert problems(error) == {
        ("mine.csv", 4, "a"),
        ("mine.csv", 7, "b"),
        ("mine.csv", 9, "y"),
        ("mine.csv", 9, "clip_id"),
    }


def test_which_csv_of_predictions_is_asked_for(tmp_path):
    with pytest.raises(CorpusError, match="which CSV"):
        corpora.load("predictions:")
    with pytest.raises(CorpusError, match="none.csv: cannot be read"):
        corpora.load(f"predictions:{tmp_path / 'none.csv'}")


def test_names_of_given_predictions_follow_the_same_rule(tmp_path):
    path, head = tmp_path / "p.csv", "clip_id,y,split, dialog_id ,voice,both \n"
    path.write_text(head + "a ,1,Test,r,0.5,0.5\nb,0 ,test,r,1,0\n")
    with pytest.raises(CorpusError) as error:
        corpora.read_predictions(path)
    assert problems(error) == {("p.csv", 3, "split")}
    path.write_text(head + "a ,1,Test,r,0.5,0.5\nb,0 ,Test,r,1,0\n")
    corpus = corpora.read_predictions(path)
    assert set(corpus.predictions["inputs"]) == {"voice", "both"}
    assert corpus.manifest["clip_id"].tolist() == ["a", "b"]
    assert corpus.manifest["split"].tolist() == ["test", "test"]
    assert corpus.manifest["dialog_id"].tolist() == ["r", "r"]
    assert "clip_id 1, split 2, y 1" in corpus.notes[0]
    path.write_text("clip_id,y,voice,voice\u200b\na,1,0.5,0.5\nb,0,1,0\n")
    with pytest.raises(CorpusError, match="this column, once"):
        corpora.read_predictions(path)
    path.write_text("clip_id,y,my voice,my\xa0voice\na,1,0.5,0.5\nb,0,1,0\n")
    with pytest.raises(CorpusError, match="looks the same"):
        corpora.read_predictions(path)


def test_a_published_file_that_cannot_be_read_is_a_sentence(tmp_path, monkeypatch, tiny):
    folder = tmp_path / "data" / "tiny"
    folder.mkdir(parents=True)
    for file in corpora.CATALOGUE["tiny"]["files"]:
        (folder / file).write_bytes(b"x")
    monkeypatch.setenv("EMPDIS_DATA", str(tmp_path / "data"))

    def refused(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(CorpusError, match=r"cannot be read \(Permission denied\)"):
        catalogue.paths("tiny")

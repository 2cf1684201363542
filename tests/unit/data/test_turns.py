"""Oracle: a dialogue written by hand."""

import pandas as pd
import pytest

from empdis_utils.data import checks, dialogues, turns

ROWS = [
    ("a1", "a", "train", "Ann", "Hello.", "clips/a1.mp4"),
    ("a2", "a", "train", "Ben", "Hi.", ""),
    ("a3", "a", "train", "Ben", "How are you?", ""),
    ("a4", "a", "train", "Ann", " ", ""),
    ("b1", "b", "train", "Cid", "It rained.", ""),
    ("b2", "b", "train", "Dee", "Again?", ""),
    ("b3", "b", "train", "Cid", "Again.", ""),
]


@pytest.fixture
def csv(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a1.mp4").write_bytes(b"x")
    pd.DataFrame(ROWS, columns=turns.COLUMNS).to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "mine.csv"


def prompt(history, speaker):
    return "|".join(history) + f"|{speaker}"


def test_every_line_keeps_its_row_with_what_is_asked(csv):
    lines = turns.read(str(csv))
    assert lines["media_path"][0] == csv.parent / "clips" / "a1.mp4"
    assert lines["media_path"][1:].isna().all()
    table = turns.asked(lines, prompt, n_history=2)
    assert table["status"].tolist() == [
        *("ok", "same_speaker", "no_text", "last_line", "ok", "ok", "last_line")
    ]
    assert (table["reason"] != "").tolist() == (table["status"] != "ok").tolist()
    assert table["prompt"][0] == "Ann: Hello.|Ben" and table["right"][0] == "Hi."
    assert table["prompt"][5] == "Cid: It rained.|Dee: Again?|Cid"
    assert table["context"][5] == "Cid: It rained.\nDee: Again?"
    assert table["wrong"][0] == "Again?" and table["wrong"][5] == "Hi."


def test_a_dialogue_alone_in_its_split_has_no_wrong_line(csv):
    lines = turns.read(str(csv))
    table = turns.asked(lines.assign(split=["test"] * 4 + ["dev"] * 3), prompt)
    assert table["status"].value_counts()["no_other"] == 3 and not (table["status"] == "ok").any()


def test_bad_tables_are_refused(csv):
    frame = pd.read_csv(csv)
    frame.loc[1, "clip_id"] = "a1"
    frame.loc[2, "split"] = "all"
    frame.to_csv(csv, index=False)
    with pytest.raises(checks.CorpusError, match="(?s)split.*an id once|an id once.*split"):
        turns.read(str(csv))


def test_what_is_missing_is_one_sentence(csv, tmp_path):
    assert turns.lacking(str(csv)) == []
    for turn, media, said in (
        (str(tmp_path / "no.csv"), "", "there is no file"),
        ("meld", "", "download MELD.Raw"),
        ("meld", str(tmp_path), "holds none of MELD's folders"),
    ):
        (sentence,) = turns.lacking(turn, media)
        assert said in sentence
    (tmp_path / "test").mkdir()
    assert turns.lacking("meld", str(tmp_path)) == []


def test_melds_clips_are_found_by_dialogue_and_line(monkeypatch, tmp_path):
    lines = pd.DataFrame(
        {
            "clip_id": ["dev_3_0", "test_3_1"], "dialog_id": ["dev_3", "test_3"],
            "split": ["dev", "test"], "dialogue": 3, "utterance": [0, 1], "speaker": "Ann",
            "text": "Hi.",
        }
    )  # fmt: skip
    monkeypatch.setattr(dialogues, "read_meld", lambda: lines)
    (tmp_path / "output_repeated_splits_test").mkdir()
    clip = tmp_path / "output_repeated_splits_test" / "dia3_utt1.mp4"
    clip.write_bytes(b"x")
    found = turns.read("meld", str(tmp_path))
    assert found["media_path"].tolist() == [None, clip] and list(found) == list(turns.COLUMNS)

"""`dialogues`: small published-looking files whose joins are known; the real ones, where they are.

Oracle: what was written; of the real files, counts by hand and the numbers of the issue.
"""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empdis_utils.data import catalogue, dialogues
from empdis_utils.data.checks import CorpusError

DATA = os.environ.get("EMPDIS_DATA", "")
THERE = DATA and all(
    Path(DATA, name, file).is_file()
    for name, entry in dialogues.ENTRIES.items()
    for file in entry["files"]
)
pytestmark = pytest.mark.filterwarnings("ignore:.*differs from the published file:UserWarning")

LINES = [  # dialogue, utterance, speaker, text, emotion
    (0, 0, "Ann", "I lost my keys.", "sadness"),
    (0, 1, "Ben", "Oh no!", "surprise"),
    (0, 2, "Ann", "Oh no!", "sadness"),
    (0, 3, "Ben", "Here they are.", "joy"),
    (1, 0, "Cat", "It’s late.", "neutral"),
    (1, 1, "Ann", "Oh no!", "fear"),
]
HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID".split(",")


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def prompt(*lines):
    return (
        "=== DIALOGUE HISTORY ===\nX: example\n=== DIALOGUE HISTORY ===\n"
        + "\n".join(lines)
        + ("\n\n=== RESPONSE ===\n")
    )


@pytest.fixture
def corpora_there(tmp_path, monkeypatch):
    monkeypatch.setenv("EMPDIS_DATA", str(tmp_path))
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path / "cache"))
    rows = [
        (k, text, who, felt, "neutral", d, u) for k, (d, u, who, text, felt) in enumerate(LINES)
    ]
    for split in ("train", "dev", "test"):
        write(tmp_path / "meld" / f"{split}_sent_emo.csv", [HEADER, *rows])
        scenes = [  # one dialogue of MELD is cut in two, with the old quotes and another order
            [line(4, "0500000"), line(5, "0005000")],
            [line(0, "0050000"), line(1, "0000050"), line(3, "0500000")],
        ]
        scenes[0][0]["utterance"] = "It\x92s late."
        path = tmp_path / "emotionlines" / f"friends_{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(scenes))
    merg = tmp_path / "merg"
    for name in dialogues.ENTRIES["merg"]["files"]:
        merg.mkdir(exist_ok=True)
        (merg / name).write_text("{}")
    ids = [(d, u) for d, u, *_ in LINES]
    targets = [(*i, f"target {k}") for k, i in enumerate(ids)]
    write(merg / "test_structured.csv", [[*dialogues.IDS, "Response"], *targets])
    for name in ("baseline", "finetuned"):
        for end in ("", "_llama"):
            rows = [(*i, f"Yes {k}.", f"Yes {k}. More.") for k, i in enumerate(ids)]
            rows += [(0, 0, "again", "again"), (9, 9, "nowhere", "nowhere")]
            head = [*dialogues.IDS, "Response", "Original Response"]
            write(merg / f"test_{name}{end}.csv", [head, *rows])
    head = ["Prompt", "Generated Response", "Target Response"]
    said = [f"{who}: {text}" for _, _, who, text, _ in LINES]
    rows = [
        (prompt(said[0], "Ben:"), "a", "target 0"),
        (prompt(said[0], said[2], "Ben:"), "b", "target 2"),  # one line of the history is left out
        (prompt(said[4].replace("’", "\x92"), "Ann:"), "c", "target 4"),
        (prompt("Dan: never said", "Ann:"), "d", "target 4"),
    ]
    for end in ("", "_llama"):
        write(merg / f"mllm_test_outputs{end}.csv", [head, *rows])
    return tmp_path


def line(k, votes):
    _, _, who, text, _ = LINES[k]
    return {"speaker": who, "utterance": text, "emotion": "", "annotation": votes}


def test_characters_of_windows_are_read_as_what_they_were():
    assert dialogues.conventional("you\x92re \x93in\x94") == "you’re “in”"
    assert dialogues.key("You\x92re  in!") == dialogues.key("you're in") == "yourein"


def test_meld_is_read_in_order_with_ids_that_name_the_split(corpora_there):
    lines = dialogues.read_meld()
    assert len(lines) == 3 * len(LINES) and lines["clip_id"].is_unique
    assert lines["clip_id"].iloc[1] == "train_0_1"
    assert dialogues.histories(lines)[2] == ["Ann: I lost my keys.", "Ben: Oh no!", "Ann: Oh no!"]
    assert dialogues.histories(lines, speakers=False)[4] == ["It’s late."]


def test_votes_are_joined_in_order_and_lines_without_are_kept(corpora_there):
    lines, votes = dialogues.read_meld(), dialogues.read_emotionlines()
    joined = dialogues.join_votes(lines, votes)
    assert len(joined) == len(lines) and len(votes) == 3 * 5
    test = joined[joined["split"] == "test"].reset_index(drop=True)
    assert test["status"].tolist() == ["ok", "ok", "not_joined", "ok", "ok", "ok"]
    assert test.loc[5, "anger"] == 0 and test.loc[5, "fear"] == 5  # not the other scene's "Oh no!"
    assert test.loc[4, "joy"] == 5 and np.isnan(test.loc[2, "joy"])
    assert test.loc[2, "reason"] != "" and test.loc[0, "reason"] == ""


def test_votes_that_are_not_five_are_refused(corpora_there):
    path = corpora_there / "emotionlines" / "friends_dev.json"
    path.write_text(json.dumps([[line(0, "0010000")]]))
    with pytest.raises(CorpusError, match="dialogue 0, line 0: expected five votes"):
        dialogues.read_emotionlines()
    path.write_text("[")
    with pytest.raises(CorpusError, match="not JSON"):
        dialogues.read_emotionlines()


def test_every_output_has_a_row_and_every_line_of_every_system(corpora_there):
    lines, answers = dialogues.read_merg()
    assert lines["true_next"].isna().sum() == 2  # the last line of each dialogue
    sizes = answers.groupby(["system", "status"]).size()
    assert sizes["Llama, text"].to_dict() == {"not_joined": 2, "ok": 6}
    assert sizes["Llama, multimodal"].to_dict() == {"no_output": 3, "not_joined": 1, "ok": 3}
    of = answers[answers["system"] == "Llama, multimodal"].reset_index(drop=True)
    assert of["response"].tolist() == ["a", "", "b", "", "c", "", "d"]
    assert of.loc[2, ["n_history", "n_before"]].tolist() == [2, 3]
    loose = answers[(answers["system"] == "Llama, text") & (answers["status"] == "not_joined")]
    assert loose["reason"].tolist() == ["its id repeats", "its id is no line's"]
    assert (answers["reason"] != "").equals(answers["status"] != "ok")


def test_replies_that_are_rated_apart_must_be_the_same(corpora_there):
    head = ["sp_id", "rp_id", "seeker_post", "response_post", "level", "rationales"]
    for k, kind in enumerate(dialogues.EPITOME):
        rows = [("s", "r1", "help", "yes", k, ""), ("s", "r2", "help", "no", 0, "")]
        write(corpora_there / "epitome" / f"{kind}-reddit.csv", [head, *rows])
    assert dialogues.read_epitome()["explorations"].tolist() == [2, 0]
    write(corpora_there / "epitome" / "explorations-reddit.csv", [head, rows[1], rows[0]])
    with pytest.raises(CorpusError, match="explorations-reddit.csv is about other replies"):
        dialogues.read_epitome()


ROWS = [
    ["dialog_id", "clip_id", "context", "response", "target"],
    ["d", "1", "A: hi", "hello", "t"],
    ["d", "1", "A: hi", "again", "t"],
    ["d", "2", "A: hi", "  ", "t"],
    ["d", "3", "", "hello", "t"],
    ["d", "4", "A: hi", "A: hi\nhello", "t"],
]


def test_answers_of_your_own_keep_every_row(tmp_path):
    path = write(tmp_path / "mine.csv", ROWS)
    found = dialogues.read_answers(path)
    assert found["status"].tolist() == ["ok", "repeated", "empty", "no_context", "echo"]
    assert dialogues.without_context(found) == ["hello", "again", "  ", "hello", "hello"]
    assert dialogues.reads(f"answers:{path}") and not dialogues.reads("mine.csv")
    assert set(dialogues.files(f"answers:{path}")) == {"mine.csv"}
    write(path, [row[:-1] for row in ROWS])
    assert (dialogues.read_answers(path)["target"] == "").all()


def test_answers_that_cannot_be_read_are_one_sentence(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes("dialog_id,clip_id,context,response\nd,1,caf\xe9,x\n".encode("latin-1"))
    with pytest.raises(CorpusError, match="line 2 is not UTF-8; save the file as UTF-8"):
        dialogues.read_answers(path)
    path.write_text("dialog_id,clip_id,response\nd,1,x\n")
    with pytest.raises(CorpusError, match="column context: expected this column"):
        dialogues.read_answers(path)
    path.write_text("dialog_id,clip_id,context,response\n,1,hi,x\n")
    with pytest.raises(CorpusError, match="column dialog_id: expected not empty"):
        dialogues.read_answers(path)


def test_entries_are_pinned_and_in_the_catalogue():
    for name, entry in dialogues.ENTRIES.items():
        assert catalogue.CATALOGUE[name] is entry and len(entry["commit"]) == 40
        assert all(len(sha) == 64 for _, sha in entry["files"].values())
    assert catalogue.url("meld", "dev_sent_emo.csv").endswith("/data/MELD/dev_sent_emo.csv")


@pytest.mark.skipif(
    not THERE, reason="EMPDIS_DATA has not all of merg, meld, emotionlines, epitome"
)
def test_the_published_files(monkeypatch):
    monkeypatch.setenv("EMPDIS_DATA", DATA)
    for name, entry in dialogues.ENTRIES.items():
        assert dialogues.files(name) == {file: sha for file, (_, sha) in entry["files"].items()}
    lines = dialogues.read_meld()
    kinds = lines.groupby(["split", "dialog_id"])["emotion"].nunique().groupby("split").mean()
    assert kinds.round(2).to_dict() == {"train": 3.30, "dev": 3.35, "test": 3.24}
    joined = dialogues.join_votes(lines, dialogues.read_emotionlines())
    assert len(joined) == 13708 and (joined["status"] == "ok").sum() > 13596
    test, answers = dialogues.read_merg(lines)
    sizes = answers.groupby(["system", "status"]).size()
    assert sizes["Llama, multimodal"].to_dict() == {"no_output": 453, "ok": 2157}
    assert sizes["Llama, text"].to_dict() == {"ok": 2610}
    assert len(test) == 2610 and len(dialogues.read_epitome()) == 3084
    words = (
        answers[answers["status"] == "ok"]
        .groupby("system")["full"]
        .apply(lambda texts: texts.str.split().str.len().mean())
    )
    assert words.round(1)[["Llama, text", "Llama, fine-tuned text"]].tolist() == [25.6, 71.3]
    assert words.round(1)[["Mistral, multimodal", "Llama, multimodal"]].tolist() == [7.6, 12.9]
    assert pd.notna(test["true_next"]).sum() == 2610 - 280

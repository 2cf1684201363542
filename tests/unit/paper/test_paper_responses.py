"""`paper.responses`. Oracles: cells by hand, and the table of the paper, where its outputs are."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empdis_utils.data import dialogues, tables
from empdis_utils.measures import responses as scores
from empdis_utils.paper import claims, responses
from tests.unit.tiny_encoders import CHECKPOINTS

DATA = os.environ.get("EMPDIS_DATA", "")
THERE = DATA and all(
    Path(DATA, name, file).is_file()
    for name in ("merg", "meld")
    for file in dialogues.ENTRIES[name]["files"]
)
ANSWERS = pd.DataFrame(
    {
        "system": ["Llama, text"] * 2 + ["Llama, multimodal"] * 2,
        "clip_id": ["a", "b"] * 2,
        "response": ["I hate it.", "Fine.", "", "Great!"],
        "full": ["I hate it. I do.", "Fine. Fine.", "", "Great!"],
        "target": "I am so sorry.",
        "status": ["ok", "ok", "no_output", "ok"],
    }
)
HISTORIES = [["A: I love you."], ["A: I love you.", "B: A chair."]]


def test_a_line_without_an_output_counts_as_the_empty_answer_and_is_left_out_like_for_like():
    found = responses.recomputed(ANSWERS, HISTORIES).set_index(["system", "metric"])
    each = scores.sentiment_match(["", "Great!"], HISTORIES)
    row = found.loc[("Llama, multimodal", "sentiment")]
    assert row["here"] == pytest.approx(each.mean()) and row["same_rows"] == each[1]
    assert found.loc[("Llama, text", "dist_1"), "here"] == 5 / 7  # I hate it. I do. Fine. Fine.


def test_every_cell_has_a_definition_and_a_status():
    cells = responses.cells(responses.recomputed(ANSWERS, HISTORIES))
    assert len(cells) == 54 and not cells.duplicated(["system", "metric"]).any()
    assert cells["definition"].notna().all() and (cells["definition"] != "").all()
    at = cells.set_index(["system", "metric"])["status"]
    assert at["Llama, text", "dist_1"] == "differs"
    assert at["Mistral, text", "dist_1"] == "recorded only"
    assert at["Llama, multimodal", "bert_f1"] == "printed only"
    assert responses.counted(cells).to_numpy().sum() == 54


def test_a_printed_number_may_be_rounded_or_cut():
    exact = pd.DataFrame(
        [("Llama, fine-tuned text", "dist_1", 0.034364), ("Llama, text", "dist_1", 0.0678)],
        columns=["system", "metric", "here"],
    ).assign(same_rows=np.nan)
    at = responses.cells(exact).set_index(["system", "metric"])["status"]
    assert at["Llama, fine-tuned text", "dist_1"] == "reproduces"  # printed 0.0343
    assert at["Llama, text", "dist_1"] == "differs"  # printed 0.0676
    assert responses.last_digit("3.843") == 0.001 and responses.last_digit("34") == 1


def test_recorded_values_print_as_the_table_has_them():
    cells = responses.cells(responses.recomputed(ANSWERS, HISTORIES)).dropna(subset="recorded")
    unit = np.where(cells["metric"] == "perplexity", 0.01, 1e-4)
    unit = np.where(cells["metric"].isin(["emotion", "sentiment", "empathy"]), 0.01, unit)
    assert ((cells["recorded"] - cells["printed"]).abs() <= unit).all()


def test_first_sentence_is_cut_as_the_code_cuts_it():
    assert responses.first_sentence(" Oh… no. I see") == "Oh…"
    assert responses.first_sentence("no end") == "no end" and responses.first_sentence("") == ""


@pytest.mark.parametrize(
    "spans, said",
    [
        ([(0.1, 0.2), (0.3, 0.4)], "better than all 2"),
        ([(-0.2, -0.1), (-0.4, -0.3)], "All 2"),
        ([(0.1, 0.2), (-0.1, 0.1), (-0.2, -0.1)], "better than 1 of 3 systems and targets, and"),
    ],
)
def test_the_opening_follows_the_intervals(spans, said):
    table = pd.DataFrame(spans, columns=["ci_low", "ci_high"])
    assert said in responses.opening(table)


def test_without_checkpoints_it_says_what_is_needed_and_with_one_it_computes():
    nothing = responses.judged(ANSWERS, HISTORIES * 2)
    assert nothing["note"].str.startswith("needs").all() and len(nothing) == 3
    found = responses.judged(ANSWERS, HISTORIES * 2, encoder=str(CHECKPOINTS / "roberta"))
    own = found[found["metric"] == "bertscore f1"]
    assert own["system"].tolist() == ["Llama, text", "Llama, multimodal"]
    assert own["value"].between(-1, 1).all() and (own["n"] == 2).all()


@pytest.mark.skipif(not THERE, reason="EMPDIS_DATA has not merg and meld")
def test_the_papers_table(monkeypatch):
    monkeypatch.setenv("EMPDIS_DATA", DATA)
    lines, answers = dialogues.read_merg()
    cells = responses.cells(responses.recomputed(answers, dialogues.histories(lines)))
    at = cells.set_index(["system", "metric"])
    assert (at.xs("dist_2", level="metric")["status"] == "reproduces").sum() == 4
    assert at.loc[("Llama, multimodal", "sentiment"), "status"] == "reproduces"
    assert at.loc[("Llama, fine-tuned text", "sentiment"), "status"] == "differs"
    text = answers[answers["system"].isin(["Llama, text", "Llama, fine-tuned text"])]
    first = [responses.first_sentence(full) for full in text["full"]]
    assert first == text["response"].tolist()  # BERTScore's reference, in every row


def test_claims_say_whose_they_are_and_when_they_were_written(tmp_path):
    known = claims.read(responses.CLAIMS)
    assert all(claim["origin"].startswith("Gai et al., ") for claim in known)
    assert not {claim["id"] for claim in known} & {claim["id"] for claim in claims.read()}
    head = claims.edition(responses.CLAIMS)
    assert "after the runs they are decided by had been seen" in " ".join(head["seen"].split())
    values = {claim["id"]: claims.paper_value(claim) for claim in known}
    assert values["merg-richer-than-fine-tuned"] in ("0.167", "0.168")  # 0.3260 - 0.1585
    assert (responses.ledger(tmp_path)["verdict"] == "not testable").all()


def test_a_verdict_reads_the_intervals_of_the_run(tmp_path):
    row = {"responder": ["Llama, text", "Llama, fine-tuned text", "Mistral, multimodal"]}
    table = pd.DataFrame({"responder": [*row["responder"], "Llama, multimodal"], "estimate": 0.1})
    folder = tmp_path / "merg" / "artifacts"
    tables.write(table.assign(ci_low=0.08, ci_high=0.12, n=50), folder, "table3_okay")
    found = responses.ledger(tmp_path).set_index("claim_id")
    assert found.loc["merg-sentiment-needs-understanding", "verdict"] == "contradicted"
    assert "first sentence" in found.loc["merg-bertscore-precision", "note"]

"""The chapters on answers, run on stand-ins. Oracle: what `standins.dialogues` planted."""

import json

import pytest
import standins

from empdis_utils.data import tables
from empdis_utils.press import run

pytestmark = pytest.mark.filterwarnings("ignore:.*differs from the published file:UserWarning")
N_DIALOGS, N_LINES = 14, 6


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    data, folder = (tmp_path_factory.mktemp(name) for name in ("dialogues", "runs"))
    standins.dialogues(data, n_dialogs=N_DIALOGS, n_lines=N_LINES)
    answers = [["dialog_id", "clip_id", "context", "response"]]
    answers += [[f"d{k % 8}", k, "A: I hate it", "I love it!" * (k % 3)] for k in range(40)]
    standins._write(data / "mine.csv", answers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMPDIS_DATA", str(data))
        patch.setenv("EMPDIS_CACHE", str(folder / "cache"))
        run.run_chapter("merg", "12_table3", folder, overrides=["budget=60"])
        run.run_chapter("merg", "12_labels", folder)
        run.run_chapter("book", "32_responses", folder)
        mine = "corpus=" + json.dumps(f"answers:{data}/mine.csv")
        run.run_chapter("responses", "12_responses", folder, overrides=[mine])
    return folder


def test_every_row_is_counted_and_answers_of_joy_are_far_from_sad_lines(runs):
    rows = tables.read(runs / "merg" / "artifacts", "table3_rows").set_index("system")
    assert rows.loc["Llama, text", ["ok", "no_output"]].tolist() == [N_DIALOGS * N_LINES, 0]
    assert rows.loc["Llama, multimodal", "no_output"] == N_DIALOGS
    okay = tables.read(runs / "merg" / "artifacts", "table3_okay")
    systems = okay[okay["responder"] != "target"]  # the target says the same of every line
    assert (systems["ci_low"] > 0).all() and (okay["n"] == N_DIALOGS * (N_LINES - 1)).all()
    cells = tables.read(runs / "merg" / "artifacts", "table3_cells")
    assert len(cells) == 54 and not (cells["status"] == "reproduces").all()
    judged = tables.read(runs / "merg" / "artifacts", "table3_judged")
    assert judged["note"].str.startswith("needs").all()


def test_labels_are_new_to_readers_exactly_where_it_was_planted(runs):
    total = tables.read(runs / "merg" / "artifacts", "labels_total").set_index("readers")
    assert total["estimate"].to_dict() == {"agreed": 0, "divided": 1}
    assert total["lines"].to_dict() == {"agreed": 3 * N_DIALOGS * 4, "divided": 3 * N_DIALOGS * 2}


def test_tables_hold_no_text_of_others(runs):
    for path in runs.glob("*/artifacts/*.parquet"):
        table = tables.read(path.parent, path.stem)
        texts = table.select_dtypes(include=["object", "str"]).astype(str).to_numpy().ravel()
        assert not [text for text in texts if "So happy" in text or "leaves at noon" in text]


def test_the_question_page_gets_its_claims_and_both_figures(runs):
    ledger = tables.read(runs / "book" / "artifacts", "responses_claims").set_index("claim_id")
    assert ledger.loc["merg-sentiment-needs-understanding", "verdict"] == "contradicted"
    assert ledger.loc["merg-fluency", "verdict"] == "not testable"
    for layout in ("wide", "narrow"):
        assert (runs / "book" / "artifacts" / f"responses-{layout}.png").exists()


def test_answers_of_your_own_are_counted_and_set_beside_trivial_ones(runs):
    counts = tables.read(runs / "responses" / "artifacts", "answers_counts").set_index("status")
    assert counts["rows"].to_dict() == {"ok": 26, "empty": 14}
    found = tables.read(runs / "responses" / "artifacts", "answers_gaps").set_index("responder")
    assert found.loc["empty", "ci_high"] < 0  # joy about what someone hates

"""`findings`. Oracle: the invented tables of runs that were put in."""

import matplotlib
import pandas as pd
import pytest

from empdis_utils.controls import placebo
from empdis_utils.data import tables
from empdis_utils.paper import printed
from empdis_utils.show import findings

matplotlib.use("Agg")
CONTRAST = "red+green - blue+yellow"
CI = {"ci_low": 0.1, "ci_high": 0.3}


@pytest.fixture
def runs(tmp_path):
    """Invented runs: EMPSPEECH with its baseline and models, CREMA-D with people."""
    made = {
        "recording_baseline": {"model": "recording only", "accuracy": 0.2, **CI, "n": 9},
        "accuracy_unimodal": {"protocol": "release", "encoder": "auto", "modality": "text",
                              "accuracy": 0.25, **CI},
    }  # fmt: skip
    for name, row in made.items():
        tables.write(pd.DataFrame([row]), tmp_path / "empspeech/artifacts", name)
    row = {"modality": "audio", "contrast": CONTRAST, "placebo": placebo.VOTES, "excess": 0.5}
    row |= {"excess_low": 0.4, "excess_high": 0.6, "n": 7}
    other = [row | {"modality": "all"}, row | {"contrast": "red - blue"}, row | {"excess": None}]
    tables.write(pd.DataFrame([row, *other]), tmp_path / "cremad/artifacts", "votes_placebo")
    return tmp_path


def test_one_line_for_each_question_that_a_run_answers(runs):
    table = findings.gathered(runs, ["fixture", "empspeech", "cremad"], CONTRAST)
    assert table["corpus"].tolist() == ["EMPSPEECH", "CREMA-D"]
    assert table["answer"].tolist() == ["0.200 [0.100, 0.300]", "0.500 [0.400, 0.600]"]
    assert table["n clips"].tolist() == [9, 7]
    assert "red and green of audio" in table["question"].iloc[1]
    assert table["chapter"].iloc[0].startswith('<a href="../empspeech/02_unimodal.html">')


def test_sentences_say_what_is_not_here(runs):
    said = findings.sentences(runs, CONTRAST)
    assert list(said) == ["features", "seeds", "split", "people", "conflict", "known", "placebo"]
    assert "0.200 [0.100, 0.300] of 9 test clips" in said["split"]
    assert "people's votes on CREMA-D: audio 0.500 [0.400, 0.600]." in said["placebo"]
    for name in ("features", "seeds", "people", "conflict", "known"):
        assert said[name].endswith("is not in this copy of the book.")


def write(table, runs, profile, name):
    tables.write(pd.DataFrame(table), runs / profile / "artifacts", name)


def drawn(runs):
    """Title -> labels of its marks, of every panel."""
    fig = findings.picture(runs, CONTRAST)
    matplotlib.pyplot.close(fig)
    return {
        ax.get_title(loc="left").replace("\n", " "): [text.get_text() for text in ax.texts]
        for ax in fig.axes
    }


def test_the_picture_has_a_panel_for_what_was_run_and_none_that_is_empty(runs, tmp_path):
    split, above = drawn(runs).values()
    best = printed.table("table_01")["accuracy"].astype(float).max()
    assert split == [
        "only the recording, no content", "text model, released split", f"paper's best, {best:.2f}"
    ]  # fmt: skip
    assert above == ["audio (votes, CREMA-D)", "placebo"]
    nothing = findings.picture(tmp_path / "nowhere", CONTRAST)
    assert [len(ax.texts) for ax in nothing.axes] == [1]
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize(
    ("accuracy", "ends", "word"),
    [(0.9, (0.85, 0.95), "beats"), (0.8, (0.7, 0.9), "matches"), (0.5, (0.4, 0.6), "falls short")],
)
def test_titles_follow_the_numbers(runs, accuracy, ends, word):
    row = {"model": "recording only", "accuracy": accuracy, "n": 9}
    row |= dict(zip(("ci_low", "ci_high"), ends, strict=True))
    write([row], runs, "empspeech", "recording_baseline")
    over = [{"modality": m, "baseline": "both", "modality_rate": 0.4, "seed_rate": rate}
            for m, rate in (("text", 0.2), ("audio", 0.3))]  # fmt: skip
    write(over, runs, "mosi", "modality_over_seed")
    split, seeds, above = drawn(runs)
    assert f"The recording alone {word}" in split
    assert seeds == "Retraining alone makes 50 to 75 % of that disagreement (MOSI)"
    assert above == "Red and green are unsure beyond a placebo in 1 of 1 tests"


def test_the_verdict_of_the_first_page_follows_its_tables(runs, tmp_path):
    over = [{"modality": m, "baseline": "both", "ratio": r, "ci_low": r - 0.1, "ci_high": r + 0.1,
             "modality_rate": 0.4, "seed_rate": 0.4 / r}
            for m, r in (("text", 0.9), ("audio", 1.5), ("video", 1.6))]  # fmt: skip
    by_fusion = [row | {"baseline": "fusion"} for row in over]
    by_fusion[1] |= {"ratio": 0.7, "ci_low": 0.6, "ci_high": 0.8}  # audio, by this yardstick
    write(over, runs, "mosi", "modality_over_seed")
    said = findings.front(runs, CONTRAST)
    assert said["holds"].startswith("Audio and video disagree with fusion more than")
    assert said["holds"].endswith("gives 1.")
    write(over + by_fusion, runs, "mosi", "modality_over_seed")
    said = findings.front(runs, CONTRAST)
    assert said["holds"].startswith("Video disagrees with fusion more than")
    assert "and audio (0.70 [0.60, 0.80]) falls away." in said["holds"]
    assert "text 0.90 [0.80, 1.00]" in said["holds"]
    assert "20.0 % [10, 30]" in said["split"]
    assert "in 1 of 1 tests; the largest excess is 0.500 [0.400, 0.600] nats" in said["placebo"]
    nothing = findings.front(tmp_path / "nowhere", CONTRAST)
    assert set(nothing) == set(said) and nothing["claim"] == said["claim"]
    assert {nothing[k] for k in ("holds", "split", "placebo")} == {
        "No run that tests this is here."
    }

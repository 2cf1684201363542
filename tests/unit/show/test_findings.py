"""`findings`. Oracle: the invented tables of runs that were put in."""

import matplotlib
import pandas as pd
import pytest

from empdis_utils.controls import placebo
from empdis_utils.data import tables
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


def test_the_picture_has_a_panel_or_a_reason(runs, tmp_path):
    split, seeds, above = findings.picture(runs, CONTRAST).axes
    labels = [text.get_text() for text in split.get_yticklabels()]
    assert labels == ["recording only\n(released split)", "text model\n(released split)"]
    assert seeds.texts[0].get_text() == "no fusion run in this copy"
    assert [text.get_text() for text in above.get_yticklabels()] == ["audio (people, CREMA-D)"]
    nothing = findings.picture(tmp_path / "nowhere", CONTRAST)
    assert [len(ax.texts) for ax in nothing.axes] == [1, 1, 1]
    matplotlib.pyplot.close("all")

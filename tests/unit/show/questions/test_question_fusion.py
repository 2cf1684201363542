"""Tests of `empdis_utils.show.questions.fusion`. Each test names its oracle."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from empdis_utils.controls import shuffled_join
from empdis_utils.show.questions import fusion


def joined(gain=-0.05, wrong=0.0):
    """A table shuffled_join: `gain` of the true join over text, `wrong` minus the true join."""
    accuracy = [0.7, 0.7 + wrong, 0.7 + wrong, 0.7 + wrong, 0.7 - gain]
    table = pd.DataFrame({"join": [*shuffled_join.JOINS, "text alone"], "accuracy": accuracy})
    table["inputs"] = ["text+audio+video"] * 4 + ["text"]
    table = table.assign(n=100, n_seeds=5, ci_low=table["accuracy"] - 0.02,
                         ci_high=table["accuracy"] + 0.02, sd_seeds=0.01)  # fmt: skip
    for name, other in (("minus_true", 0.7), ("minus_alone", 0.7 - gain)):
        table[name] = table["accuracy"] - other
        table[f"{name}_low"], table[f"{name}_high"] = table[name] - 0.02, table[name] + 0.02
    return table


BASELINES = pd.DataFrame(
    {"baseline": ["concatenation", "majority vote"], "accuracy": [0.75, 0.6], "ci_low": 0.55,
     "ci_high": 0.8}
)  # fmt: skip
GATES = pd.DataFrame(
    {"modality": ["audio", "text", "video"], "gate_mean": [0.48, 0.51, 0.49], "gate_low": 0.4,
     "gate_high": 0.6}
)  # fmt: skip
SHAPLEY = pd.DataFrame(
    {"modality": ["text", "audio", "video"], "retrained_accuracy": [0.1, -0.04, 0.0],
     "retrained_accuracy_low": [0.05, -0.06, -0.02], "retrained_accuracy_high": [0.15, -0.02, 0.03]}
)  # fmt: skip


def test_rows_run_from_one_modality_over_the_joins_to_the_regression():
    rows = fusion.rows_to_draw(joined(), BASELINES)
    assert rows["label"].tolist() == [
        "text alone", "all three, joined rightly", "shuffled in training", "shuffled in testing",
        "shuffled in both", "all three, plain regression",
    ]  # fmt: skip
    assert rows["shuffled"].tolist() == [False, False, True, True, True, False]
    assert rows["accuracy"].iloc[0] == pytest.approx(0.75) and rows["accuracy"].iloc[-1] == 0.75


def test_gates_and_gains_are_of_the_same_modality():
    """Oracle: the two tables, read by name."""
    both = fusion.gates_and_gains(GATES, SHAPLEY).set_index("modality")
    assert list(both.index) == ["text", "audio", "video"]
    assert both["gate"].to_dict() == {"text": 0.51, "audio": 0.48, "video": 0.49}
    assert both["gain"].to_dict() == {"text": 0.1, "audio": -0.04, "video": 0.0}


@pytest.mark.parametrize(
    "gain, words",
    [(-0.05, "less accurate than"), (0.0, "no more accurate"), (0.05, "more accurate")],
)
def test_gain_is_worded_by_the_paired_interval(gain, words):
    said = fusion.sentence_gain(joined(gain=gain), "MOSI")
    assert f"is {words}" in said and f"0.70 against {0.7 - gain:.2f}" in said


@pytest.mark.parametrize(
    "wrong, words, answer",
    [(-0.05, "is less accurate", "it is worse"), (0.0, "is about as accurate", "no worse"),
     (0.05, "is more accurate", "even better")],
)  # fmt: skip
def test_a_wrong_join_is_worded_by_the_paired_interval(wrong, words, answer):
    table = joined(wrong=wrong)
    assert fusion.sentence_join(table, "MOSI").count(words) == 2
    assert answer in fusion.sentence_answer(table)


def test_each_gain_has_its_word():
    said = fusion.sentence_gates(fusion.gates_and_gains(GATES, SHAPLEY), "MOSI")
    assert "between 0.48 and 0.51" in said and "accuracy gained by text" in said
    assert "accuracy lost by audio" in said and "nothing to be seen by video" in said


def test_figure_says_who_gains():
    """Oracle: titles and the number of panels, for a desk and for a phone."""
    both = fusion.gates_and_gains(GATES, SHAPLEY)
    parts = {
        name: (table, fusion.rows_to_draw(table, BASELINES), both, 0.6)
        for name, table in {"MOSI": joined(), "Synthetic": joined(0.05, -0.05)}.items()
    }
    for width in (8.0, 3.9):
        fig = fusion.figure(parts, width)
        titles = [ax.get_title(loc="left").replace("\n", " ") for ax in fig.axes]
        assert len(titles) == 4 and fig.get_figwidth() == width
        assert "MOSI: fusion loses to text alone; a wrong join costs nothing" in titles
        assert "Synthetic: fusion beats text alone; a wrong join costs accuracy" in titles
        assert "MOSI: gates from 0.48 to 0.51, only text gains" in titles
        plt.close(fig)

"""Sentences and figure of the page on people. Oracle: small tables whose answer is known."""

import matplotlib
import pandas as pd
import pytest

from empdis_utils.show.questions import people

matplotlib.use("Agg")


def change(*gains):
    rows = zip(("audio", "video"), gains, strict=True)
    return pd.DataFrame(
        [{"from": m, "estimate": g, "ci_low": g - 0.1, "ci_high": g + 0.1} for m, g in rows]
    )


def twice(*excess):
    """Rows of `placebo.gaps`: the placebo is always 0.2, ends lie 0.1 away."""
    rows = [
        {
            "modality": modality, "contrast": people.CONTRAST, "placebo": "same votes",
            "value": 0.2 + gap, "ci_low": 0.1 + gap, "ci_high": 0.3 + gap,
            "placebo_value": 0.2, "placebo_low": 0.1, "placebo_high": 0.3,
            "excess": gap, "excess_low": gap - 0.1, "excess_high": gap + 0.1,
        }
        for modality, gap in zip(("audio", "video", "all"), (*excess, 9.0), strict=True)
    ]  # fmt: skip
    return pd.DataFrame([*rows, {**rows[0], "contrast": "red - blue", "excess": 9.0}])


KAPPA = pd.DataFrame(
    {
        "modality": ["audio", "video", "audio+video"], "kappa": [0.3, 0.4, 0.5],
        "ci_low": [0.2, 0.3, 0.4], "ci_high": [0.4, 0.5, 0.6],
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("gain", "word"), [(0.2, "more than"), (0.0, "as far as can be told"), (-0.2, "less than")]
)
def test_agreement_follows_the_interval(gain, word):
    assert f"{word}" in people.agreement(change(gain, gain))
    assert people.agreement(change(0.2, -0.2)).index("more") < people.agreement(
        change(0.2, -0.2)
    ).index("less")


@pytest.mark.parametrize(
    ("excess", "word"),
    [(0.2, "divide people more than"), (0.0, "are not shown to divide"), (-0.2, "even less than")],
)
def test_division_follows_the_excess_over_the_placebo_and_no_other_row(excess, word):
    sentence = people.divided(twice(excess, excess))
    assert word in sentence and f"voice {excess:.2f}" in sentence and "9.0" not in sentence
    mixed = people.divided(twice(0.2, -0.2))
    assert "divide people more than" in mixed and "even less than" in mixed


def test_the_control_decides_whether_a_difference_is_diagnostic():
    assert "not diagnostic" in people.control(twice(0.0, -0.2))
    assert "one signal only" in people.control(twice(0.2, 0.0))
    both = people.control(twice(0.2, 0.2))
    assert "goes beyond the control" in both and "0.40 [0.30, 0.50]" in both
    assert both.count("0.20 [0.10, 0.30]") == 1, "two equal placebos are told once"


def test_quadrants_are_told_with_their_difference():
    parts = ["red", "green", "blue", "yellow", "red+green minus blue+yellow"]
    table = pd.DataFrame({"part": parts, "estimate": [0.1, 0.2, 0.3, 0.4, -0.2], "from": "video"})
    table = table.assign(ci_low=table["estimate"] - 0.1, ci_high=table["estimate"] + 0.1)
    sentence = people.by_quadrant(table)
    assert "From the face to both" in sentence and "gains less in red and green" in sentence
    assert "blue 0.30 [0.20, 0.40]" in sentence


def test_an_emotion_is_lost_only_where_the_correction_says_so():
    table = pd.DataFrame(
        {
            "emotion": ["happy", "sad", "fear"], "from": ["video", "audio", "audio"],
            "estimate": [-0.1, -0.1, 0.1], "ci_low": -0.2, "ci_high": 0.2,
            "p_holm": [0.01, 0.2, 0.01],
        }
    )  # fmt: skip
    sentence = people.by_emotion(table)
    assert "clear gains: 1; clear losses: 1" in sentence
    assert "happy" in sentence and "sad" not in sentence and "as the paper says" in sentence
    none = people.by_emotion(table.assign(p_holm=1.0))
    assert "clear losses: 0." in none and "as the paper says" not in none


def test_power_is_interpolated_and_changes_are_counted():
    power = pd.DataFrame(
        {
            "paired": [False, False, True, True], "difference": [0.2, 0.6, 0.2, 0.6],
            "power": [0.6, 1.0, 0.2, 0.7], "n_clips": 51,
        }
    )  # fmt: skip
    found = people.power_needed(power, [-0.1, 0.3, 0.5])
    assert found["quadrants"] == pytest.approx(0.4) and found["clips"] == 51
    assert found["rounds"] != found["rounds"], "no difference that was tried reaches the power"
    assert (found["below"], found["changes"]) == (2, 3)
    assert "too small to know" not in people.power_said(found)
    assert "too small to know" in people.power_said(found | {"below": 3})


@pytest.mark.parametrize(
    ("gap", "word"), [(-0.3, "finds it"), (0.0, "does not find"), (0.3, "the opposite")]
)
def test_simulated_annotators_waver_and_the_design_sees_it_or_not(gap, word):
    name = "change: red+green minus blue+yellow"
    row = {"subset": "all", "comparison": name, "estimate": gap, "n": 156}
    table = pd.DataFrame([row | {"ci_low": gap - 0.1, "ci_high": gap + 0.1}])
    sentence = people.simulated(table)
    assert word in sentence and "simulated" in sentence and "156 judged clips" in sentence
    assert ("can miss" in sentence) == (gap == 0)


@pytest.mark.parametrize("width", [8.0, 3.9])
def test_figure_shows_both_sides_of_the_control_and_stacks_on_a_phone(width):
    fig = people.figure(KAPPA, twice(-0.1, 0.0), width)
    left, right = fig.axes
    assert (left.get_position().y0 > right.get_position().y1) == (width < 5)
    dots = [line.get_xdata()[0] for line in right.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([0.1, 0.2, 0.2, 0.2])
    assert "do not divide" in fig.get_suptitle()
    assert "do not" not in people.figure(KAPPA, twice(0.2, 0.2), width).get_suptitle()
    matplotlib.pyplot.close("all")

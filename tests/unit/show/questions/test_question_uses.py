"""Sentences and figure of the page on uses. Oracle: gains with a known answer."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from empdis_utils.controls import using
from empdis_utils.show.questions import uses

matplotlib.use("Agg")
TITLES = {"abstain": "Knowing when", "stress": "A test", "repair": "Repairing"}


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def row(use, corpus, gain, control, half=1.0):
    """Gains in points; every interval reaches `half` to both sides."""
    values = {"gain": gain, "control_gain": control, "over_control": gain - control}
    ends = {
        f"{k}{e}": v + d for k, v in values.items() for e, d in (("_low", -half), ("_high", half))
    }
    found = {"use": use, "corpus": corpus, **values, **ends, "strongest": "entropy", "reason": ""}
    return found | {"verdict": using.verdict(found)}


def points(*rows):
    return pd.DataFrame([row(*one) for one in rows])


MIXED = points(
    ("abstain", "mosi", 3, 0), ("stress", "mosi", -3, 0), ("repair", "cremad", 0.5, 0.5),
    ("repair", "empspeech", 9, 0), ("abstain", "fixture", 5, 5), ("stress", "fixture", 5, 0),
)  # fmt: skip


def test_gains_and_losses_of_real_cross_modal_corpora_are_counted():
    said = uses.answer(MIXED, TITLES)
    assert said.startswith("Of 3 measurements on real corpora")
    assert "in 1 (knowing when, CMU-MOSI); it is worse in 1 (a test, CMU-MOSI)." in said
    assert uses.beside(MIXED, TITLES).startswith("Beside as many models")
    assert "better in 1 (knowing when, CMU-MOSI) of 3" in uses.beside(MIXED, TITLES)


def test_nulls_are_said():
    null = points(("abstain", "mosi", 0, 0))
    assert "in none; it is worse in none." in uses.answer(null, TITLES)
    assert "better in none of 1, and worse in none." in uses.beside(null, TITLES)


def test_without_real_corpora_or_controls_the_sentences_say_so():
    only = points(("abstain", "fixture", 0, 0))
    assert uses.answer(only, TITLES).startswith("No use could be measured on a real corpus")
    alone = points(("abstain", "mosi", 0, 0)).assign(over_control_low=np.nan)
    assert "no use has a retrained control" in uses.beside(alone, TITLES).lower()


@pytest.mark.parametrize(
    ("gain", "said"), [(3, "gains over"), (0, "is not shown to differ from"), (-3, "loses to")]
)
def test_a_use_follows_its_interval(gain, said):
    text = uses.of_use(points(("abstain", "mosi", gain, 0)), "abstain")
    assert f"On CMU-MOSI it {said} entropy: {gain:.2f} [" in text and "the control 0.00 [" in text
    near = points(("abstain", "mosi", gain * 0.33401, 0, abs(gain) * 0.333))
    assert said in uses.of_use(near, "abstain")  # the side is not read off rounded ends


def test_no_minus_before_zero():
    assert "-0.00" not in uses.of_use(points(("abstain", "mosi", -0.001, -0.004)), "abstain")


def test_uses_without_a_number_or_a_control_say_why():
    assert uses.of_use(MIXED, "nap") == "It was not measured here."
    lost = MIXED.iloc[[0]].assign(gain_low=np.nan, reason="too few recordings (n=3)")
    assert "On CMU-MOSI: too few recordings (n=3)." in uses.of_use(lost, "abstain")
    assert uses.answer(lost, TITLES).startswith("No use could be")
    alone = MIXED.iloc[[0]].assign(control_gain=np.nan, control_gain_low=np.nan)
    assert "there is no control" in uses.of_use(alone, "abstain")


def test_synthetic_clips_are_told_apart():
    said = uses.planted(MIXED, TITLES)
    assert (
        said == "On synthetic clips, 1 of 2 uses is shown (a test); knowing when: not diagnostic."
    )
    assert uses.planted(MIXED.iloc[:2], TITLES) == "No use was measured on synthetic clips."


@pytest.mark.parametrize("width", [8.0, 3.9])
def test_the_figure_has_a_row_for_each_use_and_corpus_and_its_control(width):
    fig = uses.figure(MIXED, TITLES, width)
    real, made = fig.axes
    marks = [line for line in real.lines if line.get_marker() == "o"]
    assert len(marks) == 8  # four rows, and their controls
    assert [line.get_xdata()[0] for line in marks[:2]] == [3, 0]
    assert "synthetic" in made.get_title(loc="left").lower()
    assert "in 1 of 3 measurements" in " ".join(fig._suptitle.get_text().split())
    words = [t.get_text() for t in (real.get_yticklabels() if width > 5 else real.texts)]
    assert words[0].startswith("Knowing when") and words[0].endswith("against entropy")

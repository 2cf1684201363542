"""Sentences and figure of the page on uncertainty. Oracle: tables with a known answer."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from empdis_utils.show.questions import unsure

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def risk(difference, placebo=0.0):
    """Areas of four flags; all differences but that of the placebo are the same."""
    pairs = [("entropy", ""), (unsure.COUNT, "entropy"), (unsure.BOTH, "entropy")]
    pairs += [(unsure.RETRAINED, "entropy"), (unsure.BOTH, unsure.RETRAINED)]
    table = pd.DataFrame(pairs, columns=["flag", "against"])
    change = [np.nan, difference, difference, 0.0, placebo]
    table = table.assign(aurc=0.2, ci_low=0.1, ci_high=0.3, difference=change)
    ends = {
        f"difference_{end}": table["difference"] + d for end, d in (("low", -0.1), ("high", 0.1))
    }
    return table.assign(**ends)


def above(*excess):
    names = ("text", "audio", "video", "all")
    return pd.DataFrame(
        [
            {
                "contrast": unsure.CONTRAST, "modality": m, "placebo": "same model",
                "value": gap, "ci_low": gap - 0.1, "ci_high": gap + 0.1,
                "placebo_value": 0.0, "placebo_low": -0.1, "placebo_high": 0.1,
                "excess": gap, "excess_low": gap - 0.1, "excess_high": gap + 0.1,
            }
            for m, gap in zip(names, (*excess, 9.0), strict=True)
        ]
    )  # fmt: skip


def curves():
    at = np.arange(1, 21) / 20
    heights = {unsure.COUNT: 0.4, "entropy": 0.1, unsure.RETRAINED: 0.2, unsure.BOTH: 0.3}
    return pd.concat(
        pd.DataFrame({"flag": flag, "coverage": at, "risk": r, "ci_low": 0.0, "ci_high": 1.0})
        for flag, r in heights.items()
    )


@pytest.mark.parametrize(
    ("difference", "word"),
    [(0.2, "worse than its plain"), (0.0, "not shown"), (-0.2, "better than its plain")],
)
def test_a_smaller_area_is_a_better_flag(difference, word):
    sentence = unsure.flag(risk(difference), "MOSI")
    assert word in sentence and f"difference {difference:.3f}" in sentence


@pytest.mark.parametrize(
    ("difference", "word"), [(0.2, "harms"), (0.0, "not shown to help"), (-0.2, "helps")]
)
def test_what_is_added_is_held_against_entropy_and_a_placebo(difference, word):
    assert word in unsure.added(risk(difference), "MOSI")
    assert "worse than sorting by how often" in unsure.added(risk(difference, 0.2), "MOSI")
    single = risk(difference).query("against != @unsure.RETRAINED")
    assert "trained again" not in unsure.added(single, "MOSI")


def test_excess_is_told_modality_by_modality():
    sentence = unsure.excess(above(0.2, 0.0, -0.2), "MOSI")
    assert "; no more unsure, as far as can be told, for audio" in sentence
    assert "are more unsure for text 0.20" in sentence and "less unsure for video" in sentence
    assert "9.00" not in sentence, "the pooled row is not a modality"


def test_calibration_is_off_only_where_its_interval_says_so():
    table = pd.DataFrame({"probabilities": ["as trained", "temperature scaled"], "ece": [0.1, 9]})
    table = table.assign(ece_high=0.2)
    assert "no miscalibration" in unsure.calibrated(table.assign(ece_low=0.0), "MOSI")
    assert "are off" in unsure.calibrated(table.assign(ece_low=0.05), "MOSI")


def test_sets_are_told_for_all_clips_and_for_red():
    table = pd.DataFrame(
        {
            "modality": ["all", "text", "text", "audio"], "level": 0.9, "note": "too few (n=1)",
            "quadrant": ["all", "red", "blue", "red"], "coverage": [0.9, 0.6, 0.3, 0.5],
            "ci_low": [0.8, 0.5, 0.2, np.nan], "ci_high": [1.0, 0.7, 0.4, np.nan],
        }
    )  # fmt: skip
    sentence = unsure.sets(table, "MOSI")
    assert "of 90% of clips" in sentence and "text 0.60 [0.50, 0.70]" in sentence
    assert "audio 0.50 (too few (n=1))" in sentence and "0.30" not in sentence


@pytest.mark.parametrize(
    ("difference", "word"), [(0.2, "worse"), (0.0, "no better"), (-0.2, "errors better")]
)
def test_figure_has_a_column_for_each_corpus_and_a_headline_of_the_first(difference, word):
    both = {"MOSI": curves(), "Synthetic": curves()}
    gaps = {"MOSI": above(0.1, 0.2, 0.3), "Synthetic": above(0.4, 0.5, 0.6)}
    fig = unsure.figure(both, gaps, risk(difference), 8.0)
    assert word in fig.get_suptitle() and "(MOSI)" in fig.get_suptitle() and len(fig.axes) == 4
    heights = [line.get_ydata()[0] for line in fig.axes[0].lines]
    assert heights == [0.4, 0.1, 0.2], "disagreement, entropy, own retraining"
    dots = [line.get_xdata()[0] for line in fig.axes[3].lines if line.get_marker() == "o"]
    assert dots == pytest.approx([0.4, 0.0, 0.5, 0.0, 0.6, 0.0])


def test_lines_are_named_on_their_outer_sides():
    fig = unsure.figure({"MOSI": curves()}, {"MOSI": above(0.1, 0.1, 0.1)}, risk(0.0), 8.0)
    at = {text.get_text(): text for text in fig.axes[0].texts}
    assert at["disagreement"].xy[1] == 0.4 and at["disagreement"].get_va() == "bottom"
    assert at["entropy"].xy[1] == 0.1 and at["entropy"].get_va() == "top"

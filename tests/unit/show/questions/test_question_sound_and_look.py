"""Sentences and figure of the page on features. Oracle: tables with a known answer."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from empdis_utils.show.questions import sound_and_look as page

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


TESTS = pd.DataFrame(
    {
        "family": ["text", "audio", "audio", "audio"], "feature": ["n_words", "a", "b", "c"],
        "contrast": "red-blue", "n_1": 5, "n_2": 9, "hedges_g": 0.5, "ci_low": 0.1, "ci_high": 0.9,
        "p": [0.01, 0.01, 0.04, np.nan], "p_permutation": [0.2, 0.001, 0.3, np.nan],
        "p_holm": [0.2, 0.004, 1.0, np.nan],
    }
)  # fmt: skip


def test_tests_are_counted_step_by_step_and_what_was_not_tested_is_not():
    counts = page.left(TESTS).set_index("family")
    assert list(counts.index) == ["audio", "text"], "sound first"
    assert counts.loc["audio", ["tested", "p", "p_permutation", "p_holm"]].tolist() == [2, 2, 1, 1]
    assert counts.loc["text", ["tested", "p", "p_permutation", "p_holm"]].tolist() == [1, 1, 0, 0]
    printed = page.left(TESTS.drop(columns="p_permutation"))
    assert printed["p_permutation"].isna().all() and printed["p_holm"].sum() == 1


def test_what_is_left_is_told_and_shuffling_only_where_it_was_done():
    sentence = page.said(page.left(TESTS), "MOSI")
    assert "3 of 3 comparisons" in sentence and "1 is left (sound 1, words 0)" in sentence
    assert "shuffled only inside recordings" in sentence
    assert "none are left" in page.said(page.left(TESTS.assign(p_holm=1.0)), "MOSI")
    printed = page.left(TESTS.drop(columns="p_permutation"))
    assert "shuffled" not in page.said(printed, "the paper")


def test_the_clearest_is_that_of_the_smallest_corrected_p():
    sentence = page.strongest(TESTS, "MOSI")
    assert "is a (sound), red against blue" in sentence and "corrected p 0.004" in sentence
    assert "0.50 [0.10, 0.90]" in sentence and "5 and 9 clips" in sentence


def test_groups_that_are_too_small_are_counted():
    sizes = pd.DataFrame({"smallest g with 80 % power": [0.25, 0.5, np.nan]})
    assert "0.25 to 0.50" in page.needed(sizes, "MOSI")
    assert "1 of 3 groups are too small" in page.needed(sizes, "MOSI")
    assert "too small" not in page.needed(sizes.dropna(), "MOSI")


@pytest.mark.parametrize(
    ("gap", "word"), [(-0.2, "have fewer"), (0.0, "have no fewer"), (0.2, "have more")]
)
def test_neighbours_are_told_by_the_excess(gap, word):
    row = {"value": gap - 0.3, "placebo_value": -0.3, "excess": gap}
    row = pd.Series(row | {"excess_low": gap - 0.1, "excess_high": gap + 0.1})
    sentence = page.boundary(row, "MOSI")
    assert word in sentence and f"{gap - 0.3:+.2f}, by retraining -0.30" in sentence


def test_features_beyond_retraining_are_named():
    table = pd.DataFrame({"feature": ["mean_pitch", "jitter", "hnr"], "excess": [0.2, 0.0, np.nan]})
    table["ci_low"], table["ci_high"] = 0.1, 0.3
    ends = {"excess_low": table["excess"] - 0.1, "excess_high": table["excess"] + 0.1}
    sentence = page.excess(table.assign(**ends), "the clips")
    assert "2 of 2 features differ" in sentence and "1 differ more" in sentence
    assert "(mean pitch)" in sentence and "jitter" not in sentence


def test_a_feature_that_marks_the_modality_alone_goes_beyond_retraining():
    """Oracle: a feature made to be 1 in the modality's red clips, and one made of noise."""
    rng = np.random.default_rng(0)
    clips = [f"c{k}" for k in range(200)]
    recordings = pd.Series([f"r{k % 10}" for k in range(200)], clips)
    parts, red = [], rng.random(200) < 0.5
    for drawn_by in ("modality", "same model"):
        own = red if drawn_by == "modality" else rng.random(200) < 0.5
        quadrant = np.where(own, "red", "blue")
        parts.append(pd.DataFrame({"clip_id": clips, "drawn_by": drawn_by, "quadrant": quadrant}))
    drawn = pd.concat(parts).assign(modality="audio", seed="1")
    features = pd.DataFrame({"clip_id": clips, "made": red * 1.0, "noise": rng.normal(size=200)})
    features = features.assign(status="ok", empty=np.nan).drop(index=0)
    found = page.beyond_retraining(features, drawn, recordings, n_boot=200).set_index("feature")
    assert list(found.index) == ["made", "noise"]
    assert found.loc["made", "value"] == 1 and found.loc["made", "excess_low"] > 0.5
    assert found.loc["noise", "excess_low"] < 0 < found.loc["noise", "excess_high"]


def test_the_planted_cue_is_found_or_missed():
    table = pd.DataFrame(
        {
            "planted sign": [1, -1, 1, 0, 0],
            "verdict": ["found", "found", "missed", "false alarm", "spared"],
        }
    )
    assert "finds 2 of 3" in page.recovered(table) and "calls 1 of 2" in page.recovered(table)


def test_figure_has_a_panel_for_each_corpus_and_its_headline_is_of_a_whole_one():
    counts = {"The paper": page.left(TESTS.drop(columns="p_permutation")), "MOSI": page.left(TESTS)}
    fig = page.figure(counts, 3.9)
    assert "MOSI: of 3 differences" in fig.get_suptitle() and fig.get_suptitle().endswith(
        "leaves 1"
    )
    paper, mosi = fig.axes
    dots = [line.get_xdata()[0] for line in mosi.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([1, 0.5, 0.5, 1, 0, 0])
    assert len([line for line in paper.lines if line.get_marker() == "o"]) == 4
    assert [text.get_text() for text in mosi.get_yticklabels()] == ["sound (2)", "words (1)"]
    names = {text.get_text() for text in mosi.texts}
    assert {"plain t-test", "inside recordings", "corrected"} <= names

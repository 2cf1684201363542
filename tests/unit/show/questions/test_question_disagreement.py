"""Tests of `empdis_utils.show.questions.disagreement`. Each test names its oracle."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from empdis_utils.controls import placebo
from empdis_utils.measures import disagreement as measured
from empdis_utils.show.questions import disagreement


@pytest.fixture(scope="module")
def study():
    """Sixty clips of twelve recordings, two modalities and their fusion, three seeds."""
    rng = np.random.default_rng(0)
    clips, rows = [f"c{i:02d}" for i in range(60)], []
    y = rng.integers(0, 2, 60)
    for inputs, noise in (("text", 0.3), ("audio", 0.6), ("text+audio", 0.4)):
        for seed in (1, 2, 3):
            p = np.clip(0.5 + (y - 0.5) * 0.6 + rng.normal(0, noise, 60), 0.01, 0.99)
            rows.append(
                pd.DataFrame({"clip_id": clips, "inputs": inputs, "source": "fusion", "seed": seed,
                              "fold": 0, "split": "test", "y": y, "p": p})
            )  # fmt: skip
    predictions = pd.concat(rows, ignore_index=True)
    dialog = pd.Series([f"r{i // 5:02d}" for i in range(60)], index=pd.Index(clips, name="clip_id"))
    sure = dict(groups=dialog, n_boot=200)
    over = measured.modality_over_seed(predictions, **sure)
    rates = placebo.rates(predictions, **sure)
    return over, rates, measured.quadrants(predictions), dialog


def test_rates_are_those_of_the_chapter(study):
    """Oracle: `measures.disagreement` and `controls.placebo`; the ratio by hand."""
    over, rates, *_ = study
    found = disagreement.against_retraining(over, rates).set_index("modality")
    assert list(found.index) == ["text", "audio"]
    both = over.query("baseline == 'fusion'").set_index("modality")
    assert found["fusion_again"].nunique() == 1
    assert (found["rate"] / found["fusion_again"]).to_dict() == pytest.approx(
        both["ratio"].to_dict()
    )
    again = (found["fusion_again"] + found["modality_again"]) / 2
    assert (found["rate"] - again).to_dict() == pytest.approx(found["excess"].to_dict(), abs=1e-9)
    assert (found["rate_low"] < found["rate"]).all() and (found["rate"] < found["rate_high"]).all()


def test_changes_are_counted_over_single_seeds(study):
    """Oracle: `measures.disagreement.stability`, which reads the memberships instead."""
    *_, quadrants, dialog = study
    found = disagreement.changes(quadrants, dialog).set_index(["modality", "quadrant"])
    known = measured.stability(quadrants, groups=dialog).set_index(["modality", "quadrant"])
    for modality in ("text", "audio"):
        for name in ("blue", "red", "green", "yellow"):
            key = (modality, name)
            assert found.loc[key, "n"] == known.loc[key, "n"]
            if known.loc[key, "n"]:
                assert found.loc[key, "n_changed"] == known.loc[key, "n_changed"]
        either = found.loc[(modality, disagreement.EITHER)]
        assert either["n"] == known.loc[modality].loc[["red", "green"], "n"].sum()
        assert either["n_seeds"] == 3


@pytest.mark.parametrize(
    "low, high, words",
    [(0.5, 0.9, "more often than"), (0.9, 1.1, "about as often as"), (1.1, 1.4, "less often than")],
)
def test_the_wording_follows_the_interval(low, high, words):
    row = pd.Series({"modality": "text", "rate": 0.2, "fusion_again": 0.25, "ratio": 0.8,
                     "ci_low": low, "ci_high": high})  # fmt: skip
    assert f"25% of the clips, {words} text alone" in disagreement.sentence_rates(row, "MOSI")
    row = row.replace({low: low - 1, high: high - 1}).rename(
        {"ci_low": "excess_low", "ci_high": "excess_high"}
    )
    row["excess"] = 0.1
    turned = {"more often than": "less often than", "less often than": "more often than"}
    expected = turned.get(words, "as often as")
    assert f"part {expected} two trainings" in disagreement.sentence_excess(row)


@pytest.mark.parametrize("n, start", [(7, "All 7 red and green"), (5, "5 of 7 red and green")])
def test_all_is_said_only_of_all(n, start):
    row = {"modality": "text", "n": 7, "n_changed": n, "n_seeds": 5, "share": n / 7,
           "ci_low": 0.5, "ci_high": 1.0}  # fmt: skip
    assert disagreement.sentence_changes(row).startswith(start)


def test_figure_has_a_panel_for_each_question_and_corpus(study):
    """Oracle: axes and titles, for a desk and for a phone."""
    over, rates, quadrants, dialog = study
    found = (disagreement.against_retraining(over, rates), disagreement.changes(quadrants, dialog))
    for width, columns in ((8.0, 2), (3.9, 1)):
        fig = disagreement.figure({"One": found, "Two": found}, width)
        assert len(fig.axes) == 4 and fig.get_figwidth() == width
        assert len({round(ax.get_position().x0, 1) for ax in fig.axes}) <= columns
        titles = " ".join(ax.get_title(loc="left").replace("\n", " ") for ax in fig.axes)
        either = found[1].query("quadrant == 'red or green' and modality == 'text'").iloc[0]
        assert f"{either['n']} red and green text clips" in titles and "Two: fusion" in titles
        plt.close(fig)

"""Tests of `empdis_utils.show.questions.one_modality`. Each test names its oracle."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from empdis_utils.show.questions import one_modality

FUSION = pd.DataFrame(
    {"inputs": ["audio", "text", "text+audio"], "n": 100, "n_seeds": 5,
     "accuracy": [0.55, 0.75, 0.9], "ci_low": [0.5, 0.7, 0.8], "ci_high": [0.65, 0.8, 0.95]}
)  # fmt: skip
UNIMODAL = pd.DataFrame(
    {"protocol": ["release", "crossfit"], "encoder": "auto", "modality": "text", "n": [154, 1535],
     "n_seeds": 1, "accuracy": [0.7, 0.55], "ci_low": [0.6, 0.5], "ci_high": [0.8, 0.6]}
)  # fmt: skip
SPLIT = pd.DataFrame(
    {"features": ["fine-tuned, 10 draws"] * 2 + ["recording only"], "n": 1400,
     "modality": ["text", "text", "none"], "folds": ["random", "grouped", "grouped"],
     "accuracy": [0.68, 0.54, 0.56], "ci_low": 0.5, "ci_high": [0.75, 0.6, 0.6]}
)  # fmt: skip


def test_majority_is_the_larger_share_of_the_splits_in_use(monkeypatch):
    audit = pd.DataFrame(
        {"check": ["label"] * 4 + ["clips"], "split_a": ["test"] * 2 + ["train"] * 2 + ["test"],
         "note": ["no", "yes", "no", "yes", ""], "n": [1, 3, 9, 1, 4]}
    )  # fmt: skip
    there = {"audit": audit, "manifest": pd.DataFrame({"split": ["test"]})}
    monkeypatch.setattr(one_modality.tables, "read", lambda folder, name: there[name])
    assert one_modality.majority("a run") == 0.75


def test_single_modalities_of_each_table_in_order():
    """Oracle: the tables by hand."""
    rows = one_modality.accuracies(FUSION, 0.6, corpus="MOSI")
    assert rows["modality"].tolist() == ["text", "audio"] and set(rows["corpus"]) == {"MOSI"}
    assert set(rows["held_out"]) == {"recordings"} and set(rows["majority"]) == {0.6}
    rows = one_modality.accuracies(UNIMODAL, 0.56)
    assert rows["held_out"].tolist() == ["clips", "recordings"] and set(rows["model"]) == {"auto"}
    rows = one_modality.accuracies(SPLIT, 0.56)
    assert len(rows) == 2 and rows["n_seeds"].isna().all()
    both = pd.concat([one_modality.accuracies(t, 0.56) for t in (UNIMODAL, SPLIT)])
    labels = one_modality.labelled(both.reset_index(drop=True))["label"].tolist()
    assert labels == ["text, 1 seed\nrecordings out", "text, 10 draws\nrecordings out",
                      "text, 1 seed\nclips out", "text, 10 draws\nclips out"]  # fmt: skip


@pytest.mark.parametrize("larger, words", [(0.6, "above"), (0.75, "not above"), (0.85, "below")])
def test_the_best_is_worded_by_its_interval(larger, words):
    rows = one_modality.accuracies(FUSION, larger)
    said = one_modality.sentence_best(rows, "MOSI")
    assert "text alone is right on 0.75 [0.70, 0.80]" in said
    assert f", {words} the larger class ({larger:.2f})" in said


def test_the_others_and_the_held_out_are_counted_by_their_intervals():
    rows = one_modality.accuracies(FUSION, 0.6)
    assert one_modality.sentence_other(rows) == "audio 0.55 [0.50, 0.65], not above it"
    held = one_modality.accuracies(UNIMODAL, 0.56).query("held_out == 'recordings'")
    assert one_modality.sentence_held(held).startswith("No text model")
    assert one_modality.sentence_held(held.assign(majority=0.4)).startswith("1 of 1 text models")
    row = pd.Series({"difference": -0.1, "ci_low": -0.2, "ci_high": 0.1})
    assert "knows no more than the recording alone" in one_modality.sentence_above(row)


@pytest.mark.parametrize(
    "larger, words",
    [(0.3, "each modality is above"), (0.6, "only text is above"), (0.9, "no modality is above")],
)
def test_title_follows_the_intervals(larger, words):
    assert words in one_modality.title(one_modality.accuracies(FUSION, larger), "MOSI")


def test_figure_has_a_panel_for_each_corpus_and_a_band_where_there_is_a_baseline():
    """Oracle: axes, titles and patches."""
    rows = one_modality.accuracies(FUSION, 0.6)
    rows = rows.assign(label=rows["modality"])
    parts = {
        "A": (rows, None, "A: point"),
        "B": (rows, (0.7, 0.6, 0.8, "recording only"), "B: point"),
    }
    for width in (8.0, 3.9):
        fig = one_modality.figure(parts, width)
        assert [ax.get_title(loc="left") for ax in fig.axes] == ["A: point", "B: point"]
        assert [len(ax.patches) for ax in fig.axes] == [0, 1] and fig.get_figwidth() == width
        assert "recording only" in [text.get_text() for text in fig.axes[1].texts]
        plt.close(fig)

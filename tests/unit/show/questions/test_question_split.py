"""Tests of `empdis_utils.show.questions.split`. Each test names its oracle."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from empdis_utils.show.questions import split

ACCURACY = pd.DataFrame(
    [(f, m, way, 100, a, a - 0.05, a + 0.05, 0.01)
     for f, m, pair in (("TF-IDF", "text", (0.69, 0.53)),
                        ("fine-tuned, 10 draws", "text", (0.68, 0.54)),
                        ("recording only", "none", (0.76, 0.56)))
     for way, a in zip(("random", "grouped"), pair, strict=True)],
    columns=["features", "modality", "folds", "n", "accuracy", "ci_low", "ci_high", "sd_repeats"],
)  # fmt: skip
UNIMODAL = pd.DataFrame(
    {"protocol": ["release", "crossfit"], "encoder": "auto", "modality": "text", "n": [15, 100],
     "accuracy": [0.7, 0.55], "ci_low": [0.6, 0.5], "ci_high": [0.8, 0.6]}
)  # fmt: skip
LEAK = pd.DataFrame(
    {"modality": ["text", "text", "audio", "audio"], "released split": ["train", "test"] * 2,
     "n": 50, split.HELD: [0.98, 0.75, 0.54, 0.6], "ci_low": [0.97, 0.7, 0.48, 0.54],
     "ci_high": [0.99, 0.78, 0.6, 0.67]}
)  # fmt: skip


def test_models_have_short_names_and_the_recording_comes_first():
    both = split.models(ACCURACY, UNIMODAL, 0.56)
    assert both["label"].unique().tolist() == [
        "recording only", "words (TF-IDF)", "fine-tuned encoder", "fine-tuned, released split",
    ]  # fmt: skip
    assert set(both["majority"]) == {0.56} and (both.groupby("label").size() == 2).all()


@pytest.mark.parametrize(
    "best, words", [(0.6, "more than"), (0.77, "on a level with"), (0.9, "less than")]
)
def test_the_recording_is_worded_by_its_interval(best, words):
    alone = pd.Series({"accuracy": 0.79, "ci_low": 0.7, "ci_high": 0.85})
    said = split.sentence_alone(alone, best, "the best model")
    assert f"clips: {words} the best model ({best:.2f})" in said and "0.79 [0.70, 0.85]" in said


def test_models_above_the_larger_class_are_counted_with_their_whole_interval():
    """Oracle: by hand; the recording alone is no text model."""
    both = split.models(ACCURACY, UNIMODAL, 0.56)
    assert "none of 3 text models is above" in split.sentence_held(both)
    assert "2 of 3 text models are above" in split.sentence_held(both.assign(majority=0.485))
    assert "they score 0.53 to 0.55" in split.sentence_held(both)


def test_features_know_labels_where_intervals_do_not_touch():
    rows = split.borrowed(LEAK)
    said = split.sentence_borrowed(rows)
    assert "text 0.98 on train clips, 0.75 on test clips" in said and "audio" not in said
    none = split.sentence_borrowed(rows[rows["modality"] == "audio"])
    assert none.startswith("No modality's features")


def test_losses_and_marks_are_quoted():
    gains = pd.DataFrame({"features": ["TF-IDF", "recording only"], "ci_low": 0.1, "ci_high": 0.2,
                          "random minus grouped": [0.16, 0.2]})  # fmt: skip
    assert split.sentence_lost(gains) == "words (TF-IDF) 0.16 [0.10, 0.20]"
    marks = pd.DataFrame({"strength": [0, 0, 4, 4], "folds": ["random", "grouped"] * 2})
    marks = marks.assign(accuracy=[0.5, 0.5, 0.8, 0.51], ci_low=0.4, ci_high=0.9)
    said = split.sentence_mark(marks)
    assert said.index("0.80") < said.index("clips are held out") < said.index("0.51")


def test_figure_has_three_panels_with_their_points():
    """Oracle: titles and strokes, for a desk and for a phone."""
    both, rows = split.models(ACCURACY, UNIMODAL, 0.56), split.borrowed(LEAK)
    marks = pd.DataFrame({"strength": [0, 4] * 2, "folds": ["random"] * 2 + ["grouped"] * 2,
                          "accuracy": 0.5, "ci_low": 0.4, "ci_high": 0.6})  # fmt: skip
    for width in (8.0, 3.9):
        fig = split.figure(both, [0.7, 0.77], marks, rows, width)
        titles = [ax.get_title(loc="left").replace("\n", " ") for ax in fig.axes]
        assert titles == [
            "EMPSPEECH: with recordings held out, no text model is above the larger class",
            "Made-up numbers that hold a recording's mark, and nothing else (synthetic)",
            "MOSI: published text features know the labels of the train split",
        ]
        strokes = [line for line in fig.axes[0].lines if line.get_marker() == "|"]
        assert strokes[0].get_xdata().tolist() == [0.7, 0.77] and fig.get_figwidth() == width
        plt.close(fig)

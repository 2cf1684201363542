"""`show.responses`. Oracle: the marks on the axes are the numbers of the tables."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from empdis_utils.show import responses

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def points(ax):
    return {tuple(np.round(xy, 6)) for line in ax.lines for xy in line.get_xydata()}


RESPONDERS = pd.DataFrame(
    {
        "responder": ["Okay", "mine", "target"],
        "kind": ["trivial", "system", "target"],
        "estimate": [0.8, 0.6, 0.7],
        "ci_low": [0.75, 0.5, np.nan],
        "ci_high": [0.85, 0.7, np.nan],
    }
)


@pytest.mark.parametrize("width", [8.0, 3.9])
def test_responders_are_sorted_with_their_intervals(width):
    fig = responses.rewarded(RESPONDERS, "A long title that says what is to be seen here", width)
    (ax,) = fig.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["mine", "target", "Okay"]
    assert {(0.6, 0), (0.7, 1), (0.8, 2), (0.75, 2), (0.85, 2)} <= points(ax)
    assert fig.get_suptitle().split()[0] == "A"


@pytest.mark.parametrize("width", [8.0, 3.9])
def test_budgets_go_from_the_published_to_the_fair_value(width):
    table = pd.DataFrame(
        {
            **{"system": ["long, text", "short, text"], "words": [70.0, 8.0]},
            **{"distinct": [0.2, 0.3], "equal_budget": [0.4, 0.39]},
            **{"ci_low": [0.38, 0.37], "ci_high": [0.42, 0.41]},
        }
    )
    (ax,) = responses.budgets(table, width=width).axes
    assert {(0, 0.2), (1, 0.4), (0, 0.3), (1, 0.39), (1, 0.42)} <= points(ax)
    heights = sorted(text.get_position()[1] for text in ax.texts if text.get_position()[0] > 1)
    assert np.diff(heights) == pytest.approx([0.024])  # labels stand apart


def test_labels_have_a_row_per_emotion_with_both_marks():
    rows = [
        ("joy", "agreed", 0.0), ("joy", "divided", 0.4), ("fear", "agreed", 0.01),
        ("fear", "divided", 0.3),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["emotion", "readers", "estimate"])
    table = table.assign(ci_low=table["estimate"], ci_high=table["estimate"] + 0.02)
    (ax,) = responses.labels(table, "title").axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["fear", "joy"]
    assert {(0.01, 0), (0.3, 0), (0.0, 1), (0.4, 1)} <= points(ax)
    assert {text.get_text() for text in ax.texts} == {"readers agreed", "readers divided"}

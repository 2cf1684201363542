"""Figures. Oracle: what matplotlib holds after the call, read back from its artists."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from empdis_utils.show import plots, style

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def dots(ax):
    """(x, y, face colour) of every marker that is not a tick."""
    found = [line for line in ax.lines if line.get_marker() not in ("None", "|", None)]
    return [(*line.get_xydata()[0], line.get_markerfacecolor()) for line in found]


ROWS = pd.DataFrame(
    {
        "what": ["a", "b", "c"], "modality": ["text", "audio", "else"], "g": [0.1, -0.2, 0.3],
        "ci_low": [0.0, np.nan, 0.2], "ci_high": [0.2, np.nan, 0.4], "open": [False, True, False],
    }
)  # fmt: skip


def test_each_row_is_a_dot_at_its_value_from_the_top_down():
    ax = plots.intervals(ROWS, "g", "what", hollow="open", lines={0: "-", np.nan: "--"}).axes[0]
    assert [(x, y) for x, y, _ in dots(ax)] == [(0.1, 0), (-0.2, 1), (0.3, 2)]
    faces = [face for *_, face in dots(ax)]
    assert faces == [style.MODALITY_COLORS["text"], "white", "black"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.get_ylim() == (2.5, -0.5)
    upright = [line for line in ax.lines if list(line.get_xdata()) == [0, 0]]
    assert len(upright) == 1, "a reference that is not known is not drawn"


def test_panels_share_their_rows_and_ticks_stand_on_theirs():
    both = pd.concat([ROWS.assign(side="one"), ROWS.assign(side="two", g=1.0)])
    fig = plots.intervals(both, "g", "what", panels="side", points={"b": [0.5, 0.6]})
    assert [ax.get_title() for ax in fig.axes] == ["one", "two"]
    assert [x for x, *_ in dots(fig.axes[1])] == [1.0, 1.0, 1.0]
    (ticks,) = [
        line for line in fig.axes[0].lines if line.get_marker() == "|" and len(line.get_xdata())
    ]
    assert ticks.get_xdata().tolist() == [0.5, 0.6] and set(ticks.get_ydata()) == {1.22}


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="nothing"):
        plots.intervals(ROWS, "nothing", "what")
    assert plots.intervals(ROWS.head(0), "g", "what").axes[0].get_ylim() == (0.5, -0.5)


def test_a_message_is_its_text():
    (text,) = plots.message("this corpus has no transcripts").axes[0].texts
    assert text.get_text() == "this corpus has no transcripts"


def test_flow_draws_every_path_and_colours_those_that_stay():
    paths = pd.DataFrame({"one": ["a", "b", "b"], "two": ["a", "a", "b"], "n": [2, 1, 1]})
    fig = plots.flow(paths, ["one", "two"], "n", headings=["before", "after"],
                     names={"a": "joy", "b": "fear"}, title="who moves")  # fmt: skip
    ax = fig.axes[0]
    said = [text.get_text() for text in ax.texts]
    assert sorted(said) == ["after", "before", "fear 25%", "fear 50%", "joy 50%", "joy 75%"]
    heights = sorted(round(-bar.get_height(), 9) for bar in ax.patches)
    assert heights == [0.25, 0.5, 0.5, 0.75] and ax.get_title() == "who moves"
    assert len(ax.collections) == 3, "a band for each path"
    grey = [band for band in ax.collections if np.ptp(band.get_facecolor()[0][:3]) == 0]
    assert len(grey) == 1, "one answer changes"
    with pytest.raises(KeyError, match="nothing"):
        plots.flow(paths, ["one", "nothing"], "n")
    assert len(plots.flow(paths.head(0), ["one", "two"], "n").axes[0].patches) == 0

"""Parts of the question pages. Oracle: the artists that matplotlib holds, and sentences."""

import matplotlib
import pandas as pd
import pytest

from empdis_utils.show.questions import parts

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def test_ends_of_another_name_become_those_of_an_estimate():
    table = pd.DataFrame({"x": [1.0], "p_low": [0.5], "p_high": [2.0], "ci_low": [9.0]})
    row = parts.as_estimate(table, "x", "p").iloc[0]
    assert (row["estimate"], row["ci_low"], row["ci_high"]) == (1.0, 0.5, 2.0)
    with pytest.raises(KeyError):
        parts.as_estimate(table, "x", "q")


def test_panels_stand_beside_each_other_only_where_there_is_room():
    fig, axes = parts.panels(8.0, [2, 2, 2], columns=2)
    fig.draw_without_rendering()
    one, two, three = (ax.get_position() for ax in axes)
    assert one.y0 == pytest.approx(two.y0) and three.y1 < one.y0 and len(fig.axes) == 3
    fig, axes = parts.panels(3.9, [2, 2, 2], columns=2)
    fig.draw_without_rendering()
    one, two, three = (ax.get_position() for ax in axes)
    assert one.x0 == pytest.approx(two.x0) and one.y0 > two.y1 > three.y1


def test_a_headline_is_broken_to_the_width_of_its_figure():
    lines = {}
    for width in (8.0, 3.9):
        fig, _ = parts.panels(width, [2])
        parts.headline(fig, "word " * 16)
        lines[width] = fig.get_suptitle().count("\n")
    assert lines[3.9] > lines[8.0]


def test_a_control_is_open_and_dotted():
    _, (ax,) = parts.panels(8.0, [2])
    parts.mark(ax, 0.2, 0.1, 0.3, 0, "red")
    parts.mark(ax, 0.2, 0.1, 0.3, 1, "red", hollow=True)
    dots = [line.get_markerfacecolor() for line in ax.lines if line.get_marker() == "o"]
    assert dots == ["red", "white"]
    assert [line.get_linestyle() for line in ax.lines if len(line.get_xdata()) == 2] == ["-", ":"]

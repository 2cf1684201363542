"""`labelled`. Oracle: the artists that matplotlib holds."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from empdis_utils.show import labelled

TABLE = pd.DataFrame(
    {"label": ["a", "b"], "estimate": [0.2, 0.4], "ci_low": [0.1, np.nan], "ci_high": [0.3, np.nan],
     "hollow": [False, True], "twin": [0.3, 0.1]}
)  # fmt: skip


def drawn(**how):
    fig = labelled.figure([(2, lambda ax: labelled.rows(ax, TABLE, **how))], 3.9, 2)
    (ax,) = fig.axes
    plt.close(fig)
    return ax


def test_each_mark_has_its_label_and_a_whisker_where_it_has_an_interval():
    ax = drawn(title="a point " * 20)
    assert [text.get_text() for text in ax.texts] == ["a", "b"]
    whiskers = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    assert [list(ends) for ends in whiskers] == [[0.1, 0.3]]
    faces = [line.get_markerfacecolor() for line in ax.lines if line.get_marker() == "o"]
    assert faces == ["black", "white"]
    assert "\n" in ax.get_title(loc="left")


def test_lines_are_named_and_twins_are_joined():
    ax = drawn(lines={0.5: "a coin"}, other="twin", low=None)
    assert "a coin" in [text.get_text() for text in ax.texts]
    joined = [list(line.get_xdata()) for line in ax.lines if line.get_alpha() == 0.4]
    assert joined == [[0.2, 0.3], [0.4, 0.1]]


def test_panels_stand_side_by_side_only_where_there_is_room():
    draws = [(2, lambda ax: None)] * 3
    for width, shape in ((8.0, (2, 2)), (3.9, (3, 1))):
        fig = labelled.figure(draws, width, 2)
        grid = fig.axes[0].get_subplotspec().get_gridspec()
        assert (grid.nrows, grid.ncols) == shape
        plt.close(fig)

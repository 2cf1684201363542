"""What the figures and sentences of several question pages are made of."""

from textwrap import fill

from matplotlib import pyplot as plt

from empdis_utils.show.layouts import WIDTHS

__all__ = ["as_estimate", "headline", "is_wide", "listed", "mark", "panels"]


def as_estimate(table, value):
    """The same rows with `value`, ``value_low`` and ``value_high`` as estimate, ci_low, ci_high.

    `style.estimate_text` and `style.by_side` read these names. A `value` whose ends are
    already called ci_low and ci_high keeps them.

    Examples
    --------
    >>> import pandas as pd
    >>> row = pd.DataFrame({"excess": [0.1], "excess_low": [0.0], "excess_high": [0.3]})
    >>> as_estimate(row, "excess")[["estimate", "ci_low", "ci_high"]].iloc[0].tolist()
    [0.1, 0.0, 0.3]
    """
    ends = {end: f"{value}_{end.removeprefix('ci_')}" for end in ("ci_low", "ci_high")}
    ends = {end: name for end, name in ends.items() if name in table}
    return table.assign(estimate=table[value], **{end: table[n] for end, n in ends.items()})


def listed(words):
    """Words as in a sentence: ``text, voice and face``.

    Examples
    --------
    >>> listed(["text", "voice", "face"]), listed(["text"]), listed([])
    ('text, voice and face', 'text', 'none')
    """
    *first, last = words or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def is_wide(width):
    """Whether a figure of this width (inches) is the one for a desk."""
    return width > (WIDTHS["wide"] + WIDTHS["narrow"]) / 2


def panels(width, heights, *, shares=None, sharex=False):
    """A figure and its panels: beside each other at a desk, below each other on a phone.

    `width`: inches. `heights`: inches of each panel on a phone; at a desk the highest one counts.
    `shares`: of the width at a desk. Returns (figure, array of axes).
    """
    n, how = len(heights), {"squeeze": False, "layout": "constrained", "sharex": sharex}
    if is_wide(width):
        size = (width, max(heights) + 0.4)
        fig, grid = plt.subplots(1, n, figsize=size, width_ratios=shares, **how)
    else:
        size = (width, sum(heights) + 0.6)
        fig, grid = plt.subplots(n, 1, figsize=size, height_ratios=heights, **how)
    for ax in grid.ravel():
        ax.tick_params(labelsize=9)
    return fig, grid.ravel()


def headline(fig, text):
    """Title of a whole figure, from its left edge, broken to its width."""
    width = fig.get_size_inches()[0]
    fig.suptitle(fill(text, int(width * 10.5)), x=0.01, ha="left", fontsize=11, fontweight="bold")


def mark(ax, x, low, high, y, color, *, hollow=False, shape="o"):
    """A dot with its interval, full, or open and dotted for what serves as a control."""
    ax.plot([low, high], [y, y], ":" if hollow else "-", color=color, linewidth=1.5)
    face = "white" if hollow else color
    ax.plot(x, y, shape, color=color, markerfacecolor=face, markersize=7)

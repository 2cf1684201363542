"""What the figures and sentences of several question pages are made of."""

from textwrap import fill

from matplotlib import pyplot as plt

from empdis_utils.show.layouts import WIDTHS

__all__ = ["about", "as_estimate", "headline", "is_wide", "listed", "mark", "panels"]


def as_estimate(table, value, ends):
    """The same rows with `value` and its ends as estimate, ci_low and ci_high.

    `style.estimate_text` and `style.by_side` read these names. `ends` is what the names of the ends
    begin with.

    Examples
    --------
    >>> import pandas as pd
    >>> row = pd.DataFrame({"excess": [0.1], "excess_low": [0.0], "excess_high": [0.3]})
    >>> as_estimate(row, "excess", "excess")[["estimate", "ci_low", "ci_high"]].iloc[0].tolist()
    [0.1, 0.0, 0.3]
    """
    limits = {f"ci_{end}": table[f"{ends}_{end}"] for end in ("low", "high")}
    return table.assign(estimate=table[value], **limits)


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


def panels(width, heights, *, columns=None, shares=None):
    """A figure and its panels: beside each other at a desk, below each other on a phone.

    Parameters
    ----------
    width : float
        Inches.
    heights : sequence of float
        Inches of each panel on a phone. At a desk the highest of a row counts.
    columns : int, optional
        Panels in a row at a desk. Default: all.
    shares : sequence of float, optional
        Of the width at a desk, a column each.

    Returns
    -------
    fig : matplotlib.figure.Figure
    axes : list of Axes
        In reading order.
    """
    columns = (columns or len(heights)) if is_wide(width) else 1
    rows = [max(heights[k : k + columns]) for k in range(0, len(heights), columns)]
    fig, grid = plt.subplots(
        len(rows), columns, figsize=(width, sum(rows) + 0.5), squeeze=False, layout="constrained",
        height_ratios=rows, width_ratios=shares if columns > 1 else None,
    )  # fmt: skip
    axes = grid.ravel()
    for ax in axes[len(heights) :]:
        ax.remove()
    for ax in axes:
        ax.tick_params(labelsize=9)
    return fig, list(axes[: len(heights)])


def headline(fig, text):
    """Title of a whole figure, from its left edge, broken to its width."""
    width = fig.get_size_inches()[0]
    fig.suptitle(fill(text, int(width * 10.5)), x=0.01, ha="left", fontsize=11, fontweight="bold")


def about(ax, title, xlabel=""):
    """Title of a panel, from its left edge, and what its axis shows."""
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_xlabel(xlabel, fontsize=9)


def mark(ax, x, low, high, y, color, *, hollow=False, shape="o"):
    """A dot with its interval, full, or open and dotted for what serves as a control."""
    ax.plot([low, high], [y, y], ":" if hollow else "-", color=color, linewidth=1.5)
    face = "white" if hollow else color
    ax.plot(x, y, shape, color=color, markerfacecolor=face, markersize=7)

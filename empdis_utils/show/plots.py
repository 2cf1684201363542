"""Figures: one function for each kind. Tidy tables in, a matplotlib figure out.

A cell that draws is one call: ``fig = plots.intervals(...)``. What a figure needs is computed in
the cells before it, so nothing is joined, tested or read here.
"""

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt

from empdis_utils.show.style import MODALITY_COLORS, QUADRANT_COLORS

__all__ = ["flow", "intervals", "message"]

#: Colour of each thing that has one on every page; what is not named is black.
COLORS = {**MODALITY_COLORS, **QUADRANT_COLORS, "voice": MODALITY_COLORS["audio"]}


def flow(table, columns, size, *, headings=(), names=None, colors=None, title="", width=7.6):
    """Bands that run from the answers in one column to the answers in the next.

    A band whose two ends are the same answer has that answer's colour; the others are grey.

    Parameters
    ----------
    table : DataFrame
        One row per path.
    columns : sequence of str
        From left to right; their values are the answers.
    size : str
        Column: how thick the band is.
    headings : sequence of str
        Written over the columns.
    names : dict, optional
        Answer -> what is written beside its bar; also their order, from the top.
    colors : sequence of color, optional
        One for each answer, in that order.
    title : str
    width : float
        Inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    KeyError
        A column that the table lacks.

    Examples
    --------
    >>> import pandas as pd
    >>> paths = pd.DataFrame({"one": ["a", "b"], "two": ["a", "a"], "n": [2, 1]})
    >>> fig = flow(paths, ["one", "two"], "n", headings=["before", "after"])
    >>> [text.get_text() for text in fig.axes[0].texts][-2:]
    ['before', 'after']
    """
    seen = dict.fromkeys(answer for column in columns for answer in table[column])
    names = {answer: str(answer) for answer in seen} if names is None else names
    colors = dict(zip(names, colors or sns.color_palette("colorblind", len(names)), strict=False))
    total, gap, thick = table[size].sum(), 0.03, 0.05
    fig, ax = plt.subplots(figsize=(width, 4.4), layout="constrained")
    bottom = {}
    for at, column in enumerate(columns):
        level = 0.0
        sums = table.groupby(column)[size].sum() / total if total else {}
        for answer, name in names.items():
            high = float(sums.get(answer, 0))
            bottom[at, answer] = level
            if high:
                ax.bar(at, -high, 2 * thick, bottom=-level, color=colors[answer])
                side = {0: (-0.08, "right"), len(columns) - 1: (0.08, "left")}
                shift, align = side.get(at, (0, "center"))
                dark = {"color": "white", "fontweight": "bold"} if at not in side else {}
                label = f"{name} {high:.0%}" if at in side else f"{high:.0%}"
                middle = -level - high / 2
                ax.text(at + shift, middle, label, ha=align, va="center", fontsize=9, **dark)
            level += high + gap
    x = np.linspace(0, 1, 40)
    ease = x**2 * (3 - 2 * x)
    for at, pair in enumerate(zip(columns[:-1], columns[1:], strict=True)):
        level = {key: value for key, value in bottom.items() if key[0] in (at, at + 1)}
        sums = table.groupby(list(pair))[size].sum()
        for left in names:
            for right in names:
                high = float(sums.get((left, right), 0)) / total if total else 0.0
                if high:
                    a, b = level[at, left], level[at + 1, right]
                    top = -(a + (b - a) * ease)
                    same = left == right
                    ax.fill_between(
                        at + thick + (1 - 2 * thick) * x, top - high, top, linewidth=0,
                        color=colors[left] if same else "0.6", alpha=0.65 if same else 0.25,
                    )  # fmt: skip
                    level[at, left], level[at + 1, right] = a + high, b + high
    for at, heading in enumerate(headings):
        ax.text(at, 0.04, heading, ha="center", va="bottom", fontweight="bold")
    ax.set_title(title, pad=28)
    ax.set(xlim=(-0.45, len(columns) - 0.55))
    ax.set_axis_off()
    return fig


def intervals(
    table,
    value,
    label,
    *,
    low="ci_low",
    high="ci_high",
    hue="modality",
    marker="o",
    hollow=None,
    panels=None,
    points=None,
    lines=None,
    band=None,
    xlabel="",
    title="",
    xlim=None,
    row_height=0.4,
    width=7.2,
    axes=None,
):
    """A dot and a whisker for each row of a table, from the top down.

    Parameters
    ----------
    table : DataFrame
        In the order in which rows are drawn. With `panels`, the rows of a panel; labels are those
        of the first, and the others must have the same rows.
    value, label : str
        Columns: where the dot is, and what stands beside it.
    low, high : str or None
        Columns with the ends of the whisker; None draws dots alone. An end that is NaN is left out.
    hue : str or None
        Column whose entries have a colour in `COLORS` (modalities, quadrants); others are black, as
        is everything when there is no such column.
    marker : str
        Column of matplotlib markers, or one marker for all.
    hollow : str, optional
        Column of bool: True draws the dot open.
    panels : str, optional
        Column; one panel for each of its values, side by side.
    points : dict, optional
        Label -> values drawn as small ticks on its row, such as those of single seeds.
    lines : dict, optional
        x -> linestyle of a vertical line, such as ``{0: "-", majority: "--"}``.
    band : tuple of float, optional
        Ends of a grey vertical band.
    xlabel, title : str
        `title` is for figures of one panel; panels are titled by their value.
    xlim : tuple, optional
    row_height, width : float
        Inches.
    axes : sequence of Axes, optional
        Drawn into these, one per panel.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    KeyError
        A column that the table lacks.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"m": ["text"], "g": [0.2], "ci_low": [0.1], "ci_high": [0.4]})
    >>> fig = intervals(table, "g", "m", hue="m", lines={0: "-"}, xlabel="Hedges g")
    >>> [tick.get_text() for tick in fig.axes[0].get_yticklabels()]
    ['text']
    """
    parts = list(table.groupby(panels, sort=False)) if panels else [(title, table)]
    rows = max([len(part) for _, part in parts] or [0])
    if axes is None:
        size = (width, 1.1 + row_height * max(rows, 1))
        _, grid = plt.subplots(
            1, max(len(parts), 1), figsize=size, sharey=True, squeeze=False, layout="constrained"
        )
        axes = grid[0]
    for ax, (name, part) in zip(axes, parts, strict=False):
        if band:
            ax.axvspan(*band, color="0.9", zorder=0)
        for x, dash in (lines or {}).items():
            if np.isfinite(x):
                ax.axvline(x, color="black", linewidth=0.8, linestyle=dash, zorder=1)
        for row, item in enumerate(part.to_dict("records")):
            color = COLORS.get(item.get(hue), "black")
            ticks = (points or {}).get(item[label], ())
            ax.plot(ticks, [row + 0.22] * len(ticks), "|", color=color, markersize=5)
            if low:
                ax.plot([item[low], item[high]], [row, row], color=color, linewidth=1.5)
            ax.plot(
                item[value],
                row,
                item.get(marker, marker),
                color=color,
                markerfacecolor="white" if hollow and item[hollow] else color,
            )
        ax.set(title=name, xlabel=xlabel, ylim=(max(rows, 1) - 0.5, -0.5), xlim=xlim)
    if parts:
        axes[0].set_yticks(range(rows), parts[0][1][label])
    return axes[0].figure


def message(text, width=7.2, height=1.0):
    """A figure that only says why there is none, such as "this corpus has no transcripts".

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = plt.subplots(figsize=(width, height))
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", color="0.4")
    return fig

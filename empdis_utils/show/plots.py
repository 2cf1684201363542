"""Figures: one function for each kind. Tidy tables in, a matplotlib figure out.

A cell that draws is one call: ``fig = plots.intervals(...)``. What a figure needs is computed in
the cells before it, so nothing is joined, tested or read here.
"""

import numpy as np
from matplotlib import pyplot as plt

from empdis_utils.show.style import MODALITY_COLORS, QUADRANT_COLORS

__all__ = ["intervals", "message"]

#: Colour of each thing that has one on every page; what is not named is black.
COLORS = {**MODALITY_COLORS, **QUADRANT_COLORS, "voice": MODALITY_COLORS["audio"]}


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

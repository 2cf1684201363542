"""Figures: one function for each kind. Tidy tables in, a matplotlib figure out.

A cell that draws is one call: ``fig = plots.intervals(...)``. What a figure needs is computed in
the cells before it, so nothing is joined, tested or read here.
"""

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from pandas.api.types import is_numeric_dtype

from empdis_utils.show.style import MODALITY_COLORS, QUADRANT_COLORS, QUADRANT_MARKERS

__all__ = [
    "confidences",
    "curves",
    "dumbbells",
    "histograms",
    "intervals",
    "message",
    "recordings",
    "shifts",
    "specification_curve",
    "spreads",
]

#: Colour of each thing that has one on every page; what is not named is black.
COLORS = {**MODALITY_COLORS, **QUADRANT_COLORS, "voice": MODALITY_COLORS["audio"]}


def confidences(quadrants, threshold=None):
    """Confidence of the modality against that of fusion, with a histogram along each axis.

    Parameters
    ----------
    quadrants : DataFrame
        modality (a panel each), quadrant, conf_unimodal, conf_fusion; a row per clip and modality.
    threshold : float, optional
        Lines at it, on both axes.

    Returns
    -------
    matplotlib.figure.Figure
        Of each modality three axes: scatter, histogram above, histogram to the right.
    """
    parts = list(quadrants.groupby("modality", sort=False))
    rows, columns = -(-len(parts) // 2), min(2, len(parts))
    fig, grid = plt.subplots(rows, columns, figsize=(7.6, 3.6 * rows + 1.4), squeeze=False)
    fig.subplots_adjust(wspace=0.5, hspace=0.75)
    for ax in grid.ravel()[len(parts) :]:
        ax.remove()
    for k, (modality, part) in enumerate(parts):
        ax = grid[divmod(k, 2)]
        for quadrant, color in QUADRANT_COLORS.items():
            inside = part[part["quadrant"] == quadrant]
            ax.scatter(
                inside["conf_unimodal"], inside["conf_fusion"], s=30, alpha=0.6, color=color,
                marker=QUADRANT_MARKERS[quadrant], linewidth=0,
                label=f"{quadrant} ({len(inside)})",
            )  # fmt: skip
        if threshold is not None:
            ax.axvline(threshold, color="black", linewidth=0.8)
            ax.axhline(threshold, color="black", linewidth=0.8)
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel=f"confidence of {modality}")
        ax.set_ylabel("" if k % 2 else "confidence of fusion")
        ax.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=2, handletextpad=0.1,
            fontsize="small",
        )  # fmt: skip
        top = ax.inset_axes((0, 1.03, 1, 0.2), sharex=ax)
        side = ax.inset_axes((1.03, 0, 0.2, 1), sharey=ax)
        top.hist(part["conf_unimodal"], bins=20, color="0.6")
        side.hist(part["conf_fusion"], bins=20, color="0.6", orientation="horizontal")
        top.set_axis_off()
        side.set_axis_off()
    return fig


def curves(
    table,
    x,
    y,
    hue,
    *,
    low=None,
    high=None,
    band=False,
    black=None,
    dashed=(),
    color=None,
    panels=None,
    lines=None,
    at=None,
    diagonal=False,
    log=False,
    xlabel=None,
    ylabel="",
    ylim=None,
    width=None,
):
    """A line with a mark for each entry of a column, over numbers or over levels.

    Parameters
    ----------
    table : DataFrame
    x, y, hue : str
        Columns. Text in `x` makes evenly spaced levels, in the order in which they come. Each entry
        of `hue` is a line, in its colour of `COLORS` where it has one.
    low, high : str, optional
        Columns with the ends of an interval: a whisker, or a shade with ``band=True``.
    black : sequence of str, optional
        Entries of `hue` that are black; all others are then grey.
    dashed : sequence of str
        Entries of `hue` whose line is dashed.
    color : str, optional
        Column whose entries have the colour in `COLORS`, where those of `hue` have none.
    panels : str, optional
        Column; one panel for each of its values, side by side.
    lines : dict, optional
        y -> linestyle of a horizontal line.
    at : float, optional
        x of a dashed vertical line.
    diagonal : bool
        A line on which y is x.
    log : bool
        A logarithmic axis for `x`, with ticks at its values.
    xlabel, ylabel : str
    ylim : tuple, optional
    width : float, optional
        Inches.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"n": [8, 16], "power": [0.4, 0.9], "score": "entropy"})
    >>> fig = curves(table, "n", "power", "score", ylim=(0, 1))
    >>> fig.axes[0].lines[0].get_ydata().tolist()
    [0.4, 0.9]
    """
    parts = list(table.groupby(panels, sort=False)) if panels else [("", table)]
    size = (width or (6.4 if len(parts) == 1 else 9.6), 3.6)
    fig, grid = plt.subplots(
        1, len(parts), figsize=size, sharey=ylim is not None, squeeze=False, layout="constrained"
    )
    shapes = dict(zip(table[hue].unique(), "os^vDdPX<>" * 9, strict=False)) | QUADRANT_MARKERS
    for ax, (title, part) in zip(grid[0], parts, strict=True):
        levels = None if is_numeric_dtype(part[x]) else list(part[x].unique())
        for name, own in part.groupby(hue, sort=False):
            known = COLORS.get(own[color].iloc[0] if color else name)
            paint = known if black is None else "black" if name in black else "0.55"
            across = own[x] if levels is None else own[x].map(levels.index)
            (line,) = ax.plot(
                across, own[y], "--" if name in dashed else "-", marker=shapes[name], color=paint,
                label=name,
            )  # fmt: skip
            if band:
                ax.fill_between(across, own[low], own[high], color=line.get_color(), alpha=0.15)
            elif low:
                ax.vlines(across, own[low], own[high], color=line.get_color(), linewidth=1)
        if at is not None:
            ax.axvline(at, color="black", linewidth=0.8, linestyle="--")
        if diagonal:
            ax.axline((0, 0), slope=1, color="black", linewidth=0.8)
        for level, dash in (lines or {}).items():
            ax.axhline(level, color="black", linewidth=0.8, linestyle=dash)
        if levels is not None:
            ax.set_xticks(range(len(levels)), levels)
            ax.set_xlim(-0.3, len(levels) - 0.7)
        if log:
            ticks = sorted(part[x].unique())
            ax.set(xscale="log", xticks=ticks, xticklabels=ticks)
            ax.minorticks_off()
        ax.set(xlabel=x if xlabel is None else xlabel, ylim=ylim)
        ax.set_title(title, fontsize=10)
    grid[0][0].set_ylabel(ylabel)
    grid[0][-1].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    return fig


def dumbbells(table, value, other, label, *, hue="modality", xlabel="", title="", ax=None):
    """For each row a filled dot and an open one, joined by a line.

    Parameters
    ----------
    table : DataFrame
    value, other, label, hue : str
        Columns: where the filled dot is, where the open one is (NaN: none), what stands beside
        them, and what has a colour in `COLORS`.
    xlabel, title : str
    ax : Axes, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(7.2, 1.2 + 0.6 * len(table)), layout="constrained")
    for row, item in enumerate(table.to_dict("records")):
        color = COLORS.get(item[hue], "black")
        ax.plot([item[other], item[value]], [row, row], color=color, alpha=0.5)
        ax.plot(item[value], row, "o", color=color)
        ax.plot(item[other], row, "o", color=color, markerfacecolor="white")
    ax.set_yticks(range(len(table)), table[label])
    ax.set(xlabel=xlabel, ylim=(max(len(table), 1) - 0.5, -0.5), xlim=(0, None))
    ax.set_title(title, fontsize="medium")
    return ax.figure


def histograms(table, value, hue, *, line, xlabel="", ylabel=""):
    """Overlaid histograms of whole numbers, one for each entry of `hue`, with a dashed line.

    The longest 1 % are gathered in the last bar.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = plt.subplots()
    values = table[value].astype(float)
    sns.histplot(
        table.assign(**{value: values.clip(upper=values.quantile(0.99))}), x=value, hue=hue,
        element="step", discrete=True, stat="probability", common_norm=False, palette="colorblind",
        ax=ax,
    )  # fmt: skip
    ax.axvline(line, color="black", linestyle="--")
    ax.set(xlabel=xlabel, ylabel=ylabel)
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
    from_first=False,
    wrap=None,
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
    from_first : bool
        A dashed line through the first dot of each panel: what the others are held against.
    wrap : int, optional
        Panels in a line; the others go below.
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
        columns = min(len(parts), wrap or len(parts)) or 1
        deep = -(-len(parts) // columns) or 1
        size = (width, deep * (1.1 + row_height * max(rows, 1)))
        _, grid = plt.subplots(
            deep, columns, figsize=size, sharey=True, squeeze=False, layout="constrained"
        )
        axes = grid.ravel()
        for ax in axes[max(len(parts), 1) :]:
            ax.set_axis_off()
    for ax, (name, part) in zip(axes, parts, strict=False):
        if band:
            ax.axvspan(*band, color="0.9", zorder=0)
        for x, dash in (lines or {}).items():
            if np.isfinite(x):
                ax.axvline(x, color="black", linewidth=0.8, linestyle=dash, zorder=1)
        if from_first and len(part):
            ax.axvline(part[value].iloc[0], color="black", linewidth=0.8, linestyle="--", zorder=1)
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


def message(text, width=7.2, height=1.0, ax=None):
    """A figure that only says why there is none, such as "this corpus has no transcripts".

    Returns
    -------
    matplotlib.figure.Figure
        The one of `ax`, if that is given.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(width, height))
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", color="0.4")
    return ax.figure


def recordings(table, group, value, *, ylabel=""):
    """A bar for each recording, sorted by the mean of `value`, as wide as it has clips.

    Parameters
    ----------
    table : DataFrame
        One row per clip.
    group, value : str
        Columns: the recording, and a number or bool. A dashed line is the mean of all clips.

    Returns
    -------
    matplotlib.figure.Figure
    """
    per = table.groupby(group)[value].agg(["mean", "size"]).sort_values(["mean", "size"])
    fig, ax = plt.subplots()
    ax.bar(
        per["size"].cumsum() - per["size"], per["mean"], width=per["size"], align="edge",
        color=MODALITY_COLORS["fusion"], edgecolor="white", linewidth=0.4,
    )  # fmt: skip
    ax.axhline(table[value].mean(), color="black", linestyle="--")
    ax.set(xlabel="clips, gathered by recording", ylabel=ylabel, ylim=(0, 1))
    return fig


def shifts(
    table,
    value,
    label,
    side,
    *,
    low="ci_low",
    high="ci_high",
    hue="modality",
    ticks=None,
    lines=None,
    xlabel="",
):
    """For each row a line from an open to a filled dot: the same thing, measured two ways.

    Parameters
    ----------
    table : DataFrame
        Two rows for each label, the one with the open dot first.
    value, label, side : str
        Columns: where the dot is, what stands beside the line, which of the two it is.
    low, high, hue : str
        Columns, as for `intervals`.
    ticks : (str, sequence of float), optional
        A row above the others, with a small tick at each number.
    lines : dict, optional
        x -> linestyle of a vertical line.
    xlabel : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = list(table[label].unique())
    fig, ax = plt.subplots(figsize=(7.6, 0.55 * len(names) + 1.8), layout="constrained")
    for row, name in enumerate(names):
        pair = table[table[label] == name]
        color = COLORS.get(pair[hue].iloc[0], "black")
        ax.plot(pair[value], [row] * len(pair), color=color, linewidth=1.2)
        looks = zip(pair.to_dict("records"), (-0.14, 0.14), ("white", color), strict=True)
        for item, up, face in looks:
            ends = [item[low], item[high]]
            ax.plot(ends, [row + up] * 2, color=color, alpha=0.35, linewidth=2.5)
            ax.plot(
                item[value], row, "o", color=color, markerfacecolor=face, markersize=8,
                label=item[side],
            )  # fmt: skip
    first = 0
    if ticks is not None:
        first, names = -1, [ticks[0], *names]
        ax.plot(ticks[1], [-1] * len(ticks[1]), "|", color="black", markersize=14)
    for x, dash in (lines or {}).items():
        ax.axvline(x, color="black", linestyle=dash, linewidth=0.8)
    last = first + len(names)
    ax.set(xlabel=xlabel, ylim=(last - 0.5, first - 0.5))
    ax.set_yticks(range(first, last), names)
    return fig


def specification_curve(holds, choices, order, reference):
    """Every specification a column: how many directions hold, which, and what was chosen.

    Parameters
    ----------
    holds : bool DataFrame
        Specifications by directions.
    choices : DataFrame
        Specifications by choices. A choice that never varies is left out.
    order : int array
        Specifications from left to right.
    reference : array [3, specifications]
        Low end, middle and high end of the sorted count where nothing is true.

    Returns
    -------
    matplotlib.figure.Figure
    """
    choices, names = choices.loc[:, choices.nunique() > 1], list(holds)
    made = {f"{c}: {v}": choices[c] == v for c in choices for v in choices[c].unique()}
    heights = [3.0, 0.17 * len(names) + 0.3, 0.15 * len(made) + 0.3]
    fig, axes = plt.subplots(
        3, 1, figsize=(9, sum(heights)), sharex=True, height_ratios=heights, layout="constrained"
    )
    (low, middle, high), at = reference, np.arange(len(order))
    band = dict(color="0.85", step="mid", label="where nothing is true (95 %)")
    axes[0].fill_between(at, low, high, **band)
    steps = dict(drawstyle="steps-mid")
    axes[0].plot(at, middle, "--", color="0.5", label="its median", **steps)
    axes[0].plot(at, holds.sum(axis=1).to_numpy()[order], color="black", label="found", **steps)
    axes[0].set(ylabel="directions that hold", ylim=(-0.3, len(names) + 0.3))
    axes[0].legend(loc="upper left", fontsize=8)
    for ax, rows, color in ((axes[1], dict(holds), "black"), (axes[2], made, "0.4")):
        for row, there in enumerate(rows.values()):
            columns = np.flatnonzero(there.to_numpy()[order])
            ax.plot(columns, [row] * len(columns), "|", color=color, markersize=5)
        ax.set_yticks(range(len(rows)), list(rows), fontsize=7)
        ax.set_ylim(len(rows) - 0.5, -0.5)
    axes[2].set_xlabel("specifications, sorted")
    return fig


def spreads(table, group, values):
    """Violins of some columns, a panel each, one violin for each entry of `group`.

    Parameters
    ----------
    table : DataFrame
    group : str
        Column whose entries have a colour in `COLORS`.
    values : sequence of str
        Columns; they share one axis.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = plt.subplots(1, len(values), figsize=(7.6, 3.2), sharey=True, squeeze=False)
    for ax, value in zip(axes[0], values, strict=True):
        sns.violinplot(
            table, x=group, y=value, hue=group, palette=COLORS, legend=False, cut=0, inner="quart",
            ax=ax,
        )  # fmt: skip
        ax.set(title=value, xlabel="", ylabel="")
    return fig

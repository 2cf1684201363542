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
    "boxes",
    "curves",
    "forest",
    "intervals",
    "message",
    "pairs",
    "projection",
    "shifts",
    "specification_curve",
    "violins",
]

#: Colour of each thing that has one on every page; what is not named is black.
COLORS = {**MODALITY_COLORS, **QUADRANT_COLORS, "voice": MODALITY_COLORS["audio"]}


def boxes(table, value, *, panels="modality", line=None, ylabel=""):
    """Boxes of a value in each quadrant, one panel for each entry of `panels`.

    Parameters
    ----------
    table : DataFrame
        quadrant, and the columns `value` and `panels`.
    line : float, optional
        Where a dashed horizontal line stands.

    Returns
    -------
    matplotlib.figure.Figure
    """
    grid = sns.catplot(
        table, x="quadrant", y=value, col=panels, kind="box", order=list(QUADRANT_COLORS),
        hue="quadrant", palette=QUADRANT_COLORS, legend=False, fliersize=2, height=3.4, aspect=1,
    )  # fmt: skip
    if line is not None:
        grid.refline(y=line, color="black", linewidth=0.8)
    return grid.set_titles("{col_name}").set_axis_labels("", ylabel).figure


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
    panels=None,
    lines=None,
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
    panels : str, optional
        Column; one panel for each of its values, side by side.
    lines : dict, optional
        y -> linestyle of a horizontal line.
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
    shapes = dict(zip(table[hue].unique(), "os^vDdPX<>" * 9, strict=False))
    for ax, (title, part) in zip(grid[0], parts, strict=True):
        levels = None if is_numeric_dtype(part[x]) else list(part[x].unique())
        for name, own in part.groupby(hue, sort=False):
            color = COLORS.get(name) if black is None else "black" if name in black else "0.55"
            at = own[x] if levels is None else own[x].map(levels.index)
            (line,) = ax.plot(
                at, own[y], "--" if name in dashed else "-", marker=shapes[name], color=color,
                label=name,
            )  # fmt: skip
            if band:
                ax.fill_between(at, own[low], own[high], color=line.get_color(), alpha=0.15)
            elif low:
                ax.vlines(at, own[low], own[high], color=line.get_color(), linewidth=1)
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


def forest(tests, n=5):
    """Effect sizes of the tests with the smallest permutation p, one panel below the other.

    Parameters
    ----------
    tests : DataFrame
        As of `inference.compare_groups`. Filled marks: `p_holm` is below 0.05.
    n : int
        Tests of each family and contrast.

    Returns
    -------
    matplotlib.figure.Figure
    """
    ranked = tests.dropna(subset=["p_permutation"]).sort_values(["p_permutation", "p"])
    ranked = ranked.groupby(["family", "contrast"], sort=False).head(n)
    if ranked.empty:
        return message("nothing to compare: every group is too small")
    sides = ranked["contrast"].str.split("-")
    first, second = sides.str[0], sides.str[1]
    ranked = ranked.assign(
        label=ranked["feature"] + "  " + ranked["contrast"],
        hue=first.where(second == "blue"),
        marker=first.map(QUADRANT_MARKERS).where(second == "blue", "D"),
        hollow=ranked["p_holm"] >= 0.05,
    ).sort_values(["contrast", "hedges_g"])
    panels = dict(list(ranked.groupby("family")))
    heights = [len(part) + 1.5 for part in panels.values()]
    fig, axes = plt.subplots(
        len(panels), 1, figsize=(7.2, 0.8 + 0.24 * sum(heights)), height_ratios=heights,
        sharex=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    for ax, (family, part) in zip(axes[:, 0], panels.items(), strict=True):
        how = dict(hue="hue", marker="marker", hollow="hollow", lines={0: "-"}, title=family)
        intervals(part, "hedges_g", "label", **how, axes=[ax])
        ax.tick_params(axis="y", labelsize="small")
    axes[0, 0].autoscale(axis="x")  # `intervals` has set the limits of one panel
    axes[-1, 0].set_xlabel("Hedges g (first group minus second)")
    return fig


def intervals(
    table,
    value,
    label,
    *,
    low="ci_low",
    high="ci_high",
    hue="modality",
    marker=None,
    hollow=None,
    beside=None,
    dodge=None,
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
    marker : str, optional
        Column of matplotlib markers, or one marker for all. By default a quadrant in `hue` has its
        own, all else a dot.
    hollow : str, optional
        Column of bool: True draws the dot open.
    beside : tuple of str, optional
        Columns of a second value and the ends of its interval, drawn open and dotted on the row.
    dodge : str, optional
        Column. Rows with the same label share a line; the entries of this column lie side by side
        on it, and stand in a legend.
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
    rows = max([part[label].nunique() if dodge else len(part) for _, part in parts] or [0])
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
        names = list(dict.fromkeys(part[dodge])) if dodge else []
        place = {name: row for row, name in enumerate(dict.fromkeys(part[label]))}
        shift = dict(zip(names, np.linspace(-0.27, 0.27, len(names)), strict=True))
        for row, item in enumerate(part.to_dict("records")):
            row = place[item[label]] + shift[item[dodge]] if dodge else row - 0.1 * bool(beside)
            color = COLORS.get(item.get(hue), "black")
            ticks = (points or {}).get(item[label], ())
            ax.plot(ticks, [row + 0.22] * len(ticks), "|", color=color, markersize=5)
            if low:
                ax.plot([item[low], item[high]], [row, row], color=color, linewidth=1.5)
            ax.plot(
                item[value],
                row,
                item.get(marker, marker or QUADRANT_MARKERS.get(item.get(hue), "o")),
                color=color,
                markerfacecolor="white" if hollow and item[hollow] else color,
                label=names.pop(0) if item.get(dodge) in names[:1] else None,
            )
            if beside:
                ax.plot([item[end] for end in beside[1:]], [row + 0.2] * 2, ":", color=color)
                ax.plot(item[beside[0]], row + 0.2, "o", color=color, markerfacecolor="white")
        if dodge and len(part):
            ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
        ax.set(title=name, xlabel=xlabel, ylim=(max(rows, 1) - 0.5, -0.5), xlim=xlim)
    if parts:
        labels = parts[0][1][label]
        axes[0].set_yticks(range(rows), dict.fromkeys(labels) if dodge else labels)
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


def pairs(table, x, y, line, *, panels, style=None):
    """A line from one level to the next for each pair of measurements.

    Parameters
    ----------
    table : DataFrame
    x, y : str
        Columns: the level, such as calm and angry, and the value.
    line : str
        Column that tells pairs apart.
    panels : str
        Column; one panel for each entry, titled by it, with a scale of its own.
    style : str, optional
        Column whose entries have a line style each.

    Returns
    -------
    matplotlib.figure.Figure
    """
    grid = sns.relplot(
        table, x=x, y=y, col=panels, units=line, style=style, kind="line", estimator=None,
        marker="o", color="0.3", linewidth=1, height=3.2, aspect=0.8, legend=False,
        facet_kws={"sharey": False},
    )  # fmt: skip
    grid.set(xlim=(-0.2, 1.2)).set_titles("{col_name}").set_axis_labels("", "")
    return grid.figure


def projection(table):
    """Clips in two coordinates by quadrant; one panel for each true label.

    Parameters
    ----------
    table : DataFrame
        x, y, label (the panel), and quadrant; clips without a quadrant are small grey dots.

    Returns
    -------
    matplotlib.figure.Figure
    """
    grid = sns.FacetGrid(table, col="label", col_order=sorted(table["label"].unique()), height=4.2)
    for name, ax in grid.axes_dict.items():
        own = table[table["label"] == name]
        rest = own[own["quadrant"].isna()]
        ax.scatter(rest["x"], rest["y"], s=6, color="0.8")
        for quadrant, color in QUADRANT_COLORS.items():
            part = own[own["quadrant"] == quadrant]
            ax.scatter(
                part["x"], part["y"], s=30, color=color, marker=QUADRANT_MARKERS[quadrant],
                alpha=0.75, linewidth=0, label=f"{quadrant} ({len(part)})",
            )  # fmt: skip
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncol=2, fontsize="small")
    return grid.set(xticks=[], yticks=[]).set_titles("{col_name}").figure


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


def violins(table, *, order=("red", "green", "blue"), min_n=5, wrap=3):
    """Every clip's value by quadrant, as dots, with a violin and the median.

    Parameters
    ----------
    table : DataFrame
        feature (the panel), quadrant, value; missing values are left out.
    order : sequence of str
        Quadrants.
    min_n : int
        Smaller groups have dots only.
    wrap : int
        Panels in a line.

    Returns
    -------
    matplotlib.figure.Figure
    """
    grid = sns.FacetGrid(
        table, col="feature", col_wrap=wrap, sharey=False, sharex=False, height=2.5
    )
    for name, ax in grid.axes_dict.items():
        own = table[(table["feature"] == name) & table["value"].notna()]
        groups = [own.loc[own["quadrant"] == q, "value"] for q in order]
        rng = np.random.default_rng(0)
        for at, (quadrant, part) in enumerate(zip(order, groups, strict=True)):
            color = QUADRANT_COLORS[quadrant]
            if len(part) >= min_n and part.nunique() > 1:
                body = ax.violinplot(part, [at], widths=0.85, showextrema=False)["bodies"][0]
                body.set(facecolor=color, alpha=0.3)
            ax.scatter(
                at + rng.uniform(-0.12, 0.12, len(part)), part, s=13, color=color, alpha=0.6,
                marker=QUADRANT_MARKERS[quadrant], linewidth=0,
            )  # fmt: skip
            if len(part):
                ax.hlines(part.median(), at - 0.25, at + 0.25, color="black", linewidth=1.5)
        names = [f"{q}\nn = {len(part)}" for q, part in zip(order, groups, strict=True)]
        ax.set_xticks(range(len(order)), names, fontsize="small")
    return grid.set_titles("{col_name}").set_axis_labels("", "").figure

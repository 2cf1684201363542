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
    "boxes", "confidences", "curves", "dumbbells", "fitting_counts", "flow", "forest",
    "histograms", "intervals", "message", "pairs", "projection", "recordings", "shares_below",
    "shifts", "specification_curve", "spreads", "violins",
]  # fmt: skip

#: Colour of each thing that has one on every page; what is not named is black.
COLORS = {**MODALITY_COLORS, **QUADRANT_COLORS, "voice": MODALITY_COLORS["audio"]}
#: Shape of each thing that has one; ties and clips without a majority are in no quadrant.
SHAPES = {**QUADRANT_MARKERS, "tie": "d", "none": "d", "contrast": "D"}


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


def confidences(quadrants, threshold=None):
    """Confidence of the modality against that of fusion, with a histogram along each axis.

    `quadrants`: modality (a panel each), quadrant, conf_unimodal, conf_fusion; a row per clip and
    modality. `threshold`: lines at it, on both axes. Of each modality three axes: scatter,
    histogram above, histogram to the right.
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
    hollow=(),
    color=None,
    panels=None,
    lines=None,
    ticks=None,
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
    hollow : sequence of str
        Entries of `hue` whose line is dashed and whose marks are open.
    color : str, optional
        Column whose entries have the colour in `COLORS`, where those of `hue` have none.
    panels : str, optional
        Column; one panel for each of its values, side by side.
    lines : dict, optional
        y -> linestyle of a horizontal line.
    ticks : (str, sequence of float), optional
        What they are, and values of `x`: strokes at the top, such as numbers of the paper.
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
            dash = "--" if name in (*dashed, *hollow) else "-"
            (line,) = ax.plot(across, own[y], dash, marker=shapes[name], color=paint, label=name)
            if name in hollow:
                line.set_markerfacecolor("white")
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
        if ticks:
            ax.plot(
                ticks[1], [0.97] * len(ticks[1]), "|", transform=ax.get_xaxis_transform(),
                color=COLORS["red"], markersize=14, markeredgewidth=2, label=ticks[0],
            )  # fmt: skip
        if levels is not None:
            ax.set_xticks(range(len(levels)), levels)
            ax.set_xlim(-0.3, len(levels) - 0.7)
        if log:
            levels = sorted(part[x].unique())
            ax.set(xscale="log", xticks=levels, xticklabels=levels)
            ax.minorticks_off()
        ax.set(xlabel=x if xlabel is None else xlabel, ylim=ylim)
        ax.set_title(title, fontsize=10)
    grid[0][0].set_ylabel(ylabel)
    grid[0][-1].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    return fig


def dumbbells(table, value, other, label, *, xlabel="", title="", ax=None):
    """For each row a filled dot and an open one, joined by a line.

    `value`, `other`, `label`: columns: where the filled dot is, where the open one is (NaN: none),
    and what stands beside them. `modality` gives the colour.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(7.2, 1.2 + 0.6 * len(table)), layout="constrained")
    for row, item in enumerate(table.to_dict("records")):
        color = COLORS.get(item["modality"], "black")
        ax.plot([item[other], item[value]], [row, row], color=color, alpha=0.5)
        ax.plot(item[value], row, "o", color=color)
        ax.plot(item[other], row, "o", color=color, markerfacecolor="white")
    ax.set_yticks(range(len(table)), table[label])
    ax.set(xlabel=xlabel, ylim=(max(len(table), 1) - 0.5, -0.5), xlim=(0, None))
    ax.set_title(title, fontsize="medium")
    return ax.figure


def fitting_counts(fits, marked):
    """How many printed rates are whole counts, for each number of clips.

    `fits`: from `paper.printed.fitting_counts`. `marked`: a number of clips drawn as a square, and
    what it is.
    """
    fig, ax = plt.subplots(figsize=(7.2, 2.8))
    full, n = fits[fits["all"]], marked[0]
    ax.plot(fits["n"], fits["fits"], "o", color="0.75", markersize=3)
    ax.plot(full["n"], full["fits"], "o", color="black", markersize=5)
    square = dict(color="black", markerfacecolor="white", markersize=7)
    ax.plot(n, fits.set_index("n").loc[n, "fits"], "s", **square)
    if len(full):
        first = full["n"].iloc[0]
        ax.text(first - 5, 6.3, f"smallest fit: {first}", ha="right", fontsize=9)
    ax.text(2, 4.3, f"square: {n}, {marked[1]}", fontsize=9)
    ax.set(xlabel="number of clips", ylabel="rates that fit", yticks=range(7), ylim=(-0.4, 6.9))
    return fig


def flow(table, columns, size, *, headings=(), names=None, title=""):
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
    title : str

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
    colors = dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))
    total, gap, thick = table[size].sum(), 0.03, 0.05
    fig, ax = plt.subplots(figsize=(7.6, 4.4), layout="constrained")
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


def forest(tests):
    """Effect sizes of five tests of each family and contrast, those of the smallest permutation p.

    `tests`: as of `inference.compare_groups`. Filled marks: `p_holm` is below 0.05.
    """
    ranked = tests.dropna(subset=["p_permutation"]).sort_values(["p_permutation", "p"])
    ranked = ranked.groupby(["family", "contrast"], sort=False).head(5)
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


def histograms(table, value, hue, *, line, xlabel="", ylabel=""):
    """Overlaid histograms of whole numbers, one for each entry of `hue`, with a dashed line.

    The longest 1 % are gathered in the last bar.
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
    marker=None,
    hollow=None,
    beside=None,
    dodge=None,
    panels=None,
    points=None,
    lines=None,
    from_first=False,
    wrap=None,
    stacked=False,
    band=None,
    xlabel="",
    title="",
    xlim=None,
    log=None,
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
        Column of quadrants or matplotlib markers, or one marker for all. By default a quadrant in
        `hue` has its own, all else a dot.
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
    stacked : bool
        Panels one below the other, each with rows of its own.
    band : tuple of float, optional
        Ends of a grey vertical band.
    xlabel, title : str
        `title` is for figures of one panel; panels are titled by their value.
    xlim : tuple, optional
    log : sequence of float, optional
        Ticks of an axis that is then logarithmic.
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
    if axes is None and stacked:
        heights = [len(part) + 1 for _, part in parts] or [1]
        _, grid = plt.subplots(
            len(heights), 1, figsize=(width, 1.1 + row_height * sum(heights)), sharex=True,
            squeeze=False, layout="constrained", height_ratios=heights,
        )  # fmt: skip
        axes = grid.ravel()
    elif axes is None:
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
            shape = item.get(marker, marker) or QUADRANT_MARKERS.get(item.get(hue), "o")
            ax.plot(
                item[value],
                row,
                SHAPES.get(shape, shape),
                color=color,
                markerfacecolor="white" if hollow and item[hollow] else color,
                label=names.pop(0) if item.get(dodge) in names[:1] else None,
            )
            if beside:
                ax.plot([item[end] for end in beside[1:]], [row + 0.2] * 2, ":", color=color)
                ax.plot(item[beside[0]], row + 0.2, "o", color=color, markerfacecolor="white")
        if dodge and len(part):
            ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
        height = len(part) if stacked else rows
        ax.set(title=name, xlabel=xlabel, ylim=(max(height, 1) - 0.5, -0.5))
        if xlim:
            ax.set_xlim(xlim)
        if log:
            ax.set(xscale="log", xticks=log, xticklabels=log)
            ax.minorticks_off()
        if stacked:
            ax.label_outer()
    for ax, (_, part) in zip(axes, parts if stacked else parts[:1], strict=False):
        labels = list(dict.fromkeys(part[label])) if dodge else part[label]
        ax.set_yticks(range(len(labels)), labels)
    return axes[0].figure


def message(text, ax=None):
    """A figure that only says why there is none, such as "this corpus has no transcripts".

    The one of `ax`, if that is given.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(7.2, 1.0))
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", color="0.4")
    return ax.figure


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

    `table`: x, y, label (the panel), and quadrant; clips without a quadrant are small grey dots.
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


def recordings(table, group, value, *, ylabel=""):
    """A bar for each recording, sorted by the mean of `value`, as wide as it has clips.

    `table`: one row per clip. `group`, `value`: columns: the recording, and a number or bool. A
    dashed line is the mean of all clips.
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


def shares_below(table, names, *, at, dashed=(), xlabel="", ylabel=""):
    """Share of rows below each value, a step curve per column, beside the diagonal.

    Parameters
    ----------
    table : DataFrame
    names : dict
        Column -> its name in the legend.
    at : float
        x of a grey vertical line.
    dashed : sequence of str
        Columns drawn dashed.
    xlabel, ylabel : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = plt.subplots(figsize=(5, 4.4))
    ax.axline((0, 0), slope=1, color="black", linewidth=0.8)
    for column, name in names.items():
        dash = "--" if column in dashed else "-"
        ax.ecdf(table[column], linestyle=dash, color="black", label=name)
    ax.axvline(at, color="0.6", linewidth=0.8)
    ax.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, 1), ylim=(0, 1))
    ax.legend(loc="lower right")
    return fig


def shifts(table, value, label, side, *, ticks=None, lines=None, xlabel=""):
    """For each row a line from an open to a filled dot: the same thing, measured two ways.

    `table`: two rows for each label, the one with the open dot first. `value`, `label`, `side`:
    columns: where the dot is, what stands beside the line, which of the two it is. Whiskers are
    `ci_low` to `ci_high`; `modality` gives the colour. `ticks`: a row above the others, with a
    small tick at each number. `lines`: x -> linestyle of a vertical line.
    """
    names = list(table[label].unique())
    fig, ax = plt.subplots(figsize=(7.6, 0.55 * len(names) + 1.8), layout="constrained")
    for row, name in enumerate(names):
        pair = table[table[label] == name]
        color = COLORS.get(pair["modality"].iloc[0], "black")
        ax.plot(pair[value], [row] * len(pair), color=color, linewidth=1.2)
        looks = zip(pair.to_dict("records"), (-0.14, 0.14), ("white", color), strict=True)
        for item, up, face in looks:
            ends = [item["ci_low"], item["ci_high"]]
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

    `holds`: specifications by directions. `choices`: specifications by choices. A choice that never
    varies is left out. `order` (int array): specifications from left to right. `reference` (array
    [3, specifications]): low end, middle and high end of the sorted count where nothing is true.
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

    `group`: column whose entries have a colour in `COLORS`. `values`: columns; they share one axis.
    """
    fig, axes = plt.subplots(1, len(values), figsize=(7.6, 3.2), sharey=True, squeeze=False)
    for ax, value in zip(axes[0], values, strict=True):
        sns.violinplot(
            table, x=group, y=value, hue=group, palette=COLORS, legend=False, cut=0, inner="quart",
            ax=ax,
        )  # fmt: skip
        ax.set(title=value, xlabel="", ylabel="")
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
    grid.set_titles("{col_name}").set_axis_labels("", "").tight_layout()
    return grid.figure

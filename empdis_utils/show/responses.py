"""Figures of the chapters on answers: what a score rewards, lengths, and labels beside votes."""

import textwrap

import numpy as np
from matplotlib import pyplot as plt

from empdis_utils.show import style

__all__ = ["KINDS", "budgets", "labels", "rewarded"]

#: Colour and mark of who answers.
KINDS = {
    "trivial": (style.QUADRANT_COLORS["red"], "X"),
    "system": (style.QUADRANT_COLORS["blue"], "o"),
    "target": ("#444444", "D"),
}


def rewarded(table, title="", width=8.0):
    """Mean score of each responder with its interval, highest on top.

    Parameters
    ----------
    table : DataFrame [k]
        responder, kind (a key of `KINDS`), estimate, ci_low, ci_high.
    title : str
    width : float
        Inches.

    Returns
    -------
    matplotlib Figure
    """
    table = table.sort_values("estimate").reset_index(drop=True)
    fig, ax = plt.subplots(figsize=(width, 0.9 + 0.36 * len(table)))
    for y, row in table.iterrows():
        color, mark = KINDS[row["kind"]]
        ax.plot([row["ci_low"], row["ci_high"]], [y, y], color=color, lw=2)
        ax.plot(row["estimate"], y, mark, color=color, ms=8)
        ax.annotate(
            f"{row['estimate']:.2f}",
            (np.nanmax([row["ci_high"], row["estimate"]]), y),
            (6, 0),
            **{"textcoords": "offset points", "va": "center", "color": color, "size": "small"},
        )
    ax.set_yticks(range(len(table)), table["responder"])
    for label, kind in zip(ax.get_yticklabels(), table["kind"], strict=True):
        label.set_color(KINDS[kind][0])
    ax.set_xlim(min(table["ci_low"].min(), table["estimate"].min()) - 0.02, None)
    ax.margins(x=0.12)
    ax.set_xlabel("sentiment match" + (" (1: as the lines before)" if width > 5 else ""))
    _title(ax, title, width)
    return fig


def _title(ax, title, width):
    """Over the whole width of the figure, wrapped: text begins left of the axes."""
    if title:
        lines = textwrap.wrap(title, int(width * 9.5))
        ax.figure.suptitle("\n".join(lines), x=0.01, ha="left", size="medium", weight="bold")
    ax.figure.tight_layout()


def budgets(table, title="", width=8.0):
    """Dist-2 as published and at an equal budget: one line per system.

    Parameters
    ----------
    table : DataFrame
        From `measures.responses.diversity`: system, words, distinct, equal_budget, ci_low, ci_high.
    title : str
    width : float
        Inches.

    Returns
    -------
    matplotlib Figure
    """
    fig, ax = plt.subplots(figsize=(width, 4.2))
    names = ("as published", "equal number of word pairs")
    colors = list(style.QUADRANT_COLORS.values())
    ends = _apart(table["equal_budget"].to_numpy(), 0.024)
    for k, row in enumerate(table.to_dict("records")):
        color, y = colors[k % len(colors)], row["equal_budget"]
        ax.plot([0, 1], [row["distinct"], y], "-o", color=color, lw=2)
        ax.plot([1, 1], [row["ci_low"], row["ci_high"]], color=color, lw=4, alpha=0.4)
        told = row["system"] if width > 5 else row["system"].replace(", ", ",\n")
        if width > 5:
            told += f" ({row['words']:.0f} words per answer)"
        ax.text(1.06, ends[k], told, color=color, va="center", size="small")
        ax.text(-0.04, row["distinct"], f"{row['distinct']:.2f}", color=color, ha="right",
                va="center", size="small")  # fmt: skip
    ax.set_xticks([0, 1], names if width > 5 else [n.replace(" ", "\n", 1) for n in names])
    ax.set_xlim(-0.25, 2.1 if width > 5 else 2.0)
    ax.spines["bottom"].set_bounds(0, 1)
    ax.set_ylabel("Dist-2")
    _title(ax, title, width)
    return fig


def _apart(values, least):
    """Places for labels: the values, moved so that neighbours are `least` apart."""
    order, places = np.argsort(values), np.array(values, float)
    for low, high in zip(order[:-1], order[1:], strict=True):
        places[high] = max(places[high], places[low] + least)
    return places


def labels(table, title="", width=8.0):
    """Share of labels without one of five votes, by emotion: readers agreed, readers did not.

    Parameters
    ----------
    table : DataFrame
        emotion, readers (``agreed``, ``divided``), estimate, ci_low, ci_high, n.
    title : str
    width : float
        Inches.

    Returns
    -------
    matplotlib Figure
    """
    wide = table.pivot(index="emotion", columns="readers", values="estimate")
    order = wide.sort_values("divided").index
    fig, ax = plt.subplots(figsize=(width, 0.45 * len(order) + 1.5))
    for readers, color, mark in (("agreed", "#444444", "o"),
                                 ("divided", style.QUADRANT_COLORS["red"], "X")):  # fmt: skip
        part = table[table["readers"] == readers].set_index("emotion").reindex(order)
        y = np.arange(len(order))
        ax.hlines(y, part["ci_low"], part["ci_high"], color=color, lw=2)
        ax.plot(part["estimate"], y, mark, color=color, ms=8)
        top = len(order) - 1
        at = np.nanmax([part["ci_high"].iloc[top], part["estimate"].iloc[top]])
        told = {"agreed": "readers agreed", "divided": "readers divided"}[readers]
        ax.annotate(told, (at, top), (6, 0), color=color, va="center", size="small",
                    textcoords="offset points")  # fmt: skip
    ax.set_yticks(range(len(order)), order)
    ax.set_xlim(-0.03, None)
    ax.margins(x=0.2)
    ax.set_xlabel("share of labels that none of five readers gave")
    _title(ax, title, width)
    return fig

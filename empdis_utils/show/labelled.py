"""Panels whose marks carry their own labels: nothing stands in a legend or beside an axis."""

import textwrap

import numpy as np
from matplotlib import pyplot as plt

__all__ = ["figure", "rows"]

ROW = 0.44  # inches
CHARACTERS = 10.8  # of a title, per inch


def figure(draws, width, columns):
    """Panels in a grid on a desk, one below the other on a phone.

    Parameters
    ----------
    draws : sequence of (int, callable)
        For each panel how many rows it has, and what draws it into an Axes.
    width : float
        Inches. Under six, panels stand below each other.
    columns : int
        Panels in a line on a wide figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = min(columns, len(draws)) if width > 6 else 1
    lines = [draws[k : k + columns] for k in range(0, len(draws), columns)]
    heights = [1.2 + ROW * max(n for n, _ in line) for line in lines]
    fig, axes = plt.subplots(
        len(lines), columns, figsize=(width, sum(heights)), squeeze=False, layout="constrained",
        height_ratios=heights,
    )  # fmt: skip
    fig.get_layout_engine().set(wspace=0.06, hspace=0.04)
    for ax in axes.flat[len(draws) :]:
        ax.set_axis_off()
    for ax, (_, draw) in zip(axes.flat, draws, strict=False):
        draw(ax)
    return fig


def rows(
    ax,
    table,
    *,
    value="estimate",
    low="ci_low",
    high="ci_high",
    other=None,
    lines=None,
    xlim=None,
    title="",
    xlabel="",
):
    """A dot and a whisker for each row, under its label.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        In the order in which rows are drawn, from the top. Columns: label, those below, and if
        given color (of the mark) and hollow (bool: the dot is open, as controls are).
    value, low, high : str
        Columns: where the dot is, and the ends of the whisker; NaN is not drawn.
    other : str, optional
        Column of a second value, an open dot joined to the first.
    lines : dict, optional
        x -> word that stands at the foot of a dashed line there.
    xlim : tuple, optional
    title, xlabel : str
        The title is broken to the width of the panel.
    """
    if xlim:
        ax.set_xlim(xlim)
    ax.set_ylim(len(table) - 0.3 + 0.45 * bool(lines), -0.45)
    for x in lines or {}:
        ax.axvline(x, color="0.35", linewidth=0.9, linestyle="--", zorder=1)
    for place, row in enumerate(table.to_dict("records")):
        color = row.get("color", "black")
        if low and np.isfinite(row[low]):
            ax.plot([row[low], row[high]], [place + 0.32] * 2, color=color, linewidth=1.8)
        if other:
            ax.plot([row[value], row[other]], [place + 0.32] * 2, color=color, alpha=0.4)
            ax.plot(row[other], place + 0.32, "o", color=color, markerfacecolor="white")
        face = "white" if row.get("hollow") else color
        ax.plot(row[value], place + 0.32, "o", color=color, markerfacecolor=face, zorder=3)
        ax.annotate(
            row["label"], (0, place - 0.04), xycoords=("axes fraction", "data"), xytext=(2, 0),
            textcoords="offset points", fontsize=9, va="center", color=color,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.8},
        )  # fmt: skip
    for x, word in (lines or {}).items():
        left, right = ax.get_xlim()
        side = 1 if x < (left + right) / 2 else -1  # towards the wider part of the panel
        ax.annotate(
            word, (x, 0), xycoords=("data", "axes fraction"), xytext=(3 * side, 3), fontsize=8.5,
            textcoords="offset points", color="0.25",
            va="bottom", ha="left" if side > 0 else "right",
        )  # fmt: skip
    ax.set_yticks([])
    ax.locator_params(axis="x", nbins=5)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(xlabel, fontsize=9.5)
    ax.tick_params(labelsize=9)
    inches = ax.get_figure().get_figwidth() / ax.get_subplotspec().get_gridspec().ncols
    ax.set_title(
        "\n".join(textwrap.wrap(title, int(CHARACTERS * inches))), loc="left",
        fontsize=10.5, fontweight="bold",
    )  # fmt: skip

"""One visual system: the colours and shapes that mean the same thing on every page.

Quadrants carry a shape as well as a colour, so that no figure needs colour to be read. The colours
are the Okabe-Ito set, which people with colour-blindness tell apart
(https://jfly.uni-koeln.de/color/, 2008).
"""

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from pandas.api.types import is_float_dtype

__all__ = [
    "MODALITY_COLORS", "QUADRANT_COLORS", "QUADRANT_MARKERS", "QUADRANT_MEANING", "Sentence",
    "apply", "leading", "outcomes", "readable", "told", "with_interval",
]  # fmt: skip

QUADRANT_COLORS = {"blue": "#0072B2", "red": "#D55E00", "green": "#009E73", "yellow": "#E69F00"}
QUADRANT_MARKERS = {"blue": "o", "red": "X", "green": "^", "yellow": "s"}
QUADRANT_MEANING = {
    "blue": "both right",
    "red": "only unimodal right",
    "green": "only fusion right",
    "yellow": "both wrong",
}
NO_BREAK = "\N{NO-BREAK SPACE}"
MODALITY_COLORS = {"text": "#332288", "audio": "#117733", "video": "#882255", "fusion": "#444444"}


def apply():
    """Set seaborn's theme for static figures: call once per chapter.

    Words of a corpus may stand in figures and tables, so a `$` or a `<` is just that there.
    """
    pd.options.display.html.use_mathjax = pd.options.styler.html.mathjax = False
    pd.options.styler.format.escape = "html"  # pandas' Styler: of its cells, not of its headings
    sns.set_theme(style="ticks", context="notebook", font_scale=0.95)
    sns.mpl.rcParams.update(
        {
            "figure.figsize": (7.2, 4.0),
            "figure.dpi": 100,
            "savefig.dpi": 144,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "svg.hashsalt": "empdis",
            "text.parse_math": False,
        }
    )


def outcomes(table, things):
    """One sentence: how many fits gave a number, how many did not, and why.

    Parameters
    ----------
    table : DataFrame
        One row per fit, with status and reason.
    things : str
        What they are, in the plural.

    Returns
    -------
    str
        ``Mixed models (9): 6 ok; 2 boundary (recording variance is zero); 1 constant (...)``.
    """
    kinds = table.groupby(["status", "reason"], sort=False).size().sort_index()
    kinds = kinds.sort_values(ascending=False, kind="stable")
    said = [f"{n} {s}" + (f" ({why})" if why else "") for (s, why), n in kinds.items()]
    return f"{things.capitalize()} ({len(table)}): {'; '.join(said) or 'none'}."


def with_interval(table, value, low="ci_low", high="ci_high", digits=3):
    """A table for reading: one column of text in place of a value and the ends of its interval.

    Parameters
    ----------
    table : DataFrame
    value, low, high : str
        Columns. The text stands where `value` stood, and has its name.
    digits : int

    Returns
    -------
    DataFrame
        ``0.412 [0.300, 0.520]``, not broken over lines; the value alone where there is no
        interval; empty without a value.
    """
    spans = zip(*(table[name].astype(float) for name in (value, low, high)), strict=True)
    text = []
    for v, a, b in spans:
        interval = "" if np.isnan(a) else f" [{a:.{digits}f}, {b:.{digits}f}]"
        text.append("" if np.isnan(v) else f"{v:.{digits}f}{interval}".replace(" ", NO_BREAK))
    return table.assign(**{value: text}).drop(columns=[low, high])


def with_intervals(table, *values, digits=3):
    """`with_interval` for several columns, whose ends are named ``value_low``, ``value_high``."""
    for value in values:
        table = with_interval(table, value, f"{value}_low", f"{value}_high", digits)
    return table


def blank(table):
    """The same table with nothing where nothing is known, and whole numbers without a point."""

    def text(value):
        return f"{value:g}" if isinstance(value, float) else value

    return table.astype(object).where(table.notna(), "").map(text)


def estimate_text(row, value="estimate", digits=2):
    """``0.81 [0.74, 0.88]`` of a row with ci_low and ci_high; its reason where there is none."""
    if np.isfinite(row["ci_low"]):
        ends = f"[{row['ci_low']:.{digits}f}, {row['ci_high']:.{digits}f}]"
    else:
        ends = f"({row.get('reason', 'no interval')})"
    return f"{row[value]:.{digits}f} {ends}"


def by_side(row, below, holds, above):
    """One of three wordings: the interval lies below 0, holds it, or lies above."""
    return above if row["ci_low"] > 0 else below if row["ci_high"] < 0 else holds


def readable(table):
    """Rounded for reading; p and coefficients keep two digits, however small. A new index."""
    rounded = table.round(3)
    for name in table.columns[table.columns.str.match(r"(paper )?p(_|,| \(|$)|coef")]:
        if is_float_dtype(table[name]):
            rounded[name] = table[name].map("{:.2g}".format, na_action="ignore").fillna("")
    return rounded.reset_index(drop=True)


def labelled(table, template):
    """The same table with a column `label`: the template filled in from each row.

    Examples
    --------
    >>> labelled(pd.DataFrame({"modality": ["text"], "n": [3]}), "{modality} (n={n})")["label"][0]
    'text (n=3)'
    """
    return table.assign(label=[template.format(**row) for row in table.to_dict("records")])


def quadrant_means(means):
    """Means in the order of the quadrants, with a column group for labels: ``red (n = 12)``.

    The n is the largest of the quadrant, where features have different numbers of values.
    """
    order = list(QUADRANT_COLORS)
    n = means.groupby("quadrant")["n"].transform("max")
    told = means.assign(
        group=[f"{q} (n = {k})" for q, k in zip(means["quadrant"], n, strict=True)],
        feature=means["feature"].str.removesuffix("_rate").str.replace("_", " "),
    )
    return told.sort_values(
        "quadrant", key=lambda names: names.map(order.index), kind="stable"
    ).reset_index(drop=True)


def effects(
    tests, columns=("feature", "contrast", "n", "Hedges g", "p", "p_holm", "p_permutation")
):
    """Tests for reading: n of both groups in one column, Hedges g with its interval in another."""
    n = [f"{one}, {two}" for one, two in zip(tests["n_1"], tests["n_2"], strict=True)]
    told = tests.assign(n=n, **{"Hedges g": tests["hedges_g"]})
    return readable(with_interval(told, "Hedges g", digits=2)[list(columns)])


def leading(table, *names):
    """The same table with these columns first: what the reader is asked to look at."""
    return table[[*names, *(name for name in table.columns if name not in names)]]


def save(fig, directory, name):
    """Write a figure to ``directory/name.png``, for a page that is no chapter. Returns the path."""
    path = Path(directory) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, bbox_inches="tight", metadata={"Software": None})
    return path


class Sentence(str):
    """Text that prints without quotes where it is glued."""

    def __repr__(self):
        return str(self)


def by_quadrant(table, value):
    """`agreement.divided` for reading: a row per answer and modality, a column per quadrant."""
    text = with_interval(table, value, digits=2)
    text[value] += ", n=" + text["n"].astype(str)
    wide = text.pivot(index=["answers", "modality"], columns="quadrant", values=value).fillna("")
    return wide[[q for q in (*QUADRANT_COLORS, "tie", "none") if q in wide]]


def verdicts(table):
    """Sentences with their verdicts for reading; the sentences get room."""
    text = with_interval(table, "here", digits=2)
    text = with_interval(text, "excess", "excess_low", "excess_high", digits=2)
    shown = leading(text, "claim", "verdict", "here", "excess").style.hide(axis="index")
    return shown.set_properties(subset=["claim"], **{"min-width": "17rem"})


def told(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `gaps` for reading: value, placebo and excess with their intervals."""
    shown = with_interval(table, "value")
    shown = with_interval(shown, "placebo_value", "placebo_low", "placebo_high")
    shown = with_interval(shown, "excess", "excess_low", "excess_high")
    first = ["contrast", "modality", "placebo", "value", "placebo_value", "excess", "n", "note"]
    return shown[first].set_index(["contrast", "modality"])

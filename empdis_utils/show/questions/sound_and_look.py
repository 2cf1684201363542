"""Do red and green clips sound and look different? How many differences are left, and of which."""

import numpy as np
import pandas as pd

from empdis_utils.controls import placebo
from empdis_utils.measures import contrasts
from empdis_utils.show.questions.parts import about, as_estimate, headline, listed, panels
from empdis_utils.show.style import by_side, estimate_text

__all__ = [
    "beyond_retraining",
    "boundary",
    "excess",
    "figure",
    "left",
    "needed",
    "recovered",
    "said",
    "strongest",
]

NAMES = {"audio": "sound", "video": "face", "text": "words"}
CONTRAST = "red+green - blue+yellow"
STEPS = {  # column of p -> what it is, and the colour of its mark
    "p": ("plain t-test", "white"),
    "p_permutation": ("inside recordings", "0.6"),
    "p_holm": ("corrected", "black"),
}


def beyond_retraining(features, drawn, recordings, *, n_boot=2000, seed=42):
    """Each feature in red and green against the rest, beside quadrants drawn by retraining.

    Parameters
    ----------
    features : DataFrame
        clip_id, and numbers. Other columns and empty ones are left out; so are, for each feature,
        the clips that have none.
    drawn : DataFrame
        Of `controls.placebo.quadrants`, one modality: clip_id, modality, drawn_by, seed, quadrant.
    recordings : Series
        clip_id -> recording.
    n_boot, seed : int

    Returns
    -------
    DataFrame
        A row for each feature: feature, and the columns of `controls.placebo.gaps`.
    """
    numbers = features.set_index("clip_id").select_dtypes("number").dropna(axis=1, how="all")
    only, rows = {CONTRAST: placebo.CONTRASTS[CONTRAST]}, []
    for name in numbers:
        known = drawn.merge(numbers[[name]].dropna(), left_on="clip_id", right_index=True)
        how = dict(groups=recordings.loc[known["clip_id"].unique()], n_boot=n_boot, seed=seed)
        found = placebo.gaps(known, name, contrasts=only, **how)
        rows.append(found[found["placebo"] == placebo.SAME].assign(feature=name))
    return pd.concat(rows, ignore_index=True)


def left(tests, level=0.05):
    """How many tests of each family stay below a level at each step.

    Parameters
    ----------
    tests : DataFrame
        family, and some columns of `STEPS`; p is missing where nothing could be tested.
    level : float

    Returns
    -------
    DataFrame
        family, tested, and a count for each step (missing: the table lacks it).
    """
    names = [name for name in STEPS if name in tests]
    found = contrasts.below(tests, ["family"], names, level)
    found = found.rename(columns={f"{name} < {level}": name for name in names})
    order = [family for family in NAMES if family in set(found["family"])]
    columns = ["family", "tested", *STEPS]
    return found.set_index("family").loc[order].reset_index().reindex(columns=columns)


def said(counts, corpus):
    """One sentence: how many comparisons are below 0.05, and how many are left in the end.

    `counts`: of `left`.
    """
    total = counts[["tested", *STEPS]].sum()
    by = [f"{NAMES[r['family']]} {r['p_holm']:.0f}" for r in counts.to_dict("records")]
    kept = f"{total['p_holm']:.0f}" if total["p_holm"] else "none"
    inside = counts["p_permutation"].notna().all()
    how = "with quadrants shuffled only inside recordings and true labels, and " if inside else ""
    return (
        f"On {corpus}, {total['p']:.0f} of {total['tested']:.0f} comparisons between quadrants are "
        f"below 0.05 by a plain t-test ({0.05 * total['tested']:.0f} would be by chance); {how}p "
        f"corrected for their number, {kept} {'is' if total['p_holm'] == 1 else 'are'} left "
        f"({', '.join(by)})."
    )


def strongest(tests, corpus):
    """One sentence: the comparison that stands out most, with its size.

    `tests`: of `measures.inference.compare_groups`.
    """
    row = tests.dropna(subset=["p_permutation"]).sort_values(["p_holm", "p_permutation", "p"])
    row = row.iloc[0]
    name = str(row["feature"]).replace("_", " ")
    return (
        f"The clearest on {corpus} is {name} ({NAMES.get(row['family'], row['family'])}), "
        f"{row['contrast'].replace('-', ' against ')}: Hedges g {estimate_text(row, 'hedges_g')}, "
        f"corrected p {row['p_holm']:.2g}, {row['n_1']:.0f} and {row['n_2']:.0f} clips."
    )


def needed(sizes, corpus):
    """One sentence: the smallest effects that groups of this size can show.

    `sizes`: family, contrast, n_1, n_2, smallest g with 80 % power.
    """
    least = sizes["smallest g with 80 % power"]
    untested = int(least.isna().sum())
    few = f"; {untested} of {len(least)} groups are too small to be tested at all" * bool(untested)
    return (
        f"On {corpus}, groups of this size show a difference four times in five only when g is at "
        f"least {least.min():.2f} to {least.max():.2f}, depending on the quadrants, and clips of "
        f"one recording count as independent in that{few}."
    )


def boundary(gap, corpus):
    """One sentence: are red and green text clips among clips of the other label?

    `gap` (Series): a row of `controls.placebo.gaps` on label purity.
    """
    words = (
        "fewer neighbours of their own label than the rest, also beyond what retraining shows",
        "no fewer neighbours of their own label, as far as can be told, than retraining shows",
        "more neighbours of their own label than retraining shows",
    )
    row = as_estimate(gap.to_frame().T, "excess", "excess").iloc[0]
    return (
        f"On {corpus}, red and green text clips have {by_side(row, *words)} (share "
        f"{gap['value']:+.2f}, by retraining {gap['placebo_value']:+.2f}, excess "
        f"{estimate_text(row)})."
    )


def excess(table, corpus):
    """One sentence: how many features differ in red and green beyond retraining.

    `table`: rows of `controls.placebo.gaps`, one for each feature: feature, family, value, excess
    and the ends of both.
    """
    known = table[table["excess"].notna()]
    raw = ((known["ci_low"] > 0) | (known["ci_high"] < 0)).sum()
    off = known[(known["excess_low"] > 0) | (known["excess_high"] < 0)]
    names = listed([str(name).replace("_", " ") for name in off["feature"]])
    end = f" ({names})" if len(off) else ""
    return (
        f"On {corpus}, {raw} of {len(known)} features differ between red and green and the rest, "
        f"and {len(off)} differ more than in quadrants that fusion draws with its own "
        f"retraining{end}; {0.05 * len(known):.0f} of the intervals would leave out zero by chance."
    )


def recovered(table):
    """One sentence: does the test find the features that carry the planted cue, and spare the rest?

    `table`: of `controls.recovery.features`: planted sign, verdict.
    """
    carries = table[table["planted sign"] != 0]
    blind = table[table["planted sign"] == 0]
    found, false = (carries["verdict"] == "found").sum(), (blind["verdict"] == "false alarm").sum()
    return (
        f"Asked which features carry the planted cue, the same test finds {found} of "
        f"{len(carries)} with the right sign, and calls {false} of {len(blind)} that carry none."
    )


def _steps(ax, counts, title):
    for y, row in enumerate(counts.to_dict("records")):
        shares = {name: row[name] / row["tested"] for name in STEPS if np.isfinite(row[name])}
        ax.plot(list(shares.values()), [y] * len(shares), "-", color="0.7", zorder=1)
        for name, share in shares.items():
            ax.plot(share, y, "o", color="black", markerfacecolor=STEPS[name][1], markersize=7)
            how = dict(xytext=(0, -9), textcoords="offset points", ha="center", va="top")
            ax.annotate(f"{row[name]:.0f}", (share, y), fontsize=8, **how)
    ax.axvline(0.05, color="black", linestyle=":", linewidth=1, zorder=0)
    labels = [f"{NAMES[r['family']]} ({r['tested']:.0f})" for r in counts.to_dict("records")]
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.4, -0.5)
    about(ax, title, "share of tests below 0.05")


def _name_steps(ax, counts):
    """Write what the marks of the first row are, one above the other, and what the line is."""
    row = counts.iloc[0]
    for k, (name, (text, _)) in enumerate(STEPS.items()):
        how = dict(xytext=(0, 8 + 12 * k), textcoords="offset points", fontsize=8)
        line = dict(arrowstyle="-", color="0.6", shrinkB=4)
        ax.annotate(text, (row[name] / row["tested"], 0), arrowprops=line, **how)
    ax.text(0.05, len(counts) - 0.45, " chance", fontsize=8)
    ax.set_ylim(top=-1.4)


def figure(counts, width):
    """How many comparisons stay below 0.05, step by step, by family and corpus.

    Parameters
    ----------
    counts : dict of str to DataFrame
        Corpus -> of `left`. The first one that has every step is told by the headline.
    width : float
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = panels(width, [1.2 + 0.5 * len(table) for table in counts.values()])
    for ax, (corpus, table) in zip(axes, counts.items(), strict=True):
        _steps(ax, table, corpus)
    known = [name for name, table in counts.items() if table.notna().all(axis=None)][0]
    _name_steps(dict(zip(counts, axes, strict=True))[known], counts[known])
    ends = [end for ax in axes for end in ax.get_xlim()]
    for ax in axes:
        ax.set_xlim(min(ends), max(ends))
        ax.locator_params(axis="x", nbins=5)
    raw, kept = (int(counts[known][name].sum()) for name in ("p", "p_holm"))
    headline(fig, f"{known}: of {raw} differences between quadrants, a careful test leaves {kept}")
    return fig

"""Is the model unsure, or wrong? Entropy in red and green beside a placebo; flags for errors."""

from empdis_utils.show.questions.parts import (
    about,
    as_estimate,
    headline,
    listed,
    mark,
    panels,
)
from empdis_utils.show.style import MODALITY_COLORS, by_side, estimate_text

__all__ = ["CONTRAST", "added", "calibrated", "excess", "figure", "flag", "sets"]

CONTRAST, SAME = "red+green - blue+yellow", "same model"
ENTROPY, COUNT = "entropy", "number of disagreeing modalities"
BOTH, RETRAINED = "disagreement, then entropy", "own retraining, then entropy"
LINES = {  # flag -> its name on the page, colour, dash
    COUNT: ("disagreement", "#D55E00", "-"),
    ENTROPY: ("entropy", "black", "-"),
    RETRAINED: ("own retraining", "0.5", "--"),
}


def _excess(above):
    kept = (above["contrast"] == CONTRAST) & (above["placebo"] == SAME)
    return as_estimate(above[kept & (above["modality"] != "all")], "excess", "excess")


def _row(risk, flag, against=ENTROPY):
    return risk[(risk["flag"] == flag) & (risk["against"] == against)].iloc[0]


def flag(risk, corpus):
    """One sentence: is the count of disagreeing modalities a better flag of errors than entropy?

    `risk`: as of `uncertainty.selective_prediction`: flag, aurc with its interval, against,
    difference with its ends.
    """
    words = (
        "finds fusion's errors better than its plain entropy",
        "is not shown to find fusion's errors better or worse than its plain entropy",
        "finds fusion's errors worse than its plain entropy",
    )
    count = _row(risk, COUNT)
    plain = risk[risk["flag"] == ENTROPY].iloc[0]
    change = as_estimate(risk, "difference", "difference").loc[count.name]
    return (
        f"On {corpus}, counting the modalities that disagree {by_side(change, *words)}: area under "
        f"risk and coverage {estimate_text(count, 'aurc', 3)} against "
        f"{estimate_text(plain, 'aurc', 3)}, less is better (difference "
        f"{estimate_text(change, digits=3)})."
    )


def added(risk, corpus):
    """One sentence: does disagreement, put before entropy, find more errors, and than a placebo?"""
    rows = as_estimate(risk, "difference", "difference")
    gain = _row(rows, BOTH)
    words = ("helps", "is not shown to help or harm", "harms")
    said = (
        f"On {corpus}, sorting by disagreement first and by entropy within it "
        f"{by_side(gain, *words)} (change of the area {estimate_text(gain, digits=3)})"
    )
    if not (rows["against"] == RETRAINED).any():
        return f"{said}."
    words = ("better than", "no better or worse, as far as can be told, than", "worse than")
    beside = _row(rows, BOTH, RETRAINED)
    return (
        f"{said}; it is {by_side(beside, *words)} sorting by how often fusion contradicts itself "
        f"when it is trained again (difference {estimate_text(beside, digits=3)})."
    )


def excess(above, corpus):
    """One sentence: is there more entropy in red and green than retraining alone shows?

    `above`: as of `controls.placebo.gaps`: contrast, modality, placebo, excess with its ends.
    """
    rows = _excess(above).to_dict("records")
    words = ("less unsure", "no more unsure, as far as can be told,", "more unsure")
    said = {}
    for row in rows:
        told = f"{row['modality']} {estimate_text(row)}"
        said.setdefault(by_side(row, *words), []).append(told)
    parts = [f"{verdict} for {listed(told)}" for verdict, told in said.items()]
    return (
        f"On {corpus}, beyond what fusion shows against its own retraining, red and green are "
        f"{'; '.join(parts)} (nats of entropy)."
    )


def calibrated(table, corpus):
    """One sentence on the calibration error of fusion as trained.

    `table`: as of `uncertainty.scaled_calibration`: probabilities, ece with its ends.
    """
    row = as_estimate(table[table["probabilities"] == "as trained"], "ece", "ece").iloc[0]
    words = ("", "no miscalibration is shown", "its probabilities are off")
    return (
        f"On {corpus}, {by_side(row, *words)}: fusion's stated probability and how often it is "
        f"right differ by {estimate_text(row)} on average."
    )


def sets(coverage, corpus):
    """One sentence: how often sets of labels keep their promise, over all clips and in red.

    `coverage`: as of `uncertainty.conformal_coverage`, with level.
    """
    everywhere = coverage[coverage["quadrant"] == "all"].iloc[0]
    red = coverage[coverage["quadrant"] == "red"].to_dict("records")
    told = [f"{row['modality']} {estimate_text(row | {'reason': row['note']}, 'coverage')}"
            for row in red]  # fmt: skip
    return (
        f"On {corpus}, sets that should hold the label of {everywhere['level']:.0%} of clips hold "
        f"it for {estimate_text(everywhere, 'coverage')} of all, and in red for: "
        f"{', '.join(told)}."
    )


def _name(ax, curves, name, other):
    """Write what a line is where it is far from another one, on its outer side."""
    label, color, _ = LINES[name]
    one, two = (curves[curves["flag"] == n].set_index("coverage")["risk"] for n in (name, other))
    at = (one - two).abs()[0.2:0.5].idxmax()
    up = one[at] > two[at]
    ax.annotate(
        label, (at, one[at]), xytext=(0, 6 if up else -6), textcoords="offset points", fontsize=9,
        color=color, ha="center", va="bottom" if up else "top",
    )  # fmt: skip


def _curves(ax, curves, title):
    for name, (label, color, dash) in LINES.items():
        part = curves[curves["flag"] == name]
        ax.plot(part["coverage"], part["risk"], dash, color=color, label=label)
        if name != RETRAINED:
            ends = part["ci_low"], part["ci_high"]
            ax.fill_between(part["coverage"], *ends, color=color, alpha=0.12, linewidth=0)
    ax.set(ylim=(0, None), xlim=(0, 1))
    ax.set_ylabel("errors among them", fontsize=9)
    about(ax, title, "share of clips kept, surest first")


def _placebo(ax, above, title):
    rows = _excess(above)
    for y, row in enumerate(rows.to_dict("records")):
        color = MODALITY_COLORS[row["modality"]]
        mark(ax, row["value"], row["value_low"], row["value_high"], y - 0.13, color)
        ends = row["placebo_value"], row["placebo_low"], row["placebo_high"]
        mark(ax, *ends, y + 0.17, color, hollow=True)
    ax.axvline(0, color="black", linewidth=0.8, zorder=0)
    ax.set_yticks(range(len(rows)), rows["modality"])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.locator_params(axis="x", nbins=5)
    about(ax, title, "entropy, red and green minus the rest (nats)")


def figure(curves, above, risk, width):
    """Risk and coverage of each flag, and entropy in red and green beside a placebo, by corpus.

    Parameters
    ----------
    curves : dict of str to DataFrame
        Corpus -> as of `uncertainty.selective_prediction`: flag, coverage, risk, ci_low, ci_high.
    above : dict of str to DataFrame
        Corpus -> as of `controls.placebo.gaps`.
    risk : DataFrame
        Areas on the first corpus, which the headline tells.
    width : float
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n = len(curves)
    heights = [2.3] * n + [1.8] * n
    fig, axes = panels(width, heights, columns=n)
    for ax, (name, table) in zip(axes[:n], curves.items(), strict=True):
        _curves(ax, table, f"{name}: finding errors")
    first, *_ = curves
    _name(axes[0], curves[first], COUNT, ENTROPY)
    _name(axes[0], curves[first], ENTROPY, COUNT)
    axes[0].legend(handles=[axes[0].lines[2]], loc="lower right", fontsize=9, handlelength=1.6)
    for ax, (name, table) in zip(axes[n:], above.items(), strict=True):
        ends = {f"value_{end}": table[f"ci_{end}"] for end in ("low", "high")}
        _placebo(ax, table.assign(**ends), f"{name} (open: own retraining)")
    change = _row(as_estimate(risk, "difference", "difference"), COUNT)
    words = ("better than", "no better than", "worse than")
    headline(fig, f"Disagreement flags errors {by_side(change, *words)} plain entropy ({first})")
    return fig

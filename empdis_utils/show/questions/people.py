"""Do people agree? Votes on voice, face and both, and red and green beside a placebo."""

import numpy as np

from empdis_utils.show.questions.parts import about, as_estimate, headline, listed, mark, panels
from empdis_utils.show.style import MODALITY_COLORS, by_side, estimate_text

__all__ = [
    "CONTRAST", "agreement", "by_emotion", "by_quadrant", "control", "divided", "figure",
    "power_needed", "power_said", "simulated",
]  # fmt: skip

NAMES = {"audio": "voice", "video": "face", "audio+video": "both"}
COLORS = {**MODALITY_COLORS, "audio+video": "black"}
CONTRAST = "red+green - blue+yellow"


def _excess(twice):
    rows = twice[(twice["contrast"] == CONTRAST) & (twice["modality"] != "all")]
    return as_estimate(rows, "excess", "excess")


def agreement(change):
    """One sentence: do people agree more with both signals than with one?

    `change`: modality by modality the change of Fleiss' kappa: from, estimate, ci_low, ci_high.
    """
    words = ("less than", "as much, as far as can be told, as", "more than")
    verbs = {"audio": "only hear it", "video": "only see it"}
    said = [
        f"{by_side(row, *words)} people who {verbs[row['from']]} (Fleiss' kappa changes "
        f"by {estimate_text(row)})"
        for row in change.to_dict("records")
    ]
    return f"People who see and hear a clip agree on its emotion {' and '.join(said)}."


def divided(twice):
    """One sentence: are people more divided on red and green clips than a placebo explains?

    `twice`: as of `controls.placebo.gaps` on votes: contrast, modality, excess with its ends.
    """
    rows = _excess(twice).to_dict("records")
    words = (
        "divide people even less than quadrants drawn by the same answers twice",
        "are not shown to divide people more than quadrants drawn by the same answers twice",
        "divide people more than quadrants drawn by the same answers twice",
    )
    said = {by_side(row, *words): [] for row in rows}
    for row in rows:
        said[by_side(row, *words)].append(f"{NAMES[row['modality']]} {estimate_text(row)}")
    parts = [f"{verdict} ({', '.join(told)})" for verdict, told in said.items()]
    return (
        "Red and green clips, which most people get right from one signal or from both, not from "
        f"the other, {'; they '.join(parts)}."
    )


def control(twice):
    """Sentences: the raw difference, that of the placebo, and what may be concluded.

    `twice`: as for `divided`, with value and placebo_value and their ends.
    """
    rows = twice.loc[_excess(twice).index]
    raw = [f"{NAMES[r['modality']]} {estimate_text(r, 'value')}" for r in rows.to_dict("records")]
    placebo = [
        estimate_text(r) for r in as_estimate(rows, "placebo_value", "placebo").to_dict("records")
    ]
    more = _excess(twice)["ci_low"] > 0
    verdict = (
        "This goes beyond the control." if more.all()
        else "The raw difference is not diagnostic: any two samples of answers find clips that "
        "divide people." if not more.any()
        else "It goes beyond the control for one signal only."
    )  # fmt: skip
    return (
        "Entropy of the answers to the full clip, red and green minus blue and yellow (nats): "
        f"{', '.join(raw)}; for quadrants drawn by the same answers twice: "
        f"{', '.join(dict.fromkeys(placebo))}. {verdict}"
    )


def by_quadrant(changes):
    """Sentences: how agreement changes in each quadrant, and red and green against the rest.

    `changes`: part, from, estimate, ci_low, ci_high: votes that drew no quadrant.
    """
    words = ("gains less", "is not shown to gain more or less", "gains more")
    said = []
    for source, part in changes.groupby("from", sort=False):
        rows = part.set_index("part")
        cells = [f"{q} {estimate_text(rows.loc[q])}" for q in ("red", "green", "blue", "yellow")]
        gap = rows.loc["red+green minus blue+yellow"]
        said.append(
            f"From the {NAMES[source]} to both, agreement {by_side(gap, *words)} in red and green "
            f"than in blue and yellow (difference {estimate_text(gap)}); by quadrant: "
            f"{', '.join(cells)}."
        )
    return " ".join(said)


def by_emotion(where):
    """Sentence: in which emotions agreement falls once the second signal is there.

    `where`: emotion, from, estimate, ci_low, ci_high, p_holm (over the whole table).
    """
    clear = where[where["p_holm"] <= 0.05]
    rises, falls = ((clear["estimate"] > 0).sum(), clear[clear["estimate"] < 0])
    lost = [
        f"{r['emotion']} (from the {NAMES[r['from']]}: {estimate_text(r)})"
        for r in falls.to_dict("records")
    ]
    end = " So more signals do not help everywhere, as the paper says." if lost else ""
    return (
        f"Raw agreement changes from one signal to both in {len(where)} ways, one for each emotion "
        f"and signal. After Holm's correction, clear gains: {rises}; clear losses: {len(falls)}"
        f"{f', {listed(lost)}' * bool(lost)}.{end}"
    )


def power_needed(power, reported, at=0.8):
    """Smallest true difference of two kappas that a study finds with power `at`, by design.

    `power`: paired, difference, power, n_clips. `reported` (array): changes that the paper prints.
    Returns dict: clips, quadrants, rounds (smallest differences; NaN: none that was tried), below
    (changes smaller than either), changes.
    """
    least = {
        paired: float(np.interp(at, part["power"], part["difference"], right=np.nan))
        for paired, part in power.groupby("paired")
    }
    size = np.abs(np.asarray(reported, float))
    below = int((size < np.nanmin([*least.values(), np.inf])).sum())
    told = {"clips": int(power["n_clips"].iloc[0]), "quadrants": least[False]}
    return told | {"rounds": least[True], "below": below, "changes": len(size)}


def power_said(needed):
    """Sentences of `power_needed` (a dict): what the paper's sample could have shown."""
    few = needed["below"] == needed["changes"]
    end = "So its Table 6 may be right, and its sample is too small to know." if few else ""
    return (
        f"Its sample has {needed['clips']} clips in each quadrant. A study of that size finds a "
        "difference between two kappas four times in five only when it is at least "
        f"{needed['quadrants']:.2f} between two quadrants, or {needed['rounds']:.2f} between two "
        f"rounds on the same clips. Of the paper's {needed['changes']} changes between rounds, "
        f"{needed['below']} are smaller. {end}"
    ).strip()


def simulated(contrasts):
    """Sentences on annotators made by us, who waver where cues conflict.

    `contrasts`: as of `judgments.kappa_contrasts`: subset, comparison, estimate, ci_low, ci_high,
    n.
    """
    name = "change: red+green minus blue+yellow"
    row = contrasts[(contrasts["subset"] == "all") & (contrasts["comparison"] == name)].iloc[0]
    found = by_side(row, "finds it", "does not find it", "finds the opposite")
    end = "So it can see what it looks for."
    if row["ci_low"] <= 0 <= row["ci_high"]:
        end = "So a study of this size can miss a difference that is there."
    return (
        "Two simulated annotators of the synthetic clips waver where cues conflict, because they "
        f"were made so. The paper's design {found}: from one modality to all, kappa changes by "
        f"{estimate_text(row)} in red and green, beyond its change in blue and yellow, on "
        f"{row['n']:.0f} judged clips. {end}"
    )


def _kappas(ax, kappa):
    for y, row in enumerate(kappa.to_dict("records")):
        color = COLORS[row["modality"]]
        mark(ax, row["kappa"], row["ci_low"], row["ci_high"], y, color)
        ax.annotate(
            f"{row['kappa']:.2f}", (row["kappa"], y), xytext=(0, 8), textcoords="offset points",
            ha="center", fontsize=9, color=color,
        )  # fmt: skip
    only = {"audio+video": "both"}
    ax.set_yticks(range(len(kappa)), [only.get(m, f"{NAMES[m]} only") for m in kappa["modality"]])
    ax.set(xlim=(0, None), ylim=(len(kappa) - 0.5, -0.6))
    ax.margins(x=0.25)
    about(ax, "How much people agree", "agreement (Fleiss' kappa)")


def _placebo(ax, rows):
    for y, row in enumerate(rows.to_dict("records")):
        color = COLORS[row["modality"]]
        mark(ax, row["value"], row["value_low"], row["value_high"], y, color)
        ends = row["placebo_value"], row["placebo_low"], row["placebo_high"]
        mark(ax, *ends, y + 0.3, color, hollow=True)
        told = {"value": (f"{NAMES[row['modality']]} against both", y - 0.14)}
        told["placebo_value"] = ("the same answers, twice", y + 0.56)
        for at, (text, height) in told.items():
            ax.text(
                row[at], height, text, ha="center", va="center", fontsize=9, color=color,
                bbox={"color": "white", "pad": 1}, zorder=1,
            )  # fmt: skip
    ax.axvline(0, color="black", linewidth=0.8, zorder=0)
    ax.margins(x=0.6)
    ax.set(ylim=(len(rows) - 0.25, -0.45), yticks=[])
    xlabel = "entropy of votes, red and green\nminus blue and yellow (nats)"
    about(ax, "How divided they are on red and green", xlabel)
    ax.spines["left"].set_visible(False)


def figure(kappa, twice, width):
    """Agreement by signal; division in red and green beside the same answers drawn twice.

    Parameters
    ----------
    kappa : DataFrame
        modality, kappa, ci_low, ci_high: a row for each signal.
    twice : DataFrame
        As of `controls.placebo.gaps`.
    width : float
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = _excess(twice)
    fig, (left, right) = panels(width, [2.1, 2.9], shares=[2, 3])
    _kappas(left, kappa)
    ends = {f"value_{end}": twice.loc[rows.index, f"ci_{end}"] for end in ("low", "high")}
    _placebo(right, rows.assign(**ends))
    more = rows["ci_low"] > 0
    say = "divide" if more.all() else "do not divide" if not more.any() else "only partly divide"
    headline(fig, f"Red and green clips {say} people more than the same answers drawn twice")
    return fig

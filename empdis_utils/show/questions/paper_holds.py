"""Does the paper hold? Every claim a square, coloured by its verdict on real corpora."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from empdis_utils.paper.claims import VERDICTS
from empdis_utils.show import ledger as pages
from empdis_utils.show.style import QUADRANT_COLORS

__all__ = ["figure", "squares", "title"]

COLORS = {
    "supported": QUADRANT_COLORS["blue"], "contradicted": QUADRANT_COLORS["red"],
    "mixed": QUADRANT_COLORS["yellow"], "not diagnostic": "0.2", "too little data": "0.6",
    "not testable": "0.9",
}  # fmt: skip
LINKED, ANALOGUE = "people disagree where models do", "people alone"
#: chapter of a claim's first test -> what the claim is about
THEMES = {
    "02_unimodal": "which encoder is best", "03_fusion": "fusion and its gates",
    "04_quadrants": "models disagree", "05_features": "red and green sound and look different",
    "06_entropy": "the model is unsure there", "09_recovery": "conflict misleads",
    "07_human_study": LINKED, "12_incongruence": ANALOGUE,
}  # fmt: skip


def _theme(claim):
    theme = THEMES[claim["tests"][0]["chapter"]]
    linked = claim["origin"] != "analogue" and pages.LINK in claim.get("untested", "")
    return ANALOGUE if theme == LINKED and not linked else theme


def squares(claims, ledger, runs):
    """One row per claim: what it is about, and its verdict on the real corpora together.

    `claims`: from `paper.claims.read`. `ledger`: from `paper.claims.evaluate`. `runs`: profiles.
    Corpora that differ are `mixed`; a verdict beside `too little data` stands. Returns DataFrame:
    claim_id, theme, verdict; sorted as the figure shows them.
    """
    tests = pages.real(ledger, runs)
    rows = []
    for claim in claims:
        said = list(dict.fromkeys(tests.loc[tests["claim_id"] == claim["id"], "verdict"]))
        told = [word for word in said if word != "too little data"] or said or ["not testable"]
        verdict = told[0] if len(told) == 1 else "mixed"
        rows.append({"claim_id": claim["id"], "theme": _theme(claim), "verdict": verdict})
    table, themes = pd.DataFrame(rows), list(dict.fromkeys(THEMES.values()))
    places = table["theme"].map(themes.index), table["verdict"].map(VERDICTS.index)
    return table.iloc[np.lexsort(places[::-1])].reset_index(drop=True)


def title(table):
    """How many claims hold, how many do not, and how many no corpus can test."""
    n = table["verdict"].value_counts().reindex(VERDICTS, fill_value=0)
    return (
        f"Of {len(table)} claims, {n['supported']} hold, {n['contradicted']} do not; "
        f"{n['not testable']} no corpus here can test"
    )


def figure(table, width):
    """A square for each claim, in lines by theme, under a key with the counts.

    `table`: from `squares`. `width`: inches. Returns Figure.
    """
    across = 42 if width > 6 else 20
    places, y = [], 0.0
    fig, ax = plt.subplots(layout="constrained")
    for theme, part in table.groupby("theme", sort=False):
        known = (part["verdict"] != "not testable").sum()
        ends = " testable" if width > 6 else ""
        ax.text(-0.4, y, f"{theme}: {known} of {len(part)}{ends}", fontsize=9.5, va="center")
        lines = -(-len(part) // across)
        at = np.arange(len(part))
        places.append(np.column_stack([at % across, y + 1.1 + at // across]))
        y += 1.1 + lines + 0.35
    x, rows = np.concatenate(places).T
    step = 0.82
    for left, top, verdict in zip(x, rows, table["verdict"], strict=True):
        ax.add_patch(
            plt.Rectangle(
                (left - step / 2, top - step / 2), step, step, facecolor=COLORS[verdict],
                edgecolor="0.75" if verdict == "not testable" else COLORS[verdict], linewidth=0.6,
            )
        )  # fmt: skip
    counts = table["verdict"].value_counts().reindex(VERDICTS, fill_value=0)
    per_line = 3 if width > 6 else 2
    for place, (verdict, n) in enumerate(counts.items()):
        left, top = (place % per_line) * across / per_line, y + 0.6 + 1.25 * (place // per_line)
        ax.add_patch(plt.Rectangle((left - step / 2, top - step / 2), step, step,
                                   facecolor=COLORS[verdict], edgecolor="0.75"))  # fmt: skip
        ax.text(left + 0.8, top, f"{n} {verdict}", fontsize=9.5, va="center")
    y += 1.25 * -(-len(counts) // per_line)
    ax.set(xlim=(-0.7, across - 0.3), ylim=(y + 0.4, -0.8), aspect="equal")
    ax.set_axis_off()
    fig.set_size_inches(width, width * (y + 1.2) / across + (0.45 if width > 6 else 0.6))
    heading = title(table)
    told = heading if width > 6 else heading.replace("; ", ";\n")
    fig.suptitle(told, x=0.02, ha="left", fontsize=11, fontweight="bold")
    return fig

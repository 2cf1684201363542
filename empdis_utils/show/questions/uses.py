"""What is disagreement good for? Each use's gain over its strongest baseline, and its control."""

import numpy as np

from empdis_utils.show.questions.parts import about, headline, is_wide, listed, mark, panels
from empdis_utils.show.style import Sentence, by_side, estimate_text

__all__ = ["CORPORA", "answer", "beside", "figure", "of_use", "planted"]

CORPORA = {
    "mosi": "CMU-MOSI",
    "cremad": "CREMA-D",
    "empspeech": "EMPSPEECH (words)",
    "fixture": "synthetic clips",
}
SYNTHETIC, ONE_MODALITY = "fixture", "empspeech"
SHOWN, NOT_DIAGNOSTIC = "shown", "not diagnostic"


def _known(points):
    return points[np.isfinite(points["gain_low"])]


def _cross_modal(points):
    """Rows of real corpora that have two modalities or more."""
    return _known(points[~points["corpus"].isin([SYNTHETIC, ONE_MODALITY])])


def _side(rows, value, titles):
    """How many rows gain, and lose, with their names: two clauses."""
    names = rows["use"].map(titles).str.lower() + ", " + rows["corpus"].map(CORPORA)
    said = []
    for kept in (rows[f"{value}_low"] > 0, rows[f"{value}_high"] < 0):
        which = f" ({'; '.join(names[kept])})" if kept.any() else ""
        said.append(f"{kept.sum() or 'none'}{which}")
    return said


def answer(points, titles):
    """One sentence: does cross-modal disagreement beat the strongest simple baseline of each use?

    `points`: of `controls.using.in_points`, all corpora. `titles`: use -> its title. Real corpora
    with two modalities or more count.
    """
    rows = _cross_modal(points)
    if not len(rows):
        return Sentence("No use could be measured on a real corpus with two modalities.")
    more, less = _side(rows, "gain", titles)
    return Sentence(
        f"Of {len(rows)} measurements on real corpora, disagreement between modalities beats the "
        f"strongest simple way to do the same in {more}; it is worse in {less}."
    )


def beside(points, titles):
    """One sentence: is it worth more than as many models of one kind, trained again?"""
    rows = _cross_modal(points)
    rows = rows[np.isfinite(rows["over_control_low"])]
    if not len(rows):
        return Sentence("No use has a retrained control to set beside it.")
    more, less = _side(rows, "over_control", titles)
    return Sentence(
        f"Beside as many models of one kind, trained again, it does better in {more} of "
        f"{len(rows)}, and worse in {less}."
    )


def of_use(points, use):
    """Sentences on one use, a clause for each corpus: the gain, and that of the control."""
    rows = points[points["use"] == use]
    if not len(rows):
        return Sentence("It was not measured here.")
    said = []
    for row in rows.to_dict("records"):
        name = CORPORA[row["corpus"]]
        if not np.isfinite(row["gain_low"]):
            said.append(f"On {name}: {row['reason'] or 'no interval'}.")
            continue
        known = {"reason": row["reason"] or "no interval", **row}
        gain, control = (
            {**known, **{k: _rounded(row[f"{v}{e}"]) for k, e in (("estimate", ""), *ENDS)}}
            for v in ("gain", "control_gain")
        )
        words = ("loses to", "is not shown to differ from", "gains over")
        beside = f"; the control {estimate_text(control)}"
        side = by_side({e: row[f"gain{end}"] for e, end in ENDS}, *words)
        said.append(
            f"On {name} it {side} {row['strongest']}: {estimate_text(gain)} points"
            f"{beside if np.isfinite(control['ci_low']) else '; there is no control'}."
        )
    return Sentence(" ".join(said))


ENDS = (("ci_low", "_low"), ("ci_high", "_high"))


def _rounded(value):
    """Two digits, and never a minus before zero."""
    return round(value, 2) + 0.0


def planted(points, titles):
    """One sentence on the synthetic corpus, where conflicts were planted."""
    rows = _known(points[points["corpus"] == SYNTHETIC])
    if not len(rows):
        return Sentence("No use was measured on synthetic clips.")
    names = rows["use"].map(titles).str.lower()
    good = rows["verdict"] == SHOWN
    half = rows["verdict"] == NOT_DIAGNOSTIC
    text = f"On synthetic clips, {good.sum() or 'none'} of {len(rows)} uses is shown"
    text += f" ({listed(list(names[good]))})" if good.any() else ""
    text += f"; {listed(list(names[half]))}: not diagnostic" if half.any() else ""
    return Sentence(f"{text}.")


def _rows(ax, rows, titles, title, color, wide):
    """Rows of a panel; on a phone what they are stands above their marks."""
    labels = []
    for y, row in enumerate(rows.to_dict("records")):
        mark(ax, row["gain"], row["gain_low"], row["gain_high"], y - 0.14, color)
        ends = row["control_gain"], row["control_gain_low"], row["control_gain_high"]
        mark(ax, *ends, y + 0.18, color, hollow=True)
        labels.append(f"{titles[row['use']]}, {CORPORA[row['corpus']]}\nagainst {row['strongest']}")
    ax.axvline(0, color="black", linewidth=0.8, zorder=0)
    ax.set_yticks(range(len(rows)), labels if wide else [""] * len(rows), fontsize=8.5)
    ax.set_ylim(len(rows) - 0.5, -0.6 if wide else -0.9)
    for y, label in enumerate([] if wide else labels):
        at = dict(transform=ax.get_yaxis_transform(), va="bottom", linespacing=1.1)
        paper = dict(facecolor="white", edgecolor="none", pad=0.6)
        ax.text(0.01, y - 0.28, label, fontsize=8, bbox=paper, **at)
    ax.tick_params(axis="y", length=3.5 if wide else 0)
    ax.locator_params(axis="x", nbins=5)
    about(ax, title, "gain over the strongest baseline (points)")


def figure(points, titles, width):
    """Forest plot: gain of disagreement (full) and of its control (open), real corpora first.

    Parameters
    ----------
    points : DataFrame
        Of `controls.using.in_points`, all corpora.
    titles : dict of str to str
        Use -> title, in the order of rows.
    width : float
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = _known(points)
    order = {use: k for k, use in enumerate(titles)}
    rows = rows.sort_values("use", key=lambda names: names.map(order), kind="stable")
    real, made = (
        rows[rows["corpus"].eq(SYNTHETIC) == synthetic].reset_index(drop=True)
        for synthetic in (False, True)
    )
    wide = is_wide(width)
    heights = [(0.55 if wide else 0.72) * len(part) + 0.7 for part in (real, made)]
    fig, axes = panels(width, heights, columns=1)
    _rows(axes[0], real, titles, "Real corpora (open: as many retrainings)", "black", wide)
    _rows(axes[1], made, titles, "Synthetic clips (open: the same)", "0.45", wide)
    counted = _cross_modal(points)
    good = (counted["verdict"] == SHOWN).sum()
    headline(
        fig,
        f"Disagreement between modalities outdoes both rivals in {good or 'none'} of "
        f"{len(counted)} measurements",
    )
    return fig

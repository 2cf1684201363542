"""Can the method find a planted conflict? Known truth first, then real corpora beside it."""

from empdis_utils.show.questions.parts import about, headline, listed, mark, panels
from empdis_utils.show.style import QUADRANT_COLORS, by_side, estimate_text

__all__ = ["adds", "alarms", "beside", "figure", "found", "mismatch", "no_cue", "often", "real"]

FLAG, ENTROPY, OPPOSITION = "red or green", "entropy", "opposition"
TARGETS = {
    "a conflict was planted": "planted conflicts",
    "fusion is wrong": "errors of fusion",
    "people are divided on the full clip": "divided people",
}
SCORES = {OPPOSITION: "black", FLAG: QUADRANT_COLORS["red"], ENTROPY: "0.45"}


def _last(table):
    """Rows of the last case, the clip as a whole, by target and score."""
    rows = table[table["case"] == table["case"].iloc[-1]]
    keys = [name for name in ("to find", "score") if name in rows]
    return rows.set_index(keys)


def found(aurocs, gains):
    """Sentences: do the paper's flag and opposition find planted conflicts, and beyond entropy?

    Parameters
    ----------
    aurocs : DataFrame
        Of `controls.recovery.aurocs`: modality, score, auroc, ci_low, ci_high.
    gains : DataFrame
        Of the same: modality, score (``a - b``), difference, ci_low, ci_high.

    Returns
    -------
    str
    """
    by = aurocs[aurocs["modality"] == "any"].set_index("score")
    gain = gains[gains["modality"] == "any"].set_index("score")
    words = ("worse than", "not shown to be better than", "better than")
    told = {name: estimate_text(by.loc[name], "auroc") for name in SCORES}
    flag, own = gain.loc[f"{FLAG} - {ENTROPY}"], gain.loc[f"{OPPOSITION} - {ENTROPY}"]
    return (
        "On synthetic clips, whose conflicts we planted, the paper's flag ranks a conflict above "
        f"another clip with AUROC {told[FLAG]}, {by_side(flag, *words)} plain entropy "
        f"({told[ENTROPY]}); opposition, which sets a modality against the others, reaches "
        f"{told[OPPOSITION]}, {by_side(own, *words)} entropy."
    )


def real(tables):
    """One sentence: opposition against uncertainty where nobody knows the conflicts.

    `tables`: corpus -> as of `measures.conflict.ranking`: to find, case, score, auroc, ci_low,
    ci_high.
    """
    words = (
        "less well than plain uncertainty does",
        "neither better nor worse, as far as can be told, than plain uncertainty does",
        "better than plain uncertainty does",
    )
    said = []
    for corpus, target, rows in _targets(tables):
        gap = rows.loc["opposition - uncertainty"]
        told = [f"{rows.loc[name, 'auroc']:.2f}" for name in ("opposition", "uncertainty")]
        said.append(
            f"{TARGETS[target]} {by_side(gap, *words)} ({corpus}, {' against '.join(told)}, "
            f"difference {estimate_text(gap, 'auroc')})"
        )
    return f"On real clips nobody knows the conflicts; there opposition finds {listed(said)}."


def adds(tables):
    """One sentence: what opposition adds to uncertainty, out of fold. `tables`: as for `real`."""
    words = ("takes something away from it", "is not shown to add to it", "adds to it")
    said = []
    for corpus, target, rows in _targets(tables):
        gain = rows.loc["both - uncertainty"]
        said.append(
            f"for {TARGETS[target]} ({corpus}) it {by_side(gain, *words)} "
            f"({estimate_text(gain, 'auroc', 3)})"
        )
    return f"Put together with uncertainty, {listed(said)}."


def _targets(tables):
    """(corpus, target, rows by score) of the clip as a whole, for each of the tables."""
    for corpus, table in tables.items():
        rows = _last(table)
        for target in rows.index.get_level_values(0).unique():
            yield corpus, target, rows.loc[target]


def beside(table, corpus):
    """One sentence: opposition beside what one modality alone would show.

    `table`: as for `real`.
    """
    rows, said, beaten = _last(table), [], []
    words = ("finds less than", "is not shown to find more than", "finds more than")
    for target, part in rows.groupby(level=0, sort=False):
        for name, row in part.droplevel(0).iterrows():
            if " - placebo: " in name:
                what = name.partition(" - placebo: ")[2]
                text = f"{by_side(row, *words)} the control ({what}; {estimate_text(row, 'auroc')})"
                said.append(f"{text} for {TARGETS[target]}")
                beaten.append(row["ci_low"] > 0)
    end = "" if all(beaten) else " What a control with one modality also finds is not diagnostic."
    return f"On {corpus}, opposition {listed(said)}.{end}"


def often(table, corpus):
    """One sentence: how often one modality opposes the others, and what the control shows.

    `table`: as of `measures.conflict.opposed`: case, score, opposed, ci_low, ci_high.
    """
    part = _last(table).reset_index()
    placebos = part[part["score"].str.startswith("placebo")].to_dict("records")
    matched = part[~part["score"].str.startswith("placebo")].iloc[-1]
    told = [f"{estimate_text(r, 'opposed')} ({r['score'].partition(': ')[2]})" for r in placebos]
    return (
        f"On {corpus}, opposition is above zero in a share of {estimate_text(matched, 'opposed')} "
        f"of clips; in controls that hold one modality only, in {listed(told)}."
    )


def no_cue(negatives):
    """Sentences: are conflicts told from clips with nothing to read?

    `negatives`: of `controls.recovery.aurocs`: modality, score, against, auroc, ci_low, ci_high.
    """
    part = negatives[(negatives["modality"] == "any") & (negatives["against"] == "no cue")]
    rows = part.set_index("score")
    told = [f"{name} {estimate_text(rows.loc[name], 'auroc')}" for name in SCORES]
    better = [name for name in SCORES if rows.loc[name, "ci_low"] > 0.5]
    return (
        f"Against clips that hold no cue at all, AUROC is: {', '.join(told)}. Better than chance: "
        f"{listed(better)}."
    )


def alarms(table):
    """One sentence: how often opposition finds a conflict where there is none.

    `table`: of `controls.simulation.false_alarms`: score, n_draws, false alarms, ci_low, ci_high.
    """
    row = table.set_index("score").loc[OPPOSITION]
    said = [row["false alarms"], row["ci_low"], row["ci_high"]]
    share, low, high = (f"{value:.0%}" for value in said)
    return (
        f"In {row['n_draws']:.0f} synthetic corpora without any conflict, the interval of "
        f"opposition leaves out chance in {share} [{low}, {high}]."
    )


def mismatch(table):
    """One sentence: does a model trained for mismatch find more than opposition does?

    `table`: of `measures.mismatch.compared`: detector, estimate, ci_low, ci_high, n, n_mismatch.
    """
    rows = table.set_index("detector")
    gain = rows.loc["trained on incongruence - opposition"]
    words = ("less than", "no more, as far as can be told, than", "more than")
    trained, free = rows.loc["trained on incongruence"], rows.loc["opposition"]
    return (
        f"Told in other recordings which of the clips hold a mismatch of words and face, a "
        f"classifier finds {by_side(gain, *words)} opposition, which was told nothing: AUROC "
        f"{estimate_text(trained)} against {estimate_text(free)} ({int(trained['n_mismatch'])} "
        f"mismatches among {int(trained['n'])} clips)."
    )


def _scores(ax, aurocs):
    rows = aurocs[aurocs["modality"] == "any"].set_index("score")
    for y, (name, color) in enumerate(SCORES.items()):
        row = rows.loc[name]
        mark(ax, row["auroc"], row["ci_low"], row["ci_high"], y, color)
    names = {FLAG: "red or green\n(the paper's flag)"}
    ax.set_yticks(range(len(SCORES)), [names.get(name, name) for name in SCORES])
    ax.set_ylim(len(SCORES) - 0.5, -0.5)
    about(ax, "Synthetic: planted conflicts", "AUROC")


def _corpora(ax, tables):
    labels = []
    for y, (corpus, target, rows) in enumerate(_targets(tables)):
        for name, shift, side in (("opposition", -0.13, "bottom"), ("uncertainty", 0.17, "top")):
            row, up = rows.loc[name], 9 if side == "bottom" else -9
            ends = row["auroc"], row["ci_low"], row["ci_high"]
            mark(ax, *ends, y + shift, "black", hollow=side == "top")
            if not y:
                how = dict(xytext=(0, up), textcoords="offset points", ha="center", va=side)
                ax.annotate(name, (row["auroc"], y + shift), fontsize=9, **how)
        labels.append(f"{TARGETS[target]}\n({corpus})")
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.7)
    about(ax, "Opposition beside uncertainty", "AUROC")


def figure(aurocs, synthetic, tables, width):
    """Scores on planted conflicts; opposition beside uncertainty on each corpus.

    Parameters
    ----------
    aurocs : DataFrame
        As for `found`.
    synthetic : DataFrame
        As of `measures.conflict.ranking`, on the clips with known truth.
    tables : dict of str to DataFrame
        As for `real`.
    width : float
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = panels(width, [1.9, 3.0])
    _scores(axes[0], aurocs)
    other = synthetic[synthetic["to find"] != "a conflict was planted"]
    _corpora(axes[1], {"synthetic": other, **tables})
    ends = [end for ax in axes for end in ax.get_xlim()]
    for ax in axes:
        ax.set_xlim(min(ends), max(ends))
        ax.axvline(0.5, color="black", linewidth=0.8, zorder=0)
    best = aurocs[aurocs["modality"] == "any"].set_index("score").loc[OPPOSITION]
    planted = "are" if best["ci_low"] > 0.5 else "are not shown to be"
    headline(fig, f"Planted conflicts {planted} found; on real clips {_on_real(tables)}")
    return fig


def _on_real(tables):
    """What the headline says of errors and divided people on corpora without a known truth."""
    gaps = [rows.loc["opposition - uncertainty"] for _, _, rows in _targets(tables)]
    if all(row["ci_high"] < 0 for row in gaps):
        return "uncertainty finds more than opposition"
    beats = any(row["ci_low"] > 0 for row in gaps)
    return "opposition beats uncertainty somewhere" if beats else "neither finds more"

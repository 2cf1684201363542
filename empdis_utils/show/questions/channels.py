"""When words, voice and face differ: what people's votes, sarcastic lines and planted cues say."""

import numpy as np
import pandas as pd

from empdis_utils.show import labelled, style
from empdis_utils.show.style import MODALITY_COLORS

__all__ = [
    "answer",
    "beyond_noise",
    "figure",
    "followed",
    "planted",
    "plotted",
    "sarcasm",
    "sentences",
]

TRAINED, FREE = "trained on incongruence", "opposition"
WORDS = "words (TF-IDF)"
COLORS = {"face": MODALITY_COLORS["video"], "voice": MODALITY_COLORS["audio"], "neither": "0.35"}


def _row(table, **where):
    """The one row of a table with these values."""
    for name, value in where.items():
        table = table[table[name] == value]
    if len(table) != 1:
        raise KeyError(f"{len(table)} rows with {where}, not one")
    return table.iloc[0]


def _percent(row):
    """``54 % [53, 56]`` of a row with estimate, ci_low and ci_high in shares."""
    ends = f" [{100 * row['ci_low']:.0f}, {100 * row['ci_high']:.0f}]"
    return f"{100 * row['estimate']:.0f} %" + (ends if np.isfinite(row["ci_low"]) else "")


def beyond_noise(rates):
    """How often voice and face get different majorities, beside two halves of the same votes.

    `rates`: the table `incongruence_rates` of CREMA-D. Returns DataFrame: rows of majority for half
    the votes of each channel, and for two halves of one channel, with label, color and hollow.
    """
    kept = rates[(rates["number"] == "majority") & rates["compared"].str.contains("hal")]
    kept = kept[~kept["compared"].str.contains("minus")].reset_index(drop=True)
    control = kept["compared"].str.startswith("two halves")
    label = kept["compared"].str.replace("two halves of ", "two halves of the same votes: ")
    label = label.str.replace(", half the votes of each", "")
    colors = kept["compared"].str.extract("of (voice|face)$")[0].map(COLORS).fillna("black")
    return kept.assign(label=label, hollow=control, color=colors)


def followed(wins):
    """Whose answer people repeat who got both channels, where the two differ.

    `wins`: the table `channel_wins`. Returns DataFrame: the rows of all clips, most votes first.
    """
    kept = wins[wins["by"] == "all"].sort_values("estimate", ascending=False)
    named = kept["wins"].map(lambda name: f"the {name}" if name != "neither" else "neither")
    return kept.assign(label=named, color=kept["wins"].map(COLORS).fillna("black"))


def sarcasm(accuracy):
    """How well words tell sarcasm, by what is held out, beside the speaker's name.

    `accuracy`: the table `sarcasm_accuracy`. Returns DataFrame.
    """
    named = {
        (WORDS, "random"): "words, speakers shared with training",
        (WORDS, "speakers"): "words, new speakers",
        (WORDS, "shows"): "words, new shows",
        ("speaker only", "random"): "speaker's name alone, no word",
    }
    rows = accuracy.set_index(["features", "folds"]).loc[list(named)].reset_index()
    control = rows["features"] != WORDS
    return rows.assign(
        label=list(named.values()),
        hollow=control,
        color=np.where(control, "black", MODALITY_COLORS["text"]),
    )


def planted(found):
    """Detectors of planted conflicts between words and face, the best first.

    `found`: the table `mismatch` of the synthetic corpus. Returns DataFrame.
    """
    kept = found[~found["detector"].str.contains(" - ")]
    kept = kept.sort_values("estimate", ascending=False)
    named = {TRAINED: "trained to find conflicts", FREE: "opposite log-odds, never told"}
    return kept.assign(
        label=kept["detector"].replace(named), hollow=kept["detector"] == "metadata only"
    )


def _which_wins(rows):
    """``the face``, or "" where two intervals overlap."""
    first, second = rows.iloc[0], rows.iloc[1]
    return first["label"] if first["ci_low"] > second["ci_high"] else ""


def plotted(rates, wins, accuracy, found):
    """All marks of the figure in one table: panel, label, estimate, ci_low, ci_high, n, hollow.

    `rates`, `wins`, `accuracy`, `found`: tables of the chapters. Returns DataFrame.
    """
    named = {
        "voice and face": beyond_noise(rates), "who is followed": followed(wins),
        "sarcasm": sarcasm(accuracy), "planted conflict": planted(found),
    }  # fmt: skip
    columns = ["panel", "label", "estimate", "ci_low", "ci_high", "n", "hollow"]
    parts = [rows.assign(panel=name) for name, rows in named.items()]
    return pd.concat([rows.reindex(columns=columns) for rows in parts], ignore_index=True).astype(
        {"hollow": "boolean"}
    )


def _numbered(rows):
    """Labels with the estimate behind them."""
    return [f"{row['label']}: {row['estimate']:.2f}" for _, row in rows.iterrows()]


def figure(rates, wins, accuracy, found, width):
    """Four panels: noise, who wins, sarcasm, planted conflicts.

    `rates`, `wins`, `accuracy`, `found`: tables of the chapters. `width`: inches. Returns Figure.
    """
    noise, won = beyond_noise(rates), followed(wins)
    lines, detectors = sarcasm(accuracy), planted(found)
    gap = rates[(rates["number"] == "majority") & rates["compared"].str.contains("minus")].iloc[0]
    more = style.by_side(gap, "less often than", "no more often than", "more often than")
    winner = _which_wins(won) or "no channel"
    gain = _row(found, detector=f"{TRAINED} - {FREE}")
    told = style.by_side(gain, "worse than", "no better than", "better than")
    draws = [
        (noise, {"title": f"Voice and face part people {more} chance does (CREMA-D, votes)",
                 "xlabel": "share of clips with two majorities", "xlim": (0, 0.7)}),
        (won, {"title": f"Where they differ, {winner} wins (CREMA-D, votes)",
               "xlabel": "share of votes that repeat its answer", "xlim": (0, 0.7)}),
        (lines, {"title": f"Words alone are right on {lines['estimate'].iloc[2]:.0%} of lines "
                 "in new shows (MUStARD++)", "lines": {0.5: "a coin"}, "xlim": (0.3, 0.8),
                 "xlabel": "accuracy, sarcastic or not"}),
        (detectors, {"title": f"Training for conflict is {told} opposite log-odds (synthetic)",
                     "lines": {0.5: "a coin"}, "xlim": (0, 1.02),
                     "xlabel": "AUROC: a planted conflict ranks first"}),
    ]  # fmt: skip
    draws = [(t.assign(label=_numbered(t)), how) for t, how in draws]
    panels = [(len(t), lambda ax, t=t, how=how: labelled.rows(ax, t, **how)) for t, how in draws]
    return labelled.figure(panels, width, 2)


def answer(rates, wins):
    """Two sentences: how often voice and face differ beyond noise, and whom people follow.

    `rates`, `wins`: tables of CREMA-D. Returns `style.Sentence`.
    """
    noise, won = beyond_noise(rates), followed(wins)
    gap = rates[(rates["number"] == "majority") & rates["compared"].str.contains("minus")].iloc[0]
    both, halves = noise[~noise["hollow"]].iloc[0], noise[noise["hollow"]]
    which = gap["compared"].rpartition(" of ")[2]
    control = halves[halves["compared"].str.endswith(which)].iloc[0]
    much = style.by_side(gap, "less than", "no more, as far as can be told, than", "more than")
    winner = _which_wins(won)
    channels = won[won["wins"] != "neither"]
    shares = "; ".join(f"{r['label']}: {_percent(r)}" for _, r in channels.iterrows())
    ends = f"their votes follow {winner or 'no channel'} ({shares})"
    return style.Sentence(
        f"People who only hear a clip of CREMA-D and people who only see it give different "
        f"majority answers on {_percent(both)} of clips, {much} two halves of the same {which} "
        f"votes ({_percent(control)}). Where the two differ and people get both, {ends}."
    )


def _one_by_one(found):
    """How many clips differ for themselves, and how many of two halves of the same votes do."""
    told = found[found["found"].notna()]
    halves = told["compared"].str.startswith("halves")
    counts = [f"{n} ({what})" for what, n in told.loc[halves, ["compared", "found"]].to_numpy()]
    row = told[~halves].iloc[0]
    return (
        f"Tested one by one, {row['found']:,} of {row['n']:,} clips differ; the same test finds "
        f"{' and '.join(counts)}."
    )


def _weights(weight):
    """The weight of the voice over all clips, and the emotions at both ends."""
    each = weight[weight["by"] != "all"].sort_values("estimate")
    low, high = each.iloc[0], each.iloc[-1]
    return (
        f"People who get both give the voice a weight of "
        f"{style.estimate_text(_row(weight, by='all'))}: least for {low['by']} "
        f"({style.estimate_text(low)}), most for {high['by']} ({style.estimate_text(high)})."
    )


def _sarcastic(emotions, accuracy, lost):
    """What is meant against what is shown, and what words tell of it."""
    by, rows = emotions.set_index("label"), sarcasm(accuracy)
    gone = _row(lost, features=WORDS, against="speakers")
    falls = style.by_side(
        gone, "gain", "lose nothing that these speakers can show", "lose part of it"
    )
    yes, no, name = by.loc["sarcastic"], by.loc["sincere"], rows.iloc[3]
    less = name["ci_high"] < rows["estimate"].iloc[0]
    control = "less than the words" if less else "so what words score there is not diagnostic"
    return {
        "mismatch": f"The meant emotion is another than the shown one in {yes['mismatches']} of "
        f"{yes['n']} sarcastic lines, and in {no['mismatches']} of {no['n']} others.",
        "words": f"Words alone are right on {_percent(rows.iloc[0])} of lines, and {falls} with "
        f"new speakers ({_percent(rows.iloc[1])}); in new shows they are right on "
        f"{_percent(rows.iloc[2])}. The speaker's name alone, without a word: "
        f"{_percent(name)}, {control}.",
    }


def _found_as_planted(found):
    """What training for conflict adds to a score that was told nothing, and the control."""
    rows, gain = found.set_index("detector"), _row(found, detector=f"{TRAINED} - {FREE}")
    much = style.by_side(gain, "less than", "no more, as far as can be told, than", "more than")
    trained, free, control = (rows.loc[name] for name in (TRAINED, FREE, "metadata only"))
    coin = control["ci_low"] <= 0.5 <= control["ci_high"]
    return (
        f"Of {trained['n_mismatch']:.0f} planted conflicts among {trained['n']:.0f} synthetic "
        f"clips, a model trained to find them finds {much} the product of two log-odds that was "
        f"told nothing: AUROC {style.estimate_text(trained)} against {style.estimate_text(free)}. "
        f"Numbers about length alone, the control, are {'a coin' if coin else 'no coin'}: "
        f"{style.estimate_text(control)}."
    )


def sentences(rates, wins, weight, found, emotions, accuracy, lost, mismatch):
    """All sentences of the page by their glued names.

    The tables are those of the chapters: `incongruence_rates`, `channel_wins`, `channel_weight`,
    `incongruence_found`; `sarcasm_emotions`, `sarcasm_accuracy`, `sarcasm_gain`; `mismatch`.
    Returns dict of str to `style.Sentence`.
    """
    said = {
        "answer": answer(rates, wins),
        "n_actors": f"{_row(wins, by='all', wins='voice')['n_recordings']}",
        "one_by_one": _one_by_one(found),
        "weight": _weights(weight),
        "planted": _found_as_planted(mismatch),
        **_sarcastic(emotions, accuracy, lost),
    }
    return {name: style.Sentence(text) for name, text in said.items()}

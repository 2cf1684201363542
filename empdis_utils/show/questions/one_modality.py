"""Can one modality do it? Accuracies of single modalities beside what needs none of them."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from empdis_utils.data import tables
from empdis_utils.data.tables import MODALITIES
from empdis_utils.show import plots, style

__all__ = [
    "accuracies", "figure", "labelled", "majority", "numbered", "sentence_above", "sentence_best",
    "sentence_held", "sentence_other", "side", "title",
]  # fmt: skip

PLAIN = dict(facecolor="white", edgecolor="none", pad=0.5)  # under a label that crosses a line
COLUMNS = ["modality", "model", "held_out", "n", "n_seeds", "accuracy", "ci_low", "ci_high"]


def majority(folder) -> float:
    """Share of the larger class among the clips of a run: from its tables audit and manifest.

    The audit counts the labels of every split; the manifest says which splits the run uses. Labels
    themselves are not read: some publishers do not let them be passed on.
    """
    labels = tables.read(folder, "audit").query("check == 'label'")
    used = tables.read(folder, "manifest")["split"].unique()
    n = labels[labels["split_a"].isin(used)].groupby("note")["n"].sum()
    return float(n.max() / n.sum())


def accuracies(table: pd.DataFrame, larger: float, **about) -> pd.DataFrame:
    """Rows of single modalities from a chapter's table of accuracies.

    `table`: accuracy_fusion (inputs), accuracy_unimodal (modality, encoder, protocol) or
    split_accuracy (modality, features, folds). `larger`: share of the larger class. `about`: more
    columns, such as the corpus. Returns columns modality, model, held_out ("recordings" or
    "clips"), n, n_seeds, accuracy, ci_low, ci_high, majority.
    """
    names = {"inputs": "modality", "encoder": "model", "features": "model"}
    found = table.rename(columns=names | {"protocol": "held_out", "folds": "held_out"})
    found = found[found["modality"].isin(MODALITIES)].copy()
    words = {"crossfit": "recordings", "grouped": "recordings"}
    found["held_out"] = (
        found["held_out"].map(words).fillna("clips") if "held_out" in found else "recordings"
    )
    for column, empty in (("model", "network"), ("n_seeds", np.nan)):
        if column not in found:
            found[column] = empty
    order = found["modality"].map(MODALITIES.index)
    found = found.loc[order.sort_values(kind="stable").index, COLUMNS]
    return found.assign(majority=larger, **about).reset_index(drop=True)


def side(row, below: str, holds: str, above: str) -> str:
    """One of three wordings: the interval lies below the larger class, holds it, or lies above."""
    return style.by_side(row[["ci_low", "ci_high"]] - row["majority"], below, holds, above)


def sentence_best(rows: pd.DataFrame, corpus: str) -> str:
    """The most accurate modality of a corpus, beside the larger class.

    `rows`: of `accuracies`, of one corpus, recordings held out.
    """
    best = rows.loc[rows["accuracy"].idxmax()]
    how, right = side(best, "below", "not above", "above"), style.estimate_text(best, "accuracy")
    return style.Sentence(
        f"On {corpus}, {best['modality']} alone is right on {right} of "
        f"the clips of recordings it never met, {how} the larger class "
        f"({best['majority']:.2f})."
    )


def _name(row):
    """A modality, and the encoder where a corpus has several."""
    one = row["model"] == "network"
    return row["modality"] if one else f"{row['modality']} ({row['model']})"


def sentence_other(rows: pd.DataFrame) -> str:
    """The modalities but the most accurate one, beside the larger class; `rows` as before."""
    rest = rows.drop(rows["accuracy"].idxmax())
    parts = [
        f"{_name(row)} {style.estimate_text(row, 'accuracy')}, "
        + side(row, "below it", "not above it", "above it")
        for _, row in rest.iterrows()
    ]
    return style.Sentence("; ".join(parts))


def sentence_held(rows: pd.DataFrame) -> str:
    """Text models of a corpus with recordings held out, beside the larger class."""
    above = int((rows["ci_low"] > rows["majority"]).sum())
    count = "No text model" if not above else f"{above} of {len(rows)} text models"
    marks = ", ".join(style.estimate_text(row, "accuracy") for _, row in rows.iterrows())
    return style.Sentence(
        f"{count} on EMPSPEECH, the paper's corpus, is above the larger class "
        f"({rows['majority'].iloc[0]:.2f}) once whole recordings are held out ({marks})."
    )


def sentence_above(row) -> str:
    """A text model minus the recording alone, on the released test clips; of above_recording."""
    how = style.by_side(row, "less than", "no more than", "more than")
    return style.Sentence(
        f"it knows {how} the recording alone (difference {style.estimate_text(row, 'difference')})"
    )


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of one modality with a `label`: how it was trained, and what was held out."""
    drawn = rows["model"].str.startswith("fine-tuned")
    seeds = rows["n_seeds"].map(lambda n: "" if np.isnan(n) else f", {n:.0f} seed" + "s" * (n > 1))
    what = rows["model"].where(~drawn, rows["model"].str.extract(r"(\d+ draws)")[0])
    what = what.where(drawn, "text" + seeds)
    what = what.where(~drawn, "text, " + what)
    where = rows["held_out"].map({"recordings": "recordings out", "clips": "clips out"})
    found = rows.assign(label=what + "\n" + where)
    return found.sort_values("held_out", ascending=False, kind="stable", ignore_index=True)


def numbered(rows: pd.DataFrame) -> pd.Series:
    """Labels of rows with several encoders of a modality: the modality and the encoder's name."""
    return rows["modality"] + ": " + rows["model"]


def title(rows: pd.DataFrame, corpus: str) -> str:
    """The point of a panel: which modalities are above the larger class, recordings held out."""
    held = rows[rows["held_out"] == "recordings"]
    above = held[held["ci_low"] > held["majority"]]["modality"].unique()
    names = held["modality"].unique()
    if not len(above):
        which = names[0] if len(names) == 1 else "no modality"
        verb = "is not" if len(names) == 1 else "is"
        return f"{corpus}: {which} {verb} above the larger class"
    if len(above) == len(names) > 1:
        return f"{corpus}: each modality is above the larger class"
    only, verb = "only " * (len(names) > 1), "is" if len(above) == 1 else "are"
    return f"{corpus}: {only}{' and '.join(above)} {verb} above the larger class"


def figure(found: dict, width: float = 8.0):
    """A panel for each corpus: modalities and models with intervals, the larger class, a baseline.

    Parameters
    ----------
    found : dict
        Name of the panel -> (rows of `accuracies` with a column `label`, baseline, title). The
        baseline is None or (accuracy, ci_low, ci_high, name), drawn as a grey band. Rows that hold
        out clips only, not recordings, are drawn open.
    width : float
        Inches; below 6 the panels stand below each other.

    Returns
    -------
    matplotlib.figure.Figure
    """
    wide = width >= 6
    heights = [len(rows) + 2.4 for rows, *_ in found.values()]
    if wide:
        fig, axes = plt.subplots(
            1, len(found), figsize=(width, 1.1 + 0.34 * max(heights)), sharex=True,
            layout="constrained",
        )  # fmt: skip
    else:
        fig, axes = plt.subplots(
            len(found), 1, figsize=(width, 0.7 * len(found) + 0.34 * sum(heights)), sharex=True,
            height_ratios=heights, layout="constrained",
        )  # fmt: skip
    low = min(rows["ci_low"].min() for rows, *_ in found.values())
    for ax, (rows, baseline, title) in zip(np.ravel(axes), found.values(), strict=True):
        larger = rows["majority"].iloc[0]
        plots.intervals(
            rows.assign(open=rows["held_out"] == "clips"), "accuracy", "label", hollow="open",
            lines={larger: "--"}, band=baseline[1:3] if baseline else None, axes=[ax],
        )  # fmt: skip
        if baseline:
            ax.axvline(baseline[0], color="0.6", linewidth=1, zorder=0)
            ax.text(
                baseline[0], len(rows) - 0.35, baseline[3], ha="center", va="center", fontsize=7.5
            )
        how = dict(ha="center", va="center", fontsize=7.5, bbox=PLAIN)
        ax.text(larger, -0.75, "larger class", **how)
        ax.set_ylim(len(rows) - 0.05, -1.15)
        ax.set_xlim(min(0.35, low - 0.02), 0.95)
        ax.tick_params(labelsize=8.5, labelbottom=True)
        ax.set_xlabel("accuracy", fontsize=9)
        ax.set_title(fill(title, 30 if wide else 48), fontsize=9.5, loc="left")
    return fig

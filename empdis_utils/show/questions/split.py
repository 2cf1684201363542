"""Does the split give it away? The recording alone, recordings held out, borrowed features."""

from textwrap import fill

import pandas as pd
from matplotlib import pyplot as plt

from empdis_utils.controls.split import ALONE, both_ways
from empdis_utils.show import style

__all__ = [
    "borrowed", "figure", "models", "sentence_alone", "sentence_borrowed", "sentence_held",
    "sentence_lost", "sentence_mark", "shown_names",
]  # fmt: skip

HELD = "accuracy, held out by recording"
PLAIN = dict(facecolor="white", edgecolor="none", pad=0.5)  # under a label that crosses a line
NAMES = {
    ALONE: "recording only",
    "TF-IDF": "words (TF-IDF)",
    "sentence encoder": "sentence encoder",
}


def shown_names(features: str) -> str:
    """The name of a model on the page: short, without the chapter it comes from."""
    if features.startswith("fine-tuned"):
        return "fine-tuned encoder"
    if features.startswith("chapter 02's "):
        return "fine-tuned, released split"
    return NAMES.get(features, features)


def models(accuracy: pd.DataFrame, unimodal: pd.DataFrame | None, larger: float) -> pd.DataFrame:
    """Each model with recordings shared and with recordings held out.

    `accuracy`: split_accuracy of chapter 08. `unimodal`: accuracy_unimodal of chapter 02. `larger`:
    share of the larger class. Returns the rows of `controls.split.both_ways`, and label and
    majority.
    """
    both = both_ways(accuracy, unimodal)
    return both.assign(label=both["features"].map(shown_names), majority=larger)


def borrowed(leak: pd.DataFrame) -> pd.DataFrame:
    """Published features: accuracy on clips of the train split and of the test split, by modality.

    `leak`: feature_leak of chapter 01. Returns columns modality, split, n, accuracy, ci_low,
    ci_high.
    """
    names = {HELD: "accuracy", "released split": "split"}
    return leak.rename(columns=names)[["modality", "split", "n", "accuracy", "ci_low", "ci_high"]]


def sentence_alone(alone, best: float, name: str) -> str:
    """The recording alone beside the best model that a paper reports.

    `alone`: a row of recording_baseline. `best`, `name`: accuracy of that model, and what it is.
    """
    how = style.by_side(
        alone[["ci_low", "ci_high"]] - best, "less than", "on a level with", "more than"
    )
    return style.Sentence(
        f"Knowing only which recording a clip is from, and not one word of it, is right on "
        f"{style.estimate_text(alone, 'accuracy')} of EMPSPEECH's test clips: {how} {name} "
        f"({best:.2f})."
    )


def sentence_held(both: pd.DataFrame) -> str:
    """How many text models are above the larger class with recordings held out.

    `both`: of `models`; the recording alone does not count.
    """
    held = both[both["folds"].eq("grouped") & both["features"].ne(ALONE)]
    larger = held["majority"].iloc[0]
    above = held["ci_low"] > larger
    low, high = held["accuracy"].min(), held["accuracy"].max()
    count = "none" if not above.any() else f"{int(above.sum())}"
    verb = "is" if above.sum() < 2 else "are"
    return style.Sentence(
        f"Hold whole recordings out, and {count} of {len(held)} text models {verb} above always "
        f"saying the larger class ({larger:.2f}): they score {low:.2f} to {high:.2f}."
    )


def sentence_lost(gains: pd.DataFrame) -> str:
    """What each text model loses when recordings are held out; `gains`: split_gain."""
    own = gains[gains["features"] != ALONE]
    parts = [
        f"{shown_names(row['features'])} {style.estimate_text(row, 'random minus grouped')}"
        for _, row in own.iterrows()
    ]
    return style.Sentence("; ".join(parts))


def sentence_borrowed(rows: pd.DataFrame) -> str:
    """Which published features know the labels of the split that they were made from.

    `rows`: of `borrowed`. A modality counts when its two intervals do not touch.
    """
    wide = rows.pivot(index="modality", columns="split")
    knows = wide["ci_low"]["train"] > wide["ci_high"]["test"]
    said = [
        f"{m} {wide.loc[m, ('accuracy', 'train')]:.2f} on train clips, "
        f"{wide.loc[m, ('accuracy', 'test')]:.2f} on test clips"
        for m in rows["modality"].unique()
        if knows[m]
    ]
    if not said:
        return style.Sentence("No modality's features do better on the clips they were made from.")
    return style.Sentence("; ".join(said) + ".")


def sentence_mark(simulated: pd.DataFrame) -> str:
    """What made-up numbers with nothing but a recording's mark score at the strongest mark."""
    strong = simulated[simulated["strength"] == simulated["strength"].max()].set_index("folds")
    random, grouped = (
        style.estimate_text(strong.loc[w], "accuracy") for w in ("random", "grouped")
    )
    return style.Sentence(f"{random} where clips are held out, {grouped} where recordings are")


def _draw_models(ax, both, paper):
    names = list(dict.fromkeys(both["label"]))
    for row, name in enumerate(names):
        pair = both[both["label"] == name]
        color = style.MODALITY_COLORS.get(pair["modality"].iloc[0], "black")
        ax.plot(pair["accuracy"], [row] * 2, color=color, linewidth=1.2)
        looks = zip(pair.to_dict("records"), (-0.14, 0.14), ("white", color), strict=True)
        for item, up, face in looks:
            ends = [item["ci_low"], item["ci_high"]]
            ax.plot(ends, [row + up] * 2, color=color, alpha=0.35, linewidth=2.5)
            ax.plot(item["accuracy"], row, "o", color=color, markerfacecolor=face, markersize=8)
            if row == 0:
                where = "recordings\nshared" if face == "white" else "recordings\nheld out"
                ax.annotate(
                    where, (item["accuracy"], row), (0, 9), textcoords="offset points",
                    ha="center", fontsize=8, bbox=PLAIN,
                )  # fmt: skip
    ax.plot(paper, [len(names)] * len(paper), "|", color="black", markersize=13)
    larger = both["majority"].iloc[0]
    ax.axvline(larger, color="black", linestyle="--", linewidth=0.8)
    ax.text(larger, len(names) + 0.55, " larger class", fontsize=8, va="center")
    ax.set_yticks(range(len(names) + 1), [*names, "the paper's Table 1"])
    ax.set(ylim=(len(names) + 0.8, -1.3))
    ax.tick_params(labelsize=8.5)
    ax.set_xlabel("accuracy", fontsize=9)


def _draw_mark(ax, simulated, larger):
    for way, dash, up in (("random", "-", 6), ("grouped", "--", -12)):
        part = simulated[simulated["folds"] == way]
        ax.plot(
            part["strength"], part["accuracy"], "o", linestyle=dash, color="black", markersize=4
        )
        ax.fill_between(part["strength"], part["ci_low"], part["ci_high"], color="black", alpha=0.1)
        where = {"random": "recordings shared", "grouped": "recordings held out"}[way]
        ax.annotate(
            where, (part["strength"].iloc[-1], part["accuracy"].iloc[-1]), (0, up),
            textcoords="offset points", ha="right", fontsize=8,
        )  # fmt: skip
    ax.axhline(larger, color="black", linestyle=":", linewidth=0.8)
    ax.tick_params(labelsize=8.5)
    ax.set_xlabel("strength of the recording's mark", fontsize=9)
    ax.set_ylabel("accuracy", fontsize=9)


def _draw_borrowed(ax, rows):
    for row, (modality, part) in enumerate(rows.groupby("modality", sort=False)):
        color = style.MODALITY_COLORS.get(modality, "black")
        ax.plot(part["accuracy"], [row] * len(part), color=color, linewidth=1.2)
        for item in part.to_dict("records"):
            train = item["split"] == "train"
            ends = [item["ci_low"], item["ci_high"]]
            ax.plot(ends, [row + (-0.12 if train else 0.12)] * 2, color=color, alpha=0.35, lw=2.5)
            ax.plot(
                item["accuracy"], row, "o", color=color, markerfacecolor="w" if train else color
            )
            if row == 0:
                ax.annotate(
                    f"{item['split']} clips", (item["accuracy"], row), (0, 8), ha="center",
                    textcoords="offset points", fontsize=8,
                )  # fmt: skip
    names = list(rows["modality"].unique())
    ax.set_yticks(range(len(names)), names)
    ax.set(ylim=(len(names) - 0.5, -0.8))
    ax.tick_params(labelsize=8.5)
    ax.set_xlabel("accuracy", fontsize=9)


def figure(both, paper, simulated, rows, width: float = 8.0):
    """Models with recordings shared and held out; made-up marks; borrowed features.

    Parameters
    ----------
    both : DataFrame
        Of `models`.
    paper : sequence of float
        Accuracies that the paper prints, drawn as strokes.
    simulated : DataFrame
        split_simulation of chapter 08.
    rows : DataFrame
        Of `borrowed`.
    width : float
        Inches; below 6 the panels stand below each other.

    Returns
    -------
    matplotlib.figure.Figure
    """
    wide, n = width >= 6, both["label"].nunique()
    tall = 1.4 + 0.42 * n
    if wide:
        fig, axes = plt.subplot_mosaic(
            "aa;bc", figsize=(width, tall + 2.9), height_ratios=[tall, 2.9], layout="constrained"
        )
    else:
        fig, axes = plt.subplot_mosaic(
            "a;b;c", figsize=(width, tall + 5.6), height_ratios=[tall, 2.8, 2.8],
            layout="constrained",
        )  # fmt: skip
    _draw_models(axes["a"], both, paper)
    _draw_mark(axes["b"], simulated, both["majority"].iloc[0])
    _draw_borrowed(axes["c"], rows)
    held = both[both["folds"].eq("grouped") & both["features"].ne(ALONE)]
    above = int((held["ci_low"] > held["majority"]).sum())
    verb = "is" if above < 2 else "are"
    count = f"{above} of {len(held)} text models {verb}" if above else "no text model is"
    titles = {
        "a": f"EMPSPEECH: with recordings held out, {count} above the larger class",
        "b": "Made-up numbers that hold a recording's mark, and nothing else (synthetic)",
        "c": "MOSI: " + _title_borrowed(rows),
    }
    for name, title in titles.items():
        chars = (90 if name == "a" else 46) if wide else 42
        axes[name].set_title(fill(title, chars), fontsize=9.5, loc="left")
    return fig


def _title_borrowed(rows):
    wide = rows.pivot(index="modality", columns="split")
    knows = wide["ci_low"]["train"] > wide["ci_high"]["test"]
    names = [m for m in rows["modality"].unique() if knows[m]]
    if not names:
        return "the published features know no labels of their train split"
    return f"published {' and '.join(names)} features know the labels of the train split"

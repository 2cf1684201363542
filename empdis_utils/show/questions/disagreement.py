"""When do models disagree, and would they disagree with themselves? Numbers, sentences, figure."""

from textwrap import fill

import pandas as pd
from matplotlib import pyplot as plt

from empdis_utils.data.tables import QUADRANTS
from empdis_utils.measures import inference
from empdis_utils.show import style

__all__ = [
    "EITHER", "against_retraining", "changes", "figure", "sentence_changes", "sentence_excess",
    "sentence_rates", "side",
]  # fmt: skip

EITHER = "red or green"


def against_retraining(over: pd.DataFrame, placebo: pd.DataFrame) -> pd.DataFrame:
    """Disagreement of each modality with fusion, beside what retraining alone shows.

    `over`, `placebo`: the tables modality_over_seed and quadrant_placebo of chapter 04. Returns one
    row per modality: n, n_seeds, rate (modality against fusion, over pairs of different seeds) with
    rate_low and rate_high, fusion_again (fusion against its retrained copies), modality_again,
    ratio (rate over fusion_again) with ci_low and ci_high, and excess (rate above the mean of both
    retrainings) with excess_low and excess_high.
    """
    fused = over[over["baseline"] == "fusion"].set_index("modality")
    own = over[over["baseline"] == "unimodal"].set_index("modality")
    same = placebo.query("contrast == 'differs' and placebo == 'same model'").set_index("modality")
    table = fused[["n", "n_seeds", "ratio", "ci_low", "ci_high"]].assign(
        rate=fused["modality_rate"],
        rate_low=same["ci_low"],
        rate_high=same["ci_high"],
        fusion_again=fused["seed_rate"],
        modality_again=own["seed_rate"],
        **{name: same[name] for name in ("excess", "excess_low", "excess_high")},
    )
    return table.reset_index()


def changes(quadrants: pd.DataFrame, dialog: pd.Series) -> pd.DataFrame:
    """How many clips are in more than one quadrant over the seeds.

    `quadrants`: the table of chapter 04, of single seeds and of the ensemble. `dialog`: clip_id ->
    recording. Returns columns modality, quadrant (of the ensemble; and "red or green"), n, n_seeds,
    n_changed, share, ci_low, ci_high, reason.
    """
    rows = []
    for modality, part in quadrants.groupby("modality", sort=False):
        seeds = part[part["seed"] != "ensemble"]
        moved = seeds.groupby("clip_id")["quadrant"].nunique().gt(1)
        ensemble = part[part["seed"] == "ensemble"].set_index("clip_id")["quadrant"]
        for name in (*QUADRANTS, EITHER):
            inside = ensemble.index[ensemble.isin(["red", "green"] if name == EITHER else [name])]
            own = moved[inside].to_numpy(float)
            found = inference.share_interval(own, groups=dialog[inside].to_numpy())
            row = {"modality": modality, "quadrant": name, "n": len(own)}
            row |= {"n_seeds": seeds["seed"].nunique(), "n_changed": int(own.sum())}
            row |= {"share": found.estimate, "ci_low": found.ci_low, "ci_high": found.ci_high}
            rows.append(row | {"reason": found.reason})
    return pd.DataFrame(rows)


def side(row, below, holds, above):
    """One of three wordings: the interval of the row's ratio lies below 1, holds it, lies above."""
    return style.by_side(row[["ci_low", "ci_high"]] - 1, below, holds, above)


def sentence_rates(row, corpus: str) -> str:
    """Fusion against its retrained copy, beside a modality against fusion.

    `row`: of `against_retraining`. The wording follows the interval of the ratio.
    """
    how = side(row, "more often than", "about as often as", "less often than")
    return style.Sentence(
        f"On {corpus}, fusion trained again contradicts itself on {row['fusion_again']:.0%} of the "
        f"clips, {how} {row['modality']} alone contradicts it ({row['rate']:.0%})."
    )


def sentence_excess(row) -> str:
    """How much more often a modality contradicts fusion than retraining either would."""
    ends = {"ci_low": row["excess_low"], "ci_high": row["excess_high"]}
    how = style.by_side(ends, "less often than", "as often as", "more often than")
    points = f"{100 * row['excess']:.1f} points, 95 % interval {100 * row['excess_low']:.1f} to "
    return style.Sentence(
        f"{row['modality']} and fusion part {how} two trainings of either "
        f"({points}{100 * row['excess_high']:.1f})"
    )


def sentence_changes(row) -> str:
    """How many red and green clips of a modality change quadrant; `row`: of `changes`."""
    whole = row["n_changed"] == row["n"]
    count = f"All {row['n']}" if whole else f"{row['n_changed']} of {row['n']}"
    return style.Sentence(
        f"{count} red and green {row['modality']} clips change quadrant over "
        f"{row['n_seeds']} trainings (share {style.estimate_text(row, 'share')})."
    )


def _rates_title(rates, corpus):
    words = {}
    for _, row in rates.iterrows():
        words.setdefault(side(row, "more", "level", "less"), []).append(row["modality"])
    said = {"more": "more than {}", "level": "as much as {}", "less": "less than {}"}
    verb = {one: "does" if len(names) == 1 else "do" for one, names in words.items()}
    parts = [
        f"{text.format(' and '.join(words[k]))} {verb[k]}" for k, text in said.items() if k in words
    ]
    return f"{corpus}: fusion contradicts its own copy {', '.join(parts)}"


def _draw_rates(ax, rates, title, chars):
    """Filled: the modality against fusion. Line: fusion against its copy. Open: its own copy."""
    at, dark = rates["fusion_again"].iloc[0], style.MODALITY_COLORS["fusion"]
    ax.axvline(at, color=dark, linestyle="--", linewidth=1.2)
    ax.text(at, -0.8, " fusion with its copy", va="center", fontsize=8, color=dark)
    for row, item in enumerate(rates.to_dict("records")):
        color = style.MODALITY_COLORS.get(item["modality"], "black")
        ax.plot([item["rate_low"], item["rate_high"]], [row, row], color=color, linewidth=1.5)
        ax.plot(item["rate"], row, "o", color=color)
        again = item["modality_again"]
        ax.plot(again, row + 0.3, "o", color=color, markerfacecolor="white", markersize=5)
        if row == 0:
            how = dict(textcoords="offset points", va="center", fontsize=8, color=color)
            how["bbox"] = dict(facecolor="white", edgecolor="none", pad=0.5)
            ax.annotate("with fusion", (item["rate"], row), (0, 9), ha="center", **how)
            ax.annotate("with its copy", (again, row + 0.3), (0, -9), ha="center", **how)
    ax.set_yticks(range(len(rates)), rates["modality"])
    ax.set(ylim=(len(rates) - 0.4, -1.1), xlim=(0, None))
    ax.set_xlabel("share of clips with another label", fontsize=9)
    ax.set_title(fill(title, chars), fontsize=9.5, loc="left")


def _draw_changes(ax, changed, title, chars):
    one = changed[changed["quadrant"] != EITHER]
    for row, item in enumerate(one.to_dict("records")):
        color = style.QUADRANT_COLORS[item["quadrant"]]
        ax.plot([item["ci_low"], item["ci_high"]], [row, row], color=color, linewidth=1.5)
        ax.plot(item["share"], row, style.QUADRANT_MARKERS[item["quadrant"]], color=color)
    right = {"red": f"only {changed['modality'].iloc[0]} right"}
    right = style.QUADRANT_MEANING | right
    names = [f"{q} ({n})\n{right[q]}" for q, n in zip(one["quadrant"], one["n"], strict=True)]
    ax.set_yticks(range(len(one)), names, fontsize=8.5)
    ax.set(ylim=(len(one) - 0.5, -0.5), xlim=(0, 1.04))
    ax.set_xlabel("share that changes quadrant over the seeds", fontsize=9)
    ax.set_title(fill(title, chars), fontsize=9.5, loc="left")


def figure(found: dict, width: float = 8.0, modality: str = "text"):
    """Above: retraining beside the modality. Below: how many clips change quadrant. By corpus.

    `found`: name of a corpus -> (table of `against_retraining`, table of `changes`). `width`:
    inches; below 6 the panels stand below each other. Returns matplotlib.figure.Figure.
    """
    wide = width >= 6
    shape = (2, len(found)) if wide else (2 * len(found), 1)
    fig, grid = plt.subplots(
        *shape, figsize=(width, 2.9 * shape[0]), squeeze=False, layout="constrained"
    )
    axes = grid.T.ravel() if wide else grid.ravel()
    chars = 46
    for k, (corpus, (rates, changed)) in enumerate(found.items()):
        own = changed[changed["modality"] == modality]
        row = own[own["quadrant"] == EITHER].iloc[0]
        count = "all" if row["n_changed"] == row["n"] else f"{row['n_changed']} of"
        title = f"{corpus}: {count} {row['n']} red and green {modality} clips change quadrant"
        _draw_rates(axes[2 * k], rates, _rates_title(rates, corpus), chars)
        _draw_changes(axes[2 * k + 1], own, title, chars)
    return fig

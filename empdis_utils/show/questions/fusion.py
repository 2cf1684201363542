"""What does fusion add? Fusion beside one modality, beside a wrong join, and gates beside gains."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from empdis_utils.data.tables import in_order
from empdis_utils.show import plots, style

__all__ = [
    "figure", "gates_and_gains", "rows_to_draw", "sentence_answer", "sentence_gain",
    "sentence_gates", "sentence_join",
]  # fmt: skip

TRUE, TRAINED, TESTED = "true", "shuffled in training", "shuffled in testing"
SIDES = {"video": (-34, 6)}  # where a name stands beside its mark, in points
LABELS = {
    TRUE: "all three, joined rightly",
    TRAINED: "shuffled in training",
    TESTED: "shuffled in testing",
    "shuffled in both": "shuffled in both",
}


def rows_to_draw(joined: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    """Accuracies from one modality alone, over all joins, to a plain regression on everything.

    `joined`, `baselines`: the tables shuffled_join and baselines of chapter 03. Returns columns
    label, modality (for the colour), shuffled, accuracy, ci_low, ci_high.
    """
    alone = joined[joined["join"].str.endswith(" alone")]
    rest = joined.drop(alone.index)
    plain = baselines[baselines["baseline"] == "concatenation"]
    parts = [
        alone.assign(label=alone["join"], modality=alone["inputs"], shuffled=False),
        rest.assign(
            label=rest["join"].map(LABELS), modality="fusion", shuffled=rest["join"] != TRUE
        ),
        plain.assign(label="all three, plain regression", modality="", shuffled=False),
    ]
    columns = ["label", "modality", "shuffled", "accuracy", "ci_low", "ci_high"]
    return pd.concat(parts, ignore_index=True)[columns]


def gates_and_gains(gates: pd.DataFrame, shapley: pd.DataFrame) -> pd.DataFrame:
    """How open each gate is, and what the modality adds to accuracy when networks are retrained.

    `gates`, `shapley`: the tables gate_summary and shapley of chapter 03. Returns columns modality,
    gate, gate_low, gate_high, gain, ci_low, ci_high.
    """
    names = {"retrained_accuracy": "gain", "retrained_accuracy_low": "ci_low",
             "retrained_accuracy_high": "ci_high"}  # fmt: skip
    both = gates.rename(columns={"gate_mean": "gate"}).merge(
        shapley.rename(columns=names), on="modality", validate="one_to_one"
    )
    both = both.set_index("modality").loc[list(in_order(both["modality"]))].reset_index()
    return both[["modality", "gate", "gate_low", "gate_high", "gain", "ci_low", "ci_high"]]


def _change(row, name):
    return row[[f"{name}_low", f"{name}_high"]].set_axis(["ci_low", "ci_high"])


def _text(row, name):
    return style.estimate_text({name: row[name], **_change(row, name)}, name)


def sentence_gain(joined: pd.DataFrame, corpus: str) -> str:
    """Fusion of all modalities beside the first one alone, with the paired difference."""
    rows = joined.set_index("join")
    alone = rows[rows.index.str.endswith(" alone")].iloc[0]
    true = rows.loc[TRUE]
    how = style.by_side(
        _change(true, "minus_alone"), "less accurate than", "no more accurate than",
        "more accurate than",
    )  # fmt: skip
    return style.Sentence(
        f"On {corpus}, the network that gets {true['inputs'].replace('+', ', ')} is {how} the same "
        f"network with {alone['inputs']} alone: {true['accuracy']:.2f} against "
        f"{alone['accuracy']:.2f} (difference {_text(true, 'minus_alone')})."
    )


def sentence_answer(joined: pd.DataFrame) -> str:
    """Whether fusion misses the sound and picture of the clips: the wrong join in training."""
    row = joined.set_index("join").loc[TRAINED]
    how = style.by_side(
        _change(row, "minus_true"), "worse: it had used the right ones", "no worse", "even better"
    )
    return style.Sentence(
        f"Give it the voices and faces of other clips to train on, and it is {how} "
        f"(difference {_text(row, 'minus_true')})."
    )


def sentence_join(joined: pd.DataFrame, corpus: str) -> str:
    """What the wrong join does to accuracy: in training, and in testing."""
    rows = joined.set_index("join")
    parts = []
    for join, when in ((TRAINED, "trained"), (TESTED, "tested")):
        row = rows.loc[join]
        how = style.by_side(
            _change(row, "minus_true"), "is less accurate", "is about as accurate",
            "is more accurate",
        )  # fmt: skip
        parts.append(
            f"{when} on sound and picture of other clips, it {how} ({row['accuracy']:.2f}; "
            f"difference {_text(row, 'minus_true')})"
        )
    return style.Sentence(f"On {corpus}, {'; '.join(parts)}.")


def _listed(names) -> str:
    """Words in a row: "a", "a and b", "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def sentence_gates(both: pd.DataFrame, corpus: str) -> str:
    """Which modalities' gains lie above 0, beside how open their gates are."""
    groups = {}
    for _, row in both.iterrows():
        found = style.by_side(row, "accuracy lost", "nothing to be seen", "accuracy gained")
        groups.setdefault(found, []).append(
            f"{row['modality']} ({style.estimate_text(row, 'gain')})"
        )
    said = [f"{what} by {_listed(names)}" for what, names in groups.items()]
    low, high = both["gate"].min(), both["gate"].max()
    return style.Sentence(
        f"On {corpus}, mean gates lie between {low:.2f} and {high:.2f}; behind them, "
        f"{_listed(said)}."
    )


def _title_rows(joined, corpus):
    rows = joined.set_index("join")
    gain = style.by_side(
        _change(rows.loc[TRUE], "minus_alone"), "fusion loses to text alone",
        "fusion is level with text alone", "fusion beats text alone",
    )  # fmt: skip
    join = style.by_side(
        _change(rows.loc[TRAINED], "minus_true"), "a wrong join costs accuracy",
        "a wrong join costs nothing", "a wrong join helps",
    )  # fmt: skip
    return f"{corpus}: {gain}; {join}"


def _title_gates(both, corpus):
    gains = [row["modality"] for _, row in both.iterrows() if row["ci_low"] > 0]
    only = _listed(gains) if gains else "no modality"
    only = f"only {only}" if 0 < len(gains) < len(both) else only
    verb = "gains" if len(gains) < 2 else "gain"
    low, high = both["gate"].min(), both["gate"].max()
    return f"{corpus}: gates from {low:.2f} to {high:.2f}, {only} {verb}"


def _draw_gates(ax, both):
    ax.axhline(0, color="black", linewidth=0.8)
    for row in both.to_dict("records"):
        color = style.MODALITY_COLORS.get(row["modality"], "black")
        ax.plot([row["gate"]] * 2, [row["ci_low"], row["ci_high"]], color=color)
        ax.plot([row["gate_low"], row["gate_high"]], [row["gain"]] * 2, color=color)
        ax.plot(row["gate"], row["gain"], "o", color=color)
        ax.annotate(
            row["modality"], (row["gate"], row["gain"]), SIDES.get(row["modality"], (7, 6)),
            textcoords="offset points", fontsize=9, color=color,
        )  # fmt: skip
    ax.set(xlim=(0, 1))
    ax.tick_params(labelsize=8.5)
    ax.set_xlabel("gate (1: let through)", fontsize=9)
    ax.set_ylabel("accuracy it adds", fontsize=9)


def figure(found: dict, width: float = 8.0):
    """Above: accuracy by join. Below: gates beside gains. A column for each corpus.

    `found`: name of the corpus -> (table shuffled_join, rows of `rows_to_draw`, table of
    `gates_and_gains`, share of the larger class). `width`: inches; below 6 the panels stand below
    each other. Returns matplotlib.figure.Figure.
    """
    wide = width >= 6
    shape = (2, len(found)) if wide else (2 * len(found), 1)
    fig, grid = plt.subplots(
        *shape, figsize=(width, 2.8 * shape[0]), squeeze=False, layout="constrained"
    )
    axes = grid.T.ravel() if wide else grid.ravel()
    for k, (corpus, (joined, rows, both, larger)) in enumerate(found.items()):
        ax = axes[2 * k]
        alone = rows["accuracy"].iloc[0]
        plots.intervals(
            rows, "accuracy", "label", hollow="shuffled", lines={larger: ":", alone: "--"},
            axes=[ax],
        )  # fmt: skip
        plain = dict(facecolor="white", edgecolor="none", pad=0.5)
        ax.text(larger, -0.8, "larger class", ha="center", va="center", fontsize=7.5, bbox=plain)
        ax.set_ylim(len(rows) - 0.5, -1.1)
        ends = np.array([rows["ci_low"].min(), rows["ci_high"].max(), larger])
        ax.set_xlim(ends.min() - 0.09, ends.max() + 0.03)
        ax.tick_params(labelsize=8.5)
        ax.set_xlabel("accuracy", fontsize=9)
        ax.set_title(fill(_title_rows(joined, corpus), 46), fontsize=9.5, loc="left")
        _draw_gates(axes[2 * k + 1], both)
        axes[2 * k + 1].set_title(fill(_title_gates(both, corpus), 46), fontsize=9.5, loc="left")
    return fig

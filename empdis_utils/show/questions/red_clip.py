"""What is a red clip? The one clip that the book follows, its card, the answer and the figure.

The clip is of the synthetic corpus, where we know what was planted. It is found by `candidates`, so
another seed or another corpus may bring another clip.
"""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from empdis_utils.data.tables import QUADRANTS, in_order
from empdis_utils.measures import inference
from empdis_utils.show import cards, style

__all__ = [
    "PAGES", "answer", "beyond_blue", "candidates", "card", "changes", "compared", "control",
    "draw", "followed", "front", "others",
]  # fmt: skip

#: The pages on which the card grows by a line, in the order of the book.
PAGES = (
    *("split", "one_modality", "fusion", "disagreement"),
    *("red_clip", "sound_and_look", "unsure", "people"),
)
CALLED = {"text": "text", "audio": "voice", "video": "face"}
TITLE = "The clip of this book."


# ---- which clip ------------------------------------------------------------------------------


def candidates(quadrants, truth, judged=None):
    """Clips with a planted conflict on which the models of one modality do not agree.

    Parameters
    ----------
    quadrants : DataFrame
        The table `quadrants` of the synthetic corpus.
    truth : DataFrame
        clip_id, kind.
    judged : sequence of str, optional
        Only clips that somebody judged.

    Returns
    -------
    DataFrame
        clip_id, n_red (pairs of modality and seed in which it is red) and n_changes (quadrants that
        it has been in over seeds, less one, summed over modalities); most changes first, then most
        often red, then by clip_id. Kept are clips that were red at least once.
    """
    single = quadrants[quadrants["seed"] == "ensemble"]
    right = single.assign(right=single["conf_unimodal"] > 0.5).groupby("clip_id")["right"]
    seeds = quadrants[quadrants["seed"] != "ensemble"]
    been = seeds.groupby(["clip_id", "modality"])["quadrant"].nunique() - 1
    table = pd.DataFrame(
        {
            "n_red": (seeds["quadrant"] == "red").groupby(seeds["clip_id"]).sum(),
            "n_changes": been.groupby("clip_id").sum(),
            "split": right.nunique() > 1,
        }
    )
    keep = table["split"] & (table["n_red"] > 0)
    keep &= table.index.isin(truth.loc[truth["kind"] == "conflict", "clip_id"])
    if judged is not None:
        keep &= table.index.isin(judged)
    kept = table[keep].drop(columns="split").reset_index()
    return kept.sort_values(
        ["n_changes", "n_red", "clip_id"], ascending=[False, False, True], ignore_index=True
    )


# ---- its card --------------------------------------------------------------------------------


def _range(values):
    low, high = (f"{value:.2f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _rank(value, values):
    """Share of the other values that lie below, as a sentence's end."""
    below = int((values < value).sum())
    above = int((values > value).sum())
    n = len(values) - 1
    if below >= above:
        return f"above {below} of {n} other clips"
    return f"below {above} of {n} other clips"


def followed(clip_id, *, truth, manifest, encoders, quadrants, features, entropy, annotations):
    """What each page adds to the card of a clip.

    Parameters
    ----------
    clip_id : str
    truth, manifest : DataFrame
        Of the corpus, one row per clip.
    encoders, quadrants, entropy, annotations : DataFrame
        The tables `predictions_finetuned`, `quadrants`, `entropy` and `annotations`.
    features : dict of str to DataFrame
        Modality -> its features, indexed by clip_id, numbers only.

    Returns
    -------
    DataFrame
        page, about, line: one row for each of `PAGES`, in their order.
    """
    clip = manifest.set_index("clip_id").loc[clip_id]
    own = quadrants[quadrants["clip_id"] == clip_id]
    seeds = own[own["seed"] != "ensemble"]
    others = manifest[manifest["dialog_id"] == clip["dialog_id"]]
    same = int((others["label"] == clip["label"]).sum())
    lines = {
        "split": (
            "planted",
            f"{cards.planted(truth)[clip_id].removeprefix('Planted: ')} {same} of the "
            f"{len(others)} clips of its recording are {clip['label']}.",
        ),
        "one_modality": ("each encoder alone", _encoders(encoders, clip_id)),
        "fusion": ("fusion", _fusion(seeds)),
        "disagreement": ("against fusion", _against_fusion(seeds)),
        "red_clip": ("quadrants, training by training", _quadrants(seeds)),
        "sound_and_look": ("beside other clips", _features(features, clip_id)),
        "unsure": ("entropy of fusion", _entropy(entropy, clip_id)),
        "people": ("simulated judges", _judges(annotations, clip_id)),
    }
    rows = [(page, *lines[page]) for page in PAGES]
    return pd.DataFrame(rows, columns=["page", "about", "line"])


def _encoders(encoders, clip_id):
    own = encoders[encoders["clip_id"] == clip_id]
    conf = np.where(own["y"] == 1, own["p"], 1 - own["p"])
    own = own.assign(conf=conf)
    said = [
        f"{name} ({CALLED.get(inputs, inputs)}) {_range(part['conf'])}, right in "
        f"{int((part['conf'] > 0.5).sum())} of {len(part)}"
        for (inputs, name), part in own.groupby(["inputs", "encoder"], sort=False)
    ]
    return f"confidence in the label over trainings: {'; '.join(said)}."


def _fusion(seeds):
    own = seeds.drop_duplicates("seed")["conf_fusion"]
    right = int((own > 0.5).sum())
    return f"confidence in the label {_range(own)}, right in {right} of {len(own)} trainings."


def _against_fusion(seeds):
    differs = (seeds["conf_unimodal"] > 0.5) != (seeds["conf_fusion"] > 0.5)
    said = [
        f"{CALLED.get(m, m)} in {int(part.sum())} of {len(part)}"
        for m, part in differs.groupby(seeds["modality"], sort=False)
    ]
    return f"another label than fusion: {', '.join(said)} trainings."


def _quadrants(seeds):
    said = [
        f"{CALLED.get(m, m)} {', '.join(part.sort_values('seed')['quadrant'])}"
        for m, part in seeds.groupby("modality", sort=False)
    ]
    return f"{'; '.join(said)}."


def _features(features, clip_id):
    """The feature of each modality in which the clip is farthest from the middle of all clips."""
    said = []
    for values in features.values():
        values = values.loc[:, values.notna().all() & (values.nunique() > len(values) / 2)]
        rank = (values.rank(pct=True).loc[clip_id] - 0.5).abs()
        if len(rank):
            name = rank.idxmax()
            said.append(f"{name.replace('_', ' ')} {_rank(values[name][clip_id], values[name])}")
    return f"{'; '.join(said)}." if said else "no features were measured."


def _entropy(entropy, clip_id):
    per_clip = entropy.drop_duplicates("clip_id").set_index("clip_id")["entropy"]
    if clip_id not in per_clip:
        return "not measured."
    return f"{per_clip[clip_id]:.3f} nats, {_rank(per_clip[clip_id], per_clip)}."


def _judges(annotations, clip_id):
    own = annotations[annotations["clip_id"] == clip_id].sort_values(["annotator", "round"])
    said = [
        f"{CALLED.get(m, m)}, then all: "
        + ", ".join(
            f"{name} {' then '.join(part['judgment'])}"
            for name, part in own[own["modality"] == m].groupby("annotator")
        )
        for m in in_order(own["modality"].unique())
    ]
    return f"{'; '.join(said)}." if said else "not among the clips judged."


def card(corpus, clip_id, lines, upto):
    """The card as it stands on a page: HTML with every line up to that page's, the last one new."""
    known = lines.iloc[: PAGES.index(upto) + 1]
    facts = list(known[["about", "line"]].itertuples(index=False, name=None))
    return cards.story(corpus, clip_id, facts, TITLE)


def front(corpus, clip_id, quadrants):
    """The clip as it is met on the front page: video, words, and what the ensembles say of it."""
    own = quadrants.query("clip_id == @clip_id and seed == 'ensemble'")
    label = corpus.manifest.set_index("clip_id")["label"][clip_id]
    names = corpus.manifest.drop_duplicates("label")["label"].tolist()
    other = next(name for name in names if name != label)
    called = own["modality"].map(lambda m: CALLED.get(m, m))
    conf = dict(zip(called, own["conf_unimodal"], strict=True))
    conf["all together"] = own["conf_fusion"].iloc[0]
    facts = [
        (name, f"{label if p > 0.5 else other} ({max(p, 1 - p):.2f})") for name, p in conf.items()
    ]
    secret = cards.planted(corpus.truth)[clip_id]
    return cards.story(corpus, clip_id, facts, "Meet one clip.", ("video",), secret)


# ---- the answer ------------------------------------------------------------------------------


def changes(quadrants, dialog, *, n_boot=2000, seed=42):
    """How many clips of each quadrant of the ensemble change it over seeds, per modality.

    `quadrants`: the table `quadrants`. `dialog`: clip_id -> recording. Returns columns modality,
    quadrant (also "red+green" and "red - blue"), n, n_changed, share, ci_low, ci_high, reason;
    intervals resample recordings.
    """
    rows = []
    for modality, part in quadrants[quadrants["seed"] == "ensemble"].groupby(
        "modality", sort=False
    ):
        changed = (part.filter(like="membership_").max(axis=1) < 1).to_numpy(float)
        group, name = dialog[part["clip_id"]].to_numpy(), part["quadrant"].to_numpy()
        for quadrant in (*QUADRANTS, "red+green"):
            inside = np.isin(name, quadrant.split("+"))
            found = inference.share_interval(changed[inside], groups=group[inside])
            row = {"modality": modality, "quadrant": quadrant, "n": int(inside.sum())}
            row |= {"n_changed": int(changed[inside].sum())}
            rows.append(row | _estimate(found._asdict()))
        row = {"modality": modality, "quadrant": "red - blue"}
        rows.append(row | _difference(changed, name, group, n_boot, seed))
    return pd.DataFrame(rows)


def _estimate(found):
    return {"share": found["estimate"], **{k: found[k] for k in ("ci_low", "ci_high", "reason")}}


def _difference(changed, name, group, n_boot, seed):
    """Share of red clips that change, less that of blue ones, with its interval."""
    red, blue = name == "red", name == "blue"
    columns = np.column_stack([changed * red, red, changed * blue, blue]).astype(float)

    def gap(sums):
        return sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3]

    about = {"n": int((red | blue).sum()), "n_changed": int(changed[red | blue].sum())}
    if not (red.any() and blue.any()):
        nothing = {"share": np.nan, "ci_low": np.nan, "ci_high": np.nan}
        return about | nothing | {"reason": "no clips"}
    how = dict(groups=group, n_boot=n_boot, seed=seed)
    return about | _estimate(inference.intervals(columns, gap, **how).iloc[0])


def compared(table, corpus, modality="text"):
    """One corpus in a clause: ``34 of 34 red text clips of CMU-MOSI (1.00 [0.84, 1.00])``."""
    row = table.query("corpus == @corpus and modality == @modality and quadrant == 'red'").iloc[0]
    told = style.estimate_text(row, "share")
    return f"{row['n_changed']} of {row['n']} red {modality} clips of {corpus} ({told})"


def answer(table, modality="text"):
    """Two sentences: how many red clips stay red, and what a red clip therefore is.

    Parameters
    ----------
    table : DataFrame
        Of `changes`, for several corpora (column corpus).

    Returns
    -------
    style.Sentence
    """
    corpora = list(dict.fromkeys(table["corpus"]))
    told = " and ".join(compared(table, corpus, modality) for corpus in corpora)
    red = table.query("modality == @modality and quadrant == 'red'").set_index("corpus")
    more = table.query("modality == @modality and quadrant == 'red - blue'").set_index("corpus")
    most = [c for c in corpora if red["ci_low"][c] > 0.5]
    rest = [c for c in corpora if c not in most]
    first = f"Train the same models again with other seeds, and {told} change quadrant."
    if not most:
        return style.Sentence(f"{first} Whether most red clips change cannot be told from so few.")
    second = f"On {' and '.join(most)} red therefore says less about a clip than about one training"
    if all(more["ci_low"][c] > 0 for c in most):
        second += ", and red clips change more often than blue ones"
    second += f"; on {' and '.join(rest)} too few are red to say so." if rest else "."
    return style.Sentence(f"{first} {second}")


def others(table, modalities=("audio", "video")):
    """One sentence: the same of the other modalities, on each corpus."""
    corpora = dict.fromkeys(table["corpus"])
    told = [compared(table, corpus, m) for m in modalities for corpus in corpora]
    return style.Sentence(f"Of the others, {', '.join(told[:-1])} and {told[-1]} change.")


def beyond_blue(table, modality="text"):
    """One sentence for each corpus: do red clips change more often than blue ones?"""
    said = []
    for _, row in table.query("modality == @modality and quadrant == 'red - blue'").iterrows():
        verb = style.by_side(
            row, "less often than", "not measurably more often than", "more often than"
        )
        said.append(
            f"On {row['corpus']} red {modality} clips change {verb} blue ones: the shares differ "
            f"by {style.estimate_text(row, 'share')}."
        )
    return style.Sentence(" ".join(said))


def control(placebo, corpus, modality="text"):
    """One sentence: do clips that a retraining alone makes red lie as near to the threshold?

    `placebo`: the table `quadrant_placebo`, in which `distance` is that of a model's confidence
    from one half.
    """
    rows = placebo.query(
        "contrast == 'red - blue' and modality == @modality and placebo == 'same model'"
    )
    if rows.empty or not np.isfinite(rows["excess_low"].iloc[0]):
        return style.Sentence(f"{corpus}: too few red clips for the control.")
    row = rows.iloc[0]
    side = "nearer to" if row["value"] < 0 else "farther from"
    same = "nearer" if row["placebo_value"] < 0 else "farther"
    nearer = (
        f"Red {modality} clips of {corpus} lie {abs(row['value']):.2f} {side} one half than blue "
        "ones; those that are red between two trainings of the same model, "
        f"{abs(row['placebo_value']):.2f} {same}"
    )
    ends = f"{row['excess']:.2f} [{row['excess_low']:.2f}, {row['excess_high']:.2f}]"
    side = style.by_side(
        {"ci_low": row["excess_low"], "ci_high": row["excess_high"]},
        "nearer to it than retraining puts them",
        "as retraining alone puts them: not diagnostic",
        "farther from it than retraining puts them",
    )
    return style.Sentence(f"{nearer} (difference {ends}, {side}).")


# ---- the figure ------------------------------------------------------------------------------


def draw(quadrants, table, *, modality="text", marked=None):
    """The figure of the page: which red and green clips keep their quadrant in every training.

    Parameters
    ----------
    quadrants : dict of str to DataFrame
        Corpus -> its table `quadrants`.
    table : DataFrame
        Of `changes`, with a column corpus.
    marked : pair of str, optional
        Corpus and clip_id whose path from training to training is drawn.

    Returns
    -------
    callable
        Takes a width in inches, returns a figure: see `layouts.both_layouts`.
    """

    def drawn(width):
        wide = width > 6
        shape = (1, len(quadrants)) if wide else (len(quadrants), 1)
        height = 0.56 * width if wide else 1.12 * width * len(quadrants)
        fig, axes = plt.subplots(*shape, figsize=(width, height), squeeze=False, sharey=wide)
        for ax, (corpus, frame) in zip(axes.flat, quadrants.items(), strict=True):
            _panel(ax, frame[frame["modality"] == modality])
            row = table.query(
                "corpus == @corpus and modality == @modality and quadrant == 'red+green'"
            ).iloc[0]
            ax.set_title(
                f"{corpus[:1].upper()}{corpus[1:]}:\n{_point(row)}", fontsize="medium", loc="left"
            )
            ax.set_xlabel(f"{modality} alone: confidence in the label")
            if marked and marked[0] == corpus:
                _path(ax, frame[frame["modality"] == modality], marked[1])
        for ax in axes[:, 0]:
            ax.set_ylabel("fusion: confidence in the label")
        fig.tight_layout()
        return fig

    return drawn


def _point(row):
    if row["n_changed"] == row["n"]:
        return f"all {row['n']} red and green clips\nchange when retrained"
    return f"{row['n_changed']} of {row['n']} red and green clips\nchange when retrained"


def _panel(ax, frame):
    own = frame[frame["seed"] == "ensemble"]
    changed = own.filter(like="membership_").max(axis=1) < 1
    ax.axhline(0.5, color="0.6", lw=0.8)
    ax.axvline(0.5, color="0.6", lw=0.8)
    for name in QUADRANTS:
        color, marker = style.QUADRANT_COLORS[name], style.QUADRANT_MARKERS[name]
        for part, face in (
            (own[changed & (own["quadrant"] == name)], "none"),
            (own[~changed & (own["quadrant"] == name)], color),
        ):
            quiet = name in ("blue", "yellow")
            ax.scatter(
                part["conf_unimodal"], part["conf_fusion"], s=14 if quiet else 30, marker=marker,
                facecolors=face, edgecolors=color, alpha=0.35 if quiet else 0.95, linewidths=1,
            )  # fmt: skip
    corners = {"blue": (1, 1), "red": (1, 0), "green": (0, 1), "yellow": (0, 0)}
    for name, (x, y) in corners.items():
        ax.text(
            0.02 + 0.96 * x, 0.02 + 0.96 * y, name, color=style.QUADRANT_COLORS[name],
            ha="right" if x else "left", va="top" if y else "bottom", transform=ax.transAxes,
            fontweight="bold",
        )  # fmt: skip
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def _path(ax, frame, clip_id):
    own = frame[(frame["clip_id"] == clip_id) & (frame["seed"] != "ensemble")].sort_values("seed")
    x, y = own["conf_unimodal"].to_numpy(), own["conf_fusion"].to_numpy()
    ax.plot(x, y, "o-", color="black", lw=1.2, ms=4, mfc="white", zorder=5)
    last = x.argmax()  # right of most marks
    ax.annotate(
        f"{clip_id},\n{len(own)} trainings", (x[last], y[last]), xytext=(0, -8),
        textcoords="offset points", va="top", ha="right" if x[last] > 0.7 else "left",
        fontsize="small", zorder=6,
        bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
    )  # fmt: skip

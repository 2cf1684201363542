"""A specification curve: how many of the paper's directions hold under how many sets of choices.

Simonsohn, Simmons & Nelson 2020, doi:10.1038/s41562-020-0912-z. A *specification* is one choice of
training, clips, unimodal source, threshold and seed. A *direction* is a sentence of the paper that
says which of two numbers is larger; here it is a difference that ought to be above 0. The reference
is the same curve where nothing is true: see `reference`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product

import numpy as np
import pandas as pd

from empdis_utils.data.tables import MODALITIES
from empdis_utils.measures.uncertainty import predictive_entropy

__all__ = [
    "CHOICES", "DIRECTIONS", "by_choice", "curve", "directions", "reference", "saved_runs",
    "specifications", "summary",
]  # fmt: skip

START = "as in chapter 03"  # the training that the others vary
CHOICES = ["training", "clips", "unimodal", "threshold", "seed"]
#: Name -> what the paper says. Each is the difference that it says is above 0.
DIRECTIONS = {
    "text apart": "Text disagrees with audio and video more than these with each other (Table 2).",
    "fusion near text": "Fusion disagrees less with text than with audio and video (Table 2).",
    "fusion no better": "Fusion does not beat the best single modality (Table 1).",
    "disagreement unsure": "Fusion is less sure of red and green than of the others (Table 5).",
    "red over blue": "Fusion is less sure of red than of blue (Table 5).",
    "red over green": "Fusion is less sure of red than of green (Table 5).",
    "near the boundary": "Red and green text clips lie nearer to the text boundary (Figure 3).",
}
FULL = "+".join(MODALITIES)


def saved_runs(predictions, validation=None, varied=None) -> dict[str, pd.DataFrame]:
    """Training -> its predictions by the fusion network, as `specifications` takes them.

    `predictions`, `validation`: chapter 03's `predictions` and, where there are,
    `predictions_validation`. `varied`: `choice_predictions`, by the column ``choice``.
    """
    own = pd.concat([predictions] if validation is None else [predictions, validation])
    runs = {START: own.query("source == 'fusion'")}
    if varied is not None:
        others = varied[varied["choice"] != START]
        runs |= dict(list(others.groupby("choice", sort=False)))
    return runs


def specifications(
    runs: Mapping[str, pd.DataFrame],
    *,
    heads: pd.DataFrame | None = None,
    thresholds: Iterable[float] = (0.5,),
) -> tuple[pd.DataFrame, list[dict]]:
    """Every set of choices for which probabilities were saved.

    `runs`: training -> its predictions by the fusion network (clip_id, inputs, seed, split, y, p),
    for single modalities and for all of them. `heads`: predictions of fine-tuned encoders (with a
    column ``encoder``). Every combination of one encoder per modality is a unimodal source of its
    own. Returns `table`: spec, training, clips ("test", "test+val": validation clips pooled in, as
    the release does), unimodal ("network": the fusion network on one modality; else the encoders),
    threshold, seed (a number, or "ensemble"), n; `data`: per specification: clip_id, y, ``p`` [n,
    4] (text, audio, video, fusion), unsure (entropy of fusion [n]), threshold.
    """
    rows, data = [], []
    sources = [("network", None)]
    if heads is not None and len(heads):
        made = [sorted(heads.loc[heads["inputs"] == m, "encoder"].unique()) for m in MODALITIES]
        sources += [("+".join(names), names) for names in product(*made)]
    for training, predictions in runs.items():
        fused = _wide(predictions)
        for source, names in sources:
            wide = fused if names is None else _with_heads(fused, heads, names)
            if wide.empty:
                continue
            for clips, part in (("test", wide.query("split == 'test'")), ("test+val", wide)):
                if part.empty or (clips == "test+val" and (part["split"] == "test").all()):
                    continue
                for seed, one in _by_seed(part):
                    for threshold in thresholds:
                        rows.append((len(rows), training, clips, source, threshold, seed, len(one)))
                        data.append(
                            {
                                "clip_id": one["clip_id"].to_numpy(str),
                                "y": one["y"].to_numpy(int),
                                "p": one[[*MODALITIES, FULL]].to_numpy(float),
                                "unsure": predictive_entropy(one[FULL].to_numpy(float)),
                                "threshold": threshold,
                            }
                        )
    table = pd.DataFrame(rows, columns=["spec", *CHOICES, "n"])
    return table.astype({"seed": str}), data


def _wide(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row per seed, split and clip; one column per model. Clips that a model lacks are left."""
    wanted = [*MODALITIES, FULL]
    rows = predictions[predictions["inputs"].isin(wanted)]
    if lost := sorted(set(wanted) - set(rows["inputs"])):
        raise ValueError(f"predictions: no model {', '.join(lost)}")
    key = ["seed", "split", "clip_id"]
    mean = rows.groupby([*key, "y", "inputs"])["p"].mean()  # a validation clip of several folds
    return mean.unstack("inputs").dropna().reset_index()


def _with_heads(fused, heads, names) -> pd.DataFrame:
    table = fused[["seed", "split", "clip_id", "y", FULL]]
    for modality, encoder in zip(MODALITIES, names, strict=True):
        own = heads[(heads["inputs"] == modality) & (heads["encoder"] == encoder)]
        own = own[["seed", "split", "clip_id", "p"]].rename(columns={"p": modality})
        table = table.merge(own, on=["seed", "split", "clip_id"])
    return table


def _by_seed(wide: pd.DataFrame):
    """Each seed on its own, and the mean over seeds of the clips that all of them have."""
    seeds = sorted(wide["seed"].unique())
    for seed in seeds:
        yield seed, wide[wide["seed"] == seed]
    if len(seeds) > 1:
        mean = wide.groupby(["split", "clip_id", "y"])[[*MODALITIES, FULL]].agg(["mean", "size"])
        mean = mean[mean[(FULL, "size")] == len(seeds)]
        yield "ensemble", mean.xs("mean", axis=1, level=1).reset_index()


def directions(one: dict, names=None, donor=None, swap=None) -> np.ndarray:
    """The differences of `DIRECTIONS`, in that order; NaN where a quadrant is empty.

    `one`: an entry of `specifications`. `names` (int array [n, 3]): which modality's predictions
    stand for text, audio and video, where modalities are compared. `donor` (int array [n]): which
    clip's entropy and distance stand for this clip's, where quadrants are compared. `swap` (bool
    array [n]): clips in which fusion and the best single modality change places.

    A label is 1 if p exceeds the threshold; a model is right if its confidence in the correct label
    does. Entropies are in nats, of fusion, over the quadrants of all three modalities together. The
    best single modality is the one most often right on these clips, as in the paper.
    """
    p, y, threshold = one["p"], one["y"], one["threshold"]
    single, fused = p[:, :3], p[:, 3]
    said = single if names is None else np.take_along_axis(single, names, axis=1)
    label, joint = said > threshold, fused > threshold
    text, audio, video = label.T
    apart = [(x != joint).mean() for x in (text, audio, video)]
    text_apart = ((text != audio).mean() + (text != video).mean()) / 2 - (audio != video).mean()
    near_text = (apart[1] + apart[2]) / 2 - apart[0]

    correct = (p > 0.5) == (y[:, None] == 1)
    best, all_ = correct[:, correct[:, :3].mean(axis=0).argmax()], correct[:, 3]
    if swap is not None:
        best, all_ = np.where(swap, all_, best), np.where(swap, best, all_)
    gain = best.mean() - all_.mean()

    confidence = np.where(y[:, None] == 1, p, 1 - p) > threshold
    right, right_fusion = confidence[:, :3], confidence[:, [3]]
    red, green = right & ~right_fusion, ~right & right_fusion
    blue, yellow = right & right_fusion, ~right & ~right_fusion
    unsure = one["unsure"]
    distance = np.abs(single[:, 0] - 0.5)
    if donor is not None:
        unsure, distance = unsure[donor], distance[donor]

    def mean(cells):
        return (cells * unsure[:, None]).sum() / cells.sum() if cells.any() else np.nan

    off = (red | green)[:, 0]
    near = distance[~off].mean() - distance[off].mean() if 0 < off.mean() < 1 else np.nan
    return np.array(
        [
            text_apart,
            near_text,
            gain,
            mean(red | green) - mean(blue | yellow),
            mean(red) - mean(blue),
            mean(red) - mean(green),
            near,
        ]
    )


def curve(data: list[dict]) -> np.ndarray:
    """`directions` of every specification: [specifications, 7]."""
    return np.array([directions(one) for one in data])


def reference(
    data: list[dict], recording: Mapping[str, str], *, n_perm: int = 200, seed: int = 42
) -> np.ndarray:
    """The same curve, `n_perm` times, where nothing is true.

    Each time one draw serves all specifications, so that what they share stays shared: names of the
    modalities change places in whole recordings; fusion and the best single modality change places
    in half of the recordings; and clips of a recording exchange their entropies, and the distances
    of the text model from its boundary.
    """
    clips = sorted({clip for one in data for clip in one["clip_id"]})
    at = {clip: i for i, clip in enumerate(clips)}
    place = [np.array([at[clip] for clip in one["clip_id"]]) for one in data]
    recordings = pd.factorize(pd.Series(clips).map(recording))[0]
    if (recordings < 0).any():
        raise ValueError(f"no recording for {int((recordings < 0).sum())} of {len(clips)} clips")
    rng = np.random.default_rng(seed)
    found = np.empty((n_perm, len(data), len(DIRECTIONS)))
    for k in range(n_perm):
        order = np.tile(np.arange(len(MODALITIES)), (recordings.max() + 1, 1))
        names = rng.permuted(order, axis=1)[recordings]
        swap = rng.integers(0, 2, recordings.max() + 1).astype(bool)[recordings]
        key = rng.random(len(clips))
        for s, one in enumerate(data):
            found[k, s] = directions(
                one, names[place[s]], _donor(recordings[place[s]], key[place[s]]), swap[place[s]]
            )
    return found


def _donor(recordings: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Clips change places inside recordings: the order of `key` decides."""
    donor = np.empty(len(recordings), int)
    donor[np.argsort(recordings, kind="stable")] = np.lexsort((key, recordings))
    return donor


def by_choice(table: pd.DataFrame, found: np.ndarray) -> pd.DataFrame:
    """Share of the directions that hold, by each value of each choice, over all the others.

    `table`: of `specifications`. `found` (array [specifications, 7]): of `curve`. Returns columns
    choice, value, n (specifications), holds, range (largest minus smallest of the choice).
    """
    share = pd.Series((found > 0).sum(axis=1) / np.isfinite(found).sum(axis=1))
    rows = [
        (choice, str(value), len(part), part.mean())
        for choice in CHOICES
        for value, part in share.groupby(table[choice], sort=False)
    ]
    means = pd.DataFrame(rows, columns=["choice", "value", "n", "holds"])
    return means.assign(range=means.groupby("choice")["holds"].transform(np.ptp))


def summary(found: np.ndarray, under_null: np.ndarray) -> pd.DataFrame:
    """In how many specifications each direction holds, and in how many it would by chance.

    `found` (array [specifications, 7]): of `curve`. `under_null` (array [n_perm, specifications,
    7]): of `reference`. Returns columns direction, says, n (specifications that can tell), holds
    (share in which the difference is above 0), median, chance_low, chance_high (middle 95 % of the
    share under the reference), p (share of reference curves whose median is at least as large;
    one-sided; with +1). The last row, "all", is the mean share over the directions.
    """

    def share(values):
        known = np.isfinite(values)
        return (values > 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)

    def one_sided(value, null):
        return (1 + (null >= value - 1e-12).sum()) / (1 + len(null))

    rows = []
    for i, (name, says) in enumerate(DIRECTIONS.items()):
        value, null = found[:, i], under_null[:, :, i]
        low, high = np.quantile(share(null), [0.025, 0.975])
        median = np.nanmedian(value)
        rows.append(
            {
                "direction": name,
                "says": says,
                "n": int(np.isfinite(value).sum()),
                "holds": share(value),
                "median": median,
                "chance_low": low,
                "chance_high": high,
                "p": one_sided(median, np.nanmedian(null, axis=1)),
            }
        )
    every, null = share(found).mean(), share(under_null).mean(axis=1)
    low, high = np.quantile(null, [0.025, 0.975])
    rows.append(
        {"direction": "all", "says": "Mean share of the directions that hold.", "n": len(found),
         "holds": every, "chance_low": low, "chance_high": high, "p": one_sided(every, null)}
    )  # fmt: skip
    return pd.DataFrame(rows)

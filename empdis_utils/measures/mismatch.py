"""Can a model find the clips whose channels contradict each other? Detectors, all out of fold.

`groups` is the recording of each clip, by clip_id or row by row; intervals draw whole recordings.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from empdis_utils.measures import inference
from empdis_utils.measures.agreement import split_votes
from empdis_utils.measures.conflict import auroc, conflict_score
from empdis_utils.measures.incongruence import by_channel, incongruence, majority_differs

__all__ = [
    "METADATA", "TRAINED", "compared", "detectors", "held_out_accuracy", "lost_when_held_out",
    "metadata_only", "planted", "trained", "voted",
]  # fmt: skip

TRAINED = "trained on incongruence"
METADATA = "metadata only"


def planted(truth, first, second) -> pd.Series:
    """Clips whose cues on two channels contradict each other, where cues were planted on both.

    `truth`: clip_id, ``<channel>_cue`` (supports, contradicts, neutral), as of the fixture. Returns
    Series of bool: clip_id -> contradicts. Clips without a cue on a channel are left out.
    """
    cues = truth.set_index("clip_id")[[f"{first}_cue", f"{second}_cue"]]
    cues = cues[(cues != "neutral").all(axis=1)]
    return cues.iloc[:, 0].ne(cues.iloc[:, 1]).rename("mismatch")


def voted(votes, first, second, seed=42) -> tuple[pd.Series, pd.DataFrame]:
    """The same from people's votes on each channel alone, with what other people know of it.

    Returns `mismatch`: clip_id -> the majorities of the two channels differ. Ties are left out;
    `floor`: clip_id, mismatch (by one random half of the votes), score (incongruence of the other
    half): how well people find what other people say. No detector can be asked for more.
    """
    one, two = by_channel(votes, first, second)
    differ = pd.Series(majority_differs(one, two), index=one.index, name="mismatch")
    halves = [split_votes(v, [seed, i]) for i, v in enumerate((one, two))]
    known = majority_differs(*(half[0] for half in halves))
    score = incongruence(*(half[1] for half in halves))["unbiased"].to_numpy()
    floor = pd.DataFrame({"clip_id": one.index, "mismatch": known, "score": score})
    floor = floor[floor["mismatch"].isin([0, 1]) & floor["score"].notna()]
    return differ[differ.isin([0, 1])].astype(bool), floor.astype({"mismatch": bool})


def _products(one, two, n):
    """The leading components of both channels, and the product of each pair."""
    return np.column_stack(
        [one[:, :n], two[:, :n], np.einsum("ia,ib->iab", one, two).reshape(len(one), -1)]
    )


def trained(mismatch, first, second, folds, n_components=4) -> np.ndarray:
    """A classifier of mismatch from both embeddings, out of fold.

    A mismatch is no sum of two channels, but a product: so the classifier gets the leading
    components of each channel and the product of each pair, in a logistic regression.

    `mismatch`: by clip_id. `first`, `second`: columns e000, …, clip_id, fold: for each fold, the
    embedding of *every* clip by the encoder that did not see this fold. A fold's classifier is
    trained and asked in its own space. `folds`: clip_id -> fold, whole recordings. Returns array
    [n]: log-odds, in the order of `mismatch`.
    """
    folds, score = folds.loc[mismatch.index].to_numpy(), np.full(len(mismatch), np.nan)
    y = mismatch.to_numpy()
    for fold in np.unique(folds):
        out, spaces = folds == fold, []
        for table in (first, second):
            space = table[table["fold"] == fold].set_index("clip_id").loc[mismatch.index]
            space = space.filter(regex=r"^e\d+$").to_numpy()
            pca = make_pipeline(StandardScaler(), PCA(n_components, whiten=True, random_state=0))
            spaces.append(pca.fit(space[~out]).transform(space))
        x = _products(*spaces, n_components)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
        score[out] = model.fit(x[~out], y[~out]).decision_function(x[out])
    return score


def metadata_only(mismatch, manifest, folds) -> np.ndarray:
    """The same from what nobody has to hear or see: words, seconds, words per second."""
    rows = manifest.set_index("clip_id").loc[mismatch.index]
    seconds = (rows["end_s"] - rows["start_s"]).to_numpy(float)
    words = rows["n_tokens"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.column_stack([words, seconds, words / seconds])
    x[~np.isfinite(x)] = np.nan
    folds, score = folds.loc[mismatch.index].to_numpy(), np.full(len(mismatch), np.nan)
    model = make_pipeline(
        SimpleImputer(keep_empty_features=True), StandardScaler(),
        LogisticRegression(class_weight="balanced"),
    )  # fmt: skip
    for fold in np.unique(folds):
        out = folds == fold
        score[out] = model.fit(x[~out], mismatch[~out]).decision_function(x[out])
    return score


def detectors(mismatch, predictions, embeddings, manifest, first, second) -> pd.DataFrame:
    """Every detector's score of every clip: the higher, the more of a mismatch.

    `mismatch`: by clip_id, from `planted` or `voted`. `predictions`: out-of-fold `predictions` of
    chapter 03: clip_id, inputs, seed, fold, p. `embeddings`: channel -> seed ->
    `tables.read_embeddings`. Scores are averaged over seeds. `first`, `second`: the two channels.
    Returns a table: index clip_id; one column per detector. Only "trained on incongruence" and
    "metadata only" have seen what a mismatch is, in other recordings.
    """
    p = predictions.groupby(["clip_id", "inputs"])["p"].mean().unstack()
    p = p.loc[mismatch.index]
    full = max(p.columns, key=lambda name: name.count("+"))
    folds = predictions.drop_duplicates("clip_id").set_index("clip_id")["fold"]
    runs = [
        trained(mismatch, embeddings[first][seed], embeddings[second][seed], folds)
        for seed in embeddings[first]
    ]
    return pd.DataFrame(
        {
            TRAINED: np.mean(runs, axis=0),
            "opposition": conflict_score(p[first].to_numpy(), p[second].to_numpy()),
            "gap of probabilities": (p[first] - p[second]).abs().to_numpy(),
            "a general model's doubt": 0.5 - (p[full] - 0.5).abs().to_numpy(),
            METADATA: metadata_only(mismatch, manifest, folds),
        },
        index=mismatch.index,
    )


def compared(mismatch, scores, groups, *, floor=None, n_boot=2000, seed=42) -> pd.DataFrame:
    """AUROC of each detector, and what being trained on incongruence adds to each of the others.

    `scores`: from `detectors`. `floor`: from `voted`. Returns columns detector, estimate, ci_low,
    ci_high, n, n_mismatch, n_recordings, status, reason.
    """
    names, how = list(scores), dict(n_boot=n_boot, seed=seed)
    pairs = [(names.index(TRAINED), k) for k, name in enumerate(names) if name != TRAINED]
    found = inference.auroc_intervals(
        mismatch.to_numpy(), scores.to_numpy(), groups=groups.loc[mismatch.index].to_numpy(),
        contrasts=pairs, **how,
    )  # fmt: skip
    labels = names + [f"{TRAINED} - {names[k]}" for _, k in pairs]
    found = found.assign(detector=labels, n_mismatch=int(mismatch.sum()))
    if floor is not None:
        floor = floor[floor["clip_id"].isin(groups.index)]
        own = inference.auroc_interval(
            floor["mismatch"].to_numpy(), floor["score"].to_numpy(),
            groups=groups.loc[floor["clip_id"]].to_numpy(), **how,
        )  # fmt: skip
        row = {"detector": "other people", "n_mismatch": int(floor["mismatch"].sum())}
        found = pd.concat([found, pd.DataFrame([own._asdict() | row])], ignore_index=True)
    return found[["detector", *[c for c in found if c != "detector"]]]


def held_out_accuracy(scores, y, groups) -> pd.DataFrame:
    """Accuracy of models under several kinds of folds.

    `scores` (dict of (str, str) to array [n_repeats, n]): (features, folds) -> P of class 1 out of
    fold (`splits.out_of_fold`). `y` (array [n]). `groups` (array [n]): intervals resample these.
    Returns columns features, folds, estimate (accuracy, mean over repeats), auroc (of the mean P),
    ci_low, ci_high, n, n_recordings, status, reason.
    """
    rows = []
    for (features, folds), p in scores.items():
        found = inference.share_interval(((p > 0.5) == (y == 1)).mean(axis=0), groups=groups)
        row = {"features": features, "folds": folds, **found._asdict()}
        rows.append(row | {"auroc": auroc(y == 1, p.mean(axis=0))})
    return pd.DataFrame(rows)


def lost_when_held_out(scores, y, groups, *, n_boot=2000, seed=42) -> pd.DataFrame:
    """Accuracy under random folds minus that under every other kind, on the same clips.

    Returns columns features, against (folds), estimate, ci_low, ci_high, n, n_recordings, status,
    reason.
    """
    right = {key: ((p > 0.5) == (y == 1)).mean(axis=0) for key, p in scores.items()}
    rows = []
    for (features, folds), each in right.items():
        if folds != "random":
            found = inference.paired_difference(
                right[features, "random"], each, groups=groups, n_boot=n_boot, seed=seed
            )
            rows.append({"features": features, "against": folds, **found._asdict()})
    return pd.DataFrame(rows)

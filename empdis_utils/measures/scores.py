"""How often predictions are right: accuracy and F1 with their spread over seeds and recordings.

`groups` is the recording of each clip, by clip_id or row by row; intervals draw whole recordings.
"""

import re
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats import contingency_tables

from empdis_utils.data.splits import crossfit_folds
from empdis_utils.data.tables import in_order, inputs_name
from empdis_utils.measures import inference
from empdis_utils.measures.alignment import two_groups

__all__ = [
    "by_seed", "clip_scores", "compare_pairs", "feature_leak", "mcnemar", "predicted",
    "score_table", "shapley", "shapley_table", "within_between",
]  # fmt: skip


def predicted(predictions):
    """Predicted class [n] of each row: the likeliest of p_0, p_1, …, or class 1 when p > 0.5."""
    classes = sorted(int(name[2:]) for name in predictions if re.fullmatch(r"p_\d+", name))
    p = predictions[[f"p_{k}" for k in classes] or ["p"]].to_numpy()
    if np.isnan(p).any():
        raise ValueError(f"predictions: {np.isnan(p).any(axis=1).sum()} rows lack a probability")
    if classes:
        return np.array(classes)[p.argmax(axis=1)]
    if predictions["y"].max() > 1:
        raise ValueError(
            f"predictions: y goes up to {predictions['y'].max()}, but p is of class 1 alone; give "
            "p_0, p_1, … for more than two classes"
        )
    return (p[:, 0] > 0.5).astype(int)


def _f1(part, clips, **how):
    """Weighted F1, mean over seeds, with its interval."""
    classes, seeds = int(part[["y", "predicted"]].to_numpy().max()) + 1, part["seed"].unique()
    cells = np.zeros((len(clips), len(seeds), classes, classes))
    cells[
        clips.get_indexer(part["clip_id"]),
        pd.Index(seeds).get_indexer(part["seed"]),
        part["y"].astype(int),
        part["predicted"].astype(int),
    ] = 1

    def weighted(sums):
        sums = sums.reshape(-1, *cells.shape[1:])
        true, said = sums.sum(axis=3), sums.sum(axis=2)
        f1 = 2 * np.einsum("bscc->bsc", sums) / np.maximum(true + said, 1)
        return ((f1 * true).sum(axis=2) / true.sum(axis=2)).mean(axis=1)

    return inference.interval(cells.reshape(len(clips), -1), weighted, **how)


def score_table(predictions, by=("inputs",), *, groups=None, n_boot=2000, seed=42):
    """Accuracy and weighted F1 of each model.

    Parameters
    ----------
    predictions : DataFrame
        clip_id, seed, y, p (or p_0, p_1, … for more classes) and the columns of `by`.
    by : sequence of str
        Columns that name a model.
    groups : Series, optional
        clip_id -> recording. Intervals resample whole recordings; None resamples clips.
    n_boot, seed : int
        Bootstrap resamples and their seed.

    Returns
    -------
    DataFrame
        The columns of `by`, then n (clips), n_seeds, accuracy (mean over seeds), ci_low, ci_high,
        sd_seeds (sample sd of accuracy over seeds, NaN for one), f1_weighted (mean over seeds),
        f1_low, f1_high.
        Models stand in the order in which they first come.

    Raises
    ------
    ValueError
        No rows; a row without a probability; more than two classes, but no p_0, p_1, ….

    Notes
    -----
    F1 is weighted by class size, as in the paper's release. Checked against scikit-learn's
    ``accuracy_score`` and ``f1_score``. Intervals: `inference.share_interval` of each clip's share
    of seeds that are right, and `inference.interval` of F1 as a function of the counts of labels
    and predictions.
    """
    if predictions.empty:
        raise ValueError("predictions: no rows to score")
    frame = predictions.assign(predicted=predicted(predictions))
    frame["right"] = (frame["predicted"] == frame["y"]).astype(float)
    rows = []
    for model, part in frame.groupby(list(by), sort=False):
        right = part.groupby("clip_id", sort=False)["right"].mean()
        recordings = None if groups is None else groups.loc[right.index].to_numpy()
        found = inference.share_interval(right.to_numpy(), groups=recordings)
        accuracy = part.groupby("seed")["right"].mean()
        f1 = _f1(part, right.index, groups=recordings, n_boot=n_boot, seed=seed)
        rows.append(
            {
                **dict(zip(by, model, strict=True)),
                "n": len(right),
                "n_seeds": len(accuracy),
                "accuracy": found.estimate,
                "ci_low": found.ci_low,
                "ci_high": found.ci_high,
                "sd_seeds": accuracy.std(),
                "f1_weighted": f1.estimate,
                "f1_low": f1.ci_low,
                "f1_high": f1.ci_high,
            }
        )
    return pd.DataFrame(rows)


def by_seed(predictions, by="inputs") -> dict:
    """Accuracy of each training: name of the model -> one number per seed."""
    frame = predictions.assign(right=predicted(predictions) == predictions["y"])
    return frame.groupby([by, "seed"])["right"].mean().groupby(by).agg(list).to_dict()


def clip_scores(predictions, prior=None):
    """Accuracy and log-loss of each clip and subset of the modalities, mean over seeds.

    `predictions`: clip_id, inputs, y, p of two classes. `prior`: share of class 1: adds the subset
    ``none``, which knows that alone. Returns a table: indexed by clip_id; columns (accuracy or
    log_loss, subset).
    """
    p, y = predictions["p"].clip(1e-6, 1 - 1e-6), predictions["y"]
    loss = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    right = (predicted(predictions) == y).astype(float)
    frame = predictions.assign(accuracy=right, log_loss=loss)
    found = frame.groupby(["clip_id", "inputs"])[["accuracy", "log_loss"]].mean().unstack("inputs")
    if prior is not None:
        labels = predictions.drop_duplicates("clip_id").set_index("clip_id")["y"].loc[found.index]
        found["accuracy", "none"] = (labels == (prior > 0.5)).astype(float)
        found["log_loss", "none"] = -np.log(np.where(labels == 1, prior, 1 - prior))
    return found


def shapley(values) -> dict:
    """Share a score among modalities by exact Shapley values.

    Parameters
    ----------
    values : dict of str or frozenset to number or array
        Score of every subset, the empty one included: ``"none"``, ``"text"``, ``"text+audio"``, …
        or ``frozenset({"text"})``. For retrained subsets ``none`` is the score of the prior alone.

    Returns
    -------
    dict of str to number or array
        One value per modality. They sum to score(all) - score(none). Values are linear in the
        scores, so those of each clip average to those of the mean scores: an interval of a Shapley
        value is one of a mean over clips.

    Raises
    ------
    ValueError
        A subset without a score.

    Notes
    -----
    Shapley (1953), doi:10.1515/9781400881970-018. Checked against the average over all orders of
    arrival and a hand-computed game.
    """
    given = {
        key if isinstance(key, frozenset) else frozenset(key.split("+")) - {"none", ""}: value
        for key, value in values.items()
    }
    players = in_order(list(frozenset().union(*given)))
    coalitions = [frozenset(c) for k in range(len(players) + 1) for c in combinations(players, k)]
    if lacking := [inputs_name(list(c)) for c in coalitions if c not in given]:
        raise ValueError(f"values lack the subsets {lacking}: give every subset and 'none'.")
    n = len(players)
    return {
        player: sum(
            factorial(len(c))
            * factorial(n - len(c) - 1)
            / factorial(n)
            * (given[c | {player}] - given[c])
            for c in coalitions
            if player not in c
        )
        for player in players
    }


def shapley_table(scored, *, groups, n_boot=2000, seed=42):
    """Shapley values of each modality, with intervals over recordings.

    `scored`: name -> scores of all subsets, from `clip_scores`. Returns columns modality; for each
    name and metric ``name_metric``, ``name_metric_low``, ``…_high``.
    """
    columns = {}
    for name, found in scored.items():
        for metric in ("accuracy", "log_loss"):
            parts = pd.DataFrame(shapley(dict(found[metric].items())))  # of every clip
            recordings = groups[parts.index].to_numpy()
            ends = inference.intervals(parts, groups=recordings, n_boot=n_boot, seed=seed)
            for end, column in (("", "estimate"), ("_low", "ci_low"), ("_high", "ci_high")):
                columns[f"{name}_{metric}{end}"] = ends.set_index(parts.columns)[column]
    return pd.DataFrame(columns).rename_axis("modality").reset_index()


def compare_pairs(predictions, *, groups, n_boot=2000, seed=42):
    """Every pair of encoders under each protocol, on the clips that both predict.

    `predictions`: protocol, encoder, clip_id, seed, y, p. An encoder's label is that of its mean
    probability over seeds. Returns columns protocol, a, b, difference (of accuracy), ci_low,
    ci_high, n, only_a, only_b, p (exact McNemar, clips independent), note, p_flip (whole recordings
    flipped), p_holm (of p_flip).
    """
    keys = ["protocol", "encoder", "clip_id"]
    mean = predictions.groupby(keys, sort=False)[["p", "y"]].mean().reset_index()
    mean["right"] = predicted(mean) == mean["y"]
    found = []
    for protocol, part in mean.groupby("protocol", sort=False):
        right = part.pivot(index="clip_id", columns="encoder", values="right")
        for a, b in combinations(right.columns, 2):
            both = right[[a, b]].dropna().astype(bool)
            how = dict(groups=groups.loc[both.index].to_numpy(), seed=seed)
            gap = inference.paired_difference(both[a], both[b], n_boot=n_boot, **how)
            row = dict(protocol=protocol, a=a, b=b, difference=gap.estimate)
            row |= dict(ci_low=gap.ci_low, ci_high=gap.ci_high)
            row |= mcnemar(both[a], both[b]).iloc[0].to_dict()
            found.append(row | {"p_flip": inference.flip_test(both[a], both[b], **how)})
    found = pd.DataFrame(found)
    return found.assign(p_holm=inference.holm(found["p_flip"])) if len(found) else found


def feature_leak(features, manifest, *, n_folds=5, seed=42):
    """Do finished features know the labels of a split? Accuracy of each split, held out.

    A logistic regression on each modality's features, over folds of whole recordings of all clips.

    `features`: modality -> features, rows as in `manifest`. Returns columns modality, released
    split, n, accuracy (held out by recording), ci_low, ci_high.
    """
    rows, y = [], manifest["y"]
    for modality, x in features.items():
        learner = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        folds = PredefinedSplit(crossfit_folds(manifest, n_folds=n_folds, seed=seed).to_numpy())
        right = (cross_val_predict(learner, x.to_numpy(), y, cv=folds) == y).astype(float)
        for split, part in manifest.groupby("split", sort=False):
            found = inference.share_interval(right[part.index], groups=part["dialog_id"])
            rows.append((modality, split, len(part), *found[:3]))
    names = ["modality", "released split", "n", "accuracy, held out by recording"]
    return pd.DataFrame(rows, columns=[*names, "ci_low", "ci_high"])


def mcnemar(correct_a, correct_b) -> pd.DataFrame:
    """Exact McNemar test of two models on the same clips.

    `correct_a`, `correct_b` (bool array [n]): whether each model is right. Returns columns (one
    row) n, only_a, only_b (clips that only one model gets right), p (exact binomial), note. Without
    such clips p is NaN and the note says "no discordant clips".

    ``statsmodels.stats.contingency_tables.mcnemar``. Clips are taken as independent.
    """
    a = two_groups(correct_a, len(correct_a))
    b = two_groups(correct_b, len(a))
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    p, note = np.nan, "no discordant clips"
    if only_a + only_b:
        cross = [[int((a & b).sum()), only_a], [only_b, int((~a & ~b).sum())]]
        p, note = float(contingency_tables.mcnemar(cross, exact=True).pvalue), ""
    return pd.DataFrame([{"n": len(a), "only_a": only_a, "only_b": only_b, "p": p, "note": note}])


def within_between(y, p, groups, *, n_boot=2000, seed=42):
    """How much of a model's skill tells recordings apart, and how much tells clips of one apart?

    Parameters
    ----------
    y : int array [n]
        0 or 1.
    p : float array [n]
        P of class 1, of any origin.
    groups : array [n]
        Recording of each clip.
    n_boot, seed : int
        Bootstrap over recordings.

    Returns
    -------
    DataFrame
        One row per measure: measure, value, ci_low, ci_high, n, n_recordings, note.

        ``auroc`` : over all pairs of a clip of class 1 and one of class 0.
        ``auroc_within`` : over the pairs inside one recording only; ``n`` counts their clips.
        ``share_between`` : cov(y, p) between recordings over all of cov(y, p); the rest is within
        (law of total covariance). NaN when the model has no skill to share out.
        ``accuracy_centred`` : p above its recording's mean, as prediction of y, over the clips of
        recordings with both classes. A p equal to that mean counts one half.

    Raises
    ------
    ValueError
        Lengths differ.
    """
    y, p, groups = np.asarray(y), np.asarray(p, float), np.asarray(groups)
    if not len(y) == len(p) == len(groups):
        raise ValueError(f"{len(y)} labels, {len(p)} predictions, {len(groups)} recordings")
    names, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    rates = np.bincount(codes, y) / sizes
    means = np.bincount(codes, p) / sizes
    mixed = ((rates > 0) & (rates < 1))[codes]
    pairs = np.zeros((len(names), 2))
    for code in np.flatnonzero((rates > 0) & (rates < 1)):
        mine = codes == code
        ones, zeros = int(y[mine].sum()), int((1 - y[mine]).sum())
        above = rankdata(p[mine])[y[mine] == 1].sum() - ones * (ones + 1) / 2
        pairs[code] = above, ones * zeros

    def moments(rows):
        n = rows[..., 0]
        return rows[..., 1] / n - rows[..., 2] / n * rows[..., 3] / n

    per_clip = np.column_stack([np.ones(len(y)), y * p, y, p])
    per_clip_means = np.column_stack([np.ones(len(y)), rates[codes] * means[codes], y, p])
    both = np.column_stack([per_clip, per_clip_means])
    how = dict(groups=codes, n_boot=n_boot, seed=seed)

    def share(sums):
        total, between = moments(sums[..., :4]), moments(sums[..., 4:])
        return np.where(total > 0, between / np.where(total > 0, total, 1), np.nan)

    side = np.where(np.isclose(p, means[codes]), 0, np.sign(p - means[codes]))
    right = ((1 + side * (2 * y - 1)) / 2)[mixed]
    won = pairs[pairs[:, 1] > 0]
    within = inference.interval(won, lambda s: s[..., 0] / s[..., 1], n_boot=n_boot, seed=seed)
    n_mixed = len(won)
    few = "" if n_mixed else "no recording has clips of both classes"
    shared = inference.interval(both, share, **how)
    flat = "" if np.isfinite(shared.estimate) else "p does not rise with y"
    found = (
        ("auroc", inference.auroc_interval(y, p, **how), ""),
        ("auroc_within", within._replace(n=int(mixed.sum())), few),
        ("share_between", shared, flat),
        ("accuracy_centred", inference.share_interval(right, groups=codes[mixed]), few),
    )
    rows = [
        (name, *one[:3], one.n, n_mixed if mixed_only else len(names), note or one.reason)
        for (name, one, note), mixed_only in zip(found, (False, True, False, True), strict=True)
    ]
    return pd.DataFrame(
        rows, columns=["measure", "value", "ci_low", "ci_high", "n", "n_recordings", "note"]
    )

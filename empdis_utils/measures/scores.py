"""How often predictions are right: accuracy and F1 with their spread over seeds and recordings."""

import re

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from statsmodels.stats import contingency_tables

from empdis_utils.measures import inference
from empdis_utils.measures.alignment import two_groups

__all__ = [
    "mcnemar",
    "score_table",
    "within_between",
]


def _predicted(predictions):
    """Predicted class of each row: the likeliest of p_0, p_1, …, or class 1 when p > 0.5."""
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
    frame = predictions.assign(predicted=_predicted(predictions))
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


def mcnemar(correct_a, correct_b) -> pd.DataFrame:
    """Exact McNemar test of two models on the same clips.

    Parameters
    ----------
    correct_a, correct_b : bool array [n]
        Whether each model is right.

    Returns
    -------
    DataFrame, one row
        n, only_a, only_b (clips that only one model gets right), p (exact binomial), note. Without
        such clips p is NaN and the note says "no discordant clips".

    Notes
    -----
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

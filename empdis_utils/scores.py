"""How often predictions are right: accuracy and F1 with their spread over seeds and recordings."""

import numpy as np
import pandas as pd

from . import inference


def _predicted(predictions):
    """Predicted class of each row: the likeliest of p_0, p_1, …, or class 1 when p > 0.5."""
    classes = [f"p_{k}" for k in range(predictions["y"].max() + 1) if f"p_{k}" in predictions]
    if classes:
        return predictions[classes].to_numpy().argmax(axis=1)
    return (predictions["p"] > 0.5).to_numpy(int)


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
        No rows.

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

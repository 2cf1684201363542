"""How often predictions are right: accuracy and F1 with their spread over seeds and recordings."""

import re

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from . import stats


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
        sd_seeds (sample sd of accuracy over seeds, NaN for one), f1_weighted (mean over seeds).
        Models stand in the order in which they first come.

    Raises
    ------
    ValueError
        No rows; a row without a probability; more than two classes, but no p_0, p_1, ….

    Notes
    -----
    F1 is weighted by class size, as in the paper's release. Checked against scikit-learn's
    ``accuracy_score`` and ``f1_score``; the interval is `stats.bootstrap_ci` of each clip's share
    of seeds that are right.
    """
    if predictions.empty:
        raise ValueError("predictions: no rows to score")
    frame = predictions.assign(predicted=_predicted(predictions))
    frame["right"] = (frame["predicted"] == frame["y"]).astype(float)
    rows = []
    for model, part in frame.groupby(list(by), sort=False):
        right = part.groupby("clip_id", sort=False)["right"].mean()
        recordings = None if groups is None else groups.loc[right.index].to_numpy()
        mean, low, high = stats.bootstrap_ci(
            right.to_numpy(), groups=recordings, n_boot=n_boot, seed=seed
        )
        seeds = [one for _, one in part.groupby("seed")]
        accuracy = [one["right"].mean() for one in seeds]
        f1 = [f1_score(one["y"], one["predicted"], average="weighted") for one in seeds]
        rows.append(
            {
                **dict(zip(by, model, strict=True)),
                "n": len(right),
                "n_seeds": len(seeds),
                "accuracy": mean,
                "ci_low": low,
                "ci_high": high,
                "sd_seeds": np.std(accuracy, ddof=1) if len(seeds) > 1 else np.nan,
                "f1_weighted": float(np.mean(f1)),
            }
        )
    return pd.DataFrame(rows)

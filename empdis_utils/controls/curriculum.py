"""A curriculum: does it help to learn from clips without disagreement first?

One small network on frozen features, always the same first weights, steps and batch size. The
orders differ in which clips come first. At step t, a batch is drawn from the first g(t) of the
order, within each class: g grows evenly from a fifth to all clips over the first half of the steps,
and stays (the linear pacing of Hacohen & Weinshall 2019, arXiv:1904.03626).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from joblib import delayed
from scipy.stats import rankdata
from sklearn.neural_network import MLPClassifier

from empdis_utils.controls import committees
from empdis_utils.controls.using import BASELINE, CONTROL, DISAGREEMENT
from empdis_utils.data import splits
from empdis_utils.data.workers import parallel

__all__ = [
    "MEASURES",
    "ROLES",
    "compare",
    "data_map",
    "difficulty",
    "pace",
    "training",
    "within_class",
]

START, GROWS = 0.2, 0.5  # share of clips at the first step; share of the steps until it is 1
BATCH = 32
INNER = 3  # folds inside the training clips, for models that did not see the clip
MAPPED = 10  # looks at the training clips for the data map
ROLES = {
    "agreeing first": DISAGREEMENT,
    "retrainings agree first": CONTROL,
    "no curriculum": BASELINE,
    "random order": BASELINE,
    "reversed order": BASELINE,
    "low loss first": BASELINE,
    "data map: confidence": BASELINE,
    "data map: variability": BASELINE,
}
MEASURES = {
    "accuracy": "higher",
    "accuracy after a quarter of the steps": "higher",
    "log loss": "lower",
}


def pace(step: int, n_steps: int) -> float:
    """Share of the clips that batches are drawn from at a step, counted from 0.

    Examples
    --------
    >>> [round(pace(step, 100), 2) for step in (0, 25, 50, 99)]
    [0.2, 0.6, 1.0, 1.0]
    """
    return min(1.0, START + (1 - START) * step / (GROWS * n_steps))


def training(x, y, rank, *, n_steps, seed):
    """Train a network batch by batch; after each step of Adam, give `(step, network)`.

    Parameters
    ----------
    x : array [n, d]
    y : int array [n]
    rank : array [n] or None
        What comes first, ascending, above 0 to 1 (see `within_class`). None: all clips from the
        first step.
    n_steps : int
        Counted from 1 in what is given.
    seed : int
        Of first weights and batches: the same for every order.

    Yields
    ------
    tuple of int, MLPClassifier
    """
    rng = np.random.default_rng(seed)
    network = MLPClassifier((32,), batch_size=BATCH, random_state=seed)
    rank = np.zeros(len(y)) if rank is None else rank
    order = np.argsort(rank, kind="stable")
    for step in range(n_steps):
        ready = np.searchsorted(rank[order], pace(step, n_steps), side="right")
        batch = order[rng.integers(0, max(ready, 1), BATCH)]
        network.partial_fit(x[batch], y[batch], classes=[0, 1])
        yield step + 1, network


def within_class(value, y) -> np.ndarray:
    """Rank of each clip among those of its class, above 0 to 1; ties are broken by place."""
    rank = np.empty(len(y))
    for one in np.unique(y):
        found = rankdata(value[y == one], method="ordinal")
        rank[y == one] = found / len(found)
    return rank


def data_map(p_true) -> dict[str, np.ndarray]:
    """Confidence and variability [n] of each clip during one training.

    `p_true` (array [looks, n]): probability of the clip's label. Mean and standard deviation over
    the looks (Swayamdipta et al. 2020, doi:10.18653/v1/2020.emnlp-main.746).
    """
    p_true = np.asarray(p_true, float)
    return {"confidence": p_true.mean(axis=0), "variability": p_true.std(axis=0)}


def difficulty(x, y, columns, folds, seed) -> dict[str, np.ndarray]:
    """What is small for clips that come first, [n] each, from models that did not see the clip.

    `columns`: of `committees.joined`. `folds` (int array [n]). Returns dict: both committees'
    divergence, by their names, and "loss" of the model of all views.
    """
    p = {}
    for name, models in committees.members(columns, seed).items():
        p[name] = np.empty((len(columns) + 1, len(y)))
        for fold in np.unique(folds):
            out = folds == fold
            for row, model in zip(
                p[name], committees.fitted(models, x[~out], y[~out]), strict=True
            ):
                row[out] = model.predict_proba(x[out])[:, 1]
    found = {name: committees.divergence(each) for name, each in p.items()}
    whole = p[committees.CROSS][-1]
    return found | {"loss": -np.log(np.where(y == 1, whole, 1 - whole))}


def _orders(hard, mapped, y, seed):
    """Rank of each training clip in every order but "no curriculum"."""
    apart = hard[committees.CROSS]
    values = {
        "agreeing first": apart,
        "retrainings agree first": hard[committees.RETRAINED],
        "random order": np.random.default_rng([seed, 1]).random(len(y)),
        "reversed order": -apart,
        "low loss first": hard["loss"],
        "data map: confidence": -mapped["confidence"],
        "data map: variability": -mapped["variability"],
    }
    return {name: within_class(value, y) for name, value in values.items()}


def _p_true(network, x, y) -> np.ndarray:
    """Probability of each clip's label, at least 1e-6."""
    return network.predict_proba(x)[np.arange(len(y)), y].clip(1e-6)


def _trained(x, y, test, rank, *, n_steps, seed):
    """Scores of each test clip (dict of arrays), and the data map of the training clips."""
    looks, found = [], {}
    for step, network in training(x[~test], y[~test], rank, n_steps=n_steps, seed=seed):
        if step % max(n_steps // MAPPED, 1) == 0:
            looks.append(_p_true(network, x[~test], y[~test]))
        if step == max(n_steps // 4, 1):
            found["accuracy after a quarter of the steps"] = (
                _p_true(network, x[test], y[test]) > 0.5
            )
    at_end = _p_true(network, x[test], y[test])
    found |= {"accuracy": at_end > 0.5, "log loss": -np.log(at_end)}
    return found, data_map(looks)


def _one_fold(views, manifest, test, *, n_steps, seed):
    """Scores of every order on the clips of one fold, by recording."""
    x, columns = committees.joined(views)
    y, rows = manifest["y"].to_numpy(), []
    inner = splits.repeated_folds(manifest[~test], INNER, 1, seed)[0]
    hard = difficulty(x[~test], y[~test], columns, inner, seed)
    how = dict(n_steps=n_steps, seed=seed)
    found, mapped = _trained(x, y, test, None, **how)
    scored = {"no curriculum": found}
    for method, rank in _orders(hard, mapped, y[~test], seed).items():
        scored[method] = _trained(x, y, test, rank, **how)[0]
    for method, found in scored.items():
        for measure, each in found.items():
            part = pd.DataFrame({"recording": manifest["dialog_id"][test], "score": each})
            part = part.groupby("recording")["score"].agg(score="mean", n="size").reset_index()
            rows.append(part.assign(method=method, measure=measure))
    return pd.concat(rows, ignore_index=True)


def compare(
    views: Mapping,
    manifest: pd.DataFrame,
    *,
    n_steps=300,
    n_folds=3,
    n_repeats=3,
    seed=42,
    n_jobs=1,
) -> pd.DataFrame:
    """Every order with the same first weights and as many steps: scores by recording.

    Parameters
    ----------
    views : mapping of str to array [n, d]
        Of `committees.views`.
    manifest : DataFrame [n]
        clip_id, dialog_id, y (0 or 1), row by row as the views.
    n_steps : int
        Batches of 32 clips.
    n_folds, n_repeats : int
        Folds of whole recordings, each of which is the test once; how often they are drawn anew.
    seed, n_jobs : int

    Returns
    -------
    DataFrame
        use, method, role, measure, seed (the repeat), recording, score (mean over its clips), n
        (clips).

    Raises
    ------
    ValueError
        As `splits.repeated_folds`, for the clips outside a fold as well.
    """
    folds = splits.repeated_folds(manifest, n_folds, n_repeats, seed)
    jobs = [(repeat, fold) for repeat in range(n_repeats) for fold in range(n_folds)]
    parts = parallel(
        (
            delayed(_one_fold)(
                manifest, folds[repeat] == fold, n_steps=n_steps, seed=seed + 100 * repeat
            )
            for repeat, fold in jobs
        ),
        n_jobs,
        shared=views,
    )
    table = pd.concat(part.assign(seed=job[0]) for job, part in zip(jobs, parts, strict=True))
    table["role"] = table["method"].map(ROLES)
    columns = ["method", "role", "measure", "seed", "recording", "score", "n"]
    return table[columns].assign(use="curriculum").reset_index(drop=True)

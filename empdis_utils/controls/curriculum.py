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
import torch
from joblib import delayed
from scipy.stats import rankdata
from torch.nn.functional import binary_cross_entropy_with_logits

from empdis_utils.controls import committees
from empdis_utils.controls.using import BASELINE, CONTROL, DISAGREEMENT
from empdis_utils.data import splits
from empdis_utils.data.workers import parallel

__all__ = [
    "MEASURES", "ROLES", "compare", "data_map", "difficulty", "first_weights", "pace", "train",
    "within_class",
]  # fmt: skip

START, GROWS = 0.2, 0.5  # share of clips at the first step; share of the steps until it is 1
BATCH = 32
INNER = 3  # folds inside the training clips, for models that did not see the clip
HIDDEN = 32
LOOKS, QUARTER = 8, 1  # looks at all clips, evenly over the steps; that after a quarter of them
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


def first_weights(width: int, seed: int) -> list[torch.Tensor]:
    """Weights and offsets of both layers, each uniform up to 1 / sqrt(inputs of the layer)."""
    made = torch.Generator().manual_seed(seed)
    shapes = (width, HIDDEN), (1, HIDDEN), (HIDDEN, 1), (1, 1)
    inputs = width, width, HIDDEN, HIDDEN
    return [
        (2 * torch.rand(shape, generator=made) - 1) / n**0.5
        for shape, n in zip(shapes, inputs, strict=True)
    ]


def train(x, y, rows, ranks, looks, *, n_steps, seed) -> np.ndarray:
    """Networks of one hidden layer, one for each order, trained side by side.

    Parameters
    ----------
    x : array [n, d]
    y : int array [n]
    rows : int array [k]
        Clips to learn from.
    ranks : array [orders, k]
        What comes first, ascending, above 0 to 1 (see `within_class`); 0: from the first step.
    looks : sequence of int
        Steps, counted from 1, after which all clips are predicted.
    n_steps : int
        Batches of 32 clips, each one step of Adam.
    seed : int
        Of first weights and batches: the same for every order.

    Returns
    -------
    array [looks, orders, n]
        P(class 1). Adam treats each weight by itself, so networks do not touch each other.
    """
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    weights = [
        one.expand(len(ranks), *one.shape).clone().requires_grad_()
        for one in first_weights(x.shape[1], seed)
    ]
    adam, rng, seen = torch.optim.Adam(weights, lr=1e-3), np.random.default_rng(seed), []
    order, every = np.argsort(ranks, axis=1, kind="stable"), np.arange(len(ranks))[:, None]

    def logits(values):
        hidden = torch.relu(values @ weights[0] + weights[1])
        return (hidden @ weights[2] + weights[3])[..., 0]

    for step in range(n_steps):
        ready = np.maximum((ranks <= pace(step, n_steps)).sum(axis=1), 1)[:, None]
        batch = rows[order[every, (rng.random(BATCH) * ready).astype(int)]]
        loss = binary_cross_entropy_with_logits(logits(x[batch]), y[batch], reduction="sum")
        adam.zero_grad()
        (loss / BATCH).backward()
        adam.step()
        if step + 1 in looks:
            with torch.no_grad():
                seen.append(torch.sigmoid(logits(x)).double().numpy())
    return np.array(seen)


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


def _one_fold(views, manifest, test, *, n_steps, seed):
    """Scores of every order on the clips of one fold, by recording."""
    x, columns = committees.joined(views)
    y, rows, parts = manifest["y"].to_numpy(), np.flatnonzero(~test), []
    inner = splits.repeated_folds(manifest[~test], INNER, 1, seed)[0]
    hard = difficulty(x[rows], y[rows], columns, inner, seed)
    how = dict(looks=n_steps * np.arange(1, LOOKS + 1) // LOOKS, n_steps=n_steps, seed=seed)
    plain = train(x, y, rows, np.zeros((1, len(rows))), **how)
    mapped = data_map(np.where(y == 1, plain, 1 - plain)[:, 0, rows])
    ranks = _orders(hard, mapped, y[rows], seed)
    p = np.concatenate([plain, train(x, y, rows, np.stack(list(ranks.values())), **how)], axis=1)
    p_true = np.where(y == 1, p, 1 - p)[:, :, test].clip(1e-6)
    trained = ["no curriculum", *ranks]
    for method in ROLES:
        i = trained.index(method)
        found = (p_true[-1, i] > 0.5, p_true[QUARTER, i] > 0.5, -np.log(p_true[-1, i]))
        for measure, each in zip(MEASURES, found, strict=True):
            part = pd.DataFrame({"recording": manifest["dialog_id"][test], "score": each})
            part = part.groupby("recording")["score"].agg(score="mean", n="size").reset_index()
            parts.append(part.assign(method=method, measure=measure))
    return pd.concat(parts, ignore_index=True)


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
        Of `uses.views`; two or more.
    manifest : DataFrame [n]
        clip_id, dialog_id, y (0 or 1), row by row as the views.
    n_steps : int
        Batches of 32 clips; 8 or more.
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
        Fewer than 8 steps; and as `splits.repeated_folds`, for the clips outside a fold as well.
    """
    if n_steps < LOOKS:
        raise ValueError(f"n_steps: {n_steps} steps; at least {LOOKS} are needed")
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

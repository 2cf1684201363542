"""Which clips to label next: pool-based active learning, with recordings held out.

All policies train the same model, a logistic regression of all features, on as many labels. They
differ in the clips whose labels they buy. The policies, and how a committee's disagreement is
measured, are those of scikit-activeml; only one of its committees is ours: a model for each
modality (see `committees`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import train_test_split

from empdis_utils.controls import committees
from empdis_utils.controls.using import BASELINE, CONTROL, DISAGREEMENT
from empdis_utils.data import splits
from empdis_utils.data.workers import parallel

__all__ = ["MEASURES", "ROLES", "TooFewClips", "chosen", "compare"]

ROLES = {
    committees.CROSS: DISAGREEMENT,
    committees.RETRAINED: CONTROL,
    "random": BASELINE,
    "entropy": BASELINE,
    "BALD": BASELINE,
    "query by committee": BASELINE,
}
MEASURES = {
    "area under the learning curve": "higher",
    "accuracy after the last label": "higher",
}


class TooFewClips(ValueError):
    """No choice is left to a policy; the message says how many clips and labels there are."""


def _policy(method, seed):
    """A strategy of scikit-activeml; BALD in batches, query by committee by votes."""
    from skactiveml import pool  # slow to import

    return {
        "random": lambda: pool.RandomSampling(random_state=seed),
        "entropy": lambda: pool.UncertaintySampling(method="entropy", random_state=seed),
        "BALD": lambda: pool.BatchBALD(random_state=seed),
        "query by committee": lambda: pool.QueryByCommittee("vote_entropy", random_state=seed),
    }.get(method, lambda: pool.QueryByCommittee("KL_divergence", random_state=seed))()


def _as_library(model, x, y, seed):
    """A fitted classifier of scikit-activeml; missing labels are NaN."""
    from skactiveml.classifier import SklearnClassifier

    if isinstance(model, BaggingClassifier):  # scikit-learn's draws, not the library's
        model = clone(model).set_params(random_state=seed)
    return SklearnClassifier(clone(model), classes=[0, 1], random_state=seed).fit(x, y)


def chosen(method, x, y, models, *, batch, seed) -> np.ndarray:
    """Rows of the clips whose labels a policy buys next.

    Parameters
    ----------
    method : str
        One of `ROLES`.
    x : array [n, d]
    y : float array [n]
        NaN where no label was bought.
    models : dict
        Of `committees.members`, for the policies that need them.
    batch : int
    seed : int
        Of ties, and of what is drawn.

    Returns
    -------
    int array [batch]
        Fewer where fewer are left.
    """
    policy = _policy(method, seed)
    how = dict(batch_size=min(batch, int(np.isnan(y).sum())))
    if method == "entropy":
        how |= dict(clf=_as_library(models[committees.CROSS][-1], x, y, seed), fit_clf=False)
    elif method == committees.CROSS:
        each = [_as_library(model, x, y, seed) for model in models[committees.CROSS]]
        how |= dict(ensemble=each, fit_ensemble=False)
    elif method != "random":
        redrawn = _as_library(models[committees.RETRAINED], x, y, seed)
        how |= dict(ensemble=redrawn, fit_ensemble=False)
    return policy.query(x, y, **how)


def _curve(method, x, y, pool, test, columns, *, n_first, batch, n_rounds, seed):
    """Whether each test clip is right after each purchase, [n_rounds, tests]."""
    from skactiveml.utils import MISSING_LABEL

    first, _ = train_test_split(pool, train_size=n_first, stratify=y[pool], random_state=seed)
    bought = np.full(len(pool), MISSING_LABEL)
    bought[np.isin(pool, first)] = y[np.intersect1d(pool, first)]
    models, right = committees.members(columns, seed), []
    for step in range(n_rounds):
        rows = chosen(method, x[pool], bought, models, batch=batch, seed=seed + step)
        bought[rows] = y[pool[rows]]
        known = ~np.isnan(bought)
        learner = clone(committees.LEARNER).fit(x[pool[known]], bought[known])
        right.append(learner.predict(x[test]) == y[test])
    return np.array(right)


def _one_fold(views, y, recordings, held, *, seed, **how):
    """Scores of every policy on the clips of one fold, by recording."""
    test, pool, rows = np.flatnonzero(held), np.flatnonzero(~held), []
    x, columns = committees.joined(views)
    for method in ROLES:
        right = _curve(method, x, y, pool, test, columns, seed=seed, **how)
        for measure, each in zip(MEASURES, (right.mean(axis=0), right[-1]), strict=True):
            part = pd.DataFrame({"recording": recordings[test], "score": each})
            part = part.groupby("recording")["score"].agg(score="mean", n="size").reset_index()
            rows.append(part.assign(method=method, measure=measure))
    return pd.concat(rows, ignore_index=True)


def compare(
    views: Mapping, manifest: pd.DataFrame, *, n_first=20, batch=20, n_rounds=8, n_folds=3,
    n_repeats=3, seed=42, n_jobs=1,
) -> pd.DataFrame:  # fmt: skip
    """Every policy on the same pools, from the same first labels: scores by recording.

    Parameters
    ----------
    views : mapping of str to array [n, d]
        Of `uses.views`; two or more.
    manifest : DataFrame [n]
        clip_id, dialog_id, y (0 or 1), row by row as the views.
    n_first : int
        Clips that are labelled from the start, drawn at random within each class.
    batch, n_rounds : int
        Labels bought in each round.
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
    TooFewClips
        There are no more clips than labels to buy.
    ValueError
        As `splits.repeated_folds`.
    """
    y, recordings = manifest["y"].to_numpy(), manifest["dialog_id"].to_numpy()
    folds = splits.repeated_folds(manifest, n_folds, n_repeats, seed)
    least = min((assigned != fold).sum() for assigned in folds for fold in range(n_folds))
    if least <= n_first + batch * n_rounds:
        raise TooFewClips(
            f"{least} clips outside a fold, and {n_first + batch * n_rounds} labels to buy: no "
            "choice is left"
        )
    how = dict(n_first=n_first, batch=batch, n_rounds=n_rounds)
    jobs = [(repeat, fold) for repeat in range(n_repeats) for fold in range(n_folds)]
    parts = parallel(
        (
            delayed(_one_fold)(
                y, recordings, folds[repeat] == fold, seed=seed + 100 * repeat, **how
            )
            for repeat, fold in jobs
        ),
        n_jobs,
        shared=views,
    )
    table = pd.concat(part.assign(seed=job[0]) for job, part in zip(jobs, parts, strict=True))
    table["role"] = table["method"].map(ROLES)
    columns = ["method", "role", "measure", "seed", "recording", "score", "n"]
    return table[columns].assign(use="next_clips").reset_index(drop=True)

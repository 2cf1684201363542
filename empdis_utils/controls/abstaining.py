"""Knowing when to abstain: which flag leaves the fewest errors among the clips that are kept?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from empdis_utils.controls import using
from empdis_utils.measures import uncertainty
from empdis_utils.measures.alignment import align

__all__ = ["added", "flags", "function", "study"]

COVERAGE = 0.8
MEASURES = {"AURC": "lower", f"error rate at {COVERAGE:.0%} coverage": "lower"}
ADDED = "AURC, added to entropy"


def flags(trained: using.Trained, calibrated=None) -> tuple[dict, dict]:
    """Flags of the predictions of each fusion network, larger is less sure.

    Parameters
    ----------
    trained : using.Trained
    calibrated : array [s, n, k], optional
        Probabilities of fusion with a temperature for each fit.

    Returns
    -------
    flags : dict of str to array [s, n]
    roles : dict of str to str
        As `using.measured` takes them; no control where there is one seed.
    """
    p = trained.fused
    found = {"cross-modal disagreement": (using.DISAGREEMENT, trained.cross_modal())}
    if (again := trained.retrained()) is not None:
        found["disagreement with own retraining"] = using.CONTROL, again
    entropy = [uncertainty.predictive_entropy(one) for one in p]
    found["entropy"] = using.BASELINE, np.array(entropy)
    if calibrated is not None:
        entropy = [uncertainty.predictive_entropy(one) for one in calibrated]
        found["calibrated entropy"] = using.BASELINE, np.array(entropy)
    found["largest probability"] = using.BASELINE, 1 - p.max(axis=-1)
    return {name: flag for name, (_, flag) in found.items()}, {n: r for n, (r, _) in found.items()}


def function(error, flags, coverages=(COVERAGE,)):
    """AURC and the error rate at some coverages of each flag, mean over seeds.

    `error` [s, n]; `flags`: name -> [s, n]. Returns a function for `using.measured`. Checked
    against `uncertainty.risk_coverage` of repeated clips.
    """
    each = [
        [uncertainty.weighted_risk(e, u, coverages) for e, u in zip(error, flag, strict=True)]
        for flag in flags.values()
    ]

    def of_weights(weights):
        found = [np.mean([seed(weights) for seed in seeds], axis=0)[:, ::-1] for seeds in each]
        return np.stack(found, axis=1)

    return of_weights


def added(error, flags, roles, groups, n_folds: int = 5) -> tuple[dict, dict]:
    """Each disagreement beside entropy in a logistic regression of errors, out of fold.

    `error` [s, n], `flags`, `roles`: of `flags`; `groups` [n]. Returns flags and roles: baselines
    as they are, and entropy in a regression of its own. Empty where a fold would learn from one
    class.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression())
    folds = GroupKFold(min(n_folds, len(set(groups))))
    trained_on = [train for train, _ in folds.split(error[0], groups=groups)]
    if any(np.ptp(e[train]) == 0 for e in error for train in trained_on):
        return {}, {}

    def combined(*names):
        return np.array([
            cross_val_predict(
                model, np.column_stack([flags[name][s] for name in names]), e, groups=groups,
                cv=folds, method="decision_function",
            )
            for s, e in enumerate(error)
        ])  # fmt: skip

    found, kept = {"entropy, fitted": combined("entropy")}, {"entropy, fitted": using.BASELINE}
    for name, role in roles.items():
        simple = role == using.BASELINE
        known = name if simple else f"entropy and {name}"
        found[known] = flags[name] if simple else combined("entropy", name)
        kept[known] = role
    return found, kept


def _scaled(trained, compared, validation):
    """Probabilities of fusion [s, n, 2] with temperatures of validation clips, or None."""
    inputs = trained.joint[0]
    if validation is None or "p" not in compared or inputs not in set(validation["inputs"]):
        return None
    whole, chosen = (part[part["inputs"] == inputs] for part in (compared, validation))
    parts = []
    for key, part in whole.groupby(["seed", "fold"]):
        own = chosen[(chosen["seed"] == key[0]) & (chosen["fold"] == key[1])]
        if not len(own):
            return None
        p = uncertainty.temperature_scale(*(x.to_numpy() for x in (own["p"], own["y"], part["p"])))
        parts.append(part.assign(p=p[0]))
    wide = pd.concat(parts).astype({"seed": str, "clip_id": str})
    wide = wide.pivot(index="seed", columns="clip_id", values="p")
    p = wide.loc[trained.models.seeds, trained.models.clips].to_numpy()
    return np.stack([1 - p, p], axis=-1)


def study(compared, validation=None, *, corpus, dialog, n_boot=2000, seed=42):
    """Abstaining, on all sides.

    Parameters
    ----------
    compared : DataFrame
        Of chapter 04. Each fusion network's own errors are to be found.
    validation : DataFrame, optional
        `predictions_validation`, for the temperature of each fit.
    corpus : str
    dialog : Series
        clip_id -> recording.
    n_boot, seed : int

    Returns
    -------
    uses, gains : DataFrame
        As `using.measured`.
    """
    trained = using.Trained.of(compared)
    groups = align(dialog, trained.models.clips, "recordings")
    error = (trained.models.label(trained.joint) != trained.models.y).astype(float)
    found, roles = flags(trained, _scaled(trained, compared, validation))
    about = dict(groups=groups, seeds=len(error), note=trained.note(), n_boot=n_boot, seed=seed)
    parts = [using.measured("abstain", corpus, roles, MEASURES, function(error, found), **about)]
    more, kept = added(error, found, roles, groups)
    if more:
        area = function(error, more, coverages=())
        about |= {"primary": False}
        parts.append(using.measured("abstain", corpus, kept, {ADDED: "lower"}, area, **about))
    return using.joined(parts)

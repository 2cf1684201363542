"""Adaptive fusion: does weighing modalities by how they disagree predict better?

All fusions here join the probabilities of the single modalities and learn on validation clips: for
each seed and fold a logistic regression of the log-odds (stacking). The adaptive one may weigh each
modality by its distance from the others, the control by its distance from its own retraining.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from empdis_utils.controls import using
from empdis_utils.measures.alignment import align

__all__ = ["apart", "arrays", "fused", "study"]

ADAPTIVE, CONTROL = "weighed by disagreement", "weighed by own retraining"
STACKING, EQUAL, GATED = "stacking", "equal weights", "gated network"
MEASURES = {
    "accuracy": "higher",
    "log loss": "lower",
    "accuracy on the third with the most conflict": "higher",
}
SMALL = 1e-6


def apart(p) -> np.ndarray:
    """How far each modality's P(class 1) is from the mean of the others': [n, m] of p [n, m].

    Examples
    --------
    >>> apart(np.array([[0.9, 0.1, 0.3]])).round(2).tolist()
    [[0.7, 0.5, 0.2]]
    """
    p = np.asarray(p, float)
    others = (p.sum(axis=1, keepdims=True) - p) / (p.shape[1] - 1)
    return np.abs(p - others)


def arrays(predictions, modalities) -> dict[str, pd.DataFrame]:
    """P(class 1) of each modality by fold and clip (rows), one table per seed."""
    kept = predictions[predictions["inputs"].isin(list(modalities))]
    wide = kept.pivot(index=["seed", "fold", "clip_id"], columns="inputs", values="p")
    return {seed: wide.loc[seed, list(modalities)] for seed in wide.index.unique("seed")}


def fused(p_val, y_val, p, weights_val=None, weights=None) -> np.ndarray:
    """P(class 1) [n] of stacking learned on validation clips.

    `p_val` [v, m], `y_val` [v], `p` [n, m]: probabilities of the modalities. `weights_val`,
    `weights`: of the same shapes; each log-odds enters once plain and once times its weight. None:
    plain only. Validation clips of one class give that class.
    """
    if len(classes := np.unique(y_val)) == 1:
        return np.full(len(p), float(classes[0]))

    def columns(p, w):
        z = logit(np.clip(p, SMALL, 1 - SMALL))
        return z if w is None else np.hstack([z, z * w])

    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(columns(p_val, weights_val), y_val)
    return model.predict_proba(columns(p, weights))[:, 1]


def _of_seed(test, val, again_test, again_val, y, modalities):
    """P(class 1) of each fusion of one seed, by clip."""
    parts = []
    for fold, own in test.groupby("fold"):
        own, chosen = own.droplevel("fold"), val.loc[fold]
        p, p_val, y_val = own.to_numpy(), chosen.to_numpy(), y.loc[chosen.index].to_numpy()
        found = {
            EQUAL: p.mean(axis=1),
            STACKING: fused(p_val, y_val, p),
            ADAPTIVE: fused(p_val, y_val, p, apart(p_val), apart(p)),
        }
        if again_test is not None:
            own_again = np.abs(p - again_test.loc[fold].loc[own.index].to_numpy())
            val_again = np.abs(p_val - again_val.loc[fold].reindex(chosen.index).to_numpy())
            known = ~np.isnan(val_again).any(axis=1)
            given = p_val[known], y_val[known], p, val_again[known], own_again
            found[CONTROL] = fused(*given)
        parts.append(pd.DataFrame(found, index=own.index))
    return pd.concat(parts)


def study(
    predictions, validation, *, corpus, dialog, others=None, n_boot=2000, seed=42
):  # fmt: skip
    """Adaptive fusion, on all sides.

    Parameters
    ----------
    predictions, validation : DataFrame
        Of chapter 03, two classes: single modalities and fusion.
    corpus : str
    dialog : Series
        clip_id -> recording.
    others : DataFrame, optional
        More baselines: of `models.fusion.baselines`.
    n_boot, seed : int

    Returns
    -------
    uses, gains : DataFrame
        As `using.measured`.
    """
    names = [one for one in predictions["inputs"].unique() if "+" not in one]
    full = max(predictions["inputs"].unique(), key=lambda name: name.count("+"))
    y = predictions.drop_duplicates("clip_id").set_index("clip_id")["y"]
    y = pd.concat([y, validation.drop_duplicates("clip_id").set_index("clip_id")["y"]])
    y = y[~y.index.duplicated()]
    test, val = arrays(predictions, names), arrays(validation, names)
    seeds, methods = list(test), {}
    clips = y.index[y.index.isin(predictions["clip_id"])].sort_values()
    for k, one in enumerate(seeds):
        after = seeds[(k + 1) % len(seeds)]
        again = (test[after], val[after]) if len(seeds) > 1 else (None, None)
        for name, p in _of_seed(test[one], val[one], *again, y, names).items():
            methods.setdefault(name, []).append(p.loc[clips].to_numpy())
    gated = predictions[predictions["inputs"] == full].assign(baseline=GATED)
    more = [gated] if others is None else [gated, others]
    for name, part in pd.concat(more).groupby("baseline", sort=False):
        if name not in ("mean probability", "majority vote"):  # equal weights are here already
            wide = part.pivot(index="seed", columns="clip_id", values="p")
            methods[name] = list(wide[clips].to_numpy())
    roles = dict.fromkeys(methods, using.BASELINE) | {ADAPTIVE: using.DISAGREEMENT}
    if CONTROL in methods:
        roles[CONTROL] = using.CONTROL
    truth = y.loc[clips].to_numpy()
    conflict = np.mean([
        apart(test[one].droplevel("fold").loc[clips].to_numpy()).max(axis=1) for one in seeds
    ], axis=0)  # fmt: skip
    values = np.array([_scores(np.array(p), truth) for p in methods.values()])
    within = np.ones((3, len(clips)), bool)
    within[2] = conflict >= np.quantile(conflict, 2 / 3)
    return using.measured(
        "adaptive", corpus, roles, MEASURES, using.mean_of(values, within),
        groups=align(dialog, clips, "recordings"), seeds=len(seeds), n_boot=n_boot, seed=seed,
    )  # fmt: skip


def _scores(p, y):
    """Accuracy, log loss and accuracy again [3, n] of p [s, n], mean over seeds."""
    right = ((p > 0.5) == (y == 1)).mean(axis=0)
    loss = -np.log(np.clip(np.where(y == 1, p, 1 - p), SMALL, 1)).mean(axis=0)
    return np.array([right, loss, right])

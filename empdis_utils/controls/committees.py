"""Committees on frozen features: one model for each modality, or one model trained several times.

*Views* map the name of a modality (or of one reading of it) to features [n, d], as `uses.views`. A
committee is either one logistic regression for each view and one of all views, or as many of all
views, each on labelled clips drawn anew. Both are made of as many models, and disagreement is
measured alike.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import BaggingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

__all__ = ["CROSS", "LEARNER", "RETRAINED", "divergence", "fitted", "joined", "members"]

CROSS, RETRAINED = "cross-modal committee", "redrawn committee"
# As the linear model of `split.candidates`, and balanced: a policy may buy more of one class.
LEARNER = LogisticRegression(C=0.01, class_weight="balanced", max_iter=5000)


def joined(views: Mapping) -> tuple[np.ndarray, dict[str, slice]]:
    """All views side by side, each scaled to mean 0 and standard deviation 1, and where each is.

    Returns `x` (array [n, d]), `columns` (dict of str to slice). Missing values become the median.
    """
    scale = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    parts = [scale.fit_transform(values) for values in views.values()]
    ends = np.cumsum([part.shape[1] for part in parts])
    where = (slice(end - part.shape[1], end) for end, part in zip(ends, parts, strict=True))
    return np.hstack(parts), dict(zip(views, where, strict=True))


def members(columns: Mapping[str, slice], seed=42, model=LEARNER) -> dict:
    """The models of both committees, not fitted, for x of `joined`.

    Returns dict: `CROSS` to a list of one model for each view and one of all views; `RETRAINED` to
    a bagging ensemble of as many models of all views (scikit-learn's `BaggingClassifier`).
    """
    single = [
        make_pipeline(make_column_transformer(("passthrough", one)), clone(model))
        for one in columns.values()
    ]
    size = len(single) + 1
    bagged = BaggingClassifier(clone(model), n_estimators=size, random_state=seed)
    return {CROSS: [*single, clone(model)], RETRAINED: bagged}


def divergence(p) -> np.ndarray:
    """Mean Kullback-Leibler divergence (nats) of a committee's models from their mean.

    `p` (array [models, n]): P(class 1). Returns array [n]: 0 where all say the same.

    scikit-activeml's `average_kl_divergence` (McCallum & Nigam 1998), which is BALD's mutual
    information of label and model.

    Examples
    --------
    >>> divergence([[0.9, 0.9], [0.9, 0.1]]).round(2).tolist()
    [0.0, 0.37]
    """
    from skactiveml.pool import average_kl_divergence  # slow to import

    p = np.asarray(p, float)
    return average_kl_divergence(np.stack([1 - p, p], axis=2))


def fitted(models, x, y) -> list:
    """The models of a committee after a fit, whichever of the two it is."""
    if isinstance(models, BaggingClassifier):
        return clone(models).fit(x, y).estimators_
    return [clone(model).fit(x, y) for model in models]

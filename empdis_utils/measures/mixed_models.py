"""A difference between quadrants, given true label and recording: linear mixed models.

Too little data gives NaN, a status and a reason, never a p-value.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import stats as sps
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM

from empdis_utils.measures.alignment import CONTRASTS, MIN_N, align, aligned, codes_of, two_groups

__all__ = ["mixed_model", "mixed_models"]


def mixed_model(value, contrast, y, groups) -> pd.DataFrame:
    """Difference between two groups of clips, adjusted for true label and recording.

    Linear mixed model: value ~ contrast + C(y), random intercept per recording, by REML.

    `value` (array [n]): NaN is left out. `contrast` (bool array [n]): True for the first group; the
    coefficient is first minus second. `y` (array [n] or None): True label, entered as dummies.
    `groups` (array [n]): recording. Returns columns (one row) n_1, n_2, n_groups, coef, se, z, p,
    ci_low, ci_high (Wald, 95 %), status, reason. Status: "ok"; "boundary" (recording variance
    estimated as zero: estimates equal least squares and are given); "too_few" (a group under five
    clips, or one recording); "constant" (nothing varies, or nothing inside recordings);
    "confounded" (contrast, label and recording tell the same, or every recording has one clip);
    "not_converged"; "not_positive" (the covariance of the estimates). All but the first two have
    NaN estimates.

    ``statsmodels.regression.mixed_linear_model.MixedLM``, optimised by Powell's method: the default
    (BFGS) often stops short of the optimum when recordings differ little. At the boundary the
    covariance is that of ``statsmodels.regression.linear_model.OLS``.
    """
    value = np.asarray(value, float)
    first = two_groups(contrast, len(value))
    codes = codes_of(groups, len(value))
    keep = np.isfinite(value)
    first, codes, value = first[keep], codes[keep], value[keep]
    row = {
        "n_1": int(first.sum()),
        "n_2": int((~first).sum()),
        "n_groups": len(np.unique(codes)),
        **dict.fromkeys(["coef", "se", "z", "p", "ci_low", "ci_high"], np.nan),
        "status": "ok",
        "reason": "",
    }
    design = pd.DataFrame({"const": 1.0, "contrast": first.astype(float)})
    if y is not None:
        labels = codes_of(y, len(keep), "y")[keep]
        dummies = pd.get_dummies(labels, prefix="y", drop_first=True, dtype=float)
        design = pd.concat([design, dummies], axis=1)

    smallest = min(row["n_1"], row["n_2"])
    if smallest < MIN_N:
        row |= {"status": "too_few", "reason": f"too few (n={smallest})"}
    elif row["n_groups"] < 2:
        row |= {"status": "too_few", "reason": "one recording"}
    elif np.ptp(value) <= 1e-12 * np.abs(value).max():
        row |= {"status": "constant", "reason": "the value is the same for every clip"}
    elif np.linalg.matrix_rank(design.to_numpy()) < design.shape[1]:
        row |= {"status": "confounded", "reason": "groups and true label coincide"}
    else:
        row |= _degenerate(value, design, codes) or _fit_mixed(value, design, codes)
    return pd.DataFrame([row])


def _degenerate(value: np.ndarray, design: pd.DataFrame, codes: np.ndarray) -> dict:
    """Status and reason where recording, residual and contrast cannot be told apart; else empty."""
    recordings = np.eye(codes.max() + 1)[codes]
    full = np.column_stack([design, recordings])
    fitted, _, rank, _ = np.linalg.lstsq(full, value - value.mean())
    if rank == len(value):
        return {"status": "confounded", "reason": "too few recordings have more than one clip"}
    if rank == design.shape[1]:
        return {"status": "confounded", "reason": "groups and recordings coincide"}
    if np.std(value - value.mean() - full @ fitted) <= 1e-9 * np.std(value):
        return {"status": "constant", "reason": "the value does not vary inside recordings"}
    return {}


def mixed_models(
    features: pd.DataFrame,
    quadrant: pd.Series,
    *,
    y: pd.Series | None,
    groups: pd.Series,
    contrasts=CONTRASTS,
) -> pd.DataFrame:
    """`mixed_model` of every feature and contrast: the comparison given label and recording.

    `features`, `quadrant`, `contrasts`: as in `compare_groups`. `y`, `groups`: clip_id -> true
    label (None: not adjusted for), clip_id -> recording. Returns columns feature, contrast, and the
    columns of `mixed_model`.
    """
    features, quadrant = aligned(features, quadrant)
    groups = align(groups, features.index, "groups")
    y = None if y is None else align(y, features.index, "y")
    rows = []
    for one, two in contrasts:
        keep = quadrant.isin([one, two]).to_numpy()
        first = (quadrant[keep] == one).to_numpy()
        for name in features:
            row = mixed_model(
                features.loc[keep, name], first, None if y is None else y[keep], groups[keep]
            )
            rows.append(row.assign(feature=name, contrast=f"{one}-{two}"))
    table = pd.concat(rows, ignore_index=True)
    return table[["feature", "contrast", *table.columns[:-2]]]


def _fit_mixed(value: np.ndarray, design: pd.DataFrame, codes: np.ndarray) -> dict:
    """Estimates, status and reason of one model whose parameters can all be told apart."""
    scale = value.std()
    scaled = (value - value.mean()) / scale
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit = MixedLM(scaled, design, groups=codes).fit(reml=True, method="powell")
        except np.linalg.LinAlgError as error:
            return {"status": "not_converged", "reason": str(error)}
        boundary = float(np.squeeze(fit.cov_re)) < 1e-4
        if boundary:  # there statsmodels inverts a Hessian that need not be positive
            fit = OLS(scaled, design).fit()
        covariance, coef = np.asarray(fit.cov_params()), float(fit.params["contrast"])
    said = "; ".join(dict.fromkeys(str(warning.message) for warning in caught))
    if not (np.isfinite(coef) and np.isfinite(covariance).all()):
        return {"status": "not_converged", "reason": said or "no standard error"}
    if not (boundary or fit.converged):
        return {"status": "not_converged", "reason": said or "the optimiser did not converge"}
    if np.linalg.eigvalsh(covariance)[0] <= 0:
        return {
            "status": "not_positive",
            "reason": "the covariance of the estimates is not positive definite",
        }
    at = design.columns.get_loc("contrast")
    coef, se = coef * scale, float(np.sqrt(covariance[at, at])) * scale
    z, half = coef / se, sps.norm.ppf(0.975) * se
    return {
        "coef": coef,
        "se": se,
        "z": z,
        "p": float(2 * sps.norm.sf(abs(z))),
        "ci_low": coef - half,
        "ci_high": coef + half,
        "status": "boundary" if boundary else "ok",
        "reason": "recording variance is zero" if boundary else "",
    }

"""Clips in line with their tables, and models of them: mixed models, McNemar's test, power.

Intervals, permutation tests and corrections are in `inference`. Too little data gives NaN and a
note, never a p-value.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import stats as sps
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.stats import contingency_tables
from statsmodels.stats.power import TTestIndPower

CONTRASTS = (("red", "blue"), ("green", "blue"), ("red", "green"))
MIN_N = 5  # clips below which a group is not tested


# --------------------------------------------------------------------------- alignment


def examples(items, limit: int = 5) -> str:
    """First few `items` as text, with how many more there are (for error messages)."""
    items = [str(item) for item in items]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more


def align(series: pd.Series, clips, name: str) -> np.ndarray:
    """Values of `series` (indexed by clip_id) in the order of `clips`.

    Raises
    ------
    TypeError
        `series` is not a pandas Series.
    ValueError
        A clip is listed twice, is not in the index, or has a missing value.
    """
    if not isinstance(series, pd.Series):
        raise TypeError(
            f"{name}: expected a Series indexed by clip_id, got {type(series).__name__}"
        )
    index = series.index.astype(str)
    if index.has_duplicates:
        raise ValueError(f"{name}: clip listed twice: {examples(index[index.duplicated()])}")
    values = series.set_axis(index).reindex(pd.Index(clips).astype(str))
    if values.isna().any():
        raise ValueError(f"{name}: no value for clips {examples(values.index[values.isna()])}")
    return values.to_numpy()


def _codes(groups, n: int, name: str = "groups") -> np.ndarray:
    """Integer code per row [n]; each row its own code when `groups` is None."""
    if groups is None:
        return np.arange(n)
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(f"{name}: expected one entry per value ({n}), got shape {groups.shape}")
    if pd.isna(groups).any():
        raise ValueError(f"{name}: {int(pd.isna(groups).sum())} missing entries")
    groups = groups.astype(str) if groups.dtype == object else groups
    return np.unique(groups, return_inverse=True)[1]


def _columns(values) -> tuple[list, np.ndarray]:
    """Names and float array [n, f] of `values`; infinite entries are an error."""
    if isinstance(values, pd.DataFrame):
        names = list(values.columns)
    elif isinstance(values, pd.Series):
        names, values = [values.name or 0], values.to_frame()
    else:
        values = np.asarray(values, float)
        values = values[:, None] if values.ndim == 1 else values
        names = list(range(values.shape[1]))
    array = np.asarray(values, float)
    infinite = np.isinf(array).any(axis=0)
    if infinite.any():
        bad = [name for name, flag in zip(names, infinite, strict=True) if flag]
        raise ValueError(
            f"infinite values in {examples(bad)}: mark them missing (NaN) with a reason"
        )
    return names, array


def _two_groups(labels, n: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise ValueError(f"labels: expected one entry per value ({n}), got shape {labels.shape}")
    if not np.isin(labels, [0, 1]).all():
        raise ValueError("labels: expected True (first group) or False (second group) only")
    return labels.astype(bool)


# --------------------------------------------------------------------------- tables of tests


def _aligned(features: pd.DataFrame, quadrant: pd.Series) -> tuple[pd.DataFrame, pd.Series]:
    """Numeric features and quadrants over the clips of `quadrant`, sorted by clip_id."""
    if "clip_id" in features:
        features = features.set_index("clip_id")
    features = features.select_dtypes("number").astype(float)
    if features.shape[1] == 0:
        raise ValueError("features: no numeric column to compare")
    features.index = features.index.astype(str)
    quadrant = quadrant.set_axis(quadrant.index.astype(str)).sort_index()
    for name, index in (("features", features.index), ("quadrant", quadrant.index)):
        if index.has_duplicates:
            raise ValueError(f"{name}: clip listed twice: {examples(index[index.duplicated()])}")
    lost = quadrant.index.difference(features.index)
    if len(lost):
        raise ValueError(
            f"features: no row for clips {examples(lost)}; missing values are NaN rows"
        )
    return features.loc[quadrant.index], quadrant


def minimum_detectable_effect(n_1: int, n_2: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest standardised difference a two-sided t-test of these sizes finds with `power`.

    NaN if a group has fewer than two clips. Clips are taken as independent, so nested clips need a
    larger effect. From ``statsmodels.stats.power.TTestIndPower``.
    """
    if min(n_1, n_2) < 2:
        return np.nan
    solved = TTestIndPower().solve_power(nobs1=n_1, ratio=n_2 / n_1, alpha=alpha, power=power)
    return float(np.squeeze(solved))


def mixed_model(value, contrast, y, groups) -> pd.DataFrame:
    """Difference between two groups of clips, adjusted for true label and recording.

    Linear mixed model: value ~ contrast + C(y), random intercept per recording, by REML.

    Parameters
    ----------
    value : array [n]
        NaN is left out.
    contrast : bool array [n]
        True for the first group; the coefficient is first minus second.
    y : array [n] or None
        True label, entered as dummies.
    groups : array [n]
        Recording.

    Returns
    -------
    DataFrame, one row
        n_1, n_2, n_groups, coef, se, z, p, ci_low, ci_high (Wald, 95 %), status, reason. Status:
        "ok"; "boundary" (recording variance estimated as zero: estimates equal least squares and
        are given); "too_few" (a group under five clips, or one recording); "constant" (nothing
        varies, or nothing inside recordings); "confounded" (contrast, label and recording tell the
        same, or every recording has one clip); "not_converged"; "not_positive" (the covariance of
        the estimates). All but the first two have NaN estimates.

    Notes
    -----
    ``statsmodels.regression.mixed_linear_model.MixedLM``, optimised by Powell's method: the default
    (BFGS) often stops short of the optimum when recordings differ little. At the boundary the
    covariance is that of ``statsmodels.regression.linear_model.OLS``.
    """
    value = np.asarray(value, float)
    first = _two_groups(contrast, len(value))
    codes = _codes(groups, len(value))
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
        labels = _codes(y, len(keep), "y")[keep]
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

    Parameters
    ----------
    features, quadrant, contrasts
        As in `compare_groups`.
    y, groups : Series
        clip_id -> true label (None: not adjusted for), clip_id -> recording.

    Returns
    -------
    DataFrame
        feature, contrast, and the columns of `mixed_model`.
    """
    features, quadrant = _aligned(features, quadrant)
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
    a = _two_groups(correct_a, len(correct_a))
    b = _two_groups(correct_b, len(a))
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    p, note = np.nan, "no discordant clips"
    if only_a + only_b:
        cross = [[int((a & b).sum()), only_a], [only_b, int((~a & ~b).sum())]]
        p, note = float(contingency_tables.mcnemar(cross, exact=True).pvalue), ""
    return pd.DataFrame([{"n": len(a), "only_a": only_a, "only_b": only_b, "p": p, "note": note}])


# --------------------------------------------------------------------------- old names, to go

"""Intervals, tests and corrections for clips that nest in recordings: one of each for the book.

Clips of one recording are alike, so a recording is the unit: intervals draw whole recordings anew,
tests permute inside recordings or flip whole ones. Nothing else in the package resamples.

A statistic is seen in one of three ways, from fast to general:

- a function of *column sums* of per-clip rows (means, rates, ratios, kappa, Hedges g, ECE):
  `interval`, `paired_difference`. Recordings enter through their sums, and all resamples are one
  matrix product.
- a function of *clip weights* (AUROC, risk-coverage): `weighted_interval`, `auroc_interval`.
- a share or a mean of numbers from 0 to 1: `share_interval`, which needs no resampling.

One rule for all: fewer than `MIN_RECORDINGS` recordings, a statistic that does not vary between
them, or one that more than `MAX_UNDEFINED` of the resamples leave undefined has no interval, and
`status` and `reason` say so. Coverage is simulated in the appendix "Do the intervals hold?".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as sps
from statsmodels.stats.multitest import multipletests

MIN_RECORDINGS = 6  # below this no interval: coverage falls under 90 %
MAX_UNDEFINED = 0.1  # share of resamples that may leave a statistic undefined
CHUNK = 2_000_000  # numbers held at once


class Interval(NamedTuple):
    """An estimate, its interval, and why there is none.

    `status`: "ok"; "too_few" (recordings); "undefined" (the statistic, or too many resamples of
    it); "no_variation" (the same in every recording). Limits are NaN unless status is "ok".
    """

    estimate: float
    ci_low: float
    ci_high: float
    n: int
    n_recordings: int
    status: str
    reason: str


# --------------------------------------------------------------------------- recordings


def recording_codes(groups, n: int) -> np.ndarray:
    """Integer code of each clip's recording [n]; every clip its own when `groups` is None.

    Raises
    ------
    ValueError
        Another length, or a clip without a recording.
    """
    if groups is None:
        return np.arange(n)
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(f"groups: expected one entry per clip ({n}), got shape {groups.shape}")
    codes, _ = pd.factorize(groups)
    if (codes < 0).any():
        raise ValueError(
            f"groups: {int((codes < 0).sum())} clips have no recording: give each one a group"
        )
    return codes


def recording_sums(rows, groups=None) -> np.ndarray:
    """Column sums [g, c] of `rows` [n, c] in each recording that has a row other than zero."""
    rows = np.asarray(rows, float)
    codes = recording_codes(groups, len(rows))
    used = rows.any(axis=1)
    codes = np.unique(codes[used], return_inverse=True)[1]
    sums = np.zeros((codes.max(initial=-1) + 1, rows.shape[1]))
    np.add.at(sums, codes, rows[used])
    return sums


def draws(size: int, n_boot: int, seed) -> np.ndarray:
    """How often each of `size` recordings is drawn: [n_boot, size], rows sum to `size`."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, size, (n_boot, size)) + size * np.arange(n_boot)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_boot * size).reshape(n_boot, size).astype(float)


# --------------------------------------------------------------------------- the engine


def _limits(function: Callable, size: int, n_boot: int, level: float, seed) -> pd.DataFrame:
    """Estimate and limits of `function`, which maps recording weights [b, size] to [b, k]."""

    def evaluate(weights):
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.asarray(function(weights), float)
        values = values.reshape(len(weights), -1)
        return np.where(np.isfinite(values), values, np.nan)

    estimate = evaluate(np.ones((1, size)))[0]
    table = pd.DataFrame({"estimate": estimate, "ci_low": np.nan, "ci_high": np.nan})
    table["n_recordings"], table["status"], table["reason"] = size, "ok", ""
    undefined = np.isnan(estimate)
    table.loc[undefined, ["status", "reason"]] = "undefined", "undefined on these clips"
    if size < MIN_RECORDINGS:
        few = f"too few recordings ({size}; {MIN_RECORDINGS} needed)"
        table.loc[~undefined, ["status", "reason"]] = "too_few", few
        return table
    if undefined.all():
        return table
    values = evaluate(draws(size, n_boot, seed))
    left_out = evaluate(1 - np.eye(size))
    for k in np.flatnonzero(~undefined):
        row = _expanded(estimate[k], values[:, k], left_out[:, k], level)
        table.loc[k, list(row)] = list(row.values())
    return table


def _expanded(estimate, values, left_out, level) -> dict:
    """Bias-corrected percentile limits at expanded levels, from resamples and left-one-outs."""
    n_boot, size = len(values), len(left_out)
    known = values[~np.isnan(values)]
    missing = n_boot - len(known)
    if missing > MAX_UNDEFINED * n_boot:
        return {"status": "undefined", "reason": f"undefined in {missing} of {n_boot} resamples"}
    if np.ptp(known) <= 1e-12 * max(1, abs(estimate)):
        return {"status": "no_variation", "reason": "the same in every recording"}
    left_out = left_out[~np.isnan(left_out)]
    jackknife = np.sqrt((size - 1) / size * ((left_out - left_out.mean()) ** 2).sum())
    widen = max(np.sqrt(size / (size - 1)), jackknife / known.std())
    ties = np.isclose(known, estimate, rtol=0, atol=1e-12)
    below = ((known < estimate) & ~ties).mean() + ties.mean() / 2
    bias = sps.norm.ppf(np.clip(below, 0.5 / len(known), 1 - 0.5 / len(known)))
    tail = sps.t.ppf([(1 - level) / 2, (1 + level) / 2], size - 1)
    low, high = np.quantile(known, sps.norm.cdf(2 * bias + widen * tail))
    reason = f"undefined in {missing} of {n_boot} resamples, left out" if missing else ""
    return {"ci_low": float(low), "ci_high": float(high), "reason": reason}


def _mean(sums):
    """Every column but the last over the last: means, with a column of ones at the end."""
    return sums[..., :-1] / sums[..., -1:]


def _rows(values) -> np.ndarray:
    values = np.asarray(values, float)
    values = values[:, None] if values.ndim == 1 else values
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise ValueError(f"values: {int(bad.sum())} of {len(values)} rows are NaN or infinite")
    return values


def intervals(
    values,
    statistic: Callable | None = None,
    *,
    groups=None,
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 42,
) -> pd.DataFrame:
    """Intervals of many statistics at once, from one set of resampled recordings.

    Parameters
    ----------
    values : array [n] or [n, c]
        One row per clip, no missing values. A recording whose rows are all zero does not count as
        one, and is not drawn (none for the mean).
    statistic : callable, optional
        Takes column sums [..., c] and returns [...] or [..., k]. None: the mean of each column.
    groups : array [n], optional
        Recording of each clip. None: every clip is its own.
    n_boot, level, seed
        Resamples, nominal coverage, seed.

    Returns
    -------
    DataFrame [k]
        estimate, ci_low, ci_high, n, n_recordings, status, reason: see `Interval`.

    Raises
    ------
    ValueError
        NaN or infinite values, `groups` of another length, a clip without a recording.

    Notes
    -----
    The bias-corrected percentile interval (Efron 1981, doi:10.2307/3314608) of a bootstrap over
    whole recordings (Davison & Hinkley 1997, section 3.8), at expanded levels (Hesterberg 2015,
    doi:10.1080/00031305.2015.1089789).
    """
    rows = _rows(values)
    n = len(rows)
    if statistic is None:
        rows, statistic = np.column_stack([rows, np.ones(n)]), _mean
    sums = recording_sums(rows, groups)
    table = _limits(lambda weights: statistic(weights @ sums), len(sums), n_boot, level, seed)
    table.insert(3, "n", n)
    return table


def interval(values, statistic: Callable | None = None, **how) -> Interval:
    """Interval of one statistic that is a function of column sums over clips.

    Parameters
    ----------
    values, statistic, **how
        As for `intervals`.

    Returns
    -------
    Interval

    Examples
    --------
    >>> import numpy as np
    >>> values, recording = np.arange(40.0), np.repeat(np.arange(10), 4)
    >>> found = interval(values, groups=recording)
    >>> found.estimate, found.n, found.n_recordings, found.status
    (19.5, 40, 10, 'ok')
    """
    return Interval(*intervals(values, statistic, **how).iloc[0])


def paired_difference(first, second, statistic: Callable | None = None, **how) -> Interval:
    """Statistic of `first` minus that of `second`, two readings of the same clips.

    Parameters
    ----------
    first, second : array [n] or [n, c]
        Row by row the same clips. One draw of recordings serves both.
    statistic, **how
        As for `interval`. None: the difference of means.

    Returns
    -------
    Interval

    Raises
    ------
    ValueError
        Sides of different shape, and as `interval`.
    """
    first, second = _rows(first), _rows(second)
    if first.shape != second.shape:
        raise ValueError(f"first {first.shape} and second {second.shape} are not the same clips")
    if statistic is None:
        return interval(first - second, **how)
    width = first.shape[1]
    return interval(
        np.hstack([first, second]),
        lambda sums: statistic(sums[..., :width]) - statistic(sums[..., width:]),
        **how,
    )


def weighted_intervals(
    function: Callable,
    n: int,
    *,
    groups=None,
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 42,
) -> pd.DataFrame:
    """Intervals of statistics of clip weights.

    Parameters
    ----------
    function : callable
        Takes clip weights [b, n] (how often each clip is drawn), returns [b] or [b, k].
    n : int
        Clips.
    groups, n_boot, level, seed
        As for `intervals`.

    Returns
    -------
    DataFrame [k]
        As `intervals`.
    """
    codes = recording_codes(groups, n)
    step = max(1, CHUNK // max(n, 1))

    def of_recordings(weights):
        parts = range(0, len(weights), step)
        return np.concatenate([function(weights[i : i + step][:, codes]) for i in parts])

    table = _limits(of_recordings, codes.max(initial=-1) + 1, n_boot, level, seed)
    table.insert(3, "n", n)
    return table


def weighted_interval(function: Callable, n: int, **how) -> Interval:
    """Interval of one statistic of clip weights; see `weighted_intervals`."""
    return Interval(*weighted_intervals(function, n, **how).iloc[0])


def of_rows(function: Callable, *columns) -> Callable:
    """Turn a function of (resampled) columns into one of clip weights, for `weighted_interval`.

    Slow: it is called once per resample. Use it for what has no form in sums or weights.
    """

    def weighted(weights):
        out = []
        for row in weights:
            kept = np.repeat(np.arange(len(row)), row.astype(int))
            out.append(function(*(np.asarray(column)[kept] for column in columns)))
        return np.array(out, float)

    return weighted


# --------------------------------------------------------------------------- AUROC


def auroc_statistic(y, scores, groups=None) -> Callable:
    """AUROC as a function of recording weights [b, g], for one or more scores.

    Won pairs are counted once for each pair of recordings; a resample is a quadratic form.
    """
    y = np.asarray(y).astype(bool)
    scores = _rows(scores)
    codes = recording_codes(groups, len(y))
    size = codes.max(initial=-1) + 1
    indicator = np.zeros((len(y), size))
    indicator[np.arange(len(y)), codes] = 1
    ones, zeros = indicator[y], indicator[~y]
    won = []
    for score in np.round(scores, 9).T:
        gap = score[y][:, None] - score[~y][None, :]
        won.append(ones.T @ ((gap > 0) + (gap == 0) / 2) @ zeros)
    n_1, n_0 = ones.sum(axis=0), zeros.sum(axis=0)

    def statistic(weights):
        pairs = ((weights @ n_1) * (weights @ n_0))[:, None]
        sums = np.stack([((weights @ each) * weights).sum(axis=1) for each in won], axis=1)
        return sums / pairs

    statistic.size = size
    return statistic


def auroc_intervals(
    y, scores, *, groups=None, contrasts=None, n_boot=2000, level=0.95, seed=42
) -> pd.DataFrame:
    """AUROC of one or more scores of the same clips, and of differences between scores.

    Parameters
    ----------
    y : array [n]
        True for the clips that should score higher.
    scores : array [n] or [n, s]
        Scores that differ by less than 1e-9 count as tied.
    contrasts : sequence of (i, j), optional
        Rows for score i minus score j (paired: one draw of recordings serves both), after the rows
        of the scores themselves.
    groups, n_boot, level, seed
        As for `intervals`.

    Returns
    -------
    DataFrame [s + contrasts]
        As `intervals`.

    Notes
    -----
    Checked against ``sklearn.metrics.roc_auc_score``.
    """
    statistic = auroc_statistic(y, scores, groups)
    pairs = list(contrasts or ())

    def function(weights):
        values = statistic(weights)
        return np.hstack([values, *(values[:, [i]] - values[:, [j]] for i, j in pairs)])

    table = _limits(function, statistic.size, n_boot, level, seed)
    table.insert(3, "n", len(y))
    return table


def auroc_interval(y, score, **how) -> Interval:
    """AUROC of one score with its interval; see `auroc_intervals`."""
    return Interval(*auroc_intervals(y, score, **how).iloc[0])


# --------------------------------------------------------------------------- shares


def share_interval(values, *, groups=None, level: float = 0.95) -> Interval:
    """Mean of 0s and 1s, or of numbers between, with a Wilson interval that knows of recordings.

    Parameters
    ----------
    values : array [n]
        In [0, 1].
    groups : array [n], optional
        Recording of each clip. None: every clip is its own.

    Returns
    -------
    Interval
        Never of no width. With all values 0 or all 1 nothing says how alike clips of a recording
        are, so each recording counts once.

    Raises
    ------
    ValueError
        Values outside [0, 1], and as `interval`.

    Notes
    -----
    Wilson's score interval at the effective number of clips, n over the design effect (never
    below 1), with Student's quantile for the number of recordings: Korn & Graubard 1998; Franco et
    al. 2019, doi:10.1093/jssam/smy019.
    """
    values = _rows(values)[:, 0]
    if ((values < 0) | (values > 1)).any():
        raise ValueError("share_interval: values must lie between 0 and 1")
    codes = recording_codes(groups, len(values))
    n, size = len(values), codes.max(initial=-1) + 1
    estimate = values.mean() if n else np.nan
    unknown = Interval(estimate, np.nan, np.nan, n, size, "", "")
    if not n:
        return unknown._replace(status="undefined", reason="no clips")
    if size < MIN_RECORDINGS:
        few = f"too few recordings ({size}; {MIN_RECORDINGS} needed)"
        return unknown._replace(status="too_few", reason=few)
    sizes = np.bincount(codes)
    apart = np.bincount(codes, values - estimate)
    between = size / (size - 1) * (apart**2).sum() / n**2
    single = values.var(ddof=1) / n
    variance = max(between, single)
    if variance <= 1e-15:
        effective = n**2 / (sizes**2).sum()
    else:
        effective = estimate * (1 - estimate) / variance
    low, high = _wilson(estimate, effective, sps.t.ppf((1 + level) / 2, size - 1))
    return Interval(estimate, low, high, n, size, "ok", "")


def _wilson(share, n, z):
    """Wilson's score interval of a share at `n` (effective) observations and quantile `z`."""
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))


# --------------------------------------------------------------------------- tests


def flip_test(
    first, second, statistic: Callable | None = None, *, groups=None, n_perm=10_000, seed=42
) -> float:
    """Two-sided p of "the two sides are exchangeable", flipping whole recordings.

    Parameters
    ----------
    first, second : array [n] or [n, c]
        Two readings of the same clips, row by row.
    statistic : callable, optional
        Of column sums, as for `interval`; None: the mean. Its difference is what is tested.
    groups : array [n], optional
        Recording (or actor) of each clip: all its clips flip together, since what changes in one
        recording may change in all of its clips.
    n_perm : int
        Random flips; with few enough recordings all flips are gone through instead.

    Returns
    -------
    float
        (1 + flips at least as far from 0) / (1 + flips), or the exact share over all flips. NaN
        with fewer than `MIN_RECORDINGS` recordings, an undefined difference, or none at all.
        A flip that leaves the difference undefined counts as far.

    Notes
    -----
    Good (2005), "Permutation, Parametric and Bootstrap Tests of Hypotheses"; Phipson & Smyth
    (2010), doi:10.2202/1544-6115.1585. Checked against ``scipy.stats.permutation_test``.
    """
    first, second = _rows(first), _rows(second)
    if first.shape != second.shape:
        raise ValueError(f"first {first.shape} and second {second.shape} are not the same clips")
    if statistic is None:
        ones = np.ones((len(first), 1))
        first, second = np.hstack([first, ones]), np.hstack([second, ones])
        statistic = lambda sums: _mean(sums)[..., 0]  # noqa: E731
    width = first.shape[1]
    sums = recording_sums(np.hstack([first, second]), groups)
    size = len(sums)
    if size < MIN_RECORDINGS:
        return np.nan
    total, change = sums.sum(axis=0), sums[:, width:] - sums[:, :width]

    def gap(flipped):
        moved = flipped @ change
        with np.errstate(divide="ignore", invalid="ignore"):
            return statistic(total[:width] + moved) - statistic(total[width:] - moved)

    observed = gap(np.zeros((1, size)))[0]
    if not np.isfinite(observed) or not change.any():
        return np.nan
    exact = 2**size <= n_perm
    if exact:
        flips = (np.arange(2**size)[:, None] >> np.arange(size)) & 1
    else:
        flips = np.random.default_rng([seed, 1]).integers(0, 2, (n_perm, size))
    far = np.abs(gap(flips))
    far = np.where(np.isfinite(far), far, np.inf) >= abs(observed) - 1e-12
    return float(far.mean() if exact else (1 + far.sum()) / (1 + n_perm))


def _adjusted(p, method: str) -> np.ndarray:
    p = np.asarray(p, float)
    out = np.full(p.shape, np.nan)
    known = np.isfinite(p)
    if known.any():
        out[known] = multipletests(p[known], method=method)[1]
    return out


def holm(p) -> np.ndarray:
    """Holm-adjusted p of one family; NaN (no test) stays NaN and does not count.

    From ``statsmodels.stats.multitest.multipletests``.
    """
    return _adjusted(p, "holm")


def bh(p) -> np.ndarray:
    """Benjamini-Hochberg-adjusted p (false discovery rate) of one family, as `holm`."""
    return _adjusted(p, "fdr_bh")

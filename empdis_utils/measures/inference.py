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

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as sps
from scipy.special import ndtr, ndtri, stdtrit  # of the normal and of Student's distribution
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower

from empdis_utils.measures.alignment import (
    CONTRASTS,
    MIN_N,
    align,
    aligned,
    codes_of,
    columns_of,
    two_groups,
)

__all__ = [
    "CHUNK", "MAX_SUBSETS", "MAX_UNDEFINED", "MIN_RECORDINGS", "Interval", "auroc_interval",
    "auroc_intervals", "auroc_statistic", "bh", "compare_groups", "draws", "flip_test",
    "gap_of_means", "group_difference", "group_means", "hedges_g", "holm", "interval", "intervals",
    "minimum_detectable_effect", "of_rows", "paired_difference", "permutation_p",
    "permutation_test", "recording_sums", "share_interval", "weighted_interval",
    "weighted_intervals",
]  # fmt: skip

MIN_RECORDINGS = 6  # below this no interval
MAX_UNDEFINED = 0.1  # share of resamples that may leave a statistic undefined
MAX_SUBSETS = 20_000  # permutations of one cell that are listed rather than shuffled
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


# --------------------------------------------------------------------------- the engine


def recording_sums(rows, groups=None) -> np.ndarray:
    """Column sums [g, c] of `rows` [n, c] in each recording that has a row other than zero."""
    rows = np.asarray(rows, float)
    codes = codes_of(groups, len(rows))
    used = rows.any(axis=1)
    codes = np.unique(codes[used], return_inverse=True)[1]
    sums = np.zeros((codes.max(initial=-1) + 1, rows.shape[1]))
    np.add.at(sums, codes, rows[used])
    return sums


@lru_cache(maxsize=8)
def _drawn(size: int, n_boot: int, seed: int) -> tuple[np.ndarray, ...]:
    return tuple(_draw(size, n_boot, seed))


def _draw(size: int, n_boot: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // size)
    for start in range(0, n_boot, step):
        rows = min(step, n_boot - start)
        drawn = rng.integers(0, size, (rows, size)) + size * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * size)
        yield counts.reshape(rows, size).astype(float)


def draws(size: int, n_boot: int = 2000, seed: int = 42):
    """How often each of `size` recordings is drawn: blocks [b, size] of `n_boot` rows in all.

    Each row sums to `size`. The same arguments give the same draws.
    """
    small = size * n_boot <= CHUNK
    return _drawn(size, n_boot, seed) if small else _draw(size, n_boot, seed)


def _one_left_out(size: int) -> Iterator[np.ndarray]:
    step = max(1, CHUNK // max(size, 1))
    for start in range(0, size, step):
        rows = np.arange(start, min(start + step, size))
        weights = np.ones((len(rows), size))
        weights[np.arange(len(rows)), rows] = 0
        yield weights


def _engine(function, size: int, n: int, n_boot, level, seed, noise=None) -> list[Interval]:
    """Estimate and limits of `function`, which maps recording weights [b, size] to [b, k]."""

    def evaluate(blocks):
        with np.errstate(divide="ignore", invalid="ignore"):
            blocks = [np.asarray(function(weights), float) for weights in blocks]
        values = np.concatenate([block.reshape(len(block), -1) for block in blocks])
        return np.where(np.isfinite(values), values, np.nan)

    estimate = evaluate([np.ones((1, size))])[0]
    if size == 0:
        return [Interval(np.nan, np.nan, np.nan, n, 0, "undefined", "no clips")] * len(estimate)
    none = np.full(len(estimate), np.nan)
    if size < MIN_RECORDINGS:
        few = [f"too few recordings (n={size})"] * len(estimate)
        low, high, status, reason = none, none, ["too_few"] * len(estimate), few
    else:
        resamples, left_out = evaluate(draws(size, n_boot, seed)), evaluate(_one_left_out(size))
        low, high, status, reason = _limits(estimate, resamples, left_out, level, noise)
    return [
        Interval(float(value), float(low[k]), float(high[k]), n, size, status[k], reason[k])
        if np.isfinite(value)
        else Interval(np.nan, np.nan, np.nan, n, size, "undefined", "undefined on these clips")
        for k, value in enumerate(estimate)
    ]


def _limits(estimate, values, left_out, level, noise):
    """Limits [k], status and reason from resamples [b, k] and left-one-outs [size, k]."""
    size, n_boot = len(left_out), len(values)
    values = np.sort(values, axis=0)  # undefined ones last
    known = (~np.isnan(values)).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(np.isnan(left_out), estimate, left_out)
        apart = apart - apart.mean(axis=0)
        jackknife = np.sqrt((size - 1) / size * (apart**2).sum(axis=0))
        freedom = _freedom(apart)
        mean = np.nansum(values, axis=0) / known
        spread = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / known)
        widen = np.maximum(np.sqrt(size / (size - 1)), jackknife / spread)
        ties = np.abs(values - estimate) <= 1e-12
        below = ((values < estimate) & ~ties).sum(axis=0) + ties.sum(axis=0) / 2
        bias = ndtri(np.clip(below / known, 0.5 / known, 1 - 0.5 / known))
        tails = stdtrit(freedom, np.array([[(1 - level) / 2], [(1 + level) / 2]]))
        at = ndtr(2 * bias + widen * tails) * (known - 1)
    few = known < (1 - MAX_UNDEFINED) * n_boot
    flat = ~few & (spread <= 1e-12 * np.maximum(1, np.abs(estimate)))
    usable = ~(few | flat) & np.isfinite(estimate)
    if noise is not None:
        bent = 2 * estimate - mean + tails * widen * spread
        bent[0] = np.where(estimate <= noise, 0, bent[0])
    at = np.where(usable, at, 0.0)
    under = np.floor(at).astype(int)
    over = np.minimum(under + 1, np.maximum(known - 1, 0))
    low_high = np.take_along_axis(values, under, 0) * (1 - at + under)
    low_high = low_high + np.take_along_axis(values, over, 0) * (at - under)
    low_high = np.where(usable, low_high if noise is None else bent.clip(0), np.nan)
    status = np.select([few, flat], ["undefined", "no_variation"], "ok").tolist()
    reason = []
    for state, count in zip(status, known, strict=True):
        missing = f"undefined in {n_boot - count} of {n_boot} resamples" if count < n_boot else ""
        if state == "no_variation":
            reason.append("the same in every recording")
        else:
            reason.append(missing + (", left out" if missing and state == "ok" else ""))
    return low_high[0], low_high[1], status, reason


def _freedom(apart: np.ndarray) -> np.ndarray:
    """Degrees of freedom [k] of contributions [g, k]: g - 1 at most, fewer where some dominate.

    Never fewer than the smallest number of recordings that gets an interval has.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = 3 * (apart**2).sum(axis=0) ** 2 / (apart**4).sum(axis=0) - 3
    most = len(apart) - 1
    return np.nan_to_num(np.clip(freedom, min(MIN_RECORDINGS - 1, most), most), nan=most)


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
    noise=None,
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
    noise : float or array [k], optional
        For statistics that noise enlarges and that cannot be negative (calibration error,
        information): the size that noise alone stays below in 95 % of cases. The interval is then
        the bootstrap interval turned about the estimate, and starts at 0 where the estimate is no
        larger than `noise`.

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
    doi:10.1080/00031305.2015.1089789): level Φ(2 z₀ + w t). w is the standard error of the
    delete-one-recording jackknife over the bootstrap's, at least √(G / (G - 1)). t has the degrees
    of freedom that match the spread of the jackknife's contributions, G - 1 at most: fewer where a
    few recordings decide (a kurtosis of contributions of 3 gives about G - 1).
    """
    return pd.DataFrame(_of_sums(values, statistic, groups, n_boot, level, seed, noise))


def _of_sums(
    values, statistic, groups=None, n_boot=2000, level=0.95, seed=42, noise=None
) -> list[Interval]:
    rows = _rows(values)
    n = len(rows)
    if statistic is None:
        rows, statistic = np.column_stack([rows, np.ones(n)]), _mean
    sums = recording_sums(rows, groups)
    return _engine(lambda w: statistic(w @ sums), len(sums), n, n_boot, level, seed, noise)


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
    return _of_sums(values, statistic, **how)[0]


def paired_difference(first, second, statistic: Callable | None = None, **how) -> Interval:
    """Statistic of `first` minus that of `second`, two readings of the same clips.

    `first`, `second` (array [n] or [n, c]): row by row the same clips. One draw of recordings
    serves both. `statistic`, `**how`: as for `interval`. None: the difference of means. Raises
    ValueError: sides of different shape, and as `interval`.
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
    noise=None,
) -> pd.DataFrame:
    """Intervals of statistics of clip weights.

    `function` (callable): takes clip weights [b, n] (how often each clip is drawn), returns [b] or
    [b, k]. `n`: clips. `groups`, `n_boot`, `level`, `seed`, `noise`: as for `intervals`. Returns a
    table, [k]: as `intervals`.
    """
    codes = codes_of(groups, n)
    step = max(1, CHUNK // max(n, 1))

    def of_recordings(weights):
        parts = range(0, len(weights), step)
        return np.concatenate([function(weights[i : i + step][:, codes]) for i in parts])

    found = _engine(of_recordings, codes.max(initial=-1) + 1, n, n_boot, level, seed, noise)
    return pd.DataFrame(found)


def weighted_interval(function: Callable, n: int, **how) -> Interval:
    """Interval of one statistic of clip weights; see `weighted_intervals`."""
    return Interval(
        *weighted_intervals(function, n, **how).itertuples(index=False, name=None).__next__()
    )


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
    scores = np.round(_rows(scores), 9)
    if len(y) != len(scores):
        raise ValueError(f"{len(y)} labels for {len(scores)} scores")
    codes = codes_of(groups, len(y))
    size = codes.max(initial=-1) + 1
    n_1, n_0 = (np.bincount(codes[side], minlength=size).astype(float) for side in (y, ~y))
    won = np.zeros((scores.shape[1], size, size))
    for score, pairs in zip(scores.T, won, strict=True):
        for h in np.flatnonzero(n_0):
            below = np.sort(score[~y & (codes == h)])
            beaten = np.searchsorted(below, score[y]) + np.searchsorted(below, score[y], "right")
            pairs[:, h] = np.bincount(codes[y], beaten / 2, minlength=size)

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
    return pd.DataFrame(_aurocs(y, scores, groups, contrasts, n_boot, level, seed))


def _aurocs(
    y, scores, groups=None, contrasts=None, n_boot=2000, level=0.95, seed=42
) -> list[Interval]:
    statistic = auroc_statistic(y, scores, groups)
    pairs = list(contrasts or ())

    def function(weights):
        values = statistic(weights)
        return np.hstack([values, *(values[:, [i]] - values[:, [j]] for i, j in pairs)])

    return _engine(function, statistic.size, len(y), n_boot, level, seed)


def auroc_interval(y, score, **how) -> Interval:
    """AUROC of one score with its interval; see `auroc_intervals`."""
    return _aurocs(y, score, **how)[0]


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
    Wilson's score interval at the effective number of clips, n over the design effect (Franco et
    al. 2019, doi:10.1093/jssam/smy019). Where clips of a recording are not alike the design effect
    is 1 and this is the plain Wilson interval; else it takes Student's quantile, as `intervals`.
    """
    values = _rows(values)[:, 0]
    if ((values < 0) | (values > 1)).any():
        raise ValueError("share_interval: values must lie between 0 and 1")
    codes = codes_of(groups, len(values))
    n, size = len(values), codes.max(initial=-1) + 1
    estimate = values.mean() if n else np.nan
    unknown = Interval(estimate, np.nan, np.nan, n, size, "", "")
    if not n:
        return unknown._replace(status="undefined", reason="no clips")
    if size < MIN_RECORDINGS:
        return unknown._replace(status="too_few", reason=f"too few recordings (n={size})")
    apart = np.bincount(codes, values - estimate)
    between = size / (size - 1) * (apart**2).sum() / n**2
    single = values.var(ddof=1) / n
    quantile = ndtri((1 + level) / 2)
    if max(between, single) <= 1e-15:
        effective = n**2 / (np.bincount(codes) ** 2).sum()
    else:
        effective = estimate * (1 - estimate) / values.var() * n
        effective *= single / max(between, single)
    if between > single * (1 + 1e-9):
        quantile = stdtrit(_freedom(apart[:, None])[0], (1 + level) / 2)
    low, high = _wilson(estimate, effective, quantile)
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
        with fewer than `MIN_RECORDINGS` recordings or an undefined difference. A flip that leaves
        the difference undefined counts as far.

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
    if not np.isfinite(observed):
        return np.nan
    exact = 2**size <= n_perm
    if exact:
        flips = (np.arange(2**size)[:, None] >> np.arange(size)) & 1
    else:
        flips = np.random.default_rng([seed, 1]).integers(0, 2, (n_perm, size))
    far = np.abs(gap(flips))
    far = np.where(np.isfinite(far), far, np.inf) >= abs(observed) - 1e-12
    return float(far.mean() if exact else (1 + far.sum()) / (1 + n_perm))


@lru_cache(maxsize=128)
def _subsets(m: int, k: int) -> np.ndarray:
    """All ways to choose k of m, as rows of 0 and 1."""
    chosen = np.array(list(combinations(range(m), k)))
    patterns = np.zeros((len(chosen), m), np.uint8)
    patterns[np.arange(len(chosen))[:, None], chosen] = 1
    return patterns


def _draw_subsets(m: int, k: int, shape: tuple[int, int], rng) -> np.ndarray:
    """Random k of m, as 0 and 1: array [*shape, m]."""
    if comb(m, k) <= MAX_SUBSETS:
        patterns = _subsets(m, k)
        return patterns.take(rng.integers(len(patterns), size=shape), axis=0)
    drawn = np.zeros((*shape, m))
    drawn[..., :k] = 1
    return rng.permuted(drawn, axis=-1, out=drawn)


def _permuted_sums(values, first, cells, n_perm, rng) -> tuple[np.ndarray, int]:
    """Sums of the first group [f, n_perm] under permutations of `first` inside `cells`.

    Also the number of rows in cells that hold both groups; the others never change.
    """
    cells = np.unique(cells, return_inverse=True)[1]
    size, ones = np.bincount(cells), np.bincount(cells, first).astype(int)
    mixed = ((ones > 0) & (ones < size))[cells]
    fixed = values[first & ~mixed].sum(axis=0)
    order = np.lexsort((cells, ones[cells], size[cells]))  # cells of equal kind side by side
    rows = order[mixed[order]]
    n = len(rows)
    if n == 0:
        return np.tile(fixed[:, None], n_perm), 0
    kind = np.column_stack([size, ones])[cells[rows]]
    kinds, lengths = np.unique(kind, axis=0, return_counts=True)
    sums = np.empty((values.shape[1], n_perm))
    step = max(1, CHUNK // n)
    for low in range(0, n_perm, step):
        height = min(step, n_perm - low)
        chosen = np.empty((height, n))
        start = 0
        for (m, k), length in zip(kinds.tolist(), lengths.tolist(), strict=True):
            drawn = _draw_subsets(m, k, (height, length // m), rng)
            chosen[:, start : start + length] = drawn.reshape(height, length)
            start += length
        sums[:, low : low + height] = fixed[:, None] + values[rows].T @ chosen.T
    return sums, n


def permutation_test(
    values, labels, *, groups=None, strata=None, n_perm: int = 10_000, seed: int = 42
) -> pd.DataFrame:
    """Two-sided permutation test of the difference of means, all columns at once.

    Labels are permuted inside each recording, and inside each stratum (the true label) of it.
    The statistic is how far the difference lies from what permutation inside them leads one to
    expect, which is not 0 when recordings with more of the first group have other values.

    Parameters
    ----------
    values : array or DataFrame [n] or [n, f]
        NaN is left out per column.
    labels : bool array [n]
        True for the first group.
    groups, strata : array [n], optional
        Recording and true label of each clip. None permutes freely.
    n_perm : int
        Random permutations; p = (1 + count) / (1 + n_perm).

    Returns
    -------
    DataFrame
        feature, n_1, n_2, n_exchangeable (clips in cells that hold both groups), difference,
        p_permutation. p is NaN if a group is empty, if the column is constant over the
        exchangeable clips, or if there are none.

    Raises
    ------
    ValueError
        Labels other than True and False, wrong lengths, infinite values.

    Notes
    -----
    Phipson & Smyth (2010), doi:10.2202/1544-6115.1585, for the +1. Checked against
    ``scipy.stats.permutation_test`` and against enumeration of all permutations inside cells.

    Examples
    --------
    >>> found = permutation_test(np.arange(8.0), np.arange(8) > 3, n_perm=999)
    >>> found[["n_1", "n_2", "difference"]].to_dict("list")
    {'n_1': [4], 'n_2': [4], 'difference': [4.0]}
    """
    names, values = columns_of(values)
    n = len(values)
    first = two_groups(labels, n)
    cells = np.zeros(n, int) if groups is None else codes_of(groups, n)
    if strata is not None:
        inner = codes_of(strata, n, "strata")
        cells = cells * (inner.max(initial=0) + 1) + inner
    counts = np.zeros((3, len(names)), int)
    difference, p = np.full((2, len(names)), np.nan)
    present = np.isfinite(values)
    patterns, which = np.unique(present, axis=1, return_inverse=True)
    for code in range(patterns.shape[1]):
        keep, columns = patterns[:, code], np.flatnonzero(which.ravel() == code)
        block, side = values[np.ix_(keep, columns)], first[keep]
        counts[:2, columns] = [[side.sum()], [(~side).sum()]]
        if side.any() and not side.all():
            rng = np.random.default_rng(seed)
            difference[columns], p[columns], counts[2, columns] = permutation_p(
                block, side, cells[keep], n_perm, rng
            )
    return pd.DataFrame(
        {
            "feature": names,
            "n_1": counts[0],
            "n_2": counts[1],
            "n_exchangeable": counts[2],
            "difference": difference,
            "p_permutation": p,
        }
    )


def permutation_p(values, first, cells, n_perm, rng) -> tuple[np.ndarray, np.ndarray, int]:
    """Difference of means [f], p [f] and number of exchangeable rows; no missing values."""
    difference = values[first].mean(axis=0) - values[~first].mean(axis=0)
    # Centred inside cells, so that the sum of the first group is expected to be 0.
    code, sizes = np.unique(cells, return_inverse=True, return_counts=True)[1:]
    means = np.zeros((len(sizes), values.shape[1]))
    np.add.at(means, code, values)
    values = values - (means / sizes[:, None])[code]
    observed = values[first].sum(axis=0)
    sums, exchangeable = _permuted_sums(values, first, cells, n_perm, rng)
    rounding = 1e-9 * np.abs(values).max(axis=0)
    count = (np.abs(sums) >= (np.abs(observed) - rounding)[:, None]).sum(axis=1)
    moves = np.ptp(sums, axis=1) > rounding
    return difference, np.where(moves, (1 + count) / (1 + n_perm), np.nan), exchangeable


# --------------------------------------------------------------------------- corrections


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


# --------------------------------------------------------------------------- groups of clips


def _safe_mean(values: np.ndarray) -> np.ndarray:
    present = np.isfinite(values)
    return np.where(present, values, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)


def _no_variance(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Per column: no variance inside either group (up to rounding)."""
    flat = np.ones(values.shape[1], bool)
    for side in (first, ~first):
        if side.any():
            part = values[side]
            low = np.where(np.isnan(part), np.inf, part).min(axis=0)
            high = np.where(np.isnan(part), -np.inf, part).max(axis=0)
            flat &= high - low <= 1e-12 * np.maximum(np.abs(low), np.abs(high))
    return flat


def _moments(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Rows [n, 6 f]: count, value and square, for the first and then the second group."""
    present = np.isfinite(values)
    filled = np.where(present, values, 0.0)
    parts = [
        side[:, None] * part for side in (first, ~first) for part in (present, filled, filled**2)
    ]
    return np.concatenate(parts, axis=1).astype(float)


def _mean_sd_g(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Difference of means and Hedges g from sums [..., 6 f] of `_moments`."""
    n_1, s_1, q_1, n_2, s_2, q_2 = np.split(sums, 6, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = s_1 / n_1 - s_2 / n_2
        within = (q_1 - s_1**2 / n_1) + (q_2 - s_2**2 / n_2)
        sd = np.sqrt(np.maximum(within, 0) / (n_1 + n_2 - 2))
        small_sample = 1 - 3 / (4 * (n_1 + n_2) - 9)
        return difference, difference / sd * small_sample


def hedges_g(
    values, first, *, groups=None, n_boot: int = 2000, level: float = 0.95, seed: int = 42
) -> pd.DataFrame:
    """Difference of means and Hedges g of each column, with intervals that resample recordings.

    Parameters
    ----------
    values : array or DataFrame [n] or [n, f]
        NaN is left out per column.
    first : bool array [n]
        True for the first group; the difference is first minus second.
    groups : array [n], optional
        Recording of each clip.

    Returns
    -------
    DataFrame
        feature, n_1, n_2, difference, difference_low, difference_high, hedges_g, ci_low, ci_high,
        n_recordings (of the side with fewer), status, reason. g is NaN without variance within
        groups. Each side needs `MIN_RECORDINGS` recordings, else there is no interval.

    Notes
    -----
    g = d (1 - 3 / (4 N - 9)) with pooled standard deviation, equal to
    ``pingouin.compute_effsize(eftype="hedges")``; Hedges (1981), doi:10.3102/10769986006002107.
    """
    names, values = columns_of(values)
    first = two_groups(first, len(values))
    codes = codes_of(groups, len(values))
    f = len(names)
    flat = _no_variance(values, first)
    rows = np.column_stack([_moments(values - _safe_mean(values), first), np.ones(len(values))])

    def statistic(sums):
        difference, g = _mean_sd_g(sums[..., :-1])
        return np.concatenate([difference, np.where(flat, np.nan, g)], axis=-1)

    found = zip(*_of_sums(rows, statistic, codes, n_boot, level, seed), strict=True)
    estimate, low, high, _, _, status, reason = (np.array(each).reshape(2, f) for each in found)
    side = [_recordings_with(np.isfinite(values) & one[:, None], codes) for one in (first, ~first)]
    fewest = np.minimum(*side)
    few = fewest < MIN_RECORDINGS
    low, high = np.where(few, np.nan, low), np.where(few, np.nan, high)
    short = np.array([f"too few recordings (n={n})" for n in fewest], object)
    return pd.DataFrame(
        {
            "feature": names,
            "n_1": (np.isfinite(values) & first[:, None]).sum(axis=0),
            "n_2": (np.isfinite(values) & ~first[:, None]).sum(axis=0),
            "difference": estimate[0],
            "difference_low": low[0],
            "difference_high": high[0],
            "hedges_g": estimate[1],
            "ci_low": low[1],
            "ci_high": high[1],
            "n_recordings": fewest,
            "status": np.where(few, "too_few", status[1]),
            "reason": np.where(few, short, reason[1]),
        }
    )


def _recordings_with(present: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Number of recordings [f] that have a True in each column of `present` [n, f]."""
    counts = np.zeros((codes.max(initial=-1) + 1, present.shape[1]))
    np.add.at(counts, codes, present)
    return (counts > 0).sum(axis=0)


def gap_of_means(sums):
    """Mean of one set of clips minus that of another, a statistic for `interval`.

    From sums [..., 4]: value and count over the first set, value and count over the second.
    """
    return sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3]


def group_difference(values, first, *, groups=None, **how) -> Interval:
    """Mean of the clips of `first` minus the mean of the others, with its interval.

    `values` (array [n]). `first` (bool array [n]). Returns Interval: n_recordings is that of the
    side with fewer, and each side needs `MIN_RECORDINGS`.
    """
    values, first = _rows(values)[:, 0], two_groups(first, len(values))
    rows = np.column_stack([values * first, first, values * ~first, ~first])
    codes = codes_of(groups, len(values))
    found = interval(rows, gap_of_means, groups=codes, **how)
    fewest = int(min(_recordings_with(np.column_stack([first, ~first]), codes)))
    found = found._replace(n_recordings=fewest)
    if fewest < MIN_RECORDINGS and np.isfinite(found.estimate):
        few = dict(status="too_few", reason=f"too few recordings (n={fewest})")
        found = found._replace(ci_low=np.nan, ci_high=np.nan, **few)
    return found


def compare_groups(
    features: pd.DataFrame,
    quadrant: pd.Series,
    *,
    family: str,
    contrasts=CONTRASTS,
    test: str = "welch",
    groups: pd.Series | None = None,
    strata: pd.Series | None = None,
    n_perm: int = 10_000,
    n_boot: int = 2000,
    min_n: int = MIN_N,
    seed: int = 42,
) -> pd.DataFrame:
    """Compare every feature between quadrants (paper, Tables 3, 4, 10, 11 and 12).

    Parameters
    ----------
    features : DataFrame
        Indexed by clip_id, one numeric column per feature. Other columns (`status`, `reason`) are
        left aside. Clips without a quadrant are left aside.
    quadrant : Series
        clip_id -> quadrant.
    family : str
        Name of the family of tests. All features and contrasts of the table are one family: Holm
        and Benjamini-Hochberg correct over every permutation p of it. (The t-test's p, which takes
        clips as independent, is the paper's; it is shown and not corrected.)
    contrasts : sequence of (first, second)
        Differences are first minus second.
    test : {"welch", "student"}
        The t-test. The paper's degrees of freedom imply Welch.
    groups, strata : Series, optional
        clip_id -> recording, clip_id -> true label. Intervals resample `groups`; permutations
        stay inside `groups` and `strata`.
    min_n : int
        Smallest group that is tested.

    Returns
    -------
    DataFrame
        The columns of `feature_tests`, and `note`: "", "too few (n=3)", "constant" (no variance
        within groups), "not exchangeable" (no recording holds both groups, so no permutation p),
        or why there is no interval. Too few clips and constant: statistics are NaN.

    Raises
    ------
    ValueError
        Unknown test, no numeric feature, duplicate clips, infinite values, a clip of
        `quadrant` that is not in `features`, `groups` or `strata`.

    Notes
    -----
    Checked against ``scipy.stats.ttest_ind``, ``pingouin.compute_effsize`` and
    ``statsmodels.stats.multitest.multipletests``.

    Examples
    --------
    >>> names = [f"clip{i:02d}" for i in range(20)]
    >>> features = pd.DataFrame({"pitch": np.arange(20.0)}, index=pd.Index(names, name="clip_id"))
    >>> quadrant = pd.Series(["red"] * 10 + ["blue"] * 10, index=features.index)
    >>> found = compare_groups(features, quadrant, family="sound", contrasts=[("red", "blue")])
    >>> found[["n_1", "n_2", "mean_1", "mean_2"]].to_dict("list")
    {'n_1': [10], 'n_2': [10], 'mean_1': [4.5], 'mean_2': [14.5]}
    """
    if test not in ("welch", "student"):
        raise ValueError(f"test: expected 'welch' or 'student', got {test!r}")
    features, quadrant = aligned(features, quadrant)
    groups = None if groups is None else align(groups, features.index, "groups")
    strata = None if strata is None else align(strata, features.index, "strata")
    blocks = []
    for one, two in contrasts:
        keep = quadrant.isin([one, two]).to_numpy()
        block = _contrast(
            features[keep],
            (quadrant[keep] == one).to_numpy(),
            None if groups is None else groups[keep],
            None if strata is None else strata[keep],
            equal_var=test == "student",
            min_n=max(min_n, 2),
            n_perm=n_perm,
            n_boot=n_boot,
            seed=seed,
        )
        block.insert(1, "contrast", f"{one}-{two}")
        blocks.append(block)
    table = pd.concat(blocks, ignore_index=True)
    table.insert(0, "family", family)
    table["p_holm"], table["p_bh"] = holm(table["p_permutation"]), bh(table["p_permutation"])
    return table[
        ["family", "feature", "contrast", "n_1", "n_2", "mean_1", "mean_2", "t", "df", "p"]
        + ["p_holm", "p_bh", "hedges_g", "ci_low", "ci_high", "p_permutation", "note"]
    ]


def _contrast(features, first, groups, strata, *, equal_var, min_n, n_perm, n_boot, seed):
    """Rows of one contrast, without the corrections."""
    table = hedges_g(features, first, groups=groups, n_boot=n_boot, seed=seed)
    permuted = permutation_test(
        features, first, groups=groups, strata=strata, n_perm=n_perm, seed=seed
    )
    table["p_permutation"] = permuted["p_permutation"]
    for column in ("mean_1", "mean_2", "t", "df", "p"):
        table[column] = np.nan
    constant = _no_variance(features.to_numpy(), first)
    notes = []
    for i, name in enumerate(table["feature"]):
        values = features[name].to_numpy()
        one, two = (values[side & np.isfinite(values)] for side in (first, ~first))
        for column, part in (("mean_1", one), ("mean_2", two)):
            table.loc[i, column] = part.mean() if len(part) else np.nan
        smallest = min(len(one), len(two))
        if smallest < min_n:
            note = f"too few (n={smallest})"
        elif constant[i]:
            note = "constant"
        else:
            shift = two[0] if np.ptp(two) == 0 else one[0]  # makes a constant group exactly zero
            result = sps.ttest_ind(one - shift, two - shift, equal_var=equal_var)
            table.loc[i, ["t", "df", "p"]] = result.statistic, result.df, result.pvalue
            note = "" if table.loc[i, "status"] == "ok" else table.loc[i, "reason"]
            if permuted.loc[i, "n_exchangeable"] == 0:
                note = "not exchangeable"
        notes.append(note)
        if smallest < min_n or constant[i]:
            table.loc[i, ["hedges_g", "ci_low", "ci_high", "p_permutation"]] = np.nan
    table["note"] = notes
    return table


def group_means(
    features: pd.DataFrame,
    quadrant: pd.Series,
    *,
    groups: pd.Series | None = None,
    n_boot: int = 2000,
    seed: int = 42,
) -> pd.DataFrame:
    """Mean of every feature in every quadrant, with intervals that resample recordings.

    `features`, `quadrant`, `groups`: as in `compare_groups`. Missing values are left out. Returns
    columns feature, quadrant, n, recordings, mean, ci_low, ci_high (see `interval` for when there
    is none). Without a value: n is 0 and the mean is missing.
    """
    features, quadrant = aligned(features, quadrant)
    codes = codes_of(
        None if groups is None else align(groups, features.index, "groups"), len(features)
    )
    rows = []
    for name in features:
        values = features[name].to_numpy()
        for label in sorted(quadrant.dropna().unique()):
            keep = (quadrant == label).to_numpy() & np.isfinite(values)
            found = interval(values[keep], groups=codes[keep], n_boot=n_boot, seed=seed)
            row = {"feature": name, "quadrant": label, "n": found.n}
            row |= {"recordings": found.n_recordings, "mean": found.estimate}
            rows.append(row | {"ci_low": found.ci_low, "ci_high": found.ci_high})
    return pd.DataFrame(rows)


def minimum_detectable_effect(n_1: int, n_2: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest standardised difference a two-sided t-test of these sizes finds with `power`.

    NaN if a group has fewer than two clips. Clips are taken as independent, so nested clips need a
    larger effect. From ``statsmodels.stats.power.TTestIndPower``.
    """
    if min(n_1, n_2) < 2:
        return np.nan
    solved = TTestIndPower().solve_power(nobs1=n_1, ratio=n_2 / n_1, alpha=alpha, power=power)
    return float(np.squeeze(solved))

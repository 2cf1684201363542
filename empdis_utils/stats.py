"""Intervals and tests for clips that nest in recordings.

Intervals resample whole recordings; permutations stay inside them. Too little data gives NaN and
a note, never a p-value.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from scipy import stats as sps
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import proportion_confint

CONTRASTS = (("red", "blue"), ("green", "blue"), ("red", "green"))
MIN_N = 5  # clips below which no interval is given
MIN_FINITE = 0.95  # share of bootstrap replicates that must be defined
CHUNK = 250_000  # elements of one chunk of resamples or permutations
MAX_SUBSETS = 20_000  # permutations of one cell that are listed rather than shuffled


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


# --------------------------------------------------------------------------- bootstrap


def _resamples(n_clusters: int, n_boot: int, seed: int) -> Iterator[np.ndarray]:
    """Chunks [b, n_clusters] of how often each cluster is drawn, `n_boot` rows in all."""
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // n_clusters)
    for start in range(0, n_boot, step):
        rows = min(step, n_boot - start)
        drawn = rng.integers(n_clusters, size=(rows, n_clusters))
        drawn += n_clusters * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * n_clusters)
        yield counts.reshape(rows, n_clusters).astype(float)


def bootstrap_sums(rows, *, groups=None, n_boot: int = 2000, seed: int = 42) -> np.ndarray:
    """Column sums of `rows` over resamples of whole clusters.

    Means, rates, ratios and differences of means are functions of such sums.

    Parameters
    ----------
    rows : array [n, c]
        One row per clip.
    groups : array [n], optional
        Recording of each clip; each clip on its own when None.

    Returns
    -------
    array [n_boot, c]
    """
    rows = np.asarray(rows, float)
    codes = _codes(groups, len(rows))
    per_cluster = np.zeros((codes.max() + 1, rows.shape[1]))
    np.add.at(per_cluster, codes, rows)
    return np.concatenate(
        [counts @ per_cluster for counts in _resamples(len(per_cluster), n_boot, seed)]
    )


def percentile_interval(replicates, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Percentile limits of `replicates` [n_boot, ...] along the first axis.

    Undefined replicates (a resample without one of the two groups) are left out. Where more than
    5 % are undefined the limits are NaN.
    """
    replicates = np.where(np.isfinite(replicates), replicates, np.nan)
    enough = np.isfinite(replicates).mean(axis=0) >= MIN_FINITE
    usable = np.where(enough, replicates, 0.0)
    low, high = np.nanquantile(usable, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def bootstrap_ci(
    values,
    statistic: Callable = np.mean,
    *,
    groups=None,
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 42,
) -> tuple[float, float, float]:
    """Estimate with a percentile interval from a bootstrap over whole recordings.

    Parameters
    ----------
    values : array [n] or [n, c]
        One row per clip.
    statistic : callable
        Takes the (resampled) rows, returns a number. ``np.mean`` of 1-D values is vectorised
        through per-recording sums; anything else is called `n_boot` times.
    groups : array [n], optional
        Recording of each clip. None treats every clip as independent.

    Returns
    -------
    estimate, low, high : float
        All NaN for no values. The interval is NaN for fewer than five clips, and for one
        recording, which says nothing about other recordings.

    Raises
    ------
    ValueError
        NaN or infinite values, or `groups` of another length.

    Notes
    -----
    Cluster bootstrap: Davison & Hinkley (1997), section 3.8. Percentile limits are too narrow for
    few (< 10) recordings. Checked against ``scipy.stats.bootstrap`` for ungrouped clips and
    against the closed-form standard error of equal clusters.
    """
    values = np.asarray(values)
    if len(values) == 0:
        return np.nan, np.nan, np.nan
    bad = ~np.isfinite(values.astype(float)).reshape(len(values), -1).all(axis=1)
    if bad.any():
        raise ValueError(f"values: {int(bad.sum())} of {len(values)} rows are NaN or infinite")
    codes = _codes(groups, len(values))
    estimate = float(statistic(values))
    if len(values) < MIN_N or codes.max() == 0:
        return estimate, np.nan, np.nan
    if statistic is np.mean and values.ndim == 1:
        rows = np.column_stack([values, np.ones(len(values))])
        sums = bootstrap_sums(rows, groups=groups, n_boot=n_boot, seed=seed)
        replicates = sums[:, 0] / sums[:, 1]
    else:
        members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
        rng = np.random.default_rng(seed)
        replicates = np.empty(n_boot)
        for b in range(n_boot):
            drawn = rng.integers(len(members), size=len(members))
            replicates[b] = statistic(values[np.concatenate([members[i] for i in drawn])])
    low, high = percentile_interval(replicates, level)
    return estimate, float(low), float(high)


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
        feature, n_1, n_2, difference, difference_low, difference_high, hedges_g, ci_low, ci_high.
        g is NaN without variance within groups; intervals are NaN for one recording.

    Notes
    -----
    g = d (1 - 3 / (4 N - 9)) with pooled standard deviation, equal to
    ``pingouin.compute_effsize(eftype="hedges")``; Hedges (1981), doi:10.3102/10769986006002107.
    """
    names, values = _columns(values)
    first = _two_groups(first, len(values))
    centred = values - _safe_mean(values)
    rows = _moments(centred, first)
    total = rows.sum(axis=0)
    difference, g = _mean_sd_g(total)
    counts = np.split(total, 6)
    flat = _no_variance(values, first)
    table = pd.DataFrame(
        {
            "feature": names,
            "n_1": counts[0].astype(int),
            "n_2": counts[3].astype(int),
            "difference": difference,
            "difference_low": np.nan,
            "difference_high": np.nan,
            "hedges_g": np.where(flat, np.nan, g),
            "ci_low": np.nan,
            "ci_high": np.nan,
        }
    )
    if _codes(groups, len(values)).max(initial=0) == 0:
        return table
    boot_difference, boot_g = _mean_sd_g(
        bootstrap_sums(rows, groups=groups, n_boot=n_boot, seed=seed)
    )
    boot_g[:, flat] = np.nan
    table["difference_low"], table["difference_high"] = percentile_interval(boot_difference, level)
    table["ci_low"], table["ci_high"] = percentile_interval(boot_g, level)
    return table


# --------------------------------------------------------------------------- permutation


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
    """
    names, values = _columns(values)
    n = len(values)
    first = _two_groups(labels, n)
    cells = np.zeros(n, int) if groups is None else _codes(groups, n)
    if strata is not None:
        inner = _codes(strata, n, "strata")
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
            difference[columns], p[columns], counts[2, columns] = _permutation_p(
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


def _permutation_p(values, first, cells, n_perm, rng) -> tuple[np.ndarray, np.ndarray, int]:
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


# --------------------------------------------------------------------------- tables of tests


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
        and Benjamini-Hochberg correct over every p of it.
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
        within groups), "one recording" (no interval), "not exchangeable" (no recording holds both
        groups, so no permutation p). Too few and constant: statistics are NaN.

    Raises
    ------
    ValueError
        Unknown test, no numeric feature, duplicate clips, infinite values, a clip of
        `quadrant` that is not in `features`, `groups` or `strata`.

    Notes
    -----
    Checked against ``scipy.stats.ttest_ind``, ``pingouin.compute_effsize`` and
    ``statsmodels.stats.multitest.multipletests``.
    """
    if test not in ("welch", "student"):
        raise ValueError(f"test: expected 'welch' or 'student', got {test!r}")
    features, quadrant = _aligned(features, quadrant)
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
    tested = table["p"].notna().to_numpy()
    for column, method in (("p_holm", "holm"), ("p_bh", "fdr_bh")):
        table[column] = np.nan
        if tested.any():
            table.loc[tested, column] = multipletests(table.loc[tested, "p"], method=method)[1]
    return table[
        ["family", "feature", "contrast", "n_1", "n_2", "mean_1", "mean_2", "t", "df", "p"]
        + ["p_holm", "p_bh", "hedges_g", "ci_low", "ci_high", "p_permutation", "note"]
    ]


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
    one_recording = groups is not None and len(np.unique(groups)) == 1
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
            note = ""
            if one_recording:
                note = "one recording"
            elif permuted.loc[i, "n_exchangeable"] == 0:
                note = "not exchangeable"
        notes.append(note)
        if note.startswith("too few") or note == "constant":
            table.loc[i, ["hedges_g", "ci_low", "ci_high", "p_permutation"]] = np.nan
    table["note"] = notes
    return table


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


def group_means(
    features: pd.DataFrame,
    quadrant: pd.Series,
    *,
    groups: pd.Series | None = None,
    n_boot: int = 2000,
    seed: int = 42,
) -> pd.DataFrame:
    """Mean of every feature in every quadrant, with intervals that resample recordings.

    Parameters
    ----------
    features, quadrant, groups
        As in `compare_groups`. Missing values are left out.

    Returns
    -------
    DataFrame
        feature, quadrant, n, recordings, mean, ci_low, ci_high (95 %; see `bootstrap_ci` for when
        there is none). Without a value: n is 0 and the mean is missing.
    """
    features, quadrant = _aligned(features, quadrant)
    codes = _codes(
        None if groups is None else align(groups, features.index, "groups"), len(features)
    )
    rows = []
    for name in features:
        values = features[name].to_numpy()
        for label in sorted(quadrant.dropna().unique()):
            keep = (quadrant == label).to_numpy() & np.isfinite(values)
            mean, low, high = bootstrap_ci(
                values[keep], groups=codes[keep], n_boot=n_boot, seed=seed
            )
            rows.append(
                {
                    "feature": name,
                    "quadrant": label,
                    "n": int(keep.sum()),
                    "recordings": len(np.unique(codes[keep])),
                    "mean": mean,
                    "ci_low": low,
                    "ci_high": high,
                }
            )
    return pd.DataFrame(rows)


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


def wilson_ci(k, n, level: float = 0.95):
    """Wilson score interval (low, high) of a proportion `k` / `n`; NaN where n is 0.

    For independent clips; for nested clips use `bootstrap_ci`. From
    ``statsmodels.stats.proportion.proportion_confint``.
    """
    k, n = np.broadcast_arrays(np.asarray(k, float), np.asarray(n, float))
    if ((k < 0) | (k > n)).any():
        raise ValueError("wilson_ci: k must lie between 0 and n")
    limits = proportion_confint(k, np.where(n > 0, n, 1), alpha=1 - level, method="wilson")
    low, high = (np.where(n > 0, limit, np.nan) for limit in limits)
    return (float(low), float(high)) if low.ndim == 0 else (low, high)


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


# --------------------------------------------------------------------------- simulation


def simulate_nested_null(
    n_sim: int = 1000,
    *,
    n_recordings: int = 40,
    clips_per_recording: int = 8,
    value_icc: float = 0.5,
    group_spread: float = 2.0,
    n_perm: int = 999,
    seed: int = 42,
) -> pd.DataFrame:
    """p-values of synthetic data without any difference, clips nested in recordings.

    Values share a recording effect (`value_icc`: its share of the variance). Membership does too:
    its log-odds differ between recordings with standard deviation `group_spread`. The two effects
    are independent, so the null holds.

    Returns
    -------
    DataFrame [n_sim]
        simulation, p_naive (Welch's t-test on clips), p_permutation (inside recordings).
    """
    rng = np.random.default_rng(seed)
    recording = np.repeat(np.arange(n_recordings), clips_per_recording)
    rows = []
    for simulation in range(n_sim):
        effect = np.sqrt(value_icc) * rng.standard_normal(n_recordings)
        noise = np.sqrt(1 - value_icc) * rng.standard_normal(len(recording))
        log_odds = group_spread * rng.standard_normal(n_recordings)
        first = rng.random(len(recording)) < 1 / (1 + np.exp(-log_odds[recording]))
        value = effect[recording] + noise
        p_permutation = _permutation_p(value[:, None], first, recording, n_perm, rng)[1]
        rows.append(
            {
                "simulation": simulation,
                "p_naive": float(
                    sps.ttest_ind(value[first], value[~first], equal_var=False).pvalue
                ),
                "p_permutation": float(p_permutation[0]),
            }
        )
    return pd.DataFrame(rows)

"""Tests of `empdis_utils.measures.inference`. Each test names its oracle."""

# "Once": the engines before this module (percentile limits, flips of single clips) fail the test.

import warnings
from itertools import combinations, product

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as sps
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from empdis_utils.measures import inference


def nested(n=240, n_recordings=12, n_features=3, seed=0):
    """Synthetic features with a recording effect, quadrants, recordings and labels."""
    rng = np.random.default_rng(seed)
    clips = [f"clip{i:03d}" for i in range(n)]
    recording = rng.integers(n_recordings, size=n)
    features = (
        rng.standard_normal((n, n_features)) + rng.standard_normal(n_recordings)[recording, None]
    )
    names = [f"f{i}" for i in range(n_features)]
    quadrant = rng.choice(["blue", "red", "green", "yellow"], n, p=[0.4, 0.25, 0.2, 0.15])
    return (
        pd.DataFrame(features, index=clips, columns=names),
        pd.Series(quadrant, index=clips),
        pd.Series([f"rec{r}" for r in recording], index=clips),
        pd.Series(rng.integers(2, size=n), index=clips),
    )


def compare(features, quadrant, **kwargs):
    settings_ = {"family": "test", "n_perm": 200, "n_boot": 200} | kwargs
    return inference.compare_groups(features, quadrant, **settings_)


# ----------------------------------------------------------------------- the engine


def mean_of(sums):
    return sums[..., 0] / sums[..., 1]


def test_resamples_are_copies_of_whole_recordings():
    """Oracle: the statistic of rows that were copied one by one."""
    rng = np.random.default_rng(3)
    rows = np.column_stack([rng.standard_normal(40), np.ones(40)])
    groups = rng.integers(0, 8, 40)
    sums, names = inference.recording_sums(rows, groups), np.unique(groups)
    weights = np.concatenate(list(inference.draws(8, 50, 7)))
    assert (weights.sum(axis=1) == 8).all() and len(np.unique(weights, axis=0)) > 40
    for weight, value in zip(weights, mean_of(weights @ sums), strict=True):
        copies = [
            rows[groups == g, 0] for g, w in zip(names, weight, strict=True) for _ in range(int(w))
        ]
        assert value == pytest.approx(np.concatenate(copies).mean())


def test_interval_of_equal_recordings_has_the_width_of_student():
    """Oracle: t (G - 1 degrees) times sd of the recordings' means / sqrt(G). Once: 2 z times it."""
    for size, allowed in ((8, 0.12), (60, 0.05)):
        effects = sps.norm.ppf((np.arange(size) + 0.5) / size)
        values, groups = np.repeat(effects, 10), np.repeat(np.arange(size), 10)
        found = inference.interval(values, groups=groups, n_boot=20_000)
        half = sps.t.ppf(0.975, size - 1) * effects.std(ddof=1) / np.sqrt(size)
        assert found.ci_high - found.ci_low == pytest.approx(2 * half, rel=allowed)
        naive = inference.interval(values)
        assert found.ci_high - found.ci_low > 2.5 * (naive.ci_high - naive.ci_low)


def test_interval_of_many_clips_equals_scipy():
    """Oracle: scipy.stats.bootstrap (BCa) on many independent clips."""
    values = np.random.default_rng(1).exponential(size=600)
    found = inference.interval(values, n_boot=20_000)
    oracle = sps.bootstrap((values,), np.mean, n_resamples=20_000, rng=3).confidence_interval
    assert found.estimate == pytest.approx(values.mean())
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(oracle), abs=0.012)
    assert (found.n, found.n_recordings, found.status, found.reason) == (600, 600, "ok", "")


def test_sums_weights_and_rows_give_one_interval():
    """Oracle: the three ways against each other."""
    features, _, recordings, _ = nested()
    values, how = features["f0"].to_numpy(), dict(groups=recordings, n_boot=300)
    by_sums = inference.interval(values, **how)
    by_weights = inference.weighted_interval(lambda w: w @ values / w.sum(axis=1), 240, **how)
    by_rows = inference.weighted_interval(inference.of_rows(np.mean, values), 240, **how)
    for other in (by_weights, by_rows):
        assert other[:3] == pytest.approx(by_sums[:3])
        assert other[3:] == by_sums[3:]


def test_many_statistics_at_once_equal_one_by_one():
    values = np.random.default_rng(0).standard_normal((60, 3))
    table = inference.intervals(values, groups=np.repeat(np.arange(12), 5))
    for k, row in enumerate(table.itertuples(index=False)):
        one = inference.interval(values[:, k], groups=np.repeat(np.arange(12), 5))
        assert tuple(row) == pytest.approx(tuple(one), abs=1e-12)


def test_memory_is_bounded_and_chunks_change_nothing(monkeypatch):
    values, how = np.random.default_rng(0).standard_normal(40), dict(n_boot=200)
    whole = inference.interval(values, **how)
    monkeypatch.setattr(inference, "CHUNK", 1000)
    assert inference.interval(values, **how)[:3] == pytest.approx(whole[:3], abs=0.15)
    assert {len(block) for block in inference.draws(40, 200, 42)} == {25}


def test_every_interval_has_the_same_minimum_of_recordings():
    """Once: one module gave intervals to 2 recordings, another needed 6."""
    rng = np.random.default_rng(0)
    for size in (1, 2, inference.MIN_RECORDINGS - 1, inference.MIN_RECORDINGS):
        groups = np.repeat(np.arange(size), 20)
        values, first = rng.random(len(groups)), np.arange(len(groups)) % 2 == 0
        y = rng.random(len(groups)) < 0.5
        found = [
            inference.interval(values, groups=groups),
            inference.share_interval(y, groups=groups),
            inference.auroc_interval(y, values, groups=groups),
            inference.group_difference(values, first, groups=groups),
            inference.paired_difference(values, values[::-1], groups=groups),
        ]
        enough = size == inference.MIN_RECORDINGS
        assert {one.status for one in found} == {"ok" if enough else "too_few"}
        assert {bool(np.isfinite(one.ci_low)) for one in found} == {enough}
        assert {one.reason for one in found} == {"" if enough else f"too few recordings (n={size})"}
        assert np.isfinite([one.estimate for one in found]).all()
        g = inference.hedges_g(values, first, groups=groups).iloc[0]
        assert np.isfinite(g.ci_low) == enough and np.isfinite(g.hedges_g)
        flip = inference.flip_test(values, values[::-1], groups=groups)
        assert np.isfinite(flip) == enough


def test_each_side_of_a_comparison_needs_its_own_recordings():
    """Once: seven clips of two recordings got an interval, as the other side had many."""
    groups = np.repeat(np.arange(16), 10)
    first = np.zeros(160, bool)
    first[[0, 1, 2, 3, 10, 11, 12]] = True
    values = np.random.default_rng(0).standard_normal(160)
    found = inference.group_difference(values, first, groups=groups)
    assert found.status == "too_few" and found.reason == "too few recordings (n=2)"
    assert found.estimate == pytest.approx(values[first].mean() - values[~first].mean())
    row = inference.hedges_g(values, first, groups=groups).iloc[0]
    assert np.isnan(row.ci_low) and row.reason == found.reason and row.n_recordings == 2


def test_one_rule_for_undefined_resamples():
    """Oracle: counting. 0.4**3 of resamples lack the rare kind at 3 of 8; 0.35 at 1 of 8."""
    rows = np.column_stack([np.arange(8.0), np.arange(8) < 3])

    def rare_mean(sums):
        return sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], np.nan)

    found = inference.interval(
        np.column_stack([rows[:, 0] * rows[:, 1] + 1, rows[:, 1]]), rare_mean
    )
    assert found.status == "ok" and "resamples, left out" in found.reason
    share = int(found.reason.split()[2]) / 2000
    assert share == pytest.approx((5 / 8) ** 8, abs=0.02)
    lone = np.column_stack([rows[:, 0] + 1, np.arange(8) < 1])
    found = inference.interval(lone, rare_mean)
    assert found.status == "undefined" and np.isnan(found.ci_low) and found.estimate == 36
    share = int(found.reason.split()[2]) / 2000
    assert share == pytest.approx((7 / 8) ** 8, abs=0.04)
    never = inference.interval(rows, lambda s: s[..., 0] * np.nan)
    assert never.status == "undefined" and np.isnan(never.estimate)


def test_the_same_in_every_recording_has_no_interval():
    """Once: [1, 1] was printed for an agreement of 1."""
    found = inference.interval(np.full(40, 0.3))
    assert (
        found.status == "no_variation"
        and np.isnan(found.ci_low)
        and found.estimate == pytest.approx(0.3)
    )


def test_nothing_and_bad_values():
    assert inference.interval([]).status == "undefined"
    with pytest.raises(ValueError, match="1 of 3 rows are NaN or infinite"):
        inference.interval([1, np.nan, 2])
    with pytest.raises(ValueError, match="one entry per value"):
        inference.interval([1.0, 2.0], groups=["a"])
    with pytest.raises(ValueError, match="1 missing entries"):
        inference.interval([1.0, 2.0], groups=["a", None])
    with pytest.raises(ValueError, match="not the same clips"):
        inference.paired_difference([1.0, 2.0], [1.0])


def test_interval_is_reproducible():
    values = np.random.default_rng(0).standard_normal(50)
    assert inference.interval(values, seed=1) == inference.interval(values, seed=1)
    assert inference.interval(values, seed=1) != inference.interval(values, seed=2)


def test_paired_difference_of_a_statistic():
    """Oracle: the two statistics; a shift by a constant has an interval around it."""
    rng = np.random.default_rng(0)
    one, two = rng.random((80, 2)) + 1, rng.random((80, 2)) + 1
    found = inference.paired_difference(one, two, mean_of, groups=np.arange(80) // 5)
    assert found.estimate == pytest.approx(mean_of(one.sum(axis=0)) - mean_of(two.sum(axis=0)))
    assert found.ci_low < found.estimate < found.ci_high
    plain = inference.paired_difference(one[:, 0], two[:, 0])
    assert plain[:3] == pytest.approx(inference.interval(one[:, 0] - two[:, 0])[:3])


def test_noise_turns_the_interval_about_the_estimate():
    """Oracle: a magnitude whose true value is 0; plain limits never reach it."""
    inside = []
    for seed in range(60):
        values = np.random.default_rng(seed).standard_normal(30)
        rows = np.column_stack([values, np.ones(30)])
        noise = 1.96 / np.sqrt(30)  # of the absolute mean
        how = dict(n_boot=200, seed=seed)
        found = inference.intervals(rows, lambda s: np.abs(mean_of(s)), noise=noise, **how).iloc[0]
        inside.append(found["ci_low"] == 0 and found["ci_high"] >= 0)
        assert found["ci_low"] >= 0
    assert np.mean(inside) >= 0.85


# ----------------------------------------------------------------------- AUROC


def test_auroc_equals_sklearn_and_row_by_row_resampling():
    """Oracles: sklearn.metrics.roc_auc_score; the same bootstrap on copied rows."""
    rng = np.random.default_rng(2)
    y, recording = rng.random(120) < 0.3, np.repeat(np.arange(12), 10)
    scores = np.column_stack([np.round(rng.standard_normal(120) + y, 1), rng.standard_normal(120)])
    table = inference.auroc_intervals(y, scores, groups=recording, contrasts=[(0, 1)], n_boot=200)
    expected = [roc_auc_score(y, scores[:, k]) for k in (0, 1)]
    expected.append(expected[0] - expected[1])
    assert table["estimate"].tolist() == pytest.approx(expected)
    by_rows = inference.of_rows(roc_auc_score, y, scores[:, 0])
    slow = inference.weighted_interval(by_rows, 120, groups=recording, n_boot=200)
    assert table.loc[0, ["ci_low", "ci_high"]].tolist() == pytest.approx(slow[1:3])


def test_auroc_takes_rounding_for_ties():
    """Oracle: by hand; 0.2 + 0.4 and 0.6 are one score."""
    assert inference.auroc_interval([True, False], [0.2 + 0.4, 0.6]).estimate == 0.5


# ----------------------------------------------------------------------- shares


def test_share_of_independent_clips_equals_wilson():
    """Oracle: statsmodels proportion_confint. Once: 7 of 7 gave [1, 1]."""
    for k, n in ((7, 7), (0, 30), (3, 40), (20, 40)):
        found = inference.share_interval(np.arange(n) < k)
        oracle = proportion_confint(k, n, method="wilson")
        assert (found.ci_low, found.ci_high) == pytest.approx(oracle, abs=1e-9)
        assert found.estimate == k / n and found.status == "ok"


def test_share_where_recordings_are_exactly_alike_equals_wilson():
    """Oracle: statsmodels. Nothing between recordings: a design effect of 1, and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = inference.share_interval(np.tile([0, 1], 20), groups=np.repeat(range(10), 4))
    oracle = proportion_confint(20, 40, method="wilson")
    assert (found.ci_low, found.ci_high) == pytest.approx(oracle, abs=1e-9)


def test_share_counts_a_recording_of_equal_clips_once():
    """Oracle: one clip per recording; copies add nothing (Student's quantile is a little wider)."""
    hits = np.arange(20) < 13
    once = inference.share_interval(hits)
    copied = inference.share_interval(np.repeat(hits, 50), groups=np.repeat(np.arange(20), 50))
    assert copied.ci_high - copied.ci_low > once.ci_high - once.ci_low
    assert copied.ci_high - copied.ci_low == pytest.approx(once.ci_high - once.ci_low, rel=0.12)
    all_hit = inference.share_interval(np.ones(1000), groups=np.repeat(np.arange(20), 50))
    assert all_hit.ci_low == pytest.approx(proportion_confint(20, 20, method="wilson")[0])
    with pytest.raises(ValueError, match="between 0 and 1"):
        inference.share_interval([0.0, 2.0])


# ----------------------------------------------------------------------- flips, corrections


def test_flips_equal_scipy_on_recordings():
    """Oracle: scipy.stats.permutation_test (samples swapped) on one number per recording."""
    rng = np.random.default_rng(5)
    for size, n_perm in ((8, 10_000), (20, 20_000)):
        one, two = rng.standard_normal((2, size * 6)) + [[0.2], [0.0]]
        groups = np.repeat(np.arange(size), 6)
        p = inference.flip_test(one, two, groups=groups, n_perm=n_perm)
        totals = [side.reshape(size, 6).sum(axis=1) for side in (one, two)]
        oracle = sps.permutation_test(
            totals,
            lambda a, b, axis: (a - b).mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=20_000,
            rng=1,
        )
        assert p == pytest.approx(oracle.pvalue, abs=0.02 if size > 8 else 1e-9)


def test_flips_hold_their_size_when_the_change_varies_between_recordings():
    """Oracle: binomial band around 5 %. Once: single clips flipped, which rejects more often."""
    rng, rejected = np.random.default_rng(0), np.zeros(2)
    groups = np.repeat(np.arange(16), 20)
    for _ in range(200):
        change = 0.15 * rng.standard_normal(16)[groups]
        first = (rng.random(320) < 0.6).astype(float)
        second = (rng.random(320) < 0.6 + change).astype(float)
        for k, unit in enumerate((groups, None)):
            rejected[k] += inference.flip_test(first, second, groups=unit, n_perm=199) <= 0.05
    low, high = sps.binom.ppf([0.005, 0.995], 200, 0.05)
    assert low <= rejected[0] <= high
    assert rejected[1] > high


def test_flips_have_nothing_to_say_without_a_change():
    assert inference.flip_test(np.ones(40), np.ones(40)) == 1
    with pytest.raises(ValueError, match="not the same clips"):
        inference.flip_test([1.0, 2.0], [1.0])


def test_corrections_leave_missing_tests_out():
    """Oracle: statsmodels multipletests of the tests that were made."""
    p = np.array([0.01, np.nan, 0.04, 0.03, np.nan])
    made = p[np.isfinite(p)]
    for ours, method in ((inference.holm, "holm"), (inference.bh, "fdr_bh")):
        assert ours(p)[[0, 2, 3]] == pytest.approx(multipletests(made, method=method)[1])
        assert np.isnan(ours(p)[[1, 4]]).all()
    assert np.isnan(inference.holm([np.nan])).all()


# ----------------------------------------------------------------------- Hedges g


def test_hedges_equals_pingouin():
    """Oracle: pingouin.compute_effsize, missing values dropped by hand."""
    features, quadrant, recordings, _ = nested()
    features.iloc[:30, 1] = np.nan
    keep = quadrant.isin(["red", "blue"])
    first = (quadrant[keep] == "red").to_numpy()
    table = inference.hedges_g(features[keep], first, groups=recordings[keep], n_boot=100)
    for row in table.itertuples():
        values = features.loc[keep, row.feature]
        one, two = values[first].dropna(), values[~first].dropna()
        assert (row.n_1, row.n_2) == (len(one), len(two))
        assert row.hedges_g == pytest.approx(pingouin.compute_effsize(one, two, eftype="hedges"))
        assert row.difference == pytest.approx(one.mean() - two.mean())
        assert row.ci_low < row.hedges_g < row.ci_high


def test_hedges_interval_equals_that_of_pingouin_on_every_resample():
    """Oracle: pingouin called on the rows of each resample, in the same engine."""
    features, quadrant, recordings, _ = nested(n=160)
    first = (quadrant == "red").to_numpy()

    def g(values, side):
        return pingouin.compute_effsize(values[side], values[~side], eftype="hedges")

    rows = inference.of_rows(g, features["f0"], first)
    how = dict(groups=recordings, n_boot=150)
    oracle = inference.weighted_interval(rows, 160, **how)
    ours = inference.hedges_g(features[["f0"]], first, **how).iloc[0]
    assert (ours.hedges_g, ours.ci_low, ours.ci_high) == pytest.approx(oracle[:3])


def test_hedges_survives_a_large_offset():
    """Oracle: shift invariance of g. Sums of squares without centring would fail."""
    values = np.random.default_rng(0).standard_normal(60)
    first = np.arange(60) % 2 == 0
    plain = inference.hedges_g(values, first, n_boot=50)
    moved = inference.hedges_g(values + 1e7, first, n_boot=50)
    assert moved["hedges_g"][0] == pytest.approx(plain["hedges_g"][0], rel=1e-6)
    assert moved["ci_low"][0] == pytest.approx(plain["ci_low"][0], rel=1e-5)


# ----------------------------------------------------------------------- permutation


def test_permutation_equals_scipy_exact():
    """Oracle: scipy.stats.permutation_test, which lists all 252 permutations of 10 clips."""
    rng = np.random.default_rng(4)
    values = rng.standard_normal((10, 3)) + np.array([0, 0.7, 1.5]) * (np.arange(10) < 5)[:, None]
    first = np.arange(10) < 5
    ours = inference.permutation_test(values, first, n_perm=50_000)
    for column, p in zip(values.T, ours["p_permutation"], strict=True):
        oracle = sps.permutation_test(
            (column[first], column[~first]),
            lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
            vectorized=True,
            n_resamples=np.inf,
        )
        assert p == pytest.approx(oracle.pvalue, abs=0.01)


def enumerate_inside(values, first, cells):
    """p of the difference of means about its expectation, over every permutation inside cells."""
    per_cell = []
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        per_cell.append(list(combinations(rows, int(first[rows].sum()))))
    found = []
    for choice in product(*per_cell):
        side = np.zeros(len(values), bool)
        side[[row for part in choice for row in part]] = True
        found.append(values[side].mean() - values[~side].mean())
    observed = values[first].mean() - values[~first].mean()
    expected = np.mean(found)
    return np.mean(np.abs(found - expected) >= abs(observed - expected) - 1e-12)


def test_permutation_sees_an_effect_that_runs_against_that_of_the_recordings():
    """Simpson's paradox: higher in the first group inside each recording, lower overall."""
    rng = np.random.default_rng(0)
    recording = np.repeat([0, 1], 100)
    first = np.r_[np.arange(100) < 80, np.arange(100) < 20]
    values = rng.standard_normal(200) + 1.0 * first + 2.0 * recording
    found = inference.permutation_test(values, first, groups=recording, n_perm=2000)
    assert found["difference"][0] < 0
    assert found["p_permutation"][0] < 0.001


@pytest.mark.parametrize("limit", [inference.MAX_SUBSETS, 0])
def test_permutation_stays_inside_recordings_and_labels(limit, monkeypatch):
    """Oracle: enumeration of all permutations inside cells; listed and shuffled subsets alike."""
    monkeypatch.setattr(inference, "MAX_SUBSETS", limit)
    rng = np.random.default_rng(5)
    recording = np.repeat([0, 1, 2], [6, 5, 4])
    label = np.array([0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1])
    first = np.array([1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1], bool)
    values = rng.standard_normal(15) + 3.0 * recording + 0.8 * first
    inside = inference.permutation_test(values, first, groups=recording, n_perm=40_000)
    assert inside["p_permutation"][0] == pytest.approx(
        enumerate_inside(values, first, recording), abs=0.01
    )
    both = inference.permutation_test(values, first, groups=recording, strata=label, n_perm=40_000)
    oracle = enumerate_inside(values, first, recording * 2 + label)
    assert both["p_permutation"][0] == pytest.approx(oracle, abs=0.01)
    assert both["n_exchangeable"][0] == 14  # the lone clip of recording 2 with label 1 is fixed
    free = enumerate_inside(values, first, np.zeros(15, int))
    assert abs(free - oracle) > 0.05  # so a permutation across recordings would be noticed


def test_permuted_sums_keep_group_sizes_and_are_uniform():
    """Oracle: counting. Each of the 6 placements of 2 among 4 is drawn equally often."""
    values = np.eye(4)
    first = np.array([True, True, False, False])
    sums, n = inference._permuted_sums(
        values, first, np.zeros(4, int), 12_000, np.random.default_rng(0)
    )
    assert n == 4
    assert (sums.sum(axis=0) == 2).all()
    _, counts = np.unique(sums, axis=1, return_counts=True)
    assert len(counts) == 6
    assert sps.chisquare(counts).pvalue > 1e-3


def test_permutation_p_is_never_zero():
    """Oracle: Phipson & Smyth (2010). Nothing drawn is as extreme, so p is 1 / (1 + n_perm)."""
    first = np.arange(40) < 20
    table = inference.permutation_test(100.0 * first + np.arange(40), first, n_perm=19)
    assert table["p_permutation"][0] == 1 / 20


def test_permutation_drops_missing_values_per_feature():
    """Oracle: the same test on the rows that have the value."""
    features, quadrant, recordings, _ = nested()
    first = (quadrant == "red").to_numpy()
    features.iloc[10:50, 1] = np.nan
    table = inference.permutation_test(features, first, groups=recordings, n_perm=500)
    has = features["f1"].notna().to_numpy()
    alone = inference.permutation_test(
        features.loc[has, "f1"], first[has], groups=recordings[has], n_perm=500
    )
    assert table.iloc[1].tolist() == alone.iloc[0].tolist()
    assert table["n_1"][1] + table["n_2"][1] == 200


def test_permutation_without_anything_to_permute():
    values, first = np.arange(8.0), np.arange(8) < 4
    pure = inference.permutation_test(values, first, groups=np.repeat(["a", "b"], 4))
    assert np.isnan(pure["p_permutation"][0]) and pure["n_exchangeable"][0] == 0
    constant = inference.permutation_test(np.full(8, 0.1), first)
    assert np.isnan(constant["p_permutation"][0])
    empty = inference.permutation_test(values, np.zeros(8, bool))
    assert np.isnan(empty["p_permutation"][0]) and empty["n_1"][0] == 0
    nothing = inference.permutation_test(np.full(8, np.nan), first)
    assert np.isnan(nothing["p_permutation"][0]) and nothing["n_2"][0] == 0


def test_permutation_refuses_bad_input():
    with pytest.raises(ValueError, match="True .* or False"):
        inference.permutation_test([1.0, 2.0, 3.0], ["red", "blue", "red"])
    with pytest.raises(ValueError, match="one entry per value"):
        inference.permutation_test([1.0, 2.0, 3.0], [True, False])
    with pytest.raises(ValueError, match="infinite values in pitch"):
        inference.permutation_test(pd.DataFrame({"pitch": [1, np.inf]}), [True, False])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 20), st.floats(-50, 50))
def test_permutation_p_is_invariant(seed, scale, shift):
    """Invariants: affine transforms of the values, and swapping the groups, change nothing."""
    rng = np.random.default_rng(seed)
    values, first = rng.standard_normal(30), rng.random(30) < 0.4
    groups = rng.integers(4, size=30)
    kwargs = {"groups": groups, "n_perm": 99}
    p = inference.permutation_test(values, first, **kwargs)["p_permutation"]
    moved = inference.permutation_test(scale * values + shift, first, **kwargs)["p_permutation"]
    pd.testing.assert_series_equal(p, moved)
    assert p.isna().all() or 1 / 100 <= p[0] <= 1


# ----------------------------------------------------------------------- compare_groups


@pytest.mark.parametrize("test", ["welch", "student"])
def test_compare_groups_equals_scipy_pingouin_statsmodels(test):
    """Oracles: scipy.stats.ttest_ind, pingouin hedges, statsmodels multipletests."""
    features, quadrant, recordings, labels = nested()
    features.iloc[:25, 2] = np.nan
    table = compare(features, quadrant, groups=recordings, strata=labels, test=test)
    assert (
        table.columns.tolist()
        == (
            "family feature contrast n_1 n_2 mean_1 mean_2 t df p p_holm p_bh hedges_g ci_low"
            " ci_high p_permutation note"
        ).split()
    )
    assert table["contrast"].unique().tolist() == ["red-blue", "green-blue", "red-green"]
    assert len(table) == 9
    for row in table.itertuples():
        one, two = (
            features.loc[quadrant == name, row.feature].dropna() for name in row.contrast.split("-")
        )
        oracle = sps.ttest_ind(one, two, equal_var=test == "student")
        assert (row.t, row.df, row.p) == pytest.approx((oracle.statistic, oracle.df, oracle.pvalue))
        assert (row.n_1, row.n_2) == (len(one), len(two))
        assert (row.mean_1, row.mean_2) == pytest.approx((one.mean(), two.mean()))
        assert row.hedges_g == pytest.approx(pingouin.compute_effsize(one, two, eftype="hedges"))
        assert row.ci_low < row.hedges_g < row.ci_high
        assert row.note == ""
    # Once: the t-test's p, which takes clips as independent, was corrected.
    p = table["p_permutation"]
    assert table["p_holm"].to_numpy() == pytest.approx(multipletests(p, method="holm")[1])
    assert table["p_bh"].to_numpy() == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_compare_groups_permutes_inside_recordings():
    """Oracle: permutation_test on the same clips."""
    features, quadrant, recordings, labels = nested()
    table = compare(features, quadrant, groups=recordings, strata=labels)
    keep = quadrant.isin(["green", "blue"])
    oracle = inference.permutation_test(
        features[keep],
        quadrant[keep] == "green",
        groups=recordings[keep],
        strata=labels[keep],
        n_perm=200,
    )
    ours = table.loc[table["contrast"] == "green-blue", "p_permutation"].to_numpy()
    assert ours == pytest.approx(oracle["p_permutation"].to_numpy())


def test_planted_difference_is_found_and_others_are_not():
    """Oracle: planted. One synthetic feature shifted in red; the rest are noise."""
    features, quadrant, recordings, _ = nested(n=600, n_features=13, seed=3)
    features.loc[quadrant == "red", "f4"] += 1.5
    table = compare(features, quadrant, groups=recordings, n_perm=2000)
    found = table[table["p_holm"] < 0.05]
    assert set(zip(found["feature"], found["contrast"], strict=True)) == {
        ("f4", "red-blue"),
        ("f4", "red-green"),
    }
    assert (found["hedges_g"] > 0.5).all() and (found["ci_low"] > 0).all()
    assert (found["p_permutation"] < 0.005).all()


def test_too_few_and_constant_have_no_p():
    features, quadrant, recordings, _ = nested(n=100)
    red = quadrant.index[quadrant == "red"]
    quadrant = quadrant.drop(red[3:])
    features["constant"] = 0.1
    features["status"] = "ok"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = compare(features, quadrant, groups=recordings)
    numbers = ["t", "df", "p", "p_holm", "p_bh", "hedges_g", "ci_low", "ci_high", "p_permutation"]
    few = table["contrast"].isin(["red-blue", "red-green"])
    assert (table.loc[few, "note"] == "too few (n=3)").all()
    constant = (table["feature"] == "constant") & ~few
    assert (table.loc[constant, "note"] == "constant").all()
    assert table.loc[few | constant, numbers].isna().all().all()
    assert table.loc[~(few | constant), numbers].notna().all().all()
    assert "status" not in set(table["feature"])


def test_feature_constant_in_one_group_only_is_tested_without_warnings():
    """Oracle: scipy on the shifted values (it warns about cancellation on the raw ones)."""
    features, quadrant, _, _ = nested()
    features.loc[quadrant == "blue", "f0"] = 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row = compare(features[["f0"]], quadrant).iloc[0]
    red = features.loc[quadrant == "red", "f0"]
    oracle = sps.ttest_1samp(red, 0.1)  # Welch with a constant group is the one-sample test
    assert (row.t, row.df, row.p) == pytest.approx((oracle.statistic, oracle.df, oracle.pvalue))


def test_empty_quadrant_all_missing_and_one_recording_are_results():
    features, quadrant, recordings, _ = nested(n=80)
    features["gone"] = np.nan
    no_green = quadrant[quadrant != "green"]
    table = compare(features, no_green, groups=recordings)
    assert set(table.loc[table["contrast"] != "red-blue", "note"]) == {"too few (n=0)"}
    merged = quadrant.map(lambda name: "agree")
    table = compare(features, merged, contrasts=[("disagree", "agree")])
    assert set(table["note"]) == {"too few (n=0)"}
    table = compare(features, no_green, groups=recordings)
    assert (table.loc[table["feature"] == "gone", "note"] == "too few (n=0)").all()
    one = compare(features[["f0"]], quadrant, groups=pd.Series("r", index=quadrant.index))
    assert (one["note"] == "too few recordings (n=1)").all()
    assert one["ci_low"].isna().all() and one["p"].notna().all()
    apart = pd.Series(quadrant.to_numpy(), index=quadrant.index)
    split = compare(features[["f0"]], quadrant, groups=apart)
    assert (split["note"] == "not exchangeable").all() and split["p_permutation"].isna().all()


def test_row_order_and_extra_clips_change_nothing():
    """Invariant: same bytes for shuffled rows, clip_id as column, clips without quadrant."""
    features, quadrant, recordings, labels = nested()
    expected = compare(features, quadrant, groups=recordings, strata=labels)
    extra = pd.concat([features, pd.DataFrame({"f0": [9.0]}, index=["unused"])])
    shuffled = extra.sample(frac=1, random_state=1).rename_axis("clip_id").reset_index()
    again = compare(
        shuffled,
        quadrant.sample(frac=1, random_state=2),
        groups=recordings.sample(frac=1, random_state=3),
        strata=labels,
    )
    pd.testing.assert_frame_equal(expected, again, check_exact=True)


def test_compare_groups_refuses_bad_input():
    features, quadrant, recordings, _ = nested(n=60)
    with pytest.raises(ValueError, match="'welch' or 'student', got 'mann'"):
        compare(features, quadrant, test="mann")
    with pytest.raises(ValueError, match="no numeric column"):
        compare(pd.DataFrame({"status": "ok"}, index=features.index), quadrant)
    with pytest.raises(ValueError, match="features: no row for clips clip000"):
        compare(features.drop("clip000"), quadrant)
    with pytest.raises(ValueError, match="groups: no value for clips clip003"):
        compare(features, quadrant, groups=recordings.drop("clip003"))
    with pytest.raises(ValueError, match="quadrant: clip listed twice: clip000"):
        compare(features, pd.concat([quadrant, quadrant.iloc[:1]]))
    features.iloc[0, 0] = -np.inf
    with pytest.raises(ValueError, match="infinite values in f0"):
        compare(features, quadrant.replace({"yellow": "red"}))


def test_group_means_equal_pandas_and_the_cluster_bootstrap():
    features, quadrant, recording, _ = nested(n_features=2)
    features.iloc[::5, 0] = np.nan
    features["none"] = np.nan
    table = inference.group_means(features, quadrant, groups=recording, n_boot=300)
    table = table.set_index(["feature", "quadrant"])
    expected = features.groupby(quadrant).agg(["mean", "count"])
    for (name, label), row in table.iterrows():
        if name == "none":
            assert row["n"] == 0 and row[["mean", "ci_low", "ci_high"]].isna().all()
            continue
        mean, n = expected.loc[label, name]
        assert (row["mean"], row["n"]) == (pytest.approx(mean), n)
        keep = (quadrant == label) & features[name].notna()
        found = inference.interval(
            features.loc[keep, name], groups=recording[keep].to_numpy(), n_boot=300
        )
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(found[1:3])
        assert row["recordings"] == recording[keep].nunique()


def test_no_clips_at_all_give_a_row_for_each_column():
    """As when a quadrant holds none of the clips that could be measured."""
    nothing, nobody = np.empty((0, 3)), np.empty(0, dtype=bool)
    for found in (
        inference.intervals(nothing, groups=np.empty(0)),
        inference.hedges_g(nothing, nobody, groups=np.empty(0)),
    ):
        assert len(found) == 3 and found["ci_low"].isna().all()


def test_minimum_detectable_effect():
    """Oracle: power of the noncentral t distribution at the returned effect."""
    effect = inference.minimum_detectable_effect(30, 85)
    noncentrality = effect * np.sqrt(30 * 85 / 115)
    critical = sps.t.ppf(0.975, 113)
    power = sps.nct.sf(critical, 113, noncentrality) + sps.nct.cdf(-critical, 113, noncentrality)
    assert power == pytest.approx(0.8, abs=1e-6)
    assert np.isnan(inference.minimum_detectable_effect(1, 50))

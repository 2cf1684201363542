"""Tests of `empdis_utils.stats`. Each test names its oracle."""

import warnings
from itertools import combinations, product

import numpy as np
import pandas as pd
import pingouin
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as sps
from statsmodels.stats.multitest import multipletests

from empdis_utils import stats


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
    return stats.compare_groups(features, quadrant, **settings_)


# ----------------------------------------------------------------------- align


def test_align_follows_the_order_asked_for():
    """Oracle: by hand."""
    assert stats.align(pd.Series({"a": 1, "b": 2, "c": 3}), ["c", "a"], "x").tolist() == [3, 1]
    assert stats.align(pd.Series({7: "r"}), ["7"], "x").tolist() == ["r"]


def test_align_names_the_offenders():
    series = pd.Series({"a": "r1", "b": None})
    with pytest.raises(ValueError, match="groups: no value for clips b, z"):
        stats.align(series, ["a", "b", "z"], "groups")
    with pytest.raises(ValueError, match="listed twice: a"):
        stats.align(pd.Series([1, 2], index=["a", "a"]), ["a"], "groups")
    with pytest.raises(TypeError, match="Series indexed by clip_id, got list"):
        stats.align([1], ["a"], "groups")


def test_examples_says_how_many_more():
    assert stats.examples(range(7)) == "0, 1, 2, 3, 4 and 2 more"


# ----------------------------------------------------------------------- bootstrap


def test_bootstrap_of_independent_clips_equals_scipy():
    """Oracle: scipy.stats.bootstrap, percentile method."""
    values = np.random.default_rng(1).exponential(size=80)
    estimate, low, high = stats.bootstrap_ci(values, n_boot=20_000)
    oracle = sps.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=3
    ).confidence_interval
    assert estimate == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(tuple(oracle), abs=0.01)


def test_cluster_bootstrap_has_the_closed_form_width():
    """Oracle: equal clusters, so the standard error is sd(cluster means) / sqrt(G)."""
    rng = np.random.default_rng(2)
    effects = rng.standard_normal(60)
    values = np.repeat(effects, 10) + 0.1 * rng.standard_normal(600)
    groups = np.repeat(np.arange(60), 10)
    _, low, high = stats.bootstrap_ci(values, groups=groups, n_boot=20_000)
    error = values.reshape(60, 10).mean(axis=1).std(ddof=0) / np.sqrt(60)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.03)
    _, naive_low, naive_high = stats.bootstrap_ci(values, n_boot=2000)
    assert high - low > 2.5 * (naive_high - naive_low)


def test_bootstrap_enumerated_for_two_recordings():
    """Oracle: by hand. Two recordings give three means: 0 (1/4), pooled 1/4 (1/2), 1 (1/4)."""
    rows = np.column_stack([[0, 0, 0, 1], np.ones(4)])
    sums = stats.bootstrap_sums(rows, groups=["a", "a", "a", "b"], n_boot=20_000)
    means, counts = np.unique(sums[:, 0] / sums[:, 1], return_counts=True)
    assert means == pytest.approx([0, 0.25, 1])
    assert counts / 20_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.015)


def test_vectorised_mean_equals_general_statistic():
    """Oracle: the same bootstrap, statistic called on every resample."""
    features, _, recordings, _ = nested()
    values = features["f0"].to_numpy()
    fast = stats.bootstrap_ci(values, groups=recordings, n_boot=4000)
    slow = stats.bootstrap_ci(values, lambda v: v.mean(), groups=recordings, n_boot=4000)
    assert fast[0] == pytest.approx(slow[0])
    assert fast[1:] == pytest.approx(slow[1:], abs=0.03)


def test_general_statistic_sees_whole_rows():
    """Oracle: numpy correlation of the original rows; the interval holds it."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(100)
    rows = np.column_stack([x, x + rng.standard_normal(100)])
    estimate, low, high = stats.bootstrap_ci(rows, lambda r: np.corrcoef(r.T)[0, 1], n_boot=300)
    assert estimate == pytest.approx(np.corrcoef(rows.T)[0, 1])
    assert low < estimate < high
    assert high - low < 0.5


def test_bootstrap_says_nothing_from_nothing():
    assert np.isnan(stats.bootstrap_ci([])).all()
    estimate, low, high = stats.bootstrap_ci(np.arange(9.0), groups=["r"] * 9)
    assert estimate == 4 and np.isnan(low) and np.isnan(high)
    estimate, low, high = stats.bootstrap_ci([1.0, 2.0, 2.0, 3.0])
    assert estimate == 2 and np.isnan(low) and np.isnan(high)
    with pytest.raises(ValueError, match="1 of 3 rows are NaN or infinite"):
        stats.bootstrap_ci([1, np.nan, 2])
    with pytest.raises(ValueError, match="one entry per value"):
        stats.bootstrap_ci([1.0, 2.0], groups=["a"])
    with pytest.raises(ValueError, match="1 missing entries"):
        stats.bootstrap_ci([1.0, 2.0], groups=["a", None])


def test_interval_is_missing_if_replicates_are():
    """Oracle: by hand. 4 % undefined is left out, 10 % is no interval."""
    replicates = np.tile(np.arange(100.0)[:, None], 2)
    replicates[:4, 0] = np.nan
    replicates[:10, 1] = np.inf
    low, high = stats.percentile_interval(replicates, level=0.9)
    assert low[0] == pytest.approx(np.quantile(np.arange(4, 100), 0.05))
    assert np.isnan([low[1], high[1]]).all()


def test_bootstrap_is_reproducible():
    values = np.random.default_rng(0).standard_normal(50)
    assert stats.bootstrap_ci(values, seed=1) == stats.bootstrap_ci(values, seed=1)
    assert stats.bootstrap_ci(values, seed=1) != stats.bootstrap_ci(values, seed=2)


# ----------------------------------------------------------------------- Hedges g


def test_hedges_equals_pingouin():
    """Oracle: pingouin.compute_effsize, missing values dropped by hand."""
    features, quadrant, recordings, _ = nested()
    features.iloc[:30, 1] = np.nan
    keep = quadrant.isin(["red", "blue"])
    first = (quadrant[keep] == "red").to_numpy()
    table = stats.hedges_g(features[keep], first, groups=recordings[keep], n_boot=100)
    for row in table.itertuples():
        values = features.loc[keep, row.feature]
        one, two = values[first].dropna(), values[~first].dropna()
        assert (row.n_1, row.n_2) == (len(one), len(two))
        assert row.hedges_g == pytest.approx(pingouin.compute_effsize(one, two, eftype="hedges"))
        assert row.difference == pytest.approx(one.mean() - two.mean())
        assert row.ci_low < row.hedges_g < row.ci_high


def test_hedges_interval_equals_general_cluster_bootstrap():
    """Oracle: bootstrap_ci calling pingouin on every resample."""
    features, quadrant, recordings, _ = nested(n=160)
    first = (quadrant == "red").to_numpy()
    rows = np.column_stack([features["f0"], first])

    def g(sample):
        side = sample[:, 1] == 1
        return pingouin.compute_effsize(sample[side, 0], sample[~side, 0], eftype="hedges")

    oracle = stats.bootstrap_ci(rows, g, groups=recordings, n_boot=800)
    ours = stats.hedges_g(features[["f0"]], first, groups=recordings, n_boot=4000).iloc[0]
    assert (ours.hedges_g, ours.ci_low, ours.ci_high) == pytest.approx(oracle, abs=0.06)


def test_hedges_survives_a_large_offset():
    """Oracle: shift invariance of g. Sums of squares without centring would fail."""
    values = np.random.default_rng(0).standard_normal(60)
    first = np.arange(60) % 2 == 0
    plain = stats.hedges_g(values, first, n_boot=50)
    moved = stats.hedges_g(values + 1e7, first, n_boot=50)
    assert moved["hedges_g"][0] == pytest.approx(plain["hedges_g"][0], rel=1e-6)
    assert moved["ci_low"][0] == pytest.approx(plain["ci_low"][0], rel=1e-5)


# ----------------------------------------------------------------------- permutation


def test_permutation_equals_scipy_exact():
    """Oracle: scipy.stats.permutation_test, which lists all 252 permutations of 10 clips."""
    rng = np.random.default_rng(4)
    values = rng.standard_normal((10, 3)) + np.array([0, 0.7, 1.5]) * (np.arange(10) < 5)[:, None]
    first = np.arange(10) < 5
    ours = stats.permutation_test(values, first, n_perm=50_000)
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
    found = stats.permutation_test(values, first, groups=recording, n_perm=2000)
    assert found["difference"][0] < 0
    assert found["p_permutation"][0] < 0.001


@pytest.mark.parametrize("limit", [stats.MAX_SUBSETS, 0])
def test_permutation_stays_inside_recordings_and_labels(limit, monkeypatch):
    """Oracle: enumeration of all permutations inside cells; listed and shuffled subsets alike."""
    monkeypatch.setattr(stats, "MAX_SUBSETS", limit)
    rng = np.random.default_rng(5)
    recording = np.repeat([0, 1, 2], [6, 5, 4])
    label = np.array([0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1])
    first = np.array([1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1], bool)
    values = rng.standard_normal(15) + 3.0 * recording + 0.8 * first
    inside = stats.permutation_test(values, first, groups=recording, n_perm=40_000)
    assert inside["p_permutation"][0] == pytest.approx(
        enumerate_inside(values, first, recording), abs=0.01
    )
    both = stats.permutation_test(values, first, groups=recording, strata=label, n_perm=40_000)
    oracle = enumerate_inside(values, first, recording * 2 + label)
    assert both["p_permutation"][0] == pytest.approx(oracle, abs=0.01)
    assert both["n_exchangeable"][0] == 14  # the lone clip of recording 2 with label 1 is fixed
    free = enumerate_inside(values, first, np.zeros(15, int))
    assert abs(free - oracle) > 0.05  # so a permutation across recordings would be noticed


def test_permuted_sums_keep_group_sizes_and_are_uniform():
    """Oracle: counting. Each of the 6 placements of 2 among 4 is drawn equally often."""
    values = np.eye(4)
    first = np.array([True, True, False, False])
    sums, n = stats._permuted_sums(
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
    table = stats.permutation_test(100.0 * first + np.arange(40), first, n_perm=19)
    assert table["p_permutation"][0] == 1 / 20


def test_permutation_drops_missing_values_per_feature():
    """Oracle: the same test on the rows that have the value."""
    features, quadrant, recordings, _ = nested()
    first = (quadrant == "red").to_numpy()
    features.iloc[10:50, 1] = np.nan
    table = stats.permutation_test(features, first, groups=recordings, n_perm=500)
    has = features["f1"].notna().to_numpy()
    alone = stats.permutation_test(
        features.loc[has, "f1"], first[has], groups=recordings[has], n_perm=500
    )
    assert table.iloc[1].tolist() == alone.iloc[0].tolist()
    assert table["n_1"][1] + table["n_2"][1] == 200


def test_permutation_without_anything_to_permute():
    values, first = np.arange(8.0), np.arange(8) < 4
    pure = stats.permutation_test(values, first, groups=np.repeat(["a", "b"], 4))
    assert np.isnan(pure["p_permutation"][0]) and pure["n_exchangeable"][0] == 0
    constant = stats.permutation_test(np.full(8, 0.1), first)
    assert np.isnan(constant["p_permutation"][0])
    empty = stats.permutation_test(values, np.zeros(8, bool))
    assert np.isnan(empty["p_permutation"][0]) and empty["n_1"][0] == 0
    nothing = stats.permutation_test(np.full(8, np.nan), first)
    assert np.isnan(nothing["p_permutation"][0]) and nothing["n_2"][0] == 0


def test_permutation_refuses_bad_input():
    with pytest.raises(ValueError, match="True .* or False"):
        stats.permutation_test([1.0, 2.0, 3.0], ["red", "blue", "red"])
    with pytest.raises(ValueError, match="one entry per value"):
        stats.permutation_test([1.0, 2.0, 3.0], [True, False])
    with pytest.raises(ValueError, match="infinite values in pitch"):
        stats.permutation_test(pd.DataFrame({"pitch": [1, np.inf]}), [True, False])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 20), st.floats(-50, 50))
def test_permutation_p_is_invariant(seed, scale, shift):
    """Invariants: affine transforms of the values, and swapping the groups, change nothing."""
    rng = np.random.default_rng(seed)
    values, first = rng.standard_normal(30), rng.random(30) < 0.4
    groups = rng.integers(4, size=30)
    kwargs = {"groups": groups, "n_perm": 99}
    p = stats.permutation_test(values, first, **kwargs)["p_permutation"]
    moved = stats.permutation_test(scale * values + shift, first, **kwargs)["p_permutation"]
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
    assert table["p_holm"].to_numpy() == pytest.approx(multipletests(table["p"], method="holm")[1])
    assert table["p_bh"].to_numpy() == pytest.approx(multipletests(table["p"], method="fdr_bh")[1])


def test_compare_groups_permutes_inside_recordings():
    """Oracle: permutation_test on the same clips."""
    features, quadrant, recordings, labels = nested()
    table = compare(features, quadrant, groups=recordings, strata=labels)
    keep = quadrant.isin(["green", "blue"])
    oracle = stats.permutation_test(
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
    assert (one["note"] == "one recording").all()
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


# ----------------------------------------------------------------------- other tests


def test_minimum_detectable_effect():
    """Oracle: power of the noncentral t distribution at the returned effect."""
    effect = stats.minimum_detectable_effect(30, 85)
    noncentrality = effect * np.sqrt(30 * 85 / 115)
    critical = sps.t.ppf(0.975, 113)
    power = sps.nct.sf(critical, 113, noncentrality) + sps.nct.cdf(-critical, 113, noncentrality)
    assert power == pytest.approx(0.8, abs=1e-6)
    assert np.isnan(stats.minimum_detectable_effect(1, 50))


def test_mixed_model_equals_block_analysis_of_variance():
    """Oracle: balanced blocks, where REML equals ordinary least squares with block dummies."""
    rng = np.random.default_rng(0)
    recording = np.repeat(np.arange(12), 10)
    first = np.tile([True, False], 60)
    label = np.tile([0, 0, 1, 1, 1, 1, 0, 0, 1, 1], 12)
    value = 2 * rng.standard_normal(12)[recording] + 0.6 * first + rng.standard_normal(120)
    row = stats.mixed_model(value, first, label, recording).iloc[0]
    dummies = pd.get_dummies(recording, dtype=float).to_numpy()
    oracle = sm.OLS(value, np.column_stack([first, label, dummies])).fit()
    assert row.status == "ok" and row.n_groups == 12
    assert row.coef == pytest.approx(oracle.params[0], rel=1e-5)
    assert row.se == pytest.approx(oracle.bse[0], rel=1e-3)
    assert row.p == pytest.approx(2 * sps.norm.sf(abs(row.coef / row.se)))
    assert row.ci_low < row.coef < row.ci_high
    scaled = stats.mixed_model(1000 * value, first, label, recording).iloc[0]
    assert (scaled.coef, scaled.z) == pytest.approx((1000 * row.coef, row.z), rel=1e-4)


def test_mixed_model_without_recording_variance_is_least_squares():
    """Oracle: statsmodels OLS."""
    rng = np.random.default_rng(1)
    recording, first = np.repeat(np.arange(10), 8), np.tile([True, False], 40)
    value = rng.standard_normal(80)
    value -= np.repeat(value.reshape(10, 8).mean(axis=1), 8)  # no spread between recordings
    row = stats.mixed_model(value, first, None, recording).iloc[0]
    oracle = sm.OLS(value, sm.add_constant(first.astype(float))).fit()
    assert row.status == "boundary" and "zero" in row.reason
    assert row.coef == pytest.approx(oracle.params[1], abs=1e-6)


def test_mixed_model_says_why_not():
    first, recording = np.arange(40) < 20, np.arange(40) % 4
    value = np.random.default_rng(0).standard_normal(40)
    label = np.arange(40) % 2

    def status(*arguments):
        row = stats.mixed_model(*arguments).iloc[0]
        assert np.isnan(row.p) and row.reason
        return row.status

    assert status(value, np.arange(40) < 3, label, recording) == "too_few"
    assert status(value, first, label, np.zeros(40)) == "too_few"
    assert status(np.full(40, 0.1), first, label, recording) == "constant"
    assert status(value, first, first.astype(int), recording) == "confounded"
    assert status(np.where(first, np.nan, value), first, label, recording) == "too_few"


def test_mixed_model_at_the_boundary_has_the_error_of_least_squares():
    """Oracle: statsmodels OLS, on data whose REML Hessian is not positive (it gave a warning and
    no interval on one processor, another interval on the next)."""
    for seed in (16, 60, 97, 126, 292):
        rng = np.random.default_rng(seed)
        n = rng.integers(12, 60)
        recording = rng.integers(0, rng.integers(2, n), n)
        first, label = rng.random(n) < 0.4, rng.integers(0, 2, n)
        value = rng.standard_normal(n) if seed % 3 else rng.integers(0, 2, n)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            row = stats.mixed_model(value, first, label, recording).iloc[0]
        oracle = sm.OLS(value, np.column_stack([np.ones(n), first, label])).fit()
        assert row.status == "boundary", seed
        assert (row.coef, row.se) == pytest.approx((oracle.params[1], oracle.bse[1]), rel=1e-6)


N = np.arange(40)
ODD, PAIR, NOISE = N % 2 == 1, N // 2 % 2, np.random.default_rng(0).standard_normal(40)


@pytest.mark.parametrize(
    ("value", "first", "label", "recording", "status"),
    [
        pytest.param(np.where(ODD, 1.0, 2.0), ODD, PAIR, N % 5, "constant", id="value per group"),
        pytest.param(ODD + 3.0 * PAIR, ODD, PAIR, N % 5, "constant", id="value per group, label"),
        pytest.param(N % 5 * 1.0, ODD, PAIR, N % 5, "constant", id="one value per recording"),
        pytest.param(N % 5 + 2.0 * ODD, ODD, PAIR, N % 5, "constant", id="recording plus group"),
        pytest.param(1 + 1e-15 * NOISE, ODD, PAIR, N % 5, "constant", id="constant to rounding"),
        pytest.param(NOISE, ODD, PAIR, N, "confounded", id="a recording per clip"),
        pytest.param(NOISE, ODD, PAIR, ODD, "confounded", id="a recording per group"),
        pytest.param(NOISE, ODD, ODD * 1, N % 5, "confounded", id="classes separated by group"),
    ],
)
def test_mixed_model_says_why_it_has_no_estimate(value, first, label, recording, status):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row = stats.mixed_model(value, first, label, recording).iloc[0]
    assert row.status == status and row.reason
    assert row[["coef", "se", "z", "p", "ci_low", "ci_high"]].isna().all()


def test_mixed_model_of_two_clips_per_recording_is_the_paired_comparison():
    """Oracle: with one clip of each group per recording, REML's z is the paired t."""
    recording = N // 2
    value = NOISE + 2 * np.random.default_rng(1).standard_normal(20)[recording]
    row = stats.mixed_model(value, ODD, None, recording).iloc[0]
    assert row.status == "ok"
    assert row.z == pytest.approx(sps.ttest_rel(value[ODD], value[~ODD]).statistic, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"cov_params": lambda self: -np.eye(3)}, "not_positive"),
        ({"cov_params": lambda self: np.full((3, 3), np.nan)}, "not_converged"),
        ({"converged": False}, "not_converged"),
    ],
)
def test_mixed_model_that_failed_gives_no_number(monkeypatch, change, status):
    """Oracle: planted failures of the fit, which no processor's last digits decide."""
    value = NOISE + 3 * (N % 5)

    class Failed(stats.MixedLM):
        def fit(self, **options):
            fit = super().fit(**options)
            planted = dict.fromkeys(["cov_re", "converged", "params"])
            planted = {name: getattr(fit, name) for name in planted}
            planted["cov_params"] = lambda self: fit.cov_params()
            return type("Fit", (), planted | change)()

    assert stats.mixed_model(value, ODD, None, N % 5).iloc[0].status == "ok"
    monkeypatch.setattr(stats, "MixedLM", Failed)
    row = stats.mixed_model(value, ODD, None, N % 5).iloc[0]
    assert row.status == status and row.reason
    assert row[["coef", "se", "z", "p", "ci_low", "ci_high"]].isna().all()


def test_mixed_models_are_the_single_ones_of_each_feature_and_contrast():
    features, quadrant, recording, label = nested(n_features=2)
    features.iloc[::7, 1] = np.nan
    shuffled = features.sample(frac=1, random_state=0).reset_index(names="clip_id")
    table = stats.mixed_models(shuffled, quadrant, y=label, groups=recording)
    assert len(table) == 6 and (table["status"] == "ok").all()
    for row in table.itertuples():
        one, two = row.contrast.split("-")
        keep = quadrant.isin([one, two])
        alone = stats.mixed_model(
            features.loc[keep, row.feature], quadrant[keep] == one, label[keep], recording[keep]
        ).iloc[0]
        assert (row.n_1, row.n_2) == (alone.n_1, alone.n_2)
        assert (row.coef, row.p) == pytest.approx((alone.coef, alone.p), rel=1e-6)
    unadjusted = stats.mixed_models(shuffled, quadrant, y=None, groups=recording)
    assert not np.allclose(unadjusted["coef"], table["coef"])


def test_group_means_equal_pandas_and_the_cluster_bootstrap():
    features, quadrant, recording, _ = nested(n_features=2)
    features.iloc[::5, 0] = np.nan
    features["none"] = np.nan
    table = stats.group_means(features, quadrant, groups=recording, n_boot=300)
    table = table.set_index(["feature", "quadrant"])
    expected = features.groupby(quadrant).agg(["mean", "count"])
    for (name, label), row in table.iterrows():
        if name == "none":
            assert row["n"] == 0 and row[["mean", "ci_low", "ci_high"]].isna().all()
            continue
        mean, n = expected.loc[label, name]
        assert (row["mean"], row["n"]) == (pytest.approx(mean), n)
        keep = (quadrant == label) & features[name].notna()
        interval = stats.bootstrap_ci(
            features.loc[keep, name].to_numpy(), groups=recording[keep].to_numpy(), n_boot=300
        )[1:]
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(interval)
        assert row["recordings"] == recording[keep].nunique()


def test_wilson_interval():
    """Oracle: the closed form, Wilson (1927)."""
    k, n, z = 52, 154, sps.norm.ppf(0.975)
    centre = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(k * (n - k) / n + z**2 / 4)
    assert stats.wilson_ci(k, n) == pytest.approx((centre - half, centre + half))
    low, high = stats.wilson_ci([0, 3], [0, 3])
    assert np.isnan([low[0], high[0]]).all() and high[1] == pytest.approx(1)
    with pytest.raises(ValueError, match="between 0 and n"):
        stats.wilson_ci(4, 3)


def test_mcnemar():
    """Oracle: scipy.stats.binomtest on the discordant clips."""
    a = np.array([1] * 12 + [0] * 3 + [1] * 20)
    b = np.array([0] * 12 + [1] * 3 + [1] * 20)
    row = stats.mcnemar(a, b).iloc[0]
    assert (row.n, row.only_a, row.only_b) == (35, 12, 3)
    assert row.p == pytest.approx(sps.binomtest(3, 15).pvalue)
    same = stats.mcnemar(a, a).iloc[0]
    assert np.isnan(same.p) and same.note == "no discordant clips"


def test_nested_null_rejects_at_its_level_only_inside_recordings():
    """Oracle: binomial 95 % band around 5 % (400 simulations here, 1,000 in the appendix)."""
    table = stats.simulate_nested_null(400, n_perm=199)
    low, high = sps.binom.ppf([0.025, 0.975], 400, 0.05) / 400
    rejected = (table[["p_naive", "p_permutation"]] <= 0.05).mean()
    assert low <= rejected["p_permutation"] <= high
    assert rejected["p_naive"] > 2 * high
    again = stats.simulate_nested_null(5, n_perm=199)
    pd.testing.assert_frame_equal(again, table.head(5))

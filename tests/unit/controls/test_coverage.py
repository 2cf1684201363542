"""Tests of `empdis_utils.controls.coverage`. Each test names its oracle."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from empdis_utils.controls import coverage
from empdis_utils.measures import inference


@pytest.mark.parametrize("kind", ["mean", "paired difference", "ratio", "AUROC", "kappa 0.4"])
def test_intervals_cover_the_truth(kind):
    """Oracle: the known truth. Once, with percentile limits: 82 to 87 % at six recordings."""
    found = coverage.simulate(200, kinds=[kind], designs=["6 x 20", "16 x 10"], n_boot=400)
    found = found.set_index("design")
    assert (found["refused"] <= 0.02).all()
    assert found.loc["6 x 20", "coverage"] >= 0.885  # 0.90 less two Monte-Carlo errors, rounded
    assert found.loc["16 x 10", "mc_high"] >= 0.92 and found.loc["16 x 10", "mc_low"] <= 0.97


def test_shares_of_few_clips_cover_the_truth():
    """Oracle: the known truth. Once: 50 to 66 %."""
    found = coverage.simulate(200, kinds=["share of few clips"], designs=["16 x 10"]).iloc[0]
    assert found["coverage"] >= 0.92 and 0 < found["refused"] < 0.9


def test_five_recordings_are_refused():
    found = coverage.simulate(20, designs=["5 x 20"], n_boot=100)
    assert list(found["kind"]) == list(coverage.KINDS)
    assert (found["refused"] == 1).all() and found["coverage"].isna().all()


def test_truths_are_those_of_a_large_draw():
    """Oracle: the estimate on one data set of many recordings."""
    recording = np.repeat(np.arange(1500), 12)
    for name, draw in coverage.KINDS.items():
        found, truth = draw(recording, np.random.default_rng(3), n_boot=40)
        estimate = found[0] if isinstance(found, inference.Interval) else found["estimate"]
        assert estimate == pytest.approx(truth, abs=0.09 if "5 %" in name else 0.035), name


def test_the_table_counts_hits_and_misses():
    found = coverage.simulate(60, kinds=["mean"], designs=["16 x 10"], n_boot=100).iloc[0]
    assert found["coverage"] + found["above"] + found["below"] == pytest.approx(1)
    assert found["mc_low"] <= found["coverage"] <= found["mc_high"]
    assert (found["n_recordings"], found["n_clips"], found["n_sim"]) == (16, 160, 60)
    again = coverage.simulate(60, kinds=["mean"], designs=["16 x 10"], n_boot=100).iloc[0]
    pd.testing.assert_series_equal(found, again)
    with pytest.raises(ValueError, match="unknown 'median'"):
        coverage.simulate(20, kinds=["median"])


def test_nested_null_rejects_at_its_level_only_inside_recordings():
    """Oracle: binomial 95 % band around 5 % (400 simulations here, 1,000 in the appendix)."""
    table = coverage.simulate_nested_null(400, n_perm=199)
    low, high = sps.binom.ppf([0.025, 0.975], 400, 0.05) / 400
    rejected = (table[["p_naive", "p_permutation"]] <= 0.05).mean()
    assert low <= rejected["p_permutation"] <= high
    assert rejected["p_naive"] > 2 * high
    again = coverage.simulate_nested_null(5, n_perm=199)
    pd.testing.assert_frame_equal(again, table.head(5))

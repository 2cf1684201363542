"""Tests of `empdis_utils.measures.mixed_models`. Each test names its oracle."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats as sps

from empdis_utils.measures import mixed_models


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


# ----------------------------------------------------------------------- models


def test_mixed_model_equals_block_analysis_of_variance():
    """Oracle: balanced blocks, where REML equals ordinary least squares with block dummies."""
    rng = np.random.default_rng(0)
    recording = np.repeat(np.arange(12), 10)
    first = np.tile([True, False], 60)
    label = np.tile([0, 0, 1, 1, 1, 1, 0, 0, 1, 1], 12)
    value = 2 * rng.standard_normal(12)[recording] + 0.6 * first + rng.standard_normal(120)
    row = mixed_models.mixed_model(value, first, label, recording).iloc[0]
    dummies = pd.get_dummies(recording, dtype=float).to_numpy()
    oracle = sm.OLS(value, np.column_stack([first, label, dummies])).fit()
    assert row.status == "ok" and row.n_groups == 12
    assert row.coef == pytest.approx(oracle.params[0], rel=1e-5)
    assert row.se == pytest.approx(oracle.bse[0], rel=1e-3)
    assert row.p == pytest.approx(2 * sps.norm.sf(abs(row.coef / row.se)))
    assert row.ci_low < row.coef < row.ci_high
    scaled = mixed_models.mixed_model(1000 * value, first, label, recording).iloc[0]
    assert (scaled.coef, scaled.z) == pytest.approx((1000 * row.coef, row.z), rel=1e-4)


def test_mixed_model_without_recording_variance_is_least_squares():
    """Oracle: statsmodels OLS."""
    rng = np.random.default_rng(1)
    recording, first = np.repeat(np.arange(10), 8), np.tile([True, False], 40)
    value = rng.standard_normal(80)
    value -= np.repeat(value.reshape(10, 8).mean(axis=1), 8)  # no spread between recordings
    row = mixed_models.mixed_model(value, first, None, recording).iloc[0]
    oracle = sm.OLS(value, sm.add_constant(first.astype(float))).fit()
    assert row.status == "boundary" and "zero" in row.reason
    assert row.coef == pytest.approx(oracle.params[1], abs=1e-6)


def test_mixed_model_says_why_not():
    first, recording = np.arange(40) < 20, np.arange(40) % 4
    value = np.random.default_rng(0).standard_normal(40)
    label = np.arange(40) % 2

    def status(*arguments):
        row = mixed_models.mixed_model(*arguments).iloc[0]
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
            row = mixed_models.mixed_model(value, first, label, recording).iloc[0]
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
        row = mixed_models.mixed_model(value, first, label, recording).iloc[0]
    assert row.status == status and row.reason
    assert row[["coef", "se", "z", "p", "ci_low", "ci_high"]].isna().all()


def test_mixed_model_of_two_clips_per_recording_is_the_paired_comparison():
    """Oracle: with one clip of each group per recording, REML's z is the paired t."""
    recording = N // 2
    value = NOISE + 2 * np.random.default_rng(1).standard_normal(20)[recording]
    row = mixed_models.mixed_model(value, ODD, None, recording).iloc[0]
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

    class Failed(mixed_models.MixedLM):
        def fit(self, **options):
            fit = super().fit(**options)
            planted = dict.fromkeys(["cov_re", "converged", "params"])
            planted = {name: getattr(fit, name) for name in planted}
            planted["cov_params"] = lambda self: fit.cov_params()
            return type("Fit", (), planted | change)()

    assert mixed_models.mixed_model(value, ODD, None, N % 5).iloc[0].status == "ok"
    monkeypatch.setattr(mixed_models, "MixedLM", Failed)
    row = mixed_models.mixed_model(value, ODD, None, N % 5).iloc[0]
    assert row.status == status and row.reason
    assert row[["coef", "se", "z", "p", "ci_low", "ci_high"]].isna().all()


def test_mixed_models_are_the_single_ones_of_each_feature_and_contrast():
    features, quadrant, recording, label = nested(n_features=2)
    features.iloc[::7, 1] = np.nan
    shuffled = features.sample(frac=1, random_state=0).reset_index(names="clip_id")
    table = mixed_models.mixed_models(shuffled, quadrant, y=label, groups=recording)
    assert len(table) == 6 and (table["status"] == "ok").all()
    for row in table.itertuples():
        one, two = row.contrast.split("-")
        keep = quadrant.isin([one, two])
        alone = mixed_models.mixed_model(
            features.loc[keep, row.feature], quadrant[keep] == one, label[keep], recording[keep]
        ).iloc[0]
        assert (row.n_1, row.n_2) == (alone.n_1, alone.n_2)
        assert (row.coef, row.p) == pytest.approx((alone.coef, alone.p), rel=1e-6)
    unadjusted = mixed_models.mixed_models(shuffled, quadrant, y=None, groups=recording)
    assert not np.allclose(unadjusted["coef"], table["coef"])

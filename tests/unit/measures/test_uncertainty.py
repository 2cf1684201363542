"""Oracles: scipy.stats.entropy, scikit-learn's scores and calibration curve, cases by hand."""

import re
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, softmax
from scipy.stats import entropy
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from empdis_utils.measures import inference, uncertainty
from empdis_utils.measures.uncertainty import (
    calibration,
    conformal_sets,
    predictive_entropy,
    risk_coverage,
    selective_prediction,
    temperature_scale,
    weighted_risk,
)

rng = np.random.default_rng(0)
P = rng.beta(0.5, 0.5, 400)
Y = (rng.random(400) < P**2).astype(int)
P3 = rng.dirichlet([1, 2, 3], 300)
Y3 = rng.integers(0, 3, 300)


@settings(deadline=None)
@given(arrays(float, st.integers(1, 20), elements=st.floats(0, 1)))
def test_entropy_of_two_classes_equals_scipy(p):
    found = predictive_entropy(p)
    assert np.allclose(found, entropy(np.column_stack([1 - p, p]), axis=1), atol=1e-12)
    assert (found >= 0).all() and (found <= np.log(2) + 1e-12).all()
    assert np.allclose(found, predictive_entropy(1 - p), atol=1e-12)


def test_entropy_of_more_classes_equals_scipy():
    assert np.allclose(predictive_entropy(P3), entropy(P3, axis=1))
    assert (predictive_entropy(P3) <= np.log(3)).all()


def test_entropy_at_known_points():
    """Closed form: 0 when certain, ln k when uniform. In nats."""
    assert predictive_entropy([0, 0.5, 1]).tolist() == [0, pytest.approx(np.log(2)), 0]
    assert predictive_entropy(np.full((1, 5), 0.2)) == pytest.approx(np.log(5))


@pytest.mark.parametrize(
    ("p", "message"),
    [
        ([0.1, 1.2, -0.1], r"outside \[0, 1\] in rows 1, 2"),
        ([0.1, np.nan], "NaN in rows 1"),
        ([[0.5, 0.5], [0.5, 0.4]], "does not sum to 1 in rows 1"),
        ([], "no rows"),
        (0.5, r"must be P\(class 1\)"),
        ([np.inf], "outside"),
    ],
)
def test_probabilities_that_are_none_are_named(p, message):
    with pytest.raises(ValueError, match=message):
        predictive_entropy(p)


@pytest.mark.parametrize("n_bins", [1, 5, 10])
def test_calibration_of_two_classes_equals_scikit_learn(n_bins):
    summary, bins = calibration(Y, P, n_bins)
    assert summary["brier"] == pytest.approx(brier_score_loss(Y, P))
    assert summary["log_loss"] == pytest.approx(log_loss(Y, P))
    frequency, mean_p = calibration_curve(Y, P, n_bins=n_bins)
    full = bins[bins["n"] > 0]
    assert np.allclose(full["frequency"], frequency) and np.allclose(full["mean_p"], mean_p)
    assert bins["n"].sum() == summary["n"] == 400 and len(bins) == n_bins
    weights = np.histogram(P, np.linspace(0, 1, n_bins + 1))[0] / 400
    assert summary["ece"] == pytest.approx((weights[weights > 0] * abs(frequency - mean_p)).sum())


def test_calibration_of_three_classes_equals_scikit_learn():
    summary, bins = calibration(Y3, P3)
    assert summary["log_loss"] == pytest.approx(log_loss(Y3, P3))
    assert summary["brier"] == pytest.approx(brier_score_loss(Y3, P3, labels=[0, 1, 2]))
    right = P3.argmax(axis=1) == Y3
    assert (bins["n"] * bins["frequency"]).sum() == right.sum()
    assert (bins["n"] * bins["mean_p"]).sum() == pytest.approx(P3.max(axis=1).sum())


def test_both_forms_of_two_classes_have_one_brier_score():
    both = np.column_stack([1 - P, P])
    assert calibration(Y, both)[0]["brier"] == pytest.approx(calibration(Y, P)[0]["brier"])


def test_ece_by_hand():
    """Four clips at 0.9, half of them positive: the gap is 0.4. Empty bins say n = 0."""
    summary, bins = calibration([1, 1, 0, 0], [0.9] * 4)
    assert summary["ece"] == pytest.approx(0.4)
    assert bins["n"].tolist() == [0] * 9 + [4] and bins["frequency"].isna().sum() == 9
    assert calibration([0, 1], [0.0, 1.0])[0]["ece"] == 0


def test_calibration_intervals_are_those_of_means_over_recordings():
    """Oracles: inference.interval of each clip's score; a calibrated model's ECE may be 0."""
    rng = np.random.default_rng(0)
    recording = np.repeat(np.arange(30), 20)
    p = rng.random(600)
    for truth in (p, np.where(p > 0.5, 0.6, 0.4)):
        y = (rng.random(600) < truth).astype(int)
        summary, bins = calibration(y, p, groups=recording, n_boot=300)
        loss = -np.log(np.where(y == 1, p, 1 - p))
        for name, per_clip in (("brier", (p - y) ** 2), ("log_loss", loss)):
            found = inference.interval(per_clip, groups=recording, n_boot=300)
            ends = [summary[name], summary[f"{name}_low"], summary[f"{name}_high"]]
            assert ends == pytest.approx(found[:3])
        assert (bins["ci_low"] <= bins["frequency"]).all() and (bins["ci_low"] > 0).sum() > 7
        if truth is p:
            assert summary["ece_low"] == 0 < summary["ece"]  # counting alone makes it positive
        else:
            assert 0.05 < summary["ece_low"] < 0.15 < summary["ece_high"] < 0.35
    short = calibration(y[:60], p[:60], groups=recording[:60])[0]
    assert np.isnan(short["ece_low"]) and np.isfinite(short["ece"])


@settings(deadline=None, max_examples=20)
@given(st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(random):
    order = np.array(random.sample(range(400), 400))
    recording = np.arange(400) // 20
    one = calibration(Y, P, groups=recording, n_boot=100)[0]
    two = calibration(Y[order], P[order], groups=recording[order], n_boot=100)[0]
    assert one == pytest.approx(two)
    wrong, h = (P > 0.5) != Y, np.round(predictive_entropy(P), 1)
    first, second = risk_coverage(wrong, h), risk_coverage(wrong[order], h[order])
    assert first[1] == pytest.approx(second[1])
    assert np.allclose(first[0], second[0])


def test_calibration_refuses_labels_that_do_not_match():
    with pytest.raises(ValueError, match=r"0\.\.1: other values in rows 1"):
        calibration([0, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="shape"):
        calibration([0, 1, 1], [0.1, 0.2])


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_temperature_is_recovered(true):
    """Known truth: labels drawn from the logits, probabilities from logits times `true`."""
    generator = np.random.default_rng(1)
    z = generator.normal(0, 2, 40_000)
    y = (generator.random(40_000) < expit(z)).astype(int)
    p = expit(true * z)
    scaled, temperature, reason = temperature_scale(p, y, p)
    assert reason == ""
    assert temperature == pytest.approx(true, rel=0.05)
    assert np.allclose(scaled, expit(true * z / temperature), atol=1e-9)
    grid = [log_loss(y, expit(true * z / t)) for t in np.geomspace(0.1, 10, 41)]
    assert log_loss(y, scaled) <= min(grid) + 1e-9


def test_temperature_of_three_classes_keeps_the_winner():
    z = np.log(P3)
    y = np.array([np.random.default_rng(i).choice(3, p=row) for i, row in enumerate(P3)])
    sharp = softmax(4 * z, axis=1)
    scaled, temperature, _ = temperature_scale(sharp, y, sharp)
    assert temperature == pytest.approx(4, rel=0.35)
    assert (scaled.argmax(axis=1) == sharp.argmax(axis=1)).all()
    assert np.allclose(scaled.sum(axis=1), 1)
    assert log_loss(y, scaled) < log_loss(y, sharp)


@pytest.mark.parametrize(
    ("p_val", "y_val", "reason"),
    [
        ([0.2, 0.9], [1, 1], r"one class \(n=2\)"),
        ([0.2, 0.9], [0, 1], "no errors"),
        ([0.0, 1.0], [0, 1], "no errors"),
        ([0.5, 0.5, 0.5], [0, 1, 1], "no skill"),
        ([0.9, 0.2], [0, 1], "no skill"),
        ([1.0, 0.0], [0, 1], "no skill"),
        ([0.7, 0.7], [0, 1], "no skill"),
        ([0.45, 0.55, 0.4999999], [0, 1, 1], "outside 0.05 to 20"),
    ],
)
def test_temperature_that_cannot_be_learned_says_why(p_val, y_val, reason):
    """Known truth: the loss falls without end, or never; probabilities stay as they are."""
    scaled, temperature, told = temperature_scale(p_val, y_val, [0.0, 0.4, 1.0])
    assert np.isnan(temperature) and re.search(reason, told)
    assert scaled.tolist() == [0.0, 0.4, 1.0]


def test_temperature_refuses_another_form():
    with pytest.raises(ValueError, match="differ in form"):
        temperature_scale([0.2, 0.9], [0, 1], P3)


def test_risk_coverage_by_hand():
    curve, aurc = risk_coverage([1, 0, 0, 1], [0.4, 0.1, 0.2, 0.3])
    assert curve["coverage"].tolist() == [0.25, 0.5, 0.75, 1]
    assert curve["risk"].tolist() == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert curve["threshold"].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert aurc == pytest.approx((1 / 3 + 1 / 2) / 4)


def test_ties_are_the_mean_over_their_orders():
    error, uncertainty = np.array([0, 1, 0, 1, 1]), np.array([1, 2, 2, 2, 3])
    risks = [
        np.cumsum(np.r_[0, error[list(order)], 1]) / np.arange(1, 6)
        for order in permutations([1, 2, 3])
    ]
    curve, _ = risk_coverage(error, uncertainty)
    assert np.allclose(curve["risk"], np.mean(risks, axis=0))


@settings(deadline=None)
@given(arrays(float, st.integers(1, 30), elements=st.sampled_from([0.0, 1.0])))
def test_useless_uncertainty_gives_the_error_rate(error):
    curve, aurc = risk_coverage(error, np.zeros(len(error)))
    assert np.allclose(curve["risk"], error.mean()) and aurc == pytest.approx(error.mean())
    assert risk_coverage(error, error)[1] <= aurc + 1e-12 <= risk_coverage(error, -error)[1] + 1e-9


def test_risk_coverage_refuses_what_is_not_there():
    with pytest.raises(ValueError, match="uncertainty is NaN in rows 1"):
        risk_coverage([0, 1], [0.1, np.nan])
    with pytest.raises(ValueError, match="equally long"):
        risk_coverage([0, 1], [0.1])


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000))
def test_weighted_risk_is_that_of_the_repeated_clips(seed):
    """Oracle: `risk_coverage` of clips repeated as often as they weigh, ties included."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 25))
    error, unsure = rng.integers(0, 2, n), rng.integers(0, 6, n) / 7
    weights = rng.integers(0, 4, (3, n))
    weights[weights.sum(axis=1) == 0, 0] = 1
    found = weighted_risk(error, unsure, [0.1, 0.5, 1])(weights.astype(float))
    for row, w in zip(found, weights, strict=True):
        curve, aurc = risk_coverage(np.repeat(error, w), np.repeat(unsure, w))
        assert row[-1] == pytest.approx(aurc)
        at = [int(np.ceil(np.round(c * w.sum(), 9))) for c in (0.1, 0.5, 1)]
        assert row[:-1] == pytest.approx(curve["risk"].to_numpy()[np.maximum(at, 1) - 1])


def test_selective_prediction_compares_flags_on_the_same_clips():
    rng = np.random.default_rng(0)
    n, groups = 400, np.arange(400) % 20
    doubt = rng.random(n)
    error = (rng.random(n) < doubt).astype(int)
    flags = {"good": doubt, "same": doubt * 2 + 1, "useless": rng.random(n)}
    curves, areas = selective_prediction(error, flags, groups=groups, n_boot=400)
    areas = areas.set_index("flag")
    for name, flag in flags.items():
        assert areas.loc[name, "aurc"] == pytest.approx(risk_coverage(error, flag)[1])
        whole = curves.query("flag == @name and coverage == 1").iloc[0]
        assert whole["risk"] == pytest.approx(error.mean())
        assert whole["ci_low"] < error.mean() < whole["ci_high"]
    assert areas.loc["same", "difference"] == pytest.approx(0)
    useless = areas.loc["useless"]
    assert useless["difference_low"] > 0 and useless["against"] == "good"
    # paired: narrower than the two areas' own intervals put together
    width = useless["difference_high"] - useless["difference_low"]
    apart = [areas.loc[k, "ci_high"] - areas.loc[k, "ci_low"] for k in ("good", "useless")]
    assert width < np.hypot(*apart) * 1.2


def test_conformal_sets_hold_the_label_as_often_as_asked():
    """Oracle: the guarantee, for exchangeable clips: between level and level + 1 / (m + 1)."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(400):
        p = rng.random(130)
        y = (rng.random(130) < p**2).astype(int)  # miscalibrated: the guarantee does not care
        sets = conformal_sets(p[:99], y[:99], p[99:], level=0.9)
        held.append(sets[np.arange(31), y[99:]].mean())
    assert 0.89 < np.mean(held) < 0.92


def test_conformal_sets_by_hand_and_with_too_few_clips():
    sets = conformal_sets([0.9, 0.8, 0.4, 0.7], [1, 1, 1, 1], [0.5, 0.95, 0.7], level=0.6)
    assert sets.tolist() == [[False, False], [False, True], [False, True]]  # limit 1 - 0.7
    assert conformal_sets([0.9, 0.8], [1, 1], [0.5, 0.99], level=0.9).all()
    with pytest.raises(ValueError, match="level"):
        conformal_sets([0.9], [1], [0.5], level=1)


def test_scaled_calibration_is_calibration_before_and_after_each_fit():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"clip_id": [f"c{i}" for i in range(60)], "seed": 1})
    frame = frame.assign(fold=np.arange(60) % 2, p=rng.random(60))
    frame["y"] = (rng.random(60) < frame["p"]).astype(int)
    chosen = frame.assign(y=(rng.random(60) < frame["p"]).astype(int))
    groups = pd.Series([f"r{i // 3}" for i in range(60)], frame["clip_id"])
    how = dict(groups=groups, n_boot=50)
    table, bins, reasons = uncertainty.scaled_calibration(frame, chosen, **how)
    table = table.set_index("probabilities")
    arrays = frame["y"].to_numpy(), frame["p"].to_numpy()
    summary, _ = uncertainty.calibration(*arrays, groups=groups.to_numpy(), n_boot=50)
    assert table.loc["as trained", "ece"] == summary["ece"]
    fitted = []
    for fold in (0, 1):
        of = [t[t["fold"] == fold] for t in (chosen, frame)]
        found = uncertainty.temperature_scale(of[0]["p"], of[0]["y"], of[1]["p"])
        fitted.append(found[1:])
    assert table["median temperature"].iloc[1] == np.median([t for t, _ in fitted])
    assert reasons == [why for _, why in fitted if why]
    assert (bins["n"] > 0).all() and bins["probabilities"].nunique() == 2


def test_each_half_of_the_recordings_calibrates_the_other():
    """By hand: nothing a recording's own half holds decides its sets."""
    p, groups = rng.beta(1, 1, 200), np.repeat(np.arange(20), 10)
    y = (rng.random(200) < p).astype(int)
    sets = uncertainty.cross_conformal_sets(p, y, groups, level=0.8, seed=3)
    first = np.isin(groups, np.random.default_rng(3).permutation(20)[:10])
    np.testing.assert_array_equal(sets[first], conformal_sets(p[~first], y[~first], p[first], 0.8))
    np.testing.assert_array_equal(sets[~first], conformal_sets(p[first], y[first], p[~first], 0.8))


def test_coverage_of_sets_is_counted_in_each_quadrant():
    clips = list("abcd")
    sets = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], bool)
    y = pd.Series([0, 1, 0, 1], clips)
    quadrants = pd.DataFrame(
        {"clip_id": clips, "modality": "text", "quadrant": ["red", "blue"] * 2}
    )
    groups = pd.Series(clips, clips)
    found = uncertainty.conformal_coverage(sets, y, quadrants, groups=groups)
    found = found.set_index(["modality", "quadrant"])
    assert found.loc[("all", "all"), ["n", "coverage", "labels in the set"]].tolist() == [4, 0.5, 1]
    assert found.loc[("text", "red"), "coverage"] == 0.5  # a holds its label, c does not
    assert found.loc[("text", "blue"), "labels in the set"] == 1 and found["n"].sum() == 8


def test_link_has_pandas_means_by_fifth_of_margin():
    n = 50
    flips = pd.DataFrame(
        {"clip_id": [f"c{k}" for k in range(n)], "modality": "text", "margin": np.arange(n) / 100,
         "differs": rng.random(n), "self_differs": rng.random(n)}
    )  # fmt: skip
    groups = pd.Series(np.repeat(np.arange(10), 5), flips["clip_id"])
    found = uncertainty.link(flips, groups=groups, n_boot=50)
    assert found["clips"].tolist() == ["all", *(f"fifth {k}" for k in range(1, 6))]
    assert found["n"].tolist() == [50] + [10] * 5
    fifths = flips.groupby(np.arange(n) // 10)
    np.testing.assert_allclose(found["disagrees with modality"][1:], fifths["differs"].mean())
    excess = (flips["differs"] - flips["self_differs"]).mean()
    assert found["excess"].iloc[0] == pytest.approx(excess)
    alone = uncertainty.link(flips.assign(self_differs=np.nan), groups=groups)
    assert alone["excess"].isna().all()

"""Oracles: the division of a mixture in closed form; statsmodels and scikit-learn, plainly."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LinearRegression
from test_winning import mixture

from empdis_utils.measures import dividing

GROUPS = np.arange(3000) % 60


def test_coefficients_of_a_mixture_are_its_closed_form_once_noise_is_taken_out():
    """Gini of w p + (1 - w) q is w D(p) + (1 - w) D(q) + w (1 - w) |p - q|^2, exactly."""
    w = 0.3
    found = dividing.coefficients(*mixture(w), groups=GROUPS, n_splits=5, n_boot=300)
    unit = found[found["per"] == "unit"].set_index(["model", "term"])
    truth = {"incongruence": w * (1 - w), "first division": w, "second division": 1 - w}
    for term, value in truth.items():
        row = unit.loc[("noise taken out", term)]
        assert row["ci_low"] <= value <= row["ci_high"] and row["n_recordings"] == 60
        assert row["estimate"] == pytest.approx(value, abs=0.08)
    weak = unit.loc[("as measured", "second division"), "estimate"]
    assert weak < 0.6  # least squares weakens what is measured with noise
    explained = found[found["per"] == "share"].set_index("model")["estimate"]
    assert explained["noise taken out"] == pytest.approx(1, abs=0.1)
    assert explained["as measured"] < 0.7
    beside = dividing.beside_mixture(found, w)
    assert beside["mixture"].iloc[:3].tolist() == pytest.approx(list(truth.values()))


def test_as_measured_is_least_squares_and_differences_are_differences():
    tables = mixture(0.5, n=600)
    table = dividing.predictors(*tables)
    x = table.drop(columns="division")
    fit = sm.OLS(table["division"], sm.add_constant((x - x.mean()) / x.std(ddof=0))).fit()
    kinds = np.where(np.arange(600) % 2, "a", "b")
    found = dividing.coefficients(*tables, groups=GROUPS[:600], labels=kinds, n_splits=1, n_boot=60)
    rows = found[(found["model"] == "as measured") & (found["per"] == "sd")].set_index("term")
    np.testing.assert_allclose(rows["estimate"].iloc[:3], fit.params.iloc[1:])
    gap = rows.loc["incongruence minus second division", "estimate"]
    assert gap == pytest.approx(fit.params["incongruence"] - fit.params["second division"])
    assert "noise taken out, within label" in set(found["model"])
    own = dividing.clustered(table, {"actor": GROUPS[:600]})
    np.testing.assert_allclose(own["estimate"], fit.params.iloc[1:])
    expected = sm.OLS(table["division"], sm.add_constant((x - x.mean()) / x.std(ddof=0))).fit(
        cov_type="cluster", cov_kwds={"groups": GROUPS[:600]}
    )
    np.testing.assert_allclose(own["p"], expected.pvalues.iloc[1:])
    both = dividing.clustered(table, {"two": np.column_stack([GROUPS[:600], np.arange(600) % 12])})
    assert both["n_clusters"].eq(12).all() and np.isfinite(both["ci_low"]).all()


def test_intervals_of_the_clean_coefficient_hold_the_truth():
    """Of 24 intervals at 95 %, at least 19 hold it (99.9 %)."""
    inside = 0
    for seed in range(24):
        found = dividing.coefficients(
            *mixture(0.4, n=800, seed=seed), groups=np.arange(800) % 40, n_splits=3, n_boot=200
        )
        row = found[(found["model"] == "noise taken out") & (found["per"] == "unit")].iloc[0]
        inside += row["ci_low"] <= 0.24 <= row["ci_high"]
    assert inside >= 19


def test_held_out_gain_is_that_of_other_actors():
    table = dividing.predictors(*mixture(0.5, n=1500))
    found = dividing.held_out(table, GROUPS[:1500], n_boot=100).set_index(["model", "predictors"])
    linear = found.loc["linear"]
    x = table[["first division", "second division", "incongruence"]]
    inside = LinearRegression().fit(x, table["division"]).score(x, table["division"])
    assert linear.loc["and incongruence", "r2"] == pytest.approx(inside, abs=0.03)
    gain = linear.loc["and incongruence", "r2"] - linear.loc["both divisions", "r2"]
    assert linear.loc["and incongruence", "gain"] == pytest.approx(gain)
    assert set(found.index.levels[0]) == {"linear", "splines", "boosted trees"}


def test_cells_hold_each_clip_with_a_clear_majority_once():
    one, two = [[5, 0], [5, 0], [3, 2]], [[5, 0], [0, 5], [3, 2]]
    found = dividing.cells(one, two, one, groups=[0, 1, 2]).set_index(["clear", "majorities"])
    assert found["n"].sum() == 3
    assert found.loc[("both", "differ"), "n"] == 1 and found.loc[("neither", "same"), "n"] == 1


def test_one_vote_says_nothing_of_division():
    one = pd.DataFrame(np.eye(2, dtype=int)[np.arange(40) % 2])
    found = dividing.coefficients(one, one, one, groups=np.arange(40))
    assert set(found["status"]) == {"too_few"} and found["estimate"].isna().all()
    table = dividing.predictors(one, one, one)
    assert dividing.clustered(table, {"a": np.arange(40)}).empty
    assert dividing.held_out(table, np.arange(40)).empty


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        ((-0.2, -0.1), "less than"),
        ((0.1, 0.2), "more than"),
        ((-0.1, 0.1), "not clearly more than"),
    ],
)
def test_the_sentence_follows_the_intervals(gap, words):
    rows = [("incongruence", 0.03, 0.02, 0.04), ("video division", 0.16, 0.15, 0.17)]
    rows.append(("incongruence minus video division", sum(gap) / 2, *gap))
    table = pd.DataFrame(rows, columns=["term", "estimate", "ci_low", "ci_high"])
    said = dividing.sentence(table.assign(model="noise taken out", reason=""))
    assert said.startswith("Conflict divides people") and f", {words} an unclear face" in said
    assert "0.030 [0.020, 0.040]" in said and "0.160 [0.150, 0.170]" in said

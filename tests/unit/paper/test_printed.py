"""`forensics`: oracles are simulated papers, scipy, statsmodels and closed forms."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import cohens_kappa

from empdis_utils.paper import printed as forensics


def printed(value, decimals):
    return f"{value:.{decimals}f}"


def test_published_tables_are_as_printed():
    ten = forensics.table("table_10")
    assert ten.shape[0] == 13 and ten.loc[0, "p"] == "0.0159"  # a str keeps the decimals
    assert len(forensics.table("table_11")) == 26 and len(forensics.table("table_12")) == 36
    with pytest.raises(FileNotFoundError, match="table_10"):
        forensics.table("table_99")


def test_the_short_tables_repeat_the_long_ones():
    for short, long in (("table_03", "table_11"), ("table_04", "table_12")):
        keys = ["feature", "contrast", "p_relation", "p", "higher"]
        merged = forensics.table(short)[keys].merge(forensics.table(long)[keys])
        assert len(merged) == len(forensics.table(short))


@given(st.decimals(-5, 5, places=3))
def test_rounding_limits_print_the_same(value):
    low, high = forensics.rounding(str(value))
    assert high - low == pytest.approx(0.001)
    assert low <= float(value) <= high
    assert round(low + 1e-9, 3) == pytest.approx(float(value)) == round(high - 1e-9, 3)


@given(st.integers(20, 200), st.data())
def test_the_true_denominator_always_fits(n, data):
    counts = data.draw(st.lists(st.integers(0, n), min_size=3, max_size=6))
    rates = [printed(k / n, 3) for k in counts]
    found = forensics.fitting_counts(rates, 220).set_index("n")
    assert found.loc[n, "all"]
    if n < 400:  # three decimals tell neighbours apart
        assert found.loc[n, "counts"] == counts


def test_a_rate_that_no_count_gives_is_refused():
    found = forensics.fitting_counts(["0.500", "0.333"], 12).set_index("n")
    assert list(found.index[found["all"]]) == [6, 12]  # by hand: 2 | n and 3 | n
    assert found.loc[4, "fits"] == 1
    assert found.loc[4, "chance"] == pytest.approx(5 / 1001)  # 0, 1/4, 1/2, 3/4, 1


@pytest.mark.parametrize("equal_var", [True, False])
def test_simulated_papers_give_back_their_degrees_of_freedom(equal_var):
    rng = np.random.default_rng(1)
    inside, widths = [], []
    for _ in range(200):
        n_1, n_2 = rng.integers(15, 90, 2)
        a = rng.normal(0, rng.uniform(0.5, 2), n_1)
        b = rng.normal(rng.uniform(0.3, 0.8), 1, n_2)
        result = stats.ttest_ind(a, b, equal_var=equal_var)
        found = forensics.implied_df(printed(result.statistic, 3), printed(result.pvalue, 4))
        inside.append(found["df_low"] <= result.df <= found["df_high"])
        assert found["df_low"] <= found["df"] <= found["df_high"]
        if 0.01 < result.pvalue < 0.1:
            widths.append((found["df_high"] - found["df_low"]) / result.df)
    assert all(inside)
    assert np.median(widths) < 0.25  # three and four decimals leave this much


def test_t_and_p_that_do_not_belong_together():
    with pytest.raises(ValueError, match="no two-sided t-test"):
        forensics.implied_df("2.453", "0.0001")
    with pytest.raises(ValueError, match="no two-sided t-test"):
        forensics.implied_df("2.453", "0.9000")


def simulated_table(equal_var, seed, n_1=60, n_2=55, rows=12):
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(rows):
        a = rng.normal(0, rng.uniform(0.4, 2.5), n_1)
        b = rng.normal(0.5, 1, n_2)
        result = stats.ttest_ind(a, b, equal_var=equal_var)
        made.append(forensics.implied_df(printed(result.statistic, 3), printed(result.pvalue, 4)))
    return pd.DataFrame(made)


def test_student_tables_share_their_df_and_welch_tables_do_not():
    for seed in range(20):
        student = forensics.common_df(simulated_table(True, seed))
        assert student["same"] and student["low"] <= 113 <= student["high"]
        welch = forensics.common_df(simulated_table(False, seed))
        assert not welch["same"]
        assert welch["n_at_least"] <= 115  # never claims more clips than there were
        assert welch["smaller_group_at_most"] >= 55  # nor a smaller group than there was


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_equals_statsmodels(b, c):
    expected = mcnemar([[10, b], [c, 10]], exact=True).pvalue
    assert forensics.mcnemar_p(b - c, b + c) == pytest.approx(min(expected, 1), abs=1e-12)


def test_mcnemar_needs_enough_discordant_clips():
    with pytest.raises(ValueError, match="5 clips"):
        forensics.mcnemar_p(5, 4)
    assert forensics.mcnemar_p(3, 4) == forensics.mcnemar_p(3, 5)  # parity


def test_separable_below_is_the_last_significant_count():
    last = forensics.separable_below(20, 154)
    assert forensics.mcnemar_p(20, last) <= 0.05 < forensics.mcnemar_p(20, last + 2)
    assert forensics.separable_below(5, 154) == 0  # 5 against 0 has p = 0.0625
    assert forensics.separable_below(6, 154) == 6  # 6 against 0 has p = 0.03125


@given(st.floats(-0.3, 0.9), st.floats(0.3, 0.7), st.floats(0.3, 0.7))
def test_joint_shares_have_the_kappa_they_were_made_for(kappa, a, b):
    try:
        joint = forensics.kappa_joint(kappa, a, b)
    except ValueError:
        return
    assert joint.sum() == pytest.approx(1)
    assert joint[1].sum() == pytest.approx(a) and joint[:, 1].sum() == pytest.approx(b)
    assert cohens_kappa(joint * 1000, return_results=False) == pytest.approx(kappa, abs=1e-9)


def test_impossible_kappa():
    with pytest.raises(ValueError, match="impossible"):
        forensics.kappa_joint(0.9, 0.2, 0.8)


def test_kappa_se_equals_the_spread_of_simulated_studies():
    rng = np.random.default_rng(3)
    joint = forensics.kappa_joint(0.4, 0.5, 0.5)
    draws = rng.multinomial(200, joint.ravel(), size=4000).reshape(-1, 2, 2)
    kappas = [cohens_kappa(d, return_results=False) for d in draws]
    assert forensics.kappa_se(0.4, 200) == pytest.approx(np.std(kappas), rel=0.05)


def test_delta_kappa():
    free = forensics.delta_kappa_z(0.3, 0.6, 51)
    tied = forensics.delta_kappa_z(0.3, 0.6, 51, correlation=0.5)
    a, b = forensics.kappa_se(0.3, 51), forensics.kappa_se(0.6, 51)
    assert free["se"] == pytest.approx(np.hypot(a, b))
    assert tied["se"] == pytest.approx(np.sqrt(a**2 + b**2 - a * b))
    assert free["p"] == pytest.approx(2 * stats.norm.sf(abs(free["z"])))
    assert tied["z"] > free["z"] > 0


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_no_sample_exceeds_the_largest_sd(values):
    assert np.std(values) <= forensics.largest_sd(np.mean(values), 0, 1) + 1e-7


def test_largest_sd_is_reached_by_two_points_and_needs_a_possible_mean():
    assert forensics.largest_sd(0.25, 0, 1) == pytest.approx(np.std([0, 0, 0, 1]))
    with pytest.raises(ValueError, match="outside"):
        forensics.largest_sd(0.8, 0, 0.693)


def test_orders_that_form_a_circle():
    line = {("red", "blue"): "blue", ("green", "blue"): "blue", ("red", "green"): "red"}
    assert forensics.transitive(line)
    circle = {("red", "blue"): "blue", ("green", "blue"): "green", ("red", "green"): "red"}
    assert not forensics.transitive(circle)


def test_model_pairs_lie_between_their_limits():
    models = pd.DataFrame({"model": ["a", "b", "c"], "accuracy": ["0.50", "0.80", "0.79"]})
    pairs = forensics.model_pairs(models, 154, pd.Series([0.2, 0.3]))
    assert list(zip(pairs["better"], pairs["worse"], strict=True)) == [
        *(("b", "a"), ("c", "a"), ("b", "c"))
    ]
    assert pairs["told apart"].tolist() == ["yes", "yes", "no"]
    assert pairs["clips"].tolist() == [46, 45, 2]


def test_kappa_changes_and_their_contrast():
    """Oracle: `delta_kappa_z` row by row, and errors of independent means."""
    changes = forensics.kappa_changes({"table_06": 51}, [0.5], [0.0, 0.5])
    assert len(changes) == 8
    for row in changes.itertuples():
        alone = forensics.delta_kappa_z(row.kappa_1, row.kappa_2, 51, 0.5, row.correlation)
        assert (row.delta, row.z) == (alone["delta"], alone["z"])
    part = changes[changes["correlation"] == 0].set_index("quadrant")
    found = forensics.kappa_contrast(changes).query("correlation == 0").iloc[0]
    delta = part["delta"]
    expected = (delta["blue"] + delta["yellow"] - delta["red"] - delta["green"]) / 2
    assert found["delta"] == pytest.approx(expected)
    assert found["se"] == pytest.approx(np.sqrt((part["se"] ** 2).sum()) / 2)


@pytest.mark.parametrize("p", [0.5, 0.6, 0.9, 0.999])
def test_the_confidence_of_an_entropy_has_that_entropy(p):
    assert forensics.confidence_of(stats.entropy([p, 1 - p])) == pytest.approx(p, abs=1e-6)


def test_largest_p_is_that_of_the_worst_mixture():
    equal = pd.DataFrame(
        {"entropy_mean": 0.5, "entropy_sd": 0.1}, index=["red", "green", "blue", "yellow"]
    )
    assert forensics.largest_p(equal, [100], [0.3]) == pytest.approx(1)
    apart = equal.assign(entropy_mean=[0.6, 0.6, 0.4, 0.4])
    expected = stats.ttest_ind_from_stats(0.6, 0.1, 30, 0.4, 0.1, 70, equal_var=False).pvalue
    assert forensics.largest_p(apart, [100], [0.3]) == pytest.approx(expected)


def test_circles_are_named():
    orders = pd.DataFrame(
        {"feature": ["f0"] * 3 + ["hnr"] * 3,
         "contrast": ["red-blue", "red-green", "blue-green"] * 2,
         "higher": ["red", "green", "blue", "red", "red", "blue"]}
    )  # fmt: skip
    assert forensics.circles(orders) == ["f0"]

# ruff: noqa: E501, F811, F841

# %% [markdown]
# # Exercises 8: does it replicate?
#
# What a paper's own numbers tell, before any data. Numbers of the paper are quoted with their table.

# %%
import numpy as np
from scipy import optimize
from scipy import stats as scipy_stats

from empdis_utils.press.course import check

# The paper's Table 2: rates of disagreement between pairs of models.
TABLE_2 = [0.338, 0.318, 0.253, 0.214, 0.383, 0.331]

# %% [markdown]
# ## 1. Out of how many? (routine)
#
# A rate printed as 0.338 is some k of n clips, rounded. Which n between 100 and 320 fit *all* the
# rates of Table 2? The paper does not state n there. Does one of yours look familiar?


# %% tags=["stub"]
def denominators(rates, lowest=100, highest=320):
    """List of every n for which each rate is k/n, rounded to three decimals."""
    ...


# %% tags=["solution"]
def denominators(rates, lowest=100, highest=320):
    def fits(rate, n):
        return round(round(rate * n) / n, 3) == rate

    return [n for n in range(lowest, highest + 1) if all(fits(rate, n) for rate in rates)]


# %% [markdown] tags=["solution"]
# 154 is the released test split; the other one is its double. The larger n, the more n fit; from 1,000
# upwards all do, so the method has a limit.


# %% tags=["check"]
def check(denominators):
    got = [int(n) for n in denominators([0.5, 0.333], 100, 120)]
    assert 102 in got, "51/102 is 0.500 and 34/102 is 0.333, but 102 is not in your list"
    assert 100 not in got, "100 fits 0.5, but not 0.333: all rates must fit"
    assert got == [102, 108, 114, 120], f"for 0.5 and 0.333 up to 120 you get {got}"
    table = [int(n) for n in denominators(TABLE_2)]
    assert 154 in table, "154 is missing: it gives 52/154 = 0.338 and so on; are you rounding?"
    for n in table:
        bad = [r for r in TABLE_2 if round(round(r * n) / n, 3) != r]
        assert not bad, f"n = {n} is in your list, but no k/{n} rounds to {bad[0]}"


# %% tags=["wrong"]
# says: all rates must fit
def denominators(rates, lowest=100, highest=320):
    def fits(rate, n):
        return round(round(rate * n) / n, 3) == rate

    return [n for n in range(lowest, highest + 1) if any(fits(rate, n) for rate in rates)]


# %% tags=["wrong"]
# says: is not in your list
def denominators(rates, lowest=100, highest=320):
    return [n for n in range(lowest, highest + 1) if all((r * n) % 1 == 0 for r in rates)]


# %% [markdown]
# ## 2. Which test was it? (medium)
#
# A t and a two-sided p belong to one number of degrees of freedom. Find it. In Table 10, mean pitch
# has t = 2.453 and p = 0.0159, and maximum intensity t = -2.124 and p = 0.0366. Do the two agree? With
# Student's test on the same clips they would have to. Mind the rounding of t and p.


# %% tags=["stub"]
def degrees_of_freedom(t, p):
    """Degrees of freedom, between 1 and 10,000, for which t gives the two-sided p."""
    ...


# %% tags=["solution"]
def degrees_of_freedom(t, p):
    return optimize.brentq(lambda df: 2 * scipy_stats.t.sf(abs(t), df) - p, 1, 10_000)


# %% [markdown] tags=["solution"]
# They differ by more than rounding can explain (try p from 0.03655 to 0.03665): each feature has its own
# degrees of freedom, as in Welch's test. A missing value in some clips would do the same, so this is
# strong evidence, not proof. Chapter 08 does it for all thirteen.


# %% tags=["check"]
def check(degrees_of_freedom):
    for df in (12.5, 40, 90.7):
        for t in (2.1, 3.0, -2.4):
            got = float(degrees_of_freedom(t, 2 * scipy_stats.t.sf(abs(t), df)))
            assert np.isfinite(got), f"t = {t} gives you {got}: the sign of t must not matter"
            implied = scipy_stats.t.sf(abs(t), got)
            right = scipy_stats.t.sf(abs(t), df)
            assert not np.isclose(implied, 2 * right, rtol=1e-3), (
                "your degrees of freedom belong to a one-sided p; the paper's are two-sided"
            )
            assert np.isclose(got, df, rtol=0.01), (
                f"for t = {t} and {df} degrees of freedom you find {got:.1f}"
            )


# %% tags=["wrong"]
# says: one-sided
def degrees_of_freedom(t, p):
    return optimize.brentq(lambda df: scipy_stats.t.sf(abs(t), df) - min(p, 0.07), 0.5, 1e12)


# %% tags=["wrong"]
# says: stopped with
def degrees_of_freedom(t, p):
    return optimize.brentq(lambda df: 2 * scipy_stats.t.sf(t, df) - p, 1, 10_000)


# %% [markdown]
# ## 3. How much can kappa wobble? (medium)
#
# Each row of the paper's Table 6 rests on 51 clips. Simulate: two annotators with a true kappa, both
# giving each answer half of the time, judge n clips. How much does the *measured* kappa vary? Compare
# with the paper's largest change, 0.267.


# %% tags=["stub"]
def kappa_sd(n, kappa, n_sim=2000, seed=42):
    """Standard deviation of the measured kappa over `n_sim` simulated studies."""
    rng = np.random.default_rng(seed)
    ...


# %% tags=["solution"]
def kappa_sd(n, kappa, n_sim=2000, seed=42):
    rng = np.random.default_rng(seed)
    first = rng.integers(2, size=(n_sim, n))
    # With even shares chance agrees half of the time: P = (1 + kappa) / 2.
    second = np.where(rng.random((n_sim, n)) < (1 + kappa) / 2, first, 1 - first)
    observed = (first == second).mean(axis=1)
    one, two = first.mean(axis=1), second.mean(axis=1)
    expected = one * two + (1 - one) * (1 - two)
    return ((observed - expected) / (1 - expected)).std()


# %% [markdown] tags=["solution"]
# A change is a difference of two such numbers. If the rounds were independent its standard deviation
# would be larger by √2; the same people judge the same clips, so it is less than that. Either way,
# changes of 0.1 to 0.27 on 51 clips need an interval before they mean something.


# %% tags=["check"]
def check(kappa_sd):
    got = kappa_sd(51, 0.3, n_sim=2000, seed=1)
    assert got > 0, "the measured kappa must vary"
    assert not 0.055 < got < 0.08, (
        f"{got:.3f} is the spread of raw agreement; kappa stretches it: (P - Pe) / (1 - Pe)"
    )
    assert got > 0.03, f"{got:.3f}: do you divide by √n once more? The simulation did that already"
    assert 0.11 < got < 0.16, f"for 51 clips and kappa 0.3 you get {got:.3f}, which is not right"
    ratio = kappa_sd(51, 0.3, seed=1) / kappa_sd(204, 0.3, seed=1)
    assert 1.8 < ratio < 2.2, "four times the clips should halve it"
    assert kappa_sd(51, 0.9, seed=1) < 0.1, "annotators who nearly always agree vary less"


# %% tags=["wrong"]
# says: the spread of raw agreement
def kappa_sd(n, kappa, n_sim=2000, seed=42):
    rng = np.random.default_rng(seed)
    return (rng.random((n_sim, n)) < (1 + kappa) / 2).mean(axis=1).std()


# %% tags=["wrong"]
# says: once more
def kappa_sd(n, kappa, n_sim=2000, seed=42):
    rng = np.random.default_rng(seed)
    agree = (rng.random((n_sim, n)) < (1 + kappa) / 2).mean(axis=1)
    return (2 * agree - 1).std() / np.sqrt(n)


# %% [markdown]
# ## 4. A rule before the result (open)
#
# Chapter 08 keeps a ledger: for each claim, what would count as support is written down before the
# run is looked at. Write such a rule. It gets an estimate, its interval, and the sign that the claim
# predicts (+1 or -1), and answers "supported", "contradicted" or "too little data". What should it
# say of a tiny effect with a narrow interval? Decide, and defend it.


# %% tags=["stub"]
def verdict(value, low, high, sign):
    """One of "supported", "contradicted", "too little data". Missing numbers are NaN."""
    ...


# %% tags=["solution"]
def verdict(value, low, high, sign):
    if not np.isfinite([value, low, high]).all():
        return "too little data"
    low, high = sorted([sign * low, sign * high])
    if low > 0:
        return "supported"
    return "contradicted" if high < 0 else "too little data"


# %% tags=["check"]
def check(verdict):
    words = {"supported", "contradicted", "too little data"}
    got = verdict(0.3, 0.1, 0.5, 1)
    assert got in words, f"'{got}' is none of the three answers"
    assert verdict(0.2, -0.1, 0.5, 1) == "too little data", (
        "an interval that holds 0 can neither support nor contradict a claim about a sign"
    )
    assert verdict(np.nan, np.nan, np.nan, 1) == "too little data", "no number is too little data"
    assert verdict(0.3, np.nan, np.nan, 1) == "too little data", (
        "an estimate without an interval is not yet evidence"
    )
    assert got == "supported", "0.3 [0.1, 0.5] agrees with a predicted +"
    assert verdict(-0.3, -0.5, -0.1, -1) == "supported", (
        "-0.3 [-0.5, -0.1] agrees with a predicted -: mind the sign"
    )
    assert verdict(-0.3, -0.5, -0.1, 1) == "contradicted", "-0.3 [-0.5, -0.1] speaks against a +"


# %% tags=["wrong"]
# says: an interval that holds 0
def verdict(value, low, high, sign):
    return "supported" if value * sign > 0 else "contradicted"


# %% tags=["wrong"]
# says: mind the sign
def verdict(value, low, high, sign):
    if low > 0:
        return "supported"
    return "contradicted" if high < 0 else "too little data"

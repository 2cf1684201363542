"""Oracles: published tables (Fleiss 1971, Krippendorff, Gwet), scikit-learn, statsmodels, the
krippendorff package, closed forms, and simulations with a known kappa."""

import time

import krippendorff as krippendorff_package
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats as scipy_stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from empdis_utils.measures import agreement, inference
from empdis_utils.people.files import COLUMNS
from empdis_utils.people.simulated import simulate_nested

# Psychiatric diagnoses, 6 raters, 5 categories: 15 patients of Fleiss (1971), as R's irrCAC prints
# them (`distrib.6raters`) with the coefficients and standard errors below.
SIX_RATERS = np.array(
    [
        [0, 0, 0, 6, 0],
        [0, 3, 0, 0, 3],
        [0, 1, 4, 0, 1],
        [0, 0, 0, 0, 6],
        [0, 3, 0, 3, 0],
        [2, 0, 4, 0, 0],
        [0, 0, 4, 0, 2],
        [2, 0, 3, 1, 0],
        [2, 0, 0, 4, 0],
        [0, 0, 0, 0, 6],
        [1, 0, 0, 5, 0],
        [1, 1, 0, 4, 0],
        [0, 3, 3, 0, 0],
        [1, 0, 0, 5, 0],
        [0, 2, 0, 3, 1],
    ]
)
# The other 15 of Fleiss' 30 patients; over all 30 he gives agreement .5556 and kappa .430.
REST_OF_FLEISS = [
    [0, 0, 5, 0, 1],
    [3, 0, 0, 1, 2],
    [5, 1, 0, 0, 0],
    [0, 2, 0, 4, 0],
    [1, 0, 2, 0, 3],
    [0, 0, 0, 0, 6],
    [0, 1, 0, 5, 0],
    [0, 2, 0, 1, 3],
    [2, 0, 0, 4, 0],
    [1, 0, 0, 4, 1],
    [0, 5, 0, 1, 0],
    [4, 0, 0, 0, 2],
    [0, 2, 0, 4, 0],
    [1, 0, 5, 0, 0],
    [0, 0, 0, 0, 6],
]
# Krippendorff's (2011) example with missing ratings, also irrCAC's `cac.raw4raters`.
FOUR_RATERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, np.nan, np.nan, np.nan],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, np.nan, 3],
    [np.nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, np.nan],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, np.nan],
]
# Wikipedia's worked example of Fleiss' kappa: 14 raters, 10 subjects, kappa 0.210.
FOURTEEN_RATERS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
# irrCAC's `cont3x3abstractors`: 100 pregnancies, two abstractors.
ABSTRACTORS = np.array([[13, 0, 0], [0, 20, 7], [0, 4, 56]])

COUNT_STATISTICS = ["raw_agreement", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1"]


def long(ratings, names="abcd"):
    """Judgments table from one row of ratings per annotator."""
    rows = [
        (names[a], f"c{i}", f"j{int(x)}")
        for a, row in enumerate(ratings)
        for i, x in enumerate(row)
        if not np.isnan(x)
    ]
    return pd.DataFrame(rows, columns=["annotator", "clip_id", "judgment"])


def counts_of(votes, k):
    return np.stack([(votes == j).sum(axis=1) for j in range(k)], axis=1)


def pair_study(n=60, groups=12, seed=0, agree=(0.8, 0.6)):
    """Annotations of two people on n clips in two rounds, with labels and recordings."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    rows = []
    for name in ("ann", "bo"):
        for turn, chance in zip((1, 2), agree, strict=True):
            answer = np.where(rng.random(n) < chance, label, 1 - label)
            rows += [
                (name, f"c{i:03d}", "text", turn, agreement.JUDGMENTS[answer[i]], "x", "")
                for i in range(n)
            ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["quadrant"] = np.where(table["clip_id"] < f"c{n // 2:03d}", "red", "blue")
    labels = {f"c{i:03d}": agreement.JUDGMENTS[label[i]] for i in range(n)}
    recordings = {f"c{i:03d}": f"d{i % groups}" for i in range(n)}
    return table, labels, recordings


# ---------------------------------------------------------------- coefficients


def test_fleiss_1971_and_gwet_published_values():
    """Oracle: irrCAC's printed output for the six raters, seven digits."""
    assert agreement.raw_agreement(SIX_RATERS) == pytest.approx(0.5511111, abs=5e-8)
    assert agreement.fleiss_kappa(SIX_RATERS) == pytest.approx(0.4139265, abs=5e-8)
    assert agreement.gwet_ac1(SIX_RATERS) == pytest.approx(0.4448007, abs=5e-8)
    assert agreement.krippendorff_alpha(SIX_RATERS) == pytest.approx(0.4204384, abs=5e-8)


def test_fleiss_1971_table():
    """Oracle: Fleiss (1971), all 30 patients."""
    counts = np.vstack([SIX_RATERS, REST_OF_FLEISS])
    assert agreement.raw_agreement(counts) == pytest.approx(0.5556, abs=5e-5)
    assert agreement.fleiss_kappa(counts) == pytest.approx(0.430, abs=5e-4)


def test_unequal_numbers_published_values():
    """Oracle: Krippendorff (2011) example C, alpha 0.743; irrCAC's printed output, five digits."""
    table = long(FOUR_RATERS)
    assert agreement.raw_agreement(table) == pytest.approx(0.8181818, abs=5e-8)
    assert agreement.fleiss_kappa(table) == pytest.approx(0.76117, abs=5e-6)
    assert agreement.gwet_ac1(table) == pytest.approx(0.77544, abs=5e-6)
    assert agreement.krippendorff_alpha(table) == pytest.approx(0.74342, abs=5e-6)


def test_cohen_published_value():
    """Oracle: irrCAC's `kappa2.table`, 0.7964094; and Scott-type coefficients of the same pairs."""
    pairs = np.repeat(np.argwhere(ABSTRACTORS >= 0), ABSTRACTORS.ravel(), axis=0)
    assert agreement.cohen_kappa(*pairs.T) == pytest.approx(0.7964094, abs=5e-8)
    assert agreement.cohen_kappa_of_cells(ABSTRACTORS) == pytest.approx(0.7964094, abs=5e-8)
    counts = counts_of(pairs, 3)
    assert agreement.gwet_ac1(counts) == pytest.approx(0.8493305, abs=5e-8)
    assert agreement.fleiss_kappa(counts) == pytest.approx(0.7962397, abs=5e-8)
    assert agreement.krippendorff_alpha(counts) == pytest.approx(0.7972585, abs=5e-8)


def test_fleiss_worked_example():
    """Oracle: the 14-rater worked example, 0.210, and statsmodels to 1e-12."""
    value = agreement.fleiss_kappa(FOURTEEN_RATERS)
    assert value == pytest.approx(0.210, abs=5e-4)
    assert value == pytest.approx(inter_rater.fleiss_kappa(FOURTEEN_RATERS), abs=1e-12)


@given(hnp.arrays(int, (12, 3), elements=st.integers(0, 4)))
@settings(max_examples=100, deadline=None)
def test_alpha_equals_the_krippendorff_package(counts):
    """Oracle: krippendorff.alpha(value_counts=...), unequal numbers of raters, to 1e-12."""
    used = counts[counts.sum(axis=1) >= 2]
    value = agreement.krippendorff_alpha(counts)
    if (used.sum(axis=0) > 0).sum() < 2:
        assert np.isnan(value)
        return
    other = krippendorff_package.alpha(value_counts=counts, level_of_measurement="nominal")
    assert value == pytest.approx(other, abs=1e-12)


@given(hnp.arrays(int, (2, 15), elements=st.integers(0, 2)))
@settings(max_examples=100, deadline=None)
def test_cohen_equals_sklearn_and_statsmodels(pair):
    """Oracles: cohen_kappa_score and statsmodels' cohens_kappa, to 1e-12."""
    value = agreement.cohen_kappa(*pair)
    if len(np.unique(pair)) == 1:
        assert np.isnan(value)
        return
    assert value == pytest.approx(cohen_kappa_score(*pair), abs=1e-12)
    table, _ = inter_rater.to_table(pair.T, bins=3)
    other = inter_rater.cohens_kappa(table, return_results=False)
    assert value == pytest.approx(other, abs=1e-12)


@given(hnp.arrays(int, (9, 5), elements=st.integers(0, 2)))
@settings(max_examples=50, deadline=None)
def test_fleiss_equals_statsmodels_and_survives_relabelling(votes):
    """Oracle: statsmodels.fleiss_kappa; order of categories and clips is free."""
    counts = counts_of(votes, 3)
    if len(np.unique(votes)) == 1:
        assert np.isnan(agreement.fleiss_kappa(counts))
        return
    assert agreement.fleiss_kappa(counts) == pytest.approx(
        inter_rater.fleiss_kappa(counts), abs=1e-12
    )
    for name in COUNT_STATISTICS:
        value = getattr(agreement, name)(counts)
        assert value <= 1 + 1e-12
        assert getattr(agreement, name)(counts[::-1, [2, 0, 1]]) == pytest.approx(value, abs=1e-12)


def test_both_shapes_give_the_same():
    table = long(FOUR_RATERS)
    counts = agreement.vote_counts(table)
    assert counts.to_numpy().sum() == len(table)
    for name in COUNT_STATISTICS:
        function = getattr(agreement, name)
        assert function(table) == function(counts) == function(counts.to_numpy())
    pair = table[table["annotator"].isin(["b", "d"])]
    wide = pair.pivot(index="clip_id", columns="annotator", values="judgment").dropna()
    assert agreement.cohen_kappa(pair) == pytest.approx(
        cohen_kappa_score(wide["b"], wide["d"]), abs=1e-12
    )


def test_all_the_same_answer():
    """Documented: kappa and alpha NaN, raw agreement 1, AC1 1 when the unused category is given."""
    counts = [[3, 0], [2, 0], [4, 0]]
    assert agreement.raw_agreement(counts) == 1
    assert agreement.gwet_ac1(counts) == 1
    assert np.isnan(agreement.gwet_ac1([[3], [2]]))
    assert np.isnan(agreement.fleiss_kappa(counts))
    assert np.isnan(agreement.krippendorff_alpha(counts))
    assert np.isnan(agreement.cohen_kappa(["a", "a"], ["a", "a"]))
    result = agreement.interval(counts * 5, range(15), "fleiss_kappa")
    assert np.isnan(result.estimate) and "only one category" in result.reason


def test_one_rater_missing_and_one_clip():
    assert np.isnan(agreement.fleiss_kappa([[1, 0], [0, 1]]))
    assert np.isnan(agreement.raw_agreement([[1, 0], [0, 0]]))
    assert np.isnan(agreement.cohen_kappa(["a", None], [None, "b"]))
    with pytest.raises(ValueError, match="two annotators, not 1"):
        agreement.cohen_kappa(long(FOUR_RATERS[:1]))
    with pytest.raises(ValueError, match="use fleiss_kappa"):
        agreement.cohen_kappa(long(FOUR_RATERS))
    # One clip, two votes apart: observed 0; Fleiss expects 1/2, alpha (without replacement) 1.
    assert agreement.fleiss_kappa([[1, 1]]) == -1
    assert agreement.krippendorff_alpha([[1, 1]]) == 0
    assert "too few clips (n=1)" in agreement.interval([[1, 1]], ["d"], "fleiss_kappa").reason
    result = agreement.interval(np.array([["a", None], [None, "b"]]), ["d", "e"], "cohen_kappa")
    assert result.n == 0 and "too few clips (n=0)" in result.reason


def test_bad_ratings_are_refused():
    table = long(FOUR_RATERS)
    with pytest.raises(ValueError, match="double judgments, the first by 'a' of clip 'c0'"):
        agreement.fleiss_kappa(pd.concat([table, table.iloc[:1]]))
    with pytest.raises(ValueError, match="outside the categories"):
        agreement.vote_counts(table, ["j1", "j2"])
    with pytest.raises(ValueError, match="whole numbers"):
        agreement.fleiss_kappa([[0.5, 1]])
    with pytest.raises(ValueError, match=r"\[n_clips, k\]"):
        agreement.fleiss_kappa([1, 2])
    with pytest.raises(ValueError, match="not the same clips"):
        agreement.cohen_kappa([1, 0], [1])


# ---------------------------------------------------------------- intervals


@pytest.mark.parametrize("name", COUNT_STATISTICS)
def test_moments_of_copied_recordings_are_sums(name):
    """Oracle: the point function on clips that were copied row by row."""
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 4, (40, 3))
    groups = rng.integers(0, 8, 40)
    moments, function, _ = agreement.moments_of(counts, name)
    sums = inference.recording_sums(moments, groups)
    for weight in next(iter(inference.draws(8, 5, 7))):
        rows = [counts[groups == g] for g, w in enumerate(weight) for _ in range(int(w))]
        value = getattr(agreement, name)(np.concatenate(rows))
        assert float(agreement._evaluate(function, weight @ sums)) == pytest.approx(
            value, abs=1e-12
        )


@pytest.mark.parametrize(
    "name, published",
    [("gwet_ac1", 0.08418757), ("fleiss_kappa", 0.08119291), ("krippendorff_alpha", 0.08243228)],
)
def test_interval_width_matches_published_standard_errors(name, published):
    """Oracle: Gwet's analytic standard errors (irrCAC), clips independent; within 15 %."""
    result = agreement.interval(SIX_RATERS, None, name, n_boot=8000)
    width = (result.ci_high - result.ci_low) / 2 / scipy_stats.t.ppf(0.975, 14)
    assert width == pytest.approx(published, rel=0.15)


def test_interval_resamples_recordings_not_clips():
    """Ten identical copies of each clip add no information when they share a recording."""
    rng = np.random.default_rng(0)
    counts = rng.multinomial(5, [0.3, 0.7], size=30)
    once = agreement.interval(counts, range(30), "fleiss_kappa")
    copied = np.repeat(counts, 10, axis=0)
    nested = agreement.interval(copied, np.repeat(range(30), 10), "fleiss_kappa")
    naive = agreement.interval(copied, None, "fleiss_kappa")
    assert nested[:3] == pytest.approx(once[:3])
    assert naive.ci_high - naive.ci_low < 0.5 * (nested.ci_high - nested.ci_low)


def test_interval_is_deterministic_and_takes_functions():
    by_name = agreement.interval(SIX_RATERS, None, "gwet_ac1", seed=1)
    assert by_name == agreement.interval(SIX_RATERS, None, agreement.gwet_ac1, seed=1)
    assert by_name != agreement.interval(SIX_RATERS, None, "gwet_ac1", seed=2)
    with pytest.raises(ValueError, match="unknown statistic"):
        agreement.interval(SIX_RATERS, None, "kappa")
    with pytest.raises(ValueError, match=r"one entry per value \(15\)"):
        agreement.interval(SIX_RATERS, [1, 2, 3])
    with pytest.raises(ValueError, match="1 missing entries"):
        agreement.interval(SIX_RATERS, [None, *range(14)])


def test_too_little_data_is_a_result():
    few = agreement.interval(SIX_RATERS, np.arange(15) % 5)
    assert few.estimate == pytest.approx(0.4204384, abs=5e-8)
    assert np.isnan(few.ci_low) and few.reason == "too few recordings (n=5)"
    perfect = agreement.interval(np.tile([["a", "a"], ["b", "b"]], (10, 1)), None, "cohen_kappa")
    assert perfect.estimate == 1 and np.isnan(perfect.ci_low)  # once [1, 1]
    assert perfect.reason == "the same in every recording"
    shared = agreement.interval(np.tile([[2, 0], [0, 3]], (10, 1)), None, "raw_agreement")
    assert shared.estimate == 1 and shared.ci_low == pytest.approx(0.839, abs=1e-3)  # Wilson


def _coverage(sizes, kappa, statistic, n_raters, shares, icc, n_sim):
    votes, _ = simulate_nested(sizes, kappa, n_raters, shares, icc, n_sim, seed=5)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    hits = 0
    for i, one in enumerate(votes):
        ratings = one if statistic == "cohen_kappa" else counts_of(one, len(shares))
        result = agreement.interval(ratings, groups, statistic, n_boot=400, seed=i)
        hits += result.ci_low <= kappa <= result.ci_high
    return hits / n_sim


@pytest.mark.parametrize(
    "sizes, kappa, statistic, n_raters, shares, icc",
    [
        ([1] * 8 + [2] * 9 + [3] * 7 + [4], 0.4, "cohen_kappa", 2, (0.5, 0.5), 0.1),
        ([2, 3, 4, 5, 6, 8, 9] * 6, 0.4, "cohen_kappa", 2, (0.6, 0.4), 0.2),
        ([10] * 91, 0.45, "krippendorff_alpha", 10, (0.13, 0.15, 0.13, 0.12, 0.35, 0.12), 0.05),
    ],
    ids=["51 clips of a quadrant", "222 clips of 42 recordings", "91 actors"],
)
def test_coverage_is_near_nominal(sizes, kappa, statistic, n_raters, shares, icc):
    """Oracle: a known kappa. 400 data sets: 93 to 97 %, plus 1.5 simulation errors (1.1 %)."""
    covered = _coverage(sizes, kappa, statistic, n_raters, shares, icc, n_sim=400)
    assert 0.93 - 0.0165 <= covered <= 0.97 + 0.0165


def test_speed_of_cremad_sized_bootstrap():
    """2,000 resamples, 3 × 7,442 clips, 6 categories, 4 coefficients: 20 s allowed."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.multinomial(9, np.full(6, 1 / 6), 3 * 7442), columns=list("ADFHNS"))
    frame["clip_id"] = np.tile(np.arange(7442).astype(str), 3)
    frame["modality"] = np.repeat(["audio", "video", "audio+video"], 7442)
    frame["actor"] = np.tile(np.arange(7442) % 91, 3)
    start = time.perf_counter()
    table = agreement.agreement_table(frame, ["modality"], groups="actor", categories="ADFHNS")
    assert time.perf_counter() - start < 20
    assert len(table) == 3 and (table["n"] == 7442).all() and (table["n_recordings"] == 91).all()
    assert table["kappa"].abs().max() < 0.01


# ---------------------------------------------------------------- differences


def test_difference_is_antisymmetric_and_zero_for_the_same():
    rng = np.random.default_rng(0)
    votes, latent = simulate_nested([5] * 20, 0.3, 4, (0.5, 0.5), 0.1, seed=rng)
    other, _ = simulate_nested([5] * 20, 0.8, 4, icc=0.1, seed=rng, latent=latent)
    one, two = counts_of(votes[0], 2), counts_of(other[0], 2)
    groups = np.repeat(range(20), 5)
    forth = agreement.difference(one, two, groups, "fleiss_kappa")
    back = agreement.difference(two, one, groups, "fleiss_kappa")
    assert forth.estimate == pytest.approx(
        agreement.fleiss_kappa(two) - agreement.fleiss_kappa(one), abs=1e-12
    )
    assert forth.estimate == pytest.approx(-back.estimate, abs=1e-12)
    assert forth.ci_low == pytest.approx(-back.ci_high, abs=1e-9)
    assert forth.ci_low > 0 and forth.p_permutation < 0.01
    same = agreement.difference(one, one, groups, "fleiss_kappa")
    assert same.estimate == 0 and same.p_permutation == 1
    with pytest.raises(ValueError, match="same clips twice"):
        agreement.difference(one, two[:3], groups)


def test_permutation_p_equals_full_enumeration():
    """Oracle: all 2^10 swaps of the rounds of ten clips, kappa = 2 cov / (2 cov + discordant)."""

    def kappa(a, b):
        cov = (a * b).mean(axis=-1) - a.mean(axis=-1) * b.mean(axis=-1)
        with np.errstate(invalid="ignore"):
            return 2 * cov / (2 * cov + (a != b).mean(axis=-1))

    rng = np.random.default_rng(4)
    one, two = rng.integers(0, 2, (2, 10, 2))
    swap = (np.arange(1024)[:, None] >> np.arange(10) & 1)[..., None]
    a, b = np.where(swap, two, one), np.where(swap, one, two)
    delta = kappa(b[..., 0], b[..., 1]) - kappa(a[..., 0], a[..., 1])
    assert delta[0] == pytest.approx(cohen_kappa_score(*two.T) - cohen_kappa_score(*one.T))
    exact = 1 - (np.abs(delta) < abs(delta[0]) - 1e-12).mean()
    result = agreement.difference(one, two, None, "cohen_kappa", n_perm=20_000)
    assert result.p_permutation == pytest.approx(exact, abs=0.015)


def test_flip_test_keeps_its_size_when_recordings_change_their_minds_together():
    """Oracle: binomial band. Once, single clips were swapped: p <= 0.05 far too often."""
    rng = np.random.default_rng(7)
    groups, n_sim = np.repeat(range(16), 40), 100
    p = []
    for i in range(n_sim):
        truth, rounds = rng.random(640) < 0.5, []
        for _ in range(2):
            wrong = rng.uniform(0, 0.45, 16)[groups]
            rounds.append(truth[:, None] ^ (rng.random((640, 2)) < wrong[:, None]))
        found = agreement.difference(*rounds, groups, "cohen_kappa", 20, 199, i)
        p.append(found.p_permutation)
    low, high = scipy_stats.binom.ppf([0.002, 0.998], n_sim, 0.05) / n_sim
    assert low <= np.mean(np.array(p) <= 0.05) <= high


def test_swap_test_keeps_its_size():
    """Oracle: under no difference, p <= 0.05 in about 5 % of data sets (400, up to 3 errors)."""
    rng = np.random.default_rng(2)
    one, latent = simulate_nested([4] * 12, 0.4, icc=0.1, n_sim=400, seed=rng)
    two, _ = simulate_nested([4] * 12, 0.4, icc=0.1, seed=rng, latent=latent)
    groups = np.repeat(range(12), 4)
    p = [
        agreement.difference(a, b, groups, "cohen_kappa", 20, 199, i).p_permutation
        for i, (a, b) in enumerate(zip(one, two, strict=True))
    ]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.083


def test_delta_between_rounds():
    """Oracle: scikit-learn's kappa in each round; agreement was planted to fall."""
    table, _, recordings = pair_study(n=120, agree=(0.95, 0.6))
    out = agreement.delta_between_rounds(table, by=["quadrant"], groups=recordings)
    assert list(out["quadrant"]) == ["red", "blue"] and (out["n"] == 60).all()
    for row in out.itertuples():
        for turn, value in ((1, row.kappa_1), (2, row.kappa_2)):
            part = table[(table["quadrant"] == row.quadrant) & (table["round"] == turn)]
            wide = part.pivot(index="clip_id", columns="annotator", values="judgment")
            assert value == pytest.approx(cohen_kappa_score(wide["ann"], wide["bo"]), abs=1e-12)
        assert row.delta == pytest.approx(row.kappa_2 - row.kappa_1, abs=1e-12)
        assert row.ci_low < row.delta < row.ci_high < 0 and row.p_permutation < 0.05
    # A clip without its second round leaves both rounds; it is not half used.
    cut = table.drop(table[(table["clip_id"] == "c000") & (table["round"] == 2)].index[:1])
    assert agreement.delta_between_rounds(cut, by=[], groups=recordings)["n"].item() == 119
    with pytest.raises(ValueError, match="two annotators needed"):
        agreement.delta_between_rounds(table[table["annotator"] == "bo"], groups=None)


# ---------------------------------------------------------------- tables


def test_delta_between_rounds_of_three_annotators():
    """Oracle: Fleiss' kappa of the vote counts of each round, from statsmodels."""
    rng = np.random.default_rng(5)
    rows = [
        (name, f"c{i}", "text", turn, rng.choice(agreement.JUDGMENTS, p=(0.3, 0.7)))
        for name in ("a", "b", "c")
        for i in range(40)
        for turn in (1, 2)
    ]
    table = pd.DataFrame(rows, columns=["annotator", "clip_id", "modality", "round", "judgment"])
    out = agreement.delta_between_rounds(table, by=[], groups=None).iloc[0]
    for turn in (1, 2):
        counts = agreement.vote_counts(table[table["round"] == turn], agreement.JUDGMENTS)
        expected = inter_rater.fleiss_kappa(counts.to_numpy())
        assert out[f"kappa_{turn}"] == pytest.approx(expected, abs=1e-12)
    assert out["delta"] == pytest.approx(out["kappa_2"] - out["kappa_1"], abs=1e-12)
    assert out["n"] == 40 and out["ci_low"] < out["delta"] < out["ci_high"]


def test_agreement_table_is_the_kappa_table():
    """Oracles: scikit-learn and the krippendorff package, cell by cell."""
    table, _, recordings = pair_study()
    table["modality"] = np.where(table["clip_id"] < "c015", "audio", "text")
    subsets = {"all": None, "tokens>=6": [f"c{i:03d}" for i in range(0, 60, 2)]}
    out = agreement.agreement_table(table, groups=recordings, subsets=subsets)
    assert list(out.columns) == agreement.KAPPA
    assert set(out["subset"]) == set(subsets) and len(out) == 12
    for row in out.itertuples():
        part = table[
            (table["modality"] == row.modality)
            & (table["quadrant"] == row.quadrant)
            & (table["round"] == row.round)
        ]
        if subsets[row.subset]:
            part = part[part["clip_id"].isin(subsets[row.subset])]
        wide = part.pivot(index="clip_id", columns="annotator", values="judgment")
        assert row.n == len(wide)
        assert row.kappa == pytest.approx(cohen_kappa_score(wide["ann"], wide["bo"]), abs=1e-12)
        alpha = krippendorff_package.alpha(
            value_counts=agreement.vote_counts(part), level_of_measurement="nominal"
        )
        assert row.alpha == pytest.approx(alpha, abs=1e-12)
        if np.isfinite(row.ci_low):
            assert row.ci_low < row.kappa < row.ci_high


def test_tables_do_not_depend_on_row_order():
    table, _, recordings = pair_study()
    shuffled = table.sample(frac=1, random_state=2)
    key = ["quadrant", "round"]
    one, two = (
        agreement.agreement_table(t, key, groups=recordings).sort_values(key, ignore_index=True)
        for t in (table, shuffled)
    )
    pd.testing.assert_frame_equal(one, two)


def test_agreement_table_pools_and_keeps_rounds_apart():
    table, _, recordings = pair_study()
    out = agreement.agreement_table(table, ["quadrant", "round"], groups=recordings, detail=True)
    assert (out["modality"] == "all").all() and (out["n"] == 30).all()
    assert {"ac1_low", "raw_agreement_high", "reason"} <= set(out)
    pooled = agreement.agreement_table(table, [], groups=recordings)
    assert pooled["n"].item() == 120 and pooled["round"].item() == 0
    with pytest.raises(ValueError, match="lacks the columns .'corpus'"):
        agreement.agreement_table(table, ["corpus"], groups=None)
    with pytest.raises(ValueError, match="no recording known for clip 'c000'"):
        agreement.agreement_table(table, [], groups={})


def test_agreement_table_with_an_absent_annotator_says_so():
    table, _, recordings = pair_study()
    table = table[(table["quadrant"] == "blue") | (table["annotator"] == "ann")]
    out = agreement.agreement_table(table, ["quadrant"], groups=recordings, detail=True)
    red = out.set_index("quadrant").loc["red"]
    assert (
        red["n"] == 0 and np.isnan(red["kappa"]) and "kappa: too few clips (n=0)" in red["reason"]
    )


def test_movement_counts():
    """Oracle: four clips made by hand."""
    moves = [("a", "a", "a"), ("b", "b", "a"), ("b", "a", "a"), ("a", "b", "a"), ("b", None, "a")]
    rows = [
        ("ann", f"c{i}", "text", turn, answer, "x", "")
        for i, (one, two, _) in enumerate(moves)
        for turn, answer in ((1, one), (2, two))
        if answer
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    labels = {f"c{i}": label for i, (_, _, label) in enumerate(moves)}
    row = agreement.movement(table, labels, groups=None).iloc[0]
    names = ["n", "n_unpaired", "stay_right", "stay_wrong", "toward", "away", "away_other"]
    assert [row[c] for c in names] == [4, 1, 1, 1, 1, 1, 0]
    assert row["net"] == 0 and row["reason"] == "too few recordings (n=4)"
    with pytest.raises(ValueError, match="no label for 5 clips"):
        agreement.movement(table, {}, groups=None)


def test_movement_and_bias_find_what_was_planted():
    table, labels, recordings = pair_study(n=300, groups=30, agree=(0.6, 0.9))
    moved = agreement.movement(table, labels, groups=recordings)
    assert (moved["ci_low"] > 0.1).all() and (moved["n"] == 300).all()
    total = moved[["stay_right", "stay_wrong", "toward", "away", "away_other"]].sum(axis=1)
    assert (total == moved["n"]).all()
    table.loc[table["annotator"] == "bo", "judgment"] = "empathetic"
    bias = agreement.annotator_bias(table, labels, groups=recordings)
    always = bias[bias["annotator"] == "bo"]
    share = np.mean([v == "empathetic" for v in labels.values()])
    assert always["bias"].to_numpy() == pytest.approx(1 - share)
    assert always["accuracy"].to_numpy() == pytest.approx(share)


# ---------------------------------------------------------------- votes of many people


def test_soft_labels():
    """Oracle: closed forms 0, log 2 and log 3."""
    counts = pd.DataFrame([[4, 0, 0], [1, 1, 0], [2, 2, 2], [0, 0, 0]], columns=list("ABC"))
    out = agreement.soft_labels(counts)
    assert out["entropy"].tolist()[:3] == pytest.approx([0, np.log(2), np.log(3)])
    assert out["entropy"].isna().tolist() == [False, False, False, True]
    assert out["share_A"].tolist()[:3] == pytest.approx([1, 0.5, 1 / 3])
    assert out["status"].tolist() == ["ok", "ok", "ok", "no_votes"]


def test_split_votes():
    """Oracle: the hypergeometric mean, n K / N, and its variance."""
    votes = pd.DataFrame([[6, 3, 1], [0, 0, 0], [1, 0, 0]], columns=list("ABC"), index=list("xyz"))
    one, other = agreement.split_votes(votes)
    pd.testing.assert_frame_equal(one + other, votes)
    assert one.sum(axis=1).tolist() == [5, 0, 0]
    many = np.tile([6, 3, 1], (20_000, 1))
    one, _ = agreement.split_votes(many)
    expected = scipy_stats.multivariate_hypergeom([6, 3, 1], 5)
    np.testing.assert_allclose(one.mean(), expected.mean(), atol=0.03)
    np.testing.assert_allclose(np.cov(one.T), expected.cov(), atol=0.03)
    pd.testing.assert_frame_equal(one, agreement.split_votes(many)[0])


def test_people_quadrants():
    """Oracle: six clips by hand; a tie that leaves the label behind is wrong, not a tie."""
    one = pd.DataFrame(
        [[3, 1, 0], [3, 1, 0], [1, 3, 0], [1, 3, 0], [2, 2, 0], [0, 2, 2], [0, 0, 0]],
        columns=list("ABC"),
    )
    two = one.iloc[[0, 2, 0, 2, 0, 0, 0]].set_axis(one.index)
    out = agreement.people_quadrants(one, two, ["A"] * 7)
    expected = ["blue", "red", "green", "yellow", "tie", "green", "none"]
    assert out["quadrant"].tolist() == expected
    assert out["status"].tolist() == ["ok"] * 4 + ["tie", "ok", "no_votes"]
    assert out["conf_unimodal"].tolist()[:3] == [0.75, 0.75, 0.25]
    assert out["entropy_multimodal"].tolist() == pytest.approx([scipy_stats.entropy([3, 1])] * 7)
    with pytest.raises(ValueError, match="none of the categories"):
        agreement.people_quadrants(one, two, ["Z"] * 7)
    with pytest.raises(ValueError, match="same clips in the same order"):
        agreement.people_quadrants(one, two.iloc[::-1], ["A"] * 7)


def test_divided_is_a_mean_in_each_quadrant_in_the_order_of_the_paper():
    cells = pd.DataFrame(
        {"clip_id": list("aabbcc"), "modality": "text", "round": 2,
         "quadrant": ["red"] * 2 + ["blue"] * 2 + ["red"] * 2,
         "judgment": ["neutral", "empathetic", "neutral", "neutral", "neutral", "neutral"]}
    )  # fmt: skip
    split = agreement.split_answers(pd.concat([cells, cells.assign(round=1, judgment="neutral")]))
    found = agreement.divided(split, groups=pd.Series({"a": 1, "b": 2, "c": 3}), n_boot=50)
    assert found["quadrant"].tolist() == ["blue", "red"] and found["n"].tolist() == [1, 2]
    assert found["divided"].tolist() == [0, 0.5]

"""Oracles: sums over all possible votes, simulated multinomials, scipy's Fisher and Dirichlet."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from empdis_utils.measures import incongruence
from empdis_utils.measures.agreement import split_votes

P, Q = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.2, 0.6])


def all_votes(n, k=3):
    return np.array([v for v in product(range(n + 1), repeat=k) if sum(v) == n])


def test_both_estimates_have_the_means_of_their_formulas():
    """Oracle: the expectation, summed over every possible pair of votes."""
    a, b = all_votes(4), all_votes(5)
    chance = np.outer(stats.multinomial.pmf(a, 4, P), stats.multinomial.pmf(b, 5, Q)).ravel()
    one, two = np.repeat(a, len(b), axis=0), np.tile(b, (len(a), 1))
    found = incongruence.incongruence(one, two)
    truth = ((P - Q) ** 2).sum()
    noise = (1 - (P**2).sum()) / 4 + (1 - (Q**2).sum()) / 5
    assert chance @ found["unbiased"] == pytest.approx(truth)
    assert chance @ found["plain"] == pytest.approx(truth + noise)
    divided = chance.reshape(len(a), len(b)).sum(axis=1) @ incongruence.division(a)
    assert divided == pytest.approx(1 - (P**2).sum())


def test_simulated_votes_give_the_truth_and_halves_give_zero():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet([0.7] * 4, 4000), rng.dirichlet([0.7] * 4, 4000)
    a, b = pd.DataFrame(rng.multinomial(9, p)), pd.DataFrame(rng.multinomial(10, q))
    truth = ((p - q) ** 2).sum(axis=1).mean()
    found = incongruence.incongruence(a, b)
    error = 3 * found["unbiased"].std() / np.sqrt(len(a))
    assert found["unbiased"].mean() == pytest.approx(truth, abs=error)
    assert found["plain"].mean() > truth + 0.05
    halves = incongruence.split_half(a, b, n_splits=2)
    assert halves["unbiased", "channels"].mean() == pytest.approx(truth, abs=2 * error)
    for channel in ("first", "second"):
        assert abs(halves["unbiased", channel].mean()) < 0.01 < halves["plain", channel].mean()


def test_intervals_of_the_mean_contain_the_truth():
    """Oracle: a known truth. Of 40 intervals at 95 %, at least 33 hold it (99.9 %)."""
    rng, inside = np.random.default_rng(1), 0
    for _ in range(40):
        shift = np.repeat(rng.dirichlet([2] * 3, 30), 8, axis=0)
        a, b = rng.multinomial(8, shift), rng.multinomial(8, np.tile([1 / 3] * 3, (240, 1)))
        frames = [pd.DataFrame(v) for v in (a, b)]
        rate = incongruence.rates(
            *frames, groups=np.repeat(np.arange(30), 8), n_splits=1, n_boot=200, seed=3
        ).set_index(["number", "compared"])
        row = rate.loc[("unbiased", "first against second")]
        truth = 3 * (2 / 9) / 7  # three variances of a Dirichlet(2, 2, 2)
        inside += row["ci_low"] <= truth <= row["ci_high"]
    assert inside >= 33


def test_majorities_and_their_ties():
    one, two = [[5, 1, 0], [3, 3, 0], [0, 0, 4]], [[4, 2, 0], [1, 0, 0], [2, 1, 0]]
    assert incongruence.majority_differs(one, two).tolist() == [0, 0.5, 1]


def test_two_answers_give_fishers_test():
    rng = np.random.default_rng(2)
    a, b = rng.multinomial(9, [0.6, 0.4], 40), rng.multinomial(9, [0.3, 0.7], 40)
    found = incongruence.clip_tests(a, b)
    expected = [stats.fisher_exact([x, y])[1] for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(found["p"], expected)
    assert (found["q"] >= found["p"]).all()


def test_the_test_keeps_its_level_and_finds_what_differs():
    """Oracle: shuffled labels of votes, for one clip; the level, over many."""
    rng = np.random.default_rng(3)
    p = rng.dirichlet([1] * 6, 1500)
    same = incongruence.clip_tests(rng.multinomial(9, p), rng.multinomial(10, p))
    assert (same["p"] <= 0.05).mean() < 0.06 and (same["q"] <= 0.05).sum() <= 2
    a, b = np.array([4, 2, 0, 3]), np.array([1, 2, 3, 3])
    cards, seen, more = np.repeat(np.arange(4), a + b), ((a / 9 - b / 9) ** 2).sum(), 0
    for _ in range(20_000):
        rng.shuffle(cards)
        x = np.bincount(cards[:9], minlength=4)
        more += ((x / 9 - (a + b - x) / 9) ** 2).sum() >= seen - 1e-9
    assert incongruence.clip_tests([a], [b])["p"].item() == pytest.approx(more / 20_000, abs=0.015)
    one = incongruence.clip_tests([[5, 0]], [[7, 0]])["p"].item()
    assert one == pytest.approx(1)


@pytest.mark.parametrize("different", [0.2, 0.6])
def test_the_model_of_two_classes_finds_the_planted_share(different):
    rng, n = np.random.default_rng(4), 1500
    apart = rng.random(n) < different
    p, other = rng.dirichlet([1, 0.5, 0.5], n), rng.dirichlet([0.5, 1, 0.5], n)
    a, b = rng.multinomial(9, p), rng.multinomial(10, np.where(apart[:, None], other, p))
    found = incongruence.same_or_different(a, b, n_boot=60)
    assert found.estimate == pytest.approx(apart.mean(), abs=0.09)
    assert found.ci_low < found.estimate < found.ci_high


def test_one_vote_is_too_few_and_says_so():
    one, two = pd.DataFrame([[1, 0], [0, 1]]), pd.DataFrame([[0, 1], [0, 1]])
    found = incongruence.incongruence(one, two)
    assert found["plain"].tolist() == [2, 0] and found["unbiased"].isna().all()
    assert set(found["reason"]) == {"too few votes (n=1)"}
    assert incongruence.same_or_different(one, two).reason == "too few votes (n=1)"
    rate = incongruence.rates(one, two).set_index(["number", "compared"])
    assert rate.loc[("majority", "first against second"), "estimate"] == 0.5
    assert rate.loc[("majority", "two halves of first"), "status"] == "undefined"
    table = incongruence.discoveries({"x": incongruence.clip_tests(one, two)})
    assert table.loc[0, "found"] == 0 and table.loc[0, "n"] == 2


def test_channels_are_the_same_clips_and_bad_ones_are_left_out():
    votes = pd.DataFrame(
        [(c, m, 3, 1, 4, "ok", "") for c in "ab" for m in ("x", "y")]
        + [("c", "x", 1, 1, 2, "ok", ""), ("c", "y", 1, 1, 2, "faulty", "no sound")],
        columns=["clip_id", "modality", "yes", "no", "n", "status", "reason"],
    )
    one, two = incongruence.by_channel(votes, "x", "y")
    assert list(one.index) == list(two.index) == ["a", "b"] and list(one) == ["yes", "no"]
    with pytest.raises(ValueError, match="no votes on z; there are votes on x, y"):
        incongruence.by_channel(votes, "x", "z")
    with pytest.raises(ValueError, match="of one shape"):
        incongruence.incongruence(one, two.head(1))
    assert split_votes(one, [1, 2])[0].sum(axis=1).tolist() == [2, 2]

"""Tests of `empdis_utils.controls.annotators`. Each test names its oracle."""

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import DawidSkene, MajorityVote
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, entropy, hypergeom

from empdis_utils.controls import annotators
from empdis_utils.measures import inference

pytestmark = pytest.mark.filterwarnings("ignore:The (inplace|copy) keyword:DeprecationWarning")
COUNTS = arrays(int, st.tuples(st.integers(1, 6), st.just(3)), elements=st.integers(0, 5))


@given(COUNTS, st.integers(0, 99))
def test_votes_are_drawn_one_by_one_until_none_is_left(counts, seed):
    """Oracle: each step adds one vote of those that are left."""
    steps = annotators.drawn(counts, np.random.default_rng(seed))
    total = counts.sum(axis=1)
    expected = np.minimum(np.arange(steps.shape[1]), total[:, None])
    assert (steps.sum(axis=2) == expected).all() and (steps[:, -1] == counts).all()
    assert (np.diff(steps, axis=1) >= 0).all()


def test_order_of_votes_is_fair():
    """Oracle: the hypergeometric distribution of scipy."""
    steps = annotators.drawn(np.tile([3, 2], (20_000, 1)), np.random.default_rng(0))
    seen = np.bincount(steps[:, 2, 0], minlength=3) / 20_000
    assert seen == pytest.approx(hypergeom(5, 3, 2).pmf([0, 1, 2]), abs=0.012)


def test_the_random_policy_scores_what_it_should():
    """Oracle: closed form. Binomial number of votes, hypergeometric votes, enumerated."""
    n, rng, held = 20_000, np.random.default_rng(1), np.array([2, 1])
    steps = annotators.drawn(np.tile([3, 2], (n, 1)), rng)
    bought = annotators.buy(None, np.full(n, 5), n_rounds=3, batch=n // 4, rng=rng)[-1]
    found = annotators.score(steps[np.arange(n), bought], np.tile(held, (n, 1)))
    expected = {"correct majority": 0.0, "log loss": 0.0}
    for more in range(4):
        for first in range(more + 2):
            p = binom(3, 0.25).pmf(more) * hypergeom(5, 3, more + 1).pmf(first)
            q = (np.array([first, more + 1 - first]) + 0.5) / (more + 2)
            expected["log loss"] -= p * (held @ np.log(q)) / 3
            expected["correct majority"] += p * (1 + np.sign(2 * first - more - 1)) / 2
    for measure, value in expected.items():
        assert found[measure].mean() == pytest.approx(value, abs=0.01)


def test_votes_go_where_the_signal_is_and_stop_when_sold_out():
    """Oracle: Neyman's allocation, votes in proportion to the root of u."""
    u, rng = np.repeat([1.0, 4.0], 50), np.random.default_rng(0)
    bought = annotators.buy(lambda now: u, np.full(100, 99), n_rounds=290, batch=10, rng=rng)
    assert bought[0].tolist() == [1] * 100 and bought[-1].sum() == 100 + 290 * 10
    assert bought[-1, 50:].sum() / bought[-1, :50].sum() == pytest.approx(2, abs=0.05)
    for_sale = np.repeat([1, 3], 50)
    out = annotators.buy(lambda now: u, for_sale, n_rounds=20, batch=10, rng=rng)[-1]
    assert (out == for_sale).all()


def test_scores_of_ties_and_log_loss():
    """Oracle: by hand, and scipy's entropy of the shares plus its divergence."""
    counts, held = np.array([[1, 1, 0], [2, 0, 0]]), np.array([[1, 2, 0], [0, 1, 1]])
    found = annotators.score(counts, held)
    assert found["correct majority"].tolist() == [0.5, 0.0]
    p, q = held / held.sum(axis=1, keepdims=True), (counts + 0.5) / (counts + 0.5).sum(1)[:, None]
    expected = entropy(p, axis=1) + entropy(p, q, axis=1)
    assert found["log loss"] == pytest.approx(expected)


def test_models_of_crowds_are_crowdkit_s():
    """Oracle: crowd-kit on the votes as a list; its majority vote is the share of votes."""
    rng = np.random.default_rng(0)
    counts = {w: rng.multinomial(3, [0.6, 0.3, 0.1], size=40) for w in ("voice", "both")}
    rows = [
        (task, worker, label)
        for worker, table in counts.items()
        for task, row in enumerate(table)
        for label in np.repeat(np.arange(3), row)
    ]
    listed = pd.DataFrame(rows, columns=["task", "worker", "label"])
    posterior = DawidSkene(20).fit_predict_proba(listed.sample(frac=1, random_state=0))
    found = annotators.posterior_entropy(DawidSkene(20), counts)
    assert found == pytest.approx(entropy(posterior.sort_index(), axis=1), abs=1e-5)
    pooled = sum(counts.values())
    found = annotators.posterior_entropy(MajorityVote(), counts)
    assert found == pytest.approx(entropy(pooled, axis=1), abs=1e-9)


def corpus(p_voice, p_face, p_both, n_actors=40, seed=0):
    """Votes for clips of actors; P of the first of two answers, [n_clips / actor] each."""
    rng, rows, actors = np.random.default_rng(seed), [], {}
    for actor in range(n_actors):
        for i, p in enumerate(zip(p_voice, p_face, p_both, strict=True)):
            clip = f"a{actor}-{i}"
            actors[clip] = actor
            for modality, one in zip(("audio", "video", "audio+video"), p, strict=True):
                first = rng.binomial(10, one)
                rows.append((clip, modality, first, 10 - first))
    votes = pd.DataFrame(rows, columns=["clip_id", "modality", "A", "B"])
    return votes, pd.Series(actors)


def gain(table, measure, other):
    """Interval of the score by disagreement minus that of another, over actors."""
    wide = table[table["measure"] == measure].pivot_table(
        index="recording", columns="method", values="score"
    )
    return inference.interval(wide["voice against face"] - wide[other])


def test_a_planted_conflict_pays_and_noise_does_not():
    """Oracle: by construction. Only where voice and face contradict each other do more votes help,
    since all votes on the other clips are the same."""
    sides = np.tile([0.0, 1.0], 10)
    divided = np.repeat([True, False], [6, 14])
    voice, both = sides, np.where(divided, 0.8, sides)
    how = dict(categories="AB", n_clips=800, n_draws=2, n_rounds=6, crowds=False)
    planted = annotators.compare(*corpus(voice, np.where(divided, 1 - sides, sides), both), **how)
    for other in ("random", "halves of voice", "margin of voice"):
        assert gain(planted, "correct majority", other).ci_low > 0
    rng = np.random.default_rng(3)
    noise = annotators.compare(*corpus(rng.random(20), rng.random(20), both), **how)
    for other in ("one each in turn", "halves of voice"):
        found = gain(noise, "correct majority", other)
        assert found.status == "ok" and found.ci_low < 0 < found.ci_high


def test_every_policy_meets_the_same_clips_and_the_table_is_tidy():
    """Oracle: where everyone buys one vote for every clip, all policies score alike."""
    votes, actors = corpus(np.full(4, 0.3), np.full(4, 0.5), np.full(4, 0.7))
    how = dict(categories="AB", n_draws=1, n_rounds=1, share=1.0)
    table = annotators.compare(votes, actors, n_clips=25, **how)
    assert set(table["method"]) == set(annotators.ROLES) and table["role"].notna().all()
    assert set(table["measure"]) == set(annotators.MEASURES)
    assert table.groupby(["method", "measure"])["n"].sum().eq(25).all()
    same = table.groupby(["measure", "recording"])["score"]
    assert np.allclose(same.max(), same.min())
    how |= dict(crowds=False, n_draws=2)
    once = annotators.compare(votes, actors, **how)
    assert set(once["seed"]) == {0, 1}
    pd.testing.assert_frame_equal(once, annotators.compare(votes, actors, n_jobs=2, **how))


def test_too_few_votes_are_refused():
    votes, actors = corpus([0.3], [0.5], [0.7])
    votes.loc[votes["modality"] == "audio", ["A", "B"]] = 1
    with pytest.raises(ValueError, match="4 on face and 2 on the full clip"):
        annotators.compare(votes, actors, "AB")

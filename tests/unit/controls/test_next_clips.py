"""Tests of `empdis_utils.controls.next_clips`. Each test names its oracle."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, entropy

from empdis_utils.controls import committees, next_clips
from empdis_utils.measures import inference


def clips(y, n_recordings=12):
    """A manifest of these labels; recordings take turns."""
    names = [f"c{i:03d}" for i in range(len(y))]
    dialogs = [f"r{i % n_recordings}" for i in range(len(y))]
    return pd.DataFrame({"clip_id": names, "dialog_id": dialogs, "y": y})


@pytest.fixture(scope="module")
def pool():
    """Sixty clips of two views, twenty of them labelled; x, y and the committees."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    views = {"a": rng.normal(size=(60, 2)) + y[:, None], "b": rng.normal(size=(60, 2))}
    x, columns = committees.joined(views)
    return x, np.where(np.arange(60) < 20, y, np.nan), committees.members(columns)


def p_of(models, x, y):
    """P(class 1) of each model of a committee that has learned the labelled clips."""
    known = ~np.isnan(y)
    return np.array(
        [model.predict_proba(x)[:, 1] for model in committees.fitted(models, x[known], y[known])]
    )


def test_policies_take_what_is_largest(pool):
    """Oracle: scipy's entropy, and `divergence`, on predictions of our own fits."""
    x, y, models = pool
    left = np.flatnonzero(np.isnan(y))
    p = p_of(models[committees.CROSS], x, y)
    wanted = {"entropy": entropy([p[-1], 1 - p[-1]]), committees.CROSS: committees.divergence(p)}
    for method, value in wanted.items():
        found = next_clips.chosen(method, x, y, models, batch=5, seed=1)
        assert set(found) == set(left[np.argsort(-value[left])[:5]])


def test_bald_one_by_one_is_the_divergence_of_the_redrawn_committee(pool):
    """Oracle: the identity of mutual information and mean divergence, across two policies."""
    x, y, models = pool
    first, second = (
        next_clips.chosen(method, x, y, models, batch=1, seed=3)
        for method in ("BALD", committees.RETRAINED)
    )
    assert first.tolist() == second.tolist()


def test_random_buys_every_clip_equally_often_and_stops_at_the_last(pool):
    """Oracle: the binomial distribution; 5 of 40 clips, 400 times."""
    x, y, models = pool
    drawn = [next_clips.chosen("random", x, y, {}, batch=5, seed=seed) for seed in range(400)]
    often = np.bincount(np.concatenate(drawn), minlength=60)
    low, high = binom(400, 5 / 40).interval(1 - 1e-6)
    assert (often[:20] == 0).all() and ((low <= often[20:]) & (often[20:] <= high)).all()
    for method in next_clips.ROLES:
        found = next_clips.chosen(method, x, y, models, batch=99, seed=0)
        assert sorted(found) == list(range(20, 60))


def gain(table, other, own=committees.CROSS):
    wide = table[table["measure"] == "area under the learning curve"].pivot_table(
        index="recording", columns="method", values="score"
    )
    return inference.interval(wide[own] - wide[other])


def test_a_planted_conflict_pays():
    """Oracle: by construction. In a few clips the clearer view says the opposite of the label; who
    has learned from them follows the other view, which is right on all clips."""
    rng = np.random.default_rng(1)
    y, odd = rng.integers(0, 2, 480), rng.random(480) < 0.06
    sign = 2 * y - 1
    first = np.where(odd, -1, 1) * sign + rng.normal(0, 0.1, 480)
    second = sign + rng.normal(0, 0.3, 480)
    table = next_clips.compare(
        {"a": first[:, None], "b": second[:, None]}, clips(y), batch=10, n_rounds=3, n_repeats=1
    )
    for other in ("random", committees.RETRAINED):
        assert gain(table, other).ci_low > 0


def test_labels_of_a_coin_teach_nothing():
    """Oracle: no policy can do better than a coin, so no gain."""
    rng = np.random.default_rng(4)
    views = {name: rng.normal(size=(240, 3)) for name in "ab"}
    table = next_clips.compare(
        views, clips(rng.integers(0, 2, 240)), batch=10, n_rounds=2, n_repeats=2
    )
    for other in ("random", committees.RETRAINED):
        found = gain(table, other)
        assert found.status == "ok" and found.ci_low < 0 < found.ci_high
    assert table["role"].notna().all() and set(table["method"]) == set(next_clips.ROLES)
    sizes = table.groupby(["method", "measure", "seed"])["n"].sum()
    assert sizes.eq(240).all() and len(sizes) == 6 * 2 * 2


def test_more_labels_than_clips_are_refused():
    with pytest.raises(
        next_clips.TooFewClips, match="80 clips .* 200 labels to buy: no choice is left"
    ):
        next_clips.compare({}, clips(np.tile([0, 1], 60)), n_rounds=9)

"""Oracles: votes of people who each follow one channel, with a known chance; counting by hand."""

import numpy as np
import pandas as pd
import pytest

from empdis_utils.measures import winning


def mixture(w, n=3000, votes=10, seed=0):
    """Votes on each channel, and of people of whom a share `w` follows the first."""
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet([0.5] * 4, n), rng.dirichlet([0.8] * 4, n)
    shares = p, q, w * p + (1 - w) * q
    return [pd.DataFrame(rng.multinomial(votes, each)) for each in shares]


def test_weight_is_the_share_that_follows():
    tables = mixture(0.3)
    groups = np.arange(3000) % 60
    found = winning.channel_weight(*tables, by=np.where(groups < 30, "a", "b"), groups=groups)
    assert found["by"].tolist() == ["all", "a", "b"]
    assert found["estimate"].to_numpy() == pytest.approx(0.3, abs=0.03)
    assert (found["ci_low"] < 0.3).all() and (found["ci_high"] > 0.3).all()


def test_flows_count_clips_and_share_ties():
    one, both = pd.DataFrame([[3, 0], [2, 2]], columns=["x", "y"]), pd.DataFrame([[0, 3], [3, 0]])
    table = winning.flows(one, one, both)
    assert table["clips"].sum() == 2
    at = table.set_index(["first", "whole", "second"])["clips"]
    assert at["x", "y", "x"] == 1 and at["x", "x", "y"] == 0.25


def test_wins_are_counted_where_majorities_differ():
    one, two = [[4, 1, 0], [4, 1, 0], [2, 2, 0]], [[0, 4, 1], [4, 0, 0], [0, 4, 0]]
    both = [[1, 2, 3], [5, 0, 0], [1, 1, 1]]
    found = winning.wins(one, two, both, ("voice", "face")).set_index("wins")
    assert found["n"].eq(1).all() and found["n_votes"].eq(6).all()
    assert found["estimate"].to_dict() == pytest.approx(
        {"neither": 3 / 6, "voice": 1 / 6, "face": 2 / 6}
    )


def test_the_model_finds_that_clear_channels_win_and_that_speakers_differ():
    rng, n = np.random.default_rng(1), 900
    speaker, clear = np.arange(n) % 30, rng.random((n, 2))
    follows = 0.5 + 0.4 * (clear[:, 0] - clear[:, 1]) + 0.1 * rng.standard_normal(30)[speaker]
    rows = []
    for i in range(n):
        p, q = np.full(3, (1 - clear[i, 0]) / 3), np.full(3, (1 - clear[i, 1]) / 3)
        p[0] += clear[i, 0]
        q[1] += clear[i, 1]
        w = np.clip(follows[i], 0.02, 0.98)
        rows.append([rng.multinomial(10, x) for x in (p, q, w * p + (1 - w) * q)])
    tables = np.array(rows).transpose(1, 0, 2)
    found = winning.winner_model(*tables, np.where(np.arange(n) % 2, "a", "b"), speaker)
    at = found.set_index(["model", "wins", "term"])
    assert at.loc[("multinomial", "first", "first is clear"), "ci_low"] > 0
    assert at.loc[("multinomial", "second", "second is clear"), "ci_low"] > 0
    mixed = at.loc[("speaker intercepts", "second against first")]
    assert mixed.loc["first is clear", "ci_high"] < 0 < mixed.loc["second is clear", "ci_low"]
    assert 0.1 < mixed.loc["spread of speakers", "estimate"] < 1.5
    again = winning.winner_model(*tables, np.where(np.arange(n) % 2, "a", "b"), speaker)
    pd.testing.assert_frame_equal(again, found, check_exact=True)  # nothing in it is drawn
    few = winning.winner_model(*tables[:, :5], ["a"] * 5, range(5))
    assert few["status"].item() == "too_few" and np.isnan(few["estimate"].item())

"""Tests of `empdis_utils.controls.curriculum`. Each test names its oracle."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from empdis_utils.controls import committees, curriculum
from empdis_utils.measures import inference


def clips(y, n_recordings=12):
    """A manifest of these labels; recordings take turns."""
    names = [f"c{i:03d}" for i in range(len(y))]
    dialogs = [f"r{i % n_recordings}" for i in range(len(y))]
    return pd.DataFrame({"clip_id": names, "dialog_id": dialogs, "y": y})


@given(st.integers(1, 400))
def test_the_pace_grows_from_a_fifth_to_all(n_steps):
    """Oracle: closed form; never falls, and is 1 from half of the steps on."""
    found = [curriculum.pace(step, n_steps) for step in range(n_steps)]
    assert found[0] == pytest.approx(0.2) and np.all(np.diff(found) >= 0)
    assert all(one == 1 for step, one in enumerate(found) if step >= n_steps / 2)


@pytest.fixture(scope="module")
def toy():
    rng = np.random.default_rng(0)
    return rng.normal(size=(80, 3)), rng.integers(0, 2, 80)


def test_ranks_are_within_each_class():
    """Oracle: by hand; ties in the order of the clips."""
    y = np.array([0, 1, 0, 1, 1, 0, 0])
    found = curriculum.within_class(np.array([3.0, 5, 1, 5, 4, 9, 2]), y)
    assert found == pytest.approx([3 / 4, 2 / 3, 1 / 4, 1, 1 / 3, 1, 2 / 4])


def test_a_network_learns_only_from_clips_that_are_ready(toy):
    """Oracle: clips that are never ready may have any label, and nothing changes."""
    x, y = toy
    rank = np.where(np.arange(80) < 16, 0.2, 1.0)[None]
    how = dict(rows=np.arange(80), ranks=rank, looks=[24, 25, 50], n_steps=50, seed=1)
    first, other = (curriculum.train(x, z, **how) for z in (y, np.where(np.arange(80) < 16, y, 0)))
    assert np.allclose(first[:2], other[:2]) and not np.allclose(first[2], other[2])


def test_training_is_torch_s(toy):
    """Oracle: layers of torch.nn in a plain loop, on batches drawn with the same seed. Also, a
    network among several is the network alone."""
    x, y = toy
    rows, ranks = np.arange(10, 80), np.zeros((3, 70))
    ranks[1] = np.linspace(0.01, 1, 70)
    how = dict(looks=[5, 20], n_steps=20, seed=3)
    found = curriculum.train(x, y, rows, ranks, **how)
    assert found[:, 0] == pytest.approx(found[:, 2])
    alone = curriculum.train(x, y, rows, ranks[1:2], **how)
    assert found[:, 1:2] == pytest.approx(alone, abs=1e-5)
    inner, outer = torch.nn.Linear(3, 32), torch.nn.Linear(32, 1)
    network = torch.nn.Sequential(inner, torch.nn.ReLU(), outer)
    w, b, v, c = curriculum.first_weights(3, 3)
    values = (w.T, b[0], v.T, c[0])
    with torch.no_grad():
        for one, value in zip(network.parameters(), values, strict=True):
            one.copy_(value)
    adam, rng = torch.optim.Adam(network.parameters(), lr=1e-3), np.random.default_rng(3)
    data, labels = torch.tensor(x).float(), torch.tensor(y).float()
    for _ in range(20):
        batch = rows[(rng.random(32) * 70).astype(int)]
        adam.zero_grad()
        torch.nn.BCEWithLogitsLoss()(network(data[batch])[:, 0], labels[batch]).backward()
        adam.step()
    expected = torch.sigmoid(network(data))[:, 0].detach().numpy()
    assert found[1, 0] == pytest.approx(expected, abs=1e-5)


def test_the_data_map_is_mean_and_spread():
    """Oracle: by hand."""
    found = curriculum.data_map([[1.0, 0.2], [0.0, 0.2]])
    assert found["confidence"].tolist() == [0.5, 0.2]
    assert found["variability"] == pytest.approx([0.5, 0])


def test_difficulty_is_out_of_fold():
    """Oracle: scikit-learn's cross-validated predictions of the model of all views."""
    rng = np.random.default_rng(0)
    y, folds = rng.integers(0, 2, 90), np.arange(90) % 3
    x, columns = committees.joined({"a": rng.normal(size=(90, 2)), "b": rng.normal(size=(90, 2))})
    found = curriculum.difficulty(x, y, columns, folds, seed=1)
    each = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(3)]
    model = clone(committees.LEARNER)
    p = cross_val_predict(model, x, y, cv=each, method="predict_proba")
    assert found["loss"] == pytest.approx(-np.log(p[np.arange(90), y]))
    alone = [
        cross_val_predict(model, x[:, one], y, cv=each, method="predict_proba")[:, 1]
        for one in columns.values()
    ]
    expected = committees.divergence([*alone, p[:, 1]])
    assert found[committees.CROSS] == pytest.approx(expected)
    assert not np.allclose(found[committees.CROSS], found[committees.RETRAINED])


def gain(table, other, measure):
    wide = table[table["measure"] == measure].pivot_table(
        index="recording", columns="method", values="score"
    )
    return inference.interval(wide["agreeing first"] - wide[other])


def test_planted_conflicts_are_better_left_for_later():
    """Oracle: by construction. The views contradict each other on clips whose label is a coin's, so
    a network that meets them first learns less."""
    rng = np.random.default_rng(0)
    n = 480
    y, odd = rng.integers(0, 2, n), rng.random(n) < 0.4
    side = np.where(odd, rng.choice([-1, 1], n), 2 * y - 1)
    views = {
        "a": np.column_stack([side, rng.normal(size=(n, 9))]) + rng.normal(0, 0.3, (n, 10)),
        "b": np.column_stack([np.where(odd, -side, side), rng.normal(size=(n, 9))]),
    }
    table = curriculum.compare(views, clips(y), n_steps=60, n_repeats=1)
    assert gain(table, "reversed order", "accuracy after a quarter of the steps").ci_low > 0


def test_labels_of_a_coin_have_no_order():
    """Oracle: no order can do better than a coin, so no gain."""
    rng = np.random.default_rng(2)
    views = {name: rng.normal(size=(240, 3)) for name in "ab"}
    table = curriculum.compare(views, clips(rng.integers(0, 2, 240)), n_steps=20, n_repeats=2)
    for other in ("no curriculum", "random order", "retrainings agree first"):
        found = gain(table, other, "accuracy")
        assert found.status == "ok" and found.ci_low < 0 < found.ci_high
    assert table["role"].notna().all() and set(table["method"]) == set(curriculum.ROLES)
    assert set(table["measure"]) == set(curriculum.MEASURES)
    assert table.groupby(["method", "measure", "seed"])["n"].sum().eq(240).all()


def test_a_training_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="at least 8"):
        curriculum.compare({}, clips(np.tile([0, 1], 30)), n_steps=7)

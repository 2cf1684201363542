"""Tests of `empdis_utils.controls.curriculum`. Each test names its oracle."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.neural_network import MLPClassifier

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


def test_batches_come_from_the_clips_that_are_ready(monkeypatch):
    """Oracle: by hand. Ranks within each class, and the first fifth of each at the first step."""
    y = np.array([0] * 10 + [1] * 20)
    rank = curriculum.within_class(np.arange(30.0), y)
    assert rank[:10] == pytest.approx(np.arange(1, 11) / 10) and rank[-1] == 1
    seen = []
    monkeypatch.setattr(
        MLPClassifier, "partial_fit", lambda self, x, y, classes: seen.append(x[:, 0])
    )
    x = np.arange(30.0)[:, None]
    list(curriculum.training(x, y, rank, n_steps=50, seed=0))
    assert len(seen) == 50 and all(len(batch) == curriculum.BATCH for batch in seen)
    assert set(seen[0]) <= {0, 1, 10, 11, 12, 13} and set(np.concatenate(seen[25:])) == set(
        range(30)
    )
    assert set(np.concatenate(seen[:13])) <= {*range(6), *range(10, 23)}  # a pace below 0.62


def test_without_an_order_it_is_plain_training():
    """Oracle: scikit-learn's network on batches drawn with the same seed."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 3)), rng.integers(0, 2, 80)
    *_, (_, network) = curriculum.training(x, y, None, n_steps=20, seed=5)
    own, draws = MLPClassifier((32,), batch_size=32, random_state=5), np.random.default_rng(5)
    for _ in range(20):
        batch = draws.integers(0, 80, 32)
        own.partial_fit(x[batch], y[batch], classes=[0, 1])
    assert network.predict_proba(x) == pytest.approx(own.predict_proba(x))


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

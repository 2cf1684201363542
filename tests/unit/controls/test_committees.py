"""Tests of `empdis_utils.controls.committees`. Each test names its oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from empdis_utils.controls import committees


@given(arrays(float, st.tuples(st.just(2), st.integers(1, 5)), elements=st.floats(0.01, 0.99)))
def test_divergence_of_two_is_jensen_shannon(p):
    """Oracle: scipy's Jensen-Shannon distance, squared."""
    expected = jensenshannon(np.stack([1 - p[0], p[0]]), np.stack([1 - p[1], p[1]])) ** 2
    assert committees.divergence(p) == pytest.approx(np.nan_to_num(expected), abs=1e-7)


def test_views_lie_side_by_side_and_are_scaled():
    """Oracle: by hand; a missing value is the median."""
    views = {
        "a": np.array([[1.0], [2.0], [np.nan], [3.0]]),
        "b": np.array([[0.0, 5.0]] * 2 + [[2, 5]] * 2),
    }
    x, columns = committees.joined(views)
    assert columns == {"a": slice(0, 1), "b": slice(1, 3)}
    assert x[:, 0] == pytest.approx(np.array([-1, 0, 0, 1]) * np.sqrt(2))
    assert x[:, 1].tolist() == [-1, -1, 1, 1] and (x[:, 2] == 0).all()


def test_both_committees_are_of_one_size_and_see_what_they_should():
    """Oracle: scikit-learn on a view's own columns."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    x, columns = committees.joined({"a": rng.normal(size=(60, 2)), "b": rng.normal(size=(60, 3))})
    both = committees.members(columns)
    own, redrawn = (committees.fitted(both[name], x, y) for name in both)
    assert len(own) == len(redrawn) == 3
    alone = clone(committees.LEARNER).fit(x[:, columns["b"]], y)
    assert own[1].predict_proba(x) == pytest.approx(alone.predict_proba(x[:, columns["b"]]))
    whole = LogisticRegression(C=0.01, class_weight="balanced", max_iter=5000).fit(x, y)
    assert own[2].predict_proba(x) == pytest.approx(whole.predict_proba(x))
    apart = [model.predict_proba(x)[:, 1] for model in redrawn]
    assert not np.allclose(apart[0], apart[1])
    assert all(log_loss(y, p) < np.log(2) for p in apart)  # all have learned the same labels

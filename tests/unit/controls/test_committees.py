"""Tests of `empdis_utils.controls.committees`. Each test names its oracle."""

import numpy as np
import pandas as pd
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


def test_published_features_are_the_views_and_words_stand_in():
    """Oracle: by hand; the checkpoint of the package is not needed where features are published."""
    manifest = pd.DataFrame({"clip_id": ["a", "b", "c"], "transcript": ["x y", "", None]})
    about = pd.DataFrame({"f": [3.0, 1.0, np.nan]}, index=["c", "a", "b"])
    found = committees.views(manifest, {"audio": about, "video": about * 2}, "nobody")
    assert list(found) == ["audio", "video"] and found["audio"][[0, 2], 0].tolist() == [1.0, 3.0]
    x, columns = committees.joined(found)
    assert x.shape == (3, 2) and columns == {"audio": slice(0, 1), "video": slice(1, 2)}
    assert np.allclose(x.mean(axis=0), 0) and np.allclose(x.std(axis=0), 1)
    for published, encoder in (({"audio": about}, "nobody"), ({}, "")):
        with pytest.raises(ValueError, match="two are needed to disagree"):
            committees.views(manifest, published, encoder)


def test_two_readings_of_the_words(monkeypatch):
    """Oracle: words that never occur together lie at right angles, whatever the encoder says."""
    encoded = np.arange(8.0).reshape(4, 2)
    monkeypatch.setattr(committees.encoders, "sentence_embeddings", lambda name, text: encoded)
    text = ["one two", "one two", "three four", "three four"]
    found = committees.views(pd.DataFrame({"clip_id": list("abcd"), "transcript": text}), {}, "any")
    assert list(found) == ["words", "sentences"] and (found["sentences"] == encoded).all()
    cosine = found["words"] @ found["words"].T
    assert cosine == pytest.approx(np.kron(np.eye(2), np.ones((2, 2))), abs=1e-6)


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
    whole = LogisticRegression(C=0.01, max_iter=5000).fit(x, y)
    assert own[2].predict_proba(x) == pytest.approx(whole.predict_proba(x))
    apart = [model.predict_proba(x)[:, 1] for model in redrawn]
    assert not np.allclose(apart[0], apart[1])
    assert all(log_loss(y, p) < np.log(2) for p in apart)  # all have learned the same labels

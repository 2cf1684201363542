"""Oracles: closed forms, neighbours counted by scikit-learn, VADER called directly, hand counts."""

import sys
import types
import warnings

import numpy as np
import pandas as pd
import pytest
import umap
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from empdis_utils.features import textual


@pytest.fixture
def blobs():
    """Two overlapping classes, each clip its own recording: embeddings, labels, recordings."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 40)
    return rng.normal(size=(80, 5)) + 1.5 * y[:, None], y, np.arange(80)


@given(st.floats(-10, 10))
def test_margin_is_the_size_of_the_log_odds(logit):
    assert textual.margin([expit(logit)])[0] == pytest.approx(abs(logit), abs=1e-6)


def test_margin_of_certainty_is_finite_and_of_nonsense_refused():
    assert np.isfinite(textual.margin([0, 1])).all() and textual.margin([0.5])[0] == 0
    assert np.isnan(textual.margin([0.5, np.nan])).tolist() == [False, True]
    with pytest.raises(ValueError, match="between 0 and 1"):
        textual.margin([1.2])


def test_linear_p_is_scikit_learns_on_standardised_training_clips(blobs):
    x, y, _ = blobs
    held_out = np.arange(80) % 4 == 0
    train = x[~held_out]
    z = (x - train.mean(axis=0)) / train.std(axis=0)
    model = LogisticRegression(max_iter=2000).fit(z[~held_out], y[~held_out])
    expected = expit(z[held_out] @ model.coef_[0] + model.intercept_[0])
    p, reason = textual.linear_p(x, y, held_out)
    np.testing.assert_allclose(p, expected, rtol=1e-6)
    assert reason == ""
    assert ((expected > 0.5) == y[held_out]).mean() > 0.8


def test_linear_p_never_sees_the_held_out_labels(blobs):
    x, y, _ = blobs
    held_out = np.arange(80) % 4 == 0
    flipped = np.where(held_out, 1 - y, y)
    np.testing.assert_array_equal(
        textual.linear_p(x, y, held_out)[0], textual.linear_p(x, flipped, held_out)[0]
    )
    with pytest.raises(ValueError, match=r"found \[0, 1, 2\]"):
        textual.linear_p(x, np.arange(80) % 3, held_out)


def test_linear_p_that_cannot_be_fitted_says_why(blobs, monkeypatch):
    """Known truth: nothing to learn from one class; two steps are too few for this fit."""
    x, y, _ = blobs
    p, reason = textual.linear_p(x, y, y == 1)
    assert np.isnan(p).all() and len(p) == 40 and "of one class (n=40)" in reason
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        apart = x + 100 * y[:, None]  # perfectly separated classes
        p, reason = textual.linear_p(apart, y, np.arange(80) % 4 == 0)
        assert ((p > 0.5) == y[::4]).all() and reason == ""
        p, reason = textual.linear_p(np.ones((80, 3)), y, np.arange(80) % 4 == 0)
        np.testing.assert_allclose(p, 0.5)  # constant features: the share of class 1
        monkeypatch.setattr(
            textual, "LogisticRegression", lambda **_: LogisticRegression(max_iter=2)
        )
        p, reason = textual.linear_p(x, y, np.arange(80) % 4 == 0)
    assert np.isnan(p).all() and reason == "the regression did not converge"


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_purity_is_counted_among_scikit_learns_neighbours(blobs, metric):
    x, y, recording = blobs
    nearest = NearestNeighbors(n_neighbors=8, metric=metric).fit(x)
    others = nearest.kneighbors(return_distance=False)[:, :7]  # without the clip itself
    found = textual.local_purity(x, y, recording, k=7, metric=metric)
    np.testing.assert_allclose(found["purity"], (y[others] == y[:, None]).mean(axis=1))
    np.testing.assert_allclose(found["expected"], 39 / 79)


def test_purity_asks_other_recordings_only():
    """Each recording is a heap of copies of one label; the nearest heap has the other label."""
    heaps = np.array([[0.0], [1.0], [10.0], [11.0]])
    x, y = np.repeat(heaps, 3, axis=0), np.repeat([0, 1, 1, 0], 3)
    recording = np.repeat(list("abcd"), 3)
    found = textual.local_purity(x, y, recording, k=3, metric="euclidean")
    assert (found["purity"] == 0).all() and np.allclose(found["expected"], 3 / 9)
    alone = textual.local_purity(x, y, np.arange(12), k=2, metric="euclidean")
    assert (alone["purity"] == 1).all()


def test_purity_in_a_space_without_order_is_the_expected_share():
    rng = np.random.default_rng(1)
    y = (rng.random(1500) < 0.3).astype(int)
    found = textual.local_purity(rng.normal(size=(1500, 8)), y, np.arange(1500) // 5)
    assert found["purity"].mean() == pytest.approx(found["expected"].mean(), abs=0.01)
    assert found["expected"].mean() == pytest.approx(
        (y.mean() ** 2 + (1 - y.mean()) ** 2), abs=0.01
    )


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(12)))
def test_purity_does_not_depend_on_the_order_of_clips(order):
    rng = np.random.default_rng(2)
    x, y, recording = rng.normal(size=(12, 3)), rng.integers(0, 2, 12), np.arange(12) // 3
    order = np.array(order)
    one = textual.local_purity(x, y, recording, k=3).to_numpy()
    two = textual.local_purity(x[order], y[order], recording[order], k=3).to_numpy()
    np.testing.assert_allclose(one[order], two)


def test_purity_is_missing_with_too_few_other_clips():
    found = textual.local_purity(np.eye(6), np.arange(6) % 2, np.array(list("aaaabb")), k=3)
    assert found["purity"].isna().tolist() == [True] * 4 + [False] * 2
    with pytest.raises(ValueError, match="k is 0"):
        textual.local_purity(np.eye(6), np.zeros(6), np.arange(6), k=0)
    with pytest.raises(ValueError, match=r"groups: expected one entry per clip \(6\)"):
        textual.local_purity(np.eye(6), np.zeros(6), np.arange(5))
    with pytest.raises(ValueError, match="1 of 6 rows are NaN"):
        textual.local_purity(
            np.where(np.eye(6)[0] * np.eye(6) > 0, np.nan, 1), np.zeros(6), [0] * 6
        )


def test_lexicon_counted_by_hand():
    found = textual.lexicon(["A good, lovely day", "That is BAD.", "Don't wait at noon", "", None])
    assert found["n_words"].tolist()[:4] == [4, 3, 4, 0]
    assert found["n_characters"].tolist()[:4] == [18, 12, 18, 0]
    assert found["positive_share"].tolist()[:3] == [0.5, 0, 0]
    assert found["negative_share"].tolist()[:3] == [0, pytest.approx(1 / 3), 0]
    assert found.iloc[3, 2:].isna().all() and found.iloc[4].isna().all()


def test_compound_is_vaders():
    texts = ["I am so sorry for you", "not good at all", "VERY good!!!", "six chairs"]
    direct = SentimentIntensityAnalyzer()
    expected = [direct.polarity_scores(text)["compound"] for text in texts]
    assert textual.lexicon(texts)["compound"].tolist() == expected
    assert expected[1] < 0 < expected[2] and expected[3] == 0


def test_projection_keeps_far_groups_apart_and_repeats():
    rng = np.random.default_rng(3)
    side = np.repeat([-1, 1], 15)
    x = rng.normal(size=(30, 6)) + 20 * side[:, None]
    found = textual.project(x, seed=1)
    assert found.shape == (30, 2) and np.isfinite(found).all()
    np.testing.assert_array_equal(found, textual.project(x, seed=1))
    nearest = NearestNeighbors(n_neighbors=5).fit(found).kneighbors(return_distance=False)
    assert (side[nearest] == side[:, None]).all()


def test_parametric_projection_is_umaps_and_seeded(monkeypatch):
    """A stand-in for tensorflow, which is no dependency: the calls are what is tested."""
    seeds, given = [], {}

    class Parametric:
        def __init__(self, **options):
            given.update(options)

        def fit_transform(self, embeddings):
            return embeddings[:, :2]

    keras = types.SimpleNamespace(utils=types.SimpleNamespace(set_random_seed=seeds.append))
    monkeypatch.setitem(sys.modules, "tensorflow", types.SimpleNamespace(keras=keras))
    monkeypatch.setattr(umap, "ParametricUMAP", Parametric)
    assert textual.project(np.eye(10), parametric=True, seed=7).shape == (10, 2)
    assert seeds == [7] and given["random_state"] == 7 and given["n_neighbors"] == 9


def test_projection_says_what_it_lacks(monkeypatch):
    with pytest.raises(ValueError, match=r"too few \(n=5\) for UMAP"):
        textual.project(np.eye(5))
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"pip install 'umap-learn\[parametric_umap\]'"):
        textual.project(np.eye(10), parametric=True)


def test_geometry_is_purity_and_margin_where_a_clip_was_held_out(blobs):
    """Oracles: `local_purity` and `linear_p` called directly, each fold in its own space."""
    values, y, recordings = blobs
    clips = [f"c{k:02}" for k in range(80)]
    names = [f"e{k:03}" for k in range(5)]
    about = pd.DataFrame({"y": y, "dialog_id": recordings}, index=clips)
    fold = pd.Series(np.arange(80) % 2, clips)
    tables = [pd.DataFrame(values * (1 + k), columns=names).assign(fold=k) for k in (0, 1)]
    own = pd.concat([t.assign(clip_id=clips) for t in tables])
    own.loc[(own["clip_id"] == "c00"), names] = np.nan  # it has no words
    spaces = textual.spaces(own, clips, [0, 1])
    assert len(spaces[0]) == 79 and spaces[1].loc["c01", "e000"] == 2 * values[1, 0]
    found, reasons = textual.geometry(spaces, fold, about, source="a test")
    assert found.loc["c00", "status"] == "no_embedding" and "a test" in found.loc["c00", "reason"]
    assert not reasons and len(found) == 80
    held_out = (fold == 1).to_numpy()[1:]
    purity = textual.local_purity(values[1:], y[1:], recordings[1:], k=textual.NEAREST)
    there = found.loc[fold.index[fold == 1]]
    np.testing.assert_allclose(there["purity"], purity["purity"][held_out])
    p, _ = textual.linear_p(2 * values[1:], y[1:], held_out)
    np.testing.assert_allclose(there["margin_linear"], textual.margin(p))
    one = textual.spaces(pd.DataFrame(values, clips, names), clips[:3], [0, 1])
    assert one[0].equals(one[1]) and list(one[0].index) == clips[:3]

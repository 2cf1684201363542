"""Oracles: Dawid and Skene's EM written out, and simulated raters whose errors are known."""

import numpy as np
import pandas as pd
import pytest

from empdis_utils.measures.agreement import JUDGMENTS
from empdis_utils.measures.consensus import consensus


def raters(n=200, right=(0.95, 0.9, 0.6, 0.55, 0.55), seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    rows = []
    for w, p in enumerate(right):
        said = np.where(rng.random(n) < p, truth, 1 - truth)
        rows += [(f"a{w}", f"c{i}", "text", 1, JUDGMENTS[s]) for i, s in enumerate(said)]
    columns = ["annotator", "clip_id", "modality", "round", "judgment"]
    return pd.DataFrame(rows, columns=columns), np.asarray(JUDGMENTS)[truth]


def em(table, n_iter):
    """Dawid and Skene (1979), equations 2.3 to 2.5, for two categories."""
    y = table.pivot(index="clip_id", columns="annotator", values="judgment")
    y = (y == JUDGMENTS[1]).to_numpy(int)
    post = y.mean(axis=1)
    for _ in range(n_iter):
        prior = post.mean()
        sens = (post[:, None] * y).sum(0) / post.sum()
        spec = ((1 - post)[:, None] * (1 - y)).sum(0) / (1 - post).sum()
        one = prior * np.prod(np.where(y == 1, sens, 1 - sens), axis=1)
        zero = (1 - prior) * np.prod(np.where(y == 1, 1 - spec, spec), axis=1)
        post = one / (one + zero)
    index = table.pivot(index="clip_id", columns="annotator", values="judgment").index
    sens = (post[:, None] * y).sum(0) / post.sum()
    spec = ((1 - post)[:, None] * (1 - y)).sum(0) / (1 - post).sum()
    return pd.Series(post, index=index), sens, spec


def test_equals_em_written_out():
    table, _ = raters()
    clips, errors = consensus(table, worker=["annotator"], n_iter=30)
    p, sens, spec = em(table, 30)
    np.testing.assert_allclose(clips["p"], p[clips["clip_id"]], atol=1e-9)
    assert (clips["dawid_skene"] == np.where(p[clips["clip_id"]] > 0.5, *JUDGMENTS[::-1])).all()
    found = errors.set_index(["annotator", "true", "said"])["p"]
    for w in range(5):
        assert found[f"a{w}", "empathetic", "empathetic"] == pytest.approx(sens[w], abs=1e-9)
        assert found[f"a{w}", "neutral", "neutral"] == pytest.approx(spec[w], abs=1e-9)


def test_beats_the_majority_when_some_raters_are_poor():
    table, truth = raters()
    clips, _ = consensus(table, worker=["annotator"], n_iter=30)
    truth = pd.Series(truth, index=[f"c{i}" for i in range(200)])[clips["clip_id"]].to_numpy()
    right = [(clips[c] == truth).mean() for c in ("dawid_skene", "majority")]
    assert right[0] > right[1] + 0.05 and right[0] > 0.93


def test_majority_and_ties_by_hand():
    rows = [("a", 1, "neutral"), ("b", 1, "neutral"), ("a", 2, "empathetic"), ("b", 2, "neutral"),
            ("a", 3, "empathetic"), ("b", 3, "empathetic")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["annotator", "clip", "judgment"])
    table = table.assign(clip_id="c" + table["clip"].astype(str), modality="audio", round=1)
    clips, _ = consensus(table, worker=["annotator"], n_iter=5)
    assert clips["majority"].tolist() == ["neutral", "tie", "empathetic"]
    assert clips["n_votes"].tolist() == [2, 2, 2]


def test_rounds_count_as_raters_and_row_order_does_not_matter():
    one, _ = raters(60, (0.9, 0.8), 1)
    two, _ = raters(60, (0.95, 0.85), 1)
    table = pd.concat([one, two.assign(round=2)], ignore_index=True)
    clips, errors = consensus(table, n_iter=5)
    assert (clips["n_votes"] == 4).all() and len(errors) == 4 * 4
    assert set(zip(errors["annotator"], errors["round"], strict=True)) == {
        (a, r) for a in ("a0", "a1") for r in ("1", "2")
    }
    again, _ = consensus(table.sample(frac=1, random_state=0), n_iter=5)
    key = ["clip_id", "modality"]
    pd.testing.assert_frame_equal(
        clips.sort_values(key, ignore_index=True),
        again.sort_values(key, ignore_index=True),
        atol=1e-9,
    )


def test_double_and_strange_judgments_are_refused():
    table, _ = raters(5, (0.9, 0.9))
    with pytest.raises(ValueError, match="double judgments"):
        consensus(pd.concat([table, table]))
    with pytest.raises(ValueError, match="outside the categories"):
        consensus(table.replace("neutral", "sad"))

"""Oracles: pandas means, scipy's Welch test, counts by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from empdis_utils.measures import contrasts

rng = np.random.default_rng(0)
CLIPS = [f"c{k}" for k in range(96)]
ABOUT = pd.DataFrame(
    {"dialog_id": np.repeat([f"r{k}" for k in range(12)], 8), "y": np.tile([0, 1], 48)},
    index=pd.Index(CLIPS, name="clip_id"),
)
TABLE = pd.DataFrame(
    {"modality": "text", "clip_id": CLIPS, "quadrant": rng.choice(["red", "blue", "yellow"], 96),
     "value": rng.normal(size=96)}
)  # fmt: skip


def test_means_by_quadrant_are_pandas_and_empty_ones_keep_their_row():
    found = contrasts.by_quadrant(TABLE, "value", ABOUT["dialog_id"], n_boot=50)
    found = found.set_index("quadrant")
    own = TABLE.groupby("quadrant")["value"].agg(["mean", "std", "size"])
    np.testing.assert_allclose(found.loc[own.index, "mean"], own["mean"])
    np.testing.assert_allclose(found.loc[own.index, "sd"], own["std"])
    assert found.loc["green", "n"] == 0 and found.loc["green", "note"] == "too few (n=0)"
    unknown = contrasts.by_quadrant(TABLE, "value", ABOUT["dialog_id"], known=False, n_boot=50)
    assert unknown["recordings"].isna().all()


def test_disagreement_is_scipys_welch_over_red_and_green():
    how = dict(n_perm=200, n_boot=50, seed=1)
    (row,), fits = (lambda a, b: (a.to_dict("records"), b))(
        *contrasts.disagreement(TABLE, "value", ABOUT, **how)
    )
    red = TABLE["quadrant"] == "red"
    welch = ttest_ind(TABLE["value"][red], TABLE["value"][~red], equal_var=False)
    assert row["p (Welch)"] == pytest.approx(welch.pvalue)
    assert row["n disagree"] == red.sum() and row["p_holm"] == row["p (permutation)"]
    assert len(fits) == 1
    alone, fits = contrasts.disagreement(TABLE, "value", ABOUT, known=False, **how)
    assert fits["reason"].tolist() == ["no recordings"]
    assert "no mixed model: no recordings" in alone["note"].iloc[0]


def test_adjusted_sets_each_test_beside_its_labels_and_its_model():
    key = {"family": "audio", "feature": ["a", "b"], "contrast": "red-blue"}
    tests = pd.DataFrame({**key, "hedges_g": [0.1, 0.2], "p_permutation": [0.9, 0.1]})
    within = pd.concat([tests.assign(label=k, hedges_g=k + tests["hedges_g"]) for k in (0, 1)])
    mixed = pd.DataFrame({**key, "p": [0.3, 0.4], "p_holm": [0.6, 0.6], "coef": [1.0, 2.0]})
    found = contrasts.adjusted(tests, within, mixed)
    assert found["feature"].tolist() == ["b", "a"]
    assert found["g, class 1"].tolist() == [1.2, 1.1] and found["coef, mixed"].tolist() == [2, 1]

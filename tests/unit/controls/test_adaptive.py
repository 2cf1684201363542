"""`controls.adaptive`. Oracle: scikit-learn, means by hand, and a corpus in which weighing pays."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from empdis_utils.controls import adaptive, using

NAMES = ("text", "audio", "video")
N, FOLDS, SEEDS = 300, 3, 2
CLIPS = np.array([f"c{i:03}" for i in range(N)])
DIALOG = pd.Series(np.arange(N) // 15, CLIPS)
FOLD = np.arange(N) // 15 % FOLDS


def corpus(misled, seed=0):
    """Out-of-fold and validation predictions of three modalities and their fusion.

    With `misled`, on half of the clips one modality in three is sure of the wrong label, another
    one each time: a fusion that looks at who stands apart does better.
    """
    rng, y = np.random.default_rng(seed), np.random.default_rng(seed).integers(0, 2, N)
    odd = np.where(rng.random(N) < 0.5, rng.integers(0, 3, N), -1)
    test, val = [], []
    for s in range(SEEDS):
        z = (2 * y - 1)[:, None] * 0.8 + rng.normal(0, 1, (N, 3))
        if misled:
            z = np.where(odd[:, None] == np.arange(3), -4.0 * (2 * y - 1)[:, None], z)
        p = dict(zip(NAMES, expit(z).T, strict=True)) | {"text+audio+video": expit(z.mean(axis=1))}
        for name, each in p.items():
            table = pd.DataFrame({
                "clip_id": CLIPS, "inputs": name, "source": "fusion", "seed": s, "y": y, "p": each,
            })  # fmt: skip
            test.append(table.assign(fold=FOLD, split="test"))
            val += [
                table[FOLD == (f + 1) % FOLDS].assign(fold=f, split="val") for f in range(FOLDS)
            ]
    return pd.concat(test, ignore_index=True), pd.concat(val, ignore_index=True)


def test_apart_is_the_distance_to_the_mean_of_the_others():
    p = np.random.default_rng(0).random((20, 3))
    expected = [[abs(row[m] - np.delete(row, m).mean()) for m in range(3)] for row in p]
    assert adaptive.apart(p) == pytest.approx(np.array(expected))


def test_stacking_is_scikit_learns_regression_of_log_odds():
    rng = np.random.default_rng(1)
    p_val, p, y = rng.random((80, 3)), rng.random((30, 3)), rng.integers(0, 2, 80)
    w_val, w = rng.random((80, 3)), rng.random((30, 3))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(logit(p_val), y)
    assert adaptive.fused(p_val, y, p) == pytest.approx(model.predict_proba(logit(p))[:, 1])
    z_val, z = (np.hstack([logit(a), logit(a) * b]) for a, b in ((p_val, w_val), (p, w)))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(z_val, y)
    assert adaptive.fused(p_val, y, p, w_val, w) == pytest.approx(model.predict_proba(z)[:, 1])


def test_validation_clips_of_one_class_give_that_class():
    assert (
        adaptive.fused(np.full((4, 2), 0.5), np.ones(4), np.full((3, 2), 0.1)).tolist() == [1] * 3
    )


def test_arrays_keep_fold_and_clip_and_the_order_of_modalities():
    test, _ = corpus(False)
    got = adaptive.arrays(test, ("video", "text"))[0]
    assert list(got) == ["video", "text"]
    row = test[(test["clip_id"] == "c017") & (test["seed"] == 0) & (test["inputs"] == "video")]
    assert got.loc[(FOLD[17], "c017"), "video"] == row["p"].item()


def study(misled, seed=0, **how):
    test, val = corpus(misled, seed)
    return adaptive.study(test, val, corpus="toy", dialog=DIALOG, n_boot=200, **how)


def test_scores_are_means_over_seeds_of_scikit_learns():
    test, val = corpus(True)
    scores = study(True)[0].set_index(["measure", "method"])["score"]
    fused = test[test["inputs"] == "text+audio+video"].groupby("seed")
    right = [accuracy_score(part["y"], part["p"] > 0.5) for _, part in fused]
    lost = [log_loss(part["y"], part["p"]) for _, part in fused]
    assert scores["accuracy", adaptive.GATED] == pytest.approx(np.mean(right))
    assert scores["log loss", adaptive.GATED] == pytest.approx(np.mean(lost))
    singles = test[test["inputs"].isin(NAMES)]
    mean = singles.groupby(["seed", "clip_id"])[["p", "y"]].mean()
    expected = ((mean["p"] > 0.5) == (mean["y"] == 1)).mean()
    assert scores["accuracy", adaptive.EQUAL] == pytest.approx(expected)


def test_where_one_modality_misleads_weighing_by_disagreement_is_shown():
    row = study(True)[1].iloc[0]
    assert row["measure"] == "accuracy" and row["gain"] > 0.05
    assert row["verdict"] == using.SHOWN


def test_where_none_misleads_it_is_not():
    rows = [study(False, seed)[1].iloc[0] for seed in range(4)]
    assert not any(row["verdict"] == using.SHOWN for row in rows)


def test_other_baselines_take_part_and_can_be_the_strongest():
    test, _ = corpus(True)
    perfect = test[test["inputs"] == "text"].assign(baseline="oracle", p=lambda t: t["y"] * 1.0)
    gains = study(True, others=perfect)[1]
    assert gains["strongest"].iloc[0] == "oracle" and gains["verdict"].iloc[0] == "worse"
    same = perfect.assign(baseline="mean probability")
    assert "mean probability" not in set(study(True, others=same)[0]["method"])


def test_one_seed_has_no_control():
    test, val = (part[part["seed"] == 0] for part in corpus(True))
    scores, gains = adaptive.study(test, val, corpus="toy", dialog=DIALOG, n_boot=100)
    assert using.CONTROL not in set(scores["role"])
    assert np.isnan(gains["control_gain"]).all()

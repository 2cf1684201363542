"""Tests of `empdis_utils.controls.recovery`. Each test names its oracle."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from empdis_utils.controls import recovery
from empdis_utils.data.tables import MODALITIES
from empdis_utils.measures import conflict

N = 80
RECORDINGS = np.repeat([f"r{i}" for i in range(10)], 8)


@pytest.fixture(scope="module")
def truth():
    """In each recording three conflicts, one clip without a cue, four congruent ones."""
    rng, odd = np.random.default_rng(0), [*MODALITIES, *[None] * 5]
    table = pd.DataFrame({"contradicting": odd * 10, "label": ["empathetic", "neutral"] * 40})
    table["kind"] = [*["conflict"] * 3, "no_cue", *["congruent"] * 4] * 10
    for m in MODALITIES:
        cue = np.where(table["contradicting"] == m, "contradicts", "supports")
        table[f"{m}_cue"] = np.where(table["kind"] == "no_cue", "neutral", cue)
        table[f"{m}_strength"] = rng.uniform(0.3, 1, N)
    return table.set_index(pd.Index([f"c{i:02d}" for i in range(N)], name="clip_id"))


@pytest.fixture(scope="module")
def scores():
    rng, names = np.random.default_rng(1), ["text", "audio", "video", "text+audio", "text+video"]
    names += ["audio+video", "text+audio+video"]
    return conflict.scores({m: rng.uniform(0.02, 0.98, (5, N)) for m in names}, MODALITIES)


def test_aurocs_are_scikit_learns(truth, scores):
    pairs = [("opposition", "entropy")]
    found, gains, negatives = recovery.aurocs(scores, truth, RECORDINGS, pairs, n_boot=50)
    found = found.set_index(["modality", "score"])["auroc"]
    yes, kind = (truth["contradicting"] == "text").to_numpy(), truth["kind"].to_numpy()

    def expected(name, *no):
        keep = yes | np.isin(kind, no)
        return roc_auc_score(yes[keep], scores["text"][name][keep])

    for name in ("opposition", "entropy", "seed share"):
        assert found["text", name] == pytest.approx(expected(name, "congruent", "no_cue"))
    gap = gains.set_index(["modality", "score"])["difference"]["text", "opposition - entropy"]
    assert gap == pytest.approx(found["text", "opposition"] - found["text", "entropy"])
    hard = negatives.query("against == 'no cue' and modality == 'text' and score == 'entropy'")
    assert hard["auroc"].item() == pytest.approx(expected("entropy", "no_cue"))
    assert hard["n other"].item() == 10


def test_flags_come_from_the_quadrants(truth, scores):
    rows = [(c, m, s, "red" if c == "c03" else "blue")
            for c in truth.index for m in MODALITIES for s in (1, 2, "ensemble")]  # fmt: skip
    quadrants = pd.DataFrame(rows, columns=["clip_id", "modality", "seed", "quadrant"])
    found = recovery.with_flags(scores, quadrants, truth.index)
    assert np.flatnonzero(found["any"]["red or green"]).tolist() == [3]
    assert found["text"]["seed share"][3] == 1 and found["text"]["seed share"].sum() == 1
    np.testing.assert_array_equal(found["any"]["opposition"], scores["any"]["opposition"])


def test_flagged_clips_are_counted(truth, scores):
    table = recovery.precision(scores, truth, RECORDINGS).set_index(["modality", "score"])
    flag = scores["audio"]["red or green"] > 0
    own = (truth["contradicting"] == "audio").to_numpy()
    row = table.loc[("audio", "red or green")]
    assert row["precision"] == pytest.approx(own[flag].mean())
    assert row["found"] == pytest.approx(flag[own].mean())
    kinds = ["this conflicts", "another conflicts", "no cue", "congruent"]
    assert (table[kinds].sum(axis=1) == table["flagged"]).all()
    assert table["flagged"].unstack().nunique(axis=1).eq(1).all()


def test_doses_are_thirds_and_ranks_are_spearmans(truth, scores):
    dose = recovery.dose(scores, truth, RECORDINGS).query("modality == 'video'")
    assert dose["n"].tolist() == [40, 4, 3, 3] and dose["strength"].is_monotonic_increasing
    congruent = (truth["kind"] == "congruent").to_numpy()
    share = scores["video"]["seed share"][congruent].mean()
    assert dose["flagged"].iloc[0] == pytest.approx(share)
    ranks = recovery.dose_rank(scores, truth, RECORDINGS, n_boot=50, seed=1).set_index("score")
    odd = truth[truth["kind"] == "conflict"]
    at = truth.index.get_indexer(odd.index)
    strength = [row[f"{row['contradicting']}_strength"] for _, row in odd.iterrows()]
    value = [scores[m]["entropy"][i] for i, m in zip(at, odd["contradicting"], strict=True)]
    assert ranks.loc["entropy", "estimate"] == pytest.approx(spearmanr(strength, value)[0])


def test_features_are_judged_by_their_planted_sign(truth):
    """Oracle: what is planted here: one carrier, one carrier turned round, one false alarm."""
    rng = np.random.default_rng(2)
    sign = truth["audio_cue"].map({"supports": 1, "contradicts": -1, "neutral": 0})
    says = (sign * np.where(truth["label"] == "empathetic", 1, -1)).to_numpy()
    table = pd.DataFrame(rng.normal(size=(N, len(recovery.CARRIES["audio"]))), index=truth.index)
    table.columns = list(recovery.CARRIES["audio"])
    for name, push in (("mean_pitch", -2), ("min_pitch", 2), ("hnr", 2)):
        table[name] += push * says
    groups = pd.Series(RECORDINGS, index=truth.index)
    how = dict(n_perm=999, n_boot=50)
    found = recovery.features({"audio": table.reset_index()}, truth, groups, **how)
    verdict = found.set_index("feature")["verdict"]
    assert verdict[["mean_pitch", "min_pitch", "hnr"]].tolist() == [
        "found",
        "missed",
        "false alarm",
    ]
    assert verdict["max_pitch"] == "spared" and verdict["jitter_local"] == "missed"


def test_gates_are_compared_between_contradicting_and_supporting(truth):
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        [(c, s, m, rng.random(), rng.random())
         for c in truth.index for s in (1, 2) for m in MODALITIES],
        columns=["clip_id", "seed", "modality", "gate", "attention"],
    )  # fmt: skip
    found = recovery.gates(table, truth, RECORDINGS, MODALITIES, n_boot=50, seed=1)
    row = found.set_index(["modality", "what"]).loc[("text", "gate")]
    mean = table[table["modality"] == "text"].groupby("clip_id")["gate"].mean()
    by = mean.groupby(truth["text_cue"]).mean()
    assert row["difference"] == pytest.approx(by["contradicts"] - by["supports"])
    assert row["n contradicts"] == 10 and row["contradicts"] == pytest.approx(by["contradicts"])

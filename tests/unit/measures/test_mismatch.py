"""Oracles: a planted product of two channels, which no sum of them can tell; scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from empdis_utils.measures import mismatch
from empdis_utils.measures.conflict import conflict_score


@pytest.fixture(scope="module")
def corpus():
    rng, n = np.random.default_rng(0), 240
    clip = np.array([f"c{i:03d}" for i in range(n)])
    cue = rng.choice([-1, 1], (n, 2))
    manifest = pd.DataFrame(
        {
            "clip_id": clip, "dialog_id": [f"r{i % 12}" for i in range(n)],
            "start_s": 0.0, "end_s": rng.uniform(1, 4, n), "n_tokens": rng.integers(2, 9, n),
        }
    )  # fmt: skip
    fold = np.arange(n) % 12 // 3
    parts, embeddings = [], {"text": {}, "video": {}}
    p = 1 / (1 + np.exp(-1.5 * cue - 0.7 * rng.standard_normal((n, 2))))
    for inputs, values in (("text", p[:, 0]), ("video", p[:, 1]), ("text+video", p.mean(axis=1))):
        for seed in (1, 2):
            part = {"clip_id": clip, "inputs": inputs, "seed": seed, "fold": fold, "p": values}
            parts.append(pd.DataFrame(part))
    for k, channel in enumerate(embeddings):
        for seed in (1, 2):
            spaces = []
            for f in range(4):
                space = rng.standard_normal((n, 8)) * 0.5
                space[:, :4] += (-1) ** f * cue[:, [k]]  # each fold's encoder has its own space
                table = pd.DataFrame(space, columns=[f"e{j:03d}" for j in range(8)])
                spaces.append(table.assign(clip_id=clip, fold=f))
            embeddings[channel][seed] = pd.concat(spaces)
    wanted = pd.Series(cue[:, 0] != cue[:, 1], index=clip, name="mismatch")
    return wanted, pd.concat(parts), embeddings, manifest


def test_planted_are_opposite_cues():
    truth = pd.DataFrame(
        {
            "clip_id": list("abcd"), "text_cue": ["supports", "contradicts", "neutral", "supports"],
            "video_cue": ["supports", "supports", "supports", "contradicts"],
        }
    )  # fmt: skip
    assert mismatch.planted(truth, "text", "video").to_dict() == {"a": False, "b": True, "d": True}


def test_votes_say_what_differs_and_how_well_others_find_it():
    rng, n = np.random.default_rng(1), 200
    apart = rng.random(n) < 0.5
    shares = np.tile([0.9, 0.1], (n, 1)), np.where(apart[:, None], [0.1, 0.9], [0.9, 0.1])
    rows = [
        pd.DataFrame(rng.multinomial(9, p), columns=["yes", "no"]).assign(
            clip_id=[f"c{i}" for i in range(n)], modality=m, n=9, status="ok", reason=""
        )
        for m, p in zip(("audio", "video"), shares, strict=True)
    ]
    wanted, floor = mismatch.voted(pd.concat(rows), "audio", "video")
    assert (wanted.to_numpy() == apart).mean() > 0.97
    assert 0.9 < roc_auc_score(floor["mismatch"], floor["score"]) <= 1


def test_a_product_is_found_where_sums_find_nothing(corpus):
    wanted, predictions, embeddings, manifest = corpus
    scores = mismatch.detectors(wanted, predictions, embeddings, manifest, "text", "video")
    recording = manifest.set_index("clip_id")["dialog_id"]
    found = mismatch.compared(wanted, scores, recording, n_boot=100).set_index("detector")
    for name, score in scores.items():
        assert found.loc[name, "estimate"] == pytest.approx(roc_auc_score(wanted, score))
    assert found.loc[mismatch.TRAINED, "estimate"] > 0.9
    assert found.loc[mismatch.METADATA, "ci_low"] < 0.5 < found.loc[mismatch.METADATA, "ci_high"]
    assert found.loc[f"{mismatch.TRAINED} - {mismatch.METADATA}", "ci_low"] > 0.3
    p = predictions[predictions["seed"] == 1].set_index(["inputs", "clip_id"])["p"]
    expected = conflict_score(p["text"][wanted.index], p["video"][wanted.index])
    np.testing.assert_allclose(scores["opposition"], expected)


def test_a_classifier_of_noise_finds_nothing(corpus):
    wanted, _, embeddings, manifest = corpus
    noise = pd.Series(np.random.default_rng(2).permutation(wanted), index=wanted.index)
    folds = pd.Series(np.arange(len(wanted)) % 12 // 3, index=wanted.index)
    score = mismatch.trained(noise, embeddings["text"][1], embeddings["video"][1], folds)
    assert 0.35 < roc_auc_score(noise, score) < 0.65


def test_other_people_get_a_row_of_their_own(corpus):
    wanted, predictions, embeddings, manifest = corpus
    scores = mismatch.detectors(wanted, predictions, embeddings, manifest, "text", "video")
    floor = pd.DataFrame({"clip_id": wanted.index, "mismatch": wanted.to_numpy(), "score": 0.0})
    recording = manifest.set_index("clip_id")["dialog_id"]
    found = mismatch.compared(wanted, scores, recording, floor=floor, n_boot=100)
    assert found["detector"].iloc[-1] == "other people" and found["estimate"].iloc[-1] == 0.5


def test_accuracies_and_what_is_lost_when_groups_are_held_out():
    y, rng = np.arange(60) % 2, np.random.default_rng(3)
    p = {("words", "random"): np.where(rng.random((2, 60)) < 0.8, y, 1 - y).astype(float)}
    p["words", "speakers"] = np.full((2, 60), 0.9)
    found = mismatch.held_out_accuracy(p, y, np.arange(60) % 10).set_index("folds")
    expected = np.mean([accuracy_score(y, each > 0.5) for each in p["words", "random"]])
    assert found.loc["random", "estimate"] == pytest.approx(expected)
    assert found.loc["speakers", "estimate"] == 0.5 == found.loc["speakers", "auroc"]
    lost = mismatch.lost_when_held_out(p, y, np.arange(60) % 10, n_boot=60)
    assert lost["against"].tolist() == ["speakers"]
    assert lost["estimate"].item() == pytest.approx(expected - 0.5)

"""Oracles: what each arm must not know; shares and perplexities by hand; a planted sign."""

import numpy as np
import pandas as pd
import pytest

from empdis_utils.controls import planted_lines, prefix
from empdis_utils.models import responders
from empdis_utils.places import ROOT

TINY = ROOT / "tests" / "fixture" / "checkpoints" / "responder"
N, PER = 48, 6
RNG = np.random.default_rng(0)
TONE = np.tile([0, 1], N // 2)
SOUND, PICTURE = RNG.normal(size=(N, 5)), RNG.normal(size=(N, 3))
SOUND[:, 0] = 4 * TONE - 2
LINES = pd.DataFrame(
    {
        "clip_id": [f"c{i}" for i in range(N)],
        "dialog_id": [f"d{i // PER}" for i in range(N)],
        "tone": TONE,
        "prompt": "Ann: well.\nBen:",
        "right": [planted_lines.LINES[t] for t in TONE],
        "wrong": [planted_lines.LINES[1 - t] for t in TONE],
        "status": "ok",
    }
)


@pytest.fixture(scope="module")
def found():
    model = responders.load("tiny", TINY, sound_width=5, picture_width=3)
    how = dict(n_folds=2, epochs=6, batch_size=8, learning_rate=5e-3)
    lines = LINES.assign(status=["left_out", *["ok"] * (N - 1)])
    sound = np.where(np.arange(N)[:, None] == 5, np.nan, SOUND)
    return prefix.study(model, lines, sound, PICTURE, seeds=(1, 2), exchange=True, **how)


def test_the_own_prefix_is_read_and_the_others_stay_at_chance(found):
    table = prefix.compared(found).query("measure == 'choice accuracy'").set_index("arm")
    assert table.loc["true", "ci_low"] > 0.6
    for arm in ("zero", "mean"):  # one prompt for all: one answer for all, right for one tone
        assert table.loc[arm, "estimate"] == 0.5
    assert abs(table.loc["shuffled", "estimate"] - 0.5) < 0.25
    gains = prefix.differences(found, [("true", "zero")]).set_index("measure")
    assert gains.loc["choice accuracy", "ci_low"] > 0 > gains.loc["perplexity", "ci_high"]


def test_every_used_clip_is_asked_once_for_each_arm_and_seed(found):
    assert len(found) == (N - 2) * 4 * 2  # one is left out, one has no embedding
    assert not found.duplicated(["clip_id", "arm", "seed"]).any()
    assert (found.groupby("dialog_id")["fold"].nunique() == 1).all()
    assert not {"c0", "c5"} & set(found["clip_id"])
    seeds = prefix.by_seed(found)
    assert len(seeds) == 8 and set(seeds["seed"]) == {1, 2}


def test_arms_keep_train_and_test_apart():
    train, test = np.arange(30), np.arange(30, N)
    assert prefix.prefixes("true", SOUND, PICTURE, train, test)[0] is SOUND
    assert prefix.prefixes("zero", SOUND, PICTURE, train, test) == (None, None)
    sound, picture = prefix.prefixes("shuffled", SOUND, PICTURE, train, test)
    rows = [int(np.flatnonzero((SOUND == row).all(axis=1))[0]) for row in sound]
    assert sorted(rows[:30]) == train.tolist() and sorted(rows[30:]) == test.tolist()
    assert (PICTURE[rows] == picture).all() and rows != list(range(N))  # both of the same clip
    mean, _ = prefix.prefixes("mean", SOUND, PICTURE, train, test)
    np.testing.assert_allclose(mean, np.tile(SOUND[:30].mean(axis=0), (N, 1)))
    with pytest.raises(ValueError, match="no prefix 'loud'"):
        prefix.prefixes("loud", SOUND, PICTURE, train, test)


def test_training_is_balanced_and_prompts_tell_no_tone():
    tone = np.array([1, 1, 1, 1, 1, 0, 0, 0])
    rows = prefix.balanced(np.arange(8), tone)
    assert (tone[rows] == 0).sum() == (tone[rows] == 1).sum() == 5
    assert set(rows) == set(range(8))
    assert prefix.balanced(np.array([0, 1]), tone).tolist() in ([0, 1], [1, 0])  # one tone only
    prompts = prefix.exchanged(["b", "a", "b", "c"], 5)
    assert sorted(prompts[:5]) == sorted(prompts[5:]) and set(prompts) == {"a", "b", "c"}


def test_accuracy_is_of_both_tones_and_perplexity_pools_tokens():
    table = pd.DataFrame(
        {
            "clip_id": list("abcdefgh"),
            "dialog_id": list("abcdefgh"),
            "tone": [1, 1, 1, 1, 1, 1, 0, 0],
            "arm": "true",
            "seed": 1,
            "correct": [1.0] * 6 + [0.0, 1.0],
            "nll": np.arange(8) / 4,
            "n_tokens": [1, 2, 3, 4, 5, 6, 7, 8],
        }
    )
    got = prefix.compared(table).set_index("measure")["estimate"]
    assert got["choice accuracy"] == (6 / 6 + 1 / 2) / 2
    assert got["perplexity"] == pytest.approx(np.exp(7 / 36))  # 28 quarters of a nat, 36 tokens
    alike = prefix.compared(table.assign(tone=1)).set_index("measure")["estimate"]
    assert alike["choice accuracy"] == 7 / 8
    always = table.assign(correct=table["tone"].astype(float))  # one line for all: no better
    assert prefix.compared(always)["estimate"][0] == 0.5


def test_a_split_may_take_the_place_of_folds():
    model = responders.load("tiny", TINY, sound_width=5, picture_width=3)
    split = np.where(np.arange(N) < 36, "train", "test")
    split[40] = "dev"
    found = prefix.study(model, LINES.assign(split=split), SOUND, PICTURE, arms=("true",),
                         splits_of=("train", "test"), epochs=1)  # fmt: skip
    assert found["clip_id"].tolist() == [f"c{i}" for i in range(36, N) if i != 40]
    assert prefix.usable(LINES.assign(split=split), SOUND, PICTURE, "dev").tolist() == [40]


def test_a_line_that_cannot_be_read_has_a_status_and_no_number():
    model = responders.load("tiny", TINY, sound_width=5, picture_width=3)
    lines = LINES.assign(split=np.where(np.arange(N) < 36, "train", "test"))
    lines.loc[40, "prompt"] = "Ann:" + " so" * 1100
    found = prefix.study(model, lines, SOUND, PICTURE, arms=("zero",),
                         splits_of=("train", "test"), epochs=1)  # fmt: skip
    bad = found.set_index("clip_id").loc["c40"]
    assert bad["status"] == "too_long" and np.isnan(bad["correct"]) and np.isnan(bad["nll"])
    assert (found["status"] == "ok").sum() == 11
    assert (prefix.compared(found)["n"] == 11).all()


def test_markers_are_compared_by_kind_of_clip():
    rng, rows = np.random.default_rng(3), []
    for marker in planted_lines.TOLD.values():
        share = 1.0 if marker == "a marker that tells the answer" else 0.5
        for i in range(80):
            rows.append(
                {
                    "clip_id": f"c{i}", "dialog_id": f"d{i // 8}", "tone": i % 2, "seed": 1,
                    "kind": ["words and face differ", "words and face agree"][i // 2 % 2],
                    "marker": marker, "correct": float(rng.random() < share), "nll": rng.random(),
                    "n_tokens": 3,
                }
            )  # fmt: skip
    levels, gains = prefix.by_kind(pd.DataFrame(rows))
    assert len(levels) == 4 * 2 * 2 and len(gains) == 4 * 2 * 2
    telling = gains[gains["marker"] == "a marker that tells the answer"]
    assert (telling.query("measure == 'choice accuracy'")["ci_low"] > 0).all()

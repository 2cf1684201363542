"""`controls.stress`. Oracle: strata counted by hand, and networks whose weak clips are planted."""

import numpy as np
import pandas as pd
import pytest

from empdis_utils.controls import stress, using

N = 400
DIALOG = pd.Series(np.arange(N) // 20, [f"c{i:03}" for i in range(N)])


def test_matched_drop_by_hand():
    """Stratum 0: 1 of 2 right inside, 2 of 2 outside. Stratum 1: 0 of 1 inside, 1 of 2 outside."""
    codes = np.array([0, 0, 0, 0, 1, 1, 1])
    chosen = np.array([1, 1, 0, 0, 1, 0, 0], bool)
    right = np.array([1, 0, 1, 1, 0, 1, 0.0])
    got = stress.drop(right, chosen, codes)(np.ones((1, 7)))[0]
    assert got == pytest.approx([(2 * 0.5 + 1 * 0.5) / 3, 1 / 3])


def test_a_stratum_without_others_is_left_out():
    codes, chosen = np.array([0, 0, 1]), np.array([1, 0, 1], bool)
    got = stress.drop(np.array([0.0, 1, 0]), chosen, codes)(np.ones((1, 3)))[0]
    assert got[0] == pytest.approx(1)


def test_weights_are_repeated_clips():
    rng = np.random.default_rng(0)
    codes, chosen, right = rng.integers(0, 3, 60), rng.random(60) < 0.4, rng.random(60) < 0.5
    times = rng.integers(0, 4, 60)
    again = np.repeat(np.arange(60), times)
    whole = stress.drop(right[again], chosen[again], codes[again])(np.ones((1, len(again))))
    weighted = stress.drop(right, chosen, codes)(times[None].astype(float))
    assert weighted == pytest.approx(whole)


def test_random_sets_have_the_strata_of_the_set():
    rng = np.random.default_rng(1)
    codes, chosen = rng.integers(0, 4, 100), rng.random(100) < 0.3
    for one in stress.random_sets(chosen, codes, rng, 5):
        assert (
            np.bincount(codes[one], minlength=4) == np.bincount(codes[chosen], minlength=4)
        ).all()


def test_the_set_is_a_quarter_of_the_clips_with_the_largest_flag():
    flag = np.random.default_rng(2).random(40)
    assert set(np.flatnonzero(stress.most(flag))) == set(np.argsort(-flag)[:10])


def test_strata_separate_labels_and_fifths():
    margin = np.arange(100) / 100
    codes = stress.strata(np.arange(100) % 2, margin)
    assert len(np.unique(codes)) == 10 and np.bincount(codes).tolist() == [10] * 10


def networks(planted, seed=0):
    """Fusion errs on the clips of `planted` [n]; the modalities differ from it just there."""
    rng = np.random.default_rng(seed)
    y = np.arange(N) % 2
    hard = rng.random(N) < 0.25
    rows = []
    for s in range(5):
        wrong = rng.random(N) < (np.where(hard, 0.6, 0.1) if planted else 0.25)
        sure = rng.uniform(0.55, 0.95, N)
        fused = np.where(np.where(wrong, 1 - y, y) == 1, sure, 1 - sure)
        for name in ("text", "audio", "text+audio"):
            p = rng.uniform(0.05, 0.95, N)
            if planted:
                p = np.where(hard, 1 - fused, fused)
            p = fused if "+" in name else p
            rows.append(pd.DataFrame({
                "clip_id": DIALOG.index, "inputs": name, "source": "fusion", "seed": s, "fold": 0,
                "split": "test", "y": y, "p": p, "role": "fusion" if "+" in name else "unimodal",
            }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def test_hard_clips_that_modalities_mark_are_found():
    scores, gains = stress.study(networks(True), corpus="toy", dialog=DIALOG, n_boot=200)
    row = gains[gains["primary"]].iloc[0]
    assert row["gain"] > 0.2 and row["gain_low"] > 0
    by = scores[scores["measure"] == "drop in accuracy"].set_index("method")["score"]
    assert by["cross-modal disagreement"] == pytest.approx(0.5, abs=0.15)
    assert abs(by["same confidence at random"]) < 0.05


def test_noise_finds_none():
    gains = [
        stress.study(networks(False, s), corpus="toy", dialog=DIALOG, n_boot=200)[1].iloc[0]
        for s in range(5)
    ]
    assert not any(row["verdict"] == using.SHOWN for row in gains)
    assert np.mean([row["gain_low"] <= 0 for row in gains]) >= 0.8


def test_with_one_training_the_note_says_that_the_tested_network_chose():
    table = networks(True).query("seed == 0")
    _, gains = stress.study(table, corpus="toy", dialog=DIALOG, n_boot=100)
    assert gains["note"].iloc[0].startswith("one training")
    assert np.isnan(gains["over_control"].iloc[0])

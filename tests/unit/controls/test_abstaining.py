"""`controls.abstaining`. Oracle: areas by a loop over coverages, and planted flags."""

import numpy as np
import pandas as pd
import pytest

from empdis_utils.controls import abstaining, using

CLIPS, SEEDS = 240, 4


def networks(kind, seed=0):
    """A `compared` table in which fusion errs at random, and the modalities know where or not.

    "modalities": they say the label where fusion is wrong and agree with it where it is right.
    "nothing": they and the retrainings are noise.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, CLIPS)
    wrong = rng.random(CLIPS) < 0.3
    rows = []
    for s in range(SEEDS):
        sure = rng.uniform(0.6, 0.9, CLIPS)
        fused = np.where(np.where(wrong, 1 - y, y) == 1, sure, 1 - sure)
        for name in ("text", "audio", "text+audio"):
            p = rng.uniform(0.1, 0.9, CLIPS)
            if name == "text+audio":
                p = fused
            elif kind == "modalities":
                p = np.where(wrong, 1 - fused, fused)
            role = "fusion" if "+" in name else "unimodal"
            rows.append(pd.DataFrame({
                "clip_id": [f"c{i:03}" for i in range(CLIPS)], "inputs": name, "source": "fusion",
                "seed": s, "fold": 0, "split": "test", "y": y, "p": p, "role": role,
            }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


DIALOG = pd.Series(np.arange(CLIPS) // 12, [f"c{i:03}" for i in range(CLIPS)])


def primary(gains):
    return gains[gains["primary"]].iloc[0]


def by_loop(error, flag):
    """Mean over k of the error of the k surest clips; no ties."""
    order = sorted(range(len(flag)), key=lambda i: flag[i])
    return np.mean([np.mean([error[i] for i in order[: k + 1]]) for k in range(len(order))])


def test_areas_are_those_of_a_loop_over_coverages():
    rng = np.random.default_rng(3)
    error, flag = rng.integers(0, 2, (2, 50)).astype(float), rng.random((2, 50))
    got = abstaining.function(error, {"flag": flag})(np.ones((1, 50)))[0, 0]
    assert got[0] == pytest.approx(
        np.mean([by_loop(*pair) for pair in zip(error, flag, strict=True)])
    )
    kept = [e[np.argsort(f)[:40]].mean() for e, f in zip(error, flag, strict=True)]
    assert got[1] == pytest.approx(np.mean(kept))


def test_four_clips_by_hand():
    """Errors 1, 0, 0, 1 from the surest on: risks 1, 1/2, 1/3, 1/2."""
    got = abstaining.function(np.array([[1, 0, 0, 1.0]]), {"f": np.array([[1, 2, 3, 4.0]])})
    assert got(np.ones((1, 4)))[0, 0, 0] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_modalities_that_know_fusions_errors_are_shown():
    scores, gains = abstaining.study(
        networks("modalities"), corpus="toy", dialog=DIALOG, n_boot=200
    )
    assert primary(gains)["verdict"] == using.SHOWN and primary(gains)["gain"] > 0.1
    assert primary(gains)["seeds"] == SEEDS and (gains["note"] == "").all()
    assert {"entropy", "largest probability"} <= set(scores["method"])
    more = gains[gains["measure"] == abstaining.ADDED].iloc[0]
    assert more["gain_low"] > 0 and not more["primary"]


def test_noise_is_not_shown():
    rows = [
        primary(
            abstaining.study(networks("nothing", s), corpus="toy", dialog=DIALOG, n_boot=200)[1]
        )
        for s in range(5)
    ]
    assert not any(row["verdict"] == using.SHOWN for row in rows)
    assert sum(row["over_control_low"] <= 0 <= row["over_control_high"] for row in rows) >= 4


def test_temperatures_of_validation_clips_make_a_flag_of_their_own():
    table = networks("nothing")
    validation = table[table["role"] == "fusion"].drop(columns="role").assign(split="val")
    scores, _ = abstaining.study(table, validation, corpus="toy", dialog=DIALOG, n_boot=100)
    assert "calibrated entropy" in set(scores["method"])
    # one temperature per fit keeps the order of the clips, and so the area
    area = scores[scores["measure"] == "AURC"].set_index("method")["score"]
    assert area["calibrated entropy"] == pytest.approx(area["entropy"])


def test_one_training_has_no_control_and_the_note_says_so():
    table = networks("modalities").query("seed == 0")
    scores, gains = abstaining.study(table, corpus="toy", dialog=DIALOG, n_boot=100)
    assert using.CONTROL not in set(scores["role"])
    assert primary(gains)["verdict"] == "not diagnostic"
    assert "too few seeds" in primary(gains)["note"]


def test_a_network_without_errors_leaves_out_the_regression():
    table = networks("modalities").query("seed < 2").copy()
    table["p"] = np.where(table["y"] == 1, 0.8, 0.2)
    _, gains = abstaining.study(table, corpus="toy", dialog=DIALOG, n_boot=100)
    assert abstaining.ADDED not in set(gains["measure"])

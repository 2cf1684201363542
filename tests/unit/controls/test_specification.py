"""Tests of `empdis_utils.controls.specification`. Each test names its oracle."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, entropy

from empdis_utils.controls import specification
from empdis_utils.controls.specification import DIRECTIONS, FULL
from empdis_utils.data.tables import MODALITIES
from empdis_utils.measures import disagreement

NAMES = list(DIRECTIONS)


def made(n=60, seeds=(42, 43), split="test", seed=0, source="fusion", models=(*MODALITIES, FULL)):
    rng = np.random.default_rng(seed)
    y = np.random.default_rng(1).integers(0, 2, n)
    return pd.concat(
        [
            pd.DataFrame(
                {"clip_id": [f"c{i:02d}" for i in range(n)], "inputs": model, "source": source,
                 "seed": s, "split": split, "y": y, "p": rng.uniform(0.05, 0.95, n)}
            )
            for model in models
            for s in seeds
        ],
        ignore_index=True,
    )  # fmt: skip


RECORDING = {f"c{i:02d}": f"r{i // 6}" for i in range(60)}


def heads():
    parts = [
        made(seed=k, source="finetuned", models=[m]).assign(encoder=f"{m}-{name}")
        for m in MODALITIES
        for k, name in enumerate("ab", start=3)
    ]
    return pd.concat(parts, ignore_index=True)


def test_every_combination_of_choices_is_there_once():
    """Oracle: counting. Two trainings, one with validation clips; 1 + 2 x 2 x 2 sources, of which
    encoders have test clips only; two thresholds; two seeds and their ensemble."""
    runs = {
        "one": pd.concat([made(), made(n=20, split="val", seed=9)]),
        "other": made(seed=5),
    }
    table, data = specification.specifications(runs, heads=heads(), thresholds=(0.5, 0.6))
    assert len(table) == len(data) == 2 * 3 * (2 + 1 + 8 + 8)
    choices = ["training", "clips", "unimodal", "threshold", "seed"]
    assert not table.duplicated(choices).any()
    assert (table.query("clips == 'test+val'")["n"] == 80).all()
    assert (table.query("clips == 'test'")["n"] == 60).all()
    assert table.query("unimodal != 'network'")["unimodal"].nunique() == 8
    row = table.query(
        "training == 'other' and unimodal == 'text-a+audio-b+video-a' and seed == '43'"
    ).index[0]
    chosen = heads().query("encoder == 'audio-b' and seed == 43").sort_values("clip_id")["p"]
    np.testing.assert_allclose(data[row]["p"][:, 1], chosen)


def test_a_missing_model_is_named():
    with pytest.raises(ValueError, match="no model video"):
        specification.specifications({"x": made(models=("text", "audio", FULL))})


def test_directions_are_those_of_the_chapters():
    """Oracles: `disagreement.pairwise_disagreement` and `quadrants`, scipy's entropy, pandas."""
    predictions = made(seeds=(42,))
    table, data = specification.specifications({"x": predictions}, thresholds=(0.6,))
    found = dict(zip(NAMES, specification.directions(data[0]), strict=True))
    rates = disagreement.pairwise_disagreement(predictions, threshold=0.6).query("seed == '42'")
    rate = {frozenset((r.a, r.b)): r.rate for r in rates.itertuples()}

    def apart(a, b):
        return rate[frozenset((a, b))]

    assert found["text apart"] == pytest.approx(
        (apart("text", "audio") + apart("text", "video")) / 2 - apart("audio", "video")
    )
    assert found["fusion near text"] == pytest.approx(
        (apart("audio", FULL) + apart("video", FULL)) / 2 - apart("text", FULL)
    )
    wide = predictions.pivot(index="clip_id", columns="inputs", values="p")
    y = predictions.drop_duplicates("clip_id").set_index("clip_id")["y"]
    right = (wide > 0.5).eq(y == 1, axis=0).mean()
    assert found["fusion no better"] == pytest.approx(right[list(MODALITIES)].max() - right[FULL])
    quadrants = disagreement.quadrants(predictions, threshold=0.6).query("seed == 'ensemble'")
    unsure = quadrants["clip_id"].map(wide[FULL].map(lambda p: entropy([p, 1 - p])))
    by = unsure.groupby(quadrants["quadrant"])
    off = quadrants["quadrant"].isin(["red", "green"])
    assert found["disagreement unsure"] == pytest.approx(unsure[off].mean() - unsure[~off].mean())
    assert found["red over blue"] == pytest.approx(by.mean()["red"] - by.mean()["blue"])
    assert found["red over green"] == pytest.approx(by.mean()["red"] - by.mean()["green"])
    text = quadrants.query("modality == 'text'").set_index("clip_id")["quadrant"]
    distance = (wide["text"] - 0.5).abs()
    off = text.isin(["red", "green"])
    assert found["near the boundary"] == pytest.approx(
        distance[text.index[~off]].mean() - distance[text.index[off]].mean()
    )


def test_an_empty_quadrant_leaves_a_direction_undefined():
    predictions = made(seeds=(42,))
    predictions["p"] = np.where(predictions["y"] == 1, 0.9, 0.1)  # all models are right: blue only
    _, data = specification.specifications({"x": predictions})
    found = dict(zip(NAMES, specification.directions(data[0]), strict=True))
    assert np.isnan(found["red over blue"]) and np.isnan(found["disagreement unsure"])
    assert found["text apart"] == 0


def test_reference_keeps_what_it_should():
    """Oracle: sums. Swapping names leaves the rate of all pairs; donors stay in their recording."""
    _, data = specification.specifications({"x": made(seeds=(42,))})
    one = data[0]
    recordings = pd.factorize(pd.Series(one["clip_id"]).map(RECORDING))[0]
    donor = specification._donor(recordings, np.random.default_rng(0).random(60))
    assert sorted(donor) == list(range(60)) and (recordings[donor] == recordings).all()
    assert (donor != np.arange(60)).any()
    everyone = np.ones(60, bool)
    swapped = specification.directions(one, swap=everyone)
    np.testing.assert_allclose(swapped[2], -specification.directions(one)[2])
    audio_first = np.tile([1, 0, 2], (60, 1))
    renamed = {**one, "p": one["p"][:, [1, 0, 2, 3]]}
    np.testing.assert_allclose(
        specification.directions(one, names=audio_first)[:2], specification.directions(renamed)[:2]
    )


def test_p_is_uniform_where_nothing_is_true():
    """Oracle: the level. Probabilities at random: 5 % of p lie below 0.05, give or take."""
    below = 0
    for k in range(60):
        _, data = specification.specifications({"x": made(seeds=(42,), seed=100 + k)})
        under = specification.reference(data, RECORDING, n_perm=39, seed=k)
        table = specification.summary(specification.curve(data), under).set_index("direction")
        below += int(table.loc[NAMES, "p"].le(0.05).sum())
    # seven directions, three of them from the same quadrants: a wide band
    assert binomtest(below, 60 * 7, 0.05).pvalue > 1e-3, below


def test_summary_counts_and_finds_what_is_true():
    """Oracle: by hand, and a corpus in which text is made to differ from all others."""
    predictions = made()
    other = predictions["inputs"] != "text"
    shared = np.random.default_rng(4).uniform(0.05, 0.95, 60)
    clip = predictions["clip_id"].str[1:].astype(int)
    predictions.loc[other, "p"] = shared[clip[other]]
    _, data = specification.specifications({"x": predictions})
    found = specification.curve(data)
    under = specification.reference(data, RECORDING, n_perm=99)
    table = specification.summary(found, under).set_index("direction")
    row = table.loc["text apart"]
    assert row["holds"] == 1 and row["n"] == 3 and row["p"] == 0.01
    assert row["median"] == pytest.approx(np.median(found[:, 0]))
    assert table.loc["fusion near text", "holds"] == 0
    shares = [(found[np.isfinite(found[:, i]), i] > 0).mean() for i in range(7)]
    assert table.loc["all", "holds"] == pytest.approx(np.nanmean(shares))


def test_reference_asks_for_every_recording():
    _, data = specification.specifications({"x": made(seeds=(42,))})
    with pytest.raises(ValueError, match="no recording for 60 of 60 clips"):
        specification.reference(data, {})


def test_choices_are_averaged_over_all_others():
    """Oracle: pandas' mean of the share that holds."""
    table, data = specification.specifications({"one": made(), "two": made(seed=4)})
    found = specification.curve(data)
    means = specification.by_choice(table, found).set_index(["choice", "value"])
    share = pd.Series((found > 0).sum(axis=1) / np.isfinite(found).sum(axis=1))
    expected = share.groupby(table["training"]).mean()
    assert means.loc["training", "holds"].to_dict() == pytest.approx(expected.to_dict())
    assert means.loc[("training", "one"), "range"] == pytest.approx(np.ptp(expected))
    assert means.loc["clips", "range"].item() == 0


def test_saved_runs_start_with_chapter_03():
    own, val, varied = made(), made(n=20, split="val"), made(seed=2)
    varied = pd.concat([varied.assign(choice=c) for c in (specification.START, "max pooling")])
    runs = specification.saved_runs(own, val, varied)
    assert list(runs) == [specification.START, "max pooling"]
    assert len(runs[specification.START]) == len(own) + len(val)
    assert list(specification.saved_runs(own.assign(source="given"))) == [specification.START]

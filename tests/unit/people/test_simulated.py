"""Oracles: the closed forms of the models, the standard error of a kappa, the table contract."""

import numpy as np
import pandas as pd
import pytest

from empdis_utils.data import tables
from empdis_utils.measures import agreement
from empdis_utils.people.files import COLUMNS
from empdis_utils.people.simulated import (
    agreeing_truth,
    power_kappa_difference,
    simulate_nested,
    simulate_pair,
)


def truth_table(n=400, kinds=("supports", "supports", "supports")):
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"clip_id": [f"s{i:03d}" for i in range(n)]})
    table["label"] = rng.choice(agreement.JUDGMENTS, n)
    for m, kind in zip(tables.MODALITIES, kinds, strict=True):
        table[f"{m}_cue"], table[f"{m}_strength"] = kind, 1.0
    return table


def _right(table, truth):
    label = truth.set_index("clip_id")["label"]
    return (table["judgment"] == table["clip_id"].map(label)).groupby(table["round"]).mean()


def test_simulated_pair_follows_its_model():
    """Oracle: the closed form of the docstring, from 2 × 1,200 answers per round (within 3 SE)."""
    options = {"bias": (0, 0), "lapse": 0.1, "sensitivity": 2.0, "gain": 1.5}
    truth = truth_table()
    right = _right(simulate_pair(truth, **options), truth)
    logistic = 1 / (1 + np.exp(-np.array([2.0, 3.0])))
    assert right.to_numpy() == pytest.approx(0.05 + 0.9 * logistic, abs=0.025)
    nothing = truth_table(kinds=("neutral",) * 3)
    right = _right(simulate_pair(nothing, **options), nothing)
    assert right.to_numpy() == pytest.approx([0.5, 0.5], abs=0.035)


def test_simulated_pair_disagrees_more_under_conflict():
    truth = truth_table(kinds=("supports", "supports", "contradicts"))
    conflict = simulate_pair(truth)
    clear = simulate_pair(truth_table())
    kappas = [agreement.cohen_kappa(t[t["round"] == 2]) for t in (clear, conflict)]
    assert kappas[0] > kappas[1] + 0.3
    by_video = conflict[(conflict["modality"] == "video") & (conflict["round"] == 1)]
    assert _right(by_video, truth).item() < 0.2


def test_simulated_pair_is_the_annotations_table():
    truth = truth_table(30)
    table = simulate_pair(truth, seed=7)
    assert list(table.columns) == COLUMNS and len(table) == 30 * 3 * 2 * 2
    pd.testing.assert_frame_equal(table, tables.check(table, "annotations"))
    pd.testing.assert_frame_equal(table, simulate_pair(truth.iloc[::-1], seed=7))
    assert not table.equals(simulate_pair(truth, seed=8))
    assert table["annotator"].str.startswith("simulated").all()
    times = table.set_index(["annotator", "clip_id", "modality", "round"])["at"].unstack("round")
    assert (times[1] < times[2]).all()
    sample = pd.DataFrame({"clip_id": ["s001", "s002"], "modality": ["text", "video"]})
    assert len(simulate_pair(truth, sample)) == 8
    with pytest.raises(ValueError, match="lacks the columns"):
        simulate_pair(truth.drop(columns="text_cue"))
    with pytest.raises(ValueError, match="no truth for 1 clips"):
        simulate_pair(truth, sample.assign(clip_id=["s001", "zzz"]))
    with pytest.raises(ValueError, match="cues .'maybe'"):
        simulate_pair(truth.assign(text_cue="maybe"))


@pytest.mark.parametrize(
    "kappa, n_raters, shares, statistic",
    [
        (0.4, 2, (0.5, 0.5), "cohen_kappa"),
        (0.45, 8, (0.4, 0.3, 0.2, 0.1), "krippendorff_alpha"),
    ],
)
def test_simulated_kappa_is_the_population_value(kappa, n_raters, shares, statistic):
    """Oracle: the closed form in `simulate_nested`; 4,000 recordings of 10 clips."""
    votes, _ = simulate_nested([10] * 4000, kappa, n_raters, shares, icc=0.1)
    if statistic == "cohen_kappa":
        value = agreement.cohen_kappa(*votes[0].T)
    else:
        value = agreement.krippendorff_alpha(np.eye(len(shares))[votes[0]].sum(axis=1))
    assert value == pytest.approx(kappa, abs=0.015)
    with pytest.raises(ValueError, match="between icc"):
        simulate_nested([3], 0.01)


def test_power():
    """Oracle: size near 5 % at no difference; certain at a huge one; sd of two independent kappas
    p = 1/2 near sqrt(2 (1 - 0.4²) / 51) without clustering."""
    out = power_kappa_difference(differences=(0.0, 0.3, 0.75), icc=0.001, n_sim=800)
    assert 0.02 <= out["power"][0] <= 0.08
    assert out["power"].is_monotonic_increasing and out["power"][2] > 0.97
    assert out["sd"][0] == pytest.approx(np.sqrt(2 * (1 - 0.16) / 51), rel=0.1)
    assert (out["power_low"] <= out["power"]).all() and (out["power"] <= out["power_high"]).all()
    more = power_kappa_difference(400, (0.3,), n_recordings=42, paired=True, n_sim=200)
    assert more["power"].item() > out["power"][1] + 0.2


def test_power_of_none_and_of_all_lies_in_its_interval():
    out = power_kappa_difference(51, (0.0, 0.7), paired=True, n_sim=20)
    assert set(out["power"]) <= {0.0, 0.05, 0.1, 0.95, 1.0} and {0.0, 1.0} & set(out["power"])
    assert (out["power_low"] <= out["power"]).all() and (out["power"] <= out["power_high"]).all()


def test_where_no_cue_is_known_all_support_the_label():
    manifest = pd.DataFrame({"clip_id": [f"c{i}" for i in range(400)], "label": "neutral", "y": 0})
    manifest.loc[::2, "label"] = "empathetic"
    made = simulate_pair(agreeing_truth(manifest))
    label = made["clip_id"].map(manifest.set_index("clip_id")["label"])
    right = made["judgment"].eq(label).groupby([made["modality"], made["round"]]).mean()
    assert len(right) == 6 and right.min() > 0.7

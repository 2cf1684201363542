"""`placebo`: plain loops over clips, and simulated data in which nothing is to be found."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from empdis_utils.controls import placebo
from empdis_utils.data import tables
from empdis_utils.measures import uncertainty

SEEDS = 5


def logistic(x):
    return 1 / (1 + np.exp(-x))


def simulated(rng, *, copy, recordings=16, clips=10, modalities=("text",)):
    """Predictions of fusion and single modalities, five seeds, and the recording of each clip.

    `copy`: the modality is the fusion model trained again; otherwise it has another opinion.
    """
    n = recordings * clips
    recording = np.repeat(np.arange(recordings), clips)
    y = rng.integers(0, 2, n)

    def opinion():
        lean = rng.normal(0, 0.5, recordings)[recording]
        return 1.2 * (2 * y - 1) + lean + rng.normal(0, 1.3, n)

    fused = opinion()
    models = {"+".join(["fusion", "all"]): fused}
    models |= {m: fused if copy else opinion() for m in modalities}
    parts = []
    for name, mean in models.items():
        for seed in range(SEEDS):
            p = logistic(mean + rng.normal(0, 1, n))
            part = pd.DataFrame({"clip_id": [f"c{i:03d}" for i in range(n)], "y": y, "p": p})
            inputs = "fusion" if "+" in name else name
            parts.append(part.assign(inputs=inputs, source="fusion", seed=seed))
    groups = pd.Series(recording, index=[f"c{i:03d}" for i in range(n)])
    return pd.concat(parts, ignore_index=True), groups


@pytest.fixture(scope="module")
def real():
    return simulated(np.random.default_rng(0), copy=False)


def test_quadrants_leave_the_training_out_of_its_own_ensemble(real):
    table, _ = real
    drawn = placebo.quadrants(table)
    assert set(drawn["drawn_by"]) == {"modality", placebo.SAME}
    wide = table.pivot(index="clip_id", columns=["inputs", "seed"], values="p")
    y = table.groupby("clip_id")["y"].first()
    for seed in range(SEEDS):
        others = wide["fusion"].drop(columns=seed).mean(axis=1)
        for name, model in (("modality", "text"), (placebo.SAME, "fusion")):
            own = wide[model][seed]
            right = pd.DataFrame({"own": (own > 0.5) == y, "full": (others > 0.5) == y})
            expected = right.apply(
                lambda r: {(1, 1): "blue", (1, 0): "red", (0, 1): "green", (0, 0): "yellow"}[
                    int(r["own"]), int(r["full"])
                ],
                axis=1,
            )
            rows = drawn[(drawn["drawn_by"] == name) & (drawn["seed"] == str(seed))]
            rows = rows.set_index("clip_id").loc[expected.index]
            assert (rows["quadrant"] == expected).all()
            assert rows["distance"].to_numpy() == pytest.approx((own - 0.5).abs().to_numpy())
            entropy = uncertainty.predictive_entropy(np.column_stack([1 - others, others]))
            assert rows["entropy"].to_numpy() == pytest.approx(entropy)


def test_gaps_are_differences_of_plain_means(real):
    table, groups = real
    drawn = placebo.quadrants(table)
    found = placebo.gaps(drawn, "entropy", groups=groups, n_boot=200)
    row = found.set_index("contrast").loc["red+green - blue+yellow"]
    means = {}
    for name, part in drawn.groupby("drawn_by"):
        apart = part["quadrant"].isin(["red", "green"])
        means[name] = part.loc[apart, "entropy"].mean() - part.loc[~apart, "entropy"].mean()
    assert row["value"] == pytest.approx(means["modality"])
    assert row["placebo_value"] == pytest.approx(means[placebo.SAME])
    assert row["excess"] == pytest.approx(means["modality"] - means[placebo.SAME])
    assert row["excess_low"] < row["excess"] < row["excess_high"]
    assert row["n"] == 160 and row["n_recordings"] == 16


def test_retrained_copies_are_supported_no_more_often_than_stated():
    """Null: the modality is the fusion model trained again. A claim of either sign errs ≤ 5 %."""
    runs, above, naive = 120, 0, 0
    for k in range(runs):
        table, groups = simulated(np.random.default_rng([1, k]), copy=True)
        drawn = placebo.quadrants(table)
        contrast = {"both": placebo.CONTRASTS["red+green - blue+yellow"]}
        row = placebo.gaps(drawn, "entropy", contrasts=contrast, groups=groups, n_boot=400).iloc[0]
        above += row["excess_low"] > 0
        naive += row["ci_low"] > 0
    assert naive > 0.95 * runs  # without a placebo nearly every null is "supported"
    assert above <= 0.05 * runs


def test_a_modality_of_its_own_differs_from_fusion_more_than_retraining(real):
    table, groups = real
    found = placebo.rates(table, groups=groups, n_boot=400).iloc[0]
    labels = (table["p"] > 0.5).groupby([table["inputs"], table["seed"], table["clip_id"]]).first()
    labels = labels.unstack("clip_id")
    differ = [
        (labels.loc["text", i] != labels.loc["fusion", j]).mean()
        for i in range(SEEDS)
        for j in range(SEEDS)
        if i != j
    ]
    assert found["value"] == pytest.approx(np.mean(differ))
    own = np.mean(
        [
            (labels.loc[name, i] != labels.loc[name, j]).mean()
            for name in ("text", "fusion")
            for i, j in combinations(range(SEEDS), 2)
        ]
    )
    assert found["placebo_value"] == pytest.approx(own)
    assert found["excess_low"] > 0


def test_retrained_copies_do_not_differ_more_than_retraining():
    errs = 0
    for k in range(120):
        table, groups = simulated(np.random.default_rng([2, k]), copy=True)
        errs += placebo.rates(table, groups=groups, n_boot=400)["excess_low"].iloc[0] > 0
    assert errs <= 0.05 * 120


def test_two_encoders_of_a_modality_are_a_placebo(real):
    table, groups = real
    heads = pd.concat(
        table.query("inputs == @name").assign(encoder=encoder, inputs="text", source="finetuned")
        for name, encoder in (("text", "a"), ("fusion", "b"))
    )
    drawn = placebo.quadrants(table, encoders=heads)
    assert set(drawn["drawn_by"]) == {"modality", placebo.SAME, placebo.OTHER}
    found = placebo.rates(table, encoders=heads, groups=groups, n_boot=400)
    row = found.set_index("placebo").loc[placebo.OTHER]
    assert row["excess"] == pytest.approx(0)  # the two "encoders" are the two models themselves
    alone = placebo.quadrants(table, encoders=heads[heads["encoder"] == "a"])
    assert placebo.OTHER not in set(alone["drawn_by"])


def test_one_seed_says_that_nothing_was_retrained(real):
    table, groups = real
    one = table[table["seed"] == 0]
    assert placebo.quadrants(one).empty
    row = placebo.rates(one, groups=groups).iloc[0]
    assert np.isnan(row["excess"]) and row["note"] == "one seed"


def test_too_few_clips_have_no_numbers(real):
    table, groups = real
    drawn = placebo.quadrants(table)
    kept = ~((drawn["quadrant"] == "red") & (drawn["clip_id"] > "c005"))
    row = placebo.gaps(
        drawn[kept], "entropy", contrasts={"r": (("red",), ("blue",))}, groups=groups, n_boot=100
    ).iloc[0]
    assert np.isnan(row["excess"]) and row["note"].startswith("too few (n=")


def people(rng, *, alike, clips=160):
    """Votes on one signal and on both for six categories; alike: the same people's leanings."""
    right = rng.integers(0, 6, clips)

    def chances():
        share = rng.dirichlet(np.full(6, 0.4), clips)
        share[np.arange(clips), right] += 1
        return share / share.sum(axis=1, keepdims=True)

    both = chances()
    single = both if alike else chances()
    drawn = [np.array([rng.multinomial(10, p) for p in s]) for s in (single, both)]
    columns = list("abcdef")
    index = [f"c{i:03d}" for i in range(clips)]
    frames = [pd.DataFrame(d, index, columns) for d in drawn]
    return (*frames, np.array(columns)[right], pd.Series(np.arange(clips) % 16, index))


def test_votes_that_are_alike_are_supported_no_more_often_than_stated():
    runs, above, naive = 100, 0, 0
    for k in range(runs):
        single, both, y, groups = people(np.random.default_rng([30, k]), alike=True, clips=320)
        drawn = placebo.votes(single, both, y, n_splits=3, seed=1000 + k).assign(modality="audio")
        contrast = {"both": placebo.CONTRASTS["red+green - blue+yellow"]}
        row = placebo.gaps(drawn, "entropy", contrasts=contrast, groups=groups, n_boot=300).iloc[0]
        above += row["excess_low"] > 0
        naive += row["ci_low"] > 0
    assert naive > 0.5 * runs
    assert above <= 0.05 * runs


def test_no_answer_is_both_measured_and_drawing():
    single, both, y, _ = people(np.random.default_rng(4), alike=False, clips=20)
    drawn = placebo.votes(single, both, y, n_splits=2)
    assert len(drawn) == 2 * 2 * 20
    assert set(drawn["quadrant"]) <= {*tables.QUADRANTS, "tie", "none"}
    measured = drawn.groupby(["clip_id", "seed"])["entropy"].nunique()
    assert (measured == 1).all()  # both sides are measured on the same half
    assert drawn["entropy"].max() <= np.log(5) + 1e-9  # five of ten answers are measured


def test_what_disagreement_adds_is_read_from_the_areas():
    """Oracle: the numbers put in."""
    both, own = "disagreement, then entropy", "own retraining, then entropy"
    risk = pd.DataFrame(
        {"flag": [both, own, both], "against": ["entropy", "entropy", own],
         "difference": [-0.3, -0.1, -0.2], "difference_low": -1.0, "difference_high": 1.0,
         "n": 9, "n_recordings": 3}
    )  # fmt: skip
    (row,) = placebo.selective(risk).to_dict("records")
    assert (row["value"], row["placebo_value"], row["excess"]) == (-0.3, -0.1, -0.2)
    assert (row["n"], row["n_recordings"], row["placebo"]) == (9, 3, placebo.SAME)

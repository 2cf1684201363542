"""Tests of `empdis_utils.measures.disagreement`. Each test names its oracle."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import zero_one_loss

from empdis_utils.measures import disagreement, inference
from empdis_utils.measures.uncertainty import predictive_entropy

FULL = "text+audio+video"


def table(models: dict, y, seeds=(42,), source="fusion") -> pd.DataFrame:
    """Predictions from {inputs: p [n] or [s, n]}."""
    rows = []
    for inputs, p in models.items():
        p = np.broadcast_to(p, (len(seeds), len(y)))
        for seed, values in zip(seeds, p, strict=True):
            clips = [f"clip{i:02d}" for i in range(len(y))]
            frame = {"clip_id": clips, "inputs": inputs, "source": source, "seed": seed, "fold": 0}
            rows.append(pd.DataFrame(frame | {"split": "test", "y": y, "p": values}))
    return pd.concat(rows, ignore_index=True)


def synthetic(n=40, seeds=(42, 43, 44), seed=0):
    """Synthetic predictions of three modalities and fusion, with seed noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    models = {}
    for inputs in ("text", "audio", "video", FULL):
        margin = (2 * y - 1) + 1.5 * rng.standard_normal(n)
        models[inputs] = 1 / (1 + np.exp(-margin - rng.standard_normal((len(seeds), n))))
    recordings = pd.Series(
        [f"rec{i % 8}" for i in range(n)], index=[f"clip{i:02d}" for i in range(n)]
    )
    return table(models, y, seeds), recordings


# ----------------------------------------------------------------------- quadrants


def test_quadrants_by_hand():
    """Oracle: by hand, all four quadrants for both labels; red and green not exchangeable."""
    y = [1, 1, 1, 1, 0, 0, 0, 0]
    text = [0.9, 0.8, 0.2, 0.1, 0.1, 0.3, 0.7, 0.9]
    fusion = [0.7, 0.4, 0.6, 0.3, 0.4, 0.8, 0.2, 0.6]
    frame = disagreement.quadrants(table({"text": text, "text+audio": fusion, "audio": text}, y))
    assert (
        frame.columns.tolist()
        == (
            "clip_id modality seed conf_unimodal conf_fusion quadrant membership_blue"
            " membership_red membership_green membership_yellow"
        ).split()
    )
    one = frame[(frame["modality"] == "text") & (frame["seed"] == "42")]
    assert one["quadrant"].tolist() == ["blue", "red", "green", "yellow"] * 2
    assert one["conf_unimodal"].to_numpy() == pytest.approx(
        [0.9, 0.8, 0.2, 0.1, 0.9, 0.7, 0.3, 0.1]
    )
    assert one["conf_fusion"].to_numpy() == pytest.approx([0.7, 0.4, 0.6, 0.3, 0.6, 0.2, 0.8, 0.4])
    assert one["membership_red"].tolist() == [0, 1, 0, 0, 0, 1, 0, 0]


def test_ensemble_and_membership_by_hand():
    """Oracle: by hand. Mean p over seeds decides the ensemble, shares of seeds the membership."""
    y = [1]
    text = [[0.6], [0.6], [0.1]]  # right, right, wrong; mean 0.433 wrong
    fusion = [[0.9], [0.4], [0.9]]  # right, wrong, right; mean 0.733 right
    data = table({"text": text, FULL: fusion, "audio": text, "video": text}, y, (42, 43, 44))
    frame = disagreement.quadrants(data).query("modality == 'text'").set_index("seed")
    assert frame["quadrant"].to_dict() == {
        "42": "blue",
        "43": "red",
        "44": "green",
        "ensemble": "green",
    }
    assert frame.loc["ensemble", "conf_unimodal"] == pytest.approx(1.3 / 3)
    for name in ("blue", "red", "green"):
        assert frame[f"membership_{name}"].to_numpy() == pytest.approx(1 / 3)
    assert (frame["membership_yellow"] == 0).all()


def test_threshold_is_on_confidence_in_the_correct_label_and_ties_are_not_right():
    """Oracle: by hand, from the paper's definition (confidence greater than the threshold)."""
    data = table(
        {"text": [0.5, 0.5, 0.7, 0.3], "text+audio": [0.9, 0.1, 0.9, 0.1], "audio": [0.5] * 4},
        [1, 0, 1, 0],
    )
    text = disagreement.quadrants(data).query("modality == 'text' and seed == '42'")
    assert text["quadrant"].tolist() == ["green", "green", "blue", "blue"]
    strict = disagreement.quadrants(data, threshold=0.8)
    strict = strict.query("modality == 'text' and seed == '42'")
    assert strict["quadrant"].tolist() == ["green"] * 4
    with pytest.raises(ValueError, match=r"threshold: expected a number in \[0, 1\), got 1"):
        disagreement.quadrants(data, threshold=1)


def test_more_classes_use_the_correct_class():
    """Oracle: by hand. Right is argmax; confidence is the correct class; a tie is not right."""
    y = [0, 1, 2, 2]
    text = np.array([[0.4, 0.3, 0.3], [0.5, 0.4, 0.1], [0.4, 0.2, 0.4], [0.1, 0.1, 0.8]])
    full = np.array([[0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]])
    frames = []
    for inputs, p in (("text", text), ("audio", text), ("text+audio", full)):
        frame = table({inputs: np.zeros(4)}, y).drop(columns="p")
        frames.append(frame.assign(p_0=p[:, 0], p_1=p[:, 1], p_2=p[:, 2]))
    data = pd.concat(frames)
    one = disagreement.quadrants(data).query("modality == 'text' and seed == '42'")
    assert one["quadrant"].tolist() == ["red", "green", "green", "blue"]
    assert one["conf_unimodal"].tolist() == [0.4, 0.4, 0.4, 0.8]
    assert one["conf_fusion"].tolist() == [0.2, 0.8, 0.8, 0.4]
    pairs = disagreement.pairwise_disagreement(data, n_boot=10).query("seed == '42'")
    assert pairs.set_index(["a", "b"])["k"].to_dict() == {
        ("text", "audio"): 0,
        ("text", "text+audio"): 3,
        ("audio", "text+audio"): 3,
    }
    with pytest.raises(ValueError, match="two classes only"):
        disagreement.quadrants(data, threshold=0.6)
    with pytest.raises(ValueError, match="two classes only"):
        disagreement.threshold_sweep(data, [0.5])
    with pytest.raises(ValueError, match="do not sum to 1"):
        disagreement.quadrants(data.assign(p_2=0.9))
    with pytest.raises(ValueError, match="expected p_0, p_1, …, got p_0, p_2"):
        disagreement.quadrants(data.drop(columns="p_1"))


def test_two_class_columns_equal_p():
    """Invariant: p_0 and p_1 give what p gives."""
    data, _ = synthetic()
    both = data.assign(p_0=1 - data["p"], p_1=data["p"]).drop(columns="p")
    pd.testing.assert_frame_equal(disagreement.quadrants(data), disagreement.quadrants(both))


def test_unimodal_source_is_a_choice():
    """Oracle: by hand. Fine-tuned heads are right where the single-modality nets are wrong."""
    fusion = table({"text": [0.1], "audio": [0.1], "text+audio": [0.9]}, [1])
    heads = table({"text": [0.8], "audio": [0.8]}, [1], source="finetuned")
    data = pd.concat([fusion, heads])
    assert set(disagreement.quadrants(data)["quadrant"]) == {"green"}
    assert set(disagreement.quadrants(data, unimodal_source="finetuned")["quadrant"]) == {"blue"}


def test_any_model_names_do():
    """A CSV from elsewhere: names without +, integer clip ids, one seed."""
    data = table({"bert": [0.1, 0.9], "all": [0.8, 0.7]}, [1, 1], seeds=(0,), source="mine")
    data["clip_id"] = [7, 8, 7, 8]
    kwargs = {"fusion": "all", "unimodal_source": "mine", "fusion_source": "mine"}
    frame = disagreement.quadrants(data, **kwargs)
    assert frame["modality"].unique().tolist() == ["bert"]
    assert frame["quadrant"].tolist() == ["green", "blue"] * 2
    assert frame["clip_id"].tolist() == ["7", "8"] * 2
    with pytest.raises(ValueError, match="cannot tell which model it is.*Have: all"):
        disagreement.quadrants(data, unimodal_source="mine", fusion_source="mine")


# Without 0.5: a tie is not right, whichever label it is called.
percent = st.integers(0, 100).filter(lambda k: k != 50).map(lambda k: k / 100)
probabilities = st.lists(percent, min_size=6, max_size=6)


@settings(max_examples=25, deadline=None)
@given(probabilities, probabilities, st.lists(st.integers(0, 1), min_size=6, max_size=6))
def test_counts_sum_to_n_and_swapping_models_swaps_red_and_green(text, fusion, y):
    """Invariants of the definition."""
    kwargs = {"fusion": "b"}
    there = disagreement.quadrants(table({"a": text, "b": fusion}, y), **kwargs)
    back = disagreement.quadrants(table({"a": fusion, "b": text}, y), **kwargs)
    counts = there.groupby("seed")["quadrant"].value_counts().groupby("seed").sum()
    assert (counts == 6).all()
    swap = {"red": "green", "green": "red"}
    assert there["quadrant"].replace(swap).tolist() == back["quadrant"].tolist()
    assert there["conf_unimodal"].tolist() == back["conf_fusion"].tolist()
    member = [f"membership_{name}" for name in disagreement.QUADRANTS]
    assert there[member].sum(axis=1).to_numpy() == pytest.approx(1)
    differ = disagreement.pairwise_disagreement(table({"a": text, "b": fusion}, y), n_boot=2)
    one = there[there["seed"] == "42"]["quadrant"]
    assert differ["k"][0] == one.isin(["red", "green"]).sum()


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000))
def test_row_and_column_order_change_nothing(seed):
    """Invariant: same bytes for shuffled rows and reversed columns."""
    data, recordings = synthetic(n=20)
    shuffled = data.sample(frac=1, random_state=seed)[data.columns[::-1]]
    groups = recordings.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(
        disagreement.quadrants(data), disagreement.quadrants(shuffled), check_exact=True
    )
    for function in (disagreement.pairwise_disagreement, disagreement.modality_over_seed):
        pd.testing.assert_frame_equal(
            function(data, groups=recordings, n_boot=20),
            function(shuffled, groups=groups, n_boot=20),
            check_exact=True,
        )


# ----------------------------------------------------------------------- rates


def test_pairwise_disagreement_equals_sklearn():
    """Oracle: sklearn.metrics.zero_one_loss of the two label vectors, per seed and averaged."""
    data, recordings = synthetic()
    frame = disagreement.pairwise_disagreement(data, groups=recordings, n_boot=200)
    order = ["text", "audio", "video", FULL]
    pairs = frame[["a", "b"]].drop_duplicates().itertuples(index=False, name=None)
    assert list(pairs) == list(combinations(order, 2))
    labels = (data.pivot(index=["seed", "clip_id"], columns="inputs", values="p") > 0.5).astype(int)
    for (a, b), part in frame.groupby(["a", "b"], sort=False):
        part = part.set_index("seed")
        oracle = {s: zero_one_loss(labels.loc[s, a], labels.loc[s, b]) for s in (42, 43, 44)}
        for seed, rate in oracle.items():
            assert part.loc[str(seed), "rate"] == pytest.approx(rate)
        assert part.loc["mean", "rate"] == pytest.approx(np.mean(list(oracle.values())))
        assert (part["k"] == part["rate"] * part["n"]).all() and (part["n"] == 40).all()
        assert ((part["ci_low"] <= part["rate"]) & (part["rate"] <= part["ci_high"])).all()


def test_pairwise_interval_resamples_recordings():
    """Oracle: share_interval of the mean over seeds; and it is wider than over clips."""
    y, seeds = np.ones(48, int), (42, 43)
    whole = np.repeat([0.9, 0.1, 0.9, 0.9, 0.1, 0.9], 8)  # recordings agree or disagree as one
    data = table({"text": whole, "audio": np.full(48, 0.9)}, y, seeds)
    clips = [f"clip{i:02d}" for i in range(48)]
    recordings = pd.Series(np.repeat(list("abcdef"), 8), index=clips)
    nested = disagreement.pairwise_disagreement(data, groups=recordings).iloc[-1]
    oracle = inference.share_interval(whole < 0.5, groups=recordings)[:3]
    assert (nested.rate, nested.ci_low, nested.ci_high) == pytest.approx(oracle)
    free = disagreement.pairwise_disagreement(data).iloc[-1]
    assert nested.ci_high - nested.ci_low > 2 * (free.ci_high - free.ci_low)


def test_inputs_from_two_sources_are_told_apart():
    fusion = table({"text": [0.1, 0.1], "text+audio": [0.9, 0.9]}, [1, 1])
    heads = table({"text": [0.8, 0.1]}, [1, 1], source="finetuned")
    frame = disagreement.pairwise_disagreement(pd.concat([fusion, heads])).query("seed == 'mean'")
    assert frame.set_index(["a", "b"])["k"].to_dict() == {
        ("text (finetuned)", "text (fusion)"): 1,
        ("text (finetuned)", "text+audio"): 1,
        ("text (fusion)", "text+audio"): 2,
    }


def test_one_recording_and_few_clips_have_no_interval():
    data, recordings = synthetic()
    one = pd.Series("r", index=recordings.index)
    assert disagreement.pairwise_disagreement(data, groups=one)["ci_low"].isna().all()
    few = data[data["clip_id"] < "clip04"]
    frame = disagreement.pairwise_disagreement(few)
    assert frame["ci_low"].isna().all() and frame["rate"].notna().all()
    ratio = disagreement.modality_over_seed(data, groups=one)
    assert set(ratio["note"]) == {"too few recordings (n=1)"} and ratio["ci_low"].isna().all()
    few = disagreement.modality_over_seed(few)
    assert set(few["note"]) <= {"too few (n=4)", "no seed disagreement"}


def test_modality_over_seed_by_hand():
    """Oracle: by hand. Text flips on 1 of 6 clips in 2 of 3 pairs of seeds; fusion never.

    Fusion does not change with the seed, so pairs of different seeds and of the same agree.
    """
    y = np.ones(6, int)
    fusion = np.full(6, 0.9)
    text = np.tile([0.9, 0.1, 0.9, 0.9, 0.9, 0.9], (3, 1))
    text[0, 2] = 0.1
    data = table({"text": text, "audio": fusion, "text+audio": fusion}, y, (42, 43, 44))
    frame = disagreement.modality_over_seed(data).set_index(["modality", "baseline"])
    row = frame.loc["text", "unimodal"]
    assert row.modality_rate == pytest.approx((2 + 1 + 1) / 18)
    assert row.seed_rate == pytest.approx(2 / 3 / 6)
    assert row.ratio == pytest.approx(2)
    assert frame.loc[("text", "both"), "ratio"] == pytest.approx(4)
    assert frame.loc[("text", "fusion"), "note"] == "no seed disagreement"
    assert np.isnan(frame.loc[("audio", "both"), "ratio"])
    single = disagreement.modality_over_seed(data[data["seed"] == 42])
    assert (single["note"] == "one seed").all() and single["ratio"].isna().all()


def test_modality_over_seed_pairs_different_seeds():
    """Oracle: a plain loop over pairs i != j. Once: only i = j, though these share their draws."""
    data, recordings = synthetic(n=60, seeds=(1, 2, 3, 4))
    frame = disagreement.modality_over_seed(data, groups=recordings, n_boot=200)
    label = (data.pivot(index=["inputs", "seed"], columns="clip_id", values="p") > 0.5).to_numpy()
    label = dict(zip(sorted(data["inputs"].unique()), label.reshape(4, 4, -1), strict=True))
    for modality, rows in frame.groupby("modality"):
        own, fused = label[modality], label[FULL]
        apart = [(own[i] != fused[j]).mean() for i in range(4) for j in range(4) if i != j]
        same = [(own[i] != fused[i]).mean() for i in range(4)]
        assert rows["modality_rate"].tolist() == pytest.approx([np.mean(apart)] * 3)
        assert rows["same_seed_rate"].tolist() == pytest.approx([np.mean(same)] * 3)
        assert rows["same_minus_cross"].tolist() == pytest.approx(
            [np.mean(same) - np.mean(apart)] * 3
        )
        assert (rows["same_minus_cross_low"] < rows["same_minus_cross"]).all()
        assert (rows["same_minus_cross"] < rows["same_minus_cross_high"]).all()


def test_seeds_that_are_shared_show_in_the_gap_and_not_in_the_ratio():
    """Oracle: planted. Fusion is a retraining of text whose draws come from the same seeds."""
    rng = np.random.default_rng(1)
    n, seeds = 1200, (1, 2, 3, 4, 5)
    q, draw = rng.beta(2, 2, n), rng.random((5, n))
    own = np.where(draw < q, 0.9, 0.1)
    joint = np.where(np.where(rng.random((5, n)) < 0.6, draw, rng.random((5, n))) < q, 0.9, 0.1)
    data = table({"text": own, "text+audio": joint, "audio": joint}, np.ones(n, int), seeds)
    data["clip_id"] = np.tile([f"clip{i:04d}" for i in range(n)], 15)
    row = disagreement.modality_over_seed(data, n_boot=300).query("baseline == 'both'").iloc[0]
    assert row.modality == "text" and row.ci_low < 1 < row.ci_high
    assert row.ratio == pytest.approx(1, abs=0.03)
    assert row.same_minus_cross_high < -0.1  # once, this made the ratio much smaller than 1


def test_modality_over_seed_is_one_if_fusion_is_only_a_retraining():
    """Oracle: closed form (docstring). Same synthetic distribution: ratio 1; shifted: above 1."""
    rng = np.random.default_rng(0)
    n, seeds = 1500, (42, 43, 44, 45, 46)
    q = rng.beta(2, 2, n)
    flips = lambda share: np.where(rng.random((5, n)) < share, 0.9, 0.1)  # noqa: E731
    y = np.ones(n, int)
    other = np.clip(q + 0.3, 0, 1)
    data = table({"text": flips(q), "audio": flips(other), "text+audio": flips(q)}, y, seeds)
    data["clip_id"] = np.tile([f"clip{i:04d}" for i in range(n)], 15)
    frame = disagreement.modality_over_seed(data, n_boot=300).set_index(["modality", "baseline"])
    same, moved = frame.loc["text", "both"], frame.loc["audio", "both"]
    assert same.ci_low < 1 < same.ci_high and same.ratio == pytest.approx(1, abs=0.05)
    expected_seed = np.mean(q * (1 - q) + other * (1 - other))
    expected = 1 + np.mean((q - other) ** 2) / expected_seed
    assert moved.ratio == pytest.approx(expected, rel=0.05) and moved.ci_low > 1


# ----------------------------------------------------------------------- sweep, stability


def test_threshold_sweep_equals_quadrants_at_each_threshold():
    """Oracle: quadrants called at every threshold."""
    data, _ = synthetic()
    sweep = disagreement.threshold_sweep(data, [0.0, 0.3, 0.5, 0.95])
    for threshold, part in sweep.groupby("threshold"):
        counts = disagreement.quadrants(data, threshold=threshold).value_counts(
            ["modality", "seed", "quadrant"]
        )
        for row in part.itertuples():
            assert row.n == counts.get((row.modality, row.seed, row.quadrant), 0)
            assert row.share == row.n / 40
    assert len(sweep) == 4 * 3 * 4 * 4
    assert sweep["quadrant"].tolist()[:4] == list(disagreement.QUADRANTS)
    with pytest.raises(ValueError, match="none given"):
        disagreement.threshold_sweep(data, [])
    with pytest.raises(ValueError, match="got -0.1"):
        disagreement.threshold_sweep(data, [0.5, -0.1])


def test_stability_counts_clips_that_ever_change():
    """Oracle: number of distinct quadrants per clip over seeds."""
    data, recordings = synthetic()
    frame = disagreement.quadrants(data)
    table_ = disagreement.stability(frame, groups=recordings, n_boot=100)
    seeds = frame[frame["seed"] != "ensemble"]
    for modality, part in seeds.groupby("modality"):
        moved = part.groupby("clip_id")["quadrant"].nunique() > 1
        ensemble = frame[(frame["seed"] == "ensemble") & (frame["modality"] == modality)]
        ensemble = ensemble.set_index("clip_id")["quadrant"]
        rows = table_[table_["modality"] == modality].set_index("quadrant")
        assert rows.loc["all", "n_changed"] == moved.sum()
        assert rows.loc["all", "share"] == moved.mean()
        assert rows.loc["all", "ci_low"] <= moved.mean() <= rows.loc["all", "ci_high"]
        for name in disagreement.QUADRANTS:
            inside = moved[ensemble == name]
            assert rows.loc[name, "n"] == len(inside)
            if len(inside) < 5:
                assert rows.loc[name, "note"] == f"too few (n={len(inside)})"
                assert np.isnan(rows.loc[name, "ci_low"])
            else:
                assert rows.loc[name, "n_changed"] == inside.sum()
    one = disagreement.stability(disagreement.quadrants(data[data["seed"] == 42]))
    assert (one["note"] == "one seed").all() and one["share"].isna().all()


def test_a_share_of_one_keeps_room_below():
    """Oracle: Wilson's interval of 7 of 7. Once: [1, 1]."""
    p = np.array([[0.9] * 7, [0.1] * 7])
    data = table({"text": p, "text+audio": np.full(7, 0.9), "audio": p}, np.ones(7, int), (1, 2))
    row = disagreement.stability(disagreement.quadrants(data)).iloc[0]
    assert row["share"] == 1 and (row["n"], row["n_changed"]) == (7, 7)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.6457, 1), abs=1e-4)


# ----------------------------------------------------------- compared, ensemble, flips, choices


def test_a_model_called_fusion_is_fusion_and_others_are_named_in_the_error():
    y = [0, 1, 0, 1, 1]
    named = table({"voice": [0.2] * 5, "face": [0.6] * 5, "fusion": [0.7] * 5}, y, source="given")
    who = dict(unimodal_source="given", fusion_source="given")
    frame = disagreement.compared(named, **who)
    assert dict(zip(frame["inputs"], frame["role"], strict=True)) == {
        "voice": "unimodal", "face": "unimodal", "fusion": "fusion",
    }  # fmt: skip
    other = named.replace({"inputs": {"fusion": "both"}})
    with pytest.raises(ValueError, match=r"FUSION=NAME.*Have: both \(given\), face"):
        disagreement.compared(other, **who)
    frame = disagreement.compared(other, fusion="both", **who)
    assert frame.loc[frame["role"] == "fusion", "inputs"].unique().tolist() == ["both"]


def test_compared_keeps_columns_and_leaves_other_models_out():
    data, _ = synthetic(n=8)
    more = pd.concat([data, data[data["inputs"] == FULL].assign(inputs="text+audio")])
    frame = disagreement.compared(more)
    pd.testing.assert_frame_equal(
        frame.drop(columns="role"), data.reset_index(drop=True), check_dtype=False
    )


def test_ensemble_is_the_mean_over_seeds_with_its_margin():
    """Oracle: by hand; with two classes the margin is the distance from 0.5."""
    data = table({"text": [[0.2, 0.9], [0.4, 0.5]], FULL: [[0.5, 0.5]] * 2}, [0, 1], seeds=(1, 2))
    frame = disagreement.ensemble(data).set_index(["inputs", "clip_id"])
    assert frame.loc["text", "p_1"].tolist() == pytest.approx([0.3, 0.7])
    assert frame.loc["text", "margin"].tolist() == pytest.approx([0.2, 0.2])
    assert frame.loc["text", "predicted"].tolist() == [0, 1]
    assert frame.loc[FULL, "predicted"].tolist() == [0, 0]
    three = data.assign(p_0=0.5, p_1=0.3, p_2=0.2)
    assert np.allclose(disagreement.ensemble(three)["margin"], 0.1)


def test_flips_have_the_means_of_the_rates():
    """Oracle: `modality_over_seed`, checked elsewhere, and sklearn.metrics.zero_one_loss."""
    data, _ = synthetic(n=30)
    frame = disagreement.flips(data)
    rates = disagreement.modality_over_seed(data).query("baseline == 'both'")
    expected = rates.set_index("modality")["modality_rate"]
    assert frame.groupby("modality")["differs"].mean().to_dict() == pytest.approx(
        expected.to_dict()
    )
    own = data[data["inputs"] == FULL].pivot(index="clip_id", columns="seed", values="p") > 0.5
    itself = np.mean([zero_one_loss(own[a], own[b]) for a, b in combinations(own, 2)])
    assert np.allclose(frame.groupby("modality")["self_differs"].mean(), itself)
    labels = data.groupby(["inputs", "clip_id"])["p"].mean().unstack(0) > 0.5
    for modality, part in frame.groupby("modality"):
        moved = (labels[modality] != labels[FULL])[part["clip_id"]]
        assert part["ensemble_differs"].tolist() == moved.tolist()
    one = disagreement.flips(data[data["seed"] == 42])
    assert one["self_differs"].isna().all() and one["differs"].isin([0, 1]).all()


def test_count_quadrants_keeps_empty_ones_and_resamples_recordings():
    """Oracle: value counts, and `share_interval` of each indicator."""
    data, recordings = synthetic()
    frame = disagreement.quadrants(data)
    counts = disagreement.count_quadrants(frame, groups=recordings, n_boot=300, seed=3)
    for modality, part in frame.query("seed == 'ensemble'").groupby("modality"):
        rows = counts[counts["modality"] == modality].set_index("quadrant")
        assert list(rows.index) == [*disagreement.QUADRANTS, "red+green"]
        assert rows["n"].iloc[:4].sum() == len(part)
        conflict = part["quadrant"].isin(["red", "green"])
        assert rows.loc["red+green", "n"] == conflict.sum()
        expected = inference.share_interval(
            conflict, groups=recordings[part["clip_id"]].to_numpy()
        )[:3]
        got = rows.loc["red+green", ["share", "ci_low", "ci_high"]].astype(float)
        assert tuple(got) == pytest.approx(expected)
    agreed = table({"text": [0.9] * 6, "fusion": [0.8] * 6}, [1, 1, 1, 1, 1, 0])
    rows = disagreement.count_quadrants(disagreement.quadrants(agreed)).set_index("quadrant")
    assert rows["n"].to_dict() == {"blue": 5, "red": 0, "green": 0, "yellow": 1, "red+green": 0}
    assert rows.loc["red", "note"] == "too few (n=0)" and rows.loc["red", "share"] == 0
    assert rows.loc["red", "ci_low"] == 0 and rows.loc["red", "ci_high"] > 0.3
    whole = disagreement.count_quadrants(disagreement.quadrants(agreed[agreed["y"] == 1]))
    assert (
        whole.set_index("quadrant").loc["blue", "note"] == "too few recordings (n=5)"
    )  # once [1, 1]
    one = disagreement.count_quadrants(disagreement.quadrants(agreed), groups=pd.Series(
        "r", index=agreed["clip_id"].unique()
    )).set_index("quadrant")  # fmt: skip
    assert one.loc["blue", "note"] == "too few recordings (n=1)"
    assert np.isnan(one.loc["blue", "ci_low"])
    few = disagreement.count_quadrants(disagreement.quadrants(agreed[agreed["clip_id"] < "clip03"]))
    assert (few["note"].str.startswith("too few")).all() and few["ci_low"].isna().all()


def test_choices_equal_the_separate_calls_and_name_what_is_missing():
    """Oracle: `quadrants`, `count_quadrants` and `pairwise_disagreement`, one by one."""
    data, recordings = synthetic()
    heads = data[data["inputs"] != FULL].assign(source="finetuned", p=lambda t: 1 - t["p"])
    both = pd.concat([data, heads[heads["seed"] != 44]])
    how = dict(groups=recordings, n_boot=200)
    frame = disagreement.choices(
        {"test": both, "val": data},
        thresholds=(0.5, 0.7),
        unimodal_sources=("fusion", "finetuned"),
        **how,
    )
    assert frame["note"].value_counts().to_dict() == {
        "": 12, "2 of 3 seeds in common": 6, "no such predictions in this run": 1,
    }  # fmt: skip
    row = frame.query(
        "clips == 'test' and unimodal == 'finetuned' and threshold == 0.7 and modality == 'audio'"
    ).iloc[0]
    used = both[both["seed"] != 44]
    quadrants = disagreement.quadrants(used, threshold=0.7, unimodal_source="finetuned")
    counts = disagreement.count_quadrants(quadrants, **how).query("modality == 'audio'")
    assert row[list(disagreement.QUADRANTS)].tolist() == counts["n"].tolist()[:4]
    assert row["conflict"] == counts["share"].iloc[-1]
    models = disagreement.compared(used, unimodal_source="finetuned")
    rates = disagreement.pairwise_disagreement(models, **how)
    rate = rates.query("a == 'audio' and b == @FULL and seed == 'mean'").iloc[0]
    assert row["disagreement"] == rate["rate"] and row["disagreement_low"] == rate["ci_low"]


def test_three_classes_flow_through_every_table():
    """Synthetic three-class predictions; oracle: argmax by hand, entropy at most ln 3."""
    rng = np.random.default_rng(0)
    n = 40
    frames = []
    for inputs in ("voice", "face", "fusion"):
        p = rng.dirichlet(np.ones(3), n)
        frames.append(
            table({inputs: p[:, 1]}, np.arange(n) % 3, source="given").assign(
                **{f"p_{k}": p[:, k] for k in range(3)}
            )
        )
    data = pd.concat(frames, ignore_index=True)
    who = dict(unimodal_source="given", fusion_source="given")
    frame = disagreement.quadrants(data, **who)
    said = data.assign(said=data[["p_0", "p_1", "p_2"]].to_numpy().argmax(axis=1))
    right = (said["said"] == said["y"]).groupby([said["inputs"], said["clip_id"]]).first()
    blue = frame.query("seed == 'ensemble' and quadrant == 'blue'")
    for modality, part in blue.groupby("modality"):
        both = right[modality] & right["fusion"]
        assert set(part["clip_id"]) == set(both.index[both])
    entropy = predictive_entropy(disagreement.ensemble(data)[["p_0", "p_1", "p_2"]].to_numpy())
    assert (entropy <= np.log(3) + 1e-12).all()
    assert disagreement.choices({"test": data}, unimodal_sources=["given"], fusion_source="given")[
        "n"
    ].tolist() == [n, n]


# ----------------------------------------------------------------------- bad input


def break_table(problem):
    data, _ = synthetic(n=8)
    if problem == "nan":
        data.loc[3, "p"] = np.nan
    elif problem == "outside":
        data.loc[3, "p"] = 1.2
    elif problem == "infinite":
        data.loc[3, "p"] = np.inf
    elif problem == "text p":
        data["p"] = data["p"].astype(object)
        data.loc[3, "p"] = "high"
    elif problem == "duplicate":
        data = pd.concat([data, data.iloc[[3]]])
    elif problem == "two labels":
        data.loc[3, "y"] = 1 - data.loc[3, "y"]
    elif problem == "label":
        data["y"] = data["y"].replace({1: 2})
    elif problem == "named label":
        data["y"] = data["y"].map({0: "neutral", 1: "empathetic"})
    elif problem == "no seed":
        data["seed"] = data["seed"].astype(object)
        data.loc[3, "seed"] = None
    elif problem == "column":
        data = data.drop(columns=["y", "source"])
    elif problem == "empty":
        data = data.iloc[:0]
    elif problem == "gap":
        data = data.drop(index=3)
    elif problem == "no audio":
        data = data[data["inputs"] != "audio"]
    elif problem == "no fusion":
        data = data[data["inputs"] != FULL]
    return data


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("nan", r"missing p \(1 rows\): clip03/text/fusion/42"),
        ("outside", r"p outside \[0, 1\] \(1 rows\): clip03/text/fusion/42"),
        ("infinite", r"p outside \[0, 1\]"),
        ("text p", r"p is not a number \(1 rows\): clip03"),
        ("duplicate", r"given twice \(2 rows\): clip03/text/fusion/42"),
        ("two labels", r"clip has two labels \(12 rows\): clip03"),
        ("label", r"y is not one of 0 … 1"),
        ("named label", "y is not a number"),
        ("no seed", "missing seed"),
        ("column", "column missing: source, y"),
        ("empty", "no rows"),
        ("gap", r"text \(fusion\) has no row for 1 pairs of seed and clip .*: 42/clip03"),
        ("no audio", r"no model audio \(fusion\). Have: text \(fusion\), video"),
        ("no fusion", "cannot tell which model it is"),
    ],
)
def test_bad_predictions_are_refused_with_the_offenders(problem, message):
    with pytest.raises(ValueError, match=message):
        disagreement.quadrants(break_table(problem))


def test_other_bad_input():
    data, recordings = synthetic(n=8)
    with pytest.raises(ValueError, match="one model only: text"):
        disagreement.pairwise_disagreement(data[data["inputs"] == "text"])
    with pytest.raises(ValueError, match="groups: no value for clips clip02"):
        disagreement.pairwise_disagreement(data, groups=recordings.drop("clip02"))
    with pytest.raises(ValueError, match=r"no model text\+audio \(fusion\)"):
        disagreement.quadrants(data, fusion="text+audio")
    with pytest.raises(ValueError, match=r"no model text, audio, video \(finetuned\)"):
        disagreement.quadrants(data, unimodal_source="finetuned")


def test_input_is_not_changed():
    data, _ = synthetic(n=8)
    before = data.copy()
    disagreement.quadrants(data)
    pd.testing.assert_frame_equal(data, before)


def rows_of(clips, source="fusion", **more):
    frame = pd.DataFrame({"clip_id": clips, "inputs": "text", "source": source, "seed": 1, "y": 1})
    return frame.assign(p=0.6, fold=0, **more)


def test_evaluations_pool_validation_clips_that_are_no_test_clips():
    test, twice = rows_of(["a", "b"]), pd.concat([rows_of(["b", "c"])] * 2)
    found = disagreement.evaluations(test, twice)
    assert found["test+val"]["clip_id"].tolist() == ["a", "b", "c"] and "val" not in found
    found = disagreement.evaluations(test, twice.query("clip_id == 'b'"))
    assert found["val"]["clip_id"].tolist() == ["b"] and "test+val" not in found
    heads = pd.concat([rows_of(["a"], "finetuned", encoder=e) for e in ("roberta", "deberta")])
    fused = pd.DataFrame({"modality": ["text"], "encoder": ["roberta"]})
    found = disagreement.evaluations(test, None, heads, fused)
    assert list(found) == ["test"]
    assert found["test"]["source"].tolist() == ["fusion", "fusion", "finetuned"]


def test_sides_and_remarks_of_probabilities_from_elsewhere():
    table, dialog = rows_of(["a"], "given"), pd.Series(["x", "y"], ["a", "b"])
    assert set(list(disagreement.sides(table).values())[1:]) == {"given"}
    assert disagreement.sides(rows_of(["a"]), "all", "finetuned")["unimodal_source"] == "finetuned"
    said = " ".join(disagreement.remarks(table, dialog, "test", "test"))
    assert "Left aside: 1 clips" in said and "NO RECORDINGS ARE KNOWN" in said
    shared = pd.Series(["x", "x"], ["a", "b"])
    assert disagreement.remarks(rows_of(["a", "b"]), shared, "test", "test") == []
    (only,) = disagreement.remarks(rows_of(["a", "b"]), shared, "test+val", "test+val")
    assert "overlap" in only


def test_composition_counts_labels_and_recordings():
    table = pd.DataFrame({"clip_id": list("abc"), "modality": "text", "seed": "ensemble"})
    table["quadrant"] = ["blue", "blue", "red"]
    known = pd.DataFrame({"y": [0, 1, 1], "label": ["n", "e", "e"], "dialog_id": ["r", "r", "s"]})
    made = disagreement.composition(table, known.set_index(table["clip_id"]))
    assert made.to_dict("list") == {
        "modality": ["text", "text"], "quadrant": ["blue", "red"], "n": [2, 1],
        "share_class_1": [0.5, 1.0], "recordings": [1, 1], "largest_recording": [1.0, 1.0],
    }  # fmt: skip
    three = known.assign(y=[0, 1, 2], label=["n", "e", "o"]).set_index(table["clip_id"])
    names = [name for name in disagreement.composition(table, three) if name.startswith("share")]
    assert names == ["share_n", "share_e", "share_o"]

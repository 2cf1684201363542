"""`comparisons`: plain loops over clips, scikit-learn's kappa and accuracy."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from empdis_utils.paper import comparisons

SEEDS, CLIPS, FULL = (1, 2, 3), 160, "text+audio+video"
ID = [f"c{i:03d}" for i in range(CLIPS)]
GROUPS = pd.Series(np.arange(CLIPS) % 16, ID)
HOW = dict(groups=GROUPS, n_boot=200)


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, CLIPS)
    parts = []
    for name, skill in (("text", 1.5), ("audio", 0.5), ("video", 0.8), (FULL, 1.6)):
        mean = skill * (2 * y - 1) + rng.normal(0, 1.2, CLIPS)
        for seed in SEEDS:
            p = 1 / (1 + np.exp(-(mean + rng.normal(0, 0.7, CLIPS))))
            part = pd.DataFrame({"clip_id": ID, "y": y, "p": p, "inputs": name, "seed": seed})
            parts.append(part.assign(source="fusion", fold=0, split="test"))
    return pd.concat(parts, ignore_index=True)


def wide(predictions):
    return (predictions["p"] > 0.5).groupby(
        [predictions["inputs"], predictions["seed"], predictions["clip_id"]]
    ).first().unstack("clip_id")  # fmt: skip


def test_disagreement_gaps_are_differences_of_rates_over_different_seeds(predictions):
    said = wide(predictions)

    def rate(a, b):
        return np.mean([(said.loc[a, i] != said.loc[b, j]).mean()
                        for i in SEEDS for j in SEEDS if i != j])  # fmt: skip

    found = comparisons.disagreement_gaps(predictions, **HOW).set_index("comparison")
    expected = rate("text", "audio") - rate("audio", "video")
    row = found.loc["text-audio minus audio-video"]
    assert row["estimate"] == pytest.approx(expected)
    assert row["ci_low"] < expected < row["ci_high"] and row["n_recordings"] == 16
    expected = rate("video", FULL) - rate("text", FULL)
    assert found.loc["video-fusion minus text-fusion", "estimate"] == pytest.approx(expected)
    without = predictions[~predictions["inputs"].isin(["audio", FULL])]
    two = without.replace({"inputs": {"video": "fusion"}})
    assert comparisons.disagreement_gaps(two, **HOW).empty


def test_misled_by_plain_loops(predictions):
    p = predictions.pivot(index="clip_id", columns=["inputs", "seed"], values="p")
    y = predictions.groupby("clip_id")["y"].first()
    led, not_led = [], []
    for clip in ID:
        for seed in SEEDS:
            own = {m: p.loc[clip, (m, seed)] for m in ("text", "audio", "video")}
            wrong = [m for m, q in own.items() if (q > 0.5) != y[clip]]
            if wrong != ["audio"]:
                continue
            error = np.mean([(p.loc[clip, (FULL, s)] > 0.5) != y[clip] for s in SEEDS if s != seed])
            surest = max(own, key=lambda m: abs(own[m] - 0.5)) == "audio"
            (led if surest else not_led).append(error)
    found = comparisons.misled(predictions, **HOW).set_index("comparison")
    assert min(len(led), len(not_led)) >= 5 * len(SEEDS)
    assert found.loc["audio", "estimate"] == pytest.approx(np.mean(led) - np.mean(not_led))
    assert {"text", "audio", "video", "any"} == set(found.index)


def test_few_clips_have_no_number_and_say_so(predictions):
    few = predictions[predictions["clip_id"] < "c020"]
    row = comparisons.misled(few, groups=GROUPS, n_boot=100).set_index("comparison").loc["text"]
    assert np.isnan(row["estimate"]) and row["reason"].startswith("too few (n=")


def test_fusion_gain_takes_the_modality_that_validation_prefers(predictions):
    validation = predictions.copy()
    own = validation["inputs"] == "video"
    validation.loc[own, "p"] = validation.loc[own, "y"] * 0.8 + 0.1  # always right
    row = comparisons.fusion_gain(predictions, validation, **HOW).iloc[0]
    accuracy = {
        name: accuracy_score(part["y"], part["p"] > 0.5)
        for name, part in predictions.groupby("inputs")
    }
    assert accuracy["text"] > accuracy["video"]  # on the evaluated clips text is better
    assert row["comparison"] == "fusion minus video"
    assert row["estimate"] == pytest.approx(accuracy[FULL] - accuracy["video"])
    assert comparisons.fusion_gain(predictions, validation.iloc[:0], **HOW).empty


def gates(spread, rng=None):
    """Gates with a spread over clips that trainings share, and noise of each training."""
    rng = rng or np.random.default_rng(1)
    parts = []
    for modality, mean in (("text", 0.3), ("audio", 0.5), ("video", 0.6)):
        shared = rng.normal(0, spread, CLIPS)
        for seed in SEEDS:
            gate = mean + shared + rng.normal(0, 0.05, CLIPS)
            part = pd.DataFrame({"clip_id": ID, "seed": seed, "modality": modality, "gate": gate})
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def test_gate_spread_is_what_trainings_share():
    table = gates(0.08)
    found = comparisons.gate_spread(table, **HOW).set_index("comparison")["estimate"]
    means = table.groupby("modality")["gate"].mean()
    assert found["range of means"] == pytest.approx(means.max() - means.min())
    assert found["audio minus text"] == pytest.approx(means["audio"] - means["text"])
    own = table[table["modality"] == "text"].pivot(index="clip_id", columns="seed", values="gate")
    covariance = own.cov(ddof=0).to_numpy()
    off = covariance[~np.eye(3, dtype=bool)].mean()
    assert found["spread of text"] == pytest.approx(np.sqrt(off))
    assert 0.06 < found["spread of text"] < 0.1
    noise = comparisons.gate_spread(gates(0.0), **HOW).set_index("comparison")["estimate"]
    assert noise.filter(like="spread").max() < 0.02  # noise of training is no reliance on samples


def test_a_clip_that_lost_a_modality_is_left_out():
    table = gates(0.08)
    table.loc[(table["clip_id"] == "c000") & (table["modality"] == "audio"), "gate"] = np.nan
    found = comparisons.gate_spread(table, **HOW)
    assert (found["n"] == CLIPS - 1).all()
    assert comparisons.gate_spread(table[table["modality"] != "video"], **HOW).empty


def test_above_recording_on_the_released_split(predictions):
    rng = np.random.default_rng(4)
    y = predictions.groupby("clip_id")["y"].first()
    manifest = pd.DataFrame(
        {"clip_id": ID, "dialog_id": GROUPS.astype(str).to_numpy(), "y": y.loc[ID].to_numpy()}
    )
    manifest["split"] = np.where(rng.random(CLIPS) < 0.3, "test", "train")
    test = manifest[manifest["split"] == "test"]
    train = manifest[manifest["split"] == "train"]
    tuned = predictions[(predictions["inputs"] == "text")].assign(encoder="roberta")
    tuned = tuned[tuned["clip_id"].isin(test["clip_id"])]
    rate = test["dialog_id"].map(train.groupby("dialog_id")["y"].mean())
    tied = int(train["y"].mean() > 0.5)
    base = accuracy_score(test["y"], (rate > 0.5).where(rate != 0.5, tied).astype(int))
    row = comparisons.above_recording(manifest, tuned, **HOW).iloc[0]
    assert row["encoder"] == "roberta" and row["n"] == len(test)
    assert row["difference"] == pytest.approx(((tuned["p"] > 0.5) == tuned["y"]).mean() - base)
    assert comparisons.above_recording(manifest.assign(split="test"), tuned, **HOW).empty
    assert comparisons.above_recording(manifest, tuned.assign(fold=3), **HOW).empty


def test_gate_summary_is_mean_and_sd_of_each_modality():
    rng = np.random.default_rng(2)
    rows = [{"clip_id": c, "seed": s, "modality": m, "gate": rng.random(), "attention": 0.5}
            for c in ID for s in SEEDS for m in ("audio", "text")]  # fmt: skip
    gates = pd.DataFrame(rows)
    table = comparisons.gate_summary(gates, **HOW).set_index("modality")
    for name, part in gates.groupby("modality"):
        row = table.loc[name]
        assert row["gate_mean"] == pytest.approx(part["gate"].mean())
        assert row["gate_sd"] == pytest.approx(part["gate"].std())
        assert row["gate_low"] < row["gate_mean"] < row["gate_high"] and row["n"] == CLIPS
    assert table["attention_mean"].tolist() == [0.5, 0.5]


def test_comparisons_of_models_stand_below_each_other(predictions):
    found = comparisons.about_models(predictions, **HOW)
    gaps = comparisons.disagreement_gaps(predictions, **HOW)
    pd.testing.assert_frame_equal(
        found[found["about"] == "disagreement"][gaps.columns].reset_index(drop=True),
        gaps,
        check_dtype=False,
    )
    assert set(found["about"]) == {"disagreement", "misled"}


def test_encoders_stand_beside_the_recording_alone_the_majority_and_the_paper():
    manifest = pd.DataFrame({"clip_id": list("abcdef"), "dialog_id": list("xxyxyy")})
    manifest = manifest.assign(split=["train"] * 3 + ["test"] * 3, y=[1, 1, 0, 1, 0, 1])
    alone = comparisons.recording_alone(manifest).iloc[0]
    assert (alone["n"], alone["right"], alone["accuracy"]) == (3, 2, pytest.approx(2 / 3))
    nothing = comparisons.recording_alone(manifest.query("split == 'train'")).iloc[0]
    assert nothing["n"] == 0 and np.isnan(nothing["accuracy"])
    accuracy = pd.DataFrame({"protocol": ["release", "crossfit"], "encoder": "roberta"})
    accuracy = accuracy.assign(modality="text", accuracy=0.6, ci_low=0.5, ci_high=0.7)
    paper = pd.DataFrame({"model": ["RoBERTa"], "modality": ["text"], "accuracy": ["0.75"]})
    paper = paper.assign(accuracy_sd="0.01", f1="0.7")
    beside = comparisons.beside_paper(accuracy, manifest, paper)
    assert beside["majority class"].tolist() == [pytest.approx(2 / 3)] * 2
    assert beside["paper accuracy"].tolist() == [0.75, 0.75]
    drawn = comparisons.rows_to_draw(beside, paper).set_index("label")
    assert drawn.loc["paper: RoBERTa (text)", "ci_low"] == pytest.approx(0.74)
    assert drawn["mark"].tolist() == ["o", "D", "|", "|", "s"]
    assert "paper accuracy" not in comparisons.beside_paper(accuracy, manifest)

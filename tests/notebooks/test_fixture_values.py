"""What the chapters saved for the synthetic corpus, against its truth and plain recomputation."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score

from empdis_utils import corpora, run, tables

MODALITIES = ("text", "audio", "video")


@pytest.fixture(scope="module")
def read(artifacts):
    return lambda name: tables.read(artifacts, name)


@pytest.fixture(scope="module")
def truth():
    return corpora.load_fixture().truth.set_index("clip_id")


def test_every_chapter_of_the_profile_ran(artifacts):
    story = json.loads((artifacts.parent / "provenance.json").read_text())["chapters"]
    assert sorted(story) == sorted(run.read_profile("fixture")["chapters"])
    for entry in story.values():
        assert entry["seconds"] > 0 and entry["git"] and entry["hardware"] and entry["inputs"]


def test_provenance_hashes_are_those_of_the_tables(artifacts):
    story = json.loads((artifacts.parent / "provenance.json").read_text())["chapters"]
    for entry in story.values():
        for name, digest in entry["outputs"].items():
            assert run.sha256(artifacts / name) == digest


def test_01_manifest_and_shared_recordings(read):
    manifest = read("manifest")
    assert len(manifest) == 160 and manifest["dialog_id"].nunique() == 16
    audit = read("audit").query("check == 'clips_of_shared_recordings' and split_b == 'test'")
    assert (audit.set_index("split_a").loc["train", "share"]) == 1  # the split leaks on purpose


def test_02_recording_baseline_is_the_majority_of_the_recording(read):
    manifest = read("manifest")
    train, test = (manifest[manifest["split"] == s] for s in ("train", "test"))
    majority = train.groupby("dialog_id")["y"].agg(lambda y: int(y.mean() > 0.5))
    expected = accuracy_score(test["y"], test["dialog_id"].map(majority))
    assert read("recording_baseline")["accuracy"].item() == pytest.approx(expected)


def test_02_every_modality_beats_the_majority_on_held_out_recordings(read):
    predictions = read("predictions_finetuned")
    right = (predictions["p"] > 0.5).astype(int) == predictions["y"]
    accuracy = right.groupby([predictions["inputs"], predictions["encoder"]]).mean()
    majority = read("manifest")["y"].value_counts(normalize=True).max()
    for modality in MODALITIES:
        assert accuracy[modality].max() >= majority + 0.10, accuracy


def test_02_and_03_hold_out_the_same_recordings(read):
    finetuned, fused = read("predictions_finetuned"), read("predictions")
    one = finetuned.drop_duplicates("clip_id").set_index("clip_id")["fold"]
    two = fused.drop_duplicates("clip_id").set_index("clip_id")["fold"]
    pd.testing.assert_series_equal(one.sort_index(), two.sort_index())
    dialog = read("manifest").set_index("clip_id")["dialog_id"]
    assert (two.groupby(dialog).nunique() == 1).all()


def test_03_attention_shares_and_gates(read):
    gates = read("gates")
    assert np.allclose(gates.groupby(["clip_id", "seed"])["attention"].sum(), 1, atol=1e-5)
    summary = read("gate_summary").set_index("modality")
    for modality, part in gates.groupby("modality"):
        assert summary.loc[modality, "gate_mean"] == pytest.approx(part["gate"].mean())


def test_03_shapley_values_share_the_gain_exactly(read):
    predictions = read("predictions")
    full = predictions[predictions["inputs"] == "text+audio+video"]
    accuracy = ((full["p"] > 0.5) == full["y"]).mean()
    y = predictions.drop_duplicates("clip_id")["y"].mean()
    gain = read("shapley")["retrained_accuracy"].sum()
    assert gain == pytest.approx(accuracy - max(y, 1 - y))


def test_04_quadrants_partition_the_clips(read):
    ensemble = read("quadrants").query("seed == 'ensemble'")
    assert (ensemble.groupby("modality")["clip_id"].nunique() == 160).all()
    shares = ensemble[[f"membership_{q}" for q in tables.QUADRANTS]]
    assert np.allclose(shares.sum(axis=1), 1)
    right = ensemble["conf_fusion"] > 0.5
    assert (ensemble["quadrant"].isin(["blue", "green"]) == right).all()


def test_05_every_clip_has_a_status_and_measures(read):
    for name in ("audio_features", "face_features"):
        table = read(name)
        assert len(table) == 160 and (table["status"] == "ok").all()
    tests = read("feature_tests")
    assert tests.loc[tests["note"].str.startswith("too few"), "p"].isna().all()
    assert {"audio", "video"} == set(tests["family"])


def test_06_entropy_by_quadrant_is_the_mean_of_its_clips(read):
    entropy, summary = read("entropy"), read("entropy_by_quadrant")
    means = entropy.groupby(["modality", "quadrant"])["entropy"].mean()
    for row in summary.itertuples():
        assert row.mean == pytest.approx(means[row.modality, row.quadrant])
    assert entropy["entropy"].between(0, np.log(2) + 1e-9).all()


def test_07_kappa_is_scikit_learns_and_annotators_are_simulated(read):
    annotations = read("annotations")
    assert annotations["annotator"].str.startswith("simulated").all()
    quadrant = read("quadrants").query("seed == 'ensemble'").set_index(["clip_id", "modality"])
    cells = annotations.join(quadrant["quadrant"], on=["clip_id", "modality"])
    kappa = read("kappa").query("subset == 'all'").set_index(["quadrant", "round"])["kappa"]
    for key, part in cells.groupby(["quadrant", "round"]):
        wide = part.pivot(index=["clip_id", "modality"], columns="annotator", values="judgment")
        assert kappa[key] == pytest.approx(cohen_kappa_score(*wide.to_numpy().T))


def test_09_auroc_is_scikit_learns_on_the_truth(read, truth):
    ensemble = read("quadrants").query("seed == 'ensemble'")
    found = read("recovery_auroc").set_index(["modality", "score"])
    for modality in MODALITIES:
        own = ensemble.query("modality == @modality").set_index("clip_id").loc[truth.index]
        flag = own["membership_red"] + own["membership_green"]
        conflict = truth["contradicting"] == modality
        asked = conflict | (truth["kind"] == "congruent")
        expected = roc_auc_score(conflict[asked], flag[asked])
        row = found.loc[(modality, "red or green")]
        assert row["auroc"] == pytest.approx(expected)
        assert row["ci_low"] <= row["auroc"] <= row["ci_high"]


def test_09_feature_tests_find_the_carriers_and_spare_the_rest(read):
    verdict = read("recovered_features").set_index("feature")["verdict"]
    planted = ["mean_pitch", "mean_intensity", "speaking_rate", "jitter_local"]
    planted += ["proxy_AU04", "proxy_AU12", "proxy_AU05"]
    assert (verdict[planted] == "found").all(), verdict
    spared = ["max_pitch", "shimmer_local", "hnr", "proxy_AU45", "proxy_AU26"]
    assert (verdict[spared] == "spared").all(), verdict

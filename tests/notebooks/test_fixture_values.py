"""What the chapters saved for the synthetic corpus, against its truth and plain recomputation."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score

from empdis_utils.data import corpora, hashes, tables
from empdis_utils.press import parameters
from empdis_utils.show import openings

MODALITIES = ("text", "audio", "video")


@pytest.fixture(scope="module")
def read(artifacts):
    return lambda name: tables.read(artifacts, name)


@pytest.fixture(scope="module")
def truth():
    return corpora.load_fixture().truth.set_index("clip_id")


def test_every_chapter_of_the_profile_ran(artifacts):
    story = json.loads((artifacts.parent / "provenance.json").read_text())["chapters"]
    assert sorted(story) == sorted(parameters.read_profile("fixture")["chapters"])
    for entry in story.values():
        assert entry["seconds"] > 0 and entry["git"] and entry["hardware"] and entry["inputs"]


def test_provenance_hashes_are_those_of_the_tables(artifacts):
    story = json.loads((artifacts.parent / "provenance.json").read_text())["chapters"]
    for entry in story.values():
        for name, digest in entry["outputs"].items():
            assert hashes.sha256(artifacts / name) == digest


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


def test_03_a_wrong_join_costs_accuracy_where_all_modalities_carry_cues(read):
    """Oracle: the construction; the label is what most of the three cues of a clip say.

    A network that learned from all three cues must lose when it is then shown another clip's. One
    that learned with wrong ones can fall back on the words, which here are as good as all three:
    what that costs is within the noise of a retraining on 16 recordings, but it cannot gain.
    """
    joined, predictions = read("shuffled_join").set_index("join"), read("predictions")
    for row, inputs in (("true", "text+audio+video"), ("text alone", "text")):
        own = predictions[predictions["inputs"] == inputs]
        expected = ((own["p"] > 0.5) == own["y"]).mean()
        assert joined.loc[row, "accuracy"] == pytest.approx(expected)
    wrong = ["shuffled in training", "shuffled in testing", "shuffled in both"]
    cost = joined.loc[wrong, "accuracy"] - joined.loc["true", "accuracy"]
    pd.testing.assert_series_equal(joined.loc[wrong, "minus_true"], cost, check_names=False)
    assert joined.loc["shuffled in testing", "minus_true_high"] < 0
    assert (joined.loc[wrong, "minus_true_low"] < 0).all()
    assert cost.idxmin() == "shuffled in testing"


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
    assert {"text", "audio", "video"} == set(tests["family"])


def test_06_entropy_by_quadrant_is_the_mean_of_its_clips(read):
    entropy, summary = read("entropy"), read("entropy_by_quadrant")
    means = entropy.groupby(["modality", "quadrant"])["entropy"].mean()
    for row in summary[summary["n"] > 0].itertuples():
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


def test_07_sample_fills_each_cell_as_far_as_it_goes(read):
    available = (
        read("quadrants").query("seed == 'ensemble'").groupby(["modality", "quadrant"]).size()
    )
    sample = read("annotation_sample")
    found = sample.groupby(["modality", "quadrant"]).size()
    assert (found == available.clip(upper=17)[found.index]).all()
    assert not sample.duplicated(["clip_id", "modality"]).any()


def test_07_bias_and_consensus_are_counts_of_the_answers(read, truth):
    answers = read("annotations")
    said = (answers["judgment"] == "empathetic").astype(int)
    label = (truth.loc[answers["clip_id"], "label"] == "empathetic").astype(int).to_numpy()
    expected = (said - label).groupby([answers["annotator"], answers["round"]]).mean()
    bias = read("annotator_bias").set_index(["annotator", "round"])["bias"]
    for key, value in expected.items():
        assert bias[key] == pytest.approx(value)
    votes = said.groupby([answers["clip_id"], answers["modality"]]).mean()
    agreed = read("consensus").set_index(["clip_id", "modality"])["majority"]
    assert (agreed[votes.index] == votes.map(
        lambda v: "tie" if v == 0.5 else "empathetic" if v > 0.5 else "neutral")).all()  # fmt: skip


def trainings_that_differ(read, truth):
    """How many trainings make each clip red or green: integers [clips, modalities]."""
    each = read("quadrants").query("seed != 'ensemble'")
    off = each["quadrant"].isin(["red", "green"]).groupby([each["clip_id"], each["modality"]]).sum()
    return off.unstack().loc[truth.index, list(MODALITIES)]


def test_09_auroc_is_scikit_learns_on_the_truth(read, truth):
    """The paper's flag (yes or no) and our share of seeds, ranked on whole numbers, against all
    clips without conflict: those without a cue are hard negatives, and stay in."""
    ensemble = read("quadrants").query("seed == 'ensemble'")
    ensemble = ensemble.pivot(index="clip_id", columns="modality", values="quadrant")
    flag = ensemble.isin(["red", "green"]).loc[truth.index, list(MODALITIES)]
    counts = trainings_that_differ(read, truth)
    found = read("recovery_auroc").set_index(["modality", "score"])
    for modality in (*MODALITIES, "any"):
        conflict = truth["kind"] == "conflict"
        if modality != "any":
            conflict = truth["contradicting"] == modality
        asked = conflict | (truth["kind"] != "conflict")
        for score, table in (("red or green", flag), ("seed share", counts)):
            value = table.max(axis=1) if modality == "any" else table[modality]
            row = found.loc[(modality, score)]
            assert row["auroc"] == pytest.approx(roc_auc_score(conflict[asked], value[asked]))
            assert row["ci_low"] <= row["auroc"] <= row["ci_high"]
            assert row["n conflict"] == conflict.sum() and row["n other"] == 112
            assert (truth["kind"] == "no_cue").sum() == 16


def test_09_against_congruent_clips_ties_stay_ties(read, truth):
    """0.2 + 0.4 is not 0.6: shares added in floating point made 0.788 of what is 0.799."""
    rows = read("recovery_negatives").query("against == 'congruent' and score == 'seed share'")
    counts = trainings_that_differ(read, truth).max(axis=1)
    asked = truth["kind"] != "no_cue"
    expected = roc_auc_score((truth["kind"] == "conflict")[asked], counts[asked])
    assert rows.set_index("modality")["auroc"]["any"] == pytest.approx(expected)


def test_09_precision_is_a_count_of_flagged_clips(read, truth):
    ensemble = read("quadrants").query("seed == 'ensemble' and modality == 'text'")
    flagged = ensemble.loc[ensemble["quadrant"].isin(["red", "green"]), "clip_id"]
    held = (truth.loc[flagged, "contradicting"] == "text").sum()
    row = read("recovery_precision").query("modality == 'text' and score == 'red or green'").iloc[0]
    assert row["flagged"] == len(flagged) and row["this conflicts"] == held
    assert row["precision"] == pytest.approx(held / len(flagged))
    kinds = ["this conflicts", "another conflicts", "no cue", "congruent"]
    assert row[kinds].sum() == len(flagged)


def test_09_opposition_is_its_formula(read, truth):
    p = read("predictions").query("source == 'fusion'")
    p = p.groupby(["inputs", "clip_id"])["p"].mean().unstack("inputs").loc[truth.index]
    z = np.log(p / (1 - p))
    conflict = truth["contradicting"] == "video"
    asked = conflict | (truth["kind"] != "conflict")
    expected = roc_auc_score(conflict[asked], -(z["video"] * z["text+audio"])[asked])
    found = read("recovery_auroc").set_index(["modality", "score"])["auroc"]
    assert found["video", "opposition"] == pytest.approx(expected)
    gain = read("recovery_gain").set_index(["modality", "score"])["difference"]
    assert gain["video", "opposition - seed share"] == pytest.approx(
        expected - found["video", "seed share"]
    )


def test_09_says_in_its_first_words_what_was_found_and_what_flatters_it(read):
    cells = json.loads((parameters.NOTEBOOKS / "09_recovery.ipynb").read_text())["cells"]
    first = "".join(cells[0]["source"])
    assert first.split("\n\n")[1] == "{glue:text}`opening:s`"  # right under the title
    found, gains = read("recovery_auroc"), read("recovery_gain")
    said = openings.recovery(found, gains, read("recovery_precision"))
    at, gain = (table.set_index(["modality", "score"]) for table in (found, gains))
    precise = read("recovery_precision").set_index(["modality", "score"])
    told = [at.loc[("any", name), "auroc"] for name in ("red or green", "opposition")]
    told += [gain.loc[("any", "red or green - entropy"), "difference"]]
    told += [precise.loc[("text", "red or green"), "precision"]]
    assert all(f"{number:.2f} [" in said for number in told), said
    assert len(said.split()) < 100
    assert "pre-trained on other clips *of the same generator*" in first
    assert "majority of its cues" in first


def test_09_sample_sizes_are_of_new_recordings(read):
    """Subsamples without replacement do not differ at all once every recording is in them."""
    size = read("sample_size").query("score == 'opposition'").sort_values("recordings")
    sixteen = size.set_index("recordings").loc[16]
    assert sixteen["high"] - sixteen["low"] > 0.02
    assert (size["sd"] > 0).all()
    assert size["power"].iloc[-1] == 1


def test_09_verdicts_of_draws_are_counted(read):
    table = read("verdict_stability")
    kinds = ["supported", "contradicted", "too little data"]
    assert np.allclose(table[kinds].sum(axis=1), 1)
    assert table["same"].between(0, 1).all() and table["rendered"].isin(kinds).all()


def test_09_false_alarms_are_rare(read):
    alarms = read("false_alarms").set_index("score")
    assert (alarms["ci_low"] <= 0.1).all() and alarms["false alarms"].mean() < 0.12


def test_08_specification_is_every_path_recomputed(read):
    paths = read("specifications")
    choices = ["training", "clips", "unimodal", "threshold", "seed"]
    assert not paths.duplicated(choices).any()
    row = paths.query(
        "training == 'as in chapter 03' and clips == 'test' and unimodal == 'network' "
        "and threshold == 0.5 and seed == '44'"
    ).iloc[0]
    said = read("predictions").query("source == 'fusion' and seed == 44")
    said = said.pivot(index="clip_id", columns="inputs", values="p") > 0.5
    apart = {
        (a, b): (said[a] != said[b]).mean()
        for a, b in (("text", "audio"), ("text", "video"), ("audio", "video"))
    }
    expected = (apart["text", "audio"] + apart["text", "video"]) / 2 - apart["audio", "video"]
    assert row["text apart"] == pytest.approx(expected)
    curve = read("specification_curve").set_index("direction")
    known = paths["text apart"].dropna()
    assert curve.loc["text apart", "holds"] == pytest.approx((known > 0).mean())


def test_09_feature_tests_find_the_carriers_and_spare_the_rest(read):
    verdict = read("recovered_features").set_index("feature")["verdict"]
    planted = ["mean_pitch", "mean_intensity", "speaking_rate", "jitter_local"]
    planted += ["proxy_AU04", "proxy_AU12", "proxy_AU05"]
    assert (verdict[planted] == "found").all(), verdict
    spared = ["max_pitch", "shimmer_local", "hnr", "proxy_AU45", "proxy_AU26"]
    assert (verdict[spared] == "spared").all(), verdict


def test_08_split_finds_the_marks_that_were_planted(read):
    recognised = read("recording_recognition").set_index("features")["accuracy"]
    chance = read("recording_recognition")["largest"].max()
    # each recording has its own voice and face; all draw their words from the same templates
    assert recognised["measured audio"] > 3 * chance
    assert recognised["measured video"] > 3 * chance
    assert recognised["TF-IDF"] < 2 * chance
    gain = read("split_gain").set_index("features")["random minus grouped"]
    assert gain["recording only"] > 0.2
    assert gain["measured audio"] > gain["TF-IDF"]


def test_08_split_simulation_rewards_the_mark_under_random_folds_only(read):
    found = read("split_simulation").pivot(index="strength", columns="folds", values="accuracy")
    majority = read("manifest")["y"].value_counts(normalize=True).max()
    assert abs(found.loc[0, "random"] - majority) < 0.1
    assert found["random"].iloc[-1] > majority + 0.15
    assert found["grouped"].max() < majority + 0.05


def test_08_choices_start_from_chapter_03(read):
    effects = read("choices").set_index(["choice", "number"])["value"]
    rows = read("predictions").query("source == 'fusion' and seed < 43")
    right = ((rows["p"] > 0.5) == rows["y"]).groupby(rows["inputs"]).mean()
    base = effects["as in chapter 03"]
    full = "text+audio+video"
    assert base["accuracy of fusion"] == pytest.approx(right[full])
    val = read("predictions_validation").query("source == 'fusion' and seed < 43")
    val = val[val["inputs"].isin(MODALITIES)]
    best = ((val["p"] > 0.5) == val["y"]).groupby(val["inputs"]).mean().idxmax()
    assert base[f"fusion minus {best}"] == pytest.approx(right[full] - right[best])
    shift = read("choices").set_index(["choice", "number"])["shift"]
    for other in ("max pooling", "last epoch"):
        moved = effects[other, "accuracy of fusion"] - base["accuracy of fusion"]
        assert shift[other, "accuracy of fusion"] == pytest.approx(moved)
    for other in ("max pooling", "last epoch"):  # the change reached the network
        number = "entropy gap (nats)"  # continuous: an accuracy can be the same by chance
        assert effects[other, number] != pytest.approx(base[number], abs=1e-6)


@pytest.fixture(scope="module")
def read_book(artifacts):
    return lambda name: tables.read(artifacts.parents[1] / "book" / "artifacts", name)


def test_08_replication_corrects_the_papers_p_values(read_book):
    rows = read_book("paper_corrected")
    for _, family in rows.groupby("family"):  # Holm (1979) and Benjamini & Hochberg (1995) by hand
        p = family["p"].astype(float).to_numpy()
        order, m = np.argsort(p), len(p)
        holm = np.maximum.accumulate((m - np.arange(m)) * p[order]).clip(max=1)
        bh = np.minimum.accumulate(m / np.arange(m, 0, -1) * p[order][::-1]).clip(max=1)[::-1]
        assert family["p_holm"].to_numpy()[order] == pytest.approx(holm)
        assert family["p_bh"].to_numpy()[order] == pytest.approx(bh)


def test_08_replication_contrast_of_kappas(read_book):
    one = read_book("paper_delta_kappa").query(
        "table == 'table_06' and share == 0.5 and correlation == 0.5"
    )
    one = one.set_index("quadrant")
    found = read_book("paper_kappa_contrast").query(
        "table == 'table_06' and share == 0.5 and correlation == 0.5"
    )
    delta = one["delta"]
    expected = (delta["blue"] + delta["yellow"] - delta["red"] - delta["green"]) / 2
    assert found["delta"].item() == pytest.approx(expected)
    assert found["se"].item() == pytest.approx(np.sqrt((one["se"] ** 2).sum()) / 2)


def test_08_ledger_follows_its_rules(read, read_book):
    ledger = read_book("claims")
    fixture = ledger[ledger["profile"] == "fixture"].set_index("claim_id")
    auroc = read("recovery_auroc").set_index(["modality", "score"])
    planted = auroc.loc[("any", "red or green")]
    row = fixture.loc["conflict-is-found"]
    assert row["run_value"] == planted["auroc"] and row["ci_low"] == planted["ci_low"]
    gain = (
        read("recovery_gain").set_index(["modality", "score"]).loc["any", "red or green - entropy"]
    )
    if row["verdict"] == "supported":  # not without more than entropy finds
        assert planted["ci_low"] > 0.5 and gain["ci_low"] > 0
    above = read("entropy_placebo").query("modality == 'text' and contrast == 'red - blue'")
    row = fixture.loc["entropy-red-over-blue"]
    assert set(row["placebo"].split(", ")) == {"same model", "other encoder"}
    assert row["excess"] in set(read("entropy_placebo")["excess"]) and len(above) == 2
    if row["verdict"] == "supported":
        assert (above["excess_low"] > 0).all()
    about_people = fixture[fixture["note"].str.contains("no evidence about people")]
    assert len(about_people) >= 10 and set(about_people["verdict"]) == {"not testable"}
    absent = ledger[ledger["profile"] == "paper"]
    assert set(absent["verdict"]) == {"not testable"} and (absent["note"] != "").all()


def test_12_detectors_are_ranked_by_their_auroc_on_planted_mismatches(read, truth):
    scores = read("mismatch_scores").set_index("clip_id")
    cues = truth.loc[scores.index, ["text_cue", "video_cue"]]
    assert (cues["text_cue"] != cues["video_cue"]).equals(scores["mismatch"].astype(bool))
    found = read("mismatch").set_index("detector")
    for name in scores.columns.drop("mismatch"):
        expected = roc_auc_score(scores["mismatch"], scores[name])
        assert found.loc[name, "estimate"] == pytest.approx(expected)
    assert found.loc["metadata only", "ci_low"] < 0.5  # nothing was planted there
    assert found.loc["opposition", "estimate"] > found.loc["metadata only", "estimate"]


def test_12_only_the_own_prefix_knows_what_only_sound_and_picture_tell(read, truth):
    found = read("prefix_answers")
    shared = truth.loc[found["clip_id"].unique()]
    assert (shared["audio_cue"] == shared["video_cue"]).all()
    assert not (shared["audio_cue"] == "neutral").any()
    own = (
        found.query("arm == 'true'").groupby(["clip_id", "tone"], as_index=False)["correct"].mean()
    )
    expected = own.groupby("tone")["correct"].mean().mean()
    table = read("prefix_compared").query("measure == 'choice accuracy'").set_index("arm")
    assert table.loc["true", "estimate"] == pytest.approx(expected)
    assert table.loc["true", "ci_low"] > 0.5
    for arm in ("zero", "shuffled", "mean"):  # these cannot know; 0.6 leaves room for chance
        assert table.loc[arm, "ci_low"] < 0.55 and table.loc[arm, "estimate"] < 0.6
    assert found.groupby("arm")["seed"].nunique().eq(5).all()


def test_12_a_marker_that_tells_the_answer_is_read(read):
    helped = read("marker_differences").query("measure == 'choice accuracy'")
    telling = helped[helped["marker"] == "a marker that tells the answer"].set_index("kind")
    assert telling.loc["words and face differ", "ci_low"] > 0  # else the null would say nothing


def test_13_area_and_its_gain_are_those_of_a_loop_over_the_predictions(read):
    """Fusion's errors, ranked by its distance from the three modalities, seed by seed."""
    wide = read("compared").pivot(index=["seed", "clip_id", "y"], columns="inputs", values="p")
    full = max(wide, key=len)
    wrong = (wide[full] > 0.5) != (wide.index.get_level_values("y") == 1)
    apart = wide.drop(columns=full).sub(wide[full], axis=0).abs().mean(axis=1)
    areas = []
    for seed in wide.index.unique("seed"):
        ranked = wrong[seed].loc[apart[seed].sort_values().index].to_numpy()
        areas.append(np.mean([ranked[: k + 1].mean() for k in range(len(ranked))]))
    scores = read("uses").query("use == 'abstain' and measure == 'AURC'")
    found = scores.set_index("method")["score"]
    assert found["cross-modal disagreement"] == pytest.approx(np.mean(areas))
    gain = read("use_gains").query("use == 'abstain' and primary").iloc[0]
    best = scores[scores["role"] == "baseline"]["score"].min()
    assert gain["gain"] == pytest.approx(best - np.mean(areas))
    assert found[gain["strongest"]] == best

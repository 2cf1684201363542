"""The chapters of the real corpora, run on invented stand-ins whose effects are planted.

Oracle: what `standins` planted, and the same numbers recomputed here in the plainest way.
"""

import json

import numpy as np
import pandas as pd
import pytest
import standins
from sklearn.metrics import accuracy_score

from empdis_utils.data import corpora, tables
from empdis_utils.press import parameters, run

# The stand-ins are not the published files, and the loaders rightly say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*differs from the published file:UserWarning")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    for name in ("empspeech", "mosi", "cremad", "mustardpp"):
        getattr(standins, name)(folder)
    return folder


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """All real profiles, run on the stand-ins with fewer seeds; returns the folder of runs."""
    folder = tmp_path_factory.mktemp("runs")
    small = {
        "01_data": [],
        "02_unimodal": ["n_seeds=2", "n_folds=2", "epochs=2", "learning_rate=0.001"],
        "03_fusion": ["n_seeds=2", "n_folds=3"],
        "05_features": ["n_perm=500"],
        "06_entropy": ["n_perm=500"],
        "08_split": ["n_repeats=2", "n_draws=2", "n_boot=200", "finetuned_draws=2"],
        "08_choices": ["n_seeds=2", "n_boot=200"],
        "08_specification": ["n_perm=99"],
        "09_conflict": ["n_boot=200"],
        "12_incongruence": ["n_boot=200", "n_splits=3"],
        "13_uses": ["n_boot=200", "n_seeds=1"],
        "12_sarcasm": ["n_boot=200", "n_repeats=2"],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMPDIS_DATA", str(data))
        patch.setenv("EMPDIS_CACHE", str(folder / "cache"))
        for profile in ("empspeech", "mosi", "cremad", "mustardpp"):
            for chapter in parameters.read_profile(profile)["chapters"]:
                run.run_chapter(profile, chapter, folder, overrides=small.get(chapter, []))
        for chapter in ("00_findings", "08_ledger"):
            run.run_chapter("book", chapter, folder)
    return folder


def test_first_page_has_one_line_per_question_and_corpus(runs):
    findings = tables.read(runs / "book" / "artifacts", "findings")
    assert not findings.duplicated(["question", "corpus"]).any()
    above = tables.read(runs / "cremad" / "artifacts", "votes_placebo")
    above = above[above["contrast"] == "red+green - blue+yellow"].set_index("modality")
    people = findings[findings["question"].str.startswith("Are people more divided")]
    assert len(people) == 2
    for modality in ("audio", "video"):
        own = people[people["question"].str.contains(modality)]["answer"].item()
        assert own.startswith(f"{above.loc[modality, 'excess']:.3f} [")


def test_no_page_shows_a_warning_or_a_path(runs):
    for page in sorted(runs.glob("*/*.ipynb")):
        outputs = [
            output
            for cell in json.loads(page.read_text())["cells"]
            for output in cell.get("outputs", [])
        ]
        text = "".join(
            "".join(o.get("text", o.get("data", {}).get("text/plain", ""))) for o in outputs
        )
        assert "PosixPath" not in text, page
        told = [line for line in text.splitlines() if "Warning" in line]
        assert all("differs from the published file" in line for line in told), (page, told)


def test_ledger_of_the_real_corpora_follows_its_intervals(runs):
    ledger = tables.read(runs / "book" / "artifacts", "claims")
    tested = ledger[ledger["verdict"] != "not testable"]
    assert {"mosi", "cremad"} <= set(tested["profile"])
    for row in tested[tested["rows"] == ""].itertuples():
        claim, reference = row.expects.rsplit(" ", 1)
        sides = {"above": row.ci_low > float(reference), "below": row.ci_high < float(reference)}
        if claim in sides and row.verdict == "supported":
            assert sides[claim], row
            beyond = {"above": row.excess_low > 0, "below": row.excess_high < 0}
            assert row.placebo == "" or beyond[claim], row
            assert row.q <= 0.05
    kappa = ledger[ledger["claim_id"] == "kappa-falls-red"].set_index("profile")
    for profile in ("mosi", "cremad"):
        assert "link from models to people" in kappa.loc[profile, "note"]


def test_ledger_quotes_the_interval_of_chapter_07(runs):
    """Edition 1 recomputed it, and contradicted the chapter on the same votes."""
    chapter = tables.read(runs / "cremad" / "artifacts", "vote_changes")
    own = chapter[(chapter["part"] == "red") & (chapter["from"].isin(["audio", "video"]))]
    ledger = tables.read(runs / "book" / "artifacts", "claims").query("profile == 'cremad'")
    row = ledger.set_index("claim_id").loc["people-red-falls"]
    if own["ci_low"].notna().all():
        assert (row["ci_low"], row["ci_high"]) == (own["ci_low"].min(), own["ci_high"].max())


def test_empspeech_baseline_knows_the_recording(runs):
    artifacts = runs / "empspeech" / "artifacts"
    manifest = tables.read(artifacts, "manifest")
    train, test = manifest.query("split == 'train'"), manifest.query("split == 'test'")
    majority = train.groupby("dialog_id")["y"].agg(lambda y: int(y.mean() > 0.5))
    expected = accuracy_score(test["y"], test["dialog_id"].map(majority))
    row = tables.read(artifacts, "recording_baseline").iloc[0]
    assert row["accuracy"] == pytest.approx(expected)
    assert row["accuracy"] > 0.75 and row["n"] == len(test)
    assert row["ci_low"] <= row["accuracy"] <= row["ci_high"]


def test_empspeech_text_model_is_trained_under_both_protocols(runs):
    artifacts = runs / "empspeech" / "artifacts"
    accuracy = tables.read(artifacts, "accuracy_unimodal").set_index("protocol")
    assert set(accuracy.index) == {"release", "crossfit"}
    assert accuracy.loc["crossfit", "n"] == len(tables.read(artifacts, "manifest"))
    assert accuracy.loc["crossfit", "accuracy"] > 0.6  # the words carry the label


def test_audit_finds_that_test_recordings_are_in_train(runs):
    audit = tables.read(runs / "empspeech" / "artifacts", "audit")
    row = audit.query(
        "check == 'clips_of_shared_recordings' and split_a == 'train' and split_b == 'test'"
    )
    assert row["share"].item() == 1


def test_mosi_features_that_saw_the_labels_are_found(runs):
    leak = tables.read(runs / "mosi" / "artifacts", "feature_leak")
    score = leak.set_index(["modality", "released split"])["accuracy, held out by recording"]
    for modality in ("text", "audio", "video"):
        assert score[modality, "train"] > 0.95
        assert score[modality, "test"] < 0.9


def test_mosi_evaluates_only_clips_whose_features_saw_no_label(runs):
    artifacts = runs / "mosi" / "artifacts"
    assert set(tables.read(artifacts, "manifest")["split"]) == {"test"}
    assert tables.read(artifacts, "predictions")["clip_id"].str.startswith("testvideo").all()


def test_mosi_fusion_has_all_subsets_out_of_fold(runs):
    artifacts = runs / "mosi" / "artifacts"
    predictions = tables.read(artifacts, "predictions")
    assert predictions["inputs"].nunique() == 7
    assert (predictions.groupby(["inputs", "seed"]).size() == 80).all()
    dialog = tables.read(artifacts, "manifest").set_index("clip_id")["dialog_id"]
    folds = predictions.assign(dialog=predictions["clip_id"].map(dialog)).groupby("dialog")["fold"]
    assert (folds.nunique() == 1).all()  # a recording is held out whole
    accuracy = tables.read(artifacts, "accuracy_fusion").set_index("inputs")["accuracy"]
    assert accuracy["text"] > 0.65 > accuracy["video"]  # as planted


def test_mosi_quadrants_follow_from_the_predictions(runs):
    artifacts = runs / "mosi" / "artifacts"
    predictions = tables.read(artifacts, "predictions")
    mean = predictions.groupby(["clip_id", "inputs"])["p"].mean().unstack()
    y = predictions.groupby("clip_id")["y"].first()
    right = (mean > 0.5).eq(y == 1, axis=0)
    ensemble = tables.read(artifacts, "quadrants").query("seed == 'ensemble'")
    for modality, part in ensemble.groupby("modality"):
        named = part.set_index("clip_id")["quadrant"].reindex(right.index)
        uni, full = right[modality], right["text+audio+video"]
        assert (named.isin(["blue", "red"]) == uni).all()
        assert (named.isin(["blue", "green"]) == full).all()


def test_mosi_disagreement_counts_differing_labels(runs):
    artifacts = runs / "mosi" / "artifacts"
    predictions = tables.read(artifacts, "predictions")
    label = (predictions.set_index(["seed", "clip_id", "inputs"])["p"] > 0.5).unstack()
    expected = (label["text"] != label["audio"]).mean()
    row = tables.read(artifacts, "disagreement").query(
        "a == 'text' and b == 'audio' and seed == 'mean'"
    )
    assert row["rate"].item() == pytest.approx(expected)


def test_mosi_entropy_is_that_of_the_mean_probability(runs):
    artifacts = runs / "mosi" / "artifacts"
    predictions = tables.read(artifacts, "predictions").query("inputs == 'text+audio+video'")
    p = predictions.groupby("clip_id")["p"].mean()
    expected = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    entropy = tables.read(artifacts, "entropy").query("modality == 'text'").set_index("clip_id")
    pd.testing.assert_series_equal(
        entropy["entropy"].sort_index(), expected, check_names=False, check_index_type=False
    )


def test_mosi_feature_tests_cover_every_feature_and_contrast(runs):
    tests = tables.read(runs / "mosi" / "artifacts", "feature_tests")
    assert tests["family"].value_counts().to_dict() == {"audio": 6 * 3, "text": 5 * 3}
    small = tests[(tests["n_1"] < 5) | (tests["n_2"] < 5)]
    assert small["p"].isna().all()
    assert tests["p_holm"].dropna().ge(tests["p_permutation"].dropna()).all()


def test_cremad_agreement_rises_as_planted(runs):
    kappa = tables.read(runs / "cremad" / "artifacts", "kappa").query("answers == 'six emotions'")
    kappa = kappa.set_index("modality")["kappa"]
    assert kappa["audio"] < kappa["video"] < kappa["audio+video"]
    # chance-corrected agreement of raters who hit with probability q and else guess among five
    for modality, q in (("audio", 0.4), ("video", 0.6), ("audio+video", 0.75)):
        observed = q**2 + (1 - q) ** 2 / 5
        assert kappa[modality] == pytest.approx((observed - 1 / 6) / (1 - 1 / 6), abs=0.06)


def test_cremad_quadrants_of_people_count_every_clip(runs):
    people = tables.read(runs / "cremad" / "artifacts", "people_quadrants")
    assert (people.groupby("modality").size() == 120).all()
    assert set(people["quadrant"]) <= {"blue", "red", "green", "yellow", "tie"}


def test_two_runs_give_the_same_bytes(runs, data, tmp_path, monkeypatch):
    monkeypatch.setenv("EMPDIS_DATA", str(data))
    for chapter in ("01_data", "03_fusion", "04_quadrants"):
        extra = ["n_seeds=2", "n_folds=3"] if chapter == "03_fusion" else []
        run.run_chapter("mosi", chapter, tmp_path, overrides=extra)
    again = sorted((tmp_path / "mosi" / "artifacts").rglob("*.parquet"))
    assert len(again) >= 12
    for path in again:
        assert path.read_bytes() == (runs / "mosi" / "artifacts" / path.name).read_bytes(), (
            path.name
        )


def test_empspeech_split_gives_the_recording_away(runs):
    artifacts = runs / "empspeech" / "artifacts"
    accuracy = tables.read(artifacts, "split_accuracy").set_index(["features", "folds"])["accuracy"]
    assert accuracy["recording only", "random"] > 0.75  # planted: labels follow recordings
    assert accuracy["recording only", "grouped"] < 0.65
    gain = tables.read(artifacts, "split_gain").set_index("features")["random minus grouped"]
    both = accuracy["TF-IDF", "random"] - accuracy["TF-IDF", "grouped"]
    assert gain["TF-IDF"] == pytest.approx(both)
    assert {("fine-tuned, 2 draws", "random"), ("fine-tuned, 2 draws", "grouped")} <= set(
        accuracy.index
    )
    assert np.isfinite(gain["fine-tuned, 2 draws"])
    skill = tables.read(artifacts, "within_between").set_index(["features", "folds", "measure"])
    assert skill.loc[("recording only", "random", "share_between"), "value"] > 0.9


def test_mosi_choices_are_made_one_at_a_time(runs):
    effects = tables.read(runs / "mosi" / "artifacts", "choices")
    assert "random folds" in set(effects["choice"])  # published features need no fine-tuned folds
    pooled = effects.set_index(["choice", "number"])["n"]
    test_only = pooled["as in chapter 03", "accuracy of fusion"]
    assert (
        pooled["validation clips pooled in", "accuracy of fusion"] == test_only
    )  # every clip is both


def test_mosi_opposition_is_its_formula(runs):
    artifacts = runs / "mosi" / "artifacts"
    p = tables.read(artifacts, "predictions").query("source == 'fusion'")
    p = p.groupby(["inputs", "clip_id"])["p"].mean().unstack("inputs").clip(1e-6, 1 - 1e-6)
    opposed = np.log(p / (1 - p))["text"] * np.log(p / (1 - p))["audio+video"] < 0
    row = tables.read(artifacts, "opposition_share").query(
        "case == 'text against the others' and score == 'opposition'"
    )
    assert row["opposed"].item() == pytest.approx(opposed.mean())
    found = tables.read(artifacts, "opposition")
    assert set(found["to find"]) == {"fusion is wrong"}  # nobody knows the conflicts of real clips
    assert found["score"].str.contains("placebo").any()


def test_cremad_opposition_is_of_votes(runs, data):
    votes = pd.read_csv(data / "cremad" / "tabulatedVotes.csv")
    kept = tables.read(runs / "cremad" / "artifacts", "opposition_share").query(
        "score == 'opposition'"
    )
    channel = votes.iloc[:, 0].astype(str).str[0]
    logs = np.log(votes[list("ADFHNS")] + 0.5)
    logs = logs.sub(logs.mean(axis=1), axis=0).assign(clip=votes["fileName"])
    voice, face = (logs[channel == c].set_index("clip").sort_index() for c in "12")
    opposed = (voice * face.loc[voice.index]).sum(axis=1) < 0
    # clips that the publisher calls faulty, or without sound, are left aside
    assert kept["n"].item() <= len(opposed)
    assert kept["opposed"].item() == pytest.approx(opposed.mean(), abs=0.02)


def test_mosi_specifications_hold_every_training(runs):
    paths = tables.read(runs / "mosi" / "artifacts", "specifications")
    assert {"as in chapter 03", "random folds", "max pooling"} <= set(paths["training"])
    assert set(paths["unimodal"]) == {"network"}  # no encoder was fine-tuned
    curve = tables.read(runs / "mosi" / "artifacts", "specification_curve").set_index("direction")
    assert curve["holds"].between(0, 1).all() and (curve["p"] >= 1 / 100).all()


def channel_votes(data):
    votes = pd.read_csv(data / "cremad" / "tabulatedVotes.csv")
    channel = votes.iloc[:, 0].astype(str).str[0]
    kept = [votes[channel == c].set_index("fileName")[list("ADFHNS")].sort_index() for c in "123"]
    faulty = {*corpora.CREMAD["faulty"], *corpora.CREMAD["silent"]}
    good = [name for name in kept[0].index if name not in faulty]
    return [part.loc[good].to_numpy(float) for part in kept]


def test_cremad_incongruence_is_its_formula(runs, data):
    a, b, _ = channel_votes(data)
    n, m = a.sum(axis=1, keepdims=True), b.sum(axis=1, keepdims=True)
    plain = ((a / n - b / m) ** 2).sum(axis=1)
    noise = sum(((v / k) * (1 - v / k)).sum(axis=1) / (k[:, 0] - 1) for v, k in ((a, n), (b, m)))
    rates = tables.read(runs / "cremad" / "artifacts", "incongruence_rates")
    rates = rates.set_index(["number", "compared"])["estimate"]
    assert rates["plain", "voice against face"] == pytest.approx(plain.mean())
    assert rates["unbiased", "voice against face"] == pytest.approx((plain - noise).mean())
    assert abs(rates["unbiased", "two halves of voice"]) < 0.05
    assert rates["plain", "two halves of voice"] > 0.1


def test_cremad_flows_hold_every_clip_and_conflict_is_answered(runs, data):
    artifacts = runs / "cremad" / "artifacts"
    a, _, _ = channel_votes(data)
    assert tables.read(artifacts, "channel_flows")["clips"].sum() == pytest.approx(len(a))
    effects = tables.read(artifacts, "division_coefficients")
    clean = effects[effects["model"] == "noise taken out"].set_index("term")
    gap = clean.loc["incongruence", "estimate"] - clean.loc["video division", "estimate"]
    assert clean.loc["incongruence minus video division", "estimate"] == pytest.approx(gap)
    ledger = tables.read(runs / "book" / "artifacts", "claims").query("profile == 'cremad'")
    row = ledger.set_index("claim_id").loc["conflict-over-unclear-face"]
    if np.isfinite(clean.loc["incongruence minus video division", "ci_low"]):
        assert row["run_value"] == pytest.approx(gap)


def test_sarcasm_is_a_mismatch_and_speakers_give_it_away(runs):
    artifacts = runs / "mustardpp" / "artifacts"
    emotions = tables.read(artifacts, "sarcasm_emotions").set_index("label")
    assert emotions["estimate"].to_dict() == {"sarcastic": 1, "sincere": 0}  # as planted
    at = tables.read(artifacts, "sarcasm_accuracy").set_index(["features", "folds"])["estimate"]
    assert at["speaker only", "random"] > at["speaker only", "speakers"] + 0.05
    assert at["words (TF-IDF)", "random"] < 0.75  # no word was planted


def test_one_label_per_channel_gives_the_chapter_by_profile(tmp_path, monkeypatch):
    """CH-SIMS' header: three channels, one rating each. No null, no noise, and it says so."""
    standins.sims_label(tmp_path / "label.csv")
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path / "cache"))
    given = [f"corpus=ratings:{tmp_path / 'label.csv'}", "first=text", "second=video"]
    given += [
        "whole=text+audio+video",
        "called={text: words, video: face}",
        "answers={}",
        "n_boot=100",
    ]
    run.run_chapter("cremad", "12_incongruence", tmp_path, overrides=given)
    artifacts = tmp_path / "cremad" / "artifacts"
    rates = tables.read(artifacts, "incongruence_rates").set_index(["number", "compared"])
    sign = pd.read_csv(tmp_path / "label.csv")[["label_T", "label_V"]].apply(np.sign)
    expected = (sign["label_T"] != sign["label_V"]).mean()
    assert rates.loc[("majority", "words against face"), "estimate"] == pytest.approx(expected)
    assert np.isnan(rates.loc[("majority", "two halves of words"), "estimate"])
    flows = tables.read(artifacts, "channel_flows")
    assert (flows["whole"] == flows["second"]).all()  # as planted
    assert set(tables.read(artifacts, "division_coefficients")["status"]) == {"too_few"}

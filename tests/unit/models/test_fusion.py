"""Oracles: `fit` and `predict` called one by one, scikit-learn, and counts made by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from small_fusion import SMALL, synthetic

from empdis_utils.data import tables
from empdis_utils.models import fusion
from empdis_utils.models import fusion_training as training
from empdis_utils.models.fusion import fit, predict

QUIET = {"recipe": SMALL, "progress": False, "n_jobs": 1, "resume": False}


@pytest.fixture(scope="module")
def crossfitted():
    emb, y, clip_id, groups, folds = synthetic()
    options = {"groups": groups, "seeds": (1,), "keep": ("val", "test")}
    return fusion.crossfit(emb, y, clip_id, folds, **options, **QUIET)


def test_crossfit_predicts_every_clip_once_and_never_mixes_recordings(crossfitted):
    emb, y, clip_id, groups, folds = synthetic()
    predictions, gates = crossfitted
    test = predictions[predictions["split"] == "test"]
    assert list(test.columns) == "clip_id inputs source seed fold split y p".split()
    assert len(test) == 150 * 7 and not test.duplicated(["clip_id", "inputs", "seed"]).any()
    assert test["inputs"].unique().tolist() == [
        *("text", "audio", "video", "text+audio", "text+video", "audio+video"),
        "text+audio+video",
    ]
    recording = dict(zip(clip_id, groups, strict=True))
    for _, part in predictions.groupby("fold"):
        sides = [set(g["clip_id"].map(recording)) for _, g in part.groupby("split")]
        assert len(sides) == 2 and not set.intersection(*sides)
    assert (test["y"] == test["clip_id"].map(dict(zip(clip_id, y, strict=True)))).all()
    assert len(gates) == 150 * 3
    total = gates.groupby(["clip_id", "seed"])["attention"].sum()
    assert np.allclose(total, 1, atol=1e-6) and gates["gate"].between(0, 1).all()


def test_crossfit_equals_fit_and_predict_and_the_number_of_jobs_is_nothing():
    emb, y, clip_id, groups, folds = synthetic()
    subsets = [("video", "text")]
    run = {"groups": groups, "seeds": (5,), "subsets": subsets, "keep": ("val", "test")}
    one, _ = fusion.crossfit(emb, y, clip_id, folds, **run, **QUIET)
    two, _ = fusion.crossfit(emb, y, clip_id, folds, **run, **(QUIET | {"n_jobs": 2}))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    fold = one[one["fold"] == 3].set_index("clip_id")
    part = {s: np.isin(clip_id, fold.index[fold["split"] == s]) for s in ("val", "test")}
    assert np.array_equal(part["test"], folds == 3)
    used = {m: emb[m] for m in ("text", "video")}
    train = ~part["val"] & ~part["test"]
    fitted = fit(used, y, train=train, val=part["val"], recipe=SMALL, seed=5)
    p = predict(fitted, {m: e[part["test"]] for m, e in used.items()}).p
    assert np.array_equal(fold.loc[clip_id[part["test"]], "p"], p)


def test_without_validation_all_other_folds_train():
    emb, y, clip_id, groups, folds = synthetic()
    used = {"text": emb["text"]}
    out, _ = fusion.crossfit(
        used, y, clip_id, folds, groups=groups, seeds=(5,), val_share=0, **QUIET
    )
    fitted = fit(used, y, train=folds != 2, recipe=SMALL, seed=5)
    p = predict(fitted, {"text": emb["text"][folds == 2]}).p
    assert np.array_equal(out.loc[out["fold"] == 2, "p"], p)


def test_recording_is_no_help_out_of_fold_but_is_in_a_random_split():
    """Planted leak: embeddings name the recording, and the recording sets the label."""
    rng = np.random.default_rng(0)
    recording = np.repeat(np.arange(20), 20)
    y = rng.permutation(np.arange(20) % 2)[recording]
    emb = {"text": np.eye(20)[recording] + 0.1 * rng.normal(size=(400, 20))}
    clip_id = np.arange(400).astype(str)
    options = QUIET | {"recipe": SMALL | {"epochs": 20}, "seeds": (0,)}
    grouped, _ = fusion.crossfit(
        emb, y, clip_id, recording % 5, groups=recording.astype(str), **options
    )
    split = rng.choice(["train", "val", "test"], 400, p=[0.8, 0.1, 0.1])
    mixed, _ = fusion.release(emb, y, clip_id, split, keep=("test",), **options)
    grouped, mixed = [np.mean((f["p"] > 0.5) == f["y"]) for f in (grouped, mixed)]
    assert mixed > 0.95 and grouped < 0.75


def test_release_returns_validation_and_test_rows():
    emb, y, clip_id, *_ = synthetic()
    split = np.repeat(["train", "val", "test"], 50)
    predictions, gates = fusion.release(emb, y, clip_id, split, seeds=(1,), ablation=True, **QUIET)
    counts = predictions.groupby(["source", "split"]).size()
    assert counts["fusion"].to_dict() == {"test": 350, "val": 350}
    assert counts["ablation"].to_dict() == {"test": 400, "val": 400}
    assert set(gates["clip_id"]) == set(clip_id[100:])
    full = predictions[predictions["inputs"] == "text+audio+video"]
    wide = full.pivot(index="clip_id", columns="source", values="p")
    assert np.array_equal(wide["fusion"], wide["ablation"])


def test_embeddings_may_depend_on_seed_and_fold():
    emb, y, clip_id, groups, folds = synthetic()
    asked = []

    def per_fold(seed, fold):
        asked.append((seed, fold))
        return {m: e + 0 * seed for m, e in emb.items()}

    run = {"groups": groups, "seeds": (1, 2), "subsets": [("text",)]}
    called, _ = fusion.crossfit(per_fold, y, clip_id, folds, **run, **QUIET)
    given_once, _ = fusion.crossfit(emb, y, clip_id, folds, **run, **QUIET)
    pd.testing.assert_frame_equal(called, given_once)
    assert {(s, f) for s in (1, 2) for f in range(5)} <= set(asked)


def test_three_classes_have_a_column_each():
    emb, y, clip_id, groups, folds = synthetic(n_classes=3)
    predictions, _ = fusion.crossfit(
        emb, y, clip_id, folds, groups=groups, seeds=(1,), keep=("val", "test"), **QUIET
    )
    proba = predictions[["p_0", "p_1", "p_2"]]
    assert np.allclose(proba.sum(axis=1), 1) and (proba["p_1"] == predictions["p"]).all()
    table = fusion.baselines(predictions, emb, y, clip_id)
    assert np.allclose(table[["p_0", "p_1", "p_2"]].sum(axis=1), 1)


def test_baselines_against_scikit_learn_and_by_hand(crossfitted):
    emb, y, clip_id, groups, folds = synthetic()
    predictions, _ = crossfitted
    table = fusion.baselines(predictions, emb, y, clip_id)
    assert table.groupby("baseline").size().to_dict() == {
        b: 150 for b in ("best single", "concatenation", "majority vote", "mean probability")
    }
    single = predictions[predictions["inputs"].isin(["text", "audio", "video"])]
    wide = single[single["split"] == "test"].pivot(index="clip_id", columns="inputs", values="p")
    by = {b: t.set_index("clip_id")["p"].loc[wide.index] for b, t in table.groupby("baseline")}
    assert np.allclose(by["mean probability"], wide.mean(axis=1))
    assert ((by["majority vote"] > 0.5) == ((wide > 0.5).sum(axis=1) >= 2)).all()
    for fold, part in table[table["baseline"] == "best single"].groupby("fold"):
        val = single[(single["split"] == "val") & (single["fold"] == fold)]
        right = ((val["p"] > 0.5) == val["y"]).groupby(val["inputs"]).mean()
        assert right[part["inputs"].iloc[0]] == right.max()
    # Logistic regression on the clips of fold 0 that are neither validation nor test.
    rows = predictions[predictions["fold"] == 0].drop_duplicates("clip_id").set_index("clip_id")
    train = ~np.isin(clip_id, rows.index)
    x = np.hstack([emb[m] for m in ("text", "audio", "video")])
    x = StandardScaler().fit(x[train]).transform(x)
    found = by["concatenation"].loc[clip_id[folds == 0]]
    candidates = [
        LogisticRegression(C=c, max_iter=2000).fit(x[train], y[train]).predict_proba(x)[:, 1]
        for c in (0.001, 0.01, 0.1, 1.0)
    ]
    assert sum(np.allclose(found, p[folds == 0], atol=1e-6) for p in candidates) == 1


def test_clips_without_a_modality_keep_their_rows_in_every_table():
    """Oracle: the counts. Scikit-learn refuses NaN; the schema checks the gates."""
    emb, y, clip_id, groups, folds = synthetic()
    emb["audio"][[3, 70]] = np.nan
    predictions, gates = fusion.crossfit(
        emb,
        y,
        clip_id,
        folds,
        groups=groups,
        seeds=(1,),
        keep=("val", "test"),
        missing="zero",
        **QUIET,
    )
    assert (predictions.query("split == 'test'").groupby("inputs").size() == 150).all()
    lacking = tables.check(gates, "gates").query("gate != gate")
    assert set(lacking["clip_id"]) == {"c003", "c070"} and set(lacking["modality"]) == {"audio"}
    table = fusion.baselines(predictions, emb, y, clip_id)
    assert (table.groupby("baseline")["p"].count() == 150).all()


def test_even_votes_follow_the_mean_probability():
    clip_id = np.array(["a", "b", "c", "d", "e", "f"])
    y = np.array([0, 1, 0, 1, 0, 1])
    frame = pd.DataFrame(
        [
            (c, m, "fusion", 0, 0, s, p)
            for c, s, row in zip(
                "abcd", ["test", "test", "val", "val"], (0.4, 0.3) * 2, strict=True
            )
            for m, p in (("text", 0.9 if c != "b" else 0.6), ("audio", row))
        ],
        columns=["clip_id", "inputs", "source", "seed", "fold", "split", "p"],
    )
    emb = {m: np.arange(6.0)[:, None] for m in ("text", "audio")}
    table = fusion.baselines(frame, emb, y, clip_id, ("text", "audio"))
    vote = table[table["baseline"] == "majority vote"].set_index("clip_id")["p"]
    assert vote["a"] > 0.5 > vote["b"] and np.allclose(vote, 0.5, atol=1e-5)


def test_baselines_want_validation_rows(crossfitted):
    emb, y, clip_id, *_ = synthetic()
    predictions = crossfitted[0].query("split == 'test'")
    with pytest.raises(ValueError, match="no val rows of text"):
        fusion.baselines(predictions, emb, y, clip_id)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip_id": ["same"] * 150}, "clip_id repeats same"),
        ({"folds": np.arange(150) % 5}, "lies in"),
        ({"folds": np.zeros(150)}, "one fold"),
        ({"groups": np.repeat("r", 149)}, "groups has 149 rows"),
        ({"subsets": [("text", "smell")]}, "subsets name"),
        ({"keep": ("train",)}, "keep names"),
        ({"keep": ("val",), "val_share": 0}, "leaves no validation clips"),
        ({"folds": np.arange(150) // 75, "groups": (np.arange(150) // 75).astype(str)}, "of 1 rec"),
    ],
)
def test_crossfit_refuses_what_would_leak_or_miscount(change, message):
    emb, y, clip_id, groups, folds = synthetic()
    arguments = {"clip_id": clip_id, "folds": folds, "groups": groups} | change
    with pytest.raises(ValueError, match=message):
        fusion.crossfit(emb, y, **arguments, **QUIET)


def test_a_release_without_validation_keeps_the_last_epoch():
    emb, y, clip_id, *_ = synthetic()
    split = np.repeat(["train", "test"], [100, 50])
    used = {"text": emb["text"]}
    out, _ = fusion.release(used, y, clip_id, split, seeds=(5,), keep=("test",), **QUIET)
    fitted = fit(used, y, train=np.arange(100), recipe=SMALL, seed=5)
    np.testing.assert_array_equal(out["p"], predict(fitted, {"text": emb["text"][100:]}).p)


def test_release_refuses_what_does_not_fit():
    emb, y, clip_id, *_ = synthetic()
    with pytest.raises(ValueError, match="split has no val"):
        fusion.release(emb, y, clip_id, np.repeat(["train", "test"], 75), **QUIET)
    with pytest.raises(ValueError, match=r"split has values \['dev'\]"):
        fusion.release(emb, y, clip_id, np.repeat(["train", "dev"], 75), **QUIET)
    with pytest.raises(ValueError, match="reserved"):
        tables.inputs_name(["text+audio"])


@pytest.mark.parametrize("protocol", ["crossfit", "release"])
def test_a_study_is_its_protocol_with_validation_rows_and_ablation(protocol):
    emb, y, clip_id, groups, _ = synthetic()
    manifest = pd.DataFrame({"clip_id": clip_id, "dialog_id": groups, "y": y})
    manifest["split"] = ["train"] * 100 + ["test"] * 50
    how = dict(protocol=protocol, n_folds=2, seeds=(1,), subsets=[("text",)], **QUIET)
    predictions, _ = fusion.study(emb, manifest, **how)
    held = predictions.query("split == 'test' and source == 'fusion'")["clip_id"]
    assert sorted(held) == sorted(clip_id if protocol == "crossfit" else clip_id[100:])
    assert set(predictions["split"]) == {"val", "test"} and "ablation" in set(predictions["source"])
    chosen = predictions.query("split == 'val' and source == 'fusion'")
    assert protocol == "crossfit" or len(chosen) == 10, "one training clip in ten"


def test_a_second_run_trains_only_what_is_new(tmp_path, monkeypatch):
    """Oracle: the number of trainings; what is read equals what was trained, byte for byte."""
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path))
    trained, train = [], training._train
    monkeypatch.setattr(training, "_train", lambda *all_: trained.append(1) or train(*all_))
    emb, y, clip_id, groups, folds = synthetic()

    def count(**more):
        how = {"groups": groups, "seeds": (1,), "subsets": [("text",), ("text", "audio")]}
        before = len(trained)
        found = fusion.crossfit(emb, y, clip_id, folds, **(QUIET | how | {"resume": True} | more))
        return len(trained) - before, found

    (n, first), (again, second) = count(), count()
    assert (n, again) == (10, 0)
    for one, two in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert count(seeds=(1, 2))[0] == 10
    assert count(subsets=None)[0] == 5 * 5
    assert count(keep=("val", "test"), ablation=True)[0] == 0
    assert count(recipe=SMALL | {"pooling": "max"})[0] == 5, "one modality has nothing to pool"
    pd.testing.assert_frame_equal(count(resume=False)[1][0], first[0], check_exact=True)

"""Oracles: a plain re-statement of the network, scikit-learn, and games solved by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from empdis_utils.data import tables
from empdis_utils.models import fusion
from empdis_utils.models.fusion import RECIPES, GatedAttentionFusion, ablate, fit, predict

SMALL = RECIPES["release"] | {
    "hidden": 8,
    "attention_width": 4,
    "classifier_width": 16,
    "epochs": 4,
    "max_lr": 1e-2,
}
QUIET = {"recipe": SMALL, "progress": False, "n_jobs": 1}


def synthetic(n=150, seed=0, n_classes=2):
    """Synthetic clips in ten recordings: text tells the label, audio and video do not."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    emb = {m: rng.normal(size=(n, d)) for m, d in (("video", 3), ("text", 4), ("audio", 2))}
    emb["text"][:, 0] += 3 * y
    clip_id = np.array([f"c{i:03d}" for i in range(n)])
    groups = np.array([f"r{i // n_classes % 10}" for i in range(n)])
    return emb, y, clip_id, groups, np.array([int(g[1:]) % 5 for g in groups])


@pytest.fixture(scope="module")
def crossfitted():
    emb, y, clip_id, groups, folds = synthetic()
    options = {"groups": groups, "seeds": (1,), "keep": ("val", "test")}
    return fusion.crossfit(emb, y, clip_id, folds, **options, **QUIET)


def restated(state, inputs):
    """Logits of the network in evaluation mode, from DESIGN.md's description alone."""

    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def batch_norm(name, x):
        centred = x - state[f"{name}.running_mean"]
        scale = torch.sqrt(state[f"{name}.running_var"] + 1e-5)
        return centred / scale * state[f"{name}.weight"] + state[f"{name}.bias"]

    vectors, scores = [], []
    for m, x in inputs.items():
        z = batch_norm(f"norm.{m}", linear(f"project.{m}", x))
        z = z / (1 + torch.exp(-linear(f"gate.{m}", z)))
        vectors.append(z)
        scores.append(torch.tanh(linear(f"attend.{m}", z)) @ state["attention_vector"])
    weights = [torch.exp(s) for s in scores]
    x = sum(w[:, None] * z for w, z in zip(weights, vectors, strict=True)) / sum(weights)[:, None]
    for block in (0, 4, 8):
        x = batch_norm(f"classifier.{block + 1}", linear(f"classifier.{block}", x)).clamp(min=0)
    return linear("classifier.12", x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("widths", [{"text": 5}, {"text": 5, "audio": 3, "video": 7}])
def test_network_equals_plain_restatement(widths, dtype):
    torch.manual_seed(1)
    model = GatedAttentionFusion(widths)
    for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    model = model.to(dtype).eval()
    inputs = {m: torch.randn(20, w, dtype=dtype) for m, w in widths.items()}
    with torch.no_grad():
        out = model(inputs)
        expected = restated(model.state_dict(), inputs)
    scale = max(1.0, expected.abs().max().item())
    assert torch.allclose(out.logits / scale, expected / scale, rtol=0, atol=1e-6)
    assert out.gates.shape == out.attention.shape == (20, len(widths))
    assert out.fused.shape == (20, 256)
    assert ((out.gates > 0) & (out.gates < 1)).all()
    assert torch.allclose(out.attention.sum(dim=1), torch.ones(20, dtype=dtype))


def test_network_has_the_released_sizes():
    """Parameter count added up by hand from the release's layers."""
    model = GatedAttentionFusion({"text": 768, "audio": 768, "video": 768})
    modality = (768 * 256 + 256) + 2 * 256 + (256 + 1) + (256 * 128 + 128)
    classifier = (256 * 512 + 512) + 2 * (512 * 512 + 512) + 3 * 2 * 512 + (512 * 2 + 2)
    count = sum(p.numel() for p in model.parameters())
    assert count == 3 * modality + 128 + classifier


def test_modality_dropout_zeroes_a_fifth_in_training_only():
    """Binomial: 4,000 draws at 0.2 stay within five standard errors."""
    torch.manual_seed(0)
    model = GatedAttentionFusion({"text": 3}, hidden=4)
    x = {"text": torch.randn(4000, 3)}
    zeroed = (model.train()(x).fused == 0).all(dim=1).float().mean().item()
    assert abs(zeroed - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 4000)
    assert not (model.eval()(x).fused == 0).all(dim=1).any()


def test_dropout_has_the_rate_and_mean_of_torch_dropout():
    """Binomial and `torch.nn.Dropout`: kept values are scaled by 1 / (1 - p)."""
    torch.manual_seed(0)
    ours = fusion._Dropout(0.3)(torch.ones(100_000))
    theirs = torch.nn.Dropout(0.3)(torch.ones(100_000))
    assert abs((ours == 0).float().mean().item() - 0.3) < 5 * np.sqrt(0.21 / 100_000)
    assert torch.equal(ours.unique(), theirs.unique())
    assert torch.equal(fusion._Dropout(0.3).eval()(torch.ones(9)), torch.ones(9))


def test_max_pooling_is_the_largest_weighted_value():
    torch.manual_seed(0)
    widths = {"text": 3, "audio": 2}
    model = GatedAttentionFusion(widths, pooling="max").eval()
    inputs = {m: torch.randn(6, w) for m, w in widths.items()}
    out = model(inputs)
    parts = [
        model(inputs, torch.tensor([m == name for m in widths]).expand(6, -1)) for name in widths
    ]
    # Alone, a modality's weighted vector is max(., 0); its attention differs, so rescale.
    z = [
        out.gates[:, [i]] * model.norm[m](model.project[m](inputs[m])) * out.attention[:, [i]]
        for i, m in enumerate(widths)
    ]
    assert torch.allclose(out.fused, torch.maximum(*z), atol=1e-6)
    assert all((p.fused >= 0).all() for p in parts)


def test_recipes_are_the_published_ones():
    """DESIGN.md: release under OneCycle to 1e-3, 15 epochs; paper ten epochs at 1e-4."""
    release, paper = RECIPES["release"], RECIPES["paper"]
    assert (release["lr"], release["max_lr"], release["weight_decay"]) == (1e-4, 1e-3, 1e-3)
    assert (release["epochs"], release["batch_size"]) == (15, 64)
    assert (paper["lr"], paper["max_lr"], paper["epochs"]) == (1e-4, None, 10)


def test_fit_is_the_release_s_training_loop():
    """A plain loop with torch's own optimiser, schedule and the same draws."""
    emb, y, *_ = synthetic(100)
    fitted = fit(emb, y, train=np.arange(100), recipe=SMALL, seed=3)
    torch.manual_seed(3)
    x = {m: torch.tensor(emb[m], dtype=torch.float32) for m in ("text", "audio", "video")}
    network = {k: SMALL[k] for k in fusion._NETWORK_KEYS}
    model = GatedAttentionFusion({m: v.shape[1] for m, v in x.items()}, **network)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=SMALL["max_lr"], steps_per_epoch=2, epochs=4
    )
    for _ in range(4):
        for rows in torch.randperm(100).split(64):
            optimizer.zero_grad()
            logits = model({m: v[rows] for m, v in x.items()}).logits
            torch.nn.CrossEntropyLoss()(logits, torch.tensor(y)[rows]).backward()
            optimizer.step()
            schedule.step()
    # Not the weights: a bias before batch norm has no gradient, so Adam moves it by rounding.
    with torch.no_grad():
        logits = model.eval()(x).logits.numpy()
    assert np.allclose(predict(fitted, emb).logits, logits, atol=1e-4)


def test_fit_learns_what_is_there_and_only_that():
    """Synthetic truth: two normals 3 sd apart are told apart in 93 % at best (Phi(1.5))."""
    emb, y, *_ = synthetic(600)
    train, val, test = np.arange(300), np.arange(300, 400), np.arange(400, 600)
    accuracy = {}
    for m in ("text", "audio"):
        fitted = fit({m: emb[m]}, y, train=train, val=val, recipe=SMALL | {"epochs": 10})
        p = predict(fitted, {m: emb[m][test]}).p
        accuracy[m] = np.mean((p > 0.5) == y[test])
    assert accuracy["text"] > 0.86
    assert accuracy["audio"] < 0.62


def test_kept_weights_are_those_of_the_first_best_epoch():
    emb, y, *_ = synthetic()
    val = np.arange(100, 150)
    fitted = fit(emb, y, train=np.arange(100), val=val, recipe=SMALL | {"epochs": 8})
    scores = fitted.history["val_accuracy"]
    assert fitted.best_epoch == scores.idxmax() + 1
    p = predict(fitted, {m: e[val] for m, e in emb.items()}).p
    assert np.mean((p > 0.5) == y[val]) == pytest.approx(scores.max())


def test_same_seed_same_bytes_and_global_state_untouched():
    emb, y, *_ = synthetic()
    before = torch.get_rng_state()
    runs = [fit(emb, y, train=np.arange(100), recipe=SMALL, seed=s) for s in (42, 42, 43)]
    assert torch.equal(before, torch.get_rng_state())
    one, two, other = [predict(f, emb).logits.tobytes() for f in runs]
    assert one == two != other


def test_scaling_comes_from_training_rows_only():
    emb, y, *_ = synthetic()
    changed = {m: e.copy() for m, e in emb.items()}
    for e in changed.values():
        e[100:] = 1e3 * e[100:] + 7
    weights = [
        fit(e, y, train=np.arange(100), recipe=SMALL | {"standardize": True})
        .model.attention_vector.detach()
        .numpy()
        for e in (emb, changed)
    ]
    assert weights[0].tobytes() == weights[1].tobytes()


def test_standardised_fit_ignores_the_units_of_a_column():
    emb, y, *_ = synthetic()
    scaled = {m: e * np.float32(1024) for m, e in emb.items()}
    logits = [
        predict(fit(e, y, train=np.arange(100), recipe=SMALL | {"standardize": True}), e).logits
        for e in (emb, scaled)
    ]
    assert np.allclose(*logits, atol=1e-4)
    fitted = fit(scaled, y, train=np.arange(100), recipe=SMALL | {"standardize": True})
    assert np.allclose(fitted.centre["text"], scaled["text"][:100].mean(axis=0), rtol=1e-4)
    assert np.allclose(fitted.scale["text"], scaled["text"][:100].std(axis=0), rtol=1e-4)


@settings(deadline=None)
@given(n=st.integers(2, 300), size=st.integers(2, 64))
def test_batches_hold_every_row_once_and_never_one_alone(n, size):
    batches = fusion._batches(torch.arange(n), size)
    assert torch.equal(torch.cat(batches), torch.arange(n))
    assert all(len(b) > 1 for b in batches)


def test_last_batch_of_one_trains():
    emb, y, *_ = synthetic()
    assert fit(emb, y, train=np.arange(65), recipe=SMALL).history["loss"].notna().all()


def test_dead_columns_are_kept_and_reported():
    emb, y, *_ = synthetic()
    emb["audio"] = np.column_stack([emb["audio"], np.zeros(len(y))])
    fitted = fit(emb, y, train=np.arange(100), recipe=SMALL)
    assert fitted.constant["audio"].tolist() == [2]
    assert np.isfinite(predict(fitted, emb).logits).all()


def test_missing_modality_as_zero_equals_its_ablation():
    emb, y, *_ = synthetic()
    fitted = fit(emb, y, train=np.arange(100), recipe=SMALL, missing="zero")
    holes = {m: e.copy() for m, e in emb.items()}
    holes["audio"][7] = np.nan
    out, zeroed = predict(fitted, holes), ablate(fitted, emb)["text+video"]
    assert np.allclose(out.p[7], zeroed.p[7])
    assert np.isnan(out.gates[7]).tolist() == [False, True, False]
    assert np.allclose(np.delete(out.p, 7), np.delete(predict(fitted, emb).p, 7))
    assert fit(holes, y, train=np.arange(100), recipe=SMALL, missing="zero").best_epoch == 4


def test_modality_missing_throughout():
    emb, y, *_ = synthetic()
    fitted = fit(emb, y, train=np.arange(100), recipe=SMALL, missing="zero")
    gone = emb | {"video": np.full((150, 3), np.nan)}
    assert np.allclose(predict(fitted, gone).p, ablate(fitted, emb)["text+audio"].p)
    with pytest.raises(ValueError, match="video embeddings are missing for every training clip"):
        fit(gone, y, train=np.arange(100), recipe=SMALL, missing="zero")


def test_ablation_keeps_all_or_nothing_at_its_ends():
    emb, y, *_ = synthetic()
    fitted = fit(emb, y, train=np.arange(100), recipe=SMALL | {"epochs": 10})
    out = ablate(fitted, emb)
    assert list(out)[0] == "none" and list(out)[-1] == "text+audio+video" and len(out) == 8
    assert np.array_equal(out["text+audio+video"].p, predict(fitted, emb).p)
    assert np.ptp(out["none"].p) < 1e-7
    right = {k: np.mean((v.p > 0.5) == y) for k, v in out.items()}
    assert right["text"] > 0.8 > right["audio+video"]


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


def _nan_cell(emb, y):
    emb["audio"][4, 1] = np.nan


def _infinite(emb, y):
    emb["text"][4, 0] = np.inf


def _missing(emb, y):
    emb["video"][[4, 9]] = np.nan


def _constant(emb, y):
    emb["audio"][:] = 2.0


def _one_class(emb, y):
    y[:] = 1


def _one_class_in_train(emb, y):
    y[:100] = 1


def _short(emb, y):
    emb["text"] = emb["text"][:-1]


def _flat(emb, y):
    emb["text"] = emb["text"][:, 0]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_nan_cell, "audio embeddings have NaN or infinite values in clips 4"),
        (_infinite, "text embeddings have NaN or infinite values in clips 4"),
        (_missing, r"video embeddings are missing \(all NaN\) for clips 4, 9"),
        (_constant, "audio embeddings are constant in all 2 columns"),
        (_one_class, "y has the single class 1"),
        (_one_class_in_train, "train has the single class 1"),
        (_short, "text embeddings have 149 rows, expected 150"),
        (_flat, r"text embeddings must be \[n, d\]"),
    ],
)
def test_fit_says_what_is_wrong_and_where(spoil, message):
    emb, y, *_ = synthetic()
    spoil(emb, y)
    with pytest.raises(ValueError, match=message):
        fit(emb, y, train=np.arange(100), recipe=SMALL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val": np.arange(90, 120)}, "share 10 rows"),
        ({"recipe": "papre"}, "recipe 'papre' is unknown"),
        ({"recipe": {"epoch": 3}}, r"unknown keys \['epoch'\]"),
        ({"train": []}, "train is empty"),
        ({"train": [3, 3]}, "names a row twice"),
        ({"train": [3, 150]}, "names row 150"),
        ({"missing": "drop"}, "missing must be"),
    ],
)
def test_fit_refuses_options_that_cannot_be(options, message):
    emb, y, *_ = synthetic()
    with pytest.raises(ValueError, match=message):
        fit(emb, y, **({"train": np.arange(100), "recipe": SMALL} | options))


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


def test_release_and_predict_refuse_what_does_not_fit():
    emb, y, clip_id, *_ = synthetic()
    with pytest.raises(ValueError, match="split has no val"):
        fusion.release(emb, y, clip_id, np.repeat(["train", "test"], 75), **QUIET)
    with pytest.raises(ValueError, match=r"split has values \['dev'\]"):
        fusion.release(emb, y, clip_id, np.repeat(["train", "dev"], 75), **QUIET)
    fitted = fit(emb, y, train=np.arange(100), recipe=SMALL)
    with pytest.raises(ValueError, match=r"lack \['video'\]"):
        predict(fitted, {m: emb[m] for m in ("text", "audio")})
    with pytest.raises(ValueError, match="trained on 4"):
        predict(fitted, emb | {"text": emb["audio"]})
    with pytest.raises(ValueError, match="keep names"):
        predict(fitted, emb, keep=("smell",))
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

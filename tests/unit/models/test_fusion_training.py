"""Oracles: a plain re-statement of the network, torch's own training loop, and synthetic truth."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from full_disk import full_after
from hypothesis import given, settings
from hypothesis import strategies as st
from small_fusion import SMALL, synthetic

from empdis_utils.models import fusion_training as training
from empdis_utils.models.fusion_training import (
    RECIPES,
    GatedAttentionFusion,
    ablate,
    fit,
    predict,
)


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
    ours = training._Dropout(0.3)(torch.ones(100_000))
    theirs = torch.nn.Dropout(0.3)(torch.ones(100_000))
    assert abs((ours == 0).float().mean().item() - 0.3) < 5 * np.sqrt(0.21 / 100_000)
    assert torch.equal(ours.unique(), theirs.unique())
    assert torch.equal(training._Dropout(0.3).eval()(torch.ones(9)), torch.ones(9))


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
    network = {k: SMALL[k] for k in training._NETWORK_KEYS}
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
    batches = training._batches(torch.arange(n), size)
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


def test_predict_refuses_what_does_not_fit():
    emb, y, *_ = synthetic()
    fitted = fit(emb, y, train=np.arange(100), recipe=SMALL)
    with pytest.raises(ValueError, match=r"lack \['video'\]"):
        predict(fitted, {m: emb[m] for m in ("text", "audio")})
    with pytest.raises(ValueError, match="trained on 4"):
        predict(fitted, emb | {"text": emb["audio"]})
    with pytest.raises(ValueError, match="keep names"):
        predict(fitted, emb, keep=("smell",))


# What is kept on disk


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Fit on 100 synthetic clips with the cache in `tmp_path`; says how often it trained."""
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path))
    trained, train = [], training._train
    monkeypatch.setattr(training, "_train", lambda *all_: trained.append(1) or train(*all_))
    emb, y, *_ = synthetic()

    def run(emb=emb, y=y, **more):
        before = len(trained)
        how = dict(train=np.arange(100), val=np.arange(100, 130), recipe=SMALL, seed=1)
        fitted = fit(emb, y, **(how | {"resume": True} | more))
        return fitted, len(trained) - before

    return run


def same(one, two):
    """Weights, history and epoch, byte for byte."""
    pairs = zip(one.model.state_dict().values(), two.model.state_dict().values(), strict=True)
    pd.testing.assert_frame_equal(one.history, two.history, check_exact=True)
    return all(torch.equal(*pair) for pair in pairs) and one.best_epoch == two.best_epoch


def test_a_fit_that_was_kept_is_read_and_has_the_same_bytes(kept):
    before = torch.get_rng_state()
    (first, n), (second, again), (alone, _) = kept(), kept(), kept(resume=False)
    assert (n, again) == (1, 0)
    assert same(first, second) and same(first, alone)
    assert not second.model.training and torch.equal(before, torch.get_rng_state())
    assert kept(val=None)[1] == 1 and kept(val=None)[0].history["val_accuracy"].isna().all()


def test_a_fit_is_read_only_if_nothing_it_depends_on_has_changed(kept, edited):
    """Each change asks for one new training, and no more than one."""
    emb, y, *_ = synthetic()

    def changed(row):
        return {m: e + 0.5 * (np.arange(150) == row)[:, None] for m, e in emb.items()}

    assert kept()[1] == 1
    for change in (
        {"seed": 2}, {"recipe": SMALL | {"epochs": 5}}, {"train": np.arange(99)},
        {"train": np.arange(100)[::-1]}, {"val": np.arange(100, 129)}, {"val": None},
        {"y": np.r_[1 - y[:2], y[2:]]}, {"emb": changed(3)}, {"emb": changed(110)},
        {"n_classes": 3}, {"emb": {m: emb[m] for m in ("text", "audio")}},
        {"emb": emb | {"audio": emb["audio"] * np.nan ** (np.arange(150) == 5)[:, None]},
         "missing": "zero"},
    ):  # fmt: skip
        assert [kept(**change)[1], kept(**change)[1]] == [1, 0], change
    assert kept(seed=np.int64(1), recipe=SMALL | {"dropout": np.float32(0.3)})[1] == 1
    assert kept(seed=np.int64(1))[1] == 0
    assert kept(emb=changed(140))[1] == 0, "a clip that is neither in training nor in validation"
    assert kept(y=np.r_[y[:140], 1 - y[140:]])[1] == 0
    edited(training, '"""Seed torch and use one thread', '"""Seed torch, use one thread')
    assert kept()[1] == 0, "a docstring"
    edited(training, "fused=True", "fused=False")
    assert kept()[1] == 1


def test_over_one_modality_all_pooling_is_the_same_fit(kept):
    emb, *_ = synthetic()
    text, largest = {"text": emb["text"]}, SMALL | {"pooling": "max"}
    first, _ = kept(emb=text)
    read, n = kept(emb=text, recipe=largest)
    alone, _ = kept(emb=text, recipe=largest, resume=False)
    assert n == 0 and same(read, first) and same(read, alone) and read.model.pooling == "max"
    assert kept()[1] == kept(recipe=largest)[1] == 1


def test_a_file_that_was_cut_is_trained_anew(kept, tmp_path, capfd):
    first, _ = kept()
    (file,) = (tmp_path / "encoders" / "fusion").iterdir()
    whole = file.read_bytes()
    flipped = whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]
    for damaged in (whole[: len(whole) // 2], b"", flipped):
        file.write_bytes(damaged)
        again, n = kept()
        assert n == 1 and same(first, again) and "is made anew" in capfd.readouterr().err
        assert kept()[1] == 0


def test_where_nothing_can_be_kept_the_fit_is_the_same_and_one_line_says_so(
    kept, tmp_path, monkeypatch, capfd
):
    alone, _ = kept(resume=False)
    with full_after(2000):
        full, n = kept()
    assert n == 1 and same(full, alone)
    assert "not kept for later runs: " in capfd.readouterr().err
    assert not list((tmp_path / "encoders" / "fusion").iterdir())
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path / "file"))
    assert same(kept()[0], alone)
    assert "name another with EMPDIS_CACHE" in capfd.readouterr().err


BESIDE = """
import sys, numpy as np
sys.path.insert(0, {here!r})
from small_fusion import SMALL, synthetic
from empdis_utils.models.fusion_training import fit, predict
emb, y, *_ = synthetic()
sys.stdin.readline()
for seed in range(8):
    fitted = fit(emb, y, train=np.arange(100), recipe=SMALL, seed=seed, resume=True)
    print(predict(fitted, emb).p.tobytes().hex())
"""


def test_two_processes_share_a_cache(tmp_path):
    """Both started at once; oracle: the bytes of fits that keep and read nothing."""
    code = BESIDE.format(here=str(Path(__file__).parents[1]))
    env = os.environ | {"EMPDIS_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    both = [subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(2)]
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0].split() for process in both]
    emb, y, *_ = synthetic()
    fits = [fit(emb, y, train=np.arange(100), recipe=SMALL, seed=seed) for seed in range(8)]
    assert said[0] == said[1] == [predict(f, emb).p.tobytes().hex() for f in fits]
    files = list((tmp_path / "encoders" / "fusion").iterdir())
    assert len(files) == 8 and all(file.suffix == ".safetensors" for file in files)

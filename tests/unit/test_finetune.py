"""Oracles: the full transformers model run clip by clip, autograd through it, and plain retraining.

The tiny checkpoints' weights are shaken first, so that no norm, bias or relative position is
trivial.
"""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import transformers

from empdis_utils import corpora, encoders, finetune, fusion, media, splits, tables

CHECKPOINTS = Path(__file__).parents[1] / "fixture" / "checkpoints"
SIX = ("roberta", "deberta", "hubert", "wav2vec2", "videomae", "timesformer")
SENTENCES = ["I am with you", "next, the bus stops at six", "oh no", "it weighs two units, see it"]
SENTENCES += ["poor you, all alone", "as planned", "you gave so much", "note that the form is new"]


def clips(modality, n=6, lengths=None, seed=0):
    rng = np.random.default_rng(seed)
    if modality == "text":
        return [SENTENCES[i % len(SENTENCES)] for i in range(n)]
    if modality == "audio":
        lengths = rng.integers(4000, 24000, n) if lengths is None else [lengths] * n
        return [rng.standard_normal(length).astype("f4") for length in lengths]
    return [rng.integers(0, 256, (16, 70, 80, 3)).astype("u1") for _ in range(n)]


def shaken(name, checkpoint=None, **how):
    model, processor = encoders.load(name, checkpoint or CHECKPOINTS / name, **how)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model, processor


def cached(name, items=None, model=None, **how):
    if model is None:
        model = shaken(name)
    items = clips(encoders.ENCODERS[name].modality) if items is None else items
    return finetune.cache_trunk(name, *model, items, progress=False, **how)


def uncached(name, model, processor, items):
    """Logits and released embeddings of the full model, one clip at a time."""
    modality = encoders.ENCODERS[name].modality
    logits, embeddings = [], []
    with torch.no_grad():
        for item in items:
            batch = encoders.inputs(processor, modality, [item])
            output = model(**batch, output_hidden_states=True)
            logits.append(output.logits[0])
            embeddings.append(output.hidden_states[-1][0, 0])  # uni.py of the release
    return torch.stack(logits), torch.stack(embeddings)


def assert_equal_to_full_model(name, model, processor, n_layers=2):
    items = clips(encoders.ENCODERS[name].modality)
    cache = cached(name, items, (model, processor), n_layers=n_layers)
    tail = cache.tail.eval()
    with torch.no_grad():
        output = tail(**tail.collate(list(cache.clips)))
    logits, embeddings = uncached(name, model, processor, items)
    assert logits.std(dim=0).min() > 1e-3  # clips differ, or the test would say nothing
    torch.testing.assert_close(output.logits, logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(output.embedding, embeddings, atol=1e-5, rtol=0)


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("name", SIX)
def test_cached_logits_equal_the_full_models(name, n_layers):
    assert_equal_to_full_model(name, *shaken(name), n_layers)


@pytest.mark.parametrize("kind", ["bert", "mpnet", "distilbert", "electra"])
def test_other_bert_likes(tmp_path, kind):
    _, tokenizer = encoders.load("roberta", CHECKPOINTS / "roberta")
    names = {"dim": 32, "n_layers": 4, "n_heads": 2, "hidden_dim": 64}
    if kind != "distilbert":
        names = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
        names["intermediate_size"] = 64
    config = transformers.AutoConfig.for_model(
        kind, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **names
    )
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert_equal_to_full_model("auto", *shaken("auto", tmp_path))


@pytest.mark.parametrize("kind", ["hubert", "wav2vec2"])
def test_layer_norm_after_the_layers(tmp_path, kind):
    """The large audio encoders normalise after their layers instead of before them."""
    config = transformers.AutoConfig.from_pretrained(CHECKPOINTS / kind)
    config.do_stable_layer_norm, config.feat_extract_norm = True, "layer"
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    transformers.AutoFeatureExtractor.from_pretrained(CHECKPOINTS / kind).save_pretrained(tmp_path)
    model, processor = shaken(kind, tmp_path)
    items = clips("audio")
    cache = cached(kind, items, (model, processor))
    with torch.no_grad():
        logits = cache.tail.eval()(**cache.tail.collate(list(cache.clips))).logits
    torch.testing.assert_close(
        logits, uncached(kind, model, processor, items)[0], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("name", SIX)
def test_gradients_equal_the_full_models(name):
    model, processor = shaken(name)
    items = clips(encoders.ENCODERS[name].modality)
    labels = torch.tensor([0, 1, 1, 0, 1, 0])
    tail = cached(name, items, (model, processor)).tail.eval()
    cache = cached(name, items, (model, processor))
    batch = tail.collate(list(cache.clips))
    torch.nn.functional.cross_entropy(tail(**batch).logits, labels).backward()
    for item, label in zip(items, labels, strict=True):
        batch = encoders.inputs(processor, tail.encoder.modality, [item])
        loss = torch.nn.functional.cross_entropy(model(**batch).logits, label[None])
        (loss / len(items)).backward()
    ours = {k: p.grad for k, p in tail.model.named_parameters() if p.grad is not None}
    full = dict(model.named_parameters())
    path = encoders.layers_path(tail.encoder, model)
    for key, gradient in ours.items():
        original = key.replace(f"{path}.0.", f"{path}.2.").replace(f"{path}.1.", f"{path}.3.")
        torch.testing.assert_close(gradient, full[original].grad, atol=1e-5, rtol=1e-3)
    trained = [k for k, p in tail.model.named_parameters() if p.requires_grad]
    assert {key for key in trained if key.startswith("classifier.")}


@pytest.mark.parametrize("name", SIX)
@pytest.mark.parametrize("whole", [False, True])
def test_what_is_trained(name, whole):
    """The release's rule: `classifier` and the last two transformer layers."""
    model, _ = shaken(name)
    tail = finetune.Tail(name, model, whole=whole)
    path = encoders.layers_path(tail.encoder, model)
    last = (2, 3) if whole else (0, 1)
    expected = {k for k, _ in tail.model.named_parameters() if k.startswith("classifier.")}
    for i in last:
        layer = tail.model.get_submodule(f"{path}.{i}")
        expected |= {f"{path}.{i}.{key}" for key, _ in layer.named_parameters()}
    trained = {k for k, p in tail.model.named_parameters() if p.requires_grad}
    assert trained == expected
    everything = finetune.Tail(name, model, head="all").model
    base = model.base_model_prefix + "."
    assert all(p.requires_grad for k, p in everything.named_parameters() if not k.startswith(base))


@pytest.mark.parametrize("name", ["roberta", "deberta", "hubert", "videomae", "timesformer"])
def test_training_on_the_cache_equals_training_the_full_model(name):
    """Without dropout the cached and the released way differ by rounding only."""
    model, processor = shaken(name)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for field in ("dropout", "dropout_prob", "attention_dropout", "activation_dropout"):
            if isinstance(getattr(module, field, None), float):
                setattr(module, field, 0.0)
    model.config.update({"layerdrop": 0.0, "apply_spec_augment": False})
    items = clips(encoders.ENCODERS[name].modality, lengths=8000)
    y, how = [0, 1, 0, 1, 0, 1], dict(seed=3, epochs=4, learning_rate=1e-3, batch_size=4)
    a = finetune.finetune(cached(name, items, (model, processor)), y, range(6), **how)
    whole = cached(name, items, (model, processor), trunk_dropout=True)
    b = finetune.finetune(whole, y, range(6), **how)
    assert a.history["train_loss"].iloc[-1] < a.history["train_loss"].iloc[0]
    np.testing.assert_allclose(a.p, b.p, atol=1e-4)
    np.testing.assert_allclose(a.embeddings, b.embeddings, atol=1e-3)


def test_trunk_dropout_makes_a_difference():
    model = shaken("roberta")
    how = dict(seed=3, epochs=3, learning_rate=1e-3)
    a = finetune.finetune(cached("roberta", model=model), [0, 1] * 3, range(6), **how)
    whole = cached("roberta", model=model, trunk_dropout=True)
    b = finetune.finetune(whole, [0, 1] * 3, range(6), **how)
    assert np.abs(a.p - b.p).max() > 1e-3


@pytest.fixture(scope="module")
def cache():
    return cached("roberta", clips("text", 24))


Y = np.arange(24) % len(SENTENCES) % 2  # a function of the sentence
FAST = dict(epochs=5, learning_rate=2e-3)


def test_it_learns(cache):
    fitted = finetune.finetune(
        cache, Y, range(8, 24), range(8), seed=1, epochs=25, learning_rate=2e-3
    )
    assert ((fitted.p > 0.5) == Y).mean() > 0.9
    assert fitted.p.shape == (24,) and fitted.embeddings.shape == (24, 64)
    assert fitted.embeddings.dtype == np.float32


def test_same_seed_same_bytes_and_the_callers_random_state_is_left_alone(cache):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a, b = (finetune.finetune(cache, Y, range(16), seed=7, **FAST) for _ in range(2))
    other = finetune.finetune(cache, Y, range(16), seed=8, **FAST)
    np.testing.assert_array_equal(a.p, b.p)
    np.testing.assert_array_equal(a.embeddings, b.embeddings)
    pd.testing.assert_frame_equal(a.history, b.history)
    assert np.abs(a.p - other.p).max() > 1e-3
    assert torch.equal(before, torch.get_rng_state())


def test_the_seed_draws_the_new_parameters_and_only_those(cache):
    heads, layers = [], []
    for seed in (1, 1, 2):
        tail = copy.deepcopy(cache.tail)
        torch.manual_seed(seed)
        tail.draw_new_parameters()
        state = tail.model.state_dict()
        heads.append(state["classifier.dense.weight"])
        layers.append(state["roberta.encoder.layer.0.attention.self.query.weight"])
        assert state["classifier.dense.bias"].abs().sum() == 0
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])
    spread = tail.model.config.initializer_range
    assert heads[0].std().item() == pytest.approx(spread, rel=0.1)
    original = cache.tail.model.state_dict()["roberta.encoder.layer.0.attention.self.query.weight"]
    assert all(torch.equal(layer, original) for layer in layers)


def test_the_best_epoch_is_the_first_of_the_highest_validation_accuracy(cache):
    how = dict(seed=2, learning_rate=2e-3)
    y = np.random.default_rng(0).integers(0, 2, 24)  # so that validation is noisy
    best = finetune.finetune(cache, y, range(12), range(12, 24), epochs=8, **how)
    assert best.epoch == best.history["val_accuracy"].idxmax() + 1
    assert best.epoch < 8, "the case must tell best from last"
    stopped = finetune.finetune(
        cache, y, range(12), range(12, 24), epochs=best.epoch, keep="last", **how
    )
    np.testing.assert_array_equal(best.p, stopped.p)
    last = finetune.finetune(cache, y, range(12), range(12, 24), epochs=8, keep="last", **how)
    assert np.abs(best.p - last.p).max() > 1e-4
    released = finetune.finetune(
        cache, y, range(12), range(12, 24), epochs=8, release_quirks=True, **how
    )
    np.testing.assert_array_equal(released.p, best.p)
    np.testing.assert_array_equal(released.embeddings, last.embeddings)
    patient = finetune.finetune(cache, y, range(12), range(12, 24), epochs=50, patience=2, **how)
    assert len(patient.history) == patient.epoch + 2


def test_labels_outside_train_and_val_are_not_looked_at(cache):
    a = finetune.finetune(cache, Y, range(16), seed=1, **FAST)
    b = finetune.finetune(cache, np.r_[Y[:16], [99] * 8], range(16), seed=1, **FAST)
    np.testing.assert_array_equal(a.p, b.p)


def test_three_classes():
    model = encoders.load("roberta", CHECKPOINTS / "roberta", n_classes=3)
    cache = cached("roberta", clips("text", 12), model)
    fitted = finetune.finetune(cache, np.arange(12) % 3, range(12), seed=1, **FAST)
    assert fitted.p.shape == (12, 3)
    np.testing.assert_allclose(fitted.p.sum(axis=1), 1)


@pytest.mark.parametrize("name", ["deberta", "hubert", "timesformer"])
def test_mean_read_out(monkeypatch, name):
    encoder = encoders.ENCODERS[name]
    mean = type(encoder)(**{**vars(encoder), "readout": "mean"})
    monkeypatch.setitem(encoders.ENCODERS, name, mean)
    model, processor = shaken(name)
    items = clips(encoder.modality)
    expected = []
    for item in items:
        batch = encoders.inputs(processor, encoder.modality, [item])
        with torch.no_grad():
            expected.append(model(**batch, output_hidden_states=True).hidden_states[-1][0].mean(0))
    for whole in (False, True):
        cache = cached(name, items, (model, processor), trunk_dropout=whole)
        tail = cache.tail.eval()
        # Whole models see padding in their group norm, so clip by clip.
        batches = [[clip] for clip in cache.clips] if whole else [list(cache.clips)]
        with torch.no_grad():
            read = torch.cat([tail(**tail.collate(batch)).embedding for batch in batches])
        torch.testing.assert_close(read, torch.stack(expected), atol=1e-5, rtol=1e-4)


# The cache


class Once:
    """Items that may be read once each."""

    def __init__(self, items):
        self.items, self.read = items, []

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        assert i not in self.read, "decoded twice"
        self.read.append(i)
        return self.items[i]


@pytest.mark.parametrize("name", ["deberta", "hubert", "videomae"])
def test_disk_and_memory_agree_and_nothing_is_read_twice(tmp_path, name):
    model = shaken(name)
    items = Once(clips(encoders.ENCODERS[name].modality, 5))
    keys = [f"sha-{i}" for i in range(5)]
    how = dict(directory=tmp_path, keys=keys, settings={"max_s": 10})
    first = cached(name, items, model, **how)
    again = cached(name, items, model, **how)
    memory = cached(name, items.items, model)
    for i in range(5):
        assert torch.equal(first.clips[i]["hidden"], memory.clips[i]["hidden"])
        assert torch.equal(again.clips[i]["hidden"], memory.clips[i]["hidden"])
    fits = [
        finetune.finetune(c, [0, 1, 0, 1, 0], range(5), seed=1, epochs=2) for c in (again, memory)
    ]
    np.testing.assert_array_equal(fits[0].p, fits[1].p)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 5


def test_anything_the_activations_depend_on_makes_new_files(tmp_path):
    model, tokenizer = shaken("roberta")
    how = dict(directory=tmp_path, keys=["a", "b"])
    folders = set()

    def run(model, **more):
        cached("roberta", SENTENCES[:2], (model, tokenizer), **{**how, **more})
        new = {path.name for path in tmp_path.iterdir()} - folders
        folders.update(new)
        return len(new)

    assert run(model) == 1
    assert run(model) == 0
    assert run(model, settings={"case": "lower"}) == 1
    assert run(model, n_layers=1) == 1
    assert run(model, trunk_dropout=True) == 1
    with torch.no_grad():
        model.roberta.embeddings.word_embeddings.weight[0, 0] += 1
    assert run(model) == 1
    with torch.no_grad():  # the head is drawn by the seed; the trunk does not see it
        model.classifier.dense.weight += 1
    assert run(model) == 0


def test_a_killed_run_resumes(tmp_path):
    model = shaken("roberta")
    how = dict(directory=tmp_path, keys=list("abcd"), batch_size=1)

    class Killed(Once):
        def __getitem__(self, i):
            if i == 2:
                raise KeyboardInterrupt
            return super().__getitem__(i)

    with pytest.raises(KeyboardInterrupt):
        cached("roberta", Killed(SENTENCES[:4]), model, **how)
    rest = Once(SENTENCES[:4])
    cache = cached("roberta", rest, model, **how)
    assert rest.read == [2, 3]
    assert torch.equal(cache.clips[0]["hidden"], cached("roberta", model=model).clips[0]["hidden"])
    assert not list(tmp_path.rglob("*.partial"))


def test_unusable_clips_keep_their_row():
    rng = np.random.default_rng(0)
    good = [media.Audio(s, 16000, "ok", "") for s in clips("audio", 5)]
    bad = media.Audio(np.zeros(16000, "f4"), 16000, "silent", "a.wav is silent.")
    items = [*good[:2], bad, *good[2:]]
    cache = cached("hubert", items)
    assert cache.status.loc[2].tolist() == ["silent", "a.wav is silent."]
    assert cache.usable.tolist() == [True, True, False, True, True, True]
    fitted = finetune.finetune(cache, rng.integers(0, 2, 6), range(6), seed=1, epochs=1)
    assert np.isnan(fitted.p).tolist() == (~cache.usable).tolist()
    assert np.isnan(fitted.embeddings).all(axis=1).tolist() == (~cache.usable).tolist()
    without = finetune.finetune(cached("hubert", good), [0, 1, 0, 1, 1], range(5), seed=1, epochs=1)
    assert np.isfinite(without.p).all()
    text = cached("roberta", ["words", "  "])
    assert text.status["status"].tolist() == ["ok", "empty"]


def test_errors(cache):
    run = finetune.finetune
    with pytest.raises(ValueError, match="both train and val"):
        run(cache, Y, range(12), range(11, 24), seed=1)
    with pytest.raises(ValueError, match="run from 0 to 2, .* loaded for 2 classes"):
        run(cache, np.arange(24) % 3, range(24), seed=1)
    with pytest.raises(ValueError, match="No training clip"):
        run(cache, Y, [], seed=1)
    with pytest.raises(ValueError, match="keep is 'middle'"):
        run(cache, Y, range(24), seed=1, keep="middle")
    with pytest.raises(ValueError, match="the model has 4, so give 1 to 3"):
        cached("roberta", n_layers=4)
    with pytest.raises(ValueError, match="head is 'tail'"):
        cached("roberta", head="tail")
    with pytest.raises(ValueError, match="one key per item"):
        cached("roberta", directory=".", keys=["a"])


# Folds


def test_crossfit_predicts_each_clip_once_per_seed_from_other_recordings(cache, monkeypatch):
    groups = np.repeat(list("ABCDEFGH"), 3)
    folds = np.repeat([0, 1, 2, 3, 0, 1, 2, 3], 3)
    ids = [f"c{i}" for i in range(24)]
    seen, original = [], finetune.finetune

    def spy(cache, y, train, val, **how):
        seen.append((set(groups[train]), set() if val is None else set(groups[val])))
        return original(cache, y, train, val, **how)

    monkeypatch.setattr(finetune, "finetune", spy)
    predictions, embeddings = finetune.crossfit(
        cache, Y, ids, folds, groups=groups, seeds=(1, 2), n_jobs=1, progress=False, epochs=1
    )
    for (train, val), fold in zip(seen, [0, 1, 2, 3] * 2, strict=True):
        assert train and val and not train & val
        assert not (train | val) & set(groups[folds == fold])
    tables.check(predictions, "predictions")
    assert len(predictions) == 48 and set(predictions["split"]) == {"test"}
    assert not predictions.duplicated(["clip_id", "seed"]).any()
    by_clip = predictions[predictions["seed"] == 2].set_index("clip_id").loc[ids]
    assert by_clip["fold"].tolist() == folds.tolist() and by_clip["y"].tolist() == Y.tolist()
    assert set(embeddings) == {(seed, fold) for seed in (1, 2) for fold in range(4)}
    seen.clear()
    finetune.crossfit(
        cache, Y, ids, folds, groups=groups, seeds=(1,), n_jobs=1, progress=False, val_share=0,
        epochs=1,
    )  # fmt: skip
    assert all(train == set(groups[folds != fold]) for fold, (train, _) in enumerate(seen))


def test_inner_split_is_that_of_the_fusion(cache, monkeypatch):
    """Else the fusion would choose its epoch on clips that the encoders were trained on."""
    groups, folds = np.repeat(list("ABCDEFGHIJ"), 3)[:24], np.repeat([0, 1, 2, 3], 6)
    groups = np.repeat(np.arange(12), 2)
    ours, theirs = [], []
    monkeypatch.setattr(finetune, "_run", lambda c, y, ids, plans, *rest: ours.extend(plans))
    monkeypatch.setattr(fusion, "_run", lambda e, y, ids, plans, *rest: theirs.extend(plans))
    ids = [f"c{i}" for i in range(24)]
    finetune.crossfit(cache, Y, ids, folds, groups=groups)
    fusion.crossfit({"text": np.zeros((24, 2))}, Y, ids, folds, groups=groups)
    for (fold, train, val, _), (other_fold, parts) in zip(ours, theirs, strict=True):
        assert fold == other_fold
        np.testing.assert_array_equal(train, parts["train"])
        np.testing.assert_array_equal(val, parts["val"])


def test_workers_and_this_process_agree(cache):
    how = dict(groups=np.repeat(np.arange(8), 3), seeds=(1,), progress=False, **FAST)
    folds = np.repeat([0, 1, 0, 1], 6)
    ids = [f"c{i}" for i in range(24)]
    a, _ = finetune.crossfit(cache, Y, ids, folds, n_jobs=1, **how)
    b, _ = finetune.crossfit(cache, Y, ids, folds, n_jobs=2, **how)
    pd.testing.assert_frame_equal(a, b, rtol=1e-5)


def test_release_split(cache):
    split = np.repeat(["train", "val", "test"], 8)
    ids = [f"c{i}" for i in range(24)]
    predictions, embeddings = finetune.release(
        cache, Y, ids, split, seeds=(1,), n_jobs=1, progress=False, **FAST
    )
    assert predictions["split"].value_counts().to_dict() == {"val": 8, "test": 8}
    assert list(embeddings) == [(1, 0)]
    direct = finetune.finetune(cache, Y, range(8), range(8, 16), seed=1, **FAST)
    np.testing.assert_array_equal(predictions["p"], direct.p[8:])


def test_a_recording_in_two_folds_is_an_error(cache):
    with pytest.raises(ValueError, match="Recording 'A' lies in several folds"):
        finetune.crossfit(
            cache, Y, [str(i) for i in range(24)], [0, 1] * 12, groups=["A"] * 24, n_jobs=1
        )


# The tiny checkpoints on the synthetic corpus


@pytest.mark.parametrize("name", SIX)
def test_tiny_checkpoints_beat_the_majority_class_on_held_out_recordings(name):
    """By ten points at least, after training the last two layers on half of the recordings."""
    corpus = corpora.load_fixture()
    manifest = corpus.manifest
    modality = encoders.ENCODERS[name].modality
    if modality == "text":
        items = manifest["transcript"].tolist()
    else:
        read = {"audio": media.load_audio, "video": media.load_frames}[modality]
        items = media.Clips(corpus.media(f"{modality}_path"), read)
    cache = cached(name, items, encoders.load(name, CHECKPOINTS / name))
    y = manifest["y"].to_numpy()
    predictions, _ = finetune.crossfit(
        cache,
        y,
        manifest["clip_id"],
        splits.crossfit_folds(manifest, n_folds=2),
        groups=manifest["dialog_id"],
        seeds=(42,),
        val_share=0,
        n_jobs=1,
        progress=False,
        epochs=8,
        batch_size=16,
        learning_rate=1e-3,
    )
    accuracy = ((predictions["p"] > 0.5) == predictions["y"]).mean()
    assert accuracy > max(y.mean(), 1 - y.mean()) + 0.1

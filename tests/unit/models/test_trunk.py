"""Oracles: the full transformers model run clip by clip, and autograd through it."""

import copy

import pytest
import torch
import transformers
from tiny_encoders import CHECKPOINTS, SIX, cached, clips, shaken

from empdis_utils.models import encoders
from empdis_utils.models.trunk import Tail


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
    tail = Tail(name, model, whole=whole)
    path = encoders.layers_path(tail.encoder, model)
    last = (2, 3) if whole else (0, 1)
    expected = {k for k, _ in tail.model.named_parameters() if k.startswith("classifier.")}
    for i in last:
        layer = tail.model.get_submodule(f"{path}.{i}")
        expected |= {f"{path}.{i}.{key}" for key, _ in layer.named_parameters()}
    trained = {k for k, p in tail.model.named_parameters() if p.requires_grad}
    assert trained == expected
    everything = Tail(name, model, head="all").model
    base = model.base_model_prefix + "."
    assert all(p.requires_grad for k, p in everything.named_parameters() if not k.startswith(base))


def test_the_seed_draws_the_new_parameters_and_only_those():
    cache = cached("roberta")
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

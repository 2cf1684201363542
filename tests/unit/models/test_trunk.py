"""Oracles: the full transformers model run clip by clip, and autograd through it."""

import copy

import pytest
import torch
import transformers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_encoders import CHECKPOINTS, SIX, cached, clips, shaken

from empdis_utils.models import encoders, trunk
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


OTHERS = ("bert", "mpnet", "distilbert", "electra")


def other_bert_like(kind, folder):
    """A tiny text model of another architecture, and its tokenizer."""
    _, tokenizer = encoders.load("roberta", CHECKPOINTS / "roberta")
    names = {"dim": 32, "n_layers": 4, "n_heads": 2, "hidden_dim": 64}
    if kind != "distilbert":
        names = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
        names["intermediate_size"] = 64
    config = transformers.AutoConfig.for_model(
        kind, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **names
    )
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return shaken("auto", folder)


@pytest.mark.parametrize("kind", OTHERS)
def test_other_bert_likes(tmp_path, kind):
    assert_equal_to_full_model("auto", *other_bert_like(kind, tmp_path))


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


@pytest.mark.parametrize("name", [*SIX, *OTHERS])
def test_gradients_equal_the_full_models(tmp_path, name):
    model, processor = other_bert_like(name, tmp_path) if name in OTHERS else shaken(name)
    name = "auto" if name in OTHERS else name
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


@pytest.mark.parametrize("name", [*SIX, *OTHERS])
def test_the_last_layer_sees_only_what_is_read(tmp_path, name):
    """Oracle: the shapes that enter the last feed-forward; all tokens where the mean is read."""
    model, processor = other_bert_like(name, tmp_path) if name in OTHERS else shaken(name)
    name = "auto" if name in OTHERS else name
    items = clips(encoders.ENCODERS[name].modality)
    tail = cached(name, items, (model, processor)).tail.eval()
    batch = tail.collate(list(cached(name, items, (model, processor)).clips))
    layers, seen = encoders.layers(tail.encoder, tail.model), []
    part = {"distilbert": "ffn", "wav2vec2": "feed_forward", "hubert": "feed_forward"}
    for layer in layers:
        inner = layer.get_submodule(part.get(model.config.model_type, "intermediate"))
        inner.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    with torch.no_grad():
        tail(**batch)
    everything, last = (shape[:2].numel() for shape in seen)
    cut = name in ("roberta", "deberta", "timesformer", "auto")
    assert last == (len(items) if cut else everything) and everything > len(items)


@pytest.mark.parametrize("name", ["roberta", "deberta"])
def test_neighbours_in_a_row_change_nothing(name):
    """Oracle: each text alone. Lengths from one token to several times the median."""
    tail = cached(name, clips("text"), shaken(name)).tail.eval()
    rng = torch.Generator().manual_seed(0)
    lengths = [1, 2, 30, 1, 7, 90, 12, 30, 3, 5]
    hidden = [{"hidden": torch.randn(n, 64, generator=rng)} for n in lengths]
    batch = tail.collate(hidden)
    assert batch["inputs_embeds"].shape == (3, 90, 64)  # 181 tokens; padded it were 900
    with torch.no_grad():
        together = tail(**batch)
        alone = [tail(**tail.collate([one])) for one in hidden]
    for field in ("logits", "embedding"):
        expected = torch.cat([one[field] for one in alone])
        torch.testing.assert_close(together[field], expected, atol=1e-5, rtol=0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=40))
@example([5])
def test_texts_in_rows_never_overlap_nor_cross_a_row(lengths):
    starts, n_rows = trunk._places(lengths)
    width = max(lengths)
    taken = [i for s, n in zip(starts, lengths, strict=True) for i in range(s, s + n)]
    assert len(set(taken)) == len(taken) and max(taken) < n_rows * width
    assert all(s // width == (s + n - 1) // width for s, n in zip(starts, lengths, strict=True))
    assert n_rows <= len(lengths)  # never more than padding takes
    assert n_rows == 1 or n_rows * width < 2 * sum(lengths) + width  # no two rows half empty


@pytest.mark.parametrize("name", ["roberta", "deberta"])
def test_texts_in_rows_under_mixed_precision(name):
    cache = cached(name, clips("text"), shaken(name))
    tail = cache.tail.eval()
    batch = tail.collate(list(cache.clips))
    with torch.no_grad():
        exact = tail(**batch).logits
        with torch.autocast("cpu", torch.bfloat16):
            rounded = tail(**batch).logits
    torch.testing.assert_close(rounded.float(), exact, atol=0.1, rtol=0.05)


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

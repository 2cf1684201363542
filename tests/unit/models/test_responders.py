"""Oracles: transformers' own loss and embeddings, LoRA's definition, and files written and read."""

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from empdis_utils.models import responders
from empdis_utils.places import ROOT

TINY = ROOT / "tests" / "fixture" / "checkpoints" / "responder"
PROMPTS = ["Ann: so, you stayed home.\nBen:", "Ann: look, she made it again, today.\nBen:"]
ANSWERS = ["That sounds hard, I am with you.", "Okay."]
RNG = np.random.default_rng(0)
SOUND, PICTURE = RNG.normal(size=(2, 6)), RNG.normal(size=(2, 4))


def tiny(**how):
    return responders.load("tiny", TINY, **{"sound_width": 6, "picture_width": 4} | how)


@pytest.fixture(scope="module")
def model():
    return tiny()


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(TINY, tmp_path / "lm")


def without(folder, name, key):
    path = folder / name
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != key}))


def given_to(model, prefix):
    return model.prompt_ids(PROMPTS), model.answer_ids(ANSWERS), prefix


def test_the_loss_is_transformers_own_and_counts_answers_only(model):
    ids = [p + a for p, a in zip(*given_to(model, None)[:2], strict=True)]
    plain = AutoModelForCausalLM.from_pretrained(TINY)
    total, n = 0.0, 0
    for whole, own in zip(ids, model.answer_ids(ANSWERS), strict=True):
        zeros = torch.zeros(1, 1, 64)
        embeds = torch.cat([zeros, plain.get_input_embeddings()(torch.tensor([whole]))], dim=1)
        labels = torch.tensor([[-100] * (1 + len(whole) - len(own)) + own])
        total += plain(inputs_embeds=embeds, labels=labels).loss.item() * len(own)
        n += len(own)
    with torch.no_grad():
        loss = model(*given_to(model, model.no_prefix(2))).loss.item()
    assert loss == pytest.approx(total / n, rel=1e-5)


def test_a_prompt_is_the_chat_templates_and_an_answer_ends(model):
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    asked = [{"role": "user", "content": PROMPTS[0]}]
    own = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)
    assert model.prompt_ids(PROMPTS)[0] == own["input_ids"]
    assert model.answer_ids(ANSWERS)[1] == [
        *tokenizer("Okay.")["input_ids"],
        tokenizer.eos_token_id,
    ]


def test_the_prefix_is_the_projected_sum_of_z_scores(model):
    own = tiny(seed=3)
    own.standardise(SOUND, PICTURE)
    parts = []
    for name, values in (("sound", SOUND), ("picture", PICTURE)):
        z = (values - values.mean(axis=0)) / values.std(axis=0)
        layer = getattr(own, name)
        parts.append(z @ layer.weight.detach().numpy().T + layer.bias.detach().numpy())
    by_hand = sum(parts) @ own.projector.weight.detach().numpy().T
    by_hand += own.projector.bias.detach().numpy()
    got = own.prefix(SOUND, PICTURE).detach().numpy()[:, 0]
    np.testing.assert_allclose(got, by_hand, atol=1e-5)


def test_without_joint_both_are_added_as_they_are():
    own = tiny(sound_width=4, joint=None)
    sound = RNG.normal(size=(2, 4))
    by_hand = own.projector(torch.tensor(sound + PICTURE, dtype=torch.float32))
    torch.testing.assert_close(own.prefix(sound, PICTURE)[:, 0], by_hand)


def test_a_new_adapter_changes_nothing_and_the_language_model_is_frozen(model):
    plain = AutoModelForCausalLM.from_pretrained(TINY)
    ids = torch.tensor([model.prompt_ids(PROMPTS)[0]])
    with torch.no_grad():
        torch.testing.assert_close(model.lm(ids).logits, plain(ids).logits)
    names = list(model.trained())
    assert all("lora_" in name or not name.startswith("lm.") for name in names)
    # LoRA: r (inputs + outputs) for q and v of both layers
    lora = sum(p.numel() for name, p in model.trained().items() if "lora_" in name)
    assert lora == 8 * (64 + 64) * 2 * 2


tokens = st.lists(st.integers(6, 180), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(tokens, tokens), min_size=1, max_size=4))
def test_labels_hold_the_answer_and_nothing_else(model, rows):
    prompts, answers = zip(*rows, strict=True)
    batch = model.batch(prompts, answers, model.no_prefix(len(rows)))
    for labels, mask, prompt, answer in zip(
        batch["labels"], batch["attention_mask"], prompts, answers, strict=True
    ):
        assert labels[labels != responders.IGNORED].tolist() == answer
        start = 1 + len(prompt)
        assert labels[start : start + len(answer)].tolist() == answer
        assert mask.tolist() == [1] * int(mask.sum()) + [0] * int((mask == 0).sum())
        assert mask.sum() == start + len(answer)


def test_what_is_saved_is_read_again(model, tmp_path):
    own = tiny(seed=9)
    own.standardise(SOUND, PICTURE)
    for parameter in own.trained().values():
        torch.nn.init.normal_(parameter, std=0.1)
    own.save(tmp_path)
    again = responders.load_trained(tmp_path)
    with torch.no_grad():
        one, two = (m(*given_to(m, m.prefix(SOUND, PICTURE))).logits for m in (own, again))
    torch.testing.assert_close(one, two)
    assert not list(tmp_path.rglob("*.bin")) and not list(tmp_path.rglob("*.pt"))


def test_a_projector_of_another_width_is_refused(model, tmp_path, copy):
    tiny().save(tmp_path / "trained")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"hidden_size": 32}))
    with pytest.raises(responders.ResponderError, match="64 numbers, and .* takes 32"):
        responders.load_trained(tmp_path / "trained", copy)
    with pytest.raises(responders.ResponderError, match="6 numbers of sound.* have 5"):
        model.prefix(SOUND[:, :5], PICTURE)
    with pytest.raises(
        responders.ResponderError, match="projector.safetensors, adapter is missing"
    ):
        (tmp_path / "responder.json").write_text("{}")
        responders.load_trained(tmp_path)


def test_a_language_model_without_chat_template_is_refused(copy):
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(responders.ResponderError, match="no chat template"):
        responders.load("tiny", copy, sound_width=6, picture_width=4)
    plain = responders.load("tiny", copy, sound_width=6, picture_width=4, chat=False)
    assert plain.prompt_ids(["Okay."]) == [plain.tokenizer("Okay.")["input_ids"]]


def test_a_missing_pad_token_is_replaced_and_a_missing_end_token_refused(copy):
    without(copy, "tokenizer_config.json", "pad_token")
    own = responders.load("tiny", copy, sound_width=6, picture_width=4)
    assert own.tokenizer.pad_token == "<unk>"  # what is padded is masked: any token does
    without(copy, "tokenizer_config.json", "eos_token")
    with pytest.raises(responders.ResponderError, match="no end token"):
        responders.load("tiny", copy, sound_width=6, picture_width=4)


@pytest.mark.parametrize(
    "name, checkpoint, said",
    [
        ("gpt", None, "There is no responder 'gpt'"),
        ("tiny", None, "no default weights"),
        ("tiny", "./nowhere", "no checkpoint folder"),
        ("auto", "no-such/model", "neither in the local Hugging Face cache"),
    ],
)
def test_what_is_missing_is_one_sentence(name, checkpoint, said):
    (sentence,) = responders.lacking(name, checkpoint)
    assert said in sentence and sentence.endswith(".")
    with pytest.raises(responders.ResponderError, match="."):
        responders.load(name, checkpoint, sound_width=6, picture_width=4)


def test_four_bit_needs_a_gpu_and_bitsandbytes(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(responders.importlib.util, "find_spec", lambda name: None)
    found = responders.lacking("tiny", TINY, four_bit=True)
    assert [sentence.split(":")[0] for sentence in found] == ["GPU", "Package"]
    assert responders.lacking("tiny", TINY) == []


def test_weights_of_something_else_are_refused(copy):
    with pytest.raises(responders.ResponderError, match="a hubert, no causal language model"):
        responders.load("auto", TINY.parent / "hubert", sound_width=6, picture_width=4)
    (copy / "model.safetensors").unlink()
    with pytest.raises(responders.ResponderError, match="cannot be loaded"):
        responders.load("tiny", copy, sound_width=6, picture_width=4)


def test_any_causal_language_model_is_adapted_by_auto(copy):
    """GPT-2 has other names for its modules than Llama."""
    (copy / "model.safetensors").unlink()
    size = dict(vocab_size=184, n_positions=64, n_embd=16, n_layer=1, n_head=2)
    GPT2LMHeadModel(GPT2Config(**size, bos_token_id=1, eos_token_id=2)).save_pretrained(copy)
    with pytest.raises(responders.ResponderError, match="GPT2LMHeadModel has no modules"):
        responders.load("tiny", copy, sound_width=6, picture_width=4)
    own = responders.load("auto", copy, sound_width=6, picture_width=4)
    assert own.prefix(SOUND, PICTURE).shape == (2, 1, 16) and not own.chat
    assert any("c_attn.lora_A" in name for name in own.trained())
    assert own(*given_to(own, own.no_prefix(2))).loss.item() > 0


def test_widths_that_cannot_be_added_are_refused():
    with pytest.raises(responders.ResponderError, match="cannot be added; give joint"):
        tiny(joint=None)

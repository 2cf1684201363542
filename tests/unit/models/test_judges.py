"""`judges`, on tiny checkpoints. Oracles: the models called directly, one text at a time."""

import json
import math

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    RobertaForSequenceClassification,
)

from empdis_utils.measures import responses
from empdis_utils.models import judges
from tests.unit.tiny_encoders import CHECKPOINTS

ROBERTA = CHECKPOINTS / "roberta"
TEXTS = ["I am with you", "oh no", "next, the bus stops at six", ""]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(ROBERTA)


@pytest.fixture(scope="module")
def language_model(tmp_path_factory, tokenizer):
    folder = tmp_path_factory.mktemp("lm")
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=16, n_layer=1, n_head=2,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory, tokenizer):
    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(0)
    names = {0: "joy", 1: "anger", 2: "fear"}
    model = RobertaForSequenceClassification.from_pretrained(ROBERTA, num_labels=3, id2label=names)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_vectors_are_those_of_each_text_alone(tokenizer):
    found, words = judges.token_vectors(str(ROBERTA), TEXTS)
    model = AutoModel.from_pretrained(ROBERTA).eval()
    for text, vectors, own in zip(TEXTS, found, words, strict=True):
        with torch.inference_mode():
            alone = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        np.testing.assert_allclose(vectors, alone.numpy(), atol=1e-5)
        assert not own[[0, -1]].any() and own[1:-1].all()  # start and end are not of the text


def test_a_text_is_nearest_to_itself():
    one, words = judges.token_vectors(str(ROBERTA), TEXTS[:3])
    same = responses.bertscore(one, one, (words, words))
    assert same.to_numpy() == pytest.approx(1, abs=1e-6)
    turned = responses.bertscore(one, one[::-1], (words, words[::-1]))
    assert (turned["f1"][[0, 2]] < 1 - 1e-6).all()


def test_bertscore_is_that_of_the_published_package():
    """Where it is installed (pip install bert-score); CI has the closed forms."""
    published = pytest.importorskip("bert_score")
    one, two = TEXTS[:2] + ["poor you, all alone"], ["oh no", "I am with you", "you gave so much"]
    (a, first), (b, second) = (judges.token_vectors(str(ROBERTA), side) for side in (one, two))
    own = responses.bertscore(a, b, (first, second))
    layers = AutoModel.from_pretrained(ROBERTA).config.num_hidden_layers
    theirs = published.score(one, two, model_type=str(ROBERTA), num_layers=layers)
    np.testing.assert_allclose(own.to_numpy().T, np.stack([x.numpy() for x in theirs]), atol=1e-5)


def test_emotions_are_probabilities_under_the_checkpoints_names(classifier, tokenizer):
    found = judges.emotions(str(classifier), TEXTS)
    assert list(found) == ["joy", "anger", "fear"] and len(found) == 4
    assert found.sum(axis=1).to_numpy() == pytest.approx(1)
    model = RobertaForSequenceClassification.from_pretrained(classifier).eval()
    with torch.inference_mode():
        alone = model(**tokenizer(TEXTS[1], return_tensors="pt")).logits.softmax(1)[0]
    assert found.iloc[1].to_numpy() == pytest.approx(alone.numpy(), abs=1e-6)


def test_likelihoods_are_the_models_own_loss(language_model, tokenizer):
    found = judges.log_likelihoods(str(language_model), TEXTS)
    model = GPT2LMHeadModel.from_pretrained(language_model).eval()
    for text, row in zip(TEXTS[:3], found.to_dict("records"), strict=False):
        ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
        at = torch.tensor([ids])
        with torch.inference_mode():
            loss = model(at, labels=at).loss.item()
        assert row["n_tokens"] == len(ids) - 1
        assert row["nll"] == pytest.approx(loss * row["n_tokens"], rel=1e-5)
    assert found.iloc[3].tolist() == [0, 0]
    assert math.isfinite(responses.bits_per_byte(found["nll"], TEXTS))


def test_a_language_model_without_a_pad_token_will_do(language_model, tokenizer, tmp_path):
    config = json.loads((language_model / "tokenizer_config.json").read_text())
    bare = {k: v for k, v in config.items() if not k.startswith("pad_token")}
    GPT2LMHeadModel.from_pretrained(language_model).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(bare))
    assert len(judges.log_likelihoods(str(tmp_path), TEXTS)) == 4


def test_what_is_missing_or_of_another_kind_is_one_sentence(tmp_path):
    assert judges.needs("language_model").startswith("needs a causal language model")
    with pytest.raises(ValueError, match="cannot be loaded as AutoModel: there is no such folder"):
        judges.token_vectors(str(tmp_path / "nowhere"), TEXTS)
    with pytest.raises(ValueError, match="it lacks .* weights"):
        judges.emotions(str(ROBERTA), TEXTS)

"""Oracles: transformers' own last layer; a package in ImageBind's place that counts its calls."""

import sys
import types

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from empdis_utils.data import corpora, media
from empdis_utils.models import frozen
from empdis_utils.places import ROOT

TINY = ROOT / "tests" / "fixture" / "checkpoints"


def test_an_embedding_is_the_first_token_of_the_last_layer():
    texts = ["You stayed home.", "", "And then it was all new, again."]
    got, status = frozen.embeddings("roberta", texts, TINY / "roberta")
    tokenizer = AutoTokenizer.from_pretrained(TINY / "roberta")
    model = AutoModel.from_pretrained(TINY / "roberta").eval()
    for i in (0, 2):
        with torch.no_grad():
            own = model(**tokenizer(texts[i], return_tensors="pt")).last_hidden_state[0, 0]
        np.testing.assert_allclose(got[i], own, atol=1e-4)
    assert status["status"].tolist() == ["ok", "empty", "ok"] and np.isnan(got[1]).all()


def test_both_sides_of_clips_and_the_side_that_is_missing():
    data = corpora.load("fixture")
    ids = data.manifest["clip_id"][:3]
    sounds = media.Clips(data.media("audio_path").loc[ids], media.load_audio)
    paths = list(data.media("video_path").loc[ids])
    pictures = media.Clips([paths[0], None, paths[2]], media.load_frames)
    heard, seen, status = frozen.sound_and_picture(
        {"hubert": TINY / "hubert"}, {"timesformer": TINY / "timesformer"}, sounds, pictures
    )
    assert heard.shape == seen.shape == (3, 64) and np.isfinite(heard).all()
    assert status["status"].tolist() == ["ok", "missing", "ok"]
    assert np.isfinite(seen).all(axis=1).tolist() == [True, False, True]


class StandIn:
    """In the place of ImageBind's model: numbers that tell which file they are of."""

    def eval(self):
        return self

    def to(self, _device):
        return self

    def __call__(self, given):
        return {key: value + torch.arange(4.0) for key, value in given.items()}


@pytest.fixture
def package(monkeypatch):
    """A package `imagebind` with the names of the authors' own that are used here."""
    root, data, models = (types.ModuleType(f"imagebind{n}") for n in ("", ".data", ".models"))
    inner = types.ModuleType("imagebind.models.imagebind_model")

    def read(paths, _device):
        if "broken" in paths[0]:
            raise RuntimeError("moov atom\nnot found")
        return torch.tensor([[float(paths[0])]])

    data.load_and_transform_audio_data = data.load_and_transform_video_data = read
    inner.imagebind_huge = lambda pretrained: StandIn() if pretrained else None
    root.data, root.models, models.imagebind_model = data, models, inner
    root.__spec__ = types.SimpleNamespace(name="imagebind")
    for module in (root, data, models, inner):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_imagebind_gives_both_sides_and_keeps_bad_rows(package):
    sounds = media.Clips(["1", "2", None, "broken"], media.load_audio)
    pictures = media.Clips(["10", "20", "30", "40"], media.load_frames)
    one, two, status = frozen.sound_and_picture(
        {"imagebind": None}, {"imagebind": None}, sounds, pictures
    )
    assert one[:2].tolist() == [[1, 2, 3, 4], [2, 3, 4, 5]] and two[1].tolist() == [20, 21, 22, 23]
    assert status["status"].tolist() == ["ok", "ok", "missing", "unreadable"]
    assert status["reason"][3] == "moov atom not found"
    assert np.isnan(one[2:]).all() and np.isnan(two[2:]).all()


def test_what_is_missing_is_one_sentence(monkeypatch):
    monkeypatch.setattr(frozen.importlib.util, "find_spec", lambda name: None)
    (sentence,) = frozen.lacking("imagebind")
    assert sentence.startswith("Package: imagebind") and sentence.endswith(".")
    assert frozen.lacking("hubert", TINY / "hubert") == []
    (sentence,) = frozen.lacking("hubert", TINY / "roberta")
    assert sentence.startswith("Encoder hubert: ") and "roberta" in sentence

"""Oracle: the model written out with numpy on the stored weights, for a tiny random checkpoint."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from safetensors.numpy import load_file, save_file
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from empdis_utils.features import affect

LABELS = ("arousal", "dominance", "valence")  # the order of the published checkpoint


def tiny_checkpoint(folder):
    """A folder in the layout of the published model, 100 kB, with random weights: no meaning."""
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8),
        conv_stride=(5, 4),
        conv_kernel=(10, 8),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        do_stable_layer_norm=True,
        feat_extract_norm="layer",
        initializer_range=0.5,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    affect.AffectModel(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("affect"))


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "noise.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).normal(size=8000), 16_000, subtype="FLOAT")
    return path


def copied(checkpoint, folder, change):
    """The checkpoint with its weights changed."""
    for file in checkpoint.glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    weights = change(load_file(checkpoint / "model.safetensors"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_scores_are_those_of_the_head_written_out(checkpoint, sound):
    samples, _ = soundfile.read(sound, dtype="float32")
    samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    with torch.no_grad():
        trunk = Wav2Vec2Model.from_pretrained(checkpoint).eval()
        pooled = trunk(torch.tensor(samples[None])).last_hidden_state.mean(1)[0].double().numpy()
    w = load_file(checkpoint / "model.safetensors")
    hidden = np.tanh(w["classifier.dense.weight"] @ pooled + w["classifier.dense.bias"])
    expected = w["classifier.out_proj.weight"] @ hidden + w["classifier.out_proj.bias"]
    row = affect.extract([sound], checkpoint, progress=False).iloc[0]
    assert row["status"] == "ok" and np.ptp(expected) > 0.1
    np.testing.assert_allclose(row[list(LABELS)].astype(float), expected, rtol=1e-4)


def test_weights_saved_under_the_older_names_are_read(checkpoint, sound, tmp_path):
    """The published file is of 2022: weight_g and weight_v, and a pickled state dict."""
    new = "parametrizations.weight.original"

    def older(weights):
        return {
            name.replace(f"{new}0", "weight_g").replace(f"{new}1", "weight_v"): value
            for name, value in weights.items()
        }

    folder = copied(checkpoint, tmp_path, older)
    weights = {name: torch.tensor(v) for name, v in load_file(folder / "model.safetensors").items()}
    assert any(name.endswith("weight_g") for name in weights)
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    expected = affect.extract([sound], checkpoint, progress=False)
    pd.testing.assert_frame_equal(affect.extract([sound], folder, progress=False), expected)


def test_columns_follow_the_labels_of_the_checkpoint(checkpoint, sound, tmp_path):
    folder = copied(checkpoint, tmp_path, dict)
    config = folder / "config.json"
    text = config.read_text().replace("arousal", "x").replace("valence", "arousal")
    config.write_text(text.replace('"x"', '"valence"'))
    before = affect.extract([sound], checkpoint, progress=False).iloc[0]
    after = affect.extract([sound], folder, progress=False).iloc[0]
    assert after["valence"] == before["arousal"] and after["arousal"] == before["valence"]
    config.write_text(text.replace('"x"', '"joy"'))
    with pytest.raises(ValueError, match="predicts .*joy.*expected valence, arousal, dominance"):
        affect.load(folder)


def test_a_checkpoint_without_the_head_is_refused(checkpoint, tmp_path):
    folder = copied(
        checkpoint,
        tmp_path,
        lambda weights: {k: v for k, v in weights.items() if not k.startswith("classifier")},
    )
    with pytest.raises(ValueError, match=r"lacks 4 weights, \['classifier.dense.bias'"):
        affect.load(folder)


@pytest.mark.parametrize("missing", [None, "folder"])
def test_no_weights_is_a_missing_score_with_a_reason(missing, sound, tmp_path):
    checkpoint = tmp_path / missing if missing else None
    manifest = pd.DataFrame({"clip_id": ["a", "b"], "audio_path": [str(sound), None]})
    table = affect.extract(manifest, checkpoint, progress=False)
    assert table["status"].tolist() == ["no_model", "missing"]
    assert table[list(affect.DIMENSIONS)].isna().all(axis=None)
    assert "No weights of the affect model" in table["reason"][0]


def test_bad_sound_is_a_row(checkpoint, sound, tmp_path):
    soundfile.write(tmp_path / "zeros.wav", np.zeros(8000), 16_000)
    soundfile.write(tmp_path / "short.wav", np.ones(100) * 0.1, 16_000)
    files = [tmp_path / "zeros.wav", sound, tmp_path / "short.wav", tmp_path / "absent.wav"]
    table = affect.extract(files, checkpoint, progress=False)
    assert table.columns.tolist() == ["clip_id", *affect.DIMENSIONS, "status", "reason"]
    assert table["status"].tolist() == ["silent", "ok", "too_short", "missing"]
    assert table["valence"].notna().tolist() == [False, True, False, False]


def test_cached_scores_are_used_until_the_checkpoint_changes(
    checkpoint, sound, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    other.mkdir()
    other = copied(checkpoint, other, lambda w: w | {"classifier.out_proj.bias": np.ones(3, "f4")})
    cache = tmp_path / "cache"
    first = affect.extract([sound], checkpoint, progress=False, cache_dir=cache)
    changed = affect.extract([sound], other, progress=False, cache_dir=cache)
    assert (changed["valence"] > first["valence"] + 0.5).all() and len(list(cache.iterdir())) == 2
    settings = json.loads((other / "config.json").read_text())
    settings["layer_norm_eps"] = 1.0  # not a weight, yet scores depend on it
    (other / "config.json").write_text(json.dumps(settings))
    flat = affect.extract([sound], other, progress=False, cache_dir=cache)
    assert (flat["valence"] != changed["valence"]).all()
    monkeypatch.setattr(affect, "load_audio", None)  # a call would fail
    again = affect.extract([sound], checkpoint, progress=False, cache_dir=cache)
    pd.testing.assert_frame_equal(again, first)

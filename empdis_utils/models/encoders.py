"""The six encoders of the paper, and how to load one with its processor.

Hub ids, classes and preprocessing follow the paper's release (`uni.py`) and appendix B.1.
"""

import importlib.util
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import torch
import transformers  # its classes are looked up where they are used: they are slow to import
from torch.nn.utils import parametrize

__all__ = [
    "ENCODERS", "Encoder", "find", "inputs", "layers", "layers_path", "load", "quiet",
    "sentence_embeddings",
]  # fmt: skip


@dataclass(frozen=True)
class Encoder:
    """What has to be known about an architecture.

    Attributes
    ----------
    name : str
        Key in `ENCODERS`.
    hub_id : str or None
        Published base-size weights, as in the release.
    modality : str
        "text", "audio" or "video".
    model_type : str or None
        The `model_type` its config must state; None takes any of its modality.
    layers : tuple of str
        Where the transformer layers are, as a path inside the base model; the first that exists.
    readout : str
        How an embedding is read from the last layer's output: "first" token (as released) or
        "mean" over the clip's tokens.
    """

    name: str
    hub_id: str | None
    modality: str
    model_type: str | None
    layers: tuple[str, ...]
    readout: str = "first"


def _registry():
    bert, wav2vec = ("encoder.layer",), ("encoder.layers",)
    any_text = ("encoder.layer", "transformer.layer", "encoder.layers", "layers")
    return {
        encoder.name: encoder
        for encoder in (
            Encoder("roberta", "roberta-base", "text", "roberta", bert),
            Encoder("deberta", "microsoft/deberta-v3-base", "text", "deberta-v2", bert),
            Encoder("hubert", "facebook/hubert-base-ls960", "audio", "hubert", wav2vec),
            Encoder("wav2vec2", "facebook/wav2vec2-base", "audio", "wav2vec2", wav2vec),
            Encoder("videomae", "MCG-NJU/videomae-base", "video", "videomae", bert),
            Encoder(
                "timesformer",
                "facebook/timesformer-base-finetuned-k400",
                "video",
                "timesformer",
                bert,
            ),
            Encoder("auto", None, "text", None, any_text),
        )
    }


ENCODERS = _registry()
"""Encoders by name; "auto" is any BERT-like text checkpoint."""

_MODEL_CLASSES = {
    "text": "AutoModelForSequenceClassification",
    "audio": "AutoModelForAudioClassification",
    "video": "AutoModelForVideoClassification",
}
_PROCESSOR_FILES = {
    "text": ("tokenizer.json", "vocab.txt", "vocab.json", "spm.model", "sentencepiece.bpe.model"),
    "audio": ("preprocessor_config.json", "processor_config.json"),
    "video": ("preprocessor_config.json", "video_preprocessor_config.json"),
}


def load(name, checkpoint=None, *, n_classes=2, revision=None):
    """Load an encoder with a classification head, and the processor of its inputs.

    The head is the one the release used: that of transformers'
    `AutoModelFor{Sequence,Audio,Video}Classification`. Parameters which the checkpoint does not
    hold are drawn at random; `finetune` draws them again from its seed.

    Parameters
    ----------
    name : str
        Key of `ENCODERS`.
    checkpoint : str or Path, optional
        A hub id, a local folder, or `package:<name>`: the folder `model` inside an installed
        Python package, which is found without importing it. Default: the encoder's `hub_id`.
    n_classes : int
        Number of labels.
    revision : str, optional
        Commit of a hub id.

    Returns
    -------
    model : transformers.PreTrainedModel
        In eval mode, float32. `model.new_parameters` names what the checkpoint did not hold.
    processor
        Tokenizer, feature extractor or image processor.

    Raises
    ------
    ValueError
        Unknown name; a checkpoint of another architecture or modality; weights missing from it.
    FileNotFoundError
        No such package; a folder without config, weights or processor file.
    OSError
        A hub id that is neither cached nor can be downloaded.

    Examples
    --------
    >>> model, tokenizer = load("roberta", "tests/fixture/checkpoints/roberta")
    >>> model.config.hidden_size
    64
    """
    config = find(name, checkpoint, revision=revision)
    encoder = ENCODERS[name]
    source = _source(encoder, checkpoint)
    with quiet():
        model = _model(encoder, source, config, n_classes, revision)
        processor = _processor(encoder, source, revision)
    layers(encoder, model)  # fails here rather than in training
    _fold_weight_norm(model)
    return model.eval(), processor


def find(name, checkpoint=None, *, revision=None):
    """Configuration of what `load` would load; the weights are neither read nor downloaded.

    Parameters, errors
        As in `load`.
    """
    if name not in ENCODERS:
        raise ValueError(f"There is no encoder {name!r}; choose one of {', '.join(ENCODERS)}.")
    with quiet():
        return _config(ENCODERS[name], _source(ENCODERS[name], checkpoint), revision)


def layers(encoder, model):
    """The transformer layers of a loaded model, as its own `torch.nn.ModuleList`.

    Raises ValueError: none of the encoder's paths leads to a ModuleList.
    """
    return attrgetter(layers_path(encoder, model))(model)


def layers_path(encoder, model):
    """Dotted path from the classification model to its transformer layers."""
    for path in encoder.layers:
        try:
            found = attrgetter(path)(model.base_model)
        except AttributeError:
            continue
        if isinstance(found, torch.nn.ModuleList):
            return f"{model.base_model_prefix}.{path}"
    raise ValueError(
        f"No transformer layers at {' or '.join(encoder.layers)} in {type(model).__name__}; "
        f"the encoder {encoder.name!r} takes BERT-like models."
    )


def inputs(processor, modality, items, *, rescale_twice=False):
    """Turn clips into one batch of model inputs.

    `processor`: from `load`. `modality`: "text", "audio" or "video". `items`: per clip: a str;
    float32 samples [n] at the processor's rate; uint8 frames [n, h, w, 3]. `rescale_twice`: divide
    pixels by 255 twice, which is what the release does: its loader hands frames in [0, 1] to a
    processor that divides again. Returns dict of str to torch.Tensor: padded to the longest clip.
    Sound always has an attention mask, as in the release.
    """
    if modality == "text":
        batch = processor(
            list(items),
            padding=True,
            truncation=True,
            max_length=min(processor.model_max_length, 512),
            return_token_type_ids=False,
            return_tensors="pt",
        )
    elif modality == "audio":
        batch = processor(
            list(items),
            sampling_rate=processor.sampling_rate,
            padding=True,
            return_attention_mask=True,
            return_tensors="pt",
        )
    elif modality == "video":
        factor = processor.rescale_factor / 255 if rescale_twice else processor.rescale_factor
        videos = [list(frames) for frames in items]
        batch = processor(videos, rescale_factor=factor, return_tensors="pt")
    else:
        raise ValueError(f"There is no modality {modality!r}; choose text, audio or video.")
    return dict(batch)


def sentence_embeddings(checkpoint, texts, batch_size=64):
    """Frozen sentence embeddings, as the checkpoint's own pooling makes them.

    `checkpoint`: as in `load`: hub id, folder, or ``package:NAME``. A sentence-transformers model.
    `texts`: empty texts are embedded as such.

    `SentenceTransformer.encode` of the library sentence-transformers, on the CPU.
    """
    from sentence_transformers import SentenceTransformer  # slow to import

    with quiet():
        model = SentenceTransformer(str(_source(ENCODERS["auto"], checkpoint)), device="cpu")
        return model.encode(list(texts), batch_size=batch_size, show_progress_bar=False)


def _source(encoder, checkpoint):
    """A local folder as Path, or a hub id as str."""
    checkpoint = checkpoint or encoder.hub_id
    if checkpoint is None:
        raise ValueError(f"The encoder {encoder.name!r} has no default weights; give a checkpoint.")
    text = str(checkpoint)
    if text.startswith("package:"):
        package = text.removeprefix("package:")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.origin:
            raise FileNotFoundError(
                f"The package {package!r} is not installed; install it, or give a folder."
            )
        return _folder(Path(spec.origin).parent / "model")
    # A hub id is "name" or "owner/name"; anything else can only be a path.
    looks_like_path = isinstance(checkpoint, Path) or text.count("/") > 1 or text[0] in "./~"
    if looks_like_path or Path(text).is_dir():
        return _folder(Path(text).expanduser())
    return text


def _folder(path):
    if not (path / "config.json").is_file():
        raise FileNotFoundError(f"{path} is not a checkpoint folder: it holds no config.json.")
    return path


def _model_class(encoder):
    return getattr(transformers, _MODEL_CLASSES[encoder.modality])


def _config(encoder, source, revision):
    try:
        config = transformers.AutoConfig.from_pretrained(source, revision=revision)
    except OSError as error:
        raise OSError(
            f"{source} is neither in the local Hugging Face cache nor can be downloaded; connect "
            "to the network once, or give a local folder as checkpoint."
        ) from error
    except ValueError as error:
        raise ValueError(f"{source} has no config that transformers knows: {error}") from error
    if encoder.model_type and config.model_type != encoder.model_type:
        hint = ' (for other text models use the name "auto")' if encoder.modality == "text" else ""
        raise ValueError(
            f"{source} is a {config.model_type} model, not {encoder.model_type}; "
            f"{encoder.name!r} takes {encoder.modality} checkpoints of that type{hint}."
        )
    if type(config) not in _model_class(encoder)._model_mapping:
        raise ValueError(
            f"{source} is a {config.model_type} model, which has no {encoder.modality} classifier."
        )
    return config


def _model(encoder, source, config, n_classes, revision):
    config.num_labels = n_classes
    try:
        model, loading = _model_class(encoder).from_pretrained(
            source,
            config=config,
            revision=revision,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except OSError as error:
        raise FileNotFoundError(f"The weights of {source} cannot be read: {error}") from error
    mismatched = {key if isinstance(key, str) else key[0] for key in loading["mismatched_keys"]}
    new = set(loading["missing_keys"]) | mismatched
    trunk = tuple(key for key in new if key.startswith(layers_path(encoder, model) + "."))
    trunk += tuple(key for key in mismatched if key.startswith(model.base_model_prefix + "."))
    if trunk:
        raise ValueError(f"{source} lacks weights of the encoder itself, for example {trunk[0]}.")
    model.new_parameters = sorted(new)
    return model


def _fold_weight_norm(model):
    """The audio encoders' position convolution is frozen; folded, it can go to other processes.

    By one thread: the last bits of a norm depend on how many share its sum, and caches are found
    by a hash of the weights.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for module in list(model.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name)
            module._load_state_dict_pre_hooks.clear()  # weight norm's, for older checkpoints
    torch.set_num_threads(threads)


def _processor(encoder, source, revision):
    files = _PROCESSOR_FILES[encoder.modality]
    if isinstance(source, Path) and not any((source / file).is_file() for file in files):
        raise FileNotFoundError(
            f"{source} holds no processor for {encoder.modality} (one of {', '.join(files)}); "
            "copy it there from where the weights were published."
        )
    if encoder.modality == "text":
        return transformers.AutoTokenizer.from_pretrained(source, revision=revision)
    if encoder.modality == "audio":
        return transformers.AutoFeatureExtractor.from_pretrained(source, revision=revision)
    images = transformers.AutoImageProcessor
    return images.from_pretrained(source, revision=revision, backend="pil")


@contextmanager
def quiet():
    """Keep transformers from reporting the new head, which every call expects."""
    logging = transformers.utils.logging
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()

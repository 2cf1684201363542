"""Valence, arousal and dominance of speech, by the regression model of Wagner et al. (2023)."""

import hashlib
from functools import partial
from pathlib import Path

import torch
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model, Wav2Vec2PreTrainedModel

from empdis_utils.data.hashes import code_of
from empdis_utils.data.media import load_audio
from empdis_utils.features import per_clip
from empdis_utils.features.per_clip import BadMediaError
from empdis_utils.models.encoders import quiet

__all__ = [
    "AffectModel", "CHECKPOINT", "DIMENSIONS", "RegressionHead", "SAMPLE_RATE", "extract",
    "load",
]  # fmt: skip

CHECKPOINT = "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim"
DIMENSIONS = ("valence", "arousal", "dominance")
SAMPLE_RATE = 16_000


class RegressionHead(torch.nn.Module):
    """Dropout, linear, tanh, dropout, linear: float [n, hidden] to [n, 3]."""

    def __init__(self, config):
        super().__init__()
        self.dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = torch.nn.Dropout(config.final_dropout)
        self.out_proj = torch.nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, features):
        hidden = torch.tanh(self.dense(self.dropout(features)))
        return self.out_proj(self.dropout(hidden))


class AffectModel(Wav2Vec2PreTrainedModel):
    """wav2vec 2.0, averaged over time, and a regression head.

    Has the parameter names of the published checkpoint, so `from_pretrained` reads it.

    Notes
    -----
    Wagner et al. (2023), doi:10.1109/TPAMI.2023.3263585.
    """

    def __init__(self, config):
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = RegressionHead(config)
        self.post_init()

    def forward(self, input_values):
        """Scores, float [n, 3], about 0 to 1, of sounds, float [n, samples] at 16 kHz."""
        return self.classifier(self.wav2vec2(input_values).last_hidden_state.mean(dim=1))


def load(checkpoint=CHECKPOINT, revision=None):
    """Load the model and its feature extractor.

    Parameters
    ----------
    checkpoint : str or Path
        Hub id, or a local folder in the same layout.
    revision : str, optional
        Commit of a hub id.

    Returns
    -------
    model : AffectModel
        In evaluation mode, on the CPU.
    extractor : Wav2Vec2FeatureExtractor

    Raises
    ------
    OSError
        If there is no such folder, and no such checkpoint in the cache or on the hub.
    ValueError
        If weights of this architecture are missing from the checkpoint, or its labels are not
        arousal, dominance and valence.
    """
    if Path(checkpoint).is_absolute() and not Path(checkpoint).is_dir():
        raise FileNotFoundError(f"there is no folder {checkpoint}.")
    with quiet():
        model, info = AffectModel.from_pretrained(
            checkpoint, revision=revision, output_loading_info=True
        )
    # The convolutions' mask vector is used in pre-training only.
    missing = sorted(set(info["missing_keys"]) - {"wav2vec2.masked_spec_embed"})
    if missing:
        raise ValueError(
            f"{checkpoint} is not a valence-arousal-dominance model: it lacks {len(missing)} "
            f"weights, {missing[:3]} among them."
        )
    labels = list(model.config.id2label.values())
    if sorted(labels) != sorted(DIMENSIONS):
        raise ValueError(f"{checkpoint} predicts {labels}; expected {', '.join(DIMENSIONS)}.")
    return model.eval(), Wav2Vec2FeatureExtractor.from_pretrained(checkpoint, revision=revision)


def extract(
    manifest,
    checkpoint=CHECKPOINT,
    *,
    revision=None,
    root=None,
    max_s=30.0,
    progress=True,
    cache_dir=None,
):
    """Valence, arousal and dominance of every clip. No clip is lost.

    Parameters
    ----------
    manifest : pd.DataFrame or sequence of path
        The manifest (clip_id, audio_path), or paths whose stems become the clip ids.
    checkpoint : str, Path or None
        See `load`. None asks for no scores.
    revision : str, optional
        Commit of a hub id.
    root : path, optional
        Folder that relative paths start from.
    max_s : float
        Seconds used, from the start of the clip.
    progress : bool
        Show a progress bar.
    cache_dir : path, optional
        Folder of rows already measured; see `per_clip.measure`.

    Returns
    -------
    pd.DataFrame
        One row per clip, in input order: clip_id, valence, arousal, dominance (about 0 to 1, high
        is positive, active, dominant), status, reason. Without weights the scores are missing
        and the status is "no_model". Else the status is "ok" or that of `media.load_audio`.

    Raises
    ------
    ValueError
        If a column is missing, clip ids repeat, or the checkpoint is of another kind.
    """
    clips = per_clip.listed(manifest, "audio_path", root)
    key = {"max_s": max_s}
    try:
        if checkpoint is None:
            raise OSError("none is set.")
        model, extractor = load(checkpoint, revision)
        score = partial(_scores, model=model, extractor=extractor, max_s=max_s)
        key["model"] = _identity(model, extractor) if cache_dir is not None else None
    except OSError as error:
        reason = f"No weights of the affect model: {str(error).splitlines()[0]}"
        score = partial(_no_model, reason=reason)
    return per_clip.measure(
        zip(clips["clip_id"], clips["audio_path"], strict=True),
        score,
        dict.fromkeys(DIMENSIONS, float),
        title="affect",
        progress=progress,
        cache_dir=cache_dir,
        key=key,
    )


def _identity(model, extractor):
    """SHA-256 of all that scores depend on: weights, configuration, feature extractor, packages."""
    config = {key: value for key, value in model.config.to_dict().items() if key != "_name_or_path"}
    packages = code_of(packages=("torch", "transformers"))
    found = hashlib.sha256(f"{config} {extractor.to_json_string()} {packages}".encode())
    for name, weights in model.state_dict().items():
        found.update(name.encode())
        found.update(weights.contiguous().numpy())
    return found.hexdigest()


def _no_model(path, reason):
    raise BadMediaError("no_model", reason)


def _scores(path, model, extractor, max_s):
    sound = load_audio(path, SAMPLE_RATE, max_s, normalise=False)
    if sound.status != "ok":
        raise BadMediaError(sound.status, sound.reason)
    inputs = extractor(sound.samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    with torch.inference_mode():
        scores = model(inputs.input_values)[0].tolist()
    return dict(zip(model.config.id2label.values(), scores, strict=True)) | {"status": "ok"}

"""Fine-tune the last layers of an encoder on cached activations of its frozen trunk.

The paper trains the classifier and the last two transformer layers and freezes the rest (section 3,
appendix B.1). What is frozen gives the same activations in every epoch and for every seed, so it
runs once per clip; `finetune` starts from what enters the first trained layer.

The trained part (`Tail`) is the real transformers model with the modules before that layer replaced
by pass-throughs: attention masks, relative positions, norms, pooling and head are its own code. It
has the usual `forward(**batch, labels=...)`, so any training loop for such models can drive it.
"""

import contextlib
import copy
import hashlib
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import transformers
from joblib import Parallel, delayed
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.model_selection import GroupShuffleSplit
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from . import encoders

SEEDS = (42, 43, 44, 45, 46)

_MAIN_INPUT = {"text": "inputs_embeds", "audio": "input_values", "video": "pixel_values"}


class Tail(torch.nn.Module):
    """The trainable end of an encoder: its last layers, what follows them, and its head.

    Parameters
    ----------
    name : str
        Key of `encoders.ENCODERS`.
    model : transformers.PreTrainedModel
        From `encoders.load`. It is copied, not changed.
    n_layers : int
        Trained transformer layers, from the end.
    whole : bool
        Keep the frozen trunk, too: then batches hold the model's own inputs.
    head : str
        "classifier" trains the modules of that name, as released: the audio encoders' projector
        and DeBERTa's pooler then stay as drawn. "all" trains everything outside the base model.
    """

    def __init__(self, name, model, *, n_layers=2, whole=False, head="classifier"):
        super().__init__()
        self.encoder = encoders.ENCODERS[name]
        path = encoders.layers_path(self.encoder, model)
        n = len(attrgetter(path)(model))
        if not 0 < n_layers < n:
            raise ValueError(f"n_layers is {n_layers}; the model has {n}, so give 1 to {n - 1}.")
        self.model = copy.deepcopy(model) if whole else _without_trunk(model, path, n_layers)
        self.model.new_parameters = model.new_parameters
        self.whole = whole
        layers = attrgetter(path)(self.model)
        _freeze(self.model, [f"{path}.{i}." for i in range(len(layers))[-n_layers:]], head)
        self._last_hidden = None
        layers[-1].register_forward_hook(self._keep_output)

    def _keep_output(self, _module, _args, output):
        self._last_hidden = output[0] if isinstance(output, tuple) else output

    def forward(self, **batch):
        """The model's output; in eval mode with `embedding` [b, d], read from the last layer."""
        output = self.model(**batch)
        hidden, self._last_hidden = self._last_hidden, None
        if self.training:  # the audio encoders may have dropped the layer
            return output
        if self.encoder.readout == "first":
            output["embedding"] = hidden[:, 0]
        else:
            output["embedding"] = self._mean(hidden, batch.get("attention_mask"))
        return output

    def _mean(self, hidden, mask):
        if mask is None:
            return hidden.mean(dim=1)
        if self.encoder.modality == "audio":  # from samples to tokens
            mask = self.model._get_feature_vector_attention_mask(hidden.shape[1], mask)
        mask = mask[..., None].to(hidden.dtype)
        return (hidden * mask).sum(dim=1) / mask.sum(dim=1)

    def draw_new_parameters(self):
        """Draw what the checkpoint did not hold from torch's global generator."""
        new = set(self.model.new_parameters)
        owners = {}
        for key, parameter in self.model.named_parameters():
            parameter._is_hf_initialized = key not in new
            if key in new:
                module = key.rpartition(".")[0]
                owners[module] = self.model.get_submodule(module)
        for module in owners.values():
            self.model._init_weights(module)

    def collate(self, clips):
        """Pad clips, as they lie in a `TrunkCache`, to one batch.

        Parameters
        ----------
        clips : list of dict of str to torch.Tensor
            Per clip what enters the tail: `hidden` [tokens, d], or the model's own inputs.

        Returns
        -------
        dict of str to torch.Tensor
        """
        if self.whole:
            return _pad(clips)
        hidden = [clip["hidden"].to(torch.float32) for clip in clips]
        batch = {_MAIN_INPUT[self.encoder.modality]: pad_sequence(hidden, batch_first=True)}
        if self.encoder.modality != "video":  # video clips all have the same number of tokens
            lengths = torch.tensor([len(h) for h in hidden])
            batch["attention_mask"] = (torch.arange(lengths.max()) < lengths[:, None]).long()
        return batch


def _freeze(model, layer_prefixes, head):
    """Leave the named layers and the head trainable, nothing else."""
    if head not in ("classifier", "all"):
        raise ValueError(f"head is {head!r}; it must be 'classifier' or 'all'.")
    base = model.base_model_prefix + "."
    for key, parameter in model.named_parameters():
        in_head = not key.startswith(base) if head == "all" else key.startswith("classifier.")
        parameter.requires_grad_(in_head or key.startswith(tuple(layer_prefixes)))


@dataclass
class TrunkCache:
    """What enters the trained layers, for every clip.

    Attributes
    ----------
    tail : Tail
        With the parameters of the checkpoint; `finetune` works on copies.
    clips : sequence of (dict of str to torch.Tensor) or None
        In the order of the items given; None for a clip that could not be read. Tensors in memory,
        or memory-mapped files which are opened as they are needed.
    status : pd.DataFrame
        Columns status, reason; one row per item.
    """

    tail: Tail
    clips: Sequence
    status: pd.DataFrame

    def __len__(self):
        return len(self.status)

    @property
    def usable(self):
        """bool [n]: the clip could be read."""
        return (self.status["status"] == "ok").to_numpy()


def cache_trunk(
    name,
    model,
    processor,
    items,
    *,
    n_layers=2,
    head="classifier",
    directory=None,
    keys=None,
    settings=None,
    batch_size=8,
    trunk_dropout=False,
    rescale_twice=False,
    progress=True,
):
    """Run the frozen trunk once over all clips.

    Clips are batched with others of the same length only, so nothing is padded and a clip's
    activations do not depend on its neighbours.

    Parameters
    ----------
    name : str
        Key of `encoders.ENCODERS`.
    model, processor
        From `encoders.load`.
    items : sequence
        Per clip what `encoders.inputs` takes, or a `media.Audio` or `media.Frames`, whose status
        is kept. May read lazily: an item is asked for once, and not at all if its key is on disk.
    n_layers : int
        Transformer layers to train, from the end.
    head : str
        "classifier" (as released) or "all"; see `Tail`.
    directory : str or Path, optional
        Keep the activations there, one safetensors file per clip, instead of in memory. Existing
        files are used. Memory then does not grow with the number of clips.
    keys : sequence of str, optional
        What identifies each clip, for example the SHA-256 of its file. Needed with `directory`.
    settings : dict, optional
        Whatever else the items depend on (seconds, frames, rate); part of the files' identity,
        as are encoder, weights, processor, layers and the versions of torch and transformers.
    batch_size : int
        Most clips in one forward pass.
    trunk_dropout : bool
        The released way: nothing is run ahead; the cache holds the model's inputs and every epoch
        runs the whole model, with dropout (and the audio encoders' SpecAugment) in its frozen part.
    rescale_twice : bool
        See `encoders.inputs`.
    progress : bool
        Show a progress bar.

    Returns
    -------
    TrunkCache

    Raises
    ------
    ValueError
        `directory` without one key per item; `n_layers` out of range.
    """
    if directory is not None and (keys is None or len(keys) != len(items)):
        raise ValueError("A cache directory needs one key per item, to name its file.")
    tail = Tail(name, model, n_layers=n_layers, whole=trunk_dropout, head=head)
    modality = tail.encoder.modality
    store = [None] * len(items)
    if directory is not None:
        choices = [n_layers, trunk_dropout, rescale_twice, settings or {}]
        identity = _identity(name, model, processor, choices)
        store = _Files(Path(directory) / f"{name}-{identity}", keys)
    status = [("ok", "")] * len(items)
    waiting = {}

    def flush(group):
        batch = {key: torch.cat([clip[key] for _, clip in group]) for key in group[0][1]}
        rows = [{key: value[i] for key, value in batch.items()} for i in range(len(group))]
        if not trunk_dropout:
            rows = [{"hidden": h} for h in _trunk(tail.encoder, model, n_layers, batch)]
        for (i, _), row in zip(group, rows, strict=True):
            store[i] = row

    for i in tqdm(range(len(items)), desc=f"{name} trunk", disable=not progress, leave=False):
        if directory is not None and i in store:
            continue
        item, status[i] = _item(items[i])
        if item is None:
            continue
        clip = encoders.inputs(processor, modality, [item], rescale_twice=rescale_twice)
        shape = next(iter(clip.values())).shape
        group = waiting.setdefault(shape, [])
        group.append((i, clip))
        if len(group) == batch_size:
            flush(waiting.pop(shape))
        elif sum(map(len, waiting.values())) > 4 * batch_size:  # bounds what waits in memory
            flush(waiting.pop(max(waiting, key=lambda shape: len(waiting[shape]))))
    for group in waiting.values():
        flush(group)
    return TrunkCache(tail, store, pd.DataFrame(status, columns=["status", "reason"], dtype="str"))


@dataclass
class FineTuned:
    """One fine-tuned model's view of every clip.

    Attributes
    ----------
    p : np.ndarray
        P(y = 1), float64 [n]; with more than two classes [n, classes]. NaN for unusable clips.
    embeddings : np.ndarray
        float32 [n, d]. NaN for unusable clips.
    history : pd.DataFrame
        Columns epoch (from 1), train_loss, val_accuracy (NaN without validation clips).
    epoch : int
        The epoch whose weights gave `p`.
    """

    p: np.ndarray
    embeddings: np.ndarray
    history: pd.DataFrame
    epoch: int


def finetune(
    cache,
    y,
    train,
    val=None,
    *,
    seed,
    epochs=15,
    batch_size=8,
    learning_rate=5e-6,
    weight_decay=0.01,
    keep="best",
    release_quirks=False,
    patience=None,
):
    """Train the last layers and the classifier; predict every clip.

    AdamW without schedule and cross-entropy, as in the release. Defaults are the paper's
    (appendix B.1). The caller's random state is left alone.

    Parameters
    ----------
    cache : TrunkCache
        From `cache_trunk`; it says which parameters are trained.
    y : array_like of int
        Labels [n], 0 to classes - 1. Only those of `train` and `val` are looked at.
    train, val : array_like
        Row numbers or bool masks of the training and validation clips. Unusable clips among them
        are left out.
    seed : int
        Draws the new parameters, the order of the clips and the dropout.
    epochs, batch_size, learning_rate, weight_decay
        Of the training.
    keep : str
        "best": weights of the epoch with the highest validation accuracy, the first if tied (as
        released); the last epoch's without validation clips. "last": the last epoch's.
    release_quirks : bool
        Predictions from the best epoch but embeddings from the last, as released.
    patience : int, optional
        Stop after so many epochs without a better validation accuracy.

    Returns
    -------
    FineTuned

    Raises
    ------
    ValueError
        No usable training clip; a label outside the model's classes; a clip in `train` and `val`.
    """
    y = np.asarray(y)
    train = _rows(train, cache)
    val = _rows(val, cache) if val is not None else np.zeros(0, int)
    n_classes = cache.tail.model.config.num_labels
    labels = torch.zeros(len(cache), dtype=torch.long)
    seen = np.concatenate([train, val])
    labels[seen] = torch.as_tensor(y[seen].astype(np.int64))
    _check(train, val, labels[seen], n_classes, keep)

    with _seeded(seed):
        tail = copy.deepcopy(cache.tail)
        tail.draw_new_parameters()
        trained = [p for p in tail.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            trained, lr=learning_rate, weight_decay=weight_decay, fused=True
        )
        best = {"epoch": 0, "accuracy": -1.0, "state": None}
        history = []
        for epoch in range(1, epochs + 1):
            loss = _train_epoch(tail, cache, labels, train, batch_size, optimizer)
            accuracy = _accuracy(tail, cache, labels, val)
            history.append((epoch, loss, accuracy))
            if accuracy > best["accuracy"]:
                state = [p.detach().clone() for p in trained]
                best = {"epoch": epoch, "accuracy": accuracy, "state": state}
            elif patience is not None and epoch - best["epoch"] >= patience:
                break
        embeddings = None
        if release_quirks:
            _, embeddings = _predict(tail, cache, np.flatnonzero(cache.usable))
        if keep == "best" and best["state"] is not None:
            epoch = best["epoch"]
            with torch.no_grad():
                for parameter, value in zip(trained, best["state"], strict=True):
                    parameter.copy_(value)
        p, best_embeddings = _predict(tail, cache, np.flatnonzero(cache.usable))

    history = pd.DataFrame(history, columns=["epoch", "train_loss", "val_accuracy"])
    p = p[:, 1] if n_classes == 2 else p
    return FineTuned(p, best_embeddings if embeddings is None else embeddings, history, epoch)


def crossfit(
    cache, y, clip_id, folds, *, groups, seeds=SEEDS, val_share=0.2, n_jobs=-1, progress=True, **how
):
    """Predict every clip by models that saw neither it nor its recording.

    Of the other folds, whole recordings holding about `val_share` of the clips choose the epoch
    and the rest train: the same inner split as `fusion.crossfit`.

    Parameters
    ----------
    cache : TrunkCache
    y : array_like of int
        Labels [n].
    clip_id : sequence of str
        In the order of the cache.
    folds : array_like of int
        Fold of each clip, from `splits.crossfit_folds`.
    groups : sequence
        Recording of each clip.
    seeds : sequence of int
    val_share : float
        0 leaves nothing out: all other folds train and the last epoch is kept.
    n_jobs : int
        Processes (joblib); -1 is all cores.
    progress : bool
        Show a progress bar.
    **how
        Of `finetune`.

    Returns
    -------
    predictions : pd.DataFrame
        Columns clip_id, inputs, source ("finetuned"), seed, fold, split ("test"), y, p; with more
        than two classes also p_0, p_1, ... One row per usable clip and seed.
    embeddings : dict of (seed, fold) to np.ndarray
        float32 [n, d] of all clips, from the model that did not see the fold.
    """
    y, folds, groups = np.asarray(y), np.asarray(folds), np.asarray(groups)
    spread = pd.Series(folds).groupby(groups).nunique()
    if (spread > 1).any():
        raise ValueError(f"Recording {spread.idxmax()!r} lies in several folds; fold by recording.")
    plans = []
    for fold in np.unique(folds):
        test, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        train, val = rest, None
        if val_share:
            split = GroupShuffleSplit(n_splits=1, test_size=val_share, random_state=int(fold))
            train, val = (rest[rows] for rows in next(split.split(rest, groups=groups[rest])))
        plans.append((int(fold), train, val, {"test": test}))
    return _run(cache, y, clip_id, plans, seeds, n_jobs, progress, how)


def release(cache, y, clip_id, split, *, seeds=SEEDS, n_jobs=-1, progress=True, **how):
    """Train on one fixed split, as the release does.

    Parameters
    ----------
    split : sequence of str
        "train", "val" or "test" per clip. Validation chooses the epoch.
    cache, y, clip_id, seeds, n_jobs, progress, **how
        As in `crossfit`.

    Returns
    -------
    predictions, embeddings
        As `crossfit`, for validation and test clips; the one fold is 0.
    """
    split = np.asarray(split, dtype=str)
    rows = {part: np.flatnonzero(split == part) for part in ("train", "val", "test")}
    plans = [(0, rows["train"], rows["val"], {"val": rows["val"], "test": rows["test"]})]
    return _run(cache, np.asarray(y), clip_id, plans, seeds, n_jobs, progress, how)


def _run(cache, y, clip_id, plans, seeds, n_jobs, progress, how):
    clip_id = np.asarray(clip_id, dtype=str)
    tasks = [(seed, plan) for seed in seeds for plan in plans]
    work = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(finetune)(cache, y, train, val, seed=seed, **how)
        for seed, (_, train, val, _) in tasks
    )
    encoder = cache.tail.encoder
    work = tqdm(work, f"{encoder.name} fits", len(tasks), disable=not progress, leave=False)
    with warnings.catch_warnings():
        # loky replaces a worker whose memory grew, as torch's does, and repeats its work
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        results = list(work)
    frames, embeddings = [], {}
    for (seed, (fold, _, _, parts)), fitted in zip(tasks, results, strict=True):
        embeddings[seed, fold] = fitted.embeddings
        for split, rows in parts.items():
            rows = _rows(rows, cache)
            frame = pd.DataFrame({"clip_id": clip_id[rows], "inputs": encoder.modality})
            frame = frame.assign(source="finetuned", seed=seed, fold=fold, split=split, y=y[rows])
            if fitted.p.ndim == 1:
                frame["p"] = fitted.p[rows]
            else:
                frame["p"] = fitted.p[rows, 1]
                frame[[f"p_{k}" for k in range(fitted.p.shape[1])]] = fitted.p[rows]
            frames.append(frame)
    return pd.concat(frames, ignore_index=True), embeddings


def _rows(selection, cache):
    selection = np.asarray(selection)
    rows = np.flatnonzero(selection) if selection.dtype == bool else selection.astype(int)
    return rows[cache.usable[rows]]


def _check(train, val, labels, n_classes, keep):
    if not len(train):
        raise ValueError("No training clip could be read; look at the cache's status table.")
    if np.intersect1d(train, val).size:
        raise ValueError("Some clips are in both train and val; selection would see the training.")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(
            f"Labels run from {labels.min()} to {labels.max()}, but the model was loaded for "
            f"{n_classes} classes; pass n_classes to encoders.load."
        )
    if keep not in ("best", "last"):
        raise ValueError(f"keep is {keep!r}; it must be 'best' or 'last'.")


@contextlib.contextmanager
def _seeded(seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _train_epoch(tail, cache, labels, train, batch_size, optimizer):
    tail.train()
    total, n_batches = 0.0, 0
    for rows in torch.as_tensor(train)[torch.randperm(len(train))].split(batch_size):
        batch = tail.collate([cache.clips[i] for i in rows.tolist()])
        loss = torch.nn.functional.cross_entropy(tail(**batch).logits, labels[rows])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        total, n_batches = total + loss.item(), n_batches + 1
    return total / n_batches


def _accuracy(tail, cache, labels, rows):
    if not len(rows):
        return float("nan")
    p, _ = _predict(tail, cache, rows)
    return float((p[rows].argmax(axis=1) == labels[rows].numpy()).mean())


@torch.inference_mode()
def _predict(tail, cache, rows, batch_size=32):
    """P of each class [n, classes] and embeddings [n, d] of the given rows; NaN elsewhere."""
    tail.eval()
    p = embeddings = None
    for some in np.array_split(rows, max(1, -(-len(rows) // batch_size))):
        output = tail(**tail.collate([cache.clips[i] for i in some]))
        if p is None:
            p = np.full((len(cache), output.logits.shape[1]), np.nan)
            embeddings = np.full((len(cache), output.embedding.shape[1]), np.nan, np.float32)
        p[some] = output.logits.double().softmax(-1).numpy()
        embeddings[some] = output.embedding.numpy()
    return p, embeddings


@torch.no_grad()
def _trunk(encoder, model, n_layers, batch):
    """Tensor [b, tokens, d] that enters the first trained layer."""
    caught = []

    def stop(_module, args, kwargs):
        caught.append(args[0] if args else kwargs["hidden_states"])
        raise _TrunkDone

    handle = encoders.layers(encoder, model)[-n_layers].register_forward_pre_hook(
        stop, with_kwargs=True
    )
    try:
        model.eval()(**batch)
    except _TrunkDone:
        return caught[0]
    finally:
        handle.remove()
    raise RuntimeError(f"The trained layers of {encoder.name} were never reached.")


class _TrunkDone(Exception):
    """Not an error: nothing after this layer is needed."""


class _Given(torch.nn.Module):
    """Stands in for a module of the trunk: hands on what it was given."""

    def __init__(self, transpose=False, twice=False):
        super().__init__()
        self.transpose, self.twice = transpose, twice

    def forward(self, *args, **kwargs):
        given = next(x for x in (kwargs.get("inputs_embeds"), *args) if x is not None)
        given = given.transpose(1, 2) if self.transpose else given
        return (given, given) if self.twice else given


class _Nothing(torch.nn.Module):
    """Stands in for a position embedding that the trunk has already added."""

    def forward(self, hidden):
        return torch.zeros_like(hidden)


def _without_trunk(model, path, n_layers):
    """Copy of a model that starts at its last layers."""
    base, layers_of = model.base_model_prefix, path.rpartition(".")[0]
    kind = model.config.model_type
    substitutes = {path: torch.nn.ModuleList(attrgetter(path)(model)[-n_layers:])}
    if kind in ("hubert", "wav2vec2"):
        substitutes[f"{base}.feature_extractor"] = _Given(transpose=True)
        substitutes[f"{base}.feature_projection"] = _Given(twice=kind == "wav2vec2")
        substitutes[f"{layers_of}.pos_conv_embed"] = _Nothing()
        substitutes[f"{layers_of}.dropout"] = torch.nn.Identity()
        if not model.config.do_stable_layer_norm:  # else it follows the layers
            substitutes[f"{layers_of}.layer_norm"] = torch.nn.Identity()
    else:
        substitutes[f"{base}.embeddings"] = _Given()
        if hasattr(model.base_model, "embeddings_project"):  # ELECTRA
            substitutes[f"{base}.embeddings_project"] = _Given()
        if getattr(attrgetter(layers_of)(model), "conv", None) is not None:
            substitutes[f"{layers_of}.conv"] = None  # DeBERTa's, after the very first layer

    originals = {at: attrgetter(at)(model) for at in substitutes}
    try:
        for at, module in substitutes.items():
            _put(model, at, module)
        tail = copy.deepcopy(model)
    finally:
        for at, module in originals.items():
            _put(model, at, module)
    if kind in ("hubert", "wav2vec2"):
        tail.config.apply_spec_augment = False  # it masks what enters the trunk
        # Masks of the cached activations are already at their rate.
        for module in (tail, tail.base_model):
            module._get_feature_vector_attention_mask = _as_bool
    return tail


def _as_bool(_length, mask, **_kwargs):
    return mask.bool()


def _put(model, at, module):
    parent, _, name = at.rpartition(".")
    setattr(model.get_submodule(parent), name, module)


def _pad(clips):
    batch = {}
    for key in clips[0]:
        values = [clip[key] for clip in clips]
        same = key == "pixel_values"
        batch[key] = torch.stack(values) if same else pad_sequence(values, batch_first=True)
    return batch


def _item(item):
    """What `encoders.inputs` takes, or None, and the clip's (status, reason)."""
    for field in ("samples", "frames"):
        if hasattr(item, field):
            ok = item.status == "ok"
            return (getattr(item, field) if ok else None), (item.status, item.reason)
    if isinstance(item, str) and not item.strip():
        return None, ("empty", "The transcript has no text.")
    return item, ("ok", "")


def _identity(name, model, processor, choices):
    """Short hash of all that the activations depend on, besides the clip itself."""
    digest = hashlib.sha256()
    if hasattr(processor, "to_json_string"):
        description = processor.to_json_string()
    else:
        description = processor.backend_tokenizer.to_str()
    versions = [torch.__version__, transformers.__version__]
    facts = [name, choices, description, versions]
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    for key, value in sorted(model.state_dict().items()):
        if key not in model.new_parameters:
            digest.update(key.encode())
            digest.update(value.contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


class _Files(Sequence):
    """One safetensors file per clip, memory-mapped when read."""

    def __init__(self, directory, keys):
        directory.mkdir(parents=True, exist_ok=True)
        names = [hashlib.sha256(str(key).encode()).hexdigest()[:32] for key in keys]
        self.paths = [directory / f"{name}.safetensors" for name in names]

    def __len__(self):
        return len(self.paths)

    def __contains__(self, i):
        return self.paths[i].is_file()

    def __getitem__(self, i):
        if i not in self:
            return None
        with safe_open(self.paths[i], framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}

    def __setitem__(self, i, tensors):
        aside = self.paths[i].with_suffix(f".{os.getpid()}.partial")
        save_file({key: value.contiguous() for key, value in tensors.items()}, aside)
        os.replace(aside, self.paths[i])  # a killed run leaves no half-written file

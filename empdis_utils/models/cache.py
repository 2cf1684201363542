"""Run the frozen layers of an encoder once per clip, and keep what enters the trained ones.

The paper trains the classifier and the last two transformer layers and freezes the rest (section 3,
appendix B.1). What is frozen gives the same activations in every epoch and for every seed, so it
runs once per clip; `finetune` starts from what enters the first trained layer.
"""

import errno
import hashlib
import json
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
import torch
from joblib import delayed
from tqdm import tqdm

from empdis_utils.data.disk_cache import DiskCache
from empdis_utils.data.hashes import code_of
from empdis_utils.data.workers import parallel, require_seen
from empdis_utils.models import encoders
from empdis_utils.models.trunk import Tail

__all__ = ["MODELS", "TrunkCache", "cache_trunk", "cache_trunks", "fits_in_memory"]

MODELS = ("torch", "transformers", "tokenizers")  # packages that run the encoders
IN_MEMORY_BYTES = 128 * 2**20  # per encoder and process
CLIPS_PER_TASK = {"text": 256, "audio": 32, "video": 32}


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
    disk : DiskCache or None
        Where the activations are kept.
    identity : str or None
        Hash of all that the clips depend on; None in memory.
    """

    tail: Tail
    clips: Sequence
    status: pd.DataFrame
    disk: DiskCache | None = None
    identity: str | None = None

    def __len__(self):
        return len(self.status)

    @property
    def usable(self):
        """bool [n]: the clip could be read."""
        return (self.status["status"] == "ok").to_numpy()

    @cached_property
    def lengths(self):
        """int [n]: tokens of each clip (samples where the whole model is kept); 0 if unusable."""
        if isinstance(self.clips, _OnDisk):
            return np.array([self.clips.length(i) if ok else 0 for i, ok in enumerate(self.usable)])
        return np.array([0 if c is None else len(next(iter(c.values()))) for c in self.clips])


def cache_trunk(name, model, processor, items, **how):
    """Run the frozen trunk of one encoder over all clips.

    `name`: key of `encoders.ENCODERS`. `model`, `processor`: from `encoders.load`. `items`,
    `**how`: as in `cache_trunks`.
    """
    return cache_trunks({name: (model, processor)}, items, **how)[name]


def cache_trunks(
    loaded,
    items,
    *,
    n_layers=2,
    head="classifier",
    directory=None,
    limit_gb=None,
    keys=None,
    settings=None,
    batch_size=8,
    trunk_dropout=False,
    rescale_twice=False,
    precision="no",
    n_jobs=1,
    progress=True,
):
    """Run the frozen trunks of encoders of one modality over all clips; each clip is read once.

    Clips are batched with others of the same length only, so nothing is padded and a clip's
    activations do not depend on its neighbours.

    Parameters
    ----------
    loaded : dict of str to (model, processor)
        Keys of `encoders.ENCODERS`, values from `encoders.load`.
    items : sequence
        Per clip what `encoders.inputs` takes, or a `media.Audio` or `media.Frames`, whose status
        is kept. May read lazily: an item is not asked for if its activations are on disk.
    n_layers : int
        Transformer layers to train, from the end.
    head : str
        "classifier" (as released) or "all"; see `Tail`.
    directory : str or Path, optional
        Keep the activations there, one safetensors file per clip, instead of in memory. Existing
        files are used. Memory then does not grow with the number of clips, beyond the first
        `IN_MEMORY_BYTES`.
    limit_gb : float, optional
        Of the directory; see `disk_cache.DiskCache`.
    keys : sequence of str, optional
        What identifies each clip. Default: `items.keys()` (the SHA-256 of each file), or the texts.
    settings : dict, optional
        Whatever else the items depend on; part of the files' identity, as are the reader of
        `media.Clips` with its settings (seconds, frames, rate), encoder, weights, configuration,
        processor, layers, the code that reads and runs them, and the versions of its libraries.
    batch_size : int
        Most clips in one forward pass.
    trunk_dropout : bool
        The released way: nothing is run ahead; the cache holds the model's inputs and every epoch
        runs the whole model, with dropout (and the audio encoders' SpecAugment) in its frozen part.
    rescale_twice : bool
        See `encoders.inputs`.
    precision : str
        "no" (float32) or "bf16" (autocast, several times faster on a GPU).
    n_jobs : int
        Processes that read clips and run trunks; see `workers.parallel`. A GPU, where there is
        one, wants 1. The result is the same bytes.
    progress : bool
        Show a progress bar.

    Returns
    -------
    dict of str to TrunkCache

    Raises
    ------
    ValueError
        `directory` without keys; `n_layers` out of range; encoders of several modalities.
    OSError
        The disk is full, or the limit too small.
    MemoryError
        Names the encoder and what to do.
    ClusterError
        A Dask cluster that cannot do the work, or does not see the files.
    """
    modalities = {encoders.ENCODERS[name].modality for name in loaded}
    if len(modalities) != 1:
        raise ValueError(f"Encoders of one modality at a time; these read {sorted(modalities)}.")
    (modality,) = modalities
    if keys is None and directory is not None:
        keys = items.keys() if hasattr(items, "keys") else items
    if directory is not None and not _are_keys(keys, len(items)):
        raise ValueError("A cache directory needs one key per item, to name its file.")
    disk = DiskCache(directory, limit_gb) if directory is not None else None
    choices = [n_layers, trunk_dropout, rescale_twice, precision, settings or {}]
    if hasattr(items, "reader"):
        choices += items.reader()
    trunks, stores, caches = {}, {}, {}
    for name, (model, processor) in loaded.items():
        tail = Tail(name, model, n_layers=n_layers, whole=trunk_dropout, head=head)
        trunks[name] = _Trunk(
            *(name, model, processor, n_layers, batch_size, trunk_dropout),
            *(rescale_twice, precision),
        )
        identity = None
        stores[name] = [None] * len(items)
        if disk is not None:
            part = f"trunk/{name}-{_identity(name, model, processor, choices)}"
            stores[name] = _OnDisk(disk, part, keys)
            identity = hashlib.sha256(json.dumps([part, head, *keys]).encode()).hexdigest()
        caches[name] = TrunkCache(tail, stores[name], None, disk, identity)

    # Tasks are the same whatever is on disk and however many processes there are, and each is
    # done whole, so that batches, and with them the last bits, are the same.
    same = pd.Series(range(len(items)), dtype=int)
    if disk is not None:
        same = same.groupby(pd.Series(list(keys), dtype=object), sort=False).transform("first")
    first = np.flatnonzero(same == same.index)
    step = CLIPS_PER_TASK[modality]
    tasks, status = [], [("ok", "")] * len(items)
    for rows in (first[i : i + step].tolist() for i in range(0, len(first), step)):
        lacking = []
        for name, store in stores.items():
            known = [None] if disk is None else store.status(rows)
            if None in known:
                lacking.append(name)
            else:
                for i, one in zip(rows, known, strict=True):
                    status[i] = one
        if lacking:
            tasks.append((rows, lacking))
    calls = (delayed(_run_task)(lacking, rows) for rows, lacking in tasks)
    done = parallel(calls, n_jobs, shared=(trunks, items), return_as="generator")
    title = " and ".join(loaded)
    n_clips = sum(len(rows) for rows, _ in tasks)
    with (
        tqdm(total=n_clips, desc=f"{title} trunk", unit="clip", disable=not progress) as bar,
        fits_in_memory(title, "use a smaller batch_size, or fewer n_jobs"),
    ):
        for (rows, _), (found, results) in zip(tasks, done, strict=True):
            if hasattr(items, "paths"):
                require_seen([one for one, _ in found], [items.paths[i] for i in rows])
            for name, result in results.items():
                for i, one in zip(rows, found, strict=True):
                    status[i] = one
                    if disk is not None:
                        stores[name].keep(i, result.get(i, {}), one)
                    elif i in result:
                        stores[name][i] = result[i]
            bar.update(len(rows))
    status = pd.DataFrame([status[i] for i in same], columns=["status", "reason"], dtype="str")
    for cache in caches.values():
        cache.status = status
    return caches


def _are_keys(keys, n):
    return keys is not None and len(keys) == n and all(isinstance(key, str) for key in keys)


@dataclass
class _Trunk:
    """The frozen part of one encoder, and how to run it."""

    name: str
    model: torch.nn.Module
    processor: object
    n_layers: int
    batch_size: int
    trunk_dropout: bool
    rescale_twice: bool
    precision: str

    def inputs(self, item):
        modality = encoders.ENCODERS[self.name].modality
        return encoders.inputs(self.processor, modality, [item], rescale_twice=self.rescale_twice)

    def outputs(self, group):
        """Activations of clips of one length: list of dict, in the group's order."""
        batch = {key: torch.cat([clip[key] for clip in group]) for key in group[0]}
        if self.trunk_dropout:
            return [{key: value[i] for key, value in batch.items()} for i in range(len(group))]
        encoder = encoders.ENCODERS[self.name]
        with fits_in_memory(self.name, "use a smaller batch_size, or fewer n_jobs"):
            hidden = _trunk(encoder, self.model, self.n_layers, batch, self.precision)
        return [{"hidden": h.clone()} for h in hidden]


@contextmanager
def fits_in_memory(name, advice):
    """Turn every way to run out of memory into one sentence."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        # RuntimeErrors: torch's OutOfMemoryError, joblib's for a worker that was killed
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        if isinstance(error, OSError) and error.errno != errno.ENOMEM:
            raise
        raise MemoryError(f"{name} does not fit into memory; {advice}.") from None


def _run_task(shared, lacking, rows):
    """Status of each row, and per encoder a dict of row -> tensors. Each item is read once."""
    trunks, items = [shared[0][name] for name in lacking], shared[1]
    status, results = [], {trunk.name: {} for trunk in trunks}
    waiting = {trunk.name: {} for trunk in trunks}

    def flush(trunk, group):
        found = trunk.outputs([clip for _, clip in group])
        results[trunk.name].update(zip([i for i, _ in group], found, strict=True))

    for i in rows:
        item, one = _item(items[i])
        status.append(one)
        for trunk in trunks if item is not None else ():
            clip = trunk.inputs(item)
            shape = next(iter(clip.values())).shape
            group = waiting[trunk.name].setdefault(shape, [])
            group.append((i, clip))
            if len(group) == trunk.batch_size:
                flush(trunk, waiting[trunk.name].pop(shape))
    for trunk in trunks:
        for group in waiting[trunk.name].values():
            flush(trunk, group)
    return status, results


def _item(item):
    """What `encoders.inputs` takes, or None, and the clip's (status, reason)."""
    for field in ("samples", "frames"):
        if hasattr(item, field):
            ok = item.status == "ok"
            return (getattr(item, field) if ok else None), (item.status, item.reason)
    if isinstance(item, str) and not item.strip():
        return None, ("empty", "The transcript has no text.")
    return item, ("ok", "")


@torch.no_grad()
def _trunk(encoder, model, n_layers, batch, precision="no"):
    """float32 [b, tokens, d] that enters the first trained layer; on a GPU where there is one."""
    caught = []

    def stop(_module, args, kwargs):
        caught.append(args[0] if args else kwargs["hidden_states"])
        raise _TrunkDone

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).eval()
    handle = encoders.layers(encoder, model)[-n_layers].register_forward_pre_hook(
        stop, with_kwargs=True
    )
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            model(**{key: value.to(device) for key, value in batch.items()})
    except _TrunkDone:
        return caught[0].float().cpu()
    finally:
        handle.remove()
    raise RuntimeError(f"The trained layers of {encoder.name} were never reached.")


class _TrunkDone(Exception):
    """Not an error: nothing after this layer is needed."""


def _identity(name, model, processor, choices):
    """Short hash of all that the activations depend on, besides the clip itself."""
    digest = hashlib.sha256()
    if hasattr(processor, "to_json_string"):
        description = processor.to_json_string()
    else:
        description = [processor.backend_tokenizer.to_str(), processor.model_max_length]
    config = {k: v for k, v in model.config.to_dict().items() if k != "_name_or_path"}
    code = code_of(encoders, _trunk, packages=MODELS)
    facts = [name, choices, description, config, code]
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    for key, value in sorted(model.state_dict().items()):
        if key not in model.new_parameters:
            digest.update(key.encode())
            digest.update(value.cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


class _OnDisk(Sequence):
    """The clips of one encoder in a `DiskCache`; each is opened when it is asked for.

    The first ones, as many as `IN_MEMORY_BYTES` hold, stay in memory: every epoch asks again.
    """

    def __init__(self, disk, folder, keys):
        self.disk, self.folder, self.keys = disk, folder, list(keys)
        self._clips, self._lengths, self._room = {}, {}, IN_MEMORY_BYTES

    def __reduce__(self):  # what is in memory does not travel to other processes
        return _on_disk, (self.disk.directory, self.disk.limit, self.folder, tuple(self.keys))

    def __len__(self):
        return len(self.keys)

    def status(self, rows):
        """(status, reason) of each row, None where there is no entry."""
        facts = [self.disk.facts(self.folder, self.keys[i]) for i in rows]
        return [None if one is None else (one["status"], one["reason"]) for one in facts]

    def keep(self, i, tensors, status):
        facts = dict(zip(("status", "reason"), status, strict=True))
        self.disk.write(self.folder, self.keys[i], tensors, facts)

    def length(self, i):
        if i not in self._lengths:
            self._lengths[i] = self.disk.length(self.folder, self.keys[i])
        return self._lengths[i]

    def __getitem__(self, i):
        if i in self._clips:
            return self._clips[i]
        clip = self.disk.read(self.folder, self.keys[i])[0]
        size = sum(value.nbytes for value in clip.values())
        if size <= self._room:
            clip = {name: value.clone() for name, value in clip.items()}  # not a mapped file
            self._clips[i], self._room = clip, self._room - size
        return clip


@lru_cache(1)
def _on_disk(directory, limit, folder, keys):
    """The clips of one encoder in another process: those in memory serve all of its fits."""
    return _OnDisk(DiskCache(directory, limit / 1e9), folder, keys)

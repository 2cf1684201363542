"""Fine-tune the last layers of an encoder on cached activations of its frozen trunk.

One fit is short and small, so several processes share out whole fits rather than batches: with
joblib on one machine, or with `accelerate launch` on several GPUs. Which process did a fit changes
nothing in it. A fit whose activations are on disk is kept there, too: killed, it goes on from its
last epoch; finished, it is read.

    accelerate launch --num_processes 4 -m empdis_utils.press.launch PROFILE

runs the fits of chapter 02 of a profile on four GPUs; the chapter then finds them.
"""

import contextlib
import copy
import hashlib
import json
import resource
import time
import warnings
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from joblib import delayed
from tqdm import tqdm

from empdis_utils.data import media, splits
from empdis_utils.data.disk_cache import default_directory
from empdis_utils.data.hashes import code_of
from empdis_utils.data.workers import parallel
from empdis_utils.models import encoders
from empdis_utils.models.cache import MODELS, cache_trunk, cache_trunks, fits_in_memory
from empdis_utils.models.trunk import Tail
from empdis_utils.places import hardware

__all__ = [
    "FineTuned", "Fits", "cache_trunk", "chapter_studies", "crossfit", "finetune", "held_out",
    "inputs_of", "lacking", "peak_mib", "processes", "release", "study",
]  # fmt: skip

SEEDS = (42, 43, 44, 45, 46)
RELEASED_SEEDS = (42, 43, 44, 45)
ADVICE = "use accumulate, or fewer n_jobs"


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
    cost : dict
        Of the process that did the fit: cpu_s (processor seconds), wall_s, peak_mib (most memory
        the process has had), hardware. From when it was done, if it was read from disk.
    """

    p: np.ndarray
    embeddings: np.ndarray
    history: pd.DataFrame
    epoch: int
    cost: dict = field(default_factory=dict)


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
    precision="no",
    accumulate=1,
    length_groups=0,
    resume=True,
    checkpoint_every_s=60.0,
):
    """Train the last layers and the classifier; predict every clip.

    AdamW without schedule and cross-entropy, as in the release. Defaults are the paper's
    (appendix B.1). Accelerate places the model on a GPU where there is one, and does the mixed
    precision. The caller's random state is left alone.

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
    precision : str
        "no" (float32), "bf16" or "fp16".
    accumulate : int
        Pieces that each batch is computed in, clips of like length together. The gradient is that
        of the whole batch; it takes less memory, and sound is padded less.
    length_groups : int
        0: batches are drawn at random, as in the paper. k > 0: clips are shuffled, then sorted by
        length within every k batches. That wastes less, but changes which clips share a batch.
    resume : bool
        With a cache on disk: go on from the last checkpoint, and read a finished fit. Checkpoints
        and results are known by clips, labels, settings and the code that makes them.
    checkpoint_every_s : float
        Least seconds between checkpoints; each is written after an epoch.

    Returns
    -------
    FineTuned

    Raises
    ------
    ValueError
        No usable training clip; a label outside the model's classes; a clip in `train` and `val`.
    OSError, MemoryError
        The disk of the cache is full; memory runs out. One sentence each.

    Examples
    --------
    >>> model = encoders.load("roberta", "tests/fixture/checkpoints/roberta")
    >>> texts = ["I am so sorry.", "The bus is late.", "That must hurt.", "It is noon."]
    >>> caches = cache_trunks({"roberta": model}, texts, progress=False)
    >>> fitted = finetune(caches["roberta"], [1, 0, 1, 0], [0, 1, 2], seed=42, epochs=1)
    >>> fitted.p.shape
    (4,)
    """
    y = np.asarray(y)
    train = _rows(train, cache)
    val = _rows(val, cache) if val is not None else np.zeros(0, int)
    n_classes = cache.tail.model.config.num_labels
    labels = torch.zeros(len(cache), dtype=torch.long)
    seen = np.concatenate([train, val])
    labels[seen] = torch.as_tensor(y[seen].astype(np.int64))
    _check(train, val, labels[seen], n_classes, keep)
    settings = [epochs, batch_size, learning_rate, weight_decay, keep, release_quirks, patience]
    settings += [precision, accumulate, length_groups, seed]
    file = None
    if resume and cache.identity:
        file = _FitFile(cache, [train, val, labels[seen].numpy()], settings)
    if file and (finished := file.finished()):
        return finished

    accelerator = _accelerator(precision)
    with _seeded(seed, accelerator.device), fits_in_memory(cache.tail.encoder.name, ADVICE):
        tail = copy.deepcopy(cache.tail)
        tail.draw_new_parameters()
        fit = _Fit(tail, cache, labels, accelerator, learning_rate, weight_decay)
        if file:
            file.restore(fit)
        saved = time.monotonic()
        while fit.epoch < epochs and not fit.out_of_patience(patience):
            fit.train_epoch(train, batch_size, accumulate, length_groups)
            fit.judge(val)
            if file and time.monotonic() - saved >= checkpoint_every_s:
                file.save(fit)
                saved = time.monotonic()
        usable = np.flatnonzero(cache.usable)
        last = fit.predict(usable)[1] if release_quirks else None
        if keep == "best":
            fit.restore_best()
        p, embeddings = fit.predict(usable)
    result = FineTuned(
        p[:, 1] if n_classes == 2 else p,
        embeddings if last is None else last,
        pd.DataFrame(fit.history, columns=["epoch", "train_loss", "val_accuracy"]),
        fit.best_epoch if keep == "best" and fit.best_epoch else fit.epoch,
        fit.cost(),
    )
    if file:
        file.finish(result)
    return result


class _Fit:
    """The state of one training run."""

    def __init__(self, tail, cache, labels, accelerator, learning_rate, weight_decay):
        self.cache, self.labels, self.accelerator = cache, labels, accelerator
        self.tail = tail.to(accelerator.device)
        self.trained = [p for p in self.tail.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            self.trained, lr=learning_rate, weight_decay=weight_decay, fused=True
        )
        self.optimizer = accelerator.prepare(optimizer)
        self.history, self.epoch = [], 0
        self.best, self.best_epoch, self.best_accuracy = None, 0, -1.0
        self.started = time.process_time(), time.monotonic()
        self.spent = {"cpu_s": 0.0, "wall_s": 0.0}

    def train_epoch(self, train, batch_size, accumulate, length_groups):
        self.tail.train()
        total, batches = 0.0, _batches(train, self.cache, batch_size, length_groups)
        for rows in batches:
            for piece in _pieces(rows, self.cache, accumulate):
                logits, target = self._logits(piece).logits, self._on_device(self.labels[piece])
                loss = torch.nn.functional.cross_entropy(logits.float(), target, reduction="sum")
                loss = loss / len(rows)
                self.accelerator.backward(loss)
                total += loss.item()
            self.optimizer.step()
            self.optimizer.zero_grad()
        self.epoch += 1
        self.history.append([self.epoch, total / len(batches), float("nan")])

    def judge(self, val):
        """Accuracy on the validation clips; the weights of the best epoch are kept."""
        if not len(val):
            return
        p, _ = self.predict(val)
        accuracy = float((p[val].argmax(axis=1) == self.labels[val].numpy()).mean())
        self.history[-1][2] = accuracy
        if accuracy > self.best_accuracy:
            self.best = [p.detach().clone() for p in self.trained]
            self.best_epoch, self.best_accuracy = self.epoch, accuracy

    def out_of_patience(self, patience):
        return bool(patience and self.best_epoch and self.epoch - self.best_epoch >= patience)

    @torch.no_grad()
    def restore_best(self):
        for parameter, value in zip(self.trained, self.best or (), strict=self.best is not None):
            parameter.copy_(value)

    @torch.inference_mode()
    def predict(self, rows, batch_size=32):
        """P of each class [n, classes] and embeddings [n, d] of the given rows; NaN elsewhere."""
        self.tail.eval()
        if not self.tail.whole:  # a whole audio model's group norm sees how much is padded
            rows = rows[np.argsort(self.cache.lengths[rows], kind="stable")]
        p = embeddings = None
        for some in np.array_split(rows, max(1, -(-len(rows) // batch_size))):
            output = self._logits(some)
            if p is None:
                p = np.full((len(self.cache), output.logits.shape[1]), np.nan)
                size = output.embedding.shape[1]
                embeddings = np.full((len(self.cache), size), np.nan, np.float32)
            p[some] = output.logits.double().softmax(-1).cpu().numpy()
            embeddings[some] = output.embedding.float().cpu().numpy()
        return p, embeddings

    def _logits(self, rows):
        batch = self.tail.collate([self.cache.clips[i] for i in rows])
        with self.accelerator.autocast():
            return self.tail(**{key: self._on_device(value) for key, value in batch.items()})

    def _on_device(self, tensor):
        return tensor.to(self.accelerator.device)

    def cost(self):
        device = self.accelerator.device
        gpu = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
        return {
            "cpu_s": self.spent["cpu_s"] + time.process_time() - self.started[0],
            "wall_s": self.spent["wall_s"] + time.monotonic() - self.started[1],
            "peak_mib": peak_mib(),
            "hardware": hardware() + gpu,
        }


def peak_mib():
    """Most memory that this process has had, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux getrusage counts what the parent process had, too
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def _batches(train, cache, batch_size, length_groups):
    """The batches of one epoch: list of int arrays."""
    order = train[torch.randperm(len(train)).numpy()]
    if length_groups:
        step = batch_size * length_groups
        windows = [order[i : i + step] for i in range(0, len(order), step)]
        order = np.concatenate([w[np.argsort(-cache.lengths[w], kind="stable")] for w in windows])
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if length_groups:
        batches = [batches[i] for i in torch.randperm(len(batches))]
    return batches


def _pieces(rows, cache, accumulate):
    if accumulate == 1:
        return [rows]
    rows = rows[np.argsort(cache.lengths[rows], kind="stable")]
    return [piece for piece in np.array_split(rows, accumulate) if len(piece)]


def _accelerator(precision):
    if precision not in ("no", "bf16", "fp16"):
        raise ValueError(f"precision is {precision!r}; it must be 'no', 'bf16' or 'fp16'.")
    processes()
    state = AcceleratorState._shared_state  # one precision per process, unless it is forgotten
    if state and state.get("_mixed_precision") != precision:
        AcceleratorState._reset_state()
    return Accelerator(mixed_precision=precision)


def processes():
    """Which of how many processes of `accelerate launch` this is; alone without it."""
    alone_on_cpu = not torch.accelerator.is_available()
    return PartialState(cpu=alone_on_cpu, timeout=timedelta(days=7))  # shares differ by hours


@contextlib.contextmanager
def _seeded(seed, device):
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed(seed)
        yield


class _FitFile:
    """A fit on disk: a checkpoint while it runs, then its result."""

    def __init__(self, cache, arrays, settings):
        self.disk = cache.disk
        digest = hashlib.sha256(json.dumps([cache.identity, settings, _code()]).encode())
        for array in arrays:
            digest.update(str(array.tolist()).encode())
        self.key = digest.hexdigest()

    def _read(self, finished):
        facts = self.disk.facts("fits", self.key)
        if facts is None or facts["finished"] != finished:
            return None, None
        return self.disk.read("fits", self.key)

    def finished(self):
        tensors, facts = self._read(True)
        if facts is None:
            return None
        history = pd.DataFrame(facts["history"])
        p, embeddings = (tensors[name].numpy() for name in ("p", "embeddings"))
        return FineTuned(p, embeddings, history, facts["epoch"], facts["cost"])

    def finish(self, fitted):
        tensors = {"p": fitted.p, "embeddings": fitted.embeddings}
        facts = {"finished": True, "epoch": fitted.epoch, "cost": fitted.cost}
        facts["history"] = fitted.history.to_dict("list")
        tensors = {name: torch.as_tensor(value) for name, value in tensors.items()}
        self.disk.write("fits", self.key, tensors, facts)

    def save(self, fit):
        tensors = {"rng": torch.get_rng_state()}
        if fit.accelerator.device.type == "cuda":
            tensors["rng_gpu"] = torch.cuda.get_rng_state(fit.accelerator.device)
        for i, parameter in enumerate(fit.trained):
            tensors[f"{i}.value"] = parameter.detach()
            if fit.best is not None:
                tensors[f"{i}.best"] = fit.best[i]
            for name, value in fit.optimizer.state[parameter].items():
                tensors[f"{i}.optimizer.{name}"] = value
        facts = {name: getattr(fit, name) for name in self._FACTS}
        facts |= {"finished": False, "cost": fit.cost()}
        if fit.accelerator.scaler is not None:
            facts["scaler"] = fit.accelerator.scaler.state_dict()
        self.disk.write("fits", self.key, tensors, facts)

    _FACTS = ("history", "epoch", "best_epoch", "best_accuracy")

    @torch.no_grad()
    def restore(self, fit):
        tensors, facts = self._read(False)
        if facts is None:
            return
        for name in self._FACTS:
            setattr(fit, name, facts[name])
        fit.spent = {name: facts["cost"][name] for name in fit.spent}
        state = {}
        for i, parameter in enumerate(fit.trained):
            parameter.copy_(tensors[f"{i}.value"])
            start = f"{i}.optimizer."
            state[i] = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        groups = fit.optimizer.state_dict()["param_groups"]
        fit.optimizer.load_state_dict({"state": state, "param_groups": groups})
        if fit.best_epoch:
            fit.best = [tensors[f"{i}.best"].to(p.device) for i, p in enumerate(fit.trained)]
        torch.set_rng_state(tensors["rng"])
        if "rng_gpu" in tensors:
            torch.cuda.set_rng_state(tensors["rng_gpu"], fit.accelerator.device)
        if "scaler" in facts:
            fit.accelerator.scaler.load_state_dict(facts["scaler"])


def _code():
    """Hash of the code that makes a fit from its activations."""
    return code_of(encoders, Tail, finetune, packages=(*MODELS, "accelerate"))


# Several fits


class Fits(NamedTuple):
    """What several fits of one encoder found.

    Attributes
    ----------
    predictions : pd.DataFrame
        Columns clip_id, inputs, source ("finetuned"), seed, fold, split, y, p; with more than two
        classes also p_0, p_1, ... One row per usable clip and seed.
    embeddings : dict of (seed, fold) to np.ndarray
        float32 [n, d] of all clips.
    history : pd.DataFrame
        Columns seed, fold, epoch, train_loss, val_accuracy.
    cost : pd.DataFrame
        One row per fit: seed, fold, epoch (kept), cpu_s, wall_s, peak_mib, hardware.
    """

    predictions: pd.DataFrame
    embeddings: dict
    history: pd.DataFrame
    cost: pd.DataFrame


def crossfit(
    cache, y, clip_id, folds, *, groups, seeds=SEEDS, val_share=0.2, n_jobs=-1, progress=True, **how
):
    """Predict every clip by models that saw neither it nor its recording.

    Of the recordings in the other folds, a share `val_share` chooses the epoch and the rest train:
    the same inner split as `fusion.crossfit`.

    `cache` is a `TrunkCache`, on disk if `accelerate launch` is to share out the fits: each of its
    processes then does its share, and all of them return all fits. `clip_id`, labels `y`, `folds`
    and `groups` (recordings) are in its order. `val_share`: of the recordings outside the fold, not
    of their clips; 0 leaves nothing out, so that all other folds train and the last epoch is kept.
    `n_jobs`: processes; -1 is all cores. `**how`: of `finetune`. Returns Fits: all predictions have
    the split "test", and the embeddings of (seed, fold) are from the model that did not see the
    fold.
    """
    plans = _fold_plans(folds, groups, val_share)
    return _run(cache, np.asarray(y), clip_id, plans, seeds, n_jobs, progress, how)


def release(cache, y, clip_id, split, *, seeds=SEEDS, n_jobs=-1, progress=True, **how):
    """Train on one fixed split, as the release does.

    `split`: "train", "val" or "test" per clip. Validation chooses the epoch. `cache`, `y`,
    `clip_id`, `seeds`, `n_jobs`, `progress`, `**how`: as in `crossfit`. Returns Fits: predictions
    of validation and test clips; the one fold is 0.
    """
    plans = _split_plans(split)
    return _run(cache, np.asarray(y), clip_id, plans, seeds, n_jobs, progress, how)


def _fold_plans(folds, groups, val_share=0.2):
    """Of each fold: (fold, rows to train on, rows that choose the epoch or None, rows to test)."""
    folds, groups = np.asarray(folds), np.asarray(groups)
    spread = pd.Series(folds).groupby(groups).nunique()
    if (spread > 1).any():
        raise ValueError(f"Recording {spread.idxmax()!r} lies in several folds; fold by recording.")
    plans = []
    for fold in np.unique(folds):
        test, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        train, val = rest, None
        if val_share:
            train, val = splits.hold_out_recordings(rest, groups, val_share, seed=int(fold))
        plans.append((int(fold), train, val, {"test": test}))
    return plans


def _split_plans(split):
    """As `_fold_plans`; the one fold is 0."""
    split = np.asarray(split, dtype=str)
    rows = {part: np.flatnonzero(split == part) for part in ("train", "val", "test")}
    return [(0, rows["train"], rows["val"], {"val": rows["val"], "test": rows["test"]})]


def held_out(cache, y, held, *, seed=42, n_jobs=-1, progress=True, **how):
    """Predict the clips of each draw by a model that was trained on all the others.

    `y` (array_like of int): 0 or 1 [n]. `held` (array_like of bool): [n_draws, n]: the clips that
    each draw holds out, of whatever recordings. `seed`: the same for every draw. `**how`: of
    `finetune`. There are no validation clips: the last epoch counts. Returns float array [n_draws,
    n]: P(y = 1). NaN for clips that a draw does not hold out, or that cannot be read.
    """
    held = np.atleast_2d(np.asarray(held, bool))
    fits = (delayed(finetune)(y, ~draw, None, seed=seed, **how) for draw in held)
    results = _side_by_side(cache, fits, len(held), n_jobs, progress)
    return np.array([np.where(d, r.p, np.nan) for d, r in zip(held, results, strict=True)])


def _run(cache, y, clip_id, plans, seeds, n_jobs, progress, how):
    """Fits of one protocol."""
    (fits,) = _run_all(cache, y, clip_id, [plans], seeds, n_jobs, progress, how)
    return fits


def _run_all(cache, y, clip_id, plans, seeds, n_jobs, progress, how):
    """Fits of several protocols, a list of plans each, shared out together: list of Fits."""
    tasks = [(k, seed, plan) for k, some in enumerate(plans) for seed in seeds for plan in some]
    launched = processes()
    if launched.num_processes > 1:
        if cache.identity is None:
            raise ValueError(
                "Processes of accelerate launch hand over their fits on disk: give cache_trunk "
                "a directory."
            )
        share = tasks[launched.process_index :: launched.num_processes]
        for _, seed, (_, train, val, _) in _bar(cache, share, len(share), progress):
            finetune(cache, y, train, val, seed=seed, **how)
        launched.wait_for_everyone()  # all fits are on disk now, and read below
        n_jobs = 1
    calls = (
        delayed(finetune)(y, train, val, seed=seed, **how) for _, seed, (_, train, val, _) in tasks
    )
    results = _side_by_side(cache, calls, len(tasks), n_jobs, progress)
    done = [(*task, fitted) for task, fitted in zip(tasks, results, strict=True)]
    return [
        _fits(cache, y, np.asarray(clip_id, dtype=str), [one for k, *one in done if k == own])
        for own in range(len(plans))
    ]


def _fits(cache, y, clip_id, done):
    """Tables of fits, each given as seed, plan, FineTuned."""
    frames, histories, costs, embeddings = [], [], [], {}
    for seed, (fold, _, _, parts), fitted in done:
        embeddings[seed, fold] = fitted.embeddings
        histories.append(fitted.history.assign(seed=seed, fold=fold))
        costs.append({"seed": seed, "fold": fold, "epoch": fitted.epoch, **fitted.cost})
        for split, rows in parts.items():
            rows = _rows(rows, cache)
            inputs = cache.tail.encoder.modality
            frame = pd.DataFrame({"clip_id": clip_id[rows], "inputs": inputs})
            frame = frame.assign(source="finetuned", seed=seed, fold=fold, split=split, y=y[rows])
            if fitted.p.ndim == 1:
                frame["p"] = fitted.p[rows]
            else:
                frame["p"] = fitted.p[rows, 1]
                frame[[f"p_{k}" for k in range(fitted.p.shape[1])]] = fitted.p[rows]
            frames.append(frame)
    predictions, history = (pd.concat(some, ignore_index=True) for some in (frames, histories))
    columns = ["seed", "fold", "epoch", "train_loss", "val_accuracy"]
    return Fits(predictions, embeddings, history[columns], pd.DataFrame(costs))


def _bar(cache, work, n, progress):
    title = f"{cache.tail.encoder.name} fits"
    return tqdm(work, total=n, desc=title, unit="fit", disable=not progress)


def _side_by_side(cache, fits, n, n_jobs, progress):
    """Results of `n` delayed calls of `finetune`, in order."""
    work = parallel(fits, n_jobs, shared=cache, return_as="generator")
    with warnings.catch_warnings(), fits_in_memory(cache.tail.encoder.name, ADVICE):
        # loky replaces a worker whose memory grew, as torch's does, and repeats its work
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        return list(_bar(cache, work, n, progress))


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


# A whole study


def inputs_of(data, manifest, modality):
    """What a modality's encoders read, per clip of the manifest; None where there is none.

    `manifest`: its clips, or some of them.
    """
    if modality == "text":
        texts = manifest["transcript"].fillna("").tolist()
        return texts if any(text.strip() for text in texts) else None
    column = f"{modality}_path"
    read = {"audio": media.load_audio, "video": media.load_frames}[modality]
    if not manifest[column].notna().any():
        return None
    return media.Clips(data.media(column).loc[manifest["clip_id"]], read)


def lacking(data, manifest, checkpoints):
    """What an encoder of a study lacks: list of sentences, empty when it can run.

    `data`, `manifest`, `checkpoints`: as in `study`. Weights are not downloaded, only their
    description is looked for.
    """
    found = []
    for modality in dict.fromkeys(encoders.ENCODERS[name].modality for name in checkpoints):
        names = [name for name in checkpoints if encoders.ENCODERS[name].modality == modality]
        if inputs_of(data, manifest, modality) is None:
            hint = " (make clips fetches those still online)" if data.name == "empspeech" else ""
            found.append(
                f"{', '.join(names)}: {data.name} has no {modality} for any of its "
                f"{len(manifest):,} clips{hint}."
            )
        for name in names:
            try:
                encoders.find(name, checkpoints[name])
            except (OSError, ValueError) as error:
                found.append(f"{name}: {error}")
    return found


def study(
    data,
    manifest,
    checkpoints,
    protocols,
    *,
    seeds=SEEDS,
    n_folds=5,
    fold_seed=42,
    n_layers=2,
    trunk_dropout=False,
    directory=None,
    limit_gb=None,
    n_jobs=1,
    trunk_precision="no",
    progress=True,
    **how,
):
    """Fine-tune several encoders on a corpus, under one or both protocols.

    Encoders of one modality get their clips in one pass, so that each clip is read once.

    Parameters
    ----------
    data : corpora.Corpus
    manifest : pd.DataFrame
        The clips to use.
    checkpoints : dict of str to str or None
        Encoder -> checkpoint, as in `encoders.load`. Encoders whose modality the corpus has no
        inputs for are left out.
    protocols : sequence of str
        "release" (the released split), "crossfit" (folds of whole recordings).
    seeds, n_folds, fold_seed, n_layers, trunk_dropout
        As in `cache_trunks`, `crossfit` and `splits.crossfit_folds`.
    directory, limit_gb
        Of the cache on disk; None keeps everything in memory.
    n_jobs : int
        Processes, for clips and for fits.
    trunk_precision : str
        Of the frozen layers; see `cache_trunks`.
    progress : bool
        Show progress bars.
    **how
        Of `finetune`.

    Yields
    ------
    name : str
        Encoder.
    cache : TrunkCache
    fits : dict of protocol to Fits

    Raises
    ------
    ValueError
        Unknown protocol, encoder or checkpoint; and all that `finetune` raises.
    """
    unknown = set(protocols) - {"release", "crossfit"}
    if unknown:
        raise ValueError(f"There is no protocol {unknown.pop()!r}; choose release or crossfit.")
    y, clip_id = manifest["y"].to_numpy(), manifest["clip_id"].to_numpy()
    plans = [_protocol_plans(protocol, manifest, n_folds, fold_seed) for protocol in protocols]
    for modality in dict.fromkeys(encoders.ENCODERS[name].modality for name in checkpoints):
        items = inputs_of(data, manifest, modality)
        if items is None:
            continue
        names = [name for name in checkpoints if encoders.ENCODERS[name].modality == modality]
        loaded = {}
        for name in names:
            with fits_in_memory(name, "free some, or use a smaller checkpoint"):
                loaded[name] = encoders.load(
                    name, checkpoints[name], n_classes=max(2, int(y.max()) + 1)
                )
        with processes().main_process_first():  # the others find the activations on disk
            caches = cache_trunks(
                loaded,
                items,
                n_layers=n_layers,
                trunk_dropout=trunk_dropout,
                directory=directory,
                limit_gb=limit_gb,
                precision=trunk_precision,
                n_jobs=n_jobs,
                progress=progress,
            )
        del loaded
        for name, cache in caches.items():
            fits = _run_all(cache, y, clip_id, plans, seeds, n_jobs, progress, how)
            yield name, cache, dict(zip(protocols, fits, strict=True))


def _protocol_plans(protocol, manifest, n_folds, fold_seed):
    if protocol == "release":
        return _split_plans(manifest["split"])
    folds = splits.crossfit_folds(manifest, n_folds=n_folds, seed=fold_seed)
    return _fold_plans(folds.to_numpy(), manifest["dialog_id"])


TRAINING = ("epochs", "batch_size", "learning_rate", "release_quirks", "patience", "precision")
TRAINING += ("accumulate", "length_groups")


def gathered(fitted, what):
    """One table of all encoders and protocols: rows of `what` (predictions, history, cost).

    `fitted` is the list of what `study` gives; the columns encoder and protocol are added.
    """
    parts = [
        getattr(fits, what).assign(encoder=name, protocol=protocol)
        for name, _, protocols in fitted
        for protocol, fits in protocols.items()
    ]
    return pd.concat(parts, ignore_index=True)


def kept_embeddings(fitted, protocol, seeds, clip_id):
    """Embeddings of one protocol: yields encoder, seed and a table e000, …, clip_id, fold."""
    for name, _, protocols in fitted:
        for seed in seeds:
            parts = [
                pd.DataFrame(e, columns=[f"e{i:03d}" for i in range(e.shape[1])]).assign(
                    clip_id=clip_id, fold=fold
                )
                for (own, fold), e in protocols[protocol].embeddings.items()
                if own == seed
            ]
            yield name, seed, pd.concat(parts)


def chapter_studies(chosen):
    """The studies of chapter 02: what `study` is given for each, besides corpus and manifest.

    The chapter and `accelerate launch` both take it from here, since a fit is found only under the
    settings that it was made with.

    `chosen`: the chapter's parameters by name; other names are passed over. Returns list of dict:
    the encoders; then, where `dropout_encoder` asks for it, that one with `trunk_dropout`.
    """
    seeds = tuple(range(chosen["seed"], chosen["seed"] + chosen["n_seeds"]))
    plain = dict(
        checkpoints=chosen["encoders"],
        protocols=chosen["protocols"],
        seeds=RELEASED_SEEDS if chosen["release_quirks"] else seeds,
        n_folds=chosen["n_folds"],
        fold_seed=chosen["seed"],
        n_layers=chosen["n_layers"],
        trunk_dropout=chosen["trunk_dropout"],
        trunk_precision="bf16" if chosen["precision"] == "bf16" else "no",
        directory=chosen["cache_dir"] or default_directory(),
        **{key: chosen[key] for key in TRAINING},
    )
    name = chosen["dropout_encoder"]
    if not name or chosen["trunk_dropout"]:
        return [plain]
    one = dict(checkpoints={name: chosen["encoders"][name]}, protocols=chosen["protocols"][:1])
    return [plain, plain | one | {"trunk_dropout": True}]

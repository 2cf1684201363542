"""One gated attention fusion network: the released architecture, its training, what it predicts.

Source: B.2 and Table 9 of the paper, and ``fusionmodel.py`` of its release
(mayasrikm/multimodal-empathy-disagreement at 733d2c2).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from empdis_utils.data.disk_cache import DiskCache, default_directory
from empdis_utils.data.hashes import code_of
from empdis_utils.data.tables import in_order, inputs_name

__all__ = [
    "RECIPES", "Embeddings", "Fitted", "FusionOutput", "GatedAttentionFusion", "Plan", "Prediction",
    "ablate", "all_subsets", "check_embeddings", "check_labels", "fit", "fit_fold", "predict",
    "prediction_frame",
]  # fmt: skip

Embeddings = Mapping[str, np.ndarray]

#: A fold's number and the rows of its train, val and test parts.
Plan = tuple[int, dict[str, np.ndarray | None]]

#: Training recipes. ``release`` is the released code. ``paper`` is Appendix B.2 (ten epochs at a
#: constant 1e-4); what the paper leaves open is as released. Change one with
#: ``RECIPES["paper"] | {"epochs": 20}``. ``max_lr=None`` means a constant rate.
RECIPES: dict[str, dict] = {
    "release": {
        "lr": 1e-4,
        "max_lr": 1e-3,
        "weight_decay": 1e-3,
        "epochs": 15,
        "batch_size": 64,
        "modality_dropout": 0.2,
        "dropout": 0.3,
        "hidden": 256,
        "attention_width": 128,
        "classifier_width": 512,
        "pooling": "sum",
        "standardize": False,
    },
}
RECIPES["paper"] = RECIPES["release"] | {"max_lr": None, "epochs": 10}

_NETWORK_KEYS = (
    "hidden",
    "attention_width",
    "classifier_width",
    "modality_dropout",
    "dropout",
    "pooling",
)


def all_subsets(modalities: Sequence[str]) -> list[tuple[str, ...]]:
    """List every non-empty subset, smallest first, names in the book's order."""
    names = in_order(modalities)
    return [c for size in range(1, len(names) + 1) for c in combinations(names, size)]


class FusionOutput(NamedTuple):
    """What the network returns: logits [n, k], gates and attention [n, m], fused [n, hidden]."""

    logits: Tensor
    gates: Tensor
    attention: Tensor
    fused: Tensor


class _Dropout(nn.Module):
    """`nn.Dropout` by `torch.rand`, which draws several times faster on a CPU."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        return x * ((torch.rand(x.shape) >= self.p) * (1 / (1 - self.p)))


class GatedAttentionFusion(nn.Module):
    """Gate each modality, attend over modalities, classify the weighted sum.

    Per modality: linear to `hidden`, batch norm, gate = sigmoid(linear to 1) times the vector.
    In training each gated vector is zeroed with probability `modality_dropout`, clip by clip.
    Attention scores v . tanh(W z) pass a softmax over modalities. The classifier is three times
    (linear, batch norm, ReLU, dropout), then linear.

    Parameters
    ----------
    widths : dict of str to int
        Input width of each modality. Its order is the order of the output columns.
    hidden, attention_width, classifier_width : int
        256, 128 and 512 in the release.
    n_classes : int
    modality_dropout, dropout : float
    pooling : {"sum", "max"}
        How weighted vectors are combined. The release sums; the paper's text says "max pooling"
        (Appendix B.2), which this reads as the largest weighted value per dimension.

    Notes
    -----
    Source: ``fusionmodel.py`` of the release, which wants one width for all modalities. Checked
    against a plain re-statement with the same weights (``tests/unit/models/test_fusion.py``).

    Examples
    --------
    >>> net = GatedAttentionFusion({"text": 3, "audio": 2}).eval()
    >>> net({"text": torch.zeros(4, 3), "audio": torch.zeros(4, 2)})[0].shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        hidden: int = 256,
        n_classes: int = 2,
        modality_dropout: float = 0.2,
        attention_width: int = 128,
        classifier_width: int = 512,
        dropout: float = 0.3,
        pooling: str = "sum",
    ):
        super().__init__()
        if not widths:
            raise ValueError("widths is empty: name at least one modality.")
        if pooling not in ("sum", "max"):
            raise ValueError(f"pooling must be 'sum' or 'max', got {pooling!r}.")
        self.modalities = tuple(widths)
        self.modality_dropout = modality_dropout
        self.pooling = pooling
        self.project = nn.ModuleDict({m: nn.Linear(w, hidden) for m, w in widths.items()})
        self.norm = nn.ModuleDict({m: nn.BatchNorm1d(hidden) for m in widths})
        self.gate = nn.ModuleDict({m: nn.Linear(hidden, 1) for m in widths})
        self.attend = nn.ModuleDict({m: nn.Linear(hidden, attention_width) for m in widths})
        self.attention_vector = nn.Parameter(torch.randn(attention_width))
        layers: list[nn.Module] = []
        for width_in in (hidden, classifier_width, classifier_width):
            layers += [
                nn.Linear(width_in, classifier_width),
                nn.BatchNorm1d(classifier_width),
                nn.ReLU(),
                _Dropout(dropout),
            ]
        self.classifier = nn.Sequential(*layers, nn.Linear(classifier_width, n_classes))

    def forward(self, inputs: Mapping[str, Tensor], present: Tensor | None = None) -> FusionOutput:
        """Run the network.

        `inputs` (dict of str to Tensor [n, d]). `present` (bool Tensor [n, m]): False zeroes a
        modality's gated vector, as modality dropout does in training.
        """
        gated, gates = [], []
        for m in self.modalities:
            z = self.norm[m](self.project[m](inputs[m]))
            gate = torch.sigmoid(self.gate[m](z))
            gates.append(gate)
            gated.append(z * gate)
        z = torch.stack(gated, dim=1)
        if self.training and self.modality_dropout:
            z = z * (torch.rand(z.shape[:2]) > self.modality_dropout).unsqueeze(-1)
        if present is not None:
            z = z * present.unsqueeze(-1)
        scores = torch.stack(
            [
                torch.tanh(self.attend[m](z[:, i])) @ self.attention_vector
                for i, m in enumerate(self.modalities)
            ],
            dim=1,
        )
        attention = torch.softmax(scores, dim=1)
        weighted = attention.unsqueeze(-1) * z
        fused = weighted.amax(dim=1) if self.pooling == "max" else weighted.sum(dim=1)
        return FusionOutput(self.classifier(fused), torch.cat(gates, dim=1), attention, fused)


@dataclass(frozen=True)
class Fitted:
    """A trained network, its input scaling and its history.

    Attributes
    ----------
    model : GatedAttentionFusion
        In evaluation mode.
    modalities : tuple of str
    centre, scale : dict of str to array [d]
        From the training rows; zeros and ones where inputs are not standardised.
    missing : {"error", "zero"}
    history : DataFrame
        One row per epoch: epoch (from 1), loss (mean over training rows), val_accuracy.
    best_epoch : int
        The epoch whose weights are kept: first best validation accuracy, or the last epoch.
    constant : dict of str to int array
        Columns that never change over all rows. They are kept, but say nothing.
    """

    model: GatedAttentionFusion
    modalities: tuple[str, ...]
    centre: dict[str, np.ndarray]
    scale: dict[str, np.ndarray]
    missing: str
    history: pd.DataFrame = field(repr=False)
    best_epoch: int
    constant: dict[str, np.ndarray]


class Prediction(NamedTuple):
    """Arrays of n rows: p [n] (P of class 1), proba [n, k], logits [n, k], gates [n, m],
    attention [n, m], fused [n, hidden]. A missing modality's gate is NaN."""

    p: np.ndarray
    proba: np.ndarray
    logits: np.ndarray
    gates: np.ndarray
    attention: np.ndarray
    fused: np.ndarray


def _recipe(recipe: str | Mapping) -> dict:
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise ValueError(f"recipe {recipe!r} is unknown: use one of {sorted(RECIPES)}.")
        return RECIPES[recipe]
    unknown = sorted(set(recipe) - set(RECIPES["release"]))
    if unknown:
        raise ValueError(f"recipe has unknown keys {unknown}: use {sorted(RECIPES['release'])}.")
    return RECIPES["release"] | dict(recipe)


def _names(rows: np.ndarray, clip_id: np.ndarray | None) -> str:
    shown = [str(clip_id[r]) if clip_id is not None else str(r) for r in rows[:3]]
    return ", ".join(shown) + (f", ... ({len(rows)} in all)" if len(rows) > 3 else "")


def check_embeddings(
    embeddings: Embeddings,
    n: int | None = None,
    missing: str = "error",
    clip_id: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return float32 arrays in the book's order, or raise a ValueError that says what and where."""
    if missing not in ("error", "zero"):
        raise ValueError(f"missing must be 'error' or 'zero', got {missing!r}.")
    if not embeddings:
        raise ValueError("embeddings is empty: give at least one modality.")
    arrays = {m: np.asarray(embeddings[m], dtype=np.float32) for m in in_order(list(embeddings))}
    for m, array in arrays.items():
        if array.ndim != 2 or array.shape[1] == 0:
            raise ValueError(f"{m} embeddings must be [n, d] with d > 0, got shape {array.shape}.")
        n = len(array) if n is None else n
        if len(array) != n:
            raise ValueError(
                f"{m} embeddings have {len(array)} rows, expected {n}: align them by clip_id."
            )
        absent = np.isnan(array).all(axis=1)
        broken = np.flatnonzero(~np.isfinite(array).all(axis=1) & ~absent)
        if len(broken):
            raise ValueError(
                f"{m} embeddings have NaN or infinite values in clips {_names(broken, clip_id)}: "
                "extract them again or drop these clips."
            )
        if absent.any() and missing == "error":
            raise ValueError(
                f"{m} embeddings are missing (all NaN) for clips "
                f"{_names(np.flatnonzero(absent), clip_id)}: drop these clips, or pass "
                "missing='zero' to treat them as modality dropout does."
            )
    return arrays


def _constant_columns(embeddings: Embeddings) -> dict[str, np.ndarray]:
    """Find columns that never change; a modality with no other columns is an error."""
    constant = {}
    for m, array in embeddings.items():
        present = array[~np.isnan(array).all(axis=1)]
        constant[m] = np.flatnonzero(np.ptp(present, axis=0) == 0)
        if len(constant[m]) == array.shape[1]:
            raise ValueError(
                f"{m} embeddings are constant in all {array.shape[1]} columns: they carry no "
                f"information; check the extraction or leave {m} out."
            )
    return constant


def check_labels(y: np.ndarray) -> np.ndarray:
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(f"y must be one label per clip, got shape {y.shape}.")
    numbers = y.astype(float)
    wrong = np.flatnonzero(~((numbers >= 0) & (numbers == np.floor(numbers))))
    if len(wrong):
        raise ValueError(f"y must hold whole numbers 0, 1, ...: row {wrong[0]} has {y[wrong[0]]}.")
    y = numbers.astype(np.int64)
    if len(np.unique(y)) < 2:
        raise ValueError(f"y has the single class {y[0] if len(y) else '(no rows)'}: need two.")
    return y


def _rows(index, n: int, name: str) -> np.ndarray:
    index = np.asarray(index)
    rows = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
    if index.dtype == bool and len(index) != n:
        raise ValueError(f"{name} mask has {len(index)} rows, expected {n}.")
    if not len(rows):
        raise ValueError(f"{name} is empty.")
    if rows.min() < 0 or rows.max() >= n:
        raise ValueError(f"{name} names row {rows.max()}, but there are {n} rows.")
    if len(np.unique(rows)) != len(rows):
        raise ValueError(f"{name} names a row twice.")
    return rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread, so that the same numbers give the same bytes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch and use one thread, so that the same seed gives the same bytes.

    `torch.manual_seed` also notes, for each kind of device, where it was called: slower, and
    nothing here uses them.
    """
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))
        yield


def _scaled(
    embeddings: Embeddings, centre: Mapping, scale: Mapping
) -> tuple[dict[str, Tensor], Tensor | None]:
    """Standardise; a missing row becomes zeros (the training mean) and False in `present`."""
    inputs, present = {}, []
    for m in centre:
        absent = np.isnan(embeddings[m]).all(axis=1)
        values = np.where(absent[:, None], 0, (embeddings[m] - centre[m]) / scale[m])
        inputs[m] = torch.tensor(values, dtype=torch.float32)
        present.append(~absent)
    mask = np.column_stack(present)
    return inputs, None if mask.all() else torch.tensor(mask)


def _batches(order: Tensor, batch_size: int) -> list[Tensor]:
    """Cut into batches; a last batch of one joins the one before (batch norm needs two rows)."""
    batches = list(order.split(batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def fit(
    embeddings: Embeddings,
    y: np.ndarray,
    *,
    train,
    val=None,
    recipe: str | Mapping = "release",
    seed: int = 42,
    n_classes: int | None = None,
    missing: str = "error",
    resume: bool = False,
) -> Fitted:
    """Train one fusion network.

    Parameters
    ----------
    embeddings : dict of str to float array [n, d]
        One array per modality, rows aligned.
    y : int array [n]
        Labels 0..k-1.
    train, val : int array of rows, or bool array [n]
        `val` chooses the epoch (first best accuracy). Without it the last epoch is kept.
    recipe : str or dict
        A name or an entry of `RECIPES` with values changed. `standardize` scales each column to
        mean 0 and sd 1 over the training rows. It is off, as in the release: batch norm follows the
        projection. On MOSI, whose columns differ in sd by more than 10^4, standardising gave no
        better accuracy and a higher log-loss.
    seed : int
        Same seed, same bytes: one thread, and torch's global state is left as it was.
    n_classes : int, optional
        Default: largest label + 1.
    missing : {"error", "zero"}
        What an all-NaN row means: an error, or a modality that is zeroed in training and
        prediction alike, as modality dropout does.
    resume : bool
        Read a network that was trained before on the same clips, with the same settings and code,
        and keep a new one (in `data.disk_cache.default_directory`, as all that is kept between
        runs). It has the same weights, byte for byte. Where nothing can be kept, one line on
        standard error says so.

    Returns
    -------
    Fitted

    Raises
    ------
    ValueError
        NaN or infinite embeddings, a missing modality, a modality whose every column is constant,
        one class only, rows that do not match, `train` and `val` that overlap, unknown recipe.

    Notes
    -----
    Source: ``train_fusion_model`` of the release; Appendix B.2 for ``paper``. A last batch of one
    clip joins the batch before it: batch norm cannot train on one row.

    Examples
    --------
    >>> rng, y = np.random.default_rng(0), np.arange(40) % 2
    >>> embeddings = {"text": rng.normal(size=(40, 3)), "audio": rng.normal(size=(40, 2))}
    >>> fitted = fit(embeddings, y, train=np.arange(30))
    >>> fitted.modalities
    ('text', 'audio')
    """
    recipe = _recipe(recipe)
    y = check_labels(y)
    n = len(y)
    embeddings = check_embeddings(embeddings, n, missing)
    train = _rows(train, n, "train")
    val = None if val is None else _rows(val, n, "val")
    if val is not None and len(shared := np.intersect1d(train, val)):
        raise ValueError(f"train and val share {len(shared)} rows (first: {shared[0]}).")
    if len(np.unique(y[train])) < 2:
        raise ValueError(f"train has the single class {y[train[0]]}: nothing to learn.")
    for m, array in embeddings.items():
        if np.isnan(array[train]).all():
            raise ValueError(f"{m} embeddings are missing for every training clip: leave {m} out.")
    constant = _constant_columns(embeddings)
    centre, scale = _scaling(embeddings, train, recipe["standardize"])
    inputs, present = _scaled(embeddings, centre, scale)
    target = torch.tensor(y)
    n_classes = n_classes or int(y.max()) + 1

    def take(rows):
        rows = torch.as_tensor(rows)
        part = {m: x[rows] for m, x in inputs.items()}
        return part, (None if present is None else present[rows]), target[rows]

    file = kept = None
    if resume:
        file = _FitFile(embeddings, y, train, val, recipe, [int(seed), n_classes])
        kept = file.read()
    with _seeded(seed):
        with torch.device("cpu" if kept is None else "meta"):  # first weights only to train
            model = GatedAttentionFusion(
                {m: a.shape[1] for m, a in embeddings.items()},
                n_classes=n_classes,
                **{k: recipe[k] for k in _NETWORK_KEYS},
            )
        if kept is None:
            kept = _train(model, take, train, val, recipe)
            if file:
                file.write(*kept)
    state, best_epoch, history = kept
    model.to_empty(device="cpu").load_state_dict(state)
    frame = pd.DataFrame(history, columns=["epoch", "loss", "val_accuracy"])
    return Fitted(
        model.eval(), tuple(embeddings), centre, scale, missing, frame, best_epoch, constant
    )


def _scaling(embeddings: Embeddings, train: np.ndarray, standardize: bool) -> tuple[dict, dict]:
    """Centre and scale of each column over the training rows; zeros and ones if not asked for."""
    centre, scale = {}, {}
    for m, array in embeddings.items():
        width = array.shape[1]
        if standardize:
            centre[m] = np.nanmean(array[train], axis=0, dtype=np.float64).astype(np.float32)
            sd = np.nanstd(array[train], axis=0, dtype=np.float64).astype(np.float32)
            scale[m] = np.where(sd > 0, sd, np.float32(1))
        else:
            centre[m], scale[m] = np.zeros(width, np.float32), np.ones(width, np.float32)
    return centre, scale


def _train(model, take, train, val, recipe) -> tuple[dict[str, Tensor], int, list]:
    """State of the epoch that is kept, that epoch, and (epoch, loss, val_accuracy) of each.

    `take` gives the inputs, the mask of what is present, and the labels of some rows.
    """
    optimizer = torch.optim.Adam(
        model.parameters(), lr=recipe["lr"], weight_decay=recipe["weight_decay"], fused=True
    )
    epochs, size = recipe["epochs"], recipe["batch_size"]
    scheduler = None
    if recipe["max_lr"] is not None:
        steps = len(_batches(torch.arange(len(train)), size)) * epochs
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=recipe["max_lr"], total_steps=steps
        )
    train_rows = torch.as_tensor(train)
    val_part = None if val is None else take(val)
    history, best, best_epoch, best_state = [], -1.0, epochs, None
    for epoch in range(1, epochs + 1):
        model.train()
        total = 0.0
        for rows in _batches(train_rows[torch.randperm(len(train_rows))], size):
            x, mask, labels = take(rows)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x, mask).logits, labels)
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            total += loss.item() * len(rows)
        accuracy = np.nan
        if val_part is not None:
            model.eval()
            with torch.no_grad():
                guess = model(val_part[0], val_part[1]).logits.argmax(dim=1)
            accuracy = (guess == val_part[2]).double().mean().item()
            if accuracy > best:
                best, best_epoch = accuracy, epoch
                best_state = {k: v.clone() for k, v in model.state_dict().items()}
        history.append((epoch, total / len(train), accuracy))
    return best_state or model.state_dict(), best_epoch, history


class _FitFile:
    """A trained network on disk, known by all that its training depends on.

    That is what its clips are (training, validation, in order), its settings, and the code of this
    module. Clips that it does not see, such as those it is tested on, do not count.
    """

    def __init__(self, embeddings, y, train, val, recipe, settings):
        if len(embeddings) == 1:
            recipe = recipe | {"pooling": "sum"}  # over one modality, all pooling is the same
        code = [code_of(fit), torch.__version__, np.__version__]
        about = json.dumps([sorted(recipe.items()), settings, code], default=str)
        digest = hashlib.sha256(about.encode())
        for rows in (train, np.zeros(0, int) if val is None else val):
            for name, array in {**embeddings, "y": y}.items():
                part = np.ascontiguousarray(array[rows])
                digest.update(f"{name} {part.dtype} {part.shape}".encode())
                digest.update(part)
        self.key, self.disk = digest.hexdigest(), _disk(str(default_directory()))

    def read(self):
        if not self.disk or self.disk.facts("fusion", self.key) is None:
            return None
        state, facts = self.disk.read("fusion", self.key)
        return state, facts["best_epoch"], facts["history"]

    def write(self, state, best_epoch, history):
        facts = {"best_epoch": best_epoch, "history": history}
        if self.disk:
            try:
                self.disk.write("fusion", self.key, state, facts)
            except (OSError, SafetensorError) as error:
                print(f"This fit is not kept for later runs: {error}", file=sys.stderr)


@cache
def _disk(directory: str) -> DiskCache | None:
    """The folder of what is kept; None, and one line that says why, where none can be made."""
    try:
        return DiskCache(directory)
    except OSError as error:
        print(f"Fits are not kept for later runs: {error}", file=sys.stderr)
        return None


def predict(
    fitted: Fitted, embeddings: Embeddings, keep: Sequence[str] | None = None
) -> Prediction:
    """Predict with a fitted network.

    Parameters
    ----------
    fitted : Fitted
    embeddings : dict of str to float array [n, d]
        At least the modalities the network was trained on; others are ignored.
    keep : sequence of str, optional
        Modalities to keep; the others are zeroed after the gate. Default: all.

    Returns
    -------
    Prediction

    Raises
    ------
    ValueError
        A modality or a width that does not match, NaN or infinite values.

    Examples
    --------
    >>> rng, y = np.random.default_rng(0), np.arange(40) % 2
    >>> embeddings = {"text": rng.normal(size=(40, 3)), "audio": rng.normal(size=(40, 2))}
    >>> fitted = fit(embeddings, y, train=np.arange(30))
    >>> predict(fitted, embeddings).p.shape
    (40,)
    """
    lacking = [m for m in fitted.modalities if m not in embeddings]
    if lacking:
        raise ValueError(f"embeddings lack {lacking}, which the network was trained on.")
    used = check_embeddings({m: embeddings[m] for m in fitted.modalities}, None, fitted.missing)
    for m in fitted.modalities:
        if used[m].shape[1] != len(fitted.centre[m]):
            raise ValueError(
                f"{m} embeddings have {used[m].shape[1]} columns, the network was trained on "
                f"{len(fitted.centre[m])}."
            )
    inputs, present = _scaled(used, fitted.centre, fitted.scale)
    mask = present
    if keep is not None:
        unknown = [m for m in keep if m not in fitted.modalities]
        if unknown:
            raise ValueError(f"keep names {unknown}; the network has {list(fitted.modalities)}.")
        kept = torch.tensor([m in keep for m in fitted.modalities])
        mask = kept.expand(len(next(iter(used.values()))), -1)
        mask = mask if present is None else mask & present
    fitted.model.eval()
    with _one_thread(), torch.no_grad():
        out = fitted.model(inputs, mask)
        proba = torch.softmax(out.logits.double(), dim=1).numpy()
    gates = out.gates.numpy()
    if present is not None:
        gates = np.where(present.numpy(), gates, np.nan)
    return Prediction(
        proba[:, 1],
        proba,
        out.logits.numpy(),
        gates,
        out.attention.numpy(),
        out.fused.numpy(),
    )


def ablate(fitted: Fitted, embeddings: Embeddings) -> dict[str, Prediction]:
    """Predict with every subset of modalities kept and the others zeroed.

    Zeroing acts on the gated vector, as modality dropout does in training, so the network has met
    such inputs. The network is not retrained: this measures what *it* uses, not what the data hold.

    `embeddings` (dict of str to float array [n, d]). Returns dict of str to Prediction: keys are
    the modalities kept, ``none`` first and all modalities last.
    """
    kept = [(), *all_subsets(fitted.modalities)]
    return {inputs_name(k): predict(fitted, embeddings, keep=k) for k in kept}


def fit_fold(given, y, plan: Plan, seed, how, keep, is_full, ablation):
    """Fit one network and predict the rows to keep; runs in a worker process.

    It is here because a worker imports the module of what it runs, and this one is light.
    Arguments: as in `fusion.crossfit`, for one subset and seed.
    """
    fold, parts = plan
    fitted = fit(given, y, train=parts["train"], val=parts["val"], seed=seed, **how)
    frames, gates = [], None
    for split in keep:
        rows = parts[split]
        part = {m: array[rows] for m, array in given.items()}
        about = {"seed": seed, "fold": fold, "split": split}
        out = predict(fitted, part)
        frame = prediction_frame(rows, inputs_name(fitted.modalities), "fusion", about, y, out)
        frames.append(frame)
        if is_full and ablation:
            zeroed = ablate(fitted, part)
            frames += [
                prediction_frame(rows, inputs, "ablation", about, y, p)
                for inputs, p in zeroed.items()
            ]
        if is_full and split == "test":
            gates = pd.concat(
                pd.DataFrame(
                    {
                        "row": rows,
                        "seed": seed,
                        "modality": m,
                        "gate": out.gates[:, i].astype(float),
                        "attention": out.attention[:, i].astype(float),
                    }
                )
                for i, m in enumerate(fitted.modalities)
            )
    return pd.concat(frames), gates


def prediction_frame(rows, inputs, source, about, y, out: Prediction) -> pd.DataFrame:
    """Predictions of some rows as a table; the main process puts clip ids in place of the rows."""
    columns = {"row": rows, "inputs": inputs, "source": source, **about, "y": y[rows], "p": out.p}
    if out.proba.shape[1] > 2:
        columns |= {f"p_{k}": p for k, p in enumerate(out.proba.T)}
    return pd.DataFrame(columns)

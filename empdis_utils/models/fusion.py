"""Gated attention fusion over folds, seeds and subsets of modalities, and what to compare it with.

The network itself and its training: `models.fusion_training`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from empdis_utils.data.splits import crossfit_folds, hold_out_recordings
from empdis_utils.data.tables import MODALITIES, in_order, inputs_name
from empdis_utils.data.workers import parallel
from empdis_utils.models.fusion_training import (
    RECIPES,
    Embeddings,
    Fitted,
    FusionOutput,
    GatedAttentionFusion,
    Plan,
    Prediction,
    ablate,
    all_subsets,
    check_embeddings,
    check_labels,
    fit,
    fit_fold,
    predict,
    prediction_frame,
)  # fmt: skip

__all__ = [
    "RECIPES", "SEEDS", "Fitted", "FusionOutput", "GatedAttentionFusion", "Prediction", "ablate",
    "all_subsets", "baselines", "crossfit", "fit", "predict", "release",
]  # fmt: skip

SEEDS = (42, 43, 44, 45, 46)


def crossfit(
    embeddings: Embeddings | Callable[[int, int], Embeddings],
    y: np.ndarray,
    clip_id: Sequence[str],
    folds: np.ndarray,
    *,
    groups: Sequence[str],
    subsets: Sequence[Sequence[str]] | None = None,
    seeds: Sequence[int] = SEEDS,
    val_share: float = 0.2,
    keep: Sequence[str] = ("test",),
    ablation: bool = False,
    n_jobs: int = -1,
    progress: bool = True,
    **how,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict every clip by networks that saw neither it nor its recording.

    Each fold is evaluated once. Of the recordings in the other folds, a share `val_share` chooses
    the epoch and the rest train. This inner split depends on the fold alone, so two seeds differ
    by training noise only.

    Parameters
    ----------
    embeddings : dict of str to float array [n, d], or callable
        ``embeddings(seed, fold)`` gives them where encoders were fine-tuned per fold.
    y : int array [n]
    clip_id : sequence of str [n]
    folds : int array [n]
        Fold of each clip (`splits.crossfit_folds`); a recording lies in one fold.
    groups : sequence [n]
        Recording of each clip.
    subsets : sequence of sequences of str, optional
        Default: all non-empty subsets of the modalities.
    seeds : sequence of int
    val_share : float
        Share of the recordings outside the fold (`splits.hold_out_recordings`), not of their clips.
        0 leaves nothing out: all other folds train and the last epoch is kept.
    keep : sequence of {"val", "test"}
        Rows to return. A clip has one test row per seed and inputs, but a validation row for each
        fold that drew it: filter on `split` before counting.
    ablation : bool
        Also return the all-modality network with modalities zeroed at test time, as rows with
        source ``ablation`` and `inputs` the modalities kept (``none`` when all are zeroed).
    n_jobs : int
        Processes (joblib); -1 is all cores. The result does not depend on it.
    progress : bool
    **how
        Of `fit`: recipe, missing, and resume, which is True here: networks are read that an earlier
        run trained on the same clips, with the same settings and code.

    Returns
    -------
    predictions : DataFrame
        clip_id, inputs, source (``fusion``), seed, fold, split, y, p (P of class 1); with more
        than two classes also p_0 .. p_{k-1}.
    gates : DataFrame
        clip_id, seed, modality, gate, attention of test rows, for the largest subset.

    Raises
    ------
    ValueError
        As `fit`; duplicate clip ids; a recording in two folds; fewer than two folds or too few
        recordings to hold any out.

    Notes
    -----
    The released split puts every test recording in train too; `release` mirrors that.
    """
    y, clip_id, folds = check_labels(y), _check_ids(clip_id, len(y)), np.asarray(folds)
    groups = np.asarray(groups)
    for name, values in (("folds", folds), ("groups", groups)):
        if len(values) != len(y):
            raise ValueError(f"{name} has {len(values)} rows, y has {len(y)}.")
    spread = pd.Series(folds).groupby(pd.Series(groups)).nunique()
    if (spread > 1).any():
        raise ValueError(
            f"recording {spread.idxmax()!r} lies in {spread.max()} folds: fold by recording."
        )
    if len(np.unique(folds)) < 2:
        raise ValueError("folds has one fold: need at least two, so two recordings.")
    plans = []
    for fold in np.unique(folds):
        test, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        parts = {"train": rest, "val": None, "test": test}
        if val_share:
            train, val = hold_out_recordings(rest, groups, val_share, seed=int(fold))
            parts |= {"train": train, "val": val}
        elif "val" in keep:
            raise ValueError("keep names val, but val_share=0 leaves no validation clips.")
        plans.append((int(fold), parts))
    return _run(
        embeddings, y, clip_id, plans, subsets, seeds, how, keep, ablation, n_jobs, progress
    )


def release(
    embeddings: Embeddings | Callable[[int, int], Embeddings],
    y: np.ndarray,
    clip_id: Sequence[str],
    split: Sequence[str],
    *,
    subsets: Sequence[Sequence[str]] | None = None,
    seeds: Sequence[int] = SEEDS,
    keep: Sequence[str] = ("val", "test"),
    ablation: bool = False,
    n_jobs: int = -1,
    progress: bool = True,
    **how,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train on one fixed split, as the release does.

    `split` (sequence of {"train", "val", "test"} [n]): validation chooses the epoch; `keep` says
    which rows come back (``conf.py`` of the release pools both). Without validation clips, and with
    `keep` of "test" alone, the last epoch is kept. `embeddings`, `y`, `clip_id`, `subsets`,
    `seeds`, `ablation`, `n_jobs`, `progress`, `**how`: as in `crossfit`. The one fold is 0. Returns
    `predictions, gates` (DataFrame): As `crossfit`. Raises ValueError: as `fit`; duplicate clip
    ids; an unknown or empty part of the split.
    """
    y, split = check_labels(y), np.asarray(split, dtype=str)
    clip_id = _check_ids(clip_id, len(y))
    if len(split) != len(y):
        raise ValueError(f"split has {len(split)} rows, y has {len(y)}.")
    if unknown := sorted(set(split.tolist()) - {"train", "val", "test"}):
        raise ValueError(f"split has values {unknown}: use train, val and test.")
    parts = {name: np.flatnonzero(split == name) for name in ("train", "val", "test")}
    if not len(parts["val"]) and "val" not in keep:
        parts["val"] = None
    if empty := [name for name, rows in parts.items() if rows is not None and not len(rows)]:
        raise ValueError(f"split has no {' and no '.join(empty)} rows.")
    return _run(
        embeddings, y, clip_id, [(0, parts)], subsets, seeds, how, keep, ablation, n_jobs, progress
    )


def study(embeddings, manifest, *, protocol="crossfit", n_folds=5, seed=42, **how):
    """All subsets of the modalities under one protocol, with validation rows and ablation.

    `embeddings`: as for `crossfit`, rows in the order of `manifest`. `protocol` ({"crossfit",
    "release"}): `crossfit` over folds of whole recordings, or `release`. A release without
    validation clips gives one training clip in ten. `n_folds`, `seed`: of the folds, and of the
    draw of validation clips. `**how`: of these functions. Returns `predictions, gates` (DataFrame):
    As `crossfit`.
    """
    how = {"keep": ("val", "test"), "ablation": True} | how
    y, clip_id = manifest["y"].to_numpy(), manifest["clip_id"].to_numpy()
    if protocol == "crossfit":
        folds = crossfit_folds(manifest, n_folds=n_folds, seed=seed).to_numpy()
        groups = manifest["dialog_id"].to_numpy()
        return crossfit(embeddings, y, clip_id, folds, groups=groups, **how)
    split = manifest["split"].copy()
    if "val" not in set(split):
        split[manifest.query("split == 'train'").sample(frac=0.1, random_state=seed).index] = "val"
    return release(embeddings, y, clip_id, split.to_numpy(), **how)


def _check_ids(clip_id: Sequence[str], n: int) -> np.ndarray:
    clip_id = np.asarray(clip_id, dtype=str)
    if len(clip_id) != n:
        raise ValueError(f"clip_id has {len(clip_id)} rows, y has {n}.")
    ids, counts = np.unique(clip_id, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"clip_id repeats {', '.join(ids[counts > 1][:3])}: one row per clip.")
    return clip_id


def _run(
    embeddings, y, clip_id, plans: list[Plan], subsets, seeds, how, keep, ablation, n_jobs, progress
) -> tuple[pd.DataFrame, pd.DataFrame]:
    if unknown := [name for name in keep if name not in ("val", "test")]:
        raise ValueError(f"keep names {unknown}: use val and test.")
    how = {"n_classes": int(y.max()) + 1, "resume": True} | how

    def arrays(seed, fold):
        given = embeddings(seed, fold) if callable(embeddings) else embeddings
        return check_embeddings(given, len(y), how.get("missing", "error"), clip_id)

    shared = None if callable(embeddings) else arrays(None, None)
    names = list(shared or arrays(seeds[0], plans[0][0]))
    subsets = all_subsets(names) if subsets is None else [in_order(s) for s in subsets]
    if unknown := sorted({m for s in subsets for m in s} - set(names)):
        raise ValueError(f"subsets name {unknown}; embeddings have {names}.")
    full = max(subsets, key=len)
    tasks = (
        delayed(fit_fold)(
            {m: given[m] for m in subset}, y, plan, seed, how, keep, subset == full, ablation
        )
        for seed in seeds
        for plan in plans
        for given in [shared or arrays(seed, plan[0])]
        for subset in subsets
    )
    results = parallel(tasks, n_jobs, return_as="generator")
    total = len(seeds) * len(plans) * len(subsets)
    results = list(tqdm(results, total=total, desc="fusion networks", disable=not progress))
    predictions = pd.concat([r[0] for r in results], ignore_index=True)
    gates = pd.concat([r[1] for r in results if r[1] is not None], ignore_index=True)
    for frame in (predictions, gates):
        frame.insert(0, "clip_id", clip_id[frame.pop("row").to_numpy()])
    return predictions, gates


def baselines(
    predictions: pd.DataFrame,
    embeddings: Embeddings | Callable[[int, int], Embeddings],
    y: np.ndarray,
    clip_id: Sequence[str],
    modalities: Sequence[str] = MODALITIES,
) -> pd.DataFrame:
    """Predict with what a reader would try before a fusion network.

    ``concatenation``: logistic regression on standardised, concatenated embeddings, trained on
    the network's training clips; C (0.001 to 1) by validation log-loss. ``mean probability`` and
    ``majority vote``: over the single-modality predictions. ``best single``: the modality with
    the best validation accuracy, chosen per fold and seed.

    Parameters
    ----------
    predictions : DataFrame
        From `crossfit` or `release` with ``keep=("val", "test")`` and all single modalities.
    embeddings, y, clip_id
        As given there.
    modalities : sequence of str

    Returns
    -------
    DataFrame
        Test rows: baseline, then the columns of `predictions` with source ``baseline``. For a
        majority vote p is the share of votes; an even split goes to the mean probability, shown
        as p just above or below one half. For ``best single``, `inputs` is the modality chosen.

    Raises
    ------
    ValueError
        No validation rows, or a modality without predictions of its own.

    Notes
    -----
    Checked against scikit-learn pipelines fitted in the test and hand-computed votes.
    """
    y, clip_id = check_labels(y), _check_ids(clip_id, len(y))
    names, k = in_order(modalities), int(y.max()) + 1
    single = predictions[(predictions["source"] == "fusion") & predictions["inputs"].isin(names)]
    have = single[["inputs", "split"]].value_counts()
    for needed in ((m, split) for m in names for split in ("val", "test")):
        if needed not in have:
            raise ValueError(
                f"predictions have no {needed[1]} rows of {needed[0]} alone: "
                "run with keep=('val', 'test') and all single modalities."
            )
    position = pd.Series(np.arange(len(y)), index=clip_id)
    columns = ["p"] if k == 2 else [f"p_{c}" for c in range(k)]
    frames, regressions = [], {}
    for (seed, fold), part in single.groupby(["seed", "fold"]):
        rows, votes = {}, {}
        for split, clips in part.groupby("split"):
            wide = clips.pivot(index="clip_id", columns="inputs", values=columns)
            rows[split] = position[wide.index].to_numpy()
            stacked = np.stack([wide.xs(m, axis=1, level=1)[columns] for m in names], axis=1)
            votes[split] = np.concatenate([1 - stacked, stacked], axis=2) if k == 2 else stacked
        test = votes["test"]
        right = votes["val"].argmax(axis=2) == y[rows["val"], None]
        best = int(right.mean(axis=0).argmax())
        # A nudge smaller than any difference of shares settles even splits.
        shares = np.eye(k)[test.argmax(axis=2)].mean(axis=1)
        mean = test.mean(axis=1)
        key = (seed if callable(embeddings) else None, fold)
        if key not in regressions:
            given = embeddings(seed, fold) if callable(embeddings) else embeddings
            regressions[key] = _concatenation([given[m] for m in names], y, rows)
        for name, inputs, proba in (
            ("concatenation", inputs_name(names), regressions[key]),
            ("mean probability", inputs_name(names), mean),
            ("majority vote", inputs_name(names), (1 - 1e-6) * shares + 1e-6 * mean),
            ("best single", names[best], test[:, best]),
        ):
            out = Prediction(proba[:, 1], proba, *[np.empty(0)] * 4)
            about = {"seed": seed, "fold": fold, "split": "test"}
            frame = prediction_frame(rows["test"], inputs, "baseline", about, y, out)
            frame.insert(0, "baseline", name)
            frames.append(frame)
    table = pd.concat(frames, ignore_index=True)
    table.insert(1, "clip_id", clip_id[table.pop("row").to_numpy()])
    return table


def _concatenation(arrays: list[np.ndarray], y: np.ndarray, rows: dict) -> np.ndarray:
    """Test probabilities [n, k] of the regression whose C has the least validation log-loss."""
    x = np.hstack([np.asarray(a, dtype=float) for a in arrays])
    train = np.setdiff1d(np.arange(len(y)), np.concatenate([rows["val"], rows["test"]]))
    classes = np.arange(int(y.max()) + 1)

    def proba(model, part: str) -> np.ndarray:
        out = np.zeros((len(rows[part]), len(classes)))
        out[:, model.classes_] = model.predict_proba(x[rows[part]])
        return out

    fits = [
        make_pipeline(
            SimpleImputer(keep_empty_features=True),  # a missing modality is its training mean
            StandardScaler(),
            LogisticRegression(C=c, max_iter=2000),
        ).fit(x[train], y[train])
        for c in (0.001, 0.01, 0.1, 1.0)
    ]
    best = min(fits, key=lambda m: log_loss(y[rows["val"]], proba(m, "val"), labels=classes))
    return proba(best, "test")

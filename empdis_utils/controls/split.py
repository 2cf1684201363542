"""What a split gives away: how far models get by recognising the recording.

Each model is tried with folds that are random by clip and with folds that hold out recordings.
`tried` maps the name of a set of features to (model, values [n, d] or texts [n], modality); `p`
maps (name, "random" or "grouped") to P of class 1, [n_repeats, n].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from empdis_utils.data import splits
from empdis_utils.data.disk_cache import default_directory
from empdis_utils.measures import inference, scores

__all__ = [
    "accuracies", "both_ways", "candidates", "finetuned", "gains", "leave_one_out",
    "possible_folds", "predict", "recognition", "simulate", "skill",
]  # fmt: skip

ALONE = "recording only"  # the model that reads, hears and sees nothing
COLUMNS = ["features", "modality", "folds", "n", "accuracy", "ci_low", "ci_high", "sd_repeats"]


def possible_folds(manifest: pd.DataFrame, n_folds: int) -> int:
    """How many folds of recordings these clips allow, `n_folds` at most.

    Raises ValueError: other classes than 0 and 1, one recording, or a class that is in one
    recording only.
    """
    y, dialog = manifest["y"], manifest["dialog_id"]
    if set(y) != {0, 1}:
        found = ", ".join(map(str, sorted(set(y))))
        raise ValueError(
            f"this page compares two classes, y = 0 and y = 1; the manifest has {found}"
        )
    if dialog.nunique() < 2:
        raise ValueError("all clips are of one recording (dialog_id): there is nothing to hold out")
    spread = manifest.groupby("y")["dialog_id"].nunique()
    if spread.min() < 2:
        raise ValueError(
            f"too few (n={len(manifest)} clips): y = {spread.idxmin()} occurs in one recording "
            "only, and nothing can be learned about it when that one is held out"
        )
    return min(n_folds, dialog.nunique(), y.value_counts().max())


def candidates(manifest, published: Mapping, measured: Mapping, encoder: str = "") -> dict:
    """The models to try on these clips.

    `manifest`: clip_id, transcript. `published`, `measured`: features that came with the corpus,
    indexed by clip_id, and tables of measured ones. `encoder`: sentence encoder, used frozen; "":
    none.
    """
    linear = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=0.01, max_iter=5000),
    )
    words = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=5000),
    )
    text, tried = manifest["transcript"].fillna("").to_numpy(dtype=object), {}
    if any(map(splits.normalise, text)):
        tried["TF-IDF"] = (words, text, "text")
        if encoder:
            from empdis_utils.models import encoders  # slow to import

            values = encoders.sentence_embeddings(encoder, list(text))
            tried["sentence encoder"] = (linear, values, "text")
    for modality, features in published.items():
        values = features.loc[manifest["clip_id"]].to_numpy()
        tried[f"published {modality}"] = (linear, values, modality)
    for modality, table in measured.items():
        values = table.set_index("clip_id").loc[manifest["clip_id"]].select_dtypes("number")
        values = values.dropna(axis=1, how="all").to_numpy()
        tried[f"measured {modality}"] = (linear, values, modality)
    return tried


def _recording_only(manifest, folds):
    """P of class 1 from the recording's other clips, fold by fold."""
    p = np.empty(folds.shape)
    for row, assigned in zip(p, folds, strict=True):
        for fold in np.unique(assigned):
            both = manifest.assign(split=np.where(assigned == fold, "test", "train"))
            row[assigned == fold] = splits.recording_baseline(both)["prediction"]
    return p


def predict(tried: Mapping, manifest, ways: Mapping, *, n_jobs=1) -> dict:
    """Out-of-fold P of class 1 of each model under each way to make folds, and of `ALONE`.

    Parameters
    ----------
    ways : mapping of str to int array [n_repeats, n]
        "random" and "grouped", of `splits.repeated_folds`.
    """
    jobs, y = [(name, way) for name in tried for way in ways], manifest["y"].to_numpy()
    done = Parallel(n_jobs=n_jobs)(
        delayed(splits.out_of_fold)(*tried[name][:2], y, ways[way]) for name, way in jobs
    )
    p = dict(zip(jobs, done, strict=True))
    return p | {(ALONE, way): _recording_only(manifest, folds) for way, folds in ways.items()}


def accuracies(p: Mapping, tried: Mapping, y, dialog) -> pd.DataFrame:
    """Accuracy of each model, mean over repeats, with an interval over recordings.

    Returns columns features, modality, folds, n, accuracy, ci_low, ci_high, sd_repeats.
    """
    rows = []
    for (name, way), each in p.items():
        correct = (each > 0.5) == (y == 1)
        found = inference.share_interval(correct.mean(axis=0), groups=dialog)[:3]
        spread = correct.mean(axis=1).std(ddof=1) if len(each) > 1 else np.nan
        modality = tried[name][2] if name in tried else "none"
        rows.append((name, modality, way, len(y), *found, spread))
    return pd.DataFrame(rows, columns=COLUMNS)


def gains(p: Mapping, y, dialog, *, n_boot=2000, seed=42) -> pd.DataFrame:
    """What random folds add to the accuracy of each model: features, random minus grouped, …"""
    rows = []
    for name in dict.fromkeys(name for name, _ in p):
        pair = [((p[name, way] > 0.5) == (y == 1)).mean(axis=0) for way in ("random", "grouped")]
        found = inference.paired_difference(*pair, groups=dialog, n_boot=n_boot, seed=seed)
        rows.append((name, *found[:3]))
    return pd.DataFrame(rows, columns=["features", "random minus grouped", "ci_low", "ci_high"])


def finetuned(encoder, manifest, *, n_folds, n_draws, n_boot=2000, seed=42, n_jobs=1):
    """The encoder's own end trained as well, on random and on grouped draws of one fold.

    Five epochs, batches of 32, a learning rate of 5e-5. A clip that was drawn several times counts
    once, with its mean score; one that was never drawn does not count.

    Returns `accuracy, gain` (DataFrame): Rows as of `accuracies` and `gains`.
    """
    from empdis_utils.models import encoders, finetune  # slow to import

    text, y, dialog = manifest["transcript"].fillna(""), manifest["y"], manifest["dialog_id"]
    y, dialog = y.to_numpy(), dialog.to_numpy()
    cache = finetune.cache_trunk(
        "auto", *encoders.load("auto", encoder), list(text), directory=default_directory()
    )
    recipe = dict(epochs=5, batch_size=32, learning_rate=5e-5, length_groups=8)
    name, by_way, rows = f"fine-tuned, {n_draws} draws", {}, []
    for way, unit in {"random": None, "grouped": "dialog_id"}.items():
        held = splits.repeated_folds(manifest, n_folds, n_draws, seed, groups=unit) == 0
        p = finetune.held_out(cache, y, held, seed=seed, n_jobs=n_jobs, **recipe)
        right = pd.DataFrame(np.where(np.isnan(p), np.nan, (p > 0.5) == (y == 1)))
        by_way[way] = right.mean().to_numpy()
        known = np.isfinite(by_way[way])
        found = inference.share_interval(by_way[way][known], groups=dialog[known])[:3]
        spread = right.mean(axis=1).std(ddof=1)
        rows.append((name, "text", way, int(known.sum()), *found, spread))
    gap = by_way["random"] - by_way["grouped"]
    both = np.isfinite(gap)
    found = inference.interval(gap[both], groups=dialog[both], n_boot=n_boot, seed=seed)[:3]
    columns = ["features", "random minus grouped", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=COLUMNS), pd.DataFrame([(name, *found)], columns=columns)


def both_ways(accuracy: pd.DataFrame, unimodal: pd.DataFrame | None = None) -> pd.DataFrame:
    """Rows for `plots.shifts`: `ALONE` first, then the others, then chapter 02's models.

    `accuracy`: of `accuracies`. `unimodal`: chapter 02's `accuracy_unimodal`: encoders with both
    protocols are added.
    """
    first = accuracy["features"] == ALONE
    parts = [accuracy[first].assign(modality="fusion"), accuracy[~first]]
    if unimodal is not None:
        for name, part in unimodal.groupby("encoder"):
            part = part.drop_duplicates("protocol").set_index("protocol")
            if {"release", "crossfit"} <= set(part.index):
                part = part.loc[["release", "crossfit"]]
                name = f"chapter 02's {name}, as released"
                parts.append(part.assign(features=name, folds=["random", "grouped"]))
    return pd.concat(parts, ignore_index=True)


def leave_one_out(tried: Mapping, y, dialog, *, n_jobs=1) -> pd.DataFrame:
    """Accuracy where each recording is a fold.

    Returns columns features, modality, accuracy, ci_low, ci_high, n_recordings.
    """
    folds, rows = pd.factorize(dialog)[0], []
    guesses = Parallel(n_jobs=n_jobs)(
        delayed(splits.out_of_fold)(model, values, y, folds) for model, values, _ in tried.values()
    )
    for (name, (_, _, modality)), p in zip(tried.items(), guesses, strict=True):
        correct = ((p > 0.5) == (y == 1)).astype(float)
        rows.append((name, modality, *inference.share_interval(correct, groups=dialog)[:3]))
    columns = ["features", "modality", "accuracy", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns).assign(n_recordings=len(set(dialog)))


def recognition(tried: Mapping, dialog, *, n_folds, seed=42, n_jobs=1) -> pd.DataFrame:
    """How often the same features tell which recording a clip is of.

    Recordings with fewer clips than folds are left out.

    Returns columns features, modality, accuracy, ci_low, ci_high, largest (accuracy of always
    naming the recording with most clips), n, n_recordings. No rows where fewer than two recordings
    stay.
    """
    sizes = pd.Series(dialog).map(pd.Series(dialog).value_counts())
    kept, rows = (sizes >= n_folds).to_numpy(), []
    own = dialog[kept]
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    for name, (model, values, modality) in tried.items() if len(set(own)) > 1 else ():
        guess = cross_val_predict(model, values[kept], own, cv=folds, n_jobs=n_jobs)
        found = inference.share_interval((guess == own).astype(float), groups=own)[:3]
        largest = pd.Series(own).value_counts(normalize=True).iloc[0]
        rows.append((name, modality, *found, largest, len(own), len(set(own))))
    columns = ["features", "modality", "accuracy", "ci_low", "ci_high", "largest"]
    return pd.DataFrame(rows, columns=[*columns, "n", "n_recordings"])


def skill(p: Mapping, y, dialog, *, n_boot=2000, seed=42) -> pd.DataFrame:
    """`scores.within_between` of each model's mean p: also features, folds.

    `ALONE` has no p of its own where recordings are held out, and is left out there.
    """
    return pd.concat(
        [
            scores.within_between(y, each.mean(axis=0), dialog, n_boot=n_boot, seed=seed).assign(
                features=name, folds=way
            )
            for (name, way), each in p.items()
            if (name, way) != (ALONE, "grouped")
        ],
        ignore_index=True,
    )


def simulate(y, dialog, ways: Mapping, strengths, *, n_draws, seed=42, n_jobs=1) -> pd.DataFrame:
    """Accuracy on made-up features that hold a mark of the recording, and noise, and no more.

    `strengths`: of the mark, in units of the noise. `n_draws`: sets of marks to average over.
    Returns columns strength, folds, accuracy, ci_low, ci_high.
    """
    rng, codes = np.random.default_rng(seed), pd.factorize(dialog)[0]
    n = codes.max() + 1
    drawn = [
        (rng.normal(size=(n, 2 * n)), rng.normal(size=(len(y), 2 * n))) for _ in range(n_draws)
    ]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))
    cells = [(s, way) for s in strengths for way in ways]
    guesses = Parallel(n_jobs=n_jobs)(
        delayed(splits.out_of_fold)(
            model, s * marks[codes] + noise, y, ways[way][draw % len(ways[way])]
        )
        for s, way in cells
        for draw, (marks, noise) in enumerate(drawn)
    )
    right = (np.reshape(guesses, (len(cells), n_draws, -1)) > 0.5) == (y == 1)
    found = [inference.share_interval(one.mean(axis=0), groups=dialog)[:3] for one in right]
    rows = [(*cell, *one) for cell, one in zip(cells, found, strict=True)]
    return pd.DataFrame(rows, columns=["strength", "folds", "accuracy", "ci_low", "ci_high"])

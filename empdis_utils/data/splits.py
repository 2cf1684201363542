"""Splits: what a split shares between its parts, what the recording alone gives away, fair folds.

Clips nest in recordings (``dialog_id``). A split that is random by clip puts clips of the same
recording on both sides, and a model can score by recognising the recording.
"""

import re
import unicodedata

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
)

__all__ = [
    "audit", "crossfit_folds", "hold_out_recordings", "normalise", "out_of_fold",
    "recording_baseline", "repeated_folds",
]  # fmt: skip

FIRST = ("train", "val", "dev", "test")


def _need(manifest, *columns):
    missing = [name for name in columns if name not in manifest]
    if missing:
        raise ValueError(f"the manifest lacks column(s) {', '.join(missing)}")
    empty = [name for name in columns if manifest[name].isna().any()]
    if empty:
        raise ValueError(f"the manifest has missing values in column(s) {', '.join(empty)}")


def normalise(text):
    """Lower-case words of a transcript, without punctuation, joined by single blanks.

    Compatibility forms (NFKC) and case are folded, so that ``Don't`` equals ``DON’T``.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[^\w\s]|_", "", folded).split())


def _nearest(source, target):
    """Highest cosine of each `target` text to any `source` text: float [n_target].

    Character 3- to 5-grams within words, TF-IDF weights from both sides together.
    """
    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    grams.fit([*source, *target])
    known = grams.transform(source).T.tocsr()
    found = grams.transform(target)
    blocks = range(0, found.shape[0], 256)
    best = [(found[i : i + 256] @ known).max(axis=1).toarray().ravel() for i in blocks]
    return np.concatenate(best)


def audit(manifest, near=0.9, min_tokens=4):
    """What the parts of a split share.

    Parameters
    ----------
    manifest : DataFrame
        clip_id, dialog_id, transcript, label, split.
    near : float
        Cosine of character n-gram TF-IDF from which two transcripts count as near-duplicates.
    min_tokens : int
        Shorter transcripts ("yeah") are left out of the duplicate checks.

    Returns
    -------
    DataFrame
        One row per fact: check, split_a, split_b, n, share, note.

        ``clips``, ``recordings`` : n in `split_a`, share of all.
        ``label`` : n clips of `split_a` with the label in `note`, share of the split.
        ``shared_recordings`` : recordings in both splits, share of the recordings of `split_b`.
        ``clips_of_shared_recordings`` : clips of `split_b` whose recording is in `split_a`, share
        of the clips of `split_b`.
        ``exact_transcripts``, ``near_transcripts`` : clips of `split_b` whose normalised transcript
        is in `split_a`, or nearly so (exact ones included), share of the clips of `split_b` with at
        least `min_tokens` words.

        Pairs run from train to val to test (other names after these, as they come). A share
        without a denominator is NaN and its note says why.

    Raises
    ------
    ValueError
        Missing columns or values.

    Examples
    --------
    >>> from empdis_utils.data.corpora import load_fixture
    >>> audit(load_fixture().manifest).query("check == 'shared_recordings'")["n"].tolist()
    [11, 11, 8]
    """
    _need(manifest, "clip_id", "dialog_id", "transcript", "label", "split")
    names = list(dict.fromkeys(manifest["split"]))
    names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    recordings = manifest["dialog_id"].nunique()
    text = manifest["transcript"].map(normalise)
    long = text.str.split().str.len() >= min_tokens
    facts = []

    def fact(check, a, b, n, of, note=""):
        share = n / of if of else np.nan
        facts.append((check, a, b, int(n), share, note))

    parts = {name: manifest[manifest["split"] == name] for name in names}
    for name, part in parts.items():
        fact("clips", name, "", len(part), len(manifest))
        fact("recordings", name, "", part["dialog_id"].nunique(), recordings)
        for label in sorted(manifest["label"].unique()):
            fact("label", name, "", (part["label"] == label).sum(), len(part), label)
    for i, b in enumerate(names):
        for a in names[:i]:
            shared = set(parts[a]["dialog_id"]) & set(parts[b]["dialog_id"])
            fact("shared_recordings", a, b, len(shared), parts[b]["dialog_id"].nunique())
            seen = parts[b]["dialog_id"].isin(shared).sum()
            fact("clips_of_shared_recordings", a, b, seen, len(parts[b]))
            source, target = (text[parts[s].index][long[parts[s].index]] for s in (a, b))
            note = f"of {len(target)} transcripts with at least {min_tokens} words"
            fact("exact_transcripts", a, b, target.isin(set(source)).sum(), len(target), note)
            both = len(source) and len(target)
            close = (_nearest(source, target) >= near - 1e-9).sum() if both else 0
            fact("near_transcripts", a, b, close, len(target), f"{note}, cosine >= {near:g}")
    return pd.DataFrame(facts, columns=["check", "split_a", "split_b", "n", "share", "note"])


def recording_baseline(manifest, train=("train",), test=("test",)):
    """Predict each clip's label from its recording alone: no text, sound or picture.

    Parameters
    ----------
    manifest : DataFrame
        clip_id, dialog_id, y (0 or 1), split.
    train, test : tuple of str
        Names of the splits to learn from and to predict.

    Returns
    -------
    DataFrame
        One row per test clip: clip_id, dialog_id, y, p, prediction, seen. ``p`` is the share of
        class 1 among the train clips of the recording; ``prediction`` its majority class. A
        recording without train clips (``seen`` False) gets the share of class 1 in all of train; a
        tie goes to the majority class of train, and a tie there to 0.

    Raises
    ------
    ValueError
        Missing columns, labels other than 0 and 1, a split without clips, or a split on both sides.

    Notes
    -----
    On the released EMPSPEECH split this is right on 121 of 154 test clips, more than any model in
    Table 1 of the paper.

    Examples
    --------
    >>> clips = {"clip_id": list("abcd"), "dialog_id": list("rrrs"), "y": [1, 1, 1, 0]}
    >>> manifest = pd.DataFrame({**clips, "split": ["train", "train", "test", "train"]})
    >>> recording_baseline(manifest)[["clip_id", "p", "prediction"]].to_dict("list")
    {'clip_id': ['c'], 'p': [1.0], 'prediction': [1]}
    """
    _need(manifest, "clip_id", "dialog_id", "y", "split")
    if not manifest["y"].isin([0, 1]).all():
        raise ValueError("the recording baseline needs y of 0 and 1")
    train, test = ((part,) if isinstance(part, str) else tuple(part) for part in (train, test))
    if set(train) & set(test):
        raise ValueError(f"{', '.join(set(train) & set(test))}: both in train and in test")
    parts = [manifest[manifest["split"].isin(names)] for names in (train, test)]
    for names, part in zip((train, test), parts, strict=True):
        if part.empty:
            there = ", ".join(manifest["split"].unique())
            raise ValueError(f"no clips in split {', '.join(names)}: the manifest has {there}")
    known, asked = parts
    overall = known["y"].mean()
    rates = known.groupby("dialog_id")["y"].mean()
    table = asked[["clip_id", "dialog_id", "y"]].reset_index(drop=True)
    rate = table["dialog_id"].map(rates)
    table["p"] = rate.fillna(overall).astype(float)
    tied = table["p"] == 0.5
    table["prediction"] = (table["p"] > 0.5).where(~tied, overall > 0.5).astype("int64")
    table["seen"] = rate.notna()
    return table


def _enough(y, n_folds):
    largest = y.value_counts().max() if len(y) else 0
    if largest < n_folds:
        raise ValueError(
            f"too few clips (n={len(y)}): the largest class has {largest} for {n_folds} folds; use "
            "fewer folds"
        )


def crossfit_folds(manifest, n_folds=5, seed=42, groups="dialog_id"):
    """Assign every clip to one fold, stratified by label, recordings kept whole.

    Parameters
    ----------
    manifest : DataFrame
        clip_id, y and the column `groups`. The row order does not change the folds.
    n_folds : int
    seed : int
    groups : str or None
        Column whose values stay in one fold; None splits clip by clip, for comparison only.

    Returns
    -------
    Series of int
        Fold 0 … `n_folds` - 1, indexed by clip_id in the order of `manifest`, named ``fold``.

    Raises
    ------
    ValueError
        Missing columns, repeated clips, fewer recordings than folds, or no class with at least one
        clip for each fold.

    Notes
    -----
    scikit-learn's `StratifiedGroupKFold` and `StratifiedKFold`, shuffled.

    Examples
    --------
    >>> names = [f"clip{i}" for i in range(8)]
    >>> clips = {"clip_id": names, "dialog_id": list("aabbccdd"), "y": [0, 1] * 4}
    >>> crossfit_folds(pd.DataFrame(clips), n_folds=2).tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """
    _need(manifest, "clip_id", "y", *([groups] if groups else []))
    if manifest["clip_id"].duplicated().any():
        raise ValueError("clip_id repeats: folds need one row per clip")
    if n_folds < 2:
        raise ValueError(f"{n_folds} fold(s): at least 2 are needed")
    rows = manifest.sort_values("clip_id")
    units = rows[groups] if groups else None
    if groups and units.nunique() < n_folds:
        n = units.nunique()
        raise ValueError(f"{n} value(s) of {groups} cannot fill {n_folds} folds: use fewer folds")
    _enough(rows["y"], n_folds)
    splitter = (StratifiedGroupKFold if groups else StratifiedKFold)(
        n_splits=n_folds, shuffle=True, random_state=seed
    )
    folds = pd.Series(-1, index=pd.Index(rows["clip_id"], name="clip_id"), name="fold")
    for fold, (_, held_out) in enumerate(splitter.split(rows, rows["y"], units)):
        folds.iloc[held_out] = fold
    return folds.loc[manifest["clip_id"]]


def hold_out_recordings(rows, groups, share, seed):
    """Set whole recordings aside, for clips that choose the epoch.

    `rows` (int array): row numbers of the clips to divide. `groups` (array [n]): recording of each
    clip, of all rows. `share`: of the recordings, not of the clips: where recordings differ in
    size, the share of the clips is another one. Returns `train, val` (int array): Row numbers.
    Raises ValueError: fewer than two recordings, or a share that leaves one side without any.

    scikit-learn's `GroupShuffleSplit`: of n recordings, ceil(share n) are set aside.
    """
    rows, n = np.asarray(rows), len(np.unique(np.asarray(groups)[rows]))
    if n < 2 or not 0 < np.ceil(share * n) < n:
        raise ValueError(
            f"of {n} recording(s), a share of {share:g} cannot be set aside to choose the epoch "
            "and leave any to train on: give more recordings, fewer folds or val_share=0"
        )
    split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    train, val = next(split.split(rows, groups=np.asarray(groups)[rows]))
    return rows[train], rows[val]


def repeated_folds(manifest, n_folds=5, n_repeats=10, seed=42, groups="dialog_id"):
    """Many assignments of clips to folds, to average over the luck of one.

    `manifest`: clip_id, y and the column `groups`. `groups`: column whose values stay in one fold;
    None splits clip by clip, stratified by `y`. Returns int array [n_repeats, n]: fold of each
    clip, in the order of `manifest`. Raises ValueError: missing columns, fewer recordings than
    folds, or no class with a clip for each fold.

    scikit-learn's `GroupKFold`, shuffled: the stratified variant of `crossfit_folds` sorts
    recordings by their labels, so another seed gives nearly the same folds.
    """
    _need(manifest, "clip_id", "y", *([groups] if groups else []))
    if groups and manifest[groups].nunique() < n_folds:
        n = manifest[groups].nunique()
        raise ValueError(f"{n} value(s) of {groups} cannot fill {n_folds} folds: use fewer folds")
    _enough(manifest["y"], n_folds)
    units = manifest[groups] if groups else None
    folds = np.empty((n_repeats, len(manifest)), int)
    for repeat in range(n_repeats):
        how = dict(n_splits=n_folds, shuffle=True, random_state=seed + repeat)
        splitter = GroupKFold(**how) if groups else StratifiedKFold(**how)
        for fold, (_, held_out) in enumerate(splitter.split(manifest, manifest["y"], units)):
            folds[repeat, held_out] = fold
    return folds


def out_of_fold(model, features, y, folds):
    """Predict each clip by a model that was fitted without its fold.

    `model`: cloned for every fold. `features` (array [n, d] or [n]): what `model` takes: numbers,
    or transcripts for a pipeline that starts with a vectoriser. `y` (int array [n]): 0 or 1.
    `folds` (int array [n] or [n_repeats, n]). Returns float array: P of class 1, shaped like
    `folds`. A fold whose training clips are of one class gets 0 or 1.
    """
    y, folds = np.asarray(y), np.asarray(folds)
    p = np.empty(np.atleast_2d(folds).shape)
    for row, assigned in zip(p, np.atleast_2d(folds), strict=True):
        for fold in np.unique(assigned):
            out = assigned == fold
            if np.unique(y[~out]).size < 2:
                row[out] = y[~out][0]
            else:
                row[out] = (
                    clone(model).fit(features[~out], y[~out]).predict_proba(features[out])[:, 1]
                )
    return p.reshape(folds.shape)

"""Repairing labels: which score finds the labels that we flipped?

One in ten labels is flipped at random. Cheap models (logistic regressions) learn from the flipped
labels, with whole recordings held out, and each label is held against what they say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from cleanlab.rank import get_label_quality_scores
from joblib import delayed
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from empdis_utils.controls import using
from empdis_utils.data.workers import parallel
from empdis_utils.measures import inference
from empdis_utils.measures.alignment import align
from empdis_utils.measures.uncertainty import predictive_entropy

__all__ = [
    "Readings", "answers", "flip", "of_features", "of_votes", "out_of_fold", "study", "study_given",
    "suspicion", "words",
]  # fmt: skip

RATE, SUSPECT, N_VOTES = 0.1, 0.1, 4
MEASURES = {"AUROC": "higher", "share of flips among the tenth most suspect": "higher"}
AGAINST, AGAIN = "label against each modality", "label against one model, retrained"
ROLES = {
    AGAINST: using.DISAGREEMENT,
    AGAIN: using.CONTROL,
    "self-confidence": using.BASELINE,
    "confident learning": using.BASELINE,
    "entropy": using.BASELINE,
}


class Readings(NamedTuple):
    """What models read of each clip.

    `views`: one array [n, d] per modality. `again`: as many arrays of one kind, for the control.
    `whole`: what the baselines' model reads. `redraw`: whether models of `again` learn from
    recordings drawn anew, because their arrays are the same.
    """

    views: list[np.ndarray]
    again: list[np.ndarray]
    whole: np.ndarray
    redraw: bool


def words(transcripts, n_components: int = 100, seed: int = 42) -> np.ndarray:
    """TF-IDF of words and word pairs in `n_components` dimensions [n, d]; no label is read."""
    counts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform(transcripts)
    svd = TruncatedSVD(max(min(n_components, min(counts.shape) - 1), 1), random_state=seed)
    with np.errstate(invalid="ignore"):  # a share of no variance, where all clips say the same
        return svd.fit_transform(counts)


def answers(votes) -> list[str]:
    """Columns of `votes` that count answers."""
    return [
        c for c in votes if c not in ("clip_id", "dialog_id", "modality", "n", "status", "reason")
    ]


def of_features(views) -> Callable[[int], Readings]:
    """Readings of features: each view, and the model of all views at once trained anew."""
    arrays = list(views.values())
    whole = np.hstack(arrays)
    readings = Readings(arrays, [whole] * len(arrays), whole, True)
    return lambda seed: readings


def of_votes(voice, face, both, n_votes: int = N_VOTES) -> Callable[[int], Readings]:
    """Readings of people: votes on the voice and on the face, against as many on the full clip.

    `voice`, `face`, `both`: counts of votes [n, k] of the same clips, of at least `n_votes` (twice
    that for `both`). Each seed draws votes anew: `n_votes` of voice and of face; two lots of
    `n_votes` of the full clip; the baselines' model has both lots.
    """

    def readings(seed):
        rng = np.random.default_rng(seed)

        def drawn(counts):
            return np.array([rng.multivariate_hypergeometric(row, n_votes) for row in counts])

        first = drawn(both)
        second = drawn(both - first)
        return Readings([drawn(voice), drawn(face)], [first, second], first + second, False)

    return readings


def flip(y, rng, rate: float = RATE) -> tuple[np.ndarray, np.ndarray]:
    """Labels [n] of which a share is another class, drawn evenly, and which ones (bool [n]).

    `y`: 0 … k - 1. Raises ValueError: one class.
    """
    y, k = np.asarray(y), int(np.max(y)) + 1
    if k < 2:
        raise ValueError("labels are of one class: there is none to flip them to")
    flipped = np.zeros(len(y), bool)
    flipped[rng.choice(len(y), max(round(rate * len(y)), 1), replace=False)] = True
    other = (y + rng.integers(1, k, len(y))) % k
    return np.where(flipped, other, y), flipped


def out_of_fold(x, y, folds, groups=None, rng=None, C: float = 0.01) -> np.ndarray:
    """Class probabilities [n, k] of a logistic regression that saw no clip of the fold.

    `x` [n, d] (gaps are filled with medians), `y` 0 … k - 1, `folds` [n]. With `groups` and `rng`
    each training draws its recordings anew. A class that a fold's training lacks gets 0.
    """
    p = np.zeros((len(y), int(np.max(y)) + 1))
    for fold in np.unique(folds):
        out, times = folds == fold, (folds != fold).astype(int)
        if rng is not None:
            codes = np.unique(groups, return_inverse=True)[1]
            kept = np.unique(codes[~out])
            counts = np.bincount(rng.choice(kept, len(kept)), minlength=codes.max() + 1)
            times = times * counts[codes]
        rows = np.repeat(np.arange(len(y)), times)
        if len(classes := np.unique(y[rows])) == 1:
            p[out, classes[0]] = 1
            continue
        model = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(),
            LogisticRegression(C=C, max_iter=5000),
        ).fit(x[rows], y[rows])  # fmt: skip
        p[np.ix_(out, model.classes_)] = model.predict_proba(x[out])
    return p


def suspicion(labels, views, again, whole) -> dict[str, np.ndarray]:
    """How suspect each label is [n] on all sides; larger is more suspect.

    `labels` [n]; `views`, `again`: probabilities [m, n, k] (`again` may be empty); `whole` [n, k].
    Self-confidence and confident learning (adjusted for how sure the model is of each class) are
    cleanlab's `get_label_quality_scores`.
    """
    given = np.eye(whole.shape[1])[labels]
    quality = [
        get_label_quality_scores(
            labels, whole, method="self_confidence", adjust_pred_probs=adjusted
        )
        for adjusted in (False, True)
    ]
    found = {AGAINST: using.distance(given, np.asarray(views)).mean(axis=0)}
    if len(again):
        found[AGAIN] = using.distance(given, np.asarray(again)).mean(axis=0)
    scores = (1 - quality[0], 1 - quality[1], predictive_entropy(whole))
    return found | dict(
        zip(("self-confidence", "confident learning", "entropy"), scores, strict=True)
    )


def _one(readings, y, groups, n_folds, C, seed):
    """Which labels one seed flips, and how suspect each label is."""
    rng = np.random.default_rng(seed)
    labels, flipped = flip(y, rng)
    splitter = GroupKFold(min(n_folds, len(set(groups))), shuffle=True, random_state=seed)
    folds = np.empty(len(y), int)
    for fold, (_, out) in enumerate(splitter.split(y, groups=groups)):
        folds[out] = fold
    views, again, whole, redraw = readings(seed)
    drawn = (groups, rng) if redraw else ()
    return flipped, suspicion(
        labels,
        [out_of_fold(x, labels, folds, C=C) for x in views],
        [out_of_fold(x, labels, folds, *drawn, C=C) for x in again],
        out_of_fold(whole, labels, folds, C=C),
    )


def _function(found, groups):
    """AUROC, and the share of flips among the most suspect, of each score, mean over seeds."""
    names = list(found[0][1])
    first = np.unique(groups, return_index=True)[1]  # a clip of each recording
    areas, tops = [], []
    for flipped, scores in found:
        table = np.column_stack([scores[name] for name in names])
        areas.append(inference.auroc_statistic(flipped, table, groups))
        size = max(round(SUSPECT * len(flipped)), 1)
        order = np.argsort(-table, axis=0, kind="stable")
        top = np.zeros(table.shape)
        np.put_along_axis(top, order[:size], 1.0, axis=0)
        tops.append((top * flipped[:, None], top))

    def function(weights):
        area = np.mean([one(weights[:, first]) for one in areas], axis=0)
        share = np.mean([(weights @ hits) / (weights @ top) for hits, top in tops], axis=0)
        return np.stack([area, share], axis=2)

    return names, function


def study(
    readings, y, groups, *, corpus, n_seeds=5, n_folds=5, C=0.01, note="", n_jobs=1, n_boot=2000,
    seed=42,
):  # fmt: skip
    """Label repair with models that learn from the flipped labels.

    Parameters
    ----------
    readings : callable
        Seed -> `Readings`, of `of_features` or `of_votes`.
    y : int array [n]
        0 … k - 1: labels before we flip some.
    groups : array [n]
        Recording of each clip; folds and intervals keep them whole.
    corpus : str
    n_seeds, n_folds : int
    C : float
        Of the logistic regressions.
    note : str
    n_jobs, n_boot, seed : int

    Returns
    -------
    uses, gains : DataFrame
        As `using.measured`.
    """
    y, groups = np.asarray(y), np.asarray(groups)
    tasks = (delayed(_one)(readings, y, groups, n_folds, C, seed + k) for k in range(n_seeds))
    names, function = _function(list(parallel(tasks, n_jobs)), groups)
    return using.measured(
        "label_repair", corpus, {name: ROLES[name] for name in names}, MEASURES, function,
        groups=groups, seeds=n_seeds, note=note, n_boot=n_boot, seed=seed,
    )  # fmt: skip


def study_given(compared, *, corpus, dialog, n_boot=2000, seed=42):
    """Label repair with probabilities made elsewhere: labels are flipped after the training.

    `compared`: of chapter 04; `dialog`: clip_id -> recording. Returns `uses`, `gains`.
    """
    trained, found = using.Trained.of(compared), []
    p, k = trained.fused, trained.budget()
    groups = align(dialog, trained.models.clips, "recordings")
    for s in range(len(p)):
        labels, flipped = flip(trained.models.y, np.random.default_rng(seed + s))
        again = [p[(s + step) % len(p)] for step in range(1, k + 1)]
        views = [trained.models.p[m][s] for m in trained.single]
        found.append((flipped, suspicion(labels, views, again, p[s])))
    names, function = _function(found, groups)
    parts = ["labels were flipped after the models were trained", trained.note()]
    return using.measured(
        "label_repair", corpus, {name: ROLES[name] for name in names}, MEASURES, function,
        groups=groups, seeds=len(p), note="; ".join(filter(None, parts)), n_boot=n_boot, seed=seed,
    )  # fmt: skip

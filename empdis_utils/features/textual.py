"""Where clips lie among text embeddings, and plain counts of their words.

The paper reads from a picture (Figure 3) that disagreement lies along the boundary between right
and wrong. Here the claim is a number per clip: distance to a decision boundary, and purity of the
labels around the clip in the original space.
"""

import re
import warnings
from functools import cache

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_chunked
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

__all__ = [
    "LEXICON", "NEAREST", "geometry", "lexicon", "linear_p", "local_purity", "margin",
    "picture", "project", "spaces",
]  # fmt: skip

NEAREST = 10
LEXICON = ("n_words", "n_characters", "positive_share", "negative_share", "compound")


def margin(p):
    """Distance of each clip from the boundary of a model: the size of its log-odds.

    Parameters
    ----------
    p : array [n]
        Probability of class 1. Values nearer than 1e-6 to 0 or 1 count as that near.

    Returns
    -------
    array [n]
        ``|log(p / (1 - p))|``: 0 on the boundary; missing where p is.
    """
    p = np.asarray(p, float)
    if ((p < 0) | (p > 1)).any():
        raise ValueError("p must lie between 0 and 1")
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.abs(np.log(p) - np.log1p(-p))


def linear_p(embeddings, y, held_out) -> tuple[np.ndarray, str]:
    """Probability of class 1 of held-out clips, by logistic regression on the other clips.

    Parameters
    ----------
    embeddings : array [n, d]
        Standardised by the mean and deviation of the clips that train.
    y : array [n]
        0 or 1.
    held_out : bool array [n]
        Clips to predict. Whole recordings, or the result leaks.

    Returns
    -------
    p : array [held_out.sum()]
    reason : str
        Empty, or why every p is NaN: the clips that train are of one class, or the regression did
        not converge.

    Raises
    ------
    ValueError
        Classes other than 0 and 1.

    Notes
    -----
    ``sklearn.linear_model.LogisticRegression`` with its default penalty (C = 1).
    """
    embeddings, y, held_out = _checked(embeddings, y=y, held_out=held_out)
    held_out = held_out.astype(bool)
    if len(found := sorted(set(y.tolist()))) > 2 or not set(found) <= {0, 1}:
        raise ValueError(f"the clips must be of classes 0 and 1, found {found}")
    none = np.full(held_out.sum(), np.nan)
    if len(np.unique(y[~held_out])) < 2:
        return none, f"the clips that train are of one class (n={(~held_out).sum()})"
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(embeddings[~held_out], y[~held_out])
        except ConvergenceWarning:
            return none, "the regression did not converge"
    return model.predict_proba(embeddings[held_out])[:, 1], ""


def local_purity(embeddings, y, groups, k=NEAREST, metric="cosine") -> pd.DataFrame:
    """Share of each clip's nearest neighbours that have its label.

    Neighbours are looked for in other recordings only: clips of one recording resemble each other,
    and share labels, for reasons of the recording.

    Parameters
    ----------
    embeddings : array [n, d]
    y : array [n]
        Label.
    groups : array [n]
        Recording.
    k : int
        Neighbours that are asked.
    metric : str
        Of ``sklearn.metrics.pairwise_distances``.

    Returns
    -------
    DataFrame [n]
        purity; expected (share of all clips of other recordings that have the label: what a space
        without order would give). Missing where other recordings have fewer than `k` clips.

    Notes
    -----
    Equal to counting in ``sklearn.neighbors.NearestNeighbors`` where no two clips share a
    recording; ties go to the clip that comes first.
    """
    if k < 1:
        raise ValueError(f"k is {k}; it must be at least 1")
    embeddings, y, groups = _checked(embeddings, y=y, groups=groups)

    def asked(distances, start):
        rows = np.arange(start, start + len(distances))
        own = groups[rows, None] == groups[None, :]
        nearest = np.argsort(np.where(own, np.inf, distances), axis=1, kind="stable")[:, :k]
        same = y[rows, None] == y[None, :]
        others = (~own).sum(axis=1)
        purity = np.take_along_axis(same, nearest, axis=1).mean(axis=1)
        expected = (same & ~own).sum(axis=1) / np.maximum(others, 1)
        return np.where(others >= k, [purity, expected], np.nan).T

    found = list(pairwise_distances_chunked(embeddings, metric=metric, reduce_func=asked))
    return pd.DataFrame(np.concatenate(found), columns=["purity", "expected"])


def spaces(embeddings, clips, folds) -> dict[int, pd.DataFrame]:
    """The space of each fold, over the clips that have a place in it.

    Parameters
    ----------
    embeddings : DataFrame
        Of `tables.read_embeddings`: columns e000, e001, …, clip_id, fold, where an encoder trained
        anew for each fold; or indexed by clip_id, one space for all folds. A clip whose numbers are
        missing (it has no words) is left out.
    clips : sequence of str
        Clips, in the order wanted.
    folds : sequence of int

    Returns
    -------
    dict of int to DataFrame
        Indexed by clip_id.
    """
    if "fold" not in embeddings:
        return dict.fromkeys(folds, embeddings.loc[clips].dropna())
    found = {fold: part.set_index("clip_id") for fold, part in embeddings.groupby("fold")}
    return {fold: found[fold].filter(regex=r"^e\d+$").loc[clips].dropna() for fold in folds}


def geometry(spaces, fold, about, *, k=NEAREST, source="") -> tuple[pd.DataFrame, list[str]]:
    """`local_purity` and the `margin` of `linear_p` of every clip, where it was held out.

    Parameters
    ----------
    spaces : dict of int to DataFrame
        Of `spaces`.
    fold : Series
        clip_id -> the fold that held out its recording.
    about : DataFrame
        Indexed by clip_id: y, dialog_id. With other than two classes there is no linear margin.
    k : int
        Neighbours that are asked.
    source : str
        Where the embeddings are from, for the reason.

    Returns
    -------
    found : DataFrame
        One row per clip of `fold`: purity, expected, margin_linear, status ("ok", "no_embedding"),
        reason.
    reasons : list of str
        Folds without a linear margin, and why.
    """
    rows, reasons = [], []
    for number, space in spaces.items():
        clips = space.index[space.index.isin(fold.index[fold == number])]
        held_out = space.index.isin(clips)
        y, recording = about.loc[space.index, "y"], about.loc[space.index, "dialog_id"]
        found = local_purity(space, y, recording, k=k).set_index(space.index)[held_out]
        if about["y"].nunique() == 2:
            p, reason = linear_p(space, y, held_out)
            found["margin_linear"] = margin(p)
            reasons += [f"fold {number}: no linear margin, {reason}"] if reason else []
        rows.append(found.assign(status="ok", reason=""))
    known = pd.concat(rows)
    wanted = [clip for n in spaces for clip in about.index[about.index.isin(fold.index[fold == n])]]
    found = known.reindex(wanted).rename_axis("clip_id")
    found["status"] = found["status"].fillna("no_embedding")
    found["reason"] = found["reason"].fillna(f"There is no text embedding ({source}).")
    return found, reasons


def _checked(embeddings, **columns):
    embeddings = np.asarray(embeddings, float)
    if embeddings.ndim != 2:
        raise ValueError(f"embeddings: expected an array [n, d], got shape {embeddings.shape}")
    bad = ~np.isfinite(embeddings).all(axis=1)
    if bad.any():
        raise ValueError(f"embeddings: {int(bad.sum())} of {len(bad)} rows are NaN or infinite")
    arrays = [np.asarray(values) for values in columns.values()]
    for name, values in zip(columns, arrays, strict=True):
        if values.shape != (len(embeddings),):
            raise ValueError(
                f"{name}: expected one entry per clip ({len(embeddings)}), got {values.shape}"
            )
    return embeddings, *arrays


@cache
def _analyzer():
    return SentimentIntensityAnalyzer()


def lexicon(transcripts) -> pd.DataFrame:
    """Length of each transcript, and its words of feeling.

    Parameters
    ----------
    transcripts : sequence of str
        A missing transcript gives missing values.

    Returns
    -------
    DataFrame [n]
        n_words, n_characters; positive_share and negative_share (words that VADER's lexicon rates
        above and below 0, among all words; missing without words); compound (VADER's score of
        the sentence, -1 to 1, which minds negation and emphasis).

    Notes
    -----
    VADER: Hutto & Gilbert (2014), doi:10.1609/icwsm.v8i1.14550, by ``vaderSentiment``. Its lexicon
    was rated on English social media. Capitals raise its scores where only some words have them.
    """
    rows = []
    for text in transcripts:
        if pd.isna(text):
            rows.append(dict.fromkeys(LEXICON, np.nan))
            continue
        words = re.findall(r"\w+(?:['’]\w+)*", text)
        rated = np.array([_analyzer().lexicon.get(word.lower(), 0) for word in words])
        rows.append(
            {
                "n_words": len(words),
                "n_characters": len(text),
                "positive_share": (rated > 0).mean() if words else np.nan,
                "negative_share": (rated < 0).mean() if words else np.nan,
                "compound": _analyzer().polarity_scores(text)["compound"] if words else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=list(LEXICON), dtype=float)


def project(
    embeddings, *, n_neighbors=15, min_dist=0.1, metric="cosine", parametric=False, seed=42
) -> np.ndarray:
    """Two coordinates per clip by UMAP, for a picture (paper, Figure 3).

    Distances between groups, and their sizes, mean little in such a picture.

    Parameters
    ----------
    embeddings : array [n, d]
        Eight clips or more.
    n_neighbors, min_dist, metric
        UMAP's own. Small corpora have fewer neighbours than asked for: all are used then.
    parametric : bool
        Learn the projection as a network (Sainburg et al. 2021, which the paper cites). Needs
        tensorflow.
    seed : int

    Returns
    -------
    array [n, 2]

    Raises
    ------
    ImportError
        `parametric` without tensorflow.
    ValueError
        Fewer than eight clips.

    Notes
    -----
    ``umap.UMAP``: McInnes, Healy & Melville (2018), arXiv:1802.03426.
    """
    import umap  # compiles for seconds

    (embeddings,) = _checked(embeddings)
    if len(embeddings) < 8:
        raise ValueError(f"too few (n={len(embeddings)}) for UMAP: eight clips or more are needed")
    options = dict(
        n_neighbors=min(n_neighbors, len(embeddings) - 1),
        min_dist=min_dist,
        metric=metric,
        random_state=seed,
        n_jobs=1,
    )
    if not parametric:
        return umap.UMAP(**options).fit_transform(embeddings)
    try:
        import tensorflow
    except ImportError as error:
        raise ImportError(
            f"Parametric UMAP cannot be loaded: {error}. Install it with "
            "`pip install 'umap-learn[parametric_umap]'`, or use parametric=False."
        ) from error
    tensorflow.keras.utils.set_random_seed(seed)
    return umap.ParametricUMAP(**options).fit_transform(embeddings)


def picture(space, about, **how) -> pd.DataFrame:
    """Coordinates of `project` with the label of each clip, for `plots.projection`.

    Parameters
    ----------
    space : DataFrame
        Embeddings, indexed by clip_id.
    about : DataFrame
        Indexed by clip_id: y, label.
    **how
        As for `project`.

    Returns
    -------
    DataFrame
        Indexed by clip_id: x, y, label (``class 0: neutral``). Clips of the first two classes.
    """
    found = pd.DataFrame(project(space, **how), index=space.index, columns=["x", "y"])
    here = about.loc[space.index]
    found["label"] = [
        f"class {y}: {label}" for y, label in zip(here["y"], here["label"], strict=True)
    ]
    return found[here["y"].isin(sorted(about["y"].unique())[:2])]

"""Do people agree: coefficients, and intervals that resample recordings.

Ratings come in two shapes. *Judgments*: a long table with one row per answer (`annotator`,
`clip_id`, `judgment`, and `modality`, `round` where they exist). *Counts*: an array [n_clips, k] of
votes per category, the number of votes free to differ between clips.

`groups` is the recording of each clip, by clip_id or row by row; intervals draw whole recordings.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from empdis_utils.data.tables import QUADRANTS, SCHEMAS
from empdis_utils.measures import inference
from empdis_utils.measures.disagreement import quadrant_of
from empdis_utils.measures.inference import Interval

__all__ = [
    "JUDGMENTS", "agreement_table", "annotator_bias", "cohen_kappa", "cohen_kappa_of_cells",
    "delta_between_rounds", "difference", "divided", "fleiss_kappa", "gwet_ac1", "interval",
    "krippendorff_alpha", "moments_of", "movement", "people_quadrants", "raw_agreement",
    "soft_labels", "split_answers", "split_votes", "vote_counts",
]  # fmt: skip

JUDGMENTS = ("neutral", "empathetic")
KAPPA = list(SCHEMAS["kappa"].columns)


# ---------------------------------------------------------------- ratings in, arrays out


def _item_columns(judgments):
    return [c for c in ("clip_id", "modality", "round") if c in judgments]


def _check_judgments(judgments):
    missing = {"annotator", "clip_id", "judgment"} - set(judgments)
    if missing:
        raise ValueError(f"judgments lack the columns {sorted(missing)}")
    double = judgments.duplicated(["annotator", *_item_columns(judgments)])
    if double.any():
        row = judgments[double].iloc[0]
        raise ValueError(
            f"{double.sum()} double judgments, the first by {row['annotator']!r} of clip "
            f"{row['clip_id']!r}: keep one row per annotator and clip (and modality and round)"
        )


def vote_counts(judgments, categories=None):
    """Count the votes of each clip.

    `judgments`: long table: annotator, clip_id, judgment; modality and round, if present, tell
    items apart. A missing judgment is no vote. `categories`: columns of the result, used or not.
    Default: the sorted judgments that occur. Returns a table, shape [n_items, k]: index: clip_id
    (and modality, round). int counts. Raises ValueError: missing columns, a double judgment, or a
    judgment outside `categories`.
    """
    _check_judgments(judgments)
    seen = judgments["judgment"].dropna()
    categories = sorted(seen.unique()) if categories is None else list(categories)
    extra = set(seen) - set(categories)
    if extra:
        raise ValueError(f"judgments outside the categories {categories}: {sorted(extra)}")
    dummies = pd.DataFrame({c: (judgments["judgment"] == c).astype(int) for c in categories})
    return dummies.groupby([judgments[c] for c in _item_columns(judgments)], sort=False).sum()


def _counts(ratings):
    """Counts as a float array [n_clips, k] from either shape."""
    if isinstance(ratings, pd.DataFrame) and "judgment" in ratings:
        ratings = vote_counts(ratings)
    counts = np.asarray(ratings, float)
    if counts.ndim != 2:
        raise ValueError(f"counts must be [n_clips, k], not of shape {counts.shape}")
    if not np.isfinite(counts).all() or (counts < 0).any() or (counts % 1).any():
        raise ValueError("counts must be whole numbers of votes, 0 or more, none missing")
    return counts


def _pairs(judgments):
    """Two annotators side by side: DataFrame [n_items, 2], missing where one did not answer."""
    _check_judgments(judgments)
    annotators = sorted(judgments["annotator"].unique())
    if len(annotators) != 2:
        raise ValueError(
            f"Cohen's kappa needs two annotators, not {len(annotators)} {annotators}: "
            "use fleiss_kappa or krippendorff_alpha"
        )
    return judgments.set_index([*_item_columns(judgments), "annotator"])["judgment"].unstack()


# ---------------------------------------------------------------- moments and coefficients
#
# Every coefficient is a function of sums over clips (its moments), so a recording enters a resample
# only through the sum of its clips' moments.


def _count_moments(counts):
    """Moments [n_clips, 2k + 4] of the count coefficients; see `interval` for the algebra."""
    votes = counts.sum(axis=1)
    paired = votes >= 2
    safe = np.where(paired, votes, 2)
    agreeing = (counts * (counts - 1)).sum(axis=1)
    return np.column_stack(
        [
            paired,
            agreeing / (safe * (safe - 1)),
            votes >= 1,
            counts / np.maximum(votes, 1)[:, None],
            agreeing / (safe - 1),
            counts * paired[:, None],
        ]
    )


def _pair_moments(pairs):
    """Cells of the confusion matrix, one-hot [n_clips, k * k]; rows with a missing answer are 0."""
    pairs = pd.DataFrame(pairs)
    both = pairs.notna().all(axis=1).to_numpy()
    codes, categories = pd.factorize(pairs[both].to_numpy().ravel())
    k = len(categories)
    moments = np.zeros((len(pairs), k * k))
    moments[np.flatnonzero(both), codes[::2] * k + codes[1::2]] = 1
    return moments


def _chance_corrected(observed, expected):
    return (observed - expected) / (1 - expected)


def _mean(t):
    return t[..., 1] / t[..., 0]


def _share(t):
    k = (t.shape[-1] - 4) // 2
    return t[..., 3 : 3 + k] / t[..., 2:3]


def _fleiss(t):
    return _chance_corrected(_mean(t), (_share(t) ** 2).sum(axis=-1))


def _ac1(t):
    share = _share(t)
    return _chance_corrected(_mean(t), (share * (1 - share)).sum(axis=-1) / (share.shape[-1] - 1))


def _alpha(t):
    k = (t.shape[-1] - 4) // 2
    agreeing, votes = t[..., 3 + k], t[..., 4 + k :]
    n = votes.sum(axis=-1)
    return _chance_corrected(agreeing / n, (votes * (votes - 1)).sum(axis=-1) / (n * (n - 1)))


def _cohen(t):
    k = round(t.shape[-1] ** 0.5)
    cells = t.reshape(*t.shape[:-1], k, k)
    n = cells.sum(axis=(-1, -2))
    observed = np.einsum("...ii->...", cells) / n
    return _chance_corrected(observed, (cells.sum(-1) * cells.sum(-2)).sum(-1) / n**2)


STATISTICS = {
    "raw_agreement": _mean,
    "fleiss_kappa": _fleiss,
    "krippendorff_alpha": _alpha,
    "gwet_ac1": _ac1,
    "cohen_kappa": _cohen,
}


def _evaluate(function, totals):
    """The statistic of moment totals; NaN where it is undefined (0/0)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = function(totals)
    return np.where(np.isfinite(value), value, np.nan)


def _of_counts(function, ratings):
    return float(_evaluate(function, _count_moments(_counts(ratings)).sum(axis=0)))


def raw_agreement(ratings):
    """Mean over clips of the share of agreeing pairs of raters.

    Parameters
    ----------
    ratings : DataFrame of judgments, or counts [n_clips, k]
        Clips with fewer than two votes have no pair and do not enter.

    Returns
    -------
    float
        0 to 1; NaN when no clip has two votes.

    Notes
    -----
    The observed agreement of Fleiss (1971), doi:10.1037/h0031619; checked against R's irrCAC.
    """
    return _of_counts(_mean, ratings)


def cohen_kappa(first, second=None):
    """Cohen's kappa of two annotators.

    Parameters
    ----------
    first : array-like [n_clips], or DataFrame of judgments
        One annotator's answers; or the long table of exactly two annotators.
    second : array-like [n_clips], optional
        The other annotator's answers, in the same order.

    Returns
    -------
    float
        Clips that one annotator did not answer do not enter. NaN when undefined: no common clip, or
        both gave one and the same answer throughout (expected agreement 1).

    Raises
    ------
    ValueError
        Not two annotators, a double judgment, or arrays of different length.

    Notes
    -----
    Cohen (1960), doi:10.1177/001316446002000104. Checked against scikit-learn, statsmodels and
    R's irrCAC. Own code, so that the value and its bootstrap are one function.

    Examples
    --------
    >>> cohen_kappa(["yes", "no", "no", "yes"], ["yes", "no", "yes", "yes"])
    0.5
    """
    if second is None:
        pairs = _pairs(first)
    else:
        first, second = (pd.Series(np.asarray(x)) for x in (first, second))
        if len(first) != len(second):
            raise ValueError(f"{len(first)} answers against {len(second)}: not the same clips")
        pairs = pd.DataFrame({0: first, 1: second})
    return float(_evaluate(_cohen, _pair_moments(pairs).sum(axis=0)))


def cohen_kappa_of_cells(cells):
    """Cohen's kappa of confusion matrices, many at once.

    `cells` (array [..., k, k]): number of clips for each pair of answers. Returns array [...]: NaN
    where `cohen_kappa` is undefined.
    """
    return _evaluate(_cohen, cells.reshape(*cells.shape[:-2], -1))


def fleiss_kappa(ratings):
    """Fleiss' kappa, for any and unequal numbers of raters.

    Parameters
    ----------
    ratings : DataFrame of judgments, or counts [n_clips, k]

    Returns
    -------
    float
        NaN when undefined: no clip with two votes, or one category only.

    Notes
    -----
    Fleiss (1971), doi:10.1037/h0031619. With unequal numbers: Gwet's generalisation (Handbook of
    Inter-Rater Reliability, 2014, ch. 2): observed agreement is the mean over clips with two votes
    or more, chance uses the mean over clips of each clip's vote shares. Checked against
    statsmodels (equal numbers) and R's irrCAC (unequal).

    Examples
    --------
    >>> round(fleiss_kappa(np.array([[3, 0], [2, 1], [0, 3]])), 3)
    0.55
    """
    return _of_counts(_fleiss, ratings)


def krippendorff_alpha(ratings):
    """Krippendorff's alpha for nominal categories, for any and unequal numbers of raters.

    Parameters
    ----------
    ratings : DataFrame of judgments, or counts [n_clips, k]

    Returns
    -------
    float
        NaN when undefined: no clip with two votes, or one category only.

    Notes
    -----
    Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability". Each clip weighs by its
    number of pairable votes, which is where alpha parts from Fleiss' kappa when numbers differ.
    Checked against the `krippendorff` package and R's irrCAC.

    Examples
    --------
    >>> round(krippendorff_alpha(np.array([[3, 0], [2, 1], [0, 3]])), 3)
    0.6
    """
    return _of_counts(_alpha, ratings)


def gwet_ac1(ratings):
    """Gwet's AC1, which stays stable when one category dominates.

    Parameters
    ----------
    ratings : DataFrame of judgments, or counts [n_clips, k]
        k counts unused categories too: give counts with all columns when one may not occur.

    Returns
    -------
    float
        NaN when undefined: no clip with two votes, or k = 1.

    Notes
    -----
    Gwet (2008), doi:10.1348/000711006X126600. Checked against R's irrCAC.

    Examples
    --------
    >>> round(gwet_ac1(np.array([[3, 0], [2, 1], [0, 3]])), 3)
    0.561
    """
    return _of_counts(_ac1, ratings)


# ---------------------------------------------------------------- intervals over recordings


def _interval(moments, groups, function, n, n_boot, seed) -> Interval:
    """Interval of `function` of sums of moments; `n` is the clips that count."""
    found = inference.interval(moments, function, groups=groups, n_boot=n_boot, seed=seed)
    found = found._replace(n=n)
    if n < 2:
        few = dict(status="too_few", reason=f"too few clips (n={n})")
        return found._replace(ci_low=np.nan, ci_high=np.nan, **few)
    if found.status == "undefined" and np.isnan(found.estimate):
        return found._replace(reason="undefined: only one category was used")
    return found


def moments_of(ratings, statistic):
    """A statistic, by name or public function, as a function of sums over clips.

    Returns `moments` (array [n_clips, c]); `function` (callable): of sums of moments [..., c]; `n`:
    clips that count.
    """
    name = getattr(statistic, "__name__", statistic)
    if name not in STATISTICS:
        raise ValueError(f"unknown statistic {name!r}: one of {sorted(STATISTICS)}")
    if name == "cohen_kappa":
        moments = _pair_moments(ratings)
        return moments, STATISTICS[name], int(moments.sum())
    moments = _count_moments(_counts(ratings))
    return moments, STATISTICS[name], int(moments[:, 0].sum())


def interval(counts, groups, statistic="krippendorff_alpha", n_boot=2000, seed=42):
    r"""95 % interval of a coefficient, by resampling recordings.

    Parameters
    ----------
    counts : array-like [n_clips, k]
        Votes per category; for ``cohen_kappa`` the two annotators' answers [n_clips, 2].
    groups : array-like [n_clips] or None
        Recording of each clip. None resamples clips, which is only right when none share one.
    statistic : str or function
        One of `STATISTICS`, or the public function of that name.
    n_boot : int
    seed : int

    Returns
    -------
    Interval
        See `inference.Interval`; n is the clips that two people judged.

    Raises
    ------
    ValueError
        Unknown statistic, unequal lengths, a clip without a recording.

    Notes
    -----
    With votes :math:`n_{ic}` of clip i for category c and :math:`r_i=\sum_c n_{ic}`, let
    :math:`s_i=\sum_c n_{ic}(n_{ic}-1)`. Every coefficient is a function of sums over clips:

    - observed agreement: :math:`P=\sum s_i/[r_i(r_i-1)]\,/\,\#\{r_i\ge2\}`
    - shares: :math:`\pi_c=\sum (n_{ic}/r_i)\,/\,\#\{r_i\ge1\}`; Fleiss expects
      :math:`\sum\pi_c^2`, AC1 :math:`\sum\pi_c(1-\pi_c)/(k-1)`
    - alpha, over :math:`r_i\ge2`: observed :math:`\sum s_i/(r_i-1)\,/\,N`, expected
      :math:`\sum_c n_c(n_c-1)/[N(N-1)]` with :math:`n_c=\sum_i n_{ic}`, :math:`N=\sum_c n_c`
    - Cohen: the k × k confusion matrix

    So a recording is its sum of moments, a resample is a row of multinomial weights, and all
    resamples are one matrix product.

    The interval is that of `inference.intervals`, and that of `inference.share_interval` for the
    raw agreement, which is a mean of shares.
    """
    moments, function, n = moments_of(counts, statistic)
    if function is _mean:
        judged = moments[:, 0] > 0
        groups = None if groups is None else np.asarray(groups)[judged]
        return inference.share_interval(moments[judged, 1], groups=groups)
    return _interval(moments, groups, function, n, n_boot, seed)


class Difference(NamedTuple):
    """Second minus first, with its 95 % interval and the p of the flip test."""

    estimate: float
    ci_low: float
    ci_high: float
    p_permutation: float
    n: int
    n_recordings: int
    reason: str


def difference(
    first, second, groups, statistic="krippendorff_alpha", n_boot=2000, n_perm=2000, seed=42
):
    """Coefficient of `second` minus that of `first`, the same clips judged twice.

    `first`, `second` (array-like): as for `interval`, row by row the same clips. Clips that lack a
    pair of votes on either side do not enter. `groups`, `statistic`, `n_boot`, `seed`: as for
    `interval`. One resample of recordings serves both sides. `n_perm`: random flips of the two
    sides, whole recordings at a time. Returns Difference: p_permutation: two-sided, see
    `inference.flip_test`. Raises ValueError: sides of different length, and as `interval`.

    The test asks whether the two rounds are exchangeable. What changes between them may change in
    all clips of a recording at once, so whole recordings flip: flips clip by clip would find a
    change far too often.
    """
    first, second = pd.DataFrame(first), pd.DataFrame(second)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} clips against {len(second)}: give the same clips twice")
    if getattr(statistic, "__name__", statistic) == "cohen_kappa":
        # One coding for both sides, so that the confusion matrices have the same cells.
        stacked = pd.concat([first, second.set_axis(first.columns, axis=1)])
        moments, function, _ = moments_of(stacked, statistic)
        one, two = moments[: len(first)], moments[len(first) :]
        both = one.any(axis=1) & two.any(axis=1)
    else:
        one, function, _ = moments_of(first, statistic)
        two, _, _ = moments_of(second, statistic)
        both = (one[:, 0] > 0) & (two[:, 0] > 0)
    one, two = one[both], two[both]
    groups = np.arange(len(first)) if groups is None else np.asarray(groups)
    if len(groups) != len(first):
        raise ValueError(f"{len(first)} clips but {len(groups)} groups")
    width = one.shape[1]

    def delta(t):
        return function(t[..., width:]) - function(t[..., :width])

    groups, n = groups[both], int(both.sum())
    result = _interval(np.hstack([one, two]), groups, delta, n, n_boot, seed)
    p = inference.flip_test(one, two, function, groups=groups, n_perm=n_perm, seed=seed)
    return Difference(*result[:3], p, n, result.n_recordings, result.reason)


# ---------------------------------------------------------------- tables


def _groups_of(table, groups):
    """Recording of each row: `groups` is None, a column name, or a mapping from clip_id."""
    if groups is None:
        return table["clip_id"].to_numpy()
    if isinstance(groups, str):
        return table[groups].to_numpy()
    found = table["clip_id"].map(groups)
    if found.isna().any():
        lost = table.loc[found.isna(), "clip_id"].iloc[0]
        raise ValueError(f"no recording known for clip {lost!r}: complete `groups`")
    return found.to_numpy()


def _cells(table, by):
    """(key, rows) for each cell of `by`, in order of first appearance; by=[] is one cell."""
    if not len(by):
        yield (), table
        return
    yield from table.groupby(list(by), sort=False, observed=True)


def _coefficients(ratings, groups, n_boot, seed, names):
    """Columns of one row: estimate and bounds of each named statistic."""
    row, reasons = {}, []
    for column, name, source in names:
        result = interval(source(ratings), groups, name, n_boot, seed)
        row |= {column: result.estimate}
        row |= {f"{column}_low": result.ci_low, f"{column}_high": result.ci_high}
        row |= {"n": result.n, "n_recordings": result.n_recordings}
        if result.reason:
            reasons.append(f"{column}: {result.reason}")
    return row | {"reason": "; ".join(reasons)}


def agreement_table(
    table,
    by=("modality", "quadrant", "round"),
    *,
    groups,
    categories=JUDGMENTS,
    subsets=None,
    detail=False,
    n_boot=2000,
    seed=42,
):
    """Agreement per cell, with intervals that resample recordings: the table `kappa`.

    `table`: annotations (long, with `judgment`, and the columns of `by`), or counts: one row per
    clip (and condition) with clip_id, the columns of `by`, and one column of votes per category.
    `by`: columns that make the cells, in any order. ``()`` pools all. `groups`: recording of each
    clip: a column of `table`, or a mapping from clip_id. None: clips. `categories`: the judgments,
    or the count columns. `subsets`: clips of each subset, None for all, e.g. ``{"all": None,
    "tokens>=6": ids}`` (Table 7). `detail`: annotations only: add the columns that counts always
    have. Returns columns modality, quadrant, round, subset, n, kappa, ci_low, ci_high, alpha.
    Columns that `by` does not name are ``all`` (round: 0, both rounds as separate items). kappa is
    Cohen's for two annotators of the whole table, else Fleiss'; n is the clips with two answers or
    more. Counts, and `detail`, add: other columns of `by`, alpha_low, alpha_high, raw_agreement,
    ac1 (each with _low, _high), n_recordings, reason. Undefined is NaN with a reason. Raises
    ValueError: unknown columns, double judgments, a clip without a recording.
    """
    by = list(by)
    long = "judgment" in table
    needed = ["clip_id", *by, *([] if long else categories)]
    if missing := [c for c in needed if c not in table]:
        raise ValueError(f"the table lacks the columns {missing}")
    annotators = sorted(table["annotator"].unique()) if long else []
    cohen = len(annotators) == 2
    counted = [
        ("alpha", "krippendorff_alpha", lambda r: r[0]),
        ("raw_agreement", "raw_agreement", lambda r: r[0]),
        ("ac1", "gwet_ac1", lambda r: r[0]),
        ("kappa", "cohen_kappa", lambda r: r[1])
        if cohen
        else ("kappa", "fleiss_kappa", lambda r: r[0]),
    ]
    rows = []
    for subset, clips in (subsets or {"all": None}).items():
        part = table if clips is None else table[table["clip_id"].isin(set(clips))]
        for key, cell in _cells(part, by):
            items = cell
            if long:
                counts = vote_counts(cell, categories)
                items = counts.index.to_frame(index=False).merge(
                    cell.drop_duplicates(_item_columns(cell)), on=_item_columns(cell), how="left"
                )
                pairs = (
                    cell.set_index([*_item_columns(cell), "annotator"])["judgment"]
                    .unstack()
                    .reindex(index=counts.index, columns=annotators)
                )
                ratings = (counts, pairs)
            else:
                ratings = (cell[list(categories)], None)
            row = {"modality": "all", "quadrant": "all", "round": 0, "subset": subset}
            row |= dict(zip(by, key, strict=True))
            rows.append(
                row | _coefficients(ratings, _groups_of(items, groups), n_boot, seed, counted)
            )
    out = pd.DataFrame(rows).rename(columns={"kappa_low": "ci_low", "kappa_high": "ci_high"})
    extra = [c for c in by if c not in KAPPA]
    rest = ["alpha_low", "alpha_high"]
    rest += [f"{c}{s}" for c in ("raw_agreement", "ac1") for s in ("", "_low", "_high")]
    if not long or detail:
        return out.reindex(columns=[*extra, *KAPPA, *rest, "n_recordings", "reason"])
    return out.reindex(columns=[*extra, *KAPPA])


def _two_rounds(annotations):
    """Items [clip_id, modality × annotator] of round 1 and of round 2, aligned."""
    _check_judgments(annotations)
    wide = annotations.set_index(["clip_id", "modality", "annotator", "round"])["judgment"]
    wide = wide.unstack(["round", "annotator"])
    names = sorted(annotations["annotator"].unique())
    return tuple(wide.reindex(columns=pd.MultiIndex.from_product([[r], names]))[r] for r in (1, 2))


def delta_between_rounds(
    annotations,
    by=("modality", "quadrant"),
    *,
    groups,
    subsets=None,
    n_boot=2000,
    n_perm=2000,
    seed=42,
):
    """Δκ, round 2 minus round 1, with its own interval and a flip test.

    `annotations`: the annotations table, with the columns of `by`. `by`, `groups`, `subsets`,
    `n_boot`, `seed`: as for `agreement_table`. `n_perm`: random flips of the rounds, whole
    recordings and both annotators together. Returns a table: the columns of `by`, subset, n,
    n_recordings, kappa_1, kappa_2, delta, ci_low, ci_high, p_permutation, reason. Cohen's kappa for
    two annotators, Fleiss' for more. Only clips that two annotators or more judged in both rounds
    enter, so kappa_1 and kappa_2 can differ from `agreement_table` when some are missing. p is not
    corrected: correct it within the family that you declare. Raises ValueError: one annotator, and
    as `agreement_table`.

    Paper, Tables 6 and 7, column Δ, which come without interval or test. See `difference`.
    """
    names = sorted(annotations["annotator"].unique())
    if len(names) < 2:
        raise ValueError(f"two annotators needed, not {len(names)} {names}")
    statistic = "cohen_kappa" if len(names) == 2 else "fleiss_kappa"
    rows = []
    for subset, clips in (subsets or {"all": None}).items():
        part = annotations if clips is None else annotations[annotations["clip_id"].isin(clips)]
        for key, cell in _cells(part, by):
            rounds = [r.reindex(columns=names) for r in _two_rounds(cell)]
            whole = np.logical_and(*(r.notna().sum(axis=1) >= 2 for r in rounds))
            rounds = [r[whole] for r in rounds]
            items = cell.drop_duplicates(["clip_id", "modality"])
            items = rounds[0].index.to_frame(index=False).merge(items, on=["clip_id", "modality"])
            if statistic == "fleiss_kappa":
                rounds = [_votes_of(r) for r in rounds]
            result = difference(*rounds, _groups_of(items, groups), statistic, n_boot, n_perm, seed)
            kappas = [_estimate(r, statistic) for r in rounds]
            rows.append(
                dict(zip(by, key, strict=True))
                | {"subset": subset, "n": result.n, "n_recordings": result.n_recordings}
                | {"kappa_1": kappas[0], "kappa_2": kappas[1]}
                | {"delta": result.estimate, "ci_low": result.ci_low, "ci_high": result.ci_high}
                | {"p_permutation": result.p_permutation, "reason": result.reason}
            )
    return pd.DataFrame(rows)


def _estimate(ratings, statistic):
    moments, function, _ = moments_of(ratings, statistic)
    return float(_evaluate(function, moments.sum(axis=0)))


def _votes_of(answers):
    """Counts [n_items, 2] of answers [n_items, annotators]."""
    return pd.DataFrame({j: (answers == j).sum(axis=1) for j in JUDGMENTS})


def _check_labels(annotations, labels):
    if lost := sorted(set(annotations["clip_id"]) - set(dict(labels))):
        raise ValueError(f"no label for {len(lost)} clips, the first {lost[0]!r}")


def movement(annotations, labels, by=("annotator", "modality"), *, groups, n_boot=2000, seed=42):
    """Who changes their mind from round 1 to round 2, and towards the label or away from it.

    `annotations`: the annotations table, with the columns of `by`. `labels`: label of each clip_id.
    `by`, `groups`, `n_boot`, `seed`: as for `agreement_table`. Returns a table: the columns of
    `by`; n (answers given in both rounds), n_unpaired (in one round only); stay_right, stay_wrong,
    toward (wrong, then right), away (right, then wrong): counts; away_other (wrong, then wrong in
    another way; 0 with two judgments); net = (toward - away) / n with ci_low and ci_high over
    recordings; n_recordings, reason. Raises ValueError: a clip without a label, double judgments, a
    clip without a recording.
    """
    _check_judgments(annotations)
    _check_labels(annotations, labels)
    key = ["annotator", "clip_id", "modality"]
    wide = annotations.set_index([*key, "round"])["judgment"].unstack("round")
    wide = wide.reindex(columns=[1, 2]).reset_index()
    wide = wide.merge(annotations.drop(columns=["round", "judgment"]).drop_duplicates(key), on=key)
    wide["label"] = wide["clip_id"].map(labels)
    rows = []
    for names, cell in _cells(wide, by):
        whole = cell[[1, 2]].notna().all(axis=1)
        cell, n_unpaired = cell[whole], int((~whole).sum())
        before, after = (cell[r] == cell["label"] for r in (1, 2))
        changed = cell[1] != cell[2]
        step = after.astype(int) - before.astype(int)
        net = inference.interval(step, groups=_groups_of(cell, groups), n_boot=n_boot, seed=seed)
        rows.append(
            dict(zip(by, names, strict=True))
            | {"n": len(cell), "n_unpaired": n_unpaired}
            | {"stay_right": int((before & after).sum())}
            | {"stay_wrong": int((~before & ~after & ~changed).sum())}
            | {"toward": int((step == 1).sum()), "away": int((step == -1).sum())}
            | {"away_other": int((~before & ~after & changed).sum())}
            | {"net": net.estimate, "ci_low": net.ci_low, "ci_high": net.ci_high}
            | {"n_recordings": net.n_recordings, "reason": net.reason}
        )
    return pd.DataFrame(rows)


def annotator_bias(annotations, labels, *, groups, n_boot=2000, seed=42):
    """How much more often an annotator says "empathetic" than the labels of the same clips do.

    `annotations`: the annotations table. `labels`: label of each clip_id. `groups`, `n_boot`,
    `seed`: as for `agreement_table`. Returns columns annotator, round, n, share (of "empathetic"),
    label_share, bias (share minus label_share) with ci_low and ci_high over recordings, accuracy,
    n_recordings, reason. Raises ValueError: a clip without a label or without a recording.
    """
    _check_labels(annotations, labels)
    by = ["annotator", "round"]
    rows = []
    for names, cell in _cells(annotations, by):
        label = cell["clip_id"].map(labels)
        said, true = cell["judgment"] == "empathetic", label == "empathetic"
        apart = said.astype(int) - true.astype(int)
        bias = inference.interval(apart, groups=_groups_of(cell, groups), n_boot=n_boot, seed=seed)
        rows.append(
            dict(zip(by, names, strict=True))
            | {"n": len(cell), "share": said.mean(), "label_share": true.mean()}
            | {"bias": bias.estimate, "ci_low": bias.ci_low, "ci_high": bias.ci_high}
            | {"accuracy": (cell["judgment"] == label).mean()}
            | {"n_recordings": bias.n_recordings, "reason": bias.reason}
        )
    return pd.DataFrame(rows)


def divided(table, *, groups, n_boot=2000, seed=42):
    """How divided people are in each quadrant: mean of a value per clip, with its interval.

    `table`: answers (which kind), modality, quadrant, clip_id, value. Clips without a value are
    left out. Returns columns answers, modality, quadrant (in the order of the paper, then ``tie``
    and ``none``), n, divided, ci_low, ci_high.
    """
    by = ["answers", "modality", "quadrant"]
    rows = []
    for key, part in table.dropna(subset="value").groupby(by, sort=False):
        found = inference.interval(
            part["value"].to_numpy(float), groups=_groups_of(part, groups), n_boot=n_boot, seed=seed
        )
        numbers = {"divided": found.estimate, "ci_low": found.ci_low, "ci_high": found.ci_high}
        rows.append(dict(zip(by, key, strict=True)) | {"n": len(part)} | numbers)
    made = pd.DataFrame(rows, columns=[*by, "n", "divided", "ci_low", "ci_high"])
    order = [*QUADRANTS, "tie", "none"]
    made = made.sort_values("quadrant", key=lambda q: q.map(order.index), kind="stable")
    return made.sort_values(["answers", "modality"], kind="stable", ignore_index=True)


def split_answers(cells):
    """Whether the annotators differ on each clip once they have seen everything.

    `cells`: annotations with `quadrant`. Returns a table: as `divided` takes it; value: kinds of
    answers of round 2 minus 1, over all modalities.
    """
    by = ["quadrant", "modality", "clip_id"]
    split = cells[cells["round"] == 2].groupby(by)["judgment"].nunique().sub(1)
    return split.rename("value").reset_index().assign(answers="split answers", modality="all")


# ---------------------------------------------------------------- votes of many people


def soft_labels(counts):
    """Share of the votes per category, and the entropy of the votes.

    `counts` (DataFrame or array [n_clips, k]). Returns a table: same index; n_votes,
    share_<category> (summing to 1), entropy in nats (0 when all agree, at most log k), status and
    reason. A clip without votes has NaN and status ``no_votes``.

    Plug-in entropy (`scipy.stats.entropy`). It is biased low with few votes, about (k - 1) / 2n
    (Miller 1955), so compare clips with similar n_votes.
    """
    frame = pd.DataFrame(counts)
    votes = _counts(frame)
    n = votes.sum(axis=1)
    with np.errstate(invalid="ignore"):
        share = votes / n[:, None]
    out = pd.DataFrame({"n_votes": n.astype(int)}, index=frame.index)
    out = out.assign(**{f"share_{c}": share[:, i] for i, c in enumerate(frame.columns)})
    entropy = np.full(len(n), np.nan)
    entropy[n > 0] = stats.entropy(share[n > 0], axis=1) + 0.0
    return out.assign(
        entropy=entropy,
        status=np.where(n > 0, "ok", "no_votes"),
        reason=np.where(n > 0, "", "nobody judged this clip"),
    )


def split_votes(counts, seed=42):
    """Two halves of the votes of each clip, drawn at random without replacement.

    What one half decides (which quadrant a clip is in) can then be held against the other half,
    which had no part in it.

    `counts` (DataFrame or array [n_clips, k]). Returns `one, other` (DataFrame [n_clips, k]): They
    add up to `counts`; with an odd number of votes `other` has one more.

    Multivariate hypergeometric: every vote is equally likely to fall into either half.
    """
    frame = pd.DataFrame(counts)
    votes = _counts(frame).astype(int)
    rng = np.random.default_rng(seed)
    half = [rng.multivariate_hypergeometric(v, v.sum() // 2, method="marginals") for v in votes]
    one = pd.DataFrame(np.array(half).reshape(votes.shape), frame.index, frame.columns)
    return one, pd.DataFrame(votes - one.to_numpy(), frame.index, frame.columns)


def people_quadrants(counts_unimodal, counts_multimodal, y):
    """Quadrants made of people: is the majority right from one modality, and from all?

    Parameters
    ----------
    counts_unimodal, counts_multimodal : DataFrame or array [n_clips, k]
        Votes per category, row by row the same clips.
    y : array-like [n_clips]
        The right category of each clip: a column name of the counts (0..k-1 for arrays).

    Returns
    -------
    DataFrame
        Index of counts_unimodal; y, conf_unimodal and conf_fusion (share of the votes for y),
        entropy_unimodal and entropy_multimodal (nats), n_unimodal and n_multimodal (votes),
        quadrant, status, reason.

        The majority is right when y alone has the most votes, wrong when y has fewer than another
        category. When y shares the first place, the majority neither is right nor wrong: quadrant
        ``tie``, status ``tie``. No votes on a side: quadrant ``none``, status ``no_votes``. Count
        both when you leave them out.

    Raises
    ------
    ValueError
        Different clips or categories on the two sides, or a y that is no category.

    Notes
    -----
    The quadrant names are the paper's (section 3), with people in the place of models. The
    majority is a plurality, as in CREMA-D's `emoVote` (Cao et al. 2014,
    doi:10.1109/TAFFC.2014.2336244).
    """
    one, two = pd.DataFrame(counts_unimodal), pd.DataFrame(counts_multimodal)
    if list(one.columns) != list(two.columns):
        raise ValueError(f"categories differ: {list(one.columns)} and {list(two.columns)}")
    if not one.index.equals(two.index):
        raise ValueError("the two sides are not the same clips in the same order: align the index")
    y = np.asarray(y)
    if len(y) != len(one):
        raise ValueError(f"{len(one)} clips but {len(y)} labels")
    code = one.columns.get_indexer(y)
    if (code < 0).any():
        raise ValueError(f"label {y[code < 0][0]!r} is none of the categories {list(one.columns)}")
    out = pd.DataFrame({"y": y}, index=one.index)
    right, tie = [], []
    for name, conf, frame in (
        ("unimodal", "conf_unimodal", one),
        ("multimodal", "conf_fusion", two),
    ):
        votes, soft = _counts(frame), soft_labels(frame)
        own = votes[np.arange(len(y)), code]
        others = votes.copy()
        others[np.arange(len(y)), code] = -1
        best = others.max(axis=1)
        right.append(own > best)
        tie.append((own == best) & (own > 0))
        with np.errstate(invalid="ignore"):
            out[conf] = own / votes.sum(axis=1)
        out[f"entropy_{name}"] = soft["entropy"]
        out[f"n_{name}"] = soft["n_votes"]
    quadrant = quadrant_of(*right)
    empty = ((out["n_unimodal"] == 0) | (out["n_multimodal"] == 0)).to_numpy()
    tied = (tie[0] | tie[1]) & ~empty
    out["quadrant"] = np.select([empty, tied], ["none", "tie"], quadrant)
    out["status"] = np.select([empty, tied], ["no_votes", "tie"], "ok")
    out["reason"] = np.select(
        [empty, tied], ["a side has no votes", "the label shares the most votes"], ""
    )
    return out

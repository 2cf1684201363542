"""Which channel wins: what people say who get both channels, beside those who get only one.

Tables of votes have one row per clip and one column per answer, as in `incongruence`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import statsmodels.api as sm
from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

from empdis_utils.measures import inference
from empdis_utils.measures.alignment import codes_of
from empdis_utils.measures.incongruence import (
    count_arrays,
    division,
    incongruence,
    shares,
    squared_shares,
)

__all__ = ["COLUMNS", "channel_weight", "flows", "winner_model", "wins"]

COLUMNS = ["model", "wins", "term", "estimate", "ci_low", "ci_high", "p"]


def channel_weight(first, second, whole, *, by=None, groups=None, n_boot=2000, seed=42):
    r"""Weight of the first channel in what people say who get both.

    The :math:`w` that makes :math:`w p + (1 - w) q` come closest to the votes :math:`r` on the
    whole clip, with noise taken out of both sums:

    .. math:: w = \frac{\sum_i (r_i - q_i) \cdot (p_i - q_i)}{\sum_i |p_i - q_i|^2}

    Parameters
    ----------
    first, second, whole : DataFrame [n, k]
    by : array [n], optional
        One row for each of its values, after the row ``all``.
    groups, n_boot, seed
        As for `inference.intervals`.

    Returns
    -------
    DataFrame
        by, estimate, ci_low, ci_high, n, n_recordings, status, reason, apart (mean unbiased
        incongruence: where the channels say the same, no weight can be told).

    Notes
    -----
    If each person of the whole clip followed one channel or the other, w is the share that followed
    the first. Checked on such simulated votes.
    """
    a, b, r = count_arrays(first, second, whole)
    p, q, mean = shares(a), shares(b), shares(r)
    below = incongruence(a, b)["unbiased"].to_numpy()
    above = (mean * (p - q)).sum(axis=1) - (p * q).sum(axis=1) + squared_shares(b)
    codes, how = codes_of(groups, len(a)), dict(n_boot=n_boot, seed=seed)
    usable = np.isfinite(above) & np.isfinite(below)
    rows = []
    for name, inside in _each(by, len(a)):
        at = usable & inside
        found = inference.interval(
            np.column_stack([above, below])[at], _ratio, groups=codes[at], **how
        )
        apart = below[at].mean() if at.any() else np.nan
        rows.append({"by": name, **found._asdict(), "apart": apart})
    return pd.DataFrame(rows)


def _ratio(sums):
    return sums[..., 0] / sums[..., 1]


def _each(by, n):
    """The rows of "all" clips, then those of each value of `by`."""
    yield "all", np.ones(n, bool)
    for name in np.unique(by) if by is not None else ():
        yield name, np.asarray(by) == name


def flows(first, second, whole) -> pd.DataFrame:
    """Where the majorities go: clips by most frequent answer on each channel and on the whole clip.

    Returns columns first, whole, second (answers), clips. A clip whose majority is tied somewhere
    counts in equal parts, so that `clips` adds up to the clips.
    """
    answers = list(getattr(first, "columns", range(np.shape(first)[1])))
    one, both, two = (
        (v == v.max(axis=1, keepdims=True)) / (v == v.max(axis=1, keepdims=True)).sum(1)[:, None]
        for v in count_arrays(first, whole, second)
    )
    cube = np.einsum("ia,ib,ic->abc", one, both, two)
    cells = pd.MultiIndex.from_product([answers] * 3, names=["first", "whole", "second"])
    table = pd.Series(cube.ravel(), cells, name="clips").reset_index()
    return table[table["clips"] > 0].reset_index(drop=True)


def _conflicting_votes(first, second, whole):
    """Rows of clips whose two majorities are clear and differ; votes for other, first, second."""
    a, b, r = count_arrays(first, second, whole)
    clear = [(v == v.max(axis=1, keepdims=True)).sum(axis=1) == 1 for v in (a, b)]
    one, two = a.argmax(axis=1), b.argmax(axis=1)
    at = np.flatnonzero(clear[0] & clear[1] & (one != two) & (r.sum(axis=1) > 0))
    won = np.column_stack([r[at, one[at]], r[at, two[at]]])
    return at, np.column_stack([r[at].sum(axis=1) - won.sum(axis=1), won]).astype(int)


def wins(
    first, second, whole, names=("first", "second"), *, by=None, groups=None, n_boot=2000, seed=42
) -> pd.DataFrame:
    """Where the majorities of two channels differ: whose answer do the votes on both repeat?

    Returns columns by, wins (one of `names`, or ``neither``), estimate (share of votes), ci_low,
    ci_high, n (clips), n_votes, n_recordings, status, reason. Ties on a channel are left out.
    """
    at, votes = _conflicting_votes(first, second, whole)
    codes = codes_of(groups, np.shape(first)[0])[at]
    rows = []
    for name, keep in _each(None if by is None else np.asarray(by)[at], len(votes)):
        for column, who in enumerate(("neither", *names)):
            sums = np.column_stack([votes[keep, column], votes[keep].sum(axis=1)])
            how = dict(groups=codes[keep], n_boot=n_boot, seed=seed)
            found = inference.interval(sums, _ratio, **how)
            row = {"by": name, "wins": who, **found._asdict(), "n_votes": int(sums[:, 1].sum())}
            rows.append(row)
    return pd.DataFrame(rows)


def winner_model(first, second, whole, labels, groups, names=("first", "second")) -> pd.DataFrame:
    """A multinomial logit of single votes: neither, the first channel's majority, the second's.

    `first`, `second`, `whole` (DataFrame [n, k]). `labels` (array [n]): what each clip was meant to
    say, entered as dummies against the first by name. `groups` (array [n]): speakers: standard
    errors are clustered by them. `names`: of the channels. Returns columns model, wins (against
    neither; second against first), term, estimate (log-odds for one standard deviation of clarity),
    ci_low, ci_high, p, n_votes, n_recordings, status, reason. `model` is ``multinomial`` or
    ``speaker intercepts``; the row ``spread of speakers`` is the standard deviation of these, in
    log-odds.

    ``statsmodels`` has no multinomial logit with random effects: `MNLogit` clusters by speaker, and
    beside it `BinomialBayesMixedGLM` (variational) gives each speaker an intercept, on the votes
    that follow one channel or the other.
    """
    at, votes = _conflicting_votes(first, second, whole)
    codes = codes_of(groups, np.shape(first)[0])[at]
    about = {"n_votes": int(votes.sum()), "n_recordings": len(np.unique(codes))}
    if about["n_recordings"] < inference.MIN_RECORDINGS or votes.sum(axis=0).min() < 20:
        about |= {"status": "too_few", "reason": f"too few (n={about['n_votes']} votes)"}
        return pd.DataFrame([("multinomial", "", "", *[np.nan] * 4)], columns=COLUMNS).assign(
            **about
        )
    clear = [1 - division(v)[at] for v in (first, second)]
    design = pd.DataFrame({f"{n} is clear": c for n, c in zip(names, clear, strict=True)}).fillna(0)
    design = ((design - design.mean()) / design.std()).dropna(axis=1)  # one vote: all are clear
    marks = pd.get_dummies(pd.Series(np.asarray(labels)[at]), drop_first=True, dtype=float)
    design = sm.add_constant(pd.concat([design, marks], axis=1))
    who = np.tile([0, 1, 2], len(votes))
    times = votes.ravel()
    y, row = np.repeat(who, times), np.repeat(np.repeat(np.arange(len(votes)), 3), times)
    x, speaker = design.to_numpy()[row], codes[row]
    fit = sm.MNLogit(y, x).fit(
        disp=0, method="newton", cov_type="cluster", cov_kwds={"groups": speaker}
    )
    terms, rows = list(design.columns), []
    bounds = np.asarray(fit.conf_int()).reshape(2, len(terms), 2)
    params, p = np.asarray(fit.params), np.asarray(fit.pvalues)
    for k, side in enumerate(names):
        for j, term in enumerate(terms):
            rows.append(("multinomial", side, term, params[j, k], *bounds[k, j], p[j, k]))
    taken = y > 0
    who = np.unique(speaker[taken], return_inverse=True)[1]
    n_speakers = who.max() + 1
    start = np.full(x.shape[1] + 1 + n_speakers, np.exp(-0.5))  # else it is drawn, unseeded
    mixed = BinomialBayesMixedGLM(
        (y[taken] == 2).astype(float), x[taken], np.eye(n_speakers)[who], np.zeros(n_speakers, int)
    ).fit_vb(sd=start)
    half = 1.96 * mixed.fe_sd
    for j, term in enumerate(terms):
        value = mixed.fe_mean[j]
        ends = (value - half[j], value + half[j])
        rows.append(
            ("speaker intercepts", f"{names[1]} against {names[0]}", term, value, *ends, np.nan)
        )
    value, half = mixed.vcp_mean[0], 1.96 * mixed.vcp_sd[0]
    spread = np.exp([value, value - half, value + half])
    rows.append(
        ("speaker intercepts", "second against first", "spread of speakers", *spread, np.nan)
    )
    return pd.DataFrame(rows, columns=COLUMNS).assign(**about, status="ok", reason="")

"""Incongruence: people who get one channel of a clip say something else than those who get another.

Votes of a few people are a small sample, so two channels that say the same still look apart. Every
estimate here takes that out, and stands beside its placebo: two random halves of one channel's
votes. Tables of votes have one row per clip and one column per answer.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln
from scipy.stats import dirichlet_multinomial

from empdis_utils.measures import inference
from empdis_utils.measures.agreement import split_votes

__all__ = [
    "ABOUT", "by_channel", "clip_tests", "count_arrays", "discoveries", "division",
    "incongruence", "index_of", "majority_differs", "rates", "same_or_different", "shares",
    "split_half", "squared_shares",
]  # fmt: skip

ABOUT = ("clip_id", "modality", "n", "status", "reason")


def by_channel(votes: pd.DataFrame, *channels: str) -> list[pd.DataFrame]:
    """Votes of each channel [n, k], row by row the same clips.

    `votes`: clip_id, modality, one count per answer, n, status, reason (`Corpus.votes`).
    `*channels`: values of `modality`. Returns list of DataFrame: clips that are ``ok`` in every
    channel, indexed by clip_id. Raises ValueError: a channel that the votes lack, or no clip that
    has all.
    """
    if lost := sorted(set(channels) - set(votes["modality"])):
        known = ", ".join(votes["modality"].unique())
        raise ValueError(f"no votes on {', '.join(lost)}; there are votes on {known}")
    good = votes[(votes["status"] == "ok") & votes["modality"].isin(channels)]
    whole = good.groupby("clip_id")["modality"].nunique() == len(set(channels))
    if not whole.any():
        raise ValueError(f"no clip has votes on {', '.join(channels)}")
    order = votes["clip_id"].drop_duplicates()
    order = order[order.isin(whole.index[whole])]
    answers = [name for name in votes if name not in ABOUT]
    parts = good.set_index("clip_id")
    return [parts.loc[parts["modality"] == c, answers].loc[order] for c in channels]


def index_of(table):
    """The clips of a table; None for an array."""
    return table.index if isinstance(table, pd.DataFrame) else None


def count_arrays(*tables) -> list[np.ndarray]:
    found = [np.asarray(table, float) for table in tables]
    shapes = {table.shape for table in found}
    if len(shapes) > 1 or found[0].ndim != 2:
        raise ValueError(f"votes: expected tables [clips, answers] of one shape, got {shapes}")
    if any((table < 0).any() or not np.isfinite(table).all() for table in found):
        raise ValueError("votes: expected counts, 0 or more, none missing")
    return found


def shares(votes):
    with np.errstate(invalid="ignore"):
        return votes / votes.sum(axis=1, keepdims=True)


def squared_shares(votes):
    """Unbiased estimate of the sum of squared shares; NaN under two votes."""
    n = votes.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n > 1, (votes * (votes - 1)).sum(axis=1) / (n * (n - 1)), np.nan)


def division(votes) -> np.ndarray:
    r"""How divided people are: the chance that two of them give different answers.

    .. math:: D = 1 - \sum_k \frac{v_k (v_k - 1)}{n (n - 1)}

    Returns
    -------
    array [n]
        0 to 1, unbiased for Gini's index :math:`1 - \sum_k p_k^2` (Simpson 1949,
        doi:10.1038/163688a0); NaN under two votes.

    Examples
    --------
    >>> division([[4, 0], [2, 2]]).round(3).tolist()
    [0.0, 0.667]
    """
    return 1 - squared_shares(*count_arrays(votes))


def incongruence(first, second) -> pd.DataFrame:
    r"""How far apart two channels are: the squared distance of their vote distributions.

    With votes :math:`a` of :math:`n` people on one channel and :math:`b` of :math:`m` on the other,

    .. math::

        \hat I = \sum_k \left( \frac{a_k}{n} - \frac{b_k}{m} \right)^2
                 - \frac{D(a)}{n} - \frac{D(b)}{m}

    where :math:`D` is `division`. The plain distance is the first term alone.

    Parameters
    ----------
    first, second : DataFrame or array [n, k]
        Counts of votes, row by row the same clips.

    Returns
    -------
    DataFrame
        Index of `first`; plain (0 to 2; NaN without votes), unbiased (may be negative, as an
        estimate of 0 must; NaN under two votes in a channel), n_1, n_2, status, reason.

    Raises
    ------
    ValueError
        Tables of different shape, negative or missing counts.

    Notes
    -----
    Unbiased for :math:`\sum_k (p_k - q_k)^2` of two independent multinomials: the variance of a
    share is :math:`p_k (1 - p_k) / n`, whose sum over answers :math:`D / n` estimates without bias.
    Checked against the sum over all possible votes, and on simulated multinomials.

    Examples
    --------
    >>> incongruence([[5, 5]], [[5, 5]])[["plain", "unbiased"]].round(3).values.tolist()
    [[0.0, -0.111]]
    """
    a, b = count_arrays(first, second)
    n, m = a.sum(axis=1), b.sum(axis=1)
    plain = ((shares(a) - shares(b)) ** 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        unbiased = plain - division(a) / n - division(b) / m
    fewest = np.minimum(n, m).astype(int)
    return pd.DataFrame(
        {
            "plain": plain,
            "unbiased": unbiased,
            "n_1": n.astype(int),
            "n_2": m.astype(int),
            "status": np.where(fewest > 1, "ok", "too_few"),
            "reason": np.where(fewest > 1, "", [f"too few votes (n={k})" for k in fewest]),
        },
        index=index_of(first),
    )


def majority_differs(first, second) -> np.ndarray:
    """Chance [n] that the most frequent answers of two channels differ; a tie is drawn by lot."""
    tops = [votes == votes.max(axis=1, keepdims=True) for votes in count_arrays(first, second)]
    one, two = (top / top.sum(axis=1, keepdims=True) for top in tops)
    return 1 - (one * two).sum(axis=1)


def split_half(first, second, *, n_splits: int = 10, seed: int = 42) -> pd.DataFrame:
    """The same numbers where only one channel speaks: two random halves of its votes.

    `first`, `second` (DataFrame [n, k]). `n_splits`: random splits to average over. Returns a
    table: index of `first`, columns (number, compared): `majority` (chance that the majorities
    differ), `plain` and `unbiased` (as `incongruence`), each for ``channels`` (a half of the one
    against a half of the other, so as few votes), ``first`` and ``second`` (two halves of one). NaN
    under four votes.
    """
    enough = np.minimum(*(v.sum(axis=1) for v in count_arrays(first, second))) >= 4
    total = {}
    for split in range(n_splits):
        a, b = (split_votes(v, [seed, split, i]) for i, v in enumerate((first, second)))
        pairs = {"channels": (a[0], b[0]), "first": a, "second": b}
        for name, pair in pairs.items():
            apart = incongruence(*pair)
            found = {"majority": majority_differs(*pair)}
            found |= {k: apart[k].to_numpy() for k in ("plain", "unbiased")}
            for number, values in found.items():
                total[number, name] = total.get((number, name), 0) + values / n_splits
    table = pd.DataFrame(total, index=index_of(first))
    return table.where(np.tile(enough[:, None], table.shape[1]))


def rates(first, second, names=("first", "second"), *, groups=None, n_splits=10, **how):
    """How far apart the channels are on average, beside the same channel split in two.

    `first`, `second` (DataFrame [n, k]). `names`: of the channels. `groups`, `**how`: as for
    `inference.intervals`; `n_splits` and seed as for `split_half`. Returns columns number
    (majority, plain, unbiased), compared, estimate, ci_low, ci_high, n, n_recordings, status,
    reason. Compared: all votes, ``half against half`` of the two channels, two halves of one
    channel (the null), and the excess of the second over the larger null.
    """
    full = incongruence(first, second).assign(majority=majority_differs(first, second))
    halves = split_half(first, second, n_splits=n_splits, seed=how.get("seed", 42))
    one, two = names
    called = {"channels": f"{one} against {two}, half the votes of each"}
    called |= {"first": f"two halves of {one}", "second": f"two halves of {two}"}
    rows = []
    for number in ("majority", "plain", "unbiased"):
        parts = {f"{one} against {two}": full[number]}
        parts |= {name: halves[number, key] for key, name in called.items()}
        null = max(
            ("first", "second"), key=lambda key: np.nanmean([-1, halves[number, key].mean()])
        )
        excess = f"half against half, minus {called[null]}"
        parts[excess] = halves[number, "channels"] - halves[number, null]
        for name, values in parts.items():
            good = np.isfinite(values.to_numpy())
            at = None if groups is None else np.asarray(groups)[good]
            found = inference.interval(values.to_numpy()[good], groups=at, **how)
            rows.append({"number": number, "compared": name, **found._asdict()})
    return pd.DataFrame(rows)


# --------------------------------------------------------------------------- one clip at a time


@lru_cache(maxsize=20_000)
def _possible(totals: tuple[int, ...], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance and probability of every way in which `n` of the votes fall to the first channel."""
    totals = np.array(totals)
    m = totals.sum() - n
    ways = np.indices((*totals[1:] + 1, 1)).reshape(len(totals), -1).T[:, :-1]
    left = n - ways.sum(axis=1)
    keep = (left >= 0) & (left <= totals[0])
    ways = np.column_stack([left, ways])[keep]
    distance = ((ways / n - (totals - ways) / m) ** 2).sum(axis=1)
    log_p = (gammaln(totals + 1) - gammaln(ways + 1) - gammaln(totals - ways + 1)).sum(axis=1)
    log_p -= gammaln(n + m + 1) - gammaln(n + 1) - gammaln(m + 1)
    return distance, np.exp(log_p)


def clip_tests(first, second) -> pd.DataFrame:
    """Does this clip's pair of channels differ? The exact conditional test, clip by clip.

    If both channels had one distribution, every assignment of the given votes to the two channels
    would be equally likely. p is the share of assignments whose distance is at least the one seen.

    Returns a table: index of `first`; p, q (Benjamini-Hochberg over all clips). NaN without votes.

    All tables with the given sums are listed; nothing is shuffled. Two answers give Fisher's exact
    test (`scipy.stats.fisher_exact`) where both channels have as many votes.
    """
    a, b = (np.rint(v).astype(int) for v in count_arrays(first, second))
    p = np.full(len(a), np.nan)
    for i, (one, two) in enumerate(zip(a, b, strict=True)):
        n, m, total = one.sum(), two.sum(), one + two
        if n and m:
            used = tuple(np.sort(total[total > 0])[::-1].tolist())
            distance, weight = _possible(used, int(n))
            seen = ((one / n - two / m) ** 2).sum()
            p[i] = min(1.0, weight[distance >= seen - 1e-9].sum())
    return pd.DataFrame({"p": p, "q": inference.bh(p)}, index=index_of(first))


def discoveries(tests, latent=None, level=0.05) -> pd.DataFrame:
    """How many clips differ, by their tests and by the model of two classes.

    `tests`: what was compared -> `clip_tests`. `latent`: `same_or_different`. Returns columns
    compared, n, p_below and q_below (shares of clips), found (clips with q at most `level`),
    estimate, ci_low, ci_high (share by the model, in a row of its own).
    """
    rows = []
    for name, table in tests.items():
        p, q = table["p"].dropna(), table["q"].dropna()
        shares_of = {"p_below": (p <= level).mean(), "q_below": (q <= level).mean()}
        rows.append({"compared": name, "n": len(p), **shares_of, "found": int((q <= level).sum())})
    if latent is not None:
        rows.append({"compared": "class different, by the model", **latent._asdict()})
    columns = ["compared", "estimate", "ci_low", "ci_high", "n", "p_below", "q_below", "found"]
    table = pd.DataFrame(rows).reindex(columns=columns)
    return table.astype({name: float for name in columns[1:4]} | {"found": "Int64"})


def _dirichlet(votes, log_alpha):
    """Log-probability [n] of votes [n, k] from one Dirichlet, and its slopes [n, k]."""
    alpha, n = np.exp(log_alpha), votes.sum(axis=1)
    slopes = digamma(votes + alpha) - digamma(alpha)
    slopes += (digamma(alpha.sum()) - digamma(n + alpha.sum()))[:, None]
    return dirichlet_multinomial.logpmf(votes, alpha, n), slopes * alpha


def _classes(a, b):
    """Maximum likelihood of the two classes: log-odds of "different", log-probabilities of each."""
    k = a.shape[1]

    def ways(v):
        return gammaln(v.sum(axis=1) + 1) - gammaln(v + 1).sum(axis=1)

    split = ways(a) + ways(b) - ways(a + b)

    def parts(theta):
        found = [_dirichlet(v, theta[i * k :][:k]) for i, v in enumerate((a + b, a, b))]
        return found[0][0] + split, found[1][0] + found[2][0], [slopes for _, slopes in found]

    def loss(theta):
        same, apart, slopes = parts(theta[1:])
        log_pi, log_rest = -np.logaddexp(0, [-theta[0], theta[0]])
        total = np.logaddexp(log_pi + apart, log_rest + same)
        belongs = np.exp(log_pi + apart - total)[:, None]
        gradient = [(1 - belongs) * slopes[0], belongs * slopes[1], belongs * slopes[2]]
        gradient = [belongs - expit(theta[0]), *gradient]
        return -total.mean(), -np.concatenate([rows.mean(axis=0) for rows in gradient])

    middles = [shares(v).mean(axis=0) + 0.02 for v in (a + b, a, b)]
    start = np.concatenate([[0.0], np.log(3 * np.concatenate(middles))])
    bounds = [(-8, 8)] + [(-6, 6)] * (3 * k)
    theta = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return theta[0], *parts(theta[1:])[:2]


def same_or_different(first, second, labels=None, *, groups=None, n_boot=400, seed=42):
    """Share of clips whose channels come from different distributions, by a latent-class model.

    A clip is of class *same* (one distribution, drawn from a Dirichlet, makes the votes on both
    channels) or *different* (each channel has its own, from its own Dirichlet). Shares and
    Dirichlets by maximum likelihood, apart for each label.

    `first`, `second` (DataFrame [n, k]). `labels` (array [n]): what the clips were meant to say;
    within a label the two channels count as independent. `groups`, `n_boot`, `seed`: as for
    `inference.intervals`. The interval keeps the Dirichlets as they are. Returns
    inference.Interval: share of class different.

    `scipy.stats.dirichlet_multinomial`, maximised by `scipy.optimize.minimize`. Checked on
    simulated clips of known class.
    """
    a, b = (v.astype(int) for v in count_arrays(first, second))
    labels = np.zeros(len(a)) if labels is None else np.asarray(labels)
    fewest = int(min([*a.sum(axis=1), *b.sum(axis=1)], default=0))
    if fewest < 2:
        reason = f"too few votes (n={fewest})"
        return inference.Interval(np.nan, np.nan, np.nan, len(a), 0, "too_few", reason)
    kinds = [np.flatnonzero(labels == kind) for kind in np.unique(labels)]
    fits = [_classes(a[at], b[at]) for at in kinds]

    def share(weights):
        total = 0
        for at, (middle, same, apart) in zip(kinds, fits, strict=True):
            gain, w = np.exp(np.clip(apart - same, -500, 500)), weights[:, at]
            pi, size = np.full((len(w), 1), expit(middle)), w.sum(axis=1, keepdims=True)
            for _ in range(40):  # EM; only the share moves
                belongs = (w * (pi * gain / (pi * gain + 1 - pi))).sum(axis=1, keepdims=True)
                pi = belongs / np.maximum(size, 1e-9)
            total = total + belongs[:, 0]
        return total / weights.sum(axis=1)

    return inference.weighted_interval(share, len(a), groups=groups, n_boot=n_boot, seed=seed)

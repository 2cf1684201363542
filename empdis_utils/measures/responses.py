"""What answers are scored by: diversity, sentiment and emotion match, BERTScore, bits per byte.

Texts in, numbers out. What needs a network takes its scores: `models.judges` makes them with any
local checkpoint. Nothing here says whether an answer is a good one.
"""

from collections import Counter
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.special import gammaln
from scipy.stats import rankdata
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from empdis_utils.measures import inference

__all__ = [
    "TRIVIAL", "bertscore", "bits_per_byte", "compound", "distinct", "diversity", "emotion_match",
    "equal_budget_distinct", "equal_budget_intervals", "expectation_adjusted_distinct",
    "mean_intervals", "n_words", "ngrams", "perplexities", "sentiment_match", "spearman_interval",
    "trivial_responders",
]  # fmt: skip

#: Responders that read nothing, or nothing but the last line.
TRIVIAL = ("empty", "“Okay.”", "last line repeated", "target, shuffled", "true next line")


# --------------------------------------------------------------------------- diversity


def ngrams(text, n):
    """The n-grams of a text's words (between white space), as tuples, in order."""
    words = text.split()
    return list(zip(*(words[k:] for k in range(n)), strict=False))


def n_words(texts):
    """Words between white space of each text: int [n]."""
    return np.array([len(text.split()) for text in texts], int)


def _counts(texts, n):
    return Counter(gram for text in texts for gram in ngrams(text, n))


def distinct(texts, n):
    """Dist-n: different n-grams over all n-grams, pooled over the texts.

    Li et al. (2016), doi:10.18653/v1/N16-1014. It falls with the amount of text: two systems of
    different length are not compared by it. NaN without any n-gram.

    Examples
    --------
    >>> distinct(["a b a", "a"], 1)
    0.5
    """
    counts = _counts(texts, n)
    return len(counts) / counts.total() if counts else float("nan")


def _share_seen(counts, budget, total):
    """For each count: chance that a draw of `budget` of `total` n-grams holds one at least."""
    left = total - counts
    with np.errstate(invalid="ignore"):
        none = gammaln(left + 1) - gammaln(left - budget + 1)
        none += gammaln(total - budget + 1) - gammaln(total + 1)
    return np.where(left < budget, 1.0, -np.expm1(np.where(left < budget, 0, none)))


def _rarefied(counts, budget):
    """Expected different n-grams over `budget`: int counts [g] to a float."""
    times = np.bincount(counts)  # n-grams that occur so often: few numbers of times, many n-grams
    often = np.arange(len(times))
    return float((times * _share_seen(often, budget, counts.sum())).sum() / budget)


def equal_budget_distinct(texts, n, budget):
    """Dist-n of a random `budget` of the n-grams: comparable between texts of any length.

    Parameters
    ----------
    texts : sequence of str
    n : int
    budget : int
        How many n-grams are drawn, without putting back; the same for all that is compared.

    Returns
    -------
    float
        The expectation over all draws, so no seed. NaN when there are fewer n-grams than `budget`.

    Notes
    -----
    Hurlbert's rarefaction (1971, doi:10.2307/1934145): Σ 1 - C(N - Nᵢ, m) / C(N, m), over m.

    Examples
    --------
    >>> round(equal_budget_distinct(["a b a", "a"], 1, 2), 6)  # 3 of 6 pairs are a, a
    0.75
    """
    counts = np.array(list(_counts(texts, n).values()), int)
    return _rarefied(counts, budget) if budget and counts.sum() >= budget else float("nan")


def expectation_adjusted_distinct(texts, n, vocabulary):
    """Different n-grams over how many a random draw from `vocabulary` would give.

    Liu et al. (2022), doi:10.18653/v1/2022.acl-short.86: N / (V (1 - ((V - 1) / V)^C)), with N
    different ones of C. `vocabulary`: V, how many n-grams there could be; the same for all that is
    compared. NaN without any n-gram.

    Examples
    --------
    >>> round(expectation_adjusted_distinct(["a b"], 1, 2), 4)
    1.3333
    """
    counts = _counts(texts, n)
    expected = vocabulary * -np.expm1(counts.total() * np.log1p(-1 / vocabulary))
    return float(len(counts) / expected) if counts else float("nan")


def diversity(systems, n=2, budget=None, groups=None, seed=42):
    """All three kinds of Dist-n of several systems at one budget.

    Parameters
    ----------
    systems : dict of str to sequence of str
    n : int
    budget : int, optional
        Of n-grams. None: as many as the shortest system has.
    groups : dict of str to array, optional
        Dialogue of each text. None: every text is its own.
    seed : int
        Of the interval.

    Returns
    -------
    DataFrame
        system, texts, words (mean), ngrams, budget, distinct, equal_budget, ci_low, ci_high,
        status, reason, adjusted (its vocabulary: the different n-grams of all systems together).
    """
    counts = {name: _counts(texts, n) for name, texts in systems.items()}
    budget = budget or min(c.total() for c in counts.values())
    vocabulary = len(set().union(*counts.values()))
    rows = []
    for name, texts in systems.items():
        own = range(len(texts)) if groups is None else groups[name]
        fair = equal_budget_intervals({name: texts}, n, budget, {name: own}, seed).iloc[0]
        rows.append(
            {
                **{"system": name, "texts": len(texts), "words": n_words(texts).mean()},
                **{"ngrams": counts[name].total(), "budget": budget},
                **{"distinct": distinct(texts, n), "equal_budget": fair["estimate"]},
                **fair[["ci_low", "ci_high", "status", "reason"]].to_dict(),
                "adjusted": expectation_adjusted_distinct(texts, n, vocabulary),
            }
        )
    return pd.DataFrame(rows)


def _left_out(texts, n, groups, budget, names):
    """`equal_budget_distinct` with each dialogue of `names` left out in turn: float [g]."""
    total = _counts(texts, n)
    place = {gram: k for k, gram in enumerate(total)}
    counts = np.array(list(total.values()), int)
    own = {}
    for text, group in zip(texts, groups, strict=True):
        own.setdefault(group, Counter()).update(ngrams(text, n))
    found = []
    for name in names:
        less = counts.copy()
        for gram, count in own.get(name, {}).items():
            less[place[gram]] -= count
        enough = less.sum() >= budget
        found.append(_rarefied(less, budget) if enough else np.nan)
    return np.array(found)


def equal_budget_intervals(systems, n, budget, groups, seed=42, minus=None):
    """`equal_budget_distinct` of systems, or what it is more than another's, with intervals.

    Parameters
    ----------
    systems : dict of str to sequence of str
    n, budget : int
        As for `equal_budget_distinct`.
    groups : dict of str to array
        Dialogue of each text.
    seed : int
    minus : str, optional
        A system of `systems`: every other one minus this one.

    Returns
    -------
    DataFrame
        system (and `minus`), and the fields of `inference.Interval`. Where leaving one dialogue out
        leaves fewer n-grams than `budget`, there is no interval.

    Notes
    -----
    A resample that holds a dialogue twice repeats its n-grams, so Dist-n of it is too low. The
    interval is of jackknife pseudo-values instead, one for each dialogue: g times the value of all
    minus (g - 1) times the value without it, moved to the estimate (Tukey 1958; Efron & Stein 1981,
    doi:10.1214/aos/1176345462). `inference.interval` takes them as it takes any other number.
    """
    names = list(dict.fromkeys(group for own in groups.values() for group in own))
    values = {name: equal_budget_distinct(texts, n, budget) for name, texts in systems.items()}
    apart = {
        name: _left_out(texts, n, groups[name], budget, names) for name, texts in systems.items()
    }
    rows = []
    for name in (name for name in systems if name != minus):
        value, without, size = values[name], apart[name], len(names)
        if minus is not None:
            value, without = value - values[minus], without - apart[minus]
        pseudo = size * value - (size - 1) * without
        if np.isfinite(pseudo).all():
            found = inference.interval(pseudo - pseudo.mean() + value, groups=names, seed=seed)
        else:
            why = "without some dialogue there are fewer n-grams than the budget"
            found = inference.Interval(value, np.nan, np.nan, 0, size, "undefined", why)
        row = {"system": name} | ({} if minus is None else {"minus": minus})
        rows.append(row | found._replace(n=len(systems[name]))._asdict())
    return pd.DataFrame(rows)


# --------------------------------------------------------------------------- sentiment, emotion


@lru_cache(maxsize=1)
def _vader():
    return SentimentIntensityAnalyzer()


@lru_cache(maxsize=1 << 16)
def _compound(text):
    return _vader().polarity_scores(text)["compound"] if text else 0.0


def compound(texts):
    """VADER's sentiment of each text, -1 to 1: float [n]. 0 for no text, and for neutral words.

    Hutto & Gilbert (2014), doi:10.1609/icwsm.v8i1.14550, by ``vaderSentiment``.
    """
    return np.array([_compound(text) for text in texts], float)


def sentiment_match(responses, histories):
    """One minus the distance of the answer's sentiment from the mean of the lines before it.

    The "sentiment" of *Multimodal Empathetic Response Generation* (section 5.1), as its code has it
    (``polarity/empathy_polarity.ipynb``, cell 1).

    Parameters
    ----------
    responses : sequence of str [n]
    histories : sequence of (sequence of str) [n]
        Lines before each answer, the line it answers included.

    Returns
    -------
    array [n]
        -1 to 1; 0 for an empty history. An answer that takes no side is near the mean of most
        histories: so is no answer.

    Examples
    --------
    >>> sentiment_match(["", "Okay."], [["The bus is here."], []]).tolist()
    [1.0, 0.0]
    """
    flat = compound([line for history in histories for line in history])
    ends = np.cumsum([0, *(len(history) for history in histories)])
    sums = np.concatenate([[0.0], np.cumsum(flat)])
    size = np.diff(ends)
    with np.errstate(invalid="ignore"):
        mean = (sums[ends[1:]] - sums[ends[:-1]]) / size
    return np.where(size > 0, 1 - np.abs(compound(responses) - mean), 0.0)


def emotion_match(response, history):
    """Cosine of two distributions of emotions, row by row: the paper's "emotion".

    `response`, `history`: float [n, k], for example from `models.judges.emotions`; of a history,
    the mean over its lines. 0 where a row is all zero. Raises ValueError: sides of different shape.

    Examples
    --------
    >>> emotion_match([[1, 0], [1, 0]], [[1, 0], [0, 1]]).tolist()
    [1.0, 0.0]
    """
    one, two = np.asarray(response, float), np.asarray(history, float)
    if one.shape != two.shape:
        raise ValueError(f"response {one.shape} and history {two.shape} are not the same rows")
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return np.divide((one * two).sum(axis=1), norms, out=np.zeros(len(one)), where=norms > 0)


# --------------------------------------------------------------------------- with given networks


def bertscore(candidates, references, counted=None):
    """BERTScore of each pair from the vectors of their tokens: DataFrame [n] precision, recall, f1.

    Each token is matched with the most similar one of the other side, by cosine; no weights by
    rarity, no rescaling. Zhang et al. (2020), arXiv:1904.09675; as the package ``bert-score``.

    Parameters
    ----------
    candidates, references : sequence of array [tokens, d]
        For example from `models.judges.token_vectors`.
    counted : pair of sequence of bool array [tokens], optional
        Tokens of each side that count. The others, a text's start and end, may be matched with, and
        do not count. None: all count. A side without tokens that count scores 0.

    Examples
    --------
    >>> import numpy as np
    >>> bertscore([np.eye(2)[:1]], [np.eye(2)]).round(3).to_dict("records")
    [{'precision': 1.0, 'recall': 0.5, 'f1': 0.667}]
    """
    if counted is None:
        counted = [[np.ones(len(x), bool) for x in side] for side in (candidates, references)]
    rows = []
    for one, two, first, second in zip(candidates, references, *counted, strict=True):
        if not first.any() or not second.any():
            rows.append((0.0, 0.0, 0.0))
            continue
        one, two = (np.asarray(x, float) for x in (one, two))
        one, two = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, two))
        alike = one @ two.T
        p, r = float(alike.max(axis=1)[first].mean()), float(alike.max(axis=0)[second].mean())
        rows.append((p, r, 2 * p * r / (p + r) if p + r else 0.0))
    return pd.DataFrame(rows, columns=["precision", "recall", "f1"])


def bits_per_byte(nll, texts):
    """Bits that a language model needs per byte of UTF-8, pooled over the texts.

    `nll`: nats of each text, from its first token on (`models.judges.log_likelihoods`). Models with
    other tokens can be compared by it, by perplexity per token they cannot.

    Examples
    --------
    >>> import math
    >>> bits_per_byte([8 * math.log(2)], ["abcd"])
    2.0
    """
    size = sum(len(text.encode("utf-8")) for text in texts)
    return float(np.sum(nll) / np.log(2) / size) if size else float("nan")


def perplexities(nll, n_tokens):
    """The two ways in which Table 3's code averages over texts: pooled over tokens, or over texts.

    `nll`: nats of each text; `n_tokens`: how many tokens they are of. Returns dict: pooled (the
    exponent of the mean over tokens), mean_of_texts (the mean of each text's own perplexity, which
    a few odd texts can carry away). Texts without tokens are left out.

    Examples
    --------
    >>> import math
    >>> perplexities([math.log(2), 9 * math.log(4)], [1, 9])["mean_of_texts"]
    3.0
    """
    nll, n_tokens = np.asarray(nll, float), np.asarray(n_tokens, float)
    used = n_tokens > 0
    if not used.any():
        return {"pooled": float("nan"), "mean_of_texts": float("nan")}
    pooled = np.exp(nll[used].sum() / n_tokens[used].sum())
    return {
        "pooled": float(pooled),
        "mean_of_texts": float(np.exp(nll[used] / n_tokens[used]).mean()),
    }


# --------------------------------------------------------------------------- controls


def trivial_responders(last, target=None, true_next=None, seed=42):
    """Answers that no one has to understand anything for: dict of name to list of str.

    `last`: the line to be answered. `target`: given answers, shuffled over the lines. `true_next`:
    what the script goes on with; "" where it does not. Those not given are left out.
    """
    found = {TRIVIAL[0]: [""] * len(last), TRIVIAL[1]: ["Okay."] * len(last), TRIVIAL[2]: [*last]}
    if target is not None:
        order = np.random.default_rng(seed).permutation(len(last))
        found[TRIVIAL[3]] = [target[k] for k in order]
    if true_next is not None:
        found[TRIVIAL[4]] = [*true_next]
    return found


def mean_intervals(scores, groups, minus=None, seed=42):
    """Mean of each column with its interval over dialogues.

    `scores`: DataFrame [n, k], one column per responder; rows where a column is missing do not
    count for it. `groups`: dialogue of each row. `minus`: a column; every other minus it, on the
    rows that both have. Returns DataFrame: responder, and the fields of `inference.Interval`.
    """
    rows, groups = [], np.asarray(groups)
    for name in scores.columns.drop([] if minus is None else [minus]):
        values = scores[name] - (0 if minus is None else scores[minus])
        used = values.notna().to_numpy()
        found = inference.interval(values[used], groups=groups[used], seed=seed)
        rows.append({"responder": name, **found._asdict()})
    return pd.DataFrame(rows)


def _correlation(sums):
    """Pearson's r from the sums of x, y, x², y², xy and 1."""
    x, y, xx, yy, xy, n = np.moveaxis(np.asarray(sums, float), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (xy / n - x * y / n**2) / np.sqrt((xx / n - (x / n) ** 2) * (yy / n - (y / n) ** 2))


def spearman_interval(x, y, groups=None, seed=42):
    """Spearman's correlation with an interval that draws whole groups: `inference.Interval`.

    Ranks are those among all rows and are not ranked anew in a resample.
    """
    a, b = (rankdata(v) - (len(v) + 1) / 2 for v in (x, y))
    rows = np.column_stack([a, b, a * a, b * b, a * b, np.ones(len(a))])
    return inference.interval(rows, _correlation, groups=groups, seed=seed)

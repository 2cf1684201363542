"""Do the intervals hold? Data of known truth, and how often an interval of the book contains it.

Every kind of interval is made by the function that the chapters call. Recordings differ, clips of
one recording are alike, and values are skewed, as they are in the corpora.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats as sps
from statsmodels.stats.proportion import proportion_confint
from tqdm import tqdm

from empdis_utils.measures import agreement, inference, uncertainty
from empdis_utils.measures.incongruence import incongruence
from empdis_utils.people.simulated import simulate_nested

__all__ = [
    "ALIKE", "DESIGNS", "EFFECT", "KINDS", "UNEVEN", "designs", "simulate", "simulate_nested_null",
]  # fmt: skip

# Clips of each recording in the test split of the paper's release.
UNEVEN = (
    *(31, 18, 9, 8, 7, 7, 6, 6, 5, 5, 5, 5, 5, 5, 4, 4),
    *(2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1),
)
DESIGNS = {
    "5 x 20": (20,) * 5,
    "6 x 20": (20,) * 6,
    "16 x 10": (10,) * 16,
    "32 uneven": UNEVEN,
    "31 x 22": (22,) * 31,
    "91 x 82": (82,) * 91,
}
ALIKE = 0.2  # share of a value's variance that its recording decides
EFFECT = 0.5  # standardised difference of the two groups


def _values(recording, rng):
    """Skewed values [n] of mean 0 and variance 1 that recordings share in part."""
    shared = rng.standard_normal(recording.max() + 1)[recording]
    own = rng.exponential(size=len(recording)) - 1
    return np.sqrt(ALIKE) * shared + np.sqrt(1 - ALIKE) * own


def _rates(recording, mean, rng, alike=0.1):
    """A rate for each clip [n]: recordings draw theirs from a beta distribution."""
    mass = (1 - alike) / alike
    return rng.beta(mean * mass, (1 - mean) * mass, recording.max() + 1)[recording]


def _mean(recording, rng, **how):
    return inference.interval(_values(recording, rng), groups=recording, **how), 0.0


def _share(mean):
    def draw(recording, rng, **how):
        hits = rng.random(len(recording)) < _rates(recording, mean, rng)
        return inference.share_interval(hits, groups=recording), mean

    return draw


def _share_of_few(recording, rng, **how):
    """Share of hits among the clips of a rare quadrant (about 5 % of all clips)."""
    kept = rng.random(len(recording)) < 0.05
    hits = rng.random(len(recording)) < _rates(recording, 0.8, rng)
    return inference.share_interval(hits[kept], groups=recording[kept]), 0.8


def _accuracy_difference(recording, rng, **how):
    """Two models on the same clips; the second is right 8 points more often."""
    base = _rates(recording, 0.6, rng)
    first = rng.random(len(recording)) < base
    mended = rng.random(len(recording)) < 0.2
    return (
        inference.paired_difference(first | mended, first, groups=recording, **how),
        0.2 * 0.4,
    )


def _two_groups(recording, share, rng):
    """Values, and who is in the first group: its effect differs between recordings."""
    first = rng.random(len(recording)) < _rates(recording, share, rng, alike=0.15)
    effect = EFFECT + 0.2 * rng.standard_normal(recording.max() + 1)[recording]
    return _values(recording, rng) + first * effect, first


def _difference(share):
    def draw(recording, rng, **how):
        values, first = _two_groups(recording, share, rng)
        return inference.group_difference(values, first, groups=recording, **how), EFFECT

    return draw


def _hedges(share):
    def draw(recording, rng, **how):
        values, first = _two_groups(recording, share, rng)
        found = inference.hedges_g(values, first, groups=recording, **how)
        # Within groups the variance is 1, and 0.2 squared more in the first.
        truth = EFFECT / np.sqrt(1 + share * 0.2**2)
        (one,) = found[["hedges_g", "ci_low", "ci_high"]].to_numpy()
        return inference.Interval(*one, *[None] * 4), truth

    return draw


def _ratio(recording, rng, **how):
    """Two disagreement rates over five seeds; the first is a quarter higher."""
    rate = _rates(recording, 0.3, rng)
    rows = np.column_stack([rng.binomial(5, rate), rng.binomial(5, 0.8 * rate)]) / 5
    found = inference.interval(rows, lambda s: s[..., 0] / s[..., 1], groups=recording, **how)
    return found, 1.25


def _auroc(recording, rng, **how):
    y = rng.random(len(recording)) < _rates(recording, 0.25, rng)
    shared = rng.standard_normal(recording.max() + 1)[recording]
    score = np.sqrt(ALIKE) * shared + np.sqrt(1 - ALIKE) * rng.standard_normal(len(y)) + 1.2 * y
    found = inference.auroc_interval(y, score, groups=recording, **how)
    return found, sps.norm.cdf(1.2 / np.sqrt(2))


def _kappa(kappa):
    def draw(recording, rng, **how):
        sizes = np.bincount(recording)
        votes, _ = simulate_nested(sizes, kappa, prevalence=(0.7, 0.3), seed=rng)
        return agreement.interval(votes[0], recording, "cohen_kappa", **how), kappa

    return draw


def _calibration_error(recording, rng, **how):
    """Expected calibration error of probabilities that are too sure; the truth by a large draw."""
    y, p = _too_sure(recording, rng)
    summary, _ = uncertainty.calibration(y, p, groups=recording, **how)
    found = inference.Interval(summary["ece"], summary["ece_low"], summary["ece_high"], *[None] * 4)
    return found, _true_calibration_error()


def _too_sure(recording, rng):
    shared = 0.5 * rng.standard_normal(recording.max() + 1)[recording]
    logit = 1.2 * rng.standard_normal(len(recording)) + shared
    y = rng.random(len(recording)) < 1 / (1 + np.exp(-0.4 * logit))
    return y.astype(int), 1 / (1 + np.exp(-logit))


@lru_cache(maxsize=1)
def _true_calibration_error():
    y, p = _too_sure(np.repeat(np.arange(50_000), 10), np.random.default_rng(0))
    gaps = np.bincount((p * 10).astype(int).clip(max=9), y - p)
    return np.abs(gaps).sum() / len(y)


def _incongruence(recording, rng, **how):
    """Mean unbiased distance of two channels with ten votes each; recordings differ in how far."""
    voice, face = np.array([0.6, 0.3, 0.1]), np.array([0.1, 0.2, 0.7])
    apart = _rates(recording, 0.4, rng)[:, None]
    votes = [rng.multinomial(10, voice, len(recording))]
    votes += [rng.multinomial(10, (1 - apart) * voice + apart * face)]
    found = incongruence(*map(pd.DataFrame, votes))["unbiased"].to_numpy()
    second_moment = 0.4**2 + 0.4 * 0.6 * 0.1  # of the beta distribution of `_rates`
    truth = second_moment * ((voice - face) ** 2).sum()
    return inference.interval(found, groups=recording, **how), truth


KINDS = {
    "mean": _mean,
    "paired difference": _accuracy_difference,
    "difference, 25 % of clips": _difference(0.25),
    "difference, 5 % of clips": _difference(0.05),
    "Hedges g, 25 % of clips": _hedges(0.25),
    "Hedges g, 5 % of clips": _hedges(0.05),
    "AUROC": _auroc,
    "kappa 0.4": _kappa(0.4),
    "kappa 0.8": _kappa(0.8),
    "ratio": _ratio,
    "calibration error": _calibration_error,
    "share 0.8": _share(0.8),
    "share 0.95": _share(0.95),
    "share of few clips": _share_of_few,
    "incongruence": _incongruence,
}


def designs() -> pd.DataFrame:
    """The designs: what each is like, recordings, clips, and the effective number of recordings."""
    like = (
        "too little", "the least that gets an interval", "the fixture",
        "the test split of EMPSPEECH", "MOSI, evaluated clips", "CREMA-D",
    )  # fmt: skip
    rows = [
        (what, len(sizes), sum(sizes), sum(sizes) ** 2 / sum(size**2 for size in sizes))
        for what, sizes in zip(like, DESIGNS.values(), strict=True)
    ]
    columns = ["like", "recordings", "clips", "effective"]
    return pd.DataFrame(rows, pd.Index(DESIGNS, name="design"), columns)


def simulate(
    n_sim: int = 100,
    *,
    kinds=tuple(KINDS),
    designs=tuple(DESIGNS),
    n_boot: int = 1000,
    seed: int = 42,
    progress: bool = False,
) -> pd.DataFrame:
    """How often the 95 % intervals of the book contain the truth.

    Parameters
    ----------
    n_sim : int
        Data sets for each kind and design.
    kinds, designs : sequence of str
        Names in `KINDS` and `DESIGNS`.
    n_boot, seed : int
    progress : bool

    Returns
    -------
    DataFrame
        kind, design, n_recordings, n_clips, n_sim, refused (share of data sets that get no
        interval), coverage (of the intervals that are given) with mc_low and mc_high (95 % Wilson,
        Monte-Carlo error), above and below (share of intervals that lie wholly above or below the
        truth), width (median).

    Raises
    ------
    ValueError
        An unknown kind or design.
    """
    for name, known in [*((k, KINDS) for k in kinds), *((d, DESIGNS) for d in designs)]:
        if name not in known:
            raise ValueError(f"unknown {name!r}: one of {', '.join(known)}")
    rows = []
    cells = list(product(kinds, designs))
    for kind, design in tqdm(cells, desc="coverage", disable=not progress):
        sizes = DESIGNS[design]
        recording = np.repeat(np.arange(len(sizes)), sizes)
        rng = np.random.default_rng([seed, list(KINDS).index(kind), list(DESIGNS).index(design)])
        found = []
        for _ in range(n_sim):
            one, truth = KINDS[kind](recording, rng, n_boot=n_boot)
            found.append((one.ci_low, one.ci_high))
        low, high = np.array(found, float).T
        given = np.isfinite(low)
        n_given = int(given.sum())
        row = {"kind": kind, "design": design, "n_recordings": len(sizes)}
        row |= {"n_clips": len(recording), "n_sim": n_sim, "refused": 1 - n_given / n_sim}
        row |= dict.fromkeys(["coverage", "mc_low", "mc_high", "above", "below", "width"], np.nan)
        if n_given:
            low, high = low[given], high[given]
            inside = (low <= truth) & (truth <= high)
            mc = proportion_confint(inside.sum(), n_given, method="wilson")
            row |= {"coverage": inside.mean(), "mc_low": mc[0], "mc_high": mc[1]}
            row |= {"above": (low > truth).mean(), "below": (high < truth).mean()}
            row["width"] = np.median(high - low)
        rows.append(row)
    return pd.DataFrame(rows)


def simulate_nested_null(
    n_sim: int = 1000,
    *,
    n_recordings: int = 40,
    clips_per_recording: int = 8,
    value_icc: float = 0.5,
    group_spread: float = 2.0,
    n_perm: int = 999,
    seed: int = 42,
) -> pd.DataFrame:
    """p-values of synthetic data without any difference, clips nested in recordings.

    Values share a recording effect (`value_icc`: its share of the variance). Membership does too:
    its log-odds differ between recordings with standard deviation `group_spread`. The two effects
    are independent, so the null holds.

    Returns
    -------
    DataFrame [n_sim]
        simulation, p_naive (Welch's t-test on clips), p_permutation (inside recordings).
    """
    rng = np.random.default_rng(seed)
    recording = np.repeat(np.arange(n_recordings), clips_per_recording)
    rows = []
    for simulation in range(n_sim):
        effect = np.sqrt(value_icc) * rng.standard_normal(n_recordings)
        noise = np.sqrt(1 - value_icc) * rng.standard_normal(len(recording))
        log_odds = group_spread * rng.standard_normal(n_recordings)
        first = rng.random(len(recording)) < 1 / (1 + np.exp(-log_odds[recording]))
        value = effect[recording] + noise
        p_permutation = inference.permutation_p(value[:, None], first, recording, n_perm, rng)[1]
        rows.append(
            {
                "simulation": simulation,
                "p_naive": float(
                    sps.ttest_ind(value[first], value[~first], equal_var=False).pvalue
                ),
                "p_permutation": float(p_permutation[0]),
            }
        )
    return pd.DataFrame(rows)

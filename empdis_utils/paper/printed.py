"""What printed numbers imply: counts behind rates, degrees of freedom behind t and p, bounds.

Every function takes numbers as they are printed, with their decimals, and returns what is
compatible with the rounding. None needs data.
"""

from decimal import Decimal
from itertools import combinations, product

import numpy as np
import pandas as pd
from scipy import optimize, stats
from statsmodels.stats.inter_rater import cohens_kappa

from empdis_utils.places import ROOT

__all__ = [
    "circles", "common_df", "confidence_of", "delta_kappa_z", "fitting_counts", "implied_df",
    "kappa_changes", "kappa_contrast", "kappa_joint", "kappa_se", "largest_p", "largest_sd",
    "mcnemar_p", "model_pairs", "rounding", "separable_below", "table", "transitive",
]  # fmt: skip

PAPER = ROOT / "book" / "paper"


def table(name):
    """A published table (``table_10``, ``text``) as printed: DataFrame of str.

    Raises FileNotFoundError: with the names of the tables there are.
    """
    path = PAPER / f"{name}.csv"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in PAPER.glob("*.csv")))
        raise FileNotFoundError(f"no published table '{name}': there are {there}")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def rounding(printed):
    """Smallest and largest value that prints as `printed` (a str such as ``"0.0159"``)."""
    value = Decimal(printed)
    half = Decimal(1).scaleb(value.as_tuple().exponent) / 2
    return float(value - half), float(value + half)


def fitting_counts(rates, n_max):
    """Which denominators n make every printed rate a fraction k/n?

    Parameters
    ----------
    rates : sequence of str
        Printed shares of the same n items.
    n_max : int
        Largest denominator to try.

    Returns
    -------
    DataFrame
        n, fits (how many of the rates are some k/n after rounding), chance (the share of all
        printable rates that would fit this n), all (bool), counts (the k of each rate, or None).

    Notes
    -----
    The GRIM test of Brown & Heathers (2017, doi:10.1177/1948550616673876), for shares.
    """
    limits = [rounding(rate) for rate in rates]
    steps = 10 ** -min(Decimal(rate).as_tuple().exponent for rate in rates)
    rows = []
    for n in range(1, n_max + 1):
        counts = []
        for low, high in limits:
            k = int(np.ceil(low * n - 1e-9))
            counts.append(k if k <= high * n + 1e-9 else None)
        fits = sum(k is not None for k in counts)
        reachable = np.unique(np.round(np.arange(n + 1) / n * steps)).size
        rows.append((n, fits, reachable / (steps + 1), fits == len(limits), counts))
    return pd.DataFrame(rows, columns=["n", "fits", "chance", "all", "counts"])


def _df(t, p, largest=1e7):
    """Degrees of freedom at which |t| has two-sided p; 1 or `largest` beyond the ends."""

    def gap(log_df):
        return 2 * stats.t.sf(t, np.exp(log_df)) - p

    low, high = 0.0, np.log(largest)
    if gap(low) <= 0:
        return 1.0
    if gap(high) >= 0:
        return np.inf
    return float(np.exp(optimize.brentq(gap, low, high, xtol=1e-10)))


def implied_df(t, p):
    """Degrees of freedom that a printed t and its two-sided p imply.

    `t`, `p`: as printed. Both are known only up to rounding, so the answer is an interval. Returns
    dict: df (of the printed values), df_low, df_high (over all values that print the same; infinite
    when a normal distribution fits). Raises ValueError: no degrees of freedom give this p: t and p
    do not belong together.
    """
    t_low, t_high = sorted(abs(limit) for limit in rounding(t))
    p_low, p_high = rounding(p)
    if p_high < 2 * stats.norm.sf(t_high) or p_low > 2 * stats.t.sf(t_low, 1):
        raise ValueError(f"no two-sided t-test gives t = {t} and p = {p}")
    # p falls as t or df grows: small t with small p needs the most degrees of freedom.
    return {
        "df": _df(abs(float(t)), float(p)),
        "df_low": _df(t_high, p_high),
        "df_high": _df(t_low, p_low),
    }


def common_df(intervals):
    """Is one number of degrees of freedom compatible with all rows?

    `intervals`: df_low, df_high. Returns dict: low, high (the intersection), same (bool: it is not
    empty), n_at_least (the smallest n_1 + n_2 that the largest `df_low` allows) and
    smaller_group_at_most (the largest possible smaller group: Welch's df is at least the smaller n
    - 1).
    """
    low, high = intervals["df_low"].max(), intervals["df_high"].min()
    return {
        "low": low,
        "high": high,
        "same": bool(low <= high),
        "n_at_least": int(np.ceil(low + 2 - 1e-9)),
        "smaller_group_at_most": int(np.floor(high + 1 + 1e-9)),
    }


def mcnemar_p(difference, discordant):
    """Exact two-sided McNemar p when one model is right on `difference` clips more than another.

    `difference`: b - c, clips that only the better one gets right minus clips that only the other
    does. `discordant`: b + c. Rounded up to the parity of `difference`, since b and c are whole.
    Raises ValueError: more difference than discordant clips.
    """
    difference, discordant = abs(int(difference)), int(discordant)
    if discordant < difference:
        raise ValueError(f"{difference} clips of difference need as many discordant clips")
    discordant += (discordant - difference) % 2
    if not discordant:
        return 1.0
    return stats.binomtest((discordant + difference) // 2, discordant).pvalue


def separable_below(difference, n, alpha=0.05):
    """Most discordant clips at which `difference` clips are still significant (McNemar, exact).

    Returns int: 0 when no number of discordant clips makes the difference significant; at most `n`.
    """
    difference = abs(int(difference))
    fine = [d for d in range(max(difference, 1), n + 1, 2) if mcnemar_p(difference, d) <= alpha]
    return max(fine, default=0)


def kappa_joint(kappa, share_1, share_2):
    """Joint shares [2, 2] of two raters' answers with this kappa and these shares of answer 1.

    Raises ValueError: no two raters with these shares have this kappa.
    """
    expected = share_1 * share_2 + (1 - share_1) * (1 - share_2)
    agree = kappa * (1 - expected) + expected
    both = (agree + share_1 + share_2 - 1) / 2
    joint = np.array([[agree - both, share_2 - both], [share_1 - both, both]])
    if joint.min() < -1e-12:
        raise ValueError(f"kappa {kappa} is impossible with shares {share_1} and {share_2}")
    return joint.clip(min=0)


def kappa_se(kappa, n, share_1=0.5, share_2=0.5):
    """Large-sample standard error of Cohen's kappa of two raters and two answers on `n` clips.

    Fleiss, Cohen & Everitt (1969, doi:10.1037/h0028106), computed by statsmodels from the table
    of expected counts. Clips count as independent, so nesting in recordings makes it larger.
    """
    return float(cohens_kappa(kappa_joint(kappa, share_1, share_2) * n).std_kappa)


def delta_kappa_z(kappa_1, kappa_2, n, share=0.5, correlation=0.0):
    """Change of kappa between two rounds over its standard error.

    `kappa_1`, `kappa_2`: same raters, same `n` clips. `share`: share of one answer, taken as equal
    for raters and rounds. `correlation`: of the two estimates; the rounds share clips and raters,
    so it is unknown and rather above 0. Returns dict: delta, se, z, p (normal, two-sided).
    """
    a, b = kappa_se(kappa_1, n, share, share), kappa_se(kappa_2, n, share, share)
    delta, se = kappa_2 - kappa_1, np.sqrt(a**2 + b**2 - 2 * correlation * a * b)
    z = delta / se
    return {"delta": delta, "se": se, "z": z, "p": float(2 * stats.norm.sf(abs(z)))}


def largest_sd(mean, low, high):
    """Largest possible standard deviation of values within [low, high] with this mean.

    The inequality of Bhatia & Davis (2000, doi:10.1080/00029890.2000.12005203), for the
    population; divide by sqrt(1 - 1/n) for that of a sample.

    Raises
    ------
    ValueError
        The mean lies outside.
    """
    if not low <= mean <= high:
        raise ValueError(f"a mean of {mean} is outside [{low}, {high}]")
    return float(np.sqrt((high - mean) * (mean - low)))


def transitive(higher):
    """Do the printed orders of three or more groups fit together?

    `higher`: ``{("red", "blue"): "red", …}``: the group with the higher mean of each pair. Returns
    bool: False when the orders form a circle.
    """
    groups = {group for pair in higher for group in pair}
    above = {(top, next(g for g in pair if g != top)) for pair, top in higher.items()}
    for middle in groups:
        above |= {(a, c) for a, b in above for b2, c in above if b == b2 == middle}
    return not any(a == b for a, b in above)


# --------------------------------------------------------------------------- whole tables


def model_pairs(models, n, usual):
    """Which models of Table 1 can be told apart on `n` clips?

    `models`: model, accuracy, as printed. `n`: clips. `usual`: rates at which two models differ in
    practice (Table 2). Returns columns better, worse, difference, clips, ``at most differing`` (the
    largest share of clips on which they may differ for McNemar's test to find the difference),
    ``told apart`` (yes at any usual rate, no at none, or depends). Largest difference first.
    """
    rows = []
    for pair in combinations(models.itertuples(), 2):
        better, worse = sorted(pair, key=lambda row: -float(row.accuracy))
        gap = float(better.accuracy) - float(worse.accuracy)
        most = separable_below(round(gap * n), n) / n
        told = "yes" if most >= usual.max() else "no" if most < usual.min() else "depends"
        rows.append((better.model, worse.model, gap, round(gap * n), most, told))
    columns = ["better", "worse", "difference", "clips", "at most differing", "told apart"]
    pairs = pd.DataFrame(rows, columns=columns)
    return pairs.sort_values("difference", ascending=False, ignore_index=True)


def kappa_changes(sizes, shares, correlations):
    """Every printed change of kappa over its error, for a range of what is not printed.

    `sizes`: table -> clips of each of its rows. `shares`, `correlations`: as for `delta_kappa_z`.
    Returns columns table, quadrant, n, share, correlation, kappa_1, kappa_2, delta, se, z, p.
    """
    rows = [
        {"table": name, "quadrant": row.quadrant, "n": n, "share": share, "correlation": r}
        | {"kappa_1": float(row.kappa_unimodal), "kappa_2": float(row.kappa_multimodal)}
        for name, n in sizes.items()
        for row in table(name).itertuples()
        for share, r in product(shares, correlations)
    ]
    how = ("kappa_1", "kappa_2", "n", "share", "correlation")
    return pd.DataFrame([row | delta_kappa_z(*(row[name] for name in how)) for row in rows])


def kappa_contrast(changes):
    """Changes in blue and yellow minus those in red and green, from `kappa_changes`.

    Returns columns table, share, correlation, delta, se, z, p.
    """
    rows = []
    by = ["table", "share", "correlation"]
    for key, part in changes.groupby(by):
        sign = part["quadrant"].map({"blue": 0.5, "yellow": 0.5, "red": -0.5, "green": -0.5})
        delta, se = (sign * part["delta"]).sum(), np.sqrt((sign**2 * part["se"] ** 2).sum())
        rows.append((*key, delta, se, delta / se, 2 * stats.norm.sf(abs(delta / se))))
    return pd.DataFrame(rows, columns=[*by, "delta", "se", "z", "p"])


def confidence_of(entropy):
    """The confidence, one half or more, of two classes with this entropy (nats)."""

    def gap(p):
        return -(p * np.log(p) + (1 - p) * np.log(1 - p)) - entropy

    return optimize.brentq(gap, 0.5, 1 - 1e-12) if gap(0.5) > 0 else 0.5


def largest_p(quadrants, sizes, rates, parts=(0.25, 0.5, 0.75)):
    """Largest p of Welch's test between red+green and blue+yellow that Table 5 allows.

    `quadrants`: entropy_mean and entropy_sd of each quadrant (index). `sizes`: numbers of clips to
    try. `rates`: shares of red and green clips to try. `parts`: shares of the first quadrant in
    each pair to try.
    """

    def pooled(names, part, n):
        weights, m = np.array([part, 1 - part]), quadrants.loc[names, "entropy_mean"].to_numpy()
        spread, mean = quadrants.loc[names, "entropy_sd"].to_numpy(), weights @ m
        return mean, np.sqrt(weights @ (spread**2 + (m - mean) ** 2)), n

    return max(
        stats.ttest_ind_from_stats(
            *pooled(["red", "green"], a, n * rate),
            *pooled(["blue", "yellow"], b, n * (1 - rate)),
            equal_var=False,
        ).pvalue
        for n, rate, a, b in product(sizes, rates, parts, parts)
    )


def circles(orders):
    """Features of Tables 10 and 11 whose printed orders are not `transitive`: list of str.

    `orders`: feature, contrast (``red-blue``), higher.
    """
    return [
        name
        for name, part in orders.groupby("feature")
        if not transitive(
            {tuple(c.split("-")): h for c, h in zip(part["contrast"], part["higher"], strict=True)}
        )
    ]

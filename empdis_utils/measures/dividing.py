"""Does conflict between channels divide people, or is it that one channel is unclear by itself?

Tables of votes have one row per clip and one column per answer, as in `incongruence`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import statsmodels.api as sm
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer

from empdis_utils.measures import inference
from empdis_utils.measures.agreement import split_votes
from empdis_utils.measures.alignment import codes_of
from empdis_utils.measures.incongruence import division, incongruence, index_of, majority_differs

__all__ = [
    "COLUMNS", "MODELS", "beside_mixture", "cells", "clustered", "coefficients", "held_out",
    "predictors",
]  # fmt: skip

COLUMNS = ["model", "term", "per", "estimate", "ci_low", "ci_high", "n"]
COLUMNS += ["n_recordings", "status", "reason"]
MODELS = ("as measured", "noise taken out", "noise taken out, within label")


def predictors(first, second, whole, names=("first", "second")) -> pd.DataFrame:
    """What may divide people, and how divided they are: one row per clip.

    Returns columns incongruence (unbiased), ``<name> division`` of either channel, and division (of
    the whole).
    """
    return pd.DataFrame(
        {
            "incongruence": incongruence(first, second)["unbiased"].to_numpy(),
            **{f"{n} division": division(v) for n, v in zip(names, (first, second), strict=True)},
            "division": division(whole),
        },
        index=index_of(first),
    )


def coefficients(
    first, second, whole, *, groups, labels=None, names=("first", "second"),
    n_splits=10, n_boot=2000, seed=42,
) -> pd.DataFrame:  # fmt: skip
    """Division of the whole clip's votes on incongruence and on each channel's own division.

    Least squares weakens the coefficient of whatever was measured with noise. With votes, the noise
    can be taken out: two random halves of a clip's votes are measured with independent errors, so
    covariances *between* halves hold no noise. They take the place of the predictors' own.

    Parameters
    ----------
    first, second, whole : DataFrame [n, k]
    groups : array [n]
        Recordings or actors; intervals resample them.
    labels : array [n], optional
        Adds the same model on what is left within each label.
    names : (str, str)
        Of the channels.
    n_splits : int
        Random halves to average over.

    Returns
    -------
    DataFrame
        model, term, per (``sd``: for one standard deviation of the term; ``unit``; ``share`` of
        variance), estimate, ci_low, ci_high, n, n_recordings, status, reason. Models: "as
        measured", "noise taken out", "noise taken out, within label". Terms: the three predictors,
        two differences (incongruence minus a division), and ``explained``.

    Notes
    -----
    Errors in variables, corrected by moments (Fuller 1987, doi:10.1002/9780470316665, section 2.2),
    with the error covariances from split halves. If each person followed one of two channels, the
    first with chance w, the unit coefficients are w (1 - w) for incongruence, w, and 1 - w: Gini's
    index of a mixture is their sum. Checked on such simulated votes.
    """
    table = predictors(first, second, whole, names)
    terms = list(table)[:3]
    split = []
    for k in range(n_splits):
        halves = [split_votes(v, [seed, k, i]) for i, v in enumerate((first, second, whole))]
        split.append([predictors(*side, names).to_numpy() for side in zip(*halves, strict=True)])
    split = np.array(split)  # splits, halves, clips, predictors and division
    full = table.to_numpy()
    keep = np.isfinite(full).all(axis=1) & np.isfinite(split).all(axis=(0, 1, 3))
    codes = codes_of(groups, len(full))[keep]
    full, split = full[keep], split[:, :, keep]
    if len(full) < 10:
        reason = f"too few clips with enough votes to split (n={len(full)})"
        about = (*[np.nan] * 3, len(full), 0, "too_few", reason)
        return pd.DataFrame([(MODELS[1], t, "sd", *about) for t in terms], columns=COLUMNS)
    models = {MODELS[0]: (full, np.stack([full, full])[None]), MODELS[1]: (full, split)}
    if labels is not None:
        kinds = codes_of(np.asarray(labels)[keep], len(full))
        means = pd.DataFrame(full).groupby(kinds).transform("mean").to_numpy()
        models[MODELS[2]] = (full - means, split - means)
    rows = []
    d = len(terms)
    differences = [f"incongruence minus {term}" for term in terms[1:]]
    told = [(t, "sd") for t in (*terms, *differences)] + [(t, "unit") for t in terms]
    told.append(("explained", "share"))

    def statistic(sums):
        mean = sums[..., : d + 1] / sums[..., -1:]
        square = [d + 1, d + 1 + (d + 1) ** 2, -1]
        outer = mean[..., :, None] * mean[..., None, :]
        shape = (*sums.shape[:-1], d + 1, d + 1)
        noisy = sums[..., square[1] : square[2]].reshape(shape) / sums[..., -1, None, None] - outer
        clean = sums[..., square[0] : square[1]].reshape(shape) / sums[..., -1, None, None] - outer
        beta = np.linalg.solve(clean[..., :d, :d], noisy[..., :d, d][..., None])[..., 0]
        sd = np.sqrt(np.diagonal(clean, axis1=-2, axis2=-1)[..., :d].clip(0))
        explained = (beta * noisy[..., :d, d]).sum(-1) / clean[..., d, d]
        scaled = beta * sd
        return np.concatenate(
            [scaled, scaled[..., :1] - scaled[..., 1:], beta, explained[..., None]], axis=-1
        )

    for model, (values, halves) in models.items():
        one, two = halves[:, 0], halves[:, 1]
        cross = np.einsum("snp,snq->npq", one, two) / len(halves)
        cross = (cross + cross.transpose(0, 2, 1)) / 2
        own = values[:, :, None] * values[:, None, :]
        flat = [values, cross.reshape(len(values), -1), own.reshape(len(values), -1)]
        sums = np.column_stack([*flat, np.ones(len(values))])
        found = inference.intervals(sums, statistic, groups=codes, n_boot=n_boot, seed=seed)
        found.insert(0, "per", [per for _, per in told])
        found.insert(0, "term", [term for term, _ in told])
        found.insert(0, "model", model)
        rows.append(found)
    return pd.concat(rows, ignore_index=True)[COLUMNS]


def sentence(effects, second="video", called="face") -> str:
    """What divides people, in one sentence.

    Parameters
    ----------
    effects : DataFrame
        The table `division_coefficients` (`coefficients`, per standard deviation).
    second : str
        The channel that incongruence is held against, as the votes call it.
    called : str
        Its name in the sentence.

    Returns
    -------
    str

    Examples
    --------
    >>> rows = [["noise taken out", t, 0.1, 0.0, 0.2, "ok", ""] for t in ("incongruence",)]
    >>> columns = ["model", "term", "estimate", "ci_low", "ci_high", "status", "reason"]
    >>> few = pd.DataFrame(rows, columns=columns).assign(ci_low=np.nan, reason="too few clips")
    >>> sentence(few)
    'What divides people cannot be told: too few clips.'
    """
    clean = effects[effects["model"] == MODELS[1]].set_index("term")
    terms = ["incongruence", f"{second} division", f"incongruence minus {second} division"]
    if not np.isfinite(clean["ci_low"].reindex(terms[:1]).item()):
        return f"What divides people cannot be told: {clean['reason'].iloc[0]}."
    own, other, gap = (clean.loc[term] for term in terms)

    def said(row):
        return f"{row['estimate']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"

    does = "divides" if own["ci_low"] > 0 else "is not shown to divide"
    much = "not clearly more than"
    much = "less than" if gap["ci_high"] < 0 else "more than" if gap["ci_low"] > 0 else much
    return (
        f"Conflict {does} people who get both channels ({said(own)} per standard deviation), "
        f"{much} an unclear {called} by itself ({said(other)})."
    )


def beside_mixture(found, weight, names=("first", "second")) -> pd.DataFrame:
    """Coefficients per unit beside those of people who each follow one channel.

    `found`: from `coefficients`. `weight`: share that follows the first channel
    (`winning.channel_weight`). Returns columns model, term, estimate, ci_low, ci_high, n, mixture
    (w (1 - w), w, 1 - w).
    """
    unit = found.loc[found["per"] == "unit", COLUMNS[:2] + COLUMNS[3:7]]
    mixture = {"incongruence": weight * (1 - weight)}
    mixture |= {f"{names[0]} division": weight, f"{names[1]} division": 1 - weight}
    return unit.assign(mixture=unit["term"].map(mixture)).reset_index(drop=True)


def clustered(table, clusters) -> pd.DataFrame:
    """Least squares on standardised predictors, with errors clustered in several ways.

    `table`: predictors, and ``division``. `clusters` (dict of str to array [n]): name -> groups, or
    two columns of groups [n, 2] for two-way clusters. Returns columns clusters, n_clusters, term,
    estimate, ci_low, ci_high, p.

    `statsmodels.OLS` with ``cov_type="cluster"``.
    """
    good = table.notna().all(axis=1).to_numpy()
    if good.sum() < 10:
        clusters = {}  # nothing to fit: an empty table
    x = table.loc[good].drop(columns="division")
    x = (x - x.mean()) / x.std(ddof=0)
    y, rows = table.loc[good, "division"].to_numpy(), []
    for name, groups in clusters.items():
        groups = np.asarray(groups).reshape(len(table), -1)[good]
        codes = np.column_stack([pd.factorize(column)[0] for column in groups.T]).squeeze()
        fit = sm.OLS(y, sm.add_constant(x.to_numpy())).fit(
            cov_type="cluster", cov_kwds={"groups": codes}
        )
        smallest = int(np.min(codes.max(axis=0) + 1))
        for j, term in enumerate(x.columns, 1):
            row = (name, smallest, term, fit.params[j], *fit.conf_int()[j], fit.pvalues[j])
            rows.append(row)
    columns = ["clusters", "n_clusters", "term", "estimate", "ci_low", "ci_high", "p"]
    return pd.DataFrame(rows, columns=columns)


def held_out(table, groups, *, n_folds=5, n_boot=2000, seed=42) -> pd.DataFrame:
    """How much of the division of held-out actors' clips each set of predictors tells.

    `table`: as `predictors`: incongruence, two divisions, division. `groups` (array [n]): actors;
    whole ones are held out. Returns columns predictors, model (linear; splines: with all products
    of two; boosted trees), r2 with ci_low and ci_high, gain over the same model without
    incongruence, with gain_low and gain_high; n, status, reason.
    """
    good = table.notna().all(axis=1).to_numpy()
    y, codes = table.loc[good, "division"].to_numpy(), codes_of(groups, len(table))[good]
    one, two = list(table)[1:3]
    sets = {
        two: [two],
        "both divisions": [one, two],
        "and incongruence": [one, two, "incongruence"],
    }
    kinds = {
        "linear": LinearRegression(),
        "splines": make_pipeline(
            SplineTransformer(n_knots=4), PolynomialFeatures(2, interaction_only=True),
            RidgeCV(np.logspace(-2, 3, 6)),
        ),
        "boosted trees": HistGradientBoostingRegressor(
            max_iter=80, learning_rate=0.08, max_leaf_nodes=8, random_state=seed
        ),
    }  # fmt: skip
    n_folds, rows = min(n_folds, len(np.unique(codes))), []
    if n_folds < 2 or len(y) < 10:
        kinds = {}  # nothing to fit: an empty table
    folds = GroupKFold(max(n_folds, 2), shuffle=True, random_state=seed)
    for kind, model in kinds.items():
        wrong = {}
        for name, columns in sets.items():
            x, guess, mean = table.loc[good, columns].to_numpy(), np.empty(len(y)), np.empty(len(y))
            for train, test in folds.split(x, groups=codes):
                guess[test] = clone(model).fit(x[train], y[train]).predict(x[test])
                mean[test] = y[train].mean()
            wrong[name] = (y - guess) ** 2
            before = wrong.get("both divisions", wrong[name])
            sums = np.column_stack([wrong[name], before, (y - mean) ** 2])
            found = inference.intervals(sums, _r2, groups=codes, n_boot=n_boot, seed=seed)
            (r2, low, high), gain = found.iloc[:, :3].to_numpy()
            gain = gain if name == "and incongruence" else [np.nan] * 3
            about = found.loc[0, ["status", "reason"]]
            rows.append((name, kind, r2, low, high, *gain, len(y), *about))
    names = ["predictors", "model", "r2", "ci_low", "ci_high", "gain", "gain_low", "gain_high", "n"]
    return pd.DataFrame(rows, columns=[*names, "status", "reason"])


def _r2(sums):
    wrong, before, total = (sums[..., i] for i in range(3))
    return np.stack([1 - wrong / total, (before - wrong) / total], axis=-1)


def cells(first, second, whole, *, groups, names=("first", "second"), n_boot=2000, seed=42):
    """Division of the whole clip's votes where channels are clear or not, and agree or not.

    A channel is clear where its division is at most the median of both channels. Agree: the
    majorities are the same. Clips with a tied majority are left out.

    Returns columns clear (both, only the first, only the second, neither), majorities (``same``,
    ``differ``), estimate (mean division), ci_low, ci_high, n, n_recordings, status, reason.
    """
    table = predictors(first, second, whole, names)
    one, two = (table[f"{name} division"] for name in names)
    middle = pd.concat([one, two]).median()
    apart = majority_differs(first, second)
    kinds = {
        "both": (one <= middle) & (two <= middle),
        f"only {names[0]}": (one <= middle) & (two > middle),
        f"only {names[1]}": (one > middle) & (two <= middle),
        "neither": (one > middle) & (two > middle),
    }
    codes, rows = codes_of(groups, len(table)), []
    for clear, at in kinds.items():
        for said, value in (("same", 0), ("differ", 1)):
            keep = (at & (apart == value) & table["division"].notna()).to_numpy()
            found = inference.interval(
                table["division"].to_numpy()[keep], groups=codes[keep], n_boot=n_boot, seed=seed
            )
            rows.append({"clear": clear, "majorities": said, **found._asdict()})
    return pd.DataFrame(rows)

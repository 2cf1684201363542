"""How sure a model is, whether it should be, and what that is worth for finding its errors.

`groups` is the recording of each clip, by clip_id or row by row; intervals draw whole recordings.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax, xlogy

from empdis_utils.data.tables import QUADRANTS
from empdis_utils.measures import inference

__all__ = [
    "conformal_coverage", "calibration", "conformal_sets", "cross_conformal_sets", "link",
    "predictive_entropy", "risk_coverage", "scaled_calibration", "selective_prediction",
    "temperature_scale", "weighted_risk",
]  # fmt: skip

_TOLERANCE = 1e-6


def _bad_rows(bad: np.ndarray) -> str:
    rows = np.flatnonzero(bad)
    return ", ".join(map(str, rows[:5])) + (f", ... ({len(rows)} in all)" if len(rows) > 5 else "")


def _probabilities(p, name: str = "p") -> np.ndarray:
    """Return [n, k] probabilities from P(class 1) [n] or from [n, k]; refuse anything else."""
    p = np.asarray(p, dtype=float)
    if p.ndim not in (1, 2) or (p.ndim == 2 and p.shape[1] < 2):
        raise ValueError(f"{name} must be P(class 1) [n] or [n, k] with k > 1, got {p.shape}.")
    rows = p if p.ndim == 2 else p[:, None]
    if not len(rows):
        raise ValueError(f"{name} has no rows.")
    if (bad := np.isnan(rows).any(axis=1)).any():
        raise ValueError(f"{name} is NaN in rows {_bad_rows(bad)}: drop them or predict again.")
    if (bad := ((rows < -_TOLERANCE) | (rows > 1 + _TOLERANCE)).any(axis=1)).any():
        raise ValueError(
            f"{name} lies outside [0, 1] in rows {_bad_rows(bad)}: give probabilities, not logits."
        )
    rows = rows.clip(0, 1)
    if p.ndim == 1:
        return np.column_stack([1 - rows[:, 0], rows[:, 0]])
    if (bad := np.abs(rows.sum(axis=1) - 1) > 1e-4).any():
        raise ValueError(f"{name} does not sum to 1 in rows {_bad_rows(bad)}.")
    return rows / rows.sum(axis=1, keepdims=True)


def _labels(y, proba: np.ndarray, name: str = "y") -> np.ndarray:
    y = np.asarray(y)
    if y.shape != (len(proba),):
        raise ValueError(f"{name} has shape {y.shape}, expected ({len(proba)},).")
    bad = ~np.isin(y, np.arange(proba.shape[1]))
    if bad.any():
        raise ValueError(
            f"{name} must be 0..{proba.shape[1] - 1}: other values in rows {_bad_rows(bad)}."
        )
    return y.astype(int)


def predictive_entropy(p) -> np.ndarray:
    """Entropy of each predicted distribution, in nats.

    Parameters
    ----------
    p : array [n] or [n, k]
        P(class 1), or one probability per class.

    Returns
    -------
    array [n]
        Between 0 (certain) and ln k (uniform; ln 2 = 0.693 for two classes).

    Raises
    ------
    ValueError
        NaN, values outside [0, 1], or rows that do not sum to 1; names the rows.

    Notes
    -----
    Table 5 of the paper. Checked against `scipy.stats.entropy`.

    Examples
    --------
    >>> predictive_entropy([0.5, 0.9]).round(3).tolist()
    [0.693, 0.325]
    >>> predictive_entropy([[0.2, 0.3, 0.5]]).round(3).tolist()
    [1.03]
    """
    proba = _probabilities(p)
    return -xlogy(proba, proba).sum(axis=1).clip(max=0)


def calibration(
    y, p, n_bins: int = 10, *, groups=None, n_boot: int = 2000, seed: int = 42
) -> tuple[dict, pd.DataFrame]:
    """Compare predicted probabilities with what happened.

    Parameters
    ----------
    y : int array [n]
        Labels 0..k-1.
    p : array [n] or [n, k]
        P(class 1), or one probability per class.
    n_bins : int
        Bins of equal width on [0, 1].
    groups : array [n], optional
        Recording of each clip; None: every clip is its own.
    n_boot, seed : int
        As for `inference.intervals`.

    Returns
    -------
    summary : dict
        n; ece (mean gap between frequency and probability over bins, weighted by clips); brier
        (two classes: mean of (p - y)^2; more: squared error summed over classes); log_loss (nats);
        each with _low and _high (95 %, over recordings). Counting makes the ece too large: its
        interval lies lower, and starts at 0 where calibrated probabilities would do as badly.
    bins : DataFrame
        bin, low, high, n, mean_p, frequency, ci_low, ci_high (of the frequency); empty bins have
        n = 0 and NaN. With P(class 1) the event is class 1; with [n, k] it is that the most
        probable class is right.

    Raises
    ------
    ValueError
        As `predictive_entropy`; labels that do not match.

    Notes
    -----
    ECE: Naeini et al. 2015; Guo et al. 2017, arXiv:1706.04599. Checked against scikit-learn's
    `brier_score_loss`, `log_loss` and `calibration_curve`.

    Examples
    --------
    >>> y, p = [0, 0, 1, 1, 1, 0], [0.2, 0.4, 0.6, 0.8, 0.9, 0.7]
    >>> summary, bins = calibration(y, p, n_bins=2)
    >>> summary["n"], round(summary["brier"], 3), bins["n"].tolist()
    (6, 0.15, [2, 4])
    """
    proba = _probabilities(p)
    y = _labels(y, proba)
    k = proba.shape[1]
    if np.ndim(p) == 1:
        shown, event = proba[:, 1], y == 1
        brier = (shown - event) ** 2
    else:
        shown, event = proba.max(axis=1), proba.argmax(axis=1) == y
        brier = ((proba - np.eye(k)[y]) ** 2).sum(axis=1) / (2 if k == 2 else 1)
    loss = -np.log(proba[np.arange(len(y)), y].clip(np.finfo(float).eps))
    groups = np.arange(len(y)) if groups is None else np.asarray(groups)
    edges = np.linspace(0, 1, n_bins + 1)
    # Bins are [low, high); the last one includes 1.
    number = np.searchsorted(edges[1:-1], shown, side="right")
    rows = []
    for b, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        inside = number == b
        found = inference.share_interval(event[inside], groups=groups[inside])
        row = {"bin": b, "low": low, "high": high, "n": found.n}
        row["mean_p"] = shown[inside].mean() if found.n else np.nan
        row |= {"frequency": found.estimate, "ci_low": found.ci_low, "ci_high": found.ci_high}
        rows.append(row)
    bins = pd.DataFrame(rows)

    gaps = np.zeros((len(y), n_bins + 1))
    gaps[np.arange(len(y)), number] = event - shown
    gaps[:, -1] = 1
    sums = inference.recording_sums(gaps, groups)

    def ece(totals):
        return np.abs(totals[..., :-1]).sum(axis=-1) / totals[..., -1]

    # What the same clips would show if no bin had a gap: only the draw of recordings moves it.
    drawn = inference.draws(len(sums), n_boot, seed)
    alone = [ece(np.column_stack([(w - 1) @ sums[:, :-1], w @ sums[:, -1]])) for w in drawn]
    how = dict(groups=groups, n_boot=n_boot, seed=seed)
    noise = np.quantile(np.concatenate(alone), 0.95)
    means = inference.intervals(np.column_stack([brier, loss]), **how).itertuples()
    summary = {"n": len(y)}
    for name, found in (
        ("ece", inference.interval(gaps, ece, noise=noise, **how)),
        ("brier", next(means)),
        ("log_loss", next(means)),
    ):
        summary |= {name: found.estimate}
        summary |= {f"{name}_low": found.ci_low, f"{name}_high": found.ci_high}
    return summary, bins


def temperature_scale(p_val, y_val, p) -> tuple[np.ndarray, float, str]:
    """Soften or sharpen probabilities by one number learned on validation clips.

    Parameters
    ----------
    p_val, y_val : array [v] or [v, k], int array [v]
        Validation clips only: never the clips in `p`.
    p : array [n] or [n, k]
        Probabilities to rescale, in the form of `p_val`.

    Returns
    -------
    p_scaled : array shaped like `p`
        softmax(log p / T).
    T : float
        Minimises validation log-loss within [0.05, 20]; above 1 the model was overconfident.
    reason : str
        Empty, or why no temperature can be learned: one class, no errors (the smaller T the
        better), no skill (the larger T the better), or T outside its limits. T is NaN then, and
        `p_scaled` is `p`.

    Raises
    ------
    ValueError
        As `calibration`; forms that differ.

    Notes
    -----
    Guo et al. 2017, arXiv:1706.04599. It never changes which class is most probable. Checked
    against a grid search and against logits scaled by a known number.
    """
    val, proba = _probabilities(p_val, "p_val"), _probabilities(p, "p")
    if np.ndim(p_val) != np.ndim(p) or val.shape[1] != proba.shape[1]:
        raise ValueError(f"p_val {np.shape(p_val)} and p {np.shape(p)} differ in form.")
    y_val = _labels(y_val, val, "y_val")
    smallest = np.finfo(float).tiny
    logits = np.log(val.clip(smallest))
    own = logits[np.arange(len(y_val)), y_val]

    def unscaled(reason: str):
        return np.asarray(p, float), np.nan, f"{reason} (n={len(y_val)})"

    # The loss is convex in 1 / T: these three tell whether its minimum is at 0 or at infinity.
    if len(np.unique(y_val)) < 2:
        return unscaled("the validation clips are of one class")
    if own.mean() <= logits.mean() + 1e-12:
        return unscaled("no skill on the validation clips")
    if (own >= logits.max(axis=1)).all():
        return unscaled("no errors among the validation clips")

    def loss(log_t: float) -> float:
        scaled = log_softmax(logits / np.exp(log_t), axis=1)
        return -scaled[np.arange(len(y_val)), y_val].mean()

    found = minimize_scalar(loss, bounds=np.log([0.05, 20]), method="bounded")
    temperature = float(np.exp(found.x))
    if not 0.0501 < temperature < 19.9:
        return unscaled("the best temperature is outside 0.05 to 20")
    scaled = softmax(np.log(proba.clip(smallest)) / temperature, axis=1)
    return (scaled[:, 1] if np.ndim(p) == 1 else scaled), temperature, ""


def scaled_calibration(test, validation, *, groups, n_boot=2000, seed=42):
    """Calibration of a model as trained, and with a temperature for each of its fits.

    `test`, `validation`: clip_id, seed, fold, y, p. The validation rows of a fit choose its
    temperature. Returns `table`: probabilities ("as trained", "temperature scaled"), what
    `calibration` finds, n, median temperature, fits without a temperature; `bins`: the bins of both
    that hold predictions, with `probabilities`; `reasons`: why fits have no temperature.
    """
    scaled, reasons = [], []
    for (s, fold), part in test.groupby(["seed", "fold"]):
        own = validation[(validation["seed"] == s) & (validation["fold"] == fold)]
        arrays = (x.to_numpy() for x in (own["p"], own["y"], part["p"]))
        p, temperature, reason = temperature_scale(*arrays)
        scaled.append(part.assign(p=p, temperature=temperature))
        reasons += [reason] if reason else []
    scaled, rows, bins = pd.concat(scaled), [], []
    for name, part in (("as trained", test), ("temperature scaled", scaled)):
        recordings = groups[part["clip_id"]].to_numpy()
        summary, own = calibration(
            part["y"].to_numpy(), part["p"].to_numpy(), groups=recordings, n_boot=n_boot, seed=seed
        )
        rows.append({"probabilities": name, **dict(summary), "n": part["clip_id"].nunique()})
        bins.append(own[own["n"] > 0].assign(probabilities=name))
    table = pd.DataFrame(rows)
    table["median temperature"] = [1.0, scaled["temperature"].median()]
    table["fits without a temperature"] = [0, len(reasons)]
    return table, pd.concat(bins, ignore_index=True), reasons


def risk_coverage(error, uncertainty) -> tuple[pd.DataFrame, float]:
    """Error among the clips that are kept when the most uncertain are set aside first.

    Parameters
    ----------
    error : array [n]
        1 where the model is wrong, else 0 (or any loss).
    uncertainty : array [n]
        Larger is less sure. Tied clips enter in random order; their expected error is used, so
        the order of rows changes nothing.

    Returns
    -------
    curve : DataFrame
        coverage (k/n for k = 1..n), risk (mean error of the k surest), threshold (uncertainty of
        the k-th clip).
    aurc : float
        Mean risk over coverages; smaller is better. Uninformative uncertainty gives the error rate.

    Raises
    ------
    ValueError
        NaN, lengths that differ, no rows.

    Notes
    -----
    Geifman and El-Yaniv 2017, arXiv:1705.08500; AURC: Ding et al. 2020, arXiv:1903.02050. Checked
    against hand-computed cases and against the average over random orders of ties.
    """
    error, uncertainty = np.asarray(error, dtype=float), np.asarray(uncertainty, dtype=float)
    if error.ndim != 1 or error.shape != uncertainty.shape or not len(error):
        raise ValueError(
            f"error {error.shape} and uncertainty {uncertainty.shape} must be equally long vectors."
        )
    for name, values in (("error", error), ("uncertainty", uncertainty)):
        if (bad := np.isnan(values)).any():
            raise ValueError(f"{name} is NaN in rows {_bad_rows(bad)}.")
    order = np.argsort(uncertainty, kind="stable")
    threshold, group = np.unique(uncertainty, return_inverse=True)
    size = np.bincount(group)
    expected = (np.bincount(group, weights=error) / size)[group][order]
    kept = np.arange(1, len(error) + 1)
    risk = np.cumsum(expected) / kept
    curve = pd.DataFrame(
        {"coverage": kept / len(error), "risk": risk, "threshold": threshold[group][order]}
    )
    return curve, float(risk.mean())


def weighted_risk(error, uncertainty, coverages) -> Callable:
    """Risk at some coverages and its mean over all (AURC), as a function of clip weights.

    Parameters
    ----------
    error, uncertainty : array [n]
        As for `risk_coverage`. Values of `uncertainty` that differ by less than 1e-9 count as tied.
    coverages : array [c]
        In (0, 1].

    Returns
    -------
    callable
        Takes weights [b, n] (how often each clip is drawn), returns [b, c + 1]: risk at each
        coverage, then AURC. For `inference.weighted_intervals`.

    Raises
    ------
    ValueError
        As `risk_coverage`.

    Notes
    -----
    A group of m tied clips with mean error e, after N clips with E errors, adds
    :math:`\\sum_{i=1}^m (E + ie)/(N + i) = me + (E - Ne)(H_{N+m} - H_N)` to the sum of risks, with
    H the harmonic numbers. Checked against `risk_coverage` of the repeated clips.
    """
    error = np.asarray(error, float)
    uncertainty = np.round(np.asarray(uncertainty, float), 9)
    risk_coverage(error, uncertainty)  # refuses what cannot be ranked
    coverages = np.asarray(coverages, float)
    order = np.argsort(uncertainty, kind="stable")
    starts = np.unique(uncertainty[order], return_index=True)[1]  # of each group of ties

    def function(weights):
        weights = np.asarray(weights)[:, order]
        m = np.add.reduceat(weights, starts, axis=1)
        wrong = np.add.reduceat(weights * error[order], starts, axis=1)
        kept, errors = np.cumsum(m, axis=1), np.cumsum(wrong, axis=1)
        total = kept[:, -1]
        harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, total.max() + 1))])
        rate = np.divide(wrong, m, out=np.zeros_like(wrong), where=m > 0)
        before, wrong_before = kept - m, errors - wrong
        steps = harmonic[kept.astype(int)] - harmonic[before.astype(int)]
        area = (m * rate + (wrong_before - before * rate) * steps).sum(axis=1) / total
        at = np.maximum(np.ceil(np.round(coverages * total[:, None], 9)), 1)
        risks = np.empty(at.shape)
        if len(coverages):
            from_none = np.pad(kept, ((0, 0), (1, 0))), np.pad(errors, ((0, 0), (1, 0)))
            for row, *curve in zip(risks, at, *from_none, strict=True):
                row[:] = np.interp(*curve)
        return np.column_stack([risks / at, area])

    return function


def selective_prediction(
    error, flags, *, groups=None, coverages=None, n_boot: int = 2000, seed: int = 42
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Risk-coverage curves with bands, and how much each flag changes the area beneath.

    `error` (array [n]): 1 where the model is wrong. `flags` (dict of str to array [n]): larger is
    less sure. The first is what the others are held against. `coverages` (array): by default 0.05,
    0.10, …, 1. Returns `curves`: flag, coverage, risk, ci_low, ci_high: pointwise bands; `areas`:
    flag, aurc, ci_low, ci_high, against, difference, difference_low, difference_high, n,
    n_recordings, reason. The difference is paired: one draw of recordings serves both flags. Below
    0: a better flag than the first. Raises ValueError: as `risk_coverage` and
    `inference.weighted_intervals`.
    """
    coverages = np.arange(1, 21) / 20 if coverages is None else np.asarray(coverages, float)
    functions = [weighted_risk(error, flag, coverages) for flag in flags.values()]
    names, width = list(flags), len(coverages) + 1

    def function(weights):
        found = np.hstack([f(weights) for f in functions])
        areas = found[:, width - 1 :: width]
        return np.hstack([found, areas - areas[:, :1]])

    how = dict(groups=groups, n_boot=n_boot, seed=seed)
    found = inference.weighted_intervals(function, len(np.asarray(error)), **how)
    limits = found[["estimate", "ci_low", "ci_high"]].to_numpy()
    curves, rows = [], []
    for k, name in enumerate(names):
        own = limits[k * width : (k + 1) * width]
        curve = pd.DataFrame(own[:-1], columns=["risk", "ci_low", "ci_high"])
        curves.append(curve.assign(flag=name, coverage=coverages))
        at = len(names) * width + k
        change = limits[at] if k else [np.nan] * 3
        rows.append(
            {"flag": name, "aurc": own[-1, 0], "ci_low": own[-1, 1], "ci_high": own[-1, 2]}
            | {"against": names[0] if k else ""}
            | dict(zip(("difference", "difference_low", "difference_high"), change, strict=True))
            | {"n": found["n"].iloc[0], "n_recordings": found["n_recordings"].iloc[0]}
            | {"reason": found["reason"].iloc[at if k else width - 1]}
        )
    columns = ["flag", "coverage", "risk", "ci_low", "ci_high"]
    return pd.concat(curves, ignore_index=True)[columns], pd.DataFrame(rows)


def conformal_sets(p_cal, y_cal, p, level: float = 0.9) -> np.ndarray:
    """Split-conformal prediction sets: labels that cannot be ruled out at this level.

    Parameters
    ----------
    p_cal : array [m] or [m, k]
        Probabilities of clips that only calibrate; a vector is P of class 1.
    y_cal : array [m]
        Their labels.
    p : array [n] or [n, k]
        Probabilities of the clips to predict.
    level : float
        Wanted share of sets that hold the label.

    Returns
    -------
    array [n, k] of bool
        True for labels in the set; two classes have k = 2. With too few calibration clips for the
        level every label is in every set.

    Raises
    ------
    ValueError
        As `calibration`, and a level outside (0, 1).

    Notes
    -----
    Score 1 - p of the label; threshold: its ⌈(m + 1) level⌉-th smallest calibration score. If
    calibration and new clips are exchangeable, the label is in the set with probability at least
    `level` over all clips together; nothing is promised for any group of them. Vovk, Gammerman &
    Shafer (2005); Angelopoulos & Bates 2023, doi:10.1561/2200000101.
    """
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level}")
    p_cal, p = _probabilities(p_cal, "p_cal"), _probabilities(p, "p")
    y_cal = _labels(y_cal, p_cal, "y_cal")
    scores = np.sort(1 - p_cal[np.arange(len(y_cal)), y_cal])
    rank = int(np.ceil((len(scores) + 1) * level))
    limit = scores[rank - 1] if rank <= len(scores) else np.inf
    return 1 - p <= limit + 1e-12


def cross_conformal_sets(p, y, groups, *, level=0.9, seed=42) -> np.ndarray:
    """`conformal_sets` of every clip: each of two random halves of the groups calibrates the other.

    Parameters
    ----------
    p, y : array
        As p_cal and y_cal of `conformal_sets`.
    groups : array [n]
        Recording of each clip.
    level, seed

    Returns
    -------
    array [n, k] of bool
    """
    halves = np.random.default_rng(seed).permutation(pd.unique(groups))
    first = np.isin(groups, halves[: len(halves) // 2])
    sets = np.zeros(_probabilities(p).shape, bool)
    for inside in (first, ~first):
        sets[inside] = conformal_sets(p[~inside], y[~inside], p[inside], level)
    return sets


def link(flips, *, groups, n_boot: int = 2000, seed: int = 42) -> pd.DataFrame:
    """Disagreement with a modality and with fusion's own retraining, by the margin of fusion.

    `flips`: of `disagreement.flips`. Returns a table: per modality all clips, then fifths by
    margin: margin (mean), n, both shares, excess (their difference) with ci_low and ci_high. With
    one seed there is no excess.
    """
    rows = []
    for modality, part in flips.groupby("modality", sort=False):
        edges = np.quantile(part["margin"], [0.2, 0.4, 0.6, 0.8])
        fifth = np.searchsorted(edges, part["margin"])
        for name, clips in [
            ("all", part),
            *((f"fifth {k + 1}", c) for k, c in part.groupby(fifth)),
        ]:
            excess = (clips["differs"] - clips["self_differs"]).to_numpy()
            found = [np.nan] * 3
            if np.isfinite(excess).all():
                recordings = groups.loc[clips["clip_id"]].to_numpy()
                found = inference.interval(excess, groups=recordings, n_boot=n_boot, seed=seed)[:3]
            rows.append(
                {"modality": modality, "clips": name, "margin": clips["margin"].mean()}
                | {"n": len(clips), "disagrees with modality": clips["differs"].mean()}
                | {"disagrees with own retraining": clips["self_differs"].mean()}
                | dict(zip(("excess", "ci_low", "ci_high"), found, strict=True))
            )
    return pd.DataFrame(rows)


def conformal_coverage(sets, y, quadrants, *, groups) -> pd.DataFrame:
    """How often conformal sets hold the label, over all clips and in each quadrant.

    Parameters
    ----------
    sets : bool array [n, k]
        Of `conformal_sets`.
    y : Series [n]
        clip_id -> label.
    quadrants : DataFrame
        clip_id, modality, quadrant.
    groups : Series
        clip_id -> recording.

    Returns
    -------
    DataFrame
        modality and quadrant ("all" first), n, coverage, ci_low, ci_high, labels in the set (mean
        number), note.
    """
    held = pd.Series(sets[np.arange(len(y)), y].astype(float), y.index)
    size = pd.Series(sets.sum(axis=1).astype(float), y.index)
    parts = {("all", "all"): y.index}
    for modality, part in quadrants.groupby("modality", sort=False):
        for quadrant in QUADRANTS:
            parts[modality, quadrant] = part.loc[part["quadrant"] == quadrant, "clip_id"]
    rows = []
    for (modality, quadrant), clips in parts.items():
        found = inference.share_interval(held.loc[clips], groups=groups.loc[clips].to_numpy())
        rows.append(
            {"modality": modality, "quadrant": quadrant, "n": len(clips)}
            | {"coverage": found.estimate, "ci_low": found.ci_low, "ci_high": found.ci_high}
            | {"labels in the set": size.loc[clips].mean(), "note": found.reason}
        )
    return pd.DataFrame(rows)

"""What two predictors say about the label together: redundant, unique and synergistic bits.

For a binary label the decomposition of Bertschinger et al. (2014, doi:10.3390/e16042161, "BROJA")
needs no optimiser. Its union information is the least that any joint with the two given
predictor-label pairs can hold. Channels from a binary variable form a lattice under Blackwell's
order (Bertschinger and Rauh 2014, arXiv:1401.3146), so that least joint is their join: the
predictor whose ROC curve is the convex hull of the two ROC curves.

`groups` is the recording of each clip, by clip_id or row by row; intervals draw whole recordings.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import rel_entr
from tqdm import tqdm

from empdis_utils.measures import inference

__all__ = ["ATOMS", "decompose", "decompose_pairs", "partial_information"]

ATOMS = ("redundancy", "unique_1", "unique_2", "synergy")


def _mutual_information(joint: np.ndarray) -> float:
    """I(Y; X) in bits of a joint [2, x]."""
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    return float(rel_entr(joint, apart).sum() / np.log(2))


def _roc(joint: np.ndarray) -> np.ndarray:
    """Corners [c, 2] of the ROC curve: x sorted by likelihood ratio, rates per class summed."""
    given = joint[:, joint.sum(axis=0) > 0] / joint.sum(axis=1, keepdims=True)
    order = np.argsort(-given[1] / given.sum(axis=0), kind="stable")
    return np.vstack([np.zeros(2), np.cumsum(given[:, order].T, axis=0)])


def _upper_hull(points: np.ndarray) -> np.ndarray:
    """Corners of the concave curve over `points` [c, 2], from (0, 0) to (1, 1)."""
    hull: list[np.ndarray] = []
    for point in points[np.lexsort((points[:, 1], points[:, 0]))]:
        while len(hull) > 1:
            (ax, ay), (bx, by), (cx, cy) = hull[-2], hull[-1], point
            if (bx - ax) * (cy - ay) < (by - ay) * (cx - ax):
                break
            hull.pop()
        hull.append(point)
    return np.array(hull)


def partial_information(joint) -> dict[str, float]:
    """Decompose I(Y; X1, X2) for a binary label, exactly.

    Parameters
    ----------
    joint : array [2, a, b]
        P(y, x1, x2), or counts.

    Returns
    -------
    dict
        redundancy (either predictor gives it), unique_1, unique_2 (one alone gives it), synergy
        (only both together give it) and total, in bits. The four sum to the total; redundancy
        and a unique part sum to that predictor's own information.

    Raises
    ------
    ValueError
        Not [2, a, b], negative or not finite, or a label that never occurs.

    Notes
    -----
    Checked against closed forms (XOR, AND, copy, unique) and against a direct minimisation over
    all joints with the same pairs.
    """
    joint = np.asarray(joint, dtype=float)
    if joint.ndim != 3 or joint.shape[0] != 2:
        raise ValueError(
            f"joint must be [2, a, b], got {joint.shape}: for more classes, one class at a time."
        )
    if not np.isfinite(joint).all() or (joint < 0).any():
        raise ValueError("joint has negative or non-finite entries.")
    if (joint.sum(axis=(1, 2)) == 0).any():
        raise ValueError("joint has one class only: there is nothing to predict.")
    joint = joint / joint.sum()
    prior = joint.sum(axis=(1, 2))
    first, second = joint.sum(axis=2), joint.sum(axis=1)
    steps = np.diff(_upper_hull(np.vstack([_roc(first), _roc(second)])), axis=0)
    one, two = _mutual_information(first), _mutual_information(second)
    # Never below either one; without max, rounding could leave -1e-17.
    union = max(one, two, _mutual_information(prior[:, None] * steps.T.clip(0)))
    total = _mutual_information(joint.reshape(2, -1))
    return {
        "redundancy": one + two - union,
        "unique_1": union - two,
        "unique_2": union - one,
        "synergy": total - union,
        "total": total,
    }


def _bins(p: np.ndarray, n_bins: int) -> np.ndarray:
    """Number of the quantile bin; equal values share one."""
    edges = np.unique(np.quantile(p, np.arange(1, n_bins) / n_bins))
    return np.searchsorted(edges, p, side="right")


def decompose(
    y,
    p_1,
    p_2,
    n_bins: int = 4,
    n_permutations: int = 500,
    seed: int = 42,
    progress: bool = False,
    *,
    groups=None,
    n_boot: int = 500,
) -> pd.DataFrame:
    """Estimate redundancy, unique information and synergy of two predictors from clips.

    Predictions are cut into `n_bins` quantile bins and counted. Counting overstates information,
    synergy most. Shuffled labels, which hold none, show by how much.

    `y` (int array [n]): 0 or 1. `p_1`, `p_2` (array [n]): out-of-fold P(class 1) of the two models.
    `n_permutations`: shuffles of `y`. Returns a table: one row per atom (redundancy, unique_1,
    unique_2, synergy) and the total: atom, n, bits, null_mean and null_high (mean and 95th
    percentile over shuffles), corrected (bits - null_mean), ci_low and ci_high (of the bits, 95 %
    over recordings, without the part that counting adds; from 0 where bits are no more than
    null_high), reason (why there is no interval), status. With fewer than 2 * n_bins**2 clips the
    numbers are NaN and status says "too few (n=...)". Raises ValueError: lengths that differ, NaN,
    labels other than 0 and 1, one class only.

    `null_high` tests "no information at all". An atom below it may still not be zero, and a shuffle
    says nothing of one atom where another is present.
    """
    y, p_1, p_2 = np.asarray(y), np.asarray(p_1, dtype=float), np.asarray(p_2, dtype=float)
    n = len(y)
    for name, values in (("p_1", p_1), ("p_2", p_2)):
        if values.shape != y.shape or values.ndim != 1:
            raise ValueError(f"{name} has shape {values.shape}, y has {y.shape}.")
        if len(bad := np.flatnonzero(~np.isfinite(values))):
            raise ValueError(f"{name} is not finite in rows {', '.join(map(str, bad[:5]))}.")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("y must be 0 or 1: for more classes, one class against the rest.")
    if len(np.unique(y)) < 2:
        raise ValueError(f"y has one class (n={n}): there is nothing to predict.")
    table = pd.DataFrame({"atom": [*ATOMS, "total"], "n": n})
    if n < 2 * n_bins**2:
        return table.assign(
            bits=np.nan,
            null_mean=np.nan,
            null_high=np.nan,
            corrected=np.nan,
            ci_low=np.nan,
            ci_high=np.nan,
            reason="",
            status=f"too few (n={n})",
        )
    cells = _bins(p_1, n_bins) * n_bins + _bins(p_2, n_bins)

    def atoms(labels: np.ndarray) -> list[float]:
        counts = np.bincount(labels * n_bins**2 + cells, minlength=2 * n_bins**2)
        return list(partial_information(counts.reshape(2, n_bins, n_bins)).values())

    rng = np.random.default_rng(seed)
    y = y.astype(int)
    shuffles = tqdm(range(n_permutations), desc="label shuffles", disable=not progress)
    null = np.array([atoms(rng.permutation(y)) for _ in shuffles])
    table["bits"] = atoms(y)
    table["null_mean"] = null.mean(axis=0)
    table["null_high"] = np.quantile(null, 0.95, axis=0)
    table["corrected"] = table["bits"] - table["null_mean"]

    def weighted(weights):
        size = 2 * n_bins**2
        counts = [np.bincount(y * n_bins**2 + cells, w, minlength=size) for w in weights]
        shaped = [each.reshape(2, n_bins, n_bins) for each in counts]
        none = [np.nan] * len(table)
        return [
            list(partial_information(each).values()) if each.sum(axis=(1, 2)).all() else none
            for each in shaped
        ]

    found = inference.weighted_intervals(
        weighted, n, groups=groups, n_boot=n_boot, seed=seed, noise=table["null_high"].to_numpy()
    )
    table[["ci_low", "ci_high", "reason"]] = found[["ci_low", "ci_high", "reason"]]
    return table.assign(status="ok")


def decompose_pairs(predictions, *, groups, seed=42) -> pd.DataFrame:
    """`decompose` of every pair of single modalities, from their mean probability over seeds.

    `predictions`: clip_id, inputs, seed, y, p of two classes. Returns a table: the columns of
    `decompose`, and `pair`.
    """
    clips = predictions.drop_duplicates("clip_id")
    y, recordings = clips["y"].to_numpy(), groups[clips["clip_id"]].to_numpy()
    p = predictions.groupby(["clip_id", "inputs"])["p"].mean().unstack().loc[clips["clip_id"]]
    found = [
        decompose(y, p[a].to_numpy(), p[b].to_numpy(), seed=seed, groups=recordings).assign(
            pair=f"{a}, {b}"
        )
        for a, b in combinations([name for name in p if "+" not in name], 2)
    ]
    return pd.concat(found, ignore_index=True)

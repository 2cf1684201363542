"""A stress test: are clips of much disagreement hard for a network that did not choose them?

Clips are matched on label and confidence, since disagreement goes with both. The network that is
tested is another training of fusion: it drew none of the sets.
"""

from __future__ import annotations

import numpy as np

from empdis_utils.controls import using
from empdis_utils.measures.alignment import align
from empdis_utils.measures.uncertainty import predictive_entropy

__all__ = ["drop", "most", "random_sets", "strata", "study"]

SHARE, FIFTHS, DRAWS = 0.25, 5, 10
MEASURES = {"drop in accuracy": "higher", "accuracy on the set": "lower"}


def strata(y, margin) -> np.ndarray:
    """Code [n] of each clip's label and fifth of confidence. `margin` [n]: larger is surer."""
    edges = np.quantile(margin, np.arange(1, FIFTHS) / FIFTHS)
    codes = np.asarray(y) * FIFTHS + np.searchsorted(edges, margin)
    return np.unique(codes, return_inverse=True)[1]


def most(flag, share: float = SHARE) -> np.ndarray:
    """The `share` of clips [n] (bool) with the largest flag; of ties, the first."""
    chosen = np.zeros(len(flag), bool)
    chosen[np.argsort(-np.asarray(flag), kind="stable")[: round(share * len(flag))]] = True
    return chosen


def random_sets(chosen, codes, rng, n_draws: int = DRAWS) -> np.ndarray:
    """Random sets [draws, n] with as many clips of each stratum as `chosen` has."""
    sets = np.zeros((n_draws, len(codes)), bool)
    for code in np.unique(codes[chosen]):
        clips = np.flatnonzero(codes == code)
        for row in sets:
            row[rng.choice(clips, chosen[clips].sum(), replace=False)] = True
    return sets


def drop(right, chosen, codes):
    """Accuracy on matched clips minus accuracy on a set, and the latter, by clip weights.

    Parameters
    ----------
    right : array [n]
    chosen : bool array [n]
    codes : int array [n]
        Stratum of each clip. A clip of the set counts against the other clips of its stratum; a
        stratum without others is left out.

    Returns
    -------
    callable
        Weights [b, n] to [b, 2].
    """
    member = np.eye(codes.max() + 1)[codes]
    inside, outside = member * chosen[:, None], member * ~chosen[:, None]
    parts = np.hstack([inside, inside * right[:, None], outside, outside * right[:, None]])

    def of_weights(weights):
        n_in, right_in, n_out, right_out = np.split(weights @ parts, 4, axis=1)
        both = (n_in > 0) & (n_out > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = np.where(both, right_out / n_out - right_in / n_in, 0)
            matched = (gap * n_in).sum(axis=1) / (n_in * both).sum(axis=1)
            return np.column_stack([matched, right_in.sum(axis=1) / n_in.sum(axis=1)])

    return of_weights


def study(compared, *, corpus, dialog, n_boot=2000, seed=42):
    """Stress sets, on all sides.

    `compared`: of chapter 04. `dialog`: clip_id -> recording. Network s draws the sets, network
    s - 1 is tested and has the confidence; with one seed they are the same, and the note says so.
    Returns `uses`, `gains`: as `using.measured`.
    """
    trained, rng = using.Trained.of(compared), np.random.default_rng(seed)
    y, p = trained.models.y, trained.fused
    right = (trained.models.label(trained.joint) == y).astype(float)
    flags = {"cross-modal disagreement": trained.cross_modal()}
    roles = {"cross-modal disagreement": using.DISAGREEMENT}
    if (again := trained.retrained(spare=1)) is not None:
        flags["disagreement with own retraining"] = again
        roles["disagreement with own retraining"] = using.CONTROL
    flags["entropy"] = np.array([predictive_entropy(one) for one in p])
    roles |= {"entropy": using.BASELINE, "same confidence at random": using.BASELINE}
    drops = {name: [] for name in roles}
    for s in range(len(p)):
        tested = (s - 1) % len(p)
        two = np.sort(p[tested], axis=-1)[:, -2:]
        codes = strata(y, two[:, 1] - two[:, 0])
        for name, flag in flags.items():
            drops[name].append([drop(right[tested], most(flag[s]), codes)])
        like = random_sets(most(flags["cross-modal disagreement"][s]), codes, rng)
        drops["same confidence at random"].append([drop(right[tested], one, codes) for one in like])

    def function(weights):
        found = [
            np.mean([np.mean([one(weights) for one in draws], axis=0) for draws in seeds], axis=0)
            for seeds in drops.values()
        ]
        return np.stack(found, axis=1)

    note = trained.note(spare=1)
    if len(p) == 1:
        note = "one training: the tested network drew the sets"
    return using.measured(
        "stress", corpus, roles, MEASURES, function, seeds=len(p), note=note,
        groups=align(dialog, trained.models.clips, "recordings"), n_boot=n_boot, seed=seed,
    )  # fmt: skip

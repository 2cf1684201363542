"""The paper's sentences about annotators, as numbers with intervals over recordings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from empdis_utils.measures import agreement, inference
from empdis_utils.measures.alignment import align
from empdis_utils.paper.comparisons import table_of

__all__ = ["kappa_contrasts", "quadrant_changes", "vote_changes"]

PARTS = {"red+green": ("red", "green"), "blue+yellow": ("blue", "yellow")}


def kappa_contrasts(cells, *, groups, subsets=None, n_boot=2000, seed=42) -> pd.DataFrame:
    """Cohen's kappa of two annotators: disagreement quadrants against agreement quadrants.

    `cells`: annotations with `quadrant`: annotator, clip_id, modality, round, judgment, quadrant.
    `subsets`: name -> clip ids, as for `agreement.agreement_table`. Returns a table: with `subset`.
    "red+green: change", "blue+yellow: change" (round 2 minus round 1), "change: red+green minus
    blue+yellow", "round 2: red+green minus blue+yellow". Empty unless there are two annotators and
    two answers.
    """
    raters, answers = (sorted(cells[c].unique()) for c in ("annotator", "judgment"))
    if len(raters) != 2 or len(answers) != 2:
        return pd.DataFrame()
    keys = ["clip_id", "modality", "quadrant"]
    code = cells.assign(code=(cells["judgment"] == answers[1]).astype(int))
    wide = code.pivot(index=keys, columns=["round", "annotator"], values="code").dropna()
    tables = []
    for subset, clips in (subsets or {"all": None}).items():
        part = wide if clips is None else wide[wide.index.get_level_values(0).isin(set(clips))]
        part = part.astype(int)
        quadrant = part.index.get_level_values("quadrant")
        blocks = []
        for inside in (quadrant.isin(PARTS["red+green"]), quadrant.isin(PARTS["blue+yellow"])):
            for turn in (1, 2):
                a, b = (part[(turn, rater)].to_numpy() for rater in raters)
                blocks.append(np.eye(4)[a * 2 + b] * inside[:, None])

        def four(sums):
            kappa = [
                agreement.cohen_kappa_of_cells(
                    sums[..., 4 * k : 4 * k + 4].reshape(*sums.shape[:-1], 2, 2)
                )
                for k in range(4)
            ]
            falls, rises = kappa[1] - kappa[0], kappa[3] - kappa[2]
            return np.stack([falls, rises, falls - rises, kappa[1] - kappa[3]], axis=-1)

        names = [
            "red+green: change",
            "blue+yellow: change",
            "change: red+green minus blue+yellow",
            "round 2: red+green minus blue+yellow",
        ]
        recordings = align(groups, part.index.get_level_values("clip_id"), "groups")
        found = table_of(names, np.hstack(blocks), four, recordings, n_boot, seed)
        tables.append(found.assign(subset=subset))
    return pd.concat(tables, ignore_index=True)


def vote_changes(
    first, second, parts, *, groups, contrasts=None, statistic="fleiss_kappa", level=0.95,
    n_boot=2000, seed=42,
) -> pd.DataFrame:  # fmt: skip
    """Change of agreement between two readings of the same clips, in parts of the clips.

    `first`, `second` (DataFrame [n_clips, k]): votes per category, row by row the same clips.
    `parts` (dict of str to array [n_clips] of bool). `groups` (array [n_clips]): recording of each
    clip. One draw of recordings serves all parts. `contrasts`: name -> (part, part): the change in
    the first minus the change in the second. `statistic`: as for `agreement.interval`, of votes.
    `level`: of each interval. For limits that hold for all m parts at once: 1 - 0.05 / m. Returns
    columns part, estimate (second minus first), ci_low, ci_high, n (clips of the part that two
    people judged both times), n_recordings, status, reason.
    """
    moments, function, _ = agreement.moments_of(pd.DataFrame(first), statistic)
    other, _, _ = agreement.moments_of(pd.DataFrame(second), statistic)
    judged = (moments[:, 0] > 0) & (other[:, 0] > 0)
    both = np.hstack([moments, other]) * judged[:, None]
    width, names = moments.shape[1], list(parts)
    inside = np.column_stack([np.asarray(parts[name], bool) for name in names])
    columns = np.hstack([both * inside[:, [k]] for k in range(len(names))])
    pairs = {name: (names.index(a), names.index(b)) for name, (a, b) in (contrasts or {}).items()}

    def changes(sums):
        found = []
        for k in range(len(names)):
            own = sums[..., 2 * width * k : 2 * width * (k + 1)]
            found.append(function(own[..., width:]) - function(own[..., :width]))
        return np.stack([*found, *(found[a] - found[b] for a, b in pairs.values())], axis=-1)

    found = inference.intervals(
        columns, changes, groups=groups, n_boot=n_boot, level=level, seed=seed
    )
    found.insert(0, "part", [*names, *pairs])
    sizes = (inside & judged[:, None]).sum(axis=0)
    found["n"] = [*sizes, *(sizes[a] + sizes[b] for a, b in pairs.values())]
    return found


def quadrant_changes(first, second, quadrant, **how) -> pd.DataFrame:
    """`vote_changes` in each quadrant, in red+green and blue+yellow, and the gap of the two.

    `first`, `second`, `**how`: as for `vote_changes`. `quadrant` (array [n_clips]): drawn by votes
    that are in neither.
    """
    quadrant = np.asarray(quadrant)
    parts = {name: (name,) for name in ("red", "green", "blue", "yellow")} | PARTS
    inside = {name: np.isin(quadrant, names) for name, names in parts.items()}
    contrast = {"red+green minus blue+yellow": ("red+green", "blue+yellow")}
    return vote_changes(first, second, inside, contrasts=contrast, **how)

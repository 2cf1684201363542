"""The clips that people will judge: drawn evenly, and shuffled for each annotator."""

import numpy as np
import pandas as pd
from scipy import optimize, sparse

from empdis_utils.data.tables import MODALITIES, QUADRANTS

__all__ = ["annotation_order", "of_sample", "sample_for_annotation"]


def sample_for_annotation(quadrants, manifest, per_cell=17, seed=42):
    """Draw the clips that people will judge: `per_cell` for each quadrant of each modality.

    Parameters
    ----------
    quadrants : DataFrame
        The table `quadrants` with one row per clip and modality (one seed, or the ensemble).
    manifest : DataFrame
        clip_id, dialog_id.
    per_cell : int
        17 × 4 quadrants × 3 modalities = 204, as in the paper (section 4).
    seed : int

    Returns
    -------
    sample : DataFrame
        clip_id, dialog_id, modality, quadrant, repeated (True where the clip also stands in
        another cell), sorted by modality, quadrant and clip_id. `annotation_order` shuffles it.
    shortfalls : DataFrame
        modality, quadrant, wanted, available, sampled, missing: one row per cell with fewer than
        `per_cell` clips. Empty when there is none. Nothing is filled up from elsewhere.

    Raises
    ------
    ValueError
        More than one row per clip and modality, or a clip that the manifest does not know.

    Notes
    -----
    One minimum-cost flow, solved as a linear program (`scipy.optimize.linprog`; a vertex of it is
    whole-numbered). Goals in this order: fill the cells; no clip in two cells; recordings evenly
    within each cell (the k-th clip of a recording costs k); chance.

    Examples
    --------
    >>> cells = {"modality": "text", "quadrant": ["red", "red", "blue", "blue"]}
    >>> quadrants = pd.DataFrame({"clip_id": list("abcd"), **cells})
    >>> manifest = pd.DataFrame({"clip_id": list("abcd"), "dialog_id": list("rsrs")})
    >>> sample, shortfalls = sample_for_annotation(quadrants, manifest, per_cell=2)
    >>> len(sample), shortfalls[["quadrant", "missing"]].to_dict("list")
    (4, {'quadrant': ['green', 'yellow'], 'missing': [2, 2]})
    """
    double = quadrants.duplicated(["clip_id", "modality"])
    if double.any():
        seeds = sorted(quadrants["seed"].unique()) if "seed" in quadrants else []
        raise ValueError(
            f"{double.sum()} rows repeat a clip and modality: choose one of the seeds {seeds} first"
        )
    frame = quadrants[["clip_id", "modality", "quadrant"]].merge(
        manifest[["clip_id", "dialog_id"]].drop_duplicates(), on="clip_id", how="left"
    )
    if frame["dialog_id"].isna().any():
        lost = frame.loc[frame["dialog_id"].isna(), "clip_id"].iloc[0]
        raise ValueError(f"clip {lost!r} is in the quadrants but not in the manifest")
    frame = frame.sort_values(["modality", "quadrant", "clip_id"], ignore_index=True)
    frame = frame[_choose(frame, per_cell, np.random.default_rng(seed))]
    frame = frame.assign(repeated=frame["clip_id"].duplicated(keep=False)).reset_index(drop=True)

    known = [m for m in MODALITIES if m in set(quadrants["modality"])]
    known += sorted(set(quadrants["modality"]) - set(MODALITIES))
    cells = pd.MultiIndex.from_product([known, QUADRANTS], names=["modality", "quadrant"])
    count = [
        t.groupby(["modality", "quadrant"]).size().reindex(cells, fill_value=0)
        for t in (quadrants, frame)
    ]
    report = pd.DataFrame({"wanted": per_cell, "available": count[0], "sampled": count[1]})
    report["missing"] = report["wanted"] - report["sampled"]
    return frame, report[report["missing"] > 0].reset_index()


def _choose(frame, per_cell, rng):
    """Mask of the chosen rows; the program of `sample_for_annotation`."""

    def incidence(*keys):
        codes = frame.groupby(list(keys), sort=False).ngroup().to_numpy()
        return sparse.csr_array((np.ones(n), (codes, np.arange(n)))), np.bincount(codes)

    n = len(frame)
    if n == 0 or per_cell == 0:
        return np.zeros(n, bool)
    cells, _ = incidence("modality", "quadrant")
    clips, in_cells = incidence("clip_id")
    nests, sizes = incidence("modality", "quadrant", "dialog_id")
    # The k-th clip of a recording in a cell takes one of the steps 1, 2, ..., cheapest first.
    owner = np.repeat(np.arange(len(sizes)), sizes)
    step = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
    taken = sparse.csr_array((np.ones(n), (owner, np.arange(n))))
    most = per_cell * cells.shape[0]
    repeat = most * per_cell + 1  # more than all steps together
    fill = repeat * (most + 1)  # more than all repeats together
    result = optimize.linprog(
        np.concatenate([rng.random(n) / 2 - fill, np.full(len(in_cells), repeat), step]),
        A_ub=sparse.block_array(
            [
                [cells, None, None],
                [clips, -sparse.eye_array(len(in_cells)), None],
                [nests, None, -taken],
            ],
            format="csc",
        ),
        b_ub=np.repeat([per_cell, 1, 0], [cells.shape[0], len(in_cells), len(sizes)]),
        bounds=np.array([[0, 1]] * n + [[0, np.inf]] * len(in_cells) + [[0, 1]] * n),
        method="highs-ds",
    )
    return result.x[:n] > 0.5


def of_sample(table, sample, add=("quadrant",)):
    """Rows of `table` (clip_id, modality, …) that the sample has, with columns of the sample."""
    key = ["clip_id", "modality"]
    return table.merge(sample[[*key, *add]], on=key)


def annotation_order(sample, annotator, seed=42):
    """The sample as one annotator meets it: shuffled, with the quadrant hidden.

    `sample`: from `sample_for_annotation`. `annotator`: pseudonym; each has an order of their own,
    the same on every call. Returns columns position (1, 2, ...), clip_id, modality.
    """
    items = sample[["clip_id", "modality"]].sort_values(["clip_id", "modality"])
    rng = np.random.default_rng([seed, *annotator.encode()])
    items = items.iloc[rng.permutation(len(items))].reset_index(drop=True)
    items.insert(0, "position", np.arange(1, len(items) + 1))
    return items

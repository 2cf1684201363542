"""What a wrong join of the modalities does: one clip's text beside other clips' sound and picture.

Read literally, the released code trains like this (mayasrikm/multimodal-empathy-disagreement at
733d2c2): ``uni.py`` saves the training embeddings of each modality in a random order of its own,
and ``build_fusion_dataset`` of ``fusionmodel.py`` joins them row by row and takes the labels of the
first modality. Validation and test rows keep their order. Whether the paper's numbers were made so
is not known. Here the same networks are trained and tested with the true join and with a shuffled
one: what shuffling does not take away, the network never took from matching sound and picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from joblib import delayed

from empdis_utils.data.tables import in_order, inputs_name
from empdis_utils.data.workers import parallel
from empdis_utils.measures import inference, scores
from empdis_utils.models import fusion

__all__ = ["JOINS", "compare", "rows_of_folds", "shuffle", "study"]

#: Name of each join -> whether rows are shuffled between clips in (training, testing).
JOINS = {
    "true": (False, False),
    "shuffled in training": (True, False),
    "shuffled in testing": (False, True),
    "shuffled in both": (True, True),
}
COLUMNS = ["join", "inputs", "n", "n_seeds", "accuracy", "ci_low", "ci_high", "sd_seeds"]


def rows_of_folds(predictions: pd.DataFrame, clip_id) -> dict[int, dict[str, np.ndarray]]:
    """Which clips trained, chose the epoch of, and tested the networks of each fold.

    `predictions`: validation and test rows of `models.fusion.study`. `clip_id` (array [n]): all
    clips, in the order of the embeddings. Returns fold -> {"train", "val", "test"}, int arrays of
    rows. A clip with no row in a fold was in training.
    """
    clips, found = pd.Index(clip_id), {}
    for fold, part in predictions.groupby("fold"):
        held = {
            split: np.sort(clips.get_indexer(own["clip_id"].unique()))
            for split, own in part.groupby("split")
        }
        train = np.setdiff1d(np.arange(len(clips)), np.concatenate([*held.values()]))
        found[int(fold)] = {"train": train, **held}
    return found


def shuffle(embeddings: Mapping[str, np.ndarray], rows, *, keep: str, rng) -> dict:
    """The same embeddings, with `rows` of every modality but `keep` in a random order of its own.

    `embeddings`: modality -> array [n, d]. `rows`: int array. Other rows stay where they are.
    """
    mixed = {m: np.array(x) for m, x in embeddings.items()}
    for modality in mixed:
        if modality != keep:
            mixed[modality][rows] = mixed[modality][rng.permutation(rows)]
    return mixed


def study(
    embeddings: Mapping | Callable,
    manifest: pd.DataFrame,
    trained: pd.DataFrame,
    *,
    n_jobs: int = -1,
    **how,
) -> pd.DataFrame:
    """Train the network on all modalities with the true and with a shuffled join; test it on both.

    The seeds, folds and validation clips are those of `trained`. Validation clips are never
    shuffled. The first modality, whose labels the release takes, keeps its rows; each other one is
    shuffled anew for every seed and fold.

    Parameters
    ----------
    embeddings, manifest, n_jobs, **how
        As for `models.fusion.study`: `how` is recipe, missing and resume.
    trained : DataFrame
        What that returned with rows of "val" and "test" and source "fusion".

    Returns
    -------
    DataFrame
        join (a name of `JOINS`), clip_id, inputs, seed, fold, y, p. With the true join p is that of
        `trained`.
    """
    how = {"resume": True} | how  # with the true join, chapter 03 has trained these networks
    full = max(trained["inputs"].unique(), key=lambda name: name.count("+"))
    own, y = trained[trained["inputs"] == full], manifest["y"].to_numpy()
    parts = rows_of_folds(own, manifest["clip_id"])
    tasks = (
        delayed(_train)(
            {m: np.asarray(given[m]) for m in in_order(full.split("+"))}, y, rows, fold, seed,
            shuffled, how,
        )
        for seed in own["seed"].unique().tolist()
        for fold, rows in parts.items()
        for given in [embeddings(seed, fold) if callable(embeddings) else embeddings]
        for shuffled in (False, True)
    )  # fmt: skip
    table = pd.concat(parallel(tasks, n_jobs), ignore_index=True)
    table.insert(1, "clip_id", manifest["clip_id"].to_numpy()[table.pop("row")])
    return table.assign(inputs=full)


def _train(given, y, rows, fold, seed, shuffled, how) -> pd.DataFrame:
    """One network, tested with both joins; runs in a worker process."""
    keep, rng = next(iter(given)), np.random.default_rng([seed, fold])
    for_training = shuffle(given, rows["train"], keep=keep, rng=rng)
    for_testing = {False: given, True: shuffle(given, rows["test"], keep=keep, rng=rng)}
    fitted = fusion.fit(
        for_training if shuffled else given, y, train=rows["train"], val=rows.get("val"),
        seed=seed, **how,
    )  # fmt: skip
    frames = []
    for join, (in_training, in_testing) in JOINS.items():
        if in_training == shuffled:
            p = fusion.predict(
                fitted, {m: x[rows["test"]] for m, x in for_testing[in_testing].items()}
            ).p
            about = {"join": join, "row": rows["test"], "seed": seed, "fold": fold}
            frames.append(pd.DataFrame({**about, "y": y[rows["test"]], "p": p}))
    return pd.concat(frames)


def compare(joined: pd.DataFrame, alone: pd.DataFrame, *, groups, n_boot=2000, seed=42):
    """Accuracy under each join, and how far it lies from the true join and from one modality alone.

    Parameters
    ----------
    joined : DataFrame
        Of `study`.
    alone : DataFrame
        Test rows of the network on the first modality alone.
    groups : Series
        clip_id -> recording. Intervals resample recordings; differences are paired by clip.

    Returns
    -------
    DataFrame
        join (the names of `JOINS`, then "<modality> alone"), inputs, n, n_seeds, accuracy, ci_low,
        ci_high, sd_seeds, minus_true, minus_true_low, minus_true_high, minus_alone,
        minus_alone_low, minus_alone_high. A row's difference from itself is 0, with no interval.
    """
    name = f"{inputs_name(list(alone['inputs'].unique()))} alone"
    every = pd.concat([joined, alone.assign(join=name)[list(joined)]], ignore_index=True)
    sure = dict(groups=groups, n_boot=n_boot, seed=seed)
    table = scores.score_table(every, by=("join", "inputs"), **sure)[COLUMNS]
    order = [*JOINS, name]
    table = table.set_index("join").loc[order].reset_index()
    every["right"] = (scores.predicted(every) == every["y"]).astype(float)
    right = every.groupby(["clip_id", "join"])["right"].mean().unstack("join")
    recordings = groups.loc[right.index].to_numpy()
    for column, other in (("minus_true", "true"), ("minus_alone", name)):
        gaps = right[table["join"]].sub(right[other], axis=0).to_numpy()
        ends = inference.intervals(gaps, groups=recordings, n_boot=n_boot, seed=seed)
        table[column] = ends["estimate"].to_numpy()
        for end in ("low", "high"):
            table[f"{column}_{end}"] = ends[f"ci_{end}"].to_numpy()
    return table

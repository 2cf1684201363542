"""The placebo beside a finding about quadrants: what would show if no second signal were there.

Quadrants need two models. Take twice the *same* model, trained again, and there are quadrants too:
red, green, more entropy, points near the boundary. So a finding counts only by its **excess** over
a placebo that differs in nothing else:

- *same model*: an ensemble of all seeds but one, against the left-out training of the modality
  (`modality`) or of the ensemble's own model (`same model`). Every seed is left out once.
- *other encoder*: quadrants of two encoders of one modality, where a run has two; the values are
  still those of the fusion model and of the modality.
- *same votes*: quadrants from two random parts of the same people's answers, measured on answers
  that drew neither.

The two sides are drawn alike, so if the modality were a retrained copy of the fusion model the
excess would be 0 in expectation. Its interval is paired: one draw of recordings serves both sides.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from empdis_utils.measures import agreement, inference, uncertainty
from empdis_utils.measures.alignment import MIN_N, align
from empdis_utils.measures.disagreement import (
    Models,
    across_seeds,
    check_predictions,
    models_of,
    quadrant_of,
)

__all__ = ["gaps", "quadrants", "rates", "votes"]

SAME, OTHER, VOTES = "same model", "other encoder", "same votes"
DISAGREE, AGREE = ("red", "green"), ("blue", "yellow")
CONTRASTS = {
    "red+green - blue+yellow": (DISAGREE, AGREE),
    "red - blue": (("red",), ("blue",)),
    "green - blue": (("green",), ("blue",)),
    "red - green": (("red",), ("green",)),
    "red - yellow": (("red",), ("yellow",)),
    "green - yellow": (("green",), ("yellow",)),
    "yellow - blue": (("yellow",), ("blue",)),
}


# --------------------------------------------------------------------------- models


def _drawn(models, reference, fifth) -> list[np.ndarray]:
    """Quadrants of each seed's training of `fifth` against the other seeds' `reference`."""
    p, own = models.p[reference], models.p[fifth]
    codes = []
    for k in range(len(models.seeds)):
        others = np.delete(p, k, axis=0).mean(axis=0)
        codes.append(quadrant_of(models.confidence(own[k])[1], models.confidence(others)[1]))
    return codes


def quadrants(
    predictions: pd.DataFrame,
    *,
    encoders: pd.DataFrame | None = None,
    threshold: float = 0.5,
    fusion: str | None = None,
    unimodal_source: str = "fusion",
    fusion_source: str = "fusion",
) -> pd.DataFrame:
    """Quadrants drawn by a modality, and by a placebo, against the same ensembles.

    Parameters
    ----------
    predictions : DataFrame
        As for `disagreement.quadrants`, with two seeds or more.
    encoders : DataFrame, optional
        Predictions of encoders' own heads, with `encoder`: adds the placebo `other encoder` for
        each modality (`inputs`) that has two or more. The first two by name; the first is the
        ensemble's.
    threshold, fusion, unimodal_source, fusion_source
        As for `disagreement.quadrants`.

    Returns
    -------
    DataFrame
        modality, drawn_by ("modality" or a placebo), clip_id, seed (the one left out), quadrant,
        entropy (of the fusion ensemble without that seed, nats), distance (of the left-out
        training's confidence from one half). Empty with one seed: nothing was retrained.

    Raises
    ------
    ValueError
        As `disagreement.quadrants`.
    """
    models, single, joint = models_of(
        predictions, threshold, fusion, unimodal_source, fusion_source
    )
    names = ["modality", "drawn_by", "clip_id", "seed", "quadrant", "entropy", "distance"]
    n_seeds = len(models.seeds)
    if n_seeds < 2:
        return pd.DataFrame(columns=names)
    pairs = _encoder_pairs(encoders, threshold)
    fused = models.p[joint]
    entropy = [
        uncertainty.predictive_entropy(np.delete(fused, k, axis=0).mean(axis=0))
        for k in range(n_seeds)
    ]
    itself, blocks = _drawn(models, joint, joint), []
    for modality, model in single.items():
        drawn = {"modality": _drawn(models, joint, model), SAME: itself}
        if modality in pairs:
            other, one, two = pairs[modality]
            if list(other.clips) == list(models.clips) and other.seeds == models.seeds:
                drawn[OTHER] = _drawn(other, one, two)
        for name, codes in drawn.items():
            measured = joint if name == SAME else model
            for k, code in enumerate(codes):
                block = {
                    **{"modality": modality, "drawn_by": name, "clip_id": models.clips},
                    **{"seed": models.seeds[k], "quadrant": code},
                    **{"entropy": entropy[k]},
                    "distance": np.abs(models.confidence(models.p[measured][k])[0] - 0.5),
                }
                blocks.append(pd.DataFrame(block))
    table = pd.concat(blocks, ignore_index=True)
    return table.astype(dict.fromkeys(names[:5], "str"))


def _encoder_pairs(encoders, threshold) -> dict:
    """Modality -> (models, first encoder, second encoder), where it has two with two seeds."""
    pairs = {}
    if encoders is None:
        return pairs
    for modality, part in encoders.groupby("inputs", sort=False):
        names = sorted(part["encoder"].unique())[:2]
        if len(names) < 2:
            continue
        part = part[part["encoder"].isin(names)]
        keys = [(modality, name) for name in names]
        table = check_predictions(part.assign(source=part["encoder"]))
        models = Models(table, keys, threshold)
        if len(models.seeds) > 1:
            pairs[modality] = (models, *keys)
    return pairs


def rates(
    predictions: pd.DataFrame,
    *,
    encoders: pd.DataFrame | None = None,
    threshold: float = 0.5,
    fusion: str | None = None,
    unimodal_source: str = "fusion",
    fusion_source: str = "fusion",
    groups: pd.Series | None = None,
    n_boot: int = 2000,
    seed: int = 42,
) -> pd.DataFrame:
    """How often a modality and fusion differ, above what each placebo differs from itself.

    Parameters as in `quadrants`; `groups` (clip_id -> recording), `n_boot` and `seed` as elsewhere.

    Returns
    -------
    DataFrame
        As `gaps`, contrast "differs". Rates are means over all pairs of different seeds. The
        placebo `same model` is the mean of the two models' own retraining, so its excess is
        :math:`(a - b)^2` per clip: never below 0 but by chance.
    """
    models, single, joint = models_of(
        predictions, threshold, fusion, unimodal_source, fusion_source
    )
    clips = models.clips
    recordings = None if groups is None else align(groups, clips, "groups")
    pairs = _encoder_pairs(encoders, threshold)
    rows = []
    for modality, model in single.items():
        labels = {m: models.label(m) for m in (model, joint)}
        if len(models.seeds) < 2:
            found = {SAME: None}
        else:
            own = (
                across_seeds(labels[model], labels[model])
                + across_seeds(labels[joint], labels[joint])
            ) / 2
            found = {SAME: own}
        if modality in pairs:
            other, one, two = pairs[modality]
            per_clip = pd.Series(across_seeds(other.label(one), other.label(two)), other.clips)
            if set(clips) <= set(per_clip.index):
                found[OTHER] = per_clip.loc[clips].to_numpy()
        for name, per_clip in found.items():
            if per_clip is None:
                rows.append(_row(modality, "differs", name, None, len(clips), "one seed"))
                continue
            ones = np.ones(len(clips))
            columns = np.column_stack([across_seeds(labels[model], labels[joint]), per_clip, ones])

            def three(sums):
                a, b = sums[..., 0] / sums[..., 2], sums[..., 1] / sums[..., 2]
                return np.stack([a, b, a - b], axis=-1)

            found_rows = inference.intervals(
                columns, three, groups=recordings, n_boot=n_boot, seed=seed
            )
            rows.append(_row(modality, "differs", name, found_rows, len(clips)))
    return pd.DataFrame(rows)


# --------------------------------------------------------------------------- people


def votes(single, both, y, *, n_splits: int = 10, seed: int = 42) -> pd.DataFrame:
    """Quadrants drawn by people's answers, and by random parts of the same answers.

    The answers to the full clip are split at random: one half is measured, two quarters draw. The
    first quarter stands for "all signals". Beside it stands an equally large draw of the answers to
    one signal (`modality`), or the second quarter (`same votes`).

    Parameters
    ----------
    single, both : DataFrame [n_clips, k]
        Votes per category on one signal and on all, row by row the same clips.
    y : array [n_clips]
        The right category of each clip.
    n_splits : int
        Random splits.
    seed : int

    Returns
    -------
    DataFrame
        drawn_by, clip_id, seed (number of the split), quadrant (ties included), entropy (of the
        measured half, nats).
    """
    blocks = []
    for k in range(n_splits):
        rng = np.random.default_rng([seed, k])
        drawing, measured = agreement.split_votes(both, rng)
        first, second = agreement.split_votes(drawing, rng)
        sizes = np.minimum(second.sum(axis=1), single.sum(axis=1)).astype(int)
        alike = [
            rng.multivariate_hypergeometric(row, size, method="marginals")
            for row, size in zip(single.to_numpy(int), sizes, strict=True)
        ]
        alike = pd.DataFrame(np.array(alike).reshape(single.shape), single.index, single.columns)
        entropy = agreement.soft_labels(measured)["entropy"].to_numpy()
        for name, one in (("modality", alike), (VOTES, second)):
            quadrant = agreement.people_quadrants(one, first, y)["quadrant"].to_numpy()
            block = {"clip_id": both.index, "seed": str(k), "quadrant": quadrant}
            blocks.append(pd.DataFrame(block | {"drawn_by": name, "entropy": entropy}))
    table = pd.concat(blocks, ignore_index=True)
    return table.dropna(subset="entropy")[["drawn_by", "clip_id", "seed", "quadrant", "entropy"]]


# --------------------------------------------------------------------------- excess


def _row(modality, contrast, placebo, found, n, note="") -> dict:
    """One row of `gaps` from the three intervals: observed, placebo, excess."""
    row = {"modality": modality, "contrast": contrast, "placebo": placebo}
    names = (("value", "ci"), ("placebo_value", "placebo"), ("excess", "excess"))
    for k, (name, limit) in enumerate(names):
        one = found.iloc[k] if found is not None else {}
        row[name] = one.get("estimate", np.nan)
        row[f"{limit}_low"], row[f"{limit}_high"] = (
            one.get("ci_low", np.nan),
            one.get("ci_high", np.nan),
        )
    if found is not None:
        note = note or found.iloc[2]["reason"]
        row["n_recordings"] = found.iloc[2]["n_recordings"]
    return row | {"n": n, "n_recordings": row.get("n_recordings", 0), "note": note}


def _columns(part, value, plus, minus, clips) -> np.ndarray:
    """Sums over trainings of value and count, in the plus and the minus quadrants: [clips, 4]."""
    values = part[value].to_numpy(float)
    first, second = (part["quadrant"].isin(q).to_numpy(float) for q in (plus, minus))
    rows = np.column_stack([values * first, first, values * second, second])
    sums = np.zeros((len(clips), 4))
    np.add.at(sums, clips.get_indexer(part["clip_id"]), rows)
    return sums


def _three(sums):
    """Gap of the left four columns, of the right four, and their difference."""

    def gap(s):
        return s[..., 0] / s[..., 1] - s[..., 2] / s[..., 3]

    observed, placebo = gap(sums[..., :4]), gap(sums[..., 4:])
    return np.stack([observed, placebo, observed - placebo], axis=-1)


def gaps(
    drawn: pd.DataFrame,
    value: str,
    *,
    contrasts: dict | None = None,
    groups: pd.Series | None = None,
    n_boot: int = 2000,
    seed: int = 42,
) -> pd.DataFrame:
    """Mean of `value` in some quadrants minus others: as drawn, by the placebo, and the excess.

    Parameters
    ----------
    drawn : DataFrame
        From `quadrants` or `votes` (with a column modality), with a column `value`.
    value : str
    contrasts : dict, optional
        Name -> (quadrants, quadrants); by default `CONTRASTS`.
    groups : Series, optional
        clip_id -> recording.

    Returns
    -------
    DataFrame
        modality (each, and "all" pooled), contrast, placebo, value, ci_low, ci_high,
        placebo_value, placebo_low, placebo_high, excess, excess_low, excess_high, n_recordings, n
        (clips), note. Fewer than five clips per training in a part of the contrast: no numbers.
    """
    rows = []
    modalities = list(dict.fromkeys(drawn["modality"]))
    pooled = [("all", modalities)] if len(modalities) > 1 else []
    for modality, inside in [*((m, [m]) for m in modalities), *pooled]:
        here = drawn[drawn["modality"].isin(inside)]
        own = here[here["drawn_by"] == "modality"]
        for name in [n for n in dict.fromkeys(here["drawn_by"]) if n != "modality"]:
            other = here[here["drawn_by"] == name]
            if set(other["modality"]) != set(inside):
                continue
            clips = pd.Index(own["clip_id"].unique())
            other = other[other["clip_id"].isin(clips)]
            trainings = min(own["seed"].nunique(), other["seed"].nunique())
            for contrast, (plus, minus) in (contrasts or CONTRASTS).items():
                columns = np.hstack([_columns(p, value, plus, minus, clips) for p in (own, other)])
                counts = columns[:, [1, 3, 5, 7]].sum(axis=0) / trainings
                if counts.min() < MIN_N:
                    few = "too few (n=" + ", ".join(f"{c:.1f}" for c in counts) + ")"
                    rows.append(_row(modality, contrast, name, None, len(clips), few))
                    continue
                recordings = None if groups is None else align(groups, clips, "groups")
                found = inference.intervals(
                    columns, _three, groups=recordings, n_boot=n_boot, seed=seed
                )
                rows.append(_row(modality, contrast, name, found, len(clips)))
    return pd.DataFrame(rows)


def selective(risk) -> pd.DataFrame:
    """What disagreement adds to entropy as a flag, beside what fusion's own retraining adds.

    Parameters
    ----------
    risk : DataFrame
        Areas of `uncertainty.selective_prediction`: both flags against entropy, and the one against
        the other; a flag's name ends in "then entropy".

    Returns
    -------
    DataFrame
        One row, with the columns of `gaps`.
    """
    both, own = "disagreement, then entropy", "own retraining, then entropy"
    found = risk.set_index(["flag", "against"])
    row = {"modality": "all", "contrast": "disagreement added to entropy", "placebo": SAME}
    for value, end, at in (
        ("value", "ci", (both, "entropy")),
        ("placebo_value", "placebo", (own, "entropy")),
        ("excess", "excess", (both, own)),
    ):
        change = found.loc[at, ["difference", "difference_low", "difference_high"]]
        row |= dict(zip((value, f"{end}_low", f"{end}_high"), change, strict=True))
    size = found.loc[(both, "entropy")]
    row |= {"n": size["n"], "n_recordings": size["n_recordings"], "note": ""}
    return pd.DataFrame([row])

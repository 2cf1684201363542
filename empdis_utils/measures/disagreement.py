"""Where models disagree: pairwise rates, quadrants, and what another seed alone would flip.

Every function takes the `predictions` table: one row per clip, model and seed, with columns
clip_id, inputs, source, seed, y and p (P of class 1). More than two classes: `p_0` … `p_{k-1}`
in place of `p`. Other columns are left aside.

A tie is never right: confidence in the correct label must exceed the threshold (two classes) or
every other class (more classes).

`groups` is the recording of each clip, by clip_id or row by row; intervals draw whole recordings.
"""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pandas as pd

from empdis_utils.data.tables import MODALITIES, QUADRANTS
from empdis_utils.measures import inference
from empdis_utils.measures.alignment import MIN_N, align, examples

__all__ = [
    "KEY", "Models", "across_seeds", "check_predictions", "choices", "compared", "composition",
    "count_quadrants", "ensemble", "evaluations", "flips", "modality_over_seed", "models_of",
    "pairwise_disagreement", "quadrant_of", "quadrants", "remarks", "sides",
    "stability", "threshold_sweep",
]  # fmt: skip

KEY = ["clip_id", "inputs", "source", "seed"]
SWEEP = tuple(k / 100 for k in range(30, 81, 5))


# --------------------------------------------------------------------------- input


def check_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Validated copy of `predictions`: KEY as text, y as int, one probability column per class.

    Returns columns clip_id, inputs, source, seed, y, p_0 … p_{k-1}; sorted by the first four.
    Raises ValueError: missing columns, no rows, missing values, p outside [0, 1], class
    probabilities that do not sum to 1, labels other than 0 … k-1, a row given twice, a clip with
    two labels. The message lists the offenders.
    """
    names = [c for c in predictions.columns if str(c).startswith("p_") and str(c)[2:].isdigit()]
    names = sorted(names, key=lambda name: int(name[2:])) or ["p"]
    lost = [c for c in [*KEY, "y", *names] if c not in predictions]
    if lost:
        raise ValueError(f"predictions: column missing: {', '.join(lost)}")
    if names != ["p"] and names != [f"p_{k}" for k in range(max(len(names), 2))]:
        raise ValueError(f"predictions: expected p_0, p_1, …, got {', '.join(names)}")
    table = predictions[[*KEY, "y", *names]].reset_index(drop=True)
    if table.empty:
        raise ValueError("predictions: no rows")

    def refuse(bad, problem: str) -> None:
        if bad.any():
            rows = ["/".join(map(str, row)) for row in table.loc[bad, KEY].to_numpy()]
            raise ValueError(f"predictions: {problem} ({int(bad.sum())} rows): {examples(rows)}")

    for column in [*KEY, "y", *names]:
        refuse(table[column].isna(), f"missing {column}")
    for column in ["y", *names]:
        number = pd.to_numeric(table[column], errors="coerce")
        refuse(number.isna(), f"{column} is not a number")
        table[column] = number.astype(float)
    for column in names:
        refuse(~table[column].between(0, 1), f"{column} outside [0, 1]")
    if names == ["p"]:
        table["p_0"], table["p_1"] = 1 - table["p"], table["p"]
        table, names = table.drop(columns="p"), ["p_0", "p_1"]
    refuse((table[names].sum(axis=1) - 1).abs() > 1e-3, "class probabilities do not sum to 1")
    refuse(~table["y"].isin(range(len(names))), f"y is not one of 0 … {len(names) - 1}")
    table["y"] = table["y"].astype(int)
    table[KEY] = table[KEY].astype(str)
    refuse(table.duplicated(KEY, keep=False), "clip, model and seed given twice")
    refuse(table.groupby("clip_id")["y"].transform("nunique") > 1, "clip has two labels")
    return table.sort_values(KEY, ignore_index=True)


def _check_threshold(threshold: float) -> None:
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold: expected a number in [0, 1), got {threshold}")


class Models:
    """Probabilities of a set of models on the same clips and seeds.

    `clips` [n] sorted, `y` [n], `seeds` [s], `p` maps (inputs, source) to [s, n, k].
    """

    def __init__(self, table: pd.DataFrame, models: list[tuple[str, str]], threshold: float):
        table = table.set_index(["inputs", "source"]).sort_index()
        table = table.loc[[model for model in models]]
        self.clips = np.array(sorted(table["clip_id"].unique()), dtype=object)
        self.seeds = sorted(table["seed"].unique(), key=lambda seed: (len(seed), seed))
        self.y = table.drop_duplicates("clip_id").set_index("clip_id").loc[self.clips, "y"]
        self.y = self.y.to_numpy()
        self.threshold = threshold
        self.p = {}
        for model in models:
            rows = table.loc[[model]].set_index(["seed", "clip_id"])
            wanted = pd.MultiIndex.from_product([self.seeds, self.clips])
            gaps = wanted.difference(rows.index)
            if len(gaps):
                name = f"{model[0]} ({model[1]})"
                raise ValueError(
                    f"predictions: model {name} has no row for {len(gaps)} pairs of seed and clip "
                    f"that other models have: {examples('/'.join(gap) for gap in gaps)}. Compare "
                    "models on the same clips and seeds: filter the table, or predict these"
                )
            columns = [c for c in rows if c.startswith("p_")]
            shape = len(self.seeds), len(self.clips), len(columns)
            self.p[model] = rows.loc[wanted, columns].to_numpy().reshape(shape)
        if self.binary:
            _check_threshold(threshold)
        elif threshold != 0.5:
            raise ValueError("threshold: applies to two classes only; leave it at 0.5")

    @property
    def binary(self) -> bool:
        return next(iter(self.p.values())).shape[-1] == 2

    def label(self, model) -> np.ndarray:
        """Predicted class [s, n]: 1 if p exceeds the threshold; the likeliest of more classes."""
        p = self.p[model]
        return (p[..., 1] > self.threshold).astype(int) if self.binary else p.argmax(axis=-1)

    def confidence(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Confidence in the correct label, and whether that is right; both [..., n]."""
        correct = np.arange(p.shape[-1]) == self.y[:, None]
        confidence = np.where(correct, p, 0).sum(axis=-1)
        if self.binary:
            return confidence, confidence > self.threshold
        return confidence, confidence > np.where(correct, -1, p).max(axis=-1)


def _order(inputs: str) -> tuple:
    """Sort key: single modalities first, in the order text, audio, video, then any others."""
    parts = inputs.split("+")
    known = [MODALITIES.index(m) if m in MODALITIES else len(MODALITIES) for m in parts]
    return len(parts), known, inputs


def _model_list(table: pd.DataFrame) -> list[tuple[str, str]]:
    pairs = table[["inputs", "source"]].drop_duplicates().itertuples(index=False, name=None)
    return sorted(pairs, key=lambda pair: (_order(pair[0]), pair[1]))


def _unimodal_and_fusion(
    table: pd.DataFrame,
    fusion: str | None = None,
    unimodal_source: str = "fusion",
    fusion_source: str = "fusion",
) -> tuple[dict[str, tuple[str, str]], tuple[str, str]]:
    """Models of each modality, and the fusion model."""
    models = _model_list(table)
    have = ", ".join(f"{inputs} ({source})" for inputs, source in models)
    if fusion is None:
        joint = [inputs for inputs, source in models if source == fusion_source and "+" in inputs]
        most = max((inputs.count("+") for inputs in joint), default=0)
        largest = [inputs for inputs in joint if inputs.count("+") == most]
        if ("fusion", fusion_source) in models:
            largest = ["fusion"]
        if len(largest) != 1:
            raise ValueError(
                "fusion: cannot tell which model it is. Name that model 'fusion', or set the "
                f"parameter fusion (FUSION=NAME with make study). Have: {have}"
            )
        fusion = largest[0]
    if (fusion, fusion_source) not in models:
        raise ValueError(f"predictions: no model {fusion} ({fusion_source}). Have: {have}")
    single = {
        inputs: (inputs, source)
        for inputs, source in models
        if source == unimodal_source and "+" not in inputs and inputs != fusion
    }
    expected = fusion.split("+") if "+" in fusion else []
    lost = [m for m in expected if m not in single]
    if lost or not single:
        what = ", ".join(lost) or "of a single modality"
        raise ValueError(f"predictions: no model {what} ({unimodal_source}). Have: {have}")
    return single, (fusion, fusion_source)


def models_of(
    predictions: pd.DataFrame,
    threshold: float = 0.5,
    fusion: str | None = None,
    unimodal_source: str = "fusion",
    fusion_source: str = "fusion",
) -> tuple[Models, dict[str, tuple[str, str]], tuple[str, str]]:
    """The models that quadrants set against each other, as arrays; parameters as in `quadrants`.

    Returns `models`; `single`: modality -> its key (inputs, source) in `models`; `joint`: the key
    of fusion.
    """
    table = check_predictions(predictions)
    single, joint = _unimodal_and_fusion(table, fusion, unimodal_source, fusion_source)
    return Models(table, [*single.values(), joint], threshold), single, joint


def compared(predictions: pd.DataFrame, **who) -> pd.DataFrame:
    """Rows of the models that quadrants set against each other.

    `**who`: fusion, unimodal_source, fusion_source as in `quadrants`. Returns a table: the rows of
    `predictions` (all its columns) of the single modalities and of fusion, in their order, and
    `role`: "unimodal" or "fusion". Raises ValueError: as `quadrants`.
    """
    table = check_predictions(predictions)
    single, joint = _unimodal_and_fusion(table, **who)
    roles = dict.fromkeys(single.values(), "unimodal") | {joint: "fusion"}
    model = zip(predictions["inputs"].astype(str), predictions["source"].astype(str), strict=True)
    role = pd.Series([roles.get(one) for one in model], index=predictions.index, dtype="str")
    return predictions.assign(role=role)[role.notna()].reset_index(drop=True)


def evaluations(
    predictions: pd.DataFrame,
    validation: pd.DataFrame | None = None,
    heads: pd.DataFrame | None = None,
    fused: pd.DataFrame | None = None,
) -> dict[str, pd.DataFrame]:
    """Sets of clips on which quadrants can be drawn, from the tables of chapters 02 and 03.

    `predictions`, `validation`, `heads`, `fused`: `predictions`, `predictions_validation`,
    `predictions_finetuned` (the encoders' own heads) and `fused_encoders`; None where a run has no
    such table. Returns dict of str to DataFrame: "test": `predictions`, and the heads of the
    encoders that were fused. With validation clips also "test+val", both pooled as the release
    does; or "val", where each of them is a test clip of another fold.
    """
    if heads is not None and fused is not None:
        heads = heads.merge(fused, left_on=["inputs", "encoder"], right_on=["modality", "encoder"])
        predictions = pd.concat([predictions, heads[[*predictions]]], ignore_index=True)
    found = {"test": predictions}
    if validation is not None and len(validation):
        chosen = validation.drop_duplicates(KEY)
        more = chosen[~chosen["clip_id"].isin(predictions["clip_id"])]
        both = pd.concat([predictions, more], ignore_index=True)
        found |= {"test+val": both} if len(more) else {"val": chosen}
    return found


def sides(predictions: pd.DataFrame, fusion: str = "", unimodal_source: str = "fusion") -> dict:
    """Arguments of `quadrants` for a run; probabilities from elsewhere have the source "given"."""
    given = (predictions["source"] == "given").all()
    return {
        "fusion": fusion or None,
        "unimodal_source": "given" if given else unimodal_source,
        "fusion_source": "given" if given else "fusion",
    }


def remarks(compared: pd.DataFrame, dialog: pd.Series, clips: str, asked: str) -> list[str]:
    """What a page must say before its results, as sentences in Markdown.

    `compared`: the predictions that are compared. `dialog`: clip_id -> recording, of all clips.
    `clips`, `asked`: the set of clips, of `evaluations`, that is taken and that was asked for.
    """
    given = (compared["source"] == "given").all()
    left = len(dialog.index.difference(compared["clip_id"]))
    said = {
        "**Selection and evaluation clips overlap**: validation chose the epoch.": clips != "test",
        "No clip is a validation clip only: test clips alone.": clips != asked,
        "These probabilities were given. The page cannot tell if clips were held out.": given,
        f"Left aside: {left} clips whose split is not test.": given and left,
        "**NO RECORDINGS ARE KNOWN.** Every clip counts as its own. Intervals resample clips, and "
        "are too narrow if clips share a speaker or a scene. A column `dialog_id` would tell.": (
            dialog.is_unique
        ),
    }
    return [sentence for sentence, holds in said.items() if holds]


def ensemble(predictions: pd.DataFrame) -> pd.DataFrame:
    """Mean probability over seeds of each model and clip.

    Returns columns clip_id, inputs, source, y, p_0 … p_{k-1}, predicted (likeliest class; the first
    of ties) and margin: half the lead of the likeliest class over the next, which for two classes
    is the distance of p from 0.5.
    """
    table = check_predictions(predictions)
    names = [c for c in table if c.startswith("p_")]
    key = ["clip_id", "inputs", "source", "y"]
    mean = table.groupby(key, sort=False)[names].mean().reset_index()
    p = mean[names].to_numpy()
    first_two = np.sort(p, axis=1)[:, -2:]
    return mean.assign(predicted=p.argmax(axis=1), margin=(first_two[:, 1] - first_two[:, 0]) / 2)


def flips(predictions: pd.DataFrame, **who) -> pd.DataFrame:
    """How often each clip's label differs between a modality and fusion, and between retrainings.

    `**who`: fusion, unimodal_source, fusion_source as in `quadrants`. Returns columns clip_id,
    modality, differs (share of pairs of different seeds in which the modality and fusion predict
    different labels; with one seed, whether they do), self_differs (the same for fusion and itself;
    NaN with one seed), ensemble_differs (bool), margin (of the fusion ensemble).

    Labels are the likeliest classes. `differs` has the mean `modality_rate` of
    `modality_over_seed`.
    """
    models, single, joint = models_of(predictions, **who)
    means = ensemble(predictions).set_index(["inputs", "source", "clip_id"]).sort_index()
    fused, fused_mean = models.label(joint), means.loc[joint].loc[models.clips]
    pairs = list(combinations(range(len(models.seeds)), 2))
    itself = np.full(len(models.clips), np.nan)
    if pairs:
        itself = np.mean([fused[i] != fused[j] for i, j in pairs], axis=0)
    blocks = []
    for modality, model in single.items():
        own = means.loc[model].loc[models.clips, "predicted"]
        block = {
            "clip_id": models.clips,
            "modality": modality,
            "differs": across_seeds(models.label(model), fused),
            "self_differs": itself,
            "ensemble_differs": (own != fused_mean["predicted"]).to_numpy(),
            "margin": fused_mean["margin"].to_numpy(),
        }
        blocks.append(pd.DataFrame(block))
    return pd.concat(blocks, ignore_index=True).astype({"clip_id": "str", "modality": "str"})


# --------------------------------------------------------------------------- rates


def across_seeds(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share [n] of pairs of different seeds in which labels [s, n] differ; with one seed, of it."""
    seeds = range(len(own))
    pairs = list(permutations(seeds, 2)) or [(0, 0)]
    return np.mean([own[i] != other[j] for i, j in pairs], axis=0)


def _recordings(groups: pd.Series | None, clips: np.ndarray) -> np.ndarray | None:
    return None if groups is None else align(groups, clips, "groups")


def _rates(disagree: np.ndarray, groups) -> pd.DataFrame:
    """n, k, rate, interval and why there is none, of each column of `disagree` [n, c]."""
    found = [inference.share_interval(column, groups=groups) for column in disagree.T]
    table = pd.DataFrame(found)[["n", "estimate", "ci_low", "ci_high", "reason"]]
    table.insert(1, "k", disagree.sum(axis=0))
    few = table["n"] < MIN_N
    table.loc[few, ["ci_low", "ci_high"]] = np.nan
    table.loc[few, "reason"] = f"too few (n={len(disagree)})"
    table["estimate"] = table["k"] / table["n"]
    return table.rename(columns={"estimate": "rate"})


def pairwise_disagreement(
    predictions: pd.DataFrame,
    *,
    threshold: float = 0.5,
    groups: pd.Series | None = None,
    n_boot: int = 2000,
    seed: int = 42,
) -> pd.DataFrame:
    """Share of clips on which two models predict different labels (paper, Table 2).

    Parameters
    ----------
    predictions : DataFrame
        All models of the table are compared, so filter it first (split, source, inputs).
    threshold : float
        Two classes: the label is 1 if p exceeds it.
    groups : Series, optional
        clip_id -> recording. Intervals resample recordings; None resamples clips.

    Returns
    -------
    DataFrame
        a, b, seed, n, k, rate, ci_low, ci_high. One row per pair and seed, and one with seed
        "mean", whose k is the mean count. A model is named by its inputs; inputs that come from
        several sources read ``inputs (source)``. Models are compared at the same seed. Intervals
        are those of `inference.share_interval`; fewer than five clips have none.

    Raises
    ------
    ValueError
        See `check_predictions`; models that lack clips or seeds of other models; fewer than two.

    Examples
    --------
    >>> clips = {"clip_id": list("abcdef") * 2, "inputs": ["text"] * 6 + ["audio"] * 6}
    >>> table = pd.DataFrame(clips).assign(source="fusion", seed=42, fold=0, split="test", y=1)
    >>> table["p"] = [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    >>> pairwise_disagreement(table)[["a", "b", "n", "k"]].head(1).to_dict("list")
    {'a': ['text'], 'b': ['audio'], 'n': [6], 'k': [2.0]}
    """
    table = check_predictions(predictions)
    pairs = _model_list(table)
    if len(pairs) < 2:
        raise ValueError(f"predictions: one model only: {pairs[0][0]} ({pairs[0][1]})")
    models = Models(table, pairs, threshold)
    inputs = [model[0] for model in pairs]
    names = {m: m[0] if inputs.count(m[0]) == 1 else f"{m[0]} ({m[1]})" for m in pairs}
    labels = {model: models.label(model) for model in pairs}
    keys, columns = [], []
    for a, b in combinations(pairs, 2):
        differ = (labels[a] != labels[b]).astype(float)
        keys += [(names[a], names[b], s) for s in [*models.seeds, "mean"]]
        columns += [*differ, differ.mean(axis=0)]
    rates = _rates(np.column_stack(columns), _recordings(groups, models.clips))
    return pd.concat([pd.DataFrame(keys, columns=["a", "b", "seed"]), rates], axis=1)


def modality_over_seed(
    predictions: pd.DataFrame,
    *,
    threshold: float = 0.5,
    fusion: str | None = None,
    unimodal_source: str = "fusion",
    fusion_source: str = "fusion",
    groups: pd.Series | None = None,
    n_boot: int = 2000,
    seed: int = 42,
) -> pd.DataFrame:
    """Disagreement of a modality with fusion, over that of a model with its own retraining.

    Parameters as in `quadrants` and `pairwise_disagreement`.

    Returns
    -------
    DataFrame
        modality, baseline, n, n_seeds, modality_rate, seed_rate, ratio, ci_low, ci_high,
        same_seed_rate, same_minus_cross, same_minus_cross_low, same_minus_cross_high, note.
        `modality_rate`: unimodal against fusion, mean over pairs of different seeds. `seed_rate`:
        mean over pairs of seeds of the same model, which is the unimodal one, the fusion one, or
        the mean of both (baseline "unimodal", "fusion", "both"). `same_seed_rate`: unimodal against
        fusion at the same seed, and how far it lies from `modality_rate`. Note: "", "one seed",
        "no seed disagreement", "too few (n=3)", or why there is no interval; the ratio or its
        interval is then NaN. With one seed `modality_rate` is that of the same seed.

    Notes
    -----
    For independent trainings and one clip, let a and b be the shares of seeds that predict class 1.
    Then modality rate minus "both" seed rate is (a - b)^2: a ratio of 1 means that the two models
    differ by no more than retraining does. Trainings with one seed are not independent: they share
    the order of clips and the initial weights, so they agree more. Hence pairs of different seeds.

    Examples
    --------
    >>> from itertools import product
    >>> rows = product("abcdefgh", ["text", "audio", "text+audio"], [1, 2])
    >>> predictions = pd.DataFrame(rows, columns=["clip_id", "inputs", "seed"])
    >>> predictions = predictions.assign(source="fusion", fold=0, split="test", y=1)
    >>> predictions["p"] = np.random.default_rng(0).random(len(predictions))
    >>> found = modality_over_seed(predictions).query("modality == 'text'")
    >>> found[["baseline", "n", "n_seeds"]].to_dict("list")
    {'baseline': ['unimodal', 'fusion', 'both'], 'n': [8, 8, 8], 'n_seeds': [2, 2, 2]}
    """
    models, single, joint = models_of(
        predictions, threshold, fusion, unimodal_source, fusion_source
    )
    recordings = _recordings(groups, models.clips)
    n, n_seeds = len(models.clips), len(models.seeds)

    def ratios(sums):
        ratio = sums[..., :1] / sums[..., 1:4]
        gap = (sums[..., 4:5] - sums[..., :1]) / sums[..., 5:]
        return np.concatenate([ratio, gap], axis=-1)

    rows = []
    for modality, model in single.items():
        own, fused = models.label(model), models.label(joint)
        same, across = (own != fused).mean(axis=0), across_seeds(own, fused)
        retrained = np.full((3, n), np.nan)
        if n_seeds > 1:
            retrained[:2] = across_seeds(own, own), across_seeds(fused, fused)
            retrained[2] = retrained[:2].mean(axis=0)
        per_clip = np.column_stack([across, *retrained, same, np.ones(n)])
        rates = per_clip.mean(axis=0)
        if n_seeds > 1:
            how = dict(groups=recordings, n_boot=n_boot, seed=seed)
            found = inference.intervals(per_clip, ratios, **how)
            if n < MIN_N:
                found[["ci_low", "ci_high"]], found["reason"] = np.nan, f"too few (n={n})"
        for i, baseline in enumerate(("unimodal", "fusion", "both")):
            row = {"modality": modality, "baseline": baseline, "n": n, "n_seeds": n_seeds}
            row |= {"modality_rate": rates[0], "seed_rate": rates[i + 1]}
            row |= dict.fromkeys(["ratio", "ci_low", "ci_high"], np.nan)
            row |= {"same_seed_rate": rates[4], "same_minus_cross": np.nan}
            row |= {"same_minus_cross_low": np.nan, "same_minus_cross_high": np.nan}
            row["note"] = "one seed"
            if n_seeds > 1:
                gap, one = found.iloc[3], found.iloc[i]
                row["same_minus_cross"] = gap["estimate"]
                row |= {f"same_minus_cross_{end}": gap[f"ci_{end}"] for end in ("low", "high")}
                row |= {"ratio": one["estimate"]}
                row |= {"ci_low": one["ci_low"], "ci_high": one["ci_high"]}
                row["note"] = "no seed disagreement" if rates[i + 1] == 0 else one["reason"]
            rows.append(row)
    return pd.DataFrame(rows)


# --------------------------------------------------------------------------- quadrants


def quadrant_of(right_unimodal, right_fusion) -> np.ndarray:
    """Quadrant of each clip by who is right: the one place that has the rule.

    `right_unimodal`, `right_fusion` (bool array [...]). Returns str array [...]: "blue": both;
    "red": only the modality; "green": only fusion; "yellow": neither.

    Examples
    --------
    >>> quadrant_of([True, True, False, False], [True, False, True, False]).tolist()
    ['blue', 'red', 'green', 'yellow']
    """
    one, both = np.asarray(right_unimodal, bool), np.asarray(right_fusion, bool)
    return np.array(QUADRANTS)[2 * ~one + ~both]


def quadrants(
    predictions: pd.DataFrame,
    *,
    threshold: float = 0.5,
    fusion: str | None = None,
    unimodal_source: str = "fusion",
    fusion_source: str = "fusion",
) -> pd.DataFrame:
    """Quadrant of every clip, for each modality against fusion (paper, section 3 and Figure 2).

    Parameters
    ----------
    predictions : DataFrame
        See `check_predictions`. Models that are not needed may be in it.
    threshold : float in [0, 1)
        Two classes: a model is right if its confidence in the correct label exceeds this. A clip
        at exactly the threshold is not right. More classes: right if the correct class is the
        likeliest; a tie is not right.
    fusion : str, optional
        Inputs of the fusion model; by default those with the most modalities (``+``). Models of
        one modality are all others without ``+``.
    unimodal_source, fusion_source : str
        The released code takes both from the fusion network ("fusion").

    Returns
    -------
    DataFrame
        The `quadrants` table: clip_id, modality, seed, conf_unimodal, conf_fusion (confidence in
        the correct label), quadrant, membership_blue, membership_red, membership_green,
        membership_yellow (share of seeds in each; the same for all rows of a clip and modality).
        Seed "ensemble" is the mean probability over seeds. Sorted by modality, seed, clip.

    Raises
    ------
    ValueError
        See `check_predictions`; a model that is missing, or lacks clips or seeds of the others.

    Examples
    --------
    >>> clips = {"clip_id": list("abab"), "inputs": ["text", "text", "text+audio", "text+audio"]}
    >>> table = pd.DataFrame(clips).assign(source="fusion", seed=42, fold=0, split="test", y=1)
    >>> table["p"] = [0.9, 0.3, 0.8, 0.7]
    >>> audio = table.tail(2).assign(inputs="audio", p=0.6)
    >>> found = quadrants(pd.concat([table, audio])).query("modality == 'text' and seed == '42'")
    >>> found[["clip_id", "conf_unimodal", "quadrant"]].to_dict("list")
    {'clip_id': ['a', 'b'], 'conf_unimodal': [0.9, 0.3], 'quadrant': ['blue', 'green']}
    """
    models, single, joint = models_of(
        predictions, threshold, fusion, unimodal_source, fusion_source
    )
    seeds = [*models.seeds, "ensemble"]

    def with_ensemble(p):
        return models.confidence(np.concatenate([p, p.mean(axis=0, keepdims=True)]))

    conf_fusion, right_fusion = with_ensemble(models.p[joint])
    blocks = []
    for modality, model in single.items():
        confidence, right = with_ensemble(models.p[model])
        quadrant = quadrant_of(right, right_fusion)
        block = {
            "clip_id": np.tile(models.clips, len(seeds)),
            "modality": modality,
            "seed": np.repeat(seeds, len(models.clips)),
            "conf_unimodal": confidence.ravel(),
            "conf_fusion": conf_fusion.ravel(),
            "quadrant": quadrant.ravel(),
        }
        for name in QUADRANTS:
            share = (quadrant[:-1] == name).mean(axis=0)
            block[f"membership_{name}"] = np.tile(share, len(seeds))
        blocks.append(pd.DataFrame(block))
    frame = pd.concat(blocks, ignore_index=True)
    text = ["clip_id", "modality", "seed", "quadrant"]
    return frame.astype(dict.fromkeys(text, "str"))


def count_quadrants(
    quadrants: pd.DataFrame, *, groups: pd.Series | None = None, n_boot: int = 2000, seed: int = 42
) -> pd.DataFrame:
    """Clips of the ensemble in each quadrant, and in red and green together.

    `quadrants`: the table of `quadrants`. Returns columns modality, quadrant, n, share, ci_low,
    ci_high, note. Five rows per modality: the four quadrants, empty ones included, and "red+green".
    Note: "", "too few (n=3)" when the quadrant has fewer than five clips (the interval of its share
    stands), or why there is no interval.
    """
    rows = []
    for modality, part in quadrants[quadrants["seed"] == "ensemble"].groupby(
        "modality", sort=False
    ):
        names = part["quadrant"].to_numpy()
        inside = [names == name for name in QUADRANTS]
        inside = np.column_stack([*inside, inside[1] | inside[2]]).astype(float)
        rates = _rates(inside, _recordings(groups, part["clip_id"].to_numpy()))
        rates = rates.rename(columns={"rate": "share"})
        rates["n"] = rates.pop("k").astype(int)
        rates.insert(0, "quadrant", [*QUADRANTS, "red+green"])
        rates.insert(0, "modality", modality)
        rates = rates.rename(columns={"reason": "note"})
        few = rates["n"] < MIN_N
        rates.loc[few, "note"] = [f"too few (n={n})" for n in rates.loc[few, "n"]]
        rows.append(rates)
    columns = ["modality", "quadrant", "n", "share", "ci_low", "ci_high", "note"]
    return pd.concat(rows, ignore_index=True)[columns]


def composition(quadrants: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """Labels and recordings of the ensemble's clips in each quadrant.

    `quadrants`: the table of `quadrants`. `manifest`: indexed by clip_id: y, label, dialog_id.
    Returns columns modality, quadrant, n, share_class_1 (with more classes a ``share_``… of
    each label), recordings, largest_recording (share of the clips that come from one recording). A
    quadrant without clips has no row.
    """
    known = manifest[["y", "label", "dialog_id"]]
    clips = quadrants[quadrants["seed"] == "ensemble"].join(known, on="clip_id")
    labels = known.drop_duplicates("y").sort_values("y").set_index("y")["label"]
    named = dict(labels) if len(labels) != 2 else {labels.index[1]: "class_1"}
    for k, name in named.items():
        clips[f"share_{name}"] = clips["y"] == k
    by = clips.groupby(["modality", "quadrant"])
    found = by.size().rename("n").to_frame()
    found = found.join(by[[f"share_{name}" for name in named.values()]].mean())
    found["recordings"] = by["dialog_id"].nunique()
    largest = by["dialog_id"].agg(lambda d: d.value_counts(normalize=True).iloc[0])
    return found.assign(largest_recording=largest).reset_index()


def _in_common(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Rows of the seeds and clips that every model has, and a note when seeds were left out."""
    n_seeds = table["seed"].nunique()
    for column in ("seed", "clip_id"):
        held = table.groupby(["inputs", "source"])[column].agg(set)
        table = table[table[column].isin(set.intersection(*held))]
    left = table["seed"].nunique()
    return table, "" if left == n_seeds else f"{left} of {n_seeds} seeds in common"


def choices(
    evaluations: dict[str, pd.DataFrame],
    *,
    thresholds=(0.5,),
    unimodal_sources=("fusion",),
    fusion: str | None = None,
    fusion_source: str = "fusion",
    groups: pd.Series | None = None,
    n_boot: int = 2000,
    seed: int = 42,
) -> pd.DataFrame:
    """What the quadrants become under other choices of clips, unimodal predictor and threshold.

    `evaluations`: name of a set of clips -> its predictions. `unimodal_sources`: a source that a
    set of clips has no models of is a row of NaN that says so. `fusion`, `fusion_source`, `groups`,
    `n_boot`, `seed`: as in `quadrants` and `pairwise_disagreement`. Returns columns clips,
    unimodal, threshold, modality, n, blue, red, green, yellow (clips of the ensemble), conflict
    (share of red and green), conflict_low, conflict_high, disagreement (share of clips with other
    labels than fusion, mean over seeds; no threshold enters), its disagreement_low and
    disagreement_high, and note.
    """
    rows = []
    how = dict(groups=groups, n_boot=n_boot, seed=seed)
    for clips, predictions in evaluations.items():
        for source in unimodal_sources:
            about = {"clips": clips, "unimodal": source}
            who = dict(fusion=fusion, unimodal_source=source, fusion_source=fusion_source)
            if not (predictions["source"] == source).any():
                rows.append(about | {"note": "no such predictions in this run"})
                continue
            table, dropped = _in_common(compared(predictions, **who))
            if table.empty:
                rows.append(about | {"note": "no clip and seed in common"})
                continue
            joint = table.loc[table["role"] == "fusion", "inputs"].iloc[0]
            rates = pairwise_disagreement(table, **how).query("seed == 'mean'")
            rates = rates[(rates["a"] == joint) | (rates["b"] == joint)]
            other = rates["a"].where(rates["b"] == joint, rates["b"])
            rates = rates.set_index(other)
            for threshold in thresholds:
                frame = quadrants(table, threshold=threshold, **who)
                counts = count_quadrants(frame, **how).set_index(["modality", "quadrant"])
                for modality in counts.index.unique("modality"):
                    one, rate = counts.loc[modality], rates.loc[modality]
                    rows.append(
                        about
                        | {"threshold": threshold, "modality": modality, "n": int(rate["n"])}
                        | {name: int(one.loc[name, "n"]) for name in QUADRANTS}
                        | {"conflict": one.loc["red+green", "share"]}
                        | {"conflict_low": one.loc["red+green", "ci_low"]}
                        | {"conflict_high": one.loc["red+green", "ci_high"]}
                        | {"disagreement": rate["rate"]}
                        | {"disagreement_low": rate["ci_low"]}
                        | {"disagreement_high": rate["ci_high"], "note": dropped}
                    )
    return pd.DataFrame(rows)


def threshold_sweep(predictions: pd.DataFrame, thresholds=SWEEP, **kwargs) -> pd.DataFrame:
    """Clips in each quadrant as the threshold moves.

    `predictions`: see `check_predictions`; two classes. `thresholds` (sequence of float in [0, 1)).
    `**kwargs`: passed to `quadrants`. Returns columns threshold, modality, seed, quadrant, n,
    share. Empty quadrants are rows with n = 0.
    """
    thresholds = [float(threshold) for threshold in thresholds]
    if not thresholds:
        raise ValueError("thresholds: none given")
    for threshold in thresholds:
        _check_threshold(threshold)
    if "p_2" in predictions:
        raise ValueError("threshold: applies to two classes only")
    frame = quadrants(predictions, **kwargs)
    rows = []
    for (modality, seed), part in frame.groupby(["modality", "seed"], sort=False):
        unimodal, fusion = part["conf_unimodal"].to_numpy(), part["conf_fusion"].to_numpy()
        for threshold in thresholds:
            inside = quadrant_of(unimodal > threshold, fusion > threshold)
            counts = [int((inside == name).sum()) for name in QUADRANTS]
            rows += [
                (threshold, modality, seed, name, n, n / len(part))
                for name, n in zip(QUADRANTS, counts, strict=True)
            ]
    return pd.DataFrame(rows, columns=["threshold", "modality", "seed", "quadrant", "n", "share"])


def stability(
    quadrants: pd.DataFrame,
    *,
    groups: pd.Series | None = None,
    n_boot: int = 2000,
    seed: int = 42,
) -> pd.DataFrame:
    """How many clips ever change quadrant over seeds.

    `quadrants`: the table of `quadrants`. Returns columns modality, quadrant, n, n_seeds,
    n_changed, share, ci_low, ci_high, note. Quadrant "all", then the clips of each quadrant of the
    ensemble. Note: "", "one seed" or "too few (n=0)" (no share), "too few (n=3)" or "too few
    recordings (n=3)" (no interval).
    """
    rows = []
    for modality, frame in quadrants.groupby("modality", sort=False):
        ensemble = frame[frame["seed"] == "ensemble"].set_index("clip_id").sort_index()
        n_seeds = frame["seed"].nunique() - 1
        shares = ensemble[[f"membership_{name}" for name in QUADRANTS]]
        changed = (shares.max(axis=1) < 1).astype(float)
        for name in ("all", *QUADRANTS):
            part = changed if name == "all" else changed[ensemble["quadrant"] == name]
            row = {"modality": modality, "quadrant": name, "n": len(part), "n_seeds": n_seeds}
            row |= dict.fromkeys(["n_changed", "share", "ci_low", "ci_high"], np.nan)
            row["note"] = "one seed" if n_seeds == 1 else ""
            if len(part) < MIN_N:
                row["note"] = row["note"] or f"too few (n={len(part)})"
            if n_seeds > 1 and len(part):
                rates = _rates(part.to_numpy()[:, None], _recordings(groups, part.index)).iloc[0]
                row |= {"n_changed": rates["k"], "share": rates["rate"]}
                row |= {"ci_low": rates["ci_low"], "ci_high": rates["ci_high"]}
                if np.isnan(rates["ci_low"]):
                    row["note"] = row["note"] or rates["reason"]
            rows.append(row)
    return pd.DataFrame(rows)

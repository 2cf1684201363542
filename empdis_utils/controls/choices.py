"""What each choice does: chapter 03's fusion trained anew with one choice changed, and compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from empdis_utils.data import splits, tables
from empdis_utils.measures import inference
from empdis_utils.measures.uncertainty import predictive_entropy
from empdis_utils.models import fusion

__all__ = ["START", "best_single", "effects", "embeddings", "stored", "tested", "train", "used"]

START = "as in chapter 03"


def used(directory) -> dict:
    """Parameters of the run of chapter 03 whose tables are in `directory`."""
    story = json.loads((Path(directory).parent / "provenance.json").read_text(encoding="utf-8"))
    return story["chapters"]["03_fusion"]["parameters"]


def stored(directory, seeds) -> pd.DataFrame:
    """Chapter 03's own predictions for some seeds: held-out clips, then validation clips.

    Raises ValueError: chapter 03 did not train some of the seeds.
    """
    rows = [tables.read(directory, t) for t in ("predictions", "predictions_validation")]
    rows = pd.concat(rows).query("source == 'fusion'")
    if not set(seeds) <= set(rows["seed"]):
        raise ValueError(
            f"chapter 03 has seeds {sorted(set(rows['seed']))}, this page asks for {list(seeds)}: "
            "give both the same seed in the profile, and this page no more n_seeds"
        )
    return rows[rows["seed"].isin(seeds)]


def embeddings(directory, encoders: Mapping, features: Mapping, own: pd.DataFrame, clips):
    """What chapter 03 fused.

    `encoders`: empty: the corpus's published `features` were fused. `own`: of `stored`. Returns
    `modalities`; `embeddings` (mapping of str to array [n, d], or callable): embeddings of
    fine-tuned encoders depend on (seed, fold).
    """
    if not encoders:
        return list(features), {m: frame.loc[clips].to_numpy() for m, frame in features.items()}
    seeds, folds = own["seed"].unique().tolist(), own["fold"].unique().tolist()
    saved = {m: tables.read_embeddings(directory, e, seeds, folds) for m, e in encoders.items()}

    def of(seed, fold):
        parts = {m: frames[seed] for m, frames in saved.items()}
        parts = {m: f[f["fold"] == fold].set_index("clip_id").loc[clips] for m, f in parts.items()}
        return {m: f.filter(regex=r"^e\d+$").to_numpy() for m, f in parts.items()}

    return list(encoders), of


def train(
    given: Mapping | Callable, modalities, manifest, own, parameters, *, n_jobs=1
) -> dict[str, pd.DataFrame]:
    """Predictions of chapter 03, and of the same networks with one choice changed at a time.

    Clips, folds, and what stands for a missing modality are chapter 03's. Published features allow
    ``random folds``, too; embeddings of fine-tuned encoders exist for grouped folds only.

    `given`, `modalities`: of `embeddings`. `own`: of `stored`. `parameters`: of `used`. Returns
    dict of choice to DataFrame: the columns of `predictions`, splits test and val.
    """
    clips, y = manifest["clip_id"].to_numpy(), manifest["y"].to_numpy()
    seeds = sorted(own["seed"].unique().tolist())
    first = own.drop_duplicates("clip_id").set_index("clip_id")  # held-out rows come before val
    changes, name = parameters["changes"], parameters["recipe"]
    recipe, other = fusion.RECIPES[name] | changes, "paper" if name == "release" else "release"
    plain = dict(recipe=recipe, missing=parameters["missing"], keep=("val", "test"))
    crossfit = parameters["protocol"] == "crossfit"
    if crossfit:
        fit, without_val = fusion.crossfit, {"val_share": 0}
        plain |= {"folds": first["fold"].loc[clips].to_numpy()}
        plain |= {"groups": manifest["dialog_id"].to_numpy()}
    else:
        fit, split = fusion.release, first["split"].reindex(clips, fill_value="train").to_numpy()
        plain |= {"split": split}
        without_val = {"split": np.where(split == "test", "test", "train")}
    varied = {
        f"recipe of the {other}": {"recipe": fusion.RECIPES[other] | changes},
        "max pooling": {"recipe": recipe | {"pooling": "max"}},
        "last epoch": without_val | {"keep": ("test",)},
        "no modality dropout": {"recipe": recipe | {"modality_dropout": 0.0}},
    }
    if changes:
        varied["recipe without our changes"] = {"recipe": fusion.RECIPES[name]}
    if crossfit and not parameters["encoders"]:
        one = splits.repeated_folds(manifest, parameters["n_folds"], 1, seeds[0], groups=None)
        varied["random folds"] = {"folds": one[0], "groups": clips}
    subsets = [*((m,) for m in modalities), tuple(modalities)]
    names = [tables.inputs_name(s) for s in subsets]
    found = {START: own[own["inputs"].isin(names)]}
    for choice, change in varied.items():
        asked = plain | change | dict(subsets=subsets, seeds=seeds, n_jobs=n_jobs)
        found[choice] = fit(given, y, clips, **asked)[0]
    return found


def tested(runs: Mapping) -> dict[str, pd.DataFrame]:
    """Held-out rows of each run, then chapter 03's with validation clips, and of one seed."""
    found = {name: rows[rows["split"] == "test"] for name, rows in runs.items()}
    key = ["clip_id", "inputs", "seed", "split"]
    found["validation clips pooled in"] = runs[START].drop_duplicates(key)
    seeds = runs[START]["seed"]
    if seeds.nunique() > 1:
        found["one seed"] = found[START].query("seed == @seeds.min()")
    return found


def best_single(rows: pd.DataFrame, modalities) -> str:
    """The modality that is most often right on validation clips."""
    chosen = rows[(rows["split"] == "val") & rows["inputs"].isin(modalities)]
    return ((chosen["p"] > 0.5) == chosen["y"]).groupby(chosen["inputs"]).mean().idxmax()


def _numbers(rows, modalities, best, dialog):
    """Each main number clip by clip; and entropy, differs, recording for the entropy gap."""
    full, key = tables.inputs_name(modalities), ["clip_id", "seed", "split"]
    wide = rows.pivot(index=key, columns="inputs", values="p")
    said = (wide > 0.5).astype(int)
    true = rows.drop_duplicates(key).set_index(key)["y"].loc[said.index]
    right = said.eq(true, axis=0).astype(float)
    apart = {m: (said[m] != said[full]).astype(float) for m in modalities}
    facts = {
        "accuracy of fusion": right[full],
        f"fusion minus {best}": right[full] - right[best],
        **{f"disagreement with {m}": differs for m, differs in apart.items()},
    }
    differs = pd.concat(apart.values()).to_numpy(bool)
    recording = np.tile(dialog[said.index.get_level_values("clip_id")], len(apart))
    entropy = np.tile(predictive_entropy(wide[full].to_numpy()), len(apart))
    return {name: one.groupby("clip_id").mean() for name, one in facts.items()}, (
        entropy, differs, recording,
    )  # fmt: skip


def effects(found: Mapping, modalities, best, dialog, *, n_boot=2000, seed=42) -> pd.DataFrame:
    """Main numbers under each choice, and their shift from chapter 03, clip by clip.

    `found`: of `tested`. `best`: of `best_single`. Returns columns choice, number, value, ci_low,
    ci_high, n, shift, shift_low, shift_high. Numbers are the accuracy of fusion, its gain over
    `best`, disagreement with each modality, and the entropy gap (nats) of clips on which they
    differ, which has no shift.
    """

    def mean(values):
        groups = dialog[values.index].to_numpy()
        return inference.interval(values, groups=groups, n_boot=n_boot, seed=seed)[:3]

    numbers = {name: _numbers(rows, modalities, best, dialog) for name, rows in found.items()}
    rows, start = [], numbers[START][0]
    for name, (facts, (entropy, differs, recording)) in numbers.items():
        for what, values in facts.items():
            shift = (values - start[what]).dropna()
            rows.append((name, what, *mean(values), len(values), *mean(shift)))
        how = dict(groups=recording, n_boot=n_boot, seed=seed)
        gap = inference.hedges_g(entropy, differs, **how).iloc[0]
        gap = gap[["difference", "difference_low", "difference_high"]]
        rows.append((name, "entropy gap (nats)", *gap, len(values), np.nan, np.nan, np.nan))
    columns = ["choice", "number", "value", "ci_low", "ci_high", "n"]
    return pd.DataFrame(rows, columns=[*columns, "shift", "shift_low", "shift_high"])

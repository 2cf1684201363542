"""The paper's sentences about models, as numbers with intervals over recordings.

Each function returns one row per comparison: comparison, estimate, ci_low, ci_high, n,
n_recordings, status, reason. The chapters save these tables; the ledger reads them.

`groups` is the recording of each clip, by clip_id or row by row; intervals draw whole recordings.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from empdis_utils.data import splits
from empdis_utils.measures import inference, scores
from empdis_utils.measures.alignment import MIN_N, align
from empdis_utils.measures.disagreement import KEY, across_seeds, models_of

__all__ = [
    "above_recording", "disagreement_gaps", "fusion_gain", "gate_spread", "misled", "table_of",
]  # fmt: skip


def table_of(names, columns, statistic, groups, n_boot, seed) -> pd.DataFrame:
    """`inference.intervals`, each row with the name of its comparison."""
    found = inference.intervals(columns, statistic, groups=groups, n_boot=n_boot, seed=seed)
    found.insert(0, "comparison", names)
    return found


def disagreement_gaps(predictions, *, groups, n_boot=2000, seed=42, **who) -> pd.DataFrame:
    """Differences between the disagreement rates of pairs of models (paper, Table 2).

    `predictions`: of text, audio, video and their fusion; other models of `who` are left aside.
    `**who`: fusion, unimodal_source, fusion_source as for `disagreement.quadrants`. Returns a
    table: rows such as "text-audio minus audio-video". Rates are means over pairs of different
    seeds. No rows where one of the three modalities is missing.
    """
    models, single, joint = models_of(predictions, **who)
    if not {"text", "audio", "video"} <= set(single):
        return pd.DataFrame()
    labels = {m: models.label(key) for m, key in single.items()} | {"fusion": models.label(joint)}

    def differ(a, b):
        return across_seeds(labels[a], labels[b])

    asked = [
        (("text", "audio"), ("audio", "video")),
        (("text", "video"), ("audio", "video")),
        (("audio", "fusion"), ("text", "fusion")),
        (("video", "fusion"), ("text", "fusion")),
    ]
    names = [f"{'-'.join(a)} minus {'-'.join(b)}" for a, b in asked]
    columns = np.column_stack([differ(*a) - differ(*b) for a, b in asked])
    return table_of(names, columns, None, align(groups, models.clips, "groups"), n_boot, seed)


def misled(predictions, *, groups, n_boot=2000, seed=42, **who) -> pd.DataFrame:
    """Does a dominant modality that stands alone and is wrong take fusion with it?

    `predictions`, `groups`, `**who`: as for `disagreement_gaps`. Returns a table: error of fusion
    on clips where one modality alone is wrong *and* surer than all others, minus its error where it
    alone is wrong and not the surest. One row per modality, and "any"; no row with a single
    modality. Fewer than five clips (mean over trainings) in one of the two: status "too_few".

    Single modalities are those of each seed; fusion is that of the other seeds, so that no draw of
    folds or weights is shared. Any average of probabilities follows the surest voice, too: the row
    says that fusion is misled, not that attention misleads it.
    """
    models, single, joint = models_of(predictions, **who)
    names = list(single)
    if len(names) < 2:
        return pd.DataFrame()
    p = np.stack([models.p[single[m]] for m in names])  # [m, s, n, k]
    confidence = p.max(axis=-1)
    wrong = p.argmax(axis=-1) != models.y
    alone = wrong & (wrong.sum(axis=0) == 1)
    others = np.stack([np.delete(confidence, m, axis=0).max(axis=0) for m in range(len(names))])
    dominant = confidence > others
    fused = (models.label(joint) != models.y).astype(float)
    n_seeds = len(models.seeds)
    kept = [[j for j in range(n_seeds) if j != i] or [i] for i in range(n_seeds)]
    error = np.stack([fused[k].mean(axis=0) for k in kept])  # [s, n]
    recordings = align(groups, models.clips, "groups")
    rows = []
    for name, chosen in [*((m, [k]) for k, m in enumerate(names)), ("any", range(len(names)))]:
        led, not_led = ((alone & side)[list(chosen)].sum(axis=0) for side in (dominant, ~dominant))
        columns = np.stack([error * led, led, error * not_led, not_led], axis=-1).sum(axis=0)
        counts = columns[:, [1, 3]].sum(axis=0) / n_seeds
        if counts.min() < MIN_N:
            few = f"too few (n={counts[0]:.1f} and {counts[1]:.1f})"
            rows.append({"comparison": name, "n": len(columns), "status": "too_few", "reason": few})
            continue
        rows.append(
            table_of([name], columns, inference.gap_of_means, recordings, n_boot, seed)
            .iloc[0]
            .to_dict()
        )
    columns = ["comparison", "estimate", "ci_low", "ci_high", "n", "n_recordings"]
    return pd.DataFrame(rows, columns=[*columns, "status", "reason"])


def fusion_gain(predictions, validation, *, groups, n_boot=2000, seed=42) -> pd.DataFrame:
    """Accuracy of full fusion minus that of the single modality that validation clips prefer.

    `predictions`, `validation`: the tables of chapter 03; only rows whose source is "fusion" count.
    Returns a table: one row, "fusion minus <modality>"; no row without fusion of three modalities.
    """
    rows = predictions[predictions["source"] == "fusion"]
    full = max(rows["inputs"].unique(), key=lambda name: name.count("+"), default="")
    if full.count("+") < 2 or not len(validation):
        return pd.DataFrame()
    val = validation[~validation["inputs"].str.contains("+", regex=False)]
    val = val[val["source"] == "fusion"]
    best = (scores.predicted(val) == val["y"]).groupby(val["inputs"]).mean().idxmax()
    right = (scores.predicted(rows) == rows["y"]).groupby([rows["clip_id"], rows["inputs"]]).mean()
    right = right.unstack()
    change = (right[full] - right[best]).to_numpy()
    recordings = align(groups, right.index, "groups")
    return table_of([f"fusion minus {best}"], change, None, recordings, n_boot, seed)


def gate_spread(gates, *, groups, n_boot=2000, seed=42) -> pd.DataFrame:
    """How far gates differ between modalities, and from clip to clip (paper, Table 9).

    `gates`: the table of chapter 03. Clips without one of the modalities are left out. Returns
    columns "range of means": largest minus smallest mean gate. "audio minus text", "video minus
    text": differences of mean gates. "spread of <modality>": standard deviation over clips that
    trainings share, the root of the mean covariance of two trainings' gates (0 where that is
    negative), so that noise of training does not count. No rows with fewer than three modalities,
    no spread with one seed.
    """
    wide = gates.pivot(index="clip_id", columns=["modality", "seed"], values="gate").dropna()
    names = list(dict.fromkeys(wide.columns.get_level_values("modality")))
    if len(names) < 3 or wide.empty:
        return pd.DataFrame()
    recordings = align(groups, wide.index, "groups")
    means = np.column_stack([wide[m].mean(axis=1) for m in names] + [np.ones(len(wide))])
    ordered = [(m, "text") for m in names if m != "text"] if "text" in names else []

    def between(sums):
        mean = sums[..., :-1] / sums[..., -1:]
        apart = [mean[..., names.index(a)] - mean[..., names.index(b)] for a, b in ordered]
        return np.stack([mean.max(axis=-1) - mean.min(axis=-1), *apart], axis=-1)

    labels = ["range of means", *(f"{a} minus {b}" for a, b in ordered)]
    found = [table_of(labels, means, between, recordings, n_boot, seed)]
    for name in names:
        own = wide[name].to_numpy()
        n_seeds = own.shape[1]
        if n_seeds < 2:
            continue
        cross = (own.sum(axis=1) ** 2 - (own**2).sum(axis=1)) / (n_seeds * (n_seeds - 1))

        def shared(sums, n_seeds=n_seeds):
            mean, product = sums[..., :n_seeds] / sums[..., -1:], sums[..., -2] / sums[..., -1]
            expected = mean.sum(axis=-1) ** 2 - (mean**2).sum(axis=-1)
            return np.sqrt(np.maximum(product - expected / (n_seeds * (n_seeds - 1)), 0))

        columns = np.column_stack([own, cross, np.ones(len(own))])
        found.append(table_of([f"spread of {name}"], columns, shared, recordings, n_boot, seed))
    return pd.concat(found, ignore_index=True)


def gate_summary(gates, *, groups, n_boot=2000, seed=42) -> pd.DataFrame:
    """Mean and spread of gates and attention of each modality (paper, Table 9).

    `gates`: the table of chapter 03. Returns columns modality, gate_mean, gate_sd, attention_mean,
    attention_sd (over clips and seeds), n, and the interval of each mean: gate_low, gate_high,
    attention_low, attention_high.
    """
    by = gates.groupby("modality")
    found = by[["gate", "attention"]].agg(["mean", "std"])
    found.columns = [f"{what}_{'sd' if how == 'std' else how}" for what, how in found.columns]
    found["n"] = by["clip_id"].nunique()
    of_clips = gates.groupby(["modality", "clip_id"])[["gate", "attention"]].mean()
    for modality in found.index:
        for what in ("gate", "attention"):
            values = of_clips.loc[modality][what].dropna()
            recordings = align(groups, values.index, "groups")
            one = inference.interval(values, groups=recordings, n_boot=n_boot, seed=seed)
            found.loc[modality, [f"{what}_low", f"{what}_high"]] = one.ci_low, one.ci_high
    return found.reset_index()


def about_models(
    compared, *, groups, gates=None, trained=(), n_boot=2000, seed=42, **who
) -> pd.DataFrame:
    """All comparisons of models below each other, with a column `about`.

    `compared`, `groups`, `**who`: as for `disagreement_gaps`. `gates`: of chapter 03; None gives no
    rows about gates and about the gain of fusion. `trained`: predictions and validation predictions
    of chapter 03. Returns columns about ("disagreement", "misled", "gates", "gain") and the columns
    of each.
    """
    how = dict(groups=groups, n_boot=n_boot, seed=seed)
    found = {
        "disagreement": disagreement_gaps(compared, **who, **how),
        "misled": misled(compared, **who, **how),
    }
    if gates is not None:
        found["gates"] = gate_spread(gates, **how)
        found["gain"] = fusion_gain(trained[0], trained[1].drop_duplicates(KEY), **how)
    found = [table.assign(about=about) for about, table in found.items() if len(table)]
    empty = pd.DataFrame(columns=["about", "comparison", "estimate", "ci_low", "ci_high", "n"])
    return pd.concat(found or [empty], ignore_index=True)


# --------------------------------------------------------------------------- annotators


# --------------------------------------------------------------------------- the recording alone


def recording_alone(manifest) -> pd.DataFrame:
    """Accuracy of the recording-only baseline on the released test split.

    Returns a table: one row: model, accuracy, ci_low, ci_high, n, right; without a test split NaN
    and n = 0.
    """
    right, ends = np.array([]), (np.nan,) * 3
    if (manifest["split"] == "test").any():
        known = splits.recording_baseline(manifest)
        right = (known["prediction"] == known["y"]).to_numpy(float)
        ends = inference.share_interval(right, groups=known["dialog_id"])[:3]
    row = dict(zip(("accuracy", "ci_low", "ci_high"), ends, strict=True))
    row |= {"n": len(right), "right": int(right.sum())}
    return pd.DataFrame([{"model": "recording only (release split)"} | row])


def beside_paper(accuracy, manifest, paper=None) -> pd.DataFrame:
    """Accuracies of encoders with the majority class and the paper's Table 1 beside them.

    `accuracy`: protocol, encoder, modality, accuracy, …. `paper`: `printed.table("table_01")`.
    Returns columns `accuracy`, "majority class" of what each protocol evaluates, and "paper …"
    columns.
    """
    test = manifest.loc[manifest["split"] == "test", "y"]
    largest = {
        "release": test.value_counts(normalize=True).max() if len(test) else np.nan,
        "crossfit": manifest["y"].value_counts(normalize=True).max(),
    }
    accuracy = accuracy.assign(**{"majority class": accuracy["protocol"].map(largest)})
    if paper is None:
        return accuracy
    named = paper.assign(encoder=paper["model"].str.lower()).set_index("encoder")
    named = named[["accuracy", "accuracy_sd", "f1"]].astype(float).add_prefix("paper ")
    return accuracy.join(named, on="encoder")


def rows_to_draw(accuracy, paper=None) -> pd.DataFrame:
    """The table of `beside_paper` as rows of `plots.intervals`.

    Returns columns label, modality, accuracy, ci_low, ci_high, mark, hollow: first ours, then the
    majority class of each protocol, then the paper's models with one standard deviation over runs.
    """
    label = accuracy["protocol"] + ": " + accuracy["encoder"] + " (" + accuracy["modality"] + ")"
    mark = np.where(accuracy["protocol"] == "release", "o", "D")
    parts = [accuracy.assign(label=label, mark=mark, hollow=False)]
    largest = accuracy.drop_duplicates("protocol")
    named = largest["protocol"] + ": majority class"
    majority = dict(label=named, accuracy=largest["majority class"], mark="|", hollow=False)
    parts.append(pd.DataFrame(majority).dropna(subset="accuracy"))
    if paper is not None:
        value, sd = paper["accuracy"].astype(float), paper["accuracy_sd"].astype(float)
        label = "paper: " + paper["model"] + " (" + paper["modality"] + ")"
        ends = dict(accuracy=value, ci_low=value - sd, ci_high=value + sd)
        parts.append(paper.assign(label=label, mark="s", hollow=True, **ends))
    names = ["label", "modality", "accuracy", "ci_low", "ci_high", "mark", "hollow"]
    return pd.concat([part.reindex(columns=names) for part in parts], ignore_index=True)


def above_recording(manifest, predictions, *, groups, n_boot=2000, seed=42) -> pd.DataFrame:
    """Accuracy of each fine-tuned encoder minus the recording-only baseline, on the released test.

    `manifest`: with the released train and test split. `predictions`: `predictions_finetuned`, made
    on the released split (folds -1 and 0). Returns columns encoder, difference, ci_low, ci_high, n,
    n_recordings, status, reason. No rows without a released split, or where folds held out
    recordings instead. Accuracy is the mean over seeds.
    """
    test = manifest.loc[manifest["split"] == "test", "clip_id"]
    rows = predictions[predictions["clip_id"].isin(test) & predictions["fold"].isin([-1, 0])]
    complete = rows.groupby("encoder")["clip_id"].nunique() == len(test)
    rows = rows[rows["encoder"].map(complete).fillna(False).astype(bool)]
    if "train" not in set(manifest["split"]) or rows.empty:
        return pd.DataFrame()
    right = ((rows["p"] > 0.5) == (rows["y"] == 1)).groupby([rows["clip_id"], rows["encoder"]])
    right = right.mean().unstack()
    base = splits.recording_baseline(manifest).set_index("clip_id").loc[right.index]
    known = (base["prediction"] == base["y"]).to_numpy(float)
    columns = right.to_numpy(float) - known[:, None]
    recordings = align(groups, right.index, "groups")
    found = table_of(list(right.columns), columns, None, recordings, n_boot, seed)
    return found.rename(columns={"comparison": "encoder", "estimate": "difference"})

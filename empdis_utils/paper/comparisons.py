"""The paper's sentences about models and annotators, as numbers with intervals over recordings.

Each function returns one row per comparison: comparison, estimate, ci_low, ci_high, n,
n_recordings, status, reason. The chapters save these tables; the ledger reads them.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd

from empdis_utils.data import splits
from empdis_utils.measures import agreement, inference
from empdis_utils.measures.alignment import MIN_N, align
from empdis_utils.measures.disagreement import _Models, _unimodal_and_fusion, check_predictions


def _table(names, columns, statistic, groups, n_boot, seed) -> pd.DataFrame:
    found = inference.intervals(columns, statistic, groups=groups, n_boot=n_boot, seed=seed)
    found.insert(0, "comparison", names)
    return found


def _models(predictions, who):
    table = check_predictions(predictions)
    single, joint = _unimodal_and_fusion(
        table,
        who.get("fusion"),
        who.get("unimodal_source", "fusion"),
        who.get("fusion_source", "fusion"),
    )
    return _Models(table, [*single.values(), joint], 0.5), single, joint


def _pairs(n_seeds):
    """Pairs of different seeds; with one seed, that seed with itself."""
    return list(permutations(range(n_seeds), 2)) or [(0, 0)]


def disagreement_gaps(predictions, *, groups, n_boot=2000, seed=42, **who) -> pd.DataFrame:
    """Differences between the disagreement rates of pairs of models (paper, Table 2).

    Parameters
    ----------
    predictions : DataFrame
        Of text, audio, video and their fusion; other models of `who` are left aside.
    groups : Series
        clip_id -> recording.
    **who
        fusion, unimodal_source, fusion_source as for `disagreement.quadrants`.

    Returns
    -------
    DataFrame
        Rows such as "text-audio minus audio-video". Rates are means over pairs of different seeds.
        No rows where one of the three modalities is missing.
    """
    models, single, joint = _models(predictions, who)
    if not {"text", "audio", "video"} <= set(single):
        return pd.DataFrame()
    labels = {m: models.label(key) for m, key in single.items()} | {"fusion": models.label(joint)}

    def differ(a, b):
        return np.mean([labels[a][i] != labels[b][j] for i, j in _pairs(len(models.seeds))], axis=0)

    asked = [
        (("text", "audio"), ("audio", "video")),
        (("text", "video"), ("audio", "video")),
        (("audio", "fusion"), ("text", "fusion")),
        (("video", "fusion"), ("text", "fusion")),
    ]
    names = [f"{'-'.join(a)} minus {'-'.join(b)}" for a, b in asked]
    columns = np.column_stack([differ(*a) - differ(*b) for a, b in asked])
    return _table(names, columns, None, align(groups, models.clips, "groups"), n_boot, seed)


def misled(predictions, *, groups, n_boot=2000, seed=42, **who) -> pd.DataFrame:
    """Does a dominant modality that stands alone and is wrong take fusion with it?

    Parameters
    ----------
    predictions, groups, **who
        As for `disagreement_gaps`.

    Returns
    -------
    DataFrame
        Error of fusion on clips where one modality alone is wrong *and* surer than all others,
        minus its error where it alone is wrong and not the surest. One row per modality, and
        "any"; no row with a single modality. Fewer than five clips (mean over trainings) in one of
        the two: status "too_few".

    Notes
    -----
    Single modalities are those of each seed; fusion is that of the other seeds, so that no draw of
    folds or weights is shared. Any average of probabilities follows the surest voice, too: the row
    says that fusion is misled, not that attention misleads it.
    """
    models, single, joint = _models(predictions, who)
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

    def gap(sums):
        return sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3]

    rows = []
    for name, chosen in [*((m, [k]) for k, m in enumerate(names)), ("any", range(len(names)))]:
        led, not_led = ((alone & side)[list(chosen)].sum(axis=0) for side in (dominant, ~dominant))
        columns = np.stack([error * led, led, error * not_led, not_led], axis=-1).sum(axis=0)
        counts = columns[:, [1, 3]].sum(axis=0) / n_seeds
        if counts.min() < MIN_N:
            few = f"too few (n={counts[0]:.1f} and {counts[1]:.1f})"
            rows.append({"comparison": name, "n": len(columns), "status": "too_few", "reason": few})
            continue
        rows.append(_table([name], columns, gap, recordings, n_boot, seed).iloc[0].to_dict())
    columns = ["comparison", "estimate", "ci_low", "ci_high", "n", "n_recordings"]
    return pd.DataFrame(rows, columns=[*columns, "status", "reason"])


def fusion_gain(predictions, validation, *, groups, n_boot=2000, seed=42) -> pd.DataFrame:
    """Accuracy of full fusion minus that of the single modality that validation clips prefer.

    Parameters
    ----------
    predictions, validation : DataFrame
        The tables of chapter 03; only rows whose source is "fusion" count.
    groups : Series
        clip_id -> recording.

    Returns
    -------
    DataFrame
        One row, "fusion minus <modality>"; no row without fusion of three modalities.
    """
    rows = predictions[predictions["source"] == "fusion"]
    full = max(rows["inputs"].unique(), key=lambda name: name.count("+"), default="")
    if full.count("+") < 2 or not len(validation):
        return pd.DataFrame()
    val = validation[~validation["inputs"].str.contains("+", regex=False)]
    val = val[val["source"] == "fusion"]
    best = ((val["p"] > 0.5) == val["y"]).groupby(val["inputs"]).mean().idxmax()
    right = ((rows["p"] > 0.5) == rows["y"]).groupby([rows["clip_id"], rows["inputs"]]).mean()
    right = right.unstack()
    change = (right[full] - right[best]).to_numpy()
    recordings = align(groups, right.index, "groups")
    return _table([f"fusion minus {best}"], change, None, recordings, n_boot, seed)


def gate_spread(gates, *, groups, n_boot=2000, seed=42) -> pd.DataFrame:
    """How far gates differ between modalities, and from clip to clip (paper, Table 9).

    Parameters
    ----------
    gates : DataFrame
        The table of chapter 03. Clips without one of the modalities are left out.
    groups : Series
        clip_id -> recording.

    Returns
    -------
    DataFrame
        "range of means": largest minus smallest mean gate. "audio minus text", "video minus text":
        differences of mean gates. "spread of <modality>": standard deviation over clips that
        trainings share, the root of the mean covariance of two trainings' gates (0 where that is
        negative), so that noise of training does not count. No rows with fewer than three
        modalities, no spread with one seed.
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
    found = [_table(labels, means, between, recordings, n_boot, seed)]
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
        found.append(_table([f"spread of {name}"], columns, shared, recordings, n_boot, seed))
    return pd.concat(found, ignore_index=True)


# --------------------------------------------------------------------------- annotators

PARTS = {"red+green": ("red", "green"), "blue+yellow": ("blue", "yellow")}


def kappa_contrasts(cells, *, groups, subsets=None, n_boot=2000, seed=42) -> pd.DataFrame:
    """Cohen's kappa of two annotators: disagreement quadrants against agreement quadrants.

    Parameters
    ----------
    cells : DataFrame
        Annotations with `quadrant`: annotator, clip_id, modality, round, judgment, quadrant.
    groups : Series
        clip_id -> recording.
    subsets : dict, optional
        Name -> clip ids, as for `agreement.agreement_table`.

    Returns
    -------
    DataFrame
        With `subset`. "red+green: change", "blue+yellow: change" (round 2 minus round 1), "change:
        red+green minus blue+yellow", "round 2: red+green minus blue+yellow". Empty unless there are
        two annotators and two answers.
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
        found = _table(names, np.hstack(blocks), four, recordings, n_boot, seed)
        tables.append(found.assign(subset=subset))
    return pd.concat(tables, ignore_index=True)


def vote_changes(
    first, second, parts, *, groups, contrasts=None, statistic="fleiss_kappa", level=0.95,
    n_boot=2000, seed=42,
) -> pd.DataFrame:  # fmt: skip
    """Change of agreement between two readings of the same clips, in parts of the clips.

    Parameters
    ----------
    first, second : DataFrame [n_clips, k]
        Votes per category, row by row the same clips.
    parts : dict of str to array [n_clips] of bool
    groups : array [n_clips]
        Recording of each clip. One draw of recordings serves all parts.
    contrasts : dict, optional
        Name -> (part, part): the change in the first minus the change in the second.
    statistic : str
        As for `agreement.interval`, of votes.
    level : float
        Of each interval. For limits that hold for all m parts at once: 1 - 0.05 / m.

    Returns
    -------
    DataFrame
        part, estimate (second minus first), ci_low, ci_high, n (clips of the part that two people
        judged both times), n_recordings, status, reason.
    """
    moments, function, _ = agreement._moments(pd.DataFrame(first), statistic)
    other, _, _ = agreement._moments(pd.DataFrame(second), statistic)
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


# --------------------------------------------------------------------------- the recording alone


def above_recording(manifest, predictions, *, groups, n_boot=2000, seed=42) -> pd.DataFrame:
    """Accuracy of each fine-tuned encoder minus the recording-only baseline, on the released test.

    Parameters
    ----------
    manifest : DataFrame
        With the released train and test split.
    predictions : DataFrame
        `predictions_finetuned`, made on the released split (folds -1 and 0).
    groups : Series
        clip_id -> recording.

    Returns
    -------
    DataFrame
        encoder, difference, ci_low, ci_high, n, n_recordings, status, reason. No rows without a
        released split, or where folds held out recordings instead. Accuracy is the mean over seeds.
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
    found = _table(list(right.columns), columns, None, recordings, n_boot, seed)
    return found.rename(columns={"comparison": "encoder", "estimate": "difference"})

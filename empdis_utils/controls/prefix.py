"""Does the prefix carry what sound and picture say? The same model with prefixes that cannot.

Whole recordings are held out. Each arm trains and answers with its own kind of prefix: the clip's
own, zeros, another clip's, or the mean of all. Only the first can know what was heard and seen.
"""

from functools import partial

import numpy as np
import pandas as pd
from joblib import delayed

from empdis_utils.controls import planted_lines
from empdis_utils.data.splits import crossfit_folds
from empdis_utils.data.workers import parallel
from empdis_utils.measures import inference
from empdis_utils.models import respond

__all__ = [
    "ARMS", "balanced", "by_kind", "by_seed", "compared", "differences", "exchanged", "marked",
    "prefixes", "study", "usable",
]  # fmt: skip

#: Kinds of prefix: what each is called on a page.
ARMS = {
    "true": "the clip's own",
    "zero": "zeros (words only)",
    "shuffled": "another clip's",
    "mean": "the mean of all clips",
}


def prefixes(kind, sound, picture, train, test, seed=42):
    """Embeddings of one arm: two float arrays [n, d], or two None for zeros.

    `kind`: a key of `ARMS`. `train`, `test`: rows; "shuffled" swaps inside each of the two, "mean"
    takes that of the rows that train.
    """
    if kind == "true":
        return sound, picture
    if kind == "zero":
        return None, None
    order = np.arange(len(sound))
    if kind == "shuffled":
        rng = np.random.default_rng([seed, 5])
        for rows in (train, test):
            order[rows] = rng.permutation(rows)
        return sound[order], picture[order]
    if kind != "mean":
        raise ValueError(f"There is no prefix {kind!r}; choose one of {', '.join(ARMS)}.")
    means = (np.nanmean(values[train], axis=0) for values in (sound, picture))
    return tuple(np.tile(mean, (len(sound), 1)) for mean in means)


def balanced(rows, tone, seed=42):
    """The rows, those of the rarer tone repeated until both are as many: no tone is likelier."""
    rows, rng = np.asarray(rows), np.random.default_rng([seed, 6])
    parts = [rows[tone[rows] == t] for t in np.unique(tone[rows])]
    most = max(map(len, parts))
    return np.concatenate([np.resize(rng.permutation(part), most) for part in parts])


def exchanged(prompts, n, seed=42):
    """Prompts for 2 n balanced rows: the same ones for both tones, so that none tells the tone.

    `prompts`: those there are. Without this the words of the clips that train lean to one tone, and
    those held out to the other: a model of words would be *below* chance.
    """
    order = np.random.default_rng([seed, 7]).permutation(np.unique(prompts))
    return np.tile(np.resize(order, n), 2)


def _one(model, lines, sound, picture, arm, seed, fold, train, test, exchange, how):
    """Train one arm on one fold and ask it about the others."""
    sound, picture = prefixes(arm, sound, picture, train, test, seed)
    prompts, right, wrong = (lines[name].to_numpy() for name in ("prompt", "right", "wrong"))
    rows = balanced(train, lines["tone"].to_numpy(), seed)

    def seen(rows):
        return (None, None) if sound is None else (sound[rows], picture[rows])

    asked = exchanged(prompts, len(rows) // 2, seed) if exchange else prompts[rows]
    history = respond.fit(model, asked, right[rows], *seen(rows), seed=seed, **how)
    told, other = (
        respond.score(model, prompts[test], x[test], *seen(test)) for x in (right, wrong)
    )
    margin = other["nll"] - told["nll"]
    correct = np.where(margin == 0, 0.5, margin > 0)
    status = told[["status", "reason"]].where(told["status"] != "ok", other[["status", "reason"]])
    return lines.iloc[test][["clip_id", "dialog_id", "tone"]].reset_index(drop=True).assign(
        arm=arm, seed=seed, fold=fold, nll=told["nll"], n_tokens=told["n_tokens"],
        correct=np.where(margin.isna(), np.nan, correct), train_loss=history["loss"].iloc[-1],
        status=status["status"], reason=status["reason"],
    )  # fmt: skip


def study(model, lines, sound, picture, *, arms=tuple(ARMS), seeds=(42,), n_folds=4, fold_seed=42,
          splits_of=None, exchange=False, n_jobs=1, **how):  # fmt: skip
    """Answers to held-out clips by models of each arm, seed and fold.

    Parameters
    ----------
    model : respond.PrefixLM
    lines : DataFrame [n]
        Of `planted_lines`: clip_id, dialog_id, tone, prompt, right, wrong, status. Only rows whose
        status is "ok" are used.
    sound, picture : float array [n, d]
        NaN where a clip cannot be read.
    arms, seeds : sequence
    n_folds, fold_seed : int
        Folds of whole recordings.
    splits_of : pair of str, optional
        Values of the column split that train and are asked, in place of folds.
    exchange : bool
        Train with the same prompts for both tones; see `exchanged`.
    n_jobs : int
        Processes.
    **how
        Of `respond.fit`.

    Returns
    -------
    DataFrame
        clip_id, dialog_id, tone, arm, seed, fold, nll (of the right line), n_tokens, correct (1
        where the right line is likelier than the other, 0.5 on a tie), train_loss, status, reason
        (of `respond.statuses`; rows that are not "ok" have no number, and do not count).
    """
    used = usable(lines, sound, picture)
    lines, sound, picture = lines.iloc[used].reset_index(drop=True), sound[used], picture[used]
    if splits_of is None:
        folds = crossfit_folds(lines.assign(y=lines["tone"]), n_folds, fold_seed).to_numpy()
        parts = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(n_folds)]
    else:
        parts = [tuple(np.flatnonzero(lines["split"] == name) for name in splits_of)]
    fits = (
        delayed(partial(_one, exchange=exchange, how=how))(
            lines, sound, picture, arm, seed, fold, train, test
        )
        for arm in arms
        for seed in seeds
        for fold, (train, test) in enumerate(parts)
    )
    return pd.concat(parallel(fits, n_jobs, shared=model), ignore_index=True)


def usable(lines, sound, picture, split=None):
    """Rows whose status is "ok" and that have both embeddings, of one split or of all: int [k]."""
    there = np.isfinite(sound).all(axis=1) & np.isfinite(picture).all(axis=1)
    there &= (lines["status"] == "ok").to_numpy()
    return np.flatnonzero(there if split is None else there & (lines["split"] == split).to_numpy())


def _balanced_accuracy(sums):
    right_1, n_1, right_0, n_0 = np.moveaxis(sums[..., :4], -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        one, zero = right_1 / n_1, right_0 / n_0
    return np.where(n_0 == 0, one, (one + zero) / 2)


def _measured(sums):
    """Balanced accuracy and perplexity from column sums."""
    with np.errstate(divide="ignore", invalid="ignore"):
        perplexity = np.exp(sums[..., 4] / sums[..., 5])
    return np.stack([_balanced_accuracy(sums), perplexity], axis=-1)


def _columns(rows):
    """What `_measured` adds up, for each clip; seeds are averaged. Rows without a number do not
    count."""
    mean = (
        rows.dropna(subset=["correct", "nll"])
        .groupby(["clip_id", "dialog_id", "tone"], as_index=False)[["correct", "nll", "n_tokens"]]
        .mean()
    )
    tone, right = mean["tone"], mean["correct"]
    columns = [right * tone, tone, right * (1 - tone), 1 - tone, mean["nll"], mean["n_tokens"]]
    return np.column_stack(columns), mean["dialog_id"].to_numpy()


MEASURES = ("choice accuracy", "perplexity")


def compared(found, by="arm", n_boot=2000, seed=42):
    """Choice accuracy and perplexity of each arm, with intervals over recordings.

    Accuracy is the mean of the two tones' shares, so that one half is chance whatever the shares of
    the tones: a model that always gives the same line has exactly that. (With tone 1 alone, it is
    the share that is right.) Perplexity is of the right
    line, pooled over tokens.

    Parameters
    ----------
    found : DataFrame
        Of `study`.
    by : str
        Column with the arms.
    n_boot, seed
        Of the intervals.

    Returns
    -------
    DataFrame
        `by`, measure, and the fields of `inference.Interval`.
    """
    rows = []
    for arm, part in found.groupby(by, sort=False):
        sums, groups = _columns(part)
        table = inference.intervals(sums, _measured, groups=groups, n_boot=n_boot, seed=seed)
        rows.append(table.assign(**{by: arm, "measure": MEASURES}))
    return pd.concat(rows, ignore_index=True)[[by, "measure", *inference.Interval._fields]]


def differences(found, pairs, by="arm", n_boot=2000, seed=42):
    """What one arm has more than another, on the same clips, with intervals over recordings.

    `pairs`: (arm, other arm). Returns DataFrame: `by`, minus, measure, and the fields of
    `inference.Interval`.
    """
    rows = []
    for one, two in pairs:
        (first, groups), (second, _) = (_columns(found[found[by] == arm]) for arm in (one, two))
        width = first.shape[1]
        table = inference.intervals(
            np.hstack([first, second]),
            lambda sums, w=width: _measured(sums[..., :w]) - _measured(sums[..., w:]),
            groups=groups, n_boot=n_boot, seed=seed,
        )  # fmt: skip
        rows.append(table.assign(**{by: one, "minus": two, "measure": MEASURES}))
    return pd.concat(rows, ignore_index=True)[[by, "minus", "measure", *inference.Interval._fields]]


def by_seed(found, by="arm"):
    """Choice accuracy and perplexity of each training: DataFrame `by`, seed, one column each."""
    rows = []
    for (arm, seed), part in found.groupby([by, "seed"], sort=False):
        accuracy, perplexity = _measured(_columns(part)[0].sum(axis=0))
        rows.append({by: arm, "seed": seed, MEASURES[0]: accuracy, MEASURES[1]: perplexity})
    return pd.DataFrame(rows)


def marked(model, truth, manifest, sound, picture, *, seed=42, **how):
    """The same model with each kind of marker in its prompt; the prefix is always the clip's own.

    `truth`, `manifest`: as for `planted_lines.by_majority`. `seed`: of the shuffled marker.
    `**how`: of `study`. Returns DataFrame: as `study`, with marker (a value of
    `planted_lines.TOLD`) and kind ("words and face differ", "words and face agree").
    """
    parts = []
    for marker, called in planted_lines.TOLD.items():
        lines = planted_lines.by_majority(truth, manifest, marker, seed)
        found = study(model, lines, sound, picture, arms=("true",), **how)
        differs = lines.set_index("clip_id")["mismatch"].loc[found["clip_id"]].to_numpy()
        kind = np.where(differs, "words and face differ", "words and face agree")
        parts.append(found.assign(marker=called, kind=kind))
    return pd.concat(parts, ignore_index=True)


def by_kind(found, n_boot=2000, seed=42):
    """Markers on clips whose words and face differ, and on the others, with intervals.

    `found`: of `marked`. Returns two DataFrames, with a column kind before those of `compared` and
    of `differences`: each marker against none, and the clip's own against another clip's.
    """
    none, own, other, telling = planted_lines.TOLD.values()
    pairs = [(own, none), (own, other), (other, none), (telling, none)]
    levels, gains = [], []
    for kind, part in found.groupby("kind", sort=False):
        how = dict(by="marker", n_boot=n_boot, seed=seed)
        levels.append(compared(part, **how).assign(kind=kind))
        gains.append(differences(part, pairs, **how).assign(kind=kind))
    return pd.concat(levels, ignore_index=True), pd.concat(gains, ignore_index=True)

"""Which clips hold conflicting cues: scores per clip and modality. None of them reads a label.

A score says of one clip and one modality how much the modality contradicts. For a clip as a whole
("any") it is the largest over the modalities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import rel_entr
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from empdis_utils.data.tables import inputs_name
from empdis_utils.measures import inference
from empdis_utils.measures.uncertainty import predictive_entropy

__all__ = [
    "OPPOSITION", "Case", "auroc", "auroc_table", "cases_of_models", "cases_of_people",
    "conflict_score", "flagged", "largest", "opposed", "others_of", "probabilities", "ranking",
    "scores",
]  # fmt: skip

OPPOSITION = "opposition"


def _log_ratios(p, eps: float, name: str) -> np.ndarray:
    """Log-ratios [n, k] of each class to the geometric mean of all; from P(class 1) or [n, k]."""
    p = np.asarray(p, float)
    if p.ndim not in (1, 2) or not p.size or not np.isfinite(p).all():
        raise ValueError(
            f"{name}: expected P(class 1) [n] or [n, k], without missing values, got {p.shape}"
        )
    if p.min() < 0 or p.max() > 1:
        raise ValueError(f"{name}: lies outside [0, 1]: give probabilities, not logits")
    log_p = np.log(np.clip(np.column_stack([1 - p, p]) if p.ndim == 1 else p, eps, 1 - eps))
    return log_p - log_p.mean(axis=1, keepdims=True)


def conflict_score(own, others, *, eps: float = 1e-6) -> np.ndarray:
    r"""Opposition: how far one modality says the opposite of what the others say without it.

    .. math::

        o_m(i) = -\frac{z_m(i)\, z_{-m}(i)}{R_m R_{-m}}, \qquad
        z = \log\frac{p}{1 - p}, \qquad R = \sqrt{\tfrac{1}{n} \textstyle\sum_i z(i)^2}

    Parameters
    ----------
    own : array [n] or [n, k]
        P(class 1), or one probability per class, of the model that has this modality only.
    others : array, the same shape
        Of the model that has all other modalities and *not* this one.
    eps : float
        Probabilities are kept this far from 0 and 1.

    Returns
    -------
    array [n]
        Positive: both say something, and not the same. Negative: they say the same. Near 0: at
        least one of them says nothing. No label is used. Without units: the mean over clips is
        minus the cosine of the two vectors of log-odds. All 0 where one model is at one half on
        every clip.

    Raises
    ------
    ValueError
        Missing values, values outside [0, 1], shapes that differ.

    Notes
    -----
    More than two classes: :math:`z` becomes the vector of log-ratios to the geometric mean and the
    product the inner product of Aitchison's geometry (doi:10.1111/j.2517-6161.1982.tb01195.x),
    which for two classes is the formula above. The score tells who is the odd one out, not who is
    wrong. Checked against the formula, and on drawn corpora in chapter 09.

    Examples
    --------
    >>> (0 + conflict_score([0.9, 0.9, 0.5], [0.1, 0.9, 0.9]).round(2)).tolist()
    [1.22, -1.22, 0.0]
    """
    z, rest = _log_ratios(own, eps, "own"), _log_ratios(others, eps, "others")
    if z.shape != rest.shape:
        raise ValueError(f"own {np.shape(own)} and others {np.shape(others)} differ in shape")
    size = np.sqrt((z**2).sum(axis=1).mean() * (rest**2).sum(axis=1).mean())
    return -(z * rest).sum(axis=1) / size if size > 0 else np.zeros(len(z))


def others_of(modality: str, modalities: Sequence[str]) -> str:
    """Name of the inputs that leave one modality out: ``audio+video`` for text."""
    return inputs_name([m for m in modalities if m != modality])


def probabilities(predictions: pd.DataFrame, clips=None) -> dict[str, np.ndarray]:
    """P(class 1) of each model as an array [seeds, clips], from the `predictions` table.

    `predictions`: clip_id, inputs, seed, p; one source only. `clips`: order of the clips; by
    default sorted. Raises ValueError: a model that lacks clips or seeds of the others.
    """
    wide = predictions.pivot(index=["inputs", "seed"], columns="clip_id", values="p")
    wide = wide if clips is None else wide.reindex(columns=clips)
    whole = pd.MultiIndex.from_product(wide.index.levels)
    if len(lost := whole.difference(wide.index)) or wide.isna().any(axis=None):
        gaps = [f"{inputs}/{seed}" for inputs, seed in lost] or list(
            wide.index[wide.isna().any(axis=1)].map("{0[0]}/{0[1]}".format)
        )
        raise ValueError(f"predictions: no probability of some clips from {', '.join(gaps[:5])}")
    return {inputs: part.to_numpy() for inputs, part in wide.groupby(level="inputs")}


def scores(
    p: Mapping[str, np.ndarray], modalities: Sequence[str]
) -> dict[str, dict[str, np.ndarray]]:
    """Every score of every clip, side by side, from two-class probabilities.

    Parameters
    ----------
    p : mapping of str to array [s, n]
        Inputs -> P(class 1), one row per seed: each modality, all of them, and all but each.
    modalities : sequence of str, two or more

    Returns
    -------
    dict of modality (and ``any``) to dict of name to array [n]
        - red or green: 1 where the mean probabilities of the modality and of fusion lie on other
          sides of one half (the paper's flag; at this threshold it needs no label);
        - seed share: share of seeds in which they do;
        - confidence gap: distance of the two probabilities, mean over seeds;
        - Jensen-Shannon: divergence of the two mean distributions (nats);
        - epistemic: mutual information of label and seed in fusion (nats);
        - entropy: of the mean probability of fusion (nats);
        - seed noise: share of pairs of seeds in which fusion contradicts itself;
        - differs from the others: share of seeds in which the modality and the fusion of the
          *others* differ; opposition: `conflict_score` of their mean probabilities. These two leave
          the modality out of the other side.

    Raises
    ------
    ValueError
        A model is missing: names it.
    """
    modalities = list(modalities)
    full = inputs_name(modalities)
    wanted = {full, *modalities, *(others_of(m, modalities) for m in modalities)}
    if lost := sorted(wanted - set(p)):
        raise ValueError(f"no predictions from {', '.join(lost)}; have {', '.join(sorted(p))}")
    mean = {name: p[name].mean(axis=0) for name in wanted}
    n_seeds = len(p[full])
    ones = (p[full] > 0.5).sum(axis=0)
    inside = predictive_entropy(p[full].ravel()).reshape(p[full].shape).mean(axis=0)
    entropy = predictive_entropy(mean[full])
    plain = {
        "epistemic": (entropy - inside).clip(min=0),
        "entropy": entropy,
        "seed noise": ones * (n_seeds - ones) / max(n_seeds * (n_seeds - 1) / 2, 1),
    }
    found = {}
    for m in modalities:
        rest = others_of(m, modalities)
        pair = [np.column_stack([1 - mean[name], mean[name]]) for name in (m, full)]
        middle = (pair[0] + pair[1]) / 2
        found[m] = {
            "red or green": ((mean[m] > 0.5) != (mean[full] > 0.5)).astype(float),
            "seed share": ((p[m] > 0.5) != (p[full] > 0.5)).sum(axis=0) / n_seeds,
            "confidence gap": np.abs(p[m] - p[full]).mean(axis=0),
            "Jensen-Shannon": sum(rel_entr(one, middle).sum(axis=1) for one in pair) / 2,
            **plain,
            "differs from the others": ((p[m] > 0.5) != (p[rest] > 0.5)).sum(axis=0) / n_seeds,
            OPPOSITION: conflict_score(mean[m], mean[rest]),
        }
    return found | {"any": largest(found)}


def largest(found: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Score of the clip as a whole: the largest over modalities."""
    first = next(iter(found.values()))
    return {name: np.max([one[name] for one in found.values()], axis=0) for name in first}


def flagged(quadrants: pd.DataFrame) -> pd.DataFrame:
    """The paper's flag and its share of seeds, from the `quadrants` table.

    Returns columns clip_id, modality, red_or_green (the ensemble is red or green), seeds (how many
    trainings are), n_seeds. Counts, because shares that are added in floating point split ties: 0.2
    + 0.4 is not 0.6.
    """
    off = quadrants.assign(off=quadrants["quadrant"].isin(["red", "green"]))
    ensemble = off["seed"] == "ensemble"
    key = ["clip_id", "modality"]
    counts = off[~ensemble].groupby(key)["off"].agg(seeds="sum", n_seeds="size")
    table = off[ensemble].set_index(key)["off"].rename("red_or_green").to_frame()
    return table.join(counts).reset_index()


def auroc(planted, score) -> np.ndarray | float:
    """Chance that a planted clip scores above another one; ties count one half.

    Parameters
    ----------
    planted : bool array [n]
    score : array [n] or [n, c]

    Returns
    -------
    float, or array [c]
        NaN if all clips are planted, or none. Equal to ``sklearn.metrics.roc_auc_score``.
    """
    planted = np.asarray(planted, bool)
    n_1, n_0 = planted.sum(), (~planted).sum()
    ranks = rankdata(np.asarray(score, float), axis=0)
    if not n_1 or not n_0:
        return np.nan if ranks.ndim == 1 else np.full(ranks.shape[1], np.nan)
    return (ranks[planted].sum(axis=0) - n_1 * (n_1 + 1) / 2) / (n_1 * n_0)


def auroc_table(yes, no, found, pairs=(), *, groups=None, n_boot=1000, seed=42) -> pd.DataFrame:
    """AUROC of each score for clips `yes` above clips `no`, then differences on the same clips.

    `yes`, `no` (bool array [n]): clips that are in neither are left out. `found` (mapping of str to
    array [n]): scores by name. `pairs` (sequence of (str, str)): scores that are compared: a row
    ``a - b`` each. `groups` (array [n]): recordings. `n_boot`, `seed`: resamples of recordings for
    intervals; 0: none. Returns columns score, n conflict, n other, auroc (of a pair: the
    difference), ci_low, ci_high; with intervals also n, n_recordings, status, reason.
    """
    names, keep = list(found), yes | no
    values = np.column_stack(list(found.values()))[keep]
    contrasts = [(names.index(a), names.index(b)) for a, b in pairs]
    if n_boot:
        table = inference.auroc_intervals(
            yes[keep], values, groups=None if groups is None else groups[keep],
            contrasts=contrasts, n_boot=n_boot, seed=seed,
        ).rename(columns={"estimate": "auroc"})  # fmt: skip
    else:
        each = auroc(yes[keep], values)
        each = np.append(each, [each[i] - each[j] for i, j in contrasts])
        table = pd.DataFrame({"auroc": each, "ci_low": np.nan, "ci_high": np.nan})
    table.insert(0, "score", [*names, *(f"{a} - {b}" for a, b in pairs)])
    return table.assign(**{"n conflict": int(yes.sum()), "n other": int(no.sum())})


# --------------------------------------------------------------------------- on clips without truth


@dataclass(frozen=True)
class Case:
    """One question to the scores.

    Attributes
    ----------
    name : str
        Who is set against whom.
    to_find : str
        What the clips to find are; `found` [n] says which, among the clips `keep` [n].
    scores : dict of str to array [n]
        "opposition", "uncertainty" and placebos ("placebo: ...").
    matched : str
        The score that has as many trainings or votes behind it as the placebos.
    """

    name: str
    to_find: str
    found: np.ndarray
    keep: np.ndarray
    scores: dict[str, np.ndarray]
    matched: str = OPPOSITION


def cases_of_models(predictions: pd.DataFrame, truth=None) -> tuple[pd.Index, list[Case]]:
    """Each modality's model against the fusion of the others, for errors and planted conflicts.

    `predictions`: clip_id, inputs, seed, y, p; of fusion networks on each modality, all, and all
    but each. `truth`: of a synthetic corpus: clip_id, kind, contradicting. Returns `clips` (Index
    [n]): order of the arrays; `cases`: the placebo sets one half of a modality's trainings against
    the other half.
    """
    clips = pd.Index(predictions["clip_id"].unique())
    p = probabilities(predictions, clips)
    full = max(p, key=lambda name: name.count("+"))
    modalities = [m for m in full.split("+") if m in p]
    mean = {name: rows.mean(axis=0) for name, rows in p.items()}
    y = predictions.drop_duplicates("clip_id").set_index("clip_id")["y"].loc[clips].to_numpy()
    wrong, half, every = (mean[full] > 0.5) != (y == 1), len(p[full]) // 2, np.ones(len(y), bool)
    found = {}
    for m in modalities:
        rest = mean[others_of(m, modalities)]
        halves = p[m][:half].mean(axis=0), p[m][half:].mean(axis=0)
        found[m] = {
            OPPOSITION: conflict_score(mean[m], rest),
            "uncertainty": predictive_entropy(mean[full]),
            "placebo: same modality retrained": conflict_score(*halves),
        }
    found["any"] = largest(found)
    cases = []
    for m, each in found.items():
        name = "any modality" if m == "any" else f"{m} against the others"
        if truth is not None:
            known = truth.set_index("clip_id").loc[clips]
            planted = (known["kind"] == "conflict").to_numpy()
            own = planted if m == "any" else (known["contradicting"] == m).to_numpy()
            cases.append(Case(name, "a conflict was planted", own, own | ~planted, each))
        cases.append(Case(name, "fusion is wrong", wrong, every, each))
    return clips, cases


def cases_of_people(votes, categories="ADFHNS", *, seed=42) -> tuple[pd.Index, list[Case]]:
    """People who heard the voice against people who saw the face, for clips that divide people.

    `votes`: clip_id, modality (audio, video, audio+video), a column of counts per category, status.
    `seed`: of the random halves of votes. Returns `clips` (Index [n]): those with votes of all
    three channels; `cases`: the placebos set two random halves of one channel's votes against each
    other.
    """
    whole = votes.query("status == 'ok'").groupby("clip_id").filter(lambda part: len(part) == 3)
    by = {m: part.set_index("clip_id")[list(categories)] for m, part in whole.groupby("modality")}
    clips, rng = by["audio"].index, np.random.default_rng(seed)
    voice, face, both = (
        by[m].loc[clips].to_numpy(np.int64) for m in ("audio", "video", "audio+video")
    )

    def shares(counts):
        """Shares of votes, with half a vote more for each category."""
        return (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)

    def halves(counts):
        """Two random halves of each clip's votes (an odd vote goes to neither)."""
        first, second = np.empty_like(counts), np.empty_like(counts)
        for i, row in enumerate(counts):
            size = row.sum() // 2
            first[i] = rng.multivariate_hypergeometric(row, size)
            second[i] = rng.multivariate_hypergeometric(row - first[i], size)
        return shares(first), shares(second)

    voices, faces, matched = halves(voice), halves(face), "opposition, half the votes"
    unsure = (predictive_entropy(shares(voice)) + predictive_entropy(shares(face))) / 2
    found = {
        OPPOSITION: conflict_score(shares(voice), shares(face)),
        "uncertainty": unsure,
        matched: conflict_score(voices[0], faces[0]),
        "placebo: two halves of voice": conflict_score(*voices),
        "placebo: two halves of face": conflict_score(*faces),
    }
    divided, every = 2 * both.max(axis=1) <= both.sum(axis=1), np.ones(len(clips), bool)
    what = "people are divided on the full clip"
    return clips, [Case("voice against face", what, divided, every, found, matched)]


def opposed(cases: Sequence[Case], recordings) -> pd.DataFrame:
    """Share of clips with a score above 0, of each score but uncertainty.

    Returns columns case, score, n, opposed, ci_low, ci_high.
    """
    rows = []
    for case in {case.name: case for case in cases}.values():
        for name in (name for name in case.scores if name != "uncertainty"):
            share = inference.share_interval((case.scores[name] > 0) * 1.0, groups=recordings)
            rows.append((case.name, name, share.n, *share[:3]))
    return pd.DataFrame(rows, columns=["case", "score", "n", "opposed", "ci_low", "ci_high"])


def ranking(cases: Sequence[Case], recordings, *, n_folds=4, n_boot=2000, seed=42) -> pd.DataFrame:
    """How well each score ranks the clips to find first, alone and beside uncertainty.

    ``both`` is an out-of-fold logistic combination of uncertainty and opposition; ``both -
    uncertainty`` is over such a combination of uncertainty alone. Folds hold out recordings.

    Returns columns to find, case, score (or a difference of two), n, n found, auroc, ci_low,
    ci_high, status, reason.
    """
    model, parts = make_pipeline(StandardScaler(), LogisticRegression()), []
    for case in cases:
        keep = case.keep
        yes, groups = case.found[keep], recordings[keep]
        found = {name: score[keep] for name, score in case.scores.items()}

        def combined(*names, found=found, yes=yes, groups=groups):
            x = np.column_stack([found[name] for name in names])
            folds = dict(groups=groups, cv=GroupKFold(n_folds))
            return cross_val_predict(model, x, yes, method="decision_function", **folds)

        alone, both = combined("uncertainty"), combined("uncertainty", OPPOSITION)
        pairs = [(OPPOSITION, "uncertainty"), ("both", "alone")]
        pairs += [(case.matched, name) for name in found if name.startswith("placebo")]
        part = auroc_table(
            yes, ~yes, found | {"alone": alone, "both": both}, pairs, groups=groups, n_boot=n_boot,
            seed=seed,
        )  # fmt: skip
        part = part[part["score"] != "alone"].rename(columns={"n conflict": "n found"})
        part["score"] = part["score"].str.replace("alone", "uncertainty")
        parts.append(part.assign(case=case.name, **{"to find": case.to_find}))
    columns = ["to find", "case", "score", "n", "n found", "auroc", "ci_low", "ci_high"]
    return pd.concat(parts, ignore_index=True)[[*columns, "status", "reason"]]

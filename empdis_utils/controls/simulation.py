"""Many draws of the synthetic corpus, without rendering: cues, what a model reads of them, models.

The generator (``tests/fixture/make_fixture.py``) draws the parameters of each clip, then renders
speech and faces, and encoders are fine-tuned on these. That takes minutes per corpus. Here the same
parameters are drawn, "reading" adds noise to them, and the models are ridge-penalised logistic
regressions: a corpus takes a fraction of a second. The noise (`READING`, `TRAINING`) was set so
that single modalities are about as accurate as on the rendered corpus and retrained copies differ
about as often. Everything else is a check: chapter 09 shows where it holds and where not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from empdis_utils.data.tables import MODALITIES, inputs_name
from empdis_utils.measures import conflict, disagreement, inference
from empdis_utils.measures.uncertainty import predictive_entropy

__all__ = [
    "FACTORS", "KEPT", "Corpus", "Design", "crossed", "draw", "draws", "false_alarms", "logistic",
    "main_effects", "planted", "predict", "recordings_needed", "recovery", "same_verdict",
    "sample_sizes", "shares", "stability", "surrogate_check", "verdicts",
]  # fmt: skip

FACTORS = ["odd one out", "others", "missing", "label with the odd one"]  # of `crossed`
KEPT = ["red or green", "seed share", "entropy", "Jensen-Shannon", "opposition"]  # its scores
STRENGTH = (0.3, 1.0)  # of a cue
BASE_RATES = (0.2, 0.8)  # share of class 1, by turns
SLIP = 0.15  # chance of a phrase of the other class, in a slot without a cue, at strength 0
# carrier: effect of a full-strength cue, and spread between recordings, both in units of the spread
# within a recording. Level is left out: encoders get sound that is peak-normalised. The spread of
# pitch is that of the voices.
CARRIERS = {
    "audio": {
        "pitch_st": (-2.5 / 0.8, 5.0 / 0.8),
        "range_log": (0.40 / 0.13, 0.10 / 0.13),
        "rate_log": (-0.16 / 0.05, 0.06 / 0.05),
        "jitter_log": (0.25 / 0.20, 0.0),
    },
    "video": {
        "brow_lower": (-0.35 / 0.10, 1.0),
        "lip_pull": (0.35 / 0.10, 1.0),
        "lid_raise": (0.35 / 0.10, 1.0),
    },
}
# Standard deviation of the noise that reading adds, in units of the spread in a recording (text: of
# "the wording is of this class"), and the share of its variance that all trainings have in common.
READING = {"text": (0.2, 0.95), "audio": (2.2, 0.9), "video": (3.2, 0.5)}
TRAINING = 0.6  # SD that a training adds to a clip's log-odds, where it has several inputs
LOOKS = 2  # columns of what else an encoder keeps of a recording: its voice, room, face, light
RIDGE = 10.0


@dataclass(frozen=True)
class Design:
    """What is planted.

    Attributes
    ----------
    n_recordings, n_clips : int
        Recordings, and clips of each (in tens, the mix is exact; as rendered: 16 and 10).
    conflict : float
        Share of clips in which one modality contradicts the two others; the rest is congruent.
    no_cue : float
        Share of clips without any cue. Their label is the recording's chance.
    minority : float
        Share of the clips with a conflict whose label is what the *odd one out* says.
    absent : float
        Chance that a modality of a clip has no cue, whatever the others do.
    odd, rest : (float, float)
        Range of the strength of the contradicting cue, and of the others.
    """

    n_recordings: int = 16
    n_clips: int = 10
    conflict: float = 0.3
    no_cue: float = 0.1
    minority: float = 0.0
    absent: float = 0.0
    odd: tuple[float, float] = STRENGTH
    rest: tuple[float, float] = STRENGTH


@dataclass
class Corpus:
    """One draw: `y` [n] in {0, 1}, `recording` [n], per modality (in the order of `MODALITIES`)
    `direction` [n, 3] in {-1, 0, 1} and `strength` [n, 3], and `signal`: modality -> [n, c]."""

    y: np.ndarray
    recording: np.ndarray
    direction: np.ndarray
    strength: np.ndarray
    signal: dict[str, np.ndarray]

    @property
    def odd_one_out(self) -> np.ndarray:
        """Whether each modality's cue opposes what the others say on balance: bool [n, 3]."""
        others = self.direction.sum(axis=1, keepdims=True) - self.direction
        return self.direction * others < 0

    @property
    def conflict(self) -> np.ndarray:
        """Whether cues of both directions are in the clip: bool [n]."""
        return (self.direction.min(axis=1) < 0) & (self.direction.max(axis=1) > 0)


def draw(design: Design, rng: np.random.Generator) -> Corpus:
    """Draw the cues of a corpus, and the parameters that carry them."""
    n_rec, n_clips = design.n_recordings, design.n_clips
    n, n_mod = n_rec * n_clips, len(MODALITIES)
    recording = np.repeat(np.arange(n_rec), n_clips)
    exact = np.array([design.conflict / n_mod] * n_mod + [design.no_cue]) * n_clips
    # kind: 0 … 2 that modality contradicts, 3 no cue, 4 congruent; shares exact where they can be
    counts = np.floor(exact + rng.random((n_rec, len(exact)))).astype(int)
    if (exact == np.round(exact)).all():
        counts[:] = np.round(exact)
    kinds = np.full((n_rec, n_clips), 4)
    for r, row in enumerate(counts):
        listed = np.repeat(np.arange(4), row)[:n_clips]
        kinds[r, : len(listed)] = listed
    kind = rng.permuted(kinds, axis=1).ravel()
    rate = np.array(BASE_RATES)[np.arange(n_rec) % 2]
    ones = np.arange(n_clips) < np.round(rate * n_clips)[:, None]
    label = np.where(rng.permuted(ones, axis=1).ravel(), 1, -1)

    odd = kind[:, None] == np.arange(n_mod)
    direction = np.where(odd, -1, 1) * label[:, None]
    turned = (kind < n_mod) & (rng.random(n) < design.minority)
    direction[turned] *= -1  # the label is what the odd one out says
    direction[kind == 3] = 0
    direction[rng.random((n, n_mod)) < design.absent] = 0
    share = rng.random((n, n_mod))
    ends = np.where(odd[..., None], design.odd, design.rest)
    strength = ends[..., 0] + (ends[..., 1] - ends[..., 0]) * share
    strength[direction == 0] = 0

    text = MODALITIES.index("text")
    pull, force = direction[:, text], strength[:, text]
    n_cue = np.where(pull == 0, 0, 1 + rng.binomial(2, force))
    n_slip = np.where(pull == 0, 0, rng.binomial(3 - n_cue, SLIP * (1 - force)))
    signal = {"text": np.sign(pull * (n_cue - n_slip))[:, None].astype(float)}
    for modality, carriers in CARRIERS.items():
        column = MODALITIES.index(modality)
        effect, spread = np.array(list(carriers.values())).T
        own = rng.normal(size=(n_rec, len(effect))) * spread
        push = (direction * strength)[:, [column]] * effect
        other = rng.normal(size=(n_rec, LOOKS))[recording]
        signal[modality] = np.hstack(
            [own[recording] + push + rng.normal(size=(n, len(effect))), other]
        )
    return Corpus((label > 0).astype(int), recording, direction, strength, signal)


def logistic(x, y, weights, ridge: float = 1.0, n_steps: int = 12) -> np.ndarray:
    """Ridge-penalised logistic regressions, many at once, by Newton's method.

    Parameters
    ----------
    x : array [b, n, c]
        The intercept is added, and is not penalised.
    y : array [n] in {0, 1}
    weights : array [b, n]
        How often each clip counts; 0 leaves it out.
    ridge : float
        Penalty on half the squared coefficients: scikit-learn's 1 / C.

    Returns
    -------
    array [b, n]
        P(class 1) of every clip, in and out of the fit.

    Notes
    -----
    Steps are halved where the loss would rise. Checked against
    ``sklearn.linear_model.LogisticRegression``. It exists because thousands of small fits by
    scikit-learn spend their time on checks.
    """
    x = np.concatenate([x, np.ones((*x.shape[:2], 1))], axis=2)
    penalty = np.full(x.shape[2], float(ridge))
    penalty[-1] = 1e-9
    beta = np.zeros((len(x), x.shape[2]))

    def loss(beta):
        eta = np.matmul(x, beta[..., None])[..., 0]
        fit = (weights * (np.logaddexp(0, eta) - y * eta)).sum(axis=1)
        return fit + (penalty * beta**2).sum(axis=1) / 2, expit(eta)

    now, p = loss(beta)
    for _ in range(n_steps):
        gradient = np.matmul((weights * (p - y))[:, None], x)[:, 0] + penalty * beta
        curved = np.matmul((x * (weights * p * (1 - p))[..., None]).transpose(0, 2, 1), x)
        step = np.linalg.solve(curved + np.diag(penalty), gradient[..., None])[..., 0]
        size = np.ones(len(x))
        for _ in range(8):
            new, p_new = loss(beta - size[:, None] * step)
            worse = new > now + 1e-9
            if not worse.any():
                break
            size[worse] /= 2
        beta = beta - size[:, None] * step
        now, p = new, p_new
        if np.abs(step).max() < 1e-6:
            break
    return p


def predict(
    corpus: Corpus,
    rng: np.random.Generator,
    *,
    n_seeds: int = 5,
    n_folds: int = 4,
    reading=None,
    ridge: float = RIDGE,
) -> dict[str, np.ndarray]:
    """Out-of-fold probabilities of every subset of the modalities.

    A "seed" reads the clips anew (part of the noise is its own, and the same for all subsets, as
    one fine-tuned encoder serves all of them) and learns from a bootstrap sample of the recordings
    that its fold leaves. Folds hold out whole recordings.

    Parameters
    ----------
    corpus : Corpus
    rng : numpy.random.Generator
    n_seeds, n_folds : int
    reading : dict, optional
        Modality -> standard deviation of the noise, and the share of its variance that all seeds
        have in common; `READING` by default.
    ridge : float

    Returns
    -------
    dict of str to array [n_seeds, n]
        Inputs (``text``, ``text+audio``, …) -> P(class 1).
    """
    reading = READING if reading is None else reading
    n_rec = corpus.recording.max() + 1
    n_folds = min(n_folds, n_rec)
    fold = rng.permutation(np.arange(n_rec) % n_folds)[corpus.recording]
    train = np.arange(n_folds)[:, None] != fold
    seen = rng.multinomial(n_rec, np.full(n_rec, 1 / n_rec), size=(n_seeds, n_folds))
    weights = (seen[..., corpus.recording] * train).reshape(n_seeds * n_folds, -1).astype(float)
    read = {}
    for modality, signal in corpus.signal.items():
        sd, common = reading[modality]
        noise = np.sqrt(common) * rng.normal(size=signal.shape)
        noise = noise + np.sqrt(1 - common) * rng.normal(size=(n_seeds, *signal.shape))
        value = signal + sd * noise
        read[modality] = value / value.std(axis=(0, 1))
    found = {}
    for size in range(1, len(MODALITIES) + 1):
        for names in combinations(MODALITIES, size):
            x = np.concatenate([read[m] for m in names], axis=2)
            x = np.repeat(x, n_folds, axis=0)  # one row of `weights` each
            p = logistic(x, corpus.y, weights, ridge).reshape(n_seeds, n_folds, -1)
            p = p[:, fold, np.arange(len(fold))]
            if size > 1:
                p = expit(logit(p) + TRAINING * rng.normal(size=p.shape))
            found[inputs_name(names)] = p
    return found


# --------------------------------------------------------------------------- studies


def draws(design: Design, n_draws: int, seed: int, **how):
    """Yield `n_draws` pairs of a corpus and its probabilities; draw k depends on (seed, k) only.

    `**how`: for `predict`.
    """
    for k in range(n_draws):
        rng = np.random.default_rng([seed, k])
        corpus = draw(design, rng)
        yield corpus, predict(corpus, rng, **how)


def planted(corpus: Corpus, modality: str) -> tuple[np.ndarray, np.ndarray]:
    """Clips in which the modality contradicts (``any``: that hold a conflict), and clips without.

    Returns `yes, no` (bool arrays [n]): `no`: congruent clips and clips without a cue. Clips in
    which another modality contradicts are in neither.
    """
    conflict_ = corpus.conflict
    own = conflict_ if modality == "any" else corpus.odd_one_out[:, MODALITIES.index(modality)]
    return own & conflict_, ~conflict_


def recovery(
    design: Design,
    *,
    n_draws: int,
    seed: int,
    modalities: Sequence[str] = ("any",),
    pairs: Sequence[tuple[str, str]] = (),
    n_boot: int = 0,
    sham: bool = False,
    **how,
) -> pd.DataFrame:
    """How well every score finds planted conflicts, draw by draw.

    `modalities`: of ``text``, ``audio``, ``video``, ``any``. `pairs` (sequence of (str, str)):
    scores whose AUROCs are compared on the same clips; rows ``a - b``. `n_boot`: resamples of
    recordings for intervals; 0: none. `sham`: mark three in ten clips of each recording at random,
    whatever their cues. There is then nothing to find: what is found is a false alarm. `**how`: for
    `predict`. Returns columns draw, modality, score, n_conflict, n_other, auroc (for a pair: the
    difference), ci_low, ci_high, named (``any`` only: share of the conflicts in which the modality
    that scores highest is an odd one out; ties share). A draw without clips of both kinds has NaN.
    """
    rows = []
    for k, (corpus, p) in enumerate(draws(design, n_draws, seed, **how)):
        found = conflict.scores(p, MODALITIES)
        for modality in modalities:
            if sham:
                rng = np.random.default_rng([seed, k, 1])
                yes = rng.permuted(
                    np.arange(len(corpus.y)).reshape(design.n_recordings, -1), axis=1
                )
                yes = np.isin(np.arange(len(corpus.y)), yes[:, : round(0.3 * design.n_clips)])
                no = ~yes
            else:
                yes, no = planted(corpus, modality)
            part = conflict.auroc_table(
                yes, no, found[modality], pairs, groups=corpus.recording, n_boot=n_boot, seed=seed
            ).rename(columns={"n conflict": "n_conflict", "n other": "n_other"})
            part["named"] = np.nan
            if modality == "any":
                part["named"] = part["score"].map(_named(found, corpus))
            rows.append(part.assign(draw=k, modality=modality))
    columns = ["draw", "modality", "score", "n_conflict", "n_other", "auroc", "ci_low", "ci_high"]
    return pd.concat(rows, ignore_index=True)[[*columns, "named"]]


def _named(found, corpus: Corpus) -> dict[str, float]:
    """Share of conflicts whose highest-scoring modality is an odd one out, per score."""
    odd, clips = corpus.odd_one_out, corpus.conflict & corpus.odd_one_out.any(axis=1)
    shares_ = {}
    for name in found["any"]:
        values = np.column_stack([found[m][name] for m in MODALITIES])[clips]
        top = values == values.max(axis=1, keepdims=True)
        right = (top & odd[clips]).sum(axis=1) / top.sum(axis=1)
        shares_[name] = right.mean() if len(right) else np.nan
    return shares_


def shares(table: pd.DataFrame, by: Sequence[str] = ("modality", "score")) -> pd.DataFrame:
    """Mean and spread over draws, and in how many of them the interval leaves out chance.

    `table`: of `recovery`; other columns may be in it. Returns columns `by`, n_draws, mean, sd,
    low, high (2.5 and 97.5 % of draws), above and below (share of the draws with an interval that
    lies above or below chance: 0.5, or 0 for a pair), above_low, above_high (Wilson, over draws),
    n_intervals, named (mean).
    """
    rows = []
    for key, part in table.groupby(list(by), sort=False):
        key = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        chance = np.where(part["score"].str.contains(" - "), 0.0, 0.5)
        known = part["ci_low"].notna().to_numpy()
        above = (part["ci_low"] > chance)[known].to_numpy(float)
        below = (part["ci_high"] < chance)[known].to_numpy(float)
        wilson = inference.share_interval(above) if known.sum() else None
        row = {"n_draws": len(part), "mean": part["auroc"].mean(), "sd": part["auroc"].std()}
        row |= dict(zip(("low", "high"), part["auroc"].quantile([0.025, 0.975]), strict=True))
        row |= {"above": above.mean() if wilson else np.nan}
        row |= {"below": below.mean() if wilson else np.nan, "n_intervals": int(known.sum())}
        row |= {"named": part["named"].mean()}
        row |= {"above_low": wilson.ci_low if wilson else np.nan}
        row |= {"above_high": wilson.ci_high if wilson else np.nan}
        rows.append(key | row)
    return pd.DataFrame(rows)


def _facts(p, y, yes, no) -> dict[str, float]:
    """Numbers of one corpus: accuracy of a training, seed noise, disagreement, AUROC of scores."""
    full, found = max(p, key=lambda name: name.count("+")), conflict.scores(p, MODALITIES)
    row = {f"accuracy, {name}": ((rows > 0.5) == y).mean() for name, rows in p.items()}
    for name in (*MODALITIES, full):
        ones, n = (p[name] > 0.5).sum(axis=0), len(p[name])
        row[f"retrained copies differ, {name}"] = (2 * ones * (n - ones) / (n * (n - 1))).mean()
    for m in MODALITIES:
        row[f"{m} differs from fusion"] = ((p[m] > 0.5) != (p[full] > 0.5)).mean()
    for m, values in found.items():
        keep = yes[m] | no
        for name in ("red or green", "seed share", "Jensen-Shannon", "entropy", "opposition"):
            row[f"AUROC of {name}, {m}"] = conflict.auroc(yes[m][keep], values[name][keep])
    return row


def surrogate_check(design: Design, p, y, yes, *, n_draws: int, seed: int) -> pd.DataFrame:
    """Numbers of a rendered corpus beside those of draws of the same design.

    `p`, `y`: probabilities and labels of the rendered corpus. `yes` (dict of str to bool array
    [n]): clips in which each modality contradicts, and ``any``. Returns columns number, rendered,
    draws (mean), low, high (2.5 and 97.5 % of draws), role ("set": what the noise of reading was
    set by; else "check"), inside.
    """
    drawn = []
    for one, read in draws(design, n_draws, seed, n_seeds=len(p["text"])):
        marked = {m: planted(one, m) for m in yes}
        odd = {m: pair[0] for m, pair in marked.items()}
        drawn.append(_facts(read, one.y, odd, marked["any"][1]))
    drawn = pd.DataFrame(drawn)
    check = pd.DataFrame(
        {"rendered": _facts(p, y, yes, ~yes["any"]), "draws": drawn.mean(),
         "low": drawn.quantile(0.025), "high": drawn.quantile(0.975)}
    )  # fmt: skip
    single = [
        f"{what}, {m}" for what in ("accuracy", "retrained copies differ") for m in MODALITIES
    ]
    check["role"] = np.where(check.index.isin(single), "set", "check")
    check["inside"] = check["rendered"].between(check["low"], check["high"])
    return check.rename_axis("number").reset_index()


def crossed(design: Design, strong, weak, *, n_draws: int, seed: int, n_seeds: int) -> pd.DataFrame:
    """Recovery where the strength of cues, missing cues and the label's side are crossed.

    `design`: gives the size. `strong`, `weak`: ranges of the strength of a cue. Returns columns
    `FACTORS`, and the columns of `shares` that need no interval, for the scores `KEPT`.
    """
    levels, parts = {"strong": tuple(strong), "weak": tuple(weak)}, []
    for cell in product(levels, levels, (0.0, 0.3), (0.0, 0.5)):
        odd, rest, absent, minority = cell
        one = replace(
            design, odd=levels[odd], rest=levels[rest], absent=absent, minority=minority
        )  # fmt: skip
        part = recovery(one, n_draws=n_draws, seed=seed, n_seeds=n_seeds)
        parts.append(part.assign(**dict(zip(FACTORS, cell, strict=True))))
    found = shares(pd.concat(parts), by=(*FACTORS, "score"))
    found = found[found["score"].isin(KEPT)]
    return found.drop(columns=["above", "below", "n_intervals", "above_low", "above_high"])


def main_effects(table: pd.DataFrame) -> pd.DataFrame:
    """Mean AUROC of each score at the levels of each factor, over the others: factor, level, …

    Takes what `crossed` returns; gives factor, level (text), score, mean.
    """
    parts = []
    for factor in FACTORS:
        ascending = factor not in FACTORS[:2]  # weak, then strong
        part = table.groupby([factor, "score"], as_index=False)["mean"].mean()
        part = part.sort_values(factor, ascending=ascending, kind="stable")
        part["score"] = pd.Categorical(part["score"], KEPT)
        part = part.rename(columns={factor: "level"}).astype({"level": str})
        parts.append(part.assign(factor=factor))
    return pd.concat(parts).astype({"score": str})


def sample_sizes(design: Design, sizes, scores, *, n_draws: int, seed: int, **how) -> pd.DataFrame:
    """Power and spread by the number of recordings; new recordings and models in each draw.

    Returns columns recordings, and the columns of `shares` but named; power (there: above), ci_low,
    ci_high.
    """
    parts = [
        recovery(replace(design, n_recordings=n), n_draws=n_draws, seed=seed, **how).assign(
            recordings=n
        )
        for n in sizes
    ]
    found = shares(pd.concat(parts), by=("recordings", "score"))
    found = found[found["score"].isin(scores)].drop(columns="named")
    names = {"above": "power", "above_low": "ci_low", "above_high": "ci_high"}
    return found.rename(columns=names)


def recordings_needed(table: pd.DataFrame, score: str, power: float = 0.8) -> str:
    """The fewest recordings of `sample_sizes` from which on all sizes reach the power, in words."""
    part = table[table["score"] == score].sort_values("recordings")
    enough = (part["power"] >= power).to_numpy()
    if not enough[-1]:
        return f"more than {part['recordings'].max()} recordings"
    first = len(enough) - np.argmin(enough[::-1]) if not enough.all() else 0
    return f"{part['recordings'].iloc[first]} recordings ({power:.0%} power)"


def false_alarms(null: pd.DataFrame) -> pd.DataFrame:
    """Share of intervals that leave out chance, of draws in which there is nothing to find.

    Takes what `recovery` returns; gives score, n_draws, mean, false alarms, ci_low, ci_high.
    """
    rows = []
    for name, part in null[null["ci_low"].notna()].groupby("score", sort=False):
        chance = 0.0 if " - " in name else 0.5
        alarm = (part["ci_low"] > chance) | (part["ci_high"] < chance)
        share = inference.share_interval(alarm.astype(float))
        rows.append((name, len(part), part["auroc"].mean(), *share[:3]))
    columns = ["score", "n_draws", "mean", "false alarms", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns)


# --------------------------------------------------------------------------- verdicts


def verdicts(
    p: dict[str, np.ndarray],
    y,
    recording,
    conflict_clips,
    *,
    goal: float = 0.8,
    n_boot: int = 1000,
    seed: int = 42,
) -> pd.DataFrame:
    """What one corpus would make us say: every rule that a corpus with known truth can test.

    `p` (dict of str to array [s, n]): as `predict`. `y`, `recording`, `conflict_clips` (array [n]):
    label, recording, and whether the clip holds a conflict. `goal`: an AUROC to reach with the
    whole interval. Returns columns rule, estimate, ci_low, ci_high, reference, verdict: "supported"
    (the whole interval lies above the reference), "contradicted" (below), "too little data".
    """
    full = max(p, key=lambda name: name.count("+"))
    recording = np.asarray(recording)
    clips = np.arange(len(recording)).astype(str)
    rows = []

    def judge(rule, found, reference):
        verdict = "too little data"
        if found["ci_low"] > reference:
            verdict = "supported"
        elif found["ci_high"] < reference:
            verdict = "contradicted"
        ends = {end: found[end] for end in ("estimate", "ci_low", "ci_high")}
        rows.append({"rule": rule, **ends, "reference": reference, "verdict": verdict})

    table = pd.concat(
        [
            pd.DataFrame({"clip_id": clips, "inputs": name, "seed": k, "y": y, "p": one})
            for name in (*MODALITIES, full)
            for k, one in enumerate(p[name])
        ]
    ).assign(source="fusion")
    ratio = disagreement.modality_over_seed(
        table, groups=pd.Series(recording, index=clips), n_boot=n_boot, seed=seed
    )
    for row in ratio[ratio["baseline"] == "both"].to_dict("records"):
        judge(f"{row['modality']} differs from fusion by more than retraining", 
              {"estimate": row["ratio"], **row}, 1.0)  # fmt: skip

    mean = {name: rows_.mean(axis=0) for name, rows_ in p.items()}
    right = {name: (mean[name] > 0.5) == (np.asarray(y) == 1) for name in mean}
    unsure = predictive_entropy(mean[full])

    def gap(value, first, second):
        """Mean of `value` over the first minus over the second set of clips."""
        sums = [np.column_stack([value * part, part]).astype(float) for part in (first, second)]
        how = dict(groups=recording, n_boot=n_boot, seed=seed)
        return inference.interval(np.hstack(sums), inference.gap_of_means, **how)._asdict()

    off = sum((right[m] != right[full]).astype(float) for m in MODALITIES)
    red = sum((right[m] & ~right[full]).astype(float) for m in MODALITIES)
    blue = sum((right[m] & right[full]).astype(float) for m in MODALITIES)
    judge("fusion is less sure of red and green", gap(unsure, off, len(MODALITIES) - off), 0.0)
    judge("fusion is less sure of red than of blue", gap(unsure, red, blue), 0.0)
    text = (right["text"] != right[full]).astype(float)
    judge("red and green text clips are nearer to the boundary",
          gap(0.5 - np.abs(mean["text"] - 0.5), text, 1 - text), 0.0)  # fmt: skip

    found = conflict.scores(p, MODALITIES)["any"]
    pairs = [
        (conflict.OPPOSITION, "seed share"),
        (conflict.OPPOSITION, "entropy"),
        ("red or green", "entropy"),
    ]
    yes = np.asarray(conflict_clips, bool)
    aurocs = conflict.auroc_table(
        yes, ~yes, found, pairs, groups=recording, n_boot=n_boot, seed=seed
    ).rename(columns={"auroc": "estimate"})
    aurocs = aurocs.set_index("score").to_dict("index")
    judge("red or green finds conflicts", aurocs["red or green"], 0.5)
    judge("red or green reaches the goal", aurocs["red or green"], goal)
    judge("opposition finds conflicts", aurocs[conflict.OPPOSITION], 0.5)
    judge("opposition reaches the goal", aurocs[conflict.OPPOSITION], goal)
    for a, b in pairs:
        judge(f"{a} finds more than {b}", aurocs[f"{a} - {b}"], 0.0)
    return pd.DataFrame(rows)


def same_verdict(table: pd.DataFrame) -> pd.DataFrame:
    """Chance that two independent draws give the same verdict, rule by rule.

    `table`: rule, draw, verdict: `verdicts` of two draws or more. Returns columns rule, n_draws,
    supported, contradicted, too little data (shares of draws), same (share of pairs of different
    draws with the same verdict).
    """
    rows = []
    for rule, part in table.groupby("rule", sort=False):
        n = len(part)
        if n < 2:
            raise ValueError(f"{rule}: two draws or more are needed to compare, got {n}")
        counts = part["verdict"].value_counts()
        row = {"rule": rule, "n_draws": n}
        for name in ("supported", "contradicted", "too little data"):
            row[name] = counts.get(name, 0) / n
        rows.append(row | {"same": (counts * (counts - 1)).sum() / (n * (n - 1))})
    return pd.DataFrame(rows)


def stability(design: Design, p, y, recording, conflict_clips, *, n_draws, seed, **how):
    """How often two draws would give the same verdict, beside the rendered corpus's verdict.

    `p`, `y`, `recording`, `conflict_clips`: the rendered corpus, as for `verdicts`. `**how`: for
    `verdicts`. Returns a table: the columns of `same_verdict`, and rendered.
    """
    how = dict(seed=seed, **how)
    said = [
        verdicts(read, one.y, one.recording, one.conflict, **how).assign(draw=k)
        for k, (one, read) in enumerate(draws(design, n_draws, seed, n_seeds=len(p["text"])))
    ]
    here = verdicts(p, y, recording, conflict_clips, **how).set_index("rule")["verdict"]
    table = same_verdict(pd.concat(said))
    return table.assign(rendered=table["rule"].map(here))

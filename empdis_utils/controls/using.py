"""What disagreement is good for: one use, measured on three sides of the same clips.

The sides are cross-modal disagreement, its retrained control (as many models, all of one kind), and
simple baselines. A use is shown for cross-modal disagreement if it gains over the strongest
baseline *and* over the control. `book/uses.yml` fixes each use's measure, dated before the runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml

from empdis_utils.measures import inference
from empdis_utils.measures.disagreement import Models, models_of
from empdis_utils.places import ROOT

__all__ = [
    "BASELINE", "CONTROL", "DISAGREEMENT", "SHOWN", "Trained", "absent", "declared", "described",
    "distance", "in_points", "joined", "mean_of", "of_recordings", "measured", "verdict",
]  # fmt: skip

DISAGREEMENT, CONTROL, BASELINE = "disagreement", "retrained control", "baseline"
SHOWN, NOT_DIAGNOSTIC, NOT_SHOWN, WORSE = "shown", "not diagnostic", "not shown", "worse"
SIGN = {"higher": 1, "lower": -1}
GAINS = ("gain", "control_gain", "over_control")


def declared(path: str | Path = ROOT / "book" / "uses.yml") -> dict[str, dict]:
    """The uses of `book/uses.yml`, by name.

    Raises ValueError: an entry lacks a key, or has a direction other than higher and lower.
    """
    uses = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["uses"]
    for name, use in uses.items():
        keys = ("title", "question", "corpora", "measure", "direction", "says", "disagreement",
                "control", "baselines", "secondary")  # fmt: skip
        if lost := [key for key in keys if key not in use]:
            raise ValueError(f"{path}: use {name} lacks {', '.join(lost)}")
        if use["direction"] not in SIGN:
            raise ValueError(f"{path}: direction of {name} must be higher or lower")
    return uses


def described(uses: Mapping[str, Mapping]) -> pd.DataFrame:
    """Uses of `declared` for reading: a row each, indexed by title.

    Columns question, measure (with what it says and which way is better), disagreement, control,
    baselines.
    """
    rows = {
        use["title"]: {
            "question": use["question"],
            "measure": f"{use['measure']} ({use['direction']} is better). {use['says']}",
            "disagreement": use["disagreement"],
            "control": use["control"],
            "baselines": ", ".join(use["baselines"]),
        }
        for use in uses.values()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def distance(p, q) -> np.ndarray:
    """Total variation distance of probabilities, over the last axis: 0 (the same) to 1.

    Parameters
    ----------
    p, q : array [..., k]

    Returns
    -------
    array [...]

    Notes
    -----
    For two classes the difference of P(class 1). Between a label (all mass on one class) and
    probabilities it is 1 minus the probability of the label.

    Examples
    --------
    >>> distance([0.2, 0.8], [0.5, 0.5]).round(3).item()
    0.3
    """
    return np.abs(np.asarray(p, float) - np.asarray(q, float)).sum(axis=-1) / 2


def mean_of(values, within=None) -> Callable:
    """Means of per-clip values as a function of clip weights, for `measured`.

    Parameters
    ----------
    values : array [methods, measures, n]
        Such as whether a clip is right, already averaged over seeds.
    within : bool array [measures, n] or [methods, measures, n], optional
        Clips that a measure looks at. None: all.

    Returns
    -------
    callable
        Weights [b, n] to [b, methods, measures].
    """
    values = np.asarray(values, float)
    inside = np.broadcast_to(True if within is None else within, values.shape).astype(float)

    def function(weights):
        sums = np.tensordot(weights, values * inside, axes=(1, 2))
        return sums / np.tensordot(weights, inside, axes=(1, 2))

    return function


class Trained(NamedTuple):
    """Networks of one run, and how far they are from each other.

    `models`: as of `disagreement.models_of`; `single`: keys of the modalities; `joint`: of fusion.
    """

    models: Models
    single: list[tuple[str, str]]
    joint: tuple[str, str]

    @classmethod
    def of(cls, compared: pd.DataFrame) -> Trained:
        """From the table `compared` of chapter 04."""
        fused, alone = (
            compared.loc[compared["role"] == role].iloc[0] for role in ("fusion", "unimodal")
        )
        models, single, joint = models_of(
            compared, fusion=fused["inputs"], unimodal_source=alone["source"],
            fusion_source=fused["source"],
        )  # fmt: skip
        return cls(models, list(single.values()), joint)

    @property
    def fused(self) -> np.ndarray:
        """Probabilities of fusion [s, n, k]."""
        return self.models.p[self.joint]

    def cross_modal(self) -> np.ndarray:
        """Mean distance [s, n] of fusion from each single modality, trained with the same seed."""
        return np.mean([distance(self.fused, self.models.p[m]) for m in self.single], axis=0)

    def budget(self, spare: int = 0) -> int:
        """How many retrainings stand against the modalities: as many, if there are seeds for it.

        `spare`: seeds that must not take part.
        """
        return max(min(len(self.single), len(self.fused) - 1 - spare), 0)

    def retrained(self, spare: int = 0) -> np.ndarray | None:
        """Mean distance [s, n] of fusion from itself under the next seeds; None without any."""
        k, p = self.budget(spare), self.fused
        if not k:
            return None
        return np.mean([distance(p, np.roll(p, -step, axis=0)) for step in range(1, k + 1)], axis=0)

    def note(self, spare: int = 0) -> str:
        """What a reader must know of the budget; empty if both sides have as many models."""
        k, m = self.budget(spare), len(self.single)
        if not k:
            return "too few seeds for a retrained control"
        return "" if k == m else f"the control has {k} retrainings, the other side {m} modalities"


def measured(
    use: str,
    corpus: str,
    methods: Mapping[str, str],
    measures: Mapping[str, str],
    function: Callable,
    *,
    groups,
    seeds: int,
    primary: bool = True,
    note: str = "",
    n: int | None = None,
    n_boot: int = 2000,
    seed: int = 42,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of each method, and what disagreement gains over the strongest baseline.

    Parameters
    ----------
    use, corpus : str
    methods : mapping
        Name to role: one `DISAGREEMENT`, one or more `BASELINE`; of several `CONTROL` the best
        score counts, as of baselines.
    measures : mapping
        Name to "higher" or "lower", whichever is better.
    function : callable
        Clip weights [b, n] (how often each clip is drawn; all clips of a recording alike) to scores
        [b, methods, measures], averaged over seeds: so sides are paired over seeds, too.
    groups : array [n]
        Recording of each clip.
    seeds : int
        Trainings, or draws, that were averaged.
    primary : bool
        Whether the first measure is the use's primary one.
    note : str
        What a reader must know about these rows.
    n : int, optional
        Clips, where `groups` has one entry per recording.
    n_boot, seed : int
        As for `inference.intervals`.

    Returns
    -------
    uses : DataFrame
        use, corpus, method, role, measure, primary, score, ci_low, ci_high, n, n_recordings, seeds,
        note.
    gains : DataFrame
        use, corpus, measure, primary; gain (of disagreement over the strongest baseline),
        control_gain (of the control over the same baseline), over_control (the first minus the
        second), each with _low and _high, above 0 for the better; strongest (that baseline: best
        score on these very clips, which favours it), control (its name); verdict; n, n_recordings,
        seeds, status, reason, note.

    Raises
    ------
    ValueError
        No or several methods of disagreement, no baseline.
    """
    names, roles = list(methods), list(methods.values())
    if roles.count(DISAGREEMENT) != 1 or BASELINE not in roles:
        raise ValueError(f"{use}: one disagreement and one baseline or more, not {methods}")
    size, k = len(groups), len(measures)
    sign = np.array([SIGN[way] for way in measures.values()])
    at_once = sign * np.asarray(function(np.ones((1, size))))[0]  # [methods, measures]
    sides = {role: np.flatnonzero([one == role for one in roles]) for role in (BASELINE, CONTROL)}
    best = sides[BASELINE][np.argmax(at_once[sides[BASELINE]], axis=0)]
    own, control = roles.index(DISAGREEMENT), None
    if len(sides[CONTROL]):
        control = sides[CONTROL][np.argmax(at_once[sides[CONTROL]], axis=0)]

    def everything(weights):
        scores = np.asarray(function(weights))
        strongest = scores[:, best, np.arange(k)]
        nothing = np.full_like(strongest, np.nan)
        beside = scores[:, control, np.arange(k)] if control is not None else nothing
        pairs = (scores[:, own], strongest), (beside, strongest), (scores[:, own], beside)
        gains = np.stack([sign * (one - two) for one, two in pairs], axis=1)
        return np.concatenate([scores, gains], axis=1).reshape(len(weights), -1)

    found = inference.weighted_intervals(everything, size, groups=groups, n_boot=n_boot, seed=seed)
    cells = found.to_dict("records")
    about = {
        "n": size if n is None else n,
        "n_recordings": cells[0]["n_recordings"],
        "seeds": seeds,
    }
    scores, gains = [], []
    for j, measure in enumerate(measures):
        key = {"use": use, "corpus": corpus}
        what = {"measure": measure, "primary": primary and j == 0}
        for i, name in enumerate(names):
            cell = cells[i * k + j]
            ends = {"score": cell["estimate"], **{e: cell[e] for e in ("ci_low", "ci_high")}}
            row = {**key, "method": name, "role": roles[i], **what, **ends, **about, "note": note}
            scores.append(row)
        row = {**key, **what, "strongest": names[best[j]]}
        row["control"] = "" if control is None else names[control[j]]
        for i, name in enumerate(GAINS):
            cell = cells[(len(names) + i) * k + j]
            row |= {name: cell["estimate"]}
            row |= {f"{name}_{end}": cell[f"ci_{end}"] for end in ("low", "high")}
        first = cells[len(names) * k + j]
        state = {"status": first["status"], "reason": first["reason"], "note": note}
        gains.append(row | {"verdict": verdict(row)} | about | state)
    return pd.DataFrame(scores), pd.DataFrame(gains)


def of_recordings(
    table: pd.DataFrame, measures: Mapping[str, str], *, corpus: str, note: str = "", **how
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`measured` from scores that are means by recording.

    `table`: use, method, role, measure, seed, recording, score, n (clips): all methods with the
    same seeds and recordings. `measures`: as for `measured`, the primary one first. `**how`:
    n_boot, seed. A recording may lack a seed whose draw left it out.
    """
    methods = dict(table[["method", "role"]].drop_duplicates().to_numpy())
    recordings, seeds = (sorted(table[name].unique()) for name in ("recording", "seed"))
    key = ["seed", "method", "measure", "recording"]
    wanted = pd.MultiIndex.from_product([seeds, list(methods), list(measures), recordings])
    wide = table.assign(total=table["score"] * table["n"]).set_index(key)[["total", "n"]]
    wide = wide.reindex(wanted, fill_value=0).to_numpy(float)
    totals, counts = wide.T.reshape(2, len(seeds), len(methods), len(measures), len(recordings))

    def function(weights):
        sums, sizes = (np.tensordot(weights, x, axes=(1, 3)) for x in (totals, counts))
        with np.errstate(invalid="ignore"):
            return np.nanmean(sums / sizes, axis=1)

    (use,) = table["use"].unique()
    n = int(counts[:, 0, 0].sum(axis=1).mean())
    return measured(
        use, corpus, methods, measures, function, groups=np.arange(len(recordings)),
        seeds=len(seeds), note=note, n=n, **how,
    )  # fmt: skip


def verdict(row: Mapping) -> str:
    """What a row of gains says: the rule of `book/uses.yml`, read off the intervals.

    `row`: gain_low, gain_high, over_control_low. "shown": over the strongest baseline and over the
    control. "not diagnostic": over the baseline, but not over the control, or there is none.
    "worse": below the baseline. "not shown": the interval holds 0, or there is none.
    """
    if row["gain_low"] > 0:
        return SHOWN if row["over_control_low"] > 0 else NOT_DIAGNOSTIC
    return WORSE if row["gain_high"] < 0 else NOT_SHOWN


def absent(use: str, corpus: str, measure: str, reason: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of a use that cannot be measured here: no scores, and one row of gains that says why.

    Returns what `measured` returns.
    """
    unknown = {f"{name}{end}": np.nan for name in GAINS for end in ("", "_low", "_high")}
    row = {"use": use, "corpus": corpus, "measure": measure, "primary": True}
    row |= {"strongest": "", "control": ""}
    row |= {**unknown, "verdict": NOT_SHOWN, "n": 0, "n_recordings": 0, "seeds": 0}
    return pd.DataFrame(), pd.DataFrame([row | {"status": "absent", "reason": reason, "note": ""}])


def joined(parts) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of several uses, one below the other. `parts`: what `measured` returns."""
    scores, gains = zip(*parts, strict=True)
    scores = [part for part in scores if len(part)]
    return (
        pd.concat(scores, ignore_index=True) if scores else pd.DataFrame(),
        pd.concat(gains, ignore_index=True),
    )


def in_points(gains: pd.DataFrame) -> pd.DataFrame:
    """Rows of primary measures, with gains in points: hundredths of a number between 0 and 1."""
    rows = gains[gains["primary"]].reset_index(drop=True)
    columns = [f"{name}{end}" for name in GAINS for end in ("", "_low", "_high")]
    return rows.assign(**{column: 100 * rows[column] for column in columns})

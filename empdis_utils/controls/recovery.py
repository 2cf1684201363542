"""Does the method find what was planted? For a corpus whose truth is known, such as the fixture.

`truth` is the corpus's table, one row per clip: kind (conflict, congruent, no_cue), contradicting
(the odd modality out), label, and for each modality ``NAME_cue`` (supports, contradicts, neutral)
and ``NAME_strength``. `scores` is what `conflict.scores` returns, clips in the order of `truth`.

`groups` is the recording of each clip, by clip_id or row by row; intervals draw whole recordings.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from empdis_utils.measures import conflict, inference

__all__ = [
    "AGAINST", "CARRIES", "aurocs", "contradicts", "dose", "dose_rank", "features", "gates",
    "precision", "with_flags",
]  # fmt: skip

#: Kinds of clips without a conflict that the scores are held against.
AGAINST = {
    "congruent or no cue": ("congruent", "no_cue"),
    "congruent": ("congruent",),
    "no cue": ("no_cue",),
}
#: Sign that an empathetic cue gives to each feature of the fixture; 0: drawn blind to the cue.
CARRIES = {
    "audio": {"mean_pitch": -1, "min_pitch": -1, "mean_intensity": -1, "max_intensity": -1,
              "min_intensity": -1, "speaking_rate": -1, "jitter_local": 1, "max_pitch": 0,
              "shimmer_local": 0, "hnr": 0},
    "video": {"proxy_AU04": -1, "proxy_AU12": 1, "proxy_AU05": 1, "proxy_AU45": 0, "proxy_AU26": 0},
}  # fmt: skip


def contradicts(truth: pd.DataFrame, modalities) -> dict[str, np.ndarray]:
    """Clips in which each modality contradicts, and (``any``) those that hold a conflict."""
    odd = {m: (truth["contradicting"] == m).to_numpy() for m in modalities}
    return odd | {"any": (truth["kind"] == "conflict").to_numpy()}


def with_flags(scores, quadrants: pd.DataFrame, clips) -> dict[str, dict[str, np.ndarray]]:
    """The scores with flags from chapter 04's quadrants, at its threshold."""
    flags = conflict.flagged(quadrants).set_index(["modality", "clip_id"])
    found = {}
    for modality in (m for m in scores if m != "any"):
        own = flags.loc[modality].loc[clips]
        share = (own["seeds"] / own["n_seeds"]).to_numpy()
        flag = own["red_or_green"].to_numpy(float)
        found[modality] = scores[modality] | {"red or green": flag, "seed share": share}
    return found | {"any": conflict.largest(found)}


def aurocs(scores, truth, recordings, pairs=(), *, n_boot=1000, seed=42):
    """How well each score ranks planted conflicts above clips without one.

    `recordings` (array [n]). `pairs` (sequence of (str, str)): scores that are compared on the same
    clips. Returns `found, gains, negatives` (DataFrame): modality, score, n conflict, n other,
    auroc (of gains: difference), ci_low, ci_high, status, reason. `found` and `gains` are against
    all clips without a conflict; `negatives` has the scores against each entry of `AGAINST`.
    """
    yes, rows = contradicts(truth, [m for m in scores if m != "any"]), []
    for modality, found in scores.items():
        for against, kinds in AGAINST.items():
            no = truth["kind"].isin(kinds).to_numpy()
            part = conflict.auroc_table(
                yes[modality], no, found, pairs, groups=recordings, n_boot=n_boot, seed=seed
            )
            rows.append(part.assign(modality=modality, against=against))
    columns = ["modality", "score", "n conflict", "n other", "auroc", "ci_low", "ci_high"]
    table = pd.concat(rows, ignore_index=True)[["against", *columns, "status", "reason"]]
    paired, main = table["score"].str.contains(" - "), table["against"] == next(iter(AGAINST))
    found = table[main & ~paired].drop(columns="against").reset_index(drop=True)
    gains = table[main & paired].drop(columns="against").reset_index(drop=True)
    return found, gains.rename(columns={"auroc": "difference"}), table[~paired]


def precision(scores, truth, recordings) -> pd.DataFrame:
    """How many of the flagged clips hold a conflict, and of as many with the highest opposition.

    Returns columns modality, score, flagged (clips) and what they are: this conflicts, another
    conflicts, no cue, congruent; precision (share in which this modality contradicts), ci_low,
    ci_high; found (share of its conflicts that is flagged), found_low, found_high.
    """
    modalities = [m for m in scores if m != "any"]
    yes, kind, rows = contradicts(truth, modalities), truth["kind"].to_numpy(), []
    for m in modalities:
        flag = scores[m]["red or green"] > 0
        rank = rankdata(-scores[m][conflict.OPPOSITION], method="ordinal")
        for name, chosen in (("red or green", flag), ("opposition, as many", rank <= flag.sum())):
            hit = inference.share_interval(yes[m][chosen], groups=recordings[chosen])
            got = inference.share_interval(chosen[yes[m]], groups=recordings[yes[m]])
            rows.append(
                {"modality": m, "score": name, "flagged": int(chosen.sum()),
                 "this conflicts": int(yes[m][chosen].sum()),
                 "another conflicts": int((yes["any"] & ~yes[m])[chosen].sum()),
                 "no cue": int((kind == "no_cue")[chosen].sum()),
                 "congruent": int((kind == "congruent")[chosen].sum()),
                 "precision": hit.estimate, "ci_low": hit.ci_low, "ci_high": hit.ci_high,
                 "found": got.estimate, "found_low": got.ci_low, "found_high": got.ci_high}
            )  # fmt: skip
    return pd.DataFrame(rows)


def dose(scores, truth, recordings, n_doses: int = 3) -> pd.DataFrame:
    """Share of trainings that flag a clip, by the strength of the contradicting cue.

    Returns columns modality, strength (mean of the group; 0: congruent clips), n, flagged, ci_low,
    ci_high.
    """
    rows = []
    for m in (m for m in scores if m != "any"):
        strength = truth[f"{m}_strength"].where(truth["contradicting"] == m)
        cut = pd.qcut(strength.dropna(), n_doses, labels=False, duplicates="drop")
        cut = cut.reindex(strength.index)
        groups = [(0.0, truth["kind"] == "congruent")]
        groups += [(strength[cut == k].mean(), cut == k) for k in sorted(cut.dropna().unique())]
        for mean, chosen in groups:
            chosen = chosen.to_numpy()
            share = scores[m]["seed share"][chosen]
            found = inference.share_interval(share, groups=recordings[chosen])
            rows.append((m, mean, found.n, *found[:3]))
    return pd.DataFrame(rows, columns=["modality", "strength", "n", "flagged", "ci_low", "ci_high"])


def _rank_correlation(a, b):
    """Spearman's rho; NaN where one side does not vary."""
    ranks = np.column_stack([rankdata(a), rankdata(b)])
    return np.corrcoef(ranks.T)[0, 1] if np.ptp(ranks, axis=0).all() else np.nan


def dose_rank(
    scores, truth, recordings, names=("seed share", "entropy", "opposition"), *, n_boot, seed
) -> pd.DataFrame:
    """Rank correlation of scores with the strength of the conflict, over the conflicts alone.

    Returns columns score, and the columns of `inference.Interval`.
    """
    modalities = [m for m in scores if m != "any"]
    yes, rows = contradicts(truth, modalities), []
    held = yes["any"]
    strength = sum(truth[f"{m}_strength"].to_numpy() * yes[m] for m in modalities)[held]
    for name in names:
        value = sum(scores[m][name] * yes[m] for m in modalities)[held]
        found = inference.weighted_interval(
            inference.of_rows(_rank_correlation, strength, value),
            len(strength), groups=recordings[held], n_boot=n_boot, seed=seed,
        )  # fmt: skip
        rows.append({"score": name, **found._asdict()})
    return pd.DataFrame(rows)


def features(tables_of, truth, groups, *, n_perm=10_000, n_boot=1000, seed=42) -> pd.DataFrame:
    """Tests of clips whose cue says empathetic against neutral, held against `CARRIES`.

    `tables_of`: modality -> features, with clip_id. `truth`: indexed by clip_id. Returns a table:
    the columns of `inference.compare_groups`, planted sign, and verdict: found (significant by
    Holm, with that sign), missed, false alarm, spared.
    """
    says = {"supports": 1, "contradicts": -1, "neutral": 0}
    label, found = np.where(truth["label"] == "empathetic", 1, -1), []
    for modality, table in tables_of.items():
        cue = truth[f"{modality}_cue"].map(says) * label
        part = inference.compare_groups(
            table.set_index("clip_id")[list(CARRIES[modality])],
            cue.map({1: "empathetic", -1: "neutral", 0: "none"}), family=modality,
            contrasts=(("empathetic", "neutral"),), groups=groups, n_perm=n_perm, n_boot=n_boot,
            seed=seed,
        )  # fmt: skip
        found.append(part.assign(**{"planted sign": part["feature"].map(CARRIES[modality])}))
    found = pd.concat(found, ignore_index=True)
    sign, significant = found["planted sign"], found["p_holm"] < 0.05
    right = significant & (np.sign(found["hedges_g"]) == sign)
    cases = [(sign != 0) & right, sign != 0, significant]
    found["verdict"] = np.select(cases, ["found", "missed", "false alarm"], "spared")
    return found


def gates(table: pd.DataFrame, truth, recordings, modalities, *, n_boot, seed) -> pd.DataFrame:
    """Gate and attention of each modality when it contradicts, against when it supports.

    `table`: the `gates` table. `truth`: indexed by clip_id. Returns columns modality, what (gate,
    attention), contradicts, supports (means), difference, ci_low, ci_high, n contradicts.
    """
    means = table.groupby(["clip_id", "modality"])[["gate", "attention"]].mean()
    rows = []
    for m in modalities:
        own = means.xs(m, level="modality").loc[truth.index]
        against = (truth["contradicting"] == m).to_numpy()
        supports = (truth[f"{m}_cue"] == "supports").to_numpy()
        for what in ("gate", "attention"):
            value = own[what].to_numpy()
            sides = np.column_stack([value * against, against, value * supports, supports])
            gap = inference.interval(
                sides, inference.gap_of_means, groups=recordings, n_boot=n_boot, seed=seed
            )
            rows.append(
                {"modality": m, "what": what, "contradicts": value[against].mean(),
                 "supports": value[supports].mean(), "difference": gap.estimate,
                 "ci_low": gap.ci_low, "ci_high": gap.ci_high,
                 "n contradicts": int(against.sum())}
            )  # fmt: skip
    return pd.DataFrame(rows)

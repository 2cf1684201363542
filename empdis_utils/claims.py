"""The ledger: each claim of the paper against what the runs of this book found.

`book/claims.yml` states every claim with its source, the test that decides it and what counts as
support. `evaluate` fills one row per claim and run. A measure reads the tables that chapters
saved; it computes no model.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from . import agreement, forensics, simulated_annotators, splits, stats, tables

CLAIMS = Path(__file__).parents[1] / "book" / "claims.yml"
EXPECTS = ("above", "below", "not above")
KEYS = {"id", "statement", "about", "origin", "source", "expects", "reference", "unit", "tests"}
VERDICTS = ("supported", "contradicted", "too little data", "not testable")


class NotTestable(Exception):
    """This run lacks what a claim's test needs; the message says what."""


def read(path=CLAIMS):
    """The claims as a list of dicts.

    Raises
    ------
    ValueError
        Lists every claim with a repeated id, a missing key, or an unknown rule or measure.
    """
    claims = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    problems, seen = [], set()
    for number, claim in enumerate(claims, 1):
        name = claim.get("id", f"claim number {number}")
        missing = {
            "id",
            "statement",
            "origin",
            "source",
            "expects",
            "reference",
            "unit",
            "tests",
        } - set(claim)
        if missing:
            problems.append(f"{name}: lacks {', '.join(sorted(missing))}")
            continue
        if name in seen:
            problems.append(f"{name}: this id repeats")
        seen.add(name)
        if claim["expects"] not in EXPECTS:
            problems.append(
                f"{name}: expects '{claim['expects']}', not one of {', '.join(EXPECTS)}"
            )
        for test in claim["tests"]:
            if test.get("measure") not in MEASURES:
                known = ", ".join(MEASURES)
                problems.append(f"{name}: no measure '{test.get('measure')}' (known: {known})")
    if problems:
        raise ValueError(f"{path}:\n" + "\n".join(problems))
    return claims


def verdict(expects, reference, low, high, margin=0.0):
    """What an interval says about a claim.

    Parameters
    ----------
    expects : {"above", "below", "not above"}
    reference : float
        The value that the claim compares with.
    low, high : float
        95 % interval. NaN where there were too few clips for one.
    margin : float
        For "not above": how far above `reference` still counts as equal.

    Returns
    -------
    str
        ``supported`` when the whole interval lies on the claim's side, ``contradicted`` when it
        lies on the other, else ``too little data``. An interval that touches the reference decides
        nothing, but supports "not above".
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return "too little data"
    if expects == "not above":
        for_it, against = high <= reference + margin, low > reference + margin
    else:
        above, below = low > reference, high < reference
        for_it, against = (above, below) if expects == "above" else (below, above)
    return "supported" if for_it else "contradicted" if against else "too little data"


def paper_value(claim):
    """What the paper prints for this claim, as text; empty when it prints no number.

    Means of the `plus` cells minus means of the `minus` cells, or the p and direction of a test.
    """
    asked = claim.get("paper")
    if not asked:
        return ""
    if "test" in asked:
        row = _one(forensics.table(asked["test"]), {k: asked[k] for k in ("feature", "contrast")})
        return f"{row['higher']} higher, p {row['p_relation']} {row['p']}"

    def cell(at):
        where = {k: v for k, v in at.items() if k not in ("table", "column")}
        return float(_one(forensics.table(at["table"]), where)[at["column"]])

    value = np.mean([cell(at) for at in asked["plus"]])
    if "minus" in asked:
        value -= np.mean([cell(at) for at in asked["minus"]])
    return f"{value:.3f}"


def evaluate(claims, runs, profiles, synthetic=("fixture",)):
    """One row per claim and run.

    Parameters
    ----------
    claims : list of dict
        From `read`.
    runs : path
        Folder of runs; tables are looked for in ``runs/<profile>/artifacts``.
    profiles : sequence of str
    synthetic : sequence of str
        Profiles of synthetic clips: claims about people are not testable there.

    Returns
    -------
    DataFrame
        claim_id, statement, origin, source, paper_value, profile, run_value, ci_low, ci_high, n,
        unit, expects, reference, verdict, link (page and figure, relative
        to the run), note. A run without the tables of a claim gets
        ``not testable`` and a note that says what is missing.
    """
    rows = []
    for claim in claims:
        for profile in profiles:
            if claim["about"] == "people" and profile in synthetic:
                found = {**NOTHING, "note": "synthetic clips are no evidence about people"}
            else:
                found = _try(claim["tests"], Path(runs) / profile / "artifacts")
            low, high = found["ci_low"], found["ci_high"]
            said = "not testable"
            if found["tested"]:
                said = verdict(
                    claim["expects"], claim["reference"], low, high, claim.get("margin", 0.0)
                )
            rows.append(
                {
                    "claim_id": claim["id"],
                    "statement": claim["statement"],
                    "origin": claim["origin"],
                    "source": claim["source"],
                    "paper_value": paper_value(claim),
                    "profile": profile,
                    "run_value": found["value"],
                    "ci_low": low,
                    "ci_high": high,
                    "n": found["n"],
                    "unit": claim["unit"],
                    "expects": f"{claim['expects']} {claim['reference']:g}",
                    "verdict": said,
                    "link": found["link"].replace("PROFILE", profile),
                    "note": found["note"],
                }
            )
    return pd.DataFrame(rows)


NOTHING = {
    **{"value": np.nan, "ci_low": np.nan, "ci_high": np.nan, "n": 0},
    **{"link": "", "tested": False},
}


def _try(tests, artifacts):
    if not artifacts.exists():
        return {**NOTHING, "note": "no such run in this copy"}
    reasons = []
    for test in tests:
        given = {k: v for k, v in test.items() if k not in ("measure", "chapter", "figure")}
        link = f"{test['chapter']}.html" + (
            f"#PROFILE-{test['figure']}" if "figure" in test else ""
        )
        try:
            value, low, high, n = MEASURES[test["measure"]](_Tables(artifacts), **given)
        except NotTestable as reason:
            reasons.append(str(reason))
            continue
        note = "" if np.isfinite(low) else f"too few clips or recordings for an interval (n={n})"
        return {
            **{"value": value, "ci_low": low, "ci_high": high, "n": int(n)},
            **{"link": link, "tested": True, "note": note},
        }
    return {**NOTHING, "note": "; ".join(dict.fromkeys(reasons))}


class _Tables:
    """Tables of one run by name; a missing table or column is `NotTestable`."""

    def __init__(self, artifacts):
        self.artifacts = artifacts

    def __call__(self, name, *columns):
        if not (self.artifacts / f"{name}.parquet").exists():
            raise NotTestable(f"this run has no table {name}")
        table = tables.read(self.artifacts, name)
        missing = [column for column in columns if column not in table]
        if missing:
            raise NotTestable(f"its table {name} has no column {', '.join(missing)}")
        return table

    def recordings(self, clips):
        """Recording of each clip id, as an array."""
        manifest = self("manifest").set_index("clip_id")["dialog_id"]
        return manifest.loc[clips].to_numpy()


def _one(table, where):
    """The single row of `table` with these values; a list means any of them."""
    kept = table
    for column, wanted in where.items():
        kept = kept[kept[column].isin(wanted if isinstance(wanted, list) else [wanted])]
    if len(kept) != 1:
        said = ", ".join(f"{k} = {v}" for k, v in where.items())
        raise NotTestable(f"{len(kept)} rows with {said}")
    return kept.iloc[0]


def _gap(values, first, groups):
    """Mean of `values` where `first` minus the mean elsewhere, with an interval over recordings."""
    if min(first.sum(), (~first).sum()) < stats.MIN_N:
        counts = f"{int(first.sum())} and {int((~first).sum())}"
        raise NotTestable(f"too few clips to compare ({counts})")
    rows = np.column_stack([values * first, first, values * ~first, ~first])

    def difference(sums):
        with np.errstate(divide="ignore", invalid="ignore"):
            return sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3]

    replicates = difference(stats.bootstrap_sums(rows, groups=groups))
    replicates = replicates[np.isfinite(replicates)]
    low, high = stats.percentile_interval(replicates)
    return difference(rows.sum(axis=0)), float(low), float(high), len(values)


def cell(read, table, where, value):
    """One row of a chapter's table that already has an interval."""
    found = read(table, value, "ci_low", "ci_high", *where)
    row = _one(found, where)
    sizes = [name for name in row.index if name in ("n", "n_1", "n_2") or name.startswith("n ")]
    n = row["n"] if "n" in row else row[sizes].sum()
    return float(row[value]), float(row["ci_low"]), float(row["ci_high"]), n


def cells(read, table, where, value):
    """Mean of several rows of a chapter's table, with an interval that spans all of theirs.

    So a verdict needs every row on one side; rows that differ give ``too little data``.
    """
    found = read(table, value, "ci_low", "ci_high", *where)
    for column, wanted in where.items():
        found = found[found[column].isin(wanted)]
        if len(found) != len(wanted):
            raise NotTestable(f"{len(found)} rows of {len(wanted)} with that {column}")
    n = int(found["n"].max()) if "n" in found else 0
    return float(found[value].mean()), found["ci_low"].min(), found["ci_high"].max(), n


def _fusion(read):
    """Seed-wise predicted classes of the fusion nets, and the name of the full one."""
    rows = read("predictions")
    rows = rows[rows["source"] == "fusion"]
    full = max(rows["inputs"].unique(), key=lambda name: name.count("+"), default="")
    if full.count("+") < 2:
        raise NotTestable("this run has no fusion of three modalities")
    return rows.assign(said=(rows["p"] > 0.5).astype(int)), full


def disagreement_gap(read, plus, minus):
    """Mean disagreement rate of the `plus` pairs minus that of the `minus` pairs."""
    rows, full = _fusion(read)
    said = rows.pivot(index=["clip_id", "seed"], columns="inputs", values="said")

    def differ(pairs):
        names = [[full if name == "full" else name for name in pair] for pair in pairs]
        return np.mean([(said[a] != said[b]).to_numpy(float) for a, b in names], axis=0)

    per_clip = pd.Series(differ(plus) - differ(minus), said.index).groupby("clip_id").mean()
    groups = read.recordings(per_clip.index)
    return *stats.bootstrap_ci(per_clip.to_numpy(), groups=groups), len(per_clip)


def fusion_gain(read):
    """Accuracy of full fusion minus that of the single modality that validation clips prefer."""
    rows, full = _fusion(read)
    val = read("predictions_validation")
    val = val[(val["source"] == "fusion") & ~val["inputs"].str.contains("+", regex=False)]
    best = ((val["p"] > 0.5) == val["y"]).groupby(val["inputs"]).mean().idxmax()
    right = (rows["said"] == rows["y"]).groupby([rows["clip_id"], rows["inputs"]]).mean().unstack()
    groups = read.recordings(right.index)
    return *stats.bootstrap_ci((right[full] - right[best]).to_numpy(), groups=groups), len(right)


def gate_range(read):
    """Largest minus smallest mean gate over modalities, on the clips that have all three."""
    gates = read("gates")
    per_clip = gates.groupby(["clip_id", "modality"])["gate"].mean().unstack().dropna()
    if per_clip.shape[1] < 3 or per_clip.empty:
        raise NotTestable("this run has no gates of three modalities")

    def spread(rows):
        means = rows.mean(axis=0)
        return means.max() - means.min()

    groups = read.recordings(per_clip.index)
    return *stats.bootstrap_ci(per_clip.to_numpy(), spread, groups=groups), len(per_clip)


def above_recording(read):
    """Best fine-tuned model minus the recording-only baseline, on the released test split."""
    manifest = read("manifest")
    if not {"train", "test"} <= set(manifest["split"]):
        raise NotTestable("this run has no released train and test split")
    predictions = read("predictions_finetuned")
    test = manifest.loc[manifest["split"] == "test", "clip_id"]
    predictions = predictions[predictions["clip_id"].isin(test)]
    if set(predictions["fold"]) - {-1, 0}:
        raise NotTestable("the fine-tuned models of this run held out recordings, not the split")
    right = (predictions["p"] > 0.5) == (predictions["y"] == 1)
    right = right.groupby([predictions["clip_id"], predictions["encoder"]]).mean().unstack()
    base = splits.recording_baseline(manifest).set_index("clip_id")
    base = (base["prediction"] == base["y"]).astype(float)
    best = right[right.mean().idxmax()]
    difference = (best - base.loc[best.index]).to_numpy()
    return *stats.bootstrap_ci(difference, groups=read.recordings(best.index)), len(best)


def entropy_gap(read, plus, minus):
    """Mean fusion entropy in the `plus` quadrants of all modalities minus the `minus` ones."""
    rows = read("entropy")
    rows = rows[rows["quadrant"].isin([*plus, *minus])]
    groups = read.recordings(rows["clip_id"])
    value, low, high, _ = _gap(
        rows["entropy"].to_numpy(), rows["quadrant"].isin(plus).to_numpy(), groups
    )
    return value, low, high, rows["clip_id"].nunique()


def boundary_gap(read, modality, plus, minus):
    """Mean distance of one modality's confidence from one half, `plus` minus `minus` quadrants."""
    rows = read("quadrants")
    rows = rows[(rows["modality"] == modality) & (rows["seed"] == "ensemble")]
    rows = rows[rows["quadrant"].isin([*plus, *minus])]
    if rows.empty:
        raise NotTestable(f"this run has no quadrants of {modality}")
    distance = (rows["conf_unimodal"] - 0.5).abs().to_numpy()
    first = rows["quadrant"].isin(plus).to_numpy()
    return _gap(distance, first, read.recordings(rows["clip_id"]))


def _annotated(read, quadrants):
    """Pairs of two annotators' judgments: round 1 and 2 cells [n, 4] each, quadrant, recording."""
    rows = read("annotations")
    raters = sorted(rows["annotator"].unique())
    if set(raters) & set(simulated_annotators.NAMES):
        raise NotTestable("the annotators are simulated: no evidence about people")
    if len(raters) != 2:
        raise NotTestable(f"{len(raters)} annotators; this test is for two")
    answers = sorted(rows["judgment"].unique())
    if len(answers) != 2:
        raise NotTestable(f"{len(answers)} different answers; this test is for two")
    code = (rows["judgment"] == answers[1]).astype(int)
    wide = rows.assign(code=code).pivot(
        index=["clip_id", "modality"], columns=["round", "annotator"], values="code"
    )
    wide = wide.dropna().astype(int).reset_index()
    known = read("quadrants").query("seed == 'ensemble'")[["clip_id", "modality", "quadrant"]]
    found = wide[["clip_id", "modality"]].droplevel(1, axis=1).merge(known, how="left")
    kept = found["quadrant"].isin(quadrants).to_numpy()
    cells = {}
    for turn in (1, 2):
        a, b = (wide[(turn, rater)].to_numpy() for rater in raters)
        cells[turn] = np.eye(4)[a * 2 + b][kept]
    found = found[kept]
    return cells[1], cells[2], found["quadrant"].to_numpy(), read.recordings(found["clip_id"])


def _kappa(sums):
    return agreement.cohen_kappa_of_cells(sums.reshape(*sums.shape[:-1], 2, 2))


def _interval_of(columns, groups, statistic):
    """Statistic of column sums, with an interval over recordings."""
    replicates = statistic(stats.bootstrap_sums(columns, groups=groups))
    known = replicates[np.isfinite(replicates)]
    value = float(statistic(columns.sum(axis=0)[None])[0])
    if len(known) < 0.9 * len(replicates):
        return value, np.nan, np.nan
    low, high = stats.percentile_interval(known)
    return value, float(low), float(high)


def kappa_change(read, quadrants):
    """Kappa of two annotators in round 2 minus round 1, over the clips of these quadrants."""
    first, second, quadrant, groups = _annotated(read, quadrants)
    if len(quadrant) < stats.MIN_N:
        raise NotTestable(f"too few clips (n={len(quadrant)})")

    def change(sums):
        return _kappa(sums[:, 4:]) - _kappa(sums[:, :4])

    return *_interval_of(np.hstack([first, second]), groups, change), len(quadrant)


def kappa_gap(read, plus, minus):
    """Round-2 kappa of two annotators, `plus` quadrants minus `minus` ones."""
    _, second, quadrant, groups = _annotated(read, [*plus, *minus])
    inside = np.isin(quadrant, plus)[:, None]
    if min(inside.sum(), (~inside).sum()) < stats.MIN_N:
        raise NotTestable(f"too few clips ({int(inside.sum())} and {int((~inside).sum())})")

    def gap(sums):
        return _kappa(sums[:, :4]) - _kappa(sums[:, 4:])

    columns = np.hstack([second * inside, second * ~inside])
    return *_interval_of(columns, groups, gap), len(quadrant)


MEASURES = {
    measure.__name__: measure
    for measure in (
        *(cell, cells, disagreement_gap, fusion_gain, gate_range, above_recording),
        *(entropy_gap, boundary_gap, kappa_change, kappa_gap),
    )
}

"""The ledger: each claim of the paper against what the runs of this book found.

`book/claims.yml` states every claim with its source, the table that decides it, its placebo, and
what counts as support. `evaluate` fills one row per claim and run. It reads estimates and intervals
that chapters saved, and computes none of its own.
"""

import hashlib
import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy.stats import norm

from empdis_utils.data import tables
from empdis_utils.measures import inference
from empdis_utils.paper import printed
from empdis_utils.people import simulated as simulated_annotators
from empdis_utils.places import ROOT

__all__ = [
    "NotTestable", "VERDICTS", "above_placebo", "edition", "evaluate", "fingerprint", "paper_value",
    "read", "verdict",
]  # fmt: skip

CLAIMS = ROOT / "book" / "claims.yml"
EXPECTS = ("above", "below", "not above")
ROWS = ("all", "some")
REQUIRED = ("id", "statement", "about", "origin", "source", "expects", "reference", "unit", "tests")
ALLOWED = {*REQUIRED, "margin", "rows", "paper", "untested", "each"}
VERDICTS = (
    *("supported", "contradicted", "mixed", "not diagnostic"),
    *("too little data", "not testable"),
)
LEVEL = 0.05  # false discoveries among the decided cells
Z = norm.ppf(0.975)


class NotTestable(Exception):
    """This run lacks what a claim's test needs; the message says what."""


# --------------------------------------------------------------------------- the rules


def fingerprint(claims) -> str:
    """Eight digits of the SHA-256 of the rules: all that can change a verdict.

    What a claim is called, and the figure that shows it, cannot.
    """
    rules = [{k: v for k, v in c.items() if k not in ("statement", "source")} for c in claims]
    for rule in rules:
        tests = rule.get("tests", [])
        rule["tests"] = [{k: v for k, v in test.items() if k != "figure"} for test in tests]
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()[:8]


def edition(path=CLAIMS) -> dict:
    """Head of the file: edition, dated, seen, fingerprint, changes (newest last)."""
    return {k: v for k, v in _load(path).items() if k != "claims"}


def _load(path):
    found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(found, dict) or "claims" not in found:
        raise ValueError(f"{path}: expected edition, dated, changes, fingerprint and claims")
    return found


def read(path=CLAIMS):
    """The claims as a list of dicts; an entry with `each` becomes one claim per printed row.

    Raises ValueError: lists every claim with a repeated id, a missing or unknown key, or an unknown
    rule. Rules that differ from the frozen ones, of which `fingerprint` in the file is the hash.
    """
    file = _load(path)
    claims = [claim for entry in file["claims"] for claim in _expanded(entry)]
    problems, seen = [], set()
    for number, claim in enumerate(claims, 1):
        name = claim.get("id", f"claim number {number}")
        if missing := [key for key in REQUIRED if key not in claim]:
            problems.append(f"{name}: lacks {', '.join(missing)}")
            continue
        if unknown := sorted(set(claim) - ALLOWED):
            problems.append(f"{name}: unknown {', '.join(unknown)}")
        if name in seen:
            problems.append(f"{name}: this id repeats")
        seen.add(name)
        for key, known in (("expects", EXPECTS), ("rows", ROWS), ("about", ("people", "method"))):
            if claim.get(key, known[0]) not in known:
                problems.append(f"{name}: {key} '{claim[key]}', not one of {', '.join(known)}")
        for test in claim["tests"]:
            if missing := [key for key in ("table", "rows", "value", "chapter") if key not in test]:
                problems.append(f"{name}: a test lacks {', '.join(missing)}")
    if problems:
        raise ValueError(f"{path}:\n" + "\n".join(problems))
    now = fingerprint(claims)
    if file.get("fingerprint") != now:
        raise ValueError(
            f"{path}: the rules are not the frozen ones ({file.get('fingerprint')}). If you "
            f"changed them on purpose, add an entry to `changes` that says which, why, and after "
            f"which runs, and set `fingerprint: {now}`"
        )
    return claims


def _expanded(entry):
    """An entry as it is, or one claim for each row of the printed tables that it names."""
    if "each" not in entry:
        return [entry]
    claims = []
    for name in entry["each"]:
        for row in printed.table(name).to_dict("records"):
            first, second = row["contrast"].split("-")
            feature = row["feature"] + (
                f" ({row['label'].lower()})" if isinstance(row["label"], str) else ""
            )
            other = second if row["higher"] == first else first
            number = int(name.removeprefix("table_"))
            significant = row["p_relation"] == "<" or float(row["p"]) < 0.05
            asked = {"feature": row["feature"], "contrast": row["contrast"]}
            tests = [
                {**test, "rows": {**asked, "table": number}}
                | ({"placebo": {**test["placebo"], "where": asked}} if "placebo" in test else {})
                for test in entry["tests"]
            ]
            made = {
                "id": re.sub(r"[^a-z0-9]+", "-", f"{row['feature']}-{row['contrast']}".lower()),
                "statement": f"{feature} is higher in {row['higher']} clips than in {other} ones.",
                "origin": "stated" if significant else "printed",
                "source": f"Table {number}",
                "expects": "above" if row["higher"] == first else "below",
                "paper": {"test": name, **asked},
                "tests": tests,
            }
            claims.append({k: v for k, v in entry.items() if k not in ("each", "id")} | made)
    return claims


def verdict(expects, reference, low, high, margin=0.0):
    """What an interval says about a claim.

    `expects` ({"above", "below", "not above"}). `reference`: the value that the claim compares
    with. `low`, `high`: 95 % interval. NaN where there were too few clips for one. `margin`: for
    "not above": how far above `reference` still counts as equal. Returns str: ``supported`` when
    the whole interval lies on the claim's side, ``contradicted`` when it lies on the other, else
    ``too little data``. An interval that touches the reference decides nothing, but supports "not
    above".
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return "too little data"
    if expects == "not above":
        for_it, against = high <= reference + margin, low > reference + margin
    else:
        above, below = low > reference, high < reference
        for_it, against = (above, below) if expects == "above" else (below, above)
    return "supported" if for_it else "contradicted" if against else "too little data"


def above_placebo(said, expects, reference, placebo, excess):
    """A verdict after its placebo was seen.

    `said`: `verdict` of the value itself. `expects`, `reference`: as for `verdict`. `placebo`,
    `excess`: 95 % intervals of the placebo's value, and of the value minus the placebo's. Returns
    str: only a ``supported`` can change. It stands when the excess lies on the claim's side. It is
    ``not diagnostic`` when the excess does not and the placebo by itself would be supported, or
    when the excess lies on the other side. Otherwise ``too little data``.
    """
    if said != "supported":
        return said
    beyond = verdict(expects, 0.0, *excess)
    if beyond == "supported":
        return "supported"
    same = verdict(expects, reference, *placebo) == "supported"
    return "not diagnostic" if same or beyond == "contradicted" else "too little data"


def _together(said, rule):
    """One verdict for the rows of a test."""
    kinds = set(said)
    if rule == "some":
        if "supported" in kinds:
            return "supported"
        return "contradicted" if kinds == {"contradicted"} else "too little data"
    if len(kinds) == 1:
        return said[0]
    if len(kinds - {"too little data"}) > 1:
        return "mixed"
    most = said.count("contradicted") > len(said) / 2
    return "contradicted" if most else "too little data"


def _p_above(estimate, low, high, reference):
    """One-sided p of "not above `reference`", read off an interval: 0.025 where it ends there."""
    if not np.isfinite([estimate, low, high]).all():
        return np.nan
    half = estimate - low if estimate > reference else high - estimate
    if half <= 0:
        return 0.0 if estimate > reference else 1.0
    return float(norm.sf((estimate - reference) / half * Z))


def _p_for(expects, reference, margin, interval):
    """One-sided p against the claim's opposite, and against the claim."""
    estimate, low, high = interval
    above = _p_above(estimate, low, high, reference + (margin if expects == "not above" else 0.0))
    return (above, 1 - above) if expects == "above" else (1 - above, above)


def _combined_p(rows, rule, said):
    """Two-sided p of a cell: that all rows (or some) are on the claim's side, or against it."""
    p_for, p_against = (np.array([row[k] for row in rows], float) for k in ("p_for", "p_against"))
    n = len(rows)
    if np.isnan([p_for, p_against]).all():
        return np.nan
    # a row without an interval is no evidence, and still one of n
    p_for, p_against = np.nan_to_num(p_for, nan=1), np.nan_to_num(p_against, nan=1)
    if said == "mixed":  # some rows this way and some that way; at least one of each
        kinds = {row["verdict"] for row in rows}
        sides = [p.min() for p, kind in ((p_for, "supported"), (p_against, "contradicted"))
                 if kind in kinds]  # fmt: skip
        return float(min(1.0, 2 * n * max(sides)))
    most = n // 2 + 1  # partial conjunction (Benjamini & Heller 2008): at least so many rows
    if rule == "some":
        for_it, against = n * p_for.min(), p_against.max()
    else:
        for_it, against = p_for.max(), (n - most + 1) * np.sort(p_against)[most - 1]
    return float(min(1.0, 2 * min(for_it, against)))


# --------------------------------------------------------------------------- the paper's numbers


def paper_value(claim):
    """What the paper prints for this claim, as text; empty when it prints no number.

    Means of the `plus` cells minus means of the `minus` cells, or the p and direction of a test.
    """
    asked = claim.get("paper")
    if not asked:
        return ""
    if "test" in asked:
        row = _one(printed.table(asked["test"]), {k: asked[k] for k in ("feature", "contrast")})
        return f"{row['higher']} higher, p {row['p_relation']} {row['p']}"

    def cell(at):
        where = {k: v for k, v in at.items() if k not in ("table", "column")}
        return float(_one(printed.table(at["table"]), where)[at["column"]])

    value = np.mean([cell(at) for at in asked["plus"]])
    if "minus" in asked:
        value -= np.mean([cell(at) for at in asked["minus"]])
    return f"{value:.3f}"


# --------------------------------------------------------------------------- the cells


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
        placebo (names), placebo_value, placebo_low, placebo_high, excess, excess_low, excess_high
        (of the placebo that is hardest to exceed), rows (each with its verdict, where there are
        several), unit, expects, p, q, verdict, verdict_uncorrected, link (page and figure, relative
        to the run), note. With several rows the value is their mean and the limits span all of
        theirs. A run without the tables of a claim gets ``not testable`` and a note that says what
        is missing.

    Notes
    -----
    p is read off the intervals; q is its Benjamini-Hochberg adjustment over all cells that could be
    tested. A verdict for or against needs q of 0.05 or less, too; else it is ``too little data``.

    Examples
    --------
    >>> found = evaluate(read(), "no-such-folder", ["mosi"])
    >>> sorted(set(found["verdict"]))
    ['not testable']
    """
    rows = []
    for claim in claims:
        for profile in profiles:
            if claim["about"] == "people" and profile in synthetic:
                found = {**NOTHING, "note": "synthetic clips are no evidence about people"}
            else:
                found = _try(claim, Path(runs) / profile / "artifacts")
            margin = f" + {claim['margin']:g}" if claim.get("margin") else ""
            rows.append(
                {
                    "claim_id": claim["id"],
                    "statement": claim["statement"],
                    "origin": claim["origin"],
                    "source": claim["source"],
                    "paper_value": paper_value(claim),
                    "profile": profile,
                    "unit": claim["unit"],
                    "expects": f"{claim['expects']} {claim['reference']:g}{margin}",
                    **found,
                    "link": found["link"].replace("PROFILE", profile),
                }
            )
    ledger = pd.DataFrame(rows)
    ledger["q"] = inference.bh(ledger["p"])
    ledger["verdict_uncorrected"] = ledger["verdict"]
    decided = ledger["verdict"].isin(["supported", "contradicted", "mixed"])
    lost = decided & (ledger["q"] > LEVEL)
    told = ledger.loc[lost, "verdict"] + f" before correction for {ledger['p'].notna().sum()} cells"
    ledger.loc[lost, "note"] = told
    ledger.loc[lost, "verdict"] = "too little data"
    return ledger


_NUMBERS = ("run_value", "ci_low", "ci_high", "placebo_value", "placebo_low", "placebo_high")
NOTHING = {
    **dict.fromkeys((*_NUMBERS, "excess", "excess_low", "excess_high", "p"), np.nan),
    **{"n": 0, "placebo": "", "rows": "", "link": "", "verdict": "not testable", "note": ""},
}


def _try(claim, artifacts):
    if not artifacts.exists():
        return {**NOTHING, "note": "no such run in this copy"}
    reasons = []
    for test in claim["tests"]:
        try:
            return _cell(claim, test, _Tables(artifacts))
        except NotTestable as reason:
            reasons.append(str(reason))
    said = "; ".join(dict.fromkeys(reasons))
    if "simulated" not in said:  # that is worth saying whatever else is missing
        said = claim.get("untested", said)
    return {**NOTHING, "note": said}


def _cell(claim, test, read):
    """One cell of the ledger from the rows of a chapter's table."""
    if test.get("answers_of_people") and read.simulated():
        raise NotTestable("the annotators are simulated: no evidence about people")
    rows = [_row(claim, test, read, where) for where in _wanted(test["rows"])]
    rule = claim.get("rows", "all")
    said = _together([row["verdict"] for row in rows], rule)
    p = _combined_p(rows, rule, said)
    if rule == "some" and said == "supported" and not p <= LEVEL:
        said = "too little data"  # the best of several rows has to pass for all of them
    frame = pd.DataFrame(rows)
    hardest = frame.loc[frame["excess_p"].fillna(-1).idxmax()]
    notes = [note for note in dict.fromkeys(frame["note"]) if note]
    figure = f"#PROFILE-{test['figure']}" if "figure" in test else ""
    names = dict.fromkeys(name for row in rows for name in row["placebo"])
    return {
        **NOTHING,
        **{"run_value": frame["estimate"].mean(), "n": int(frame["n"].max())},
        **{"ci_low": frame["low"].min(skipna=False), "ci_high": frame["high"].max(skipna=False)},
        **{key: hardest[key] for key in (*_NUMBERS[3:], "excess", "excess_low", "excess_high")},
        **{"placebo": ", ".join(names), "p": p, "verdict": said},
        "rows": "; ".join(f"{r['label']}: {r['verdict']}" for r in rows) if len(rows) > 1 else "",
        "link": f"{read.page(test)}.html{figure}",
        "note": "; ".join(notes),
    }


def _wanted(rows):
    """Every combination of the listed values: one row of the table each."""
    keys = list(rows)
    lists = [value if isinstance(value, list) else [value] for value in rows.values()]
    return [dict(zip(keys, values, strict=True)) for values in product(*lists)]


def _row(claim, test, read, where):
    """One row of a table: its interval, those of its placebos, and its verdict."""
    low, high = test.get("low", "ci_low"), test.get("high", "ci_high")
    table = read(test["table"], test["value"], low, high, *where)
    row = _one(table, where)
    sizes = [name for name in row.index if name in ("n", "n_1", "n_2") or name.startswith("n ")]
    n = row["n"] if "n" in row else row[sizes].sum()
    interval = [float(row[name]) for name in (test["value"], low, high)]
    rule = claim["expects"], claim["reference"], claim.get("margin", 0.0)
    said = verdict(*rule[:2], *interval[1:], rule[2])
    p_for, p_against = _p_for(*rule, interval)
    label = " ".join(str(v) for v in where.values() if str(v) not in _fixed(test["rows"]))
    out = {
        **{"label": label or test["table"], "estimate": interval[0], "low": interval[1]},
        **{"high": interval[2], "n": 0 if pd.isna(n) else int(n), "p_for": p_for},
        **{"p_against": p_against, "verdict": said, "placebo": [], "excess_p": np.nan, "note": ""},
        **dict.fromkeys((*_NUMBERS[3:], "excess", "excess_low", "excess_high"), np.nan),
    }
    if not np.isfinite(interval[1]):
        why = next((row[c] for c in ("reason", "note") if c in row and row[c]), "")
        out["note"] = f"no interval: {why or 'too few clips or recordings'} (n={out['n']})"
    return _beside_placebo(out, claim, test, read, where) if "placebo" in test else out


def _fixed(rows):
    return {str(value) for value in rows.values() if not isinstance(value, list)}


def _beside_placebo(out, claim, test, read, where):
    """The row with the placebo that is hardest to exceed, and the verdict that it leaves."""
    asked = test["placebo"]
    renamed = asked.get("columns", {})
    needed = ("placebo", "excess", "excess_low", "excess_high")
    try:
        table = read(asked["table"], *(renamed.get(name, name) for name in needed))
    except NotTestable:
        if out["verdict"] != "supported":
            return out
        raise NotTestable(f"this run has no placebo (no table {asked['table']})") from None
    wanted = {**asked.get("where", {}), **{key: where[key] for key in asked.get("match", [])}}
    for column, value in wanted.items():
        table = table[table[column] == value]
    table = table.rename(columns={there: name for name, there in renamed.items()})
    if table.empty and not asked.get("optional"):
        raise NotTestable(f"{asked['table']} has no placebo with {_said(wanted)}")
    expects, reference = claim["expects"], claim["reference"]
    kinds = []
    for row in table.to_dict("records"):
        beyond = row["excess_low"], row["excess_high"]
        limits = row.get("placebo_low", np.nan), row.get("placebo_high", np.nan)
        kinds.append(above_placebo(out["verdict"], expects, reference, limits, beyond))
        p, _ = _p_for(expects, 0.0, 0.0, (row["excess"], *beyond))
        out["placebo"].append(asked.get("name", row["placebo"]))
        if np.isnan(p):
            why = row.get("note") or "no interval"
            out["note"] = f"{row['placebo']}: {why}"
        out["p_for"] = max(out["p_for"], p) if np.isfinite(p) else np.nan
        if not p <= out["excess_p"]:
            keep = (*_NUMBERS[3:], "excess", "excess_low", "excess_high")
            out |= {key: row.get(key, np.nan) for key in keep} | {"excess_p": p}
    for kind in ("not diagnostic", "too little data"):
        if kind in kinds:
            out["verdict"] = kind
            break
    return out


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

    def page(self, test):
        """The chapter that a test names; of one in parts, the part that wrote the table here.

        Part 07 is of annotators or of votes: which one a run has, its record says.
        """
        name, number = f"{test['table']}.parquet", test["chapter"].partition("_")[0]
        record = self.artifacts.parent / "provenance.json"
        story = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
        wrote = {c for c, entry in story.get("chapters", {}).items() if name in entry["outputs"]}
        return max((c for c in wrote if c.startswith(f"{number}_")), default=test["chapter"])

    def simulated(self):
        """Are the judgments of this run those of simulated annotators?"""
        if not (self.artifacts / "annotations.parquet").exists():
            return False
        names = set(tables.read(self.artifacts, "annotations")["annotator"])
        return bool(names & set(simulated_annotators.NAMES))


def _said(where):
    return ", ".join(f"{k} = {v}" for k, v in where.items())


def _one(table, where):
    """The single row of `table` with these values."""
    kept = table
    for column, wanted in where.items():
        kept = kept[kept[column] == wanted]
    if len(kept) != 1:
        raise NotTestable(f"{len(kept)} rows with {_said(where)}")
    return kept.iloc[0]

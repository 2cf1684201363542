"""A fresh run held against the released one, table by table.

A table is *identical*, *within tolerance* (`RTOL`, `ATOL`: other processors round the last digits
differently), or *different*; then it is said which columns, how many rows, and by how much at most.
Columns that were not released are not compared.

::

    python -m empdis_utils.press.compare [PROFILE]            (make compare [PROFILE=mosi])
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from empdis_utils.data import tables
from empdis_utils.places import ROOT
from empdis_utils.press import release, run
from empdis_utils.press.parameters import RunError

__all__ = [
    "ATOL", "RTOL", "about", "aligned", "columns", "compare", "left_out", "main", "of_profile",
    "summary", "two_tables",
]  # fmt: skip

RTOL, ATOL = 1e-6, 1e-9  # numbers differ when |a - b| > ATOL + RTOL |b|
WORDS = ["identical", "within tolerance", "different"]
MISSING = ["missing here", "not released"]
COLUMNS = ("profile", "table", "verdict", "column", "rows", "of", "largest", "note")


def _unique(name):
    schema = tables.SCHEMAS.get(name)
    return [] if schema is None else list(schema.unique or [])


def aligned(own, released, name):
    """Both tables, row by row: by the key of the table's contract, else as they stand.

    Tables of other lengths without a contract are joined on their columns of text, and on the
    place among rows of the same text.

    Returns
    -------
    (DataFrame, DataFrame, int, int)
        The rows that both have, then how many only the own and only the released table has.
    """
    keys = [key for key in _unique(name) if key in own and key in released]
    if not keys and len(own) == len(released):
        return own.reset_index(drop=True), released.reset_index(drop=True), 0, 0
    if not keys:
        text = own.select_dtypes(exclude=["number", "bool"]).columns
        keys = [key for key in text if key in released]
    marked = []
    for frame in (own, released):
        words = frame[keys].astype(str)
        place = words.groupby(keys, dropna=False).cumcount() if keys else range(len(frame))
        marked.append(frame.set_index(pd.MultiIndex.from_frame(words.assign(place=place))))
    both = marked[1].index.intersection(marked[0].index, sort=False)
    return (
        *(frame.loc[both].reset_index(drop=True) for frame in marked),
        len(own) - len(both),
        len(released) - len(both),
    )


def columns(own, released):
    """Differences of two aligned tables, column by column of the released one.

    Returns
    -------
    DataFrame
        column, verdict, rows (that differ at all), largest (difference; NaN for text).
    """
    found = []
    for name in released.columns:
        if name not in own:
            found.append((name, "different", len(released), np.nan))
            continue
        a, b = own[name], released[name]
        kinds = [series.dtype.kind for series in (a, b)]
        if all(kind in "iufb" for kind in kinds):
            a, b = a.to_numpy(float), b.to_numpy(float)
            same = (a == b) | (np.isnan(a) & np.isnan(b))
            near = np.isclose(a, b, rtol=RTOL, atol=ATOL, equal_nan=True)
            with np.errstate(invalid="ignore"):
                apart = np.abs(a - b)[~same]
            largest = float(np.nanmax(apart)) if np.isfinite(apart).any() else np.nan
        else:
            a, b = (series.astype(object).where(series.notna(), None) for series in (a, b))
            same = near = np.array([str(x) == str(y) for x, y in zip(a, b, strict=True)], bool)
            largest = np.nan
        verdict = WORDS[0] if same.all() else WORDS[1] if near.all() else WORDS[2]
        found.append((name, verdict, int((~same).sum()), largest))
    return pd.DataFrame(found, columns=["column", "verdict", "rows", "largest"])


def two_tables(own, released, name=""):
    """Verdict on one table: a dict with the columns of `compare` but profile and table.

    Parameters
    ----------
    own, released : DataFrame
        The released one may have fewer columns.
    name : str
        Of the table, for the key of its contract.
    """
    left, right, only_own, only_released = aligned(own, released, name)
    found = columns(left, right)
    notes = [f"{n} rows only {where}" for n, where in
             ((only_own, "here"), (only_released, "released")) if n]  # fmt: skip
    added = [c for c in own.columns if c not in released and c not in left_out(released)]
    notes += [f"new columns: {', '.join(added)}"] if added else []
    rank = found["verdict"].map(WORDS.index)
    verdict = WORDS[max(int(rank.max()) if len(rank) else 0, 2 if notes else 0)]
    worst = found[rank == rank.max()].sort_values("largest", ascending=False)
    worst = worst.iloc[0] if verdict != WORDS[0] and len(worst) else None
    others = found.loc[found["verdict"] == verdict, "column"].tolist()
    if worst is not None and len(others) > 1:
        notes.insert(0, f"also {', '.join(c for c in others if c != worst['column'])}")
    return {
        "verdict": verdict,
        "column": "" if worst is None else worst["column"],
        "rows": 0 if worst is None else int(worst["rows"]),
        "of": len(released),
        "largest": np.nan if worst is None else worst["largest"],
        "note": "; ".join(notes),
    }


def left_out(released):
    """Columns that a released table says it goes without."""
    return list(released.attrs.get("left_out", ()))


def of_profile(runs, profile, results=None):
    """All tables of one profile: list of dicts, see `compare`."""
    folder, out = runs / profile, (results or release.RESULTS) / profile
    own, theirs = run.story(folder) or {}, release.provenance(profile, results)
    found = []
    for chapter, entry in theirs.items():
        if chapter not in own:
            continue
        for file in sorted({*entry["outputs"], *own[chapter]["outputs"]}):
            path, name = Path("artifacts", file), file.removesuffix(".parquet")
            if not file.endswith(".parquet") or "/" in file:
                continue
            row = {"profile": profile, "table": name}
            if not (out / path).exists():
                row |= {"verdict": MISSING[1], "note": ""}
            elif not (folder / path).exists():
                row |= {"verdict": MISSING[0], "note": f"{chapter} does not write it any more"}
            else:
                both = [pd.read_parquet(base / path) for base in (folder, out)]
                row |= two_tables(*both, name)
            found.append(row)
    return found


def compare(runs, profiles, results=None):
    """Own runs against the released ones.

    Parameters
    ----------
    runs : Path
    profiles : sequence of str
    results : Path, optional

    Returns
    -------
    DataFrame
        One row per table: profile, table, verdict (`identical`, `within tolerance`, `different`,
        `missing here`, `not released`), and of the worst column: column, rows that differ, of how
        many, the largest difference; note.
    """
    rows = [row for name in profiles for row in of_profile(runs, name, results)]
    return pd.DataFrame(rows, columns=COLUMNS)


def summary(found):
    """What a terminal shows: a line for each profile, and for each table that is not identical."""
    lines = []
    for profile, part in found.groupby("profile", sort=False):
        n = part["verdict"].value_counts()
        said = ", ".join(f"{n[word]} {word}" for word in [*WORDS, *MISSING] if word in n)
        lines.append(f"{profile}: {said}")
    shown = found[~found["verdict"].isin([WORDS[0], MISSING[1]])]
    for row in shown.itertuples():
        where = f"{row.column}, {row.rows:.0f} of {row.of:.0f} rows" if row.column else ""
        far = f", by at most {row.largest:.3g}" if row.largest == row.largest else ""
        note = f" ({row.note})" if row.note else ""
        lines.append(
            f"  {row.verdict:17}{row.profile}/{row.table}: {where}{far}{note}".rstrip(": ")
        )
    lines.append(f"within tolerance: |a - b| at most {ATOL:g} + {RTOL:g} |b|")
    return "\n".join(lines)


def about(runs, profiles, results=None):
    """Where each run comes from, as lines: commits and machines of both."""
    lines = []
    for name in profiles:
        mine, theirs = run.story(runs / name) or {}, release.provenance(name, results)
        both = [c for c in theirs if c in mine]
        if not both:
            continue
        told = [
            f"{max(s[c]['started'] for c in both)}, commit {s[both[-1]]['git'][:10]}, "
            f"{s[both[-1]]['hardware'].split(',')[0]}"
            for s in (mine, theirs)
        ]
        lines.append(f"{name}: here {told[0]}; released {told[1]}")
        other = [c for c in both if mine[c]["parameters"] != theirs[c]["parameters"]]
        lines += [f"  other parameters: {c}" for c in other]
        lines += [f"  not run here: {c}" for c in theirs if c not in mine]
    return lines


def main(argv=None):
    """Command line: exit status 1 when a table is different or is no longer made."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("profile", nargs="?", default=os.environ.get("PROFILE", ""))
    asked = parser.parse_args(argv)
    build = Path(os.environ.get("BUILD") or ROOT / "_build")
    try:
        there = [n for n in release.profiles() if release.provenance(n)]
        if asked.profile and asked.profile not in there:
            raise RunError(f"nothing is released of {asked.profile}; of these: {', '.join(there)}")
        names = [n for n in there if (not asked.profile or n == asked.profile)]
        found = compare(build / "runs", names)
        if found.empty:
            raise RunError("no run here to compare: make book, or make study PROFILE=fixture")
        print("\n".join(about(build / "runs", names)))
        print(summary(found))
        found.to_csv(build / "compare.csv", index=False)
        print(f"all tables: {build / 'compare.csv'}")
    except RunError as error:
        sys.exit(f"[fail] {error}")
    sys.exit(int(found["verdict"].isin([WORDS[2], MISSING[0]]).any()))


if __name__ == "__main__":
    main()

"""Annotators' CSV files: read, repaired where that is safe, every fault listed with its line."""

import csv
import datetime
import io
import math
from pathlib import Path

import pandas as pd

from empdis_utils.data import tables
from empdis_utils.data.identifiers import cleaned, plain
from empdis_utils.data.tables import MODALITIES, SCHEMAS
from empdis_utils.measures.agreement import JUDGMENTS

__all__ = ["COLUMNS", "OPTIONAL", "read_annotations", "read_study"]

COLUMNS = [name for name, column in SCHEMAS["annotations"].columns.items() if column.required]
OPTIONAL = ("seconds",)  # time per answer


def read_annotations(paths, clips=None, judgments=JUDGMENTS):
    """Read the annotators' CSV files, and list everything that is wrong with them.

    `paths`: one file per annotator, columns of the table `annotations`, and `seconds` if it is
    there. `clips`: the clips that were to be judged; a DataFrame with clip_id and modality (the
    sample) also checks their pairing. `judgments`: the answers allowed. Returns `annotations`: the
    table `annotations`: the rows that can be used, repaired where that is safe. With `seconds`
    (float, NaN where unknown) if a file has them; `problems`: file (name only), line (1 is the
    header), annotator, clip_id, problem, used (whether the row is in `annotations`). Every line
    that is left out or changed is here, with its reason. Raises FileNotFoundError: a path that does
    not exist.

    Repaired and listed: a byte order mark, UTF-16 or Windows-1252 text, ``;`` or tab for comma,
    blanks and invisible characters around a value, capitals in an answer, ``1.0`` for 1. Listed and
    left out: lines with too few or too many fields, an unknown clip, modality, round or judgment,
    an empty name, a name that looks like another and is spelled otherwise, and all but the first of
    double judgments (the first was given before the second was seen). Listed and kept: a missing
    round, a second round before the first, a time that is not ISO 8601, seconds that are no number,
    two names in a file.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    rows, problems = [], []
    for path in map(Path, paths):
        found, wrong = _read_one(path, clips, judgments)
        rows += found
        problems += wrong
    rows, alike = _drop_alike(rows)
    rows, double = _drop_double(rows)
    problems += alike + double + _round_problems(rows)
    timed = any("seconds" in r["row"] for r in rows)
    columns = COLUMNS + ["seconds"] * timed
    table = pd.DataFrame([r["row"] for r in rows], columns=columns)
    text = [c for c in COLUMNS if c != "round"]
    table = table.astype({**dict.fromkeys(text, "str"), "round": "int64"})
    names = [p.name for p in map(Path, paths)]
    report = pd.DataFrame(
        problems, columns=["file", "line", "annotator", "clip_id", "problem", "used"]
    ).astype({"line": "int64", "used": "bool"})
    order = report["file"].map({name: i for i, name in reversed(list(enumerate(names)))})
    report = report.assign(order=order).sort_values(["order", "line"], kind="stable")
    return table, report.drop(columns="order").reset_index(drop=True)


def read_study(folder, drawn, labels=JUDGMENTS):
    """What people have judged so far, and of which sample.

    `folder`: holds one CSV file per annotator, and ``sample.parquet``, the sample that they began
    with (`make annotate` keeps it). None, or no such folder: nobody has judged. `drawn`: the sample
    where none was kept. `labels`: those of the corpus. Returns `sample, annotations, problems`: see
    `read_annotations`; `n_people`: files. Raises ValueError: labels that people are not asked for.
    """
    if other := sorted(set(labels) - set(JUDGMENTS)):
        raise ValueError(
            f"people are asked for {' or '.join(JUDGMENTS)}, and this corpus has the labels "
            f"{', '.join(other)}: leave 07_human_study out of the profile"
        )
    folder = Path(folder) if folder else None
    if folder and (folder / "sample.parquet").exists():
        drawn = tables.read(folder, "sample")
    files = sorted(folder.glob("*.csv")) if folder else []
    return drawn, *read_annotations(files, drawn), len(files)


def _problem(file, line, problem, used, row=None):
    row = row or {}
    return {
        "file": file,
        "line": line,
        "annotator": row.get("annotator", ""),
        "clip_id": row.get("clip_id", ""),
        "problem": problem,
        "used": used,
    }


def _decode(data):
    """(text, problem) of a file's bytes; problem is empty for plain UTF-8."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace"), "encoding is UTF-16, not UTF-8: converted"
    try:
        if data.startswith(b"\xef\xbb\xbf"):
            return data.decode("utf-8-sig"), "byte order mark, as spreadsheets write it: removed"
        return data.decode("utf-8"), ""
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return (
            data.decode("cp1252", "replace"),
            f"encoding is not UTF-8 (first bad byte on line {line}): read as Windows-1252, "
            "check names with accents",
        )


def _read_one(path, clips, judgments):
    file = path.name
    text, problem = _decode(path.read_bytes())
    problems = [_problem(file, 1, problem, True)] if problem else []
    lines = text.splitlines()
    head = lines[0] if lines else ""
    separator = max(",;\t", key=head.count)
    if separator != ",":
        problems.append(_problem(file, 1, f"separator is {separator!r}, not a comma", True))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    csv.field_size_limit(max(len(text), csv.field_size_limit()))
    header = [plain(h) for h in next(reader, [])]
    missing = [c for c in COLUMNS if c not in header]
    if missing:
        what = "the file is empty" if not header else f"the header lacks {missing}"
        body = max(len(lines) - 1, 0)
        problems.append(_problem(file, 1, f"{what}: none of its {body} lines read", False))
        return [], problems
    if extra := [h for h in header if h not in (*COLUMNS, *OPTIONAL)]:
        problems.append(_problem(file, 1, f"unknown columns {extra}: not read", True))
    rows, name = [], None
    for fields in reader:
        line = reader.line_num
        if not any(f.strip() for f in fields):
            problems.append(_problem(file, line, "empty line", False))
            continue
        if len(fields) != len(header):
            problem = f"{len(fields)} fields, not {len(header)}: a cut or edited line"
            problems.append(_problem(file, line, problem, False))
            continue
        raw = dict(zip(header, fields, strict=True))
        row, changed, faults, notes = _check_row(raw, clips, judgments)
        if changed:
            notes.insert(0, f"repaired {', '.join(changed)}")
        if name is not None and row["annotator"] != name:
            notes.append(f"another annotator than {name!r} in the same file")
        name = name or row["annotator"]
        problems += [_problem(file, line, text, not faults, row) for text in faults + notes]
        if not faults:
            rows.append({"file": file, "line": line, "row": row})
    return rows, problems


def _check_row(raw, clips, judgments):
    """(row, repaired fields, faults that lose the row, notes that do not)."""
    row = {c: plain(raw[c]) for c in COLUMNS}
    row["modality"], row["judgment"] = row["modality"].lower(), row["judgment"].lower()
    if row["round"] in ("1.0", "2.0", "1,0", "2,0"):
        row["round"] = row["round"][0]
    changed = [c for c in COLUMNS if row[c] != raw[c]]
    faults, notes = [], []
    if not row["annotator"]:
        faults.append("no annotator")
    if row["round"] in ("1", "2"):
        row["round"] = int(row["round"])
    else:
        faults.append(f"round {row['round']!r} is not 1 or 2")
    if row["modality"] not in MODALITIES:
        faults.append(f"unknown modality {row['modality']!r}")
    if row["judgment"] not in judgments:
        faults.append(f"judgment {row['judgment']!r} is none of {list(judgments)}")
    if clips is not None:
        known = set(clips["clip_id"] if isinstance(clips, pd.DataFrame) else clips)
        if row["clip_id"] not in known:
            stripped = [c for c in known if c.lstrip("0") == row["clip_id"]]
            hint = f" (a spreadsheet made it of {stripped[0]!r}?)" if stripped else ""
            faults.append(f"unknown clip {row['clip_id']!r}{hint}")
        elif isinstance(clips, pd.DataFrame) and row["modality"] in MODALITIES:
            pairs = set(zip(clips["clip_id"], clips["modality"], strict=True))
            if (row["clip_id"], row["modality"]) not in pairs:
                faults.append(f"clip {row['clip_id']!r} was not to be judged by {row['modality']}")
    try:
        datetime.datetime.fromisoformat(row["at"])
    except ValueError:
        notes.append(f"time {row['at']!r} is not ISO 8601")
    if "seconds" in raw:
        row["seconds"] = pd.to_numeric(raw["seconds"].strip(), errors="coerce")
        if not row["seconds"] >= 0:
            notes.append(f"{raw['seconds'].strip()!r} is no number of seconds")
            row["seconds"] = math.nan
    return row, changed, faults, notes


def _key(row):
    return row["annotator"], row["clip_id"], row["modality"], row["round"]


def _drop_alike(rows):
    """Leave out annotators and clips whose name looks like an earlier one, and list them."""
    kept, problems = rows, []
    for column in ("annotator", "clip_id"):
        names = pd.Series([entry["row"][column] for entry in kept], dtype=str)
        _, other = cleaned(names)
        for entry, twin in zip(kept, other, strict=True):
            if not pd.isna(twin):
                name = ascii(entry["row"][column])
                text = f"{column} {name} looks like {ascii(twin)}: write them alike"
                problems.append(_problem(entry["file"], entry["line"], text, False, entry["row"]))
        kept = [entry for entry, fine in zip(kept, other.isna(), strict=True) if fine]
    return kept, problems


def _drop_double(rows):
    """Keep the first of double judgments; list the others."""
    first, kept, problems = {}, [], []
    for entry in rows:
        row = entry["row"]
        earlier = first.setdefault(_key(row), entry)
        if earlier is entry:
            kept.append(entry)
            continue
        same = "the same" if earlier["row"]["judgment"] == row["judgment"] else "another"
        problem = (
            f"double judgment, {same} answer as on line {earlier['line']} of {earlier['file']}"
        )
        problems.append(_problem(entry["file"], entry["line"], problem, False, row))
    return kept, problems


def _round_problems(rows):
    """Missing and swapped rounds."""
    by_key = {_key(entry["row"]): entry for entry in rows}
    problems = []
    for (annotator, clip, modality, turn), entry in by_key.items():
        other = by_key.get((annotator, clip, modality, 3 - turn))
        place = entry["file"], entry["line"]
        if other is None:
            text = f"round {3 - turn} is missing for this clip"
            problems.append(_problem(*place, text, True, entry["row"]))
        elif turn == 2 and _earlier(entry["row"]["at"], other["row"]["at"]):
            text = f"round 2 was answered before round 1 (line {other['line']})"
            problems.append(_problem(*place, text, True, entry["row"]))
    return problems


def _earlier(one, two):
    try:
        one, two = map(datetime.datetime.fromisoformat, (one, two))
        return one.timestamp() < two.timestamp()
    except ValueError:
        return False

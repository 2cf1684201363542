"""Tables of other people: read as text, every row checked, every bad row listed.

A message names file, line, column, what was expected and what was found.
"""

import csv
import hashlib
import io
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from empdis_utils.data.identifiers import cleaned, plain

__all__ = [
    "COUNT", "CorpusError", "FILLED", "NAMES", "NUMBERS", "Problem", "SECONDS", "SECONDS_OR_EMPTY",
    "SPLITS", "bad", "broken", "columns_of", "content", "inside", "named", "one_of", "order",
    "read_table", "read_tables", "refuse", "repeated", "why_outside",
]  # fmt: skip

SPLITS = ("train", "val", "test", "all")
NAMES = ("clip_id", "dialog_id", "label", "split")  # columns whose words are names
NUMBERS = ("y", "seed", "start_s", "end_s", "n_tokens")


class CorpusError(ValueError):
    """A corpus that is missing or does not hold what it should.

    Attributes
    ----------
    problems : tuple of Problem
        Every bad row (file, line, column, expected, found); empty when files are missing.
    """

    def __init__(self, message, problems=()):
        super().__init__(message)
        self.problems = tuple(problems)


class Problem(NamedTuple):
    """One bad cell. `line` is the 1-based line of the file on which its row starts."""

    file: str
    line: int
    column: str
    expected: str
    found: str

    def __str__(self):
        found = self.found if len(self.found) <= 80 else self.found[:77] + "..."
        where = f"{self.file}, line {self.line}, column {self.column}"
        return f"{where}: expected {self.expected}, found {found!r}"


def refuse(problems):
    """Raise one `CorpusError` that lists all problems, if there are any."""
    if problems:
        lines = "\n".join(map(str, problems))
        raise CorpusError(f"{len(problems)} bad value(s):\n{lines}", problems)


def content(path):
    """The bytes of a file, or a `CorpusError` that says why they cannot be had."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror})") from error


def _decode(data, path):
    """UTF-8 text (a byte order mark is dropped) and one problem per line that is not UTF-8."""
    problems, offset = [], 0
    for line, raw in enumerate(data.split(b"\n"), start=1):
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as error:
            found = f"byte 0x{raw[error.start]:02x} at offset {offset + error.start}"
            problems.append(Problem(str(path), line, "(any)", "UTF-8 text", found))
        offset += len(raw) + 1
    return data.decode("utf-8-sig", errors="replace"), problems


def read_table(path, columns=None):
    """Read a CSV as text, so that nothing is guessed (no 'NA', no rounding).

    `columns`: columns that the header must have. Without it the file has no header and the columns
    are called '1', '2', …. Returns `frame`: index: 1-based line of the file on which the row
    starts; `sha256`; `problems`: bytes that are not UTF-8, broken quotes, rows of another width,
    missing columns.
    """
    path = Path(path)
    try:
        data = content(path)
        text, problems = _decode(data, path)
    except MemoryError as error:
        size = path.stat().st_size / 2**20
        raise CorpusError(
            f"{path}: not enough memory to read {size:,.0f} MB; close other programs, or cut it"
        ) from error

    def problem(line, expected, found, column="(any)"):
        problems.append(Problem(str(path), line, column, expected, found))

    records, start = [], 1
    csv.field_size_limit(max(len(text), csv.field_size_limit()))  # no transcript is too long
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if row:
                records.append((start, row))
            start = reader.line_num + 1
    except csv.Error as error:
        problem(start, "well-formed CSV", str(error))
    names = [str(i + 1) for i in range(len(records[0][1]))] if records else []
    if records and columns is not None:
        names = [plain(name) for name in records.pop(0)[1]]
        for name, other in zip(names, cleaned(pd.Series(names, dtype=str))[1], strict=True):
            if not pd.isna(other):
                problem(1, f"another name than {other!r}, which looks the same", ascii(name), name)
        repeated = [name for name in names if names.count(name) > 1]
        for column in dict.fromkeys([*columns, *repeated]):
            if names.count(column) != 1:
                problem(1, "this column, once", ",".join(names), column)
    if not records:
        problem(1, "at least one row", "none")
    for line, row in records:
        if len(row) != len(names):
            problem(line, f"{len(names)} fields", f"{len(row)} fields")
    rows = {line: row for line, row in records if len(row) == len(names)}
    index = pd.Index(list(rows), dtype=int)
    frame = pd.DataFrame(list(rows.values()), columns=names, index=index, dtype=str)
    return frame, hashlib.sha256(data).hexdigest(), problems


def read_tables(files):
    """Read ``{path: columns}``; raise with every structural problem of every file."""
    read = {path: read_table(path, columns) for path, columns in files.items()}
    refuse([problem for _, _, problems in read.values() for problem in problems])
    frames = {path: frame for path, (frame, _, _) in read.items()}
    return frames, {Path(path).name: sha256 for path, (_, sha256, _) in read.items()}


def _not_negative(text):
    return pd.to_numeric(text, errors="coerce").between(0, np.inf, inclusive="left")


FILLED = pa.Check(lambda s: s.str.strip() != "", error="not empty")
SECONDS = pa.Check(_not_negative, error="seconds, 0 or more")
SECONDS_OR_EMPTY = pa.Check(
    lambda s: (s == "") | _not_negative(s), error="seconds, 0 or more, or empty"
)
COUNT = pa.Check(lambda s: s.str.fullmatch("[0-9]{1,9}"), error="a whole number, 0 or more")


def one_of(values):
    """Check of a column: one of some words."""
    return pa.Check.isin(list(values), error=" or ".join(values))


def columns_of(**checks):
    """Schema of columns of text with a check each."""
    return pa.DataFrameSchema({name: pa.Column(str, check) for name, check in checks.items()})


def broken(frame, schema, path):
    """Every cell of `frame` that breaks `schema`, as a list of Problem."""
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases.sort_values("index", kind="stable")
        keys = ["index", "column", "check", "failure_case"]
        return [
            Problem(str(path), int(line), str(column), str(expected), str(found))
            for line, column, expected, found in cases[keys].itertuples(index=False)
        ]
    return []


def bad(mask, frame, path, column, expected, found=None):
    """One Problem for each row where `mask` holds."""
    found = frame[column] if found is None else found
    return [
        Problem(str(path), int(line), column, expected, str(value))
        for line, value, bad in zip(frame.index, found, mask, strict=True)
        if bad
    ]


def named(frame, path):
    """Names and numbers without blanks around them, rows where one name would be made of two, and
    one sentence of what changed. Text and paths are left as they are."""
    problems, counts = [], {}
    frame = frame.copy()
    for column in [c for c in (*NAMES, *NUMBERS) if c in frame]:
        new, other = cleaned(frame[column], SPLITS if column == "split" else ())
        if column in NAMES:
            expected = "names that look different (blanks and invisible characters do not count)"
            pairs = zip(frame[column], other, strict=True)
            found = [f"{ascii(one)} beside {ascii(two)}" for one, two in pairs]
            problems += bad(other.notna(), frame, path, column, expected, found)
        if changed := int((new != frame[column]).sum()):
            counts[column] = changed
        frame[column] = new
    told = ", ".join(f"{column} {n}" for column, n in counts.items())
    note = f"{Path(path).name}: blanks, invisible characters or capitals were set right in {told}"
    return frame, problems, [f"{note} (rows)."] if counts else []


def repeated(frames, column, unique_in):
    """Rows whose `column` was already seen in an earlier row of any of the frames."""
    seen, problems = {}, []
    for path, frame in frames.items():
        for line, value in frame[column].items():
            if value in seen:
                expected = f"a value once in {unique_in} (first: {seen[value]})"
                problems.append(Problem(str(path), int(line), column, expected, value))
            else:
                seen[value] = f"{Path(path).name} line {line}"
    return problems


def order(frame, start, end, path):
    """Rows that end before they start. Equal times are a clip of no length, not an error."""
    late = pd.to_numeric(frame[end], errors="coerce") < pd.to_numeric(frame[start], errors="coerce")
    found = frame[end] + " with " + start + " " + frame[start]
    return bad(late, frame, path, end, f"{start} or later", found)


def inside(root, value):
    """Full path of a file below `root`, links followed; None when it leads out of it.

    A link out of a corpus may be measured, but nothing shows what it leads to: a corpus from
    elsewhere must not publish the files of who reads it.
    """
    target = Path(root, value).resolve()
    return target if target.is_relative_to(Path(root).resolve()) else None


def why_outside(root, value):
    """What is wrong with a manifest path, or None when it stays inside `root`."""
    posix, windows = PurePosixPath(value), PureWindowsPath(value)
    if not value:
        return None
    if posix.is_absolute() or windows.drive or windows.root:
        return "a relative path"
    if ".." in posix.parts or ".." in windows.parts:
        return "a path without '..'"
    try:
        return None if inside(root, value) else "a path that stays inside the folder"
    except (OSError, RuntimeError, ValueError):
        return "a path that can be followed"

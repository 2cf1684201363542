"""Corpora: find or download the publishers' files, check every row, return the tables of the book.

A corpus is looked up under ``$EMPDIS_DATA/<name>/``, then in the pooch cache, then downloaded from
its publisher at a pinned commit with SHA-256. Nothing is redistributed.

::

    python -m empdis_utils.data.corpora NAME ...     download what is not at hand
    python -m empdis_utils.data.corpora --at-hand    names of the corpora at hand, on one line

Text is kept exactly as published. A transcript may hold markup or a spreadsheet formula: whoever
turns it into HTML or a spreadsheet escapes it there.
"""

import argparse
import csv
import hashlib
import io
import sys
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pooch
import requests
from pandera.errors import SchemaErrors

from empdis_utils.data.downloads import limited
from empdis_utils.data.identifiers import cleaned, plain
from empdis_utils.places import ROOT, cache_dir, clips_dir, data_dirs

RAW = "https://raw.githubusercontent.com"
FIXTURE = ROOT / "tests" / "fixture" / "corpus"

CATALOGUE = {
    "empspeech": {
        "repository": "mayasrikm/multimodal-empathy-disagreement",
        "commit": "733d2c298c71fe2e6d05cabb2a1e22d57fbbcdd8",
        "licence": "none stated in the repository",
        "real": "1,535 speech segments of 42 recordings: transcripts, labels and times; no media",
        "files": {
            "train.csv": (
                "dataset/train.csv",
                "45e2452d7962f4ced2ba3a9cd514b967c6b7e4ce16b4679287e39c17f04e9905",
            ),
            "val.csv": (
                "dataset/val.csv",
                "9056ab813ad11a16e524715bada4f9de173da973416e08ae619de28afc0c806a",
            ),
            "test.csv": (
                "dataset/test.csv",
                "f58b77e5d8dcf87d646352f908a0bd2a488b99d25a9df2fe0d2e1c0c016a1026",
            ),
        },
    },
    "mosi": {
        "repository": "declare-lab/multimodal-deep-learning",
        "commit": "111b401d867c14a1dcd930fd2b2ab58a5eca3f70",
        "licence": "MIT",
        "real": "2,199 utterances of 93 videos: transcripts, binary sentiment, one feature vector "
        "each for text, audio and video; no media",
        "files": {
            "transcripts.csv": (
                "contextual-multimodal-fusion/data/transcripts.csv",
                "e7689e6d70720addd2a6b316419d245a68839c32b014ff426c406063ee777466",
            ),
            "text_train.csv": (
                "contextual-multimodal-fusion/data/text_train.csv",
                "73770b6302ad0f7a51f4eddcae6788efde4d0b6802e09f78249d5b538d1c1d67",
            ),
            "text_test.csv": (
                "contextual-multimodal-fusion/data/text_test.csv",
                "f3b735070bf07ceff7a6ef6c8f4c32757e988de484e35bd6d38b2aecef851a59",
            ),
            "text_train0.csv": (
                "contextual-multimodal-fusion/data/text/text_train0.csv",
                "cc327045db6cc361a08b4037b97bb24de4ddb5efb381468c4835cc4a60674668",
            ),
            "text_test0.csv": (
                "contextual-multimodal-fusion/data/text/text_test0.csv",
                "a343e22272919d1384c2075dbcdd5fef5aa9f9366b0552a83f7c3147b64b047a",
            ),
            "audio_train0.csv": (
                "contextual-multimodal-fusion/data/audio/audio_train0.csv",
                "5435398a54664e7b00304587dc59ae84a438852be033c2a2fba779588624a2a1",
            ),
            "audio_test0.csv": (
                "contextual-multimodal-fusion/data/audio/audio_test0.csv",
                "ddd17eeefd3d951d51d4e2ef8a0d132652d8161e1886f71eb7262b7a14bffff6",
            ),
            "video_train0.csv": (
                "contextual-multimodal-fusion/data/video/video_train0.csv",
                "b6efc0413132d627efd06f67f1706830e775e90af9a75696f535c48dbc73f12f",
            ),
            "video_test0.csv": (
                "contextual-multimodal-fusion/data/video/video_test0.csv",
                "cab836253d81100f59d533fa2ff65cd53c486be3ec9fd82203c5e25a7a77265f",
            ),
        },
    },
    "cremad": {
        "repository": "CheyneyComputerScience/CREMA-D",
        "commit": "1658cd342dff90010aa843eaeebd53610a08b1dc",
        "licence": "ODbL 1.0 (contents DbCL 1.0)",
        "real": "votes of 2,443 people on 7,442 acted clips, heard, seen, or both; no media",
        "files": {
            "tabulatedVotes.csv": (
                "processedResults/tabulatedVotes.csv",
                "774d9d759cb5caf2542758a39eca8c0f1d2777f9987ff5d5adf8066d192f377b",
            ),
        },
    },
    "mustardpp": {
        "repository": "cfiltnlp/MUStARD_Plus_Plus",
        "commit": "723267b3543ee51a3c0d628d6e45172d8261d875",
        "licence": "none stated in the repository",
        "real": "1,202 lines of television comedy with sarcasm, explicit and implicit emotion, "
        "speaker and show; no media",
        "files": {
            "mustard++_text.csv": (
                "mustard++_text.csv",
                "b134fa60bc4d0d7ba4c08953402dd298731670b9337f8bb2bad693e1890f6e4e",
            ),
        },
    },
}

MANIFEST_COLUMNS = (
    *("clip_id", "dialog_id", "start_s", "end_s", "transcript", "n_tokens"),
    *("label", "y", "split", "audio_path", "video_path"),
)
CLIPS_COLUMNS = (
    *("clip_id", "status", "reason", "audio_path", "video_path"),
    *("audio_sha256", "video_sha256", "at"),
)
EMPATHY = {"neutral": 0, "empathetic": 1}
NAMES = ("clip_id", "dialog_id", "label", "split")  # columns whose words are names
NUMBERS = ("y", "seed", "start_s", "end_s", "n_tokens")
SPLITS = ("train", "val", "test", "all")

# CREMA-D's README: file name codes, row ids (first digit) and stimuli known to be broken.
EMOTIONS = {
    **{"ANG": "anger", "DIS": "disgust", "FEA": "fear"},
    **{"HAP": "happy", "NEU": "neutral", "SAD": "sad"},
}
VOTES = ("A", "D", "F", "H", "N", "S")
CREMAD_MODALITY = {1: "audio", 2: "video", 3: "audio+video"}
CREMAD_SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
CREMAD_FAULTY = {
    "1076_MTI_NEU_XX": "very short, no sound",
    "1076_MTI_SAD_XX": "error picture, very short, no sound",
    "1064_TIE_SAD_XX": "file has no duration",
    "1064_IEO_DIS_MD": "one minute long, holds every emotion",
}
CREMAD_SILENT = frozenset(
    "1005_IWW_DIS_XX 1007_IWL_HAP_XX 1037_DFA_ANG_XX 1037_WSI_DIS_XX 1037_WSI_FEA_XX "
    "1037_WSI_SAD_XX 1039_IWL_SAD_XX 1039_WSI_SAD_XX 1045_ITS_HAP_XX 1045_WSI_DIS_XX "
    "1046_TIE_HAP_XX 1058_IEO_SAD_HI 1061_TIE_ANG_XX 1063_IEO_DIS_HI 1067_IEO_FEA_LO "
    "1068_IEO_SAD_MD 1070_IWL_SAD_XX 1071_WSI_ANG_XX 1072_WSI_ANG_XX 1073_MTI_SAD_XX "
    "1075_IWW_DIS_XX 1075_WSI_DIS_XX 1076_ITH_HAP_XX 1076_ITH_NEU_XX 1076_TAI_NEU_XX "
    "1079_IWL_ANG_XX 1079_TAI_DIS_XX 1091_IWW_FEA_XX".split()
)
SILENT_REASON = "published video had no sound until December 2020; what raters heard is not stated"


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


@dataclass(frozen=True)
class Corpus:
    """One corpus, read and checked.

    Attributes
    ----------
    name : str
    manifest : DataFrame
        Columns `MANIFEST_COLUMNS`, one row per clip. Unknown times are NaN, unknown paths missing.
        An empty transcript is a clip without words (``n_tokens`` 0), not an error.
    root : Path or None
        Folder that ``audio_path`` and ``video_path`` are relative to; None without media.
    features : dict of str to DataFrame
        Modality -> float32 [n_clips, d] indexed by clip_id, in manifest order; {} where none.
    votes : DataFrame or None
        Human judgments: clip_id, modality, one count per answer, n, status, reason.
    truth : DataFrame or None
        What the generator put into a synthetic corpus: clip_id and one column per known fact.
    synthetic : bool
        True when nobody said or filmed any of it.
    files : dict of str to str
        File name -> SHA-256 of the bytes that were read.
    predictions : DataFrame or None
        Probabilities that came with the corpus, source ``given`` (see `read_predictions`).
    clips : DataFrame or None
        What became of media that were fetched (see `clips_table`); None where none were.
    about : DataFrame or None
        What the publisher says of each clip beyond the manifest: clip_id and one column per fact.
    notes : tuple of str
        What reading changed, one sentence each: blanks around names.
    """

    name: str
    manifest: pd.DataFrame
    root: Path | None = None
    features: dict = field(default_factory=dict)
    votes: pd.DataFrame | None = None
    truth: pd.DataFrame | None = None
    synthetic: bool = False
    files: dict = field(default_factory=dict)
    predictions: pd.DataFrame | None = None
    clips: pd.DataFrame | None = None
    notes: tuple = ()
    about: pd.DataFrame | None = None

    def media(self, column):
        """Full paths of ``audio_path`` or ``video_path``: Series of Path or None by clip_id."""
        paths = [self.root / p if isinstance(p, str) else None for p in self.manifest[column]]
        return pd.Series(paths, index=self.manifest["clip_id"], name=column, dtype=object)


# Files: where they are, and how they get there


def _entry(name):
    if name not in CATALOGUE:
        raise CorpusError(f"no corpus '{name}' to download: known are {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def url(name, file):
    """Address of one published file at the pinned commit."""
    entry = _entry(name)
    return f"{RAW}/{entry['repository']}/{entry['commit']}/{quote(entry['files'][file][0])}"


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def local_files(name):
    """Files at hand without a download: dict file name -> Path."""
    found = {}
    for file, (_, sha256) in _entry(name)["files"].items():
        own = [path for path in (data / name / file for data in data_dirs()) if path.is_file()]
        cached = cache_dir(name, file)
        if own:
            found[file] = own[0]
        elif cached.is_file() and _sha256(cached.read_bytes()) == sha256:
            found[file] = cached
    return found


def at_hand(name):
    """Whether every file of a corpus is there without a download."""
    if name == "fixture":
        return (FIXTURE / "manifest.csv").is_file()
    return set(local_files(name)) == set(_entry(name)["files"])


def fetch(name, files=None):
    """Download published files into the pooch cache; files that are already there are kept.

    Parameters
    ----------
    name : str
        A corpus of `CATALOGUE`.
    files : iterable of str, optional
        File names; all files of the corpus by default.

    Returns
    -------
    dict of str to Path

    Raises
    ------
    CorpusError
        One message for all files that could not be had: address, SHA-256, reason, and the folder
        to put them into by hand. A file with another SHA-256 than the pinned one is never kept.
    """
    entry, folder, found, failed = _entry(name), cache_dir(name), {}, {}
    files = list(entry["files"] if files is None else files)
    store = pooch.create(
        path=folder,
        base_url="",
        registry={file: f"sha256:{entry['files'][file][1]}" for file in files},
        urls={file: url(name, file) for file in files},
    )
    for file in files:
        try:
            found[file] = Path(store.fetch(file, downloader=limited))
        except (requests.ConnectionError, requests.Timeout) as error:
            rest = [f for f in files if f not in found and f not in failed]
            failed |= dict.fromkeys(rest, f"no connection ({type(error).__name__})")
            break
        except (OSError, ValueError) as error:
            failed[file] = " ".join(str(error).split())
    if failed:
        lines = [f"{name}: {len(failed)} of {len(entry['files'])} files are missing."]
        for file, reason in failed.items():
            lines += [f"  {file}: {reason}", f"    {url(name, file)}"]
            lines += [f"    sha256 {entry['files'][file][1]}"]
        own = [data / name for data in data_dirs()]
        own = own[0] if own else f"{name}/ in a folder that EMPDIS_DATA names"
        lines += [f"Download them by hand into {folder}", f"or into {own}, then run again."]
        raise CorpusError("\n".join(lines))
    return found


def paths(name):
    """Find every file of a corpus: ``$EMPDIS_DATA/<name>/``, the pooch cache, then a download.

    Returns
    -------
    dict of str to Path
        File name -> path. A file under ``$EMPDIS_DATA`` is used as it is; when its SHA-256 is not
        the published one, a warning names it.

    Raises
    ------
    CorpusError
        Unknown corpus, or files that cannot be had (see `fetch`).
    """
    entry, found = _entry(name), local_files(name)
    for data in data_dirs():
        if not data.is_dir():
            warnings.warn(f"EMPDIS_DATA is {data}, which is not a folder", stacklevel=2)
    for file, path in found.items():
        if _sha256(_bytes(path)) != entry["files"][file][1]:
            warnings.warn(f"{path} differs from the published file; used as it is", stacklevel=2)
    missing = [file for file in entry["files"] if file not in found]
    found |= fetch(name, missing) if missing else {}
    return {file: found[file] for file in entry["files"]}


# Reading: every row is checked, all bad rows are listed


def _refuse(problems):
    if problems:
        lines = "\n".join(map(str, problems))
        raise CorpusError(f"{len(problems)} bad value(s):\n{lines}", problems)


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


def _bytes(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror})") from error


def _table(path, columns=None):
    """Read a CSV as text, so that nothing is guessed (no 'NA', no rounding).

    Parameters
    ----------
    path : Path
    columns : sequence of str, optional
        Columns that the header must have. Without it the file has no header and the columns are
        called '1', '2', …

    Returns
    -------
    frame : DataFrame of str
        Index: 1-based line of the file on which the row starts.
    sha256 : str
    problems : list of Problem
        Bytes that are not UTF-8, broken quotes, rows of another width, missing columns.
    """
    path = Path(path)
    try:
        data = _bytes(path)
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
    return frame, _sha256(data), problems


def _tables(files):
    """Read ``{path: columns}``; raise with every structural problem of every file."""
    read = {path: _table(path, columns) for path, columns in files.items()}
    _refuse([problem for _, _, problems in read.values() for problem in problems])
    frames = {path: frame for path, (frame, _, _) in read.items()}
    return frames, {Path(path).name: sha256 for path, (_, sha256, _) in read.items()}


def _not_negative(text):
    return pd.to_numeric(text, errors="coerce").between(0, np.inf, inclusive="left")


_filled = pa.Check(lambda s: s.str.strip() != "", error="not empty")
_seconds = pa.Check(_not_negative, error="seconds, 0 or more")
_seconds_or_empty = pa.Check(
    lambda s: (s == "") | _not_negative(s), error="seconds, 0 or more, or empty"
)
_count = pa.Check(lambda s: s.str.fullmatch("[0-9]{1,9}"), error="a whole number, 0 or more")


def _one_of(values):
    return pa.Check.isin(list(values), error=" or ".join(values))


def _columns(**checks):
    return pa.DataFrameSchema({name: pa.Column(str, check) for name, check in checks.items()})


def _check(frame, schema, path):
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


def _bad(mask, frame, path, column, expected, found=None):
    """One Problem for each row where `mask` holds."""
    found = frame[column] if found is None else found
    return [
        Problem(str(path), int(line), column, expected, str(value))
        for line, value, bad in zip(frame.index, found, mask, strict=True)
        if bad
    ]


def _named(frame, path):
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
            problems += _bad(other.notna(), frame, path, column, expected, found)
        if changed := int((new != frame[column]).sum()):
            counts[column] = changed
        frame[column] = new
    told = ", ".join(f"{column} {n}" for column, n in counts.items())
    note = f"{Path(path).name}: blanks, invisible characters or capitals were set right in {told}"
    return frame, problems, [f"{note} (rows)."] if counts else []


def _repeated(frames, column, unique_in):
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


def _order(frame, start, end, path):
    """Rows that end before they start. Equal times are a clip of no length, not an error."""
    late = pd.to_numeric(frame[end], errors="coerce") < pd.to_numeric(frame[start], errors="coerce")
    found = frame[end] + " with " + start + " " + frame[start]
    return _bad(late, frame, path, end, f"{start} or later", found)


def _manifest(**columns):
    """The manifest columns in order and in their types; what is not given is missing."""
    frame = pd.DataFrame(columns).reset_index(drop=True)
    if "n_tokens" not in frame:
        frame["n_tokens"] = frame["transcript"].str.split().str.len()
    frame = frame.reindex(columns=MANIFEST_COLUMNS)
    kinds = {"start_s": float, "end_s": float, "n_tokens": "int64", "y": "int64"}
    return frame.astype({name: kinds.get(name, "str") for name in MANIFEST_COLUMNS})


# The corpora


def clips_table(folder, clip_ids):
    """What became of each clip that `clips.fetch` was to bring.

    Parameters
    ----------
    folder : path
        Holds ``clips.csv`` and the media.
    clip_ids : sequence of str

    Returns
    -------
    DataFrame
        Columns `CLIPS_COLUMNS`, one row per clip in the order given. Paths are relative to
        `folder`, missing where there is no file. A clip without a row has status "not_fetched";
        one whose file is gone, "missing".

    Raises
    ------
    CorpusError
        Bad rows, among them paths that leave `folder`.
    """
    folder = Path(folder)
    path = folder / "clips.csv"
    frame = pd.DataFrame(columns=CLIPS_COLUMNS, dtype=str)
    if path.is_file():
        frames, _ = _tables({path: CLIPS_COLUMNS})
        frame = frames[path]
    problems = _repeated({path: frame}, "clip_id", "the table")
    for column in ("audio_path", "video_path"):
        why = frame[column].map(lambda value: _escape(folder, value))
        for line in frame.index[why.notna()]:
            found = frame[column][line]
            problems.append(Problem(str(path), int(line), column, f"{why[line]} ({folder})", found))
    _refuse(problems)
    for column in ("audio_path", "video_path"):
        gone = [bool(name) and not (folder / name).is_file() for name in frame[column]]
        frame.loc[gone, "status"] = "missing"
        frame.loc[gone, "reason"] = "The file is gone; make clips fetches it again."
        frame[column] = frame[column].where((frame[column] != "") & ~np.array(gone, bool))
    frame = frame.set_index("clip_id").reindex(pd.Index(clip_ids, name="clip_id")).reset_index()
    new = frame["status"].isna()
    frame.loc[new, ["status", "reason"]] = ["not_fetched", "make clips has not come to it yet."]
    return frame.astype("str")


def load_empspeech():
    """The paper's own release: 1,228 / 153 / 154 speech segments of 42 recordings.

    The release holds no media. Clips that ``make clips`` fetched fill ``audio_path`` and
    ``video_path``; ``clips`` says for each row what became of it.

    ``clip_id`` is the release's ``filename``, unique over the three files.

    Returns
    -------
    Corpus
        Splits ``train``, ``val`` and ``test`` as released.

    Raises
    ------
    CorpusError
        Missing files, or every bad row of them.
    """
    found = paths("empspeech")
    names = ["dialog_id", "start_time", "end_time", "filename", "transcript", "label"]
    schema = _columns(
        **{"dialog_id": _filled, "filename": _filled, "start_time": _seconds},
        **{"end_time": _seconds, "label": _one_of(EMPATHY)},
    )
    frames, files = _tables({path: names for path in found.values()})
    problems = _repeated(frames, "filename", "the release")
    for path, frame in frames.items():
        problems += _check(frame, schema, path) + _order(frame, "start_time", "end_time", path)
    _refuse(problems)
    for file, path in found.items():
        frames[path] = frames[path].assign(split=Path(file).stem)
    rows = pd.concat(frames.values())
    manifest = _manifest(
        clip_id=rows["filename"],
        dialog_id=rows["dialog_id"],
        start_s=rows["start_time"].astype(float),
        end_s=rows["end_time"].astype(float),
        transcript=rows["transcript"],
        label=rows["label"],
        y=rows["label"].map(EMPATHY),
        split=rows["split"],
    )
    folder = clips_dir()
    if not (folder / "clips.csv").is_file():
        return Corpus("empspeech", manifest, files=files)
    clips = clips_table(folder, manifest["clip_id"])
    media = ["audio_path", "video_path"]
    manifest[media] = clips[media].to_numpy()
    files["clips.csv"] = _sha256((folder / "clips.csv").read_bytes())
    return Corpus(
        "empspeech", manifest.astype(dict.fromkeys(media, "str")), folder, clips=clips, files=files
    )


def _numbers(frame, path):
    """Float64 [n, d] of a table of text; one Problem for each cell that is no finite number."""
    values = frame.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    cells = [(frame.index[i], frame.columns[j], frame.iat[i, j]) for i, j in _nonfinite(values)]
    return values, [
        Problem(str(path), int(line), column, "a finite number", found)
        for line, column, found in cells
    ]


def _nonfinite(values):
    return np.argwhere(~np.isfinite(values))


def _mosi_transcripts(frame, path):
    """Transcripts with their columns named, and what is wrong with them."""
    names = ["clip_id", "transcript", "video", "label"]
    if frame.shape[1] != len(names):
        _refuse([Problem(str(path), 1, "(any)", "4 fields", f"{frame.shape[1]} fields")])
    frame = frame.set_axis(names, axis=1)
    named = pa.Check.str_matches(r"^.+_[0-9]+$", error="VIDEO_N")
    problems = _check(frame, _columns(clip_id=named, label=_one_of(("0", "1"))), path)
    return frame, problems + _repeated({path: frame}, "clip_id", "the file")


def _mosi_rows(frames, scripts, scripts_path):
    """Transcript rows (int arrays) that each text file names in its first column."""
    known = {str(i) for i in range(len(scripts))}
    problems = _repeated(frames, "1", "both splits")
    for path, frame in frames.items():
        expected = f"a row of transcripts.csv, 0 to {len(scripts) - 1}"
        problems += _bad(~frame["1"].isin(known), frame, path, "1", expected)
    used = {row for frame in frames.values() for row in frame["1"]}
    left = [str(i) not in used for i in range(len(scripts))]
    problems += _bad(left, scripts, scripts_path, "clip_id", "an utterance of train or test")
    _refuse(problems)
    return [frame["1"].to_numpy().astype(int) for frame in frames.values()]


def _mosi_features(frame, path, labels):
    """Features [n, d] of one modality and split; rows and labels must match the text file's."""
    values, problems = _numbers(frame, path)
    if len(values) != len(labels):
        found = f"{len(values)} rows"
        return values, [Problem(str(path), 1, "(any)", f"{len(labels)} rows", found), *problems]
    wrong = values[:, -1] != labels
    problems += _bad(wrong, frame, path, frame.columns[-1], "the label in transcripts.csv")
    return values[:, :-1], problems


def _same_rows(values, other):
    """Which rows of two float tables agree: bool [n]; none when the widths differ."""
    if values.shape != other.shape:
        return np.zeros(len(values), dtype=bool)
    return np.isclose(values, other, rtol=1e-6, atol=1e-9).all(axis=1)


def load_mosi():
    """CMU-MOSI as prepared by declare-lab: 2,199 utterances of 93 videos, 1,447 train and 752 test.

    The first column of ``text_train.csv`` and ``text_test.csv`` is the 0-based row of
    ``transcripts.csv`` (``VIDEO_N``, text, video number, label). The rows of ``*_train0.csv`` and
    ``*_test0.csv`` are the same utterances in the same order; their last column is the label.
    Checked on load: each transcript row is used exactly once; the text features agree in both
    files; the labels of the three modalities and of the transcripts agree.

    Returns
    -------
    Corpus
        ``features``: text [n, 100], audio [n, 73], video [n, 100]. Times and paths are missing.

    Raises
    ------
    CorpusError
        Missing files, or every bad row of them.
    """
    found = paths("mosi")
    frames, files = _tables({path: None for path in found.values()})
    scripts_path = found["transcripts.csv"]
    scripts, problems = _mosi_transcripts(frames[scripts_path], scripts_path)
    _refuse(problems)
    texts = {split: found[f"text_{split}.csv"] for split in ("train", "test")}
    rows = _mosi_rows({path: frames[path] for path in texts.values()}, scripts, scripts_path)
    truth = scripts["label"].astype(int).to_numpy()

    features = {modality: [] for modality in ("text", "audio", "video")}
    for (split, text_path), row in zip(texts.items(), rows, strict=True):
        text, bad = _numbers(frames[text_path].drop(columns="1"), text_path)
        problems += bad
        for modality, parts in features.items():
            path = found[f"{modality}_{split}0.csv"]
            values, bad = _mosi_features(frames[path], path, truth[row])
            if modality == "text" and not bad:
                expected = f"the features of {text_path.name}"
                bad = _bad(~_same_rows(values, text), frames[path], path, "1", expected)
            problems += bad
            parts.append(values)
    for modality, (train, test) in features.items():
        if train.shape[1] != test.shape[1]:
            path, widths = found[f"{modality}_test0.csv"], (train.shape[1], test.shape[1])
            expected, actual = (f"{width} features" for width in widths)
            problems.append(Problem(str(path), 1, "(any)", f"{expected}, as in train", actual))
    _refuse(problems)

    script = scripts.iloc[np.concatenate(rows)]
    manifest = _manifest(
        clip_id=script["clip_id"],
        dialog_id=script["clip_id"].str.rsplit("_", n=1).str[0],
        transcript=script["transcript"],
        label=script["label"].map({"0": "negative", "1": "positive"}),
        y=script["label"].astype(int),
        split=np.repeat(["train", "test"], [len(row) for row in rows]),
    )
    index = pd.Index(manifest["clip_id"], name="clip_id")
    tables = {}
    for modality, parts in features.items():
        values = np.concatenate(parts).astype(np.float32)
        columns = [f"{modality}_{i:03d}" for i in range(values.shape[1])]
        tables[modality] = pd.DataFrame(values, index=index, columns=columns)
    return Corpus("mosi", manifest, features=tables, files=files)


def load_cremad():
    """CREMA-D's tabulated votes: 7,442 acted clips, each judged by ear, by eye, and by both.

    Returns
    -------
    Corpus
        ``manifest``: one row per clip. ``dialog_id`` is the actor, ``label`` the *intended*
        emotion from the file name, ``y`` 0 when that is neutral and 1 otherwise, ``transcript`` the
        scripted sentence, ``split`` ``all`` (none is published).
        ``votes``: three rows per clip, ``modality`` ``audio``, ``video`` or ``audio+video``,
        counts A D F H N S (anger, disgust, fear, happy, neutral, sad) and their sum ``n``.
        ``status`` is ``faulty_media`` for the four clips that the publisher's README calls broken,
        ``audio_in_doubt`` for 28 clips whose video had no sound when it was published, else ``ok``.
        Their votes are kept.

    Raises
    ------
    CorpusError
        Missing files, or every bad row of them.
    """
    path = paths("cremad")["tabulatedVotes.csv"]
    frames, files = _tables({path: ["", "fileName", "numResponses", *VOTES]})
    rows = frames[path].rename(columns={"": "row id"})
    name = rf"^[0-9]{{4}}_({'|'.join(CREMAD_SENTENCES)})_({'|'.join(EMOTIONS)})_(LO|MD|HI|XX)$"
    schema = _columns(
        **{"row id": pa.Check.str_matches(r"^[123][0-9]{5}$", error="1xxxxx, 2xxxxx or 3xxxxx")},
        **{"fileName": pa.Check.str_matches(name, error="ACTOR_SENTENCE_EMOTION_LEVEL")},
        **{column: _count for column in ("numResponses", *VOTES)},
    )
    _refuse(_check(rows, schema, path))
    counts = rows[list(VOTES)].astype("int64")
    n = counts.sum(axis=1)
    rows["modality"] = rows["row id"].str[0].astype(int).map(CREMAD_MODALITY)
    problems = _bad(
        n != rows["numResponses"].astype(int), rows, path, "numResponses", "the sum of A to S"
    )
    key = rows["fileName"] + " " + rows["modality"]
    problems += _bad(key.duplicated(), rows, path, "fileName", "one row per modality", key)
    incomplete = rows.groupby("fileName")["modality"].transform("nunique") != len(CREMAD_MODALITY)
    problems += _bad(incomplete, rows, path, "fileName", "a row for audio, video and both", key)
    _refuse(problems)

    clips = rows["fileName"].drop_duplicates()
    parts = clips.str.split("_", expand=True)
    manifest = _manifest(
        clip_id=clips,
        dialog_id=parts[0],
        transcript=parts[1].map(CREMAD_SENTENCES),
        label=parts[2].map(EMOTIONS),
        y=(parts[2] != "NEU").astype(int),
        split="all",
    )
    votes = counts.assign(clip_id=rows["fileName"], modality=rows["modality"], n=n)
    votes = votes.set_index(["clip_id", "modality"])
    order = pd.MultiIndex.from_product(
        [manifest["clip_id"], CREMAD_MODALITY.values()], names=votes.index.names
    )
    votes = votes.loc[order].reset_index()
    silent = votes["clip_id"].isin(CREMAD_SILENT) & (votes["modality"] == "audio+video")
    faulty = votes["clip_id"].isin(CREMAD_FAULTY)
    votes["status"] = np.select([faulty, silent], ["faulty_media", "audio_in_doubt"], "ok")
    votes["reason"] = votes["clip_id"].map(CREMAD_FAULTY).fillna("")
    votes.loc[silent, "reason"] = SILENT_REASON
    return Corpus("cremad", manifest, votes=votes.astype({"status": "str"}), files=files)


def load_mustardpp():
    """MUStARD++: 1,202 lines of television comedy, half of them sarcastic.

    Returns
    -------
    Corpus
        ``manifest``: one row per judged line (the lines before it are left out). ``clip_id`` is its
        KEY, ``dialog_id`` show and speaker, ``label`` sarcastic or sincere, ``y`` 1 or 0, ``split``
        ``all`` (none is published). ``about``: show, speaker, explicit and implicit (emotions),
        sarcasm_type, valence, arousal.

    Raises
    ------
    CorpusError
        Missing files, or every bad row of them.
    """
    path = paths("mustardpp")["mustard++_text.csv"]
    facts = {"SHOW": "show", "SPEAKER": "speaker", "Explicit_Emotion": "explicit"}
    facts |= {"Implicit_Emotion": "implicit", "Sarcasm_Type": "sarcasm_type"}
    facts |= {"Valence": "valence", "Arousal": "arousal"}
    frames, files = _tables({path: ["KEY", "SENTENCE", "Sarcasm", *facts]})
    problems = _repeated(frames, "KEY", "the file")
    rows = frames[path]
    problems += _check(rows, _columns(Sarcasm=_one_of(("0", "1", ""))), path)
    rows = rows[rows["Sarcasm"] != ""]
    rating = pa.Check.str_matches(r"^[1-9]$", error="a rating, 1 to 9")
    checks = {name: rating if name in ("Valence", "Arousal") else _filled for name in facts}
    problems += _check(rows, _columns(SENTENCE=_filled, **checks), path)
    _refuse(problems)
    y = rows["Sarcasm"].astype(int)
    manifest = _manifest(
        clip_id=rows["KEY"],
        dialog_id=rows["SHOW"] + " " + rows["SPEAKER"],
        transcript=rows["SENTENCE"],
        label=y.map({0: "sincere", 1: "sarcastic"}),
        y=y,
        split="all",
    )
    about = rows[list(facts)].rename(columns=facts).astype({"valence": int, "arousal": int})
    about.insert(0, "clip_id", rows["KEY"])
    return Corpus("mustardpp", manifest, files=files, about=about.reset_index(drop=True))


# Judgments per channel from elsewhere

ABOUT_VOTES = ("clip_id", "dialog_id", "channel", "label", "transcript")
SIMS = {"label_T": "text", "label_A": "audio", "label_V": "video", "label": "text+audio+video"}
SIGNS = ("negative", "neutral", "positive")


def _whole_clips(name, rows, votes, answers, files):
    """A Corpus of `rows` (one per clip) and its votes."""
    label = rows["label"] if "label" in rows else pd.Series("not stated", index=rows.index)
    manifest = _manifest(
        clip_id=rows["clip_id"],
        dialog_id=rows["dialog_id"],
        transcript=rows["transcript"] if "transcript" in rows else "",
        label=label,
        y=pd.factorize(label, sort=True)[0],
        split="all",
    )
    votes = votes.assign(n=votes[answers].sum(axis=1))
    empty = votes["n"] == 0
    votes["status"] = np.where(empty, "no_votes", "ok")
    votes["reason"] = np.where(empty, "nobody judged this clip", "")
    order = ["clip_id", "modality", *answers, "n", "status", "reason"]
    return Corpus(name, manifest, votes=votes[order].reset_index(drop=True), files=files)


def read_votes(path):
    """Read and check votes of people who got one channel of a clip, or all of it.

    Parameters
    ----------
    path : str or Path
        A UTF-8 CSV, one row per clip and channel: ``clip_id``, ``dialog_id`` (recording or
        speaker), ``channel`` (names of your own; ``audio+video`` for both), and one column for each
        answer, with the number of people who gave it. Optional: ``label``, ``transcript``.

    Returns
    -------
    Corpus
        ``votes`` as of `load_cremad`.

    Raises
    ------
    CorpusError
        Lists every bad value: file, line, column, what was expected.
    """
    path = Path(path)
    frames, files = _tables({path: ["clip_id", "dialog_id", "channel"]})
    (frame,) = frames.values()
    answers = [name for name in frame if name not in ABOUT_VOTES]
    reserved = [name for name in answers if name in ("modality", "n", "status", "reason")]
    if len(answers) < 2 or reserved:
        expected = "a column of counts for each of two answers or more"
        expected += "; not called modality, n, status or reason" if reserved else ""
        _refuse([Problem(str(path), 1, "(any)", expected, ", ".join(reserved or answers))])
    frame, problems, notes = _named(frame, path)
    filled = [name for name in ("clip_id", "dialog_id", "channel", "label") if name in frame]
    checks = dict.fromkeys(filled, _filled) | dict.fromkeys(answers, _count)
    problems += _check(frame, _columns(**checks), path)
    key = frame["clip_id"] + ", " + frame["channel"]
    problems += _bad(key.duplicated(), frame, path, "channel", "a clip and channel once", key)
    for column in [name for name in ("dialog_id", "label", "transcript") if name in frame]:
        first = frame.groupby("clip_id")[column].transform("first")
        expected = "the same in every row of a clip"
        problems += _bad(first != frame[column], frame, path, column, expected)
    _refuse(problems)
    frame = frame.astype(dict.fromkeys(answers, "int64")).rename(columns={"channel": "modality"})
    rows = frame.drop_duplicates("clip_id")
    corpus = _whole_clips(path.stem, rows, frame, answers, files)
    return replace(corpus, notes=tuple(notes))


def read_channel_labels(path):
    """Read and check one rating per channel, in the columns of CH-SIMS' ``label.csv``.

    Parameters
    ----------
    path : str or Path
        A UTF-8 CSV with ``video_id``, ``clip_id``, ``text``, ``label`` (the whole clip),
        ``label_T``, ``label_A``, ``label_V`` (text, sound, picture alone), each -1 to 1. Other
        columns are left out.

    Returns
    -------
    Corpus
        ``votes``: one vote per clip and channel, negative (below 0), neutral or positive.
        ``about``: clip_id and the ratings as they are. ``clip_id`` is ``video_id/clip_id``,
        ``dialog_id`` the video, ``label`` the sign of the whole clip.

    Raises
    ------
    CorpusError
        Lists every bad value, among them ratings outside -1 to 1.

    Notes
    -----
    The names are those of CH-SIMS (Yu et al. 2020, doi:10.18653/v1/2020.acl-main.343).
    """
    path = Path(path)
    frames, files = _tables({path: ["video_id", "clip_id", "text", *SIMS]})
    (frame,) = frames.values()
    inside = pa.Check(
        lambda s: pd.to_numeric(s, errors="coerce").between(-1, 1), error="a rating, -1 to 1"
    )
    checks = {"video_id": _filled, "clip_id": _filled} | dict.fromkeys(SIMS, inside)
    problems = _check(frame, _columns(**checks), path)
    name = frame["video_id"].map(plain) + "/" + frame["clip_id"].map(plain)
    problems += _bad(name.duplicated(), frame, path, "clip_id", "a clip of a video once", name)
    _refuse(problems)
    ratings = frame[list(SIMS)].astype(float)
    parts = []
    for column, channel in SIMS.items():
        sign = np.sign(ratings[column]).astype(int)
        counts = {answer: (sign == k - 1).astype("int64") for k, answer in enumerate(SIGNS)}
        parts.append(pd.DataFrame({"clip_id": name, "modality": channel, **counts}))
    whole = np.sign(ratings["label"]).astype(int).map(dict(zip((-1, 0, 1), SIGNS, strict=True)))
    rows = pd.DataFrame(
        {"clip_id": name, "dialog_id": frame["video_id"].map(plain), "label": whole}
    ).assign(transcript=frame["text"])
    about = ratings.rename(columns=SIMS).assign(clip_id=name).reset_index(drop=True)
    corpus = _whole_clips(path.stem, rows, pd.concat(parts), list(SIGNS), files)
    return replace(corpus, about=about)


def _escape(root, value):
    """What is wrong with a manifest path, or None when it stays inside `root`."""
    posix, windows = PurePosixPath(value), PureWindowsPath(value)
    if not value:
        return None
    if posix.is_absolute() or windows.drive or windows.root:
        return "a relative path"
    if ".." in posix.parts or ".." in windows.parts:
        return "a path without '..'"
    try:
        target = (root / value).resolve()
    except (OSError, RuntimeError, ValueError):
        return "a path that can be followed"
    return None if target.is_relative_to(root.resolve()) else "a path that stays inside the folder"


def _labels(frame, path):
    """``y`` of a manifest (given, or from neutral/empathetic) and the rows where it is wrong."""
    known = frame["label"].map(EMPATHY)
    if "y" not in frame:
        if known.isna().all():
            found = "labels " + ", ".join(sorted(set(frame["label"]))[:10])
            expected = "this column (0, 1, …), as the labels are not neutral and empathetic"
            return known, [Problem(str(path), 1, "y", expected, found)]
        expected = "neutral or empathetic (other labels need a column y: 0, 1, …)"
        return known, _bad(known.isna(), frame, path, "label", expected)
    problems = _check(frame, _columns(y=_count), path)
    if problems:
        return known, problems
    y = frame["y"].astype(int)
    expected = "classes numbered 0, 1, … without gaps"
    problems = _bad(y >= max(y.nunique(), 2), frame, path, "y", expected)
    problems += _bad(known.notna() & (known != y), frame, path, "y", "neutral 0, empathetic 1")
    pairs = pd.DataFrame({"label": frame["label"], "y": y})
    for one, many in (("label", "y"), ("y", "label")):
        clash = pairs[many] != pairs.groupby(one)[many].transform("first")
        found = "y " + frame["y"] + " with label " + frame["label"]
        problems += _bad(clash, frame, path, many, f"one {many} for each {one}", found)
    return y, problems


def _read_manifest(path, root):
    required = ["clip_id", "dialog_id", "transcript", "label", "split"]
    frames, files = _tables({Path(path): required})
    (frame,) = frames.values()
    repeated = _repeated({path: frame}, "clip_id", "the manifest")
    frame, problems, notes = _named(frame, path)
    filled = {name: _filled for name in ("clip_id", "dialog_id", "label", "split")}
    optional = {"start_s": _seconds_or_empty, "end_s": _seconds_or_empty, "n_tokens": _count}
    given = {name: check for name, check in optional.items() if name in frame}
    problems += _check(frame, _columns(**filled, **given), path) + repeated
    if {"start_s", "end_s"} <= set(frame):
        problems += _order(frame, "start_s", "end_s", path)
    y, bad = _labels(frame, path)
    problems += bad
    for column in sorted({"audio_path", "video_path"} & set(frame)):
        wrong = [_escape(root, value) for value in frame[column]]
        for line, value, why in zip(frame.index, frame[column], wrong, strict=True):
            if why:
                problems.append(Problem(str(path), int(line), column, f"{why} ({root})", value))
        frame[column] = frame[column].where(frame[column] != "")
    _refuse(problems)
    for column in sorted({"start_s", "end_s"} & set(frame)):
        frame[column] = pd.to_numeric(frame[column].where(frame[column] != ""))
    frame["y"] = y
    manifest = _manifest(**{name: frame[name] for name in MANIFEST_COLUMNS if name in frame})
    return manifest, files, tuple(notes)


def read_manifest(path, root=None):
    """Read and check a corpus of your own.

    Parameters
    ----------
    path : str or Path
        A UTF-8 CSV with columns ``clip_id``, ``dialog_id`` (recording), ``transcript`` (may be
        empty), ``label`` and ``split``. Optional: ``start_s`` and ``end_s`` (seconds),
        ``audio_path`` and ``video_path``, ``y`` (0, 1, …; derived when the labels are ``neutral``
        and ``empathetic``) and ``n_tokens`` (derived: words between white space). Other columns
        are left out. Blanks and invisible characters around ids, labels, splits and numbers are
        removed, accents stored in one way, and ``Train`` is ``train``.
    root : str or Path, optional
        Folder that the media paths are relative to; the folder of `path` by default.

    Returns
    -------
    DataFrame
        Columns `MANIFEST_COLUMNS`; media paths as written, relative to `root`. Whether the media
        exist is told by the chapter that opens them, clip by clip.

    Raises
    ------
    CorpusError
        Lists every bad value: missing columns, bytes that are not UTF-8, empty or repeated ids,
        two names that look the same (``r0`` and ``r0`` with a blank), unknown labels, ends before
        starts, and media paths that are absolute, hold ``..`` or leave `root` through a link.
    """
    return _read_manifest(path, Path(root) if root else Path(path).parent)[0]


# Predictions of models from elsewhere

ABOUT_CLIP = ("clip_id", "y", "seed", "dialog_id", "split", "label", "transcript")


def _model_columns(frame, path):
    """Columns of each model, ``{model: {class: column}}``, and what is wrong with the header.

    Two classes: one column per model, class "1". More: one column per model and class.
    """
    columns = [name for name in frame if name not in ABOUT_CLIP]
    by_class = any(":" in name for name in columns)
    models, problems = {}, []
    for name in columns:
        model, colon, label = (plain(part) for part in name.partition(":"))
        if not model or (by_class and not (colon and label)):
            expected = f"MODEL:CLASS like other columns, or one of {', '.join(ABOUT_CLIP)}"
            problems.append(Problem(str(path), 1, name, expected, name))
        models.setdefault(model, {})[label or "1"] = name
    classes = list(next(iter(models.values()), {}))
    for model, given in models.items():
        if set(given) != set(classes):
            expected = f"one column for each class: {', '.join(f'{model}:{c}' for c in classes)}"
            problems.append(Problem(str(path), 1, model, expected, ", ".join(given.values())))
    if not problems and len(models) < 2:
        expected = "two columns of probabilities or more: a model of one modality, and fusion"
        problems.append(Problem(str(path), 1, "(any)", expected, ", ".join(columns) or "none"))
    if not problems and by_class and len(classes) < 2:
        expected = "a column for every class, or columns without ':' for two classes"
        problems.append(Problem(str(path), 1, "(any)", expected, ", ".join(columns)))
    return models, problems


def _probability_cells(frame, columns, path):
    """Numbers [n, c] of `columns` and one Problem for each cell outside [0, 1].

    A column that mostly holds something else is one Problem: it is no model.
    """
    values, problems = frame[columns].apply(pd.to_numeric, errors="coerce"), []
    for column in columns:
        bad = ~values[column].between(0, 1)
        if bad.sum() > max(len(bad) / 2, 1):
            expected = f"probabilities; a column about the clip is one of {', '.join(ABOUT_CLIP)}"
            found = (
                f"{bad.sum()} of {len(bad)} rows hold none, such as {frame[column][bad].iloc[0]}"
            )
            problems.append(Problem(str(path), 1, column, expected, found))
        else:
            problems += _bad(bad, frame, path, column, "a probability, 0 to 1")
    return values.to_numpy(float), problems


def _classes_of(frame, classes, path):
    """Class number of each row of ``y`` and the rows where it is none of `classes`."""
    names = frame["y"].map(plain)
    if classes == ["1"]:
        numbers = pd.to_numeric(names, errors="coerce")
        expected = "0 or 1 (more classes: one column MODEL:CLASS per model and class)"
        return numbers, _bad(~numbers.isin([0, 1]), frame, path, "y", expected)
    numbers = names.map({name: number for number, name in enumerate(classes)})
    expected = f"a class of the columns: {', '.join(classes)}"
    return numbers, _bad(numbers.isna(), frame, path, "y", expected)


def read_predictions(path):
    """Read and check the probabilities that models from elsewhere gave to clips.

    Parameters
    ----------
    path : str or Path
        A UTF-8 CSV, one row per clip. ``clip_id`` and ``y`` (true class) are required.
        Optional: ``dialog_id`` (recording), ``split`` (train, val, test), ``label`` (name of the
        class), ``transcript``, and ``seed`` (then one row per clip and seed). Every other column
        is a model. Two classes: ``MODEL`` holds P(class 1) and ``y`` is 0 or 1. More classes:
        ``MODEL:CLASS`` holds the probability of that class and ``y`` is a class; classes are
        numbered in the order of the columns.

    Returns
    -------
    Corpus
        ``predictions`` has source ``given``, fold 0, seed 0 unless given; more than two classes
        have ``p_0``, ``p_1``, … beside ``p``. ``split`` is ``test`` unless given. Without
        ``dialog_id`` every clip is its own recording. Probabilities of several classes may sum to
        1 up to rounding at the second decimal; they are rescaled.

    Raises
    ------
    CorpusError
        Lists every bad value: file, line, column, what was expected.
    """
    path = Path(path)
    if not path.name:
        raise CorpusError("which CSV? make study PROFILE=predictions CSV=mine.csv")
    frames, files = _tables({path: ["clip_id", "y"]})
    (frame,) = frames.values()
    models, problems = _model_columns(frame, path)
    _refuse(problems)
    about = [c for c in ABOUT_CLIP if c in frame]
    frame[about], problems, notes = _named(frame[about], path)
    classes = list(next(iter(models.values())))
    columns = [given[name] for given in models.values() for name in classes]
    values, bad = _probability_cells(frame, columns, path)
    problems += bad
    values = values.reshape(len(frame), len(models), len(classes))
    given = {"dialog_id": _filled, "split": _one_of(("train", "val", "test")), "label": _filled}
    given = {"clip_id": _filled, "seed": _count} | given
    problems += _check(frame, _columns(**{c: k for c, k in given.items() if c in frame}), path)
    y, bad = _classes_of(frame, classes, path)
    problems += bad
    key = [c for c in ("clip_id", "seed") if c in frame]
    expected = "a clip once" if key == ["clip_id"] else "a clip and seed once"
    named = frame[key].agg(", seed ".join, axis=1)
    problems += _bad(frame.duplicated(key), frame, path, "clip_id", expected, named)
    for column in [c for c in ABOUT_CLIP if c in frame and c not in key and "seed" in frame]:
        first = frame.groupby("clip_id")[column].transform("first")
        problems += _bad(first != frame[column], frame, path, column, "the same for every seed")
    if "label" in frame and not bad:
        first = frame.groupby(y)["label"].transform("first")
        problems += _bad(first != frame["label"], frame, path, "label", "one label for each y")
    if not bad and y.nunique() < 2:
        problems.append(Problem(str(path), 1, "y", "two classes", f"only {frame['y'].iloc[0]}"))
    if "split" in frame and not (frame["split"] == "test").any():
        problems.append(Problem(str(path), 1, "split", "test clips", "none"))
    if len(classes) > 1:
        total = values.sum(axis=2)
        for i, (model, columns) in enumerate(models.items()):
            off = np.abs(total[:, i] - 1) > 0.005 * len(classes) + 1e-9
            column, expected = next(iter(columns.values())), f"classes of {model} that sum to 1"
            found = pd.Series(total[:, i], index=frame.index).map("a sum of {:.4g}".format)
            problems += _bad(off, frame, path, column, expected, found)
    _refuse(problems)

    values = values / values.sum(axis=2, keepdims=True) if len(classes) > 1 else values
    frame = frame.assign(y=y.astype(int))
    missing = {"dialog_id": frame["clip_id"], "split": "test", "transcript": "", "seed": "0"}
    missing["label"] = frame["y"].map(dict(enumerate(classes)) if len(classes) > 1 else str)
    frame = frame.assign(**{c: v for c, v in missing.items() if c not in frame})
    about = frame[["clip_id", "seed", "split", "y"]].astype({"seed": int})
    parts = []
    for i, model in enumerate(models):
        p = {"p": values[:, i, min(1, len(classes) - 1)]}
        p |= {f"p_{k}": values[:, i, k] for k in range(len(classes)) if len(classes) > 2}
        parts.append(about.assign(inputs=model, source="given", fold=0, **p))
    manifest = frame.drop_duplicates("clip_id")
    manifest = _manifest(**{c: manifest[c] for c in MANIFEST_COLUMNS if c in manifest})
    predictions = pd.concat(parts, ignore_index=True)
    return Corpus(path.stem, manifest, files=files, predictions=predictions, notes=tuple(notes))


def load_fixture(root=FIXTURE):
    """The synthetic corpus with known truth that comes with the book.

    Parameters
    ----------
    root : str or Path
        Folder with ``manifest.csv``, ``truth.csv`` (clip_id and anything) and the media.

    Returns
    -------
    Corpus
        ``synthetic`` is True; ``truth`` has one row per clip, in manifest order.

    Raises
    ------
    CorpusError
        Missing files, every bad row, or clips that only one of the two files has.
    """
    root = Path(root)
    manifest, files, _ = _read_manifest(root / "manifest.csv", root)
    path = root / "truth.csv"
    frames, more = _tables({path: ["clip_id"]})
    clips, described = set(manifest["clip_id"]), frames[path]["clip_id"]
    problems = _repeated(frames, "clip_id", "the file")
    problems += _bad(
        ~described.isin(clips), frames[path], path, "clip_id", "a clip of the manifest"
    )
    for clip in sorted(clips - set(described)):
        problems.append(
            Problem(str(path), 1, "clip_id", "every clip of the manifest", f"no {clip}")
        )
    _refuse(problems)
    truth = pd.read_csv(path, dtype={"clip_id": str}, keep_default_na=False, na_values=[""])
    truth = truth.set_index("clip_id").loc[manifest["clip_id"]].reset_index()
    return Corpus(
        *("fixture", manifest, root), truth=truth, synthetic=True, files={**files, **more}
    )


#: What stands before the path of a CSV that is no manifest, and what reads it.
READERS = {"predictions": read_predictions, "votes": read_votes, "ratings": read_channel_labels}


def load(name):
    """Load a corpus by name, or your own from the path of its manifest (``….csv``).

    ``predictions:….csv`` reads probabilities of models from elsewhere (`read_predictions`),
    ``votes:….csv`` judgments per channel (`read_votes`), ``ratings:….csv`` one rating per channel
    in the columns of CH-SIMS (`read_channel_labels`).

    Raises
    ------
    CorpusError
        Unknown name (with the known ones), missing files, or every bad row.
    """
    loaders = {
        "empspeech": load_empspeech,
        "mosi": load_mosi,
        "cremad": load_cremad,
        "mustardpp": load_mustardpp,
        "fixture": load_fixture,
    }
    if str(name) in loaders:
        return loaders[str(name)]()
    kind, colon, path = str(name).partition(":")
    if colon and kind in READERS:
        return READERS[kind](path)
    path = Path(name)
    if path.suffix.lower() != ".csv":
        known = ", ".join(loaders)
        raise CorpusError(f"no corpus '{name}': known are {known}, or the path of a manifest .csv")
    manifest, files, notes = _read_manifest(path, path.parent)
    title = path.resolve().parent.name if path.stem == "manifest" else path.stem
    return Corpus(title, manifest, path.parent, files=files, notes=notes)


def main(arguments=None):
    """Command line: download corpora, or print which are at hand."""
    parser = argparse.ArgumentParser(prog="python -m empdis_utils.data.corpora")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CATALOGUE))
    parser.add_argument("--at-hand", action="store_true", help="print what needs no download")
    given = parser.parse_args(arguments)
    if given.at_hand:
        print(" ".join(name for name in CATALOGUE if at_hand(name)))
    elif not given.names:
        parser.error(f"name a corpus: {', '.join(CATALOGUE)}")
    for name in given.names:
        try:
            for file, path in paths(name).items():
                print(f"{name}/{file}: {path}")
        except CorpusError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

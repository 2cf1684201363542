"""A corpus as tables, and the tables that you bring: a manifest, predictions, fetched clips."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from empdis_utils.data import checks
from empdis_utils.data.identifiers import plain

__all__ = [
    "CLIPS_COLUMNS", "Corpus", "EMPATHY", "MANIFEST_COLUMNS", "clips_table", "manifest_of",
    "read_manifest", "read_predictions", "read_with_files",
]  # fmt: skip

MANIFEST_COLUMNS = (
    *("clip_id", "dialog_id", "start_s", "end_s", "transcript", "n_tokens"),
    *("label", "y", "split", "audio_path", "video_path"),
)
CLIPS_COLUMNS = (
    *("clip_id", "status", "reason", "audio_path", "video_path"),
    *("audio_sha256", "video_sha256", "at"),
)
EMPATHY = {"neutral": 0, "empathetic": 1}


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


def manifest_of(**columns):
    """The manifest columns in order and in their types; what is not given is missing."""
    frame = pd.DataFrame(columns).reset_index(drop=True)
    if "n_tokens" not in frame:
        frame["n_tokens"] = frame["transcript"].str.split().str.len()
    frame = frame.reindex(columns=MANIFEST_COLUMNS)
    kinds = {"start_s": float, "end_s": float, "n_tokens": "int64", "y": "int64"}
    return frame.astype({name: kinds.get(name, "str") for name in MANIFEST_COLUMNS})


def _labels(frame, path):
    """``y`` of a manifest (given, or from neutral/empathetic) and the rows where it is wrong."""
    known = frame["label"].map(EMPATHY)
    if "y" not in frame:
        if known.isna().all():
            found = "labels " + ", ".join(sorted(set(frame["label"]))[:10])
            expected = "this column (0, 1, …), as the labels are not neutral and empathetic"
            return known, [checks.Problem(str(path), 1, "y", expected, found)]
        expected = "neutral or empathetic (other labels need a column y: 0, 1, …)"
        return known, checks.bad(known.isna(), frame, path, "label", expected)
    problems = checks.broken(frame, checks.columns_of(y=checks.COUNT), path)
    if problems:
        return known, problems
    y = frame["y"].astype(int)
    expected = "classes numbered 0, 1, … without gaps"
    problems = checks.bad(y >= max(y.nunique(), 2), frame, path, "y", expected)
    problems += checks.bad(
        known.notna() & (known != y), frame, path, "y", "neutral 0, empathetic 1"
    )
    pairs = pd.DataFrame({"label": frame["label"], "y": y})
    for one, many in (("label", "y"), ("y", "label")):
        clash = pairs[many] != pairs.groupby(one)[many].transform("first")
        found = "y " + frame["y"] + " with label " + frame["label"]
        problems += checks.bad(clash, frame, path, many, f"one {many} for each {one}", found)
    return y, problems


def read_with_files(path, root):
    """`read_manifest`, the SHA-256 of the file by name, and notes on what reading changed."""
    required = ["clip_id", "dialog_id", "transcript", "label", "split"]
    frames, files = checks.read_tables({Path(path): required})
    (frame,) = frames.values()
    repeated = checks.repeated({path: frame}, "clip_id", "the manifest")
    frame, problems, notes = checks.named(frame, path)
    filled = {name: checks.FILLED for name in ("clip_id", "dialog_id", "label", "split")}
    optional = {
        "start_s": checks.SECONDS_OR_EMPTY,
        "end_s": checks.SECONDS_OR_EMPTY,
        "n_tokens": checks.COUNT,
    }
    given = {name: check for name, check in optional.items() if name in frame}
    problems += checks.broken(frame, checks.columns_of(**filled, **given), path) + repeated
    if {"start_s", "end_s"} <= set(frame):
        problems += checks.order(frame, "start_s", "end_s", path)
    y, bad = _labels(frame, path)
    problems += bad
    for column in sorted({"audio_path", "video_path"} & set(frame)):
        wrong = [checks.why_outside(root, value) for value in frame[column]]
        for line, value, why in zip(frame.index, frame[column], wrong, strict=True):
            if why:
                problems.append(
                    checks.Problem(str(path), int(line), column, f"{why} ({root})", value)
                )
        frame[column] = frame[column].where(frame[column] != "")
    checks.refuse(problems)
    for column in sorted({"start_s", "end_s"} & set(frame)):
        frame[column] = pd.to_numeric(frame[column].where(frame[column] != ""))
    frame["y"] = y
    manifest = manifest_of(**{name: frame[name] for name in MANIFEST_COLUMNS if name in frame})
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
    return read_with_files(path, Path(root) if root else Path(path).parent)[0]


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
        frames, _ = checks.read_tables({path: CLIPS_COLUMNS})
        frame = frames[path]
    problems = checks.repeated({path: frame}, "clip_id", "the table")
    for column in ("audio_path", "video_path"):
        why = frame[column].map(lambda value: checks.why_outside(folder, value))
        for line in frame.index[why.notna()]:
            found = frame[column][line]
            problems.append(
                checks.Problem(str(path), int(line), column, f"{why[line]} ({folder})", found)
            )
    checks.refuse(problems)
    for column in ("audio_path", "video_path"):
        gone = [bool(name) and not (folder / name).is_file() for name in frame[column]]
        frame.loc[gone, "status"] = "missing"
        frame.loc[gone, "reason"] = "The file is gone; make clips fetches it again."
        frame[column] = frame[column].where((frame[column] != "") & ~np.array(gone, bool))
    frame = frame.set_index("clip_id").reindex(pd.Index(clip_ids, name="clip_id")).reset_index()
    new = frame["status"].isna()
    frame.loc[new, ["status", "reason"]] = ["not_fetched", "make clips has not come to it yet."]
    return frame.astype("str")


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
            problems.append(checks.Problem(str(path), 1, name, expected, name))
        models.setdefault(model, {})[label or "1"] = name
    classes = list(next(iter(models.values()), {}))
    for model, given in models.items():
        if set(given) != set(classes):
            expected = f"one column for each class: {', '.join(f'{model}:{c}' for c in classes)}"
            problems.append(
                checks.Problem(str(path), 1, model, expected, ", ".join(given.values()))
            )
    if not problems and len(models) < 2:
        expected = "two columns of probabilities or more: a model of one modality, and fusion"
        problems.append(
            checks.Problem(str(path), 1, "(any)", expected, ", ".join(columns) or "none")
        )
    if not problems and by_class and len(classes) < 2:
        expected = "a column for every class, or columns without ':' for two classes"
        problems.append(checks.Problem(str(path), 1, "(any)", expected, ", ".join(columns)))
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
            problems.append(checks.Problem(str(path), 1, column, expected, found))
        else:
            problems += checks.bad(bad, frame, path, column, "a probability, 0 to 1")
    return values.to_numpy(float), problems


def _classes_of(frame, classes, path):
    """Class number of each row of ``y`` and the rows where it is none of `classes`."""
    names = frame["y"].map(plain)
    if classes == ["1"]:
        numbers = pd.to_numeric(names, errors="coerce")
        expected = "0 or 1 (more classes: one column MODEL:CLASS per model and class)"
        return numbers, checks.bad(~numbers.isin([0, 1]), frame, path, "y", expected)
    numbers = names.map({name: number for number, name in enumerate(classes)})
    expected = f"a class of the columns: {', '.join(classes)}"
    return numbers, checks.bad(numbers.isna(), frame, path, "y", expected)


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
        raise checks.CorpusError("which CSV? make study PROFILE=predictions CSV=mine.csv")
    frames, files = checks.read_tables({path: ["clip_id", "y"]})
    (frame,) = frames.values()
    models, problems = _model_columns(frame, path)
    checks.refuse(problems)
    about = [c for c in ABOUT_CLIP if c in frame]
    frame[about], problems, notes = checks.named(frame[about], path)
    classes = list(next(iter(models.values())))
    columns = [given[name] for given in models.values() for name in classes]
    values, bad = _probability_cells(frame, columns, path)
    problems += bad
    values = values.reshape(len(frame), len(models), len(classes))
    given = {
        "dialog_id": checks.FILLED,
        "split": checks.one_of(("train", "val", "test")),
        "label": checks.FILLED,
    }
    given = {"clip_id": checks.FILLED, "seed": checks.COUNT} | given
    problems += checks.broken(
        frame, checks.columns_of(**{c: k for c, k in given.items() if c in frame}), path
    )
    y, bad = _classes_of(frame, classes, path)
    problems += bad
    key = [c for c in ("clip_id", "seed") if c in frame]
    expected = "a clip once" if key == ["clip_id"] else "a clip and seed once"
    named = frame[key].agg(", seed ".join, axis=1)
    problems += checks.bad(frame.duplicated(key), frame, path, "clip_id", expected, named)
    for column in [c for c in ABOUT_CLIP if c in frame and c not in key and "seed" in frame]:
        first = frame.groupby("clip_id")[column].transform("first")
        problems += checks.bad(
            first != frame[column], frame, path, column, "the same for every seed"
        )
    if "label" in frame and not bad:
        first = frame.groupby(y)["label"].transform("first")
        problems += checks.bad(
            first != frame["label"], frame, path, "label", "one label for each y"
        )
    if not bad and y.nunique() < 2:
        problems.append(
            checks.Problem(str(path), 1, "y", "two classes", f"only {frame['y'].iloc[0]}")
        )
    if "split" in frame and not (frame["split"] == "test").any():
        problems.append(checks.Problem(str(path), 1, "split", "test clips", "none"))
    if len(classes) > 1:
        total = values.sum(axis=2)
        for i, (model, columns) in enumerate(models.items()):
            off = np.abs(total[:, i] - 1) > 0.005 * len(classes) + 1e-9
            column, expected = next(iter(columns.values())), f"classes of {model} that sum to 1"
            found = pd.Series(total[:, i], index=frame.index).map("a sum of {:.4g}".format)
            problems += checks.bad(off, frame, path, column, expected, found)
    checks.refuse(problems)

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
    manifest = manifest_of(**{c: manifest[c] for c in MANIFEST_COLUMNS if c in manifest})
    predictions = pd.concat(parts, ignore_index=True)
    return Corpus(path.stem, manifest, files=files, predictions=predictions, notes=tuple(notes))

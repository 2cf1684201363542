"""Corpora: every one that the book knows, and your own, read and checked into one `Corpus`.

::

    python -m empdis_utils.data.corpora NAME ...     download what is not at hand
    python -m empdis_utils.data.corpora --at-hand    names of the corpora at hand, on one line

Where published files come from stands in `catalogue`, your own tables in `manifests`. Text is kept
exactly as published. A transcript may hold markup or a spreadsheet formula: whoever turns it into
HTML or a spreadsheet escapes it there.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from empdis_utils.data import checks, manifests
from empdis_utils.data.catalogue import CATALOGUE, FIXTURE, at_hand, paths
from empdis_utils.data.checks import CorpusError
from empdis_utils.data.hashes import sha256
from empdis_utils.data.manifests import Corpus, read_manifest, read_predictions
from empdis_utils.data.votes import read_channel_labels, read_votes
from empdis_utils.places import clips_dir

__all__ = [
    "CATALOGUE", "Corpus", "CorpusError", "FIXTURE", "READERS", "at_hand", "load", "load_cremad",
    "load_empspeech", "load_fixture", "load_grid", "load_mosi", "load_mustardpp",
    "read_channel_labels", "read_manifest", "read_predictions", "read_votes",
]  # fmt: skip

VOTES = ("A", "D", "F", "H", "N", "S")
CREMAD_MODALITY = {1: "audio", 2: "video", 3: "audio+video"}  # first digit of a row's id
CREMAD, GRID = CATALOGUE["cremad"]["readme"], CATALOGUE["grid"]["readme"]
SILENT_REASON = "published video had no sound until December 2020; what raters heard is not stated"


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

    Examples
    --------
    >>> load_fixture().manifest["split"].value_counts().to_dict()
    {'train': 128, 'val': 16, 'test': 16}
    """
    root = Path(root)
    manifest, files, _ = manifests.read_with_files(root / "manifest.csv", root)
    path = root / "truth.csv"
    frames, more = checks.read_tables({path: ["clip_id"]})
    clips, described = set(manifest["clip_id"]), frames[path]["clip_id"]
    problems = checks.repeated(frames, "clip_id", "the file")
    problems += checks.bad(
        ~described.isin(clips), frames[path], path, "clip_id", "a clip of the manifest"
    )
    for clip in sorted(clips - set(described)):
        problems.append(
            checks.Problem(str(path), 1, "clip_id", "every clip of the manifest", f"no {clip}")
        )
    checks.refuse(problems)
    truth = pd.read_csv(path, dtype={"clip_id": str}, keep_default_na=False, na_values=[""])
    truth = truth.set_index("clip_id").loc[manifest["clip_id"]].reset_index()
    return Corpus(
        *("fixture", manifest, root), truth=truth, synthetic=True, files={**files, **more}
    )


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

    Examples
    --------
    >>> load_empspeech().manifest["split"].value_counts().to_dict()
    {'train': 1228, 'test': 154, 'val': 153}
    """
    found = paths("empspeech")
    names = ["dialog_id", "start_time", "end_time", "filename", "transcript", "label"]
    schema = checks.columns_of(
        **{"dialog_id": checks.FILLED, "filename": checks.FILLED, "start_time": checks.SECONDS},
        **{"end_time": checks.SECONDS, "label": checks.one_of(manifests.EMPATHY)},
    )
    frames, files = checks.read_tables({path: names for path in found.values()})
    problems = checks.repeated(frames, "filename", "the release")
    for path, frame in frames.items():
        problems += checks.broken(frame, schema, path) + checks.order(
            frame, "start_time", "end_time", path
        )
    checks.refuse(problems)
    for file, path in found.items():
        frames[path] = frames[path].assign(split=Path(file).stem)
    rows = pd.concat(frames.values())
    manifest = manifests.manifest_of(
        clip_id=rows["filename"],
        dialog_id=rows["dialog_id"],
        start_s=rows["start_time"].astype(float),
        end_s=rows["end_time"].astype(float),
        transcript=rows["transcript"],
        label=rows["label"],
        y=rows["label"].map(manifests.EMPATHY),
        split=rows["split"],
    )
    folder = clips_dir()
    if not (folder / "clips.csv").is_file():
        return Corpus("empspeech", manifest, files=files)
    clips = manifests.clips_table(folder, manifest["clip_id"])
    media = ["audio_path", "video_path"]
    manifest[media] = clips[media].to_numpy()
    files["clips.csv"] = sha256(folder / "clips.csv")
    return Corpus(
        "empspeech", manifest.astype(dict.fromkeys(media, "str")), folder, clips=clips, files=files
    )


def _numbers(frame, path):
    """Float64 [n, d] of a table of text; one Problem for each cell that is no finite number."""
    values = frame.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    cells = [(frame.index[i], frame.columns[j], frame.iat[i, j]) for i, j in _nonfinite(values)]
    return values, [
        checks.Problem(str(path), int(line), column, "a finite number", found)
        for line, column, found in cells
    ]


def _nonfinite(values):
    return np.argwhere(~np.isfinite(values))


def _mosi_transcripts(frame, path):
    """Transcripts with their columns named, and what is wrong with them."""
    names = ["clip_id", "transcript", "video", "label"]
    if frame.shape[1] != len(names):
        checks.refuse(
            [checks.Problem(str(path), 1, "(any)", "4 fields", f"{frame.shape[1]} fields")]
        )
    frame = frame.set_axis(names, axis=1)
    named = pa.Check.str_matches(r"^.+_[0-9]+$", error="VIDEO_N")
    problems = checks.broken(
        frame, checks.columns_of(clip_id=named, label=checks.one_of(("0", "1"))), path
    )
    return frame, problems + checks.repeated({path: frame}, "clip_id", "the file")


def _mosi_rows(frames, scripts, scripts_path):
    """Transcript rows (int arrays) that each text file names in its first column."""
    known = {str(i) for i in range(len(scripts))}
    problems = checks.repeated(frames, "1", "both splits")
    for path, frame in frames.items():
        expected = f"a row of transcripts.csv, 0 to {len(scripts) - 1}"
        problems += checks.bad(~frame["1"].isin(known), frame, path, "1", expected)
    used = {row for frame in frames.values() for row in frame["1"]}
    left = [str(i) not in used for i in range(len(scripts))]
    problems += checks.bad(left, scripts, scripts_path, "clip_id", "an utterance of train or test")
    checks.refuse(problems)
    return [frame["1"].to_numpy().astype(int) for frame in frames.values()]


def _mosi_features(frame, path, labels):
    """Features [n, d] of one modality and split; rows and labels must match the text file's."""
    values, problems = _numbers(frame, path)
    if len(values) != len(labels):
        found = f"{len(values)} rows"
        return values, [
            checks.Problem(str(path), 1, "(any)", f"{len(labels)} rows", found),
            *problems,
        ]
    wrong = values[:, -1] != labels
    problems += checks.bad(wrong, frame, path, frame.columns[-1], "the label in transcripts.csv")
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

    Examples
    --------
    >>> {modality: table.shape for modality, table in load_mosi().features.items()}
    {'text': (2199, 100), 'audio': (2199, 73), 'video': (2199, 100)}
    """
    found = paths("mosi")
    frames, files = checks.read_tables({path: None for path in found.values()})
    scripts_path = found["transcripts.csv"]
    scripts, problems = _mosi_transcripts(frames[scripts_path], scripts_path)
    checks.refuse(problems)
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
                bad = checks.bad(~_same_rows(values, text), frames[path], path, "1", expected)
            problems += bad
            parts.append(values)
    for modality, (train, test) in features.items():
        if train.shape[1] != test.shape[1]:
            path, widths = found[f"{modality}_test0.csv"], (train.shape[1], test.shape[1])
            expected, actual = (f"{width} features" for width in widths)
            problems.append(
                checks.Problem(str(path), 1, "(any)", f"{expected}, as in train", actual)
            )
    checks.refuse(problems)

    script = scripts.iloc[np.concatenate(rows)]
    manifest = manifests.manifest_of(
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

    Examples
    --------
    >>> load_cremad().votes.groupby("modality")["n"].sum().to_dict()
    {'audio': 68568, 'audio+video': 71778, 'video': 71654}
    """
    path = paths("cremad")["tabulatedVotes.csv"]
    frames, files = checks.read_tables({path: ["", "fileName", "numResponses", *VOTES]})
    rows = frames[path].rename(columns={"": "row id"})
    sentence, emotion = "|".join(CREMAD["sentences"]), "|".join(CREMAD["emotions"])
    name = rf"^[0-9]{{4}}_({sentence})_({emotion})_(LO|MD|HI|XX)$"
    schema = checks.columns_of(
        **{"row id": pa.Check.str_matches(r"^[123][0-9]{5}$", error="1xxxxx, 2xxxxx or 3xxxxx")},
        **{"fileName": pa.Check.str_matches(name, error="ACTOR_SENTENCE_EMOTION_LEVEL")},
        **{column: checks.COUNT for column in ("numResponses", *VOTES)},
    )
    checks.refuse(checks.broken(rows, schema, path))
    counts = rows[list(VOTES)].astype("int64")
    n = counts.sum(axis=1)
    rows["modality"] = rows["row id"].str[0].astype(int).map(CREMAD_MODALITY)
    problems = checks.bad(
        n != rows["numResponses"].astype(int), rows, path, "numResponses", "the sum of A to S"
    )
    key = rows["fileName"] + " " + rows["modality"]
    problems += checks.bad(key.duplicated(), rows, path, "fileName", "one row per modality", key)
    incomplete = rows.groupby("fileName")["modality"].transform("nunique") != len(CREMAD_MODALITY)
    problems += checks.bad(
        incomplete, rows, path, "fileName", "a row for audio, video and both", key
    )
    checks.refuse(problems)

    clips = rows["fileName"].drop_duplicates()
    parts = clips.str.split("_", expand=True)
    manifest = manifests.manifest_of(
        clip_id=clips,
        dialog_id=parts[0],
        transcript=parts[1].map(CREMAD["sentences"]),
        label=parts[2].map(CREMAD["emotions"]),
        y=(parts[2] != "NEU").astype(int),
        split="all",
    )
    votes = counts.assign(clip_id=rows["fileName"], modality=rows["modality"], n=n)
    votes = votes.set_index(["clip_id", "modality"])
    order = pd.MultiIndex.from_product(
        [manifest["clip_id"], CREMAD_MODALITY.values()], names=votes.index.names
    )
    votes = votes.loc[order].reset_index()
    silent = votes["clip_id"].isin(CREMAD["silent"]) & (votes["modality"] == "audio+video")
    faulty = votes["clip_id"].isin(CREMAD["faulty"])
    votes["status"] = np.select([faulty, silent], ["faulty_media", "audio_in_doubt"], "ok")
    votes["reason"] = votes["clip_id"].map(CREMAD["faulty"]).fillna("")
    votes.loc[silent, "reason"] = SILENT_REASON
    return Corpus("cremad", manifest, votes=votes.astype({"status": "str"}), files=files)


def load_mustardpp():
    """MUStARD++: 1,202 lines of television comedy, half of them sarcastic.

    Returns Corpus: ``manifest``: one row per judged line (the lines before it are left out).
    ``clip_id`` is its KEY, ``dialog_id`` show and speaker, ``label`` sarcastic or sincere, ``y`` 1
    or 0, ``split`` ``all`` (none is published). ``about``: show, speaker, explicit and implicit
    (emotions), sarcasm_type, valence, arousal. Raises CorpusError: missing files, or every bad row
    of them.
    """
    path = paths("mustardpp")["mustard++_text.csv"]
    facts = {"SHOW": "show", "SPEAKER": "speaker", "Explicit_Emotion": "explicit"}
    facts |= {"Implicit_Emotion": "implicit", "Sarcasm_Type": "sarcasm_type"}
    facts |= {"Valence": "valence", "Arousal": "arousal"}
    frames, files = checks.read_tables({path: ["KEY", "SENTENCE", "Sarcasm", *facts]})
    problems = checks.repeated(frames, "KEY", "the file")
    rows = frames[path]
    problems += checks.broken(rows, checks.columns_of(Sarcasm=checks.one_of(("0", "1", ""))), path)
    rows = rows[rows["Sarcasm"] != ""]
    rating = pa.Check.str_matches(r"^[1-9]$", error="a rating, 1 to 9")
    kinds = {name: rating if name in ("Valence", "Arousal") else checks.FILLED for name in facts}
    problems += checks.broken(rows, checks.columns_of(SENTENCE=checks.FILLED, **kinds), path)
    checks.refuse(problems)
    y = rows["Sarcasm"].astype(int)
    manifest = manifests.manifest_of(
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


def load_grid():
    """GRID: 11 clips of people who each say one sentence of six words to a camera, 3 s long.

    Returns
    -------
    Corpus
        ``label`` is the sentence's first word (``y`` 0 to 3), ``transcript`` the sentence that the
        file's name spells, ``split`` ``all``. ``dialog_id`` is the clip's own name, but for two
        clips that show the same man, as far as one can see: no names or numbers are published.
        ``audio_path`` and ``video_path`` are the same file.

    Raises
    ------
    CorpusError
        Missing files.
    """
    found = {Path(file).stem.removeprefix("grid_"): path for file, path in paths("grid").items()}
    words, same = GRID["sentence"], GRID["same_person"]
    said = [[w.get(c, c) for w, c in zip(words, n[-6:], strict=True)] for n in found]
    verbs = sorted(words[0].values())
    media = [str(path) for path in found.values()]
    manifest = manifests.manifest_of(
        clip_id=list(found),
        dialog_id=[same[0] if name in same else name for name in found],
        transcript=pd.Series([" ".join(sentence) for sentence in said]),
        label=[sentence[0] for sentence in said],
        y=[verbs.index(sentence[0]) for sentence in said],
        split="all",
        audio_path=media,
        video_path=media,
    )
    files = {path.name: sha256(path) for path in found.values()}
    return Corpus("grid", manifest, Path(), files=files)


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
        "grid": load_grid,
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
    manifest, files, notes = manifests.read_with_files(path, path.parent)
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

"""Judgments of people who got one channel of a clip, or all of it, from tables made elsewhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from empdis_utils.data import checks
from empdis_utils.data.identifiers import plain
from empdis_utils.data.manifests import Corpus, manifest_of

__all__ = ["read_channel_labels", "read_votes"]

ABOUT_VOTES = ("clip_id", "dialog_id", "channel", "label", "transcript")
SIMS = {"label_T": "text", "label_A": "audio", "label_V": "video", "label": "text+audio+video"}
SIGNS = ("negative", "neutral", "positive")


def _whole_clips(name, rows, votes, answers, files):
    """A Corpus of `rows` (one per clip) and its votes."""
    label = rows["label"] if "label" in rows else pd.Series("not stated", index=rows.index)
    manifest = manifest_of(
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
    frames, files = checks.read_tables({path: ["clip_id", "dialog_id", "channel"]})
    (frame,) = frames.values()
    answers = [name for name in frame if name not in ABOUT_VOTES]
    reserved = [name for name in answers if name in ("modality", "n", "status", "reason")]
    if len(answers) < 2 or reserved:
        expected = "a column of counts for each of two answers or more"
        expected += "; not called modality, n, status or reason" if reserved else ""
        checks.refuse(
            [checks.Problem(str(path), 1, "(any)", expected, ", ".join(reserved or answers))]
        )
    frame, problems, notes = checks.named(frame, path)
    filled = [name for name in ("clip_id", "dialog_id", "channel", "label") if name in frame]
    kinds = dict.fromkeys(filled, checks.FILLED) | dict.fromkeys(answers, checks.COUNT)
    problems += checks.broken(frame, checks.columns_of(**kinds), path)
    key = frame["clip_id"] + ", " + frame["channel"]
    problems += checks.bad(key.duplicated(), frame, path, "channel", "a clip and channel once", key)
    for column in [name for name in ("dialog_id", "label", "transcript") if name in frame]:
        first = frame.groupby("clip_id")[column].transform("first")
        expected = "the same in every row of a clip"
        problems += checks.bad(first != frame[column], frame, path, column, expected)
    checks.refuse(problems)
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
    frames, files = checks.read_tables({path: ["video_id", "clip_id", "text", *SIMS]})
    (frame,) = frames.values()
    inside = pa.Check(
        lambda s: pd.to_numeric(s, errors="coerce").between(-1, 1), error="a rating, -1 to 1"
    )
    kinds = {"video_id": checks.FILLED, "clip_id": checks.FILLED} | dict.fromkeys(SIMS, inside)
    problems = checks.broken(frame, checks.columns_of(**kinds), path)
    name = frame["video_id"].map(plain) + "/" + frame["clip_id"].map(plain)
    problems += checks.bad(
        name.duplicated(), frame, path, "clip_id", "a clip of a video once", name
    )
    checks.refuse(problems)
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

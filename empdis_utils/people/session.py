"""The annotation session: what is asked next, and the file that keeps every answer.

Nothing here knows about the screen (`page` does). A session is a list of tasks, two for
each clip: one modality first, then the full clip. Answers go to one CSV file per annotator, each at
once; reading that file back is all it takes to continue.
"""

import csv
import datetime
import fcntl
import io
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from empdis_utils.data import checks, corpora, playable
from empdis_utils.data.media import BadMediaError
from empdis_utils.data.tables import MODALITIES
from empdis_utils.measures.agreement import JUDGMENTS
from empdis_utils.people.files import COLUMNS, OPTIONAL, read_annotations
from empdis_utils.people.sampling import annotation_order

__all__ = [
    "AnnotationError", "JudgmentLog", "Session", "Study", "Task", "pseudonym", "training_items",
]  # fmt: skip

HEADER = [*COLUMNS, *OPTIONAL]
FULL = "+".join(MODALITIES)
TOO_SOON_S = 0.4


class AnnotationError(Exception):
    """Something that the annotator, or whoever runs the study, must know; the message says what."""


def pseudonym(text):
    """The name of an annotator's file: what was typed, checked, in small letters.

    Raises AnnotationError: anything but 1 to 32 letters a-z, digits, ``-`` and ``_``.
    """
    name = text.strip()
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name):
        raise AnnotationError(
            "A pseudonym has 1 to 32 letters (a to z), digits, - or _, and no blanks."
        )
    return name.lower()


# ---------------------------------------------------------------- the session


@dataclass(frozen=True)
class Task:
    """One question: what is shown (`shown`) of which clip, in which round."""

    clip_id: str
    modality: str
    round: int
    training: bool = False

    @property
    def shown(self):
        """``text``, ``audio`` or ``video`` in round 1, all three in round 2."""
        return self.modality if self.round == 1 else FULL


class Session:
    """One annotator's way through the clips; it only moves forward.

    Phases: ``instructions``, ``training`` (answers are not kept), ``ready``, ``clips``, ``done``.
    With earlier answers it begins at ``ready``.

    Parameters
    ----------
    annotator : str
    items : DataFrame
        clip_id, modality, in the order to show (`annotation_order`).
    record : callable
        Takes the row of each answer (dict, columns `HEADER`) and stores it. When it raises, the
        session stays where it is.
    training : DataFrame, optional
        clip_id, modality of the practice clips.
    given : DataFrame, optional
        Earlier answers of this annotator: clip_id, modality, round. They are not asked again.
    clock, now : callable
        Seconds for the time per answer, and the date and time of an answer.
    """

    def __init__(
        self,
        annotator,
        items,
        record,
        training=None,
        given=None,
        clock=time.monotonic,
        now=lambda: datetime.datetime.now(datetime.UTC),
    ):
        self.annotator, self._record, self._clock, self._now = annotator, record, clock, now
        self.n_clips = len(items)
        done = set() if given is None else set(given[_KEY].itertuples(index=False, name=None))
        asked = [t for t in _tasks(items, False) if (t.clip_id, t.modality, t.round) not in done]
        # A second answer without a first cannot be completed: the full clip has been seen.
        asked = [t for t in asked if t.round == 2 or (t.clip_id, t.modality, 2) not in done]
        practice = [] if done or training is None else list(_tasks(training, True))
        self._tasks, self._position = practice + asked, 0
        self.paused, self.skipped = False, {}
        self.phase = "ready" if done else "instructions"
        if done and not asked:
            self.phase = "done"
        self.restart_clock()

    @property
    def task(self):
        """The current question; None where no clip is shown."""
        return self._tasks[self._position] if self.phase in ("training", "clips") else None

    @property
    def step(self):
        """Number of the current question. An answer must name it."""
        return self._position

    @property
    def n_done(self):
        """Clips with both answers (or left out because they cannot be shown)."""
        left = {(t.clip_id, t.modality) for t in self._tasks[self._position :] if not t.training}
        return self.n_clips - len(left)

    def proceed(self):
        """Leave the instructions, or the page before the clips."""
        if self.phase == "instructions" and self._tasks and self._tasks[0].training:
            self.phase = "training"
        elif self.phase in ("instructions", "ready"):
            self.phase = "clips" if self._position < len(self._tasks) else "done"
        else:
            raise AnnotationError("There is nothing to leave here.")
        self.restart_clock()

    def judge(self, judgment, step):
        """Answer the current question, and move on.

        `judgment`: one of ``agreement.JUDGMENTS``. `step`: `step` when the question was shown.
        Returns bool: False, with nothing kept, for an answer that cannot be meant for this
        question: to an earlier one, or within 0.4 s of its appearance (a double key press). Raises
        AnnotationError: no question is open, or another judgment than the two.
        """
        if judgment not in JUDGMENTS:
            raise AnnotationError(f"The judgment {judgment!r} is none of {', '.join(JUDGMENTS)}.")
        if self.task is None or self.paused:
            raise AnnotationError("No clip is shown, so there is nothing to judge.")
        if step != self.step or self.seconds < TOO_SOON_S:
            return False
        if not self.task.training:
            self._record(self._row(judgment))
        self._advance(1)
        return True

    def skip(self, reason):
        """Leave out a clip that cannot be shown, both rounds; `skipped` keeps the reason."""
        task = self.task
        same = [t for t in self._tasks[self._position :] if (t.clip_id, t.modality, t.training) ==
                (task.clip_id, task.modality, task.training)]  # fmt: skip
        if not task.training:
            self.skipped[task.clip_id, task.modality] = reason
        self._advance(len(same))

    def pause(self):
        """Stop the clock."""
        self._before_pause, self.paused = self.seconds, True

    def resume(self):
        """Go on where `pause` stopped."""
        self._since, self.paused = self._clock() - self._before_pause, False

    @property
    def seconds(self):
        """Seconds that the current question has been on screen, pauses left out."""
        return self._before_pause if self.paused else self._clock() - self._since

    def restart_clock(self):
        """Count the time of the current question from now: it has just appeared."""
        self._since = self._clock()

    def _row(self, judgment):
        task = self.task
        return {
            "annotator": self.annotator,
            "clip_id": task.clip_id,
            "modality": task.modality,
            "round": task.round,
            "judgment": judgment,
            "shown": task.shown,
            "at": self._now().isoformat(timespec="milliseconds"),
            "seconds": f"{self.seconds:.2f}",
        }

    def _advance(self, n):
        was_training = self.task.training
        self._position += n
        if self._position == len(self._tasks):
            self.phase = "ready" if was_training else "done"
        elif was_training and not self._tasks[self._position].training:
            self.phase = "ready"
        self.restart_clock()


_KEY = ["clip_id", "modality", "round"]


def _tasks(items, training):
    for clip_id, modality in items[["clip_id", "modality"]].itertuples(index=False):
        for turn in (1, 2):
            yield Task(clip_id, modality, turn, training)


def training_items(manifest, sample, seed=42):
    """Practice clips: one for each modality of the sample, none of them in the sample.

    `manifest`: clip_id, dialog_id. `sample`: clip_id, modality. Returns columns clip_id, modality.
    From recordings outside the sample where there are any; fewer rows when fewer clips are left.
    """
    modalities = [m for m in MODALITIES if m in set(sample["modality"])]
    free = manifest[~manifest["clip_id"].isin(sample["clip_id"])].sort_values("clip_id")
    used = manifest.loc[manifest["clip_id"].isin(sample["clip_id"]), "dialog_id"]
    order = np.random.default_rng(seed).permutation(len(free))
    free = free.iloc[order]
    free = free.assign(inside=free["dialog_id"].isin(used)).sort_values("inside", kind="stable")
    clips = free["clip_id"].head(len(modalities)).tolist()
    return pd.DataFrame({"clip_id": clips, "modality": modalities[: len(clips)]})


# ---------------------------------------------------------------- the file


class JudgmentLog:
    """One annotator's answers, in a CSV file that only grows.

    Each answer is one write at the end of the file, flushed to disk before the next question; what
    was written of an answer that the disk refused is taken back. Under a lock, and only when the
    file is as long as this log left it: so a second window, or a second program, can never judge
    the same clip twice.

    Parameters
    ----------
    path : Path
        ``<pseudonym>.csv``; made, with its folder, when the first answer comes.
    sample : DataFrame
        clip_id, modality: what is to be judged.
    """

    def __init__(self, path, sample):
        self.path, self._sample, self._size = Path(path), sample, 0

    def read(self):
        """Answers so far (table `annotations`) and what is wrong with the file, line by line.

        Raises AnnotationError: the file cannot be read.
        """
        try:
            with open(self.path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                self._size = os.fstat(file.fileno()).st_size
                if self._size:
                    return read_annotations(self.path, self._sample)
        except FileNotFoundError:
            self._size = 0
        except OSError as error:
            raise AnnotationError(
                f"{self.path.name} cannot be read ({error.strerror}). Tell the organiser."
            ) from None
        return pd.DataFrame(columns=COLUMNS), pd.DataFrame(columns=["line", "problem"])

    def append(self, row):
        """Write one answer and wait until it is on the disk.

        Raises AnnotationError: somebody else wrote to the file since it was read: read it again and
        go on from there. Or the disk refuses.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise AnnotationError(_disk(self.path, error)) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            if size != self._size:
                raise AnnotationError(
                    "This pseudonym was used in another window, which is further on. "
                    "This answer was not kept. Reload the page to continue from there."
                )
            cut = size and os.pread(handle, 1, size - 1) != b"\n"  # a line that a crash cut short
            try:
                _write(handle, ("\n" if cut else "") + _lines([] if size else [HEADER], row))
            except OSError:
                os.ftruncate(handle, size)
                raise
            self._size = os.fstat(handle).st_size
        except OSError as error:
            raise AnnotationError(_disk(self.path, error)) from None
        finally:
            os.close(handle)


def _disk(path, error):
    return f"The answer could not be written to {path.name} ({error.strerror}). Tell the organiser."


def _lines(head, row):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([*head, [row[c] for c in HEADER]])
    return text.getvalue()


def _write(handle, text):
    data = text.encode()
    while data:
        data = data[os.write(handle, data) :]
    os.fsync(handle)


# ---------------------------------------------------------------- what is judged


@dataclass(frozen=True)
class Study:
    """What there is to judge, and where the answers go.

    Attributes
    ----------
    sample : DataFrame
        clip_id, modality; no quadrant: whoever judges must not be able to find it.
    corpus : corpora.Corpus
    folder : Path
        Where the annotators' files are.
    seed : int
    """

    sample: pd.DataFrame
    corpus: corpora.Corpus
    folder: Path
    seed: int = 42

    def session(self, name):
        """Open, or continue, the session of a pseudonym.

        Returns `session`; `problems`: what is odd in the annotator's file, line by line; that the
        last clip still lacks its second answer is not odd. Raises AnnotationError: not a pseudonym.
        """
        name = pseudonym(name)
        log = JudgmentLog(self.folder / f"{name}.csv", self.sample)
        given, problems = log.read()
        problems = problems[~problems["problem"].str.startswith("round 2 is missing")]
        session = Session(
            name,
            annotation_order(self.sample, name, self.seed),
            log.append,
            training_items(self.corpus.manifest, self.sample, self.seed),
            given,
        )
        return session, problems

    def transcript(self, clip_id):
        """The words of a clip, as published: whoever shows them escapes them."""
        text = self._clip(clip_id)["transcript"]
        return text if isinstance(text, str) else ""

    def path(self, clip_id, column):
        """Full path of ``audio_path`` or ``video_path``, or None.

        Raises BadMediaError: the path leaves the corpus folder.
        """
        value = self._clip(clip_id)[column]
        if self.corpus.root is None or not isinstance(value, str):
            return None
        target = checks.inside(self.corpus.root, value)
        if target is None:
            raise BadMediaError("outside", f"{column} of clip {clip_id} leaves the corpus folder.")
        return target

    def media(self, task):
        """What a task shows.

        Returns dict: ``transcript`` (str) where the words are shown, ``audio`` and ``video`` (MP4
        bytes) where sound or pictures are. Video alone carries no sound track. Raises
        BadMediaError: what is needed is missing or cannot be read.
        """
        if task.shown == "text":
            return {"transcript": self.transcript(task.clip_id)}
        video, audio = (self.path(task.clip_id, c) for c in ("video_path", "audio_path"))
        if task.shown == "video":
            return {"video": playable.mp4(video=video)}
        if task.shown == "audio":
            return {"audio": playable.mp4(sound=audio or video)}
        sound = video if video and playable.has_sound(video) else audio
        return {
            "transcript": self.transcript(task.clip_id),
            "video": playable.mp4(video=video, sound=sound),
        }

    def _clip(self, clip_id):
        manifest = self.corpus.manifest
        return manifest[manifest["clip_id"] == clip_id].iloc[0]

    def missing(self):
        """Clips of the sample whose media files are not there: DataFrame clip_id, reason."""
        rows = []
        for clip_id in self.sample["clip_id"].unique():
            try:
                paths = [self.path(clip_id, c) for c in ("video_path", "audio_path")]
            except BadMediaError as bad:
                rows.append((clip_id, str(bad)))
                continue
            if paths[0] is None:
                rows.append((clip_id, "the manifest names no video"))
            rows += [(clip_id, f"no file {p.name}") for p in paths if p and not p.is_file()]
        return pd.DataFrame(rows, columns=["clip_id", "reason"])

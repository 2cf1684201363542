"""The session and its file of answers, without a screen (tests/browser/test_annotation_page.py)."""

import errno
import itertools
import json
import os
from multiprocessing import get_context

import pandas as pd
import pytest
from full_disk import full_after

from empdis_utils.data import corpora, tables
from empdis_utils.data.media import BadMediaError
from empdis_utils.people import session as annotate
from empdis_utils.people.files import COLUMNS, read_annotations
from empdis_utils.people.sampling import annotation_order
from empdis_utils.people.session import AnnotationError, JudgmentLog, Session

CELLS = list(itertools.product(("text", "audio", "video"), ("blue", "red", "green", "yellow")))


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.t = 100.0

    def __call__(self):
        return self.t


@pytest.fixture(scope="module")
def corpus():
    return corpora.load("fixture")


@pytest.fixture(scope="module")
def sample(corpus):
    clips = corpus.manifest["clip_id"][:12]
    return pd.DataFrame({"clip_id": clips, "modality": [m for m, _ in CELLS]})


def open_session(sample, record=lambda row: None, **options):
    clock = Clock()
    return Session("kim", sample, record, clock=clock, **options), clock


def answer(session, clock, judgment="neutral", seconds=2.0):
    clock.t += seconds
    assert session.judge(judgment, session.step)


def test_a_whole_session_asks_one_part_then_the_full_clip_of_every_clip(sample):
    rows = []
    training = pd.DataFrame({"clip_id": ["p1", "p2"], "modality": ["text", "video"]})
    session, clock = open_session(sample, rows.append, training=training)
    assert session.phase == "instructions" and session.task is None
    session.proceed()
    for i in range(4):
        assert session.phase == "training" and session.task.round == 1 + i % 2
        answer(session, clock)
    assert session.phase == "ready" and rows == [] and session.n_done == 0
    session.proceed()
    for i in range(24):
        task, clip = session.task, sample.iloc[i // 2]
        assert (task.clip_id, task.modality) == tuple(clip)
        assert task.shown == (clip["modality"] if i % 2 == 0 else "text+audio+video")
        assert session.n_done == i // 2
        answer(session, clock, "empathetic" if i % 3 else "neutral", 1.5 + i)
    assert session.phase == "done" and session.task is None and session.n_done == 12
    assert [r["round"] for r in rows] == [1, 2] * 12
    assert [float(r["seconds"]) for r in rows] == [1.5 + i for i in range(24)]
    assert [r["judgment"] for r in rows] == [
        "empathetic" if i % 3 else "neutral" for i in range(24)
    ]
    tables.check(pd.DataFrame(rows).astype({"seconds": float}), "annotations")


def test_no_way_back_and_no_double_press(sample):
    rows = []
    session, clock = open_session(sample, rows.append)
    session.proceed()
    clock.t += 1
    step = session.step
    assert session.judge("neutral", step)
    assert not session.judge("empathetic", step)  # the first answer cannot be changed
    assert not session.judge("empathetic", session.step)  # within 0.4 s: the same key press
    clock.t += 1
    assert not session.judge("empathetic", step)
    assert session.judge("empathetic", session.step)
    assert [(r["round"], r["judgment"]) for r in rows] == [(1, "neutral"), (2, "empathetic")]


def test_only_two_judgments_and_only_of_a_clip_that_is_shown(sample):
    session, clock = open_session(sample)
    with pytest.raises(AnnotationError, match="nothing to judge"):
        session.judge("neutral", 0)
    session.proceed()
    with pytest.raises(AnnotationError, match="none of neutral, empathetic"):
        session.judge("sad", 0)
    with pytest.raises(AnnotationError, match="nothing to leave"):
        session.proceed()
    session.pause()
    with pytest.raises(AnnotationError, match="nothing to judge"):
        session.judge("neutral", 0)


def test_a_pause_does_not_count(sample):
    rows = []
    session, clock = open_session(sample, rows.append)
    session.proceed()
    clock.t += 3
    session.pause()
    clock.t += 1000
    assert session.seconds == 3
    session.resume()
    answer(session, clock, seconds=2)
    assert rows[0]["seconds"] == "5.00"


def test_what_could_not_be_stored_is_asked_again(sample):
    def full_disk(row):
        raise AnnotationError("disk")

    session, clock = open_session(sample, full_disk)
    session.proceed()
    clock.t += 1
    with pytest.raises(AnnotationError, match="disk"):
        session.judge("neutral", session.step)
    assert session.step == 0 and session.task.round == 1


@pytest.mark.parametrize("n_given", range(0, 25, 5))
def test_continues_at_the_right_clip_and_round_wherever_it_stopped(sample, tmp_path, n_given):
    """Oracle: an uninterrupted session gives the same questions."""
    log = JudgmentLog(tmp_path / "kim.csv", sample)
    log.read()
    session, clock = open_session(sample, log.append)
    session.proceed()
    asked = []
    for _ in range(n_given):
        asked.append(session.task)
        answer(session, clock)
    again = JudgmentLog(tmp_path / "kim.csv", sample)
    given, problems = again.read()
    assert problems.empty or set(problems["problem"]) == {"round 2 is missing for this clip"}
    session, clock = open_session(sample, again.append, given=given)
    assert session.phase == ("ready" if n_given else "instructions")
    session.proceed()
    while session.phase == "clips":
        asked.append(session.task)
        answer(session, clock)
    expected = [(c, m, r) for c, m in sample.itertuples(index=False) for r in (1, 2)]
    assert [(t.clip_id, t.modality, t.round) for t in asked] == expected
    annotations, problems = read_annotations(tmp_path / "kim.csv", sample)
    assert len(annotations) == 24 and problems.empty
    assert list(annotations.columns) == [*COLUMNS, "seconds"] and (annotations["seconds"] > 0).all()


def test_finished_sessions_stay_finished(sample, tmp_path):
    given = sample.merge(pd.DataFrame({"round": [1, 2]}), how="cross")
    session, _ = open_session(sample, given=given)
    assert session.phase == "done" and session.n_done == 12


def test_a_clip_that_cannot_be_shown_is_left_out_with_its_reason(sample):
    session, clock = open_session(sample)
    session.proceed()
    first = session.task
    session.skip("no such file")
    assert session.task.clip_id == sample["clip_id"][1] and session.task.round == 1
    assert session.skipped == {(first.clip_id, first.modality): "no such file"}
    assert session.n_done == 1


# ---------------------------------------------------------------- the file


def row(sample, i, turn, judgment="neutral"):
    clip, modality = sample.iloc[i]
    return dict(annotator="kim", clip_id=clip, modality=modality, round=turn, judgment=judgment,
                shown=modality, at="2026-01-01T00:00:00+00:00", seconds="1.00")  # fmt: skip


def test_the_file_is_readable_after_each_answer_and_only_grows(sample, tmp_path):
    log, before = JudgmentLog(tmp_path / "deep" / "kim.csv", sample), b""
    log.read()
    for i, turn in itertools.product(range(12), (1, 2)):
        log.append(row(sample, i, turn))
        now = log.path.read_bytes()
        assert now.startswith(before) and now.endswith(b"\n") and len(now) > len(before)
        before = now
        assert len(read_annotations(log.path, sample)[0]) == 2 * i + turn


def test_each_answer_is_forced_to_the_disk_before_it_counts(sample, tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(annotate.os, "fsync", lambda handle: (synced.append(1), real(handle)))
    log = JudgmentLog(tmp_path / "kim.csv", sample)
    log.read()
    log.append(row(sample, 0, 1))
    assert synced == [1]


def test_a_second_window_can_never_judge_the_same_clip(sample, tmp_path):
    one, two = (JudgmentLog(tmp_path / "kim.csv", sample) for _ in range(2))
    one.read(), two.read()
    one.append(row(sample, 0, 1))
    with pytest.raises(AnnotationError, match="another window"):
        two.append(row(sample, 0, 1, "empathetic"))
    two.read()
    two.append(row(sample, 0, 2))
    with pytest.raises(AnnotationError, match="another window"):
        one.append(row(sample, 0, 2))
    annotations, problems = read_annotations(tmp_path / "kim.csv", sample)
    assert len(annotations) == 2 and problems.empty


def _judge_many(path, sample, done):
    kept = 0
    log = JudgmentLog(path, sample)
    for i, turn in itertools.product(range(12), (1, 2)):
        given, _ = log.read()
        if ((given["clip_id"] == sample["clip_id"][i]) & (given["round"] == turn)).any():
            continue
        try:
            log.append(row(sample, i, turn))
            kept += 1
        except AnnotationError:
            continue
    done.put(kept)


def test_programs_that_race_on_one_file_never_judge_twice(sample, tmp_path):
    context = get_context("fork")
    done = context.Queue()
    path = tmp_path / "kim.csv"
    racers = [context.Process(target=_judge_many, args=(path, sample, done)) for _ in range(4)]
    for racer in racers:
        racer.start()
    kept = sum(done.get(timeout=600) for _ in racers)
    for racer in racers:
        racer.join()
    annotations, problems = read_annotations(path, sample)
    assert kept == len(annotations) > 0
    assert not problems["problem"].str.contains("double|fields|header").any()


@pytest.mark.parametrize("cut", [1, 2, 12, 40])
def test_a_line_that_a_crash_cut_short_is_asked_again_and_stays_visible(sample, tmp_path, cut):
    path = tmp_path / "kim.csv"
    log = JudgmentLog(path, sample)
    log.read()
    for turn in (1, 2):
        log.append(row(sample, 0, turn))
    path.write_bytes(path.read_bytes()[:-cut])
    log = JudgmentLog(path, sample)
    given, problems = log.read()
    session, clock = open_session(sample, log.append, given=given)
    session.proceed()
    while session.phase == "clips":
        answer(session, clock)
    annotations, problems = read_annotations(path, sample)
    assert len(annotations) == 24
    assert not problems["problem"].str.contains("double").any()
    assert problems["problem"].str.contains("fields").sum() == (1 if cut > 5 else 0)


def test_a_disk_that_refuses_is_a_message(sample, tmp_path):
    (tmp_path / "kim").write_text("a file where a folder should be")
    with pytest.raises(AnnotationError, match="could not be written to kim.csv"):
        JudgmentLog(tmp_path / "kim" / "kim.csv", sample).append(row(sample, 0, 1))


@pytest.mark.parametrize("lacking", [1, 2, 3, 20])
@pytest.mark.parametrize("first", [True, False])
def test_an_answer_that_did_not_fit_is_not_read_later(sample, tmp_path, lacking, first):
    """Before, a line short of its end counted as an answer, though it was said not to be kept."""
    path = tmp_path / "kim.csv"
    trial = JudgmentLog(tmp_path / "trial.csv", sample)
    for i in range(1 if first else 2):
        trial.append(row(sample, i, 1))
    log = JudgmentLog(path, sample)
    if not first:
        log.append(row(sample, 0, 1))
    before = path.read_bytes() if path.exists() else b""
    asked = row(sample, 0 if first else 1, 1)
    with full_after(trial.path.stat().st_size - lacking):
        with pytest.raises(AnnotationError, match="could not be written to kim.csv"):
            log.append(asked)
    assert path.read_bytes() == before
    given, problems = JudgmentLog(path, sample).read()
    assert len(given) == (0 if first else 1)
    assert not problems["problem"].str.contains("fields|empty").any()
    log.append(asked)  # there is room again: the same window goes on
    assert len(log.read()[0]) == len(given) + 1


def test_an_answer_that_never_reached_the_disk_is_not_read_later(sample, tmp_path, monkeypatch):
    log = JudgmentLog(tmp_path / "kim.csv", sample)
    log.append(row(sample, 0, 1))

    def refuse(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(annotate.os, "fsync", refuse)
        with pytest.raises(AnnotationError, match="No space left"):
            log.append(row(sample, 0, 2))
    assert len(log.read()[0]) == 1
    log.append(row(sample, 0, 2))
    assert len(log.read()[0]) == 2


def test_a_file_that_cannot_be_read_is_a_message(sample, tmp_path):
    (tmp_path / "kim.csv").mkdir()
    with pytest.raises(AnnotationError, match="kim.csv cannot be read .*organiser"):
        JudgmentLog(tmp_path / "kim.csv", sample).read()


@pytest.mark.parametrize("name", ["", " ", "../up", "a b", "a" * 33, "käthe", "a/b", ".", "a\n"])
def test_pseudonyms_that_are_refused(name, tmp_path):
    if name == "a\n":  # blanks around are dropped
        assert annotate.pseudonym(name) == "a"
        return
    with pytest.raises(AnnotationError, match="1 to 32 letters"):
        annotate.pseudonym(name)


def test_capitals_do_not_make_another_annotator():
    assert annotate.pseudonym(" Otter-7 ") == "otter-7"


# ---------------------------------------------------------------- the study


@pytest.fixture
def study(corpus, sample, tmp_path):
    return annotate.Study(sample, corpus, tmp_path / "fixture")


def streams(data):
    import io

    import av

    with av.open(io.BytesIO(data)) as container:
        return sorted(s.type for s in container.streams)


def test_only_the_flagged_part_is_served(study, corpus):
    """A silent video is a file without a sound track, not one that is played muted."""
    clip = study.sample["clip_id"][0]
    task = {m: annotate.Task(clip, m, 1) for m in ("text", "audio", "video")}
    words = corpus.manifest.set_index("clip_id")["transcript"][clip]
    assert study.media(task["text"]) == {"transcript": words}
    assert set(study.media(task["audio"])) == {"audio"}
    assert streams(study.media(task["audio"])["audio"]) == ["audio"]
    assert set(study.media(task["video"])) == {"video"}
    assert streams(study.media(task["video"])["video"]) == ["video"]
    full = study.media(annotate.Task(clip, "text", 2))
    assert set(full) == {"transcript", "video"} and streams(full["video"]) == ["audio", "video"]


def test_training_clips_are_none_of_the_sample(corpus, sample):
    training = annotate.training_items(corpus.manifest, sample)
    assert training["modality"].tolist() == ["text", "audio", "video"]
    assert not set(training["clip_id"]) & set(sample["clip_id"])
    recording = corpus.manifest.set_index("clip_id")["dialog_id"]
    assert not set(recording[training["clip_id"]]) & set(recording[sample["clip_id"]])
    everything = corpus.manifest[["clip_id"]].assign(modality="text")
    assert annotate.training_items(corpus.manifest, everything).empty


def test_each_annotator_has_an_order_of_their_own_and_nobody_sees_the_quadrant(study):
    orders = []
    for name in ("kim", "lee"):
        session, problems = study.session(name)
        session.proceed()
        items = [(t.clip_id, t.modality) for t in session._tasks if not t.training][::2]
        expected = annotation_order(study.sample, name, 42)[["clip_id", "modality"]]
        assert items == list(expected.itertuples(index=False, name=None))
        orders.append(items)
        assert "quadrant" not in json.dumps(vars(session), default=repr)
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])


def test_media_outside_the_corpus_are_refused(study, corpus, tmp_path, sample):
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"x")
    root = tmp_path / "corpus"
    root.mkdir()
    (root / "link.mp4").symlink_to(secret)
    for value in ("../secret.mp4", str(secret), "link.mp4"):
        manifest = corpus.manifest.assign(video_path=value)
        bad = annotate.Study(sample, corpora.Corpus("bad", manifest, root), tmp_path)
        with pytest.raises(BadMediaError, match="leaves the corpus folder"):
            bad.media(annotate.Task(sample["clip_id"][0], "video", 1))
        assert len(bad.missing()) == len(sample)


def test_missing_media_are_listed_before_the_study(study, corpus, sample, tmp_path):
    assert study.missing().empty
    manifest = corpus.manifest.copy()
    manifest.loc[manifest["clip_id"] == sample["clip_id"][3], "video_path"] = "video/none.mp4"
    broken = annotate.Study(sample, corpora.Corpus("x", manifest, corpus.root), tmp_path)
    assert broken.missing().values.tolist() == [[sample["clip_id"][3], "no file none.mp4"]]

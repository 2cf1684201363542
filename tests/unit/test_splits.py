"""Oracles: counts by hand, sets, a plain loop, and the published EMPSPEECH split where it is."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empdis_utils import corpora, splits

DATA = os.environ.get("EMPDIS_DATA")


def manifest(*rows):
    """Rows of (split, dialog_id, y, transcript)."""
    frame = pd.DataFrame(rows, columns=["split", "dialog_id", "y", "transcript"])
    frame["clip_id"] = [f"c{i:03d}" for i in range(len(frame))]
    frame["label"] = frame["y"].map({0: "neutral", 1: "empathetic"})
    return frame


SMALL = manifest(
    ("test", "a", 1, "THIS is, the same thing!"),
    ("test", "a", 0, "yeah right yeah"),
    ("test", "d", 1, "I really did not think that you would be coming over here todays"),
    ("test", "b", 1, ""),
    ("train", "a", 1, "this is the same thing"),
    ("train", "a", 1, "yeah, right, yeah"),
    ("train", "b", 0, "I really did not think that you would be coming over here today"),
    ("train", "b", 1, "completely different words stand here"),
    ("train", "c", 0, "one two three four"),
    ("val", "c", 0, "what else is there"),
)


def fact(facts, check, a, b="", note=None):
    row = facts[(facts["check"] == check) & (facts["split_a"] == a) & (facts["split_b"] == b)]
    if note is not None:
        row = row[row["note"] == note]
    assert len(row) == 1
    return row["n"].iloc[0], row["share"].iloc[0]


def test_audit_counts_by_hand():
    facts = splits.audit(SMALL)
    assert list(facts.columns) == ["check", "split_a", "split_b", "n", "share", "note"]
    assert fact(facts, "clips", "train") == (5, 0.5)
    assert fact(facts, "recordings", "test") == (3, 0.75)
    assert fact(facts, "label", "train", note="empathetic") == (3, 0.6)
    assert fact(facts, "label", "val", note="empathetic") == (0, 0.0)
    assert fact(facts, "shared_recordings", "train", "test") == (2, pytest.approx(2 / 3))
    assert fact(facts, "clips_of_shared_recordings", "train", "test") == (3, 0.75)
    assert fact(facts, "clips_of_shared_recordings", "train", "val") == (1, 1.0)
    assert fact(facts, "clips_of_shared_recordings", "val", "test") == (0, 0.0)
    assert fact(facts, "exact_transcripts", "train", "test") == (1, 0.5)
    assert fact(facts, "near_transcripts", "train", "test") == (2, 1.0)
    assert fact(facts, "near_transcripts", "val", "test") == (0, 0.0)
    pairs = facts.loc[facts["check"] == "shared_recordings", ["split_a", "split_b"]]
    assert pairs.to_numpy().tolist() == [["train", "val"], ["train", "test"], ["val", "test"]]


def test_audit_parameters_move_what_they_say():
    strict = splits.audit(SMALL, near=1.0)
    assert fact(strict, "near_transcripts", "train", "test") == (1, 0.5)
    short = splits.audit(SMALL, min_tokens=3)
    assert fact(short, "exact_transcripts", "train", "test") == (2, pytest.approx(2 / 3))


def test_audit_without_words_or_with_one_split():
    facts = splits.audit(SMALL.assign(transcript=""))
    n, share = fact(facts, "near_transcripts", "train", "test")
    assert n == 0 and np.isnan(share)
    assert facts.loc[facts["check"] == "near_transcripts", "note"].str.startswith("of 0 ").all()
    one = splits.audit(SMALL.assign(split="all"))
    assert set(one["check"]) == {"clips", "recordings", "label"}


def test_near_duplicates_in_blocks_equal_a_plain_loop():
    rng = np.random.default_rng(3)
    words = [f"w{i}x" for i in range(30)]
    texts = [" ".join(rng.choice(words, 5)) for _ in range(700)]
    source, target = texts[:100], texts[100:]
    grams = splits.TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    grams.fit(texts)
    dense = grams.transform(target).toarray() @ grams.transform(source).toarray().T
    np.testing.assert_allclose(splits._nearest(source, target), dense.max(axis=1), atol=1e-12)


@given(st.lists(st.text("abc'XYZ09", min_size=1)), st.sampled_from([" ", ", ", "!\n", " \t--"]))
def test_normalised_text_is_blind_to_case_blanks_and_marks(words, between):
    plain = " ".join(words).replace("'", "").lower().split()
    assert splits.normalise(between.join(words)) == " ".join(plain)


def test_normalised_text_folds_case_punctuation_and_width():
    assert splits.normalise(" DON’T  stop—now! ＡＢＣ _x_ ") == "dont stopnow abc x"


def test_audit_says_which_columns_are_missing():
    with pytest.raises(ValueError, match="lacks column.*label, split"):
        splits.audit(SMALL.drop(columns=["split", "label"]))
    with pytest.raises(ValueError, match="missing values in column.*dialog_id"):
        splits.audit(SMALL.assign(dialog_id=None))


def test_recording_baseline_by_hand():
    rows = manifest(
        *[("train", "a", y, "") for y in (1, 1, 0)],
        *[("train", "b", y, "") for y in (1, 0)],
        *[("train", "c", y, "") for y in (0, 0, 0)],
        *[("test", d, 1, "") for d in "abcz"],
    )
    table = splits.recording_baseline(rows)
    assert list(table.columns) == ["clip_id", "dialog_id", "y", "p", "prediction", "seen"]
    assert table["p"].tolist() == [pytest.approx(2 / 3), 0.5, 0.0, 3 / 8]
    assert table["prediction"].tolist() == [1, 0, 0, 0]
    assert table["seen"].tolist() == [True, True, True, False]
    flipped = splits.recording_baseline(rows.assign(y=1 - rows["y"]))
    assert flipped["prediction"].tolist() == [0, 1, 1, 1]
    swapped = splits.recording_baseline(rows, train="test", test="train")
    assert len(swapped) == 8 and (swapped["p"] == 1).all()


def test_recording_baseline_never_looks_at_the_test_labels():
    flipped = SMALL["y"].where(SMALL["split"] != "test", 1 - SMALL["y"])
    a, b = splits.recording_baseline(SMALL), splits.recording_baseline(SMALL.assign(y=flipped))
    pd.testing.assert_frame_equal(a.drop(columns="y"), b.drop(columns="y"))


def test_recording_baseline_refuses_what_it_cannot_judge():
    with pytest.raises(ValueError, match="y of 0 and 1"):
        splits.recording_baseline(SMALL.assign(y=2))
    with pytest.raises(ValueError, match="test: both in train and in test"):
        splits.recording_baseline(SMALL, train=("train", "test"))
    with pytest.raises(
        ValueError, match="no clips in split dev: the manifest has test, train, val"
    ):
        splits.recording_baseline(SMALL, test="dev")


@st.composite
def nested_clips(draw):
    """Clips in recordings of very different sizes and label rates, three or more of each class."""
    sizes = draw(st.lists(st.integers(1, 12), min_size=6, max_size=12))
    recording = np.repeat([f"r{i}" for i in range(len(sizes))], sizes)
    more = len(recording) - 6
    y = [0, 1, 0, 1, 0, 1, *draw(st.lists(st.integers(0, 1), min_size=more, max_size=more))]
    return pd.DataFrame(
        {"clip_id": [f"c{i}" for i in range(len(y))], "dialog_id": recording, "y": y}
    )


@settings(max_examples=60, deadline=None)
@given(nested_clips(), st.integers(2, 3), st.integers(0, 2**32 - 1))
def test_folds_keep_recordings_whole(frame, n_folds, seed):
    folds = splits.crossfit_folds(frame, n_folds, seed)
    assert folds.index.tolist() == frame["clip_id"].tolist()
    assert set(folds) == set(range(n_folds))
    assert (folds.groupby(frame["dialog_id"].to_numpy()).nunique() == 1).all()
    pd.testing.assert_series_equal(folds, splits.crossfit_folds(frame, n_folds, seed))
    shuffled = frame.sample(frac=1, random_state=1)
    again = splits.crossfit_folds(shuffled, n_folds, seed)
    pd.testing.assert_series_equal(again.loc[folds.index], folds)


def test_folds_without_groups_are_stratified_and_split_recordings():
    frame = pd.DataFrame({"clip_id": [f"c{i}" for i in range(100)], "dialog_id": "r"})
    frame["y"] = np.repeat([0, 1], [70, 30])
    folds = splits.crossfit_folds(frame, groups=None)
    counts = pd.crosstab(folds.to_numpy(), frame["y"])
    assert (counts[0] == 14).all() and (counts[1] == 6).all()
    shuffled = splits.crossfit_folds(frame.sample(frac=1, random_state=1), groups=None)
    pd.testing.assert_series_equal(shuffled.loc[folds.index], folds)
    other = splits.crossfit_folds(frame, seed=43, groups=None)
    assert not folds.equals(other)


def test_grouped_folds_are_stratified_when_recordings_allow():
    y = np.tile([0, 1, 1, 0], 25)
    frame = pd.DataFrame({"clip_id": [f"c{i:03d}" for i in range(100)], "y": y})
    frame["speaker"] = np.repeat([f"s{i}" for i in range(25)], 4)
    folds = splits.crossfit_folds(frame, groups="speaker")
    assert (frame.groupby(folds.to_numpy())["y"].agg(["size", "mean"]) == [20, 0.5]).all(axis=None)


def test_folds_say_why_they_cannot_be_made():
    with pytest.raises(ValueError, match=r"4 value\(s\) of dialog_id cannot fill 5 folds"):
        splits.crossfit_folds(SMALL)
    with pytest.raises(ValueError, match="largest class has 6 clip.* for 7 folds"):
        splits.crossfit_folds(SMALL, n_folds=7, groups=None)
    with pytest.raises(ValueError, match="at least 2"):
        splits.crossfit_folds(SMALL, n_folds=1)
    with pytest.raises(ValueError, match="clip_id repeats"):
        splits.crossfit_folds(SMALL.assign(clip_id="c"), n_folds=2)
    with pytest.raises(ValueError, match="lacks column.*speaker"):
        splits.crossfit_folds(SMALL, groups="speaker")


def test_published_splits():
    """DESIGN: all 154 EMPSPEECH test clips come from train recordings; 78.6 % from those alone."""
    if DATA and Path(DATA, "empspeech", "test.csv").is_file():
        frame = corpora.load_empspeech().manifest
        table = splits.recording_baseline(frame)
        assert ((table["prediction"] == table["y"]).sum(), len(table)) == (121, 154)
        assert table["seen"].all()
        facts = splits.audit(frame)
        assert fact(facts, "clips_of_shared_recordings", "train", "test") == (154, 1.0)
        assert fact(facts, "exact_transcripts", "train", "test")[0] == 2
    if DATA and Path(DATA, "mosi", "text_test.csv").is_file():
        frame = corpora.load_mosi().manifest
        assert fact(splits.audit(frame), "shared_recordings", "train", "test") == (0, 0.0)
        assert not splits.recording_baseline(frame)["seen"].any()

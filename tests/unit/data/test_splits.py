"""Oracles: counts by hand, sets, a plain loop, and the published EMPSPEECH split where it is."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from empdis_utils.data import corpora, splits
from empdis_utils.measures import scores

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
    with pytest.raises(ValueError, match="largest class has 6 for 7 folds"):
        splits.crossfit_folds(SMALL, n_folds=7, groups=None)
    with pytest.raises(ValueError, match="at least 2"):
        splits.crossfit_folds(SMALL, n_folds=1)
    with pytest.raises(ValueError, match="clip_id repeats"):
        splits.crossfit_folds(SMALL.assign(clip_id="c"), n_folds=2)
    with pytest.raises(ValueError, match="lacks column.*speaker"):
        splits.crossfit_folds(SMALL, groups="speaker")


@pytest.mark.parametrize("make", [splits.crossfit_folds, splits.repeated_folds])
def test_three_clips_are_too_few_in_words(make):
    """Not in scikit-learn's words about `n_splits`."""
    three = SMALL.head(3).assign(y=[0, 1, 0])
    with pytest.raises(
        ValueError, match=r"^too few clips \(n=3\): the largest class has 2 for 3 folds"
    ):
        make(three, n_folds=3, groups=None)


def test_a_share_of_recordings_is_set_aside_whatever_their_size():
    """Oracle: one recording in five by count, though the first holds half of all clips."""
    groups = np.array(["large"] * 40 + [f"r{i // 10}" for i in range(40)])
    for seed in range(10):
        train, val = splits.hold_out_recordings(np.arange(80), groups, 0.2, seed)
        assert len(set(groups[val])) == 1 and not set(groups[val]) & set(groups[train])
        np.testing.assert_array_equal(np.sort(np.r_[train, val]), np.arange(80))
        assert len(val) == (40 if groups[val][0] == "large" else 10)
    train, val = splits.hold_out_recordings(np.arange(40, 80), groups, 0.5, 0)
    assert len(set(groups[val])) == 2 and min(train.min(), val.min()) >= 40


@pytest.mark.parametrize(("rows", "share"), [(range(40), 0.2), (range(80), 1.0)])
def test_nothing_to_set_aside_is_said(rows, share):
    groups = np.array(["large"] * 40 + [f"r{i // 10}" for i in range(40)])
    with pytest.raises(ValueError, match="recording.s., .* cannot be set aside .* val_share=0"):
        splits.hold_out_recordings(rows, groups, share, 1)


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


def nested(n_recordings=30, per=20, seed=0, between=1.0, within=0.0):
    """Clips in recordings; p follows the recording's base rate and the clip's own label."""
    rng = np.random.default_rng(seed)
    rates = rng.beta(0.6, 0.6, n_recordings)
    groups = np.repeat(np.arange(n_recordings), per)
    y = (rng.random(len(groups)) < rates[groups]).astype(int)
    score = between * rates[groups] + within * (y - rates[groups])
    return y, score + rng.normal(0, 0.05, len(groups)), groups


def test_repeated_folds_keep_recordings_whole_and_change():
    y, _, groups = nested()
    clips = pd.DataFrame({"clip_id": np.arange(len(y)).astype(str), "y": y, "dialog_id": groups})
    folds = splits.repeated_folds(clips, n_repeats=4)
    assert folds.shape == (4, len(y)) and set(folds.ravel()) == set(range(5))
    for row in folds:
        assert pd.Series(row).groupby(groups).nunique().max() == 1
    assert len({tuple(row) for row in folds}) == 4
    free = splits.repeated_folds(clips, n_repeats=2, groups=None)
    assert pd.Series(free[0]).groupby(groups).nunique().min() > 1
    shares = pd.Series(y).groupby(free[0]).mean()
    assert shares.max() - shares.min() < 0.02  # stratified
    with pytest.raises(ValueError, match="cannot fill"):
        splits.repeated_folds(clips, n_folds=31)


def test_out_of_fold_equals_scikit_learn():
    y, p, groups = nested()
    features = np.column_stack([p, np.cos(np.arange(len(y)))])
    folds = np.arange(len(y)) % 4
    pairs = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(4)]
    model = LogisticRegression()
    expected = cross_val_predict(model, features, y, cv=pairs, method="predict_proba")[:, 1]
    assert splits.out_of_fold(model, features, y, folds) == pytest.approx(expected)
    both = splits.out_of_fold(model, features, y, np.stack([folds, folds]))
    assert both.shape == (2, len(y)) and both[1] == pytest.approx(expected)


def test_out_of_fold_takes_transcripts_and_a_fold_of_one_class():
    text = np.array(["good day", "bad day", "good", "bad"] * 3)
    model = make_pipeline(CountVectorizer(), LogisticRegression())
    y = np.tile([1, 0, 1, 0], 3)
    p = splits.out_of_fold(model, text, y, np.repeat([0, 1, 2], 4))
    assert ((p > 0.5) == y).all()
    alone = splits.out_of_fold(model, text[:4], y[:4], np.array([0, 1, 0, 1]))
    assert set(alone) <= {0.0, 1.0}  # trained on one class


def value(frame, measure):
    return frame.set_index("measure").loc[measure, "value"]


def test_within_between_against_direct_computation():
    y, p, groups = nested(between=1, within=0.1)
    found = scores.within_between(y, p, groups, n_boot=50)
    assert value(found, "auroc") == pytest.approx(roc_auc_score(y, p))
    inside = (groups[:, None] == groups) & (y[:, None] == 1) & (y == 0)
    won = (p[:, None] > p) + 0.5 * (p[:, None] == p)
    assert value(found, "auroc_within") == pytest.approx(won[inside].mean())
    frame = pd.DataFrame({"y": y, "p": p})
    means = frame.groupby(groups).transform("mean")
    centred = frame - means
    share = np.cov(means["y"], means["p"])[0, 1] / np.cov(y, p)[0, 1]
    assert value(found, "share_between") == pytest.approx(share)
    mixed = pd.Series(y).groupby(groups).transform("nunique") == 2
    right = ((centred["p"] > 0) == (y == 1))[mixed]
    assert value(found, "accuracy_centred") == pytest.approx(right.mean())
    assert (found["ci_low"] <= found["value"]).all() and (found["value"] <= found["ci_high"]).all()


def test_a_model_that_knows_only_the_recording_has_no_skill_within():
    y, _, groups = nested()
    rates = pd.Series(y).groupby(groups).transform("mean").to_numpy()
    found = scores.within_between(y, rates, groups, n_boot=50)
    assert value(found, "auroc") > 0.8
    assert value(found, "auroc_within") == 0.5  # all ties
    assert value(found, "share_between") == pytest.approx(1)
    assert value(found, "accuracy_centred") == 0.5


def test_a_model_that_ignores_recordings_has_its_skill_within():
    y, p, groups = nested(between=0, within=1)
    found = scores.within_between(y, p, groups, n_boot=50)
    assert value(found, "auroc_within") > 0.95
    assert abs(value(found, "share_between")) < 0.1


def test_within_between_without_mixed_recordings_says_so():
    y, groups = np.repeat([0, 1], 10), np.repeat([0, 1], 10)
    found = scores.within_between(y, y * 1.0, groups, n_boot=50).set_index("measure")
    assert np.isnan(found.loc["auroc_within", "value"])
    assert "no recording" in found.loc["auroc_within", "note"]
    with pytest.raises(ValueError, match="recordings"):
        scores.within_between([0, 1], [0.1, 0.2], [1])

"""Oracle: courses whose truth is drawn, AUROC by scikit-learn, and counts by hand."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.ndimage import gaussian_filter1d
from sklearn.metrics import auc, roc_auc_score

from empdis_utils.controls import speakers
from empdis_utils.data import tables
from empdis_utils.features import faces, speaker

SHIFTS = [1.0, 2.5, 4.0]


def drawn(n=8, frames=200, noise=0.2):
    """Mouths that go with their own sounds two frames later, and with no other."""
    out, rng = {}, np.random.default_rng(5)
    for k in range(n):
        mouth = gaussian_filter1d(rng.normal(size=frames), 2)
        sound = np.roll(mouth, 2) + noise * rng.normal(size=frames) * mouth.std()
        sound[-3:] = np.nan
        index = pd.Index(np.arange(frames) * 0.04, name="time_s")
        out[f"c{k}"] = pd.DataFrame({"opening": mouth, "loudness": sound}, index=index)
    return out


@pytest.fixture(scope="module")
def course():
    return drawn()


@pytest.fixture(scope="module")
def people(course):
    return pd.Series({name: "same" if name in ("c0", "c1") else name for name in course})


@pytest.fixture(scope="module")
def scores(course, people):
    return speakers.trials(course, people, SHIFTS)


def test_every_face_gets_every_sound_but_those_of_the_same_person(scores):
    counts = scores.groupby("source").size()
    assert counts.to_dict() == {"own": 8, "shifted": 24, "another clip's": 8 * 7 - 2}
    assert not len(scores.query("clip_id == 'c0' and draw == 'c1'"))
    tables.check(scores.assign(option="a"), "speaker_scores")


def test_scores_are_those_of_sync(course, scores):
    face = course["c3"]
    own = speaker.sync(face["opening"], face["loudness"], 0.04)
    turned = face["loudness"].to_numpy().copy()
    turned[:-3] = np.roll(turned[:-3], 25)
    expected = {
        ("own", ""): own,
        ("shifted", "1 s"): speaker.sync(face["opening"], turned, 0.04),
        ("another clip's", "c5"): speaker.sync(face["opening"], course["c5"]["loudness"], 0.04),
    }
    found = scores[scores["clip_id"] == "c3"].set_index(["source", "draw"])
    for key, one in expected.items():
        assert found.loc[key, ["value", "p"]].tolist() == pytest.approx([one.z, one.p])


def test_sounds_of_other_lengths_are_cut_or_end_early(people):
    course = drawn()
    course["c2"] = course["c2"].iloc[:150]
    scores = speakers.trials(course, people, SHIFTS)
    assert (scores["status"] == "ok").all()
    expected = speaker.sync(
        course["c2"]["opening"], course["c4"]["loudness"].to_numpy()[:150], 0.04
    )
    found = scores.query("clip_id == 'c2' and draw == 'c4'")["value"].item()
    assert found == pytest.approx(expected.z)


def test_auroc_and_curve_are_scikit_learns(scores):
    found = speakers.separations(scores, n_boot=100).set_index("control")
    curves = speakers.roc(scores)
    for control, title in speakers.CONTROLS.items():
        part = scores[scores["source"].isin(["own", control])]
        expected = roc_auc_score(part["source"] == "own", part["value"])
        assert found.loc[control, "estimate"] == pytest.approx(expected) and expected > 0.95
        curve = curves[curves["control"] == title]
        assert auc(curve["false alarms"], curve["hits"]) == pytest.approx(expected)
    assert (found["n_recordings"] == 7).all() and found["n"].tolist() == [32, 62]
    tables.check(found.reset_index().assign(option="a"), "speaker_apart")


def test_sounds_without_any_tie_are_told_apart_by_chance(people):
    """Mouths that go with nobody: every interval holds one half."""
    course = drawn()
    names, moved = list(course), drawn(n=16)
    for k, name in enumerate(names):
        course[name]["loudness"] = moved[f"c{8 + k}"]["loudness"].to_numpy()
    found = speakers.separations(speakers.trials(course, people, SHIFTS), n_boot=400)
    assert ((found["ci_low"] < 0.5) & (found["ci_high"] > 0.5)).all()
    picks = speakers.picks(course, people, 0.05)
    assert (picks["source"] == "nobody").mean() > 0.8 and 0.2 < picks["correct"].mean() < 0.8


def test_taken_sounds_are_counted(scores):
    found = speakers.accepted(scores, 0.05).set_index("source")
    for source, part in scores.groupby("source"):
        assert found.loc[source, "taken"] == (part["p"] <= 0.05).sum()
        assert found.loc[source, "estimate"] == pytest.approx((part["p"] <= 0.05).mean())
    assert found.loc["own", "taken"] == 8 and found.loc["another clip's", "estimate"] < 0.2
    lost = scores.assign(p=np.nan)
    assert speakers.accepted(lost, 0.05)["taken"].tolist() == [0, 0, 0]
    tables.check(found.reset_index().assign(option="a"), "speaker_taken")


def test_of_two_faces_the_one_with_its_sound_is_picked(course, people):
    picks = speakers.picks(course, people, 0.05)
    assert len(picks) == 8 * 7 - 2 and picks["correct"].all()
    assert (picks["source"] == "right").mean() > 0.9
    found = speakers.picked(picks).set_index("outcome")["estimate"]
    assert found["right scores higher"] == 1
    assert found[["right named", "wrong named", "nobody named"]].sum() == pytest.approx(1)
    tables.check(picks.assign(option="a"), "speaker_picks")
    tables.check(speakers.picked(picks).assign(option="a"), "speaker_picked")


def test_the_example_is_the_clip_of_the_median_score(course, scores):
    name, both = speakers.example(course, scores)
    own = scores[scores["source"] == "own"].set_index("clip_id")["value"]
    assert (own < own[name]).sum() == 3 and (own > own[name]).sum() == 4
    spread = both.groupby("course")["value"].agg(["mean", "std"])
    np.testing.assert_allclose(spread, [[0, 1]] * 2, atol=1e-9)


def test_each_says_of_which_option_a_row_is(scores):
    both = {"a": scores, "b": scores.assign(p=1.0)}
    found = speakers.each(both, speakers.accepted, 0.05)
    assert found["option"].tolist() == ["a"] * 3 + ["b"] * 3 and found.index.tolist() == [*range(6)]
    pd.testing.assert_frame_equal(found.iloc[:3, 1:], speakers.accepted(scores, 0.05))
    assert found["taken"][3:].tolist() == [0, 0, 0]


def test_courses_are_of_the_longest_track_and_need_a_sound(tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", rng.normal(size=16000) * 0.1, 16000)
    columns = ["clip_id", *speaker.FACE_COLUMNS]
    rows = [("a", n, n * 0.04, 0.1, 0.1, 0.3, 0.3, 0.01 * n) for n in range(20)]
    rows += [("a", n, n * 0.04, 0.6, 0.1, 0.8, 0.3, 0.9) for n in range(5)]
    rows += [("b", 0, 0.0, 0.6, 0.1, 0.8, 0.3, 0.9), ("c", 0, 0.0, *[np.nan] * 5)]
    found = pd.DataFrame(rows, columns=columns)
    sounds = {"a": tmp_path / "a.wav", "b": tmp_path / "none.wav", "c": tmp_path / "a.wav"}
    course = speakers.courses(found, sounds)
    assert list(course) == ["a"]
    np.testing.assert_allclose(course["a"]["opening"], 0.01 * np.arange(20))
    np.testing.assert_allclose(course["a"]["loudness"], 0.1, rtol=0.2)


def test_faces_that_cannot_be_measured_are_a_sentence(monkeypatch):
    def lost():
        raise FileNotFoundError("No face_landmarker.task and no download.")

    monkeypatch.setattr(faces, "find_model", lost)
    found, clips, why = speakers.measured(["a.mpg"], progress=False)
    assert not len(found) and not len(clips) and why.startswith("No face_landmarker.task")
    assert speakers.courses(found, {}) == {}

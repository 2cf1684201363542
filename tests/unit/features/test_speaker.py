"""Oracles: correlations by NumPy, closed forms, tracks drawn with a known truth, seeded noise.

Most need no MediaPipe: pictures are drawn, and a stand-in finds the drawn faces in them.
"""

import contextlib
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pandas as pd
import pytest
import skimage.data
import soundfile
from face_model import needs_mediapipe
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.stats import norm

from empdis_utils.data import catalogue
from empdis_utils.data.media import BadMediaError
from empdis_utils.features import faces, speaker

BROKEN = Path(__file__).parents[2] / "fixture/broken"
STEP, MOST = 0.04, 5  # 25 frames per second; 0.2 s


def courses(n, seed, kind=2):
    """Smooth noise [kind, n]: independent courses that wax and wane like syllables."""
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter1d(rng.normal(size=(kind, n + 40)), 2)[:, 20:-20]


# --- one mouth and one sound ---------------------------------------------------------------------


def by_numpy(opening, loudness):
    """Correlation at each circular shift of the sound to the left."""
    shifts = range(len(opening))
    return np.array([np.corrcoef(opening, np.roll(loudness, -k))[0, 1] for k in shifts])


def test_the_score_is_made_of_numpys_correlations():
    opening, loudness = courses(100, 1)
    found = speaker.sync(opening, loudness, STEP, slow_s=0)
    r = by_numpy(opening, loudness)
    near = np.r_[r[-MOST:], r[: MOST + 1]]
    far = r[2 * MOST + 1 : -2 * MOST]
    assert found.r == pytest.approx(near.max())
    assert found.lag_s == pytest.approx((near.argmax() - MOST) * STEP)
    assert found.z == pytest.approx((near.max() - far.mean()) / far.std(ddof=1))
    assert found.p == pytest.approx(1 - norm.cdf(found.z) ** (2 * MOST + 1))
    assert (found.n, found.status, found.reason) == (100, "ok", "")


@pytest.mark.parametrize("lag", [-5, -2, 0, 3, 5])
@pytest.mark.parametrize("slow_s", [0, 1.0])
def test_a_lag_that_was_put_in_is_found(lag, slow_s):
    (opening,) = courses(150, 2, kind=1)
    found = speaker.sync(opening, np.roll(opening, lag), STEP, slow_s=slow_s)
    assert found.lag_s == pytest.approx(lag * STEP)
    assert found.r == pytest.approx(1, abs=1e-9 if slow_s == 0 else 0.05) and found.p < 1e-3


def test_a_lag_beyond_the_largest_is_not_found():
    (opening,) = courses(150, 2, kind=1)
    assert speaker.sync(opening, np.roll(opening, 40), STEP).p > 0.2


def test_two_sines_have_the_cosine_of_their_phase():
    t = 2 * np.pi * np.arange(100) / 100
    found = speaker.sync(np.sin(3 * t), np.sin(3 * t - 0.4), STEP, max_lag_s=0, slow_s=0)
    assert found.r == pytest.approx(np.cos(0.4)) and found.lag_s == 0


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 99),
    gain=st.floats(1e-3, 1e3),
    offset=st.floats(-10, 10),
    slow_s=st.sampled_from([0, 1.0]),
)
def test_gain_and_offset_change_nothing(seed, gain, offset, slow_s):
    opening, loudness = courses(90, seed)
    plain = speaker.sync(opening, loudness, STEP, slow_s=slow_s)
    louder = speaker.sync(opening, gain * (loudness + offset), STEP, slow_s=slow_s)
    nearer = speaker.sync(gain * opening + offset, loudness, STEP, slow_s=slow_s)
    for found in (louder, nearer):
        np.testing.assert_allclose(found[:4], plain[:4], rtol=1e-4, atol=1e-9)


def test_a_common_slow_rise_is_not_taken_for_speech():
    """Two sentences between silences: alike in that, and in nothing else."""
    hill = np.hanning(100) * 3
    found = [courses(100, seed) + hill for seed in range(40)]
    kept, taken = (
        np.mean([speaker.sync(*pair, STEP, slow_s=slow_s).r for pair in found])
        for slow_s in (0, 1.0)
    )
    alone = np.mean([speaker.sync(*courses(100, seed), STEP).r for seed in range(40)])
    assert kept > 0.8 and abs(taken - alone) < 0.1


def test_frames_where_one_side_is_not_known_do_not_count():
    opening, loudness = courses(100, 3)
    cut = speaker.sync(opening[10:-10], loudness[10:-10], STEP)
    opening[:10] = loudness[-10:] = np.nan
    assert speaker.sync(opening, loudness, STEP) == cut and cut.n == 80


def test_too_short_and_still_sides_have_no_score():
    opening, loudness = courses(100, 4)
    least = 4 * MOST + 1 + speaker.MIN_SHIFTS
    assert speaker.sync(opening[:least], loudness[:least], STEP).status == "ok"
    short = speaker.sync(opening[: least - 1], loudness[: least - 1], STEP)
    assert short.status == "too_short" and f"{least * STEP:.1f} s are needed" in short.reason
    assert np.isnan(short[:4]).all() and short.n == least - 1
    for pair, side in (
        ((np.full(100, 0.3), loudness), "mouth"),
        ((opening, np.zeros(100)), "sound"),
    ):
        still = speaker.sync(*pair, STEP)
        assert still.status == "still" and side in still.reason and np.isnan(still.z)
    assert speaker.sync(opening, np.full(100, np.nan), STEP).n == 0
    with pytest.raises(ValueError, match="step_s is 0"):
        speaker.sync(opening, loudness, 0)
    with pytest.raises(ValueError):
        speaker.sync(opening, loudness[1:], STEP)


# --- the rule ------------------------------------------------------------------------------------


def table(*openings):
    return pd.DataFrame(np.transpose(openings), index=np.arange(len(openings[0])) * STEP)


@pytest.mark.parametrize(("tracks", "frames"), [(1, 75), (1, 250), (3, 250)])
def test_noise_is_named_about_as_seldom_as_was_set(tracks, frames):
    """250 clips of 3 or 10 s where nobody speaks: three standard errors, and some for Šidák."""
    named = dict.fromkeys((0.05, 0.2), 0)
    for seed in range(250):
        *openings, loudness = courses(frames, seed, kind=tracks + 1)
        openings = table(*openings)
        for alpha in named:
            named[alpha] += speaker.choose(openings, loudness, alpha=alpha)[2] == "ok"
    for alpha, n in named.items():
        error = 3 * np.sqrt(alpha * (1 - alpha) / 250)
        assert 0.5 * alpha - error < n / 250 < alpha + error, alpha
    assert 0 < named[0.05] < named[0.2]


def test_the_speaker_is_found_among_three_and_in_noise():
    right = 0
    for seed in range(100):
        one, two, three, noise = courses(250, seed, kind=4)
        loudness = np.roll(two, 2) + noise
        track, scores, status, reason = speaker.choose(table(one, two, three), loudness)
        right += track == 1 and status == "ok" and reason == ""
        assert scores["track"].tolist() == [0, 1, 2]
    assert right >= 95


def test_each_of_many_faces_gets_its_share_of_alpha():
    opening, loudness = courses(100, 6)
    p = speaker.sync(opening, loudness, STEP).p
    still = np.zeros(100)  # a face that cannot be scored takes no share
    for many, share in ((1, p), (3, 1 - (1 - p) ** 3)):
        columns = [opening] * many + [still]
        assert speaker.choose(table(*columns), loudness, alpha=share * 1.001)[0] == 0
        track, _, status, reason = speaker.choose(table(*columns), loudness, alpha=share * 0.999)
        assert (track, status) == (-1, "no_speaker") and f"best of {many} has p" in reason


def test_no_track_that_can_be_scored_is_said():
    opening, loudness = courses(30, 1)
    assert speaker.choose(table(opening), loudness)[2] == "too_short"
    assert speaker.choose(table(np.zeros(100)), np.arange(100.0))[2] == "still"
    with pytest.raises(ValueError, match="alpha is 1.5"):
        speaker.choose(table(opening), loudness, alpha=1.5)


# --- sound ---------------------------------------------------------------------------------------


def test_loudness_of_a_sine_is_its_amplitude_over_root_two():
    t = np.arange(16000) / 16000
    sound = np.where(t < 0.5, 0.2, 0.8) * np.sin(2 * np.pi * 200 * t)
    times = np.arange(0, 1.2, STEP)
    found = speaker.envelope(sound, 16000, times)
    assert found[(times > 0.05) & (times < 0.45)] == pytest.approx(0.2 / np.sqrt(2), rel=1e-6)
    assert found[(times > 0.55) & (times < 0.95)] == pytest.approx(0.8 / np.sqrt(2), rel=1e-6)
    assert np.isnan(found[times > 1.03]).all() and np.isfinite(found[times < 1]).all()


# --- tracks --------------------------------------------------------------------------------------


def seen(rows):
    """Faces: (frame, x, width) at one height."""
    return pd.DataFrame(
        [(n, n * STEP, x, 0.2, x + width, 0.2 + width, 0.1) for n, x, width in rows],
        columns=["frame", "time_s", *speaker.BOX, "opening"],
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(2, 30))
def test_two_faces_that_drift_keep_their_names_in_any_order(seed, n):
    rng = np.random.default_rng(seed)
    left = 0.1 + np.cumsum(rng.uniform(-0.01, 0.01, n)).clip(-0.09, 0.1)
    rows = seen([(k, x, 0.2) for k in range(n) for x in (left[k], left[k] + 0.5)])
    rows["who"] = [0, 1] * n
    tracks = speaker.link(rows.sample(frac=1, random_state=seed))
    assert tracks.groupby("who")["track"].nunique().eq(1).all() and tracks["track"].nunique() == 2


def test_the_assignment_is_the_best_in_all_not_the_nearest_first():
    """Both faces move right; the left one then lies nearest to where the right one was."""
    rows = seen([(0, 0.1, 0.3), (0, 0.2, 0.3), (1, 0.17, 0.3), (1, 0.27, 0.3)])
    assert speaker.link(rows)["track"].tolist() == [0, 1, 0, 1]


def test_a_face_that_is_gone_for_long_comes_back_as_another():
    rows = seen([(0, 0.1, 0.2), (5, 0.1, 0.2), (20, 0.1, 0.2), (21, 0.6, 0.2)])
    assert speaker.link(rows)["track"].tolist() == [0, 0, 1, 2]
    assert speaker.link(rows, max_gap_s=1)["track"].tolist() == [0, 0, 0, 1]
    empty = rows.assign(**dict.fromkeys(speaker.BOX, np.nan))
    assert not len(speaker.link(empty))


def test_overlap_is_the_share_of_pixels():
    a, b = np.array([[0.1, 0.2, 0.6, 0.8]]), np.array([[0.3, 0.1, 0.9, 0.5], [0.7, 0.9, 0.8, 1]])
    y, x = np.mgrid[0:1000, 0:1000] / 1000
    inside = [(x >= q[0]) & (x < q[2]) & (y >= q[1]) & (y < q[3]) for q in (*a, *b)]
    expected = [(inside[0] & one).sum() / (inside[0] | one).sum() for one in inside[1:]]
    np.testing.assert_allclose(speaker._iou(a, b)[0], expected, atol=5e-3)


def test_short_gaps_of_a_mouth_are_bridged_and_ends_are_not():
    rows = seen([(n, 0.1, 0.2) for n in (1, 2, 4)]).assign(opening=[0.1, 0.2, 0.4])
    other = seen([(n, 0.6, 0.2) for n in range(6)])
    wide = speaker.mouths(speaker.link(pd.concat([rows, other], ignore_index=True)))
    own = wide[wide.columns[np.isclose(wide.loc[STEP], 0.1) & wide.iloc[0].isna()][0]]
    np.testing.assert_allclose(own, [np.nan, 0.1, 0.2, 0.3, 0.4, np.nan], atol=1e-12)


# --- drawn clips ---------------------------------------------------------------------------------

SIZE, SHADE = 120, (90, 160)  # pixels of a picture's side; the grey of the two faces


def drawn(openings):
    """A picture [120, 240, 3] of two grey faces of 80 x 60 pixels whose mouths open (white)."""
    picture = np.zeros((SIZE, 2 * SIZE, 3), np.uint8)
    for k, opening in enumerate(openings):
        left = k * SIZE + 30
        picture[20:100, left : left + 60] = SHADE[k]
        picture[60 : 60 + round(opening), left + 20 : left + 40] = 255
    return picture


class DrawnFaces:
    """Finds what `drawn` drew, as MediaPipe's landmarker would say it."""

    def detect(self, picture):
        blobs, n = ndimage.label(picture[..., 0] > 40)
        height, width = blobs.shape
        found = []
        for rows, columns in ndimage.find_objects(blobs, n):
            middle = (columns.start + columns.stop) / 2
            lips = np.flatnonzero(picture[rows, int(middle), 0] > 230) + rows.start
            lips = [lips[0], lips[-1] + 1] if len(lips) else [60, 60]
            marks = [(columns.start, rows.start), (columns.stop, rows.stop)] * 239
            marks[speaker.FOREHEAD], marks[speaker.CHIN] = (middle, rows.start), (middle, rows.stop)
            marks[speaker.UPPER_LIP], marks[speaker.LOWER_LIP] = ((middle, y) for y in lips)
            found.append([SimpleNamespace(x=x / width, y=y / height) for x, y in marks])
        return SimpleNamespace(face_landmarks=found)


@pytest.fixture
def how(monkeypatch, tmp_path):
    """Arguments with which `speaker_crop` looks for drawn faces, without MediaPipe."""

    @contextlib.contextmanager
    def opened(model, max_faces, confidence):
        yield DrawnFaces(), lambda picture: picture

    monkeypatch.setattr(faces, "landmarker", opened)
    (tmp_path / "model.task").write_bytes(b"a stand-in")
    return {"model": tmp_path / "model.task"}


def write(path, pictures, fps=25):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "bgr0"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for n, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = round(n * 1000 / fps), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def heard(path, loudness, rate=16000):
    """Noise as loud as a course, frame by frame."""
    samples = np.repeat(loudness, round(rate * STEP))
    soundfile.write(path, samples * np.random.default_rng(0).normal(size=len(samples)), rate)
    return path


@pytest.fixture
def talk(tmp_path):
    """A clip of two faces, and sounds: of the left, of the right, and of neither."""
    left, right, other = 10 + 9 * courses(120, 7, kind=3) / np.abs(courses(120, 7, kind=3)).max()
    video = write(tmp_path / "talk.mkv", [drawn(pair) for pair in zip(left, right, strict=True)])
    sides = {"left": left, "right": right, "other": other}
    return video, {n: heard(tmp_path / f"{n}.wav", v / 100) for n, v in sides.items()}, sides


def test_openings_and_boxes_are_those_drawn(talk, how):
    video, _, sides = talk
    found, clips = speaker.find_faces([video], progress=False, **how)
    assert clips.iloc[0].tolist() == ["talk", 120, 2, "ok", ""] and len(found) == 240
    mouths = speaker.mouths(speaker.link(found))
    for name, side in zip(mouths, ("left", "right"), strict=True):
        np.testing.assert_allclose(mouths[name], np.round(sides[side]) / 80, atol=1e-9)
    np.testing.assert_allclose(found.loc[0, speaker.BOX].tolist(), [1 / 8, 1 / 6, 3 / 8, 5 / 6])
    np.testing.assert_allclose(found["time_s"].unique(), np.arange(120) * STEP, atol=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_crop_is_of_the_face_that_goes_with_the_sound(side, talk, how):
    video, sounds, _ = talk
    crop = speaker.speaker_crop(video, sound=sounds[side], margin=0, **how)
    assert (crop.status, crop.reason) == ("ok", "") and len(crop.scores) == 2
    at = 0 if side == "left" else 1
    np.testing.assert_allclose(crop.boxes, [[1 / 8 + at / 2, 1 / 6, 3 / 8 + at / 2, 5 / 6]] * 120)
    pictures = speaker.cut(video, crop, side=32)
    assert pictures.shape == (120, 32, 32, 3) and pictures.dtype == np.uint8
    assert np.median(pictures) == pytest.approx(SHADE[at], abs=2)
    wide = speaker.speaker_crop(video, sound=sounds[side], margin=0.5, **how)
    np.testing.assert_allclose(wide.boxes[0, :2], [at / 2, 0], atol=1e-9)  # inside the picture


def test_nobody_is_a_status_with_a_reason(talk, how, tmp_path):
    video, sounds, _ = talk
    nobody = speaker.speaker_crop(video, sound=sounds["other"], **how)
    assert nobody.status == "no_speaker" and "above 0.05" in nobody.reason
    assert nobody.boxes.shape == (0, 4) and nobody.track == -1 and len(nobody.scores) == 2
    silent = heard(tmp_path / "silent.wav", np.zeros(120))
    silence = speaker.speaker_crop(video, sound=silent, **how)
    assert silence.status == "no_sound" and "is silent" in silence.reason
    own = speaker.speaker_crop(video, **how)  # the video has no sound
    assert own.status == "no_sound" and "no audio stream" in own.reason
    blank = write(tmp_path / "blank.mkv", [np.zeros((SIZE, SIZE, 3), np.uint8)] * 60)
    empty = speaker.speaker_crop(blank, sound=sounds["left"], **how)
    assert (empty.status, empty.reason) == ("no_face", "No face in 60 frames.")
    short = write(tmp_path / "short.mkv", [drawn((k, 5)) for k in range(10)])
    assert speaker.speaker_crop(short, sound=sounds["left"], **how).status == "too_short"


def test_a_face_that_leaves_keeps_its_last_box(talk, how, tmp_path):
    _, sounds, sides = talk
    pictures = [drawn(pair) for pair in zip(sides["left"], sides["right"], strict=True)]
    for picture in pictures[:5] + pictures[50:53] + pictures[110:]:
        picture[:, :SIZE] = 0
    video = write(tmp_path / "away.mkv", pictures)
    crop = speaker.speaker_crop(video, sound=sounds["left"], margin=0, **how)
    assert crop.status == "ok" and len(crop.boxes) == 120
    np.testing.assert_allclose(crop.boxes, [[1 / 8, 1 / 6, 3 / 8, 5 / 6]] * 120)


def test_broken_clips_are_rows_with_a_status(how):
    files = {"missing.mp4": "missing", "empty.mp4": "empty", "header_only.mp4": "unreadable",
             "cover_art.flac": "no_video", "no_decoder.mkv": "unreadable"}  # fmt: skip
    table, clips = speaker.find_faces([BROKEN / name for name in files], progress=False, **how)
    assert clips["status"].tolist() == [*files.values()] and not len(table)
    assert clips["reason"].str.endswith(".").all() and clips["n_frames"].isna().all()
    for name, status in files.items():
        crop = speaker.speaker_crop(BROKEN / name, **how)
        assert crop.status == status and crop.reason and len(crop.boxes) == 0
    with pytest.raises(BadMediaError, match="empty"):
        speaker.cut(BROKEN / "empty.mp4", speaker.Crop(np.zeros((1, 4)), [0.0], 0, None, "ok", ""))


def test_what_was_measured_is_not_measured_again(talk, how, tmp_path, monkeypatch):
    kept = dict(how, cache_dir=tmp_path / "cache", progress=False)
    first = speaker.find_faces([talk[0]], **kept)
    monkeypatch.setattr(DrawnFaces, "detect", None)
    again = speaker.find_faces([talk[0]], **kept)
    for one, other in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(one, other)


# --- a detector of one's own ---------------------------------------------------------------------


def test_a_scorer_of_ones_own_gets_the_track_and_the_sound(talk, how):
    video, sounds, sides = talk
    given = []

    def darkest(track, sound):
        given.append((track, sound))
        return -float(speaker.cut(track.path, track, side=16).mean())

    crop = speaker.speaker_crop(
        video, sound=sounds["right"], score=darkest, threshold=-130, margin=0, **how
    )
    assert crop.status == "ok" and crop.track == 0  # by its grey, whatever the sound
    track, sound = given[0]
    np.testing.assert_allclose(track.opening, np.round(sides["left"]) / 80, atol=1e-9)
    assert track.boxes.shape == (120, 4) and len(sound.samples) == sound.sample_rate * 120 // 25
    none = speaker.speaker_crop(video, sound=sounds["right"], score=darkest, threshold=0, **how)
    assert none.status == "no_speaker" and "below 0" in none.reason
    unknown = speaker.speaker_crop(
        video, sound=sounds["right"], score=lambda *_: np.nan, threshold=0, **how
    )
    assert unknown.status == "no_speaker"


def test_a_checkpoint_that_cannot_be_loaded_is_a_sentence(talk):
    with pytest.raises(ValueError, match=r"score names talknet.model.*its publisher's code"):
        speaker.speaker_crop(talk[0], score="talknet.model", threshold=0)
    with pytest.raises(ValueError, match="give a function"):
        speaker.speaker_crop(talk[0], score=3, threshold=0)
    for wrong in ({"score": max}, {"threshold": 0.5}):
        with pytest.raises(ValueError, match="belong together"):
            speaker.speaker_crop(talk[0], **wrong)


def test_rates_that_make_no_sense_are_refused(talk):
    with pytest.raises(ValueError, match="fps is 0"):
        speaker.find_faces([talk[0]], fps=0)


# --- MediaPipe -----------------------------------------------------------------------------------


@needs_mediapipe
def test_the_opening_is_that_of_mediapipes_lips(tmp_path):
    """scikit-image's astronaut (NASA, public domain), who smiles with her lips apart."""
    photo = np.ascontiguousarray(skimage.data.astronaut()[:250, 100:350])
    with faces.landmarker(str(faces.find_model()), 1, 0.5) as (finder, as_image):
        (marks,) = finder.detect(as_image(photo)).face_landmarks
    gap, face = (
        np.hypot(marks[a].x - marks[b].x, marks[a].y - marks[b].y) for a, b in ((13, 14), (10, 152))
    )
    found, clips = speaker.find_faces([write(tmp_path / "a.mkv", [photo] * 2)], progress=False)
    assert clips.loc[0, "status"] == "ok"
    assert found["opening"].tolist() == pytest.approx([gap / face] * 2, abs=1e-6)
    assert found["opening"][0] > 0.05


@needs_mediapipe
def test_two_real_faces_in_one_picture_are_the_two_clips(tmp_path):
    """GRID clips side by side: each mouth opens as it does in its own clip."""
    if not catalogue.at_hand("grid"):
        pytest.skip("GRID is not at hand")
    files = list(catalogue.local_files("grid").values())[:2]
    sides = [[picture for _, picture in faces.timed_frames(path, None)][15:45] for path in files]
    files = [write(tmp_path / f"{k}.mkv", side) for k, side in enumerate(sides)]
    both = [np.ascontiguousarray(np.hstack(pair)) for pair in zip(*sides, strict=True)]
    together = write(tmp_path / "both.mkv", both)
    found, clips = speaker.find_faces([*files, together], progress=False)
    assert clips["n_faces_max"].tolist() == [1, 1, 2]
    tracks = speaker.link(found[found["clip_id"] == "both"])
    wide = speaker.mouths(tracks)
    assert wide.shape == (30, 2)
    for side, track in enumerate(tracks.groupby("track")["x0"].median().sort_values().index):
        alone = found.loc[found["clip_id"] == str(side), "opening"]
        assert np.corrcoef(wide[track], alone)[0, 1] > 0.9

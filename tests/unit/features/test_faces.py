"""Oracles: rates and means counted by hand, MediaPipe called directly on a public photograph.

The photograph is scikit-image's astronaut (NASA, public domain).
"""

import sys
import types
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import requests
import skimage.data
from face_model import needs_mediapipe

from empdis_utils.features import faces

UNITS = list(faces.ACTION_UNITS)


def write(path, pictures, fps=5, times=None, codec="ffv1"):
    """A lossless video (ffv1), a picture at each time (in 1/1000 s)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for n, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts = times[n] if times else round(n * 1000 / fps)
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def face():
    """A face, [250, 250, 3]: 750 bytes a row, so that padded rows would show."""
    return np.ascontiguousarray(skimage.data.astronaut()[:250, 100:350])


@pytest.fixture(scope="module")
def black():
    return np.zeros((250, 250, 3), np.uint8)


def run(files, **kwargs):
    return faces.extract(files, progress=False, **kwargs)


# --- MediaPipe -----------------------------------------------------------------------------------


@needs_mediapipe
def test_proxies_are_the_blendshapes_mediapipe_gives(face, tmp_path):
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    pictures = [face, np.ascontiguousarray(face[:, ::-1]), face // 2]
    options = vision.FaceLandmarkerOptions(
        BaseOptions(model_asset_path=str(faces.find_model())), output_face_blendshapes=True
    )
    scores = []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for picture in pictures:
            image = mediapipe.Image(mediapipe.ImageFormat.SRGB, picture)
            (shapes,) = landmarker.detect(image).face_blendshapes
            scores.append({shape.category_name: shape.score for shape in shapes})
    scores = pd.DataFrame(scores)
    row = run([write(tmp_path / "a.mkv", pictures)], threshold=0.3).iloc[0]
    assert row["status"] == "ok" and row["n_frames"] == 3 and row["face_found"] == 1
    for unit, names in faces.PROXIES.items():
        expected = scores[list(names)].mean(axis=1)
        assert row[f"proxy_{unit}"] == pytest.approx(expected.mean(), abs=1e-6, nan_ok=True), unit
        if names:
            assert row[f"proxy_{unit}_rate"] == pytest.approx((expected >= 0.3).mean()), unit
    assert 0 < row["proxy_AU12"] and row["proxy_AU12_rate"] > 0  # she smiles


@needs_mediapipe
def test_units_without_a_proxy_are_those_mediapipe_never_shows(face, tmp_path):
    row = run([write(tmp_path / "a.mkv", [face])]).iloc[0]
    assert pd.isna(row[["proxy_AU06", "proxy_AU09", "proxy_AU06_rate", "proxy_AU09_rate"]]).all()
    assert row[[f"proxy_{unit}" for unit in UNITS]].notna().sum() == 16


@needs_mediapipe
def test_frames_without_a_face_are_counted_not_averaged_as_zero(face, black, tmp_path):
    one, none = [black] * 3 + [face] + [black] * 4, [black] * 4
    clips = [
        write(tmp_path / f"{name}.mkv", pictures)
        for name, pictures in {"all": [face], "one": one, "none": none}.items()
    ]
    every, once, never = run(clips).to_dict("records")
    assert once["face_found"] == 1 / 8 and once["status"] == "ok"
    assert once["proxy_AU12"] == every["proxy_AU12"]
    assert never["status"] == "no_face" and never["reason"] == "No face in 4 frames."
    assert (never["n_frames"], never["n_faces_max"], never["face_found"]) == (4, 0, 0.0)
    assert all(np.isnan(never[f"proxy_{u}{end}"]) for u in UNITS for end in ("", "_rate"))


@needs_mediapipe
def test_of_two_faces_the_larger_counts(face, black, tmp_path):
    small = np.zeros_like(face)
    small[50:200, 50:200] = (
        av.VideoFrame.from_ndarray(face, "rgb24").reformat(150, 150).to_ndarray()
    )
    small = np.ascontiguousarray(small[:, ::-1])
    files = {"large": [face, black], "left": [face, small], "right": [small, face]}
    files = [write(tmp_path / f"{n}.mkv", [np.hstack(p)]) for n, p in files.items()]
    alone, left, right = run(files, max_side=4000).to_dict("records")
    assert (alone["n_faces_max"], left["n_faces_max"], right["n_faces_max"]) == (1, 2, 2)
    for unit in ("proxy_AU12", "proxy_AU45", "proxy_AU26"):
        assert left[unit] == pytest.approx(alone[unit], abs=0.02)
        assert right[unit] == pytest.approx(alone[unit], abs=0.05)


@needs_mediapipe
def test_planted_movements_of_the_synthetic_corpus_are_measured():
    """The corpus' own truth: what was drawn for each clip, within recordings."""
    corpus = Path(__file__).parents[2] / "fixture/corpus"
    truth = pd.read_csv(corpus / "truth.csv").groupby("dialog_id").head(5)[::2]
    manifest = pd.read_csv(corpus / "manifest.csv").set_index("clip_id").loc[truth["clip_id"]]
    table = run(manifest.reset_index(), root=corpus, fps=3)
    assert (table["status"] == "ok").all() and (table["n_faces_max"] == 1).all()
    both = truth.merge(table, on="clip_id")
    planted = {"video_lip_pull": "AU12", "video_brow_lower": "AU04", "video_lid_raise": "AU05"}
    for cue, unit in planted.items():
        pair = [cue, f"proxy_{unit}"]
        within = both[pair] - both.groupby("dialog_id")[pair].transform("mean")
        assert within.corr().iloc[0, 1] > 0.7, cue


@needs_mediapipe
def test_4k_is_scaled_down_and_gives_the_same_face(face, tmp_path):
    large = av.VideoFrame.from_ndarray(face, "rgb24").reformat(3840, 3840).to_ndarray()
    files = [write(tmp_path / "a.mkv", [face]), write(tmp_path / "b.mp4", [large], codec="mpeg4")]
    small, large = run(files).to_dict("records")
    assert large["status"] == "ok"
    assert large["proxy_AU12"] == pytest.approx(small["proxy_AU12"], abs=0.1)


def _bad_videos(folder, black):
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("not a video")
    whole = write(folder / "whole.mkv", [black] * 5).read_bytes()
    (folder / "header.mkv").write_bytes(whole[:600])
    with av.open(str(folder / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return {
        "whole.mkv": "no_face",
        "empty.mp4": "empty",
        "text.mp4": "unreadable",
        "header.mkv": "unreadable",
        "sound.mkv": "no_video",
        "absent.mp4": "missing",
    }


@needs_mediapipe
def test_bad_video_is_a_row_with_status_and_reason(black, tmp_path, recwarn):
    expected = _bad_videos(tmp_path, black)
    manifest = pd.DataFrame({"clip_id": list(expected), "video_path": list(expected)})
    manifest.loc[len(manifest)] = ["nowhere", None]
    table = run(manifest, root=tmp_path)
    assert table["clip_id"].tolist() == manifest["clip_id"].tolist()
    assert table["status"].tolist() == [*expected.values(), "missing"]
    assert (table["reason"] != "").all()
    assert table["proxy_AU12"].isna().all() and table["face_found"].notna().sum() == 1
    assert len(recwarn) == 0


@needs_mediapipe
def test_every_broken_video_of_the_fixture_is_a_row(recwarn):
    """Oracle: broken/expected.csv, and how make_broken.py made the faces in them."""
    broken = Path(__file__).parents[2] / "fixture/broken"
    expected = pd.read_csv(broken / "expected.csv").query("read_by == 'video' and recipe.isna()")
    expected = expected.set_index("file")["status"]
    expected["size_changes.mkv"] = "ok"  # each frame is measured by itself
    expected["times_far_apart.nut"] = "too_long"  # the whole clip, not its first 10 s
    expected[["no_face.mp4", "black.mp4"]] = "no_face"  # they can be read, and that is in them
    manifest = pd.DataFrame({"clip_id": expected.index, "video_path": expected.index})
    table = run(manifest, root=broken).set_index("clip_id")
    pd.testing.assert_series_equal(table["status"], expected, check_names=False)
    assert (table["reason"] == "").equals(table["status"] == "ok")
    assert table.loc["two_faces.mp4", "n_faces_max"] == 2
    assert table.loc["one_frame.mp4", "n_frames"] == 1
    assert 0 < table.loc["face_in_one_frame.mp4", "face_found"] < 1
    assert len(recwarn) == 0


def test_a_truncated_video_gives_the_frames_it_has(tmp_path):
    """H.264 with B-frames: the decoder holds frames back when the file breaks off."""
    broken = Path(__file__).parents[2] / "fixture/broken"
    for path in (broken / "truncated_late.mp4", broken / "no_sound_stream.mp4"):
        with av.open(str(path)) as container:
            whole = container.streams.video[0].frames
        n = len(list(faces._frames(path, None, 1280)))
        assert 0 < n < whole if "truncated" in path.name else n == whole


def test_frames_are_the_first_of_each_slot_of_time(black, tmp_path):
    """A variable frame rate: pictures numbered by their grey, at known times (ms)."""
    times = [0, 40, 80, 120, 1000, 1190, 1210, 1400, 3000]
    path = write(tmp_path / "a.mkv", [black + 10 * n for n in range(9)], times=times)

    def numbers(fps):
        return [int(frame[0, 0, 0]) // 10 for frame in faces._frames(path, fps, 1280)]

    assert numbers(None) == list(range(9))
    assert numbers(10) == [0, 3, 4, 5, 6, 7, 8]  # slots 0 1 10 11 12 14 30
    assert numbers(1) == [0, 4, 8]


def test_frames_are_contiguous_scaled_and_upright(face, tmp_path):
    wide = np.ascontiguousarray(np.hstack([face, face])[:, :400])
    (frame,) = faces._frames(write(tmp_path / "a.mkv", [wide]), None, 200)
    assert frame.shape == (125, 200, 3) and frame.flags.c_contiguous
    turned = write(tmp_path / "turned.mp4", [wide], codec="mpeg4")
    _tag_rotation(turned)
    (frame,) = faces._frames(turned, None, 1280)
    assert frame.shape == (400, 250, 3) and frame.flags.c_contiguous
    error = np.abs(frame.astype(int) - np.rot90(wide).astype(int)).mean()
    assert error < np.abs(frame.astype(int) - np.rot90(wide, 3).astype(int)).mean() / 2


def _tag_rotation(path):
    """Rewrite the display matrix of an MP4 track: shown turned by 90 degrees, counter-clockwise."""
    unit = bytes.fromhex("00010000")
    none, minus = bytes(4), bytes.fromhex("ffff0000")
    upright = unit + none * 3 + unit + none * 3 + bytes.fromhex("40000000")
    turned = none + minus + none + unit + none * 4 + bytes.fromhex("40000000")
    data = bytearray(path.read_bytes())
    at = data.index(upright, data.index(b"tkhd"))
    data[at : at + len(upright)] = turned
    path.write_bytes(data)


# --- OpenFace ------------------------------------------------------------------------------------

HEADER = (
    "frame, face_id, timestamp, confidence, success, x_0, x_1, y_0, y_1, "
    "AU04_r, AU12_r, AU45_r, AU04_c, AU12_c, AU28_c, AU45_c"
)
ROWS = [
    "1, 0, 0.00, 0.98, 1, 0, 10, 0, 10, 1.0, 2.0, 0.0, 1, 1, 0, 0",
    "1, 1, 0.00, 0.99, 1, 50, 55, 0, 5, 5.0, 5.0, 5.0, 1, 1, 1, 1",  # smaller
    "2, 0, 0.04, 0.97, 1, 0, 10, 0, 10, 3.0, 1.0, 0.0, 0, 1, 1, 0",
    "3, 0, 0.08, 0.20, 1, 0, 10, 0, 10, 5.0, 5.0, 5.0, 1, 1, 1, 1",  # unsure
    "4, 0, 0.12, 0.98, 0, 0, 10, 0, 10, 5.0, 5.0, 5.0, 1, 1, 1, 1",  # failed
]


def openface(folder, name, rows, header=HEADER):
    path = folder / f"{name}.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_openface_rates_and_means_counted_by_hand(tmp_path):
    row = run([openface(tmp_path, "a", ROWS)], source="openface").iloc[0]
    expected = {"AU04": 2.0, "AU04_rate": 0.5, "AU12": 1.5, "AU12_rate": 1.0, "AU28_rate": 0.5}
    assert row[list(expected)].to_dict() == expected
    assert (row["n_frames"], row["n_faces_max"], row["face_found"]) == (4, 2, 0.5)
    assert row["AU45"] == 0 and row["status"] == "ok"
    assert np.isnan(row["AU28"]) and np.isnan(row["AU01"])  # OpenFace has no AU28_r
    loose = run([tmp_path / "a.csv"], source="openface", min_confidence=0.1).iloc[0]
    assert loose["AU04"] == 3.0 and loose["face_found"] == 0.75


def test_openface_tables_are_found_by_video_or_clip(tmp_path):
    openface(tmp_path, "movie", ROWS[:1])
    openface(tmp_path, "b", ROWS[2:3])
    openface(tmp_path, "blind", ROWS[3:])
    openface(tmp_path, "other", ["1, 2"], header="frame, x")
    openface(tmp_path, "bare", [])
    ids = ["a", "b", "blind", "other", "bare", "gone"]
    manifest = pd.DataFrame({"clip_id": ids, "video_path": ["v/movie.mp4", *["v/x.mp4"] * 5]})
    table = run(manifest, source="openface", openface_dir=tmp_path)
    statuses = ["ok", "ok", "no_face", "unreadable", "empty", "missing"]
    assert table["status"].tolist() == statuses
    assert table["AU12"].tolist()[:2] == [2.0, 1.0] and table["AU12"][2:].isna().all()
    assert "no confidence, AU12_r, AU12_c" in table["reason"][3]
    columns = [*UNITS, *(f"{unit}_rate" for unit in UNITS)]
    assert table.columns.tolist()[1:37] == columns
    with pytest.raises(ValueError, match="needs openface_dir"):
        run(manifest, source="openface")


# --- py-feat -------------------------------------------------------------------------------------


class Detector:
    """Stands in for py-feat 2's Detectorv2: same call, same columns, made-up numbers."""

    def __init__(self, device, face_detection_threshold, identity_model):
        assert (device, identity_model) == ("cpu", None)

    def detect(self, inputs, data_type, batch_size, progress_bar):
        assert data_type == "tensor" and inputs.shape == (3, 3, 250, 250)
        found = pd.DataFrame(
            {
                "frame": [0, 0, 1, 2],
                "FaceRectWidth": [10, 50, np.nan, 40],
                "AU43": [1, 0, np.nan, 0.6],
            }
        )
        return found.assign(FaceRectHeight=found["FaceRectWidth"], AU12=[0, 0.2, np.nan, 0.8])


def test_pyfeat_au43_stands_for_au45(black, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "feat", types.SimpleNamespace(Detectorv2=Detector))
    monkeypatch.setattr(faces, "version", lambda package: "2.0.3")
    faces._pyfeat_detector.cache_clear()
    row = run([write(tmp_path / "a.mkv", [black] * 3)], source="pyfeat").iloc[0]
    faces._pyfeat_detector.cache_clear()
    assert (row["n_frames"], row["n_faces_max"]) == (3, 2)
    assert row["face_found"] == pytest.approx(2 / 3)
    assert row["AU12"] == 0.5 and row["AU12_rate"] == 0.5
    assert row["AU45"] == pytest.approx(0.3) and row["AU45_rate"] == 0.5
    assert np.isnan(row["AU04"]) and np.isnan(row["AU04_rate"])


# --- what is missing -----------------------------------------------------------------------------


def test_missing_packages_say_what_to_install(monkeypatch, tmp_path):
    for name in ("feat", "mediapipe"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install 'py-feat>=2'"):
        run([], source="pyfeat")
    with pytest.raises(ImportError, match="apt install libegl1 libgles2"):
        run([], model=tmp_path / "any.task")


def test_the_model_is_checked_and_its_absence_explained(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(faces.pooch, "retrieve", offline)
    monkeypatch.setenv("EMPDIS_DATA", str(tmp_path / "data"))
    with pytest.raises(FileNotFoundError, match=r"Fetch https://.*face_landmarker.task and put it"):
        faces.find_model()
    (tmp_path / "models").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "models/face_landmarker.task").write_bytes(b"something else")
    with pytest.raises(ValueError, match="SHA-256 differs"):
        faces.find_model()


def test_the_model_is_kept_in_the_named_cache_and_not_sought_in_the_current_folder(
    monkeypatch, tmp_path
):
    """`make` exports an empty EMPDIS_DATA; what lies in the current folder is not asked for."""
    (tmp_path / "face_landmarker.task").write_bytes(b"something else")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMPDIS_DATA", "")
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(faces.pooch, "retrieve", lambda _, __, name, path, **___: path / name)
    assert faces.find_model() == tmp_path / "cache" / "models" / "face_landmarker.task"


def test_wrong_parameters_are_named():
    with pytest.raises(ValueError, match="source is 'openfase'; use one of mediapipe, openface"):
        run([], source="openfase")
    with pytest.raises(ValueError, match="fps is 0"):
        run([], fps=0)


def test_the_table_has_the_18_units_of_table_12():
    table_12 = "01 02 04 05 06 07 09 10 12 14 15 17 20 23 25 26 28 45"
    assert UNITS == list(faces.PROXIES) == [f"AU{number}" for number in table_12.split()]


def test_proxies_move_the_same_muscles():
    """Ekman & Friesen's units against Apple's definitions of the blendshapes."""
    named = {"AU04": "browDown", "AU12": "mouthSmile", "AU05": "eyeWide", "AU45": "eyeBlink"}
    for unit, name in named.items():
        assert faces.PROXIES[unit] == (f"{name}Left", f"{name}Right")
    assert faces.PROXIES["AU26"] == ("jawOpen",) and faces.PROXIES["AU01"] == ("browInnerUp",)

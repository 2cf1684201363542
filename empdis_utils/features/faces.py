"""Facial action units of clips: how often each is shown, and how strongly, from three sources."""

import contextlib
import csv
import functools
import itertools
import os
import re
import tempfile
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pooch

from empdis_utils import places
from empdis_utils.data import downloads
from empdis_utils.data.media import (
    MAX_CLIP_S,
    MAX_FPS,
    MAX_PIXELS,
    BadMediaError,
    duration,
    open_container,
    require_length,
    video_stream,
)
from empdis_utils.features import per_clip

__all__ = [
    "ACTION_UNITS", "MIN_CONFIDENCE", "MODEL_SHA256", "MODEL_URL", "PROXIES", "THRESHOLD",
    "extract", "find_model", "landmarker", "timed_frames",
]  # fmt: skip

ACTION_UNITS = {
    "AU01": "Inner Brow Raiser",
    "AU02": "Outer Brow Raiser",
    "AU04": "Brow Lowerer",
    "AU05": "Upper Lid Raiser",
    "AU06": "Cheek Raiser",
    "AU07": "Lid Tightener",
    "AU09": "Nose Wrinkler",
    "AU10": "Upper Lip Raiser",
    "AU12": "Lip Corner Puller",
    "AU14": "Dimpler",
    "AU15": "Lip Corner Depressor",
    "AU17": "Chin Raiser",
    "AU20": "Lip Stretcher",
    "AU23": "Lip Tightener",
    "AU25": "Lips Part",
    "AU26": "Jaw Drop",
    "AU28": "Lip Suck",
    "AU45": "Blink",
}
"""The 18 action units of Table 12, which are OpenFace's."""

PROXIES = {
    "AU01": ("browInnerUp",),
    "AU02": ("browOuterUpLeft", "browOuterUpRight"),
    "AU04": ("browDownLeft", "browDownRight"),
    "AU05": ("eyeWideLeft", "eyeWideRight"),
    "AU06": (),
    "AU07": ("eyeSquintLeft", "eyeSquintRight"),
    "AU09": (),
    "AU10": ("mouthUpperUpLeft", "mouthUpperUpRight"),
    "AU12": ("mouthSmileLeft", "mouthSmileRight"),
    "AU14": ("mouthDimpleLeft", "mouthDimpleRight"),
    "AU15": ("mouthFrownLeft", "mouthFrownRight"),
    "AU17": ("mouthShrugLower",),
    "AU20": ("mouthStretchLeft", "mouthStretchRight"),
    "AU23": ("mouthPressLeft", "mouthPressRight"),
    "AU25": ("mouthLowerDownLeft", "mouthLowerDownRight"),
    "AU26": ("jawOpen",),
    "AU28": ("mouthRollLower", "mouthRollUpper"),
    "AU45": ("eyeBlinkLeft", "eyeBlinkRight"),
}
"""The blendshapes nearest to each action unit, after M. Ozel's ARKit-to-FACS guide.

AU23 and AU24 share mouthPress. AU06 and AU09 have no proxy: MediaPipe's model gives cheekSquint and
noseSneer as 0 on every face, so their columns are missing.
"""

MIN_CONFIDENCE = {"mediapipe": 0.5, "openface": 0.8, "pyfeat": 0.5}
THRESHOLD = {"mediapipe": 0.1, "openface": None, "pyfeat": 0.5}
MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/"
    "float16/1/face_landmarker.task"
)
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"


def extract(
    manifest,
    source="mediapipe",
    fps=5.0,
    *,
    root=None,
    threshold=None,
    min_confidence=None,
    model=None,
    openface_dir=None,
    max_side=1280,
    max_faces=4,
    max_s=MAX_CLIP_S,
    max_pixels=MAX_PIXELS,
    n_jobs=1,
    progress=True,
    cache_dir=None,
):
    """Activation rate and mean intensity of 18 action units per clip. No clip is lost.

    Where a frame shows several faces, the largest counts.

    Parameters
    ----------
    manifest : pd.DataFrame or sequence of path
        The manifest (clip_id, video_path), or paths whose stems become the clip ids: of videos, or
        of OpenFace's CSV files if that is the source.
    source : {"mediapipe", "openface", "pyfeat"}
        MediaPipe's face landmarker, whose blendshapes are only proxies of action units; OpenFace
        CSV files made before; or py-feat (>= 2), if installed.
    fps : float or None
        Frames analysed per second of video; None takes every frame. OpenFace tables are used whole.
    root : path, optional
        Folder that relative paths start from.
    threshold : float, optional
        A unit is active from this intensity on, in [0, 1]. Default: 0.5 of py-feat's probabilities,
        0.1 of MediaPipe's coefficients. For these there is no standard, and full scale differs from
        one to the next: their means say more than their rates. OpenFace decides presence itself
        (`AUxx_c`).
    min_confidence : float, optional
        Faces found with less are ignored. Default: 0.5, for openface 0.8.
    model : path, optional
        MediaPipe's `face_landmarker.task`; see `find_model` for the default.
    openface_dir : path, optional
        Folder of the OpenFace tables `<stem of video_path>.csv` or `<clip_id>.csv`.
    max_side : int
        Larger frames are scaled down to this many pixels on the longer side.
    max_faces : int
        Most faces looked for in a frame (mediapipe).
    max_s : float
        A video that lasts longer is not measured: it is no clip.
    max_pixels : int
        Of one frame, before it is scaled down. Videos with larger ones are not decoded.
    n_jobs : int
        Processes; see `workers.parallel`.
    progress : bool
        Show a progress bar.
    cache_dir : path, optional
        Folder of rows already measured; see `per_clip.measure`.

    Returns
    -------
    pd.DataFrame
        One row per clip, in input order: clip_id; per unit `AUxx` (mean over frames with a face:
        OpenFace 0-5, py-feat 0-1) and `AUxx_rate` (share of these frames where it is active), for
        MediaPipe `proxy_AUxx` (0-1) and `proxy_AUxx_rate`; n_frames; n_faces_max; face_found (share
        of frames with a face); status; reason. What a source does not have is missing: OpenFace's
        AU28 intensity, MediaPipe's AU06 and AU09. py-feat's AU43 stands for AU45. Status is "ok",
        "no_face", or that of a file that cannot be measured: "missing", "empty", "unreadable",
        "no_video", "too_long", "out_of_range" (see `media`; or a number of OpenFace's that it does
        not write), "failed" (an unexpected error, which it names).

    Raises
    ------
    ValueError
        If a column is missing, clip ids repeat, or a parameter is out of range.
    ImportError
        If mediapipe or py-feat cannot be loaded; says what to install.
    FileNotFoundError
        If MediaPipe's model, or py-feat's weights, are nowhere to be found or had.

    Notes
    -----
    Section 3.1 and Table 12 of the paper. OpenFace: Baltrušaitis et al. (2016),
    doi:10.1109/WACV.2016.7477553. Blendshapes: Apple's ARKit names, map in `PROXIES`.

    Examples
    --------
    >>> found = extract(["tests/fixture/broken/openface_good.csv"], "openface", progress=False)
    >>> found[["status", "n_frames", "face_found"]].to_dict("list")
    {'status': ['ok'], 'n_frames': [3], 'face_found': [1.0]}
    """
    if source not in MIN_CONFIDENCE:
        raise ValueError(f"source is {source!r}; use one of {', '.join(MIN_CONFIDENCE)}.")
    if fps is not None and not fps > 0:
        raise ValueError(f"fps is {fps}; it must be above 0, or None for every frame.")
    confidence = MIN_CONFIDENCE[source] if min_confidence is None else min_confidence
    settings = {"confidence": confidence}
    if source != "openface":
        threshold = THRESHOLD[source] if threshold is None else threshold
        settings |= {"threshold": threshold, "fps": fps, "max_side": max_side}
        settings |= {"max_s": max_s, "max_pixels": max_pixels}
    if source == "mediapipe":
        settings |= {"model": str(model or find_model()), "max_faces": max_faces}
        with landmarker(settings["model"], max_faces, confidence):
            pass  # if it cannot be opened, fail before the first clip
    elif source == "pyfeat":
        _pyfeat_detector(confidence)
    key = settings | {"source": source, "version": _version(source)}
    if source == "mediapipe":
        key["model"] = pooch.file_hash(settings["model"])
    prefix = "proxy_" if source == "mediapipe" else ""
    units = [f"{prefix}{unit}" for unit in ACTION_UNITS]
    columns = dict.fromkeys([*units, *(f"{unit}_rate" for unit in units)], float)
    columns |= {"n_frames": "Int64", "n_faces_max": "Int64", "face_found": float}
    detect = {"mediapipe": _mediapipe, "openface": _openface, "pyfeat": _pyfeat}[source]
    return per_clip.measure(
        _files(manifest, root, source, openface_dir),
        functools.partial(_clip_features, detect=detect, prefix=prefix, settings=settings),
        columns,
        title="faces",
        n_jobs=n_jobs,
        progress=progress,
        cache_dir=cache_dir,
        key=key,
    )


def find_model():
    """Path of MediaPipe's face landmarker, checked by its SHA-256.

    Looked for in `places.model_dirs`, then in the cache, then downloaded from the publisher
    (Google, Apache-2.0).

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If a file is there, but not this model.
    FileNotFoundError
        If it is not there and cannot be downloaded.
    """
    name = Path(MODEL_URL).name
    for path in (folder / name for folder in places.model_dirs()):
        if path.is_file():
            if pooch.file_hash(path) != MODEL_SHA256:
                raise ValueError(f"{path} is not the expected model: its SHA-256 differs.")
            return path
    cache = places.cache_dir("models")
    try:
        found = pooch.retrieve(MODEL_URL, MODEL_SHA256, name, cache, downloader=downloads.limited)
        return Path(found)
    except OSError as error:  # requests' errors are OSErrors
        raise FileNotFoundError(
            f"No {name} and no download ({type(error).__name__}). Fetch {MODEL_URL} and put it "
            f"into $EMPDIS_DATA/models/ or {cache}, or name it with model=."
        ) from None


def _files(manifest, root, source, openface_dir):
    """Pairs (clip_id, path or None) of what the source reads."""
    clips = per_clip.listed(manifest, "video_path", root)
    ids, paths = clips["clip_id"], clips["video_path"]
    if source == "openface" and isinstance(manifest, pd.DataFrame):
        if openface_dir is None:
            raise ValueError("source 'openface' needs openface_dir, the folder of its CSV files.")
        tables = {path.stem: path for path in Path(openface_dir).glob("*.csv")}
        stems = [path.stem if path else clip_id for clip_id, path in zip(ids, paths, strict=True)]
        paths = [tables.get(s, tables.get(c)) for c, s in zip(ids, stems, strict=True)]
    return list(zip(ids, paths, strict=True))


def _version(source):
    package = {"mediapipe": "mediapipe", "pyfeat": "py-feat"}.get(source)
    return version(package) if package else None


def _clip_features(path, detect, prefix, settings):
    faces, n_frames = detect(path, **settings)
    largest = faces.sort_values(["frame", "area"]).drop_duplicates("frame", keep="last")
    row = {
        "n_frames": n_frames,
        "n_faces_max": int(faces["frame"].value_counts().max()) if len(faces) else 0,
        "face_found": len(largest) / n_frames,
        "status": "ok" if len(largest) else "no_face",
        "reason": "" if len(largest) else f"No face in {n_frames} frames.",
    }
    for unit in ACTION_UNITS if len(largest) else ():
        row[f"{prefix}{unit}"] = float(largest[unit].mean())
        row[f"{prefix}{unit}_rate"] = float(largest[f"{unit}_c"].mean())
    return row


def _face_table(faces, threshold):
    """Table for `_clip_features`; a unit is active from the threshold on."""
    faces = pd.DataFrame(faces, columns=["frame", "area", *ACTION_UNITS], dtype=float)
    present = (faces[[*ACTION_UNITS]] >= threshold).astype(float)
    present = present.where(faces[[*ACTION_UNITS]].notna())
    return faces.join(present.add_suffix("_c"))


def timed_frames(path, fps, max_side=1280, max_s=MAX_CLIP_S, max_pixels=MAX_PIXELS):
    """Frames of a video with their times: the first in each 1/fps s, or every one (`fps` None).

    `path`: Path of the video. `max_side`, `max_s`, `max_pixels`: as in `extract`. Yields pairs
    (seconds since the first frame, RGB uint8 [height, width, 3], upright). Raises BadMediaError:
    "unreadable", "no_video", "too_long" or "out_of_range".
    """
    with open_container(path, max_pixels) as container:
        stream = video_stream(container, path, max_pixels)
        require_length(duration(container, stream), max_s, path)
        start, last = None, -1
        for n, frame in enumerate(_decoded(container, stream)):
            time = frame.time if frame.time is not None else n / (stream.average_rate or 25)
            start = time if start is None else start
            require_length(time - start, max_s, path)
            if n > MAX_FPS * max_s:
                reason = f"{path.name} has more than {MAX_FPS:,} frames per second."
                raise BadMediaError("out_of_range", reason)
            slot = n if fps is None else int((time - start) * fps + 1e-6)
            if slot > last:
                last = slot
                yield float(time - start), _upright(frame, max_side)
        if last < 0:
            raise BadMediaError("unreadable", f"No frame of {path.name} can be decoded.")


def _frames(path, fps, max_side, **limits):
    return (picture for _, picture in timed_frames(path, fps, max_side, **limits))


def _decoded(container, stream):
    """Frames of a stream; a damaged one is passed over, a truncated file gives what it has."""
    try:
        for packet in container.demux(stream):
            with contextlib.suppress(av.FFmpegError):
                yield from packet.decode()
    except av.FFmpegError:  # the file breaks off: the decoder still holds frames
        with contextlib.suppress(av.FFmpegError):
            yield from stream.codec_context.decode(None)


def _upright(frame, max_side):
    scale = min(1.0, max_side / max(frame.width, frame.height))
    small = frame.reformat(round(frame.width * scale), round(frame.height * scale), "rgb24")
    # PyAV pads rows, and MediaPipe reads the padding as picture: the copy is needed.
    return np.ascontiguousarray(np.rot90(small.to_ndarray(), round(frame.rotation / 90) % 4))


def _mediapipe(path, confidence, threshold, model, max_faces, **frames):
    faces, n_frames = [], 0
    with landmarker(model, max_faces, confidence) as (finder, as_image):
        for frame in _frames(path, **frames):
            found = finder.detect(as_image(frame))
            for marks, shapes in zip(found.face_landmarks, found.face_blendshapes, strict=True):
                units = _proxies({shape.category_name: shape.score for shape in shapes})
                faces.append({"frame": n_frames, "area": _area(marks), **units})
            n_frames += 1
    return _face_table(faces, threshold), n_frames


def _proxies(scores):
    return {unit: np.mean([scores[n] for n in names]) for unit, names in PROXIES.items() if names}


def _area(marks):
    """Bounding box of landmarks, as a share of the frame."""
    x, y = [mark.x for mark in marks], [mark.y for mark in marks]
    return (max(x) - min(x)) * (max(y) - min(y))


@contextlib.contextmanager
def landmarker(model, max_faces, confidence):
    """MediaPipe's landmarker for single images, and its image constructor: a context.

    Opened per clip (about 40 ms): left to the end of the process, MediaPipe fails to close.
    `model`: path of `find_model`, as text. `max_faces`: most faces of an image. `confidence`: least
    of a face. Raises ImportError: mediapipe cannot be loaded, says what it needs;
    FileNotFoundError: no such model.
    """
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            BaseOptions(model_asset_path=model),
            num_faces=max_faces,
            min_face_detection_confidence=confidence,
            output_face_blendshapes=True,
        )
        as_image = functools.partial(mediapipe.Image, mediapipe.ImageFormat.SRGB)
        with _quiet_stderr():
            opened = vision.FaceLandmarker.create_from_options(options)
            opened.detect(as_image(np.zeros((64, 64, 3), np.uint8)))
    except FileNotFoundError:
        raise
    except (ImportError, OSError) as error:
        raise ImportError(
            f"mediapipe cannot be loaded: {error}. It needs libraries of the system; on Debian and "
            "Ubuntu: apt install libegl1 libgles2 libgl1 libglib2.0-0"
        ) from error
    with opened:
        yield opened, as_image


@contextlib.contextmanager
def _quiet_stderr():
    """Hold back what native code logs; MediaPipe has no switch for it. Errors still raise."""
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as sink:
            os.dup2(sink.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _openface(path, confidence):
    """Faces of an OpenFace table; its own columns say presence (_c) and intensity (_r)."""
    table = _openface_table(path)
    lacking = [c for c in ("frame", "confidence", "AU12_r", "AU12_c") if c not in table]
    if lacking:
        reason = f"{path.name} is not an OpenFace table of action units: no {', '.join(lacking)}."
        raise BadMediaError("unreadable", reason)
    if not len(table):
        raise BadMediaError("empty", f"{path.name} has no rows.")
    _require_range(table, ["frame"], 0, 1e9, path, whole=True)
    _require_range(table, ["confidence"], 0, 1, path)
    found = table["confidence"] >= confidence
    if "success" in table:
        _require_range(table, ["success"], 0, 1, path, whole=True)
        found &= table["success"] == 1
    seen = table[found]
    _require_range(seen, [c for c in seen if c.endswith("_r")], 0, 5, path)
    _require_range(seen, [c for c in seen if c.endswith("_c")], 0, 1, path, whole=True)
    landmarks = {axis: seen.filter(regex=rf"^{axis}_\d+$") for axis in "xy"}
    area = seen["confidence"]
    if landmarks["x"].shape[1] and landmarks["y"].shape[1]:
        _require_range(seen, [*landmarks["x"], *landmarks["y"]], -1e5, 1e5, path)
        area = np.prod([m.max(axis=1) - m.min(axis=1) for m in landmarks.values()], axis=0)
    faces = pd.DataFrame({"frame": seen["frame"], "area": area})
    for unit in ACTION_UNITS:
        faces[unit] = seen.get(f"{unit}_r", np.nan)
        faces[f"{unit}_c"] = seen.get(f"{unit}_c", np.nan)
    return faces, table["frame"].nunique()


_READ_FROM_OPENFACE = re.compile(r"\s*(frame|confidence|success|AU\d\d_[rc]|[xy]_\d+)\s*")


def _openface_table(path):
    """The columns of an OpenFace table that are used, as numbers."""
    with open(path, encoding="utf-8", errors="replace") as file:
        rows = csv.reader(file)
        width = len(next(rows, ()))
        for row in rows:
            if row and len(row) != width:
                reason = f"{path.name} has {len(row)} values in line {rows.line_num}, not {width}."
                raise BadMediaError("unreadable", reason)
    try:
        table = pd.read_csv(path, skipinitialspace=True, usecols=_READ_FROM_OPENFACE.fullmatch)
    except (ValueError, UnicodeDecodeError) as error:
        raise BadMediaError("unreadable", f"{path.name} is not a CSV table: {error}.") from None
    table.columns = table.columns.str.strip()
    for name in table:
        number = pd.to_numeric(table[name], errors="coerce")
        if (number.isna() & table[name].notna()).any():
            row = (number.isna() & table[name].notna()).argmax()
            reason = f"{path.name} has {table[name].iloc[row]!r} for {name} in line {row + 2}"
            raise BadMediaError("unreadable", f"{reason}, not a number.")
        table[name] = number.astype(float)
    return table


def _require_range(table, names, low, high, path, whole=False):
    """Refuse numbers that OpenFace does not write: another program's, or shifted columns."""
    for name in names:
        values = table[name].to_numpy()
        bad = ~((values >= low) & (values <= high))
        if whole:
            bad |= values % 1 != 0
        if bad.any():
            row = bad.argmax()
            kind = "a whole number " if whole else ""
            reason = (
                f"{path.name} has {values[row]:g} for {name} in line {table.index[row] + 2}; "
                f"OpenFace writes {kind}from {low:g} to {high:g}."
            )
            raise BadMediaError("out_of_range", reason)


def _pyfeat(path, confidence, threshold, batch=16, **frames):
    import torch

    frames, tables, n_frames = _frames(path, **frames), [], 0
    while some := list(itertools.islice(frames, batch)):  # never all frames in memory
        pictures = torch.from_numpy(np.stack(some)).permute(0, 3, 1, 2)
        table = _pyfeat_detector(confidence).detect(
            pictures, data_type="tensor", batch_size=batch, progress_bar=False
        )
        tables.append(pd.DataFrame(table).assign(frame=lambda t, n=n_frames: t["frame"] + n))
        n_frames += len(some)
    found = pd.concat(tables)
    found = found[found["FaceRectWidth"].notna()]  # frames with no face have an empty row
    faces = found.rename(columns={"AU43": "AU45"}).reindex(columns=[*ACTION_UNITS])
    faces.insert(0, "frame", found["frame"])
    faces.insert(1, "area", found["FaceRectWidth"] * found["FaceRectHeight"])
    return _face_table(faces, threshold), n_frames


@functools.cache
def _pyfeat_detector(confidence):
    try:
        from feat import Detectorv2

        return Detectorv2(device="cpu", face_detection_threshold=confidence, identity_model=None)
    except ImportError as error:
        raise ImportError(
            f"py-feat 2 cannot be loaded: {error}. Install it with `pip install 'py-feat>=2'`, or "
            "take another source: mediapipe, or OpenFace's CSV files."
        ) from error
    except OSError as error:  # so are errors of the hub
        raise FileNotFoundError(
            f"py-feat's weights are not here and cannot be had ({error}). It fetches them from the "
            "Hugging Face hub the first time: let it run once with a network."
        ) from error

"""Who speaks in a clip: the face whose mouth moves with the sound, or nobody. A heuristic.

Faces are found in every frame and linked to tracks; the opening of each mouth is compared with the
envelope of the sound over small lags. Mouths open with the voice, give or take tenths of a second
(Chandrasekaran et al. 2009, doi:10.1371/journal.pcbi.1000436). This knows nothing of speech: a
mouth that chews in time with a voice is taken for its speaker. Sound and picture of a file are
taken to begin together. Trained detectors (TalkNet, Light-ASD) can be given instead: see
`speaker_crop`.
"""

import functools
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pooch
from scipy.ndimage import uniform_filter1d
from scipy.optimize import linear_sum_assignment
from scipy.stats import norm

from empdis_utils.data.media import MAX_CLIP_S, BadMediaError, load_audio, one_clip
from empdis_utils.features import faces, per_clip

__all__ = [
    "BOX", "Crop", "MIN_SHIFTS", "Sync", "Track", "choose", "cut", "envelope", "find_faces", "link",
    "mouths", "speaker_crop", "sync",
]  # fmt: skip

BOX = ["x0", "y0", "x1", "y1"]
#: MediaPipe's face mesh: middle of the inner upper and lower lip, top of the forehead, chin.
UPPER_LIP, LOWER_LIP, FOREHEAD, CHIN = 13, 14, 10, 152
MIN_SHIFTS = 20  # shifts that the spread of chance is taken from; fewer say nothing
FACE_COLUMNS = ["frame", "time_s", *BOX, "opening"]


class Sync(NamedTuple):
    """How well a mouth goes with a sound.

    `z`: the score. The highest correlation over the lags, in standard deviations above what the
    same two courses have when one is shifted against the other by more. `r`: that correlation.
    `lag_s`: its lag; above 0 the mouth is ahead. `p`: chance of such a `z` without any relation, an
    approximation. `n`: frames. `status`: "ok", "too_short", "still" (mouth or sound does not
    change); then all but `n` are NaN.
    """

    z: float
    r: float
    lag_s: float
    p: float
    n: int
    status: str
    reason: str


class Track(NamedTuple):
    """One face through a clip, as a scorer of your own gets it.

    `path`: of the video. `times_s` [n]: seconds after its first frame. `boxes` [n, 4]: as in
    `Crop`. `opening` [n]: of the mouth, as a share of the face's height.
    """

    path: Path
    times_s: np.ndarray
    boxes: np.ndarray
    opening: np.ndarray


class Crop(NamedTuple):
    """Where the speaker's face is in each frame.

    `boxes`: float [n, 4], left, top, right, bottom, as shares of width and height, for `cut`;
    [0, 4] unless the status is "ok". `times_s`: [n], seconds after the first frame. `track`: which
    one; -1 for none. `scores`: a row per track, of `choose`. `status`: "ok", "no_speaker"
    (rejected: no face goes with the sound), "no_face", "no_sound", "too_short" or "still" (nothing
    to score), or that of a file that cannot be read (`media`). `reason`: one sentence; empty when
    the status is "ok".
    """

    boxes: np.ndarray
    times_s: np.ndarray
    track: int
    scores: pd.DataFrame
    status: str
    reason: str


# --- faces ---------------------------------------------------------------------------------------


def find_faces(
    manifest,
    *,
    fps=25.0,
    root=None,
    model=None,
    max_faces=4,
    min_confidence=0.5,
    max_side=1280,
    max_s=MAX_CLIP_S,
    n_jobs=1,
    progress=True,
    cache_dir=None,
):
    """Box and mouth opening of every face in every frame. No clip is lost.

    Parameters
    ----------
    manifest : pd.DataFrame or sequence of path
        The manifest (clip_id, video_path), or paths whose stems become the clip ids.
    fps : float or None
        Frames looked at per second; None takes every one.
    root, model, max_faces, min_confidence, max_side, max_s, n_jobs, progress, cache_dir
        As in `faces.extract`.

    Returns
    -------
    faces : pd.DataFrame
        A row per clip, frame and face: clip_id, frame (from 0), time_s, x0, y0, x1, y1 (shares of
        width and height), opening (of the mouth: distance of the inner lips over that of forehead
        and chin). A frame without a face has one row, of missing values.
    clips : pd.DataFrame
        A row per clip: clip_id, n_frames, n_faces_max, status ("ok", "no_face", or that of a file
        that cannot be measured), reason.

    Raises
    ------
    ValueError, ImportError, FileNotFoundError
        As `faces.extract`.
    """
    if fps is not None and not fps > 0:
        raise ValueError(f"fps is {fps}; it must be above 0, or None for every frame.")
    model = str(model or faces.find_model())
    settings = dict(fps=fps, max_side=max_side, max_s=max_s)
    settings |= dict(model=model, max_faces=max_faces, confidence=min_confidence)
    with faces.landmarker(model, max_faces, min_confidence):
        pass  # if it cannot be opened, fail before the first clip
    listed = per_clip.listed(manifest, "video_path", root)
    rows = per_clip.measure(
        list(zip(listed["clip_id"], listed["video_path"], strict=True)),
        functools.partial(_faces_of, settings=settings),
        {"n_frames": "Int64", "n_faces_max": "Int64", "found": object},
        title="mouths",
        n_jobs=n_jobs,
        progress=progress,
        cache_dir=cache_dir,
        key=settings | {"model": pooch.file_hash(model), "version": version("mediapipe")},
    )
    parts = [
        pd.DataFrame(row.found if isinstance(row.found, list) else [], columns=FACE_COLUMNS)
        .astype(float)
        .assign(clip_id=row.clip_id)
        for row in rows.itertuples()
    ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=FACE_COLUMNS)
    table = table.reindex(columns=["clip_id", *FACE_COLUMNS]).astype({"frame": int})
    return table, rows.drop(columns="found")


def _faces_of(path, settings):
    found, most, n = [], 0, 0
    some = {name: settings[name] for name in ("model", "max_faces", "confidence")}
    rest = {name: settings[name] for name in ("fps", "max_side", "max_s")}
    with faces.landmarker(**some) as (finder, as_image):
        for time, picture in faces.timed_frames(path, **rest):
            shape = np.array(picture.shape[1::-1])
            seen = [
                _face(marks, shape) for marks in finder.detect(as_image(picture)).face_landmarks
            ]
            found += [[n, time, *values] for values in seen or [[None] * 5]]
            most, n = max(most, len(seen)), n + 1
    row = {"n_frames": n, "n_faces_max": most, "found": found, "status": "ok", "reason": ""}
    return row if most else row | {"status": "no_face", "reason": f"No face in {n} frames."}


def _face(marks, shape):
    """Box (4) and opening of one face's landmarks, which are shares of `shape` (width, height)."""
    at = np.array([(mark.x, mark.y) for mark in marks])
    lips, face = (
        np.linalg.norm((at[a] - at[b]) * shape)
        for a, b in ((UPPER_LIP, LOWER_LIP), (FOREHEAD, CHIN))
    )
    return [*at.min(axis=0).tolist(), *at.max(axis=0).tolist(), float(lips / face)]


def link(found, *, min_iou=0.1, max_gap_s=0.4):
    """Faces of one clip, linked to tracks: which face of a frame is which of the one before.

    From frame to frame, the assignment with the greatest overlap in all (Hungarian method). A cut
    to another person at the same place is not noticed.

    Parameters
    ----------
    found : pd.DataFrame
        Rows of one clip, of `find_faces`.
    min_iou : float
        Boxes that share less of their union are not the same face.
    max_gap_s : float
        A face that is gone for longer comes back as another track.

    Returns
    -------
    pd.DataFrame
        The rows with a face, with `track` (int, from 0, in the order in which they come).

    Examples
    --------
    >>> boxes = [[0, 0.0, 0.1, 0.1, 0.3, 0.3, 0], [1, 0.04, 0.12, 0.1, 0.32, 0.3, 0]]
    >>> link(pd.DataFrame(boxes, columns=["frame", "time_s", *BOX, "opening"]))["track"].tolist()
    [0, 0]
    """
    found = found.dropna(subset=BOX)
    last, tracks = {}, pd.Series(-1, found.index)
    for _, rows in found.groupby("frame"):
        time, boxes = rows["time_s"].iloc[0], rows[BOX].to_numpy(float)
        names = [name for name, (seen, _) in last.items() if time - seen <= max_gap_s + 1e-9]
        overlap = _iou(np.array([last[name][1] for name in names]).reshape(-1, 4), boxes)
        own = {j: names[i] for i, j in zip(*linear_sum_assignment(-overlap), strict=True)
               if overlap[i, j] >= min_iou}  # fmt: skip
        for j, index in enumerate(rows.index):
            name = own.get(j, len(last))
            last[name], tracks[index] = (time, boxes[j]), name
    return found.assign(track=tracks)


def _iou(first, second):
    """Intersection over union of boxes [n, 4] and [m, 4]: float [n, m]."""
    a, b = first[:, None], second[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(axis=-1)
    sizes = [(c[..., 2:] - c[..., :2]).prod(axis=-1) for c in (a, b)]
    return shared / np.maximum(sizes[0] + sizes[1] - shared, 1e-12)


def mouths(tracks):
    """Openings as a table [frames, tracks], index time_s; short gaps inside a track are bridged.

    `tracks`: of `link`. Missing before a track begins and after it ends.
    """
    wide = tracks.groupby(["time_s", "track"])["opening"].first().unstack()
    return wide.interpolate(method="index", limit_area="inside")


# --- sound ---------------------------------------------------------------------------------------


def envelope(samples, sample_rate, times_s):
    """Loudness around each time: root mean square over one step of `times_s`.

    Parameters
    ----------
    samples : array [n]
        Mono sound.
    sample_rate : float
        In Hz.
    times_s : array [m]
        Seconds after the start, rising.

    Returns
    -------
    np.ndarray
        float [m], in the unit of the samples; NaN where the sound has ended.

    Examples
    --------
    >>> envelope([0, 0, 3, -3], 2, [0.5, 1.5]).tolist()
    [0.0, 3.0]
    """
    times = np.asarray(times_s, float)
    half = np.median(np.diff(times)) / 2 if len(times) > 1 else 0.5 / sample_rate
    power = np.concatenate([[0.0], np.cumsum(np.square(np.asarray(samples, float)))])
    ends = np.round(np.array([times - half, times + half]) * sample_rate).astype(int)
    low, high = ends.clip(0, len(power) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (power[high] - power[low]) / (high - low)
    return np.where(high > low, np.sqrt(np.maximum(mean, 0)), np.nan)


def sync(opening, loudness, step_s, *, max_lag_s=0.2, slow_s=1.0):
    """Score of one mouth with one sound: the highest correlation over small lags, against chance.

    Correlations are circular, over the frames in which both are known. Chance is what shifts beyond
    twice the largest lag give: their mean and standard deviation make the highest one a `z`, so
    that clips and mouths can be compared. `p` takes these correlations for normal and the lags for
    independent (Šidák); on noise it is rather too large than too small. It assumes that both
    courses go on alike through the clip; so what changes more slowly than `slow_s`, such as the
    silence around a sentence, is taken out before.

    Parameters
    ----------
    opening, loudness : array [n]
        At the same evenly spaced times; NaN where not known.
    step_s : float
        Seconds between frames.
    max_lag_s : float
        Largest lag, either way.
    slow_s : float
        Width of the moving average that is subtracted; 0 leaves both as they are.

    Returns
    -------
    Sync
        It does not change when either side is multiplied by a positive number or moved by any.

    Raises
    ------
    ValueError
        Sides of different length, or a step that is not above 0.

    Examples
    --------
    >>> mouth = np.random.default_rng(0).random(100)
    >>> found = sync(mouth, np.roll(mouth, 2), 0.04)  # the sound comes 2 frames later
    >>> round(found.r, 2), found.lag_s, found.p < 0.001
    (1.0, 0.08, True)
    """
    both = np.array([opening, loudness], float)
    if not step_s > 0:
        raise ValueError(f"step_s is {step_s}; it must be above 0.")
    both = both[:, np.isfinite(both).all(axis=0)]
    n, most = both.shape[1], round(max_lag_s / step_s)
    shifts = n - 4 * most - 1
    if shifts < MIN_SHIFTS:
        needed = (4 * most + 1 + MIN_SHIFTS) * step_s
        reason = f"Mouth and sound last {n * step_s:.1f} s together; {needed:.1f} s are needed."
        return Sync(*[np.nan] * 4, n, "too_short", reason)
    least = 1e-10 * np.abs(both).max(axis=1)
    if slow_s:
        both = both - uniform_filter1d(both, max(round(slow_s / step_s), 1) | 1, axis=1)
    both = both - both.mean(axis=1, keepdims=True)
    scale = both.std(axis=1)
    if (scale <= least).any():
        side = "The mouth" if scale[0] <= least[0] else "The sound"
        return Sync(*[np.nan] * 4, n, "still", f"{side} does not change in {n * step_s:.1f} s.")
    spectra = np.fft.rfft(both / scale[:, None], axis=1)
    r = np.fft.irfft(spectra[0].conj() * spectra[1], n) / n  # r[k]: the mouth is k frames ahead
    lags = np.arange(-most, most + 1)
    best = lags[np.argmax(r[lags])]
    chance = r[2 * most + 1 : n - 2 * most]
    z = (r[best] - chance.mean()) / chance.std(ddof=1)
    p = -np.expm1(len(lags) * norm.logcdf(z))
    return Sync(float(z), float(r[best]), float(best * step_s), float(p), n, "ok", "")


# --- who speaks ----------------------------------------------------------------------------------


def choose(openings, loudness, *, alpha=0.05, **how):
    """The track that speaks, or none: the best score, if chance would seldom give it.

    Parameters
    ----------
    openings : pd.DataFrame
        Of `mouths`: [frames, tracks], index time_s.
    loudness : array [frames]
        Of `envelope`, at these times.
    alpha : float
        Chance of naming anybody when nobody speaks: each of k tracks gets its share (Šidák).
    **how
        Further arguments of `sync`.

    Returns
    -------
    track : int
        -1 for none.
    scores : pd.DataFrame
        A row per track: track, score (`Sync.z`), and the other fields of `Sync`.
    status, reason : str
        "ok", "no_speaker"; where no track can be scored, what `sync` says of the first.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; it must be between 0 and 1.")
    step = float(np.median(np.diff(openings.index))) if len(openings) > 1 else np.inf
    found = [sync(openings[name], loudness, step, **how) for name in openings]
    scores = pd.DataFrame(found, columns=Sync._fields).rename(columns={"z": "score"})
    scores.insert(0, "track", list(openings))
    known = scores.dropna(subset="score")
    if not len(known):
        return -1, scores, *scores[["status", "reason"]].iloc[0]
    best = known.loc[known["score"].idxmax()]
    p = -np.expm1(len(known) * np.log1p(-best["p"])) if best["p"] < 1 else 1.0
    if p > alpha:
        reason = f"No face goes with the sound: the best of {len(known)} has p = {p:.2g}"
        return -1, scores, "no_speaker", f"{reason}, above {alpha:g}."
    return int(best["track"]), scores, "ok", ""


def speaker_crop(
    path,
    *,
    sound=None,
    score=None,
    threshold=None,
    alpha=0.05,
    margin=0.25,
    max_lag_s=0.2,
    slow_s=1.0,
    **how,
):
    """Boxes of the speaker's face in each frame of a clip, by a heuristic that may say: nobody.

    Parameters
    ----------
    path : path
        The video.
    sound : path, optional
        Another file with the sound; default: the video's own.
    score : callable, optional
        A detector of your own in place of the heuristic: `score(track, sound)` gets a `Track` and
        a `media.Audio` (16 kHz, mono), and returns a number, higher for a likelier speaker.
        TalkNet or Light-ASD go here: load the checkpoint with its publisher's code, give it
        ``cut(track.path, track)`` and ``sound.samples``, and return the mean of its scores.
    threshold : float, optional
        With `score`: the least number that names a speaker.
    alpha, max_lag_s, slow_s
        Of `choose` and `sync`.
    margin : float
        Added around the landmarks on every side, as a share of the face's size.
    **how
        Further arguments of `find_faces`: fps, model, max_faces, cache_dir, …

    Returns
    -------
    Crop
        Frames in which the chosen face is not found have its box from the frames around.

    Raises
    ------
    ValueError
        A parameter out of range, or a `score` that cannot be called, such as the name of a
        checkpoint.
    """
    _require_score(score, threshold)
    how = {"progress": False, **how}
    found, clips = find_faces([path], **how)
    clip = clips.iloc[0]
    if clip["status"] != "ok":
        return _nobody(clip["status"], clip["reason"])
    times = found["time_s"].unique()
    heard = load_audio(sound or path, max_s=how.get("max_s", MAX_CLIP_S), normalise=False)
    if heard.status != "ok":
        return _nobody("no_sound", f"No sound to compare with: {heard.reason}")
    tracks = link(found)
    boxes = {name: _boxes(rows, times, margin) for name, rows in tracks.groupby("track")}
    if score is None:
        openings = mouths(tracks).reindex(times)
        loudness = envelope(heard.samples, heard.sample_rate, times)
        rule = dict(alpha=alpha, max_lag_s=max_lag_s, slow_s=slow_s)
        track, scores, status, reason = choose(openings, loudness, **rule)
    else:
        track, scores, status, reason = _by(score, threshold, path, tracks, boxes, times, heard)
    if status != "ok":
        return _nobody(status, reason, scores)
    return Crop(boxes[track], times, track, scores, "ok", "")


def _nobody(status, reason, scores=None):
    scores = pd.DataFrame(columns=["track", "score"]) if scores is None else scores
    return Crop(np.zeros((0, 4)), np.zeros(0), -1, scores, status, reason)


def _require_score(score, threshold):
    if isinstance(score, (str, Path)):
        raise ValueError(
            f"score names {score}, which cannot be loaded: a checkpoint of TalkNet or Light-ASD "
            "holds weights and not the network. Load it with its publisher's code, and give "
            "score=f, where f(track, sound) returns a number."
        )
    if score is not None and not callable(score):
        raise ValueError(f"score is {score!r}; give a function of a track and a sound, or None.")
    if (score is None) != (threshold is None):
        raise ValueError("score and threshold belong together; the heuristic is ruled by alpha.")


def _by(score, threshold, path, tracks, boxes, times, heard):
    """As `choose`, by a scorer of the user's own."""
    rows = []
    for name, part in tracks.groupby("track"):
        here = np.isin(times, part["time_s"])
        opening = part.sort_values("time_s")["opening"].to_numpy()
        rows.append(
            (name, float(score(Track(Path(path), times[here], boxes[name][here], opening), heard)))
        )
    scores = pd.DataFrame(rows, columns=["track", "score"])
    best = scores.loc[scores["score"].fillna(-np.inf).idxmax()]
    if best["score"] >= threshold:
        return int(best["track"]), scores, "ok", ""
    reason = f"The best score of {len(scores)} faces is {best['score']:.3g}, below {threshold:g}."
    return -1, scores, "no_speaker", reason


def _boxes(rows, times, margin):
    """Boxes [n, 4] of one track at all times, with a margin, inside the frame."""
    rows = rows.sort_values("time_s")
    boxes = np.stack([np.interp(times, rows["time_s"], rows[side]) for side in BOX], axis=1)
    more = margin * (boxes[:, 2:] - boxes[:, :2])
    return np.hstack([boxes[:, :2] - more, boxes[:, 2:] + more]).clip(0, 1)


def cut(path, crop, side=112, max_side=1280):
    """Pictures of a `Crop` or a `Track`: uint8 RGB [n, side, side, 3].

    `path`: the same video. `side`: pixels; 112 is what TalkNet and Light-ASD take. A box is
    stretched to a square. Raises BadMediaError: a file that cannot be read, or that has no frame at
    the times of the crop.
    """
    import av

    path, out = Path(path), []
    wanted = dict(zip(np.round(crop.times_s, 6).tolist(), crop.boxes, strict=True))
    with one_clip(path):
        for time, picture in faces.timed_frames(path, None, max_side):
            box = wanted.get(round(time, 6))
            if box is None:
                continue
            height, width = picture.shape[:2]
            x0, x1 = (int(round(value * width)) for value in box[::2])
            y0, y1 = (int(round(value * height)) for value in box[1::2])
            part = np.ascontiguousarray(picture[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)])
            frame = av.VideoFrame.from_ndarray(part, "rgb24")
            out.append(frame.reformat(side, side, "rgb24").to_ndarray())
    if len(out) < len(wanted):
        raise BadMediaError("unreadable", f"{path.name} has {len(out)} of {len(wanted)} frames.")
    return np.array(out, np.uint8).reshape(-1, side, side, 3)

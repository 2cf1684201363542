"""Read the sound and the frames of one clip; a bad file becomes a status, not an exception.

Defaults follow section 3 of the paper and its release: first 10 s, 16 kHz mono, peak-normalised
sound, 16 evenly spaced frames.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from .source import code_of, settings_of

READERS = ("av", "numpy", "soundfile", "soxr")  # packages that read files here
MIN_SOUND_S = 0.1
SILENCE_PEAK = 1e-4  # -80 dB of full scale
# Playlists can name other files, and plain text opens as a "video" of its characters.
REFUSED_FORMATS = {"tty", "hls", "dash", "concat", "ffmetadata"}


@dataclass(frozen=True)
class Audio:
    """Sound of one clip.

    Attributes
    ----------
    samples : np.ndarray
        float32 [n], mono, in [-1, 1]. Empty unless some sound was read. Silent or too short sound
        is handed over as it is, not normalised.
    sample_rate : int
        In Hz.
    status : str
        "ok", "missing", "empty", "unreadable", "no_audio", "too_short" or "silent".
    reason : str
        One sentence; empty when the status is "ok".
    """

    samples: np.ndarray
    sample_rate: int
    status: str
    reason: str


@dataclass(frozen=True)
class Frames:
    """Evenly spaced frames of one clip.

    Attributes
    ----------
    frames : np.ndarray
        uint8 RGB [n, height, width, 3], upright. Shape [0, 0, 0, 3] unless the status is "ok".
    times_s : np.ndarray
        float64 [n], seconds after the first frame. Padding repeats the last time.
    status : str
        "ok", "missing", "empty", "unreadable" or "no_video".
    reason : str
        One sentence; empty when the status is "ok".
    """

    frames: np.ndarray
    times_s: np.ndarray
    status: str
    reason: str


class BadMediaError(Exception):
    """A status and a reason on their way to the caller's row."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status, self.reason = status, reason


def load_audio(path, sample_rate=16_000, max_s=10.0, normalise=True):
    """Read the first seconds of a clip's sound, mono and resampled. Never raises for bad media.

    soundfile reads sound files, PyAV everything else; soxr resamples (its high quality preset).

    Parameters
    ----------
    path : str or Path
        A sound file, or a container with an audio stream.
    sample_rate : int
        Wanted rate in Hz.
    max_s : float
        Seconds kept, from the start.
    normalise : bool
        Divide by the largest absolute sample, as the release does.

    Returns
    -------
    Audio
        Its status says what is wrong: no such file ("missing"), no bytes or no samples ("empty"),
        not media ("unreadable"), no sound in it ("no_audio"), under 0.1 s ("too_short"), nothing
        above -80 dB of full scale ("silent").
    """
    try:
        path = require_bytes(path)
        sound, rate = _read_sound(path, max_s)
    except BadMediaError as bad:
        return Audio(np.zeros(0, np.float32), sample_rate, bad.status, bad.reason)
    if rate != sample_rate:
        sound = soxr.resample(sound, rate, sample_rate)
    sound = np.ascontiguousarray(sound, np.float32)
    seconds, peak = len(sound) / sample_rate, np.abs(sound).max(initial=0.0)
    if seconds < MIN_SOUND_S:
        reason = f"{path.name} holds {seconds:.3f} s of sound; at least {MIN_SOUND_S} s is needed."
        return Audio(sound, sample_rate, "too_short", reason)
    if peak < SILENCE_PEAK:
        reason = f"{path.name} is silent: its largest sample is {peak:.1e} of full scale."
        return Audio(sound, sample_rate, "silent", reason)
    return Audio(sound / peak if normalise else sound, sample_rate, "ok", "")


def load_frames(path, n_frames=16, max_s=10.0):
    """Read evenly spaced frames of the first seconds of a clip. Never raises for bad media.

    The frame shown at each of `n_frames` evenly spaced times, from the first frame to the last one
    that starts within `max_s`; so a variable frame rate is respected. Only the groups of pictures
    that hold a wanted frame are decoded, and in them only the wanted frames and those they are
    predicted from. A clip with fewer frames gives each once and then repeats the last.

    Parameters
    ----------
    path : str or Path
        A video file.
    n_frames : int
        Frames wanted.
    max_s : float
        Seconds looked at, from the first frame.

    Returns
    -------
    Frames
        Its status says what is wrong: no such file ("missing"), no bytes ("empty"), not media
        ("unreadable"), no moving picture in it ("no_video").
    """
    try:
        path = require_bytes(path)
        pictures, times = _read_frames(path, n_frames, max_s)
    except BadMediaError as bad:
        return Frames(np.zeros((0, 0, 0, 3), np.uint8), np.zeros(0), bad.status, bad.reason)
    padding = n_frames - len(pictures)
    pictures = np.stack(pictures + [pictures[-1]] * padding)
    return Frames(pictures, np.array(times + [times[-1]] * padding), "ok", "")


class Clips(Sequence):
    """Media files, each read when it is asked for.

    Parameters
    ----------
    paths : sequence of str, Path or None
        None is a clip without a file; it reads as "missing".
    read : callable
        `load_audio` or `load_frames`, or either with other options.
    """

    def __init__(self, paths, read):
        self.paths, self.read = list(paths), read

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return self.read(self.paths[i])

    def keys(self):
        """What identifies each clip in a cache: its file's SHA-256, or that there is none."""
        return [_sha256(path) for path in self.paths]

    def reader(self):
        """What else a clip read here depends on: settings of the reading, and code."""
        return [settings_of(self.read), code_of(self.read, load_audio, packages=READERS)]


def _sha256(path):
    try:
        with open(require_bytes(path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except BadMediaError as bad:
        return f"{bad.status}: {bad.reason}"


def require_bytes(path):
    """The path of a file with something in it."""
    if path is None:
        raise BadMediaError("missing", "The clip names no file.")
    path = Path(path)
    try:
        if not path.is_file():
            raise BadMediaError("missing", f"There is no file {path.name}.")
        if path.stat().st_size == 0:
            raise BadMediaError("empty", f"{path.name} has no bytes.")
    except (OSError, ValueError) as error:  # no permission, a NUL in the name
        raise BadMediaError("unreadable", f"{path.name} cannot be read: {error}.") from None
    return path


def open_container(path):
    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = f"{path.name} is not a media file that can be opened: {_message(error)}."
        raise BadMediaError("unreadable", reason) from None
    if REFUSED_FORMATS & set(container.format.name.split(",")):
        container.close()
        reason = f"{path.name} is a {container.format.name} file, not sound or video."
        raise BadMediaError("unreadable", reason)
    return container


def _message(error):
    return getattr(error, "strerror", None) or str(error)


def _read_sound(path, max_s):
    """Mono float32 [n] and its own rate."""
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            sound = file.read(int(max_s * rate), dtype="float32", always_2d=True).mean(axis=1)
    except (soundfile.LibsndfileError, OSError):
        sound, rate = _demux_sound(path, max_s)
    if not len(sound):
        raise BadMediaError("empty", f"{path.name} has a header but no sound samples.")
    if not np.isfinite(sound).all():
        raise BadMediaError("unreadable", f"{path.name} holds samples that are not numbers.")
    return sound, rate


def _demux_sound(path, max_s):
    blocks, n, wanted = [], 0, 0
    with open_container(path) as container:
        if not container.streams.audio:
            raise BadMediaError("no_audio", f"{path.name} has no audio stream.")
        stream = container.streams.audio[0]
        try:
            rate = stream.rate
            wanted = int(max_s * rate)
            mono = av.AudioResampler("fltp", stream.layout, rate)  # planar floats, same rate
            for frame in container.decode(stream):
                blocks += [block.to_ndarray().mean(axis=0) for block in mono.resample(frame)]
                n += frame.samples
                if n >= wanted:
                    break
        except (av.FFmpegError, ValueError) as error:
            if not n:
                reason = f"The audio of {path.name} cannot be decoded: {_message(error)}."
                raise BadMediaError("unreadable", reason) from None
    sound = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return sound[:wanted], rate


def _read_frames(path, n_frames, max_s):
    with open_container(path) as container:
        streams = [
            stream
            for stream in container.streams.video
            if not stream.disposition & av.stream.Disposition.attached_pic  # cover art
        ]
        if not streams:
            raise BadMediaError("no_video", f"{path.name} has no video stream.")
        stream = streams[0]
        packets = _demux_packets(container, stream, max_s)
        shown = sorted(p.pts for p in packets if not p.is_discard)
        shown = [pts for pts in shown if (pts - shown[0]) * stream.time_base <= max_s]
        wanted = _evenly_spaced(shown, n_frames)
        pictures = _decode(stream.codec_context, packets, wanted)
        if not pictures:
            raise BadMediaError("unreadable", f"No frame of {path.name} can be decoded.")
        order = sorted(pictures)
        times = [float((pts - shown[0]) * stream.time_base) for pts in order]
        return [pictures[pts] for pts in order], times


def _demux_packets(container, stream, max_s):
    """Compressed packets of the first seconds, in decoding order, each with a time stamp."""
    packets, last = [], None
    try:
        for packet in container.demux(stream):
            if packet.pts is None:
                packet.pts = packet.dts  # AVI states only when to decode
            if packet.pts is None or not packet.size:
                continue
            last = packet.pts + max_s / stream.time_base if last is None else last
            packets.append(packet)
            # Decoding order: once it has passed the limit, no earlier frame can follow.
            if packet.dts is not None and packet.dts > last:
                break
    except av.FFmpegError:
        pass  # a truncated file: its packets so far are used, none at all is reported below
    if not packets:
        raise BadMediaError("unreadable", "The video stream holds no frames.")
    return packets


def _evenly_spaced(shown, n):
    """Time stamps of the frames on screen at n evenly spaced times."""
    if len(shown) <= n:
        return set(shown)
    at = np.linspace(shown[0], shown[-1], n)
    return {shown[i] for i in np.searchsorted(shown, at + 1e-6, side="right") - 1}


def _decode(codec, packets, wanted):
    """RGB arrays by time stamp, decoding no more than the wanted frames need."""
    starts = [i for i, packet in enumerate(packets) if packet.is_keyframe]
    if not starts or starts[0] != 0:
        starts = [0, *starts]
    groups = [packets[i:j] for i, j in zip(starts, [*starts[1:], None], strict=True)]
    needed = set()
    for g, group in enumerate(groups):
        hits = [packet.pts for packet in group if packet.pts in wanted]
        if hits:
            needed.add(g)
            if min(hits) < group[0].pts:  # open group: predicted from the one before, too
                needed.add(g - 1)
    pictures = {}
    for g, group in enumerate(groups):
        if g not in needed:
            continue
        if g + 1 not in needed:
            last = max((i for i, p in enumerate(group) if p.pts in wanted), default=len(group) - 1)
            group = group[: last + 1]
        for packet in group:
            codec.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            _collect(codec, packet, wanted, pictures)
        if g + 1 not in needed:
            _collect(codec, None, wanted, pictures)
            codec.flush_buffers()
    return pictures


def _collect(codec, packet, wanted, pictures):
    try:
        for frame in codec.decode(packet):
            if frame.pts in wanted:
                turns = round(frame.rotation / 90) % 4
                pictures[frame.pts] = np.rot90(frame.to_ndarray(format="rgb24"), turns)
    except av.FFmpegError:
        return  # a damaged frame: the others of the clip still count

"""Read the sound and the frames of one clip; a bad file becomes a status, not an exception.

Defaults follow section 3 of the paper and its release: first 10 s, 16 kHz mono, peak-normalised
sound, 16 evenly spaced frames.

A file of a few kilobytes can ask for gigabytes or hours. So sizes and lengths are held against the
limits below before anything is decoded, as far as the header states them, and again while decoding.
"""

import contextlib
import hashlib
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from empdis_utils.data.hashes import code_of, settings_of

__all__ = [
    "Audio", "BadMediaError", "Clips", "Frames", "MAX_CLIP_S", "MAX_FPS", "MAX_PIXELS", "READERS",
    "duration", "load_audio", "load_frames", "one_clip", "open_container", "read_sound",
    "require_bytes", "require_length", "sound_stream", "video_stream",
]  # fmt: skip

READERS = ("av", "numpy", "soundfile", "soxr")  # packages that read files here
MIN_SOUND_S = 0.1
SILENCE_PEAK = 1e-4  # -80 dB of full scale
MAX_CLIP_S = 600.0  # a clip is one turn of talk, not a film; Praat needs 1 GB for ten minutes
MIN_RATE = 4_000  # Hz; telephones sample at 8,000, and below 4,000 there is no speech to measure
MAX_RATE = 768_000  # Hz; the highest that recorders offer
MAX_CHANNELS = 64  # the most that FFmpeg mixes
MAX_SAMPLES = 120_000_000  # all channels; ten minutes at 96 kHz stereo, 1 GB as float64
MAX_PEAK = 2.0**31  # floats may hold 32-bit integers unscaled; beyond that it is no recording
MAX_PIXELS = 4096 * 4096  # 4K of any shape; sixteen such frames take 0.8 GB
MIN_SIDE = 16  # pixels; encoders scale the shorter side up to 224
MAX_ASPECT = 10  # longer to shorter side; the widest film has 2.76
MAX_FPS = 1_000  # frames per second looked at; slow motion has 960
MAX_BYTES = 4 << 30  # ten minutes of 4K at 50 Mbit/s; also the most that a WAV can hold
MAX_REASON = 600  # characters; file names have up to 255

# Of FFmpeg's 300 formats those that people record in. Left out: playlists, which name other files;
# text, which opens as a "video" of its characters; sound without a header, where any bytes are ok.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,h264,hevc,m4v,asf,flv,dv,mxf,"
    "rm,nut,ivf,wav,w64,aiff,au,caf,flac,mp3,aac,ogg,ac3,eac3,amr,ape,wv,tta"
)


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
        "ok", "missing", "empty", "unreadable", "no_audio", "too_short", "silent", "out_of_range"
        or "failed".
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
        "ok", "missing", "empty", "unreadable", "no_video", "out_of_range" or "failed".
    reason : str
        One sentence; empty when the status is "ok".
    """

    frames: np.ndarray
    times_s: np.ndarray
    status: str
    reason: str


class BadMediaError(Exception):
    """A status and a reason on their way to the caller's row.

    The reason is one line that any table can hold, whatever the file's name or error says.
    """

    def __init__(self, status, reason):
        reason = " ".join(
            str(reason).encode("utf-8", "replace").decode().replace("\0", "?").split()
        )
        if len(reason) > MAX_REASON:
            reason = f"{reason[: MAX_REASON - 200]} … {reason[-197:]}"
        super().__init__(reason)
        self.status, self.reason = status, reason

    def __reduce__(self):
        return type(self), (self.status, self.reason)


@contextlib.contextmanager
def one_clip(path):
    """Whatever goes wrong inside with this one clip becomes a `BadMediaError`, "failed" if unknown.

    Two things stop the chapter: memory that runs out, as the limits above keep any single clip
    small, so that the next clips would fare the same; and code that cannot be imported.
    """
    name = Path(path).name
    try:
        yield
    except (BadMediaError, ImportError):
        raise
    except av.FFmpegError as error:  # some of them are MemoryErrors: an absurd size in a header
        raise BadMediaError("unreadable", f"{name} cannot be decoded: {_message(error)}.") from None
    except MemoryError as error:
        raise MemoryError(
            f"Memory ran out at the clip {name}; use fewer processes (n_jobs), or a lower limit "
            "on its length (max_s)."
        ) from error
    except Exception as error:
        reason = f"{name} made the measurement fail: {type(error).__name__}: {error}"
        raise BadMediaError("failed", reason) from error


def load_audio(path, sample_rate=16_000, max_s=10.0, normalise=True):
    """Read the first seconds of a clip's sound, mono and resampled. Never raises for bad media.

    soundfile reads sound files, PyAV everything else; soxr resamples (its high quality preset).

    `path`: a sound file, or a container with an audio stream. `sample_rate`: wanted rate in Hz.
    `max_s`: seconds kept, from the start. `normalise`: divide by the largest absolute sample, as
    the release does. Returns Audio: its status says what is wrong: no such file ("missing"), no
    bytes or no samples ("empty"), not media ("unreadable"), no sound in it ("no_audio"), under 0.1
    s ("too_short"), nothing above -80 dB of full scale ("silent"), a rate, a number of channels or
    samples that no recording has ("out_of_range"), anything else ("failed"). Raises MemoryError:
    see `one_clip`.
    """
    try:
        path = require_bytes(path)
        with one_clip(path):
            sound, rate = read_sound(path, max_s)
            sound = sound.mean(axis=0)
            if rate != sample_rate:
                sound = soxr.resample(sound, rate, sample_rate)
            sound = np.ascontiguousarray(sound, np.float32)
    except BadMediaError as bad:
        return Audio(np.zeros(0, np.float32), sample_rate, bad.status, bad.reason)
    seconds, peak = len(sound) / sample_rate, np.abs(sound).max(initial=0.0)
    if seconds < MIN_SOUND_S:
        reason = f"{path.name} holds {seconds:.3f} s of sound; at least {MIN_SOUND_S} s is needed."
        return Audio(sound, sample_rate, "too_short", reason)
    if peak < SILENCE_PEAK:
        reason = f"{path.name} is silent: its largest sample is {peak:.1e} of full scale."
        return Audio(sound, sample_rate, "silent", reason)
    return Audio(sound / peak if normalise else sound, sample_rate, "ok", "")


def load_frames(path, n_frames=16, max_s=10.0, max_pixels=MAX_PIXELS):
    """Read evenly spaced frames of the first seconds of a clip. Never raises for bad media.

    The frame shown at each of `n_frames` evenly spaced times, from the first frame to the last one
    that starts within `max_s`; so a variable frame rate is respected. Only the groups of pictures
    that hold a wanted frame are decoded, and in them only the wanted frames and those they are
    predicted from. A clip with fewer frames gives each once and then repeats the last.

    `path`: a video file. `n_frames`: frames wanted. `max_s`: seconds looked at, from the first
    frame. `max_pixels`: of one frame. Larger ones are not decoded. Returns Frames: its status says
    what is wrong: no such file ("missing"), no bytes ("empty"), not media ("unreadable"), no moving
    picture in it ("no_video"), frames that are too large, too small, too many or of changing size
    ("out_of_range"), anything else ("failed"). Raises MemoryError: see `one_clip`.
    """
    try:
        path = require_bytes(path)
        with one_clip(path):
            pictures, times = _read_frames(path, n_frames, max_s, max_pixels)
            padding = n_frames - len(pictures)
            pictures = np.stack(pictures + [pictures[-1]] * padding)
    except BadMediaError as bad:
        return Frames(np.zeros((0, 0, 0, 3), np.uint8), np.zeros(0), bad.status, bad.reason)
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
        """What identifies each clip in a cache: its file's SHA-256 and suffix (which has a say in
        what the bytes are taken for), or that there is none."""
        return [_sha256(path) for path in self.paths]

    def reader(self):
        """What else a clip read here depends on: settings of the reading, and code."""
        return [settings_of(self.read), code_of(self.read, load_audio, packages=READERS)]


def _sha256(path):
    try:
        with open(require_bytes(path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() + Path(path).suffix
    except BadMediaError as bad:
        return f"{bad.status}: {bad.reason}"


def require_bytes(path):
    """The path of a file that can be read, with something in it, and not too much.

    Raises BadMediaError: "missing", "empty", "unreadable" (a folder, a pipe, no permission), or
    "out_of_range".
    """
    if path is None:
        raise BadMediaError("missing", "The clip names no file.")
    path = Path(path)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
            raise BadMediaError("unreadable", f"{path.name} is {kind}, not a file.")
        if found.st_size == 0:
            raise BadMediaError("empty", f"{path.name} has no bytes.")
        if found.st_size > MAX_BYTES:
            reason = f"{path.name} has {found.st_size:,} bytes; at most {MAX_BYTES:,} are read."
            raise BadMediaError("out_of_range", reason)
        open(path, "rb").close()  # permission
    except (FileNotFoundError, NotADirectoryError):
        raise BadMediaError("missing", f"There is no file {path.name}.") from None
    except (OSError, ValueError) as error:  # no permission, too long a name, a NUL in it
        reason = f"{path.name} cannot be read: {_message(error)}."
        raise BadMediaError("unreadable", reason) from None
    return path


def open_container(path, max_pixels=MAX_PIXELS):
    """An open `av` container of one of `FORMATS`; close it. Its decoders refuse larger frames."""
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": FORMATS,
        "max_pixels": str(max_pixels),
    }
    try:
        return av.open(str(path), options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        why = _message(error)
        if isinstance(error, av.error.ArgumentError):  # what FFmpeg says of other formats
            why = "its format is none that people record sound or video in"
        reason = f"{path.name} is not a media file that can be opened: {why}."
        raise BadMediaError("unreadable", reason) from None


def sound_stream(container, path):
    """The first audio stream of a container, with a decoder and within the limits.

    Raises BadMediaError: "no_audio", "unreadable" or "out_of_range".
    """
    if not container.streams.audio:
        raise BadMediaError("no_audio", f"{path.name} has no audio stream.")
    stream = container.streams.audio[0]
    _require_decoder(stream, path)
    _require_sound(stream.rate, stream.codec_context.channels, path)
    return stream


def video_stream(container, path, max_pixels=MAX_PIXELS):
    """The first stream of moving pictures, with a decoder and within the limits.

    Raises BadMediaError: "no_video", "unreadable" or "out_of_range".
    """
    cover = av.stream.Disposition.attached_pic
    streams = [one for one in container.streams.video if not one.disposition & cover]
    if not streams:
        found = "no video stream" + (", only cover art" if container.streams.video else "")
        raise BadMediaError("no_video", f"{path.name} has {found}.")
    stream = streams[0]
    _require_decoder(stream, path)
    codec = stream.codec_context
    codec.options = {"max_pixels": str(max_pixels)}  # also for a size that changes midway
    small, large = sorted((codec.width, codec.height))
    about = f"The frames of {path.name} have {codec.width} x {codec.height} pixels"
    if small == 0:  # what the decoder says of a size that it refused
        reason = f"The frames of {path.name} have no size, or more than {max_pixels:,} pixels."
        raise BadMediaError("out_of_range", reason)
    if small * large > max_pixels:
        raise BadMediaError("out_of_range", f"{about}; at most {max_pixels:,} are decoded.")
    if small < MIN_SIDE:
        raise BadMediaError("out_of_range", f"{about}; at least {MIN_SIDE} a side are needed.")
    if large > MAX_ASPECT * small:
        reason = f"{about}; the longer side may have {MAX_ASPECT} times the shorter one."
        raise BadMediaError("out_of_range", reason)
    return stream


def require_length(seconds, max_s, path):
    """Refuse a clip that lasts longer; `seconds` may be None where the header does not say.

    Raises BadMediaError: "too_long".
    """
    if seconds is not None and seconds > max_s:
        reason = f"{path.name} lasts {seconds:.0f} s; at most {max_s:g} s are read."
        raise BadMediaError("too_long", reason + " Cut it, or raise max_s.")


def duration(container, stream):
    """Seconds that the header states, or None."""
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / av.time_base


def _require_decoder(stream, path):
    if stream.codec_context is None:
        reason = f"There is no decoder for the {stream.type} of {path.name}."
        raise BadMediaError("unreadable", reason)


def _require_sound(rate, channels, path):
    if not MIN_RATE <= rate <= MAX_RATE:
        reason = f"{path.name} has {rate:,} samples per second; {MIN_RATE:,} to {MAX_RATE:,} are "
        raise BadMediaError("out_of_range", reason + "read.")
    if not 1 <= channels <= MAX_CHANNELS:
        reason = f"{path.name} has {channels} channels; 1 to {MAX_CHANNELS} are read."
        raise BadMediaError("out_of_range", reason)


def _message(error):
    return getattr(error, "strerror", None) or str(error)


def read_sound(path, max_s, dtype="float32", *, whole=False):
    """Sound as it is in a file: all channels, its own rate, nothing scaled.

    soundfile reads sound files, PyAV everything else. What decodes before an error is kept.

    `max_s`: seconds read, from the start. `dtype` ({"float32", "float64"}). `whole`: a longer sound
    is refused instead of cut. Returns `samples` (np.ndarray): [channels, n], n > 0, finite; `rate`:
    in Hz. Raises BadMediaError: "empty", "unreadable", "no_audio", "out_of_range" or "too_long".
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate, n = file.samplerate, file.frames
            if file.format == "RAW":  # a guess from the file's name
                raise BadMediaError("unreadable", f"{path.name} has no header of a sound file.")
            _require_sound(rate, file.channels, path)
            if whole and n < 2**62:  # libsndfile's word for unknown
                require_length(n / rate, max_s, path)
            wanted = min(n, _most_samples(max_s, rate, file.channels))
            samples = file.read(wanted, dtype, always_2d=True).T
    except (soundfile.LibsndfileError, OSError, TypeError):  # TypeError: headerless, by its name
        samples, rate = _demux_sound(path, max_s, dtype, whole)
    if whole:
        require_length(samples.shape[1] / rate, max_s, path)
    samples = samples[:, : int(max_s * rate)]
    if samples.size > MAX_SAMPLES:
        reason = f"{path.name} holds over {MAX_SAMPLES:,} samples in {len(samples)} channels."
        raise BadMediaError("out_of_range", reason)
    if not samples.size:
        raise BadMediaError("empty", f"{path.name} has a header but no sound samples.")
    if not np.isfinite(samples).all():
        raise BadMediaError("unreadable", f"{path.name} holds samples that are not numbers.")
    peak = np.abs(samples).max()
    if peak > MAX_PEAK:
        reason = f"{path.name} holds samples up to {peak:.1e} of full scale; that is no recording."
        raise BadMediaError("out_of_range", reason)
    return samples, rate


def _most_samples(max_s, rate, channels):
    """Samples per channel to read: one more than allowed, to notice that there are more."""
    return min(int(max_s * rate), MAX_SAMPLES // channels) + 1


def _demux_sound(path, max_s, dtype, whole):
    blocks, n, error = [], 0, None
    with open_container(path) as container:
        stream = sound_stream(container, path)
        rate, channels = stream.rate, stream.codec_context.channels
        if whole:
            require_length(duration(container, stream), max_s, path)
        wanted = _most_samples(max_s, rate, channels)
        planar = "fltp" if dtype == "float32" else "dblp"
        try:
            same = av.AudioResampler(planar, stream.layout, rate)  # only the layout in memory
            for frame in container.decode(stream):
                blocks += [block.to_ndarray() for block in same.resample(frame)]
                n += frame.samples
                if n >= wanted:
                    break
        except (av.FFmpegError, ValueError) as broken:
            error = _message(broken)
    if error and not blocks:
        raise BadMediaError("unreadable", f"The audio of {path.name} cannot be decoded: {error}.")
    return (np.concatenate(blocks, axis=1) if blocks else np.zeros((1, 0), dtype)), rate


def _read_frames(path, n_frames, max_s, max_pixels):
    with open_container(path, max_pixels) as container:
        stream = video_stream(container, path, max_pixels)
        packets = _demux_packets(container, stream, max_s, path)
        shown = sorted(p.pts for p in packets if not p.is_discard)
        shown = [pts for pts in shown if (pts - shown[0]) * stream.time_base <= max_s]
        wanted = _evenly_spaced(shown, n_frames)
        pictures = _decode(stream.codec_context, packets, wanted)
        if not pictures:
            raise BadMediaError("unreadable", f"No frame of {path.name} can be decoded.")
        sizes = sorted({f"{p.shape[1]} x {p.shape[0]}" for p in pictures.values()})
        if len(sizes) > 1:
            reason = f"The frames of {path.name} change their size: {', '.join(sizes[:4])}."
            raise BadMediaError("out_of_range", reason)
        order = sorted(pictures)
        times = [float((pts - shown[0]) * stream.time_base) for pts in order]
        return [pictures[pts] for pts in order], times


def _demux_packets(container, stream, max_s, path):
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
            if len(packets) > MAX_FPS * max(max_s, 1):
                reason = f"{path.name} has more than {MAX_FPS:,} frames per second."
                raise BadMediaError("out_of_range", reason)
            # Decoding order: once it has passed the limit, no earlier frame can follow.
            if packet.dts is not None and packet.dts > last:
                break
    except av.FFmpegError:
        pass  # a truncated file: its packets so far are used, none at all is reported below
    if not packets:
        raise BadMediaError("unreadable", f"The video stream of {path.name} holds no frames.")
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
                # A thread per core, the default, would take longer to start than this takes.
                rgb = frame.to_ndarray(format="rgb24", threads=1)
                pictures[frame.pts] = np.rot90(rgb, turns)
    except av.FFmpegError:
        return  # a damaged frame: the others of the clip still count

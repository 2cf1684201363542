"""One clip as a browser plays it: MP4 bytes with its pictures, its sound, or both."""

import base64
import contextlib
import io

import av

from empdis_utils.data.media import (
    MAX_CLIP_S,
    BadMediaError,
    duration,
    one_clip,
    open_container,
    require_bytes,
    require_length,
    sound_stream,
    video_stream,
)

__all__ = ["data_uri", "has_sound", "mp4"]

COPIED = {"video": "h264", "audio": "aac"}
AAC_RATES = sorted(av.Codec("aac", "w").audio_rates)


def mp4(video=None, sound=None, bit_rate=None, max_s=MAX_CLIP_S):
    """Pictures of one file and sound of another (or the same), as an MP4 of their own.

    Parameters
    ----------
    video : Path, optional
        The file whose first video stream is kept. None: no pictures.
    sound : Path, optional
        The file whose first audio stream is kept. None: the result has no sound track at all.
    bit_rate : int, optional
        Bits per second of the sound, which is then encoded anew, in one channel. Default: AAC is
        copied, other sound is encoded at 128,000.
    max_s : float
        What lasts longer is refused: it is no clip, and a page would hold all of it.

    Returns
    -------
    bytes
        H.264 and AAC are copied; anything else is encoded. Titles and other metadata stay behind.
        Same input, same bytes.

    Raises
    ------
    BadMediaError
        A file that is missing, empty, unreadable, too long, lacks the stream, or cannot be
        converted; with a status and a reason.
    """
    wanted = [(kind, path) for kind, path in (("video", video), ("audio", sound)) if path]
    if not wanted:
        raise BadMediaError("missing", "The clip names no file.")
    buffer = io.BytesIO()
    wanted = [(kind, require_bytes(path)) for kind, path in wanted]
    names = " and ".join(dict.fromkeys(path.name for _, path in wanted))
    with one_clip(names), contextlib.ExitStack() as opened:
        sources = [(*one, opened.enter_context(open_container(one[1]))) for one in wanted]
        with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as out:
            tracks = [_track(out, source, bit_rate, max_s) for source in sources]
            for (kind, path, _), packets in zip(sources, tracks, strict=True):
                packets = list(packets)
                if not packets:
                    what = "frames" if kind == "video" else "sound samples"
                    raise BadMediaError("empty", f"{path.name} has a header but no {what}.")
                out.mux(packets)
    return buffer.getvalue()


def _track(out, source, bit_rate, max_s):
    """Add a stream to `out`; returns the generator of its packets."""
    kind, path, container = source
    source = (video_stream if kind == "video" else sound_stream)(container, path)
    require_length(duration(container, source), max_s, path)
    if source.codec_context.name == COPIED[kind] and not (kind == "audio" and bit_rate):
        target = out.add_stream_from_template(source)
        return _copied(container, source, target, max_s, path)
    if kind == "video":
        target = out.add_stream("libx264", rate=source.average_rate or 25)
        # H.264 in browsers wants even sizes.
        target.width, target.height = source.width // 2 * 2, source.height // 2 * 2
        target.pix_fmt = "yuv420p"
    else:
        rate = next((rate for rate in AAC_RATES if rate >= source.rate), AAC_RATES[-1])
        target = out.add_stream("aac", rate=rate, bit_rate=bit_rate or 128_000)
        # Plain WAV says how many channels it has, not which; AAC wants to know.
        target.layout = "mono" if bit_rate or source.codec_context.channels == 1 else "stereo"
    return _encoded(container, source, target, max_s, path)


def _copied(container, source, target, max_s, path):
    first, decodes = None, False
    for packet in container.demux(source):
        with contextlib.suppress(av.FFmpegError):
            decodes = decodes or bool(packet.decode())
        if packet.dts is not None:
            first = packet.dts if first is None else first
            require_length(float((packet.dts - first) * packet.time_base), max_s, path)
            packet.stream = target
            yield packet
    if first is not None and not decodes:
        raise BadMediaError("unreadable", f"Nothing of the {source.type} of {path.name} decodes.")


def _encoded(container, source, target, max_s, path):
    first = None
    for frame in container.decode(source):
        if frame.time is not None:
            first = frame.time if first is None else first
            require_length(frame.time - first, max_s, path)
        if source.type == "video":
            frame = frame.reformat(target.width, target.height, target.pix_fmt)
            frame.pict_type = 0
        yield from target.encode(frame)
    yield from target.encode(None)


def has_sound(path):
    """Whether a media file has a sound track. False when it cannot be opened."""
    try:
        with open_container(require_bytes(path)) as container:
            return bool(container.streams.audio)
    except BadMediaError:
        return False


def data_uri(data, kind):
    """Bytes as an address that needs no file: ``data:<kind>;base64,…``."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"

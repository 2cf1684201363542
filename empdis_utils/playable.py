"""One clip as a browser plays it: MP4 bytes with its pictures, its sound, or both."""

import base64
import io

import av

from empdis_utils.media import BadMediaError, open_container, require_bytes

COPIED = {"video": "h264", "audio": "aac"}


def mp4(video=None, sound=None, bit_rate=None):
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

    Returns
    -------
    bytes
        H.264 and AAC are copied; anything else is encoded. Titles and other metadata stay behind.
        Same input, same bytes.

    Raises
    ------
    BadMediaError
        A file that is missing, empty, unreadable, or lacks the stream; with a status and a reason.
    """
    wanted = [(kind, path) for kind, path in (("video", video), ("audio", sound)) if path]
    if not wanted:
        raise BadMediaError("missing", "The clip names no file.")
    buffer, opened = io.BytesIO(), []
    try:
        with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as out:
            tracks = []
            for kind, path in wanted:
                opened.append(open_container(require_bytes(path)))
                tracks.append(_track(out, opened[-1], kind, path.name, bit_rate))
            for packets in tracks:
                out.mux(list(packets))
    except (av.FFmpegError, ValueError) as error:
        names = " and ".join(dict.fromkeys(path.name for _, path in wanted))
        raise BadMediaError("unreadable", f"{names} cannot be converted: {error}.") from None
    finally:
        for container in opened:
            container.close()
    return buffer.getvalue()


def _track(out, container, kind, name, bit_rate):
    """Add a stream to `out`; returns the generator of its packets."""
    found = container.streams.video if kind == "video" else container.streams.audio
    found = [s for s in found if not s.disposition & av.stream.Disposition.attached_pic]
    if not found:
        raise BadMediaError(f"no_{kind}", f"{name} has no {kind} stream.")
    source = found[0]
    if source.codec_context.name == COPIED[kind] and not (kind == "audio" and bit_rate):
        target = out.add_stream_from_template(source)
        return _copied(container, source, target)
    if kind == "video":
        target = out.add_stream("libx264", rate=source.average_rate or 25)
        # H.264 in browsers wants even sizes.
        target.width, target.height = source.width // 2 * 2, source.height // 2 * 2
        target.pix_fmt = "yuv420p"
    else:
        target = out.add_stream("aac", rate=source.rate, bit_rate=bit_rate or 128_000)
        target.layout = "mono" if bit_rate else source.layout
    return _encoded(container, source, target)


def _copied(container, source, target):
    for packet in container.demux(source):
        if packet.dts is not None:
            packet.stream = target
            yield packet


def _encoded(container, source, target):
    for frame in container.decode(source):
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

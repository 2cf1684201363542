"""Fetch what is still there of EMPSPEECH's recordings, and cut the released segments from them.

The release names 1,535 segments of 42 YouTube videos but holds no media. yt-dlp fetches one video
at a time, PyAV cuts it. What cannot be had is recorded with the reason. Whether you may download a
video is for you to settle: with YouTube's terms, with the rights of those seen and heard in it, and
with the law where you are. Nothing is fetched before you say so.

::

    python -m empdis_utils.data.youtube --agree
"""

import argparse
import csv
import errno
import fcntl
import json
import re
import shutil
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

import av
import numpy as np
import soundfile
import soxr
import yt_dlp
from tqdm import tqdm
from yt_dlp.networking.exceptions import HTTPError, IncompleteRead, TransportError
from yt_dlp.utils import ContentTooShortError, GeoRestrictedError, YoutubeDLError

from empdis_utils import places
from empdis_utils.data import corpora, manifests
from empdis_utils.data.hashes import sha256
from empdis_utils.data.media import BadMediaError, open_container

__all__ = ["ClipsError", "cut_audio", "cut_video", "explain", "fetch"]

URL = "https://www.youtube.com/watch?v={}"
TERMS = (
    "make clips downloads videos from YouTube. Whether you may is your own responsibility: "
    "YouTube's terms of service, the rights of the people in the videos, and the law where you "
    "are. To go on, run: make clips AGREE=yes"
)
SAMPLE_RATE = 16_000  # Hz; what the paper's audio encoders take
MAX_HEIGHT = 360  # pixels; the paper's video encoders see 224
SHORT_S = 0.5  # a segment may end this much after the recording
SLOWEST = 500  # bytes per second; a download slower than this counts as stalled
MOST_BYTES = 2 * 2**30  # of one downloaded file
MOST_S = 3600.0  # seconds for one downloaded file
MIN_FREE = 500 * 2**20  # bytes
AT_ONCE = 3  # recordings in a row that may fail for the network before the run stops

# A clip with one of these is not asked for again.
FINAL = (
    *("ok", "no_audio", "no_video", "past_end", "too_large"),
    *("removed", "private", "region", "age"),
)
# The first that is found in yt-dlp's message, case ignored. YouTube's own words come through it.
MESSAGES = (
    ("too_large", "larger than any recording"),
    ("too_slow", "not complete after"),
    ("no_format", "requested format is not available|only images are available|drm protect"),
    ("refused", "not a bot|captcha|rate-limited|too many requests"),
    ("age", "confirm your age|age-restricted|inappropriate for some"),
    ("region", r"your (country|region|location|area)|geo.?restrict"),
    ("private", r"private|members-only|join this channel|sign in|log ?in\b|registered users"),
    ("removed", "unavailable|not available|no longer available|removed|deleted|terminated|closed"),
)
HTTP = {401: "private", 403: "refused", 404: "removed", 410: "removed", 429: "refused",
        451: "region"}  # fmt: skip


class ClipsError(Exception):
    """Why fetching cannot start or go on; the message is for the reader."""


def fetch(
    manifest, folder, *, url=URL, sleep=10, timeout=30, retries=3, again=False, progress=True
):
    """Fetch recordings and cut their clips, one recording at a time.

    Safe to stop and start again: a finished recording is not asked for again, a half-fetched one
    goes on where it stopped, and the table is complete after each recording.

    Parameters
    ----------
    manifest : pd.DataFrame
        Columns clip_id, dialog_id (the video's id), start_s, end_s.
    folder : path
        Gets ``audio/CLIP.flac`` (16 kHz, mono, 16 bit), ``video/CLIP.mp4`` (H.264, 360 lines at
        most, no sound) and ``clips.csv``. Recordings are deleted once they are cut.
    url : str
        Address of a recording; ``{}`` stands for its id.
    sleep : float
        Seconds between recordings.
    timeout : float
        Seconds without a byte after which a connection counts as stalled.
    retries : int
        Further attempts after a stall or a truncated download, after 1, 2, 4, ... times a tenth
        of `sleep`.
    again : bool
        Ask again for recordings that were removed, private, or closed to this region or age.
    progress : bool
        Show a progress bar.

    Returns
    -------
    pd.DataFrame
        As `manifests.clips_table`: one row per clip, in manifest order. Its status is "ok",
        "no_audio" or "no_video" (the recording lacks it), "past_end" (the recording is shorter),
        "removed", "private", "region", "age", "refused" (by the server: a bot check, or too many
        requests), "no_format", "too_large", "too_slow" (`MOST_BYTES`, `MOST_S`), "network",
        "truncated", "unreadable", "error", or "not_fetched".

    Raises
    ------
    ClipsError
        Full disk, another run in the same folder, no network, or the server refuses.
    ValueError
        Ids that cannot be file names.
    """
    folder = Path(folder)
    for name in {*manifest["clip_id"], *manifest["dialog_id"]}:
        if not re.fullmatch(r"[\w-][\w.-]*", name, re.ASCII):
            raise ValueError(f"{name!r} cannot be a file name: use letters, digits, '_', '-', '.'.")
    options = {"url": url, "sleep": sleep, "timeout": timeout, "retries": retries}
    failures = 0
    with _disk(folder), _alone(folder):
        rows = {row["clip_id"]: row for row in _read(folder / "clips.csv")}
        groups = list(manifest.groupby("dialog_id", sort=False))
        for i, (recording, group) in enumerate(tqdm(groups, "recordings", disable=not progress)):
            if all(_finished(rows.get(clip), folder, again) for clip in group["clip_id"]):
                continue
            _require_space(folder)
            rows |= {row["clip_id"]: row for row in _recording(recording, group, folder, options)}
            _write(rows.values(), folder / "clips.csv")
            failed = rows[group["clip_id"].iloc[0]]
            failures = failures + 1 if failed["status"] in ("network", "refused") else 0
            if failures == AT_ONCE:
                raise ClipsError(
                    f"Stopped after {AT_ONCE} recordings in a row could not be reached, the last "
                    f"with: {failed['reason']} Run make clips again later: it goes on from here."
                )
            if i + 1 < len(groups):
                time.sleep(sleep)
    return manifests.clips_table(folder, manifest["clip_id"])


def _recording(recording, group, folder, options):
    """One row per clip of a recording."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    source = folder / "sources" / recording
    rows = [{"clip_id": clip, "at": at} for clip in group["clip_id"]]
    try:
        length = _download(recording, source, options)
        for row, clip in zip(rows, group.itertuples(), strict=True):
            row |= _cut(source, clip.clip_id, clip.start_s, clip.end_s, folder, length)
    except BadMediaError as bad:
        return [row | {"status": bad.status, "reason": bad.reason} for row in rows]
    shutil.rmtree(source)
    return rows


# Downloading


def _download(recording, source, options):
    """Fetch a recording into the folder `source`, which exists only when all is there.

    Returns its length in seconds as its page states it, or 0.
    """
    if not source.exists():
        part = source.with_name(f".{recording}.part")
        part.mkdir(parents=True, exist_ok=True)
        try:
            with yt_dlp.YoutubeDL(_settings(part, options)) as ydl:
                info = ydl.extract_info(options["url"].format(quote(recording)))
        except (YoutubeDLError, OSError) as error:
            status, reason = explain(error)
            if status == "too_large":
                shutil.rmtree(part)
            if status == "disk":
                raise OSError(errno.ENOSPC, reason) from None
            raise BadMediaError(status, reason) from None
        (part / "length.json").write_text(json.dumps(info.get("duration") or 0))
        part.rename(source)
    return json.loads((source / "length.json").read_text())


def _settings(part, options):
    """What yt-dlp is told: small files, no ffmpeg, and to give up on what does not move."""

    def give_up(state):
        size, seconds = state.get("downloaded_bytes") or 0, state.get("elapsed") or 0
        if max(size, state.get("total_bytes") or 0) > MOST_BYTES:
            raise YoutubeDLError(
                f"The file is larger than any recording: over {MOST_BYTES:,} bytes"
            )
        if seconds > MOST_S:
            raise YoutubeDLError(f"The file is not complete after {MOST_S:g} s")
        if seconds > options["timeout"] and size < SLOWEST * seconds:
            raise TransportError(f"stalled: under {SLOWEST} bytes per second")

    return {
        "paths": {"home": str(part)},
        "outtmpl": "%(format_id)s.%(ext)s",
        # Sound and picture apart, else in one file: joining them would need ffmpeg.
        "format": "(bv,ba)/b",
        "format_sort": [f"res:{MAX_HEIGHT}", "proto", "vcodec:h264", "acodec:aac"],
        "fixup": "never",
        "allowed_extractors": ["youtube", "generic"],
        "noplaylist": True,
        "socket_timeout": options["timeout"],
        "retries": options["retries"],
        "extractor_retries": options["retries"],
        "fragment_retries": options["retries"],
        "skip_unavailable_fragments": False,
        "retry_sleep_functions": dict.fromkeys(
            ("http", "extractor", "fragment"), lambda n: 0.1 * options["sleep"] * 2**n
        ),
        "sleep_interval_requests": min(1, 0.1 * options["sleep"]),
        "js_runtimes": {name: {} for name in ("deno", "node", "bun", "quickjs")},
        "progress_hooks": [give_up],
        "updatetime": False,
        "quiet": True,
        "noprogress": True,
        "no_warnings": True,
        "logger": _Silent(),
    }


class _Silent:
    """What yt-dlp says on the way; its exception says the same once more."""

    def debug(self, message):
        pass

    warning = error = debug


def explain(error):
    """Status and reason of an exception of yt-dlp.

    The causes below it are looked at first, then the text (`MESSAGES`).

    Returns `status, reason` (str): "disk" for a full disk, else as in `fetch`.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    text = re.sub(r"^(ERROR:\s*)?(\[[\w:]+\] (\S+: )?)?", "", text)
    text = re.split(r" \(caused by| Use --| See {2}?http|; please report", " ".join(text.split()))[
        0
    ]
    reason = text if text.endswith(".") else text + "."
    causes = _causes(error)
    if "Errno 28" in text or any(getattr(e, "errno", None) == errno.ENOSPC for e in causes):
        return "disk", reason
    for cause in causes:
        if isinstance(cause, GeoRestrictedError):
            return "region", reason
        if isinstance(cause, HTTPError):
            return HTTP.get(cause.status, "network" if cause.status >= 500 else "error"), reason
        if isinstance(cause, (IncompleteRead, ContentTooShortError)):
            return "truncated", f"The server sent less than it announced: {reason}"
    if any(isinstance(cause, TransportError) for cause in causes):
        return "network", reason
    if re.search("bytes read, .* more expected|Downloaded .* bytes, expected", text):
        return "truncated", f"The server sent less than it announced: {reason}"
    if re.search("Got error|timed out|Connection|stalled", text):
        return "network", reason
    for status, pattern in MESSAGES:
        if re.search(pattern, text, re.IGNORECASE):
            if status == "no_format":
                reason += " A newer yt-dlp, or a JavaScript runtime for it (deno), may help."
            return status, reason
    return "error", reason


def _causes(error):
    """The exception and all below it, each once."""
    found, waiting = [], [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and cause not in found:
            found.append(cause)
            inner = [getattr(cause, "cause", None), cause.__cause__, cause.__context__]
            waiting += inner + [(getattr(cause, "exc_info", None) or (None, None))[1]]
    return found


# Cutting


def _cut(source, clip_id, start_s, end_s, folder, length):
    """Cut one clip out of the files of a recording: a row of the table, without its id."""
    if not end_s > start_s:
        return {"status": "past_end", "reason": f"The segment has no length: {start_s} to {end_s}."}
    row, lacking = {}, []
    for kind, suffix, cut in (("audio", "flac", cut_audio), ("video", "mp4", cut_video)):
        name = f"{kind}/{clip_id}.{suffix}"
        (folder / kind).mkdir(exist_ok=True)
        aside = folder / kind / f".{clip_id}.tmp.{suffix}"
        file = _with_stream(source, kind)
        if file is None:
            lacking.append(kind)
            continue
        try:
            cut(file, start_s, end_s, aside, length)
        except BadMediaError as bad:
            aside.unlink(missing_ok=True)
            if bad.status in ("truncated", "unreadable"):  # another download may be whole
                shutil.rmtree(source)
                raise
            return {"status": bad.status, "reason": bad.reason}
        aside.replace(folder / name)
        row |= {f"{kind}_path": name, f"{kind}_sha256": sha256(folder / name)}
    if len(lacking) == 2:
        shutil.rmtree(source)
        raise BadMediaError("unreadable", "What was fetched is neither sound nor video.")
    status = f"no_{lacking[0]}" if lacking else "ok"
    return row | {
        "status": status,
        "reason": f"The recording has no {lacking[0]}." if lacking else "",
    }


def _with_stream(source, kind):
    for file in sorted(source.iterdir()):
        if file.suffix != ".json":
            try:
                with open_container(file) as container:
                    if getattr(container.streams, kind):
                        return file
            except BadMediaError:
                continue
    return None


def cut_video(file, start_s, end_s, target, length=0):
    """Re-encode the pictures from `start_s` to `end_s`, each nearest to where it was.

    `file`, `target`: a media file, and an MP4 file to write (H.264, no sound, 360 lines at most).
    `start_s`, `end_s`: seconds from the start of `file`. The first frame kept is the one nearest to
    `start_s`; the frame nearest to `end_s` is the first one left out. `length`: length of the
    recording in seconds if its publisher states it. Raises BadMediaError: "past_end" (shorter than
    the segment), "truncated" (shorter than it says it is) or "unreadable".
    """
    with open_container(file) as container:
        stream = container.streams.video[0]
        half = 0.5 / float(stream.average_rate or 25)
        last, encoder = None, None
        base = Fraction(1, 90_000)
        with av.open(str(target), "w", format="mp4") as out:
            for at, frame in _decoded(container, stream, start_s):
                last = at + 2 * half
                if at >= end_s - half and encoder:
                    break
                if at < start_s - half and at + half < end_s:
                    continue
                if encoder is None:
                    encoder, first, previous = _encoder(out, frame, stream), at, -1
                pts = round((at - first) / base)
                if pts > previous:
                    frame = frame.reformat(encoder.width, encoder.height, "yuv420p")
                    frame.pts, frame.time_base, previous = pts, base, pts
                    frame.pict_type = 0  # the encoder chooses, not the recording
                    out.mux(encoder.encode(frame))
            _covered(last, end_s, container, length, file)
            if encoder is None:
                raise BadMediaError("unreadable", f"{file.name} shows nothing at {start_s:.2f} s.")
            out.mux(encoder.encode(None))


def _encoder(out, frame, stream):
    height = min(frame.height, MAX_HEIGHT) // 2 * 2
    encoder = out.add_stream("libx264", rate=stream.average_rate or 25)
    encoder.width = round(frame.width * height / frame.height / 2) * 2
    encoder.height, encoder.pix_fmt = height, "yuv420p"
    encoder.codec_context.time_base = Fraction(1, 90_000)
    # One thread: the same bytes on every machine.
    encoder.options = {"crf": "23", "preset": "veryfast", "threads": "1"}
    return encoder


def cut_audio(file, start_s, end_s, target, length=0):
    """Write the sound from `start_s` to `end_s` as FLAC: 16 kHz, mono, 16 bit.

    Parameters and errors are those of `cut_video`; exact to one sample of the recording.
    """
    with open_container(file) as container:
        stream = container.streams.audio[0]
        rate = stream.rate
        mono = av.AudioResampler("fltp", stream.layout, rate)  # planar floats, same rate
        blocks, first, last = [], None, None
        # Lossy codecs need a little of what comes before.
        for at, frame in _decoded(container, stream, start_s - 0.5):
            first = at if first is None else first
            blocks += [block.to_ndarray().mean(axis=0) for block in mono.resample(frame)]
            last = at + frame.samples / rate
            if last >= end_s:
                break
        _covered(last, end_s, container, length, file)
    sound = np.concatenate(blocks)
    begin, end = (max(0, round((second - first) * rate)) for second in (start_s, end_s))
    sound = sound[begin:end]
    if not len(sound):
        raise BadMediaError("past_end", f"The sound ends before {start_s:.2f} s.")
    sound = soxr.resample(sound, rate, SAMPLE_RATE)
    soundfile.write(target, sound, SAMPLE_RATE, format="FLAC", subtype="PCM_16")


def _decoded(container, stream, start_s):
    """(seconds, frame) from the last key frame before `start_s`; ends where data are damaged."""
    origin = (container.start_time or 0) / av.time_base
    for goal in (max(0, start_s), 0):
        try:
            container.seek(round((goal + origin) * av.time_base))
            frames = container.decode(stream)
            frame = next(frames, None)
        except av.FFmpegError:
            frame = None
        if frame is not None and frame.time - origin <= start_s:
            break
    try:
        while frame is not None:
            yield frame.time - origin, frame
            frame = next(frames, None)
    except av.FFmpegError:
        return


def _covered(last, end_s, container, length, file):
    if last is not None and last >= end_s - SHORT_S:
        return
    promised = max(length, (container.duration or 0) / av.time_base)
    reached = "cannot be decoded" if last is None else f"ends after {last:.2f} s"
    if promised >= end_s - SHORT_S:
        reason = f"{file.name} {reached}, though it should last {promised:.2f} s."
        raise BadMediaError("truncated", reason)
    reason = f"The recording lasts {promised:.2f} s; the segment ends at {end_s:.2f} s."
    raise BadMediaError("past_end", reason)


# The table and its folder


def _read(path):
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(rows, path):
    aside = path.with_suffix(".tmp")
    with open(aside, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, manifests.CLIPS_COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    aside.replace(path)


def _finished(row, folder, again):
    """Whether a clip needs nothing more; what is there must have the bytes that were written."""
    if row is None or row["status"] not in FINAL:
        return False
    files = [(row[f"{kind}_path"], row[f"{kind}_sha256"]) for kind in ("audio", "video")]
    files = [(folder / name, digest) for name, digest in files if name]
    if not files and again:
        return False
    return all(path.is_file() and sha256(path) == digest for path, digest in files)


@contextmanager
def _disk(folder):
    """A full disk becomes one sentence."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _full(folder) from None


def _require_space(folder):
    if shutil.disk_usage(folder).free < MIN_FREE:
        raise _full(folder)


def _full(folder):
    return ClipsError(
        f"The disk with {folder} is full: free at least {MIN_FREE >> 20} MiB, or name another "
        "folder in EMPDIS_CLIPS, then run make clips again; finished recordings are kept."
    )


@contextmanager
def _alone(folder):
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClipsError(f"Another make clips is at work in {folder}.") from None
        yield


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--agree", action="store_true", help="you have settled that you may")
    parser.add_argument("--again", action="store_true", help="ask for removed videos again, too")
    parser.add_argument("--sleep", type=float, default=10, help="seconds between recordings")
    parser.add_argument("--timeout", type=float, default=30, help="seconds before a stall counts")
    parser.add_argument("--url", default=URL, help="address of a recording, {} for its id")
    given = parser.parse_args(arguments)
    folder = places.clips_dir()
    agreed = folder / "agreed.txt"
    try:
        if not given.agree and not agreed.exists():
            raise ClipsError(TERMS)
        manifest = corpora.load_empspeech().manifest
        with _disk(folder):
            if not agreed.exists():
                agreed.write_text(f"{TERMS}\nAgreed at {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.\n")
        options = {"url": given.url, "sleep": given.sleep, "timeout": given.timeout}
        table = fetch(manifest, folder, again=given.again, **options)
    except (ClipsError, corpora.CorpusError) as error:
        print(error, file=sys.stderr)
        return 1
    for status, n in table["status"].value_counts().items():
        print(f"{n:5d} {status}")
    print(f"clips and the reasons: {folder / 'clips.csv'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

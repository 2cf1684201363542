"""Oracles: a recording built here, whose every frame and sample tells its own time, served by a
web server on loopback; hashlib; the words of yt-dlp's own source."""

import errno
import hashlib
import inspect
import os
import re
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
import yt_dlp
from yt_dlp.downloader.http import HttpFD
from yt_dlp.extractor.youtube import YoutubeIE
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError

from empdis_utils import places
from empdis_utils.data import corpora, manifests, youtube
from empdis_utils.data.media import load_audio, load_frames

FPS, RATE, SECONDS = 25, 44_100, 8.0
ROOT = Path(__file__).resolve().parents[3]


def chirp():
    """float32 [n]: 200 Hz to 3.4 kHz; no stretch of it is like another."""
    t = np.arange(int(SECONDS * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * (200 * t + 200 * t**2))).astype(np.float32)


def build(path, kinds=("video", "audio"), size=(320, 180)):
    """A recording: frame i is flat grey of level 16 + i; the sound is `chirp`; few key frames."""
    with av.open(str(path), "w") as out:
        if "video" in kinds:
            video = out.add_stream("libx264", rate=FPS, options={"crf": "10", "g": "70"})
            video.width, video.height, video.pix_fmt = *size, "yuv420p"
        if "audio" in kinds:
            audio = out.add_stream("aac", rate=RATE, layout="stereo")
        if "video" in kinds:
            for i in range(int(SECONDS * FPS)):
                grey = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
                grey[: size[1]] = 16 + i
                frame = av.VideoFrame.from_ndarray(grey, "yuv420p")
                frame.pts, frame.time_base = i, Fraction(1, FPS)
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        if "audio" in kinds:
            both = np.stack([chirp(), chirp()])
            frame = av.AudioFrame.from_ndarray(both, "fltp", "stereo")
            frame.rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            out.mux(audio.encode(frame))
            out.mux(audio.encode(None))
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return build(tmp_path_factory.mktemp("recording") / "whole.mp4")


@pytest.fixture(scope="module")
def variants(recording, tmp_path_factory):
    """Bytes by id of what the server has."""
    folder = tmp_path_factory.mktemp("variants")
    whole = recording.read_bytes()
    return {
        **{name: whole for name in ("whole", "other", "third", "flaky", "short", "stall", "slow")},
        "mute": build(folder / "mute.mp4", kinds=("video",)).read_bytes(),
        "sound": build(folder / "sound.m4a", kinds=("audio",)).read_bytes(),
        "tall": build(folder / "tall.mp4", kinds=("video",), size=(854, 480)).read_bytes(),
        "page": b"<html><body>no video here</body></html>",
        "junk": b"\x00\x01" * 5000,
    }


class Server(ThreadingHTTPServer):
    """Serves `variants` and misbehaves by id; keeps every request in `asked`."""

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = files, []
        self.url = f"http://127.0.0.1:{self.server_port}/{{}}.mp4"
        self.over = threading.Event()

    def count(self, name):
        return sum(asked == name for asked, _ in self.asked)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.strip("/").partition(".")[0]
        self.server.asked.append((name, self.headers.get("Range")))
        codes = {"gone": 404, "closed": 403, "barred": 451, "busy": 429, "broken": 503}
        if name in codes:
            return self.send_error(codes[name])
        data, begin = self.server.files[name], 0
        if self.headers.get("Range"):
            begin = int(re.match(r"bytes=(\d+)-", self.headers["Range"])[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.send_header("Content-Type", "text/html" if name == "page" else "video/mp4")
        self.end_headers()
        body = data[begin:]
        # The extractor looks at the head of the file first: from then on, all of it is wanted.
        if name == "flaky" and self.server.count(name) <= 2:
            body = body[: len(data) // 2]
        if name == "short":
            body = body[: max(0, len(data) // 2 - begin)]
        if name == "stall":
            body = body[:2000]
        try:
            for i in range(0, len(body), 4096):
                self.wfile.write(body[i : i + 4096])
                if name == "slow" and not self.headers.get("Range"):
                    self.server.over.wait(0.2)
            if name == "stall":
                self.server.over.wait(30)
        except OSError:
            pass  # the client has had enough

    def log_message(self, *_):
        pass


@pytest.fixture
def server(variants):
    with Server(variants) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def segments(*recordings, times=((1.0, 2.5), (4.2, 6.0))):
    rows = [(f"{r}_{start}", r, start, end) for r in recordings for start, end in times]
    return pd.DataFrame(rows, columns=["clip_id", "dialog_id", "start_s", "end_s"])


def fetch(manifest, folder, server, **options):
    quick = {"sleep": 0, "timeout": 20, "retries": 2, "progress": False}
    return youtube.fetch(manifest, folder, url=server.url, **quick | options)


# Cutting


@pytest.mark.parametrize(("start", "end"), [(0, 1), (1.0, 2.5), (3.21, 3.27), (5.013, 8.0)])
def test_cut_is_exact_to_one_frame_and_one_sample(recording, tmp_path, start, end):
    youtube.cut_video(recording, start, end, tmp_path / "v.mp4")
    with av.open(str(tmp_path / "v.mp4")) as container:
        frames = list(container.decode(video=0))
    expected = np.arange(round(start * FPS), max(round(end * FPS), round(start * FPS) + 1))
    shown = [f.to_ndarray()[:180].mean() - 16 for f in frames]
    assert len(shown) == len(expected)
    np.testing.assert_allclose(shown, expected, atol=0.9)
    np.testing.assert_allclose([f.time for f in frames], np.arange(len(frames)) / FPS, atol=1e-3)

    youtube.cut_audio(recording, start, end, tmp_path / "a.flac")
    sound, rate = soundfile.read(tmp_path / "a.flac")
    ideal = soxr.resample(chirp()[round(start * RATE) : round(end * RATE)], RATE, rate)
    assert rate == 16_000 and abs(len(sound) - (end - start) * rate) <= 1
    middle = slice(200, -200)
    assert np.abs(sound[middle] - ideal[middle]).max() < 0.02  # one sample late would be 0.1


def test_tall_pictures_are_made_small_and_bytes_repeat(variants, tmp_path):
    (tmp_path / "tall.mp4").write_bytes(variants["tall"])
    for name in ("one.mp4", "two.mp4"):
        youtube.cut_video(tmp_path / "tall.mp4", 1, 2, tmp_path / name)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
    assert load_frames(tmp_path / "one.mp4").frames.shape == (16, 360, 640, 3)


def test_cut_says_what_is_missing(recording, tmp_path):
    for cut in (youtube.cut_video, youtube.cut_audio):
        with pytest.raises(youtube.BadMediaError, match="lasts 8.* the segment ends at 20") as bad:
            cut(recording, 7, 20, tmp_path / "x.mp4")
        assert bad.value.status == "past_end"
        with pytest.raises(youtube.BadMediaError, match="should last 100.00 s") as bad:
            cut(recording, 7, 20, tmp_path / "x.mp4", length=100)
        assert bad.value.status == "truncated"


# Fetching


def test_clips_are_fetched_once_and_reach_the_corpus(server, tmp_path, monkeypatch):
    manifest = segments("whole", "mute", "sound", "gone", "closed", "barred", "busy", "page")
    table = fetch(manifest, tmp_path, server)
    assert table["clip_id"].tolist() == manifest["clip_id"].tolist()
    status = dict(zip(manifest["dialog_id"], table["status"], strict=True))
    assert status == {
        **{"whole": "ok", "mute": "no_audio", "sound": "no_video", "gone": "removed"},
        **{"closed": "refused", "barred": "region", "busy": "refused", "page": "error"},
    }
    assert (table["reason"] == "").eq(table["status"] == "ok").all()
    assert (
        table["audio_path"].notna().tolist() == [True] * 2 + [False] * 2 + [True] * 2 + [False] * 10
    )
    for row in table.itertuples():
        for path, digest in (
            (row.audio_path, row.audio_sha256),
            (row.video_path, row.video_sha256),
        ):
            if isinstance(path, str):
                assert hashlib.sha256((tmp_path / path).read_bytes()).hexdigest() == digest
    assert load_audio(tmp_path / table["audio_path"][0]).status == "ok"
    assert load_frames(tmp_path / table["video_path"][0]).status == "ok"
    assert not list((tmp_path / "sources").glob("[!.]*")), "recordings are deleted once cut"

    before = len(server.asked)
    again = fetch(manifest, tmp_path, server)
    pd.testing.assert_frame_equal(again.drop(columns="at"), table.drop(columns="at"))
    asked = {name for name, _ in server.asked[before:]}
    assert asked == {"closed", "busy", "page"}, "finished recordings are not asked for again"
    fetch(manifest, tmp_path, server, again=True)
    assert {name for name, _ in server.asked[before:]} >= {"gone", "barred"}

    (tmp_path / table["audio_path"][0]).write_bytes(b"damaged")
    before = len(server.asked)
    assert fetch(manifest, tmp_path, server)["status"][0] == "ok"
    assert "whole" in {name for name, _ in server.asked[before:]}
    assert load_audio(tmp_path / table["audio_path"][0]).status == "ok"


def test_sound_and_picture_apart_are_taken_small_and_need_no_ffmpeg(server, tmp_path):
    """Formats as YouTube lists them: small H.264 and AAC are chosen, and cut from two files."""

    def listed(number, name, **about):
        return {"format_id": number, "url": server.url.format(name), "ext": "mp4", **about}

    picture, sound = {"acodec": "none"}, {"vcodec": "none", "ext": "m4a"}
    formats = [
        listed("251", "gone", acodec="opus", abr=130, **sound | {"ext": "webm"}),
        listed("140", "sound", acodec="mp4a.40.2", abr=128, **sound),
        listed("160", "gone", vcodec="avc1.4d400c", height=144, **picture),
        listed("134", "mute", vcodec="avc1.4d401e", height=360, **picture),
        listed("243", "gone", vcodec="vp9", height=360, **picture | {"ext": "webm"}),
        listed("136", "gone", vcodec="avc1.64001f", height=720, **picture),
        listed("18", "gone", vcodec="avc1.42001E", acodec="mp4a.40.2", height=360),
    ]
    info = {"id": "x", "title": "x", "extractor": "youtube", "formats": formats}
    options = {"timeout": 1, "sleep": 0, "retries": 0}
    with yt_dlp.YoutubeDL(youtube._settings(tmp_path / "x", options)) as ydl:
        ydl.process_ie_result(info)
    assert sorted(file.name for file in (tmp_path / "x").iterdir()) == ["134.mp4", "140.m4a"]
    row = youtube._cut(tmp_path / "x", "c", 1.0, 2.0, tmp_path, 0)
    assert row["status"] == "ok" and load_audio(tmp_path / row["audio_path"]).status == "ok"


def test_a_broken_off_download_goes_on_and_one_that_never_ends_is_recorded(server, tmp_path):
    table = fetch(segments("flaky", "short"), tmp_path, server)
    assert table["status"].tolist() == ["ok", "ok", "truncated", "truncated"]
    assert "sent less than it announced" in table["reason"][2]
    assert [r for name, r in server.asked if name == "flaky"][-1] is not None, "resumed by Range"


def test_a_file_that_ends_early_is_truncated_not_short(server, variants, tmp_path):
    """The server announces what it sends; the file itself says that it should be longer."""
    whole = tmp_path / "front.mp4"
    with av.open(str(whole), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height = 64, 64
        for _ in range(200):
            noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(noise, "rgb24")))
        out.mux(stream.encode(None))
    server.files = {"front": whole.read_bytes()[: whole.stat().st_size // 2]}
    table = fetch(segments("front"), tmp_path, server)
    assert table["status"].tolist() == ["truncated"] * 2, table["reason"].tolist()
    assert "though it should last 8.00 s" in table["reason"][1]
    server.files = {"front": whole.read_bytes()}
    assert fetch(segments("front"), tmp_path, server)["status"].tolist() == ["no_audio"] * 2


def test_a_stall_times_out(server, tmp_path):
    started = time.monotonic()
    table = fetch(segments("stall", "whole"), tmp_path, server, retries=1, timeout=2)
    assert table["status"].tolist() == ["network"] * 2 + ["ok"] * 2
    assert "timed out" in table["reason"][0] and time.monotonic() - started < 25


def test_drips_count_as_a_stall(tmp_path):
    hook = youtube._settings(tmp_path, {"timeout": 10, "sleep": 0, "retries": 0})["progress_hooks"][
        0
    ]
    hook({"elapsed": 9, "downloaded_bytes": 10})
    hook({"elapsed": 11, "downloaded_bytes": 10**6})
    with pytest.raises(yt_dlp.networking.exceptions.TransportError, match="stalled"):
        hook({"elapsed": 11, "downloaded_bytes": 1000})


def test_a_recording_without_end_is_given_up_and_not_asked_for_again(server, tmp_path, monkeypatch):
    monkeypatch.setattr(youtube, "MOST_BYTES", 1000)
    asked = []
    for _ in range(2):
        table = fetch(segments("whole"), tmp_path, server)
        assert table["status"].tolist() == ["too_large"] * 2
        assert "larger than any recording: over 1,000 bytes" in table["reason"][0]
        asked.append(server.count("whole"))
    assert asked[0] == asked[1] > 0 and not list((tmp_path / "sources").iterdir())


def test_a_recording_that_takes_for_ever_is_given_up(server, tmp_path, monkeypatch):
    with monkeypatch.context() as hasty:
        hasty.setattr(youtube, "MOST_S", 0)
        table = fetch(segments("whole"), tmp_path, server)
    assert table["status"].tolist() == ["too_slow"] * 2
    assert "not complete after 0 s" in table["reason"][0]
    assert fetch(segments("whole"), tmp_path, server)["status"].tolist() == ["ok"] * 2


def test_what_is_fetched_is_not_lost_by_a_kill(server, tmp_path):
    """Killed half-way through the second recording: the first is kept, the second goes on."""
    release = tmp_path / "data" / "empspeech"
    rows = segments("whole", "slow").rename(columns={"start_s": "start_time", "end_s": "end_time"})
    rows = rows.rename(columns={"clip_id": "filename"}).assign(transcript="so", label="neutral")
    release.mkdir(parents=True)
    for i, name in enumerate(("train", "val", "test")):
        rows.iloc[i : i + 1 if i < 2 else None].to_csv(release / f"{name}.csv", index=False)
    environment = {**os.environ, "EMPDIS_DATA": str(tmp_path / "data")}
    command = [sys.executable, "-W", "ignore", "-m", "empdis_utils.data.youtube"]
    command += ["--url", server.url, "--sleep", "0", "--timeout", "60"]

    def start(*words):
        return subprocess.Popen(
            [*command, *words], env=environment, cwd=ROOT, text=True, stderr=subprocess.PIPE
        )

    refused = start()
    assert "your own responsibility" in refused.communicate()[1] and refused.returncode == 1
    assert not server.asked and not (release / "clips").exists()

    killed = start("--agree")
    part = release / "clips" / "sources" / ".slow.part"
    while not (part.is_dir() and any(f.stat().st_size > 5000 for f in part.iterdir())):
        assert killed.poll() is None, killed.stderr.read()
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before, size = len(server.asked), max(f.stat().st_size for f in part.iterdir())

    done = start()
    told = done.communicate(timeout=600)[1]
    assert done.returncode == 0, told
    later = server.asked[before:]
    assert {name for name, _ in later} == {"slow"}, "the finished recording is not asked for"
    assert f"bytes={size}-" in {asked for _, asked in later}, "the other goes on where it was"
    table = manifests.clips_table(release / "clips", rows["filename"])
    assert table["status"].tolist() == ["ok"] * 4


def test_two_runs_at_once_and_bad_names_are_refused(server, tmp_path):
    with youtube._alone(tmp_path), pytest.raises(youtube.ClipsError, match="Another make clips"):
        fetch(segments("whole"), tmp_path, server)
    for name in ("../x", "a/b", ".hidden", "", "ü"):
        with pytest.raises(ValueError, match="cannot be a file name"):
            fetch(segments("whole").assign(clip_id=name), tmp_path, server)
    assert not server.asked


def test_a_full_disk_is_one_sentence(server, tmp_path, monkeypatch):
    monkeypatch.setattr(
        HttpFD, "sanitize_open", lambda self, name, mode: (open("/dev/full", mode, 0), name)
    )
    with pytest.raises(youtube.ClipsError, match="^The disk with .* is full: free at least"):
        fetch(segments("whole"), tmp_path, server)
    monkeypatch.undo()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(youtube, "_write", full)
    with pytest.raises(youtube.ClipsError, match="is full"):
        fetch(segments("whole"), tmp_path, server)
    monkeypatch.setattr(youtube, "MIN_FREE", 2**80)
    with pytest.raises(youtube.ClipsError, match="is full"):
        fetch(segments("other"), tmp_path, server)


def test_three_unreachable_recordings_in_a_row_stop_the_run(server, tmp_path):
    table = fetch(segments("busy", "whole", "closed", "broken", "other"), tmp_path, server)
    assert table["status"].tolist()[::2] == ["refused", "ok", "refused", "network", "ok"]
    dead = {"url": "http://127.0.0.1:1/{}.mp4", "sleep": 0, "retries": 0, "progress": False}
    with pytest.raises(youtube.ClipsError, match="3 recordings in a row .* later: it goes on"):
        youtube.fetch(segments("a", "b", "c", "d"), tmp_path / "dead", **dead)
    table = manifests.clips_table(tmp_path / "dead", segments("a", "b", "c", "d")["clip_id"])
    assert table["status"].tolist() == ["network"] * 6 + ["not_fetched"] * 2


# What yt-dlp says


def said(error):
    """What `extract_info` raises when the extractor of YouTube raises `error`."""

    class Extractor(YoutubeIE):
        def _real_extract(self, url):
            raise error

    with yt_dlp.YoutubeDL({"logger": youtube._Silent(), "cachedir": False}, auto_init=False) as ydl:
        ydl.add_info_extractor(Extractor())
        with pytest.raises(DownloadError) as raised:
            ydl.extract_info("https://www.youtube.com/watch?v=BaW_jenozKc")
    return raised.value


# Texts that stand in yt-dlp's source: the module that holds them, so that a new version is noticed.
IN_SOURCE = {
    "youtube/_video.py": {
        "Private video": "private",
        "Video unavailable": "removed",
        "This video is not available.": "removed",
        "This video has been removed for violating YouTube\\'s policy on hate speech.": "removed",
        "The uploader has not made this video available in your country": "region",
        "This content isn't available, try again later": "refused",
        "YouTube is requiring a captcha challenge before playback": "refused",
        "confirm your age": "age",
    },
    "common.py": {
        "This video is not available from your location due to geo restriction": "region",
        "This video is only available for registered users": "private",
    },
}
# YouTube's own words, which yt-dlp passes on; most of them quoted in its tests and issues.
FROM_YOUTUBE = {
    "Video unavailable. This video has been removed by the uploader": "removed",
    "Video unavailable. This video is no longer available because the YouTube account associated "
    "with this video has been terminated.": "removed",
    "Video unavailable. This video contains content from X, who has blocked it in your country on "
    "copyright grounds": "region",
    "Private video. Sign in if you've been granted access to this video": "private",
    "Join this channel to get access to members-only content like this video": "private",
    "Sign in to confirm your age. This video may be inappropriate for some users.": "age",
    "Sign in to confirm you\u2019re not a bot": "refused",
    "Requested format is not available. Use --list-formats for a list": "no_format",
    "Only images are available for download. use --list-formats to see them": "no_format",
    "This video is DRM protected": "no_format",
    "Something that nobody has read before": "error",
}


@pytest.mark.parametrize("file", IN_SOURCE)
def test_words_of_the_source_of_ytdlp_become_a_status(file):
    source = Path(inspect.getfile(yt_dlp), "..", "extractor", file).resolve().read_text()
    for text, status in IN_SOURCE[file].items():
        assert text in source, "yt-dlp words this in another way now"
        text = text.replace("\\'", "'")
        if status == "refused" and "again later" in text:
            text = f"{text}. The current session has been rate-limited by YouTube"
        found = youtube.explain(said(ExtractorError(text, expected=True)))
        assert found[0] == status, found
        assert found[1].startswith(text.rstrip(".")), "neither 'ERROR:' nor the id is repeated"


@pytest.mark.parametrize("text", FROM_YOUTUBE)
def test_words_of_youtube_become_a_status(text):
    status, reason = youtube.explain(said(ExtractorError(text, expected=True)))
    assert status == FROM_YOUTUBE[text]
    assert reason.endswith(".") and "Use --" not in reason and "ERROR" not in reason


def test_the_login_hint_of_ytdlp_is_left_out():
    hint = YoutubeIE(yt_dlp.YoutubeDL({"logger": youtube._Silent()}))._youtube_login_hint
    text = f"Sign in to confirm your age. This video may be inappropriate for some users. {hint}"
    assert youtube.explain(said(ExtractorError(text, expected=True))) == (
        "age",
        "Sign in to confirm your age. This video may be inappropriate for some users.",
    )


def test_a_region_is_known_by_its_class_whatever_the_words():
    assert youtube.explain(said(GeoRestrictedError("Nope")))[0] == "region"


# The corpus


def published(monkeypatch, tmp_path, manifest):
    """A release of four clips, as the publisher writes it."""
    rows = manifest.rename(
        columns={"clip_id": "filename", "start_s": "start_time", "end_s": "end_time"}
    ).assign(transcript="so", label="neutral")
    for i, name in enumerate(("train", "val", "test")):
        file = tmp_path / "empspeech" / f"{name}.csv"
        file.parent.mkdir(exist_ok=True)
        rows.iloc[i : i + 1 if i < 2 else None].to_csv(file, index=False)
    monkeypatch.setenv("EMPDIS_DATA", str(tmp_path))
    return tmp_path / "empspeech" / "clips"


def loaded():
    with pytest.warns(UserWarning, match="differs from the published file"):
        return corpora.load_empspeech()


def test_the_corpus_has_the_clips_that_are_there(server, tmp_path, monkeypatch):
    manifest = segments("mute", "whole", times=((1.0, 1.4), (2.0, 2.5)))
    folder = published(monkeypatch, tmp_path, manifest)
    assert places.clips_dir() == folder
    bare = loaded()
    assert bare.clips is None and bare.root is None and bare.manifest["video_path"].isna().all()

    fetch(manifest.iloc[:3], folder, server)
    corpus = loaded()
    assert corpus.root == folder and "clips.csv" in corpus.files
    assert corpus.clips["status"].tolist() == ["no_audio", "no_audio", "ok", "not_fetched"]
    assert corpus.clips["reason"][3] and corpus.manifest["video_path"].isna().tolist() == [
        False
    ] * 3 + [True]
    assert corpus.manifest.columns.tolist() == list(manifests.MANIFEST_COLUMNS)
    sounds = [load_audio(path).status for path in corpus.media("audio_path")]
    assert sounds == ["missing", "missing", "ok", "missing"]
    (folder / corpus.manifest["video_path"][0]).unlink()
    corpus = loaded()
    assert corpus.clips["status"][0] == "missing" and corpus.media("video_path").iloc[0] is None


@pytest.mark.parametrize("path", ["/etc/hostname", "../../secret.flac", "audio/link.flac", "C:\\x"])
def test_paths_cannot_leave_the_folder(tmp_path, monkeypatch, path):
    folder = published(monkeypatch, tmp_path, segments("whole", "other"))
    (folder / "audio").mkdir(parents=True)
    (folder / "audio" / "link.flac").symlink_to("/etc/hostname")
    row = {"clip_id": "whole_1.0", "status": "ok", "audio_path": path}
    pd.DataFrame([row], columns=manifests.CLIPS_COLUMNS).to_csv(folder / "clips.csv", index=False)
    with pytest.warns(UserWarning), pytest.raises(corpora.CorpusError, match="audio_path") as error:
        corpora.load_empspeech()
    assert error.value.problems[0].line == 2

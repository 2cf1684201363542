"""Oracles: closed-form signals, PyAV decoding every frame, SciPy, the release's rule."""

import hashlib
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from empdis_utils.data.media import Clips, load_audio, load_frames

AUDIO_STATUS = {"ok", "missing", "empty", "unreadable", "no_audio", "too_short", "silent"}
VIDEO_STATUS = {"ok", "missing", "empty", "unreadable", "no_video"}


def tone(rate, seconds, frequency=440.0, peak=0.25):
    return peak * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


def picture(i, size=(48, 64)):
    """A frame that differs from its neighbours everywhere and has no symmetry."""
    y, x = np.mgrid[: size[0], : size[1]]
    return np.stack([(x * 3 + i * 5) % 256, (y * 4 + i * 3) % 256, (x + y) % 256], -1).astype("u1")


def write_video(path, n, *, fps=25, gop=12, options=None, pts=None, sound=None, codec="libx264"):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.options = {"threads": "1", **(options or {})}
        audio = (
            container.add_stream("aac", rate=16000, layout="mono") if sound is not None else None
        )
        for i in range(n):
            frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
            if pts is not None:
                frame.pts, frame.time_base = pts[i], Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            block = av.AudioFrame.from_ndarray(
                sound.astype("f4")[None], format="fltp", layout="mono"
            )
            block.sample_rate = 16000
            container.mux(audio.encode(block))
            container.mux(audio.encode())
    return path


def decode_all(path):
    """Every frame and its time, by PyAV alone."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [f.to_ndarray(format="rgb24") for f in frames], np.array([f.time for f in frames])


# Sound


def test_sound_is_mono_resampled_and_peak_normalised(tmp_path):
    rate, seconds = 44100, 1.5
    stereo = np.c_[tone(rate, seconds), tone(rate, seconds, peak=0.05)]
    soundfile.write(tmp_path / "a.wav", stereo, rate, "FLOAT")
    audio = load_audio(tmp_path / "a.wav")
    assert (audio.status, audio.reason, audio.sample_rate) == ("ok", "", 16000)
    assert audio.samples.dtype == np.float32 and audio.samples.shape == (24000,)
    assert np.abs(audio.samples).max() == pytest.approx(1)
    middle = slice(2000, -2000)
    np.testing.assert_allclose(
        audio.samples[middle], tone(16000, seconds, peak=1)[middle], atol=2e-3
    )


def test_resampling_agrees_with_scipy(tmp_path):
    rng = np.random.default_rng(0)
    noise = np.convolve(rng.standard_normal(48000), np.hanning(41) / 20, "same") * 0.1
    soundfile.write(tmp_path / "n.wav", noise, 48000, "FLOAT")
    ours = load_audio(tmp_path / "n.wav", normalise=False).samples
    middle = slice(500, -500)
    np.testing.assert_allclose(ours[middle], resample_poly(noise, 1, 3)[middle], atol=2e-3)


def test_only_the_first_seconds_are_kept(tmp_path):
    soundfile.write(tmp_path / "long.flac", tone(16000, 12), 16000)
    assert len(load_audio(tmp_path / "long.flac").samples) == 160000
    assert len(load_audio(tmp_path / "long.flac", max_s=2.5).samples) == 40000


def test_sound_of_a_video_container(tmp_path):
    path = write_video(tmp_path / "v.mp4", 50, sound=tone(16000, 2.0))
    samples = load_audio(path).samples
    assert abs(len(samples) / 16000 - 2.0) < 0.15  # AAC works in blocks of 1,024 samples
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) * 16000 / len(samples) == pytest.approx(440, abs=1)


def bad_sound(path):
    header = {"samplerate": 16000}
    path.joinpath("nothing.wav").write_bytes(b"")
    path.joinpath("text.wav").write_text("a transcript, not a sound")
    soundfile.write(path / "header.wav", np.zeros(0), **header)
    soundfile.write(path / "short.wav", tone(16000, 0.06), **header)
    soundfile.write(path / "silence.wav", np.zeros(16000), **header)
    soundfile.write(path / "nan.wav", np.r_[tone(16000, 1), np.nan], subtype="FLOAT", **header)
    soundfile.write(path / "kept.flac", tone(16000, 1), **header)
    path.joinpath("wrong_extension.mp4").write_bytes(path.joinpath("kept.flac").read_bytes())
    write_video(path / "mute.mp4", 5)


@pytest.mark.parametrize(
    "name, status",
    [
        ("nowhere.wav", "missing"),
        ("nothing.wav", "empty"),
        ("header.wav", "empty"),
        ("text.wav", "unreadable"),
        ("nan.wav", "unreadable"),
        (".", "unreadable"),
        ("nul\0.wav", "unreadable"),
        ("short.wav", "too_short"),
        ("silence.wav", "silent"),
        ("mute.mp4", "no_audio"),
        ("wrong_extension.mp4", "ok"),
    ],
)
def test_bad_sound_has_a_status_and_a_reason(tmp_path, name, status):
    bad_sound(tmp_path)
    audio = load_audio(tmp_path / name)
    assert audio.status == status
    assert (audio.reason == "") == (status == "ok")
    assert audio.reason.count("\n") == 0 and str(tmp_path) not in audio.reason


def test_clips_are_read_when_asked_for(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(16000, 1), 16000)
    asked = []

    def read(path):
        asked.append(path)
        return load_audio(path)

    sounds = Clips([tmp_path / "a.wav", None, tmp_path / "b.wav"], read)
    assert len(sounds) == 3 and asked == []
    assert [sounds[i].status for i in range(3)] == ["ok", "missing", "missing"]
    assert sounds[1].reason == "The clip names no file."
    digest = hashlib.sha256((tmp_path / "a.wav").read_bytes()).hexdigest()
    assert sounds.keys()[0] == digest + ".wav" and len(set(sounds.keys())) == 3
    assert load_frames(None).status == "missing"


# Frames


@pytest.mark.parametrize(
    "gop, options",
    [
        (250, {}),  # one key frame, B-frames
        (6, {"bf": "0"}),
        (10, {"x264-params": "open-gop=1:bframes=3"}),
        (1, {}),
    ],
)
def test_frames_equal_those_of_decoding_everything(tmp_path, gop, options):
    path = write_video(tmp_path / "v.mp4", 60, gop=gop, options=options)
    every, times = decode_all(path)
    released = np.linspace(0, 59, 16).astype(int)  # the release's rule, torch.linspace().long()
    frames = load_frames(path)
    assert (frames.status, frames.reason) == ("ok", "")
    np.testing.assert_array_equal(frames.frames, np.stack(every)[released])
    np.testing.assert_allclose(frames.times_s, times[released] - times[0], atol=1e-9)


@pytest.mark.parametrize(
    "suffix, codec", [("avi", "mpeg4"), ("mkv", "libx264"), ("mpg", "mpeg1video")]
)
def test_other_containers(tmp_path, suffix, codec):
    path = write_video(tmp_path / f"v.{suffix}", 40, codec=codec)
    every, _ = decode_all(path)
    frames = load_frames(path, n_frames=8)
    released = np.linspace(0, len(every) - 1, 8).astype(int)
    np.testing.assert_array_equal(frames.frames, np.stack(every)[released])


def test_variable_frame_rate_gives_the_frame_on_screen(tmp_path):
    pts = np.cumsum([0, *([1] * 30), *([12] * 6), *([1] * 20)])
    path = write_video(tmp_path / "vfr.mp4", len(pts), pts=pts.tolist())
    every, times = decode_all(path)
    np.testing.assert_allclose(times, pts / 25, atol=1e-6)
    at = np.linspace(0, times[-1], 9)
    on_screen = [max(i for i, t in enumerate(times) if t <= moment + 1e-9) for moment in at]
    frames = load_frames(path, n_frames=9)
    expected = np.unique(on_screen)
    np.testing.assert_array_equal(frames.frames[: len(expected)], np.stack(every)[expected])


def test_only_the_first_seconds_are_looked_at(tmp_path):
    path = write_video(tmp_path / "long.mp4", 130, fps=10)
    frames = load_frames(path, max_s=10)
    assert frames.times_s[0] == 0 and frames.times_s[-1] == pytest.approx(10.0)
    np.testing.assert_array_equal(frames.frames[-1], decode_all(path)[0][100])


def test_short_clips_repeat_their_last_frame(tmp_path):
    path = write_video(tmp_path / "five.mp4", 5)
    frames = load_frames(path)
    every = np.stack(decode_all(path)[0])
    np.testing.assert_array_equal(frames.frames[:5], every)
    np.testing.assert_array_equal(frames.frames[5:], np.repeat(every[-1:], 11, axis=0))
    np.testing.assert_allclose(frames.times_s[4:], 4 / 25)


@pytest.mark.parametrize(
    "matrix, turns_clockwise",
    [((0, 1, -1, 0), 1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 3)],
)
def test_rotation_is_undone(tmp_path, matrix, turns_clockwise):
    """The track header's matrix [a b; c d], ISO/IEC 14496-12: (0, 1, -1, 0) is 90° clockwise."""
    path = write_video(tmp_path / "upright.mp4", 20)
    upright = load_frames(path, n_frames=4).frames
    a, b, c, d = (struct.pack(">i", value * 65536) for value in matrix)
    zero, one = bytes(4), struct.pack(">i", 65536)
    identity = one + zero + zero + zero + one + zero
    movie = path.read_bytes()
    at = movie.index(identity, movie.index(b"tkhd"))
    movie = movie[:at] + a + b + zero + c + d + zero + movie[at + len(identity) :]
    (tmp_path / "turned.mp4").write_bytes(movie)
    turned = load_frames(tmp_path / "turned.mp4", n_frames=4).frames
    np.testing.assert_array_equal(turned, np.rot90(upright, -turns_clockwise, axes=(1, 2)))


@pytest.mark.parametrize(
    "name, status",
    [
        ("nowhere.mp4", "missing"),
        ("nothing.wav", "empty"),
        ("text.wav", "unreadable"),
        ("kept.flac", "no_video"),
        ("mute.mp4", "ok"),
    ],
)
def test_bad_video_has_a_status_and_a_reason(tmp_path, name, status):
    bad_sound(tmp_path)
    frames = load_frames(tmp_path / name)
    assert frames.status == status
    assert (frames.reason == "") == (status == "ok")
    if status != "ok":
        assert frames.frames.shape == (0, 0, 0, 3) and frames.times_s.shape == (0,)


def test_text_and_playlists_are_not_video(tmp_path):
    (tmp_path / "notes.txt").write_text("plain text opens as a video of its characters\n" * 50)
    mute = write_video(tmp_path / "mute.mp4", 5)
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:1,\n{mute}\n")
    for name in ("notes.txt", "list.m3u8"):
        assert load_frames(tmp_path / name).status == "unreadable"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "v.mp4"
    return write_video(path, 30, sound=tone(16000, 1.2)).read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_files_never_raise(tmp_path, whole, data):
    cut = data.draw(st.integers(0, len(whole)))
    damaged = bytearray(whole[:cut])
    for at in data.draw(st.lists(st.integers(0, max(cut - 1, 0)), max_size=5)) if cut else []:
        damaged[at] ^= 0xFF
    path = tmp_path / "damaged.mp4"
    path.write_bytes(damaged)
    audio, frames = load_audio(path), load_frames(path)
    assert audio.status in AUDIO_STATUS and frames.status in VIDEO_STATUS
    assert (audio.reason == "") == (audio.status == "ok")
    assert (len(frames.frames) == 16) == (frames.status == "ok")


def test_a_video_cut_off_in_its_packets_gives_what_is_there(tmp_path):
    path = write_video(tmp_path / "v.mkv", 60, gop=6)
    cut = path.read_bytes()[: path.stat().st_size // 2]
    (tmp_path / "cut.mkv").write_bytes(cut)
    frames = load_frames(tmp_path / "cut.mkv")
    assert frames.status == "ok" and 0.4 < frames.times_s[-1] < 60 / 25

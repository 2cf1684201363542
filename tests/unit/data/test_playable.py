"""What a browser is given. Oracle: PyAV reads it back, stream by stream."""

import io
import wave
from pathlib import Path

import av
import numpy as np
import parselmouth
import pytest
import scipy.io.wavfile
import soundfile

from empdis_utils.data import playable
from empdis_utils.data.media import BadMediaError, load_frames

CORPUS = Path(__file__).parents[2] / "fixture" / "corpus"
BROKEN = CORPUS.parent / "broken"
BROKEN_MEDIA = sorted(p for p in BROKEN.iterdir() if p.suffix in (".mp4", ".flac", ".wav"))
VIDEO, SOUND = CORPUS / "video" / "fx00_00.mp4", CORPUS / "audio" / "fx00_00.flac"


def inside(data):
    with av.open(io.BytesIO(data)) as container:
        return {
            s.type: (s.codec_context.name, float(s.duration * s.time_base))
            for s in container.streams
        }


@pytest.fixture(scope="module")
def mpeg(tmp_path_factory):
    """A film that no browser plays: MPEG-1 pictures of odd size, MP2 sound, and a telling title."""
    path = tmp_path_factory.mktemp("mpeg") / "old.mkv"
    with av.open(path, "w") as out:
        out.metadata["title"] = "empathetic"
        video, audio = out.add_stream("mpeg1video", rate=25), out.add_stream("mp2", rate=44_100)
        video.width, video.height, video.pix_fmt = 65, 49, "yuv420p"
        for i in range(50):
            picture = np.full((49, 65, 3), 5 * i, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        tone = (8000 * np.sin(np.arange(2 * 44_100) / 20)).astype("int16")
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, 2)[None], "s16", "stereo")
        frame.rate = 44_100
        out.mux([*audio.encode(frame), *audio.encode(None), *video.encode(None)])
    return path


def test_silent_video_has_no_sound_track_and_the_same_pictures(tmp_path):
    data = playable.mp4(video=VIDEO)
    assert set(inside(data)) == {"video"}
    (tmp_path / "silent.mp4").write_bytes(data)
    one, two = (load_frames(p).frames for p in (VIDEO, tmp_path / "silent.mp4"))
    np.testing.assert_array_equal(one, two)  # copied, not encoded again


def test_sound_has_no_pictures_and_its_length(tmp_path):
    seconds = soundfile.info(SOUND).duration
    for source in (VIDEO, SOUND):
        found = inside(playable.mp4(sound=source))
        assert set(found) == {"audio"} and found["audio"][0] == "aac"
        assert found["audio"][1] == pytest.approx(seconds, abs=0.1)


def test_pictures_and_sound_of_two_files():
    assert set(inside(playable.mp4(video=VIDEO, sound=SOUND))) == {"audio", "video"}


def test_what_browsers_do_not_play_is_encoded_without_its_title(mpeg):
    data = playable.mp4(video=mpeg, sound=mpeg)
    found = inside(data)
    assert found["video"] == ("h264", pytest.approx(2.0, abs=0.1))
    assert found["audio"] == ("aac", pytest.approx(2.0, abs=0.1))
    assert b"empathetic" not in data


def test_a_bit_rate_makes_it_small_and_the_same_input_the_same_bytes():
    small = playable.mp4(sound=SOUND, bit_rate=24_000)
    assert len(small) < len(playable.mp4(sound=SOUND)) / 2
    assert small == playable.mp4(sound=SOUND, bit_rate=24_000)
    assert playable.mp4(video=VIDEO, sound=VIDEO) == playable.mp4(video=VIDEO, sound=VIDEO)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, "missing"),
        ({"video": Path("none.mp4")}, "missing"),
        ({"video": SOUND}, "no_video"),
        ({"sound": Path(__file__)}, "unreadable"),
    ],
)
def test_bad_media_say_what_is_wrong(asked, status):
    with pytest.raises(BadMediaError) as bad:
        playable.mp4(**asked)
    assert bad.value.status == status


@pytest.mark.parametrize("path", BROKEN_MEDIA, ids=lambda path: path.name)
def test_no_broken_file_does_more_than_refuse(path):
    for asked in ({"video": path}, {"sound": path}, {"video": path, "sound": path}):
        try:
            assert inside(playable.mp4(**asked)) or True
        except BadMediaError as bad:
            assert bad.status and str(bad)


# Plain WAV, as programs write it: the header says how many channels there are, not which.


def by_soundfile(path, sound, kind):
    soundfile.write(path, sound, 16_000, {"float32": "FLOAT"}.get(kind, f"PCM_{kind[3:]}"))


def by_scipy(path, sound, kind):
    levels = sound.astype("float32") if kind == "float32" else (32767 * sound).astype("int16")
    scipy.io.wavfile.write(path, 16_000, levels)


def by_wave(path, sound, kind):
    """Python's own module."""
    with wave.open(str(path), "wb") as file:
        file.setparams((sound.shape[1], int(kind[3:]) // 8, 16_000, 0, "NONE", ""))
        whole = (sound * (2 ** (int(kind[3:]) - 1) - 1)).astype("<i4").ravel()
        file.writeframes(
            b"".join(int(v).to_bytes(4, "little", signed=True)[: int(kind[3:]) // 8] for v in whole)
        )


def by_av(path, sound, kind):
    codec = {"int16": "pcm_s16le", "int24": "pcm_s24le", "float32": "pcm_f32le"}[kind]
    layout = "mono" if sound.shape[1] == 1 else "stereo"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=16_000, layout=layout)
        frame = av.AudioFrame.from_ndarray(sound.T.astype("float32").copy(), "fltp", layout)
        frame.rate = 16_000
        out.mux([*stream.encode(frame), *stream.encode(None)])


def by_praat(path, sound, kind):
    praat = parselmouth.Sound(sound.T.astype(float), 16_000)
    praat.save(
        str(path), getattr(parselmouth.SoundFileFormat, {"int16": "WAV", "int24": "WAV_24"}[kind])
    )


PROGRAMS = {
    by_soundfile: ("int16", "int24", "float32"),
    by_scipy: ("int16", "float32"),
    by_wave: ("int16", "int24"),
    by_av: ("int16", "int24", "float32"),
    by_praat: ("int16", "int24"),
}


@pytest.mark.parametrize("channels", (1, 2))
@pytest.mark.parametrize(
    ("write", "kind"), [(write, kind) for write, kinds in PROGRAMS.items() for kind in kinds]
)
def test_plain_wav_plays(tmp_path, write, kind, channels):
    """The sound that comes back is the one that was written: its pitch, its level, its channels."""
    t = np.arange(16_000) / 16_000
    tones = [0.5 * np.sin(2 * np.pi * hz * t) for hz in (440, 880)[:channels]]
    path = tmp_path / "plain.wav"
    write(path, np.stack(tones, axis=1), kind)
    with av.open(io.BytesIO(playable.mp4(sound=path))) as container:
        stream = container.streams.audio[0]
        assert stream.layout.name == ("mono", "stereo")[channels - 1] and stream.rate == 16_000
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(stream)], axis=1)
    assert sound.shape[1] / 16_000 == pytest.approx(1, abs=0.15)
    for channel, hz in zip(sound, (440, 880), strict=False):
        spectrum = np.abs(np.fft.rfft(channel))
        assert np.fft.rfftfreq(len(channel), 1 / 16_000)[spectrum.argmax()] == pytest.approx(hz, 5)
        assert np.sqrt(np.mean(channel**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    small = playable.mp4(sound=path, bit_rate=24_000)
    assert len(small) < 8_000 and inside(small)["audio"][0] == "aac"


@pytest.mark.parametrize(
    ("rate", "channels", "played"),
    [
        (11_024, 1, (11_025, "mono")),
        (192_000, 2, (96_000, "stereo")),
        (48_000, 6, (48_000, "stereo")),
    ],
)
def test_rates_and_channels_that_aac_lacks_are_converted(tmp_path, rate, channels, played):
    path = tmp_path / "odd.wav"
    soundfile.write(path, np.tile(np.sin(np.arange(rate) / 30)[:, None], channels), rate)
    with av.open(io.BytesIO(playable.mp4(sound=path))) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.layout.name) == played
        assert container.duration / av.time_base == pytest.approx(1, abs=0.1)


def test_an_unexpected_error_is_a_status(monkeypatch):
    def broken(*arguments, **options):
        raise KeyError("no such thing")

    monkeypatch.setattr(playable, "sound_stream", broken)
    with pytest.raises(BadMediaError, match="fx00_00.flac made the .*KeyError: 'no such") as bad:
        playable.mp4(sound=SOUND)
    assert bad.value.status == "failed"


def test_the_limit_on_the_length_can_be_raised():
    with pytest.raises(BadMediaError, match="raise max_s"):
        playable.mp4(sound=SOUND, max_s=0.5)
    assert playable.mp4(sound=SOUND, max_s=60)


def test_has_sound():
    assert playable.has_sound(VIDEO) and playable.has_sound(SOUND)
    assert not playable.has_sound(Path(__file__)) and not playable.has_sound(Path("none"))

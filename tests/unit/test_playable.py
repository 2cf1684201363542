"""What a browser is given. Oracle: PyAV reads it back, stream by stream."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from empdis_utils import playable
from empdis_utils.media import BadMediaError, load_frames

CORPUS = Path(__file__).parents[1] / "fixture" / "corpus"
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


def test_has_sound():
    assert playable.has_sound(VIDEO) and playable.has_sound(SOUND)
    assert not playable.has_sound(Path(__file__)) and not playable.has_sound(Path("none"))

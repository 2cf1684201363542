"""Every broken file of tests/fixture/broken/ against the table of what it must give.

Oracle: broken/expected.csv, written by hand from the brief of the bad input and completed after
looking at what the loaders say.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empdis_utils.corpora import CorpusError, read_manifest
from empdis_utils.media import load_audio, load_frames

BROKEN = Path(__file__).parents[1] / "fixture" / "broken"
EXPECTED = pd.read_csv(BROKEN / "expected.csv", keep_default_na=False)


def cases(read_by):
    rows = EXPECTED[EXPECTED["read_by"] == read_by].itertuples()
    return [pytest.param(row, id=row.file) for row in rows]


def test_table_names_every_broken_file():
    there = {path.name for path in BROKEN.iterdir()} - {"expected.csv"}
    named = set(EXPECTED["file"])
    assert there <= named
    assert {Path(name).stem for name in named - there} == {"missing", "manifest_missing"}
    assert not EXPECTED.duplicated(["file", "read_by"]).any()


def check_status(result, row):
    assert result.status == row.status, result.reason
    assert row.reason_contains in result.reason
    assert bool(result.reason) or row.status == "ok"


@pytest.mark.parametrize("row", cases("audio"))
def test_sound(row):
    sound = load_audio(BROKEN / row.file)
    check_status(sound, row)
    assert sound.sample_rate == 16_000
    assert sound.samples.ndim == 1 and np.isfinite(sound.samples).all()
    if row.status == "ok":
        assert len(sound.samples) >= 1_600
        assert np.abs(sound.samples).max() == pytest.approx(1.0)


@pytest.mark.parametrize("row", cases("video"))
def test_frames(row):
    video = load_frames(BROKEN / row.file, n_frames=16)
    check_status(video, row)
    assert video.frames.dtype == np.uint8
    assert len(video.frames) == len(video.times_s) == (16 if row.status == "ok" else 0)
    assert np.all(np.diff(video.times_s) >= 0)


@pytest.mark.parametrize("row", cases("manifest"))
def test_manifest(row):
    path = BROKEN / row.file
    if row.expected == "error":
        with pytest.raises(CorpusError, match=row.reason_contains):
            read_manifest(path)
        return
    assert read_manifest(path)["clip_id"].tolist() == ["c1", "c2"]


@pytest.mark.parametrize(
    ("file", "transcript"),
    [
        ("empty_transcript", ""),
        ("formula", '=HYPERLINK("http://example.org")'),
        ("script", "<script>alert(1)</script>"),
    ],
)
def test_transcripts_are_kept_as_published(file, transcript):
    manifest = read_manifest(BROKEN / f"manifest_{file}.csv")
    assert manifest["transcript"].iloc[1] == transcript
    assert manifest["n_tokens"].iloc[1] == len(transcript.split())


def test_durations_survive_the_sampling_rate():
    """The tones last 0.5, 0.3 and 0.5 s, whatever the rate of the file and its channels."""
    names = ("rate_8k.wav", "rate_96k.flac", "stereo.flac")
    seconds = [len(load_audio(BROKEN / name).samples) / 16_000 for name in names]
    assert seconds == pytest.approx([0.5, 0.3, 0.5], abs=0.001)


def test_a_quarter_turn_is_undone():
    """Pictures of 112 rows and 96 columns are stored, turned by the display matrix."""
    assert load_frames(BROKEN / "rotated.mp4").frames.shape[1:3] == (96, 112)


def test_odd_sizes_are_kept():
    assert load_frames(BROKEN / "odd_size.mp4").frames.shape[1:3] == (87, 111)


def test_variable_rate_keeps_its_times():
    """Frames were written at 0, 1, 2, 9, 10 and 20 twelfths of a second."""
    times = load_frames(BROKEN / "variable_rate.mp4", n_frames=6).times_s
    assert set(np.round(times * 12).astype(int)) <= {0, 1, 2, 9, 10, 20}
    assert times[-1] == pytest.approx(20 / 12, abs=0.01)


def test_truncated_files_give_what_is_left():
    """Both hold the first 60 % of 0.5 s; FLAC loses the block that was cut."""
    wav, flac = (load_audio(BROKEN / f"truncated.{kind}").samples for kind in ("wav", "flac"))
    assert len(wav) == pytest.approx(0.6 * 8_000, abs=30)
    assert 0.1 * 16_000 <= len(flac) <= len(wav)

"""Every broken file of tests/fixture/broken/ against the table of what it must give.

Oracle: broken/expected.csv, written by hand from the brief of the bad input and completed after
looking at what the loaders say. What is too big to commit, or special to an operating system, is
made here, by the function that the column `recipe` names.
"""

import os
import resource
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import soundfile

from empdis_utils.data import playable
from empdis_utils.data.corpora import CorpusError, read_manifest, read_predictions
from empdis_utils.data.media import BadMediaError, load_audio, load_frames
from empdis_utils.features import acoustics, faces
from empdis_utils.people.files import read_annotations

BROKEN = Path(__file__).parents[1] / "fixture" / "broken"
EXPECTED = pd.read_csv(BROKEN / "expected.csv", keep_default_na=False)


# What is made for a test: each takes the path asked for and returns the one to read.


def folder(path):
    path.mkdir()


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def loop(path):
    path.symlink_to(path)


def link_to_nothing(path):
    path.symlink_to(path.with_name("nothing"))


def link_outside(path):
    """Large corpora are often links into another disk: measured. Cards do not show them."""
    path.symlink_to(BROKEN / "stereo.flac")


def long_name(path):
    return path.with_stem("x" * 300)


def deep_path(path):
    return Path(path.parent, *["folder"] * 1000, path.name)


def nul_in_name(path):
    return path.with_stem("nul\0")


def new_line_in_name(path):
    return path.with_stem("two\nlines")


def no_permission(path):
    """Root may read anything, so the reading is done as somebody else; see `as_somebody`."""
    path.write_bytes((BROKEN / "stereo.flac").read_bytes())
    path.chmod(0)


def five_gigabytes(path):
    with open(path, "wb") as file:
        file.truncate(5 << 30)  # takes no room on the disk


def two_hours(path):
    """7,200 s in some 100 kB."""
    soundfile.write(path, np.zeros(7200 * 4000, np.int8).astype("int16"), 4000)
    assert path.stat().st_size < 500_000


def two_hours_unstated(path):
    two_hours(path)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # STREAMINFO: total samples not known
    data[22:26] = bytes(4)
    path.write_bytes(data)


def png(width, height):
    """Bytes of a black picture, 8 bits of grey; black compresses a thousandfold."""

    def chunk(kind, data):
        crc = zlib.crc32(kind + data).to_bytes(4)
        return len(data).to_bytes(4) + kind + data + crc

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    head = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0])
    parts = chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def film(path, pictures, size, rate=10):
    """PNG pictures as the frames of a QuickTime file, whatever size its header states."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "gray"
        for i, picture in enumerate(pictures):
            packet = av.Packet(picture)
            packet.stream, packet.time_base = stream, Fraction(1, rate)
            packet.pts = packet.dts = i
            container.mux(packet)


def frames_8192(path):
    """1.3 GB of pictures in some 1.3 MB."""
    film(path, [png(8192, 8192)] * 20, (8192, 8192))
    assert path.stat().st_size < 2_000_000


def frames_grow(path):
    """Its header says 64 x 64; its second picture is of 8192 x 8192."""
    film(path, [png(64, 64), png(8192, 8192)], (64, 64))


def ten_thousand_per_second(path):
    film(path, [png(16, 16)] * 10_100, (16, 16), rate=100_000)


def picture_bomb(path):
    """A sound with a cover of 20,000 x 20,000 pixels: 0.4 GB, after FLAC's first block."""
    data, picture, kind = (BROKEN / "stereo.flac").read_bytes(), png(20_000, 20_000), b"image/png"
    block = (3).to_bytes(4) + len(kind).to_bytes(4) + kind + bytes(4)
    block += (20_000).to_bytes(4) * 2 + (8).to_bytes(4) + bytes(4)
    block += len(picture).to_bytes(4) + picture
    end = 8 + int.from_bytes(data[5:8])
    path.write_bytes(data[:end] + b"\x06" + len(block).to_bytes(3) + block + data[end:])


RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        *(folder, pipe, device, loop, link_to_nothing, link_outside, long_name, deep_path),
        *(nul_in_name, new_line_in_name, no_permission, five_gigabytes, two_hours),
        *(two_hours_unstated, frames_8192, frames_grow, ten_thousand_per_second, picture_bomb),
    )
}


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A function: the path of a file of the table, made if it has a recipe."""
    made, where = {}, tmp_path_factory.mktemp("made")
    recipes = EXPECTED.drop_duplicates("file").set_index("file")["recipe"]

    def path(name):
        if not recipes[name]:
            return BROKEN / name
        if name not in made:
            made[name] = RECIPES[recipes[name]](where / name) or where / name
        return made[name]

    return path


def as_somebody(name, read, *arguments):
    """The result of a call; root reads "no_permission" as nobody, who may not either."""
    if not name.startswith("no_permission") or os.geteuid() != 0:
        return read(*arguments)
    os.seteuid(65534)
    try:
        return read(*arguments)
    finally:
        os.seteuid(0)


def cases(read_by):
    rows = EXPECTED[EXPECTED["read_by"] == read_by].itertuples()
    return [pytest.param(row, id=row.file) for row in rows]


def test_table_names_every_broken_file():
    there = {path.name for path in BROKEN.iterdir()} - {"expected.csv"}
    named = set(EXPECTED["file"][EXPECTED["recipe"] == ""])
    assert there <= named
    missing = {"missing", "manifest_missing", "openface_missing", "predictions_missing"}
    assert {Path(name).stem for name in named - there} == missing
    assert set(EXPECTED["recipe"]) == {"", *RECIPES}
    assert not EXPECTED.duplicated(["file", "read_by"]).any()
    assert len(EXPECTED) >= 80


def check_status(result, row):
    assert result.status == row.status, result.reason
    assert row.reason_contains in result.reason
    assert bool(result.reason) or row.status == "ok"


@pytest.mark.parametrize("row", cases("audio"))
def test_sound(row, place):
    sound = as_somebody(row.file, load_audio, place(row.file))
    check_status(sound, row)
    assert sound.sample_rate == 16_000
    assert sound.samples.ndim == 1 and np.isfinite(sound.samples).all()
    if row.status == "ok":
        assert len(sound.samples) >= 1_600
        assert np.abs(sound.samples).max() == pytest.approx(1.0)


@pytest.mark.parametrize("row", cases("video"))
def test_frames(row, place):
    video = load_frames(place(row.file), n_frames=16)
    check_status(video, row)
    assert video.frames.dtype == np.uint8
    assert len(video.frames) == len(video.times_s) == (16 if row.status == "ok" else 0)
    assert np.all(np.diff(video.times_s) >= 0)


@pytest.mark.parametrize("row", cases("acoustics"))
def test_voice_features(row, place, tmp_path_factory):
    """A row, whatever the file; the same row with a cache. Bad files leave nothing in it."""
    cache = tmp_path_factory.mktemp("cache")

    def extract(cache_dir):
        return acoustics.extract([place(row.file)], progress=False, cache_dir=cache_dir)

    there = None if row.file.startswith("no_permission") else cache
    plain, cached = (as_somebody(row.file, extract, where) for where in (None, there))
    check_status(plain.iloc[0], row)
    pd.testing.assert_frame_equal(plain, cached)
    measured = row.status in ("ok", "unvoiced", "too_short")
    assert len(list(cache.iterdir())) == measured
    assert plain["mean_intensity"].notna().all() == measured


def test_every_row_of_the_table_is_read_by_a_test():
    read = "audio video acoustics openface predictions annotations manifest".split()
    assert set(EXPECTED["read_by"]) == {*read, "play sound", "play video"}


@pytest.mark.parametrize("row", [*cases("play sound"), *cases("play video")])
def test_what_a_browser_is_given(row, place):
    kind = row.read_by.removeprefix("play ")
    try:
        data = playable.mp4(**{kind: place(row.file)})
    except BadMediaError as bad:
        return check_status(bad, row)
    assert row.status == "ok" and len(data) > 1_000


@pytest.mark.parametrize("row", cases("openface"))
def test_action_units_of_openface(row, place):
    table = faces.extract([place(row.file)], "openface", progress=False)
    check_status(table.iloc[0], row)
    assert table["AU12"].notna().all() == (row.status == "ok")
    if row.status == "ok":
        assert table["AU12"][0] == 1.2 and table["AU12_rate"][0] == 1


@pytest.mark.parametrize("row", cases("predictions"))
def test_predictions(row, place):
    if row.expected == "error":
        with pytest.raises(CorpusError, match=row.reason_contains):
            read_predictions(place(row.file))
        return
    assert len(read_predictions(place(row.file)).predictions) == 6


@pytest.mark.parametrize("row", cases("annotations"))
def test_annotations(row, place):
    table, problems = read_annotations(place(row.file), clips=["c1"])
    assert f"{len(table)} used" == row.status
    assert bool(len(problems)) == bool(row.reason_contains)
    assert any(row.reason_contains in text for text in problems["problem"]) or not len(problems)


MEMORY = """
import resource, sys
from pathlib import Path
from empdis_utils.features import acoustics
from empdis_utils.data import media, playable
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
path = Path(sys.argv[1])
media.load_audio(path), media.load_frames(path)
acoustics.extract([path], progress=False)
for asked in ({"sound": path}, {"video": path}):
    try:
        playable.mp4(**asked)
    except media.BadMediaError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    "name", ("frames_8192.mov", "frames_grow.mov", "picture_bomb.flac", "two_hours.flac")
)
def test_a_small_file_takes_little_memory_and_time(name, place):
    """Under 200 MB and 20 s for all that reads it; unpacked they are 0.4 to 1.3 GB."""
    start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(place(name))], capture_output=True, text=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 200e6
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - start < 20


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

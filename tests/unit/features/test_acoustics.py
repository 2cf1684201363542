"""Oracles: the Praat program, a committed table of its values, and closed forms."""

import os
import shutil
import subprocess
import warnings
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from empdis_utils.features import acoustics

RATE = 16_000
needs_praat = pytest.mark.skipif(
    shutil.which("praat") is None, reason="the Praat program is not installed (apt install praat)"
)

# Praat's own defaults, by its short commands, which do not name the advanced parameters.
SCRIPT_DEFAULTS = """
form Features
    sentence path
endform
sound = Read from file: path$
pitch = To Pitch: 0, 75, 600
f1 = Get mean: 0, 0, "Hertz"
f2 = Get minimum: 0, 0, "Hertz", "Parabolic"
f3 = Get maximum: 0, 0, "Hertz", "Parabolic"
selectObject: sound
intensity = To Intensity: 100, 0, "yes"
f4 = Get mean: 0, 0, "energy"
f5 = Get minimum: 0, 0, "Parabolic"
f6 = Get maximum: 0, 0, "Parabolic"
To TextGrid (silences): -25, 0.1, 0.1, "silent", "sounding"
speech = Get total duration of intervals where: 1, "is equal to", "sounding"
selectObject: sound
points = To PointProcess (periodic, cc): 75, 600
f7 = Get jitter (local): 0, 0, 0.0001, 0.02, 1.3
selectObject: sound, points
f8 = Get shimmer (local): 0, 0, 0.0001, 0.02, 1.3, 1.6
selectObject: sound
To Harmonicity (cc): 0.01, 75, 0.1, 1
f9 = Get mean: 0, 0
f10 = 10 / speech
writeInfoLine: f1, " ", f2, " ", f3, " ", f4, " ", f5, " ", f6
appendInfoLine: f7, " ", f8, " ", f9, " ", f10
"""

OTHER = acoustics.PraatSettings(
    pitch_time_step=0.005,
    pitch_floor=60,
    pitch_max_number_of_candidates=10,
    pitch_very_accurate=True,
    pitch_silence_threshold=0.05,
    pitch_voicing_threshold=0.4,
    pitch_octave_cost=0.02,
    pitch_octave_jump_cost=0.3,
    pitch_voiced_unvoiced_cost=0.1,
    pitch_ceiling=450,
    intensity_minimum_pitch=80,
    intensity_time_step=0.004,
    intensity_subtract_mean=False,
    harmonicity_time_step=0.008,
    harmonicity_minimum_pitch=70,
    harmonicity_silence_threshold=0.05,
    harmonicity_periods_per_window=2.0,
    period_shortest=0.0005,
    period_longest=0.015,
    period_maximum_factor=1.2,
    period_maximum_amplitude_factor=1.4,
    silences_threshold=-20,
    silences_minimum_silent_interval=0.05,
    silences_minimum_sounding_interval=0.03,
    interpolation="none",
    averaging_method="dB",
    subtract_mean=True,
)
SCRIPT_OTHER = """
form Features
    sentence path
endform
sound = Read from file: path$
Subtract mean
pitch = To Pitch (ac): 0.005, 60, 10, "yes", 0.05, 0.4, 0.02, 0.3, 0.1, 450
f1 = Get mean: 0, 0, "Hertz"
f2 = Get minimum: 0, 0, "Hertz", "None"
f3 = Get maximum: 0, 0, "Hertz", "None"
selectObject: sound
intensity = To Intensity: 80, 0.004, "no"
f4 = Get mean: 0, 0, "dB"
f5 = Get minimum: 0, 0, "None"
f6 = Get maximum: 0, 0, "None"
To TextGrid (silences): -20, 0.05, 0.03, "silent", "sounding"
speech = Get total duration of intervals where: 1, "is equal to", "sounding"
selectObject: sound, pitch
points = To PointProcess (cc)
f7 = Get jitter (local): 0, 0, 0.0005, 0.015, 1.2
selectObject: sound, points
f8 = Get shimmer (local): 0, 0, 0.0005, 0.015, 1.2, 1.4
selectObject: sound
To Harmonicity (cc): 0.008, 70, 0.05, 2
f9 = Get mean: 0, 0
f10 = 10 / speech
writeInfoLine: f1, " ", f2, " ", f3, " ", f4, " ", f5, " ", f6
appendInfoLine: f7, " ", f8, " ", f9, " ", f10
"""


def tone(frequency=220.0, seconds=1.0, amplitude=0.5, rate=RATE):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def voice(seed=0, seconds=1.2, rate=RATE, breath=0.003):
    """A synthetic voice: gliding pitch, irregular periods and amplitudes, syllables, breath."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    pitch = (
        140 + 40 * np.sin(2 * np.pi * 0.8 * t) + np.repeat(rng.normal(0, 2, len(t)), 80)[: len(t)]
    )
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    wave = sum(np.sin(k * phase) / k for k in range(1, 12))
    syllables = 0.01 + 0.99 * np.sin(2 * np.pi * 2 * t) ** 4
    return 0.2 * wave * syllables * (t > 0.3) + breath * rng.normal(size=len(t))


SOUNDS = {
    "tone": (tone(), RATE),
    "voice": (voice(), RATE),
    "voice 8 kHz": (voice(1, rate=8000), 8000),
    "voice stereo": (np.column_stack([voice(2), 0.3 * voice(3)]), RATE),
    "voice with DC": (voice(4) + 0.1, RATE),
}
# Values of the Praat program, version 6.3.07, for SOUNDS written as 16-bit WAV; made by
# `python tests/unit/features/test_acoustics.py`. Columns: acoustics.FEATURES, for 10 tokens.
PRAAT_VALUES = {
    "tone": [
        219.9996130516,
        219.9996082748,
        219.9996209733,
        84.94867818594,
        84.94848538597,
        84.94886798854,
        6.835046675477e-07,
        2.761083148815e-06,
        77.6474374701,
        10,
    ],
    "voice": [
        133.7675496985,
        98.29832315814,
        181.5427952211,
        72.70323500231,
        42.71031977111,
        78.79027807297,
        0.01343143553923,
        0.1508717926471,
        22.29513635708,
        11.01321585903,
    ],
    "voice 8 kHz": [
        133.6998422845,
        97.88628571279,
        182.4434702128,
        72.70219710146,
        42.6145579388,
        78.79767998183,
        0.01206258874374,
        0.1544519944316,
        22.8852055725,
        11.01321585903,
    ],
    "voice stereo": [
        134.337086699,
        99.27055007074,
        180.1744469348,
        70.064564835,
        40.62500180189,
        76.15229265868,
        0.01308371996639,
        0.1528874975188,
        20.95281356298,
        11.01321585903,
    ],
    "voice with DC": [
        133.8382763543,
        98.92837267562,
        181.5536079399,
        72.70353860363,
        42.48386065131,
        78.80011349846,
        0.01409678910733,
        0.08511640116132,
        20.93128212483,
        11.01321585903,
    ],
}


def save(folder, name, samples, rate=RATE, **kwargs):
    path = Path(folder) / f"{name}.wav"
    soundfile.write(path, samples, rate, **kwargs)
    return path


def measure(path, **kwargs):
    manifest = pd.DataFrame({"clip_id": ["a"], "audio_path": [str(path)], "n_tokens": [10]})
    return acoustics.extract(manifest, progress=False, **kwargs).iloc[0]


def praat(script, path, folder):
    file = Path(folder) / "features.praat"
    file.write_text(script)
    command = ["praat", "--run", str(file), str(Path(path).resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(word.replace("--undefined--", "nan")) for word in done.stdout.split()]


def features(row):
    return row[list(acoustics.FEATURES)].to_numpy(float)


def media_files():
    """Real recordings: EMPDIS_MEDIA, or media beside EMPDIS_DATA."""
    folder = os.environ.get("EMPDIS_MEDIA") or Path(os.environ.get("EMPDIS_DATA", "-"), "../media")
    ravdess = sorted(Path(folder).glob("ravdess/*.flac"))[::14]
    return ravdess + sorted(Path(folder).glob("grid/*.mpg"))[::4]


def fixture_files():
    """Clips of the synthetic corpus that is committed."""
    folder = Path(__file__).parents[2] / "fixture/corpus/audio"
    return sorted(path for path in folder.glob("*") if path.suffix in (".wav", ".flac"))[::20]


@pytest.mark.parametrize("name", SOUNDS)
def test_equals_praats_committed_values(name, tmp_path):
    row = measure(save(tmp_path, "sound", *SOUNDS[name]))
    np.testing.assert_allclose(features(row), PRAAT_VALUES[name], rtol=1e-6, atol=1e-8)
    assert row["status"] == "ok"


@needs_praat
@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("case", ["defaults", "other"])
def test_equals_the_praat_program(name, case, tmp_path):
    path = save(tmp_path, "sound", *SOUNDS[name])
    script, chosen = {"defaults": (SCRIPT_DEFAULTS, None), "other": (SCRIPT_OTHER, OTHER)}[case]
    expected = praat(script, path, tmp_path)
    np.testing.assert_allclose(features(measure(path, settings=chosen)), expected, rtol=1e-6)


@needs_praat
@pytest.mark.parametrize("kind", ["real", "synthetic corpus"])
def test_equals_the_praat_program_on_clips(kind, tmp_path):
    paths = {"real": media_files, "synthetic corpus": fixture_files}[kind]()
    if not paths:
        pytest.skip(f"no {kind} clips here (EMPDIS_MEDIA, tests/fixture/corpus)")
    for path in paths:
        wav = path
        if path.suffix not in (".wav", ".flac"):  # Praat reads no containers
            wav = save(tmp_path, "sound", *_decoded(path), subtype="PCM_16")
        expected = praat(SCRIPT_DEFAULTS, wav, tmp_path)
        np.testing.assert_allclose(features(measure(path)), expected, rtol=1e-6, err_msg=str(path))


def _decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        blocks = [frame.to_ndarray() for frame in container.decode(stream)]
        assert blocks[0].dtype == np.int16
        return np.concatenate(blocks, axis=1).T, stream.rate


def test_planted_cues_of_the_synthetic_corpus_are_measured():
    """The corpus' own truth: what was drawn for each clip, within recordings."""
    corpus = Path(__file__).parents[2] / "fixture/corpus"
    truth = pd.read_csv(corpus / "truth.csv").groupby("dialog_id").head(5)[::2]
    manifest = pd.read_csv(corpus / "manifest.csv").set_index("clip_id").loc[truth["clip_id"]]
    table = acoustics.extract(manifest.reset_index(), root=corpus, progress=False)
    assert (table["status"] == "ok").all()
    both = truth.merge(table, on="clip_id")
    planted = {
        "audio_intensity_db": ("mean_intensity", 0.95),
        "audio_pitch_st": ("mean_pitch", 0.7),
        "audio_shimmer": ("shimmer_local", 0.4),
    }
    for cue, (feature, least) in planted.items():
        within = both[[cue, feature]] - both.groupby("dialog_id")[[cue, feature]].transform("mean")
        assert within.corr().iloc[0, 1] > least, cue


def test_settings_all_reach_praat():
    """OTHER differs from the defaults in every field, so the comparison above tests them all."""
    assert all(
        asdict(OTHER)[name] != default
        for name, default in asdict(acoustics.PraatSettings()).items()
    )


def test_pitch_intensity_and_rate_of_a_tone(tmp_path):
    """Closed forms: the frequency; 20 log10 of the RMS over 20 µPa; tokens over 1 s of sound."""
    hush = 1e-3 * np.random.default_rng(0).normal(size=RATE // 2)
    path = save(tmp_path, "tone", np.concatenate([hush, tone(220, 1.0, 0.5), hush]))
    row = measure(path)
    assert row["mean_pitch"] == pytest.approx(220, abs=0.1)
    assert row["max_intensity"] == pytest.approx(20 * np.log10(0.5 / 2**0.5 / 2e-5), abs=0.05)
    assert row["jitter_local"] < 1e-3 and row["shimmer_local"] < 1e-2
    assert row["speaking_rate"] == pytest.approx(10 / 1.0, rel=0.1)


@pytest.mark.parametrize("snr_db", [10, 20])
def test_hnr_is_the_signal_to_noise_ratio(snr_db, tmp_path):
    """Boersma (1993): harmonics-to-noise ratio of a tone in white noise."""
    signal = tone(200, 2.0)
    noise = np.random.default_rng(1).normal(size=len(signal))
    noise *= signal.std() / noise.std() / 10 ** (snr_db / 20)
    row = measure(save(tmp_path, "noisy", signal + noise, subtype="DOUBLE"))
    assert row["hnr"] == pytest.approx(snr_db, abs=1.0)


@pytest.mark.parametrize("n", [3, 5])
def test_syllable_nuclei_counts_voiced_bursts(n, tmp_path):
    burst = np.hanning(3200) * tone(180, 0.2)
    noise = (
        np.random.default_rng(2).normal(size=3200) * np.hanning(3200) * 0.1
    )  # unvoiced: no count
    quiet = 1e-4 * np.random.default_rng(3).normal(size=1600)
    path = save(tmp_path, "bursts", np.concatenate([quiet, noise, *[quiet, burst] * n, quiet]))
    settings = {"silences_threshold": -200}  # all of it counts as speech
    row = measure(path, rate_unit="syllables", settings=settings)
    assert row["speaking_rate"] == pytest.approx(n / soundfile.info(path).duration, rel=1e-6)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(gain=st.floats(0.05, 1.0), seed=st.integers(0, 5))
def test_gain_shifts_intensity_and_nothing_else(gain, seed, tmp_path):
    loud = measure(save(tmp_path, "loud", voice(seed), subtype="DOUBLE"))
    soft = measure(save(tmp_path, "soft", gain * voice(seed), subtype="DOUBLE"))
    shift = np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 0]) * 20 * np.log10(gain)
    np.testing.assert_allclose(features(soft), features(loud) + shift, rtol=1e-5)


def test_container_gives_the_values_of_the_sound_in_it(tmp_path):
    samples = np.round(np.column_stack([voice(5), 0.5 * voice(6)]) * 2**15).astype(np.int16)
    wav, mkv = save(tmp_path, "a", samples), tmp_path / "a.mkv"
    with av.open(str(mkv), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "stereo")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    np.testing.assert_array_equal(features(measure(mkv)), features(measure(wav)))


def _bad(folder):
    """Files that cannot give all features: name, status, word of the reason, features it has."""
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.normal(size=RATE)
    loud = {"mean_intensity", "min_intensity", "max_intensity", "hnr", "speaking_rate"}
    (folder / "nothing.wav").write_bytes(b"")
    (folder / "text.wav").write_text("not a sound")
    with av.open(str(folder / "mute.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))
    yield save(folder, "noise", noise), "unvoiced", "unvoiced", loud
    yield save(folder, "short", noise[:960]), "too_short", "too short for intensity", {"hnr"}
    yield save(folder, "click", noise[:20]), "too_short", "too short for pitch", set()
    yield save(folder, "zeros", np.zeros(RATE)), "silent", "silent", set()
    yield save(folder, "constant", np.full(RATE, 0.25)), "silent", "0.25", set()
    yield save(folder, "header", np.zeros(0)), "empty", "no sound samples", set()
    yield save(folder, "nan", noise * np.nan, subtype="FLOAT"), "unreadable", "not numbers", set()
    yield folder / "nothing.wav", "empty", "no bytes", set()
    yield folder / "text.wav", "unreadable", "not a media file", set()
    yield folder / "mute.mkv", "no_audio", "no audio stream", set()
    yield folder / "absent.wav", "missing", "no file", set()


def test_bad_sound_is_a_row_with_status_and_reason(tmp_path):
    cases = list(_bad(tmp_path))
    manifest = pd.DataFrame(
        {"clip_id": [p.name for p, *_ in cases], "audio_path": [p.name for p, *_ in cases]}
    ).assign(n_tokens=10)
    manifest.loc[len(manifest)] = ["nowhere", None, 3]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no warning storm
        table = acoustics.extract(manifest, root=tmp_path, progress=False)
    assert list(table.columns) == ["clip_id", *acoustics.FEATURES, "status", "reason"]
    assert table["clip_id"].tolist() == manifest["clip_id"].tolist()
    for (path, status, word, has), (_, row) in zip(cases, table.iterrows(), strict=False):
        assert row["status"] == status, path.name
        assert word in row["reason"], path.name
        assert {name for name in acoustics.FEATURES if pd.notna(row[name])} == has, path.name
    assert table["status"].iloc[-1] == "missing"


def test_every_broken_sound_of_the_fixture_is_a_row():
    """Oracle: broken/expected.csv, and how make_broken.py made the sounds."""
    broken = Path(__file__).parents[2] / "fixture/broken"
    expected = pd.read_csv(broken / "expected.csv").query("read_by == 'audio' and recipe.isna()")
    expected = expected.set_index("file")["status"]
    # These can be read. Noise has no pitch; in one of two channels, it hides that of the other.
    expected[["unvoiced.flac", "stereo.flac"]] = "unvoiced"
    expected["claims_2_36.flac"] = "too_long"  # all of it is measured, not its first 10 s
    manifest = pd.DataFrame({"clip_id": expected.index, "audio_path": expected.index})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no warning storm
        table = acoustics.extract(manifest.assign(n_tokens=3), root=broken, progress=False)
    table = table.set_index("clip_id")
    pd.testing.assert_series_equal(table["status"], expected, check_names=False)
    assert (table.loc[table["status"] != "ok", "reason"] != "").all()
    assert table.loc["rate_8k.wav", "mean_pitch"] == pytest.approx(150, abs=0.01)
    assert "DC offset" in table.loc["dc_offset.flac", "reason"]


def test_dc_offset_is_remarked_on_and_can_be_subtracted(tmp_path):
    clean = measure(save(tmp_path, "clean", voice(), subtype="DOUBLE"))
    offset = save(tmp_path, "offset", voice() + 0.2, subtype="DOUBLE")
    raw, mended = measure(offset), measure(offset, settings={"subtract_mean": True})
    assert clean["reason"] == "" and "DC offset of 0.2 " in raw["reason"] and mended["reason"] == ""
    assert not np.isclose(raw["shimmer_local"], clean["shimmer_local"], rtol=0.01)
    np.testing.assert_allclose(features(mended), features(clean), rtol=1e-2)
    unaffected = ["mean_pitch", "mean_intensity", "max_intensity"]
    np.testing.assert_allclose(raw[unaffected].astype(float), clean[unaffected].astype(float))


def test_digital_silence_inside_is_remarked_on(tmp_path):
    row = measure(save(tmp_path, "gap", np.concatenate([voice(), np.zeros(RATE)])))
    assert row["status"] == "ok" and row["min_intensity"] <= -300
    assert "digital silence" in row["reason"]


def test_token_counts_come_from_the_manifest_then_the_transcript(tmp_path):
    path = str(save(tmp_path, "voice", voice()))
    manifest = pd.DataFrame(
        {"clip_id": ["a"], "audio_path": [path], "transcript": ["one two three"]}
    )
    rates = [
        acoustics.extract(table, progress=False)["speaking_rate"][0]
        for table in (manifest, manifest.assign(n_tokens=3), manifest.assign(n_tokens=6))
    ]
    assert rates[0] == rates[1] == rates[2] / 2
    row = acoustics.extract([path], progress=False).iloc[0]
    assert np.isnan(row["speaking_rate"]) and "No token count" in row["reason"]
    assert row["clip_id"] == "voice" and row["status"] == "ok"


def test_wrong_parameters_are_named(tmp_path):
    with pytest.raises(ValueError, match="rate_unit is 'words'"):
        acoustics.extract([], rate_unit="words")
    with pytest.raises(ValueError, match=r"Unknown Praat settings \['pitch_flor'\]"):
        acoustics.extract([], {"pitch_flor": 60})
    assert len(acoustics.extract([], progress=False)) == 0


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        for key, sound in SOUNDS.items():
            print(f"{key!r}:", praat(SCRIPT_DEFAULTS, save(scratch, "sound", *sound), scratch), ",")

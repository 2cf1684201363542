"""Voice features by Praat: pitch, intensity, jitter, shimmer, harmonicity, speaking rate."""

import warnings
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import parselmouth
from parselmouth.praat import call
from scipy.signal import find_peaks

from empdis_utils.data.media import MAX_CLIP_S, BadMediaError, read_sound
from empdis_utils.features import per_clip

__all__ = ["DC_REMARK", "FEATURES", "PraatSettings", "extract"]

FEATURES = (
    "mean_pitch",
    "min_pitch",
    "max_pitch",
    "mean_intensity",
    "min_intensity",
    "max_intensity",
    "jitter_local",
    "shimmer_local",
    "hnr",
    "speaking_rate",
)
DC_REMARK = 0.05  # offset remarked on, as a share of the standard deviation


@dataclass(frozen=True)
class PraatSettings:
    """Parameters of the Praat commands, under Praat's names and with Praat's defaults.

    The prefix names the command: `pitch_` is *Sound: To Pitch (ac)*, `intensity_` *Sound: To
    Intensity*, `harmonicity_` *Sound: To Harmonicity (cc)*, `period_` *PointProcess & Sound: Get
    jitter / shimmer (local)*, `silences_` *Intensity: To TextGrid (silences)*. `interpolation` is
    that of *Get minimum / maximum*, `averaging_method` that of *Intensity: Get mean*;
    `subtract_mean` is *Sound: Subtract mean* before all else, off as in Praat. Times are in
    seconds, frequencies in Hz, thresholds of silences in dB. A time step of 0 lets Praat choose.
    """

    pitch_time_step: float = 0.0
    pitch_floor: float = 75.0
    pitch_max_number_of_candidates: int = 15
    pitch_very_accurate: bool = False
    pitch_silence_threshold: float = 0.03
    pitch_voicing_threshold: float = 0.45
    pitch_octave_cost: float = 0.01
    pitch_octave_jump_cost: float = 0.35
    pitch_voiced_unvoiced_cost: float = 0.14
    pitch_ceiling: float = 600.0
    intensity_minimum_pitch: float = 100.0
    intensity_time_step: float = 0.0
    intensity_subtract_mean: bool = True
    harmonicity_time_step: float = 0.01
    harmonicity_minimum_pitch: float = 75.0
    harmonicity_silence_threshold: float = 0.1
    harmonicity_periods_per_window: float = 1.0
    period_shortest: float = 0.0001
    period_longest: float = 0.02
    period_maximum_factor: float = 1.3
    period_maximum_amplitude_factor: float = 1.6
    silences_threshold: float = -25.0
    silences_minimum_silent_interval: float = 0.1
    silences_minimum_sounding_interval: float = 0.1
    interpolation: str = "parabolic"
    averaging_method: str = "energy"
    subtract_mean: bool = False


def extract(
    manifest,
    settings=None,
    *,
    root=None,
    rate_unit="tokens",
    max_s=MAX_CLIP_S,
    n_jobs=1,
    progress=True,
    cache_dir=None,
):
    """Acoustic features of every clip. Bad sound becomes a row with a status; none is lost.

    Each file is read once, at its own sampling rate, all channels, not normalised. Pitch, point
    process, intensity and harmonicity are each computed once and shared by the features.

    Parameters
    ----------
    manifest : pd.DataFrame or sequence of path
        The manifest (clip_id, audio_path; n_tokens or transcript for the token rate), or paths,
        whose stems become the clip ids.
    settings : PraatSettings or dict, optional
        Praat's parameters. A dict changes only the ones it names.
    root : path, optional
        Folder that relative paths start from.
    rate_unit : {"tokens", "syllables"}
        What `speaking_rate` counts: `n_tokens` of the manifest (else words of `transcript`), or
        syllable nuclei found in the sound.
    max_s : float
        A sound that lasts longer is not measured: it is no clip. Praat's memory grows with it.
    n_jobs : int
        Processes; see `workers.parallel`.
    progress : bool
        Show a progress bar.
    cache_dir : path, optional
        Folder of rows already measured; see `per_clip.measure`.

    Returns
    -------
    pd.DataFrame
        One row per clip, in input order: clip_id; mean, min and max pitch (Hz); mean, min and max
        intensity (dB re 20 µPa, for samples in Pa); jitter_local and shimmer_local (ratios); hnr
        (dB); speaking_rate (per second of speech: Praat's sounding intervals); status; reason. A
        feature that cannot be had is missing. Status is "ok", "unvoiced" (no pitch, jitter and
        shimmer), "too_short" (for at least one of Praat's windows), "silent" (all samples equal),
        or that of a file that cannot be measured: "missing", "empty", "unreadable", "no_audio",
        "too_long", "out_of_range" (see `media`), "failed" (an unexpected error, which it names).
        `reason` explains it, and under "ok" holds remarks.

    Raises
    ------
    ValueError
        If a column is missing, clip ids repeat, or `rate_unit` or a setting is unknown.

    Notes
    -----
    Section 3.1 of the paper; its text does not define the speaking rate. Equal to the Praat
    program (6.3) on the same file and settings, see the tests. Syllable nuclei follow de Jong &
    Wempe (2009), doi:10.3758/BRM.41.2.385: voiced intensity peaks within 25 dB of the 99th
    percentile, after dips of 2 dB; here on the shared intensity contour.

    Examples
    --------
    >>> import pandas as pd
    >>> clips = ["tests/fixture/corpus/audio/fx00_00.flac", "nowhere.wav"]
    >>> manifest = pd.DataFrame({"clip_id": ["a", "b"], "audio_path": clips, "n_tokens": 3})
    >>> extract(manifest, progress=False)[["clip_id", "status"]].to_dict("list")
    {'clip_id': ['a', 'b'], 'status': ['ok', 'missing']}
    """
    if rate_unit not in ("tokens", "syllables"):
        raise ValueError(f"rate_unit is {rate_unit!r}; use 'tokens' or 'syllables'.")
    settings = _settings(settings)
    clips = per_clip.listed(manifest, "audio_path", root)
    return per_clip.measure(
        zip(clips["clip_id"], clips["audio_path"], _token_counts(clips), strict=True),
        partial(_clip_features, settings=settings, rate_unit=rate_unit, max_s=max_s),
        dict.fromkeys(FEATURES, float),
        title="acoustics",
        n_jobs=n_jobs,
        progress=progress,
        cache_dir=cache_dir,
        key=asdict(settings)
        | {"rate_unit": rate_unit, "max_s": max_s, "parselmouth": parselmouth.__version__},
    )


def _settings(settings):
    if settings is None or isinstance(settings, PraatSettings):
        return settings or PraatSettings()
    known = PraatSettings.__dataclass_fields__
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ValueError(f"Unknown Praat settings {unknown}. Known: {', '.join(known)}.")
    return PraatSettings(**settings)


def _token_counts(clips):
    """n_tokens, else words of the transcript, else missing: list of float."""
    if "n_tokens" in clips:
        return [float(n) for n in clips["n_tokens"].fillna(np.nan)]
    if "transcript" in clips:
        return [float(n) for n in clips["transcript"].str.split().str.len()]
    return [np.nan] * len(clips)


def _clip_features(path, n_tokens, settings, rate_unit, max_s=MAX_CLIP_S):
    samples, rate = read_sound(path, max_s, "float64", whole=True)
    if np.ptp(samples, axis=1).max() == 0:
        reason = f"{path.name} is silent: all its samples are {samples.flat[0]:g}."
        raise BadMediaError("silent", reason)
    sound = parselmouth.Sound(samples, rate)
    remarks = []
    if settings.subtract_mean:
        sound.subtract_mean()
    elif np.abs(samples.mean()) > DC_REMARK * samples.std():
        remarks.append(
            f"DC offset of {samples.mean():.2g} distorts jitter and shimmer; see subtract_mean."
        )
    with warnings.catch_warnings(record=True) as caught:  # Praat's remarks go into the row
        warnings.simplefilter("always", parselmouth.PraatWarning)
        features, status, found = _features(sound, n_tokens, settings, rate_unit)
    remarks += found + [f"Praat: {remark.message}" for remark in caught]
    return features | {"status": status, "reason": " ".join(dict.fromkeys(remarks))}


def _features(sound, n_tokens, settings, rate_unit):
    """Features of one sound, its status, and remarks."""
    analyses, remarks = {}, []
    for name, command in _COMMANDS.items():
        try:
            analyses[name] = command(sound, settings)
        except parselmouth.PraatError as error:
            if "memory" in str(error):
                raise MemoryError(_first_sentence(error)) from None
            remarks.append(f"too short for {name}: {_first_sentence(error)}")
    status = "too_short" if remarks else "ok"
    features = {}
    if "pitch" in analyses:
        voice = _voice(sound, analyses["pitch"], settings)
        features |= voice
        if np.isnan(voice["mean_pitch"]):
            status = "unvoiced" if status == "ok" else status
            span = f"{settings.pitch_floor:g}-{settings.pitch_ceiling:g} Hz"
            remarks.insert(0, f"unvoiced: no frame with a pitch in {span}.")
        elif np.isnan(voice["jitter_local"]) or np.isnan(voice["shimmer_local"]):
            remarks.append("Too few consecutive periods for jitter or shimmer.")
    if "harmonicity" in analyses:
        features["hnr"] = call(analyses["harmonicity"], "Get mean", 0, 0)
    if "intensity" in analyses:
        features |= _loudness(analyses["intensity"], settings)
        if features["min_intensity"] <= -300:
            remarks.append("Holds digital silence: min_intensity is Praat's value for it.")
        rate, remark = _speaking_rate(analyses, n_tokens, settings, rate_unit)
        features["speaking_rate"] = rate
        remarks += remark
    return features, status, remarks


def _first_sentence(error):
    text = " ".join(str(error).split())
    return text.split(". ")[0].rstrip(".") + "."


def _pitch(sound, s):
    return call(
        sound,
        "To Pitch (ac)",
        s.pitch_time_step,
        s.pitch_floor,
        s.pitch_max_number_of_candidates,
        s.pitch_very_accurate,
        s.pitch_silence_threshold,
        s.pitch_voicing_threshold,
        s.pitch_octave_cost,
        s.pitch_octave_jump_cost,
        s.pitch_voiced_unvoiced_cost,
        s.pitch_ceiling,
    )


def _intensity(sound, s):
    return call(
        sound,
        "To Intensity",
        s.intensity_minimum_pitch,
        s.intensity_time_step,
        s.intensity_subtract_mean,
    )


def _harmonicity(sound, s):
    return call(
        sound,
        "To Harmonicity (cc)",
        s.harmonicity_time_step,
        s.harmonicity_minimum_pitch,
        s.harmonicity_silence_threshold,
        s.harmonicity_periods_per_window,
    )


_COMMANDS = {"pitch": _pitch, "intensity": _intensity, "harmonicity": _harmonicity}


def _voice(sound, pitch, s):
    periods = call([sound, pitch], "To PointProcess (cc)")
    limits = (s.period_shortest, s.period_longest, s.period_maximum_factor)
    interpolation = s.interpolation
    return {
        "mean_pitch": call(pitch, "Get mean", 0, 0, "Hertz"),
        "min_pitch": call(pitch, "Get minimum", 0, 0, "Hertz", interpolation),
        "max_pitch": call(pitch, "Get maximum", 0, 0, "Hertz", interpolation),
        "jitter_local": call(periods, "Get jitter (local)", 0, 0, *limits),
        "shimmer_local": call(
            [sound, periods],
            "Get shimmer (local)",
            *(0, 0, *limits, s.period_maximum_amplitude_factor),
        ),
    }


def _loudness(intensity, s):
    return {
        "mean_intensity": call(intensity, "Get mean", 0, 0, s.averaging_method),
        "min_intensity": call(intensity, "Get minimum", 0, 0, s.interpolation),
        "max_intensity": call(intensity, "Get maximum", 0, 0, s.interpolation),
    }


def _speaking_rate(analyses, n_tokens, s, unit):
    """Rate per second of speech, and remarks where there is none."""
    intervals = call(
        analyses["intensity"],
        "To TextGrid (silences)",
        s.silences_threshold,
        s.silences_minimum_silent_interval,
        s.silences_minimum_sounding_interval,
        "silent",
        "sounding",
    )
    speech_s = call(
        intervals, "Get total duration of intervals where", 1, "is equal to", "sounding"
    )
    if not speech_s > 0:
        return np.nan, ["No sounding interval: no speaking rate."]
    if unit == "tokens":
        remark = ["No token count in the manifest: no speaking rate."] if np.isnan(n_tokens) else []
        return n_tokens / speech_s, remark
    if "pitch" not in analyses:
        return np.nan, ["No pitch: no syllable nuclei."]
    return _syllable_nuclei(analyses["intensity"], analyses["pitch"]) / speech_s, []


def _syllable_nuclei(intensity, pitch, range_db=25.0, dip_db=2.0):
    """Count of voiced intensity peaks."""
    contour = intensity.values[0]
    loud = np.quantile(contour, 0.99) - range_db
    peaks, _ = find_peaks(contour, height=loud, prominence=dip_db)
    return sum(not np.isnan(pitch.get_value_at_time(intensity.xs()[i])) for i in peaks)

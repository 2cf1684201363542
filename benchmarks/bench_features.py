"""Processor time of acoustic and facial features, in one run on one core.

Sound: synthetic voices of 3 s, and recordings where there are some. Ours, against the four shared
analyses alone (pitch, points, intensity, harmonicity), against a chain of Praat calls per feature
in this process, and against a run of the Praat program per feature where it is installed. Faces:
frames analysed per second of MediaPipe, decoding included. Times are of the processor, children
included, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import figures
import numpy as np
import pandas as pd
import parselmouth
import soundfile
from parselmouth.praat import call

from empdis_utils.data import media
from empdis_utils.features import acoustics, faces

FIXTURE = Path(__file__).parents[1] / "tests" / "fixture" / "corpus" / "video"
SETTINGS = acoustics.PraatSettings()
SCRIPTS = {  # what a chain does after reading the file, in Praat's language
    "mean_pitch": ["To Pitch: 0, 75, 600", 'Get mean: 0, 0, "Hertz"'],
    "min_pitch": ["To Pitch: 0, 75, 600", 'Get minimum: 0, 0, "Hertz", "Parabolic"'],
    "max_pitch": ["To Pitch: 0, 75, 600", 'Get maximum: 0, 0, "Hertz", "Parabolic"'],
    "mean_intensity": ['To Intensity: 100, 0, "yes"', 'Get mean: 0, 0, "energy"'],
    "min_intensity": ['To Intensity: 100, 0, "yes"', 'Get minimum: 0, 0, "Parabolic"'],
    "max_intensity": ['To Intensity: 100, 0, "yes"', 'Get maximum: 0, 0, "Parabolic"'],
    "jitter_local": [
        "To PointProcess (periodic, cc): 75, 600",
        "Get jitter (local): 0, 0, 0.0001, 0.02, 1.3",
    ],
    "shimmer_local": [
        "To PointProcess (periodic, cc): 75, 600",
        "plusObject: 1",
        "Get shimmer (local): 0, 0, 0.0001, 0.02, 1.3, 1.6",
    ],
    "hnr": ["To Harmonicity (cc): 0.01, 75, 0.1, 1", "Get mean: 0, 0"],
    "speaking_rate": [
        'To Intensity: 100, 0, "yes"',
        'To TextGrid (silences): -25, 0.1, 0.1, "silent", "sounding"',
        'Get total duration of intervals where: 1, "is equal to", "sounding"',
    ],
}


def synthetic_voices(folder: Path, n: int, seconds: float = 3.0, rate: int = 16_000) -> list[Path]:
    """Synthetic: gliding harmonic tones with breath noise, as 16-bit WAV."""
    rng = np.random.default_rng(42)
    t = np.arange(round(seconds * rate)) / rate
    paths = []
    for i in range(n):
        pitch = rng.uniform(100, 220) * 2 ** (0.3 * np.sin(2 * np.pi * rng.uniform(0.5, 1) * t))
        phase = 2 * np.pi * np.cumsum(pitch) / rate
        wave = sum(np.sin(k * phase) / k for k in range(1, 12)) * np.sin(2 * np.pi * 2 * t) ** 2
        paths.append(folder / f"voice{i:03d}.wav")
        soundfile.write(paths[-1], 0.2 * wave + 0.003 * rng.normal(size=len(t)), rate)
    return paths


def ours(paths):
    manifest = pd.DataFrame({"clip_id": range(len(paths)), "audio_path": paths})
    return acoustics.extract(manifest, progress=False)


def analyses_alone(sounds):
    for sound in sounds:
        pitch = acoustics._pitch(sound, SETTINGS)
        call([sound, pitch], "To PointProcess (cc)")
        acoustics._intensity(sound, SETTINGS)
        acoustics._harmonicity(sound, SETTINGS)


def harmonicity_alone(sounds):
    for sound in sounds:
        acoustics._harmonicity(sound, SETTINGS)


def chain_per_feature(paths):
    for path in paths:
        for script in SCRIPTS.values():
            lines = [f'Read from file: "{path}"', *script]
            parselmouth.praat.run("\n".join(lines), capture_output=True)


def program_per_feature(paths, folder):
    for path in paths:
        for name, script in SCRIPTS.items():
            file = folder / f"{name}.praat"
            file.write_text("\n".join([f'Read from file: "{path}"', *script]))
            subprocess.run(["praat", "--run", str(file)], check=True, capture_output=True)


def processor_seconds() -> float:
    """Of this process and its finished children, all threads."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def seconds(function, *arguments, repeats: int = 3) -> float:
    """Least of `repeats` calls."""
    taken = []
    for _ in range(repeats):
        start = processor_seconds()
        function(*arguments)
        taken.append(processor_seconds() - start)
    return min(taken)


def bench_sound(paths, folder) -> pd.DataFrame:
    few = paths[:: max(1, len(paths) // 4)]
    read = [media.read_sound(path, media.MAX_CLIP_S, "float64", whole=True) for path in few]
    sounds = [parselmouth.Sound(samples, rate) for samples, rate in read]
    times = {
        "ours": seconds(ours, few),
        "the four analyses alone": seconds(analyses_alone, sounds),
        "of these, harmonicity": seconds(harmonicity_alone, sounds),
        "a chain of calls per feature": seconds(chain_per_feature, few),
        "ours, ten times the clips": seconds(ours, 10 * few, repeats=1),
    }
    if shutil.which("praat"):
        times["the Praat program per feature"] = seconds(
            program_per_feature, few, folder, repeats=1
        )
    table = pd.DataFrame({"seconds": times, "clips": len(few)})
    table.loc["ours, ten times the clips", "clips"] = 10 * len(few)
    per_clip = table["seconds"] / table["clips"]
    return table.assign(ms_per_clip=1000 * per_clip, relative_to_ours=per_clip / per_clip["ours"])


def goals(table) -> list[str]:
    """The goals of the project, and what was measured."""
    ms, times = table["ms_per_clip"], table["seconds"]
    chain = ms["a chain of calls per feature"]
    alone, ten = ms["the four analyses alone"], times["ours, ten times the clips"]
    free = "  if all but harmonicity cost nothing, which one feature needs and Praat computes"
    measured = [
        ("times faster than a chain of calls per feature", "at least 2", chain / ms["ours"]),
        (free, "", chain / ms["of these, harmonicity"]),
        ("times the four analyses alone", "at most 1.15", ms["ours"] / alone),
        ("times the time for ten times the clips", "at most 10.5", ten / times["ours"]),
    ]
    if "the Praat program per feature" in ms:
        factor = ms["the Praat program per feature"] / ms["ours"]
        measured.append(("times faster than the Praat program per feature", "", factor))
    return [f"{value:6.2f} {what}{goal and f' (goal: {goal})'}" for what, goal, value in measured]


def bench_faces(paths) -> pd.DataFrame:
    rows = []
    for fps in (5.0, None):
        start = processor_seconds()
        table = faces.extract(paths, fps=fps, progress=False)
        taken = processor_seconds() - start
        n = int(table["n_frames"].sum())
        row = {"fps": str(fps or "all"), "clips": len(paths), "frames": n, "seconds": taken}
        rows.append(row | {"frames_per_s": n / taken, "face_found": table["face_found"].mean()})
    return pd.DataFrame(rows)


def peak_mib() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def real_media() -> Path:
    """Folder of real recordings, where there is one."""
    return Path(os.environ.get("EMPDIS_MEDIA") or os.environ.get("EMPDIS_DATA", "-") + "/../media")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sound", type=Path, help="folder of recordings")
    parser.add_argument("--video", type=Path, help="folder of videos")
    arguments = parser.parse_args()
    print(f"memory before: {peak_mib():.0f} MiB")
    sound = {"recordings": arguments.sound or real_media() / "ravdess"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cases = {"synthetic voices of 3 s": synthetic_voices(folder, 40)}
        cases |= {kind: sorted(p.resolve().glob("*.*")) for kind, p in sound.items() if p.is_dir()}
        for kind, paths in cases.items():
            print(f"\nAcoustic features, {len(paths)} {kind}, one process")
            table = bench_sound(paths, folder)
            print(table.round(3).to_string(), *goals(table), sep="\n")
            per_clip = table.loc["ours", "ms_per_clip"] / 1e3
            figures.record(f"acoustic features of a clip, {kind}", per_clip, "cpu s")
    print(f"memory at most, so far: {peak_mib():.0f} MiB")
    videos = {"synthetic corpus": FIXTURE, "real": arguments.video or real_media() / "grid"}
    try:
        faces.find_model()
    except FileNotFoundError:
        print("\nFace features: not measured, no face_landmarker.task ($EMPDIS_DATA/models)")
        return
    for kind, path in videos.items():
        if path.is_dir():
            paths = sorted(path.iterdir())[:16]
            print(f"\nFace features, MediaPipe, one process, {kind} (goal: 60 frames per second)")
            table = bench_faces(paths)
            print(table.round(3).to_string(index=False))
            per_frame = 1 / table["frames_per_s"].iloc[-1]
            figures.record(f"face features of a frame, {kind}", per_frame, "cpu s")
    print(f"memory at most: {peak_mib():.0f} MiB")


if __name__ == "__main__":
    main()

"""Do the acoustic features go the known way? Calm and angry pairs of acted speech (RAVDESS)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from empdis_utils.measures import inference

__all__ = ["EXPECTED", "clips", "differences", "directions", "ends"]

#: Sign that angry minus calm should have, for the features of which it is known.
EXPECTED = dict.fromkeys(
    ["mean_intensity", "max_intensity", "mean_pitch", "max_pitch", "speaking_rate"], 1
)
_FIELDS = ["modality", "channel", "emotion", "intensity", "statement", "repetition", "actor"]
_PAIR = ["actor", "statement", "intensity", "repetition"]


def clips(folders) -> pd.DataFrame:
    """Calm and angry speech below some folders; of two files with one name the first counts.

    Returns
    -------
    DataFrame
        The fields of the file name, clip_id, audio_path, n_tokens (both sentences have six words).
    """
    files = [p for folder in folders for p in sorted(Path(folder).glob("**/03-01-*"))]
    files = [p for p in files if p.suffix in (".wav", ".flac")]
    files = list({p.stem: p for p in reversed(files)}.values())[::-1]
    about = pd.DataFrame([p.stem.split("-") for p in files], columns=_FIELDS).assign(
        clip_id=[p.stem for p in files], audio_path=[str(p) for p in files], n_tokens=6
    )
    about["emotion"] = about["emotion"].map({"02": "calm", "05": "angry"})
    return about.dropna(subset=["emotion"]).reset_index(drop=True)


def differences(about, features, names) -> pd.DataFrame:
    """Angry minus calm of each pair (same actor, sentence, intensity, repetition), by feature."""
    measured = about.merge(features, on="clip_id")
    sides = {e: part.set_index(_PAIR)[[*names]] for e, part in measured.groupby("emotion")}
    return (sides["angry"] - sides["calm"]).dropna(how="all")


def directions(difference, *, n_boot=2000, seed=42) -> pd.DataFrame:
    """How many pairs of each feature go as `EXPECTED`, and the mean difference over actors.

    Parameters
    ----------
    difference : DataFrame
        Of `differences`. Intervals resample actors.
    n_boot, seed : int

    Returns
    -------
    DataFrame
        feature, expected, pairs, as expected, mean difference, ci_low, ci_high.
    """
    rows = []
    for name in difference:
        values, sign = difference[name].dropna(), EXPECTED.get(name)
        actor = values.index.get_level_values("actor")
        found = inference.interval(values, groups=actor, n_boot=n_boot, seed=seed)[:3]
        rows.append(
            {"feature": name, "expected": {1: "higher", None: ""}[sign], "pairs": len(values)}
            | {"as expected": int((values * sign > 0).sum()) if sign else pd.NA}
            | dict(zip(("mean difference", "ci_low", "ci_high"), found, strict=True))
        )
    return pd.DataFrame(rows).astype({"as expected": "Int64"})


def ends(about, features, names) -> pd.DataFrame:
    """Both values of each pair, for `plots.pairs`.

    Parameters
    ----------
    names : dict
        Column of `features` -> what it is called.

    Returns
    -------
    DataFrame
        pair, actor, emotion (calm first), feature, value; pairs that have both.
    """
    measured = about.merge(features, on="clip_id").rename(columns=names)
    measured["pair"] = measured[_PAIR].agg("-".join, axis=1)
    measured = measured[measured.groupby("pair")["emotion"].transform("nunique") == 2]
    found = measured.melt(["pair", "actor", "emotion"], [*names.values()], "feature")
    return found.sort_values("emotion", ascending=False, kind="stable", ignore_index=True)

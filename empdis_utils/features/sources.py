"""The features of every modality, from the source that a parameter names.

This is what chapter 05 calls; each source has its own module for those who want more of it.
"""

import pandas as pd

from empdis_utils.features import acoustics, faces, per_clip, textual

__all__ = ["families", "long", "numbers", "overview"]

FACES = ("mediapipe", "pyfeat")  # measured from the video; OpenFace's files are read
ABOUT_FRAMES = ["n_frames", "n_faces_max", "face_found"]


def families(
    data,
    manifest,
    chosen,
    *,
    rate_unit="tokens",
    affect_checkpoint="",
    keep=True,
    n_jobs=1,
):
    """Features of each modality, one row per clip of the manifest.

    Parameters
    ----------
    data : corpora.Corpus
        root (the folder of the corpus) and features (published ones, by modality) are used.
    manifest : DataFrame
    chosen : dict of str to str
        Modality to source, in the order wanted; "none" leaves it out.

        - audio: "praat" (`acoustics.extract`, and `affect.extract`).
        - video: "mediapipe", "pyfeat" (`faces.extract`), or a folder of the CSV files that OpenFace
          made, such as "openface".
        - text: "transcripts" (`textual.lexicon`); left out where no clip has one.
        - any: "given" (published with the corpus), or a CSV with clip_id and a column per feature.

        Folders and CSV files lie beside the manifest.
    rate_unit : {"tokens", "syllables"}
        What praat's speaking rate counts.
    affect_checkpoint : str
        Of `affect.load`; "" leaves valence, arousal and dominance missing.
    keep : bool
        Keep what is measured in `per_clip.default_cache`.
    n_jobs : int
        Processes.

    Returns
    -------
    dict of str to DataFrame
        Indexed by clip_id, in the order of the manifest; with status and reason where something
        was measured.

    Raises
    ------
    ValueError
        A source that the modality does not have, or a clip that the table lacks.
    FileNotFoundError
        Neither a CSV nor a folder of that name is beside the manifest.
    ImportError
        See `faces.extract`.
    """
    how = dict(root=data.root, progress=False, cache_dir=per_clip.default_cache() if keep else None)
    found = {}
    for modality, source in chosen.items():
        if source == "none":
            continue
        if (modality, source) == ("audio", "praat"):
            from empdis_utils.features import affect  # slow to import

            table = acoustics.extract(manifest, rate_unit=rate_unit, n_jobs=n_jobs, **how)
            scores = affect.extract(manifest, affect_checkpoint or None, **how)
            scores = scores.rename(columns={"status": "affect_status", "reason": "affect_reason"})
            table = table.join(scores.set_index("clip_id"), on="clip_id")
        elif modality == "video" and source in FACES:
            table = faces.extract(manifest, source=source, n_jobs=n_jobs, **how)
        elif (modality, source) == ("text", "transcripts"):
            if manifest["transcript"].isna().all():
                continue
            table = textual.lexicon(manifest["transcript"]).assign(clip_id=manifest["clip_id"])
        elif source == "given":
            table = _published(data, modality)
        else:
            table = _beside(data.root / source, modality, manifest, n_jobs, how)
        table = table.set_index("clip_id")
        if lost := [clip for clip in manifest["clip_id"] if clip not in table.index]:
            raise ValueError(f"{modality} ({source}): no row for {len(lost)} clips, {lost[:3]} …")
        found[modality] = table.loc[manifest["clip_id"]]
        if "reason" in table:
            found[modality]["reason"] = found[modality]["reason"].astype(object).fillna("")
    return found


def _published(data, modality):
    if modality not in (data.features or {}):
        there = ", ".join(data.features or {}) or "none"
        raise ValueError(
            f"This corpus has no published features of {modality} (it has: {there}): set "
            f"{modality}_source to another source, or to none."
        )
    return data.features[modality].rename_axis("clip_id").reset_index()


def _beside(path, modality, manifest, n_jobs, how):
    """A CSV of features, or OpenFace's folder."""
    if path.is_dir() and modality == "video":
        return faces.extract(manifest, source="openface", openface_dir=path, n_jobs=n_jobs, **how)
    if path.is_file():
        return pd.read_csv(path, dtype={"clip_id": str})
    known = {"audio": "praat", "video": f"{', '.join(FACES)}, a folder of OpenFace's CSV files"}
    raise FileNotFoundError(
        f"{modality}_source is {path.name!r}, and there is no {path}. Use "
        f"{known.get(modality, 'transcripts')}, given, a CSV beside the manifest, or none."
    )


def long(values, quadrant, names):
    """Some features of the clips that have a quadrant, one row each: feature, quadrant, value.

    `values` and `quadrant` are None where a run has none: no rows.
    """
    if values is None:
        return pd.DataFrame(columns=["feature", "quadrant", "value"])
    kept = values.loc[quadrant.index, [name for name in names if name in values]]
    return kept.assign(quadrant=quadrant).melt("quadrant", var_name="feature")


def numbers(features):
    """The columns of `families` that are features, without those that have no value at all."""
    kept = features.drop(columns=ABOUT_FRAMES, errors="ignore").select_dtypes("number")
    return kept.dropna(axis="columns", how="all")


def overview(found, chosen):
    """What there is: modality, source, features with values, clips by status, and what is missing.

    Parameters
    ----------
    found, chosen
        Result and argument of `families`.

    Returns
    -------
    DataFrame
    """
    rows = []
    for modality, table in found.items():
        status = table["status"] if "status" in table else pd.Series("given", table.index)
        missing = [reason for reason in table.get("affect_reason", pd.Series()).unique() if reason]
        rows.append(
            {
                "modality": modality,
                "source": chosen[modality],
                "features with values": numbers(table).shape[1],
                "clips": ", ".join(f"{n} {name}" for name, n in status.value_counts().items()),
                "missing": "; ".join(f"valence, arousal, dominance: {m}" for m in missing),
            }
        )
    columns = ["modality", "source", "features with values", "clips", "missing"]
    return pd.DataFrame(rows, columns=columns).set_index("modality")

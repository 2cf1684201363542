"""Does the heuristic for who speaks tell a voice from others? Sounds that do not belong to a face.

One speaker a clip is known. A face gets its own sound, its own sound shifted, or the sound of
another clip; and it stands beside another face, one of the two with its sound.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from empdis_utils.data import media
from empdis_utils.features import speaker
from empdis_utils.measures import inference

__all__ = [
    "CONTROLS", "SOUNDS", "accepted", "courses", "each", "example", "measured", "picked", "picks",
    "roc", "separations", "trials",
]  # fmt: skip

SOUNDS = ("own", "shifted", "another clip's")
CONTROLS = {"shifted": "its own sound, shifted", "another clip's": "another clip's sound"}


def measured(manifest, **how):
    """Faces of all clips, or why they cannot be had: the page of a run says it and goes on.

    `how`: of `speaker.find_faces`. Returns its two tables, and a sentence; where MediaPipe or its
    model is not there, the tables are empty and the sentence is not.
    """
    try:
        return *speaker.find_faces(manifest, **how), ""
    except (ImportError, FileNotFoundError) as error:
        nothing = pd.DataFrame(columns=["clip_id", *speaker.FACE_COLUMNS])
        return nothing, pd.DataFrame(columns=["clip_id", "status", "reason"]), str(error)


def courses(found, sounds) -> dict[str, pd.DataFrame]:
    """Mouth and sound of each clip with one face at least: clip_id -> opening, loudness by time_s.

    `found`: faces, of `speaker.find_faces`. `sounds`: clip_id -> path. Of several tracks the
    longest counts. Clips without a face, or without sound, are left out.
    """
    out = {}
    for name, rows in found.groupby("clip_id", sort=False):
        tracks = speaker.link(rows)
        heard = media.load_audio(sounds[name], max_s=media.MAX_CLIP_S, normalise=False)
        if not len(tracks) or heard.status != "ok":
            continue
        times = rows["time_s"].unique()
        openings = speaker.mouths(tracks).reindex(times)
        opening = openings[openings.count().idxmax()].to_numpy()
        loudness = speaker.envelope(heard.samples, heard.sample_rate, times)
        both = {"opening": opening, "loudness": loudness}
        out[name] = pd.DataFrame(both, index=pd.Index(times, name="time_s"))
    return out


def _step(course):
    return float(np.median(np.diff(course.index)))


def _shifted(loudness, frames):
    """What is heard, turned round by some frames; where nothing is heard stays where it is."""
    known = np.isfinite(loudness)
    out = np.full(len(loudness), np.nan)
    out[known] = np.roll(loudness[known], frames)
    return out


def trials(course, people, shifts_s, **how) -> pd.DataFrame:
    """Scores of every face with its own sound, with its own sound shifted, and with all others.

    Parameters
    ----------
    course : dict
        Of `courses`.
    people : Series
        clip_id -> who is seen. Sounds of the same person are not "another clip's".
    shifts_s : sequence of float
        Seconds by which the sound is shifted, round the clip.
    **how
        Arguments of `speaker.sync`.

    Returns
    -------
    DataFrame
        clip_id, dialog_id (person), source (of `SOUNDS`), draw (shift or other clip), value (the
        score), p, status, reason.
    """
    rows = []
    for name, face in course.items():
        own, step = face["loudness"].to_numpy(), _step(face)
        sounds = [("own", "", own)]
        sounds += [("shifted", f"{s:g} s", _shifted(own, round(s / step))) for s in shifts_s]
        sounds += [
            ("another clip's", other, _fitted(heard["loudness"].to_numpy(), len(face)))
            for other, heard in course.items()
            if people[other] != people[name]
        ]
        for source, draw, loudness in sounds:
            found = speaker.sync(face["opening"], loudness, step, **how)
            rows.append((name, people[name], source, draw, *found))
    names = ["clip_id", "dialog_id", "source", "draw", "value", *speaker.Sync._fields[1:]]
    return pd.DataFrame(rows, columns=names).drop(columns=["r", "lag_s", "n"])


def _fitted(loudness, n):
    """Cut to n frames, or filled up with what is not known."""
    return np.pad(loudness[:n], (0, max(n - len(loudness), 0)), constant_values=np.nan)


def _sides(scores, control):
    part = scores[scores["source"].isin(["own", control])].dropna(subset="value")
    return part, part["source"] == "own"


def separations(scores, *, n_boot=2000, seed=42) -> pd.DataFrame:
    """How well own sounds are told from each control: AUROC, intervals over people.

    `scores`: of `trials`. Returns a row per control: control, and the columns of
    `inference.auroc_interval`. Which sound is drawn is not resampled: only faces are.
    """
    rows = []
    for control in CONTROLS:
        part, own = _sides(scores, control)
        how = dict(groups=part["dialog_id"].to_numpy(), n_boot=n_boot, seed=seed)
        found = inference.auroc_interval(own.to_numpy(), part["value"].to_numpy(), **how)
        rows.append({"control": control} | found._asdict())
    return pd.DataFrame(rows)


def roc(scores) -> pd.DataFrame:
    """The curves: control (as in `CONTROLS`), false and true alarms at each threshold."""
    parts = []
    for control, title in CONTROLS.items():
        part, own = _sides(scores, control)
        false, true, at = roc_curve(own, part["value"])
        rows = {"control": title, "false alarms": false, "hits": true, "threshold": at}
        parts.append(pd.DataFrame(rows))
    return pd.concat(parts, ignore_index=True)


def accepted(scores, alpha) -> pd.DataFrame:
    """How often each sound is taken for the face's: source, n, and a share with its interval.

    `alpha`: taken when p is at most this. Trials without a score count as not taken.
    """
    rows = []
    for source in SOUNDS:
        part = scores[scores["source"] == source]
        taken = (part["p"] <= alpha).astype(float)
        found = inference.share_interval(taken, groups=part["dialog_id"].to_numpy())
        rows.append({"source": source, "taken": int(taken.sum())} | found._asdict())
    return pd.DataFrame(rows)


def picks(course, people, alpha, **how) -> pd.DataFrame:
    """Every face beside every other person's, with its own sound: who is picked.

    The two mouths are laid side by side as `speaker.choose` gets them from a picture of two.

    Returns
    -------
    DataFrame
        clip_id (who speaks), dialog_id, draw (who is beside), source ("right", "wrong", "nobody":
        whom `speaker.choose` names), correct (the right face scores higher).
    """
    names = {0: "right", 1: "wrong", -1: "nobody"}
    rows = []
    for name, face in course.items():
        for other, beside in course.items():
            if people[other] == people[name]:
                continue
            mouths = [face["opening"], _fitted(beside["opening"].to_numpy(), len(face))]
            both = pd.DataFrame(np.column_stack(mouths), index=face.index)
            track, scores, _, _ = speaker.choose(both, face["loudness"], alpha=alpha, **how)
            own, others = scores["score"]
            rows.append((name, people[name], other, names[track], bool(own > others)))
    return pd.DataFrame(rows, columns=["clip_id", "dialog_id", "draw", "source", "correct"])


def picked(found) -> pd.DataFrame:
    """Of `picks`: how often the right face, the wrong one, or nobody is named; and scores higher.

    Returns DataFrame: outcome, and the columns of `inference.share_interval` (over who speaks).
    """
    outcomes = {f"{name} named": found["source"] == name for name in ("right", "wrong", "nobody")}
    outcomes["right scores higher"] = found["correct"]
    groups = found["dialog_id"].to_numpy()
    shares = {
        k: inference.share_interval(v.astype(float), groups=groups) for k, v in outcomes.items()
    }
    return pd.DataFrame([{"outcome": k} | v._asdict() for k, v in shares.items()])


def each(parts, function, *given, **how) -> pd.DataFrame:
    """`function` of each part of a dict, one below the other; `option` says of which."""
    made = {option: function(part, *given, **how) for option, part in parts.items()}
    return pd.concat(made, names=["option"]).reset_index("option").reset_index(drop=True)


def example(course, scores) -> tuple[str, pd.DataFrame]:
    """The clip whose own sound has the median score: its name; side, time_s, and standard units."""
    own = scores[scores["source"] == "own"].dropna(subset="value").sort_values("value")
    name = own["clip_id"].iloc[(len(own) - 1) // 2]
    both = course[name].rename(columns={"opening": "mouth opening", "loudness": "sound"})
    both = ((both - both.mean()) / both.std()).reset_index()
    return name, both.melt("time_s", var_name="course").dropna()

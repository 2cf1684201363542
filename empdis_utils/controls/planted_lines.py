"""Answers whose right tone is known: which of two lines is right depends on a planted cue.

Synthetic, like the corpus they are made from. They test a mechanism: can a language model hear and
see through one prefix token? They say nothing about the quality of answers.
"""

import numpy as np
import pandas as pd

__all__ = ["LINES", "MARKERS", "NOTES", "SPEAKERS", "TOLD", "by_sound_and_picture", "by_majority"]

SPEAKERS = ("Ann", "Ben")
#: The right next line: after a cue that says empathetic (1), after one that says neutral (0).
LINES = {1: "That sounds hard, I am with you.", 0: "Okay, let us go on with it."}
#: What a prompt may say of words and face: they contradict each other, or not.
MARKERS = {True: "Note: mismatch.", False: "Note: match."}
#: What the tiny language model learned to follow, tone by tone, so that it reads notes at all.
NOTES = {1: "Note: softly.", 0: "Note: briskly."}
#: Kinds of marker: what each is called on a page.
TOLD = {
    None: "no marker",
    "planted": "the clip's own marker",
    "shuffled": "another clip's marker",
    "telling": "a marker that tells the answer",
}


def _directions(truth):
    """What each channel of a clip says: DataFrame of 1, -1 (empathetic, neutral) or 0, by clip."""
    truth = truth.set_index("clip_id")
    label = truth["label"].map({"empathetic": 1, "neutral": -1})
    sides = {"supports": 1, "contradicts": -1, "neutral": 0}
    return pd.DataFrame(
        {m: truth[f"{m}_cue"].map(sides) * label for m in ("text", "audio", "video")}
    )


def _lines(manifest, said, tone, fits, why, marker=None):
    """One row per clip, usable or not."""
    first, second = SPEAKERS
    marker = [""] * len(manifest) if marker is None else [MARKERS[bool(m)] + "\n" for m in marker]
    ask = zip(said, marker, strict=True)
    return pd.DataFrame(
        {
            "clip_id": manifest["clip_id"].to_numpy(),
            "dialog_id": manifest["dialog_id"].to_numpy(),
            "tone": tone,
            "prompt": [f"{first}: {line}\n{mark}{second}:" for line, mark in ask],
            "right": [LINES[t] for t in tone],
            "wrong": [LINES[1 - t] for t in tone],
            "status": np.where(fits, "ok", "left_out"),
            "reason": np.where(fits, "", why),
        }
    )


def by_sound_and_picture(truth, manifest, seed=42):
    """Prompts that say nothing, and a right answer that only sound and picture tell.

    The words of each clip are replaced by those of a clip without any cue, drawn blind. The right
    line follows the cue that sound and picture share; clips in which they share none are left out.

    Parameters
    ----------
    truth : DataFrame
        The corpus's truth: clip_id, label, kind and ``<modality>_cue``.
    manifest : DataFrame
        clip_id, dialog_id, transcript.
    seed : int
        Of the words.

    Returns
    -------
    DataFrame [n]
        clip_id, dialog_id, tone (1 or 0), prompt, right, wrong, status, reason.
    """
    says = _directions(truth).loc[manifest["clip_id"]]
    shared = (says["audio"] == says["video"]).to_numpy() & (says["audio"] != 0).to_numpy()
    free = truth.loc[truth["kind"] == "no_cue", "clip_id"]
    words = manifest.loc[manifest["clip_id"].isin(free), "transcript"].to_numpy()
    said = np.random.default_rng(seed).choice(words, len(manifest))
    tone = (says["audio"] > 0).astype(int).to_numpy()
    return _lines(manifest, said, tone, shared, "sound and picture share no cue")


def by_majority(truth, manifest, marker=None, seed=42):
    """Prompts with the clip's own words; the right answer follows the majority of all three cues.

    `truth`, `manifest`: as for `by_sound_and_picture`. `marker`: "planted" tells in the prompt
    whether words and face carry opposite cues; "shuffled" tells another clip's; "telling" says the
    same words for one tone and for the other, so a model that reads it is always right; None tells
    nothing. Returns the same columns, and mismatch (bool). Clips without a cue are left out.
    """
    says = _directions(truth).loc[manifest["clip_id"]]
    fits = (says != 0).all(axis=1).to_numpy()
    mismatch = (says["text"] != says["video"]).to_numpy()
    tone = (says.sum(axis=1) > 0).astype(int).to_numpy()
    told = mismatch.copy()
    if marker == "shuffled":
        told[fits] = np.random.default_rng(seed).permutation(told[fits])
    elif marker == "telling":
        told = tone == 1
    elif marker not in (None, "planted"):
        raise ValueError(f"marker is {marker!r}; it must be one of {list(TOLD)}.")
    said = manifest["transcript"].to_numpy()
    told = told if marker else None
    lines = _lines(manifest, said, tone, fits, "the clip carries no cue", told)
    return lines.assign(mismatch=mismatch)

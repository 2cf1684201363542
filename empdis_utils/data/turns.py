"""Lines of dialogues with a media file each, and what is said next: what a system learns to answer.

MELD's lines with the clips that its publisher hands out, or a table of your own. Every line keeps
its row; what cannot be used has a status and a reason.
"""

from pathlib import Path

import pandas as pd

from empdis_utils.data import checks, dialogues

__all__ = ["COLUMNS", "asked", "lacking", "read"]

COLUMNS = ("clip_id", "dialog_id", "split", "speaker", "text", "media_path")
#: Where MELD's archive has the clips of each split.
MELD_FOLDERS = {
    "train": ("train_splits", "train"),
    "dev": ("dev_splits_complete", "dev"),
    "test": ("output_repeated_splits_test", "test"),
}


def _meld_clip(folder, split, dialogue, utterance):
    """Path of one clip, or None."""
    for name in MELD_FOLDERS[split]:
        path = folder / name / f"dia{dialogue}_utt{utterance}.mp4"
        if path.is_file():
            return path
    return None


def lacking(turns, media=""):
    """What the lines or their clips lack here: list of sentences, empty when all can be read."""
    if turns != "meld":
        there = Path(turns).is_file()
        return [] if there else [f"Lines: there is no file {turns}; its columns: {COLUMNS}."]
    if not media:
        return [
            "Media: MELD's clips are not part of this book; download MELD.Raw from its publisher "
            "(affective-meld.github.io), unpack it, and give the folder as media."
        ]
    names = [name for both in MELD_FOLDERS.values() for name in both]
    if not any((Path(media) / name).is_dir() for name in names):
        return [f"Media: {media} holds none of MELD's folders ({', '.join(names)})."]
    return []


def read(turns, media=""):
    """The lines of dialogues, in order, with a file each.

    Parameters
    ----------
    turns : str
        "meld", or a UTF-8 CSV with `COLUMNS`: in order of the dialogue; ``media_path`` relative to
        the CSV, empty where there is no file; `split` is train, dev or test.
    media : str
        The folder of MELD's clips.

    Returns
    -------
    DataFrame
        `COLUMNS`; media_path is a Path or None.

    Raises
    ------
    CorpusError
        Missing columns, empty or repeated ids, an unknown split.
    """
    if turns == "meld":
        lines = dialogues.read_meld()
        ids = zip(lines["split"], lines["dialogue"], lines["utterance"], strict=True)
        paths = [_meld_clip(Path(media), *row) for row in ids]
        return lines.assign(media_path=pd.Series(paths, dtype=object))[list(COLUMNS)]
    path = Path(turns)
    frames, _ = checks.read_tables({path: list(COLUMNS)})
    frame = frames[path][list(COLUMNS)].reset_index(drop=True)
    split = checks.one_of(tuple(MELD_FOLDERS))
    filled = dict.fromkeys(("clip_id", "dialog_id", "speaker"), checks.FILLED)
    problems = checks.broken(frame, checks.columns_of(split=split, **filled), path)
    checks.refuse(
        problems + checks.bad(frame["clip_id"].duplicated(), frame, path, "clip_id", "an id once")
    )
    found = [checks.inside(path.parent.resolve(), p) if p else None for p in frame["media_path"]]
    return frame.assign(media_path=pd.Series(found, dtype=object))


def asked(lines, prompt_of, n_history=8):
    """What is asked after each line, and the line that follows it in the script.

    Parameters
    ----------
    lines : DataFrame
        Of `read`.
    prompt_of : callable
        ``prompt_of(history, speaker)`` makes a prompt of lines and of who speaks next.
    n_history : int
        Lines before the answer, the last one included.

    Returns
    -------
    DataFrame
        clip_id, dialog_id, split, context, prompt, right (the next line of the script), wrong (what
        follows the line at the same place of the next dialogue of the split), status ("ok",
        "last_line", "same_speaker", "no_text" or "no_other"), reason.
    """
    rows, following = [], lines.groupby("dialog_id", sort=False)
    after = following[["speaker", "text"]].shift(-1)
    for i, history in enumerate(dialogues.histories(lines)):
        speaker, right = after["speaker"].iloc[i], after["text"].iloc[i]
        if pd.isna(speaker):
            rows.append(("", "", "", "last_line", "nothing is said after it"))
            continue
        status = ("ok", "")
        if speaker == lines["speaker"].iloc[i]:
            status = ("same_speaker", "the next line is by the same speaker")
        elif not right.strip() or not lines["text"].iloc[i].strip():
            status = ("no_text", "a line is empty")
        history = history[-n_history:]
        rows.append(("\n".join(history), prompt_of(history, speaker), right, *status))
    made = pd.DataFrame(rows, columns=["context", "prompt", "right", "status", "reason"])
    table = pd.concat(
        [lines[["clip_id", "dialog_id", "split"]].reset_index(drop=True), made], axis=1
    )
    table = table.assign(wrong=_elsewhere(table))
    alone = (table["status"] == "ok") & (table["wrong"] == "")
    table.loc[alone, ["status", "reason"]] = ["no_other", "its split has no other dialogue"]
    return table


def _elsewhere(table):
    """For each usable row, the right line of the next usable row that is of another dialogue."""
    wrong = pd.Series("", index=table.index)
    for _, part in table[table["status"] == "ok"].groupby("split"):
        dialogs, lines, n = part["dialog_id"].to_numpy(), part["right"].to_numpy(), len(part)
        for k, row in enumerate(part.index):
            later = ((k + j) % n for j in range(1, n))
            wrong[row] = next((lines[j] for j in later if dialogs[j] != dialogs[k]), "")
    return wrong

"""Dialogues and the answers that systems gave to them: readers and joins, no row lost.

Four published corpora (``dialogues.yaml`` beside this file, which joins the catalogue when this
module is imported), and answers of your own::

    python -m empdis_utils.data.dialogues NAME ...     download what is not at hand

Every table has one row per line of a dialogue, or per line and system. What cannot be used keeps
its row, with a status and a reason. Texts are other people's: they stay in memory, and no chapter
writes them to a table.
"""

import json
import re
import sys
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from empdis_utils.data import checks, corpora
from empdis_utils.data.catalogue import CATALOGUE, paths
from empdis_utils.data.hashes import sha256
from empdis_utils.places import PACKAGE

__all__ = [
    "ANSWER_COLUMNS", "EMOTIONS", "ENTRIES", "SYSTEMS", "conventional", "files", "histories",
    "join_prompts", "join_votes", "key", "main", "read_answers", "read_emotionlines",
    "read_epitome", "read_meld", "read_merg", "reads", "without_context",
]  # fmt: skip

ENTRIES = yaml.safe_load((PACKAGE / "data" / "dialogues.yaml").read_text(encoding="utf-8"))
CATALOGUE.update(ENTRIES)

EMOTIONS = ("neutral", "joy", "sadness", "fear", "anger", "surprise", "disgust")
ANSWER_COLUMNS = (
    "system",
    "dialog_id",
    "clip_id",
    "response",
    "full",
    "target",
    "status",
    "reason",
)
#: The released outputs: what we call each system, its file, whether its numbers are in Table 3.
SYSTEMS = {
    "Llama, text": ("test_baseline_llama.csv", True),
    "Llama, fine-tuned text": ("test_finetuned_llama.csv", True),
    "Mistral, multimodal": ("mllm_test_outputs.csv", True),
    "Llama, multimodal": ("mllm_test_outputs_llama.csv", True),
    "unnamed, text": ("test_baseline.csv", False),
    "unnamed, fine-tuned text": ("test_finetuned.csv", False),
}
EPITOME = ("emotional-reactions", "interpretations", "explorations")
IDS = ["Dialogue_ID", "Utterance_ID"]


# --------------------------------------------------------------------------- words


def conventional(text):
    """Text with the characters that it was written in: Windows-1252 read as Latin-1 is undone.

    Examples
    --------
    >>> conventional("you\\x92re")
    'you’re'
    """
    return "".join(
        bytes([ord(c)]).decode("cp1252", "replace") if 0x80 <= ord(c) < 0xA0 else c for c in text
    )


def key(text):
    """What two spellings of one line share: its letters and digits, in small letters."""
    return re.sub(r"[^a-z0-9]+", "", conventional(text).lower())


# --------------------------------------------------------------------------- published corpora


def reads(corpus):
    """Whether a name is a corpus of this module, or ``answers:….csv`` (`read_answers`)."""
    return str(corpus) in ENTRIES or str(corpus).startswith("answers:")


def files(corpus):
    """SHA-256 by file name of what is read for a name that `reads` knows; it is downloaded first.

    Raises CorpusError: files that cannot be had, or answers that cannot be read.
    """
    if corpus in ENTRIES:
        return {file: sha256(path) for file, path in paths(corpus).items()}
    path = Path(corpus.removeprefix("answers:"))
    read_answers(path)
    return {path.name: sha256(path)}


def read_meld():
    """MELD's lines, in order of dialogue and line.

    Returns
    -------
    DataFrame [13708]
        split, dialog_id (``test_12``: numbers begin anew in each split), clip_id
        (``test_12_3``), dialogue, utterance (the publisher's numbers), speaker, text, emotion,
        sentiment.

    Raises
    ------
    CorpusError
        Missing files, or every bad row of them.
    """
    found, parts = paths("meld"), []
    wanted = ["Utterance", "Speaker", "Emotion", "Sentiment", *IDS]
    frames, _ = checks.read_tables({path: wanted for path in found.values()})
    emotion = checks.one_of(EMOTIONS)
    schema = checks.columns_of(Emotion=emotion, **dict.fromkeys(IDS, checks.COUNT))
    problems = [p for path, frame in frames.items() for p in checks.broken(frame, schema, path)]
    checks.refuse(problems)
    for file, path in found.items():
        split, frame = file.partition("_")[0], frames[path]
        ids = frame[IDS].astype(int)
        problems += checks.bad(ids.duplicated(), frame, path, "Utterance_ID", "an id once")
        dialog = split + "_" + frame["Dialogue_ID"]
        parts.append(
            pd.DataFrame(
                {
                    **{"split": split, "dialog_id": dialog},
                    **{"clip_id": dialog + "_" + frame["Utterance_ID"]},
                    **{"dialogue": ids["Dialogue_ID"], "utterance": ids["Utterance_ID"]},
                    **{"speaker": frame["Speaker"], "text": frame["Utterance"]},
                    **{"emotion": frame["Emotion"], "sentiment": frame["Sentiment"]},
                }
            ).sort_values(["dialogue", "utterance"])
        )
    checks.refuse(problems)
    return pd.concat(parts, ignore_index=True)


def read_emotionlines():
    """EmotionLines' votes: five people read each line, nobody saw or heard it.

    Returns
    -------
    DataFrame [14503]
        split, dialogue, utterance (counted from 0), speaker, text, and votes for each of
        `EMOTIONS`, five in all.

    Raises
    ------
    CorpusError
        Missing files, a file that is no JSON, or votes that are not five.
    """
    rows = []
    for file, path in paths("emotionlines").items():
        split = re.sub(r"friends_|\.json", "", file)
        try:
            dialogues = json.loads(checks.content(path).decode("utf-8"))
        except ValueError as error:
            raise checks.CorpusError(f"{path}: not JSON in UTF-8 ({error})") from None
        for number, lines in enumerate(dialogues):
            for position, line in enumerate(lines):
                votes = [int(v) for v in line["annotation"] if v.isdigit()]
                if len(votes) != len(EMOTIONS) or sum(votes) != 5:
                    raise checks.CorpusError(
                        f"{path}, dialogue {number}, line {position}: expected five votes on "
                        f"{len(EMOTIONS)} emotions, found {line['annotation']!r}"
                    )
                rows.append((split, number, position, line["speaker"], line["utterance"], *votes))
    columns = ["split", "dialogue", "utterance", "speaker", "text", *EMOTIONS]
    return pd.DataFrame(rows, columns=columns)


def read_epitome():
    """EPITOME's replies: what a person wrote to a person who seeks support, and its rated levels.

    Returns
    -------
    DataFrame [3084]
        reply_id, seeker_id (one post has several replies), post, reply, and levels 0 (none),
        1 (weak), 2 (strong): emotional_reactions, interpretations, explorations.

    Raises
    ------
    CorpusError
        Missing files, levels other than 0, 1, 2, or files that are not about the same replies.
    """
    found, ids, table = paths("epitome"), ["sp_id", "rp_id"], None
    wanted = [*ids, "seeker_post", "response_post", "level"]
    frames, _ = checks.read_tables({path: wanted for path in found.values()})
    schema = checks.columns_of(level=checks.one_of(("0", "1", "2")))
    checks.refuse([p for path, frame in frames.items() for p in checks.broken(frame, schema, path)])
    for kind in EPITOME:
        frame = frames[found[f"{kind}-reddit.csv"]].reset_index(drop=True)
        if table is None:
            table = frame[[*ids, "seeker_post", "response_post"]].set_axis(
                ["seeker_id", "reply_id", "post", "reply"], axis=1
            )
        elif not (frame[ids].to_numpy() == table[["seeker_id", "reply_id"]].to_numpy()).all():
            raise checks.CorpusError(f"{kind}-reddit.csv is about other replies than {EPITOME[0]}")
        table[kind.replace("-", "_")] = frame["level"].astype(int)
    return table


# --------------------------------------------------------------------------- joins


def histories(lines, speakers=True):
    """All lines of its dialogue up to and with each line: list of lists of str.

    `lines`: dialog_id, speaker, text, in order. `speakers`: each line begins with its speaker.
    """
    said = lines["speaker"] + ": " + lines["text"] if speakers else lines["text"]
    found, so_far, before = [], [], None
    for dialog, text in zip(lines["dialog_id"], said, strict=True):
        so_far = [*so_far, text] if dialog == before else [text]
        before = dialog
        found.append(so_far)
    return found


def join_votes(lines, votes):
    """Give each line of MELD the votes of the same line in EmotionLines.

    The two releases cut the same scenes into dialogues differently. Each dialogue of MELD is laid
    beside the dialogue of the same split with which it shares most lines, and the longest runs of
    equal lines (`key`) are matched in order.

    Parameters
    ----------
    lines, votes : DataFrame
        From `read_meld` and `read_emotionlines`.

    Returns
    -------
    DataFrame
        The rows of `lines`, with the votes (missing where none was found), status ``ok`` or
        ``not_joined``, and reason.
    """
    votes = votes.reset_index(drop=True)
    keys, own_keys = votes["text"].map(key), lines["text"].map(key)
    scenes, of_line = {}, {}
    for scene, index in votes.groupby(["split", "dialogue"]).groups.items():
        scenes[scene] = index, list(keys[index])
        for word in set(scenes[scene][1]):
            of_line.setdefault((scene[0], word), []).append(scene)
    counts, place = votes[list(EMOTIONS)].to_numpy(float), pd.Series(range(len(lines)), lines.index)
    found = np.full((len(lines), len(EMOTIONS)), np.nan)
    for (split, _), index in lines.groupby(["split", "dialog_id"], sort=False).groups.items():
        own = own_keys[index].tolist()
        near = Counter(scene for word in set(own) for scene in of_line.get((split, word), []))
        if not near:
            continue
        there, other = scenes[max(near, key=lambda scene: (near[scene], -scene[1]))]
        blocks = SequenceMatcher(None, own, other, autojunk=False).get_matching_blocks()
        for start, at, size in blocks:
            found[place[index[start : start + size]]] = counts[there[at : at + size]]
    found = pd.DataFrame(found, index=lines.index, columns=list(EMOTIONS))
    joined = found.notna().all(axis=1)
    return lines.assign(
        **found.to_dict("series"),
        status=np.where(joined, "ok", "not_joined"),
        reason=np.where(joined, "", "no line of these words in the dialogue that shares most"),
    )


def _asked(prompt):
    """The lines of the history at the end of a prompt, and the speaker who is to answer."""
    history = prompt.split("=== DIALOGUE HISTORY ===")[-1].split("=== RESPONSE ===")[0]
    lines = [line for line in history.strip().split("\n") if line.strip()]
    return [key(line) for line in lines[:-1]], key(lines[-1]) if lines else ""


def join_prompts(prompts, targets, lines):
    """Which line of MELD each prompt ends with, in the order of the dialogues.

    A prompt is of a line when its history ends there and holds nothing but lines of that dialogue
    in order, the speaker who is to answer says the next line, and the target is that line's.

    Parameters
    ----------
    prompts, targets : sequence of str [n]
    lines : DataFrame
        dialog_id, speaker, text, target, in order.

    Returns
    -------
    DataFrame [n]
        line (position in `lines`, -1: none), n_history (lines in the prompt), n_before (lines of
        the dialogue so far), status ``ok`` or ``not_joined``, reason.
    """
    said = [key(f"{s}: {t}") for s, t in zip(lines["speaker"], lines["text"], strict=True)]
    speaker, dialog = lines["speaker"].map(key).tolist(), lines["dialog_id"].tolist()
    wanted, rows, start = lines["target"].tolist(), [], 0
    first = dict(zip(reversed(dialog), reversed(range(len(dialog))), strict=True))
    at = {}
    for position, (text, target) in enumerate(zip(said, wanted, strict=True)):
        at.setdefault((text, target), []).append(position)
    for prompt, target in zip(prompts, targets, strict=True):
        history, answerer = _asked(prompt)
        places = at.get((history[-1], target), []) if history else []
        for position in [p for p in places if p >= start]:
            same = position + 1 < len(said) and dialog[position + 1] == dialog[position]
            before = said[first[dialog[position]] : position + 1]
            rest = iter(before)
            if same and speaker[position + 1] == answerer and all(x in rest for x in history):
                rows.append((position, len(history), len(before), "ok", ""))
                start = position + 1
                break
        else:
            why = "its history is no part of a dialogue that goes on so"
            rows.append((-1, len(history), 0, "not_joined", why))
    return pd.DataFrame(rows, columns=["line", "n_history", "n_before", "status", "reason"])


def read_merg(lines=None):
    """The released outputs of the response-generation paper, joined to MELD's test lines.

    Parameters
    ----------
    lines : DataFrame, optional
        From `read_meld`; read when not given.

    Returns
    -------
    lines : DataFrame [2610]
        MELD's test lines, with target (what the language model wrote as the answer to each) and
        true_next (the next line of the script; missing after the last line of a dialogue).
    answers : DataFrame
        `ANSWER_COLUMNS`, n_history and n_before (see `join_prompts`; of text systems, missing).
        One row per line and system, in the order of the lines: status ``ok``, or ``no_output``
        where a system has none (response ""). Outputs that are of no line come after them, status
        ``not_joined``. `full` is all that the system wrote where a cut version was released too.

    Raises
    ------
    CorpusError
        Missing files, or every structural problem of them.
    """
    lines = read_meld() if lines is None else lines
    lines = lines[lines["split"] == "test"].reset_index(drop=True)
    found = paths("merg")
    wanted = {"test_structured.csv": [*IDS, "Response"]}
    for file, _ in SYSTEMS.values():
        own = ["Prompt", "Generated Response", "Target Response"]
        wanted[file] = own if "mllm" in file else [*IDS, "Response", "Original Response"]
    frames, _ = checks.read_tables({found[file]: columns for file, columns in wanted.items()})
    by_id = lines["dialogue"].astype(str) + "_" + lines["utterance"].astype(str)
    target = _by_line(frames[found["test_structured.csv"]])["Response"]
    follows = lines.groupby("dialog_id")["text"].shift(-1)
    lines = lines.assign(target=by_id.map(target).fillna(""), true_next=follows)
    parts = []
    for system, (file, _) in SYSTEMS.items():
        frame = frames[found[file]]
        of_line = _prompted if "mllm" in file else _numbered
        parts.append(of_line(frame, lines, by_id).assign(system=system))
    answers = pd.concat(parts, ignore_index=True)
    return lines, answers[[*ANSWER_COLUMNS, "n_history", "n_before"]]


def _by_line(frame):
    """Rows by dialogue and line; of an id that repeats, the first."""
    ids = frame["Dialogue_ID"] + "_" + frame["Utterance_ID"]
    return frame.set_index(ids)[~ids.duplicated().to_numpy()]


def _numbered(frame, lines, by_id):
    """Answers that name their line; ids that repeat or name none come last."""
    ids = frame["Dialogue_ID"] + "_" + frame["Utterance_ID"]
    used = _by_line(frame).reindex(by_id)
    got = used["Response"].notna().to_numpy()
    table = _rows(lines, used["Response"], used["Original Response"], got)
    loose = ids.duplicated() | ~ids.isin(set(by_id))
    over = frame[loose]
    why = np.where(ids.isin(set(by_id))[loose], "its id repeats", "its id is no line's")
    return pd.concat([table, _loose(over, over["Response"], why)], ignore_index=True)


def _prompted(frame, lines, by_id):
    """Answers that come with their prompt: joined by what the prompt says."""
    frame = frame.reset_index(drop=True)
    joined = join_prompts(frame["Prompt"], frame["Target Response"], lines)
    ok = joined["status"] == "ok"
    used = frame[ok].set_index(joined.loc[ok, "line"]).reindex(range(len(lines)))
    said = used["Generated Response"]
    table = _rows(lines, said, said, said.notna().to_numpy())
    size = joined[ok].set_index("line")[["n_history", "n_before"]].reindex(range(len(lines)))
    table = table.assign(**size.to_dict("series"))
    over = frame[~ok]
    why = joined.loc[~ok, "reason"].to_numpy()
    return pd.concat([table, _loose(over, over["Generated Response"], why)], ignore_index=True)


def _rows(lines, response, full, got):
    return pd.DataFrame(
        {
            **{"dialog_id": lines["dialog_id"], "clip_id": lines["clip_id"]},
            **{"response": response.fillna("").to_numpy(), "full": full.fillna("").to_numpy()},
            **{"target": lines["target"], "status": np.where(got, "ok", "no_output")},
            **{"reason": np.where(got, "", "no output was released for this line")},
            **{"n_history": np.nan, "n_before": np.nan},
        }
    )


def _loose(frame, response, why):
    empty = {"dialog_id": "", "clip_id": "", "target": "", "n_history": np.nan, "n_before": np.nan}
    said = response.to_numpy()
    rows = {**empty, "response": said, "full": said, "status": "not_joined", "reason": why}
    return pd.DataFrame(rows, index=range(len(frame)))


# --------------------------------------------------------------------------- answers of your own


def read_answers(path):
    """Answers of your own.

    Parameters
    ----------
    path : str or Path
        A UTF-8 CSV with columns ``dialog_id``, ``clip_id``, ``context`` (the lines before the
        answer, one per line of the cell) and ``response``. Optional: ``target``.

    Returns
    -------
    DataFrame
        One row per row of the file: dialog_id, clip_id, context, response, target ("" where none
        is given), status and reason. Status ``ok``, ``empty`` (no answer), ``repeated`` (a clip_id
        that an earlier row has), ``no_context``, or ``echo`` (the answer begins with the whole
        context). Only ``ok`` and ``echo`` and ``empty`` rows are measured; all are counted.

    Raises
    ------
    CorpusError
        One sentence: bytes that are not UTF-8, missing columns, rows of another width, empty ids.
    """
    path = Path(path)
    try:
        checks.content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = checks.content(path)[: error.start].count(b"\n") + 1
        raise checks.CorpusError(
            f"{path}: line {line} is not UTF-8; save the file as UTF-8 and run again"
        ) from None
    frames, _ = checks.read_tables({path: ["dialog_id", "clip_id", "context", "response"]})
    frame = frames[path]
    filled = checks.columns_of(dialog_id=checks.FILLED, clip_id=checks.FILLED)
    checks.refuse(checks.broken(frame, filled, path))
    target = frame["target"] if "target" in frame else ""
    table = frame[["dialog_id", "clip_id", "context", "response"]].assign(target=target)
    said, asked = table["response"].str.strip(), table["context"].str.strip()
    echo = [bool(a) and r.startswith(a) for r, a in zip(said, asked, strict=True)]
    kinds = {
        "repeated": (table["clip_id"].duplicated(), "an earlier row has this clip_id"),
        "no_context": (asked == "", "nothing was said before the answer"),
        "empty": (said == "", "the answer is empty"),
        "echo": (pd.Series(echo, index=table.index), "the answer begins with its context"),
    }
    masks = [mask.to_numpy() for mask, _ in kinds.values()]
    table["status"] = np.select(masks, list(kinds), "ok")
    table["reason"] = np.select(masks, [why for _, why in kinds.values()], "")
    return table.reset_index(drop=True)


def without_context(answers):
    """The responses of `read_answers`; of status ``echo``, what comes after the context."""
    rows = zip(answers["response"], answers["context"], answers["status"], strict=True)
    return [
        said.strip()[len(asked.strip()) :].strip() if status == "echo" else said
        for said, asked, status in rows
    ]


def main(arguments=None):
    """Command line: download these corpora, as `corpora` does it."""
    return corpora.main(arguments)


if __name__ == "__main__":
    sys.exit(main())

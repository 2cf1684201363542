"""Stand-ins for the real corpora, in the publishers' formats, drawn from one seed.

They are invented. They let the chapters of the real corpora run where those are not at hand, with
effects that are planted so that a test can ask for them back.
"""

import csv
import json
import shutil
from pathlib import Path

import numpy as np

FIXTURE = Path(__file__).parents[1] / "fixture"

WORDS = {0: "the bus leaves at noon today".split(), 1: "i am so sorry for you dear".split()}
SENTENCES = "IEO TIE IOM IWW TAI MTI IWL ITH DFA ITS TSI WSI".split()
EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")


def _write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def empspeech(folder, seed=1, n_dialogs=12, per_dialog=12):
    """Recordings that are nearly pure in label, split at random by segment: a leak on purpose."""
    rng = np.random.default_rng(seed)
    rows = []
    for d in range(n_dialogs):
        for i in range(per_dialog):
            y = int(rng.random() < (0.9 if d % 2 else 0.1))
            words = rng.choice(WORDS[y] + WORDS[0][:2] + WORDS[1][:2], size=rng.integers(3, 9))
            label = ("neutral", "empathetic")[y]
            rows.append([f"rec{d}", i, i + 0.9, f"rec{d}_{i}", " ".join(words), label])
    rng.shuffle(rows)
    head = ["dialog_id", "start_time", "end_time", "filename", "transcript", "label"]
    cut = [0, int(0.8 * len(rows)), int(0.9 * len(rows)), len(rows)]
    for k, split in enumerate(("train", "val", "test")):
        _write(folder / "empspeech" / f"{split}.csv", [head, *rows[cut[k] : cut[k + 1]]])


def empspeech_clips(folder, lost=("removed", "private"), seed=1):
    """Clips of the stand-in, as `make clips` leaves them: synthetic media of the same label.

    Every tenth clip could not be had, and one file is cut off.
    """
    rng, corpus = np.random.default_rng(seed), FIXTURE / "corpus"
    with open(corpus / "manifest.csv", encoding="utf-8", newline="") as file:
        media = {label: [] for label in ("neutral", "empathetic")}
        for row in csv.DictReader(file):
            media[row["label"]].append((row["audio_path"], row["video_path"]))
    clips = folder / "empspeech" / "clips"
    rows = [["clip_id", "status", "reason", "audio_path", "video_path"]]
    rows[0] += ["audio_sha256", "video_sha256", "at"]
    n = 0
    for split in ("train", "val", "test"):
        with open(folder / "empspeech" / f"{split}.csv", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                name, n = row["filename"], n + 1
                if n % 10 == 0:
                    rows.append([name, lost[n // 10 % len(lost)], "Gone.", *[""] * 5])
                    continue
                given = media[row["label"]][rng.integers(len(media[row["label"]]))]
                paths = [f"{name}{Path(path).suffix}" for path in given]
                for source, target in zip(given, paths, strict=True):
                    (clips / target).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(corpus / source, clips / target)
                rows.append([name, "ok", "", *paths, "", "", ""])
    cut = next(row for row in reversed(rows) if row[1] == "ok")
    for name in cut[3:5]:
        content = (clips / name).read_bytes()
        (clips / name).write_bytes(content[: len(content) // 3])
    _write(clips / "clips.csv", rows)
    return cut[0]


def mosi(folder, seed=2, n_videos=10, per_video=8):
    """Text carries the label a little; features of train clips hold the label itself: a leak."""
    rng = np.random.default_rng(seed)
    scripts, files = (
        [],
        {f"{m}_{s}0.csv": [] for m in ("text", "audio", "video") for s in ("train", "test")},
    )
    text = {"train": [], "test": []}
    for split in ("train", "test"):
        for v in range(n_videos):
            for i in range(1, per_video + 1):
                y = int(rng.random() < 0.5)
                row = len(scripts)
                scripts.append([f"{split}video{v}_{i}", " ".join(WORDS[y][:4]).upper(), "9", y])
                for modality, strength in (("text", 1.0), ("audio", 0.4), ("video", 0.0)):
                    leak = 8.0 if split == "train" else 0.0
                    values = rng.normal(size=6)
                    values[0] += (strength + leak) * (2 * y - 1)
                    values = [round(float(x), 6) for x in values]
                    files[f"{modality}_{split}0.csv"].append([*values, y])
                    if modality == "text":
                        text[split].append([row, *values])
    folder = folder / "mosi"
    _write(folder / "transcripts.csv", scripts)
    for split, rows in text.items():
        _write(folder / f"text_{split}.csv", rows)
    for name, rows in files.items():
        _write(folder / name, rows)


def cremad(folder, seed=3, n_actors=12, per_actor=10, n_votes=9):
    """People hear the intended emotion at 0.4, see it at 0.6, and get it from both at 0.75."""
    rng = np.random.default_rng(seed)
    head = ["", "A", "D", "F", "H", "N", "S", "fileName", "numResponses", "agreement", "emoVote"]
    rows = []
    for part, right in ((1, 0.4), (2, 0.6), (3, 0.75)):
        for actor in range(n_actors):
            for i in range(per_actor):
                k = (actor + i) % 6
                shares = np.full(6, (1 - right) / 5)
                shares[k] = right
                counts = rng.multinomial(n_votes, shares)
                name = f"{1001 + actor}_{SENTENCES[i]}_{EMOTIONS[k]}_XX"
                number = part * 100000 + actor * per_actor + i + 1
                best = "ADFHNS"[int(counts.argmax())]
                rows.append([number, *counts, name, n_votes, counts.max() / n_votes, best])
    _write(folder / "cremad" / "tabulatedVotes.csv", [head, *rows])


def mustardpp(folder, seed=4, per_speaker=12):
    """Lines in which the meant emotion differs when sarcastic; two speakers always are."""
    rng, rows = np.random.default_rng(seed), []
    head = ["SCENE", "KEY", "SENTENCE", "END_TIME", "SPEAKER", "SHOW", "Sarcasm", "Sarcasm_Type"]
    head += ["Implicit_Emotion", "Explicit_Emotion", "Valence", "Arousal"]
    for speaker in range(10):
        for i in range(per_speaker):
            key, show = f"{speaker}_{i}", f"SHOW{speaker % 3}"
            sarcastic = int(speaker < 2 or (speaker < 8 and rng.random() < 0.4))
            words = " ".join(rng.choice(WORDS[0] + WORDS[1], size=5))
            rows.append([key, f"{key}_c", "Before it.", "0:01", "OTHER", show, *[""] * 6])
            meant = "Anger" if sarcastic else "Happiness"
            said = [words, "0:02", f"S{speaker}", show, sarcastic, "PRO" if sarcastic else "NONE"]
            rows.append([key, f"{key}_u", *said, meant, "Happiness", 4, 5])
    _write(folder / "mustardpp" / "mustard++_text.csv", [head, *rows])


def sims_label(path, seed=5, n_videos=12, per_video=8):
    """CH-SIMS' label.csv: the whole clip follows the picture, and the words go their own way."""
    rng, rows = np.random.default_rng(seed), []
    for video in range(n_videos):
        for clip in range(per_video):
            text, sound, face = rng.choice([-0.8, -0.2, 0.0, 0.2, 0.8], 3)
            about = ["Positive" if face > 0 else "Negative", "train"]
            rows.append(
                [f"video_{video:04d}", f"{clip:04d}", "好", face, text, sound, face, *about]
            )
    head = ["video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V"]
    _write(path, [[*head, "annotation", "mode"], *rows])


VOTED = "neutral joy sadness fear anger surprise disgust".split()
SAID = {"bad": "I hate this awful terrible day", "flat": "the bus leaves at noon"}


def dialogues(folder, seed=6, n_dialogs=14, n_lines=6):
    """MELD, EmotionLines, EPITOME and systems' outputs: cheer, while half of the lines are sad.

    Every third line of MELD has divided readers, and a label that none of them gave.
    """
    rng = np.random.default_rng(seed)
    ids, spoken = ["Dialogue_ID", "Utterance_ID"], {}
    for split in ("train", "dev", "test"):
        rows, scenes = [], []
        for d in range(n_dialogs):
            scenes.append([])
            for u in range(n_lines):
                mood, who = rng.choice(["bad", "flat"]), ("Ann", "Ben")[u % 2]
                text = f"{SAID[mood]} {split} {d} {u}"
                open_line = u % 3 == 2
                rows.append(
                    [f"{len(rows)}", text, who, "fear" if open_line else "joy", "neutral", d, u]
                )
                votes = "2020001" if open_line else "1400000"
                scenes[d].append({"speaker": who, "utterance": text, "annotation": votes})
        head = ["Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", *ids]
        _write(folder / "meld" / f"{split}_sent_emo.csv", [head, *rows])
        path = folder / "emotionlines" / f"friends_{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(scenes), encoding="utf-8")
        spoken[split] = rows
    _outputs(folder / "merg", spoken["test"], ids, rng)
    for kind in ("emotional-reactions", "interpretations", "explorations"):
        kinds = [
            (f"s{k}", f"r{k}", SAID["bad"], "I love you" * (k % 3), k % 3, "") for k in range(60)
        ]
        head = ["sp_id", "rp_id", "seeker_post", "response_post", "level", "rationales"]
        _write(folder / "epitome" / f"{kind}-reddit.csv", [head, *kinds])


def _outputs(folder, lines, ids, rng):
    """Answers full of joy; multimodal systems have none to the last line of a dialogue."""
    words, cheers = [f"w{k}" for k in range(40)], ("I love it!", "So happy, wonderful!", "Nice!")
    made = {
        (row[5], row[6]): f"{rng.choice(cheers)} {' '.join(rng.choice(words, 6))}." for row in lines
    }
    for split in ("train", "dev", "test"):
        rows = [[*at, f"So glad {at[0]} {at[1]}!"] for at in made]
        _write(folder / f"{split}_structured.csv", [[*ids, "Response"], *rows])
    for stem in ("baseline", "finetuned"):
        for end in ("", "_llama"):
            head = [*ids, "Response", "Original Response"]
            rows = [[*at, text.partition("!")[0] + "!", text] for at, text in made.items()]
            _write(folder / f"test_{stem}{end}.csv", [head, *rows])
            (folder / f"test_{stem}_metrics{end}.json").write_text("{}")
    for end in ("", "_llama"):
        rows, said = [["Prompt", "Generated Response", "Target Response"]], {}
        for _, text, who, _, _, d, u in lines:
            said[d] = [*said.get(d, []), f"{who}: {text}"]
            if (d, u + 1) in made:
                asked = "\n".join([*said[d], ("Ann:", "Ben:")[(u + 1) % 2]])
                prompt = f"=== DIALOGUE HISTORY ===\n{asked}\n\n=== RESPONSE ===\n"
                rows.append([prompt, made[d, u], f"So glad {d} {u}!"])
        _write(folder / f"mllm_test_outputs{end}.csv", rows)

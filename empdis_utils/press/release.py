"""Released results: tables and pages of the last full run, kept with the project in ``results/``.

They hold what was computed and nothing of the publishers: `allowed` says which columns of a table
go out, `scrubbed` which outputs of a page, and `problems` looks at what lies there. `flow` shows
them where a corpus is not at hand; `compare` holds a fresh run against them.

::

    python -m empdis_utils.press.release [PROFILE ...]        (make release)
"""

import argparse
import base64
import html
import io
import json
import os
import re
import shutil
import sys
from pathlib import Path

from empdis_utils.data import catalogue
from empdis_utils.data.hashes import sha256
from empdis_utils.places import ROOT
from empdis_utils.press import inputs, parameters, run, weight
from empdis_utils.press.parameters import RunError

__all__ = [
    "BOOK", "CLIP_COLUMNS", "LABELS", "MOST_BYTES", "OF_PUBLISHERS", "OPEN_LICENCES", "RESULTS",
    "Texts", "allowed", "as_source", "at_hand", "entry_of", "folders", "is_plot", "is_released",
    "late", "lighter", "likely", "main", "make", "phrases", "problems", "profiles", "provenance",
    "release", "rules", "scrubbed", "size", "table", "texts_of", "whole",
]  # fmt: skip

RESULTS = ROOT / "results"
#: The profile of the pages about all corpora: with it, a whole book can be shown before any run.
BOOK = "book"
MOST_BYTES = 12 * 2**20
#: Columns of text that are the publishers', or name their files: they leave from no table.
OF_PUBLISHERS = (
    *("transcript", "context", "utterance", "words", "text", "title"),
    *("response", "target", "answer", "output", "reference", "prompt"),
    *("audio_path", "video_path", "path", "file", "url"),
)
#: Of tables with a row for each clip, these columns go out, and no others.
CLIP_COLUMNS = (
    *("clip_id", "dialog_id", "split", "n_tokens", "modality", "inputs", "encoder", "source"),
    *("seed", "fold", "protocol", "choice", "option", "draw", "status", "reason"),
    *("p", "q", "quadrant", "conf_unimodal", "conf_fusion", r"membership_\w+", "gate", "attention"),
    *(r"entropy\w*", "n_unimodal", "n_multimodal", "plain", "unbiased", "n_1", "n_2", "value"),
    *(r"epistemic\w*", r"aleatoric\w*", "correct", "disagrees", "known", "placebo", "family"),
    *("role", "drawn_by", "distance", "purity", r"margin\w*"),
)
#: Labels of clips go out only under a licence of the publisher that lets them (see the catalogue).
LABELS = ("label", "y")
OPEN_LICENCES = ("MIT", "ODbL 1.0")
KEYS = (
    *("clip_id", "dialog_id", "split", "n_tokens", "modality", "inputs", "encoder", "source"),
    *("seed", "fold", "protocol", "choice", "option", "draw", "status", "reason"),
    *("role", "drawn_by"),
)
#: Of a page's outputs, what holds clips: cards, players, pictures that no plot made.
CLIPS = re.compile(
    r'class="clip-card|<(img|video|audio|source|iframe)\b|data:(image|audio|video)|<th[^>]*>\s*'
    r"(transcript|utterance)\s*</th>",
    re.I,
)
PAYLOAD = re.compile(r'(<script type="application/json"[^>]*>)(.*?)(</script>)', re.S)
INSTEAD = "*Clips of the corpus stand here in a run with the corpus at hand.*"
SHINGLE = 5  # words: so many in a row are a quotation


# ---- what is there ---------------------------------------------------------------------------


def profiles():
    """Profiles that are released: those of the default book, in its order."""
    places = {name: parameters.read_profile(name).get("book") for name in parameters.profiles()}
    return sorted(filter(places.get, places), key=places.get)


def at_hand(profile, hashes=None):
    """Whether what a profile measures is there without a download: its first chapter reads it."""
    first = parameters.read_profile(profile)["chapters"][0]
    return inputs.of_chapter(profile, first, hashes=hashes).get("corpus") != "absent"


def provenance(profile, results=None):
    """The released chapters of a profile: dict chapter -> entry; {} when none is released.

    Raises
    ------
    RunError
        A record that cannot be read.
    """
    folder = (results or RESULTS) / profile
    found = run.story(folder)
    if found is None or (not found and any(folder.glob("*.ipynb"))):
        raise RunError(f"{folder}/provenance.json cannot be read: check out results/ again")
    return found


def is_released(runs, profile):
    """Whether the book shows a profile from ``results/``: `flow.view` has linked it so."""
    link = Path(runs, ".view", profile)
    return link.is_symlink() and link.resolve() != (Path(runs) / profile).resolve()


def whole():
    """Whether ``results/`` holds the pages about all corpora and tables of all profiles."""
    return all(provenance(name) for name in [*profiles(), BOOK])


def folders(runs, shown=None, results=None):
    """Where the runs of the book lie: dict of a run's name to its folder.

    Parameters
    ----------
    runs : Path
    shown : sequence of str or None
        The profiles of the book; None for all that there are, and released ones where
        no own run is. Other profiles of books are passed over; runs with other parameters
        come along.
    results : Path, optional
        Default: `RESULTS`.
    """
    results = results or RESULTS
    apart, found = profiles(), {}
    for folder in sorted(p for p in runs.iterdir() if p.is_dir() and p.name[0] != "."):
        if shown is None or folder.name not in apart or folder.name in shown:
            found[folder.name] = folder
    for name in [*apart, BOOK]:
        there = (results / name / "provenance.json").exists()
        linked = is_released(runs, name) and name in (shown or ())
        if there and (linked if shown is not None else name not in found):
            found[name] = results / name
    return dict(sorted(found.items()))


def likely(runs, profile, chapter, results=None):
    """Seconds that a chapter will take: those of its last run here, else of the released one."""
    entry = (run.story(runs / profile) or {}).get(chapter, {})
    try:
        known = json.loads(((results or RESULTS) / "seconds.json").read_text())
    except (OSError, ValueError):
        known = {}
    return entry.get("seconds", known.get(profile, {}).get(chapter))


# ---- what goes out ---------------------------------------------------------------------------


def rules(profile):
    """What may go out of a profile, as arguments of `allowed`: dict of `ours` and `labels`."""
    first = parameters.read_profile(profile)["chapters"][0]
    corpus = parameters.all_parameters(profile, first).get("corpus")
    licence = catalogue.CATALOGUE.get(corpus, {}).get("licence", "none")
    return {"ours": corpus == "fixture", "labels": licence.startswith(OPEN_LICENCES)}


def allowed(frame, ours=False, labels=False):
    """Names of the columns of a table that go out.

    Of no table: columns of text in `OF_PUBLISHERS`, and none of `transcript` whatever it holds. Of
    a table with a row for each clip (`clip_id`): `CLIP_COLUMNS` only, so no time and no vote, and
    a label only under an open licence (`labels`). Our own synthetic corpus (`ours`) keeps all but
    its texts and paths.

    Parameters
    ----------
    frame : DataFrame
    ours, labels : bool
        See `rules`.

    Returns
    -------
    list of str
    """
    kept = []
    for name in map(str, frame.columns):
        number = frame[name].dtype.kind in "iufb" and name.lower() != "transcript"
        free = number or name.lower() not in OF_PUBLISHERS
        known = CLIP_COLUMNS + (LABELS if labels else ())
        listed = any(re.fullmatch(pattern, name) for pattern in known)
        if free and (ours or listed or "clip_id" not in frame):
            kept.append(name)
    return kept


def table(frame, ours=False, labels=False):
    """What goes out of a table, or None when nothing but keys would be left: see `allowed`.

    Its ``attrs["left_out"]`` names the columns that stayed; `tables.read` knows them from it.
    """
    names = allowed(frame, ours, labels)
    if not names or ("clip_id" in names and set(names) <= {*KEYS} and "dialog_id" not in names):
        return None
    kept = frame[names].copy()
    kept.attrs = {"left_out": [str(name) for name in frame.columns if name not in names]}
    return kept


def phrases(text):
    """The words of a text, in runs of `SHINGLE`: set of tuples; a shorter text has none."""
    words = re.findall(r"\w+", str(text).lower())
    return {tuple(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


class Texts:
    """Transcripts, to be looked for: `quoted` says whether a text holds five words of one in a row.

    A shorter transcript counts when a cell of a table, or a text in quotes, is the whole of it and
    it has at least three words.
    """

    def __init__(self, transcripts=()):
        self.whole, self.parts = set(), set()
        for text in transcripts:
            words = tuple(re.findall(r"\w+", str(text).lower()))
            self.parts |= phrases(text)
            if 3 <= len(words) < SHINGLE:
                self.whole.add(words)

    def __add__(self, other):
        both = Texts()
        both.whole, both.parts = self.whole | other.whole, self.parts | other.parts
        return both

    def quoted(self, text):
        """Whether a transcript is in this text."""
        if not self.parts and not self.whole:
            return False
        plain = html.unescape(re.sub(r"<[^>]*>", "\n", text))
        if phrases(plain) & self.parts:
            return True
        pieces = re.split(r"[\n\"“”]|\s{2,}|\\n", plain)
        return any(tuple(re.findall(r"\w+", piece.lower())) in self.whole for piece in pieces)


def texts_of(profile, folder):
    """The transcripts of a profile's corpus, from its run's tables and the corpus at hand."""
    import pandas as pd

    if profile == BOOK:  # it may quote any corpus but our own
        others = (name for name in profiles() if not rules(name)["ours"])
        return sum((texts_of(name, folder.parent / name) for name in others), Texts())
    found = set()
    for path in sorted((folder / "artifacts").glob("*.parquet")):
        frame = pd.read_parquet(path)
        if "transcript" in frame:
            found |= set(frame["transcript"].dropna())
    chapters = parameters.read_profile(profile)["chapters"]
    given = [parameters.all_parameters(profile, chapter) for chapter in chapters]
    for corpus in sorted({str(v["corpus"]) for v in given if v.get("corpus")}):
        files = inputs.corpus_files(corpus)
        if not files:
            continue
        from empdis_utils.data import corpora

        try:
            found |= set(corpora.load(corpus).manifest["transcript"].dropna())
        except corpora.CorpusError:  # no corpus of clips: whatever its files say
            found |= _cells(files.values())
    return Texts(found)


def _cells(files):
    """All texts in CSV and JSON files."""
    import pandas as pd

    def walk(node):
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict | list):
            for part in node.values() if isinstance(node, dict) else node:
                yield from walk(part)

    found = set()
    for path in map(Path, files):
        if path.suffix == ".json":
            found |= set(walk(json.loads(path.read_text(encoding="utf-8"))))
        elif path.suffix == ".csv":
            frame = pd.read_csv(path, dtype=str, on_bad_lines="skip", encoding_errors="replace")
            found |= {text for column in frame for text in frame[column].dropna()}
    return found


def _payload(match, labels):
    """The explorer's data without what clips say, and without labels that must not go out."""
    try:
        data = json.loads(match[2])
    except ValueError:
        return match[0]
    blank = {"transcript", "words", "planted", *(() if labels else LABELS)}
    made = json.dumps(_blanked(data, blank), ensure_ascii=False).replace("<", "\\u003c")
    return match[1] + made + match[3]


def _blanked(node, names):
    """A JSON value whose lists of these names are empty words, and whose media are nowhere."""
    if isinstance(node, list):
        return [_blanked(part, names) for part in node]
    if not isinstance(node, dict):
        return node
    made = {key: _blanked(part, names) for key, part in node.items()}
    made |= {k: [""] * len(v) for k, v in made.items() if k in names and isinstance(v, list)}
    return made | ({"media": ""} if isinstance(made.get("media"), str) else {})


def is_plot(content):
    """Whether a PNG (base64) was drawn by Matplotlib: it says so itself."""
    try:
        return b"Matplotlib" in base64.b64decode("".join(content))[:4096]
    except ValueError:
        return False


def _output(output, texts, labels):
    """An output as it goes out, or None when it holds clips."""
    data = dict(output.get("data", {}))
    if _only_glued(output):  # a page may quote it by its key: the key stays
        said = any(texts.quoted("".join(content)) for content in data.values())
        return {**output, "data": dict.fromkeys(data, "'…'")} if said else output
    if "text/html" in data:
        page = "".join(data["text/html"])
        data["text/html"] = PAYLOAD.sub(lambda found: _payload(found, labels), page)
    for kind, content in data.items():
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        text = "".join(content) if isinstance(content, list) else text
        if kind.startswith(("image/", "audio/", "video/")):
            if kind != "image/png" or not is_plot(text):
                return None
        elif CLIPS.search(text) or texts.quoted(text):
            return None
    if texts.quoted("".join(output.get("text", ""))):
        return None
    return {**output, **({"data": data} if data else {})}


def scrubbed(notebook, texts, labels=False):
    """An executed notebook as it goes out, and how many outputs stayed behind.

    Papermill's own notes (folders, times) and the cell that it put in are gone.

    Parameters
    ----------
    notebook : dict
    texts : Texts
        An output that quotes one of them stays behind.
    labels : bool
        See `rules`.
    """
    cells, dropped = [], 0
    for cell in notebook["cells"]:
        about = {k: v for k, v in cell["metadata"].items() if k in ("tags", "mystnb")}
        if "injected-parameters" in about.get("tags", []):
            continue
        cell = {**cell, "metadata": about}
        if cell["cell_type"] == "code":
            kept = [_output(output, texts, labels) for output in cell["outputs"]]
            missing = [o for o, made in zip(cell["outputs"], kept, strict=True) if made is None]
            dropped += len(missing)
            cell["outputs"] = [made for made in kept if made is not None]
            if missing:
                words = {"text/markdown": INSTEAD, "text/plain": INSTEAD}
                cell["outputs"].append(
                    {"output_type": "display_data", "metadata": {}, "data": words}
                )
        cells.append(cell)
    about = {k: v for k, v in notebook["metadata"].items() if k in ("kernelspec", "language_info")}
    return {**notebook, "cells": cells, "metadata": about}, dropped


def lighter(notebook):
    """An executed notebook with fewer colours in its pictures."""
    for output in (output for cell in notebook["cells"] for output in cell.get("outputs", ())):
        if "image/png" in output.get("data", {}):
            picture = base64.b64decode("".join(output["data"]["image/png"]))
            made = base64.b64encode(weight.lighter_picture(picture)).decode()
            output["data"]["image/png"] = made
    return notebook


def _only_glued(output):
    return bool(output.get("data")) and all("papermill.record" in k for k in output["data"])


def as_source(executed):
    """The notebook that an executed one was: no outputs."""
    cells = [
        {**c, "outputs": [], "execution_count": None} if c["cell_type"] == "code" else c
        for c in executed["cells"]
        if "injected-parameters" not in c["metadata"].get("tags", [])
    ]
    return {**executed, "cells": cells}


# ---- making it -------------------------------------------------------------------------------


def late(runs, profile, hashes):
    """Why a profile's run cannot be released: sentences, empty when it is finished and current."""
    story, found = run.story(runs / profile) or {}, []
    for chapter in parameters.read_profile(profile)["chapters"]:
        entry = story.get(chapter)
        now = inputs.of_chapter(profile, chapter, hashes=hashes)
        read, view = run.read_by(profile, chapter), None
        if entry and profile == BOOK:  # reads the runs that it shows
            read, view = list(entry["read"]), entry["view"]
        why = run.why_stale(runs, profile, chapter, entry, now, read, hashes, view)
        if entry and entry.get("overrides"):
            why.append("it ran with other parameters")
        found += [f"{profile} {chapter}: {reason}" for reason in why[:1]]
    return found


def entry_of(entry, made, page):
    """A chapter's record as it goes out: hashes of what lies in ``results/``, no file of a corpus.

    `made`: dict of a table's name to its hash. `page`: hash of the page, '' where there is none.
    """
    kept = ("profile", "run", "parameters", "overrides", "git", "inputs", "versions", "hardware")
    kept += ("started", "seconds")
    given = {k: v for k, v in entry["given"].items() if not k.startswith("corpus ")}
    corpus = {k: v for k, v in entry["given"].items() if k.startswith("corpus ")}
    return {
        **{name: entry[name] for name in kept},
        "given": {**given, **({"corpus, all files": inputs.digest(corpus)} if corpus else {})},
        "read": entry["read"],
        "outputs": made,
        "page": page,
    }


def make(runs, profile, out, room=MOST_BYTES):
    """Write ``out/PROFILE`` anew from a finished run; returns what stayed behind, as sentences.

    `room`: bytes for our own synthetic corpus, whose tables go out as far as there is room.
    """
    folder, target = runs / profile, out / profile
    story, said = run.story(folder), []
    texts, chapters = texts_of(profile, folder), {}
    made, aside = {}, out / f".{profile}.aside"
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "artifacts").mkdir(parents=True)
    names = parameters.read_profile(profile)["chapters"]
    may = rules(profile)
    ours = may["ours"]
    owner = {name: chapter for chapter in names for name in story[chapter]["outputs"]}
    files = {name: _packed(folder / "artifacts" / name, may, texts, said) for name in sorted(owner)
             if Path(name).suffix == ".parquet" and "/" not in name}  # fmt: skip
    if profile == BOOK:  # the pictures of its questions, which show sums and no clip
        pictures = [name for name in owner if Path(name).suffix == ".png" and "/" not in name]
        files |= {
            n: weight.lighter_picture((folder / "artifacts" / n).read_bytes()) for n in pictures
        }
    for name, content in sorted(files.items(), key=lambda item: len(item[1] or b"")):
        if content is None:
            continue
        room -= len(content) if ours else 0
        if room < 0:
            said.append(f"{name}: no room, {len(content) / 2**10:,.0f} KB")
            continue
        run.write_if_changed(aside / "artifacts" / name, content)
        made[name] = sha256(aside / "artifacts" / name)
    for chapter in names:
        own = {name: made[name] for name in sorted(made) if owner[name] == chapter}
        mark = ""
        if not ours:
            page = json.loads((folder / f"{chapter}.ipynb").read_text(encoding="utf-8"))
            page, dropped = scrubbed(lighter(page), texts, may["labels"])
            if dropped:
                said.append(f"{chapter}: {dropped} outputs that show clips")
            text = json.dumps(page, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            run.write_if_changed(aside / f"{chapter}.ipynb", text)
            mark = sha256(aside / f"{chapter}.ipynb")
        chapters[chapter] = entry_of(story[chapter], own, mark)
    record = {"chapters": chapters, "left out": said}
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    run.write_if_changed(aside / "provenance.json", text)
    _replace(aside, target)
    return said


def _packed(path, may, texts, said):
    """Bytes of a table as it goes out, or None; what stays behind is said."""
    import pandas as pd

    frame = pd.read_parquet(path)
    kept = table(frame, **may)
    if kept is None:
        said.append(f"{path.name}: all of it")
        return None
    for name in kept.select_dtypes(exclude=["number", "bool"]).columns:
        if name != "clip_id" and any(map(texts.quoted, kept[name].dropna().astype(str).unique())):
            kept = kept.drop(columns=name)
            kept.attrs["left_out"].append(name)
    if kept.attrs["left_out"]:
        said.append(f"{path.name}: columns {', '.join(kept.attrs['left_out'])}")
    stream = io.BytesIO()
    kept.to_parquet(stream, index=False, compression="zstd")
    return stream.getvalue()


def _replace(aside, target):
    """Put a folder in the place of another; files of the same content keep their dates."""
    for path in inputs.files_in(target):
        if not (aside / path.relative_to(target)).exists():
            path.unlink()
    for path in inputs.files_in(aside):
        run.write_if_changed(target / path.relative_to(aside), path.read_bytes())
    shutil.rmtree(aside)


def release(runs, names=(), out=None, hashes=None):
    """Write ``results/`` from finished, current runs.

    Parameters
    ----------
    runs : Path
    names : sequence of str
        Default: `profiles` and `BOOK`. Profiles that are not named stay as they were released.
    out : Path, optional
        Default: `RESULTS`.
    hashes : inputs.Hashes, optional

    Returns
    -------
    dict
        Profile -> what stayed behind.

    Raises
    ------
    RunError
        Runs that are unfinished or stale: each is named, and nothing is written. Or what was
        written breaks a rule: see `problems`.
    """
    hashes, out = hashes or inputs.Hashes(), out or RESULTS
    names = list(names) or [*profiles(), *({BOOK} & {*parameters.profiles()})]
    wrong = [reason for name in names for reason in late(runs, name, hashes)]
    if wrong:
        raise RunError("not released:\n  " + "\n  ".join(wrong) + "\n  make book runs them")
    # our own corpus comes last: its tables take the room that is left
    order = sorted(names, key=lambda n: n == "fixture")
    said = {}
    for name in order:
        others = sum(size(path) for path in out.glob("*") if path.name != name)
        said[name] = make(runs, name, out, MOST_BYTES - others - 400_000)
    seconds = {
        folder.name: {c: entry["seconds"] for c, entry in sorted((run.story(folder) or {}).items())}
        for folder in sorted(runs / name for name in [*profiles(), BOOK])
    }
    text = json.dumps({k: v for k, v in seconds.items() if v}, indent=1, sort_keys=True) + "\n"
    run.write_if_changed(out / "seconds.json", text)
    found = problems(out, {name: texts_of(name, runs / name) for name in names})
    if found:
        raise RunError("what was written to results/ must not go out:\n  " + "\n  ".join(found))
    return said


def size(path):
    """Bytes of a file, or of all files below a folder."""
    return sum(p.stat().st_size for p in (inputs.files_in(path) if path.is_dir() else [path]))


def problems(out=None, texts=None):
    """What in ``results/`` breaks a rule, as sentences; empty when all is well.

    Parameters
    ----------
    out : Path, optional
    texts : dict of str to Texts, optional
        Transcripts to look for, by profile.
    """
    import pandas as pd

    out, found = out or RESULTS, []
    for folder in sorted(p for p in out.glob("*") if p.is_dir()):
        story, known = provenance(folder.name, out), (texts or {}).get(folder.name, Texts())
        may = rules(folder.name)
        listed = {"provenance.json": None}
        for chapter, entry in story.items():
            listed |= {f"artifacts/{n}": digest for n, digest in entry["outputs"].items()}
            listed |= {f"{chapter}.ipynb": entry["page"]} if entry["page"] else {}
        there = {str(p.relative_to(folder)): p for p in inputs.files_in(folder)}
        found += [f"{folder.name}/{n}: listed, not there" for n in sorted(set(listed) - set(there))]
        for name, path in sorted(there.items()):
            at = f"{folder.name}/{name}"
            if name not in listed:
                found.append(f"{at}: its record does not list it")
            elif listed[name] not in (None, sha256(path)):
                found.append(f"{at}: changed since it was released")
            if path.suffix == ".parquet":
                frame = pd.read_parquet(path)
                bad = sorted(set(map(str, frame.columns)) - set(allowed(frame, **may)))
                found += [f"{at}: column {column}" for column in bad]
                words = frame.drop(columns=["clip_id"], errors="ignore")
                words = words.select_dtypes(exclude=["number", "bool"])
                text = "\n".join(map(str, {w for c in words for w in words[c].dropna().unique()}))
            elif path.suffix == ".png":
                text = ""
                found += [f"{at}: a picture"] if folder.name != BOOK else []
            else:
                text = path.read_text(encoding="utf-8")
                if path.suffix == ".ipynb":
                    page = json.loads(text)
                    again, dropped = scrubbed(page, known, may["labels"])
                    if dropped or again != page:
                        found.append(f"{at}: an output that shows clips, or a note of papermill")
                    text = ""
                found += [f"{at}: a path of a machine, {p}" for p in _machine_paths(path)]
            if known.quoted(text):
                found.append(f"{at}: quotes a transcript")
    if size(out) > MOST_BYTES:
        found.append(f"{size(out) / 2**20:.1f} MB in all; at most {MOST_BYTES / 2**20:.0f}")
    return found


def _machine_paths(path):
    text = path.read_text(encoding="utf-8")
    return sorted(
        set(re.findall(r"(?<![\w.:/])/(?:home|root|tmp|Users|private|mnt)/[\w./-]*", text))
    )


def main(argv=None):
    """Command line; what is wrong is one message and exit status 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("profiles", nargs="*")
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args(argv)
    runs = asked.runs or Path(os.environ.get("BUILD") or ROOT / "_build") / "runs"
    hashes = inputs.Hashes(runs.parent / "hashes.json")
    try:
        said = release(runs, asked.profiles, asked.out, hashes)
    except (RunError, OSError) as error:
        sys.exit(f"[fail] {error}")
    for name, lines in sorted(said.items()):
        print(f"[done] {name}" + (", without:" if lines else ""))
        for line in lines:
            print(f"         {line}")
    print(f"results/: {size(asked.out or RESULTS) / 2**20:.1f} MB")


if __name__ == "__main__":
    main()

"""What a chapter's numbers depend on, by content: its code, values and files, each with a hash.

`of_chapter` gathers it; `run` records it beside the tables; `flow` compares it with what is there
now. Dates of files decide nothing, so a copy, a check-out or an edit in place is judged rightly.
"""

import ast
import csv
import functools
import hashlib
import json
import os
import re
from pathlib import Path

from empdis_utils.data import catalogue, checks, corpora, dialogues
from empdis_utils.data.hashes import meaning, sha256
from empdis_utils.places import PACKAGE, ROOT, clips_dir, media_dirs
from empdis_utils.press.parameters import GIVEN_BY_RUN, all_parameters, read_notebook

__all__ = [
    "Hashes", "LOCKS", "changed", "closure", "code_cells", "code_of", "corpus_files", "data_named",
    "declared_files", "digest", "files_in", "imported", "media_of", "module_file", "named_files",
    "of_chapter",
]  # fmt: skip

LOCKS = ("requirements.lock", "requirements-torch.lock")


def digest(value):
    """SHA-256 of a JSON-like value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class Hashes:
    """SHA-256 of files, remembered by size, times and inode.

    Parameters
    ----------
    store : Path, optional
        JSON file that keeps them between runs. One that cannot be read is begun anew.
    """

    def __init__(self, store=None):
        self.store = store
        try:
            self.known = json.loads(store.read_text())
        except (AttributeError, OSError, ValueError):
            self.known = {}

    def __call__(self, path):
        """SHA-256 of a file as hex, '' when there is none."""
        try:
            there = os.stat(path)
        except OSError:
            return ""
        mark = [there.st_size, there.st_mtime_ns, there.st_ctime_ns, there.st_ino]
        key = os.path.abspath(path)
        if self.known.get(key, [None])[:-1] != mark:
            self.known[key] = [*mark, sha256(path)]
        return self.known[key][-1]

    def save(self):
        """Write the file that keeps them; files that are gone are dropped."""
        kept = {path: marks for path, marks in self.known.items() if os.path.exists(path)}
        self.store.parent.mkdir(parents=True, exist_ok=True)
        aside = self.store.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(kept))
        aside.replace(self.store)


# ---- code ------------------------------------------------------------------------------------


def code_cells(notebook):
    """Sources and tags of the code cells, in order."""
    return [
        ["".join(cell["source"]), sorted(cell["metadata"].get("tags", []))]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def imported(source, package=()):
    """Modules of the package that a source imports: set of tuples of names below the package.

    Parameters
    ----------
    source : str or bytes
    package : tuple of str
        Where the source stands below the package, for relative imports.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found |= {tuple(n[1:]) for n in names if n[0] == PACKAGE.name}
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".") if node.module else []
            if node.level:
                base = (*package[: len(package) - node.level + 1], *parts)
            elif parts[:1] == [PACKAGE.name]:
                base = tuple(parts[1:])
            else:
                continue
            found |= {base} | {(*base, alias.name) for alias in node.names}
    return found


def module_file(name):
    """File of a module given as a tuple of names below the package, or None."""
    path = PACKAGE.joinpath(*name)
    for candidate in (path.with_suffix(".py") if name else path, path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def data_named(text, room=None):
    """Hashes of the package's data that a source names, and of what that names in turn.

    Parameters
    ----------
    text : str
        Source; names stand in quotes: templates of `show` (``.html``), and tables (``.yaml``).
    room : Path, optional
        Folder of the source, where its ``.yaml`` stand.
    """
    waiting, found = [text], {}
    while waiting:
        for name in re.findall(r"""["'](\w+\.(?:html|yaml))["']""", waiting.pop()):
            path = PACKAGE / "show" / "templates" if name.endswith(".html") else room
            if path and name not in found and (path / name).is_file():
                found[name] = sha256(path / name)
                waiting.append((path / name).read_text(encoding="utf-8"))
    return found


@functools.lru_cache(maxsize=512)
def _module(path, changed):
    source = path.read_bytes()
    package = path.parent.relative_to(PACKAGE).parts
    return meaning(source), frozenset(imported(source, package)), source.decode()


def closure(names):
    """Hashes of modules, of all they import in turn, and of the data that these name."""
    waiting, seen, found = set(names), set(), {}
    while waiting:
        name = waiting.pop()
        path = None if name in seen else module_file(name)
        seen.add(name)
        if path is not None:
            made, more, text = _module(path, path.stat().st_mtime_ns)
            found |= {".".join((PACKAGE.name, *name)): made, **data_named(text, path.parent)}
            waiting |= {name[:-1], *more} - seen  # Python runs the room's own file first
    return found


def code_of(chapter):
    """Hashes of a chapter's code cells, and of the modules and data that they reach."""
    cells = code_cells(read_notebook(chapter))
    names, found = set(), {"notebook": digest(cells)}
    for source, _ in cells:
        names |= imported(source)
        found |= data_named(source)
    return found | closure(names)


# ---- files -----------------------------------------------------------------------------------


def files_in(folder):
    """All files below a folder, sorted; none when it is not there."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def media_of(manifest):
    """The media files that a manifest (CSV) names and that are there, inside its folder."""
    found, folder = [], Path(manifest).parent.resolve()
    try:
        with open(manifest, encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                for column in ("audio_path", "video_path"):
                    path = checks.inside(folder, row.get(column) or "")
                    if path and path.is_file():
                        found.append(path)
    except (OSError, ValueError, csv.Error):
        pass  # the loader says what is wrong with it
    return found


def corpus_files(corpus):
    """Files of a corpus: dict of a name to a path, or None when a published one is not at hand.

    Parameters
    ----------
    corpus : str
        A corpus's name, the path of a manifest, or one of `corpora.READERS`, a colon and a path.
    """
    corpus = str(corpus)
    if corpus == "fixture":
        return {str(p.relative_to(catalogue.FIXTURE)): p for p in files_in(catalogue.FIXTURE)}
    if corpus in catalogue.CATALOGUE:
        if not catalogue.at_hand(corpus):
            return None
        found = dict(catalogue.local_files(corpus))
        clips = clips_dir() if corpus == "empspeech" else None
        if clips and (clips / "clips.csv").is_file():
            found |= {f"clips/{p.relative_to(clips)}": p for p in files_in(clips)}
        return found
    kind, colon, path = corpus.partition(":")
    if colon and (kind in corpora.READERS or dialogues.reads(corpus)):
        path = Path(path)
        return {path.name: path}
    path = Path(corpus)
    media = media_of(path)
    return {path.name: path, **{str(p.relative_to(path.parent.resolve())): p for p in media}}


def named_files(values, near):
    """Files and folders that parameter values name, in the project or near the corpus."""
    found = {}
    for value in values:
        if isinstance(value, dict | list):
            found |= named_files(value.values() if isinstance(value, dict) else value, near)
        elif isinstance(value, str) and 0 < len(value) < 1000 and "\0" not in value:
            for base in (ROOT, near):
                path = (base / value).resolve() if base else ROOT
                if ROOT.is_relative_to(path) or not path.exists():
                    continue
                inside = files_in(path) if path.is_dir() else [path]
                found |= {f"{value}/{p.relative_to(path)}".rstrip("/."): p for p in inside}
    return found


def declared_files(patterns, folder, values):
    """Files that patterns name below a folder; ``{name}`` stands for a parameter's value."""
    found = {}
    for pattern in patterns:
        path = Path(folder, pattern.format(**values)).absolute()
        for match in sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor)))):
            if match.is_file():
                found[os.path.relpath(match, folder)] = match
    return found


def of_chapter(profile, chapter, overrides=(), hashes=None):
    """All that decides a chapter's numbers but the tables it reads: dict of a name to a hash.

    Names begin with what the thing is: ``notebook``, ``parameters``, ``empdis_utils.…``,
    ``corpus …``, ``file …``, ``lock …``. ``corpus`` alone is ``absent`` when a published corpus, or
    the recordings that the chapter measures, are not at hand.

    Raises
    ------
    RunError
        Unknown profile, chapter or parameter, or a value outside its limits.
    """
    hashes = hashes or Hashes()
    values = all_parameters(profile, chapter, overrides) | {"profile": profile}
    found = {"parameters": digest({**values, "inputs_dir": "", "outputs_dir": ""})}
    found |= code_of(chapter)
    found |= {f"lock {name}": hashes(ROOT / name) for name in LOCKS}
    corpus, about = values.get("corpus"), read_notebook(chapter)["metadata"]
    sources = [corpus_files(corpus)] if corpus else []
    if "media" in about:  # the first folder that has them, as the chapter does it
        each = (declared_files(about["media"], folder, values) for folder in media_dirs())
        sources.append(next(filter(None, each), None))
    for files in sources:
        if files is None:
            found["corpus"] = "absent"
        else:
            found |= {f"corpus {name}": hashes(path) for name, path in files.items()}
    near = Path(corpus).resolve().parent if str(corpus).endswith(".csv") else None
    patterns = about.get("files", [])
    apart = {*GIVEN_BY_RUN, "corpus", *(k for k in values if f"{{{k}}}" in "".join(patterns))}
    files = named_files([v for k, v in values.items() if k not in apart], near)
    files |= declared_files(patterns, ROOT, values)
    return found | {f"file {name}": hashes(path) for name, path in files.items()}


def changed(recorded, now):
    """Names of what differs between two results of `of_chapter`, sorted.

    A corpus that is not at hand now counts as it was.

    Examples
    --------
    >>> changed({"corpus a.csv": "1", "notebook": "2"}, {"corpus": "absent", "notebook": "3"})
    ['notebook']
    """
    names = set(recorded) | set(now)
    if now.get("corpus") == "absent":
        names = {n for n in names if n.split(" ")[0] != "corpus"}
    return sorted(name for name in names if recorded.get(name) != now.get(name))

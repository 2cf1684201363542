"""Reference pages that are made, not written: the API, facts on corpora, the environment.

`pages` is called when the book is staged (see `pages`). What these pages say comes from docstrings,
from the catalogue of corpora, from the installed packages and from the provenance of the runs.
"""

import ast
import json
import platform
import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pandas as pd

from empdis_utils.data import corpora, dialogues
from empdis_utils.places import PACKAGE, ROOT

__all__ = [
    "api", "corpus_facts", "counts", "environment", "installed", "measured", "modules", "pages",
    "plain", "project_page", "table",
]  # fmt: skip

ROOMS = ("data", "models", "features", "measures", "people", "paper", "controls", "show", "press")


def modules(room):
    """Names of the modules of a room of the package, sorted."""
    files = (PACKAGE / room).rglob("[!_]*.py")
    return sorted(".".join(p.relative_to(PACKAGE / room).with_suffix("").parts) for p in files)


def api():
    """One API page per room: dict of path to MyST Markdown. Sphinx fills in the docstrings."""
    made = {}
    for room in ROOMS:
        about = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text()))
        title, _, lead = about.partition("\n\n")
        parts = [f"# {room}: {title[0].lower()}{title[1:].rstrip('.')}", lead]
        files = [f"{room}.{name}" for name in modules(room)]
        for name in ["places", *files] if room == ROOMS[0] else files:
            directive = f".. automodule:: empdis_utils.{name}\n   :members:\n   :ignore-module-all:"
            parts.append(f"## {name}\n\n```{{eval-rst}}\n{directive}\n```")
        made[f"reference/api-{room}.md"] = "\n\n".join(parts) + "\n"
    return made


def table(rows, head):
    """A Markdown table from rows of cells; a pipe in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def plain(text):
    """Words from a run as Markdown that shows them and does nothing else: signs become entities.

    Examples
    --------
    >>> plain("a_b {{ x }}")
    'a&#95;b &#123;&#123; x &#125;&#125;'
    """
    return re.sub(r"[^\w .,:()-]|_", lambda sign: f"&#{ord(sign[0])};", str(text))


def corpus_facts(name, runs):
    """What is known of a corpus without typing it: source, files, and counts from its run.

    Parameters
    ----------
    name : str
    runs : path
        Folder of all runs. Without a run of the profile `name` the counts are said to be missing.
    """
    parts = []
    entry = corpora.CATALOGUE.get(name)
    if entry:
        facts = [
            ("source", f"`{entry['repository']}`"),
            ("commit", f"`{entry['commit']}`"),
            ("licence", entry["licence"]),
        ]
        parts.append(table(facts, ("fact", "value")))
        files = [(f"`{file}`", f"`{sha[:16]}`") for file, (_, sha) in entry["files"].items()]
        parts.append(table(files, ("file", "SHA-256 begins")))
    path = Path(runs) / name / "artifacts" / "manifest.parquet"
    if path.exists():
        parts.append(counts(pd.read_parquet(path)))
    else:
        parts.append("No counts: no run of this copy wrote a manifest of this corpus (chapter 01).")
    return "\n\n".join(parts) + "\n"


def counts(manifest):
    """Markdown table of a manifest's clips, recordings and labels, as later chapters use them."""
    splits = manifest["split"].value_counts()
    labels = manifest["label"].value_counts() if "label" in manifest else {}
    tokens = manifest["n_tokens"].dropna()
    rows = [
        ("clips used", f"{len(manifest):,}"),
        ("recordings or speakers", f"{manifest['dialog_id'].nunique():,}"),
        (
            "labels",
            ", ".join(f"{plain(label)} {n:,}" for label, n in labels.items())
            or "not in the released tables",
        ),
        ("splits", ", ".join(f"{plain(split)} {n:,}" for split, n in splits.items())),
        ("median tokens", f"{tokens.median():g}" if len(tokens) else "no transcripts"),
    ]
    return table(rows, ("counted in this run", "value"))


def installed(package):
    """Version and stated licence of a package, both as the package tells them."""
    try:
        about = metadata(package)
    except PackageNotFoundError:
        return "not installed", ""
    stated = about.get("License-Expression") or ""
    trove = [c.split("::")[-1].strip() for c in about.get_all("Classifier") or [] if "Licen" in c]
    free = (about.get("License") or "").strip().split("\n")[0]
    return about["Version"], stated or ", ".join(trove) or free or "not stated"


def environment(runs, folders=None):
    """The page on versions, licences, hardware and run times.

    `runs`: the folder of all runs. `folders`: run -> its folder; default: those in `runs`.
    """
    if folders is None:
        folders = {path.parent.name: path.parent for path in Path(runs).glob("*/provenance.json")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = [re.match(r"[\w.-]+", wanted)[0] for wanted in project["dependencies"]]
    packages = [(name, *installed(name)) for name in sorted(direct, key=str.lower)]
    times = []
    for folder in (folders[name] for name in sorted(folders)):
        path = folder / "provenance.json"
        if not path.exists():
            continue
        for chapter, entry in json.loads(path.read_text())["chapters"].items():
            run, hardware = plain(entry["run"]), plain(entry["hardware"])
            times.append((run, chapter, entry["seconds"], hardware))
    return "\n\n".join(
        [
            "# Environment and hardware",
            "What made this copy of the book. Nothing here is typed by hand.",
            "## Packages",
            f"Python {platform.python_version()}. The project asks for these packages; "
            "`requirements.lock` pins them and all that they need. The licence is what each "
            "package states of itself.",
            table(packages, ("package", "version", "licence")),
            "## Chapters",
            "Seconds per chapter, and the machine it ran on. Chapters run side by side, so they "
            "slow each other down. No GPU is needed.",
            table(times, ("run", "chapter", "seconds", "hardware")) if times else "No run yet.",
            *measured(ROOT / "benchmarks" / "results"),
        ]
    ) + "\n"  # fmt: skip


def measured(folder):
    """Markdown parts: the newest whole result of `make bench`, its headings one level down."""
    results = sorted(folder.glob("[0-9]*-[0-9][0-9].md"))
    if not results:
        return []
    title, text = results[-1].read_text(encoding="utf-8").split("\n", 1)
    return [
        "## Benchmarks",
        f"`make bench`, kept on {title.removeprefix('# ')}. Each part compares with the plain way, "
        "in one run; the goals are those that the project set itself.",
        re.sub(r"```\n(.*?)\n```", r"```text\n\1\n```", text, flags=re.S)
        .replace("\n## ", "\n### ")
        .replace("\ncommit:", "\n\ncommit:")
        .strip(),
    ]


def project_page(name, title):
    """A file of the project's root as a page, its first heading replaced by `title`."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return f"# {title}\n\n" + text.split("\n", 1)[1].lstrip()


def pages(runs, folders=None):
    """Every generated reference file: dict of path under the book's source to text.

    `runs`, `folders`: as for `environment`.
    """
    made = api()
    for name in ("fixture", *corpora.CATALOGUE, *dialogues.ENTRIES):
        where = (folders or {}).get(name, Path(runs, name)).parent
        made[f"reference/facts/{name}.md"] = corpus_facts(name, where)
    made["reference/environment.md"] = environment(runs, folders)
    made["reference/contributing.md"] = project_page("CONTRIBUTING.md", "Contributing")
    return made

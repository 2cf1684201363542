"""Turn executed chapters into pages of the book, next to the pages that are prose.

::

    python -m empdis_utils.press.pages render --build DIR PROFILE ...   (stage, Jupyter Book, swap)
    python -m empdis_utils.press.pages stage --runs DIR --out DIR       (what Jupyter Book reads)
    python -m empdis_utils.press.pages pdf --build DIR

A page takes its prose from the source notebook and its outputs from the run, so that a prose edit
needs no rerun. Labels are made unique per profile (see `page`), the title names
the corpus, pages of synthetic data carry a note, and each page ends with how it was made.

Text that a user chose (a title, a parameter, the name of a file) enters a page through `plain` or
a template and no other way, so that it is shown letter by letter and is never markup.
"""

import argparse
import ast
import gzip
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from empdis_utils.places import ROOT
from empdis_utils.press import course, inputs, limits, parameters, release, run, slides, weight
from empdis_utils.press.parameters import GIVEN_BY_RUN, RunError
from empdis_utils.press.run import write_if_changed
from empdis_utils.show.templates import render as fill

__all__ = [
    "SOURCES", "add_explorer_files", "as_run", "change_form", "csv_tables", "drop_gone", "fill_in",
    "how_it_was_made", "is_heading", "is_progress", "jupyter_book", "lighten", "merge", "one_line",
    "page", "parameter_meanings", "pdf", "plain", "released_note", "render", "runs_to_show",
    "shows_something", "site_files", "site_inputs", "stage", "tags", "take_along", "trim_toc",
    "why_stale", "without_dead_links", "without_empty_sections",
]  # fmt: skip

MOST_BYTES = 60_000  # of a CSV that is offered as it is; a larger one is packed
MOST_PACKED_BYTES = 300_000  # of a packed one; a larger one is not offered
SYNTHETIC_NOTE = """```{admonition} Synthetic clips
:class: warning
This page shows the known-truth corpus: generated speech, warped photographs, written templates.
It tests the method. It is no evidence about people.
```"""


def plain(text):
    """Text that Markdown shows letter by letter, on one line.

    Examples
    --------
    >>> print(plain("a <b>, {{ c }} and *d*"))
    a \\<b\\>, \\{\\{ c \\}\\} and \\*d\\*
    """
    return re.sub(r"([\\`*_{}\[\]<>$&~!|^#@])", r"\\\1", one_line(text))


def one_line(text):
    """Text with single blanks: an empty line would end a block of HTML in Markdown."""
    return " ".join(str(text).split())


def merge(source, executed):
    """Prose of `source` with the outputs of `executed` (both notebooks as dicts).

    Raises
    ------
    ValueError
        The code cells differ: the run is older than the notebook.
    """
    injected = [c for c in executed["cells"] if "injected-parameters" in tags(c)]
    ran = [c for c in executed["cells"] if c["cell_type"] == "code" and c not in injected]
    wanted = [c for c in source["cells"] if c["cell_type"] == "code"]
    if ["".join(c["source"]) for c in ran] != ["".join(c["source"]) for c in wanted]:
        raise ValueError("the code of the notebook changed since it ran: run the chapter again")
    outputs = iter(ran)
    cells = []
    for cell in source["cells"]:
        if cell["cell_type"] != "code":
            cells.append(cell)
            continue
        done = next(outputs)
        kept = [o for o in done["outputs"] if not is_progress(o)]
        cells.append({**cell, "outputs": kept, "execution_count": done["execution_count"]})
    return {**executed, "cells": cells}


def as_run(source, parameters):
    """The parameters cell with the values of this run, comments kept, folders left out."""
    lines, shown = source.splitlines(), []
    for node in ast.parse(source).body:
        name = node.targets[0].id
        if name not in GIVEN_BY_RUN:
            about = _comment(lines, node.value)
            shown.append(f"{name} = {parameters[name]!r}" + (f"  # {about}" if about else ""))
    return "\n".join(shown)


def _comment(lines, value):
    """What the comment behind a value says; the value may stand in parentheses of its own."""
    return lines[value.end_lineno - 1][value.end_col_offset :].partition("#")[2].strip()


def parameter_meanings(source):
    """Name -> (value as written, comment without the mark) of a parameters cell, in order."""
    lines, found = source.splitlines(), {}
    for node in ast.parse(source).body:
        about = _comment(lines, node.value)
        found[node.targets[0].id] = (ast.get_source_segment(source, node.value), about)
    return found


def change_form(source, entry):
    """Markdown: the parameters as a table with a field for each, and the command they make.

    ``_static/page.js`` writes the command as fields change; without scripts the table and
    the command that made the page remain.
    """
    allowed, rows = limits.read(parameters.NOTEBOOKS / "limits.yaml"), []
    for name, (default, meaning) in parameter_meanings(source).items():
        if name in GIVEN_BY_RUN:
            continue
        schema = allowed.get(name, {})
        told = {
            "meaning": meaning or schema.get("description", ""),
            "allowed": limits.words(schema) if schema else "",
            "default": default,
            "now": json.dumps(entry["parameters"][name], ensure_ascii=False),
        }
        told = {key: one_line(text) for key, text in told.items()}
        rows.append({"name": name, **told, "field": limits.field(name, schema, told["now"])})
    base = f"make study PROFILE={entry['profile']} NB={entry['chapter']}"
    made = base + (f" P={shlex.quote(' '.join(entry['overrides']))}" if entry["overrides"] else "")
    form = fill("change.html", base=base, made=one_line(made), rows=rows)
    return f"```{{dropdown}} Parameters of this page, and how to change them\n{form}\n```"


def take_along(entry, tables, repository=""):
    """Markdown: the notebooks and tables of a page, and launch buttons where the book has a home.

    Parameters
    ----------
    entry : dict
        Provenance of the page.
    tables : sequence of str
        The files beside the page, in the folder ``tables``.
    repository : str
        ``owner/name`` on GitHub; empty: no buttons.
    """
    name = f"{entry['chapter']}.ipynb"
    links = [f"{{download}}`source notebook <source/{name}>`"]
    links += [f"{{download}}`{table} <tables/{table}>`" for table in tables]
    lines = ["```{dropdown} Take it with you", "- " + "\n- ".join(links)]
    if repository:
        at = f"{repository}/blob/main/notebooks/{name}"
        lab = f"{repository}/HEAD?labpath=notebooks%2F{name}"
        lines += [
            f"- [open in Binder](https://mybinder.org/v2/gh/{lab})",
            f"- [open in Colab](https://colab.research.google.com/github/{at})",
        ]
    if any(table.endswith(".gz") for table in tables):
        lines += [
            "",
            'A `.csv.gz` is a packed CSV: `pandas.read_csv("quadrants.csv.gz")` reads it.',
        ]
    lines += ["", "All tables are in the run's folder, as parquet.", "```"]
    return "\n".join(lines)


def tags(cell):
    """Tags of a cell, as a list."""
    return cell["metadata"].get("tags", [])


def is_progress(output):
    """True for a progress bar's stderr, or its blanks; warnings stay on the page."""
    if output["output_type"] != "stream" or output["name"] != "stderr":
        return False
    lines = re.split(r"[\r\n]", "".join(output["text"]))
    return all(not line.strip() or re.search(r"\d+%\||\d+\w* \[\d+:\d\d", line) for line in lines)


def how_it_was_made(entry):
    """Markdown: the folded note at the end of a page, from its provenance entry."""
    overridden = f" with {plain(', '.join(entry['overrides']))}" if entry["overrides"] else ""
    values = {k: v for k, v in entry["parameters"].items() if k not in GIVEN_BY_RUN}

    facts = {
        "profile": entry["profile"],
        "command": f"make study PROFILE={entry['profile']} NB={entry['chapter']}",
        "git commit": entry["git"],
        "seconds": entry["seconds"],
        "started": entry["started"],
        "hardware": entry["hardware"],
    }
    if entry.get("cluster"):
        facts["Dask cluster"] = entry["cluster"]
    hashes = {f"sha256 of {name}": digest[:16] for name, digest in entry["inputs"].items()}
    told = {**facts, **values, **entry["versions"], **hashes}
    table = fill("made.html", rows=[(one_line(k), one_line(v)) for k, v in told.items()])
    return (
        "```{dropdown} How this page was made\n"
        f"Profile {plain(entry['profile'])}{overridden}. {entry['seconds']} seconds.\n\n"
        f"{table}\n```"
    )


def fill_in(cell, name):
    """A cell with a run's name for the placeholder in its prose and labels; outputs are data."""
    apart = ("outputs",) if cell["cell_type"] == "code" else ()
    text = json.dumps({k: v for k, v in cell.items() if k not in apart})
    filled = json.loads(text.replace("__profile__", json.dumps(name)[1:-1]))
    return {**filled, **{k: cell[k] for k in apart}}


def page(source, executed, entry, title, tables=(), repository=""):
    """One finished page (notebook dict) from a source, its run, and its provenance entry.

    The placeholder for a run's name, in a label or an address, is filled in. Sections with nothing
    to show are dropped, and the cell of parameters stands at the foot, before the form. `tables`
    and `repository` are those of `take_along`; ``entry["note"]`` is Markdown below the title.
    """
    notebook = merge(source, executed)
    cells = [fill_in(part, entry["run"]) for part in notebook["cells"]]
    (given,) = (part for part in cells if "parameters" in tags(part))
    form = change_form("".join(given["source"]), entry)
    given["source"] = as_run("".join(given["source"]), entry["parameters"])
    cells = without_empty_sections([part for part in cells if part is not given])
    notebook["cells"] = [*cells, given]
    first = next(c for c in notebook["cells"] if c["cell_type"] == "markdown")
    heading, *rest = "".join(first["source"]).split("\n")
    end = 0  # of the sentences that open the page: what was found comes before where it is from
    if rest[1:2] and rest[1].startswith("{glue:text}"):
        end = next((at for at in range(1, len(rest)) if not rest[at]), len(rest))
    note = ["", SYNTHETIC_NOTE] if entry["parameters"].get("corpus") == "fixture" else []
    note += ["", entry["note"]] if entry.get("note") else []
    # The theme prints a page's title once with its escapes undone: no < may be in it.
    title = title.translate(str.maketrans("<>", "‹›"))
    suffix = f" ({plain(title)})" if title else ""
    first["source"] = "\n".join([heading + suffix, *rest[:end], *note, *rest[end:]])
    ends = {
        "change": form,
        "take": take_along(entry, tables, repository),
        "made": how_it_was_made(entry),
    }
    for name, text in ends.items():
        notebook["cells"].append(
            {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}
        )
    return notebook


def is_heading(cell):
    """Level of the heading that a cell of Markdown begins with, 0 when it begins otherwise.

    A label, ``(name)=``, may stand before it.
    """
    if cell["cell_type"] != "markdown":
        return 0
    text = re.sub(r"\A(\s*\([^)\n]+\)=[ \t]*\n)+", "", "".join(cell["source"])).lstrip()
    return len(re.match(r"(#{1,6} )?", text)[0].rstrip())


def shows_something(cell):
    """Whether a reader sees an output of this cell: not of one that is removed, or only glues."""
    if cell["cell_type"] != "code" or {"remove-cell", "remove-output"} & {*tags(cell)}:
        return False
    return any(
        output["output_type"] in ("stream", "error")
        or any("papermill.record" not in kind for kind in output.get("data", {}))
        for output in cell["outputs"]
    )


def without_empty_sections(cells):
    """Cells of a page without the sections that have nothing to show on this corpus.

    A section goes from a heading of level 2 or more, at the start of its cell, to the next one of
    its level or above. It is dropped when it has code and shows no output, and one of its cells has
    the tag ``may-be-empty``. What it glues stays, unseen: other pages may show it.
    """
    kept, at = [], 0
    while at < len(cells):
        level, end = is_heading(cells[at]), at + 1
        while level > 1 and end < len(cells) and not 0 < is_heading(cells[end]) <= level:
            end += 1
        section = cells[at:end]
        code = [cell for cell in section if cell["cell_type"] == "code"]
        may = any("may-be-empty" in tags(cell) for cell in section)
        if level > 1 and may and code and not any(map(shows_something, code)):
            unseen = [{**c["metadata"], "tags": [*tags(c), "remove-cell"]} for c in code]
            glued = [{**c, "metadata": m} for c, m in zip(code, unseen, strict=True)]
            kept += [c for c in glued if c["outputs"]]
            at = end
        else:
            kept.append(cells[at])
            at += 1
    return kept


def released_note(entry, reason):
    """Markdown below the title of a released page: where it is from, and how to run it anew.

    Parameters
    ----------
    entry : dict
        Its record in ``results/``.
    reason : str
        Why it is shown: a sentence without its stop. Empty: nothing has run in this copy yet.
    """
    if not reason:
        return (
            f"```{{admonition}} From the released run of {entry['started'][:10]}, "
            f"commit {plain(entry['git'][:10])}\n:class: note\n"
            "Nothing has run in this copy yet. `make book` shows this page first, and puts its own "
            "in the place of it when the chapters have run.\n```"
        )
    rerun = f"make study PROFILE={entry['profile']} NB={entry['chapter']}"
    about = parameters.read_notebook(entry["chapter"])["metadata"]
    first = "`make data` fetches the corpus"
    if "media" in about:
        first = "Put the recordings where {doc}`../../rerun` says"
    return (
        f"```{{admonition}} From the released run of {entry['started'][:10]}, "
        f"commit {plain(entry['git'][:10])}\n:class: note\n"
        f"{reason}. To run it anew: {first}, then `{rerun}` or `make book`; `make compare "
        f"PROFILE={entry['profile']}` holds your run against this one.\n```"
    )


def csv_tables(artifacts, names, most=MOST_BYTES, most_packed=MOST_PACKED_BYTES):
    """File name -> content of the parquet tables among `names`, as CSV or packed CSV."""
    import pandas as pd  # slow: not for the step `code`

    found = {}
    for name in sorted(names):
        path = artifacts / name
        if path.suffix == ".parquet" and path.parent == artifacts and path.exists():
            content = pd.read_parquet(path).to_csv(index=False).encode()
            packed = gzip.compress(content, mtime=0) if len(content) > most else None
            if packed is None:
                found[f"{path.stem}.csv"] = content
            elif len(packed) <= most_packed:
                found[f"{path.stem}.csv.gz"] = packed
    return found


def trim_toc(toc, out):
    """Keep the chapters of `toc` that have a page under `out`; runs it does not name come last.

    Sections of a chapter without a page take its place.
    """
    named = {toc["root"]}

    def there(chapters):
        kept = []
        for chapter in chapters:
            below = there(chapter.get("sections", ()))
            if any(out.glob(f"{chapter['file']}.*")):
                named.add(chapter["file"])
                apart = {k: v for k, v in chapter.items() if k != "sections"}
                kept.append({**apart, "sections": below} if below else apart)
            else:
                kept += below
        return kept

    parts = [{**part, "chapters": there(part["chapters"])} for part in toc["parts"]]
    parts = [part for part in parts if part["chapters"]]
    pages = [str(p.relative_to(out).with_suffix("")) for p in sorted(out.glob("runs/*/*.ipynb"))]
    others = [{"file": name} for name in pages if name not in named]
    if others:
        parts.append({"caption": "Other runs", "chapters": others})
    return {**toc, "parts": parts}


def without_dead_links(text, folder, pages):
    """Markdown of a page in `folder`, with links to runs that are not among `pages` made words."""

    def link(match):
        path = os.path.normpath(folder / f"{match[1]}.ipynb")
        return match[0] if Path(path) in pages else f"`{match[2]}` (not in this copy)"

    return re.sub(r"\{doc\}`((?:\.\./)*runs/([^`<>]+))`", link, text)


def add_explorer_files(runs, folder):
    """Write what the quadrant explorer loads: Plotly, and our own synthetic clips. Returns paths.

    A clip is one MP4 with picture and sound. Clips of other corpora are never copied.
    """
    from empdis_utils.data import corpora, playable

    plotly = Path(importlib.util.find_spec("plotly").origin).parent / "package_data/plotly.min.js"
    made = {folder / "plotly.min.js": plotly}
    made_here = (runs / "fixture" / "04_quadrants.ipynb").exists()
    if made_here or release.is_released(runs, "fixture"):
        videos = sorted((corpora.FIXTURE / "video").glob("*.mp4"))
        made |= {folder / "clips" / video.name: video for video in videos}
    for target, source in made.items():
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source == plotly:
            shutil.copyfile(source, target)
        else:
            sound = corpora.FIXTURE / "audio" / f"{source.stem}.flac"
            target.write_bytes(playable.mp4(source, sound, bit_rate=48_000))
    return set(made)


def runs_to_show(runs, shown, hashes, results=None):
    """Finished chapters that still hold: provenance entries with ``chapter`` and ``folder``.

    Those of ``results/`` are shown as they are: ``released`` is True.

    Parameters
    ----------
    runs : Path
    shown : sequence of str or None
        The profiles of the book; None for all that there are. Other profiles that belong to books
        (``book:`` in their file) are passed over; runs with other parameters come along.
    hashes : inputs.Hashes
    results : Path, optional
        Default: `release.RESULTS`.

    Raises
    ------
    RunError
        A record that cannot be read, or a chapter of the book itself that no longer holds.
    """
    found, late = [], []
    for folder in release.folders(runs, shown, results).values():
        if folder.parent != runs:
            for chapter, entry in sorted(release.provenance(folder.name, results).items()):
                about = {"chapter": chapter, "folder": folder, "released": True}
                found += [{**entry, **about}] if entry["page"] else []
            continue
        story = run.story(folder)
        if story is None or (not story and any(folder.glob("*.ipynb"))):
            raise RunError(
                f"{folder}/provenance.json is missing or cannot be read: run this again, or remove "
                "the folder"
            )
        for chapter, entry in sorted(story.items()):
            try:
                now = inputs.of_chapter(entry["profile"], chapter, entry["overrides"], hashes)
                read, view = list(entry.get("read", ())), entry.get("view")
                why = run.why_stale(runs, folder.name, chapter, entry, now, read, hashes, view)
            except RunError as error:
                why = [str(error)]
            if not why:
                found.append({**entry, "chapter": chapter, "folder": folder})
                continue
            late.append(folder.name)
            print(f"[book] left out: {folder.name} {chapter}: {why[0]}", file=sys.stderr)
    if shown is not None and set(late) & {*shown, "book"}:
        raise RunError("a chapter of the book changed while it was rendered: make book again")
    return found


def stage(runs, out, root=ROOT, shown=None, hashes=None):
    """Fill `out` with the pages that exist: prose, and every finished chapter that still holds."""
    from empdis_utils.press import reference  # reads corpora: slow

    wanted, results, hashes = set(), root / "results", hashes or inputs.Hashes()
    first = release.is_released(runs, release.BOOK)
    for entry in runs_to_show(runs, shown, hashes, results):
        executed = entry["folder"] / f"{entry['chapter']}.ipynb"
        done = json.loads(executed.read_text(encoding="utf-8"))
        if entry.get("released"):
            source = release.as_source(done)
            here = release.at_hand(entry["profile"], hashes)
            reason = "Its corpus was not asked for" if here else "Its corpus is not at hand here"
            entry["note"] = released_note(entry, "" if first else reason)
        else:
            source = parameters.read_notebook(entry["chapter"])
        title = parameters.read_profile(entry["profile"]).get("title", "")
        title = ", ".join(filter(None, [title, *entry["overrides"]]))
        folder = out / "runs" / entry["run"]
        offered = csv_tables(executed.parent / "artifacts", entry["outputs"])
        made = page(source, done, entry, title, offered, os.environ.get("REPO", ""))
        files = {
            folder / executed.name: json.dumps(made, indent=1) + "\n",
            folder / "source" / executed.name: json.dumps(source, indent=1) + "\n",
            **{folder / "tables" / name: content for name, content in offered.items()},
        }
        wanted |= set(files)
        for path, text in files.items():
            write_if_changed(path, text)
    for path in sorted((root / "book").rglob("*")):
        if path.is_file():
            target = out / path.relative_to(root / "book")
            wanted.add(target)
            content = path.read_bytes()
            if path.suffix == ".md":
                text = content.decode("utf-8")
                content = without_dead_links(text, target.parent, wanted).encode()
                if "::" in text:  # pages that quote a run are always read again
                    target.unlink(missing_ok=True)
            write_if_changed(target, content)
    folders = release.folders(runs, shown, results)
    home = folders.get(release.BOOK, runs / release.BOOK)
    for picture in sorted((home / "artifacts").glob("*.png")):
        target = out / "assets" / picture.name  # takes the place of one that comes with the book
        wanted.add(target)
        write_if_changed(target, picture.read_bytes())
    for name, text in {**course.pages(), **reference.pages(runs, folders)}.items():
        wanted.add(out / name)
        write_if_changed(out / name, text)
    wanted |= slides.write(out)
    wanted.add(out / "_config.yml")
    write_if_changed(out / "_config.yml", (root / "_config.yml").read_text(encoding="utf-8"))
    # not under _static: the renderer puts every script found there on every page
    wanted |= add_explorer_files(runs, out / "extra" / "explorer")
    for path in out.rglob("*"):
        if path.is_file() and path not in wanted and path.name != "_toc.yml":
            path.unlink()
    toc = trim_toc(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8")), out)
    write_if_changed(out / "_toc.yml", yaml.safe_dump(toc, sort_keys=False))


# ---- the site --------------------------------------------------------------------------------

#: What the pages are made from, beside the runs.
SOURCES = (
    *("book", "notebooks", "empdis_utils", "benchmarks/results", "_toc.yml", "_config.yml"),
    *("CONTRIBUTING.md", "CITATION.cff", "pyproject.toml", *inputs.LOCKS),
)
SEARCH_SCRIPTS = (
    r'<script src="[./]*(_static/(searchtools|language_data)|searchindex)\.js"></script>'
)
# Parts of MathJax that no page loads: other components, words for speech in other languages.
MATHJAX_UNUSED = (
    *("mml-*.js", "tex-mml-*.js", "tex-svg*.js", "tex-chtml-full*.js", "node-main*", "latest.js"),
    *("sre/mathmaps/[!be]*", "sre/mathmaps/es.json", "input/asciimath*", "input/mml*"),
    *("input/tex-full.js", "output/chtml/fonts"),
)


def site_inputs(build, shown, hashes):
    """All that decides the rendered site: dict of a name to a hash or a word."""
    found = {"REPO": os.environ.get("REPO", ""), "profiles": " ".join(shown)}
    for name in SOURCES:
        path = ROOT / name
        for file in inputs.files_in(path) if path.is_dir() else [path]:
            if "__pycache__" not in file.parts:
                found[os.path.relpath(file, ROOT)] = hashes(file)
    for file in sorted((build / "runs").glob("[!.]*/*")):
        if file.suffix == ".ipynb" or file.name == "provenance.json":
            found[str(file.relative_to(build))] = hashes(file)
    for name in (name for name in shown if release.is_released(build / "runs", name)):
        found[f"released {name}"] = "at hand" if release.at_hand(name, hashes) else "not at hand"
        for file in inputs.files_in(release.RESULTS / name):
            found[f"results/{name}/{file.relative_to(release.RESULTS / name)}"] = hashes(file)
    return found


def site_files(html_dir):
    """Sizes of the site's files by name."""
    return {str(p.relative_to(html_dir)): p.stat().st_size for p in inputs.files_in(html_dir)}


def why_stale(build, shown, hashes):
    """Why the rendered site does not count, in a few words; empty when it does."""
    try:
        made = json.loads((build / "site.json").read_text())
    except (OSError, ValueError):
        return "not rendered yet"
    late = inputs.changed(made["given"], site_inputs(build, shown, hashes))
    if late:
        return f"{late[0]} changed" + (f" (and {len(late) - 1} more)" if len(late) > 1 else "")
    return "" if made["files"] == site_files(build / "html") else "files of the site changed"


#: Sphinx reads and writes pages side by side when it is told to; Jupyter Book does not tell it.
#: Two extensions do not say that they allow it. They only register a numbering and MathJax's files.
SIDE_BY_SIDE = """
import functools, sys
from jupyter_book import sphinx
from jupyter_book.cli.main import main
from sphinx.application import Sphinx
Sphinx.is_parallel_allowed = lambda self, step: True
sphinx.build_sphinx = functools.partial(sphinx.build_sphinx, jobs=int(sys.argv.pop()))
main()
"""


def jupyter_book(*words, log):
    """Call Jupyter Book; its words are shown only when it fails.

    Raises
    ------
    RunError
        It failed; names the log.
    """
    at_once = os.environ.get("JOBS") or "2"
    call = [sys.executable, "-c", SIDE_BY_SIDE, "build", *words, at_once]
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run(call, stdout=file, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.stderr.write(log.read_text(encoding="utf-8", errors="replace"))
        raise RunError(f"the book was not rendered; log: {log}")


def lighten(site):
    """Drop what no page loads, and make pictures and the notebooks behind pages lighter.

    No page loads MathJax where there are no formulas, icons drawn by a script, or a font in an old
    format beside the new one. Outputs of a notebook are on its page; its own file is to be run.
    The theme's signs that open a part of the contents get a name for those who do not see them.
    """
    static = site / "_static"
    for path in (site / "_images").glob("*.png"):
        path.write_bytes(weight.lighter_picture(path.read_bytes()))
    for path in (site / "_sources").rglob("*.ipynb"):
        path.write_text(weight.without_outputs(path.read_text(encoding="utf-8")), encoding="utf-8")
    unused = [p for pattern in MATHJAX_UNUSED for p in (static / "mathjax").glob(pattern)]
    unused += [*static.rglob("*.map"), *(static / "scripts").glob("fontawesome.js*")]
    unused += [p for p in static.rglob("*.ttf") if p.with_suffix(".woff2").exists()]
    for path in unused:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in site.rglob("*.html"):
        if static in path.parents:
            continue
        before = path.read_text(encoding="utf-8")
        text = re.sub(r"<script[^>]*/fontawesome\.js[^>]*></script>", "", before)
        if path.name != "search.html":  # the theme's search while one types is off
            text = re.sub(SEARCH_SCRIPTS, "", text)
        named = '<summary aria-label="the pages below"><span class="toctree-toggle"'
        text = text.replace('<summary><span class="toctree-toggle"', named)
        if 'class="math' not in text:
            text = re.sub(r"<script[^>]*/tex-chtml\.js[^>]*></script>", "", text)
        if text != before:
            path.write_text(text, encoding="utf-8")


def drop_gone(rendered, staged):
    """Remove pages whose source is no longer staged: Sphinx leaves them where they are."""
    for source in inputs.files_in(rendered / "_sources"):
        name = source.relative_to(rendered / "_sources")
        if not (staged / name).exists():
            source.unlink()
            (rendered / name).with_suffix(".html").unlink(missing_ok=True)
    for folder in sorted((p for p in rendered.rglob("*") if p.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def render(build, shown):
    """Stage the pages, render them, and put the whole site in place at once.

    A site is finished when ``site.json`` beside it says so; until the last step the old one stays.
    """
    hashes = inputs.Hashes(build / "hashes.json")
    given = site_inputs(build, shown, hashes)
    out, rendered = build / "stage", build / "render" / "_build" / "html"
    stage(build / "runs", out, shown=shown, hashes=hashes)
    # Scripts and styles are always copied anew, as what is gone must not stay. Sphinx copies them
    # only when it writes a page: so the first page is always written.
    shutil.rmtree(rendered / "_static", ignore_errors=True)
    (rendered.parent / ".doctrees" / "index.doctree").unlink(missing_ok=True)
    words = [str(out), "--path-output", str(build / "render"), "-W", "-n", "-q"]
    jupyter_book(*words, log=build / "sphinx.log")
    drop_gone(rendered, out)
    new, old, site = build / "html.new", build / "html.old", build / "html"
    for folder in (new, old):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(rendered, new)
    lighten(new)
    (build / "site.json").unlink(missing_ok=True)
    if site.exists():
        site.rename(old)
    new.rename(site)
    run.write_if_changed(
        build / "site.json", json.dumps({"given": given, "files": site_files(site)}, indent=0)
    )
    shutil.rmtree(old, ignore_errors=True)
    (site / "index.html").touch()


def pdf(build):
    """The staged book as one PDF, printed by Chromium or Chrome (or ``$BROWSER``).

    Raises
    ------
    RunError
        No browser, or a step that failed.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = os.environ.get("BROWSER") or next(filter(None, map(shutil.which, names)), None)
    if not browser:
        raise RunError(
            "make pdf prints with Chromium: install it (Debian: apt install chromium), or give "
            "BROWSER=path"
        )
    words = [str(build / "stage"), "--path-output", str(build / "render")]
    words += ["--builder", "custom", "--custom-builder", "singlehtml", "-q"]
    jupyter_book(*words, log=build / "pdf.log")
    page = (build / "render/_build/singlehtml/index.html").resolve().as_uri()
    root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root otherwise
    call = [browser, "--headless", "--disable-gpu", *root, "--no-pdf-header-footer"]
    call += ["--virtual-time-budget=60000", f"--print-to-pdf={build / 'book.pdf'}", page]
    with open(build / "pdf.log", "a", encoding="utf-8") as log:
        if subprocess.run(call, stdout=log, stderr=log).returncode:
            raise RunError(f"{browser} did not print the book; log: {build / 'pdf.log'}")
    print(f"wrote {build / 'book.pdf'}")


def main(argv=None):
    """Command line; what is wrong is one message and exit status 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    staging = steps.add_parser("stage")
    staging.add_argument("--runs", type=Path, required=True)
    staging.add_argument("--out", type=Path, required=True)
    for name in ("render", "pdf"):
        step = steps.add_parser(name)
        step.add_argument("--build", type=Path, default=ROOT / "_build")
        if name == "render":
            step.add_argument("shown", nargs="*")
    asked = parser.parse_args(argv)
    try:
        if asked.step == "stage":
            stage(asked.runs, asked.out)
        elif asked.step == "render":
            render(asked.build, asked.shown)
        else:
            pdf(asked.build)
    except (RunError, OSError) as error:
        sys.exit(f"[fail] {error}")


if __name__ == "__main__":
    main()

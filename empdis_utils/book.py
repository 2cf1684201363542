"""Turn executed chapters into pages of the book, next to the pages that are prose.

::

    python -m empdis_utils.book stage --runs DIR --out DIR   (the folder that Jupyter Book reads)
    python -m empdis_utils.book code NOTEBOOK OUT            (the code cells alone; see Makefile)

A page takes its prose from the source notebook and its outputs from the run, so that a prose edit
needs no rerun. Labels are made unique per profile (see `page`), the title names
the corpus, pages of synthetic data carry a note, and each page ends with how it was made.
"""

import argparse
import ast
import gzip
import html
import importlib.util
import json
import os
import re
import shutil
import sys
from pathlib import Path

import yaml

from . import course, limits, run

MOST_BYTES = 200_000  # of a CSV that is offered as it is; a larger one is packed
MOST_PACKED_BYTES = 500_000  # of a packed one; a larger one is not offered
SYNTHETIC_NOTE = """```{admonition} Synthetic clips
:class: warning
This page shows the known-truth corpus: generated speech, warped photographs, written templates.
It tests the method. It is no evidence about people.
```"""


def code_cells(notebook):
    """Sources and tags of the code cells, in order: what decides whether a chapter must rerun."""
    return [
        ["".join(cell["source"]), sorted(cell["metadata"].get("tags", []))]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


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
        if name not in run.GIVEN_BY_RUN:
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

    allowed = limits.read(run.NOTEBOOKS / "limits.yaml")

    def row(name, default, meaning):
        now = json.dumps(entry["parameters"][name], ensure_ascii=False)
        schema = allowed.get(name, {})
        field = limits.field(name, schema, now)
        cells = [html.escape(limits.words(schema) if schema else "")]
        cells += [f"<code>{html.escape(text)}</code>" for text in (default, now)]
        cells = "".join(
            f'<td data-label="{label}">{cell}</td>'
            for label, cell in zip(
                ("allowed", "default", "here", "change to"), [*cells, field], strict=True
            )
        )
        meaning = meaning or schema.get("description", "")
        about = f"<code>{name}</code><br><small>{html.escape(meaning)}</small>"
        return f'<tr><th scope="row">{about}</th>{cells}</tr>'

    rows = "".join(
        row(name, default, meaning)
        for name, (default, meaning) in parameter_meanings(source).items()
        if name not in run.GIVEN_BY_RUN
    )
    head = "".join(
        f'<th scope="col">{text}</th>'
        for text in ("parameter", "allowed", "default", "here", "change to")
    )
    base = f"make study PROFILE={entry['profile']} NB={entry['chapter']}"
    made = base + (f' P="{" ".join(entry["overrides"])}"' if entry["overrides"] else "")
    return (
        "```{dropdown} Parameters of this page, and how to change them\n"
        f'<div class="change" data-base="{html.escape(base)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p>The command: <code data-command>{html.escape(made)}</code></p>"
        "<p data-problem></p></div>\n```"
    )


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
    overridden = f" with `{' '.join(entry['overrides'])}`" if entry["overrides"] else ""
    parameters = {k: v for k, v in entry["parameters"].items() if k not in run.GIVEN_BY_RUN}

    def rows(mapping):
        return "".join(
            f"<tr><td>{html.escape(str(k))}</td><td><code>{html.escape(str(v))}</code></td></tr>"
            for k, v in mapping.items()
        )

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
    table = rows(facts) + rows(parameters) + rows(entry["versions"]) + rows(hashes)
    return (
        f"```{{dropdown}} How this page was made\n"
        f"Profile `{entry['profile']}`{overridden}. {entry['seconds']} seconds.\n\n"
        f'<table class="made"><thead><tr><th>what</th><th>value</th></tr></thead>'
        f"<tbody>{table}</tbody></table>\n```"
    )


def page(source, executed, entry, title, tables=(), repository=""):
    """One finished page (notebook dict) from a source, its run, and its provenance entry.

    The placeholder for a run's name, in a label or an address, is filled in. `tables` and
    `repository` are those of `take_along`.
    """
    notebook = json.loads(json.dumps(merge(source, executed)).replace("__profile__", entry["run"]))
    for cell in notebook["cells"]:
        if "parameters" in tags(cell):
            form = change_form("".join(cell["source"]), entry)
            cell["source"] = as_run("".join(cell["source"]), entry["parameters"])
    first = next(c for c in notebook["cells"] if c["cell_type"] == "markdown")
    heading, *rest = "".join(first["source"]).split("\n")
    note = ["", SYNTHETIC_NOTE] if entry["parameters"].get("corpus") == "fixture" else []
    suffix = f" ({title})" if title else ""
    first["source"] = "\n".join([heading + suffix, *note, *rest])
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


def write_if_changed(path, content):
    """Write text or bytes, and leave the file (and its date) alone when they are there already."""
    content = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def trim_toc(toc, out):
    """Keep the chapters of `toc` that have a page under `out`; runs it does not name come last."""
    parts, named = [], {toc["root"]}
    for part in toc["parts"]:
        files = [c for c in part["chapters"] if any(out.glob(f"{c['file']}.*"))]
        named |= {c["file"] for c in files}
        if files:
            parts.append({**part, "chapters": files})
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
    from . import corpora, playable

    plotly = Path(importlib.util.find_spec("plotly").origin).parent / "package_data/plotly.min.js"
    made = {folder / "plotly.min.js": plotly}
    if (runs / "fixture" / "04_quadrants.ipynb").exists():
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


def stage(runs, out, root=run.ROOT):
    """Fill `out` with the pages that exist: prose, and every profile's finished chapters."""
    from . import reference  # reads corpora: too slow for the step `code`

    wanted = set()
    for story_path in sorted(runs.glob("*/provenance.json")):
        story = json.loads(story_path.read_text())["chapters"]
        for chapter, entry in story.items():
            executed = story_path.parent / f"{chapter}.ipynb"
            if not executed.exists():
                continue
            source = json.loads((run.NOTEBOOKS / executed.name).read_text(encoding="utf-8"))
            done = json.loads(executed.read_text(encoding="utf-8"))
            title = run.read_profile(entry["profile"]).get("title", "")
            title = ", ".join([title, *entry["overrides"]])
            folder = out / "runs" / entry["run"]
            offered = csv_tables(story_path.parent / "artifacts", entry["outputs"])
            about = {**entry, "chapter": chapter}
            try:
                made = page(source, done, about, title, offered, os.environ.get("REPO", ""))
            except ValueError as error:
                print(f"[book] left out: {entry['run']} {chapter}: {error}", file=sys.stderr)
                continue
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
    picture, target = runs / "book/artifacts/findings.png", out / "assets" / "findings.png"
    if picture.exists():  # the picture of this run, in place of the one that comes with the book
        shutil.copyfile(picture, target)
    for name, text in {**course.pages(), **reference.pages(runs)}.items():
        wanted.add(out / name)
        write_if_changed(out / name, text)
    wanted.add(out / "_config.yml")
    write_if_changed(out / "_config.yml", (root / "_config.yml").read_text(encoding="utf-8"))
    # not under _static: the renderer puts every script found there on every page
    wanted |= add_explorer_files(runs, out / "extra" / "explorer")
    for path in out.rglob("*"):
        if path.is_file() and path not in wanted and path.name != "_toc.yml":
            path.unlink()
    toc = trim_toc(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8")), out)
    write_if_changed(out / "_toc.yml", yaml.safe_dump(toc, sort_keys=False))


def main(argv=None):
    """Command line of the two steps that the Makefile calls."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    staging = steps.add_parser("stage")
    staging.add_argument("--runs", type=Path, required=True)
    staging.add_argument("--out", type=Path, required=True)
    coding = steps.add_parser("code")
    coding.add_argument("notebook", type=Path)
    coding.add_argument("out", type=Path)
    asked = parser.parse_args(argv)
    if asked.step == "stage":
        stage(asked.runs, asked.out)
    else:
        notebook = json.loads(asked.notebook.read_text(encoding="utf-8"))
        write_if_changed(asked.out, json.dumps(code_cells(notebook), indent=1) + "\n")


if __name__ == "__main__":
    main()

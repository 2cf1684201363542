"""Slides of the course: one HTML file per session, made from the staged pages of the book.

A deck takes its words from the session's page, ``book/course/NN_name.md``, and its figures and
answers from the question pages that the session names, with the numbers that the runs glued there.
It needs no network and no other file: a teacher can save it, print it (one slide, one sheet), or
walk through it with the arrow keys.
"""

import ast
import base64
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markupsafe import Markup

from empdis_utils.press import weight
from empdis_utils.press.parameters import RunError
from empdis_utils.press.run import write_if_changed
from empdis_utils.show.templates import render

__all__ = [
    "Figure", "Question", "deck", "glued", "hours", "prose", "question", "section", "write",
]  # fmt: skip

MARKDOWN = MarkdownIt("commonmark", {"html": False})
ROLE = re.compile(r"\{([\w:]+)\}`([^`]*)`")
FIGURE = re.compile(
    r"^(`{3,}|:{3,})\{figure\}[ ]*(?P<path>\S+)\n"
    r"(?P<options>(?::[\w-]+:[^\n]*\n)*)(?P<caption>.*?)^\1",
    re.M | re.S,
)


class Figure(NamedTuple):
    """A figure of a question page: file, file for a phone (or the same), what it shows, caption."""

    wide: Path
    narrow: Path
    alt: str
    caption: Markup


class Question(NamedTuple):
    """What a slide takes from a question page: its title, its answer, its figures."""

    title: str
    answer: Markup
    figures: list


def section(text, title):
    """What stands below ``## title`` on a page.

    Raises
    ------
    RunError
        No such heading.
    """
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if not found:
        raise RunError(f"a session has no part '{title}'")
    return found[1].strip()


def hours(text):
    """Hours of homework that a session's page states: ``About 3 hours: …``."""
    found = re.match(r"About (\d+(?:\.5)?) hours", section(text, "Homework"))
    if not found:
        raise RunError("homework begins with its time: 'About 3 hours'")
    return float(found[1])


def glued(page, key, spec=""):
    """Text of a value that an executed notebook glued.

    Parameters
    ----------
    page : path
        The staged notebook.
    key : str
    spec : str
        Format, as a glue role has it behind its last colon: ``.2f``.

    Raises
    ------
    RunError
        No such page, or nothing glued under this name.
    """
    if not page.exists():
        raise RunError(f"no page {page.parent.name}/{page.name}, whose '{key}' is quoted")
    for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", ()):
            if output.get("metadata", {}).get("scrapbook", {}).get("name") == key:
                kinds = {kind.split("record/")[-1]: text for kind, text in output["data"].items()}
                text = "".join(kinds["text/plain"])
                try:
                    return format(ast.literal_eval(text), spec)
                except (ValueError, SyntaxError):
                    return text
    raise RunError(f"{page.parent.name}/{page.name} glued nothing named '{key}'")


def prose(text, path):
    """HTML of Markdown that stands on the page `path`: values filled in, roles made words.

    Parameters
    ----------
    text : str
    path : path
        Of the page, in the staged book: addresses in the text are relative to it.

    Returns
    -------
    markupsafe.Markup
        Markup only where Markdown makes it: what stands there as HTML is shown letter by letter.
    """

    def words(match):
        role, inside = match[1], match[2]
        shown = re.match(r"(.*?)\s*<[^>]*>$", inside, re.S)
        if role == "glue:text":
            page, _, rest = inside.partition("::")
            key, _, spec = rest.partition(":")
            value = glued(Path(os.path.normpath(path.parent / page)), key, spec)
            return re.sub(r"([\\`*_{}\[\]<>&#!])", r"\\\1", value)
        if role == "doc" and not shown:
            return _title(Path(os.path.normpath(path.parent / f"{inside}.md"))) or Path(inside).name
        return shown[1] if shown else inside

    without = re.sub(r" ?\{cite:\w+\}`[^`]*`", "", text)
    return Markup(MARKDOWN.render(ROLE.sub(words, without)))


def _title(path):
    found = path.exists() and re.search(r"^# (.*)$", path.read_text(encoding="utf-8"), re.M)
    return found[1] if found else ""


def question(path):
    """What a slide takes from the question page `path`: Question.

    The answer is what the page says before its first figure or section, without notes.

    Raises
    ------
    RunError
        No such page, or a figure that it names is not there.
    """
    if not path.exists():
        raise RunError(f"no question page {path.name}")
    text = re.sub(
        r"<!--.*?-->|^\([\w-]+\)=$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S
    )
    figures = []
    for found in FIGURE.finditer(text):
        wide = Path(os.path.normpath(path.parent / found["path"]))
        if not wide.exists():
            raise RunError(f"{path.name} names the figure {wide.name}, which no run made")
        narrow = wide.with_name(wide.name.replace("-wide", "-narrow"))
        alt = re.search(r"^:alt: *(.*)$", found["options"], re.M)
        figures.append(
            Figure(
                wide,
                narrow if narrow.exists() else wide,
                alt[1] if alt else "",
                prose(found["caption"].strip(), path),
            )
        )
    title, _, body = f"\n{text}".partition("\n# ")[2].partition("\n")
    lead = re.split(r"^## |^(?:`{3,}|:{3,})\{(?:figure|image)\}", body, maxsplit=1, flags=re.M)[0]
    lead = re.sub(r"^(`{3,}|:{3,})\{.*?^\1`*:*$", "", lead, flags=re.M | re.S)
    return Question(title.strip(), prose(lead.strip(), path), figures)


def _image(path):
    return (
        "data:image/png;base64,"
        + base64.b64encode(weight.lighter_picture(path.read_bytes())).decode()
    )


def deck(path):
    """HTML of the slides of one session.

    Parameters
    ----------
    path : path
        Its page in the staged book.

    Raises
    ------
    RunError
        A part, a page, a value or a figure that it names is missing.
    """
    text = path.read_text(encoding="utf-8")
    try:
        names = re.findall(r"\.\./questions/(\w+)[`>]", section(text, "In the book"))
        questions = [question(path.parents[1] / "questions" / f"{name}.md") for name in names]
        ask, options = _prediction(section(text, "Predict first"))
        short = text.partition("<!-- slide -->")[2].partition("<!-- end slide -->")[0]
        parts = {"Objectives": "aims", "Discuss": "discuss", "Homework": "homework",
                 "Take home": "last"}  # fmt: skip
        return render(
            "slides.html",
            title=_title(path),
            page=f"../{path.stem}.html",
            hours=f"{hours(text):g}",
            ask=prose(ask, path),
            options=prose(options, path),
            questions=questions,
            image=_image,
            short=prose(short, path),
            **{key: prose(section(text, part), path) for part, key in parts.items()},
        )
    except RunError as error:
        raise RunError(f"slides of {path.stem}: {error}") from None


def _prediction(text):
    """Question and options (a list, as Markdown) of a box "predict first"."""
    found = re.search(r":class: predict\n\n((?:.+\n)+)\n((?:- .*\n(?:  .*\n)*)+)", text)
    if not found:
        raise RunError("'Predict first' needs a question and a list of options")
    return found[1], found[2]


def write(out):
    """Write the slides of every session that is staged in `out`: set of their paths.

    They stand in ``out/extra``, which the renderer copies to the top of the site as it is.
    """
    paths = set()
    for path in sorted((out / "course").glob("[0-9]*.md")):
        target = out / "extra" / "course" / "slides" / f"{path.stem}.html"
        write_if_changed(target, str(deck(path)) + "\n")
        paths.add(target)
    return paths

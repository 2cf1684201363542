"""Exercises of the course: student notebooks, pages with hidden solutions, and checks.

::

    python -m empdis_utils.press.course FOLDER     (write the student notebooks; see `make course`)

One percent script per set, ``book/course/exercises/NN_name.py``, is the only source. Its cells are
prose and set-up code, and for each exercise, by tag:

``stub``
    what the student fills in.
``solution``
    one that passes; code, and prose if it needs any.
``check``
    ``def check(...)``: asserts on the answers, which are its arguments, by name. The messages say
    what is wrong, not what is right.
``wrong``
    a typical mistake. Its first line, ``# says: ...``, is part of the message that it must get.

Students see neither ``solution`` nor ``wrong``, and only the call of the check.
"""

import argparse
import ast
import functools
import inspect
import json
import re
from pathlib import Path
from typing import NamedTuple

from empdis_utils.places import ROOT

__all__ = [
    "Cell", "call", "check", "execute", "notebook", "page", "pages", "read", "sets", "verdict",
]  # fmt: skip

EXERCISES = ROOT / "book" / "course" / "exercises"
MARK = re.compile(r"^# %%(.*)$", re.MULTILINE)


class Cell(NamedTuple):
    """One cell of a script: is it prose, its tag ("" for none), its text, its exercise (from 1).

    Cells before the first stub belong to exercise 0.
    """

    prose: bool
    tag: str
    text: str
    exercise: int


def sets():
    """Names of the exercise sets, in order."""
    return sorted(path.stem for path in EXERCISES.glob("*.py"))


@functools.cache
def read(name):
    """Cells of one set: list of Cell.

    Raises
    ------
    ValueError
        No such set, with the known ones; or a tag that means nothing.
    """
    path = EXERCISES / f"{name}.py"
    if not path.exists():
        raise ValueError(f"no exercises '{name}': known are {', '.join(sets())}")
    _, *pieces = MARK.split(path.read_text(encoding="utf-8"))
    cells, exercise = [], 0
    for head, body in zip(pieces[::2], pieces[1::2], strict=True):
        found = re.search(r'tags=\["(\w+)"\]', head)
        tag, prose, body = found[1] if found else "", "[markdown]" in head, body.strip("\n")
        if tag not in ("", "stub", "solution", "check", "wrong"):
            raise ValueError(f"{path.name}: no tag '{tag}'")
        exercise += tag == "stub"
        if prose:
            body = re.sub(r"^# ?", "", body, flags=re.MULTILINE)
        cells.append(Cell(prose, tag, body, exercise))
    return cells


def call(cell, name):
    """The line that a student runs instead of a check cell."""
    (function,) = (n for n in ast.parse(cell.text).body if isinstance(n, ast.FunctionDef))
    answers = ", ".join(argument.arg for argument in function.args.args)
    return f'check("{name}", {cell.exercise}, {answers})'


def notebook(name):
    """The student notebook of a set (nbformat 4.5 dict): stubs, and calls of the checks."""
    cells = []
    for cell in read(name):
        if cell.tag in ("solution", "wrong"):
            continue
        text = call(cell, name) if cell.tag == "check" else cell.text
        made = {"cell_type": "markdown", "id": f"c{len(cells)}", "metadata": {}, "source": text}
        if not cell.prose:
            made |= {"cell_type": "code", "execution_count": None, "outputs": []}
        cells.append(made)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def page(name):
    """The page of a set in MyST Markdown: as the notebook, with solutions folded away."""
    parts, solution = [], []

    def close():
        if solution:
            inside = "\n\n".join(solution)
            parts.append(f"````{{dropdown}} Solution of exercise {number}\n{inside}\n````")
            solution.clear()

    number = 0
    for cell in read(name):
        if cell.tag == "wrong":
            continue
        text = call(cell, name) if cell.tag == "check" else cell.text
        text = text if cell.prose else f"```python\n{text}\n```"
        if cell.tag == "solution":
            number = cell.exercise
            solution.append(text)
            continue
        if cell.tag != "check":  # the solution goes below the check
            close()
        parts.append(text)
    close()
    title, *rest = parts[0].split("\n")
    how = (
        f"{{download}}`Download as a notebook <../notebooks/{name}.ipynb>` and open it with the "
        "book's environment, or run `make course` for all of them. The page shows no outputs: they "
        "are yours to make."
    )
    return "\n\n".join([title, how, "\n".join(rest).strip(), *parts[1:]]) + "\n"


def pages():
    """Every generated file of the course: dict of path under the book's source to text."""
    made = {}
    for name in sets():
        made[f"course/exercises/{name}.md"] = page(name)
        made[f"course/notebooks/{name}.ipynb"] = json.dumps(notebook(name), indent=1) + "\n"
    return made


@functools.cache
def _setup(name):
    """Names that the set-up cells of a set define: dict."""
    names = {}
    for cell in read(name):
        if not (cell.prose or cell.tag):
            exec(compile(cell.text, f"<{name}, set-up>", "exec"), names)
    return names


def execute(name, text):
    """Run the text of a cell after the set-up of its set: dict of all names then defined."""
    names = dict(_setup(name))
    exec(compile(text, f"<{name}>", "exec"), names)
    return names


def _filled(what, answer):
    """`answer`, refused when it is still a stub; a function's calls are watched likewise."""
    if answer is None or answer is ...:
        raise AssertionError(f"{what} is still empty: put your answer in place of the dots")
    if not inspect.isfunction(answer):
        return answer

    @functools.wraps(answer)
    def watched(*args, **kwargs):
        return _filled(f"what {what} returns", answer(*args, **kwargs))

    return watched


def verdict(name, number, *answers):
    """What is wrong with the answers to one exercise: a sentence, or "" when nothing is.

    Parameters
    ----------
    name : str
        The set.
    number : int
        The exercise, from 1.
    answers
        In the order of the check's arguments.

    Raises
    ------
    ValueError
        No such set or exercise.
    """
    found = [c for c in read(name) if c.tag == "check" and c.exercise == number]
    if len(found) != 1:
        raise ValueError(f"{name} has no exercise {number}")
    check_them = execute(name, found[0].text)["check"]
    asked = inspect.signature(check_them).parameters
    try:
        check_them(*(_filled(*pair) for pair in zip(asked, answers, strict=True)))
    except AssertionError as error:
        return str(error)
    except Exception as error:  # a student's mistake may raise anything: say what, and go on
        return f"your code stopped with {type(error).__name__}: {error}"
    return ""


def check(name, number, *answers):
    """Print what `verdict` says: for the notebooks."""
    wrong = verdict(name, number, *answers)
    print(f"Exercise {number}: not yet. {wrong}." if wrong else f"Exercise {number}: right.")


def main(arguments=None):
    """Command line: write the student notebooks into a folder; files that are there are kept."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in sets():
        path = folder / f"{name}.ipynb"
        if path.exists():
            print(f"{path}: kept, it may hold your work (delete it to start afresh)")
            continue
        path.write_text(json.dumps(notebook(name), indent=1) + "\n", encoding="utf-8")
        print(f"{path}: new")


if __name__ == "__main__":
    main()

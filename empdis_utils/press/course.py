"""Exercises of the course: student notebooks, pages, checks, and assignments for nbgrader.

::

    python -m empdis_utils.press.course FOLDER              (student notebooks; `make course`)
    python -m empdis_utils.press.course FOLDER --nbgrader   (`make course FORMAT=nbgrader`)

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

Students see neither ``solution`` nor ``wrong``, and only the call of the check. With
``SOLUTIONS=yes`` (`make instructor`) the pages have them, and the site a folder of its own.
"""

import argparse
import ast
import functools
import inspect
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

from empdis_utils.places import ROOT

__all__ = [
    "Cell", "assignment", "call", "check", "execute", "launch", "notebook", "page", "pages", "read",
    "require", "sets", "site", "verdict", "write",
]  # fmt: skip

EXERCISES = ROOT / "book" / "course" / "exercises"
MARK = re.compile(r"^# %%(.*)$", re.MULTILINE)
POINTS = {"routine": 1, "medium": 2, "open": 2}  # an open exercise has a point for its reasons, too
NOT_FOR_STUDENTS = """```{admonition} With solutions
:class: warning
For teachers. Do not publish this copy.
```"""
REASONS = "Your reasons, in three sentences:"
# What nbgrader reads beside the assignments: one line says where to write.
CONFIG = """c = get_config()
c.CourseDirectory.course_id = "mixed_signals"
c.ClearSolutions.code_stub = {"python": "# Put your answer in place of the dots above."}
"""


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


def _notebook(cells):
    """A notebook (nbformat 4.5 dict) of pairs: is it prose, its text, metadata for nbgrader."""
    made = []
    for prose, text, graded in cells:
        cell = {"id": f"c{len(made)}", "metadata": {"nbgrader": graded} if graded else {}}
        if prose:
            cell |= {"cell_type": "markdown", "source": text}
        else:
            cell |= {"cell_type": "code", "execution_count": None, "outputs": [], "source": text}
        made.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def notebook(name):
    """The student notebook of a set (nbformat 4.5 dict): stubs, and calls of the checks."""
    return _notebook(
        (cell.prose, call(cell, name) if cell.tag == "check" else cell.text, None)
        for cell in read(name)
        if cell.tag not in ("solution", "wrong")
    )


def _graded(name, exercise, part, points=None, solution=False):
    """Metadata of one cell, by nbgrader's schema 3. With points it is graded."""
    made = {
        "schema_version": 3,
        "grade_id": f"{name}-{exercise}-{part}",
        "grade": points is not None,
        "solution": solution,
        "locked": not solution,
        "task": False,
    }
    return made if points is None else {**made, "points": points}


def assignment(name):
    """A set as nbgrader's source notebook (nbformat 4.5 dict), solutions marked.

    Set-up code is locked. An answer is the stub with the solution below it, between the marks that
    nbgrader cuts out. The call of the check is the graded test. An open exercise has a cell for
    reasons, graded by hand. Points: `POINTS`, by the level in the exercise's title.

    Raises
    ------
    ValueError
        A title that names no level.
    """
    cells, levels = [], {}
    for cell in read(name):
        here = [c for c in read(name) if c.exercise == cell.exercise]
        reasons = "\n\n".join(c.text for c in here if c.tag == "solution" and c.prose)
        if cell.prose and not cell.tag:
            cells.append((True, cell.text, None))
            for number, level in re.findall(r"^## (\d+)\..*\b(\w+)\)$", cell.text, re.M):
                levels[int(number)] = level
        elif not cell.tag:
            cells.append((False, cell.text, _graded(name, len(cells), "given")))
        elif cell.tag == "stub":
            code = "\n\n".join(c.text for c in here if c.tag == "solution" and not c.prose)
            marked = f"{cell.text}\n\n\n### BEGIN SOLUTION\n{code}\n### END SOLUTION"
            told = _graded(name, cell.exercise, "answer", solution=True)
            cells.append((False, marked, told))
        elif cell.tag == "check":
            level = levels.get(cell.exercise)
            if level not in POINTS:
                raise ValueError(f"{name}: the title of exercise {cell.exercise} names no level")
            test = call(cell, name).replace("check(", "require(", 1)
            test = f"from empdis_utils.press.course import require\n\n{test}"
            cells.append((False, test, _graded(name, cell.exercise, "test", POINTS[level])))
            if level == "open":
                marked = f"{REASONS}\n\n### BEGIN SOLUTION\n{reasons}\n### END SOLUTION"
                told = _graded(name, cell.exercise, "reasons", 1, solution=True)
                cells.append((True, marked, told))
    return _notebook(cells)


def launch(name, repository):
    """Markdown: how to work on a set without installing anything, for ``owner/name`` on GitHub."""
    lab = f"{repository}/HEAD?labpath=my-exercises%2F{name}.ipynb"
    return f"[Open in Binder](https://mybinder.org/v2/gh/{lab}): nothing to install."


def page(name, solutions=False, repository=""):
    """The page of a set in MyST Markdown: as the notebook.

    Parameters
    ----------
    name : str
    solutions : bool
        With the solutions, folded away: for teachers.
    repository : str
        ``owner/name`` on GitHub, for a launch button; empty: none.
    """
    parts, solution = [], []

    def close():
        if solution:
            inside = "\n\n".join(solution)
            parts.append(f"````{{dropdown}} Solution of exercise {number}\n{inside}\n````")
            solution.clear()

    number = 0
    for cell in read(name):
        if cell.tag == "wrong" or (cell.tag == "solution" and not solutions):
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
    if repository:
        how += " " + launch(name, repository)
    if solutions:
        how += f"\n\n{NOT_FOR_STUDENTS}"
    return "\n\n".join([title, how, "\n".join(rest).strip(), *parts[1:]]) + "\n"


def _solutions():
    return os.environ.get("SOLUTIONS") == "yes"


def site(build):
    """Folder of the site that is asked for: `build`, or with solutions one of its own inside."""
    if not _solutions():
        return build
    apart = build / "instructor"
    apart.mkdir(parents=True, exist_ok=True)
    if not (apart / "runs").is_symlink():
        (apart / "runs").symlink_to(Path("..", "runs"), target_is_directory=True)
    return apart


def pages():
    """Every generated file of the course: dict of path under the book's source to text."""
    made = {}
    for name in sets():
        made[f"course/exercises/{name}.md"] = page(name, _solutions(), os.environ.get("REPO", ""))
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


def require(name, number, *answers):
    """Refuse answers that `verdict` finds wrong: for notebooks that nbgrader grades.

    Raises
    ------
    AssertionError
        With the sentence of the verdict.
    """
    if wrong := verdict(name, number, *answers):
        raise AssertionError(wrong)


def write(folder, nbgrader=False):
    """Write the notebooks into a folder; files that are there are kept. Prints what it does.

    For nbgrader each set is an assignment: ``source/NAME/NAME.ipynb``, with its settings beside.
    """
    texts = {}
    for name in sets():
        if not nbgrader:
            texts[folder / f"{name}.ipynb"] = json.dumps(notebook(name), indent=1) + "\n"
        elif any(cell.tag == "stub" for cell in read(name)):
            path = folder / "source" / name / f"{name}.ipynb"
            texts[path] = json.dumps(assignment(name), indent=1) + "\n"
    if nbgrader:
        texts[folder / "nbgrader_config.py"] = CONFIG
    for path, text in texts.items():
        if path.exists():
            print(f"{path}: kept, it may hold your work (delete it to start afresh)")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"{path}: new")


def main(arguments=None):
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nbgrader", action="store_true", help="assignments with solutions")
    asked = parser.parse_args(arguments)
    write(asked.folder, asked.nbgrader)


if __name__ == "__main__":
    main()

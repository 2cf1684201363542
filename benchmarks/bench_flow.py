"""How long the book takes: from a clean clone, with nothing to do, after a prose edit.

In a clone of the project (so what is not committed is not in it), with no corpus but the synthetic
one. The environment comes from the package index, as for a new user. The first page is there when
`make book` says so: released pages, before anything runs.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import figures

ROOT = Path(__file__).resolve().parents[1]


def seconds(clone, *command):
    """Wall-clock seconds of a command in the clone."""
    return seconds_until(clone, "", *command)[0]


def seconds_until(clone, word, *command):
    """Wall-clock seconds of a command in the clone, and those until it says a word (or NaN).

    Raises
    ------
    subprocess.CalledProcessError
        The command failed.
    """
    environment = {**os.environ, "EMPDIS_CACHE": str(clone / "cache"), "EMPDIS_DATA": ""}
    started, said = time.perf_counter(), float("nan")
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=clone, env=environment, **options) as running:
        for line in running.stdout:
            if word and said != said and line.startswith(word):
                said = time.perf_counter() - started
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return time.perf_counter() - started, said


def main():
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "project"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        book = ("make", "book")
        ready = seconds(clone, "make", "env")
        figures.record("make env, in a clean clone", ready, "s")
        whole, first = seconds_until(clone, "[page] open", *book)
        figures.record("clean clone to the first page, released", ready + first, "s")
        figures.record("make book, nothing run yet", whole, "s")
        figures.record("clean clone to the book with a run of its own", ready + whole, "s")
        figures.record("make book, nothing to do", seconds(clone, *book), "s")
        with open(clone / "book" / "glossary.md", "a", encoding="utf-8") as page:
            page.write("\nOne more sentence.\n")
        figures.record("make book, after an edit of a prose page", seconds(clone, *book), "s")
        notebook = clone / "notebooks" / "06_entropy.ipynb"
        notebook.write_text(notebook.read_text().replace("## Definition", "## The definition"))
        taken = seconds(clone, *book)
        figures.record("make book, after an edit of a chapter's prose", taken, "s")


if __name__ == "__main__":
    main()

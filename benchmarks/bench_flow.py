"""How long the book takes: from a clean clone, with nothing to do, after a prose edit.

In a clone of the project (so what is not committed is not in it), on the synthetic corpus. The
environment comes from the package index, as for a new user.
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
    environment = {**os.environ, "EMPDIS_CACHE": str(clone / "cache"), "EMPDIS_DATA": ""}
    started = time.perf_counter()
    subprocess.run(command, cwd=clone, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def main():
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "project"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        book = ("make", "book", "PROFILES=fixture")
        ready = seconds(clone, "make", "env")
        figures.record("make env, in a clean clone", ready, "s")
        first = seconds(clone, *book)
        figures.record("make book, nothing run yet", first, "s")
        figures.record("clean clone to the first page", ready + first, "s")
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

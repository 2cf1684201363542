"""How long the book takes: from no run, with nothing to do, after a prose edit.

In a copy of the project, with this environment, on the synthetic corpus.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def timed(copy, what, goal):
    """Run make book in `copy`; print seconds beside the goal."""
    command = ["make", "book", "PROFILES=fixture", f"PY={sys.executable}"]
    caches = {"EMPDIS_CACHE": str(copy / "cache")}  # nothing is measured yet
    environment = {**os.environ, **caches, "PYTHONPATH": str(copy), "EMPDIS_DATA": ""}
    started = time.perf_counter()
    subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True)
    print(f"make book, {what}: {time.perf_counter() - started:.1f} s (goal: {goal} s)", flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(
            ROOT, copy, ignore=shutil.ignore_patterns(".venv", "_build", ".git", "*.egg-info")
        )
        timed(copy, "environment ready, nothing run yet", 240)
        timed(copy, "nothing to do", 2)
        with open(copy / "book" / "glossary.md", "a", encoding="utf-8") as page:
            page.write("\nOne more sentence.\n")
        timed(copy, "after an edit of a prose page", 10)
        notebook = copy / "notebooks" / "06_entropy.ipynb"
        notebook.write_text(notebook.read_text().replace("## Definition", "## The definition"))
        timed(copy, "after an edit of a chapter's prose", 10)


if __name__ == "__main__":
    main()

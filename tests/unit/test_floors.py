"""The floors of the house: import-linter holds the contracts in pyproject.toml, and can fail."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = "import sys; from importlinter.cli import lint_imports_command as lint; lint(sys.argv[1:])"


def lint(folder):
    """Exit code and report of import-linter on the package in `folder`."""
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--config", str(ROOT / "pyproject.toml")],
        **{"cwd": folder, "env": {"PYTHONPATH": str(folder)}, "capture_output": True, "text": True},
    )
    return done.returncode, done.stdout + done.stderr


def test_no_room_imports_from_above_and_no_imports_run_in_circles():
    code, report = lint(ROOT)
    assert code == 0, report
    assert "3 kept, 0 broken" in report


@pytest.mark.parametrize(
    "module, line, broken",
    [
        ("measures/scores.py", "from empdis_utils.press import run", "rooms below it BROKEN"),
        ("measures/scores.py", "import torch", "nothing of models, features or corpora BROKEN"),
        ("data/hashes.py", "from empdis_utils.data import media", "No circles.* BROKEN"),
        ("attic.py", "", "attic"),  # a module that stands in no room
    ],
)
def test_a_wrong_import_breaks_a_contract(tmp_path, module, line, broken):
    shutil.copytree(ROOT / "empdis_utils", tmp_path / "empdis_utils")
    with open(tmp_path / "empdis_utils" / module, "a") as file:
        file.write(f"{line}\n")
    code, report = lint(tmp_path)
    assert code == 1
    assert re.search(broken, report), report

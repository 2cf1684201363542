"""What is installed, and what the workflow runs, is named by its content. Oracle: the grammar."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from empdis_utils.places import ROOT

HASH = r"( \\\n    --hash=sha256:[0-9a-f]{64})+"


def test_every_pin_has_a_hash_but_torch():
    """torch's CPU builds have other bytes than the file on PyPI, and each system its own."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entry = rf"(?m)^([a-z0-9.-]+)==[^\s;]+(?: ; [^\\\n]+)?{HASH}\n"
    names = [found[1] for found in re.finditer(entry, lock)]
    assert re.sub(entry, "", lock) == ""
    assert len(set(names)) > 200
    assert not [n for n in names if re.match(r"torch$|nvidia-|cuda-|triton", n)]


def test_torch_is_pinned_as_the_package_asks():
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    torch = [need for need in asked["dependencies"] if need.startswith("torch==")]
    assert (ROOT / "requirements-torch.lock").read_text(encoding="utf-8").split() == torch


@pytest.fixture(scope="module")
def steps():
    text = (ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")
    return text, [s for job in yaml.safe_load(text)["jobs"].values() for s in job["steps"]]


def test_actions_are_pinned_to_commits(steps):
    text, found = steps
    used = [step["uses"] for step in found if "uses" in step]
    assert len(used) == 6
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        assert re.search(rf"{action} # v\d+\.\d+\.\d+\n", text), f"{action}: which version?"


def test_the_workflow_is_what_github_reads_and_has_no_known_weakness():
    """Oracle: GitHub's schema of workflows, as check-jsonschema carries it; and zizmor's audits."""
    folder = ROOT / ".github" / "workflows"
    schema = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
    ]
    zizmor = [str(Path(sys.executable).with_name("zizmor")), "--offline", "--no-progress"]
    for call in ([*schema, *map(str, folder.iterdir())], [*zizmor, str(folder)]):
        done = subprocess.run(call, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_checkout_keeps_no_credentials(steps):
    checkouts = [step for step in steps[1] if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == 2
    for step in checkouts:
        assert step["with"]["persist-credentials"] is False

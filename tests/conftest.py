"""Shared by the tests that run chapters: make, and the book of the synthetic corpus."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build" / "test"  # kept between test runs: only what changed runs again


def make(*words, build=BUILD, data="", check=True, **options):
    """Run make with this Python and the corpora in `data` only; returns the finished process."""
    environment = {
        **os.environ,
        "EMPDIS_DATA": str(data),
        "XDG_CACHE_HOME": str(build / "no-cache"),
    }
    command = ["make", *words, f"PY={sys.executable}", f"BUILD={build}"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, **options
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


@pytest.fixture(scope="session")
def fixture_book():
    """The book of the synthetic corpus, run and rendered by make; returns the build folder."""
    make("book", "PROFILES=fixture")
    return BUILD


@pytest.fixture(scope="session")
def artifacts(fixture_book):
    """The tables of the synthetic run."""
    return fixture_book / "runs" / "fixture" / "artifacts"

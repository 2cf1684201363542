"""What every test stands on, and what tests that run chapters share: make, the synthetic book."""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build" / "test"  # kept between test runs: only what changed runs again

# A busy machine is no fault, and what fails anywhere must fail everywhere.
settings.register_profile(
    "anywhere", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("anywhere")

# Run first, longest first, while there is other work for the other processes. The first builds the
# book, which takes the longest; those after it need none of it. The rest follows as collected.
FIRST = (
    "browser/test_site.py",
    "notebooks/test_sequences.py",
    "notebooks/test_real_profiles.py",
    "notebooks/test_paper_profile.py",
    "notebooks/test_predictions.py",
)


def pytest_collection_modifyitems(items):
    """Order the files as in `FIRST`; with ``--no-loadscope-reorder`` xdist keeps that order."""
    rank = {ROOT / "tests" / name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path, len(FIRST)))


def machine():
    """Lines on what arithmetic runs here: a red run elsewhere can be understood from its log."""
    import threadpoolctl

    from empdis_utils.press.run import hardware

    pools = [
        f"{pool['internal_api']} {pool.get('version')} ({pool.get('architecture', '-')}, "
        f"{pool['num_threads']} threads)"
        for pool in threadpoolctl.threadpool_info()
    ]
    names = ("numpy", "scipy", "pandas", "statsmodels", "scikit-learn", "torch")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    wanted = ("OPENBLAS_", "OMP_", "MKL_", "ATEN_", "NPY_", "ONEDNN_")
    asked = [f"{name}={os.environ[name]}" for name in sorted(os.environ) if name.startswith(wanted)]
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg()) if hasattr(os, "getloadavg") else "?"
    lines = [
        f"machine: {hardware()}; load {load}",
        f"python: {platform.python_version()}; {packages}",
        f"arithmetic: {'; '.join(dict.fromkeys(pools)) or 'no library loaded'}",
        f"environment: {' '.join(asked) or 'nothing set'}",
    ]
    if torch := sys.modules.get("torch"):
        capability = torch.backends.cpu.get_cpu_capability()
        lines.insert(3, f"torch: {capability}, {torch.get_num_threads()} threads")
    return lines


def pytest_sessionstart(session):
    """Say before the first test what machine this is (``-q`` leaves pytest's own header out).

    One process says it for all that run tests side by side.
    """
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not session.config.option.collectonly:
        import numpy  # noqa: F401  (loaded, so that they can be asked)
        import torch  # noqa: F401

        for line in machine():
            reporter.write_line(line)


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

"""Make as the DAG: what reruns when, what a failure leaves behind, and that a killed run resumes.

Everything happens in a copy of the project, on an invented stand-in for a real corpus.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import standins

from empdis_utils import tables
from tests.conftest import ROOT


@pytest.fixture
def copy(tmp_path):
    """A copy of the project's sources, and stand-ins for CREMA-D and MOSI."""
    project = tmp_path / "project"
    project.mkdir()
    settings = ("Makefile", "pyproject.toml", "requirements.lock", "_config.yml", "_toc.yml")
    for name in (*settings, "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, project)
    for name in ("notebooks", "empdis_utils", "book"):
        shutil.copytree(ROOT / name, project / name)
    for name in ("cremad", "mosi"):
        getattr(standins, name)(tmp_path / "data")
    return project


def command(copy, *words):
    return ["make", *words, f"PY={sys.executable}", "JOBS=1"], {
        "cwd": copy,
        "env": {**os.environ, "EMPDIS_DATA": str(copy.parent / "data"), "PYTHONPATH": str(copy)},
        "text": True,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
    }


def make(copy, *words, ok=True):
    words, options = command(copy, *words)
    done = subprocess.run(words, **options)
    assert (done.returncode == 0) == ok, done.stdout[-3000:]
    return done.stdout


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_helpers_rerun_chapters_and_prose_does_not(copy):
    assert "[done] cremad 07_human_study" in make(copy, "study", "PROFILE=cremad")
    assert "[run ]" not in make(copy, "study", "PROFILE=cremad")

    notebook = copy / "notebooks/07_human_study.ipynb"
    edit(notebook, "This page measures agreement", "This page, edited, measures agreement")
    assert "[run ]" not in make(copy, "study", "PROFILE=cremad")
    stage = [
        sys.executable,
        "-m",
        "empdis_utils.book",
        "stage",
        "--runs",
        "_build/runs",
        "--out",
        "s",
    ]
    subprocess.run(stage, check=True, cwd=copy)
    page = (copy / "s/runs/cremad/07_human_study.ipynb").read_text()
    assert "This page, edited, measures agreement" in page

    (copy / "empdis_utils/agreement.py").open("a").write("\n# a change\n")
    assert "[done] cremad 07_human_study" in make(copy, "study", "PROFILE=cremad")

    edit(notebook, "kappa[shown].round(3)", "kappa[shown].round(2)")
    assert "[done] cremad 07_human_study" in make(copy, "study", "PROFILE=cremad")


def test_a_changed_parameter_runs_aside(copy):
    make(copy, "study", "PROFILE=cremad")
    default = copy / "_build/runs/cremad"
    before = {p: p.stat().st_mtime_ns for p in default.rglob("*") if p.is_file()}
    said = make(copy, "study", "PROFILE=cremad", "NB=07_human_study", "P=n_boot=50 seed=7")
    aside = copy / "_build/runs/cremad--07_human_study--n_boot-50-seed-7"
    assert str(aside.relative_to(copy)) in said
    assert (aside / "artifacts/kappa.parquet").exists()
    assert before == {p: p.stat().st_mtime_ns for p in default.rglob("*") if p.is_file()}
    story = json.loads((aside / "provenance.json").read_text())["chapters"]["07_human_study"]
    assert story["parameters"]["n_boot"] == 50 and story["overrides"] == ["n_boot=50", "seed=7"]


def test_an_unknown_parameter_is_refused_before_anything_runs(copy):
    said = make(copy, "study", "PROFILE=mosi", "NB=04_quadrants", "P=treshold=0.6", ok=False)
    assert "04_quadrants has no parameter treshold" in said and "threshold" in said
    assert "[run ]" not in said
    edit(copy / "notebooks/profiles/mosi.yaml", "03_fusion:", "03_fusion:\n  recpie: paper")
    said = make(copy, "study", "PROFILE=mosi", ok=False)
    assert "03_fusion has no parameter recpie" in said and "[run ]" not in said


def test_a_failed_chapter_fails_make_and_leaves_other_pages(copy):
    make(copy, "study", "PROFILE=cremad")
    page = copy / "_build/runs/cremad/07_human_study.ipynb"
    before = page.read_bytes()
    (copy.parent / "data/mosi/text_train.csv").write_text("")
    said = make(copy, "study", "PROFILE=mosi", ok=False)
    assert "text_train.csv" in said and "[fail]" in said
    assert page.read_bytes() == before


def test_a_killed_run_resumes_to_the_same_tables(copy):
    words, options = command(copy, "study", "PROFILE=mosi", "NB=06_entropy")
    started = subprocess.Popen(words, start_new_session=True, **options)
    half = copy / "_build/runs/mosi/.03_fusion.aside"
    for _ in range(1200):
        if half.exists():
            break
        time.sleep(0.1)
    else:
        pytest.fail("03_fusion did not start within two minutes")
    time.sleep(2)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert not (copy / "_build/runs/mosi/03_fusion.ipynb").exists()

    said = make(copy, "study", "PROFILE=mosi", "NB=06_entropy")
    assert "[run ] mosi 01_data" not in said and "[done] mosi 06_entropy" in said
    make(copy, "study", "PROFILE=mosi", "NB=06_entropy", "BUILD=other")
    resumed, whole = (copy / build / "runs/mosi/artifacts" for build in ("_build", "other"))
    names = sorted(p.relative_to(whole) for p in whole.rglob("*.parquet"))
    assert len(names) > 15
    for name in names:
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name


def test_help_explains_every_target_in_one_line(copy):
    said = make(copy, "help")
    assert "P changes one chapter" in make(copy, "study", "PROFILE=mosi", "P=seed=7", ok=False)
    for target in ("env", "book", "test", "study", "data", "bench", "clean"):
        line = next(x for x in said.splitlines() if x.split()[:2] == ["make", target])
        assert len(line.split()) > 4


def test_audit_makes_its_page_for_any_manifest_and_says_what_is_missing(copy):
    rng = np.random.default_rng(0)
    recording = np.arange(90) % 3  # fewer than folds
    y = (rng.random(90) < np.array([0.9, 0.1, 0.5])[recording]).astype(int)
    frame = pd.DataFrame(
        {
            **{"clip_id": [f"c{i}" for i in range(90)], "dialog_id": [f"d{r}" for r in recording]},
            **{"transcript": "", "label": [f"l{k}" for k in y], "y": y},
            "split": rng.choice(["train", "test"], 90),
        }
    )
    frame.to_csv(copy / "mine.csv", index=False)
    (copy / "_build/runs/predictions").mkdir(parents=True)  # remembers a file of its own
    (copy / "_build/runs/predictions/.csv").write_text("mine.csv\n\n")
    assert "Which manifest?" in make(copy, "audit", ok=False)
    make(copy, "audit", "CSV=mine.csv")
    artifacts = copy / "_build/runs/audit/artifacts"
    accuracy = tables.read(artifacts, "split_accuracy").set_index(["features", "folds"])["accuracy"]
    assert set(accuracy.index.get_level_values(0)) == {"recording only"}  # no words, no features
    best = sum(
        max(part.mean(), 1 - part.mean()) * len(part) for _, part in frame["y"].groupby(recording)
    )
    assert accuracy["recording only", "random"] == pytest.approx(best / 90, abs=0.05)
    assert "Which manifest?" in make(copy, "audit", ok=False)
    frame.assign(y=0, label="l0").to_csv(copy / "mine.csv", index=False)
    assert "this page compares two classes" in make(copy, "audit", "CSV=mine.csv", ok=False)

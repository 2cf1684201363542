"""Run one chapter with papermill: the few things that papermill leaves out.

A parameter that the notebook does not have, or a value outside its limits, is refused before
anything runs. The executed notebook
and its tables are written aside and renamed, so that a half-written file is never taken for a
finished one. What went in and what came out is recorded in ``provenance.json``.

::

    python -m empdis_utils.run check PROFILE [CHAPTER] [-p name=value ...]
    python -m empdis_utils.run chapter PROFILE CHAPTER --runs DIR [--run NAME] [-p name=value ...]
"""

import argparse
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from . import limits

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
GIVEN_BY_RUN = ("profile", "inputs_dir", "outputs_dir")
PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "scikit-learn", "torch", "transformers")
SINGLE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# One thread per chapter: the same bytes on any number of cores.
KERNEL_ENVIRONMENT = {
    **dict.fromkeys(SINGLE_THREAD, "1"),
    **{"PYTHONHASHSEED": "0", "TOKENIZERS_PARALLELISM": "false"},
}


class RunError(Exception):
    """A chapter that cannot run or did not finish; the message is for the reader."""


def read_profile(name):
    """Read ``notebooks/profiles/NAME.yaml`` (or a path to a YAML file) as a dict.

    Keys: ``title``, ``all`` (parameters of every chapter), and one key per chapter with that
    chapter's own parameters. The chapters that are named are the ones that the profile runs.
    """
    path = NOTEBOOKS / "profiles" / f"{name}.yaml"
    if not path.exists():
        known = sorted(p.stem for p in path.parent.glob("*.yaml"))
        raise RunError(f"no profile '{name}': known are {', '.join(known)} ({path.parent})")
    profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    profile["chapters"] = [key for key in profile if key[:2].isdigit()]
    return profile


def notebook_parameters(chapter):
    """Parse the one ``parameters`` cell of a chapter: dict name -> literal default.

    Raises
    ------
    RunError
        No such notebook, no or several ``parameters`` cells, or a value that is not a literal.
    """
    import ast

    path = NOTEBOOKS / f"{chapter}.ipynb"
    if not path.exists():
        known = sorted(p.stem for p in NOTEBOOKS.glob("*.ipynb"))
        raise RunError(f"no chapter '{chapter}': known are {', '.join(known)}")
    cells = [
        "".join(cell["source"])
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if "parameters" in cell["metadata"].get("tags", [])
    ]
    if len(cells) != 1:
        raise RunError(f"{path.name}: {len(cells)} cells tagged 'parameters', there must be one")
    found = {}
    for node in ast.parse(cells[0]).body:
        try:
            (target,) = node.targets
            found[target.id] = ast.literal_eval(node.value)
        except (AttributeError, ValueError):
            line = ast.unparse(node)
            raise RunError(f"{path.name}: '{line}' is not 'name = literal'") from None
    return found


def chapter_parameters(profile, chapter, overrides=()):
    """Parameters of `chapter` under `profile` with ``name=value`` overrides, all of them known.

    Values are YAML (``threshold=0.6``, ``seeds=[1,2]``).

    Raises
    ------
    RunError
        Lists unknown names and the known ones, or values outside their limits.
    """
    known = notebook_parameters(chapter)
    settings = read_profile(profile)
    given = {**(settings.get("all") or {}), **(settings.get(chapter) or {})}
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            raise RunError(f"'{override}': write a parameter as name=value")
        given[name] = yaml.safe_load(value)
    unknown = sorted(set(given) - set(known) | set(given) & set(GIVEN_BY_RUN))
    if unknown:
        free = sorted(set(known) - set(GIVEN_BY_RUN))
        raise RunError(
            f"{chapter} has no parameter {', '.join(unknown)} (profile {profile}); "
            f"it has: {', '.join(free)}"
        )
    try:
        wrong = limits.problems(given, limits.read(NOTEBOOKS / "limits.yaml"))
    except ValueError as error:
        raise RunError(str(error)) from None
    if wrong:
        raise RunError(f"{chapter} (profile {profile}): {'; '.join(wrong)}")
    return given


def sha256(path):
    """SHA-256 of a file as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_state():
    """Commit of the working tree, with ``+changes`` when it is not clean; 'unknown' without git."""

    def git(*words):
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = git("rev-parse", "HEAD")
    return (commit + ("+changes" if git("status", "--porcelain") else "")) or "unknown"


def hardware():
    """One line: processor, cores, memory, system."""
    import psutil

    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x]
        cpu = names[0].split(":")[1].strip() if names else cpu
    memory = psutil.virtual_memory().total / 2**30
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"


def record(run_dir, chapter, entry):
    """Merge one chapter's entry into ``run_dir/provenance.json`` (locked: chapters run at once)."""
    path = run_dir / "provenance.json"
    with open(run_dir / ".provenance.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        story = json.loads(path.read_text()) if path.exists() else {"chapters": {}}
        story["chapters"][chapter] = entry
        aside = path.with_suffix(".tmp")
        aside.write_text(json.dumps(story, indent=1, sort_keys=True) + "\n")
        aside.replace(path)


def table_owners(run_dir, chapter):
    """Which other chapter of a run wrote a table: dict file name -> chapter."""
    path = run_dir / "provenance.json"
    story = json.loads(path.read_text())["chapters"] if path.exists() else {}
    return {name: c for c, entry in story.items() if c != chapter for name in entry["outputs"]}


def corpus_hashes(corpus):
    """SHA-256 of the files a corpus was read from: dict file name -> hex, {} when none is named."""
    if not corpus:
        return {}
    from . import corpora

    try:
        return dict(corpora.load(corpus).files)
    except corpora.CorpusError as error:
        raise RunError(str(error)) from None


def explain_failure(error, log):
    """Two lines for a person: which cell of the notebook, which error, and where the log is."""
    first = next((x for x in error.source.splitlines() if x.strip()), "")
    cell = error.cell_index  # papermill counts from 0, but has put one cell of parameters in front
    return (
        f"cell {cell} failed with {error.ename}: {error.evalue}\n"
        f"  the cell begins: {first}\n  log: {log}"
    )


@contextmanager
def environment(values):
    """Set environment variables, and put back what was there."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Tee:
    """Write to several streams (what papermill's `stderr_file` accepts)."""

    def __init__(self, *streams):
        self.streams = streams

    def write(self, text):
        for stream in self.streams:
            stream.write(text)
            stream.flush()


def run_chapter(profile, chapter, runs, run=None, overrides=()):
    """Execute one chapter and put its page, tables and provenance into ``runs/run``.

    Parameters
    ----------
    profile, chapter : str
        Names of a profile and of a notebook, without suffix.
    runs : Path
        The folder of all runs.
    run : str, optional
        Name of this run. Default: the profile's own. Tables of earlier chapters are read from the
        profile's own run either way.
    overrides : sequence of str
        ``name=value`` parameters on top of the profile.

    Returns
    -------
    Path
        The executed notebook.

    Raises
    ------
    RunError
        Unknown parameter, or a cell that failed (named, with the log).
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    parameters = chapter_parameters(profile, chapter, overrides)
    chapters = read_profile(profile)["chapters"]
    run_dir, inputs_dir = runs / (run or profile), runs / profile / "artifacts"
    aside, log = run_dir / f".{chapter}.aside", run_dir / "logs" / f"{chapter}.log"
    page = run_dir / f"{chapter}.ipynb"
    shutil.rmtree(aside, ignore_errors=True)
    for folder in (aside, log.parent, run_dir / "artifacts"):
        folder.mkdir(parents=True, exist_ok=True)

    inputs = corpus_hashes(parameters.get("corpus", notebook_parameters(chapter).get("corpus")))
    label = f"{run or profile} {chapter} ({chapters.index(chapter) + 1} of {len(chapters)})"
    print(f"[run ] {label}", flush=True)
    started = time.time()
    with (
        open(log, "w", encoding="utf-8") as log_file,
        TemporaryDirectory() as sockets,
        environment(KERNEL_ENVIRONMENT),
    ):
        try:
            papermill.execute_notebook(
                str(NOTEBOOKS / f"{chapter}.ipynb"),
                str(aside / page.name),
                {**parameters, "profile": profile, "inputs_dir": str(inputs_dir),
                 "outputs_dir": str(aside / "artifacts")},
                kernel_name="python3",
                progress_bar=sys.stderr.isatty(),
                stdout_file=log_file,
                stderr_file=Tee(log_file, sys.stderr) if sys.stderr.isatty() else log_file,
                cwd=str(ROOT),
                config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
            )  # fmt: skip
        except PapermillExecutionError as error:
            log_file.write(str(error))
            failed = run_dir / "logs" / page.name
            (aside / page.name).replace(failed)
            shutil.rmtree(aside)
            raise RunError(
                f"{label}: {explain_failure(error, log)}\n  page so far: {failed}"
            ) from None
    seconds = time.time() - started

    outputs, owners = {}, table_owners(run_dir, chapter)
    for table in sorted((aside / "artifacts").rglob("*.*")):
        name = table.relative_to(aside / "artifacts")
        if str(name) in owners:
            shutil.rmtree(aside)
            raise RunError(f"{label} writes {name}, which {owners[str(name)]} wrote already")
        outputs[str(name)] = sha256(table)
        home = run_dir / "artifacts" / name
        home.parent.mkdir(parents=True, exist_ok=True)
        table.replace(home)
    record(
        run_dir,
        chapter,
        {
            "profile": profile,
            "run": run or profile,
            "parameters": {**notebook_parameters(chapter), **parameters, "profile": profile,
                           "inputs_dir": "", "outputs_dir": ""},
            "overrides": list(overrides),
            "git": git_state(),
            "inputs": inputs,
            "outputs": outputs,
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in PACKAGES},
            "hardware": hardware(),
            "cluster": os.environ.get("EMPDIS_DASK", ""),
            "seconds": round(seconds, 1),
            "started": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(started)),
        },
    )  # fmt: skip
    (aside / page.name).replace(page)
    shutil.rmtree(aside)
    print(f"[done] {label}, {seconds:.0f} s", flush=True)
    return page


def check_encoders(profile):
    """Refuse a profile that asks for all of its encoders when one cannot run, before anything runs.

    The parameter `require_all` of chapter 02 asks. Every missing modality and checkpoint is named.
    """
    chapter = "02_unimodal"
    given = chapter_parameters(profile, chapter)
    if not given.get("require_all"):
        return
    from . import corpora, finetune

    try:
        data = corpora.load({**notebook_parameters(chapter), **given}["corpus"])
    except corpora.CorpusError as error:
        raise RunError(str(error)) from None
    found = finetune.lacking(data, data.manifest, given["encoders"])
    if found:
        lines = "\n  ".join(found)
        raise RunError(f"profile {profile} cannot run, {len(found)} things are missing:\n  {lines}")


def check_cluster():
    """Refuse a Dask cluster (``$EMPDIS_DASK``) that cannot do the work, before anything runs."""
    if os.environ.get("EMPDIS_DASK"):
        from . import per_clip

        try:
            per_clip.cluster(per_clip.scheduler()).close()
        except per_clip.ClusterError as error:
            raise RunError(str(error)) from None


def main(argv=None):
    """Command line; a refused parameter or failed chapter is one message and exit status 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("action", choices=["check", "chapter"])
    parser.add_argument("profile")
    parser.add_argument("chapter", nargs="?")
    parser.add_argument("--runs", type=Path, default=ROOT / "_build" / "runs")
    parser.add_argument("--run")
    parser.add_argument("-p", dest="overrides", action="append", default=[])
    asked = parser.parse_args(argv)
    try:
        if asked.action == "check":
            chapters = [asked.chapter] if asked.chapter else read_profile(asked.profile)["chapters"]
            for chapter in chapters:
                chapter_parameters(asked.profile, chapter, asked.overrides)
            if "02_unimodal" in chapters:
                check_encoders(asked.profile)
            check_cluster()
        else:
            run_chapter(asked.profile, asked.chapter, asked.runs, asked.run, asked.overrides)
    except RunError as error:
        sys.exit(f"[fail] {error}")


if __name__ == "__main__":
    main()

"""Run one chapter with papermill: the few things that papermill leaves out.

Parameters are checked before anything runs (see `parameters`). The executed notebook and its tables
are written aside and renamed, so that a half-written file is never taken for a finished one. What
went in and what came out is recorded in ``provenance.json``, and `why_stale` holds that record
against what is there now.

::

    python -m empdis_utils.press.run job FILE          (one chapter as `flow` wrote it down)
    python -m empdis_utils.press.run check PROFILE [CHAPTER] [-p name=value ...]
    python -m empdis_utils.press.run chapter PROFILE CHAPTER --runs DIR [--run NAME] [-p …]
"""

import argparse
import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from empdis_utils.data.hashes import sha256
from empdis_utils.places import PACKAGES, ROOT, SINGLE_THREAD, hardware
from empdis_utils.press import inputs, parameters
from empdis_utils.press.parameters import (
    RunError,
    all_parameters,
    chapter_parameters,
    notebook_parameters,
    read_profile,
    reads,
)

__all__ = [
    "MemoryWatch", "Tee", "check_cluster", "check_encoders", "check_responder", "corpus_hashes",
    "environment", "execute", "explain_death", "explain_failure", "git_state", "is_outdated",
    "keep", "read_by", "record", "run_chapter", "story", "table_owners", "tables_mark",
    "tables_of", "why_stale", "write_if_changed",
]  # fmt: skip

# One thread per chapter: the same bytes on any number of cores.
KERNEL_ENVIRONMENT = {
    **dict.fromkeys(SINGLE_THREAD, "1"),
    **{"PYTHONHASHSEED": "0", "TOKENIZERS_PARALLELISM": "false"},
}
# joblib starts a process that grew anew, and says so: nothing is lost, and no page needs it.
UNSAID = "ignore:A worker stopped while some jobs were given:UserWarning"
# jsonschema, which nbformat imports, takes over a second to make grammars of web addresses, which
# no notebook is held against. Without their package it does without them.
LEFT_OUT = "rfc3987_syntax"


def _warnings():
    """The warnings that a kernel leaves out: what the caller says, and `UNSAID`."""
    return ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), UNSAID)))


def git_state():
    """Commit of the working tree, with ``+changes`` when it is not clean; 'unknown' without git."""

    def git(*words):
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = git("rev-parse", "HEAD")
    return (commit + ("+changes" if git("status", "--porcelain") else "")) or "unknown"


def story(run_dir):
    """What is recorded of a run: dict chapter -> entry, or None when the record cannot be read."""
    try:
        return json.loads((run_dir / "provenance.json").read_text())["chapters"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def tables_of(runs, name, view=None):
    """Hash of all tables that a chapter wrote (``RUN/CHAPTER``), as its run noted them.

    `view`: see `run_chapter`. A released run has no note: its files are hashed.
    """
    run_name, chapter = name.split("/")
    folder = runs / (view or "") / run_name
    try:
        return inputs.digest(json.loads(tables_mark(folder, chapter).read_text()))
    except (OSError, ValueError):
        made = (story(folder) or {}).get(chapter, {}).get("outputs")
    if made is None:
        return ""
    try:
        return inputs.digest({n: sha256(folder / "artifacts" / n) for n in made})
    except OSError:
        return ""


def tables_mark(run_dir, chapter):
    """The file with the hashes of a chapter's tables; its date tells Make when they changed."""
    return run_dir / ".tables" / f"{chapter}.json"


def write_if_changed(path, content):
    """Write text or bytes, and leave the file (and its date) alone when they are there already."""
    content = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)


def record(run_dir, chapter, entry):
    """Merge one chapter's entry into ``run_dir/provenance.json`` (locked: chapters run at once).

    Its tables leave the entry of any chapter that wrote them before.
    """
    write_if_changed(tables_mark(run_dir, chapter), json.dumps(entry["outputs"], sort_keys=True))
    with open(run_dir / ".provenance.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        chapters = {**(story(run_dir) or {}), chapter: entry}
        for other in (chapters[name] for name in chapters if name != chapter):
            other["outputs"] = {
                name: made
                for name, made in other["outputs"].items()
                if name not in entry["outputs"]
            }
        text = json.dumps({"chapters": chapters}, indent=1, sort_keys=True) + "\n"
        write_if_changed(run_dir / "provenance.json", text)


def table_owners(run_dir, chapter):
    """Which other chapter of a run wrote a table: dict file name -> chapter."""
    chapters = story(run_dir) or {}
    return {n: c for c, entry in chapters.items() if c != chapter for n in entry["outputs"]}


def is_outdated(entry, chapter):
    """Whether a chapter's code or notebook is another than the one its record was made with."""
    if "given" not in entry:
        return True
    now = inputs.code_of(chapter)
    given = {name: made for name, made in entry["given"].items() if " " not in name}
    return bool(set(inputs.changed(given, now)) - {"parameters", "corpus"})


def why_stale(runs, run_name, chapter, entry, now, read, hashes, view=None):
    """Why a finished chapter does not count: list of short reasons, empty when it does.

    Parameters
    ----------
    runs : Path
        The folder of all runs.
    run_name, chapter : str
    entry : dict or None
        What was recorded of it.
    now : dict
        `inputs.of_chapter` of what is there now.
    read : sequence of str
        The chapters whose tables it reads, ``RUN/CHAPTER``.
    hashes : inputs.Hashes
    view : str, optional
        See `run_chapter`.
    """
    run_dir = runs / run_name
    page = run_dir / f"{chapter}.ipynb"
    if entry is None or not page.exists():
        return ["not run yet" if entry is None else "its page is gone"]
    if "given" not in entry:
        return ["made by an older version of the book"]
    reasons = ["its page was changed by hand"] if hashes(page) != entry["page"] else []
    for name, recorded in entry["outputs"].items():
        found = hashes(run_dir / "artifacts" / name)
        if found != recorded:
            reasons.append(f"{name} " + ("was changed by hand" if found else "is gone"))
    reasons += [f"{name} changed" for name in inputs.changed(entry["given"], now)]
    reasons += [
        f"tables of {name} changed"
        for name in sorted({*entry["read"], *read})
        if name not in read or entry["read"].get(name) != tables_of(runs, name, view)
    ]
    return reasons


def corpus_hashes(corpus):
    """SHA-256 of the files a corpus was read from: dict file name -> hex, {} when none is named."""
    if not corpus:
        return {}
    from empdis_utils.data import corpora, dialogues

    try:
        if dialogues.reads(corpus):
            return dialogues.files(corpus)
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


class MemoryWatch:
    """The most memory that the processes below this one held, in bytes, and the least left free."""

    def __init__(self, every=0.5):
        self.most, self.free, self.every = 0, None, every
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        import psutil

        me = psutil.Process()
        while not self._end.is_set():
            held = 0
            for process in me.children(recursive=True):
                try:
                    held += process.memory_info().rss
                except psutil.Error:
                    pass  # it ended in between
            self.most = max(self.most, held)
            free = psutil.virtual_memory().available
            self.free = free if self.free is None else min(self.free, free)
            self._end.wait(self.every)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def explain_death(label, chapter, watch, log):
    """Sentences for a kernel that ended without an error, mostly for want of memory."""
    held, free = (f"{(value or 0) / 2**30:.1f} GiB" for value in (watch.most, watch.free))
    known = notebook_parameters(chapter)
    lower = [n for n in ("n_jobs", "batch_size", "n_draws", "n_boot", "n_seeds") if n in known]
    advice = f"lower {' or '.join(lower)} (P=), " if lower else ""
    return (
        f"{label}: its kernel died. It held up to {held}, and {free} were left free at the least.\n"
        f"  If that is little, {advice}run one chapter at a time (JOBS=1).\n"
        f"  log: {log}"
    )


class Tee:
    """Write to several streams (what papermill's `stderr_file` accepts)."""

    def __init__(self, *streams):
        self.streams = streams

    def write(self, text):
        for stream in self.streams:
            stream.write(text)
            stream.flush()


def read_by(profile, chapter, source=None):
    """Names ``RUN/CHAPTER`` of what a chapter reads from a run of its profile.

    A chapter that the profile does not run is left out. `source` is the run that is read (default:
    the profile's own).
    """
    there = read_profile(profile)["chapters"]
    names = [f"{source or profile}/{name}" for name in reads(chapter) if name in there]
    return names + [name for name in reads(chapter) if "/" in name and "*" not in name]


def run_chapter(profile, chapter, runs, run=None, overrides=(), source=None, read=None, view=None):
    """Execute one chapter and put its page, tables and provenance into ``runs/run``.

    Parameters
    ----------
    profile, chapter : str
        Names of a profile and of a notebook, without suffix.
    runs : Path
        The folder of all runs.
    run : str, optional
        Name of this run. Default: the profile's own.
    overrides : sequence of str
        ``name=value`` parameters on top of the profile.
    source : str, optional
        The run whose tables of earlier chapters are read. Default: the profile's own.
    read : sequence of str, optional
        What is read of other chapters, ``RUN/CHAPTER``, for the record. Default: `read_by`.
    view : str, optional
        A folder below `runs` that stands for it, with the runs that the book shows and no others.

    Returns
    -------
    Path
        The executed notebook.

    Raises
    ------
    RunError
        Unknown parameter, a cell that failed (named, with the log), a kernel that died, or a
        folder that cannot be written.
    """
    chapters = read_profile(profile)["chapters"]
    place = f"{chapters.index(chapter) + 1} of {len(chapters)}" if chapter in chapters else "extra"
    label = f"{run or profile} {chapter} ({place})"
    values = chapter_parameters(profile, chapter, overrides)
    run_dir = runs / (run or profile)
    folders = {
        "profile": profile,
        "inputs_dir": str(runs / (view or "") / (source or profile) / "artifacts"),
        "outputs_dir": str(run_dir / f".{chapter}.aside" / "artifacts"),
    }
    read = read_by(profile, chapter, source) if read is None else read
    try:
        for folder in (run_dir / "logs", run_dir / "artifacts"):
            folder.mkdir(parents=True, exist_ok=True)
        known = all_parameters(profile, chapter, overrides)
        hashes = corpus_hashes(known.get("corpus"))  # downloads what is not at hand
        entry = {
            "profile": profile,
            "run": run or profile,
            "parameters": {**known, "profile": profile, "inputs_dir": "", "outputs_dir": ""},
            "overrides": list(overrides),
            "given": inputs.of_chapter(profile, chapter, overrides),
            "read": {name: tables_of(runs, name, view) for name in read},
            "view": view or "",
            "git": git_state(),
            "inputs": hashes,
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in PACKAGES},
            "hardware": hardware(),
            "cluster": os.environ.get("EMPDIS_DASK", ""),
            "started": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        }
        print(f"[run ] {label}", flush=True)
        started = time.time()
        page = execute(chapter, run_dir, {**values, **folders}, label)
        entry["seconds"] = round(time.time() - started, 1)
        keep(run_dir, chapter, entry, chapters, label)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise RunError(f"{label}: {error.strerror or error}{where}") from None
    print(f"[done] {label}, {entry['seconds']:.0f} s", flush=True)
    return page


def execute(chapter, run_dir, values, label):
    """Run a notebook into ``.CHAPTER.aside`` of a run's folder; returns where its page will be.

    Raises
    ------
    RunError
        A cell that failed, or a kernel that died.
    """
    sys.modules.setdefault(LEFT_OUT, None)
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    aside, log = run_dir / f".{chapter}.aside", run_dir / "logs" / f"{chapter}.log"
    page = run_dir / f"{chapter}.ipynb"
    first = f"__import__('sys').modules.setdefault({LEFT_OUT!r})"  # in the kernel, too
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    with (
        open(log, "w", encoding="utf-8") as log_file,
        TemporaryDirectory() as sockets,
        environment(KERNEL_ENVIRONMENT | {"PYTHONWARNINGS": _warnings()}),
        MemoryWatch() as watch,
    ):
        try:
            papermill.execute_notebook(
                str(parameters.NOTEBOOKS / f"{chapter}.ipynb"),
                str(aside / page.name),
                values,
                kernel_name="python3",
                progress_bar=sys.stderr.isatty(),
                stdout_file=log_file,
                stderr_file=Tee(log_file, sys.stderr) if sys.stderr.isatty() else log_file,
                cwd=str(ROOT),
                config=Config(
                    KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"},
                    NotebookClient={"extra_arguments": [f"--IPKernelApp.exec_lines={first}"]},
                ),
            )
        except (PapermillExecutionError, DeadKernelError) as error:
            log_file.write(str(error))
            failed = run_dir / "logs" / page.name
            (aside / page.name).replace(failed)
            shutil.rmtree(aside)
            said = (
                explain_death(label, chapter, watch, log)
                if isinstance(error, DeadKernelError)
                else f"{label}: {explain_failure(error, log)}"
            )
            raise RunError(f"{said}\n  page so far: {failed}") from None
    return page


def keep(run_dir, chapter, entry, chapters, label):
    """Move what a chapter made from aside to its place, and record it in ``provenance.json``.

    A kill in between is seen later: the files then differ from the record (`why_stale`).

    Raises
    ------
    RunError
        A table that another of the profile's chapters wrote, unless that one has changed since.
    """
    aside, page = run_dir / f".{chapter}.aside", run_dir / f"{chapter}.ipynb"
    recorded = story(run_dir) or {}
    owners = {n: c for n, c in table_owners(run_dir, chapter).items() if c in chapters}
    tables = {
        str(path.relative_to(aside / "artifacts")): path
        for path in sorted((aside / "artifacts").rglob("*.*"))
    }
    for name in tables:
        if name in owners and not is_outdated(recorded[owners[name]], owners[name]):
            shutil.rmtree(aside)
            raise RunError(f"{label} writes {name}, which {owners[name]} wrote already")
    before = (recorded.get(chapter) or {}).get("outputs", {})
    for name in set(before) - set(tables) - set(owners):  # a table that is no longer made
        (run_dir / "artifacts" / name).unlink(missing_ok=True)
    entry["outputs"] = {name: sha256(path) for name, path in tables.items()}
    entry["page"] = sha256(aside / page.name)
    for name, path in tables.items():
        home = run_dir / "artifacts" / name
        home.parent.mkdir(parents=True, exist_ok=True)
        path.replace(home)
    record(run_dir, chapter, entry)
    (aside / page.name).replace(page)
    shutil.rmtree(aside)


def check_encoders(profile):
    """Refuse a profile that asks for all of its encoders when one cannot run, before anything runs.

    The parameter `require_all` of chapter 02 asks. Every missing modality and checkpoint is named.
    """
    chapter = "02_unimodal"
    given = chapter_parameters(profile, chapter)
    if not given.get("require_all"):
        return
    from empdis_utils.data import corpora
    from empdis_utils.models import finetune

    try:
        data = corpora.load(all_parameters(profile, chapter)["corpus"])
    except corpora.CorpusError as error:
        raise RunError(str(error)) from None
    found = finetune.lacking(data, data.manifest, given["encoders"])
    if found:
        lines = "\n  ".join(found)
        raise RunError(f"profile {profile} cannot run, {len(found)} things are missing:\n  {lines}")


def check_responder(profile, overrides=()):
    """Refuse a profile whose language model, encoders or clips are not at hand, before it runs.

    Everything that chapter 12, answers, needs and does not find is named, one sentence each.
    """
    from empdis_utils.data import turns
    from empdis_utils.models import frozen, responders

    given = all_parameters(profile, "12_answers", overrides)
    found = responders.lacking(given["responder"], given["checkpoint"], given["four_bit"])
    for side in ("sound", "picture"):
        for name, checkpoint in given[side].items():
            found += frozen.lacking(name, checkpoint)
    found += turns.lacking(given["turns"], given["media"])
    if found := list(dict.fromkeys(found)):
        lines = "\n  ".join(found)
        raise RunError(f"profile {profile} cannot run, {len(found)} things are missing:\n  {lines}")


def check_cluster():
    """Refuse a Dask cluster (``$EMPDIS_DASK``) that cannot do the work, before anything runs."""
    if os.environ.get("EMPDIS_DASK"):
        from empdis_utils.data import workers

        try:
            workers.cluster(workers.scheduler()).close()
        except workers.ClusterError as error:
            raise RunError(str(error)) from None


def main(argv=None):
    """Command line; a refused parameter or failed chapter is one message and exit status 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("action", choices=["check", "chapter", "job"])
    parser.add_argument("profile", metavar="PROFILE or FILE")
    parser.add_argument("chapter", nargs="?")
    parser.add_argument("--runs", type=Path, default=ROOT / "_build" / "runs")
    parser.add_argument("--run")
    parser.add_argument("-p", dest="overrides", action="append", default=[])
    asked = parser.parse_args(argv)
    try:
        if asked.action == "job":
            job = Path(asked.profile)
            run_chapter(runs=job.parents[2], **json.loads(job.read_text(encoding="utf-8")))
        elif asked.action == "check":
            chapters = [asked.chapter] if asked.chapter else read_profile(asked.profile)["chapters"]
            for chapter in chapters:
                chapter_parameters(asked.profile, chapter, asked.overrides)
            if "02_unimodal" in chapters:
                check_encoders(asked.profile)
            if "12_answers" in chapters:
                check_responder(asked.profile, asked.overrides)
            check_cluster()
        else:
            run_chapter(asked.profile, asked.chapter, asked.runs, asked.run, asked.overrides)
    except RunError as error:
        sys.exit(f"[fail] {error}")


if __name__ == "__main__":
    main()

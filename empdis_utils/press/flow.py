"""What must run, and why: the rules that Make follows, written from the content of all inputs.

Each command plans, writes a small makefile, and lets Make run it (order, side by side, stop at a
failure). A chapter is current when its record says so (`run.why_stale`): its page and tables are
the recorded ones, and so are its code, values, files, and the tables it read. Dates decide nothing:
the plan sets them to what Make should conclude.

::

    python -m empdis_utils.press.flow book | study | audit | responses | annotate | status

What a person asked for comes in environment variables, as Make exports them: PROFILE, NB, P, CSV,
FUSION, PROFILES, BUILD, JOBS, ANNOTATIONS, PORT. None of it passes through a shell.
"""

import fcntl
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from empdis_utils.press import course, inputs, release, run
from empdis_utils.press.parameters import (
    RunError,
    chapter_parameters,
    notebook_parameters,
    profiles,
    read_profile,
    reads,
    run_name,
    split,
)

__all__ = [
    "Asked", "Job", "annotate", "announce", "applicable", "audit", "book", "book_jobs",
    "check_first", "first_page", "forecast", "given_csv", "jobs_of", "judge", "locked", "make",
    "makefile", "minutes", "needed", "own_folder", "quoted", "readers", "responses", "set_dates",
    "study", "view",
]  # fmt: skip

JOB, TABLES, PAGE = 1000, 2000, 3000  # dates (s since 1970) of a chapter that is current
STALE = 1


@dataclass
class Job:
    """One chapter of one run: what it is made from, and why it must run (empty: it is current)."""

    profile: str
    chapter: str
    run: str
    overrides: list = field(default_factory=list)
    source: str = None
    view: str = None
    read: list = None
    reasons: list = field(default_factory=list)

    def __post_init__(self):
        self.source = self.source or self.profile
        if self.read is None:
            self.read = run.read_by(self.profile, self.chapter, self.source)

    def file(self, runs):
        """The file that hands the job to `run`."""
        return runs / self.run / ".jobs" / f"{self.chapter}.json"

    def page(self, runs):
        """The finished page."""
        return runs / self.run / f"{self.chapter}.ipynb"

    def text(self):
        """What the file says: the arguments of `run.run_chapter`."""
        names = ("profile", "chapter", "run", "overrides", "source", "view", "read")
        return json.dumps({name: getattr(self, name) for name in names}, sort_keys=True) + "\n"


def jobs_of(profile, name=None, overrides=(), own=False):
    """All chapters of a profile as jobs of the run `name`, which reads its own tables if `own`."""
    chapters = read_profile(profile)["chapters"]
    source = name if own else None
    return [
        Job(profile, chapter, name or profile, applicable(chapter, overrides), source)
        for chapter in chapters
    ]


def applicable(chapter, overrides):
    """The overrides that a chapter has a parameter for."""
    known = notebook_parameters(chapter)
    return [override for override in overrides if override.partition("=")[0] in known]


def needed(jobs, wanted):
    """`wanted` and all that they read in turn, in the order of `jobs`."""
    by_name = {f"{job.run}/{job.chapter}": job for job in jobs}
    waiting, found = [f"{job.run}/{job.chapter}" for job in wanted], set()
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in found:
            found.add(name)
            waiting += by_name[name].read
    return [job for name, job in by_name.items() if name in found]


def judge(jobs, runs, hashes):
    """Fill in why each job must run. Parameters of all of them are checked on the way.

    Raises
    ------
    RunError
        Unknown or refused parameters of any job.
    """
    given = [inputs.of_chapter(job.profile, job.chapter, job.overrides, hashes) for job in jobs]
    for job, now in zip(jobs, given, strict=True):
        entry = (run.story(runs / job.run) or {}).get(job.chapter)
        job.reasons = run.why_stale(
            runs, job.run, job.chapter, entry, now, job.read, hashes, job.view
        )
        if entry and entry.get("overrides") != job.overrides:
            job.reasons.append("parameters changed")
    return jobs


def book_jobs(runs, hashes, asked=()):
    """Jobs of the whole book, judged, and sentences about what is left out or shown as it was.

    Parameters
    ----------
    runs : Path
    hashes : inputs.Hashes
    asked : sequence of str
        Profiles to run. Default: those whose file says ``book: N`` and whose corpus is at hand. The
        others of the default book are shown from their last run where that still holds (unless
        profiles are asked for), else from the released results.
    """
    jobs, notes, shown, released = [], [], [], []
    for profile in dict.fromkeys([*asked, *release.profiles()]):
        there = bool(release.provenance(profile))
        if asked and profile not in asked:
            released += [profile] if there else []
            continue
        given = given_csv(Asked(), runs) if profile == "predictions" else ()
        found = judge(jobs_of(profile, overrides=given), runs, hashes)
        if not asked and not release.at_hand(profile, hashes):
            done = run.story(runs / profile)
            late = [job for job in found if job.reasons]
            if there and (late or not done):
                released.append(profile)
                continue
            if not done:
                continue
            if late:
                notes.append(
                    f"{profile}: left out, since its corpus is not at hand to run it again "
                    f"({late[0].chapter}: {late[0].reasons[0]})"
                )
                continue
            when = max(entry["started"] for entry in done.values())
            notes.append(f"{profile}: its corpus is not at hand; shown from its run of {when}")
        shown.append(profile)
        jobs += found
    everything = [f"{job.run}/{job.chapter}" for job in jobs]
    everything += [f"{name}/{c}" for name in released for c in release.provenance(name)]
    there = set(everything)
    own = jobs_of("book")
    for job in own:
        job.view = ".view"
        named = everything if "*/*" in reads(job.chapter) else reads(job.chapter)
        job.read = [name for name in [*job.read, *named] if name in there or "book/" in name]
        job.read = list(dict.fromkeys(job.read))
    view(runs, [*shown, "book"], released)
    return jobs + judge(own, runs, hashes), notes, [*shown, *released]


def view(runs, shown, released=()):
    """A folder of links to the runs that the book shows: what its pages about all runs look at.

    `shown`: runs of this copy. `released`: profiles whose tables and pages are those of
    ``results/``.
    """
    folder = runs / ".view"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {name: Path("..", name) for name in shown}
    wanted |= {name: (release.RESULTS / name).resolve() for name in released}
    for link in folder.iterdir():
        if link.readlink() != wanted.get(link.name):
            link.unlink()
    for name, place in wanted.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(place, target_is_directory=True)


def readers(jobs):
    """Current jobs that read, in turn, what must run: they may have to follow."""
    late, found = {f"{job.run}/{job.chapter}" for job in jobs if job.reasons}, []
    for job in jobs:  # a chapter comes after what it reads
        if not job.reasons and late & set(job.read):
            late.add(f"{job.run}/{job.chapter}")
            found.append(job)
    return found


def minutes(seconds):
    """A time as a person says it.

    Examples
    --------
    >>> [minutes(20), minutes(200), minutes(7000)]
    ['under a minute', '3 minutes', '1 h 57 min']
    """
    whole = round(seconds / 60)
    if whole < 1:
        return "under a minute"
    if whole < 60:
        return f"{whole} minute{'s' * (whole > 1)}"
    return f"{whole // 60} h {whole % 60} min"


def forecast(jobs, shown, runs):
    """What `make book` will do, as a few lines: what runs, on which corpora, and how long.

    Times are those of the last run here, else of the released one. Chapters run side by side.
    """
    lines, still, total, unknown = [], [], [], 0
    for name in dict.fromkeys([*shown, "book"]):
        own = [job for job in jobs if job.run == name]
        late, more = [j for j in own if j.reasons], [j for j in readers(jobs) if j.run == name]
        if not own:
            continue
        if not late and not more:
            still.append(name)
            continue
        known = [release.likely(runs, job.profile, job.chapter) for job in [*late, *more]]
        seconds = [value for value in known if value is not None]
        unknown += len(known) - len(seconds)
        total += seconds
        what = "the pages about all corpora" if name == "book" else name
        then = f", and as many as {len(more)} that read them" if late and more else ""
        what += f": {len(late)} of {len(own)} chapters run" if late else ": what reads these"
        time = minutes(sum(seconds)) if seconds else "time not known"
        lines.append(f"{what}{then}, {time}")
    if still:
        lines.append(f"as they are: {', '.join(still)}")
    said = {}
    for name in shown:
        if release.is_released(runs, name):
            entries = release.provenance(name).values()
            when = max(entry["started"] for entry in entries)[:10]
            said.setdefault((when, min(e["git"] for e in entries)[:10]), []).append(name)
    for (when, commit), names in said.items():
        where = f"from the released run of {when}, commit {commit}"
        lines.append(f"{where}: {', '.join(names)}")
    if total or unknown:
        at_once = int(os.environ.get("JOBS") or 2)
        longest = max([sum(total) / at_once, *total])
        parts = [f"about {minutes(longest)} with JOBS={at_once}"] if total else []
        parts += [f"{unknown} chapters have never been timed"] if unknown else []
        lines.append("; ".join([*parts, "then the pages are rendered"]))
    return lines


def set_dates(jobs, runs):
    """Write each job's file, and date files so that Make runs the stale jobs and no others."""
    for job in jobs:
        file, page, tables = (
            job.file(runs),
            job.page(runs),
            run.tables_mark(runs / job.run, job.chapter),
        )
        run.write_if_changed(file, job.text())
        if not tables.exists():
            run.write_if_changed(tables, "{}")
        os.utime(file, (JOB, JOB))
        os.utime(tables, (TABLES, TABLES))
        if page.exists():
            os.utime(page, (STALE, STALE) if job.reasons else (PAGE, PAGE))


def quoted(path):
    """A path as a makefile writes it.

    Raises
    ------
    RunError
        A character that Make cannot have in the name of a file.
    """
    if re.search(r"[:;#%$\\=*?\[\]~\t\n'\"]", str(path)):
        raise RunError(f"{path}: Make cannot work in a folder of this name; give BUILD=another")
    return str(path).replace(" ", "\\ ")


def makefile(jobs, runs, last=""):
    """Text of the makefile: one rule for each chapter, and `last`."""
    python = shlex.quote(sys.executable).replace("$", "$$")
    lines = [
        "# Written by empdis_utils.press.flow for one command; see `make status` for why.",
        f"PY := {python}\n.SUFFIXES:\n.DELETE_ON_ERROR:\n.PHONY: chapters",
        "chapters: " + " ".join(quoted(job.page(runs)) for job in jobs),
    ]
    there = {f"{job.run}/{job.chapter}" for job in jobs}
    for job in jobs:
        up = [
            run.tables_mark(runs / n.split("/")[0], n.split("/")[1]) for n in job.read if n in there
        ]
        page, file = quoted(job.page(runs)), quoted(job.file(runs))
        lines += [
            f"{page}: {file} {' '.join(quoted(path) for path in up)}",
            f"\t@$(PY) -m empdis_utils.press.run job {shlex.quote(str(job.file(runs)))}",
            f"{quoted(run.tables_mark(runs / job.run, job.chapter))}: {page} ;",
        ]
    return "\n".join([*lines, last]) + "\n"


def announce(jobs, most=8):
    """Say which chapters will run, and why."""
    late = [job for job in jobs if job.reasons]
    for job in late[:most]:
        more = f" (and {len(job.reasons) - 1} more)" if len(job.reasons) > 1 else ""
        print(f"[plan] {job.run} {job.chapter}: {job.reasons[0]}{more}")
    if len(late) > most:
        print(f"[plan] and {len(late) - most} more chapters")
    sys.stdout.flush()


@contextmanager
def locked(runs, *names):
    """Hold the runs of these names; a second command says so and waits for the first."""
    (runs / ".locks").mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in sorted(set(names)):
            lock = stack.enter_context(open(runs / ".locks" / name, "a+"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "another command"
                print(f"[wait] {holder} works in {runs / name}: waiting for it", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
            lock.truncate(0)
            lock.write(f"'make {' '.join(sys.argv[1:2])}' (process {os.getpid()})")
            lock.flush()
        yield


def make(jobs, runs, name, target="chapters", last=""):
    """Let Make run what is stale; ends this command with Make's status if that is not 0."""
    set_dates(jobs, runs)
    if target == "chapters" and not any(job.reasons for job in jobs):
        return
    path = runs / ".make" / f"{name}.mk"
    run.write_if_changed(path, makefile(jobs, runs, last))
    words = ["make", "-f", str(path), "--no-print-directory", "-r"]
    apart = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # of the make that called this command
    settings = {name: value for name, value in os.environ.items() if name not in apart}
    jobs_at_once = f"-j{os.environ.get('JOBS') or 2}"
    done = subprocess.run([*words, jobs_at_once, target], env=settings)
    if done.returncode:
        sys.exit(done.returncode)


class Asked:
    """What a person asked for, from the environment; a word that is empty counts as not said."""

    def __getattr__(self, name):
        return os.environ.get(name.upper(), "").strip()


def check_first(jobs):
    """Refuse, before anything runs, encoders that are missing or a cluster that cannot be used."""
    for job in jobs:
        if job.chapter == "02_unimodal" and job.reasons:
            run.check_encoders(job.profile)
        if job.chapter == "12_answers" and job.reasons:
            run.check_responder(job.profile, job.overrides)
    run.check_cluster()


def study(asked, runs, hashes):
    """Run one profile, or one chapter of it, aside if it has other parameters."""
    name = asked.profile
    if not name:
        raise RunError(f"which? make study PROFILE=NAME, with NAME one of: {', '.join(profiles())}")
    if asked.p and not asked.nb:
        raise RunError("P changes one chapter: say which, NB=04_quadrants")
    overrides = split(os.environ.get("P", ""))
    read_profile(name)
    with locked(runs, *(profiles() if name == "book" else [name])):
        if name == "book":
            jobs, _, _ = book_jobs(runs, hashes, asked.profiles.split())
        else:
            jobs = jobs_of(name, overrides=given_csv(asked, runs) if name == "predictions" else ())
        own = [job for job in jobs if job.run == name]
        wanted = [job for job in own if job.chapter == asked.nb] if asked.nb else own
        if asked.nb and not wanted:
            chapter_parameters(name, asked.nb)  # refuses a chapter that is nowhere
            wanted = [Job(name, asked.nb, name)]
            jobs = [*jobs, *wanted]
        jobs, last = needed(jobs, wanted), wanted[-1]
        if overrides:
            chapter_parameters(name, asked.nb, overrides)
            jobs = [job for job in jobs if job is not last]
        judge(jobs, runs, hashes)
        check_first(jobs)
        announce(jobs)
        make(jobs, runs, name)
    if overrides:
        both = [*last.overrides, *overrides]
        aside = Job(name, asked.nb, run_name(name, asked.nb, overrides), both, read=last.read,
                    view=last.view)  # fmt: skip
        with locked(runs, aside.run):
            judge([aside], runs, hashes)
            check_first([aside])
            make([aside], runs, aside.run)
        print(f"page and tables: {runs / aside.run}")
    else:
        print(f"pages and tables: {runs / name}")


def given_csv(asked, runs):
    """The predictions' CSV and fusion model that were named, or those of the last run.

    Raises
    ------
    RunError
        None was named and none is remembered, or there is no such file.
    """
    path, fusion = asked.csv, asked.fusion
    if not path:
        done = (run.story(runs / "predictions") or {}).values()
        known = {k: v for entry in done for k, v in entry["parameters"].items()}
        path = str(known.get("corpus", "")).removeprefix("predictions:")
        fusion = fusion or known.get("fusion")
    if not path:
        raise RunError("which CSV? make study PROFILE=predictions CSV=mine.csv (see book/rerun.md)")
    if not Path(path).is_file():
        raise RunError(f"no file {path}")
    named = [f"corpus={json.dumps(f'predictions:{path}')}"]
    return named + ([f"fusion={json.dumps(fusion)}"] if fusion else [])


def responses(asked, runs, hashes):
    """Answers of your own beside trivial ones, in a folder of that file's own."""
    if not asked.csv:
        raise RunError(
            "which answers? make responses CSV=mine.csv (columns: dialog_id, clip_id, context, "
            "response, and target if there is one)"
        )
    own_folder("responses", asked, runs, hashes, f"answers:{asked.csv}")


def audit(asked, runs, hashes):
    """What the split of a manifest hides, in a folder of that manifest's own."""
    if not asked.csv:
        raise RunError(
            "which manifest? make audit CSV=my_manifest.csv (columns: book/own-corpus.md)"
        )
    own_folder("audit", asked, runs, hashes, asked.csv)


def own_folder(profile, asked, runs, hashes, corpus):
    """Run a profile on a CSV, in a folder named after it."""
    path = Path(asked.csv)
    mark = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:6]
    stem = re.sub(r"[^A-Za-z0-9_.]+", "-", path.stem)[:60].strip("-.")
    name = f"{profile}--{stem}-{mark}"
    with locked(runs, name):
        jobs = jobs_of(profile, name, [f"corpus={json.dumps(corpus)}"], own=True)
        run.corpus_hashes(corpus)  # a file that cannot be read is said before anything runs
        judge(jobs, runs, hashes)
        announce(jobs)
        make(jobs, runs, name)
    print(f'tables: {runs / name / "artifacts"}   pages: make book, then "Other runs"')


def annotate(asked, runs, hashes):
    """Serve the page for judging clips, with the sample of chapter 07 drawn first if need be."""
    profile = asked.profile or "fixture"
    folder = Path(asked.annotations or "annotations")
    places = (
        folder / profile / "sample.parquet",
        runs / profile / "artifacts/annotation_sample.parquet",
    )
    chapter = "07_human_study"
    if not any(place.exists() for place in places) and chapter in read_profile(profile)["chapters"]:
        os.environ |= {"PROFILE": profile, "NB": chapter, "P": ""}
        study(asked, runs, hashes)
    words = [sys.executable, "-m", "empdis_utils.press.annotating", profile, "--runs", str(runs)]
    words += ["--to", str(folder), *(["--port", asked.port] if asked.port else [])]
    os.execv(sys.executable, words)


def first_page(build, runs):
    """Render the released book where nothing has run yet, so that a reader need not wait."""
    from empdis_utils.press import pages

    shown = [*release.profiles(), release.BOOK]
    if release.whole() and not any(run.story(runs / name) for name in shown):
        print("[page] nothing has run here yet: the released pages come first", flush=True)
        view(runs, [], shown)
        pages.render(build, shown)
        print(f"[page] open {build / 'html/index.html'}: those that run here follow", flush=True)


def book(asked, runs, hashes, only_say=False):
    """Run what has changed and render the book; or say what would run."""
    from empdis_utils.press import pages

    build = course.site(runs.parent)
    with locked(runs, *profiles()):
        index = build / "html" / "index.html"
        if not (only_say or asked.profiles or index.exists()):
            first_page(build, runs)
        jobs, notes, shown = book_jobs(runs, hashes, asked.profiles.split())
        for note in notes:
            print(f"[book] {note}")
        late = pages.why_stale(build, shown, hashes)
        for line in forecast(jobs, shown, runs) if late or any(j.reasons for j in jobs) else []:
            print(f"[book] {line}")
        announce(jobs, most=10_000 if only_say else 4)
        if only_say:
            print(f"[plan] the pages: {late}" if late else "[plan] the pages: current")
            return
        check_first(jobs)
        if index.exists():
            os.utime(index, (STALE, STALE) if late else (PAGE, PAGE))
        rule = (
            f"{quoted(index)}: {' '.join(quoted(job.page(runs)) for job in jobs)}\n"
            f"\t@$(PY) -m empdis_utils.press.pages render --build {shlex.quote(str(build))} "
            + " ".join(shown)
        )
        make(jobs, runs, "book", quoted(index), rule)
    print(f"open {index}")


def main(argv=None):
    """Command line; what is wrong is one message and exit status 1."""
    (command,) = argv or sys.argv[1:]
    runs = Path(os.environ.get("BUILD") or "_build") / "runs"
    hashes = inputs.Hashes(runs.parent / "hashes.json")
    asked = Asked()
    commands = {
        **{"book": book, "study": study, "audit": audit, "annotate": annotate},
        "responses": responses,
        "status": lambda *given: book(*given, only_say=True),
    }
    try:
        commands[command](asked, runs, hashes)
    except RunError as error:
        sys.exit(f"[fail] {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        hashes.save()


if __name__ == "__main__":
    main()

"""Oracle: small chapters whose state is known, and what GNU make does with the makefile."""

import json
import subprocess
import sys
import time

import pandas as pd
import pytest

from empdis_utils.press import flow, inputs, pages, parameters, release, run
from tests.unit.toy_house import GIVEN, notebook


def judged(house):
    """The reasons of the toy's two chapters, by a fresh look."""
    jobs = flow.judge(flow.jobs_of("demo"), house, inputs.Hashes())
    return {job.chapter: job.reasons for job in jobs}


@pytest.fixture
def done(house):
    """The toy, run; returns its folder of runs."""
    for chapter in ("01_one", "02_two"):
        run.run_chapter("demo", chapter, house)
    return house


def test_a_chapter_that_ran_is_current_and_its_reader_knows_what_it_read(done):
    assert judged(done) == {"01_one": [], "02_two": []}
    assert set(run.story(done / "demo")["02_two"]["read"]) == {"demo/01_one"}


def test_each_thing_that_may_change_is_named(done):
    page, table = done / "demo/02_two.ipynb", done / "demo/artifacts/made.csv"
    kept = page.read_bytes()
    page.write_bytes(kept + b" ")
    assert judged(done)["02_two"] == ["its page was changed by hand"]
    page.unlink()
    assert judged(done)["02_two"] == ["its page is gone"]
    page.write_bytes(kept)
    table.write_text("0.999")
    assert judged(done)["02_two"] == ["made.csv was changed by hand"]
    table.unlink()
    assert judged(done)["02_two"] == ["made.csv is gone"]
    table.write_text("80")
    assert judged(done) == {"01_one": [], "02_two": []}
    profile = parameters.NOTEBOOKS / "profiles/demo.yaml"
    profile.write_text(profile.read_text().replace("number: 4", "number: 5"))
    assert judged(done) == {"01_one": ["parameters changed"], "02_two": []}
    run.run_chapter("demo", "01_one", done)
    assert judged(done) == {"01_one": [], "02_two": ["tables of demo/01_one changed"]}


def test_a_record_that_cannot_be_read_means_run_again(done):
    (done / "demo/provenance.json").write_text('{"chapters": {')
    assert judged(done) == {"01_one": ["not run yet"], "02_two": ["not run yet"]}


def test_make_runs_what_is_stale_and_stops_where_tables_stay_the_same(done):
    """The chapter before changed its page but not its table: its reader does not run."""
    ran = done.parent / "ran"

    def makes():
        jobs = flow.judge(flow.jobs_of("demo"), done, inputs.Hashes())
        flow.set_dates(jobs, done)
        text = flow.makefile(jobs, done).replace("-m empdis_utils.press.run job", f"{ran}.py")
        (done / "x.mk").write_text(text)
        ran.write_text("")
        subprocess.run(["make", "-rf", "x.mk", "chapters"], cwd=done, check=True)
        return ran.read_text().split()

    (ran.parent / "ran.py").write_text(
        "import sys, pathlib\njob = pathlib.Path(sys.argv[1])\n"
        f"open({str(ran)!r}, 'a').write(job.stem + '\\n')\n"
        "(job.parents[1] / (job.stem + '.ipynb')).touch()\n"
    )
    assert makes() == []
    time.sleep(0.01)
    for path in done.rglob("*"):  # a copy or a check-out: dates mean nothing
        path.touch()
    assert makes() == []
    (done / "demo/01_one.ipynb").unlink()
    assert makes() == ["01_one"]
    (done / "demo/artifacts/made.csv").unlink()
    assert "02_two" in makes()


def test_needed_takes_what_is_read_and_no_more(house):
    jobs = flow.jobs_of("demo")
    assert [j.chapter for j in flow.needed(jobs, [jobs[0]])] == ["01_one"]
    assert [j.chapter for j in flow.needed(jobs, [jobs[1]])] == ["01_one", "02_two"]


@pytest.fixture
def toward(done, monkeypatch):
    """The toy's run as a release, and a page about all runs; returns the folder of runs."""
    out = done.parent / "results"
    monkeypatch.setattr(release, "RESULTS", out)
    profiles = parameters.NOTEBOOKS / "profiles"
    (profiles / "demo.yaml").write_text((profiles / "demo.yaml").read_text() + "book: 1\n")
    (profiles / "mine.yaml").write_text("title: mine\n01_one:\n")
    (profiles / "book.yaml").write_text("title: ''\n00_all:\n")
    notebook(parameters.NOTEBOOKS / "00_all.ipynb", GIVEN, "x", reads=["*/*"])
    release.make(done, "demo", out)
    return done


def test_a_profile_that_is_not_at_hand_comes_from_results(toward, monkeypatch):
    """Own run while it holds; released where the corpus is gone and the run is none or stale."""

    def planned(*asked):
        jobs, notes, shown = flow.book_jobs(toward, inputs.Hashes(), asked)
        return {f"{j.run}/{j.chapter}": j for j in jobs}, notes, shown

    jobs, _, shown = planned()
    assert list(jobs) == ["demo/01_one", "demo/02_two", "book/00_all"] and shown == ["demo"]
    assert not release.is_released(toward, "demo")
    monkeypatch.setattr(release, "at_hand", lambda *_: False)
    jobs, notes, _ = planned()
    assert "shown from its run" in notes[0] and not release.is_released(toward, "demo")
    (toward / "demo/02_two.ipynb").unlink()
    jobs, notes, shown = planned()
    assert list(jobs) == ["book/00_all"] and shown == ["demo"] and notes == []
    assert release.is_released(toward, "demo")
    assert jobs["book/00_all"].read == ["demo/01_one", "demo/02_two"]
    said = flow.forecast([*jobs.values()], shown, toward)
    assert any(line.startswith("from the released run of ") and "demo" in line for line in said)
    jobs, _, shown = planned("mine")
    assert list(jobs) == ["mine/01_one", "book/00_all"] and shown == ["mine", "demo"]
    assert jobs["book/00_all"].read == ["mine/01_one", "demo/01_one", "demo/02_two"]


def test_the_released_book_comes_first_where_nothing_has_run(toward, monkeypatch, capsys):
    made = []
    monkeypatch.setattr(pages, "render", lambda build, shown: made.append((build, shown)))
    runs = toward.parent / "elsewhere/runs"
    flow.first_page(runs.parent, runs)
    assert made == [], "the pages about all corpora were not released"
    record = json.loads((release.RESULTS / "demo/provenance.json").read_text())
    (release.RESULTS / "book").mkdir()
    (release.RESULTS / "book/provenance.json").write_text(json.dumps(record))
    flow.first_page(toward.parent, toward)
    assert made == [], "this copy has a run"
    flow.first_page(runs.parent, runs)
    assert made == [(runs.parent, ["demo", "book"])] and "[page] open" in capsys.readouterr().out
    assert release.is_released(runs, "demo") and release.is_released(runs, "book")


def test_the_tables_of_a_release_are_hashed_into_what_reads_them(toward):
    flow.view(toward, [], ["demo"])
    (release.RESULTS / "demo/artifacts").mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(release.RESULTS / "demo/artifacts/x.parquet")
    record = release.RESULTS / "demo/provenance.json"
    story = json.loads(record.read_text())
    story["chapters"]["01_one"]["outputs"] = {"x.parquet": ""}
    record.write_text(json.dumps(story))
    before = run.tables_of(toward, "demo/01_one", ".view")
    assert before and before != run.tables_of(toward, "demo/01_one")
    pd.DataFrame({"a": [2]}).to_parquet(release.RESULTS / "demo/artifacts/x.parquet")
    assert run.tables_of(toward, "demo/01_one", ".view") not in ("", before)
    assert run.tables_of(toward, "demo/09_none", ".view") == ""


def test_the_view_follows_what_is_shown(toward):
    link = toward / ".view/demo"
    for released in ((), ("demo",), (), ("demo",)):
        flow.view(toward, [] if released else ["demo"], released)
        home = release.RESULTS if released else toward
        assert link.resolve() == (home / "demo").resolve()
        assert release.is_released(toward, "demo") == bool(released)
    flow.view(toward, ["book"])
    assert [p.name for p in (toward / ".view").iterdir()] == ["book"]


def test_the_forecast_says_what_runs_what_may_follow_and_how_long(done, monkeypatch):
    monkeypatch.setenv("JOBS", "2")

    def said():
        jobs = flow.judge(flow.jobs_of("demo"), done, inputs.Hashes())
        return flow.forecast(jobs, ["demo"], done)

    assert said() == ["as they are: demo"]
    record = done / "demo/provenance.json"
    story = json.loads(record.read_text())
    for chapter, seconds in (("01_one", 600), ("02_two", 120)):
        story["chapters"][chapter]["seconds"] = seconds
    record.write_text(json.dumps(story))
    (done / "demo/01_one.ipynb").unlink()
    assert said() == [
        "demo: 1 of 2 chapters run, and as many as 1 that read them, 12 minutes",
        "about 10 minutes with JOBS=2; then the pages are rendered",
    ]
    record.unlink()
    first, last = said()
    assert first == "demo: 2 of 2 chapters run, time not known"
    assert last == "2 chapters have never been timed; then the pages are rendered"


@pytest.mark.parametrize("name", ["a:b", "a;b", "a$(b)", "a'b", "a#b", "a%b", "a\tb"])
def test_a_folder_that_make_cannot_write_down_is_refused(tmp_path, name):
    with pytest.raises(parameters.RunError, match="BUILD=another"):
        flow.quoted(tmp_path / name)


def test_the_second_command_waits_and_says_for_whom(tmp_path):
    code = (
        "import sys, time, pathlib\nfrom empdis_utils.press import flow\n"
        f"sys.argv[1:] = [sys.argv[2]]\nruns = pathlib.Path({str(tmp_path)!r})\n"
        "with flow.locked(runs, 'mosi'):\n    print('in', time.time(), flush=True)\n"
        "    time.sleep(2)\n    print('out', time.time(), flush=True)\n"
    )
    first, second = (
        subprocess.Popen(
            [sys.executable, "-c", code, "-", name], stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for name in ("study", "book")
    )
    said = [process.communicate(timeout=120)[0].splitlines() for process in (first, second)]
    waited = next(lines for lines in said if lines[0].startswith("[wait]"))
    held = next(lines for lines in said if lines is not waited)
    assert "'make " in waited[0] and "mosi: waiting for it" in waited[0]
    times = [[float(line.split()[1]) for line in lines[-2:]] for lines in (held, waited)]
    assert times[0][1] <= times[1][0]


def test_a_run_of_other_values_reads_the_profile_and_its_own_folder_holds_it(
    done, monkeypatch, capsys
):
    """P= with a blank in a list, and a sign: three folders, and the default run is as it was."""
    before = {p: p.read_bytes() for p in (done / "demo").rglob("*") if p.is_file()}
    monkeypatch.setenv("PROFILE", "demo")
    monkeypatch.setenv("NB", "02_two")
    monkeypatch.setattr(flow, "make", lambda jobs, runs, name, *_: made.append((name, jobs)))
    made = []
    for text in ("factor=1", "factor=-1"):
        monkeypatch.setenv("P", text)
        flow.study(flow.Asked(), done, inputs.Hashes())
    names = [name for name, _ in made]
    assert names == ["demo", "demo--02_two--factor-1", "demo", "demo--02_two--factor--1"]
    assert [job.chapter for job in made[0][1]] == ["01_one"]
    (aside,) = made[1][1]
    assert (aside.source, aside.read, aside.overrides) == ("demo", ["demo/01_one"], ["factor=1"])
    assert before == {p: p.read_bytes() for p in before}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "which\\? make study PROFILE=NAME"),
        ({"PROFILE": "demo", "P": "factor=1"}, "P changes one chapter"),
        ({"PROFILE": "nobody"}, "no profile 'nobody'"),
        ({"PROFILE": "demo", "NB": "99_none"}, "no chapter '99_none'"),
        ({"PROFILE": "demo", "NB": "02_two", "P": "fcator=1"}, "has no parameter fcator"),
        ({"PROFILE": "demo", "NB": "02_two", "P": "'; echo hi; '"}, "write a parameter as"),
    ],
)
def test_what_is_wrong_is_one_sentence(house, monkeypatch, said, message):
    for name in ("PROFILE", "NB", "P", "PROFILES", "CSV"):
        monkeypatch.setenv(name, said.get(name, ""))
    with pytest.raises(parameters.RunError, match=message):
        flow.study(flow.Asked(), house, inputs.Hashes())


def test_answers_that_cannot_be_read_are_said_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("CSV", "")
    with pytest.raises(parameters.RunError, match="which answers\\? make responses CSV="):
        flow.responses(flow.Asked(), tmp_path, inputs.Hashes())
    (tmp_path / "mine.csv").write_text("dialog_id,clip_id,response\n1,1,x\n")
    monkeypatch.setenv("CSV", str(tmp_path / "mine.csv"))
    with pytest.raises(parameters.RunError, match="column context: expected this column"):
        flow.responses(flow.Asked(), tmp_path / "runs", inputs.Hashes())

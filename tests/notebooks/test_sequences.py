"""The second step: a book that is built, one thing that changes, one `make book` that is enough.

Oracle: small chapters whose tables can be told in full. After each step exactly the named chapters
ran, and the pages, the tables and the page about all runs say the same. Real chapters are used
where time or size is the point: a killed run, an audit.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import standins
import yaml
from bs4 import BeautifulSoup

from empdis_utils.data import tables
from empdis_utils.press.inputs import LOCKS
from tests.conftest import ROOT
from tests.unit.toy_house import GIVEN, notebook

SETTINGS = ("Makefile", "pyproject.toml", "_config.yml", "CONTRIBUTING.md", *LOCKS)

COUNT = """from pathlib import Path
import pandas as pd
from empdis_utils.data import corpora
n = len(corpora.load(corpus).manifest)
Path(outputs_dir).mkdir(parents=True, exist_ok=True)
pd.DataFrame({"n": [n]}).to_parquet(Path(outputs_dir, "count.parquet"))
print("clips:", n)"""

TIMES = """from pathlib import Path
import pandas as pd
from empdis_utils import toy
count = pd.read_parquet(Path(inputs_dir, "count.parquet"))
Path(outputs_dir).mkdir(parents=True, exist_ok=True)
toy.times(count, factor).to_parquet(Path(outputs_dir, "times.parquet"))"""

GATHER = """from pathlib import Path
import pandas as pd
runs = sorted(Path(inputs_dir).parents[1].glob("*/artifacts/times.parquet"))
found = {path.parents[1].name: int(pd.read_parquet(path)["n"][0]) for path in runs}
Path(outputs_dir).mkdir(parents=True, exist_ok=True)
pd.DataFrame({"run": list(found), "n": list(found.values())}).to_parquet(
    Path(outputs_dir, "gathered.parquet")
)
print("gathered:", found)"""

TOY = '''"""A helper of the test."""


def times(table, factor):
    """Each number times a factor."""
    return table * factor
'''


class House:
    """A project with two small chapters, a corpus of its own, and MOSI's stand-in beside it."""

    def __init__(self, folder):
        self.at, self.data = folder / "a project", folder / "the data"
        self.at.mkdir(parents=True)
        for name in SETTINGS:
            shutil.copy(ROOT / name, self.at)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "empdis_utils", self.at / "empdis_utils", ignore=ignored)
        (self.at / "empdis_utils/toy.py").write_text(TOY)
        notebooks = self.at / "notebooks"
        notebook(notebooks / "01_data.ipynb", GIVEN + "corpus = ''", COUNT)
        notebook(notebooks / "02_two.ipynb", GIVEN + "factor = 2", TIMES, reads=["01_data"])
        notebook(notebooks / "00_findings.ipynb", GIVEN, GATHER, reads=["*/*"])
        (notebooks / "profiles").mkdir()
        self.write("notebooks/limits.yaml", "factor: {type: integer, description: how often}\n")
        mine = "title: mine\nbook: 1\n01_data: {corpus: corpus/mine.csv}\n02_two: {factor: 3}\n"
        self.write("notebooks/profiles/mine.yaml", mine)
        mosi = "title: MOSI\nbook: 2\n01_data: {corpus: mosi}\n02_two:\n"
        self.write("notebooks/profiles/mosi.yaml", mosi)
        self.write("notebooks/profiles/book.yaml", "title: ''\n00_findings:\n")
        self.write("book/index.md", "# A toy\n\nProse.\n")
        for name in ("_static", "search"):
            shutil.copytree(ROOT / "book" / name, self.at / "book" / name)
        shutil.copy(ROOT / "book/references.bib", self.at / "book")
        pages = [f"runs/{p}/{c}" for p in ("mine", "mosi") for c in ("01_data", "02_two")]
        files = [{"file": page} for page in ["runs/book/00_findings", *pages]]
        more = [{"file": "reference/contributing"}]
        parts = [{"caption": "Runs", "chapters": files}, {"caption": "More", "chapters": more}]
        toc = {"format": "jb-book", "root": "index", "parts": parts}
        self.write("_toc.yml", yaml.safe_dump(toc))
        self.write("corpus/a.wav", "one")
        head = "clip_id,dialog_id,transcript,label,y,split,audio_path\n"
        rows = "c1,r1,yes,neutral,0,train,a.wav\nc2,r2,no,empathetic,1,test,a.wav\n"
        self.write("corpus/mine.csv", head + rows)
        standins.mosi(self.data)

    def write(self, name, text):
        path = self.at / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name, old, new):
        text = (self.at / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def command(self, *words, data=False, **more):
        words = ["make", *words, f"PY={sys.executable}", "JOBS=1"]
        environment = {
            **os.environ,
            **{"EMPDIS_DATA": str(self.data) if data else "", "PYTHONPATH": str(self.at)},
            **{"EMPDIS_CACHE": str(self.at / "no cache"), "EMPDIS_MEDIA": ""},
            "PYTHONWARNINGS": "ignore",  # that the stand-ins are not the published files
            **more,
        }
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return words, {"cwd": self.at, "env": environment, "text": True, **streams}

    def make(self, *words, ok=True, **options):
        words, settings = self.command(*words, **options)
        done = subprocess.run(words, **settings)
        assert (done.returncode == 0) == ok, done.stdout[-3000:]
        return done.stdout

    def book(self, *ran, **options):
        """One `make book`: what ran must be `ran`. Returns what it said."""
        said = self.make("book", **options)
        lines = [x.split() for x in said.splitlines() if x.startswith("[done]")]
        assert sorted(f"{words[1]}/{words[2]}" for words in lines) == sorted(ran), said
        return said

    def page(self, name):
        path = self.at / f"_build/html/{name}.html"
        return BeautifulSoup(path.read_text(), "html.parser").article.get_text()

    def table(self, run, name):
        return pd.read_parquet(self.at / f"_build/runs/{run}/artifacts/{name}.parquet")

    def gathered(self):
        """What the page about all runs says, which must be what its table and the runs say."""
        (line,) = [
            x
            for x in self.page("runs/book/00_findings").splitlines()
            if x.startswith("gathered: {")
        ]
        table = self.table("book", "gathered").set_index("run")["n"].to_dict()
        assert line == f"gathered: {table}"
        for name, n in table.items():
            assert n == self.table(name, "times")["n"][0]
            assert (self.at / f"_build/html/runs/{name}/02_two.html").exists()
        return table

    def rendered(self):
        return (self.at / "_build/site.json").stat().st_mtime_ns


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """The house, built once. Each test changes one thing and leaves a book that is whole."""
    house = House(tmp_path_factory.mktemp("house"))
    house.book("mine/01_data", "mine/02_two", "book/00_findings")
    assert house.gathered() == {"mine": 6}
    return house


def test_nothing_to_do_does_nothing(house):
    before = house.rendered()
    assert "[plan]" not in house.book()
    assert house.rendered() == before
    assert "the pages: current" in house.make("status")


def test_a_corpus_added_removed_a_page_deleted_a_table_edited(house):
    """The walk that published a stale ledger: one make after each step."""
    house.book("mosi/01_data", "mosi/02_two", "book/00_findings", data=True)
    assert set(house.gathered()) == {"mine", "mosi"}
    n = house.gathered()["mosi"]

    said = house.book()
    assert "[book] mosi: its corpus is not at hand; shown from its run of" in said
    assert house.gathered() == {"mine": 6, "mosi": n}

    for name in ("02_two.ipynb", "artifacts/times.parquet"):
        (house.at / "_build/runs/mine" / name).unlink()
        house.book("mine/02_two")
        assert house.gathered() == {"mine": 6, "mosi": n}

    path = house.at / "_build/runs/mine/artifacts/times.parquet"
    pd.DataFrame({"n": [999]}).to_parquet(path)
    assert "times.parquet was changed by hand" in house.book("mine/02_two")
    assert house.gathered() == {"mine": 6, "mosi": n}

    page = house.at / "_build/runs/mine/01_data.ipynb"
    page.write_text(page.read_text().replace("clips: 2", "clips: 7"))
    house.book("mine/01_data")  # its table stays the same, so its reader does not run
    assert "clips: 2" in house.page("runs/mine/01_data")

    transcripts = house.data / "mosi/transcripts.csv"  # a published file, edited where it lies
    kept = transcripts.read_text()
    assert "THE BUS" in kept
    transcripts.write_text(kept.replace("THE BUS", "THE CAR", 1))
    house.book("mosi/01_data", data=True)
    transcripts.write_text(kept)
    house.book("mosi/01_data", data=True)


def test_a_corpus_that_is_gone_and_whose_code_changed_is_in_no_page(house):
    house.book(*(() if "mosi" in house.gathered() else ("mosi/01_data", "mosi/02_two")), data=True)
    kept = (house.at / "empdis_utils/toy.py").read_text()
    house.edit("empdis_utils/toy.py", "table * factor", "table * factor + 1")
    said = house.book("mine/02_two", "book/00_findings")
    assert "mosi: left out, since its corpus is not at hand" in said and "toy changed" in said
    assert house.gathered() == {"mine": 7}
    assert not (house.at / "_build/html/runs/mosi").exists()
    house.book("mosi/02_two", "book/00_findings", data=True)
    assert set(house.gathered()) == {"mine", "mosi"}
    (house.at / "empdis_utils/toy.py").write_text(kept)
    house.book("mine/02_two", "mosi/02_two", "book/00_findings", data=True)


@pytest.mark.parametrize("text", ["", '{"chapters": {"01_da', None])
def test_a_record_that_is_cut_or_gone_is_made_again(house, text):
    path = house.at / "_build/runs/mine/provenance.json"
    path.unlink() if text is None else path.write_text(text)
    house.book("mine/01_data", "mine/02_two")
    assert house.gathered()["mine"] == 6


def test_a_row_added_to_a_manifest_and_a_clip_changed_in_place(house):
    kept = (house.at / "corpus/mine.csv").read_text()
    house.write("corpus/mine.csv", kept + "c3,r3,maybe,neutral,0,train,a.wav\n")
    house.book("mine/01_data", "mine/02_two", "book/00_findings")
    assert house.gathered()["mine"] == 9
    house.write("corpus/mine.csv", kept)
    house.book("mine/01_data", "mine/02_two", "book/00_findings")
    there = (house.at / "corpus/a.wav").stat()
    house.write("corpus/a.wav", "two")
    os.utime(house.at / "corpus/a.wav", ns=(there.st_atime_ns, there.st_mtime_ns))
    house.book("mine/01_data")


def test_a_parameter_changed_twice(house):
    for factor in (5, 3):
        profile = house.at / "notebooks/profiles/mine.yaml"
        settings = yaml.safe_load(profile.read_text())
        profile.write_text(yaml.safe_dump({**settings, "02_two": {"factor": factor}}))
        house.book("mine/02_two", "book/00_findings")
        assert house.gathered()["mine"] == 2 * factor


def test_an_edit_of_code_reruns_its_readers_and_one_of_words_none(house):
    toy = (house.at / "empdis_utils/toy.py").read_text()
    house.edit("empdis_utils/toy.py", "Each number times", "Every number times")  # a docstring
    before = house.rendered()
    house.book()
    assert house.rendered() > before
    house.edit("empdis_utils/toy.py", "table * factor", "factor * table")
    more = "mosi" in house.gathered()
    late = ["mine/02_two", *(["mosi/02_two"] if more else [])]
    house.book(*late, data=more)  # the same table: the page about all runs need not run
    house.write("empdis_utils/toy.py", toy)
    house.book(*late, data=more)
    path = house.at / "notebooks/01_data.ipynb"
    path.write_text(path.read_text().replace("# Demo", "# Demo, edited"))
    house.book()
    assert "Demo, edited" in house.page("runs/mine/01_data")


@pytest.mark.parametrize(
    ("name", "old", "new", "page", "shows"),
    [
        ("book/index.md", "Prose.", "Other prose.", "index", "Other prose."),
        ("notebooks/limits.yaml", "how often", "how many", "runs/mine/02_two", "how many"),
        ("CONTRIBUTING.md", "## Set up", "## Set it up", "reference/contributing", "Set it up"),
        (
            "notebooks/profiles/mine.yaml",
            "title: mine",
            "title: ours",
            "runs/mine/02_two",
            "(ours)",
        ),
    ],
)
def test_words_reach_their_page_and_run_nothing(house, name, old, new, page, shows):
    house.edit(name, old, new)
    house.book()
    assert shows in house.page(page)


def test_another_address_of_the_project_reaches_every_page(house):
    house.book(REPO="someone/a-book")
    there = (house.at / "_build/html/runs/mine/02_two.html").read_text()
    assert "someone/a-book" in there
    house.book()
    assert "someone/a-book" not in (house.at / "_build/html/runs/mine/02_two.html").read_text()


def test_a_site_with_files_missing_is_made_whole(house):
    """As after a final copy that was interrupted."""
    site = house.at / "_build/html"
    n = len(list(site.rglob("*.html")))
    for path in sorted(site.rglob("*.html"))[:3]:
        path.unlink()
    shutil.copytree(site, house.at / "_build/html.new", dirs_exist_ok=True)
    house.book()
    assert len(list(site.rglob("*.html"))) == n and not (house.at / "_build/html.new").exists()
    (house.at / "_build/site.json").unlink()
    house.book()


def test_a_chapter_that_fails_leaves_the_last_whole_book(house):
    before, page = house.rendered(), house.page("runs/book/00_findings")
    kept = (house.at / "empdis_utils/toy.py").read_text()
    house.edit("empdis_utils/toy.py", "return table * factor", "raise ValueError('so it is')")
    said = house.make("book", ok=False)
    assert "[fail] mine 02_two" in said and "so it is" in said and "Traceback" not in said
    assert house.rendered() == before and house.page("runs/book/00_findings") == page
    house.write("empdis_utils/toy.py", kept)
    house.book()
    assert house.gathered()["mine"] == 6


def test_other_values_run_aside_come_into_the_book_and_leave_it_when_they_are_old(house):
    run = house.at / "_build/runs/mine--02_two--factor-10"
    said = house.make("study", "PROFILE=mine", "NB=02_two", "P=factor=10")
    assert "page and tables" in said and run.name in said
    assert "[run ]" not in house.make("study", "PROFILE=mine", "NB=02_two", "P=factor=10")
    house.make("study", "PROFILE=mine", "NB=02_two", "P=factor=-10")
    assert house.table(run.name, "times")["n"][0] == 20
    assert house.table("mine--02_two--factor--10", "times")["n"][0] == -20
    house.book()
    assert "factor=10" in house.page(f"runs/{run.name}/02_two")
    kept = (house.at / "empdis_utils/toy.py").read_text()
    house.edit("empdis_utils/toy.py", "table * factor", "1 * table * factor")
    more = "mosi" in house.gathered()
    late = ["mine/02_two", *(["mosi/02_two"] if more else [])]
    said = house.book(*late, data=more)
    assert f"left out: {run.name} 02_two: empdis_utils.toy changed" in said
    assert not (house.at / f"_build/html/runs/{run.name}").exists()
    house.write("empdis_utils/toy.py", kept)
    house.book(*late, data=more)
    assert (house.at / f"_build/html/runs/{run.name}").exists()
    for name in (run.name, "mine--02_two--factor--10"):
        shutil.rmtree(house.at / "_build/runs" / name)
    house.book(data=more)


def test_two_commands_at_once_make_one_whole_book(house):
    more = "mosi" in house.gathered()
    kept = (house.at / "empdis_utils/toy.py").read_text()
    house.edit("empdis_utils/toy.py", "table * factor", "table * factor * 2")
    words, settings = house.command("book", data=more)
    running = [subprocess.Popen(words, **settings) for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert sum("[wait]" in text for text in said) == 1
    assert sum(text.count("[done] mine 02_two") for text in said) == 1
    assert house.gathered()["mine"] == 12
    house.write("empdis_utils/toy.py", kept)
    house.make("book", data=more)


def test_text_of_a_user_is_no_markup_and_no_code(house):
    """A title and a file name as an attacker writes them, through Jupyter Book itself."""
    kept = (house.at / "notebooks/profiles/mine.yaml").read_text()
    attack = "{{ cycler.__init__.__globals__.os.popen('touch hacked') }} <script>x</script> <b>y"
    settings = {**yaml.safe_load(kept), "title": attack}
    house.write("notebooks/profiles/mine.yaml", yaml.safe_dump(settings))
    house.book()
    html = BeautifulSoup(
        (house.at / "_build/html/runs/mine/02_two.html").read_text(), "html.parser"
    )
    shown = attack.replace("<", "‹").replace(">", "›").split("'")[0]
    headings = [html.title, *html.find_all("h1")]
    assert len(headings) > 2 and all(shown in heading.get_text() for heading in headings)
    assert not any(heading.find_all(["script", "b"]) for heading in headings)
    assert not html.article.find_all(["script", "b"])
    assert not list(house.at.rglob("hacked"))
    house.write("notebooks/profiles/mine.yaml", kept)
    house.book()


# ---- released results --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Another house, whose run on MOSI's stand-in was released; then a clean clone of it."""
    house = House(tmp_path_factory.mktemp("clone"))
    house.book("mine/01_data", "mine/02_two", "mosi/01_data", "mosi/02_two", "book/00_findings",
               data=True)  # fmt: skip
    said = house.make("release", "PROFILES=mosi", data=True)
    assert "[done] mosi" in said
    assert "mosi: 2 identical" in house.make("compare", data=True)
    shutil.rmtree(house.at / "_build")
    return house


NOTE = "From the released run of"


def view(house):
    """What the page about all runs says, and each run that it names has its page."""
    table = house.table("book", "gathered").set_index("run")["n"].to_dict()
    assert f"gathered: {table}" in house.page("runs/book/00_findings")
    for name in table:
        assert (house.at / f"_build/html/runs/{name}/02_two.html").exists()
    return table


def test_whole_from_the_first_command_and_through_all_that_may_change(released):
    """A clean clone; a corpus added, and removed; a release changed; a profile asked for, twice."""
    house = released
    said = house.make("status")
    assert f"[book] {NOTE.lower()}" in said and ": mosi" in said and "with JOBS=1" in said
    said = house.book("mine/01_data", "mine/02_two", "book/00_findings")
    assert "[book] mine: 2 of 2 chapters run" in said
    n = view(house)["mosi"]
    page = house.page("runs/mosi/01_data")
    assert NOTE in page and "Its corpus is not at hand here" in page and f"clips: {n // 2}" in page
    assert "How this page was made" in page and "clips: 2" in house.page("runs/mine/01_data")
    assert (house.at / "_build/html/_downloads").exists()
    assert "not in this copy" not in house.page("index")
    before = house.rendered()
    house.book()
    assert house.rendered() == before, "nothing to do does nothing"
    assert "no run here to compare" in house.make("compare", ok=False)

    house.book("mosi/01_data", "mosi/02_two", "book/00_findings", data=True)
    assert view(house)["mosi"] == n and NOTE not in house.page("runs/mosi/01_data")
    assert "mosi: 2 identical" in house.make("compare", "PROFILE=mosi")

    said = house.book()  # the corpus is gone, the own run still holds
    assert "shown from its run of" in said and NOTE not in house.page("runs/mosi/01_data")
    (house.at / "_build/runs/mosi/02_two.ipynb").unlink()
    house.book("book/00_findings")  # now it does not
    assert view(house)["mosi"] == n and NOTE in house.page("runs/mosi/02_two")

    folder = house.at / "results/mosi"
    pd.DataFrame({"n": [n + 5]}).to_parquet(folder / "artifacts/times.parquet")
    house.book("book/00_findings")
    assert view(house)["mosi"] == n + 5
    said = house.make("compare", "PROFILE=mosi", ok=False)
    assert "mosi/times: n, 1 of 1 rows, by at most 5" in said

    record = folder / "provenance.json"
    record.write_text(record.read_text().replace('"git": "', '"git": "other'))
    house.book()  # no table changed: no chapter runs, and the page says so
    assert "commit other" in house.page("runs/mosi/01_data")

    other = "title: ours\n01_data: {corpus: corpus/mine.csv}\n02_two: {factor: 7}\n"
    house.write("notebooks/profiles/ours.yaml", other)
    house.book("ours/01_data", "ours/02_two", "book/00_findings", PROFILES="ours")
    assert view(house) == {"mosi": n + 5, "ours": 14}
    before = house.rendered()
    house.book(PROFILES="ours")
    assert house.rendered() == before, "the same command twice does nothing"
    house.book(PROFILES="ours", data=True)  # at hand, but not asked for: released still
    assert "Its corpus was not asked for" in house.page("runs/mosi/01_data")

    house.make("study", "PROFILE=mine", "NB=02_two", "P=factor=10")
    house.book("book/00_findings")
    assert view(house) == {"mine": 6, "mosi": n + 5}
    assert "factor=10" in house.page("runs/mine--02_two--factor-10/02_two")
    house.book("mosi/02_two", "book/00_findings", data=True)
    assert view(house) == {"mine": 6, "mosi": n}


def test_a_whole_release_is_shown_before_anything_runs_and_once(released):
    """Every profile and the page about all were released: a clone shows them, then its own."""
    house = released
    house.make("book", data=True)
    n = house.gathered()["mosi"]
    house.make("release", data=True)
    shutil.rmtree(house.at / "_build")
    house.edit("empdis_utils/toy.py", "table * factor", "table * factors")
    said = house.make("book", ok=False)
    assert said.index("[page] open") < said.index("[run ]") < said.index("factors")
    for page in ("runs/book/00_findings", "runs/mosi/02_two", "runs/mine/02_two"):
        assert NOTE in house.page(page) and "Nothing has run in this copy yet" in house.page(page)
    assert f"'mosi': {n}" in house.page("runs/book/00_findings")
    house.edit("empdis_utils/toy.py", "table * factors", "table * factor")
    said = house.make("book")
    assert "[page]" not in said and view(house) == {"mine": 6, "mosi": n}
    assert NOTE not in house.page("runs/book/00_findings") + house.page("runs/mine/02_two")
    assert "Its corpus is not at hand here" in house.page("runs/mosi/02_two")


def test_a_record_of_a_release_that_is_cut_is_one_sentence(released):
    record = released.at / "results/mosi/provenance.json"
    kept = record.read_text()
    record.write_text(kept[:100])
    said = released.make("book", ok=False)
    assert "[fail]" in said and "check out results/ again" in said and "Traceback" not in said
    record.write_text(kept)


# ---- real chapters ---------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path):
    """A copy of the project's sources, and stand-ins for CREMA-D and MOSI."""
    project = tmp_path / "project"
    project.mkdir()
    for name in (*SETTINGS, "_toc.yml"):
        shutil.copy(ROOT / name, project)
    for name in ("notebooks", "empdis_utils", "book"):
        shutil.copytree(ROOT / name, project / name)
    for name in ("cremad", "mosi"):
        getattr(standins, name)(tmp_path / "data")
    return project


def command(copy, *words):
    return ["make", *words, f"PY={sys.executable}", "JOBS=1"], {
        "cwd": copy,
        "env": {
            **os.environ,
            **{"EMPDIS_DATA": str(copy.parent / "data"), "PYTHONPATH": str(copy)},
            "EMPDIS_CACHE": str(copy.parent / "cache"),
        },
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


def test_an_unknown_parameter_is_refused_before_anything_runs(copy):
    said = make(copy, "study", "PROFILE=mosi", "NB=04_quadrants", "P=treshold=0.6", ok=False)
    assert "04_quadrants has no parameter treshold" in said and "threshold" in said
    assert "[run ]" not in said
    edit(copy / "notebooks/profiles/mosi.yaml", "03_fusion:", "03_fusion:\n  recpie: paper")
    said = make(copy, "study", "PROFILE=mosi", ok=False)
    assert "03_fusion has no parameter recpie" in said and "[run ]" not in said


def test_a_failed_chapter_fails_make_and_leaves_other_pages(copy):
    make(copy, "study", "PROFILE=cremad", "NB=07_votes")
    page = copy / "_build/runs/cremad/07_votes.ipynb"
    before = page.read_bytes()
    (copy.parent / "data/mosi/text_train.csv").write_text("")
    said = make(copy, "study", "PROFILE=mosi", ok=False)
    assert "text_train.csv" in said and "[fail]" in said
    assert page.read_bytes() == before
    story = json.loads((page.parent / "provenance.json").read_text())["chapters"]
    assert Path(page.parent, "artifacts", next(iter(story["07_votes"]["outputs"]))).exists()


def test_a_killed_run_resumes_to_the_same_tables(copy):
    """With fewer fits: the bytes must be the same, however many they are."""
    edit(copy / "notebooks/profiles/mosi.yaml", "03_fusion:", "03_fusion: {n_seeds: 2}")
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
    shutil.rmtree(copy.parent / "cache", ignore_errors=True)  # no fit of the first run is at hand
    make(copy, "study", "PROFILE=mosi", "NB=06_entropy", "BUILD=other")
    resumed, whole = (copy / build / "runs/mosi/artifacts" for build in ("_build", "other"))
    names = sorted(p.relative_to(whole) for p in whole.rglob("*.parquet"))
    assert len(names) > 15
    for name in names:
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name


def test_help_explains_every_target_in_one_line(copy):
    said = make(copy, "help")
    assert "P changes one chapter" in make(copy, "study", "PROFILE=mosi", "P=seed=7", ok=False)
    for target in ("env", "book", "status", "test", "study", "data", "bench", "clean"):
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
    name = "mine'; touch hacked; echo '$(shell touch hacked).csv"
    frame.to_csv(copy / name, index=False)
    assert "which manifest?" in make(copy, "audit", ok=False)
    make(copy, "audit", f"CSV={name}")
    assert not (copy / "hacked").exists()
    (folder,) = (copy / "_build/runs").glob("audit--*")
    accuracy = tables.read(folder / "artifacts", "split_accuracy")
    accuracy = accuracy.set_index(["features", "folds"])["accuracy"]
    assert set(accuracy.index.get_level_values(0)) == {"recording only"}  # no words, no features
    best = sum(
        max(part.mean(), 1 - part.mean()) * len(part) for _, part in frame["y"].groupby(recording)
    )
    assert accuracy["recording only", "random"] == pytest.approx(best / 90, abs=0.05)
    assert "which manifest?" in make(copy, "audit", ok=False)
    before = {p: p.read_bytes() for p in (folder / "artifacts").iterdir()}
    frame.assign(y=0, label="l0").to_csv(copy / "other.csv", index=False)
    assert "this page compares two classes" in make(copy, "audit", "CSV=other.csv", ok=False)
    assert {p: p.read_bytes() for p in (folder / "artifacts").iterdir()} == before
    assert len(list((copy / "_build/runs").glob("audit--*"))) == 2

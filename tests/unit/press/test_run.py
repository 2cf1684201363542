"""Oracle: small notebooks written here, run for real by papermill in a folder of their own."""

import json
import os

import huggingface_hub.constants
import pandas as pd
import pytest

from empdis_utils.data import corpora
from empdis_utils.data.hashes import sha256
from empdis_utils.press import inputs, parameters, run
from tests.unit.toy_house import GIVEN, WRITE, notebook


def test_two_chapters_hand_tables_over_and_leave_a_record(house):
    page = run.run_chapter("demo", "01_one", house)
    run.run_chapter("demo", "02_two", house)
    assert page == house / "demo/01_one.ipynb"
    assert (house / "demo/artifacts/made.csv").read_text() == "80"
    story = json.loads((house / "demo/provenance.json").read_text())["chapters"]
    assert list(story) == ["01_one", "02_two"]
    assert story["01_one"]["parameters"]["number"] == 4
    assert story["01_one"]["outputs"] == {"twice.csv": sha256(house / "demo/artifacts/twice.csv")}
    assert story["02_two"]["seconds"] > 0
    assert not list((house / "demo").glob(".*.aside"))


def test_what_a_chapter_gets_from_the_environment_ends_with_it(house, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    code = 'import os\nPath(outputs_dir, "env.csv").write_text(os.environ["OMP_NUM_THREADS"])'
    notebook(parameters.NOTEBOOKS / "01_one.ipynb", GIVEN + "number = 1", WRITE, code)
    run.run_chapter("demo", "01_one", house)
    assert (house / "demo/artifacts/env.csv").read_text() == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7" and "PYTHONHASHSEED" not in os.environ


@pytest.mark.parametrize(("asked", "seen"), [("", ["other"]), ("ignore", [])])
def test_a_page_has_no_line_on_a_process_that_began_anew(house, monkeypatch, asked, seen):
    """And what the caller leaves out stays out."""
    monkeypatch.setenv("PYTHONWARNINGS", asked)
    code = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as said:\n"
        "    warnings.warn('A worker stopped while some jobs were given to the executor.')\n"
        "    warnings.warn('other')\n"
        'Path(outputs_dir, "said.csv").write_text("\\n".join(str(w.message) for w in said))'
    )
    notebook(parameters.NOTEBOOKS / "01_one.ipynb", GIVEN + "number = 1", WRITE, code)
    run.run_chapter("demo", "01_one", house)
    assert (house / "demo/artifacts/said.csv").read_text().split() == seen
    assert os.environ["PYTHONWARNINGS"] == asked


def test_a_variant_reads_the_default_run_and_leaves_it_alone(house):
    run.run_chapter("demo", "01_one", house)
    run.run_chapter("demo", "02_two", house)
    run.run_chapter("demo", "02_two", house, run="aside", overrides=["factor=100"])
    assert (house / "demo/artifacts/made.csv").read_text() == "80"
    assert (house / "aside/artifacts/made.csv").read_text() == "800"


def test_a_table_has_one_writer(house):
    run.run_chapter("demo", "01_one", house)
    notebook(parameters.NOTEBOOKS / "02_two.ipynb", GIVEN + "number = 1", WRITE)
    with pytest.raises(
        run.RunError, match=r"02_two.* writes twice.csv, which 01_one wrote already"
    ):
        run.run_chapter("demo", "02_two", house)
    assert (house / "demo/artifacts/twice.csv").read_text() == "8"


def test_a_table_of_a_chapter_that_changed_since_may_be_taken_over(house):
    """A table moved from one chapter to another: the old build must not stand in the way."""
    run.run_chapter("demo", "01_one", house)
    notebook(parameters.NOTEBOOKS / "01_one.ipynb", GIVEN + "number = 1", "made = 1")
    notebook(parameters.NOTEBOOKS / "02_two.ipynb", GIVEN + "number = 1", WRITE)
    run.run_chapter("demo", "02_two", house)
    story = run.story(house / "demo")
    assert story["01_one"]["outputs"] == {} and [*story["02_two"]["outputs"]] == ["twice.csv"]
    run.run_chapter("demo", "01_one", house)
    assert (house / "demo/artifacts/twice.csv").read_text() == "2", "it is no longer of 01_one"


def test_a_failure_names_cell_error_and_log_and_leaves_nothing_half_done(house):
    run.run_chapter("demo", "01_one", house)
    (house / "demo/artifacts/twice.csv").write_text("not a number")
    with pytest.raises(run.RunError) as failure:
        run.run_chapter("demo", "02_two", house)
    message = str(failure.value)
    assert "cell 4 failed with ValueError" in message
    assert "the cell begins: made = factor" in message
    log = house / "demo/logs/02_two.log"
    assert str(log) in message and "not a number" in log.read_text()
    assert not (house / "demo/02_two.ipynb").exists()
    assert not (house / "demo/artifacts/made.csv").exists()


def test_command_line_says_one_line_and_fails(house, capsys):
    with pytest.raises(SystemExit, match=r"\[fail\] 01_one has no parameter x"):
        run.main(["check", "demo", "01_one", "-p", "x=1"])
    run.main(["check", "demo"])
    assert capsys.readouterr().out == ""


def test_a_corpus_that_cannot_be_read_is_one_message(house, tmp_path):
    bad = tmp_path / "bad.csv"
    pd.DataFrame({"clip_id": ["a"]}).to_csv(bad, index=False)
    with pytest.raises(run.RunError, match="dialog_id"):
        run.corpus_hashes(str(bad))


def test_a_profile_that_needs_media_and_weights_says_what_is_missing(monkeypatch, capsys):
    """The real profile `paper`, on a corpus without media and with no network."""
    corpus = corpora.load_fixture()
    bare = corpus.manifest.assign(audio_path=None, video_path=None)
    silent = corpora.Corpus("empspeech", bare, corpus.root)
    monkeypatch.setattr(corpora, "load", lambda name: silent)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    with pytest.raises(SystemExit) as refused:
        run.main(["check", "paper"])
    lines = str(refused.value).splitlines()
    assert lines[0] == "[fail] profile paper cannot run, 8 things are missing:"
    assert "  hubert, wav2vec2: empspeech has no audio" in str(refused.value)
    assert "make clips fetches those still online" in str(refused.value)
    assert "roberta-base is neither in the local Hugging Face cache nor" in str(refused.value)
    assert all(len(line) < 200 for line in lines)
    run.main(["check", "paper", "03_fusion"])  # asks for no encoder


def test_a_kernel_that_dies_is_a_sentence_on_memory(house):
    """As when the system, out of memory, ends it: no traceback, and what may be lowered."""
    code = "block = bytearray(300 * 2**20)\nimport os, time\ntime.sleep(2)\nos.kill(os.getpid(), 9)"
    notebook(parameters.NOTEBOOKS / "01_one.ipynb", GIVEN + "number = 1\nn_jobs = 2", code)
    with pytest.raises(run.RunError) as failure:
        run.run_chapter("demo", "01_one", house)
    first, second, *rest = str(failure.value).splitlines()
    assert first.startswith("demo 01_one (1 of 2): its kernel died. It held up to ")
    assert float(first.split("up to ")[1].split()[0]) >= 0.3
    assert "lower n_jobs (P=), run one chapter at a time (JOBS=1)" in second
    assert not (house / "demo/01_one.ipynb").exists() and run.story(house / "demo") == {}


def test_a_folder_that_cannot_be_written_is_a_sentence(house):
    house.mkdir()
    (house / "demo").write_text("a file where the folder should be")
    with pytest.raises(run.RunError, match=r"demo 01_one .*: .*(Not a directory|File exists)"):
        run.run_chapter("demo", "01_one", house)


def test_a_table_that_is_no_longer_made_does_not_stay(house):
    """Else a later chapter would read what no run of today wrote."""
    run.run_chapter("demo", "01_one", house)
    more = 'Path(outputs_dir, "other.csv").write_text("1")'
    notebook(parameters.NOTEBOOKS / "01_one.ipynb", GIVEN + "number = 1", WRITE, more)
    run.run_chapter("demo", "01_one", house)
    assert (house / "demo/artifacts/other.csv").exists()
    notebook(parameters.NOTEBOOKS / "01_one.ipynb", GIVEN + "number = 1", WRITE)
    run.run_chapter("demo", "01_one", house)
    assert [p.name for p in (house / "demo/artifacts").iterdir()] == ["twice.csv"]


def test_a_kill_between_table_and_record_is_seen(house, monkeypatch):
    """The new table lies there, the record is the old one: the chapter counts as stale."""
    run.run_chapter("demo", "01_one", house)
    monkeypatch.setattr(run, "record", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.run_chapter("demo", "01_one", house, overrides=["number=5"])
    entry, now = run.story(house / "demo")["01_one"], inputs.of_chapter("demo", "01_one")
    why = run.why_stale(house, "demo", "01_one", entry, now, [], inputs.Hashes())
    assert why == ["twice.csv was changed by hand"]

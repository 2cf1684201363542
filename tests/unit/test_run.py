"""Oracle: small notebooks written here, run for real by papermill in a folder of their own."""

import json
import os

import huggingface_hub.constants
import nbformat
import pandas as pd
import pytest

from empdis_utils import corpora, run

GIVEN = 'profile = "demo"\ninputs_dir = ""\noutputs_dir = ""\n'


def notebook(path, parameters, *code):
    cells = [nbformat.v4.new_markdown_cell("# Demo")]
    cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    cells += [nbformat.v4.new_code_cell(source) for source in code]
    path.parent.mkdir(parents=True, exist_ok=True)
    made = nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    nbformat.write(made, path)


WRITE = """from pathlib import Path
Path(outputs_dir).mkdir(parents=True, exist_ok=True)
Path(outputs_dir, "twice.csv").write_text(str(2 * number))"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A project with two chapters and one profile; returns its folder of runs."""
    monkeypatch.setattr(run, "NOTEBOOKS", tmp_path / "notebooks")
    notebook(tmp_path / "notebooks/01_one.ipynb", GIVEN + "number = 1\nwords = ['a']", WRITE)
    notebook(
        tmp_path / "notebooks/02_two.ipynb",
        GIVEN + "factor = 10",
        "from pathlib import Path",
        'made = factor * int(Path(inputs_dir, "twice.csv").read_text())',
        "Path(outputs_dir).mkdir(parents=True)",
        'Path(outputs_dir, "made.csv").write_text(str(made))',
    )
    profiles = tmp_path / "notebooks/profiles"
    profiles.mkdir()
    (profiles / "demo.yaml").write_text("title: Demo\n01_one:\n  number: 4\n02_two:\n")
    return tmp_path / "runs"


def test_parameters_are_read_from_the_one_tagged_cell(house):
    assert run.notebook_parameters("01_one")["number"] == 1
    assert run.notebook_parameters("01_one")["words"] == ["a"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("a = 1\nb = a + 1", "'b = a \\+ 1' is not 'name = literal'"),
        ("print(1)", "is not 'name = l"),
    ],
)
def test_a_parameter_that_is_no_literal_is_refused(house, parameters, message):
    notebook(run.NOTEBOOKS / "03_bad.ipynb", parameters)
    with pytest.raises(run.RunError, match=message):
        run.notebook_parameters("03_bad")


def test_no_parameters_cell_is_refused(house):
    nbformat.write(nbformat.v4.new_notebook(), run.NOTEBOOKS / "03_none.ipynb")
    with pytest.raises(run.RunError, match="0 cells tagged 'parameters'"):
        run.notebook_parameters("03_none")


def test_unknown_parameter_is_refused_with_the_known_ones(house):
    with pytest.raises(
        run.RunError, match=r"01_one has no parameter nubmer.*it has: number, words"
    ):
        run.chapter_parameters("demo", "01_one", ["nubmer=3"])


def test_a_value_outside_its_limits_is_refused_before_anything_runs(house):
    (run.NOTEBOOKS / "limits.yaml").write_text("number: {type: integer, maximum: 5}\n")
    assert run.chapter_parameters("demo", "01_one") == {"number": 4}
    said = r"01_one \(profile demo\): number=6 is not allowed: whole number, at most 5"
    with pytest.raises(run.RunError, match=said):
        run.chapter_parameters("demo", "01_one", ["number=6"])


def test_what_the_run_gives_cannot_be_overridden(house):
    with pytest.raises(run.RunError, match="has no parameter outputs_dir"):
        run.chapter_parameters("demo", "01_one", ["outputs_dir=/elsewhere"])


def test_override_beats_profile_beats_default(house):
    assert run.chapter_parameters("demo", "01_one")["number"] == 4
    assert run.chapter_parameters("demo", "01_one", ["number=5"])["number"] == 5
    given = run.chapter_parameters("demo", "01_one", ["words=[x, y]"])
    assert given["words"] == ["x", "y"]


def test_override_without_equals_sign(house):
    with pytest.raises(run.RunError, match="write a parameter as name=value"):
        run.chapter_parameters("demo", "01_one", ["number"])


def test_unknown_profile_and_chapter_name_the_known_ones(house):
    with pytest.raises(run.RunError, match="no profile 'mine': known are demo"):
        run.read_profile("mine")
    with pytest.raises(run.RunError, match="no chapter '09_x': known are 01_one, 02_two"):
        run.notebook_parameters("09_x")


def test_two_chapters_hand_tables_over_and_leave_a_record(house):
    page = run.run_chapter("demo", "01_one", house)
    run.run_chapter("demo", "02_two", house)
    assert page == house / "demo/01_one.ipynb"
    assert (house / "demo/artifacts/made.csv").read_text() == "80"
    story = json.loads((house / "demo/provenance.json").read_text())["chapters"]
    assert list(story) == ["01_one", "02_two"]
    assert story["01_one"]["parameters"]["number"] == 4
    assert story["01_one"]["outputs"] == {
        "twice.csv": run.sha256(house / "demo/artifacts/twice.csv")
    }
    assert story["02_two"]["seconds"] > 0
    assert not list((house / "demo").glob(".*.aside"))


def test_what_a_chapter_gets_from_the_environment_ends_with_it(house, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    code = 'import os\nPath(outputs_dir, "env.csv").write_text(os.environ["OMP_NUM_THREADS"])'
    notebook(run.NOTEBOOKS / "01_one.ipynb", GIVEN + "number = 1", WRITE, code)
    run.run_chapter("demo", "01_one", house)
    assert (house / "demo/artifacts/env.csv").read_text() == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7" and "PYTHONHASHSEED" not in os.environ


def test_a_variant_reads_the_default_run_and_leaves_it_alone(house):
    run.run_chapter("demo", "01_one", house)
    run.run_chapter("demo", "02_two", house)
    run.run_chapter("demo", "02_two", house, run="aside", overrides=["factor=100"])
    assert (house / "demo/artifacts/made.csv").read_text() == "80"
    assert (house / "aside/artifacts/made.csv").read_text() == "800"


def test_a_table_has_one_writer(house):
    run.run_chapter("demo", "01_one", house)
    notebook(run.NOTEBOOKS / "02_two.ipynb", GIVEN + "number = 1", WRITE)
    with pytest.raises(
        run.RunError, match=r"02_two.* writes twice.csv, which 01_one wrote already"
    ):
        run.run_chapter("demo", "02_two", house)
    assert (house / "demo/artifacts/twice.csv").read_text() == "8"


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


def test_sha256_of_a_known_string(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert run.sha256(tmp_path / "abc") == expected


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

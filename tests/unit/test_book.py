"""Oracle: small notebooks whose page can be told in full."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup

from empdis_utils import book


def markdown(text):
    return {"cell_type": "markdown", "metadata": {}, "source": text, "id": "m"}


def code(source, outputs=(), tags=()):
    return {
        "cell_type": "code", "metadata": {"tags": list(tags)}, "source": source, "id": "c",
        "outputs": list(outputs), "execution_count": 1 if outputs else None,
    }  # fmt: skip


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


@pytest.fixture
def source():
    return {
        "cells": [markdown("# Title\nnew prose"), code("x = 1", tags=["parameters"]), code("x")]
    }


@pytest.fixture
def executed():
    cells = [
        markdown("# Title\nold prose"),
        code("x = 1", tags=["parameters"]),
        code("x = 2", tags=["injected-parameters"]),
        code(
            "x",
            [
                stream("2"),
                stream("10%|#  \r20%|## \nx: 0clip [00:00, ?clip/s]", "stderr"),
                stream("careful!", "stderr"),
            ],
        ),
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def entry():
    return {
        "profile": "demo", "run": "demo", "chapter": "01_one", "overrides": [], "git": "abc",
        "seconds": 1.5, "started": "now", "hardware": "a machine", "versions": {"python": "3"},
        "parameters": {"x": 2, "corpus": "mosi", "profile": "demo"}, "inputs": {"a.csv": "f" * 64},
        "outputs": {},
    }  # fmt: skip


def test_merge_takes_prose_from_the_source_and_outputs_from_the_run(source, executed):
    cells = book.merge(source, executed)["cells"]
    assert [c["source"] for c in cells] == ["# Title\nnew prose", "x = 1", "x"]
    assert [o["text"] for o in cells[2]["outputs"]] == ["2", "careful!"]


def test_merge_refuses_a_run_of_other_code(source, executed):
    source["cells"][2]["source"] = "x + 1"
    with pytest.raises(ValueError, match="run the chapter again"):
        book.merge(source, executed)


def test_prose_is_not_part_of_the_code(source):
    before = book.code_cells(source)
    source["cells"][0]["source"] = "# Another title"
    assert book.code_cells(source) == before
    source["cells"][2]["source"] = "x + 1"
    assert book.code_cells(source) != before


def test_page_names_its_corpus_and_how_it_was_made(source, executed, entry):
    source["cells"][0]["source"] = "# Title\nsee {numref}`__profile__-fig-a`"
    cells = book.page(source, executed, entry, "MOSI")["cells"]
    assert cells[0]["source"] == "# Title (MOSI)\nsee {numref}`demo-fig-a`"
    for fact in ("1.5", "a machine", "abc", "f" * 16, "make study PROFILE=demo NB=01_one"):
        assert fact in cells[-1]["source"]


def test_page_shows_the_parameters_of_its_run(source, executed, entry):
    for notebook in (source, executed):
        notebook["cells"][1]["source"] = 'profile = "a"\nx = 1  # a number\ny = [\n    1,\n]'
    entry["parameters"]["y"] = [2, 3]
    cells = book.page(source, executed, entry, "MOSI")["cells"]
    assert cells[1]["source"] == "x = 2  # a number\ny = [2, 3]"


def test_synthetic_pages_say_so(source, executed, entry):
    assert "Synthetic" not in json.dumps(book.page(source, executed, entry, "MOSI"))
    entry["parameters"]["corpus"] = "fixture"
    assert book.SYNTHETIC_NOTE in book.page(source, executed, entry, "F")["cells"][0]["source"]


def test_parameters_are_escaped_on_the_page(entry):
    entry["parameters"]["x"] = "<script>alert(1)</script>"
    assert "<script>" not in book.how_it_was_made(entry)


def test_the_form_lists_each_parameter_with_meaning_limits_default_and_value(
    source, executed, entry, tmp_path, monkeypatch
):
    monkeypatch.setattr(book.run, "NOTEBOOKS", tmp_path)
    limits = "x: {type: integer, minimum: 0}\nz: {enum: [one, two]}\n"
    (tmp_path / "limits.yaml").write_text(limits)
    for notebook in (source, executed):
        notebook["cells"][1]["source"] = 'profile = "a"\nx = 1  # <a> number\ny = [1]\nz = "one"'
    entry["parameters"] |= {"x": 2, "y": ["<b>"], "z": "two"}
    form = book.page(source, executed, entry, "MOSI")["cells"][-3]["source"]
    table = BeautifulSoup(form, "html.parser")
    rows = [[c.get_text() for c in row.find_all(["th", "td"])] for row in table.select("tbody tr")]
    assert rows[:2] == [
        ["x<a> number", "whole number, at least 0", "1", "2", ""],
        ["y", "", "[1]", '["<b>"]', ""],
    ]
    assert rows[2][:4] == ["z", '"one" or "two"', '"one"', '"two"']
    assert table.select_one("[data-command]").text == "make study PROFILE=demo NB=01_one"
    fields = {field["data-name"]: field for field in table.select("[data-name]")}
    assert list(fields) == ["x", "y", "z"]
    assert (fields["x"]["type"], fields["x"]["min"]) == ("number", "0")
    assert [option.text for option in fields["z"].find_all("option")] == ["as here", "one", "two"]


def test_a_comment_belongs_to_its_value_even_in_parentheses():
    source = 'a = (\n    "x"  # what a is\n)\nb = [1, 2]  # b # too\nc = "#"\n'
    assert book.parameter_meanings(source) == {
        "a": ('"x"', "what a is"), "b": ("[1, 2]", "b # too"), "c": ('"#"', "")
    }  # fmt: skip
    assert book.as_run(source, {"a": "y", "b": 3, "c": "d"}).splitlines() == [
        "a = 'y'  # what a is", "b = 3  # b # too", "c = 'd'"
    ]  # fmt: skip


def test_downloads_are_beside_the_page_and_buttons_only_with_an_address(project, monkeypatch):
    artifacts = project / "runs/demo/artifacts"
    artifacts.mkdir()
    pd.DataFrame({"a": [1, 2]}).to_parquet(artifacts / "few.parquet")
    pd.DataFrame({"a": [7] * 200_000}).to_parquet(artifacts / "more.parquet")
    noise = pd.DataFrame({"a": np.random.default_rng(0).random(100_000)})
    noise.to_parquet(artifacts / "many.parquet")
    story = json.loads((project / "runs/demo/provenance.json").read_text())
    story["chapters"]["01_one"]["outputs"] = dict.fromkeys(
        ["few.parquet", "more.parquet", "many.parquet"], ""
    )
    (project / "runs/demo/provenance.json").write_text(json.dumps(story))
    for address in ("", "someone/a-book"):
        monkeypatch.setenv("REPO", address)
        book.stage(project / "runs", project / "stage", root=project)
        page = (project / "stage/runs/demo/01_one.ipynb").read_text()
        assert ("mybinder.org/v2/gh/someone/a-book" in page) == bool(address)
    folder = project / "stage/runs/demo"
    assert (folder / "tables/few.csv").read_text() == "a\n1\n2\n"
    assert pd.read_csv(folder / "tables/more.csv.gz")["a"].tolist() == [7] * 200_000
    assert "tables/more.csv.gz" in page and "read_csv" in page
    assert not list((folder / "tables").glob("many*")) and "many" not in page
    assert "tables/few.csv" in page and "source/01_one.ipynb" in page
    assert (folder / "source/01_one.ipynb").exists()


def test_toc_drops_missing_pages_and_gathers_unnamed_runs(tmp_path):
    for name in ("index.md", "a.md", "runs/mine/01_x.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    toc = {
        "format": "jb-book", "root": "index",
        "parts": [{"caption": "A", "chapters": [{"file": "a"}, {"file": "gone"}]},
                  {"caption": "B", "chapters": [{"file": "gone"}]}],
    }  # fmt: skip
    assert book.trim_toc(toc, tmp_path)["parts"] == [
        {"caption": "A", "chapters": [{"file": "a"}]},
        {"caption": "Other runs", "chapters": [{"file": "runs/mine/01_x"}]},
    ]


@pytest.fixture
def project(tmp_path, source, executed, entry, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "book/index.md").write_text("# Book")
    (tmp_path / "_config.yml").write_text("title: Book\n")
    toc = {"format": "jb-book", "root": "index", "parts": []}
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
    notebooks, demo = tmp_path / "notebooks", tmp_path / "runs/demo"
    (notebooks / "profiles").mkdir(parents=True)
    demo.mkdir(parents=True)
    (notebooks / "profiles/demo.yaml").write_text("title: Demo\n01_one:\n")
    (notebooks / "01_one.ipynb").write_text(json.dumps(source))
    (demo / "01_one.ipynb").write_text(json.dumps(executed))
    (demo / "provenance.json").write_text(json.dumps({"chapters": {"01_one": entry}}))
    monkeypatch.setattr(book.run, "NOTEBOOKS", notebooks)
    return tmp_path


def test_stage_writes_pages_and_leaves_unchanged_ones_alone(project):
    out = project / "stage"
    book.stage(project / "runs", out, root=project)
    page = out / "runs/demo/01_one.ipynb"
    assert "# Title (Demo)" in page.read_text()
    before = page.stat().st_mtime_ns
    (project / "book/index.md").write_text("# Book, edited")
    book.stage(project / "runs", out, root=project)
    assert (out / "index.md").read_text() == "# Book, edited"
    assert page.stat().st_mtime_ns == before


def test_links_to_runs_that_are_not_in_this_copy_become_words(project):
    (project / "book/course").mkdir()
    links = "See {doc}`../runs/demo/01_one`, {doc}`../runs/demo/09_nine`, {doc}`../index`."
    (project / "book/course/a.md").write_text(links)
    book.stage(project / "runs", project / "stage", root=project)
    assert (project / "stage/course/a.md").read_text() == (
        "See {doc}`../runs/demo/01_one`, `demo/09_nine` (not in this copy), {doc}`../index`."
    )


def test_stage_removes_pages_that_are_gone(project):
    out = project / "stage"
    book.stage(project / "runs", out, root=project)
    (project / "runs/demo/01_one.ipynb").unlink()
    book.stage(project / "runs", out, root=project)
    assert not (out / "runs/demo/01_one.ipynb").exists()


def test_a_run_of_older_code_is_left_out_and_said_so(project, capsys):
    notebook = project / "notebooks/01_one.ipynb"
    notebook.write_text(notebook.read_text().replace('"x"', '"x + 1"'))
    book.stage(project / "runs", project / "stage", root=project)
    assert not (project / "stage/runs/demo/01_one.ipynb").exists()
    assert "left out: demo 01_one: the code of the notebook changed" in capsys.readouterr().err

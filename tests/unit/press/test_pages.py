"""Oracle: small notebooks whose page can be told in full."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup

from empdis_utils.data.hashes import sha256
from empdis_utils.press import inputs, pages, parameters, run


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
        "cells": [markdown("# Title\nnew prose"), code("x = 1", tags=["parameters"]), code("x")],
        "metadata": {},
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
    cells = pages.merge(source, executed)["cells"]
    assert [c["source"] for c in cells] == ["# Title\nnew prose", "x = 1", "x"]
    assert [o["text"] for o in cells[2]["outputs"]] == ["2", "careful!"]


def test_merge_refuses_a_run_of_other_code(source, executed):
    source["cells"][2]["source"] = "x + 1"
    with pytest.raises(ValueError, match="run the chapter again"):
        pages.merge(source, executed)


def test_prose_is_not_part_of_the_code(source):
    before = inputs.code_cells(source)
    source["cells"][0]["source"] = "# Another title"
    assert inputs.code_cells(source) == before
    source["cells"][2]["source"] = "x + 1"
    assert inputs.code_cells(source) != before


def test_page_names_its_corpus_and_how_it_was_made(source, executed, entry):
    source["cells"][0]["source"] = "# Title\nsee {numref}`__profile__-fig-a`"
    cells = pages.page(source, executed, entry, "MOSI")["cells"]
    assert cells[0]["source"] == "# Title (MOSI)\nsee {numref}`demo-fig-a`"
    for fact in ("1.5", "a machine", "abc", "f" * 16, "make study PROFILE=demo NB=01_one"):
        assert fact in cells[-1]["source"]


def test_page_shows_the_parameters_of_its_run(source, executed, entry):
    for notebook in (source, executed):
        notebook["cells"][1]["source"] = 'profile = "a"\nx = 1  # a number\ny = [\n    1,\n]'
    entry["parameters"]["y"] = [2, 3]
    cells = pages.page(source, executed, entry, "MOSI")["cells"]
    assert [c["source"] for c in cells[:2]] == ["# Title (MOSI)\nnew prose", "x"]
    assert cells[-4]["source"] == "x = 2  # a number\ny = [2, 3]", "at the foot, before the form"


def test_synthetic_pages_say_so(source, executed, entry):
    assert "Synthetic" not in json.dumps(pages.page(source, executed, entry, "MOSI"))
    entry["parameters"]["corpus"] = "fixture"
    assert pages.SYNTHETIC_NOTE in pages.page(source, executed, entry, "F")["cells"][0]["source"]


def test_parameters_are_escaped_on_the_page(entry):
    entry["parameters"]["x"] = "<script>alert(1)</script>"
    assert "<script>" not in pages.how_it_was_made(entry)


def test_the_form_lists_each_parameter_with_meaning_limits_default_and_value(
    source, executed, entry, tmp_path, monkeypatch
):
    monkeypatch.setattr(parameters, "NOTEBOOKS", tmp_path)
    limits = "x: {type: integer, minimum: 0}\nz: {enum: [one, two]}\n"
    (tmp_path / "limits.yaml").write_text(limits)
    for notebook in (source, executed):
        notebook["cells"][1]["source"] = 'profile = "a"\nx = 1  # <a> number\ny = [1]\nz = "one"'
    entry["parameters"] |= {"x": 2, "y": ["<b>"], "z": "two"}
    form = pages.page(source, executed, entry, "MOSI")["cells"][-3]["source"]
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
    assert pages.parameter_meanings(source) == {
        "a": ('"x"', "what a is"), "b": ("[1, 2]", "b # too"), "c": ('"#"', "")
    }  # fmt: skip
    assert pages.as_run(source, {"a": "y", "b": 3, "c": "d"}).splitlines() == [
        "a = 'y'  # what a is", "b = 3  # b # too", "c = 'd'"
    ]  # fmt: skip


def test_downloads_are_beside_the_page_and_buttons_only_with_an_address(
    project, entry, monkeypatch
):
    artifacts = project / "runs/demo/artifacts"
    artifacts.mkdir()
    pd.DataFrame({"a": [1, 2]}).to_parquet(artifacts / "few.parquet")
    pd.DataFrame({"a": [7] * 200_000}).to_parquet(artifacts / "more.parquet")
    noise = pd.DataFrame({"a": np.random.default_rng(0).random(100_000)})
    noise.to_parquet(artifacts / "many.parquet")
    keep(project / "runs/demo", entry)
    for address in ("", "someone/a-book"):
        monkeypatch.setenv("REPO", address)
        pages.stage(project / "runs", project / "stage", root=project)
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
    assert pages.trim_toc(toc, tmp_path)["parts"] == [
        {"caption": "A", "chapters": [{"file": "a"}]},
        {"caption": "Other runs", "chapters": [{"file": "runs/mine/01_x"}]},
    ]


def test_toc_keeps_what_is_there_in_its_place(tmp_path):
    """Sections of a page that is not there take its place; what is there keeps its title."""
    for name in ("index.md", "a.md", "b.md", "runs/x/02_two.ipynb", "runs/x/03_three.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    two, three = ({"file": f"runs/x/{name}", "title": name} for name in ("02_two", "03_three"))
    inner = {"file": "runs/x/01_one", "title": "one", "sections": [two, {"file": "runs/x/09_no"}]}
    toc = {
        "format": "jb-book", "root": "index",
        "parts": [{"caption": "A", "chapters": [
            {"file": "a", "title": "short", "sections": [inner, three]},
            {"file": "b", "sections": [{"file": "gone", "sections": [{"file": "too"}]}]},
        ]}],
    }  # fmt: skip
    before = json.dumps(toc)
    trimmed = pages.trim_toc(toc, tmp_path)
    assert trimmed["parts"] == [
        {"caption": "A", "chapters": [
            {"file": "a", "title": "short", "sections": [two, three]}, {"file": "b"},
        ]},
    ]  # fmt: skip
    assert json.dumps(toc) == before, "the table of contents itself is left alone"


def test_toc_of_the_book_has_few_entries_open_and_names_each_page_once():
    toc = yaml.safe_load((pages.ROOT / "_toc.yml").read_text())

    def files(chapters):
        for chapter in chapters:
            yield chapter["file"]
            yield from files(chapter.get("sections", ()))

    named = [name for part in toc["parts"] for name in files(part["chapters"])]
    assert len(named) == len(set(named)) > 50
    assert sum(len(part["chapters"]) for part in toc["parts"]) <= 20


def glued(name):
    data = {"application/papermill.record/text/plain": "3"}
    return {"output_type": "display_data", "metadata": {"scrapbook": {"name": name}}, "data": data}


TEXT = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": "3"}}
MAY = ["may-be-empty"]


def section(*cells):
    return pages.without_empty_sections([markdown("# T"), code("y", [TEXT]), *cells])[2:]


def test_a_section_with_nothing_to_show_is_dropped():
    rest = [markdown("## Next"), code("z", [TEXT])]
    empty = [markdown("(here)=\n## Empty"), markdown("prose"), code("a = 1"), code("b", tags=MAY)]
    assert section(*empty, *rest) == rest
    assert section(*empty) == []
    assert section(markdown("## Empty"), code("b", tags=MAY)) == []


def test_a_section_stays_with_an_output_without_a_tag_or_without_code():
    for cells in (
        [markdown("## A"), code("a"), code("b", [TEXT], MAY)],
        [markdown("## A"), code("a")],
        [markdown("## A"), markdown("prose")],
        [markdown("# A"), code("a", tags=MAY)],
        [markdown("prose"), code("a", tags=MAY)],
        [markdown("```\n## no heading\n```"), code("a", tags=MAY)],
        [markdown("## A"), code("a", tags=MAY), markdown("### B"), code("b", [TEXT])],
    ):
        assert section(*cells) == cells


def test_a_subsection_is_dropped_by_itself_and_with_its_section():
    below = [markdown("### B"), code("b", tags=MAY)]
    above = [markdown("## A"), code("a", [TEXT])]
    after = [markdown("### C"), code("c", [TEXT])]
    assert section(*above, *below, *after) == [*above, *after]
    assert section(markdown("## A"), *below, markdown("## D")) == [markdown("## D")]


def test_what_a_dropped_section_glues_is_kept_unseen():
    (kept,) = section(markdown("## A"), code("a", [glued("n")], MAY), code("b"))
    assert kept["outputs"] == [glued("n")] and "remove-cell" in kept["metadata"]["tags"]
    unseen = code("b", [TEXT], ["remove-cell"])
    assert len(section(markdown("## A"), code("a", tags=MAY), unseen)) == 1


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
    monkeypatch.setattr(parameters, "NOTEBOOKS", notebooks)
    keep(demo, entry)
    return tmp_path


def keep(folder, entry):
    """Record the demo's page as it is, as a run would."""
    (entry["parameters"], entry["read"]) = ({"x": 2, "corpus": "mosi", "profile": "demo"}, {})
    entry["given"] = inputs.of_chapter("demo", "01_one")
    entry["page"] = sha256(folder / "01_one.ipynb")
    names = [p for p in folder.glob("artifacts/*") if p.is_file()]
    entry["outputs"] = {path.name: sha256(path) for path in names}
    run.record(folder, "01_one", entry)


def test_stage_writes_pages_and_leaves_unchanged_ones_alone(project):
    out = project / "stage"
    pages.stage(project / "runs", out, root=project)
    page = out / "runs/demo/01_one.ipynb"
    assert "# Title (Demo)" in page.read_text()
    before = page.stat().st_mtime_ns
    (project / "book/index.md").write_text("# Book, edited")
    pages.stage(project / "runs", out, root=project)
    assert (out / "index.md").read_text() == "# Book, edited"
    assert page.stat().st_mtime_ns == before


def test_figures_of_the_pages_about_all_runs_become_assets(project):
    """They take the place of one that comes with the book, and leave when they are gone."""
    drawn = project / "runs/book/artifacts"
    drawn.mkdir(parents=True)
    (project / "book/assets").mkdir()
    (project / "book/assets/findings.png").write_bytes(b"old")
    for name in ("findings", "split-wide", "split-narrow"):
        (drawn / f"{name}.png").write_bytes(name.encode())
    pages.stage(project / "runs", project / "stage", root=project)
    assets = project / "stage/assets"
    assert {p.name: p.read_text() for p in assets.iterdir()} == {
        f"{name}.png": name for name in ("findings", "split-wide", "split-narrow")
    }
    (drawn / "split-wide.png").unlink()
    pages.stage(project / "runs", project / "stage", root=project)
    assert not (assets / "split-wide.png").exists()


def released(project):
    """The demo's run moved into results/, as a release of another commit."""
    profile = project / "notebooks/profiles/demo.yaml"
    profile.write_text(profile.read_text() + "book: 1\n")
    folder = project / "results/demo"
    folder.parent.mkdir()
    (project / "runs/demo").rename(folder)
    record = json.loads((folder / "provenance.json").read_text())
    record["chapters"]["01_one"] |= {"git": "0123456789abcdef", "started": "2026-11-28 10:00 UTC"}
    (folder / "provenance.json").write_text(json.dumps(record))
    notebook = project / "notebooks/01_one.ipynb"  # the book went on since
    notebook.write_text(notebook.read_text().replace("new prose", "newest prose"))
    return folder


def test_a_released_page_is_shown_as_it_is_and_says_so(project):
    folder = released(project)
    pages.stage(project / "runs", project / "stage", root=project)
    cells = json.loads((project / "stage/runs/demo/01_one.ipynb").read_text())["cells"]
    title = cells[0]["source"]
    assert title.startswith("# Title (Demo)\n") and "old prose" in title
    assert "} From the released run of 2026-11-28, commit 0123456789\n" in title
    assert "`make study PROFILE=demo NB=01_one`" in title
    assert cells[1]["outputs"][0]["text"] == "2"
    assert "How this page was made" in cells[-1]["source"] and "0123456789ab" in cells[-1]["source"]
    source = json.loads((project / "stage/runs/demo/source/01_one.ipynb").read_text())["cells"]
    assert [c["source"] for c in source if c["cell_type"] == "code"] == ["x = 1", "x"]
    assert not any(c.get("outputs") for c in source)
    (folder / "01_one.ipynb").unlink()
    (folder / "provenance.json").write_text("{")
    with pytest.raises(parameters.RunError, match="check out results/ again"):
        pages.stage(project / "runs", project / "stage", root=project)


def test_an_own_run_goes_before_the_released_one(project):
    """Without a view (a person stages by hand): results/ only where there is no own run."""
    kept = project / "runs/demo"
    folder = released(project)
    assert pages.release.folders(project / "runs", results=folder.parent) == {"demo": folder}
    kept.mkdir()
    assert pages.release.folders(project / "runs", results=folder.parent) == {"demo": kept}
    assert pages.release.folders(project / "runs", ["demo"], folder.parent) == {"demo": kept}
    (project / "runs/.view").mkdir()
    (project / "runs/.view/demo").symlink_to(folder)
    assert pages.release.folders(project / "runs", ["demo"], folder.parent) == {"demo": folder}
    assert pages.release.folders(project / "runs", [], folder.parent) == {}


def test_a_page_that_is_no_longer_staged_leaves_the_site(tmp_path):
    rendered, staged = tmp_path / "html", tmp_path / "stage"
    for name in ("a", "runs/x/01_one", "runs/x/02_two"):
        for path in (rendered / "_sources" / f"{name}.md", rendered / f"{name}.html"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    staged.mkdir()
    (staged / "a.md").touch()
    pages.drop_gone(rendered, staged)
    left = sorted(str(p.relative_to(rendered)) for p in rendered.rglob("*"))
    assert left == ["_sources", "_sources/a.md", "a.html"]


def test_links_to_runs_that_are_not_in_this_copy_become_words(project):
    (project / "book/course").mkdir()
    links = "See {doc}`../runs/demo/01_one`, {doc}`../runs/demo/09_nine`, {doc}`../index`."
    (project / "book/course/a.md").write_text(links)
    pages.stage(project / "runs", project / "stage", root=project)
    assert (project / "stage/course/a.md").read_text() == (
        "See {doc}`../runs/demo/01_one`, `demo/09_nine` (not in this copy), {doc}`../index`."
    )


def test_stage_removes_pages_that_are_gone(project):
    out = project / "stage"
    pages.stage(project / "runs", out, root=project)
    (project / "runs/demo/01_one.ipynb").unlink()
    pages.stage(project / "runs", out, root=project)
    assert not (out / "runs/demo/01_one.ipynb").exists()


def test_a_run_of_older_code_is_left_out_and_said_so(project, capsys):
    notebook = project / "notebooks/01_one.ipynb"
    notebook.write_text(notebook.read_text().replace('"x"', '"x + 1"'))
    pages.stage(project / "runs", project / "stage", root=project)
    assert not (project / "stage/runs/demo/01_one.ipynb").exists()
    assert "left out: demo 01_one: notebook changed" in capsys.readouterr().err


def test_a_table_or_page_changed_by_hand_is_left_out_and_said_so(project, capsys):
    page = project / "runs/demo/01_one.ipynb"
    page.write_text(page.read_text().replace("0.5", "0.999") + " ")
    pages.stage(project / "runs", project / "stage", root=project)
    assert not (project / "stage/runs/demo/01_one.ipynb").exists()
    assert "left out: demo 01_one: its page was changed by hand" in capsys.readouterr().err


@pytest.mark.parametrize("broken", ["gone", "", '{"chapters": {"01_o', "[]"])
def test_a_record_that_is_gone_or_cut_does_not_drop_pages_in_silence(project, broken):
    record = project / "runs/demo/provenance.json"
    record.unlink() if broken == "gone" else record.write_text(broken)
    with pytest.raises(parameters.RunError, match="provenance.json is missing or cannot be read"):
        pages.stage(project / "runs", project / "stage", root=project)


def test_a_chapter_of_the_book_that_no_longer_holds_stops_the_book(project):
    (project / "runs/demo/01_one.ipynb").write_text("{}")
    with pytest.raises(parameters.RunError, match="changed while it was rendered"):
        pages.stage(project / "runs", project / "stage", root=project, shown=["demo"])


ATTACKS = [
    "{{ cycler.__init__.__globals__.os.popen('touch hacked').read() }}.csv",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a <b>dir",
    "[x](javascript:alert(1))",
    "```\n```{raw} html\n<script>alert(1)</script>\n```",
    "a\n\n<script>alert(1)</script>\n\nb",
    "$\\href{javascript:alert(1)}{x}$",
    "`<script>alert(1)</script>`",
    "{raw:html}`<script>alert(1)</script>`",
    "&lt;script&gt; && __profile__",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_a_users_text_is_shown_letter_by_letter(source, executed, entry, text, tmp_path):
    """Oracle: the page as the book's own renderer makes it (MyST with the book's extensions)."""
    from markdown_it import MarkdownIt  # noqa: F401 - what MyST is built on
    from markdown_it.renderer import RendererHTML
    from myst_parser.config.main import MdParserConfig
    from myst_parser.parsers.mdit import create_md_parser

    config = yaml.safe_load((pages.ROOT / "_config.yml").read_text())
    on = set(config["parse"]["myst_enable_extensions"])
    assert "substitution" not in on  # its braces are Jinja, which runs code
    source["cells"][0]["source"] = executed["cells"][0]["source"] = "# Title\nprose"
    entry |= {"overrides": [f"x={text}"], "inputs": {text: "f" * 64}}
    entry["parameters"]["x"] = text
    cells = pages.page(source, executed, entry, text)["cells"]
    parser = create_md_parser(MdParserConfig(enable_extensions=on), RendererHTML)
    shown = " ".join(text.split())
    heading = parser.render(cells[0]["source"].split("\n")[0])
    soup = BeautifulSoup(heading, "html.parser")
    in_title = shown.replace("<", "‹").replace(">", "›")  # the theme would undo an escape
    assert soup.get_text().strip() == f"Title ({in_title})"
    assert [tag.name for tag in soup.find_all(True)] == ["h1"]
    for cell in (cells[-3], cells[-1]):
        inner = "\n".join(cell["source"].split("\n")[1:-1])  # inside the dropdown
        page = BeautifulSoup(parser.render(inner), "html.parser")
        assert not page.find_all(["script", "img", "b", "a", "em"])
        assert shown in page.get_text()
    assert "hacked" not in {path.name for path in tmp_path.iterdir()}


def test_a_run_is_named_in_labels_and_never_in_data(source, executed, entry):
    """A transcript `__profile__` stays what it is."""
    executed["cells"][3]["outputs"].append(stream("someone said __profile__"))
    source["cells"][0]["source"] = "# T\n{numref}`__profile__-fig`"
    cells = pages.page(source, executed, entry, "")["cells"]
    assert cells[0]["source"] == "# T\n{numref}`demo-fig`"
    assert cells[1]["outputs"][-1]["text"] == "someone said __profile__"


def test_pages_without_formulas_load_no_mathjax(tmp_path):
    tags = (
        '<script src="_static/mathjax/tex-chtml.js?v=1"></script>'
        '<script async="async" src="_static/scripts/fontawesome.js?digest=1"></script>'
    )
    (tmp_path / "plain.html").write_text(f"<p>{tags}</p>")
    (tmp_path / "math.html").write_text(f'<p class="math notranslate">{tags}</p>')
    (tmp_path / "_static/mathjax/sre/mathmaps").mkdir(parents=True)
    for name in ("tex-chtml.js", "tex-svg.js", "sre/mathmaps/en.json", "sre/mathmaps/fr.json"):
        (tmp_path / "_static/mathjax" / name).write_text("")
    search = '<script src="../searchindex.js"></script>'
    toggle = '<summary><span class="toctree-toggle" role="presentation"></span></summary>'
    (tmp_path / "search.html").write_text(search)
    (tmp_path / "other.html").write_text(search + toggle)
    pages.lighten(tmp_path)
    assert (tmp_path / "search.html").read_text() == search
    assert (tmp_path / "other.html").read_text() == toggle.replace(
        "<summary>", '<summary aria-label="the pages below">'
    )
    assert (tmp_path / "plain.html").read_text() == "<p></p>"
    kept = (
        '<p class="math notranslate"><script src="_static/mathjax/tex-chtml.js?v=1"></script></p>'
    )
    assert (tmp_path / "math.html").read_text() == kept
    left = {p.name for p in (tmp_path / "_static/mathjax").rglob("*.js*")}
    assert left == {"tex-chtml.js", "en.json"}


def test_what_was_found_stands_before_the_notes(source, executed, entry):
    text = "# Title\n\n{glue:text}`opening:s`\n\nMore."
    source["cells"][0]["source"] = text
    entry |= {"note": "NOTE", "parameters": {**entry["parameters"], "corpus": "fixture"}}
    first = pages.page(source, executed, entry, "")["cells"][0]["source"]
    at = [first.index(x) for x in ("# Title", "opening", "Synthetic clips", "NOTE", "More.")]
    assert at == sorted(at)

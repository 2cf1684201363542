"""The notebooks as files: no outputs, one literal parameters cell, nothing of one machine."""

import ast
import json
import re

import pytest
import yaml

from empdis_utils.press import parameters

NOTEBOOKS = sorted(parameters.NOTEBOOKS.glob("*.ipynb"))  # the chapters
SERVED = sorted(parameters.NOTEBOOKS.glob("*/*.ipynb"))  # no chapters: papermill never runs them
PROFILES = sorted((parameters.NOTEBOOKS / "profiles").glob("*.yaml"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def cells(path, kind):
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == kind]


@pytest.mark.parametrize("path", [*NOTEBOOKS, *SERVED], ids=lambda path: path.stem)
def test_no_outputs_are_stored(path):
    for cell in cells(path, "code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None


def test_one_parameters_cell_of_literals_with_what_the_run_gives(path):
    assert set(parameters.GIVEN_BY_RUN) <= set(parameters.notebook_parameters(path.stem))


@pytest.mark.parametrize("path", [*NOTEBOOKS, *SERVED], ids=lambda path: path.stem)
def test_no_absolute_path(path):
    assert not re.search(r"[\"'(\s]/(home|root|work|tmp|usr|Users|mnt)/", path.read_text())


def test_every_figure_has_caption_name_and_alt_text(path):
    for cell in cells(path, "code"):
        source = "".join(cell["source"])
        if "plt.show()" not in source and "fig = " not in source:
            continue
        about = cell["metadata"]["mystnb"]
        assert about["figure"]["name"].startswith("__profile__-fig-")
        assert len(about["figure"]["caption"]) > 40
        assert len(about["image"]["alt"]) > 60 and not about["image"]["alt"].endswith(".png")


def test_prose_holds_no_typed_result(path):
    """Results are glued. Decimals in prose are allowed only as settings or definitions."""
    allowed = {"0.05", "0.2", "0.4", "0.5", "0.8", "0.693"}
    for cell in cells(path, "markdown"):
        typed = set(re.findall(r"\b\d+\.\d+\b", "".join(cell["source"])))
        assert typed <= allowed, typed - allowed


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_profiles_name_chapters_and_parameters_that_exist(profile):
    for chapter in parameters.read_profile(profile.stem)["chapters"]:
        parameters.chapter_parameters(profile.stem, chapter)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_seed_is_defined_once_per_profile(profile):
    settings = yaml.safe_load(profile.read_text())
    chapters = parameters.read_profile(profile.stem)["chapters"]
    inside = [key for key in chapters if "seed" in (settings[key] or {})]
    assert inside == []


def test_words_of_a_corpus_reach_no_page_as_markup(path):
    """pandas' Styler escapes nothing, and matplotlib reads `$...$`, until `style.apply`."""
    code = ["".join(cell["source"]) for cell in cells(path, "code")]
    for text in code:
        assert "escape=False" not in text or "html.escape" in text
        assert not re.search(r"Markdown\([^)]*\{(profile|corpus|name|label|modality)\}", text)
    shows = re.search(r"matplotlib|\.style\.", "".join(code))
    assert not shows or "style.apply()" in "".join(code)


def test_no_cell_ends_by_showing_where_a_table_was_written(path):
    """The path would stand on the page, with the folders of whoever ran it."""
    for source in cells(path, "code"):
        last = ast.parse(source if isinstance(source, str) else "".join(source["source"])).body[-1:]
        assert not last or not ast.unparse(last[0]).startswith(("tables.write(", "style.save("))

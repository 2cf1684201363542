"""Oracle: small notebooks and a profile written here, and what a person would expect of P=."""

import nbformat
import pytest

from empdis_utils.press import parameters
from tests.unit.toy_house import notebook


def test_parameters_are_read_from_the_one_tagged_cell(house):
    assert parameters.notebook_parameters("01_one")["number"] == 1
    assert parameters.notebook_parameters("01_one")["words"] == ["a"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("a = 1\nb = a + 1", "'b = a \\+ 1' is not 'name = literal'"),
        ("print(1)", "is not 'name = l"),
    ],
)
def test_a_parameter_that_is_no_literal_is_refused(house, cell, message):
    notebook(parameters.NOTEBOOKS / "03_bad.ipynb", cell)
    with pytest.raises(parameters.RunError, match=message):
        parameters.notebook_parameters("03_bad")


def test_no_parameters_cell_is_refused(house):
    nbformat.write(nbformat.v4.new_notebook(), parameters.NOTEBOOKS / "03_none.ipynb")
    with pytest.raises(parameters.RunError, match="0 cells tagged 'parameters'"):
        parameters.notebook_parameters("03_none")


def test_unknown_parameter_is_refused_with_the_known_ones(house):
    with pytest.raises(
        parameters.RunError, match=r"01_one has no parameter nubmer.*it has: number, words"
    ):
        parameters.chapter_parameters("demo", "01_one", ["nubmer=3"])


def test_a_value_outside_its_limits_is_refused_before_anything_runs(house):
    (parameters.NOTEBOOKS / "limits.yaml").write_text("number: {type: integer, maximum: 5}\n")
    assert parameters.chapter_parameters("demo", "01_one") == {"number": 4}
    said = r"01_one \(profile demo\): number=6 is not allowed: whole number, at most 5"
    with pytest.raises(parameters.RunError, match=said):
        parameters.chapter_parameters("demo", "01_one", ["number=6"])


def test_what_the_run_gives_cannot_be_overridden(house):
    with pytest.raises(parameters.RunError, match="has no parameter outputs_dir"):
        parameters.chapter_parameters("demo", "01_one", ["outputs_dir=/elsewhere"])


def test_override_beats_profile_beats_default(house):
    assert parameters.chapter_parameters("demo", "01_one")["number"] == 4
    assert parameters.chapter_parameters("demo", "01_one", ["number=5"])["number"] == 5
    given = parameters.chapter_parameters("demo", "01_one", ["words=[x, y]"])
    assert given["words"] == ["x", "y"]


def test_override_without_equals_sign(house):
    with pytest.raises(parameters.RunError, match="write a parameter as name=value"):
        parameters.chapter_parameters("demo", "01_one", ["number"])


def test_unknown_profile_and_chapter_name_the_known_ones(house):
    with pytest.raises(parameters.RunError, match="no profile 'mine': known are demo"):
        parameters.read_profile("mine")
    with pytest.raises(parameters.RunError, match="no chapter '09_x': known are 01_one, 02_two"):
        parameters.notebook_parameters("09_x")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        ("threshold=0.6", ["threshold=0.6"]),
        ("  a=1   b=-1 ", ["a=1", "b=-1"]),
        ("seeds=[1, 2, 3] a=1", ["seeds=[1, 2, 3]", "a=1"]),
        ("encoders={text: a b, audio: c} a=1", ["encoders={text: a b, audio: c}", "a=1"]),
        ("words=['a b=1', c] n=2", ["words=['a b=1', c]", "n=2"]),
        ("title=two words n=2", ["title=two words", "n=2"]),
    ],
)
def test_blanks_inside_a_value_do_not_split_it(text, pairs):
    assert parameters.split(text) == pairs


def test_a_folder_for_each_set_of_values():
    """Plain values can be read off the name; what differs in sign, blank or bracket stays apart."""
    texts = [
        "x=1",
        "x=-1",
        "x=1.0",
        "x=[1]",
        "x=[1, 2]",
        "x=[12]",
        "x=a b",
        "x=a-b",
        "x=../a",
        "y=1",
    ]
    names = [parameters.run_name("demo", "01_one", parameters.split(text)) for text in texts]
    assert len(set(names)) == len(texts)
    assert names[0] == "demo--01_one--x-1"
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-") for name in names)
    assert len(parameters.run_name("demo", "01_one", ["x=" + "9" * 500])) < 130


def test_a_value_that_is_no_yaml_is_one_sentence(house):
    with pytest.raises(parameters.RunError, match="'words=.*while parsing"):
        parameters.chapter_parameters("demo", "01_one", ["words=[a"])


@pytest.mark.parametrize("name", ["../demo", "", "DEMO/../demo"])
def test_a_profile_is_a_name_and_no_path(house, name):
    with pytest.raises(parameters.RunError, match="no profile"):
        parameters.read_profile(name)


def test_a_profile_that_is_no_mapping_is_named(house):
    path = parameters.NOTEBOOKS / "profiles" / "odd.yaml"
    for text in ("- a\n", "a: [\n", ""):
        path.write_text(text)
        with pytest.raises(parameters.RunError, match="odd.yaml"):
            parameters.read_profile("odd")

"""Oracle: the values by hand, and what each must be told; every default of the book passes."""

import json

import pytest
import yaml
from bs4 import BeautifulSoup

from empdis_utils.press import limits, pages, parameters

CHAPTERS = sorted(path.stem for path in parameters.NOTEBOOKS.glob("*.ipynb"))
LIMITS = limits.read(parameters.NOTEBOOKS / "limits.yaml")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_parameter_of_the_book_has_limits_and_a_default_inside_them(chapter):
    defaults = parameters.notebook_parameters(chapter)
    free = set(defaults) - set(parameters.GIVEN_BY_RUN)
    assert free <= set(LIMITS)
    assert limits.problems(defaults, LIMITS) == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_parameter_of_the_book_has_a_meaning(chapter):
    cells = json.loads((parameters.NOTEBOOKS / f"{chapter}.ipynb").read_text())["cells"]
    (source,) = (
        "".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])
    )
    for name, (_, meaning) in pages.parameter_meanings(source).items():
        assert name in parameters.GIVEN_BY_RUN or meaning or LIMITS[name].get("description"), name


def test_there_are_no_limits_for_what_no_chapter_has():
    assert set(LIMITS) <= {
        name for chapter in CHAPTERS for name in parameters.notebook_parameters(chapter)
    }


@pytest.mark.parametrize(
    ("value", "schema", "said"),
    [
        (1.0, {"type": "number", "exclusiveMaximum": 1}, "x=1.0 is not allowed: number, less th"),
        ("5e-6", {"type": "number"}, 'x="5e-6" is not allowed: number (write 5.0e-6, with a point'),
        ("three", {"type": "number"}, 'x="three" is not allowed: number$'),
        (True, {"type": "integer"}, "x=true is not allowed: whole number"),
        ("nearly", {"enum": ["no", "bf16"]}, 'is not allowed: "no" or "bf16"'),
        (False, {"enum": ["no", "bf16"]}, "YAML reads no as false"),
        ([], {"type": "array", "items": {"type": "integer"}, "minItems": 1}, "one or more"),
        (["a"], {"anyOf": [{"const": "all"}, {"type": "array", "items": {"enum": ["b"]}}]},
         '"all", or list, [ ], of: "b"'),
        ({"a": 1}, {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
         "names and values, { }, of: text or null"),
    ],
)  # fmt: skip
def test_a_value_outside_is_named_with_what_is_allowed(value, schema, said):
    (problem,) = limits.problems({"x": value, "other": value}, {"x": schema})
    assert problem.endswith(said[:-1]) if said.endswith("$") else said in problem


def test_a_value_inside_passes():
    schema = {"type": ["integer", "null"], "minimum": 1}
    for value in (1, 9, None):
        assert limits.problems({"x": value}, {"x": schema}) == []


def test_limits_that_are_no_schema_are_named(tmp_path):
    (tmp_path / "limits.yaml").write_text(yaml.safe_dump({"n_boot": {"type": "wholenumber"}}))
    with pytest.raises(ValueError, match="limits.yaml: n_boot: Unknown type"):
        limits.read(tmp_path / "limits.yaml")
    assert limits.read(tmp_path / "none.yaml") == {}


@pytest.mark.parametrize(
    ("schema", "tag", "attributes"),
    [
        ({"type": "integer", "minimum": 2}, "input", {"type": "number", "step": "1", "min": "2"}),
        ({"type": "number", "exclusiveMaximum": 1}, "input", {"step": "any", "max": "1"}),
        ({"type": "array"}, "input", {"placeholder": '["<b>"]'}),
        ({"type": "boolean"}, "select", {"aria-label": "new value of x"}),
    ],
)
def test_fields(schema, tag, attributes):
    field = BeautifulSoup(limits.field("x", schema, json.dumps(["<b>"])), "html.parser").find(tag)
    assert attributes.items() <= field.attrs.items() and field["data-name"] == "x"
    if tag == "select":
        assert [o["value"] if "value" in o.attrs else o.text for o in field.find_all("option")] == [
            "", "true", "false",
        ]  # fmt: skip


def test_a_choice_that_is_no_plain_word_is_quoted():
    options = BeautifulSoup(limits.field("x", {"enum": ["", "a"]}, '""'), "html.parser")
    assert [option.text for option in options.find_all("option")] == ["as here", '""', "a"]


def test_every_parameter_of_the_book_has_a_field():
    """One that may be nothing (``patience``) is text; before, it stopped the page."""
    for name, schema in LIMITS.items():
        assert f'data-name="{name}"' in limits.field(name, schema, "1"), name
    assert 'type="number"' not in limits.field("patience", LIMITS["patience"], "null")

"""Which values a chapter's parameters may have: read, checked, and put into words.

The limits are JSON Schema, one entry for each name, in ``notebooks/limits.yaml``.
"""

import functools
import json
import re

import fastjsonschema
import yaml

from empdis_utils.show.templates import render

__all__ = ["field", "problems", "read", "words"]


def read(path):
    """Limits by name: dict of str to dict. Without the file there are none.

    Raises
    ------
    ValueError
        An entry that is not JSON Schema; names it.
    """
    limits = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, schema in limits.items():
        try:
            _check(json.dumps(schema))
        except fastjsonschema.JsonSchemaDefinitionException as error:
            raise ValueError(f"{path.name}: {name}: {error}") from None
    return limits


@functools.cache
def _check(schema):
    """The function that checks a value against a schema, given as JSON."""
    return fastjsonschema.compile(json.loads(schema))


def _allowed(value, schema):
    try:
        _check(json.dumps(schema))(value)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def problems(values, limits):
    """Sentences about the values that their limits exclude; names without limits pass.

    Examples
    --------
    >>> problems({"n_boot": 3}, {"n_boot": {"type": "integer", "minimum": 40}})
    ['n_boot=3 is not allowed: whole number, at least 40']
    """
    return [
        f"{name}={json.dumps(value, ensure_ascii=False)} is not allowed: "
        f"{words(limits[name])}{_hint(value, limits[name])}"
        for name, value in values.items()
        if name in limits and not _allowed(value, limits[name])
    ]


def _hint(value, schema):
    """YAML takes 5e-6 for a word, and the word no for false."""
    if schema.get("type") == "number" and re.fullmatch(r"\d+[eE]-?\d+", str(value)):
        return " (write 5.0e-6, with a point, not 5e-6)"
    if value is False and "no" in schema.get("enum", ()):
        return " (YAML reads no as false: quote it in a profile)"
    return ""


_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "object": "names and values, { }",
    "array": "list, [ ]",
}
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}


def words(schema):
    """What a schema allows, in a few words.

    Examples
    --------
    >>> words({"type": "number", "minimum": 0, "exclusiveMaximum": 1})
    'number, at least 0, less than 1'
    >>> words({"type": "array", "items": {"enum": ["test", "val"]}, "minItems": 1})
    'list, [ ], of: "test" or "val"; one or more'
    """
    if "enum" in schema or "const" in schema:
        choices = schema.get("enum", [schema.get("const")])
        return " or ".join(json.dumps(choice) for choice in choices)
    if "anyOf" in schema:
        return ", or ".join(words(one) for one in schema["anyOf"])
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    text = " or ".join(_TYPES[one] for one in types)
    text += "".join(f", {_BOUNDS[key]} {schema[key]:g}" for key in _BOUNDS if key in schema)
    inside = schema.get("items", schema.get("additionalProperties"))
    if inside:
        text += f", of: {words(inside)}"
    return text + ("; one or more" if schema.get("minItems") else "")


def field(name, schema, now):
    """HTML of the form field for a parameter: a list for few choices, a number with its bounds, or
    text. `now`: the value of this run, as JSON.
    """
    choices = schema.get("enum") or ([True, False] if schema.get("type") == "boolean" else [])
    return render(
        "field.html",
        parameter=name,
        now=now,
        limits=json.dumps({k: v for k, v in schema.items() if k != "description"}),
        choices=[c if isinstance(c, str) and c else json.dumps(c) for c in choices],
        step={"integer": "1", "number": "any"}.get(str(schema.get("type"))),  # one type, or a list
        low=schema.get("minimum", schema.get("exclusiveMinimum")),
        high=schema.get("maximum", schema.get("exclusiveMaximum")),
    )

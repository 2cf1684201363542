"""The form of parameters in a browser. Oracle: what the command line itself accepts (`limits`)."""

import json

import pytest
import yaml

from empdis_utils.places import ROOT
from empdis_utils.press import limits, parameters
from empdis_utils.show.templates import render

LIMITS = limits.read(parameters.NOTEBOOKS / "limits.yaml")
TYPED = [
    *("0", "1", "-1", "3", "40", "0.5", "1.5", "1.0e-3", "5e-6", "1e3", "true", "no", "null"),
    *("[]", "[0.6]", "[0.6,2]", "[test,val]", "[test,nowhere]", "[1,2,3]", "word", "all"),
    *("crossfit", "bf16", "fusion", "test+val", "simulated"),
]


def form(rows):
    made = "make study PROFILE=p NB=c"
    return render("change.html", base=made, made=made, rows=rows)


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("form")
    script = (ROOT / "book/_static/page.js").read_text(encoding="utf-8")
    (folder / "page.js").write_text(script, encoding="utf-8")
    rows = [
        {"name": name, "meaning": "m", "allowed": limits.words(schema), "default": "1",
         "now": "1", "field": limits.field(name, schema, json.dumps(1))}
        for name, schema in LIMITS.items()
    ]  # fmt: skip
    head = '<!doctype html><meta charset="utf-8"><script src="page.js"></script>'
    (folder / "page.html").write_text(f"{head}{form(rows)}", encoding="utf-8")
    page = browser.new_page()
    page.goto((folder / "page.html").as_uri())
    yield page
    page.close()


def test_it_refuses_exactly_what_the_command_line_refuses(opened):
    """Every parameter of the book, with every word that may be typed into its field."""
    told = opened.evaluate(
        """(typed) => Object.fromEntries(
        [...document.querySelectorAll("[data-name]")].map((field) => {
          const options = [...(field.options || [])].map((option) => option.value);
          const choices = options.length ? options : typed;
          const said = choices.filter((text) => text && !/"/.test(text)).map((text) => {
            field.value = text;
            const kept = field.value;  // a number field drops what is none
            field.dispatchEvent(new Event("input", { bubbles: true }));
            const row = field.closest("tr");
            const bad = row.querySelector(".field-problem").textContent;
            return [text, kept, bad, field.getAttribute("aria-invalid")];
          });
          field.value = "";
          field.dispatchEvent(new Event("input", { bubbles: true }));
          return [field.dataset.name, said];
        }))""",
        TYPED,
    )
    assert set(told) == set(LIMITS)
    wrong, refused = [], 0
    for name, said in told.items():
        for text, kept, problem, invalid in said:
            if not kept:  # the browser has already refused it
                continue
            expected = limits.problems({name: yaml.safe_load(text)}, LIMITS) != []
            refused += expected
            if expected != bool(problem) or (invalid == "true") != expected:
                wrong.append((name, text, problem))
            if expected:
                assert limits.words(LIMITS[name]) in problem
    assert wrong == []
    assert refused > 100


def test_the_command_waits_until_a_value_is_set_right_and_can_be_copied(opened):
    command = opened.locator("[data-command]")
    made = command.text_content()
    opened.focus("[data-name=n_boot]")
    opened.keyboard.type("3")
    field = opened.locator("[data-name=n_boot]")
    assert field.get_attribute("aria-invalid") == "true"
    described = field.get_attribute("aria-describedby").split()
    said = [opened.text_content(f"#{name}") for name in described]
    assert said == [limits.words(LIMITS["n_boot"]), f"3 is not allowed. Allowed: {said[0]}."]
    assert "Not allowed: n_boot" in opened.text_content("[data-problem]")
    assert command.text_content() == made and opened.is_disabled("[data-copy]")
    opened.keyboard.type("00")
    assert command.text_content() == f'{made} P="n_boot=300"'
    assert field.get_attribute("aria-invalid") is None
    assert opened.text_content("[data-problem]") == ""
    opened.evaluate("document.querySelector('[data-copy]').focus()")
    opened.evaluate(
        "navigator.clipboard.writeText = async (text) => { window.taken = text; }"
        if opened.evaluate("Boolean(navigator.clipboard)")
        else "document.execCommand = () => { window.taken = String(getSelection()); return true; }"
    )
    opened.keyboard.press("Enter")
    opened.wait_for_function("document.querySelector('[data-copied]').textContent === 'Copied.'")
    assert opened.evaluate("window.taken") == f'{made} P="n_boot=300"'


def test_what_the_command_line_cannot_hold_is_said(opened):
    for text in ("[0.6, 0.7]", "a'b", "$HOME"):
        opened.fill("[data-name=corpus]", text)
        assert "no space, quote, dollar" in opened.text_content("[data-problem]")
    opened.fill("[data-name=corpus]", "")
    assert opened.text_content("[data-problem]") == ""

"""Oracle: a parser of HTML sees the words that went in, and no element more."""

import jinja2
import pytest
from bs4 import BeautifulSoup

from empdis_utils.show import templates


@pytest.mark.parametrize("words", ["<script>alert(1)</script>", '"><img src=x>', "{{ 7 * 7 }}"])
def test_words_stay_words(words):
    made = templates.render("details.html", summary=words, inside=words)
    found = BeautifulSoup(made, "html.parser")
    assert [tag.name for tag in found.find_all()] == ["details", "summary"]
    assert found.summary.text == words and found.text == 2 * words


def test_what_a_template_made_goes_into_another():
    inner = templates.render("details.html", summary="a", inside="<")
    outer = templates.render("details.html", summary="b", inside=inner)
    assert outer.count("<details>") == 2 and "&lt;" in outer and "&amp;" not in outer


def test_a_value_that_is_missing_and_a_template_that_is_missing():
    with pytest.raises(jinja2.UndefinedError, match="inside"):
        templates.render("details.html", summary="a")
    with pytest.raises(jinja2.TemplateNotFound, match="none.html"):
        templates.render("none.html")

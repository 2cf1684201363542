"""Oracle: toy pages whose words, numbers and picture are known; a parser of HTML."""

import base64
import json
import re

import pytest
from bs4 import BeautifulSoup

from empdis_utils import places
from empdis_utils.press import slides
from empdis_utils.press.parameters import RunError

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SESSION = """# Session 1: toys

## Predict first

::::{admonition} Choose before you look
:class: predict

How many *toys*,
do you think: how many?

- One
- More than
  one

:::{dropdown} What the runs say
Two.
:::
::::

## Objectives

- count {term}`toys <toy>`

## In the book

First the question:

- {doc}`How many? <../questions/toys>`

## Discuss

1. Why? See {doc}`../questions/toys`.

## Homework

About 2.5 hours: count {cite:p}`someone2020` at home.

## In short

<!-- slide -->
- Toys are few.
<!-- end slide -->

## Take home

Count.
"""
QUESTION = """(q-toys)=
# Toys are counted

How many?

**{glue:text}`../runs/book/21_toys.ipynb::answer:s`** That is
{glue:text}`../runs/book/21_toys.ipynb::share:.1f` of all.

```{admonition} Synthetic clips
A note.
```

```{image} ../assets/toys-narrow.png
:class: narrow
:alt: Two toys
```
```{figure} ../assets/toys-wide.png
:name: fig-q-toys
:alt: Two toys "side" by <side>

Caption with {glue:text}`../runs/book/21_toys.ipynb::share:.1f`.
```

## How sure

Very.
"""


def glue(name, text, prefix=""):
    return {
        "output_type": "display_data",
        "metadata": {"scrapbook": {"name": name}},
        "data": {f"{prefix}text/plain": text},
    }


@pytest.fixture
def staged(tmp_path):
    """A staged book of one session, one question, one run and one figure."""
    outputs = [
        glue("answer", "Two <b>toys</b> [1, 3] of *a_b*.", "application/papermill.record/"),
        glue("share", "0.26"),
    ]
    files = {
        "course/01_toys.md": SESSION,
        "course/index.md": "# Course",
        "questions/toys.md": QUESTION,
        "runs/book/21_toys.ipynb": json.dumps({"cells": [{"outputs": outputs}, {}]}),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "assets").mkdir()
    for layout in ("wide", "narrow"):
        (tmp_path / f"assets/toys-{layout}.png").write_bytes(PNG)
    return tmp_path


def made(staged):
    (path,) = slides.write(staged)
    assert path == staged / "extra/course/slides/01_toys.html"
    return BeautifulSoup(path.read_text(), "html.parser")


def told(part):
    return " ".join(part.get_text(" ", strip=True).split())


def test_a_deck_has_a_slide_for_each_part_in_order(staged):
    deck = made(staged)
    assert [part.h1 or part.h2 for part in deck.find_all("section")]
    assert [told(part.find(["h1", "h2"])) for part in deck.find_all("section")] == [
        *("Session 1: toys", "Objectives", "Predict first", "Toys are counted"),
        *("Toys are counted", "Discuss", "In short", "At home"),
    ]
    first, aims, ask, answer, figure, discuss, short, home = map(told, deck.find_all("section"))
    assert "about 2.5 hours at home" in first
    assert aims.endswith("count toys")
    assert ask == "Predict first How many toys , do you think: how many? One More than one"
    assert "Two." not in ask  # the answer is for afterwards
    assert (
        answer == "Toys are counted How many? Two <b>toys</b> [1, 3] of *a_b*. That is 0.3 of all."
    )
    assert figure == "Toys are counted Caption with 0.3."
    assert discuss.endswith("See Toys are counted.") and short == "In short Toys are few."
    assert home == "At home About 2.5 hours: count at home. Take home Count."


def test_a_deck_needs_no_other_file_and_shows_words_letter_by_letter(staged):
    deck = made(staged)
    icons = deck.find_all("link", href="data:,")  # says that there is no icon to ask for
    assert deck.find_all("link") == icons and not deck.find_all(["iframe", "b"])
    assert not [tag for tag in deck.find_all("script") if tag.get("src")]
    sources = [tag.get("src") or tag.get("srcset") for tag in deck.find_all(["img", "source"])]
    wanted = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert sources == [wanted, wanted]
    assert deck.img["alt"] == 'Two toys "side" by <side>'
    assert [a["href"] for a in deck.find_all("a")] == ["../01_toys.html"]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("assets/toys-wide.png", None, None, "names the figure toys-wide.png, which no run made"),
        ("runs/book/21_toys.ipynb", None, None, "no page book/21_toys.ipynb, whose 'share'"),
        ("questions/toys.md", None, None, "no question page toys.md"),
        ("questions/toys.md", "::answer:", "::no:", "21_toys.ipynb glued nothing named 'no'"),
        ("course/01_toys.md", "## Discuss", "## Talk", "a session has no part 'Discuss'"),
        ("course/01_toys.md", "About 2.5 hours", "Some hours", "homework begins with its time"),
        ("course/01_toys.md", ":class: predict", "", "needs a question and a list of options"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(staged, name, old, new, message):
    path = staged / name
    path.unlink() if old is None else path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RunError, match=f"^slides of 01_toys: .*{message}"):
        slides.write(staged)


def test_a_deck_that_did_not_change_is_left_alone(staged):
    (path,) = slides.write(staged)
    before = path.stat().st_mtime_ns
    slides.write(staged)
    assert path.stat().st_mtime_ns == before


def test_a_book_without_a_course_has_no_slides(tmp_path):
    assert slides.write(tmp_path) == set()


def test_hours_of_the_sessions_are_those_of_the_courses_page():
    course = places.ROOT / "book" / "course"
    given = {path.stem: slides.hours(path.read_text()) for path in course.glob("0*.md")}
    index = (course / "index.md").read_text()
    for name, number in given.items():
        (row,) = [line for line in index.splitlines() if f"<{name}>" in line]
        assert row.split("|")[-2].strip() == f"{number:g}", name
    assert f"{sum(given.values()):g} hours" in index


def test_every_question_page_that_a_box_quotes_can_be_cut_where_the_box_cuts_it():
    for path in (places.ROOT / "book" / "course").glob("0*.md"):
        box = slides.section(path.read_text(), "Predict first")
        (name,) = set(re.findall(r"\{include\} \.\./questions/(\w+)\.md", box))
        text = (places.ROOT / "book" / "questions" / f"{name}.md").read_text()
        assert text.startswith("# ")
        assert "```{image}" in text, f"{name}.md has no figure yet"
        assert f"<../questions/{name}>`" in slides.section(path.read_text(), "In the book")

"""Guesses and slides of the course in a browser. Oracle: what a person at the keyboard sees."""

import pytest

from empdis_utils.places import ROOT
from empdis_utils.show.templates import render

SCRIPT = (ROOT / "book" / "_static" / "predict.js").read_text(encoding="utf-8")
# As Sphinx writes a box of a session's page.
BOX = """<!DOCTYPE html><html lang="en"><head>{head}</head><body>
<div class="predict admonition"><p class="admonition-title">Choose</p><p>How many?</p>
<ul class="simple"><li><p>One</p></li><li><p>Two <em>or more</em></p></li></ul>
<details class="sd-dropdown"><summary>What the runs say</summary><p>Three.</p></details></div>
</body></html>"""


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1000, "height": 600})
    yield context.new_page()
    context.close()


def test_the_answer_opens_after_a_choice_by_keyboard(page):
    page.set_content(BOX.format(head=f"<script>{SCRIPT}</script>"))
    answer, radios = page.get_by_text("Three."), page.get_by_role("radio")
    assert page.get_by_role("radiogroup", name="How many?").count() == 1
    assert radios.count() == 2 and not page.locator("details").is_visible()
    page.get_by_role("button").click()  # nothing chosen: nothing opens
    assert not answer.is_visible()
    radios.first.focus()
    page.keyboard.press("ArrowDown")
    assert not answer.is_visible()  # a person may still change their mind
    page.keyboard.press("Enter")
    assert answer.is_visible()
    assert page.get_by_role("status").inner_text().startswith("Your guess: Two or more.")


def test_without_scripts_the_answer_is_a_fold(page):
    page.set_content(BOX.format(head=""))
    assert page.get_by_text("Two or more").is_visible()
    assert not page.get_by_text("Three.").is_visible()
    page.get_by_text("What the runs say").click()
    assert page.get_by_text("Three.").is_visible()


def test_slides_move_by_keys_and_print_one_a_sheet(page):
    words = ("ask", "options", "short", "aims", "discuss", "homework", "last")
    deck = render(
        "slides.html",
        **{word: word for word in words},
        **{"title": "Toys", "page": "x.html", "hours": "2", "questions": [], "image": str},
    )
    page.set_content(str(deck))

    def shown():
        return page.evaluate(
            "[...document.querySelectorAll('section')]"
            ".findIndex((slide) => Math.abs(slide.getBoundingClientRect().top) < 2)"
        )

    last = page.locator("section").count() - 1
    seen = [shown()]
    for key in ("ArrowRight", "PageDown", " ", "ArrowLeft", "End", "ArrowRight", "Home"):
        page.keyboard.press(key)
        seen.append(shown())
    assert seen == [0, 1, 2, 3, 2, last, last, 0]
    page.emulate_media(media="print")
    sizes = page.evaluate("[...document.querySelectorAll('section')].map((s) => s.offsetHeight)")
    assert len(set(sizes)) == 1 and sizes[0] == pytest.approx(167 / 25.4 * 96, abs=1)  # 167 mm

"""The page without a browser: what its widgets hold, step by step (keys: tests/browser)."""

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from empdis_utils.data import corpora, playable
from empdis_utils.people import page as annotate_page
from empdis_utils.people import session


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "TOO_SOON_S", 0)
    corpus = corpora.load("fixture")
    sample = pd.DataFrame({"clip_id": corpus.manifest["clip_id"][:2], "modality": "video"})
    return annotate_page.Page(session.Study(sample, corpus, tmp_path))


def text(page):
    """All HTML on the page, parsed."""

    def walk(widget):
        for child in getattr(widget, "children", ()):
            yield from walk(child)
        if "HTML" in type(widget).__name__:
            yield widget.value

    return BeautifulSoup("".join(walk(page.stage)), "html.parser")


def click(page, key):
    def walk(widget):
        for child in getattr(widget, "children", ()):
            yield from walk(child)
        if f"key-{key}" in getattr(widget, "_dom_classes", ()):
            yield widget

    next(walk(page.stage)).click()


def test_transcripts_are_escaped():
    shown = annotate_page._media_html({"transcript": "<script>alert('x')</script> & <b>"})
    parsed = BeautifulSoup(shown, "html.parser")
    assert parsed.find("script") is None and parsed.find("b") is None
    assert parsed.blockquote.get_text() == "<script>alert('x')</script> & <b>"


def test_a_clip_without_words_says_so():
    assert "(no words)" in annotate_page._media_html({"transcript": ""})


def test_from_the_instructions_to_the_end(page):
    assert "synthetic" in text(page).get_text()
    assert "Encyclopedia of Social Psychology" in text(page).get_text()
    page._open("no good")
    assert "1 to 32 letters" in text(page).select_one("[role=alert]").get_text()
    page._open("kim")
    for _ in range(2):
        click(page, "first")
    click(page, "go")
    for step in range(4):
        wanted = "first answer" if step % 2 == 0 else "second answer"
        assert wanted in text(page).h2.get_text()
        assert (text(page).blockquote is None) == (step % 2 == 0)
        click(page, "pause")
        assert text(page).video is None  # nothing to look at while the clock stands
        click(page, "go")
        click(page, "second")
    assert text(page).h2.get_text() == "Done. Thank you!"
    rows = pd.read_csv(page.study.folder / "kim.csv")
    assert rows["judgment"].tolist() == ["neutral"] * 4


def test_coming_back_between_two_answers_is_no_problem_but_an_edited_file_is(page):
    page._open("kim")
    for _ in range(2):
        click(page, "first")
    click(page, "go")
    click(page, "first")
    page._open("kim")
    assert text(page).h2.get_text() == "Welcome back" and not text(page).select("[role=alert]")
    path = page.study.folder / "kim.csv"
    path.write_text(path.read_text() + "kim,strange,video,1,neutral,video,,1\n")
    page._open("kim")
    assert "1 odd line" in text(page).select_one("[role=alert]").get_text()


def test_a_clip_that_cannot_be_read_is_left_out_and_said(page, monkeypatch):
    real, bad = playable.mp4, page.study.sample["clip_id"][0]

    def mp4(video=None, sound=None, bit_rate=None):
        if bad in video.name:
            raise session.BadMediaError("unreadable", "broken")
        return real(video, sound, bit_rate)

    monkeypatch.setattr(playable, "mp4", mp4)
    page._open("kim")
    for _ in range(2):
        click(page, "first")
    click(page, "go")
    while "Done" not in text(page).h2.get_text():
        click(page, "first")
    assert "1 clips could not be shown" in text(page).get_text()
    rows = pd.read_csv(page.study.folder / "kim.csv")
    assert len(rows) == 2 and bad not in set(rows["clip_id"])


def test_both_answers_look_alike(page):
    """A highlighted button would pull answers."""
    page._open("kim")
    click(page, "first")
    buttons = [b for row in page.stage.children for b in getattr(row, "children", ())]
    styles = {b.button_style for b in buttons if {"key-first", "key-second"} & set(b._dom_classes)}
    assert styles == {""}

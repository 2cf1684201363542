"""The built HTML, parsed: links that resolve, pictures with alt text, nothing from elsewhere."""

from urllib.parse import unquote, urlparse

import pytest
from bs4 import BeautifulSoup

LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
NOT_FETCHED = {"canonical", "next", "prev", "search", "index", "author"}


@pytest.fixture(scope="session")
def pages(fixture_book):
    html = fixture_book / "html"
    found = {
        path.relative_to(html): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(html.rglob("*.html"))
        if "_static" not in path.parts
    }
    assert len(found) > 10
    return found


def test_every_internal_link_and_anchor_resolves(pages, fixture_book):
    html = (fixture_book / "html").resolve()
    ids = {name: {e["id"] for e in page.find_all(id=True)} for name, page in pages.items()}
    broken = []
    for name, page in pages.items():
        for link in page.find_all("a", href=True):
            url = urlparse(link["href"])
            if url.scheme or url.netloc:
                continue
            target = html / name if not url.path else html / name.parent / unquote(url.path)
            target = target.resolve()
            if not target.exists():
                broken.append((str(name), link["href"]))
            elif url.fragment and target.suffix == ".html" and target.relative_to(html) in pages:
                if unquote(url.fragment) not in ids[target.relative_to(html)]:
                    broken.append((str(name), link["href"]))
    assert broken == []


def test_every_picture_has_alt_text_that_says_something(pages):
    poor = [
        (str(name), image.get("src"))
        for name, page in pages.items()
        for image in page.select("article img")
        if len(image.get("alt", "")) < 40
    ]
    assert poor == []


def test_no_page_loads_anything_from_another_host(pages):
    outside = [
        (str(name), element[attribute])
        for name, page in pages.items()
        for tag, attribute in LOADED.items()
        for element in page.find_all(tag, attrs={attribute: True})
        if urlparse(element[attribute]).netloc and not NOT_FETCHED & set(element.get("rel", []))
    ]
    assert outside == []


def test_no_unresolved_reference_or_failed_cell(pages):
    for name, page in pages.items():
        article = page.find("article")
        if article is None:
            continue
        assert not article.select(".problematic, .system-message"), name
        assert not article.select(".output.traceback"), name
        assert "__profile__" not in article.get_text(), name


def test_no_warning_is_printed_on_a_page(pages):
    for name, page in pages.items():
        stderr = [block.get_text() for block in page.select(".output.stderr")]
        assert stderr == [], name


def test_synthetic_pages_carry_the_note_and_every_run_says_how_it_was_made(pages):
    runs = {name: page for name, page in pages.items() if name.parts[0] == "runs"}
    assert runs
    for name, page in runs.items():
        assert "How this page was made" in page.get_text(), name
        if name.parts[1] == "fixture":
            assert "no evidence about people" in page.get_text(), name


def test_figures_are_numbered_and_captioned(pages):
    for name, page in pages.items():
        for figure in page.select("article figure"):
            assert figure.select_one("figcaption .caption-number"), name

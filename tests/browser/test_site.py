"""The built book in a real browser, as a reader meets it: with and without scripts."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from empdis_utils.data import tables
from empdis_utils.measures import disagreement
from empdis_utils.paper import claims
from tests.browser.axe import serious

PATIENCE = 300_000  # ms: a busy machine is no fault


class Quiet(SimpleHTTPRequestHandler):
    """Serves without a line per request; hangs up on a connection that asks for nothing."""

    timeout = 5  # s; a browser opens connections ahead, and waits minutes for a silent one

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(fixture_book):
    """Address of the built book on loopback."""
    handler = partial(Quiet, directory=str(fixture_book / "html"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def names(fixture_book):
    html = fixture_book / "html"
    found = [str(p.relative_to(html)) for p in sorted(html.rglob("*.html"))]
    return [name for name in found if not name.startswith("_static")]


class Visit:
    """One page, wide, in a tab of its own: what went wrong until the network was silent."""

    def __init__(self, context, site, name):
        self.name, self.site, self.page = name, site, context.new_page()
        self.errors, self.outside, self.bytes = [], [], 0
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else 0)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("response", self._got)
        self.page.goto(f"{site}/{name}", wait_until="commit")

    def _asked(self, request):
        if not request.url.startswith((self.site, "data:", "blob:")):
            self.outside.append(request.url)

    def _got(self, response):
        self.bytes += int(response.headers.get("content-length", 0))

    def finish(self):
        """Wait for the network, look at it, narrow it, and close it."""
        page = self.page
        page.wait_for_load_state("networkidle")
        seen = {"errors": [*self.errors], "outside": [*self.outside], "bytes": self.bytes}
        seen["axe"] = serious(page)
        page.set_viewport_size({"width": 375, "height": 800})
        page.wait_for_timeout(50)
        width = "document.scrollingElement.scrollWidth - window.innerWidth"
        seen["overflow"] = page.evaluate(width)
        seen["headings"] = page.evaluate(
            "[...document.querySelectorAll('article h1, article h2, article h3, article h4')]"
            ".map(h => Number(h.tagName[1]))"
        )
        page.close()
        return seen


@pytest.fixture(scope="module")
def visits(browser, site, names):
    """Each page opened once, the next one loading meanwhile. Index comes first, alone."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    seen = {"index.html": Visit(context, site, "index.html").finish()}
    ahead = None
    for name in [*(name for name in names if name != "index.html"), None]:
        here, ahead = ahead, name and Visit(context, site, name)
        if here:
            seen[here.name] = here.finish()
    context.close()
    return seen


def wrong(visits, key):
    return {name: seen[key] for name, seen in visits.items() if seen[key]}


def test_no_page_has_a_script_error(visits):
    assert wrong(visits, "errors") == {}


def test_no_page_asks_another_host(visits):
    assert wrong(visits, "outside") == {}


def test_no_page_is_wider_than_a_phone(visits):
    assert {n: s["overflow"] for n, s in visits.items() if s["overflow"] > 0} == {}


def test_no_page_has_a_serious_accessibility_finding(visits):
    assert wrong(visits, "axe") == {}


def test_headings_go_down_one_level_at_a_time(visits):
    jumps = {
        name: seen["headings"]
        for name, seen in visits.items()
        if seen["headings"]
        and (
            seen["headings"][0] != 1
            or any(b > a + 1 for a, b in zip(seen["headings"], seen["headings"][1:], strict=False))
        )
    }
    assert jumps == {}


def test_weight(visits, fixture_book):
    assert visits["index.html"]["bytes"] <= 1.5e6
    files = [path for path in (fixture_book / "html").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 40e6


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def test_dark_pages_keep_their_contrast(page, site):
    page.add_init_script(
        "localStorage.setItem('mode', 'dark'); localStorage.setItem('theme', 'dark')"
    )
    for name in ("index.html", "runs/fixture/04_quadrants.html", "runs/book/08_ledger.html"):
        page.goto(f"{site}/{name}", wait_until="networkidle")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert serious(page) == [], name


def test_one_pale_word_among_many_alike_is_found(page, site):
    """A control: what `serious` leaves out is only what looks the same."""
    page.goto(f"{site}/{QUADRANTS}", wait_until="networkidle")
    script = """(color) => {
      const cells = [...document.querySelectorAll("article td")];
      const last = cells.filter((e) => e.checkVisibility() && e.textContent.length > 1).pop();
      last.style.color = color;
      return last.outerHTML;
    }"""
    html = page.evaluate(script, "#ccc")
    assert serious(page) == [f"color-contrast: {html[:150]} (1)"]
    page.evaluate(script, "")
    assert serious(page) == []


def test_the_keyboard_reaches_the_text_first(page, site):
    page.goto(f"{site}/index.html")
    page.keyboard.press("Tab")
    assert "skip" in page.evaluate("document.activeElement.textContent").lower()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")


def test_search_finds_chapters_and_glossary(page, site):
    for word, expected in (("quadrant", "04_quadrants"), ("Krippendorff", "glossary")):
        page.goto(f"{site}/search.html?q={word}")
        page.wait_for_selector(f"ul.search li a[href*='{expected}']")


def test_search_shows_answers_before_the_reference(page, site):
    for words, first in (("kappa", ("questions/", "runs/")),
                         ("does it replicate", ("questions/paper_holds",))):  # fmt: skip
        page.goto(f"{site}/search.html?q={words.replace(' ', '+')}")
        page.wait_for_selector("ul.search li a")
        assert page.get_attribute("ul.search li a", "href").startswith(first)
        links = page.query_selector_all("ul.search li > a")
        kinds = [link.get_attribute("href").startswith("reference/api") for link in links]
        assert kinds == sorted(kinds)


def test_from_the_front_page_to_does_it_hold_in_one_click(page, site):
    page.goto(f"{site}/index.html")
    page.click("article .sd-card:has(a[href='questions/paper_holds.html'])")
    assert page.title().startswith("The paper holds") or "hold" in page.text_content("h1").lower()
    assert "can be tested" in page.text_content("article p:nth-of-type(2)")


QUADRANTS = "runs/fixture/04_quadrants.html"


def shown(page):
    """The explorer's own counts: quadrant -> (clips, mean entropy as printed)."""
    rows = page.query_selector_all(".explorer-counts tbody tr")
    cells = [[c.text_content() for c in row.query_selector_all("th, td")] for row in rows]
    return {row[0]: (int(row[2]), row[4]) for row in cells}


def test_the_explorer_counts_what_the_tables_hold(page, site, artifacts):
    page.goto(f"{site}/{QUADRANTS}")
    page.wait_for_selector(".explorer[data-ready=yes]")
    quadrants, entropy = tables.read(artifacts, "quadrants"), tables.read(artifacts, "entropy")
    for modality in ("text", "video"):
        page.select_option("[data-set=modality]", modality)
        found = shown(page)
        rows = quadrants.query("modality == @modality and seed == 'ensemble'")
        assert {q: n for q, (n, _) in found.items() if n} == rows[
            "quadrant"
        ].value_counts().to_dict()
        means = entropy.query("modality == @modality").groupby("quadrant")["entropy"].mean()
        for name, mean in means.items():
            assert float(found[name][1]) == pytest.approx(mean, abs=1.5e-3)
    seed = sorted(set(quadrants["seed"]) - {"ensemble"})[0]
    page.select_option("[data-set=seed]", seed)
    page.fill("[data-set=threshold]", "0.6")
    rows = quadrants.query("modality == 'video' and seed == @seed")
    inside = disagreement.quadrant_of(rows["conf_unimodal"] > 0.6, rows["conf_fusion"] > 0.6)
    expected = {name: (inside == name).sum() for name in tables.QUADRANTS}
    assert {q: n for q, (n, _) in shown(page).items()} == expected


def test_a_mark_opens_a_card_whose_clip_plays(page, site, artifacts):
    page.goto(f"{site}/{QUADRANTS}")
    page.wait_for_selector(".explorer[data-ready=yes]")
    clip = tables.read(artifacts, "manifest").iloc[7]
    page.fill("[data-set=clip]", clip["clip_id"])
    page.press("[data-set=clip]", "Tab")
    assert clip["transcript"] in page.text_content(".explorer-card")
    error, at, duration, width, heard = page.evaluate(
        """async () => {
          const media = document.querySelector(".explorer-card video");
          media.muted = true;
          await media.play();
          await new Promise((done) => setTimeout(done, 400));
          const heard = media.webkitAudioDecodedByteCount;
          return [media.error, media.currentTime, media.duration, media.videoWidth, heard];
        }"""
    )
    assert error is None and at > 0.1 and 1 <= duration <= 4 and width > 0 and heard > 0
    page.evaluate("document.querySelector('.explorer-plot').scrollIntoView()")
    box = page.query_selector(".explorer-plot .scatterlayer .point").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function(
        "id => document.querySelector('.explorer-card').dataset.clip !== id", arg=clip["clip_id"]
    )


def test_without_scripts_the_pages_still_tell(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/{QUADRANTS}")
    assert "needs scripts" in page.text_content(".explorer-off")
    assert not page.is_visible(".explorer-controls")
    assert page.query_selector("figure img") and page.query_selector("article table")
    page.goto(f"{site}/runs/book/08_ledger.html")
    assert page.is_visible("#ledger tbody tr") and not page.is_visible(".ledger-filter")
    context.close()


def test_the_form_writes_the_command(page, site):
    page.goto(f"{site}/{QUADRANTS}")
    command = page.locator("[data-command]")
    assert command.text_content() == "make study PROFILE=fixture NB=04_quadrants"
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.fill("input[data-name=threshold]", "0.6")
    page.fill("input[data-name=n_boot]", "500")
    assert command.text_content() == (
        'make study PROFILE=fixture NB=04_quadrants P="threshold=0.6 n_boot=500"'
    )
    page.select_option("select[data-name=evaluate]", "test+val")
    assert "evaluate=test+val" in command.text_content()
    page.fill("input[data-name=other_thresholds]", "[0.6, 0.7]")
    assert "no space" in page.text_content("[data-problem]")
    page.fill("input[data-name=n_boot]", "3")
    assert "Not allowed: n_boot" in page.text_content("[data-problem]")


def test_the_ledger_filters_and_can_be_taken_along(page, site, artifacts):
    page.goto(f"{site}/runs/book/08_ledger.html")
    ledger = tables.read(artifacts.parents[1] / "book" / "artifacts", "claims")
    rows = page.locator("#ledger tbody tr:visible")
    assert rows.count() == ledger["claim_id"].nunique()
    page.select_option("#ledger-verdict", "supported")
    assert rows.count() == ledger.query("verdict == 'supported'")["claim_id"].nunique()
    page.select_option("#ledger-verdict", "")
    page.fill("#ledger-word", "pitch")
    words = ("id", "statement", "source", "unit")
    told = [" ".join(claim[word] for word in words).lower() for claim in claims.read()]
    assert rows.count() == sum("pitch" in text for text in told) > 0
    with page.expect_download() as download:
        page.click("a[download='claims.json']")
    read = json.loads(download.value.path().read_text())
    assert len(read) == len(ledger)

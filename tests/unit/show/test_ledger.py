"""Oracle: a parser of HTML, and the table that went in."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from empdis_utils.show import ledger

CLAIM = {"id": "a-b", "statement": "x < y <b>", "source": "Table 1", "origin": "stated"}
CLAIM |= {"unit": "rate", "expects": "above", "reference": 0}
EMPTY = {"rows": "", "note": "", "placebo": "", "excess": np.nan, "excess_low": np.nan}
EMPTY |= {"statement": "x < y <b>"}
EMPTY |= {"excess_high": np.nan, "claim_id": "a-b", "paper_value": "0.1"}


@pytest.fixture
def rows():
    tested = {"profile": "mosi", "verdict": "not diagnostic", "run_value": 0.5, "ci_low": 0.25}
    tested |= {"ci_high": 0.75, "n": 1200, "link": "04.html#mosi-Fig", "placebo": "same model"}
    tested |= {"excess": 0.1, "note": '"><script>'}
    empty = {"profile": "cremad", "verdict": "not testable", "run_value": np.nan, "n": 0}
    empty |= {"ci_low": np.nan, "ci_high": np.nan, "link": "", "note": "no voice"}
    return pd.DataFrame([EMPTY | tested, EMPTY | empty])


def test_a_cell_says_its_verdict_and_links_to_its_figure(rows):
    page = BeautifulSoup(ledger.table([CLAIM], rows, ["mosi", "cremad"]), "html.parser")
    (row,) = page.select("#ledger tbody tr")
    assert row["id"] == "a-b" and row["data-verdicts"] == "not-diagnostic not-testable"
    assert row.th.find(string=True, recursive=False) == "x < y <b>" and "Paper: 0.1." in row.text
    one, two = row.select("td")
    assert one.a["href"] == "../mosi/04.html#mosi-fig" and one.a.text == "= not diagnostic"
    assert [small.text for small in one.select("small")] == [
        *("0.50 [0.25, 0.75], n = 1,200", "above same model: 0.10")
    ]
    assert one["title"] == '"><script>' and len(page.select("script")) == 1
    assert two.text == "–not testable" and two["title"] == "no voice"
    assert [th.text for th in page.select("thead th")] == ["claim", "CMU-MOSI", "CREMA-D"]


def test_two_ledgers_on_a_page_share_no_element(rows):
    shown = [
        BeautifulSoup(ledger.table([CLAIM], rows, ["mosi"], name), "html.parser")
        for name in ("ledger", "other")
    ]
    one, other = ({e["id"] for e in page.select("[id]")} - {CLAIM["id"]} for page in shown)
    assert one and other and not one & other
    asked = [re.findall(r'ById\("([^"]+)"', page.script.text) for page in shown]
    assert set(asked[0]) <= one and set(asked[1]) <= other


def test_the_downloads_hold_the_table(rows):
    links = BeautifulSoup(ledger.downloads(rows, "claims"), "html.parser").select("a")
    told = [base64.b64decode(a["href"].partition("base64,")[2]).decode() for a in links]
    assert [a["download"] for a in links] == ["claims.csv", "claims.json"]
    assert pd.read_csv(io.StringIO(told[0]))["n"].tolist() == [1200, 0]
    assert [row["profile"] for row in json.loads(told[1])] == ["mosi", "cremad"]


@pytest.fixture
def judged():
    """Two claims on two real corpora and on synthetic clips, which count for no verdict."""
    said = {
        ("a-b", "mosi"): "supported", ("c", "mosi"): "contradicted",
        ("a-b", "cremad"): "supported", ("c", "cremad"): "not testable",
        ("a-b", "fixture"): "mixed", ("c", "fixture"): "not testable",
    }  # fmt: skip
    return pd.DataFrame(
        [{**EMPTY, "claim_id": c, "profile": p, "verdict": v, "link": "04.html#X-Fig",
          "run_value": 0.5, "ci_low": 0.25, "ci_high": 0.75} for (c, p), v in said.items()]
    )  # fmt: skip


KNOWN = [CLAIM, {**CLAIM, "id": "c", "untested": "the link from models to people"}]
RUNS = ["fixture", "mosi", "cremad"]


def test_at_a_glance_has_signs_for_what_was_tested_and_links_to_the_cells(judged):
    page = BeautifulSoup(ledger.glance(KNOWN, judged, RUNS), "html.parser")
    assert [th.text for th in page.select("thead th")] == ["claim", "synthetic", "MOSI", "CREMA-D"]
    one, two = page.select("tbody tr")
    assert one.a["href"] == "#a-b" and one.a.text == "x < y <b>"
    assert [td.text for td in two.select("td")] == ["not testable", "✗contradicted", "not testable"]


def test_claims_are_listed_with_the_corpora_that_say_so(judged):
    tests = ledger.real(judged, RUNS)
    page = BeautifulSoup(ledger.listed(tests, "supported", up="../runs/"), "html.parser")
    (item,) = page.select("li")
    assert [a.text for a in item.select("a")] == ["CMU-MOSI", "CREMA-D"]
    assert "<li>none</li>" in ledger.listed(tests, "mixed")
    assert item.a["href"] == "../runs/mosi/04.html#x-fig" and "0.50 [0.25, 0.75]" in item.text


def test_does_it_replicate_is_answered_by_the_counts(judged):
    said = ledger.sentences(KNOWN, judged, RUNS)
    assert said["answer"].startswith("In part: of 2 claims of the paper, 2 can be tested")
    assert (said["n_cells"], said["n_supported"], said["n_contradicted"]) == (3, 2, 1)
    assert said["n_mixed"] == 0  # synthetic clips are no evidence about people
    assert said["link"].startswith("Of the 1 claims")
    only = judged[judged["verdict"] == "supported"]
    said = ledger.sentences(KNOWN, only, RUNS)
    assert said["answer"].startswith("Yes, where it can be tested: of 2")
    assert "has been tested on no real corpus yet" in said["link"] and said["n_linked"] == 1
    assert ledger.sentences(KNOWN, judged[:0], RUNS)["answer"].startswith(
        "Too little can be tested"
    )
    against = judged[judged["verdict"] == "contradicted"]
    assert ledger.sentences(KNOWN, against, RUNS)["answer"].startswith("No: of 2")

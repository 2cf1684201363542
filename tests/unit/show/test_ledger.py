"""Oracle: a parser of HTML, and the table that went in."""

import base64
import io
import json

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from empdis_utils.show import ledger

CLAIM = {"id": "a-b", "statement": "x < y <b>", "source": "Table 1", "origin": "stated"}
CLAIM |= {"unit": "rate", "expects": "above", "reference": 0}
EMPTY = {"rows": "", "note": "", "placebo": "", "excess": np.nan, "excess_low": np.nan}
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


def test_the_downloads_hold_the_table(rows):
    links = BeautifulSoup(ledger.downloads(rows, "claims"), "html.parser").select("a")
    told = [base64.b64decode(a["href"].partition("base64,")[2]).decode() for a in links]
    assert [a["download"] for a in links] == ["claims.csv", "claims.json"]
    assert pd.read_csv(io.StringIO(told[0]))["n"].tolist() == [1200, 0]
    assert [row["profile"] for row in json.loads(told[1])] == ["mosi", "cremad"]

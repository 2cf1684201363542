"""`questions.paper_holds`. Oracle: an invented ledger, counted by hand."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from empdis_utils.paper import claims
from empdis_utils.show.questions import paper_holds


def claim(name, chapter="04_quadrants", **more):
    return {"id": name, "origin": "stated", "tests": [{"chapter": chapter}], **more}


CLAIMS = [
    claim("none"),
    claim("yes"),
    claim("little"),
    claim("both"),
    claim("link", "07_human_study", untested="the link from models to people is missing"),
    claim("votes", "07_human_study", origin="analogue"),
]
SAID = [
    ("yes", "mosi", "supported"), ("yes", "cremad", "too little data"),
    ("little", "mosi", "too little data"), ("both", "mosi", "supported"),
    ("both", "cremad", "contradicted"), ("votes", "cremad", "contradicted"),
    ("none", "mosi", "not testable"), ("none", "fixture", "supported"),
]  # fmt: skip
LEDGER = pd.DataFrame(SAID, columns=["claim_id", "profile", "verdict"])


@pytest.fixture
def table():
    return paper_holds.squares(CLAIMS, LEDGER, ["fixture", "mosi", "cremad"])


def test_each_claim_is_one_square_with_what_its_real_corpora_say_together(table):
    said = table.set_index("claim_id")["verdict"].to_dict()
    assert said == {
        "none": "not testable", "yes": "supported", "little": "too little data", "both": "mixed",
        "link": "not testable", "votes": "contradicted",
    }  # fmt: skip


def test_people_alone_are_no_test_of_the_link_to_models(table):
    themes = table.set_index("claim_id")["theme"]
    assert themes["link"] == "people disagree where models do"
    assert themes["votes"] == "people alone"


def test_the_title_counts_the_squares(table):
    expected = "Of 6 claims, 1 hold, 1 do not; 2 no corpus here can test"
    assert paper_holds.title(table) == expected


@pytest.mark.parametrize("width", [8.0, 3.9])
def test_the_figure_has_a_square_per_claim_and_a_key_with_all_verdicts(table, width):
    fig = paper_holds.figure(table, width)
    (ax,) = fig.axes
    assert len(ax.patches) == len(table) + len(claims.VERDICTS)
    words = [text.get_text() for text in ax.texts]
    assert "2 not testable" in words and "0 not diagnostic" in words
    assert any(text.startswith("people disagree where models do: 0 of 1") for text in words)
    plt.close(fig)


def test_every_claim_of_the_paper_has_a_theme():
    known = claims.read()
    empty = pd.DataFrame(columns=LEDGER.columns)
    table = paper_holds.squares(known, empty, [])
    assert len(table) == len(known) and set(table["verdict"]) == {"not testable"}

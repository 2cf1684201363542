"""`explorer`: oracles are the table `quadrants`, numpy, and the closed form of entropy."""

import html
import json

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from empdis_utils.data import tables
from empdis_utils.measures import disagreement
from empdis_utils.show import explorer

SAID = '</script><script>alert("1")</script> & <b>bold</b>'


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    clips = [f"c{i:02d}" for i in range(40)]
    y = rng.integers(0, 2, 40)
    rows = [
        pd.DataFrame({"clip_id": clips, "inputs": inputs, "source": "fusion", "seed": seed,
                      "fold": 0, "split": "test", "y": y, "p": rng.random(40)})
        for seed in (1, 2)
        for inputs in ("text", "audio", "text+audio")
    ]  # fmt: skip
    quadrants = disagreement.quadrants(pd.concat(rows, ignore_index=True))
    manifest = pd.DataFrame(
        {"clip_id": clips, "dialog_id": "d", "transcript": [SAID, None, *clips[2:]], "label": "x"}
    )
    return quadrants, manifest


def test_counts_equal_the_quadrant_table(made):
    quadrants, manifest = made
    data = explorer.records(quadrants, manifest)
    assert data["n_clips"] == 40 and len(data["clips"]["id"]) == 40
    for (modality, seed), part in quadrants.groupby(["modality", "seed"]):
        found = explorer.counts(data, modality, seed).set_index("quadrant")
        expected = part["quadrant"].value_counts().reindex(tables.QUADRANTS, fill_value=0)
        assert found["n"].tolist() == expected.tolist()
        p = part["conf_fusion"]
        entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
        means = entropy.groupby(part["quadrant"]).mean().reindex(tables.QUADRANTS)
        assert found["entropy"].to_numpy() == pytest.approx(means.to_numpy(), rel=1e-9, nan_ok=True)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.3, 0.7))
def test_quadrant_of(one, both, threshold):
    name = explorer.quadrant_of([one], [both], threshold)[0]
    right = {"blue": (True, True), "red": (True, False), "green": (False, True)}
    assert right.get(name, (False, False)) == (one > threshold, both > threshold)


def test_the_page_holds_the_data_and_nothing_of_it_becomes_html(made):
    data = explorer.records(*made)
    page = explorer.page(data, "run", "a/{id}.mp4")
    soup = BeautifulSoup(page, "html.parser")
    scripts = soup.find_all("script")
    assert len(scripts) == 1 and scripts[0]["type"] == "application/json"
    read = json.loads(scripts[0].string)
    assert read["clips"]["transcript"][:2] == [SAID, ""]
    assert read["conf"] == json.loads(json.dumps(data["conf"]))
    assert read["media"] == "a/{id}.mp4"
    assert not soup.find_all("b")
    assert [o.text for o in soup.select("[data-set=seed] option")][0] == "ensemble"
    assert "The explorer needs scripts" in soup.select_one(".explorer-off").text
    assert "hidden" in soup.select_one(".explorer-on").attrs


def test_many_clips_are_sampled_and_the_page_says_so(made):
    data = explorer.records(*made, most_clips=10)
    assert data["n_clips"] == 40 and len(data["clips"]["id"]) == 10
    assert data == explorer.records(*made, most_clips=10)
    assert "sample of 10 of 40 clips" in explorer.page(data, "run")
    quadrants, manifest = made
    alone = quadrants[quadrants["clip_id"].isin(data["clips"]["id"])]
    assert data["conf"] == explorer.records(alone, manifest)["conf"]


def test_the_figure_shows_what_is_counted(made):
    data = explorer.records(*made)
    for threshold in (0.4, 0.6):
        drawn = explorer.figure(data, "audio", "2", threshold)
        found = explorer.counts(data, "audio", "2", threshold)
        assert [len(trace.x) for trace in drawn.data] == found["n"].tolist()
    assert "<script>" not in drawn.to_json()


def test_nothing_is_rounded_and_the_run_s_threshold_comes_first(made):
    """0.50004 exceeds 0.5 and not 0.50004; both are 0.5 with four decimals."""
    quadrants, manifest = made
    quadrants = quadrants.assign(conf_unimodal=0.50004, conf_fusion=np.nextafter(0.50004, 1))
    data = explorer.records(quadrants, manifest)
    for threshold, name in ((0.5, "blue"), (0.50004, "green"), (0.50005, "yellow")):
        found = explorer.counts(data, "text", "1", threshold).set_index("quadrant")["n"]
        assert found[name] == 40
    soup = BeautifulSoup(explorer.page(data, "run", threshold=0.50004), "html.parser")
    assert soup.select_one("[data-set=threshold]")["value"] == "0.50004"
    threshold = explorer.widget(data, 0.50004).children[0].children[2]
    assert threshold.value == 0.50004


def test_names_of_models_are_words_and_no_plotly_markup(made):
    """Plotly makes links of <a> and formulas of $...$ in titles and hover texts."""
    name = "<a href='https://example.org'>$\\frac$</a>"
    quadrants, manifest = made
    quadrants = quadrants.query("modality == 'text'").assign(modality=name)
    data = explorer.records(quadrants, manifest.assign(transcript=name))
    drawn = explorer.figure(data, name, "1")
    texts = [drawn.layout.xaxis.title.text, *(t for trace in drawn.data for t in trace.text)]
    assert len(texts) == 41
    for text in texts:
        assert "<" not in text and "$" not in text and name in html.unescape(text)
    soup = BeautifulSoup(explorer.page(data, name), "html.parser")
    assert soup.select_one("[data-set=modality] option")["value"] == name
    assert not soup.find_all("a")


def test_the_widget_offers_what_there_is(made):
    box = explorer.widget(explorer.records(*made))
    modality, seed, threshold = box.children[0].children
    assert list(modality.options) == ["text", "audio"]
    assert seed.value == "ensemble" and threshold.value == 0.5

"""`explorer`: oracles are the table `quadrants` and the words that went in."""

import json

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

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
        {
            "clip_id": clips,
            "dialog_id": "d",
            "transcript": [SAID, None, *clips[2:]],
            "label": "x",
            "y": y,
        }
    )
    return quadrants, manifest


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


def test_nothing_is_rounded_and_the_run_s_threshold_comes_first(made):
    """0.50004 exceeds 0.5 and not 0.50004; both are 0.5 with four decimals."""
    quadrants, manifest = made
    quadrants = quadrants.assign(conf_unimodal=0.50004, conf_fusion=np.nextafter(0.50004, 1))
    data = explorer.records(quadrants, manifest)
    one, both = np.array(json.loads(json.dumps(data["conf"]))["text"]["1"])
    for threshold, name in ((0.5, "blue"), (0.50004, "green"), (0.50005, "yellow")):
        assert set(disagreement.quadrant_of(one > threshold, both > threshold)) == {name}
    soup = BeautifulSoup(explorer.page(data, "run", threshold=0.50004), "html.parser")
    assert soup.select_one("[data-set=threshold]")["value"] == "0.50004"


def test_names_of_models_are_words(made):
    name = "<a href='https://example.org'>$\\frac$</a>"
    quadrants, manifest = made
    quadrants = quadrants.query("modality == 'text'").assign(modality=name)
    data = explorer.records(quadrants, manifest.assign(transcript=name))
    soup = BeautifulSoup(explorer.page(data, name), "html.parser")
    assert soup.select_one("[data-set=modality] option")["value"] == name
    assert not soup.find_all("a")


def test_other_corpora_come_along_with_their_threshold_and_their_marked_clip(made):
    quadrants, manifest = made
    planted = pd.Series({"c00": SAID})
    known = explorer.records(quadrants, manifest, planted=planted)
    assert known["clips"]["planted"] == [SAID, *[""] * 39]
    assert known["clips"]["y"] == manifest["y"].tolist()
    more = [explorer.corpus(known, SAID, "m/{id}.mp4", 0.6, "c00")]
    page = explorer.page(explorer.records(quadrants, manifest), "run", title="first", more=more)
    soup = BeautifulSoup(page, "html.parser")
    titles = [option.get_text() for option in soup.select("[data-set=corpus] option")]
    assert titles == ["first", SAID]
    (other,) = json.loads(soup.script.string)["more"]
    assert (other["threshold"], other["marked"], other["media"]) == (0.6, "c00", "m/{id}.mp4")
    assert len(soup.find_all("script")) == 1 and not soup.find_all("b")


def test_one_corpus_needs_no_choice_and_files_have_a_field(made):
    soup = BeautifulSoup(explorer.page(explorer.records(*made), "run"), "html.parser")
    assert soup.select_one("[data-set=corpus]").parent.has_attr("hidden")
    field = soup.select_one("input[type=file][data-own]")
    assert field.parent.name == "label" and "predictions" in field.parent.get_text()

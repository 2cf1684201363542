"""Cards, parsed as a browser and a screen reader would. Oracles: the tables they are made of."""

import base64
import io
from dataclasses import replace
from pathlib import Path

import av
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from empdis_utils.data import corpora
from empdis_utils.show import cards, style


@pytest.fixture(scope="module")
def corpus():
    return corpora.load("fixture")


@pytest.fixture(scope="module")
def quadrants(corpus):
    clips = corpus.manifest["clip_id"][:40]
    return pd.DataFrame(
        {
            "clip_id": list(clips),
            "modality": ["text", "audio", "video", "text"] * 10,
            "conf_unimodal": [0.9, 0.8, 0.3, 0.2] * 10,
            "conf_fusion": [0.7, 0.1, 0.6, 0.4] * 10,
            "quadrant": ["blue", "red", "green", "yellow"] * 10,
        }
    )


def parse(text):
    return BeautifulSoup(text, "html.parser")


def streams(element):
    kind, data = element["src"].split(";base64,")
    assert kind in ("data:audio/mp4", "data:video/mp4")
    with av.open(io.BytesIO(base64.b64decode(data))) as container:
        return sorted(stream.type for stream in container.streams)


@pytest.mark.parametrize("row", range(4))
def test_a_card_says_what_the_tables_say(corpus, quadrants, row):
    quadrant = quadrants.iloc[row]
    clip = corpus.manifest.set_index("clip_id").loc[quadrant["clip_id"]]
    judgments = pd.DataFrame(
        [(a, quadrant["clip_id"], quadrant["modality"], r, j) for a, r, j in
         (("b", 2, "neutral"), ("a", 1, "empathetic"), ("b", 1, "empathetic"))],
        columns=["annotator", "clip_id", "modality", "round", "judgment"],
    )  # fmt: skip
    made = cards.clip_card(corpus, quadrant, judgments)
    assert len(made) < 60_000
    card = parse(made)
    facts = {d.dt.get_text(): d.dd.get_text() for d in card.select("dl > div")}
    assert facts == {
        "label": clip["label"],
        f"{quadrant['modality']} model": f"{quadrant['conf_unimodal']:.2f} for the label",
        "fusion model": f"{quadrant['conf_fusion']:.2f} for the label",
        "a": "empathetic (one round)",
        "b": "empathetic, then neutral",
    }
    assert card.blockquote.get_text() == clip["transcript"]
    shape = cards.SHAPES[style.QUADRANT_MARKERS[quadrant["quadrant"]]]
    assert f"{quadrant['quadrant']} ({shape})" in card.select_one(".clip-quadrant").get_text()
    assert streams(card.audio) == ["audio"] and streams(card.video) == ["audio", "video"]
    assert clip["transcript"] in card.img["alt"] and len(card.img["alt"]) > 40
    group = card.select_one("[role=group]")
    assert quadrant["clip_id"] in group["aria-label"] and group["aria-label"]
    for media in card.select("audio, video"):
        assert media.has_attr("controls") and not media.has_attr("autoplay") and media["aria-label"]
    assert made == cards.clip_card(corpus, quadrant, judgments)


@pytest.mark.parametrize(
    "words",
    [
        '"><script>alert(1)</script>',
        "' onmouseover='alert(1)",
        "<img src=x onerror=alert(1)>",
        "</style></div><a href=javascript:alert(1)>x</a>",
        "{{ cycler.__init__.__globals__ }}",
        "[x](javascript:alert(1))",
        r"$\href{javascript:alert(1)}{x}$",
    ],
)
def test_no_field_of_a_card_is_more_than_words(corpus, quadrants, words):
    """Clip, modality, label, transcript, annotator, judgment and judges, all at once."""
    quadrant = quadrants.iloc[0].to_dict() | {"clip_id": words, "modality": words}
    manifest = corpus.manifest.assign(transcript=words, label=words)
    manifest.loc[0, "clip_id"] = words
    corpus = replace(corpus, manifest=manifest)
    judgment = {"annotator": words, "clip_id": words, "modality": words, "round": 1}
    judgments = pd.DataFrame([judgment | {"judgment": words}])
    made = cards.clip_cards(
        corpus, pd.DataFrame([quadrant]), judgments, judges=(words, f"{words} model")
    )
    card = parse(made)
    plain = parse(cards.clip_cards(corpora.load("fixture"), quadrants.iloc[:1], judgments))
    # nothing but the facts that the judgment adds (a group of three) differs from a plain card
    tags = [e.name for e in card.find_all(True) if not e.find_parent("dl")]
    assert tags == [e.name for e in plain.find_all(True) if not e.find_parent("dl")]
    assert not [n for e in card.find_all(True) for n in e.attrs if n.startswith("on")]
    assert {e.name for e in card.dl.find_all(True)} == {"div", "dt", "dd"}
    assert card.blockquote.get_text() == words
    assert card.select_one(".clip-card")["aria-label"] == f"Clip {words}, {words}"
    # an annotator who is called as a judge takes nobody's place
    assert [e.get_text() for e in card.find_all("dt")][1:] == [words, f"{words} model", words]
    assert "mathjax_ignore" in card.select_one(".clip-cards")["class"]


def test_words_of_the_corpus_are_escaped_everywhere(corpus, quadrants):
    nasty = "\"><script>alert('x')</script>"
    manifest = corpus.manifest.assign(transcript=nasty, label=nasty)
    evil = corpora.Corpus("evil", manifest, corpus.root)
    judgments = pd.DataFrame({"annotator": [nasty], "clip_id": quadrants["clip_id"][:1],
                              "modality": ["text"], "round": [1], "judgment": [nasty]})  # fmt: skip
    card = parse(cards.clip_card(evil, quadrants.iloc[0], judgments))
    assert card.find("script") is None
    assert card.blockquote.get_text() == nasty


def test_people_take_the_place_of_the_models_where_they_judged(corpus, quadrants):
    green = {**quadrants.iloc[0], "quadrant": "green"}
    said = parse(cards.clip_card(corpus, green)).select_one(".clip-quadrant").get_text()
    assert said.endswith("only fusion right")
    people = ("people, one signal", "people, <b>both</b>")
    card = parse(cards.clip_card(corpus, green, judges=people))
    assert card.select_one(".clip-quadrant").get_text().endswith("only people, <b>both</b> right")
    assert {people[0], people[1]} <= {dt.get_text() for dt in card.find_all("dt")}


def test_a_corpus_without_media_says_so(corpus, quadrants):
    bare = corpora.Corpus("bare", corpus.manifest.assign(video_path=None, audio_path=None))
    card = parse(cards.clip_card(bare, quadrants.iloc[0]))
    assert "This copy has no sound or picture of this corpus." in card.get_text()
    assert card.blockquote.get_text() and not card.select("img, audio, video")
    rooted = corpora.Corpus("rooted", bare.manifest, corpus.root)
    assert "This clip has no media." in cards.clip_card(rooted, quadrants.iloc[0])


def test_what_does_not_fit_is_left_out_and_said(corpus, quadrants):
    card = parse(cards.clip_card(corpus, quadrants.iloc[0], max_bytes=22_000))
    assert card.img and not card.video
    assert "The video is too large for this page." in card.get_text()
    card = parse(cards.clip_card(corpus, quadrants.iloc[0], max_bytes=10))
    assert not card.select("img, audio, video")


def test_missing_and_outside_media_are_said(corpus, quadrants, tmp_path):
    secret = tmp_path / "secret.mp4"
    secret.write_bytes((corpus.root / corpus.manifest["video_path"][0]).read_bytes())
    (tmp_path / "root").mkdir()
    reasons = {"none.mp4": "There is no file none.mp4", "../secret.mp4": "outside the corpus"}
    for path, said in reasons.items():
        manifest = corpus.manifest.assign(video_path=path, audio_path=None)
        other = corpora.Corpus("other", manifest, tmp_path / "root")
        card = parse(cards.clip_card(other, quadrants.iloc[0]))
        assert said in card.get_text() and not card.select("img, audio, video")


def test_a_clip_with_sound_only(corpus, quadrants):
    manifest = corpus.manifest.assign(video_path=None)
    card = parse(cards.clip_card(corpora.Corpus("s", manifest, corpus.root), quadrants.iloc[0]))
    assert card.audio and not card.video and "No frames. No video." in card.get_text()


def test_an_unknown_clip_is_an_error(corpus, quadrants):
    with pytest.raises(KeyError, match="no clip 'zz'"):
        cards.clip_card(corpus, quadrants.iloc[0].replace(quadrants["clip_id"][0], "zz"))


def test_chosen_clips_are_the_clearest_of_each_quadrant_and_differ(quadrants):
    table = quadrants.copy()
    table.loc[8, "conf_unimodal"] = 0.99
    chosen = cards.choose(table, per_quadrant=2)
    assert (
        chosen["quadrant"].tolist() == ["blue"] * 2 + ["red"] * 2 + ["green"] * 2 + ["yellow"] * 2
    )
    assert chosen["clip_id"].iloc[0] == table["clip_id"][8] and chosen["clip_id"].is_unique
    assert list(chosen.columns) == list(quadrants.columns)
    assert cards.choose(table.query("quadrant == 'red'"))["quadrant"].tolist() == ["red"]
    assert cards.choose(table.iloc[:0]).empty
    drawn = cards.choose(table, seed=1)["clip_id"].tolist()
    assert drawn == cards.choose(table.sample(frac=1, random_state=0), seed=1)["clip_id"].tolist()


def test_cards_together_need_no_file_and_no_network(corpus, quadrants):
    page = parse(cards.clip_cards(corpus, quadrants.iloc[:4]))
    assert len(page.select(".clip-card")) == 4
    for element in page.select("[src]"):
        assert element["src"].startswith("data:")
    assert Path(corpus.root).name not in {e.get("href") for e in page.select("[href]")}


def test_what_was_planted_is_a_sentence_of_the_truth(corpus):
    said = cards.planted(corpus.truth)
    truth = corpus.truth.set_index("clip_id")
    assert said.index.tolist() == truth.index.tolist()
    for clip_id, row in truth.iterrows():
        for modality in ("text", "audio", "video"):
            cue = row[f"{modality}_cue"]
            does = "says nothing of" if cue == "neutral" else cue
            assert f"{modality} {does} " in said[clip_id]
            strength = f"(strength {row[f'{modality}_strength']:.2f})"
            assert (strength in said[clip_id]) or cue == "neutral"


def test_words_of_published_corpora_are_not_shown(corpus, quadrants):
    assert cards.showable(corpus) is corpus
    published = replace(corpus, name="mosi")
    card = parse(cards.clip_card(cards.showable(published), quadrants.iloc[0]))
    assert card.blockquote.get_text() == "its words are not part of the book"
    assert corpus.manifest["transcript"][0] not in str(card)


def test_a_story_shows_only_the_parts_asked_for_and_escapes_all(corpus):
    nasty = "\"><script>alert('x')</script>"
    clip_id = corpus.manifest["clip_id"][0]
    made = parse(cards.story(corpus, clip_id, [(nasty, nasty)], nasty, ("video",), nasty))
    assert made.video and not made.select("img, audio, script")
    assert made.dt.get_text() == made.dd.get_text() == made.details.p.get_text() == nasty
    bare = parse(cards.story(corpus, clip_id, []))
    assert bare.img and not bare.select("video, audio, dl, details")
    with pytest.raises(KeyError, match="no clip 'zz'"):
        cards.story(corpus, "zz", [])

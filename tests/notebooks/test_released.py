"""What is committed in ``results/``: nothing of the publishers, small, the numbers of a fresh run.

Oracle: the rules of `press.release`, the transcripts of the synthetic corpus and of each corpus
that is at hand, and the synthetic run of this session.
"""

import re

import pytest
from bs4 import BeautifulSoup

from empdis_utils.data import tables
from empdis_utils.places import hardware
from empdis_utils.press import compare, parameters, release

ALL = release.profiles()
CLOSED = ("empspeech", "ravdess", "mustardpp")  # no licence that lets labels out
PAGES = [(name, c) for name in ALL[1:] for c in parameters.read_profile(name)["chapters"]]


def test_every_chapter_of_the_default_book_is_released():
    assert {"fixture", "empspeech", "mosi", "cremad", "ravdess", "mustardpp"} <= {*ALL}
    for name in [*ALL, release.BOOK]:
        assert {*parameters.read_profile(name)["chapters"]} == {*release.provenance(name)}, name
    assert release.whole()


def test_no_rule_is_broken():
    assert release.problems() == []


def test_it_is_small():
    assert 1e6 < release.size(release.RESULTS) <= 12 * 2**20


def test_no_file_quotes_a_transcript():
    """Where the corpus is not at hand: of the synthetic one, whose words are committed.

    Pages about all corpora may show the synthetic one's, and no other's.
    """
    ours = release.texts_of("fixture", release.RESULTS / "fixture")
    texts = {name: release.texts_of(name, release.RESULTS / name) for name in [*ALL, release.BOOK]}
    texts |= {name: ours for name in ALL if not texts[name].parts}
    assert all(texts[name].parts for name in ALL)
    assert release.problems(texts=texts) == []


@pytest.mark.parametrize("name", ALL)
def test_tables_can_be_read_and_name_no_clip_by_its_words(name):
    for path in sorted((release.RESULTS / name / "artifacts").glob("*.parquet")):
        frame = tables.read(path.parent, path.stem)
        assert len(frame.columns), path
        for column in frame.select_dtypes(exclude=["number", "bool"]).columns:
            longest = frame[column].dropna().astype(str).str.len().max()
            assert not longest > 1000, (path, column)
        if "clip_id" in frame:
            never = {"transcript", "audio_path", "video_path"}
            never |= set() if name == "fixture" else {"start_s", "n_votes", "share_A"}
            never |= {"y", "label"} if name in CLOSED else set()
            assert not never & {*frame.columns}, path


@pytest.fixture(scope="module")
def html(fixture_book):
    return fixture_book / "html"


@pytest.mark.parametrize(("profile", "chapter"), PAGES)
def test_a_released_page_is_in_the_book_and_says_so(html, profile, chapter):
    page = BeautifulSoup((html / f"runs/{profile}/{chapter}.html").read_text(), "html.parser")
    text = " ".join(page.article.get_text(" ").split())
    entry = release.provenance(profile)[chapter]
    assert f"From the released run of {entry['started'][:10]}, commit {entry['git'][:10]}" in text
    assert f"make study PROFILE={profile} NB={chapter}" in text
    assert "How this page was made" in text and not re.search("Traceback|Error:", text)
    assert not page.article.find_all(["video", "audio"])


def test_the_synthetic_run_of_this_session_compares_equal(fixture_book):
    """The encoders' arithmetic is another on another processor: then shapes must agree."""
    found = compare.compare(fixture_book / "runs", ["fixture"])
    print(compare.summary(found))
    assert not (found["verdict"] == "missing here").any()
    assert (found["verdict"] == "identical").any()
    machines = {entry["hardware"].split(",")[0] for entry in release.provenance("fixture").values()}
    late = found[found["verdict"] == "different"]
    if machines == {hardware().split(",")[0]}:
        assert late.empty, compare.summary(found)
    else:
        other = late["note"].astype(str).str.contains("rows only|new columns")
        assert not other.any(), compare.summary(found)

"""Oracle: spellings by hand; what Unicode says of composed and decomposed letters."""

import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empdis_utils.data.identifiers import cleaned, plain

DECOMPOSED = unicodedata.normalize("NFD", "é")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("r0", "r0"),
        (" r0", "r0"),
        ("r0\t", "r0"),
        ("r0\xa0", "r0"),  # non-breaking space, as copied from a web page
        ("\ufeffr0", "r0"),  # a byte order mark inside the file
        ("r0\u200b", "r0"),  # zero-width space
        ("\u200e r0 \u200f", "r0"),
        (f"caf{DECOMPOSED}", "café"),  # as macOS writes file names
        ("a b", "a b"),
        ("می‌روم", "می‌روم"),  # a zero-width non-joiner inside a Persian word is part of it
        ("\xa0\u200b", ""),
    ],
)
def test_plain_by_hand(written, meant):
    assert plain(written) == meant


@given(st.text())
def test_plain_twice_is_plain_once(text):
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    "other",
    ["r 0 ", "r\xa00", "r \u200b0", "\u2060r 0", "r  0", "r\u20070", "r 0\n"],
)
def test_names_that_look_the_same_are_found(other):
    names = pd.Series(["r 0", "x", other, "r 0"])
    _, twin = cleaned(names)
    assert twin.isna().tolist() == [True, True, False, True] and twin[2] == "r 0"


def test_capitals_count_except_in_known_words():
    names = pd.Series(["C0", "c0", "Train", "TEST ", "x"])
    new, twin = cleaned(names, words=("train", "test"))
    assert new.tolist() == ["C0", "c0", "train", "test", "x"] and twin.isna().all()
    _, twin = cleaned(pd.Series(["train", "Train"]), words=("train",))
    assert twin.tolist()[1] == "train"

"""Clips in line with their tables."""

import pandas as pd
import pytest

from empdis_utils.measures import alignment


def test_align_follows_the_order_asked_for():
    """Oracle: by hand."""
    assert alignment.align(pd.Series({"a": 1, "b": 2, "c": 3}), ["c", "a"], "x").tolist() == [3, 1]
    assert alignment.align(pd.Series({7: "r"}), ["7"], "x").tolist() == ["r"]


def test_align_names_the_offenders():
    series = pd.Series({"a": "r1", "b": None})
    with pytest.raises(ValueError, match="groups: no value for clips b, z"):
        alignment.align(series, ["a", "b", "z"], "groups")
    with pytest.raises(ValueError, match="listed twice: a"):
        alignment.align(pd.Series([1, 2], index=["a", "a"]), ["a"], "groups")
    with pytest.raises(TypeError, match="Series indexed by clip_id, got list"):
        alignment.align([1], ["a"], "groups")


def test_examples_says_how_many_more():
    assert alignment.examples(range(7)) == "0, 1, 2, 3, 4 and 2 more"

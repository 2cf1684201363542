"""Oracle: `claims.verdict` by hand, and the words of the paper."""

import numpy as np
import pandas as pd

from empdis_utils.paper import sentences


def test_annotators_are_judged_by_the_side_of_their_interval():
    delta = pd.DataFrame(
        {"subset": ["all"] * 3 + ["long"], "quadrant": ["red", "blue", "green", "red"],
         "delta": [-0.3, -0.3, 0.0, 0.5], "ci_low": [-0.5, -0.5, np.nan, 0.4],
         "ci_high": [-0.1, -0.1, np.nan, 0.6]}
    )  # fmt: skip
    found = sentences.annotator_sentences(delta)
    assert found["claim"].tolist() == [
        *("in red, agreement falls", "in blue, agreement rises", "in green, agreement falls")
    ]
    assert found["verdict"].tolist() == ["supported", "contradicted", "too little data"]
    assert found["excess"].isna().all()


def test_votes_need_the_excess_over_the_placebo():
    span = {"ci_low": 0.1, "ci_high": 0.3}
    delta = pd.DataFrame([{"answers": "six", "from": "audio", "estimate": 0.2, **span}])
    least = {"emotion": "fear", "from": "audio", "n_cells": 12, "estimate": 0.2, **span}
    parts = ["red", "green", "blue", "yellow", "red+green minus blue+yellow"]
    changes = pd.DataFrame({"part": parts, "estimate": 0.2, **span, "from": "audio"})
    gaps = pd.DataFrame(
        {"modality": "audio", "contrast": ["red+green - blue+yellow", "red - blue"], "value": 0.2,
         **span, "placebo_low": 0.1, "placebo_high": 0.2, "excess": [0.0, 0.1],
         "excess_low": [-0.1, 0.05], "excess_high": 0.2}
    )  # fmt: skip
    found = sentences.vote_sentences(delta, least, changes, gaps).set_index("claim")["verdict"]
    assert len(found) == 9 and found["in blue, agreement rises (from audio)"] == "supported"
    assert found["in red, agreement falls (from audio)"] == "contradicted"
    assert found["more divided: red+green - blue+yellow (from audio)"] == "not diagnostic"
    assert found["more divided: red - blue (from audio)"] == "supported"

"""Oracles: the printed tables themselves, and a run whose directions are known."""

import pandas as pd

from empdis_utils.measures import inference
from empdis_utils.paper import features, printed


def test_tests_are_the_three_tables_corrected_within_their_family():
    paper = features.tests()
    assert len(paper) == sum(len(printed.table(f"table_{k}")) for k in (10, 11, 12))
    audio = paper[paper["family"] == "audio"]
    assert set(audio["table"]) == {10, 11}
    assert audio["paper p_holm"].tolist() == inference.holm(audio["p"]).tolist()
    assert paper["t"].dtype == float and paper["in main text"].any()


def test_a_run_with_the_papers_directions_agrees_with_it():
    paper = features.tests()
    jitter = paper[(paper["feature"] == "Jitter") & paper["t"].notna()].head(1)
    sign = 1 if jitter["t"].iloc[0] > 0 else -1
    found = pd.DataFrame(
        {"family": "audio", "feature": ["jitter_local"], "contrast": jitter["contrast"].iloc[0],
         "t": [2.0 * sign], "p": 0.1}
    )  # fmt: skip
    both = features.beside(paper, found)
    assert set(both["column"]) == {"jitter_local"}
    assert both["same direction"].iloc[0] == (both["higher"].iloc[0] == both["higher here"].iloc[0])
    assert both["higher here"].iloc[0] == jitter["contrast"].iloc[0].split("-")[sign < 0]

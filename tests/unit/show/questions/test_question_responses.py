"""The figure on empathic answers. Oracle: names and marks of the table that was put in."""

import matplotlib
import pandas as pd

from empdis_utils.measures.responses import TRIVIAL
from empdis_utils.show import layouts
from empdis_utils.show.questions import responses

matplotlib.use("Agg")
TABLE = pd.DataFrame(
    {
        "responder": [*TRIVIAL, "target", "Llama, text"],
        "kind": ["trivial"] * 4 + ["target"] * 2 + ["system"],
        "estimate": [0.82, 0.84, 0.81, 0.63, 0.73, 0.66, 0.76],
    }
).assign(ci_low=lambda t: t["estimate"] - 0.01, ci_high=lambda t: t["estimate"] + 0.01)
ARMS = ("true", "zero", "shuffled", "mean")
OTHER = "another clip's marker"


def test_okay_stands_on_top_under_its_own_words():
    (ax,) = responses.okay(TABLE, "title").axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[-1] == "“Okay.” to every line" and names[0] == "another line's target"
    assert set(TRIVIAL) <= set(responses.SAID)  # every trivial responder has words of its own


def test_the_test_of_the_mechanism_is_told_as_its_intervals_have_it():
    ends = dict(measure="choice accuracy", estimate=0.5, reason="")
    found = pd.DataFrame([{"arm": a, "ci_low": 0.4, "ci_high": 0.6} | ends for a in ARMS])
    pairs = [("the clip's own marker", "no marker"), ("the clip's own marker", OTHER)]
    pairs.append(("a marker that tells the answer", "no marker"))
    marked = pd.DataFrame(
        [{"marker": m, "minus": o, "ci_low": 0.1, "ci_high": 0.2} | ends for m, o in pairs]
    ).assign(kind="words and face differ")
    said = responses.mechanism(found, marked)
    assert "that the prefix carries the cue is not shown." in said and "so helps" in said
    assert said.endswith("This says nothing about the quality of answers.")
    found.loc[0, "ci_low"] = 0.55
    assert ": the prefix carries the cue." in responses.mechanism(found, marked)
    assert responses.mechanism(None, None) == "This test has not been run here."


def test_both_layouts_are_written(tmp_path):
    made = layouts.both_layouts(
        lambda width: responses.okay(TABLE, "t", width), tmp_path, "responses"
    )
    assert [path.name for path in made] == ["responses-wide.png", "responses-narrow.png"]
    assert all(path.stat().st_size > 5000 for path in made)

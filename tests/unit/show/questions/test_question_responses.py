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


def test_okay_stands_on_top_under_its_own_words():
    (ax,) = responses.okay(TABLE, "title").axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[-1] == "“Okay.” to every line" and names[0] == "another line's target"
    assert set(TRIVIAL) <= set(responses.SAID)  # every trivial responder has words of its own


def test_both_layouts_are_written(tmp_path):
    made = layouts.both_layouts(
        lambda width: responses.okay(TABLE, "t", width), tmp_path, "responses"
    )
    assert [path.name for path in made] == ["responses-wide.png", "responses-narrow.png"]
    assert all(path.stat().st_size > 5000 for path in made)

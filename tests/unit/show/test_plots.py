"""Figures. Oracle: what matplotlib holds after the call, read back from its artists."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from empdis_utils.show import plots, style

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def dots(ax):
    """(x, y, face colour) of every marker that is not a tick."""
    found = [line for line in ax.lines if line.get_marker() not in ("None", "|", None)]
    return [(*line.get_xydata()[0], line.get_markerfacecolor()) for line in found]


ROWS = pd.DataFrame(
    {
        "what": ["a", "b", "c"], "modality": ["text", "audio", "else"], "g": [0.1, -0.2, 0.3],
        "ci_low": [0.0, np.nan, 0.2], "ci_high": [0.2, np.nan, 0.4], "open": [False, True, False],
    }
)  # fmt: skip


def test_each_row_is_a_dot_at_its_value_from_the_top_down():
    ax = plots.intervals(ROWS, "g", "what", hollow="open", lines={0: "-", np.nan: "--"}).axes[0]
    assert [(x, y) for x, y, _ in dots(ax)] == [(0.1, 0), (-0.2, 1), (0.3, 2)]
    faces = [face for *_, face in dots(ax)]
    assert faces == [style.MODALITY_COLORS["text"], "white", "black"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.get_ylim() == (2.5, -0.5)
    upright = [line for line in ax.lines if list(line.get_xdata()) == [0, 0]]
    assert len(upright) == 1, "a reference that is not known is not drawn"


def test_panels_share_their_rows_and_ticks_stand_on_theirs():
    both = pd.concat([ROWS.assign(side="one"), ROWS.assign(side="two", g=1.0)])
    fig = plots.intervals(both, "g", "what", panels="side", points={"b": [0.5, 0.6]})
    assert [ax.get_title() for ax in fig.axes] == ["one", "two"]
    assert [x for x, *_ in dots(fig.axes[1])] == [1.0, 1.0, 1.0]
    (ticks,) = [
        line for line in fig.axes[0].lines if line.get_marker() == "|" and len(line.get_xdata())
    ]
    assert ticks.get_xdata().tolist() == [0.5, 0.6] and set(ticks.get_ydata()) == {1.22}


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="nothing"):
        plots.intervals(ROWS, "nothing", "what")
    assert plots.intervals(ROWS.head(0), "g", "what").axes[0].get_ylim() == (0.5, -0.5)


def test_a_message_is_its_text():
    (text,) = plots.message("this corpus has no transcripts").axes[0].texts
    assert text.get_text() == "this corpus has no transcripts"


def test_a_line_through_the_first_dot_and_panels_that_go_below():
    many = pd.concat([ROWS.assign(side=k, g=ROWS["g"] + k) for k in range(3)])
    fig = plots.intervals(many, "g", "what", panels="side", from_first=True, wrap=2)
    assert len(fig.axes) == 4 and not fig.axes[3].axison
    dashed = [line for line in fig.axes[1].lines if line.get_linestyle() == "--"]
    assert [list(line.get_xdata()) for line in dashed] == [[1.1, 1.1]]


def test_a_curve_for_each_name_over_numbers_and_over_levels():
    table = pd.DataFrame(
        {"n": [8, 16, 8, 16], "level": ["weak", "strong"] * 2, "score": ["text", "text", "b", "b"],
         "power": [0.1, 0.5, 0.2, 0.3], "low": 0.0, "high": 0.6}
    )  # fmt: skip
    how = dict(low="low", high="high", log=True, lines={0.5: "--"})
    ax = plots.curves(table, "n", "power", "score", **how).axes[0]
    one, two = ax.lines[:2]
    assert one.get_xydata().tolist() == [[8, 0.1], [16, 0.5]] and one.get_label() == "text"
    assert one.get_color() == style.MODALITY_COLORS["text"]
    assert two.get_ydata().tolist() == [0.2, 0.3]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["8", "16"]
    assert ax.collections[0].get_segments()[0].tolist() == [[8, 0.0], [8, 0.6]]
    fig = plots.curves(table, "level", "power", "score", black=["b"], dashed=["b"], panels="low")
    ax = fig.axes[0]
    assert [line.get_color() for line in ax.lines] == ["0.55", "black"]
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["weak", "strong"]
    shaded = plots.curves(table, "n", "power", "score", low="low", high="high", band=True)
    assert len(shaded.axes[0].collections) == 2


def test_a_shift_runs_from_the_open_to_the_filled_dot():
    two = pd.concat([ROWS.assign(way="random"), ROWS.assign(way="grouped", g=0.0)])
    fig = plots.shifts(two, "g", "what", "way", ticks=("paper", [0.7, 0.8]), lines={0.5: "--"})
    (ax,) = fig.axes
    assert [(x, y, face) for x, y, face in dots(ax)[:2]] == [
        (0.1, 0, "white"),
        (0.0, 0, style.MODALITY_COLORS["text"]),
    ]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["paper", "a", "b", "c"]
    (ticks,) = [line for line in ax.lines if line.get_marker() == "|"]
    assert ticks.get_xydata().tolist() == [[0.7, -1], [0.8, -1]]


def test_a_specification_is_a_column_of_strokes():
    holds = pd.DataFrame({"near": [True, False, True], "apart": [True, False, False]})
    choices = pd.DataFrame({"seed": ["1", "2", "2"], "clips": "test"})
    reference = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 2]])
    fig = plots.specification_curve(holds, choices, np.array([1, 2, 0]), reference)
    top, middle, bottom = fig.axes
    found = [line for line in top.lines if line.get_label() == "found"]
    assert found[0].get_ydata().tolist() == [0, 1, 2]
    assert [line.get_xdata().tolist() for line in middle.lines] == [[1, 2], [2]]
    assert [t.get_text() for t in bottom.get_yticklabels()] == ["seed: 1", "seed: 2"]
    assert [line.get_xdata().tolist() for line in bottom.lines] == [[2], [0, 1]]


def test_stacked_panels_have_rows_of_their_own_and_quadrants_their_shape():
    table = pd.DataFrame(
        {"block": ["a", "a", "b"], "quadrant": ["blue", "tie", "red"], "n": [3, 4, 5],
         "v": [0.5, 0.5, 9], "ci_low": 0.4, "ci_high": 0.6}
    )  # fmt: skip
    how = dict(hue="quadrant", marker="quadrant", panels="block", stacked=True, xlabel="nats")
    one, two = plots.intervals(table, "v", "n", **how).axes
    assert [t.get_text() for t in one.get_yticklabels()] == ["3", "4"]
    assert [t.get_text() for t in two.get_yticklabels()] == ["5"]
    shapes = [line.get_marker() for ax in (one, two) for line in ax.lines]
    assert {"o", "d", "X"} <= set(shapes) and one.get_xlabel() == "" and two.get_xlabel() == "nats"
    assert one.get_xlim()[1] > 9  # one axis for all panels, and it holds every mark


def test_curves_have_strokes_at_the_top():
    table = pd.DataFrame({"x": [0.0, 1.0], "y": [0.1, 0.9], "who": "one"})
    ax = plots.curves(table, "x", "y", "who", ticks=("paper", [0.2, 0.3])).axes[0]
    (strokes,) = [line for line in ax.lines if line.get_label() == "paper"]
    assert list(strokes.get_xdata()) == [0.2, 0.3] and strokes.get_marker() == "|"


def test_confidences_part_clips_by_quadrant_and_say_how_many():
    table = pd.DataFrame(
        {"modality": ["text", "text", "audio"], "quadrant": ["blue", "red", "red"],
         "conf_unimodal": [0.9, 0.8, 0.7], "conf_fusion": [0.6, 0.1, 0.2]}
    )  # fmt: skip
    fig = plots.confidences(table, threshold=0.5)
    text, audio = fig.axes
    assert [t.get_text() for t in text.get_legend().get_texts()][:2] == ["blue (1)", "red (1)"]
    assert text.collections[1].get_offsets().tolist() == [[0.8, 0.1]]
    assert audio.get_xlabel() == "confidence of audio" and len(audio.lines) == 2
    assert not plots.confidences(table).axes[0].lines


def test_a_dumbbell_is_a_filled_and_an_open_dot():
    table = ROWS.assign(other=[0.4, np.nan, 0.6])
    ax = plots.dumbbells(table, "g", "other", "what", title="t").axes[0]
    found = dots(ax)
    assert [x for x, *_ in found[:2]] == [0.1, 0.4] and np.isnan(found[3][0])
    assert [face for *_, face in found[:2]] == [style.MODALITY_COLORS["text"], "white"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]


def test_curves_take_their_colour_from_another_column_and_quadrants_their_shape():
    table = pd.DataFrame(
        {"x": [1, 2, 1, 2], "y": [1.0, 2, 3, 4], "name": ["red", "red", "roberta", "roberta"],
         "of": ["video", "video", "text", "text"]}
    )  # fmt: skip
    ax = plots.curves(table, "x", "y", "name", color="of", at=1.5, diagonal=True).axes[0]
    assert [line.get_color() for line in ax.lines[:2]] == [
        style.MODALITY_COLORS[m] for m in ("video", "text")
    ]
    assert ax.lines[0].get_marker() == style.QUADRANT_MARKERS["red"]
    assert list(ax.lines[2].get_xdata()) == [1.5, 1.5] and len(ax.lines) == 4


def test_spreads_have_a_panel_for_each_column():
    table = pd.DataFrame({"modality": ["text", "audio"] * 4, "gate": range(8), "attention": 1.0})
    fig = plots.spreads(table, "modality", ["gate", "attention"])
    assert [ax.get_title() for ax in fig.axes] == ["gate", "attention"]
    assert [t.get_text() for t in fig.axes[0].get_xticklabels()] == ["text", "audio"]


def test_fitting_counts_marks_what_fits_all():
    fits = pd.DataFrame({"n": [1, 2, 3], "fits": [0, 6, 2], "all": [False, True, False]})
    grey, full, square = plots.fitting_counts(fits, (3, "a tenth")).axes[0].lines
    assert full.get_xydata().tolist() == [[2, 6]] and square.get_xydata().tolist() == [[3, 2]]


def test_intervals_on_a_logarithmic_axis():
    (ax,) = plots.intervals(ROWS, "g", "what", log=[1, 10]).axes
    assert ax.get_xscale() == "log" and [t.get_text() for t in ax.get_xticklabels()] == ["1", "10"]


def test_flow_draws_every_path_and_colours_those_that_stay():
    paths = pd.DataFrame({"one": ["a", "b", "b"], "two": ["a", "a", "b"], "n": [2, 1, 1]})
    fig = plots.flow(paths, ["one", "two"], "n", headings=["before", "after"],
                     names={"a": "joy", "b": "fear"}, title="who moves")  # fmt: skip
    ax = fig.axes[0]
    said = [text.get_text() for text in ax.texts]
    assert sorted(said) == ["after", "before", "fear 25%", "fear 50%", "joy 50%", "joy 75%"]
    heights = sorted(round(-bar.get_height(), 9) for bar in ax.patches)
    assert heights == [0.25, 0.5, 0.5, 0.75] and ax.get_title() == "who moves"
    assert len(ax.collections) == 3, "a band for each path"
    grey = [band for band in ax.collections if np.ptp(band.get_facecolor()[0][:3]) == 0]
    assert len(grey) == 1, "one answer changes"
    with pytest.raises(KeyError, match="nothing"):
        plots.flow(paths, ["one", "nothing"], "n")
    assert len(plots.flow(paths.head(0), ["one", "two"], "n").axes[0].patches) == 0


def test_recordings_are_sorted_bars_as_wide_as_their_clips():
    table = pd.DataFrame({"r": ["a", "a", "b", "c"], "y": [True, False, True, False]})
    ax = plots.recordings(table, "r", "y").axes[0]
    assert [(b.get_x(), b.get_width(), b.get_height()) for b in ax.patches] == [
        (0, 1, 0.0), (1, 2, 0.5), (3, 1, 1.0),
    ]  # fmt: skip
    assert list(ax.lines[0].get_ydata()) == [0.5, 0.5]


def test_histograms_have_a_legend_entry_for_each_label_and_a_line():
    table = pd.DataFrame({"n": [1, 2, 3, 4], "label": ["x", "x", "y", "y"]})
    ax = plots.histograms(table, "n", "label", line=2.5).axes[0]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["x", "y"]
    assert [list(line.get_xdata()) for line in ax.lines] == [[2.5, 2.5]]


def test_panels_on_a_logarithmic_axis_have_ticks_at_their_values():
    table = pd.DataFrame({"n": [8, 16] * 2, "y": 1.0, "who": "a", "panel": list("uuvv")})
    for ax in plots.curves(table, "n", "y", "who", panels="panel", log=True).axes:
        assert [t.get_text() for t in ax.get_xticklabels()] == ["8", "16"]


def test_a_second_value_stands_open_below_the_first():
    table = ROWS.assign(other=0.5, other_low=0.4, other_high=0.6).head(1)
    ax = plots.intervals(
        table, "g", "what", beside=("other", "other_low", "other_high"), lines={0: "-"}
    ).axes[0]
    assert dots(ax) == [(0.1, -0.1, style.MODALITY_COLORS["text"]), (0.5, 0.1, "white")]
    (dotted,) = [line for line in ax.lines if line.get_linestyle() == ":"]
    assert list(dotted.get_xdata()) == [0.4, 0.6]


def test_rows_with_one_label_share_a_line():
    two = pd.concat([ROWS.assign(side="one"), ROWS.assign(side="two")])
    ax = plots.intervals(two, "g", "what", dodge="side").axes[0]
    assert [round(y, 2) for _, y, _ in dots(ax)] == [-0.27, 0.73, 1.73, 0.27, 1.27, 2.27]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["one", "two"]


QUADRANT = pd.DataFrame(
    {"quadrant": ["red", "red", "blue"], "value": [1.0, 3.0, 5.0], "modality": "text",
     "feature": "pitch", "label": "yes", "x": [0.0, 1, 2], "y": [0.0, 1, 2]}
)  # fmt: skip


def test_boxes_stand_at_their_quadrant_with_a_line():
    ax = plots.boxes(QUADRANT, "value", line=4, ylabel="nats").axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == list(style.QUADRANT_COLORS)
    assert ax.get_title() == "text" and ax.get_ylabel() == "nats"
    assert any(set(line.get_ydata()) == {4} for line in ax.lines)


def test_a_forest_has_the_smallest_p_of_each_family():
    tests = pd.DataFrame(
        {"family": "audio", "contrast": ["red-blue"] * 3, "feature": ["a", "b", "c"],
         "p_permutation": [0.2, 0.01, np.nan], "p": 0.1, "p_holm": [0.4, 0.02, np.nan],
         "hedges_g": [0.3, 0.9, 2.0], "ci_low": 0.0, "ci_high": 1.0}
    )  # fmt: skip
    ax = plots.forest(tests).axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a  red-blue", "b  red-blue"]
    red = style.QUADRANT_COLORS["red"]
    assert [(x, face) for x, _, face in dots(ax)] == [(0.3, "white"), (0.9, red)]
    nothing = plots.forest(tests.assign(p_permutation=np.nan))
    assert "too small" in nothing.axes[0].texts[0].get_text()


def test_a_pair_is_a_line_from_calm_to_angry():
    table = pd.DataFrame(
        {"side": ["calm"] * 2 + ["angry"] * 2, "value": [1.0, 2, 3, 4], "pair": ["a", "b"] * 2,
         "actor": "x", "feature": "pitch (Hz)"}
    )  # fmt: skip
    (ax,) = plots.pairs(table, "side", "value", "pair", panels="feature", style="actor").axes
    assert ax.get_title() == "pitch (Hz)"
    assert [list(line.get_ydata()) for line in ax.lines] == [[1.0, 3.0], [2.0, 4.0]]


def test_a_projection_has_a_panel_per_label_and_counts_its_quadrants():
    (ax,) = plots.projection(pd.concat([QUADRANT, QUADRANT.assign(quadrant=np.nan)])).axes
    assert ax.get_title() == "yes" and len(ax.collections[0].get_offsets()) == 3
    said = [t.get_text() for t in ax.get_legend().get_texts()]
    assert "red (2)" in said and "blue (1)" in said


def test_violins_show_every_clip_and_the_median():
    (ax,) = plots.violins(QUADRANT, order=("red", "blue"), min_n=3).axes
    assert [t.get_text() for t in ax.get_xticklabels()] == ["red\nn = 2", "blue\nn = 1"]
    shown = [c.get_offsets()[:, 1].tolist() for c in ax.collections if hasattr(c, "get_sizes")]
    assert [1.0, 3.0] in shown and [5.0] in shown
    medians = [c.get_segments()[0][0][1] for c in ax.collections if hasattr(c, "get_segments")]
    assert medians == [2.0, 5.0]


def test_hollow_curves_are_open_and_dashed():
    table = pd.DataFrame({"x": [1, 2, 1, 2], "y": range(4), "who": ["a", "a", "b", "b"]})
    a, b = plots.curves(table, "x", "y", "who", hollow=["b"]).axes[0].lines
    assert (a.get_linestyle(), b.get_linestyle()) == ("-", "--")
    assert b.get_markerfacecolor() == "white" != a.get_markerfacecolor()


def test_the_share_below_climbs_at_each_value():
    table = pd.DataFrame({"p": [0.5, 0.2], "q": [0.1, 0.9]})
    ax = plots.shares_below(table, {"p": "one", "q": "two"}, at=0.05, dashed=["q"]).axes[0]
    one, two = (line for line in ax.lines if line.get_label() in ("one", "two"))
    assert one.get_xdata()[1:].tolist() == [0.2, 0.5] and one.get_ydata()[1:].tolist() == [0.5, 1]
    assert two.get_linestyle() == "--"

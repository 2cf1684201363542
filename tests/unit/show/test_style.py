"""Oracle: WCAG contrast (2.1, relative luminance) and the names that every chapter uses."""

from itertools import combinations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.colors import to_rgb

from empdis_utils.data.tables import QUADRANTS
from empdis_utils.show import style


def luminance(color):
    channels = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), channels, strict=True))


def test_every_quadrant_has_a_colour_a_shape_and_a_meaning():
    for mapping in (style.QUADRANT_COLORS, style.QUADRANT_MARKERS, style.QUADRANT_MEANING):
        assert tuple(mapping) == QUADRANTS
        assert len(set(mapping.values())) == 4


def test_modality_colours_stand_out_from_white():
    for color in style.MODALITY_COLORS.values():
        assert 1.05 / (luminance(color) + 0.05) >= 4.5


def test_quadrant_colours_differ_without_red_green_vision():
    # deuteranopia confuses what differs only in red against green: blue or luminance must differ
    for a, b in combinations(style.QUADRANT_COLORS.values(), 2):
        blue = abs(to_rgb(a)[2] - to_rgb(b)[2])
        light = abs(luminance(a) - luminance(b))
        assert max(blue, light) > 0.1


def test_apply_sets_the_theme():
    with matplotlib.rc_context():
        style.apply()
        assert matplotlib.rcParams["axes.spines.top"] is False


ATTACKS = [
    r"$\frac$",
    r"$\href{javascript:alert(1)}{x}$",
    "a $5 and a $6 clip",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{ cycler.__init__.__globals__ }}",
    "[x](javascript:alert(1))",
]


@pytest.mark.parametrize("words", ATTACKS)
def test_words_of_a_corpus_stay_words_in_a_figure(words, tmp_path):
    """Before, `$...$` was a formula: a bad one stopped the chapter, a good one lost its signs."""
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        style.apply()
        figure, ax = plt.subplots()
        ax.plot([0, 1], label=words)
        ax.set(xlabel=words, ylabel=words, title=words, xticks=[0], xticklabels=[words])
        ax.text(0, 0, words)
        ax.legend(title=words)
        figure.savefig(tmp_path / "figure.svg")
        plt.close(figure)
    written = BeautifulSoup((tmp_path / "figure.svg").read_text(encoding="utf-8"), "html.parser")
    assert [text.get_text() for text in written.find_all("text")].count(words) == 7
    assert not written.find_all(["script", "img", "a"])


@pytest.mark.parametrize("words", ATTACKS)
def test_words_of_a_corpus_stay_words_in_a_table(words):
    plain = ("display.html.use_mathjax", True, "styler.html.mathjax", True)
    with matplotlib.rc_context(), pd.option_context(*plain, "styler.format.escape", None):
        style.apply()
        frame = pd.DataFrame({words: [words]}, index=pd.Index([words], name=words))
        cells = pd.DataFrame({"words": [words]}).style  # a Styler escapes cells, no headings
        for made, times in ((frame._repr_html_(), 4), (cells._repr_html_(), 1)):
            table = BeautifulSoup(made, "html.parser").table
            assert "mathjax_ignore" in table["class"]
            assert [e.get_text() for e in table.find_all(["th", "td"])].count(words) == times
            assert not table.find_all(["script", "img", "a"])


def test_a_value_and_its_interval_share_a_column():
    table = pd.DataFrame(
        {"a": ["x", "y", "z"], "g": [0.5, -1.0, np.nan], "ci_low": [0.1, np.nan, np.nan],
         "ci_high": [0.91, np.nan, np.nan], "n": 3}
    )  # fmt: skip
    told = style.with_interval(table, "g", digits=2)
    shown = told["g"].str.replace(style.NO_BREAK, " ")
    assert shown.tolist() == ["0.50 [0.10, 0.91]", "-1.00", ""]
    assert " " not in told["g"][0]  # so it stays on one line
    assert list(told) == ["a", "g", "n"] and "ci_low" in table


def test_leading_columns_come_first_and_none_is_lost():
    table = pd.DataFrame(columns=list("abcd"))
    assert list(style.leading(table, "c", "a")) == ["c", "a", "b", "d"]


def test_small_p_keep_their_digits():
    table = pd.DataFrame(
        {"p": [0.000123, np.nan], "p (Welch)": [3e-9, 0.5], "pairs": [0.12345, 1], "n": 2}
    )
    told = style.readable(table.set_index(pd.Index([5, 6])))
    assert told["p"].tolist() == ["0.00012", ""] and told["p (Welch)"].tolist() == ["3e-09", "0.5"]
    assert told["pairs"].tolist() == [0.123, 1.0] and list(told.index) == [0, 1]


def test_outcomes_counts_every_status_and_reason_once():
    table = pd.DataFrame(
        {"status": ["constant", "ok", "few", "ok"], "reason": ["all 1", "", "n=2", ""]}
    )
    told = style.outcomes(table, "fits")
    assert told == "Fits (4): 2 ok; 1 constant (all 1); 1 few (n=2)."


def test_intervals_labels_and_blanks_for_reading():
    table = pd.DataFrame({"a": ["x", "y"], "t": [0.5, np.nan], "v": [0.25, np.nan]})
    table = table.assign(v_low=[0.1, np.nan], v_high=[0.5, np.nan])
    told = style.with_intervals(table, "v", digits=2)
    assert told["v"].str.replace(style.NO_BREAK, " ").tolist() == ["0.25 [0.10, 0.50]", ""]
    assert style.blank(table[["t"]])["t"].tolist() == ["0.5", ""]
    assert style.labelled(table.head(1), "{a}, {t}")["label"].tolist() == ["x, 0.5"]


def test_an_estimate_in_words_says_why_it_has_no_interval():
    row = {"auroc": 0.8123, "ci_low": 0.7, "ci_high": 0.9, "reason": ""}
    assert style.estimate_text(row, "auroc") == "0.81 [0.70, 0.90]"
    few = row | {"ci_low": np.nan, "reason": "too few recordings (n=4)"}
    assert style.estimate_text(few, "auroc", 3) == "0.812 (too few recordings (n=4))"
    words = ("a loss", "no gain is shown", "a gain")
    for low, high, said in ((-2, -1, 0), (-1, 1, 1), (1, 2, 2), (np.nan, np.nan, 1)):
        assert style.by_side({"ci_low": low, "ci_high": high}, *words) == words[said]

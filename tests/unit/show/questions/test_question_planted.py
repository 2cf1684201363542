"""Sentences and figure of the page on planted conflicts. Oracle: tables with a known answer."""

import matplotlib
import pandas as pd
import pytest

from empdis_utils.show.questions import planted

matplotlib.use("Agg")
WRONG, DIVIDED = "fusion is wrong", "people are divided on the full clip"


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def rows(values, **others):
    """A row for each score: its value, and an interval that ends 0.05 away."""
    table = pd.DataFrame({"score": list(values), "auroc": list(values.values())})
    return table.assign(ci_low=table["auroc"] - 0.05, ci_high=table["auroc"] + 0.05, **others)


AUROCS = rows({"opposition": 0.9, "red or green": 0.7, "entropy": 0.6}, modality="any")


def ranked(gap, added=0.0, control=0.1, target=WRONG):
    whole = {
        "opposition": 0.6 + gap, "uncertainty": 0.6, "opposition - uncertainty": gap,
        "both - uncertainty": added, "opposition - placebo: retrained": control,
    }  # fmt: skip
    part = rows({**whole, "opposition": 0.0, "opposition - uncertainty": 9.0})
    return pd.concat(
        [part.assign(case="text against the others"), rows(whole).assign(case="any modality")]
    ).assign(**{"to find": target}).reset_index(drop=True)  # fmt: skip


@pytest.mark.parametrize(
    ("gain", "word"),
    [(0.2, ", better than"), (0.0, "not shown to be better"), (-0.2, ", worse than")],
)
def test_a_find_counts_by_what_it_adds_to_entropy(gain, word):
    gains = {"red or green - entropy": gain, "opposition - entropy": gain}
    gains = rows(gains, modality="any").rename(columns={"auroc": "difference"})
    other = gains.assign(modality="text", difference=9.0)
    sentence = planted.found(AUROCS, pd.concat([gains, other]))
    assert word in sentence and "0.70 [0.65, 0.75]" in sentence and "synthetic" in sentence


@pytest.mark.parametrize(
    ("gap", "word"),
    [(0.2, "better than plain"), (0.0, "as far as can be told"), (-0.2, "less well")],
)
def test_real_corpora_are_told_by_the_clip_as_a_whole(gap, word):
    sentence = planted.real({"MOSI": ranked(gap), "CREMA-D": ranked(gap, target=DIVIDED)})
    assert sentence.count(word) == 2 and "9.00" not in sentence
    assert "(CREMA-D, " in sentence and "(MOSI, " in sentence


@pytest.mark.parametrize(
    ("added", "word"), [(0.2, "adds to it"), (0.0, "not shown to add"), (-0.2, "takes something")]
)
def test_what_is_added_to_uncertainty_follows_its_interval(added, word):
    assert word in planted.adds({"MOSI": ranked(0.0, added)})


def test_what_a_control_also_finds_is_not_diagnostic():
    assert "not diagnostic" in planted.beside(ranked(0.0, control=0.0), "MOSI")
    sentence = planted.beside(ranked(0.0, control=0.2), "MOSI")
    assert "finds more than the control (retrained; 0.20" in sentence
    assert "diagnostic" not in sentence


def test_opposition_is_told_with_every_control_of_the_same_size():
    names = ["opposition", "opposition, half the votes", "placebo: half a", "placebo: half b"]
    table = pd.DataFrame({"case": "voice against face", "score": names})
    table = table.assign(opposed=[0.1, 0.2, 0.3, 0.4], ci_low=0.0, ci_high=1.0)
    sentence = planted.often(table, "CREMA-D")
    assert "0.20 [0.00, 1.00] of clips" in sentence and "0.10" not in sentence
    assert "(half a) and" in sentence and "(half b)" in sentence


def test_clips_without_a_cue_are_told_for_the_clip_as_a_whole():
    table = pd.concat([AUROCS.assign(against="no cue"), AUROCS.assign(against="congruent")])
    sentence = planted.no_cue(pd.concat([table, table.assign(modality="text", auroc=9.0)]))
    assert "opposition 0.90 [0.85, 0.95]" in sentence and "9.00" not in sentence
    assert sentence.endswith("Better than chance: opposition, red or green and entropy.")
    assert planted.no_cue(table.assign(ci_low=0.4)).endswith("Better than chance: none.")


def test_false_alarms_are_shares_of_draws():
    table = pd.DataFrame({"score": ["opposition"], "n_draws": [40], "false alarms": [0.05]})
    sentence = planted.alarms(table.assign(ci_low=0.01, ci_high=0.2))
    assert "In 40 synthetic corpora" in sentence and "5% [1%, 20%]" in sentence


@pytest.mark.parametrize(
    ("gain", "word"), [(0.2, " more than"), (0.0, "as far as can be told"), (-0.2, " less than")]
)
def test_training_for_mismatch_is_held_against_opposition(gain, word):
    table = pd.DataFrame(
        {
            "detector": ["trained on incongruence", "opposition"]
            + ["trained on incongruence - opposition"],
            "estimate": [0.8, 0.7, gain], "n": 50, "n_mismatch": 20,
        }
    )  # fmt: skip
    table = table.assign(ci_low=table["estimate"] - 0.1, ci_high=table["estimate"] + 0.1)
    assert word in planted.mismatch(table) and "20 mismatches among 50" in planted.mismatch(table)


@pytest.mark.parametrize(
    ("gap", "words"), [(-0.2, "uncertainty finds more"), (0.0, "neither"), (0.2, "beats")]
)
def test_the_headline_asks_only_real_corpora(gap, words):
    real = {"MOSI": ranked(gap), "CREMA-D": ranked(gap, target=DIVIDED)}
    fig = planted.figure(AUROCS, ranked(0.0), real, 8.0)
    assert words in fig.get_suptitle() and "conflicts are found" in fig.get_suptitle()
    chance = AUROCS.assign(ci_low=0.4)
    assert "not shown" in planted.figure(chance, ranked(0.0), real, 8.0).get_suptitle()


def test_the_figure_has_a_row_for_each_corpus_and_one_axis():
    synthetic = pd.concat([ranked(0.0, target="a conflict was planted"), ranked(0.0)])
    left, right = planted.figure(AUROCS, synthetic, {"MOSI": ranked(-0.1)}, 3.9).axes
    names = [label.get_text() for label in right.get_yticklabels()]
    assert names == ["errors of fusion\n(synthetic)", "errors of fusion\n(MOSI)"]
    assert left.get_xlim() == right.get_xlim()
    dots = [line.get_xdata()[0] for line in right.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([0.6, 0.6, 0.5, 0.6])

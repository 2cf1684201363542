"""`questions.channels`. Oracle: invented tables whose rows were put in by hand."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from empdis_utils.show.questions import channels


def row(**values):
    estimate = values["estimate"]
    ends = {"ci_low": estimate - 0.02, "ci_high": estimate + 0.02, "n": 40, "n_recordings": 9}
    return ends | values


def rates(gap=0.2):
    named = {
        "voice against face": 0.5,
        "voice against face, half the votes of each": 0.6,
        "two halves of voice": 0.4,
        "two halves of face": 0.3,
        "half against half, minus two halves of voice": gap,
    }
    rows = [row(number="majority", compared=name, estimate=v) for name, v in named.items()]
    return pd.DataFrame([*rows, row(number="plain", compared="two halves of voice", estimate=1)])


def wins(face=0.7, voice=0.2):
    shares = {"neither": 1 - face - voice, "voice": voice, "face": face}
    rows = [row(by=by, wins=who, estimate=v) for by in ("all", "sad") for who, v in shares.items()]
    return pd.DataFrame(rows)


def accuracy(name=0.6):
    words = {"random": 0.6, "speakers": 0.5, "shows": 0.5}
    rows = [row(features=channels.WORDS, folds=k, estimate=v) for k, v in words.items()]
    return pd.DataFrame([*rows, row(features="speaker only", folds="random", estimate=name)])


def mismatch(gain=0.0):
    scores = {channels.TRAINED: 0.8, channels.FREE: 0.8 - gain, "metadata only": 0.5}
    scores[f"{channels.TRAINED} - {channels.FREE}"] = gain
    return pd.DataFrame([row(detector=k, estimate=v, n_mismatch=12) for k, v in scores.items()])


def said(**changed):
    weight = pd.DataFrame([row(by=k, estimate=v) for k, v in {"all": 0.4, "sad": 0.1}.items()])
    found = pd.DataFrame(
        {"compared": ["voice against face", "halves of voice"], "found": [7, 0], "n": 40}
    )
    emotions = pd.DataFrame({"label": ["sarcastic", "sincere"], "mismatches": [9, 1], "n": 10})
    lost = pd.DataFrame([row(features=channels.WORDS, against="speakers", estimate=0.1)])
    given = {"rates": rates(), "wins": wins(), "weight": weight, "found": found}
    given |= {"emotions": emotions, "accuracy": accuracy(), "lost": lost, "mismatch": mismatch()}
    return channels.sentences(**(given | changed))


def test_controls_are_open_and_come_with_half_the_votes():
    kept = channels.beyond_noise(rates())
    assert kept["estimate"].tolist() == [0.6, 0.4, 0.3]
    assert kept["hollow"].tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("gap", "word"),
    [(0.2, ", more than"), (0.0, "no more, as far as can be told, than"), (-0.2, ", less than")],
)
def test_the_answer_follows_the_interval_of_the_gap(gap, word):
    text = said(rates=rates(gap))["answer"]
    assert "60 % [58, 62]" in text and f"{word} two halves of the same voice votes (40 %" in text


def test_a_channel_wins_only_above_the_other_interval():
    assert "follow the face" in said()["answer"]
    assert "follow no channel" in said(wins=wins(0.4, 0.39))["answer"]


def test_what_a_name_does_as_well_is_not_diagnostic():
    assert "not diagnostic" in said()["words"]
    assert "less than the words" in said(accuracy=accuracy(0.4))["words"]


def test_training_is_worth_what_its_gain_says():
    assert "no more, as far as can be told, than the product" in said()["planted"]
    assert "finds more than the product" in said(mismatch=mismatch(0.2))["planted"]
    assert "are a coin" in said()["planted"]


def test_numbers_of_clips_are_those_of_the_table():
    assert "7 of 40 clips differ; the same test finds 0 (halves of voice)." in said()["one_by_one"]


@pytest.mark.parametrize("width", [8.0, 3.9])
def test_the_figure_has_a_panel_per_question_with_titles_that_follow_the_numbers(width):
    fig = channels.figure(rates(), wins(), accuracy(), mismatch(), width)
    titles = [ax.get_title(loc="left").replace("\n", " ") for ax in fig.axes]
    assert len(titles) == 4 and "the face wins" in titles[1] and "no better than" in titles[3]
    columns = {ax.get_subplotspec().colspan.start for ax in fig.axes}
    assert len(columns) == (2 if width > 6 else 1)
    plt.close(fig)


def test_the_table_of_the_figure_holds_its_marks():
    table = channels.plotted(rates(), wins(), accuracy(), mismatch())
    assert table.groupby("panel", sort=False).size().tolist() == [3, 3, 4, 3]

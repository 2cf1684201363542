"""`responses`. Oracles: counts by hand, all draws listed, VADER and SciPy called directly, closed
forms; and the published numbers of the paper, where EMPDIS_DATA has its outputs."""

import math
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps
from sklearn.metrics.pairwise import cosine_similarity
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from empdis_utils.data import dialogues
from empdis_utils.measures import responses

DATA = os.environ.get("EMPDIS_DATA", "")
THERE = DATA and all(
    Path(DATA, name, file).is_file()
    for name in ("merg", "meld")
    for file in dialogues.ENTRIES[name]["files"]
)
TEXTS = ["a b a b", "b c", "", "a b c d e", "d"]


def test_distinct_is_counted_by_hand():
    assert responses.distinct(TEXTS, 1) == 5 / 12
    # ab ba ab | bc | ab bc cd de
    assert responses.distinct(TEXTS, 2) == 5 / 8
    assert math.isnan(responses.distinct(["", " "], 1))
    assert responses.ngrams("a  b\nc", 2) == [("a", "b"), ("b", "c")]
    assert responses.n_words(TEXTS).tolist() == [4, 2, 0, 5, 1]


@pytest.mark.parametrize("n, budget", [(1, 1), (1, 4), (1, 12), (2, 3), (2, 8)])
def test_equal_budget_is_the_mean_over_all_draws(n, budget):
    grams = [gram for text in TEXTS for gram in responses.ngrams(text, n)]
    drawn = [len(set(pick)) / budget for pick in combinations(grams, budget)]
    assert responses.equal_budget_distinct(TEXTS, n, budget) == pytest.approx(np.mean(drawn))


def test_equal_budget_of_everything_is_distinct_and_more_is_nothing():
    assert responses.equal_budget_distinct(TEXTS, 2, 8) == responses.distinct(TEXTS, 2)
    assert math.isnan(responses.equal_budget_distinct(TEXTS, 2, 9))


def test_length_moves_distinct_and_not_the_fair_ones():
    rng = np.random.default_rng(0)
    words = [f"w{k}" for k in range(300)]
    short, long = ([" ".join(rng.choice(words, 10)) for _ in range(n)] for n in (60, 600))
    table = responses.diversity({"short": short, "long": long}, 1, budget=400).set_index("system")
    assert table.loc["short", "distinct"] > 3 * table.loc["long", "distinct"]
    gap = table["equal_budget"]
    assert gap["short"] == pytest.approx(gap["long"], abs=0.03)
    assert table["adjusted"].tolist() == pytest.approx([1, 1], abs=0.05)


def test_adjusted_is_its_closed_form():
    expected = 7 * (1 - (6 / 7) ** 12)
    assert responses.expectation_adjusted_distinct(TEXTS, 1, 7) == pytest.approx(5 / expected)
    assert math.isnan(responses.expectation_adjusted_distinct([""], 1, 7))


def test_intervals_of_diversity_draw_dialogues_and_difference_is_paired():
    rng = np.random.default_rng(1)
    words = [f"w{k}" for k in range(200)]
    dialog = np.repeat(np.arange(30), 4)
    one = [" ".join(rng.choice(words, 8)) for _ in dialog]
    two = [" ".join(rng.choice(words[:40], 8)) for _ in dialog]
    both, groups = {"one": one, "two": two}, {"one": dialog, "two": dialog}
    own = responses.equal_budget_intervals(both, 1, 300, groups).set_index("system")
    assert (own["n_recordings"] == 30).all() and (own["status"] == "ok").all()
    value = responses.equal_budget_distinct(one, 1, 300)
    assert own.loc["one", "estimate"] == pytest.approx(value)
    assert (own["ci_low"] < own["estimate"]).all() and (own["ci_high"] > own["estimate"]).all()
    (gap,) = responses.equal_budget_intervals(both, 1, 300, groups, minus="two").to_dict("records")
    assert gap["estimate"] == pytest.approx(own.loc["one", "estimate"] - own.loc["two", "estimate"])
    assert gap["ci_low"] > 0 and gap["minus"] == "two"
    (all_of_it,) = responses.equal_budget_intervals({"one": one}, 1, 960, groups).to_dict("records")
    assert all_of_it["status"] == "undefined" and "fewer n-grams" in all_of_it["reason"]


def test_sentiment_match_is_the_formula_on_vader():
    score = SentimentIntensityAnalyzer().polarity_scores
    history = ["I love this wonderful day.", "It is a chair.", "You are a terrible liar!"]
    mean = np.mean([score(text)["compound"] for text in history])
    for said in ("I am so sorry, that is awful.", "Okay.", "", "GREAT!!!"):
        (found,) = responses.sentiment_match([said], [history])
        assert found == pytest.approx(1 - abs(score(said)["compound"] - mean))
    assert responses.sentiment_match(["x", "x"], [[], ["y"]]).tolist() == [0, 1]


def test_emotion_match_is_scikit_learns_cosine():
    rng = np.random.default_rng(2)
    one, two = rng.dirichlet(np.ones(6), 5), rng.dirichlet(np.ones(6), 5)
    expected = np.diag(cosine_similarity(one, two))
    assert responses.emotion_match(one, two) == pytest.approx(expected)
    assert responses.emotion_match(np.zeros((1, 6)), two[:1]) == [0]
    with pytest.raises(ValueError, match="not the same rows"):
        responses.emotion_match(one, two[:3])


def test_bertscore_of_vectors_whose_matches_are_known():
    e = np.eye(4)
    cases = [
        (e[:2], e[:2], (1, 1, 1)),
        (e[:1], e[:4], (1, 0.25, 0.4)),  # an answer's own first part: precision is by construction
        (e[:2], e[2:], (0, 0, 0)),
        (2 * e[[0]], 5 * e[[0, 0]], (1, 1, 1)),  # lengths do not count
        (e[:0], e[:2], (0, 0, 0)),
        (np.array([[1.0, 1, 0, 0]]), e[:2], (0.5**0.5, 0.5**0.5, 0.5**0.5)),
    ]
    one, two, expected = zip(*cases, strict=True)
    assert responses.bertscore(one, two).to_numpy() == pytest.approx(np.array(expected, float))


def test_ends_of_a_text_may_be_matched_with_and_do_not_count():
    e = np.eye(3)
    side, words = [e[[0, 1]]], [np.array([False, True])]
    found = responses.bertscore(side, [e[[1, 2]]], (words, words))
    assert found.loc[0, ["precision", "recall"]].tolist() == [1, 0]
    none = [np.array([False, False])]
    assert responses.bertscore(side, side, (none, words)).loc[0, "f1"] == 0


def test_bits_and_perplexities_of_known_losses():
    # two texts of 3 and 1 bytes, 4 bits each
    assert responses.bits_per_byte([4 * math.log(2)] * 2, ["abc", "d"]) == pytest.approx(2)
    assert responses.bits_per_byte([math.log(2) * 6], ["é’x"]) == pytest.approx(1)  # 6 bytes
    found = responses.perplexities([math.log(2), 3 * math.log(32), 0], [1, 3, 0])
    assert found["mean_of_texts"] == pytest.approx((2 + 32) / 2)
    assert found["pooled"] == pytest.approx(2 ** ((1 + 15) / 4))
    assert math.isnan(responses.bits_per_byte([], []))
    assert math.isnan(responses.perplexities([0.0], [0])["pooled"])


def test_trivial_responders_read_nothing():
    last, target = ["one", "two", "three"], ["a", "b", "c"]
    found = responses.trivial_responders(last, target, ["two", "three", ""], seed=3)
    assert tuple(found) == responses.TRIVIAL
    assert found["empty"] == [""] * 3 and found["last line repeated"] == last
    assert sorted(found["target, shuffled"]) == target
    assert set(responses.trivial_responders(last)) == set(responses.TRIVIAL[:3])


def test_means_and_differences_are_over_the_rows_that_have_both():
    scores = pd.DataFrame({"x": np.linspace(0, 1, 40), "y": [np.nan] * 8 + [0.2] * 32})
    dialog = np.repeat(np.arange(10), 4)
    own = responses.mean_intervals(scores, dialog).set_index("responder")
    assert own["n"].to_dict() == {"x": 40, "y": 32} and own.loc["x", "estimate"] == 0.5
    (gap,) = responses.mean_intervals(scores, dialog, minus="y").to_dict("records")
    assert gap["n"] == 32
    assert gap["estimate"] == pytest.approx(scores["x"][8:].mean() - 0.2)


def test_spearman_is_scipys():
    rng = np.random.default_rng(4)
    x = rng.normal(size=200)
    y = np.round(x + rng.normal(size=200))  # with ties
    found = responses.spearman_interval(x, y, np.arange(200) // 2)
    assert found.estimate == pytest.approx(sps.spearmanr(x, y).statistic)
    assert found.ci_low < found.estimate < found.ci_high and found.n_recordings == 100


@pytest.mark.skipif(not THERE, reason="EMPDIS_DATA has not merg and meld")
def test_the_papers_own_numbers(monkeypatch):
    """Table 3: Dist-1 and Dist-2 of four systems; what the issue says of trivial responders."""
    monkeypatch.setenv("EMPDIS_DATA", DATA)
    lines, answers = dialogues.read_merg()
    printed = {
        "Llama, text": (0.0676, 0.2627),
        "Llama, fine-tuned text": (0.0344, 0.1585),
        "Mistral, multimodal": (0.0914, 0.2907),
        "Llama, multimodal": (0.0940, 0.3261),
    }
    for system, pair in printed.items():
        said = answers[(answers["system"] == system) & (answers["status"] == "ok")]["full"]
        found = [responses.distinct(said, n) for n in (1, 2)]
        assert found == pytest.approx(pair, abs=1e-4)
    histories = dialogues.histories(lines)
    last, target = lines["text"].tolist(), lines["target"].tolist()
    everyone = {**responses.trivial_responders(last), "target": target}
    mean = {k: responses.sentiment_match(v, histories).mean() for k, v in everyone.items()}
    assert list(mean.values()) == pytest.approx([0.828, 0.840, 0.809, 0.662], abs=5e-4)

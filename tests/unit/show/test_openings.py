"""`openings`. Oracle: invented tables whose verdict can be read off, one for each wording."""

import re

import matplotlib
import numpy as np
import pandas as pd
import pytest

from empdis_utils.controls import placebo, uses
from empdis_utils.measures.inference import Interval
from empdis_utils.show import openings

matplotlib.use("Agg")
SIDES = {"below": (-0.3, -0.1), "holds": (-0.1, 0.1), "above": (0.1, 0.3)}
CHANGE = "change: red+green minus blue+yellow"


@pytest.fixture(params=SIDES)
def side(request):
    """Where an interval lies, and its ends."""
    return request.param, SIDES[request.param]


def two_sentences(said):
    """The text, after a look at its form: two sentences, no number left out."""
    whole = re.sub(r"\d\.\d|e\.g\.", "#", said)
    assert len(re.findall(r"\.(?: |$)", whole)) == 2, said
    assert not said[0].islower() and not re.search(r"\bnan\b|None\b(?! (of|is))|  ", said), said
    return said


def interval(low, high, n=40):
    return Interval((low + high) / 2, low, high, n, 9, "ok", "")


def row(estimate, low, high, name="estimate", **more):
    return {name: estimate, "ci_low": low, "ci_high": high, **more}


# ---- the data and its models -------------------------------------------------------------------


def manifest(alone=False, labels=("no", "yes")):
    y = np.arange(12) % len(labels)
    dialog = [f"r{i}" for i in range(12)] if alone else ["a"] * 6 + ["b"] * 6
    return pd.DataFrame({"y": y, "label": [labels[k] for k in y], "dialog_id": dialog})


def audit(shared):
    rows = [("clips", "test", "", 4), ("clips_of_shared_recordings", "train", "test", shared)]
    return pd.DataFrame(rows, columns=["check", "split_a", "split_b", "n"])


@pytest.mark.parametrize(
    ("shared", "said"),
    [
        (4, "Every one of the 4 test clips"),
        (2, "2 of the 4 test clips come from"),
        (0, "No test clip \\(of 4\\)"),
    ],
)
def test_01_says_how_many_test_clips_share_recordings(shared, said):
    text = two_sentences(openings.data(manifest(), audit(shared), pd.DataFrame()))
    assert text.startswith("12 clips of 2 recordings: 50% are labelled yes.")
    assert re.search(said, text)


def test_01_says_what_a_corpus_does_not_have():
    text = openings.data(manifest(True), audit(0).head(1), pd.DataFrame())
    assert "none are named" in text and "no train and test split was released" in text.lower()
    assert "cannot be told" in openings.data(manifest(True), audit(0), pd.DataFrame())
    three = openings.data(manifest(labels=("a", "b", "c")), audit(0), pd.DataFrame())
    assert "of 3 labels" in two_sentences(three)


@pytest.mark.parametrize(("train", "leaks"), [(0.9, True), (0.6, False)])
def test_01_calls_a_leak_what_exceeds_both_intervals(train, leaks):
    about = {"modality": "text", "released split": ["train", "test"]}
    value = {"accuracy, held out by recording": [train, 0.5]}
    ends = {"ci_low": [train - 0.05, 0.45], "ci_high": [train + 0.05, 0.55]}
    text = openings.data(manifest(), audit(0), pd.DataFrame({**about, **value, **ends}))
    assert ("so they have seen labels" in two_sentences(text)) == leaks


def encoders(protocol, *accuracies):
    about = {"protocol": protocol, "encoder": ["roberta", "hubert"], "modality": ["text", "audio"]}
    values = np.array(accuracies)
    ends = {"ci_low": values - 0.1, "ci_high": values + 0.1, "majority class": 0.5}
    return pd.DataFrame({**about, "accuracy": values, **ends})


ALONE = pd.DataFrame([row(0.7, 0.6, 0.8, "accuracy", n=30)])


def test_02_sets_the_best_encoder_beside_the_recording(side):
    name, (low, high) = side
    both = pd.concat([encoders("release", 0.8, 0.6), encoders("crossfit", 0.7, 0.3)])
    above = pd.DataFrame([row(0.0, low, high, "difference", encoder="roberta")])
    text = two_sentences(openings.unimodal(ALONE, both, above))
    words = {
        "below": "less than that",
        "holds": "not shown to be more",
        "above": ", more than that",
    }
    assert words[name] in text and "the best of 2 encoders (roberta)" in text
    assert "text (roberta, 0.70 [0.60, 0.80]) is above, and that of audio" in text
    assert "(hubert, 0.30 [0.20, 0.40]) is below the larger class (0.50)" in text
    point = openings.encoders_point(above)
    assert point.startswith("1 of 1" if name == "above" else "None of 1")


def test_02_without_a_split_or_folds_says_so():
    none = pd.DataFrame([row(np.nan, np.nan, np.nan, "accuracy", n=0)])
    text = two_sentences(openings.unimodal(none, encoders("crossfit", 0.5, 0.55), pd.DataFrame()))
    assert "no split was released" in text and "not shown to be above" in text
    text = two_sentences(openings.unimodal(ALONE, encoders("release", 0.5, 0.5), pd.DataFrame()))
    assert "No model was trained with whole recordings held out" in text
    assert openings.encoders_point(pd.DataFrame()) == ""


def test_03_fusion_against_the_best_single_modality(side):
    name, (low, high) = side
    accuracy = [row(0.7, 0.6, 0.8, "accuracy", inputs=i, n=50) for i in ("text", "text+audio")]
    ends = {"retrained_accuracy_low": [low, -1], "retrained_accuracy_high": [high, 1]}
    values = pd.DataFrame({"modality": ["text", "audio"], "retrained_accuracy": 0.0, **ends})
    gap = interval(low, high)
    text = two_sentences(openings.fusion(pd.DataFrame(accuracy), "text", gap, values))
    words = {"below": "less often than", "holds": "no more often, as", "above": ", more often than"}
    assert words[name] in text
    adds = {"below": ") take", "holds": "shown for text", "above": "adds to its accuracy"}
    assert adds[name] in text and "no gain is shown for" in text
    points = {"below": "less often", "holds": "not shown to beat", "above": "beats"}
    assert points[name] in openings.fusion_point("text", gap)


def test_03_one_modality_is_not_fused():
    one = pd.DataFrame([row(0.7, 0.6, 0.8, "accuracy", inputs="text", n=50)])
    text = two_sentences(openings.fusion(one, "text", None, pd.DataFrame(), held_out=False))
    assert "nothing to fuse" in text and "test clips" in text


# ---- quadrants ---------------------------------------------------------------------------------


def excess(low, high, modality="text", contrast=openings.DIVIDED):
    ends = {"excess": (low + high) / 2, "excess_low": low, "excess_high": high}
    return {"modality": modality, "contrast": contrast, "placebo": placebo.SAME, **ends}


def test_04_disagreement_beyond_the_seed(side):
    name, (low, high) = side
    ends = {"ratio": 1.0, "ci_low": 1 + low, "ci_high": 1 + high}
    both = pd.DataFrame([{"modality": "text", "modality_rate": 0.25, **ends}])
    changed = {"modality": "text", "quadrant": ["red", "green"], "n_changed": [3, 4], "n": [3, 4]}
    rates = pd.DataFrame([excess(low, high)])
    text = two_sentences(openings.disagreement(both, rates, pd.DataFrame(changed)))
    assert ("that is more than retraining" in text) == (name == "above")
    assert "than text on 0.25" in text and "moves all 7 for text" in text
    assert ("Text differs" in openings.seeds_point(both)) == (name == "above")
    fewer = pd.DataFrame({**changed, "n": [3, 6]})
    assert "moves 7 of 9 for text" in openings.disagreement(both, rates, fewer)
    none = pd.DataFrame({**changed, "n_changed": 0, "n": 0})
    assert "No clip is red or green" in two_sentences(openings.disagreement(both, rates, none))


def test_04_with_one_seed_nothing_is_claimed():
    both = pd.DataFrame([{"modality": "text", "modality_rate": 0.25, "ratio": np.nan}])
    one = pd.DataFrame([excess(np.nan, np.nan)])
    text = two_sentences(openings.disagreement(both, one, pd.DataFrame()))
    assert "one seed was trained" in text.lower() and "cannot be told" in text
    assert "cannot be told" in openings.seeds_point(both)


def feature_rows(p_holm):
    about = {"family": "audio", "feature": [f"f{i}" for i in range(len(p_holm))]}
    values = {"contrast": "red-blue", "p": 0.01, "p_permutation": p_holm, "p_holm": p_holm}
    return pd.DataFrame({**about, **values})


def beside(n):
    values = {"p of the paper": 0.01, "p_permutation": 0.5, "p_holm": 0.5, "same direction": True}
    return pd.DataFrame([values] * n)


@pytest.mark.parametrize(
    ("p_holm", "said"),
    [
        ([0.2, 0.5], "none is left"),
        ([0.01, 0.5], "1 is left, first of all f0 (red against blue), when"),
        (
            [0.01, 0.02],
            "2 are left, first of all f0 (red against blue) and f1 (red against blue), when",
        ),
        ([np.nan, np.nan], "No quadrant has enough clips"),
    ],
)
def test_05_counts_what_is_left_after_correction(p_holm, said):
    text = two_sentences(openings.features(feature_rows(p_holm), beside(3)))
    assert said in text and "3 could be tested: 3 point the same way" in text
    without = two_sentences(openings.features(feature_rows(p_holm), pd.DataFrame()))
    assert "None of the paper's differences could be tested" in without


def test_05_words_red_beside_blue(side):
    name, (low, high) = side
    about = {"feature": "margin_linear", "hedges_g": 0.0, "ci_low": low, "ci_high": high}
    tests = [{**about, "contrast": c, "note": ""} for c in ("red-blue", "green-yellow")]
    text = two_sentences(openings.words(pd.DataFrame(tests)))
    words = {"below": "clips lie nearer to", "holds": "are not shown to lie", "above": "farther"}
    assert text.count(words[name]) == 2
    assert "could not be tested" in openings.words(pd.DataFrame(tests[:1]))
    few = pd.DataFrame(tests).assign(hedges_g=np.nan, ci_low=np.nan, ci_high=np.nan, note="too few")
    assert "too few" in two_sentences(openings.words(few))
    assert "cannot be told" in two_sentences(openings.words(pd.DataFrame()))


def risk(low, high):
    flags = ["entropy", "number of disagreeing modalities"]
    ends = {"difference": [np.nan, 0.0], "difference_low": [np.nan, low]}
    return pd.DataFrame(
        {"flag": flags, "aurc": [0.1, 0.2], **ends, "difference_high": [np.nan, high]}
    )


def test_06_entropy_above_the_placebo_and_the_flag(side):
    name, (low, high) = side
    above = pd.DataFrame([excess(low, high), excess(low, high, "all")])
    text = two_sentences(openings.entropy(above, risk(low, high)))
    words = {"below": "hold less", "holds": "not shown to hold", "above": "hold more entropy"}
    assert words[name] in text and "0.200 against 0.100" in text
    flag = {"below": "better than", "holds": "not shown to differ", "above": "worse than"}
    assert flag[name] in text and "all (" not in text
    assert flag[name] in openings.flag_point(risk(low, high))
    assert ("Only text shows" in openings.entropy_point(above)) == (name == "above")


def test_06_without_a_placebo_says_why():
    assert "one seed" in two_sentences(openings.entropy(pd.DataFrame(), risk(0, 1)))
    few = pd.DataFrame([excess(np.nan, np.nan)])
    assert "too few clips" in two_sentences(openings.entropy(few, risk(0, 1)))


# ---- people ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_people", [0, 2])
def test_07_says_whose_answers_they_are(n_people, side):
    name, (low, high) = side
    delta = pd.DataFrame([row(0.1, 0.0, 0.2, "delta", quadrant="red", subset="all", reason="")])
    found = pd.DataFrame([row(0.0, low, high, comparison=CHANGE, subset="all")])
    text = two_sentences(openings.human_study(delta, found, n_people))
    assert ("simulated" in text) == (n_people < 2) and "red 0.10 [0.00, 0.20]" in text
    does = {"below": "falls more", "holds": "is not shown to fall", "above": "rises more"}
    assert f"greement {does[name]}" in text
    assert "cannot be told" in two_sentences(openings.human_study(delta, pd.DataFrame(), n_people))


def test_07_votes_from_one_channel_to_both(side):
    name, (low, high) = side
    about = {"answers": "six", "from": "audio", "to": "audio+video"}
    delta = pd.DataFrame([row(0.0, low, high, **about)])
    twice = pd.DataFrame([excess(low, high, "video"), excess(low, high, "all")])
    text = two_sentences(openings.votes(delta, twice))
    words = {"below": "less than on", "holds": "no more, as far", "above": "agree more than on"}
    assert f"{words[name]}" in text and "the voice (0.00" in text
    parts = {"below": "less divided", "holds": "can be told, divided", "above": "are more divided"}
    assert parts[name] in text and "the face (" in text
    few = pd.DataFrame([excess(np.nan, np.nan, "video")])
    assert "too few clips" in two_sentences(openings.votes(delta, few))


# ---- what holds it up --------------------------------------------------------------------------


def test_08_split_with_and_without_a_released_one(side):
    name, (low, high) = side
    rows = [("recording only", "random"), ("recording only", "grouped")]
    rows += [("TF-IDF", "random"), ("TF-IDF", "grouped")]
    accuracy = pd.DataFrame(rows, columns=["features", "folds"]).assign(n=60, accuracy=0.6)
    accuracy = accuracy.assign(ci_low=0.5, ci_high=0.7)
    gains = pd.DataFrame({"features": ["recording only", "TF-IDF"], "random minus grouped": 0.0})
    gains = gains.assign(ci_low=low, ci_high=high)
    text = two_sentences(openings.split(interval(0.5, 1.0), accuracy, gains, 0.55))
    does = {"below": "gains accuracy", "holds": "is not shown to lose", "above": ") loses accuracy"}
    assert does[name] in text and "30 of 40 released test clips" in text
    assert "not shown to be above the larger class" in text
    assert (openings.split_point(gains)[:4] == "1 of") == (name == "above")
    text = two_sentences(openings.split(None, accuracy, gains.head(1), 0.55))
    assert "no split was released" in text.lower() and "no words or features" in text
    assert "above the larger" in openings.split(None, accuracy, gains, 0.4)
    assert "below the larger" in openings.split(None, accuracy, gains, 0.8)


def test_08_choices_counts_shifts():
    about = {"choice": ["start", "max", "last"], "number": "accuracy of fusion", "value": 0.5}
    ends = {"shift": [0, -0.2, 0.1], "shift_low": [0, -0.3, -0.1], "shift_high": [0, -0.1, 0.3]}
    effects = pd.DataFrame({**about, **ends})
    text = two_sentences(openings.choices(effects, "start"))
    assert "moves 1 of 2 numbers" in text and '"max" on accuracy of fusion: -0.20' in text
    assert "no choice to change" in two_sentences(openings.choices(effects.head(1), "start"))


@pytest.mark.parametrize(("found", "said"), [([[1, 1], [1, 1]], "2 show all"), ([[1, -1]], "none")])
def test_08_specification_counts_paths(found, said):
    found = np.array(found)
    shares = {"direction": ["a", "b", "all"], "holds": [*(found > 0).mean(axis=0), 0.5]}
    text = two_sentences(openings.specification(found, pd.DataFrame(shares), 1.0))
    assert said in text and "a (100%)" in text


@pytest.mark.parametrize(
    ("z", "said"), [((2, 3), "stands out"), ((0, 1), "stays within"), ((1, 3), "or not, by what")]
)
def test_08_replication_reads_printed_numbers(z, said):
    pairs = pd.DataFrame({"told apart": ["yes", "no", "depends"]})
    text = two_sentences(openings.replication(154, 154, 109, (56, 111.6), pairs, z))
    assert said in text and "154 clips, the released test split" in text
    assert "does not hold (56; with validation about 112)" in text and "3 pairs" in text
    other = openings.replication(150, 154, 50, (56, 111.6), pairs, z)
    assert "not the test split's 154" in other and "that split does hold" in other


# ---- conflict ----------------------------------------------------------------------------------


def test_09_opposition_beside_uncertainty(side):
    name, (low, high) = side
    names = ["opposition", "placebo: two halves of text"]
    often = pd.DataFrame([row(0.2, 0.1, 0.3, "opposed", score=s, n=50) for s in names])
    scores = {
        "opposition": (0.6, 0.7),
        "uncertainty": (0.6, 0.7),
        "both - uncertainty": (low, high),
    }
    found = [row(0.6, *ends, "auroc", score=s) for s, ends in scores.items()]
    found = pd.DataFrame(found).assign(case="text", **{"to find": "fusion is wrong"})
    text = two_sentences(openings.conflict(often.assign(case="text"), found, "text", "opposition"))
    adds = {"below": "loses (", "holds": "is not shown to gain", "above": "uncertainty gains ("}
    assert (
        adds[name] in text and "(two halves of text)" in text and "errors of fusion" in text.lower()
    )
    alone = often.assign(case="text").head(1)
    text = two_sentences(openings.conflict(alone, found.head(0), "text", "opposition"))
    assert "none that could be drawn" in text and "nothing could be ranked" in text.lower()


def test_09_recovery_and_its_gain(side):
    name, (low, high) = side
    scores = ("red or green", "opposition")
    found = pd.DataFrame([row(0.7, 0.6, 0.8, "auroc", score=s, modality="any") for s in scores])
    pairs = ("red or green - entropy", "opposition - red or green")
    gains = [row(0.0, low, high, "difference", score=s, modality="any") for s in pairs]
    held = row(0.4, 0.3, 0.5, "precision", score="red or green", modality="text")
    text = openings.recovery(found, pd.DataFrame(gains), pd.DataFrame([held]))
    words = {"below": "less than", "holds": "not shown to be more", "above": ", more than"}
    assert two_sentences(text).count(words[name]) == 2 and "0.40 [0.30, 0.50]" in text
    points = {"below": "finds fewer", "holds": "is not shown", "above": "finds more"}
    assert points[name] in openings.recovery_point(pd.DataFrame(gains))


def test_09_draws_are_counted():
    stable = pd.DataFrame({"same": [1.0, 0.5]})
    alarms = {"false alarms": 0.05, "ci_low": 0.01, "ci_high": 0.1}
    better = pd.Series([0.1, 0.3, -0.1])
    text = two_sentences(
        openings.simulation(better, alarms, stable, "16 recordings", "more than 8")
    )
    assert "3 fresh synthetic draws" in text and "67% of draws; 1 of 2 verdicts" in text
    assert "beats the flag takes 16 recordings" in text and "entropy more than 8" in text


# ---- other corpora -----------------------------------------------------------------------------


def test_11_voice_features_and_the_threshold_of_silence():
    about = {"feature": ["mean_pitch", "speaking_rate", "hnr"], "pairs": 8}
    result = pd.DataFrame({**about, "as expected": pd.array([8, 4, None], dtype="Int64")})
    rates = pd.DataFrame({"as expected": [3, 5]})
    text = two_sentences(openings.acted(result, rates))
    assert "mean pitch rises in all 8 pairs" in text and "speaking rate in 4 of them" in text
    assert "rises in 3 to 5 of 8 pairs" in text and "hnr" not in text
    assert "at every threshold" in openings.acted(result, rates.head(1))
    assert "could be checked" in two_sentences(openings.acted(pd.DataFrame(), pd.DataFrame()))


def test_12_a_mouth_and_sounds_that_are_not_its_own(side):
    name, (low, high) = side
    taken = pd.DataFrame({"source": ["own", "shifted"], "taken": [3, 1], "n": [11, 70]})

    def apart(shifted, other):
        rows = [interval(0.5 + a, 0.5 + b)._asdict() for a, b in (shifted, other)]
        return pd.DataFrame(rows).assign(control=["shifted", "another clip's"])

    text = two_sentences(openings.speaker(apart(SIDES["above"], (low, high)), taken))
    said = {
        "below": "worse than",
        "holds": "no better, as far as can be told,",
        "above": "better than",
    }
    assert f"another clip's {said[name]}" in text and "9 people" in text
    assert "heuristic" in text and "in 3 of 11 clips" in text
    assert ("not diagnostic" in text) == (name != "above")
    assert "not diagnostic" not in openings.speaker(apart((low, high), SIDES["above"]), taken)
    assert "was not tested" in two_sentences(openings.speaker(pd.DataFrame(), pd.DataFrame()))


def majorities(value=0.5, reason=""):
    compared = ["voice against face", "voice against face, half the votes of each",
                "two halves of voice", "two halves of face",
                "half against half, minus two halves of voice"]  # fmt: skip
    rows = [row(value, value - 0.1, value + 0.1, compared=c, n=90, reason=reason) for c in compared]
    return pd.DataFrame(rows).assign(number="majority")


def test_12_channels_and_who_wins(side):
    name, (low, high) = side
    weight = pd.Series(row(0.5, 0.5 + low, 0.5 + high, reason=""))
    args = (("voice", "face"), "Conflict divides people.")
    text = two_sentences(openings.incongruence(majorities(), weight, *args))
    words = {"below": "follow the face more", "holds": "lean to neither", "above": "the voice more"}
    assert words[name] in text and text.endswith("; conflict divides people.")
    few = majorities()
    few.loc[1:, ["estimate", "ci_low", "ci_high"]], few["reason"] = np.nan, "too few votes"
    none = pd.Series(row(np.nan, np.nan, np.nan, reason="too few clips"))
    text = two_sentences(openings.incongruence(few, none, *args))
    assert (
        "cannot be told (too few votes)" in text and "wins cannot be told (too few clips)" in text
    )


def test_12_the_point_of_majorities(side):
    name, (low, high) = side
    rates = majorities()
    rates.loc[4, ["ci_low", "ci_high"]] = low, high
    words = {
        "below": "less often than",
        "holds": "as far as can be told",
        "above": "more often than",
    }
    assert words[name] in openings.channels_point(rates, ("voice", "face"))
    rates.loc[4, ["ci_low", "ci_high"]] = np.nan
    assert openings.channels_point(rates, ("voice", "face")).startswith("How often")


def test_12_training_on_mismatch(side):
    name, (low, high) = side
    names = ["trained on incongruence", "opposition", "metadata only"]
    found = [row(0.6, 0.5, 0.7, detector=d, n_mismatch=9) for d in names]
    found.append(row(0.0, low, high, detector="trained on incongruence - opposition"))
    text = two_sentences(openings.mismatch(pd.DataFrame(found), "text", "video", 80))
    words = {"below": "less than", "holds": "no more, as far", "above": "finds more than"}
    assert (
        words[name] in text and "of 9 mismatches" in text.lower() and "metadata only 0.60" in text
    )


PREFIXES = ("true", "zero", "shuffled", "mean")


def prefixes(*ends):
    rows = [row(0.6, *e, arm=a) for a, e in zip(PREFIXES, ends, strict=True)]
    return pd.DataFrame(rows).assign(measure="choice accuracy")


def markers(own, telling=(0.2, 0.4)):
    names = ["no marker", "another clip's marker"]
    rows = [row(0.0, *own, marker="the clip's own marker", minus=m) for m in names]
    rows.append(row(0.3, *telling, marker="a marker that tells the answer", minus=names[0]))
    return pd.DataFrame(rows).assign(measure="choice accuracy", kind="words and face differ")


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        ((0.7, 0.9), (0.4, 0.6), "the prefix carries the cue"),
        ((0.4, 0.9), (0.4, 0.6), "carries the cue is not shown"),
        ((0.2, 0.4), (0.4, 0.6), "worse than chance"),
        ((0.7, 0.9), (0.55, 0.6), "not diagnostic"),
    ],
)
def test_12_a_prefix_counts_only_if_those_that_cannot_know_stay_at_chance(own, other, said):
    found, chance = prefixes(own, (0.4, 0.6), (0.4, 0.6), other), markers((-0.1, 0.1))
    text = two_sentences(openings.prefix(found, None, chance))
    assert said in text and said in openings.prefix_point(found).lower()


def test_12_a_marker_counts_only_if_the_model_reads_markers(side):
    name, ends = side
    words = {"below": "so hurts", "holds": "so is not shown to help", "above": "so helps"}
    assert words[name] in openings.marker(markers(ends))
    assert "cannot be told" in openings.marker(markers(ends, telling=(-0.1, 0.4)))


def test_12_perplexity_is_a_matter_of_its_own(side):
    name, ends = side
    gains = pd.DataFrame([row(0.0, *ends, minus="zero", measure="perplexity")])
    words = {"below": "line is lower", "holds": "not shown to be lower", "above": "is higher"}
    assert words[name] in openings.prefix_perplexity(gains)


def test_12_answers_of_a_large_model(side):
    name, ends = side
    gains = pd.DataFrame([row(0.0, *ends, arm="true", minus=m) for m in PREFIXES[1:]])
    gains = gains.assign(measure="choice accuracy")
    text = two_sentences(openings.answers(prefixes(*[(0.4, 0.6)] * 4), gains))
    words = {"below": "fewer than", "holds": "not shown to be more", "above": "is more than"}
    assert words[name] in text and "another clip's prefix" in text


def test_12_sarcasm_in_words_and_names(side):
    name, (low, high) = side
    emotions = pd.DataFrame({"label": ["sarcastic", "sincere"], "mismatches": [9, 1], "n": 10})
    keys = [("words (TF-IDF)", f) for f in ("random", "speakers")] + [("speaker only", "random")]
    accuracy = pd.DataFrame([row(0.6, 0.5, 0.7, features=a, folds=b) for a, b in keys])
    gains = pd.DataFrame([row(0.0, low, high, features="words (TF-IDF)", against="speakers")])
    text = two_sentences(openings.sarcasm(emotions, accuracy, gains))
    words = {"below": "gain accuracy", "holds": "are not shown to lose", "above": "words lose"}
    assert words[name] in text and "9 of 10 sarcastic lines and 1 of 10 sincere lines" in text


def use_gains(*rows):
    """Primary gains of uses: name, gain, gain over the control; intervals reach 1 to both sides."""
    table = pd.DataFrame(rows, columns=["use", "gain", "over_control"]).assign(primary=True)
    ends = {f"{k}_{e}": table[k] + d for k in ("gain", "over_control")
            for e, d in (("low", -1), ("high", 1))}  # fmt: skip
    verdict = np.where((table["gain"] > 1) & (table["over_control"] > 1), "shown", "not shown")
    return table.assign(**ends, verdict=verdict, note="", reason="this run has no compared")


def test_13_counts_uses_that_beat_the_baseline_and_the_control():
    titles = {"a": "Saving", "b": "Losing", "c": "Nothing"}
    table = use_gains(("a", 3, 3), ("b", -3, 0), ("c", 0, -3))
    said = two_sentences(openings.uses(table, titles))
    assert said.startswith("Of 3 uses measured here")
    assert "baseline in 1 (saving), and is worse in 1 (losing)." in said
    assert "does better in 1 (saving), and worse in 1 (nothing)." in said
    assert openings.uses_point(table).endswith("in 1 of 3")
    null = openings.uses(use_gains(("c", 0, 0)), titles)
    assert "Of 1 use measured" in null and "in none, and is worse in none." in null
    assert openings.uses_point(use_gains(("c", 0, 0))).endswith("in none of 1")


def test_13_does_not_call_two_readings_of_words_modalities():
    words = use_gains(("a", 0, 0)).assign(note=uses.TWO_READINGS)
    text = two_sentences(openings.uses(words, {"a": "Saving"}))
    assert "between two readings of the words" in text and "between modalities" not in text


def test_13_without_a_measured_use_gives_the_reason():
    lost = use_gains(("a", np.nan, np.nan))
    said = two_sentences(openings.uses(lost, {"a": "Saving"}))
    assert "could be measured" in said and "this run has no compared" in said


def test_a_point_stands_above_its_figure_and_is_broken_to_its_width():
    fig = matplotlib.figure.Figure(figsize=(4, 3))
    assert openings.pointed(fig, "word " * 30) is None
    title = fig._suptitle
    assert max(map(len, title.get_text().splitlines())) <= 44 and title.get_position()[1] > 1


@pytest.mark.parametrize(
    ("pure", "said"), [(["a", "b"], "In 2 of 2"), (["a", "a"], "In none of 1")]
)
def test_recordings_with_one_label_are_counted(pure, said):
    table = pd.DataFrame({"y": [0, 0, 1, 1], "dialog_id": [pure[0]] * 2 + [pure[1]] * 2})
    assert openings.recordings_point(table).startswith(said)
    assert "No recordings are known" in openings.recordings_point(manifest(True))


def test_lists_read_as_words():
    assert [openings.listed(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip


def test_the_placebo_is_named_as_the_tables_name_it():
    assert openings.SAME == placebo.SAME

"""Tests of `empdis_utils.measures.conflict`. Each test names its oracle."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import logit
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

from empdis_utils.data.tables import MODALITIES
from empdis_utils.measures import conflict, disagreement

FULL = "text+audio+video"


def models(n=40, n_seeds=5, seed=0):
    rng = np.random.default_rng(seed)
    names = ["text", "audio", "video", "text+audio", "text+video", "audio+video", FULL]
    return {name: rng.uniform(0.02, 0.98, (n_seeds, n)) for name in names}


# ------------------------------------------------------------------ conflict_score


def test_conflict_score_is_its_formula():
    """Oracle: the definition, with scipy's logit."""
    rng = np.random.default_rng(1)
    own, others = rng.uniform(0.01, 0.99, (2, 50))
    z, rest = logit(own), logit(others)
    expected = -z * rest / np.sqrt((z**2).mean() * (rest**2).mean())
    score = conflict.conflict_score(own, others)
    np.testing.assert_allclose(score, expected)
    cosine = z @ rest / np.sqrt((z @ z) * (rest @ rest))
    assert score.mean() == pytest.approx(-cosine)


def test_conflict_score_signs_and_silence():
    """Oracle: what the words say: opposed, the same, silent."""
    opposed, same, silent = conflict.conflict_score([0.9, 0.9, 0.5], [0.2, 0.9, 0.99])
    assert opposed > 0 > same and silent == 0


def test_conflict_score_of_two_columns_and_of_renamed_classes():
    """Oracle: symmetry. Two classes as [n, 2] are the same; names of classes do not matter."""
    rng = np.random.default_rng(2)
    own, others = rng.uniform(0.01, 0.99, (2, 30))
    two = conflict.conflict_score(np.c_[1 - own, own], np.c_[1 - others, others])
    np.testing.assert_allclose(two, conflict.conflict_score(own, others))
    np.testing.assert_allclose(two, conflict.conflict_score(1 - own, 1 - others))
    six, rest = rng.dirichlet(np.ones(6), (2, 30))
    order = rng.permutation(6)
    np.testing.assert_allclose(
        conflict.conflict_score(six, rest), conflict.conflict_score(six[:, order], rest[:, order])
    )
    # Aitchison's inner product over all pairs of classes
    pairs = [(i, j) for i in range(6) for j in range(6)]
    inner = sum(np.log(six[:, i] / six[:, j]) * np.log(rest[:, i] / rest[:, j]) for i, j in pairs)
    norms = [sum(np.log(x[:, i] / x[:, j]) ** 2 for i, j in pairs).mean() for x in (six, rest)]
    np.testing.assert_allclose(conflict.conflict_score(six, rest), -inner / np.sqrt(np.prod(norms)))


def test_conflict_score_of_certainty_is_finite_and_of_nothing_is_zero():
    assert np.isfinite(conflict.conflict_score([0.0, 1.0], [1.0, 1.0])).all()
    assert conflict.conflict_score([0.5, 0.5], [0.1, 0.9]).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("own", "others", "message"),
    [
        ([0.5, np.nan], [0.5, 0.5], "own: expected P"),
        ([0.5, 1.2], [0.5, 0.5], r"own: lies outside \[0, 1\]"),
        ([0.5, 0.5], [0.5], "differ in shape"),
        ([], [], "own: expected P"),
    ],
)
def test_conflict_score_refuses(own, others, message):
    with pytest.raises(ValueError, match=message):
        conflict.conflict_score(own, others)


# ------------------------------------------------------------------ scores


def test_scores_are_plain_recomputations():
    """Oracles: scipy's entropy and Jensen-Shannon distance, loops over seeds and pairs of seeds."""
    p = models()
    found = conflict.scores(p, MODALITIES)
    full, mean = p[FULL], p[FULL].mean(axis=0)
    pairs = list(combinations(range(5), 2))
    for i in range(40):
        own = p["audio"][:, i]
        one = {name: values[i] for name, values in found["audio"].items()}
        assert one["red or green"] == float((own.mean() > 0.5) != (mean[i] > 0.5))
        differ = [(a > 0.5) != (b > 0.5) for a, b in zip(own, full[:, i], strict=True)]
        assert one["seed share"] == pytest.approx(np.mean(differ))
        assert one["confidence gap"] == pytest.approx(np.mean(np.abs(own - full[:, i])))
        apart = jensenshannon([own.mean(), 1 - own.mean()], [mean[i], 1 - mean[i]]) ** 2
        assert one["Jensen-Shannon"] == pytest.approx(apart)
        total = entropy([mean[i], 1 - mean[i]])
        assert one["entropy"] == pytest.approx(total)
        inside = np.mean([entropy([x, 1 - x]) for x in full[:, i]])
        assert one["epistemic"] == pytest.approx(total - inside)
        noise = [(full[a, i] > 0.5) != (full[b, i] > 0.5) for a, b in pairs]
        assert one["seed noise"] == pytest.approx(np.mean(noise))
        rest = p["text+video"][:, i]
        differ = [(a > 0.5) != (b > 0.5) for a, b in zip(own, rest, strict=True)]
        assert one["differs from the others"] == pytest.approx(np.mean(differ))
    np.testing.assert_allclose(
        found["audio"]["opposition"],
        conflict.conflict_score(p["audio"].mean(axis=0), p["text+video"].mean(axis=0)),
    )
    for name, values in found["any"].items():
        np.testing.assert_array_equal(values, np.max([found[m][name] for m in MODALITIES], axis=0))


def test_scores_name_the_model_that_is_missing():
    p = models()
    del p["audio+video"]
    with pytest.raises(ValueError, match=r"no predictions from audio\+video; have audio, text"):
        conflict.scores(p, MODALITIES)


def test_two_modalities_oppose_each_other():
    """With two modalities "the others" are the other one: the score cannot say which is odd."""
    rng = np.random.default_rng(3)
    p = {name: rng.uniform(size=(3, 20)) for name in ("audio", "video", "audio+video")}
    found = conflict.scores(p, ["audio", "video"])
    np.testing.assert_allclose(found["audio"]["opposition"], found["video"]["opposition"])


def test_probabilities_are_the_rows_of_the_table():
    p = models(n=6, n_seeds=2)
    table = pd.concat(
        pd.DataFrame({"clip_id": [f"c{i}" for i in range(6)], "inputs": k, "seed": s, "p": v[s]})
        for k, v in p.items()
        for s in (0, 1)
    ).sample(frac=1, random_state=0)
    order = ["c3", "c0", "c1", "c2", "c5", "c4"]
    found = conflict.probabilities(table, order)
    assert set(found) == set(p)
    np.testing.assert_array_equal(found["text"], p["text"][:, [3, 0, 1, 2, 5, 4]])
    lost = table[~((table["inputs"] == "text") & (table["seed"] == 1))]
    with pytest.raises(ValueError, match="no probability of some clips from text/1"):
        conflict.probabilities(lost)
    lost = table[~((table["inputs"] == "audio") & (table["clip_id"] == "c2"))]
    with pytest.raises(ValueError, match="from audio/0, audio/1"):
        conflict.probabilities(lost)


# ------------------------------------------------------------------ flags and ranks


def quadrants_table():
    """Five trainings. Clip a is red once and green twice, clip b red three times."""
    fused = {"a": [0.1, 0.9, 0.9, 0.9, 0.9], "b": [0.1, 0.1, 0.1, 0.9, 0.9]}
    text = {"a": [0.9, 0.1, 0.1, 0.9, 0.9], "b": [0.9] * 5}
    rows = [
        {"clip_id": clip, "inputs": inputs, "source": "fusion", "seed": s, "y": 1, "p": p}
        for inputs, given_ in (("text", text), ("fusion", fused))
        for clip, ps in given_.items()
        for s, p in enumerate(ps)
    ]
    return disagreement.quadrants(pd.DataFrame(rows))


def test_flags_are_counts_so_that_equal_clips_tie():
    """Oracle: by hand: three trainings of five each. Summed shares of quadrants split the tie."""
    quadrants = quadrants_table()
    ensemble = quadrants.query("seed == 'ensemble'").set_index("clip_id")
    summed = ensemble["membership_red"] + ensemble["membership_green"]
    assert summed["a"] != summed["b"]  # the fault: 0.2 + 0.4 is not 0.6
    flags = conflict.flagged(quadrants).set_index("clip_id")
    assert flags["seeds"].to_dict() == {"a": 3, "b": 3}
    assert flags["n_seeds"].to_dict() == {"a": 5, "b": 5}
    # the ensemble: text 0.58, fusion 0.74: both right; text 0.9, fusion 0.42: red
    assert flags["red_or_green"].to_dict() == {"a": False, "b": True}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=40))
def test_auroc_is_scikit_learns(rows):
    planted, score = np.array([r[0] for r in rows]), np.array([r[1] for r in rows]) / 5
    if planted.all() or not planted.any():
        assert np.isnan(conflict.auroc(planted, score))
        assert np.isnan(conflict.auroc(planted, np.c_[score, score])).all()
        return
    expected = roc_auc_score(planted, score)
    assert conflict.auroc(planted, score) == pytest.approx(expected)
    np.testing.assert_allclose(
        conflict.auroc(planted, np.c_[score, -score]), [expected, 1 - expected]
    )


# ------------------------------------------------------------------ tables


def test_auroc_table_is_scikit_learns_on_the_clips_that_are_asked_for():
    rng = np.random.default_rng(5)
    found = {"a": rng.random(60), "b": rng.random(60)}
    yes, no = np.arange(60) < 20, np.arange(60) >= 30
    groups = np.repeat(np.arange(12), 5)
    for n_boot in (0, 50):
        table = conflict.auroc_table(yes, no, found, [("a", "b")], groups=groups, n_boot=n_boot)
        expected = [roc_auc_score(yes[yes | no], one[yes | no]) for one in found.values()]
        assert table["score"].tolist() == ["a", "b", "a - b"]
        np.testing.assert_allclose(table["auroc"], [*expected, expected[0] - expected[1]])
        assert table["ci_low"].isna().all() == (n_boot == 0)
        assert (table["n conflict"] == 20).all() and (table["n other"] == 30).all()


def predictions(n=60):
    p = {name: rows[:, :n] for name, rows in models(n).items()}
    y = np.random.default_rng(8).integers(0, 2, n)
    return p, pd.concat(
        pd.DataFrame({"clip_id": [f"c{i:02d}" for i in range(n)], "inputs": k, "seed": s, "y": y,
                      "p": rows[s]})
        for k, rows in p.items()
        for s in range(5)
    )  # fmt: skip


def test_cases_of_models_find_errors_and_what_was_planted():
    """Oracle: the same from arrays. The placebo has the modality's own trainings on both sides."""
    p, table = predictions()
    kind = np.resize(["conflict", "congruent", "no_cue"], 60)
    truth = pd.DataFrame({"clip_id": table["clip_id"].unique(), "kind": kind})
    truth["contradicting"] = np.where(kind == "conflict", np.resize(MODALITIES, 60), None)
    clips, cases = conflict.cases_of_models(table, truth.sample(frac=1, random_state=0))
    assert len(cases) == 8 and clips[0] == "c00"
    planted, wrong = cases[:2]
    assert planted.name == wrong.name == "text against the others"
    np.testing.assert_array_equal(planted.found, truth["contradicting"] == "text")
    np.testing.assert_array_equal(planted.keep, planted.found | (kind != "conflict"))
    y = table.drop_duplicates("clip_id")["y"].to_numpy()
    np.testing.assert_array_equal(wrong.found, (p[FULL].mean(axis=0) > 0.5) != (y == 1))
    assert wrong.keep.all()
    halves = p["text"][:2].mean(axis=0), p["text"][2:].mean(axis=0)
    np.testing.assert_allclose(
        wrong.scores["placebo: same modality retrained"], conflict.conflict_score(*halves)
    )
    assert len(conflict.cases_of_models(table)[1]) == 4


def test_cases_of_people_halve_the_votes_of_one_channel():
    rng = np.random.default_rng(0)
    votes = pd.DataFrame(rng.multinomial(9, np.full(6, 1 / 6), 91), columns=list("ADFHNS"))
    votes["clip_id"] = np.repeat([f"c{i:02d}" for i in range(31)], 3)[:91]
    votes["modality"] = np.resize(["audio", "video", "audio+video"], 91)
    clips, (case,) = conflict.cases_of_people(votes.assign(status="ok"), seed=3)
    assert len(clips) == 30, "a clip without all three channels is left out"
    share = [
        (part[list("ADFHNS")] + 0.5).div(9 + 3).to_numpy()
        for _, part in votes[votes["clip_id"].isin(clips)].groupby("modality")
    ]
    np.testing.assert_allclose(
        case.scores["opposition"], conflict.conflict_score(share[0], share[2])
    )
    both = votes[(votes["modality"] == "audio+video") & votes["clip_id"].isin(clips)]
    np.testing.assert_array_equal(case.found, both[list("ADFHNS")].max(axis=1) <= 4)
    again = conflict.cases_of_people(votes.assign(status="ok"), seed=3)[1][0].scores
    np.testing.assert_array_equal(
        again["placebo: two halves of face"], case.scores["placebo: two halves of face"]
    )


def test_tables_of_cases_count_opposed_clips_and_rank_those_to_find():
    _, table = predictions()
    _, cases = conflict.cases_of_models(table)
    groups = np.repeat(np.arange(12), 5)
    often = conflict.opposed(cases, groups).set_index(["case", "score"])
    score = cases[0].scores["opposition"]
    assert often.loc[("text against the others", "opposition"), "opposed"] == (score > 0).mean()
    assert len(often) == 8 and "uncertainty" not in often.index.get_level_values("score")
    found = conflict.ranking(cases[:1], groups, n_boot=50).set_index("score")["auroc"]
    assert found["opposition"] == pytest.approx(roc_auc_score(cases[0].found, score))
    assert found["both - uncertainty"] <= found["both"] and "alone" not in found
    gap = found["opposition"] - found["placebo: same modality retrained"]
    assert found["opposition - placebo: same modality retrained"] == pytest.approx(gap)

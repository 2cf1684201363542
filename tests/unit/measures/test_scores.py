"""Oracles: scikit-learn's accuracy_score and f1_score; numpy's std; inference."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st
from scipy import stats as sps
from sklearn.metrics import accuracy_score, f1_score

from empdis_utils.measures import inference, scores


@pytest.fixture
def predictions():
    rng = np.random.default_rng(1)
    clips = [f"c{i}" for i in range(40)]
    y = dict(zip(clips, rng.integers(0, 2, 40), strict=True))
    rows = [
        {"clip_id": c, "inputs": m, "seed": s, "y": y[c], "p": rng.random()}
        for m in ("text", "audio")
        for s in (1, 2, 3)
        for c in clips
    ]
    return pd.DataFrame(rows)


def test_agrees_with_scikit_learn_per_seed(predictions):
    table = scores.score_table(predictions).set_index("inputs")
    for name, part in predictions.groupby("inputs"):
        per_seed = [
            (
                accuracy_score(s["y"], s["p"] > 0.5),
                f1_score(s["y"], s["p"] > 0.5, average="weighted"),
            )
            for _, s in part.groupby("seed")
        ]
        accuracy, f1 = np.array(per_seed).T
        assert table.loc[name, "accuracy"] == pytest.approx(accuracy.mean())
        assert table.loc[name, "sd_seeds"] == pytest.approx(np.std(accuracy, ddof=1))
        assert table.loc[name, "f1_weighted"] == pytest.approx(f1.mean())
        assert table.loc[name, ["n", "n_seeds"]].tolist() == [40, 3]


def test_interval_resamples_recordings(predictions):
    groups = pd.Series({c: f"r{int(c[1:]) // 5}" for c in predictions["clip_id"].unique()})
    row = scores.score_table(predictions.query("inputs == 'text'"), groups=groups).iloc[0]
    part = predictions.query("inputs == 'text'")
    right = ((part["p"] > 0.5) == part["y"]).groupby(part["clip_id"], sort=False).mean()
    recordings = groups[right.index].to_numpy()
    expected = inference.share_interval(right, groups=recordings)[:3]
    assert row[["accuracy", "ci_low", "ci_high"]].tolist() == pytest.approx(expected)


def test_interval_of_f1_is_that_of_scikit_learn_on_every_resample(predictions):
    groups = pd.Series({c: f"r{int(c[1:]) // 5}" for c in predictions["clip_id"].unique()})
    part = predictions.query("inputs == 'text' and seed == 1")
    row = scores.score_table(part, groups=groups, n_boot=100).iloc[0]

    def weighted(y, p):
        return f1_score(y, p > 0.5, average="weighted")

    expected = inference.weighted_interval(
        inference.of_rows(weighted, part["y"], part["p"]),
        len(part),
        groups=groups[part["clip_id"]].to_numpy(),
        n_boot=100,
    )
    found = row[["f1_weighted", "f1_low", "f1_high"]].tolist()
    assert found == pytest.approx(expected[:3], abs=1e-9)


def test_more_classes_use_the_likeliest():
    classes = {"p_0": [0.6, 0.5, 0.1], "p_1": [0.3, 0.4, 0.1], "p_2": [0.1, 0.1, 0.8]}
    frame = pd.DataFrame({"clip_id": ["a", "b", "c"], "inputs": "text", "seed": 0, "y": [0, 1, 2]})
    frame = frame.assign(p=0.5, **classes)
    assert scores.score_table(frame)["accuracy"].item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("y", [[0, 1, 1], [0, 1, 2]])
def test_a_class_that_is_predicted_counts_whether_y_has_it_or_not(y):
    """Oracle: scikit-learn on the likeliest of all classes."""
    p = np.array([[0.1, 0.2, 0.7], [0.0, 0.4, 0.6], [0.1, 0.8, 0.1]])
    frame = pd.DataFrame(p, columns=["p_0", "p_1", "p_2"])
    frame = frame.assign(clip_id=list("abc"), inputs="text", seed=0, y=y, p=p[:, 1])
    row = scores.score_table(frame).iloc[0]
    assert row["accuracy"] == accuracy_score(y, p.argmax(axis=1))
    assert row["f1_weighted"] == f1_score(y, p.argmax(axis=1), average="weighted")


def test_a_third_class_that_p_knows_nothing_of_is_an_error(predictions):
    with pytest.raises(ValueError, match="y goes up to 2, but p is of class 1 alone; give p_0"):
        scores.score_table(predictions.assign(y=2))
    with pytest.raises(ValueError, match="160 rows lack a probability"):
        scores.score_table(predictions.assign(p=predictions["p"].where(predictions["seed"] > 2)))


def test_one_seed_has_no_spread(predictions):
    table = scores.score_table(predictions.query("seed == 1"))
    assert table["sd_seeds"].isna().all()


def test_no_rows_is_an_error(predictions):
    with pytest.raises(ValueError, match="no rows"):
        scores.score_table(predictions.head(0))


def test_mcnemar():
    """Oracle: scipy.stats.binomtest on the discordant clips."""
    a = np.array([1] * 12 + [0] * 3 + [1] * 20)
    b = np.array([0] * 12 + [1] * 3 + [1] * 20)
    row = scores.mcnemar(a, b).iloc[0]
    assert (row.n, row.only_a, row.only_b) == (35, 12, 3)
    assert row.p == pytest.approx(sps.binomtest(3, 15).pvalue)
    same = scores.mcnemar(a, a).iloc[0]
    assert np.isnan(same.p) and same.note == "no discordant clips"


def orders_of_arrival(score, players):
    """Shapley values as the mean marginal contribution over all orders."""
    value = dict.fromkeys(players, 0.0)
    orders = list(permutations(players))
    for order in orders:
        for i, player in enumerate(order):
            before = frozenset(order[:i])
            value[player] += (score[before | {player}] - score[before]) / len(orders)
    return value


subsets_of_three = [
    frozenset(c) for k in range(4) for c in combinations(("text", "audio", "video"), k)
]


@settings(deadline=None)
@hypothesis_given(st.lists(st.floats(-10, 10), min_size=8, max_size=8))
def test_shapley_is_efficient_and_the_mean_over_orders(numbers):
    score = dict(zip(subsets_of_three, numbers, strict=True))
    value = scores.shapley(score)
    assert sum(value.values()) == pytest.approx(numbers[-1] - numbers[0], abs=1e-9)
    assert value == pytest.approx(orders_of_arrival(score, ("text", "audio", "video")), abs=1e-9)


def test_shapley_of_the_glove_game():
    """Hand-computed: one left glove, two right ones; the pair is worth 1."""
    score = {"none": 0, "text": 0, "audio": 0, "video": 0, "text+audio": 1, "text+video": 1}
    value = scores.shapley(score | {"audio+video": 0, "text+audio+video": 1})
    assert value == pytest.approx({"text": 2 / 3, "audio": 1 / 6, "video": 1 / 6})


def test_shapley_names_the_subset_it_lacks():
    with pytest.raises(ValueError, match="'none'"):
        scores.shapley({"text": 1, "audio": 0, "text+audio": 1})


def test_shapley_table_shares_the_gain_over_the_prior(predictions):
    joint = predictions.query("inputs == 'text'").assign(inputs="text+audio", p=0.9)
    frame = pd.concat([predictions, joint], ignore_index=True)
    scored = scores.clip_scores(frame, prior=0.4)
    assert (scored["accuracy", "none"] == (frame.groupby("clip_id")["y"].first() == 0)).all()
    dialog = pd.Series([f"r{i % 8}" for i in range(len(scored))], scored.index)
    table = scores.shapley_table({"all": scored}, groups=dialog, n_boot=50)
    assert table["modality"].tolist() == ["text", "audio"]
    for metric in ("accuracy", "log_loss"):
        mean = scored[metric].mean()
        assert table[f"all_{metric}"].sum() == pytest.approx(mean["text+audio"] - mean["none"])
        assert (table[f"all_{metric}_low"] <= table[f"all_{metric}_high"]).all()


def test_by_seed_is_the_accuracy_of_each_training(predictions):
    found = scores.by_seed(predictions)
    for name, part in predictions.groupby("inputs"):
        each = [accuracy_score(o["y"], o["p"] > 0.5) for _, o in part.groupby("seed")]
        assert found[name] == pytest.approx(each)


def test_more_classes_are_judged_by_the_likeliest():
    """p > 0.5 is of class 1 alone: it calls a sure third class wrong."""
    frame = pd.DataFrame({"inputs": "text", "seed": 1, "y": [2, 1], "p": [0.1, 0.4]})
    frame[["p_0", "p_1", "p_2"]] = [[0.1, 0.1, 0.8], [0.3, 0.4, 0.3]]
    assert scores.by_seed(frame) == {"text": [1.0]}


def test_pairs_of_encoders_are_compared_by_their_mean_probability(predictions):
    frame = predictions.rename(columns={"inputs": "encoder"}).assign(protocol="release")
    groups = pd.Series([f"r{i // 5}" for i in range(40)], [f"c{i}" for i in range(40)])
    row = scores.compare_pairs(frame, groups=groups, n_boot=100).iloc[0]
    mean = frame.groupby(["encoder", "clip_id"])[["p", "y"]].mean()
    right = ((mean["p"] > 0.5) == mean["y"]).unstack("encoder").loc[groups.index]
    assert (row["a"], row["b"]) == ("audio", "text")
    assert row["difference"] == pytest.approx(right["audio"].mean() - right["text"].mean())
    assert row["p"] == scores.mcnemar(right["audio"], right["text"])["p"].iloc[0]
    assert row["p_holm"] == row["p_flip"]
    assert scores.compare_pairs(frame.query("encoder == 'text'"), groups=groups).empty


def test_features_that_hold_the_label_of_a_split_are_given_away():
    rng = np.random.default_rng(0)
    manifest = pd.DataFrame({"clip_id": [f"c{i}" for i in range(80)], "y": np.arange(80) % 2})
    manifest["dialog_id"] = [f"r{i // 4}" for i in range(80)]
    manifest["split"] = np.where(np.arange(80) < 40, "train", "test")
    x = rng.normal(size=(80, 2))
    x[:40, 0] += 8 * (2 * manifest["y"][:40] - 1)
    found = scores.feature_leak({"text": pd.DataFrame(x)}, manifest).set_index("released split")
    accuracy = found["accuracy, held out by recording"]
    assert accuracy["train"] > 0.95 and accuracy["test"] < 0.8 and (found["n"] == 40).all()
    assert scores.feature_leak({}, manifest).empty

"""`controls.label_repair`. Oracles: cleanlab, scikit-learn, and labels whose flips are known."""

import numpy as np
import pandas as pd
import pytest
from cleanlab.rank import get_label_quality_scores
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from empdis_utils.controls import label_repair, using
from empdis_utils.measures.uncertainty import predictive_entropy

GROUPS = np.repeat(np.arange(20), 15)
N = len(GROUPS)


def views(strength, seed=0, n_views=2):
    """Labels, and features of each view that tell them with this strength."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, N)
    return y, {
        f"view {k}": rng.normal(size=(N, 4)) + strength * (2 * y - 1)[:, None]
        for k in range(n_views)
    }


@pytest.mark.parametrize("k", [2, 6])
def test_a_tenth_of_labels_is_flipped_to_another_class(k):
    y = np.arange(300) % k
    labels, flipped = label_repair.flip(y, np.random.default_rng(0))
    assert flipped.sum() == 30 and (labels[flipped] != y[flipped]).all()
    assert (labels[~flipped] == y[~flipped]).all() and set(labels) == set(range(k))


def test_every_other_class_is_drawn_evenly():
    y = np.r_[np.zeros(30_000, int), 1, 2]
    labels, flipped = label_repair.flip(y, np.random.default_rng(0), rate=0.9)
    shares = np.bincount(labels[flipped & (y == 0)]) / flipped.sum()
    assert shares == pytest.approx([0, 0.5, 0.5], abs=0.02)


def test_one_class_cannot_be_flipped():
    with pytest.raises(ValueError, match="one class"):
        label_repair.flip(np.zeros(10, int), np.random.default_rng(0))


def test_probabilities_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    x[4, 1] = np.nan
    folds = np.arange(60) % 4
    model = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(C=0.5, max_iter=5000)
    )
    expected = cross_val_predict(model, x, y, cv=PredefinedSplit(folds), method="predict_proba")
    assert label_repair.out_of_fold(x, y, folds, C=0.5) == pytest.approx(expected, abs=1e-6)


def test_training_on_one_class_gives_that_class():
    y = np.array([0, 0, 0, 1])
    got = label_repair.out_of_fold(np.arange(4.0)[:, None], y, np.array([0, 0, 1, 1]))
    assert got[0].argmax() in (0, 1) and got[2].tolist() == [1, 0]


def test_recordings_drawn_anew_give_other_probabilities_that_learn_from_no_held_out_clip():
    y, found = views(1.0)
    folds = GROUPS % 4
    x = found["view 0"]
    one = label_repair.out_of_fold(x, y, folds, GROUPS, np.random.default_rng(0))
    other = label_repair.out_of_fold(x, y, folds, GROUPS, np.random.default_rng(1))
    assert np.abs(one - other).max() > 1e-3
    changed = y.copy()
    changed[folds == 0] = 1 - changed[folds == 0]
    again = label_repair.out_of_fold(x, changed, folds, GROUPS, np.random.default_rng(0))
    assert again[folds == 0] == pytest.approx(one[folds == 0])


def test_baselines_are_cleanlabs_and_disagreement_is_one_minus_the_labels_probability():
    rng = np.random.default_rng(2)
    whole = rng.dirichlet(np.ones(3), 50)
    each = rng.dirichlet(np.ones(3), (2, 50))
    labels = rng.integers(0, 3, 50)
    got = label_repair.suspicion(labels, each, [], whole)
    own = each[:, np.arange(50), labels]
    assert got[label_repair.AGAINST] == pytest.approx(1 - own.mean(axis=0))
    assert got["self-confidence"] == pytest.approx(1 - whole[np.arange(50), labels])
    adjusted = get_label_quality_scores(labels, whole, adjust_pred_probs=True)
    assert got["confident learning"] == pytest.approx(1 - adjusted)
    assert got["entropy"] == pytest.approx(predictive_entropy(whole))
    assert label_repair.AGAIN not in got


def run(y, found, **how):
    return label_repair.study(
        label_repair.of_features(found),
        y,
        GROUPS,
        corpus="toy",
        n_seeds=2,
        n_boot=100,
        C=1.0,
        **how,
    )


def test_scores_are_scikit_learns_auroc_of_the_planted_flips():
    y, found = views(0.7)
    scores, _ = run(y, found)
    expected = []
    for seed in (42, 43):
        flipped, suspect = label_repair._one(
            label_repair.of_features(found), y, GROUPS, 5, 1.0, seed
        )
        expected.append(roc_auc_score(flipped, suspect["self-confidence"]))
        top = np.argsort(-suspect["self-confidence"], kind="stable")[: N // 10]
        expected.append(flipped[top].mean())
    own = scores[scores["method"] == "self-confidence"]["score"].to_numpy()
    assert own == pytest.approx([np.mean(expected[::2]), np.mean(expected[1::2])])


def test_flips_are_found_where_features_tell_and_not_where_they_do_not():
    clear = run(*views(1.5))[0].set_index(["measure", "method"])["score"]
    blind = run(*views(0.0))[0].set_index(["measure", "method"])["score"]
    assert clear["AUROC", label_repair.AGAINST] > 0.95
    assert abs(blind["AUROC", label_repair.AGAINST] - 0.5) < 0.15
    assert abs(clear["AUROC", "entropy"] - 0.5) < 0.15  # it does not look at the label


def test_without_features_that_tell_nothing_is_shown():
    rows = [run(*views(0.0, s))[1].iloc[0] for s in range(4)]
    assert not any(row["verdict"] == using.SHOWN for row in rows)
    assert np.mean([row["gain_low"] <= 0 for row in rows]) >= 0.75


def test_votes_are_drawn_in_equal_numbers_and_never_twice():
    rng = np.random.default_rng(3)
    voice, face, both = (rng.multinomial(n, [0.5, 0.3, 0.2], 40) for n in (6, 7, 9))
    got = label_repair.of_votes(voice, face, both)(0)
    for drawn, source in zip(got.views, (voice, face), strict=True):
        assert (drawn.sum(axis=1) == 4).all() and (drawn <= source).all()
    assert all((one.sum(axis=1) == 4).all() for one in got.again)
    assert (got.whole == sum(got.again)).all() and (got.whole <= both).all()
    assert not got.redraw


def test_words_read_no_label_and_have_a_row_for_each_clip():
    text = [f"word{k % 5} other{k % 3}" for k in range(30)]
    got = label_repair.words(text, n_components=4)
    assert got.shape == (30, 4) and np.allclose(got[0], got[15])


def given(n_seeds=4, seed=0):
    """A `compared` table of two modalities and fusion that know the label."""
    rng, y = np.random.default_rng(seed), np.arange(N) % 2
    rows = []
    for s in range(n_seeds):
        for name in ("text", "audio", "text+audio"):
            p = 1 / (1 + np.exp(-(2 * y - 1) * 1.5 - rng.normal(size=N)))
            rows.append(pd.DataFrame({
                "clip_id": [f"c{i:03}" for i in range(N)], "inputs": name, "source": "given",
                "seed": s, "fold": 0, "split": "test", "y": y, "p": p,
                "role": "fusion" if "+" in name else "unimodal",
            }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def test_given_probabilities_find_flips_and_the_note_says_when_they_were_made():
    dialog = pd.Series(GROUPS, [f"c{i:03}" for i in range(N)])
    scores, gains = label_repair.study_given(given(), corpus="toy", dialog=dialog, n_boot=100)
    assert scores.set_index(["measure", "method"]).loc["AUROC"]["score"].drop("entropy").min() > 0.8
    assert gains["note"].iloc[0] == "labels were flipped after the models were trained"
    one = label_repair.study_given(given(1), corpus="toy", dialog=dialog, n_boot=100)[1]
    assert "too few seeds" in one["note"].iloc[0]


def test_columns_of_answers():
    votes = pd.DataFrame(columns=["clip_id", "modality", "A", "B", "n", "status", "reason"])
    assert label_repair.answers(votes) == ["A", "B"]

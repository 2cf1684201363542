"""Tests of `empdis_utils.controls.split`. Each test names its oracle."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from empdis_utils.controls import split
from empdis_utils.data import splits


@pytest.fixture(scope="module")
def corpus():
    """Eighty clips of ten recordings whose label is mostly the recording's, and their marks."""
    rng, code = np.random.default_rng(0), np.repeat(np.arange(10), 8)
    y = np.where(rng.random(80) < 0.1, 1 - code % 2, code % 2)
    manifest = pd.DataFrame(
        {"clip_id": [f"c{i:02d}" for i in range(80)], "dialog_id": [f"r{c}" for c in code], "y": y}
    )
    manifest["transcript"] = np.where(y == 1, "so sorry to hear", "what time is it")
    marks = np.eye(10)[code] * 3 + rng.normal(size=(80, 10))
    features = pd.DataFrame(marks, index=manifest["clip_id"])
    tried = split.candidates(manifest, {"audio": features}, {})
    ways = {
        "random": splits.repeated_folds(manifest, 4, 2, groups=None),
        "grouped": splits.repeated_folds(manifest, 4, 2),
    }
    return manifest, tried, ways, split.predict(tried, manifest, ways)


def test_models_are_tried_for_what_the_corpus_has(corpus):
    manifest, tried, *_ = corpus
    assert [(name, one[2]) for name, one in tried.items()] == [
        ("TF-IDF", "text"),
        ("published audio", "audio"),
    ]
    table = manifest[["clip_id"]].assign(pitch=1.0, silent=np.nan, status="ok")
    silent = split.candidates(manifest.assign(transcript=None), {}, {"audio": table})
    assert list(silent) == ["measured audio"] and silent["measured audio"][1].shape == (80, 1)


def test_accuracy_and_gain_are_of_the_predictions(corpus):
    """Oracle: scikit-learn's accuracy, and by hand for the recording's majority."""
    manifest, tried, _, p = corpus
    y, dialog = manifest["y"].to_numpy(), manifest["dialog_id"].to_numpy()
    table = split.accuracies(p, tried, y, dialog).set_index(["features", "folds"])
    for key, each in p.items():
        expected = np.mean([accuracy_score(y, one > 0.5) for one in each])
        assert table.loc[key, "accuracy"] == pytest.approx(expected)
    gain = split.gains(p, y, dialog, n_boot=100).set_index("features")["random minus grouped"]
    both = table["accuracy"].unstack()
    assert gain.to_dict() == pytest.approx((both["random"] - both["grouped"]).to_dict())
    assert table.loc[(split.ALONE, "random"), "accuracy"] > 0.8 and gain["published audio"] > 0.2
    assert abs(gain["TF-IDF"]) < 0.05
    drawn = split.both_ways(table.reset_index())
    assert drawn["features"].iloc[0] == split.ALONE and len(drawn) == 6
    old = pd.DataFrame(
        {"encoder": ["e", "e", "f"], "protocol": ["crossfit", "release", "release"],
         "modality": "text", "accuracy": [0.5, 0.7, 0.9], "ci_low": 0.4, "ci_high": 0.8}
    )  # fmt: skip
    added = split.both_ways(table.reset_index(), old).tail(2)
    assert added["features"].unique().tolist() == ["chapter 02's e, as released"]
    assert added[["folds", "accuracy"]].values.tolist() == [["random", 0.7], ["grouped", 0.5]]


def test_recordings_are_held_out_one_by_one_and_recognised(corpus):
    manifest, tried, *_ = corpus
    y, dialog = manifest["y"].to_numpy(), manifest["dialog_id"].to_numpy()
    out = split.leave_one_out(tried, y, dialog).set_index("features")
    model, values, _ = tried["published audio"]
    p = splits.out_of_fold(model, values, y, pd.factorize(dialog)[0])
    assert out.loc["published audio", "accuracy"] == accuracy_score(y, p > 0.5)
    found = split.recognition(tried, dialog, n_folds=4).set_index("features")
    assert found.loc["published audio", "accuracy"] > 0.8 and found["largest"].eq(0.1).all()
    assert len(split.recognition(tried, dialog, n_folds=9)) == 0


def test_a_mark_pays_under_random_folds_only(corpus):
    manifest, _, ways, p = corpus
    y, dialog = manifest["y"].to_numpy(), manifest["dialog_id"].to_numpy()
    found = split.simulate(y, dialog, ways, [0.0, 4.0], n_draws=2)
    found = found.set_index(["strength", "folds"])["accuracy"]
    assert found[4.0, "random"] > 0.8 > 0.6 > found[4.0, "grouped"]
    assert found[0.0, "random"] == pytest.approx(found[0.0, "grouped"], abs=0.2)
    skill = split.skill(p, y, dialog, n_boot=50)
    alone = skill[skill["features"] == split.ALONE]
    assert set(alone["folds"]) == {"random"} and set(skill["folds"]) == {"random", "grouped"}


def test_folds_that_cannot_be_made_are_said(corpus):
    manifest = corpus[0]
    assert split.possible_folds(manifest, 5) == 5 and split.possible_folds(manifest, 50) == 10
    for bad, said in (
        (manifest.assign(y=2), "two classes, y = 0 and y = 1; the manifest has 2"),
        (manifest.assign(dialog_id="r"), "all clips are of one recording"),
        (manifest.assign(y=(manifest["dialog_id"] == "r0") * 1), "y = 1 occurs in one recording"),
    ):
        with pytest.raises(ValueError, match=said):
            split.possible_folds(bad, 5)

"""Tests of `empdis_utils.controls.shuffled_join`. Each test names its oracle."""

import numpy as np
import pandas as pd
import pytest

from empdis_utils.controls import shuffled_join
from empdis_utils.models import fusion, fusion_training

HOW = dict(n_folds=3, seed=42, seeds=(42, 43), n_jobs=1, progress=False)
SHORT = fusion.RECIPES["release"] | {"epochs": 20, "batch_size": 16, "hidden": 16}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of this file's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMPDIS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def corpus(cache):
    """120 clips of 15 recordings. The label is in the sound alone; text and picture are noise."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 120)
    manifest = pd.DataFrame(
        {"clip_id": [f"c{i:03d}" for i in range(120)], "y": y,
         "dialog_id": [f"r{i // 8:02d}" for i in range(120)]}
    )  # fmt: skip
    embeddings = {
        "text": rng.normal(size=(120, 4)),
        "audio": rng.normal(size=(120, 4)) + 3 * y[:, None],
        "video": rng.normal(size=(120, 4)),
    }
    subsets = [("text",), ("text", "audio", "video")]
    everything, _ = fusion.study(embeddings, manifest, recipe=SHORT, subsets=subsets, **HOW)
    return embeddings, manifest, everything.query("source == 'fusion'")


def test_rows_of_a_fold_are_apart_and_with_its_validation_clips_all(corpus):
    """Oracle: sets of clips by hand from the predictions."""
    _, manifest, trained = corpus
    parts = shuffled_join.rows_of_folds(trained, manifest["clip_id"])
    tested = np.concatenate([one["test"] for one in parts.values()])
    assert sorted(tested) == list(range(120))
    for fold, one in parts.items():
        own = trained[trained["fold"] == fold]
        held = set(own["clip_id"])
        assert set(manifest["clip_id"][one["train"]]) == set(manifest["clip_id"]) - held
        assert set(manifest["clip_id"][one["test"]]) == set(own.query("split == 'test'")["clip_id"])


def test_shuffling_moves_whole_rows_of_the_others_and_no_row_outside():
    """Oracle: rows that are numbered."""
    numbered = {m: np.arange(10.0)[:, None] * [1, 10] for m in ("text", "audio", "video")}
    rows = np.arange(2, 9)
    mixed = shuffled_join.shuffle(numbered, rows, keep="text", rng=np.random.default_rng(1))
    assert (mixed["text"] == numbered["text"]).all()
    outside = np.setdiff1d(np.arange(10), rows)
    for modality in ("audio", "video"):
        x = mixed[modality]
        assert (x[outside] == numbered[modality][outside]).all() and (x[:, 1] == 10 * x[:, 0]).all()
        assert sorted(x[rows, 0]) == list(rows) and (x[rows, 0] != rows).any()
    assert (mixed["audio"] != mixed["video"]).any()  # each in an order of its own
    assert (numbered["audio"][:, 0] == np.arange(10)).all()  # the given ones stay


def test_the_true_join_is_the_one_that_was_trained(corpus):
    """Oracle: the predictions of `fusion.study`, byte for byte."""
    embeddings, manifest, trained = corpus
    for given in (embeddings, lambda seed, fold: embeddings):
        joined = shuffled_join.study(given, manifest, trained, recipe=SHORT, n_jobs=1, resume=False)
        keys = ["clip_id", "seed", "fold"]
        own = trained.query("split == 'test' and inputs == 'text+audio+video'").set_index(keys)["p"]
        true = joined.query("join == 'true'").set_index(keys)["p"]
        assert len(own) == 240 and (true.loc[own.index] == own).all()


def test_networks_of_the_true_join_are_not_trained_again(corpus, monkeypatch):
    """Oracle: the number of trainings, one for each seed and fold with a shuffled join."""
    embeddings, manifest, trained = corpus
    runs, train = [], fusion_training._train
    monkeypatch.setattr(fusion_training, "_train", lambda *all_: runs.append(1) or train(*all_))
    shuffled_join.study(embeddings, manifest, trained, recipe=SHORT, n_jobs=1)
    assert len(runs) == 2 * 3
    shuffled_join.study(embeddings, manifest, trained, recipe=SHORT, n_jobs=1)
    assert len(runs) == 2 * 3


def test_a_label_in_the_sound_is_lost_by_every_shuffled_join(corpus):
    """Oracle: the construction; with the sound shuffled nothing is left that knows the label."""
    embeddings, manifest, trained = corpus
    groups = manifest.set_index("clip_id")["dialog_id"]
    joined = shuffled_join.study(embeddings, manifest, trained, recipe=SHORT, n_jobs=1)
    alone = trained.query("inputs == 'text' and split == 'test'")
    table = shuffled_join.compare(joined, alone, groups=groups, n_boot=200).set_index("join")
    assert list(table.index) == [*shuffled_join.JOINS, "text alone"]
    assert table.loc["true", "accuracy"] > 0.85 and (table["n"] == 120).all()
    for join in ("shuffled in testing", "shuffled in both", "text alone"):
        assert table.loc[join, "accuracy"] < 0.7 and table.loc[join, "minus_true_high"] < 0
    gap = table["accuracy"] - table.loc["true", "accuracy"]
    assert table["minus_true"].to_numpy() == pytest.approx(gap.to_numpy())
    gap = table["accuracy"] - table.loc["text alone", "accuracy"]
    assert table["minus_alone"].to_numpy() == pytest.approx(gap.to_numpy())
    assert table.loc["true", "minus_true"] == 0 and np.isnan(table.loc["true", "minus_true_low"])

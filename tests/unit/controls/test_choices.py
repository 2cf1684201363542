"""Tests of `empdis_utils.controls.choices`. Each test names its oracle.

What is trained is tested on the notebook's own cells, in ``tests/notebooks/test_cells.py``.
"""

import json

import numpy as np
import pandas as pd
import pytest

from empdis_utils.controls import choices
from empdis_utils.data import tables

MODELS = ["text", "audio", "text+audio"]


def rows(seed=0, seeds=(1, 2), split="test", n=40):
    rng = np.random.default_rng(seed)
    y = np.random.default_rng(9).integers(0, 2, n)
    parts = (
        pd.DataFrame(
            {"clip_id": [f"c{i:02d}" for i in range(n)], "inputs": m, "source": "fusion", "seed": s,
             "fold": 0, "split": split, "y": y, "p": rng.uniform(size=n)}
        )
        for m in MODELS
        for s in seeds
    )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


DIALOG = pd.Series({f"c{i:02d}": f"r{i // 4}" for i in range(40)})


def test_numbers_and_shifts_are_plain_means():
    """Oracle: the same numbers by hand, over clips and seeds."""
    runs = {choices.START: pd.concat([rows(), rows(3, split="val")]), "max pooling": rows(1)}
    found = choices.tested(runs)
    assert list(found) == [*runs, "validation clips pooled in", "one seed"]
    assert found["one seed"]["seed"].unique().tolist() == [1]
    assert len(found["validation clips pooled in"]) == 2 * len(rows())
    table = choices.effects(found, ["text", "audio"], "text", DIALOG, n_boot=50)
    table = table.set_index(["choice", "number"])
    for name in runs:
        wide = found[name].pivot(index=["clip_id", "seed"], columns="inputs", values="p") > 0.5
        y = found[name].drop_duplicates(["clip_id", "seed"]).set_index(["clip_id", "seed"])["y"]
        right = wide.eq(y == 1, axis=0).mean()
        assert table.loc[(name, "accuracy of fusion"), "value"] == pytest.approx(
            right["text+audio"]
        )
        gain = table.loc[(name, "fusion minus text"), "value"]
        assert gain == pytest.approx(right["text+audio"] - right["text"])
        apart = (wide["audio"] != wide["text+audio"]).mean()
        assert table.loc[(name, "disagreement with audio"), "value"] == pytest.approx(apart)
    values = table["value"].unstack()["accuracy of fusion"]
    moved = values["max pooling"] - values[choices.START]
    assert table.loc[("max pooling", "accuracy of fusion"), "shift"] == pytest.approx(moved)
    assert table.loc[("max pooling", "entropy gap (nats)"), ["shift"]].isna().all()


def test_the_best_modality_is_chosen_on_validation_clips():
    val = rows(split="val")
    val.loc[val["inputs"] == "audio", "p"] = val["y"]
    test = rows()
    test.loc[test["inputs"] == "text", "p"] = test["y"]
    assert choices.best_single(pd.concat([test, val]), ["text", "audio"]) == "audio"


def test_what_chapter_03_used_is_read_from_its_run(tmp_path):
    there = tmp_path / "artifacts"
    story = {"chapters": {"03_fusion": {"parameters": {"recipe": "paper"}}}}
    (tmp_path / "provenance.json").write_text(json.dumps(story))
    assert choices.used(there) == {"recipe": "paper"}
    tables.write(rows(), there, "predictions")
    tables.write(rows(split="val"), there, "predictions_validation")
    assert set(choices.stored(there, [2])["seed"]) == {2}
    with pytest.raises(
        ValueError, match=r"chapter 03 has seeds \[1, 2\], this page asks for \[3\]"
    ):
        choices.stored(there, [3])


def test_published_features_are_put_in_the_order_of_the_clips():
    features = {"text": pd.DataFrame({"a": [1.0, 2.0]}, index=["c1", "c0"])}
    modalities, given = choices.embeddings("unused", {}, features, rows(), ["c0", "c1"])
    assert modalities == ["text"] and given["text"].tolist() == [[2.0], [1.0]]

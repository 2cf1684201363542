"""Oracles: the paper's 204 clips, counts by hand, and what a sample may never do."""

import numpy as np
import pandas as pd
import pytest

from empdis_utils.data.tables import MODALITIES, QUADRANTS
from empdis_utils.people import sampling


def quadrant_table(n=400, n_recordings=40, seed=0, p=(0.5, 0.12, 0.13, 0.25)):
    rng = np.random.default_rng(seed)
    ids = [f"c{i:04d}" for i in range(n)]
    manifest = pd.DataFrame({"clip_id": ids, "dialog_id": rng.integers(0, n_recordings, n)})
    manifest["dialog_id"] = "d" + manifest["dialog_id"].astype(str)
    parts = [
        pd.DataFrame({"clip_id": ids, "modality": m, "quadrant": rng.choice(QUADRANTS, n, p=p)})
        for m in MODALITIES
    ]
    return pd.concat(parts, ignore_index=True), manifest


def test_sample_is_the_papers():
    """Oracle: paper, section 4: 204 clips, 17 per quadrant of each modality."""
    quadrants, manifest = quadrant_table()
    sample, short = sampling.sample_for_annotation(quadrants, manifest)
    assert len(sample) == 204 and short.empty and not sample["repeated"].any()
    assert (sample.groupby(["modality", "quadrant"]).size() == 17).all()
    assert sample["clip_id"].is_unique
    merged = sample.merge(quadrants, on=["clip_id", "modality", "quadrant"])
    assert len(merged) == 204
    per_recording = sample.groupby(["modality", "quadrant", "dialog_id"]).size()
    assert per_recording.max() <= 2
    shuffled = quadrants.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(sample, sampling.sample_for_annotation(shuffled, manifest)[0])
    other, _ = sampling.sample_for_annotation(quadrants, manifest, seed=43)
    assert set(other["clip_id"]) != set(sample["clip_id"])


def test_sample_balances_recordings_as_well_as_can_be():
    """Oracle: by hand. Recordings of 20, 2 and 1 clips, 6 wanted: 3, 2 and 1."""
    sizes = {"big": 20, "two": 2, "one": 1}
    names = [f"{d}{i}" for d, n in sizes.items() for i in range(n)]
    manifest = pd.DataFrame({"clip_id": names, "dialog_id": [n[:3] for n in names]})
    quadrants = pd.DataFrame({"clip_id": names, "modality": "text", "quadrant": "red"})
    sample, short = sampling.sample_for_annotation(quadrants, manifest, per_cell=6)
    assert sample["dialog_id"].value_counts().to_dict() == {"big": 3, "two": 2, "one": 1}
    assert short["quadrant"].tolist() == ["blue", "green", "yellow"]
    assert (short["available"] == 0).all() and (short["missing"] == 6).all()


def test_sample_reports_shortfalls_and_repeats():
    quadrants, manifest = quadrant_table(n=120, p=(0.6, 0.05, 0.15, 0.2))
    sample, short = sampling.sample_for_annotation(quadrants, manifest)
    available = quadrants.groupby(["modality", "quadrant"]).size()
    for row in short.itertuples():
        assert row.sampled == row.available == available[row.modality, row.quadrant] < 17
        assert row.missing == 17 - row.sampled
    assert sample.groupby(["modality", "quadrant"]).size().sum() == available.clip(upper=17).sum()
    assert sample["repeated"].any()
    assert not sample.duplicated(["clip_id", "modality"]).any()
    # The fewest repeats: as many different clips as there are.
    assert sample["clip_id"].nunique() == 120


def test_sample_refuses_bad_tables():
    quadrants, manifest = quadrant_table(n=20)
    twice = pd.concat([quadrants.assign(seed="42"), quadrants.assign(seed="43")])
    with pytest.raises(ValueError, match=r"choose one of the seeds \['42', '43'\]"):
        sampling.sample_for_annotation(twice, manifest)
    with pytest.raises(ValueError, match="not in the manifest"):
        sampling.sample_for_annotation(quadrants, manifest.iloc[1:])


def test_annotation_order_hides_the_quadrant_and_differs_per_annotator():
    quadrants, manifest = quadrant_table()
    sample, _ = sampling.sample_for_annotation(quadrants, manifest)
    one, two = (sampling.annotation_order(sample, name) for name in ("ann", "bo"))
    assert list(one.columns) == ["position", "clip_id", "modality"]
    assert set(one["clip_id"]) == set(two["clip_id"]) == set(sample["clip_id"])
    assert (one["clip_id"] != two["clip_id"]).mean() > 0.9
    again = sampling.annotation_order(sample.sample(frac=1, random_state=1), "ann")
    pd.testing.assert_frame_equal(one, again)

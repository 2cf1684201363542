"""`make study PROFILE=predictions CSV=…` as a new user would: invented three-class predictions."""

import numpy as np
import pandas as pd
from test_sequences import copy, make  # noqa: F401

from empdis_utils.data import tables


def csv(path, seed=0):
    """Invented predictions of two modalities and their fusion, called `both`."""
    rng = np.random.default_rng(seed)
    n, classes = 60, ["calm", "glad", "sad"]
    y = rng.integers(3, size=n)
    frame = pd.DataFrame({"clip_id": [f"c{i}" for i in range(n)], "y": np.take(classes, y)})
    for model, strength in (("voice", 1), ("face", 1), ("both", 2)):
        p = np.exp(strength * np.eye(3)[y] + rng.standard_normal((n, 3)))
        frame[[f"{model}:{c}" for c in classes]] = (p / p.sum(axis=1, keepdims=True)).round(3)
    frame.to_csv(path, index=False)
    return frame


def test_predictions_from_elsewhere_become_pages(copy, monkeypatch):  # noqa: F811
    monkeypatch.setenv("CSV", "")  # as a make around this one exports it
    monkeypatch.setenv("FUSION", "")
    study = ("study", "PROFILE=predictions")
    assert "which CSV?" in make(copy, *study, ok=False)
    frame = csv(copy / "my file.csv")
    said = make(copy, *study, "CSV=my file.csv", ok=False)
    assert "FUSION=NAME" in said and "both (given), face (given), voice (given)" in said
    make(copy, *study, "CSV=my file.csv", "FUSION=both")
    assert "[run ]" not in make(copy, *study), "the last CSV and fusion are remembered"

    run = copy / "_build/runs/predictions"
    quadrants = tables.read(run / "artifacts", "quadrants").query("seed == 'ensemble'")
    said = {m: frame.filter(like=f"{m}:").idxmax(axis=1).str.split(":").str[1] for m in
            ("voice", "face", "both")}  # fmt: skip
    for modality in ("voice", "face"):
        right, fused = said[modality] == frame["y"], said["both"] == frame["y"]
        expected = np.select([right & fused, right, fused], ["blue", "red", "green"], "yellow")
        got = quadrants[quadrants["modality"] == modality].set_index("clip_id")["quadrant"]
        assert got[frame["clip_id"]].tolist() == expected.tolist()
    entropy = tables.read(run / "artifacts", "entropy")["entropy"]
    assert entropy.between(0, np.log(3) + 1e-9).all() and entropy.max() > np.log(2)
    uses = tables.read(run / "artifacts", "use_gains")
    assert set(uses["use"]) == {"abstain", "stress", "label_repair"}
    assert (uses["n"] == len(frame)).all() and (uses["seeds"] == 1).all()
    for chapter in ("04_quadrants", "06_entropy"):
        assert "NO RECORDINGS ARE KNOWN" in (run / f"{chapter}.ipynb").read_text()

    csv(copy / "my file.csv", seed=1)
    assert "[done] predictions 01_data" in make(copy, *study, "NB=01_data"), "other content reruns"

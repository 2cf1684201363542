"""Oracle: scikit-learn's kappa, and `agreement.difference` part by part."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from empdis_utils.measures import agreement
from empdis_utils.paper import judgments

CLIPS = 160
ID = [f"c{i:03d}" for i in range(CLIPS)]
GROUPS = pd.Series(np.arange(CLIPS) % 16, ID)
HOW = dict(groups=GROUPS, n_boot=200)


def annotations():
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, CLIPS)
    quadrant = rng.choice(["blue", "red", "green", "yellow"], CLIPS)
    parts = []
    for turn, right in ((1, 0.7), (2, 0.85)):
        for who in ("a", "b"):
            said = np.where(rng.random(CLIPS) < right, y, 1 - y)
            part = pd.DataFrame({"clip_id": ID, "quadrant": quadrant, "annotator": who})
            part["judgment"] = np.where(said, "empathetic", "neutral")
            parts.append(part.assign(modality="text", round=turn))
    return pd.concat(parts, ignore_index=True)


def votes(rng):
    return pd.DataFrame(rng.multinomial(8, [0.5, 0.3, 0.2], CLIPS), ID, list("xyz"))


def test_kappa_contrasts_equal_scikit_learn():
    cells = annotations()
    some = ID[:100]

    def kappa(turn, quadrants, clips):
        rows = cells[(cells["round"] == turn) & cells["quadrant"].isin(quadrants)]
        rows = rows[rows["clip_id"].isin(clips)]
        rows = rows.pivot(index="clip_id", columns="annotator", values="judgment")
        return cohen_kappa_score(rows["a"], rows["b"])

    found = judgments.kappa_contrasts(cells, subsets={"all": None, "some": some}, **HOW)
    for subset, clips in (("all", ID), ("some", some)):
        own = found[found["subset"] == subset].set_index("comparison")["estimate"]
        apart, together = ["red", "green"], ["blue", "yellow"]
        falls = kappa(2, apart, clips) - kappa(1, apart, clips)
        rises = kappa(2, together, clips) - kappa(1, together, clips)
        assert own["red+green: change"] == pytest.approx(falls)
        assert own["blue+yellow: change"] == pytest.approx(rises)
        assert own["change: red+green minus blue+yellow"] == pytest.approx(falls - rises)
        gap = kappa(2, apart, clips) - kappa(2, together, clips)
        assert own["round 2: red+green minus blue+yellow"] == pytest.approx(gap)
    three = pd.concat([cells, cells[cells["annotator"] == "a"].assign(annotator="c")])
    assert judgments.kappa_contrasts(three, **HOW).empty


def test_vote_changes_equal_the_differences_of_agreement():
    rng = np.random.default_rng(3)
    first, second = votes(rng), votes(rng)
    half = np.arange(CLIPS) < 80
    parts = {"one": half, "two": ~half}
    how = dict(groups=GROUPS.to_numpy(), contrasts={"gap": ("one", "two")}, n_boot=200)
    found = judgments.vote_changes(first, second, parts, **how).set_index("part")
    for name, inside in parts.items():
        expected = agreement.difference(
            first[inside], second[inside], GROUPS[inside].to_numpy(), "fleiss_kappa", 200, 2
        )
        assert found.loc[name, "estimate"] == pytest.approx(expected.estimate)
        assert found.loc[name, "n"] == expected.n == 80
    gap = found.loc["one", "estimate"] - found.loc["two", "estimate"]
    assert found.loc["gap", "estimate"] == pytest.approx(gap)
    wider = judgments.vote_changes(first, second, parts, level=1 - 0.05 / 12, **how)
    wider = wider.set_index("part")
    assert (wider["ci_low"] < found["ci_low"]).all() and (wider["ci_high"] > found["ci_high"]).all()

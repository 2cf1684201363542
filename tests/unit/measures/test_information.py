"""Oracles: logic gates in closed form, scikit-learn, and a direct search over all joints."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog
from scipy.spatial import ConvexHull
from scipy.special import expit, rel_entr
from sklearn.metrics import mutual_info_score

from empdis_utils.measures import information
from empdis_utils.measures.information import ATOMS, decompose, partial_information


def gate(function):
    """Joint [2, 2, 2] of a logic gate with fair, independent inputs."""
    joint = np.zeros((2, 2, 2))
    for a, b in np.ndindex(2, 2):
        joint[function(a, b), a, b] = 1 / 4
    return joint


def values(joint):
    return [partial_information(joint)[atom] for atom in ATOMS]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda a, b: a ^ b, [0, 0, 0, 1]),
        (lambda a, b: a, [0, 1, 0, 0]),
        (lambda a, b: b, [0, 0, 1, 0]),
        (lambda a, b: a & b, [0.75 * np.log2(4 / 3), 0, 0, 0.5]),
        (lambda a, b: a | b, [0.75 * np.log2(4 / 3), 0, 0, 0.5]),
    ],
    ids=["xor", "first", "second", "and", "or"],
)
def test_logic_gates(function, expected):
    """Closed forms, Bertschinger et al. 2014, Table 1."""
    assert values(gate(function)) == pytest.approx(expected, abs=1e-12)


def test_a_copy_is_redundant():
    assert values(np.eye(2)[:, :, None] * np.eye(2)) == pytest.approx([1, 0, 0, 0], abs=1e-12)


def bits(joint):
    """I(Y; X1, X2) of a joint [2, a, b]."""
    apart = joint.sum(axis=(1, 2), keepdims=True) * joint.sum(axis=0)
    return rel_entr(joint, apart).sum() / np.log(2)


def best_of_both(first, second):
    """Channel [2, z] whose ROC curve is the hull of all decisions that either predictor allows."""
    points = [
        channel[::-1, list(chosen)].sum(axis=1)
        for channel in (first, second)
        for size in range(channel.shape[1] + 1)
        for chosen in combinations(range(channel.shape[1]), size)
    ]
    corners = np.array(points)[ConvexHull(points, qhull_options="Qt").vertices]
    upper = corners[corners[:, 1] >= corners[:, 0] - 1e-12]
    upper = np.vstack([[0, 0], upper[np.lexsort(upper.T)], [1, 1]])
    return np.diff(upper, axis=0).T[::-1].clip(min=0)


def garbling(channel, target):
    """Stochastic matrix [z, x] with channel @ matrix = target, by linear programming."""
    z, x = channel.shape[1], target.shape[1]
    equal = np.vstack([np.kron(channel, np.eye(x)), np.kron(np.eye(z), np.ones(x))])
    right = np.concatenate([target.ravel(), np.ones(z)])
    slack = np.hstack([equal, np.eye(len(right)), -np.eye(len(right))])
    cost = np.r_[np.zeros(z * x), np.ones(2 * len(right))]
    found = linprog(cost, A_eq=slack, b_eq=right, method="highs")
    assert found.fun < 1e-7
    return found.x[: z * x].reshape(z, x).clip(min=0)


@pytest.mark.parametrize("seed", range(12))
def test_union_information_is_reached_by_a_joint_with_the_same_pairs(seed):
    """A joint built from the hull keeps P(y, x1) and P(y, x2) and holds the union, no less."""
    joint = np.random.default_rng(seed).dirichlet(np.ones(24)).reshape(2, 3, 4)
    prior = joint.sum(axis=(1, 2))
    first, second = joint.sum(axis=2) / prior[:, None], joint.sum(axis=1) / prior[:, None]
    channel = best_of_both(first, second)
    built = np.einsum(
        "y,yz,za,zb->yab", prior, channel, garbling(channel, first), garbling(channel, second)
    )
    assert np.allclose(built.sum(axis=2), joint.sum(axis=2), atol=1e-6)
    assert np.allclose(built.sum(axis=1), joint.sum(axis=1), atol=1e-6)
    out = partial_information(joint)
    assert bits(built) == pytest.approx(out["total"] - out["synergy"], abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_no_joint_with_the_same_pairs_holds_less_than_the_union(seed):
    """Random joints, then an alternating search that comes down to the minimum from above.

    Each step takes the closest members of two convex sets (Csiszar and Tusnady 1984).
    """
    rng = np.random.default_rng(seed)
    joint = rng.dirichlet(np.ones(24)).reshape(2, 3, 4)
    out = partial_information(joint)
    first, second = joint.sum(axis=2, keepdims=True), joint.sum(axis=1, keepdims=True)
    start = rng.dirichlet(np.full(12, 0.3), 2).reshape(joint.shape) + 1e-9
    held = []
    for step in range(400):
        if step:
            start = joint.sum(axis=(1, 2), keepdims=True) * start.sum(axis=0)
        for _ in range(20 if step else 2000):
            start = start * first / start.sum(axis=2, keepdims=True)
            start = start * second / start.sum(axis=1, keepdims=True)
        held.append(bits(start))
    union = out["total"] - out["synergy"]
    assert min(held) > union - 1e-6
    assert held[-1] - union < 0.02 * union + 1e-3


joints = arrays(float, (2, 3, 2), elements=st.floats(0, 1)).filter(
    lambda j: (j.sum(axis=(1, 2)) > 1e-3).all()
)


@settings(deadline=None)
@given(joints)
def test_atoms_add_up_and_do_not_depend_on_names(joint):
    out = partial_information(joint)
    assert all(out[atom] > -1e-9 for atom in ATOMS)
    assert sum(out[atom] for atom in ATOMS) == pytest.approx(out["total"], abs=1e-9)
    swapped = partial_information(joint.swapaxes(1, 2))
    assert [out[a] for a in ATOMS] == pytest.approx(
        [swapped[a] for a in ("redundancy", "unique_2", "unique_1", "synergy")], abs=1e-9
    )
    renamed = joint[::-1, [2, 0, 1]][:, :, ::-1]
    assert values(renamed) == pytest.approx(values(joint), abs=1e-9)


def test_each_predictor_keeps_its_own_information():
    """scikit-learn's mutual information of counts, in bits."""
    counts = np.random.default_rng(1).integers(1, 30, (2, 3, 4))
    out = partial_information(counts)
    for axis, unique in ((2, "unique_1"), (1, "unique_2")):
        own = mutual_info_score(None, None, contingency=counts.sum(axis=axis)) / np.log(2)
        assert out["redundancy"] + out[unique] == pytest.approx(own)
    total = mutual_info_score(None, None, contingency=counts.reshape(2, -1)) / np.log(2)
    assert out["total"] == pytest.approx(total)


def test_a_noisier_copy_adds_nothing_of_its_own():
    """Blackwell's theorem: the second predictor is made from the first by chance alone."""
    rng = np.random.default_rng(2)
    noise = rng.dirichlet(np.ones(3), 4)
    joint = rng.dirichlet(np.ones(8)).reshape(2, 4, 1) * noise
    out = partial_information(joint)
    assert out["unique_2"] == pytest.approx(0, abs=1e-12)
    assert out["synergy"] == pytest.approx(0, abs=1e-12)


def clips(kind, n=4000):
    """Synthetic predictions with a planted structure."""
    rng = np.random.default_rng(3)
    a, b = rng.random(n), rng.random(n)
    if kind == "synergy":
        return (a > np.median(a)) ^ (b > np.median(b)), a, b
    if kind == "redundancy":
        return a > np.median(a), a, a**3
    if kind == "unique_1":
        return a > np.median(a), a, b
    return rng.random(n) > 0.5, a, b


@pytest.mark.parametrize("kind", ["synergy", "redundancy", "unique_1"])
def test_planted_structure_is_recovered(kind):
    y, p_1, p_2 = clips(kind)
    table = decompose(y.astype(int), p_1, p_2, n_permutations=50).set_index("atom")
    assert table.loc[kind, "corrected"] == pytest.approx(1, abs=0.02)
    others = table.drop([kind, "total"])["corrected"]
    assert others.abs().max() < 0.01
    assert (table["status"] == "ok").all() and (table["n"] == 4000).all()


def test_intervals_hold_the_planted_bits_and_reach_0_where_there_are_none():
    """Oracle: one bit of synergy, seen through labels of which one in ten is flipped."""
    rng = np.random.default_rng(2)
    a, b = rng.random((2, 600))
    y = ((a > 0.5) ^ (b > 0.5)) ^ (rng.random(600) < 0.1)
    groups = np.repeat(np.arange(20), 30)
    table = decompose(y.astype(int), a, b, 2, n_permutations=200, groups=groups, n_boot=200)
    table = table.set_index("atom")
    true = 1 + 0.1 * np.log2(0.1) + 0.9 * np.log2(0.9)
    assert table.loc["synergy", "ci_low"] < true < table.loc["synergy", "ci_high"]
    assert table.loc["synergy", "ci_low"] > 0.3
    rest = table.loc[["redundancy", "unique_1", "unique_2"]]
    assert (rest["ci_low"] <= 0.001).all() and (rest["ci_high"] < 0.05).all()
    few = decompose(y.astype(int), a, b, 2, n_permutations=20, groups=np.arange(600) % 3)
    assert few["ci_low"].isna().all() and (few["reason"] == "too few recordings (n=3)").all()
    assert few["bits"].notna().all() and (few["status"] == "ok").all()


def test_bias_is_that_of_miller_and_madow():
    """Closed form: counting k cells of n clips overstates I by (k - 1) / (2 n ln 2) bits."""
    y, p_1, p_2 = clips("nothing")
    table = decompose(y.astype(int), p_1, p_2, n_permutations=400).set_index("atom")
    assert table.loc["total", "null_mean"] == pytest.approx(15 / (2 * 4000 * np.log(2)), rel=0.1)
    assert table.loc["total", "bits"] < 2 * table.loc["total", "null_high"]
    assert table.loc["total", "corrected"] == pytest.approx(
        table.drop("total")["corrected"].sum(), abs=1e-12
    )


def test_only_the_order_of_predictions_matters():
    y, p_1, p_2 = clips("synergy", 500)
    one = decompose(y.astype(int), p_1, p_2, n_permutations=5)
    two = decompose(y.astype(int), expit(7 * p_1), p_2**2, n_permutations=5)
    assert one.equals(two)
    assert not one.equals(decompose(y.astype(int), p_1, p_2, n_permutations=5, seed=1))


def test_a_constant_prediction_says_nothing():
    y, p_1, _ = clips("unique_1", 500)
    table = decompose(y.astype(int), p_1, np.full(500, 0.5), n_permutations=5).set_index("atom")
    assert table.loc["unique_1", "bits"] == pytest.approx(table.loc["total", "bits"])


def test_too_few_clips_is_said():
    table = decompose([0, 1, 1], [0.1, 0.2, 0.3], [0.3, 0.2, 0.1])
    assert (table["status"] == "too few (n=3)").all() and table["bits"].isna().all()


@pytest.mark.parametrize(
    ("y", "p_2", "message"),
    [
        ([0, 1, 2], [0.1] * 3, "0 or 1"),
        ([1, 1, 1], [0.1] * 3, r"one class \(n=3\)"),
        ([0, 1, 1], [0.1, np.nan, 0.1], "p_2 is not finite in rows 1"),
        ([0, 1, 1], [0.1] * 4, "p_2 has shape"),
    ],
)
def test_decompose_says_what_is_wrong(y, p_2, message):
    with pytest.raises(ValueError, match=message):
        decompose(y, [0.1, 0.2, 0.3], p_2)


@pytest.mark.parametrize(
    ("joint", "message"),
    [
        (np.ones((3, 2, 2)), "one class at a time"),
        (-np.ones((2, 2, 2)), "negative"),
        (np.stack([np.ones((2, 2)), np.zeros((2, 2))]), "one class only"),
    ],
)
def test_joint_must_be_one(joint, message):
    with pytest.raises(ValueError, match=message):
        partial_information(joint)


def test_every_pair_of_single_modalities_is_decomposed_from_its_mean():
    rng = np.random.default_rng(3)
    clips = [f"c{i}" for i in range(40)]
    y = dict(zip(clips, rng.integers(0, 2, 40), strict=True))
    rows = [
        {"clip_id": c, "inputs": m, "seed": s, "y": y[c], "p": rng.random()}
        for m in ("audio", "text", "audio+text")
        for s in (1, 2)
        for c in clips
    ]
    frame, groups = pd.DataFrame(rows), pd.Series([f"r{i // 4}" for i in range(40)], clips)
    found = information.decompose_pairs(frame, groups=groups, seed=4)
    assert set(found["pair"]) == {"audio, text"}
    mean = frame.groupby(["inputs", "clip_id"])["p"].mean()
    p = [mean[m].loc[clips].to_numpy() for m in ("audio", "text")]
    one = information.decompose(np.array([*y.values()]), *p, groups=groups.to_numpy(), seed=4)
    pd.testing.assert_frame_equal(found.drop(columns="pair"), one)

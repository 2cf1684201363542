# ruff: noqa: E501, F811, F841

# %% [markdown]
# # Exercises 4: disagreement and quadrants
#
# Simulated predictions of two models, so that you know what is true: `lean` is how far a clip leans
# to class 1, and each retraining adds noise of its own.

# %%
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import expit

from empdis_utils.measures import disagreement
from empdis_utils.press.course import check


def retrain(lean, n_seeds=5, noise=1.0, seed=42):
    """P(class 1) of a model trained with several seeds: array [clips, seeds]. Simulated."""
    rng = np.random.default_rng(seed)
    return expit(lean[:, None] + noise * rng.normal(size=(len(lean), n_seeds)))


rng = np.random.default_rng(0)
y = rng.integers(2, size=400)
lean_text = rng.normal(loc=np.where(y == 1, 0.8, -0.8))
lean_fusion = rng.normal(loc=np.where(y == 1, 1.2, -1.2))
text, fusion = retrain(lean_text, seed=1), retrain(lean_fusion, seed=2)

# %% [markdown]
# ## 1. Which quadrant? (routine)
#
# A model is right when its confidence in the *correct* label exceeds 0.5. Blue: both right. Red: only
# the unimodal model. Green: only fusion. Yellow: both wrong.


# %% tags=["stub"]
def quadrant(y, p_unimodal, p_fusion):
    """Name of each clip's quadrant. `p` is P(class 1); all are arrays with one entry per clip."""
    ...


# %% tags=["solution"]
def quadrant(y, p_unimodal, p_fusion):
    uni = np.where(y == 1, p_unimodal, 1 - p_unimodal) > 0.5
    joint = np.where(y == 1, p_fusion, 1 - p_fusion) > 0.5
    return np.select([uni & joint, uni, joint], ["blue", "red", "green"], "yellow")


# %% tags=["check"]
def check(quadrant):
    truth, uni, joint = (
        np.array(x) for x in ([1, 1, 0, 0], [0.9, 0.9, 0.9, 0.9], [0.9, 0.1, 0.1, 0.9])
    )
    got = list(quadrant(truth, uni, joint))
    assert set(got) <= {"blue", "red", "green", "yellow"}, "give the names of the quadrants"
    assert got[1] != "green", "red and green are swapped: red is where only the unimodal is right"
    assert got[2:] != ["red", "blue"], (
        "clips of class 0 come out wrong; your p is the confidence in class 1, not in the correct "
        "class"
    )
    assert got == ["blue", "red", "green", "yellow"], f"four made-up clips give {got}"
    assert list(quadrant(np.array([0]), np.array([0.5]), np.array([0.5]))) == ["yellow"], (
        "a confidence of exactly 0.5 does not exceed 0.5: such a clip is not right, in either class"
    )
    table = pd.concat(
        pd.DataFrame({"clip_id": [f"c{i:03d}" for i in range(400)], "inputs": inputs,
                      "source": "fusion", "seed": 42, "y": y, "p": p[:, 0]})
        for inputs, p in (("text", text), ("audio", text), ("text+audio", fusion))
    )  # fmt: skip
    book = disagreement.quadrants(table).query("modality == 'text' and seed != 'ensemble'")
    same = book["quadrant"].to_numpy() == quadrant(y, text[:, 0], fusion[:, 0])
    assert same.all(), f"{(~same).sum()} of 400 clips are elsewhere in the book"


# %% tags=["wrong"]
# says: not in the correct class
def quadrant(y, p_unimodal, p_fusion):
    uni, joint = p_unimodal > 0.5, p_fusion > 0.5
    return np.select([uni & joint, uni, joint], ["blue", "red", "green"], "yellow")


# %% tags=["wrong"]
# says: red and green are swapped
def quadrant(y, p_unimodal, p_fusion):
    uni, joint = (p_unimodal > 0.5) == y, (p_fusion > 0.5) == y
    return np.select([uni & joint, uni, joint], ["blue", "green", "red"], "yellow")


# %% tags=["wrong"]
# says: exactly 0.5
def quadrant(y, p_unimodal, p_fusion):
    uni, joint = (p_unimodal > 0.5) == y, (p_fusion > 0.5) == y
    return np.select([uni & joint, uni, joint], ["blue", "red", "green"], "yellow")


# %% [markdown]
# ## 2. A model against itself (medium)
#
# How often do two trainings of the *same* model give a clip different labels? Average over all pairs
# of different seeds.


# %% tags=["stub"]
def self_disagreement(p):
    """Mean share of clips with different labels, over pairs of seeds. `p` is [clips, seeds]."""
    ...


# %% tags=["solution"]
def self_disagreement(p):
    label = p > 0.5
    pairs = combinations(range(p.shape[1]), 2)
    return np.mean([(label[:, i] != label[:, j]).mean() for i, j in pairs])


# %% tags=["check"]
def check(self_disagreement):
    p = np.array([[0.9, 0.1], [0.9, 0.8]])
    got = self_disagreement(p)
    assert not np.isclose(got, 0.25), (
        "half of what it should be: a seed paired with itself never differs, so leave it out"
    )
    assert not np.isclose(got, 0.45), "you compare probabilities; compare the labels they give"
    assert np.isclose(got, 0.5), f"two seeds that differ on one clip of two give you {got:.2f}"
    k, s = (text > 0.5).sum(axis=1), text.shape[1]
    want = (2 * k * (s - k) / (s * (s - 1))).mean()
    got = self_disagreement(text)
    mean_label = text.mean(axis=1, keepdims=True) > 0.5
    against_mean = ((text > 0.5) != mean_label).mean()
    assert not np.isclose(got, against_mean), (
        "you compare each seed with the mean of all; it took part in that mean: compare pairs"
    )
    assert np.isclose(got, want), f"five seeds give you {got:.3f}; are all pairs in, once each?"


# %% tags=["wrong"]
# says: a seed paired with itself
def self_disagreement(p):
    label = p > 0.5
    return (label[:, :, None] != label[:, None, :]).mean()


# %% tags=["wrong"]
# says: are all pairs in
def self_disagreement(p):
    label = p > 0.5
    return (label[:, :-1] != label[:, 1:]).mean()


# %% tags=["wrong"]
# says: compare the labels
def self_disagreement(p):
    s = range(p.shape[1])
    return np.mean([np.abs(p[:, i] - p[:, j]).mean() for i, j in combinations(s, 2)])


# %% [markdown]
# ## 3. What the modality adds (medium)
#
# Two models disagree on a share of the clips. Part of that is the seed alone. Give the excess: their
# disagreement at the same seed, minus the mean of both models' disagreement with themselves. You may
# use your answer to exercise 2.


# %% tags=["stub"]
def excess(p_unimodal, p_fusion):
    """Disagreement beyond retraining. Both are [clips, seeds]."""
    ...


# %% tags=["solution"]
def excess(p_unimodal, p_fusion):
    def itself(p):
        k, s = (p > 0.5).sum(axis=1), p.shape[1]
        return (2 * k * (s - k) / (s * (s - 1))).mean()

    between = ((p_unimodal > 0.5) != (p_fusion > 0.5)).mean()
    return between - (itself(p_unimodal) + itself(p_fusion)) / 2


# %% [markdown] tags=["solution"]
# If a and b are the chances that the two models say "class 1" for a clip, the excess is the mean of
# (a - b)². So it cannot be negative, but for chance. Chapter 04 prints it as a ratio.


# %% tags=["check"]
def check(excess):
    lean = np.random.default_rng(5).normal(scale=0.5, size=3000)
    one, two = retrain(lean, 12, 1.5, seed=6), retrain(lean, 12, 1.5, seed=7)
    nothing = excess(one, two)
    assert nothing < 0.1, (
        f"two trainings of one model get an excess of {nothing:.2f}; take off what retraining alone "
        "does"
    )
    assert abs(nothing) < 0.02, f"two trainings of one model should get about 0, not {nothing:.2f}"
    opposed = excess(retrain(lean + 9, seed=6), retrain(lean - 9, seed=7))
    assert np.isclose(opposed, 1, atol=0.01), "models that always differ, and never waver, get 1"


# %% tags=["wrong"]
# says: take off what retraining alone does
def excess(p_unimodal, p_fusion):
    return ((p_unimodal > 0.5) != (p_fusion > 0.5)).mean()


# %% tags=["wrong"]
# says: should get about 0
def excess(p_unimodal, p_fusion):
    def itself(p):
        k, s = (p > 0.5).sum(axis=1), p.shape[1]
        return (2 * k * (s - k) / (s * (s - 1))).mean()

    between = ((p_unimodal > 0.5) != (p_fusion > 0.5)).mean()
    return between - itself(p_unimodal) - itself(p_fusion)


# %% [markdown]
# ## 4. Quadrants out of nothing (open)
#
# Quadrants are defined by being right, so they know about the label. Show it: draw the predictions of
# two models *without looking at y*, so that nearly all red clips are nevertheless of class 1. What
# would a t-test between red and blue clips find on such data, if class 1 sounds different?


# %% tags=["stub"]
def from_nothing(y, seed=42):
    """p_unimodal and p_fusion, drawn without regard to y: two arrays as long as y."""
    rng = np.random.default_rng(seed)
    ...


# %% tags=["solution"]
def from_nothing(y, seed=42):
    rng = np.random.default_rng(seed)
    says_yes, says_no = rng.beta(6, 2, size=len(y)), rng.beta(2, 6, size=len(y))
    return says_yes, says_no


# %% [markdown] tags=["solution"]
# A model that leans to class 1 against one that leans to class 0 is enough. Then red against blue is
# class 1 against a mixture, and any feature that differs between the classes differs between red and
# blue. So compare within the label, as chapters 05 and 06 do.


# %% tags=["check"]
def check(from_nothing):
    many = np.random.default_rng(3).permutation(np.arange(4000) % 2)
    uni, joint = (np.asarray(p) for p in from_nothing(many, seed=1))
    assert uni.shape == joint.shape == many.shape, "give two arrays as long as y"
    assert ((uni >= 0) & (uni <= 1) & (joint >= 0) & (joint <= 1)).all(), "p lies in [0, 1]"
    for name, p in (("p_unimodal", uni), ("p_fusion", joint)):
        gap = abs(p[many == 1].mean() - p[many == 0].mean())
        assert gap < 0.05, f"{name} differs between the classes by {gap:.2f}: it knows the label"
    red = ((uni > 0.5) == many) & ((joint > 0.5) != many)
    assert red.mean() > 0.05, f"only {red.sum()} of 4,000 clips are red: too few to show it"
    share = many[red].mean()
    assert share > 0.8, f"of your red clips {share:.0%} are of class 1; make it over 80 %"


# %% tags=["wrong"]
# says: it knows the label
def from_nothing(y, seed=42):
    return np.where(y == 1, 0.8, 0.4), np.full(len(y), 0.3)


# %% tags=["wrong"]
# says: of your red clips
def from_nothing(y, seed=42):
    return np.random.default_rng(seed).random((2, len(y)))

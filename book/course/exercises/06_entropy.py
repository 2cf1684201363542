# ruff: noqa: E501, F811

# %% [markdown]
# # Exercises 6: entropy by quadrant
#
# How unsure is a model, and does disagreement tell more than that? All numbers here are simulated.

# %%
import numpy as np
import pandas as pd
from scipy.stats import norm

from empdis_utils.measures import uncertainty
from empdis_utils.press.course import check

# %% [markdown]
# ## 1. Entropy (routine)
#
# Predictive entropy of each clip, $-\sum_k p_k \ln p_k$ over both classes. A sure prediction has
# entropy 0.


# %% tags=["stub"]
def entropy(p):
    """Entropy per clip. `p` is an array of P(class 1), 0 and 1 included."""
    ...


# %% tags=["solution"]
def entropy(p):
    both = np.stack([p, 1 - p])
    logs = np.log(both, where=both > 0, out=np.zeros_like(both))
    return -(both * logs).sum(axis=0)


# %% tags=["check"]
def check(entropy):
    half = np.asarray(entropy(np.array([0.5])))
    assert not np.allclose(half, 1), "0.5 gives you 1: that is entropy in bits; the book uses nats"
    assert not np.allclose(half, np.log(2) / 2), "half is missing: class 0 has a term as well"
    assert np.all(half > 0), "the sign is turned round: entropy is never negative"
    with np.errstate(all="ignore"):
        sure = np.asarray(entropy(np.array([0.0, 1.0])))
    assert not np.isnan(sure).any(), "p of 0 or 1 gives NaN; a sure prediction has entropy 0"
    assert np.allclose(sure, 0), "a sure prediction has entropy 0"
    p = np.linspace(0.01, 0.99, 50)
    assert np.allclose(entropy(p), uncertainty.predictive_entropy(p), atol=1e-6), (
        "values between are not those of the book"
    )


# %% tags=["wrong"]
# says: in bits
def entropy(p):
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


# %% tags=["wrong"]
# says: gives NaN
def entropy(p):
    return -(p * np.log(p) + (1 - p) * np.log(1 - p))


# %% tags=["wrong"]
# says: class 0 has a term
def entropy(p):
    return -p * np.log(p)


# %% [markdown]
# ## 2. Send the doubtful ones to a person (routine to medium)
#
# The model keeps the share `coverage` of clips on which it is surest. What is its error rate there?


# %% tags=["stub"]
def risk(wrong, doubt, coverage):
    """Error rate on the kept clips. `wrong` (0 or 1) and `doubt` have one entry per clip."""
    ...


# %% tags=["solution"]
def risk(wrong, doubt, coverage):
    n_kept = round(coverage * len(wrong))
    return wrong[np.argsort(doubt)[:n_kept]].mean()


# %% tags=["check"]
def check(risk):
    wrong, doubt = np.array([1, 0, 0, 1, 0]), np.array([0.9, 0.1, 0.3, 0.6, 0.2])
    got = risk(wrong, doubt, 0.4)
    assert not np.isclose(got, 1), "you kept the doubtful clips; keep those with the least doubt"
    assert np.isclose(got, 0), f"the two surest clips are right, but you get {got:.2f}"
    got = risk(wrong, doubt, 0.8)
    assert not np.isclose(got, 0.2), "you divided by all clips; divide by the clips that are kept"
    assert np.isclose(got, 0.25), f"of the four surest one is wrong, but you get {got:.2f}"
    assert np.isclose(risk(wrong, doubt, 1), 0.4), "at full coverage it is the plain error rate"


# %% tags=["wrong"]
# says: keep those with the least doubt
def risk(wrong, doubt, coverage):
    return wrong[np.argsort(-doubt)[: round(coverage * len(wrong))]].mean()


# %% tags=["wrong"]
# says: divide by the clips that are kept
def risk(wrong, doubt, coverage):
    return wrong[np.argsort(doubt)[: round(coverage * len(wrong))]].sum() / len(wrong)


# %% [markdown]
# ## 3. Why disagreement and entropy must go together (medium)
#
# Suppose that retraining moves a clip's probability by normal noise with standard deviation `sd`,
# whatever the clip. What is the chance that the label flips (crosses 0.5)? A clip near 0.5 has the
# highest entropy. What does that say about the paper's Table 5?


# %% tags=["stub"]
def flip_chance(p, sd):
    """Chance of another label after retraining. `p` is an array, `sd` a number."""
    ...


# %% tags=["solution"]
def flip_chance(p, sd):
    return norm.cdf(-np.abs(p - 0.5) / sd)


# %% tags=["check"]
def check(flip_chance):
    got = np.asarray(flip_chance(np.array([0.1, 0.3, 0.5, 0.7, 0.9]), 0.2))
    assert got.shape == (5,), "give one chance per clip"
    assert not np.isclose(got[2], 1), (
        "a clip at 0.5 flips in one half of the retrainings; you count noise on both sides"
    )
    assert np.isclose(got[0], got[4]) and np.isclose(got[1], got[3]), (
        "0.1 and 0.9 are equally far from 0.5 and must flip equally often; yours differ"
    )
    assert got[2] > got[1] > got[0], "the further from 0.5, the rarer the flip"
    moved = 0.7 + 0.2 * np.random.default_rng(0).normal(size=200_000)
    assert abs(got[3] - (moved < 0.5).mean()) < 0.01, (
        f"for p = 0.7 you get {got[3]:.3f}; simulated retrainings flip in {(moved < 0.5).mean():.3f}"
    )


# %% tags=["wrong"]
# says: must flip equally often
def flip_chance(p, sd):
    return norm.cdf((0.5 - p) / sd)


# %% tags=["wrong"]
# says: noise on both sides
def flip_chance(p, sd):
    return 2 * norm.cdf(-np.abs(p - 0.5) / sd)


# %% [markdown]
# ## 4. What is left over (open)
#
# You have a table with one row per clip: `margin` (distance of fusion from 0.5), `differs` (1 where a
# modality disagrees with fusion) and `self_flip` (the chance that fusion disagrees with its own
# retraining). Write a comparison that shows disagreement *beyond* retraining, by margin: cut the
# clips into five equal groups, and give for each its mean `margin`, its `n` and the `excess`. It is
# tried on clips where the modality adds nothing, and on clips where it does. Which figure of chapter
# 06 is this?


# %% tags=["stub"]
def left_over(clips):
    """DataFrame with columns margin, n, excess, and one row per fifth."""
    ...


# %% tags=["solution"]
def left_over(clips):
    fifth = pd.qcut(clips["margin"], 5, labels=False)
    table = clips.assign(excess=clips["differs"] - clips["self_flip"], n=1)
    return table.groupby(fifth).agg({"margin": "mean", "n": "sum", "excess": "mean"})


# %% tags=["check"]
def check(left_over):
    rng = np.random.default_rng(4)
    margin = rng.uniform(0, 0.5, size=5000)
    self_flip = norm.cdf(-margin / 0.2)
    nothing = pd.DataFrame({"margin": margin, "self_flip": self_flip})
    nothing["differs"] = (rng.random(5000) < self_flip).astype(int)
    got = left_over(nothing).reset_index(drop=True)
    lacking = {"margin", "n", "excess"} - set(got)
    assert not lacking, f"the table lacks {', '.join(sorted(lacking))}"
    assert len(got) == 5, f"there should be five groups, not {len(got)}"
    assert got["n"].max() <= 1.2 * got["n"].min(), "the groups should hold equally many clips"
    got = got.sort_values("margin", ignore_index=True)
    assert got["excess"].abs().max() < 0.1, (
        f"on clips where the modality adds nothing, your excess is {got['excess'].iloc[0]:.2f} at "
        "small margins: take off what retraining does at the same margin"
    )
    more = nothing.assign(differs=nothing["differs"].where(margin < 0.4, 1))
    got = left_over(more).reset_index(drop=True).sort_values("margin", ignore_index=True)
    top = got["excess"].iloc[-1]
    assert top > 0.7, f"sure clips that the modality contradicts get an excess of {top:.2f} only"


# %% tags=["wrong"]
# says: take off what retraining does
def left_over(clips):
    fifth = pd.qcut(clips["margin"], 5, labels=False)
    table = clips.assign(excess=clips["differs"], n=1)
    return table.groupby(fifth).agg({"margin": "mean", "n": "sum", "excess": "mean"})


# %% tags=["wrong"]
# says: equally many clips
def left_over(clips):
    part = pd.cut(clips["margin"] ** 3, 5, labels=False)
    table = clips.assign(excess=clips["differs"] - clips["self_flip"], n=1)
    return table.groupby(part).agg({"margin": "mean", "n": "sum", "excess": "mean"})

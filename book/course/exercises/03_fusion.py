# ruff: noqa: E501, F811, F841

# %% [markdown]
# # Exercises 3: fusion
#
# Small pieces of a fusion model, and a way to say what a modality adds. All numbers here are
# simulated.

# %%
import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

from empdis_utils.press.course import check

# %% [markdown]
# ## 1. The simplest fusion (routine)
#
# Late fusion needs no training: average the *log-odds* of the modalities, and turn the average back
# into a probability. (`logit` and `expit` are imported.)


# %% tags=["stub"]
def late_fusion(p):
    """P(class 1) per clip. `p` is an array [clips, modalities] of probabilities."""
    ...


# %% tags=["solution"]
def late_fusion(p):
    return expit(logit(p).mean(axis=1))


# %% tags=["check"]
def check(late_fusion):
    p = np.array([[0.99, 0.5, 0.5], [0.9, 0.9, 0.9], [0.2, 0.8, 0.5]])
    got = np.asarray(late_fusion(p))
    assert got.shape == (3,), f"three clips went in, and an array of shape {got.shape} came out"
    assert not np.allclose(got, p.mean(axis=1)), (
        "you averaged probabilities; average log-odds, which lets a sure modality count for more"
    )
    assert np.isclose(got[2], 0.5), "cues of equal strength on both sides must cancel"
    assert got[1] < 0.95, (
        f"three modalities at 0.9 give you {got[1]:.3f}; you added the log-odds, the task averages"
    )
    assert np.allclose(got[:2], [0.8222, 0.9], atol=1e-3), "a clip comes out wrong"


# %% tags=["wrong"]
# says: you averaged probabilities
def late_fusion(p):
    return p.mean(axis=1)


# %% tags=["wrong"]
# says: you added the log-odds
def late_fusion(p):
    return expit(logit(p).sum(axis=1))


# %% tags=["wrong"]
# says: came out
def late_fusion(p):
    return expit(logit(p).mean())


# %% [markdown]
# ## 2. Attention is not a gate (routine to medium)
#
# Chapter 03 has two kinds of weights. Gates lie between 0 and 1, each on its own. Attention weights
# *share out* one unit among the modalities of a clip, by a softmax of their scores. Write the
# attention. Scores may be large: `np.exp(1000)` overflows.


# %% tags=["stub"]
def attention(scores):
    """Weights [clips, modalities]. `scores` has the same shape."""
    ...


# %% tags=["solution"]
def attention(scores):
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


# %% tags=["check"]
def check(attention):
    scores = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [0.0, 0.0, 5.0], [-1.0, 0.0, 2.0]])
    got = np.asarray(attention(scores))
    assert got.shape == scores.shape, "give one weight per clip and modality"
    assert not np.allclose(got.sum(axis=0), 1), (
        "each column sums to 1: clips compete with one another; the modalities of a clip should"
    )
    assert np.allclose(got.sum(axis=1), 1), (
        f"the weights of a clip sum to {got[1].sum():.2f}; weights that need not sum to 1 are gates"
    )
    assert (got > 0).all(), "a softmax is never 0"
    ratio = got[1, 1] / got[1, 0]
    assert np.isclose(ratio, np.e), "one more in score should weigh e times as much"
    assert np.allclose(attention(scores + 7), got), "adding 7 to all scores must change nothing"
    with np.errstate(all="ignore"):
        large = np.asarray(attention(np.array([[1000.0, 999.0, 0.0]])))
    assert np.isfinite(large).all(), "scores of 1000 give NaN: take the largest score off first"


# %% tags=["wrong"]
# says: are gates
def attention(scores):
    return expit(scores)


# %% tags=["wrong"]
# says: clips compete with one another
def attention(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=0, keepdims=True)


# %% tags=["wrong"]
# says: take the largest score off first
def attention(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


# %% [markdown]
# ## 3. What does a modality add? (medium)
#
# The Shapley value of a modality is its gain, averaged over all orders in which the modalities can be
# added. Write it for two modalities.


# %% tags=["stub"]
def shapley(none, a, b, both):
    """Values of a and of b, from the accuracies of no modality, a alone, b alone, and both."""
    ...


# %% tags=["solution"]
def shapley(none, a, b, both):
    value_a = ((a - none) + (both - b)) / 2
    value_b = ((b - none) + (both - a)) / 2
    return value_a, value_b


# %% tags=["check"]
def check(shapley):
    value_a, value_b = shapley(none=0.5, a=0.7, b=0.7, both=0.75)
    total = value_a + value_b
    assert not np.isclose(value_a, 0.2), (
        "you took the gain over nothing; a modality can also come second, after the other"
    )
    assert not np.isclose(value_a, 0.05), (
        "you took what is lost without the modality; where two tell the same, that gives neither "
        "its due: it can also come first"
    )
    assert np.isclose(total, 0.25), f"the values sum to {total:.2f}, but both gain 0.25 over none"
    assert np.isclose(value_a, value_b), "modalities that score alike must get the same value"
    idle = shapley(none=0.5, a=0.5, b=0.9, both=0.9)
    assert np.allclose(idle, [0, 0.4]), "a modality that never changes the score is worth 0"
    assert np.allclose(shapley(0.5, 0.7, 0.6, 0.9), [0.25, 0.15]), "a worked case comes out wrong"


# %% tags=["wrong"]
# says: you took what is lost without the modality
def shapley(none, a, b, both):
    return both - b, both - a


# %% tags=["wrong"]
# says: you took the gain over nothing
def shapley(none, a, b, both):
    return a - none, b - none


# %% tags=["wrong"]
# says: the values sum to
def shapley(none, a, b, both):
    return (a - none) + (both - b), (b - none) + (both - a)


# %% [markdown]
# ## 4. Neither knows, both know (open)
#
# Make clips on which fusion is *needed*: two cues, each of which alone says nothing about the label,
# and which together give it away. Where in conversation might that happen? (Think of praise in a
# flat voice.) Then ask which of the models of chapter 03 could learn it: late fusion? a weighted sum?


# %% tags=["stub"]
def synergy(n=1000, seed=42):
    """Labels y (0 or 1), cue a, cue b: three arrays of n numbers."""
    rng = np.random.default_rng(seed)
    ...


# %% tags=["solution"]
def synergy(n=1000, seed=42):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    return ((a > 0) != (b > 0)).astype(int), a, b


# %% [markdown] tags=["solution"]
# This is "exclusive or": kind words in a kind voice, or curt words in a curt voice, are class 0.
# Late fusion and weighted sums cannot learn it, as each cue's log-odds are 0.


# %% tags=["check"]
def check(synergy):
    y, a, b = (np.asarray(x) for x in synergy(n=1000, seed=1))
    assert y.shape == a.shape == b.shape == (1000,), "give three arrays of n numbers"
    assert set(y) == {0, 1}, "labels are 0 and 1, and both must occur"
    assert 0.3 < y.mean() < 0.7, "one class is rare, so guessing it is already good"
    tree = DecisionTreeClassifier(max_depth=6, random_state=0)
    for name, cue in (("a", a), ("b", b)):
        alone = max(
            cross_val_score(learner, cue[:, None], y, cv=5).mean()
            for learner in (LogisticRegression(), tree)
        )
        limit = max(y.mean(), 1 - y.mean()) + 0.06
        assert alone < limit, f"cue {name} alone is right on {alone:.0%} of the clips: it knows"
    together = cross_val_score(tree, np.column_stack([a, b]), y, cv=5).mean()
    assert together > 0.85, f"even both cues are right on {together:.0%} only: too little is told"


# %% tags=["wrong"]
# says: cue a alone is right
def synergy(n=1000, seed=42):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    return (a + b > 0).astype(int), a, b


# %% tags=["wrong"]
# says: too little is told
def synergy(n=1000, seed=42):
    rng = np.random.default_rng(seed)
    return rng.integers(2, size=n), rng.normal(size=n), rng.normal(size=n)

# ruff: noqa: F811

# %% [markdown]
# # Exercises 2: one modality at a time
#
# How good is a model, and against what? The transcripts are synthetic (the book's known-truth
# corpus).

# %%
import numpy as np
import pandas as pd
from scipy import stats as scipy_stats
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from empdis_utils.data import corpora, splits
from empdis_utils.measures import scores
from empdis_utils.press.course import check

manifest = corpora.load_fixture().manifest
model = make_pipeline(TfidfVectorizer(token_pattern=r"\w+"), LogisticRegression(C=10))

# %% [markdown]
# ## 1. A model that reads nothing (routine)
#
# Predict each test clip's label as the most common train label *of its recording*. A recording that
# is not in train, or is tied, gets the most common label of all train clips.


# %% tags=["stub"]
def recording_only(train, test):
    """Predicted labels (0 or 1): one entry per row of `test`. Both have dialog_id and y."""
    ...


# %% tags=["solution"]
def recording_only(train, test):
    usual = int(train["y"].mean() > 0.5)
    share = test["dialog_id"].map(train.groupby("dialog_id")["y"].mean()).fillna(0.5)
    return np.where(share == 0.5, usual, share > 0.5).astype(int)


# %% [markdown] tags=["solution"]
# On the released split of EMPSPEECH this beats every model in the paper's Table 1: chapter 02
# prints it.


# %% tags=["check"]
def check(recording_only):
    train, test = (manifest[manifest["split"] == name] for name in ("train", "test"))
    got = np.asarray(recording_only(train, test))
    assert got.shape == (len(test),), "give one prediction per test clip"
    assert set(got) <= {0, 1}, "give labels, 0 or 1, not shares"
    assert len(set(got)) > 1, "every clip gets the same label; use the recording of the clip"
    flipped = np.asarray(recording_only(train, test.assign(y=1 - test["y"])))
    assert (got == flipped).all(), "your predictions change with the test labels: you used them"
    toy = pd.DataFrame({"dialog_id": list("aaabbc"), "y": [1, 1, 0, 0, 0, 0]})
    new = pd.DataFrame({"dialog_id": list("abz"), "y": [0, 0, 0]})
    assert list(recording_only(toy, new)) == [1, 0, 0], "a small made-up case comes out wrong"
    want = splits.recording_baseline(manifest)["prediction"]
    assert (got == want.to_numpy()).all(), "some clips differ from the book's baseline: ties?"


# %% tags=["wrong"]
# says: use the recording of the clip
def recording_only(train, test):
    return np.full(len(test), int(train["y"].mean() > 0.5))


# %% tags=["wrong"]
# says: you used them
def recording_only(train, test):
    share = test.groupby("dialog_id")["y"].transform("mean")
    return (share > 0.5).astype(int).to_numpy()


# %% [markdown]
# ## 2. Held out, really (medium)
#
# Give the accuracy of `model` on clips that it did not see, over five folds, with every recording
# held out as a whole.


# %% tags=["stub"]
def held_out_accuracy(texts, y, recording):
    """Share of right predictions. All three are arrays, one entry per clip."""
    ...


# %% tags=["solution"]
def held_out_accuracy(texts, y, recording):
    guess = cross_val_predict(model, texts, y, groups=recording, cv=GroupKFold(5))
    return (guess == y).mean()


# %% tags=["check"]
def check(held_out_accuracy):
    rng = np.random.default_rng(0)
    recording = np.repeat([f"speaker{i}" for i in range(20)], 10)
    label = np.repeat(rng.permutation(np.arange(20) % 2), 10)
    got = held_out_accuracy(recording, label, recording)
    assert got < 0.9, (
        f"you get {got:.2f} on texts that hold nothing but the name of the recording: training "
        "has seen clips of the recordings that you test on"
    )
    words = np.array(["not now", "so sorry"])[np.tile([0, 1], 100)]
    assert held_out_accuracy(words, np.tile([0, 1], 100), recording) > 0.95, (
        "texts that give the label away in every recording should score about 1"
    )


# %% tags=["wrong"]
# says: training has seen clips of the recordings
def held_out_accuracy(texts, y, recording):
    folds = KFold(5, shuffle=True, random_state=0)
    return (cross_val_predict(model, texts, y, cv=folds) == y).mean()


# %% tags=["wrong"]
# says: training has seen clips of the recordings
def held_out_accuracy(texts, y, recording):
    return model.fit(texts, y).score(texts, y)


# %% [markdown]
# ## 3. Two models, the same clips (medium)
#
# Two models were tried on the same clips. `a` and `b` say which clips each got right. Give a
# two-sided p-value for "they are equally good" (exact McNemar: a sign test on the clips where just
# one of them is right).


# %% tags=["stub"]
def p_same(a, b):
    """Exact McNemar p-value. `a` and `b` are boolean arrays."""
    ...


# %% tags=["solution"]
def p_same(a, b):
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        return 1.0
    return scipy_stats.binomtest(only_a, only_a + only_b).pvalue


# %% tags=["check"]
def check(p_same):
    rng = np.random.default_rng(1)
    a = rng.random(154) < 0.75
    b = a.copy()
    b[np.flatnonzero(a)[:9]] = False
    got = p_same(a, b)
    assert 0 <= got <= 1, f"a p-value lies between 0 and 1; yours is {got}"
    assert got < 0.05, (
        "nine clips where only the first is right and none the other way is strong evidence; both "
        "models saw the same clips, so only the clips where they differ count"
    )
    assert np.isclose(got, 2 * 0.5**9), f"you get {got:.4f}: is the test exact and two-sided?"
    assert np.isclose(p_same(a, a), 1), "models that never differ give no evidence: p is 1"
    assert np.isclose(p_same(a, b), p_same(b, a)), "swapping the models must not change p"
    c = rng.random(154) < 0.7
    want = scores.mcnemar(a, c)["p"].iloc[0]
    assert np.isclose(p_same(a, c), want), "two other models come out differently in the book"


# %% tags=["wrong"]
# says: only the clips where they differ count
def p_same(a, b):
    table = [[a.sum(), (~a).sum()], [b.sum(), (~b).sum()]]
    return scipy_stats.fisher_exact(table).pvalue


# %% tags=["wrong"]
# says: exact and two-sided
def p_same(a, b):
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return scipy_stats.binomtest(only_a, max(only_a + only_b, 1), alternative="greater").pvalue


# %% [markdown]
# ## 4. How many clips? (open)
#
# The paper's Table 1 has audio at 0.72 and video at 0.77, on 154 clips. How many test clips would
# tell such models apart four times in five, at the 5 % level? Any sound way will do: a formula, or
# your test from above on simulated clips. State what you assume about how often the two are right
# *together*; it matters.


# %% tags=["stub"]
def clips_needed(accuracy_a, accuracy_b):
    """Number of test clips for a power of 0.8."""
    ...


# %% tags=["solution"]
def clips_needed(accuracy_a, accuracy_b):
    # Assumed: the two are right or wrong independently of one another.
    z = scipy_stats.norm.ppf([0.975, 0.8]).sum()
    spread = accuracy_a * (1 - accuracy_a) + accuracy_b * (1 - accuracy_b)
    return int(np.ceil(z**2 * spread / (accuracy_a - accuracy_b) ** 2))


# %% [markdown] tags=["solution"]
# Models that are mostly right on the same clips differ on fewer, and need fewer clips. But if clips
# of one recording are alike, more are needed. Either way 154 do not suffice.


# %% tags=["check"]
def check(clips_needed):
    n = clips_needed(0.72, 0.77)
    assert n > 154, (
        f"by your count {n:.0f} clips suffice, so the paper's 154 would do; simulate 154 clips a "
        "few times and see how often the better model wins"
    )
    assert 250 < n < 4000, f"{n:.0f} clips is far from what tests of two proportions need"
    assert clips_needed(0.6, 0.8) < n, "a larger difference needs fewer clips, not more"
    assert np.isclose(clips_needed(0.77, 0.72), n, rtol=0.2), "the order of the two matters to you"


# %% tags=["wrong"]
# says: the paper's 154 would do
def clips_needed(accuracy_a, accuracy_b):
    return 1 / (accuracy_a - accuracy_b) ** 2 * accuracy_a * (1 - accuracy_a)


# %% tags=["wrong"]
# says: a larger difference needs fewer
def clips_needed(accuracy_a, accuracy_b):
    return 24000 * abs(accuracy_a - accuracy_b)

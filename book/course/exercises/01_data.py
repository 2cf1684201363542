# ruff: noqa: E501, F811, F841

# %% [markdown]
# # Exercises 1: the data
#
# The clips are synthetic (the book's known-truth corpus): 160 clips from 16 recordings. Replace the
# dots in each cell, run it, and run the check below it.

# %%
import numpy as np
import pandas as pd

from empdis_utils.data import corpora, splits
from empdis_utils.measures import inference
from empdis_utils.press.course import check

manifest = corpora.load_fixture().manifest

# %% [markdown]
# ## 1. Who was seen before? (routine)
#
# What share of the test clips comes from a recording that also has clips in `train`? The manifest
# has the columns `dialog_id` (the recording) and `split`.


# %% tags=["stub"]
def share_seen(manifest):
    """Share of test clips whose recording is also in train: a number from 0 to 1."""
    ...


# %% tags=["solution"]
def share_seen(manifest):
    trained_on = manifest.loc[manifest["split"] == "train", "dialog_id"]
    test = manifest[manifest["split"] == "test"]
    return test["dialog_id"].isin(trained_on).mean()


# %% tags=["check"]
def check(share_seen):
    toy = pd.DataFrame(
        {
            "dialog_id": ["a", "a", "a", "a", "b", "c", "c"],
            "split": ["train", "test", "test", "test", "test", "val", "train"],
        }
    )
    got = share_seen(toy)
    assert not np.isclose(got, 1 / 2), "you counted recordings; count the clips of the test split"
    assert not np.isclose(got, 3 / 7), "you divided by all clips; the share is of the test clips"
    assert not np.isclose(got, 3), "you give a count; the question asks for a share"
    assert np.isclose(got, 3 / 4), f"on a small made-up table you get {got:.3f}, which is not right"
    audit = splits.audit(manifest).set_index(["check", "split_a", "split_b"])
    want = audit.loc[("clips_of_shared_recordings", "train", "test"), "share"]
    assert np.isclose(share_seen(manifest), want), "the audit of chapter 01 gets another share"


# %% tags=["wrong"]
# says: count the clips
def share_seen(manifest):
    of = manifest.groupby("split")["dialog_id"].unique()
    return len(set(of["train"]) & set(of["test"])) / len(of["test"])


# %% tags=["wrong"]
# says: divided by all clips
def share_seen(manifest):
    trained_on = manifest.loc[manifest["split"] == "train", "dialog_id"]
    seen = (manifest["split"] == "test") & manifest["dialog_id"].isin(trained_on)
    return seen.mean()


# %% [markdown]
# ## 2. An interval that knows about recordings (routine to medium)
#
# Write a 95 % bootstrap interval for the share of clips that are right. Clips of one recording are
# alike, so draw whole *recordings* with replacement, and keep all clips of each one that is drawn.


# %% tags=["stub"]
def interval(right, recording, n_boot=1000, seed=42):
    """Low and high end. `right` (0 or 1) and `recording` are arrays with one entry per clip."""
    rng = np.random.default_rng(seed)
    ...


# %% tags=["solution"]
def interval(right, recording, n_boot=1000, seed=42):
    rng = np.random.default_rng(seed)
    clips_of = [right[recording == name] for name in np.unique(recording)]
    means = []
    for _ in range(n_boot):
        drawn = rng.integers(len(clips_of), size=len(clips_of))
        means.append(np.concatenate([clips_of[i] for i in drawn]).mean())
    return np.percentile(means, [2.5, 97.5])


# %% [markdown] tags=["solution"]
# In the book, `inference.interval(right, groups=recording)` does this, with ends that are moved outwards
# where there are few recordings: the plain percentiles are too narrow then.


# %% tags=["check"]
def check(interval):
    recording = np.repeat([f"r{i:02d}" for i in range(20)], 10)
    right = np.repeat(np.arange(20) % 2, 10)
    low, high = interval(right, recording)
    assert low <= high, "the low end comes first"
    assert high - low > 0.01, "your interval has no width: do you draw with replacement?"
    assert high - low > 0.3, (
        f"the interval is {high - low:.2f} wide, as if all clips were independent; you resampled "
        "clips; resample recordings"
    )
    assert high - low < 0.6, f"the interval is {high - low:.2f} wide, too wide: did you take 95 %?"
    sizes = [40] * 10 + [2] * 10
    recording = np.repeat([f"r{i:02d}" for i in range(20)], sizes)
    right = np.repeat([1] * 10 + [0] * 10, sizes)
    low, high = interval(right, recording)
    assert high > 0.9, (
        "with large recordings right and small ones wrong your interval lies too low; you average "
        "the recordings' means, but the clips of all drawn recordings count alike"
    )


# %% tags=["wrong"]
# says: you resampled clips; resample recordings
def interval(right, recording, n_boot=1000, seed=42):
    rng = np.random.default_rng(seed)
    means = [rng.choice(right, size=len(right)).mean() for _ in range(n_boot)]
    return np.percentile(means, [2.5, 97.5])


# %% tags=["wrong"]
# says: you average the recordings' means
def interval(right, recording, n_boot=1000, seed=42):
    rng = np.random.default_rng(seed)
    means = pd.Series(right).groupby(recording).mean().to_numpy()
    draws = [rng.choice(means, size=len(means)).mean() for _ in range(n_boot)]
    return np.percentile(draws, [2.5, 97.5])


# %% tags=["wrong"]
# says: no width
def interval(right, recording, n_boot=1000, seed=42):
    return np.array([right.mean(), right.mean()])


# %% [markdown]
# ## 3. A split that keeps recordings whole (medium)
#
# Choose test clips so that no recording lies on both sides, and about `share` of the clips are in
# the test part. Another seed should give another choice.


# %% tags=["stub"]
def hold_out(manifest, share=0.25, seed=42):
    """True for test clips: a boolean array, one entry per row of the manifest."""
    rng = np.random.default_rng(seed)
    ...


# %% tags=["solution"]
def hold_out(manifest, share=0.25, seed=42):
    rng = np.random.default_rng(seed)
    names = rng.permutation(manifest["dialog_id"].unique())
    clips = manifest["dialog_id"].value_counts().loc[names].cumsum()
    chosen = clips.index[clips <= share * len(manifest)]
    return manifest["dialog_id"].isin(chosen).to_numpy()


# %% tags=["check"]
def check(hold_out):
    test = np.asarray(hold_out(manifest, share=0.25, seed=1))
    assert test.shape == (len(manifest),), "give one entry per clip"
    assert test.dtype == bool, "give True and False, not names or numbers"
    mixed = manifest.assign(test=test).groupby("dialog_id")["test"].nunique()
    both = mixed.index[mixed > 1]
    assert both.empty, f"{len(both)} recordings lie on both sides, {both[:1].tolist()} among them"
    assert 0.1 < test.mean() < 0.4, f"the test part holds {test.mean():.0%} of the clips, not 25 %"
    again = np.asarray(hold_out(manifest, share=0.25, seed=1))
    assert (test == again).all(), "the same seed gave two different splits"
    others = [np.asarray(hold_out(manifest, share=0.25, seed=s)) for s in range(2, 6)]
    assert any((test != other).any() for other in others), "another seed gives the same split"


# %% tags=["wrong"]
# says: lie on both sides
def hold_out(manifest, share=0.25, seed=42):
    return np.random.default_rng(seed).random(len(manifest)) < share


# %% tags=["wrong"]
# says: another seed gives the same split
def hold_out(manifest, share=0.25, seed=42):
    first = manifest["dialog_id"].unique()[:4]
    return manifest["dialog_id"].isin(first).to_numpy()


# %% [markdown]
# ## 4. A data card in numbers (open)
#
# Write what someone must know before using a corpus, as a dict. It needs at least `clips`,
# `recordings`, `share` (of class 1), `low` and `high` (its interval). Add what you think is missing:
# lengths, empty transcripts, the largest recording. Think about a corpus of *one* recording: which
# of these numbers can it give? Then run it on `corpora.load("mosi")` if you have it.


# %% tags=["stub"]
def card(manifest):
    """Dict of numbers; NaN where the corpus cannot say."""
    ...


# %% tags=["solution"]
def card(manifest):
    share, low, high, *_ = inference.share_interval(
        manifest["y"] == 1, groups=manifest["dialog_id"]
    )
    return {
        "clips": len(manifest),
        "recordings": manifest["dialog_id"].nunique(),
        "share": share,
        "low": low,
        "high": high,
        "largest recording": manifest["dialog_id"].value_counts(normalize=True).max(),
        "empty transcripts": int((manifest["n_tokens"] == 0).sum()),
        "median tokens": manifest["n_tokens"].median(),
    }


# %% [markdown] tags=["solution"]
# One recording says nothing about other recordings, so its interval is NaN. An interval over its
# clips would be about that recording only.


# %% tags=["check"]
def check(card):
    got = card(manifest)
    lacking = {"clips", "recordings", "share", "low", "high"} - set(got)
    assert not lacking, f"the card lacks {', '.join(sorted(lacking))}"
    assert got["clips"] == len(manifest), "the number of clips is not that of the manifest"
    assert got["recordings"] == manifest["dialog_id"].nunique(), "count each recording once"
    assert np.isclose(got["share"], manifest["y"].mean()), "`share` is that of class 1"
    assert got["low"] < got["share"] < got["high"], "the interval must hold the share"
    assert got["high"] - got["low"] > 0.18, (
        "your interval takes clips for independent; it is too narrow for 16 recordings"
    )
    one = card(manifest[manifest["dialog_id"] == manifest["dialog_id"].iloc[0]])
    assert np.isnan(one["low"]) and np.isnan(one["high"]), (
        "you give an interval from one recording; it says nothing about other recordings: NaN"
    )


# %% tags=["wrong"]
# says: takes clips for independent
def card(manifest):
    share, n = manifest["y"].mean(), len(manifest)
    _, low, high, *_ = inference.share_interval(manifest["y"] == 1)
    recordings = manifest["dialog_id"].nunique()
    return {"clips": n, "recordings": recordings, "share": share, "low": low, "high": high}


# %% tags=["wrong"]
# says: lacks high, low
def card(manifest):
    recordings = manifest["dialog_id"].nunique()
    return {"clips": len(manifest), "recordings": recordings, "share": manifest["y"].mean()}

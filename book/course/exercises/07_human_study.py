# ruff: noqa: E501, F811, F841

# %% [markdown]
# # Exercises 7: the human study
#
# Agreement between people, measured so that chance does not count. The annotators in these cells are
# simulated; the class's own answers come in the annotation project.

# %%
import numpy as np
import pandas as pd

from empdis_utils.data import corpora
from empdis_utils.measures import agreement
from empdis_utils.press.course import check

manifest = corpora.load_fixture().manifest

# %% [markdown]
# ## 1. Cohen's kappa (routine)
#
# $\kappa = (P - P_e) / (1 - P_e)$, with $P$ the share of clips on which two annotators agree. $P_e$ is
# the agreement that chance would give if each annotator kept their own share of each answer.


# %% tags=["stub"]
def kappa(first, second):
    """Cohen's kappa of two annotators: arrays of answers, one entry per clip."""
    ...


# %% tags=["solution"]
def kappa(first, second):
    observed = (first == second).mean()
    expected = sum(
        (first == answer).mean() * (second == answer).mean() for answer in np.unique(first)
    )
    return (observed - expected) / (1 - expected)


# %% tags=["check"]
def check(kappa):
    a = np.array([1, 1, 0, 0])
    got = kappa(a, np.array([1, 0, 1, 0]))
    assert not np.isclose(got, 0.5), (
        "annotators who agree no more than by chance get 0.5; take off the chance agreement"
    )
    assert np.isclose(got, 0), f"annotators who agree no more than by chance get {got:.2f}, not 0"
    assert np.isclose(kappa(a, a), 1), "full agreement is 1"
    one = np.array([1] * 9 + [0])
    two = np.array([1] * 3 + [0] * 7)
    got = kappa(one, two)
    pooled = (one.mean() + two.mean()) / 2
    by_pool = pooled**2 + (1 - pooled) ** 2
    assert not np.isclose(got, (0.4 - by_pool) / (1 - by_pool)), (
        "you pool the two annotators' shares (that is Scott's pi); use each one's own"
    )
    assert np.isclose(got, agreement.cohen_kappa(one, two)), (
        "two lopsided annotators come out wrong"
    )
    words = np.array(["neutral", "empathetic"])
    assert np.isclose(kappa(words[one], words[two]), got), "answers may be words, not only 0 and 1"


# %% tags=["wrong"]
# says: take off the chance agreement
def kappa(first, second):
    return (first == second).mean()


# %% tags=["wrong"]
# says: Scott's pi
def kappa(first, second):
    observed = (first == second).mean()
    pool = np.concatenate([first, second])
    expected = sum((pool == answer).mean() ** 2 for answer in np.unique(pool))
    return (observed - expected) / (1 - expected)


# %% [markdown]
# ## 2. Whom do we ask about what? (medium)
#
# Draw `per_cell` clips from each quadrant, at random, without drawing a clip twice. Where a quadrant
# holds fewer, take them all: nothing is filled up from elsewhere. Give the clips in an order that
# does not give the quadrant away.


# %% tags=["stub"]
def draw_sample(clips, per_cell, seed):
    """Array of clip_id. `clips` is a DataFrame with clip_id and quadrant."""
    rng = np.random.default_rng(seed)
    ...


# %% tags=["solution"]
def draw_sample(clips, per_cell, seed):
    rng = np.random.default_rng(seed)
    drawn = [
        rng.choice(part["clip_id"], size=min(per_cell, len(part)), replace=False)
        for _, part in clips.groupby("quadrant")
    ]
    return rng.permutation(np.concatenate(drawn))


# %% [markdown] tags=["solution"]
# The book's `agreement.sample_for_annotation` also spreads the clips over recordings, and lists the
# quadrants that were too small.


# %% tags=["check"]
def check(draw_sample):
    names = np.repeat(["blue", "red", "green", "yellow"], [80, 40, 30, 10])
    clips = pd.DataFrame({"clip_id": manifest["clip_id"], "quadrant": names})
    quadrant_of = clips.set_index("clip_id")["quadrant"]
    drawn = list(draw_sample(clips, 17, seed=1))
    assert len(drawn) == len(set(drawn)), "a clip was drawn twice: draw without replacement"
    counts = quadrant_of[drawn].value_counts()
    assert counts.get("yellow", 0) == 10, "of yellow there are only ten clips: take them all"
    others = counts.drop("yellow")
    assert len(others) == 3 and (others == 17).all(), f"per quadrant you drew {counts.to_dict()}"
    assert drawn == list(draw_sample(clips, 17, seed=1)), "the same seed gave two samples"
    other = draw_sample(clips, 17, seed=2)
    assert set(drawn) != set(other), "another seed gives the same clips: nothing is drawn at random"
    runs = (quadrant_of[drawn].to_numpy()[1:] != quadrant_of[drawn].to_numpy()[:-1]).sum()
    assert runs > 15, (
        "the clips come quadrant by quadrant; an annotator would notice: shuffle all of them"
    )


# %% tags=["wrong"]
# says: nothing is drawn at random
def draw_sample(clips, per_cell, seed):
    return clips.groupby("quadrant").head(per_cell)["clip_id"].to_numpy()


# %% tags=["wrong"]
# says: quadrant by quadrant
def draw_sample(clips, per_cell, seed):
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [
            rng.permutation(part["clip_id"].to_numpy())[:per_cell]
            for _, part in clips.groupby("quadrant")
        ]
    )


# %% tags=["wrong"]
# says: drawn twice
def draw_sample(clips, per_cell, seed):
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(part["clip_id"], size=per_cell) for _, part in clips.groupby("quadrant")]
    return rng.permutation(np.concatenate(drawn))


# %% [markdown]
# ## 3. Did agreement change? (medium)
#
# The same two people judge the same clips twice. Give a 95 % interval for the change in kappa. Draw
# recordings with replacement, and use *the same* drawn clips for both rounds.


# %% tags=["stub"]
def change(first_round, second_round, recording, n_boot=300, seed=42):
    """Low and high end for kappa of round 2 minus kappa of round 1.

    `first_round` and `second_round` are arrays [clips, 2]: one column per annotator.
    """
    rng = np.random.default_rng(seed)
    ...


# %% tags=["solution"]
def change(first_round, second_round, recording, n_boot=300, seed=42):
    rng = np.random.default_rng(seed)
    rows_of = [np.flatnonzero(recording == name) for name in np.unique(recording)]
    found = []
    for _ in range(n_boot):
        drawn = rng.integers(len(rows_of), size=len(rows_of))
        rows = np.concatenate([rows_of[i] for i in drawn])
        one, two = first_round[rows], second_round[rows]
        found.append(
            agreement.cohen_kappa(two[:, 0], two[:, 1])
            - agreement.cohen_kappa(one[:, 0], one[:, 1])
        )
    return np.nanpercentile(found, [2.5, 97.5])


# %% tags=["check"]
def check(change):
    rng = np.random.default_rng(2)
    recording = np.repeat([f"r{i:02d}" for i in range(12)], 8)
    mood = np.repeat(rng.integers(2, size=12), 8)
    noise = rng.random((96, 2)) < 0.15
    judged = np.where(noise, 1 - mood[:, None], mood[:, None])
    low, high = change(judged, judged.copy(), recording, n_boot=60)
    assert np.allclose([low, high], 0), (
        f"two equal rounds give [{low:.2f}, {high:.2f}] but nothing changed; draw the same clips "
        "for both rounds"
    )
    coins = rng.integers(2, size=(96, 2))
    low, high = change(judged, coins, recording, n_boot=60)
    assert low <= high, "the low end comes first"
    assert high < 0, (
        f"agreement fell from good to none, but your interval is [{low:.2f}, {high:.2f}]: round 2 "
        "minus round 1"
    )
    block = np.where((np.arange(12) % 3 == 0).repeat(8)[:, None], [[1, 0]], judged)
    low, high = change(judged, block, recording, n_boot=250)
    assert high - low > 0.42, (
        f"where whole recordings change, your interval is {high - low:.2f} wide: too narrow; you "
        "resampled clips; resample recordings"
    )


# %% tags=["wrong"]
# says: draw the same clips
def change(first_round, second_round, recording, n_boot=300, seed=42):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_boot):
        one, two = (
            rounds[rng.integers(len(rounds), size=len(rounds))]
            for rounds in (first_round, second_round)
        )
        found.append(
            agreement.cohen_kappa(two[:, 0], two[:, 1])
            - agreement.cohen_kappa(one[:, 0], one[:, 1])
        )
    return np.nanpercentile(found, [2.5, 97.5])


# %% tags=["wrong"]
# says: resample recordings
def change(first_round, second_round, recording, n_boot=300, seed=42):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_boot):
        rows = rng.integers(len(first_round), size=len(first_round))
        one, two = first_round[rows], second_round[rows]
        found.append(
            agreement.cohen_kappa(two[:, 0], two[:, 1])
            - agreement.cohen_kappa(one[:, 0], one[:, 1])
        )
    return np.nanpercentile(found, [2.5, 97.5])


# %% tags=["wrong"]
# says: minus round 1
def change(first_round, second_round, recording, n_boot=300, seed=42):
    rng = np.random.default_rng(seed)
    found = []
    names = np.unique(recording)
    for _ in range(n_boot):
        drawn = rng.choice(names, size=len(names))
        rows = np.concatenate([np.flatnonzero(recording == name) for name in drawn])
        one, two = first_round[rows], second_round[rows]
        found.append(
            agreement.cohen_kappa(one[:, 0], one[:, 1])
            - agreement.cohen_kappa(two[:, 0], two[:, 1])
        )
    return np.nanpercentile(found, [2.5, 97.5])


# %% [markdown]
# ## 4. Agreeing without agreeing (open)
#
# Make up two annotators who agree on at least nine clips in ten, and whose kappa is nevertheless
# below 0.1. What have they in common? Would you call them good annotators? Then look at what Gwet's
# AC1 (`agreement.gwet_ac1`) and raw agreement say of the same answers, and decide what you would
# report.


# %% tags=["stub"]
def paradox():
    """Two arrays of 0 and 1, of at least 50 clips, in which both answers occur."""
    ...


# %% tags=["solution"]
def paradox():
    first, second = np.ones(60, int), np.ones(60, int)
    first[:2], second[2:4] = 0, 0
    return first, second


# %% [markdown] tags=["solution"]
# Both give one answer nearly always. Chance alone then agrees nearly always, too, and kappa has
# nothing left to show. In the paper's quadrants the answers may be lopsided as well; so the book
# prints several coefficients.


# %% tags=["check"]
def check(paradox):
    first, second = (np.asarray(x) for x in paradox())
    assert first.shape == second.shape and len(first) >= 50, "give two arrays of at least 50 clips"
    assert set(first) == set(second) == {0, 1}, "each annotator must use both answers"
    same = (first == second).mean()
    assert same >= 0.9, f"they agree on {same:.0%} of the clips; make it at least 90 %"
    value = agreement.cohen_kappa(first, second)
    assert value < 0.1, (
        f"their kappa is {value:.2f}; make it less than 0.1: how could chance alone agree as often?"
    )


# %% tags=["wrong"]
# says: how could chance alone
def paradox():
    first = np.arange(60) % 2
    return first, np.where(np.arange(60) < 4, 1 - first, first)


# %% tags=["wrong"]
# says: make it at least 90 %
def paradox():
    return np.arange(60) % 2, np.arange(60) // 2 % 2

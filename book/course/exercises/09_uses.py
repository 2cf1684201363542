# ruff: noqa: E501, F811

# %% [markdown]
# # Exercises 9: what is it good for?
#
# A new signal must beat the best simple way, and a control of equal cost. All numbers here are simulated.

# %%
import numpy as np
import pandas as pd

from empdis_utils.measures import uncertainty
from empdis_utils.press.course import check

# %% [markdown]
# ## 1. One number for a flag (routine)
#
# Clips are kept from the surest on. The risk at each step is the error rate of the clips kept so far. The area under
# risk and coverage (AURC) is the mean of these risks.


# %% tags=["stub"]
def area(wrong, doubt):
    """AURC. `wrong` (0 or 1) and `doubt` have one entry per clip; no two doubts are equal."""
    ...


# %% tags=["solution"]
def area(wrong, doubt):
    kept = wrong[np.argsort(doubt)]
    return np.mean(np.cumsum(kept) / np.arange(1, len(kept) + 1))


# %% tags=["check"]
def check(area):
    wrong, doubt = np.array([1, 0, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4])
    got = area(wrong, doubt)
    assert not np.isclose(got, 0.5), (
        "that is the error rate at full coverage; take the mean over all coverages"
    )
    assert not np.isclose(got, (1 + 1 / 2 + 1 / 3 + 1 / 2) / 4 * 4), (
        "you summed the risks; take their mean"
    )
    assert np.isclose(got, (1 + 1 / 2 + 1 / 3 + 1 / 2) / 4), (
        f"for four clips by hand it is 0.583, you get {got:.3f}"
    )
    rng = np.random.default_rng(0)
    wrong, doubt = rng.integers(0, 2, 60), rng.random(60)
    assert np.isclose(area(wrong, doubt), uncertainty.risk_coverage(wrong, doubt)[1]), (
        "on 60 clips it is not the book's area: do you keep the clips with the least doubt first?"
    )


# %% tags=["wrong"]
# says: error rate at full coverage
def area(wrong, doubt):
    return wrong.mean()


# %% tags=["wrong"]
# says: keep the clips with the least doubt first
def area(wrong, doubt):
    kept = wrong[np.argsort(-doubt)]
    return np.mean(np.cumsum(kept) / np.arange(1, len(kept) + 1))


# %% [markdown]
# ## 2. The gain that counts (routine to medium)
#
# `scores` maps each method to its score, `roles` to "disagreement", "control" or "baseline". Give the gain of
# disagreement over the strongest baseline, above 0 for the better, whichever direction is better.


# %% tags=["stub"]
def gain(scores, roles, higher_is_better):
    """One number."""
    ...


# %% tags=["solution"]
def gain(scores, roles, higher_is_better):
    sign = 1 if higher_is_better else -1
    by_role = {"disagreement": [], "control": [], "baseline": []}
    for name, score in scores.items():
        by_role[roles[name]].append(sign * score)
    return by_role["disagreement"][0] - max(by_role["baseline"])


# %% tags=["check"]
def check(gain):
    roles = {"d": "disagreement", "c": "control", "b1": "baseline", "b2": "baseline"}
    got = gain({"d": 0.7, "c": 0.9, "b1": 0.5, "b2": 0.6}, roles, True)
    assert not np.isclose(got, 0.15), "you took the mean of the baselines; take the strongest"
    assert not np.isclose(got, -0.2), "the control is no baseline: it has a comparison of its own"
    assert np.isclose(got, 0.1), f"0.7 against 0.5 and 0.6 gains 0.1, you get {got:.2f}"
    got = gain({"d": 0.2, "c": 0.1, "b1": 0.3, "b2": 0.4}, roles, False)
    assert not np.isclose(got, -0.1), (
        "where lower is better, a lower score is a gain: turn the sign round"
    )
    assert not np.isclose(got, 0.2), "where lower is better, the strongest baseline is the lowest"
    assert np.isclose(got, 0.1), f"an error of 0.2 against 0.3 and 0.4 gains 0.1, you get {got:.2f}"


# %% tags=["wrong"]
# says: take the strongest
def gain(scores, roles, higher_is_better):
    sign = 1 if higher_is_better else -1
    simple = [score for name, score in scores.items() if roles[name] == "baseline"]
    return sign * (scores["d"] - np.mean(simple))


# %% tags=["wrong"]
# says: has a comparison of its own
def gain(scores, roles, higher_is_better):
    sign = 1 if higher_is_better else -1
    return sign * scores["d"] - max(sign * s for name, s in scores.items() if name != "d")


# %% tags=["wrong"]
# says: the strongest baseline is the lowest
def gain(scores, roles, higher_is_better):
    sign = 1 if higher_is_better else -1
    best = max(score for name, score in scores.items() if roles[name] == "baseline")
    return sign * (scores["d"] - best)


# %% [markdown]
# ## 3. Hard, or only of another kind? (medium)
#
# A stress set holds clips with much disagreement. Most of them are of low confidence, and such clips are hard anyway.
# In each stratum (clips of the same label and confidence), compare the accuracy outside the set with that inside. Weigh
# strata by how many clips of the *set* they hold. Every stratum has clips on both sides.


# %% tags=["stub"]
def matched_drop(right, in_set, stratum):
    """Accuracy of matched clips minus that of the set. Arrays with one entry per clip."""
    ...


# %% tags=["solution"]
def matched_drop(right, in_set, stratum):
    clips = pd.DataFrame({"right": right, "in_set": in_set, "stratum": stratum})
    by = clips.groupby(["stratum", "in_set"])["right"].mean().unstack()
    size = clips.groupby("stratum")["in_set"].sum()
    return np.average(by[False] - by[True], weights=size)


# %% tags=["check"]
def check(matched_drop):
    stratum = np.repeat([0, 1], 100)
    in_set = np.r_[np.arange(100) < 90, np.arange(100) < 10]
    right = np.r_[np.arange(100) % 10 < 5, np.arange(100) % 10 < 9].astype(float)
    got = matched_drop(right, in_set, stratum)
    assert not np.isclose(got, right[~in_set].mean() - right[in_set].mean()), (
        "clips of the set are as hard as others of their stratum, but you find a drop: compare inside strata"
    )
    assert np.isclose(got, 0), f"in each stratum both sides are equally hard, but you get {got:.2f}"
    right[:90] = 0
    got = matched_drop(right, in_set, stratum)
    assert not np.isclose(got, 0.25), "you weigh strata alike; weigh them by their clips in the set"
    assert np.isclose(got, 0.45), (
        f"the drop is 0.5 for 90 of the set's 100 clips: 0.45, you get {got:.2f}"
    )


# %% tags=["wrong"]
# says: compare inside strata
def matched_drop(right, in_set, stratum):
    return right[~in_set].mean() - right[in_set].mean()


# %% tags=["wrong"]
# says: you weigh strata alike
def matched_drop(right, in_set, stratum):
    clips = pd.DataFrame({"right": right, "in_set": in_set, "stratum": stratum})
    by = clips.groupby(["stratum", "in_set"])["right"].mean().unstack()
    return (by[False] - by[True]).mean()


# %% [markdown]
# ## 4. Shown, or not (open)
#
# You have the per-clip scores (higher is better) of disagreement, of its control and of the strongest baseline, and the
# recording of each clip. Draw whole recordings anew, 1000 times, and take the 2.5 and 97.5 percentiles of the two mean
# differences. Say "shown" if disagreement lies above the baseline *and* above the control, "not diagnostic" if it lies
# above the baseline only, else "not shown".


# %% tags=["stub"]
def verdict(disagreement, control, baseline, recording):
    """A word. Arrays with one entry per clip."""
    ...


# %% tags=["solution"]
def verdict(disagreement, control, baseline, recording):
    rng = np.random.default_rng(0)
    clips = pd.DataFrame(
        {"base": disagreement - baseline, "control": disagreement - control, "n": 1}
    )
    sums = clips.groupby(np.asarray(recording)).sum().to_numpy()
    drawn = sums[rng.integers(0, len(sums), (1000, len(sums)))].sum(axis=1)
    low = np.quantile(drawn[:, :2] / drawn[:, 2:], 0.025, axis=0)
    if low[0] <= 0:
        return "not shown"
    return "shown" if low[1] > 0 else "not diagnostic"


# %% tags=["check"]
def check(verdict):
    rng = np.random.default_rng(9)
    recording = np.repeat(np.arange(20), 30)
    noise = rng.normal(0, 0.1, (3, 600))
    base = 0.5 + noise[0]
    got = verdict(base + 0.2 + noise[1], base + noise[2], base, recording)
    assert got == "shown", f"disagreement beats both rivals by far, but you say {got!r}"
    got = verdict(base + 0.2 + noise[1], base + 0.2 + noise[2], base, recording)
    assert got == "not diagnostic", (
        f"the control gains as much, so it is not diagnostic; you say {got!r}"
    )
    own = np.linspace(-0.35, 0.5, 20)[recording]  # whole recordings differ, up and down
    got = verdict(base + own + noise[1], base + noise[2], base, recording)
    assert got == "not shown", (
        f"the gain goes up and down with whole recordings, but you say {got!r}: draw recordings, not clips"
    )


# %% tags=["wrong"]
# says: draw recordings, not clips
def verdict(disagreement, control, baseline, recording):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(baseline), (1000, len(baseline)))
    low = [
        np.quantile((disagreement - other)[rows].mean(axis=1), 0.025)
        for other in (baseline, control)
    ]
    if low[0] <= 0:
        return "not shown"
    return "shown" if low[1] > 0 else "not diagnostic"


# %% tags=["wrong"]
# says: so it is not diagnostic
def verdict(disagreement, control, baseline, recording):
    gain = pd.Series(disagreement - baseline).groupby(np.asarray(recording)).mean().to_numpy()
    rng = np.random.default_rng(0)
    low = np.quantile(gain[rng.integers(0, len(gain), (1000, len(gain)))].mean(axis=1), 0.025)
    return "shown" if low > 0 else "not shown"

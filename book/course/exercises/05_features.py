# ruff: noqa: E501, F811

# %% [markdown]
# # Exercises 5: what people hear and see
#
# Tests of many features on few recordings. The facial measurements are those of the book's synthetic
# clips: MediaPipe's values for a warped photograph.

# %%
import numpy as np
import pandas as pd
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from empdis_utils.data import corpora
from empdis_utils.measures import inference
from empdis_utils.press.course import check

data = corpora.load_fixture()
faces = pd.read_csv(data.root / "face_features.csv", dtype={"clip_id": str}).set_index("clip_id")
faces = faces.filter(regex=r"^proxy_AU\d+$").dropna(axis="columns", how="all")
recording = data.manifest.set_index("clip_id")["dialog_id"].loc[faces.index].to_numpy()
truth = data.truth.set_index("clip_id").loc[faces.index]
sign = truth["video_cue"].map({"supports": 1, "neutral": 0, "contradicts": -1})
says_empathetic = (sign * np.where(truth["label"] == "empathetic", 1, -1) > 0).to_numpy()

# %% [markdown]
# ## 1. Welch's test (routine)
#
# Two groups with means that may differ, and variances that may differ too. Give t, the degrees of
# freedom and the two-sided p. (The paper says "t-test", no more.)


# %% tags=["stub"]
def welch(a, b):
    """t (mean of a minus mean of b over its standard error), degrees of freedom, p."""
    ...


# %% tags=["solution"]
def welch(a, b):
    result = scipy_stats.ttest_ind(a, b, equal_var=False)
    return result.statistic, result.df, result.pvalue


# %% tags=["check"]
def check(welch):
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 1, size=12), rng.normal(0, 4, size=40)
    t, df, p = welch(a, b)
    assert df != 50, (
        "50 degrees of freedom are n1 + n2 - 2: that is Student's test, for equal variances"
    )
    share_a, share_b = a.var(ddof=1) / 12, b.var(ddof=1) / 40
    want_t = (a.mean() - b.mean()) / np.sqrt(share_a + share_b)
    assert not np.isclose(t, -want_t), "the sign of t is turned round: a minus b"
    biased = (a.mean() - b.mean()) / np.sqrt(a.var() / 12 + b.var() / 40)
    assert not np.isclose(t, biased), "variances of samples divide by n - 1: use ddof=1"
    assert np.isclose(t, want_t), f"t is {t:.3f} on made-up groups, which is not right"
    want_df = (share_a + share_b) ** 2 / (share_a**2 / 11 + share_b**2 / 39)
    assert np.isclose(df, want_df), "the degrees of freedom are not those of Welch-Satterthwaite"
    assert not np.isclose(p, scipy_stats.t.sf(abs(t), df)), "your p is one-sided"
    assert np.isclose(p, 2 * scipy_stats.t.sf(abs(t), df)), "p does not belong to this t and df"


# %% tags=["wrong"]
# says: Student's test
def welch(a, b):
    result = scipy_stats.ttest_ind(a, b)
    return result.statistic, result.df, result.pvalue


# %% tags=["wrong"]
# says: one-sided
def welch(a, b):
    result = scipy_stats.ttest_ind(a, b, equal_var=False)
    return result.statistic, result.df, scipy_stats.t.sf(abs(result.statistic), result.df)


# %% tags=["wrong"]
# says: ddof=1
def welch(a, b):
    t = (np.mean(a) - np.mean(b)) / np.sqrt(np.var(a) / len(a) + np.var(b) / len(b))
    return t, 20.0, 0.5


# %% [markdown]
# ## 2. Many tests (medium)
#
# Correct a family of p-values by Holm's method. Sort them; the smallest is multiplied by m, the next
# by m - 1, and so on; none may be smaller than the one before it, or larger than 1.


# %% tags=["stub"]
def holm(p):
    """Corrected p-values in the order of `p`, an array."""
    ...


# %% tags=["solution"]
def holm(p):
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    corrected = np.empty(len(p))
    corrected[order] = raised
    return corrected


# %% tags=["check"]
def check(holm):
    p = np.array([0.04, 0.01, 0.03, 0.30])
    got = np.asarray(holm(p))
    assert got.shape == p.shape, "give one value per test"
    assert not np.allclose(got, np.minimum(p * 4, 1)), (
        "every p is multiplied by the number of tests: that is Bonferroni; Holm's factor falls"
    )
    assert not np.allclose(got, [0.08, 0.04, 0.09, 0.30]), (
        "0.03 is corrected to more than 0.04 is: a corrected p may not be below the one before it"
    )
    assert not np.allclose(got, [0.04, 0.09, 0.09, 0.30]), (
        "the values come back sorted; give them in the order of the input"
    )
    assert np.allclose(got, [0.09, 0.04, 0.09, 0.30]), f"four made-up values give {got.round(3)}"
    assert holm(np.array([0.9, 0.8])).max() <= 1, "a p-value cannot exceed 1"
    many = np.random.default_rng(1).random(36) ** 3
    assert np.allclose(holm(many), multipletests(many, method="holm")[1]), "36 values: not Holm's"


# %% tags=["wrong"]
# says: that is Bonferroni
def holm(p):
    return np.minimum(p * len(p), 1)


# %% tags=["wrong"]
# says: in the order of the input
def holm(p):
    return np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1)).clip(max=1)


# %% tags=["wrong"]
# says: may not be below the one before it
def holm(p):
    return np.minimum(p * (len(p) - scipy_stats.rankdata(p, method="ordinal") + 1), 1)


# %% [markdown]
# ## 3. Shuffle inside recordings (medium)
#
# A permutation test asks: how large would the difference be if the groups meant nothing? To keep the
# recordings out of the answer, shuffle the group labels only among clips of the same recording.


# %% tags=["stub"]
def shuffle_inside(first, recording, rng):
    """The boolean array `first`, shuffled inside each recording. `rng` is a numpy Generator."""
    ...


# %% tags=["solution"]
def shuffle_inside(first, recording, rng):
    shuffled = first.copy()
    for name in np.unique(recording):
        inside = recording == name
        shuffled[inside] = rng.permutation(first[inside])
    return shuffled


# %% tags=["check"]
def check(shuffle_inside):
    rng = np.random.default_rng(3)
    first = says_empathetic.copy()
    before = first.copy()
    draws = [np.asarray(shuffle_inside(first, recording, rng)) for _ in range(200)]
    assert (first == before).all(), "you changed the labels that were passed in: copy them first"
    assert draws[0].dtype == bool, "give an array of True and False"
    counted = pd.Series(first).groupby(recording).sum()
    for draw in draws:
        now = pd.Series(draw).groupby(recording).sum()
        bad = counted.index[counted != now]
        assert bad.empty, (
            f"recording {bad[0]} had {counted[bad[0]]} clips of the first group and now has "
            f"{now[bad[0]]}: shuffle inside recordings"
        )
    assert any((draw != first).any() for draw in draws), "nothing was shuffled"
    share = np.mean(draws, axis=0)
    want = pd.Series(first).groupby(recording).transform("mean").to_numpy()
    assert np.abs(share - want).max() < 0.2, (
        "over many shuffles some clips stay in one group: every clip of a recording must get its "
        "turn; do you start from the same random state each time?"
    )


# %% tags=["wrong"]
# says: shuffle inside recordings
def shuffle_inside(first, recording, rng):
    return rng.permutation(first)


# %% tags=["wrong"]
# says: copy them first
def shuffle_inside(first, recording, rng):
    for name in np.unique(recording):
        first[recording == name] = rng.permutation(first[recording == name])
    return first


# %% tags=["wrong"]
# says: must get its turn
def shuffle_inside(first, recording, rng):
    rng = np.random.default_rng(0)
    shuffled = first.copy()
    for name in np.unique(recording):
        shuffled[recording == name] = rng.permutation(first[recording == name])
    return shuffled


# %% [markdown]
# ## 4. Which features carry the cue? (open)
#
# We planted a facial cue in the synthetic clips. Write a function that claims which columns of a
# table of features differ between two groups of clips. Use any test, and any correction. It is tried
# on the real measurements, and on twenty tables of pure noise: a sound procedure claims something on
# one noise table in twenty. Then try it on the acoustic features of your own run of chapter 05.


# %% tags=["stub"]
def claim(features, first, recording):
    """Names of the columns that differ. `first` and `recording` are arrays, one entry per row."""
    ...


# %% tags=["solution"]
def claim(features, first, recording):
    table = inference.permutation_test(features, first, groups=recording, n_perm=999)
    corrected = table["p_permutation"] * len(table)  # Bonferroni; Holm's is never worse
    return table.loc[corrected < 0.05, "feature"].tolist()


# %% tags=["check"]
def check(claim):
    noise = np.random.default_rng(7)
    claims = 0
    for _ in range(20):
        table = pd.DataFrame(noise.normal(size=faces.shape), faces.index, faces.columns)
        claims += len(claim(table, says_empathetic, recording)) > 0
    assert claims <= 5, (
        f"on {claims} of 20 tables of pure noise you claim a difference; with {faces.shape[1]} "
        "tests some p are small by chance: correct for their number"
    )
    found = set(claim(faces, says_empathetic, recording))
    assert found <= set(faces.columns), "give names of columns"
    assert "proxy_AU12" in found, (
        "you miss the strongest planted cue: the test has too little power"
    )
    blind = found & {"proxy_AU45", "proxy_AU26"}
    assert not blind, f"{', '.join(sorted(blind))} was drawn blind to the cue, yet you claim it"
    level = faces.assign(level=pd.Series(recording, faces.index).str[2:].astype(float))
    own = level["level"].to_numpy() % 2 == 0
    lopsided = own ^ (np.random.default_rng(1).random(len(own)) < 0.2)
    leaning = pd.Series(lopsided, faces.index).groupby(recording).transform("mean")
    assert "level" not in claim(level.assign(level=leaning), lopsided, recording), (
        "you claim a column that is constant inside each recording: it tells recordings apart, not "
        "the groups within them"
    )


# %% tags=["wrong"]
# says: correct for their number
def claim(features, first, recording):
    p = scipy_stats.ttest_ind(features[first], features[~first], equal_var=False).pvalue
    return features.columns[p < 0.05].tolist()


# %% tags=["wrong"]
# says: constant inside each recording
def claim(features, first, recording):
    p = scipy_stats.ttest_ind(features[first], features[~first], equal_var=False).pvalue
    return features.columns[p * len(p) < 0.05].tolist()


# %% tags=["wrong"]
# says: too little power
def claim(features, first, recording):
    return []

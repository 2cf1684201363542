"""Tests of `empdis_utils.controls.simulation`. Each test names its oracle."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from empdis_utils.controls import simulation
from empdis_utils.controls.simulation import Design
from empdis_utils.data.tables import MODALITIES
from empdis_utils.measures import conflict

sys.path.insert(0, str(Path(__file__).parents[2] / "fixture"))

import make_fixture

MANY = Design(n_recordings=200)
PAIRS = [("opposition", "seed share")]


def drawn(design=MANY, seed=0):
    return simulation.draw(design, np.random.default_rng(seed))


# ------------------------------------------------------------------ the generator


def test_constants_are_the_generators():
    """Oracle: tests/fixture/make_fixture.py."""
    assert simulation.STRENGTH == make_fixture.STRENGTH
    assert simulation.BASE_RATES == make_fixture.BASE_RATES
    for modality, carriers in simulation.CARRIERS.items():
        for name, (effect, between) in carriers.items():
            push, within = make_fixture.CARRIERS[f"{modality}_{name}"]
            assert effect == pytest.approx(push / within)
            if name != "pitch_st":  # its spread is that of the voices
                own = make_fixture.RECORDING_SPREAD.get(f"{modality}_{name}", 0.0)
                assert between == pytest.approx(own / within)


@pytest.fixture(scope="module")
def generated():
    """Clips as the generator draws them, before it renders anything: 120 recordings."""
    rows = []
    for i in range(120):
        recording = make_fixture.draw_recording(7, i)
        rows += make_fixture.draw_clips(recording, 7, i, 10)
    return pd.DataFrame(rows)


def test_cues_are_drawn_as_the_generator_draws_them(generated):
    """Oracle: clips of the generator: shares of kinds, of wordings, strengths."""
    corpus = drawn()
    assert corpus.conflict.mean() == pytest.approx((generated["kind"] == "conflict").mean())
    silent = (corpus.direction == 0).all(axis=1)
    assert silent.mean() == pytest.approx((generated["kind"] == "no_cue").mean())
    label = 2 * corpus.y - 1
    for m, modality in enumerate(MODALITIES):
        odd = corpus.odd_one_out[:, m]
        assert odd.mean() == pytest.approx((generated["contradicting"] == modality).mean())
        assert (corpus.direction[odd, m] == -label[odd]).all()
        for chosen, theirs in (
            (odd, generated["contradicting"] == modality),
            (corpus.direction[:, m] == label, generated[f"{modality}_cue"] == "supports"),
        ):
            ours, made = corpus.strength[chosen, m], generated.loc[theirs, f"{modality}_strength"]
            assert ours.mean() == pytest.approx(made.mean(), abs=0.05)
            assert ours.std() == pytest.approx(made.std(), abs=0.03)
    wording = corpus.signal["text"][:, 0] * corpus.direction[:, 0]
    made = np.sign(generated["text_n_cue_slots"] - generated["text_n_slips"])
    for sign in (-1, 0, 1):
        assert (wording == sign).mean() == pytest.approx((made == sign).mean(), abs=0.02)


def test_carriers_move_and_spread_as_the_generators(generated):
    """Oracle: least squares of the generator's parameters on direction times strength."""
    corpus = drawn()
    sign = generated["label"].map({"empathetic": 1, "neutral": -1})
    cue = {"supports": 1, "neutral": 0, "contradicts": -1}
    for m, modality in ((1, "audio"), (2, "video")):
        push = corpus.direction[:, m] * corpus.strength[:, m]
        theirs = sign * generated[f"{modality}_cue"].map(cue) * generated[f"{modality}_strength"]
        for column, name in enumerate(simulation.CARRIERS[modality]):
            if name == "pitch_st":
                continue
            within = make_fixture.CARRIERS[f"{modality}_{name}"][1]
            ours = sps.linregress(push, corpus.signal[modality][:, column])
            made = sps.linregress(theirs, generated[f"{modality}_{name}"] / within)
            assert ours.slope == pytest.approx(made.slope, abs=4 * (ours.stderr + made.stderr))
            left = (
                np.std(corpus.signal[modality][:, column] - ours.slope * push),
                np.std(generated[f"{modality}_{name}"] / within - made.slope * theirs),
            )
            assert left[0] == pytest.approx(left[1], rel=0.15)


def test_label_is_the_majority_but_for_the_share_that_is_asked_for():
    """Oracle: counts of cues."""
    for minority in (0.0, 0.25, 1.0):
        corpus = drawn(Design(n_recordings=400, minority=minority))
        majority = np.sign(corpus.direction.sum(axis=1))
        wrong = majority[corpus.conflict] != 2 * corpus.y[corpus.conflict] - 1
        assert wrong.mean() == pytest.approx(minority, abs=0.04)
        assert corpus.odd_one_out.sum(axis=1)[corpus.conflict].max() == 1
        with_cue = ~corpus.conflict & (corpus.direction != 0).any(axis=1)
        assert (majority[with_cue] == 2 * corpus.y[with_cue] - 1).all()


def test_design_is_what_is_drawn():
    """Oracle: the design's own numbers."""
    corpus = drawn(Design(n_recordings=300, conflict=0.6, no_cue=0.0, absent=0.2, odd=(0.9, 1.0)))
    assert (corpus.direction == 0).mean() == pytest.approx(0.2, abs=0.02)
    whole = (corpus.direction != 0).all(axis=1)
    assert corpus.conflict[whole].mean() == pytest.approx(0.6, abs=0.03)
    contradicts = corpus.direction == -(2 * corpus.y - 1)[:, None]
    assert corpus.strength[contradicts].min() >= 0.9
    none = drawn(Design(n_recordings=50, conflict=0.0))
    assert not none.conflict.any() and not none.odd_one_out.any()


# ------------------------------------------------------------------ the models


@pytest.mark.parametrize("ridge", [0.1, 1.0, 10.0])
def test_logistic_is_scikit_learns(ridge):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 120, 5)), (rng.random(120) < 0.4).astype(int)
    weights = rng.integers(0, 3, size=(3, 120)).astype(float)
    found = simulation.logistic(x, y, weights, ridge)
    for b in range(3):
        model = LogisticRegression(C=1 / ridge, max_iter=1000, tol=1e-10)
        expected = model.fit(x[b], y, sample_weight=weights[b]).predict_proba(x[b])[:, 1]
        np.testing.assert_allclose(found[b], expected, atol=1e-6)


def test_logistic_of_separable_clips_stays_finite():
    x = np.linspace(-3, 3, 40)[None, :, None]
    p = simulation.logistic(x, (x[0, :, 0] > 0).astype(int), np.ones((1, 40)), 0.01)
    assert np.isfinite(p).all() and (np.diff(p[0]) >= 0).all()


def test_predictions_are_out_of_fold():
    """Oracle: where no clip has a cue, nothing can be known of a recording that was held out."""
    rng = np.random.default_rng(5)
    right = []
    for _ in range(20):
        corpus = simulation.draw(Design(conflict=0.0, no_cue=1.0), rng)
        p = simulation.predict(corpus, rng, n_seeds=2)["text+audio+video"]
        right.append(((p > 0.5) == corpus.y).mean())
    assert abs(np.mean(right) - 0.5) < 3 * np.std(right) / np.sqrt(20) + 0.02


def test_a_draw_depends_on_its_number_only():
    one = [p["text"] for _, p in simulation.draws(Design(), 3, 9, n_seeds=2)]
    two = [p["text"] for _, p in simulation.draws(Design(), 2, 9, n_seeds=2)]
    np.testing.assert_array_equal(one[1], two[1])
    assert not np.array_equal(one[0], one[1])


# ------------------------------------------------------------------ studies


def test_recovery_is_scikit_learns_auroc_on_the_same_clips():
    table = simulation.recovery(
        Design(), n_draws=2, seed=3, modalities=("text", "any"), pairs=PAIRS
    )
    for k, (corpus, p) in enumerate(simulation.draws(Design(), 2, 3)):
        found = conflict.scores(p, MODALITIES)
        for modality in ("text", "any"):
            yes, no = simulation.planted(corpus, modality)
            part = table[(table["draw"] == k) & (table["modality"] == modality)].set_index("score")[
                "auroc"
            ]
            expected = {
                name: roc_auc_score(yes[yes | no], values[yes | no])
                for name, values in found[modality].items()
            }
            for name, value in expected.items():
                assert part[name] == pytest.approx(value)
            if modality == "any":
                odd = corpus.odd_one_out[corpus.conflict]
                values = np.column_stack([found[m]["opposition"] for m in MODALITIES])
                top = values[corpus.conflict].argmax(axis=1)
                named = table[(table["draw"] == k) & (table["modality"] == "any")]
                named = named.set_index("score")["named"]
                assert named["opposition"] == pytest.approx(odd[np.arange(len(odd)), top].mean())
                assert named["entropy"] == pytest.approx(1 / 3)  # the same for all modalities
            gap = expected["opposition"] - expected["seed share"]
            assert part["opposition - seed share"] == pytest.approx(gap)


def test_false_alarms_without_conflict_are_as_rare_as_stated():
    """Oracle: the nominal level. Nothing is planted, so one interval in twenty misses chance."""
    null = simulation.recovery(
        Design(conflict=0.0), n_draws=120, seed=11, pairs=PAIRS, n_boot=300, sham=True, n_seeds=3
    )
    for score in ("opposition", "red or green", "opposition - seed share"):
        row = simulation.shares(null).set_index("score").loc[score]
        alarms = round((row["above"] + row["below"]) * row["n_intervals"])
        assert row["n_intervals"] == 120
        assert sps.binomtest(alarms, 120, 0.05).pvalue > 0.01, (score, alarms)


def test_power_grows_with_recordings_and_with_strength():
    """Oracle: reason. More recordings and stronger cues do not make a conflict harder to find."""

    def power(score, **design):
        table = simulation.recovery(Design(**design), n_draws=15, seed=4, n_boot=200, n_seeds=3)
        return simulation.shares(table).set_index("score").loc[score]

    few, many = (power("Jensen-Shannon", n_recordings=n) for n in (8, 48))
    assert few["above"] < many["above"] == 1
    weak, strong = (power("opposition", odd=odd) for odd in ((0.1, 0.3), (0.8, 1.0)))
    assert weak["mean"] < strong["mean"] - 0.03


def test_new_recordings_keep_their_spread():
    """Subsamples of sixteen recordings cannot differ when all sixteen are drawn; new ones do.

    Oracle: models that learn from more recordings are better, too, so the spread falls at least
    with the root of their number; it does not fall to 0.
    """
    sd = {
        n: simulation.recovery(Design(n_recordings=n), n_draws=40, seed=6, n_seeds=2)
        .query("score == 'opposition'")["auroc"]
        .std()
        for n in (8, 16, 32)
    }
    assert sd[8] > sd[16] > sd[32] > 0.005
    assert sd[8] / sd[32] > 1.4


def test_opposition_beats_the_flag_on_fresh_draws():
    """What chapter 09 says, on draws that it does not use."""
    table = simulation.recovery(Design(), n_draws=20, seed=77, pairs=PAIRS)
    gain = table.query("score == 'opposition - seed share'")["auroc"]
    assert (gain > 0).mean() >= 0.9 and gain.mean() > 0.03


def test_verdicts_follow_their_intervals():
    corpus, p = next(iter(simulation.draws(Design(), 1, 2)))
    table = simulation.verdicts(p, corpus.y, corpus.recording, corpus.conflict, n_boot=300)
    assert table["rule"].is_unique and len(table) == 13
    for row in table.itertuples():
        expected = "too little data"
        expected = "supported" if row.ci_low > row.reference else expected
        expected = "contradicted" if row.ci_high < row.reference else expected
        assert row.verdict == expected
    found = table.set_index("rule")["estimate"]
    score = conflict.scores(p, MODALITIES)["any"]["opposition"]
    assert found["opposition finds conflicts"] == pytest.approx(
        roc_auc_score(corpus.conflict, score)
    )
    mean = {name: rows.mean(axis=0) for name, rows in p.items()}
    full = mean["text+audio+video"]
    unsure = -(full * np.log(full) + (1 - full) * np.log(1 - full))
    off = np.array([(mean[m] > 0.5) != (full > 0.5) for m in MODALITIES])
    gap = np.tile(unsure, (3, 1))[off].mean() - np.tile(unsure, (3, 1))[~off].mean()
    assert found["fusion is less sure of red and green"] == pytest.approx(gap)


def test_same_verdict_counts_pairs_of_draws():
    """Oracle: by hand: of six pairs of four draws, three of the kind "supported" agree."""
    said = ["supported", "supported", "supported", "too little data"]
    table = pd.DataFrame({"rule": "r", "draw": range(4), "verdict": said})
    row = simulation.same_verdict(table).iloc[0]
    assert row["same"] == 0.5 and row["supported"] == 0.75 and row["too little data"] == 0.25
    with pytest.raises(ValueError, match="two draws or more"):
        simulation.same_verdict(table.head(1))


def test_the_surrogate_is_held_against_its_own_kind():
    """Oracle: a corpus of the same design lies inside for most numbers; a coin does not."""
    design = Design()
    corpus, p = next(iter(simulation.draws(design, 1, 99, n_seeds=3)))
    odd = dict(zip(MODALITIES, corpus.odd_one_out.T, strict=True)) | {"any": corpus.conflict}
    how = dict(n_draws=20, seed=1)
    check = simulation.surrogate_check(design, p, corpus.y, odd, **how).set_index("number")
    assert check["inside"].mean() > 0.6
    assert (check["role"] == "set").sum() == 6
    text = ((p["text"] > 0.5) == corpus.y).mean()
    assert check.loc["accuracy, text", "rendered"] == pytest.approx(text)
    coin = {name: np.random.default_rng(0).random(rows.shape) for name, rows in p.items()}
    other = simulation.surrogate_check(design, coin, corpus.y, odd, **how).set_index("number")
    assert not other.loc["accuracy, text+audio+video", "inside"]


def test_factors_are_crossed_and_averaged():
    """Oracle: counting, and pandas' mean over the other factors."""
    how = dict(n_draws=2, seed=3, n_seeds=2)
    table = simulation.crossed(Design(n_recordings=6), (0.8, 1.0), (0.1, 0.3), **how)
    assert len(table) == 16 * len(simulation.KEPT)
    lines = simulation.main_effects(table).set_index(["factor", "level", "score"])["mean"]
    odd = table[(table["odd one out"] == "weak") & (table["score"] == "opposition")]
    assert lines["odd one out", "weak", "opposition"] == pytest.approx(odd["mean"].mean())
    levels = lines.loc["others"].index.get_level_values("level").unique().tolist()
    assert levels == ["weak", "strong"]
    assert len(lines) == 4 * 2 * len(simulation.KEPT)


def test_the_size_that_is_needed_is_the_first_from_which_on_all_have_power():
    """Oracle: by hand."""
    table = pd.DataFrame({"score": "a", "recordings": [8, 16, 32], "power": [0.9, 0.5, 0.85]})
    assert simulation.recordings_needed(table, "a").startswith("32 recordings (80% power")
    assert simulation.recordings_needed(table.head(2), "a") == "more than 16 recordings"
    assert simulation.recordings_needed(table.head(1), "a").startswith("8 ")
    found = simulation.sample_sizes(
        Design(), [6, 8], ["opposition"], n_draws=2, seed=1, n_boot=50, n_seeds=2
    )
    assert found["recordings"].tolist() == [6, 8] and found["power"].notna().all()


def test_alarms_are_intervals_that_leave_out_chance():
    """Oracle: by hand: of three intervals one lies above chance, of two differences none."""
    null = pd.DataFrame(
        {"score": ["a", "a", "a", "a", "a - b", "a - b"], "auroc": 0.5,
         "ci_low": [0.6, 0.4, 0.3, np.nan, -0.1, -0.2],
         "ci_high": [0.7, 0.6, 0.6, np.nan, 0.1, 0.1]}
    )  # fmt: skip
    found = simulation.false_alarms(null).set_index("score")
    assert found["n_draws"].to_dict() == {"a": 3, "a - b": 2}
    assert found["false alarms"].to_dict() == pytest.approx({"a": 1 / 3, "a - b": 0})


def test_stability_sets_the_rendered_verdict_beside_the_draws():
    design = Design(n_recordings=8)
    corpus, p = next(iter(simulation.draws(design, 1, 5, n_seeds=2)))
    how = dict(n_boot=50, seed=5)
    here = corpus.y, corpus.recording, corpus.conflict
    table = simulation.stability(design, p, *here, n_draws=2, **how).set_index("rule")
    own = simulation.verdicts(p, *here, **how).set_index("rule")["verdict"]
    assert table["rendered"].to_dict() == own.to_dict()
    assert (table["n_draws"] == 2).all() and table["same"].isin([0, 1]).all()

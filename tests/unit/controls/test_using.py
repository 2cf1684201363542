"""`controls.using`. Oracle: means by hand, numpy, and data whose gain is planted or absent."""

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from empdis_utils.controls import using
from empdis_utils.data import tables

ROLES = {"d": using.DISAGREEMENT, "c": using.CONTROL, "b1": using.BASELINE, "b2": using.BASELINE}
GROUPS = np.repeat(np.arange(12), 20)


def values(*means, seed=0, spread=0.1):
    """Per-clip values [methods, 1, n] around these means; recordings differ, alike for all."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, spread, 12)[GROUPS]
    own = rng.normal(0, spread, (len(means), len(GROUPS)))
    return (np.array(means)[:, None] + shared + own)[:, None]


def measured(per_clip, methods=ROLES, way="higher", **how):
    return using.measured(
        "abstain", "toy", methods, {"m": way}, using.mean_of(per_clip), groups=GROUPS, seeds=3,
        n_boot=400, **how,
    )  # fmt: skip


def test_gains_are_differences_of_means_to_the_best_baseline():
    per_clip = values(0.7, 0.6, 0.4, 0.5)
    scores, gains = measured(per_clip)
    mean = per_clip[:, 0].mean(axis=1)
    assert scores["score"].to_numpy() == pytest.approx(mean)
    row = gains.iloc[0]
    assert row["strongest"] == "b2"
    assert row["gain"] == pytest.approx(mean[0] - mean[3])
    assert row["control_gain"] == pytest.approx(mean[1] - mean[3])
    assert row["over_control"] == pytest.approx(mean[0] - mean[1])
    assert row["n_recordings"] == 12 and row["seeds"] == 3
    tables.check(scores, "uses")
    tables.check(gains, "use_gains")


def test_the_smaller_is_the_better_where_the_measure_says_so():
    row = measured(values(0.2, 0.3, 0.4, 0.5), way="lower")[1].iloc[0]
    assert row["strongest"] == "b1" and row["gain"] > 0 and row["over_control"] > 0
    assert row["verdict"] == using.SHOWN


def test_a_planted_signal_is_shown_and_a_second_opinion_alone_is_not_diagnostic():
    assert measured(values(0.8, 0.6, 0.5, 0.5))[1]["verdict"].item() == "shown"
    assert measured(values(0.8, 0.8, 0.5, 0.5))[1]["verdict"].item() == "not diagnostic"
    assert measured(values(0.3, 0.8, 0.5, 0.5))[1]["verdict"].item() == "worse"


def test_without_any_effect_most_intervals_hold_zero():
    """Oracle: the nominal level. The best of two equal baselines is chosen, so gains lie lower."""
    rows = [measured(values(0.5, 0.5, 0.5, 0.5, seed=s))[1].iloc[0] for s in range(40)]
    held = [row["over_control_low"] <= 0 <= row["over_control_high"] for row in rows]
    assert sum(held) >= 34
    assert sum(row["verdict"] == using.SHOWN for row in rows) <= 1


def test_pairing_takes_out_what_recordings_share():
    alike = measured(values(0.55, 0.5, 0.5, 0.5, spread=0.02))[1].iloc[0]
    scores = measured(values(0.55, 0.5, 0.5, 0.5, spread=0.02))[0].iloc[0]
    assert alike["gain_high"] - alike["gain_low"] < scores["ci_high"] - scores["ci_low"]


def test_without_a_control_gains_stand_and_nothing_is_shown():
    methods = {k: v for k, v in ROLES.items() if k != "c"}
    row = measured(values(0.9, 0.4, 0.5), methods)[1].iloc[0]
    assert row["gain_low"] > 0 and np.isnan(row["control_gain"]) and np.isnan(row["over_control"])
    assert row["verdict"] == "not diagnostic"


@pytest.mark.parametrize("methods", [{"d": "disagreement"}, {"b1": "baseline"}])
def test_sides_that_are_missing_are_refused(methods):
    with pytest.raises(ValueError, match="one disagreement and one baseline"):
        measured(values(*[0.5] * len(methods)), methods)


def test_of_several_controls_the_best_counts():
    methods = ROLES | {"c2": using.CONTROL}
    row = measured(values(0.8, 0.6, 0.4, 0.5, 0.7), methods)[1].iloc[0]
    assert row["control"] == "c2" and row["over_control"] == pytest.approx(0.1, abs=0.05)
    assert row["over_control"] == pytest.approx(row["gain"] - row["control_gain"])


def by_recording(per_clip, n_seeds=2):
    """Means of `per_clip` [methods, 1, n] by recording, the same for every seed."""
    rows = [
        {"use": "abstain", "method": m, "role": role, "measure": "m", "seed": s, "recording": r,
         "score": per_clip[k, 0, GROUPS == r].mean(), "n": 20}
        for k, (m, role) in enumerate(ROLES.items()) for s in range(n_seeds) for r in range(12)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_means_by_recording_give_the_gains_of_their_clips():
    per_clip = values(0.7, 0.6, 0.4, 0.5)
    whole = measured(per_clip)[1]
    table = by_recording(per_clip)
    got = using.of_recordings(table, {"m": "higher"}, corpus="toy", n_boot=400)[1]
    same = [*using.GAINS, "gain_low", "gain_high", "over_control_low", "n", "n_recordings"]
    assert got[same].to_numpy() == pytest.approx(whole[same].to_numpy())
    assert got["seeds"].item() == 2 and got["strongest"].item() == "b2"


def test_a_recording_that_a_seed_did_not_draw_weighs_nothing_there():
    table = by_recording(values(0.7, 0.6, 0.4, 0.5))
    part = table[(table["seed"] == 0) | (table["recording"] != 3)]
    scores, _ = using.of_recordings(part, {"m": "higher"}, corpus="toy", n_boot=100)
    own = part[part["method"] == "d"]
    expected = own.groupby("seed")["score"].mean().mean()
    assert scores["score"].iloc[0] == pytest.approx(expected)


def test_too_few_recordings_have_no_interval_and_say_so():
    few = np.repeat(np.arange(3), 80)
    row = using.measured(
        "abstain", "toy", ROLES, {"m": "higher"}, using.mean_of(values(1, 0, 0, 0)), groups=few,
        seeds=1, n_boot=100,
    )[1].iloc[0]  # fmt: skip
    assert row["status"] == "too_few" and "n=3" in row["reason"]
    assert np.isnan(row["gain_low"]) and row["verdict"] == "not shown"


probabilities = arrays(float, (4, 3), elements=st.floats(0.01, 1)).map(
    lambda x: x / x.sum(axis=1, keepdims=True)
)


@given(probabilities, probabilities, probabilities)
def test_distance_is_a_metric_between_zero_and_one(p, q, r):
    d = using.distance(p, q)
    assert ((d >= 0) & (d <= 1 + 1e-12)).all()
    assert d == pytest.approx(using.distance(q, p))
    assert (d <= using.distance(p, r) + using.distance(r, q) + 1e-12).all()
    assert using.distance(np.eye(3)[0], p) == pytest.approx(1 - p[:, 0])


def test_mean_of_looks_only_inside():
    per_clip = np.arange(6.0).reshape(1, 1, 6)
    inside = np.array([[True, False, True, False, False, True]])
    weights = np.array([[1, 1, 1, 1, 1, 1.0], [2, 5, 0, 0, 0, 1]])
    got = using.mean_of(per_clip, inside)(weights)[:, 0, 0]
    assert got == pytest.approx([np.mean([0, 2, 5]), np.average([0, 5], weights=[2, 1])])


def compared(n_seeds=4, n=30):
    rng = np.random.default_rng(1)
    rows = [
        {"clip_id": f"c{i}", "inputs": name, "source": "fusion", "seed": s, "fold": 0,
         "split": "test", "y": i % 2, "p": rng.random(), "role": role}
        for name, role in [("text", "unimodal"), ("audio", "unimodal"), ("text+audio", "fusion")]
        for s in range(n_seeds) for i in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_networks_are_held_against_as_many_retrainings():
    table = compared()
    trained = using.Trained.of(table)
    wide = table.pivot(index=["seed", "clip_id"], columns="inputs", values="p")
    apart = wide[["text", "audio"]].sub(wide["text+audio"], axis=0).abs().mean(axis=1)
    expected = apart.unstack()[list(trained.models.clips)].to_numpy()
    assert trained.cross_modal() == pytest.approx(expected)
    fused = wide["text+audio"].unstack()[list(trained.models.clips)].to_numpy()
    expected = (np.abs(fused[0] - fused[1]) + np.abs(fused[0] - fused[2])) / 2
    assert trained.budget() == 2 and trained.note() == ""
    assert trained.retrained()[0] == pytest.approx(expected)


def test_a_budget_that_seeds_do_not_allow_is_named():
    assert using.Trained.of(compared(1)).retrained() is None
    assert "too few seeds" in using.Trained.of(compared(1)).note()
    assert using.Trained.of(compared(2)).note().startswith("the control has 1 retraining")
    assert using.Trained.of(compared(3)).budget(spare=1) == 1


def test_networks_of_any_source_are_found():
    table = compared()
    heads = table["role"].eq("unimodal")
    table["source"] = np.where(heads, "finetuned", "fusion")
    assert len(using.Trained.of(table).single) == 2


def test_the_book_declares_its_uses_with_a_date_before_the_results():
    uses = using.declared()
    assert {"abstain", "stress", "label_repair", "adaptive"} <= set(uses)
    for use in uses.values():
        assert use["direction"] in using.SIGN and use["baselines"] and use["secondary"]


def test_uses_are_described_in_a_row_each():
    uses = using.declared()
    table = using.described(uses)
    assert list(table.index) == [use["title"] for use in uses.values()]
    row = table.loc[uses["abstain"]["title"]]
    assert row["measure"].startswith("AURC (lower is better). Mean error rate")
    assert row["baselines"].split(", ") == uses["abstain"]["baselines"]


def test_an_entry_that_lacks_a_key_is_named(tmp_path):
    path = tmp_path / "uses.yml"
    path.write_text(yaml.safe_dump({"uses": {"mine": {"title": "x"}}}))
    with pytest.raises(ValueError, match="use mine lacks question, corpora"):
        using.declared(path)


def test_an_unknown_direction_is_refused(tmp_path):
    use = using.declared()["abstain"] | {"direction": "up"}
    path = tmp_path / "uses.yml"
    path.write_text(yaml.safe_dump({"uses": {"mine": use}}))
    with pytest.raises(ValueError, match="higher or lower"):
        using.declared(path)


def test_absent_uses_keep_their_row_and_join():
    scores, gains = using.joined(
        [using.absent("adaptive", "toy", "accuracy", "why"), measured(values(1, 0, 0, 0))]
    )
    assert set(scores["use"]) == {"abstain"}
    assert gains["reason"].tolist()[0] == "why" and np.isnan(gains["gain"].iloc[0])
    tables.check(gains, "use_gains")


def test_points_are_hundredths_of_primary_rows():
    _, gains = measured(values(0.7, 0.6, 0.4, 0.5))
    both = pd.concat([gains, gains.assign(measure="other", primary=False)])
    points = using.in_points(both)
    assert len(points) == 1 and points["gain"].item() == pytest.approx(100 * gains["gain"].item())

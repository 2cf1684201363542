"""`controls.uses`. Oracle: the studies called by hand, and what a run does not have."""

import numpy as np
import pandas as pd
import pytest
import yaml

from empdis_utils.controls import annotators, curriculum, label_repair, stress, uses, using
from empdis_utils.data import corpora, tables
from empdis_utils.press import parameters

# of crowd-kit, on pandas 3
pytestmark = pytest.mark.filterwarnings("ignore:The (inplace|copy) keyword:DeprecationWarning")
N = 120


def manifest(**more):
    about = {
        "clip_id": [f"c{i:03}" for i in range(N)],
        "dialog_id": [f"r{i // 12}" for i in range(N)],
        "transcript": [f"well {i % 7} thing {i % 3}" for i in range(N)],
        "label": np.where(np.arange(N) % 2, "yes", "no"),
        "y": np.arange(N) % 2,
    }
    return pd.DataFrame(about | more)


def compared(n_seeds=3):
    rng, rows = np.random.default_rng(0), []
    for s in range(n_seeds):
        for name in ("text", "audio", "text+audio"):
            rows.append(pd.DataFrame({
                "clip_id": manifest()["clip_id"], "inputs": name, "source": "fusion", "seed": s,
                "fold": 0, "split": "test", "y": np.arange(N) % 2, "p": rng.random(N),
                "role": "fusion" if "+" in name else "unimodal",
            }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def given(**what):
    lacking = dict.fromkeys(("compared", "predictions", "validation", "votes"))
    return uses.Given(**{"corpus": "toy", "manifest": manifest(), "views": {}, **lacking, **what})


def test_a_use_is_the_study_called_by_hand():
    got = uses.measure("stress", given(compared=compared()), n_boot=100)
    by_hand = stress.study(compared(), corpus="toy", dialog=given().dialog, n_boot=100, seed=42)
    for one, other in zip(got, by_hand, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_label_repair_takes_features_before_given_probabilities():
    features = {m: np.random.default_rng(k).normal(size=(N, 3)) for k, m in enumerate("ab")}
    both = given(compared=compared(), views=features)
    notes = [uses.measure("label_repair", one, n_seeds=1, n_boot=100)[1]["note"].iloc[0]
             for one in (both, given(compared=compared()))]  # fmt: skip
    assert notes[0] == "" and notes[1].startswith("labels were flipped after")


def test_two_readings_of_one_modality_are_called_so():
    features = {m: np.random.default_rng(k).normal(size=(N, 3)) for k, m in enumerate("ab")}
    text = {f"text {name}": x for name, x in features.items()}
    note = uses.measure("label_repair", given(views=text), n_seeds=1, n_boot=100)[1]["note"].iloc[0]
    assert note == uses.TWO_READINGS


def test_votes_are_asked_of_clips_that_have_enough_and_the_others_are_counted():
    rng, whole = np.random.default_rng(1), manifest()
    votes = pd.concat(
        whole[["clip_id"]].assign(modality=m, n=n, A=rng.binomial(n, 0.8 - 0.6 * whole["y"]))
        for m, n in (("audio", 6), ("video", 6), ("audio+video", 10))
    ).assign(B=lambda t: t["n"] - t["A"], status="ok", reason="")
    votes.loc[votes["clip_id"].eq("c003") & votes["modality"].eq("audio"), ["A", "B"]] = 1
    scores, gains = uses.measure("label_repair", given(votes=votes), n_seeds=1, n_boot=100)
    assert gains["n"].iloc[0] == N - 1
    assert gains["note"].iloc[0] == "1 clips have too few votes to draw from"
    assert scores.set_index(["measure", "method"])["score"]["AUROC", label_repair.AGAINST] > 0.8


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        ("abstain", "no compared"),
        ("stress", "no compared"),
        ("label_repair", "no compared and no views"),
        ("adaptive", "no predictions and no validation and no views"),
        ("annotators", "no votes"),
        ("next_clips", "no views"),
        ("curriculum", "no views"),
    ],
)
def test_what_a_run_lacks_is_a_row_with_the_reason(use, reason):
    scores, gains = uses.measure(use, given())
    assert scores.empty and reason in gains["reason"].item()
    assert gains["measure"].item() == using.declared()[use]["measure"]
    tables.check(gains, "use_gains")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"dialog_id": "r0"}, "too few recordings (n=1)"), ({"y": 0}, "all clips have one label")],
)
def test_one_recording_or_one_label_is_a_row_with_the_reason(changed, reason):
    one = given(compared=compared(), manifest=manifest(**changed))
    assert uses.measure("stress", one)[1]["reason"].item() == reason


def test_learning_uses_are_their_tables_by_recording():
    features = {m: np.random.default_rng(k).normal(size=(N, 3)) for k, m in enumerate("ab")}
    one = given(views=features)
    got = uses.measure("curriculum", one, n_seeds=1, n_boot=100)
    table = curriculum.compare(features, one.manifest, n_repeats=1)
    how = dict(corpus="toy", n_boot=100, seed=42)
    by_hand = using.of_recordings(table, curriculum.MEASURES, **how)
    for found, expected in zip(got, by_hand, strict=True):
        pd.testing.assert_frame_equal(found, expected)
        tables.check(found, "uses" if "score" in found else "use_gains")


@pytest.mark.parametrize(
    ("changed", "n_views", "reason"),
    [
        ({}, 1, "two are needed to disagree"),
        ({"y": np.arange(N) % 3}, 2, "labels other than 0 and 1"),
        ({"dialog_id": [f"r{i % 5}" for i in range(N)]}, 2, "too few recordings (n=5)"),
        ({}, 2, "no choice is left"),
    ],
)
def test_what_cannot_be_learned_is_a_row_with_the_reason(changed, n_views, reason):
    views = {f"view {k}": np.random.default_rng(k).normal(size=(N, 3)) for k in range(n_views)}
    one = given(views=views, manifest=manifest(**changed))
    scores, gains = uses.measure("next_clips", one)
    assert scores.empty and reason in gains["reason"].item()


def test_a_crowd_is_asked_where_to_spend_annotators():
    rng, whole = np.random.default_rng(1), manifest()
    votes = pd.concat(
        whole[["clip_id"]].assign(modality=m, n=8, A=rng.binomial(8, 0.8 - 0.6 * whole["y"]))
        for m in ("audio", "video", "audio+video")
    ).assign(B=lambda t: t["n"] - t["A"], status="ok", reason="")
    scores, gains = uses.measure("annotators", given(votes=votes), n_seeds=1, n_boot=100)
    assert list(gains["measure"]) == list(annotators.MEASURES) and len(scores) == 20
    assert gains["note"].iloc[0].startswith(f"in each of 1 draws, {N} of {N} clips; ")
    assert gains["n"].iloc[0] == N and gains["n_recordings"].iloc[0] == 10


def test_an_unknown_use_names_those_there_are():
    with pytest.raises(ValueError, match="'nap' is none of abstain"):
        uses.measure("nap", given())


def test_every_use_with_a_study_is_declared():
    assert set(uses.STUDIES) <= set(using.declared())


def test_profiles_and_limits_name_the_uses_that_are_declared():
    for use, about in using.declared().items():
        for profile in about["corpora"]:
            asked = parameters.chapter_parameters(profile, "13_uses")["uses"]
            assert use in asked, (use, profile)
    limits = yaml.safe_load((parameters.NOTEBOOKS / "limits.yaml").read_text())
    assert set(limits["uses"]["items"]["enum"]) == set(uses.STUDIES)


def test_views_are_published_features_or_words_and_measured_tables():
    table = manifest().head(20)
    published = pd.DataFrame(np.arange(60.0).reshape(20, 3), index=table["clip_id"])
    measured = pd.DataFrame({
        "clip_id": table["clip_id"][::-1], "status": "ok", "pitch": np.arange(20.0), "gap": np.nan
    })  # fmt: skip
    got = uses.views(table, {"video": published}, {"audio": measured})
    assert list(got) == ["text", "video", "audio"]
    assert got["video"].tolist() == published.to_numpy().tolist()
    assert got["audio"][:, 0].tolist() == list(range(20))[::-1] and got["audio"].shape == (20, 1)
    assert list(uses.views(table, {"text": published}, {})) == ["text"]
    assert uses.views(table.assign(transcript=" "), {}, {}) == {}


def test_a_run_is_read_with_what_it_made(tmp_path):
    tables.write(compared(), tmp_path, "compared")
    got = uses.read("fixture", tmp_path, name="mine")
    assert got.corpus == "mine" and len(got.compared) == len(compared())
    assert got.predictions is None and list(got.views) == ["text"]
    assert len(got.manifest) == len(corpora.load("fixture").manifest)


def test_too_few_votes_are_a_row_with_the_reason():
    votes = pd.concat(
        manifest()[["clip_id"]].assign(modality=m, A=1, B=0, n=1, status="ok", reason="")
        for m in ("audio", "video", "audio+video")
    )
    for use, reason in (("annotators", "no clip has 4 votes"), ("label_repair", "(n=0)")):
        scores, gains = uses.measure(use, given(votes=votes), n_seeds=1, n_boot=100)
        assert scores.empty and reason in gains["reason"].item()

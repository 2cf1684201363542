"""`claims`: verdicts on intervals made by hand, measures against direct computation."""

import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score

from empdis_utils import claims, tables

NAN = float("nan")


@pytest.mark.parametrize(
    "expects, low, high, said",
    [
        ("above", 0.1, 0.3, "supported"),
        ("above", -0.3, -0.1, "contradicted"),
        ("above", -0.1, 0.3, "too little data"),
        ("above", 0.0, 0.3, "too little data"),  # touches the reference: a tie decides nothing
        ("above", 0.0, 0.0, "too little data"),
        ("below", -0.3, -0.1, "supported"),
        ("below", 0.1, 0.3, "contradicted"),
        ("below", -0.1, 0.0, "too little data"),
        ("not above", -0.3, -0.1, "supported"),
        ("not above", -0.3, 0.0, "supported"),  # a tie is not above
        ("not above", -0.1, 0.3, "too little data"),
        ("not above", 0.1, 0.3, "contradicted"),
        ("above", NAN, NAN, "too little data"),
        ("not above", NAN, 0.1, "too little data"),
    ],
)
def test_verdict(expects, low, high, said):
    assert claims.verdict(expects, 0.0, low, high) == said
    assert claims.verdict(expects, 2.0, low + 2, high + 2) == said
    assert said in claims.VERDICTS


def test_margin_only_widens_what_counts_as_equal():
    assert claims.verdict("not above", 0, -0.01, 0.015, margin=0.02) == "supported"
    assert claims.verdict("not above", 0, 0.01, 0.015, margin=0.02) == "supported"
    assert claims.verdict("not above", 0, 0.01, 0.05, margin=0.02) == "too little data"
    assert claims.verdict("not above", 0, 0.03, 0.05, margin=0.02) == "contradicted"


def test_the_books_claims_are_complete_and_quote_the_paper():
    known = claims.read()
    assert len(known) >= 20
    values = {claim["id"]: claims.paper_value(claim) for claim in known}
    # by hand from the printed tables 2, 5, 6 and 11
    assert values["text-disagrees-most"] == f"{(0.338 + 0.318) / 2 - 0.253:.3f}"
    assert values["entropy-disagreement"] == f"{(0.670 + 0.565 - 0.259 - 0.347) / 2:.3f}"
    assert values["kappa-falls"] == f"{(-0.137 - 0.264) / 2:.3f}"
    assert values["pitch-red"] == "blue higher, p = 0.0100"
    assert values["au05-green"] == "blue higher, p < 0.0001"
    assert values["conflict-is-found"] == ""
    for claim in known:  # the paper's own number is on the side that the claim takes
        printed = values[claim["id"]]
        if printed and "p " not in printed:
            gap = float(printed) - claim["reference"]
            assert gap > 0 if claim["expects"] == "above" else gap <= claim.get("margin", 0)


def test_all_bad_claims_are_listed(tmp_path):
    path = tmp_path / "claims.yml"
    path.write_text(
        "- {id: a, statement: s}\n"
        "- {id: b, statement: s, about: people, origin: stated, source: x, expects: more, "
        "reference: 0, unit: u, tests: [{measure: guess}]}\n"
    )
    with pytest.raises(ValueError) as error:
        claims.read(path)
    for part in ("a: lacks", "expects 'more'", "no measure 'guess'", "disagreement_gap"):
        assert part in str(error.value)


def claim(test, **more):
    return {
        **{"id": "c", "statement": "s", "about": "method", "origin": "stated", "source": "x"},
        **{"expects": "above", "reference": 0, "unit": "u", "tests": [test], **more},
    }


def one(test, runs, profile="run", **more):
    return claims.evaluate([claim(test, **more)], runs, [profile]).iloc[0]


def test_missing_runs_tables_columns_and_rows_are_not_testable(tmp_path):
    test = {"measure": "cell", "table": "t", "where": {"a": 1}, "value": "x", "chapter": "03"}
    row = one(test, tmp_path)
    assert (row["verdict"], row["note"]) == ("not testable", "no such run in this copy")
    folder = tmp_path / "run" / "artifacts"
    folder.mkdir(parents=True)
    assert "no table t" in one(test, tmp_path)["note"]
    tables.write(pd.DataFrame({"a": [1, 1], "x": [0.5, 0.6]}), folder, "t")
    assert "no column ci_low, ci_high" in one(test, tmp_path)["note"]
    frame = pd.DataFrame({"a": [1, 1, 2], "x": 0.5, "ci_low": 0.1, "ci_high": 0.9, "n": 7})
    tables.write(frame, folder, "t")
    assert one(test, tmp_path)["note"] == "2 rows with a = 1"
    found = one({**test, "where": {"a": [2, 3]}}, tmp_path)
    assert found["verdict"] == "supported" and found["n"] == 7 and found["link"] == "03.html"


def test_a_row_without_interval_is_too_little_data(tmp_path):
    folder = tmp_path / "run" / "artifacts"
    frame = pd.DataFrame({"x": [0.5], "ci_low": NAN, "ci_high": NAN, "n_1": 2, "n_2": 1})
    tables.write(frame, folder, "t")
    row = one({"measure": "cell", "table": "t", "where": {}, "value": "x", "chapter": ""}, tmp_path)
    assert row["verdict"] == "too little data" and "n=3" in row["note"]


def test_claims_about_people_are_not_tested_on_synthetic_clips(tmp_path):
    tables.write(pd.DataFrame({"x": [1.0], "ci_low": 0.5, "ci_high": 2.0, "n": 9}),
                 tmp_path / "fixture" / "artifacts", "t")  # fmt: skip
    test = {"measure": "cell", "table": "t", "where": {}, "value": "x", "chapter": ""}
    people = one(test, tmp_path, "fixture", about="people")
    assert people["verdict"] == "not testable" and "synthetic" in people["note"]
    assert one(test, tmp_path, "fixture")["verdict"] == "supported"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A made-up run: 120 clips in 12 recordings, three modalities, two seeds, two annotators."""
    runs = tmp_path_factory.mktemp("runs")
    folder = runs / "run" / "artifacts"
    rng = np.random.default_rng(0)
    n = 120
    clip = [f"c{i:03d}" for i in range(n)]
    dialog = [f"d{i % 12}" for i in range(n)]
    y = rng.integers(0, 2, n)
    split = np.where(np.arange(n) % 5 == 0, "test", "train")
    tables.write(
        pd.DataFrame(
            {
                **{"clip_id": clip, "dialog_id": dialog, "start_s": 0.0, "end_s": 1.0},
                **{"transcript": "", "n_tokens": 1, "label": y.astype(str), "y": y, "split": split},
                **{"audio_path": None, "video_path": None},
            }
        ),
        folder,
        "manifest",
    )
    parts = []
    for seed in (1, 2):
        for inputs, skill in (("text", 2), ("audio", 0.5), ("video", 1), ("text+audio+video", 1.8)):
            p = 1 / (1 + np.exp(-(skill * (2 * y - 1) + rng.normal(0, 1.5, n))))
            parts.append(
                pd.DataFrame(
                    {
                        **{"clip_id": clip, "inputs": inputs, "source": "fusion", "seed": seed},
                        **{"fold": 0, "split": "test", "y": y, "p": p},
                    }
                )
            )
    predictions = pd.concat(parts, ignore_index=True)
    tables.write(predictions, folder, "predictions")
    chosen = predictions.assign(split="val")
    chosen.loc[chosen["inputs"] == "video", "p"] = np.tile(y, 2) * 0.8 + 0.1  # always right
    tables.write(chosen, folder, "predictions_validation")
    tuned = predictions[(predictions["inputs"] == "text") & predictions["clip_id"].isin(
        np.array(clip)[split == "test"])]  # fmt: skip
    tables.write(tuned.assign(encoder="e", source="finetuned"), folder, "predictions_finetuned")
    quadrant = rng.choice(tables.QUADRANTS, n)
    share = {f"membership_{q}": (quadrant == q).astype(float) for q in tables.QUADRANTS}
    ensemble = pd.DataFrame(
        {
            **{"clip_id": clip, "modality": "text", "seed": "ensemble"},
            **{"conf_unimodal": rng.random(n), "conf_fusion": rng.random(n)},
            **{"quadrant": quadrant, **share},
        }
    )
    tables.write(ensemble, folder, "quadrants")
    tables.write(
        pd.DataFrame({"clip_id": clip, "modality": "text", "quadrant": quadrant,
                      "entropy": rng.random(n) * 0.69}), folder, "entropy")  # fmt: skip
    gates = [
        pd.DataFrame({"clip_id": clip, "seed": 1, "modality": m, "gate": rng.random(n) * top,
                      "attention": 0.3})
        for m, top in (("text", 0.6), ("audio", 0.8), ("video", 1.0))
    ]  # fmt: skip
    tables.write(pd.concat(gates), folder, "gates")
    notes = []
    for turn, right in ((1, 0.7), (2, 0.85)):
        for who in ("a", "b"):
            said = np.where(rng.random(n) < right, y, 1 - y)
            notes.append(
                pd.DataFrame(
                    {
                        **{"annotator": who, "clip_id": clip, "modality": "text", "round": turn},
                        **{"judgment": np.where(said, "empathetic", "neutral")},
                        **{"shown": "", "at": ""},
                    }
                )
            )
    tables.write(pd.concat(notes), folder, "annotations")
    return runs


def measured(run, measure, **given):
    row = one({"measure": measure, "chapter": "", **given}, run)
    assert row["ci_low"] <= row["run_value"] <= row["ci_high"]
    return row["run_value"]


def frame(run, name):
    return tables.read(run / "run" / "artifacts", name)


def test_simulated_annotators_decide_nothing(run, tmp_path):
    run = shutil.copytree(run, tmp_path / "runs")
    rows = frame(run, "annotations")
    names = dict(zip(("a", "b"), claims.simulated_annotators.NAMES, strict=True))
    tables.write(rows.replace({"annotator": names}), run / "run" / "artifacts", "annotations")
    row = one({"measure": "kappa_change", "quadrants": ["red"], "chapter": ""}, run)
    assert row["verdict"] == "not testable" and "annotators are simulated" in row["note"]


def test_disagreement_gap(run):
    rows = frame(run, "predictions")
    said = (
        (rows["p"] > 0.5).groupby([rows["seed"], rows["clip_id"], rows["inputs"]]).first().unstack()
    )

    def rate(a, b):
        return (said[a] != said[b]).mean()

    expected = (rate("text", "audio") + rate("text", "video")) / 2 - rate("audio", "video")
    pairs = dict(plus=[["text", "audio"], ["text", "video"]], minus=[["audio", "video"]])
    assert measured(run, "disagreement_gap", **pairs) == pytest.approx(expected)
    full = measured(run, "disagreement_gap", plus=[["audio", "full"]], minus=[["text", "full"]])
    expected = rate("audio", "text+audio+video") - rate("text", "text+audio+video")
    assert full == pytest.approx(expected)


def test_fusion_gain_takes_the_modality_that_validation_prefers(run):
    rows = frame(run, "predictions")
    right = ((rows["p"] > 0.5) == rows["y"]).groupby(rows["inputs"]).mean()
    assert right[["text", "audio", "video"]].idxmax() == "text"
    expected = right["text+audio+video"] - right["video"]  # validation was made to prefer video
    assert measured(run, "fusion_gain") == pytest.approx(expected)


def test_gate_range(run, tmp_path):
    means = frame(run, "gates").groupby("modality")["gate"].mean()
    assert measured(run, "gate_range") == pytest.approx(means.max() - means.min())
    run = shutil.copytree(run, tmp_path / "runs")
    gates = frame(run, "gates")
    lost = gates["clip_id"] == gates["clip_id"][0]
    gates.loc[lost & (gates["modality"] == "audio"), "gate"] = np.nan  # no sound, no gate
    tables.write(gates, run / "run" / "artifacts", "gates")
    means = gates[~lost].groupby("modality")["gate"].mean()
    assert measured(run, "gate_range") == pytest.approx(means.max() - means.min())


def test_above_recording(run):
    manifest, tuned = frame(run, "manifest"), frame(run, "predictions_finetuned")
    train, test = (manifest[manifest["split"] == s] for s in ("train", "test"))
    rate = test["dialog_id"].map(train.groupby("dialog_id")["y"].mean())
    tied = int(train["y"].mean() > 0.5)
    base = accuracy_score(test["y"], (rate > 0.5).where(rate != 0.5, tied).astype(int))
    model = ((tuned["p"] > 0.5) == tuned["y"]).mean()
    assert measured(run, "above_recording") == pytest.approx(model - base)


def test_entropy_and_boundary_gaps(run):
    rows = frame(run, "entropy").groupby("quadrant")["entropy"]
    sums, counts = rows.sum(), rows.count()
    plus, minus = ["red", "green"], ["blue", "yellow"]
    expected = sums[plus].sum() / counts[plus].sum() - sums[minus].sum() / counts[minus].sum()
    assert measured(run, "entropy_gap", plus=plus, minus=minus) == pytest.approx(expected)
    rows = frame(run, "quadrants")
    far = (rows["conf_unimodal"] - 0.5).abs()
    red = rows["quadrant"] == "red"
    expected = far[red].mean() - far[rows["quadrant"] == "blue"].mean()
    found = measured(run, "boundary_gap", modality="text", plus=["red"], minus=["blue"])
    assert found == pytest.approx(expected)
    row = one({"measure": "boundary_gap", "modality": "audio", "plus": ["red"], "minus": ["blue"],
               "chapter": ""}, run)  # fmt: skip
    assert row["verdict"] == "not testable" and "no quadrants of audio" in row["note"]


def kappas(run, turn, quadrants):
    rows = frame(run, "annotations").merge(frame(run, "quadrants")[["clip_id", "quadrant"]])
    rows = rows[(rows["round"] == turn) & rows["quadrant"].isin(quadrants)]
    wide = rows.pivot(index="clip_id", columns="annotator", values="judgment")
    return cohen_kappa_score(wide["a"], wide["b"])


def test_kappa_change_and_gap_equal_scikit_learn(run):
    red = ["red", "green"]
    expected = kappas(run, 2, red) - kappas(run, 1, red)
    assert measured(run, "kappa_change", quadrants=red) == pytest.approx(expected)
    expected = kappas(run, 2, ["blue", "yellow"]) - kappas(run, 2, red)
    found = measured(run, "kappa_gap", plus=["blue", "yellow"], minus=red)
    assert found == pytest.approx(expected)


def test_several_rows_must_agree(tmp_path):
    def said(*rows):
        frame = pd.DataFrame(rows, columns=["a", "x", "ci_low", "ci_high"])
        tables.write(frame, tmp_path / "run" / "artifacts", "t")
        test = {"measure": "cells", "table": "t", "where": {"a": ["p", "q"]}, "value": "x"}
        return one({**test, "chapter": ""}, tmp_path)

    both = said(("p", 0.2, 0.1, 0.3), ("q", 0.4, 0.3, 0.5), ("r", -9, -9, -9))
    assert both["verdict"] == "supported" and both["run_value"] == pytest.approx(0.3)
    assert (both["ci_low"], both["ci_high"]) == (0.1, 0.5)
    assert said(("p", 0.2, 0.1, 0.3), ("q", -0.4, -0.5, -0.3))["verdict"] == "too little data"
    assert said(("p", -0.2, -0.3, -0.1), ("q", -0.4, -0.5, -0.3))["verdict"] == "contradicted"
    assert said(("p", 0.2, 0.1, 0.3))["note"] == "1 rows of 2 with that a"


def test_later_tests_are_tried_when_the_first_lacks_its_table(run):
    both = [
        {"measure": "cell", "table": "gone", "where": {}, "value": "x", "chapter": "a"},
        {"measure": "gate_range", "chapter": "b", "figure": "fig-x"},
    ]
    row = claims.evaluate([claim(None, tests=both)], run, ["run"]).iloc[0]
    assert row["verdict"] == "supported" and row["link"] == "b.html#run-fig-x"

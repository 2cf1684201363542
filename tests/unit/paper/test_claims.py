"""`claims`: verdicts on intervals made by hand, and on tables whose rows say what must come out."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import norm

from empdis_utils.data import tables
from empdis_utils.paper import claims

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


@pytest.mark.parametrize(
    "placebo, excess, said",
    [
        ((0.05, 0.15), (0.01, 0.05), "supported"),  # the placebo does some of it, not all
        ((-0.1, 0.1), (0.01, 0.05), "supported"),
        ((0.05, 0.15), (-0.03, 0.05), "not diagnostic"),  # the placebo does the same
        ((-0.1, 0.1), (-0.03, 0.05), "too little data"),  # neither is known
        ((-0.1, 0.1), (-0.05, -0.01), "not diagnostic"),  # the placebo does more
        ((NAN, NAN), (NAN, NAN), "too little data"),
    ],
)
def test_only_the_excess_over_a_placebo_supports(placebo, excess, said):
    assert claims.above_placebo("supported", "above", 0, placebo, excess) == said
    turned = [tuple(-x for x in reversed(pair)) for pair in (placebo, excess)]
    assert claims.above_placebo("supported", "below", 0, *turned) == said
    for other in ("contradicted", "too little data"):
        assert claims.above_placebo(other, "above", 0, placebo, excess) == other


# --------------------------------------------------------------------------- the book's rules


def test_the_books_claims_are_complete_and_quote_the_paper():
    known = claims.read()
    values = {claim["id"]: claims.paper_value(claim) for claim in known}
    # by hand from the printed tables 2, 5, 6, 7 and 11
    assert values["text-disagrees-most"] == f"{(0.338 + 0.318) / 2 - 0.253:.3f}"
    assert values["entropy-disagreement"] == f"{(0.670 + 0.565 - 0.259 - 0.347) / 2:.3f}"
    assert values["kappa-falls-red"] == "-0.137"
    assert values["kappa-rises-yellow-long"] == "0.244"
    assert values["mean-pitch-red-blue"] == "blue higher, p = 0.0100"
    assert values["au05-green-blue"] == "blue higher, p < 0.0001"
    assert values["conflict-is-found"] == ""
    for claim in known:  # the paper's own number is on the side that the claim takes
        printed = values[claim["id"]]
        if printed and "p " not in printed:
            gap = float(printed) - claim["reference"]
            if claim["expects"] == "not above" and claim.get("rows") != "some":
                assert gap <= claim["margin"]
            elif claim["expects"] != "not above":
                assert gap > 0 if claim["expects"] == "above" else gap < 0, claim["id"]


def test_every_direction_of_the_feature_tables_is_a_claim():
    known = {claim["id"]: claim for claim in claims.read()}
    for name, rows in (("table_10", 13), ("table_11", 26), ("table_12", 36)):
        made = [c for c in known.values() if c.get("paper", {}).get("test") == name]
        assert len(made) == rows
    assert known["au04-red-blue"]["expects"] == "above"  # Table 12: red > blue
    assert known["max-intensity-red-green"]["expects"] == "below"  # Table 10: green > red
    assert known["valence-red-blue"]["origin"] == "stated"  # p = 0.0047
    assert known["valence-green-blue"]["origin"] == "printed"  # p = 0.5166


def test_rules_are_frozen_and_changes_to_them_are_listed(tmp_path):
    head = claims.edition()
    assert head["edition"] == 2 and "not a preregistration" in head["seen"]
    listed = {change["commit"] for change in head["changes"]}
    assert {"1c543a8", "2f2b91c", "6580860"} <= listed
    for change in head["changes"]:
        assert set(change) == {"date", "commit", "rules", "after", "what"}
    text = claims.CLAIMS.read_text().replace("reference: 0.1\n", "reference: 0.2\n", 1)
    (tmp_path / "claims.yml").write_text(text)
    with pytest.raises(ValueError, match="not the frozen ones.*add an entry to `changes`"):
        claims.read(tmp_path / "claims.yml")


def test_where_the_link_to_people_cannot_be_tested_the_ledger_says_so(tmp_path):
    (tmp_path / "mosi" / "artifacts").mkdir(parents=True)
    ledger = claims.evaluate(claims.read(), tmp_path, ["mosi"]).set_index("claim_id")
    for name in ("kappa-falls-red", "people-divided", "kappa-change-compared-long"):
        assert ledger.loc[name, "verdict"] == "not testable"
        assert "the link from models to people can be tested on none" in ledger.loc[name, "note"]


def entry(**more):
    test = {"table": "t", "rows": {}, "value": "x", "chapter": "03"}
    return {
        **{"id": "c", "statement": "s", "about": "method", "origin": "stated", "source": "x"},
        **{"expects": "above", "reference": 0, "unit": "u", "tests": [test], **more},
    }


def write(path, known, fingerprint=None):
    file = {"edition": 9, "claims": known, "changes": []}
    file["fingerprint"] = fingerprint or claims.fingerprint(known)
    path.write_text(yaml.safe_dump(file))
    return path


def test_all_bad_claims_are_listed(tmp_path):
    without = entry(id="d")
    del without["about"]  # was a KeyError later, in the middle of an evaluation
    bad = [
        {"id": "a", "statement": "s"},
        entry(id="b", expects="more"),
        without,
        entry(id="e", margn=1),
        entry(id="b"),
        entry(id="f", tests=[{"measure": "guess"}]),
    ]
    with pytest.raises(ValueError) as error:
        claims.read(write(tmp_path / "claims.yml", bad))
    for part in ("a: lacks", "expects 'more'", "d: lacks about", "e: unknown margn",
                 "b: this id repeats", "f: a test lacks table"):  # fmt: skip
        assert part in str(error.value)
    assert len(claims.read(write(tmp_path / "claims.yml", [entry()]))) == 1


# --------------------------------------------------------------------------- cells from tables


def save(runs, frame, name="t", run="run"):
    folder = runs / run / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    tables.write(pd.DataFrame(frame), folder, name)


def one(runs, test, profile="run", **more):
    test = {"table": "t", "rows": {}, "value": "x", "chapter": "03", **test}
    return claims.evaluate([entry(tests=[test], **more)], runs, [profile]).iloc[0]


def test_missing_runs_tables_columns_and_rows_are_not_testable(tmp_path):
    test = {"rows": {"a": 1}}
    row = one(tmp_path, test)
    assert (row["verdict"], row["note"]) == ("not testable", "no such run in this copy")
    (tmp_path / "run" / "artifacts").mkdir(parents=True)
    assert "no table t" in one(tmp_path, test)["note"]
    save(tmp_path, {"a": [1, 1], "x": [0.5, 0.6]})
    assert "no column ci_low, ci_high" in one(tmp_path, test)["note"]
    save(tmp_path, {"a": [1, 1, 2], "x": 0.5, "ci_low": 0.1, "ci_high": 0.9, "n": 7})
    assert one(tmp_path, test)["note"] == "2 rows with a = 1"
    assert one(tmp_path, test, untested="nobody knows")["note"] == "nobody knows"
    found = one(tmp_path, {"rows": {"a": 2}, "figure": "fig-x"})
    assert found["verdict"] == "supported" and found["n"] == 7
    assert found["link"] == "03.html#run-fig-x"


def test_the_ledger_repeats_the_chapters_interval_to_the_last_digit(tmp_path):
    """Edition 1 drew its own resamples: another interval than the chapter's for the same data."""
    save(tmp_path, {"x": [0.123456789], "ci_low": 0.0456, "ci_high": 0.234567, "n": 51})
    row = one(tmp_path, {})
    assert (row["run_value"], row["ci_low"], row["ci_high"]) == (0.123456789, 0.0456, 0.234567)


def test_a_row_without_interval_is_too_little_data(tmp_path):
    save(tmp_path, {"x": [0.5], "ci_low": NAN, "ci_high": NAN, "n_1": 2, "n_2": 1})
    row = one(tmp_path, {})
    assert row["verdict"] == "too little data" and "n=3" in row["note"] and np.isnan(row["p"])


def test_claims_about_people_are_not_tested_on_synthetic_clips(tmp_path):
    save(tmp_path, {"x": [1.0], "ci_low": 0.5, "ci_high": 2.0, "n": 9}, run="fixture")
    people = one(tmp_path, {}, "fixture", about="people")
    assert people["verdict"] == "not testable" and "synthetic" in people["note"]
    assert one(tmp_path, {}, "fixture")["verdict"] == "supported"


def test_simulated_annotators_decide_nothing(tmp_path):
    save(tmp_path, {"x": [1.0], "ci_low": 0.5, "ci_high": 2.0, "n": 9})
    answers = {"clip_id": "c", "modality": "text", "round": 1, "judgment": "neutral",
               "shown": "", "at": ""}  # fmt: skip
    for names, said in ((("ann", "ben"), "supported"),
                        (claims.simulated_annotators.NAMES, "not testable")):  # fmt: skip
        save(tmp_path, [{"annotator": name, **answers} for name in names], "annotations")
        assert one(tmp_path, {"answers_of_people": True})["verdict"] == said


SAID = {"+": (0.2, 0.1, 0.3), "-": (-0.2, -0.3, -0.1), "?": (0.0, -0.1, 0.1)}


@pytest.mark.parametrize(
    "rule, signs, said",
    [
        ("all", "++", "supported"),
        ("all", "--", "contradicted"),
        ("all", "+-", "mixed"),
        ("all", "+?", "too little data"),
        ("all", "-?", "too little data"),  # half of the rows is not most of them
        ("all", "---?", "contradicted"),  # edition 1 said "too little data" here
        ("all", "+--?", "mixed"),
        ("some", "+---", "supported"),
        ("some", "----", "contradicted"),
        ("some", "?---", "too little data"),
    ],
)
def test_rows_of_one_claim(tmp_path, rule, signs, said):
    rows = [dict(zip(("x", "ci_low", "ci_high"), SAID[s], strict=True)) for s in signs]
    save(tmp_path, [{"a": str(k), "n": 5, **row} for k, row in enumerate(rows)])
    row = one(tmp_path, {"rows": {"a": [str(k) for k in range(len(signs))]}}, rows=rule)
    assert row["verdict_uncorrected"] == said
    assert row["run_value"] == pytest.approx(np.mean([r["x"] for r in rows]))
    assert row["rows"].count(":") == len(signs)


def test_the_best_of_several_rows_has_to_pass_for_all_of_them(tmp_path):
    """Item 11: the least of twelve estimates, by its own 95 % interval, is often below 0."""
    rng = np.random.default_rng(0)
    wrong, naive, runs = 0, 0, 300
    for _ in range(runs):
        x = rng.normal(0, 1, 12)
        frame = {"a": range(12), "x": x, "ci_low": x - 1.96, "ci_high": x + 1.96, "n": 9}
        save(tmp_path, frame)
        row = one(tmp_path, {"rows": {"a": list(range(12))}}, rows="some", expects="below")
        wrong += row["verdict"] == "supported"
        naive += (x + 1.96).min() < 0
    assert naive > 0.2 * runs
    assert wrong <= 0.05 * runs


def placebo_table(**excess):
    rows = []
    for name, (low, high) in excess.items():
        rows.append(
            {"placebo": name, "x": 0.2, "ci_low": 0.1, "ci_high": 0.3, "n": 9, "note": ""}
            | {"placebo_value": 0.15, "placebo_low": 0.1, "placebo_high": 0.2}
            | {"excess": (low + high) / 2, "excess_low": low, "excess_high": high}
        )
    return rows


def test_a_claim_is_held_against_every_placebo_that_the_run_has(tmp_path):
    def said(**excess):
        save(tmp_path, placebo_table(**excess))
        test = {"rows": {"placebo": "same model"}, "placebo": {"table": "t"}}
        return one(tmp_path, test)

    alone = said(**{"same model": (0.02, 0.08)})
    assert alone["verdict"] == "supported" and alone["placebo"] == "same model"
    both = said(**{"same model": (0.02, 0.08), "other encoder": (-0.1, 0.04)})
    assert both["verdict"] == "not diagnostic" and both["placebo"] == "same model, other encoder"
    assert both["excess_low"] == -0.1  # the one that is hardest to exceed
    assert said(**{"same model": (-0.02, 0.08)})["verdict"] == "not diagnostic"


def test_without_the_placebo_that_its_rule_asks_for_nothing_is_supported(tmp_path):
    save(tmp_path, {"x": [0.2], "ci_low": 0.1, "ci_high": 0.3, "n": 9})
    row = one(tmp_path, {"placebo": {"table": "gone"}})
    assert row["verdict"] == "not testable" and "no placebo" in row["note"]
    assert one(tmp_path, {"placebo": {"table": "gone"}}, expects="below")["verdict"] == (
        "contradicted"
    )


def test_false_discoveries_are_held_over_all_cells(tmp_path):
    """Oracle: p by hand from the interval, adjusted by statsmodels' Benjamini-Hochberg."""
    from statsmodels.stats.multitest import multipletests

    values = np.r_[0.21, np.linspace(-0.15, 0.15, 20)]
    known = []
    for k, x in enumerate(values):
        save(tmp_path, {"x": [x], "ci_low": x - 0.2, "ci_high": x + 0.2, "n": 9}, f"t{k}")
        test = {"table": f"t{k}", "rows": {}, "value": "x", "chapter": "03"}
        known.append(entry(id=f"c{k}", tests=[test]))
    ledger = claims.evaluate(known, tmp_path, ["run"])
    p = 2 * norm.sf(np.abs(values) / 0.2 * 1.959964)
    assert ledger["p"].to_numpy() == pytest.approx(p, abs=1e-6)
    assert ledger["q"].to_numpy() == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-5)
    first = ledger.iloc[0]
    assert first["verdict_uncorrected"] == "supported" and first["verdict"] == "too little data"
    assert "supported before correction for 21 cells" in first["note"]


def test_among_true_nulls_few_cells_are_decided(tmp_path):
    rng = np.random.default_rng(1)
    any_wrong = 0
    for _ in range(40):
        known = []
        for k, x in enumerate(rng.normal(0, 1, 15)):
            save(tmp_path, {"x": [x], "ci_low": x - 1.96, "ci_high": x + 1.96, "n": 9}, f"t{k}")
            test = {"table": f"t{k}", "rows": {}, "value": "x", "chapter": "03"}
            known.append(entry(id=f"c{k}", tests=[test]))
        verdicts = claims.evaluate(known, tmp_path, ["run"])["verdict"]
        any_wrong += verdicts.isin(["supported", "contradicted"]).any()
    assert any_wrong <= 5  # 2 of 40 expected; without correction about 21


def test_the_link_goes_to_the_part_of_a_chapter_that_wrote_the_table(tmp_path):
    save(tmp_path, {"x": [0.5], "ci_low": 0.1, "ci_high": 0.9, "n": 7})
    test = {"table": "t", "rows": {}, "value": "x", "chapter": "07_people"}
    for wrote, page in (("07_votes", "07_votes"), ("08_other", "07_people")):
        story = {"chapters": {wrote: {"outputs": {"t.parquet": ""}}}}
        (tmp_path / "run" / "provenance.json").write_text(json.dumps(story))
        row = claims.evaluate([entry(tests=[test])], tmp_path, ["run"]).iloc[0]
        assert row["link"] == f"{page}.html"


def test_later_tests_are_tried_when_the_first_lacks_its_table(tmp_path):
    save(tmp_path, {"x": [0.5], "ci_low": 0.1, "ci_high": 0.9, "n": 7})
    both = [
        {"table": "gone", "rows": {}, "value": "x", "chapter": "a"},
        {"table": "t", "rows": {}, "value": "x", "chapter": "b", "figure": "fig-x"},
    ]
    row = claims.evaluate([entry(tests=both)], tmp_path, ["run"]).iloc[0]
    assert row["verdict"] == "supported" and row["link"] == "b.html#run-fig-x"

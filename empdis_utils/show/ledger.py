"""The ledger as a page: every claim, every run, each verdict a link to the figure behind it."""

import base64

import pandas as pd

from empdis_utils.paper.claims import VERDICTS
from empdis_utils.show import style
from empdis_utils.show.templates import render

__all__ = ["RUNS", "downloads", "glance", "listed", "real", "sentences", "table"]

RUNS = {
    **{"fixture": "known truth (synthetic)", "empspeech": "EMPSPEECH", "mosi": "CMU-MOSI"},
    **{"cremad": "CREMA-D", "paper": "EMPSPEECH with media"},
    "merg": "released answers",
}
SHORT = {"fixture": "synthetic", "empspeech": "EMP\u00adSPEECH", "mosi": "MOSI"}
SHORT |= {"cremad": "CREMA-D", "paper": "with media"}
LINK = "link from models to people"  # in what a claim says where it is untested
SIGNS = dict(zip(VERDICTS, "✓✗±=?–", strict=True))


def _span(value, low, high):
    return f"{value:.2f}" + ("" if pd.isna(low) else f" [{low:.2f}, {high:.2f}]")


def _cell(row):
    cell = {"kind": row.verdict.replace(" ", "-"), "verdict": row.verdict, "link": ""}
    cell["sign"] = SIGNS[row.verdict]
    if row.verdict == "not testable":
        return cell | {"title": row.note, "on": RUNS.get(row.profile, row.profile)}
    lines = [_span(row.run_value, row.ci_low, row.ci_high) + (f", n = {row.n:,}" if row.n else "")]
    if pd.notna(row.excess):
        span = _span(row.excess, row.excess_low, row.excess_high)
        lines.append(f"above {row.placebo}: {span}")
    link = row.link.lower() if "#" in row.link else row.link  # Sphinx writes anchors so
    title = "; ".join(part for part in (row.rows, row.note) if part)
    cell |= {"title": title, "link": f"../{row.profile}/{link}", "lines": lines}
    return cell | {"on": RUNS.get(row.profile, row.profile)}


def table(claims, ledger, runs, name="ledger"):
    """One row per claim, one column per run, with a filter by word and by verdict.

    Parameters
    ----------
    claims : list of dict
        From `paper.claims.read`.
    ledger : DataFrame
        From `paper.claims.evaluate`.
    runs : sequence of str
        Profiles to show.
    name : str
        Of the element on its page.

    Returns
    -------
    str
        HTML. Without scripts the table is whole, and the filter is hidden.
    """
    rows = []
    for claim in claims:
        mine = ledger[ledger["claim_id"] == claim["id"]].set_index("profile", drop=False)
        paper = mine["paper_value"].iloc[0] or "no number"
        about = (
            f"{claim['source']}; {claim['origin']}. {claim['unit']}: {claim['expects']} "
            f"{claim['reference']:g}. Paper: {paper}. Name: {claim['id']}."
        )
        cells = [_cell(row) for row in mine.loc[list(runs)].itertuples()]
        rows.append({**claim, "about": about, "cells": cells})
    names = [RUNS.get(run, run) for run in runs]
    return render("ledger.html", element=name, verdicts=VERDICTS, names=names, claims=rows)


def real(ledger, runs):
    """The tests of claims on real clips: rows of `ledger` of these runs that could be tested."""
    mine = ledger["profile"].isin(set(runs) - {"fixture"})
    return ledger[mine & (ledger["verdict"] != "not testable")]


def glance(claims, ledger, runs):
    """Signs alone: a row for each claim that some run can test, a column for each run.

    `claims`, `ledger`, `runs`: as for `table`, whose rows it links to. Returns HTML that fits a
    phone.
    """
    tested = ledger[ledger["profile"].isin(list(runs)) & (ledger["verdict"] != "not testable")]
    verdicts = tested.set_index(["claim_id", "profile"])["verdict"]
    runs = [run for run in runs if run in set(tested["profile"])]
    rows = []
    for claim in claims:
        said = [verdicts.get((claim["id"], run), "not testable") for run in runs]
        if set(said) == {"not testable"}:
            continue
        signs = ["" if word == "not testable" else SIGNS[word] for word in said]
        cells = [
            {"kind": word.replace(" ", "-"), "verdict": word, "sign": sign}
            for word, sign in zip(said, signs, strict=True)
        ]
        rows.append({"id": claim["id"], "statement": claim["statement"], "cells": cells})
    key = [(SIGNS[word], word) for word in VERDICTS if word != "not testable"]
    return render("glance.html", key=key, names=[SHORT.get(run, run) for run in runs], rows=rows)


def listed(tests, verdict, up="../"):
    """Claims with this verdict as a list, each with the corpora that give it.

    `tests`: from `real`. `verdict`: one of `VERDICTS`. `up`: path from the page to the folder of
    runs. Returns HTML.
    """
    rows = []
    for _, part in tests[tests["verdict"] == verdict].groupby("claim_id", sort=False):
        where = []
        for row in part.itertuples():
            link = row.link.lower() if "#" in row.link else row.link
            value = _span(row.run_value, row.ci_low, row.ci_high)
            name = RUNS.get(row.profile, row.profile)
            where.append({"name": name, "link": f"{up}{row.profile}/{link}", "value": value})
        rows.append({"statement": part["statement"].iloc[0], "where": where})
    return render("verdicts.html", rows=rows)


def sentences(claims, ledger, runs):
    """Does it replicate? Two sentences, and the counts in them.

    `claims`, `ledger`, `runs`: as for `table`. Returns dict: answer and link (`style.Sentence`),
    and numbers by name: n_claims, n_tested, n_cells, n_linked, n_nowhere, one for each verdict.
    """
    tests = real(ledger, runs)
    n = tests["verdict"].value_counts().reindex(VERDICTS, fill_value=0)
    seen = set(tests["claim_id"])
    linked = [c["id"] for c in claims if LINK in c.get("untested", "")]
    also = [claim for claim in linked if claim in seen]
    against = n["contradicted"] + n["mixed"] + n["not diagnostic"]
    lead = "Too little can be tested to say"
    if n["supported"] or against:
        lead = "In part" if n["supported"] and against else "Yes, where" if not against else "No"
        lead = lead.replace("Yes, where", "Yes, where it can be tested")
    counts = {
        "n_claims": len(claims), "n_tested": len(seen), "n_cells": len(tests),
        "n_linked": len(linked) - len(also), "n_nowhere": len(claims) - len(seen),
        **{f"n_{word.replace(' ', '_')}": int(n[word]) for word in VERDICTS[:-1]},
    }  # fmt: skip
    answer = (
        f"{lead}: of {len(claims)} claims of the paper, {len(seen)} can be tested on a real corpus "
        f"here. Verdicts of those {len(tests)} tests: {n['supported']} supported, "
        f"{n['contradicted']} contradicted, {n['mixed']} mixed, {n['not diagnostic']} not "
        f"diagnostic (a placebo does the same), {n['too little data']} too little data."
    )
    link = f"Of the {len(linked)} claims that people disagree where models do, {len(also)} can be "
    link = f"{link}tested on a real corpus here."
    if not also:
        link = (
            "Its central claim, that people disagree where models do, has been tested on no real "
            f"corpus yet: no corpus here lets any of its {len(linked)} claims fail or hold."
        )
    return {"answer": style.Sentence(answer), "link": style.Sentence(link), **counts}


def downloads(table, name):
    """Links that hold a whole table, as CSV and as JSON. Returns HTML."""
    kinds = {
        "csv": ("text/csv", table.to_csv(index=False)),
        "json": ("application/json", table.to_json(orient="records", indent=1)),
    }
    files = [
        {"name": f"{name}.{end}", "kind": kind, "content": base64.b64encode(text.encode()).decode()}
        for end, (kind, text) in kinds.items()
    ]
    return render("downloads.html", files=files)

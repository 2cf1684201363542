"""The ledger as a page: every claim, every run, each verdict a link to the figure behind it."""

import base64

import pandas as pd

from empdis_utils.paper.claims import VERDICTS
from empdis_utils.show.templates import render

__all__ = ["RUNS", "downloads", "table"]

RUNS = {
    **{"fixture": "known truth (synthetic)", "empspeech": "EMPSPEECH", "mosi": "CMU-MOSI"},
    **{"cremad": "CREMA-D", "paper": "EMPSPEECH with media"},
}
SIGNS = dict(zip(VERDICTS, "✓✗±=?–", strict=True))


def _span(value, low, high):
    return f"{value:.2f}" + ("" if pd.isna(low) else f" [{low:.2f}, {high:.2f}]")


def _cell(row):
    cell = {"kind": row.verdict.replace(" ", "-"), "verdict": row.verdict, "link": ""}
    cell["sign"] = SIGNS[row.verdict]
    if row.verdict == "not testable":
        return cell | {"title": row.note}
    lines = [_span(row.run_value, row.ci_low, row.ci_high) + (f", n = {row.n:,}" if row.n else "")]
    if pd.notna(row.excess):
        span = _span(row.excess, row.excess_low, row.excess_high)
        lines.append(f"above {row.placebo}: {span}")
    link = row.link.lower() if "#" in row.link else row.link  # Sphinx writes anchors so
    title = "; ".join(part for part in (row.rows, row.note) if part)
    return cell | {"title": title, "link": f"../{row.profile}/{link}", "lines": lines}


def table(claims, ledger, runs):
    """One row per claim, one column per run, with a filter by word and by verdict.

    Parameters
    ----------
    claims : list of dict
        From `paper.claims.read`.
    ledger : DataFrame
        From `paper.claims.evaluate`.
    runs : sequence of str
        Profiles to show.

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
    return render("ledger.html", verdicts=VERDICTS, names=names, claims=rows)


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

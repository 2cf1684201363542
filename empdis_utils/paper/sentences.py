"""The paper's sentences about people, each beside a number of chapter 07 and the ledger's word."""

import numpy as np
import pandas as pd

from empdis_utils.paper import claims

__all__ = ["annotator_sentences", "vote_sentences"]

#: How the paper says that agreement changes in each quadrant (Table 6).
SAID = {"red": "below", "green": "below", "blue": "above", "yellow": "above"}
VERB = {"below": "falls", "above": "rises"}
EXCESS = ["excess", "excess_low", "excess_high"]


def _sentence(claim, where, expects, row, value="estimate", placebo=False):
    """One row: a sentence, its number, and the ledger's word for it."""
    said = claims.verdict(expects, 0.0, row["ci_low"], row["ci_high"])
    beyond = dict.fromkeys(EXCESS, np.nan)
    if placebo:
        beyond = {name: row[name] for name in EXCESS}
        limits = row["placebo_low"], row["placebo_high"]
        said = claims.above_placebo(said, expects, 0.0, limits, list(beyond.values())[1:])
    here = {"here": row[value], "ci_low": row["ci_low"], "ci_high": row["ci_high"]}
    return {"claim": claim, "where": where} | here | beyond | {"verdict": said}


def annotator_sentences(delta) -> pd.DataFrame:
    """The paper's sentences on agreement in each quadrant, held against two annotators.

    `delta`: from `agreement.delta_between_rounds`; rows of the subset ``all``. Returns columns
    claim, where (in the paper), here, ci_low, ci_high, excess, excess_low, excess_high, verdict, as
    in the ledger.
    """
    return pd.DataFrame(
        _sentence(f"in {q}, agreement {VERB[SAID[q]]}", "Table 6", SAID[q], row, "delta")
        for q, row in delta[delta["subset"] == "all"].set_index("quadrant").iterrows()
    )


def vote_sentences(delta, least, changes, gaps) -> pd.DataFrame:
    """The paper's sentences about people, held against the votes of a crowd.

    `delta`: answers, from, estimate, ci_low, ci_high: change of agreement from one signal to all.
    `least`: emotion, from, n_cells, estimate, ci_low, ci_high: the smallest change, with limits
    that hold for all cells at once. `changes`: from `judgments.quadrant_changes`, with `from`.
    `gaps`: from `placebo.gaps`. Returns a table: as `annotator_sentences`.
    """
    rows = [
        _sentence(
            f"agreement does not rise with both ({row['answers']}, from {row['from']})",
            "abstract", "below", row,
        )
        for row in delta.to_dict("records")
    ]  # fmt: skip
    about = f"{least['emotion']} from {least['from']} (limits that hold for all {least['n_cells']}"
    about = f"not everything gains: the least, {about} at once)"
    rows.append(_sentence(about, "abstract", "below", least))
    for one, found in changes.groupby("from", sort=False):
        found = found.set_index("part")
        for q, expects in SAID.items():
            claim = f"in {q}, agreement {VERB[expects]} (from {one})"
            rows.append(_sentence(claim, "Table 6", expects, found.loc[q]))
        claim = f"the change is worse in red and green than in blue and yellow (from {one})"
        gap = found.loc["red+green minus blue+yellow"]
        rows.append(_sentence(claim, "Table 6", "below", gap))
        own = gaps[gaps["modality"] == one].set_index("contrast")
        for contrast in ("red+green - blue+yellow", "red - blue"):
            claim = f"more divided: {contrast} (from {one})"
            rows.append(
                _sentence(claim, "section 4", "above", own.loc[contrast], "value", placebo=True)
            )
    return pd.DataFrame(rows)

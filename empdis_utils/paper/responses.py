"""Table 3 of *Multimodal Empathetic Response Generation*, cell by cell.

Printed and recorded values, and what the code beside the paper computes, stand in
``book/paper/merg``. What is recomputed comes in from the released outputs.
"""

import re

import numpy as np
import pandas as pd

from empdis_utils.measures import responses
from empdis_utils.paper import claims, printed
from empdis_utils.places import ROOT

__all__ = [
    "CLAIMS", "FAMILIES", "cells", "counted", "first_sentence", "judged", "last_digit", "ledger",
    "opening",
    "recomputed",
]  # fmt: skip

FAMILIES = {
    **{"perplexity": "perplexity", "dist_1": "distinct", "dist_2": "distinct"},
    **dict.fromkeys(("bert_precision", "bert_recall", "bert_f1"), "bertscore"),
    **dict.fromkeys(("emotion", "sentiment", "empathy"), "polarity"),
}
CLAIMS = ROOT / "book" / "claims-responses.yml"
STATUS = ("reproduces", "differs", "recorded only", "printed only")


def last_digit(text):
    """One unit in the last place of a printed number.

    Examples
    --------
    >>> last_digit("0.0676")
    0.0001
    """
    decimals = len(text.partition(".")[2])
    return round(10.0**-decimals, decimals)


def recomputed(answers, histories):
    """What Table 3's code gives on the released outputs, where it needs no network.

    Parameters
    ----------
    answers : DataFrame
        From `data.dialogues.read_merg`: system, response, full, status. A row per line and system,
        in the order of the lines; rows that were not joined are left out.
    histories : list of list of str
        Lines up to each line.

    Returns
    -------
    DataFrame
        system, metric (dist_1, dist_2, sentiment), here, and same_rows: sentiment on the lines to
        which every system has an output (missing for the others).
    """
    used = answers[answers["status"] != "not_joined"]
    got = used.pivot(index="clip_id", columns="system", values="status") == "ok"
    shared = got.all(axis=1)
    rows = []
    for system, own in used.groupby("system", sort=False):
        said = own.loc[own["status"] == "ok", "full"]
        for n in (1, 2):
            rows.append((system, f"dist_{n}", responses.distinct(said, n), np.nan))
        match = responses.sentiment_match(own["response"].tolist(), histories)
        everywhere = shared[own["clip_id"]].to_numpy()
        rows.append((system, "sentiment", match.mean(), match[everywhere].mean()))
    return pd.DataFrame(rows, columns=["system", "metric", "here", "same_rows"])


def cells(found):
    """Every cell of Table 3 beside its definition and what was found.

    Parameters
    ----------
    found : DataFrame
        From `recomputed`.

    Returns
    -------
    DataFrame [54]
        system, metric, printed (float), recorded, here, status, file, cell, scored, against, rows,
        definition. Status: ``reproduces`` (`here` is within one unit of the last printed digit,
        rounded or cut), ``differs``, ``recorded only`` (a number in the repository, and what it was
        made from or its weights are not there), ``printed only`` (neither).
    """
    table = printed.table("merg/table_03")
    table["family"] = table["metric"].map(FAMILIES)
    table = table.merge(printed.table("merg/definitions"), on=["system", "family"], how="left")
    table = table.merge(found, on=["system", "metric"], how="left")
    unit = table["printed"].map(last_digit)
    table["printed"], table["recorded"] = (
        pd.to_numeric(table[name], errors="coerce") for name in ("printed", "recorded")
    )
    near = (table["here"] - table["printed"]).abs() <= unit
    known = [table["here"].notna() & near, table["here"].notna(), table["recorded"].notna()]
    table["status"] = np.select(known, STATUS[:3], STATUS[3])
    table["rows"] = table["rows"].astype(int)
    first = ["system", "metric", "printed", "recorded", "here", "same_rows", "status"]
    return table[[*first, "file", "cell", "scored", "against", "rows", "definition"]]


def counted(table):
    """How many cells have each status, by family: DataFrame family, then a column per status."""
    families = table["metric"].map(FAMILIES)
    return pd.crosstab(families, table["status"]).reindex(columns=STATUS, fill_value=0)


def ledger(runs, profile="merg"):
    """The paper's claims against a run: the table of `claims.evaluate`, a family of its own."""
    return claims.evaluate(claims.read(CLAIMS), runs, [profile])


def first_sentence(text):
    """The first sentence, as the paper's code cuts it (``baseline_llama.ipynb``, cell 9).

    Examples
    --------
    >>> first_sentence("Oh. I see!")
    'Oh.'
    """
    return re.split(r"(?<=[\.\?!…])\s+", text.strip())[0].strip()


def opening(matches, okay="“Okay.”"):
    """A sentence for the top of the page, from the intervals over dialogues.

    Parameters
    ----------
    matches : DataFrame
        responder, estimate, ci_low, ci_high: what “Okay.” scores more than each system and the
        target; from `measures.responses.mean_intervals` with the signs turned.

    Returns
    -------
    str
    """
    above = int((matches["ci_low"] > 0).sum())
    below = int((matches["ci_high"] < 0).sum())
    n, kind = len(matches), "systems and targets"
    if above == n:
        return f"Saying {okay} to every line matches its sentiment better than all {n} {kind}."
    if below == n:
        return f"All {n} {kind} match the sentiment of a line better than saying {okay} to it."
    return (
        f"Saying {okay} to every line matches its sentiment better than {above} of {n} {kind}, and "
        f"worse than {below}."
    )


def judged(answers, histories, encoder="", emotion_model="", language_model=""):
    """What Table 3's other columns are on given answers, with given checkpoints; or what is needed.

    Parameters
    ----------
    answers : DataFrame [n]
        system, response, target ("" where there is none).
    histories : list of list of str [n]
    encoder, emotion_model, language_model : str
        Hub id or folder; "": none. See `models.judges`.

    Returns
    -------
    DataFrame
        system, metric, value, n, note. Without its checkpoint a metric is one row of no system,
        whose note says what it needs. The encoder's last layer is used; numbers of one checkpoint
        cannot be held against those of another.
    """
    from empdis_utils.models import judges  # slow to import

    rows = []
    given = {"encoder": encoder, "emotion_model": emotion_model, "language_model": language_model}
    for kind, metric in (("encoder", "bertscore"), ("emotion_model", "emotion match"),
                         ("language_model", "bits per byte")):  # fmt: skip
        if not given[kind]:
            rows.append(("", metric, np.nan, 0, judges.needs(kind)))
    texts = answers["response"].tolist()
    if encoder:
        sides = [judges.token_vectors(encoder, t) for t in (texts, answers["target"].tolist())]
        (one, first), (two, second) = sides
        found = responses.bertscore(one, two, (first, second))
        found.loc[(answers["target"] == "").to_numpy()] = np.nan
        rows += _means(answers, found.add_prefix("bertscore "))
    if emotion_model:
        flat = [line for history in histories for line in history]
        own = judges.emotions(emotion_model, texts).to_numpy()
        once = sorted(set(flat))
        known = dict(zip(once, judges.emotions(emotion_model, once).to_numpy(), strict=True))
        none = np.zeros(own.shape[1])
        mean = [np.mean([known[x] for x in h], axis=0) if h else none for h in histories]
        rows += _means(answers, pd.DataFrame({"emotion match": responses.emotion_match(own, mean)}))
    if language_model:
        nll = judges.log_likelihoods(language_model, texts).assign(system=answers["system"].values)
        for system, part in nll.groupby("system", sort=False):
            said = [t for t, s in zip(texts, answers["system"], strict=True) if s == system]
            n = len(part)
            rows.append(
                (system, "bits per byte", responses.bits_per_byte(part["nll"], said), n, "")
            )
            each = responses.perplexities(part["nll"], part["n_tokens"])
            rows += [
                (system, f"perplexity, {k.replace('_', ' ')}", v, n, "") for k, v in each.items()
            ]
    return pd.DataFrame(rows, columns=["system", "metric", "value", "n", "note"])


def _means(answers, found):
    grouped = found.assign(system=answers["system"].to_numpy()).groupby("system", sort=False)
    return [
        (system, metric, part[metric].mean(), int(part[metric].notna().sum()), "")
        for system, part in grouped
        for metric in found
    ]

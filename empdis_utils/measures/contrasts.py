"""One value of every clip, compared between quadrants: tables that chapters 05 and 06 show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from empdis_utils.data.tables import QUADRANTS
from empdis_utils.measures import inference, mixed_models
from empdis_utils.measures.alignment import MIN_N

__all__ = ["adjusted", "below", "by_quadrant", "disagreement"]


def below(tests, by, names, level=0.05) -> pd.DataFrame:
    """How many p lie below a level, in each group of tests.

    Parameters
    ----------
    tests : DataFrame
        With p (missing where nothing could be tested).
    by : list of str
        Columns that make the groups.
    names : list of str
        Columns of p.
    level : float

    Returns
    -------
    DataFrame
        `by`, tests, tested, and ``NAME < 0.05`` for each name.

    Examples
    --------
    >>> tests = pd.DataFrame({"family": ["audio"] * 3, "p": [0.01, 0.2, np.nan]})
    >>> below(tests, ["family"], ["p"]).to_dict("records")
    [{'family': 'audio', 'tests': 3, 'tested': 2, 'p < 0.05': 1}]
    """
    groups = tests.groupby(by)["p"].agg(tests="size", tested="count")
    counts = (tests[names] < level).groupby([tests[name] for name in by]).sum()
    return groups.join(counts.add_suffix(f" < {level}")).reset_index()


def by_quadrant(table, column, recordings, *, known=True, n_boot=2000, seed=42) -> pd.DataFrame:
    """Mean of a column in each modality and quadrant; empty quadrants keep their row.

    Parameters
    ----------
    table : DataFrame
        modality, clip_id, quadrant and the column.
    recordings : Series
        clip_id -> recording.
    known : bool
        False where every clip is its own recording for want of a name: none are counted.
    n_boot, seed : int

    Returns
    -------
    DataFrame
        modality, quadrant, n, recordings, mean, ci_low, ci_high, sd, note. Fewer than five clips:
        no interval, and the note says so.
    """
    rows = []
    for modality, clips in table.groupby("modality", sort=False):
        for quadrant in QUADRANTS:
            part = clips[clips["quadrant"] == quadrant]
            groups = recordings.loc[part["clip_id"]].to_numpy()
            found = inference.interval(
                part[column].to_numpy(), groups=groups, n_boot=n_boot, seed=seed
            )
            few = f"too few (n={len(part)})" if len(part) < MIN_N else ""
            row = {"modality": modality, "quadrant": quadrant, "n": len(part)}
            row |= {"recordings": len(set(groups)) if known else pd.NA, "mean": found.estimate}
            row |= {"ci_low": np.nan if few else found.ci_low}
            row |= {"ci_high": np.nan if few else found.ci_high}
            rows.append(row | {"sd": part[column].std(), "note": few or found.reason})
    return pd.DataFrame(rows).astype({"recordings": "Int64"})


def disagreement(table, column, about, *, known=True, **how) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Red and green together against blue and yellow together, in each modality, three ways.

    Parameters
    ----------
    table : DataFrame
        modality, clip_id, quadrant and the column.
    about : DataFrame
        Indexed by clip_id: dialog_id, y.
    known : bool
        False: recordings are not known, so there is no mixed model, intervals resample clips, and
        permutations stay inside labels.
    **how
        n_perm, n_boot, seed of `inference.compare_groups`.

    Returns
    -------
    contrast : DataFrame
        Per modality: n, mean of both sides, hedges_g with its interval, p (Welch), p (permutation),
        the difference and p of the mixed model, note, p_holm (of the permutation p, over
        modalities).
    fits : DataFrame
        status and reason of the mixed models.
    """
    rows, fits = [], []
    for modality, part in table.groupby("modality", sort=False):
        part = part.set_index("clip_id")
        here, value = about.loc[part.index], part[column]
        recordings = here["dialog_id"] if known else pd.Series("", index=here.index)
        differ = part["quadrant"].isin(["red", "green"])
        test = inference.compare_groups(
            value.to_frame(),
            differ.map({True: "disagree", False: "agree"}),
            family=modality,
            contrasts=(("disagree", "agree"),),
            groups=recordings if known else None,
            strata=here["y"],
            **how,
        ).iloc[0]
        mixed = mixed_models.mixed_model(value, differ, here["y"], recordings).iloc[0]
        fit = (
            mixed[["status", "reason"]] if known else {"status": "none", "reason": "no recordings"}
        )
        fits.append(dict(fit))
        fitted = fits[-1]["status"] in ("ok", "boundary")
        said = fits[-1]["reason"] if fitted else f"no mixed model: {fits[-1]['reason']}"
        row = {"modality": modality}
        for side, number in (("disagree", 1), ("agree", 2)):
            row |= {f"n {side}": test[f"n_{number}"], f"mean {side}": test[f"mean_{number}"]}
        rows.append(
            row
            | test[["hedges_g", "ci_low", "ci_high"]].to_dict()
            | {"p (Welch)": test["p"], "p (permutation)": test["p_permutation"]}
            | {"adjusted difference": mixed["coef"], "p (mixed model)": mixed["p"]}
            | {"note": "; ".join(filter(None, [test["note"], said]))}
        )
    found = pd.DataFrame(rows)
    found.insert(3, "mean disagree", found.pop("mean disagree"))
    return found.assign(p_holm=inference.holm(found["p (permutation)"])), pd.DataFrame(fits)


def adjusted(tests, within, mixed) -> pd.DataFrame:
    """Each difference beside itself within a label, and given label and recording.

    Parameters
    ----------
    tests : DataFrame
        Of `inference.compare_groups`.
    within : DataFrame
        The same within each label, with a column label.
    mixed : DataFrame
        Of `mixed_models.mixed_models`, with family and p_holm.

    Returns
    -------
    DataFrame
        By p_permutation: feature, contrast, g, p_permutation, the mixed model's p and p_holm, g of
        each class, and the mixed model's coef.
    """
    key = ["family", "feature", "contrast"]
    found = tests.set_index(key)[["hedges_g", "p_permutation"]].rename(columns={"hedges_g": "g"})
    wide = within.pivot(index=key, columns="label", values="hedges_g").add_prefix("g, class ")
    model = mixed.set_index(key)[["p", "p_holm", "coef"]].add_suffix(", mixed")
    found = found.join(model).join(wide).sort_values("p_permutation")
    return found.reset_index().drop(columns="family")

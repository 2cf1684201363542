"""The paper's tests of features (Tables 3, 4, 10, 11, 12), and those of a run beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from empdis_utils.measures import inference
from empdis_utils.paper import printed

__all__ = ["beside", "tests"]


def tests() -> pd.DataFrame:
    """Tables 10, 11 and 12 as numbers, corrected within their family.

    Returns
    -------
    DataFrame
        As printed: feature, label, contrast, t, p_relation, p (one printed as a bound counts as
        that bound), higher; and table, family, paper p (with its relation), in main text (Tables 3
        and 4), paper p_holm, paper p_bh.
    """
    parts = []
    for number, family in ((10, "audio"), (11, "audio"), (12, "video")):
        part = printed.table(f"table_{number}").replace("", np.nan)
        parts.append(part.assign(table=number, family=family))
    paper = pd.concat(parts)
    paper["t"] = paper["t"].astype(float)
    paper["paper p"] = paper["p_relation"].str.replace("=", "") + paper["p"]
    paper["p"] = paper["p"].astype(float)
    in_text = {*printed.table("table_03")["feature"], *printed.table("table_04")["feature"]}
    paper["in main text"] = paper["feature"].isin(in_text)
    paper["paper p_holm"] = paper.groupby("family")["p"].transform(inference.holm)
    paper["paper p_bh"] = paper.groupby("family")["p"].transform(inference.bh)
    return paper


def beside(paper, found) -> pd.DataFrame:
    """The paper's tests of features beside the same tests of a run.

    Parameters
    ----------
    paper : DataFrame
        Of `tests`.
    found : DataFrame
        Of `inference.compare_groups`. Facial units are compared by their rates, as in the paper.

    Returns
    -------
    DataFrame
        One row for each test that both have; column (the run's name of the feature), higher here,
        same direction.
    """
    own = {"Jitter": "jitter_local", "Shimmer": "shimmer_local", "HNR": "hnr"}
    there, columns = set(found["feature"]), []
    for name in paper["feature"]:
        names = [
            f"proxy_{name}_rate",
            f"{name}_rate",
            own.get(name, name.lower().replace(" ", "_")),
        ]
        columns.append(next((one for one in names if one in there), names[-1]))
    both = paper.assign(column=columns).merge(
        found.drop(columns=["family"]).rename(columns={"feature": "column"}),
        on=["column", "contrast"],
        suffixes=(" of the paper", ""),
    )
    sides = both["contrast"].str.split("-")
    higher = sides.str[0].where(both["t"] > 0, sides.str[1])
    both["higher here"] = higher.where(both["t"].notna(), "not tested")
    both["same direction"] = both["higher here"] == both["higher"]
    return both

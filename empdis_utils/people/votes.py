"""Votes of a crowd: many answers to each clip, from one signal and from all of them.

*Readings* are one table of counts for each modality, row by row the same clips, in the order in
which the corpus has them; the last is that of the full clip.

`groups` is the recording of each clip, by clip_id or row by row; intervals draw whole recordings.
"""

import pandas as pd

from empdis_utils.measures import agreement

__all__ = ["changes", "merged", "quadrants", "readings"]


def merged(votes, parts):
    """The same votes for fewer answers, each the sum of some.

    `votes`: clip_id, modality, and a column of votes for each answer. Returns columns clip_id,
    modality, and the keys of `parts`.

    Examples
    --------
    >>> votes = pd.DataFrame({"clip_id": ["a"], "modality": "audio", "N": [3], "S": [1], "F": [2]})
    >>> merged(votes, {"neutral": ["N"], "emotional": ["S", "F"]})["emotional"].to_list()
    [3]
    """
    sums = {name: votes[list(columns)].sum(axis=1) for name, columns in parts.items()}
    return votes[["clip_id", "modality"]].assign(**sums)


def readings(votes, clips, categories):
    """Counts of each modality [n_clips, k], the clips in one order: dict of str to DataFrame.

    `votes`: clip_id, modality, and the columns `categories`. Raises KeyError: a clip without a row
    in a modality.
    """
    return {
        modality: part.set_index("clip_id").loc[list(clips), list(categories)]
        for modality, part in votes.groupby("modality", sort=False)
    }


def _pairs(found):
    """(modality, counts, counts of the full clip) for each single modality."""
    *single, full = found
    return [(one, found[one], found[full]) for one in single]


def changes(sets, name, *, groups, statistic="fleiss_kappa", **how):
    """Agreement on the full clip minus that on one signal, in each set of readings.

    `name`: column for the keys of `sets`. `statistic`, `**how`: as for `agreement.difference`.
    Returns columns `name`, from, to, and the fields of `agreement.Difference`.
    """
    rows = [
        {name: key, "from": one, "to": list(found)[-1]}
        | agreement.difference(
            single, full, groups[full.index].to_numpy(), statistic, **how
        )._asdict()
        for key, found in sets.items()
        for one, single, full in _pairs(found)
    ]
    return pd.DataFrame(rows)


def quadrants(found, y):
    """`agreement.people_quadrants` of each single modality against the full clip.

    Parameters
    ----------
    found : dict of str to DataFrame
        Readings.
    y : Series or array [n_clips]
        The right category of each clip, in their order.

    Returns
    -------
    DataFrame
        clip_id, the columns of `agreement.people_quadrants`, modality.
    """
    made = [
        agreement.people_quadrants(single, full, y).assign(modality=one)
        for one, single, full in _pairs(found)
    ]
    return pd.concat(made).rename_axis("clip_id").reset_index()

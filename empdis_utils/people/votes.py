"""Votes of a crowd: many answers to each clip, from one signal and from all of them.

*Readings* are one table of counts for each modality, row by row the same clips, in the order in
which the corpus has them; the last is that of the full clip.
"""

import pandas as pd

from empdis_utils.measures import agreement

__all__ = ["changes", "quadrants", "readings"]


def readings(votes, clips, categories):
    """Counts of each modality, the clips in one order.

    Parameters
    ----------
    votes : DataFrame
        clip_id, modality, and a column of votes for each answer.
    clips : sequence of str
    categories : sequence of str, or mapping of str to sequence of str
        Columns; or new categories, each the sum of some columns.

    Returns
    -------
    dict of str to DataFrame [n_clips, k]

    Raises
    ------
    KeyError
        A clip without a row in a modality.

    Examples
    --------
    >>> votes = pd.DataFrame({"clip_id": ["a", "b"], "modality": "audio", "N": [3, 0], "S": [1, 4]})
    >>> readings(votes, ["b", "a"], {"any": ["N", "S"]})["audio"]["any"].to_dict()
    {'b': 4, 'a': 4}
    """
    if isinstance(categories, dict):
        sums = {name: votes[list(parts)].sum(axis=1) for name, parts in categories.items()}
        votes = votes[["clip_id", "modality"]].assign(**sums)
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

    Parameters
    ----------
    sets : dict of str to readings
    name : str
        Column for the keys of `sets`.
    groups : Series
        clip_id -> recording.
    statistic, **how
        As for `agreement.difference`.

    Returns
    -------
    DataFrame
        `name`, from, to, and the fields of `agreement.Difference`.
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

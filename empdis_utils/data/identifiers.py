"""One rule for names in people's tables: clips, recordings, labels, splits, annotators, columns.

What a reader cannot see does not tell two names apart: blanks and invisible characters around a
name, an invisible character or another kind of blank inside it, and the two ways in which Unicode
stores an accent.
"""

import re
import unicodedata

import pandas as pd

__all__ = ["cleaned", "plain"]

# Zero-width and direction marks, soft hyphen, byte order mark: they take no room on a page.
INVISIBLE = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_ENDS = re.compile(rf"^[\s{INVISIBLE}]+|[\s{INVISIBLE}]+$")


def plain(text):
    """`text` without blanks and invisible characters around it, in Unicode's composed form (NFC).

    >>> plain(" r0\\u200b ")
    'r0'
    """
    return _ENDS.sub("", unicodedata.normalize("NFC", text))


def _look(text):
    """What is left of a name for the eye."""
    return re.sub(r"\s+", " ", re.sub(f"[{INVISIBLE}]", "", plain(text)))


def cleaned(names, words=()):
    """`plain` names, and where that would make one of two.

    Parameters
    ----------
    names : Series of str
    words : sequence of str
        Words that are also known in capitals: with ``("train",)``, ``Train`` becomes ``train``.

    Returns
    -------
    plain : Series of str
    other : Series
        The first spelling, as written, where an earlier row has a name that looks the same and is
        spelled otherwise; missing elsewhere.
    """
    once = {name: plain(name) for name in names.unique()}
    known = {name: new.lower() for name, new in once.items() if new.lower() in words}
    once |= known
    first = {}
    for name in once:
        first.setdefault(_look(once[name]), name)
    other = {name: first[_look(new)] for name, new in once.items()}
    spelled = names.map(other)
    return names.map(once), spelled.where(spelled != names, pd.NA)

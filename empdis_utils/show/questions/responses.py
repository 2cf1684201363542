"""The figure of the page on empathic answers: what the sentiment match rewards."""

from empdis_utils.show import responses

__all__ = ["okay"]

#: Responders as the page calls them.
SAID = {
    "“Okay.”": "“Okay.” to every line",
    "empty": "no answer at all",
    "last line repeated": "the line repeated",
    "target, shuffled": "another line's target",
    "true next line": "the script's next line",
    "target": "the target itself",
}


def okay(table, title, width=8.0):
    """Every responder's mean sentiment match, the trivial ones in their own colour.

    Parameters
    ----------
    table : DataFrame [k]
        The table ``table3_responders`` of the run: responder, kind, estimate, ci_low, ci_high.
    title : str
    width : float
        Inches.

    Returns
    -------
    matplotlib Figure
    """
    named = table.assign(responder=table["responder"].replace(SAID))
    return responses.rewarded(named, title, width)

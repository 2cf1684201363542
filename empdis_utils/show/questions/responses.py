"""The figure of the page on empathic answers, and what its test of the mechanism found."""

from empdis_utils.show import openings, responses
from empdis_utils.show.style import Sentence, estimate_text

__all__ = ["mechanism", "okay"]

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


def mechanism(found, marked):
    """What the synthetic test of a model that sees and hears found, in three sentences.

    Parameters
    ----------
    found, marked : DataFrame or None
        The tables ``prefix_compared`` and ``marker_differences`` of the fixture's run; None: it did
        not run.

    Returns
    -------
    Sentence
    """
    if found is None or marked is None:
        return Sentence("This test has not been run here.")
    at = found.query(openings.ACCURACY).set_index("arm")
    own, words = (estimate_text(at.loc[arm]) for arm in ("true", "zero"))
    helped = openings.marker(marked)
    return Sentence(
        f"With the clip's own token the model picks the right line for {own} of held-out clips, "
        f"with a token of zeros for {words} (one half is chance): {openings.verdict(found)}. "
        f"{helped[0].upper()}{helped[1:]}. This says nothing about the quality of answers."
    )

"""HTML from the templates beside this file: what a corpus says is always text, never markup."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["render"]

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).with_suffix("")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(name, **values):
    """Fill in a template.

    Parameters
    ----------
    name : str
        A file of ``show/templates``, with its ``.html``, written out in the call: the flow looks
        for these names to know which pages a template makes.
    **values
        Escaped, but for what another call made (`markupsafe.Markup`).

    Returns
    -------
    markupsafe.Markup
        A str; what it is joined with is escaped.

    Notes
    -----
    A file that is not there, or a value that a template asks for and that was not given, is an
    error of Jinja's.

    Examples
    --------
    >>> print(render("details.html", summary="a < b", inside="c"))
    <details><summary>a &lt; b</summary>c</details>
    """
    return Markup(_ENVIRONMENT.get_template(name).render(values))

"""A figure for a desk and the same one for a phone."""

from matplotlib import pyplot as plt

from empdis_utils.show import style

__all__ = ["both_layouts"]

WIDTHS = {"wide": 8.0, "narrow": 3.9}  # inches; a page shows the first one on screens over 600 px


def both_layouts(draw, directory, name):
    """Draw a figure twice and write ``NAME-wide.png`` and ``NAME-narrow.png``.

    Parameters
    ----------
    draw : callable
        Takes a width in inches and returns a figure of that width. It decides by the width how its
        panels stand: beside each other, or below.
    directory : path
    name : str
        Pages show the files as ``assets/NAME-wide.png`` and ``assets/NAME-narrow.png``.

    Returns
    -------
    list of Path
    """
    paths = []
    for layout, width in WIDTHS.items():
        fig = draw(width)
        paths.append(style.save(fig, directory, f"{name}-{layout}"))
        plt.close(fig)
    return paths

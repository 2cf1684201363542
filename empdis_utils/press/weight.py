"""Make the files of the site lighter: fewer colours in pictures, no outputs in source notebooks."""

import io
import json

from PIL import Image, PngImagePlugin

__all__ = ["lighter_picture", "without_outputs"]


def lighter_picture(content, colours=256):
    """A PNG with at most this many colours, on white; as it is, where that is no smaller.

    What it says of its maker (``Software``) stays.

    Parameters
    ----------
    content : bytes
    colours : int
        A figure has fewer; soft edges and shades are rounded to the nearest.

    Returns
    -------
    bytes
    """
    image = Image.open(io.BytesIO(content)).convert("RGBA")
    ground = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(ground, image).convert("RGB")
    about = PngImagePlugin.PngInfo()
    if "Software" in image.info:
        about.add_text("Software", image.info["Software"])
    made, few = io.BytesIO(), flat.quantize(colours, dither=Image.Dither.NONE)
    few.save(made, "PNG", optimize=True, pnginfo=about)
    return min(content, made.getvalue(), key=len)


def without_outputs(text):
    """The text of a notebook with its code and prose, and nothing that it printed or drew.

    Examples
    --------
    >>> import json
    >>> cell = {"cell_type": "code", "source": "1 + 1", "outputs": [{"text": "2"}]}
    >>> json.loads(without_outputs(json.dumps({"cells": [cell]})))["cells"][0]["outputs"]
    []
    """
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps(notebook, indent=1) + "\n"

"""Lighter files show the same. Oracles: the picture before, cells counted by hand."""

import io
import json

import numpy as np
from matplotlib import pyplot as plt
from PIL import Image

from empdis_utils.press import weight


def png(image):
    made = io.BytesIO()
    image.save(made, "PNG")
    return made.getvalue()


def test_a_figure_is_lighter_and_looks_the_same():
    fig, ax = plt.subplots()
    ax.scatter(
        *np.random.default_rng(0).random((2, 300)), c=["#0072B2", "#D55E00", "#009E73"] * 100
    )
    made = io.BytesIO()
    fig.savefig(made)
    plt.close(fig)
    light = weight.lighter_picture(made.getvalue())
    assert len(light) < 0.7 * len(made.getvalue())
    before, after = (
        np.asarray(Image.open(io.BytesIO(x)).convert("RGB"), int) for x in (made.getvalue(), light)
    )
    assert before.shape == after.shape and np.abs(before - after).mean() < 2
    assert b"Matplotlib" in light, "what it says of its maker stays"


def test_what_shows_through_becomes_white_and_few_colours_stay_what_they_are():
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((213, 94, 0, 255), (0, 0, 20, 40))
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    after = Image.open(io.BytesIO(weight.lighter_picture(png(image)))).convert("RGBA")
    assert after.getpixel((5, 5))[:3] == (213, 94, 0)
    assert after.getpixel((30, 5)) in {(255, 255, 255, 255), (0, 0, 0, 0)}
    small = png(Image.fromarray(noise[:2, :2]))
    assert len(weight.lighter_picture(small)) <= len(small)


def test_a_notebook_keeps_code_and_prose():
    cells = [
        {"cell_type": "markdown", "source": "# T"},
        {"cell_type": "code", "source": "1", "outputs": [{"text": "1"}], "execution_count": 3},
    ]
    light = json.loads(weight.without_outputs(json.dumps({"cells": cells, "nbformat": 4})))
    assert [cell["source"] for cell in light["cells"]] == ["# T", "1"] and light["nbformat"] == 4
    assert light["cells"][1]["outputs"] == [] and light["cells"][1]["execution_count"] is None

"""One figure in two widths. Oracle: the sizes of the files."""

from matplotlib import pyplot as plt
from PIL import Image

from empdis_utils.show import layouts


def test_a_figure_is_drawn_for_a_desk_and_for_a_phone(tmp_path):
    asked, open_before = [], plt.get_fignums()

    def draw(width):
        asked.append(width)
        fig = plt.figure(figsize=(width, 2))
        fig.add_axes((0, 0, 1, 1), xticks=[], yticks=[])
        return fig

    paths = layouts.both_layouts(draw, tmp_path, "x")
    assert [path.name for path in paths] == ["x-wide.png", "x-narrow.png"]
    assert asked == list(layouts.WIDTHS.values()) and plt.get_fignums() == open_before
    wide, narrow = (Image.open(path).size for path in paths)
    assert abs(wide[0] / narrow[0] - asked[0] / asked[1]) < 0.1

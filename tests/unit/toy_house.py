"""A small project for tests of the flow: two chapters, one reads the other, and one profile."""

import nbformat
import pytest

from empdis_utils.press import parameters

GIVEN = 'profile = "demo"\ninputs_dir = ""\noutputs_dir = ""\n'

WRITE = """from pathlib import Path
Path(outputs_dir).mkdir(parents=True, exist_ok=True)
Path(outputs_dir, "twice.csv").write_text(str(2 * number))"""


def notebook(path, cell, *code, **metadata):
    """Write a notebook: a heading, a cell of parameters, cells of code."""
    cells = [nbformat.v4.new_markdown_cell("# Demo")]
    cells.append(nbformat.v4.new_code_cell(cell, metadata={"tags": ["parameters"]}))
    cells += [nbformat.v4.new_code_cell(source) for source in code]
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"language_info": {"name": "python"}, **metadata}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=about), path)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A project with two chapters and one profile; returns its folder of runs."""
    monkeypatch.setattr(parameters, "NOTEBOOKS", tmp_path / "notebooks")
    notebook(tmp_path / "notebooks/01_one.ipynb", GIVEN + "number = 1\nwords = ['a']", WRITE)
    notebook(
        tmp_path / "notebooks/02_two.ipynb",
        GIVEN + "factor = 10",
        "from pathlib import Path",
        'made = factor * int(Path(inputs_dir, "twice.csv").read_text())',
        "Path(outputs_dir).mkdir(parents=True)",
        'Path(outputs_dir, "made.csv").write_text(str(made))',
        reads=["01_one"],
    )
    profiles = tmp_path / "notebooks/profiles"
    profiles.mkdir()
    (profiles / "demo.yaml").write_text("title: Demo\n01_one:\n  number: 4\n02_two:\n")
    return tmp_path / "runs"

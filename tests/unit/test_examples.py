"""The Examples of the docstrings run, and the functions that others rely on have some."""

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

from empdis_utils.data import corpora

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = {
    "data.corpora": "load_empspeech load_mosi load_cremad load_fixture",
    "data.splits": "audit recording_baseline crossfit_folds",
    "models.encoders": "load",
    "models.finetune": "finetune",
    "models.fusion_training": "GatedAttentionFusion fit predict",
    "measures.disagreement": "pairwise_disagreement quadrants modality_over_seed",
    "measures.uncertainty": "predictive_entropy calibration",
    "measures.inference": "interval compare_groups permutation_test",
    "measures.agreement": "cohen_kappa fleiss_kappa krippendorff_alpha gwet_ac1",
    "features.acoustics": "extract",
    "features.faces": "extract",
    "people.sampling": "sample_for_annotation",
    "paper.claims": "evaluate",
}


def with_examples():
    """Dotted names of what has examples, read from the sources so that nothing is imported yet."""
    found = []
    for file in sorted((ROOT / "empdis_utils").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                if ">>>" in (ast.get_docstring(node) or ""):
                    found.append(f"{module}:{getattr(node, 'name', '')}")
    return found


@pytest.mark.parametrize("name", with_examples())
def test_examples_run(name, monkeypatch):
    module, _, thing = name.partition(":")
    module = importlib.import_module(module)
    monkeypatch.chdir(ROOT)
    finder = doctest.DocTestFinder(recurse=True, exclude_empty=True)
    last = thing or module.__name__.split(".")[-1]
    tests = [t for t in finder.find(module) if t.examples and t.name.split(".")[-1] == last]
    assert tests, f"{name} cannot be reached"
    for test in tests:
        for corpus in re.findall(r"load_(empspeech|mosi|cremad)\(\)", test.docstring):
            if not corpora.at_hand(corpus):
                pytest.skip(f"{corpus} is not at hand")
        said = []
        doctest.DocTestRunner().run(test, out=said.append)
        assert not said, "".join(said)


@pytest.mark.parametrize("module", PUBLIC)
def test_what_others_rely_on_has_examples(module):
    shown = {name.split(":")[1] for name in with_examples() if name.split(":")[0].endswith(module)}
    assert set(PUBLIC[module].split()) <= shown

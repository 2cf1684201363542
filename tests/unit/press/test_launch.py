"""Oracle: the cells of chapter 02 itself, and fits that are found and not made again."""

import contextlib
import inspect
import json

import pytest

from empdis_utils.data import corpora, tables
from empdis_utils.models import finetune
from empdis_utils.press import launch, parameters
from tests.unit.models.test_finetune import TINY


def test_the_fits_of_a_chapter_are_found_by_it(fixture_corpus, tmp_path, monkeypatch, capsys):
    """The command that `accelerate launch` starts, with the chapter's own parameters."""
    given = {"corpus": "fixture", "encoders": {"roberta": TINY["roberta"]}, "epochs": 1}
    given |= {"protocols": ["release"], "n_seeds": 2, "cache_dir": str(tmp_path / "cache")}
    given |= {"dropout_encoder": "roberta"}
    monkeypatch.setattr(parameters, "chapter_parameters", lambda profile, chapter: given)
    manifest = fixture_corpus.manifest.iloc[::4].reset_index(drop=True)
    tables.write(manifest, tmp_path / "runs" / "any" / "artifacts", "manifest")
    launch.main(["any", "--runs", str(tmp_path / "runs")])
    assert capsys.readouterr().out.count("roberta release: 2 fits are in the cache") == 2
    monkeypatch.setattr(finetune._Fit, "train_epoch", None)  # nothing trains again
    for asked in finetune.chapter_studies(parameters.notebook_parameters("02_unimodal") | given):
        ((_, _, fits),) = finetune.study(fixture_corpus, manifest, **asked, progress=False)
        assert len(fits["release"].cost) == 2
    with pytest.raises(SystemExit, match="no table 'manifest'"):
        launch.main(["any", "--runs", str(tmp_path)])


PROFILES = (parameters.NOTEBOOKS / "profiles").glob("*.yaml")
WITH_02 = [path.stem for path in PROFILES if "02_unimodal" in path.read_text()]


@pytest.mark.parametrize("profile", sorted(WITH_02))
@pytest.mark.parametrize("more", [{}, {"precision": "fp16"}, {"trunk_dropout": True}], ids=str)
def test_what_is_launched_is_what_the_chapter_asks_for(profile, more, monkeypatch):
    """Oracle: the cells of the chapter itself. Else its fits would not be found."""
    chapter, original, calls = "02_unimodal", finetune.study, []
    given = parameters.chapter_parameters(profile, chapter) | more
    chosen = parameters.notebook_parameters(chapter) | given

    def note(*words, **names):
        bound = inspect.signature(original).bind(*words, **names)
        bound.apply_defaults()
        bound = bound.arguments
        calls.append({k: v for k, v in bound.items() if k not in ("n_jobs", "progress")})
        return [("", None, {})]

    monkeypatch.setattr(finetune, "study", note)
    monkeypatch.setattr(parameters, "chapter_parameters", lambda *_: given)
    monkeypatch.setattr(tables, "read", lambda *_: "manifest")
    monkeypatch.setattr(corpora, "load", lambda _: "corpus")
    launch.main([profile])
    launched, calls = calls, []
    cells = json.loads((parameters.NOTEBOOKS / f"{chapter}.ipynb").read_text())["cells"]
    cells = ["".join(cell["source"]) for cell in cells if "finetune.study" in str(cell["source"])]
    here = chosen | {"finetune": finetune, "data": "corpus", "manifest": "manifest"}
    with contextlib.suppress(StopIteration):  # no fits to look at after the second call
        for cell in cells:
            exec(cell, here)
    assert launched == calls and len(calls) == 1 + bool(
        chosen["dropout_encoder"] and not chosen["trunk_dropout"]
    )

"""Single cells of chapters, under conditions that no profile of the book has.

Oracles: the helper functions called directly on the clips that remain.
"""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from empdis_utils.data import corpora, tables
from empdis_utils.features import textual
from empdis_utils.models import fusion
from empdis_utils.press import parameters


def cells(chapter, *marks):
    """Source of the code cells that hold one of some texts, in order."""
    found = json.loads((parameters.NOTEBOOKS / f"{chapter}.ipynb").read_text(encoding="utf-8"))[
        "cells"
    ]
    sources = ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]
    found = [one for one in sources if any(mark in one for mark in marks)]
    assert len(found) == len(marks), "each text marks one cell"
    return "\n".join(found)


WORDS = ("textual.geometry", "clips have a text embedding")


def embeddings(clip_id, n_folds, seed=0, width=4):
    """What chapter 02 keeps of one encoder and seed."""
    rng = np.random.default_rng(seed)
    columns = [f"e{i:03d}" for i in range(width)]
    frame = pd.DataFrame(rng.standard_normal((len(clip_id) * n_folds, width)), columns=columns)
    return frame.assign(clip_id=[*clip_id] * n_folds, fold=np.repeat(range(n_folds), len(clip_id)))


@pytest.fixture
def corpus():
    """Twenty-four clips of eight recordings, and the fold of each."""
    clip_id = [f"c{i:02d}" for i in range(24)]
    dialog = [f"r{i // 3}" for i in range(24)]
    y = np.random.default_rng(1).permutation([0, 1] * 12)
    manifest = pd.DataFrame({"clip_id": clip_id, "dialog_id": dialog, "y": y, "transcript": "oh"})
    manifest = manifest.assign(label=[("neutral", "empathetic")[k] for k in y], split="train")
    manifest = manifest.assign(start_s=np.nan, end_s=np.nan, n_tokens=1)
    return manifest.assign(audio_path=None, video_path=None), np.arange(24) // 3 % 2


def test_05_a_clip_without_an_embedding_keeps_its_row(corpus, tmp_path, capsys):
    manifest, fold = corpus
    kept = embeddings(manifest["clip_id"], 2)
    silent = "c04"
    kept.loc[kept["clip_id"] == silent, kept.columns.str.startswith("e")] = np.nan
    tables.write(kept, tmp_path, "embeddings/roberta-seed7")
    about = manifest.assign(fold=fold, inputs="text", source="fusion", seed=7, split="test", p=0.3)
    columns = ["clip_id", "inputs", "source", "seed", "fold", "split", "y", "p"]
    tables.write(about[columns], tmp_path, "predictions")
    here = dict(inputs_dir=tmp_path, outputs_dir=tmp_path, manifest=manifest, seed=7, tables=tables)
    here |= dict(about=manifest.set_index("clip_id"), textual=textual, k_neighbours=3, folds=[0, 1])
    here |= dict(text_space="roberta", known=True, predictions=about)
    here |= dict(fold=about.set_index("clip_id")["fold"])
    exec(cells("05_words", *WORDS), here)
    assert "23 of 24 clips have a text embedding" in capsys.readouterr().out
    made = tables.read(tmp_path, "text_geometry").set_index("clip_id")
    assert sorted(made.index) == manifest["clip_id"].tolist()
    assert made.loc[silent, "status"] == "no_embedding" and "roberta" in made.loc[silent, "reason"]
    numbers = made.drop(columns=["status", "reason"])
    assert numbers.loc[silent].isna().all() and numbers.drop(silent).notna().all(axis=None)
    there = manifest["clip_id"] != silent
    space = kept[(kept["fold"] == 0) & (kept["clip_id"] != silent)].filter(regex=r"^e\d")
    y, dialog = manifest["y"][there], manifest["dialog_id"][there]
    purity = textual.local_purity(space, y, dialog, k=3)["purity"].to_numpy()
    held_out = fold[there] == 0
    clips = manifest["clip_id"][there][held_out]
    np.testing.assert_allclose(numbers.loc[clips, "purity"], purity[held_out])
    here["seed"] = 8  # a seed that chapter 02 did not train: what to change is said
    with pytest.raises(ValueError, match="same seed and n_seeds"):
        exec(cells("05_words", *WORDS), here)


@pytest.mark.parametrize(
    ("chapter", "mark"), [("02_unimodal", "left_out ="), ("03_fusion", "fused =")]
)
def test_02_and_03_refuse_three_classes_before_they_train(chapter, mark, corpus, tmp_path):
    """They score `p > 0.5`, which says nothing about a third class."""
    manifest, _ = corpus
    tables.write(manifest.assign(y=np.arange(24) % 3), tmp_path, "manifest")
    here = dict(inputs_dir=tmp_path, tables=tables, corpora=corpora, corpus="fixture")
    with pytest.raises(ValueError, match="needs two classes, the manifest has 3.*predictions"):
        exec(cells(chapter, mark), here)


@pytest.mark.parametrize("n_clips", [3, 4])
def test_08_split_says_that_a_few_clips_are_too_few(n_clips, corpus, tmp_path):
    """One clip of a class; with its recording held out scikit-learn would stop in its own words."""
    manifest = corpus[0].head(n_clips).assign(y=[1, 0, 0, 0][:n_clips])
    manifest["dialog_id"] = manifest["clip_id"]
    tables.write(manifest, tmp_path, "manifest")
    here = parameters.notebook_parameters("08_split") | {"inputs_dir": tmp_path}
    exec(cells("08_split", "style.apply()"), here)
    here["corpora"] = SimpleNamespace(load=lambda _: SimpleNamespace(manifest=manifest))
    with pytest.raises(
        ValueError, match=rf"too few \(n={n_clips} clips\): y = 1 occurs in one rec"
    ):
        exec(cells("08_split", "splits.audit(released"), here)
    manifest["y"] = ([1, 0, 0, 1] * 2)[:n_clips]
    if n_clips == 4:
        tables.write(manifest, tmp_path, "manifest")
        exec(cells("08_split", "splits.audit(released"), here)
        assert here["n_folds"] == 2


@pytest.mark.parametrize("protocol", ["crossfit", "release"])
def test_08_choices_are_made_on_the_clips_of_chapter_03(protocol, corpus, tmp_path):
    """Also where clips lack a modality. Oracle: the network called as chapter 03 calls it."""
    manifest, folds = corpus
    manifest["split"] = ["train"] * 12 + ["val"] * 5 + ["test"] * 7
    y, clip_id, groups = (manifest[c].to_numpy() for c in ("y", "clip_id", "dialog_id"))
    rng, features = np.random.default_rng(0), {}
    for modality in ("text", "audio"):
        features[modality] = pd.DataFrame(rng.standard_normal((24, 5)), index=clip_id)
    features["text"].loc["c03"] = np.nan
    given = {m: frame.to_numpy() for m, frame in features.items()}
    recipe = fusion.RECIPES["release"] | {"epochs": 1}
    how = dict(seeds=(3,), missing="zero", keep=("val", "test"), n_jobs=1, progress=False)

    def made(**more):
        if protocol == "release":
            split = manifest["split"].to_numpy()
            return fusion.release(given, y, clip_id, split, **how, **more)[0]
        return fusion.crossfit(given, y, clip_id, folds, groups=groups, **how, **more)[0]

    there = tmp_path / "artifacts"
    stored = made(recipe=recipe)
    tables.write(manifest, there, "manifest")
    tables.write(stored.query("split == 'test'"), there, "predictions")
    tables.write(stored.query("split == 'val'"), there, "predictions_validation")
    used = parameters.notebook_parameters("03_fusion") | {"missing": "zero", "protocol": protocol}
    used |= {"changes": {"epochs": 1}, "n_folds": 2}
    story = {"chapters": {"03_fusion": {"parameters": used}}}
    (tmp_path / "provenance.json").write_text(json.dumps(story))
    here = parameters.notebook_parameters("08_choices") | {
        "inputs_dir": there,
        "outputs_dir": there,
    }
    here |= {"n_seeds": 1, "seed": 3, "n_jobs": 1, "n_boot": 50}
    exec(cells("08_choices", "style.apply()"), here)
    here["corpora"] = SimpleNamespace(load=lambda _: SimpleNamespace(features=features))
    exec(cells("08_choices", "choices.train(", "choices.effects("), here)
    expected = set(stored.query("split == 'test'")["clip_id"])
    choices = set(here["tested"]) - {"validation clips pooled in"}
    assert {"max pooling", "last epoch"} <= choices and len(expected) == (
        24 if protocol == "crossfit" else 7
    )
    for name in choices:
        assert set(here["tested"][name]["clip_id"]) == expected, name
    pooled = made(recipe=recipe | {"pooling": "max"})
    pd.testing.assert_frame_equal(
        here["runs"]["max pooling"].sort_values(["inputs", "fold", "split", "clip_id"]),
        pooled.sort_values(["inputs", "fold", "split", "clip_id"]),
    )
    with pytest.raises(ValueError, match=r"chapter 03 has seeds \[3\], this page asks for \[4\]"):
        exec(cells("08_choices", "choices.train("), here | {"seeds": (4,)})

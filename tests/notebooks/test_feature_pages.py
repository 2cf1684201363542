"""Chapter 05 with affect scores, and the RAVDESS page, on what a test can have of either.

Oracle: `affect.extract` called directly on a tiny checkpoint with random weights (its scores mean
nothing), and synthetic tones named like RAVDESS files, made louder and higher where "angry".
"""

import numpy as np
import pandas as pd
import pytest
import soundfile

from empdis_utils.data import corpora, tables
from empdis_utils.features import affect
from empdis_utils.press import run
from tests.conftest import BUILD
from tests.unit.features.test_affect import tiny_checkpoint


def test_05_affect_scores_are_tested_when_there_are_weights(artifacts, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(BUILD / "no-cache"))  # sound is measured there already
    (tmp_path / "model").mkdir()
    checkpoint = tiny_checkpoint(tmp_path / "model")
    (tmp_path / "runs/fixture").mkdir(parents=True)
    (tmp_path / "runs/fixture/artifacts").symlink_to(artifacts)
    small = ["video_source=none", "n_perm=100", "n_boot=100"]
    overrides = [f"affect_checkpoint={checkpoint}", *small]
    run.run_chapter("fixture", "05_features", tmp_path / "runs", "affect", overrides)
    found = tmp_path / "runs/affect/artifacts"
    features = tables.read(found, "audio_features")
    data = corpora.load_fixture()
    direct = affect.extract(data.manifest.head(5), checkpoint, root=data.root, progress=False)
    both = features.merge(direct, on="clip_id", suffixes=("", " directly"))
    assert len(both) == 5 and (features["affect_status"] == "ok").all()
    for name in affect.DIMENSIONS:
        np.testing.assert_allclose(both[name], both[f"{name} directly"], rtol=1e-4)
    tested = tables.read(found, "feature_tests").query("family == 'audio'")["feature"]
    assert set(affect.DIMENSIONS) <= set(tested)
    beside = tables.read(found, "paper_features").query("feature == 'arousal'")
    assert set(beside["p of the paper"]) == {0.0705, 0.0065, 0.0136}  # Tables 10 and 11


def test_05_without_weights_the_scores_are_missing_with_a_reason(artifacts):
    features = tables.read(artifacts, "audio_features")
    assert features[list(affect.DIMENSIONS)].isna().all(axis=None)
    assert (features["affect_status"] == "no_model").all() and (features["status"] == "ok").all()
    assert features["affect_reason"].str.contains("No weights of the affect model").all()
    assert not set(affect.DIMENSIONS) & set(tables.read(artifacts, "feature_tests")["feature"])


def test_05_within_label_and_mixed_models_cover_the_tests(artifacts):
    tests = tables.read(artifacts, "feature_tests")
    key = ["family", "feature", "contrast"]
    mixed = tables.read(artifacts, "feature_tests_mixed")
    within = tables.read(artifacts, "feature_tests_within_label")
    wanted = set(map(tuple, tests[key].to_numpy()))
    assert set(map(tuple, mixed[key].to_numpy())) == wanted
    for _, part in within.groupby("label"):
        assert set(map(tuple, part[key].to_numpy())) == wanted


def test_05_text_geometry_is_of_held_out_clips(artifacts):
    """Clips that all cues support lie among their own kind; the margin is the ensemble's own."""
    geometry = tables.read(artifacts, "text_geometry").set_index("clip_id")
    assert len(geometry) == 160 and geometry.notna().all(axis=None)
    predictions = tables.read(artifacts, "predictions").query("inputs == 'text'")
    p = predictions.groupby("clip_id")["p"].mean().loc[geometry.index]
    np.testing.assert_allclose(geometry["margin_text_model"], np.abs(np.log(p / (1 - p))))
    truth = corpora.load_fixture().truth.set_index("clip_id").loc[geometry.index]
    supports = truth["text_cue"] == "supports"
    contradicts = truth["text_cue"] == "contradicts"
    assert geometry.loc[supports, "purity"].mean() > 0.7
    assert geometry.loc[contradicts, "purity"].mean() < 0.4


def invented_ravdess(folder, rate=16_000):
    """Synthetic tones; those named "angry" are twice as loud and half as high again."""
    folder.mkdir(parents=True)
    t = np.arange(rate) / rate
    for actor in range(1, 7):
        for emotion, gain, pitch in (("02", 0.1, 120), ("05", 0.2, 180)):
            wave = gain * np.sin(2 * np.pi * (pitch + actor) * t)
            quiet = 1e-4 * np.random.default_rng(actor).normal(size=rate // 2)
            name = f"03-01-{emotion}-01-01-01-{actor:02d}.wav"
            soundfile.write(folder / name, np.concatenate([quiet, wave, quiet]), rate)


@pytest.mark.parametrize("have", [True, False])
def test_11_ravdess_measures_pairs_or_says_what_is_missing(have, tmp_path, monkeypatch):
    monkeypatch.setenv("EMPDIS_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("EMPDIS_MEDIA", raising=False)
    (tmp_path / "data").mkdir()
    if have:
        invented_ravdess(tmp_path / "media" / "ravdess")
    page = run.run_chapter("ravdess", "11_ravdess", tmp_path / "runs")
    found = tmp_path / "runs/ravdess/artifacts"
    if not have:
        assert "No angry and calm clips of RAVDESS here" in page.read_text()
        assert not list(found.glob("*.parquet"))
        return
    result = pd.read_parquet(found / "ravdess_directions.parquet").set_index("feature")
    assert (result["pairs"] == 6).all()
    assert result.loc["mean_intensity", "mean difference"] == pytest.approx(
        20 * np.log10(2), abs=0.2
    )
    assert result.loc["mean_pitch", "mean difference"] == pytest.approx(60, abs=0.5)
    assert result.loc[["mean_intensity", "mean_pitch"], "as expected"].tolist() == [6, 6]

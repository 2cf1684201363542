"""Sources of features by name. Oracles: each source's own function; a stand-in for py-feat."""

import shutil
import sys
import types

import numpy as np
import pandas as pd
import pytest

from empdis_utils.features import acoustics, faces, sources
from tests.conftest import ROOT

BROKEN = ROOT / "tests" / "fixture" / "broken"
CORPUS = ROOT / "tests" / "fixture" / "corpus"


def corpus(folder, features=None):
    return types.SimpleNamespace(root=folder, features=features or {})


def manifest(**columns):
    return pd.DataFrame({"clip_id": ["a"], "transcript": ["oh dear"], "n_tokens": 2, **columns})


class Detector:
    """Stands in for py-feat 2's Detectorv2."""

    def __init__(self, **_):
        pass

    def detect(self, inputs, **_):
        n = len(inputs)
        return pd.DataFrame(
            {"frame": range(n), "FaceRectWidth": 9.0, "FaceRectHeight": 9.0, "AU12": 0.75}
        )


def test_pyfeat_and_openface_by_one_parameter(tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "version", lambda _: "2.0")
    monkeypatch.setitem(sys.modules, "feat", types.SimpleNamespace(Detectorv2=Detector))
    faces._pyfeat_detector.cache_clear()
    video = manifest(video_path=str(BROKEN / "no_face.mp4"))
    found = sources.families(corpus(tmp_path), video, {"video": "pyfeat"}, keep=False)["video"]
    faces._pyfeat_detector.cache_clear()
    assert found.loc["a", "AU12"] == 0.75 and found.loc["a", "AU12_rate"] == 1
    (tmp_path / "openface").mkdir()
    shutil.copy(BROKEN / "openface_good.csv", tmp_path / "openface" / "a.csv")
    chosen = {"video": "openface"}
    found = sources.families(corpus(tmp_path), manifest(video_path=None), chosen, keep=False)
    direct = faces.extract([BROKEN / "openface_good.csv"], "openface", progress=False)
    assert found["video"].loc["a", "AU12"] == direct["AU12"].item()


def test_without_pyfeat_or_the_folder_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "feat", None)
    faces._pyfeat_detector.cache_clear()
    video = manifest(video_path=None)
    with pytest.raises(ImportError, match="pip install 'py-feat>=2'"):
        sources.families(corpus(tmp_path), video, {"video": "pyfeat"}, keep=False)
    with pytest.raises(FileNotFoundError, match="video_source is 'openface'.*mediapipe, pyfeat"):
        sources.families(corpus(tmp_path), video, {"video": "openface"}, keep=False)
    with pytest.raises(ValueError, match="no published features of video"):
        sources.families(corpus(tmp_path), video, {"video": "given"}, keep=False)


def test_speaking_rate_counts_tokens_or_syllables(tmp_path):
    clip = manifest(audio_path="audio/fx00_00.flac")
    for unit in ("tokens", "syllables"):
        found = sources.families(
            corpus(CORPUS),
            clip,
            {"audio": "praat", "text": "transcripts"},
            rate_unit=unit,
            keep=False,
        )
        direct = acoustics.extract(clip, root=CORPUS, rate_unit=unit, progress=False)
        np.testing.assert_equal(
            found["audio"].loc["a", "speaking_rate"], direct["speaking_rate"].item()
        )
    told = sources.overview(found, {"audio": "praat", "text": "transcripts"})
    assert told.loc["text", "features with values"] == 5
    assert "No weights" in told.loc["audio", "missing"]

"""Chapter 12, who speaks: on stand-ins of GRID without its face model, and on GRID where it is.

Oracle: the page's own sentence; scikit-learn's AUROC and counts of the rows that the page saves.
"""

import pandas as pd
import pytest
from face_model import PROBLEM as NO_MODEL
from sklearn.metrics import roc_auc_score

from empdis_utils.data import catalogue, tables
from empdis_utils.press import run

PROBLEM = NO_MODEL if catalogue.at_hand("grid") else "GRID is not at hand"


@pytest.mark.filterwarnings("ignore:.*differs from the published file:UserWarning")
def test_clips_that_cannot_be_measured_are_said(tmp_path, monkeypatch):
    """Files that hold no pictures; and no face model, where it cannot be downloaded either."""
    for file in catalogue.CATALOGUE["grid"]["files"]:
        (tmp_path / "grid").mkdir(exist_ok=True)
        (tmp_path / "grid" / file).write_bytes(b"no media")
    monkeypatch.setenv("EMPDIS_DATA", str(tmp_path))
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path / "cache"))
    text = run.run_chapter("grid", "12_speaker", tmp_path / "runs").read_text()
    assert (
        "No clips could be measured here. So the heuristic for who speaks was not tested." in text
    )
    assert "11 unreadable" in text or "face_landmarker.task" in text or "mediapipe" in text
    assert not list((tmp_path / "runs/grid/artifacts").glob("*.parquet"))


@pytest.mark.skipif(bool(PROBLEM), reason=PROBLEM)
def test_the_page_says_what_its_rows_say(tmp_path):
    page = run.run_chapter("grid", "12_speaker", tmp_path, overrides=["n_boot=200"]).read_text()
    found = tmp_path / "grid/artifacts"
    scores, apart = (tables.read(found, f"speaker_{name}") for name in ("scores", "apart"))
    assert scores["clip_id"].nunique() == 11 and scores["dialog_id"].nunique() == 10
    assert (scores["status"] == "ok").all()
    for row in apart.itertuples():
        part = scores[
            scores["source"].isin(["own", row.control]) & (scores["option"] == row.option)
        ]
        expected = roc_auc_score(part["source"] == "own", part["value"])
        assert row.estimate == pytest.approx(expected) and row.n_recordings == 10
        assert row.ci_low < row.estimate < row.ci_high + 1e-9
    first = apart[apart["control"] == "another clip's"].iloc[0]
    assert f"AUROC {first['estimate']:.2f} [{first['ci_low']:.2f}" in page
    taken = tables.read(found, "speaker_taken").iloc[0]
    assert f"in {taken['taken']} of 11 clips, which are few" in page
    named = tables.read(found, "speaker_picked").set_index(["option", "outcome"])["estimate"]
    for option, part in tables.read(found, "speaker_picks").groupby("option"):
        shares = part["source"].value_counts(normalize=True)
        assert shares.sum() == 1 and len(part) == 108
        for name, share in shares.items():
            assert named[option, f"{name} named"] == pytest.approx(share)
    assert pd.api.types.is_bool_dtype(tables.read(found, "speaker_picks")["correct"])

"""The profile `respond`, whole, on stand-ins: a tiny language model, fixture clips as dialogues.

Oracles: the table of lines that is written here, and the readers of what the chapter leaves.
"""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from empdis_utils.data import corpora, dialogues, tables
from empdis_utils.models import responders
from empdis_utils.press import run
from tests.conftest import ROOT

CHECKPOINTS = ROOT / "tests" / "fixture" / "checkpoints"


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    """Eight recordings of the fixture as dialogues of six lines; one clip's file is missing."""
    folder = tmp_path_factory.mktemp("turns")
    data = corpora.load("fixture")
    clips = data.manifest.groupby("dialog_id").head(6).iloc[:48].reset_index(drop=True)
    for path in data.media("video_path").loc[clips["clip_id"]]:
        shutil.copy(path, folder)
    names = [f"{clip}.mp4" for clip in clips["clip_id"]]
    names[1] = "gone.mp4"
    rows = {"clip_id": clips["clip_id"], "dialog_id": clips["dialog_id"]}
    rows |= {"split": np.where(clips.index < 36, "train", "test")}
    rows |= {"speaker": np.tile(["Ann", "Ben"], 24), "text": clips["transcript"]}
    pd.DataFrame({**rows, "media_path": names}).to_csv(folder / "mine.csv", index=False)
    return folder / "mine.csv"


def overrides(csv):
    """The profile's parameters for the stand-ins."""
    sound, picture = (
        json.dumps({name: str(CHECKPOINTS / name)}) for name in ("hubert", "timesformer")
    )
    return [
        f"turns={csv}", "responder=tiny", f"checkpoint={CHECKPOINTS / 'responder'}",
        "four_bit=false", f"sound={sound}", f"picture={picture}", "epochs=2", "n_boot=100",
        "max_new_tokens=12", "n_history=2",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def artifacts(csv, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMPDIS_CACHE", str(runs / "cache"))
        run.run_chapter("respond", "12_answers", runs, overrides=overrides(csv))
    return runs / "respond" / "artifacts"


def test_every_arm_answers_the_held_out_lines(artifacts):
    found = tables.read(artifacts, "prefix_answers")
    # two test dialogues of six lines: each but the last is answered by another speaker
    assert found.groupby("arm").size().to_dict() == dict.fromkeys(
        ["true", "zero", "shuffled", "mean"], 10
    )
    assert np.isfinite(found["nll"]).all()
    compared = tables.read(artifacts, "prefix_compared")
    assert set(compared["status"]) == {"too_few"}  # two dialogues: no interval is made up


def test_the_answers_can_be_scored_and_the_model_loaded(artifacts):
    answers = dialogues.read_answers(artifacts / "answers.csv")
    assert len(answers) == 10 and (answers["target"] != "").all()
    assert set(answers["status"]) <= {"ok", "empty"}
    model = responders.load_trained(artifacts / "responder")
    assert model.widths == {"sound": 64, "picture": 64}


def test_what_is_missing_is_said_before_anything_runs(csv):
    with pytest.raises(run.RunError) as refused:
        run.check_responder("respond")
    said = str(refused.value).splitlines()
    assert said[0].startswith("profile respond cannot run")
    assert {line.split(":")[0].strip() for line in said[1:]} >= {"Media", "Package"}
    run.check_responder("respond", overrides(csv))  # nothing is missing
    with pytest.raises(SystemExit, match="Media: .* holds none of MELD's folders"):
        run.main(["check", "respond", "12_answers", "-p", f"media={csv.parent}"])

"""The profile `paper`, all chapters, on an invented stand-in for EMPSPEECH with fetched clips.

Its own settings but for tiny checkpoints in place of the published ones, and fewer repeats. Oracle:
what `standins.empspeech_clips` left out and broke on purpose.
"""

import json

import pandas as pd
import pytest
import standins

from empdis_utils.data import tables
from empdis_utils.press import parameters, run
from tests.conftest import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:.*differs from the published file:UserWarning")
ENCODERS = parameters.read_profile("paper")["02_unimodal"]["encoders"]
LITTLE = ["n_boot=100", "n_perm=200"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folder of the stand-in, its table of fetched clips, and the clip whose files are cut off."""
    folder = tmp_path_factory.mktemp("corpora")
    standins.empspeech(folder, n_dialogs=10, per_dialog=10)
    cut = standins.empspeech_clips(folder)
    return folder, pd.read_csv(folder / "empspeech/clips/clips.csv").set_index("clip_id"), cut


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    checkpoints = {name: str(ROOT / "tests/fixture/checkpoints" / name) for name in ENCODERS}
    tiny = f"encoders={json.dumps(checkpoints)}"
    small = {
        "01_data": [],
        "02_unimodal": [tiny, "n_seeds=2", "epochs=2", "n_folds=2", "learning_rate=0.001"],
        "03_fusion": ["n_seeds=2", LITTLE[0]],
        "04_quadrants": LITTLE[:1],
        "05_features": [*LITTLE, "video_source=none"],  # its weights are not everywhere at hand
        "05_words": LITTLE,
        "06_entropy": LITTLE,
        "07_human_study": [*LITTLE, "n_sim=20"],
    }
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMPDIS_DATA", str(data[0]))
        patch.setenv("EMPDIS_CACHE", str(folder / "cache"))
        for chapter in parameters.read_profile("paper")["chapters"]:
            run.run_chapter("paper", chapter, folder, overrides=small[chapter])
        run.run_chapter("book", "08_ledger", folder)
    return folder


@pytest.fixture
def read(runs):
    return lambda name: tables.read(runs / "paper" / "artifacts", name)


def test_the_page_counts_what_could_not_be_fetched(runs, data):
    page = (runs / "paper" / "01_data.ipynb").read_text()
    assert data[1]["status"].value_counts().to_dict() == {"ok": 90, "removed": 5, "private": 5}
    for status in ("removed", "private", "for_example"):
        assert status in page


def test_six_encoders_train_on_what_there_is(read, data):
    clips, cut = data[1], data[2]
    found = read("predictions_finetuned").query("split == 'test'")
    assert set(found["encoder"]) == set(ENCODERS) and set(found["seed"]) == {42, 43}
    manifest = read("manifest").query("split == 'test'").set_index("clip_id")
    there = set(manifest.index[clips.loc[manifest.index, "status"] == "ok"]) - {cut}
    for (encoder, inputs), part in found.groupby(["encoder", "inputs"]):
        wanted = set(manifest.index) if inputs == "text" else there
        unread = wanted - set(part["clip_id"])
        assert set(part["clip_id"]) <= wanted | {cut} and len(unread) <= 1, encoder


def test_clips_without_media_are_fused_as_zeros_and_have_no_gate(read, data):
    evaluated = read("predictions").query("split == 'test' and inputs == 'text+audio+video'")
    manifest = read("manifest").query("split == 'test'")
    assert set(evaluated["clip_id"]) == set(manifest["clip_id"])
    gone = data[1].index[data[1]["status"] != "ok"]
    gates = read("gates")
    lost = gates[gates["clip_id"].isin(gone) & gates["modality"].ne("text")]
    assert len(lost) and lost["gate"].isna().all()
    assert gates.query("modality == 'text'")["gate"].notna().all()


def test_no_row_is_lost_among_the_features(read, data):
    features = read("audio_features").set_index("clip_id")
    gone = data[1].index[data[1]["status"] != "ok"]
    assert set(features.index) == set(data[1].index)
    assert features.loc[gone, "hnr"].isna().all() and features["arousal"].isna().all()
    for column, there in (("status", "ok"), ("affect_status", "no_model")):
        assert set(features.loc[gone, column]) == {"missing"}
        assert set(features[column]) == {"missing", there}


def test_simulated_annotators_are_no_evidence_about_people(runs, read):
    assert read("annotations")["annotator"].str.startswith("simulated").all()
    ledger = tables.read(runs / "book" / "artifacts", "claims").query("profile == 'paper'")
    said = ledger.set_index("claim_id").loc[
        ["kappa-falls-red", "kappa-rises-blue", "people-divided"]
    ]
    assert set(said["verdict"]) == {"not testable"}
    assert said["note"].str.contains("annotators are simulated").all()
    assert (ledger["verdict"] != "not testable").sum() > 5

"""Where would X be? Asked of a newcomer who saw the names and lines of the rooms, no file.

The questions were written down before anybody was asked. Of 32 first guesses of a room, 30 were
right; "the key of a cache entry" and "Dask" were looked for in `press`, which chapters may not use.
"""

import importlib

import pytest

from empdis_utils.places import PACKAGE

ANSWERS = {
    "the SHA-256 and licence of a published corpus's files": "data.catalogue.CATALOGUE",
    "the check of a user's own manifest": "data.manifests.read_manifest",
    "a video file, decoded into frames": "data.media.load_frames",
    "folds that keep recordings whole": "data.splits.crossfit_folds",
    "the columns of the table quadrants": "data.tables.SCHEMAS",
    "fetching EMPSPEECH's clips": "data.youtube.fetch",
    "the hash of the code that keys a cache entry": "data.hashes.code_of",
    "the cache folder and the variable that moves it": "places.cache_dir",
    "sending work to a Dask cluster": "data.workers.cluster",
    "the six encoders, and how to add one": "models.encoders.ENCODERS",
    "the trainable last layers": "models.trunk.Tail",
    "the gated attention network": "models.fusion.GatedAttentionFusion",
    "training an encoder": "models.finetune.finetune",
    "jitter and shimmer": "features.acoustics.extract",
    "facial action units": "features.faces.extract",
    "Cohen's kappa": "measures.agreement.cohen_kappa",
    "the bootstrap over recordings": "measures.inference.interval",
    "the quadrant of a clip": "measures.disagreement.quadrants",
    "predictive entropy": "measures.uncertainty.predictive_entropy",
    "a permutation test": "measures.inference.permutation_test",
    "opposition, the score of conflicting cues": "measures.conflict.conflict_score",
    "drawing the clips to judge": "people.sampling.sample_for_annotation",
    "reading annotators' answers": "people.files.read_annotations",
    "simulated annotators": "people.simulated.simulate_pair",
    "the paper's claims and their verdicts": "paper.claims.evaluate",
    "degrees of freedom implied by a printed t and p": "paper.printed.implied_df",
    "the placebo of random halves of votes": "controls.placebo.votes",
    "how often the intervals cover the truth": "controls.coverage",
    "the colours of the quadrants": "show.style.QUADRANT_COLORS",
    "a figure of dots and whiskers": "show.plots.intervals",
    "which chapters must rerun": "press.flow",
    "which values a parameter may take": "press.limits.problems",
}


@pytest.mark.parametrize("question", ANSWERS)
def test_what_a_newcomer_looks_for_is_there(question):
    path, _, name = f"empdis_utils.{ANSWERS[question]}".rpartition(".")
    found = importlib.import_module(path)
    if not hasattr(found, name):
        importlib.import_module(f"{path}.{name}")  # the answer is a whole module


def test_the_rooms_say_what_is_in_them():
    rooms = [folder for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()]
    assert {answer.split(".")[0] for answer in ANSWERS.values()} >= {room.name for room in rooms}

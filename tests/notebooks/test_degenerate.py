"""Chapters on data that degenerate on purpose: pages without a warning, reasons in their place.

Oracle: what was planted (invented clips), and that a page never shows a warning.
"""

import json

import numpy as np
import pandas as pd
import pytest

from empdis_utils.data import tables
from empdis_utils.press import run

CLASSES = np.arange(24) % 2


def outputs(page):
    """All text that a page shows."""
    cells = json.loads(page.read_text())["cells"]
    found = [output for cell in cells for output in cell.get("outputs", [])]
    return "\n".join("".join(o.get("text", o.get("data", {}).get("text/plain", ""))) for o in found)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Predictions that are one value, one value per class, and noise; two clips per recording."""
    folder = tmp_path_factory.mktemp("given")
    noise = np.random.default_rng(0).random((24, 2)).round(3)
    frame = pd.DataFrame({"clip_id": [f"c{i} " for i in range(24)], "y": CLASSES})
    frame["dialog_id"] = [f"r{i // 2}" for i in range(24)]
    frame["flat"], frame["sure"], frame["noise"] = 0.6, 1.0 * CLASSES, noise[:, 0]
    frame["both"] = noise[:, 1]
    frame.to_csv(folder / "mine.csv", index=False)
    corpus = f"corpus=predictions:{folder / 'mine.csv'}"
    small = {"04_quadrants": ["fusion=both", "n_boot=100"], "06_entropy": ["n_boot=100"]}
    small["06_entropy"] += ["n_perm=100"]
    small["13_uses"] = ["n_boot=100", "n_jobs=1"]
    for chapter in ("01_data", "04_quadrants", "06_entropy", "13_uses"):
        run.run_chapter("predictions", chapter, folder, None, [corpus, *small.get(chapter, [])])
    return folder / "predictions"


def test_pages_of_degenerate_predictions_show_reasons_not_warnings(given):
    for page in sorted(given.glob("*.ipynb")):
        assert "Warning" not in outputs(page), page.name
    assert "mine.csv: blanks" in (given / "01_data.ipynb").read_text()
    assert outputs(given / "06_entropy.ipynb").count("Mixed models (3): ") == 2


def test_a_fit_without_an_estimate_has_no_number_and_a_reason(given):
    rows = tables.read(given / "artifacts", "entropy_unimodal_contrast").set_index("modality")
    for modality in ("flat", "sure"):  # entropy is the same for every clip
        row = rows.loc[modality]
        assert np.isnan(row["p (mixed model)"]) and np.isnan(row["adjusted difference"])
        assert "no mixed model: the value is the same for every clip" in row["note"]
    assert np.isfinite(rows.loc["noise", "p (mixed model)"])


def test_uses_of_one_training_have_no_control_and_say_so(given):
    gains = tables.read(given / "artifacts", "use_gains")
    assert set(gains["use"]) == {"abstain", "stress", "label_repair"}
    assert gains["over_control"].isna().all() and (gains["verdict"] != "shown").all()
    primary = gains[gains["primary"]].set_index("use")["note"]
    assert "too few seeds for a retrained control" in primary["abstain"]
    assert "the tested network drew the sets" in primary["stress"]


def test_a_split_of_two_recordings_with_one_class_each_is_too_little(tmp_path):
    """Whichever recording is held out, its class was never seen: a sentence, and no number."""
    frame = pd.DataFrame({"clip_id": [f"c{i}" for i in range(24)], "transcript": "so it is"})
    frame["dialog_id"] = np.where(CLASSES, "anna", "bela")
    frame["label"] = np.where(CLASSES, "empathetic", "neutral")
    frame["split"] = ["train", "train", "test", "test"] * 6
    frame.to_csv(tmp_path / "mine.csv", index=False)
    small = ["n_repeats=1", "n_draws=1", "n_boot=100", "n_folds=2"]
    corpus = f"corpus={tmp_path / 'mine.csv'}"
    assert "Warning" not in outputs(run.run_chapter("audit", "01_data", tmp_path, None, [corpus]))
    with pytest.raises(run.RunError, match="too few .* occurs in one recording only"):
        run.run_chapter("audit", "08_split", tmp_path, None, [corpus, *small])

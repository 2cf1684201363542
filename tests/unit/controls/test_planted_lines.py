"""Oracle: the corpus's own table of truth, read another way; counts that its README states."""

import numpy as np
import pytest

from empdis_utils.controls import planted_lines
from empdis_utils.data import corpora


@pytest.fixture(scope="module")
def data():
    return corpora.load("fixture")


def says(row, channel):
    """What a channel says: the label, or the other one if it contradicts."""
    other = {"empathetic": "neutral", "neutral": "empathetic"}
    cue = row[f"{channel}_cue"]
    if cue == "neutral":
        return None
    return row["label"] if cue == "supports" else other[row["label"]]


def test_the_right_line_follows_the_cue_that_sound_and_picture_share(data):
    lines = planted_lines.by_sound_and_picture(data.truth, data.manifest)
    truth = data.truth.set_index("clip_id")
    for _, line in lines.iterrows():
        heard, seen = (says(truth.loc[line["clip_id"]], c) for c in ("audio", "video"))
        assert (line["status"] == "ok") == (heard is not None and heard == seen)
        if line["status"] == "ok":
            assert line["right"] == planted_lines.LINES[int(heard == "empathetic")]
    # README: 96 congruent clips and the 16 whose text contradicts; 48 keep their row, with a reason
    assert lines["status"].value_counts().to_dict() == {"ok": 112, "left_out": 48}
    assert (lines.loc[lines["status"] == "left_out", "reason"] != "").all()


def test_the_words_carry_no_cue_and_are_drawn_blind(data):
    lines = planted_lines.by_sound_and_picture(data.truth, data.manifest, seed=1)
    free = data.truth.loc[data.truth["kind"] == "no_cue", "clip_id"]
    words = data.manifest.set_index("clip_id").loc[free, "transcript"]
    said = lines["prompt"].str.removeprefix("Ann: ").str.removesuffix("\nBen:")
    assert set(said) <= set(words)
    flipped = data.truth.assign(  # another label, the same draw of words
        label=data.truth["label"].map({"empathetic": "neutral", "neutral": "empathetic"})
    )
    again = planted_lines.by_sound_and_picture(flipped, data.manifest, seed=1)
    assert (again["prompt"] == lines["prompt"]).all()
    used = lines["status"] == "ok"
    assert (again["right"] == lines["wrong"])[used].all()


def test_the_majority_is_the_label_and_markers_tell_what_they_say(data):
    truth = data.truth.set_index("clip_id")
    lines = {m: planted_lines.by_majority(data.truth, data.manifest, m) for m in planted_lines.TOLD}
    none = lines[None]
    used = (none["status"] == "ok").to_numpy()
    assert used.sum() == 160 - 16  # README: 16 clips have no cue
    label = truth.loc[none["clip_id"], "label"].to_numpy() == "empathetic"
    assert (none["tone"].to_numpy() == label)[used].all()
    differ = [says(truth.loc[c], "text") != says(truth.loc[c], "video") for c in none["clip_id"]]
    assert (none["mismatch"].to_numpy() == differ)[used].all() and sum(np.array(differ)[used]) == 32
    told = {m: t["prompt"].str.contains("Note: mismatch") for m, t in lines.items()}
    assert not none["prompt"].str.contains("Note:").any()
    assert (told["planted"].to_numpy() == differ)[used].all()
    assert told["shuffled"][used].sum() == 32 and not told["shuffled"].equals(told["planted"])
    assert (told["telling"].to_numpy() == (none["tone"] == 1)).all()
    with pytest.raises(ValueError, match="marker is 'loud'"):
        planted_lines.by_majority(data.truth, data.manifest, "loud")

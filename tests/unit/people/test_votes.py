"""Oracle: counts added by hand, and the functions of `agreement` on the same two tables."""

import numpy as np
import pandas as pd
import pytest

from empdis_utils.measures import agreement
from empdis_utils.people import votes

CLIPS = [f"c{i}" for i in range(12)]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame(rng.integers(0, 5, (12, 3)), columns=list("NSF")).assign(
            clip_id=rng.permutation(CLIPS), modality=modality
        )
        for modality in ("audio", "video", "audio+video")
    ]
    return pd.concat(parts, ignore_index=True)


def test_readings_have_the_clips_in_one_order_and_merged_votes_add_up(table):
    found = votes.readings(table, CLIPS, list("NSF"))
    assert list(found) == ["audio", "video", "audio+video"]
    assert all(list(part.index) == CLIPS for part in found.values())
    two = votes.merged(table, {"neutral": ["N"], "emotional": ["S", "F"]})
    counts = votes.readings(two, CLIPS, ["neutral", "emotional"])["video"]
    assert (counts["emotional"] == found["video"][["S", "F"]].sum(axis=1)).all()
    with pytest.raises(KeyError):
        votes.readings(table, ["gone"], list("NSF"))


def test_changes_and_quadrants_are_those_of_agreement(table):
    found = votes.readings(table, CLIPS, list("NSF"))
    dialog = pd.Series(np.arange(12) // 2, CLIPS)
    how = dict(n_boot=50, n_perm=99, seed=1)
    rows = votes.changes({"all": found}, "set", groups=dialog, **how)
    assert rows["from"].tolist() == ["audio", "video"] and set(rows["to"]) == {"audio+video"}
    both = found["audio+video"]
    alone = agreement.difference(found["video"], both, dialog.to_numpy(), "fleiss_kappa", **how)
    assert rows.iloc[1]["estimate"] == alone.estimate and rows.iloc[1]["n"] == alone.n
    y = np.array(list("NSF") * 4)
    made = votes.quadrants(found, y)
    own = agreement.people_quadrants(found["audio"], both, y)["quadrant"]
    assert (made.query("modality == 'audio'").set_index("clip_id")["quadrant"] == own).all()

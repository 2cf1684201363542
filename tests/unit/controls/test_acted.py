"""Oracle: pairs whose differences are put in by hand."""

import pandas as pd

from empdis_utils.controls import acted


def test_pairs_of_clips_give_differences_and_directions(tmp_path):
    for actor in ("01", "02"):
        for emotion in ("02", "05", "03"):  # calm, angry, happy
            (tmp_path / f"03-01-{emotion}-01-01-01-{actor}.wav").touch()
    (tmp_path / "03-01-02-01-01-02-01.wav").touch()  # calm without angry
    about = acted.clips([tmp_path, tmp_path])
    assert sorted(about["emotion"]) == ["angry"] * 2 + ["calm"] * 3
    pitch = about["emotion"].map({"calm": 1.0, "angry": 3.0}) + about["actor"].astype(int)
    features = pd.DataFrame({"clip_id": about["clip_id"], "mean_pitch": pitch, "hnr": 1.0})
    difference = acted.differences(about, features, ["mean_pitch", "hnr"])
    assert difference["mean_pitch"].tolist() == [2.0, 2.0] and set(difference["hnr"]) == {0.0}
    found = acted.directions(difference, n_boot=20).set_index("feature")
    assert found.loc["mean_pitch", ["expected", "pairs", "as expected"]].tolist() == [
        "higher",
        2,
        2,
    ]
    assert (
        pd.isna(found.loc["hnr", "as expected"]) and found.loc["mean_pitch", "mean difference"] == 2
    )
    ends = acted.ends(about, features, {"mean_pitch": "pitch (Hz)"})
    assert ends["emotion"].tolist() == ["calm", "calm", "angry", "angry"]
    assert sorted(ends["value"]) == [2.0, 3.0, 4.0, 5.0] and ends["pair"].nunique() == 2

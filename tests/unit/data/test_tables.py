"""Oracle: DESIGN's contract, by round trip and by rows that break it on purpose."""

import errno
import os
from pathlib import Path

import pandas as pd
import pytest

from empdis_utils.data import tables


@pytest.fixture
def predictions():
    return pd.DataFrame(
        {"clip_id": ["a", "b"], "inputs": "text", "source": "fusion", "seed": 42, "fold": 0,
         "split": "test", "y": [0, 1], "p": [0.25, 0.75]}
    )  # fmt: skip


def test_round_trip(tmp_path, predictions):
    path = tables.write(predictions, tmp_path, "predictions")
    assert path == tmp_path / "predictions.parquet"
    pd.testing.assert_frame_equal(tables.read(tmp_path, "predictions"), predictions)


def test_same_table_same_bytes(tmp_path, predictions):
    one = tables.write(predictions, tmp_path / "1", "predictions").read_bytes()
    two = tables.write(predictions.copy(), tmp_path / "2", "predictions").read_bytes()
    assert one == two


def test_every_bad_value_is_listed(tmp_path, predictions):
    predictions["p"] = [1.5, -0.25]
    with pytest.raises(ValueError, match=r"(?s)'predictions'.*1\.5.*-0\.25"):
        tables.write(predictions, tmp_path, "predictions")
    assert not (tmp_path / "predictions.parquet").exists()


def test_missing_column_is_named(predictions):
    with pytest.raises(ValueError, match="seed"):
        tables.check(predictions.drop(columns="seed"), "predictions")


def test_duplicate_rows_are_refused(predictions):
    doubled = pd.concat([predictions, predictions])
    with pytest.raises(ValueError, match="multiple_fields_uniqueness"):
        tables.check(doubled, "predictions")


def test_a_finetuned_table_is_unique_per_encoder(predictions):
    two = pd.concat([predictions.assign(encoder="roberta"), predictions.assign(encoder="deberta")])
    assert len(tables.check(two, "predictions_finetuned")) == 4
    with pytest.raises(ValueError, match="multiple_fields_uniqueness"):
        tables.check(pd.concat([two, two]), "predictions_finetuned")


def test_unknown_quadrant_is_refused():
    frame = pd.DataFrame(
        {"clip_id": ["a"], "modality": "text", "quadrant": "purple", "entropy": 0.1}
    )
    with pytest.raises(ValueError, match="purple"):
        tables.check(frame, "entropy")


def test_a_table_that_only_some_runs_make_may_be_missing(tmp_path, predictions):
    assert tables.read_if_made(tmp_path, "predictions") is None
    tables.write(predictions, tmp_path, "predictions")
    assert len(tables.read_if_made(tmp_path, "predictions")) == len(predictions)


def test_missing_table_says_which_chapter_tables_there_are(tmp_path, predictions):
    tables.write(predictions, tmp_path, "predictions")
    with pytest.raises(FileNotFoundError, match=r"no table 'gates'.*tables there: predictions"):
        tables.read(tmp_path, "gates")


def test_tables_outside_the_contract_pass_unchanged(tmp_path):
    frame = pd.DataFrame({"anything": [1, 2]})
    tables.write(frame, tmp_path, "embeddings/roberta-seed42")
    pd.testing.assert_frame_equal(tables.read(tmp_path, "embeddings/roberta-seed42"), frame)


@pytest.mark.parametrize(
    ("encoder", "seeds", "folds", "said"),
    [
        ("bert", [42], [0], "no embeddings of bert in .*; it kept: auto, wav-seed"),
        ("auto", [42, 43, 44], [0], r"seeds \[42, 43\]; seeds \[44\] are asked for"),
        (
            "auto",
            [42, 43],
            [0, 1, 2],
            r"kept folds \[0, 1\] of auto \(seed 42\); folds \[0, 1, 2\]",
        ),
        ("auto", [42], [0], r"folds \[0\] are asked for"),  # a released split is no fold of another
    ],
)
def test_embeddings_that_are_not_there_are_named_with_what_to_change(
    tmp_path, encoder, seeds, folds, said
):
    frame = pd.DataFrame({"e000": 0.5, "clip_id": ["a", "a"], "fold": [0, 1]})
    for name in ("auto-seed42", "auto-seed43", "wav-seed-seed42"):
        tables.write(frame, tmp_path / "embeddings", name)
    read = tables.read_embeddings(tmp_path, "auto", [43], [0, 1])
    assert list(read) == [43] and read[43].equals(frame)
    with pytest.raises(ValueError, match=said):
        tables.read_embeddings(tmp_path, encoder, seeds, folds)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "No space left on device.*make room and run the chapter again"),
        (errno.EACCES, "Permission denied.*write access"),
        (errno.EROFS, "Read-only file system.*choose a folder"),
        (errno.EIO, "is the folder there"),
    ],
)
def test_a_table_that_cannot_be_written_leaves_the_last_whole_one(
    tmp_path, monkeypatch, number, said
):
    frame = pd.DataFrame({"anything": [1, 2]})
    tables.write(frame, tmp_path, "mine")

    def fails(self, path, **options):
        Path(path).write_bytes(b"PAR1 half")
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fails)
    with pytest.raises(OSError, match=f"(?s)table 'mine' was not written to .*{said}"):
        tables.write(frame + 1, tmp_path, "mine")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.parquet"]
    pd.testing.assert_frame_equal(tables.read(tmp_path, "mine"), frame)


@pytest.mark.parametrize("cut", [0, 4, 200])
def test_a_damaged_table_says_what_to_delete(tmp_path, cut):
    path = tables.write(pd.DataFrame({"anything": range(1000)}), tmp_path, "mine")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match="'mine' in .* cannot be read: delete .*mine.parquet"):
        tables.read(tmp_path, "mine")


def test_too_little_memory_is_a_sentence(tmp_path, monkeypatch):
    tables.write(pd.DataFrame({"anything": [1]}), tmp_path, "mine")

    def none_left(*_):
        raise MemoryError

    monkeypatch.setattr(pd, "read_parquet", none_left)
    with pytest.raises(ValueError, match="table 'mine' in .*: not enough memory to read 0 MB"):
        tables.read(tmp_path, "mine")


def test_a_table_that_was_not_made_is_none(tmp_path, predictions):
    assert tables.read_if_made(tmp_path, "predictions") is None
    tables.write(predictions, tmp_path, "predictions")
    assert len(tables.read_if_made(tmp_path, "predictions")) == len(predictions)

"""Oracle: tables that differ in ways that are planted."""

import numpy as np
import pandas as pd
import pytest

from empdis_utils.press import compare, parameters, release
from tests.unit.press.test_release import house, keep, manifest  # noqa: F401 - fixtures

TABLE = pd.DataFrame({"group": ["a", "b", "c"], "n": [1, 2, 3], "value": [0.1, np.nan, 0.3]})


def verdict(own, released, name=""):
    return compare.two_tables(own, released, name)


def test_the_same_table_is_identical():
    found = verdict(TABLE, TABLE.copy())
    assert (found["verdict"], found["rows"], found["of"]) == ("identical", 0, 3)


def test_last_digits_are_within_tolerance_and_shown():
    other = TABLE.assign(value=TABLE["value"] * (1 + 1e-9))
    found = verdict(other, TABLE)
    assert (found["verdict"], found["column"], found["rows"]) == ("within tolerance", "value", 2)
    assert found["largest"] == pytest.approx(3e-10)


@pytest.mark.parametrize(
    ("change", "column", "rows", "largest"),
    [
        ({"value": [0.1, np.nan, 0.31]}, "value", 1, 0.01),
        ({"value": [np.nan, np.nan, 0.3]}, "value", 1, np.nan),
        ({"group": ["a", "b", "d"]}, "group", 1, np.nan),
        ({"n": [1, 2, 4]}, "n", 1, 1.0),
    ],
)
def test_a_difference_names_column_rows_and_size(change, column, rows, largest):
    found = verdict(TABLE.assign(**change), TABLE)
    assert (found["verdict"], found["column"], found["rows"]) == ("different", column, rows)
    assert found["largest"] == pytest.approx(largest, nan_ok=True)


def test_rows_and_columns_that_are_missing_are_said():
    found = verdict(TABLE.iloc[:2], TABLE)
    assert (found["verdict"], found["note"]) == ("different", "1 rows only released")
    assert verdict(TABLE, TABLE.iloc[1:])["note"] == "1 rows only here"
    found = verdict(TABLE.drop(columns="n"), TABLE)
    assert (found["verdict"], found["column"]) == ("different", "n")
    assert "new columns: x" in verdict(TABLE.assign(x=1), TABLE)["note"]


def test_columns_that_were_not_released_are_no_difference():
    released = TABLE.drop(columns="n")
    released.attrs["left_out"] = ["n"]
    assert verdict(TABLE, released)["verdict"] == "identical"


def test_rows_of_a_contract_are_joined_by_its_key():
    rows = {"clip_id": ["a", "b"], "modality": "text", "quadrant": ["red", "blue"]}
    table = pd.DataFrame({**rows, "entropy": [0.1, 0.2]})
    assert verdict(table.iloc[::-1], table, "entropy")["verdict"] == "identical"
    found = verdict(table.assign(quadrant="blue"), table, "entropy")
    assert (found["verdict"], found["column"], found["rows"]) == ("different", "quadrant", 1)


def test_a_run_against_its_release(house, capsys, monkeypatch):  # noqa: F811
    release.release(house)
    monkeypatch.setenv("BUILD", str(house.parent))
    monkeypatch.delenv("PROFILE", raising=False)

    def said():
        with pytest.raises(SystemExit) as end:
            compare.main([])
        return end.value.code, capsys.readouterr().out

    code, text = said()
    assert code == 0 and "demo: 2 identical" in text and "commit abc" in text
    path = house / "demo/artifacts/found.parquet"
    pd.DataFrame({"modality": ["text", "audio"], "estimate": [0.5, np.nan]}).to_parquet(path)
    code, text = said()
    assert code == 1 and "demo/found: estimate, 1 of 2 rows, by at most 0.25" in text
    table = pd.read_csv(house.parent / "compare.csv").set_index("table")
    assert table.loc["found", ["verdict", "largest"]].tolist() == ["different", 0.25]
    path.unlink()
    keep(house / "demo")
    code, text = said()
    assert code == 1 and "1 missing here" in text


def test_nothing_to_compare_is_a_sentence(house, monkeypatch):  # noqa: F811
    release.release(house)
    monkeypatch.setenv("BUILD", str(house.parent / "other"))
    with pytest.raises(SystemExit, match="no run here to compare"):
        compare.main([])
    with pytest.raises(SystemExit, match="nothing is released of nobody"):
        compare.main(["nobody"])
    assert parameters.profiles() == ["demo"]

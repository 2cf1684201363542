"""Oracles: files made by hand, each with one known fault on a known line; pandas' CSV writer."""

import pandas as pd
import pytest

from empdis_utils.data import tables
from empdis_utils.people import files
from empdis_utils.people.files import COLUMNS, read_annotations


def write(path, rows, encoding="utf-8", separator=",", header=COLUMNS):
    lines = [separator.join(header), *(separator.join(map(str, r)) for r in rows)]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def good_rows(name="ann", clips=("c1", "c2")):
    return [
        [name, c, "text", r, "neutral", "text", f"2026-01-0{r}T10:00:00+00:00"]
        for c in clips
        for r in (1, 2)
    ]


def test_read_annotations_clean(tmp_path):
    paths = [
        write(tmp_path / "ann.csv", good_rows()),
        write(tmp_path / "zoë.csv", good_rows("zoë")),
    ]
    table, problems = read_annotations(paths, clips=["c1", "c2"])
    assert problems.empty and len(table) == 8
    assert list(table.columns) == COLUMNS and table["round"].dtype == "int64"
    assert set(table["annotator"]) == {"ann", "zoë"}
    pd.testing.assert_frame_equal(table, tables.check(table, "annotations"))


def test_read_annotations_gives_back_what_was_written(tmp_path):
    rows = [r for name in ("ann", "bo") for r in good_rows(name, ("c1", "007", 'c,"3"'))]
    written = pd.DataFrame(rows, columns=COLUMNS)
    for name, part in written.groupby("annotator"):
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    again, problems = read_annotations(sorted(tmp_path.glob("*.csv")))
    assert problems.empty
    pd.testing.assert_frame_equal(again, written)


def test_seconds_are_kept_where_a_file_has_them(tmp_path):
    header = [*COLUMNS, "seconds"]
    timed = [[*row, s] for row, s in zip(good_rows(), ["4.20", "", "soon", "-1"], strict=True)]
    paths = [
        write(tmp_path / "ann.csv", timed, header=header),
        write(tmp_path / "bo.csv", good_rows("bo")),
    ]
    table, problems = read_annotations(paths)
    assert table["seconds"].tolist()[0] == 4.2 and table["seconds"].isna().sum() == 7
    assert problems["line"].tolist() == [3, 4, 5] and problems["used"].all()
    assert problems["problem"].str.endswith("is no number of seconds").all()
    tables.check(table, "annotations")
    assert "seconds" not in read_annotations(paths[1])[0]


@pytest.mark.parametrize(
    "edit, line, text, used, n_rows",
    [
        (lambda r: r[0].__setitem__(1, "c9"), 2, "unknown clip 'c9'", False, 3),
        (lambda r: r[1].__setitem__(4, "unsure"), 3, "judgment 'unsure' is none of", False, 3),
        (lambda r: r[1].__setitem__(3, 3), 3, "round '3' is not 1 or 2", False, 3),
        (lambda r: r[0].__setitem__(2, "smell"), 2, "unknown modality 'smell'", False, 3),
        (lambda r: r[0].__setitem__(0, ""), 2, "no annotator", False, 3),
        (
            lambda r: r.append(list(r[0])),
            6,
            "double judgment, the same answer as on line 2",
            False,
            4,
        ),
        (
            lambda r: r.append([*r[0][:4], "empathetic", *r[0][5:]]),
            6,
            "double judgment, another answer as on line 2",
            False,
            4,
        ),
        (lambda r: r.pop(1), 2, "round 2 is missing", True, 3),
        (lambda r: r.pop(0), 2, "round 1 is missing", True, 3),
        (lambda r: r[0].__setitem__(4, " Neutral"), 2, "repaired judgment", True, 4),
        (lambda r: r[0].__setitem__(3, "1.0"), 2, "repaired round", True, 4),
        (lambda r: r[0].__setitem__(6, "01/02/2026 10:00"), 2, "is not ISO 8601", True, 4),
        (lambda r: r[0].__setitem__(6, "2026-03-01T10:00:00Z"), 3, "before round 1", True, 4),
        (lambda r: r[3].__setitem__(0, "bo"), 5, "another annotator than 'ann'", True, 4),
        (lambda r: r.append(["ann", "c2", "te"]), 6, "3 fields, not 7", False, 4),
        (lambda r: r.insert(0, [" "]), 2, "empty line", False, 4),
    ],
)
def test_read_annotations_lists_each_problem_with_its_line(
    tmp_path, edit, line, text, used, n_rows
):
    rows = good_rows()
    edit(rows)
    path = write(tmp_path / "ann.csv", rows)
    table, problems = read_annotations(path, clips=["c1", "c2"])
    hit = problems[problems["problem"].str.contains(text, regex=False)]
    assert hit[["file", "line", "used"]].values.tolist() == [["ann.csv", line, used]], problems
    assert len(table) == n_rows
    # Nothing is dropped in silence: a line is in the table or among the problems.
    lost = problems.loc[~problems["used"], "line"]
    assert len(table) + lost.nunique() == len(rows)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"encoding": "utf-8-sig"}, "byte order mark"),
        ({"encoding": "utf-16"}, "UTF-16"),
        ({"encoding": "cp1252"}, "first bad byte on line 2"),
        ({"separator": ";"}, "separator is ';'"),
        ({"separator": "\t"}, "separator is '\\t'"),
    ],
)
def test_read_annotations_survives_spreadsheets(tmp_path, options, text):
    path = write(tmp_path / "zoe.csv", good_rows("zoë"), **options)
    table, problems = read_annotations(path)
    assert problems["problem"].str.contains(text, regex=False).tolist() == [True]
    assert problems["used"].all() and (table["annotator"] == "zoë").all() and len(table) == 4


def test_read_annotations_more(tmp_path):
    stripped = write(tmp_path / "a.csv", good_rows(clips=["7"]))
    _, problems = read_annotations(stripped, clips=["007"])
    assert problems["problem"].str.contains("a spreadsheet made it of '007'").all()
    sample = pd.DataFrame({"clip_id": ["c1"], "modality": ["video"]})
    path = write(tmp_path / "b.csv", good_rows(clips=["c1"]))
    table, problems = read_annotations(path, sample)
    assert table.empty and problems["problem"].str.contains("not to be judged by text").all()
    headless = write(tmp_path / "c.csv", good_rows(), header=["x", *COLUMNS[1:]])
    table, problems = read_annotations(headless)
    assert table.empty and "lacks ['annotator']: none of its 4 lines" in problems["problem"].item()
    (tmp_path / "d.csv").write_bytes(b"")
    table, problems = read_annotations(tmp_path / "d.csv")
    assert table.empty and "the file is empty" in problems["problem"].item()
    twice = [write(tmp_path / f"{n}.csv", good_rows(clips=["c1"])) for n in "ef"]
    table, problems = read_annotations(twice)
    assert len(table) == 2 and problems["file"].tolist() == ["f.csv", "f.csv"]
    with pytest.raises(FileNotFoundError):
        read_annotations(tmp_path / "missing.csv")


def test_names_that_look_the_same_are_told(tmp_path):
    """Blanks around a name go (one annotator, not two); what hides inside a name is refused."""
    rows = good_rows()
    rows[1][0], rows[2][1] = "\u200bann\xa0", " c2\ufeff"
    rows.append(["a\u200bnn", "c1", "audio", 1, "neutral", "audio", "2026-01-01T10:00:00+00:00"])
    table, problems = read_annotations(write(tmp_path / "ann.csv", rows), clips=["c1", "c2"])
    assert set(table["annotator"]) == {"ann"} and len(table) == 4
    left_out = problems[~problems["used"]]
    assert left_out["line"].tolist() == [6]
    assert "'a\\u200bnn' looks like 'ann'" in left_out["problem"].item()
    repaired = problems[problems["problem"].str.startswith("repaired")]
    assert repaired[["line", "problem"]].values.tolist() == [
        [3, "repaired annotator"],
        [4, "repaired clip_id"],
    ]


def test_a_study_is_its_files_and_the_sample_that_was_kept(tmp_path):
    drawn = pd.DataFrame({"clip_id": ["c1"], "modality": ["text"]})
    sample, annotations, _, n_people = files.read_study(None, drawn)
    assert sample is drawn and n_people == 0 and annotations.empty
    kept = drawn.assign(clip_id="c2")
    tables.write(kept, tmp_path, "sample")
    (tmp_path / "kim.csv").write_text(
        ",".join(files.COLUMNS) + "\nkim,c2,text,1,neutral,text,2026-01-01T00:00:00+00:00\n"
    )
    sample, annotations, problems, n_people = files.read_study(tmp_path, drawn)
    assert sample["clip_id"].item() == annotations["clip_id"].item() == "c2" and n_people == 1
    with pytest.raises(ValueError, match="labels angry: leave 07_human_study out"):
        files.read_study(None, drawn, ["neutral", "angry"])

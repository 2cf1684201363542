"""Oracle: each exercise's own solution, stub and typical mistakes, run as a student would.

For assignments: nbgrader's published schema of cells, version 3 (nbgraderformat/v3.json), and the
rules beside it in its validator.
"""

import inspect
import json
import os
import re
import shlex

import fastjsonschema
import nbformat
import pytest

from empdis_utils import places
from empdis_utils.data import corpora
from empdis_utils.people import files
from empdis_utils.people.simulated import simulate_pair
from empdis_utils.press import course, parameters

PAGES = sorted((places.ROOT / "book" / "course").glob("*.md"))
EXERCISES = [
    (name, cell.exercise)
    for name in course.sets()
    for cell in course.read(name)
    if cell.tag == "stub"
]


def cells(name, exercise, tag):
    return [c for c in course.read(name) if (c.exercise, c.tag, c.prose) == (exercise, tag, False)]


def answer(name, exercise, text):
    """The verdict on an exercise that a student filled in with `text`."""
    names = course.execute(name, text)
    (check,) = cells(name, exercise, "check")
    asked = inspect.signature(course.execute(name, check.text)["check"]).parameters
    return course.verdict(name, exercise, *(names[one] for one in asked))


@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_the_solution_passes_and_the_stub_does_not(name, exercise):
    solution = "\n\n".join(c.text for c in cells(name, exercise, "solution"))
    assert answer(name, exercise, solution) == ""
    (stub,) = cells(name, exercise, "stub")
    assert "still empty" in answer(name, exercise, stub.text)


@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_a_typical_mistake_gets_the_helpful_message(name, exercise):
    mistakes = cells(name, exercise, "wrong")
    assert mistakes, "name at least one typical mistake"
    for mistake in mistakes:
        first, _, code = mistake.text.partition("\n")
        assert first.startswith("# says: ")
        assert first.removeprefix("# says: ") in answer(name, exercise, code)


def test_every_session_has_three_exercises_or_more_and_a_page():
    sessions = [name for name in course.sets() if name[0].isdigit()]
    assert [name[:2] for name in sessions] == [f"0{k}" for k in range(1, 10)]
    for name in sessions:
        assert sum(one == name for one, _ in EXERCISES) >= 3
        assert (places.ROOT / "book" / "course" / f"{name}.md").exists()


@pytest.mark.parametrize("name", course.sets())
def test_students_get_a_valid_notebook_without_solutions_or_mistakes(name):
    made = course.notebook(name)
    nbformat.validate(nbformat.from_dict(made))
    text = "\n".join(cell["source"] for cell in made["cells"])
    for cell in course.read(name):
        if cell.tag in ("solution", "wrong", "check"):
            assert cell.text not in text
        if cell.tag == "check":
            assert course.call(cell, name) in text


@pytest.mark.parametrize("name", course.sets())
def test_the_page_for_students_has_no_solution_and_no_mistake(name):
    made = course.pages()
    text = made[f"course/exercises/{name}.md"] + made[f"course/notebooks/{name}.ipynb"]
    for cell in course.read(name):
        if cell.tag in ("solution", "wrong"):
            assert cell.text not in text
            assert json.dumps(cell.text)[1:-1] not in text
    assert "solution" not in text.lower()


@pytest.mark.parametrize("name", course.sets())
def test_the_page_for_teachers_folds_every_solution_and_shows_no_mistake(name, monkeypatch):
    monkeypatch.setenv("SOLUTIONS", "yes")
    page = course.pages()[f"course/exercises/{name}.md"]
    assert "Do not publish this copy" in page
    folded = "\n".join(re.findall(r"^````\{dropdown\}.*?^````$", page, re.S | re.M))
    for cell in course.read(name):
        if cell.tag == "solution":
            assert cell.text in folded and page.count(cell.text) == folded.count(cell.text)
        if cell.tag == "wrong":
            assert cell.text not in page
    assert f"../notebooks/{name}.ipynb" in page
    assert f"course/notebooks/{name}.ipynb" in course.pages()


def test_solutions_go_into_a_folder_of_their_own(tmp_path, monkeypatch):
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    for said in ("", "no"):
        monkeypatch.setenv("SOLUTIONS", said)
        assert course.site(tmp_path) == tmp_path
    monkeypatch.setenv("SOLUTIONS", "yes")
    for _ in range(2):
        assert course.site(tmp_path) == tmp_path / "instructor"
    assert (tmp_path / "instructor" / "runs" / "demo").is_dir()
    assert os.readlink(tmp_path / "instructor" / "runs") == "../runs"


def test_pages_launch_their_notebook_where_the_book_has_a_home(monkeypatch):
    assert "mybinder" not in course.page("04_quadrants")
    monkeypatch.setenv("REPO", "someone/a-book")
    link = (
        "https://mybinder.org/v2/gh/someone/a-book/HEAD?labpath=my-exercises%2F04_quadrants.ipynb"
    )
    assert f"]({link})" in course.pages()["course/exercises/04_quadrants.md"]
    (made,) = re.findall(r"press.course (.*)", (places.ROOT / ".binder/postBuild").read_text())
    assert made == "my-exercises"  # where the link looks
    assert os.access(places.ROOT / ".binder/postBuild", os.X_OK)


# nbgrader/nbgraderformat/v3.json of nbgrader 0.9.6 (BSD-3-Clause), without its descriptions.
SCHEMA = {
    "type": "object",
    "properties": {
        "schema_version": {"type": "integer", "minimum": 3, "maximum": 3},
        "grade": {"type": "boolean"},
        "locked": {"type": "boolean"},
        "solution": {"type": "boolean"},
        "task": {"type": "boolean"},
        "grade_id": {"type": "string", "pattern": r"^[a-zA-Z0-9_\-]*$"},
        "points": {"type": "number", "minimum": 0},
        "checksum": {"type": "string", "minLength": 32, "maxLength": 32},
        "cell_type": {"type": "string", "enum": ["raw", "code", "markdown"]},
    },
    "required": ["schema_version", "grade", "locked", "solution"],
    "additionalProperties": False,
}
SETS = [name for name in course.sets() if name in dict(EXERCISES)]


@pytest.mark.parametrize("name", SETS)
def test_an_assignment_is_what_nbgrader_reads(name):
    made = course.assignment(name)
    nbformat.validate(nbformat.from_dict(made))
    valid, ids = fastjsonschema.compile(SCHEMA), []
    for cell in made["cells"]:
        told = cell["metadata"].get("nbgrader")
        if told is None:
            assert cell["cell_type"] == "markdown"
            continue
        valid(told)
        ids.append(told["grade_id"])
        assert told["grade"] == ("points" in told)
        assert told["locked"] != told["solution"]
        if cell["cell_type"] == "markdown":
            assert told["grade"] and told["solution"]
        begins, ends = (cell["source"].count(f"### {end} SOLUTION") for end in ("BEGIN", "END"))
        assert begins == ends == told["solution"]
    assert len(set(ids)) == len(ids)


def by_grade_id(name):
    """Sources of an assignment's cells, by their name."""
    made = [(c["metadata"].get("nbgrader"), c["source"]) for c in course.assignment(name)["cells"]]
    return {told["grade_id"]: source for told, source in made if told}


@pytest.mark.parametrize("name", SETS)
def test_an_assignment_asks_and_grades_every_exercise(name):
    given = by_grade_id(name)
    released = {}
    for one, exercise in EXERCISES:
        if one != name:
            continue
        answer = given[f"{name}-{exercise}-answer"]
        cut, _, rest = answer.partition("### BEGIN SOLUTION")
        solution, _, after = rest.partition("### END SOLUTION")
        (stub,) = [c.text for c in course.read(name) if (c.exercise, c.tag) == (exercise, "stub")]
        assert cut.strip() == stub.strip() and after == ""
        code = "\n\n".join(c.text for c in cells(name, exercise, "solution"))
        assert solution.strip() == code.strip()
        released[exercise] = cut
        call = f'require("{name}", {exercise}, '
        assert call in given[f"{name}-{exercise}-test"]
    assert f"{name}-{max(released)}-reasons" in given


def test_a_graded_test_stops_on_a_wrong_answer_with_its_sentence():
    given = by_grade_id("04_quadrants")
    answer, test = (given[f"04_quadrants-1-{part}"] for part in ("answer", "test"))
    names = course.execute("04_quadrants", answer)
    exec(test, names)
    names = course.execute("04_quadrants", answer.partition("### BEGIN")[0])
    with pytest.raises(AssertionError, match="what quadrant returns is still empty"):
        exec(test, names)


def test_an_exercise_without_a_level_has_no_points(monkeypatch):
    cells = [c._replace(text=c.text.replace("(open)", "")) for c in course.read("04_quadrants")]
    monkeypatch.setattr(course, "read", lambda name: cells)
    with pytest.raises(ValueError, match="04_quadrants: the title of exercise 4 names no level"):
        course.assignment("04_quadrants")


def test_assignments_are_written_where_nbgrader_looks(tmp_path, capsys):
    course.main([str(tmp_path), "--nbgrader"])
    for name in SETS:
        made = json.loads((tmp_path / "source" / name / f"{name}.ipynb").read_text())
        assert made == course.assignment(name)
    assert sorted(p.name for p in (tmp_path / "source").iterdir()) == SETS
    compile((tmp_path / "nbgrader_config.py").read_text(), "config", "exec")
    (tmp_path / "nbgrader_config.py").write_text("mine")
    course.main([str(tmp_path), "--nbgrader"])
    assert (tmp_path / "nbgrader_config.py").read_text() == "mine"


def test_check_says_what_is_wrong_and_goes_on(capsys):
    def share_seen(manifest):
        return manifest["no such column"]

    course.check("01_data", 1, share_seen)
    assert "Exercise 1: not yet. your code stopped with KeyError" in capsys.readouterr().out
    course.check("01_data", 1, ...)
    assert "share_seen is still empty" in capsys.readouterr().out
    solution = course.execute("01_data", cells("01_data", 1, "solution")[0].text)
    course.check("01_data", 1, solution["share_seen"])
    assert capsys.readouterr().out == "Exercise 1: right.\n"


def test_unknown_sets_and_exercises_are_refused():
    with pytest.raises(ValueError, match="no exercises '99_none': known are 01_data"):
        course.read("99_none")
    with pytest.raises(ValueError, match="01_data has no exercise 9"):
        course.verdict("01_data", 9, 1)


def test_a_students_work_is_never_overwritten(tmp_path, capsys):
    course.main([str(tmp_path)])
    work = tmp_path / "01_data.ipynb"
    assert json.loads(work.read_text()) == course.notebook("01_data")
    work.write_text("my work")
    capsys.readouterr()
    course.main([str(tmp_path)])
    assert work.read_text() == "my work"
    assert "01_data.ipynb: kept" in capsys.readouterr().out


def class_kappa(folder):
    """Names that the class's notebook defines when it reads `folder`."""
    names = {}
    for cell in course.read("class_kappa"):
        if not cell.prose:
            code = cell.text.replace("n_boot = 1000", "n_boot = 100")
            exec(code, names)
            if "folder" in names:
                names["folder"] = folder
    return names


def test_the_class_measures_its_own_agreement(tmp_path, capsys):
    truth = corpora.load_fixture().truth
    pair = simulate_pair(truth, seed=3)
    for name, rows in pair.groupby("annotator"):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "broken.csv").write_text(",".join(files.COLUMNS) + "\nx,no_such,text,1\n")
    made = class_kappa(tmp_path)
    assert "SIMULATED" not in capsys.readouterr().out
    assert len(made["answers"]) == len(pair) and len(made["problems"]) == 1
    table = made["table"].set_index(["modality", "round"])
    first = pair.query("modality == 'text' and round == 1").pivot(
        index="clip_id", columns="annotator", values="judgment"
    )
    want = made["agreement"].cohen_kappa(first.iloc[:, 0], first.iloc[:, 1])
    assert table.loc[("text", 1), "kappa"] == pytest.approx(want)
    assert set(made["changes"]["modality"]) == {"text", "audio", "video"}


def test_a_class_without_answers_is_called_simulated(tmp_path, capsys):
    assert class_kappa(tmp_path)["answers"]["annotator"].nunique() == 6
    assert "SIMULATED" in capsys.readouterr().out


def test_every_study_command_of_the_course_is_a_known_profile_chapter_and_parameter():
    found = 0
    for path in PAGES:
        for line in re.findall(r"^make study .*$", path.read_text(encoding="utf-8"), re.M):
            words = dict(word.split("=", 1) for word in shlex.split(line)[2:])
            assert words["NB"] in parameters.read_profile(words["PROFILE"])["chapters"], line
            overrides = parameters.split(words.get("P", ""))
            parameters.chapter_parameters(words["PROFILE"], words["NB"], overrides)
            found += 1
    assert found >= 16


def test_every_session_page_has_its_parts_and_a_slide():
    for path in PAGES:
        if path.stem[0].isdigit():
            text = path.read_text(encoding="utf-8")
            parts = re.findall(r"^## (.*)$", text, re.M)
            assert parts == [
                *("Predict first", "Objectives", "In the book", "Reading", "90 minutes", "Run"),
                *("Discuss", "Homework", "In short", "Take home"),
            ]
            assert f'href="slides/{path.stem}.html"' in text
            slide = text.split("<!-- slide -->")[1].split("<!-- end slide -->")[0]
            assert 3 <= slide.count("\n- ") <= 6
            minutes = [int(m) for m in re.findall(r"^\| (\d+) \|", text, re.M)]
            assert sum(minutes) == 90, path.name

"""Oracle: each exercise's own solution, stub and typical mistakes, run as a student would."""

import inspect
import json
import re
import shlex

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
    assert [name[:2] for name in sessions] == [f"0{k}" for k in range(1, 9)]
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
def test_the_page_folds_every_solution_and_shows_no_mistake(name):
    page = course.page(name)
    folded = "\n".join(re.findall(r"^````\{dropdown\}.*?^````$", page, re.S | re.M))
    for cell in course.read(name):
        if cell.tag == "solution":
            assert cell.text in folded and page.count(cell.text) == folded.count(cell.text)
        if cell.tag == "wrong":
            assert cell.text not in page
    assert f"../notebooks/{name}.ipynb" in page
    assert f"course/notebooks/{name}.ipynb" in course.pages()


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
                *("In short", "Objectives", "Reading", "90 minutes", "Run", "Discuss", "Take home")
            ]
            slide = text.split("<!-- slide -->")[1].split("<!-- end slide -->")[0]
            assert 3 <= slide.count("\n- ") <= 6
            minutes = [int(m) for m in re.findall(r"^\| (\d+) \|", text, re.M)]
            assert sum(minutes) == 90, path.name

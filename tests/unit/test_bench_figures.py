"""Oracles: ratios worked out by hand, and results written for the test."""

import doctest
import json

import pytest

from benchmarks import figures, goals


def part(value, unit="s", better="less", gflops=100.0, name="a step"):
    figure = {"name": name, "value": value, "unit": unit, "better": better}
    return {"calibration": {"matmul_gflops": gflops, "matmul_gflops_cpu": 9.0}, "figures": [figure]}


@pytest.mark.parametrize(
    ("new", "old", "times"),
    [
        (part(2.4), part(2.0), None),
        (part(2.6), part(2.0), "1.30"),
        (part(1.0), part(2.0), None),
        (part(4.0, gflops=50), part(2.0), None),  # the machine itself did half as much
        (part(2.0), part(2.0, gflops=50), "2.00"),
        (part(4.0, "cpu s", gflops=50), part(2.0, "cpu s"), "2.00"),  # a busy machine is no excuse
        (part(2.0, "ratio", "more", 50), part(4.0, "ratio", "more"), "2.00"),
        (part(4.0, "ratio", "more"), part(2.0, "ratio", "more"), None),
        (part(300, "MiB", gflops=50), part(200, "MiB"), "1.50"),
        (part(0.0, "ratio", "more"), part(2.0, "ratio", "more"), "inf"),
        (part(9.0, "ratio"), part(2.0), None),  # no longer the same figure
        (part(9.0, name="another"), part(2.0), None),
        (part(9.0), part(0.0), None),
    ],
)
def test_what_is_a_quarter_worse_is_shown(new, old, times):
    lines = figures.regressions({"bench_x": new, "bench_new": new}, {"bench_x": old})
    assert len(lines) == (times is not None)
    assert times is None or lines[0].startswith(f"a step: {times} times as bad as before (")


def test_a_figure_is_printed_and_handed_over(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BENCH_FIGURES", str(tmp_path / "kept"))
    figures.record("a step", 2.5, "s")
    figures.record("gain", 3, "ratio", better="more")
    assert capsys.readouterr().out == "a step: 2.5 s\ngain: 3 ratio\n"
    kept = [json.loads(line) for line in (tmp_path / "kept").read_text().splitlines()]
    assert kept == [*part(2.5)["figures"], *part(3.0, "ratio", "more", name="gain")["figures"]]
    monkeypatch.delenv("BENCH_FIGURES")
    figures.record("a step", 2.5, "s")
    for wrong in ({"unit": "ms"}, {"unit": "s", "better": "higher"}):
        with pytest.raises(ValueError, match="use one of"):
            figures.record("a step", 2.5, **wrong)


def test_calibration_is_of_this_machine_and_plausible():
    found = figures.calibrate(repeats=1)
    assert set(found) == {"matmul_gflops", "matmul_gflops_cpu", "read_mib_s"}
    assert min(found.values()) > 0.1 and found["read_mib_s"] > 1


@pytest.fixture
def results(tmp_path):
    """Three results of one kind of machine, and one of another."""
    runs = {
        "2026-01-01": ("here", {"bench_flow": part(300, name="make book, nothing run yet")}),
        "2026-01-02-stats": ("here", {"bench_stats": part(1)}),
        "2026-01-03": ("elsewhere", {"bench_flow": part(1, name="make book, nothing run yet")}),
        "2026-01-04-stats": ("here", {"bench_stats": part(7)}),
    }
    for name, (hardware, parts) in runs.items():
        text = json.dumps({"hardware": hardware, "commit": "c", "parts": parts})
        (tmp_path / f"{name}.json").write_text(text)
    return tmp_path


def test_each_part_is_compared_with_its_last_result_on_such_a_machine(results):
    both = ["bench_flow", "bench_stats", "bench_never"]
    names, found = figures.latest(results, "here", both)
    assert names == "2026-01-04-stats, 2026-01-01"
    assert {p: f["figures"][0]["value"] for p, f in found.items()} == {
        "bench_flow": 300, "bench_stats": 7
    }  # fmt: skip
    own = results / "2026-01-04-stats.json"
    assert figures.latest(results, "here", both, besides=own)[1]["bench_stats"] == part(1)
    assert figures.latest(results, "nowhere", both) == ("", {})


def test_goals_stand_beside_what_was_measured(results, tmp_path):
    folder = tmp_path / "results" / "mosi"
    folder.mkdir(parents=True)
    chapters = {c: {"seconds": 100.0, "started": f"2026-02-0{c} 10:00 UTC"} for c in "123"}
    (folder / "provenance.json").write_text(json.dumps({"chapters": chapters}))
    quick = folder.parents[1] / "_build" / "runs" / "empspeech"
    quick.mkdir(parents=True)
    (quick / "provenance.json").write_text(json.dumps({"chapters": {"1": chapters["1"]}}))
    lines = goals.page(results, "here", root=tmp_path).splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in lines if line[:1] == "|"]
    rows = {line[1]: line[2:6] for line in cells}
    assert rows["`make book`, fixture, environment ready"][:3] == ["≤ 150 s", "300 s", "no"]
    assert rows["MOSI, all chapters"][:3] == ["≤ 240 s", "300 s", "no"]
    assert rows["MOSI, all chapters"][3] == "2026-02-03, sum over 3 chapters"
    assert rows["EMPSPEECH, all chapters"][1:3] == ["100 s", "with fits that may have been kept"]
    assert rows["clean clone to first page, released"][1:] == ["not measured", "", ""]
    assert "Measured on: here." in lines


def test_the_example_of_a_regression_runs():
    assert doctest.testmod(figures).failed == 0

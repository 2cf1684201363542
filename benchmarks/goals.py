"""Goals of speed beside what was measured last: the page `benchmarks/README.md`, never typed."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import figures
from empdis_utils.places import ROOT

__all__ = ["GOALS", "page", "profile_seconds"]

#: What, the recorded figure (or "profile NAME": seconds of a run), which is better, goal and unit.
GOALS = (
    ("clean clone to first page, released", "clean clone to the first page, released", "less", 240,
     "s"),
    ("clean clone to the book with a run of its own",
     "clean clone to the book with a run of its own", "less", 240, "s"),
    ("`make book`, fixture, environment ready", "make book, nothing run yet", "less", 150, "s"),
    ("`make book`, nothing to do", "make book, nothing to do", "less", 2, "s"),
    ("EMPSPEECH, all chapters", "profile empspeech", "less", 360, "s"),
    ("MOSI, all chapters", "profile mosi", "less", 240, "s"),
    ("a kept network is read, against trained", "fusion, a kept fit is read, against trained",
     "more", 10, "times"),
    ("fusion side by side against one by one", "fusion, side by side against one by one",
     "more", 1.3, "times"),
    ("fine-tuning text, float32, against the release's loop",
     "fine-tuning roberta, float32, against the release", "more", 6, "times"),
    ("fine-tuning sound, float32, against the release's loop",
     "fine-tuning hubert, float32, against the release", "more", 9, "times"),
)  # fmt: skip


def profile_seconds(name, root=ROOT) -> tuple[float, str]:
    """Seconds of all chapters of a profile, added up, and where and when they ran.

    The run in `_build/runs`, else the released one. Chapters that ran side by side slow each other
    down; the book waits for less than their sum. Fits that were kept took no time. NaN and ""
    without a run.
    """
    for folder in (Path(root) / "_build" / "runs", Path(root) / "results"):
        file = folder / name / "provenance.json"
        if file.exists():
            chapters = json.loads(file.read_text(encoding="utf-8"))["chapters"].values()
            last = max(chapter["started"] for chapter in chapters)[:10]
            return sum(c["seconds"] for c in chapters), f"{last}, sum over {len(chapters)} chapters"
    return float("nan"), ""


def page(results, hardware, root=ROOT) -> str:
    """The table of goals as Markdown.

    `results`: folder of kept results; of one kind of machine, `hardware`. A goal that was never
    measured there is said to be so.
    """
    files = [json.loads(file.read_text(encoding="utf-8")) for file in Path(results).glob("*.json")]
    parts = sorted({part for file in files for part in file["parts"]})
    names, found = figures.latest(results, hardware, parts)
    known = {figure["name"]: figure["value"] for p in found.values() for figure in p["figures"]}
    rows = []
    for what, name, better, goal, unit in GOALS:
        value, where, sure = known.get(name, float("nan")), names, True
        if name.startswith("profile "):
            value, where = profile_seconds(name.removeprefix("profile "), root)
            sure = False
        rows.append(_row(what, value, better, goal, unit, where, sure))
    head = ["| what | goal | measured | met | from |", "|---|---|---|---|---|"]
    return "\n".join([ABOUT.format(hardware=hardware), *head, *rows, ""])


def _row(what, value, better, goal, unit, where, sure):
    bound = f"{'≤' if better == 'less' else '≥'} {goal} {unit}"
    if value != value:
        return f"| {what} | {bound} | not measured | | |"
    met = "yes" if (value <= goal if better == "less" else value >= goal) else "no"
    met = "with fits that may have been kept" if met == "yes" and not sure else met
    return f"| {what} | {bound} | {float(f'{value:.3g}'):,g} {unit} | {met} | {where} |"


ABOUT = """# Benchmarks

`make bench` measures and writes this page and a dated result in `results/`; one part alone:
`python -m benchmarks bench_fusion`. Times are compared as operations that the machine's own matrix
multiply makes in that time (`figures.calibrate`), so that two days or two machines can be compared.
What is more than 25 % worse than the last result on the same kind of machine is shown at the end.
Seconds of a profile are those of its last run, whatever else the machine did and the cache held.

Measured on: {hardware}.
"""

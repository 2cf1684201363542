"""Run the benchmarks and keep a dated result: python -m benchmarks [bench_stats …] (make bench).

What is printed is kept as Markdown, the figures as JSON. Figures that are a quarter worse than the
last ones on the same kind of machine are shown at the end.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import figures, goals
from empdis_utils import places
from empdis_utils.press import run

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PARTS = ("bench_flow", "bench_stats", "bench_features", "bench_encoders", "bench_fusion")


def measure(part):
    """Run one part in a process of its own: what it printed, and its figures with a calibration."""
    calibration = figures.calibrate()
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "figures"
        done = subprocess.run(
            [sys.executable, str(HERE / f"{part}.py")],
            env=os.environ | {"BENCH_FIGURES": str(kept)},
            capture_output=True,
            text=True,
        )
        lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    print(done.stdout, done.stderr[-2000:] if done.returncode else "", flush=True)
    if done.returncode:
        sys.exit(f"{part} failed")
    found = {"calibration": calibration, "figures": [json.loads(line) for line in lines]}
    return done.stdout.strip(), found


def compared(new, hardware, file):
    """Lines on what became worse since the last results of this kind of machine."""
    names, old = figures.latest(RESULTS, hardware, list(new), besides=file)
    if not old:
        return ["no earlier figures on this kind of machine to compare with"]
    worse = figures.regressions(new, old)
    return [f"against {names}: {len(worse)} figures more than 25 % worse", *worse]


def main():
    """Each part in a process of its own; what it prints goes to the screen and to the result."""
    chosen = sys.argv[1:] or PARTS
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}: there are {', '.join(PARTS)}")
    about = {"hardware": places.hardware(), "commit": run.git_state()}
    said, parts = {}, {}
    for part in chosen:
        print(f"== {part}", flush=True)
        said[part], parts[part] = measure(part)
    whole = set(chosen) == set(PARTS)
    some = "" if whole else "-" + "-".join(n.removeprefix("bench_") for n in chosen)
    name = time.strftime("%Y-%m-%d") + some
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    worse = compared(parts, about["hardware"], file)
    print(*worse, sep="\n")
    lines = [f"# {name}", "", *(f"{key}: {value}" for key, value in about.items())]
    for part, text in said.items():
        rates = ", ".join(f"{k} {v:.0f}" for k, v in parts[part]["calibration"].items())
        lines += ["", f"## {part}", "", "```", f"this machine before it: {rates}", text, "```"]
    lines += ["", "## against the last result", "", *worse, ""]
    file.with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")
    file.write_text(json.dumps(about | {"parts": parts}, indent=1) + "\n", encoding="utf-8")
    (HERE / "README.md").write_text(goals.page(RESULTS, about["hardware"]), encoding="utf-8")
    print(f"kept in benchmarks/results/{name}.md; goals: benchmarks/README.md")


if __name__ == "__main__":
    main()

"""Run the benchmarks and keep a dated result: python -m benchmarks [bench_stats …] (make bench)."""

import subprocess
import sys
import time
from pathlib import Path

from empdis_utils import places
from empdis_utils.press import run

HERE = Path(__file__).parent
PARTS = ("bench_flow", "bench_stats", "bench_features", "bench_encoders")
ASKED = ("bench_gpu",)  # not part of `make bench`


def main():
    """Each part in a process of its own; what it prints goes to the screen and to the result."""
    lines = [f"hardware: {places.hardware()}", f"commit: {run.git_state()}", ""]
    chosen = sys.argv[1:] or PARTS
    unknown = sorted(set(chosen) - {*PARTS, *ASKED})
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}: there are {', '.join(PARTS + ASKED)}")
    for part in chosen:
        print(f"== {part}", flush=True)
        done = subprocess.run(
            [sys.executable, str(HERE / f"{part}.py")], capture_output=True, text=True
        )
        print(done.stdout, done.stderr[-2000:] if done.returncode else "", flush=True)
        lines += [f"## {part}", "", "```", done.stdout.strip(), "```", ""]
        if done.returncode:
            sys.exit(f"{part} failed")
    day = time.strftime("%Y-%m-%d")
    some = (
        ""
        if set(chosen) == set(PARTS)
        else "-" + "-".join(n.removeprefix("bench_") for n in chosen)
    )
    target = HERE / "results" / f"{day}{some}.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(f"# {day}{some}\n\n" + "\n".join(lines), encoding="utf-8")
    print(f"kept in {target.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()

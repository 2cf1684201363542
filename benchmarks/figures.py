"""Figures that runs on two days, or on two machines, can be compared by.

A part of the benchmarks records each figure (`record`). Times are kept in seconds together with
what the machine did at that moment on fixed work (`calibrate`), and compared as the number of
operations that this machine's matrix multiply makes in that time; ratios are compared as they are.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

__all__ = ["WORSE", "calibrate", "comparable", "latest", "record", "regressions"]

WORSE = 1.25  # times as bad as the last result on the same kind of machine: shown
UNITS = ("s", "cpu s", "ratio", "MiB")  # waiting, processor time, …
RATES = {"s": "matmul_gflops", "cpu s": "matmul_gflops_cpu"}
SIDE, FILE_MIB = 1024, 64


def record(name, value, unit, better="less"):
    """Print a figure, and hand it to `python -m benchmarks`, which keeps it.

    Parameters
    ----------
    name : str
        The same from run to run.
    value : float
    unit : {"s", "cpu s", "ratio", "MiB"}
    better : {"less", "more"}

    Raises
    ------
    ValueError
        Another unit or direction.
    """
    if unit not in UNITS or better not in ("less", "more"):
        raise ValueError(f"unit {unit!r}, better {better!r}: use one of {UNITS}, 'less' or 'more'.")
    print(f"{name}: {value:.4g} {unit}")
    if file := os.environ.get("BENCH_FIGURES"):
        with open(file, "a", encoding="utf-8") as kept:
            line = {"name": name, "value": float(value), "unit": unit, "better": better}
            kept.write(json.dumps(line) + "\n")


def calibrate(repeats=5) -> dict[str, float]:
    """What this machine does now, in one thread, on fixed work: the best of a few tries.

    Returns
    -------
    dict
        matmul_gflops (float32, two matrices of 1,024 rows and columns), matmul_gflops_cpu (the same
        per second of the processor, which other work on the machine slows less), read_mib_s (a file
        of 64 MiB that was just written, read in one piece).
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    a = torch.ones(SIDE, SIDE)
    multiply = min(_seconds(lambda: a @ a) for _ in range(repeats))
    busy = min(_seconds(lambda: a @ a, time.process_time) for _ in range(repeats))
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fixed"
        file.write_bytes(bytes(FILE_MIB * 2**20))
        read = min(_seconds(file.read_bytes) for _ in range(repeats))
    rates = {"matmul_gflops": multiply, "matmul_gflops_cpu": busy}
    rates = {name: 2 * SIDE**3 / taken / 1e9 for name, taken in rates.items()}
    return rates | {"read_mib_s": FILE_MIB / read}


def _seconds(function, clock=time.perf_counter):
    started = clock()
    function()
    return clock() - started


def comparable(figure, calibration) -> float:
    """A time as operations of this machine's matrix multiply, in 10^9; anything else as it is."""
    rate = RATES.get(figure["unit"])
    return figure["value"] * (calibration[rate] if rate else 1.0)


def latest(folder, hardware, parts, besides=None) -> tuple[str, dict]:
    """The last kept figures of some parts on the same kind of machine.

    Parameters
    ----------
    folder : Path
        Of results, one JSON file per run, named by its day.
    hardware : str
        `places.hardware`.
    parts : sequence of str
    besides : Path, optional
        The file of this run.

    Returns
    -------
    names : str
        Of the files, or "".
    found : dict
        Part -> its calibration and figures. A part that was never measured there is not in it.
    """
    names, found = [], {}
    for file in sorted(Path(folder).glob("*.json"), reverse=True):
        result = json.loads(file.read_text(encoding="utf-8"))
        if file == besides or result["hardware"] != hardware:
            continue
        new = {p: result["parts"][p] for p in parts if p in result["parts"] and p not in found}
        found |= new
        names += [file.stem] * bool(new)
    return ", ".join(names), found


def regressions(new, old) -> list[str]:
    """One line for each figure that is worse than `WORSE` times the old one.

    Parameters
    ----------
    new, old : dict
        Part -> {"calibration": of `calibrate`, "figures": list of what `record` keeps}.

    Returns
    -------
    list of str

    Examples
    --------
    >>> figure = {"name": "a step", "value": 2.0, "unit": "s", "better": "less"}
    >>> part = {"calibration": {"matmul_gflops": 100.0}, "figures": [figure]}
    >>> slow = part | {"figures": [figure | {"value": 3.0}]}
    >>> regressions({"bench_x": slow}, {"bench_x": part})
    ['a step: 1.50 times as bad as before (3 s, was 2 s)']
    """
    lines = []
    for part in new.keys() & old.keys():
        before = {figure["name"]: figure for figure in old[part]["figures"]}
        for figure in new[part]["figures"]:
            was = before.get(figure["name"])
            if was is None or was["unit"] != figure["unit"]:
                continue
            times = comparable(figure, new[part]["calibration"])
            times /= comparable(was, old[part]["calibration"]) or float("nan")
            if figure["better"] == "more":
                times = 1 / times if times else float("inf")
            if times > WORSE:
                now, then = (f"{one['value']:.3g} {one['unit']}" for one in (figure, was))
                lines.append(
                    f"{figure['name']}: {times:.2f} times as bad as before ({now}, was {then})"
                )
    return sorted(lines)

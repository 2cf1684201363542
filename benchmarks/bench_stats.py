"""Time and memory of the permutation test against scipy, in one run.

13 synthetic features, 3 contrasts, 10,000 permutations. Ours permutes inside recordings; scipy is
called per feature and permutes freely, since it has no such restriction. Memory is the peak of
traced allocations, from a second pass so that tracing does not slow the timed one.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

import figures
import numpy as np
import pandas as pd
from scipy import stats as sps

from empdis_utils.measures import alignment, inference

N_FEATURES = 13


def synthetic(n: int, n_recordings: int, seed: int = 42):
    """Features [n, 13], quadrant [n] and recording [n]."""
    rng = np.random.default_rng(seed)
    names = [f"feature_{i}" for i in range(N_FEATURES)]
    features = pd.DataFrame(rng.standard_normal((n, N_FEATURES)), columns=names)
    quadrant = rng.choice(["blue", "red", "green", "yellow"], n, p=[0.45, 0.19, 0.19, 0.17])
    return features, quadrant, rng.integers(n_recordings, size=n)


def ours(features, quadrant, recording, n_perm):
    for one, two in alignment.CONTRASTS:
        keep = np.isin(quadrant, [one, two])
        inference.permutation_test(
            features[keep], quadrant[keep] == one, groups=recording[keep], n_perm=n_perm
        )


def scipy_per_feature(features, quadrant, recording, n_perm):
    def difference(a, b, axis):
        return a.mean(axis=axis) - b.mean(axis=axis)

    for one, two in alignment.CONTRASTS:
        for name in features:
            value = features[name].to_numpy()
            pair = value[quadrant == one], value[quadrant == two]
            sps.permutation_test(pair, difference, vectorized=True, n_resamples=n_perm, rng=42)


def seconds(function, *arguments, repeats: int) -> float:
    """Fastest of `repeats` calls."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(*arguments)
        taken.append(time.perf_counter() - start)
    return min(taken)


def peak_mib(function, *arguments) -> float:
    tracemalloc.start()
    function(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def measure(n: int, n_recordings: int, n_perm: int) -> dict:
    data = synthetic(n, n_recordings)
    ours_s = seconds(ours, *data, n_perm, repeats=3)
    scipy_s = seconds(scipy_per_feature, *data, n_perm, repeats=3)
    return {
        "clips": n,
        "recordings": n_recordings,
        "permutations": n_perm,
        "ours_s": ours_s,
        "scipy_s": scipy_s,
        "ratio": scipy_s / ours_s,
        "ours_peak_mib": peak_mib(ours, *data, n_perm),
        "scipy_peak_mib": peak_mib(scipy_per_feature, *data, n_perm),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--permutations", type=int, default=10_000)
    parser.add_argument("--large", action="store_true", help="also at the size of all of MOSI")
    arguments = parser.parse_args()
    sizes = [(307, 42), (2199, 93)] if arguments.large else [(307, 42)]
    rows = [measure(n, g, arguments.permutations) for n, g in sizes]
    print(f"{N_FEATURES} synthetic features x {len(alignment.CONTRASTS)} contrasts, one process")
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.3f"))
    figures.record("permutation test against scipy", rows[0]["ratio"], "ratio", better="more")
    figures.record("permutation test, peak memory", rows[0]["ours_peak_mib"], "MiB")


if __name__ == "__main__":
    main()

"""The fusion network at MOSI's size: one by one, side by side, and read from disk, in one run.

One by one is `fusion_training.fit`, as chapters train. Side by side trains the same networks as
one batched model (`torch.func.stack_module_state` and `vmap`, batch norm per member). Both make the
same matrix products, so on a processor only the overhead between them can be saved; the share of
time that the products need at the machine's own rate says how much that is at most. Processor
seconds of all threads, so that other work on the machine counts less. Memory is the peak of a
process of its own. Without dropout both ways give the same probabilities until rounding has grown:
a whole training amplifies the last bit, whatever changed it.

    python benchmarks/bench_fusion.py --members 5 20 --threads 1 2
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time

import figures
import numpy as np
import pandas as pd
import torch
from torch.func import functional_call, stack_module_state, vmap

from empdis_utils.models import fusion_training
from empdis_utils.models.fusion_training import RECIPES, GatedAttentionFusion

WIDTHS = {"text": 100, "audio": 73, "video": 100}
RECIPE, ROWS, BATCH = RECIPES["release"], 512, 64  # 8 batches, as MOSI's folds have
NETWORK = {k: RECIPE[k] for k in fusion_training._NETWORK_KEYS}


def clips(n=ROWS, seed=0):
    """Synthetic embeddings and labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    x = {m: rng.normal(size=(n, d)).astype(np.float32) for m, d in WIDTHS.items()}
    x["text"][:, 0] += y
    return x, y


def products_gflop() -> float:
    """Multiplications and additions of the matrix products of one step, forwards and backwards."""
    hidden, attend, wide = (NETWORK[k] for k in ("hidden", "attention_width", "classifier_width"))
    first = sum(WIDTHS.values()) * hidden
    others = len(WIDTHS) * hidden * (1 + attend) + hidden * wide + 2 * wide * wide + 2 * wide
    return 2 * BATCH * (2 * first + 3 * others) / 1e9  # nothing asks for the inputs' gradient


def one_by_one(n_members, epochs, **changes):
    """Networks of seeds 0, 1, …, by `fit`."""
    x, y = clips()
    how = dict(train=np.arange(len(y)), recipe=RECIPE | {"epochs": epochs} | changes)
    return [fusion_training.fit(x, y, seed=seed, **how) for seed in range(n_members)]


def side_by_side(n_members, epochs, **changes):
    """P of class 1 [members, n] of the same networks, trained as one batched model."""
    x, y = clips()
    x = {m: torch.tensor(a) for m, a in x.items()}
    target, draws, models = torch.tensor(y), [], []
    for seed in range(n_members):
        torch.manual_seed(seed)
        models.append(GatedAttentionFusion(WIDTHS, **(NETWORK | changes)))
        draws.append(torch.Generator())
        draws[-1].set_state(torch.get_rng_state())
    state, base = stack_module_state(models), models[0]
    optimizer = torch.optim.Adam(
        state[0].values(), lr=RECIPE["lr"], weight_decay=RECIPE["weight_decay"], fused=True
    )
    steps = epochs * len(fusion_training._batches(torch.arange(len(y)), BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RECIPE["max_lr"], total_steps=steps)
    call = vmap(lambda *given: functional_call(base, given[:2], given[2]).logits,
                randomness="different")  # fmt: skip
    base.train()
    for _ in range(epochs):
        order = torch.stack([torch.randperm(len(y), generator=own) for own in draws])
        for rows in order.split(BATCH, dim=1):
            optimizer.zero_grad()
            logits = call(*state, {m: a[rows] for m, a in x.items()})
            losses = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), target[rows].flatten(), reduction="none"
            )
            losses.view(n_members, -1).mean(dim=1).sum().backward()
            optimizer.step()
            schedule.step()
    base.eval()
    with torch.no_grad():
        same = {m: a.expand(n_members, -1, -1) for m, a in x.items()}
        return torch.softmax(call(*state, same).double(), dim=2)[:, :, 1].numpy()


WAYS = {"one by one": one_by_one, "side by side": side_by_side}


def measure(way, n_members, threads, epochs) -> dict:
    """One way, in a process of its own: processor and wall milliseconds of a member's step."""
    code = f"import bench_fusion as b; b.report({way!r}, {n_members}, {threads}, {epochs})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=os.path.dirname(os.path.abspath(__file__)),
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)},
    )  # fmt: skip
    cpu, wall, mib = map(float, done.stdout.split())
    steps = n_members * epochs * ROWS // BATCH
    about = {"way": way, "members": n_members, "threads": threads}
    return about | {"cpu_ms": 1e3 * cpu / steps, "wall_ms": 1e3 * wall / steps, "peak_mib": mib}


def report(way, n_members, threads, epochs):
    """Print processor seconds, wall seconds and peak MiB of `measure`'s process."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    WAYS[way](1, 1)  # warm up
    cpu, wall = time.process_time(), time.perf_counter()
    WAYS[way](n_members, epochs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.process_time() - cpu, time.perf_counter() - wall, peak)


def differences(n_members=2) -> pd.DataFrame:
    """Of P of class 1 without dropout, after one epoch and after the whole training.

    Between the two ways; and, one by one, between inputs as they are and changed in the last bit:
    what the order of additions does cannot be told from that.
    """
    x, y = clips()
    changed = {m: a * np.float32(1 + 2**-23) for m, a in x.items()}
    off, rows = {"dropout": 0.0, "modality_dropout": 0.0}, []
    for epochs in (1, RECIPE["epochs"]):
        how = dict(train=np.arange(len(y)), recipe=RECIPE | off | {"epochs": epochs})
        alone, other = (
            np.stack([fusion_training.predict(fusion_training.fit(given, y, seed=s, **how), given).p
                      for s in range(n_members)]) for given in (x, changed)
        )  # fmt: skip
        together = side_by_side(n_members, epochs, **off)
        for what, p in (("side by side", together), ("inputs changed in the last bit", other)):
            gap = np.abs(alone - p)
            rows.append({"epochs": epochs, "against one by one": what, "mean": gap.mean(),
                         "largest": gap.max()})  # fmt: skip
    return pd.DataFrame(rows)


def reading(epochs=15) -> tuple[float, float]:
    """Processor seconds of a fit that trains and is kept, and of the one that reads it."""
    x, y = clips()
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMPDIS_CACHE"] = folder
        for _ in range(2):
            started = time.process_time()
            fusion_training.fit(
                x, y, train=np.arange(len(y)), recipe=RECIPE | {"epochs": epochs}, resume=True
            )
            taken.append(time.process_time() - started)
    return taken[0], taken[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, nargs="+", default=[5, 20])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rate = figures.calibrate()["matmul_gflops_cpu"]
    rows = []
    for threads in arguments.threads:
        n = arguments.members[0]
        alone = measure("one by one", n, threads, arguments.epochs)
        together = [measure("side by side", n, threads, arguments.epochs)
                    for n in arguments.members]  # fmt: skip
        rows += [row | {"times_as_fast": alone["cpu_ms"] / row["cpu_ms"]}
                 for row in (alone, *together)]  # fmt: skip
    table = pd.DataFrame(rows)
    print(f"Fusion network, {ROWS} synthetic clips, batches of {BATCH}; one step of one member")
    print(table.round(2).to_string(index=False))
    ideal = 1e3 * products_gflop() / rate
    first = table.iloc[0]
    print(f"the matrix products of a step alone, at {rate:.0f} GFLOP/s: {ideal:.2f} ms")
    best = table[table["way"] == "side by side"]["times_as_fast"].max()
    trained, read = reading()
    figures.record("fusion, one step, one by one", first["cpu_ms"] / 1e3, "cpu s")
    figures.record("fusion, share of a step that is matrix products", ideal / first["cpu_ms"],
                   "ratio", better="more")  # fmt: skip
    figures.record("fusion, side by side against one by one", best, "ratio", better="more")
    figures.record("fusion, peak memory one by one", first["peak_mib"], "MiB")
    figures.record("fusion, peak memory side by side", table["peak_mib"].max(), "MiB")
    figures.record("fusion, a kept fit is read, against trained", trained / read, "ratio",
                   better="more")  # fmt: skip
    print("Differences of p without dropout")
    print(differences().to_string(index=False, float_format="%.1e"))


if __name__ == "__main__":
    main()

"""The six encoders on the card at hand: trunk pass, five seeds of fits, memory (make bench-gpu).

Base size, random weights, synthetic clips. The frozen trunk runs in bf16: clips per second, and its
share of the card's own peak, a product of two large bf16 matrices measured in the same minute. Then
each encoder is fitted on a released split with five seeds, mixed precision: wall-clock seconds of
one epoch of one seed, and the most memory that the card and the process held. Without a card the
same runs on the processor with the tiny checkpoints of the tests: that says that it runs, and
nothing about a card.

    python benchmarks/bench_gpu.py --clips 1535 --epochs 15
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import bench_encoders
import numpy as np
import pandas as pd
import torch

from empdis_utils.data import media
from empdis_utils.models import cache as trunk_cache
from empdis_utils.models import encoders, finetune

NAMES = [name for name in encoders.ENCODERS if name != "auto"]
SEEDS = range(5)


def wall(work, repeats, device):
    """Seconds of one call, all work of the card included."""
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def matrix_peak(device, n):
    """Measured bf16 peak in TFLOP/s: square matrices, the best of five."""
    a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
    return max(2 * n**3 / wall(lambda: a @ b, 5, device) / 1e12 for _ in range(5))


def model_of(name, device):
    if device == "cuda":
        return bench_encoders.base_model(name)
    return encoders.load(name, bench_encoders.CHECKPOINTS / name)


def inputs_of(name, model, batch):
    """Random inputs of one batch: 32 tokens, 5 s of sound, or 16 frames."""
    modality, config = encoders.ENCODERS[name].modality, model.config
    if modality == "text":
        return {"input_ids": torch.randint(5, 200, (batch, 32))}
    if modality == "audio":
        return {"input_values": torch.randn(batch, 80_000)}
    return {"pixel_values": torch.randn(batch, 16, 3, config.image_size, config.image_size)}


def bench_trunk(device, batch, repeats, peak):
    """bf16 trunk pass: clips/s and share of the matrix peak."""
    rows = []
    for name in NAMES:
        model, _ = model_of(name, device)
        clips = inputs_of(name, model, batch)

        def run(name=name, model=model, clips=clips):
            return trunk_cache._trunk(encoders.ENCODERS[name], model, 2, clips, "bf16")

        work, taken = bench_encoders.multiplications(run), wall(run, repeats, device)
        rate = work / taken / 1e12
        rows.append([name, batch / taken, rate, rate / peak])
    return pd.DataFrame(rows, columns=["encoder", "clips_per_s", "TFLOP_per_s", "share_of_peak"])


def bench_seeds(device, n, epochs, folder):
    """Wall-clock seconds of five seeds on a released split, decoding and trunk apart; memory."""
    rows, split = [], np.repeat(["train", "val", "test"], [n - 2 * (n // 10), n // 10, n // 10])
    for name in NAMES:
        items, read = bench_encoders.make_clips(encoders.ENCODERS[name].modality, n, folder)
        clips = items if read is None else media.Clips(items, read)
        keys = [str(i) for i in range(n)]
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with tempfile.TemporaryDirectory(dir=folder) as cache_folder:
            start = time.perf_counter()
            cache = finetune.cache_trunk(
                *(name, *model_of(name, device), clips),
                directory=cache_folder, keys=keys, precision="bf16", progress=False,
            )  # fmt: skip
            trunk = time.perf_counter() - start
            finetune.release(
                *(cache, np.arange(n) % 2, keys, split), seeds=SEEDS, n_jobs=1,
                progress=False, epochs=epochs, precision="bf16", checkpoint_every_s=np.inf,
            )  # fmt: skip
        whole = time.perf_counter() - start
        held = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else np.nan
        epoch = (whole - trunk) / len(SEEDS) / epochs
        rows.append([name, n, trunk, epoch, whole, held, finetune.peak_mib()])
    columns = ["encoder", "clips", "trunk_s", "epoch_s", "all_s", "card_mib", "process_mib"]
    return pd.DataFrame(rows, columns=columns)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, help="1535 on a card, 10 without")
    parser.add_argument("--epochs", type=int, help="15 on a card, 1 without")
    asked = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    card = device == "cuda"
    clips, epochs = asked.clips or (1535 if card else 10), asked.epochs or (15 if card else 1)
    if card:
        print(f"{torch.cuda.get_device_name()}, base size")
    else:
        print("NO CARD IS AT HAND. On the processor, tiny checkpoints: a trial run, no result.")
    peak = matrix_peak(device, 8192 if card else 512)
    print(f"bf16 matrix products: {peak:.3g} TFLOP/s, measured")
    print("Trunk pass, bf16")
    table = bench_trunk(device, *((32, 10) if card else (2, 1)), peak)
    print(table.to_string(index=False, float_format="{:.3g}".format), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        table = bench_seeds(device, clips, epochs, Path(scratch))
    print(f"{len(SEEDS)} seeds x {epochs} epochs, bf16; all_s has decoding and the trunk in it")
    print(table.to_string(index=False, float_format="{:.3g}".format))
    print(f"together {table['all_s'].sum() / 60:.1f} minutes")


if __name__ == "__main__":
    main()

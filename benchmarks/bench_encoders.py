"""Fine-tuning on a cached trunk against the straightforward loop of the release, in one run.

Same model (base size, random weights), same synthetic clips, one thread. The loop of the release
decodes every clip in every epoch and runs the whole model, batch 8; ours reads clips once and
trains on what enters the last two layers. One epoch of each is timed after a warm-up (two of
ours), and the trunk pass; the study of the paper, 15 epochs x 5 seeds, is 75 such epochs plus, for
ours, one trunk pass. Validation and the last prediction are in neither. Times are of the processor,
children included, so that other work on the machine counts less.

What to expect: of twelve layers ours runs two, forwards and backwards, where the release also runs
the other ten forwards; so float32 gains about three times, plus decoding. Text gains more: it is
packed, not padded, and the last layer computes what is read. So do the audio encoders: transformers
lets gradients reach their frozen front end, and the release pays for that. The column arithmetic is
the ratio of the counted multiplications (torch's `FlopCounterMode`; attention counted, too): what
the way would gain if every multiplication took as long as any other, and decoding took no time.
Mixed precision on a processor that has bf16 does the rest; the release has none.

Also: 16 frames of a 10 s clip of 1280 x 720 by seeking, against decoding all of it. Frames are
predicted from earlier ones, so what lies between two key frames must be decoded up to the last
frame that is wanted, except for those that nothing is predicted from: here two key frames and half
of the other frames are needed. The rest of the gain is that 16 frames instead of 300 become RGB.
Memory with 100 and 1,000 clips; accuracy on the synthetic corpus against the uncached run. What a
GPU does is in `bench_gpu`.

    python benchmarks/bench_encoders.py --clips 8 --encoders roberta hubert videomae
"""

from __future__ import annotations

import argparse
import copy
import os
import subprocess
import sys
import tempfile
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import av  # noqa: E402
import figures  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import soundfile  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from empdis_utils.data import corpora, media, splits  # noqa: E402
from empdis_utils.models import encoders, finetune  # noqa: E402
from empdis_utils.models.trunk import Tail  # noqa: E402

CHECKPOINTS = Path(__file__).parents[1] / "tests" / "fixture" / "checkpoints"
EPOCHS, SEEDS, BATCH = 15, 5, 8
#: Tokens of a transcript: the paper's median is 6, the longest tenth is above 26.
LENGTHS = {"median": 8.0, "sigma": 0.8}


def seconds():
    return sum(os.times()[:4])


def multiplications(work):
    """Floating-point operations of matrix products, convolutions and attention in one call."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        work()  # MATH: the counter does not know the processor's own attention kernel
    return counter.get_total_flops()


# Models and clips


def base_model(name):
    """A base-size model with random weights, and a processor as published."""
    configs = {
        "deberta": dict(
            hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
            relative_attention=True, position_buckets=256, norm_rel_ebd="layer_norm",
            share_att_key=True, pos_att_type=["p2c", "c2p"], position_biased_input=False,
            type_vocab_size=0, max_relative_positions=-1,
        ),
    }  # fmt: skip
    encoder = encoders.ENCODERS[name]
    config = transformers.AutoConfig.for_model(encoder.model_type, **configs.get(name, {}))
    kinds = {"text": "SequenceClassification", "audio": "AudioClassification"}
    kind = kinds.get(encoder.modality, "VideoClassification")
    torch.manual_seed(0)
    model = getattr(transformers, f"AutoModelFor{kind}").from_config(config).eval()
    model.new_parameters = [k for k in model.state_dict() if k.startswith("classifier.")]
    if encoder.modality == "video":
        return model, transformers.VideoMAEImageProcessorPil()
    if encoder.modality == "audio":
        return model, transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)
    return model, encoders.load(name, CHECKPOINTS / name)[1]


def write_video(path, seconds_, size=(1280, 720), fps=30, seed=0):
    """Synthetic: a still textured background, before it a patch that moves; H.264 by x264's
    own defaults (a key frame every 250 frames, adaptive B-frames)."""
    rng = np.random.default_rng(seed)
    width, height = size
    y, x = np.mgrid[:height, :width]
    still = np.stack([x // 7, y // 5, (x + y) // 9], -1) % 180 + rng.integers(
        0, 40, (height, width, 1)
    )
    patch = rng.integers(60, 200, (height // 3, width // 4, 3))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(round(seconds_ * fps)):
            picture = still.copy()
            top, left = (round(n / 3 * (1 + np.sin(i / 11 + n))) for n in (height, width))
            picture[top : top + height // 3, left : left + width // 4] = patch
            frame = av.VideoFrame.from_ndarray(picture.astype("u1"), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def make_clips(modality, n, folder, seconds_=None):
    """Synthetic items: texts, or paths of FLAC or MP4 files, and how they are read."""
    rng = np.random.default_rng(0)
    if modality == "text":
        words = np.array("i am so sorry for you the bus leaves at noon see it dear".split())
        lengths = rng.lognormal(np.log(LENGTHS["median"]), LENGTHS["sigma"], n).round().clip(2)
        return [" ".join(rng.choice(words, int(k))) + f" {i}" for i, k in enumerate(lengths)], None
    if modality == "audio":
        paths = []
        for i in range(n):
            length = int(16_000 * (seconds_ or rng.uniform(1, 5)))
            paths.append(folder / f"{i}.flac")
            soundfile.write(paths[-1], rng.normal(0, 0.1, length), 16_000)
        return paths, media.load_audio
    one = [write_video(folder / f"v{i}.mp4", seconds_ or 10, seed=i) for i in range(2)]
    return [one[i % 2] for i in range(n)], media.load_frames


def decode_everything(path, n_frames=16, max_s=10.0):
    """What the release does: every frame as RGB, then 16 of those of the first 10 s."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        frames = np.stack([f.to_ndarray(format="rgb24") for f in container.decode(stream)])
        frames = frames[: int(max_s * stream.average_rate)]
    return frames[np.linspace(0, len(frames) - 1, n_frames).astype(int)]


def decode_only(path):
    """Every frame decoded, none converted to RGB: the least that decoding all takes."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for _ in container.decode(video=0):
            pass


# The two ways to train


def naive_epoch(name, model, processor, items, read, y):
    """One epoch of the release over all clips: decode, process, whole model, AdamW.

    Returns its seconds, and the multiplications of a first batch, scaled up to all clips.
    """
    modality = encoders.ENCODERS[name].modality
    tail = Tail(name, model, whole=True)  # freezes what the release freezes
    trained = [p for p in tail.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-6, fused=True)
    tail.train()

    def step(rows):
        given = []
        for i in rows.tolist():
            if modality == "text":
                given.append(items[i])
            elif modality == "audio":
                given.append(read(items[i]).samples)
            else:
                given.append(decode_everything(items[i]).astype(np.float32) / 255)
        if modality == "video":  # the release hands over numbers from 0 to 1
            batch = dict(processor([list(frames) for frames in given], return_tensors="pt"))
        else:
            batch = encoders.inputs(processor, modality, given)
        loss = torch.nn.functional.cross_entropy(tail(**batch).logits, y[rows])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    first = torch.arange(min(BATCH, len(items)))  # what the first call sets up is not the epoch's
    work = multiplications(lambda: step(first)) * len(items) / len(first)
    start = seconds()
    for rows in torch.randperm(len(items)).split(BATCH):
        step(rows)
    return seconds() - start, work


def cached_epochs(name, model, processor, items, read, y, folder, **how):
    """Seconds of the trunk pass and of one epoch on what it left; multiplications of both."""
    clips = items if read is None else media.Clips(items, read)
    keys = [str(i) for i in range(len(items))]  # clips that repeat a file are still clips
    found = {}

    def fill():
        found["cache"] = finetune.cache_trunk(
            name, model, processor, clips, directory=folder, keys=keys, progress=False
        )

    start = seconds()
    trunk_work = multiplications(fill)
    trunk, cache = seconds() - start, found["cache"]
    accelerator = finetune._accelerator(how.get("precision", "no"))
    fit = finetune._Fit(copy.deepcopy(cache.tail), cache, y, accelerator, 5e-6, 0.01)
    accumulate = how.get("accumulate", 1)
    first = np.arange(min(BATCH, len(items)))
    work = multiplications(lambda: fit.train_epoch(first, BATCH, accumulate, 0))
    start = seconds()
    for _ in range(2):
        fit.train_epoch(np.arange(len(items)), BATCH, accumulate, 0)
    return trunk, (seconds() - start) / 2, trunk_work, work * len(items) / len(first)


def bench_training(names, n_clips, folder):
    """The study of the paper, extrapolated from one epoch of each way."""
    ways = {
        "cached, float32": {},
        "cached, float32, batch in 2 pieces": {"accumulate": 2},
        "cached, bf16": {"precision": "bf16"},
        "cached, bf16, batch in 2 pieces": {"precision": "bf16", "accumulate": 2},
    }
    rows = []
    for name in names:
        modality = encoders.ENCODERS[name].modality
        n = n_clips if modality == "video" else 4 * n_clips if modality == "audio" else 16 * n_clips
        model, processor = base_model(name)
        items, read = make_clips(modality, n, folder)
        y = torch.arange(n) % 2
        naive, naive_work = naive_epoch(name, model, processor, items, read, y)
        study = naive * EPOCHS * SEEDS
        rows.append([name, "as the release", n, naive, 0.0, study, 1.0, 1.0])
        for way, how in ways.items():
            if modality != "audio" and "accumulate" in how:
                continue  # texts are packed, video clips have one length: nothing is padded
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                trunk, epoch, trunk_work, work = cached_epochs(
                    name, model, processor, items, read, y, cache, **how
                )
            ours = trunk + epoch * EPOCHS * SEEDS
            arithmetic = naive_work / (trunk_work / EPOCHS / SEEDS + work)
            rows.append([name, way, n, epoch, trunk, ours, study / ours, arithmetic])
            print(
                f"  {name}, {way}: {study / ours:.1f} times as fast (arithmetic: {arithmetic:.1f})",
                flush=True,
            )
    columns = ["encoder", "way", "clips", "epoch_s", "trunk_s", "study_s", "times_as_fast"]
    return pd.DataFrame(rows, columns=[*columns, "arithmetic"])


# Decoding, memory, accuracy


def bench_seeking(folder, repeats=3):
    path = write_video(folder / "ten.mp4", 10)
    frames, everything, taken = media.load_frames(path), decode_everything(path), {}
    for what, read in (
        ("by seeking", media.load_frames),
        ("decoding all to RGB, as the release", decode_everything),
        ("decoding all, no frame converted", decode_only),
    ):
        times = []
        for _ in range(repeats):
            start = seconds()
            read(path)
            times.append(seconds() - start)
        taken[what] = min(times)
    print(f"16 frames of 10 s, 1280 x 720, 30 frames/s; {path.stat().st_size / 1e6:.1f} MB")
    for what, time_s in taken.items():
        print(f"  {what}: {time_s:.3f} s, {time_s / taken['by seeking']:.1f} times ours")
    print(f"  the same frames: {np.array_equal(frames.frames, everything)}")


def peak_memory(n, folder):
    """Most memory of a process that caches and trains on `n` clips; run in its own process."""
    model = encoders.load("videomae", CHECKPOINTS / "videomae")
    path = folder / "one.mp4"
    decoded = media.load_frames(path).frames.nbytes
    cache = finetune.cache_trunk(
        *("videomae", *model, media.Clips([path] * n, media.load_frames)),
        directory=folder / f"cache{n}",
        keys=[str(i) for i in range(n)],
        progress=False,
    )
    finetune.finetune(cache, np.arange(n) % 2, range(n), seed=1, epochs=1)
    kept = sum(file.stat().st_size for file in (folder / f"cache{n}").rglob("*.safetensors"))
    print(
        f"  {n} clips: {finetune.peak_mib():.0f} MiB. The decoded clips together: "
        f"{n * decoded / 2**20:.0f} MiB; activations on disk: {kept / 2**20:.1f} MiB"
    )


def bench_memory(folder, sizes=(100, 1000)):
    """A trunk pass and one epoch of the tiny VideoMAE, each number of clips in its own process."""
    write_video(folder / "one.mp4", 1, size=(320, 240))
    for n in sizes:
        command = [sys.executable, __file__, "--peak-memory", str(n), "--folder", str(folder)]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip())


def bench_accuracy(n_seeds, name="roberta"):
    """On the synthetic corpus, recordings held out: cached and bf16 against the uncached run."""
    corpus = corpora.load_fixture()
    manifest = corpus.manifest
    items = finetune.inputs_of(corpus, manifest, encoders.ENCODERS[name].modality)
    how = dict(
        groups=manifest["dialog_id"], seeds=tuple(range(42, 42 + n_seeds)), n_jobs=1,
        progress=False, epochs=10, batch_size=16, learning_rate=3e-4,
    )  # fmt: skip
    folds = splits.crossfit_folds(manifest, n_folds=4).to_numpy()
    rows = []
    for way, trunk_dropout, more in (
        ("uncached, as the release", True, {}),
        ("cached, float32", False, {}),
        ("cached, bf16, batch in 2 pieces", False, {"precision": "bf16", "accumulate": 2}),
    ):
        model = encoders.load(name, CHECKPOINTS / name)
        cache = finetune.cache_trunk(
            name, *model, items, trunk_dropout=trunk_dropout, progress=False
        )
        y = manifest["y"].to_numpy()
        fits = finetune.crossfit(cache, y, manifest["clip_id"], folds, **how, **more)
        right = (fits.predictions["p"] > 0.5) == fits.predictions["y"]
        accuracy = right.groupby(fits.predictions["seed"]).mean()
        rows.append([way, accuracy.mean(), accuracy.std(), fits.cost["cpu_s"].sum()])
    table = pd.DataFrame(rows, columns=["way", "accuracy", "sd_seeds", "cpu_s"])
    table["sd_from_uncached"] = (table["accuracy"] - table["accuracy"][0]) / table["sd_seeds"][0]
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=8, help="of video; audio 4x, text 16x")
    parser.add_argument("--encoders", nargs="*", default=["roberta", "hubert", "videomae"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--training-only", action="store_true")
    parser.add_argument("--memory", type=int, nargs=2, default=(100, 1000))
    parser.add_argument("--peak-memory", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.peak_memory:
        return peak_memory(asked.peak_memory, asked.folder)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print(
            f"Training, base size, random weights, one thread. Study: {EPOCHS} epochs x {SEEDS} "
            "seeds, extrapolated from one epoch (and one trunk pass, which our study has once)"
        )
        trained = bench_training(asked.encoders, asked.clips, folder)
        print(trained.round(2).to_string(index=False))
        for row in trained[trained["way"] == "cached, float32"].itertuples():
            name = f"fine-tuning {row.encoder}, float32, against the release"
            figures.record(name, row.times_as_fast, "ratio", better="more")
        if asked.training_only:
            return None
        bench_seeking(folder)
        print("Peak memory of a trunk pass and one epoch, by number of clips:")
        bench_memory(folder, asked.memory)
    print("Accuracy on the synthetic corpus, roberta (tiny), recordings held out")
    print(bench_accuracy(asked.seeds).round(3).to_string(index=False))


if __name__ == "__main__":
    main()

"""Oracles: training the full transformers model, retraining, and a run that was not killed."""

import copy
import errno
import os
import signal
import subprocess
import sys
import types
from functools import partial
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import CHECKPOINTS, SENTENCES, SIX, cached, clips, shaken

from empdis_utils.data import corpora, media, splits, tables
from empdis_utils.models import cache as trunk_cache
from empdis_utils.models import encoders, finetune, fusion, trunk


@pytest.mark.parametrize("name", ["roberta", "deberta", "hubert", "videomae", "timesformer"])
def test_training_on_the_cache_equals_training_the_full_model(name):
    """Without dropout the cached and the released way differ by rounding only."""
    model, processor = shaken(name)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for field in ("dropout", "dropout_prob", "attention_dropout", "activation_dropout"):
            if isinstance(getattr(module, field, None), float):
                setattr(module, field, 0.0)
    model.config.update({"layerdrop": 0.0, "apply_spec_augment": False})
    items = clips(encoders.ENCODERS[name].modality, lengths=8000)
    y, how = [0, 1, 0, 1, 0, 1], dict(seed=3, epochs=4, learning_rate=1e-3, batch_size=4)
    a = finetune.finetune(cached(name, items, (model, processor)), y, range(6), **how)
    whole = cached(name, items, (model, processor), trunk_dropout=True)
    b = finetune.finetune(whole, y, range(6), **how)
    assert a.history["train_loss"].iloc[-1] < a.history["train_loss"].iloc[0]
    np.testing.assert_allclose(a.p, b.p, atol=1e-4)
    np.testing.assert_allclose(a.embeddings, b.embeddings, atol=1e-3)


def test_trunk_dropout_makes_a_difference():
    model = shaken("roberta")
    how = dict(seed=3, epochs=3, learning_rate=1e-3)
    a = finetune.finetune(cached("roberta", model=model), [0, 1] * 3, range(6), **how)
    whole = cached("roberta", model=model, trunk_dropout=True)
    b = finetune.finetune(whole, [0, 1] * 3, range(6), **how)
    assert np.abs(a.p - b.p).max() > 1e-3


@pytest.fixture(scope="module")
def cache():
    return cached("roberta", clips("text", 24))


Y = np.arange(24) % len(SENTENCES) % 2  # a function of the sentence
FAST = dict(epochs=5, learning_rate=2e-3)


def test_it_learns(cache):
    fitted = finetune.finetune(
        cache, Y, range(8, 24), range(8), seed=1, epochs=25, learning_rate=2e-3
    )
    assert ((fitted.p > 0.5) == Y).mean() > 0.9
    assert fitted.p.shape == (24,) and fitted.embeddings.shape == (24, 64)
    assert fitted.embeddings.dtype == np.float32


def test_same_seed_same_bytes_and_the_callers_random_state_is_left_alone(cache):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a, b = (finetune.finetune(cache, Y, range(16), seed=7, **FAST) for _ in range(2))
    other = finetune.finetune(cache, Y, range(16), seed=8, **FAST)
    np.testing.assert_array_equal(a.p, b.p)
    np.testing.assert_array_equal(a.embeddings, b.embeddings)
    pd.testing.assert_frame_equal(a.history, b.history)
    assert np.abs(a.p - other.p).max() > 1e-3
    assert torch.equal(before, torch.get_rng_state())


def test_the_best_epoch_is_the_first_of_the_highest_validation_accuracy(cache):
    how = dict(seed=2, learning_rate=2e-3)
    y = np.random.default_rng(0).integers(0, 2, 24)  # so that validation is noisy
    best = finetune.finetune(cache, y, range(12), range(12, 24), epochs=8, **how)
    assert best.epoch == best.history["val_accuracy"].idxmax() + 1
    assert best.epoch < 8, "the case must tell best from last"
    stopped = finetune.finetune(
        cache, y, range(12), range(12, 24), epochs=best.epoch, keep="last", **how
    )
    np.testing.assert_array_equal(best.p, stopped.p)
    last = finetune.finetune(cache, y, range(12), range(12, 24), epochs=8, keep="last", **how)
    assert np.abs(best.p - last.p).max() > 1e-4
    released = finetune.finetune(
        cache, y, range(12), range(12, 24), epochs=8, release_quirks=True, **how
    )
    np.testing.assert_array_equal(released.p, best.p)
    np.testing.assert_array_equal(released.embeddings, last.embeddings)
    patient = finetune.finetune(cache, y, range(12), range(12, 24), epochs=50, patience=2, **how)
    assert len(patient.history) == patient.epoch + 2


def test_labels_outside_train_and_val_are_not_looked_at(cache):
    a = finetune.finetune(cache, Y, range(16), seed=1, **FAST)
    b = finetune.finetune(cache, np.r_[Y[:16], [99] * 8], range(16), seed=1, **FAST)
    np.testing.assert_array_equal(a.p, b.p)


def test_three_classes():
    model = encoders.load("roberta", CHECKPOINTS / "roberta", n_classes=3)
    cache = cached("roberta", clips("text", 12), model)
    fitted = finetune.finetune(cache, np.arange(12) % 3, range(12), seed=1, **FAST)
    assert fitted.p.shape == (12, 3)
    np.testing.assert_allclose(fitted.p.sum(axis=1), 1)


def test_errors(cache):
    run = finetune.finetune
    with pytest.raises(ValueError, match="both train and val"):
        run(cache, Y, range(12), range(11, 24), seed=1)
    with pytest.raises(ValueError, match="run from 0 to 2, .* loaded for 2 classes"):
        run(cache, np.arange(24) % 3, range(24), seed=1)
    with pytest.raises(ValueError, match="No training clip"):
        run(cache, Y, [], seed=1)
    with pytest.raises(ValueError, match="keep is 'middle'"):
        run(cache, Y, range(24), seed=1, keep="middle")
    with pytest.raises(ValueError, match="precision is 'half'"):
        run(cache, Y, range(24), seed=1, precision="half")


# The loop


def test_a_batch_in_pieces_has_the_gradient_of_the_whole():
    model = shaken("roberta")
    for module in model[0].modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    cache = cached("roberta", clips("text", 24), model)
    assert len(set(cache.lengths)) > 3  # pieces pad less, or there is nothing to see
    how = dict(seed=1, epochs=3, learning_rate=1e-3)
    whole = finetune.finetune(cache, Y, range(21), **how)
    for accumulate in (2, 3, 8):
        pieces = finetune.finetune(cache, Y, range(21), accumulate=accumulate, **how)
        np.testing.assert_allclose(pieces.p, whole.p, atol=1e-5)
        np.testing.assert_allclose(
            pieces.history["train_loss"], whole.history["train_loss"], atol=1e-5
        )


def test_padding_less_changes_no_logit(cache):
    """A clip's P is the same among clips of its own length and padded to the longest of all."""
    torch.manual_seed(0)
    trunk = copy.deepcopy(cache.tail).eval()
    trunk.draw_new_parameters()
    with torch.no_grad():
        padded = trunk(**trunk.collate(list(cache.clips))).logits
        for length in set(cache.lengths):
            rows = np.flatnonzero(cache.lengths == length)
            alone = trunk(**trunk.collate([cache.clips[i] for i in rows])).logits
            torch.testing.assert_close(alone, padded[rows], atol=1e-6, rtol=0)


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 60),
    size=st.integers(1, 9),
    groups=st.integers(0, 5),
    seed=st.integers(0, 9),
)
def test_every_epoch_has_each_clip_once(n, size, groups, seed):
    lengths = np.random.default_rng(seed).integers(1, 50, 100)
    cache = types.SimpleNamespace(lengths=lengths)
    train = np.random.default_rng(seed).permutation(100)[:n]
    torch.manual_seed(seed)
    batches = finetune._batches(train, cache, size, groups)
    assert sorted(np.concatenate(batches)) == sorted(train)
    assert len(batches) == -(-n // size) and max(map(len, batches)) <= size
    torch.manual_seed(seed)
    if not groups:  # a batch of the paper: consecutive clips of one permutation
        order = train[torch.randperm(n).numpy()]
        np.testing.assert_array_equal(np.concatenate(batches), order)


def test_length_groups_pad_less():
    lengths = np.random.default_rng(0).integers(1, 50, 400)
    cache = types.SimpleNamespace(lengths=lengths)

    def padded(groups):
        torch.manual_seed(1)
        batches = finetune._batches(np.arange(400), cache, 8, groups)
        return sum(lengths[rows].max() * len(rows) for rows in batches)

    assert lengths.sum() < padded(50) < padded(5) < padded(0)


def test_mixed_precision(cache):
    """Near the float32 fit, not equal to it; and it leaves the next fit in float32."""
    exact = finetune.finetune(cache, Y, range(16), seed=7, **FAST)
    mixed = finetune.finetune(cache, Y, range(16), seed=7, precision="bf16", **FAST)
    assert 0 < np.abs(mixed.p - exact.p).max() < 0.1
    again = finetune.finetune(cache, Y, range(16), seed=7, **FAST)
    np.testing.assert_array_equal(again.p, exact.p)


def test_memory_that_runs_out_is_one_sentence(cache, monkeypatch):
    def too_large(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr(finetune._Fit, "_logits", too_large)
    with pytest.raises(MemoryError, match="roberta does not fit into memory; use accumulate"):
        finetune.finetune(cache, Y, range(16), seed=7, **FAST)
    with pytest.raises(RuntimeError, match="shapes"):  # anything else stays what it is
        with trunk_cache.fits_in_memory("roberta", ""):
            raise RuntimeError("shapes do not match")


def killed(_cache):
    os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory is short


def test_a_worker_killed_for_its_memory_is_one_sentence(cache):
    fits = [finetune.delayed(killed)() for _ in range(2)]
    with pytest.raises(MemoryError, match="^roberta does not fit into memory; use accumulate"):
        finetune._side_by_side(cache, fits, 2, 2, False)


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory")])
def test_weights_that_do_not_fit_are_one_sentence(error, fixture_corpus, monkeypatch):
    def too_large(*_, **__):
        raise error

    monkeypatch.setattr(encoders, "load", too_large)
    study = finetune.study(fixture_corpus, fixture_corpus.manifest, TINY, ["release"])
    with pytest.raises(MemoryError, match="^roberta does not fit into memory; free some"):
        next(study)


def test_peak_memory_is_what_was_held_at_most():
    """Oracle: psutil's resident memory while the peak is being made."""
    held = psutil.Process().memory_info().rss / 2**20
    more = np.ones((round(finetune.peak_mib() - held) + 100, 2**17))  # 1 MiB per row
    now = psutil.Process().memory_info().rss / 2**20
    assert now - 20 < finetune.peak_mib() < now + 20, len(more)


# Fits on disk

KILLED = """
import os, signal, sys
sys.path.insert(0, {here!r})
import numpy as np
from tiny_encoders import cached, clips
from empdis_utils.models import finetune

class Fit(finetune._Fit):
    def _logits(self, rows):
        if self.epoch == 3 and self.tail.training:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._logits(rows)

finetune._Fit = Fit
cache = cached("hubert", clips("audio", 12), keys=[str(i) for i in range(12)], directory={out!r})
finetune.finetune(cache, np.arange(12) % 2, range(8), range(8, 12), **{how!r})
"""


def test_a_fit_that_was_killed_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    how = dict(seed=5, epochs=6, learning_rate=2e-3, checkpoint_every_s=0.0)
    where = dict(keys=[str(i) for i in range(12)])
    code = KILLED.format(here=str(Path(__file__).parents[1]), out=str(tmp_path / "a"), how=how)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr

    def fit(directory):
        cache = cached("hubert", clips("audio", 12), directory=directory, **where)
        return finetune.finetune(cache, np.arange(12) % 2, range(8), range(8, 12), **how)

    epochs, original = [], finetune._Fit.train_epoch

    def count(self, *how):
        epochs.append(self.epoch)
        return original(self, *how)

    monkeypatch.setattr(finetune._Fit, "train_epoch", count)
    resumed = fit(tmp_path / "a")
    assert epochs == [3, 4, 5]
    whole = fit(tmp_path / "b")
    assert epochs == [3, 4, 5, 0, 1, 2, 3, 4, 5]
    read = fit(tmp_path / "a")  # finished: nothing runs
    assert len(epochs) == 9
    for other in (resumed, read):
        np.testing.assert_array_equal(other.p, whole.p)
        np.testing.assert_array_equal(other.embeddings, whole.embeddings)
        pd.testing.assert_frame_equal(other.history, whole.history)
        assert other.epoch == whole.epoch
    assert read.cost == resumed.cost and resumed.cost["cpu_s"] > 0


def test_a_fit_is_read_only_if_nothing_it_depends_on_has_changed(tmp_path, edited):
    cache = cached("roberta", clips("text", 8), directory=tmp_path)
    y, how = np.arange(8) % 2, dict(seed=1, epochs=1, learning_rate=1e-3)

    def kept(cache=cache, y=y, train=range(6), **more):
        finetune.finetune(cache, y, train, **(how | more))
        return len(list((tmp_path / "fits").iterdir()))

    assert [kept(), kept()] == [1, 1]
    assert kept(seed=2) == 2
    assert kept(epochs=2) == 3
    assert kept(train=range(5)) == 4
    assert kept(y=1 - y) == 5
    assert kept(y=np.r_[y[:6], 1, 1]) == 5  # labels of clips that are only predicted
    assert kept(cache=cached("roberta", clips("text", 7), directory=tmp_path)) == 6
    edited(finetune, "weights of the epoch", "those of the epoch")  # a docstring
    assert kept() == 6
    edited(finetune, "fused=True", "fused=False")
    assert kept() == 7
    edited(trunk, "pad_sequence(values, batch_first=True)", "pad_sequence(values)")
    assert kept() == 8
    assert kept(resume=False, seed=9) == 8


LAUNCHED = """
import sys
sys.path.insert(0, {here!r})
import numpy as np
from tiny_encoders import cached, clips
from empdis_utils.models import finetune

cache = cached("roberta", clips("text", 24), directory={out!r})
done = finetune.release(
    cache, np.arange(24) % 2, [str(i) for i in range(24)], np.repeat(["train", "val", "test"], 8),
    seeds=(1, 2, 3), n_jobs=1, progress=False, epochs=3, learning_rate=2e-3,
)
done.predictions.to_parquet({out!r} + f"/{{finetune.processes().process_index}}.parquet")
"""


def test_launched_processes_share_out_the_fits(tmp_path):
    """Two processes, each fit done by one of them: the bytes of a single process.

    Started by torch's launcher, which is what `accelerate launch` runs on several GPUs; on CPUs
    alone `accelerate launch` would need MPI.
    """
    script = tmp_path / "script.py"
    script.write_text(LAUNCHED.format(here=str(Path(__file__).parents[1]), out=str(tmp_path)))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*launch, str(script)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((tmp_path / "fits").iterdir())) == 3
    cache = cached("roberta", clips("text", 24))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone, *_ = finetune.release(
        cache, np.arange(24) % 2, [str(i) for i in range(24)],
        np.repeat(["train", "val", "test"], 8), seeds=(1, 2, 3), n_jobs=1, progress=False,
        epochs=3, learning_rate=2e-3,
    )  # fmt: skip
    torch.set_num_threads(threads)
    for process in (0, 1):
        shared = pd.read_parquet(tmp_path / f"{process}.parquet")
        pd.testing.assert_frame_equal(shared, alone)


# Folds


def test_crossfit_predicts_each_clip_once_per_seed_from_other_recordings(cache, monkeypatch):
    groups = np.repeat(list("ABCDEFGH"), 3)
    folds = np.repeat([0, 1, 2, 3, 0, 1, 2, 3], 3)
    ids = [f"c{i}" for i in range(24)]
    seen, original = [], finetune.finetune

    def spy(cache, y, train, val, **how):
        seen.append((set(groups[train]), set() if val is None else set(groups[val])))
        return original(cache, y, train, val, **how)

    monkeypatch.setattr(finetune, "finetune", spy)
    predictions, embeddings, history, cost = finetune.crossfit(
        cache, Y, ids, folds, groups=groups, seeds=(1, 2), n_jobs=1, progress=False, epochs=1
    )
    for (train, val), fold in zip(seen, [0, 1, 2, 3] * 2, strict=True):
        assert train and val and not train & val
        assert not (train | val) & set(groups[folds == fold])
    tables.check(predictions, "predictions")
    assert len(predictions) == 48 and set(predictions["split"]) == {"test"}
    assert not predictions.duplicated(["clip_id", "seed"]).any()
    by_clip = predictions[predictions["seed"] == 2].set_index("clip_id").loc[ids]
    assert by_clip["fold"].tolist() == folds.tolist() and by_clip["y"].tolist() == Y.tolist()
    assert set(embeddings) == {(seed, fold) for seed in (1, 2) for fold in range(4)}
    seen.clear()
    finetune.crossfit(
        cache, Y, ids, folds, groups=groups, seeds=(1,), n_jobs=1, progress=False, val_share=0,
        epochs=1,
    )  # fmt: skip
    assert all(train == set(groups[folds != fold]) for fold, (train, _) in enumerate(seen))


def test_inner_split_is_that_of_the_fusion(cache, monkeypatch):
    """Else the fusion would choose its epoch on clips that the encoders were trained on."""
    groups, folds = np.repeat(list("ABCDEFGHIJ"), 3)[:24], np.repeat([0, 1, 2, 3], 6)
    groups = np.repeat(np.arange(12), 2)
    ours, theirs = [], []
    monkeypatch.setattr(finetune, "_run", lambda c, y, ids, plans, *rest: ours.extend(plans))
    monkeypatch.setattr(fusion, "_run", lambda e, y, ids, plans, *rest: theirs.extend(plans))
    ids = [f"c{i}" for i in range(24)]
    finetune.crossfit(cache, Y, ids, folds, groups=groups)
    fusion.crossfit({"text": np.zeros((24, 2))}, Y, ids, folds, groups=groups)
    for (fold, train, val, _), (other_fold, parts) in zip(ours, theirs, strict=True):
        assert fold == other_fold
        np.testing.assert_array_equal(train, parts["train"])
        np.testing.assert_array_equal(val, parts["val"])


def test_workers_and_this_process_agree(cache):
    how = dict(groups=np.repeat(np.arange(8), 3), seeds=(1,), progress=False, **FAST)
    folds = np.repeat([0, 1, 0, 1], 6)
    ids = [f"c{i}" for i in range(24)]
    a, *_ = finetune.crossfit(cache, Y, ids, folds, n_jobs=1, **how)
    b, *_ = finetune.crossfit(cache, Y, ids, folds, n_jobs=2, **how)
    pd.testing.assert_frame_equal(a, b, rtol=1e-5)


def test_release_split(cache):
    split = np.repeat(["train", "val", "test"], 8)
    ids = [f"c{i}" for i in range(24)]
    predictions, embeddings, history, _ = finetune.release(
        cache, Y, ids, split, seeds=(1,), n_jobs=1, progress=False, **FAST
    )
    assert predictions["split"].value_counts().to_dict() == {"val": 8, "test": 8}
    assert list(embeddings) == [(1, 0)]
    direct = finetune.finetune(cache, Y, range(8), range(8, 16), seed=1, **FAST)
    np.testing.assert_array_equal(predictions["p"], direct.p[8:])


def test_each_draw_is_predicted_by_a_model_of_the_other_clips(cache):
    """Oracle: `finetune` called for one draw."""
    y, how = np.arange(len(cache)) % 2, dict(epochs=2, learning_rate=1e-3)
    held = np.zeros((2, len(cache)), bool)
    held[0, :2], held[1, 3:5] = True, True
    p = finetune.held_out(cache, y, held, seed=7, n_jobs=1, progress=False, **how)
    np.testing.assert_array_equal(np.isfinite(p), held)
    alone = finetune.finetune(cache, y, np.flatnonzero(~held[1]), seed=7, **how)
    np.testing.assert_array_equal(p[1, held[1]], alone.p[held[1]])
    other = np.where(held[1], 1 - y, y)  # the labels of held-out clips are not looked at
    again = finetune.held_out(cache, other, held[1], seed=7, n_jobs=1, progress=False, **how)
    np.testing.assert_array_equal(again[0], p[1])


def test_a_recording_in_two_folds_is_an_error(cache):
    with pytest.raises(ValueError, match="Recording 'A' lies in several folds"):
        finetune.crossfit(
            cache, Y, [str(i) for i in range(24)], [0, 1] * 12, groups=["A"] * 24, n_jobs=1
        )
    ids, pair = [f"c{i}" for i in range(24)], np.repeat(["a", "b"], 12)
    how = dict(groups=pair, seeds=(1,), n_jobs=1, progress=False, epochs=1)
    with pytest.raises(ValueError, match="of 1 recording.s., a share of 0.2 cannot be set aside"):
        finetune.crossfit(cache, Y, ids, np.repeat([0, 1], 12), **how)


# A whole study

TINY = {name: str(CHECKPOINTS / name) for name in SIX}


def test_a_study_equals_its_parts(fixture_corpus, tmp_path):
    manifest = fixture_corpus.manifest.iloc[::4].reset_index(drop=True)
    asked = {"roberta": TINY["roberta"], "hubert": TINY["hubert"]}
    how = dict(seeds=(1,), epochs=1, learning_rate=1e-3, progress=False)
    found = list(
        finetune.study(
            fixture_corpus, manifest, asked, ["release", "crossfit"], n_folds=2,
            directory=tmp_path, **how,
        )
    )  # fmt: skip
    assert [name for name, *_ in found] == ["roberta", "hubert"]
    _, cache, fits = found[0]
    assert list(fits) == ["release", "crossfit"] and cache.identity
    model = encoders.load("roberta", TINY["roberta"])
    alone = finetune.crossfit(
        cached("roberta", manifest["transcript"].tolist(), model),
        manifest["y"],
        manifest["clip_id"],
        splits.crossfit_folds(manifest, n_folds=2).to_numpy(),
        groups=manifest["dialog_id"],
        n_jobs=1,
        **how,
    )
    pd.testing.assert_frame_equal(fits["crossfit"].predictions, alone.predictions)
    assert fits["crossfit"].cost["fold"].tolist() == [0, 1]
    split = finetune.release(
        cache, manifest["y"], manifest["clip_id"], manifest["split"], n_jobs=1, **how
    )  # fits of both protocols are shared out together; each finds its own
    pd.testing.assert_frame_equal(fits["release"].predictions, split.predictions)
    assert list(fits["release"].embeddings) == [(1, 0)]
    with pytest.raises(ValueError, match="no protocol 'relase'; choose release or crossfit"):
        next(finetune.study(fixture_corpus, manifest, asked, ["relase"]))


def test_a_study_of_shorter_sound_is_another_study(fixture_corpus, tmp_path, monkeypatch):
    """Reading 0.5 s after 10 s once gave the activations and the fits of 10 s."""
    manifest = fixture_corpus.manifest.iloc[::8].reset_index(drop=True)
    asked, how = {"hubert": TINY["hubert"]}, dict(seeds=(1,), epochs=1, progress=False)

    def p(directory):
        found = finetune.study(
            fixture_corpus, manifest, asked, ["crossfit"], n_folds=2, directory=directory, **how
        )
        ((_, _, fits),) = found
        return fits["crossfit"].predictions["p"].to_numpy()

    long = p(tmp_path)
    monkeypatch.setattr(media, "load_audio", partial(media.load_audio, max_s=0.5))
    short = p(tmp_path)
    np.testing.assert_array_equal(short, p(None))
    assert np.abs(short - long).max() > 1e-6


def test_encoders_without_inputs_are_left_out(fixture_corpus):
    manifest = fixture_corpus.manifest.iloc[:20].assign(video_path=None, transcript="")
    assert finetune.inputs_of(fixture_corpus, manifest, "video") is None
    assert finetune.inputs_of(fixture_corpus, manifest, "text") is None
    assert len(finetune.inputs_of(fixture_corpus, manifest, "audio")) == 20
    asked = {name: TINY[name] for name in ("videomae", "roberta")}
    assert list(finetune.study(fixture_corpus, manifest, asked, ["release"])) == []


def test_what_is_lacking_is_named(fixture_corpus, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    manifest = fixture_corpus.manifest.assign(video_path=None)
    assert finetune.lacking(fixture_corpus, fixture_corpus.manifest, TINY) == []
    asked = {**TINY, "hubert": "nobody/no-such-model"}
    no_hub, no_video = finetune.lacking(fixture_corpus, manifest, asked)
    assert no_hub.startswith("hubert: nobody/no-such-model is neither in the local Hugging Face")
    assert no_video == "videomae, timesformer: fixture has no video for any of its 160 clips."


# The tiny checkpoints on the synthetic corpus


@pytest.mark.parametrize("name", SIX)
def test_tiny_checkpoints_beat_the_majority_class_on_held_out_recordings(name):
    """By ten points at least, after training the last two layers on half of the recordings."""
    corpus = corpora.load_fixture()
    manifest = corpus.manifest
    modality = encoders.ENCODERS[name].modality
    if modality == "text":
        items = manifest["transcript"].tolist()
    else:
        read = {"audio": media.load_audio, "video": media.load_frames}[modality]
        items = media.Clips(corpus.media(f"{modality}_path"), read)
    cache = cached(name, items, encoders.load(name, CHECKPOINTS / name))
    y = manifest["y"].to_numpy()
    predictions, *_ = finetune.crossfit(
        cache,
        y,
        manifest["clip_id"],
        splits.crossfit_folds(manifest, n_folds=2),
        groups=manifest["dialog_id"],
        seeds=(42,),
        val_share=0,
        n_jobs=1,
        progress=False,
        epochs=8,
        batch_size=16,
        learning_rate=1e-3,
    )
    accuracy = ((predictions["p"] > 0.5) == predictions["y"]).mean()
    assert accuracy > max(y.mean(), 1 - y.mean()) + 0.1

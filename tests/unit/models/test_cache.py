"""Oracles: activations in memory, the clips' own bytes, and counts of what is read."""

import json
import pickle
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from tiny_encoders import CHECKPOINTS, SENTENCES, cached, clips, shaken

from empdis_utils.data import corpora, media
from empdis_utils.models import cache as trunk_cache
from empdis_utils.models import encoders, finetune

BROKEN = Path(__file__).parents[2] / "fixture" / "broken"


class Once:
    """Items that may be read once each."""

    def __init__(self, items):
        self.items, self.read = items, []

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        assert i not in self.read, "decoded twice"
        self.read.append(i)
        return self.items[i]


@pytest.mark.parametrize("name", ["deberta", "hubert", "videomae"])
def test_disk_and_memory_agree_and_nothing_is_read_twice(tmp_path, name):
    model = shaken(name)
    items = Once(clips(encoders.ENCODERS[name].modality, 5))
    keys = [f"sha-{i}" for i in range(5)]
    how = dict(directory=tmp_path, keys=keys, settings={"max_s": 10})
    first = cached(name, items, model, **how)
    again = cached(name, items, model, **how)
    memory = cached(name, items.items, model)
    for i in range(5):
        assert torch.equal(first.clips[i]["hidden"], memory.clips[i]["hidden"])
        assert torch.equal(again.clips[i]["hidden"], memory.clips[i]["hidden"])
    fits = [
        finetune.finetune(c, [0, 1, 0, 1, 0], range(5), seed=1, epochs=2) for c in (again, memory)
    ]
    np.testing.assert_array_equal(fits[0].p, fits[1].p)
    assert len(list((tmp_path / "trunk").rglob("*.safetensors"))) == 5


def test_anything_the_activations_depend_on_makes_new_files(tmp_path):
    model, tokenizer = shaken("roberta")
    how = dict(directory=tmp_path, keys=["a", "b"])
    folders = set()

    def run(model, **more):
        cached("roberta", SENTENCES[:2], (model, tokenizer), **{**how, **more})
        new = {path.name for path in (tmp_path / "trunk").iterdir()} - folders
        folders.update(new)
        return len(new)

    assert run(model) == 1
    assert run(model) == 0
    assert run(model, settings={"case": "lower"}) == 1
    assert run(model, n_layers=1) == 1
    assert run(model, trunk_dropout=True) == 1
    with torch.no_grad():
        model.roberta.embeddings.word_embeddings.weight[0, 0] += 1
    assert run(model) == 1
    with torch.no_grad():  # the head is drawn by the seed; the trunk does not see it
        model.classifier.dense.weight += 1
    assert run(model) == 0


def n_folders(directory):
    return len(list((directory / "trunk").iterdir()))


def test_how_clips_are_read_makes_new_files(tmp_path):
    """Reading 1 s of sound after 10 s once returned the activations of 10 s."""
    sound, model = next(corpora.FIXTURE.rglob("*.flac")), shaken("hubert")
    lengths = []
    for read in (media.load_audio, partial(media.load_audio, max_s=1.0)):
        items = media.Clips([sound], read)
        cache = cached("hubert", items, model, directory=tmp_path)
        assert torch.equal(
            cache.clips[0]["hidden"], cached("hubert", items, model).clips[0]["hidden"]
        )
        lengths.append(cache.lengths[0])
    assert lengths[1] < lengths[0] and n_folders(tmp_path) == 2


def test_code_that_reads_or_runs_makes_new_files_and_prose_does_not(tmp_path, edited):
    model, clip = shaken("hubert"), next(corpora.FIXTURE.rglob("*.flac"))

    def made():
        before = n_folders(tmp_path) if (tmp_path / "trunk").exists() else 0
        cached("hubert", media.Clips([clip], media.load_audio), model, directory=tmp_path)
        return n_folders(tmp_path) - before

    assert [made(), made()] == [1, 0]
    edited(media, "Never raises for bad media", "Bad media become a status")
    assert made() == 0
    edited(media, "sound / peak if normalise", "sound / 2 if normalise")
    assert made() == 1
    edited(encoders, "return_attention_mask=True", "return_attention_mask=False")
    assert made() == 1
    edited(trunk_cache, "return caught[0].float()", "return caught[0].double().float()")
    assert made() == 1


def test_a_file_or_weights_changed_in_place_are_seen(tmp_path):
    clip, folder = tmp_path / "clip.flac", tmp_path / "checkpoint"
    one, two = sorted(corpora.FIXTURE.rglob("*.flac"))[:2]
    shutil.copytree(CHECKPOINTS / "hubert", folder)

    def first():
        items = media.Clips([clip], media.load_audio)
        cache = cached("hubert", items, encoders.load("hubert", folder), directory=tmp_path / "c")
        fresh = cached("hubert", items, encoders.load("hubert", folder))
        assert torch.equal(cache.clips[0]["hidden"], fresh.clips[0]["hidden"])
        return cache.identity

    found = []
    for source in (one, two):
        shutil.copy(source, clip)
        found.append(first())
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    name = next(name for name in weights if "layers.0" in name)
    weights[name] = weights[name] + 1
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    found.append(first())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_dropout": 0.4}))
    found.append(first())
    shutil.move(folder, tmp_path / "moved")  # where they are does not count
    folder = tmp_path / "moved"
    assert len(set(found)) == 4 and first() == found[-1]


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path, monkeypatch):
    model = shaken("roberta")
    monkeypatch.setitem(trunk_cache.CLIPS_PER_TASK, "text", 2)

    class Killed(Once):
        def __getitem__(self, i):
            if i == 3:
                raise KeyboardInterrupt
            return super().__getitem__(i)

    with pytest.raises(KeyboardInterrupt):
        cached("roberta", Killed(SENTENCES[:6]), model, directory=tmp_path, keys=list("abcdef"))
    rest = Once(SENTENCES[:6])
    cache = cached("roberta", rest, model, directory=tmp_path, keys=list("abcdef"))
    assert rest.read == [2, 3, 4, 5]
    whole = cached("roberta", SENTENCES[:6], model)
    for i in range(6):
        assert torch.equal(cache.clips[i]["hidden"], whole.clips[i]["hidden"])
    assert not list(tmp_path.rglob("*.partial"))


def test_two_encoders_of_a_modality_read_each_clip_once(tmp_path):
    loaded = {name: shaken(name) for name in ("hubert", "wav2vec2")}
    items = Once(clips("audio", 4))
    keys = [f"sha-{i}" for i in range(4)]
    both = trunk_cache.cache_trunks(loaded, items, directory=tmp_path, keys=keys, progress=False)
    assert items.read == [0, 1, 2, 3]
    for name, model in loaded.items():
        alone = cached(name, items.items, model)
        for i in range(4):
            assert torch.equal(both[name].clips[i]["hidden"], alone.clips[i]["hidden"])
        assert both[name].lengths.tolist() == alone.lengths.tolist()


def test_clips_stay_in_memory_as_far_as_they_fit(tmp_path, monkeypatch):
    """Each epoch asks for every clip again. Oracle: counts of reads, and the files' bytes."""
    size = 4 * 64 * len(cached("roberta", SENTENCES[:1]).clips[0]["hidden"])
    monkeypatch.setattr(trunk_cache, "IN_MEMORY_BYTES", size)
    items = [SENTENCES[0], *SENTENCES[1:4]]
    cache = cached("roberta", items, directory=tmp_path)
    reads, original = [], cache.disk.read
    monkeypatch.setattr(cache.disk, "read", lambda *of: reads.append(of[1]) or original(*of))
    for _ in range(3):
        for i, text in enumerate(items):
            assert torch.equal(
                cache.clips[i]["hidden"], original(cache.clips.folder, text)[0]["hidden"]
            )
    assert [reads.count(text) for text in items] == [1, 3, 3, 3]
    monkeypatch.undo()
    assert len(pickle.dumps(cache.clips)) < 2000, "memory does not travel"
    one, two = (pickle.loads(pickle.dumps(cache)).clips for _ in range(2))
    one[0]
    assert one is two and 0 in two._clips, "fits of one process share it"


def test_the_same_words_run_once_and_keep_their_rows(tmp_path):
    items = ["oh no", "", "I am with you", "oh no", " ", "oh no"]
    cache = cached("roberta", items, directory=tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 4  # two texts, two kinds of empty
    assert torch.equal(cache.clips[0]["hidden"], cache.clips[5]["hidden"])
    memory = cached("roberta", items)
    for one in (cache, cached("roberta", items, directory=tmp_path)):  # also when read from disk
        assert one.status.equals(memory.status)
        assert one.status["status"].tolist() == ["ok", "empty", "ok", "ok", "empty", "ok"]
        assert one.lengths.tolist() == memory.lengths.tolist() and one.lengths[1] == 0


def test_processes_give_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setitem(trunk_cache.CLIPS_PER_TASK, "text", 3)
    model = encoders.load("roberta", CHECKPOINTS / "roberta")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in joblib's processes, and in every chapter
    alone = cached("roberta", SENTENCES, model, directory=tmp_path / "1")
    torch.set_num_threads(threads)
    shared = cached("roberta", SENTENCES, model, directory=tmp_path / "2", n_jobs=2)
    assert alone.identity == shared.identity
    for i in range(len(SENTENCES)):
        assert torch.equal(alone.clips[i]["hidden"], shared.clips[i]["hidden"])


def test_bf16_is_near_and_has_files_of_its_own(tmp_path):
    model = encoders.load("roberta", CHECKPOINTS / "roberta")
    exact = cached("roberta", SENTENCES, model, directory=tmp_path)
    rough = cached("roberta", SENTENCES, model, directory=tmp_path, precision="bf16")
    a, b = (cache.clips[0]["hidden"] for cache in (exact, rough))
    assert 0 < (a - b).abs().max() < 0.1 * a.abs().max()
    assert b.dtype == torch.float32


def test_memory_that_runs_out_is_one_sentence(monkeypatch):
    def too_large(*_):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")

    monkeypatch.setattr(trunk_cache, "_trunk", too_large)
    with pytest.raises(MemoryError, match="roberta does not fit into memory; use a smaller batch"):
        cached("roberta")


def test_unusable_clips_keep_their_row():
    rng = np.random.default_rng(0)
    good = [media.Audio(s, 16000, "ok", "") for s in clips("audio", 5)]
    bad = media.Audio(np.zeros(16000, "f4"), 16000, "silent", "a.wav is silent.")
    items = [*good[:2], bad, *good[2:]]
    cache = cached("hubert", items)
    assert cache.status.loc[2].tolist() == ["silent", "a.wav is silent."]
    assert cache.usable.tolist() == [True, True, False, True, True, True]
    fitted = finetune.finetune(cache, rng.integers(0, 2, 6), range(6), seed=1, epochs=1)
    assert np.isnan(fitted.p).tolist() == (~cache.usable).tolist()
    assert np.isnan(fitted.embeddings).all(axis=1).tolist() == (~cache.usable).tolist()
    without = finetune.finetune(cached("hubert", good), [0, 1, 0, 1, 1], range(5), seed=1, epochs=1)
    assert np.isfinite(without.p).all()
    text = cached("roberta", ["words", "  "])
    assert text.status["status"].tolist() == ["ok", "empty"]


@pytest.mark.parametrize(
    "name, read_by, read",
    [("hubert", "audio", media.load_audio), ("videomae", "video", media.load_frames)],
)
def test_every_broken_file_keeps_its_row_and_training_goes_on(tmp_path, name, read_by, read):
    """Oracle: tests/fixture/broken/expected.csv."""
    table = pd.read_csv(BROKEN / "expected.csv", keep_default_na=False)
    table = table[(table["read_by"] == read_by) & (table["recipe"] == "")].reset_index(drop=True)
    items = media.Clips([BROKEN / file for file in table["file"]], read)
    model = encoders.load(name, CHECKPOINTS / name)
    for _ in range(2):  # read from the files, then from the cache
        cache = cached(name, items, model, directory=tmp_path)
        assert cache.status["status"].tolist() == table["status"].tolist()
        for reason, part in zip(cache.status["reason"], table["reason_contains"], strict=True):
            assert part in reason
    n = len(table)
    fitted = finetune.finetune(cache, np.arange(n) % 2, range(n), seed=1, epochs=1)
    assert np.isfinite(fitted.p).tolist() == (table["status"] == "ok").tolist()
    assert 3 < np.isfinite(fitted.p).sum() < n


def test_errors():
    with pytest.raises(ValueError, match="the model has 4, so give 1 to 3"):
        cached("roberta", n_layers=4)
    with pytest.raises(ValueError, match="head is 'tail'"):
        cached("roberta", head="tail")
    with pytest.raises(ValueError, match="one key per item"):
        cached("roberta", directory=".", keys=["a"])
    with pytest.raises(ValueError, match="one key per item"):
        cached("hubert", directory=".")  # arrays have no names
    with pytest.raises(ValueError, match="one modality at a time"):
        trunk_cache.cache_trunks({"roberta": (None, None), "hubert": (None, None)}, [])

"""Oracle: the function measured with, called directly and counted."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import av
import distributed
import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from joblib import delayed

from empdis_utils import acoustics, corpora, disk_cache, per_clip

COLUMNS = {"size": "Int64"}


def size(path, factor=1):
    with open(path.with_suffix(".calls"), "a") as calls:
        calls.write("x")
    data = path.read_bytes()
    if data == b"bad":
        raise per_clip.BadMediaError("unreadable", f"{path.name} is bad.")
    return {"size": len(data) * factor, "status": "ok"}


def calls(path):
    log = path.with_suffix(".calls")
    return len(log.read_text()) if log.exists() else 0


@pytest.fixture
def clips(tmp_path):
    for name, content in {"a": b"1", "b": b"bad", "c": b"", "d": b"1234"}.items():
        (tmp_path / f"{name}.bin").write_bytes(content)
    return [(n, tmp_path / f"{n}.bin") for n in "dabcx"] + [("none", None)]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_every_clip_is_one_row_in_order(clips, n_jobs):
    table = per_clip.measure(clips, size, COLUMNS, title="size", n_jobs=n_jobs, progress=False)
    assert table.columns.tolist() == ["clip_id", "size", "status", "reason"]
    assert table["clip_id"].tolist() == ["d", "a", "b", "c", "x", "none"]
    assert table["size"].tolist() == [4, 1, pd.NA, pd.NA, pd.NA, pd.NA]
    statuses = ["ok", "ok", "unreadable", "empty", "missing", "missing"]
    assert table["status"].tolist() == statuses
    assert (table["reason"] == "").tolist() == [True, True, False, False, False, False]


def test_cache_is_used_until_the_file_the_arguments_or_the_key_change(clips, tmp_path):
    path = dict(clips)["d"]

    def run(factor=1, key=None):
        found = per_clip.measure(
            [("d", path, factor)],
            size,
            COLUMNS,
            title="size",
            progress=False,
            cache_dir=tmp_path / "cache",
            key=key,
        )
        return found["size"][0]

    assert [run(), run()] == [4, 4] and calls(path) == 1
    assert run(factor=2) == 8 and calls(path) == 2
    assert run(key={"version": 2}) == 4 and calls(path) == 3
    path.write_bytes(b"12345")
    assert run() == 5 and calls(path) == 4
    stored = list((tmp_path / "cache").iterdir())
    rows = [disk_cache.read_json(file) for file in stored]
    assert len(rows) == 4 and all(row["status"] == "ok" for row in rows)


@pytest.mark.parametrize("change", [lambda text: text[:-5], lambda text: text.replace("4", "12")])
def test_a_damaged_cache_entry_is_measured_again_and_one_line_says_so(
    clips, tmp_path, capsys, change
):
    """A number changed by hand went unnoticed; a cut entry was a bare JSONDecodeError."""
    path = dict(clips)["d"]

    def run():
        cached = {"progress": False, "cache_dir": tmp_path / "cache"}
        return per_clip.measure([("d", path)], size, COLUMNS, title="size", **cached)["size"][0]

    assert run() == 4
    (stored,) = (tmp_path / "cache").iterdir()
    stored.write_text(change(stored.read_text()))
    assert run() == 4 and calls(path) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and stored.name in said and "it is made anew" in said
    assert run() == 4 and calls(path) == 2 and not capsys.readouterr().err


def test_cache_is_left_aside_when_the_code_changes(clips, tmp_path, monkeypatch):
    path = dict(clips)["d"]
    module = types.ModuleType("measuring")
    module.__file__ = str(tmp_path / "measuring.py")
    monkeypatch.setitem(sys.modules, "measuring", module)

    def run(source):
        (tmp_path / "measuring.py").write_text(source)
        exec(source, module.__dict__)
        found = per_clip.measure(
            [("d", path)],
            functools.partial(module.count),
            COLUMNS,
            title="size",
            progress=False,
            cache_dir=tmp_path / "cache",
        )
        return found["size"][0]

    source = "def count(path): return {'size': 1, 'status': 'ok'}"
    assert run(source) == 1 and run(source.replace("1", "2")) == 2
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_bad_files_are_looked_at_again(clips, tmp_path):
    """A row that is not "ok" is not kept: the disk may have been at fault."""
    path = dict(clips)["b"]
    for _ in range(2):
        table = per_clip.measure(
            [("b", path)], size, COLUMNS, title="size", progress=False, cache_dir=tmp_path / "cache"
        )
        assert table["status"].tolist() == ["unreadable"]
    assert calls(path) == 2 and not list((tmp_path / "cache").iterdir())


def touchy(path):
    """Fails in another way for each clip."""
    if path.stem == "a":
        raise KeyError("no such\0column")
    if path.stem == "b":
        raise av.error.MemoryError(12, "Cannot allocate memory")
    return size(path)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_unexpected_error_is_the_row_of_its_clip(clips, tmp_path, n_jobs, cached):
    """Only `BadMediaError` was caught: one bad clip stopped the chapter."""
    table = per_clip.measure(
        clips,
        touchy,
        COLUMNS,
        title="size",
        n_jobs=n_jobs,
        progress=False,
        cache_dir=tmp_path / "cache" if cached else None,
    ).set_index("clip_id")
    assert table["status"].to_dict() | {"c": "empty"} == {
        **{"d": "ok", "a": "failed", "b": "unreadable", "c": "empty"},
        **{"x": "missing", "none": "missing"},
    }
    said = "a.bin made the measurement fail: KeyError: 'no such"
    assert table["reason"]["a"].startswith(said) and "\0" not in table["reason"]["a"]


@pytest.mark.parametrize("error", [MemoryError, ImportError, KeyboardInterrupt])
def test_what_is_not_the_clip_s_fault_ends_the_chapter(clips, error):
    def fail(path):
        raise error("short of it")

    with pytest.raises(error) as stopped:
        per_clip.measure(clips, fail, COLUMNS, title="size", progress=False)
    if error is MemoryError:
        assert "ran out at the clip d.bin; use fewer processes" in str(stopped.value)


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
def test_a_name_that_is_no_text_fits_into_a_table(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.bin"))
    path.write_bytes(b"bad")
    table = per_clip.measure([("a", path)], size, COLUMNS, title="size", progress=False)
    table.to_parquet(tmp_path / "table.parquet")
    assert table["reason"][0] == "?.bin is bad."


def test_a_cache_that_cannot_be_made_is_named(clips, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file/cache cannot be made .*EMPDIS_CACHE"):
        per_clip.measure(clips, size, COLUMNS, title="size", cache_dir=tmp_path / "file/cache")


def test_default_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("EMPDIS_CACHE", str(tmp_path))
    assert per_clip.default_cache() == tmp_path / "features"


def test_progress_is_shown_per_clip(clips, capsys):
    per_clip.measure(clips, size, COLUMNS, title="size")
    assert "size: 100%" in capsys.readouterr().err


def test_listed_takes_manifests_and_paths(tmp_path):
    manifest = pd.DataFrame({"clip_id": [1, 2], "audio_path": ["x/1.wav", None], "y": [0, 1]})
    table = per_clip.listed(manifest, "audio_path", tmp_path)
    assert table["clip_id"].tolist() == ["1", "2"] and table["y"].tolist() == [0, 1]
    assert table["audio_path"].tolist() == [tmp_path / "x/1.wav", None]
    table = per_clip.listed(["x/1.wav", tmp_path / "2.wav"], "audio_path", "root")
    assert [str(p) for p in table["audio_path"]] == ["root/x/1.wav", str(tmp_path / "2.wav")]


def test_listed_names_what_is_wrong():
    with pytest.raises(ValueError, match="no column audio_path"):
        per_clip.listed(pd.DataFrame({"clip_id": ["a"]}), "audio_path")
    with pytest.raises(ValueError, match=r"repeated: \['1'\]"):
        per_clip.listed(["a/1.wav", "b/1.wav"], "audio_path")
    with pytest.raises(ValueError, match="not the one path"):
        per_clip.listed("a.wav", "audio_path")


# A Dask cluster on this machine


def slow_size(path):
    """Writes down which process measured it."""
    time.sleep(0.05)
    with open(path.with_suffix(".pids"), "a") as pids:
        pids.write(f"{os.getpid()}\n")
    return size(path)


def scaled(shared, path):
    """A measurement that needs something large, the same for all."""
    return slow_size(path)["size"] * float(shared.mean())


def unseen(path):
    raise per_clip.BadMediaError("missing", f"There is no file {path.name}.")


def dask(*words, log):
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "dask",
        *words,
        "--no-dashboard",
        "--dashboard-address",
        ":0",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    for name in ("OMP_NUM_THREADS", "EMPDIS_DASK"):
        environment.pop(name, None)
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def has_code(code):
    """A source file that is edited while the tests run is not what they are about."""
    per_clip.CODE = code


def threads():
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory):
    """Address of a real scheduler, and its three workers (processes)."""
    folder = tmp_path_factory.mktemp("dask")
    card = folder / "scheduler.json"  # the scheduler takes a free port and writes it there
    place = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
    with open(folder / "log", "w") as log:
        where = ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(card)]
        running = [dask("scheduler", *where, log=log)]
        running += [dask("worker", "--scheduler-file", str(card), *place, log=log) for _ in "123"]
        try:
            with distributed.Client(
                scheduler_file=card, timeout=300, set_as_default=False
            ) as client:
                address = client.scheduler.address
                client.wait_for_workers(3, timeout=300)
                client.run(has_code, per_clip.CODE)
            yield address, running[1:]
        finally:
            for process in reversed(running):
                process.kill()
                process.wait()


@pytest.fixture
def workers(dask_cluster, monkeypatch):
    """The workers of the cluster that the work is sent to."""
    address, processes = dask_cluster
    monkeypatch.setenv("EMPDIS_DASK", address)
    yield processes
    per_clip.cluster(address).close()
    per_clip.cluster.cache_clear()


def test_a_cluster_gives_what_this_machine_gives(workers, monkeypatch):
    manifest = corpora.load_fixture().manifest.head(4)
    there = acoustics.extract(manifest, root=corpora.FIXTURE, progress=False)
    client = per_clip.cluster(os.environ["EMPDIS_DASK"])
    for pools in client.run(threads).values():
        assert pools and set(pools) == {1}, "arithmetic runs in one thread"
    tasks = (delayed(abs)(i) for i in (-3, 2, -1))
    assert list(per_clip.parallel(tasks, return_as="generator")) == [3, 2, 1]
    monkeypatch.delenv("EMPDIS_DASK")
    here = acoustics.extract(manifest, root=corpora.FIXTURE, progress=False)
    pd.testing.assert_frame_equal(here, there, check_exact=True)


def test_workers_that_would_give_something_else_are_refused(dask_cluster, tmp_path, monkeypatch):
    address, _ = dask_cluster
    monkeypatch.setattr(per_clip, "PACKAGES", ("numpy",))
    with pytest.raises(per_clip.ClusterError, match="has other code or packages"):
        per_clip.cluster(address)
    monkeypatch.undo()
    monkeypatch.setattr(distributed.Client, "nthreads", lambda self: {"w": 4})
    with pytest.raises(per_clip.ClusterError, match="several threads; use dask worker"):
        per_clip.cluster(address)


def test_files_that_workers_do_not_see_are_an_error_not_a_missing_clip(workers, clips):
    with pytest.raises(per_clip.ClusterError, match="need the same folders as this machine"):
        per_clip.measure(clips, unseen, COLUMNS, title="size", progress=False)


def test_no_scheduler_and_no_worker_are_one_sentence(monkeypatch):
    monkeypatch.setattr(per_clip, "CONNECT_S", 0.5)
    with pytest.raises(per_clip.ClusterError, match="^No Dask scheduler answers at tcp://127.0"):
        per_clip.cluster("tcp://127.0.0.1:1")
    with pytest.raises(per_clip.ClusterError, match="^No Dask scheduler answers at nonsense://"):
        per_clip.cluster("nonsense://x")
    monkeypatch.setattr(per_clip, "CONNECT_S", 5)  # enough to connect on a busy machine
    quiet = {"n_workers": 0, "processes": False, "protocol": "tcp", "dashboard_address": ":0"}
    with distributed.LocalCluster(host="127.0.0.1", **quiet) as empty:
        with pytest.raises(per_clip.ClusterError, match="^No worker has joined .*dask worker tcp:"):
            per_clip.cluster(empty.scheduler_address)


def kill_half_way(worker, paths):
    """Kill a worker once a third of the files have been measured; returns the thread that does."""

    def kill():
        while sum(path.with_suffix(".pids").exists() for path in paths) < len(paths) / 3:
            time.sleep(0.01)
        worker.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    return killer


def numbered(folder, n):
    """n files of 1, 2, ..., n bytes."""
    paths = [folder / f"{i:02}.bin" for i in range(n)]
    for i, path in enumerate(paths):
        path.write_bytes(b"x" * (i + 1))
    return paths


def test_what_all_calls_share_outlives_a_worker(workers, tmp_path):
    """Takes the third worker away."""
    paths, shared = numbered(tmp_path, 30), np.full(50_000, 2.0)
    killer = kill_half_way(workers[2], paths)
    calls = (delayed(scaled)(path) for path in paths)
    found = list(per_clip.parallel(calls, shared=shared, return_as="generator"))
    killer.join()
    assert found == [2.0 * (i + 1) for i in range(30)]


def test_a_killed_worker_loses_no_clip_and_doubles_none(workers, tmp_path):
    """Takes one of the last two workers away, so it comes last."""
    paths = numbered(tmp_path, 60)
    killer = kill_half_way(workers[1], paths)
    clips = [(path.stem, path) for path in paths]
    table = per_clip.measure(clips, slow_size, COLUMNS, title="size", progress=False)
    killer.join()
    assert workers[1].wait(300) == -signal.SIGKILL and workers[0].poll() is None
    assert table["clip_id"].tolist() == [path.stem for path in paths]
    assert table["size"].tolist() == list(range(1, 61)) and (table["status"] == "ok").all()
    took = [set(path.with_suffix(".pids").read_text().split()) for path in paths]
    assert set.union(*took) == {str(worker.pid) for worker in workers[:2]}, "both had a share"

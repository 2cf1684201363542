"""A real Dask cluster on this machine. Oracle: the same work without it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import distributed
import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from joblib import delayed

from empdis_utils.data import corpora, workers
from empdis_utils.features import acoustics, per_clip

COLUMNS = {"size": "Int64"}


def slow_size(path):
    """Writes down which process measured it."""
    time.sleep(0.05)
    with open(path.with_suffix(".pids"), "a") as pids:
        pids.write(f"{os.getpid()}\n")
    return {"size": path.stat().st_size, "status": "ok"}


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
    workers.CODE = code


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
                client.run(has_code, workers.CODE)
            yield address, running[1:]
        finally:
            for process in reversed(running):
                process.kill()
                process.wait()


@pytest.fixture
def processes(dask_cluster, monkeypatch):
    """The workers of the cluster that the work is sent to."""
    address, running = dask_cluster
    monkeypatch.setenv("EMPDIS_DASK", address)
    yield running
    workers.cluster(address).close()
    workers.cluster.cache_clear()


def test_a_cluster_gives_what_this_machine_gives(processes, monkeypatch):
    manifest = corpora.load_fixture().manifest.head(4)
    there = acoustics.extract(manifest, root=corpora.FIXTURE, progress=False)
    client = workers.cluster(os.environ["EMPDIS_DASK"])
    for pools in client.run(threads).values():
        assert pools and set(pools) == {1}, "arithmetic runs in one thread"
    tasks = (delayed(abs)(i) for i in (-3, 2, -1))
    assert list(workers.parallel(tasks, return_as="generator")) == [3, 2, 1]
    monkeypatch.delenv("EMPDIS_DASK")
    here = acoustics.extract(manifest, root=corpora.FIXTURE, progress=False)
    pd.testing.assert_frame_equal(here, there, check_exact=True)


def test_workers_that_would_give_something_else_are_refused(dask_cluster, tmp_path, monkeypatch):
    address, _ = dask_cluster
    monkeypatch.setattr(workers, "PACKAGES", ("numpy",))
    with pytest.raises(workers.ClusterError, match="has other code or packages"):
        workers.cluster(address)
    monkeypatch.undo()
    monkeypatch.setattr(distributed.Client, "nthreads", lambda self: {"w": 4})
    with pytest.raises(workers.ClusterError, match="several threads; use dask worker"):
        workers.cluster(address)


def test_files_that_workers_do_not_see_are_an_error_not_a_missing_clip(processes, tmp_path):
    clips = [(path.stem, path) for path in numbered(tmp_path, 3)]
    with pytest.raises(workers.ClusterError, match="need the same folders as this machine"):
        per_clip.measure(clips, unseen, COLUMNS, title="size", progress=False)


def test_no_scheduler_and_no_worker_are_one_sentence(monkeypatch):
    monkeypatch.setattr(workers, "CONNECT_S", 0.5)
    with pytest.raises(workers.ClusterError, match="^No Dask scheduler answers at tcp://127.0"):
        workers.cluster("tcp://127.0.0.1:1")
    with pytest.raises(workers.ClusterError, match="^No Dask scheduler answers at nonsense://"):
        workers.cluster("nonsense://x")
    monkeypatch.setattr(workers, "CONNECT_S", 5)  # enough to connect on a busy machine
    quiet = {"n_workers": 0, "processes": False, "protocol": "tcp", "dashboard_address": ":0"}
    with distributed.LocalCluster(host="127.0.0.1", **quiet) as empty:
        with pytest.raises(workers.ClusterError, match="^No worker has joined .*dask worker tcp:"):
            workers.cluster(empty.scheduler_address)


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


def test_what_all_calls_share_outlives_a_worker(processes, tmp_path):
    """Takes the third worker away."""
    paths, shared = numbered(tmp_path, 30), np.full(50_000, 2.0)
    killer = kill_half_way(processes[2], paths)
    calls = (delayed(scaled)(path) for path in paths)
    found = list(workers.parallel(calls, shared=shared, return_as="generator"))
    killer.join()
    assert found == [2.0 * (i + 1) for i in range(30)]


def test_a_killed_worker_loses_no_clip_and_doubles_none(processes, tmp_path):
    """Takes one of the last two workers away, so it comes last."""
    paths = numbered(tmp_path, 60)
    killer = kill_half_way(processes[1], paths)
    clips = [(path.stem, path) for path in paths]
    table = per_clip.measure(clips, slow_size, COLUMNS, title="size", progress=False)
    killer.join()
    assert processes[1].wait(300) == -signal.SIGKILL and processes[0].poll() is None
    assert table["clip_id"].tolist() == [path.stem for path in paths]
    assert table["size"].tolist() == list(range(1, 61)) and (table["status"] == "ok").all()
    took = [set(path.with_suffix(".pids").read_text().split()) for path in paths]
    assert set.union(*took) == {str(worker.pid) for worker in processes[:2]}, "both had a share"

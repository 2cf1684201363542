"""Where things are, and what this machine is: the only place that knows.

No other module reads these variables. One that is empty counts as not set: Make exports them so.
"""

import os
import platform
from pathlib import Path

__all__ = [
    "PACKAGE", "PACKAGES", "ROOT", "SINGLE_THREAD", "cache_dir", "clips_dir", "data_dirs",
    "hardware", "media_dirs", "model_dirs",
]  # fmt: skip

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "empdis_utils"
#: Packages whose versions numbers depend on.
PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "scikit-learn", "torch", "transformers")
SINGLE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _named(variable):
    value = os.environ.get(variable)
    return [Path(value)] if value else []


def data_dirs():
    """Folders that may hold a folder for each corpus: the one of `$EMPDIS_DATA`, or none."""
    return _named("EMPDIS_DATA")


def media_dirs():
    """Folders that may hold recordings of others: those of `$EMPDIS_DATA` and `$EMPDIS_MEDIA`, and
    `media` beside the first."""
    data = data_dirs()
    return data + _named("EMPDIS_MEDIA") + [folder / ".." / "media" for folder in data]


def model_dirs():
    """Folders that may hold weights: `$EMPDIS_DATA`, `models` in it, and `models` beside it."""
    return [folder / part for folder in data_dirs() for part in (".", "models", "../models")]


def cache_dir(*parts):
    """A folder of what is kept between runs; whoever writes there makes it.

    Below `$EMPDIS_CACHE`; else `$XDG_CACHE_HOME/empdis`; else `~/.cache/empdis`, on all systems.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (_named("EMPDIS_CACHE") or [Path(base, "empdis")])[0].joinpath(*parts)


def clips_dir():
    """Where `make clips` puts EMPSPEECH's clips.

    `$EMPDIS_CLIPS` if that is set; else `$EMPDIS_DATA/empspeech/clips` if the clips are there or
    can be written there; else `empspeech/clips` in the cache.
    """
    own = [folder / "empspeech" for folder in data_dirs()]
    own = [f / "clips" for f in own if (f / "clips/clips.csv").is_file() or os.access(f, os.W_OK)]
    return [*_named("EMPDIS_CLIPS"), *own, cache_dir("empspeech", "clips")][0]


def hardware():
    """One line: processor, cores, memory, system."""
    import psutil

    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x]
        cpu = names[0].split(":")[1].strip() if names else cpu
    memory = psutil.virtual_memory().total / 2**30
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"

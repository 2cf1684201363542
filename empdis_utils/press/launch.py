"""Fit the encoders of chapter 02 on several GPUs: the command that `accelerate launch` starts.

::

    accelerate launch --num_processes 4 -m empdis_utils.press.launch PROFILE

Each process takes its share of whole fits and keeps them; the chapter then finds them.
"""

import argparse
import sys
from pathlib import Path

from empdis_utils.data import corpora, tables
from empdis_utils.models import finetune
from empdis_utils.places import ROOT
from empdis_utils.press import parameters

__all__ = []

CHAPTER = "02_unimodal"


def main(argv=None):
    """Command line; what is wrong is one message and exit status 1."""
    parser = argparse.ArgumentParser(prog="accelerate launch -m empdis_utils.press.launch")
    parser.add_argument("profile")
    parser.add_argument("--runs", type=Path, default=ROOT / "_build" / "runs")
    asked = parser.parse_args(argv)
    try:
        given = parameters.chapter_parameters(asked.profile, CHAPTER)
        chosen = {**parameters.notebook_parameters(CHAPTER), **given}
        manifest = tables.read(asked.runs / asked.profile / "artifacts", "manifest")
        data = corpora.load(chosen["corpus"])
        first = finetune.processes().is_main_process
        for settings in finetune.chapter_studies(chosen):
            for name, _, fits in finetune.study(data, manifest, **settings, progress=first):
                for protocol, one in fits.items() if first else ():
                    print(f"{name} {protocol}: {len(one.cost)} fits are in the cache", flush=True)
    except (parameters.RunError, corpora.CorpusError, OSError, ValueError, MemoryError) as error:
        sys.exit(f"[fail] {error}")


if __name__ == "__main__":
    main()

"""Open the annotation page: the profile's corpus and sample, and a server for this computer.

::

    python -m empdis_utils.press.annotating PROFILE --runs DIR --to DIR [--port N]   (make annotate)
"""

import argparse
import html
import os
import secrets
import sys
import tempfile
from pathlib import Path

import ipywidgets as widgets
from IPython.display import Javascript, display

from empdis_utils.data import corpora, tables
from empdis_utils.people.page import Page
from empdis_utils.people.session import AnnotationError, Study
from empdis_utils.places import ROOT
from empdis_utils.press import parameters

__all__ = ["open_study", "serve", "start"]

CHAPTER = "07_human_study"


SAMPLE = "annotation_sample"


ROOM = 1 << 20  # bytes that must be free for answers before a study is opened


NOTEBOOK = parameters.NOTEBOOKS / "annotate" / "annotate.ipynb"


def open_study(profile, runs, folder):
    """The study of a profile: its corpus, and the sample that chapter 07 drew.

    The sample is copied beside the answers and kept: a new run of the book may draw another one,
    a study in progress must not change.

    Parameters
    ----------
    profile : str
    runs : path
        Folder of all runs; reads ``<profile>/artifacts/annotation_sample.parquet`` the first time.
    folder : path
        Holds ``<profile>/sample.parquet``; answers go to ``<profile>/<pseudonym>.csv``.

    Returns
    -------
    Study

    Raises
    ------
    AnnotationError
        No such profile or sample, a corpus without media, or a folder that cannot be used.
    """
    try:
        given = parameters.chapter_parameters(profile, CHAPTER)
        settings = {**parameters.notebook_parameters(CHAPTER), **given}
        corpus = corpora.load(settings["corpus"])
    except (parameters.RunError, corpora.CorpusError) as error:
        raise AnnotationError(str(error)) from None
    if corpus.root is None:
        raise AnnotationError(f"Corpus '{corpus.name}' has no media, so there is nothing to show.")
    folder = Path(folder) / profile
    try:
        if not (folder / "sample.parquet").exists():
            drawn = tables.read(Path(runs) / profile / "artifacts", SAMPLE)
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as aside:  # all of it, or nothing
                tables.write(drawn, aside, "sample").replace(folder / "sample.parquet")
        sample = tables.read(folder, "sample")
    except FileNotFoundError:
        raise AnnotationError(
            f"No sample to judge yet. Draw it first: make study PROFILE={profile} NB={CHAPTER}"
        ) from None
    except OSError as error:
        raise AnnotationError(_refused(folder, error)) from None
    sample = sample[["clip_id", "modality"]].reset_index(drop=True)
    if lost := sorted(set(sample["clip_id"]) - set(corpus.manifest["clip_id"])):
        raise AnnotationError(
            f"{len(lost)} clips of the sample are not in the corpus, the first {lost[0]!r}: "
            f"it belongs to another corpus. Move {folder} away to begin anew."
        )
    return Study(sample, corpus, folder, settings["seed"])


def _refused(folder, error):
    return (
        f"The folder for the answers, {folder}, cannot be used ({error.strerror or error}). Free "
        "some space, or name a folder that you may write to: make annotate ANNOTATIONS=folder."
    )


def serve(profile, runs, folder, port=8866):
    """Replace this process by Voilà with the annotation page, for this computer only.

    The page opens with the token that the printed address holds, a new one each time; whoever else
    uses this computer, or another page in its browser, does not know it.

    Raises
    ------
    AnnotationError
        As `open_study`; or answers could not be written.
    """
    study = open_study(profile, runs, folder)
    try:
        with tempfile.TemporaryFile(dir=study.folder) as probe:
            probe.write(bytes(ROOM))
    except OSError as error:
        raise AnnotationError(_refused(study.folder, error)) from None
    missing = study.missing()
    if len(missing):
        print(f"{len(missing)} clips cannot be shown and will be left out:\n{missing.to_string()}")
    home, token = NOTEBOOK.parent, secrets.token_hex(24)
    os.environ.update(
        JUPYTER_TOKEN=token,  # not in the command, which others on this computer may list
        EMPDIS_ANNOTATE_PROFILE=profile,
        EMPDIS_ANNOTATE_RUNS=str(Path(runs).resolve()),
        EMPDIS_ANNOTATE_TO=str(Path(folder).resolve()),
        JUPYTER_PATH=os.pathsep.join(filter(None, [str(home), os.environ.get("JUPYTER_PATH")])),
    )
    print(f"{len(study.sample)} clips to judge twice. Answers go to {study.folder}.")
    print(f"Open http://127.0.0.1:{port}/?token={token}")
    print("on this computer. Ctrl+C ends it; nothing is lost.")
    options = {
        "port": port,
        "template": "annotate",
        "Voila.ip": "127.0.0.1",
        "Voila.auto_token": True,
        "Voila.port_retries": 0,
        "Voila.log_level": "WARN",
        # Only pages of this server: a name that another site points to 127.0.0.1 is refused.
        "Voila.tornado_settings": "allow_remote_access=",  # empty: false
        "KernelManager.transport": "ipc",
        "MappingKernelManager.cull_idle_timeout": 600,  # of a window that was closed, in seconds
        "MappingKernelManager.cull_interval": 60,
    }
    command = [sys.executable, "-m", "voila", str(NOTEBOOK), "--no-browser"]
    command += [f"--{name}={value}" for name, value in options.items()]
    sys.stdout.flush()
    os.execv(sys.executable, command)


def main(arguments=None):
    """Command line; what cannot be done is one message and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m empdis_utils.press.annotating")
    parser.add_argument("profile")
    parser.add_argument("--runs", type=Path, default=ROOT / "_build" / "runs")
    parser.add_argument("--to", type=Path, default=ROOT / "annotations")
    parser.add_argument("--port", type=int, default=8866)
    asked = parser.parse_args(arguments)
    try:
        serve(asked.profile, asked.runs, asked.to, asked.port)
    except AnnotationError as error:
        sys.exit(f"[fail] {error}")


def start(profile="fixture", runs=ROOT / "_build" / "runs", folder=ROOT / "annotations"):
    """Show the annotation page below this cell. ``make annotate`` sets all three by environment."""
    profile = os.environ.get("EMPDIS_ANNOTATE_PROFILE", profile)
    runs = Path(os.environ.get("EMPDIS_ANNOTATE_RUNS", runs))
    folder = Path(os.environ.get("EMPDIS_ANNOTATE_TO", folder))
    try:
        page = Page(open_study(profile, runs, folder)).box
    except AnnotationError as error:
        page = widgets.HTML(f"<p>{html.escape(str(error))}</p>")
    display(page, Javascript(Page.script))


if __name__ == "__main__":
    main()

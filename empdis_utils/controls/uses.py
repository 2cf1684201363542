"""The uses of `book/uses.yml` on the tables and files of one corpus."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import pandas as pd

from empdis_utils.controls import (
    abstaining,
    adaptive,
    annotators,
    curriculum,
    label_repair,
    next_clips,
    stress,
    using,
)
from empdis_utils.data import corpora, tables
from empdis_utils.measures import inference
from empdis_utils.models import fusion

__all__ = ["Given", "measure", "read", "views"]

TWO_READINGS = "one modality: two readings of its words, which is not cross-modal"


class Given(NamedTuple):
    """What a run has for its uses; None, or empty, where it lacks something.

    `compared`, `predictions`, `validation`: of chapters 03 and 04. `views`: name -> array [n, d],
    rows as in `manifest`. `votes`: of the corpus.
    """

    corpus: str
    manifest: pd.DataFrame
    compared: pd.DataFrame | None
    predictions: pd.DataFrame | None
    validation: pd.DataFrame | None
    views: dict
    votes: pd.DataFrame | None

    @property
    def dialog(self) -> pd.Series:
        """clip_id -> recording."""
        return self.manifest.set_index("clip_id")["dialog_id"]


def views(manifest, published: Mapping, measured: Mapping, encoder: str = "") -> dict:
    """What each modality gives a model to read: name -> array [n, d]. No label is looked at.

    `published`: features that came with the corpus, by clip_id; `measured`: tables of chapter 05.
    Without published text the words are read as TF-IDF, and by a frozen sentence `encoder` if one
    is named.
    """
    clips, found = manifest["clip_id"], {}
    text = manifest["transcript"].fillna("").tolist()
    if "text" not in published and any(map(str.strip, text)):
        found["text"] = label_repair.words(text)
        if encoder:
            from empdis_utils.models import encoders  # slow to import

            found["text, sentence encoder"] = encoders.sentence_embeddings(encoder, text)
    for modality, features in published.items():
        found[modality] = features.loc[clips].to_numpy()
    for modality, table in measured.items():
        values = table.set_index("clip_id").loc[clips].select_dtypes("number")
        found[modality] = values.dropna(axis=1, how="all").to_numpy()
    return found


def read(corpus: str, inputs_dir, *, name="", measured: Mapping = (), encoder: str = "") -> Given:
    """What there is of `corpus` in this run.

    `name`: of the run, if it is to be called otherwise. `measured`: modality -> table of chapter
    05. `encoder`: as in `views`.
    """
    data = corpora.load(corpus)
    manifest = tables.read_if_made(inputs_dir, "manifest")
    manifest = data.manifest if manifest is None else manifest
    made = {m: tables.read(inputs_dir, table) for m, table in dict(measured).items()}
    given = data.predictions is not None or data.votes is not None
    return Given(
        name or corpus,
        manifest,
        *(tables.read_if_made(inputs_dir, t) for t in ("compared", "predictions")),
        tables.read_if_made(inputs_dir, "predictions_validation"),
        {} if given else views(manifest, data.features, made, encoder),
        data.votes,
    )


def _abstain(given, **how):
    return abstaining.study(
        given.compared, given.validation, corpus=given.corpus, dialog=given.dialog, **how
    )


def _stress(given, **how):
    return stress.study(given.compared, corpus=given.corpus, dialog=given.dialog, **how)


def _label_repair(given, *, n_seeds, n_jobs, **how):
    how |= {"corpus": given.corpus}
    more = {"n_seeds": n_seeds, "n_jobs": n_jobs}
    if given.votes is not None:
        return _votes(given, **more, **how)
    if len(given.views) < 2:
        return label_repair.study_given(given.compared, dialog=given.dialog, **how)
    note = TWO_READINGS if all(name.startswith("text") for name in given.views) else ""
    y, dialog = (given.manifest[name].to_numpy() for name in ("y", "dialog_id"))
    readings = label_repair.of_features(given.views)
    return label_repair.study(readings, y, dialog, note=note, **more, **how)


def _votes(given, **how):
    """Of six emotions; clips with too few votes to draw from are left out, and counted."""
    manifest, answers = given.manifest.set_index("clip_id"), list(label_repair.answers(given.votes))
    by = {m: part.set_index("clip_id")[answers] for m, part in given.votes.groupby("modality")}
    least = {"audio": 1, "video": 1, "audio+video": 2}
    clips = manifest.index
    for modality, lots in least.items():
        enough = by[modality].sum(axis=1) >= lots * label_repair.N_VOTES
        clips = clips[clips.isin(enough.index[enough])]
    counts = [by[modality].loc[clips].to_numpy() for modality in least]
    if manifest.loc[clips, "dialog_id"].nunique() < 2:
        reason = f"too few clips with enough votes to draw from (n={len(clips)})"
        return using.absent("label_repair", given.corpus, "AUROC", reason)
    note = f"{len(manifest) - len(clips)} clips have too few votes to draw from"
    return label_repair.study(
        label_repair.of_votes(*counts), pd.factorize(manifest.loc[clips, "label"], sort=True)[0],
        manifest.loc[clips, "dialog_id"].to_numpy(), C=1.0, note=note, **how,
    )  # fmt: skip


def _adaptive(given, **how):
    """Beside concatenation and the best single modality of chapter 03."""
    both = pd.concat([given.predictions, given.validation], ignore_index=True)
    singles = [one for one in both["inputs"].unique() if "+" not in one]
    y, clips = given.manifest["y"].to_numpy(), given.manifest["clip_id"].to_numpy()
    others = fusion.baselines(both, given.views, y, clips, singles)
    return adaptive.study(
        given.predictions, given.validation, corpus=given.corpus, dialog=given.dialog,
        others=others, **how,
    )  # fmt: skip


def _annotators(given, *, n_seeds, n_jobs, seed, **how):
    answers = label_repair.answers(given.votes)
    how_often = dict(n_draws=n_seeds, n_jobs=n_jobs, seed=seed)
    try:
        table = annotators.compare(given.votes, given.dialog, answers, **how_often)
    except ValueError as error:  # too few votes: it says so
        return using.absent("annotators", given.corpus, "correct majority", str(error))
    drawn = f"in each of {n_seeds} draws, {table.attrs['n_clips']} of {len(given.manifest)} clips"
    note = f"{drawn}; {annotators.WHO_SEES_WHAT}"
    how |= dict(corpus=given.corpus, seed=seed, note=note)
    return using.of_recordings(table, annotators.MEASURES, **how)


def _lacking(given) -> str:
    """Why nothing can be learned from these views; "" if something can."""
    n = given.dialog.nunique()
    reasons = {
        "features of one kind only, and two are needed to disagree": len(given.views) < 2,
        "labels other than 0 and 1": not set(given.manifest["y"]) <= {0, 1},
        f"too few recordings (n={n})": n < inference.MIN_RECORDINGS,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _learning(use, study):
    """A use that trains on `views`: `next_clips` or `curriculum`."""
    absent = partial(using.absent, use, measure=next(iter(study.MEASURES)))

    def function(given, *, n_seeds, n_jobs, seed, **how):
        if reason := _lacking(given):
            return absent(corpus=given.corpus, reason=reason)
        many = dict(n_repeats=n_seeds, n_jobs=n_jobs, seed=seed)
        try:
            table = study.compare(given.views, given.manifest, **many)
        except next_clips.TooFewClips as error:
            return absent(corpus=given.corpus, reason=str(error))
        note = TWO_READINGS if all(name.startswith("text") for name in given.views) else ""
        how |= dict(corpus=given.corpus, seed=seed, note=note)
        return using.of_recordings(table, study.MEASURES, **how)

    return function


STUDIES = {
    "abstain": (_abstain, ("compared",)),
    "stress": (_stress, ("compared",)),
    "label_repair": (_label_repair, ()),
    "adaptive": (_adaptive, ("predictions", "validation", "views")),
    "annotators": (_annotators, ("votes",)),
    "next_clips": (_learning("next_clips", next_clips), ("views",)),
    "curriculum": (_learning("curriculum", curriculum), ("views",)),
}
DRAWS = (
    "label_repair",
    "annotators",
    "next_clips",
    "curriculum",
)  # with draws of their own, shared out over processes


def measure(use: str, given: Given, *, n_seeds=5, n_jobs=1, n_boot=2000, seed=42):
    """One use on one corpus.

    Parameters
    ----------
    use : str
        Of `book/uses.yml`.
    given : Given
    n_seeds : int
        Draws, where the use makes its own (chapter 03 has its seeds already).
    n_jobs : int
        Processes.
    n_boot, seed : int

    Returns
    -------
    uses, gains : DataFrame
        As `using.measured`; where the run lacks what the use needs, one row of `gains` says so.

    Raises
    ------
    ValueError
        A use that is not in `STUDIES`; says which are.
    """
    if use not in STUDIES:
        raise ValueError(f"uses: {use!r} is none of {', '.join(STUDIES)}")
    study, needed = STUDIES[use]
    name = using.declared()[use]["measure"]
    lacking = [one for one in needed if not _there(getattr(given, one))]
    if use == "label_repair" and given.votes is None and len(given.views) < 2:
        lacking = [] if _there(given.compared) else ["compared", "views"]
    if lacking:
        reason = f"this run has no {' and no '.join(lacking)}"
        return using.absent(use, given.corpus, name, reason)
    if (n := given.manifest["dialog_id"].nunique()) < 2:
        return using.absent(use, given.corpus, name, f"too few recordings (n={n})")
    if given.votes is None and given.manifest["y"].nunique() < 2:
        return using.absent(use, given.corpus, name, "all clips have one label")
    how = {"n_boot": n_boot, "seed": seed}
    if use in DRAWS:
        how |= {"n_seeds": n_seeds, "n_jobs": n_jobs}
    return study(given, **how)


def _there(value) -> bool:
    return value is not None and len(value) > 0

"""The tables that chapters hand to each other: parquet files, checked on the way in and out.

The schemas are the contract between chapters. A chapter writes with `write`, the next one reads
with `read`; both refuse a table that breaks its schema and list every bad row.
"""

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pyarrow
from pandera.errors import SchemaErrors

__all__ = [
    "MODALITIES", "QUADRANTS", "SCHEMAS", "check", "in_order", "inputs_name", "read",
    "read_embeddings", "write",
]  # fmt: skip

QUADRANTS = ("blue", "red", "green", "yellow")
MODALITIES = ("text", "audio", "video")
WRITE_ADVICE = {
    errno.ENOSPC: "make room and run the chapter again",
    errno.EDQUOT: "make room and run the chapter again",
    errno.EACCES: "give yourself write access to the folder",
    errno.EROFS: "choose a folder that can be written",
}


def _col(dtype, *checks, nullable=False, required=True):
    return pa.Column(dtype, checks=list(checks), nullable=nullable, coerce=True, required=required)


_share = pa.Check.in_range(0, 1)
_number = dict(nullable=True)

_PREDICTIONS = {
    "clip_id": _col(str),
    "inputs": _col(str),
    "source": _col(str, pa.Check.isin(["finetuned", "fusion", "given"])),
    "seed": _col(int),
    "fold": _col(int),
    "split": _col(str),
    "y": _col(int),
    "p": _col(float, _share),
}
_ONE_PREDICTION = ["clip_id", "inputs", "source", "seed"]

_ESTIMATE = {
    "n": _col(int, pa.Check.ge(0)),
    "n_recordings": _col(int, pa.Check.ge(0)),
    **{name: _col(float, _share, **_number) for name in ("estimate", "ci_low", "ci_high")},
    "status": _col(str),
    "reason": _col(str),
}

SCHEMAS = {
    "manifest": pa.DataFrameSchema(
        {
            "clip_id": _col(str),
            "dialog_id": _col(str),
            "start_s": _col(float, **_number),
            "end_s": _col(float, **_number),
            "transcript": _col(str, nullable=True),
            "n_tokens": _col("Int64", pa.Check.ge(0), nullable=True),
            "label": _col(str),
            "y": _col(int, pa.Check.ge(0)),
            "split": _col(str),
            "audio_path": _col(str, nullable=True),
            "video_path": _col(str, nullable=True),
        },
        unique=["clip_id"],
    ),
    "predictions": pa.DataFrameSchema(_PREDICTIONS, unique=_ONE_PREDICTION),
    "predictions_finetuned": pa.DataFrameSchema(
        {"encoder": _col(str), **_PREDICTIONS}, unique=["encoder", *_ONE_PREDICTION]
    ),
    # a clip has one validation row for each fold that drew it
    "predictions_validation": pa.DataFrameSchema(_PREDICTIONS, unique=[*_ONE_PREDICTION, "fold"]),
    "gates": pa.DataFrameSchema(
        {
            "clip_id": _col(str),
            "seed": _col(int),
            "modality": _col(str),
            "gate": _col(float, _share, nullable=True),  # a missing modality has none
            "attention": _col(float, _share),
        },
        unique=["clip_id", "seed", "modality"],
    ),
    "shuffled_join": pa.DataFrameSchema(
        {
            "join": _col(str),
            "inputs": _col(str),
            "n": _col(int, pa.Check.gt(0)),
            "n_seeds": _col(int, pa.Check.gt(0)),
            "accuracy": _col(float, _share),
            "ci_low": _col(float, _share, nullable=True),
            "ci_high": _col(float, _share, nullable=True),
            "sd_seeds": _col(float, pa.Check.ge(0), nullable=True),
            **{
                f"{gap}{end}": _col(float, pa.Check.in_range(-1, 1), nullable=bool(end))
                for gap in ("minus_true", "minus_alone")
                for end in ("", "_low", "_high")
            },
        },
        unique=["join"],
    ),
    "quadrants": pa.DataFrameSchema(
        {
            "clip_id": _col(str),
            "modality": _col(str),
            "seed": _col(str),
            "conf_unimodal": _col(float, _share),
            "conf_fusion": _col(float, _share),
            "quadrant": _col(str, pa.Check.isin(QUADRANTS)),
            **{f"membership_{q}": _col(float, _share) for q in QUADRANTS},
        },
        unique=["clip_id", "modality", "seed"],
    ),
    "audio_features": pa.DataFrameSchema(
        {"clip_id": _col(str), "status": _col(str), "reason": _col(str)}, unique=["clip_id"]
    ),
    "face_features": pa.DataFrameSchema(
        {"clip_id": _col(str), "status": _col(str), "reason": _col(str)}, unique=["clip_id"]
    ),
    "feature_tests": pa.DataFrameSchema(
        {
            "family": _col(str),
            "feature": _col(str),
            "contrast": _col(str),
            "n_1": _col(int),
            "n_2": _col(int),
            **{
                name: _col(float, **_number)
                for name in (
                    *("mean_1", "mean_2", "t", "df", "p", "p_holm", "p_bh"),
                    *("hedges_g", "ci_low", "ci_high", "p_permutation"),
                )
            },
        },
        unique=["family", "feature", "contrast"],
    ),
    "entropy": pa.DataFrameSchema(
        {
            "clip_id": _col(str),
            "modality": _col(str),
            "quadrant": _col(str, pa.Check.isin(QUADRANTS)),
            "entropy": _col(float, pa.Check.ge(0)),
        },
        unique=["clip_id", "modality"],
    ),
    "annotations": pa.DataFrameSchema(
        {
            "annotator": _col(str),
            "clip_id": _col(str),
            "modality": _col(str),
            "round": _col(int, pa.Check.isin([1, 2])),
            "judgment": _col(str),
            "shown": _col(str),
            "at": _col(str),
            "seconds": pa.Column(float, pa.Check.ge(0), nullable=True, required=False),
        },
        unique=["annotator", "clip_id", "modality", "round"],
    ),
    "uses": pa.DataFrameSchema(
        {
            **{name: _col(str) for name in ("use", "corpus", "method")},
            "role": _col(str, pa.Check.isin(["disagreement", "retrained control", "baseline"])),
            "measure": _col(str),
            "primary": _col(bool),
            "score": _col(float),
            **{name: _col(float, **_number) for name in ("ci_low", "ci_high")},
            **{name: _col(int, pa.Check.gt(0)) for name in ("n", "n_recordings", "seeds")},
            "note": _col(str),
        },
        unique=["use", "corpus", "method", "measure"],
    ),
    "use_gains": pa.DataFrameSchema(
        {
            **{name: _col(str) for name in ("use", "corpus", "measure", "strongest", "control")},
            "primary": _col(bool),
            **{
                f"{gain}{end}": _col(float, **_number)
                for gain in ("gain", "control_gain", "over_control")
                for end in ("", "_low", "_high")
            },
            "verdict": _col(str, pa.Check.isin(["shown", "not diagnostic", "not shown", "worse"])),
            **{name: _col(int, pa.Check.ge(0)) for name in ("n", "n_recordings", "seeds")},
            **{name: _col(str) for name in ("status", "reason", "note")},
        },
        unique=["use", "corpus", "measure"],
    ),
    "claims": pa.DataFrameSchema(
        {
            **{name: _col(str) for name in ("claim_id", "statement", "paper_value", "profile")},
            **{name: _col(float, **_number) for name in ("run_value", "ci_low", "ci_high")},
            "verdict": _col(
                str,
                pa.Check.isin(
                    ["supported", "contradicted", "mixed", "not diagnostic"]
                    + ["too little data", "not testable"]
                ),
            ),
        },
        unique=["claim_id", "profile"],
    ),
    # a held-out clip's right line, as likely as a model with one kind of prefix finds it
    "prefix_answers": pa.DataFrameSchema(
        {
            "clip_id": _col(str),
            "dialog_id": _col(str),
            "tone": _col(int, pa.Check.isin([0, 1])),
            "arm": _col(str),
            "seed": _col(int),
            "fold": _col(int),
            "nll": _col(float, pa.Check.ge(0), nullable=True),
            "n_tokens": _col(int, pa.Check.ge(0)),
            "correct": _col(float, _share, nullable=True),
            "status": _col(str),
            "reason": _col(str),
        },
        unique=["clip_id", "arm", "seed"],
    ),
    "kappa": pa.DataFrameSchema(
        {
            "modality": _col(str),
            "quadrant": _col(str),
            "round": _col(int, nullable=False),
            "subset": _col(str),
            "n": _col(int, pa.Check.ge(0)),
            "kappa": _col(float, **_number),
            "ci_low": _col(float, **_number),
            "ci_high": _col(float, **_number),
            "alpha": _col(float, **_number),
        },
    ),
    # who speaks: a mouth with its own sound, and with sounds that are not its own
    "speaker_scores": pa.DataFrameSchema(
        {
            **{name: _col(str) for name in ("clip_id", "dialog_id", "option", "source", "draw")},
            "value": _col(float, **_number),
            "p": _col(float, _share, **_number),
            "status": _col(str),
            "reason": _col(str),
        },
        unique=["clip_id", "option", "source", "draw"],
    ),
    "speaker_apart": pa.DataFrameSchema(
        {"option": _col(str), "control": _col(str), **_ESTIMATE}, unique=["option", "control"]
    ),
    "speaker_taken": pa.DataFrameSchema(
        {"option": _col(str), "source": _col(str), "taken": _col(int), **_ESTIMATE},
        unique=["option", "source"],
    ),
    "speaker_picks": pa.DataFrameSchema(
        {
            **{name: _col(str) for name in ("clip_id", "dialog_id", "option", "draw")},
            "source": _col(str, pa.Check.isin(["right", "wrong", "nobody"])),
            "correct": _col(bool),
        },
        unique=["clip_id", "option", "draw"],
    ),
    "speaker_picked": pa.DataFrameSchema(
        {"option": _col(str), "outcome": _col(str), **_ESTIMATE}, unique=["option", "outcome"]
    ),
}


def check(frame, name, without=()):
    """Return `frame` with the column types of table `name`.

    `frame`: any row order; extra columns are kept. `name`: a table of DESIGN's contract. Names
    without a schema (``embeddings/…``, a chapter's own tables) pass unchanged. `without`: columns
    that need not be there. Raises ValueError: lists every column, row and value that breaks the
    schema.
    """
    schema = SCHEMAS.get(name)
    if schema is None:
        return frame
    schema = schema.remove_columns([column for column in without if column in schema.columns])
    try:
        return schema.validate(frame.reset_index(drop=True), lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases[["column", "check", "failure_case", "index"]]
        raise ValueError(f"table '{name}' breaks its contract:\n{cases.to_string()}") from None


def write(frame, directory, name):
    """Check `frame` and write it to ``directory/name.parquet``. Returns the path.

    Written aside, then renamed: a table is whole or not there.

    Raises OSError: says which table, where, and what is in the way: a full disk, a folder without
    write access.
    """
    path = Path(directory) / f"{name}.parquet"
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    frame = check(frame, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(aside, index=False)
        os.replace(aside, path)
    except OSError as error:
        what = WRITE_ADVICE.get(error.errno, "is the folder there, and can it be written?")
        told = f"table '{name}' was not written to {directory} ({error.strerror or error}): {what}"
        raise OSError(error.errno, told) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
    return path


def read(directory, name):
    """Read and check ``directory/name.parquet``.

    A table of ``results/`` names the columns that stayed with the publishers (``left_out`` in its
    ``attrs``): these are not asked for.

    Raises FileNotFoundError: says which table is missing and where, when the chapter that writes it
    has not run. Raises ValueError: a file that is no whole Parquet table, or too little memory to
    read it.
    """
    path = Path(directory) / f"{name}.parquet"
    if not path.exists():
        there = sorted(p.stem for p in Path(directory).glob("**/*.parquet"))
        raise FileNotFoundError(
            f"no table '{name}' in {directory}: run the chapter that writes it first "
            f"(tables there: {', '.join(there) or 'none'})"
        )
    try:
        frame = pd.read_parquet(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"table '{name}' in {directory} cannot be read: delete {path} and run the chapter that "
            f"writes it again ({error})"
        ) from error
    except MemoryError as error:
        raise ValueError(
            f"table '{name}' in {directory}: not enough memory to read "
            f"{path.stat().st_size / 2**20:,.0f} MB; close other programs"
        ) from error
    without = frame.attrs.pop("left_out", ())
    return check(frame, name, without)


def read_if_made(directory, name):
    """The table as `read` gives it, or None where this run has not made it."""
    there = (Path(directory) / f"{name}.parquet").exists()
    return read(directory, name) if there else None


def read_embeddings(directory, encoder, seeds, folds):
    """The embeddings that chapter 02 kept of one encoder, by seed.

    `encoder`: as chapter 02 calls it. `seeds`, `folds`: all seeds that are needed, and exactly the
    folds. Returns dict of int to DataFrame: columns e000, e001, …, clip_id, fold; one row per clip
    and fold. Raises ValueError: says which encoders, seeds or folds there are instead, and what to
    change.
    """
    folder = Path(directory) / "embeddings"
    there = sorted(path.stem.rpartition("-seed") for path in folder.glob("*-seed*.parquet"))
    made = [int(seed) for name, _, seed in there if name == encoder]
    if not made:
        names = ", ".join(sorted({name for name, _, _ in there})) or "none"
        raise ValueError(
            f"chapter 02 kept no embeddings of {encoder} in {folder}; it kept: {names}. "
            "Name one of these, or add the encoder to the profile's 02_unimodal."
        )
    if lacking := sorted(set(seeds) - set(made)):
        raise ValueError(
            f"chapter 02 trained {encoder} with seeds {made}; seeds {lacking} are asked for, too. "
            "Give both chapters the same seed and n_seeds in the profile."
        )
    found = {seed: read(directory, f"embeddings/{encoder}-seed{seed}") for seed in seeds}
    for seed, frame in found.items():
        kept = sorted(frame["fold"].unique().tolist())
        if kept != sorted(folds):  # other folds, even fewer, were trained on other clips
            raise ValueError(
                f"chapter 02 kept folds {kept} of {encoder} (seed {seed}); folds {sorted(folds)} "
                "are asked for. Give both chapters the same n_folds and protocol (of several "
                "protocols in 02_unimodal, the first one counts)."
            )
    return found


def fold_embeddings(directory, encoders, seeds, folds, clip_id):
    """Embeddings of several encoders, each fine-tuned anew for every seed and fold.

    `directory`, `seeds`, `folds`: as for `read_embeddings`. `encoders`: modality -> encoder.
    `clip_id`: rows, in this order. Returns callable: ``of(seed, fold)`` is a dict, modality ->
    array [n, d].
    """
    kept = {m: read_embeddings(directory, name, seeds, folds) for m, name in encoders.items()}

    def of(seed, fold):
        own = {m: at[seed][at[seed]["fold"] == fold] for m, at in kept.items()}
        own = {m: frame.set_index("clip_id").loc[[*clip_id]] for m, frame in own.items()}
        return {m: frame.filter(regex=r"^e\d+$").to_numpy() for m, frame in own.items()}

    return of


def need_two_classes(manifest, module):
    """Stop a chapter that scores the probability of class 1 alone.

    Raises ValueError: more or fewer than two classes; says what to do instead.
    """
    if (n := manifest["y"].nunique()) != 2:
        raise ValueError(
            f"this chapter needs two classes, the manifest has {n}. The models take more "
            f"({module}.crossfit): write their probabilities to a CSV for PROFILE=predictions."
        )


def in_order(modalities: Sequence[str]) -> tuple[str, ...]:
    """Modalities once each, in the book's order; others after them, by name."""
    return tuple(
        sorted(
            dict.fromkeys(modalities),
            key=lambda m: (MODALITIES.index(m) if m in MODALITIES else len(MODALITIES), m),
        )
    )


def inputs_name(modalities: Sequence[str]) -> str:
    """Join modality names in the book's order: ``text+audio+video``, then any others.

    `modalities`: the empty sequence gives ``"none"``.
    """
    bad = [m for m in modalities if "+" in m or m in ("", "none")]
    if bad:
        raise ValueError(f"modality name {bad[0]!r} is reserved: rename it without '+'.")
    return "+".join(in_order(modalities)) or "none"

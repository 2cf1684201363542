"""What the runs of the book found, gathered: a table, a picture and sentences for the first page.

Every number is read from the table of the run that made it. A run that is not in this copy of the
book is left out.
"""

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt

from empdis_utils.controls import placebo
from empdis_utils.data import tables
from empdis_utils.measures import dividing
from empdis_utils.paper import printed
from empdis_utils.show import plots, style

__all__ = ["gathered", "picture", "sentences"]

NAMES = {
    "fixture": "fixture (synthetic)",
    "empspeech": "EMPSPEECH",
    "mosi": "MOSI",
    "cremad": "CREMA-D",
}
CI = ("ci_low", "ci_high")
EXCESS = ("excess", "excess_low", "excess_high")
HELD = "accuracy, held out by recording"
#: table, chapter, question (with columns of the row), columns of value and interval, columns whose
#: sum is n.
QUESTIONS = (
    ("recording_baseline", "02_unimodal",
     "How often is the label right when only the recording is known (released split)?",
     ("accuracy", *CI), ("n",)),
    ("accuracy_fusion", "03_fusion", "How accurate is fusion of {inputs} on held-out recordings?",
     ("accuracy", *CI), ("n",)),
    ("modality_over_seed", "04_quadrants",
     "{modality} against fusion: disagreement over that of retraining (1 = seed noise)",
     ("ratio", *CI), ("n",)),
    ("entropy_placebo", "06_entropy",
     "{modality}: entropy in red and green over blue and yellow, above the placebo ({placebo}; "
     "nats, 0 = the placebo does the same)", EXCESS, ("n",)),
    ("selective_placebo", "06_entropy",
     "Does disagreement, added to entropy, find more errors? (area under risk and coverage, below "
     "0 = yes)", ("value", *CI), ("n",)),
    ("feature_leak", "01_data",
     "Released {modality} features, {released split} split: accuracy held out by recording (far "
     "apart: features saw labels)", (HELD, *CI), ("n",)),
    ("recovery_auroc", "09_recovery",
     "Does being red or green find planted conflicts? ({modality}, AUROC)",
     ("auroc", *CI), ("n conflict", "n other")),
    ("kappa", "07_votes",
     "Do people agree on the emotion from {modality}? (Fleiss' kappa)", ("kappa", *CI), ("n",)),
    ("votes_placebo", "07_votes",
     "Are people more divided in red and green of {modality} than the same votes, drawn twice? "
     "(entropy above the placebo, nats)", EXCESS, ("n",)),
)  # fmt: skip


def _rows(runs, name, which, contrast=""):
    """The rows of a run's table that the first page shows; none when the run is not here."""
    found = tables.read_if_made(Path(runs) / name / "artifacts", which)
    if found is None:
        return pd.DataFrame()
    if which == "recording_baseline":
        return found[found["n"] > 0]
    if which == "accuracy_fusion":
        return found.tail(1)
    if which == "modality_over_seed":
        return found.query("baseline == 'both'")
    if which == "recovery_auroc":
        return found.query("score == 'red or green'")
    if which == "kappa":
        return found.query("answers == 'six emotions'") if "answers" in found else found.head(0)
    if which in ("entropy_placebo", "votes_placebo"):
        kept = (found["contrast"] == contrast) & (found["modality"] != "all")
        return found[kept & found["excess"].notna()]
    return found


def _interval(row, value, low="ci_low", high="ci_high"):
    return f"{row[value]:.3f} [{row[low]:.3f}, {row[high]:.3f}]"


def gathered(runs, profiles, contrast) -> pd.DataFrame:
    """One row per question and corpus.

    `runs`: the folder with a folder for each run. `profiles`: runs to gather, where they exist.
    `contrast`: what is set beside its placebo. Returns columns question, corpus, answer, n clips,
    chapter (a link).
    """
    people = [("cremad", QUESTIONS[-1])]
    asked = [(name, question) for name in profiles for question in QUESTIONS[:-1]] + people
    found = []
    for name, (which, chapter, question, value, sizes) in asked:
        for row in _rows(runs, name, which, contrast).to_dict("records"):
            found.append(
                {
                    "question": question.format_map(row),
                    "corpus": NAMES[name],
                    "answer": _interval(row, *value),
                    "n clips": sum(row[size] for size in sizes),
                    "chapter": f'<a href="../{name}/{chapter}.html">{chapter}</a>',
                }
            )
    return pd.DataFrame(found)


def _corpus(name, people=False):
    return "synthetic" if name == "fixture" else f"people, {NAMES[name]}" * people or NAMES[name]


def picture(runs, contrast):
    """Three panels: what splits reward, disagreement beyond the seed, entropy above a placebo."""
    fig, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    base = _rows(runs, "empspeech", "recording_baseline")
    models = _rows(runs, "empspeech", "accuracy_unimodal")
    if len(base):
        split = {"release": "released split", "crossfit": "grouped folds"}
        rows = [base.assign(label="recording only\n(released split)")]
        if len(models):
            label = models["modality"] + " model\n(" + models["protocol"].map(split) + ")"
            rows.append(models.assign(label=label))
        best = printed.table("table_01")["accuracy"].astype(float).max()
        plots.intervals(
            pd.concat(rows, ignore_index=True), "accuracy", "label", lines={best: "--"},
            xlabel="accuracy", title="EMPSPEECH: what the split rewards", axes=axes[:1],
        )  # fmt: skip
    else:
        plots.message("EMPSPEECH is not\nin this copy", ax=axes[0])

    def stacked(asked):
        parts = []
        for name, which in asked:
            part = _rows(runs, name, which, contrast)
            if which == "entropy_placebo" and len(part):
                part = part[part["placebo"] == placebo.SAME]
            if len(part):
                about = _corpus(name, which == "votes_placebo")
                parts.append(part.assign(label=part["modality"] + f" ({about})"))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    over = stacked([(name, "modality_over_seed") for name in ("mosi", "fixture")])
    if len(over):
        plots.dumbbells(
            over, "modality_rate", "seed_rate", "label", xlabel="share of clips",
            title="Disagreement beyond the seed", ax=axes[1],
        )  # fmt: skip
    else:
        plots.message("no fusion run in this copy", ax=axes[1])
    asked = [(name, "entropy_placebo") for name in ("mosi", "fixture")]
    above = stacked([*asked, ("cremad", "votes_placebo")])
    if len(above):
        plots.intervals(
            above, "excess", "label", low="excess_low", high="excess_high", lines={0: "-"},
            xlabel="nats above the placebo", title="More entropy in red and green?",
            axes=axes[2:],
        )  # fmt: skip
        axes[2].locator_params(axis="x", nbins=5)
    else:
        plots.message("no placebo in this copy", ax=axes[2])
    return fig


def sentences(runs, contrast) -> dict:
    """One sentence for each part of the first page, by its glued name."""

    def said(name, which, form, value):
        rows = _rows(runs, name, which, contrast)
        if which == "feature_leak" and len(rows):
            rows = rows[rows["modality"] == "text"]
        if which == "entropy_placebo" and len(rows):
            rows = rows[rows["placebo"] == placebo.SAME]
        rows = rows.to_dict("records")
        return [form.format_map(row | {"it": _interval(row, *value)}) for row in rows]

    def absent(corpus):
        return f"{corpus} is not in this copy of the book."

    found = dict.fromkeys(("features", "seeds"), absent("MOSI"))
    found |= {
        "split": absent("EMPSPEECH"),
        **dict.fromkeys(("people", "conflict"), absent("CREMA-D")),
    }
    found["known"] = absent("The synthetic corpus")
    found["placebo"] = "No run with a placebo is in this copy of the book."
    best = printed.table("table_01")["accuracy"].astype(float).max()
    right = said("empspeech", "recording_baseline", "{it} of {n} test clips", ("accuracy",))
    if right:
        found["split"] = (
            "On EMPSPEECH, knowing only which recording a clip comes from is right on "
            f"{right[0]}. The best model in the paper's Table 1 reaches {best}."
        )
    ratios = said("mosi", "modality_over_seed", "{it} for {modality}", ("ratio",))
    if ratios:
        found["seeds"] = (
            "On MOSI, disagreement with fusion over the disagreement of retrained copies is "
            f"{', '.join(ratios)}, where 1 means seed noise alone."
        )
    kappas = said("cremad", "kappa", "{it} from {modality}", ("kappa",))
    if kappas:
        found["people"] = (
            f"On CREMA-D, people agree on the emotion (Fleiss' kappa) with {', '.join(kappas)}."
        )
    effects = _rows(runs, "cremad", "division_coefficients")
    if len(effects):
        found["conflict"] = f"Voice against face, rated by crowds: {dividing.sentence(effects)}"
    flags = said("fixture", "recovery_auroc", "{it} for {modality}", ("auroc",))
    if flags:
        found["known"] = (
            "On synthetic clips with planted conflicts, being red or green finds the conflict with "
            f"AUROC {', '.join(flags)}; one half is a coin."
        )
    leaks = said("mosi", "feature_leak", "{it} on the {released split} split", (HELD,))
    if leaks:
        found["features"] = (
            "MOSI's published text features, with whole recordings held out, reach accuracy "
            f"{' but '.join(leaks)}. Features that saw the labels of a split cannot be tested on "
            "it; this book uses MOSI's test split only."
        )
    asked = [(name, "entropy_placebo", NAMES[name]) for name in ("mosi", "fixture")]
    asked.append(("cremad", "votes_placebo", "people's votes on CREMA-D"))
    parts = [(about, said(n, which, "{modality} {it}", EXCESS)) for n, which, about in asked]
    parts = [f"{about}: {', '.join(values)}" for about, values in parts if values]
    if parts:
        found["placebo"] = (
            "Quadrants drawn by the same model, trained again, or by two parts of the same "
            "people's votes, have their red and green, too, and more entropy there. What is left "
            f"above that placebo, in nats: {'; '.join(parts)}."
        )
    return {name: style.Sentence(sentence) for name, sentence in found.items()}

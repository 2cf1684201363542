"""What the runs of the book found, gathered: a table, a picture and sentences for the first page.

Every number is read from the table of the run that made it. A run that is not in this copy of the
book is left out.
"""

from pathlib import Path

import pandas as pd

from empdis_utils.controls import placebo
from empdis_utils.data import tables
from empdis_utils.measures import dividing
from empdis_utils.paper import printed
from empdis_utils.show import labelled, plots, style

__all__ = ["front", "gathered", "picture", "sentences"]

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


def _best():
    """The best accuracy in the paper's Table 1."""
    return printed.table("table_01")["accuracy"].astype(float).max()


def _split_panel(runs):
    """Rows and settings of the panel about the split; None without a run of EMPSPEECH."""
    base = _rows(runs, "empspeech", "recording_baseline")
    if not len(base):
        return None
    models = _rows(runs, "empspeech", "accuracy_unimodal")
    rows = [base.assign(label="only the recording, no content", color="black", hollow=True)]
    if len(models):
        split = {"release": "released split", "crossfit": "new recordings"}
        label = models["modality"] + " model, " + models["protocol"].map(split)
        colors = models["modality"].map(style.MODALITY_COLORS)
        rows.append(models.assign(label=label, color=colors, hollow=False))
    best, first = _best(), base.iloc[0]
    does = "beats" if first["ci_low"] > best else "matches"
    does = does if first["ci_high"] >= best else "falls short of"
    return pd.concat(rows, ignore_index=True), {
        "value": "accuracy", "lines": {best: f"paper's best, {best:.2f}"}, "xlabel": "accuracy",
        "title": f"The recording alone {does} the paper's best model (EMPSPEECH)",
    }  # fmt: skip


def _seed_panel(runs):
    """Rows and settings of the panel about retraining; None without a run of MOSI."""
    over = _rows(runs, "mosi", "modality_over_seed")
    if not len(over):
        return None
    share = over["seed_rate"] / over["modality_rate"]
    rows = over.assign(
        label=over["modality"] + ": ● with fusion, ○ with itself",
        color=over["modality"].map(style.MODALITY_COLORS),
    )
    most_apart = over[["modality_rate", "seed_rate"]].max(axis=None)
    most, least = f"{100 * share.max():.0f}", f"{100 * share.min():.0f}"
    span = most if most == least else f"{least} to {most}"
    return rows, {
        "value": "modality_rate", "other": "seed_rate", "low": None, "xlim": (0, 1.2 * most_apart),
        "xlabel": "share of clips that disagree",
        "title": f"Retraining alone makes {span} % of that disagreement (MOSI)",
    }  # fmt: skip


def _above_panel(runs, contrast):
    """Rows and settings of the panel about the placebo; None without a real run that has one."""
    parts = []
    for name, which in (("mosi", "entropy_placebo"), ("cremad", "votes_placebo")):
        part = _rows(runs, name, which, contrast)
        if which == "entropy_placebo" and len(part):
            part = part[part["placebo"] == placebo.SAME]
        if len(part):
            about = "models" if name == "mosi" else "votes"
            parts.append(part.assign(label=part["modality"] + f" ({about}, {NAMES[name]})"))
    if not parts:
        return None
    rows = pd.concat(parts, ignore_index=True)
    more = int((rows["excess_low"] > 0).sum())
    told = f"{more} of {len(rows)}" if more else f"none of {len(rows)}"
    return rows.assign(color=rows["modality"].map(style.MODALITY_COLORS)), {
        "value": "excess", "low": "excess_low", "high": "excess_high", "lines": {0: "placebo"},
        "xlabel": "entropy above the placebo (nats)",
        "title": f"Red and green are unsure beyond a placebo in {told} tests",
    }  # fmt: skip


def picture(runs, contrast, width=8.0):
    """What splits reward, disagreement beside retraining, entropy above a placebo.

    `runs`: the folder of runs. `contrast`: what is set beside its placebo. `width`: inches; under
    six, panels stand below each other. A panel without a run is left out. Returns Figure.
    """
    panels = [_split_panel(runs), _seed_panel(runs), _above_panel(runs, contrast)]
    panels = [panel for panel in panels if panel is not None]
    if not panels:
        return plots.message("no run of a real corpus")
    draws = [(len(t), lambda ax, t=t, how=how: labelled.rows(ax, t, **how)) for t, how in panels]
    return labelled.figure(draws, width, 3)


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
    best = _best()
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


def _listed(words):
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _printed_rates():
    """Disagreement with fusion in Table 2: smallest and largest, in percent."""
    two = printed.table("table_02")
    with_fusion = two[two["b"].eq("text+audio+video") | two["a"].eq("text+audio+video")]
    rates = 100 * with_fusion["rate"].astype(float)
    return f"{rates.min():.0f} to {rates.max():.0f} %"


def _beyond_retraining(over):
    """Which modalities disagree with fusion more than retraining makes them, by both yardsticks.

    `over`: the table `modality_over_seed`.
    """
    both = over[over["baseline"] == "both"].set_index("modality")
    alone = over[over["baseline"] == "fusion"].set_index("modality")
    below = alone.index[alone["ci_low"] <= 1]
    more = [m for m in both.index[both["ci_low"] > 1] if m not in below]

    def told(row):
        return f"{row['ratio']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}]"

    who = _listed(more) or "no modality"
    said = (
        f"{who[0].upper()}{who[1:]} disagree{'s' if len(more) < 2 else ''} with fusion more than "
        "retrained copies disagree with themselves: on MOSI, as a ratio, "
        f"{_listed([f'{m} {told(row)}' for m, row in both.iterrows()])}, where retraining alone "
        "gives 1."
    )
    if len(below):
        rows = _listed([f"{m} ({told(alone.loc[m])})" for m in below])
        said += f" Beside the retraining of fusion alone, {rows} falls away."
    return said


def _above_in_words(runs, contrast):
    """How many of the entropies in red and green lie above their placebo, and the largest."""
    panel = _above_panel(runs, contrast)
    if panel is None:
        return None
    rows = panel[0]
    above, most = rows["excess_low"] > 0, rows.loc[rows["excess"].idxmax()]
    return (
        "Retrained copies of one model, and two halves of the same people's votes, have their red "
        f"and green clips, too. Above that placebo, entropy is higher in {int(above.sum())} of "
        f"{len(rows)} tests; the largest excess is {_interval(most, *EXCESS)} nats, for "
        f"{most['label']}."
    )


def front(runs, contrast) -> dict:
    """The verdict of the first page, a sentence or two for each line.

    `runs`, `contrast`: as for `picture`. Returns dict of str to `style.Sentence`: claim, holds,
    split, placebo. A line without its run says so.
    """
    missing = "No run that tests this is here."
    found = dict.fromkeys(("holds", "split", "placebo"), missing)
    found["claim"] = (
        "A model of one modality and the fusion of all three contradict each other on "
        f"{_printed_rates()} of clips. Such clips, called red and green, are ambiguous: for the "
        "model, and for people."
    )
    over = tables.read_if_made(Path(runs) / "mosi" / "artifacts", "modality_over_seed")
    if over is not None:
        found["holds"] = _beyond_retraining(over)
    base = _rows(runs, "empspeech", "recording_baseline")
    if len(base):
        row = base.iloc[0]
        ends = f"[{100 * row['ci_low']:.0f}, {100 * row['ci_high']:.0f}]"
        found["split"] = (
            f"On EMPSPEECH's released split, knowing only the recording is right on "
            f"{100 * row['accuracy']:.1f} % {ends} of test clips. The paper's best model: "
            f"{100 * _best():.0f} %."
        )
    found["placebo"] = _above_in_words(runs, contrast) or missing
    return {name: style.Sentence(text) for name, text in found.items()}

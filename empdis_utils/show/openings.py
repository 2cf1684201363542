"""The two sentences of result that open each chapter, made from its tables.

One function per chapter: tables in, a `style.Sentence` of two sentences out. The wording follows
the intervals, and what a corpus does not have is said, not left out. `pointed` sets what a figure
shows above it.
"""

import textwrap

import numpy as np

from empdis_utils.show import style
from empdis_utils.show.style import by_side, estimate_text

__all__ = [
    "acted", "answers", "channels_point", "choices", "conflict", "data", "disagreement",
    "encoders_point", "entropy", "entropy_point", "features", "flag_point", "fusion",
    "fusion_point", "human_study", "incongruence", "listed", "marker", "mismatch", "pointed",
    "prefix", "prefix_perplexity", "prefix_point", "recordings_point", "recovery",
    "recovery_point", "replication", "sarcasm", "seeds_point", "simulation", "speaker",
    "specification", "split", "split_point", "unimodal", "uses", "uses_point", "verdict",
    "votes", "words",
]  # fmt: skip

DIVIDED = "red+green - blue+yellow"
SAME = "same model"  # as `controls.placebo` names it; this module is imported by every chapter
PARTS = {"audio": "the voice", "video": "the face"}
EXCESS = ("excess", "excess_low", "excess_high")


def pointed(fig, point):
    """Set a sentence above a figure, broken to its width. Returns None."""
    lines = textwrap.fill(point, int(fig.get_figwidth() * 11))
    fig.suptitle(lines, x=0.02, y=1.02, ha="left", va="bottom", fontsize=11)


def listed(parts):
    """``a``, ``a and b``, ``a, b and c``."""
    parts = [str(part) for part in parts]
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _says(first, second):
    return style.Sentence(f"{first[0].upper()}{first[1:]} {second[0].upper()}{second[1:]}")


def _ends(row, value, low="ci_low", high="ci_high"):
    """A row whose interval has the usual names, with what `estimate_text` takes."""
    reason = row.get("reason", "") or row.get("note", "") or "no interval"
    return {value: row[value], "ci_low": row[low], "ci_high": row[high], "reason": reason}


def _over(row, value, by):
    """The row with the interval of `value` minus the number `by`, for `by_side`."""
    return {"ci_low": row["ci_low"] - by, "ci_high": row["ci_high"] - by}


def _sorted(rows, name, value, ends=("ci_low", "ci_high"), digits=2):
    """Rows by the side of 0 that their interval is on: lists of ``text (0.1 […])``."""
    sides = {"below": [], "holds": [], "above": []}
    for row in rows.to_dict("records"):
        known = _ends(row, value, *ends)
        sides[by_side(known, "below", "holds", "above")].append(
            f"{row[name]} ({estimate_text(known, value, digits)})"
        )
    return sides


# ---- the data and its models -------------------------------------------------------------------


def data(manifest, audit, leak) -> style.Sentence:
    """Chapter 01: what there is, and what its split gives away.

    `manifest`; `audit`: of `splits.audit`; `leak`: of `scores.feature_leak`, or no rows.
    """
    n, labels = len(manifest), manifest.groupby("y")["label"].first()
    made = f"{n:,} clips of {manifest['dialog_id'].nunique():,} recordings"
    alone = manifest["dialog_id"].is_unique
    if alone:
        made = f"{n:,} clips, each taken as a recording of its own since none are named"
    if len(labels) == 2:
        first = f"{made}: {(manifest['y'] == 1).mean():.0%} are labelled {labels.iloc[1]}."
    else:
        first = f"{made}, of {len(labels)} labels."
    asked = audit[(audit["check"] == "clips_of_shared_recordings") & (audit["split_a"] == "train")]
    asked = asked[asked["split_b"] == "test"]
    clips = audit[(audit["check"] == "clips") & (audit["split_a"] == "test")]["n"].sum()
    shared = int(asked["n"].sum())
    if not len(asked):
        second = "no train and test split was released, so nothing can leak from one to the other"
    elif alone:
        second = "whether test clips share recordings with train cannot be told"
    elif shared == clips:
        second = (
            f"every one of the {clips} test clips comes from a recording that is in train, too: "
            "recognising the recording can pass for understanding"
        )
    elif shared:
        second = f"{shared} of the {clips} test clips come from recordings that are in train, too"
    else:
        second = f"no test clip (of {clips}) comes from a recording that is in train"
    return _says(first, f"{second}{_leak(leak)}.")


def _leak(leak):
    """A clause on published features whose scores differ by split far beyond their intervals."""
    value, found = "accuracy, held out by recording", []
    for modality, rows in leak.groupby("modality", sort=False) if len(leak) else ():
        high, low = rows.loc[rows[value].idxmax()], rows.loc[rows[value].idxmin()]
        wide = (rows["ci_high"] - rows["ci_low"]).sum()
        if high[value] - low[value] > wide:
            found.append(
                f"{modality} features score {estimate_text(high, value)} on "
                f"{high['released split']} and {estimate_text(low, value)} on "
                f"{low['released split']}"
            )
    if not found:
        return ""
    return f"; but with whole recordings held out, {', and '.join(found)}, so they have seen labels"


def recordings_point(manifest) -> str:
    """What the figure of recordings shows: how many have one label only."""
    pure = manifest.groupby("dialog_id")["y"].nunique() == 1
    if manifest["dialog_id"].is_unique:
        return "No recordings are known: each clip is its own"
    return f"In {pure.sum() or 'none'} of {len(pure)} recordings every clip has the same label"


def unimodal(alone, accuracy, above) -> style.Sentence:
    """Chapter 02: encoders beside the recording alone, and with recordings held out.

    `alone`: of `comparisons.recording_alone`; `accuracy`: of `comparisons.beside_paper`; `above`:
    of `comparisons.above_recording`, or no rows.
    """
    base = alone.iloc[0]
    first = "what the recording alone would score cannot be told: no split was released."
    if base["n"]:
        first = (
            "on the released split, knowing only which recording a clip comes from is right on "
            f"{estimate_text(base, 'accuracy')} of {base['n']:.0f} test clips"
        )
        first += "; no encoder was trained on that split here."
    if base["n"] and len(above):
        released = accuracy[accuracy["protocol"] == "release"].set_index("encoder")["accuracy"]
        best = released.idxmax()
        gap = above.set_index("encoder").loc[best]
        words = ("less than that", "not shown to be more than that", "more than that")
        which = f"the best of {len(released)} encoders ({best})" if len(released) > 1 else best
        first = first.partition(";")[0] + (
            f"; {which} is right on {released[best]:.2f}, {by_side(gap, *words)} "
            f"(difference {estimate_text(gap, 'difference')})."
        )
    held = accuracy[accuracy["protocol"] == "crossfit"]
    if not len(held):
        return _says(first, "no model was trained with whole recordings held out.")
    held = held.loc[held.groupby("modality", sort=False)["accuracy"].idxmax()]
    majority = held["majority class"].iloc[0]
    held = held.assign(low=held["ci_low"] - majority, high=held["ci_high"] - majority)
    told = {"above": [], "not shown to be above": [], "below": []}
    for row in held.to_dict("records"):
        side = {"ci_low": row["low"], "ci_high": row["high"]}
        told[by_side(side, "below", "not shown to be above", "above")].append(
            f"{row['modality']} ({row['encoder']}, {estimate_text(row, 'accuracy')})"
        )
    return _says(
        first,
        f"with whole recordings held out, the best model of {_by_side_of(told)} the larger class "
        f"({majority:.2f}).",
    )


def encoders_point(above) -> str:
    """What the figure of encoders shows on the released split; empty without that split."""
    if not len(above):
        return ""
    beat = (above["ci_low"] > 0).sum()
    verb = "is" if beat <= 1 else "are"
    return f"{beat or 'None'} of {len(above)} encoders {verb} shown to beat the recording alone"


def _by_side_of(told):
    """``text (0.8) and audio (0.7) is above, video (0.5) is not shown to be above``."""
    return ", and that of ".join(f"{listed(v)} is {k}" for k, v in told.items() if v)


WON = ("less often than", "no more often, as far as can be told, than", "more often than")


def fusion(accuracy, best, gap, values, held_out=True) -> style.Sentence:
    """Chapter 03: fusion beside the best single modality, and what each modality adds.

    `accuracy`: of `scores.score_table`, rows from few modalities to all; `best`: the modality that
    validation clips choose; `gap`: Interval of fusion minus it; `values`: of `scores.shapley_table`
    with ``retrained_accuracy``; `held_out`: were whole recordings held out?
    """
    full = accuracy.iloc[-1]
    clips = f"{full['n']:.0f} {'clips of held-out recordings' if held_out else 'test clips'}"
    if "+" not in full["inputs"]:
        return _says(
            f"{full['inputs']} alone is right on {estimate_text(full, 'accuracy')} of {clips}.",
            "with one modality there is nothing to fuse.",
        )
    one = accuracy.set_index("inputs").loc[best]
    gap = gap._asdict()
    sides = _sorted(
        values, "modality", "retrained_accuracy",
        ("retrained_accuracy_low", "retrained_accuracy_high"), 3,
    )  # fmt: skip
    told = [f"{listed(sides['above'])} add to its accuracy"] * bool(sides["above"])
    told += [f"no gain is shown for {listed(sides['holds'])}"] * bool(sides["holds"])
    told += [f"{listed(sides['below'])} take from it"] * bool(sides["below"])
    if len(sides["above"]) == 1:
        told[0] = told[0].replace(" add to", " adds to")
    return _says(
        f"fusion of {listed(full['inputs'].split('+'))} is right on "
        f"{estimate_text(full, 'accuracy')} of {clips}, {by_side(gap, *WON)} {best} alone "
        f"({estimate_text(one, 'accuracy')}; difference {estimate_text(gap)}).",
        f"over all orders of adding a modality, {'; '.join(told)}.",
    )


def fusion_point(best, gap) -> str:
    """What the figure of accuracies shows."""
    said = ("Fusion is right less often than", "Fusion is not shown to beat", "Fusion beats")
    return f"{by_side(gap._asdict(), *said)} {best} alone"


# ---- quadrants ---------------------------------------------------------------------------------


def disagreement(both, rates, stability) -> style.Sentence:
    """Chapter 04: disagreement beyond the seed, and how many red and green clips a seed moves.

    `both`: rows of `modality_over_seed` with baseline "both"; `rates`: of `placebo.rates`;
    `stability`: of `disagreement.stability`.
    """
    shares = listed(f"{r.modality} on {r.modality_rate:.2f}" for r in both.itertuples())
    first = f"of all clips, fusion gives another label than {shares}"
    own = rates[rates["placebo"] == SAME] if len(rates) else rates
    if not len(own) or own["excess"].isna().all():
        return _says(
            f"{first}.",
            "one seed was trained, so how much of that is the seed's, and which red and green "
            "clips another seed would move, cannot be told.",
        )
    sides = _sorted(own, "modality", "excess", EXCESS[1:], 3)
    same = sides["holds"] + sides["below"]
    more = [f"that is more than retraining the same model shows for {listed(sides['above'])}"]
    more = more * bool(sides["above"])
    more += [f"it is not shown to be more than retraining for {listed(same)}"] * bool(same)
    parts = stability[stability["quadrant"].isin(["red", "green"])]
    moved = parts.groupby("modality", sort=False)[["n_changed", "n"]].sum()
    told = [
        f"{'all' if r.n_changed == r.n else f'{r.n_changed:.0f} of'} {r.n:.0f} for {r.Index}"
        for r in moved[moved["n"] > 0].itertuples()
    ]
    second = "no clip is red or green."
    if told:
        second = f"of the red and green clips, another seed moves {listed(told)}."
    return _says(f"{first}; {'; '.join(more)}.", second)


def seeds_point(both) -> str:
    """What the figure of disagreement beside retraining shows; the ratio's interval against 1."""
    if both["ratio"].isna().all():
        return "One seed: how much of this is seed noise cannot be told"
    more = both[both["ci_low"] > 1]["modality"]
    if not len(more):
        return "No modality is shown to differ from fusion more than retrained copies differ"
    verb = "differs" if len(more) == 1 else "differ"
    rest = both[~(both["ci_low"] > 1)]["modality"]
    also = f"; not shown for {listed(rest)}" if len(rest) else ""
    return f"{listed(more)} {verb} from fusion more than retraining does{also}".capitalize()


def features(tests, beside) -> style.Sentence:
    """Chapter 05: what differs between quadrants, and the paper's differences.

    `tests`: of `inference.compare_groups` with ``family``; `beside`: of `paper.features.beside`.
    """
    tested = tests[tests["p_permutation"].notna()]
    if not len(tested):
        first = "no quadrant has enough clips of this corpus for any test of its features."
    else:
        plain, left = (tested["p"] < 0.05).sum(), tested[tested["p_holm"] < 0.05]
        first = (
            f"of {len(tested)} comparisons of quadrants by {listed(tested['family'].unique())} "
            f"features, {plain} have a plain p below 0.05, and "
        )
        first += "none is left when clips are shuffled inside recordings and labels and corrected."
        if len(left):
            names = left.sort_values("p_permutation")
            names = (
                names["feature"].str.replace("_", " ")
                + " ("
                + names["contrast"].str.replace("-", " against ")
                + ")"
            )
            more = f", first of all {listed(names[:3])}"
            first = first.replace("none is left", f"{len(left)} are left{more},")
            first = first.replace("1 are left", "1 is left") if len(left) == 1 else first
    significant = beside[beside["p of the paper"] < 0.05] if len(beside) else beside
    checked = significant[significant["p_permutation"].notna()] if len(beside) else beside
    if not len(checked):
        second = (
            "none of the paper's differences could be tested: the corpus lacks its features, or "
            "its quadrants are too small."
        )
    else:
        same = int(checked["same direction"].fillna(False).astype(bool).sum())
        second = (
            f"of {len(significant)} differences with p below 0.05 in the paper, {len(checked)} "
            f"could be tested: {same} point the same way here, and "
            f"{int((checked['p_holm'] < 0.05).sum())} stay below 0.05 after correction."
        )
    return _says(first, second)


MEASURED = {
    "margin_text_model": "the model's own boundary",
    "margin_linear": "a linear boundary",
}


def words(tests) -> style.Sentence:
    """Chapter 05, words: does red lie nearer to a boundary than blue, green than yellow?

    `tests`: of `inference.compare_groups` over the text geometry; no rows without embeddings.
    """
    if not len(tests):
        return _says(
            "this run has no text embeddings.", "so where red and green clips lie cannot be told."
        )
    told = []
    for one, other, when in (("red", "blue", "right"), ("green", "yellow", "wrong")):
        pair = tests[tests["contrast"] == f"{one}-{other}"].set_index("feature")
        said = []
        for name, called in MEASURED.items():
            if name in pair.index:
                row = _ends(pair.loc[name], "hedges_g")
                side = by_side(
                    row, "lie nearer to", "are not shown to lie nearer to", "lie farther from"
                )
                known = np.isfinite(row["hedges_g"])
                text = estimate_text(row, "hedges_g") if known else row["reason"]
                said.append(f"{side} {called} (Hedges g {text})")
        if not said:
            said = ["could not be tested"]
        told.append(
            f"where the text model is {when}, {one} clips {listed(said)}, set beside {other} ones."
        )
    return _says(*told)


def entropy(above, risk) -> style.Sentence:
    """Chapter 06: entropy above the placebo, and what disagreement adds as a flag of errors.

    `above`: of `placebo.gaps`, no rows with one seed; `risk`: of `selective_prediction`.
    """
    own = (
        above[(above["contrast"] == DIVIDED) & (above["modality"] != "all")]
        if len(above)
        else above
    )
    own = own[(own["placebo"] == SAME) & own["excess"].notna()] if len(own) else own
    first = "with one seed there is no placebo, so more entropy in red and green says nothing yet."
    if not len(own) and len(above):
        first = "red and green hold too few clips to set their entropy beside a placebo."
    if len(own):
        sides = _sorted(own, "modality", "excess", EXCESS[1:], 3)
        words = {
            "above": "hold more entropy",
            "holds": "are not shown to hold more entropy",
            "below": "hold less entropy",
        }
        told = [f"{words[k]} for {listed(v)}" for k, v in reversed(sides.items()) if v]
        first = (
            "beside quadrants that the same model draws when it is trained again, red and green "
            f"{', '.join(told)}, in nats."
        )
    rows = risk.set_index("flag")
    base, flag = rows.loc["entropy"], rows.loc["number of disagreeing modalities"]
    known = _ends(flag, "difference", "difference_low", "difference_high")
    side = by_side(known, "better than", "not shown to differ from", "worse than")
    second = (
        f"as a flag of errors, disagreement is {side} plain entropy: area under risk and coverage "
        f"{flag['aurc']:.3f} against {base['aurc']:.3f}, where less is better (difference "
        f"{estimate_text(known, 'difference', 3)})."
    )
    return _says(first, second)


def entropy_point(above) -> str:
    """What the figure of entropy beside its placebo shows."""
    own = above[(above["contrast"] == DIVIDED) & (above["placebo"] == SAME)]
    own = own[own["modality"] != "all"]
    more = own[own["excess_low"] > 0]["modality"]
    which = f"Only {listed(more)} shows" if len(more) == 1 else f"{listed(more)} show".capitalize()
    if not len(more):
        which = "No modality shows"
    return f"{which} more entropy in red and green than retraining the same model"


def flag_point(risk) -> str:
    """What the figure of risk against coverage shows."""
    flag = risk.set_index("flag").loc["number of disagreeing modalities"]
    known = _ends(flag, "difference", "difference_low", "difference_high")
    side = by_side(
        known, "finds errors better than", "is not shown to differ from", "finds errors worse than"
    )
    return f"Disagreement {side} plain entropy"


# ---- people ------------------------------------------------------------------------------------


def human_study(delta, contrasts, n_people) -> style.Sentence:
    """Chapter 07: does agreement fall where models disagree? `n_people` under 2: simulated.

    `delta`: of `delta_between_rounds` by quadrant; `contrasts`: of `kappa_contrasts`, or no rows.
    """
    rows = delta[delta["subset"] == "all"].sort_values(
        "quadrant", key=lambda names: names.map(["red", "green", "blue", "yellow"].index)
    )
    changes = listed(f"{r['quadrant']} {estimate_text(r, 'delta')}" for _, r in rows.iterrows())
    text = f"from one modality to all, kappa of {n_people} people changes by {changes}."
    if n_people < 2:
        text = (
            "the annotators of this page are simulated, so it shows the method and nothing about "
            f"people: their kappa changes from one modality to all by {changes}."
        )
    asked = contrasts[contrasts["subset"] == "all"] if len(contrasts) else contrasts
    asked = asked.set_index("comparison") if len(asked) else asked
    name = "change: red+green minus blue+yellow"
    if name not in asked.index or not np.isfinite(asked.loc[name, "estimate"]):
        return _says(text, "whether it falls in red and green more than elsewhere cannot be told.")
    row = asked.loc[name]
    does = by_side(row, "falls more", "is not shown to fall more", "rises more")
    return _says(
        text,
        f"agreement {does} in red and green than in blue and yellow (difference of the changes "
        f"{estimate_text(row)}).",
    )


def votes(delta, twice) -> style.Sentence:
    """Chapter 07, votes: agreement from one channel to both, and red and green above the placebo.

    `delta`: of `votes.changes`; `twice`: of `placebo.gaps` over halves of votes.
    """
    six = delta[delta["answers"] == delta["answers"].iloc[0]].assign(
        one=delta["from"].map(PARTS).fillna(delta["from"])
    )
    sides = _sorted(six, "one", "estimate")
    told = [f"more than on {listed(sides['above'])} alone"] * bool(sides["above"])
    told += [f"no more, as far as can be told, than on {listed(sides['holds'])} alone"] * bool(
        sides["holds"]
    )
    told += [f"less than on {listed(sides['below'])} alone"] * bool(sides["below"])
    first = f"shown both signals, people agree {', and '.join(told)} (change of Fleiss' kappa)."
    own = twice[(twice["contrast"] == DIVIDED) & (twice["modality"] != "all")]
    own = own[own["excess"].notna()]
    if not len(own):
        return _says(first, "red and green hold too few clips for a placebo.")
    sides = _sorted(
        own.assign(one=own["modality"].map(PARTS).fillna(own["modality"])), "one", "excess",
        EXCESS[1:],
    )  # fmt: skip
    words = {"above": "more", "holds": "no more, as far as can be told,", "below": "less"}
    told = [f"{words[k]} divided (from {listed(v)})" for k, v in reversed(sides.items()) if v]
    return _says(
        first,
        f"clips that votes make red or green are {', and '.join(told)} than quadrants drawn twice "
        "from the same answers, in nats.",
    )


# ---- what holds it up --------------------------------------------------------------------------

ONLY = "recording only"


def split(right, accuracy, gains, majority) -> style.Sentence:
    """Chapter 08, split: the recording alone, and the best model with recordings held out.

    `right`: Interval of the recording-only baseline on the released test clips, or None;
    `accuracy`, `gains`: of `split.accuracies` and `split.gains`; `majority`: share of the larger
    class.
    """
    at = accuracy.set_index(["features", "folds"])
    if right is None:
        row = at.loc[(ONLY, "random")]
        first = (
            "no split was released; with random folds, the recording alone is right on "
            f"{estimate_text(row, 'accuracy')} of {row['n']:.0f} clips."
        )
    else:
        first = (
            "knowing only which recording a clip comes from is right on "
            f"{right.estimate * right.n:.0f} of {right.n} released test clips, "
            f"{estimate_text(right._asdict())}."
        )
    names = [name for name in gains["features"] if name != ONLY]
    if not names:
        return _says(first, "this corpus has no words or features to set beside that.")
    best = max(names, key=lambda name: at.loc[(name, "random"), "accuracy"])
    lost = gains.set_index("features").loc[best]
    held = at.loc[(best, "grouped")]
    does = by_side(lost, "gains", "is not shown to lose", "loses")
    where = by_side(_over(held, "accuracy", majority), "below", "not shown to be above", "above")
    return _says(
        first,
        f"hold whole recordings out and the best other model ({best}) {does} accuracy, from "
        f"{at.loc[(best, 'random'), 'accuracy']:.2f} to {estimate_text(held, 'accuracy')} (lost: "
        f"{estimate_text(lost, 'random minus grouped', 3)}), {where} the larger class "
        f"({majority:.2f}).",
    )


def split_point(gains) -> str:
    """What the figure of both ways to split shows."""
    lost = gains[(gains["ci_low"] > 0) & (gains["features"] != ONLY)]
    rest = (gains["features"] != ONLY).sum()
    return f"{len(lost) or 'None'} of {rest} models lose accuracy when recordings are held out"


def choices(effects, start) -> style.Sentence:
    """Chapter 08, choices: how many shifts leave out 0, and the largest. `start`: unchanged row."""
    shifts = effects[effects["shift"].notna() & (effects["choice"] != start)]
    if not len(shifts):
        return _says("this run has no choice to change.", "so nothing can be said of their weight.")
    moved = (shifts["shift_low"] > 0) | (shifts["shift_high"] < 0)
    fused = effects[effects["number"] == "accuracy of fusion"]["value"]
    top = shifts.loc[shifts["shift"].abs().idxmax()]
    known = _ends(top, "shift", "shift_low", "shift_high")
    return _says(
        f"changing one choice at a time moves {moved.sum()} of {len(shifts)} numbers beyond 0, "
        "where chance alone moves one in twenty; accuracy of fusion runs from "
        f"{fused.min():.2f} to {fused.max():.2f}.",
        f'the largest shift is "{top["choice"]}" on {top["number"]}: '
        f"{estimate_text(known, 'shift')}.",
    )


def specification(found, result, null_median) -> style.Sentence:
    """Chapter 08, specification: how many of the paper's directions hold over all paths.

    `found`: array [specifications, directions]; `result`: of `specification.summary`;
    `null_median`: directions that hold in the median path where nothing is true.
    """
    count = (found > 0).sum(axis=1)
    shares = result.set_index("direction")["holds"].drop("all")
    all_of = int((count == len(shares)).sum())

    def names(kept):
        return listed(f"{name} ({value:.0%})" for name, value in kept.items()) or "none"

    return _says(
        f"of {len(count)} ways to make the paper's choices, {all_of or 'none'} show"
        f"{'s' if all_of == 1 else ''} all {len(shares)} of its directions; the median one shows "
        f"{np.median(count):g}, where {null_median:g} would show if nothing were true.",
        f"in more than nine of ten ways: {names(shares[shares > 0.9])}; in fewer than half: "
        f"{names(shares[shares < 0.5])}.",
    )


def replication(n_table_2, n_test, needed, held, pairs, z) -> style.Sentence:
    """Chapter 08, replication: what the printed numbers imply.

    `n_table_2`: smallest number of clips that fits Table 2; `n_test`: released test clips;
    `needed`: red and green clips that Table 10 needs; `held`: how many the test split holds, and
    about how many with validation; `pairs`: of `printed.model_pairs`; `z`: of Table 6's contrast.
    """
    fits = "the released test split" if n_table_2 == n_test else f"not the test split's {n_test}"
    reach = "does" if held[0] >= needed else "does not"
    told = (pairs["told apart"] == "yes").sum()
    low, high = min(z), max(z)
    stands = (
        "stands out of noise" if low > 1.96 else
        "stays within noise" if high < 1.96 else "stands out of noise or not, by what is assumed"
    )  # fmt: skip
    return _says(
        f"Table 2 fits {n_table_2} clips, {fits}, while Table 10 needs at least {needed} red and "
        f"green clips, which that split {reach} hold ({held[0]}; with validation about "
        f"{held[1]:.0f}).",
        f"of {len(pairs)} pairs of models in Table 1, {told} can be told apart at any rate of "
        f"disagreement in Table 2, and the paper's contrast of kappas {stands} (z from {low:.1f} "
        f"to {high:.1f}).",
    )


# ---- conflict ----------------------------------------------------------------------------------

FOUND = {
    "a conflict was planted": "planted conflicts",
    "fusion is wrong": "errors of fusion",
    "people are divided on the full clip": "clips on which people are divided",
}


def conflict(often, found, case, matched) -> style.Sentence:
    """Chapter 09, opposition: how often, beside placebos, and what it adds to uncertainty.

    `often`, `found`: of `conflict.opposed` and `conflict.ranking`; `case`: the modality shown;
    `matched`: the score that has as many trainings or votes as the placebos.
    """
    shares = often[often["case"] == case].set_index("score")
    apart = [
        f"{estimate_text(row, 'opposed')} ({name.split(': ')[1]})"
        for name, row in shares.iterrows()
        if name.startswith("placebo")
    ]
    beside = listed(apart) or "none that could be drawn"
    first = (
        f"opposition ({case}) is above 0 on a share of "
        f"{estimate_text(shares.loc[matched], 'opposed')} of {shares['n'].iloc[0]:.0f} clips; on "
        f"placebos that hold one modality only, {beside}."
    )
    told = []
    for what, part in found[found["case"] == case].groupby("to find", sort=False):
        part = part.set_index("score")
        adds = part.loc["both - uncertainty"]
        told.append(
            f"{FOUND.get(what, what)} it finds with AUROC "
            f"{estimate_text(part.loc['opposition'], 'auroc')}, uncertainty with "
            f"{estimate_text(part.loc['uncertainty'], 'auroc')}; adding it to uncertainty "
            f"{by_side(adds, 'loses', 'is not shown to gain', 'gains')} "
            f"({estimate_text(adds, 'auroc', 3)})"
        )
    return _says(first, f"{'; '.join(told) or 'nothing could be ranked by it'}.")


def recovery(found, gains, precise) -> style.Sentence:
    """Chapter 09, recovery: what the flag and opposition find of planted conflicts.

    `found`, `gains`, `precise`: of `recovery.aurocs` and `recovery.precision`.
    """
    at, gain = (table.set_index(["modality", "score"]) for table in (found, gains))
    flag, over = at.loc[("any", "red or green")], gain.loc[("any", "red or green - entropy")]
    text = precise.set_index(["modality", "score"]).loc[("text", "red or green")]
    side = by_side(over, "less than", "not shown to be more than", "more than")
    mine, more = at.loc[("any", "opposition")], gain.loc[("any", "opposition - red or green")]
    beats = by_side(more, "less than", "not shown to be more than", "more than")
    return _says(
        f"on synthetic clips with planted conflicts, red or green finds them with AUROC "
        f"{estimate_text(flag, 'auroc')}, {side} plain entropy of fusion (gain "
        f"{estimate_text(over, 'difference')}), and {estimate_text(text, 'precision')} of the text "
        "clips it flags hold a text conflict.",
        f"opposition, which sets each modality against the others, reaches "
        f"{estimate_text(mine, 'auroc')}, {beats} the flag ({estimate_text(more, 'difference')}).",
    )


def recovery_point(gains) -> str:
    """What the figure of scores shows."""
    more = gains.set_index(["modality", "score"]).loc[("any", "opposition - red or green")]
    side = by_side(more, "finds fewer", "is not shown to find more", "finds more")
    return f"Opposition {side} of the planted conflicts than the paper's flag"


def simulation(better, alarms, stable, need_gain, need_flag) -> style.Sentence:
    """Chapter 09, many draws: would another corpus say the same?

    `better`: gain of opposition in each draw; `alarms`: row of `simulation.false_alarms`; `stable`:
    of `simulation.stability`; `need_gain`, `need_flag`: of `simulation.recordings_needed`.
    """
    same = int((stable["same"] >= 0.9).sum())
    return _says(
        f"on {len(better)} fresh synthetic draws, opposition finds conflicts better than the share "
        f"of seeds in red or green by {better.mean():.2f} on average, and in "
        f"{(better > 0).mean():.0%} of draws; {same} of {len(stable)} verdicts are the same in at "
        "least nine of ten pairs of draws.",
        f"with no conflict planted its interval leaves out chance in {alarms['false alarms']:.0%} "
        f"[{alarms['ci_low']:.0%}, {alarms['ci_high']:.0%}] of draws (promised: 5 %); to show that "
        f"opposition beats the flag takes {need_gain}, that the flag beats entropy {need_flag}.",
    )


# ---- other corpora -----------------------------------------------------------------------------


def acted(result, by_threshold) -> style.Sentence:
    """Chapter 11: do voice features move as they should? No rows: no clips.

    `result`: of `acted.directions`; `by_threshold`: rate by threshold of silence.
    """
    if not len(result):
        return _says(
            "no angry and calm clips of RAVDESS are here.", "so no voice feature could be checked."
        )
    known = result[result["as expected"].notna()]
    every = known[known["as expected"] == known["pairs"]]["feature"].str.replace("_", " ")
    rest = known[known["as expected"] < known["pairs"]]
    told = [
        f"{row['feature'].replace('_', ' ')} in {row['as expected']}"
        for row in rest.to_dict("records")
    ]
    least, most = by_threshold["as expected"].min(), by_threshold["as expected"].max()
    n = known["pairs"].max()
    first = f"from calm to angry, {listed(every) or 'no feature'} rises in all {n} pairs of clips"
    first = first.replace(" rises", " rise") if len(every) > 1 else first
    first += f"; {listed(told)} of them." if told else "."
    return _says(
        first,
        f"speaking rate rises in {least} to {most} of {n} pairs as the threshold of silence moves, "
        "a setting that papers seldom report."
        if least < most
        else f"speaking rate rises in {least} of {n} pairs at every threshold of silence.",
    )


def speaker(apart, taken) -> style.Sentence:
    """Chapter 12, who speaks: does the heuristic tell a mouth's own sound? No rows: no clips.

    `apart`: of `speakers.separations`; `taken`: of `speakers.accepted`.
    """
    if not len(apart):
        return _says(
            "no clips could be measured here.", "so the heuristic for who speaks was not tested."
        )
    rows, own = apart.set_index("control"), taken.set_index("source").loc["own"]
    other, shifted = rows.loc["another clip's"], rows.loc["shifted"]
    worse, same, better = "worse than", "no better, as far as can be told, than", "better than"
    told, turned = (
        by_side(_over(row, "estimate", 0.5), worse, same, better) for row in (other, shifted)
    )
    alone = ", so a shift alone is not diagnostic" if turned == better != told else ""
    return _says(
        f"the heuristic tells a mouth's own sound from another clip's {told} chance: "
        f"AUROC {estimate_text(other)}, {other['n_recordings']} people.",
        f"from its own sound shifted it tells it {turned} chance, {estimate_text(shifted)}{alone}; "
        f"it names the only speaker in {own['taken']} of {own['n']} clips, which are few.",
    )


def incongruence(rates, weight, names, divides) -> style.Sentence:
    """Chapter 12, channels: do two channels differ more than halves of one, and which wins?

    `rates`: of `incongruence.rates`; `weight`: first row of `winning.channel_weight`; `names`: of
    the two channels; `divides`: of `dividing.sentence`.
    """
    one, two = names
    rows = rates[rates["number"] == "majority"].set_index("compared")
    halves = [rows.loc[f"two halves of {name}"] for name in names]
    fair = rows.loc[f"{one} against {two}, half the votes of each"]
    whole = rows.loc[f"{one} against {two}"]
    if np.isfinite(fair["estimate"]):
        null = listed(f"{estimate_text(h)} ({n})" for h, n in zip(halves, names, strict=True))
        first = (
            f"half of the people who got the {one} and half of those who got the {two} give "
            f"different majority answers on a share of {estimate_text(fair)} of "
            f"{fair['n']:.0f} clips; two halves of one channel on {null}."
        )
    else:
        first = (
            f"people who got the {one} and people who got the {two} give different majority "
            f"answers on a share of {estimate_text(whole)} of {whole['n']:.0f} clips; what halves "
            f"of one channel would do cannot be told ({fair['reason']})."
        )
    side = by_side(
        _over(weight, "estimate", 0.5),
        f"follow the {two} more",
        "lean to neither, as far as can be told",
        f"follow the {one} more",
    )
    if not np.isfinite(weight["estimate"]):
        return _says(first, f"which channel wins cannot be told ({weight['reason']}); {divides}")
    divides = divides[0].lower() + divides[1:]
    return _says(
        first, f"those who got both {side} (weight of the {one} {estimate_text(weight)}); {divides}"
    )


def channels_point(rates, names) -> str:
    """What the figure of majorities shows."""
    rows = rates[(rates["number"] == "majority") & rates["compared"].str.contains(" minus ")]
    one, two = names
    if not len(rows) or not np.isfinite(rows["ci_low"].iloc[0]):
        return f"How often the majorities of {one} and {two} differ"
    side = by_side(
        rows.iloc[0], "less often than", "as often, as far as can be told, as", "more often than"
    )
    return f"Majorities of {one} and {two} differ {side} those of two halves of the {one}"


def mismatch(found, first, second, n) -> style.Sentence:
    """Chapter 12, mismatch: does training on mismatch find more than scores that come for free?

    `found`: of `mismatch.compared`; `first`, `second`: the channels; `n`: clips.
    """
    rows = found.set_index("detector")
    gain = rows.loc["trained on incongruence - opposition"]
    side = by_side(gain, "less than", "no more, as far as can be told, than", "more than")
    trained, free = rows.loc["trained on incongruence"], rows.loc["opposition"]
    others = ("gap of probabilities", "a general model's doubt", "metadata only")
    told = [f"{name} {estimate_text(rows.loc[name])}" for name in others if name in rows.index]
    return _says(
        f"of {trained['n_mismatch']:.0f} mismatches of {first} and {second} among {n} clips, a "
        f"classifier trained on mismatch finds {side} opposition, which was never told what one is "
        f"(AUROC {estimate_text(trained)} against {estimate_text(free)}; difference "
        f"{estimate_text(gain)}).",
        f"beside these: {listed(told)}.",
    )


ACCURACY = "measure == 'choice accuracy'"
OTHER_PREFIXES = {
    "zero": "words alone",
    "shuffled": "another clip's prefix",
    "mean": "the mean prefix",
}


def prefix(found, gains, marked) -> style.Sentence:
    """Chapter 12, respond: does the prefix carry the cue, and does a marker of mismatch help?

    `found`: of `prefix.compared`. `gains`: of `prefix.differences`, each other prefix as `minus`.
    `marked`: the differences of `prefix.by_kind`.
    """
    at = found.query(ACCURACY).set_index("arm")
    told = [f"{said} {estimate_text(at.loc[arm])}" for arm, said in OTHER_PREFIXES.items()]
    return _says(
        f"with its own prefix the model picks the right line for {estimate_text(at.loc['true'])} "
        f"of held-out synthetic clips (one half is chance), with {listed(told)}: {verdict(found)}.",
        f"{marker(marked)}.",
    )


def answers(found, gains) -> style.Sentence:
    """Chapter 12, answers: does the prefix help a large model find the true next line?

    `found`, `gains`: as for `prefix`, of the arms that ran.
    """
    at = found.query(ACCURACY).set_index("arm")
    told = []
    for row in gains.query(ACCURACY).to_dict("records"):
        side = by_side(row, "fewer than", "not shown to be more than", "more than")
        told.append(f"{side} with {OTHER_PREFIXES[row['minus']]} ({estimate_text(row)})")
    return _says(
        f"with its own prefix the model finds the true next line likelier than another for "
        f"{estimate_text(at.loc['true'])} of held-out lines.",
        f"that is {listed(told)}.",
    )


def prefix_perplexity(gains) -> style.Sentence:
    """Whether the right line's perplexity falls with the own prefix, against zeros.

    `gains`: as for `prefix`.
    """
    row = gains.query("measure == 'perplexity' and minus == 'zero'").iloc[0]
    side = by_side(row, "is lower", "is not shown to be lower", "is higher")
    return style.Sentence(
        f"Perplexity of the right line {side} than with zeros ({estimate_text(row)}). It also "
        "counts how sure a model is, and how sure when it errs."
    )


def prefix_point(found) -> str:
    """What the figure of prefixes shows."""
    said = verdict(found)
    return said[0].upper() + said[1:]


def verdict(found) -> str:
    """What the prefixes say together: the controls that cannot know must stay at chance."""
    at = found.query(ACCURACY).set_index("arm")
    over = {arm: _over(row, "estimate", 0.5) for arm, row in at.iterrows()}
    if any(by_side(over[arm], False, False, True) for arm in OTHER_PREFIXES):
        return "not diagnostic, as a prefix that cannot know is above chance, too"
    return by_side(
        over["true"],
        "the mechanism fails, worse than chance",
        "that the prefix carries the cue is not shown",
        "the prefix carries the cue",
    )


def marker(gains) -> str:
    """Whether a marker of mismatch helps on clips whose words and face differ.

    `gains`: the differences of `prefix.by_kind`. A marker that tells the answer must help; else the
    model reads no markers, and nothing follows.
    """
    rows = gains.query(f"{ACCURACY} and kind == 'words and face differ'")
    rows = rows.set_index(["marker", "minus"])
    own, none, other = "the clip's own marker", "no marker", "another clip's marker"
    telling = rows.loc[("a marker that tells the answer", none)]
    if not by_side(telling, False, False, True):
        return (
            "whether a marker of mismatch helps cannot be told: even one that tells the answer is "
            f"not shown to help ({estimate_text(telling)})"
        )
    gain, over = rows.loc[(own, none)], rows.loc[(own, other)]
    side = by_side(gain, "hurts", "is not shown to help", "helps")
    return (
        f"where words and face contradict each other, telling the model so {side} (accuracy "
        f"{estimate_text(gain)} more; than another clip's marker: {estimate_text(over)})"
    )


def sarcasm(emotions, accuracy, gains) -> style.Sentence:
    """Chapter 12, sarcasm: a mismatch of emotions, and what words tell of it.

    `emotions`: share_interval per label; `accuracy`, `gains`: of `mismatch.held_out_accuracy` and
    `mismatch.lost_when_held_out`.
    """
    by, at = emotions.set_index("label"), accuracy.set_index(["features", "folds"])
    told = [f"{row['mismatches']} of {row['n']} {label} lines" for label, row in by.iterrows()]
    name = "words (TF-IDF)"
    lost = gains.set_index(["features", "against"]).loc[(name, "speakers")]
    does = by_side(lost, "gain", "are not shown to lose", "lose")
    random, held = at.loc[(name, "random")], at.loc[(name, "speakers")]
    alone = at.loc[("speaker only", "random")]
    return _says(
        f"the meant emotion differs from the shown one in {listed(told)}.",
        f"words alone tell sarcasm with accuracy {estimate_text(random)} on random lines, the "
        f"speaker's name alone with {estimate_text(alone)}; with whole speakers held out the words "
        f"{does} accuracy, and are at {estimate_text(held)} (lost: {estimate_text(lost)}).",
    )


def uses(gains, titles) -> style.Sentence:
    """Chapter 13: what disagreement is good for, beside simple baselines and its control.

    `gains`: of `controls.using.measured`; `titles`: use -> its title.
    """
    rows = gains[gains["primary"] & np.isfinite(gains["gain_low"])]
    if not len(rows):
        reasons = listed(sorted(set(gains["reason"]))) or "none was asked for"
        return _says("no use of disagreement could be measured here.", f"the reason: {reasons}.")
    names = rows["use"].map(titles).str.lower()

    def on(value, above=True):
        """How many rows have the interval of `value` on this side of 0, and which."""
        kept = rows[f"{value}_low"] > 0 if above else rows[f"{value}_high"] < 0
        return f"{kept.sum() or 'none'}{f' ({listed(names[kept])})' if kept.any() else ''}"

    n, one = len(rows), rows["note"].str.startswith("one modality").all()
    sides = "two readings of the words (this corpus has no other modality)" if one else "modalities"
    return _says(
        f"of {n} use{'s' * (n > 1)} measured here, disagreement between {sides} beats the "
        f"strongest simple baseline in {on('gain')}, and is worse in {on('gain', False)}.",
        "beside as many models of one kind, trained again, it does better in "
        f"{on('over_control')}, and worse in {on('over_control', False)}.",
    )


def uses_point(gains) -> str:
    """What the figure of gains shows: how many clear zero, and how many clear the control."""
    rows = gains[gains["primary"] & np.isfinite(gains["gain_low"])]
    good = (rows["verdict"] == "shown").sum()
    return f"Disagreement is shown to be worth its cost in {good or 'none'} of {len(rows)}"

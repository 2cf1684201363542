"""Annotators made by a known model, never evidence about people.

`simulate_pair` answers like two annotators of the human study. `simulate_nested` draws votes with a
known kappa, and `power_kappa_difference` uses it to say what a study of a given size can show.
"""

import numpy as np
import pandas as pd
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint

from empdis_utils.data.tables import MODALITIES
from empdis_utils.measures.agreement import JUDGMENTS, cohen_kappa_of_cells
from empdis_utils.people.files import COLUMNS

__all__ = [
    "NAMES", "agreeing_truth", "power_kappa_difference", "said", "simulate_nested", "simulate_pair",
]  # fmt: skip

NAMES = ("simulated-1", "simulated-2")


def said(known):
    """Sentences for a page with simulated annotators; `known`: does the corpus have a truth?"""
    text = (
        "The annotators are simulated. They follow the response model that "
        "people.simulated.simulate_pair documents. Nothing here is about people."
    )
    if known:
        return text
    return (
        f"{text} Nobody knows the cues of these clips, so every modality is taken to support the "
        "label: differences between quadrants are chance."
    )


def agreeing_truth(manifest, strength=0.5):
    """A truth table for clips whose cues nobody knows: every modality supports the label.

    `manifest`: clip_id, label. `strength` (float in [0, 1]): of every cue. Returns a table: as
    `simulate_pair` takes it. No clip has a conflict, so no quadrant differs by design.
    """
    cues = {f"{m}_cue": "supports" for m in MODALITIES}
    return manifest[["clip_id", "label"]].assign(
        **cues, **{f"{m}_strength": strength for m in MODALITIES}
    )


def simulate_pair(
    truth,
    sample=None,
    *,
    sensitivity=3.0,
    gain=1.5,
    conflict_cost=2.0,
    weights=((0.6, 0.2, 0.2), (0.2, 0.3, 0.5)),
    bias=(0.3, -0.3),
    lapse=0.05,
    reuse=0.7,
    annotators=NAMES,
    judgments=JUDGMENTS,
    seed=42,
):
    """Two simulated annotators, who see one modality and then all. No evidence about people.

    Parameters
    ----------
    truth : DataFrame
        The fixture's `truth.csv`: clip_id, label (one of `judgments`), and for m in text, audio,
        video: m_cue (``supports``, ``neutral``, ``contradicts`` the label), m_strength in [0, 1].
    sample : DataFrame, optional
        clip_id, modality: what is judged. Default: every clip in every modality.
    sensitivity : float
        Log-odds that a cue of strength 1 adds.
    gain : float
        Weight of all cues together over one cue alone.
    conflict_cost : float
        How much conflict between cues damps the log-odds.
    weights : two rows of three, each summing to 1
        How each annotator weighs text, audio, video when all are shown.
    bias : two floats
        Log-odds towards the last of `judgments`, per annotator.
    lapse : float in [0, 1]
        Share of answers that are a coin toss.
    reuse : float in [0, 1]
        Chance that the second answer reuses the first one's random draw, so that it only changes
        when the evidence does.
    annotators, judgments : pairs of str
    seed : int

    Returns
    -------
    DataFrame
        The table `annotations`; `shown` is the modality, then ``text+audio+video``. `at` counts
        invented seconds from a fixed moment. Same seed, same bytes, whatever the row order.

    Raises
    ------
    ValueError
        Unknown cues, labels or modalities, missing columns, a clip without truth.

    Notes
    -----
    Let c_m = m_strength × (+1, 0, -1) for a cue that supports, is neutral, contradicts. One cue:
    η = sensitivity · c_m. All: η = sensitivity · gain · Σ w_m c_m / (1 + conflict_cost · conflict),
    where conflict is the smaller of Σ max(c_m, 0) and Σ max(-c_m, 0). Then
    P(answer = label) = lapse / 2 + (1 - lapse) · logistic(η ± bias), with + when the label is the
    last judgment. The two annotators answer independently given the clip.
    """
    cues = {"supports": 1.0, "neutral": 0.0, "contradicts": -1.0}
    columns = ["clip_id", "label", *(f"{m}_{k}" for m in MODALITIES for k in ("cue", "strength"))]
    if missing := [c for c in columns if c not in truth]:
        raise ValueError(f"the truth table lacks the columns {missing}")
    if extra := set(truth["label"]) - set(judgments):
        raise ValueError(f"labels {sorted(extra)} are none of {list(judgments)}")
    if extra := {c for m in MODALITIES for c in truth[f"{m}_cue"]} - set(cues):
        raise ValueError(f"cues {sorted(extra)} are none of {sorted(cues)}")
    if sample is None:
        sample = truth[["clip_id"]].merge(pd.DataFrame({"modality": MODALITIES}), how="cross")
    if extra := set(sample["modality"]) - set(MODALITIES):
        raise ValueError(f"modalities {sorted(extra)} are none of {list(MODALITIES)}")
    if extra := set(sample["clip_id"]) - set(truth["clip_id"]):
        raise ValueError(f"no truth for {len(extra)} clips, the first {min(extra)!r}")
    items = sample[["clip_id", "modality"]].drop_duplicates()
    items = items.sort_values(["clip_id", "modality"]).merge(truth[columns], on="clip_id")
    signed = np.column_stack(
        [items[f"{m}_cue"].map(cues) * items[f"{m}_strength"] for m in MODALITIES]
    ).astype(float)
    seen = items["modality"].map({m: i for i, m in enumerate(MODALITIES)}).to_numpy()
    conflict = np.minimum(signed.clip(0).sum(axis=1), (-signed).clip(0).sum(axis=1))
    toward = np.where(items["label"] == judgments[-1], 1.0, -1.0)
    other = items["label"].map({judgments[0]: judgments[1], judgments[1]: judgments[0]})

    rng = np.random.default_rng(seed)
    parts = []
    for name, weight, lean in zip(annotators, weights, bias, strict=True):
        log_odds = {
            1: sensitivity * signed[np.arange(len(items)), seen],
            2: sensitivity * gain * (signed @ np.asarray(weight)) / (1 + conflict_cost * conflict),
        }
        first, fresh, again = rng.random((3, len(items)))
        draw = {1: first, 2: np.where(again < reuse, first, fresh)}
        seconds = rng.integers(4, 20, size=(2, len(items)))
        order = rng.permutation(len(items))
        elapsed = np.empty((2, len(items)), int)
        elapsed.T[order] = np.cumsum(seconds.T[order].ravel()).reshape(-1, 2)
        for turn in (1, 2):
            p = lapse / 2 + (1 - lapse) * special.expit(log_odds[turn] + lean * toward)
            at = pd.Timestamp("2000-01-01T00:00:00+00:00") + pd.to_timedelta(
                elapsed[turn - 1], unit="s"
            )
            parts.append(
                items[["clip_id", "modality"]].assign(
                    annotator=name,
                    round=turn,
                    judgment=np.where(draw[turn] < p, items["label"], other),
                    shown=items["modality"] if turn == 1 else "+".join(MODALITIES),
                    at=[t.isoformat() for t in at],
                )
            )
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["annotator", "at", "round"], ignore_index=True)[COLUMNS]


def simulate_nested(
    sizes, kappa, n_raters=2, prevalence=(0.5, 0.5), icc=0.05, n_sim=1, seed=42, latent=None
):
    """Simulated votes with a known kappa, clips nested in recordings.

    `sizes`: clips in each recording; their sum is n_clips. `kappa`: population value of Cohen's and
    Fleiss' kappa and of alpha, from `icc` to 1. `prevalence` (sequence of float [k]): mean share of
    each category; sums to 1. `icc`: how much the shares differ between recordings (correlation of
    answers within a recording). `n_sim`: independent data sets. `latent`: (shares, truth) of an
    earlier call, for a second round on the same clips. Returns `votes` (int array [n_sim, n_clips,
    n_raters]): category codes; `latent`: (shares [n_sim, n_clips, k], truth [n_sim, n_clips]).
    Raises ValueError: kappa outside [icc, 1].

    Recording g draws shares p_g from a Dirichlet with mean `prevalence` and intra-class correlation
    `icc`; clip i draws a latent category from p_g; a rater reports it with chance √ρ, else draws
    from p_g anew. Two answers then correlate ρ within a recording and ρ + (1 - ρ) icc overall,
    which is kappa: so ρ = (kappa - icc) / (1 - icc).
    """
    if not icc <= kappa <= 1:
        raise ValueError(f"kappa {kappa} must lie between icc {icc} and 1")
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)

    def draw(shares, extra=()):
        edges = np.cumsum(shares, axis=-1)[..., :-1]
        edges = edges.reshape(*edges.shape[:-1], *(1 for _ in extra), edges.shape[-1])
        return (rng.random((*shares.shape[:-1], *extra, 1)) > edges).sum(axis=-1)

    if latent is None:
        mass = np.asarray(prevalence, float) * (1 - icc) / icc
        shares = rng.dirichlet(mass, size=(n_sim, len(sizes)))[:, group]
        latent = shares, draw(shares)
    shares, truth = latent
    copies = rng.random((*truth.shape, n_raters)) < np.sqrt((kappa - icc) / (1 - icc))
    return np.where(copies, truth[..., None], draw(shares, (n_raters,))), latent


def power_kappa_difference(
    n_clips=51,
    differences=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    kappa=0.4,
    n_recordings=25,
    prevalence=0.5,
    icc=0.05,
    paired=False,
    level=0.05,
    n_sim=1000,
    seed=42,
):
    """Power to tell two kappas apart, by simulation.

    `n_clips`: per quadrant, 51 = 17 × 3 modalities, from `n_recordings` as evenly as can be.
    `differences`: true ones; the kappas are `kappa` ± half of it. `prevalence`: share of one of the
    two judgments. `icc`: as in `simulate_nested`. `paired`: two rounds on the same clips, else two
    quadrants of different clips. `level`: two-sided size of the test. Returns columns difference,
    kappa_1, kappa_2, n_clips, n_recordings, paired, sd (of the estimated difference), power with
    power_low and power_high (Wilson, simulation error only), n_sim (data sets in which both kappas
    were defined). At difference 0, power is the test's size. Raises ValueError: a kappa outside
    [icc, 1].

    The test: difference over its delete-one-recording jackknife error, against t with
    n_recordings - 1 degrees of freedom (twice as many when not paired). Annotators make fresh
    errors in each round; people who repeat themselves would make the paired design stronger.
    """
    sizes = np.full(n_recordings, n_clips // n_recordings)
    sizes[: n_clips % n_recordings] += 1
    sizes = sizes[sizes > 0]
    starts = np.cumsum(sizes) - sizes
    rows = []
    for i, gap in enumerate(differences):
        rng = np.random.default_rng([seed, i])
        total, left_out, latent = [], [], None
        for value in (kappa - gap / 2, kappa + gap / 2):
            votes, kept = simulate_nested(
                sizes, value, 2, (1 - prevalence, prevalence), icc, n_sim, rng, latent
            )
            latent = kept if paired else None
            cells = np.eye(4)[2 * votes[..., 0] + votes[..., 1]]
            sums = np.add.reduceat(cells, starts, axis=1).reshape(n_sim, len(sizes), 2, 2)
            total.append(cohen_kappa_of_cells(sums.sum(axis=1)))
            left_out.append(cohen_kappa_of_cells(sums.sum(axis=1, keepdims=True) - sums))
        delta = total[1] - total[0]
        if paired:
            parts = [left_out[1] - left_out[0] - delta[:, None]]
        else:
            parts = [one - whole[:, None] for one, whole in zip(left_out, total, strict=True)]
        size = len(sizes)
        error = np.sqrt(sum((size - 1) / size * np.nansum(p**2, axis=1) for p in parts))
        known = np.isfinite(delta)
        critical = stats.t.ppf(1 - level / 2, len(parts) * (size - 1))
        found = np.abs(delta[known]) > critical * error[known]
        low, high = proportion_confint(found.sum(), known.sum(), method="wilson")
        low, high = min(low, found.mean()), max(high, found.mean())  # rounding, at 0 and 1
        rows.append(
            {"difference": gap, "kappa_1": kappa - gap / 2, "kappa_2": kappa + gap / 2}
            | {"n_clips": n_clips, "n_recordings": size, "paired": paired}
            | {"sd": delta[known].std(ddof=1), "power": found.mean()}
            | {"power_low": low, "power_high": high, "n_sim": int(known.sum())}
        )
    return pd.DataFrame(rows)

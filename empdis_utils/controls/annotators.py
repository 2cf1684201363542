"""Where to spend annotators: which clip should be judged by one more person?

The votes of a crowd stand in for annotators. Of each clip, four votes on one channel alone, or two
and two on two channels, and one on the full clip are there; every further vote on the full clip is
bought. Half of the votes on the full clip are never for sale: they score what was bought.

All policies buy as many votes and read them in the same way. They differ in their *signal* u, what
they know of a clip; `WHO_SEES_WHAT` says which votes each reads. The next votes go where
u / (n (n + 1)) is largest, n being the votes bought on the full clip: by so much one more vote
lowers a variance of u / n (Neyman's allocation, greedily).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from joblib import delayed

from empdis_utils.controls.using import BASELINE, CONTROL, DISAGREEMENT
from empdis_utils.data.workers import parallel
from empdis_utils.measures.uncertainty import predictive_entropy

__all__ = [
    "MEASURES", "ROLES", "WHO_SEES_WHAT", "buy", "compare", "differ", "drawn", "posterior_entropy",
    "score", "signals",
]  # fmt: skip

WHO_SEES_WHAT = (
    "disagreement, its control and the margins know votes on single channels; entropy and the "
    "models of crowds see every vote so far"
)
FIRST = 2  # votes of each channel, or of each half of one, that are there from the start
HELD_SHARE = 0.5  # of the votes on the full clip, rounded down, is never for sale
ROLES = {
    "voice against face": DISAGREEMENT,
    "halves of voice": CONTROL,
    "halves of face": CONTROL,
    "random": BASELINE,
    "one each in turn": BASELINE,
    "vote entropy so far": BASELINE,
    "margin of voice": BASELINE,
    "margin of face": BASELINE,
    "Dawid-Skene posterior": BASELINE,
    "GLAD posterior at the start": BASELINE,
}
MEASURES = {"correct majority": "higher", "log loss": "lower"}


def _shares(counts, more=0.0) -> np.ndarray:
    """Shares of votes [..., k], with so many votes more for each answer."""
    counts = np.asarray(counts) + more
    return counts / counts.sum(axis=-1, keepdims=True)


def differ(first, second) -> np.ndarray:
    """Chance that a vote of the one side and one of the other differ, of counts [n, k] each.

    Examples
    --------
    >>> differ([[2, 0], [2, 0], [2, 0]], [[2, 0], [1, 1], [0, 2]]).tolist()
    [0.0, 0.5, 1.0]
    """
    return 1 - (_shares(first) * _shares(second)).sum(axis=-1)


def drawn(counts, rng) -> np.ndarray:
    """Votes in a random order: what they add up to after 0, 1, 2, … of them.

    `counts` (int array [n, k]): votes for each answer. Returns int array [n, most + 1, k], `most`
    the largest number of votes; after a clip's last vote nothing is added.
    """
    counts = np.asarray(counts)
    n, k = counts.shape
    size = counts.sum(axis=1)
    clip = np.repeat(np.arange(n), size)
    answer = np.repeat(np.tile(np.arange(k), n), counts.ravel())
    answer = answer[np.lexsort((rng.random(len(answer)), clip))]
    place = np.arange(len(clip)) - np.repeat(np.cumsum(size) - size, size)
    single = np.zeros((n, size.max(initial=0) + 1, k), int)
    single[clip, place + 1, answer] = 1
    return single.cumsum(axis=1)


def posterior_entropy(model, counts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Entropy [n] (nats) of what a model of crowds believes of each clip.

    `model`: of `crowdkit.aggregation`, with `fit_predict_proba`. `counts`: votes [n, k] of each
    kind of annotator. Nobody knows who gave which vote, so each kind (heard, saw, both) is one
    rater who answers several times, as a clinician of Dawid & Skene (1979, doi:10.2307/2346806).
    """
    parts = []
    for worker, table in counts.items():
        task, label = np.nonzero(table)
        again = table[task, label]
        rows = {"task": np.repeat(task, again), "label": np.repeat(label, again)}
        parts.append(pd.DataFrame(rows).assign(worker=worker))
    posterior = model.fit_predict_proba(pd.concat(parts, ignore_index=True))
    return predictive_entropy(posterior.sort_index().to_numpy())


def signals(voice, face, both, *, crowds=True) -> dict[str, Callable]:
    """The policies: each takes votes bought [n] and returns what it knows of each clip, u [n].

    `voice`, `face`, `both`: votes as `drawn`. `crowds`: fit models of crowds: Dawid and
    Skene's anew each time, GLAD once and with short M-steps, since it is slow.
    """
    n, pair = np.arange(len(both)), {"voice": voice[:, FIRST], "face": face[:, FIRST]}
    four = {"voice": voice[:, 2 * FIRST], "face": face[:, 2 * FIRST]}

    def fixed(u):
        return lambda bought: u

    def seen(bought):
        return pair | {"both": both[n, bought]}

    def margin(counts):
        top = np.sort(_shares(counts), axis=1)
        return 1 - (top[:, -1] - top[:, -2])

    found = {"voice against face": fixed(differ(*pair.values()))}
    for name in four:
        found[f"halves of {name}"] = fixed(differ(pair[name], four[name] - pair[name]))
    found["one each in turn"] = fixed(np.ones(len(both)))
    found["vote entropy so far"] = lambda bought: predictive_entropy(
        _shares(sum(seen(bought).values()))
    )
    for name in four:
        found[f"margin of {name}"] = fixed(margin(four[name]))
    if crowds:
        from crowdkit.aggregation import GLAD, DawidSkene  # slow to import

        found["Dawid-Skene posterior"] = lambda bought: posterior_entropy(
            DawidSkene(n_iter=20), seen(bought)
        )
        start = posterior_entropy(GLAD(m_step_max_iter=5), seen(np.ones(len(both), int)))
        found["GLAD posterior at the start"] = fixed(start)
    return found


def buy(signal, for_sale, *, n_rounds, batch, rng) -> np.ndarray:
    """Votes bought on the full clip, [n_rounds + 1, n]; the first row is one for each.

    `signal`: as one of `signals`; None: clips are drawn at random. `for_sale` (int array [n]):
    votes that can be bought at most. `batch`: clips that get one more vote in each round; clips
    that are as urgent come in random order, and a clip that is sold out gets none.
    """
    bought = [np.minimum(1, for_sale)]
    for _ in range(n_rounds):
        now = bought[-1]
        urgent = rng.random(len(now)) if signal is None else signal(now) / (now * (now + 1))
        urgent = np.where(now < for_sale, urgent, -np.inf)
        chosen = np.lexsort((rng.random(len(now)), -urgent))[:batch]
        step = np.zeros(len(now), int)
        step[chosen] = now[chosen] < for_sale[chosen]
        bought.append(now + step)
    return np.array(bought)


def score(counts, held) -> dict[str, np.ndarray]:
    """How well bought votes [..., n, k] tell those never drawn [n, k]: each measure [..., n].

    correct majority: chance that an answer with most bought votes (drawn if several have) is one
    with most held-out votes. log loss: of the held-out votes, under the shares of the bought
    ones, with half a vote more for each answer (Jeffreys).
    """
    top = counts == counts.max(axis=-1, keepdims=True)
    right = held == held.max(axis=-1, keepdims=True)
    loss = -(held * np.log(_shares(counts, 0.5))).sum(axis=-1) / held.sum(axis=-1)
    return {"correct majority": (top & right).sum(axis=-1) / top.sum(axis=-1), "log loss": loss}


def _one_draw(votes, recordings, *, n_clips, n_rounds, share, crowds, seed):
    """Mean score of each policy over the rounds, in each recording."""
    rng = np.random.default_rng(seed)
    keep = rng.permutation(len(recordings))[:n_clips]
    voice, face, both = (drawn(table[keep], rng) for table in votes)
    total = votes[2][keep].sum(axis=1)
    for_sale = total - np.floor(HELD_SHARE * total).astype(int)
    held = both[:, -1] - both[np.arange(len(keep)), for_sale]
    rows, policies = [], {"random": None} | signals(voice, face, both, crowds=crowds)
    for method in (name for name in ROLES if name in policies):
        bought = buy(
            policies[method], for_sale, n_rounds=n_rounds, batch=round(share * len(keep)),
            rng=np.random.default_rng([*np.atleast_1d(seed), 1]),
        )  # fmt: skip
        counts = both[np.arange(len(keep)), bought[1:]]
        for measure, each in score(counts, held).items():
            part = pd.DataFrame({"recording": recordings[keep], "score": each.mean(axis=0)})
            part = part.groupby("recording")["score"].agg(score="mean", n="size").reset_index()
            rows.append(part.assign(method=method, measure=measure))
    return pd.concat(rows, ignore_index=True)


def compare(
    votes, recordings, categories="ADFHNS", *, n_clips=600, n_draws=6, n_rounds=10, share=0.2,
    crowds=True, seed=42, n_jobs=1,
) -> pd.DataFrame:  # fmt: skip
    """Every policy on the same draws of votes: scores by recording.

    Parameters
    ----------
    votes : DataFrame
        clip_id, modality (audio, video, audio+video), a column of counts for each of `categories`.
    recordings : Series
        Recording (or actor) of each clip, by clip_id.
    n_clips : int
        Clips, drawn anew in each draw. Clips with fewer than four votes on a single channel, or two
        on the full clip, are left out.
    n_draws : int
        Draws: of clips, of the order of votes, and of those held out.
    n_rounds, share : int, float
        In each round this share of the clips gets one more vote.
    crowds, seed, n_jobs
        Fit the models of crowds; seed; processes.

    Returns
    -------
    DataFrame
        use, method, role, measure, seed (the draw), recording, score (mean over the rounds, and
        over the recording's clips), n (clips). In `attrs`: n_clips, the clips of a draw.

    Raises
    ------
    ValueError
        No clip has enough votes.
    """
    tables = [
        part.set_index("clip_id")[list(categories)]
        for channel in ("audio", "video", "audio+video")
        for part in [votes[votes["modality"] == channel]]
    ]
    clips = recordings.index
    for table, least in zip(tables, (2 * FIRST, 2 * FIRST, 2), strict=True):
        clips = clips.intersection(table.index[table.sum(axis=1) >= least], sort=False)
    if not len(clips):
        raise ValueError(
            f"no clip has {2 * FIRST} votes on voice, {2 * FIRST} on face and 2 on the full clip: "
            "this use needs a corpus with several votes for each channel"
        )
    given = [table.loc[clips].to_numpy(int) for table in tables]
    how = dict(n_clips=n_clips, n_rounds=n_rounds, share=share, crowds=crowds)
    parts = parallel(
        (
            delayed(_one_draw)(given, recordings.loc[clips].to_numpy(), seed=[seed, draw], **how)
            for draw in range(n_draws)
        ),
        n_jobs,
    )
    table = pd.concat([part.assign(seed=draw) for draw, part in enumerate(parts)])
    table["role"] = table["method"].map(ROLES)
    columns = ["method", "role", "measure", "seed", "recording", "score", "n"]
    table = table[columns].assign(use="annotators").reset_index(drop=True)
    table.attrs["n_clips"] = min(n_clips, len(clips))
    return table

"""One answer from several people: the majority, and Dawid and Skene's model of who errs how."""

import numpy as np
import pandas as pd
from crowdkit.aggregation import DawidSkene

from empdis_utils.measures.agreement import JUDGMENTS, vote_counts

__all__ = ["consensus"]


def consensus(judgments, worker=("annotator", "round"), categories=JUDGMENTS, n_iter=50):
    """Consensus of each clip by majority, and by Dawid and Skene's model.

    Parameters
    ----------
    judgments : DataFrame
        The annotations table.
    worker : sequence of str
        Columns that make one rater of the model. With ``round`` the same person counts as two, once
        with one modality and once with all: the model may find them differently reliable.
    categories : sequence of str
    n_iter : int
        EM steps. All are taken: crowdkit 1.4 stops at the first step in which the expected
        log-likelihood falls, which can be long before EM has converged.

    Returns
    -------
    clips : DataFrame
        clip_id, modality, n_votes, majority (``tie`` when no category leads), dawid_skene, p (of
        the last of `categories` under the model), agree (the two name the same).
    raters : DataFrame
        The columns of `worker`, true, said, p: how often that rater says `said` when the consensus
        is `true`.

    Raises
    ------
    ValueError
        A double judgment, or one outside `categories`.

    Notes
    -----
    Dawid and Skene (1979), doi:10.2307/2346806, by `crowdkit`; checked against EM written out. The
    model takes raters as independent given the truth. Two rounds of one person are not, so p is too
    sure. Two raters alone cannot tell who of them errs: then the model follows the prior and its
    starting point, the majority.
    """
    items = vote_counts(judgments, categories)
    items = items.groupby(level=["clip_id", "modality"], sort=False).sum()
    votes = items.to_numpy()
    lead = votes.max(axis=1)
    majority = np.asarray(categories)[votes.argmax(axis=1)]
    majority = np.where((votes == lead[:, None]).sum(axis=1) > 1, "tie", majority)

    keys = judgments[list(worker)].astype(str).agg("|".join, axis=1)
    task = judgments["clip_id"] + "|" + judgments["modality"]
    data = pd.DataFrame({"task": task, "worker": keys, "label": judgments["judgment"]})
    model = DawidSkene(n_iter=n_iter, tol=-np.inf).fit(data.dropna())
    p = model.probas_.reindex(columns=list(categories), fill_value=0.0)
    p = p.loc[items.reset_index()[["clip_id", "modality"]].agg("|".join, axis=1)]
    clips = items.reset_index()[["clip_id", "modality"]].assign(
        n_votes=votes.sum(axis=1),
        majority=majority,
        dawid_skene=p.idxmax(axis=1).to_numpy(),
        p=p[categories[-1]].to_numpy(),
    )
    errors = model.errors_.rename_axis(columns="true").stack().rename("p").reset_index()
    errors[list(worker)] = errors["worker"].str.rsplit("|", n=len(worker) - 1, expand=True)
    raters = errors.rename(columns={"label": "said"})[[*worker, "true", "said", "p"]]
    return clips.assign(agree=clips["majority"] == clips["dawid_skene"]), raters

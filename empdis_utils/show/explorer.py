"""The quadrant explorer: a small table in the page, and the controls to look into it.

`book/_static/explorer.js` draws it with Plotly and counts in the browser, with no kernel. Its rule
is that of `disagreement.quadrant_of`; a test in a browser holds it to that. `predictions.js` beside
it reads a CSV of the reader's own, with the rules of `manifests.read_predictions`.
"""

import json

import numpy as np

from empdis_utils.show import style
from empdis_utils.show.templates import render

__all__ = ["corpus", "page", "records"]

MOST_CLIPS = 2000


def records(quadrants, manifest, most_clips=MOST_CLIPS, seed=42, planted=None):
    """What the explorer needs, as plain lists and dicts.

    Parameters
    ----------
    quadrants : DataFrame
        The table `quadrants`: clip_id, modality, seed, conf_unimodal, conf_fusion.
    manifest : DataFrame
        clip_id, dialog_id, transcript, label, y. A transcript may be missing.
    most_clips, seed : int
        More clips than this are sampled, so that the page stays small.
    planted : Series of str, optional
        clip_id -> a sentence on what was planted in it, which a reader may reveal.

    Returns
    -------
    dict
        n_clips (before sampling), clips (id, recording, label, y, transcript and, where it is
        known, planted; a list each), modalities,
        seeds, and conf: modality -> seed -> [conf_unimodal, conf_fusion], each a list in the order
        of the clips with all digits: a rounded one could change its quadrant.
    """
    clips = sorted(quadrants["clip_id"].unique())
    n_clips = len(clips)
    if n_clips > most_clips:
        drawn = np.random.default_rng(seed).choice(n_clips, most_clips, replace=False)
        clips = [clips[i] for i in sorted(drawn)]
    known = manifest.set_index("clip_id").loc[clips]
    said = known["transcript"].astype(object).where(known["transcript"].notna(), "")
    conf = {}
    for (modality, name), part in quadrants.groupby(["modality", "seed"], sort=False):
        values = part.set_index("clip_id").reindex(clips)[["conf_unimodal", "conf_fusion"]]
        values = values.astype(object).where(values.notna(), None)
        conf.setdefault(modality, {})[name] = [values[column].tolist() for column in values]
    about = {} if planted is None else {"planted": planted.reindex(clips).fillna("").tolist()}
    return {
        "n_clips": n_clips,
        "clips": {
            "id": clips,
            "recording": known["dialog_id"].tolist(),
            "label": known["label"].tolist(),
            "y": known["y"].tolist(),
            "transcript": said.tolist(),
            **about,
        },
        "modalities": list(conf),
        "seeds": list(next(iter(conf.values()))),
        "conf": conf,
    }


def corpus(data, title, media="", threshold=0.5, marked=""):
    """One corpus of the explorer, as a dict.

    Parameters
    ----------
    data : dict
        From `records`.
    title : str
    media : str
        Address of a clip with picture and sound, relative to the page, such as ``clips/{id}.mp4``.
        Empty: the cards say that there is none.
    threshold : float
        Of the run: the explorer starts there.
    marked : str
        The clip whose card is open first; empty for none.
    """
    about = {"title": title, "media": media, "threshold": float(threshold), "marked": marked}
    return {**data, **about}


def page(data, name, media="", threshold=0.5, *, title="", marked="", more=()):
    """The explorer as HTML for a rendered page. Without scripts it says where the figure is.

    Parameters
    ----------
    data, media, threshold, title, marked
        The corpus that is shown first: see `corpus`.
    name : str
        Of the run; makes ids unique.
    more : sequence of dict
        Other corpora to choose from, made by `corpus`.

    Returns
    -------
    str
    """
    look = {
        "colors": style.QUADRANT_COLORS,
        "meaning": style.QUADRANT_MEANING,
        "shapes": {"blue": "circle", "red": "x", "green": "triangle-up", "yellow": "square"},
    }
    first = corpus(data, title or name, media, threshold, marked)
    embedded = json.dumps({**first, "more": list(more), "look": look}, ensure_ascii=False)
    embedded = embedded.replace("<", "\\u003c")  # a transcript cannot end the script element
    return render(
        "explorer.html",
        run=name,
        titles=[one["title"] for one in (first, *more)],
        n=len(data["clips"]["id"]),
        n_clips=data["n_clips"],
        modalities=data["modalities"],
        seeds=sorted(data["seeds"], key=lambda s: s != "ensemble"),
        ids=data["clips"]["id"],
        threshold=repr(float(threshold)),
        embedded=embedded,
    )

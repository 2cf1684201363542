"""The quadrant explorer: a small table in the page, and the controls to look into it.

`book/_static/explorer.js` draws it with Plotly and counts in the browser, with no kernel. Its rule
is that of `disagreement.quadrant_of`; a test in a browser holds it to that.
"""

import html
import json

import numpy as np

from empdis_utils.show import style

__all__ = ["page", "records"]

MOST_CLIPS = 2000


def records(quadrants, manifest, most_clips=MOST_CLIPS, seed=42):
    """What the explorer needs, as plain lists and dicts.

    Parameters
    ----------
    quadrants : DataFrame
        The table `quadrants`: clip_id, modality, seed, conf_unimodal, conf_fusion.
    manifest : DataFrame
        clip_id, dialog_id, transcript, label.
    most_clips, seed : int
        More clips than this are sampled, so that the page stays small.

    Returns
    -------
    dict
        n_clips (before sampling), clips (id, recording, label, transcript per clip), modalities,
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
    return {
        "n_clips": n_clips,
        "clips": {
            "id": clips,
            "recording": known["dialog_id"].tolist(),
            "label": known["label"].tolist(),
            "transcript": said.tolist(),
        },
        "modalities": list(conf),
        "seeds": list(next(iter(conf.values()))),
        "conf": conf,
    }


def page(data, name, media="", threshold=0.5):
    """The explorer as HTML for a rendered page. Without scripts it says where the figure is.

    Parameters
    ----------
    data : dict
        From `records`.
    name : str
        Of the run; makes ids unique.
    media : str
        Address of a clip with picture and sound, relative to the page, such as ``clips/{id}.mp4``.
        Empty: the cards say that there is none.
    threshold : float
        Of the run: the explorer starts there.

    Returns
    -------
    str
    """
    look = {
        "colors": style.QUADRANT_COLORS,
        "meaning": style.QUADRANT_MEANING,
        "shapes": {"blue": "circle", "red": "x", "green": "triangle-up", "yellow": "square"},
    }
    embedded = json.dumps({**data, "look": look, "media": media}, ensure_ascii=False)
    embedded = embedded.replace("<", "\\u003c")  # a transcript cannot end the script element
    shown = len(data["clips"]["id"])
    drawn, of_what = f"All {shown:,} clips.", ""
    if shown < data["n_clips"]:
        drawn = (
            f"A seeded sample of {shown:,} of {data['n_clips']:,} clips, to keep this page small."
        )
        of_what = ", of the sample"

    def options(values):
        texts = [html.escape(str(value)) for value in values]
        return "".join(f'<option value="{text}">{text}</option>' for text in texts)

    seeds = sorted(data["seeds"], key=lambda s: s != "ensemble")
    listed = f"clips-{html.escape(name)}"
    heads = ("quadrant", "who is right", "clips", "share", "entropy (nats)")
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    return f"""<div class="explorer mathjax_ignore" id="explorer-{html.escape(name)}">
<p class="explorer-off">The explorer needs scripts. The figure and the table above show the same
clips.</p>
<div class="explorer-on" hidden>
<p>{drawn} Choose a mark, or a clip by its name, to open its card.</p>
<div class="explorer-controls">
<label>Modality <select data-set="modality">{options(data["modalities"])}</select></label>
<label>Seed <select data-set="seed">{options(seeds)}</select></label>
<label>Threshold <input data-set="threshold" type="number" min="0" max="1" step="any"
value="{float(threshold)!r}" required></label>
<input data-move="threshold" type="range" min="0" max="1" step="0.01"
value="{float(threshold)!r}" aria-label="Threshold, to slide">
<label>Clip <input data-set="clip" list="{listed}" size="12" autocomplete="off"></label>
<datalist id="{listed}">{options(data["clips"]["id"])}</datalist>
</div>
<div class="explorer-plot" role="img" aria-label="Scatter plot of confidence in the correct label:
one modality across, fusion up. The table below counts its quadrants."></div>
<table class="explorer-counts">
<caption>Clips and mean entropy of fusion in each quadrant{of_what}</caption>
<thead><tr>{head}</tr></thead><tbody></tbody></table>
<div class="explorer-card" aria-live="polite"></div>
</div>
<script type="application/json">{embedded}</script>
</div>"""

"""Clip cards: all that is known of one clip, as a small piece of HTML (the paper's Table 13).

A card holds its own media, so a page of cards needs no other file. Words of the corpus are escaped.
"""

import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
from markupsafe import Markup, escape
from PIL import Image

from empdis_utils.data import catalogue, checks, playable
from empdis_utils.data.media import BadMediaError, load_frames, one_clip
from empdis_utils.data.tables import MODALITIES
from empdis_utils.show import style
from empdis_utils.show.templates import render

__all__ = ["choose", "clip_card", "clip_cards", "planted", "showable", "story"]

SHAPES = {"o": "circle", "X": "cross", "^": "triangle", "s": "square"}
GLYPHS = {"o": "●", "X": "✖", "^": "▲", "s": "■"}
MAX_BYTES = 60_000
N_FRAMES = 3
FRAME_HEIGHT = 96  # pixels


def clip_card(corpus, quadrant, judgments=(), max_bytes=MAX_BYTES, judges=None):
    """One clip as a card: frames, sound, video, words, label, both models, quadrant, judgments.

    Parameters
    ----------
    corpus : corpora.Corpus
    quadrant : mapping or Series
        One row of the table `quadrants`: clip_id, modality, conf_unimodal, conf_fusion, quadrant.
    judgments : DataFrame or empty
        Rows of the table `annotations`; those of this clip and modality are shown.
    max_bytes : int
        Most bytes of HTML that the media may take. What does not fit is left out, and said: first
        the video goes, then the sound, then the frames.
    judges : pair of str, optional
        Whose confidences those are. Default: the model of the modality, and the fusion model.

    Returns
    -------
    markupsafe.Markup
        HTML (a str), the same for the same input. Sound and video have controls and no autoplay;
        the frames have one text alternative; the quadrant has a shape and a name beside its colour.

    Raises
    ------
    KeyError
        A clip that the corpus does not have.
    """
    clip_id, modality = quadrant["clip_id"], quadrant["modality"]
    rows = corpus.manifest[corpus.manifest["clip_id"] == clip_id]
    if rows.empty:
        raise KeyError(f"corpus '{corpus.name}' has no clip {clip_id!r}")
    clip = rows.iloc[0]
    words = clip["transcript"] if isinstance(clip["transcript"], str) else None
    marker = style.QUADRANT_MARKERS[quadrant["quadrant"]]
    judges = judges or (f"{modality} model", "fusion model")
    facts = [
        ("label", clip["label"]),
        (judges[0], f"{quadrant['conf_unimodal']:.2f} for the label"),
        (judges[1], f"{quadrant['conf_fusion']:.2f} for the label"),
        *_judgments(judgments, clip_id, modality).items(),
    ]
    meaning = style.QUADRANT_MEANING[quadrant["quadrant"]].replace("unimodal", modality)
    meaning = meaning.replace("fusion", judges[1].removesuffix(" model"))
    return render(
        "clip_card.html",
        **{"clip_id": clip_id, "modality": modality, "quadrant": quadrant["quadrant"]},
        **{"color": style.QUADRANT_COLORS[quadrant["quadrant"]], "meaning": meaning},
        **{"glyph": GLYPHS[marker], "shape": SHAPES[marker], "words": words, "facts": facts},
        media=_media(corpus, clip, words or "", max_bytes),
    )


def story(corpus, clip_id, facts, title="", parts=("frames",), secret="", max_bytes=MAX_BYTES):
    """One clip and what is known of it so far: a card that grows from page to page.

    Parameters
    ----------
    corpus : corpora.Corpus
    clip_id : str
    facts : sequence of pairs of str
        What each line is about, and what it says. The last one is marked as new.
    title : str
        What the card is called.
    parts : sequence of str
        Which of ``frames``, ``sound`` and ``video`` it holds.
    secret : str
        What a reader may reveal; empty for nothing.
    max_bytes : int
        As for `clip_card`.

    Returns
    -------
    markupsafe.Markup

    Raises
    ------
    KeyError
        A clip that the corpus does not have.
    """
    rows = corpus.manifest[corpus.manifest["clip_id"] == clip_id]
    if rows.empty:
        raise KeyError(f"corpus '{corpus.name}' has no clip {clip_id!r}")
    clip = rows.iloc[0]
    words = clip["transcript"] if isinstance(clip["transcript"], str) else ""
    return render(
        "clip_story.html",
        **{"title": title, "clip_id": clip_id, "label": clip["label"], "words": words},
        **{"facts": list(facts), "secret": secret, "synthetic": corpus.synthetic},
        media=_media(corpus, clip, words, max_bytes, parts),
    )


def planted(truth):
    """What was planted in each clip of the synthetic corpus, as a sentence.

    Parameters
    ----------
    truth : DataFrame
        clip_id, and for each modality MODALITY_cue and MODALITY_strength.

    Returns
    -------
    Series of str
        By clip_id, such as ``text supports the label (strength 0.64), audio contradicts it …``.
    """
    modalities = [m for m in MODALITIES if f"{m}_cue" in truth]

    def told(row):
        said = []
        for m in modalities:
            cue, strength = row[f"{m}_cue"], row[f"{m}_strength"]
            does = "says nothing of" if cue == "neutral" else cue
            how = "" if cue == "neutral" else f" (strength {strength:.2f})"
            said.append(f"{m} {does} {'it' if said else 'the label'}{how}")
        return f"Planted: {', '.join(said)}."

    said = [told(row) for row in truth.to_dict("records")]
    return pd.Series(said, index=truth["clip_id"], name="planted", dtype="str")


def showable(corpus):
    """The corpus with what a page may show: the words of published corpora are their publishers'.

    Returns
    -------
    corpora.Corpus
    """
    if corpus.name not in catalogue.CATALOGUE:
        return corpus
    return replace(corpus, manifest=corpus.manifest.assign(transcript=None))


def clip_cards(corpus, quadrants, judgments=(), max_bytes=MAX_BYTES, judges=None):
    """Several cards, side by side where there is room. `quadrants`: one row per card.

    Returns
    -------
    str
        HTML with its own style sheet.
    """
    rows = [row for _, row in quadrants.iterrows()]
    cards = [clip_card(corpus, row, judgments, max_bytes, judges) for row in rows]
    return render("clip_cards.html", cards=cards)


def choose(quadrants, per_quadrant=1, seed=None):
    """Rows of the table `quadrants` for cards: the clips that show their quadrant most clearly.

    Parameters
    ----------
    quadrants : DataFrame
        Rows of one seed (or the ensemble).
    per_quadrant : int
    seed : int, optional
        Draw at random instead.

    Returns
    -------
    DataFrame
        Up to `per_quadrant` rows for each quadrant, in the order blue, red, green, yellow, of
        different clips. The clearest are those whose two confidences are farthest from 0.5
        together, ties by clip_id: they are examples, not a sample.
    """
    clear = (quadrants["conf_unimodal"] - 0.5).abs() + (quadrants["conf_fusion"] - 0.5).abs()
    frame = quadrants.assign(clear=clear).sort_values(
        ["clear", "clip_id", "modality"], ascending=[False, True, True], kind="stable"
    )
    if seed is not None:
        frame = frame.sort_values(["clip_id", "modality"]).sample(frac=1, random_state=seed)
    chosen = []
    for quadrant in style.QUADRANT_COLORS:
        part = frame[frame["quadrant"] == quadrant]
        part = part[~part["clip_id"].isin([r["clip_id"] for r in chosen])]
        chosen += part.drop_duplicates("clip_id").head(per_quadrant).to_dict("records")
    return quadrants.iloc[:0] if not chosen else type(quadrants)(chosen).drop(columns="clear")


def _judgments(judgments, clip_id, modality):
    if not len(judgments):
        return {}
    own = judgments[(judgments["clip_id"] == clip_id) & (judgments["modality"] == modality)]
    own = own.sort_values(["annotator", "round"])
    return {
        name: ", then ".join(part["judgment"]) + (" (one round)" if len(part) == 1 else "")
        for name, part in own.groupby("annotator", sort=True)
    }


def _media(corpus, clip, words, max_bytes, parts=("frames", "sound", "video")):
    """Frames, sound and video as HTML, within `max_bytes`; a sentence for what is not there."""
    if corpus.root is None:
        return _html(note="This copy has no sound or picture of this corpus.")
    try:
        video, audio = (_inside(corpus.root, clip[c]) for c in ("video_path", "audio_path"))
    except BadMediaError as bad:
        return _html(note=bad.reason)
    if video is None and audio is None:
        return _html(note="This clip has no media.")
    made, notes = [], []
    for part, path, make in (
        ("frames", video, lambda: _frames(video, words)),
        ("sound", audio or video, lambda: _sound(audio or video)),
        ("video", video, lambda: _video(video, audio, words)),
    ):
        if part not in parts:
            continue
        if path is None:
            notes.append(f"No {part}.")
            continue
        try:
            with one_clip(path):
                found = make()
        except BadMediaError as bad:
            notes.append(f"No {part}: {bad}")
            continue
        if sum(map(len, made)) + len(found) > max_bytes:
            notes.append(f"The {part} is too large for this page.")
            continue
        made.append(found)
    return Markup("").join([*made, *([_html(note=" ".join(notes))] if notes else [])])


def _html(**part):
    empty = dict.fromkeys(("frames", "sound", "video", "note"))
    return render("clip_media.html", **{**empty, **part})


def _inside(root, value):
    """The full path of a media file that may be shown; None where none is named."""
    if not isinstance(value, str):
        return None
    with one_clip(value):
        target = checks.inside(root, value)
        if target is None:
            reason = f"Not shown: {Path(value).name} leads to a file outside the corpus folder."
            raise BadMediaError("outside", reason)
        return target


def _frames(path, words):
    """The first, middle and last frame side by side, as one small picture."""
    found = load_frames(path, N_FRAMES)
    if found.status != "ok":
        raise BadMediaError(found.status, found.reason)
    pictures = [Image.fromarray(frame) for frame in found.frames]
    width = max(1, round(pictures[0].width * FRAME_HEIGHT / pictures[0].height))
    strip = Image.new("RGB", (N_FRAMES * width + 2 * (N_FRAMES - 1), FRAME_HEIGHT), "white")
    for i, picture in enumerate(pictures):
        strip.paste(picture.resize((width, FRAME_HEIGHT)), (i * (width + 2), 0))
    buffer = io.BytesIO()
    strip.save(buffer, "JPEG", quality=72, optimize=True)
    times = ", ".join(f"{t:.1f}" for t in found.times_s)
    uri = playable.data_uri(buffer.getvalue(), "image/jpeg")
    return _html(frames=uri, times=times, words=words)


def _sound(path):
    uri = playable.data_uri(playable.mp4(sound=path, bit_rate=24_000), "audio/mp4")
    return _html(sound=uri)


def _video(video, audio, words):
    sound = video if playable.has_sound(video) else audio
    uri = playable.data_uri(playable.mp4(video=video, sound=sound), "video/mp4")
    captions = escape(" ".join(words.replace("-->", "->").split()))
    captions = f"WEBVTT\n\n00:00.000 --> 59:59.000\n{captions}\n"
    return _html(video=uri, track=playable.data_uri(captions.encode(), "text/vtt"))

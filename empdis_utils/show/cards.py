"""Clip cards: all that is known of one clip, as a small piece of HTML (the paper's Table 13).

A card holds its own media, so a page of cards needs no other file. Words of the corpus are escaped.
"""

import html
import io
from pathlib import Path

from PIL import Image

from empdis_utils.data import playable
from empdis_utils.data.media import BadMediaError, load_frames, one_clip
from empdis_utils.show import style

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
    str
        HTML, the same for the same input. Sound and video have controls and no autoplay; the frames
        have one text alternative; the quadrant has a shape and a name beside its colour.

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
    words = clip["transcript"] if isinstance(clip["transcript"], str) else ""
    marker = style.QUADRANT_MARKERS[quadrant["quadrant"]]
    color = style.QUADRANT_COLORS[quadrant["quadrant"]]
    judges = judges or (f"{modality} model", "fusion model")
    facts = [
        ("label", clip["label"]),
        (judges[0], f"{quadrant['conf_unimodal']:.2f} for the label"),
        (judges[1], f"{quadrant['conf_fusion']:.2f} for the label"),
        *_judgments(judgments, clip_id, modality).items(),
    ]
    listed = "".join(
        f"<div><dt>{html.escape(str(k))}</dt><dd>{html.escape(str(v))}</dd></div>" for k, v in facts
    )
    name = html.escape(f"Clip {clip_id}, {modality}", quote=True)
    meaning = style.QUADRANT_MEANING[quadrant["quadrant"]].replace("unimodal", modality)
    meaning = html.escape(meaning.replace("fusion", judges[1].removesuffix(" model")))
    quote = html.escape(words) if words else "<em>no words</em>"
    return (
        f'<div class="clip-card" role="group" aria-label="{name}" style="border-color:{color}">'
        f'<p class="clip-quadrant"><span aria-hidden="true" style="color:{color}">{GLYPHS[marker]}'
        f"</span> <strong>{quadrant['quadrant']}</strong> ({SHAPES[marker]}): {meaning}</p>"
        f"{_media(corpus, clip, words, max_bytes)}"
        f"<blockquote>{quote}</blockquote><dl>{listed}</dl></div>"
    )


def clip_cards(corpus, quadrants, judgments=(), max_bytes=MAX_BYTES, judges=None):
    """Several cards, side by side where there is room. `quadrants`: one row per card.

    Returns
    -------
    str
        HTML with its own style sheet.
    """
    rows = [row for _, row in quadrants.iterrows()]
    cards = [clip_card(corpus, row, judgments, max_bytes, judges) for row in rows]
    return f'<style>{STYLE}</style><div class="clip-cards mathjax_ignore">{"".join(cards)}</div>'


STYLE = (
    ".clip-cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:1rem}"
    ".clip-card{border:1px solid;border-top-width:6px;border-radius:8px;padding:.7rem .9rem;"
    "min-width:0;overflow-wrap:anywhere}"
    ".clip-card p{margin:.2rem 0}.clip-card img,.clip-card video,.clip-card audio{width:100%;"
    "display:block;margin:.4rem 0;border-radius:4px}.clip-card audio{height:2.4rem}"
    ".clip-card video{max-height:11rem;background:#111}"
    ".clip-card blockquote{margin:.5rem 0;padding:.3rem .7rem;font-size:1rem}"
    ".clip-card dl{display:grid;grid-template-columns:1fr;gap:.1rem;margin:0;font-size:.9rem}"
    ".clip-card dl div{display:flex;gap:.5rem;justify-content:space-between;flex-wrap:wrap}"
    ".clip-card dt{font-weight:400}.clip-card dd{margin:0 0 0 auto;font-weight:600}"
)


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


def _media(corpus, clip, words, max_bytes):
    """Frames, sound and video as HTML, within `max_bytes`; a sentence for what is not there."""
    if corpus.root is None:
        return "<p><em>This copy has no sound or picture of this corpus.</em></p>"
    try:
        video, audio = (_inside(corpus.root, clip[c]) for c in ("video_path", "audio_path"))
    except BadMediaError as bad:
        return f"<p><em>{html.escape(bad.reason)}</em></p>"
    if video is None and audio is None:
        return "<p><em>This clip has no media.</em></p>"
    made, notes = {}, []
    for part, path, make in (
        ("frames", video, lambda: _frames_html(video, words)),
        ("sound", audio or video, lambda: _sound_html(audio or video)),
        ("video", video, lambda: _video_html(video, audio, words)),
    ):
        if path is None:
            notes.append(f"No {part}.")
            continue
        try:
            with one_clip(path):
                found = make()
        except BadMediaError as bad:
            notes.append(f"No {part}: {bad}")
            continue
        if sum(map(len, made.values())) + len(found) > max_bytes:
            notes.append(f"The {part} is too large for this page.")
            continue
        made[part] = found
    notes = f"<p><em>{html.escape(' '.join(notes))}</em></p>" if notes else ""
    return "".join(made.values()) + notes


def _inside(root, value):
    """The full path of a media file; None where none is named.

    A link that leads out of the corpus may be measured, but it is not put on a page: a corpus from
    elsewhere must not publish the files of who reads it.
    """
    if not isinstance(value, str):
        return None
    with one_clip(value):
        target = (root / value).resolve()
        if not target.is_relative_to(root.resolve()):
            reason = f"Not shown: {Path(value).name} leads to a file outside the corpus folder."
            raise BadMediaError("outside", reason)
        return target


def _frames_html(path, words):
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
    about = html.escape(f"Three frames of the clip, at {times} seconds: {words}", quote=True)
    return f'<img alt="{about}" src="{playable.data_uri(buffer.getvalue(), "image/jpeg")}">'


def _sound_html(path):
    uri = playable.data_uri(playable.mp4(sound=path, bit_rate=24_000), "audio/mp4")
    return f'<audio controls preload="metadata" aria-label="Sound of the clip" src="{uri}"></audio>'


def _video_html(video, audio, words):
    sound = video if playable.has_sound(video) else audio
    uri = playable.data_uri(playable.mp4(video=video, sound=sound), "video/mp4")
    captions = " ".join(words.replace("-->", "->").split())
    captions = f"WEBVTT\n\n00:00.000 --> 59:59.000\n{html.escape(captions)}\n"
    track = playable.data_uri(captions.encode(), "text/vtt")
    return (
        f'<video controls preload="metadata" aria-label="Video of the clip" src="{uri}">'
        f'<track kind="captions" label="words" srclang="en" src="{track}"></video>'
    )

"""Embeddings of clips by encoders that are left as they are: the book's own, or ImageBind."""

import importlib.util

import numpy as np
import pandas as pd
import torch

from empdis_utils.models import encoders
from empdis_utils.models.cache import cache_trunk

__all__ = ["IMAGEBIND", "embeddings", "imagebind", "lacking", "sound_and_picture"]

#: What a profile gives as encoder for ImageBind.
IMAGEBIND = "imagebind"


def lacking(name, checkpoint=None):
    """What an encoder lacks here: list of sentences, empty when it can be loaded."""
    if name == IMAGEBIND:
        if importlib.util.find_spec(IMAGEBIND) is None:
            return [
                "Package: imagebind, which makes the paper's embeddings, is not installed (its "
                "authors publish it at github.com/facebookresearch/ImageBind, CC BY-NC-SA 4.0); or "
                "name the book's encoders as sound and picture."
            ]
        return []
    try:
        encoders.find(name, checkpoint)
    except (OSError, ValueError) as error:
        return [f"Encoder {name}: {error}"]
    return []


@torch.inference_mode()
def embeddings(name, items, checkpoint=None, *, directory=None, batch_size=32):
    """Embeddings of clips by one of `encoders.ENCODERS`, none of its weights trained.

    Parameters
    ----------
    name : str
    items : sequence
        As for `cache.cache_trunks`: `media.Clips`, or texts.
    checkpoint : str or Path, optional
        As for `encoders.load`.
    directory : path, optional
        Where activations are kept; chapter 02 keeps the same ones.
    batch_size : int

    Returns
    -------
    float32 array [n, d]
        Read from the last layer as `Tail` does. NaN for clips that cannot be read.
    DataFrame [n]
        status, reason.
    """
    loaded = encoders.load(name, checkpoint)
    cache = cache_trunk(name, *loaded, items, directory=directory, progress=False)
    tail, usable = cache.tail.eval(), np.flatnonzero(cache.usable)
    found = np.full((len(cache), loaded[0].config.hidden_size), np.nan, np.float32)
    by_length = usable[np.argsort(cache.lengths[usable], kind="stable")]
    for start in range(0, len(by_length), batch_size):
        rows = by_length[start : start + batch_size]
        batch = tail.collate([cache.clips[i] for i in rows])
        found[rows] = tail(**batch).embedding.numpy()
    return found, cache.status


@torch.inference_mode()
def imagebind(sounds, pictures, device=None):
    """ImageBind's embeddings of sound and video files, by its authors' package.

    `sounds`, `pictures`: paths; None where a clip has no file. Returns two float32 arrays [n, 1024]
    and a DataFrame [n] of status and reason; both are NaN where a file is missing or cannot be
    read.
    """
    from imagebind import data
    from imagebind.models import imagebind_model

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = imagebind_model.imagebind_huge(pretrained=True).eval().to(device)
    rows = []
    for sound, picture in zip(sounds, pictures, strict=True):
        try:
            if sound is None or picture is None:
                raise FileNotFoundError("there is no such file")
            made = model(
                {
                    "audio": data.load_and_transform_audio_data([str(sound)], device),
                    "vision": data.load_and_transform_video_data([str(picture)], device),
                }
            )
            pair = (made["audio"][0].float().cpu().numpy(), made["vision"][0].float().cpu().numpy())
            rows.append((*pair, "ok", ""))
        except (OSError, RuntimeError, ValueError) as error:
            kind = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
            rows.append((None, None, kind, " ".join(str(error).split())))
    width = next((len(row[0]) for row in rows if row[0] is not None), 1024)
    blank = np.full(width, np.nan, np.float32)
    one, two = (
        np.array([blank if row[k] is None else row[k] for row in rows], np.float32).reshape(
            -1, width
        )
        for k in (0, 1)
    )
    return one, two, pd.DataFrame([row[2:] for row in rows], columns=["status", "reason"])


def sound_and_picture(sound, picture, sounds, pictures, directory=None):
    """Embeddings of both sides of each clip.

    Parameters
    ----------
    sound, picture : dict
        One entry, encoder -> checkpoint (or None: the published weights). `IMAGEBIND` in both
        takes its one space.
    sounds, pictures : `media.Clips` [n]
    directory : path, optional
        As for `embeddings`.

    Returns
    -------
    float32 array [n, d], float32 array [n, e], DataFrame [n]
        status and reason of the first side that cannot be read.
    """
    ((one, weights), (two, other)) = (*sound.items(), *picture.items())
    if one == IMAGEBIND:
        return imagebind(sounds.paths, pictures.paths)
    first, heard = embeddings(one, sounds, weights, directory=directory)
    second, seen = embeddings(two, pictures, other, directory=directory)
    return first, second, heard.where(heard["status"] != "ok", seen)

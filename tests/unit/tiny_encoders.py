"""The tiny checkpoints for tests, their weights shaken so that nothing in them is trivial."""

from pathlib import Path

import numpy as np
import torch

from empdis_utils.models import cache, encoders

CHECKPOINTS = Path(__file__).parents[1] / "fixture" / "checkpoints"
SIX = ("roberta", "deberta", "hubert", "wav2vec2", "videomae", "timesformer")
SENTENCES = ["I am with you", "next, the bus stops at six", "oh no", "it weighs two units, see it"]
SENTENCES += ["poor you, all alone", "as planned", "you gave so much", "note that the form is new"]


def clips(modality, n=6, lengths=None, seed=0):
    rng = np.random.default_rng(seed)
    if modality == "text":
        return [SENTENCES[i % len(SENTENCES)] for i in range(n)]
    if modality == "audio":
        lengths = rng.integers(4000, 24000, n) if lengths is None else [lengths] * n
        return [rng.standard_normal(length).astype("f4") for length in lengths]
    return [rng.integers(0, 256, (16, 70, 80, 3)).astype("u1") for _ in range(n)]


def shaken(name, checkpoint=None, **how):
    model, processor = encoders.load(name, checkpoint or CHECKPOINTS / name, **how)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model, processor


def cached(name, items=None, model=None, **how):
    if model is None:
        model = shaken(name)
    items = clips(encoders.ENCODERS[name].modality) if items is None else items
    return cache.cache_trunk(name, *model, items, progress=False, **how)

"""A small fusion network, and synthetic clips for it."""

import numpy as np

from empdis_utils.models.fusion_training import RECIPES

SMALL = RECIPES["release"] | {
    "hidden": 8,
    "attention_width": 4,
    "classifier_width": 16,
    "epochs": 4,
    "max_lr": 1e-2,
}


def synthetic(n=150, seed=0, n_classes=2):
    """Synthetic clips in ten recordings: text tells the label, audio and video do not."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    emb = {m: rng.normal(size=(n, d)) for m, d in (("video", 3), ("text", 4), ("audio", 2))}
    emb["text"][:, 0] += 3 * y
    clip_id = np.array([f"c{i:03d}" for i in range(n)])
    groups = np.array([f"r{i // n_classes % 10}" for i in range(n)])
    return emb, y, clip_id, groups, np.array([int(g[1:]) % 5 for g in groups])

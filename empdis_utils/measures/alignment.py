"""Clips in line with their tables: values, groups and labels checked and put in one order."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = [
    "CONTRASTS", "MIN_N", "align", "aligned", "codes_of", "columns_of", "examples",
    "two_groups",
]  # fmt: skip

CONTRASTS = (("red", "blue"), ("green", "blue"), ("red", "green"))


MIN_N = 5  # clips below which a group is not tested


def examples(items, limit: int = 5) -> str:
    """First few `items` as text, with how many more there are (for error messages)."""
    items = [str(item) for item in items]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more


def align(series: pd.Series, clips, name: str) -> np.ndarray:
    """Values of `series` (indexed by clip_id) in the order of `clips`.

    Raises TypeError: `series` is not a pandas Series. Raises ValueError: a clip is listed twice, is
    not in the index, or has a missing value.
    """
    if not isinstance(series, pd.Series):
        raise TypeError(
            f"{name}: expected a Series indexed by clip_id, got {type(series).__name__}"
        )
    index = series.index.astype(str)
    if index.has_duplicates:
        raise ValueError(f"{name}: clip listed twice: {examples(index[index.duplicated()])}")
    values = series.set_axis(index).reindex(pd.Index(clips).astype(str))
    if values.isna().any():
        raise ValueError(f"{name}: no value for clips {examples(values.index[values.isna()])}")
    return values.to_numpy()


def codes_of(groups, n: int, name: str = "groups") -> np.ndarray:
    """Integer code per row [n]; each row its own code when `groups` is None."""
    if groups is None:
        return np.arange(n)
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(f"{name}: expected one entry per value ({n}), got shape {groups.shape}")
    if pd.isna(groups).any():
        raise ValueError(f"{name}: {int(pd.isna(groups).sum())} missing entries")
    groups = groups.astype(str) if groups.dtype == object else groups
    return np.unique(groups, return_inverse=True)[1]


def columns_of(values) -> tuple[list, np.ndarray]:
    """Names and float array [n, f] of `values`; infinite entries are an error."""
    if isinstance(values, pd.DataFrame):
        names = list(values.columns)
    elif isinstance(values, pd.Series):
        names, values = [values.name or 0], values.to_frame()
    else:
        values = np.asarray(values, float)
        values = values[:, None] if values.ndim == 1 else values
        names = list(range(values.shape[1]))
    array = np.asarray(values, float)
    infinite = np.isinf(array).any(axis=0)
    if infinite.any():
        bad = [name for name, flag in zip(names, infinite, strict=True) if flag]
        raise ValueError(
            f"infinite values in {examples(bad)}: mark them missing (NaN) with a reason"
        )
    return names, array


def two_groups(labels, n: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise ValueError(f"labels: expected one entry per value ({n}), got shape {labels.shape}")
    if not np.isin(labels, [0, 1]).all():
        raise ValueError("labels: expected True (first group) or False (second group) only")
    return labels.astype(bool)


def aligned(features: pd.DataFrame, quadrant: pd.Series) -> tuple[pd.DataFrame, pd.Series]:
    """Numeric features and quadrants over the clips of `quadrant`, sorted by clip_id."""
    if "clip_id" in features:
        features = features.set_index("clip_id")
    features = features.select_dtypes("number").astype(float)
    if features.shape[1] == 0:
        raise ValueError("features: no numeric column to compare")
    features.index = features.index.astype(str)
    quadrant = quadrant.set_axis(quadrant.index.astype(str)).sort_index()
    for name, index in (("features", features.index), ("quadrant", quadrant.index)):
        if index.has_duplicates:
            raise ValueError(f"{name}: clip listed twice: {examples(index[index.duplicated()])}")
    lost = quadrant.index.difference(features.index)
    if len(lost):
        raise ValueError(
            f"features: no row for clips {examples(lost)}; missing values are NaN rows"
        )
    return features.loc[quadrant.index], quadrant

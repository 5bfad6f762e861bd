"""Repeat factors: how much oftener the pictures and objects of rare classes are drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.data.index import Index


def repeat_factors(index: Index, threshold: float) -> NDArray[np.float64]:
    """(C,) max(1, sqrt(threshold / share of the pictures that hold the class)) of each class.

    Args:
        index: labelled pictures.
        threshold: share of pictures below which a class counts as rare; 0 makes every factor 1.

    Source: Gupta et al. 2019, LVIS, arXiv 1908.03195, section 4 (there 0.001).
    """
    holding = np.zeros(len(index.class_names))
    for record in index.records:
        holding[np.unique(record.labels[~record.ignore])] += 1
    share = np.maximum(holding, 1) / max(len(index), 1)
    return np.maximum(1.0, np.sqrt(threshold / share))

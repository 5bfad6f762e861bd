"""Ground sample distances of labelled pictures, and what brings them to one distance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smalldet.data.index import ImageRecord, Index
from smalldet.data.options import MOST_SCALE
from smalldet.imagery.gsd import read_gsd


def with_distances(index: Index) -> Index:
    """The same pictures with `gsd_m` where labels do not say it but the files do.

    Raises:
        FileNotFoundError, ValueError: a picture cannot be opened, or a file beside it is wrong.
    """
    records = [
        record if record.gsd_m is not None else replace(record, gsd_m=read_gsd(record.path).metres)
        for record in index.records
    ]
    return Index(index.class_names, tuple(records))


def magnification(record: ImageRecord, gsd_m: float | None) -> float:
    """What a picture is magnified by to show `gsd_m` metres a pixel; 1 where either is unknown.

    Raises:
        ValueError: it is more than `MOST_SCALE` times.
    """
    if gsd_m is None or record.gsd_m is None:
        return 1.0
    scale = record.gsd_m / gsd_m
    if not 1 / MOST_SCALE <= scale <= MOST_SCALE:
        raise ValueError(
            f"{record.path}: of {record.gsd_m:g} m a pixel, and data.match_gsd_m is {gsd_m:g}: "
            f"more than {MOST_SCALE:g} times apart; leave the set out, or mend its distance"
        )
    return scale


def drawn_sides(index: Index, gsd_m: float | None) -> NDArray[np.float32]:
    """(N, 2) widths and heights of all objects as they are drawn, before jitter; pixels."""
    if gsd_m is None:
        return index.object_sides()
    parts = [
        Index(index.class_names, (record,)).object_sides()
        * np.float32(magnification(record, gsd_m))
        for record in index.records
    ]
    return np.concatenate(parts)

"""Ground sample distances of labelled pictures, and what brings them to one distance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smalldet.data.index import ImageRecord, Index
from smalldet.data.options import MOST_SCALE
from smalldet.imagery.gsd import Gsd, read_gsd


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


def in_metres(index: Index, gsd_m: float | None) -> Index:
    """The same pictures, each with its distance.

    Args:
        index: labelled pictures.
        gsd_m: metres a pixel of all of them; what labels and files say if None.

    Raises:
        ValueError: the distance of a picture is not known.
    """
    records: list[ImageRecord] = []
    for record in index.records:
        known = Gsd(gsd_m or record.gsd_m, "") if gsd_m or record.gsd_m else read_gsd(record.path)
        if known.metres is None:
            raise ValueError(
                f"{record.path}: {known.source}, so that sizes in metres cannot be told; give it "
                "(--gsd), or ask for sizes in pixels"
            )
        records.append(replace(record, gsd_m=known.metres))
    return Index(index.class_names, tuple(records))


def of_size(
    index: Index, gsd_m: float | None, least_m: float | None, most_m: float | None
) -> Index:
    """The same pictures with objects of another size ignored: neither hit nor miss.

    Args:
        index: labelled pictures.
        gsd_m: metres a pixel of all of them; what labels and files say if None.
        least_m: square root of an object's box area, metres; no lower end if None.
        most_m: what it must be less than; no upper end if None.

    Raises:
        ValueError: the distance of a picture is not known.
    """
    records: list[ImageRecord] = []
    for record in in_metres(index, gsd_m).records:
        assert record.gsd_m is not None
        sides_px = record.boxes[:, 2:].astype(np.float64) - record.boxes[:, :2]
        size_m = np.sqrt(sides_px.clip(0).prod(axis=1)) * record.gsd_m
        outside = (size_m < (least_m or 0)) | (size_m >= (most_m or np.inf))
        records.append(replace(record, ignore=record.ignore | outside))
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


def drawn_sides(index: Index, gsd_m: float | None, oriented: bool = False) -> NDArray[np.float32]:
    """(N, 2) widths and heights of all objects as they are drawn, before jitter; pixels.

    Args:
        index: labelled pictures.
        gsd_m: the distance that those of known distance are brought to, if any.
        oriented: of their oriented boxes.
    """
    if gsd_m is None:
        return index.object_sides(oriented)
    parts = [
        Index(index.class_names, (record,)).object_sides(oriented)
        * np.float32(magnification(record, gsd_m))
        for record in index.records
    ]
    return np.concatenate(parts)

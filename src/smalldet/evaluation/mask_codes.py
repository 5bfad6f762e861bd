"""Masks as COCO's run-length codes, which scoring compares pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence

import hotcoco
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smalldet.data.index import MASK_PX, ImageRecord
from smalldet.detections import Detections
from smalldet.geometry.masks import run_lengths

Codes = NDArray[np.object_]
"""(N,) compressed `counts` of each object in its picture; empty where nobody has outlined it."""

MAX_PIXELS = 2**32 - 1
"""Of a picture: a run is no longer."""


def have_masks(records: Sequence[ImageRecord], detections: Sequence[Detections]) -> bool:
    """Whether both sides have masks, in pictures that codes can hold.

    Pictures without objects need none, nor those without detections; labels have them where at
    least one object is outlined.
    """
    labelled = [record for record in records if len(record.boxes)]
    found = [one for one in detections if len(one)]
    return (
        any(record.masks is not None and record.masks.any() for record in labelled)
        and all(one.masks is not None for one in found)
        and all(record.width * record.height <= MAX_PIXELS for record in records)
    )


def codes_of_record(record: ImageRecord) -> Codes:
    """Of the objects of a picture."""
    if record.masks is None:
        return np.full(len(record.boxes), "", dtype=np.object_)
    outlined = record.masks.any(axis=1)
    grids = np.unpackbits(record.masks[outlined], axis=1).reshape(-1, MASK_PX, MASK_PX) * 255
    codes = np.full(len(record.boxes), "", dtype=np.object_)
    codes[outlined] = codes_of(
        torch.from_numpy(grids), torch.from_numpy(record.boxes[outlined]), record
    )
    return codes


def codes_of(masks: Tensor, boxes: Tensor, picture: ImageRecord) -> Codes:
    """Of shapes in a picture, the same pixels that files of results get.

    Args:
        masks: (N, M, M) uint8, 255 where each object is, on grids that fill the boxes.
        boxes: (N, 4) xyxy pixels.
        picture: that they lie in.
    """
    size = picture.width, picture.height
    codes = [_compressed(run_lengths(m, b, *size), size) for m, b in zip(masks, boxes, strict=True)]
    return np.array(codes, dtype=np.object_)


def whole_boxes(boxes: NDArray[np.float64], picture: ImageRecord) -> Codes:
    """Of boxes (N, 4) xyxy that are filled."""
    filled = torch.full((len(boxes), 1, 1), 255, dtype=torch.uint8)
    return codes_of(filled, torch.from_numpy(boxes), picture)


def _compressed(runs: list[int], size: tuple[int, int]) -> str:
    code = {"size": list(size[::-1]), "counts": runs}
    return hotcoco.mask.fr_py_objects(code, *size[::-1])["counts"].decode()

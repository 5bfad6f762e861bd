"""Boxes for the page: float32 columns one after the other, which a browser reads as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import Response
from numpy.typing import NDArray

CORNERS = ("x1", "y1", "x2", "y2")
ORIENTED = ("cx", "cy", "w", "h", "angle")


def box_columns(boxes: Any, rboxes: Any | None) -> dict[str, NDArray[Any]]:
    """Boxes (N, 4) xyxy by column, and oriented ones (N, 5) where there are such."""
    columns: dict[str, NDArray[Any]] = {}
    columns.update(zip(CORNERS, np.asarray(boxes, np.float32).T, strict=True))
    if rboxes is not None:
        columns.update(zip(ORIENTED, np.asarray(rboxes, np.float32).T, strict=True))
    return columns


def column_response(columns: Mapping[str, NDArray[Any]]) -> Response:
    """Little-endian float32, column by column; their names stand in the header `X-Columns`."""
    content = b"".join(np.asarray(one, "<f4").tobytes() for one in columns.values())
    return Response(
        content, media_type="application/octet-stream", headers={"X-Columns": ",".join(columns)}
    )

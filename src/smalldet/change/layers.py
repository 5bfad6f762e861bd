"""What became of the objects as a layer of a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.change.compare import Compared, Status
from smalldet.inference.writers.layers import Layer
from smalldet.inference.writers.metric_map import MetricMap

COLOURS = {
    Status.STAYED: (150, 150, 150),
    Status.MOVED: (30, 120, 255),
    Status.APPEARED: (0, 190, 60),
    Status.GONE: (230, 0, 30),
    Status.NOT_SEEN: (255, 200, 0),
}
"""In which QGIS draws what became of them."""
SCORE_DIGITS, METRE_DIGITS = 4, 3

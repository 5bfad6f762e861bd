"""Options of a function as its keyword arguments."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from smalldet.config.imagery import ImageryKeywords
from smalldet.inference.options import PredictKeywords

IMAGERY = frozenset(ImageryKeywords.__annotations__)


class PredictPictureKeywords(PredictKeywords, ImageryKeywords, total=False):
    """Options of a prediction and of the picture as keyword arguments."""


def shared_out(options: Mapping[str, Any], *keys: Collection[str]) -> list[dict[str, Any]]:
    """The options of each set of keys, and last those of none."""
    known = [{key: options[key] for key in options if key in some} for some in keys]
    rest = {key: options[key] for key in options if not any(key in some for some in keys)}
    return [*known, rest]

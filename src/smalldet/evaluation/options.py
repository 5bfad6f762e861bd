"""Options of an evaluation as values: described, checked, and without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import ConfigDict, Field, field_validator

from smalldet.evaluation.match_distance import read_distance
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX, SizeRanges, SizeUnit
from smalldet.inference.options import TilingKeywords, TilingOptions


class EvaluateOptions(TilingOptions):
    """How pictures are predicted, and what is measured about it."""

    model_config = ConfigDict(allow_inf_nan=True)  # a range of sizes may have no upper end

    STRUCTURED: ClassVar[frozenset[str]] = frozenset({"map", "sizes", "size_unit"})
    """Options that are tables, and no single value on the command line."""

    conf: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Score from which precision, recall and false alarms are counted; the model's "
        "own if not given.",
    )
    max_detections: int = Field(
        default=1500, ge=1, description="The strongest of each picture that count."
    )
    map: dict[str, str] = Field(
        default={}, description="{class of the model: class of the data} where the names differ."
    )
    sizes: dict[str, tuple[float, float]] = Field(
        default=dict(SIZE_RANGES_PX),
        description="{name: (low, high)} of the size ranges to measure by, low <= side < high, "
        "where the side is the square root of an object's box area.",
    )
    size_unit: SizeUnit = Field(
        default="px",
        description="px, or m where the ground sample distance of every picture is known.",
    )

    match_distance: str | None = Field(
        default=None,
        description="For point labels: a detection counts within this distance of a point, such as "
        "5 (pixels) or 3m (metres).",
    )
    num_resamples: int = Field(
        default=1000,
        ge=0,
        description="How often pictures are drawn anew for the 95 % intervals; 0 for none.",
    )

    @field_validator("match_distance")
    @classmethod
    def _a_distance(cls, match_distance: str | None) -> str | None:
        if match_distance is not None:
            read_distance(match_distance)
        return match_distance

    @field_validator("sizes")
    @classmethod
    def _rising(cls, sizes: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        wrong = [name for name, (low, high) in sizes.items() if not 0 <= low < high]
        if wrong:
            raise ValueError(f"sizes {wrong} must be (low, high) with 0 <= low < high")
        if "all" in sizes:
            raise ValueError("sizes cannot name a range `all`: that is all sizes together")
        return sizes


class EvaluateKeywords(TilingKeywords, total=False):
    """Fields of `EvaluateOptions` as keyword arguments."""

    conf: float | None
    max_detections: int
    map: Mapping[str, str]
    sizes: SizeRanges
    size_unit: SizeUnit
    match_distance: str | None
    num_resamples: int

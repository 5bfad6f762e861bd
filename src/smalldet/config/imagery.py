"""Options of pictures as values: which files are one scene, their bands, values and places."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from pydantic import Field, field_validator

from smalldet.config.base import Frozen

TWO_NUMBERS = re.compile(r"\s*([^,%\s]+)\s*(%?)\s*,\s*([^,%\s]+)\s*(%?)\s*")


@dataclass(frozen=True)
class StretchLimits:
    """What becomes 0 and 255 in every band: values, or percentiles of the scene's values."""

    low: float
    high: float
    percentiles: bool

    @staticmethod
    def parsed(text: str) -> StretchLimits:
        """`0,3000` is values and `2%,98%` percentiles.

        Raises:
            ValueError: it is neither, or does not rise.
        """
        advice = f"a stretch is two rising numbers, as 0,3000, or percentiles, as 2%,98%: {text!r}"
        found = TWO_NUMBERS.fullmatch(text)
        if found is None or found[2] != found[4]:
            raise ValueError(advice)
        try:
            low, high = float(found[1]), float(found[3])
        except ValueError as error:
            raise ValueError(advice) from error
        percentiles = found[2] == "%"
        within = not percentiles or 0 <= low < high <= 100
        if not (math.isfinite(low) and math.isfinite(high) and low < high and within):
            raise ValueError(advice)
        return StretchLimits(low, high, percentiles)


class ImageryOptions(Frozen):
    """How files become scenes."""

    separate: bool = Field(
        default=False,
        description="Each file is a scene; without it adjoining files of one grid are one scene.",
    )
    bands: tuple[int, ...] = Field(
        default=(),
        description="Bands to read, from 1, e.g. 4 3 2; else red, green, blue where a file names "
        "its colours, or its first three.",
    )
    nodata: float | None = Field(
        default=None, description="Value of pixels without data, instead of what a file says."
    )
    stretch: str | None = Field(
        default=None,
        description="Values that become 0 and 255, e.g. 0,3000, or percentiles, e.g. 1%,99%; "
        "without it 8 bit stay as they are, others take 2%,98%.",
    )
    assume_crs: str | None = Field(
        default=None,
        description="Coordinate system of files that have a place without one, e.g. EPSG:32633.",
    )
    height_m: float | None = Field(
        default=None,
        description="Height of the ground in metres above the ellipsoid, for files placed by RPCs; "
        "their mean height if not given.",
    )
    driver: str | None = Field(
        default=None,
        description="The one of GDAL's drivers that may open files, e.g. GTiff, for pictures of "
        "strangers: some formats name other files to read. Any if not given.",
    )

    @field_validator("bands")
    @classmethod
    def _counted_from_one(cls, bands: tuple[int, ...]) -> tuple[int, ...]:
        if any(band < 1 for band in bands):
            raise ValueError(f"bands are counted from 1, not {list(bands)}")
        return bands

    @field_validator("stretch")
    @classmethod
    def _two_limits(cls, stretch: str | None) -> str | None:
        if stretch is not None:
            StretchLimits.parsed(stretch)
        return stretch

    @property
    def limits(self) -> StretchLimits | None:
        """What `stretch` says."""
        return None if self.stretch is None else StretchLimits.parsed(self.stretch)


USUAL = ImageryOptions()


class ImageryKeywords(TypedDict, total=False):
    """Fields of `ImageryOptions` as keyword arguments, but `separate`: each source is a scene."""

    bands: Sequence[int]
    nodata: float | None
    stretch: str | None
    assume_crs: str | None
    height_m: float | None
    driver: str | None

"""Options of a comparison of dates as values: described, checked, and without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self, TypedDict

from pydantic import Field, field_validator, model_validator

from smalldet.config.base import Frozen
from smalldet.inference.zone_kinds import Grid, parse_zones

NONE = "none"
"""Stands for a date without pictures or a mask of its own in a list of one for each date."""


class ChangeOptions(Frozen):
    """How the objects of dates are compared, counted and written."""

    tolerance_m: float | None = Field(
        default=None,
        gt=0,
        description="Two objects whose centres are this near are one that stayed, metres; half of "
        "their mean side if not given.",
    )
    moved_within_m: float | None = Field(
        default=None,
        gt=0,
        description="What is gone here and new within this distance moved, metres; without it "
        "nothing is said to have moved.",
    )
    max_shift_m: float | None = Field(
        default=None,
        gt=0,
        description="Largest shift between the dates that is corrected, metres; twice the objects' "
        "median side if not given.",
    )
    no_shift: bool = Field(
        default=False, description="Correct no shift between the dates, whatever is found."
    )
    zones: tuple[str, ...] = Field(
        default=(),
        description="Count by zones: files of polygons, `grid:100m` (squares on the ground), "
        "`h3:9` (cells of H3, by resolution).",
    )
    pictures: tuple[str, ...] = Field(
        default=(),
        description="For each date in order, the pictures that its predictions were made of: a "
        "file, a folder or a pattern; none where they name them themselves. They tell what was "
        "seen.",
    )
    mask_old: Path | None = Field(
        default=None,
        description="Clouds and the like at the first of two dates: polygons, or a raster.",
    )
    mask_new: Path | None = Field(default=None, description="The same at the second.")
    masks: tuple[str, ...] = Field(
        default=(), description="The same for each of several dates in order; none where without."
    )
    mask_values: tuple[float, ...] = Field(
        default=(),
        description="Values that mark masked pixels in a raster, e.g. 3 8 9 10; all but 0 if not "
        "given.",
    )
    recall: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of the objects that the detector finds, where it is known.",
    )
    metrics: Path | None = Field(
        default=None,
        description="metrics.json that `evaluate --out` wrote: recall by size and how true scores "
        "are.",
    )
    names: tuple[str, ...] = Field(
        default=(), description="What the dates are called, in order, e.g. 2018 2020."
    )
    crs: str | None = Field(
        default=None,
        description="Coordinate system to write, e.g. EPSG:32633; that of the first date if not "
        "given.",
    )
    geometry: Literal["polygon", "point"] = Field(
        default="polygon", description="On maps: polygon, the box, or point, its centre."
    )

    @field_validator("zones")
    @classmethod
    def _on_the_ground(cls, zones: tuple[str, ...]) -> tuple[str, ...]:
        kinds = [parse_zones(text) for text in zones]
        if any(isinstance(kind, Grid) and kind.pixels for kind in kinds):
            raise ValueError("dates are compared on the ground: count in metres, as grid:100m")
        return zones

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if self.masks and (self.mask_old or self.mask_new):
            raise ValueError("give masks for each date, or mask_old and mask_new, not both")
        if self.recall is not None and self.metrics is not None:
            raise ValueError("give recall or metrics, not both")
        far = self.moved_within_m
        if far is not None and self.tolerance_m is not None and far <= self.tolerance_m:
            raise ValueError(f"moved_within_m {far:g} must be more than tolerance_m")
        return self

    def of_dates(self, num_dates: int) -> OfDates:
        """What is said of each date.

        Raises:
            ValueError: of some and not of all, or there are not two dates for old and new.
        """
        masks = self.masks
        if self.mask_old or self.mask_new:
            if num_dates != 2:
                raise ValueError(
                    f"mask_old and mask_new are for two dates; name one for each of the "
                    f"{num_dates} in masks, none where there is none"
                )
            masks = tuple(str(path or NONE) for path in (self.mask_old, self.mask_new))
        lists = {"masks": masks, "pictures": self.pictures, "names": self.names}
        for key, of_each in lists.items():
            if len(of_each) not in (0, num_dates):
                raise ValueError(
                    f"{key}: {len(of_each)} are named for {num_dates} dates; name one for each in "
                    "order, none where there is none"
                )
        masks, pictures = (
            tuple(None if one == NONE else one for one in of_each) or (None,) * num_dates
            for of_each in (masks, self.pictures)
        )
        return OfDates(pictures, masks, self.names)


class OfDates(NamedTuple):
    """What is said of each date, in order; no names where they follow from the sources.

    Args:
        pictures: that predictions were made of, or None.
        masks: files, or None.
        names: of the dates, or nothing.
    """

    pictures: tuple[str | None, ...]
    masks: tuple[str | None, ...]
    names: tuple[str, ...]


class ChangeKeywords(TypedDict, total=False):
    """Fields of `ChangeOptions` as keyword arguments."""

    tolerance_m: float | None
    moved_within_m: float | None
    max_shift_m: float | None
    no_shift: bool
    zones: Sequence[str]
    pictures: Sequence[str]
    mask_old: Path | str | None
    mask_new: Path | str | None
    masks: Sequence[str]
    mask_values: Sequence[float]
    recall: float | None
    metrics: Path | str | None
    names: Sequence[str]
    crs: str | None
    geometry: Literal["polygon", "point"]

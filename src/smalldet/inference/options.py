"""Options of a prediction as values: described, checked, and without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self, TypedDict, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from smalldet.config.base import Frozen
from smalldet.config.imagery import ImageryKeywords
from smalldet.inference.zone_kinds import parse_zones

MAX_SCALE = 8.0

MergeName = Literal["tiles", "nms", "soft_nms", "wbf", "greedy"]
"""Keys of `geometry.merge_methods.MERGES`, which needs torch to be read."""


class TilingOptions(Frozen):
    """How a scene is cut into tiles, and how what they show is put together."""

    tile_px: int | None = Field(
        default=None, ge=1, description="Side of a tile in px; the model's own if not given."
    )
    overlap_frac: float = Field(
        default=0.2, ge=0, lt=1, description="Least overlap of tiles as a fraction of their side."
    )
    scales: tuple[float, ...] = Field(
        default=(1.0,),
        description="Resolutions to look at, e.g. 0.5 1 2: pixels of the model for one of the "
        f"picture, up to {MAX_SCALE:g}; 2 shows objects twice as large.",
    )
    whole: bool = Field(default=False, description="Each picture as one tile.")
    merge: MergeName = Field(
        default="tiles",
        description="How what several tiles saw becomes one: tiles is smalldet's own, the others "
        "are there to compare.",
    )
    merge_iou: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Overlap at which two boxes are one object; what suits the merge if not given.",
    )
    across_classes: bool = Field(
        default=False, description="Boxes of different classes can be one object too."
    )
    gsd_m: float | None = Field(
        default=None,
        gt=0,
        description="Ground sample distance of the pictures, metres a pixel; what they or files "
        "beside them say if not given.",
    )
    no_gsd_match: bool = Field(
        default=False,
        description="Take pictures as they are, however far their ground sample distance is from "
        "those of training.",
    )
    min_size_m: float | None = Field(
        default=None,
        gt=0,
        description="Only objects of at least this size: the square root of the box's area, "
        "metres.",
    )
    max_size_m: float | None = Field(
        default=None, gt=0, description="Only objects of less than this size, metres."
    )
    batch_size: int | None = Field(
        default=None, ge=1, description="Tiles at a time; what suits the device if not given."
    )

    @field_validator("merge", mode="before")
    @classmethod
    def _known(cls, merge: object) -> object:
        if merge not in get_args(MergeName):
            known = ", ".join(get_args(MergeName))
            raise ValueError(f"there is no merge {merge!r}; there are {known}")
        return merge

    @field_validator("scales")
    @classmethod
    def _within(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if not scales or not all(0 < scale <= MAX_SCALE for scale in scales):
            raise ValueError(f"scales must lie above 0 and up to {MAX_SCALE}, not {list(scales)}")
        return scales

    @model_validator(mode="after")
    def _least_under_most(self) -> Self:
        low, high = self.min_size_m, self.max_size_m
        if low is not None and high is not None and low >= high:
            raise ValueError(f"min_size_m {low:g} must be less than max_size_m {high:g}")
        return self


class PredictOptions(TilingOptions):
    """What is looked for in a scene, and how."""

    AFTER_TILES: ClassVar[frozenset[str]] = frozenset(
        {
            "merge",
            "merge_iou",
            "across_classes",
            "max_detections",
            "min_size_m",
            "max_size_m",
            "gsd_m",
            "no_gsd_match",
        }
    )
    """Options that change nothing about the detections of single tiles; what is rescaled by the
    ground sample distance is noted by itself."""

    conf: float | None = Field(
        default=None, ge=0, le=1, description="Least score; the model's own if not given."
    )
    classes: tuple[str, ...] = Field(
        default=(),
        description="Only these classes, whatever their case and punctuation; all if none is "
        "given.",
    )
    whole_pass: bool = Field(
        default=False,
        description="Look also at the whole picture shrunk to one tile, for objects larger than a "
        "tile.",
    )
    scout: bool = Field(
        default=False, description="Pass over tiles in which a small picture shows nothing."
    )
    max_detections: int | None = Field(
        default=None, ge=1, description="The strongest of each picture are kept; all if not given."
    )
    area: Path | None = Field(
        default=None,
        description="Look only inside the polygons of this file, .geojson .gpkg .shp .fgb: objects "
        "whose centre lies in one are kept, tiles that touch none are not visited.",
    )


class MapOptions(Frozen):
    """How detections are written: the format, how they are put on maps, and counted there."""

    format: str | None = Field(
        default=None,
        description="Format of the results, where the suffix alone does not tell it: coco-results "
        "(with --ids), cvat, label-studio, fiftyone, yolo, dota-results, ...",
    )
    ids: Path | None = Field(
        default=None,
        description="Of coco-results: the labelled set, a COCO json, whose ids pictures and "
        "classes get.",
    )
    crs: str | None = Field(
        default=None, description="Of map formats: `source`, or e.g. EPSG:32633."
    )
    geometry: Literal["polygon", "point"] = Field(
        default="polygon", description="On maps: polygon, the box, or point, its centre."
    )
    count_in: str | None = Field(
        default=None,
        description="Count the objects of each class in zones: a file of polygons, `grid:100m` "
        "(squares on the ground), `grid:256px` (in pictures without a place), or `h3:9` (cells of "
        "H3, by resolution).",
    )
    counts: Path | None = Field(
        default=None,
        description="File for the counts, such as .gpkg .geojson .csv. If not given, a second "
        "layer of a .gpkg, else a file `..._counts` beside the output.",
    )

    @field_validator("count_in")
    @classmethod
    def _zones(cls, count_in: str | None) -> str | None:
        if count_in is not None:
            parse_zones(count_in)
        return count_in

    @field_validator("counts")
    @classmethod
    def _of_zones(cls, counts: Path | None, info: ValidationInfo) -> Path | None:
        if counts is not None and info.data.get("count_in") is None:
            raise ValueError("say what to count in with --count-in")
        return counts


class TilingKeywords(TypedDict, total=False):
    """Fields of `TilingOptions` as keyword arguments."""

    tile_px: int | None
    overlap_frac: float
    scales: Sequence[float]
    whole: bool
    merge: MergeName
    merge_iou: float | None
    across_classes: bool
    gsd_m: float | None
    no_gsd_match: bool
    min_size_m: float | None
    max_size_m: float | None
    batch_size: int | None


class PredictKeywords(TilingKeywords, total=False):
    """Fields of `PredictOptions` as keyword arguments."""

    conf: float | None
    classes: Sequence[str]
    whole_pass: bool
    scout: bool
    max_detections: int | None
    area: Path | str | None


class PictureKeywords(ImageryKeywords, total=False):
    """How one picture is read, as keyword arguments."""

    gsd_m: float | None

"""One labelled data set as a person names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from smalldet.config.base import Frozen


class LabelOptions(Frozen):
    """What labels do not say of themselves."""

    old_keys: ClassVar[Mapping[str, str]] = {"names": "class_names"}

    images: Path | None = Field(
        default=None,
        description="folder of the pictures; default: where the format has it, mostly `images` "
        "beside the labels",
    )
    pictures: Path | None = Field(
        default=None,
        description="a text file that names the pictures to use, one on each line; default: all",
    )
    class_names: tuple[str, ...] | None = Field(
        default=None, description="of a folder's classes, in order; YOLO text only numbers them"
    )
    first_pixel: int = Field(  # a Literal would refuse the text of a command line
        default=1,
        ge=0,
        le=1,
        description="how Pascal VOC's XML counts: corners from 0, or pixels from 1",
    )
    class_field: str | None = Field(
        default=None, description="of vector layers: the attribute that tells the class"
    )
    class_level: int = Field(
        default=1,
        ge=1,
        le=3,
        description="of HRSC2016: 1, all are ships; 2, aircraft carriers, warships and merchant "
        "ships; 3, their types",
    )
    side_m: float | None = Field(
        default=None, gt=0, description="of vector layers: side of the box round a point, metres"
    )
    area: Path | None = Field(
        default=None,
        description="of vector layers: polygons that were looked through; nothing is known outside",
    )
    layer: str | None = Field(
        default=None, description="of vector files with several layers: the one to read"
    )


class LabelSource(LabelOptions):
    """Where labels and their pictures lie, and what the labels do not say of themselves."""

    annotations: Path = Field(
        description="file or folder of labels in any known format, such as data.yaml, a COCO json, "
        "or a folder of Pascal VOC, DOTA or YOLO text; see docs/formats.md"
    )

    @classmethod
    def of(
        cls,
        source: LabelSource | str | Path,
        images: str | Path | None = None,
        *,
        class_names: Sequence[str] | None = None,
        first_pixel: int = 1,
    ) -> LabelSource:
        """A source itself, or that of a file or folder and what is said besides.

        Raises:
            ValueError: a source is given, and images or class names besides.
        """
        if not isinstance(source, LabelSource):
            return cls(
                annotations=Path(source),
                images=None if images is None else Path(images),
                class_names=None if class_names is None else tuple(class_names),
                first_pixel=first_pixel,
            )
        if images is not None or class_names is not None:
            raise ValueError(f"{source.annotations}: the source says images and class_names itself")
        return source

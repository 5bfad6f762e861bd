"""CVAT for images 1.1: one XML file with all pictures of a task or project.

Boxes (turned ones too), polygons, ellipses and masks are read. Lines, points, cuboids, skeletons
and tags are left out, and a warning says so. A shape's attributes `difficult`, `ignore` and
`is_crowd` are kept.

Layout: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.cvat_xml import CvatImage, CvatXml, parse_cvat
from smalldet.data.formats.lines import floats_of
from smalldet.data.formats.picture_files import is_dir, is_file, picture_sizes, refuse_missing
from smalldet.data.formats.shape_objects import ShapeObjects, index_of
from smalldet.data.formats.text_files import first_text
from smalldet.data.formats.xml_files import root_tag
from smalldet.data.index import Index

ANNOTATIONS = "annotations.xml"
LOOKED_AT = 64 << 10


def recognises(path: Path) -> bool:
    """Whether this is a CVAT file, or a folder with one named `annotations.xml`."""
    file = path / ANNOTATIONS if is_dir(path) else path
    if file.suffix.lower() != ".xml" or not is_file(file):
        return False
    head = first_text(file, LOOKED_AT)
    return root_tag(head) == "annotations" and ("<version>" in head or "<image" in head)


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    split: str | None = None,
    occluded_is_difficult: bool = False,
    with_masks: bool = False,
) -> Index:
    """Labelled pictures of a CVAT file.

    Args:
        path: the file, or its folder.
        images_dir: the pictures, named as in the file or by subset and name; by default the folder
            `images` beside the file, else the file's own.
        class_names: all classes, in order; by default the labels that the file lists, in its order,
            and those that occur, by the alphabet, if it lists none.
        split: one subset of a project, such as `Train`; all if None.
        occluded_is_difficult: shapes that are marked as occluded are difficult.
        with_masks: read outlines and masks too.

    Returns:
        an Index; boxes are clipped to their pictures and enclose what is turned. Every image of
        the file is a record, with or without shapes. If a box is turned, all have oriented boxes.

    Raises:
        FileNotFoundError: the file or a picture does not exist.
        ValueError: the file is wrong; names the image and the object.
    """
    path = Path(path)
    file = path / ANNOTATIONS if is_dir(path) else path
    with collector_paused():
        parsed = parse_cvat(file, split, occluded_is_difficult, with_masks)
    if not parsed.images:
        subsets = sorted(parsed.subsets - {""})
        has = f"it has the subsets {', '.join(subsets)}" if subsets else "it has no subsets"
        raise ValueError(f"{file}: has no images" + (f" of {split!r}; {has}" if split else ""))
    if images_dir is None:
        beside = file.parent / "images"
        images_dir = beside if is_dir(beside) else file.parent
    pictures = [_picture(image, Path(images_dir)) for image in parsed.images]
    refuse_missing(pictures, file)
    sizes = picture_sizes(pictures)
    for image, (width, height) in zip(parsed.images, sizes.tolist(), strict=True):
        if image.size != (width, height):
            raise ValueError(
                f"{image.where}: is {width}x{height}; its shapes were drawn on "
                f"{image.size[0]}x{image.size[1]} (turned by its EXIF?)"
            )
    points = _points(parsed.objects)
    _turn(parsed, points)
    names = parsed.labels or None if class_names is None else class_names
    return index_of(parsed.objects, points, pictures, sizes, names, with_masks=with_masks)


def _picture(image: CvatImage, folder: Path) -> Path:
    whole = folder / image.name
    tries = [whole, folder / image.subset / image.name, folder / Path(image.name).name]
    return next((one for one in tries if is_file(one)), whole)


def _points(objects: ShapeObjects) -> NDArray[np.float64]:
    """(K, 2) points, which stand as text in the file."""
    values = floats_of(objects.points)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        row = int(np.searchsorted(np.cumsum(objects.counts), wrong[0], side="right"))
        raise ValueError(
            f"{objects.where(row)} has {objects.points[wrong[0]][:40]!r} where a number must be"
        )
    return values.reshape(-1, 2)


def _turn(parsed: CvatXml, points: NDArray[np.float64]) -> None:
    """Boxes with a rotation, in degrees round their middles, clockwise on the screen."""
    if not parsed.rotations:
        return
    objects = parsed.objects
    ends = np.cumsum(objects.counts) // 2
    for row, degrees in parsed.rotations.items():
        low, high = points[ends[row] - 2 : ends[row]]
        if (high < low).any():
            raise ValueError(f"{objects.where(row)} runs from {low.tolist()} to {high.tolist()}")
        objects.turned[row] = [
            *((low + high) / 2).tolist(),
            *(high - low).tolist(),
            math.radians(degrees),
        ]

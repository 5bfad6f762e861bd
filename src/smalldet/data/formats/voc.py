"""Pascal VOC: one XML file for each picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from smalldet.data.formats.folders import (
    Labelled,
    classes_of,
    find_picture,
    label_files,
    picture_record,
    picture_size,
)
from smalldet.data.formats.label_format import LabelFormat
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.index import ImageRecord, Index

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def recognises(path: Path) -> bool:
    return any(path.glob("*.xml"))


def read(
    labels_dir: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    first_pixel: Literal[0, 1] = 1,
) -> Index:
    """Labelled pictures of a folder of VOC XML.

    Args:
        labels_dir: the folder of `.xml` files.
        images_dir: where the pictures of the same names lie; by default `JPEGImages` or `images`
            beside `labels_dir`.
        class_names: all classes, in order; those that occur, by the alphabet, if None.
        first_pixel: how the file counts. VOC's own numbers are whole pixels counted from 1 with
            the last one included; many programs write corners counted from 0.

    Returns:
        an Index; boxes are clipped to their picture, `difficult` is kept.

    Raises:
        FileNotFoundError: the folder, its files or a picture do not exist.
        ValueError: a file is wrong, or names a class that `class_names` lacks; names it.
    """
    labels_dir = Path(labels_dir)
    files = label_files(labels_dir, ".xml")
    if images_dir is None:
        voc_own = labels_dir.parent / "JPEGImages"
        images_dir = voc_own if voc_own.is_dir() else labels_dir.parent / "images"
    labelled = [_read_file(file, first_pixel) for file in files]
    names = classes_of(files, labelled, class_names or None)
    records = [
        _record(find_picture(Path(images_dir), file.stem), one, names, number)
        for number, (file, one) in enumerate(zip(files, labelled, strict=True), start=1)
    ]
    return Index(names, tuple(records))


def _read_file(file: Path, first_pixel: int) -> Labelled:
    try:
        root = ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{file}: is no XML: {error}") from error
    labelled = Labelled([], [], [])
    for number, entry in enumerate(root.iter("object"), start=1):
        try:
            corners = [float(entry.findtext(f"bndbox/{key}") or "") for key in CORNERS]
        except ValueError:
            corners = [float("nan")] * 4
        name = (entry.findtext("name") or "").strip()
        if not name or not np.isfinite(corners).all() or not _ordered(corners):
            raise ValueError(
                f"{file}: object {number} needs a name and a bndbox of {', '.join(CORNERS)} in "
                "order"
            )
        # Pixels first..last, both included, end where the last one does.
        corners[:2] = [corners[0] - first_pixel, corners[1] - first_pixel]
        labelled.corners.append(corners)
        labelled.names.append(name)
        labelled.difficult.append((entry.findtext("difficult") or "0").strip() == "1")
    return labelled


def _ordered(corners: Sequence[float]) -> bool:
    return corners[0] <= corners[2] and corners[1] <= corners[3]


def _record(picture: Path, labelled: Labelled, names: Sequence[str], image_id: int) -> ImageRecord:
    return picture_record(
        picture,
        picture_size(picture),
        np.array(labelled.corners, dtype=np.float64).reshape(-1, 4),
        [names.index(name) for name in labelled.names],
        image_id,
        difficult=labelled.difficult,
    )


def _read_source(source: LabelSource, split: str | None, with_masks: bool) -> Index:
    return read(source.annotations, source.images, source.class_names, source.first_pixel)


FORMAT = LabelFormat("Pascal VOC", "a folder of .xml files", recognises, _read_source)

"""Oriented boxes in XML like Pascal VOC's: roLabelImg's `robndbox`, and that of DIOR-R.

roLabelImg gives centre, sides and an angle in radians, clockwise on the screen, DIOR-R four
corners. Upright boxes (`bndbox`, corners counted from 0) may stand among them.

Layouts: https://github.com/cgvict/roLabelImg, and DIOR-R: https://gcheng-nwpu.github.io/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.corners import rboxes_round
from smalldet.data.formats.lines import floats_of
from smalldet.data.formats.rolabelimg_writing import LOSES, write
from smalldet.data.formats.xml_files import fields_of, read_xml, root_tag
from smalldet.data.formats.xml_objects import XmlObjects, oriented_index
from smalldet.data.formats.xml_sets import first_heads, splits, xml_set
from smalldet.data.index import Index

__all__ = ["LOSES", "read", "recognises", "splits", "write"]

ROOT = "annotation"
ROBNDBOX = ("cx", "cy", "w", "h", "angle")
DIOR_R = tuple(
    f"{axis}_{corner}"
    for corner in ("left_top", "right_top", "right_bottom", "left_bottom")
    for axis in "xy"
)
LAYOUT = "a robndbox of cx, cy, w, h, angle, or of four corners as x_left_top"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
IMAGES = ("JPEGImages", "JPEGImages-trainval", "JPEGImages-test", "images")


def recognises(path: Path) -> bool:
    """Whether this is a folder of such XML; one of the first files must show a `robndbox`."""
    return any(root_tag(head) == ROOT and "<robndbox>" in head for head in first_heads(path))


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    split: str | None = None,
) -> Index:
    """Labelled pictures with oriented boxes.

    Args:
        path: a folder of XML, or the folder that has `Annotations`.
        images_dir: the pictures; by default one of `IMAGES` beside the annotations, else the
            annotations' own folder.
        class_names: all classes, in order; those that occur, by the alphabet, if None.
        split: a list in `ImageSets`; every XML file if None.

    Returns:
        an Index. Boxes enclose the oriented ones and are clipped to the picture.

    Raises:
        FileNotFoundError: a folder, list or picture does not exist.
        ValueError: a file is wrong; names it and the object.
    """
    xml = xml_set(Path(path), images_dir, split, IMAGES)
    objects = XmlObjects()
    corners: dict[int, list[str]] = {}
    with collector_paused():
        for row, file in xml.labelled:
            found = [one for one in read_xml(file, (ROOT,)) if one.tag == "object"]
            for number, element in enumerate(found, start=1):
                _add(objects, corners, element, file, number, row)
    rboxes = objects.numbers(len(ROBNDBOX), LAYOUT)
    if corners:
        rows = list(corners)
        values = floats_of([text for row in rows for text in corners[row]])
        wrong = ~np.isfinite(values)
        if wrong.any():
            row = rows[int(wrong.argmax()) // len(DIOR_R)]
            raise ValueError(f"{objects.where(row)} needs {LAYOUT}; it has {corners[row]}")
        quads = values.reshape(-1, len(DIOR_R))
        rboxes[rows] = rboxes_round(quads, lambda place: objects.where(rows[place]))
    return oriented_index(xml.pictures, objects, rboxes, class_names)


def _add(
    objects: XmlObjects,
    corners: dict[int, list[str]],
    element: Element,
    file: Path,
    number: int,
    picture: int,
) -> None:
    place = {child.tag: child for child in element}
    if "robndbox" in place:
        numbers = fields_of(place["robndbox"])
        texts = [numbers.get(key, "") for key in ROBNDBOX]
        if DIOR_R[0] in numbers:
            corners[len(objects.names)] = [numbers.get(key, "") for key in DIOR_R]
            texts = ["0"] * len(ROBNDBOX)
    elif "bndbox" in place:
        texts = _upright(fields_of(place["bndbox"]), f"{file}: object {number}")
    else:
        raise ValueError(f"{file}: object {number} needs {LAYOUT}")
    objects.add(file, number, picture, fields_of(element), texts)


def _upright(numbers: dict[str, str], where: str) -> list[str]:
    corners = floats_of([numbers.get(key, "") for key in CORNERS])
    low, high = corners[:2], corners[2:]
    if not np.isfinite(corners).all() or not (low <= high).all():
        raise ValueError(f"{where} needs a bndbox of {', '.join(CORNERS)} in order")
    return [repr(value) for value in (*((low + high) / 2).tolist(), *(high - low).tolist(), 0.0)]

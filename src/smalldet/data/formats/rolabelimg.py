"""Oriented boxes in XML: roLabelImg's `robndbox`, and HRSC2016's `HRSC_Object`.

Both give centre, sides and an angle in radians, clockwise on the screen. roLabelImg's upright boxes
(`bndbox`, corners counted from 0) may stand among its oriented ones.

Layouts: https://github.com/cgvict/roLabelImg, and HRSC2016: Liu, Yuan, Weng, Yang, "A High
Resolution Optical Satellite Image Dataset for Ship Recognition and Some New Baselines", ICPRAM
2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import torch

from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.corners import refuse_degrees
from smalldet.data.formats.lines import floats_of
from smalldet.data.formats.object_columns import ObjectColumns, records_of
from smalldet.data.formats.picture_files import picture_sizes
from smalldet.data.formats.text_files import first_text
from smalldet.data.formats.xml_files import fields_of, read_xml, root_tag
from smalldet.data.formats.xml_objects import XmlObjects, labels_of
from smalldet.data.formats.xml_sets import devkit_root, splits, xml_set
from smalldet.data.index import Index
from smalldet.geometry.oriented import enclosing_boxes

__all__ = ["read", "recognises", "splits"]

ROLABELIMG, HRSC = "annotation", "HRSC_Image"
LAYOUT = "a robndbox of cx, cy, w, h, angle"
ROBNDBOX = ("cx", "cy", "w", "h", "angle")
MBOX = ("mbox_cx", "mbox_cy", "mbox_w", "mbox_h", "mbox_ang")
CORNERS = ("xmin", "ymin", "xmax", "ymax")
SHIP = "ship"
LOOKED_AT = 64 << 10


def recognises(path: Path) -> bool:
    """Whether this is a folder of XML of one of the two kinds; one of the first files must show."""
    try:
        found = devkit_root(path)
        folder = found / "Annotations" if (found / "Annotations").is_dir() else found
        files = sorted(folder.glob("*.xml"))[:3] if folder.is_dir() else []
    except (OSError, ValueError):
        return False
    for file in files:
        head = first_text(file, LOOKED_AT)
        if root_tag(head) == HRSC or (root_tag(head) == ROLABELIMG and "<robndbox>" in head):
            return True
    return False


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    split: str | None = None,
    by_class_id: bool = False,
) -> Index:
    """Labelled pictures with oriented boxes.

    Args:
        path: a folder of XML, or the folder that has `Annotations`.
        images_dir: the pictures; by default `AllImages`, `JPEGImages` or `images` beside the
            annotations, else the annotations' own folder.
        class_names: all classes, in order; those that occur, by the alphabet, if None.
        split: a list in `ImageSets`; every XML file if None.
        by_class_id: HRSC2016's objects have their Class_ID, such as 100000013, for a class; by
            default all are `ship`.

    Returns:
        an Index. Boxes enclose the oriented ones and are clipped to the picture; `gsd_m` is
        HRSC2016's Img_Resolution.

    Raises:
        FileNotFoundError: a folder, list or picture does not exist.
        ValueError: a file is wrong; names it and the object.
    """
    xml = xml_set(Path(path), images_dir, split, ("AllImages", "JPEGImages", "images"))
    objects = XmlObjects()
    gsd_m: list[float | None] = [None] * len(xml.pictures)
    with collector_paused():
        for row, file in xml.labelled:
            root = read_xml(file, (ROLABELIMG, HRSC))
            if root.tag == HRSC:
                gsd_m[row] = _resolution(root)
                _add_hrsc(objects, root, file, row, by_class_id)
            else:
                _add_rolabelimg(objects, root, file, row)
    names, labels = labels_of(objects, class_names)
    rboxes = objects.numbers(len(ROBNDBOX), LAYOUT)
    refuse_degrees(rboxes[:, 4], objects.where)
    columns = ObjectColumns(
        pictures=np.array(objects.pictures, dtype=np.int64),
        boxes=enclosing_boxes(torch.from_numpy(rboxes)).numpy(),
        labels=labels,
        ignore=np.array(objects.ignore, dtype=np.bool_),
        difficult=np.array(objects.difficult, dtype=np.bool_),
        rboxes=rboxes,
    )
    sizes = picture_sizes(xml.pictures)
    return Index(names, records_of(columns, xml.pictures, sizes, objects.where, gsd_m))


def _resolution(root: Element) -> float | None:
    value = floats_of([fields_of(root).get("Img_Resolution", "")])[0]
    return float(value) if math.isfinite(value) and value > 0 else None


def _add_hrsc(objects: XmlObjects, root: Element, file: Path, row: int, by_class_id: bool) -> None:
    found = [one for group in root if group.tag == "HRSC_Objects" for one in group]
    for number, element in enumerate(found, start=1):
        texts = fields_of(element)
        texts["name"] = texts.get("Class_ID", "") if by_class_id else SHIP
        objects.add(file, number, row, texts, [texts.get(key, "") for key in MBOX])


def _add_rolabelimg(objects: XmlObjects, root: Element, file: Path, row: int) -> None:
    number = 0
    for element in root:
        if element.tag != "object":
            continue
        number += 1
        texts = fields_of(element)
        place = {child.tag: child for child in element}
        if "robndbox" in place:
            numbers = fields_of(place["robndbox"])
            objects.add(file, number, row, texts, [numbers.get(key, "") for key in ROBNDBOX])
        elif "bndbox" in place:
            numbers = fields_of(place["bndbox"])
            corners = floats_of([numbers.get(key, "") for key in CORNERS])
            low, high = corners[:2], corners[2:]
            if not np.isfinite(corners).all() or not (low <= high).all():
                raise ValueError(
                    f"{file}: object {number} needs a bndbox of {', '.join(CORNERS)} in order"
                )
            upright = [*((low + high) / 2).tolist(), *(high - low).tolist(), 0.0]
            objects.add(file, number, row, texts, [repr(value) for value in upright])
        else:
            raise ValueError(f"{file}: object {number} needs {LAYOUT}")

"""Pascal VOC as it is published: Annotations, JPEGImages, and lists of splits in ImageSets/Main.

Also a folder of XML beside or among its pictures, as labelImg and Roboflow leave it. Corners are
counted from 1 and the last pixel belongs to the box. An object may say `ignore` 1, which VOC itself
does not know: other readers take it as difficult.

Layout: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.object_columns import ObjectColumns, records_of
from smalldet.data.formats.picture_files import picture_sizes
from smalldet.data.formats.voc_writing import LOSES, write
from smalldet.data.formats.xml_files import fields_of, read_xml, root_tag
from smalldet.data.formats.xml_objects import TEXTS, XmlObjects, labels_of
from smalldet.data.formats.xml_sets import first_heads, splits, xml_set
from smalldet.data.index import Index

__all__ = ["LOSES", "read", "recognises", "splits", "write"]

logger = logging.getLogger(__name__)

CORNERS = ("xmin", "ymin", "xmax", "ymax")
MAX_SHOWN = 3


def recognises(path: Path) -> bool:
    """Whether this is a VOC devkit, or a folder of VOC XML without oriented boxes."""
    heads = first_heads(path)
    return bool(heads) and all(
        root_tag(head) == "annotation" and "<robndbox>" not in head for head in heads
    )


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    split: str | None = "train",
    first_pixel: Literal[0, 1] = 1,
) -> Index:
    """Labelled pictures of one split.

    Args:
        path: the folder that has `Annotations` (or one VOC2007 or VOCdevkit/VOC2007 in it that
            has), or a folder of XML files.
        images_dir: the pictures; by default `JPEGImages` or `images` beside the annotations, else
            the annotations' own folder.
        class_names: all classes, in order; those that occur, by the alphabet, if None.
        split: the list in `ImageSets/Main` to read: `train`, `val`, `trainval`, `test`; every XML
            file if None. A picture of the list without an XML file has no objects.
        first_pixel: how the file counts. VOC's own numbers are whole pixels counted from 1 with
            the last one included; many programs write corners counted from 0.

    Returns:
        an Index; boxes are clipped to their pictures, `difficult` and `ignore` are kept.

    Raises:
        FileNotFoundError: a folder, list or picture does not exist.
        ValueError: a file is wrong, or names a class that `class_names` lacks; names it.
    """
    voc = xml_set(Path(path), images_dir, split, ("JPEGImages", "images"))
    objects = XmlObjects()
    sizes = picture_sizes(voc.pictures)
    others: list[Path] = []
    with collector_paused():
        for row, file in voc.labelled:
            if not _read_file(objects, file, row, sizes[row].tolist()):
                others.append(file)
    if others:
        logger.warning(
            "%d files say another size than their pictures have: %s",
            len(others),
            ", ".join(str(file) for file in others[:MAX_SHOWN]),
        )
    names, labels = labels_of(objects, class_names)
    boxes = objects.numbers(4, f"a bndbox of {', '.join(CORNERS)}")
    # Pixels first..last, both included, end where the last one does.
    boxes[:, :2] -= first_pixel
    ignore = np.array(objects.ignore, dtype=np.bool_)
    columns = ObjectColumns(
        pictures=np.array(objects.pictures, dtype=np.int64),
        boxes=boxes,
        labels=labels,
        ignore=ignore,
        difficult=np.array(objects.difficult, dtype=np.bool_) & ~ignore,
    )
    return Index(names, records_of(columns, voc.pictures, sizes, objects.where))


def _read_file(objects: XmlObjects, file: Path, row: int, size: list[int]) -> bool:
    """Adds the objects of a file; whether the size that it says is the picture's."""
    said = None
    number = 0
    for element in read_xml(file, ("annotation",)):
        if element.tag == "size":
            texts = fields_of(element)
            said = [texts.get("width", ""), texts.get("height", "")]
        elif element.tag == "object":
            number += 1
            children = {child.tag: child for child in element}
            texts = {key: children[key].text or "" for key in TEXTS if key in children}
            corners = {child.tag: child.text for child in children.get("bndbox", ())}
            objects.add(file, number, row, texts, [corners.get(key) or "" for key in CORNERS])
    # Some programs write 0 or nothing.
    return said is None or said in (["0", "0"], ["", ""]) or said == [str(side) for side in size]

"""HRSC2016: ships in XML of its own, with oriented boxes and three levels of classes.

A box is centre, sides and an angle in radians, clockwise on the screen. The download has
`FullDataSet` with `AllImages`, `Annotations` and `sysdata.xml`, which names the classes, and lists
in `ImageSets` beside it.

Source: Liu, Yuan, Weng, Yang, "A High Resolution Optical Satellite Image Dataset for Ship
Recognition and Some New Baselines", ICPRAM 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.lines import floats_of
from smalldet.data.formats.picture_files import is_file
from smalldet.data.formats.xml_files import fields_of, read_xml, root_tag
from smalldet.data.formats.xml_objects import XmlObjects, oriented_index
from smalldet.data.formats.xml_sets import devkit_root, first_heads, splits, xml_set
from smalldet.data.index import Index

__all__ = ["read", "recognises", "splits"]

ROOT = "HRSC_Image"
MBOX = ("mbox_cx", "mbox_cy", "mbox_w", "mbox_h", "mbox_ang")
LAYOUT = f"numbers for {', '.join(MBOX)}"
IMAGES = ("AllImages", "JPEGImages", "images")
SHIP, CLASSES_FILE = "ship", "sysdata.xml"
NUM_LEVELS = 3


@dataclass(frozen=True)
class _Class:
    """A class of `sysdata.xml`: its name, level from 1, and the one above it."""

    name: str
    level: int
    parent: str


def recognises(path: Path) -> bool:
    """Whether this is a folder of HRSC2016's XML; one of the first files must be."""
    return any(root_tag(head) == ROOT for head in first_heads(path))


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    split: str | None = None,
    class_level: int = 1,
) -> Index:
    """Labelled pictures with oriented boxes.

    Args:
        path: the download's folder, the one that has `Annotations`, or a folder of XML.
        images_dir: the pictures; by default one of `IMAGES` beside the annotations, else the
            annotations' own folder.
        class_names: all classes, in order; those that occur, by the alphabet, if None.
        split: a list in `ImageSets`; every XML file if None.
        class_level: 1 takes all for `ship`; 2 tells aircraft carriers, warships and merchant ships
            apart, 3 their types. Names are those of `sysdata.xml`; without it the third level's are
            the Class_IDs. A ship that is told less closely keeps the class that it is given.

    Returns:
        an Index. Boxes enclose the oriented ones and are clipped to the picture; `gsd_m` is
        Img_Resolution.

    Raises:
        FileNotFoundError: a folder, list, picture or, for the second level, `sysdata.xml` does not
            exist.
        ValueError: a file is wrong; names it and the object.
    """
    path = Path(path)
    xml = xml_set(path, images_dir, split, IMAGES)
    classes = _classes(devkit_root(path) / CLASSES_FILE, class_level)
    objects = XmlObjects()
    gsd_m: list[float | None] = [None] * len(xml.pictures)
    with collector_paused():
        for row, file in xml.labelled:
            root = read_xml(file, (ROOT,))
            gsd_m[row] = _resolution(root)
            found = [one for group in root if group.tag == "HRSC_Objects" for one in group]
            for number, element in enumerate(found, start=1):
                texts = fields_of(element)
                own = texts.get("Class_ID", "")
                texts["name"] = SHIP if class_level == 1 else _name(classes, own, class_level)
                objects.add(file, number, row, texts, [texts.get(key, "") for key in MBOX])
    rboxes = objects.numbers(len(MBOX), LAYOUT)
    return oriented_index(xml.pictures, objects, rboxes, class_names, gsd_m)


def _resolution(root: Element) -> float | None:
    value = floats_of([fields_of(root).get("Img_Resolution", "")])[0]
    return float(value) if math.isfinite(value) and value > 0 else None


def _classes(file: Path, class_level: int) -> dict[str, _Class]:
    """{Class_ID: class} of the file; empty where it is not needed or not there."""
    if class_level == 1 or (class_level == NUM_LEVELS and not is_file(file)):
        return {}
    found: dict[str, _Class] = {}
    for group in read_xml(file, ("sysdata",)):
        for element in group if group.tag == "HRSC_Classes" else ():
            texts = fields_of(element)
            number, layer = texts.get("Class_ID", ""), texts.get("Class_Layer", "")
            name = texts.get("Class_EngName", "")
            if not number or not name or layer not in ("0", "1", "2"):
                raise ValueError(
                    f"{file}: class {len(found) + 1} needs Class_ID, Class_EngName and a "
                    "Class_Layer from 0 to 2"
                )
            found[number] = _Class(name, int(layer) + 1, texts.get("HRS_Class_ID", ""))
    return found


def _name(classes: dict[str, _Class], number: str, class_level: int) -> str:
    """The name of the class of that level above a class, or its own where it has none such."""
    known = classes.get(number)
    for _ in range(NUM_LEVELS):
        if known is None:
            return number
        if known.level <= class_level:
            return known.name
        number, known = known.parent, classes.get(known.parent)
    return number

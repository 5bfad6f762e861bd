"""Writing roLabelImg's XML: see `rolabelimg` for the layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from smalldet.atomic_write import write_text
from smalldet.data.formats.number_text import whole_or_shortest
from smalldet.data.formats.object_columns import upright
from smalldet.data.formats.picture_links import link_pictures
from smalldet.data.formats.voc_writing import IGNORE, refuse_names
from smalldet.data.index import ImageRecord, Index

LOSES = ("masks", "gsd_m", "unknown")
"""And `difficult` of objects that are ignored."""

OBJECT = """  <object>
    <type>robndbox</type>
    <name>{name}</name>
    <pose>Unspecified</pose>
    <truncated>0</truncated>
    <difficult>{difficult}</difficult>
{ignore}    <robndbox>
      <cx>{0}</cx>
      <cy>{1}</cy>
      <w>{2}</w>
      <h>{3}</h>
      <angle>{4}</angle>
    </robndbox>
  </object>
"""
PICTURE = """<annotation verified="no">
  <folder>images</folder>
  <filename>{filename}</filename>
  <size>
    <width>{width}</width>
    <height>{height}</height>
    <depth>3</depth>
  </size>
  <segmented>0</segmented>
{objects}</annotation>
"""


def write(index: Index, out_dir: str | Path) -> list[Path]:
    """XML in `Annotations`, and links to the pictures in `images`.

    Every object is a `robndbox`, upright ones too, with an angle from 0 to pi. Regions to ignore
    are marked `difficult`, and `ignore`, which `rolabelimg` reads.

    Raises:
        FileNotFoundError: a picture does not exist.
        ValueError: a name in `images` is taken, or a class name cannot stand in XML.
    """
    out_dir = Path(out_dir)
    refuse_names(index.class_names)
    links = link_pictures([record.path for record in index.records], out_dir / "images")
    (out_dir / "Annotations").mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for record, link in zip(index.records, links, strict=True):
        file = out_dir / "Annotations" / f"{link.stem}.xml"
        write_text(file, _text(record, link.name, index.class_names))
        written.append(file)
    return written


def _text(record: ImageRecord, filename: str, class_names: Sequence[str]) -> str:
    names = [escape(name) for name in class_names]
    rboxes = upright(record.boxes.astype(np.float64)) if record.rboxes is None else record.rboxes
    rboxes = rboxes.astype(np.float32)
    rboxes[:, 4] = rboxes[:, 4] % np.float32(math.pi)
    objects = "".join(
        OBJECT.format(
            *numbers,
            name=names[label],
            difficult=int(difficult or ignore),
            ignore=IGNORE if ignore else "",
        )
        for numbers, label, difficult, ignore in zip(
            whole_or_shortest(rboxes),
            record.labels.tolist(),
            record.difficult.tolist(),
            record.ignore.tolist(),
            strict=True,
        )
    )
    return PICTURE.format(
        filename=escape(filename), width=record.width, height=record.height, objects=objects
    )

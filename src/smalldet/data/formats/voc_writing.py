"""Writing Pascal VOC: see `voc_sets` for the layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from smalldet.atomic_write import write_text
from smalldet.data.formats.number_text import whole_or_shortest
from smalldet.data.formats.picture_links import link_pictures
from smalldet.data.index import ImageRecord, Index

LOSES = ("masks", "rboxes", "gsd_m", "unknown")
"""And `difficult` of objects that are ignored."""

OBJECT = """  <object>
    <name>{name}</name>
    <pose>Unspecified</pose>
    <truncated>0</truncated>
    <difficult>{difficult}</difficult>
{ignore}    <bndbox>
      <xmin>{0}</xmin>
      <ymin>{1}</ymin>
      <xmax>{2}</xmax>
      <ymax>{3}</ymax>
    </bndbox>
  </object>
"""
IGNORE = "    <ignore>1</ignore>\n"
PICTURE = """<annotation>
  <folder>JPEGImages</folder>
  <filename>{filename}</filename>
  <size>
    <width>{width}</width>
    <height>{height}</height>
    <depth>3</depth>
  </size>
  <segmented>0</segmented>
{objects}</annotation>
"""


def write(index: Index, out_dir: str | Path, *, split: str = "train") -> list[Path]:
    """A devkit: XML in `Annotations`, links in `JPEGImages`, and `ImageSets/Main/{split}.txt`.

    Corners are counted from 1, and have fractions where the boxes have. Regions to ignore are
    marked `difficult`, which VOC's evaluation leaves out, and `ignore`, which `voc_sets` reads.

    Returns:
        the XML files and the list.

    Raises:
        FileNotFoundError: a picture does not exist.
        ValueError: a name in `JPEGImages` is taken, or a class name cannot stand in XML.
    """
    out_dir = Path(out_dir)
    refuse_names(index.class_names)
    links = link_pictures([record.path for record in index.records], out_dir / "JPEGImages")
    spaced = [link.stem for link in links if len(link.stem.split()) != 1]
    if spaced:
        raise ValueError(f"picture {spaced[0]!r} has space in its name, which lists of VOC part at")
    (out_dir / "Annotations").mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for record, link in zip(index.records, links, strict=True):
        file = out_dir / "Annotations" / f"{link.stem}.xml"
        write_text(file, _text(record, link.name, index.class_names))
        written.append(file)
    listed = out_dir / "ImageSets" / "Main" / f"{split}.txt"
    write_text(listed, "".join(f"{link.stem}\n" for link in links))
    return [*written, listed]


def refuse_names(class_names: Sequence[str]) -> None:
    """Raises a ValueError where a class's name would not come out of XML as it went in."""
    for name in class_names:
        if name != name.strip() or not name or any(ord(ch) < 32 for ch in name):
            raise ValueError(f"class {name!r} cannot stand in XML as it is; rename it")


def _text(record: ImageRecord, filename: str, class_names: Sequence[str]) -> str:
    names = [escape(name) for name in class_names]
    corners = record.boxes.astype(np.float64)
    corners[:, :2] += 1
    objects = "".join(
        OBJECT.format(
            *box,
            name=names[label],
            difficult=int(difficult or ignore),
            ignore=IGNORE if ignore else "",
        )
        for box, label, difficult, ignore in zip(
            whole_or_shortest(corners.astype(np.float32)),
            record.labels.tolist(),
            record.difficult.tolist(),
            record.ignore.tolist(),
            strict=True,
        )
    )
    return PICTURE.format(
        filename=escape(filename), width=record.width, height=record.height, objects=objects
    )

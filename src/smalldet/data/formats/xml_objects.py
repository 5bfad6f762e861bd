"""Objects of XML files, gathered for a whole set, and the Index of oriented ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.data.formats.corners import refuse_degrees
from smalldet.data.formats.lines import floats_of
from smalldet.data.formats.object_columns import ObjectColumns, records_of
from smalldet.data.formats.picture_files import picture_sizes
from smalldet.data.index import Index
from smalldet.geometry.oriented import enclosing_boxes

TEXTS = ("name", "difficult", "ignore")
"""What is told of an object beside its place."""
FLAGS = {"": False, "0": False, "1": True}


@dataclass
class XmlObjects:
    """Columns that grow by one object at a time, as XML is read.

    Args:
        pictures: place of each object's picture.
        names: class of each.
        texts: numbers of its place, as text, all objects' one after another.
        difficult: of each.
        ignore: of each.
        files: file of each.
        in_file: its number there, from 1.
    """

    pictures: list[int] = field(default_factory=list[int])
    names: list[str] = field(default_factory=list[str])
    texts: list[str] = field(default_factory=list[str])
    difficult: list[bool] = field(default_factory=list[bool])
    ignore: list[bool] = field(default_factory=list[bool])
    files: list[Path] = field(default_factory=list[Path])
    in_file: list[int] = field(default_factory=list[int])

    def add(
        self,
        file: Path,
        number: int,
        picture: int,
        texts: Mapping[str, str],
        numbers: Sequence[str],
    ) -> None:
        """Object `number` of a file: `texts` has what of TEXTS there is, `numbers` its place.

        Raises:
            ValueError: it has no name, or a flag is neither 0 nor 1.
        """
        name = texts.get("name", "").strip()
        if not name:
            raise ValueError(f"{file}: object {number} has no name")
        difficult, ignore = (FLAGS.get(texts.get(key, "").strip()) for key in TEXTS[1:])
        if difficult is None or ignore is None:
            key = TEXTS[1 if difficult is None else 2]
            said = texts[key].strip()[:40]
            raise ValueError(f"{file}: object {number} has {key} {said!r}, not 0 or 1")
        self.pictures.append(picture)
        self.names.append(name)
        self.texts += numbers
        self.difficult.append(difficult)
        self.ignore.append(ignore)
        self.files.append(file)
        self.in_file.append(number)

    def where(self, row: int) -> str:
        """File and number of an object, for messages."""
        return f"{self.files[row]}: object {self.in_file[row]}"

    def numbers(self, width: int, layout: str) -> NDArray[np.float64]:
        """(N, width) finite numbers of the objects' places.

        Raises:
            ValueError: an object lacks one; names it.
        """
        values = floats_of(self.texts).reshape(-1, width)
        wrong = ~np.isfinite(values).all(axis=1)
        if wrong.any():
            row = int(wrong.argmax())
            said = ", ".join(self.texts[row * width : (row + 1) * width])[:100]
            raise ValueError(f"{self.where(row)} needs {layout}; it has {said!r}")
        return values


def labels_of(
    objects: XmlObjects, class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes as given, or those that occur, by the alphabet; and (N,) labels among them.

    Raises:
        ValueError: an object's class is not among those given; names it.
    """
    names = tuple(sorted(set(objects.names)) if class_names is None else class_names)
    place = {name: number for number, name in enumerate(names)}
    labels = np.array([place.get(name, -1) for name in objects.names], dtype=np.int64)
    if (labels < 0).any():
        row = int((labels < 0).argmax())
        raise ValueError(
            f"{objects.where(row)} has class {objects.names[row]!r}; class_names are {list(names)}"
        )
    return names, labels


def oriented_index(
    pictures: Sequence[Path],
    objects: XmlObjects,
    rboxes: NDArray[np.float64],
    class_names: Sequence[str] | None,
    gsd_m: Sequence[float | None] | None = None,
) -> Index:
    """The Index of objects with oriented boxes; boxes enclose them.

    Args:
        pictures: the files.
        objects: N objects.
        rboxes: (N, 5) centre, sides, and angle in radians, clockwise on the screen.
        class_names: all classes, in order; those that occur, by the alphabet, if None.
        gsd_m: metres a pixel of each picture, where known.

    Raises:
        ValueError: an angle, a box or a class is wrong; names the object.
    """
    refuse_degrees(rboxes[:, 4], objects.where)
    names, labels = labels_of(objects, class_names)
    ignore = np.array(objects.ignore, dtype=np.bool_)
    columns = ObjectColumns(
        pictures=np.array(objects.pictures, dtype=np.int64),
        boxes=enclosing_boxes(torch.from_numpy(rboxes)).numpy(),
        labels=labels,
        ignore=ignore,
        difficult=np.array(objects.difficult, dtype=np.bool_) & ~ignore,
        rboxes=rboxes,
    )
    records = records_of(columns, pictures, picture_sizes(pictures), objects.where, gsd_m)
    return Index(names, records)

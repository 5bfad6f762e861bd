"""The XML of CVAT for images 1.1, read as it comes, without a tree in memory."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

import numpy as np

from smalldet.data.formats.bitmap_masks import MAX_PIXELS, bitmap_of
from smalldet.data.formats.lines import floats_of
from smalldet.data.formats.shape_objects import ShapeObjects, ellipse
from smalldet.data.formats.text_files import utf8_bytes

MAX_BYTES = 1 << 30
MAX_DEPTH = 16
DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([^"']*)["']""")
UTF8 = (b"utf-8", b"utf8", b"us-ascii", b"ascii")
NO_AREA = ("polyline", "points", "cuboid", "skeleton", "tag")
SHAPES = ("box", "polygon", "ellipse", "mask", *NO_AREA)
CORNERS = ("xtl", "ytl", "xbr", "ybr")
ELLIPSE = ("cx", "cy", "rx", "ry")
MASK = ("left", "top", "width", "height")
FLAGS = {"difficult": "difficult", "ignore": "ignore", "is_crowd": "ignore", "iscrowd": "ignore"}


@dataclass(frozen=True)
class CvatImage:
    """An image of the file: its name, subset, and size as width and height."""

    name: str
    subset: str
    size: tuple[int, int]
    where: str


@dataclass
class CvatXml:
    """What a file has.

    Args:
        images: of the subset that is read.
        objects: their shapes; numbers of their points are still text.
        labels: names that the file lists and a shape with an area can have.
        rotations: {row: degrees} of boxes that are turned.
        subsets: all that occur.
    """

    images: list[CvatImage] = field(default_factory=list[CvatImage])
    objects: ShapeObjects = field(default_factory=ShapeObjects)
    labels: list[str] = field(default_factory=list[str])
    rotations: dict[int, float] = field(default_factory=dict[int, float])
    subsets: set[str] = field(default_factory=set[str])


def parse_cvat(
    path: Path, split: str | None, occluded_is_difficult: bool, with_masks: bool
) -> CvatXml:
    """All of a file; see `cvat.read`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no XML of CVAT for images, declares entities, is nested too deep, or a
            shape is wrong; names the file and the line or object.
    """
    raw = utf8_bytes(path, MAX_BYTES)
    declared = DECLARED.match(raw[:1024])
    if declared and declared[1].lower() not in UTF8:
        name = declared[1].decode("ascii", errors="replace")
        raise ValueError(f"{path}: encoding {name!r} is not read; save it as UTF-8")
    reader = _Reader(path, split, occluded_is_difficult, with_masks)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = reader.entity
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise ValueError(f"{path}: is no XML: {error}") from None
    return reader.found


class _Reader:
    """Takes the parser's calls, one for each beginning and end of an element."""

    def __init__(
        self, path: Path, split: str | None, occluded_is_difficult: bool, with_masks: bool
    ) -> None:
        self.path = path
        self.split = split
        self.occluded_is_difficult = occluded_is_difficult
        self.with_masks = with_masks
        self.found = CvatXml()
        self.stack: list[str] = []
        self.words: list[str] | None = None
        self.label: dict[str, str] = {}
        self.attribute = ""
        self.number = 0
        self.row: int | None = None
        self.wanted = False

    def start(self, tag: str, attrs: dict[str, str]) -> None:
        stack = self.stack
        if not stack and tag != "annotations":
            raise ValueError(f"{self.path}: its root element is <{tag[:100]}>, not <annotations>")
        stack.append(tag)
        if len(stack) == 3 and stack[1] == "image":
            if self.wanted:
                self.number += 1
                self.row = self._shape(tag, attrs)
        elif len(stack) == 2 and tag == "image":
            self._image(attrs)
        elif len(stack) == 2 and tag == "track":
            raise ValueError(
                f"{self.path}: is CVAT for video; export the task as `CVAT for images 1.1`"
            )
        elif tag == "attribute" and self.row is not None and len(stack) == 4:
            self.attribute = attrs.get("name", "")
            self.words = []
        elif len(stack) > MAX_DEPTH:
            raise ValueError(f"{self.path}: is nested deeper than {MAX_DEPTH} levels")
        elif len(stack) > 3 and stack[1] == "meta" and stack[-2] == "label":
            self.words = []

    def text(self, words: str) -> None:
        if self.words is not None:
            self.words.append(words)

    def end(self, tag: str) -> None:
        stack = self.stack
        stack.pop()
        if self.words is not None:
            said = "".join(self.words).strip()
            self.words = None
            if stack[-1] == "label":
                self.label[tag] = said
            elif self.row is not None:
                self._flag(said)
        if tag == "label" and len(stack) > 1 and stack[1] == "meta":
            # Parts of skeletons name their parent.
            if self.label.get("type", "") not in NO_AREA and not self.label.get("parent"):
                name = self.label.get("name", "")
                if name and name not in self.found.labels:
                    self.found.labels.append(name)
            self.label = {}
        elif len(stack) == 2:
            self.row = None

    def entity(self, *_: object) -> NoReturn:
        raise ValueError(
            f"{self.path}: declares entities, which are not read; write the text itself"
        )

    def _image(self, attrs: Mapping[str, str]) -> None:
        name, subset = attrs.get("name", ""), attrs.get("subset", "")
        self.found.subsets.add(subset)
        self.wanted = self.split is None or subset == self.split
        if not self.wanted:
            return
        where = f"{self.path}: image {len(self.found.images) + 1} {name[:200]!r}"
        size = (attrs.get("width", ""), attrs.get("height", ""))
        if not name or not all(text.isascii() and text.isdigit() for text in size):
            raise ValueError(f"{where} needs a name, width and height")
        numbers = (int(size[0][:12]), int(size[1][:12]))
        self.found.images.append(CvatImage(name, subset, numbers, where))
        self.found.objects.sources.append(where)
        self.number = 0

    def _shape(self, tag: str, attrs: Mapping[str, str]) -> int | None:
        objects = self.found.objects
        if tag in NO_AREA:
            objects.leave_out(self.number, tag)
            return None
        where = f"{objects.sources[-1]}: object {self.number}"
        if tag not in SHAPES:
            raise ValueError(f"{where} is <{tag[:40]}>, which is no shape of CVAT")
        name = attrs.get("label", "").strip()
        if not name:
            raise ValueError(f"{where} has no label")
        points = _points(tag, attrs, where)
        difficult = self.occluded_is_difficult and attrs.get("occluded") == "1"
        ring = tag in ("polygon", "ellipse")
        row = objects.add(self.number, name, points, difficult=difficult, ring=ring)
        if tag == "box" and "rotation" in attrs:
            degrees = _numbers(attrs, ("rotation",), where)[0]
            if degrees:
                self.found.rotations[row] = degrees
        if tag == "mask" and self.with_masks:
            left, top, width, height = _numbers(attrs, MASK, where)
            pixels = _runs(attrs.get("rle", ""), int(width), int(height), where)
            place = (left, top, left + width, top + height)
            objects.bitmaps[row] = bitmap_of(pixels, place)
        return row

    def _flag(self, said: str) -> None:
        key = FLAGS.get(self.attribute.lower())
        objects = self.found.objects
        if key is None or self.row is None:
            return
        if said.lower() not in ("true", "false", "1", "0", ""):
            raise ValueError(
                f"{objects.where(self.row)} has {self.attribute} {said[:40]!r}, not true or false"
            )
        column = objects.difficult if key == "difficult" else objects.ignore
        column[self.row] |= said.lower() in ("true", "1")


def _points(tag: str, attrs: Mapping[str, str], where: str) -> list[str]:
    """x and y of the points that the shape's box encloses, as text."""
    if tag == "box":
        return [attrs.get(key, "") for key in CORNERS]
    if tag == "polygon":
        points = [point.split(",") for point in attrs.get("points", "").split(";")]
        if len(points) < 3 or any(len(point) != 2 for point in points):
            raise ValueError(f"{where} is a polygon that needs points as x,y;x,y;x,y, 3 or more")
        return [word for point in points for word in point]
    if tag == "ellipse":
        cx, cy, rx, ry = _numbers(attrs, ELLIPSE, where)
        degrees = _numbers(attrs, ("rotation",), where)[0] if "rotation" in attrs else 0.0
        if rx < 0 or ry < 0:
            raise ValueError(f"{where} is an ellipse with the radii {rx:g} and {ry:g}")
        return [repr(value) for value in ellipse(cx, cy, rx, ry, math.radians(degrees))]
    left, top, width, height = _numbers(attrs, MASK, where)
    if width < 1 or height < 1 or width % 1 or height % 1:
        raise ValueError(f"{where} is a mask of {width:g}x{height:g} pixels")
    return [repr(value) for value in (left, top, left + width, top + height)]


def _numbers(attrs: Mapping[str, str], keys: tuple[str, ...], where: str) -> list[float]:
    values = floats_of([attrs.get(key, "") for key in keys])
    if not np.isfinite(values).all():
        raise ValueError(f"{where} needs numbers as {', '.join(keys)}")
    return values.tolist()


def _runs(text: str, width: int, height: int, where: str) -> np.ndarray:
    """Runs of 0 and 1 by turns along the rows of the mask's box, zeros first."""
    words = text.replace(" ", "").split(",")
    if width * height > MAX_PIXELS or not all(word.isascii() and word.isdigit() for word in words):
        raise ValueError(f"{where} is a mask that needs run lengths as its rle")
    runs = np.array([int(word[:12]) for word in words], dtype=np.int64)
    if runs.sum() != width * height:
        raise ValueError(
            f"{where}: the runs of its mask cover {runs.sum()} pixels of {width}x{height}"
        )
    filled = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return filled.reshape(height, width)

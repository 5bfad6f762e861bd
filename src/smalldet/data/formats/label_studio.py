"""Label Studio's exports JSON and JSON-MIN: a list of tasks, each with a picture.

Rectangles (turned ones too), ellipses and polygons are read, in parts of a hundred of the picture's
width and height. A rectangle turns about its left top corner, in degrees clockwise. Brushes and
points are left out, and a warning says so.

Layout: https://labelstud.io/guide/export.html and https://labelstud.io/guide/task_format.html.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.json_files import entry_of, list_in, load_json, shown, text_in
from smalldet.data.formats.label_studio_files import task_picture
from smalldet.data.formats.number_lists import numbers_in
from smalldet.data.formats.picture_files import is_file, picture_sizes, refuse_missing
from smalldet.data.formats.shape_objects import ShapeObjects, ellipse, flattened, index_of
from smalldet.data.formats.text_files import first_text
from smalldet.data.index import Index

logger = logging.getLogger(__name__)

LOOKED_AT = 64 << 10
SHAPES = ("rectanglelabels", "ellipselabels", "polygonlabels", "labels")
NO_AREA = ("keypointlabels", "brushlabels", "vectorlabels")
RECTANGLE = ("x", "y", "width", "height")
ELLIPSE = ("x", "y", "radiusX", "radiusY")
KEYS = (b"rectanglelabels", b"polygonlabels", b"ellipselabels", b"annotations")
Which = Literal["only", "first", "last"]


class _Task:
    """A picture's labels: results of one annotation, in either export's form."""

    def __init__(self, place: str, results: list[Any]) -> None:
        self.place = place
        self.results = results


def recognises(path: Path) -> bool:
    """Whether this is a JSON file that begins with a list of tasks."""
    if path.suffix.lower() != ".json" or not is_file(path):
        return False
    head = first_text(path, LOOKED_AT)
    exported = '"annotations"' in head and '"data"' in head
    minimal = '"original_width"' in head and "labels" in head
    return head.lstrip().startswith("[") and (exported or minimal)


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    annotation: Which = "only",
    with_masks: bool = False,
) -> Index:
    """Labelled pictures of an export.

    A task without an annotation has not been looked at: it is left out, and a warning counts
    those. A task whose annotation is empty is a picture without objects. Annotations that were
    cancelled do not count; one that is marked as ground truth goes before all others.

    Args:
        path: the JSON file.
        images_dir: the pictures, under the name that the task gives, or without the eight letters
            that Label Studio puts before an uploaded file's; by default the folder `images` beside
            the file, else the file's own.
        class_names: all classes, in order; those that occur, by the alphabet, if None.
        annotation: which to take of a task that several people labelled; `only` refuses it.
        with_masks: read outlines too.

    Returns:
        an Index; boxes are clipped to their pictures. If a rectangle is turned, all objects have
        oriented boxes.

    Raises:
        FileNotFoundError: the file or a picture does not exist.
        ValueError: the file is wrong; names the task and the result.
    """
    path = Path(path)
    content = load_json(path)
    if not isinstance(content, list):
        raise ValueError(f"{path}: is no list of tasks; export it as JSON or JSON-MIN")
    objects = ShapeObjects()
    raw: dict[int, list[Any]] = {}
    drawn: list[tuple[Any, Any] | None] = []
    places: list[str] = []
    unlabelled: list[str] = []
    with collector_paused():
        for position, entry in enumerate(content, start=1):
            where = f"{path}: task {position}"
            task = _task(entry_of(entry, where), annotation, where)
            if task is None:
                unlabelled.append(where)
                continue
            objects.sources.append(where)
            places.append(task.place)
            drawn.append(_add_results(objects, raw, task.results))
    if unlabelled:
        num, first = len(unlabelled), unlabelled[0]
        logger.warning("%d tasks without an annotation are left out, first %s", num, first)
    if not places:
        raise ValueError(f"{path}: has no task with an annotation")
    pictures = [task_picture(place, path, images_dir) for place in places]
    refuse_missing(pictures, path)
    sizes = picture_sizes(pictures)
    _refuse_other_shapes(objects, drawn, sizes)
    points = objects.point_array()
    counts = np.array(objects.counts, dtype=np.int64) // 2
    rows = np.repeat(np.array(objects.pictures, dtype=np.int64), counts)
    points = points * (sizes[rows] / 100)
    _turn(objects, raw, points, sizes)
    return index_of(objects, points, pictures, sizes, class_names, with_masks=with_masks)


def _task(entry: dict[str, Any], annotation: Which, where: str) -> _Task | None:
    if "data" in entry:
        data = entry_of(entry["data"], f"{where}: its data")
        texts = [value for value in data.values() if isinstance(value, str)]
        place = data.get("image", texts[0] if len(texts) == 1 else None)
        if not isinstance(place, str) or not place:
            raise ValueError(f"{where}: its data has no 'image', but {shown(list(data))}")
        return _chosen(list_in(entry, "annotations", where), place, annotation, where)
    place = text_in(entry, "image", where)
    lists = [v for v in entry.values() if isinstance(v, list) and all(_is_result(r) for r in v)]
    return _Task(place, [result for one in lists for result in one]) if lists else None


def _is_result(value: Any) -> bool:
    return isinstance(value, dict) and "original_width" in value


def _chosen(found: list[Any], place: str, annotation: Which, where: str) -> _Task | None:
    entries = [entry_of(one, f"{where}: annotation {n}") for n, one in enumerate(found, start=1)]
    entries = [one for one in entries if not one.get("was_cancelled")]
    entries = [one for one in entries if one.get("ground_truth")] or entries
    if len(entries) > 1 and annotation == "only":
        raise ValueError(
            f"{where}: has {len(entries)} annotations; say annotation='first' or 'last'"
        )
    if not entries:
        return None
    return _Task(place, list_in(entries[-1 if annotation == "last" else 0], "result", where))


def _add_results(
    objects: ShapeObjects, raw: dict[int, list[Any]], results: list[Any]
) -> tuple[Any, Any] | None:
    """Adds a task's objects; the size of the picture that they were drawn on, if they say it."""
    drawn = None
    for number, result in enumerate(results, start=1):
        where = f"{objects.sources[-1]}: object {number}"
        entry = entry_of(result, where)
        # JSON-MIN has the values in the result itself.
        value: Any = entry.get("value", entry)
        if not isinstance(value, dict):
            raise ValueError(f"{where}: its value is {shown(value)}, not an object")
        kind = next((key for key in SHAPES if key in value), None)
        if kind is None or ("x" not in value and "points" not in value):
            said = next((key for key in NO_AREA if key in value), str(entry.get("type"))[:40])
            objects.leave_out(number, said)
            continue
        if entry.get("image_rotation"):
            raise ValueError(f"{where} was drawn on a turned picture; turn the file itself")
        names = value[kind]
        if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
            raise ValueError(f"{where} needs one class, and has {shown(names)}")
        drawn = drawn or (entry.get("original_width"), entry.get("original_height"))
        _add_shape(objects, raw, number, names[0], value, where)
    return drawn


def _add_shape(
    objects: ShapeObjects,
    raw: dict[int, list[Any]],
    number: int,
    name: str,
    value: dict[str, Any],
    where: str,
) -> None:
    rotation = value.get("rotation") or 0
    if "points" in value:
        flat = flattened(value["points"])
        if len(flat) < 6:
            raise ValueError(f"{where} is a polygon that needs points [x, y], 3 or more")
        objects.add(number, name, flat, ring=True)
        return
    keys = ELLIPSE if "radiusX" in value else RECTANGLE
    # Looked at here, as some of them are reckoned with.
    x, y, w, h, _ = numbers = numbers_in([*map(value.get, keys), rotation], where)
    if w < 0 or h < 0:
        raise ValueError(f"{where} has the sides {w:g} and {h:g}")
    corners = [x, y, x + w, y + h] if keys == RECTANGLE else [x - w, y - h, x + w, y + h]
    if keys == ELLIPSE and not rotation:
        objects.add(number, name, ellipse(x, y, w, h), ring=True)
        return
    row = objects.add(number, name, corners)
    if rotation:
        raw[row] = numbers if keys == RECTANGLE else [x, y, 2 * w, 2 * h, rotation, "middle"]


def _refuse_other_shapes(
    objects: ShapeObjects, drawn: Sequence[tuple[Any, Any] | None], sizes: NDArray[np.int64]
) -> None:
    """A picture of other proportions was turned by its EXIF, or is another picture."""
    for source, size, (width, height) in zip(objects.sources, drawn, sizes.tolist(), strict=True):
        if size is None or size == (width, height):
            continue
        w, h = numbers_in(size, f"{source}: original size")
        if w <= 0 or h <= 0 or abs(width * h / w - height) > 1 + height / min(w, h):
            raise ValueError(
                f"{source}: its picture is {width}x{height}; the labels were drawn on {w:g}x{h:g} "
                "(turned by its EXIF?)"
            )


def _turn(
    objects: ShapeObjects,
    raw: dict[int, list[Any]],
    points: NDArray[np.float64],
    sizes: NDArray[np.int64],
) -> None:
    """Turning is in pixels: in parts of a hundred it would shear."""
    for row, (x, y, w, h, degrees, *middle) in raw.items():
        width, height = (sizes[objects.pictures[row]] / 100).tolist()
        x, y, w, h, angle = x * width, y * height, w * width, h * height, math.radians(degrees)
        if not middle:
            cos, sin = math.cos(angle), math.sin(angle)
            x, y = x + (w * cos - h * sin) / 2, y + (w * sin + h * cos) / 2
        objects.turned[row] = [x, y, w, h, angle]

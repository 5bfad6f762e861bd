"""What can be wrong with the entries of a COCO json, each in one line that names the entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.json_files import shown
from smalldet.data.formats.number_lists import is_number

Entry = dict[str, Any]

MAX_PX = 10_000_000
"""No picture is so large."""


def category_problems(categories: list[Any]) -> Iterator[str]:
    """Wrong categories: keys missing, ids or names given twice."""
    yield from _entry_problems(categories, "categories", "category", {"id": int, "name": str})
    named = [entry for entry in categories if isinstance(entry, dict)]
    yield from _twice(named, "name", "category")


def image_problems(images: list[Any], category_ids: set[int]) -> Iterator[str]:
    """Wrong images: keys missing, ids given twice, sizes that are none, unknown categories."""
    keys = {"id": int, "file_name": str, "width": int, "height": int}
    wrong = list(_entry_problems(images, "images", "image", keys))
    yield from wrong
    if wrong:
        return
    for entry in images:
        name = f"image {shown(entry['id'])}"
        size = f"{shown(entry['width'])}x{shown(entry['height'])}"
        if entry["width"] <= 0 or entry["height"] <= 0:
            yield f"{name}: size {size} is not positive"
        if entry["width"] > MAX_PX or entry["height"] > MAX_PX:
            yield f"{name}: size {size} is larger than any picture"
        if "gsd_m" in entry and not (is_number(entry["gsd_m"]) and entry["gsd_m"] > 0):
            yield f"{name}: gsd_m {shown(entry['gsd_m'])} is not a positive number"
        open_ids = entry.get("not_exhaustive_category_ids", [])
        whole = isinstance(open_ids, list) and all(type(one) is int for one in open_ids)
        if not whole or not category_ids.issuperset(open_ids):
            yield (
                f"{name}: not_exhaustive_category_ids {shown(open_ids)} is not a list of category "
                "ids"
            )


def flat_annotations(annotations: list[Any]) -> list[int]:
    """Places of annotations whose box has a side of 0; the published COCO has two such."""
    candidates = [
        place
        for place, entry in enumerate(annotations)
        if type(entry) is dict and type(entry.get("bbox")) is list and 0 in entry["bbox"][2:]
    ]
    return [place for place in candidates if _is_flat(annotations[place]["bbox"])]


def _is_flat(bbox: list[Any]) -> bool:
    return _are_numbers(bbox, 4) and _on_a_picture(bbox) and min(bbox[2:]) == 0


def annotation_problems(
    annotations: list[Any], sizes: Mapping[int, tuple[int, int]], category_ids: set[int]
) -> Iterator[str]:
    """Wrong annotations.

    Args:
        annotations: as they stand in the file.
        sizes: {image id: (width, height)}.
        category_ids: the ids that exist.
    """
    for position in _doubtful(annotations, sizes, category_ids):
        entry = annotations[position]
        fault = _annotation_fault(entry, sizes, category_ids)
        if fault:
            yield f"{_name(entry, 'annotations', 'annotation', position)}: {fault}"
    entries = [entry for entry in annotations if isinstance(entry, dict)]
    ids = [entry.get("id") for entry in entries]
    if not set(map(type, ids)) <= {int} or len(set(ids)) < len(ids):
        yield from _twice(entries, "id", "annotation")


def _doubtful(
    annotations: list[Any], sizes: Mapping[int, tuple[int, int]], category_ids: set[int]
) -> Iterable[int]:
    """Places of the annotations that must be looked at one by one; the others are sound.

    Columns of a million objects are looked at in a second, entries in ten.
    """
    every = range(len(annotations))
    if not set(map(type, annotations)) <= {dict}:
        return every
    try:
        images = [entry["image_id"] for entry in annotations]
        categories = [entry["category_id"] for entry in annotations]
        bboxes = [entry["bbox"] for entry in annotations]
    except KeyError:
        return every
    if not set(map(type, chain(images, categories))) <= {int}:
        return every
    if not set(map(type, bboxes)) <= {list} or not set(map(len, bboxes)) <= {4}:
        return every
    flat = list(chain.from_iterable(bboxes))
    if not set(map(type, flat)) <= {int, float} or not category_ids.issuperset(categories):
        return every
    if not sizes.keys() >= set(images):
        return every
    try:
        xywh = np.array(flat, dtype=np.float64).reshape(-1, 4)
    except OverflowError:
        return every
    size = np.array([sizes[image] for image in images], dtype=np.float64).reshape(-1, 2)
    sound = (np.abs(xywh) <= MAX_PX).all(axis=1) & (xywh[:, 2:] > 0).all(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        sound &= has_area(xywh, size)
    more = [
        place
        for place, entry in enumerate(annotations)
        if "rbbox" in entry or type(entry.get("segmentation")) is dict
    ]
    return sorted({*np.flatnonzero(~sound).tolist(), *more})


def _annotation_fault(
    entry: Any, sizes: Mapping[int, tuple[int, int]], category_ids: set[int]
) -> str | None:
    if not isinstance(entry, dict):
        return f"is {shown(entry)}, not an object"
    missing = [key for key in ("image_id", "category_id", "bbox") if key not in entry]
    if missing:
        return f"lacks {', '.join(missing)}"
    image_id, category_id, bbox = entry["image_id"], entry["category_id"], entry["bbox"]
    if type(image_id) is not int or image_id not in sizes:
        return f"image_id {shown(image_id)} is no image of the file"
    if type(category_id) is not int or category_id not in category_ids:
        return f"category_id {shown(category_id)} is no category of the file"
    if not _are_numbers(bbox, 4):
        return f"bbox {shown(bbox)} is not 4 finite numbers"
    x, y, w, h = bbox
    if w <= 0 or h <= 0:
        return f"bbox {shown(bbox)} has width {w} and height {h}; both must be positive"
    width, height = sizes[image_id]
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        return f"bbox {shown(bbox)} lies outside image {image_id} of {width}x{height}"
    if not _on_a_picture(bbox):
        return f"bbox {shown(bbox)} is larger than any picture"
    if not has_area(np.array([bbox], dtype=np.float64), np.array([[width, height]]))[0]:
        return f"bbox {shown(bbox)} has no area in its image, in float32"
    rbbox = entry.get("rbbox", [0, 0, 1, 1, 0])
    if not (_are_numbers(rbbox, 5) and _on_a_picture(rbbox) and np.float32(rbbox[2:4]).min() > 0):
        return f"rbbox {shown(rbbox)} is not cx, cy, w, h, angle with w and h positive"
    runs = entry.get("segmentation")
    if isinstance(runs, dict) and runs.get("size") != [height, width]:
        return (
            f"segmentation has size {shown(runs.get('size'))}; its image's height and width are "
            f"{[height, width]}"
        )
    return None


def has_area(xywh: NDArray[np.float64], sizes: NDArray[Any]) -> NDArray[np.bool_]:
    """(N,) bool, whether boxes (N, 4) have an area in pictures of `sizes` (N, 2), in float32."""
    low = np.clip(xywh[:, :2], 0, sizes).astype(np.float32)
    high = np.clip(xywh[:, :2] + xywh[:, 2:], 0, sizes).astype(np.float32)
    return np.asarray((high > low).all(axis=1))


def _are_numbers(values: Any, num: int) -> bool:
    return isinstance(values, list) and len(values) == num and all(map(is_number, values))


def _on_a_picture(values: list[Any]) -> bool:
    return all(-MAX_PX <= value <= MAX_PX for value in values)


def _entry_problems(
    entries: list[Any], section: str, kind: str, keys: Mapping[str, type]
) -> Iterator[str]:
    """Entries that are no objects, lack a key or hold another type; then ids given twice."""
    for position, entry in enumerate(entries):
        name = _name(entry, section, kind, position)
        if not isinstance(entry, dict):
            yield f"{name}: is {shown(entry)}, not an object"
            continue
        missing = [key for key in keys if key not in entry]
        if missing:
            yield f"{name}: lacks {', '.join(missing)}"
        for key, wanted in keys.items():
            if key in entry and type(entry[key]) is not wanted:
                yield f"{name}: {key} is {shown(entry[key])}, not of type {wanted.__name__}"
    yield from _twice([entry for entry in entries if isinstance(entry, dict)], "id", kind)


def _twice(entries: list[Entry], key: str, kind: str) -> Iterator[str]:
    seen: set[Any] = set()
    for entry in entries:
        value = entry.get(key)
        if not isinstance(value, int | str):
            continue
        if value in seen:
            yield f"{kind} {key} {shown(value)} is given more than once"
        seen.add(value)


def _name(entry: Any, section: str, kind: str, position: int) -> str:
    if isinstance(entry, dict) and "id" in entry:
        return f"{kind} {entry['id'] if type(entry['id']) is int else shown(entry['id'])}"
    return f"{section}[{position}]"

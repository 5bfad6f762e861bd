"""What can be wrong with the entries of a COCO json, each in one line that names the entry."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

Entry = dict[str, Any]


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
        if entry["width"] <= 0 or entry["height"] <= 0:
            yield f"image {entry['id']}: size {entry['width']}x{entry['height']} is not positive"
        if "gsd_m" in entry and not (_is_number(entry["gsd_m"]) and entry["gsd_m"] > 0):
            yield f"image {entry['id']}: gsd_m {entry['gsd_m']!r} is not a positive number"
        open_ids = entry.get("not_exhaustive_category_ids", [])
        if not isinstance(open_ids, list) or not category_ids.issuperset(open_ids):
            yield (
                f"image {entry['id']}: not_exhaustive_category_ids {open_ids!r} is not a list of "
                "category ids"
            )


def annotation_problems(
    annotations: list[Any], sizes: Mapping[int, tuple[int, int]], category_ids: set[int]
) -> Iterator[str]:
    """Wrong annotations.

    Args:
        annotations: as they stand in the file.
        sizes: {image id: (width, height)}.
        category_ids: the ids that exist.
    """
    for position, entry in enumerate(annotations):
        fault = _annotation_fault(entry, sizes, category_ids)
        if fault:
            yield f"{_name(entry, 'annotations', 'annotation', position)}: {fault}"
    yield from _twice(
        [entry for entry in annotations if isinstance(entry, dict)], "id", "annotation"
    )


def _annotation_fault(
    entry: Any, sizes: Mapping[int, tuple[int, int]], category_ids: set[int]
) -> str | None:
    if not isinstance(entry, dict):
        return f"is {entry!r}, not an object"
    missing = [key for key in ("image_id", "category_id", "bbox") if key not in entry]
    if missing:
        return f"lacks {', '.join(missing)}"
    image_id, category_id = entry["image_id"], entry["category_id"]
    if not isinstance(image_id, int) or image_id not in sizes:
        return f"image_id {image_id!r} is no image of the file"
    if not isinstance(category_id, int) or category_id not in category_ids:
        return f"category_id {category_id!r} is no category of the file"
    if not _are_numbers(entry["bbox"], 4):
        return f"bbox {entry['bbox']!r} is not 4 finite numbers"
    x, y, w, h = entry["bbox"]
    if w <= 0 or h <= 0:
        return f"bbox {entry['bbox']!r} has width {w} and height {h}; both must be positive"
    width, height = sizes[image_id]
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        return f"bbox {entry['bbox']!r} lies outside image {image_id} of {width}x{height}"
    rbbox = entry.get("rbbox", [0, 0, 1, 1, 0])
    if not _are_numbers(rbbox, 5) or rbbox[2] <= 0 or rbbox[3] <= 0:
        return f"rbbox {rbbox!r} is not cx, cy, w, h, angle with w and h positive"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _are_numbers(values: Any, num: int) -> bool:
    return isinstance(values, list) and len(values) == num and all(map(_is_number, values))


def _entry_problems(
    entries: list[Any], section: str, kind: str, keys: Mapping[str, type]
) -> Iterator[str]:
    """Entries that are no objects, lack a key or hold another type; then ids given twice."""
    for position, entry in enumerate(entries):
        name = _name(entry, section, kind, position)
        if not isinstance(entry, dict):
            yield f"{name}: is {entry!r}, not an object"
            continue
        missing = [key for key in keys if key not in entry]
        if missing:
            yield f"{name}: lacks {', '.join(missing)}"
        for key, wanted in keys.items():
            if key in entry and not isinstance(entry[key], wanted):
                yield f"{name}: {key} is {entry[key]!r}, not of type {wanted.__name__}"
    yield from _twice([entry for entry in entries if isinstance(entry, dict)], "id", kind)


def _twice(entries: list[Entry], key: str, kind: str) -> Iterator[str]:
    seen: set[Any] = set()
    for entry in entries:
        value = entry.get(key)
        if not isinstance(value, int | str):
            continue
        if value in seen:
            yield f"{kind} {key} {value!r} is given more than once"
        seen.add(value)


def _name(entry: Any, section: str, kind: str, position: int) -> str:
    if isinstance(entry, dict) and "id" in entry:
        return f"{kind} {entry['id']}"
    return f"{section}[{position}]"

"""FiftyOne's folders: FiftyOneDataset (samples.json), FiftyOneImageDetectionDataset (labels.json).

A detection's `bounding_box` is [left, top, width, height] in parts of the picture's width and
height; its `mask`, where it has one, fills the box. The attributes `iscrowd`, `IsGroupOf`, `ignore`
and `difficult` are kept.

Layout: https://docs.voxel51.com/user_guide/export_datasets.html.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from smalldet.data.formats.collector import collector_paused
from smalldet.data.formats.fiftyone_masks import mask_of
from smalldet.data.formats.json_files import entry_of, list_in, load_object, shown, text_in
from smalldet.data.formats.picture_files import (
    is_dir,
    is_file,
    picture_sizes,
    pictures_in,
    refuse_missing,
)
from smalldet.data.formats.shape_objects import ShapeObjects, index_of
from smalldet.data.index import Index

logger = logging.getLogger(__name__)

SAMPLES, METADATA, LABELS, DATA = "samples.json", "metadata.json", "labels.json", "data"
IGNORED = ("iscrowd", "is_crowd", "IsGroupOf", "is_group_of", "ignore")
USUAL_FIELD = "ground_truth"


@dataclass
class _Set:
    """Pictures and what is known of them.

    Args:
        objects: their detections; points are left, top, width, height in parts.
        pictures: their files.
        classes: in order, where the folder says them.
        unlabelled: pictures whose labels are null.
    """

    objects: ShapeObjects = field(default_factory=ShapeObjects)
    pictures: list[Path] = field(default_factory=list[Path])
    classes: list[str] = field(default_factory=list[str])
    unlabelled: list[str] = field(default_factory=list[str])


def recognises(path: Path) -> bool:
    """Whether this is a folder with `data` and one of the two files."""
    if not is_dir(path):
        return False
    whole = is_file(path / SAMPLES) and is_file(path / METADATA)
    return whole or (is_file(path / LABELS) and is_dir(path / DATA))


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    label_field: str | None = None,
    with_masks: bool = False,
) -> Index:
    """Labelled pictures of a FiftyOne folder.

    Pictures without labels (null, or none in labels.json) count as pictures without objects, and a
    warning says how many those are.

    Args:
        path: the folder.
        images_dir: the pictures; by default where the samples say, and the folder `data`.
        class_names: all classes, in order; by default those that the folder lists, and those that
            occur, by the alphabet, if it lists none.
        label_field: the field with the detections; by default `ground_truth`, or the only one.
        with_masks: read masks too.

    Returns:
        an Index; boxes are clipped to their pictures.

    Raises:
        FileNotFoundError: the folder, a file or a picture does not exist.
        ValueError: a file is wrong; names the sample and the detection.
    """
    path = Path(path)
    folder = None if images_dir is None else Path(images_dir)
    with collector_paused():
        if is_file(path / SAMPLES):
            found = _dataset(path, folder, label_field, with_masks)
        elif is_file(path / LABELS):
            found = _image_detections(path, folder, with_masks)
        else:
            raise FileNotFoundError(f"{path}: is no folder with {SAMPLES} or {LABELS}")
    refuse_missing(found.pictures, path)
    if found.unlabelled:
        num, first = len(found.unlabelled), found.unlabelled[0]
        logger.warning(
            "%s: %d pictures have no labels and count as pictures without objects (first: %s)",
            path,
            num,
            first,
        )
    objects = found.objects
    sizes = picture_sizes(found.pictures)
    parts = objects.point_array().reshape(-1, 4)
    low, high = parts[:, :2], parts[:, :2] + parts[:, 2:]
    rows = np.array(objects.pictures, dtype=np.int64)
    boxes = np.concatenate([low, high], axis=1) * np.tile(sizes, 2)[rows]
    wrong = (parts[:, 2:] < 0).any(axis=1) | (np.abs(parts - 0.5) > 2).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{objects.where(row)} has bounding_box {parts[row].tolist()}; left, top, width and "
            "height are parts of the picture's, from 0 to 1"
        )
    for row, bitmap in objects.bitmaps.items():
        x1, y1, x2, y2 = boxes[row].tolist()
        objects.bitmaps[row] = bitmap.moved((x1, y1, x2, y2))
    names = (found.classes or None) if class_names is None else class_names
    points = boxes.reshape(-1, 2)
    return index_of(objects, points, found.pictures, sizes, names, with_masks=with_masks)


def _dataset(path: Path, images_dir: Path | None, label_field: str | None, masks: bool) -> _Set:
    file = path / SAMPLES
    samples = list_in(load_object(file), "samples", f"{file}: the file")
    entries = [entry_of(one, f"{file}: sample {n}") for n, one in enumerate(samples, start=1)]
    if not entries:
        raise ValueError(f"{file}: has no samples")
    chosen = _field(entries, label_field, file)
    found = _Set(classes=_listed_classes(path / METADATA, chosen))
    for number, entry in enumerate(entries, start=1):
        where = f"{file}: sample {number}"
        named = text_in(entry, "filepath", where).replace("\\", "/")
        found.pictures.append(_picture(named, path, images_dir))
        found.objects.sources.append(where)
        value = entry.get(chosen)
        if value is None:
            found.unlabelled.append(named)
            continue
        detections = entry_of(value, f"{where}: {chosen}")
        _add(found.objects, list_in(detections, "detections", f"{where}: {chosen}"), path, masks)
    return found


def _field(entries: Sequence[dict[str, Any]], label_field: str | None, file: Path) -> str:
    kinds: dict[str, set[Any]] = {}
    for entry in entries:
        for key, value in entry.items():
            if isinstance(value, dict) and "_cls" in value:
                kinds.setdefault(key, set()).add(str(value["_cls"])[:40])
    there = [key for key, classes in kinds.items() if classes == {"Detections"}]
    if label_field is None and USUAL_FIELD in there:
        return USUAL_FIELD
    if label_field is None and len(there) == 1:
        return there[0]
    if label_field in there:
        return label_field
    says = f"the field {label_field!r} is not one" if label_field else "name one by label_field"
    raise ValueError(
        f"{file}: fields of detections are {', '.join(there) or 'none'} of "
        f"{', '.join(kinds) or 'no labels'}; {says}"
    )


def _listed_classes(file: Path, label_field: str) -> list[str]:
    if not is_file(file):
        return []
    content = load_object(file)
    listed = content.get("classes")
    names = listed.get(label_field) if isinstance(listed, dict) else None
    names = names or content.get("default_classes") or []
    return _class_list(names, file)


def _class_list(names: Any, file: Path) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise ValueError(f"{file}: its classes are {shown(names)}, not a list of names")
    if len(set(names)) != len(names):
        raise ValueError(f"{file}: its classes name one twice: {shown(names)}")
    return names


def _picture(named: str, path: Path, images_dir: Path | None) -> Path:
    """A sample's file: counted from the folder, by its last name in `images_dir`, or in `data`."""
    if images_dir is not None:
        inner = images_dir / named.removeprefix(f"{DATA}/").lstrip("/")
        return inner if is_file(inner) else images_dir / Path(named).name
    tries = [path / named, path / DATA / Path(named).name]
    return next((one for one in tries if is_file(one)), tries[0])


def _image_detections(path: Path, images_dir: Path | None, masks: bool) -> _Set:
    file = path / LABELS
    content = load_object(file)
    labels = entry_of(content.get("labels"), f"{file}: 'labels'")
    found = _Set(classes=_class_list(content.get("classes") or [], file))
    folder = path / DATA if images_dir is None else images_dir
    for picture in pictures_in(folder, deep=True):
        inner = picture.relative_to(folder)
        name = next((n for n in (inner.with_suffix(""), inner) if n.as_posix() in labels), inner)
        found.pictures.append(picture)
        found.objects.sources.append(f"{file}: {name.as_posix()}")
        detections = labels.pop(name.as_posix(), None)
        if detections is None:
            found.unlabelled.append(picture.name)
            continue
        if not isinstance(detections, list):
            raise ValueError(f"{found.objects.sources[-1]} is {shown(detections)}, not a list")
        _add(found.objects, detections, path, masks, found.classes)
    if labels:
        raise FileNotFoundError(
            f"{file}: {len(labels)} of its pictures are not in {folder} (give images_dir if they "
            f"are elsewhere): {shown(list(labels)[:5])}"
        )
    return found


def _add(
    objects: ShapeObjects,
    detections: list[Any],
    path: Path,
    masks: bool,
    classes: Sequence[str] = (),
) -> None:
    for number, value in enumerate(detections, start=1):
        where = f"{objects.sources[-1]}: object {number}"
        entry = entry_of(value, where)
        box = entry.get("bounding_box")
        if not isinstance(box, list) or len(box) != 4:
            raise ValueError(f"{where} has bounding_box {shown(box)}, not 4 numbers")
        label = entry.get("label")
        if type(label) is int and 0 <= label < len(classes):
            label = classes[label]
        if not isinstance(label, str) or not label:
            raise ValueError(f"{where} has label {shown(label)}, not a class")
        ignore = any(_flag(entry, key, where) for key in IGNORED)
        difficult = _flag(entry, "difficult", where)
        row = objects.add(number, label, box, ignore=ignore, difficult=difficult)
        if masks:
            bitmap = mask_of(entry, path, where)
            if bitmap is not None:
                objects.bitmaps[row] = bitmap


def _flag(entry: dict[str, Any], key: str, where: str) -> bool:
    """A flag of a detection: its own, among its attributes, or as an attribute with a value."""
    value = entry.get(key)
    if value is None:
        attributes = entry.get("attributes")
        value = attributes.get(key) if isinstance(attributes, dict) else None
    if isinstance(value, dict):
        value = value.get("value")
    if value is None:
        return False
    if value not in (0, 1):
        raise ValueError(f"{where} has {key} {shown(value)}, not true or false")
    return bool(value)

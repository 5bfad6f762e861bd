"""TFRecord of TensorFlow's Object Detection API, read and written without TensorFlow.

Each record is a `tf.train.Example` with an encoded picture and its objects, corners in parts of its
width and height. Keys: https://github.com/tensorflow/models/blob/master/research/object_detection/
g3doc/using_your_own_dataset.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.label_map import LabelMap, read_label_map
from smalldet.data.formats.object_columns import ObjectColumns, records_of
from smalldet.data.formats.picture_files import is_dir, is_file
from smalldet.data.formats.split_names import by_split
from smalldet.data.formats.tfrecord_examples import Objects, objects_of
from smalldet.data.formats.tfrecord_files import (
    RecordSet,
    is_record_file,
    record_set,
    records,
    set_names,
)
from smalldet.data.formats.tfrecord_pictures import PictureFolder
from smalldet.data.formats.tfrecord_writing import write
from smalldet.data.index import Index
from smalldet.wording import shortened

__all__ = ["LOSES", "read", "recognises", "write"]

LOSES = ("rboxes", "gsd_m", "unknown")
"""Corners are float32 parts: right to a thousandth of a pixel up to 16,000 px; masks to a pixel."""


@dataclass
class _Found:
    """What the records hold, in order."""

    pictures: list[Path] = field(default_factory=list[Path])
    sources: list[str] = field(default_factory=list[str])
    ids: list[str] = field(default_factory=list[str])
    objects: list[Objects] = field(default_factory=list[Objects])


def recognises(path: Path) -> bool:
    """Whether this is a file of records, a folder with some, or the shared name of parts."""
    try:
        if is_dir(path):
            return bool(set_names(path))
        return is_record_file(path if is_file(path) else record_set(path).files[0])
    except (OSError, ValueError):
        return False


def splits(path: Path) -> dict[str, Path]:
    """{split: the folder} of the sets of a folder that are named after one."""
    return dict.fromkeys(by_split(set_names(path)), path) if is_dir(path) else {}


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    label_map: str | Path | None = None,
    split: str | None = None,
    with_masks: bool = False,
) -> Index:
    """Labelled pictures of a set of records.

    The pictures are taken out into a folder, once: a file that is there with the same bytes stays.

    Args:
        path: a file; parts by their shared name (`train.record`, `train.record@10`,
            `train.record-?????-of-00010`); or a folder of one set.
        images_dir: where the pictures are put; by default `<name>_images` beside the records.
        class_names: all classes, in order; by default those of the label map by their numbers, or
            without one those that occur, by their numbers or else by the alphabet.
        label_map: a `.pbtxt`; by default the one that lies beside the records.
        split: which set of a folder, by a word in its name.
        with_masks: read masks too.

    Returns:
        an Index; boxes are clipped to their pictures. Crowds and groups are ignore regions, a
        record without objects is a picture without objects, and `image_id` is the record's source
        id where all of them are numbers.

    Raises:
        FileNotFoundError: a file or a part does not exist.
        ValueError: a record is wrong; names the file and the record, from 1.
    """
    files = record_set(Path(path), split)
    folder = images_dir or files.folder / f"{files.name}_images"
    found = _read_all(files, Path(folder), with_masks)
    if not found.pictures:
        raise ValueError(f"{files.files[0]}: has no records")
    table = _label_map(files, label_map)
    names, labels = _classes(found, table, class_names)
    counts = [len(one.boxes) for one in found.objects]
    picture_rows = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum([0, *counts[:-1]])

    def where(row: int) -> str:
        picture = int(picture_rows[row])
        return f"{found.sources[picture]}: object {row - first[picture] + 1}"

    columns = ObjectColumns(
        pictures=picture_rows,
        boxes=np.concatenate([one.boxes for one in found.objects]),
        labels=labels,
        ignore=np.concatenate([one.ignore for one in found.objects]),
        difficult=np.concatenate([one.difficult for one in found.objects]),
        masks=np.concatenate([one.masks for one in found.objects]) if with_masks else None,
    )
    sizes = np.array([one.size for one in found.objects], dtype=np.int64)
    made = records_of(columns, found.pictures, sizes, where)
    ids = _image_ids(found.ids)
    if ids:
        made = tuple(
            replace(record, image_id=number) for record, number in zip(made, ids, strict=True)
        )
    return Index(names, made)


def _read_all(files: RecordSet, folder: Path, with_masks: bool) -> _Found:
    found = _Found()
    pictures = PictureFolder(folder)
    for file in files.files:
        for number, data in enumerate(records(file), start=1):
            where = f"{file}: record {number}"
            count = len(found.pictures) + 1
            picture, source_id, objects = objects_of(data, pictures, count, where, with_masks)
            found.pictures.append(picture)
            found.sources.append(where)
            found.ids.append(source_id)
            found.objects.append(objects)
    return found


def _label_map(files: RecordSet, given: str | Path | None) -> LabelMap | None:
    if given is not None:
        return read_label_map(Path(given))
    beside = sorted(files.folder.glob("*.pbtxt"))
    named = [one for one in beside if one.name == "label_map.pbtxt"] or beside
    if len(named) > 1:
        raise ValueError(f"{files.folder}: has {named[0].name} and {named[1].name}; give label_map")
    return read_label_map(named[0]) if named else None


def _classes(
    found: _Found, table: LabelMap | None, class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes, and the label of each object by its text, else by its number."""
    texts = [text for one in found.objects for text in one.texts]
    numbers = np.concatenate([one.numbers for one in found.objects])
    if not all(texts):
        texts = _names_of(found, texts, numbers, table, class_names)
    elif table is not None:
        texts = [
            table.names[table.of_name[text]] if text in table.of_name else text for text in texts
        ]
    if class_names is not None:
        names = tuple(class_names)
    elif table is not None:
        names = tuple(table.names[number] for number in sorted(table.names))
    else:
        # One number for each name gives the order.
        pairs = set(zip(texts, numbers.tolist(), strict=True))
        numbered = len(pairs) == len({t for t, _ in pairs}) == len({n for _, n in pairs})
        order = sorted(pairs, key=lambda p: (p[1], p[0])) if numbered else sorted(pairs)
        names = tuple(dict.fromkeys(text for text, _ in order))
    place = {name: label for label, name in enumerate(names)}
    labels = np.array([place.get(text, -1) for text in texts], dtype=np.int64)
    if (labels < 0).any():
        row = int((labels < 0).argmax())
        shown = shortened(names, 20)
        raise ValueError(f"{_source(found, row)} has class {texts[row]!r}; there are {shown}")
    return names, labels


def _names_of(
    found: _Found,
    texts: Sequence[str],
    numbers: NDArray[np.int64],
    table: LabelMap | None,
    class_names: Sequence[str] | None,
) -> list[str]:
    """Names of objects of which some have a number only."""
    if table is not None:
        known = table.names
    elif class_names is not None:
        known = {number: name for number, name in enumerate(class_names, start=1)}
    else:
        raise ValueError(
            f"{_source(found, texts.index(''))} has a class number and no name; give label_map "
            "(a .pbtxt), or class_names in the order of the numbers from 1"
        )
    names = [text or known.get(n, "") for text, n in zip(texts, numbers.tolist(), strict=True)]
    if not all(names):
        row = names.index("")
        raise ValueError(
            f"{_source(found, row)} has class number {numbers[row]}; known are {sorted(known)[:20]}"
        )
    return names


def _source(found: _Found, row: int) -> str:
    for source, objects in zip(found.sources, found.objects, strict=True):
        if row < len(objects.boxes):
            return f"{source}: object {row + 1}"
        row -= len(objects.boxes)
    raise IndexError(row)


def _image_ids(texts: Sequence[str]) -> list[int]:
    """The source ids as numbers; none where some are something else, or two are the same."""
    if not all(text.isascii() and text.isdigit() and len(text) < 16 for text in texts):
        return []
    numbers = [int(text) for text in texts]
    return numbers if len(set(numbers)) == len(numbers) else []

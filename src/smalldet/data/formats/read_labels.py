"""Reading labels whatever their format: the one entrance for every verb."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from smalldet.data.formats import coco
from smalldet.data.formats.label_format import LabelFormat
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.picture_lists import listed_names
from smalldet.data.formats.recognising import Recognised, recognise
from smalldet.data.index import Index
from smalldet.data.splits import by_list
from smalldet.wording import shortened

logger = logging.getLogger(__name__)

MAX_CLASSES_SHOWN = 8


def read_labels(
    source: LabelSource | str | Path,
    images_dir: str | Path | None = None,
    *,
    split: str | None = None,
    class_names: Sequence[str] | None = None,
    first_pixel: Literal[0, 1] = 1,
    with_masks: bool = False,
) -> Index:
    """Labelled pictures of a file or folder in any of the formats of the table.

    What was recognised is logged in a line.

    Args:
        source: the file or folder, or a LabelSource, which says the next ones itself.
        images_dir: the pictures' folder; each format has a usual place.
        split: which part of a set that has several, `train`, `val` or `test`; sets in one piece are
            read whole.
        class_names: of a folder, in order; see each format.
        first_pixel: of VOC; see `voc_sets.read`.
        with_masks: read outlines too, where the format has them.

    Raises:
        FileNotFoundError, ValueError: what is missing or wrong, with its file.
    """
    source = LabelSource.of(source, images_dir, class_names=class_names, first_pixel=first_pixel)
    recognised = recognise(source.annotations)
    part = _part(source.annotations, recognised, split)
    path, label_format = recognised.place(part)
    place = source.model_copy(update={"annotations": path})
    index = label_format.read(place, part if recognised.label_format else None, with_masks)
    if source.pictures is not None:
        names = listed_names(source.pictures)
        index = by_list(index, {str(source.pictures): names})[str(source.pictures)]
    logger.info("%s", _described(source.annotations, label_format, part, index))
    return index


def label_splits(path: Path) -> Mapping[str, Path]:
    """{split: where its labels are} of a file or folder of labels; empty if it is in one piece.

    Raises:
        FileNotFoundError, ValueError: as of `recognise`.
    """
    return recognise(path).splits


def category_ids(source: Path, split: str | None = None) -> list[int] | None:
    """The ids that COCO labels give their classes, in the Index's order; None of other formats.

    Raises:
        FileNotFoundError, ValueError: as of `read_labels`.
    """
    recognised = recognise(source)
    part = _part(source, recognised, split)
    path = recognised.path if part is None else recognised.splits[part]
    return coco.category_ids(path) if coco.recognises(path) else None


def _part(path: Path, recognised: Recognised, split: str | None) -> str | None:
    """The split to read of those that there are; None for a set in one piece."""
    splits = recognised.splits
    if not splits:
        return None
    there = ", ".join(f"{one} ({place.name})" for one, place in splits.items())
    if split is None and len(splits) > 1:
        raise ValueError(f"{path}: has {there}: say which one to read, by its split")
    if split is not None and split not in splits:
        raise FileNotFoundError(f"{path}: has no {split}; it has {there}")
    return split or next(iter(splits))


def _described(path: Path, label_format: LabelFormat, part: str | None, index: Index) -> str:
    """One line for people: what it is, and how much."""
    counts = index.counts()
    empty = sum(not len(record.boxes) for record in index.records)
    names = shortened(index.class_names, MAX_CLASSES_SHOWN)
    return (
        f"{path}: {label_format.name}{f', {part}' if part else ''}: {len(index):,} "
        f"{'picture' if len(index) == 1 else 'pictures'} "
        f"({empty:,} without objects), {sum(counts.values()):,} objects of {len(counts)} "
        f"{'class' if len(counts) == 1 else 'classes'}: {names}"
    )

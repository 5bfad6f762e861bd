"""YOLO data sets by their data.yaml, as Ultralytics trains on them and Roboflow exports them.

The file names folders or lists of pictures for each split, and the classes. Every picture of a
split is read, with a label file or without: those without have no objects.

Layouts: https://docs.ultralytics.com/datasets/detect/, https://docs.ultralytics.com/datasets/obb/,
https://docs.ultralytics.com/datasets/segment/.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from smalldet.atomic_write import write_text
from smalldet.data.formats.object_columns import records_of
from smalldet.data.formats.picture_files import (
    is_dir,
    is_file,
    picture_sizes,
    pictures_in,
    text_files,
)
from smalldet.data.formats.picture_links import link_pictures
from smalldet.data.formats.text_files import first_text
from smalldet.data.formats.yaml_files import read_yaml
from smalldet.data.formats.yolo_lines import objects_of
from smalldet.data.formats.yolo_splits import (
    SPLITS,
    class_names_of,
    label_path,
    pictures_of_split,
)
from smalldet.data.index import ImageRecord, Index
from smalldet.geometry.oriented import rboxes_to_quads

logger = logging.getLogger(__name__)

LOSES = ("ignore", "difficult", "masks", "corners_outside", "gsd_m", "unknown")
SUFFIXES = (".yaml", ".yml")
USUAL_NAMES = ("data.yaml", "dataset.yaml", "data.yml")
MAX_LOOK_BYTES = 256 << 10


def recognises(path: Path) -> bool:
    """Whether this is a data.yaml, or a folder that has one."""
    return _yaml_of(path) is not None


def splits(path: Path) -> dict[str, Path]:
    """{split: the yaml file} of the splits that it names."""
    file = _yaml_of(path)
    content = {} if file is None else read_yaml(file)
    named = {split for split in SPLITS if content.get(split)}
    named |= {"val"} if content.get("validation") else set()
    return {} if file is None else {split: file for split in SPLITS if split in named}


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    split: str = "train",
    with_masks: bool = False,
    mixed: bool = False,
) -> Index:
    """Labelled pictures of one split.

    Args:
        path: the yaml file, or the folder that has it.
        images_dir: read the pictures of this folder, and of the folders in it, instead of the
            split's.
        class_names: all classes, in order, instead of the file's `names`.
        split: `train`, `val` or `test`.
        with_masks: read outlines too; lines of four corners are oriented boxes unless the set has
            outlines of other numbers of points.
        mixed: one label file may have boxes beside longer lines.

    Returns:
        an Index; boxes are clipped to their pictures, oriented boxes are not.

    Raises:
        FileNotFoundError: a file, folder or picture does not exist, or no picture has a label file.
        ValueError: the yaml or a line is wrong; names file and line.
    """
    file = _yaml_of(Path(path))
    if file is None:
        file = Path(path)
        if is_dir(file):
            raise FileNotFoundError(f"{file}: has no data.yaml with names and train or val")
    content = read_yaml(file)
    names = class_names_of(file, content) if class_names is None else tuple(class_names)
    if images_dir is None:
        pictures = pictures_of_split(file, content, split)
    else:
        pictures = pictures_in(Path(images_dir), deep=True)
    return Index(names, _records(file, pictures, len(names), with_masks, mixed))


def _records(
    file: Path, pictures: list[Path], num_classes: int, with_masks: bool, mixed: bool
) -> tuple[ImageRecord, ...]:
    labels = [label_path(picture) for picture in pictures]
    folders = {label.parent for label in labels}
    there = {one for folder in folders for one in text_files(folder)}
    rows = np.array([row for row, label in enumerate(labels) if label in there], dtype=np.int64)
    if not len(rows):
        raise FileNotFoundError(
            f"{file}: none of {len(pictures)} pictures has a label file; the first was looked for "
            f"at {labels[0] if labels else 'no place, there are no pictures'}"
        )
    num_without = len(pictures) - len(rows)
    if num_without:
        logger.info("%s: %d of %d pictures have no label file", file, num_without, len(pictures))
    sizes = picture_sizes(pictures)
    columns, origins = objects_of(
        [labels[row] for row in rows.tolist()],
        sizes[rows],
        num_classes,
        with_masks=with_masks,
        mixed=mixed,
    )
    columns = replace(columns, pictures=rows[columns.pictures])
    return records_of(columns, pictures, sizes, origins.where)


def _yaml_of(path: Path) -> Path | None:
    """The file itself or the one of a folder, if it looks like a data.yaml."""
    if is_dir(path):
        usual = [path / name for name in USUAL_NAMES]
        others = sorted(one for suffix in SUFFIXES for one in path.glob(f"*{suffix}"))
        return next((one for one in [*usual, *others] if _looks_right(one)), None)
    return path if _looks_right(path) else None


def _looks_right(file: Path) -> bool:
    if file.suffix.lower() not in SUFFIXES or not is_file(file):
        return False
    lines = first_text(file, MAX_LOOK_BYTES).splitlines()
    keys = {line.partition(":")[0].strip("'\"") for line in lines if ":" in line}
    return "names" in keys and not keys.isdisjoint((*SPLITS, "validation"))


def write(index: Index, out_dir: str | Path, *, split: str = "train") -> list[Path]:
    """One split of a data set for Ultralytics: data.yaml, a list, links to pictures, and labels.

    Lines are oriented boxes (four corners, cut at the border, as Ultralytics takes no others) if a
    picture of the index has oriented boxes, else boxes. Regions to ignore are left out, see LOSES.
    A data.yaml that is there already keeps its other splits.

    Args:
        index: the pictures.
        out_dir: the data set's folder.
        split: `train`, `val` or `test`.

    Returns:
        the files written: data.yaml, the list of pictures, the labels.

    Raises:
        FileNotFoundError: a picture does not exist.
        ValueError: data.yaml is there with other classes, or a name in `images` is taken.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, not one of {', '.join(SPLITS)}")
    out_dir = Path(out_dir)
    links = link_pictures([r.path for r in index.records], out_dir / "images" / split)
    description = _described(index, out_dir / "data.yaml", split)
    oriented = any(record.rboxes is not None for record in index.records)
    written = [out_dir / "data.yaml", out_dir / f"{split}.txt"]
    (out_dir / "labels" / split).mkdir(parents=True, exist_ok=True)
    for record, link in zip(index.records, links, strict=True):
        file = out_dir / "labels" / split / f"{link.stem}.txt"
        write_text(file, _lines(record, oriented))
        written.append(file)
    listed = "".join(f"./{link.relative_to(out_dir).as_posix()}\n" for link in links)
    for file, text in zip(written[:2], (description, listed), strict=True):
        write_text(file, text)
    return written


def _described(index: Index, file: Path, split: str) -> str:
    splits: dict[str, str] = {}
    if is_file(file):
        content = read_yaml(file)
        names = class_names_of(file, content)
        if names != index.class_names:
            raise ValueError(
                f"{file}: is there already with classes {list(names)}, not "
                f"{list(index.class_names)}; name an empty folder"
            )
        splits = {key: content[key] for key in SPLITS if content.get(key)}
    splits[split] = f"{split}.txt"
    ordered = {key: splits[key] for key in SPLITS if key in splits}
    content = ordered | {"names": dict(enumerate(index.class_names))}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)


def _lines(record: ImageRecord, oriented: bool) -> str:
    rows = np.flatnonzero(~record.ignore)
    boxes = record.boxes[rows].astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    parts = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, sides], axis=1)
    if oriented:
        parts = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]]
        if record.rboxes is not None:
            parts = _quads(record.rboxes[rows])
    size = np.array([record.width, record.height], dtype=np.float64)
    parts = np.clip(parts / np.tile(size, parts.shape[1] // 2), 0, 1)
    layout = "%d" + " %.9g" * parts.shape[1]
    labels = record.labels[rows].tolist()
    lines = [layout % (label, *row) for label, row in zip(labels, parts.tolist(), strict=True)]
    return "".join(f"{line}\n" for line in lines)


def _quads(rboxes: NDArray[np.float32]) -> NDArray[np.float64]:
    quads = rboxes_to_quads(torch.from_numpy(rboxes.astype(np.float64)))
    return quads.numpy().reshape(-1, 8)

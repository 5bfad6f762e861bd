"""YOLO text without a data.yaml: folders `images` and `labels`, and the classes in classes.txt.

Every picture is read, with a label file or without: those without have no objects. For the lines
see `yolo_lines`.

Layout: https://docs.ultralytics.com/datasets/detect/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smalldet.class_names import read_class_names
from smalldet.data.formats.lines import floats_of
from smalldet.data.formats.object_columns import records_of
from smalldet.data.formats.picture_files import (
    is_dir,
    is_file,
    picture_sizes,
    pictures_named,
    text_files,
)
from smalldet.data.formats.text_files import first_text
from smalldet.data.formats.yolo_lines import BOX, MIN_OUTLINE, objects_of
from smalldet.data.index import Index

CLASSES_FILES = tuple(
    f"{up}{name}" for up in ("", "../", "../../") for name in ("classes.txt", "obj.names")
)


def recognises(path: Path) -> bool:
    """Whether this is a folder of YOLO text, or one that has `labels`."""
    for file in text_files(_labels(path))[:20]:
        lines = [line for line in first_text(file).splitlines() if line.strip()]
        if lines:
            words = lines[0].split()
            wide = len(words) == BOX or (len(words) >= MIN_OUTLINE and len(words) % 2 == 1)
            return wide and bool(np.isfinite(floats_of(words)).all())
    return False


def _labels(path: Path) -> Path:
    return path / "labels" if is_dir(path / "labels") else path


def _images_dir(labels: Path) -> Path:
    """`images` beside the text, the folder of the same split (`labels/train`), or the text's."""
    beside = (labels.parent / "images", labels.parent.parent / "images" / labels.name)
    return next((folder for folder in beside if is_dir(folder)), labels)


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    with_masks: bool = False,
    mixed: bool = False,
) -> Index:
    """Labelled pictures of a folder of YOLO text.

    Args:
        path: the folder that has `labels`, or the folder of `.txt` files.
        images_dir: the pictures; by default the folder `images` beside the text, or of the same
            split above it (`images/train` for `labels/train`), if there is one, else the text's
            own folder.
        class_names: all classes, in order; by default the lines of `classes.txt` or `obj.names` in
            the text's folder or beside it.
        with_masks: see `yolo_yaml.read`.
        mixed: see `yolo_yaml.read`.

    Raises:
        FileNotFoundError: a folder, a picture, or the class names do not exist.
        ValueError: a line is wrong; names file and line.
    """
    folder = _labels(Path(path))
    if images_dir is None:
        images_dir = _images_dir(folder)
    files = text_files(folder)
    if not files:
        raise FileNotFoundError(f"{folder}: is no folder of .txt files of YOLO")
    if class_names is None:
        named = [one for name in CLASSES_FILES if is_file(one := folder / name)]
        if not named:
            raise FileNotFoundError(
                f"{folder}: the files number their classes; give their names (--data-classes "
                "car,ship or `class_names`), or a classes.txt there"
            )
        class_names = read_class_names(named[0])
    pictures = pictures_named(Path(images_dir), [file.stem for file in files], folder, others=True)
    sizes = picture_sizes(pictures)
    columns, origins = objects_of(
        files, sizes[: len(files)], len(class_names), with_masks=with_masks, mixed=mixed
    )
    return Index(tuple(class_names), records_of(columns, pictures, sizes, origins.where))

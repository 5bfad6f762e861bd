"""Reading labels whatever their format: the one entrance for every verb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from smalldet.data.formats.label_format import LabelFormat
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.table import FORMATS
from smalldet.data.index import Index


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

    Args:
        source: the file or folder, or a LabelSource, which says the next ones itself.
        images_dir: the pictures' folder; each format has a usual place.
        split: which part of a set that has several, `train` or `val`; sets in one piece are read
            whole.
        class_names: of a folder, in order; see each format.
        first_pixel: of VOC; see `voc.read`.
        with_masks: read outlines too, where the format has them.

    Raises:
        FileNotFoundError, ValueError: what is missing or wrong, with its file.
    """
    if not isinstance(source, LabelSource):
        source = LabelSource(
            annotations=Path(source),
            images=None if images_dir is None else Path(images_dir),
            class_names=None if class_names is None else tuple(class_names),
            first_pixel=first_pixel,
        )
    elif images_dir is not None or class_names is not None:
        raise ValueError(f"{source.annotations}: the source says images and class_names itself")
    return recognised_format(source.annotations).read(source, split, with_masks)


def label_splits(path: Path) -> Mapping[str, Path]:
    """{split: where its labels are} of a file or folder of labels; empty if it is in one piece.

    Raises:
        FileNotFoundError, ValueError: as of `recognised_format`.
    """
    return recognised_format(path).splits(path)


def recognised_format(path: Path) -> LabelFormat:
    """The first format of the table that recognises a file or folder.

    Raises:
        FileNotFoundError: there is no such file or folder, or no labels are in the folder; says
            what was looked for.
        ValueError: the file is of none of the formats; says the same.
    """
    for label_format in FORMATS:
        if label_format.recognises(path):
            return label_format
    known = "".join(f"\n  {one.name}: {one.looks_like}" for one in FORMATS)
    if path.is_file():
        raise ValueError(f"{path}: is no file of labels in a known format. Give one of{known}")
    fault = "has no labels in a known format" if path.is_dir() else "no such file or folder"
    raise FileNotFoundError(f"{path}: {fault}. Give one of{known}")

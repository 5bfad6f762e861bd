"""A folder with `train.json`, `val.json` or `test.json`, and the pictures in `images/`."""

from __future__ import annotations

from pathlib import Path

from smalldet.data.formats import coco
from smalldet.data.formats.label_format import LabelFormat
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.index import Index

SPLITS = ("train", "val", "test")


def splits(folder: Path) -> dict[str, Path]:
    """{split: its COCO json} of those that there are."""
    files = {split: folder / f"{split}.json" for split in SPLITS}
    return {split: file for split, file in files.items() if file.is_file()}


def recognises(path: Path) -> bool:
    return bool(splits(path))


def read(
    folder: str | Path,
    images_dir: str | Path | None = None,
    split: str | None = None,
    with_masks: bool = False,
) -> Index:
    """Labelled pictures of one split of a folder.

    Args:
        folder: of the json files.
        images_dir: where `file_name` starts; by default `images` in the folder; see `coco.read`.
        split: `train`, `val` or `test`; may be left out where there is one only.
        with_masks: read outlines too.

    Raises:
        FileNotFoundError: the folder has no such split; names those that it has.
        ValueError: no split is asked for, and there are several; or as of `coco.read`.
    """
    files = splits(Path(folder))
    there = ", ".join(file.name for file in files.values()) or "none of them"
    if split is None and len(files) > 1:
        raise ValueError(f"{folder}: holds {there}: name one of them")
    if not files or split not in {None, *files}:
        wanted = f"{split}.json" if split else " or ".join(f"{name}.json" for name in SPLITS)
        raise FileNotFoundError(
            f"{folder}: looked for {wanted}, there is {there}; name the COCO json itself if it is "
            "called otherwise"
        )
    file = files[split] if split else next(iter(files.values()))
    return coco.read(file, images_dir, with_masks)


def _read_source(source: LabelSource, split: str | None, with_masks: bool) -> Index:
    return read(source.annotations, source.images, split, with_masks)


FORMAT = LabelFormat(
    "COCO by split",
    "a folder with train.json, val.json or test.json, and its pictures in images/",
    recognises,
    _read_source,
    splits=splits,
)

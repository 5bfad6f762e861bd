"""COCO by split: a folder with a json for each of train, val and test.

Layouts: `train.json` and `images/`; `annotations/instances_train2017.json` and `train2017/`, as
https://cocodataset.org/#download has it; `train/_annotations.coco.json` among its pictures, as
Roboflow exports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from smalldet.data.formats import coco
from smalldet.data.formats.picture_files import is_dir, is_file, text_files
from smalldet.data.formats.split_names import SPLITS, by_split
from smalldet.data.index import Index

ANNOTATIONS, ROBOFLOW = "annotations", "_annotations.coco.json"
OBJECTS = "instances_"
# What the download has beside its objects.
OTHERS = ("captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_")


def recognises(path: Path) -> bool:
    return bool(_files(path))


def splits(folder: Path) -> dict[str, Path]:
    """{split: its COCO json} of those that there are.

    Raises:
        ValueError: several files are of one split; names them and how to choose.
    """
    there = _files(folder)
    for split, files in there.items():
        if len(files) > 1:
            names = "\n  ".join(str(file) for file in files)
            raise ValueError(
                f"{folder}: several files may be {split}; name the one instead of the folder:\n"
                f"  {names}"
            )
    return {split: files[0] for split, files in there.items()}


def read(
    folder: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    split: str = "train",
    with_masks: bool = False,
) -> Index:
    """Labelled pictures of one split of a folder.

    Args:
        folder: of the json files.
        images_dir: where `file_name` starts; see `coco.read` for the usual places.
        class_names: see `coco.read`.
        split: `train`, `val` or `test`.
        with_masks: read outlines too.

    Raises:
        FileNotFoundError: the folder has no such split; names those that it has.
        ValueError: as of `splits` and `coco.read`.
    """
    files = splits(Path(folder))
    if split not in files:
        there = ", ".join(str(file) for file in files.values()) or "none"
        raise FileNotFoundError(f"{folder}: has no json of {split}; there is {there}")
    return coco.read(files[split], images_dir, class_names, with_masks=with_masks)


def _files(folder: Path) -> dict[str, list[Path]]:
    """{split: its files} of the first layout that has any."""
    if not is_dir(folder):
        return {}
    plain = {split: [folder / f"{split}.json"] for split in SPLITS}
    names = [file.name for file in text_files(folder / ANNOTATIONS, ".json")]
    names = [name for name in names if not name.startswith(OTHERS)]
    objects = [name for name in names if name.startswith(OBJECTS)] or names
    published = _placed(objects, lambda name: folder / ANNOTATIONS / name)
    inner = [one.name for one in folder.iterdir() if is_file(one / ROBOFLOW)]
    roboflow = _placed(sorted(inner), lambda name: folder / name / ROBOFLOW)
    for layout in (plain, published, roboflow):
        there = {split: [one for one in files if is_file(one)] for split, files in layout.items()}
        if any(there.values()):
            return {split: files for split, files in there.items() if files}
    return {}


def _placed(names: Iterable[str], place: Callable[[str], Path]) -> dict[str, list[Path]]:
    return {split: [place(name) for name in own] for split, own in by_split(names).items()}

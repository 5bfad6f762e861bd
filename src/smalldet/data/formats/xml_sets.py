"""Which pictures and XML files make a set: a devkit by its lists, or a folder of XML."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from smalldet.data.formats.picture_files import is_dir, is_file, pictures_named, text_files
from smalldet.data.formats.split_names import SPLITS, WORDS_OF
from smalldet.data.formats.text_files import first_text, utf8_text

logger = logging.getLogger(__name__)

LIST_LAYOUT = "the name of a picture without its ending on each line"
LIST_FOLDERS = ("ImageSets/Main", "ImageSets", "Main")
MAX_LIST_BYTES = 64 << 20
LOOKED_AT = 64 << 10
HRSC2016 = "FullDataSet"
"""Folder of HRSC2016 that has `Annotations`; its lists lie beside it."""
DIOR_R = "Oriented Bounding Boxes"
"""Folder in DIOR-R's `Annotations` that has the XML."""


@dataclass(frozen=True)
class XmlSet:
    """Pictures of a split, and (place of the picture, XML file) of those that have one."""

    pictures: list[Path]
    labelled: list[tuple[int, Path]]


def devkit_root(path: Path) -> Path:
    """The folder that has `Annotations`: `path`, or the one VOC or HRSC folder in it; else `path`.

    Raises:
        ValueError: there are several.
    """
    if is_dir(path / "Annotations") or not is_dir(path):
        return path
    patterns = ("VOC*", "VOCdevkit/VOC*", HRSC2016)
    inner = [one for pattern in patterns for one in sorted(path.glob(pattern))]
    roots = [one for one in inner if is_dir(one / "Annotations")]
    if len(roots) > 1:
        raise ValueError(f"{path}: has {roots[0].name} and {roots[1].name}; name one of them")
    return roots[0] if roots else path


def xml_folder(root: Path) -> Path:
    """Where the XML of a devkit lies, or of a folder of XML."""
    annotations = root / "Annotations"
    if is_dir(annotations / DIOR_R):
        return annotations / DIOR_R
    return annotations if is_dir(annotations) else root


def first_heads(path: Path) -> list[str]:
    """The beginnings of the first XML files of a set; none where there are none to be read."""
    try:
        folder = xml_folder(devkit_root(path))
        files = sorted(folder.glob("*.xml"))[:3] if folder.is_dir() else []
    except (OSError, ValueError):
        return []
    return [first_text(file, LOOKED_AT) for file in files]


def splits(path: Path) -> dict[str, Path]:
    """{split: the devkit} of the splits that it has lists of; `trainval` stands for train too.

    Raises:
        ValueError: as of `devkit_root`.
    """
    root = devkit_root(path)
    return {split: root for split in SPLITS if _list_of(root, split) is not None}


def _list_folders(root: Path) -> list[Path]:
    beside = root.parent if root.name == HRSC2016 else root
    return [beside / name for name in LIST_FOLDERS]


def _list_of(root: Path, split: str) -> Path | None:
    files = [
        folder / f"{name}.txt"
        for name in WORDS_OF.get(split, (split,))
        for folder in _list_folders(root)
    ]
    return next((file for file in files if is_file(file)), None)


def xml_set(
    path: Path,
    images_dir: str | Path | None,
    split: str | None,
    usual_images: Sequence[str],
) -> XmlSet:
    """The pictures of a split and their XML files.

    Args:
        path: see `voc_sets.read`.
        images_dir: the pictures' folder, if it is none of the usual.
        split: a list; all XML if None.
        usual_images: folders beside the annotations that may have the pictures; the first is taken
            that has the first picture.

    Raises:
        FileNotFoundError: a folder, list or picture does not exist, or no picture has XML.
        ValueError: a list is wrong.
    """
    root = devkit_root(path)
    annotations = xml_folder(root)
    files = {file.stem: file for file in text_files(annotations, ".xml")}
    if not files:
        raise FileNotFoundError(f"{annotations}: is no folder of .xml files")
    stems = list(files) if split is None else _listed(root, split)
    folder = _images(root, stems[0], usual_images) if images_dir is None else Path(images_dir)
    pictures = pictures_named(folder, stems, annotations)
    labelled = [(row, files[stem]) for row, stem in enumerate(stems) if stem in files]
    if not labelled:
        raise FileNotFoundError(
            f"{annotations}: has no XML of the {len(stems)} pictures of {split}"
        )
    if len(labelled) < len(stems):
        num = len(stems) - len(labelled)
        logger.warning("%s: %d of %d pictures have no XML file", annotations, num, len(stems))
    return XmlSet(pictures, labelled)


def _images(root: Path, stem: str, usual_images: Sequence[str]) -> Path:
    annotations = xml_folder(root)
    beside = root if is_dir(root / "Annotations") else root.parent
    there = [beside / name for name in usual_images if is_dir(beside / name)]
    having = [folder for folder in there if any(folder.glob(f"{escape(stem)}.*"))]
    return next(iter([*having, *there]), annotations)


def _listed(root: Path, split: str) -> list[str]:
    file = _list_of(root, split)
    if file is None:
        there = [one.stem for place in _list_folders(root) for one in sorted(place.glob("*.txt"))]
        found = (
            f"it has {', '.join(there[:12])}"
            if there
            else "it has no lists: read all by split=None"
        )
        raise FileNotFoundError(f"{root}: has no {LIST_FOLDERS[0]}/{split}.txt; {found}")
    stems: dict[str, None] = {}
    for number, line in enumerate(utf8_text(file, MAX_LIST_BYTES).split("\n"), start=1):
        words = line.split()
        if len(words) == 1:
            stems[words[0]] = None
        elif words:
            raise ValueError(f"{file}: line {number} is {line[:100]!r}, not {LIST_LAYOUT}")
    if not stems:
        raise ValueError(f"{file}: lists no pictures")
    return list(stems)

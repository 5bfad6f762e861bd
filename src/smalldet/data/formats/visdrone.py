"""VisDrone-DET text: one file for each picture, one box on each line.

A line is left,top,width,height,score,category,truncation,occlusion, with a comma at the end in some
files. Category 0 is a region to ignore, 1 to 10 are the classes, 11 is any other object; a score of
0 leaves an object out of the evaluation.

Layout: https://github.com/VisDrone/VisDrone2018-DET-toolkit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.atomic_write import write_text
from smalldet.class_names import positions_of, read_class_names
from smalldet.data.formats.lines import TextLines, origins_of, read_lines
from smalldet.data.formats.number_text import whole_or_shortest
from smalldet.data.formats.object_columns import ObjectColumns, corners_of, records_of
from smalldet.data.formats.picture_files import (
    is_dir,
    is_file,
    picture_sizes,
    pictures_named,
    text_files,
)
from smalldet.data.formats.picture_links import link_pictures
from smalldet.data.formats.text_files import first_text
from smalldet.data.index import ImageRecord, Index

LOSES = ("difficult", "masks", "rboxes", "gsd_m", "unknown")
CLASSES = (
    "pedestrian", "people", "bicycle", "car", "van", "truck", "tricycle", "awning-tricycle", "bus",
    "motor",
)  # fmt: skip
LINE = "left,top,width,height,score,category,truncation,occlusion"
WORDS = 8
SCORE, CATEGORY = 4, 5
IGNORED, OTHERS = 0, 11


def recognises(path: Path) -> bool:
    """Whether this is the data set's folder or its annotations: text of 8 words with commas."""
    folder = _annotations(path)
    if not is_dir(folder):
        return False
    for file in sorted(folder.glob("*.txt"))[:20]:
        lines = first_text(file).splitlines()
        if file.name != "classes.txt" and lines and lines[0].strip():
            words = lines[0].strip().rstrip(",").split(",")
            return len(words) == WORDS and all(_is_number(word) for word in words)
    return False


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _annotations(path: Path) -> Path:
    return path / "annotations" if is_dir(path / "annotations") else path


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
) -> Index:
    """Labelled pictures of a VisDrone-DET folder.

    Args:
        path: the folder with `annotations` and `images`, or the annotations themselves.
        images_dir: the pictures; by default the folder `images` beside the annotations. Those
            without a text file have no objects.
        class_names: what categories 1, 2, ... are; by default the lines of `classes.txt` beside
            the annotations, else VisDrone's ten.

    Returns:
        an Index; boxes are clipped to their pictures. Regions of category 0, and other objects of
        category 11, are ignored in every class; objects of score 0 in their own class.

    Raises:
        FileNotFoundError: a folder or a picture does not exist.
        ValueError: a line is wrong; names file and line.
    """
    folder = _annotations(Path(path))
    images = folder.parent / "images" if images_dir is None else Path(images_dir)
    own = folder.parent / "classes.txt"
    if class_names is None:
        class_names = read_class_names(own) if is_file(own) else CLASSES
    files = text_files(folder)
    if not files:
        raise FileNotFoundError(f"{folder}: is no folder of .txt files of VisDrone")
    pictures = pictures_named(images, [file.stem for file in files], folder, others=True)
    batches: list[TextLines] = []
    parts: list[NDArray[np.float64]] = []
    for batch in read_lines(files, commas=True):
        wrong = batch.counts != WORDS
        if wrong.any():
            raise ValueError(f"{batch.where(int(wrong.argmax()))}, not {LINE}")
        parts.append(batch.numbers(range(WORDS), None, LINE))
        batches.append(batch.without_words())
    rows = np.concatenate([np.zeros((0, WORDS)), *parts])
    origins = origins_of(files, batches)
    _refuse(rows, len(class_names), origins.where)
    columns, sources = _columns(rows, origins.file_rows, len(class_names))
    records = records_of(
        columns, pictures, picture_sizes(pictures), lambda row: origins.where(int(sources[row]))
    )
    return Index(tuple(class_names), records)


def _refuse(rows: NDArray[np.float64], num_classes: int, where: Callable[[int], str]) -> None:
    category, score = rows[:, CATEGORY], rows[:, SCORE]
    known = (category >= IGNORED) & (category <= num_classes) | (category == OTHERS)
    wrong = ~known | (category != np.floor(category))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{where(row)} has category {category[row]:g}; categories are 0 (ignored), 1 to "
            f"{num_classes}, and {OTHERS} (others)"
        )
    wrong = (score != 0) & (score != 1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{where(row)} has score {score[row]:g}; labels have 0 or 1")


def _columns(
    rows: NDArray[np.float64], files: NDArray[np.int64], num_classes: int
) -> tuple[ObjectColumns, NDArray[np.int64]]:
    """The objects, and the line that each comes from: regions of all classes come as many."""
    category = rows[:, CATEGORY].astype(np.int64)
    everything = (category == IGNORED) | (category > num_classes)
    repeats = np.where(everything, num_classes, 1)
    sources = np.repeat(np.arange(len(rows)), repeats)
    within = np.arange(len(sources)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    labels = np.where(everything[sources], within, category[sources] - 1)
    columns = ObjectColumns(
        pictures=files[sources],
        boxes=corners_of(rows[sources, :4]),
        labels=labels,
        ignore=everything[sources] | (rows[sources, SCORE] == 0),
        difficult=np.zeros(len(sources), dtype=np.bool_),
    )
    return columns, sources


def write(index: Index, out_dir: str | Path) -> list[Path]:
    """A folder of `annotations` in VisDrone's text and of links to pictures in `images`.

    Classes that are among VisDrone's ten have its numbers; else they are numbered from 1 and
    named in `classes.txt`. A region that every class ignores becomes category 0, other ignored
    objects score 0; truncation and occlusion are 0.

    Returns:
        the text files, and `classes.txt` where there is one.

    Raises:
        FileNotFoundError: a picture does not exist.
        ValueError: a name in `images` is taken by another picture.
    """
    out_dir = Path(out_dir)
    folder = out_dir / "annotations"
    links = link_pictures([record.path for record in index.records], out_dir / "images")
    folder.mkdir(parents=True, exist_ok=True)
    places = np.array(positions_of(index.class_names, CLASSES), dtype=np.int64)
    own_names = bool((places < 0).any()) or len(set(places.tolist())) < len(places)
    if own_names:
        places = np.arange(len(index.class_names))
    written: list[Path] = []
    for record, link in zip(index.records, links, strict=True):
        file = folder / f"{link.stem}.txt"
        write_text(file, _lines(record, places + 1))
        written.append(file)
    names_file = out_dir / "classes.txt"
    names_file.unlink(missing_ok=True)
    if own_names:
        write_text(names_file, "".join(f"{n}\n" for n in index.class_names))
        written.append(names_file)
    return written


def _lines(record: ImageRecord, categories: NDArray[np.int64]) -> str:
    record, everything = _regions_once(record, len(categories))
    sides = record.boxes[:, 2:].astype(np.float64) - record.boxes[:, :2].astype(np.float64)
    xywh = np.concatenate([record.boxes[:, :2], sides.astype(np.float32)], axis=1)
    numbers = np.where(everything, IGNORED, categories[record.labels]).tolist()
    scores = np.where(record.ignore, 0, 1).tolist()
    return "".join(
        f"{','.join(box)},{score},{number},0,0\n"
        for box, score, number in zip(whole_or_shortest(xywh), scores, numbers, strict=True)
    )


def _regions_once(record: ImageRecord, num_classes: int) -> tuple[ImageRecord, NDArray[np.bool_]]:
    """Without repeats of a region that every class ignores, and which rows are such regions."""
    ignored = np.flatnonzero(record.ignore)
    kept = np.ones(len(record.boxes), dtype=np.bool_)
    everything = np.zeros(len(record.boxes), dtype=np.bool_)
    if len(ignored):
        _, groups = np.unique(record.boxes[ignored], axis=0, return_inverse=True)
        groups = groups.reshape(-1)
        pairs = np.unique(np.column_stack([groups, record.labels[ignored]]), axis=0)
        full = np.bincount(pairs[:, 0], minlength=int(groups.max()) + 1) == num_classes
        _, first = np.unique(groups, return_index=True)
        kept[ignored[full[groups]]] = False
        kept[ignored[first[full]]] = True
        everything[ignored[first[full]]] = True
    small = replace(
        record, boxes=record.boxes[kept], labels=record.labels[kept], ignore=record.ignore[kept]
    )
    return small, everything[kept]

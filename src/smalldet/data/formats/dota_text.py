"""DOTA text, a million lines in seconds: one file for each picture, one oriented box on each line.

A line is x1 y1 x2 y2 x3 y3 x4 y4 class difficult, the last of them optional: 0, or 1 and 2 for
objects that are hard. Lines may say `imagesource:` and `gsd:`, metres a pixel or `null`.

Layout: https://captain-whu.github.io/DOTA/dataset.html.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.atomic_write import write_text
from smalldet.class_names import read_class_names
from smalldet.data.formats.corners import rboxes_round
from smalldet.data.formats.lines import TextLines, codes_of, floats_of, origins_of, read_lines
from smalldet.data.formats.number_text import whole_or_shortest
from smalldet.data.formats.object_columns import ObjectColumns, records_of
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
from smalldet.geometry.oriented import rboxes_to_quads

LOSES = ("ignore", "masks", "unknown")
LINE = "x1 y1 x2 y2 x3 y3 x4 y4 class difficult"
FOLDER, CLASSES_FILE = "labelTxt", "classes.txt"
NUMBERS = 8
HEADS = (b"imagesource:", b"gsd:")


def recognises(path: Path) -> bool:
    """Whether this is a folder of DOTA text, or one that has `labelTxt`."""
    folder = _labels(path)
    if not is_dir(folder):
        return False
    for file in sorted(folder.glob("*.txt"))[:20]:
        lines = [line for line in first_text(file).splitlines() if line.strip()]
        if file.name == CLASSES_FILE or not lines:
            continue
        if lines[0].startswith(("imagesource:", "gsd:")):
            return True
        words = lines[0].split()
        numbers = floats_of(words[:NUMBERS])
        return len(words) in (9, 10) and bool(np.isfinite(numbers).all()) and not _number(words[8])
    return False


def _number(word: str) -> bool:
    return bool(np.isfinite(floats_of([word])[0]))


def _labels(path: Path) -> Path:
    return path / FOLDER if is_dir(path / FOLDER) else path


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
) -> Index:
    """Labelled pictures of a folder of DOTA text.

    Args:
        path: the folder that has `labelTxt`, or the folder of `.txt` files.
        images_dir: the pictures; by default the folder `images` beside the text. Those without a
            text file have no objects.
        class_names: all classes, in order; by default the lines of `classes.txt` beside the text,
            else those that occur, by the alphabet. Space in a name is `-` in the text.

    Returns:
        an Index with oriented boxes as the smallest round the corners. Boxes enclose them and are
        clipped to the picture.

    Raises:
        FileNotFoundError: a folder or a picture does not exist.
        ValueError: a line is wrong; names file and line.
    """
    folder = _labels(Path(path))
    images = folder.parent / "images" if images_dir is None else Path(images_dir)
    files = text_files(folder)
    if not files:
        raise FileNotFoundError(f"{folder}: is no folder of .txt files of DOTA")
    if class_names is None and is_file(folder.parent / CLASSES_FILE):
        class_names = read_class_names(folder.parent / CLASSES_FILE)
    pictures = pictures_named(images, [file.stem for file in files], folder, others=True)
    names: dict[str, int] = {}
    gsd_m: list[float | None] = [None] * len(files)
    batches: list[TextLines] = []
    parts: list[tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]] = []
    for batch in read_lines(files):
        lines = _without_heads(batch, gsd_m)
        parts.append(_columns(lines, names))
        batches.append(lines.without_words())
    corners = np.concatenate([np.zeros((0, NUMBERS)), *(part[0] for part in parts)])
    labels = np.concatenate([np.zeros(0, dtype=np.int64), *(part[1] for part in parts)])
    difficult = np.concatenate([np.zeros(0, dtype=np.bool_), *(part[2] for part in parts)])
    origins = origins_of(files, batches)
    all_names, labels = _labelled(labels, list(names), class_names, origins.where)
    points = corners.reshape(-1, 4, 2)
    columns = ObjectColumns(
        pictures=origins.file_rows,
        boxes=np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1),
        labels=labels,
        ignore=np.zeros(len(labels), dtype=np.bool_),
        difficult=difficult,
        rboxes=rboxes_round(corners, origins.where),
    )
    gsd_m += [None] * (len(pictures) - len(files))
    records = records_of(columns, pictures, picture_sizes(pictures), origins.where, gsd_m)
    return Index(all_names, records)


def _without_heads(batch: TextLines, gsd_m: list[float | None]) -> TextLines:
    """The lines of objects; what others say of resolution goes into `gsd_m`."""
    first = batch.column(0).tolist()
    heads = [row for row, word in enumerate(first) if word.startswith(HEADS)]
    for row in heads:
        start = int(batch.first[row])
        words = batch.words[start : start + int(batch.counts[row])].tolist()
        key, _, value = b" ".join(words).partition(b":")
        if key == b"gsd":
            metres = float(floats_of([value.strip()])[0])
            gsd_m[batch.file_rows[row]] = metres if math.isfinite(metres) and metres > 0 else None
    return batch.without_rows(heads)


def _columns(
    lines: TextLines, names: dict[str, int]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    wrong = (lines.counts < NUMBERS + 1) | (lines.counts > NUMBERS + 2)
    if wrong.any():
        raise ValueError(f"{lines.where(int(wrong.argmax()))}, not {LINE}")
    corners = lines.numbers(range(NUMBERS), None, LINE)
    labels = codes_of(lines.column(NUMBERS).tolist(), names)
    flags = np.zeros(len(lines))
    rows = np.flatnonzero(lines.counts == NUMBERS + 2)
    flags[rows] = lines.numbers(range(NUMBERS + 1, NUMBERS + 2), rows, LINE)[:, 0]
    wrong = ~np.isin(flags, (0, 1, 2))
    if wrong.any():
        raise ValueError(f"{lines.where(int(wrong.argmax()))}; difficult must be 0, 1 or 2")
    return corners, labels, flags > 0


def _labelled(
    labels: NDArray[np.int64],
    found: list[str],
    class_names: Sequence[str] | None,
    where: Callable[[int], str],
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    names = tuple(sorted(found) if class_names is None else class_names)
    place = {_word(name): number for number, name in enumerate(names)}
    codes = np.array([place.get(name, -1) for name in found], dtype=np.int64)
    moved = codes[labels] if len(codes) else labels
    if (moved < 0).any():
        row = int((moved < 0).argmax())
        raise ValueError(
            f"{where(row)} has class {found[labels[row]]!r}; class_names are {list(names)}"
        )
    return names, moved


def _word(name: str) -> str:
    return "-".join(name.split())


def write(index: Index, out_dir: str | Path) -> list[Path]:
    """`labelTxt`, links to pictures in `images`, and `classes.txt` with the classes in their order.

    Pictures without oriented boxes have upright ones. Regions to ignore are written as difficult.

    Raises:
        FileNotFoundError: a picture does not exist.
        ValueError: a name in `images` is taken, or two classes differ in space alone.
    """
    out_dir = Path(out_dir)
    words = [_word(name) for name in index.class_names]
    if len(set(words)) < len(words) or "" in words:
        raise ValueError(f"classes {list(index.class_names)} are not distinct without space")
    links = link_pictures([record.path for record in index.records], out_dir / "images")
    (out_dir / FOLDER).mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for record, link in zip(index.records, links, strict=True):
        file = out_dir / FOLDER / f"{link.stem}.txt"
        write_text(file, _lines(record, words))
        written.append(file)
    file = out_dir / CLASSES_FILE
    write_text(file, "".join(f"{name}\n" for name in index.class_names))
    return [*written, file]


def _lines(record: ImageRecord, words: Sequence[str]) -> str:
    quads = record.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]]
    if record.rboxes is not None:
        exact = torch.from_numpy(record.rboxes.astype(np.float64))
        quads = rboxes_to_quads(exact).numpy().reshape(-1, NUMBERS).astype(np.float32)
    gsd = "null" if record.gsd_m is None else repr(float(record.gsd_m))
    hard = (record.difficult | record.ignore).tolist()
    lines = [
        f"{' '.join(corners)} {words[label]} {int(flag)}\n"
        for corners, label, flag in zip(
            whole_or_shortest(quads), record.labels.tolist(), hard, strict=True
        )
    ]
    return "".join([f"imagesource:unknown\ngsd:{gsd}\n", *lines])

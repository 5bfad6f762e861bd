"""CSV with a header and boxes in pixels: image_path,xmin,ymin,xmax,ymax,label.

The columns may stand in any order and go by other usual names, as in the tables that DeepForest
(https://deepforest.readthedocs.io/) and TensorFlow's tutorials (filename, class) write. A row with
a picture's name alone is a picture without objects.

Further columns are read where they stand, and written where the index has them: ignore, difficult
(0 or 1), gsd_m (of the picture, metres a pixel), and rbox_cx, rbox_cy, rbox_w, rbox_h, rbox_angle
(pixels, and radians clockwise on the screen).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.atomic_write import atomic_write, write_text
from smalldet.class_names import class_key, read_class_names
from smalldet.data.formats.corners import refuse_degrees
from smalldet.data.formats.csv_boxes import (
    BoxFields,
    BoxTable,
    csv_header,
    labels_in,
    looks_like,
    named_from,
    picture_paths,
    read_boxes,
)
from smalldet.data.formats.number_text import whole_or_shortest
from smalldet.data.formats.object_columns import ObjectColumns, records_of
from smalldet.data.formats.picture_files import is_file, picture_sizes
from smalldet.data.formats.text_files import first_text
from smalldet.data.index import ImageRecord, Index

LOSES = ("masks", "unknown")
LAYOUT = "image_path,xmin,ymin,xmax,ymax,label"
NAMES = {
    "image_path": ("imagepath", "filename", "image", "path", "imgpath", "imagename", "filepath"),
    "xmin": ("xmin", "x1", "left"),
    "ymin": ("ymin", "y1", "top"),
    "xmax": ("xmax", "x2", "right"),
    "ymax": ("ymax", "y2", "bottom"),
    "label": ("label", "class", "classname", "category", "labelname"),
}
RBOX = ("rbox_cx", "rbox_cy", "rbox_w", "rbox_h", "rbox_angle")
FLAGS = ("ignore", "difficult")
EXTRA = (*FLAGS, *RBOX)
GSD = "gsd_m"


def recognises(path: Path) -> bool:
    """Whether this is a CSV file whose header has these columns."""
    if path.suffix.lower() != ".csv" or not is_file(path):
        return False
    rows = looks_like(first_text(path))
    return bool(rows) and all(len(_places(rows[0], name)) == 1 for name in NAMES)


def read(
    path: str | Path,
    images_dir: str | Path | None = None,
    class_names: Sequence[str] | None = None,
) -> Index:
    """Labelled pictures of a CSV file.

    Args:
        path: the file.
        images_dir: where the pictures' names start; by default the file's folder, or `images` in
            it.
        class_names: all classes, in order; by default the lines of `classes.txt` beside the file,
            else those that occur, by the alphabet.

    Returns:
        an Index of the pictures in the order of the file; boxes are clipped to them.

    Raises:
        FileNotFoundError: the file or a picture does not exist.
        ValueError: a row is wrong; names file and line.
    """
    path = Path(path)
    fields = _fields(path)
    table = read_boxes(path, fields, f"numbers for {LAYOUT}", skip=1)
    own = path.parent / "classes.txt"
    if class_names is None and is_file(own):
        class_names = read_class_names(own)
    names, labels = labels_in(table, class_names, path)
    pictures = picture_paths(table.pictures, None if images_dir is None else Path(images_dir), path)
    rboxes = None
    if fields.numbers.keys() >= set(RBOX):
        rboxes = np.column_stack([table.numbers[name] for name in RBOX])
        refuse_degrees(rboxes[:, 4], table.origins.where)
    columns = ObjectColumns(
        pictures=table.picture_rows,
        boxes=table.corners,
        labels=labels,
        ignore=_flags(table, "ignore"),
        difficult=_flags(table, "difficult"),
        rboxes=rboxes,
    )
    sizes = picture_sizes(pictures)
    return Index(names, records_of(columns, pictures, sizes, table.origins.where, _gsd_m(table)))


def _places(header: Sequence[str], name: str) -> list[int]:
    keys = [class_key(title) for title in header]
    return [place for place, key in enumerate(keys) if key in NAMES[name]]


def _fields(path: Path) -> BoxFields:
    header = csv_header(path)
    places: dict[str, int] = {}
    for name in NAMES:
        found = _places(header, name)
        if len(found) != 1:
            raise ValueError(
                f"{path}: line 1 must name the columns {LAYOUT}; it has {len(found)} for {name}: "
                f"{','.join(header)[:200]!r}"
            )
        places[name] = found[0]
    titles = [title.lower() for title in header]
    return BoxFields(
        picture=places["image_path"],
        corners=(places["xmin"], places["ymin"], places["xmax"], places["ymax"]),
        label=places["label"],
        width=len(header),
        picture_number=titles.index(GSD) if GSD in titles else None,
        numbers={name: titles.index(name) for name in EXTRA if name in titles},
    )


def _flags(table: BoxTable, name: str) -> NDArray[np.bool_]:
    values = table.numbers.get(name)
    if values is None:
        return np.zeros(len(table.labels), dtype=np.bool_)
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{table.origins.where(row)} has {name} {values[row]:g}, not 0 or 1")
    return values == 1


def _gsd_m(table: BoxTable) -> list[float | None] | None:
    if table.picture_numbers is None:
        return None
    return [value if value > 0 else None for value in table.picture_numbers.tolist()]


def write(index: Index, out_dir: str | Path, *, split: str = "train") -> list[Path]:
    """`{split}.csv`, and `classes.txt` with the classes in their order.

    Pictures stay where they are: those in `out_dir` are named from it, others in full.

    Raises:
        ValueError: `classes.txt` is there with other classes.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    names_file = out_dir / "classes.txt"
    if is_file(names_file) and read_class_names(names_file) != index.class_names:
        raise ValueError(f"{names_file}: is there already with other classes; name an empty folder")
    extra = _extra_columns(index)
    file = out_dir / f"{split}.csv"
    with atomic_write(file) as draft, draft.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow([*LAYOUT.split(","), *extra])
        for record in index.records:
            writer.writerows(_rows(record, index.class_names, extra, out_dir))
    write_text(names_file, "".join(f"{name}\n" for name in index.class_names))
    return [file, names_file]


def _extra_columns(index: Index) -> list[str]:
    extra = [name for name in FLAGS if any(getattr(r, name).any() for r in index.records)]
    if any(record.gsd_m is not None for record in index.records):
        extra.append(GSD)
    if any(record.rboxes is not None for record in index.records):
        extra += RBOX
    return extra


def _rows(
    record: ImageRecord, names: Sequence[str], extra: list[str], folder: Path
) -> list[list[str]]:
    name = named_from(record.path, folder)
    gsd = "" if record.gsd_m is None else repr(float(record.gsd_m))
    num = len(record.boxes)
    if not num:
        return [[name, *[""] * 5, *(gsd if title == GSD else "" for title in extra)]]
    columns: list[Sequence[str]] = [
        [name] * num,
        *zip(*whole_or_shortest(record.boxes), strict=True),
    ]
    columns.append([names[int(label)] for label in record.labels.tolist()])
    for title in extra:
        if title in FLAGS:
            flags = getattr(record, title)
            columns.append(["1" if flag else "0" for flag in flags.tolist()])
        elif title == GSD:
            columns.append([gsd] * num)
    if RBOX[0] in extra:
        columns += zip(*whole_or_shortest(_rboxes(record)), strict=True)
    return [list(row) for row in zip(*columns, strict=True)]


def _rboxes(record: ImageRecord) -> NDArray[np.float32]:
    if record.rboxes is not None:
        return record.rboxes
    low, high = record.boxes[:, :2], record.boxes[:, 2:]
    turned = np.zeros((len(low), 1), dtype=np.float32)
    return np.concatenate([(low + high) / 2, high - low, turned], axis=1).astype(np.float32)

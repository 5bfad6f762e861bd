"""An Index as TFRecord of TensorFlow's Object Detection API."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalldet.atomic_write import atomic_write, write_text
from smalldet.data.formats.bitmap_masks import pixels_of
from smalldet.data.formats.label_map import label_map_text
from smalldet.data.formats.tf_example import example_bytes
from smalldet.data.formats.tfrecord_examples import (
    CORNERS,
    CROWD,
    DIFFICULT,
    ENCODED,
    FILENAME,
    HEIGHT,
    LABEL,
    MASK,
    SOURCE_ID,
    TEXT,
    WIDTH,
)
from smalldet.data.formats.tfrecord_files import frame
from smalldet.data.formats.tfrecord_pictures import encoded_picture
from smalldet.data.index import ImageRecord, Index


def write(
    index: Index, out_dir: str | Path, *, split: str = "train", num_shards: int = 1
) -> list[Path]:
    """Records and a label map that `tfrecord.read` makes the same Index of.

    Pictures that are JPEG or PNG are put in as they are; others of 8 bits become PNG.

    Args:
        index: what to write; `tfrecord.LOSES` names what records cannot keep.
        out_dir: the folder; made if it is not there.
        split: name of the file, `<split>.tfrecord`, or of its parts,
            `<split>.tfrecord-00000-of-00004`.
        num_shards: parts, each of pictures that follow each other.

    Returns:
        the files.

    Raises:
        FileNotFoundError: a picture does not exist.
        ValueError: a picture cannot be put in, or a file cannot be written.
    """
    if num_shards < 1:
        raise ValueError(f"num_shards is {num_shards}; 1 or more")
    out_dir = Path(out_dir)
    file_names = _file_names(index.records)
    files: list[Path] = []
    ends = np.linspace(0, len(index), num_shards + 1).round().astype(int).tolist()
    for number, (start, end) in enumerate(pairwise(ends)):
        part = f"-{number:05d}-of-{num_shards:05d}" if num_shards > 1 else ""
        path = out_dir / f"{split}.tfrecord{part}"
        try:
            with atomic_write(path) as draft, draft.open("wb") as file:
                for row in range(start, end):
                    example = _example(index.records[row], index.class_names, file_names[row])
                    file.write(frame(example))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ValueError(f"{path}: cannot be written: {error.strerror}") from error
        files.append(path)
    path = out_dir / "label_map.pbtxt"
    try:
        write_text(path, label_map_text(index.class_names))
    except OSError as error:
        raise ValueError(f"{path}: cannot be written: {error.strerror}") from error
    return [*files, path]


def _file_names(records: Sequence[ImageRecord]) -> list[str]:
    """Names of the pictures; of those of one name, the folder too."""
    counts = Counter(record.path.name for record in records)
    return [
        record.path.name
        if counts[record.path.name] == 1
        else f"{record.path.parent.name}_{record.path.name}"
        for record in records
    ]


def _example(record: ImageRecord, class_names: Sequence[str], file_name: str) -> bytes:
    encoded, kind = encoded_picture(record.path)
    size = [record.width, record.height] * 2
    parts = (record.boxes.astype(np.float64) / size).astype(np.float32)
    features: dict[str, list[bytes] | NDArray[np.float32] | NDArray[np.int64]] = {
        HEIGHT: np.array([record.height], dtype=np.int64),
        WIDTH: np.array([record.width], dtype=np.int64),
        FILENAME: [file_name.encode("utf-8", errors="replace")],
        SOURCE_ID: [str(record.image_id).encode()],
        "image/key/sha256": [hashlib.sha256(encoded).hexdigest().encode()],
        ENCODED: [encoded],
        "image/format": [kind.encode()],
        **{key: parts[:, column] for column, key in enumerate(CORNERS)},
        TEXT: [class_names[int(label)].encode() for label in record.labels],
        LABEL: record.labels.astype(np.int64) + 1,
        CROWD: record.ignore.astype(np.int64),
        DIFFICULT: record.difficult.astype(np.int64),
    }
    if record.masks is not None:
        features[MASK] = [_png(record, row) for row in range(len(parts))]
    return example_bytes(features)


def _png(record: ImageRecord, row: int) -> bytes:
    """An object's mask as a picture of the whole picture's size."""
    assert record.masks is not None
    shape = (record.height, record.width)
    pixels = pixels_of(record.masks[row], record.boxes[row].astype(np.float64), shape)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()

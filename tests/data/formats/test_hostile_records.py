"""Broken records of TensorFlow, under right checksums too, are named or read soundly.

`tests/parity/test_mutated_labels.py` breaks files of every format; here are those that only this
one has: content under a sound frame, lengths, label maps.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import tfrecord
from smalldet.data.formats.tf_example import example_bytes
from smalldet.data.formats.tfrecord_files import frame, masked_crc32c
from tests.parity.mutations import some_bytes

NUM_CASES = 300


def mutated(raw: bytes, rng: random.Random) -> bytes:
    return some_bytes(raw, rng).raw


def checked(read: Callable[[], Any], folder: Path) -> bool:
    """Whether it was refused; anything but a named error or a sound Index fails."""
    try:
        index = read()
    except (ValueError, FileNotFoundError) as error:
        assert type(error) in (ValueError, FileNotFoundError), repr(error)
        assert str(folder) in str(error)
        assert len(str(error)) < 3000
        str(error).encode()
        return True
    for record in index.records:
        assert np.isfinite(record.boxes).all()
        assert (record.boxes[:, 2:] > record.boxes[:, :2]).all()
        assert ((record.labels >= 0) & (record.labels < len(index.class_names))).all()
        if record.rboxes is not None:
            assert np.isfinite(record.rboxes).all() and (record.rboxes[:, 2:4] > 0).all()
    return False


def sound_example(encoded: bytes) -> bytes:
    def floats(value: float) -> np.ndarray:
        return np.array([value, value], dtype=np.float32)

    corners = {"xmin": 0.1, "ymin": 0.2, "xmax": 0.4, "ymax": 0.5}
    return example_bytes(
        {
            "image/encoded": [encoded],
            "image/filename": [b"a.png"],
            "image/width": np.array([60], dtype=np.int64),
            "image/height": np.array([50], dtype=np.int64),
            **{f"image/object/bbox/{side}": floats(value) for side, value in corners.items()},
            "image/object/class/text": [b"car", b"ship"],
            "image/object/class/label": np.array([1, 2], dtype=np.int64),
            "image/object/is_crowd": np.array([0, 1], dtype=np.int64),
            "image/object/mask": [encoded, encoded],
        }
    )


@pytest.mark.parametrize("framed", [True, False])
def test_broken_records_are_named_or_read_soundly(tmp_path: Path, framed: bool):
    """Bytes of the file, checksums included; or of the Example, under right checksums."""
    num_cases = int(os.environ.get("SMALLDET_HOSTILE_CASES", NUM_CASES))
    rng = random.Random(framed)
    Image.new("L", (60, 50), 1).save(tmp_path / "a.png")
    example = sound_example((tmp_path / "a.png").read_bytes())
    path = tmp_path / "a.record"
    path.write_bytes(frame(example))
    assert tfrecord.recognises(path) and len(tfrecord.read(path, with_masks=True)) == 1
    num_refused = 0
    for number in range(num_cases):
        path.write_bytes(mutated(frame(example), rng) if framed else frame(mutated(example, rng)))
        tfrecord.recognises(path)
        folder = tmp_path / f"out{number}"
        num_refused += checked(
            lambda folder=folder: tfrecord.read(path, folder, with_masks=True), tmp_path
        )
    assert num_refused > num_cases // 10


def test_lengths_that_fit_their_checksum_are_bounded_by_the_file(tmp_path: Path):
    path = tmp_path / "a.record"
    for length in (1, 2**31, 2**40, 2**63, 2**64 - 1):
        header = struct.pack("<Q", length)
        path.write_bytes(header + struct.pack("<I", masked_crc32c(header)))
        with pytest.raises(ValueError, match=rf"a\.record: record 1 is {length} bytes long"):
            tfrecord.read(path)


def test_broken_label_maps_are_named_or_read_soundly(tmp_path: Path):
    rng = random.Random(0)
    Image.new("L", (60, 50), 1).save(tmp_path / "a.png")
    path = tmp_path / "a.record"
    path.write_bytes(frame(sound_example((tmp_path / "a.png").read_bytes())))
    text = (
        b"# map\nitem { id: 1 name: 'car' }\nitem {\n id: 2 name: \"/m/2\" display_name: 'ship'\n}"
    )
    for _ in range(int(os.environ.get("SMALLDET_HOSTILE_CASES", NUM_CASES))):
        (tmp_path / "map.pbtxt").write_bytes(mutated(text, rng))
        checked(lambda: tfrecord.read(path), tmp_path)

"""Broken files of tools give a ValueError or FileNotFoundError with a file's name, or read soundly.

Each case is a sound data set of which some bytes of one file are changed, cut, or repeated, or some
value of a JSON file is exchanged for one of another kind.
"""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import coco, cvat, fiftyone, label_studio, labelme, tfrecord, xview
from smalldet.data.formats.tf_example import example_bytes
from smalldet.data.formats.tfrecord_files import frame, masked_crc32c

NUM_CASES = 300
TOKENS = [
    b"nan", b"NaN", b"-1", b"1e39", b"1e308", b"1e999", b"0", b"", b"\0", b"\xff\xfe", b"\n", b",",
    b'"', b"<", b">", b"&x;", b"[", b"{", b"../", b"\x1b[31m", b"9" * 400, b"\\ud800", b"null",
    b"[/b]", b"<a>" * 50, b"[[" * 500, b"true", b"%s", b"{0}", b"\xff" * 9 + b"\x7f",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, -1, 0, 1e39, 1e308, 10**400, "", "x", "\0", "\x1b[31m", "../a.png", [], {}, [[]],
    [None], [1, 2], {"x": 1}, [[1, 2], [3, 4]], "9" * 400, 0.5, "nan",
]  # fmt: skip
MASK = "eJwDAAAAAAE="
SHAPES = [
    {"label": "car", "points": [[1, 2], [9, 8]], "shape_type": "rectangle", "flags": {}},
    {"label": "car", "points": [[1, 2], [9, 2], [9, 8], [1, 8]], "shape_type": "rotation"},
    {"label": "b", "points": [[1, 2], [9, 2], [9, 8]], "shape_type": "polygon"},
    {"label": "b", "points": [[20, 20], [22, 20]], "shape_type": "circle"},
]
SIZE = {"original_width": 60, "original_height": 50, "image_rotation": 0}
RESULTS = [
    {"type": kind, "value": {"rotation": 5, **value, kind: ["car"]}, **SIZE}
    for kind, value in {
        "rectanglelabels": {"x": 10, "y": 25, "width": 20, "height": 30},
        "polygonlabels": {"points": [[1, 2], [30, 2], [3, 40]]},
        "ellipselabels": {"x": 40, "y": 50, "radiusX": 10, "radiusY": 20},
    }.items()
]
DETECTIONS = [
    {"label": "car", "bounding_box": [0.1, 0.2, 0.3, 0.4], "mask": MASK},
    {"label": "car", "bounding_box": [0.1, 0.2, 0.3, 0.4], "iscrowd": 1, "attributes": {}},
]
SAMPLE = {"filepath": "images/a.png", "truth": {"_cls": "Detections", "detections": DETECTIONS}}
XVIEW = {"image_id": "a.png", "bounds_imcoords": "1,2,30,40", "type_id": 18}
CVAT = """<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>
<meta><task><labels><label><name>car</name></label></labels></task></meta>
<image id="0" name="a.png" width="60" height="50"><box label="car" occluded="0" xtl="10" ytl="20"
xbr="30" ybr="40" rotation="5"><attribute name="difficult">true</attribute></box>
<polygon label="car" points="1,2;3,4;5,1"/><ellipse label="car" cx="20" cy="20" rx="3" ry="4"/>
<mask label="car" rle="3,3" left="1" top="2" width="2" height="3"/></image></annotations>"""
COCO = {
    "images": [
        {"id": 1, "file_name": "a.png", "width": 60, "height": 50, "gsd_m": 0.5,
         "not_exhaustive_category_ids": [2]},
    ],
    "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "ship"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 9, 8], "rbbox": [5, 5, 4, 2, 1]},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [1.5, 2, 9, 8], "iscrowd": 1,
         "segmentation": {"size": [50, 60], "counts": [1000, 1000, 1000]}},
        {"id": 3, "image_id": 1, "category_id": 2, "bbox": [1, 2, 9, 8], "difficult": 1,
         "segmentation": [[1, 2, 9, 2, 9, 9, 1, 9]]},
    ],
}  # fmt: skip
QUADS = {**COCO, "annotations": COCO["annotations"][2:]}
# module: (source, files that are mutated, arguments)
SETS: dict[str, tuple[Any, str, dict[str, Any], dict[str, Any]]] = {
    "labelme": (
        labelme, "", {"a.json": {"shapes": SHAPES, "imagePath": "images/a.png"}}, {"masks": True},
    ),
    "label_studio": (
        label_studio,
        "e.json",
        {"e.json": [{"data": {"image": "a.png"}, "annotations": [{"result": RESULTS}]}]},
        {"masks": True},
    ),
    "fiftyone": (
        fiftyone,
        "",
        {"samples.json": {"samples": [SAMPLE]}, "metadata.json": {"default_classes": ["car"]}},
        {"masks": False},
    ),
    "fiftyone_masks": (
        fiftyone,
        "",
        {
            "samples.json": {
                "samples": [
                    {**SAMPLE, "truth": {"_cls": "Detections", "detections": DETECTIONS[1:]}}
                ]
            },
            "metadata.json": {},
        },
        {"masks": True},
    ),
    "xview": (xview, "x.geojson", {
        "x.geojson": {"type": "FeatureCollection", "features": [{"properties": XVIEW}] * 3}
    }, {}),
    "coco": (coco, "c.json", {"c.json": COCO}, {"masks": True}),
    "coco_quads": (coco, "c.json", {"c.json": QUADS}, {"masks": False}),
    "cvat": (cvat, "annotations.xml", {"annotations.xml": CVAT}, {"masks": True}),
}  # fmt: skip


def mutated(raw: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(raw) + 1)
        end = min(len(raw), start + rng.choice([0, 0, 1, 1, 3, 20]))
        kind = rng.randrange(4)
        if kind == 0:
            raw = raw[:start] + rng.choice(TOKENS) + raw[end:]
        elif kind == 1:
            raw = raw[:start] + bytes([rng.randrange(256)]) + raw[start + 1 :]
        elif kind == 2:
            raw = raw[:start] if rng.random() < 0.3 else raw[:start] + raw[end:]
        else:
            raw = raw[:end] + raw[start:]
    return raw


def exchanged(value: Any, rng: random.Random) -> Any:
    """A JSON value with one value in it, at any depth, exchanged or taken away."""
    if isinstance(value, dict | list) and value and rng.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        value = value.copy()
        if rng.random() < 0.1:
            del value[key]
        else:
            value[key] = exchanged(value[key], rng)
        return value
    return rng.choice(VALUES)


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


@pytest.mark.parametrize("name", SETS)
def test_broken_files_are_named_or_read_soundly(name: str, tmp_path: Path):
    module, source, files, options = SETS[name]
    num_cases = int(os.environ.get("SMALLDET_HOSTILE_CASES", NUM_CASES))
    rng = random.Random(name)
    (tmp_path / "images").mkdir()
    Image.new("L", (60, 50)).save(tmp_path / "images/a.png")
    texts = {
        file: content if isinstance(content, str) else json.dumps(content)
        for file, content in files.items()
    }
    for file, text in texts.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    arguments = {"with_masks": options["masks"]} if options else {}
    assert module.recognises(tmp_path / source)
    assert len(module.read(tmp_path / source, **arguments)) == 1
    num_refused = 0
    for _ in range(num_cases):
        file = rng.choice(list(files))
        if isinstance(files[file], str) or rng.random() < 0.5:
            raw = mutated(texts[file].encode(), rng)
        else:
            raw = json.dumps(exchanged(files[file], rng)).encode()
        (tmp_path / file).write_bytes(raw)
        module.recognises(tmp_path / source)
        num_refused += checked(lambda: module.read(tmp_path / source, **arguments), tmp_path)
        (tmp_path / file).write_text(texts[file], encoding="utf-8")
    assert num_refused > num_cases // 10


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

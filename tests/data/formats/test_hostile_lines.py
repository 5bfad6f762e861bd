"""Broken files give a ValueError or FileNotFoundError that names a file, or another sound reading.

Each case is a sound data set of which some bytes of one file are changed, cut, or repeated.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import (
    csv_openimages,
    csv_pixels,
    csv_retinanet,
    dota_text,
    rolabelimg,
    visdrone,
    voc_sets,
    yolo_yaml,
)

NUM_CASES = 300
TOKENS = [
    b"nan", b"inf", b"-1", b"1e39", b"1e308", b"1e999", b"0", b"", b"\0", b"\xff\xfe", b"\n", b",",
    b'"', b"<", b">", b"&x;", b"[", b"{", b"*a", b"&a ", b": ", b"../", b"\x1b[31m", b"9" * 400,
    b"\xe2\x80\xa8", b"1_0", b"[/b]", b"<a>" * 50, b"!!python/object:x ", b"%s", b"{0}",
]  # fmt: skip
BOXES = "a,x,/m/2,1,0.1,0.3,0.2,0.8,0,0,0,0,0\n"
OPEN = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,"
    "IsDepiction,IsInside\n"
)
TURNED = (
    "<annotation><object><name>ship</name><robndbox><cx>30</cx><cy>25</cy><w>20</w><h>10</h>"
    "<angle>1</angle></robndbox></object></annotation>"
)
VOC = (
    "<?xml version='1.0' encoding='utf-8'?><annotation><object><name>b</name><bndbox><xmin>1"
    "</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>"
)
# module: (source, files that are mutated, arguments)
SETS = {
    "yolo": (
        yolo_yaml,
        "",
        {
            "data.yaml": "path: .\ntrain: images\nnc: 2\nnames: {0: car, 1: ship}\n",
            "labels/a.txt": "0 0.5 0.5 0.1 0.2\n1 0.1 0.1 0.1 0.1\n",
        },
    ),
    "obb": (
        yolo_yaml,
        "",
        {
            "data.yaml": "train: list.txt\nnames: [car]\n",
            "list.txt": "./images/a.png\n",
            "labels/a.txt": "0 0.2 0.2 0.4 0.2 0.4 0.6 0.2 0.6\n",
        },
    ),
    "segments": (
        yolo_yaml,
        "",
        {
            "data.yaml": "train: images\nnames: [car]\n",
            "labels/a.txt": "0 0.2 0.2 0.4 0.2 0.4 0.6\n0 0.2 0.2 0.4 0.2 0.4 0.6 0.1 0.2\n",
        },
    ),
    "dota": (
        dota_text,
        "",
        {"labelTxt/a.txt": "gsd:0.5\n1 2 9 2 9 8 1 8 car 0\n1 2 3 3 2 9 1 8 b\n"},
    ),
    "visdrone": (visdrone, "", {"annotations/a.txt": "1,2,3,4,1,4,0,0\n5,5,9,9,0,0,0,0,\n"}),
    "csv": (
        csv_pixels,
        "train.csv",
        {"train.csv": "image_path,xmin,ymin,xmax,ymax,label\nimages/a.png,1,2,3,4,car\n"},
    ),
    "retinanet": (
        csv_retinanet,
        "train.csv",
        {"train.csv": "images/a.png,1,2,3,4,car\n", "classes.csv": "car,0\nship,1\n"},
    ),
    "openimages": (
        csv_openimages,
        "boxes.csv",
        {"boxes.csv": OPEN + BOXES, "class-descriptions.csv": "/m/2,Car\n"},
    ),
    "voc": (voc_sets, "", {"Annotations/a.xml": VOC, "ImageSets/Main/train.txt": "a\n"}),
    "rolabelimg": (rolabelimg, "", {"Annotations/a.xml": TURNED}),
}


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


@pytest.mark.parametrize("name", SETS)
def test_broken_files_are_named_or_read_soundly(name: str, tmp_path: Path):
    module, source, files = SETS[name]
    num_cases = int(os.environ.get("SMALLDET_HOSTILE_CASES", NUM_CASES))
    rng = random.Random(name)
    (tmp_path / "images").mkdir()
    Image.new("L", (60, 50)).save(tmp_path / "images/a.png")
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    arguments = {"with_masks": True} if module is yolo_yaml else {}
    assert module.recognises(tmp_path / source)
    assert len(module.read(tmp_path / source, **arguments)) == 1
    num_refused = 0
    for _ in range(num_cases):
        file = rng.choice(list(files))
        (tmp_path / file).write_bytes(mutated(files[file].encode(), rng))
        module.recognises(tmp_path / source)
        try:
            index = module.read(tmp_path / source, **arguments)
        except (ValueError, FileNotFoundError) as error:
            assert type(error) in (ValueError, FileNotFoundError), repr(error)
            assert str(tmp_path) in str(error)
            num_refused += 1
        else:
            for record in index.records:
                assert np.isfinite(record.boxes).all()
                assert (record.boxes[:, 2:] > record.boxes[:, :2]).all()
                assert (record.labels < len(index.class_names)).all()
                if record.rboxes is not None:
                    assert np.isfinite(record.rboxes).all() and (record.rboxes[:, 2:4] > 0).all()
        (tmp_path / file).write_text(files[file])
    assert num_refused > num_cases // 10

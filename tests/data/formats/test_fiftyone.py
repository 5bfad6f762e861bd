"""FiftyOne's two folders read the same, with masks and flags, and wrong detections are named."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import fiftyone
from smalldet.data.index import MASK_PX


def detection(**more: Any) -> dict[str, Any]:
    return {"_cls": "Detection", "label": "car", "bounding_box": [0.1, 0.25, 0.2, 0.5], **more}


def pictures(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    for name in ("a", "b"):
        Image.new("L", (100, 80)).save(tmp_path / "data" / f"{name}.png")


def dataset(tmp_path: Path, *detections: Any, other: Any = None, **metadata: Any) -> Path:
    pictures(tmp_path)
    first = {"_cls": "Detections", "detections": list(detections)}
    samples = [
        {"filepath": "data/a.png", "tags": [], "metadata": None, "ground_truth": first},
        {"filepath": "data/b.png", "ground_truth": other},
    ]
    (tmp_path / "samples.json").write_text(json.dumps({"samples": samples}))
    (tmp_path / "metadata.json").write_text(json.dumps({"name": "x", **metadata}))
    return tmp_path


def packed(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    np.save(file, pixels, allow_pickle=False)
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


def test_a_dataset_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    crowd = {"iscrowd": {"_cls": "BooleanAttribute", "value": True}}
    path = dataset(
        tmp_path,
        detection(),
        detection(attributes=crowd, label="bus"),
        detection(iscrowd=0, difficult=True),
        classes={"ground_truth": ["ship", "car", "bus"]},
    )
    assert fiftyone.recognises(path)
    index = fiftyone.read(path)
    first, second = index.records
    assert index.class_names == ("ship", "car", "bus")
    np.testing.assert_allclose(first.boxes, [[10, 20, 30, 60]] * 3, atol=1e-4)
    assert first.labels.tolist() == [1, 2, 1]
    assert first.ignore.tolist() == [False, True, False]
    assert first.difficult.tolist() == [False, False, True]
    assert len(second.boxes) == 0
    assert "1 pictures have no labels" in caplog.text and "b.png" in caplog.text


def test_masks_fill_their_boxes(tmp_path: Path):
    pixels = np.zeros((4, 6), dtype=bool)
    pixels[:2] = True
    mask = {"$binary": {"base64": packed(pixels), "subType": "00"}}
    Image.fromarray(pixels.astype(np.uint8) * 255).save(tmp_path / "m.png")
    half = detection(mask=packed(np.asfortranarray(pixels)), bounding_box=[-0.2, 0, 0.4, 0.5])
    path = dataset(tmp_path, detection(mask=mask), detection(mask_path="m.png"), half, detection())
    record = fiftyone.read(path, with_masks=True).records[0]
    assert record.masks is not None
    cells = np.unpackbits(record.masks, axis=1).reshape(4, MASK_PX, MASK_PX)
    for row in range(3):
        assert cells[row, :28].all() and not cells[row, 28:].any()
    assert not cells[3].any()


def test_image_detections_read_the_same(tmp_path: Path):
    pictures(tmp_path)
    (tmp_path / "data" / "sub").mkdir()
    (tmp_path / "data" / "b.png").rename(tmp_path / "data" / "sub" / "b.png")
    labels = {"a": [detection(label=1)], "sub/b.png": []}
    content: dict[str, Any] = {"classes": ["ship", "car"], "labels": labels}
    (tmp_path / "labels.json").write_text(json.dumps(content))
    assert fiftyone.recognises(tmp_path)
    index = fiftyone.read(tmp_path)
    assert [record.labels.tolist() for record in index.records] == [[1], []]
    content["labels"]["c"] = []
    (tmp_path / "labels.json").write_text(json.dumps(content))
    with pytest.raises(FileNotFoundError, match=r"1 of its pictures are not in .*data.*'c'"):
        fiftyone.read(tmp_path)


def test_the_field_is_asked_for_where_there_are_several(tmp_path: Path):
    path = dataset(tmp_path, detection())
    text = (path / "samples.json").read_text()
    (path / "samples.json").write_text(text.replace("ground_truth", "labels"))
    assert len(fiftyone.read(path).records[0].boxes) == 1
    content = json.loads(text)
    sample = content["samples"][0]
    sample["one"] = sample["two"] = sample.pop("ground_truth")
    sample["day"] = {"_cls": "Classification", "label": "x"}
    (path / "samples.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"fields of detections are one, two of one, two, day"):
        fiftyone.read(path)
    assert len(fiftyone.read(path, label_field="two").records[0].boxes) == 1
    with pytest.raises(ValueError, match=r"the field 'day' is not one"):
        fiftyone.read(path, label_field="day")


BOMB = base64.b64encode(zlib.compress(bytes(300 << 20), 9)).decode()
HUGE = packed(np.zeros((4, 6), np.uint8)).encode()


def claims(shape: str) -> str:
    """An array whose header claims more than it holds."""
    raw = zlib.decompress(base64.b64decode(HUGE)).replace(b"(4, 6), ", shape.encode())
    return base64.b64encode(zlib.compress(raw)).decode()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (5, r"object 2 is 5, not an object"),
        (detection(bounding_box=[0, 0, 1]), r"object 2 has bounding_box \[0, 0, 1\], not 4"),
        (detection(bounding_box=[0, 0, 1, None]), r"object 2 has None"),
        (detection(bounding_box=[0, 0, -1, 1]), r"object 2 has bounding_box .* from 0 to 1"),
        (detection(bounding_box=[5, 5, 50, 60]), r"object 2 has bounding_box .* from 0 to 1"),
        (detection(label=None), r"object 2 has label None, not a class"),
        (detection(iscrowd="x"), r"object 2 has iscrowd 'x'"),
        (detection(mask=[1]), r"object 2 has mask \[1\], not base64"),
        (detection(mask="!!"), r"object 2: its mask is no compressed array"),
        (detection(mask=BOMB), r"object 2: its mask is cut short or larger"),
        (detection(mask=claims("(4,99), ")), r"object 2: its mask is no array"),
        (detection(mask=packed(np.zeros(4))), r"object 2: its mask is an array of .* 1 dimensions"),
        (detection(mask_path="\0"), r"object 2 has mask_path"),
    ],
)
def test_a_wrong_detection_is_named(tmp_path: Path, wrong: Any, named: str):
    path = dataset(tmp_path, detection(), wrong)
    with pytest.raises(ValueError, match=named) as caught:
        fiftyone.read(path, with_masks=True)
    assert "samples.json: sample 1" in str(caught.value)


def test_arrays_of_objects_are_not_read(tmp_path: Path):
    """Numpy's files of objects run code when they are read."""
    file = io.BytesIO()
    np.save(file, np.array([[{}]]), allow_pickle=True)
    text = base64.b64encode(zlib.compress(file.getvalue())).decode()
    with pytest.raises(ValueError, match="its mask is no array that can be read"):
        fiftyone.read(dataset(tmp_path, detection(mask=text)), with_masks=True)

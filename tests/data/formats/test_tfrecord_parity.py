"""TFRecord against TensorFlow's own reader, writer and parser."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import tfrecord
from smalldet.data.formats.tf_example import parse_example
from smalldet.data.formats.tfrecord_files import frame, records
from smalldet.data.index import MASK_PX, ImageRecord, Index

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def tf() -> Any:
    return pytest.importorskip("tensorflow")


def drawn(folder: Path, num: int, seed: int) -> Index:
    """Pictures of noise with random objects, some without any."""
    rng = np.random.default_rng(seed)
    made: list[ImageRecord] = []
    for number in range(num):
        width, height = rng.integers(20, 200, 2).tolist()
        path = folder / f"p{number}.{'png' if number % 2 else 'jpg'}"
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)
        count = number % 4
        corner = rng.uniform(0, [width - 10, height - 10], (count, 2))
        boxes = np.hstack([corner, corner + rng.uniform(1, 10, (count, 2))]).astype(np.float32)
        cells = rng.random((count, MASK_PX * MASK_PX)) < 0.5
        made.append(
            ImageRecord(
                path=path,
                width=width,
                height=height,
                boxes=boxes,
                labels=rng.integers(0, 2, count),
                ignore=rng.random(count) < 0.5,
                difficult=rng.random(count) < 0.5,
                image_id=number,
                masks=np.packbits(cells, axis=1),
            )
        )
    return Index(("ship", "größe"), tuple(made))


def test_tensorflow_reads_what_is_written(tf: Any, tmp_path: Path, record_parity: Any):
    index = drawn(tmp_path, 12, seed=0)
    files = tfrecord.write(index, tmp_path / "out", num_shards=2)
    keys = {
        "image/encoded": tf.io.FixedLenFeature((), tf.string),
        "image/format": tf.io.FixedLenFeature((), tf.string),
        "image/filename": tf.io.FixedLenFeature((), tf.string),
        "image/width": tf.io.FixedLenFeature((), tf.int64),
        "image/height": tf.io.FixedLenFeature((), tf.int64),
        **{
            f"image/object/bbox/{side}": tf.io.VarLenFeature(tf.float32)
            for side in ("xmin", "ymin", "xmax", "ymax")
        },
        "image/object/class/text": tf.io.VarLenFeature(tf.string),
        "image/object/class/label": tf.io.VarLenFeature(tf.int64),
        "image/object/is_crowd": tf.io.VarLenFeature(tf.int64),
        "image/object/difficult": tf.io.VarLenFeature(tf.int64),
        "image/object/mask": tf.io.VarLenFeature(tf.string),
    }
    read = list(tf.data.TFRecordDataset([str(file) for file in files[:-1]]))
    error = 0.0
    for record, raw in zip(index.records, read, strict=True):
        parsed = tf.io.parse_single_example(raw, keys)

        def column(name: str, parsed: Any = parsed) -> list[Any]:
            return tf.sparse.to_dense(parsed[f"image/object/{name}"]).numpy().tolist()

        assert parsed["image/encoded"].numpy() == record.path.read_bytes()
        pixels = tf.io.decode_image(parsed["image/encoded"])
        assert pixels.shape[:2] == (record.height, record.width)
        sides = [column(f"bbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
        size = [record.width, record.height] * 2
        boxes = np.array(sides).T.reshape(-1, 4) * size
        error = max(error, float(np.abs(boxes - record.boxes).max(initial=0)))
        assert column("class/label") == (record.labels + 1).tolist()
        names = [index.class_names[label].encode() for label in record.labels]
        assert column("class/text") == names
        assert column("is_crowd") == record.ignore.astype(int).tolist()
        assert column("difficult") == record.difficult.astype(int).tolist()
        for mask in column("mask"):
            assert tf.io.decode_png(mask).shape == (record.height, record.width, 1)
    record_parity("TFRecord", "tensorflow", "corners read by TensorFlow, px", error)
    assert error < 1e-3


def test_what_tensorflow_writes_is_read(tf: Any, tmp_path: Path, record_parity: Any):
    index = drawn(tmp_path, 12, seed=1)
    error = 0.0
    path = tmp_path / "tf.record"

    def feature(values: Any) -> Any:
        if isinstance(values, list):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if values.dtype.kind == "f":
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in index.records:
            sides = record.boxes / np.array([record.width, record.height] * 2)
            content = {
                "image/encoded": [record.path.read_bytes()],
                "image/filename": [record.path.name.encode()],
                "image/source_id": [str(record.image_id).encode()],
                "image/object/class/text": [
                    index.class_names[label].encode() for label in record.labels
                ],
                "image/object/class/label": record.labels + 1,
                "image/object/is_crowd": record.ignore.astype(int),
                "image/object/difficult": record.difficult.astype(int),
                **{
                    f"image/object/bbox/{side}": sides[:, place]
                    for place, side in enumerate(("xmin", "ymin", "xmax", "ymax"))
                },
            }
            example = tf.train.Example(
                features=tf.train.Features(
                    feature={key: feature(values) for key, values in content.items()}
                )
            )
            writer.write(example.SerializeToString())
    again = tfrecord.read(path)
    assert set(again.class_names) == set(index.class_names)
    for one, two in zip(index.records, again.records, strict=True):
        error = max(error, float(np.abs(one.boxes - two.boxes).max(initial=0)))
        assert [index.class_names[n] for n in one.labels] == [
            again.class_names[n] for n in two.labels
        ]
        assert one.ignore.tolist() == two.ignore.tolist()
        assert one.difficult.tolist() == two.difficult.tolist()
        assert one.path.read_bytes() == two.path.read_bytes()
        assert one.image_id == two.image_id
    record_parity("TFRecord", "tensorflow", "corners written by TensorFlow, px", error)
    assert error < 1e-3


def test_records_are_the_same_bytes(tf: Any, tmp_path: Path):
    rng = np.random.default_rng(2)
    contents = [
        rng.bytes(size) for size in (0, 1, 63, 64, 255, 256, 65_535, 65_536, 65_539, 300_000)
    ]
    path = tmp_path / "a.record"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in contents:
            writer.write(content)
    assert path.read_bytes() == b"".join(map(frame, contents))
    assert list(records(path)) == contents


def test_broken_examples_are_refused_as_by_protobuf(tf: Any):
    """What protobuf refuses we refuse, and what both take reads the same, over mutated bytes."""
    content = {
        "n": tf.train.Feature(int64_list=tf.train.Int64List(value=[1, -1, 2**40])),
        "f": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5, 2])),
        "b": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"xy", b""])),
    }
    sound = tf.train.Example(features=tf.train.Features(feature=content)).SerializeToString()
    rng = np.random.default_rng(3)
    num_refused = num_stricter = num_same = 0
    for _ in range(20_000):
        raw = bytearray(sound)
        for place in rng.integers(0, len(raw), rng.integers(1, 3)):
            raw[place] = rng.integers(0, 256)
        raw = bytes(raw[: rng.integers(1, len(raw) + 1)] if rng.random() < 0.2 else raw)
        try:
            theirs = tf.train.Example.FromString(raw)
        except Exception:  # protobuf's own error
            theirs = None
        try:
            ours = parse_example(raw)
        except ValueError:
            num_refused += 1
            num_stricter += theirs is not None
            continue  # stricter here and there: groups, fields of another wire type
        assert theirs is not None, raw.hex()
        num_same += 1
        assert set(ours) == set(theirs.features.feature), raw.hex()
        for key, feature in ours.items():
            other = theirs.features.feature[key]
            assert [bytes(text) for text in feature.texts] == list(other.bytes_list.value)
            kind = other.WhichOneof("kind")
            if kind == "int64_list":
                assert feature.ints().tolist() == list(other.int64_list.value), raw.hex()
            if kind == "float_list":
                np.testing.assert_array_equal(feature.floats(), list(other.float_list.value))
    assert num_refused > 1000 and num_same > 1000
    print(f"{num_refused} refused, {num_stricter} of them by us alone; {num_same} read the same")


def test_masks_of_the_object_detection_api(tf: Any, tmp_path: Path):
    """One PNG of the whole picture for each object, encoded by TensorFlow."""
    mask = np.zeros((60, 80, 1), dtype=np.uint8)
    mask[10:38, 20:48] = 1
    file = io.BytesIO()
    Image.new("RGB", (80, 60)).save(file, "PNG")
    content = {
        "image/encoded": [file.getvalue()],
        "image/object/class/text": [b"x"],
        "image/object/mask": [tf.io.encode_png(mask).numpy()],
    }
    features = {
        key: tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        for key, values in content.items()
    }
    for side, value in {"xmin": 20, "ymin": 10, "xmax": 76, "ymax": 38}.items():
        part = value / (80 if side[0] == "x" else 60)
        features[f"image/object/bbox/{side}"] = tf.train.Feature(
            float_list=tf.train.FloatList(value=[part])
        )
    path = tmp_path / "a.record"
    with tf.io.TFRecordWriter(str(path)) as writer:
        example = tf.train.Example(features=tf.train.Features(feature=features))
        writer.write(example.SerializeToString())
    record = tfrecord.read(path, with_masks=True).records[0]
    assert record.masks is not None
    cells = np.unpackbits(record.masks[0]).reshape(MASK_PX, MASK_PX)
    assert cells[:, :28].all() and not cells[:, 28:].any()

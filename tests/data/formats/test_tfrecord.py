"""TFRecord: the layout byte by byte, round trips, and damaged files that are named."""

from __future__ import annotations

import io
import logging
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from smalldet.data.formats import coco, tfrecord
from smalldet.data.formats.tf_example import example_bytes, parse_example
from smalldet.data.formats.tfrecord_files import frame, masked_crc32c, record_set, records
from smalldet.data.index import MASK_PX, ImageRecord, Index

# Written down by hand from the published layout: the Example {"a": bytes "x"}, then its frame.
# Its checksums are those that TensorFlow writes; see test_tfrecord_parity.py.
EXAMPLE = bytes.fromhex("0a0c 0a0a 0a0161 1205 0a03 0a0178".replace(" ", ""))


def png(width: int = 40, height: int = 20, value: int = 7) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height), value).save(file, "PNG")
    return file.getvalue()


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def features(**changed) -> dict:
    """A record of two objects; keywords change keys by their last word, None removes."""
    content = {
        "image/encoded": [png()],
        "image/filename": [b"a.png"],
        "image/source_id": [b"17"],
        "image/width": ints(40),
        "image/height": ints(20),
        "image/object/bbox/xmin": floats(0.25, 0.5),
        "image/object/bbox/ymin": floats(0.5, 0.0),
        "image/object/bbox/xmax": floats(0.5, 1.0),
        "image/object/bbox/ymax": floats(1.0, 0.25),
        "image/object/class/text": [b"ship", b"car"],
        "image/object/class/label": ints(1, 2),
        "image/object/is_crowd": ints(0, 1),
        "image/object/difficult": ints(1, 0),
    }
    for key, value in changed.items():
        name = next(
            (one for one in content if one.rpartition("/")[2] == key), f"image/object/{key}"
        )
        content[name] = value
    return {key: value for key, value in content.items() if value is not None}


def saved(tmp_path: Path, *contents: dict, name: str = "train.record") -> Path:
    path = tmp_path / name
    path.write_bytes(b"".join(frame(example_bytes(content)) for content in contents))
    return path


def test_an_example_is_the_published_bytes():
    assert example_bytes({"a": [b"x"]}) == EXAMPLE
    parsed = parse_example(EXAMPLE)
    assert list(parsed) == ["a"] and [bytes(text) for text in parsed["a"].texts] == [b"x"]


def test_a_frame_is_length_checksum_bytes_checksum(tmp_path: Path):
    record = frame(EXAMPLE)
    assert record[:8] == struct.pack("<Q", 14) and record[12:26] == EXAMPLE
    assert record[8:12] == struct.pack("<I", masked_crc32c(record[:8]))
    assert record[26:] == struct.pack("<I", masked_crc32c(EXAMPLE))
    (tmp_path / "a.record").write_bytes(record * 2)
    assert list(records(tmp_path / "a.record")) == [EXAMPLE, EXAMPLE]


def test_what_is_read(tmp_path: Path):
    empty = {"image/encoded": [png(8, 8)], "image/filename": [b"sub/b.png"]}
    path = saved(tmp_path, features(), empty)
    assert tfrecord.recognises(path) and tfrecord.recognises(tmp_path)
    index = tfrecord.read(path)
    assert index.class_names == ("ship", "car")
    first, second = index.records
    assert first.boxes.tolist() == [[10, 10, 20, 20], [20, 0, 40, 5]]
    assert first.labels.tolist() == [0, 1]
    assert first.ignore.tolist() == [False, True]
    assert first.difficult.tolist() == [True, False]
    assert (first.width, first.height) == (40, 20)
    assert first.path == tmp_path / "train.record_images" / "a.png"
    assert first.path.read_bytes() == png()
    assert (second.path.name, second.width, len(second.boxes)) == ("b.png", 8, 0)


def test_numbers_that_are_not_packed_read_the_same():
    packed = example_bytes({"n": ints(3, -1, 300), "f": floats(0.5, -2)})
    varints = b"\x08\x03\x08" + b"\xff" * 9 + b"\x01\x08\xac\x02"
    singles = b"\x0d" + struct.pack("<f", 0.5) + b"\x0d" + struct.pack("<f", -2)

    def entry(key: bytes, kind: int, values: bytes) -> bytes:
        part = bytes([kind << 3 | 2, len(values)]) + values
        inner = b"\x0a\x01" + key + b"\x12" + bytes([len(part)]) + part
        return b"\x0a" + bytes([len(inner)]) + inner

    body = entry(b"n", 3, varints) + entry(b"f", 2, singles)
    for data in (packed, b"\x0a" + bytes([len(body)]) + body):
        parsed = parse_example(data)
        assert parsed["n"].ints().tolist() == [3, -1, 300]
        assert parsed["f"].floats().tolist() == [0.5, -2]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.lists(st.floats(width=32)), st.binary())
def test_examples_come_back(whole: list[int], real: list[float], text: bytes):
    parsed = parse_example(example_bytes({"n": ints(*whole), "f": floats(*real), "b": [text]}))
    assert parsed["n"].ints().tolist() == whole
    np.testing.assert_array_equal(parsed["f"].floats(), floats(*real))
    assert bytes(parsed["b"].texts[0]) == text


@settings(max_examples=60)
@given(st.data())
def test_an_index_comes_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    tmp_path = tmp_path_factory.mktemp("set")
    names = data.draw(
        st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=3, unique=True)
    )
    names = [name.encode("utf-8", "ignore").decode().strip() or "x" for name in names]
    names = list(dict.fromkeys(names))
    made = []
    for number in range(data.draw(st.integers(0, 3)) + 1):
        path = tmp_path / f"{number % 2}" / f"p{number // 2}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(300, 200, number))
        count = data.draw(st.integers(0, 4))
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        corner = rng.uniform(0, [290, 190], (count, 2))
        boxes = np.hstack([corner, corner + rng.uniform(1, 10, (count, 2))]).astype(np.float32)
        made.append(
            ImageRecord(
                path=path,
                width=300,
                height=200,
                boxes=boxes,
                labels=rng.integers(0, len(names), count),
                ignore=rng.random(count) < 0.3,
                difficult=rng.random(count) < 0.3,
                image_id=number * 7,
            )
        )
    index = Index(tuple(names), tuple(made))
    shards = data.draw(st.integers(1, 3))
    files = tfrecord.write(index, tmp_path / "out", num_shards=shards)
    assert len(files) == shards + 1 and all(file.is_file() for file in files)
    again = tfrecord.read(tmp_path / "out")
    assert again.class_names == index.class_names
    for one, two in zip(index.records, again.records, strict=True):
        np.testing.assert_allclose(one.boxes, two.boxes, atol=1e-3)
        for name in ("labels", "ignore", "difficult"):
            assert getattr(one, name).tolist() == getattr(two, name).tolist()
        assert (one.image_id, one.path.read_bytes()) == (two.image_id, two.path.read_bytes())


def test_masks_come_back_to_the_pixel(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png(100, 80))
    boxes = np.array([[10, 20, 66, 76], [3, 3, 10, 10], [0, 0, 9, 9]], dtype=np.float32)
    cells = np.zeros((3, MASK_PX, MASK_PX), dtype=bool)
    cells[0, 10:50, 5:20] = True  # a cell a pixel
    cells[1, :, : MASK_PX // 7 * 3] = True  # eight cells a pixel
    masks = np.packbits(cells.reshape(3, -1), axis=1)
    flags = np.zeros(3, dtype=bool)
    record = ImageRecord(
        tmp_path / "a.png", 100, 80, boxes, np.zeros(3, int), flags, flags, 1, masks=masks
    )
    tfrecord.write(Index(("x",), (record,)), tmp_path)
    again = tfrecord.read(tmp_path / "train.tfrecord", with_masks=True).records[0]
    assert again.masks is not None
    np.testing.assert_array_equal(again.masks, masks)
    assert tfrecord.read(tmp_path / "train.tfrecord").records[0].masks is None


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"encoded": None}, r"record 1: has 0 image/encoded"),
        ({"encoded": [b"GIF89a"]}, r"record 1: its image/encoded is no JPEG"),
        ({"encoded": [png()[:20]]}, r"record 1: .*a\.png"),
        ({"xmin": floats(0.1)}, r"record 1: xmin, ymin, xmax, ymax have \[1, 2, 2, 2\]"),
        ({"xmin": floats(0.1, np.nan)}, r"record 1: object 2 has xmin.*nan"),
        ({"xmax": floats(20, 30)}, r"record 1: object 1 .* from 0 to 1"),
        ({"xmin": floats(0.7, 0.5)}, r"record 1: object 1: its box runs from"),
        ({"xmin": ints(0, 0)}, r"record 1: image/object/bbox/xmin is int64, not float32"),
        ({"text": [b"ship"]}, r"record 1: has 1 class/text for 2 boxes"),
        ({"text": [b"ship", b"\xff"]}, r"class/text is not UTF-8"),
        ({"text": None, "label": None}, r"record 1: object 1 has neither"),
        ({"text": None}, r"record 1: object 1 has a class number and no name; give label_map"),
        ({"difficult": ints(0, 5)}, r"record 1: image/object/difficult is 5, not 0 or 1"),
        ({"is_crowd": ints(0)}, r"has 1 image/object/is_crowd for 2 boxes"),
        ({"filename": [b"\xff"]}, r"image/filename is not UTF-8"),
    ],
)
def test_a_wrong_record_is_named(tmp_path: Path, changed: dict, named: str):
    path = saved(tmp_path, features(**changed))
    with pytest.raises(ValueError, match=named) as caught:
        tfrecord.read(path)
    assert "train.record" in str(caught.value)


def test_damaged_files_are_named(tmp_path: Path):
    whole = saved(tmp_path, features(), {**features(), "image/filename": [b"b.png"]}).read_bytes()
    length = len(whole) // 2

    def refused(raw: bytes, named: str) -> None:
        (tmp_path / "x.record").write_bytes(raw)
        with pytest.raises(ValueError, match=named) as caught:
            tfrecord.read(tmp_path / "x.record")
        assert "x.record" in str(caught.value)

    refused(whole[:-3], r"record 2 is \d+ bytes long and the file has .*cut short")
    refused(whole[: length + 5], r"record 2 is cut short in its length")
    refused(b"\x77" + whole[1:], r"no TFRecord: the length of record 1")
    refused(whole[:length] + b"\x77" + whole[length + 1 :], r"damaged: the length of record 2")
    refused(whole[:60] + b"\x77" + whole[61:], r"record 1 does not fit its checksum")
    refused(b"\x1f\x8b" + whole, r"is compressed")
    huge = struct.pack("<Q", 2**63)
    refused(huge + struct.pack("<I", masked_crc32c(huge)), r"record 1 is 9223372036854775808 bytes")
    refused(b"", r"has no records")
    refused(frame(b"\x0a\xff\xff\xff\xff\x0f"), r"record 1: is no tf.train.Example")
    refused(frame(b"\x0b"), r"record 1: is no tf.train.Example")


def test_parts_are_one_set(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for number in range(3):
        content = {**features(), "image/filename": [f"{number}.png".encode()]}
        saved(tmp_path, content, name=f"train.record-0000{number}-of-00003")
    for name in ("train.record", "train.record@3", "train.record-?????-of-00003", ""):
        assert tfrecord.recognises(tmp_path / name)
        assert len(tfrecord.read(tmp_path / name)) == 3
    assert (tmp_path / "train.record_images" / "2.png").is_file()
    assert len(tfrecord.read(tmp_path / "train.record-00001-of-00003")) == 1
    assert "one of 3 parts" in caplog.text
    saved(tmp_path, features(), name="val.record")
    with pytest.raises(ValueError, match=r"2 sets of records \(train\.record@3, val\.record\)"):
        tfrecord.read(tmp_path)
    assert len(tfrecord.read(tmp_path, split="val")) == 1
    (tmp_path / "train.record-00001-of-00003").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 3 parts are missing, number 1"):
        tfrecord.read(tmp_path / "train.record@3")
    with pytest.raises(FileNotFoundError, match=r"no such file of records"):
        record_set(tmp_path / "test.record")


def test_a_label_map_names_numbers_and_orders_classes(tmp_path: Path):
    path = saved(tmp_path, features(text=None))
    assert tfrecord.read(path, class_names=["b", "a"]).records[0].labels.tolist() == [0, 1]
    text = "# classes\nitem { id: 2 name: 'car' }\n"
    text += "item {\n  name: \"/m/1\" id: 1 display_name: 'b\\'s'}"
    (tmp_path / "map.pbtxt").write_text(text)
    index = tfrecord.read(path)
    assert index.class_names == ("b's", "car")
    (tmp_path / "map.pbtxt").write_text("item { id: 5 name: 'car' }")
    with pytest.raises(ValueError, match=r"object 1 has class number 1; known are \[5\]"):
        tfrecord.read(path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", r"has no item"),
        ("item { id: 1 }", r"line 1: the item needs an id and a name"),
        ("\nitem { id: 1 name: 'a'", r"line 2: its bracket is not closed"),
        ("item { id: 1 name: 'a' }\nitem { id: 1 name: 'b' }", r"line 2: id 1 or 'b' comes again"),
        ("item { id: 1 name: 'a }", r"line 1 has \"'a }"),
        ("item { id: 1 id: 2 }", r"line 1 gives id again"),
        ("entry { }", r"line 1 has 'entry', not item"),
        ("item " + "{ x " * 5000, r"nested deeper"),
        ("item { id: 1 name: '\\377' }", r"is not UTF-8"),
    ],
)
def test_a_wrong_label_map_is_named(tmp_path: Path, text: str, named: str):
    path = saved(tmp_path, features())
    (tmp_path / "map.pbtxt").write_text(text)
    with pytest.raises(ValueError, match=named) as caught:
        tfrecord.read(path)
    assert "map.pbtxt" in str(caught.value)


def test_pictures_stay_in_their_folder_and_foreign_files_are_kept(tmp_path: Path):
    names = [b"../../etc/x.png", b"C:\\y.png", b"y.png", b".hidden", b"", b"z.jpg"]
    contents = [
        {"image/encoded": [png(value=n)], "image/filename": [name]} for n, name in enumerate(names)
    ]
    path = saved(tmp_path, *contents)
    read = [record.path for record in tfrecord.read(path).records]
    folder = tmp_path / "train.record_images"
    assert [one.parent for one in read] == [folder] * 6
    assert [one.name for one in read] == [
        "x.png", "y.png", "y_000003.png", "000004.png", "000005.png", "z.jpg.png"
    ]  # fmt: skip
    before = read[0].stat().st_mtime_ns
    tfrecord.read(path)
    assert read[0].stat().st_mtime_ns == before
    read[0].write_bytes(png(value=99))
    with pytest.raises(ValueError, match=r"record 1: .*x\.png is there and is another picture"):
        tfrecord.read(path)
    assert read[0].read_bytes() == png(value=99)


def test_another_size_in_the_record_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = saved(tmp_path, features(width=ints(20), height=ints(40)))
    with caplog.at_level(logging.WARNING):
        index = tfrecord.read(path)
    assert "record 1: says 20x40; its picture is 40x20" in caplog.text
    assert index.records[0].boxes[0].tolist() == [10, 10, 20, 20]


def test_foreign_files_are_not_recognised(tmp_path: Path):
    (tmp_path / "a.record").write_bytes(b"nothing of the kind")
    (tmp_path / "b.json").write_text("{}")
    for path in (tmp_path / "a.record", tmp_path / "b.json", tmp_path, tmp_path / "no", Path("\0")):
        assert not tfrecord.recognises(path)


def test_real_pictures_come_back(tmp_path: Path, shared_dir: Path):
    index = coco.read(shared_dir / "data" / "hituav" / "val.json")
    index = replace(index, records=index.records[:40])
    tfrecord.write(index, tmp_path, split="val", num_shards=3)
    again = tfrecord.read(tmp_path)
    assert again.class_names == index.class_names
    for one, two in zip(index.records, again.records, strict=True):
        np.testing.assert_allclose(one.boxes, two.boxes, atol=1e-3)
        assert one.labels.tolist() == two.labels.tolist()
        assert one.ignore.tolist() == two.ignore.tolist()
        assert one.path.read_bytes() == two.path.read_bytes()


def test_what_is_no_jpeg_or_png_becomes_png(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    none = np.zeros(0, dtype=bool)
    record = ImageRecord(
        tmp_path / "a.tif", 30, 20, np.zeros((0, 4), np.float32), np.zeros(0, int), none, none, 1
    )
    tfrecord.write(Index(("x",), (record,)), tmp_path / "out")
    read = tfrecord.read(tmp_path / "out").records[0].path
    np.testing.assert_array_equal(np.asarray(Image.open(read)), pixels)
    Image.fromarray(pixels[..., 0].astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(ValueError, match=r"f\.tif: has 1 bands of float32"):
        tfrecord.write(
            Index(("x",), (replace(record, path=tmp_path / "f.tif"),)), tmp_path / "out2"
        )
    assert not list((tmp_path / "out2").iterdir())

"""What writers of labels write, their readers read again: every picture, object, flag, class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from smalldet.data.converting import PARTS
from smalldet.data.formats import (
    coco,
    csv_pixels,
    csv_retinanet,
    dota_text,
    rolabelimg,
    visdrone,
    voc_sets,
    yolo_yaml,
)
from smalldet.data.index import ImageRecord, Index
from smalldet.geometry.oriented import canonical, enclosing_boxes

WIDTH, HEIGHT = 64, 48
NAMES = ("car", "Ship, large", "häuser & <b>")
WRITERS = {
    "yolo": (yolo_yaml, ""),
    "visdrone": (visdrone, ""),
    "csv": (csv_pixels, "train.csv"),
    "retinanet": (csv_retinanet, "train.csv"),
    "voc": (voc_sets, ""),
    "dota": (dota_text, ""),
    "rolabelimg": (rolabelimg, ""),
    "coco": (coco, "train.json"),
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two of the same name in two folders, and two that differ in their endings alone."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / name for name in ("a/one.png", "b/one.png", "b/one.jpg", "b/two.png")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (WIDTH, HEIGHT)).save(path)
    return paths


@st.composite
def columns(draw: st.DrawFn, oriented: bool = False):
    """Objects of one picture: (boxes, labels, ignore, difficult, rboxes)."""
    num = draw(st.integers(0, 4))
    pixel = st.floats(0, 1, width=32)
    rows = draw(st.lists(st.tuples(pixel, pixel, pixel, pixel), min_size=num, max_size=num))
    parts = np.array(rows, dtype=np.float32).reshape(-1, 4)
    flags = st.lists(st.booleans(), min_size=num, max_size=num)
    labels = draw(st.lists(st.integers(0, len(NAMES) - 1), min_size=num, max_size=num))
    if not oriented:
        low = parts[:, :2] * (WIDTH - 4, HEIGHT - 4)
        high = low + 1 + parts[:, 2:] * (np.array([WIDTH, HEIGHT]) - low - 1)
        boxes = np.concatenate([low, high], axis=1).astype(np.float32)
        boxes[:, 2:] = np.minimum(boxes[:, 2:], (WIDTH, HEIGHT))
        return boxes, labels, draw(flags), draw(flags), None
    # wholly inside, so that no corner is cut
    centres = np.array([WIDTH, HEIGHT]) / 2 + (parts[:, :2] - 0.5) * 16
    sides = np.sort(2 + parts[:, 2:] * 12, axis=1)[:, ::-1]
    angles = (np.array([row[0] for row in rows]) - 0.5).reshape(-1, 1) * 3
    rboxes = canonical(torch.from_numpy(np.concatenate([centres, sides, angles], axis=1))).float()
    return enclosing_boxes(rboxes).numpy(), labels, draw(flags), draw(flags), rboxes.numpy()


def index_of(pictures: list[Path], drawn, gsd_m: float | None = None) -> Index:
    records = [
        ImageRecord(
            path=path,
            width=WIDTH,
            height=HEIGHT,
            boxes=boxes,
            labels=np.array(labels, dtype=np.int64),
            ignore=np.array(ignore, dtype=np.bool_),
            difficult=np.array(difficult, dtype=np.bool_),
            image_id=number,
            rboxes=rboxes,
            gsd_m=gsd_m,
        )
        for number, (path, (boxes, labels, ignore, difficult, rboxes)) in enumerate(
            zip(pictures, drawn, strict=False), start=1
        )
    ]
    return Index(NAMES, tuple(records))


def again(name: str, index: Index, folder: Path) -> Index:
    module, file = WRITERS[name]
    for path in module.write(index, folder):
        assert path.is_file()
    # of these two the first few files must show an object
    shown = all(len(record.boxes) for record in index.records)
    if shown or name not in ("visdrone", "rolabelimg"):
        assert module.recognises(folder / file)
    return module.read(folder / file)


def assert_same(record: ImageRecord, other: ImageRecord, kept: np.ndarray, within: float) -> None:
    assert other.path.samefile(record.path)
    assert (other.width, other.height) == (record.width, record.height)
    assert other.labels.tolist() == record.labels[kept].tolist()
    np.testing.assert_allclose(other.boxes, record.boxes[kept], atol=within)


fresh = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@pytest.mark.parametrize("name", ["csv", "voc", "coco"])
@given(drawn=st.lists(columns(), min_size=4, max_size=4))
@fresh
def test_boxes_flags_and_negatives_survive(name: str, drawn, pictures, tmp_path_factory):
    index = index_of(pictures, drawn, None if name == "voc" else 0.25)
    read = again(name, index, tmp_path_factory.mktemp(name))
    # VOC has no list of classes; those that occur stand by the alphabet
    renamed = read.renamed(NAMES)
    assert len(read) == len(index)
    for record, other in zip(index.records, renamed.records, strict=True):
        # COCO's json is rounded to a thousandth of a pixel
        within = 1e-3 if name == "coco" else 1e-5
        assert_same(record, other, np.arange(len(record.boxes)), within)
        assert other.ignore.tolist() == record.ignore.tolist()
        lost = record.ignore if name == "voc" else np.zeros_like(record.ignore)
        assert other.difficult.tolist() == (record.difficult & ~lost).tolist()
        assert other.gsd_m == record.gsd_m


@given(drawn=st.lists(columns(), min_size=4, max_size=4))
@fresh
def test_visdrone_keeps_what_is_ignored(drawn, pictures, tmp_path_factory):
    index = index_of(pictures, drawn)
    read = again("visdrone", index, tmp_path_factory.mktemp("visdrone"))
    assert read.class_names == NAMES
    for record, other in zip(index.records, read.records, strict=True):
        assert_same(record, replace(other, **shown(other)), np.flatnonzero(~record.ignore), 1e-3)
        mine, theirs = ignored(record), ignored(other)
        assert len(mine) == len(theirs) == 0 or (
            (np.abs(mine[:, None] - theirs).max(axis=2) < 1e-3).any(axis=1).all()
            and (np.abs(mine[:, None] - theirs).max(axis=2) < 1e-3).any(axis=0).all()
        )


def shown(record: ImageRecord) -> dict[str, np.ndarray]:
    return {"boxes": record.boxes[~record.ignore], "labels": record.labels[~record.ignore]}


def ignored(record: ImageRecord) -> np.ndarray:
    """(N, 5); a region that is told twice is ignored no more than one that is told once."""
    return np.column_stack([record.labels, record.boxes])[record.ignore]


@given(drawn=st.lists(columns(), min_size=4, max_size=4))
@fresh
def test_yolo_leaves_out_what_is_ignored_and_nothing_else(drawn, pictures, tmp_path_factory):
    index = index_of(pictures, drawn)
    read = again("yolo", index, tmp_path_factory.mktemp("yolo"))
    assert read.class_names == NAMES
    for record, other in zip(index.records, read.records, strict=True):
        assert_same(record, other, np.flatnonzero(~record.ignore), 1e-4)
        assert other.rboxes is None


@given(drawn=st.lists(columns(), min_size=4, max_size=4))
@fresh
def test_retinanet_rounds_to_pixels(drawn, pictures, tmp_path_factory):
    index = index_of(pictures, drawn)
    read = again("retinanet", index, tmp_path_factory.mktemp("retinanet"))
    assert read.class_names == NAMES
    for record, other in zip(index.records, read.records, strict=True):
        assert_same(record, other, np.flatnonzero(~record.ignore), 1.01)
        assert (other.boxes == other.boxes.round()).all()


@pytest.mark.parametrize("name", ["yolo", "csv", "dota", "rolabelimg", "coco"])
@given(drawn=st.lists(columns(oriented=True), min_size=4, max_size=4))
@fresh
def test_oriented_boxes_survive(name: str, drawn, pictures, tmp_path_factory):
    index = index_of(pictures, drawn)
    if name == "rolabelimg":  # without an object nothing tells it from Pascal VOC
        assume(any(len(record.boxes) for record in index.records))
    read = again(name, index, tmp_path_factory.mktemp(name)).renamed(NAMES)
    for record, other in zip(index.records, read.records, strict=True):
        kept = np.flatnonzero(~record.ignore) if name == "yolo" else np.arange(len(record.boxes))
        assert_same(record, other, kept, 1e-3)
        assert record.rboxes is not None
        if not any(len(r.boxes) for r in read.records):
            continue  # no line says that they are oriented
        assert other.rboxes is not None
        if name == "dota":
            assert other.difficult.tolist() == (record.difficult | record.ignore).tolist()
        if name == "rolabelimg":
            assert other.ignore.tolist() == record.ignore.tolist()
            assert other.difficult.tolist() == (record.difficult & ~record.ignore).tolist()
        # a square has four angles, and a nearly square one two
        for mine, theirs in zip(record.rboxes[kept], other.rboxes, strict=True):
            np.testing.assert_allclose(theirs[:4], mine[:4], atol=1e-3)
            if mine[2] > mine[3] * 1.01:
                turn = (theirs[4] - mine[4] + np.pi / 2) % np.pi - np.pi / 2
                assert abs(turn) < 1e-2


@pytest.mark.parametrize("name", WRITERS)
def test_writing_twice_changes_nothing(name: str, pictures, tmp_path: Path):
    box = (np.array([[1, 2, 30, 40]], dtype=np.float32), [1], [False], [False], None)
    index = index_of(pictures, [box] * 4)
    module: ModuleType = WRITERS[name][0]
    first = {path: path.read_bytes() for path in module.write(index, tmp_path)}
    assert {path: path.read_bytes() for path in module.write(index, tmp_path)} == first


@pytest.mark.parametrize("name", ["yolo", "visdrone", "voc", "dota"])
def test_another_picture_under_a_name_is_no_match(name: str, pictures, tmp_path: Path):
    box = (np.array([[1, 2, 30, 40]], dtype=np.float32), [1], [False], [False], None)
    module: ModuleType = WRITERS[name][0]
    module.write(index_of(pictures[:1], [box]), tmp_path)
    link = next(path for path in tmp_path.rglob("one.png"))
    link.unlink()
    Image.new("L", (3, 3)).save(link)
    with pytest.raises(ValueError, match=r"one\.png: is another file already"):
        module.write(index_of(pictures[:1], [box]), tmp_path)


def test_splits_share_one_yaml(pictures, tmp_path: Path):
    box = (np.array([[1, 2, 30, 40]], dtype=np.float32), [1], [False], [False], None)
    train, val = index_of(pictures[:3], [box] * 3), index_of(pictures[3:], [box])
    yolo_yaml.write(train, tmp_path)
    yolo_yaml.write(val, tmp_path, split="val")
    assert len(yolo_yaml.read(tmp_path)) == 3 and len(yolo_yaml.read(tmp_path, split="val")) == 1
    other = Index(("x", "y", "z"), train.records)
    with pytest.raises(ValueError, match=r"data\.yaml: is there already with classes"):
        yolo_yaml.write(other, tmp_path)


def test_losses_are_named():
    for module, _ in WRITERS.values():
        assert set(module.LOSES) <= set(PARTS)

"""Each check finds what it is for, counts it, and is silent on sound labels."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.checking.check import quick_findings
from smalldet.checking.findings import Severity
from smalldet.checking.labelled_set import LabelledSet, ReaderMessage
from smalldet.checking.looking import Look
from smalldet.data.formats import coco
from smalldet.data.index import Index
from tests.checking.drawn import record, told, whole

GRID = [(x, y, x + 8, y + 6) for x in range(10, 90, 20) for y in range(10, 90, 20)]


def test_sound_labels_are_told_nothing_of() -> None:
    """Sizes are told always; nothing else may be said of a grid of boxes."""
    boxes = [(x, y, x + 8 + x % 3, y + 6) for x, y, _, _ in GRID]
    labelled = LabelledSet(
        {
            "train": Index(("car",), tuple(record(f"{i}.png", boxes) for i in range(3))),
            "val": Index(("car",), (record("v.png", boxes),)),
        }
    )
    found = [one for one in quick_findings(labelled.splits) if one.check != "object-sizes"]
    assert found == []


def test_doubled_boxes_by_class_overlap_and_enclosure() -> None:
    boxes = [(10, 10, 20, 20), (10, 10, 20, 20.2), (10, 10, 20, 20)]
    boxes += [(50, 50, 70, 70), (50, 55, 70, 75), (60, 60, 64, 64)]
    labels = [0, 0, 1, 0, 0, 0]
    ignore = [False] * 6
    assert told("doubled-boxes", whole(record("a.png", boxes, labels), classes=("car", "bus"))) == [
        "warning: 1 object of 6 labelled twice with the same class",
        "note: 1 object of 6 labelled with two classes",
        "note: 1 object of 6 over another of the same class by more than half",
        "note: 1 object of 6 inside a larger box of the same class",
    ]
    ignore[1] = ignore[2] = True
    crowd = record("a.png", boxes[:3], labels[:3], ignore=ignore[:3])
    assert told("doubled-boxes", whole(crowd, classes=("car", "bus"))) == []
    apart = whole(record("a.png", boxes[:1]), record("b.png", boxes[:1]))
    assert told("doubled-boxes", apart) == [], "boxes of two pictures are no pair"


def test_box_shapes() -> None:
    boxes = [(5, 5, 6, 6), (10, 50, 60, 51), (0, 0, 99, 99), (20, 20, 30, 30)]
    assert told("box-shapes", whole(record("a.png", boxes))) == [
        "warning: 1 object of 4 smaller than 2 px",
        "warning: 1 object of 4 thin as a line: 20 times as long as wide, and under 2 px wide",
        "warning: 1 object of 4 covering more than 90 % of their picture",
    ]
    points = [(x, y, x + 8, y + 8) for x in range(2, 90, 15) for y in range(2, 90, 15)]
    assert told("box-shapes", whole(record("a.png", points))) == [
        "warning: 36 boxes have the very same size, 8 x 8 px"
    ]
    mixed = [*GRID[:8], (50, 50, 98, 98)]
    assert "over 5 times" in told("box-shapes", whole(record("a.png", mixed)))[0]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0, 100, None),
        (1, 100, "count pixels from 1"),
        (0, 99, "name the last pixel"),
        (5, 95, None),
    ],
)
def test_corner_origin_by_where_boxes_end(low: int, high: int, said: str | None) -> None:
    """What the border cuts piles up on it; one pixel inside it is a sign of another origin."""
    cut = [(low, y, low + 9, y + 7) for y in range(10, 90, 12)]
    cut += [(high - 9, y, high, y + 7) for y in range(10, 90, 12)]
    found = told("corner-origin", whole(record("a.png", [*cut, *GRID])))
    assert (len(found) == 1 and said in found[0]) if said else found == []
    moved = [tuple(value + 0.25 for value in box) for box in cut]
    assert told("corner-origin", whole(record("a.png", moved))) == [], "fractions tell nothing"


def upright_of(angle: float) -> tuple[float, float, float, float]:
    """Round (50, 50, 30, 6, angle)."""
    width = 30 * abs(math.cos(angle)) + 6 * abs(math.sin(angle))
    height = 30 * abs(math.sin(angle)) + 6 * abs(math.cos(angle))
    return 50 - width / 2, 50 - height / 2, 50 + width / 2, 50 + height / 2


@pytest.mark.parametrize(
    ("read", "why"),
    [
        (lambda angle: angle, None),
        (lambda angle: angle + math.pi / 2, "be those of the other side"),
        (math.degrees, "have another unit, such as degrees"),
        (lambda angle: -angle, None),  # the same upright boxes: see `angle-edges`
    ],
)
def test_angles_that_do_not_fit_their_upright_boxes(read, why: str | None) -> None:
    angles = np.linspace(0.3, 1.2, 40).tolist()
    rboxes = [(50, 50, 30, 6, read(angle)) for angle in angles]
    labelled = whole(record("a.png", [upright_of(angle) for angle in angles], rboxes=rboxes))
    found = told("angles", labelled)
    if why is None:
        assert found == []
    else:
        assert len(found) == 1 and "of 40 oriented boxes" in found[0]
        assert found[0].endswith(f"do not fit their upright boxes: the angles seem to {why}")


def test_angles_of_which_none_turns() -> None:
    upright = whole(record("a.png", [upright_of(0)] * 12, rboxes=[(50, 50, 30, 6, 0)] * 12))
    assert told("angles", upright) == ["note: 12 oriented boxes stand upright, all of them"]


def drawn_ships(tmp_path: Path, num: int = 60) -> list[tuple[float, ...]]:
    """Oriented boxes in two pictures of bright ships on noise, half as many in each."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:400, :600] + 0.5
    rows: list[tuple[float, ...]] = []
    for name in ("a", "b"):
        pixels = rng.normal(90, 15, (400, 600))
        for place in range(num // 2):
            cx, cy = 40 + place % 8 * 72, 40 + place // 8 * 80
            w, h = rng.uniform(18, 30), rng.uniform(6, 10)
            angle = rng.uniform(0.2, 1.3) * rng.choice([-1, 1])
            along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
            across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
            pixels[(np.abs(along) < w / 2) & (np.abs(across) < h / 2)] += 60
            rows.append((cx, cy, w, h, angle))
        grey = np.clip(pixels, 0, 255).astype(np.uint8)
        Image.fromarray(grey).convert("RGB").save(tmp_path / f"{name}.png")
    return rows


@pytest.mark.parametrize(
    ("factor", "summand", "why"),
    [
        (1, 0, None),
        (-1, 0, "turn the other way"),
        (1, math.pi / 2, "be those of the other side"),
        (-1, math.pi / 2, "turn the other way, and be those of the other side"),
    ],
)
def test_angles_by_the_edges_in_pictures(
    tmp_path: Path, factor: float, summand: float, why: str | None
) -> None:
    rows = drawn_ships(tmp_path)
    rboxes = [(*row[:4], row[4] * factor + summand) for row in rows]
    half = len(rows) // 2
    boxes = [(0, 0, 9, 9)] * half
    records = [
        replace(record(f"{name}.png", boxes, rboxes=part), path=tmp_path / f"{name}.png")
        for name, part in (("a", rboxes[:half]), ("b", rboxes[half:]))
    ]
    looks = {one.path: Look(None, 600, 400) for one in records}
    found = told("angle-edges", replace(whole(*records), looks=looks))
    if why is None:
        assert found == []
    else:
        assert found[0].startswith("warning: ") and found[0].endswith(f"which seem to {why}")


def test_the_edges_in_a_real_set_tell_angles_that_turn_the_other_way(shared_dir: Path) -> None:
    index = coco.read(shared_dir / "data/hituav/train.json").spread(60)
    looks = {one.path: Look(None, one.width, one.height) for one in index.records}
    sound = LabelledSet({"train": index}, looks=looks)
    assert told("angle-edges", sound) == []
    mirrored = tuple(
        replace(one, rboxes=one.rboxes * np.float32([1, 1, 1, 1, -1]))
        for one in index.records
        if one.rboxes is not None
    )
    wrong = LabelledSet({"train": replace(index, records=mirrored)}, looks=looks)
    assert told("angle-edges", wrong)[0].endswith("which seem to turn the other way")


def test_crossing_oriented_boxes_are_no_doubles() -> None:
    """Their upright boxes are the same."""
    cross = [(50, 50, 40, 6, math.pi / 4), (50, 50, 40, 6, -math.pi / 4)]
    box = (33.7, 33.7, 66.3, 66.3)
    assert told("doubled-boxes", whole(record("a.png", [box] * 2, rboxes=cross))) == []
    twice = whole(record("a.png", [box] * 2, rboxes=cross[:1] * 2))
    assert told("doubled-boxes", twice) == [
        "warning: 1 object of 2 labelled twice with the same class"
    ]


def test_class_names_and_where_classes_are() -> None:
    names = ("Car", "bus", "buses", "tram", "van")
    train = Index(names, (record("a.png", GRID[:4], [0, 0, 1, 1]),))
    val = Index(("car", "bus", "buses", "tram", "van"), (record("b.png", GRID[:2], [0, 3]),))
    labelled = LabelledSet({"train": train, "val": val})
    assert told("class-names", labelled) == [
        "warning: 1 class has several spellings: 'Car' and 'car'",
        "warning: 1 pair of classes with names that differ in their end alone: 'bus' and 'buses'",
    ]
    assert told("classes", labelled) == [
        "warning: 1 class has objects, but none to train on: tram",
        "note: 1 class has no object in val: bus",
        "note: 2 classes have no object at all: buses, van",
        "note: 2 classes have fewer than 20 objects to train on: Car (2), bus (2)",
    ]


def test_object_counts_against_none_and_caps() -> None:
    empty = LabelledSet({"train": Index(("car",), (record("a.png"),))})
    assert told("object-counts", empty) == ["error: 1 picture in train without a single object"]
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 90, (1600, 2))
    crowd = record("a.png", np.concatenate([low, low + 5], axis=1).tolist())
    found = told("object-counts", whole(crowd, record("b.png"), record("c.png")))
    assert found[0] == "note: 2 of 3 pictures (67 %) are without objects"
    assert found[1].startswith("warning: 1 picture holds more than 1,500 objects, the most crowded")


def test_sizes_in_pixels_and_metres() -> None:
    rows = [record("a.png", GRID, gsd_m=0.5), record("b.png", GRID, gsd_m=2)]
    found = told("object-sizes", whole(*rows))
    assert found[0].startswith("note: 6.93 px is the median side of 32 objects")
    assert "100 % are under 8 px" in found[0]
    assert "of the 32 objects whose ground sample distance is known" in found[1]
    assert found[2].startswith("note: 0.5 to 2 m a pixel is the range")


@pytest.mark.parametrize(
    ("names", "num"),
    [
        ([f"P1__1__{x}___{y}" for x in (0, 512, 1024, 1377) for y in (0, 512, 800)], 12),
        ([f"site_r{x:02d}_c{y:02d}" for x in range(3) for y in range(3)], 9),
        ([f"s_{x}_{y}_{x + 640}_{y + 640}" for x in (0, 512) for y in (0, 512)], 4),
        ([f"town_{year}_{place}" for year in (2018, 2020) for place in range(1, 9)], 0),
        ([f"1_60_30_{clip}_{frame:05d}" for clip in (0, 1) for frame in range(0, 90, 7)], 0),
        ([f"DJI_0005-{frame:04d}" for frame in range(20)], 0),
    ],
)
def test_names_of_tiles_and_of_clips_are_told_apart(names: list[str], num: int) -> None:
    train = Index(("car",), tuple(record(f"{name}.png", GRID) for name in names[::2]))
    val = Index(("car",), tuple(record(f"{name}.png", GRID) for name in names[1::2]))
    found = told("tiled-before", LabelledSet({"train": train, "val": val}))
    if num:
        assert found[0] == "warning: 1 scene has tiles in two splits, by their names"
        assert found[1] == f"note: {num} of {num} pictures are named like tiles of 1 scene"
    else:
        assert found == []


def test_labels_cut_at_edges_are_held_against_chance() -> None:
    cut = [(0, y, 2, y + 6) for y in range(2, 90, 4)]
    found = told("tiled-before", whole(record("a.png", [*cut, *GRID])))
    assert found[0].startswith("warning: 22 of 38 objects (58 %) touch a border")
    assert found[0].endswith("22 are less than a quarter of their class's usual size") or (
        "less than a quarter" in found[0]
    )


def test_names_of_pictures() -> None:
    labelled = whole(record("a.png"), record("a.png"), record("A.jpg"), record("b.png"))
    assert told("picture-names", labelled) == [
        "warning: 1 picture stands more than once",
        "warning: 1 group of pictures with names that differ in case or ending alone",
    ]


def test_files_by_what_they_show() -> None:
    a, b, c = record("a.png"), record("b.png"), record("c.png")
    looks = {
        a.path: Look(error="is an empty file"),
        b.path: Look(None, 90, 100),
        c.path: Look(None, 100, 100, plain=True),
    }
    assert told("picture-files", replace(whole(a, b, c), looks=looks)) == [
        "error: 1 picture of 3 cannot be read: is an empty file",
        "error: 1 picture of 3 of another size than the labels say: the first is 90 x 100 px, "
        "the labels say 100 x 100",
        "warning: 1 picture of 3 of one colour all over",
    ]


def test_what_readers_say_is_a_finding() -> None:
    said = (
        ReaderMessage("train", "x.json: 3 wrong entries", fatal=True, count=3),
        ReaderMessage("val", "7 boxes left", count=7, clipped=True),
        ReaderMessage("val", "2 objects have no area"),
    )
    found = list(told("readers", LabelledSet({}, said)))
    assert found == [
        "error: no labels in train can be read: x.json: 3 wrong entries",
        "warning: 7 boxes in val reached out of their pictures and were clipped",
        "warning: 2 objects have no area in val",
    ]


def test_findings_stand_worst_first() -> None:
    splits = {"train": Index(("car",), (record("a.png"),))}
    order = [one.severity for one in quick_findings(splits)]
    assert order == sorted(order, key=list(Severity).index) and order[0] is Severity.ERROR

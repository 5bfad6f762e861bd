"""HRSC2016 as it is published: folders, lists, and three levels of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import hrsc2016, rolabelimg, voc_sets
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.read_labels import label_splits, read_labels

SHIP = (
    "<HRSC_Object><Object_ID>1</Object_ID><Class_ID>{}</Class_ID><Object_NO>1</Object_NO><truncated>"
    "0</truncated><difficult>{}</difficult><box_xmin>29</box_xmin><box_ymin>19</box_ymin><box_xmax>"
    "71</box_xmax><box_ymax>31</box_ymax><mbox_cx>50</mbox_cx><mbox_cy>25</mbox_cy><mbox_w>40"
    "</mbox_w><mbox_h>10</mbox_h><mbox_ang>0.2</mbox_ang><segmented>0</segmented></HRSC_Object>"
)
CLASSES = {
    "100000001": ("", 0, "ship"),
    "100000003": ("100000001", 1, "warcraft"),
    "100000004": ("100000001", 1, "merchant ship"),
    "100000007": ("100000003", 2, "Arleigh Burke-class destroyers"),
}


def xml(*ships: str, resolution: str = "1.07") -> str:
    return (
        f"<HRSC_Image><Img_ID>1</Img_ID><Img_Resolution>{resolution}</Img_Resolution>"
        f"<HRSC_Objects>{''.join(ships)}</HRSC_Objects></HRSC_Image>"
    )


def sysdata() -> str:
    rows = [
        f"<HRSC_Class><Class_ID>{number}</Class_ID><HRS_Class_ID>{parent}</HRS_Class_ID>"
        f"<Class_Layer>{layer}</Class_Layer><Class_EngName>{name}</Class_EngName></HRSC_Class>"
        for number, (parent, layer, name) in CLASSES.items()
    ]
    return f"<sysdata><HRSC_Classes>{''.join(rows)}</HRSC_Classes></sysdata>"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A picture for each list; one more that no list names."""
    full = tmp_path / "HRSC2016/FullDataSet"
    for folder in ("AllImages", "Annotations", "../ImageSets"):
        (full / folder).mkdir(parents=True, exist_ok=True)
    ships = {
        "train": [SHIP.format("100000007", 0), SHIP.format("100000003", 1)],
        "val": [SHIP.format("100000001", 0)],
        "test": [],
        "other": [],
    }
    for name, own in ships.items():
        (full / f"Annotations/{name}.xml").write_text(xml(*own), encoding="utf-8")
        Image.new("L", (100, 50)).save(full / f"AllImages/{name}.bmp")
    for name in ("train", "val", "test"):
        (full / f"../ImageSets/{name}.txt").write_text(f"{name}\n")
    (full / "sysdata.xml").write_text(sysdata(), encoding="utf-8")
    return full.parent


def test_the_download_by_its_lists(published: Path):
    for path in (published, published / "FullDataSet"):
        assert hrsc2016.recognises(path)
        assert not rolabelimg.recognises(path) and not voc_sets.recognises(path)
        assert [*label_splits(path)] == ["train", "val", "test"]
    index = read_labels(published, split="train")
    [record] = index.records
    assert index.class_names == ("ship",) and record.gsd_m == 1.07 and record.rboxes is not None
    np.testing.assert_allclose(record.rboxes, [[50, 25, 40, 10, 0.2]] * 2, atol=1e-6)
    assert record.path.name == "train.bmp" and record.difficult.tolist() == [False, True]
    low, high = record.boxes[0, :2], record.boxes[0, 2:]
    np.testing.assert_allclose((high - low).tolist(), [41.19, 17.75], atol=0.01)


@pytest.mark.parametrize(
    ("level", "train", "val"),
    [
        (1, ["ship", "ship"], ["ship"]),
        (2, ["warcraft", "warcraft"], ["ship"]),
        (3, ["Arleigh Burke-class destroyers", "warcraft"], ["ship"]),
    ],
)
def test_levels_of_classes(published: Path, level: int, train: list[str], val: list[str]):
    """A ship that is told less closely keeps the class that it is given."""
    source = LabelSource(annotations=published, class_level=level)
    for split, wanted in (("train", train), ("val", val)):
        index = read_labels(source, split=split)
        assert [index.class_names[label] for label in index.records[0].labels] == wanted


def test_levels_without_the_names_of_classes(published: Path):
    (published / "FullDataSet/sysdata.xml").unlink()
    index = hrsc2016.read(published, split="train", class_level=3)
    assert index.class_names == ("100000003", "100000007")
    with pytest.raises(FileNotFoundError, match=r"sysdata\.xml: no such file"):
        hrsc2016.read(published, split="train", class_level=2)
    (published / "FullDataSet/sysdata.xml").write_text(
        "<sysdata><HRSC_Classes><HRSC_Class><Class_ID>1</Class_ID></HRSC_Class></HRSC_Classes>"
        "</sysdata>"
    )
    with pytest.raises(ValueError, match=r"sysdata\.xml: class 1 needs Class_ID, Class_EngName"):
        hrsc2016.read(published, split="train", class_level=2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<mbox_w>40</mbox_w>", "", "needs numbers for mbox_cx"),
        ("<mbox_ang>0.2", "<mbox_ang>45", "angle 45; angles are in radians"),
        ("<difficult>0", "<difficult>7", "has difficult '7'"),
    ],
)
def test_a_wrong_ship_is_named(published: Path, old: str, new: str, said: str):
    file = published / "FullDataSet/Annotations/train.xml"
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=rf"train\.xml: object 1 .*{said}"):
        hrsc2016.read(published, split="train")

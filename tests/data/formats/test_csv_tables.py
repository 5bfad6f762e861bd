"""Tables of boxes: keras-retinanet's, Open Images', and CSV with a header and pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.formats import csv_openimages, csv_pixels, csv_retinanet

HEADER = "image_path,xmin,ymin,xmax,ymax,label\n"
OPEN = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,"
    "IsDepiction,IsInside\n"
)


def saved(tmp_path: Path, text: str, name: str = "train.csv") -> Path:
    for stem in "abc":
        Image.new("L", (100, 50)).save(tmp_path / f"{stem}.png")
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_pixels_in_any_order_of_columns(tmp_path: Path):
    text = "filename,width,height,class,xmin,ymin,xmax,ymax\nb.png,100,50,car,1,2,30.5,40\n"
    text += 'a.png,100,50,,,,,\nb.png,100,50,"a, b",90,40,120,60\n'
    index = csv_pixels.read(saved(tmp_path, text))
    assert index.class_names == ("a, b", "car")
    b, a = index.records
    assert (b.path.name, a.path.name, len(a.boxes)) == ("b.png", "a.png", 0)
    assert b.boxes.tolist() == [[1, 2, 30.5, 40], [90, 40, 100, 50]]
    assert b.labels.tolist() == [1, 0] and b.gsd_m is None and b.rboxes is None


def test_pixels_keep_flags_and_resolution(tmp_path: Path):
    text = HEADER.strip() + ",ignore,difficult,gsd_m\n"
    text += "a.png,1,2,3,4,x,1,0,0.5\na.png,1,2,3,5,x,0,1,\nb.png,,,,,,,,2\n"
    a, b = csv_pixels.read(saved(tmp_path, text)).records
    assert a.ignore.tolist() == [True, False] and a.difficult.tolist() == [False, True]
    assert (a.gsd_m, b.gsd_m) == (0.5, 2)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a.png,1,2,3,4", "5 fields, not numbers for image_path"),
        ("a.png,1,2,3,4,x,y", "7 fields"),
        ("a.png,1,2,three,4,x", "not numbers for"),
        ("a.png,1,2,nan,4,x", "not numbers for"),
        ("a.png,1,2,,4,x", "some fields empty"),
        ("a.png,1,2,3,4,", "some fields empty"),
        (",1,2,3,4,x", "without a picture"),
        ("a.png,5,2,3,4,x", "right of and below"),
        ("a.png,1,2,1e30,4,x", "lie on no picture"),
        ('a.png,"1,2', "is no CSV"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: str, said: str):
    file = saved(tmp_path, f"{HEADER}a.png,1,2,3,4,x\n\n{row}\n")
    with pytest.raises(ValueError, match=rf"train\.csv: line [45].*{said}"):
        csv_pixels.read(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image_path,xmin,ymin,xmax,label\n", "has 0 for ymax"),
        ("image,path,xmin,ymin,xmax,ymax,label\n", "has 2 for image_path"),
        ("", "has 0 for image_path"),
        (HEADER, "has no rows"),
    ],
)
def test_a_wrong_header_is_named(tmp_path: Path, text: str, said: str):
    with pytest.raises(ValueError, match=rf"train\.csv: .*{said}"):
        csv_pixels.read(saved(tmp_path, text))


def test_rows_that_differ_about_their_picture_are_refused(tmp_path: Path):
    text = HEADER.strip() + ",gsd_m\na.png,1,2,3,4,x,1\na.png,1,2,3,4,x,2\n"
    with pytest.raises(ValueError, match="says 1 of its picture, another line 2"):
        csv_pixels.read(saved(tmp_path, text))


def test_missing_pictures_and_foreign_classes_are_named(tmp_path: Path):
    file = saved(tmp_path, f"{HEADER}a.png,1,2,3,4,x\nd\0.png,1,2,3,4,y\n")
    with pytest.raises((FileNotFoundError, ValueError), match=r"train\.csv"):
        csv_pixels.read(file)
    file = saved(tmp_path, f"{HEADER}a.png,1,2,3,4,x\n{'d' * 5000}.png,1,2,3,4,y\n")
    with pytest.raises(FileNotFoundError, match=r"train\.csv: 1 of 2 pictures do not exist"):
        csv_pixels.read(file)
    file = saved(tmp_path, f"{HEADER}a.png,1,2,3,4,x\nb.png,1,2,3,4,y\n")
    with pytest.raises(ValueError, match=r"line 3 has class 'y'; there are x"):
        csv_pixels.read(file, class_names=["x"])


def test_a_real_table(shared_dir: Path):
    file = shared_dir / "data/geotiff_samples/OSBS_029.csv"
    assert csv_pixels.recognises(file) and not csv_retinanet.recognises(file)
    (record,) = csv_pixels.read(file).records
    lines = file.read_text().splitlines()
    assert len(record.boxes) == len(lines) - 1 and record.path.name == "OSBS_029.tif"
    assert record.boxes[0].tolist() == [203, 67, 227, 90]


def test_retinanet(tmp_path: Path):
    (tmp_path / "classes.csv").write_text("ship,1\ncar,0\n")
    file = saved(tmp_path, "a.png,1,2,3,4,ship\nb.png,,,,,\na.png,90,40,120,60,car\n")
    index = csv_retinanet.read(file)
    assert index.class_names == ("car", "ship")
    assert [len(record.boxes) for record in index.records] == [2, 0]
    assert index.records[0].labels.tolist() == [1, 0]
    assert csv_retinanet.recognises(file) and not csv_pixels.recognises(file)
    negative = saved(tmp_path, "a.png,,,,,\n", "val.csv")
    assert csv_retinanet.recognises(negative) and len(csv_retinanet.read(negative)) == 1
    assert not csv_retinanet.recognises(tmp_path / "classes.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("car,0\ncar,1\n", "line 2 has 'car' or 1 again"),
        ("car,0\nship,0\n", "line 2 has 'ship' or 0 again"),
        ("car,1\n", "number the classes from 0"),
        ("car\n", "not name,number"),
        ("car,²\n", "not name,number"),
        ("", "number the classes from 0"),
    ],
)
def test_a_wrong_file_of_classes_is_named(tmp_path: Path, text: str, said: str):
    (tmp_path / "classes.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"classes\.csv: .*{said}"):
        csv_retinanet.read(saved(tmp_path, "a.png,1,2,3,4,car\n"))


def open_images(tmp_path: Path) -> Path:
    (tmp_path / "class-descriptions-boxable.csv").write_text("/m/1,Car\n/m/2,Ship\n/m/3,Tree\n")
    rows = "a,xclick,/m/2,1,0.1,0.3,0.2,0.8,0,0,0,0,0\nb,xclick,/m/1,1,0,1,0,0.5,0,0,1,0,0\n"
    return saved(tmp_path, OPEN + rows, "boxes.csv")


def test_open_images(tmp_path: Path):
    file = open_images(tmp_path)
    assert csv_openimages.recognises(file) and not csv_pixels.recognises(file)
    index = csv_openimages.read(file)
    assert index.class_names == ("Car", "Ship")
    a, b = index.records
    np.testing.assert_allclose(a.boxes, [[10, 10, 30, 40]], atol=1e-4)
    assert a.labels.tolist() == [1] and a.ignore.tolist() == [False]
    assert b.boxes.tolist() == [[0, 0, 100, 25]] and b.ignore.tolist() == [True]


def test_open_images_with_a_part_of_the_pictures(tmp_path: Path, caplog):
    file = open_images(tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"boxes\.csv: 1 of 2 pictures are not in .*: a"):
        csv_openimages.read(file)
    (record,) = csv_openimages.read(file, subset=True).records
    assert record.path.name == "b.png" and len(record.boxes) == 1
    assert "1 of 2 pictures are there; 1 boxes of others are left out" in caplog.text


def test_open_images_in_pixels_or_without_a_name_are_refused(tmp_path: Path):
    file = open_images(tmp_path)
    file.write_text(OPEN + "a,x,/m/2,1,10,30,20,80,0,0,0,0,0\n")
    with pytest.raises(ValueError, match=r"line 2 has .*parts of the picture's width and height"):
        csv_openimages.read(file)
    file.write_text(OPEN + "a,x,/m/9,1,0,1,0,1,0,0,0,0,0\n")
    with pytest.raises(ValueError, match=r"has no name for /m/9 of .*boxes\.csv"):
        csv_openimages.read(file)

"""Results land where the user said, whole, and never over one another."""

import json

import pytest

from smalldet.inference.options import MapOptions
from smalldet.inference.results import unique_stems
from smalldet.inference.writers import check_output, write
from smalldet.inference.writers.gdal_files import SHAPEFILE_PARTS
from smalldet.inference.writers.output import is_directory
from smalldet.inference.writers.table import WRITER_OF_SUFFIX

BOXES = [[10, 20, 30, 60]]


@pytest.mark.parametrize("suffix", sorted(WRITER_OF_SUFFIX))
def test_each_extension_writes_one_file_and_replaces_an_old_one(tmp_path, make_result, suffix):
    path = tmp_path / "new" / f"a{suffix}"
    for _ in range(2):
        assert write(path, [make_result(BOXES, width=200, height=100)]) == [path]
        parts = SHAPEFILE_PARTS if suffix == ".shp" else ()
        names = {path.name, *(path.with_suffix(part).name for part in parts)}
        assert {file.name for file in path.parent.iterdir()} == names
        assert path.stat().st_size > 50


def test_a_failed_write_leaves_the_old_file(tmp_path, make_result):
    path = tmp_path / "a.gpkg"
    path.write_text("old")
    with pytest.raises(ValueError, match="georeference"):
        write(path, [make_result(BOXES, crs=None)])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_gets_files_for_each_picture(tmp_path, make_result):
    flat = make_result(BOXES, "runs/flat.jpg", None, None, 200, 100)
    placed = [make_result(BOXES, f"{day}/scene.tif", width=200, height=100) for day in "ab"]
    written = write(tmp_path / "out", [flat, *placed], MapOptions(crs="source"))
    names = ["flat", "scene", "scene_2"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(
        ["detections.json", *(f"{n}.geojson" for n in names), *(f"{n}.jpg" for n in names)]
    )
    assert len(written) == 7
    assert json.loads((tmp_path / "out/flat.geojson").read_text())["coordinates"] == "pixels"
    assert "32633" in (tmp_path / "out/scene_2.geojson").read_text()
    assert len(json.loads((tmp_path / "out/detections.json").read_text())["images"]) == 3


def test_stems_never_meet():
    names = ["a/x.tif", "b/X.jpg", "c/x_2.png", "https://host/x.tif?key=1", "é/ü y.tif", "a:b.tif"]
    assert unique_stems(names) == ["x", "X_2", "x_2_2", "x_3", "ü y", "a_b"]


def test_what_is_a_directory(tmp_path):
    (tmp_path / "run.v2").mkdir()
    assert is_directory(tmp_path / "run.v2")
    assert is_directory("out/") and is_directory("out") and is_directory("out.d/")
    assert not is_directory("out.json")


def test_mistakes_are_found_before_the_work():
    with pytest.raises(ValueError, match=r"a\.xyz: unknown extension; known are \.geojson, \.gpkg"):
        check_output("a.xyz", 1)
    with pytest.raises(ValueError, match=r"a\.png: holds one picture and not 2; name a dir"):
        check_output("a.png", 2)
    with pytest.raises(ValueError, match=r"a\.txt: holds one picture and not 2; name a dir"):
        check_output("a.txt", 2)
    with pytest.raises(ValueError, match="crs 'EPSG:99' is unknown"):
        check_output("a.geojson", 1, MapOptions(crs="EPSG:99"))
    with pytest.raises(ValueError, match="no results"):
        write("a.json", [])
    with pytest.raises(ValueError, match=r"a\.json: there is no format 'voc'; there are geojson, "):
        check_output("a.json", 1, MapOptions(format="voc"))
    with pytest.raises(ValueError, match=r"a\.json: cvat is written to \.xml or a directory"):
        check_output("a.json", 1, MapOptions(format="cvat"))
    with pytest.raises(ValueError, match=r"a\.txt: yolo is written to a directory"):
        check_output("a.txt", 1, MapOptions(format="yolo"))


def test_a_directory_of_one_format(tmp_path, make_result):
    results = [make_result(BOXES, f"{day}/scene.tif", width=200, height=100) for day in "ab"]
    for name, files in {
        "dota": ["scene.txt", "scene_2.txt"],
        "picture": ["scene.jpg", "scene_2.jpg"],
        "csv": ["detections.csv"],
        "gpkg": ["detections.gpkg"],
    }.items():
        written = write(tmp_path / name, results, MapOptions(format=name))
        assert [file.name for file in written] == files
        assert sorted(file.name for file in (tmp_path / name).iterdir()) == files

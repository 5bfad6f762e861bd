"""Labels of a GIS lie on the pixels that show them, whatever the coordinate systems."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyogrio import raw

from smalldet.data.formats import vector, vector_area, vector_shapes
from smalldet.data.index import ImageRecord, Index
from smalldet.imagery.ground import WGS84, located, reprojected

UTM = "EPSG:32633"
NORTH_UP = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
TURNED = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000) * Affine.rotation(25) * Affine.shear(8)
DEGREES = Affine(2e-6, 0, 14.99, 0, -2e-6, 48.75)
DATE_LINE = Affine(1e-5, 0, 179.999, 0, -1e-5, -16)


def picture(path, crs=UTM, transform=NORTH_UP, size=(200, 160)):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=size[0],
        height=size[1],
        count=1,
        dtype="uint8",
        crs=crs,
        transform=transform,
    ) as file:
        file.write(np.full((1, size[1], size[0]), 9, np.uint8))
    return Path(path)


def labels(path, shapes, crs=UTM, **attributes):
    """A vector file of shapes in the coordinates of `crs`; its kind follows from its ending."""
    driver = {
        ".shp": "ESRI Shapefile",
        ".gpkg": "GPKG",
        ".geojson": "GeoJSON",
        ".fgb": "FlatGeobuf",
    }
    attributes = attributes or {"class": ["car"] * len(shapes)}
    raw.write(
        path,
        geometry=shapely.to_wkb(np.array(shapes, dtype=object)),
        field_data=[
            np.array(column, dtype=object if isinstance(column[0], str | None) else None)
            for column in attributes.values()
        ],
        fields=list(attributes),
        geometry_type="Unknown" if path.suffix != ".shp" else "Polygon",
        driver=driver[path.suffix],
        crs=crs,
    )
    return path


def on_map(pixels, tif, crs=None):
    """Shapes in a picture's pixels as shapes on a map, its own without `crs`."""
    ground = located(tif)

    def placed(points):
        points = ground.to_map(points)
        return (
            points
            if crs is None
            else reprojected(points, ground.crs, rasterio.CRS.from_user_input(crs))
        )

    return [shapely.transform(shape, placed) for shape in pixels]


def boxes_of(index):
    return [record.boxes for record in index.records]


@pytest.mark.parametrize("suffix", [".shp", ".gpkg", ".geojson", ".fgb"])
@pytest.mark.parametrize("crs", ["EPSG:4326", UTM, "EPSG:3857", "EPSG:3035"])
@pytest.mark.parametrize(("own", "transform"), [(UTM, TURNED), ("EPSG:4326", DEGREES)])
def test_labels_meet_their_pixels(tmp_path, suffix, crs, own, transform):
    tif = picture(tmp_path / "a.tif", own, transform)
    shapes = [shapely.box(10, 20, 30, 28), shapely.box(100, 90, 104, 99)]
    path = labels(tmp_path / f"trees{suffix}", on_map(shapes, tif, crs), crs, label=["b", "a"])
    index = vector.read(path, tif)
    (record,) = index.records
    assert index.class_names == ("a", "b")
    order = np.argsort(record.boxes[:, 0])  # FlatGeobuf sorts by place
    assert record.labels[order].tolist() == [1, 0]
    assert np.allclose(record.boxes[order], [[10, 20, 30, 28], [100, 90, 104, 99]], atol=0.02)
    expected = [[20, 24, 20, 8, 0], [102, 94.5, 9, 4, -np.pi / 2]]
    assert record.rboxes is not None
    rboxes = record.rboxes[order]
    assert np.allclose(rboxes[:, :4], np.array(expected)[:, :4], atol=0.03)
    turned = np.abs(rboxes[:, 4] - np.array(expected)[:, 4])
    assert (np.minimum(turned, np.pi - turned) < 0.02).all()
    assert record.gsd_m == located(tif).gsd_m()


@st.composite
def objects(draw):
    """Boxes, rboxes, labels and flags of one picture of 200 x 160 px."""
    num = draw(st.integers(0, 6))
    seed = draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, (150, 110), (num, 2))
    boxes = np.concatenate((low, low + rng.uniform(0.5, 50, (num, 2))), axis=1).astype(np.float32)
    return boxes, rng.integers(0, 2, num), rng.random(num) < 0.3, rng.random(num) < 0.3


@given(objects(), objects(), st.sampled_from([".geojson", ".gpkg"]), st.booleans())
@settings(max_examples=40)
def test_what_is_written_reads_back(tmp_path_factory, first, second, suffix, far):
    folder = tmp_path_factory.mktemp("round")
    tifs = [
        picture(folder / "a.tif", UTM, TURNED),
        picture(folder / "b.tif", *(("EPSG:4326", DATE_LINE) if far else (UTM, TURNED))),
    ]
    records = [
        ImageRecord(tif, 200, 160, boxes, classes, ignore, difficult, number)
        for number, (tif, (boxes, classes, ignore, difficult)) in enumerate(
            zip(tifs, (first, second), strict=True), start=1
        )
    ]
    names = ("bus", "car")
    paths = vector.write(Index(names, tuple(records)), folder / "out", suffix=suffix)
    again = vector.read(paths[0], folder, names)
    assert [record.path for record in again.records] == tifs  # with those without labels
    for before, after in zip(records, again.records, strict=True):
        assert np.allclose(before.boxes, after.boxes, atol=5e-3)
        for column in ("labels", "ignore", "difficult"):
            assert np.array_equal(getattr(before, column), getattr(after, column))


def test_oriented_boxes_masks_and_unknown_classes_are_written(tmp_path):
    tif = picture(tmp_path / "a.tif", UTM, TURNED)
    ring = shapely.Point(60, 70).buffer(20).difference(shapely.Point(60, 70).buffer(9))
    slanted = shapely.Polygon([(100, 50), (120, 60), (115, 70), (95, 60)])
    path = labels(tmp_path / "a.gpkg", on_map([ring, slanted], tif))
    (before,) = vector.read(path, tif, with_masks=True).records
    plain = ImageRecord(**{**vars(before), "masks": None, "unknown": frozenset({0})})
    out = vector.write(Index(("car",), (plain,)), tmp_path / "plain")
    (after,) = vector.read(out[0], tif).records
    assert after.rboxes is not None
    assert before.rboxes is not None
    assert np.allclose(after.rboxes[:2], before.rboxes, atol=5e-3)
    assert after.ignore.tolist() == [False, False, True]
    assert np.allclose(after.boxes[2], [0, 0, 200, 160], atol=0.01)
    out = vector.write(Index(("car",), (before,)), tmp_path / "masks")
    (after,) = vector.read(out[0], tif, with_masks=True).records
    assert np.allclose(after.boxes, before.boxes, atol=5e-3)
    assert before.masks is not None
    assert after.masks is not None
    grids = [np.unpackbits(masks, axis=1) for masks in (before.masks, after.masks)]
    middle = grids[0][0].reshape(56, 56)
    assert not middle[28, 28]  # the hole
    assert middle[28, 5]
    assert (grids[0] != grids[1]).mean() < 0.04  # a cell along the border


def test_labels_on_the_date_line(tmp_path):
    for crs, transform in [
        ("EPSG:4326", DATE_LINE),
        ("EPSG:4326", Affine.translation(-360, 0) * DATE_LINE),
        ("EPSG:32760", Affine(1, 0, 819_700, 0, -1, 8_230_000)),
    ]:
        size = (3000, 3000) if "327" in crs else (200, 160)
        tif = picture(tmp_path / "a.tif", crs, transform, size)
        west, east = [(179.9995, 180), (-180, -179.9995)]
        parts = [shapely.box(w, -16.0008, e, -16.0002) for w, e in (west, east)]
        torn = shapely.Polygon(  # the same, as a program writes that does not cut it
            [
                (179.9995, -16.0008),
                (-179.9995, -16.0008),
                (-179.9995, -16.0002),
                (179.9995, -16.0002),
            ]
        )
        path = labels(
            tmp_path / "a.geojson", [shapely.multipolygons(parts), torn], WGS84.to_string()
        )
        (record,) = vector.read(path, tif).records
        sides = record.boxes[:, 2:] - record.boxes[:, :2]
        expected = [100, 60] if crs == "EPSG:4326" else [106.9, 66.4]
        assert np.allclose(sides, expected, rtol=0.05), (crs, sides)
    elsewhere = picture(tmp_path / "b.tif", "EPSG:4326", Affine(1e-5, 0, 0, 0, -1e-5, -16))
    with pytest.raises(ValueError, match="lie on none of 1 pictures"):
        vector.read(path, elsewhere)


def test_points_are_squares_in_metres(tmp_path):
    tif = picture(tmp_path / "a.tif", "EPSG:4326", Affine(1e-5, 0, 10, 0, -1e-5, 60))
    points = [shapely.Point(100, 80), shapely.Point(199, 80), shapely.Point(20, 161)]
    path = labels(tmp_path / "a.geojson", on_map(points, tif), "EPSG:4326", name=["a", "a", "a"])
    with pytest.raises(ValueError, match=r"a\.geojson: has 3 points; say with side_m"):
        vector.read(path, tif)
    (record,) = vector.read(path, tif, side_m=10).records
    assert np.allclose(record.boxes[0], [91.0, 75.5, 109.0, 84.5], atol=0.1)  # cos(60) = 1/2
    assert len(record.boxes) == 2  # the third one's middle is on no pixel
    assert record.boxes[1, 2] == 200
    assert record.rboxes is None
    several = shapely.multipoints([(100, 80), (50, 60)])
    path = labels(tmp_path / "b.gpkg", on_map([several], tif), "EPSG:4326")
    assert len(vector.read(path, tif, side_m=10).records[0].boxes) == 2
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="side_m must be"):
            vector.read(path, tif, side_m=wrong)


def test_objects_on_the_border(tmp_path):
    tif = picture(tmp_path / "a.tif")
    shapes = [
        shapely.box(190, 10, 210, 20),  # half of it
        shapely.box(-10, 50, 2, 60),  # a sixth
        shapely.Polygon([(195, 150), (215, 150), (215, 170), (214, 170)]),  # its box reaches in
    ]
    path = labels(tmp_path / "a.gpkg", on_map(shapes, tif))
    (record,) = vector.read(path, tif).records
    assert np.allclose(record.boxes[:2], [[190, 10, 200, 20], [0, 50, 2, 60]], atol=1e-3)
    assert record.ignore[:2].tolist() == [False, True]
    assert record.rboxes is not None
    assert np.allclose(record.rboxes[0], [195, 15, 10, 10, 0], atol=1e-3)


def test_several_pictures_and_a_named_one(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name, x in [("a", 500_000), ("b", 500_050), ("c", 600_000)]:
        picture(folder / f"{name}.tif", UTM, Affine(0.5, 0, x, 0, -0.5, 5_400_000))
    shape = on_map([shapely.box(120, 10, 130, 20)], folder / "a.tif")
    path = labels(tmp_path / "a.gpkg", shape)
    a, b, c = boxes_of(vector.read(path))
    assert np.allclose(a, [[120, 10, 130, 20]])
    assert np.allclose(b, [[20, 10, 30, 20]])
    assert c.shape == (0, 4)
    path = labels(tmp_path / "b.gpkg", shape, label=["car"], picture=["somewhere/b.tif"])
    assert [len(boxes) for boxes in boxes_of(vector.read(path, folder))] == [0, 1, 0]


def test_a_vrt_is_one_picture(tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    for name, x in [("a", 500_000), ("b", 500_100)]:
        picture(parts / f"{name}.tif", UTM, Affine(0.5, 0, x, 0, -0.5, 5_400_000))
    bands = "".join(
        f"<SimpleSource><SourceFilename relativeToVRT='1'>{name}.tif</SourceFilename>"
        f"<SourceBand>1</SourceBand><DstRect xOff='{x}' yOff='0' xSize='200' ySize='160'/>"
        "</SimpleSource>"
        for name, x in [("a", 0), ("b", 200)]
    )
    (parts / "all.vrt").write_text(
        f"<VRTDataset rasterXSize='400' rasterYSize='160'><SRS>{UTM}</SRS><GeoTransform>"
        f"500000,0.5,0,5400000,0,-0.5</GeoTransform><VRTRasterBand dataType='Byte' band='1'>{bands}"
        "</VRTRasterBand></VRTDataset>"
    )
    shapes = on_map([shapely.box(195, 10, 205, 20)], parts / "all.vrt")
    path = labels(tmp_path / "a.gpkg", shapes)
    (record,) = vector.read(path, parts / "all.vrt").records
    assert np.allclose(record.boxes, [[195, 10, 205, 20]])
    assert [record.path.name for record in vector.read(path, parts).records] == ["a.tif", "b.tif"]


def test_which_attribute_is_the_class(tmp_path):
    tif = picture(tmp_path / "a.tif")
    shapes = on_map([shapely.box(10, 10, 20, 20), shapely.box(30, 10, 40, 20)], tif)

    def read(class_field=None, class_names=None, **attributes):
        path = labels(tmp_path / "a.gpkg", shapes, **attributes)
        index = vector.read(path, tif, class_names, class_field=class_field)
        return index.class_names, index.records[0].labels.tolist()

    assert read(Class_Name=["x", "y"], note=["a", "b"]) == (("x", "y"), [0, 1])
    assert read(species=["y", "x"], height=[1, 2]) == (("x", "y"), [1, 0])
    assert read(anything=["y", "x"], height=[1.5, 2]) == (("x", "y"), [1, 0])
    assert read("height", height=[2, 1]) == (("1", "2"), [1, 0])
    assert read("height", height=[2.0, 1.0]) == (("1", "2"), [1, 0])
    assert read(None, ["tree"], a=["y", "x"], b=["y", "x"]) == (("tree",), [0, 0])
    assert read(None, ["Y", "x", "z"], label=["y", "x"]) == (("Y", "x", "z"), [0, 1])
    with pytest.raises(ValueError, match=r"a\.gpkg: has attributes Class, label; say which"):
        read(Class=["a", "b"], label=["c", "d"])
    with pytest.raises(ValueError, match=r"attributes a, b; say which"):
        read(a=["a", "b"], b=["c", "d"])
    with pytest.raises(ValueError, match=r"attributes a; class_field 'c' is none of them"):
        read("c", a=["a", "b"])
    with pytest.raises(ValueError, match=r"feature 2 has no class in label"):
        read(label=["a", None])
    with pytest.raises(
        ValueError, match=r"label has classes \['b'\]; class_names are \['a', 'c'\]"
    ):
        read(None, ["a", "c"], label=["a", "b"])
    with pytest.raises(ValueError, match=r"attribute height holds float64 values"):
        read("height", height=[1.5, 2])
    with pytest.raises(ValueError, match=r"feature 1 has an attribute ignore that is neither"):
        read(label=["a", "b"], ignore=[3, 0])


def test_ground_that_was_not_looked_through_is_mute(tmp_path):
    tif = picture(tmp_path / "a.tif", size=(400, 300))
    shapes = [shapely.box(110, 110, 120, 120), shapely.box(10, 10, 20, 20)]
    path = labels(tmp_path / "a.gpkg", on_map(shapes, tif), label=["car", "bus"])
    area = labels(
        tmp_path / "area.geojson",
        on_map([shapely.box(100, 100, 300, 250)], tif, "EPSG:4326"),
        "EPSG:4326",
    )
    (record,) = vector.read(path, tif, area=area).records
    assert record.ignore[:2].tolist() == [False, True]
    regions = record.boxes[2:]
    assert record.ignore[2:].all()
    covered = np.zeros((2, 300, 400), dtype=bool)
    for (x1, y1, x2, y2), label in zip(regions.round().astype(int), record.labels[2:], strict=True):
        covered[label, y1:y2, x1:x2] = True
    assert np.array_equal(covered[0], covered[1])
    assert covered[0][:100].all()
    assert covered[0][:, :100].all()
    assert covered[0][:, 300:].all()
    assert not covered[0][108:242, 108:292].any()
    everything = labels(tmp_path / "world.geojson", [shapely.box(-180, -90, 180, 90)], "EPSG:4326")
    (record,) = vector.read(path, tif, area=everything).records
    assert record.ignore.tolist() == [False, False]
    nothing = labels(tmp_path / "far.geojson", [shapely.box(50, 50, 51, 51)], "EPSG:4326")
    (record,) = vector.read(path, tif, area=nothing).records
    assert record.ignore.all()
    assert np.allclose(record.boxes[2:], [[0, 0, 400, 300]] * 2)


@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(max_examples=60)
def test_all_ground_outside_the_area_is_covered(seed, num_parts):
    rng = np.random.default_rng(seed)
    width, height = (int(n) for n in rng.integers(20, 900, 2))
    middles = rng.uniform(0, (width, height), (num_parts, 2))
    radii = rng.uniform(1, max(width, height), num_parts)
    area = shapely.union_all(shapely.buffer(shapely.points(middles), radii, quad_segs=2))
    boxes = vector_area.outside(area, width, height).astype(np.float64)
    points = rng.uniform(0, (width, height), (500, 2))
    inside = (points[:, None] >= boxes[:, :2]) & (points[:, None] <= boxes[:, 2:])
    num_covering = inside.all(axis=2).sum(axis=1)
    distance = shapely.distance(
        shapely.points(points), shapely.box(0, 0, width, height).difference(area)
    )
    outside = ~shapely.covers(shapely.buffer(area, 2e-3), shapely.points(points))
    assert (num_covering[outside] >= 1).all()
    reach = np.hypot(1, 1) * vector_area.tolerance_px(width, height)
    assert not num_covering[distance > reach].any()


@given(st.integers(0, 2**32))
@settings(max_examples=60)
def test_smallest_rectangles(seed):
    rng = np.random.default_rng(seed)
    shapes = np.array(
        [
            shapely.convex_hull(
                shapely.multipoints(rng.uniform(0, 50, (int(rng.integers(3, 40)), 2)))
            )
            for _ in range(5)
        ]
    )
    rboxes = vector_shapes.smallest_rectangles(shapes).astype(np.float64)
    expected = shapely.area(shapely.oriented_envelope(shapes))
    assert (rboxes[:, 2] * rboxes[:, 3] <= expected * 1.01 + 0.1).all()
    assert (rboxes[:, 2] * rboxes[:, 3] >= shapely.area(shapes) - 0.1).all()


def test_files_that_cannot_be_meant(tmp_path, caplog):
    tif = picture(tmp_path / "a.tif")
    good, far = on_map([shapely.box(10, 10, 20, 20), shapely.box(1e5, 10, 1e5 + 9, 20)], tif)

    def said(shapes, name="a.gpkg", crs=UTM, **options):
        path = labels(tmp_path / name, shapes, crs, **options)
        with pytest.raises(ValueError, match=r"\w+\.\w+: ") as error:
            vector.read(path, tif)
        assert name in str(error.value)
        return str(error.value)

    assert "feature 2 has no shape" in said([good, None])
    assert "feature 2 has no shape" in said([good, shapely.Polygon()])
    line = shapely.LineString([(0, 0), (1, 1)])
    assert "neither polygon nor point" in said([good, line])
    assert "no area" in said([good, shapely.Polygon([(0, 0), (1, 1), (2, 2)])])
    assert "no finite numbers" in said([good, shapely.Point(float("inf"), 1)], "a.fgb")
    assert "features 1, 2, 3, 4, 5 and 5 more have no shape" in said([None] * 10)
    assert "1 of 1 labels lie on none of 1 pictures" in said([far])
    assert "the right file" in said([far])
    assert "less than a thousandth" in said(on_map([shapely.box(100, 1, 100 + 1e-8, 9)], tif))
    with caplog.at_level(logging.WARNING):
        path = labels(tmp_path / "b.gpkg", [good, far, far])
        assert len(vector.read(path, tif).records[0].boxes) == 1
    assert "2 of 3 labels lie on none of 1 pictures: features 2, 3 have no picture" in caplog.text
    path = labels(tmp_path / "c.shp", [good])
    path.with_suffix(".prj").unlink()
    with pytest.raises(ValueError, match=r"c\.shp: has no coordinate system .*c\.prj"):
        vector.read(path, tif)
    metres = {
        "type": "Polygon",
        "coordinates": [[[5e5, 5e6], [5e5 + 9, 5e6], [5e5, 5e6 + 9], [5e5, 5e6]]],
    }
    feature = {"type": "Feature", "properties": {"class": "a"}, "geometry": metres}
    path = tmp_path / "d.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    with pytest.raises(
        ValueError, match=r"d\.geojson: feature 0 has coordinates that are no longi"
    ):
        vector.read(path, tif)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    with pytest.raises(ValueError, match=r"d\.geojson: "):
        vector.read(path, tif)
    assert [len(b) for b in boxes_of(vector.read(path, tif, ["car"]))] == [0]
    shutil.copy(tmp_path / "b.gpkg", tmp_path / "e.gpkg")
    for layer in ("one", "two"):
        raw.write(
            tmp_path / "e.gpkg",
            geometry=shapely.to_wkb(np.array([good])),
            field_data=[np.array(["a"], dtype=object)],
            fields=["class"],
            geometry_type="Polygon",
            driver="GPKG",
            layer=layer,
            crs=UTM,
            append=layer == "two",
        )
    with pytest.raises(ValueError, match=r"e\.gpkg: has layers .*one, two; name one with layer"):
        vector.read(tmp_path / "e.gpkg", tif)
    assert len(vector.read(tmp_path / "e.gpkg", tif, layer="two").records[0].boxes) == 1
    with pytest.raises(ValueError, match="none is named three"):
        vector.read(tmp_path / "e.gpkg", tif, layer="three")


def test_pictures_that_cannot_be_meant(tmp_path):
    tif = picture(tmp_path / "a.tif")
    path = labels(tmp_path / "a.gpkg", on_map([shapely.box(10, 10, 20, 20)], tif))
    assert len(vector.read(path).records[0].boxes) == 1  # of the same name, beside it
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.crs = rasterio.CRS()
    with pytest.raises(ValueError, match=r"a\.tif: has no usable coordinate system"):
        vector.read(path, tif)
    with pytest.raises(FileNotFoundError, match="no such picture"):
        vector.read(path, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no pictures in this folder"):
        vector.read(path, tmp_path / "empty")
    tif.unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.gpkg: no pictures beside it"):
        vector.read(path)


@given(
    st.binary(max_size=300), st.sampled_from([".json", ".geojson", ".gpkg", ".shp", ".fgb", ".txt"])
)
def test_foreign_files_are_not_recognised(tmp_path_factory, content, suffix):
    folder = tmp_path_factory.getbasetemp()
    path = folder / f"foreign{suffix}"
    path.write_bytes(content)
    assert not vector.recognises(path) or content.lstrip()[:1] in (b"{", b"f", b"\0", b"S", b"\xef")
    assert not vector.recognises(folder)
    assert not vector.recognises(folder / "none.gpkg")


def test_own_files_are_recognised(tmp_path):
    tif = picture(tmp_path / "a.tif")
    shapes = on_map([shapely.box(10, 10, 20, 20)], tif)
    for suffix in (".geojson", ".gpkg", ".shp", ".fgb"):
        assert vector.recognises(labels(tmp_path / f"a{suffix}", shapes))
    coco = tmp_path / "train.json"
    coco.write_text('{"images": [], "annotations": [], "categories": []}')
    assert not vector.recognises(coco)
    command = tmp_path / "b.geojson"
    command.write_text('{"type": "gdal_streamed_alg", "command_line": "gdal vector info x"}')
    assert not vector.recognises(command)


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".shp", ".fgb"])
def test_damaged_files_give_clear_errors(tmp_path, suffix):
    tif = picture(tmp_path / "a.tif")
    shapes = on_map([shapely.box(i, 10, i + 9, 20) for i in range(0, 60, 10)], tif)
    path = labels(tmp_path / f"a{suffix}", shapes)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(120):
        content = bytearray(whole)
        if number % 3 == 0:
            content = content[: int(rng.integers(len(content)))]
        else:
            for place in rng.integers(0, len(content), int(rng.integers(1, 30))):
                content[place] = rng.integers(256)
        path.write_bytes(content)
        try:
            vector.read(path, tif)
        except (ValueError, FileNotFoundError) as error:
            assert path.name in str(error)


def test_a_real_shapefile(shared_dir):
    folder = shared_dir / "data" / "geotiff_samples"
    if not folder.is_dir():
        pytest.skip("no GeoTIFF samples")
    path, tif = folder / "australia.shp", folder / "images" / "australia.tif"
    with pytest.raises(ValueError, match=r"attributes pixelvalue, Class, .*label; say which"):
        vector.read(path, tif)
    index = vector.read(path, tif, class_field="label")
    assert index.class_names == ("Tree",)
    assert np.allclose(index.records[0].boxes, [[240.23, 129, 660.21, 596.78]], atol=0.01)
    assert index.records[0].gsd_m == pytest.approx(0.018)
    # over the folder too: the other pictures, in five other coordinate systems, show none of it
    found = vector.read(path, folder / "images", class_field="label")
    assert sum(len(boxes) for boxes in boxes_of(found)) == 1
    assert len(found) == 7


def test_real_points(shared_dir, tmp_path):
    folder = shared_dir / "data" / "naip_trees_dates"
    if not folder.is_dir():
        pytest.skip("no dated pictures of trees")
    content = json.loads((folder / "val.json").read_text())
    images = {image["id"]: image for image in content["images"][:12]}
    notes = [note for note in content["annotations"] if note["image_id"] in images]
    (tmp_path / "images").mkdir()
    for image in images.values():
        shutil.copy(folder / "images" / image["file_name"], tmp_path / "images")
    shapes, names = [], []
    for note in notes:
        tif = tmp_path / "images" / images[note["image_id"]]["file_name"]
        shapes += on_map([shapely.Point(note["point"])], tif, "EPSG:4326")
        names.append(tif.name)
    path = labels(
        tmp_path / "trees.geojson", shapes, "EPSG:4326", label=["tree"] * len(names), picture=names
    )
    index = vector.read(path, side_m=12)
    for record in index.records:
        (image,) = (i for i in images.values() if i["file_name"] == record.path.name)
        own = [note["bbox"] for note in notes if note["image_id"] == image["id"]]
        expected = np.array(own, dtype=np.float64).reshape(-1, 4)
        expected[:, 2:] += expected[:, :2]
        expected = np.clip(expected, 0, 256)
        order, other = (np.lexsort(b.round(1).T) for b in (expected, record.boxes))
        assert np.allclose(record.boxes[other], expected[order], atol=0.05)

"""By every kind of georeference, GDAL reads objects back within a tenth of a pixel."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from pyogrio import raw
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning
from rasterio.rpc import RPC
from rasterio.shutil import copy
from rasterio.warp import transform as warp

from smalldet.config.imagery import ImageryOptions
from smalldet.inference.options import PredictOptions
from smalldet.inference.predict import Listener, predict_sources

Points = NDArray[np.float64]
OPTIONS = PredictOptions(overlap_frac=0.4)
WIDTH, HEIGHT = 260, 310
UTM = "EPSG:32633"
AFFINE = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
TURNED = AFFINE * Affine.rotation(25) * Affine.shear(5)
PRJ = (
    'PROJCS["WGS_1984_UTM_Zone_33N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",'
    '6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],'
    'PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER['
    '"False_Northing",0.0],PARAMETER["Central_Meridian",15.0],PARAMETER["Scale_Factor",0.9996],'
    'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)


def by(transform: Affine) -> Callable[[Points], Points]:
    return lambda p: np.array([transform * (float(x), float(y)) for x, y in p])


def bent(p: Points) -> Points:
    """A second degree polynomial, as of a lens."""
    x, y = p.T
    return by(AFFINE)(np.stack((x + 2e-4 * x * y, y + 1e-4 * x**2), axis=1))


def waved(p: Points) -> Points:
    """What no polynomial meets: rows that swing by some pixels."""
    return by(AFFINE)(p + np.stack((2 * np.sin(p[:, 1] / 60), 0 * p[:, 0]), axis=1))


def control_points(place: Callable[[Points], Points], step: int) -> list[GroundControlPoint]:
    rows, columns = np.mgrid[0 : HEIGHT + 1 : step, 0 : WIDTH + 1 : step].reshape(2, -1)
    where = place(np.stack((columns, rows), axis=1).astype(np.float64))
    return [
        GroundControlPoint(float(r), float(c), float(x), float(y))
        for r, c, (x, y) in zip(rows, columns, where, strict=True)
    ]


def seen_from_above(height_m: float) -> Callable[[Points], Points]:
    """The ground of `CAMERA`, whose lines of sight lean by 5 px for 100 m."""

    def place(p: Points) -> Points:
        # RPCs count from the middle of the first pixel
        x, y = (p[:, 0] - 0.5 - 130) / 130, (p[:, 1] - 0.5 - 155) / 155
        lean = (height_m - 100) / 500
        return np.stack((15 + 1e-3 * (x - 0.2 * lean), 48 - 1e-3 * (y - 0.1 * lean)), axis=1)

    return place


def coefficients(**terms: float) -> list[float]:
    names = ("one", "longitude", "latitude", "height")
    return [terms.get(names[i], 0.0) if i < 4 else 0.0 for i in range(20)]


CAMERA = cast("Any", RPC)(
    height_off=100,
    height_scale=500,
    long_off=15,
    long_scale=1e-3,
    lat_off=48,
    lat_scale=1e-3,
    samp_off=130,
    samp_scale=130,
    line_off=155,
    line_scale=155,
    samp_num_coeff=coefficients(longitude=1, height=0.2),
    samp_den_coeff=coefficients(one=1),
    line_num_coeff=coefficients(latitude=-1, height=0.1),
    line_den_coeff=coefficients(one=1),
)


def geotiff(path: Path, pixels: NDArray[np.uint8], **options: Any) -> Path:
    path = path.with_suffix(".tif")
    kind = {"count": 3, "width": WIDTH, "height": HEIGHT, "dtype": "uint8", "driver": "GTiff"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **kind, **options) as file:
            file.write(pixels.transpose(2, 0, 1))
    return path


def world_file(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path = path.with_suffix(".png")
    Image.fromarray(pixels).save(path)
    x, y = TURNED * (0.5, 0.5)
    numbers = TURNED.a, TURNED.d, TURNED.b, TURNED.e, x, y
    path.with_suffix(".pgw").write_text("\n".join(map(repr, numbers)))
    return path


def with_prj(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.with_suffix(".prj").write_text(PRJ)
    return world_file(path, pixels)


def with_aux_xml(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """What GDAL itself writes beside a PNG."""
    whole = geotiff(path, pixels, crs=UTM, transform=AFFINE)
    target = path.with_suffix(".png")
    with rasterio.open(whole) as file:
        copy(file, target, driver="PNG")
    whole.unlink()
    assert target.with_suffix(".png.aux.xml").exists()
    return target


KINDS: dict[str, tuple[Callable[..., Path], str, Callable[[Points], Points], dict[str, Any]]] = {
    "affine": (lambda *a: geotiff(*a, crs=UTM, transform=AFFINE), UTM, by(AFFINE), {}),
    "turned": (lambda *a: geotiff(*a, crs=UTM, transform=TURNED), UTM, by(TURNED), {}),
    "world file, assumed": (world_file, UTM, by(TURNED), {"assume_crs": UTM}),
    "world file, prj": (with_prj, UTM, by(TURNED), {}),
    "aux.xml": (with_aux_xml, UTM, by(AFFINE), {}),
    "3 control points": (
        lambda *a: geotiff(*a, crs=UTM, gcps=control_points(by(TURNED), 250)[:3]),
        UTM,
        by(TURNED),
        {},
    ),
    "4 control points": (
        lambda *a: geotiff(*a, crs=UTM, gcps=control_points(by(AFFINE), 250)),
        UTM,
        by(AFFINE),
        {},
    ),
    "bent control points": (
        lambda *a: geotiff(*a, crs=UTM, gcps=control_points(bent, 100)),
        UTM,
        bent,
        {},
    ),
    "waved control points": (
        lambda *a: geotiff(*a, crs=UTM, gcps=control_points(waved, 20)),
        UTM,
        waved,
        {},
    ),
    "RPC": (lambda *a: geotiff(*a, rpcs=CAMERA), "EPSG:4326", seen_from_above(100), {}),
    "RPC, height": (
        lambda *a: geotiff(*a, rpcs=CAMERA),
        "EPSG:4326",
        seen_from_above(350),
        {"height_m": 350},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".gpkg", ".geojson"])
def test_positions_are_read_back_within_a_tenth_of_a_pixel(
    finder, draw_squares, tmp_path, kind, suffix
):
    make, crs, place, said = KINDS[kind]
    pixels, truth = draw_squares(WIDTH, HEIGHT, 15, seed=1)
    path = make(tmp_path / "scene", pixels)
    out = tmp_path / f"out{suffix}"
    outcome = predict_sources(finder, [path], out, OPTIONS, imagery=ImageryOptions(**said))
    assert outcome.exit_code == 0
    meta, _, shapes, (names,) = raw.read(out, layer=0, columns=["class"])
    assert len(names) == len(truth)
    rings = shapely.get_coordinates(shapely.from_wkb(shapes)).reshape(len(truth), 5, 2)[:, :4]
    corners = truth.boxes.double().numpy()[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].reshape(-1, 2)
    expected = place(corners)
    x, y = warp(crs, meta["crs"], *expected.T)[:2]
    expected = np.stack((x, y), axis=1).reshape(-1, 4, 2)
    px = np.abs(np.diff(expected, axis=1)).max(axis=(1, 2)) / 40  # boxes have at most 40 px
    for ring in rings:
        near = np.abs(expected[:, :, None] - ring[None, None]).max(axis=3).min(axis=2).max(axis=1)
        assert (near < 0.1 * px.max()).sum() == 1


def test_what_a_place_lacks_is_said(finder, draw_squares, tmp_path):
    pixels, _ = draw_squares(WIDTH, HEIGHT, 5)
    told: list[str] = []
    listener = Listener(on_remark=lambda name, remark: told.append(f"{Path(name).name}: {remark}"))
    path = world_file(tmp_path / "a", pixels)
    predict_sources(finder, [path], tmp_path / "out.geojson", OPTIONS, listener=listener)
    assert told[0].startswith(f"out.geojson: {path} has no place on a map; its coordinates are")
    assert told[1].startswith(
        "a.png: has a place but no coordinate system; name it by --assume-crs"
    )
    with pytest.raises(ValueError, match=r"a\.png: has a place but no coordinate system"):
        predict_sources(finder, [path], tmp_path / "out.gpkg", OPTIONS)
    with pytest.raises(ValueError, match="assume-crs 'nonsense' is unknown"):
        said = ImageryOptions(assume_crs="nonsense")
        predict_sources(finder, [path], tmp_path / "out.gpkg", OPTIONS, imagery=said)
    told.clear()
    path = geotiff(tmp_path / "rpc", pixels, rpcs=CAMERA)
    predict_sources(finder, [path], tmp_path / "out.gpkg", OPTIONS, listener=listener)
    assert told == [
        "rpc.tif: is placed by RPCs on ground of 100 m, their mean; --height names another"
    ]
    (tmp_path / "a.prj").write_text("nonsense")
    with pytest.raises(ValueError, match=r"a\.prj: is no coordinate system in WKT"):
        read = world_file(tmp_path / "a", pixels)
        outcome = predict_sources(finder, [read], tmp_path / "out.csv", OPTIONS)
        raise ValueError(outcome.failures[str(read)])


@pytest.mark.parametrize("wrong", [(np.nan, 0, 5e5, 0, -1, 5e6), (0, 0, 5e5, 0, 0, 5e6)])
def test_a_damaged_transform_is_refused(finder, draw_squares, tmp_path, wrong):
    pixels, _ = draw_squares(WIDTH, HEIGHT, 5)
    path = geotiff(tmp_path / "a", pixels, crs=UTM, transform=AFFINE)
    with rasterio.open(path, "r+") as file:
        file.transform = Affine(*wrong)
    outcome = predict_sources(finder, [path], tmp_path / "out.gpkg", OPTIONS)
    assert "a.tif: its georeference is damaged: the transform is" in outcome.failures[str(path)]
    assert not outcome.written


def test_control_points_that_place_nothing_are_refused(finder, draw_squares, tmp_path):
    pixels, _ = draw_squares(WIDTH, HEIGHT, 5)
    points = control_points(by(AFFINE), 250)[:1] * 4
    path = geotiff(tmp_path / "a", pixels, crs=UTM, gcps=points)
    outcome = predict_sources(finder, [path], tmp_path / "out.csv", OPTIONS)
    assert "a.tif: its georeference places no pixels" in outcome.failures[str(path)]

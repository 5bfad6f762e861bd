"""Pixels have the right place and size on the ground, whatever the map."""

import math
import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning

from smalldet.imagery.ground import WGS84, located, read_ground, reprojected

METRES_A_DEGREE = 111_319.49  # of longitude at the equator


def picture(path, crs=None, transform=None, size=(40, 30), **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
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
            **options,
        ) as file:
            file.write(np.zeros((1, size[1], size[0]), np.uint8))
    return path


@pytest.mark.parametrize(
    ("crs", "transform", "expected"),
    [
        ("EPSG:32633", Affine(0.6, 0, 5e5, 0, -0.6, 5.4e6), 0.6),
        ("EPSG:32633", Affine(0.6, 0, 5e5, 0, -0.6, 5.4e6) * Affine.rotation(30), 0.6),
        ("EPSG:2263", Affine(1, 0, 1e6, 0, -1, 2e5), 0.3048006),  # New York, feet
        ("EPSG:4326", Affine(1e-5, 0, 10, 0, -1e-5, 0), 1.1095),
        # Web Mercator is stretched by 1 / cos(latitude): here, by two
        ("EPSG:3857", Affine(2, 0, 1e6, 0, -2, 8_399_737.9), 1.0),
    ],
)
def test_metres_on_the_ground(tmp_path, crs, transform, expected):
    ground = located(picture(tmp_path / "a.tif", crs, transform))
    assert ground.gsd_m() == pytest.approx(expected, rel=4e-3)


def test_degrees_shrink_with_latitude(tmp_path):
    path = picture(tmp_path / "a.tif", "EPSG:4326", Affine(1e-5, 0, 10, 0, -1e-5, 60))
    sides = located(path).pixel_sides_m()
    assert sides == pytest.approx((1e-5 * METRES_A_DEGREE / 2, 1.114), rel=5e-3)


def test_pixels_go_to_the_map_and_back(tmp_path):
    transform = Affine(0.5, 0.2, 5e5, 0.1, -0.5, 5.4e6)
    ground = located(picture(tmp_path / "a.tif", "EPSG:32633", transform))
    points = np.random.default_rng(0).random((20, 2)) * 100
    assert np.allclose(ground.to_pixels(ground.to_map(points)), points)
    corners = ground.outline()
    assert np.allclose(corners, ground.to_map(np.array([[0, 0], [40, 0], [40, 30], [0, 30]])))


def test_a_picture_over_the_date_line(tmp_path):
    path = picture(tmp_path / "a.tif", "EPSG:4326", Affine(0.01, 0, 179.8, 0, -0.01, 10))
    ground = located(path)
    assert np.allclose(ground.to_pixels(np.array([[-179.9, 9.9]])), [[30, 10]])
    assert np.allclose(ground.to_pixels(np.array([[180.1, 9.9]])), [[30, 10]])


def test_a_point_without_a_place_does_not_spoil_the_others():
    points = np.array([[15, 50], [15, 95], [16, 51], [np.nan, 3]], dtype=np.float64)
    moved = reprojected(points, WGS84, CRS.from_epsg(32633))
    assert np.isfinite(moved[[0, 2]]).all()
    assert not np.isfinite(moved[[1, 3]]).any()
    assert math.isclose(moved[0, 0], 500_000, abs_tol=1)


def test_control_points_place_a_picture(tmp_path):
    points = [GroundControlPoint(r, c, c * 0.1, -r * 0.1) for r in (0, 20) for c in (0, 30)]
    ground = located(picture(tmp_path / "control.tif", "EPSG:4326", gcps=points))
    assert np.allclose(ground.to_pixels(np.array([[1.55, -0.5]])), [[15.5, 5]])
    assert ground.gsd_m() == pytest.approx(0.1 * METRES_A_DEGREE, rel=1e-2)


def test_pictures_without_a_place_say_what_they_lack(tmp_path):
    plain = picture(tmp_path / "plain.tif")
    assert read_ground(plain) is None
    with pytest.raises(ValueError, match=r"plain\.tif: has no usable georeference; .* -a_ullr"):
        located(plain)
    no_crs = picture(tmp_path / "no_crs.tif", None, Affine(1, 0, 5, 0, -1, 5))
    with pytest.raises(ValueError, match=r"no_crs\.tif: has no usable coordinate system; "):
        located(no_crs)
    with pytest.raises(FileNotFoundError):
        located(tmp_path / "none.tif")

"""Shapes in degrees are cut at the date line and reach to the pole that they go round."""

import numpy as np
import shapely

from smalldet.imagery.date_line import round_pole, shape_in_degrees, unbroken

OVER_LINE = np.array([[179.0, 10], [-178, 10], [-178, 12], [179, 12], [179, 10]])
ROUND_NORTH = np.array([[0.0, 89], [90, 89], [180, 89], [-90, 89], [0, 89]])


def test_rings_are_in_one_piece():
    rings = np.stack((OVER_LINE, np.add(OVER_LINE, [360, 0]), OVER_LINE - [20, 0]))
    rings[0, :, 0] = (rings[0, :, 0] + 180) % 360 - 180
    whole = unbroken(rings)
    assert np.allclose(whole[:2, :, 0], [179, 182, 182, 179, 179])
    assert np.allclose(whole[2, :, 0], [159, 162, 162, 159, 159])
    assert round_pole(np.stack((OVER_LINE, ROUND_NORTH))).tolist() == [False, True]


def test_what_lies_on_the_line_is_cut_there():
    shape = shape_in_degrees(OVER_LINE)
    assert shape.geom_type == "MultiPolygon" and shape.is_valid
    assert [part.bounds for part in shape.geoms] == [(179, 10, 180, 12), (-180, 10, -178, 12)]
    assert all(part.exterior.is_ccw for part in shape.geoms)
    assert shape_in_degrees(OVER_LINE - [30, 0]).geom_type == "Polygon"


def test_a_ring_round_a_pole_reaches_to_it():
    for ring, south in ((ROUND_NORTH, False), (ROUND_NORTH * (-1, -1), True)):
        shape = shapely.union_all(shape_in_degrees(ring))
        assert shape.is_valid and shape.area == 360
        assert shape.bounds == ((-180, -90, 180, -89) if south else (-180, 89, 180, 90))

"""Places: what a file says of where its pixels lie, by whatever kind of georeference.

An affine transform, ground control points, or the rational polynomials (RPCs) of a satellite's
camera. Pixels are counted from the outer corner of the first one.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import TransformDirection
from rasterio.errors import CRSError, TransformError
from rasterio.io import DatasetReader
from rasterio.rpc import RPC
from rasterio.transform import GCPTransformer, RPCTransformer

from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.imagery.rasters import GDAL_ERRORS

Points = NDArray[np.float64]

WGS84 = CRS.from_epsg(4326)

MAX_SPLINE_POINTS = 1000
"""A thin plate spline solves as many equations at once."""
MAX_MISFIT_PX = 0.05
"""Where a polynomial leaves its control points further away, a spline through them is taken."""
RPC_ERROR_PX = 0.001

PRJ_SUFFIXES = (".prj", ".PRJ", ".qpj")


@dataclass(frozen=True, eq=False)
class ControlPoints:
    """Ground control points: a polynomial where it meets them all, else a thin plate spline."""

    points: tuple[GroundControlPoint, ...]

    @cached_property
    def _by_spline(self) -> bool:
        known = np.array([(p.x, p.y, p.col, p.row) for p in self.points], dtype=np.float64)
        if not 4 <= len(known) <= MAX_SPLINE_POINTS:
            return False
        misfit = self._moved(known[:, :2], TransformDirection.reverse, False) - known[:, 2:]
        return bool(np.abs(misfit).max() > MAX_MISFIT_PX)

    def to_map(self, points: Points) -> Points:
        """(N, 2) pixels to (N, 2) x, y."""
        return self._moved(points, TransformDirection.forward, self._by_spline)

    def to_pixels(self, points: Points) -> Points:
        """(N, 2) x, y to (N, 2) pixels."""
        return self._moved(points, TransformDirection.reverse, self._by_spline)

    def _moved(self, points: Points, way: TransformDirection, by_spline: bool) -> Points:
        with _explained(), GCPTransformer(list(self.points), tps=by_spline) as transformer:
            return _both(transformer._transform(*_columns(points, 0.0), way))


@dataclass(frozen=True, eq=False)
class RationalPolynomials:
    """A satellite camera's rational polynomials, on ground of one height.

    Args:
        rpcs: as the file has them.
        height_m: of the ground above the ellipsoid.
    """

    rpcs: RPC
    height_m: float

    def to_map(self, points: Points) -> Points:
        """(N, 2) pixels to (N, 2) longitude, latitude."""
        return self._moved(points, TransformDirection.forward)

    def to_pixels(self, points: Points) -> Points:
        """(N, 2) longitude, latitude to (N, 2) pixels."""
        return self._moved(points, TransformDirection.reverse)

    def _moved(self, points: Points, way: TransformDirection) -> Points:
        options = {"RPC_PIXEL_ERROR_THRESHOLD": RPC_ERROR_PX}
        with _explained(), RPCTransformer(self.rpcs, **options) as transformer:
            return _both(transformer._transform(*_columns(points, self.height_m), way))


MapTransform = Affine | ControlPoints | RationalPolynomials
"""From pixels to a map."""


def to_map(transform: MapTransform, points: Points) -> Points:
    """(N, 2) pixels to (N, 2) x, y on the map."""
    if isinstance(transform, Affine):
        return _by_affine(transform, points)
    return transform.to_map(points) if len(points) else points


def to_pixels(transform: MapTransform, points: Points) -> Points:
    """(N, 2) x, y on the map to (N, 2) pixels."""
    if isinstance(transform, Affine):
        return _by_affine(~transform, points)
    return transform.to_pixels(points) if len(points) else points


def affine_near(transform: MapTransform, point: tuple[float, float]) -> Affine:
    """The affine transform that is as good as `transform` close to a pixel."""
    if isinstance(transform, Affine):
        return transform
    x, y = point
    around = np.array([(x, y), (x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)], dtype=np.float64)
    middle, left, right, above, below = transform.to_map(around)
    (a, d), (b, e) = ((right - left) / 2).tolist(), ((below - above) / 2).tolist()
    there = Affine(a, b, float(middle[0]), d, e, float(middle[1]))
    return there * Affine.translation(-x, -y)


@dataclass(frozen=True)
class Place:
    """What a file says of its place.

    Args:
        crs: coordinate system, or None.
        transform: from pixels to `crs`, or None.
        remark: what a person should know of how it was found, or an empty text.
    """

    crs: CRS | None
    transform: MapTransform | None
    remark: str = ""


NOWHERE = Place(None, None)


def place_of(path: str, dataset: DatasetReader, options: ImageryOptions = USUAL) -> Place:
    """Where an open file lies, by its transform, its control points or its RPCs, in this order.

    Where the coordinate system is not in the file, it is read from a `.prj` beside it, or is the
    one that `options` assume.

    Raises:
        ValueError: the georeference is damaged: not finite, or all pixels lie on one line.
    """
    if dataset.transform != Affine.identity():
        _check(path, dataset.transform)
        crs = dataset.crs or _beside(path) or assumed_crs(options)
        remark = "" if crs else "has a place but no coordinate system; name it by --assume-crs"
        return Place(crs, dataset.transform, remark)
    points, points_crs = dataset.gcps
    if points:
        crs = points_crs or dataset.crs or _beside(path) or assumed_crs(options)
        remark = "" if crs else "has control points but no coordinate system; use --assume-crs"
        control = ControlPoints(tuple(cast("list[GroundControlPoint]", points)))
        _check_control(path, control, dataset.width, dataset.height)
        return Place(crs, control, remark)
    if dataset.rpcs is None:
        return Place(dataset.crs or None, None)
    rpcs = cast("RPC", dataset.rpcs)
    height_m = options.height_m
    remark = ""
    if height_m is None:
        height_m = rpcs.height_off
        remark = (
            f"is placed by RPCs on ground of {height_m:g} m, their mean; --height names another"
        )
    polynomials = RationalPolynomials(rpcs, height_m)
    _check_control(path, polynomials, dataset.width, dataset.height)
    return Place(WGS84, polynomials, remark)


def assumed_crs(options: ImageryOptions) -> CRS | None:
    """The coordinate system that `assume_crs` names.

    Raises:
        ValueError: it is unknown.
    """
    name = options.assume_crs
    try:
        return None if name is None else CRS.from_user_input(name)
    except CRSError as error:
        raise ValueError(f"assume-crs {name!r} is unknown; name one as EPSG:32633") from error


def _check(path: str, transform: Affine) -> None:
    numbers = transform[:6]
    if all(map(math.isfinite, numbers)) and transform.determinant != 0:
        return
    raise ValueError(
        f"{path}: its georeference is damaged: the transform is {list(numbers)}; set it anew with "
        "`gdal_edit -a_ullr ...` or take it away with `gdal_edit -unsetgt`"
    )


def _check_control(
    path: str, transform: ControlPoints | RationalPolynomials, width: int, height: int
) -> None:
    try:
        placed = transform.to_map(np.array([[0.0, 0.0], [width, height], [width / 2, height / 2]]))
    except ValueError as error:
        raise ValueError(f"{path}: its georeference places no pixels: {error}") from error
    if not np.isfinite(placed).all():
        raise ValueError(f"{path}: its control points or RPCs place no pixels; remove them")


def _beside(path: str) -> CRS | None:
    """The coordinate system in a `.prj` that lies beside a file with a world file."""
    file = Path(path)
    for suffix in PRJ_SUFFIXES:
        for beside in (file.with_suffix(suffix), Path(path + suffix)):
            try:
                text = beside.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            try:
                return CRS.from_wkt(text, morph_from_esri_dialect=True)
            except CRSError as error:
                raise ValueError(f"{beside}: is no coordinate system in WKT; mend it") from error
    return None


def _by_affine(transform: Affine, points: Points) -> Points:
    a, b, c, d, e, f = transform[:6]
    x, y = points[:, 0], points[:, 1]
    with np.errstate(invalid="ignore", over="ignore"):  # what has no place stays without one
        return np.stack((a * x + b * y + c, d * x + e * y + f), axis=1)


def _columns(points: Points, height_m: float) -> tuple[Points, Points, Points]:
    return points[:, 0].copy(), points[:, 1].copy(), np.full(len(points), height_m)


def _both(columns: object) -> Points:
    return np.stack(cast("tuple[Points, Points]", columns), axis=1).astype(np.float64)


@contextmanager
def _explained() -> Generator[None]:
    try:
        with rasterio.Env():  # GDAL would print outside of one
            yield
    except (*GDAL_ERRORS, TransformError, ValueError) as error:
        raise ValueError(str(error.__cause__ or error)) from error

"""Ground sample distance: metres on the ground for a pixel of a picture, and who says so.

In this order: what stands beside the picture for it, its georeference, a STAC item beside it, what
a drone's camera wrote into it. (What a person says goes before all of these.)
"""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from affine import Affine
from rasterio.crs import CRS

from smalldet.config.imagery import USUAL
from smalldet.imagery.drone_tags import read_drone_tags
from smalldet.imagery.ground import Ground
from smalldet.imagery.places import MapTransform, place_of
from smalldet.imagery.rasters import damage_named, open_dataset

TABLE = "gsd.csv"
MAX_SIDECAR_BYTES = 1 << 22
"""Larger JSON beside a picture holds labels, not facts of it."""


class Gsd(NamedTuple):
    """A ground sample distance.

    Args:
        metres: on the ground for a step of one pixel; None where it is not known.
        source: who says so, or why it is not known, in words for a person.
    """

    metres: float | None
    source: str


UNKNOWN = Gsd(None, "nothing tells its ground sample distance")


def find_gsd(
    name: str, width: int, height: int, crs: CRS | None, transform: MapTransform | None
) -> Gsd:
    """The distance of a picture's file.

    Args:
        name: path or URL; of what is no local file only the georeference is asked.
        width: pixels.
        height: pixels.
        crs: coordinate system of its map, or None.
        transform: from pixels to the map, or None.

    Raises:
        ValueError: what stands beside the picture says a distance that is no positive number.
    """
    path = Path(name)
    local = path.is_file()
    facts = _facts_beside(path) if local else {}
    said = _said(path, facts) if local else None
    if said is not None:
        return said
    metres = _on_ground(path, (width, height), crs, transform)
    if metres is not None:
        return Gsd(metres, "by its georeference")
    stac = _stac(path, facts)
    if stac is not None:
        return stac
    tags = read_drone_tags(path, (width, height)) if local else None
    if tags is None:
        return UNKNOWN
    if tags.is_nadir:
        return Gsd(tags.gsd_m, "by its drone's height and lens")
    view = "somewhere" if tags.pitch_degree is None else f"at {tags.pitch_degree:g} degrees"
    return Gsd(None, f"its drone's camera looked {view}, not straight down (-90 degrees)")


def _on_ground(
    path: Path, size: tuple[int, int], crs: CRS | None, transform: MapTransform | None
) -> float | None:
    """What a georeference says, if it is a usable one."""
    if crs is None or transform is None:
        return None
    if isinstance(transform, Affine) and not transform.determinant:
        return None
    metres = Ground(path, *size, crs, transform).gsd_m()
    return metres if metres is not None and math.isfinite(metres) and metres > 0 else None


def read_gsd(path: Path) -> Gsd:
    """As `find_gsd`, from a file's header alone.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or it is no picture.
    """
    with open_dataset(str(path)) as dataset, damage_named(str(path)):
        place = place_of(str(path), dataset, USUAL)
        return find_gsd(str(path), dataset.width, dataset.height, place.crs, place.transform)


def _said(path: Path, facts: dict[Path, dict[str, Any]]) -> Gsd | None:
    """What a person wrote beside the picture: `gsd_m` in a JSON of its name, or in a table."""
    for file, content in facts.items():
        if "gsd_m" in content:
            return Gsd(_positive(content["gsd_m"], f"{file}: gsd_m"), f"by {file.name}")
    table = path.parent / TABLE
    if not table.is_file():
        return None
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{table}: cannot be read as a table: {error}") from error
    if rows and not {"picture", "gsd_m"} <= rows[0].keys():
        raise ValueError(f"{table}: its first line must be picture,gsd_m")
    for number, row in enumerate(rows, start=2):
        if row["picture"] == path.name:
            where = f"{table}: line {number}: gsd_m"
            return Gsd(_positive(row["gsd_m"], where), f"by {TABLE}")
    return None


def _stac(path: Path, facts: dict[Path, dict[str, Any]]) -> Gsd | None:
    """Of a STAC item: its asset of the picture's name goes before the whole item."""
    for file, item in facts.items():
        if "stac_version" not in item:
            continue
        assets, whole = item.get("assets"), item.get("properties")
        places = [a for a in assets.values() if _shows(a, path)] if isinstance(assets, dict) else []
        for place in (*places, whole):
            if isinstance(place, dict) and place.get("gsd") is not None:
                return Gsd(_positive(place["gsd"], f"{file}: gsd"), f"by the STAC item {file.name}")
    return None


def _shows(asset: object, path: Path) -> bool:
    return isinstance(asset, dict) and str(asset.get("href", "")).rsplit("/", 1)[-1] == path.name


def _facts_beside(path: Path) -> dict[Path, dict[str, Any]]:
    """{file: object} of the JSON files that bear the picture's name; others are not for us."""
    found: dict[Path, dict[str, Any]] = {}
    for file in (path.with_name(f"{path.name}.json"), path.with_suffix(".json")):
        if file == path or not file.is_file() or file.stat().st_size > MAX_SIDECAR_BYTES:
            continue
        try:
            content = json.loads(file.read_bytes())
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            found[file] = content
    return found


def _positive(value: object, where: str) -> float:
    try:
        metres = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        metres = math.nan
    if not (math.isfinite(metres) and metres > 0):
        raise ValueError(f"{where} must be metres a pixel, over 0, not {value!r}")
    return metres

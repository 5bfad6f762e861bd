"""Where what changed goes: one file of all layers, or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smalldet.changing.options import ChangeOptions
from smalldet.inference.destinations import check_writable
from smalldet.inference.writers.geojson import save_geojson
from smalldet.inference.writers.geopackage import save_geopackage
from smalldet.inference.writers.geoparquet import check_pyarrow
from smalldet.inference.writers.layer_formats import LAYER_FORMATS, whole_or_not
from smalldet.inference.writers.layers import Layer
from smalldet.inference.writers.zoning import check_zones
from smalldet.inference.zone_kinds import ZoneFile, parse_zones


def check_output(out: Path, origins: Sequence[str], options: ChangeOptions) -> None:
    """Find what would fail at the end before the work begins.

    Raises:
        FileNotFoundError, OSError, ValueError: the file cannot be written so, would overwrite what
            is read, or zones cannot be read.
    """
    suffix = out.suffix.lower()
    if suffix not in LAYER_FORMATS:
        raise ValueError(
            f"{out}: changes cannot be written so; they can as {', '.join(LAYER_FORMATS)}"
        )
    if suffix == ".parquet":
        check_pyarrow(out)
    if suffix == ".kml" and options.crs is not None:
        raise ValueError(f"{out}: KML has longitude and latitude only; leave out --crs")
    for zones in options.zones:
        check_zones(zones)
    files = [kind.path for kind in map(parse_zones, options.zones) if isinstance(kind, ZoneFile)]
    for read in (*files, *map(Path, origins)):
        if read.absolute() == out.absolute():
            raise ValueError(f"{read}: would be overwritten; name another file to write to")
    check_writable(out)


def write_layers(
    out: Path, changes: Layer, tables: Sequence[Layer], options: ChangeOptions
) -> list[Path]:
    """All layers in a GeoPackage; else one file for each, the changes of two dates in `out`.

    Of more dates it is the first table that lies in `out`.

    Raises:
        OSError, ValueError: a file cannot be written.
    """
    if out.suffix.lower() == ".gpkg":
        with whole_or_not(out) as draft:
            save_geopackage(draft, changes, *tables)
        return [out]
    over_time = "date" in tables[0].columns
    first, *others = (*tables, changes) if over_time else (changes, *tables)
    files = {out: first}
    files |= {out.with_name(f"{out.stem}_{one.name}{out.suffix}"): one for one in others}
    save = LAYER_FORMATS[out.suffix.lower()]
    if out.suffix.lower() == ".geojson" and options.crs is not None:
        save = save_geojson
    for path, layer in files.items():
        with whole_or_not(path) as draft:
            save(draft, layer)
    return list(files)

"""What a layer can be saved as, and where counts go."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from smalldet.atomic_write import atomic_write
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers.counting import count_layer
from smalldet.inference.writers.gdal_files import (
    SHAPEFILE_PARTS,
    STALE_PARTS,
    in_degrees,
    save_flatgeobuf,
    save_kml,
    save_shapefile,
)
from smalldet.inference.writers.geojson import save_geojson
from smalldet.inference.writers.geopackage import save_geopackage
from smalldet.inference.writers.geoparquet import check_pyarrow, save_geoparquet
from smalldet.inference.writers.layers import Layer
from smalldet.inference.writers.tables import save_csv
from smalldet.inference.writers.zoning import check_zones


def _save_geojson_in_degrees(path: Path, layer: Layer) -> None:
    save_geojson(path, layer if layer.crs is None else in_degrees(layer, path))


LAYER_FORMATS: dict[str, Callable[[Path, Layer], None]] = {
    ".gpkg": save_geopackage,
    ".geojson": _save_geojson_in_degrees,
    ".fgb": save_flatgeobuf,
    ".parquet": save_geoparquet,
    ".shp": save_shapefile,
    ".kml": save_kml,
    ".csv": save_csv,
}
"""What counts can be written as."""


def check_counts(out: Path, maps: MapOptions) -> None:
    """Find what would fail at the end before the work begins.

    Raises:
        FileNotFoundError, ValueError: zones cannot be read, or counts cannot be written so.
    """
    if maps.count_in is None:
        return
    check_zones(maps.count_in)
    path = counts_file(out, maps)
    if Path(maps.count_in).absolute() in (out.absolute(), path and path.absolute()):
        raise ValueError(f"{maps.count_in}: would be overwritten; name another file to write to")
    if path is None:
        return
    if path.suffix.lower() not in LAYER_FORMATS:
        raise ValueError(
            f"{path}: counts cannot be written so; they can as {', '.join(LAYER_FORMATS)}"
        )
    if path.absolute() == out.absolute():
        raise ValueError(f"{path}: is the file of the detections; name another for the counts")
    if path.suffix.lower() == ".parquet":
        check_pyarrow(path)


def write_counts(out: Path, results: Sequence[Result], maps: MapOptions) -> list[Path]:
    """The counts where they have a file of their own.

    Raises:
        OSError: it cannot be written.
        ValueError: what is counted in does not fit the pictures, or the format.
    """
    path = counts_file(out, maps)
    if path is None or maps.count_in is None:
        return []
    layer = count_layer(results, maps.count_in)
    with whole_or_not(path) as draft:
        LAYER_FORMATS[path.suffix.lower()](draft, layer)
    return [path]


def counts_file(out: Path, maps: MapOptions) -> Path | None:
    """Where counts go beside the results; None where there are none or they are a layer of these.

    `cars.shp` has its counts in `cars_counts.shp`; formats that hold no layer have them in GeoJSON.
    """
    if maps.count_in is None or (maps.counts is None and out.suffix.lower() == ".gpkg"):
        return None
    if maps.counts is not None:
        return maps.counts
    suffix = out.suffix if out.suffix.lower() in LAYER_FORMATS else ".geojson"
    return out.with_name(f"{out.stem}_counts{suffix}")


@contextmanager
def whole_or_not(path: Path) -> Generator[Path]:
    """As `atomic_write`, and for a Shapefile with its parts.

    Each is written beside the draft under its suffix; they take their places before the file does.
    Errors that name the draft name `path`.
    """
    parts = SHAPEFILE_PARTS if path.suffix.lower() == ".shp" else ()
    with ExitStack() as drafts:
        draft = drafts.enter_context(atomic_write(path))
        for suffix in parts:
            drafts.enter_context(atomic_write(path.with_suffix(suffix)))
        try:
            yield draft
        except ValueError as error:
            raise ValueError(str(error).replace(str(draft), str(path))) from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise OSError(str(error).replace(str(draft), str(path))) from error
    for suffix in STALE_PARTS if parts else ():
        path.with_suffix(suffix).unlink(missing_ok=True)

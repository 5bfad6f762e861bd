"""Results as clients want them: JSON, a file of any format, or a folder of files as a zip."""

from __future__ import annotations

import mimetypes
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers import write
from smalldet.inference.writers.coco_results import check_ids
from smalldet.inference.writers.table import WRITER_OF_NAME, WRITERS
from smalldet.inference.writers.tables import rounded
from smalldet.serving.refusals import Refusal, public_text

FORMATS = ("json", *(writer.name for writer in WRITERS))
MEDIA_TYPES = {
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".kml": "application/vnd.google-earth.kml+xml",
    ".parquet": "application/vnd.apache.parquet",
}


@dataclass(frozen=True)
class Delivery:
    """A file to send.

    Args:
        path: where it lies.
        name: what it is called.
        media_type: of HTTP.
    """

    path: Path
    name: str
    media_type: str


def as_json(result: Result) -> dict[str, Any]:
    """A result as plain values: boxes are x1, y1, x2, y2 in pixels."""
    found = result.detections
    columns: dict[str, Any] = {
        "class": found.named(),
        "score": rounded(found.scores.numpy(), 5).tolist(),
        "box": rounded(found.boxes.numpy(), 3).tolist(),
    }
    if found.rboxes is not None:
        columns["rbox"] = rounded(found.rboxes.numpy(), 6).tolist()
    rows = zip(*columns.values(), strict=True)
    return {
        "name": result.name,
        "width": result.width,
        "height": result.height,
        "gsd_m": result.gsd_m,
        "counts": found.counts(),
        "detections": [dict(zip(columns, row, strict=True)) for row in rows],
    }


def check_format(name: str) -> None:
    """Raises Refusal where there is no such format."""
    if name not in FORMATS:
        raise Refusal(422, f"there is no format {name!r}; there are {', '.join(FORMATS)}")


def deliver(result: Result, wanted: str, folder: Path, ids: Path | None = None) -> Delivery:
    """Write a result in one of the formats of the table; several files become a zip.

    Args:
        result: what was found.
        wanted: the format's name.
        folder: empty, to write into.
        ids: labelled set whose ids COCO's list of results takes.

    Raises:
        Refusal: the format cannot hold the result.
    """
    writer = WRITER_OF_NAME[wanted]
    if writer.check is check_ids and ids is None:
        raise Refusal(422, f"{wanted} needs the ids of a labelled set: serve with --truth")
    inner = folder / "files"
    inner.mkdir()
    out = inner if writer.write is None else inner / f"detections{writer.suffixes[0]}"
    maps = MapOptions(format=wanted, ids=ids if writer.check is check_ids else None)
    try:
        write(out, [_as_named(result, wanted)], maps)
    except (ValueError, OSError) as error:
        names = {str(out): wanted, str(inner): wanted, str(ids): "the labelled set"}
        raise Refusal(422, public_text(str(error), names)) from error
    files = [path for path in sorted(inner.rglob("*")) if _is_ours(path)]
    stem = PurePosixPath(result.name).stem or "picture"
    if writer.write is not None and len(files) == 1:
        suffix = out.suffix
        media = MEDIA_TYPES.get(suffix) or mimetypes.types_map.get(suffix)
        return Delivery(out, f"{stem}{suffix}", media or "application/octet-stream")
    packed = folder / "files.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(inner))
    return Delivery(packed, f"{stem}-{wanted}.zip", "application/zip")


def _as_named(result: Result, wanted: str) -> Result:
    """Label Studio's tasks name a picture with the folder that it is in, which no client knows."""
    if wanted != "label-studio" or "/" in result.name:
        return result
    return replace(result, name=f"pictures/{result.name}")


def _is_ours(path: Path) -> bool:
    """What was written, and no picture that is linked to or copied."""
    return path.is_file() and not path.is_symlink() and path.parent.name != "data"

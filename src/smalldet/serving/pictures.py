"""Pictures of strangers: recognised by their first bytes, held against limits, then opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.imagery import Scene, open_scene
from smalldet.imagery.headers import Header, read_header
from smalldet.serving.refusals import Refusal, refused

# One driver of GDAL for each: left to itself GDAL takes a file that begins as a JPEG and holds the
# text of a virtual raster for the latter, and reads the files that it names.
BEGINNINGS = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),
    (b"MM\0+", "GTiff"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"GIF8", "GIF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JP2OpenJPEG"),
)
SUFFIX = {
    "GTiff": ".tif",
    "JPEG": ".jpg",
    "PNG": ".png",
    "BMP": ".bmp",
    "GIF": ".gif",
    "WEBP": ".webp",
    "JP2OpenJPEG": ".jp2",
}
DECODED_WHOLE = frozenset(("JPEG", "PNG", "BMP", "GIF", "WEBP"))
MAX_BYTES_PER_PX = 16
"""Of all bands: four of 32 bits."""


def driver_of(path: Path, name: str) -> str:
    """GDAL's driver for a file, by its first bytes.

    Raises:
        Refusal: it is no picture of a kind that is served.
    """
    with path.open("rb") as file:
        start = file.read(16)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    for beginning, driver in BEGINNINGS:
        if start.startswith(beginning):
            return driver
    kinds = ", ".join(suffix[1:] for suffix in SUFFIX.values())
    raise Refusal(415, f"{name}: is no picture of a kind that is served here: {kinds}")


def open_picture(
    path: Path,
    name: str,
    max_px: float,
    bands: Sequence[int] | None = None,
    imagery: ImageryOptions = USUAL,
    max_decoded_px: float | None = None,
) -> Scene:
    """A picture as a scene under the name that its client knows.

    Args:
        path: the file.
        name: what the client calls it.
        max_px: most pixels.
        bands: bands to read where `imagery` names none.
        imagery: how it is read.
        max_decoded_px: most pixels of a picture that has to be decoded whole, if that is less.

    Raises:
        Refusal: it is no picture, is damaged, or is too large.
    """
    driver = driver_of(path, name)
    imagery = imagery.model_copy(update={"driver": driver})
    if driver in DECODED_WHOLE and max_decoded_px is not None:
        max_px = min(max_px, max_decoded_px)
    try:
        _check_size(read_header(str(path), imagery), name, max_px)
        scene = open_scene(str(path), imagery.bands or bands, options=imagery)
    except (ValueError, OSError) as error:
        raise refused(error, path, name) from error
    try:
        _ = scene.gsd  # found by the file's own name, and kept
    except ValueError as error:
        scene.close()
        raise refused(error, path, name) from error
    scene.name = name
    return scene


def _check_size(header: Header, name: str, max_px: float) -> None:
    num_px = header.width * header.height
    size = f"{header.width} x {header.height} px"
    if num_px > max_px:
        raise Refusal(413, f"{name}: {size} are more than {max_px / 1e6:g} megapixels")
    num_bytes = sum(np.dtype(band.dtype).itemsize for band in header.layout.bands)
    if num_px * num_bytes > MAX_BYTES_PER_PX * max_px:
        raise Refusal(413, f"{name}: {size} of {num_bytes} bytes are more than is served here")

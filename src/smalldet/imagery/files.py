"""Opening files: ordinary pictures are decoded once, large rasters are read by windows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affine import Affine
from PIL import Image, UnidentifiedImageError
from rasterio.crs import CRS
from rasterio.io import DatasetReader

from smalldet.imagery.pixels import ArrayPixels, Pixels, pil_pixels
from smalldet.imagery.png_chunks import check_png
from smalldet.imagery.rasters import RasterPixels, damage_named, ignoring, open_dataset
from smalldet.imagery.tiff_blocks import checked_blocks

# These formats can only be decoded from their first row on: reading them by windows would decode
# them again and again, so they are decoded once where memory allows. The limit lies under the
# size at which Pillow refuses a picture.
SEQUENTIAL_DRIVERS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_DECODED_PX = 170_000_000

# DEFLATE packs at most 1,032 to 1, and a pixel has at least one bit; JPEG, GIF and BMP pack less.
# WebP has no limit.
MAX_PIXELS_PER_BYTE = 8 * 1100
SLACK_PX = 1 << 22


@dataclass(frozen=True)
class Opened:
    """A file's pixels, and where on earth they lie if they do."""

    pixels: Pixels
    crs: CRS | None
    transform: Affine | None


def open_file(path: str) -> Opened:
    """Open a local file or anything else that GDAL can name.

    A picture without a georeference is turned upright as its EXIF orientation says.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture, is damaged, or claims a size that it cannot hold.
    """
    dataset = open_dataset(path)
    with damage_named(path):
        return _opened(path, dataset)


def _opened(path: str, dataset: DatasetReader) -> Opened:
    transform = None if dataset.transform == Affine.identity() else dataset.transform
    crs = dataset.crs or None
    local = Path(path).is_file()
    if dataset.driver not in SEQUENTIAL_DRIVERS:
        return Opened(_by_windows(path, dataset, local), crs, transform)
    num_px = dataset.width * dataset.height
    size = f"{dataset.width} x {dataset.height} px"
    if local:
        _check_sequential(path, dataset, size)
    deep_colour = dataset.count > 1 and dataset.dtypes[0] != "uint8"  # Pillow would cut it to 8 bit
    if local and num_px <= MAX_DECODED_PX and not deep_colour:
        dataset.close()
        return Opened(_decoded(path, upright=transform is None), crs, transform)
    orientation = dataset.tags().get("EXIF_Orientation", "1")
    if transform is None and orientation not in ("0", "1"):
        raise ValueError(
            f"{path}: a remote or very large picture ({size}) is not turned as its EXIF "
            f"orientation {orientation} asks; save it upright, best as a tiled GeoTIFF"
        )
    return Opened(RasterPixels(path, dataset, max_handles=1), crs, transform)


def _by_windows(path: str, dataset: DatasetReader, local: bool) -> RasterPixels:
    """Pixels of a raster that is read by windows, held to its own directory of blocks first."""
    blocks = None
    if local and dataset.driver in ("GTiff", "COG"):
        try:
            blocks = checked_blocks(path, dataset.width, dataset.height)
        except ValueError:
            dataset.close()
            raise
    return RasterPixels(path, dataset, blocks=blocks)


def _check_sequential(path: str, dataset: DatasetReader, size: str) -> None:
    """Hold a picture's header and end against its file, before memory is taken for its pixels."""
    most = MAX_PIXELS_PER_BYTE * Path(path).stat().st_size + SLACK_PX
    claims_too_much = dataset.width * dataset.height > most and dataset.driver != "WEBP"
    try:
        if claims_too_much:
            raise ValueError(f"{path}: its header claims {size}, which so small a file cannot hold")
        if dataset.driver == "PNG":
            check_png(path)
    except ValueError:
        dataset.close()
        raise


def _decoded(path: str, upright: bool) -> ArrayPixels:
    try:
        with ignoring(Image.DecompressionBombWarning):  # large pictures are what this is for
            image = Image.open(path)
        with image:
            return pil_pixels(image, upright)
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: cannot be read as a picture") from error
    # other packages change what Pillow opens, and ask for plugins that are not there
    except (OSError, SyntaxError, ValueError, ImportError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: is damaged or cut short: {error}") from error

"""Opening files: ordinary pictures are decoded once, large rasters are read by windows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affine import Affine
from PIL import Image, UnidentifiedImageError
from rasterio.crs import CRS

from smalldet.imagery.pixels import ArrayPixels, Pixels, pil_pixels
from smalldet.imagery.rasters import RasterPixels, ignoring, open_dataset

# These formats can only be decoded from their first row on: reading them by windows would decode
# them again and again, so they are decoded once where memory allows. The limit lies under the
# size at which Pillow refuses a picture.
SEQUENTIAL_DRIVERS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_DECODED_PX = 170_000_000

# DEFLATE packs at most 1,032 to 1, and a pixel has at least one bit.
MAX_PIXELS_PER_BYTE = 8 * 1100


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
    transform = None if dataset.transform == Affine.identity() else dataset.transform
    crs = dataset.crs or None
    if dataset.driver not in SEQUENTIAL_DRIVERS:
        return Opened(RasterPixels(path, dataset), crs, transform)
    num_px, local = dataset.width * dataset.height, Path(path).is_file()
    deep_colour = dataset.count > 1 and dataset.dtypes[0] != "uint8"  # Pillow would cut it to 8 bit
    if local and num_px <= MAX_DECODED_PX and not deep_colour:
        dataset.close()
        return Opened(_decoded(path, upright=transform is None), crs, transform)
    size = f"{dataset.width} x {dataset.height} px"
    if local and num_px > MAX_PIXELS_PER_BYTE * Path(path).stat().st_size:
        raise ValueError(f"{path}: its header claims {size}, which so small a file cannot hold")
    orientation = dataset.tags().get("EXIF_Orientation", "1")
    if transform is None and orientation not in ("0", "1"):
        raise ValueError(
            f"{path}: a remote or very large picture ({size}) is not turned as its EXIF "
            f"orientation {orientation} asks; save it upright, best as a tiled GeoTIFF"
        )
    return Opened(RasterPixels(path, dataset, max_handles=1), crs, transform)


def _decoded(path: str, upright: bool) -> ArrayPixels:
    try:
        with ignoring(Image.DecompressionBombWarning):  # large pictures are what this is for
            image = Image.open(path)
        with image:
            return pil_pixels(image, upright)
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: cannot be read as a picture") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: is damaged or cut short: {error}") from error

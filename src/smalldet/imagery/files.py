"""Opening files: ordinary pictures are decoded once, large rasters are read by windows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.imagery.bands import alpha_is_mask, colour_bands
from smalldet.imagery.mosaic_pixels import MosaicPixels
from smalldet.imagery.mosaics import Mosaic
from smalldet.imagery.pixels import ArrayPixels, Pixels, pil_pixels
from smalldet.imagery.places import Place, place_of
from smalldet.imagery.png_chunks import check_png
from smalldet.imagery.rasters import RasterPixels, damage_named, ignoring, open_dataset
from smalldet.imagery.tiff_blocks import TiffBlocks, checked_blocks
from smalldet.imagery.virtual_rasters import Layout, Part, virtual_raster

# These formats can only be decoded from their first row on: reading them by windows would decode
# them again and again, so they are decoded once where memory allows. The limit lies under the
# size at which Pillow refuses a picture.
SEQUENTIAL_DRIVERS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_DECODED_PX = 170_000_000

# DEFLATE packs at most 1,032 to 1, and a pixel has at least one bit; JPEG, GIF and BMP pack less.
# WebP has no limit.
MAX_PIXELS_PER_BYTE = 8 * 1100
SLACK_PX = 1 << 22


# JPEG's mark of the end; some cameras and programs write a little behind it.
JPEG_END, JPEG_TAIL_BYTES = b"\xff\xd9", 4096


@dataclass(frozen=True)
class Opened:
    """Pixels of a file or mosaic, and where on earth they lie if they do.

    Args:
        pixels: the values.
        place: where they lie.
        remarks: what a person should know of how they are read.
    """

    pixels: Pixels
    place: Place
    remarks: tuple[str, ...] = ()


def open_file(path: str, options: ImageryOptions = USUAL) -> Opened:
    """Open a local file or anything else that GDAL can name.

    A picture without a georeference is turned upright as its EXIF orientation says.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture, is damaged, or claims a size that it cannot hold.
    """
    dataset = open_dataset(path, driver=options.driver)
    with damage_named(path):
        return _opened(path, dataset, options)


def open_mosaic(mosaic: Mosaic, options: ImageryOptions = USUAL) -> Opened:
    """Open adjoining files as one picture.

    Raises:
        FileNotFoundError, ValueError: a file is gone, was changed, or is damaged.
    """
    for part in mosaic.parts:
        with open_dataset(part.path) as dataset, damage_named(part.path):
            if (dataset.width, dataset.height) != (part.width, part.height):
                raise ValueError(f"{part.path}: has changed since its size was read; start anew")
            _check_before_windows(part.path, dataset)
    dataset = open_dataset(mosaic.virtual_raster(options.nodata), mosaic.name)
    with damage_named(mosaic.name):
        found, remarks = _facts(dataset)
        pixels = MosaicPixels(mosaic, dataset, options.nodata, **found)
    return Opened(pixels, Place(mosaic.crs, mosaic.transform), remarks)


def _opened(path: str, dataset: DatasetReader, options: ImageryOptions) -> Opened:
    place = place_of(path, dataset, options)
    placed = place.transform is not None
    remarks = (place.remark,) if place.remark else ()
    local = Path(path).is_file()
    sequential = dataset.driver in SEQUENTIAL_DRIVERS
    deep_colour = dataset.count > 1 and dataset.dtypes[0] != "uint8"  # Pillow would cut it to 8 bit
    if local and sequential and dataset.width * dataset.height <= MAX_DECODED_PX:
        _check_sequential(path, dataset)
        if not deep_colour:
            dataset.close()
            pixels = _decoded(path, upright=not placed)
            nodata = options.nodata
            return Opened(pixels if nodata is None else pixels.without(nodata), place, remarks)
    blocks = _check_before_windows(path, dataset) if local else None
    orientation = dataset.tags().get("EXIF_Orientation", "1")
    if sequential and not placed and orientation not in ("0", "1"):
        size = f"{dataset.width} x {dataset.height} px"
        raise ValueError(
            f"{path}: a remote or very large picture ({size}) is not turned as its EXIF "
            f"orientation {orientation} asks; save it upright, best as a tiled GeoTIFF"
        )
    found, told = _facts(dataset)
    if sequential:
        found["max_handles"] = 1
    target, driver = path, options.driver
    if options.nodata is not None:
        part = Part(path, 0, 0, dataset.width, dataset.height)
        layout = Layout.of(dataset)
        target = virtual_raster(part.width, part.height, layout, [part], options.nodata)
        driver = None
        dataset.close()
        dataset = open_dataset(target, path)
    pixels = RasterPixels(target, dataset, path, blocks=blocks, driver=driver, **found)
    return Opened(pixels, place, (*remarks, *told))


def _facts(dataset: DatasetReader) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What `RasterPixels` wants to know of a file's bands, and what to tell of it."""
    found: dict[str, Any] = {"colour_bands": colour_bands(dataset)}
    if ColorInterp.alpha in dataset.colorinterp and not dataset.dtypes[0].startswith("float"):
        alpha = dataset.colorinterp.index(ColorInterp.alpha) + 1
        if not alpha_is_mask(dataset, alpha):
            found["ignores_alpha"] = True
            return found, (
                f"band {alpha} is marked alpha, but holds a picture as an infrared band does; "
                "it is not taken as a mask",
            )
    return found, ()


def _check_before_windows(path: str, dataset: DatasetReader) -> TiffBlocks | None:
    """Hold a local file that is read by windows against its own directory.

    Returns:
        which of its blocks hold pixels, where some do not.
    """
    try:
        if dataset.driver in ("GTiff", "COG"):
            return checked_blocks(path, dataset.width, dataset.height)
        if dataset.driver in SEQUENTIAL_DRIVERS:
            _check_sequential(path, dataset)
            if dataset.driver == "JPEG":
                _check_jpeg_end(path)
    except ValueError:
        dataset.close()
        raise
    return None


def _check_jpeg_end(path: str) -> None:
    """GDAL fills what is missing from a JPEG with grey."""
    with Path(path).open("rb") as file:
        num_bytes = file.seek(0, 2)
        file.seek(max(0, num_bytes - JPEG_TAIL_BYTES))
        if JPEG_END not in file.read():
            raise ValueError(f"{path}: is damaged or cut short: it has no end")


def _check_sequential(path: str, dataset: DatasetReader) -> None:
    """Hold a picture's header and end against its file, before memory is taken for its pixels."""
    size = f"{dataset.width} x {dataset.height} px"
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

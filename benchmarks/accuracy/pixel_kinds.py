"""What kinds of pixels cost: objects of one picture, written in many ways, against its plain 8 bit.

    python -m benchmarks.accuracy.pixel_kinds [--model speck-n-aerial] [--kinds ...] [--side 1600]

One real picture is written as files of other bands, depths and values without data, and each is
read as `predict` reads it, with the options that its row names. Recall is the share of the plain
picture's objects that are found again, by class, at IoU 0.5; objects on ground that was painted
empty do not count.
Rows of a markdown table are printed as they are measured.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import rasterio
from affine import Affine
from cyclopts import Parameter, run
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import ColorInterp
from torch import Tensor
from torchvision.ops import box_iou

from benchmarks.sets import shared_folder
from smalldet.detections import Detections
from smalldet.imagery import ImageryOptions, open_scene
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.tile_models import open_tile_model

PICTURE = "data/large_aerial_car_photo/images/DJI_0020.JPG"
EMPTY_FRAC = 0.3
"""Part of the picture, at the top, that the kinds with values without data have empty."""
C = ColorInterp
EIGHT = ("coastal", "blue", "green", "yellow", "red", "red edge", "near infrared", "nir 2")
EIGHT_COLOURS = (C.coastal, C.blue, C.green, C.yellow, C.red, C.rededge, C.nir, C.nir)

Pixels = NDArray[Any]


def infrared(rgb: Pixels) -> Pixels:
    """A band that looks like an infrared one: plants bright, the rest as in red."""
    red, green, _ = rgb.astype(np.int32)
    return np.clip(red // 2 + np.clip(3 * (green - red), 0, 255), 0, 255).astype(np.uint8)


def bgrn(rgb: Pixels) -> Pixels:
    return np.stack((rgb[2], rgb[1], rgb[0], infrared(rgb)))


def eight(rgb: Pixels) -> Pixels:
    """The bands of WorldView-2."""
    red, green, blue = rgb
    yellow = ((red.astype(np.uint16) + green) // 2).astype(np.uint8)
    nir = infrared(rgb)
    return np.stack((blue // 2, blue, green, yellow, red, (red // 2 + nir // 2), nir, nir))


def deep(pixels: Pixels) -> Pixels:
    """Reflectances by 10,000 from 200 to 3,260."""
    return (pixels.astype(np.uint16) * 12 + 200).astype(np.uint16)


def empty(pixels: Pixels, value: float, dtype: str) -> Pixels:
    painted = pixels.astype(dtype)
    painted[:, : int(painted.shape[1] * EMPTY_FRAC)] = value
    return painted


Kind = tuple[Callable[[Pixels], Pixels], dict[str, Any]]
KINDS: dict[str, Kind] = {
    "8 bit": (lambda p: p, {}),
    "16 bit, 0 to 65535": (lambda p: p.astype(np.uint16) * 257, {}),
    "16 bit, reflectances": (deep, {}),
    "16 bit, reflectances, --stretch 200,3260": (
        deep,
        {"options": ImageryOptions(stretch="200,3260")},
    ),
    "float, 0 to 1": (lambda p: (p / 255).astype(np.float32), {}),
    "BGRN by colour": (bgrn, {"colours": (C.blue, C.green, C.red, C.nir)}),
    "BGRN by names, 16 bit": (lambda p: deep(bgrn(p)), {"names": ("B", "G", "R", "N")}),
    "RGBN, N marked alpha": (
        lambda p: np.stack((*p, infrared(p))),
        {"colours": (C.red, C.green, C.blue, C.alpha)},
    ),
    "8 bands by names, 16 bit": (lambda p: deep(eight(p)), {"names": EIGHT}),
    "8 bands by colour, 16 bit": (lambda p: deep(eight(p)), {"colours": EIGHT_COLOURS}),
    "8 bands, satellite WV02": (lambda p: deep(eight(p)), {"satellite": "WV02"}),
    "8 bands without names": (lambda p: deep(eight(p)), {}),
    "8 bands without names, --bands 5 3 2": (
        lambda p: deep(eight(p)),
        {"options": ImageryOptions(bands=(5, 3, 2))},
    ),
    "-9999 tagged": (lambda p: empty(deep(p), -9999, "int16"), {"nodata": -9999}),
    "-9999 untagged": (lambda p: empty(deep(p), -9999, "int16"), {}),
    "-9999 untagged, float": (lambda p: empty(deep(p), -9999, "float32"), {}),
    "-3.4e38 untagged, float": (lambda p: empty(deep(p), -3.4e38, "float32"), {}),
    "NaN, float": (lambda p: empty(deep(p), np.nan, "float32"), {}),
    "0 untagged, 16 bit": (lambda p: empty(deep(p), 0, "uint16"), {}),
    "65535 untagged, 16 bit": (lambda p: empty(deep(p), 65535, "uint16"), {}),
}


def main(
    *,
    model: str = "speck-n-aerial",
    kinds: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = tuple(KINDS),
    side: Annotated[int | None, Parameter(help="Of a part of the picture; all without.")] = None,
    shared: Path | None = None,
    device: str = "auto",
) -> None:
    """Print recall against the plain picture for each kind of pixels."""
    with Image.open(shared_folder(shared) / PICTURE) as picture:
        plain = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)[:, :side, -(side or 0) :]
    predictor = Predictor(open_tile_model(model, device=device, backend="torch"), PredictOptions())
    expected = predictor.predict(plain.transpose(1, 2, 0).copy())
    print("| pixels | bands read | objects | recall | what is said |\n|---|---|---:|---:|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in kinds:
            write, facts = KINDS[name]
            path = Path(folder) / "picture.tif"
            options = facts.get("options", ImageryOptions())
            save(path, write(plain), **{k: v for k, v in facts.items() if k != "options"})
            with open_scene(path, options=options) as scene:
                found = predictor.predict(scene)
                bands, remarks = " ".join(map(str, scene.bands)), "; ".join(scene.remarks)
            wanted = expected
            if "tagged" in name or "NaN" in name:
                wanted = expected[expected.boxes[:, 1] > plain.shape[1] * EMPTY_FRAC + 2]
            share = recall(wanted, found)
            print(f"| {name} | {bands} | {len(wanted)} | {share:.2f} | {remarks} |", flush=True)


def save(
    path: Path,
    values: Pixels,
    colours: tuple[ColorInterp, ...] | None = None,
    names: tuple[str, ...] | None = None,
    satellite: str | None = None,
    nodata: float | None = None,
) -> None:
    """A tiled GeoTIFF that says of its bands what is given."""
    path.unlink(missing_ok=True)
    num, height, width = values.shape
    kind = {"count": num, "height": height, "width": width, "dtype": values.dtype}
    place = {"crs": "EPSG:32633", "transform": Affine(0.1, 0, 5e5, 0, -0.1, 5.4e6)}
    layout = {"tiled": True, "photometric": "RGB" if num == 3 else "MINISBLACK"}
    with rasterio.open(path, "w", nodata=nodata, **kind, **place, **layout) as file:
        if colours is not None:
            file.colorinterp = colours
        if names is not None:
            file.descriptions = names
        if satellite is not None:
            file.update_tags(ns="IMAGERY", SATELLITEID=satellite)
        file.write(values)


def recall(expected: Detections, found: Detections) -> float:
    """Share of the expected objects that a found one of their class meets, each one once."""
    overlap: Tensor = box_iou(expected.boxes, found.boxes)
    overlap = overlap * (expected.labels[:, None] == found.labels[None])
    met = 0
    while overlap.numel() and float(overlap.max()) >= 0.5:
        row, column = divmod(int(overlap.argmax()), overlap.shape[1])
        overlap[row], overlap[:, column] = 0, 0
        met += 1
    return met / max(1, len(expected))


if __name__ == "__main__":
    run(main)

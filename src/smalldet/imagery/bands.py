"""Bands: which of a file's are red, green and blue, and whether its alpha is a mask."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

COLOURS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
COLOUR_NAMES = tuple(colour.name for colour in COLOURS)
# What stands beside a colour where the band is another one, as in "red edge".
OTHER_WORDS = frozenset(("edge", "near", "infra", "infrared", "nir", "short", "wave", "swir", "ii"))
WORDS = re.compile(r"[a-z]+")

WORLDVIEW = re.compile(r"WV0?[23]", re.IGNORECASE)
WORLDVIEW_COLOURS = (5, 3, 2)
"""Of coastal, blue, green, yellow, red, red edge and two near infrareds."""
# Wavelengths of red, green and blue in nanometres, and how far a band may lie from them.
WAVELENGTHS_NM = (660.0, 555.0, 480.0)
WAVELENGTH_TOLERANCE_NM = 45.0
UNITS_NM = {"nm": 1.0, "nanometers": 1.0, "nanometer": 1.0, "um": 1e3, "micrometers": 1e3}

ALPHA_PROBES, ALPHA_PROBE_PX = 5, 64
MAX_SHADES_FRAC = 0.25
"""A mask may be soft at its edges; where more pixels are half transparent, it is a picture."""

Colours = tuple[int, int, int]


def colour_bands(dataset: DatasetReader) -> Colours | None:
    """The bands that are red, green and blue, from 1, by what the file says of them.

    Asked in this order: the colour interpretation, the bands' descriptions, their wavelengths, and
    the satellite's name. None where none of them tells all three, and for a palette.
    """
    by_wavelength = [_wavelength_nm(dataset, band) for band in range(1, dataset.count + 1)]
    return (
        _each_once([COLOURS.index(c) if c in COLOURS else None for c in dataset.colorinterp])
        or _each_once([_named_colour(name or "") for name in dataset.descriptions])
        or _nearest(by_wavelength)
        or _by_satellite(dataset)
    )


def _each_once(found: Sequence[int | None]) -> Colours | None:
    """Bands in the order of colours; the first of several of one colour."""
    if not {0, 1, 2} <= set(found):
        return None
    red, green, blue = (list(found).index(colour) + 1 for colour in range(3))
    return red, green, blue


def _named_colour(name: str) -> int | None:
    """0, 1 or 2 for a name such as `Red`, `B04 (red)` or `blue_reflectance`."""
    words = WORDS.findall(name.lower())
    if OTHER_WORDS & set(words) or "coastal" in words or "rededge" in name.lower():
        return None
    found = [COLOUR_NAMES.index(word) for word in words if word in COLOUR_NAMES]
    if found:
        return found[0]
    return "rgb".index(words[0]) if len(words) == 1 and words[0] in ("r", "g", "b") else None


def _wavelength_nm(dataset: DatasetReader, band: int) -> float | None:
    tags = {**dataset.tags(band), **dataset.tags(band, ns="IMAGERY")}
    tags = {key.lower(): value for key, value in tags.items()}
    unit = UNITS_NM.get(tags.get("wavelength_units", "nm").lower())
    stated = tags.get("wavelength") or tags.get("center_wavelength")
    if stated is None and "central_wavelength_um" in tags:
        stated, unit = tags["central_wavelength_um"], 1e3
    try:
        return None if stated is None or unit is None else float(stated) * unit
    except ValueError:
        return None


def _nearest(wavelengths_nm: Sequence[float | None]) -> Colours | None:
    known = np.array([np.nan if w is None else w for w in wavelengths_nm], dtype=np.float64)
    if np.isfinite(known).sum() < 3:
        return None
    away = np.abs(known[None] - np.array(WAVELENGTHS_NM)[:, None])
    nearest = np.nanargmin(away, axis=1)
    if len(set(nearest.tolist())) < 3 or np.nanmin(away, axis=1).max() > WAVELENGTH_TOLERANCE_NM:
        return None
    red, green, blue = (int(band) + 1 for band in nearest)
    return red, green, blue


def _by_satellite(dataset: DatasetReader) -> Colours | None:
    satellite = str(dataset.tags(ns="IMAGERY").get("SATELLITEID", ""))
    return WORLDVIEW_COLOURS if WORLDVIEW.match(satellite) and dataset.count == 8 else None


def alpha_is_mask(dataset: DatasetReader, alpha_band: int) -> bool:
    """False where what is marked alpha holds the shades of a picture, as an infrared band does.

    A few small windows from all over the file are looked at.
    """
    windows = [
        RasterWindow(column, row, ALPHA_PROBE_PX, ALPHA_PROBE_PX)  # pyright: ignore[reportCallIssue]
        for row in _starts(dataset.height)
        for column in _starts(dataset.width)
    ]
    values = np.concatenate([dataset.read(alpha_band, window=w).ravel() for w in windows])
    filled = values[values > 0]
    # the commonest one is opaque: a mask of 16 bit may say 255
    shades = len(filled) - int(np.unique(filled, return_counts=True)[1].max(initial=0))
    return shades <= MAX_SHADES_FRAC * len(values)


def _starts(length: int) -> list[int]:
    ends = np.linspace(0, max(0, length - ALPHA_PROBE_PX), ALPHA_PROBES).astype(int)
    return sorted(set(ends.tolist()))

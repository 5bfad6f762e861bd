"""What a drone's camera writes into its pictures: height, lens, and where it looks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image

from smalldet.imagery.rasters import ignoring

FORMATS = ("JPEG", "MPO", "TIFF", "PNG", "WEBP")
XMP_OF_TIFF = 700
FULL_FRAME_DIAGONAL_MM = math.hypot(36, 24)
NADIR_DEGREE = -90.0
NADIR_TOLERANCE_DEGREE = 10.0
"""At 10 degrees off, a pixel in the picture's middle shows 3 % more of the ground."""
MM_OF_UNIT = {2: 25.4, 3: 10.0, 4: 1.0}
"""Of EXIF's FocalPlaneResolutionUnit: inch, centimetre, millimetre."""
SAME_SHAPE = 0.01


@dataclass(frozen=True)
class DroneTags:
    """What a picture says of its taking.

    Args:
        height_m: above the place of take-off; hills and roofs are nearer.
        pitch_degree: of the camera, -90 straight down; None where it is not said.
        pixel_angle: what a pixel in the middle sees, as metres at a distance of one metre.
    """

    height_m: float
    pitch_degree: float | None
    pixel_angle: float

    @property
    def is_nadir(self) -> bool:
        """Whether the camera is known to look straight down."""
        pitch = self.pitch_degree
        return pitch is not None and abs(pitch - NADIR_DEGREE) <= NADIR_TOLERANCE_DEGREE

    @property
    def gsd_m(self) -> float:
        """Metres a pixel straight below: the height times the angle of a pixel."""
        return self.height_m * self.pixel_angle


def read_drone_tags(path: Path, size: tuple[int, int]) -> DroneTags | None:
    """EXIF and XMP of a picture, as DJI writes them; None where they do not tell height and lens.

    The angle of a pixel is its pitch on the sensor over the focal length. The pitch is
    FocalPlaneXResolution, or follows from FocalLengthIn35mmFilm, which EXIF defines by the
    diagonal: d / focal = 43.27 mm / FocalLengthIn35mmFilm.

    Args:
        path: the file.
        size: width and height of the picture as it is read, pixels.
    """
    try:
        with ignoring(Image.DecompressionBombWarning), Image.open(path, formats=FORMATS) as image:
            if getattr(image, "n_frames", 1) > 1 and image.format == "TIFF":
                return None
            exif = image.getexif()
            lens = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
            xmp = image.info.get("xmp") or exif.get(XMP_OF_TIFF) or b""
    except Exception:  # tags of any damage: who wants the pixels reads them all the same
        return None
    text = xmp.decode("utf-8", "replace") if isinstance(xmp, bytes) else str(xmp)
    height_m, angle = _xmp_number(text, "RelativeAltitude"), _pixel_angle(lens, size)
    if height_m is None or height_m <= 0 or angle is None:
        return None
    return DroneTags(height_m, _xmp_number(text, "GimbalPitchDegree"), angle)


def _xmp_number(xmp: str, key: str) -> float | None:
    """Of an attribute `drone-dji:KEY="+12.3"` or an element of that name."""
    found = re.search(rf"drone-dji:{key}(?:=\"|>)\s*([+-]?\d{{1,9}}(?:\.\d{{1,9}})?)", xmp)
    return float(found[1]) if found else None


def _pixel_angle(lens: dict[int, object], size: tuple[int, int]) -> float | None:
    tags = ExifTags.Base
    taken = [_number(lens.get(t)) for t in (tags.ExifImageWidth, tags.ExifImageHeight)]
    longer, shorter = max(size), min(size)
    whole_px = float(longer)
    if taken[0] and taken[1]:
        whole_px, across = max(taken[0], taken[1]), min(taken[0], taken[1])
        if abs(whole_px / across * shorter / longer - 1) > SAME_SHAPE:
            return None  # a part of the picture that was taken: its own scale is not told
    if (_number(lens.get(tags.DigitalZoomRatio)) or 1.0) > 1:
        return None  # makers differ in whether the focal length counts it
    focal_mm = _number(lens.get(tags.FocalLength))
    unit_mm = MM_OF_UNIT.get(int(_number(lens.get(tags.FocalPlaneResolutionUnit)) or 0))
    dots = _number(lens.get(tags.FocalPlaneXResolution))
    if focal_mm and unit_mm and dots:
        return unit_mm / dots / focal_mm * whole_px / longer
    film_mm = _number(lens.get(tags.FocalLengthIn35mmFilm))
    return FULL_FRAME_DIAGONAL_MM / film_mm / math.hypot(*size) if film_mm else None


def _number(value: object) -> float | None:
    """A positive number, or None."""
    try:
        number = float(str(value)) if value is not None else 0.0
    except (ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None

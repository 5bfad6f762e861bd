"""Masks of FiftyOne's detections: numpy's own file format, compressed, in base64; or a PNG."""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.bitmap_masks import Bitmap, bitmap_of, png_mask
from smalldet.data.formats.json_files import shown
from smalldet.data.formats.text_files import file_bytes

MAX_BYTES = 256 << 20


def mask_of(entry: dict[str, Any], folder: Path, where: str) -> Bitmap | None:
    """The mask that fills a detection's box, or None where it has none.

    Args:
        entry: the detection. `mask` is base64, or an object with `$binary`; `mask_path` a file.
        folder: of the data set.
        where: begins the messages.

    Raises:
        FileNotFoundError: the mask's file does not exist.
        ValueError: it is no mask; numpy's files of Python objects are not read.
    """
    said: Any = entry.get("mask")
    if isinstance(said, dict):
        said = said.get("$binary")
        said = said.get("base64") if isinstance(said, dict) else said
    if isinstance(said, str):
        return bitmap_of(_array(said, where))
    if entry.get("mask") is not None:
        raise ValueError(f"{where} has mask {shown(entry['mask'])}, not base64")
    path = entry.get("mask_path")
    if path is None:
        return None
    if not isinstance(path, str) or "\0" in path:
        raise ValueError(f"{where} has mask_path {shown(path)}, not a file")
    return bitmap_of(png_mask(file_bytes(folder / path, MAX_BYTES), None, where))


def _array(text: str, where: str) -> NDArray[np.bool_]:
    try:
        packed = base64.b64decode(text, validate=True)
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(packed, MAX_BYTES)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ValueError(f"{where}: its mask is no compressed array in base64: {error}") from None
    if not unpacker.eof:
        raise ValueError(f"{where}: its mask is cut short or larger than {MAX_BYTES} bytes")
    try:
        array = _numpy_array(raw)
    except Exception as error:  # a broken header makes numpy raise half a dozen kinds
        raise ValueError(f"{where}: its mask is no array that can be read: {error}") from None
    if array.ndim != 2 or not array.size or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{where}: its mask is an array of {array.dtype} of {array.ndim} dimensions, not of "
            "rows and columns"
        )
    return array != 0


def _numpy_array(raw: bytes) -> NDArray[Any]:
    """What is in the bytes, whatever size the header claims."""
    file = io.BytesIO(raw)
    newer = np.lib.format.read_magic(file) != (1, 0)
    header = np.lib.format.read_array_header_2_0 if newer else np.lib.format.read_array_header_1_0
    shape, by_columns, dtype = header(file)
    values = np.frombuffer(raw, dtype=dtype, offset=file.tell())
    return values.reshape(shape, order="F" if by_columns else "C")

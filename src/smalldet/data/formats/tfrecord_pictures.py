"""Pictures that lie in records: taken out into a folder, and put in."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from smalldet.atomic_write import atomic_write
from smalldet.data.formats.text_files import file_bytes
from smalldet.imagery.rasters import open_dataset

MAX_BYTES = 2 << 30
# The first bytes of a kind of picture, what its files end in, and other endings that it may have.
KINDS = (
    (b"\xff\xd8\xff", ".jpg", (".jpg", ".jpeg")),
    (b"\x89PNG\r\n\x1a\n", ".png", (".png",)),
    (b"BM", ".bmp", (".bmp",)),
    (b"II*\0", ".tif", (".tif", ".tiff")),
    (b"MM\0*", ".tif", (".tif", ".tiff")),
)
# What TensorFlow's detectors decode.
DECODED = {".jpg": "jpeg", ".png": "png"}


class PictureFolder:
    """Takes pictures out of records; a file that is there with the same bytes stays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: set[str] = set()

    def put(self, encoded: bytes | memoryview, named: str, number: int, where: str) -> Path:
        """The file of a picture.

        Args:
            encoded: as it stands in the record.
            named: what the record calls it; only the last part counts. Two of one name, and names
                that are none, get the record's number.
            number: of the record, from 1.
            where: begins the messages.

        Raises:
            ValueError: it is of no known kind, another file of its name is there, or it cannot be
                written.
        """
        head = bytes(encoded[:8])
        kind = next((kind for kind in KINDS if head.startswith(kind[0])), None)
        if kind is None:
            raise ValueError(f"{where}: its image/encoded is no JPEG, PNG, BMP or TIFF")
        path = self.folder / self._name(named, number, kind[1], kind[2])
        try:
            if path.exists():
                if path.stat().st_size == len(encoded) and path.read_bytes() == encoded:
                    return path
                raise ValueError(
                    f"{where}: {path} is there and is another picture; remove the folder if it is "
                    "an older set's, or give images_dir"
                )
            with atomic_write(path) as draft:
                draft.write_bytes(encoded)
        except OSError as error:
            raise ValueError(
                f"{where}: {path} cannot be written ({error.strerror}); give images_dir"
            ) from error
        return path

    def _name(self, named: str, number: int, suffix: str, suffixes: tuple[str, ...]) -> str:
        last = PurePosixPath(named.replace("\\", "/")).name
        # No hidden files, no control characters, no names that a system refuses.
        sound = last.isprintable() and not last.startswith(".") and len(last.encode()) < 200
        last = last if sound and last else f"{number:06d}"
        if PurePosixPath(last).suffix.lower() not in suffixes:
            last += suffix
        while last.lower() in self.taken:
            stem = PurePosixPath(last).stem
            last = f"{stem}_{number:06d}{PurePosixPath(last).suffix}"
        self.taken.add(last.lower())
        return last


def encoded_picture(path: Path) -> tuple[bytes, str]:
    """A picture for a record, and TensorFlow's name of its kind.

    JPEG and PNG are taken as they are; other files of 1, 3 or 4 bands of 8 bits become PNG.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, or of other bands.
    """
    raw = file_bytes(path, MAX_BYTES)
    for magic, suffix, _ in KINDS:
        if raw.startswith(magic) and suffix in DECODED:
            return raw, DECODED[suffix]
    with open_dataset(str(path)) as dataset:
        if dataset.count not in (1, 3, 4) or set(dataset.dtypes) != {"uint8"}:
            raise ValueError(
                f"{path}: has {dataset.count} bands of {dataset.dtypes[0]}; records hold JPEG and "
                "PNG, so pictures must have 1, 3 or 4 bands of uint8"
            )
        pixels = np.moveaxis(dataset.read(), 0, -1)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue(), "png"

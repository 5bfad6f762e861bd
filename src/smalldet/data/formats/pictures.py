"""Pictures that labels name only by a stem, and their sizes."""

from __future__ import annotations

from pathlib import Path

from smalldet.imagery.rasters import open_dataset

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def find_picture(images_dir: Path, stem: str) -> Path:
    """The picture `stem` with any of the usual endings.

    Raises:
        FileNotFoundError: there is none.
    """
    for suffix in PICTURES:
        for path in (images_dir / f"{stem}{suffix}", images_dir / f"{stem}{suffix.upper()}"):
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"{images_dir}: has no picture {stem} ({', '.join(PICTURES)}); give images_dir if it is "
        "elsewhere"
    )


def picture_size(picture: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header."""
    with open_dataset(str(picture)) as dataset:
        return dataset.width, dataset.height

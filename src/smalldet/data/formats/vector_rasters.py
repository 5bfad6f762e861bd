"""The georeferenced pictures that vector labels lie on."""

from __future__ import annotations

from pathlib import Path

from smalldet.imagery.ground import Ground, located
from smalldet.imagery.sources import PICTURE_SUFFIXES


def find_rasters(labels: Path, given: str | Path | None) -> list[Ground]:
    """The places of one picture, or of those of a folder, by name.

    A VRT is one picture. In a folder it is left out beside other pictures, which are its parts.

    Args:
        labels: the vector file; pictures are looked for beside it where none are given.
        given: a picture or a folder of them, or None.

    Raises:
        FileNotFoundError: there is no such picture or folder, or none in it.
        ValueError: a picture has no georeference; names it.
    """
    where = _beside(labels) if given is None else Path(given)
    if where.is_dir():
        pictures = _pictures_in(where)
        if not pictures:
            raise FileNotFoundError(f"{where}: no pictures in this folder")
        return [located(picture) for picture in pictures]
    if not where.is_file():
        raise FileNotFoundError(f"{where}: no such picture or folder of pictures")
    return [located(where)]


def _beside(labels: Path) -> Path:
    for picture in _pictures_in(labels.parent):
        if picture.stem == labels.stem:
            return picture
    for folder in (labels.parent / "images", labels.parent):
        if _pictures_in(folder):
            return folder
    raise FileNotFoundError(
        f"{labels}: no pictures beside it; name the GeoTIFF or the folder of them that the labels "
        "lie on"
    )


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    pictures = [
        file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file()
    ]
    plain = [picture for picture in pictures if picture.suffix.lower() != ".vrt"]
    return plain or pictures

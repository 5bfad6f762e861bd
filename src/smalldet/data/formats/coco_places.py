"""Where COCO's json and its pictures lie."""

from __future__ import annotations

from pathlib import Path

from smalldet.data.formats.picture_files import is_file
from smalldet.data.formats.split_names import split_of

FIRST_BYTES = 64
BLANKS = b"\xef\xbb\xbf \t\r\n"


def recognises(path: Path) -> bool:
    """A file that ends in .json, or begins as one."""
    if not is_file(path):
        return False
    if path.suffix.lower() == ".json":
        return True
    try:
        with path.open("rb") as file:
            return file.read(FIRST_BYTES).lstrip(BLANKS).startswith(b"{")
    except OSError:
        return False


def images_dir_of(json_path: Path, first: str) -> Path:
    """The usual folder that has the first picture; where none has, the one to look in."""
    own, above = json_path.parent, json_path.parent.parent
    part = json_path.stem.removeprefix("instances_")
    split = split_of(part) or part
    usual = default_images_dir(json_path)
    beside = [folder / name for folder in (own, above) for name in (part, split)]
    inner = [folder / "images" / name for folder in (own, above) for name in (part, split)]
    places = [usual, own, *beside, *inner, above / "images", above]
    return next((one for one in places if is_file(one / first)), usual)


def default_images_dir(json_path: Path) -> Path:
    """The folder `images` beside the json if there is one, else the json's own."""
    beside = json_path.parent / "images"
    return beside if beside.is_dir() else json_path.parent

"""Where COCO's json and its pictures lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smalldet.data.formats.picture_files import is_file, text_files
from smalldet.data.formats.split_names import split_of

FIRST_BYTES, LOOKED_AT = 64, 64 << 10
BLANKS = b"\xef\xbb\xbf \t\r\n"


def recognises(path: Path) -> bool:
    """A file that ends in .json or begins as one, or a folder with a single one of COCO."""
    file = json_of(path)
    if file != path:
        return _begins(file, b"{", LOOKED_AT, (b'"images"', b'"annotations"', b'"categories"'))
    return is_file(file) and (file.suffix.lower() == ".json" or _begins(file, b"{", FIRST_BYTES))


def json_of(path: Path) -> Path:
    """The file itself, or the only json of a folder."""
    files = text_files(path, ".json")
    return files[0] if len(files) == 1 else path


def _begins(file: Path, start: bytes, num_bytes: int, words: Sequence[bytes] = ()) -> bool:
    try:
        with file.open("rb") as opened:
            head = opened.read(num_bytes)
    except OSError:
        return False
    return head.lstrip(BLANKS).startswith(start) and (
        not words or any(word in head for word in words)
    )


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

"""Where the pictures of Label Studio's tasks lie."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from smalldet.data.formats.picture_files import is_dir, is_file

# What Label Studio puts before the name of an uploaded file.
UPLOAD = re.compile(r"^[0-9a-f]{8}-")


def task_picture(place: str, source: Path, images_dir: str | Path | None) -> Path:
    """The file of a task's picture.

    Args:
        place: what the task says: an upload (`/data/upload/1/0123abcd-a.jpg`), a file of local
            storage (`/data/local-files/?d=folder/a.jpg`), an address or a path.
        source: the export.
        images_dir: where the pictures lie; by default `images` beside the export, else its folder.

    Returns:
        the file that is there, or the first that was looked for.
    """
    beside = source.parent / "images"
    folder = Path(images_dir) if images_dir else beside if is_dir(beside) else source.parent
    path = PurePosixPath(_path_of(place).replace("\\", "/"))
    inner = PurePosixPath(*[part for part in path.parts if part not in ("/", "..")])
    names = [inner, PurePosixPath(path.name), PurePosixPath(UPLOAD.sub("", path.name))]
    tries = [folder / name for name in names]
    if images_dir is None and path.is_absolute():
        tries.append(Path(path))
    return next((one for one in tries if is_file(one)), tries[1])


def _path_of(place: str) -> str:
    try:
        parts = urlsplit(place)
    except ValueError:
        return place
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path if parts.scheme else place.split("?")[0])

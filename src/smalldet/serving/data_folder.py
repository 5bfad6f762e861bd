"""DataFolder: the pictures that clients may name, and never a file outside."""

from __future__ import annotations

import os
from pathlib import Path

from smalldet.imagery.sources import PICTURE_SUFFIXES
from smalldet.serving.refusals import Refusal

# A virtual raster names other files, wherever they lie.
SUFFIXES = PICTURE_SUFFIXES - {".vrt", ".img"}
MAX_LISTED = 5000


class DataFolder:
    """A folder of pictures, with the folders in it.

    Args:
        root: the folder.

    Raises:
        NotADirectoryError: it is none.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise NotADirectoryError(f"{root}: is no folder; name that of the pictures")
        self.root = root.resolve()

    def names(self) -> list[str]:
        """Its pictures by their paths from it, with `/`, sorted; the first of very many."""
        found: list[str] = []
        for folder, inner, files in os.walk(self.root):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            for file in sorted(files):
                path = Path(folder) / file
                if self._is_served(path):
                    found.append(path.relative_to(self.root).as_posix())
            if len(found) >= MAX_LISTED:
                break
        return sorted(found[:MAX_LISTED])

    def path(self, name: str) -> Path:
        """The file of a picture.

        Raises:
            Refusal: there is no such picture in the folder. It is the same whether there is no
                file or one that is not served.
        """
        missing = Refusal(404, f"{name!r}: no such picture in the data folder")
        parts = name.split("/")
        if "\0" in name or "\\" in name or any(part in ("", ".", "..") for part in parts):
            raise missing
        path = self.root.joinpath(*parts)
        try:
            if self._is_served(path):
                return path.resolve(strict=True)
        except (OSError, ValueError) as error:  # a name that is too long, a ring of links
            raise missing from error
        raise missing

    def _is_served(self, path: Path) -> bool:
        hidden = any(part.startswith(".") for part in path.relative_to(self.root).parts)
        if hidden or path.suffix.lower() not in SUFFIXES:
            return False
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return False
        return real.is_relative_to(self.root) and real.is_file()

"""FolderLock: one process for a folder, or two would do the same work in the same files."""

from __future__ import annotations

import contextlib
from pathlib import Path

NAME = ".lock"


class FolderLock:
    """Holds a folder until it is closed, or the process ends in whatever way.

    Args:
        folder: made where there is none.
        held: what to say, behind the folder's name, where another process holds it.

    Raises:
        ValueError: another process holds it.
    """

    def __init__(self, folder: Path, held: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / NAME).open("w", encoding="utf-8")
        try:
            _lock(self._file.fileno())
        except OSError as error:
            self._file.close()
            raise ValueError(f"{folder}: {held}") from error

    def close(self) -> None:
        self._file.close()


def _lock(descriptor: int) -> None:
    """Raises OSError where the file is held; a system without such locks holds none."""
    with contextlib.suppress(ModuleNotFoundError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

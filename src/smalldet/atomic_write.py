"""Replacing files: a reader meets the old file or the whole new one, never a part."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Generator[Path]:
    """A path beside `path` to write to; it takes the place of `path` if all goes well.

    It ends as `path` does, for writers that go by the extension. Its name is always the same, so
    that what a killed process left is written over by the next one.

    Raises:
        OSError: the system refused, as where the disk is full. Where the system names no file, or
            the draft, the error names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, draft, str(draft)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        draft.unlink(missing_ok=True)

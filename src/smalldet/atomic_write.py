"""Replacing files: a reader meets the old file or the whole new one, never a part."""

from __future__ import annotations

import os
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
        with errors_naming(path, draft):
            yield draft
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """A text file, old or whole new; raises as `atomic_write`."""
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8")


def append_line(path: Path, line: str) -> None:
    """A line at the end of a text file, whole or not at all.

    Raises:
        OSError: the system refused; names the file.
    """
    size = path.stat().st_size if path.exists() else 0
    with errors_naming(path):
        try:
            with path.open("a", encoding="utf-8") as lines:
                lines.write(line + "\n")
        except OSError:
            if path.exists():
                os.truncate(path, size)
            raise


@contextmanager
def errors_naming(path: Path, draft: Path | None = None) -> Generator[None]:
    """Errors of the system that name no file, or the draft, name `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, draft, str(draft)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error

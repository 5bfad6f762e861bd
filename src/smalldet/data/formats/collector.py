"""Reading millions of rows without the collector of reference cycles, of which they make none."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Generator[None]:
    """Python's cyclic collector rests; with torch in memory each of its rounds takes 50 ms.

    What is not part of a cycle is freed as always.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()

"""OpenScenes: the scenes that clients look at, kept open while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from smalldet.imagery import Scene
from smalldet.serving.pictures import DECODED_WHOLE
from smalldet.serving.pyramid import Pyramid

MAX_OPEN = 16
MAX_DECODED_BYTES = 512 << 20


@dataclass(eq=False)
class _Entry:
    pyramid: Pyramid
    stamp: object
    num_bytes: int
    num_users: int = 0
    is_dropped: bool = False


class OpenScenes:
    """Pyramids by key, the least used closed first.

    Args:
        make: opens the pyramid of a key.
        stamp: of a key; changes where its file does.
    """

    def __init__(self, make: Callable[[str], Pyramid], stamp: Callable[[str], object]) -> None:
        self._make, self._stamp = make, stamp
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    @contextmanager
    def get(self, key: str) -> Generator[Pyramid]:
        """The pyramid of a key, open until the end of the context."""
        entry = self._entered(key)
        try:
            yield entry.pyramid
        finally:
            with self._lock:
                entry.num_users -= 1
                if entry.is_dropped and not entry.num_users:
                    entry.pyramid.close()

    def close(self) -> None:
        """Close all, those in use when they are left."""
        with self._lock:
            for key in list(self._entries):
                self._drop(key)

    def _entered(self, key: str) -> _Entry:
        stamp = self._stamp(key)
        if (known := self._known(key, stamp)) is not None:
            return known
        with self._lock:
            opening = self._opening.setdefault(key, threading.Lock())
        with opening:  # two who come together open it once
            if (known := self._known(key, stamp)) is not None:
                return known
            pyramid = self._make(key)
            with self._lock:
                self._drop(key)
                entry = _Entry(pyramid, stamp, _decoded_bytes(pyramid.scene), num_users=1)
                self._entries[key] = entry
                self._opening.pop(key, None)
                self._make_room()
                return entry

    def _known(self, key: str, stamp: object) -> _Entry | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.stamp != stamp:
                return None
            self._entries.move_to_end(key)
            entry.num_users += 1
            return entry

    def _make_room(self) -> None:
        while len(self._entries) > 1 and (
            len(self._entries) > MAX_OPEN
            or sum(entry.num_bytes for entry in self._entries.values()) > MAX_DECODED_BYTES
        ):
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            entry.is_dropped = True
            if not entry.num_users:
                entry.pyramid.close()


def _decoded_bytes(scene: Scene) -> int:
    """Of a picture that lies in memory as a whole."""
    whole = scene.options.driver in DECODED_WHOLE
    return scene.width * scene.height * 4 if whole else 0

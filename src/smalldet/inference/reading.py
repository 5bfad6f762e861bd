"""Reading ahead: the next tiles are read while the detector works on the last ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from smalldet.imagery import Scene, Window

NUM_THREADS = 4


def tiles_ahead(
    scene: Scene, windows: Iterable[Window], num_ahead: int
) -> Iterator[NDArray[np.uint8] | None]:
    """Pixels (C, h, w) of each window in its order; None where a window holds no data.

    Args:
        scene: read from several threads.
        windows: may be many; only `num_ahead` are read before they are asked for.
        num_ahead: tiles that wait in memory at most.
    """
    waiting: deque[Future[NDArray[np.uint8] | None]] = deque()
    with ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="tiles") as pool:
        try:
            for window in windows:
                waiting.append(pool.submit(_read, scene, window))
                if len(waiting) > num_ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # the detector failed or one read did: do not read the rest
            for future in waiting:
                future.cancel()


def _read(scene: Scene, window: Window) -> NDArray[np.uint8] | None:
    return scene.read(window) if scene.valid(window) else None

"""Reading ahead: the next tiles are read while the detector works on the last ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from smalldet.imagery import Scene
from smalldet.inference.tiling import Tile

NUM_THREADS = 4


def tiles_ahead(
    scene: Scene, tiles: Iterable[Tile], num_ahead: int
) -> Iterator[tuple[Tile, NDArray[np.uint8] | None]]:
    """Each tile in its order with its pixels (C, h, w), or with None where it holds no data.

    Args:
        scene: read from several threads.
        tiles: may be many; only `num_ahead` are read before they are asked for.
        num_ahead: tiles that wait in memory at most.
    """
    waiting: deque[tuple[Tile, Future[NDArray[np.uint8] | None]]] = deque()
    with ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="tiles") as pool:
        try:
            for tile in tiles:
                waiting.append((tile, pool.submit(scene.read_data, tile.window, tile.shape)))
                if len(waiting) > num_ahead:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        finally:  # the detector failed or one read did: do not read the rest
            for _, future in waiting:
                future.cancel()


def batches_ahead(
    scene: Scene, tiles: Iterable[Tile], size: int
) -> Iterator[list[tuple[Tile, NDArray[np.uint8]]]]:
    """Tiles with data in batches of one shape, in their order.

    Args:
        scene: read from several threads.
        tiles: in the order in which they are wanted.
        size: tiles of a batch at most; a change of shape ends one early.
    """
    batch: list[tuple[Tile, NDArray[np.uint8]]] = []
    for tile, pixels in tiles_ahead(scene, tiles, num_ahead=2 * size):
        if pixels is None:
            continue
        if batch and (len(batch) == size or batch[-1][0].shape != tile.shape):
            yield batch
            batch = []
        batch.append((tile, pixels))
    if batch:
        yield batch


def _next(
    waiting: deque[tuple[Tile, Future[NDArray[np.uint8] | None]]],
) -> tuple[Tile, NDArray[np.uint8] | None]:
    tile, future = waiting.popleft()
    return tile, future.result()

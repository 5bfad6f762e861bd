"""Work in threads for requests, ended where its client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from fastapi import Request

from smalldet.serving.refusals import StoppedError
from smalldet.serving.shared_model import Limits

LOOK_EVERY_S = 0.5
Made = TypeVar("Made")


async def in_thread(pool: Executor, work: Callable[[], Made]) -> Made:
    """What `work` gives, made in a thread of the pool."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)


async def while_connected(
    request: Request, limits: Limits, pool: Executor, work: Callable[[], Made]
) -> Made:
    """As `in_thread`; `limits` are told to stop where the client goes away."""
    task = asyncio.ensure_future(in_thread(pool, work))
    try:
        while not task.done():
            await asyncio.wait((task,), timeout=LOOK_EVERY_S)
            if not task.done() and await request.is_disconnected():
                raise StoppedError
        return task.result()
    finally:
        limits.stop.set()
        if not task.done():
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

"""Processes with limits, so that a peer that fails is a row of a table and not a crash.

Only the standard library: peers' interpreters run it too.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any


def run_limited(command: Sequence[object], timeout_s: float) -> tuple[str, str]:
    """Run a command to its end: what it printed, and what went wrong in words, or nothing."""
    words = [str(word) for word in command]
    try:
        ended = subprocess.run(
            words, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return "", f"over {timeout_s:g} s"
    said = ended.stderr.strip().splitlines() or [f"signal {-ended.returncode}"]
    return ended.stdout, said[-1][:90] if ended.returncode else ""


def limit_memory(memory_gb: float) -> None:
    """Of this process; asking for more raises MemoryError."""
    limit = int(memory_gb * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def peak_mb() -> float:
    """Most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def least_time(run: Callable[[], Any]) -> tuple[Any, float]:
    """The result and the least time of up to five runs, seconds."""
    seconds: list[float] = []
    result = None
    while not seconds or (sum(seconds) < 2 and len(seconds) < 5):
        result = None  # its memory is not held while the next one is made
        begin = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - begin)
    return result, min(seconds)

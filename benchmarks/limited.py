"""Processes with limits, so that a peer that fails is a row of a table and not a crash.

Only the standard library: peers' interpreters run it too.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# glibc keeps freed memory for the next array, as `smalldet.hardware.keep_freed_memory` has it do in
# predictions: the same allocator for all.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str((2 << 30) - 1)}


# Where `python -m benchmarks...` finds this package, whatever folder it is started in.
CHECKOUT = Path(__file__).resolve().parents[1]


def run_limited(command: Sequence[object], timeout_s: float) -> tuple[str, str]:
    """Run a command to its end: what it printed, and what went wrong in words, or nothing."""
    words = [str(word) for word in command]
    environment = os.environ | ALLOCATOR | {"PYTHONPATH": str(CHECKOUT)}
    try:
        ended = subprocess.run(
            words, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment
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
    """The result and the least CPU time of up to five runs, seconds.

    CPU time of all threads: what else the machine does counts for nothing.
    """
    seconds: list[float] = []
    result = None
    while not seconds or (sum(seconds) < 2 and len(seconds) < 5):
        result = None  # its memory is not held while the next one is made
        begin = time.process_time()
        result = run()
        seconds.append(time.process_time() - begin)
    return result, min(seconds)

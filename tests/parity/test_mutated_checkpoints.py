"""Broken files of weights give an error that names the file, or a sound model; none stops a run.

Each case is a sound checkpoint in which bytes, names, shapes, types or values are changed. Outcomes:

- `refused`: a ValueError or OSError that names the file;
- `equal`: read as if nothing had happened (what was hit does not matter);
- `sound`: another model, whose values are all finite and within their bounds.

Anything else fails: another exception, an error without the file's name, values that are not
sound, more than two seconds. The counts are printed (`-s`).
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

NUM_CASES = 40
MOST_S = 2.0
LARGEST_EPSILON = 1e-3
"""That a norm of these networks adds to its variance."""
BOUNDS = {"conf": (0, 1), "tile_px": (1, 1 << 16), "epoch": (0, 1 << 40), "best_ap": (-1, 1)}

Content = dict[str, Any]
"""What a checkpoint says: tensors, class names, `tile_px`, `conf`."""


class TooSlowError(BaseException):
    """A reader does not end; no `except Exception` may keep it."""


@contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def same(one: Content, other: Content) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[key], other[key])
        if isinstance(one[key], torch.Tensor) and isinstance(other[key], torch.Tensor)
        else one[key] == other[key]
        for key in one
    )


def unsound(content: Content) -> str:
    """What a model must not have, in words; empty if nothing."""
    for key, value in content.items():
        if isinstance(value, torch.Tensor):
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                return f"{key} is not finite"
            if key.endswith("running_var") and bool((value < -LARGEST_EPSILON).any()):
                return f"{key} is negative"
    for key, (low, high) in BOUNDS.items():
        value = content.get(key, low)
        if not isinstance(value, int | float) or not low <= value <= high:
            return f"{key} {value}"
    if not all(isinstance(name, str) and name for name in content.get("class_names", ())):
        return f"class names {content['class_names']}"
    return ""


def outcome(kind: Any, folder: Path, whole: Content) -> str:
    began = time.process_time()
    try:
        with stopped_after(5 * MOST_S):
            content = kind.read(folder)
    except TooSlowError:
        return "slow: did not end"
    except (ValueError, OSError) as error:
        found = "refused" if str(folder) in str(error) else f"no file named: {error!r:.200}"
    except Exception as error:
        found = f"traceback: {error!r:.200}"
    else:
        wrong = unsound(content) if kind.IS_MODEL else ""
        found = f"silent: {wrong}" if wrong else "equal" if same(content, whole) else "sound"
        if kind.STRICT and found == "sound":
            found = "silent: another result"
    seconds = time.process_time() - began
    return found if seconds < MOST_S else f"slow: {seconds:.1f} s, {found}"


def run_cases(kind: Any, num_cases: int, folder: Path) -> Counter[str]:
    """Outcomes of mutated checkpoints of a kind, drawn from its name."""
    rng = random.Random(kind.__name__)
    kind.make(folder)
    files = {name: (folder / name).read_bytes() for name in kind.MUTATIONS}
    whole = kind.read(folder)
    assert not unsound(whole)
    counts: Counter[str] = Counter()
    for _ in range(num_cases):
        name = rng.choice(list(files))
        mutate = rng.choice(kind.MUTATIONS[name])
        (folder / name).write_bytes(mutate(files[name], rng))
        counts[outcome(kind, folder, whole)] += 1
        (folder / name).write_bytes(files[name])
    assert outcome(kind, folder, whole) == "equal"
    return counts


def told(counts: Counter[str]) -> str:
    first = Counter({key: n for key, n in counts.items() if key in ("refused", "equal", "sound")})
    for key, n in counts.items():
        if key not in first:
            first[key.split(":")[0]] += n
    return ", ".join(f"{n} {key}" for key, n in first.most_common())

"""What of a run was other than the benchmark has it, so that no trial is taken for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from smalldet.evaluation.report import Report
from smalldet.reproducing.benchmark import Benchmark

OF_THE_MACHINE = frozenset(
    {
        "data.cache_mb",
        "training.num_workers",
        "training.save_every_s",
        "training.logger",
        "training.imagenet_weights",
        "training.eval_every",
        "training.eval_pictures",
    }
)
"""Keys that change nothing about the last weights."""


def departures(
    benchmark: Benchmark,
    published: Mapping[str, Any],
    trained: Mapping[str, Any],
    num_pictures: int,
    report: Report,
) -> tuple[str, ...]:
    """Why figures are not those of a benchmark, a line each; empty where they are.

    Args:
        benchmark: that the figures are of.
        published: its recipe for the folder, fitted to the pictures, as plain values.
        trained: the recipe that the weights say they were trained by.
        num_pictures: of train and val together.
        report: of the evaluation.
    """
    lines: list[str] = []
    if num_pictures != benchmark.num_pictures:
        lines.append(
            f"{num_pictures:,} labelled pictures of the {benchmark.num_pictures:,} that "
            f"{benchmark.title} has"
        )
    changed = [change for key, change in _changes(published, trained) if key not in OF_THE_MACHINE]
    if changed:
        lines.append(f"the recipe was changed: {', '.join(changed)}")
    empty = [name for name, row in report.per_class.items() if not row["counts"]["all"]]
    if empty:
        lines.append(f"val has no object of {', '.join(empty)}: not in the means")
    return tuple(lines)


def _changes(
    published: Mapping[str, Any], trained: Mapping[str, Any], section: str = ""
) -> Iterator[tuple[str, str]]:
    """(key, `key=value`) of what differs; of lists of sources the key alone."""
    for name in dict.fromkeys((*published, *trained)):
        key = f"{section}{name}"
        before, now = published.get(name), trained.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _changes(before, now, f"{key}.")
        elif before != now:
            holds_sections = isinstance(now, list) and any(isinstance(one, dict) for one in now)
            yield key, key if holds_sections else f"{key}={now}"

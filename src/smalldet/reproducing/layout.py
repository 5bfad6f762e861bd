"""From the folder of a download to the recipe that trains on it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

from smalldet.config.load import checked, override
from smalldet.reproducing.benchmark import PATH_KEYS, Benchmark, sources_of
from smalldet.training.recipe import TrainRecipe, anchored


def find_parts(benchmark: Benchmark, root: Path) -> dict[str, str]:
    """Where each part of a benchmark lies in its folder.

    Args:
        benchmark: whose parts.
        root: the folder that the downloads were unpacked into.

    Returns:
        {path that the recipe names: path from `root`}.

    Raises:
        FileNotFoundError: there is no such folder, or parts are missing: names them, the downloads
            that they come from, and where to get these.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; name that of {benchmark.title}")
    places: dict[str, str] = {}
    missing: list[str] = []
    for path, part in benchmark.parts.items():
        there = next((one for one in (path, *part.or_at) if (root / one).exists()), None)
        if there is None:
            also = "".join(f" or {one}" for one in part.or_at)
            missing.append(f"\n  {path}{also}, from {part.archive}")
        else:
            places[path] = there
    if missing:
        raise FileNotFoundError(
            f"{root}: is not {benchmark.title} as published; it lacks{''.join(missing)}\n"
            f"Unpack the downloads of {benchmark.home} into this folder."
        )
    return places


def recipe_in(benchmark: Benchmark, root: Path, assignments: Sequence[str] = ()) -> TrainRecipe:
    """The recipe of a benchmark for the folder that it was unpacked into.

    Args:
        benchmark: whose recipe.
        root: its folder.
        assignments: `section.key=value` that are other than in the recipe.

    Raises:
        FileNotFoundError: as of `find_parts`.
        ValueError: the recipe, or an assignment, is wrong.
    """
    places = find_parts(benchmark, root)
    content = override(deepcopy(benchmark.recipe), assignments)
    for source in sources_of(content):
        for key in PATH_KEYS:
            if key in source:
                source[key] = places.get(str(source[key]), source[key])
    return checked(TrainRecipe, anchored(content, root), benchmark.title)

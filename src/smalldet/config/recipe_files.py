"""The recipes that come with smalldet: files to print, change and train from."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "recipes"


def recipe_names() -> list[str]:
    """Names of the recipes, as `yolov5`."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def recipe_text(name: str) -> str:
    """A recipe with its comments.

    Args:
        name: with or without `.yaml`.

    Raises:
        ValueError: there is none of this name; says the nearest, and all that there are.
    """
    known, wanted = recipe_names(), name.removesuffix(".yaml")
    if wanted not in known:
        nearest = "".join(f"; nearest: {one}" for one in get_close_matches(wanted, known, 1))
        raise ValueError(f"{name}: no such recipe{nearest}; there are {', '.join(known)}")
    return (FOLDER / f"{wanted}.yaml").read_text(encoding="utf-8")


def summary_of(name: str) -> str:
    """What a recipe is for: the first sentence of its comment."""
    lines: list[str] = []
    for line in recipe_text(name).splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines).partition(". ")[0].rstrip(".")

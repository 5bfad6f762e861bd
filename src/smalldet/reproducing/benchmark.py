"""A public benchmark as one YAML file: its layout, the recipe, and what it publishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from smalldet.config.base import Frozen
from smalldet.config.load import checked, load_yaml
from smalldet.config.recipe_files import FOLDER

PRETRAIN = FOLDER / "pretrain"
PATH_KEYS = ("annotations", "images")
"""Keys of a source that name a part of the download."""


class Part(Frozen):
    """A file or folder of the download."""

    archive: str = Field(description="which download it comes from, as its home page calls it")
    or_at: tuple[str, ...] = Field(
        default=(), description="where else it may lie, by how the archive was unpacked"
    )


class Peer(Frozen):
    """Published figures of another detector."""

    name: str = Field(description="of the detector")
    source: str = Field(description="where they are published")
    figures: dict[str, float] = Field(description="{published name: percent}")


class Benchmark(Frozen):
    """A public data set, how to train on it, and how its figures are measured."""

    title: str = Field(description="the set's official name")
    home: str = Field(description="its official page")
    num_pictures: int = Field(ge=1, description="labelled pictures of train and val, as published")
    parts: dict[str, Part] = Field(
        description="{path that the recipe names, from the set's folder: where it comes from}"
    )
    protocol: str = Field(description="how the published figures are measured, in a sentence")
    figures: dict[str, str] = Field(
        min_length=1, description="{published name: name in metrics.json}, the main one first"
    )
    sizes: str = Field(default="default", description="size ranges, as of `evaluate --sizes`")
    max_detections: int = Field(
        default=1500, ge=1, description="the strongest of each picture that count"
    )
    peers: tuple[Peer, ...] = Field(default=(), description="published figures to stand beside")
    recipe: dict[str, Any] = Field(
        description="as of `smalldet train`; val, or val_share, is what is measured"
    )

    @model_validator(mode="after")
    def _names_its_parts(self) -> Self:
        unknown = [path for path in source_paths(self.recipe) if path not in self.parts]
        if unknown:
            raise ValueError(f"parts: say where {', '.join(unknown)} of the recipe comes from")
        foreign = {name for peer in self.peers for name in peer.figures} - set(self.figures)
        if foreign:
            raise ValueError(f"peers: {', '.join(sorted(foreign))}: figures has no such name")
        return self


def sources_of(recipe: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The sources of a recipe's train and val, where these are lists of sections."""
    data = recipe.get("data")
    for split in ("train", "val"):
        sources = data.get(split) if isinstance(data, dict) else None
        for source in sources if isinstance(sources, list) else ():
            if isinstance(source, dict):
                yield source


def source_paths(recipe: Mapping[str, Any]) -> list[str]:
    """The paths that the sources of a recipe name, each once."""
    paths = [source[key] for source in sources_of(recipe) for key in PATH_KEYS if key in source]
    return list(dict.fromkeys(map(str, paths)))


def benchmark_names() -> list[str]:
    """Names of the benchmarks that come with smalldet."""
    return sorted(path.name.removesuffix(".yaml") for path in PRETRAIN.glob("*.yaml"))


def read_benchmark(name: str) -> Benchmark:
    """A benchmark by its name, or from a file of one's own.

    Raises:
        ValueError: there is none of this name, with those that there are; or the file is wrong,
            with its keys.
    """
    known = benchmark_names()
    path = PRETRAIN / f"{name}.yaml" if name in known else Path(name)
    if name not in known and not path.is_file():
        nearest = "".join(f"; nearest: {one}" for one in get_close_matches(name, known, 1))
        raise ValueError(
            f"{name}: no such benchmark{nearest}; there are {', '.join(known)}, or name a YAML file"
        )
    return checked(Benchmark, load_yaml(path), str(path))

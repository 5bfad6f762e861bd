"""Broken recipes and network texts are refused by name, or hold finite numbers of a sane size."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from smalldet.models.yolo.config import YoloConfig
from smalldet.training.recipe import TrainRecipe, read_recipe
from tests.parity.mutations import Mutation, a_number, a_value, an_encoding, some_bytes
from tests.parity.outcomes import Judge, Tally, num_cases

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "src/smalldet/recipes").glob("*.yaml"))
NETWORKS = sorted((ROOT / "src/smalldet/models/yolo/networks").glob("*.yaml"))
SHARE = 0.08 / (len(RECIPES) + len(NETWORKS))
LARGEST = 1e9
"""No number of a recipe is larger."""
TANGLES = [
    b"a: &a [*a]\n",
    b"a: &a {b: *a}\n",
    b"? [1]\n: 2\n",
    b"<<: 5\n",
    b"[" * 5000,
    b"{a: " * 5000,
]


def broken(raw: bytes, tree: Any, rng: random.Random) -> Mutation:
    kind = rng.random()
    if kind < 0.55:
        tree = a_value(copy.deepcopy(tree), rng)
        try:
            return Mutation(yaml.safe_dump(tree, sort_keys=False).encode(), "value")
        except (yaml.YAMLError, UnicodeEncodeError):
            return some_bytes(raw, rng)
    if kind < 0.6:
        tangle = rng.choice(TANGLES)
        return Mutation(tangle + raw if rng.random() < 0.5 else raw + b"\n" + tangle, "tangle")
    if kind < 0.65:
        return an_encoding(raw, rng)
    return (a_number if kind < 0.8 else some_bytes)(raw, rng)


def odd_number(value: Any, path: str = "") -> str | None:
    """The first number of a tree that no recipe can mean."""
    if isinstance(value, dict):
        value = list(value.items())
    elif isinstance(value, list | tuple):
        value = list(enumerate(value))
    elif isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
        return f"{path} is {value}"
    else:
        return None
    return next((odd for key, one in value if (odd := odd_number(one, f"{path}.{key}"))), None)


def run(
    path: Path,
    source: Path,
    read: Callable[[Path], Any],
    tree_of: Callable[[Any], Any],
    cases: int,
) -> Tally:
    raw = source.read_bytes()
    tree = yaml.safe_load(raw)
    path.write_bytes(raw)
    sound = tree_of(read(path))
    rng, tally = random.Random(source.name), Tally()
    for _ in range(cases):
        mutation = broken(raw, tree, rng)
        path.write_bytes(mutation.raw)

        def fault(value: Any, same: bool = mutation.same) -> str | None:
            return "another content" if same else odd_number(tree_of(value))

        judge = Judge(lambda: read(path), path, lambda value: tree_of(value) == sound, fault)
        tally.add(judge(), f"{mutation.kind}: {mutation.raw[-400:]!r}")
    return tally


def read_network(path: Path) -> str:
    """A network text as a recipe names it."""
    return repr(YoloConfig(network=str(path)).graph())


def dumped(recipe: TrainRecipe) -> dict[str, Any]:
    return recipe.model_dump(mode="python")


def as_it_is(graph: str) -> str:
    return graph


READERS: dict[str, tuple[Callable[[Path], Any], Callable[[Any], Any]]] = {
    "recipe": (read_recipe, dumped),
    "network": (read_network, as_it_is),
}


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        pytest.param(kind, source, id=f"{kind} {source.stem}")
        for kind, sources in (("recipe", RECIPES), ("network", NETWORKS))
        for source in sources
    ],
)
@pytest.mark.parametrize("usual", [20, pytest.param(450, marks=pytest.mark.slow)])
def test_broken_texts(
    kind: str,
    source: Path,
    usual: int,
    tmp_path: Path,
    record_outcomes: Callable[[str, Tally], None],
):
    cases = num_cases(usual, SHARE) if usual > 20 else usual
    tally = run(tmp_path / f"[b]{kind}.yaml", source, *READERS[kind], cases)
    record_outcomes(f"{kind}s: {source.stem}", tally)
    assert not tally.faults, tally.faults


def test_there_are_texts_to_break() -> None:
    """A folder that has moved would leave nothing to break, without a failure."""
    assert RECIPES and NETWORKS

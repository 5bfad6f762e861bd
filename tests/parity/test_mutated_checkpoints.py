"""Broken files of weights are refused by name, or give a sound model.

Each case is a small sound checkpoint in which bytes, names, shapes, types or values are changed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.parity.foreign_checkpoints import FOREIGN
from tests.parity.outcomes import Judge, Tally, num_cases
from tests.parity.own_checkpoints import OWN, Content, Kind

KINDS = (*OWN, *FOREIGN)
FEW = 30
MANY = 1_850
SHARE = 0.2 / len(KINDS)
LARGEST_EPSILON = 1e-3
"""That a norm of these networks adds to its variance."""
BOUNDS = {"conf": (0, 1), "tile_px": (1, 1 << 16), "epoch": (0, 1 << 60), "best_ap": (-1, 1)}


def same(one: Content, other: Content) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[key], other[key])
        if isinstance(one[key], torch.Tensor) and isinstance(other[key], torch.Tensor)
        else one[key] == other[key]
        for key in one
    )


def unsound(content: Content) -> str | None:
    """What a model must not have; None where all is well."""
    for key, value in content.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            if not bool(torch.isfinite(value).all()):
                return f"{key} is not finite"
            if key.endswith("running_var") and bool((value < -LARGEST_EPSILON).any()):
                return f"{key} is negative"
    for key, (low, high) in BOUNDS.items():
        value = content.get(key, low)
        if not isinstance(value, int | float) or not low <= value <= high:
            return f"{key} is {value}"
    if not all(isinstance(name, str) and name for name in content.get("class_names", ())):
        return f"class_names are {content['class_names']}"
    return None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("usual", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore")  # of readers about what they meet
def test_broken_checkpoints(
    kind: type[Kind],
    usual: int,
    tmp_path: Path,
    record_outcomes: Callable[[str, Tally], None],
) -> None:
    """Whatever is changed, the outcome is one of: equal, refused by name, another sound model."""
    if "h5py" in kind.NEEDS:
        pytest.importorskip("h5py")
    cases = round((usual if usual == FEW else num_cases(usual, SHARE)) * kind.SHARE)
    folder = tmp_path / "[b]"
    folder.mkdir()
    kind.make(folder)
    files = {name: (folder / name).read_bytes() for name in kind.MUTATIONS}
    whole = kind.read(folder)
    assert not kind.IS_MODEL or unsound(whole) is None

    def fault(content: Content) -> str | None:
        if kind.STRICT:
            return "another result"
        return unsound(content) if kind.IS_MODEL else None

    judge = Judge(lambda: kind.read(folder), folder, lambda value: same(value, whole), fault)
    rng, tally = random.Random(kind.__name__), Tally()
    for _ in range(cases):
        name = rng.choice(list(files))
        mutate = rng.choice(kind.MUTATIONS[name])
        broken = mutate(files[name], rng)
        (folder / name).write_bytes(broken)
        tally.add(judge(), f"{name}: {broken[-300:]!r}")
        (folder / name).write_bytes(files[name])
    record_outcomes(f"checkpoints: {kind.__name__}{', few' * (usual == FEW)}", tally)
    assert not tally.faults, tally.faults
    assert same(kind.read(folder), whole)

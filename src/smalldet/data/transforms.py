"""Transforms of training tiles, in two tables. A new one is a file of its own and a line here.

Parameters are drawn from the tile's own generator, so that nothing depends on the state of a
worker. The order of a table is the order of the draws: another one gives other tiles for a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from torch import Tensor

from smalldet.data.colours import vary_colours
from smalldet.data.copy_paste import copy_paste
from smalldet.data.flips import flip_and_turn
from smalldet.data.mixup import mixup
from smalldet.data.mosaic import mosaic
from smalldet.data.options import Augmentation
from smalldet.data.sample import DrawTile, Sample
from smalldet.targets import Target


class Combination(NamedTuple):
    """Makes one tile of several.

    Attributes:
        name: for people.
        draw: of (how single tiles are drawn, (width, height), generator, options); it calls the
            first as often as it needs tiles.
    """

    name: str
    draw: Callable[[DrawTile, tuple[int, int], np.random.Generator, Augmentation], Sample]


class Transform(NamedTuple):
    """Changes one tile, or leaves it.

    Attributes:
        name: for people.
        apply: of (pixels, labels, generator, options); it does not write into what it is given.
    """

    name: str
    apply: Callable[[Tensor, Target, np.random.Generator, Augmentation], Sample]


COMBINATIONS = (
    Combination("mosaic", mosaic),
    Combination("mixup", mixup),
)

TRANSFORMS = (
    Transform("copy-paste", copy_paste),
    Transform("flips and turns", flip_and_turn),
    Transform("colours", vary_colours),
)


def combined(
    draw: DrawTile, size: tuple[int, int], rng: np.random.Generator, augmentation: Augmentation
) -> Sample:
    """A tile of `size`: each combination draws its parts as the one before it would.

    Args:
        draw: draws a plain tile.
        size: width and height in pixels.
        rng: source of every choice.
        augmentation: how often each combination comes.
    """
    for combination in COMBINATIONS:
        draw = partial(_drawn, combination, draw, rng, augmentation)
    return draw(size)


def _drawn(
    combination: Combination,
    draw: DrawTile,
    rng: np.random.Generator,
    augmentation: Augmentation,
    size: tuple[int, int],
) -> Sample:
    return combination.draw(draw, size, rng, augmentation)


def transformed(sample: Sample, rng: np.random.Generator, augmentation: Augmentation) -> Sample:
    """A square tile after every transform of the table."""
    for transform in TRANSFORMS:
        sample = transform.apply(*sample, rng, augmentation)
    return sample

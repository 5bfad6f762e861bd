"""What is drawn for training: a tile with its labels."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from smalldet.targets import Target

Sample = tuple[Tensor, Target]
"""Pixels (1 or 3, height, width) uint8, and labels in pixels of the tile."""

DrawTile = Callable[[tuple[int, int]], Sample]
"""Draws another tile of a (width, height) each time that it is called."""

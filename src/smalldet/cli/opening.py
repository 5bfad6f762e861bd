"""How verbs open the model that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from smalldet.cli.printing import note

if TYPE_CHECKING:
    from smalldet.tile_models import TileModel


def model_opener(
    model: str, class_names: str | None, network: str | None, device: str, backend: str
) -> Callable[[], TileModel]:
    """Opens the model when called, and prints what a trial of runtimes found."""

    def opened() -> TileModel:
        from smalldet.tile_models import open_tile_model

        return open_tile_model(
            model,
            class_names=class_names,
            network=network,
            device=device,
            backend=backend,
            say=note,
        )

    return opened

"""The verb that converts models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smalldet.cli.parameters import ClassNames, Model, Network
from smalldet.cli.printing import console


def convert(
    model: Model,
    *,
    to: Annotated[Path, Parameter(help=".safetensors, .weights (Darknet) or .pth (torchvision).")],
    class_names: ClassNames = None,
    network: Network = None,
) -> None:
    """Write a model in another format."""
    from smalldet.api import convert as run_conversion

    written = run_conversion(model, to, class_names=class_names, network=network)
    for path in written:
        console.print(f"Written: {path}", highlight=False)

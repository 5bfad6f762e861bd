"""The verb that serves a model over HTTP."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from smalldet.cli.parameters import (
    DEFAULT_MODEL,
    FLATTENED,
    Backend,
    ClassNames,
    Device,
    Model,
    Network,
)
from smalldet.cli.printing import note, say
from smalldet.serving.options import ServeOptions

if TYPE_CHECKING:
    from smalldet.tile_models import TileModel

DEFAULTS = ServeOptions()
NEEDED = ("fastapi", "uvicorn", "prometheus_client", "python_multipart")


def serve(
    *,
    model: Model = DEFAULT_MODEL,
    options: Annotated[ServeOptions, FLATTENED] = DEFAULTS,
    class_names: ClassNames = None,
    network: Network = None,
    device: Device = "auto",
    backend: Backend = "auto",
) -> None:
    """Serve a model over HTTP, with a page to look at large scenes and what was found."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"serve needs {', '.join(missing)}, which {'are' if missing[1:] else 'is'} not "
            'installed: pip install "smalldet[serve]"'
        )
    from smalldet.serving.run import serve as run_service
    from smalldet.tile_models import open_tile_model

    def open_model() -> TileModel:
        return open_tile_model(
            model,
            class_names=class_names,
            network=network,
            device=device,
            backend=backend,
            say=note,
        )

    run_service(open_model, Path(model).name, options, say)

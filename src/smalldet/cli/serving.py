"""The verb that serves a model over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from smalldet.cli.opening import model_opener
from smalldet.cli.parameters import (
    DEFAULT_MODEL,
    FLATTENED,
    Backend,
    ClassNames,
    Device,
    Model,
    Network,
)
from smalldet.cli.printing import say
from smalldet.extras import check_installed
from smalldet.serving.options import ServeOptions

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
    check_installed("serve", NEEDED, "serve")
    from smalldet.serving.run import serve as run_service

    open_model = model_opener(model, class_names, network, device, backend)
    run_service(open_model, Path(model).name, options, say)

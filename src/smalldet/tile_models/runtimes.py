"""Which runtime opens which kind of file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smalldet.class_names import ClassNames
from smalldet.models import DEFAULT_MODEL, model_path
from smalldet.tile_models.protocol import TileModel
from smalldet.tile_models.torch_model import open_torch_model


@dataclass(frozen=True)
class Runtime:
    """What computes models of some kinds of files.

    Args:
        name: what people call it.
        recognises: whether a file is one of its kinds.
        open: (file, class names, network, device) to a tile model; the second and the third are
            what a person says where the file does not.
    """

    name: str
    recognises: Callable[[Path], bool]
    open: Callable[[Path, ClassNames | None, str | None, str], TileModel]


RUNTIMES: tuple[Runtime, ...] = (
    Runtime("torch", lambda _: True, open_torch_model),  # the last: it knows weights by content
)
"""The first that recognises a file opens it. A new runtime is a file and a line here."""


def open_tile_model(
    name_or_path: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
) -> TileModel:
    """A trained model ready to predict: an embedded one by name, or a file by path.

    Args:
        name_or_path: of the model.
        class_names: names, a file of names, or `a,b,c`, where the file has none.
        network: name of the architecture or a file that describes it, where the file does not.
        device: "auto" takes the best that there is.

    Raises:
        FileNotFoundError: neither a file nor an embedded model; the message lists those.
        ValueError: no runtime reads the file, it is damaged, or there is no such device here.
    """
    path = model_path(name_or_path)
    runtime = next(runtime for runtime in RUNTIMES if runtime.recognises(path))
    return runtime.open(path, class_names, network, device)

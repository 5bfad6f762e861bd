"""Which runtime opens which kind of file, and which one is taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch

from smalldet.class_names import ClassNames
from smalldet.hardware import choose_device
from smalldet.models import DEFAULT_MODEL, model_path
from smalldet.tile_models.fastest import fastest
from smalldet.tile_models.graph_of_weights import ModelFile, graph_of
from smalldet.tile_models.onnxruntime_model import cuda_providers, open_onnx
from smalldet.tile_models.openvino_model import open_openvino
from smalldet.tile_models.protocol import TileModel
from smalldet.tile_models.torch_model import open_torch_model

Open = Callable[[Path, ClassNames | None, str | None, str], TileModel]


@dataclass(frozen=True)
class Runtime:
    """What computes models of some kinds of files.

    Args:
        name: what people call it.
        recognises: whether a file or folder is one of its kinds.
        open: (file, class names, network, device) to a tile model; the second and the third are
            what a person says where the file does not.
        serves: whether it computes on a device; where it does not, it is not tried.
    """

    name: str
    recognises: Callable[[Path], bool]
    open: Open
    serves: Callable[[torch.device], bool] = lambda _: True


def _is_weights(path: Path) -> bool:
    return not path.is_dir() and path.suffix != ".onnx"


def _by_graph(open_graph: Open) -> Open:
    """Opens weights too, by their graph."""

    def opened(
        path: Path, class_names: ClassNames | None, network: str | None, device: str
    ) -> TileModel:
        if not _is_weights(path):
            return open_graph(path, class_names, network, device)
        return open_graph(graph_of(ModelFile(path, class_names, network)), None, None, device)

    return opened


RUNTIMES: tuple[Runtime, ...] = (
    Runtime("torch", _is_weights, open_torch_model),
    Runtime(
        "onnxruntime",
        lambda path: not path.is_dir(),
        _by_graph(open_onnx),
        lambda device: (
            find_spec("onnxruntime") is not None
            and (device.type == "cpu" or (device.type == "cuda" and bool(cuda_providers())))
        ),
    ),
    Runtime(
        "openvino",
        lambda _: True,
        _by_graph(open_openvino),
        lambda device: device.type == "cpu" and find_spec("openvino") is not None,
    ),
)
"""Of those that recognise a file the fastest opens it; the first is the measure of what is right.

A new runtime is a file and a line here.
"""


def open_tile_model(
    name_or_path: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    say: Callable[[str], None] = lambda _: None,
) -> TileModel:
    """A trained model ready to predict: an embedded one by name, or a file by path.

    Args:
        name_or_path: of the model: weights, or a file or folder that `smalldet export` wrote.
        class_names: names, a file of names, or `a,b,c`, where the file has none.
        network: name of the architecture or a file that describes it, where the file does not.
        device: "auto" takes the best that there is.
        backend: name of a runtime; "auto" takes what SMALLDET_BACKEND says in the environment,
            else the fastest, by a trial that is made once.
        say: told in a line what a trial found.

    Raises:
        FileNotFoundError: neither a file nor an embedded model; the message lists those.
        ValueError: no runtime reads the file, it is damaged, or there is no such device or runtime
            here.
    """
    path = Path(name_or_path)
    path = path if path.is_dir() else model_path(name_or_path)
    able = [runtime for runtime in RUNTIMES if runtime.recognises(path)]
    if backend == "auto":
        backend = os.environ.get("SMALLDET_BACKEND") or backend
    if backend != "auto":
        return _named(backend, able, path).open(path, class_names, network, device)
    on = choose_device(device)
    first, *others = able
    serving = [first, *(runtime for runtime in others if runtime.serves(on))]
    if len(serving) == 1:
        return first.open(path, class_names, network, device)
    openers = [
        (runtime.name, partial(runtime.open, path, class_names, network, device))
        for runtime in serving
    ]
    return fastest(openers, ModelFile(path, class_names, network).key(), on, say)


def backend_of(model: TileModel) -> str:
    """The name of the runtime that computes a model: a `backend` of `open_tile_model`."""
    how = model.runtime.partition(" in ")[2]
    return next(runtime.name for runtime in RUNTIMES if how.startswith(runtime.name))


def _named(name: str, able: list[Runtime], path: Path) -> Runtime:
    known = [runtime.name for runtime in RUNTIMES]
    if name not in known:
        raise ValueError(f"backend {name!r} is unknown: choose auto, {', '.join(known)}")
    chosen = next((runtime for runtime in able if runtime.name == name), None)
    if chosen is None:
        can = ", ".join(runtime.name for runtime in able)
        raise ValueError(f"{path}: {name} does not read it; {can} does")
    return chosen

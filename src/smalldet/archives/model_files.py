"""Models as bytes: what a driver sends to workers that do not see its files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smalldet.class_names import ClassNames, parse_class_names
from smalldet.models import model_path
from smalldet.tile_models import TileModel, backend_of, open_tile_model
from smalldet.tile_models.graph_of_weights import ModelFile, graph_of

NETWORK = "network"
BESIDE = (".cfg", ".names", ".onnx")
"""What may lie beside weights under their name and tell of them."""


@dataclass(frozen=True)
class PackedModel:
    """A model's files by content, and how to open them.

    Args:
        name: of the file or folder.
        files: {path in a folder: content}.
        class_names: where the file has none.
        network: a name, or a path within `files`.
        backend: a runtime, or `auto`.
    """

    name: str
    files: Mapping[str, bytes] = field(repr=False)
    class_names: tuple[str, ...] | None = None
    network: str | None = None
    backend: str = "auto"

    @classmethod
    def of(
        cls,
        name_or_path: str | Path,
        class_names: ClassNames | None = None,
        network: str | None = None,
        backend: str = "auto",
    ) -> PackedModel:
        """What `open_tile_model` takes, less the device.

        What lies beside a file of weights and tells of it goes with it.

        Raises:
            FileNotFoundError, ValueError: as `open_tile_model`.
        """
        path = Path(name_or_path)
        path = path if path.is_dir() else model_path(name_or_path)
        beside = (path, *(path.with_suffix(suffix) for suffix in BESIDE))
        found = path.rglob("*") if path.is_dir() else beside
        files = {
            file.relative_to(path.parent).as_posix(): file.read_bytes()
            for file in found
            if file.is_file()
        }
        if network is not None and Path(network).is_file():
            described = f"{NETWORK}/{Path(network).name}"
            files[described] = Path(network).read_bytes()
            network = described
        return cls(path.name, files, parse_class_names(class_names), network, backend)

    def opened(self, device: str) -> tuple[TileModel, PackedModel]:
        """The model, and the same packed for further workers.

        Those need no trial and export nothing: they get the runtime that was taken here, and the
        graph that it computes.
        """
        with tempfile.TemporaryDirectory(prefix="smalldet-") as folder:
            for name, content in self.files.items():
                file = Path(folder, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            path, network = Path(folder, self.name), self.network
            if network is not None and network in self.files:
                network = str(Path(folder, network))
            model = open_tile_model(
                path,
                class_names=self.class_names,
                network=network,
                device=device,
                backend=self.backend,
            )
            backend = backend_of(model)
            if backend == "torch" or path.is_dir() or path.suffix == ".onnx":
                packed = PackedModel(self.name, self.files, self.class_names, self.network, backend)
            else:
                graph = graph_of(ModelFile(path, self.class_names, network))
                packed = PackedModel(graph.name, {graph.name: graph.read_bytes()}, backend=backend)
        return model, packed

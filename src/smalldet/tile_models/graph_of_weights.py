"""Graphs of models of weights: those beside them, or made once and kept in the user's cache."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from smalldet.atomic_write import atomic_write
from smalldet.class_names import ClassNames, parse_class_names
from smalldet.graphs.facts import FORMAT, facts_in, facts_of, to_metadata
from smalldet.graphs.onnx_file import onnx_texts, with_metadata, write_onnx
from smalldet.models import import_model
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.tile_models.graph_model import content_fingerprint
from smalldet.tile_models.onnxruntime_model import open_onnx
from smalldet.tile_models.parity import RAW_TOLERANCE, compare_with_torch, textured_tiles
from smalldet.user_cache import user_cache

CHECKED_PX = 256


@dataclass(frozen=True)
class ModelFile:
    """A file of weights and what a person says of it.

    Args:
        path: of the weights.
        class_names: where the file has none.
        network: where the file does not tell it.
    """

    path: Path
    class_names: ClassNames | None = None
    network: str | None = None

    def key(self) -> str:
        """What tells it from all others, by content."""
        said = self.network or ""
        described = b""
        if said and Path(said).is_file():
            said, described = Path(said).name, Path(said).read_bytes()
        names = repr(parse_class_names(self.class_names))
        return content_fingerprint(self.path.read_bytes(), names.encode(), said.encode(), described)

    def load(self) -> LoadedModel:
        """Its detector and schema."""
        return import_model(self.path, class_names=self.class_names, network=self.network)


def graph_of(file: ModelFile) -> Path:
    """The .onnx file of a model of weights; made, and checked against torch, where there is none.

    Embedded models come with theirs.

    Raises:
        ValueError: it cannot be exported, or what is exported gives other outputs.
    """
    return _beside(file) or _cached(file)


def _beside(file: ModelFile) -> Path | None:
    """What `smalldet export` wrote from these weights, under their name, for tiles of any size."""
    path = file.path.with_suffix(".onnx")
    if not path.is_file() or file != ModelFile(file.path):
        return None
    try:
        facts = facts_in(onnx_texts(path), str(path))
    except ValueError:
        return None  # of another program
    same = facts.made_from == content_fingerprint(file.path.read_bytes())
    whole = facts.weights == "float32" and facts.batch is None and facts.fixed_px is None
    return path if same and whole else None


def _cached(file: ModelFile) -> Path:
    key = content_fingerprint(
        file.key().encode(),
        FORMAT.encode(),
        version("smalldet").encode(),
        version("torch").encode(),
    )
    path = user_cache() / "graphs" / f"{key}.onnx"
    if path.is_file():
        return path
    from smalldet.graphs.network_graph import network_graph  # torch's exporter takes seconds

    model = file.load()
    facts = facts_of(model, fingerprint=key, source=file.path.name)
    graph = with_metadata(network_graph(model.detector), to_metadata(facts, model.detector))
    with atomic_write(path) as draft:
        write_onnx(draft, graph)
        _check(draft, model, str(file.path))
    return path


def _check(path: Path, model: LoadedModel, name: str) -> None:
    detector = model.detector
    exported = open_onnx(path, None, None, "cpu")
    side = -(-CHECKED_PX // detector.stride) * detector.stride
    for height, width in ((side, side), (side, 2 * side)):
        tiles = textured_tiles(1, (detector.in_channels, height, width))
        comparison = compare_with_torch(detector, exported, tiles)
        if comparison.raw_error > RAW_TOLERANCE:
            raise ValueError(f"{name}: its graph does not give what torch gives: {comparison}")

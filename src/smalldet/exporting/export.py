"""A model written for another runtime, checked before it is left."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from smalldet.class_names import ClassNames
from smalldet.data.index import Index
from smalldet.exporting.check_tiles import check_tiles
from smalldet.exporting.int8 import Gate, Quantised, quantised
from smalldet.exporting.options import ExportOptions
from smalldet.graphs.facts import GraphFacts, facts_of, to_metadata
from smalldet.graphs.network_graph import network_graph
from smalldet.graphs.onnx_file import in_half_precision, with_metadata, write_onnx
from smalldet.graphs.openvino_folder import graph_files, read_openvino, write_openvino
from smalldet.models import import_model, model_path
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.models.licence import licence_of
from smalldet.tile_models.graph_model import GraphTileModel, content_fingerprint
from smalldet.tile_models.onnxruntime_model import open_onnx
from smalldet.tile_models.openvino_model import open_exactly
from smalldet.tile_models.parity import (
    EXACT,
    RAW_TOLERANCE,
    REDUCED,
    Comparison,
    compare_with_torch,
)


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        files: that hold it.
        comparison: with torch in float32, on tiles.
        gate: AP before and after of what computes in 8 bits; None without.
    """

    files: list[Path]
    comparison: Comparison
    gate: Gate | None


def export_model(
    model: str | Path,
    to: str | Path,
    options: ExportOptions | None = None,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    data: Index | None = None,
    picture: Path | None = None,
) -> Exported:
    """Write a model as ONNX or for OpenVINO, with all that predicting with it needs.

    What is written is compared with torch first, and is left only if it gives the same.

    Args:
        model: weights, or the name of an embedded model.
        to: an `.onnx` file, or a folder for OpenVINO.
        options: format, precision, fixed sizes.
        class_names: where the weights have none.
        network: where the weights do not tell it.
        data: labelled pictures, for int8: a third calibrates, the others measure.
        picture: whose tiles are compared; a drawn scene if None.

    Raises:
        FileExistsError: `to` exists.
        ValueError: the model cannot be exported, an option does not fit, or what was exported
            gives something else than torch.
    """
    options = options or ExportOptions()
    target = _target(Path(to), options)
    path = model_path(model)
    loaded = import_model(path, class_names=class_names, network=network)
    facts = _facts(loaded, path, options)
    graph = network_graph(loaded.detector, batch=facts.batch, fixed_px=facts.fixed_px)
    texts = to_metadata(facts, loaded.detector)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.onnx"
        found: Quantised | None = None
        if options.format == "onnx":
            graph = in_half_precision(graph) if options.fp16 else graph
            write_onnx(draft, with_metadata(graph, texts))
            exported = open_onnx(draft, None, None, "cpu")
        else:
            write_onnx(draft, with_metadata(graph, texts))
            read = read_openvino(draft)
            draft = Path(folder) / "openvino"
            if options.int8:
                found = quantised(read, facts, loaded.detector, _labelled(data))
                read = found.graph
            write_openvino(draft, read, texts, half=options.fp16)
            exported = open_exactly(draft)
        comparison = _compared(loaded, exported, options, picture)
        return Exported(_moved(draft, target), comparison, found and found.gate)


def _target(to: Path, options: ExportOptions) -> Path:
    if to.exists():
        raise FileExistsError(f"{to}: exists already")
    if (to.suffix == ".onnx") != (options.format == "onnx"):
        raise ValueError(
            f"{to}: ONNX is one file that ends in .onnx, OpenVINO a folder; the format asked for "
            f"is {options.format}"
        )
    return to


def _facts(loaded: LoadedModel, path: Path, options: ExportOptions) -> GraphFacts:
    detector = loaded.detector
    side, batch, stride = options.tile_px, options.batch, detector.stride
    if detector.fixed_shape:
        side, batch = _tile_px(loaded, options), batch or 1
    if side is not None and side % stride:
        raise ValueError(f"tiles of {side} px: the model's sides are multiples of {stride} px")
    weights = "int8" if options.int8 else "float16" if options.fp16 else "float32"
    facts = facts_of(
        loaded,
        fingerprint=content_fingerprint(path.read_bytes()),
        source=path.stem,
        licence=licence_of(path),
        batch=batch,
        fixed_px=side,
    )
    return facts.model_copy(update={"weights": weights, "tile_px": side or facts.tile_px})


def _tile_px(loaded: LoadedModel, options: ExportOptions) -> int:
    """Side of the tiles asked for, or of those that the model predicts on."""
    detector = loaded.detector
    return options.tile_px or -(-detector.tile_px // detector.stride) * detector.stride


def _labelled(data: Index | None) -> Index:
    if data is None:
        raise ValueError("int8 needs labelled pictures to calibrate and to measure on: give data")
    return data


def _compared(
    loaded: LoadedModel, exported: GraphTileModel, options: ExportOptions, picture: Path | None
) -> Comparison:
    """With torch; what computes in 8 bits is held to AP instead."""
    detector = loaded.detector
    side = _tile_px(loaded, options)
    tolerance = REDUCED if options.int8 or options.fp16 else EXACT
    tiles = check_tiles(detector, side, picture)
    comparison = compare_with_torch(detector, exported, tiles, tolerance)
    exact = tolerance is EXACT
    differs = comparison.num_lost > tolerance.lost_share * comparison.num_detections
    if not options.int8 and (differs or (exact and comparison.raw_error > RAW_TOLERANCE)):
        raise ValueError(
            f"what was exported does not give what torch gives, and is not left: {comparison}"
        )
    return comparison


def _moved(draft: Path, target: Path) -> list[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(draft, target)
    return graph_files(target)

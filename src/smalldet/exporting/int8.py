"""Computing in 8 bits, as far as it costs no small objects.

A network is quantised whole, and measured on pictures that calibration did not see. If AP falls by
more than a point, over all objects or over those under 16 px, places at which values are rounded to
8 bits are opened again, those first that disturb the outputs most, until it does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smalldet.data.index import Index
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.options import EvaluateOptions
from smalldet.exporting.check_tiles import tiles_of_every_size
from smalldet.graphs.facts import GraphFacts, from_metadata, to_metadata
from smalldet.graphs.openvino_folder import INSTALL
from smalldet.models import Detector
from smalldet.tile_models.graph_model import GraphTileModel
from smalldet.tile_models.openvino_model import compiled_model

MOST_LOST = 0.01
NUM_CALIBRATION_TILES = 48
NUM_SENSITIVITY_TILES = 4
MOST_MEASURED = 60
CALIBRATION_SHARE = 3  # one picture of so many calibrates
SIZES = {"under 16 px": (0.0, 16.0), "16-32 px": (16.0, 32.0), "from 32 px": (32.0, 1e9)}
ROUNDING = "FakeQuantize"
WITH_WEIGHTS = ("Convolution", "GroupConvolution", "MatMul")


@dataclass(frozen=True)
class Gate:
    """What 8 bits cost, and what was done about it.

    Args:
        rows: of a step: its name, AP, AP under 16 px, of 16 to 32 px, from 32 px; None where there
            are no such objects.
        opened: layers that went back to higher precision.
        num_layers: that rounded at first.
        num_pictures: measured on.
    """

    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    opened: tuple[str, ...]
    num_layers: int
    num_pictures: int


@dataclass(frozen=True)
class Quantised:
    """OpenVINO's model in 8 bits, and how it was held to its float32 self."""

    graph: Any
    gate: Gate


def quantised(graph: Any, facts: GraphFacts, detector: Detector, labelled: Index) -> Quantised:
    """A network in 8 bits that loses at most a point of AP, in all and under 16 px.

    Args:
        graph: OpenVINO's, in float32.
        facts: of it.
        detector: whose network it is.
        labelled: pictures, of which a third calibrates and the others measure.

    Raises:
        ValueError: too few pictures, or it loses more even with every layer's inputs in float32.
    """
    seen, unseen = _shared_out(labelled)
    side = facts.fixed_px or facts.tile_px
    tiles = list(tiles_of_every_size(seen, detector, side, NUM_CALIBRATION_TILES))
    if facts.fixed_px is not None:
        tiles = [_grown(tile, facts.fixed_px) for tile in tiles]
    batches = [np.repeat(tile[None], facts.batch or 1, axis=0) for tile in tiles]
    decoder = from_metadata(to_metadata(facts, detector), "the model")[1]
    facts = facts.model_copy(update={"weights": "int8"})

    def model_of(network: Any) -> GraphTileModel:
        return compiled_model(
            network,
            facts,
            decoder,
            fingerprint="",
            where="int8",
            precision=torch.float32,
        )

    def measured(network: Any) -> tuple[float | None, ...]:
        report = evaluate(model_of(network), unseen, EvaluateOptions(sizes=SIZES, num_resamples=0))
        return (report.metrics["AP"], *(report.metrics[f"AP_{name}"] for name in SIZES))

    wanted = measured(graph)
    rounded = chosen = _quantise(graph, batches)
    roundings = _roundings(rounded)
    rows = [("float32", wanted), ("int8", measured(rounded))]
    order: Sequence[str] = ()
    num_opened = 0
    while _loses(wanted, rows[-1][1]):
        if num_opened == len(roundings):
            raise ValueError(
                f"8 bits cost more than a point of AP even with all {len(roundings)} places "
                "opened: this model is not written in int8"
            )
        order = order or _by_disturbance(graph, rounded, model_of, batches)
        num_opened = min(max(1, 2 * num_opened), len(roundings))
        chosen = rounded.clone()
        _open(chosen, order[:num_opened], graph)
        rows.append((f"int8, {num_opened} opened", measured(chosen)))
    layers = tuple(roundings[name] for name in order[:num_opened])
    return Quantised(chosen, Gate(tuple(rows), layers, len(roundings), len(unseen)))


def _shared_out(labelled: Index) -> tuple[Index, Index]:
    records = labelled.records
    if len(records) < 2:
        raise ValueError(
            f"int8 needs pictures to calibrate on and others to measure on, and is given "
            f"{len(records)}"
        )
    seen = records[::CALIBRATION_SHARE]
    unseen = [record for i, record in enumerate(records) if i % CALIBRATION_SHARE]
    step = -(-len(unseen) // MOST_MEASURED)
    names = labelled.class_names
    return Index(names, tuple(seen)), Index(names, tuple(unseen[::step]))


def _grown(tile: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    _, height, width = tile.shape
    return np.pad(tile, ((0, 0), (0, side - height), (0, side - width)))


def _loses(wanted: tuple[float | None, ...], given: tuple[float | None, ...]) -> bool:
    """Whether AP in all or under 16 px falls by more than a point."""
    pairs = zip(wanted[:2], given[:2], strict=True)
    return any(
        before is not None and before - (after or 0.0) > MOST_LOST for before, after in pairs
    )


def _quantise(graph: Any, batches: Sequence[NDArray[np.uint8]]) -> Any:
    os.environ.setdefault("NNCF_CI", "1")  # it sends nothing to its makers then
    try:
        import nncf
    except ModuleNotFoundError as error:
        raise ValueError(f"int8 needs NNCF: {INSTALL}") from error
    nncf.set_log_level(40)
    return nncf.quantize(
        graph.clone(),
        nncf.Dataset(batches),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(batches),
    )


def _roundings(graph: Any) -> dict[str, str]:
    """Places where values of a picture become 8 bits, and the layers that take them."""
    return {
        node.get_friendly_name(): ", ".join(
            sorted(taker.get_node().get_friendly_name() for taker in _takers(node))
        )
        for node in graph.get_ordered_ops()
        if _rounds_values(node)
    }


def _rounds_values(node: Any) -> bool:
    source = node.input_value(0).get_node() if node.get_type_name() == ROUNDING else None
    return source is not None and source.get_type_name() not in ("Constant", "Convert")


def _takers(node: Any) -> list[Any]:
    return list(node.output(0).get_target_inputs())


def _open(graph: Any, names: Sequence[str], exact: Any) -> None:
    """Let values pass these places as they are, and give the layers behind their exact weights."""
    import openvino

    originals = {node.get_friendly_name(): node for node in exact.get_ordered_ops()}
    for node in graph.get_ordered_ops():
        if node.get_friendly_name() not in names:
            continue
        for taker in _takers(node):
            taker.replace_source_output(node.input_value(0))
            layer = taker.get_node()
            original = originals.get(layer.get_friendly_name())
            if original is None or layer.get_type_name() not in WITH_WEIGHTS:
                continue
            weights = original.input_value(1).get_node()
            if weights.get_type_name() == "Constant":
                restored = openvino.opset13.constant(weights.data)
                layer.input(1).replace_source_output(restored.output(0))


def _by_disturbance(
    graph: Any,
    rounded: Any,
    model_of: Callable[[Any], GraphTileModel],
    batches: Sequence[NDArray[np.uint8]],
) -> list[str]:
    """Places of rounding, those first without which the outputs come nearest to float32."""
    tiles = [torch.from_numpy(batch[:1]) for batch in batches[:NUM_SENSITIVITY_TILES]]
    exact = model_of(graph)  # its outputs lie in its own memory
    wanted = [[out.clone() for out in exact.outputs(tile)] for tile in tiles]
    errors: dict[str, float] = {}
    for name in _roundings(rounded):
        opened = rounded.clone()
        _open(opened, [name], graph)
        model = model_of(opened)
        errors[name] = sum(
            _error(model.outputs(tile), out) for tile, out in zip(tiles, wanted, strict=True)
        )
    return sorted(errors, key=lambda name: errors[name])


def _error(given: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """Mean square of the differences, in mean squares of what is wanted."""
    return sum(
        ((ours - theirs).square().mean() / theirs.square().mean().clamp(min=1e-12)).item()
        for ours, theirs in zip(given, wanted, strict=True)
    )

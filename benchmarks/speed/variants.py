"""What a 640 px tile costs in Speck's sizes and in cuts of them, in every runtime, on one core.

    python -m benchmarks.speed.variants [--rounds 12] [--beside FILE.onnx ...]

Networks are untrained: how long one takes does not depend on its weights. Milliseconds are the
least CPU time of one thread over rounds in which all take turns. `int8` is quantised on drawn tiles
without the gate of `smalldet export`. `--beside` names other ONNX files that take float tiles, such
as what Ultralytics exports. Needs the extras `openvino` and `int8`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter, run
from torch.utils.flop_counter import FlopCounterMode

from smalldet.graphs.network_graph import network_graph
from smalldet.graphs.onnx_file import write_onnx
from smalldet.graphs.openvino_folder import openvino_core
from smalldet.hardware import choose_precision, keep_freed_memory
from smalldet.models.detector import Detector
from smalldet.models.fuse_batchnorm import fuse_batchnorm
from smalldet.models.speck.config import SpeckConfig
from smalldet.tile_models.parity import textured_tiles

TILE_PX = 640
CLASSES = ("airplane", "car", "bus")
VARIANTS: dict[str, dict[str, Any]] = {
    "n": {"size": "n"},
    "n, packed": {"size": "n", "packed": True},
    "n, neck widens by 2": {"size": "n", "expansion": 2},
    "n, half of the hidden channels": {"size": "n", "backbone_hidden": 0.5},
    "t: these three": {"size": "t"},
    "t, 0.375 of the hidden channels": {"size": "t", "backbone_hidden": 0.375},
    "t, five context blocks": {"size": "t", "num_context": 5},
    "t, 64 wide": {"size": "t", "width": 64},
    "t, 64 wide, 0.34 of the hidden channels": {
        "size": "t", "width": 64, "backbone_hidden": 0.34,
    },
    "n, oriented": {"size": "n", "oriented": True},
    "t, oriented": {"size": "t", "oriented": True},
    "s": {"size": "s"},
}  # fmt: skip
COLUMNS = ("torch", "torch, lowest precision", "ONNX Runtime", "OpenVINO", "OpenVINO, int8")


def main(
    *,
    rounds: int = 12,
    int8: bool = True,
    beside: Annotated[
        tuple[Path, ...], Parameter(help="Other ONNX files.", consume_multiple=True)
    ] = (),
) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    keep_freed_memory()
    detectors = {
        name: SpeckConfig.model_validate(keys).build(CLASSES, TILE_PX).eval()
        for name, keys in VARIANTS.items()
    }
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, detector) in enumerate(detectors.items()):
            graph = Path(folder) / f"{i}.onnx"
            write_onnx(graph, network_graph(detector, batch=1, fixed_px=TILE_PX))
            for column, call in _calls(detector, graph, int8).items():
                calls[name, column] = call
        for file in beside:
            for column, call in _of_file(file, np.zeros((1, 3, TILE_PX, TILE_PX), np.float32)):
                calls[file.name, column] = call
        least = _least_ms(calls, rounds)
    print("| variant | GFLOPs | M parameters | " + " | ".join(COLUMNS) + " |")
    print("|---|" + "---:|" * (2 + len(COLUMNS)))
    for name in [*detectors, *(file.name for file in beside)]:
        of_network = _size(detectors[name]) if name in detectors else ("", "")
        times = [f"{least[name, c]:.1f}" if (name, c) in least else "" for c in COLUMNS]
        print("| " + " | ".join((name, *of_network, *times)) + " |")


def _size(detector: Detector) -> tuple[str, str]:
    """GFLOPs of a tile, two for each multiplication with its addition, and million parameters."""
    tile = torch.zeros(1, 3, TILE_PX, TILE_PX, dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        detector.network(tile)
    num_parameters = sum(parameter.numel() for parameter in detector.parameters())
    return f"{counter.get_total_flops() / 1e9:.2f}", f"{num_parameters / 1e6:.2f}"


def _calls(detector: Detector, graph: Path, int8: bool) -> dict[str, Callable[[], object]]:
    """One prediction of a tile without decoding, by runtime."""
    tile = textured_tiles(1, (3, TILE_PX, TILE_PX))
    network = fuse_batchnorm(detector).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    images = tile.to(memory_format=torch.channels_last)

    def in_torch(precision: torch.dtype) -> Callable[[], object]:
        def call() -> object:
            with (
                torch.inference_mode(),
                torch.autocast("cpu", precision, precision != torch.float32),
            ):
                return network.network(images)

        return call

    calls = {"torch": in_torch(torch.float32)}
    lowest = choose_precision("auto", torch.device("cpu"))
    if lowest != torch.float32:
        calls["torch, lowest precision"] = in_torch(lowest)
    calls |= dict(_of_file(graph, tile.numpy()))
    if int8:
        calls["OpenVINO, int8"] = _in_openvino(_quantised(graph), tile.numpy())
    return calls


def _of_file(file: Path, tile: Any) -> list[tuple[str, Callable[[], object]]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [
        ("ONNX Runtime", lambda: session.run(None, {name: tile})),
        ("OpenVINO", _in_openvino(openvino_core().read_model(file), tile)),
    ]


def _in_openvino(graph: Any, tile: Any) -> Callable[[], object]:
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino_core().compile_model(graph, "CPU", settings).create_infer_request()
    return lambda: request.infer([tile])


def _quantised(file: Path) -> Any:
    os.environ.setdefault("NNCF_CI", "1")  # it sends nothing to its makers then
    import nncf

    nncf.set_log_level(40)
    tiles = textured_tiles(8, (3, TILE_PX, TILE_PX)).numpy()
    return nncf.quantize(
        openvino_core().read_model(file),
        nncf.Dataset([tile[None] for tile in tiles]),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(tiles),
    )


def _least_ms(
    calls: dict[tuple[str, str], Callable[[], object]], rounds: int
) -> dict[tuple[str, str], float]:
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for key, call in calls.items():
            began = time.process_time()
            call()
            least[key] = min(least[key], 1000 * (time.process_time() - began))
    return least


if __name__ == "__main__":
    run(main)

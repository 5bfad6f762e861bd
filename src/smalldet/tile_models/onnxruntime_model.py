"""ONNX Runtime as a runtime of tile models, on the CPU, on CUDA, and on TensorRT where it is."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.class_names import ClassNames
from smalldet.graphs.facts import INPUT_NAME, from_metadata
from smalldet.hardware import choose_device
from smalldet.tile_models.graph_model import (
    GraphTileModel,
    checked,
    content_fingerprint,
    refuse_network,
    renamed,
)

CPU = "CPUExecutionProvider"
ON_CUDA = ("TensorrtExecutionProvider", "CUDAExecutionProvider")
FATAL_ONLY = 4


def open_onnx(
    path: Path, class_names: ClassNames | None, network: str | None, device: str
) -> GraphTileModel:
    """An exported .onnx file as a tile model; see `open_tile_model`."""
    refuse_network(network, path)
    content = path.read_bytes()
    session, device_type = _session(content, path, device)
    texts = session.get_modelmeta().custom_metadata_map
    facts, decoder = from_metadata(texts, str(path))
    _check_input(session, path, facts.bands)
    provider = session.get_providers()[0].removesuffix("ExecutionProvider")
    model = GraphTileModel(
        partial(_run, session),
        facts,
        renamed(decoder, class_names, path),
        fingerprint=content_fingerprint(content),
        runtime=f"{device_type} in onnxruntime ({provider}, {facts.weights})",
        device_type=device_type,
    )
    return checked(model, str(path))


def cuda_providers() -> list[str]:
    """Those of ONNX Runtime that compute on CUDA here, fastest first."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    return [name for name in ON_CUDA if name in available]


def _session(content: bytes, path: Path, device: str) -> tuple[Any, str]:
    """Of a file's content: so that nothing beside the file is read."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ValueError(f"{path}: ONNX Runtime is not installed: install onnxruntime") from error

    providers = [CPU]
    chosen = choose_device(device)
    if chosen.type == "cuda":
        on_cuda = cuda_providers()
        if on_cuda:
            options = {"device_id": chosen.index or 0}
            providers = [*((name, options) for name in on_cuda), CPU]
        elif device != "auto":
            raise ValueError(
                f"device {device!r} is not to be had in this ONNX Runtime: install onnxruntime-gpu "
                "in place of onnxruntime, or choose --backend torch"
            )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY  # what fails is raised
    try:
        session = onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as error:  # onnxruntime's own kinds have no common one but this
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{path}: ONNX Runtime cannot open it: {reason}") from error
    on_device = session.get_providers()[0] != CPU
    return session, chosen.type if on_device else "cpu"


def _check_input(session: Any, path: Path, bands: int) -> None:
    inputs = [(each.name, each.type) for each in session.get_inputs()]
    if inputs != [(INPUT_NAME, "tensor(uint8)")] or session.get_inputs()[0].shape[1:2] != [bands]:
        raise ValueError(
            f"{path}: takes {inputs}, not tiles of {bands} bands of 8 bits named "
            f"{INPUT_NAME!r}: export it again"
        )


def _run(session: Any, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    return session.run(None, {INPUT_NAME: images})

"""Folders of OpenVINO: its two files, and beside them what they mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smalldet.atomic_write import write_text
from smalldet.graphs.facts import FACTS_KEY, PARTS_KEY

XML, BIN, MEANING = "model.xml", "model.bin", "smalldet.json"
INSTALL = "install smalldet[openvino]"


def openvino_core() -> Any:
    """OpenVINO's entrance.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise ValueError(f"OpenVINO is not installed: {INSTALL}") from error
    return openvino.Core()


def read_openvino(path: Path) -> Any:
    """The network of a folder or of an .onnx file.

    Raises:
        FileNotFoundError: a part is missing.
        ValueError: OpenVINO cannot read it, or is not installed.
    """
    core = openvino_core()
    files = graph_files(path)
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{missing[0]}: no such file; a folder of `smalldet export --format openvino` holds "
            f"{XML}, {BIN} and {MEANING}"
        )
    try:
        return core.read_model(files[0])
    except RuntimeError as error:
        raise ValueError(f"{files[0]}: OpenVINO cannot read it: {last_line(error)}") from error


def graph_files(path: Path) -> list[Path]:
    """What a network lies in, the description first."""
    return [path / XML, path / BIN, path / MEANING] if path.is_dir() else [path]


def write_openvino(folder: Path, graph: Any, texts: Mapping[str, str], *, half: bool) -> None:
    """Write a folder; what lies in it under the same names is replaced.

    Args:
        folder: made where there is none.
        graph: OpenVINO's model.
        texts: see `facts.to_metadata`.
        half: weights are stored in float16.
    """
    import openvino

    folder.mkdir(parents=True, exist_ok=True)
    openvino.save_model(graph, folder / XML, compress_to_fp16=half)
    content = {"facts": json.loads(texts[FACTS_KEY])}
    if PARTS_KEY in texts:
        content["torch_parts"] = texts[PARTS_KEY]
    write_text(folder / MEANING, json.dumps(content, indent=1) + "\n")


def folder_texts(folder: Path) -> dict[str, str]:
    """What a folder says of its network, as the texts that an .onnx file holds.

    Raises:
        ValueError: not such a folder, or damaged.
    """
    path = folder / MEANING
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        texts = {FACTS_KEY: json.dumps(content["facts"])}
        if "torch_parts" in content:
            texts[PARTS_KEY] = str(content["torch_parts"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{path}: damaged; export the model again ({type(error).__name__}: {error})"
        ) from error
    return texts


def last_line(error: Exception) -> str:
    """Of OpenVINO's messages, whose first lines are places in its own code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__

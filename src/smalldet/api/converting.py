"""Write models for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.read_labels import read_labels
from smalldet.exporting.export import Exported, export_model
from smalldet.exporting.options import ExportKeywords, ExportOptions
from smalldet.models import ClassNames, convert_model


def convert(
    model: str | Path,
    to: str | Path,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
) -> list[Path]:
    """Write a model in another format.

    Args:
        model: as in `load`, and so `class_names` and `network`.
        to: `.safetensors` (smalldet's own), `.weights` (Darknet's, with `.cfg` and `.names`
            beside), or `.pth` (torchvision's).

    Returns:
        The files.
    """
    return convert_model(model, to, class_names=class_names, network=network)


def export(
    model: str | Path,
    to: str | Path,
    *,
    data: str | Path | LabelSource | None = None,
    images: str | Path | None = None,
    picture: str | Path | None = None,
    class_names: ClassNames | None = None,
    network: str | None = None,
    **options: Unpack[ExportKeywords],
) -> Exported:
    """Write a model for ONNX Runtime or OpenVINO, and hold it to what torch gives.

    Args:
        model: as in `load`, and so `class_names` and `network`.
        to: an `.onnx` file, or a folder with `format="openvino"`.
        data: labelled pictures for `int8`, as `evaluate` takes them, or what a `LabelSource` says
            of them.
        images: folder of the pictures.
        picture: whose tiles are compared; a drawn scene if None.
        options: fields of `ExportOptions`: `format`, `int8`, `fp16`, `tile_px`, `batch`.

    Raises:
        FileExistsError, FileNotFoundError, ValueError: see `smalldet.exporting.export`.
    """
    chosen = ExportOptions.model_validate(options)
    return export_model(
        model,
        to,
        chosen,
        class_names=class_names,
        network=network,
        data=None if data is None else read_labels(data, images, split="val"),
        picture=None if picture is None else Path(picture),
    )

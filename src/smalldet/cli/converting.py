"""The verb that converts labels and models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smalldet.cli.parameters import (
    NO_OPTIONS,
    ClassNames,
    DataClasses,
    Network,
    Options,
    label_source,
)
from smalldet.cli.printing import say

FOLDERS_SHOWN = 8


def convert(
    source: Annotated[
        str,
        Parameter(
            name=("--source", "--model"),
            help="Labels in any known format, or a model by name or file.",
        ),
    ],
    *,
    to: Annotated[
        str,
        Parameter(
            help="Of labels: yolo, coco, voc, dota, tfrecord, visdrone, csv, retinanet-csv or "
            "geojson. Of a model: a file that ends in .safetensors, .weights (Darknet) or .pth "
            "(torchvision)."
        ),
    ],
    out: Annotated[Path | None, Parameter(help="Of labels: the folder to write to.")] = None,
    labels: Options = NO_OPTIONS,
    data_classes: DataClasses = None,
    class_names: ClassNames = None,
    network: Network = None,
) -> None:
    """Write labels, or a model, in another format."""
    from smalldet.data.formats.table import WRITERS

    if to in WRITERS:
        if out is None:
            raise ValueError(f"labels need a folder: --to {to} --out DIR")
        _convert_labels(Path(source), to, out, labels, data_classes)
        return
    if out is not None:
        raise ValueError(f"--to {to}: is no format of labels; give one of {', '.join(WRITERS)}")
    from smalldet.api.converting import convert as run_conversion

    for path in run_conversion(source, to, class_names=class_names, network=network):
        say(f"Written: {path}")


def _convert_labels(
    source: Path, to: str, out: Path, labels: Options, data_classes: DataClasses
) -> None:
    from smalldet.data.converting import convert_labels

    def tell(split: str, lost: list[str]) -> None:
        text = "".join(f"\n  {line}" for line in lost)
        say(f"{split}: {to} cannot keep{text}")

    written = convert_labels(label_source(source, labels, data_classes), to, out, on_losses=tell)
    folders = sorted({path.parent for path in written})
    for folder in folders[:FOLDERS_SHOWN]:
        num = sum(path.parent == folder for path in written)
        files = "1 file" if num == 1 else f"{num:,} files"
        say(f"Written: {folder}/ ({files})")

"""Parameters that several verbs take, and how options become parameters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smalldet.class_names import parse_class_names
from smalldet.data.formats.label_source import LabelOptions, LabelSource
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.size_ranges import read_sizes

DEFAULT_MODEL = "speck-n-aerial"
ORIENTED_MODEL = "speck-n-thermal-oriented"

Model = Annotated[
    str,
    Parameter(help="Embedded model by name, or a file of weights: smalldet's, Darknet's, ..."),
]
ClassNames = Annotated[
    str | None,
    Parameter(
        name=("--class-names", "--model-classes"),
        help="Class names where the file of weights has none: a file of them, or a,b,c.",
    ),
]
Network = Annotated[
    str | None,
    Parameter(
        name=("--network", "--model-network"),
        help="Network where the file has none: its name, or a .cfg or .yaml.",
    ),
]
Backend = Annotated[
    str,
    Parameter(
        help="auto (the fastest here, by a trial that is made once), torch, onnxruntime, openvino."
    ),
]
Device = Annotated[str, Parameter(help="auto, cpu, cuda, cuda:1, mps.")]


def parameter_name(field: str) -> str:
    """The name of an option without its unit, with hyphens: `tile_px` is typed as `--tile`.

    Sizes keep the metres: those of objects are mostly told in pixels.
    """
    in_metres = r"(?<=gsd)_m$|(?<=^height)_m$|(?<=tolerance)_m$|(?<=shift)_m$|(?<=within)_m$"
    return re.sub(rf"_(px|frac)$|{in_metres}", "", field).replace("_", "-")


def flattened(*left_out: str) -> Parameter:
    """Makes every field of an options object a parameter, but those that are left out."""
    return Parameter(
        name="*",
        name_transform=parameter_name,
        negative=(),
        consume_multiple=True,
        parse=re.compile(rf"^(?!({'|'.join(sorted(left_out))})$)"),
    )


FLATTENED = flattened(*EvaluateOptions.STRUCTURED)

Labels = Annotated[
    Path, Parameter(help="Labels in any known format: a data.yaml, a COCO json, a folder, ...")
]
Options = Annotated[LabelOptions, flattened("class_names")]
DataClasses = Annotated[
    str | None,
    Parameter(help="Class names where the labels have none, in order: a file of them, or a,b,c."),
]
NO_OPTIONS = LabelOptions()
Map = Annotated[
    tuple[str, ...],
    Parameter(name="--map", help="MODEL_CLASS=DATA_CLASS where names differ; repeat it."),
]
Sizes = Annotated[
    str,
    Parameter(
        help="Size ranges: default, coco, aitod, tinyperson, soda, or edges such as 0,8,16,32 "
        "in pixels or 0,2,4m in metres."
    ),
]


def with_tables(options: EvaluateOptions, pairs: tuple[str, ...], sizes: str) -> EvaluateOptions:
    """Options of an evaluation with the map and the size ranges that were typed."""
    wrong = [pair for pair in pairs if pair.count("=") != 1]
    if wrong:
        raise ValueError(f"--map takes MODEL_CLASS=DATA_CLASS, not {wrong[0]!r}")
    ranges, unit = read_sizes(sizes)
    mapping = dict(pair.split("=") for pair in pairs)
    return options.model_copy(update={"map": mapping, "sizes": dict(ranges), "size_unit": unit})


def with_classes(options: LabelOptions, data_classes: str | None) -> LabelOptions:
    """Options of labels with the class names that were typed."""
    if data_classes is None:
        return options
    return options.model_copy(update={"class_names": parse_class_names(data_classes)})


def label_source(path: Path, options: LabelOptions, data_classes: str | None) -> LabelSource:
    """Labels as the command line names them."""
    said = with_classes(options, data_classes).model_dump(exclude_defaults=True)
    return LabelSource(annotations=path, **said)

"""Parameters that several verbs take, and how options become parameters."""

from __future__ import annotations

import re
from typing import Annotated

from cyclopts import Parameter

from smalldet.evaluation.options import EvaluateOptions

DEFAULT_MODEL = "speck-n-aerial"

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
    """The name of an option without its unit, with hyphens: `tile_px` is typed as `--tile`."""
    return re.sub(r"_(px|frac)$", "", field).replace("_", "-")


FLATTENED = Parameter(
    name="*",
    name_transform=parameter_name,
    negative=(),
    consume_multiple=True,
    parse=re.compile(rf"^(?!({'|'.join(sorted(EvaluateOptions.STRUCTURED))})$)"),
)
"""Makes every field of an options object a parameter, but those that are tables."""

"""The verb that compares dates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smalldet.changing.options import ChangeOptions
from smalldet.cli.opening import model_opener
from smalldet.cli.parameters import (
    DEFAULT_MODEL,
    FLATTENED,
    Backend,
    ClassNames,
    Device,
    Model,
    Network,
)
from smalldet.cli.predicting import DEFAULTS
from smalldet.cli.printing import complain, note, progress_bar, say
from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.inference.options import PredictOptions

DEFAULT_CHANGE = ChangeOptions()


def change(
    *dates: Annotated[
        str,
        Parameter(
            help="Two or more, in order: files of predictions with a place on a map (.gpkg "
            ".geojson .fgb .shp .parquet .csv, COCO .json), or pictures to find the objects of."
        ),
    ],
    out: Annotated[
        Path,
        Parameter(
            help="File whose suffix names the format: .gpkg .geojson .fgb .parquet .shp .kml .csv."
        ),
    ],
    options: Annotated[ChangeOptions, FLATTENED] = DEFAULT_CHANGE,
    model: Model = DEFAULT_MODEL,
    class_names: ClassNames = None,
    network: Network = None,
    predicting: Annotated[PredictOptions, FLATTENED] = DEFAULTS,
    device: Device = "auto",
    backend: Backend = "auto",
    imagery: Annotated[ImageryOptions, FLATTENED] = USUAL,
) -> None:
    """Tell what appeared, went, stayed, moved, or was not seen between dates."""
    from smalldet.changing.change import compare_change
    from smalldet.inference.predict import Listener

    with progress_bar() as advance:
        listener = Listener(
            on_progress=lambda name, done, total: advance(done, total, Path(name).name),
            on_failure=lambda _, why: complain(why),
            on_remark=lambda name, remark: note(f"{name}: {remark}"),
            on_outside=lambda _, words: note(f"{words}: passed over"),
        )
        report = compare_change(
            dates,
            out,
            options,
            open_model=model_opener(model, class_names, network, device, backend),
            predicting=predicting,
            imagery=imagery,
            listener=listener,
        )
    for remark in report.remarks:
        note(remark)
    for line in report.lines():
        say(line)
    for path in report.written:
        say(f"Written: {path}")
